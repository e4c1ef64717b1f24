//! Conceding as the others do (naive tit-for-tat, Faratin, Sierra & Jennings 1998): what an opponent gives way by,
//! measured by what its offers are worth to oneself, one gives way by too.

use std::collections::BTreeMap;

use super::{Choice, Situation, Strategy};

/// Gives way by as much as the others did since they began; with several, by as much as the one that did least.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TitForTat {
    /// What each other's first offer and its best since were worth, in parts of a million, by seat.
    others: BTreeMap<usize, (i64, i64)>,
}

impl Strategy for TitForTat {
    fn choose(&mut self, now: &Situation) -> Choice {
        if now.ranking.best_ppm() < now.reserved_ppm {
            return Choice::End;
        }
        let heard_all = self.others.len() + 1 == now.parties;
        let given = self.others.values().map(|(first, best)| best.saturating_sub(*first)).min();
        let given = if heard_all { given.unwrap_or(0) } else { 0 };
        let asked = now.ranking.best_ppm().saturating_sub(given).max(now.reserved_ppm);
        now.accept_from(asked, now.ranking.least_from(asked))
    }

    fn heard(&mut self, seat: usize, _: &[u32], worth_ppm: i64) {
        let (_, best) = self.others.entry(seat).or_insert((worth_ppm, worth_ppm));
        *best = worth_ppm.max(*best);
    }
}
