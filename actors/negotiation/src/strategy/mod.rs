//! What to say when it is one's turn.
//!
//! A strategy sees a [`Situation`] and makes a [`Choice`]; what others offered it is told as it happens. One of one's own:
//!
//! ```
//! use negotiation::{Choice, Situation, Strategy};
//!
//! /// Offers its best, and takes anything in the last round.
//! struct Stubborn;
//!
//! impl Strategy for Stubborn {
//!     fn choose(&mut self, now: &Situation) -> Choice {
//!         match now.table {
//!             Some(offer) if now.is_last_round() && now.is_acceptable(offer) => Choice::Accept,
//!             _ => now.best(),
//!         }
//!     }
//! }
//! ```
//!
//! Whoever bids in a contract net is a [`Bidder`], and whoever votes on a single text is a [`Voter`].

mod accept;
mod bidding;
mod concession;
mod micro;
mod nash;
mod tit_for_tat;
mod voting;

pub use accept::AcceptIfGood;
pub use bidding::{Asking, Bidder, Call, Sealed, Undercut};
pub use concession::{Concession, Pace};
pub use micro::Micro;
pub use nash::NashSeeker;
pub use tit_for_tat::TitForTat;
pub use voting::{Annealer, Ballot, HillClimber, Voter};

use crate::space::Ranking;
use crate::utility::{Utility, WHOLE_PPM};

/// What a party does on its turn.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Choice {
    /// It puts an outcome on the table.
    Offer(Vec<u32>),
    /// It accepts what is on the table.
    Accept,
    /// It ends the talk.
    End,
}

/// What a party sees on its turn.
#[derive(Debug)]
pub struct Situation<'a> {
    /// What outcomes are worth to it.
    pub utility: &'a Utility,
    /// All outcomes, ranked by that.
    pub ranking: &'a Ranking,
    /// What no agreement is worth to it, in parts of a million.
    pub reserved_ppm: i64,
    /// How many parties there are.
    pub parties: usize,
    /// The round, counted from 0.
    pub round: u32,
    /// How many rounds there are.
    pub rounds: u32,
    /// What is on the table, another's offer.
    pub table: Option<&'a [u32]>,
}

impl Situation<'_> {
    /// How much of the talk is behind, in parts of a million, the round that runs included.
    #[must_use]
    pub fn time_ppm(&self) -> i64 {
        let (round, rounds) = (i64::from(self.round), i64::from(self.rounds));
        (round + 1) * WHOLE_PPM / (rounds + 1)
    }

    /// Whether there is no round after this.
    #[must_use]
    pub fn is_last_round(&self) -> bool {
        self.round.saturating_add(1) >= self.rounds
    }

    /// What an outcome is worth, in parts of a million.
    #[must_use]
    pub fn worth(&self, outcome: &[u32]) -> i64 {
        self.utility.of(outcome)
    }

    /// Whether an outcome is worth at least as much as no agreement.
    #[must_use]
    pub fn is_acceptable(&self, outcome: &[u32]) -> bool {
        self.worth(outcome) >= self.reserved_ppm
    }

    /// Offers the best outcome; ends the talk where even that is worth less than no agreement.
    #[must_use]
    pub fn best(&self) -> Choice {
        match self.ranking.at(0) {
            Some((worth, outcome)) if worth >= self.reserved_ppm => Choice::Offer(outcome),
            _ => Choice::End,
        }
    }

    /// A worth so far between what no agreement is worth (0) and the best (1,000,000), in parts of a million.
    #[must_use]
    pub fn level(&self, share_ppm: i64) -> i64 {
        self.ranking.level(self.reserved_ppm, share_ppm)
    }

    /// Accepts what is on the table where it is worth at least so much; else offers.
    #[must_use]
    pub fn accept_from(&self, least_ppm: i64, offer: Vec<u32>) -> Choice {
        match self.table {
            Some(table) if self.worth(table) >= least_ppm => Choice::Accept,
            _ => Choice::Offer(offer),
        }
    }
}

/// A way of negotiating.
pub trait Strategy: Send {
    /// Says what to do: it is one's turn.
    fn choose(&mut self, now: &Situation) -> Choice;

    /// Is told what another offers, worth so much to oneself, in parts of a million; `seat` is the other's.
    fn heard(&mut self, seat: usize, outcome: &[u32], worth_ppm: i64) {
        let _ = (seat, outcome, worth_ppm);
    }
}
