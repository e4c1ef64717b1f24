//! Any words, well placed or not, in a talk of alternating offers and in a contract net: what is refused changes nothing,
//! what is taken was said in turn, and the words that were taken tell the same again, and only they.

#![no_main]

use fuzz::{NOW, agent, anybody, body};
use libfuzzer_sys::arbitrary::{self, Arbitrary};
use libfuzzer_sys::fuzz_target;
use negotiation::{Alternating, ContractNet, End, SingleText, View, replay};
use schemas::catalogue;
use schemas::hash::Hash;
use schemas::id::{AgentId, DealId};
use schemas::negotiation::ReadRules;
use schemas::profile::Profile;
use schemas::talk::Talk;
use serde_json::{Value, json};

#[derive(Arbitrary, Debug)]
struct Script {
    parties: u8,
    rounds: u8,
    choices: [u8; 2],
    weights: [i8; 2],
    words: Vec<Said>,
}

#[derive(Arbitrary, Debug)]
struct Said {
    by: u8,
    what: What,
    fault: Fault,
    late: bool,
}

#[derive(Arbitrary, Debug)]
enum What {
    Offer([u8; 2]),
    Accept,
    End,
    Call,
    Bid([u8; 2]),
    Decline,
    Award,
    /// A word that was said before.
    Again(u8),
    Raw(Vec<u8>),
}

#[derive(Arbitrary, Debug)]
enum Fault {
    None,
    Turn(i8),
    Prev,
    OtherDeal,
    /// An award of another answer, or of one that was not heard.
    OtherAward(u8),
    Flip(u16),
}

impl Script {
    fn is_iterated(&self) -> bool {
        self.rounds % 2 == 0
    }
}

struct Table {
    parties: Vec<AgentId>,
    deal: DealId,
    domain: Value,
}

impl Table {
    fn new(script: &Script) -> Self {
        let parties: Vec<AgentId> = (0..2 + script.parties % 3).map(anybody).collect();
        let issue = |(name, count): (&str, u8)| json!({ "name": name, "least": 0, "step": 1, "count": 1 + count % 6 });
        let issues: Vec<Value> = ["much", "price"].into_iter().zip(script.choices).map(issue).collect();
        let hop = |from: usize, to: usize, good: &str, by: &str| json!({ "from": from, "to": to, "goods": [good], "factor": 1, "times": [by], "due_unix_ms": NOW });
        let transfers = json!([hop(0, 1, "tea", "much"), hop(1, 0, "usd", "price")]);
        let domain = json!({ "issues": issues, "transfers": transfers, "delivery": "immediate" });
        Self { parties, deal: DealId::of(&agent("chad"), &"m0".parse().expect("a move id")), domain }
    }

    fn rules(&self, profile: Profile, more: Value) -> Option<ReadRules> {
        let mut rules = json!({ "domain": self.domain });
        rules.as_object_mut()?.extend(more.as_object()?.clone());
        ReadRules::read(profile, &body(&rules)?).ok()
    }

    fn alternating(&self, script: &Script) -> Option<ReadRules> {
        let more = json!({
            "type": "rules.sao", "order": self.parties, "rounds": 1 + script.rounds % 5, "talk_until_unix_ms": NOW,
        });
        self.rules(Profile::Sao, more)
    }

    /// The rules of a contract net, or of an iterated one.
    fn net(&self, script: &Script) -> Option<ReadRules> {
        let score = |(issue, weight): (&str, i8)| json!({ "issue": issue, "weight": weight });
        let scores: Vec<Value> = ["much", "price"].into_iter().zip(script.weights).map(score).collect();
        let mut more = json!({ "type": "rules.cnp", "manager": "chad", "bids_until_unix_ms": NOW, "score": scores });
        if !script.is_iterated() {
            return self.rules(Profile::Cnp, more);
        }
        more["type"] = json!("rules.icnp");
        more["round_ms"] = json!(1);
        more["rounds"] = json!(1 + script.rounds % 4);
        more["least_gain"] = json!(1);
        more["keep"] = json!(1 + script.rounds % 3);
        self.rules(Profile::Icnp, more)
    }

    fn text(&self, script: &Script) -> Option<ReadRules> {
        let more = json!({
            "type": "rules.stx", "order": self.parties, "mediator": "niger", "seed": script.rounds,
            "rounds": 1 + script.rounds % 5, "talk_until_unix_ms": NOW,
        });
        self.rules(Profile::Stx, more)
    }

