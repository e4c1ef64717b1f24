//! The vectors in `vectors/`, which the package `hms_a2a` runs too: the same talks, refusals, terms and paces in Rust and
//! in Python. They are drawn from a seed; `WRITE_VECTORS=1 cargo test -p negotiation vectors` writes them anew.

use std::path::Path;
use std::sync::Arc;

use data_encoding::HEXLOWER;
use schemas::body::encode;
use schemas::hash::Hash;
use schemas::id::AgentId;
use schemas::negotiation::{self, Domain, ReadRules, Rules, ScoreWeight};
use schemas::profile::Profile;
use schemas::talk::Talk;
use serde_json::{Value, json};
use terms::{NoTerms, terms_of};

use super::{NAMES, NOW, deal, domain, rules};
use crate::strategy::{AcceptIfGood, Concession, Micro, NashSeeker, Pace, TitForTat};
use crate::{
    Alternating, ContractNet, End, Preferences, Ranking, Rectangle, Refusal, Space, Strategy, Utility, View, negotiate,
};

/// SplitMix64 (Steele, Lea & Flood 2014).
pub(super) struct Draws(pub(super) u64);

impl Draws {
    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// From … to, both included.
    pub(super) fn between(&mut self, from: i64, to: i64) -> i64 {
        let width = u64::try_from(to - from).unwrap() + 1;
        from + i64::try_from(self.next() % width).unwrap()
    }

    pub(super) fn upto(&mut self, most: u32) -> u32 {
        u32::try_from(self.between(0, most.into())).unwrap()
    }
}

/// Compares with what stands in the file, or writes it.
pub(super) fn check(name: &str, entries: &[Value]) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("vectors").join(name);
    let lines: Vec<String> = entries.iter().map(Value::to_string).collect();
    let text = format!("[\n{}\n]\n", lines.join(",\n"));
    if std::env::var_os("WRITE_VECTORS").is_some() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, &text).unwrap();
    }
    let there = std::fs::read_to_string(&path).unwrap();
    assert!(there == text, "{name} has drifted: WRITE_VECTORS=1 cargo test -p negotiation vectors");
}

pub(super) fn hex(bytes: &[u8]) -> String {
    HEXLOWER.encode(bytes)
}

/// Any function: worth nothing in particular, the same everywhere.
fn odd(outcome: &[u32]) -> i64 {
    let sum: i64 = (1..).zip(outcome).map(|(at, choice)| at * i64::from(choice + 3) * 7_919 * i64::from(*choice)).sum();
    sum * sum % 1_000_003
}

pub(super) fn utility(draws: &mut Draws, counts: &[u32]) -> (Value, Utility) {
    match draws.upto(9) {
        0 => (json!("odd"), Utility::Function(Arc::new(odd))),
        1..=3 => {
            let rectangle = |draws: &mut Draws| {
                let ends: Vec<(u32, u32)> = counts
                    .iter()
                    .map(|count| {
                        let (a, b) = (draws.upto(count - 1), draws.upto(count - 1));
                        (a.min(b), a.max(b))
                    })
                    .collect();
                let (from, to) = ends.into_iter().unzip();
                Rectangle { from, to, adds_ppm: draws.between(-100_000, 400_000) }
            };
            let rectangles: Vec<Rectangle> = (0..6).map(|_| rectangle(draws)).collect();
            let told = rectangles.iter().map(|one| json!([one.from, one.to, one.adds_ppm])).collect::<Vec<_>>();
            (json!({ "rectangles": told }), Utility::Rectangles(rectangles))
        }
        _ => {
            let issue = |draws: &mut Draws, count: &u32| {
                let worths = (0..*count).map(|_| draws.between(-200_000, 1_000_000)).collect::<Vec<i64>>();
                (draws.between(-50_000, 600_000), worths)
            };
            let issues: Vec<(i64, Vec<i64>)> = counts.iter().map(|count| issue(draws, count)).collect();
            (json!({ "additive": issues }), Utility::Additive(issues))
        }
    }
}

