//! Negotiating on a bus: agents that bargain with each other, and what came of it.
//!
//! Who meets whom over what is drawn from a seed ([`scenario`]). A [`Bargainer`] is an agent: it opens its meetings with
//! the desk, talks to the other parties directly, and has the desk record what was agreed on, which all of them sign
//! with the head of the transcript. [`run`] brings all of them to a bus, reads off the signed log what was agreed, and
//! ranks the strategies ([`Standing`]).
//!
//! Some of them may be in Python, in a host process that is told what to negotiate.
//!
//! Deadlines are rounds and not times, so a seed has the same agreements however slow the bus is; only a deal that
//! lapses, which the report counts apart, depends on the clock.

mod peer;
mod protocol;
mod python;
mod run;
pub mod scenario;
mod standing;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use negotiation::{Preferences, Space, Strategy, strategy};
use schemas::negotiation::Domain;
use schemas::{AgentId, DealId, MarketId, MoveId};
use serde::{Deserialize, Serialize};

pub use self::peer::{BEGIN, Bargainer, News};
pub use self::protocol::Protocol;
pub use self::run::{Crowd, Spec, run};
pub use self::standing::{Kept, Standing, StrategyStanding};

/// A way of negotiating, by its name in a scenario.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Manner {
    /// Concedes late.
    Boulware,
    /// Concedes evenly.
    Linear,
    /// Concedes early.
    Conceder,
    /// Concedes as the others do.
    TitForTat,
    /// Concedes as little as it can.
    Micro,
    /// Models the others and aims at Nash's solution.
    Nash,
    /// Accepts what is good enough.
    AcceptIfGood,
    /// Calls for bids, by the rules.
    Manager,
    /// Bids once and for all.
    Sealed,
    /// Bids no better than it must to be best.
    Undercut,
    /// Votes for whatever is no worse to it.
    HillClimber,
    /// Votes for worse at times, less and less.
    Annealer,
}

impl Manner {
    /// How one makes and answers offers who negotiates so, if it does that; `seed` is for those that draw.
    #[must_use]
    pub fn strategy(self, seed: u64) -> Option<Box<dyn Strategy>> {
        use strategy::{AcceptIfGood, Concession, Micro, NashSeeker, Pace, TitForTat};
        Some(match self {
            Self::Boulware => Box::new(Concession(Pace::Boulware)),
            Self::Linear => Box::new(Concession(Pace::Linear)),
            Self::Conceder => Box::new(Concession(Pace::Conceder)),
            Self::TitForTat => Box::new(TitForTat::default()),
            Self::Micro => Box::new(Micro::new(seed)),
            Self::Nash => Box::new(NashSeeker::default()),
            Self::AcceptIfGood => Box::new(AcceptIfGood { share_ppm: 700_000 }),
            Self::Manager | Self::Sealed | Self::Undercut | Self::HillClimber | Self::Annealer => return None,
        })
    }
}

/// One side of a meeting.
#[derive(Debug, Clone)]
pub struct Seat {
    /// Who sits there.
    pub agent: AgentId,
    /// What it wants.
    pub preferences: Preferences,
    /// How it negotiates.
    pub manner: Manner,
    /// For what it draws.
    pub seed: u64,
}

/// A negotiation that is to be.
#[derive(Debug, Clone)]
pub struct Meeting {
    /// By which protocol.
    pub protocol: Protocol,
    /// The deal that it becomes.
    pub deal: DealId,
    /// The opening's move.
    pub move_id: MoveId,
    /// The ledger's book.
    pub book: MarketId,
    /// What is negotiated; its transfers fall due when the deal lapses.
    pub domain: Domain,
    /// Its outcomes.
    pub space: Space,
    /// How many rounds there are, at most; a contract net of one call has one, whatever this says.
    pub rounds: u32,
    /// How long there is to talk, or for each round of bids, in milliseconds, and as long again to sign.
    pub within_ms: i64,
    /// Who takes part, in the order in which they move.
    pub seats: Vec<Seat>,
}

/// Everything that is to happen.
#[derive(Debug, Clone)]
pub struct Gathering {
    /// Every agent: its id and the seed of its key.
    pub agents: Vec<(AgentId, String)>,
    /// How many of them, the last ones, are in Python.
    pub python: usize,
    /// Every meeting.
    pub meetings: Vec<Arc<Meeting>>,
    /// How many meetings an agent opens before the first of them has ended.
    pub at_once: usize,
    /// Whether everybody hands in the words that it said and heard.
    pub keeps_words: bool,
}
