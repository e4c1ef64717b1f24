//! All outcomes of a domain: numbered, and ranked by what they are worth.

use schemas::negotiation::Domain;

use crate::utility::Utility;

/// The most outcomes that are ranked.
const MOST_RANKED: u64 = 4_000_000;

/// The outcomes of a domain, each with a number; the last issue's choices change fastest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Space {
    counts: Vec<u32>,
    size: u32,
}

impl Space {
    /// The outcomes of a domain; `None` where there are more than 4,000,000: too many to look at each.
    #[must_use]
    pub fn of(domain: &Domain) -> Option<Self> {
        Self::new(domain.issues.iter().map(|issue| issue.count).collect())
    }

    /// The outcomes of issues with so many choices each; `None` where that is too many, or none.
    #[must_use]
    pub fn new(counts: Vec<u32>) -> Option<Self> {
        let size = counts.iter().try_fold(1_u64, |size, count| size.checked_mul(u64::from(*count)))?;
        let size = u32::try_from(size).ok().filter(|size| (1..=MOST_RANKED).contains(&u64::from(*size)))?;
        Some(Self { counts, size })
    }

    /// How many outcomes there are; at least 1.
    #[must_use]
    pub fn size(&self) -> u32 {
        self.size
    }

    /// How many choices each issue has.
    #[must_use]
    pub fn counts(&self) -> &[u32] {
        &self.counts
    }

    /// The outcome of a number; numbers beyond the last begin again.
    #[must_use]
    pub fn outcome(&self, number: u32) -> Vec<u32> {
        let mut rest = number;
        let mut outcome: Vec<u32> = Vec::with_capacity(self.counts.len());
        for count in self.counts.iter().rev() {
            outcome.push(rest.checked_rem(*count).unwrap_or(0));
            rest = rest.checked_div(*count).unwrap_or(0);
        }
        outcome.reverse();
        outcome
    }

    /// The number of an outcome; `None` where it is none of these.
    #[must_use]
    pub fn number(&self, outcome: &[u32]) -> Option<u32> {
        if outcome.len() != self.counts.len() {
            return None;
        }
        self.counts.iter().zip(outcome).try_fold(0_u32, |number, (count, choice)| {
            if choice >= count { None } else { number.checked_mul(*count)?.checked_add(*choice) }
        })
    }
}

/// All outcomes, the best first; between equals the one with the lower number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ranking {
    space: Space,
    /// What each outcome is worth, in parts of a million, and its number.
    ranked: Vec<(i64, u32)>,
}

impl Ranking {
    /// Ranks them.
    #[must_use]
    pub fn new(space: &Space, utility: &Utility) -> Self {
        let mut ranked: Vec<(i64, u32)> =
            (0..space.size()).map(|number| (utility.of(&space.outcome(number)), number)).collect();
        ranked.sort_unstable_by(|(a, first), (b, second)| b.cmp(a).then(first.cmp(second)));
        Self { space: space.clone(), ranked }
    }

    /// The outcomes.
    #[must_use]
    pub fn space(&self) -> &Space {
        &self.space
    }

    /// How many there are; at least 1.
    #[must_use]
    pub fn len(&self) -> usize {
        self.ranked.len()
    }

    /// Never: there is always one.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ranked.is_empty()
    }

    /// The outcome in this place, the best being 0, and what it is worth in parts of a million.
    #[must_use]
    pub fn at(&self, place: usize) -> Option<(i64, Vec<u32>)> {
        self.ranked.get(place).map(|(worth, number)| (*worth, self.space.outcome(*number)))
    }

    /// What the best is worth, in parts of a million.
    #[must_use]
    pub fn best_ppm(&self) -> i64 {
        self.ranked.first().map_or(0, |(worth, _)| *worth)
    }

    /// How many are worth at least so much.
    #[must_use]
    pub fn count_from(&self, least_ppm: i64) -> usize {
        self.ranked.partition_point(|(worth, _)| *worth >= least_ppm)
    }

    /// The least good outcome that is worth at least so much; the best where none is.
    #[must_use]
    pub fn least_from(&self, least_ppm: i64) -> Vec<u32> {
        let place = self.count_from(least_ppm).saturating_sub(1);
        self.at(place).map(|(_, outcome)| outcome).unwrap_or_default()
    }

    /// Those that are worth between so much and so much, the best first: number and worth in parts of a million.
    pub fn between(&self, least_ppm: i64, most_ppm: i64) -> impl Iterator<Item = (i64, u32)> + '_ {
        let from = self.ranked.partition_point(|(worth, _)| *worth > most_ppm);
        self.ranked.iter().skip(from).take_while(move |(worth, _)| *worth >= least_ppm).copied()
    }
}