fn strategy(draws: &mut Draws) -> (Value, Box<dyn Strategy>) {
    match draws.upto(7) {
        0 => (json!({ "name": "boulware" }), Box::new(Concession(Pace::Boulware))),
        1 => (json!({ "name": "linear" }), Box::new(Concession(Pace::Linear))),
        2 => (json!({ "name": "conceder" }), Box::new(Concession(Pace::Conceder))),
        3 => {
            let (over, under) = (1 + draws.upto(5), 1 + draws.upto(5));
            let told = json!({ "name": "exponent", "over": over, "under": under });
            (told, Box::new(Concession(Pace::Exponent { over, under })))
        }
        4 => (json!({ "name": "tit_for_tat" }), Box::new(TitForTat::default())),
        5 => {
            let seed = draws.next();
            (json!({ "name": "micro", "seed": seed }), Box::new(Micro::new(seed)))
        }
        6 => (json!({ "name": "nash" }), Box::new(NashSeeker::default())),
        _ => {
            let share_ppm = draws.between(-100_000, 1_000_000);
            (json!({ "name": "accept_if_good", "share_ppm": share_ppm }), Box::new(AcceptIfGood { share_ppm }))
        }
    }
}

#[test]
fn talks() {
    let mut draws = Draws(1);
    let talk = |_| {
        let counts: Vec<u32> = (0..=draws.upto(3)).map(|_| 2 + draws.upto(4)).collect();
        let (seats, rounds) = (2 + draws.upto(2) as usize, 1 + draws.upto(24));
        let rules = rules(&counts, seats, rounds);
        let space = Space::new(counts.clone()).unwrap();
        let mut told = Vec::new();
        let mut parties = Vec::new();
        for name in &NAMES[..seats] {
            let (wants, utility) = utility(&mut draws, &counts);
            let (how, strategy) = strategy(&mut draws);
            let reserved_ppm = draws.between(-100_000, 300_000);
            told.push(json!({ "utility": wants, "reserved_ppm": reserved_ppm, "strategy": how }));
            let ranking = Arc::new(Ranking::new(&space, &utility));
            parties.push((name.parse().unwrap(), Preferences { utility, reserved_ppm }, ranking, strategy));
        }
        let talk = negotiate(&deal(), &rules, parties).unwrap();
        let end = match talk.end().unwrap() {
            End::Agreed(outcome) => json!(outcome),
            End::Broken { by, .. } => json!(by),
            End::OutOfRounds => Value::Null,
        };
        json!({
            "deal": deal(), "rules_hex": hex(&rules.rules.encode()), "seats": told, "end": end,
            "head": talk.transcript().head, "length": talk.transcript().length,
        })
    };
    let entries: Vec<Value> = (0..120).map(talk).collect();
    let agreed = entries.iter().filter(|entry| entry["end"].is_array()).count();
    assert!((30..115).contains(&agreed), "{agreed} agree");
    check("talks.json", &entries);
}

/// What came of a word, in short.
pub(super) fn verdict(word: &[u8], at_unix_ms: i64, heard: Result<Talk, Refusal>) -> Value {
    let rule = heard.err().map(|refusal| refusal.rule.as_str());
    json!({ "word_hex": hex(word), "at_unix_ms": at_unix_ms, "rule": rule })
}

/// Changes a word, or its bytes, or leaves it.
fn spoilt(draws: &mut Draws, word: &Talk, heard: &[Vec<u8>]) -> Vec<u8> {
    let mut word = word.clone();
    let other = Hash::of(b"other");
    match (draws.upto(19), &mut word) {
        (0, Talk::Offer(offer)) => offer.turn = offer.turn.wrapping_add(1),
        (1, Talk::Offer(offer)) => offer.turn = offer.turn.saturating_sub(1),
        (2, Talk::Offer(offer)) => offer.prev = other,
        (3, Talk::Offer(offer)) => offer.outcome[0] = 9,
        (4, Talk::Offer(offer)) => offer.deal = schemas::DealId::of(&offer.by, &"m-2".parse().unwrap()),
        (5, Talk::Accept(accept)) => accept.offer = other,
        (6, Talk::Bid(bid)) => bid.prev = other,
        (7, Talk::Bid(bid)) => bid.outcome.push(0),
        (8, Talk::Award(award)) => award.heard.reverse(),
        (9 | 14..=17, Talk::Award(award)) => award.bid = award.heard.first().copied(),
        (10, Talk::Award(award)) => {
            award.heard.pop();
            award.bid = None;
        }
        (11, _) => return word.encode()[1..].to_vec(),
        (12, _) => return b"\x81\xa4type\xa9deal.show".to_vec(),
        (13, _) if !heard.is_empty() => return heard[draws.next() as usize % heard.len()].clone(),
        _ => {}
    }
    word.encode()
}

