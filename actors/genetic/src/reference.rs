//! NSGA-III's survival: beyond three objectives nearly everyone is dominated by nobody and crowding says little, so
//! survivors are kept near given directions instead (Deb and Jain 2014).
//!
//! Costs are normalised between the best point seen and the intercepts of the plane through the extreme points; where
//! there is no such plane, the worst of the front stands in.

use crate::chance::Chance;
use crate::problem::Individual;
use crate::rows::{Rows, least};

/// Directions that are spread evenly over the simplex: every way to part `divisions` among the objectives (Das and
/// Dennis 1998).
#[must_use]
pub fn directions(objectives: usize, divisions: u32) -> Vec<Vec<f64>> {
    fn part(left: u32, objectives: usize, begun: &mut Vec<f64>, divisions: u32, into: &mut Vec<Vec<f64>>) {
        if objectives <= 1 {
            let mut whole = begun.clone();
            whole.push(f64::from(left) / f64::from(divisions));
            into.push(whole);
            return;
        }
        for share in 0..=left {
            begun.push(f64::from(share) / f64::from(divisions));
            part(left - share, objectives - 1, begun, divisions, into);
            begun.pop();
        }
    }
    let mut all = Vec::new();
    part(divisions.max(1), objectives, &mut Vec::new(), divisions.max(1), &mut all);
    all
}

/// The finest even directions of which there are no more than `most`: at least the axes.
#[must_use]
pub fn directions_for(objectives: usize, most: usize) -> Vec<Vec<f64>> {
    // C(objectives + divisions − 1, divisions) of them.
    let count = |divisions: usize| {
        (1..=divisions).try_fold(1_usize, |count, n| count.checked_mul(objectives + n - 1).map(|product| product / n))
    };
    let divisions = (2..).take_while(|divisions| count(*divisions).is_some_and(|count| count <= most)).last();
    directions(objectives, divisions.and_then(|divisions| u32::try_from(divisions).ok()).unwrap_or(1))
}

/// What a population has shown so far of where its front lies.
#[derive(Debug, Clone, Default)]
pub(crate) struct Frame {
    ideal: Rows<f64>,
    worst: Rows<f64>,
    extremes: Vec<Vec<f64>>,
}

/// A plane is trusted only with intercepts above this.
const LEAST_INTERCEPT: f64 = 1e-6;

impl Frame {
    /// Learns from those who came (`everyone`) and their first front, and gives the point that is normalised to 1.
    fn learn(&mut self, everyone: &[&Individual], first: &[&Individual]) -> Rows<f64> {
        let fold = |of: &[&Individual], from: &Rows<f64>, better: fn(f64, f64) -> f64| -> Rows<f64> {
            let mut result = from.clone();
            for one in of {
                if result.is_empty() {
                    result = Rows(one.costs.clone());
                }
                result.iter_mut().zip(&one.costs).for_each(|(at, cost)| *at = better(*at, *cost));
            }
            result
        };
        self.ideal = fold(everyone, &self.ideal, f64::min);
        self.worst = fold(everyone, &self.worst, f64::max);
        self.find_extremes(first);
        let none = Rows::default();
        let mut nadir = self.intercepts().unwrap_or_else(|| fold(first, &none, f64::max));
        let worst_now = fold(everyone, &none, f64::max);
        for ((at, ideal), worst) in nadir.iter_mut().zip(self.ideal.iter()).zip(worst_now.iter()) {
            if *at - ideal <= LEAST_INTERCEPT {
                *at = *worst;
            }
        }
        nadir
    }

    /// For each objective, the point that is least in all the others.
    fn find_extremes(&mut self, first: &[&Individual]) {
        let candidates: Vec<&Vec<f64>> = self.extremes.iter().chain(first.iter().map(|one| &one.costs)).collect();
        let scalarised = |costs: &[f64], axis: usize| -> f64 {
            let weighted = costs.iter().zip(self.ideal.iter()).enumerate().map(|(objective, (cost, ideal))| {
                let above = if cost - ideal < 1e-3 { 0.0 } else { cost - ideal };
                if objective == axis { above } else { above * 1e6 }
            });
            weighted.fold(f64::NEG_INFINITY, f64::max)
        };
        let extreme = |axis: usize| {
            let nearest = candidates
                .iter()
                .map(|costs| (scalarised(costs, axis), costs))
                .reduce(|best, other| if other.0 < best.0 { other } else { best });
            nearest.map(|(_, costs)| (*costs).clone())
        };
        let extremes: Vec<Vec<f64>> = (0..self.ideal.len()).filter_map(extreme).collect();
        self.extremes = extremes;
    }

