//! Any sequence of moves, signed, damaged, forged, late or twice, of timers, proofs and the ledger's words, through the
//! desk: it never panics, and whatever it writes is one chain that ends at most once, in which nothing is recorded twice
//! and nothing is certified or committed that not every party has signed.

#![no_main]

use std::collections::{BTreeMap, BTreeSet};

use deal::gate::{Judged, Proving, Rule};
use deal::verify::verify;
use deal::{Ask, Deal, Desk, Entry};
use fuzz::{Believer, Keys, NOW, anybody, body, record, sender, signer};
use libfuzzer_sys::arbitrary::{self, Arbitrary};
use libfuzzer_sys::fuzz_target;
use schemas::core::{Call, Decider, Decision, Effect, Logged};
use schemas::deal::{Accept, Delivery, Move};
use schemas::event::{DealEvent, Happening, Signed};
use schemas::hash::Hash;
use schemas::id::{AgentId, DealId, MoveId};
use schemas::keyring::LogRecord;
use schemas::limit::MAX_BODY_BYTES;
use schemas::negotiation::{ReadRules, Rules};
use schemas::profile::{Profile, State};
use schemas::subject::{self, DealVerb};
use schemas::{decode, encode};
use serde_json::{Value, json};

#[derive(Arbitrary, Debug)]
struct Script {
    /// Whether the whole log is verified at the end, which costs ten times as much.
    verified: bool,
    /// The deal that all is about.
    opening: Opening,
    steps: Vec<Step>,
}

#[derive(Arbitrary, Debug, Clone)]
struct Opening {
    profile: u8,
    opener: u8,
    first: u8,
    parties: u8,
    /// The transfers, where they are not simply a ring.
    transfers: Option<Vec<(u8, u8, u8, i64)>>,
    confirmed: bool,
    has_terms: bool,
    expires_ms: u16,
    due_ms: u16,
    requires: u8,
}

#[derive(Arbitrary, Debug)]
enum Step {
    Open {
        by: u8,
    },
    Propose {
        by: u8,
        other: Option<Opening>,
        choice: u8,
        heard: u8,
    },
    Accept {
        by: u8,
        other_terms: bool,
        value: u8,
        cost: u8,
        heard: u8,
    },
    Reject {
        by: u8,
    },
    Withdraw {
        by: u8,
    },
    Confirm {
        by: u8,
    },
    Counter {
        by: u8,
    },
    /// An earlier move once more, with another body where something is flipped.
    Again {
        which: u8,
        flip: Option<u16>,
    },
    /// A move in another's name.
    Forge {
        by: u8,
        claimed: u8,
        which: u8,
    },
    /// Bytes that somebody signed.
    Raw {
        by: u8,
        verb: u8,
        bytes: Vec<u8>,
    },
    Wait {
        ms: u16,
    },
    Due,
    Prove {
        evidence: Vec<u8>,
    },
    Commit,
    Refuse,
    Compensate {
        reversed: Vec<u8>,
    },
}

struct World {
    id: DealId,
    opening: Opening,
    now_unix_ms: i64,
    deal: Option<Deal>,
    log: Vec<(&'static str, Entry)>,
    sent: Vec<(AgentId, DealVerb, Signed)>,
    asked: Option<Proving>,
    moves: u32,
}

const VERBS: [DealVerb; 7] = [
    DealVerb::Open,
    DealVerb::Propose,
    DealVerb::Counter,
    DealVerb::Accept,
    DealVerb::Reject,
    DealVerb::Withdraw,
    DealVerb::Confirm,
];
const GOODS: [&str; 3] = ["cocoa", "tea", "usd"];

impl Opening {
    fn opener(&self) -> AgentId {
        anybody(self.opener)
    }

    fn parties(&self) -> Vec<AgentId> {
        let parties: BTreeSet<AgentId> =
            (0..2 + self.parties % 3).map(|seat| anybody(self.first.wrapping_add(seat) % 6)).collect();
        parties.into_iter().collect()
    }

    fn expires_unix_ms(&self) -> i64 {
        NOW + 1 + i64::from(self.expires_ms)
    }

    fn profile(&self) -> Profile {
        [Profile::Ring, Profile::Fixed, Profile::Exchange, Profile::Sao, Profile::Cnp][usize::from(self.profile) % 5]
    }

