//! NSGA-II's survival within a front: whoever has neighbours near goes before whoever lies alone.
//!
//! They go one at a time, and whose neighbour went is less crowded than before (Kukkonen and Deb 2006). Were all who are
//! crowded at first to go at once, as NSGA-II was published, a cluster would leave a gap where it was.

use crate::problem::Individual;
use crate::rows::{Rows, least};

/// Who stands at an end has nobody beyond.
const NOBODY: usize = usize::MAX;

/// A front in the order of one objective, each member between two others.
struct Chain {
    costs: Rows<f64>,
    width: f64,
    before: Rows<usize>,
    after: Rows<usize>,
}

impl Chain {
    fn of(costs: Rows<f64>) -> Self {
        let mut order: Vec<usize> = (0..costs.len()).collect();
        order.sort_unstable_by(|a, b| costs[*a].total_cmp(&costs[*b]).then(a.cmp(b)));
        let nobody = || Rows(vec![NOBODY; costs.len()]);
        let (mut before, mut after) = (nobody(), nobody());
        for pair in order.windows(2) {
            if let [one, next] = pair {
                (after[*one], before[*next]) = (*next, *one);
            }
        }
        let width = order.first().zip(order.last()).map_or(0.0, |(first, last)| costs[*last] - costs[*first]);
        Self { costs, width, before, after }
    }

    /// How far apart a member's neighbours are, as a share of the width.
    fn side(&self, member: usize) -> f64 {
        let (before, after) = (self.before[member], self.after[member]);
        if before == NOBODY || after == NOBODY {
            f64::INFINITY
        } else if self.width > 0.0 {
            (self.costs[after] - self.costs[before]) / self.width
        } else {
            0.0
        }
    }

    /// Takes a member out; its neighbours are each other's now.
    fn close(&mut self, member: usize) -> [usize; 2] {
        let (before, after) = (self.before[member], self.after[member]);
        if before != NOBODY {
            self.after[before] = after;
        }
        if after != NOBODY {
            self.before[after] = before;
        }
        [before, after]
    }
}

