//! Modelling the others, and aiming at Nash's solution: among the outcomes that are good enough for oneself, the one
//! offered has the largest product of everybody's gains, as far as one can guess them.
//!
//! The guess is the frequency model of automated-negotiation competitions (Hindriks & Tykhonov 2008; van Krimpen, Looije
//! & Hajizadeh 2013): a choice is worth the more to another the more often it offers it, and an issue weighs the more
//! the less the other varies it.

use std::collections::BTreeMap;

use super::{Choice, Pace, Situation, Strategy};

/// The most outcomes that are looked at for one offer.
const MOST_LOOKED_AT: usize = 2_000;

/// What one other seems to want.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Model {
    /// How often it offered each choice, by issue and choice.
    counts: BTreeMap<(usize, u32), u64>,
}

impl Model {
    /// Guesses what an outcome is worth to it; only ratios of guesses mean anything.
    fn guess(&self, outcome: &[u32], concentrated: &[u64]) -> u128 {
        let part = |(issue, choice): (usize, &u32)| {
            let count = self.counts.get(&(issue, *choice)).copied().unwrap_or(0);
            u128::from(concentrated.get(issue).copied().unwrap_or(0)) * u128::from(count)
        };
        // One more, so that what it has never offered is worth little and not nothing.
        1 + outcome.iter().enumerate().map(part).sum::<u128>()
    }

    /// How often it offered its favourite choice of each issue: what it never varies weighs most.
    fn concentrated(&self, issues: usize) -> Vec<u64> {
        let most = |issue| self.counts.range((issue, 0)..=(issue, u32::MAX)).map(|(_, count)| *count).max();
        (0..issues).map(|issue| most(issue).unwrap_or(0)).collect()
    }
}

/// Aims at Nash's solution, asking for less as time goes by, late.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NashSeeker {
    others: BTreeMap<usize, Model>,
}

impl NashSeeker {
    /// The outcome worth at least so much with the largest product of gains, as far as it can be guessed; between equals
    /// the one that is worth more to oneself.
    fn aim(&self, now: &Situation, asked: i64) -> Vec<u32> {
        let issues = now.ranking.space().counts().len();
        let models: Vec<(&Model, Vec<u64>)> =
            self.others.values().map(|model| (model, model.concentrated(issues))).collect();
        // Few at a time, the least good first: those leave the others most.
        let enough = now.ranking.count_from(asked);
        let skipped = enough.saturating_sub(MOST_LOOKED_AT);
        let mut best: Option<(f64, Vec<u32>)> = None;
        for place in skipped..enough {
            let Some((worth, outcome)) = now.ranking.at(place) else { break };
            let own = worth.saturating_sub(now.reserved_ppm).max(1);
            #[allow(clippy::cast_precision_loss)] // a guess
            let product = models.iter().fold(own as f64, |product, (model, concentrated)| {
                product * model.guess(&outcome, concentrated) as f64
            });
            if best.as_ref().is_none_or(|(most, _)| product > *most) {
                best = Some((product, outcome));
            }
        }
        best.map_or_else(|| now.ranking.least_from(asked), |(_, outcome)| outcome)
    }
}

impl Strategy for NashSeeker {
    fn choose(&mut self, now: &Situation) -> Choice {
        if now.ranking.best_ppm() < now.reserved_ppm {
            return Choice::End;
        }
        let asked = now.level(Pace::Exponent { over: 3, under: 1 }.asked_ppm(now.time_ppm()));
        if now.table.is_some_and(|table| now.worth(table) >= asked) {
            return Choice::Accept;
        }
        let offer = self.aim(now, asked);
        // What is as good as what one is about to ask for is not refused.
        now.accept_from(now.worth(&offer), offer)
    }

    fn heard(&mut self, seat: usize, outcome: &[u32], _: i64) {
        let model = self.others.entry(seat).or_default();
        for (issue, choice) in outcome.iter().enumerate() {
            *model.counts.entry((issue, *choice)).or_default() += 1;
        }
    }
}