    fn terms(&self) -> Value {
        let parties = self.parties();
        let due = self.expires_unix_ms() + i64::from(self.due_ms);
        let ring = (0_u8..).take(parties.len()).map(|seat| (seat, seat + 1, seat, 5));
        let transfers = self.transfers.clone().unwrap_or_else(|| ring.collect()).into_iter().take(8);
        let party = |seat: u8| &parties[usize::from(seat) % parties.len()];
        let transfers: Vec<Value> = transfers
            .map(|(from, to, good, quantity)| {
                let good = GOODS[usize::from(good) % GOODS.len()];
                json!({ "from": party(from), "to": party(to), "good": good, "quantity": quantity, "due_unix_ms": due })
            })
            .collect();
        json!({
            "type": "terms", "book": "africa", "parties": parties, "transfers": transfers,
            "delivery": if self.confirmed { "confirmed" } else { "immediate" },
            "expires_unix_ms": self.expires_unix_ms(),
        })
    }

    /// The rules of a negotiated deal: two issues, of which one may be nothing.
    fn rules(&self) -> Option<Vec<u8>> {
        let issue = |name: &str| json!({ "name": name, "least": 0, "step": 1, "count": 4 });
        let due = self.expires_unix_ms() + i64::from(self.due_ms);
        let hop = |from: u32, to: u32, good: &str, by: &str| json!({ "from": from, "to": to, "goods": [good], "factor": 1, "times": [by], "due_unix_ms": due });
        let domain = json!({
            "issues": [issue("much"), issue("price")], "delivery": "immediate",
            "transfers": [hop(0, 1, "tea", "much"), hop(1, 0, "usd", "price")],
        });
        let until = self.expires_unix_ms();
        match self.profile() {
            Profile::Sao => body(&json!({
                "type": "rules.sao", "domain": domain, "order": self.parties(), "rounds": 3, "talk_until_unix_ms": until,
            })),
            Profile::Cnp => body(&json!({
                "type": "rules.cnp", "domain": domain, "manager": self.opener(), "bids_until_unix_ms": until,
                "score": [{ "issue": "price", "weight": 1 }],
            })),
            _ => None,
        }
    }
}

impl World {
    fn new(opening: Opening) -> Self {
        let id = DealId::of(&opening.opener(), &"m0".parse().expect("a move id"));
        let (log, sent) = (Vec::new(), Vec::new());
        Self { id, opening, now_unix_ms: NOW, deal: None, log, sent, asked: None, moves: 0 }
    }

    fn state(&self) -> Option<State> {
        self.deal.as_ref().map(|deal| deal.state)
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::Open { by } => {
                let opening = self.opening.clone();
                let open = self.opened(&opening);
                self.move_as(&anybody(by), DealVerb::Open, open);
            }
            Step::Propose { by, other, choice, heard } => {
                let (terms, agreement) = self.proposal(other.as_ref(), choice, heard);
                let propose = json!({ "deal": self.id, "terms": terms, "agreement": agreement });
                self.move_as(&anybody(by), DealVerb::Propose, propose);
            }
            Step::Accept { by, other_terms, value, cost, heard } => {
                let accept = self.acceptance(other_terms, value, cost, heard);
                self.move_as(&anybody(by), DealVerb::Accept, accept);
            }
            Step::Reject { by } => {
                let reject = json!({ "deal": self.id, "reason": "too dear" });
                self.move_as(&anybody(by), DealVerb::Reject, reject);
            }
            Step::Withdraw { by } => {
                let withdraw = json!({ "deal": self.id, "reason": "no more" });
                self.move_as(&anybody(by), DealVerb::Withdraw, withdraw);
            }
            Step::Confirm { by } => {
                let confirm = json!({ "deal": self.id, "terms_hash": self.table_hash() });
                self.move_as(&anybody(by), DealVerb::Confirm, confirm);
            }
            Step::Counter { by } => {
                let counter =
                    json!({ "deal": self.id, "terms": hex(&body(&self.opening.terms()).unwrap_or_default()) });
                self.move_as(&anybody(by), DealVerb::Counter, counter);
            }
            Step::Again { which, flip } => self.again(which, flip),
            Step::Forge { by, claimed, which } => {
                let Some((_, verb, signed)) = pick(&self.sent, which).cloned() else { return };
                self.send(&anybody(by), &anybody(claimed), verb, signed.body);
            }
            Step::Raw { by, verb, bytes } => {
                let by = anybody(by);
                self.send(&by, &by, VERBS[usize::from(verb) % VERBS.len()], bytes);
            }
            Step::Wait { ms } => self.now_unix_ms += i64::from(ms),
            Step::Due => self.ask(&Ask::Due { deal: self.id.clone(), due_unix_ms: self.now_unix_ms }, None),
            Step::Prove { evidence } => self.prove(&evidence),
            Step::Commit => self.commit(),
            Step::Refuse if self.state() == Some(State::Certified) => {
                let reason = "nothing left".to_owned();
                self.ledger(Happening::Refused { rule: "limit".to_owned(), reason, evidence: None, party: None });
            }
            Step::Compensate { reversed } if self.state() == Some(State::Failed) => {
                let most = self.deal.iter().flat_map(|d| &d.table).map(|table| table.terms.transfers.len()).sum();
                let reversed: BTreeSet<u32> =
                    reversed.into_iter().filter(|index| usize::from(*index) < most).map(u32::from).collect();
                self.ledger(Happening::Compensated { reversed: reversed.into_iter().collect() });
            }
            Step::Refuse | Step::Compensate { .. } => {}
        }
    }

