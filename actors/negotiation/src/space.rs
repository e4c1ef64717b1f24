//! All outcomes of a domain: numbered, and ranked by what they are worth.

use std::cmp::Reverse;

use schemas::negotiation::Domain;

use crate::utility::{Utility, WHOLE_PPM};

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

    /// Looks at all outcomes, in the order of their numbers.
    pub(crate) fn each(&self, mut look: impl FnMut(&[u32])) {
        let mut outcome = vec![0; self.counts.len()];
        for _ in 0..self.size {
            look(&outcome);
            for (choice, count) in outcome.iter_mut().zip(&self.counts).rev() {
                *choice += 1;
                if *choice < *count {
                    break;
                }
                *choice = 0;
            }
        }
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
    ranked: Ranked,
}

/// What each outcome is worth, in parts of a million, and its number; in their order.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Ranked {
    /// How much worse than the best in the upper half of a word, and the number in the lower: words are sorted several
    /// times as fast as pairs, and are half as large.
    Words { best_ppm: i64, words: Vec<u64> },
    /// Where the worst is too much worse for half a word.
    Pairs(Vec<(i64, u32)>),
}

impl Ranked {
    /// Ranks outcomes that are given by their numbers.
    fn new(worths_ppm: Vec<i64>) -> Self {
        let (best_ppm, worst_ppm) =
            worths_ppm.iter().fold((i64::MIN, i64::MAX), |(best, worst), worth| (best.max(*worth), worst.min(*worth)));
        if best_ppm.checked_sub(worst_ppm).is_some_and(|room| u32::try_from(room).is_ok()) {
            let word = |(worth, number): (i64, u64)| (best_ppm - worth).unsigned_abs() << 32 | number;
            let mut words: Vec<u64> = worths_ppm.into_iter().zip(0..).map(word).collect();
            words.sort_unstable();
            return Self::Words { best_ppm, words };
        }
        let mut pairs: Vec<(i64, u32)> = worths_ppm.into_iter().zip(0..).collect();
        // Equals stay in the order of their numbers.
        pairs.sort_by_key(|(worth, _)| Reverse(*worth));
        Self::Pairs(pairs)
    }

    fn len(&self) -> usize {
        match self {
            Self::Words { words, .. } => words.len(),
            Self::Pairs(pairs) => pairs.len(),
        }
    }

    #[allow(clippy::cast_possible_truncation)] // the lower half of a word
    fn at(&self, place: usize) -> Option<(i64, u32)> {
        match self {
            Self::Words { best_ppm, words } => words.get(place).map(|word| (worth_ppm(*best_ppm, *word), *word as u32)),
            Self::Pairs(pairs) => pairs.get(place).copied(),
        }
    }

    /// How many there are until worths are no longer `high`.
    fn count(&self, high: impl Fn(i64) -> bool) -> usize {
        match self {
            Self::Words { best_ppm, words } => words.partition_point(|word| high(worth_ppm(*best_ppm, *word))),
            Self::Pairs(pairs) => pairs.partition_point(|(worth, _)| high(*worth)),
        }
    }
}

/// What a word says that an outcome is worth.
fn worth_ppm(best_ppm: i64, word: u64) -> i64 {
    best_ppm.saturating_sub_unsigned(word >> 32)
}

impl Ranking {
    /// Ranks them.
    #[must_use]
    pub fn new(space: &Space, utility: &Utility) -> Self {
        let mut worths_ppm = Vec::with_capacity(space.size() as usize);
        space.each(|outcome| worths_ppm.push(utility.of(outcome)));
        Self { space: space.clone(), ranked: Ranked::new(worths_ppm) }
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
        self.len() == 0
    }

    /// The outcome in this place, the best being 0, and what it is worth in parts of a million.
    #[must_use]
    pub fn at(&self, place: usize) -> Option<(i64, Vec<u32>)> {
        self.ranked.at(place).map(|(worth, number)| (worth, self.space.outcome(number)))
    }

    /// What the best is worth, in parts of a million.
    #[must_use]
    pub fn best_ppm(&self) -> i64 {
        self.ranked.at(0).map_or(0, |(worth, _)| worth)
    }

    /// A worth so far between what no agreement is worth (0) and the best (1,000,000), all in parts of a million.
    #[must_use]
    pub fn level(&self, reserved_ppm: i64, share_ppm: i64) -> i64 {
        let room = i128::from(self.best_ppm()) - i128::from(reserved_ppm);
        let part = room.max(0) * i128::from(share_ppm) / i128::from(WHOLE_PPM);
        i64::try_from(i128::from(reserved_ppm) + part).unwrap_or(i64::MAX)
    }

    /// How many are worth at least so much.
    #[must_use]
    pub fn count_from(&self, least_ppm: i64) -> usize {
        self.ranked.count(|worth| worth >= least_ppm)
    }

    /// The least good outcome that is worth at least so much; the best where none is.
    #[must_use]
    pub fn least_from(&self, least_ppm: i64) -> Vec<u32> {
        let place = self.count_from(least_ppm).saturating_sub(1);
        self.at(place).map(|(_, outcome)| outcome).unwrap_or_default()
    }

    /// Those that are worth between so much and so much, the best first: number and worth in parts of a million.
    pub fn between(&self, least_ppm: i64, most_ppm: i64) -> impl Iterator<Item = (i64, u32)> + '_ {
        let from = self.ranked.count(|worth| worth > most_ppm);
        (from..).map_while(|place| self.ranked.at(place)).take_while(move |(worth, _)| *worth >= least_ppm)
    }
}
