//! Conceding with time (Faratin, Sierra & Jennings 1998): what one asks for falls from the best to the reservation as
//! the talk goes on, along 1 − t^e. The exponent is a ratio of small whole numbers, so that what is asked for is exact and
//! the same in every language.

use super::{Choice, Situation, Strategy};
use crate::utility::WHOLE_PPM;

/// The largest number in an exponent's ratio: with it every power of parts of a million still fits 128 bits.
const MOST_EXPONENT: u32 = 6;

/// When one concedes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pace {
    /// Late: e = 4.
    Boulware,
    /// Evenly: e = 1.
    Linear,
    /// Early: e = 1/4.
    Conceder,
    /// As this ratio says: e = over/under. What is below 1 counts as 1, what is above 6 as 6.
    Exponent {
        /// Its numerator.
        over: u32,
        /// Its denominator.
        under: u32,
    },
}

impl Pace {
    /// The share of the room between reservation and best that is asked for at a time, both in parts of a million:
    /// ⌊1 − t^e⌋.
    #[must_use]
    pub fn asked_ppm(self, time_ppm: i64) -> i64 {
        let (over, under) = match self {
            Self::Boulware => (4, 1),
            Self::Linear => (1, 1),
            Self::Conceder => (1, 4),
            Self::Exponent { over, under } => (over.clamp(1, MOST_EXPONENT), under.clamp(1, MOST_EXPONENT)),
        };
        let whole = u128::from(WHOLE_PPM.unsigned_abs());
        let time = u128::from(time_ppm.clamp(0, WHOLE_PPM).unsigned_abs());
        // The least conceded with (conceded/whole)^under ≥ (time/whole)^over, by halves.
        let scale = whole.pow(over.saturating_sub(under));
        let least = time.pow(over) * whole.pow(under.saturating_sub(over));
        let (mut from, mut to) = (0, whole);
        while from < to {
            let conceded = from.midpoint(to);
            if conceded.pow(under) * scale >= least {
                to = conceded;
            } else {
                from = conceded + 1;
            }
        }
        WHOLE_PPM - i64::try_from(to).unwrap_or(WHOLE_PPM)
    }
}

/// Asks for less as time goes by, whatever the others do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Concession(pub Pace);

impl Strategy for Concession {
    fn choose(&mut self, now: &Situation) -> Choice {
        if now.ranking.best_ppm() < now.reserved_ppm {
            return Choice::End;
        }
        let asked = now.level(self.0.asked_ppm(now.time_ppm()));
        now.accept_from(asked, now.ranking.least_from(asked))
    }
}