#[test]
fn words_of_alternating_offers() {
    let mut draws = Draws(2);
    let talk = |_| {
        let (seats, rounds) = (2 + draws.upto(1) as usize, 2 + draws.upto(3));
        let rules = rules(&[3, 4], seats, rounds);
        let mut talk = Alternating::new(deal(), rules.clone()).unwrap();
        let mut heard: Vec<Vec<u8>> = Vec::new();
        let mut said = Vec::new();
        for _ in 0..20 {
            let by: AgentId = match draws.upto(5) {
                0 => NAMES[draws.upto(3) as usize].parse().unwrap(),
                _ => talk.mover().cloned().unwrap_or_else(|| NAMES[0].parse().unwrap()),
            };
            let offer = talk.offer(&by, vec![draws.upto(2), draws.upto(3)]);
            let word = match draws.upto(9) {
                0..=3 => talk.accept(&by).unwrap_or(offer),
                4 if draws.upto(3) == 0 => talk.finish(&by, "enough"),
                5 if draws.upto(2) == 0 => foreign(&by),
                _ => offer,
            };
            let word = spoilt(&mut draws, &word, &heard);
            let at_unix_ms = NOW + i64::from(draws.upto(14) == 0);
            let outcome = talk.hear(&word, at_unix_ms);
            if outcome.is_ok() {
                heard.push(word.clone());
            }
            said.push(verdict(&word, at_unix_ms, outcome));
        }
        json!({
            "deal": deal(), "rules_hex": hex(&rules.rules.encode()), "said": said,
            "head": talk.transcript().head, "length": talk.transcript().length, "agreed": talk.agreed(),
        })
    };
    let entries: Vec<Value> = (0..40).map(talk).collect();
    let all = [
        "late",
        "out_of_turn",
        "duplicate",
        "foreign",
        "broken_chain",
        "unknown_offer",
        "outside_domain",
        "over",
        "malformed",
    ];
    covers(&entries, &all);
    check("words.sao.json", &entries);
}

fn foreign(by: &AgentId) -> Talk {
    let (deal, by, prev) = (deal(), by.clone(), Hash::of(b"x"));
    Talk::Bid(schemas::talk::TalkBid { deal, by, prev, outcome: vec![0, 0] })
}

/// Every rule is there, and words that are taken.
pub(super) fn covers(entries: &[Value], rules: &[&str]) {
    let said = || entries.iter().flat_map(|entry| entry["said"].as_array().unwrap()).map(|one| &one["rule"]);
    for rule in rules {
        assert!(said().any(|said| said == rule), "no word is refused as {rule}");
    }
    assert!(said().any(Value::is_null));
}

