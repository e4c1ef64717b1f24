//! Mended terms satisfy everyone; what cannot be mended says why, and anyone can add it up.

use proptest::prelude::*;
use schemas::AgentId;
use schemas::division::Payment;
use schemas::value::Valuation;

use super::*;
use crate::fixture::{barter, good, states, terms, transfer};

/// kenya asks for `margin_ppm` over what 100 tea cost it at worst, 1100, and gets at worst 25 for each oil.
fn sides(margin_ppm: i64) -> Vec<PartyValuation> {
    vec![
        states(
            "kenya",
            margin_ppm,
            &[("oil", "25", "27"), ("usd", "1", "1")],
            &[("tea", "9", "11"), ("usd", "1", "1")],
        ),
        states("angola", 0, &[("tea", "14", "14"), ("usd", "1", "1")], &[("oil", "20", "20"), ("usd", "1", "1")]),
    ]
}

#[test]
fn the_least_change_by_hand() {
    // Satisfied with 50 oil up to 1250/1100 − 1; with a fifth on top kenya wants 1320 and lacks 70. A unit less tea saves
    // 13.2 and counts (14 + 10)/2 = 12; a unit more oil brings 25 and counts (26 + 20)/2 = 23: by oil, 70·23/25 = 64.4, by
    // tea, 70·12/13.2 = 63.6…, so tea it is: 5.3 units, 6 in whole ones; and angola's 14·94 still covers 1000.
    let mended = mend(&barter(100, 50), &sides(200_000), None, &Patience::endless()).unwrap();
    assert_eq!(mended.outcome, Mended::Changed);
    assert_eq!(mended.bound_minor, Some(64));
    assert!(mended.change_minor.unwrap() <= 72, "{mended:?}");
    assert!(is_win_win(mended.terms.as_ref().unwrap(), &sides(200_000)).unwrap());
}

#[test]
fn money_mends_what_quantities_may_not() {
    let payment = Some(Payment { good: good("usd"), most: 1000, due_unix_ms: None });
    let room = Room { spans: Vec::new(), payment };
    let mended = mend(&barter(100, 50), &sides(200_000), Some(&room), &Patience::endless()).unwrap();
    let paid = &mended.payments[0];
    assert_eq!((paid.from.as_str(), paid.to.as_str(), paid.quantity.get()), ("angola", "kenya", 70));
    assert_eq!((mended.change_minor, mended.bound_minor), (Some(70), Some(70)));
    assert_eq!(mended.terms.unwrap().transfers.len(), 3);
}

#[test]
fn what_nobody_gains_from_cannot_be_mended() {
    // Tea is worth 9 to angola and costs kenya 10; oil is worth 20 to kenya and costs angola 21.
    let valuations = vec![
        states("kenya", 0, &[("oil", "20", "20")], &[("tea", "10", "10")]),
        states("angola", 0, &[("tea", "9", "9")], &[("oil", "21", "21")]),
    ];
    let mended = mend(&barter(100, 50), &valuations, None, &Patience::endless()).unwrap();
    assert_eq!(mended.outcome, Mended::Infeasible);
    adds_up(&barter(100, 50), &valuations, &usual_room(&barter(100, 50)), &mended);
}

/// Farkas' certificate, added up as its documentation says: from the valuations as stated (due at once, for certain),
/// and nothing of the core.
fn adds_up(terms: &Terms, valuations: &[PartyValuation], room: &Room, mended: &Mend) {
    let ratio = |ratio: &schemas::ratio::Ratio| {
        Exact::ratio(1, 1).unwrap().product(
            &ratio
                .to_string()
                .split('/')
                .map(|part| part.parse::<i128>().unwrap())
                .map(Exact::wide)
                .reduce(|top, bottom| top.product(&bottom.inverse().unwrap()))
                .unwrap(),
        )
    };
    let weight = |party: &AgentId| {
        mended.multipliers.iter().find(|m| m.party == *party).map_or_else(Exact::zero, |m| ratio(&m.weight))
    };
    let of = |party: &AgentId| -> &Valuation { &valuations.iter().find(|v| v.party == *party).unwrap().valuation };
    let value = |party: &AgentId, name: &schemas::Good| {
        of(party).values.iter().find(|v| v.good == *name).map_or_else(Exact::zero, |v| Exact::from(v.value.unwrap().lo))
    };
    let cost = |party: &AgentId, name: &schemas::Good| {
        let stated = of(party).costs.iter().find(|c| c.good == *name);
        stated.map(|c| Exact::from(c.cost.hi).with_margin(of(party).margin_ppm))
    };
    let mut sum = Exact::zero();
    let mut weights = Exact::zero();
    for party in &terms.parties {
        assert!(!weight(party).is_negative());
        weights += &weight(party);
    }
    assert_eq!(weights, Exact::from(1));
    for (index, moved) in terms.transfers.iter().enumerate() {
        let unit = &weight(&moved.to).product(&value(&moved.to, &moved.good))
            - &weight(&moved.from).product(&cost(&moved.from, &moved.good).unwrap());
        let span = room.spans.iter().find(|span| span.transfer as usize == index);
        let (least, most) = span.map_or((moved.quantity.get(), moved.quantity.get()), |span| (span.least, span.most));
        sum += &unit.times(if unit.is_negative() { least } else { most });
    }
    if let Some(payment) = &room.payment {
        let price = mended.balance.as_ref().map_or_else(Exact::zero, ratio);
        let others = i64::try_from(terms.parties.len()).unwrap() - 1;
        for party in &terms.parties {
            let received = value(party, &payment.good);
            let received = cost(party, &payment.good).map_or(received.clone(), |_| {
                received.min(Exact::from(of(party).costs.iter().find(|c| c.good == payment.good).unwrap().cost.lo))
            });
            let receiving = &weight(party).product(&received) - &price;
            if !receiving.is_negative() {
                sum += &receiving.times(payment.most * others);
            }
            if let Some(cost) = cost(party, &payment.good) {
                let paying = &price - &weight(party).product(&cost);
                if !paying.is_negative() {
                    sum += &paying.times(payment.most);
                }
            }
        }
    }
    assert!(sum.is_negative(), "{sum}");
    assert_eq!(sum, ratio(mended.most.as_ref().unwrap()));
}

