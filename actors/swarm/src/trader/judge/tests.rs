//! A party's own arithmetic: at the edge, to the unit, and the same as everybody else's.

use proptest::prelude::*;
use schemas::deal::{Delivery, Transfer};
use schemas::market::{Alternative, Give, Want};
use schemas::value::{Bounds, PartyValuation};
use schemas::{AgentId, Good, Quantity};

use super::*;
use crate::fixtures::{NOW, agent, bazaar, either, exactly, give, good, plan, units, want};

const DAY: i64 = 86_400_000;

/// Terms of kenya and ghana, due in so many days.
fn terms(given: &[(&str, i64)], received: &[(&str, i64)], days: i64) -> Terms {
    let transfer = |from: &str, to: &str, (what, quantity): &(&str, i64)| Transfer {
        from: agent(from),
        to: agent(to),
        good: good(what),
        quantity: units(*quantity),
        due_unix_ms: NOW + days * DAY,
        intent: None,
    };
    let out = given.iter().map(|what| transfer("kenya", "ghana", what));
    Terms {
        book: bazaar(),
        parties: vec![agent("ghana"), agent("kenya")],
        transfers: out.chain(received.iter().map(|what| transfer("ghana", "kenya", what))).collect(),
        delivery: Delivery::Confirmed,
        expires_unix_ms: NOW,
        award: None,
    }
}

/// Gives 100 wheat at 20, wants 50 coffee at 90.
fn kenya() -> AgentPlan {
    plan("kenya", vec![give("wheat", 100, 20)], vec![want("coffee", 50, 90)])
}

fn says(plan: &AgentPlan, given: &[(&str, i64)], received: &[(&str, i64)]) -> Result<(), Ground> {
    judge(plan, &Use::default(), &terms(given, received, 0))
}

#[test]
fn exact_equality_is_enough_and_a_unit_less_is_not() {
    assert_eq!(says(&kenya(), &[("wheat", 45)], &[("coffee", 10)]), Ok(()), "900 for 900");
    assert_eq!(says(&kenya(), &[("wheat", 46)], &[("coffee", 10)]), Err(Ground::Values));
    let asking = AgentPlan { margin_ppm: 500_000, ..kenya() };
    assert_eq!(says(&asking, &[("wheat", 30)], &[("coffee", 10)]), Ok(()), "900 for one and a half times 600");
    assert_eq!(says(&asking, &[("wheat", 31)], &[("coffee", 10)]), Err(Ground::Values));
}

#[test]
fn a_reservation_says_no_where_stated_values_say_yes() {
    let keeping = AgentPlan { margin_ppm: 100_000, reserve_ppm: 500_000, ..kenya() };
    assert_eq!(keeping.accepts_at_ppm(), 500_000);
    assert_eq!(says(&keeping, &[("wheat", 30)], &[("coffee", 10)]), Ok(()));
    assert_eq!(says(&keeping, &[("wheat", 31)], &[("coffee", 10)]), Err(Ground::Reservation));
    assert_eq!(says(&keeping, &[("wheat", 40)], &[("coffee", 10)]), Err(Ground::Reservation), "800·1.1 ≤ 900");
    assert_eq!(says(&keeping, &[("wheat", 41)], &[("coffee", 10)]), Err(Ground::Values), "902 > 900");
    let lax = AgentPlan { margin_ppm: 500_000, reserve_ppm: 0, ..kenya() };
    assert_eq!(says(&lax, &[("wheat", 31)], &[("coffee", 10)]), Err(Ground::Values), "what it states counts too");
}

#[test]
fn the_worst_corner_counts() {
    let mut unsure = kenya();
    unsure.gives[0].cost = Bounds { lo: Rational::whole(10), hi: Rational::whole(25) };
    unsure.wants[0].any_of[0].value = Bounds { lo: Rational::whole(80), hi: Rational::whole(500) };
    assert_eq!(says(&unsure, &[("wheat", 32)], &[("coffee", 10)]), Ok(()), "800 for 800");
    assert_eq!(says(&unsure, &[("wheat", 33)], &[("coffee", 10)]), Err(Ground::Values));
}