#[test]
fn words_of_the_contract_net() {
    let mut draws = Draws(3);
    let parties: Vec<AgentId> = ["egypt", "ghana", "kenya", "mali"].map(|name| name.parse().unwrap()).to_vec();
    let weight = |issue: &str, weight| ScoreWeight { issue: issue.parse().unwrap(), weight };
    let net = |number: u32| {
        let read = negotiation::ContractNet {
            domain: domain(&[4, 3], 2),
            manager: "kenya".parse().unwrap(),
            bids_until_unix_ms: NOW,
            score: vec![weight("i0", draws.between(-3, 3)), weight("i1", draws.between(i64::MIN / 4, i64::MAX / 4))],
        };
        let bytes = encode(&read);
        let rules = ReadRules::read(Profile::Cnp, &bytes).unwrap();
        let (me, view) = if number.is_multiple_of(3) {
            (Some(parties[1].clone()), View::Party(parties[1].clone()))
        } else {
            (None, View::Whole)
        };
        let mut net = ContractNet::new(deal(), rules, &parties, view).unwrap();
        let mut heard: Vec<Vec<u8>> = Vec::new();
        let mut said = Vec::new();
        for turn in 0..14 {
            let by = parties[draws.upto(3) as usize].clone();
            let call = net.call("tea");
            let word = match draws.upto(7) {
                0 => call,
                1 => net.decline(&by, "busy").unwrap_or(call),
                2 | 5 if turn > 6 => net.decision().unwrap_or(call),
                3 if turn > 3 => Alternating::new(deal(), super::rules(&[3], 2, 2)).unwrap().finish(&by, "no"),
                _ => net.bid(&by, vec![draws.upto(4), draws.upto(2)]).unwrap_or(call),
            };
            let word = spoilt(&mut draws, &word, &heard);
            let at_unix_ms = NOW + i64::from(draws.upto(9) == 0);
            let outcome = net.hear(&word, at_unix_ms);
            if outcome.is_ok() {
                heard.push(word.clone());
            }
            said.push(verdict(&word, at_unix_ms, outcome));
        }
        let bidding = net.award().and_then(|award| award.bidding.as_ref());
        json!({
            "deal": deal(), "rules_hex": hex(&bytes), "parties": parties, "me": me, "said": said,
            "transcript": net.transcript(), "awarded": bidding.map(|bidding| &bidding.by),
        })
    };
    let entries: Vec<Value> = (0..90).map(net).collect();
    let all = [
        "late",
        "out_of_turn",
        "duplicate",
        "foreign",
        "broken_chain",
        "outside_domain",
        "over",
        "malformed",
        "wrong_award",
    ];
    covers(&entries, &all);
    assert!(entries.iter().any(|entry| !entry["awarded"].is_null()));
    check("words.cnp.json", &entries);
}

#[test]
fn terms() {
    let mut draws = Draws(4);
    let text =
        std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../schemas/vectors/rules.sao.json")).unwrap();
    let full: Value = serde_json::from_str::<Vec<Value>>(&text).unwrap().remove(0);
    let bytes = HEXLOWER.decode(full["msgpack_hex"].as_str().unwrap().as_bytes()).unwrap();
    let Rules::Alternating(mut read) = ReadRules::read(Profile::Sao, &bytes).unwrap().rules else { panic!() };
    let entry = |number: u32| {
        // Half of them may move nothing at all.
        if number == 20 {
            read.domain = Domain { transfers: read.domain.transfers[2..].to_vec(), ..read.domain.clone() };
        }
        let outcome: Vec<u32> = read
            .domain
            .issues
            .iter()
            .map(|issue| draws.upto(issue.count - u32::from(!number.is_multiple_of(4))))
            .collect();
        let made = terms_of(&read.domain, &read.order, &"talks".parse().unwrap(), NOW, &outcome);
        let told = match &made {
            Ok(terms) => json!(hex(&encode(terms))),
            Err(_) => Value::Null,
        };
        let why = made.err().map(|error| if error == NoTerms::Outside { "outside" } else { "unsound" });
        let rules_hex = hex(&encode(&read));
        json!({ "rules_hex": rules_hex, "book": "talks", "expires_unix_ms": NOW, "outcome": outcome, "terms_hex": told, "no_terms": why })
    };
    let entries: Vec<Value> = (0..40).map(entry).collect();
    for why in [json!("outside"), json!("unsound"), Value::Null] {
        assert!(entries.iter().any(|entry| entry["no_terms"] == why), "{why}");
    }
    check("terms.json", &entries);
}

#[test]
fn paces() {
    let mut draws = Draws(5);
    let mut entries = Vec::new();
    for (over, under) in (0..=7).flat_map(|over| (0..=7).map(move |under| (over, under))) {
        for time_ppm in [0, 1, 500_000, 999_999, 1_000_000, draws.between(0, 1_000_000), draws.between(0, 1_000_000)] {
            let asked_ppm = Pace::Exponent { over, under }.asked_ppm(time_ppm);
            entries.push(json!([over, under, time_ppm, asked_ppm]));
        }
    }
    check("paces.json", &entries);
}