    fn opened(&self, opening: &Opening) -> Value {
        let negotiated = opening.profile().is_negotiated();
        let requires = &["win_win", "holdings"][..usize::from(opening.requires % 3)];
        let mut open = json!({
            "book": "africa", "profile": opening.profile(), "parties": opening.parties(),
            "expires_unix_ms": opening.expires_unix_ms(),
            "requires": requires,
        });
        if opening.has_terms != negotiated {
            open["terms"] = hex(&body(&opening.terms()).unwrap_or_default());
        }
        if let Some(rules) = opening.rules() {
            open["rules"] = hex(&rules);
        }
        open
    }

    /// Terms to propose: those of an outcome where there are rules, which are damaged where others are given.
    fn proposal(&self, other: Option<&Opening>, choice: u8, heard: u8) -> (Value, Option<Value>) {
        let made = self.opening.rules().and_then(|rules| {
            let ReadRules { rules, .. } = ReadRules::read(self.opening.profile(), &rules).ok()?;
            let outcome = vec![u32::from(choice % 5), u32::from(choice / 5 % 5)];
            let seats = match &rules {
                Rules::Alternating(rules) => rules.order.clone(),
                Rules::Iterated(_) | Rules::SingleText(_) => return None,
                Rules::ContractNet(rules) => {
                    let parties = self.opening.parties();
                    let other = parties.iter().find(|party| **party != rules.manager)?;
                    vec![rules.manager.clone(), other.clone()]
                }
            };
            let book = "africa".parse().expect("a book");
            let terms =
                terms::terms_of(rules.domain(), &seats, &book, self.opening.expires_unix_ms(), &outcome).ok()?;
            Some((encode(&terms), json!({ "outcome": outcome, "transcript": transcript(heard) })))
        });
        let terms = body(&other.unwrap_or(&self.opening).terms()).unwrap_or_default();
        match (made, other) {
            (Some((made, agreement)), None) => (hex(&made), Some(agreement)),
            (Some((_, agreement)), Some(_)) => (hex(&terms), Some(agreement)),
            (None, _) => (hex(&terms), None),
        }
    }

    fn acceptance(&self, other_terms: bool, value: u8, cost: u8, heard: u8) -> Value {
        let bounds = |least: u8| json!({ "lo": least.to_string(), "hi": (u16::from(least) + 1).to_string() });
        let hash = if other_terms { Hash::of(b"others").to_string() } else { self.table_hash() };
        let mut accept = json!({
            "deal": self.id, "terms_hash": hash,
            "valuation": {
                "values": GOODS.map(|good| json!({ "good": good, "value": bounds(value) })),
                "costs": GOODS.map(|good| json!({ "good": good, "cost": bounds(cost) })),
            },
        });
        if cost % 2 == 0 {
            accept["holdings"] = json!(GOODS.map(|good| json!({ "good": good, "quantity": value })));
        }
        if self.deal.iter().flat_map(|deal| &deal.table).any(|table| table.transcript.is_some()) {
            accept["transcript"] = transcript(heard);
        }
        accept
    }

    fn table_hash(&self) -> String {
        let table = self.deal.as_ref().and_then(|deal| deal.table.as_ref());
        table.map_or(Hash::ZERO, |table| table.hash).to_string()
    }