#[test]
fn nothing_beyond_what_was_stated() {
    let free = AgentPlan { gives: vec![give("wheat", 100, 0)], ..kenya() };
    assert_eq!(says(&free, &[("wheat", 100)], &[("coffee", 50)]), Ok(()));
    assert_eq!(says(&free, &[("wheat", 101)], &[("coffee", 50)]), Err(Ground::Limits));
    assert_eq!(says(&free, &[("wheat", 100)], &[("coffee", 51)]), Err(Ground::Limits));
    assert_eq!(says(&free, &[("wheat", 60), ("wheat", 41)], &[("coffee", 9)]), Err(Ground::Limits), "in two parts");
    assert_eq!(says(&free, &[("tea", 1)], &[("coffee", 9)]), Err(Ground::Limits), "it gives no tea");
    assert_eq!(says(&free, &[("wheat", 1)], &[("tea", 9)]), Err(Ground::Limits), "it wants no tea");
    let elsewhere = Terms { book: "souk".parse().unwrap(), ..terms(&[("wheat", 1)], &[("coffee", 9)], 0) };
    assert_eq!(judge(&free, &Use::default(), &elsewhere), Err(Ground::Limits));
}

#[test]
fn what_is_used_is_gone() {
    let used = Use { given: [(good("wheat"), 90)].into(), received: [(good("coffee"), 45)].into() };
    let says = |wheat, coffee| judge(&kenya(), &used, &terms(&[("wheat", wheat)], &[("coffee", coffee)], 0));
    assert_eq!(says(10, 5), Ok(()));
    assert_eq!(says(11, 5), Err(Ground::Limits));
    assert_eq!(says(10, 6), Err(Ground::Limits));
}

#[test]
fn alternatives_share_a_want() {
    let any_of = vec![either("coffee", 50, 90), either("tea", 20, 90)];
    let either = AgentPlan { wants: vec![Want { any_of }], ..kenya() };
    let says =
        |used: &Use, coffee, tea| judge(&either, used, &terms(&[("wheat", 1)], &[("coffee", coffee), ("tea", tea)], 0));
    let nothing = Use::default();
    assert_eq!(says(&nothing, 25, 10), Ok(()), "a half and a half");
    assert_eq!(says(&nothing, 26, 10), Err(Ground::Limits));
    assert_eq!(says(&nothing, 25, 11), Err(Ground::Limits));
    let used = Use { received: [(good("tea"), 5)].into(), ..Use::default() };
    assert_eq!(says(&used, 25, 5), Ok(()));
    assert_eq!(says(&used, 26, 5), Err(Ground::Limits));
}

#[test]
fn what_comes_later_is_worth_less_and_costs_less() {
    // D = 1/(1 + 1/10·365/365) = 10/11: φ⁺ = 909090909, φ⁻ = 909090910, so equality no longer holds.
    let patient =
        AgentPlan { outlook: Outlook { rate: Some("1/10".parse().unwrap()), ..Outlook::default() }, ..kenya() };
    let in_a_year =
        |plan: &AgentPlan, wheat| judge(plan, &Use::default(), &terms(&[("wheat", wheat)], &[("coffee", 10)], 365));
    assert_eq!(in_a_year(&patient, 45), Err(Ground::Values), "900·909090909 < 900·909090910");
    assert_eq!(in_a_year(&patient, 44), Ok(()));
    // With certainty a half and no aversion, φ⁺ halves.
    let doubting = AgentPlan {
        outlook: Outlook {
            arrival: Some("1/2".parse().unwrap()),
            risk_aversion: Some(Rational::ZERO),
            ..Outlook::default()
        },
        ..kenya()
    };
    assert_eq!(says(&doubting, &[("wheat", 22)], &[("coffee", 10)]), Ok(()), "440 for 450");
    assert_eq!(says(&doubting, &[("wheat", 23)], &[("coffee", 10)]), Err(Ground::Values), "460 for 450");
    // ρ = 1: p·(1 − (1 − p)) = p² = 1/4.
    let fearful =
        AgentPlan { outlook: Outlook { risk_aversion: Some(Rational::ONE), ..doubting.outlook.clone() }, ..doubting };
    assert_eq!(says(&fearful, &[("wheat", 11)], &[("coffee", 10)]), Ok(()), "220 for 225");
    assert_eq!(says(&fearful, &[("wheat", 12)], &[("coffee", 10)]), Err(Ground::Values), "240 for 225");
}

