//! The vectors of what goes in rounds: iterated contract nets and mediated texts, what they refuse, and what bidders and
//! voters say in them. Written anew and checked as those in [`super::vectors`].

use std::sync::Arc;

use schemas::body::encode;
use schemas::hash::Hash;
use schemas::id::AgentId;
use schemas::negotiation::{self, IteratedContractNet, ReadRules, ScoreWeight};
use schemas::profile::Profile;
use schemas::quantity::Quantity;
use schemas::talk::{Talk, TalkEnd};
use serde_json::{Value, json};

use super::vectors::{Draws, check, covers, hex, utility, verdict};
use super::{NAMES, NOW, agent, deal, domain};
use crate::strategy::{Annealer, Asking, Bidder, HillClimber, Pace, Sealed, Undercut, Voter};
use crate::{
    ContractNet, Contractor, Manager, Mediator, Member, Part, Preferences, Ranking, Refusal, SingleText, Space, View,
    hold,
};

/// Later than anything can be said, in milliseconds.
const LATE_MS: i64 = 1_000_000;

trait Hears {
    fn take(&mut self, bytes: &[u8], now_unix_ms: i64) -> Result<Talk, Refusal>;
}

impl Hears for ContractNet {
    fn take(&mut self, bytes: &[u8], now_unix_ms: i64) -> Result<Talk, Refusal> {
        self.hear(bytes, now_unix_ms)
    }
}

impl Hears for SingleText {
    fn take(&mut self, bytes: &[u8], now_unix_ms: i64) -> Result<Talk, Refusal> {
        self.hear(bytes, now_unix_ms)
    }
}

/// What is said, as it should be, and somebody who hears that, and other words before it.
struct Room<T> {
    speaker: T,
    hearer: T,
    words: Vec<Vec<u8>>,
    verdicts: Vec<Value>,
}

impl<T: Hears> Room<T> {
    fn new(speaker: T, hearer: T) -> Self {
        Self { speaker, hearer, words: Vec::new(), verdicts: Vec::new() }
    }

    fn say(&mut self, draws: &mut Draws, word: &Talk) {
        if draws.upto(2) > 0 {
            let other = spoilt(draws, word, &self.words);
            let at_unix_ms = NOW + i64::from(draws.upto(5) == 0) * LATE_MS;
            let heard = self.hearer.take(&other, at_unix_ms);
            self.verdicts.push(verdict(&other, at_unix_ms, heard));
        }
        let bytes = word.encode();
        if self.speaker.take(&bytes, NOW).is_ok() {
            self.words.push(bytes.clone());
        }
        let heard = self.hearer.take(&bytes, NOW);
        self.verdicts.push(verdict(&bytes, NOW, heard));
    }
}