    /// A move of one's own.
    fn move_as(&mut self, by: &AgentId, verb: DealVerb, mut ask: Value) {
        ask["type"] = json!(format!("deal.{}", verb.as_str()));
        ask["move_id"] = json!(if verb == DealVerb::Open { "m0".to_owned() } else { format!("m{}", self.moves) });
        ask["deadline_unix_ms"] = json!(self.now_unix_ms + 5_000);
        self.moves += 1;
        if let Value::Object(fields) = &mut ask {
            fields.retain(|_, value| !value.is_null());
        }
        if let Some(bytes) = body(&ask) {
            self.send(by, by, verb, bytes);
        }
    }

    fn again(&mut self, which: u8, flip: Option<u16>) {
        let Some((by, verb, mut signed)) = pick(&self.sent, which).cloned() else { return };
        let Some(flip) = flip.map(usize::from) else {
            let recorded = self.is_recorded(&by, verb, &signed);
            let before = self.log.len();
            self.hear(&by, verb, signed);
            assert!(!recorded || self.log.len() == before, "a move was done again");
            return;
        };
        let at = flip / 8 % signed.body.len().max(1);
        if let Some(byte) = signed.body.get_mut(at) {
            *byte ^= 1 << (flip % 8);
        }
        self.send(&by, &by, verb, signed.body);
    }

    fn is_recorded(&self, by: &AgentId, verb: DealVerb, signed: &Signed) -> bool {
        let Ok(ask) = Move::decode(verb, &signed.body) else { return false };
        let recorded = self.deal.as_ref().and_then(|deal| deal.moves.get(&(by.clone(), ask.move_id().clone())));
        recorded.is_some_and(|recorded| recorded.body_hash == Hash::of(&signed.body))
    }

    fn send(&mut self, by: &AgentId, claimed: &AgentId, verb: DealVerb, bytes: Vec<u8>) {
        let subject = subject::deal_move(verb, claimed, &self.id);
        let signed = Keys::shared().sign(by, subject, bytes, self.now_unix_ms);
        self.sent.push((claimed.clone(), verb, signed.clone()));
        self.hear(claimed, verb, signed);
    }

    /// What the host does with a message before the desk sees it.
    fn hear(&mut self, by: &AgentId, verb: DealVerb, signed: Signed) {
        let Ok(ask) = Move::decode(verb, &signed.body) else { return };
        let sender = sender(&signed);
        let ask = Ask::Move { by: by.clone(), deal: self.id.clone(), ask: Box::new(ask), signed };
        self.ask(&ask, Some(sender));
    }

    fn ask(&mut self, ask: &Ask, sender: Option<schemas::signature::Sender>) {
        let call = Call { now_unix_ms: self.now_unix_ms, sender, ..Call::default() };
        let Ok(Decision { events, effects }) = Desk.decide(&self.deal, ask, &call) else { return };
        let written = !events.is_empty();
        for entry in events {
            self.write("deal", entry);
        }
        for effect in effects {
            if let Effect::Prove { claims, head, .. } = effect {
                self.asked = Some(Proving::of(head, claims));
            }
        }
        if written && matches!(ask, Ask::Move { .. }) {
            assert!(Desk::answer(&self.deal, ask).is_ok(), "what is recorded has no answer");
            assert_eq!(Desk.decide(&self.deal, ask, &call).map(|again| again.events.len()), Ok(0), "asked again");
        }
    }

    fn prove(&mut self, evidence: &[u8]) {
        let Some(mut proving) = self.asked.clone() else { return };
        let open: Vec<Hash> = proving.open().map(|(hash, _)| hash).collect();
        let spoken: [&[u8]; 4] = [b"proved", b"vacuous", b"refuted", b"rubbish"];
        for (claim, byte) in open.into_iter().zip(evidence) {
            match spoken.get(usize::from(*byte) % 5) {
                Some(word) => drop(proving.take(&Believer, claim, word)),
                None => proving.fell_short(Rule::Unknown, Some(claim), "nobody knows"),
            }
        }
        let judged: Judged = proving.judged();
        self.ask(&Ask::Judged { deal: self.id.clone(), judged }, None);
    }

