//! Every verdict is checked by what proves it: an optimum by prices that bound it, an impossibility by its multipliers.

use proptest::prelude::*;
use terms::Exact;

use super::{Column, Programme, Relation, Verdict};
use crate::patience::Patience;

fn whole(number: i64) -> Exact {
    Exact::from(number)
}

/// least, most, gain, entries row by row.
type Drawn = (i64, Option<i64>, i64, Vec<i64>);

fn programme(columns: &[Drawn], rows: &[(bool, i64)]) -> Programme {
    let mut programme = Programme::default();
    for (equal, right) in rows {
        programme.row(if *equal { Relation::Equal } else { Relation::AtLeast }, whole(*right));
    }
    for (least, most, gain, entries) in columns {
        let entries = entries.iter().enumerate().filter(|(row, entry)| *row < rows.len() && **entry != 0);
        programme.column(Column {
            least: whole(*least),
            most: most.map(whole),
            gain: whole(*gain),
            entries: entries.map(|(row, entry)| (row, whole(*entry))).collect(),
        });
    }
    programme
}

/// The largest value of a linear function of a column within its bounds; `None` without end.
fn largest(unit: &Exact, (least, most, ..): &Drawn) -> Option<Exact> {
    if *unit > Exact::zero() { most.map(|most| unit.times(most)) } else { Some(unit.times(*least)) }
}

/// Σ over rows of a multiplier times the column's entry.
fn weighed(multipliers: &[Exact], (.., entries): &Drawn) -> Exact {
    let mut sum = Exact::zero();
    for (multiplier, entry) in multipliers.iter().zip(entries) {
        sum += &multiplier.times(*entry);
    }
    sum
}

fn check(columns: &[Drawn], rows: &[(bool, i64)]) -> &'static str {
    match programme(columns, rows).solve(&Patience::endless()) {
        Verdict::Optimal(optimum) => {
            // Feasible.
            for ((least, most, ..), amount) in columns.iter().zip(&optimum.amounts) {
                assert!(*amount >= whole(*least) && most.is_none_or(|most| *amount <= whole(most)), "{amount}");
            }
            for (row, (equal, right)) in rows.iter().enumerate() {
                let mut sum = -&whole(*right);
                for ((.., entries), amount) in columns.iter().zip(&optimum.amounts) {
                    sum += &amount.times(entries[row]);
                }
                assert!(if *equal { sum == Exact::zero() } else { !sum.is_negative() }, "row {row}: {sum}");
            }
            // And no more: gain + Σ prices·(row − right) is nowhere larger.
            let mut bound = Exact::zero();
            for ((equal, right), price) in rows.iter().zip(&optimum.prices) {
                assert!(*equal || !price.is_negative());
                bound += &price.times(-right);
            }
            for column in columns {
                let unit = &whole(column.2) + &weighed(&optimum.prices, column);
                bound += &largest(&unit, column).expect("the bound has an end");
            }
            assert_eq!(bound, optimum.value);
            "optimal"
        }
        Verdict::Infeasible(multipliers) => {
            let mut most = Exact::zero();
            for ((equal, right), multiplier) in rows.iter().zip(&multipliers) {
                assert!(*equal || !multiplier.is_negative());
                most += &multiplier.times(-right);
            }
            for column in columns {
                most += &largest(&weighed(&multipliers, column), column).expect("the sum has an end");
            }
            assert!(most.is_negative(), "{most}");
            "infeasible"
        }
        Verdict::Unbounded => {
            assert!(columns.iter().any(|(_, most, ..)| most.is_none()));
            "unbounded"
        }
        Verdict::Stopped => panic!("it was given up"),
    }
}

#[test]
fn by_hand() {
    // max 3x + 2y, x + y ≤ 4, x + 3y ≤ 6, x ≤ 3: (3, 1), 11. Rows are turned round.
    let columns = [(0, Some(3), 3, vec![-1, -1]), (0, None, 2, vec![-1, -3])];
    let Verdict::Optimal(optimum) = programme(&columns, &[(false, -4), (false, -6)]).solve(&Patience::endless()) else {
        panic!()
    };
    assert_eq!((optimum.value, optimum.amounts), (whole(11), vec![whole(3), whole(1)]));
    assert_eq!(check(&columns, &[(false, -4), (false, -6)]), "optimal");
    assert_eq!(check(&columns, &[(false, -4), (false, 1)]), "infeasible");
    assert_eq!(check(&[(0, None, 1, vec![1])], &[(false, 1)]), "unbounded");
    assert_eq!(check(&[(2, Some(5), 1, vec![])], &[]), "optimal");
    assert_eq!(check(&[], &[(true, 1)]), "infeasible");
}

/// Beale's programme, on which the simplex method goes round in circles unless it takes care.
#[test]
fn it_does_not_cycle() {
    let columns = [
        (0, None, 75, vec![-25, -50, 0]),
        (0, None, -15_000, vec![6_000, 9_000, 0]),
        (0, None, 2, vec![4, 2, -1]),
        (0, None, -600, vec![-900, -300, 0]),
    ];
    assert_eq!(check(&columns, &[(false, 0), (false, 0), (false, -1)]), "optimal");
}

/// Ends so far apart that floats see nothing between.
#[test]
fn floats_decide_nothing() {
    let huge = 1_000_000_000_000_000_000;
    // x + y ≥ 10¹⁸ + 1 with x ≤ 10¹⁸ and y ≤ 1, and with y = 0.
    assert_eq!(check(&[(0, Some(huge), 0, vec![1]), (0, Some(1), -1, vec![1])], &[(false, huge + 1)]), "optimal");
    assert_eq!(check(&[(0, Some(huge), 0, vec![1]), (0, Some(0), -1, vec![1])], &[(false, huge + 1)]), "infeasible");
}

fn drawn(rows: usize) -> impl Strategy<Value = Drawn> {
    let entry = prop_oneof![2 => Just(0_i64), 3 => -9i64..=9, 1 => -1_000_000_007i64..=1_000_000_007];
    let span = (-5i64..=5, proptest::option::weighted(0.8, 0i64..=20));
    let most = |(least, span): (i64, Option<i64>)| (least, span.map(|span| least + span));
    (span.prop_map(most), -9i64..=9, proptest::collection::vec(entry, rows))
        .prop_map(|((least, most), gain, entries)| (least, most, gain, entries))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]
    #[test]
    fn every_verdict_proves_itself(
        (columns, rows) in (0usize..6).prop_flat_map(|rows| (
            proptest::collection::vec(drawn(rows), 0..8),
            proptest::collection::vec((proptest::bool::weighted(0.2), -30i64..=30), rows),
        )),
    ) {
        check(&columns, &rows);
    }
}
