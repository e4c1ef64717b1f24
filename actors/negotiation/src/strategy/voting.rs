//! How to vote on changes of a single text (Klein, Faratin, Sayama & Bar-Yam 2003): a hill climber takes no step down, and is
//! soon caught on a small hill where issues depend on each other; an annealer takes some, fewer as time goes by.

use crate::dice::Dice;
use crate::utility::{Utility, WHOLE_PPM};

/// What a party sees when it votes.
#[derive(Debug)]
pub struct Ballot<'a> {
    /// What outcomes are worth to it.
    pub utility: &'a Utility,
    /// What no agreement is worth to it, in parts of a million.
    pub reserved_ppm: i64,
    /// The round, counted from 0.
    pub round: u32,
    /// How many rounds there are.
    pub rounds: u32,
    /// What stands.
    pub text: &'a [u32],
    /// What is voted on.
    pub proposed: &'a [u32],
}

impl Ballot<'_> {
    /// What accepting would gain it, in parts of a million.
    #[must_use]
    pub fn gain_ppm(&self) -> i64 {
        self.utility.of(self.proposed).saturating_sub(self.utility.of(self.text))
    }
}

/// A way of voting.
pub trait Voter: Send {
    /// Whether what is voted on may stand.
    fn accepts(&mut self, now: &Ballot) -> bool;
}

/// Accepts whatever is worth no less to it than the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HillClimber;

impl Voter for HillClimber {
    fn accepts(&mut self, now: &Ballot) -> bool {
        now.gain_ppm() >= 0
    }
}

/// Accepts a loss of ΔU with the chance e^(−ΔU ∕ T), where T falls evenly to nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Annealer {
    hot_ppm: i64,
    dice: Dice,
}

impl Annealer {
    /// With this T at the beginning, in parts of a million of utility; what it draws follows from the seed.
    #[must_use]
    pub fn new(hot_ppm: i64, seed: u64) -> Self {
        Self { hot_ppm, dice: Dice::new(seed) }
    }
}

impl Voter for Annealer {
    fn accepts(&mut self, now: &Ballot) -> bool {
        let gain_ppm = now.gain_ppm();
        if gain_ppm >= 0 {
            return true;
        }
        let left = i64::from(now.rounds.saturating_sub(now.round).saturating_sub(1));
        let heat_ppm = self.hot_ppm.saturating_mul(left).checked_div(now.rounds.into()).unwrap_or(0);
        if heat_ppm <= 0 {
            return false;
        }
        #[allow(clippy::cast_precision_loss)] // parts of a million
        let chance = libm::exp(gain_ppm as f64 / heat_ppm as f64) * 1e6;
        #[allow(clippy::cast_possible_truncation)] // from 0 to a million
        let chance_ppm = chance as i64;
        let drawn = i64::try_from(self.dice.next() % WHOLE_PPM.unsigned_abs()).unwrap_or(WHOLE_PPM);
        drawn < chance_ppm
    }
}