    /// What somebody sends: a word with its fault.
    fn damaged(&self, word: &Talk, fault: &Fault) -> Vec<u8> {
        let mut bytes = word.encode();
        let entry = catalogue::find(word.kind()).expect("a word of the contract");
        let mut json = (entry.to_json)(&bytes).expect("what is written can be read");
        match fault {
            Fault::None => return bytes,
            Fault::Flip(at) => {
                let place = usize::from(*at) / 8 % bytes.len().max(1);
                if let Some(byte) = bytes.get_mut(place) {
                    *byte ^= 1 << (at % 8);
                }
                return bytes;
            }
            Fault::Turn(by) => {
                if let Some(turn) = json["turn"].as_u64() {
                    json["turn"] = json!(turn.saturating_add_signed((*by).into()));
                }
            }
            Fault::Prev => json["prev"] = json!(Hash::of(b"another")),
            Fault::OtherDeal => {
                json["deal"] = json!(DealId::of(&agent("egypt"), &"m0".parse().expect("a move id")));
            }
            Fault::OtherAward(which) => {
                if let Some(heard) = json["heard"].as_array().cloned().filter(|heard| !heard.is_empty()) {
                    json["bid"] = heard[usize::from(*which) % heard.len()].clone();
                }
                for list in ["heard", "called", "votes"] {
                    if let Some(list) = json.get_mut(list).and_then(Value::as_array_mut).filter(|_| which % 2 == 0) {
                        list.reverse();
                    }
                }
            }
        }
        body(&json).unwrap_or(bytes)
    }
}

fn chosen(choices: [u8; 2]) -> Vec<u32> {
    choices.iter().map(|choice| u32::from(choice % 8)).collect()
}

fn alternating(table: &Table, script: &Script) {
    let Some(rules) = table.alternating(script) else { return };
    let Some(mut talk) = Alternating::new(table.deal.clone(), rules.clone()) else { return };
    let mut taken: Vec<Vec<u8>> = Vec::new();
    let mut sent: Vec<Vec<u8>> = Vec::new();
    for said in script.words.iter().take(80) {
        let by = anybody(said.by);
        let word = match &said.what {
            What::Offer(choices) | What::Bid(choices) => Some(talk.offer(&by, chosen(*choices))),
            What::Accept | What::Award => talk.accept(&by),
            What::End => Some(talk.finish(&by, "enough")),
            _ => None,
        };
        let bytes = match (&said.what, word) {
            (_, Some(word)) => table.damaged(&word, &said.fault),
            (What::Again(which), _) => sent.get(usize::from(*which) % sent.len().max(1)).cloned().unwrap_or_default(),
            (What::Raw(bytes), _) => bytes.clone(),
            _ => continue,
        };
        sent.push(bytes.clone());
        let before = talk.clone();
        match talk.hear(&bytes, NOW + i64::from(said.late)) {
            Ok(word) => {
                assert_eq!(before.mover(), Some(word.by()), "out of turn");
                assert_eq!(word.prev(), before.transcript().head, "the chain breaks");
                assert!(!said.late, "too late");
                taken.push(bytes);
            }
            Err(_) => assert_eq!(before, talk, "a refused word changed something"),
        }
    }
    let told = replay(&table.deal, rules, &[], &taken, View::Whole).expect("what was taken can be told again");
    assert_eq!(told.transcript, talk.transcript());
    assert_eq!(told.outcome.as_deref(), talk.agreed());
    assert!(taken.len() <= table.parties.len() * talk.rules().rounds as usize, "more words than rounds");
    if let Some(End::Agreed(outcome)) = talk.end() {
        assert!(talk.rules().domain.has(outcome), "no outcome of the domain");
        all_have_accepted(&taken, outcome, table.parties.len());
    }
}

/// The last words are an offer of it and everybody else's acceptance.
fn all_have_accepted(taken: &[Vec<u8>], outcome: &[u32], parties: usize) {
    let last: Vec<Talk> = taken[taken.len() - parties..].iter().map(|b| Talk::decode(b).expect("a word")).collect();
    assert!(matches!(&last[0], Talk::Offer(offer) if offer.outcome == outcome), "something else was offered");
    assert!(last[1..].iter().all(|word| matches!(word, Talk::Accept(_))), "not all accepted it");
    let mut who: Vec<&AgentId> = last.iter().map(Talk::by).collect();
    who.sort();
    who.dedup();
    assert_eq!(who.len(), parties, "somebody accepted twice");
}

