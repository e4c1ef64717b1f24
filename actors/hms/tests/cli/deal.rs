//! `hms deal verify --from`: a deal is judged by its log and the key history alone, without a bus.

use deal::{Ask, Deal, Desk, Entry};
use nkeys::KeyPair;
use schemas::{
    AgentId, DealId, Hash, Message, MoveId, Quantity,
    body::encode,
    core::{Call, Decider},
    deal::{Accept, Delivery, Move, Open, Terms, Transfer},
    event::{DealEvent, Happening, Signed},
    header::{self, Headers},
    profile::Profile,
    registry::{KeyEvent, Register},
    signature::{Sender, Signer},
    subject::{self, DealVerb},
    value::Valuation,
};
use serde_json::{Value, json};

use crate::{check, hms, hms_in};

pub const NOW: i64 = 1_790_000_000_000;

/// A bus's log in the making: a deal between angola and kenya that settles at once.
pub struct Story {
    signers: Vec<Signer>,
    lines: Vec<Value>,
}

impl Story {
    /// Everybody registered, and no deal yet.
    pub fn begun() -> Self {
        let account: schemas::signature::PublicKey = KeyPair::new_account().public_key().parse().unwrap();
        let signer =
            |name: &&str| Signer::from_seed(&KeyPair::new_user().seed().unwrap(), account.clone(), *name).unwrap();
        let signers = ["registry", "deal", "ledger", "angola", "kenya"].iter().map(signer).collect();
        let mut story = Self { signers, lines: Vec::new() };
        for core in ["registry", "deal", "ledger"] {
            let name: AgentId = core.parse().unwrap();
            let (_, body) = registry::core_key(&name, story.signer(core).key(), NOW);
            story.store(core, subject::key_log(&name), KeyEvent::TYPE, &body);
        }
        ["angola", "kenya"].iter().for_each(|agent| story.register(agent));
        story
    }

    fn settled() -> (Self, DealId) {
        let mut story = Self::begun();
        let id = story.deal();
        (story, id)
    }

    fn signer(&self, name: &str) -> &Signer {
        self.signers.iter().find(|signer| signer.name() == name).unwrap()
    }

    fn store(&mut self, writer: &str, subject: String, kind: &str, body: &[u8]) {
        let sequence = self.lines.len() + 1;
        let nonce = Hash::of(body).to_string();
        let sender = self.signer(writer).sign(&subject, body, NOW, &nonce[..32]).unwrap();
        let headers = Headers::of_type(kind.to_owned()).with(header::SENDER, sender);
        let headers: Vec<_> = headers.iter().collect();
        let body = data_encoding::HEXLOWER.encode(body);
        self.lines.push(json!({ "sequence": sequence, "subject": subject, "headers": headers, "body": body }));
    }

    fn signed(&self, agent: &str, subject: String, body: Vec<u8>) -> Signed {
        let nonce = format!("n{}", self.lines.len());
        Signed { sender: self.signer(agent).sign(&subject, &body, NOW, &nonce).unwrap(), subject, body }
    }

    fn register(&mut self, agent: &str) {
        let ask = Register {
            agent: agent.parse().unwrap(),
            key: self.signer(agent).key().clone(),
            kind: schemas::value::PartyKind::Government,
            capabilities: vec![],
            subjects: vec![],
            lease_ms: 1000,
        };
        let signed = self.signed(agent, subject::endpoint("registry", "register"), encode(&ask));
        let sender = Sender::parse(&signed.sender).unwrap();
        let call = Call { now_unix_ms: NOW, ..Call::default() };
        let (log, body) = registry::register(&ask, &sender, &signed, None, &call).unwrap().key_event.unwrap();
        self.store("registry", log, KeyEvent::TYPE, &body);
    }

    fn deal(&mut self) -> DealId {
        let parties: Vec<AgentId> = ["angola", "kenya"].map(|name| name.parse().unwrap()).to_vec();
        let transfer = |from: usize, to: usize, good: &str| Transfer {
            from: parties[from].clone(),
            to: parties[to].clone(),
            good: good.parse().unwrap(),
            quantity: Quantity::new(5).unwrap(),
            due_unix_ms: NOW + 60_000,
            intent: None,
        };
        let terms = encode(&Terms {
            book: "africa".parse().unwrap(),
            parties: parties.clone(),
            transfers: vec![transfer(0, 1, "oil"), transfer(1, 0, "tea")],
            delivery: Delivery::Immediate,
            expires_unix_ms: NOW + 60_000,
            award: None,
        });
        let move_id = MoveId::parse("m1").unwrap();
        let id = DealId::of(&parties[1], &move_id);
        let open = Open {
            move_id: move_id.clone(),
            deadline_unix_ms: NOW + 1000,
            book: "africa".parse().unwrap(),
            profile: Profile::Fixed,
            parties: parties.clone(),
            expires_unix_ms: NOW + 60_000,
            terms: Some(terms.clone()),
            requires: vec![],
            rules: None,
        };
        let mut deal = self.moved(None, &id, &parties[1], DealVerb::Open, Move::Open(open));
        for party in &parties {
            let accept = Accept {
                move_id: move_id_of(party),
                deadline_unix_ms: NOW + 1000,
                deal: id.clone(),
                terms_hash: Hash::of(&terms),
                valuation: Valuation::default(),
                holdings: Vec::new(),
                transcript: None,
            };
            deal = self.moved(deal, &id, party, DealVerb::Accept, Move::Accept(accept));
        }
        let before = deal.unwrap();
        let acceptances = parties.iter().map(|party| before.accepted[party].clone()).collect();
        let committed = Happening::Committed { book: before.book.clone(), terms, acceptances, certificates: vec![] };
        let entry = |turn, prev, what| {
            Entry::write(DealEvent { deal: id.clone(), turn, prev, at_unix_ms: NOW, what, cause: None, trace: None })
        };
        let committed = entry(before.turns, before.head, committed);
        let settled = entry(before.turns + 1, committed.hash, Happening::Settled);
        for entry in [committed, settled] {
            self.store("ledger", subject::deal_log(&id), DealEvent::TYPE, &entry.bytes);
        }
        id
    }