#[test]
fn an_acceptance_states_the_goods_that_move_and_no_others() {
    let more = AgentPlan {
        gives: vec![give("wheat", 100, 20), give("tea", 5, 7)],
        wants: vec![want("rye", 5, 8), want("coffee", 50, 90)],
        margin_ppm: 10_000,
        reserve_ppm: 400_000,
        ..kenya()
    };
    let stated = valuation(&more, &terms(&[("wheat", 1)], &[("coffee", 9)], 0));
    assert_eq!(stated.margin_ppm, 10_000, "the reservation stays at home");
    let [value] = &stated.values[..] else { panic!("{stated:?}") };
    let [cost] = &stated.costs[..] else { panic!("{stated:?}") };
    assert_eq!((value.good.as_str(), value.value), ("coffee", Some(exactly(90))));
    assert_eq!((cost.good.as_str(), cost.cost), ("wheat", exactly(20)));
}

fn bounds() -> impl Strategy<Value = Bounds> {
    let end = || (0..400i64, 1..40i64).prop_map(|(top, bottom)| Rational::new(top.into(), bottom.into()).unwrap());
    (end(), end()).prop_map(|(a, b)| Bounds { lo: a.min(b), hi: a.max(b) })
}

fn outlook() -> impl Strategy<Value = Outlook> {
    let portion = || prop::option::of((0..=20i128).prop_map(|part| Rational::new(part, 20).unwrap()));
    let kind =
        prop::sample::select(vec![PartyKind::Government, PartyKind::Corporate, PartyKind::Ngo, PartyKind::Civilian]);
    (kind, portion(), portion(), portion()).prop_map(|(kind, rate, risk_aversion, arrival)| Outlook {
        kind,
        rate,
        risk_aversion,
        arrival,
        weights: None,
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    /// The cores decide by the crate `terms`; an agent that uses its own arithmetic must never differ from them.
    #[test]
    fn the_cores_judge_the_same(
        outlook in outlook(), days in 0..1_000i64, late_ms in 0..DAY, margin_ppm in 0..500_000i64,
        given in prop::collection::vec((0..3usize, 1..1_000i64, bounds()), 1..3),
        received in prop::collection::vec((0..3usize, 1..1_000i64, bounds()), 1..3),
    ) {
        let name = |at: usize| ["wheat", "tea", "rye"][at];
        let other = |at: usize| ["coffee", "rice", "maize"][at];
        let mut plan = AgentPlan { outlook, margin_ppm, ..kenya() };
        plan.gives = unique(&given, name).into_iter().map(|(good, cost)| Give { good, limit: Quantity::new(i64::MAX).unwrap(), cost }).collect();
        plan.wants = unique(&received, other).into_iter().map(|(good, value)| {
            Want { any_of: vec![Alternative { good, limit: Quantity::new(i64::MAX).unwrap(), value }] }
        }).collect();
        let flows = |what: &[(usize, i64, Bounds)], name: fn(usize) -> &'static str| -> Vec<(&'static str, i64)> {
            what.iter().map(|(at, quantity, _)| (name(*at), *quantity)).collect()
        };
        let name: fn(usize) -> &'static str = |at| ["wheat", "tea", "rye"][at];
        let other: fn(usize) -> &'static str = |at| ["coffee", "rice", "maize"][at];
        let mut terms = terms(&flows(&given, name), &flows(&received, other), days);
        for transfer in &mut terms.transfers {
            transfer.due_unix_ms += late_ms;
        }
        let party: AgentId = agent("kenya");
        let stated = PartyValuation { party: party.clone(), valuation: valuation(&plan, &terms) };
        let worth = terms::worth(&terms, &party, &stated.valuation).unwrap();
        prop_assert_eq!(judge(&plan, &Use::default(), &terms).is_ok(), worth.is_satisfied());
    }
}

fn unique(flows: &[(usize, i64, Bounds)], name: impl Fn(usize) -> &'static str) -> Vec<(Good, Bounds)> {
    let mut goods: Vec<(Good, Bounds)> = Vec::new();
    for (at, _, span) in flows {
        if goods.iter().all(|(known, _)| known.as_str() != name(*at)) {
            goods.push((good(name(*at)), *span));
        }
    }
    goods
}