/// Changes a word, or its bytes, or leaves it, or says one of those before again.
fn spoilt(draws: &mut Draws, word: &Talk, before: &[Vec<u8>]) -> Vec<u8> {
    let mut word = word.clone();
    let other = Hash::of(b"other");
    match (draws.upto(9), &mut word) {
        (0, Talk::Call(call)) => call.prev = other,
        (0, Talk::Bid(bid)) => bid.prev = other,
        (0, Talk::Revise(revise)) => revise.prev = other,
        (0, Talk::Award(award)) => award.prev = other,
        (0, Talk::Text(text)) => text.prev = other,
        (0, Talk::Vote(vote)) => vote.prev = other,
        (0, Talk::Result(result)) => result.prev = other,
        (1, Talk::Bid(bid)) => bid.outcome[0] = 9,
        (1, Talk::Revise(revise)) => revise.best[0] = 9,
        (1, Talk::Text(text)) => text.outcome[0] ^= 1,
        (1, Talk::Result(result)) => result.outcome[0] ^= 1,
        (2, Talk::Revise(revise)) => revise.heard.reverse(),
        (2, Talk::Award(award)) => award.heard.reverse(),
        (2, Talk::Text(text)) => text.votes.reverse(),
        (2, Talk::Result(result)) => result.votes.reverse(),
        (3, Talk::Revise(revise)) => revise.best[0] ^= 1,
        (3, Talk::Award(award)) => award.bid = award.heard.first().copied(),
        (3, Talk::Text(text)) => text.votes.iter_mut().take(2).for_each(|vote| vote.accepts = !vote.accepts),
        (3, Talk::Result(result)) => result.votes.iter_mut().take(2).for_each(|vote| vote.accepts = !vote.accepts),
        (4, Talk::Revise(revise)) => revise.called = vec![agent("mali")],
        (4, Talk::Award(award)) => award.bid = Some(other),
        (4, Talk::Text(text)) => text.round += 1,
        (5, Talk::Revise(revise)) => revise.bid = other,
        (5, Talk::Text(text)) => text.round = text.round.saturating_sub(1),
        (6, _) => return word.encode()[1..].to_vec(),
        (7, _) if !before.is_empty() => return before[draws.next() as usize % before.len()].clone(),
        (8, _) => {
            let (by, reason) = (word.by().clone(), "no".to_owned());
            return Talk::End(TalkEnd { deal: deal(), by, turn: 0, prev: other, reason }).encode();
        }
        _ => {}
    }
    word.encode()
}

fn weight(issue: usize, weight: i64) -> ScoreWeight {
    ScoreWeight { issue: format!("i{issue}").parse().unwrap(), weight }
}

#[test]
fn words_of_the_iterated_contract_net() {
    let mut draws = Draws(6);
    let parties: Vec<AgentId> = ["egypt", "ghana", "kenya", "mali"].map(agent).to_vec();
    let net = |number: u32| {
        let read = IteratedContractNet {
            domain: domain(&[4, 3], 2),
            manager: agent("kenya"),
            bids_until_unix_ms: NOW,
            round_ms: 1_000,
            rounds: 1 + draws.upto(3),
            least_gain: Quantity::new(draws.between(1, 3)).unwrap(),
            keep: 1 + draws.upto(2),
            score: vec![weight(0, draws.between(-3, 3)), weight(1, draws.between(-3, 3))],
        };
        let bytes = encode(&read);
        let rules = ReadRules::read(Profile::Icnp, &bytes).unwrap();
        let me = number.is_multiple_of(3).then(|| parties[1].clone());
        let net = |view| ContractNet::new(deal(), rules.clone(), &parties, view).unwrap();
        let mut room = Room::new(net(View::Whole), net(me.clone().map_or(View::Whole, View::Party)));
        let call = room.speaker.call("tea");
        room.say(&mut draws, &call);
        while room.speaker.award().is_none() {
            // The manager tries to bid as well, and so does whoever is not called again.
            for by in &parties {
                let word = match draws.upto(7) {
                    0 => None,
                    1 => room.speaker.decline(by, "busy"),
                    _ => room.speaker.bid(by, vec![draws.upto(3), draws.upto(2)]),
                };
                if let Some(word) = word {
                    room.say(&mut draws, &word);
                }
            }
            let word = room.speaker.decision().unwrap();
            room.say(&mut draws, &word);
        }
        let late = room.speaker.call("more");
        room.say(&mut draws, &late);
        let hearer = room.hearer;
        let bidding = hearer.award().and_then(|award| award.bidding.as_ref());
        json!({
            "deal": deal(), "rules_hex": hex(&bytes), "parties": parties, "me": me, "said": room.verdicts,
            "round": hearer.round(), "best": hearer.best(), "transcript": hearer.transcript(),
            "awarded": bidding.map(|bidding| &bidding.by),
        })
    };
    let entries: Vec<Value> = (0..60).map(net).collect();
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
        "wrong_award",
        "wrong_call",
    ];
    covers(&entries, &all);
    assert!(entries.iter().any(|entry| entry["round"] == 2 && !entry["awarded"].is_null()));
    check("words.icnp.json", &entries);
}

