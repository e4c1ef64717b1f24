//! MiCRO, minimal concession (de Jonge 2022): one goes down one's own ranking a step at a time, and only while one has
//! made no more different offers than the other. It needs no model and no clock, and is hard to beat.

use std::collections::{BTreeMap, BTreeSet};

use super::{Choice, Situation, Strategy};
use crate::dice::Dice;

/// Minimal concession. Which of its earlier offers it repeats, when it does not concede, is drawn from its seed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Micro {
    /// How many places of the ranking were offered.
    offered: usize,
    /// The different offers of each other, by seat.
    others: BTreeMap<usize, BTreeSet<Vec<u32>>>,
    dice: Dice,
}

impl Micro {
    /// With this seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self { offered: 0, others: BTreeMap::new(), dice: Dice::new(seed) }
    }
}

impl Strategy for Micro {
    fn choose(&mut self, now: &Situation) -> Choice {
        let fewest = if self.others.len() + 1 < now.parties {
            0
        } else {
            self.others.values().map(BTreeSet::len).min().unwrap_or(0)
        };
        let next = now.ranking.at(self.offered).filter(|(worth, _)| *worth >= now.reserved_ppm);
        let concedes = next.filter(|_| self.offered <= fewest);
        let last = self.offered.checked_sub(1).and_then(|place| now.ranking.at(place));
        let Some(asked) = concedes.as_ref().or(last.as_ref()).map(|(worth, _)| *worth) else { return Choice::End };
        if now.table.is_some_and(|table| now.worth(table) >= asked) {
            return Choice::Accept;
        }
        if let Some((_, outcome)) = concedes {
            self.offered += 1;
            return Choice::Offer(outcome);
        }
        let again = self.dice.below(self.offered);
        now.ranking.at(again).map_or(Choice::End, |(_, outcome)| Choice::Offer(outcome))
    }

    fn heard(&mut self, seat: usize, outcome: &[u32], _: i64) {
        self.others.entry(seat).or_default().insert(outcome.to_vec());
    }
}
