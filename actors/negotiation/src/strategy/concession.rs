//! Conceding with time (Faratin, Sierra & Jennings 1998): what one asks for falls from the best to the reservation as
//! the talk goes on, along 1 − t^e.

use super::{Choice, Situation, Strategy};
use crate::utility::WHOLE_PPM;

/// When one concedes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Pace {
    /// Late: e = 4.
    Boulware,
    /// Evenly: e = 1.
    Linear,
    /// Early: e = 1/4.
    Conceder,
    /// As this e says; more than 0.
    Exponent(f64),
}

impl Pace {
    /// The share of the room between reservation and best that is asked for at a time, both in parts of a million.
    #[must_use]
    pub fn asked_ppm(self, time_ppm: i64) -> i64 {
        let exponent = match self {
            Self::Boulware => 4.0,
            Self::Linear => return (WHOLE_PPM - time_ppm).clamp(0, WHOLE_PPM),
            Self::Conceder => 0.25,
            Self::Exponent(e) => e,
        };
        #[allow(clippy::cast_precision_loss)] // both are at most a million
        let time = time_ppm as f64 / WHOLE_PPM as f64;
        let asked = (1.0 - libm::pow(time, exponent)) * 1e6;
        #[allow(clippy::cast_possible_truncation)] // clamped
        let asked_ppm = asked.clamp(0.0, 1e6) as i64;
        asked_ppm
    }
}

/// Asks for less as time goes by, whatever the others do.
#[derive(Debug, Clone, Copy, PartialEq)]
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