#[test]
fn words_of_the_single_text() {
    let mut draws = Draws(7);
    let talk = |number: u32| {
        let seats = 2 + draws.upto(1) as usize;
        let read = negotiation::SingleText {
            domain: domain(&[3, 1, 4], u32::try_from(seats).unwrap()),
            order: NAMES[..seats].iter().map(|name| agent(name)).collect(),
            mediator: agent("togo"),
            seed: draws.next(),
            rounds: 1 + draws.upto(3),
            talk_until_unix_ms: NOW,
        };
        let bytes = encode(&read);
        let rules = ReadRules::read(Profile::Stx, &bytes).unwrap();
        let me = number.is_multiple_of(3).then(|| agent("egypt"));
        let talk = |view| SingleText::new(deal(), rules.clone(), view).unwrap();
        let mut room = Room::new(talk(View::Whole), talk(me.clone().map_or(View::Whole, View::Party)));
        while let Some(word) = room.speaker.decision() {
            room.say(&mut draws, &word);
            // Those who have no seat try to vote as well.
            for name in NAMES {
                let accepts = draws.upto(3) > 0;
                if let Some(vote) = room.speaker.vote(&agent(name), accepts) {
                    room.say(&mut draws, &vote);
                }
            }
        }
        let hearer = room.hearer;
        json!({
            "deal": deal(), "rules_hex": hex(&bytes), "me": me, "said": room.verdicts,
            "round": hearer.round(), "text": hearer.text(), "transcript": hearer.transcript(),
        })
    };
    let entries: Vec<Value> = (0..40).map(talk).collect();
    let all = [
        "late",
        "out_of_turn",
        "duplicate",
        "foreign",
        "broken_chain",
        "over",
        "malformed",
        "wrong_count",
        "wrong_text",
    ];
    covers(&entries, &all);
    assert!(entries.iter().any(|entry| !entry["me"].is_null() && !entry["transcript"].is_null()));
    check("words.stx.json", &entries);
}

fn bidder(draws: &mut Draws) -> (Value, Box<dyn Bidder>) {
    match draws.upto(5) {
        0 => (json!({ "name": "boulware" }), Box::new(Asking(Pace::Boulware))),
        1 => (json!({ "name": "conceder" }), Box::new(Asking(Pace::Conceder))),
        2 => {
            let (over, under) = (1 + draws.upto(5), 1 + draws.upto(5));
            let told = json!({ "name": "exponent", "over": over, "under": under });
            (told, Box::new(Asking(Pace::Exponent { over, under })))
        }
        3 => {
            let share_ppm = draws.between(-100_000, 1_000_000);
            (json!({ "name": "sealed", "share_ppm": share_ppm }), Box::new(Sealed { share_ppm }))
        }
        _ => (json!({ "name": "undercut" }), Box::new(Undercut::default())),
    }
}

