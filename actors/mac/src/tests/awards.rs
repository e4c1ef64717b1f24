//! Which bid is best.

use std::collections::BTreeMap;

use schemas::id::{AgentId, Skill};
use schemas::task::{JobRules, Task};

use super::{agent, task};
use crate::Bid;
use crate::award::best;

fn bid(price_minor: i64, reputation_ppb: u32, skills: &[&str]) -> Bid {
    Bid { price_minor, reputation_ppb, skills: skills.iter().map(|skill| Skill::parse(skill).unwrap()).collect() }
}

fn winner(task: &Task, bids: &[(&str, Bid)], rules: &JobRules) -> Option<(AgentId, u32)> {
    let bids: BTreeMap<_, _> = bids.iter().map(|(name, bid)| (agent(name), bid.clone())).collect();
    best(task, &bids, rules).map(|(agent, score)| (agent.clone(), score))
}

#[test]
fn each_weight_alone_decides_by_what_it_weighs() {
    let wants = Task { wanted: ["fast", "sure"].map(|s| Skill::parse(s).unwrap()).to_vec(), ..task("a", &[]) };
    let bids = [
        ("cheap", bid(10, 100_000_000, &[])),
        ("known", bid(90, 900_000_000, &["fast"])),
        ("able", bid(80, 500_000_000, &["sure", "fast", "other"])),
    ];
    let rules = |price_ppm, reputation_ppm, skills_ppm| JobRules {
        price_ppm,
        reputation_ppm,
        skills_ppm,
        ..JobRules::default()
    };
    assert_eq!(winner(&wants, &bids, &rules(1_000_000, 0, 0)), Some((agent("cheap"), 900_000_000)));
    assert_eq!(winner(&wants, &bids, &rules(0, 1_000_000, 0)), Some((agent("known"), 900_000_000)));
    assert_eq!(winner(&wants, &bids, &rules(0, 0, 1_000_000)), Some((agent("able"), 1_000_000_000)));
    // 0.2 · 0.4 + 0.5 · 0.4 + 1 · 0.2, against 0.4 and 0.5.
    assert_eq!(winner(&wants, &bids, &JobRules::default()), Some((agent("known"), 500_000_000)));
}

#[test]
fn of_equal_scores_the_lower_price_wins_and_then_the_first_id() {
    let rules = JobRules { price_ppm: 0, reputation_ppm: 1_000_000, skills_ppm: 0, ..JobRules::default() };
    let equal = [("b", bid(20, 7, &[])), ("a", bid(30, 7, &[])), ("c", bid(20, 7, &[]))];
    assert_eq!(winner(&task("t", &[]), &equal, &rules).unwrap().0, agent("b"));
}

#[test]
fn without_bids_nobody_and_without_a_budget_everybody_is_as_cheap() {
    assert_eq!(winner(&task("t", &[]), &[], &JobRules::default()), None);
    let free = Task { budget_minor: 0, ..task("t", &[]) };
    assert_eq!(winner(&free, &[("a", bid(0, 0, &[]))], &JobRules::default()).unwrap().1, 600_000_000);
}

#[test]
fn the_largest_sums_are_weighed_exactly() {
    let rich = Task { budget_minor: schemas::limit::MAX_BUDGET_MINOR, ..task("t", &[]) };
    let rules = JobRules { price_ppm: 1_000_000, reputation_ppm: 0, skills_ppm: 0, ..JobRules::default() };
    let bids = [("a", bid(0, 0, &[])), ("b", bid(schemas::limit::MAX_BUDGET_MINOR, 0, &[]))];
    assert_eq!(winner(&rich, &bids, &rules), Some((agent("a"), 1_000_000_000)));
}
