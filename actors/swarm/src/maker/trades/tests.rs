//! What deals do to intents, event by event.

use std::collections::BTreeMap;

use schemas::deal::{IntentRef, Transfer};

use super::*;
use crate::fixtures::{NOW, Story, agent, bazaar, good, limits, market, ring, units};
use crate::maker::proposal::Proposal;

const MAKER: &str = "maker";

/// kenya gives ghana 5 wheat and gets 3 tea, in clearing `number`; their intents are 11 and 12.
fn swap(number: u32) -> Proposal {
    let sequences = BTreeMap::from([(agent("kenya"), 11), (agent("ghana"), 12)]);
    let of = ring(&[("kenya", "ghana", "wheat", 5), ("ghana", "kenya", "tea", 3)]);
    Proposal::of(&agent(MAKER), &market(), number, &of, &sequences, NOW + i64::from(number)).unwrap()
}

/// Trades in which `proposal` is being opened.
fn opening(proposal: &Proposal) -> Trades {
    let mut trades = Trades::new(agent(MAKER));
    trades.opening(proposal.deal.clone(), proposal.terms.clone());
    trades
}

fn kenya() -> IntentKey {
    (agent("kenya"), 11)
}

fn ghana() -> IntentKey {
    (agent("ghana"), 12)
}

fn moved(given: (&str, i64), received: (&str, i64)) -> Use {
    Use { given: [(good(given.0), given.1)].into(), received: [(good(received.0), received.1)].into() }
}

#[test]
fn an_open_deal_withholds_what_it_would_move_on_both_sides() {
    let proposal = swap(1);
    let mut trades = opening(&proposal);
    let withheld =
        BTreeMap::from([(kenya(), moved(("wheat", 5), ("tea", 3))), (ghana(), moved(("tea", 3), ("wheat", 5)))]);
    assert_eq!(trades.withheld(), withheld);
    let mut story = Story::of(proposal.deal.clone());
    trades.happened(&story.opened(&proposal, MAKER));
    assert_eq!(trades.withheld(), withheld, "once, though it is in the log now");
    trades.happened(&story.accepted("kenya", false));
    assert_eq!((trades.withheld(), trades.open_deals()), (withheld, 1));
}

#[test]
fn a_commit_fills_and_posts_once() {
    let proposal = swap(1);
    let mut trades = opening(&proposal);
    for event in [limits("kenya", 0, &[("wheat", 20)]), limits("ghana", 0, &[("tea", 9), ("wheat", 0)])] {
        trades.declared(&event.agent, &event.cause);
    }
    let mut story = Story::of(proposal.deal.clone());
    trades.happened(&story.opened(&proposal, MAKER));
    trades.happened(&story.committed(&proposal.terms));
    assert!(trades.withheld().is_empty());
    assert_eq!(trades.filled(&kenya()), moved(("wheat", 5), ("tea", 3)));
    assert_eq!(trades.filled(&ghana()), moved(("tea", 3), ("wheat", 5)));
    let may = |id: &str, what: &str| trades.may_give(&agent(id), &good(what));
    assert_eq!((may("kenya", "wheat"), may("ghana", "tea")), (15, 6));
    assert_eq!(may("ghana", "wheat"), 5, "what came may be given on");
    assert_eq!(may("kenya", "tea"), 3);
    trades.happened(&story.next(Happening::Settled, None));
    assert_eq!(trades.filled(&kenya()), moved(("wheat", 5), ("tea", 3)), "for good");
    assert_eq!(trades.open_deals(), 0);
}

#[test]
fn another_s_deal_takes_from_the_ledger_and_from_the_intents_that_it_cites() {
    let mut trades = Trades::new(agent(MAKER));
    let mut proposal = swap(1);
    proposal.terms.transfers[1].intent = None;
    let stranger = Transfer {
        intent: Some(IntentRef { agent: agent("ghana"), sequence: 12 }),
        quantity: units(1),
        ..proposal.terms.transfers[0].clone()
    };
    proposal.terms.transfers.push(stranger);
    let mut story = Story::of(proposal.deal.clone());
    trades.happened(&story.opened(&proposal, "togo"));
    assert!(trades.withheld().is_empty(), "it is not ours to know whether that comes to be");
    assert!(!trades.take_changed());
    trades.happened(&story.committed(&proposal.terms));
    assert!(trades.take_changed());
    assert_eq!(trades.may_give(&agent("kenya"), &good("wheat")), -6);
    assert_eq!(trades.filled(&kenya()), moved(("wheat", 6), ("tea", 3)));
    assert_eq!(trades.filled(&ghana()), Use::default(), "nobody cites another's intent");
}

#[test]
fn a_rejection_frees_and_whoever_rejected_sits_out() {
    let proposal = swap(1);
    let mut trades = opening(&proposal);
    let mut story = Story::of(proposal.deal.clone());
    trades.happened(&story.opened(&proposal, MAKER));
    assert!(!trades.take_changed());
    trades.happened(&story.rejected("ghana"));
    assert!(trades.withheld().is_empty());
    assert!(trades.take_changed() && !trades.take_changed());
    assert_eq!(trades.sits_out(&agent("kenya"), 11), None);
    let sitting = trades.sits_out(&agent("ghana"), 12).unwrap();
    assert!(sitting.detail.starts_with("it rejected deal "), "{}", sitting.detail);
    assert_eq!(trades.sits_out(&agent("ghana"), 13), None, "a later intent lifts it");
    trades.forget_before(&agent("ghana"), 13);
    assert_eq!(trades.sits_out(&agent("ghana"), 12), None);
}