    /// What a ledger does that has room for everything.
    fn commit(&mut self) {
        if self.state() != Some(State::Certified) {
            return;
        }
        let Some((_, Entry { event, .. })) = self.log.last() else { return };
        let Happening::Certified { book, terms, acceptances, certificates, .. } = event.what.clone() else { return };
        self.ledger(Happening::Committed { book, terms, acceptances, certificates });
        let table = self.deal.as_ref().and_then(|deal| deal.table.as_ref());
        if table.is_some_and(|table| table.terms.delivery == Delivery::Immediate) {
            self.ledger(Happening::Settled);
        }
    }

    fn ledger(&mut self, what: Happening) {
        let Some(deal) = &self.deal else { return };
        let (turn, prev) = (deal.turns, deal.head);
        let (deal, at_unix_ms) = (self.id.clone(), self.now_unix_ms);
        self.write("ledger", Entry::write(DealEvent { deal, turn, prev, at_unix_ms, what, cause: None, trace: None }));
    }

    fn write(&mut self, writer: &'static str, entry: Entry) {
        assert!(!self.state().is_some_and(State::is_end), "something follows the end");
        assert_eq!(Entry::read(&entry.bytes).as_ref(), Ok(&entry), "what is written reads as something else");
        let head = self.log.last().map_or(Hash::ZERO, |(_, entry)| entry.hash);
        assert_eq!((entry.event.turn as usize, entry.event.prev), (self.log.len(), head), "the chain breaks");
        assert_eq!(entry.event.deal, self.id);
        if let Happening::Certified { terms, acceptances, .. } | Happening::Committed { terms, acceptances, .. } =
            &entry.event.what
        {
            self.all_signed(terms, acceptances);
        }
        self.deal = Deal::apply(self.deal.take(), &entry);
        self.log.push((writer, entry));
    }

    /// Every party accepted these very terms of this deal.
    fn all_signed(&self, terms: &[u8], acceptances: &[Signed]) {
        let read: schemas::deal::Terms = decode(terms, MAX_BODY_BYTES).expect("terms that all accepted can be read");
        let signers: Vec<AgentId> = acceptances.iter().map(|signed| self.accepted(terms, signed)).collect();
        assert_eq!(signers, read.parties, "not all have signed");
    }

    fn accepted(&self, terms: &[u8], signed: &Signed) -> AgentId {
        let by = signer(signed);
        assert_eq!(signed.subject, subject::deal_move(DealVerb::Accept, &by, &self.id));
        let accept: Accept = decode(&signed.body, MAX_BODY_BYTES).expect("an acceptance can be read");
        assert_eq!((accept.deal, accept.terms_hash), (self.id.clone(), Hash::of(terms)), "it accepts something else");
        by
    }

    /// What must hold of all that was written.
    fn check(&self, verified: bool) {
        let folded = self.log.iter().fold(None, |deal, (_, entry)| Deal::apply(deal, entry));
        assert_eq!(folded, self.deal, "the log tells another state");
        let mut seen: BTreeMap<(AgentId, MoveId), u32> = BTreeMap::new();
        for (_, Entry { event, .. }) in &self.log {
            let Some(cause) = &event.cause else { continue };
            let (verb, by, _) = subject::parse_deal_move(&cause.subject).expect("a move's subject");
            let ask = Move::decode(verb, &cause.body).expect("a move that was taken can be read");
            let earlier = seen.insert((by, ask.move_id().clone()), event.turn);
            assert_eq!(earlier, None, "a move was recorded twice");
        }
        if verified && !self.log.is_empty() {
            let log = subject::deal_log(&self.id);
            let records = (1..).zip(&self.log);
            let records: Vec<LogRecord> =
                records.map(|(at, (writer, e))| record(writer, log.clone(), Desk::KIND, &e.bytes, at)).collect();
            let verdict = verify(&self.id, &records, &Keys::shared().ring, &Believer);
            assert!(verdict.is_ok(), "what the desk wrote does not verify: {}", verdict.expect_err("checked"));
        }
    }
}

fn hex(bytes: &[u8]) -> Value {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>().into()
}

/// The transcript that somebody heard.
fn transcript(heard: u8) -> Value {
    json!({ "head": Hash::of(&[heard % 3]), "length": 2 + heard % 4 })
}

fn pick<T>(from: &[T], which: u8) -> Option<&T> {
    from.get(usize::from(which).checked_rem(from.len())?)
}

fuzz_target!(|script: Script| {
    let mut world = World::new(script.opening.clone());
    world.step(Step::Open { by: script.opening.opener });
    for step in script.steps.into_iter().take(40) {
        world.step(step);
    }
    world.check(script.verified);
});