fn net(table: &Table, script: &Script) {
    let Some(rules) = table.net(script) else { return };
    let open = |view| ContractNet::new(table.deal.clone(), rules.clone(), &table.parties, view);
    let me = table.parties[1].clone();
    let (Some(mut whole), Some(mut mine)) = (open(View::Whole), open(View::Party(me.clone()))) else { return };
    let mut taken: Vec<Vec<u8>> = Vec::new();
    let mut sent: Vec<Vec<u8>> = Vec::new();
    for said in script.words.iter().take(40) {
        let by = anybody(said.by);
        let word = match &said.what {
            What::Call => Some(whole.call("tea")),
            What::Bid(choices) | What::Offer(choices) => whole.bid(&by, chosen(*choices)),
            What::Decline | What::End => whole.decline(&by, "busy"),
            What::Award | What::Accept => whole.decision(),
            _ => None,
        };
        let bytes = match (&said.what, word) {
            (_, Some(word)) => table.damaged(&word, &said.fault),
            (What::Again(which), _) => sent.get(usize::from(*which) % sent.len().max(1)).cloned().unwrap_or_default(),
            (What::Raw(bytes), _) => bytes.clone(),
            _ => continue,
        };
        sent.push(bytes.clone());
        let before = (whole.clone(), mine.clone());
        let now_unix_ms = NOW + i64::from(said.late);
        match whole.hear(&bytes, now_unix_ms) {
            Ok(word) => {
                let concerns_me = matches!(word, Talk::Call(_) | Talk::Award(_)) || *word.by() == me;
                // Who is called again hears of it; the manager's view is checked for everybody.
                if concerns_me && !script.is_iterated() {
                    assert!(mine.hear(&bytes, now_unix_ms).is_ok(), "the manager took it, and a contractor does not");
                }
                taken.push(bytes);
            }
            Err(_) => {
                assert_eq!(before.0, whole, "a refused word changed something");
                if mine.hear(&bytes, now_unix_ms).is_err() {
                    assert_eq!(before.1, mine, "a refused word changed something");
                }
                // What a contractor cannot see through is seen through by whoever has all words.
                mine = before.1;
            }
        }
    }
    if let Some(award) = whole.award() {
        let best = whole.answers().iter().filter_map(|answer| whole.score(answer.outcome.as_deref()?)).max();
        let won = award.bidding.as_ref().and_then(|bidding| whole.score(bidding.outcome.as_deref()?));
        assert_eq!(won, best, "another bid was better");
        let told =
            replay(&table.deal, rules, &table.parties, &taken, View::Whole).expect("what was taken can be told again");
        assert_eq!(Some(told.transcript), whole.transcript());
        if !script.is_iterated() {
            assert_eq!(whole.transcript(), mine.transcript(), "manager and contractor have other heads");
        }
    }
}

fn text(table: &Table, script: &Script) {
    let Some(rules) = table.text(script) else { return };
    let Some(mut talk) = SingleText::new(table.deal.clone(), rules.clone(), View::Whole) else { return };
    let mut taken: Vec<Vec<u8>> = Vec::new();
    let mut sent: Vec<Vec<u8>> = Vec::new();
    let mut votes: Vec<bool> = Vec::new();
    for said in script.words.iter().take(80) {
        let by = anybody(said.by);
        let word = match &said.what {
            What::Offer(_) | What::Bid(_) | What::Accept => talk.vote(&by, true),
            What::Decline | What::End => talk.vote(&by, false),
            What::Call | What::Award => talk.decision(),
            _ => None,
        };
        let bytes = match (&said.what, word) {
            (_, Some(word)) => table.damaged(&word, &said.fault),
            (What::Again(which), _) => sent.get(usize::from(*which) % sent.len().max(1)).cloned().unwrap_or_default(),
            (What::Raw(bytes), _) => bytes.clone(),
            _ => continue,
        };
        sent.push(bytes.clone());
        let before = talk.clone();
        match talk.hear(&bytes, NOW + i64::from(said.late)) {
            Ok(Talk::Vote(vote)) => {
                votes.push(vote.accepts);
                taken.push(bytes);
            }
            Ok(_) => {
                if talk.text() != before.text() {
                    assert_eq!(Some(talk.text()), before.proposed(), "another text than was voted on");
                    assert_eq!(votes, vec![true; table.parties.len()], "a text that not all accept");
                }
                votes.clear();
                taken.push(bytes);
            }
            Err(_) => assert_eq!(before, talk, "a refused word changed something"),
        }
        assert!(talk.rules().domain.has(talk.text()), "no outcome of the domain");
    }
    if talk.transcript().is_some() {
        let told = replay(&table.deal, rules, &[], &taken, View::Whole).expect("what was taken can be told again");
        assert_eq!(Some(told), talk.told());
    }
}

fuzz_target!(|script: Script| {
    let table = Table::new(&script);
    alternating(&table, &script);
    net(&table, &script);
    text(&table, &script);
});
