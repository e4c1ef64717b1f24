//! Dominance and fronts.
//!
//! Constraint domination as NSGA-II has it: what breaks no constraint beats what does; of two that do, the one that does
//! so less wins; and only among those that break none the objectives decide.

use std::cmp::Ordering;

use crate::problem::Individual;
use crate::rows::Rows;

/// Whether costs `a` are nowhere above `b` and somewhere below.
pub(crate) fn dominates(a: &[f64], b: &[f64]) -> bool {
    let mut below = false;
    for (a, b) in a.iter().zip(b) {
        if a > b {
            return false;
        }
        below |= a < b;
    }
    below
}

/// Costs in the order of the first, then the second, and so on.
pub(crate) fn by_costs(a: &[f64], b: &[f64]) -> Ordering {
    a.iter().zip(b).map(|(a, b)| a.total_cmp(b)).find(|order| order.is_ne()).unwrap_or(Ordering::Equal)
}

/// Members of a front that are compared at once.
const BLOCK: usize = 8;

/// A front as it grows.
struct Front {
    members: Vec<usize>,
    /// Its members' costs but the first, a block of members after another, and in a block an objective after another:
    /// side by side they are compared without a branch for each. Where a block has no member yet it is infinite.
    blocks: Vec<f64>,
}

impl Front {
    const EMPTY: Self = Self { members: Vec::new(), blocks: Vec::new() };

    /// Numbers in a block, for members with so many costs but the first.
    fn stride(rest: &[f64]) -> usize {
        BLOCK * rest.len().max(1)
    }

    fn push(&mut self, member: usize, costs: &[f64]) {
        let rest = costs.get(1..).unwrap_or_default();
        let (stride, place) = (Self::stride(rest), self.members.len() % BLOCK);
        if place == 0 {
            self.blocks.resize(self.blocks.len() + stride, f64::INFINITY);
        }
        let block = self.blocks.rchunks_exact_mut(stride).next().unwrap_or_default();
        for (column, cost) in block.chunks_exact_mut(BLOCK).zip(rest) {
            if let Some(free) = column.get_mut(place) {
                *free = *cost;
            }
        }
        self.members.push(member);
    }

    /// Whether a member is nowhere above these costs; all members come before them in the order of costs, so their first
    /// needs no look.
    fn beats(&self, costs: &[f64]) -> bool {
        let rest = costs.get(1..).unwrap_or_default();
        self.blocks.rchunks_exact(Self::stride(rest)).any(|block| {
            let mut above = [0_u64; BLOCK];
            for (column, cost) in block.chunks_exact(BLOCK).zip(rest) {
                for (above, other) in above.iter_mut().zip(column) {
                    *above |= u64::from(other > cost);
                }
            }
            above.contains(&0)
        })
    }
}

/// Parts the members into fronts: nobody in the first is dominated, nobody in the next by any but the first, and so on,
/// until at least `enough` are placed. Within a front they stand in the order of their costs.
///
/// In the order of costs only an earlier one can dominate a later one, so each is compared with those that stand already
/// in a front, the last first; and whom a front dominates each front before it does (efficient non-dominated sort, Zhang
/// and others 2015).
pub(crate) fn fronts(everyone: &Rows<Individual>, members: &[usize], enough: usize) -> Vec<Vec<usize>> {
    let mut order = members.to_vec();
    order.sort_unstable_by(|a, b| by_costs(&everyone[*a].costs, &everyone[*b].costs).then(a.cmp(b)));
    let mut fronts: Vec<Front> = Vec::new();
    let mut before: Option<(&[f64], usize)> = None;
    for member in order {
        let costs = everyone[member].costs.as_slice();
        let at = match before {
            // Equals stand side by side, and in one front.
            Some((same, at)) if same == costs => at,
            _ => fronts.partition_point(|front| front.beats(costs)),
        };
        if at == fronts.len() {
            fronts.push(Front::EMPTY);
        }
        if let Some(front) = fronts.get_mut(at) {
            front.push(member, costs);
        }
        before = Some((costs, at));
    }
    let mut placed = 0;
    let needed = fronts.into_iter().map(|front| front.members).take_while(|front| {
        let before = placed;
        placed += front.len();
        before < enough
    });
    needed.collect()
}

