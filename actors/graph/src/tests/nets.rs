//! Nettings that are known, and laws of all: positions stay, and nothing moves less.

use std::collections::BTreeMap;

use proptest::prelude::*;
use schemas::core::{Call, Core};
use schemas::netting::{Counterparties, Net as Request, Netted, Obligation};
use schemas::{AgentId, ErrorReply, Good};

use super::market::quantity;
use crate::Net;

fn owes(from: &str, to: &str, units: i64) -> Obligation {
    Obligation {
        from: AgentId::parse(from).unwrap(),
        to: AgentId::parse(to).unwrap(),
        good: Good::parse("usd").unwrap(),
        quantity: quantity(units),
    }
}

fn try_net(obligations: Vec<Obligation>, counterparties: Counterparties) -> Result<Netted, ErrorReply> {
    <Net>::default().handle(Request { obligations, counterparties, time_limit_ms: 10_000 }, &Call::default())
}

/// Nets, and checks that every position stays and known counterparties are kept to.
fn net(obligations: &[Obligation], counterparties: Counterparties) -> Netted {
    let netted = try_net(obligations.to_vec(), counterparties).unwrap();
    let positions = |all: &[Obligation]| {
        let mut positions: BTreeMap<(String, String), i64> = BTreeMap::new();
        for owed in all {
            *positions.entry((owed.from.to_string(), owed.good.to_string())).or_default() -= owed.quantity.get();
            *positions.entry((owed.to.to_string(), owed.good.to_string())).or_default() += owed.quantity.get();
        }
        positions.retain(|_, net| *net != 0);
        positions
    };
    assert_eq!(positions(obligations), positions(&netted.transfers));
    let told: BTreeMap<(String, String), i64> =
        netted.positions.iter().map(|p| ((p.party.to_string(), p.good.to_string()), p.net)).collect();
    assert_eq!(positions(obligations), told);
    if counterparties == Counterparties::Known {
        for transfer in &netted.transfers {
            let owed: i64 = obligations
                .iter()
                .filter(|o| (&o.from, &o.to, &o.good) == (&transfer.from, &transfer.to, &transfer.good))
                .map(|o| o.quantity.get())
                .sum();
            assert!(transfer.quantity.get() <= owed, "{transfer:?} of {owed}");
        }
    }
    for good in &netted.goods {
        let moved: i64 = netted.transfers.iter().filter(|t| t.good == good.good).map(|t| t.quantity.get()).sum();
        assert_eq!(moved, good.gross_after);
        assert!(good.gross_bound <= good.gross_after && good.gross_after <= good.gross_before);
        assert!(good.transfers_bound <= good.transfers_after);
    }
    netted
}

#[test]
fn a_circle_of_debts_is_no_debt() {
    let circle = [owes("a", "b", 5), owes("b", "c", 5), owes("c", "a", 5)];
    for counterparties in [Counterparties::Any, Counterparties::Known] {
        let netted = net(&circle, counterparties);
        assert!(netted.transfers.is_empty() && netted.is_optimal);
    }
}

#[test]
fn a_chain_is_cut_short_only_where_strangers_may_deal() {
    let chain = [owes("a", "b", 7), owes("b", "c", 5)];
    assert_eq!(net(&chain, Counterparties::Any).transfers, [owes("a", "b", 2), owes("a", "c", 5)]);
    let known = net(&chain, Counterparties::Known);
    assert_eq!(known.transfers, chain);
    assert_eq!((known.goods[0].gross_after, known.goods[0].gross_bound), (12, 12));
}

#[test]
fn groups_that_cancel_among_themselves_save_transfers() {
    // Largest with largest takes five; in two groups of three, four do.
    let debts = [owes("a", "x", 1), owes("b", "x", 2), owes("c", "y", 4), owes("d", "y", 5), owes("e", "z", 10)];
    let positions = [
        owes("a", "hub", 3),
        owes("b", "hub", 4),
        owes("hub", "x", 7),
        owes("c", "hub", 5),
        owes("hub", "y", 2),
        owes("hub", "z", 3),
    ];
    let netted = net(&positions, Counterparties::Any);
    assert_eq!((netted.goods[0].transfers_after, netted.goods[0].transfers_bound, netted.is_optimal), (4, 4, true));
    assert!(net(&debts, Counterparties::Any).is_optimal);
}

