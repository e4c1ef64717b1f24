//! The clearings of a market, as its maker told of them: what each reached, and whom it left out.

use std::collections::BTreeMap;

use schemas::clearing::{Cleared, Clearing, Outcome, Refined};
use schemas::{AgentId, DealId};
use serde::Serialize;

use super::tally::word;

/// What a clearing reached, and what it could have reached.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Answer {
    /// What its rings reach, in minor units of account.
    pub objective: i64,
    /// No set of rings reaches more.
    pub bound: i64,
    /// How far the one is from the other at most, in parts per million of the bound.
    pub gap_ppm: i64,
    /// How it ended.
    pub outcome: Outcome,
    /// How long it computed, in milliseconds.
    pub took_ms: u32,
    /// How many rings, and chains, it found.
    pub rings: usize,
}

impl From<&Cleared> for Answer {
    fn from(cleared: &Cleared) -> Self {
        Self {
            objective: cleared.objective,
            bound: cleared.bound,
            gap_ppm: cleared.gap_ppm,
            outcome: cleared.outcome,
            took_ms: cleared.took_ms,
            rings: cleared.rings.len() + cleared.chains.len(),
        }
    }
}

/// One clearing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Round {
    /// Its number.
    pub clearing: u32,
    /// When its result was there, in Unix milliseconds.
    pub at_unix_ms: i64,
    /// How many offers it saw; absent where that did not fit the maker's message.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub offers: Option<usize>,
    /// What it reached.
    #[serde(flatten)]
    pub answer: Answer,
    /// The deals that were opened on it.
    pub deals: Vec<DealId>,
    /// How many offers it left out, by reason.
    pub left_out: BTreeMap<String, u32>,
}

/// How clearings left an agent out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Passed {
    /// The last clearing that did.
    pub clearing: u32,
    /// Why it did.
    pub reason: String,
    /// The same for people.
    pub detail: String,
    /// How many did.
    pub times: u32,
}

/// All clearings that were heard of.
#[derive(Debug, Default)]
pub struct Rounds {
    /// The clearings, by their numbers.
    pub cleared: BTreeMap<u32, Round>,
    /// Whom they left out.
    pub passed: BTreeMap<AgentId, Passed>,
    /// What was made of their answers, where the market divides gains.
    pub refined: Refined,
}

impl Rounds {
    /// The maker told of a clearing; it may do so twice.
    pub fn told(&mut self, clearing: &Clearing) {
        let number = clearing.clearing;
        if self.cleared.contains_key(&number) {
            return;
        }
        if let Some(refined) = &clearing.refined {
            self.refined.add(refined);
        }
        let mut left_out = BTreeMap::new();
        for offer in &clearing.result.left_out {
            let reason = word(offer.reason);
            *left_out.entry(reason.clone()).or_insert(0) += 1;
            let times = self.passed.get(&offer.agent).map_or(0, |passed| passed.times) + 1;
            let passed = Passed { clearing: number, reason, detail: offer.detail.clone(), times };
            self.passed.insert(offer.agent.clone(), passed);
        }
        let round = Round {
            clearing: number,
            at_unix_ms: clearing.at_unix_ms,
            offers: clearing.request.as_ref().map(|request| request.offers.len()),
            answer: Answer::from(&clearing.result),
            deals: clearing.deals.clone(),
            left_out,
        };
        self.cleared.insert(number, round);
    }
}

#[cfg(test)]
mod tests {
    use schemas::clearing::{Evenness, LeftOutOffer};
    use schemas::market::LeftOut;

    use super::*;
    use crate::fixtures::{agent, bazaar};

    fn clearing(number: u32, left_out: &[(&str, LeftOut)]) -> Clearing {
        let offer = |(who, reason): &(&str, LeftOut)| LeftOutOffer {
            agent: agent(who),
            reason: *reason,
            detail: format!("in clearing {number}"),
        };
        Clearing {
            market: bazaar(),
            clearing: number,
            at_unix_ms: i64::from(number) * 1_000,
            request: None,
            result: Cleared {
                rings: Vec::new(),
                objective: 90,
                bound: 100,
                gap_ppm: 100_000,
                outcome: Outcome::Feasible,
                took_ms: 7,
                left_out: left_out.iter().map(offer).collect(),
                chains: Vec::new(),
                prices: Vec::new(),
                limits: Vec::new(),
            },
            deals: Vec::new(),
            refined: Some(Refined { after: Evenness { deals: 1, ..Evenness::default() }, ..Refined::default() }),
        }
    }

    #[test]
    fn a_clearing_that_is_told_twice_counts_once() {
        let mut rounds = Rounds::default();
        let first = clearing(1, &[("ghana", LeftOut::NoRing), ("kenya", LeftOut::NoRing)]);
        rounds.told(&first);
        rounds.told(&first);
        assert_eq!((rounds.cleared.len(), rounds.refined.after.deals), (1, 1));
        assert_eq!(rounds.cleared[&1].left_out, BTreeMap::from([("no_ring".to_owned(), 2)]));
        assert_eq!(rounds.passed[&agent("ghana")].times, 1);
    }

    #[test]
    fn the_last_reason_stands() {
        let mut rounds = Rounds::default();
        rounds.told(&clearing(1, &[("ghana", LeftOut::NoRing)]));
        rounds.told(&clearing(2, &[("ghana", LeftOut::Outbid)]));
        let last = Passed { clearing: 2, reason: "outbid".into(), detail: "in clearing 2".into(), times: 2 };
        assert_eq!(rounds.passed, BTreeMap::from([(agent("ghana"), last)]));
    }
}