    pub fn moved(&mut self, deal: Option<Deal>, id: &DealId, by: &AgentId, verb: DealVerb, ask: Move) -> Option<Deal> {
        let signed = self.signed(by.as_str(), subject::deal_move(verb, by, id), ask.encode());
        let call = Call { now_unix_ms: NOW, sender: Some(Sender::parse(&signed.sender).unwrap()), ..Call::default() };
        let ask = Ask::Move { by: by.clone(), deal: id.clone(), ask: Box::new(ask), signed };
        let events = Desk.decide(&deal, &ask, &call).unwrap().events;
        events.into_iter().fold(deal, |deal, entry| {
            self.store("deal", subject::deal_log(id), DealEvent::TYPE, &entry.bytes);
            Deal::apply(deal, &entry)
        })
    }

    pub fn text(&self) -> String {
        self.lines.iter().map(|line| format!("{line}\n")).collect()
    }
}

fn move_id_of(party: &AgentId) -> MoveId {
    MoveId::parse(&format!("accept-{party}")).unwrap()
}

fn verify(text: &str) -> crate::Ran {
    hms(&["deal", "verify", "--from", "-", "--json"], text.as_bytes())
}

#[test]
fn a_settled_deal_holds_anywhere() {
    let (story, id) = Story::settled();
    let ran = verify(&story.text());
    check(&ran, 0, "\"holds\":true");
    let verdict: Value = serde_json::from_str(&ran.out).unwrap();
    // opened, accepted twice, certified, committed, settled; each signed, and three moves behind them.
    assert_eq!(
        (&verdict["entries"], &verdict["signatures"], &verdict["state"]),
        (&json!(6), &json!(9), &json!("settled"))
    );

    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("deal.jsonl"), story.text()).unwrap();
    let args = ["deal", "verify", id.as_str(), "--from", "deal.jsonl"];
    check(&hms_in(folder.path(), &args, b""), 0, &format!("{id} holds: settled"));
    let other = "a".repeat(26);
    check(&hms_in(folder.path(), &["deal", "verify", &other, "--from", "deal.jsonl"], b""), 1, "");
    check(&hms_in(folder.path(), &["deal", "verify", "--from", "nowhere.jsonl"], b""), 2, "nowhere.jsonl");
    check(&verify(""), 2, "no entry");
}

#[test]
fn a_flipped_bit_is_named_wherever_it_is() {
    let (story, _) = Story::settled();
    let is_key = |line: &Value| line["subject"].as_str().unwrap().contains(".key.");
    for (at, line) in story.lines.iter().enumerate() {
        let body = data_encoding::HEXLOWER.decode(line["body"].as_str().unwrap().as_bytes()).unwrap();
        // Every body from its beginning, its middle and its end, a bit each time.
        for (place, bit) in [(0, 0), (body.len() / 3, 3), (body.len() / 2, 5), (body.len() - 1, 7)] {
            let mut flipped = body.clone();
            flipped[place] ^= 1 << bit;
            let mut lines = story.lines.clone();
            lines[at]["body"] = data_encoding::HEXLOWER.encode(&flipped).into();
            let ran = verify(&Story { signers: vec![], lines }.text());
            assert_eq!(ran.code, Some(1), "entry {at}, byte {place}: {}", ran.out);
            let verdict: Value = serde_json::from_str(&ran.out).unwrap();
            assert_eq!((&verdict["holds"], &verdict["sequence"]), (&json!(false), &line["sequence"]), "{verdict}");
            assert_eq!(verdict.get("key_history").is_some(), is_key(line), "{verdict}");
        }
    }
}

#[test]
fn what_is_missing_moved_or_foreign_is_named() {
    let (story, _) = Story::settled();
    let first = story.lines.iter().position(|line| line["subject"].as_str().unwrap().contains(".deal.")).unwrap();
    let faulty = |change: &dyn Fn(&mut Vec<Value>)| {
        let mut lines = story.lines.clone();
        change(&mut lines);
        let ran = verify(&Story { signers: vec![], lines }.text());
        assert_eq!(ran.code, Some(1), "{}", ran.out);
        serde_json::from_str::<Value>(&ran.out).unwrap()
    };
    let lost = faulty(&|lines| drop(lines.remove(first + 1)));
    assert_eq!((&lost["turn"], &lost["sequence"]), (&json!(1), &json!(first + 3)));
    let swapped = faulty(&|lines| lines.swap(first + 1, first + 2));
    assert_eq!(swapped["turn"], json!(1));
    let cut = faulty(&|lines| lines.truncate(lines.len() - 1));
    assert!(cut["fault"].as_str().unwrap().contains("settled"), "{cut}");
    let stranger = faulty(&|lines| drop(lines.remove(first - 1)));
    assert!(stranger["fault"].as_str().unwrap().contains("kenya"), "{stranger}");
    let header = faulty(&|lines| lines[first]["headers"][1][1] = json!("deal.accept"));
    assert_eq!((&header["turn"], &header["sequence"]), (&json!(0), &json!(first + 1)));
}

#[test]
fn a_line_that_is_none_is_bad_input() {
    let (story, _) = Story::settled();
    check(&verify(&format!("{}nonsense\n", story.text())), 2, &format!("line {}", story.lines.len() + 1));
}