#[test]
fn who_let_a_deal_lapse_sits_out_and_who_accepted_does_not() {
    let proposal = swap(1);
    let mut trades = opening(&proposal);
    let mut story = Story::of(proposal.deal.clone());
    trades.happened(&story.opened(&proposal, MAKER));
    trades.happened(&story.accepted("kenya", false));
    trades.happened(&story.next(Happening::Expired, None));
    assert!(trades.withheld().is_empty());
    assert_eq!(trades.sits_out(&agent("kenya"), 11), None);
    assert!(trades.sits_out(&agent("ghana"), 12).unwrap().detail.contains("lapse without an answer"));
}

#[test]
fn an_agent_in_three_refused_deals_sits_out() {
    let mut trades = Trades::new(agent(MAKER));
    for number in 1..=3 {
        assert_eq!(trades.sits_out(&agent("kenya"), 11), None, "before deal {number}");
        let proposal = swap(number);
        trades.opening(proposal.deal.clone(), proposal.terms.clone());
        let mut story = Story::of(proposal.deal.clone());
        trades.happened(&story.opened(&proposal, MAKER));
        trades.happened(&story.refused());
        assert!(trades.withheld().is_empty());
    }
    assert!(trades.sits_out(&agent("kenya"), 11).unwrap().detail.starts_with("3 deals"));
    assert!(trades.sits_out(&agent("ghana"), 12).is_some());
}

#[test]
fn a_new_intent_begins_with_no_refusals() {
    let mut trades = Trades::new(agent(MAKER));
    for number in 1..=2 {
        let proposal = swap(number);
        trades.opening(proposal.deal.clone(), proposal.terms.clone());
        trades.not_opened(&proposal.deal);
    }
    trades.forget_before(&agent("kenya"), 21);
    let proposal = swap(3);
    trades.opening(proposal.deal.clone(), proposal.terms.clone());
    trades.not_opened(&proposal.deal);
    assert_eq!(trades.sits_out(&agent("kenya"), 21), None);
    assert!(trades.sits_out(&agent("ghana"), 12).is_some());
}

#[test]
fn a_deal_that_never_came_to_be_frees_when_nobody_could_accept_it() {
    let proposal = swap(1);
    let mut trades = opening(&proposal);
    trades.forget_lapsed(proposal.terms.expires_unix_ms - 1);
    assert_eq!(trades.open_deals(), 1);
    trades.forget_lapsed(proposal.terms.expires_unix_ms);
    assert_eq!(trades.open_deals(), 0);
    assert!(trades.take_changed());
}

#[test]
fn a_deal_in_the_log_stays_until_the_log_ends_it() {
    let proposal = swap(1);
    let mut trades = opening(&proposal);
    trades.happened(&Story::of(proposal.deal.clone()).opened(&proposal, MAKER));
    trades.forget_lapsed(i64::MAX);
    trades.not_opened(&proposal.deal);
    assert_eq!(trades.open_deals(), 1);
}

#[test]
fn a_compensation_gives_back_on_the_ledger_and_not_to_the_intent() {
    let proposal = swap(1);
    let mut trades = opening(&proposal);
    let event = limits("kenya", 0, &[("wheat", 20)]);
    trades.declared(&event.agent, &event.cause);
    let mut story = Story::of(proposal.deal.clone());
    trades.happened(&story.opened(&proposal, MAKER));
    trades.happened(&story.committed(&proposal.terms));
    trades.happened(&story.next(Happening::Failed { undelivered: vec![0] }, None));
    assert_eq!(trades.may_give(&agent("kenya"), &good("wheat")), 15);
    trades.take_changed();
    trades.happened(&story.next(Happening::Compensated { reversed: vec![0, 9] }, None));
    assert_eq!(trades.may_give(&agent("kenya"), &good("wheat")), 20);
    assert_eq!(trades.may_give(&agent("kenya"), &good("tea")), 3, "this one was delivered");
    assert_eq!(trades.filled(&kenya()), moved(("wheat", 5), ("tea", 3)));
    assert!(trades.take_changed());
}

#[test]
fn limits_are_replaced_good_by_good() {
    let mut trades = Trades::new(agent(MAKER));
    let mut declare = |turn: u32, declared: &[(&str, i64)]| {
        let event = limits("kenya", turn, declared);
        trades.declared(&event.agent, &event.cause);
        let of = |what: &str| trades.limit(&agent("kenya"), &good(what));
        (of("wheat"), of("tea"))
    };
    assert_eq!(declare(0, &[("wheat", 20)]), (Some(20), None));
    assert_eq!(declare(1, &[("tea", 3)]), (Some(20), Some(3)));
    assert_eq!(declare(2, &[("wheat", 0)]), (Some(0), Some(3)));
}

#[test]
fn the_number_of_the_last_clearing_is_in_the_log() {
    let mut trades = Trades::new(agent(MAKER));
    for number in [7, 4] {
        let proposal = swap(number);
        trades.happened(&Story::of(proposal.deal.clone()).opened(&proposal, MAKER));
    }
    assert_eq!(trades.last_clearing(), 7);
    let proposal = swap(9);
    trades.happened(&Story::of(proposal.deal.clone()).opened(&proposal, "togo"));
    assert_eq!(trades.last_clearing(), 7, "another's move ids say nothing");
    assert_eq!(bazaar(), proposal.terms.book);
}
