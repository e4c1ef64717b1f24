//! Talks without a bus.

mod cases;
mod contract;
mod iterated;
mod laws;
mod strategies;
mod text;
mod vectors;
mod vectors_in_rounds;

use std::sync::Arc;

use schemas::body::encode;
use schemas::deal::Delivery;
use schemas::hash::Hash;
use schemas::id::{AgentId, DealId};
use schemas::negotiation::{self, Domain, Issue, Pattern, ReadRules, Rules};
use schemas::quantity::Quantity;
use schemas::talk::Talk;

use crate::{Alternating, Preferences, Ranking, Refusal, Space, Utility};

pub(super) const NOW: i64 = 1_790_000_000_000;

pub(super) fn agent(name: &str) -> AgentId {
    name.parse().unwrap()
}

pub(super) fn deal() -> DealId {
    DealId::of(&agent("kenya"), &"m-1".parse().unwrap())
}

/// Issues of so many choices each, and one transfer round the table.
pub(super) fn domain(counts: &[u32], seats: u32) -> Domain {
    let issue = |(at, count): (usize, &u32)| Issue {
        name: format!("i{at}").parse().unwrap(),
        least: 1,
        step: Quantity::ONE,
        count: *count,
        labels: Vec::new(),
    };
    let hop = |seat| Pattern {
        from: seat,
        to: (seat + 1) % seats,
        goods: vec![format!("g{seat}").parse().unwrap()],
        good_by: None,
        factor: Quantity::ONE,
        times: vec!["i0".parse().unwrap()],
        due_unix_ms: NOW,
        due_by: None,
    };
    let issues = counts.iter().enumerate().map(issue).collect();
    Domain { issues, transfers: (0..seats).map(hop).collect(), delivery: Delivery::Immediate }
}

pub(super) const NAMES: [&str; 4] = ["kenya", "egypt", "ghana", "mali"];

/// Rules for the first so many of [`NAMES`].
pub(super) fn rules(counts: &[u32], parties: usize, rounds: u32) -> ReadRules {
    let read = negotiation::Alternating {
        domain: domain(counts, u32::try_from(parties).unwrap()),
        order: NAMES[..parties].iter().map(|name| agent(name)).collect(),
        rounds,
        talk_until_unix_ms: NOW,
    };
    let hash = Hash::of(&encode(&read));
    ReadRules { rules: Rules::Alternating(read), hash }
}

pub(super) fn talk(counts: &[u32], parties: usize, rounds: u32) -> Alternating {
    Alternating::new(deal(), rules(counts, parties, rounds)).unwrap()
}

/// Says a word and has it heard.
pub(super) fn say(talk: &mut Alternating, word: &Talk) -> Result<Talk, Refusal> {
    talk.hear(&word.encode(), NOW)
}

/// Linear additive: the weight of each issue in parts of a million, and whether more of it is better.
pub(super) fn additive(counts: &[u32], weights: &[(i64, bool)], reserved_ppm: i64) -> Preferences {
    let issue = |(count, (weight, rising)): (&u32, &(i64, bool))| {
        let last = i64::from(count - 1).max(1);
        let worth = |choice: i64| if *rising { choice } else { last - choice } * 1_000_000 / last;
        (*weight, (0..i64::from(*count)).map(worth).collect())
    };
    Preferences { utility: Utility::Additive(counts.iter().zip(weights).map(issue).collect()), reserved_ppm }
}

pub(super) fn ranked(counts: &[u32], preferences: &Preferences) -> Arc<Ranking> {
    Arc::new(Ranking::new(&Space::new(counts.to_vec()).unwrap(), &preferences.utility))
}