    /// Where the plane through the extreme points meets the axes, if there is such a plane.
    fn intercepts(&self) -> Option<Rows<f64>> {
        let rows: Vec<Vec<f64>> = self
            .extremes
            .iter()
            .map(|costs| costs.iter().zip(self.ideal.iter()).map(|(cost, ideal)| cost - ideal).collect())
            .collect();
        let plane = solve(&rows)?;
        let mut nadir = Rows::default();
        for ((share, ideal), worst) in plane.iter().zip(self.ideal.iter()).zip(self.worst.iter()) {
            let intercept = 1.0 / share;
            if !intercept.is_finite() || intercept <= LEAST_INTERCEPT {
                return None;
            }
            nadir.push((ideal + intercept).min(*worst));
        }
        Some(nadir)
    }
}

/// Solves rows · x = 1 by elimination with pivots; `None` where that has no single solution.
fn solve(rows: &[Vec<f64>]) -> Option<Vec<f64>> {
    let size = rows.len();
    let mut table: Vec<Rows<f64>> = rows.iter().map(|row| Rows(row.iter().copied().chain([1.0]).collect())).collect();
    for column in 0..size {
        let pivot = (column..size).max_by(|a, b| {
            let at = |row: usize| table.get(row).map_or(0.0, |row| row[column].abs());
            at(*a).total_cmp(&at(*b))
        })?;
        table.swap(column, pivot);
        let (above, rest) = table.split_at_mut(column);
        let (pivot, below) = rest.split_first_mut()?;
        if pivot[column].abs() < 1e-12 {
            return None;
        }
        let scale = pivot[column];
        pivot.iter_mut().for_each(|entry| *entry /= scale);
        for row in above.iter_mut().chain(below) {
            let factor = row[column];
            row.iter_mut().zip(&pivot.0).for_each(|(entry, pivot)| *entry -= factor * pivot);
        }
    }
    let solution: Vec<f64> = table.iter().filter_map(|row| row.0.last().copied()).collect();
    // A plane that does not pass through its own points is none.
    let sound = rows.iter().all(|row| {
        let reached: f64 = row.iter().zip(&solution).map(|(entry, x)| entry * x).sum();
        (reached - 1.0).abs() < 1e-6
    });
    sound.then_some(solution)
}

/// Directions side by side: a row for each objective, so that a point is held against many at once.
#[derive(Debug, Clone, Default)]
pub(crate) struct Directions {
    rows: Vec<Vec<f64>>,
    squared: Vec<f64>,
}

impl Directions {
    pub(crate) fn of(directions: &[Vec<f64>]) -> Self {
        let objectives = directions.first().map_or(0, Vec::len);
        let row = |objective| directions.iter().filter_map(|direction| direction.get(objective).copied()).collect();
        Self { rows: (0..objectives).map(row).collect(), squared: directions.iter().map(|of| squared(of)).collect() }
    }

    pub(crate) fn len(&self) -> usize {
        self.squared.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.squared.is_empty()
    }

    /// The direction that a normalised point is nearest to, and how far it is from it, squared. `room` is overwritten.
    fn nearest(&self, point: &[f64], room: &mut Vec<f64>) -> (usize, f64) {
        room.clear();
        room.resize(self.len(), 0.0);
        for (x, row) in point.iter().zip(&self.rows) {
            room.iter_mut().zip(row).for_each(|(along, share)| *along += x * share);
        }
        let length = squared(point);
        room.iter_mut().zip(&self.squared).for_each(|(along, squared)| *along = length - *along * *along / squared);
        least(room).and_then(|at| Some((at, *room.get(at)?))).unwrap_or((0, f64::INFINITY))
    }
}

fn squared(of: &[f64]) -> f64 {
    of.iter().map(|x| x * x).sum()
}