/// Everyone who breaks no constraint and whom nobody dominates, in the order of costs, the same costs once.
#[must_use]
pub fn best(everyone: &[Individual]) -> Vec<&Individual> {
    let mut order: Vec<&Individual> = everyone.iter().filter(|one| one.is_feasible()).collect();
    order.sort_by(|a, b| by_costs(&a.costs, &b.costs).then_with(|| by_costs(&a.genome, &b.genome)));
    let mut best: Vec<&Individual> = Vec::new();
    for one in order {
        let beaten = |other: &&Individual| other.costs == one.costs || dominates(&other.costs, &one.costs);
        if !best.iter().rev().any(beaten) {
            best.push(one);
        }
    }
    best
}

#[cfg(test)]
pub(crate) mod tests {
    use proptest::prelude::*;

    use super::*;

    pub(crate) fn individual(costs: &[f64], violation: f64) -> Individual {
        Individual { genome: costs.to_vec(), costs: costs.to_vec(), violation, crowding: 0.0 }
    }

    fn crowd_of(points: &[Vec<f64>]) -> Rows<Individual> {
        points.iter().map(|costs| individual(costs, 0.0)).collect()
    }

    fn points() -> impl Strategy<Value = Vec<Vec<f64>>> {
        (1_usize..5).prop_flat_map(|objectives| {
            proptest::collection::vec(
                proptest::collection::vec((0_i32..6).prop_map(f64::from), objectives..=objectives),
                1..40,
            )
        })
    }

    proptest! {
        #[test]
        fn fronts_are_what_their_definition_says(points in points()) {
            let everyone = crowd_of(&points);
            let all: Vec<usize> = (0..points.len()).collect();
            let found = fronts(&everyone, &all, points.len());
            let mut left = all.clone();
            for front in &found {
                let mut expected: Vec<usize> = left.iter().copied()
                    .filter(|one| !left.iter().any(|other| dominates(&points[*other], &points[*one])))
                    .collect();
                let mut got = front.clone();
                got.sort_unstable();
                expected.sort_unstable();
                prop_assert_eq!(&got, &expected);
                left.retain(|one| !got.contains(one));
            }
            prop_assert!(left.is_empty());
        }

        #[test]
        fn no_more_fronts_than_needed(points in points(), share in 0.0..1.0) {
            let everyone = crowd_of(&points);
            let all: Vec<usize> = (0..points.len()).collect();
            let enough = ((points.len() as f64 * share) as usize).max(1);
            let some = fronts(&everyone, &all, enough);
            let placed: usize = some.iter().map(Vec::len).sum();
            let before: usize = some.iter().take(some.len() - 1).map(Vec::len).sum();
            prop_assert!(placed >= enough && before < enough);
            let whole = fronts(&everyone, &all, points.len());
            prop_assert_eq!(&some[..], &whole[..some.len()]);
        }

        #[test]
        fn the_best_are_the_first_front_once(points in points()) {
            let everyone = crowd_of(&points);
            let all: Vec<usize> = (0..points.len()).collect();
            let mut expected: Vec<Vec<f64>> = fronts(&everyone, &all, 1)[0].iter().map(|one| points[*one].clone()).collect();
            expected.dedup();
            let found: Vec<Vec<f64>> = best(&everyone.0).iter().map(|one| one.costs.clone()).collect();
            prop_assert_eq!(found, expected);
        }
    }

    #[test]
    fn whoever_breaks_a_constraint_is_not_among_the_best() {
        let everyone = [individual(&[0.0, 0.0], 1.0), individual(&[1.0, 2.0], 0.0), individual(&[2.0, 1.0], 0.0)];
        assert_eq!(best(&everyone).len(), 2);
    }
}