fn drawn() -> impl Strategy<Value = (Terms, Vec<PartyValuation>, Room)> {
    let unit = || 1i64..40;
    let party = move || (unit(), unit(), 0i64..5, 0i64..300_000);
    let transfer_of = (0usize..4, 1usize..4, 0usize..3, 1i64..200);
    (
        proptest::collection::vec(party(), 4),
        proptest::collection::vec(transfer_of, 2..8),
        proptest::option::of(0i64..2_000),
        any::<bool>(),
    )
        .prop_map(|(parties, moves, payment, wide)| {
            let transfers = moves.iter().map(|(from, step, name, quantity)| {
                transfer(&format!("p{from}"), &format!("p{}", (from + step) % 4), &format!("g{name}"), *quantity)
            });
            let terms = terms(transfers.collect());
            let valuations = terms.parties.iter().map(|id| {
                let (value, cost, spread, margin) = parties[id.as_str()[1..].parse::<usize>().unwrap()];
                // Every good another worth to every party.
                let values: Vec<_> = (1..=3).map(|by| ((value * by) % 37, (value * by) % 37 + spread)).collect();
                let costs: Vec<_> = (1..=3).map(|by| ((cost * by) % 31 + 1, (cost * by) % 31 + 1 + spread)).collect();
                let words = |pairs: &[(i64, i64)]| {
                    pairs.iter().map(|(lo, hi)| (lo.to_string(), hi.to_string())).collect::<Vec<_>>()
                };
                let (values, costs) = (words(&values), words(&costs));
                let named = |words: &'static [&'static str; 3]| words;
                let names = named(&["g0", "g1", "g2"]);
                let mut with: Vec<(&str, &str, &str)> =
                    names.iter().zip(&values).map(|(n, (lo, hi))| (*n, lo.as_str(), hi.as_str())).collect();
                let mut without: Vec<(&str, &str, &str)> =
                    names.iter().zip(&costs).map(|(n, (lo, hi))| (*n, lo.as_str(), hi.as_str())).collect();
                with.push(("usd", "1", "1"));
                without.push(("usd", "1", "1"));
                states(id.as_str(), margin, &with, &without)
            });
            let mut room = if wide { usual_room(&terms) } else { Room::default() };
            room.payment = payment.map(|most| Payment { good: good("usd"), most, due_unix_ms: None });
            (terms.clone(), valuations.collect(), room)
        })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]
    #[test]
    fn mended_or_proved_beyond_mending((terms, valuations, room) in drawn()) {
        prop_assume!(!is_win_win(&terms, &valuations).unwrap());
        let mended = mend(&terms, &valuations, Some(&room), &Patience::endless()).unwrap();
        match mended.outcome {
            Mended::Changed => {
                let changed = mended.terms.unwrap();
                prop_assert!(is_win_win(&changed, &valuations.iter().filter(|v| changed.parties.contains(&v.party)).cloned().collect::<Vec<_>>()).unwrap());
                prop_assert!(mended.change_minor >= mended.bound_minor);
                for change in &mended.changes {
                    let span = room.spans.iter().find(|span| span.transfer == change.transfer).unwrap();
                    prop_assert!((span.least..=span.most).contains(&change.after));
                }
            }
            Mended::Fractional => prop_assert!(mended.bound_minor.is_some() && mended.terms.is_none()),
            Mended::Infeasible => adds_up(&terms, &valuations, &room, &mended),
            Mended::Stopped => prop_assert!(false, "nobody stopped it"),
        }
    }
}