#[test]
fn many_parties_get_a_bound() {
    let mut obligations = Vec::new();
    for at in 0..60_i64 {
        obligations.push(owes(&format!("p{at}"), &format!("p{}", (at * 7 + 1) % 60), 1_000 + at * at * 37 % 911));
    }
    let netted = net(&obligations, Counterparties::Any);
    assert_eq!(netted.goods[0].gross_after, netted.goods[0].gross_bound);
    assert!(netted.goods[0].transfers_after < 60 && netted.goods[0].transfers_bound >= 20);
}

#[test]
fn sums_beyond_64_bits_are_refused_by_field() {
    let refused = |obligations: Vec<Obligation>, field: &str| {
        let error = try_net(obligations, Counterparties::Any).unwrap_err();
        assert_eq!((error.rule.as_deref(), error.field.as_deref()), (Some("overflow"), Some(field)));
    };
    refused(vec![owes("a", "b", i64::MAX), owes("a", "b", 1)], "obligations[1].quantity");
    refused(vec![owes("a", "b", i64::MAX), owes("a", "c", 1)], "obligations");
}

fn debts(parties: usize) -> impl Strategy<Value = Vec<Obligation>> {
    let one = (0..parties, 0..parties, 1i64..12);
    prop::collection::vec(one, 0..12).prop_map(|drawn| {
        let different = drawn.into_iter().filter(|(from, to, _)| from != to);
        different.map(|(from, to, units)| owes(&format!("p{from}"), &format!("p{to}"), units)).collect()
    })
}

/// The least that can move between known counterparties, as a linear programme.
fn least_gross(obligations: &[Obligation]) -> f64 {
    let mut problem = highs::RowProblem::new();
    let mut rows: BTreeMap<&AgentId, (f64, Vec<(highs::Col, f64)>)> = BTreeMap::new();
    for owed in obligations {
        let units = owed.quantity.get() as f64;
        let column = problem.add_column(1.0, 0.0..=units);
        for (party, sign) in [(&owed.from, -1.0), (&owed.to, 1.0)] {
            let row = rows.entry(party).or_default();
            row.0 += sign * units;
            row.1.push((column, sign));
        }
    }
    for (net, uses) in rows.into_values() {
        problem.add_row(net..=net, uses);
    }
    if obligations.is_empty() {
        return 0.0;
    }
    let mut model = problem.optimise(highs::Sense::Minimise);
    model.make_quiet();
    model.solve().objective_value()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn any_two_may_deal(obligations in debts(8)) {
        let netted = net(&obligations, Counterparties::Any);
        prop_assert!(netted.is_optimal);
        let nets: Vec<i64> = netted.positions.iter().map(|position| position.net).collect();
        prop_assert_eq!(netted.transfers.len(), nets.len() - best_division(&nets));
    }

    #[test]
    fn known_counterparties_move_as_little_as_they_can(obligations in debts(6)) {
        let netted = net(&obligations, Counterparties::Known);
        let moved: i64 = netted.transfers.iter().map(|transfer| transfer.quantity.get()).sum();
        prop_assert!((moved as f64 - least_gross(&obligations)).abs() < 1e-6);
        // What can go either way forms a forest.
        prop_assert!(netted.transfers.len() <= obligations.len());
    }
}

/// The most groups that sum to nought: the first party's group is every set with it that does, in turn.
fn best_division(nets: &[i64]) -> usize {
    if nets.is_empty() {
        return 0;
    }
    let rest = nets.len() - 1;
    let mut most = 0;
    for set in 0..1_u32 << rest {
        let chosen = |at: usize| set >> at & 1 == 1;
        let sum: i64 = nets[0] + (0..rest).filter(|at| chosen(*at)).map(|at| nets[at + 1]).sum::<i64>();
        if sum == 0 {
            let others: Vec<i64> = (0..rest).filter(|at| !chosen(*at)).map(|at| nets[at + 1]).collect();
            most = most.max(1 + best_division(&others));
        }
    }
    most
}
