//! Bettering a choice of columns piece by piece, by large neighbourhoods (Shaw, 1998).
//!
//! # Design
//!
//! A few columns are let go, and of all columns that fit into what is then left the best choice is taken, by the branch
//! and bound of [`programme`](crate::programme). Where columns are many and worth much the same, a relaxation has no end of
//! optima and says nothing of which of them is whole; but what three or four columns leave has few choices, and one of
//! them is often better. A search of this kind proves nothing by itself: it ends when the bound is reached, when many
//! pieces in a row were the best already, or when time is over.

use std::cell::Cell;
use std::time::Duration;

use crate::draw::Draw;
use crate::programme::{Column, Programme, fits};

/// Columns let go at once: so many first, and one more each time that all pieces looked at were the best already.
const LET_GO: [usize; 3] = [3, 4, 5];
/// Pieces looked at in vain, for each column that a choice takes, until more are let go.
const IN_VAIN: usize = 3;
/// A piece is left when its branch and bound has looked at the watch so often: what is hard is left to the proof.
const LOOKS: u32 = 400;
/// A piece with more columns than this is too large.
const MOST_COLUMNS: usize = 600;

impl Programme {
    /// A choice no worse than `taken`, which is within every capacity; it is given up when it is worth `enough`, or
    /// when no time is `left`.
    pub(crate) fn bettered(&self, taken: &[usize], enough: i64, left: &dyn Fn() -> Duration) -> Vec<usize> {
        let mut taken = taken.to_vec();
        let mut reached = self.worth(&taken);
        let mut draw = Draw::new(0, 0);
        for size in LET_GO {
            let mut in_vain = 0;
            while in_vain < IN_VAIN * taken.len().max(1) && reached < enough && !left().is_zero() {
                in_vain += 1;
                let (gone, kept) = parted(&taken, size, &mut draw);
                if let Some(instead) = self.instead_of(&gone, &kept, left) {
                    taken = kept;
                    taken.extend(instead);
                    reached = self.worth(&taken);
                    in_vain = 0;
                }
            }
        }
        taken
    }

    /// What is worth more than what is gone, and fits beside what is kept.
    fn instead_of(&self, gone: &[usize], kept: &[usize], left: &dyn Fn() -> Duration) -> Option<Vec<usize>> {
        let rest = self.rest_after(kept);
        let mut is_kept = vec![false; self.columns.len()];
        for at in kept {
            *is_kept.get_mut(*at)? = true;
        }
        let mut piece = Programme::default();
        let mut origins = Vec::new();
        let mut lines: Vec<Option<usize>> = vec![None; rest.len()];
        for (at, (column, is_kept)) in self.columns.iter().zip(is_kept).enumerate() {
            if is_kept || !fits(&rest, column) {
                continue;
            }
            let mut uses = Vec::with_capacity(column.uses.len());
            for (row, used) in &column.uses {
                let (line, capacity) = (lines.get_mut(*row)?, *rest.get(*row)?);
                let line = *line.get_or_insert_with(|| {
                    piece.capacities.push(capacity);
                    piece.capacities.len() - 1
                });
                uses.push((line, *used));
            }
            piece.columns.push(Column { value: column.value, uses });
            origins.push(at);
            if origins.len() > MOST_COLUMNS {
                return None;
            }
        }
        let looks = Cell::new(0);
        let proof = piece.prove(self.worth(gone), &|| {
            looks.set(looks.get() + 1);
            if looks.get() > LOOKS { Duration::ZERO } else { left() }
        });
        proof.taken?.iter().map(|at| origins.get(*at).copied()).collect()
    }
}

/// Some of what is taken, and the others.
fn parted(taken: &[usize], size: usize, draw: &mut Draw) -> (Vec<usize>, Vec<usize>) {
    let mut kept = taken.to_vec();
    draw.shuffle(&mut kept);
    let gone = kept.split_off(kept.len().saturating_sub(size));
    (gone, kept)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::programme::tests::programmes;

    const LONG: Duration = Duration::from_secs(60);

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(200))]

        #[test]
        fn what_is_bettered_is_a_choice_and_no_worse(programme in programmes()) {
            let first: Vec<usize> = (0..programme.columns.len()).find(|at| programme.is_within(&[*at])).into_iter().collect();
            let taken = programme.bettered(&first, i64::MAX, &|| LONG);
            prop_assert!(programme.is_within(&taken));
            prop_assert!(programme.worth(&taken) >= programme.worth(&first));
        }

        #[test]
        fn where_all_is_let_go_the_best_is_found(programme in programmes()) {
            let best = programme.prove(0, &|| LONG).bound;
            prop_assert_eq!(programme.worth(&programme.bettered(&[], i64::MAX, &|| LONG)), best);
        }
    }

    #[test]
    fn a_cover_of_pairs_where_the_first_choice_leaves_two_over_is_made_whole() {
        // Six in a row, neighbours may pair: the middle pair and one more leave two alone; three pairs leave none.
        let pair = |at: usize| Column { value: 2, uses: vec![(at, 1), (at + 1, 1)] };
        let programme = Programme { capacities: vec![1; 6], columns: (0..5).map(pair).collect(), flows: Vec::new() };
        let taken = programme.bettered(&[1, 3], 6, &|| LONG);
        assert_eq!(programme.worth(&taken), 6);
        assert!(programme.is_within(&taken));
    }

    #[test]
    fn without_time_nothing_changes() {
        let programme = Programme {
            capacities: vec![1],
            columns: vec![Column { value: 1, uses: vec![(0, 1)] }, Column { value: 2, uses: vec![(0, 1)] }],
            flows: Vec::new(),
        };
        assert_eq!(programme.bettered(&[0], 2, &|| Duration::ZERO), vec![0]);
    }
}
