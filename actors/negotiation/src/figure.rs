//! How good an outcome is for everybody: the Pareto front of a domain, the Nash point, and how far from both it is.

use crate::space::Space;
use crate::utility::Preferences;

/// What is known of a domain and the parties' preferences over it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Figure {
    /// The outcomes that are better for nobody else but worse for somebody than no other: number, and what each is worth
    /// to each party in parts of a million.
    pub front: Vec<(u32, Vec<i64>)>,
    /// The one of them with the largest product of gains over the parties' reservations, if all gain in any.
    pub nash: Option<(u32, Vec<i64>)>,
}

/// Works it out.
#[must_use]
pub fn figure(space: &Space, parties: &[Preferences]) -> Figure {
    // One after the other, since there are millions.
    let mut all_worths: Vec<i64> = Vec::new();
    space.each(|outcome| all_worths.extend(parties.iter().map(|party| party.utility.of(outcome))));
    let mut points: Vec<(u32, &[i64])> = (0..).zip(all_worths.chunks_exact(parties.len().max(1))).collect();
    // The best for the first come first, so whatever dominates a point stands before it.
    points.sort_unstable_by(|(first, a), (second, b)| b.cmp(a).then(first.cmp(second)));
    let mut front: Vec<(u32, Vec<i64>)> = Vec::new();
    for (number, worths) in points {
        let is_beaten = if let [_, second] = worths {
            // Two parties: only the last of the front can, since the second's worth rises along it.
            front.last().is_some_and(|(_, best)| best.get(1).is_some_and(|best| best >= second))
        } else {
            front.iter().any(|(_, other)| other.iter().zip(worths).all(|(other, own)| other >= own))
        };
        if !is_beaten {
            front.push((number, worths.to_vec()));
        }
    }
    let nash = front
        .iter()
        .filter_map(|point| Some((nash_product(&point.1, parties)?, point)))
        .max_by(|(a, first), (b, second)| a.total_cmp(b).then(second.0.cmp(&first.0)))
        .map(|(_, point)| point.clone());
    Figure { front, nash }
}

/// The product of what everybody gains, as a logarithm that only orders; `None` where somebody does not gain.
fn nash_product(worths: &[i64], parties: &[Preferences]) -> Option<f64> {
    worths.iter().zip(parties).try_fold(0.0, |sum, (worth, party)| {
        let gain = worth.checked_sub(party.reserved_ppm).filter(|gain| *gain > 0)?;
        #[allow(clippy::cast_precision_loss)] // parts of a million
        let gain = gain as f64;
        Some(sum + libm::log(gain))
    })
}

impl Figure {
    /// How far worths are from the front, in parts of a million: the Euclidean distance to its nearest point.
    #[must_use]
    pub fn from_front_ppm(&self, worths: &[i64]) -> Option<i64> {
        self.front.iter().map(|(_, point)| distance_ppm(point, worths)).min()
    }

    /// How far worths are from the Nash point, in parts of a million, if there is one.
    #[must_use]
    pub fn from_nash_ppm(&self, worths: &[i64]) -> Option<i64> {
        self.nash.as_ref().map(|(_, point)| distance_ppm(point, worths))
    }
}

fn distance_ppm(a: &[i64], b: &[i64]) -> i64 {
    let square = |(a, b): (&i64, &i64)| u128::from(a.abs_diff(*b)).saturating_mul(u128::from(a.abs_diff(*b)));
    let sum = a.iter().zip(b).map(square).fold(0_u128, u128::saturating_add);
    i64::try_from(sum.isqrt()).unwrap_or(i64::MAX)
}