/// The least crowded of a front, `places` at most; of equals the last in the front stay. Sets how far they are from their
/// neighbours: the mean side of the box around each that holds no other, infinite at an end.
#[allow(clippy::cast_precision_loss)] // objectives are few
pub(crate) fn least_crowded(everyone: &mut Rows<Individual>, front: &[usize], places: usize) -> Vec<usize> {
    let objectives = front.first().map_or(0, |first| everyone[*first].costs.len());
    let costs = |objective| front.iter().filter_map(|one| everyone[*one].costs.get(objective).copied()).collect();
    let mut chains: Vec<Chain> = (0..objectives).map(|objective| Chain::of(costs(objective))).collect();
    let distance = |chains: &[Chain], member| chains.iter().map(|chain| chain.side(member)).sum::<f64>();
    let mut distances: Rows<f64> = (0..front.len()).map(|member| distance(&chains, member)).collect();
    let mut near = Vec::new();
    for _ in places..front.len() {
        let Some(crowded) = least(&distances.0) else { break };
        // Whoever is gone has no distance.
        distances[crowded] = f64::NAN;
        near.clear();
        near.extend(chains.iter_mut().flat_map(|chain| chain.close(crowded)).filter(|member| *member != NOBODY));
        for member in &near {
            distances[*member] = distance(&chains, *member);
        }
    }
    let mut kept = Vec::with_capacity(places.min(front.len()));
    for (one, distance) in front.iter().zip(distances.iter()).filter(|(_, distance)| !distance.is_nan()) {
        everyone[*one].crowding = distance / objectives as f64;
        kept.push(*one);
    }
    kept
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::front::tests::individual;

    fn crowd_of(points: &[[f64; 2]]) -> Rows<Individual> {
        points.iter().map(|costs| individual(costs, 0.0)).collect()
    }

    #[test]
    fn the_distance_by_hand() {
        let mut everyone = crowd_of(&[[0.0, 4.0], [1.0, 2.0], [2.0, 1.0], [4.0, 0.0]]);
        assert_eq!(least_crowded(&mut everyone, &[0, 1, 2, 3], 4), [0, 1, 2, 3]);
        assert!(everyone[0].crowding.is_infinite() && everyone[3].crowding.is_infinite());
        assert!((everyone[1].crowding - (2.0 / 4.0 + 3.0 / 4.0) / 2.0).abs() < 1e-12);
        assert!((everyone[2].crowding - (3.0 / 4.0 + 2.0 / 4.0) / 2.0).abs() < 1e-12);
    }

    #[test]
    fn a_cluster_leaves_one() {
        // Three side by side between the ends: all three are more crowded than anybody else, and one of them stays.
        let mut everyone =
            crowd_of(&[[0.0, 1.0], [0.2, 0.8], [0.49, 0.51], [0.5, 0.5], [0.51, 0.49], [0.8, 0.2], [1.0, 0.0]]);
        let kept = least_crowded(&mut everyone, &[0, 1, 2, 3, 4, 5, 6], 5);
        assert_eq!(kept.iter().filter(|one| (2..5).contains(*one)).count(), 1, "{kept:?}");
        // What stays lies as far from its neighbours as they are now.
        let middle = kept[2];
        assert!((everyone[middle].crowding - 0.6).abs() < 1e-12, "{}", everyone[middle].crowding);
    }

    #[test]
    fn the_ends_go_last_and_equals_from_the_front() {
        let mut everyone = crowd_of(&[[0.0, 1.0], [0.5, 0.5], [1.0, 0.0]]);
        assert_eq!(least_crowded(&mut everyone, &[2, 1, 0], 2), [2, 0]);
        assert_eq!(least_crowded(&mut everyone, &[2, 1, 0], 1), [0]);
        assert_eq!(least_crowded(&mut everyone, &[], 1), Vec::<usize>::new());
    }

    /// By the definition: all distances anew, then the first of the least goes.
    fn slowly(points: &[Vec<f64>], places: usize) -> Vec<usize> {
        let mut left: Vec<usize> = (0..points.len()).collect();
        while left.len() > places {
            let distance = |member: usize| -> f64 {
                (0..points[0].len())
                    .map(|objective| {
                        let cost = |one: usize| points[one][objective];
                        let mut order = left.clone();
                        order.sort_by(|a, b| cost(*a).total_cmp(&cost(*b)).then(a.cmp(b)));
                        let all = points.iter().map(|costs| costs[objective]);
                        let width = all.clone().fold(f64::MIN, f64::max) - all.fold(f64::MAX, f64::min);
                        let at = order.iter().position(|one| *one == member).unwrap();
                        if at == 0 || at + 1 == order.len() {
                            f64::INFINITY
                        } else if width > 0.0 {
                            (cost(order[at + 1]) - cost(order[at - 1])) / width
                        } else {
                            0.0
                        }
                    })
                    .sum()
            };
            let distances: Vec<f64> = left.iter().map(|member| distance(*member)).collect();
            let least = distances.iter().copied().fold(f64::INFINITY, f64::min);
            left.remove(distances.iter().position(|distance| *distance <= least).unwrap());
        }
        left
    }

    proptest! {
        #[test]
        fn what_stays_is_what_the_definition_says(
            points in (1_usize..4).prop_flat_map(|objectives| {
                let costs = proptest::collection::vec((0_i32..9).prop_map(f64::from), objectives..=objectives);
                proptest::collection::vec(costs, 1..30)
            }),
            share in 0.0..1.0,
        ) {
            let mut everyone: Rows<Individual> = points.iter().map(|costs| individual(costs, 0.0)).collect();
            let front: Vec<usize> = (0..points.len()).collect();
            let places = (points.len() as f64 * share) as usize;
            prop_assert_eq!(least_crowded(&mut everyone, &front, places), slowly(&points, places));
        }
    }
}
