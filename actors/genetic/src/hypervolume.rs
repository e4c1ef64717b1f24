//! Hypervolume: how much of what is conceivable a front dominates. The one figure that grows with both nearness and
//! spread (Zitzler and Thiele 1999).
//!
//! Conceivable is here every division of the most welfare that the transfers could make: gains of at least nought whose
//! sum is at most that. The share of those divisions that some terms of the front are as good as for everybody is the
//! hypervolume over the reference point *no gain*, divided by all that there could be.
//!
//! Up to three parties it is computed; beyond, where that takes time exponential in the parties, it is estimated over
//! fixed divisions, the same for every front of a search, so that its growth is not drowned by chance.

use crate::chance::Chance;
use crate::front::by_costs;

/// Divisions over which a hypervolume is estimated: a standard error of at most 1.6 percentage points.
const SAMPLES: usize = 1_000;

/// What a front is measured with.
#[derive(Debug, Clone)]
pub struct Yardstick {
    parties: usize,
    welfare: f64,
    samples: Vec<Vec<f64>>,
}

impl Yardstick {
    /// For so many parties, who together can gain at most `welfare`.
    #[must_use]
    pub fn new(parties: usize, welfare: f64) -> Self {
        let count = if parties <= 3 { 0 } else { SAMPLES };
        let chance = &mut Chance::of(0, 0, 0);
        let samples = (0..count).map(|_| division(parties, chance)).collect();
        Self { parties, welfare, samples }
    }

    /// The share, from 0 to 1, of all divisions that these gains are as good as; each point is what every party loses.
    #[must_use]
    pub fn share<'a>(&self, points: impl IntoIterator<Item = &'a [f64]>) -> f64 {
        if self.welfare <= 0.0 {
            return 0.0;
        }
        // A side is what is missing of the most.
        let side = |loss: &f64| (1.0 + loss / self.welfare).max(0.0);
        let inside = points.into_iter().filter(|losses| losses.iter().all(|loss| *loss <= 0.0));
        let mut inside: Vec<Vec<f64>> = inside.map(|losses| losses.iter().map(side).collect()).collect();
        inside.sort_by(|a, b| by_costs(a, b));
        let share = match self.parties {
            0 => 0.0,
            1 => inside.first().and_then(|first| first.first()).map_or(0.0, |least| 1.0 - least),
            2 => 2.0 * area(inside.iter().filter_map(|point| Some((*point.first()?, *point.get(1)?)))),
            3 => 6.0 * volume(&inside),
            _ => self.estimate(&inside),
        };
        share.clamp(0.0, 1.0)
    }

    #[allow(clippy::cast_precision_loss)] // a thousand points
    fn estimate(&self, points: &[Vec<f64>]) -> f64 {
        let dominated = |sample: &&Vec<f64>| points.iter().any(|point| point.iter().zip(*sample).all(|(a, b)| a <= b));
        self.samples.iter().filter(dominated).count() as f64 / self.samples.len() as f64
    }
}

/// A division, any as likely, by what each party misses of the whole.
fn division(parties: usize, chance: &mut Chance) -> Vec<f64> {
    // Exponential waits, each as a share of all, and of one more that nobody gets.
    let waits: Vec<f64> = (0..=parties).map(|_| -libm::log(1.0 - chance.unit())).collect();
    let all: f64 = waits.iter().sum();
    waits.iter().take(parties).map(|wait| 1.0 - wait / all).collect()
}

/// The area below 1 that points, in the order of their first side, dominate.
fn area(points: impl Iterator<Item = (f64, f64)>) -> f64 {
    let mut lowest = 1.0_f64;
    let mut area = 0.0;
    for (x, y) in points {
        if y < lowest {
            area += (1.0 - x) * (lowest - y);
            lowest = y;
        }
    }
    area
}