#[test]
fn tenders() {
    let mut draws = Draws(8);
    let tender = |_| {
        let counts: Vec<u32> = (0..=draws.upto(2)).map(|_| 2 + draws.upto(4)).collect();
        let bidders = 1 + draws.upto(3) as usize;
        let read = IteratedContractNet {
            domain: domain(&counts, 2),
            manager: agent("togo"),
            bids_until_unix_ms: NOW,
            round_ms: 1_000,
            rounds: 1 + draws.upto(11),
            least_gain: Quantity::new(draws.between(1, 3)).unwrap(),
            keep: 1 + draws.upto(3),
            score: (0..counts.len()).map(|at| weight(at, draws.between(-3, 3))).collect(),
        };
        let bytes = encode(&read);
        let rules = ReadRules::read(Profile::Icnp, &bytes).unwrap();
        let space = Space::new(counts.clone()).unwrap();
        let parties: Vec<AgentId> = ["togo"].iter().chain(&NAMES[..bidders]).map(|name| agent(name)).collect();
        let net = |view| ContractNet::new(deal(), rules.clone(), &parties, view).unwrap();
        let mut room: Vec<(AgentId, Box<dyn Part>)> =
            vec![(agent("togo"), Box::new(Manager::new(net(View::Whole), "")))];
        let mut seats = Vec::new();
        for me in &parties[1..] {
            let (wants, utility) = utility(&mut draws, &counts);
            let (how, bidder) = bidder(&mut draws);
            let reserved_ppm = draws.between(-100_000, 300_000);
            seats.push(json!({ "utility": wants, "reserved_ppm": reserved_ppm, "strategy": how }));
            let ranking = Arc::new(Ranking::new(&space, &utility));
            let part = Contractor::new(me.clone(), net(View::Party(me.clone())), reserved_ppm, ranking, bidder);
            room.push((me.clone(), Box::new(part)));
        }
        hold(&mut room, NOW).unwrap();
        let told = room[0].1.told().unwrap();
        json!({
            "deal": deal(), "rules_hex": hex(&bytes), "seats": seats, "outcome": told.outcome,
            "awarded": told.between.get(1), "head": told.transcript.head, "length": told.transcript.length,
        })
    };
    let entries: Vec<Value> = (0..80).map(tender).collect();
    let awarded = entries.iter().filter(|entry| !entry["awarded"].is_null()).count();
    assert!(awarded > 40, "{awarded} are awarded");
    check("tenders.json", &entries);
}

fn voter(draws: &mut Draws) -> (Value, Box<dyn Voter>) {
    if draws.upto(3) == 0 {
        return (json!({ "name": "hill_climber" }), Box::new(HillClimber));
    }
    let (hot_ppm, seed) = (draws.between(-10_000, 400_000), draws.next());
    (json!({ "name": "annealer", "hot_ppm": hot_ppm, "seed": seed }), Box::new(Annealer::new(hot_ppm, seed)))
}

#[test]
fn texts() {
    let mut draws = Draws(9);
    let text = |_| {
        let counts: Vec<u32> = (0..=draws.upto(3)).map(|_| 1 + draws.upto(4)).collect();
        let seated = 2 + draws.upto(2) as usize;
        let read = negotiation::SingleText {
            domain: domain(&counts, u32::try_from(seated).unwrap()),
            order: NAMES[..seated].iter().map(|name| agent(name)).collect(),
            mediator: agent("togo"),
            seed: draws.next(),
            rounds: 1 + draws.upto(39),
            talk_until_unix_ms: NOW,
        };
        let bytes = encode(&read);
        let rules = ReadRules::read(Profile::Stx, &bytes).unwrap();
        let talk = |view| SingleText::new(deal(), rules.clone(), view).unwrap();
        let mut room: Vec<(AgentId, Box<dyn Part>)> = vec![(agent("togo"), Box::new(Mediator::new(talk(View::Whole))))];
        let mut seats = Vec::new();
        for me in &read.order {
            let (wants, utility) = utility(&mut draws, &counts);
            let (how, voter) = voter(&mut draws);
            let reserved_ppm = draws.between(-100_000, 300_000);
            seats.push(json!({ "utility": wants, "reserved_ppm": reserved_ppm, "strategy": how }));
            let preferences = Preferences { utility, reserved_ppm };
            let part = Member::new(me.clone(), talk(View::Party(me.clone())), preferences, voter).unwrap();
            room.push((me.clone(), Box::new(part)));
        }
        hold(&mut room, NOW).unwrap();
        let told = room[0].1.told().unwrap();
        let wants: Vec<bool> = room[1..].iter().map(|(_, part)| part.wants()).collect();
        json!({
            "deal": deal(), "rules_hex": hex(&bytes), "seats": seats, "outcome": told.outcome, "wants": wants,
            "head": told.transcript.head, "length": told.transcript.length,
        })
    };
    let entries: Vec<Value> = (0..80).map(text).collect();
    check("texts.json", &entries);
}