/// Chooses `survive` of those in `fronts`, of which all but the last fit whole.
pub(crate) fn survivors(
    everyone: &Rows<Individual>,
    fronts: &[Vec<usize>],
    survive: usize,
    directions: &Directions,
    frame: &mut Frame,
    chance: &mut Chance,
) -> Vec<usize> {
    let Some((last, whole)) = fronts.split_last() else { return Vec::new() };
    let of = |members: &[usize]| members.iter().map(|one| &everyone[*one]).collect::<Vec<_>>();
    let placed: Vec<usize> = fronts.concat();
    let nadir = frame.learn(&of(&placed), &of(fronts.first().unwrap_or(last)));
    let mut chosen: Vec<usize> = whole.concat();
    if placed.len() <= survive {
        chosen.extend(last);
        return chosen;
    }
    let (mut point, mut room) = (Vec::new(), Vec::new());
    let mut niche = |one: usize| {
        let costs = everyone[one].costs.iter().zip(frame.ideal.iter().zip(nadir.iter()));
        point.clear();
        point.extend(
            costs.map(|(cost, (ideal, nadir))| (cost - ideal) / if nadir > ideal { nadir - ideal } else { 1e-12 }),
        );
        directions.nearest(&point, &mut room)
    };
    let mut counts: Rows<usize> = Rows(vec![0; directions.len()]);
    for one in &chosen {
        counts[niche(*one).0] += 1;
    }
    let mut waiting: Rows<Vec<(usize, f64)>> = Rows(vec![Vec::new(); directions.len()]);
    for one in last {
        let (at, distance) = niche(*one);
        waiting[at].push((*one, distance));
    }
    while chosen.len() < survive {
        let open = || (0..directions.len()).filter(|at| !waiting[*at].is_empty());
        let Some(fewest) = open().map(|at| counts[at]).min() else { break };
        let mut emptiest: Vec<usize> = open().filter(|at| counts[*at] == fewest).collect();
        chance.shuffle(&mut emptiest);
        for at in emptiest.into_iter().take(survive - chosen.len()) {
            let any = chance.below(waiting[at].len());
            let pick = if counts[at] == 0 {
                // The nearest; of equals, any.
                let least = waiting[at].iter().map(|(_, distance)| *distance).fold(f64::INFINITY, f64::min);
                let mut nearest = waiting[at].iter().enumerate().filter(|(_, (_, distance))| *distance <= least);
                nearest.next().map_or(any, |(pick, _)| pick)
            } else {
                any
            };
            chosen.push(waiting[at].swap_remove(pick).0);
            counts[at] += 1;
        }
    }
    chosen
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::front::{self, tests::individual};

    #[test]
    fn directions_are_the_points_of_the_simplex() {
        for (objectives, divisions, count) in [(2, 4, 5), (3, 12, 91), (5, 4, 70), (4, 1, 4)] {
            let all = directions(objectives, divisions);
            assert_eq!(all.len(), count);
            assert!(all.iter().all(|d| (d.iter().sum::<f64>() - 1.0).abs() < 1e-12 && d.len() == objectives));
        }
        assert_eq!(directions_for(5, 100).len(), 70);
        assert_eq!(directions_for(3, 100).len(), 91);
        assert_eq!(directions_for(20, 5).len(), 20, "at least the axes");
    }

    #[test]
    fn intercepts_by_hand() {
        // The plane x/2 + y/3 + z/4 = 1.
        let solution = solve(&[vec![2.0, 0.0, 0.0], vec![0.0, 3.0, 0.0], vec![1.0, 0.0, 2.0]]).unwrap();
        for (got, expected) in solution.iter().zip([0.5, 1.0 / 3.0, 0.25]) {
            assert!((got - expected).abs() < 1e-12);
        }
        assert_eq!(solve(&[vec![1.0, 1.0], vec![2.0, 2.0]]), None);
        assert_eq!(solve(&[vec![0.0, 0.0], vec![1.0, 1.0]]), None);
    }

    #[test]
    fn survivors_spread_over_the_directions() {
        // Fifty points in one corner of the front and one near each of the other directions.
        let mut points: Vec<Vec<f64>> = (0..50)
            .map(|n| {
                let x = f64::from(n) * 1e-3;
                vec![x, 1.0 - x, 0.0]
            })
            .collect();
        points.extend([
            vec![1.0, 0.0, 0.0],
            vec![0.0, 0.0, 1.0],
            vec![0.5, 0.0, 0.5],
            vec![0.0, 0.5, 0.5],
            vec![0.5, 0.5, 0.0],
        ]);
        let everyone: Rows<Individual> = points.iter().map(|costs| individual(costs, 0.0)).collect();
        let all: Vec<usize> = (0..points.len()).collect();
        let fronts = front::fronts(&everyone, &all, 6);
        let directions = Directions::of(&directions(3, 2));
        let kept = survivors(&everyone, &fronts, 6, &directions, &mut Frame::default(), &mut Chance::of(1, 0, 0));
        assert_eq!(kept.len(), 6);
        assert!((50..55).all(|one| kept.contains(&one)), "{kept:?}");
    }
}
