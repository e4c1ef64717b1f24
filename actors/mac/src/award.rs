//! Who gets a task: the bid that scores highest by the job's weights.
//!
//! A bid's score is the weighted sum of three shares of one: what it leaves of the budget, the bidder's reputation, and
//! how many of the wanted skills it names. All are integers, in parts per billion, so everyone computes the same order.
//! Of equal scores the lower price wins, and then the id that comes first.

use std::collections::BTreeMap;

use schemas::id::AgentId;
use schemas::limit::{PPB, PPM};
use schemas::task::{JobRules, Task};

use crate::state::Bid;

/// The best of some bids, and its score in parts per billion; nothing without bids.
#[must_use]
pub fn best<'a>(task: &Task, bids: &'a BTreeMap<AgentId, Bid>, rules: &JobRules) -> Option<(&'a AgentId, u32)> {
    let ranked = bids.iter().map(|(agent, bid)| (score(task, bid, rules), agent, bid));
    // Agents come in order, and the first of equals stays.
    let (score, agent, _) = ranked.reduce(|best, next| {
        let better = next.0 > best.0 || next.0 == best.0 && next.2.price_minor < best.2.price_minor;
        if better { next } else { best }
    })?;
    Some((agent, u32::try_from(score / i128::from(PPM)).unwrap_or(u32::MAX)))
}

/// A bid's score, in parts per billion times parts per million.
fn score(task: &Task, bid: &Bid, rules: &JobRules) -> i128 {
    let weighed = |weight_ppm: u32, share_ppb: i128| i128::from(weight_ppm) * share_ppb;
    weighed(rules.price_ppm, saved_ppb(task.budget_minor, bid.price_minor))
        + weighed(rules.reputation_ppm, bid.reputation_ppb.into())
        + weighed(rules.skills_ppm, named_ppb(task, bid))
}

/// What a price leaves of the budget, rounded down; all of it where there is none.
fn saved_ppb(budget_minor: i64, price_minor: i64) -> i128 {
    let saved = i128::from(budget_minor) - i128::from(price_minor);
    (saved * i128::from(PPB)).checked_div(budget_minor.into()).unwrap_or(PPB.into())
}

/// The share of wanted skills that a bid names, rounded down; all where none is wanted.
fn named_ppb(task: &Task, bid: &Bid) -> i128 {
    let named = task.wanted.iter().filter(|skill| bid.skills.contains(skill)).count();
    let count = |n: usize| i128::try_from(n).unwrap_or_default();
    (count(named) * i128::from(PPB)).checked_div(count(task.wanted.len())).unwrap_or(PPB.into())
}
