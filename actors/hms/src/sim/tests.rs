//! Seeds are good, the same each time, and every sabotage is noticed.

use super::{campaign::run_all, sabotage::Sabotage, shrink::shrink, *};

fn plan(seed: u64, sabotage: Option<Sabotage>) -> Plan {
    Plan { seed, steps: STEPS, sabotage, only: None }
}

#[test]
fn promises_are_kept_in_bad_weather() {
    let totals = run_all(&plan(0, None), 200, |_| {}).unwrap();
    assert!(totals.failed.is_none(), "{:#?}", totals.failed);
    for end in ["settled", "expired", "rejected", "withdrawn", "refused", "compensated"] {
        assert!(totals.ends.contains_key(end), "no deal was {end}: {:?}", totals.ends);
    }
    let missing: Vec<Fault> = Fault::ALL.into_iter().filter(|fault| !totals.faults.contains_key(fault)).collect();
    assert!(missing.is_empty(), "never happened: {missing:?}");
}

#[test]
fn a_seed_is_the_same_each_time() {
    for seed in 0..20 {
        let (first, second) = (run(&plan(seed, None), false).unwrap(), run(&plan(seed, None), true).unwrap());
        assert_eq!((first.digest, first.steps, first.ends), (second.digest, second.steps, second.ends), "seed {seed}");
    }
}

fn is_noticed(sabotage: Sabotage) -> Report {
    let totals = run_all(&plan(0, Some(sabotage)), 1_000, |_| {}).unwrap();
    totals.failed.unwrap_or_else(|| panic!("{sabotage} is not noticed"))
}

#[test]
fn no_compare_and_set_is_noticed() {
    is_noticed(Sabotage::CompareAndSet);
}

#[test]
fn a_desk_that_does_not_look_for_the_move_id_is_noticed() {
    is_noticed(Sabotage::MoveId);
}

#[test]
fn an_acknowledgement_before_the_effect_is_noticed() {
    is_noticed(Sabotage::AcknowledgeFirst);
}

#[test]
fn lazy_syncing_and_a_power_cut_are_noticed() {
    is_noticed(Sabotage::LazySync);
}

#[test]
fn a_ledger_without_its_fence_is_noticed() {
    is_noticed(Sabotage::Fence);
}

#[test]
fn a_failing_seed_is_made_small_and_tells_its_story() {
    let failed = is_noticed(Sabotage::CompareAndSet);
    let plan = plan(failed.seed, Some(Sabotage::CompareAndSet));
    let shrunk = shrink(&plan, &failed).unwrap().unwrap();
    assert_eq!(shrunk.report.broken.as_ref().unwrap().promise, failed.broken.as_ref().unwrap().promise);
    assert!(shrunk.only.faults.len() <= failed.struck.len() && (shrunk.only.deals.len() as u64) < DEALS);
    assert!(!shrunk.report.story.is_empty());
    let again = shrink(&plan, &failed).unwrap().unwrap();
    assert_eq!(again.report.story, shrunk.report.story, "the same story each time");
}