/// The volume below 1: slices along the third side, each as thick as it is to the next point.
fn volume(points: &[Vec<f64>]) -> f64 {
    let mut all: Vec<(f64, f64, f64)> =
        points.iter().filter_map(|p| if let [x, y, z] = p.as_slice() { Some((*x, *y, *z)) } else { None }).collect();
    all.sort_by(|a, b| a.2.total_cmp(&b.2));
    let mut slice: Vec<(f64, f64)> = Vec::new();
    let mut volume = 0.0;
    let mut from = all.first().map_or(1.0, |first| first.2);
    for (x, y, z) in all {
        volume += area(slice.iter().copied()) * (z - from);
        from = z;
        if !slice.iter().any(|other| other.0 <= x && other.1 <= y) {
            slice.retain(|other| other.0 < x || other.1 < y);
            let at = slice.partition_point(|other| other.0 < x);
            slice.insert(at, (x, y));
        }
    }
    volume + area(slice.iter().copied()) * (1.0 - from)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The share of gains in parts of the welfare.
    fn share(gains: &[Vec<f64>]) -> f64 {
        let losses: Vec<Vec<f64>> = gains.iter().map(|point| point.iter().map(|gain| -gain * 10.0).collect()).collect();
        Yardstick::new(gains[0].len(), 10.0).share(losses.iter().map(Vec::as_slice))
    }

    #[test]
    fn by_hand() {
        for (gains, expected) in [
            (vec![vec![0.75]], 0.75),
            (vec![vec![0.5, 0.5]], 0.5),
            (vec![vec![0.5, 0.25], vec![0.25, 0.5]], 2.0 * 0.1875),
            (vec![vec![0.5, 0.25], vec![0.25, 0.25]], 0.25),
            (vec![vec![1.0 / 3.0; 3]], 6.0 / 27.0),
            (vec![vec![0.5, 0.25, 0.25], vec![0.25, 0.5, 0.25]], 6.0 * (2.0 / 32.0 - 1.0 / 64.0)),
            (vec![vec![0.0, 1.0, 0.0]], 0.0),
            (vec![vec![-0.1, 0.5]], 0.0),
        ] {
            assert!((share(&gains) - expected).abs() < 1e-12, "{gains:?}: {}", share(&gains));
        }
        assert!(Yardstick::new(2, 1.0).share([]).abs() < 1e-12);
        assert!(Yardstick::new(2, 0.0).share([[-1.0, -1.0].as_slice()]).abs() < 1e-12, "nothing to gain");
        // Five parties: 5! · (1/5)⁵.
        let estimated = share(&[vec![0.2; 5]]);
        assert!((estimated - 120.0 / 3125.0).abs() < 0.02, "{estimated}");
    }

    /// By inclusion and exclusion over every set of points.
    fn slowly(points: &[Vec<f64>]) -> f64 {
        (1..1_u32 << points.len())
            .map(|set| {
                let chosen = points.iter().enumerate().filter(|(at, _)| set >> at & 1 == 1);
                let corner = chosen.fold(vec![0.0_f64; points[0].len()], |corner, (_, point)| {
                    corner.iter().zip(point).map(|(a, b)| a.max(*b)).collect()
                });
                let size: f64 = corner.iter().map(|side| (1.0 - side).max(0.0)).product();
                if set.count_ones() % 2 == 1 { size } else { -size }
            })
            .sum()
    }

    proptest! {
        #[test]
        fn what_is_computed_is_what_inclusion_and_exclusion_say(
            points in (1_usize..=3).prop_flat_map(|sides| {
                proptest::collection::vec(proptest::collection::vec(0.0_f64..1.0, sides..=sides), 1..8)
            }),
        ) {
            let computed = match points[0].len() {
                1 => return Ok(()),
                2 => {
                    let mut sorted = points.clone();
                    sorted.sort_by(|a, b| by_costs(a, b));
                    area(sorted.iter().map(|p| (p[0], p[1])))
                }
                _ => volume(&points),
            };
            prop_assert!((computed - slowly(&points)).abs() < 1e-9);
        }
    }
}
