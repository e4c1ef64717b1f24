//! What no best choice needs: a smaller programme with the same optimum.
//!
//! # Design
//!
//! A row is *implied* where another row's share is at least as large in every column: who never gives a kidney without
//! receiving one needs no row for giving. A column is *dominated* where another one, which excludes it, is worth no
//! less and uses nothing that it does not use as much of: of all rings round the same four pairs one is enough, and a
//! ring of three need not be looked at where two of its parties make as much alone. In any choice the other column can
//! stand for the dominated one, so the optimum stays. Comparisons are of whole numbers.
//!
//! Which of several rings that bring as much is taken decides how fair a choice is, so what settles fairness does
//! without this.

use std::collections::BTreeMap;

use crate::programme::{Column, Programme};

/// A column with more uses than this is not compared with what uses less.
const MOST_USES: usize = 6;

/// A programme without what no best choice needs.
pub(crate) struct Reduced {
    pub(crate) programme: Programme,
    /// By column: which it is in the whole programme.
    kept: Vec<usize>,
}

impl Reduced {
    pub(crate) fn of(whole: &Programme) -> Self {
        let (capacities, columns) = without_implied_rows(whole);
        let kept = undominated(&capacities, &columns);
        let columns = kept.iter().filter_map(|at| columns.get(*at).cloned()).collect();
        Self { programme: Programme { capacities, columns, flows: Vec::new() }, kept }
    }

    /// Columns of the whole programme as those of the reduced one, as far as they are in it.
    pub(crate) fn of_whole(&self, taken: &[usize]) -> Vec<usize> {
        taken.iter().filter_map(|at| self.kept.binary_search(at).ok()).collect()
    }

    /// Columns of the reduced programme as those of the whole.
    pub(crate) fn in_whole(&self, taken: &[usize]) -> Vec<usize> {
        taken.iter().filter_map(|at| self.kept.get(*at).copied()).collect()
    }
}

/// The rows that no other row implies, and the columns over these.
fn without_implied_rows(whole: &Programme) -> (Vec<i64>, Vec<Column>) {
    let mut columns_of: Vec<Vec<(usize, i64)>> = vec![Vec::new(); whole.capacities.len()];
    for (at, column) in whole.columns.iter().enumerate() {
        for (row, used) in &column.uses {
            if let Some(columns) = columns_of.get_mut(*row) {
                columns.push((at, *used));
            }
        }
    }
    let capacity = |row: usize| i128::from(whole.capacities.get(row).copied().unwrap_or(1));
    let used_by = |column: usize, row: usize| {
        let uses = whole.columns.get(column).map_or(&[][..], |column| &column.uses);
        i128::from(uses.iter().find(|(other, _)| *other == row).map_or(0, |(_, used)| *used))
    };
    let is_implied_by = |row: usize, columns: &[(usize, i64)], other: usize| {
        columns
            .iter()
            .all(|(column, used)| i128::from(*used) * capacity(other) <= used_by(*column, other) * capacity(row))
    };
    let mut number = BTreeMap::new();
    let mut capacities = Vec::new();
    for (row, columns) in columns_of.iter().enumerate() {
        // Whatever implies it has part in its first column.
        let Some(first) = columns.first().and_then(|(at, _)| whole.columns.get(*at)) else { continue };
        let is_implied = first.uses.iter().map(|(other, _)| *other).filter(|other| *other != row).any(|other| {
            let is_equal = || columns_of.get(other).is_some_and(|columns| is_implied_by(other, columns, row));
            is_implied_by(row, columns, other) && (other < row || !is_equal())
        });
        if !is_implied {
            number.insert(row, capacities.len());
            capacities.extend(whole.capacities.get(row));
        }
    }
    let over = |column: &Column| {
        let mut uses: Vec<(usize, i64)> =
            column.uses.iter().filter_map(|(row, used)| Some((*number.get(row)?, *used))).collect();
        uses.sort_unstable();
        Column { value: column.value, uses }
    };
    (capacities, whole.columns.iter().map(over).collect())
}

/// The columns that no other dominates.
fn undominated(capacities: &[i64], columns: &[Column]) -> Vec<usize> {
    // Of those that use the same, the best.
    let mut best: BTreeMap<&[(usize, i64)], usize> = BTreeMap::new();
    let value = |at: usize| columns.get(at).map_or(0, |column| column.value);
    for (at, column) in columns.iter().enumerate() {
        let first = best.entry(&column.uses).or_insert(at);
        if value(at) > value(*first) {
            *first = at;
        }
    }
    let excludes = |uses: &[(usize, i64)]| {
        uses.iter().any(|(row, used)| {
            capacities.get(*row).is_some_and(|capacity| i128::from(*used) * 2 > i128::from(*capacity))
        })
    };
    let is_dominated = |at: usize, column: &Column| {
        let by = |uses: &[(usize, i64)]| {
            best.get(uses).is_some_and(|other| *other != at && value(*other) >= column.value && excludes(uses))
        };
        by(&column.uses) || column.uses.len() <= MOST_USES && parts(&column.uses).any(|uses| by(&uses))
    };
    let kept = columns.iter().enumerate().filter(|(at, column)| !is_dominated(*at, column));
    kept.map(|(at, _)| at).collect()
}

/// Some of the uses, but not all and not none.
fn parts(uses: &[(usize, i64)]) -> impl Iterator<Item = Vec<(usize, i64)>> + '_ {
    (1_u32..(1 << uses.len()) - 1)
        .map(|bits| uses.iter().enumerate().filter(|(at, _)| bits >> at & 1 == 1).map(|(_, used)| *used).collect())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;
    use crate::programme::tests::programmes;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(400))]

        #[test]
        fn the_optimum_is_the_same_without_what_is_not_needed(programme in programmes()) {
            let long = || Duration::from_secs(60);
            let reduced = Reduced::of(&programme);
            let proof = reduced.programme.prove(0, &long);
            prop_assert_eq!(proof.bound, programme.prove(0, &long).bound);
            let taken = reduced.in_whole(&proof.taken.unwrap_or_default());
            prop_assert_eq!(programme.worth(&taken), proof.bound);
            prop_assert!(programme.is_within(&taken));
        }
    }

    #[test]
    fn of_rings_round_the_same_pairs_one_is_enough() {
        let column = |value, rows: &[usize]| Column { value, uses: rows.iter().map(|row| (*row, 1)).collect() };
        // Two rings round the same three pairs, two of whom make as much alone; rows 3 to 5 are those of giving.
        let columns = vec![
            column(5, &[0, 1, 2, 3, 4, 5]),
            column(4, &[0, 1, 2, 3, 4, 5]),
            column(5, &[0, 1, 3, 4]),
            column(3, &[1, 2, 4, 5]),
            column(3, &[0, 2, 3, 5]),
        ];
        let programme = Programme { capacities: vec![1; 6], columns, flows: Vec::new() };
        let reduced = Reduced::of(&programme);
        assert_eq!((reduced.kept, reduced.programme.capacities), (vec![2, 3, 4], vec![1, 1, 1]));
    }
}
