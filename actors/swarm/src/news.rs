//! What agents report to whoever runs them: the same words from a Python host and from a trader in Rust.

use schemas::market::LeftOut;
use schemas::profile::State;
use schemas::{AgentId, DealId};
use serde::Deserialize;

/// One report. Fields that nobody here reads are left where they are.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum News {
    /// A host is connected and all its agents are registered.
    Ready {
        /// How many.
        agents: usize,
    },
    /// An intent was published.
    Joined {
        /// Whose.
        agent: AgentId,
        /// Its sequence in the stream.
        sequence: u64,
    },
    /// An intent was withdrawn.
    Left {
        /// Whose.
        agent: AgentId,
    },
    /// The maker told an agent why it got nothing.
    Told {
        /// Whom.
        agent: AgentId,
        /// Why; nothing when it got something.
        #[serde(default)]
        left_out: Option<LeftOut>,
    },
    /// A proposal reached an agent.
    Proposed {
        /// Whom.
        agent: AgentId,
        /// The deal.
        deal: DealId,
    },
    /// An agent accepted.
    Accepted {
        /// Who.
        agent: AgentId,
        /// The deal.
        deal: DealId,
    },
    /// An agent said no.
    Rejected {
        /// Who.
        agent: AgentId,
        /// The deal.
        deal: DealId,
        /// On what ground.
        by: Ground,
    },
    /// A commit reached a party.
    Committed {
        /// Whom.
        agent: AgentId,
        /// The deal.
        deal: DealId,
    },
    /// A receiver confirmed delivery.
    Confirmed {
        /// Who.
        agent: AgentId,
        /// The deal.
        deal: DealId,
    },
    /// The end of a deal reached a party.
    Ended {
        /// Whom.
        agent: AgentId,
        /// The deal.
        deal: DealId,
        /// How it ended.
        #[serde(default)]
        state: Option<State>,
        /// Why, when it ended badly.
        #[serde(default)]
        reason: Option<String>,
    },
    /// A talk that an agent took part in has ended.
    Words {
        /// Who.
        agent: AgentId,
        /// The deal.
        deal: DealId,
        /// What it said and heard, in order: the exact bytes of each word in lowercase hexadecimal.
        words: Vec<String>,
    },
    /// Something went wrong.
    Error {
        /// With whom, if with one agent.
        #[serde(default)]
        agent: Option<AgentId>,
        /// At what.
        what: String,
        /// What went wrong.
        message: String,
    },
    /// A host has ended.
    Drained {
        /// How many messages it received.
        messages_in: u64,
        /// How many it sent.
        messages_out: u64,
    },
    /// What a later version may report.
    #[serde(other)]
    Unknown,
}

/// The ground on which an agent says no.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Ground {
    /// Good at its stated values, not good enough at what it keeps to itself.
    Reservation,
    /// Not good at its stated values.
    Values,
    /// More than it has left to give or to want.
    Limits,
    /// It has left the market.
    Away,
    /// It says no to everything.
    Policy,
}

impl Ground {
    /// The ground as a word.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Reservation => "reservation",
            Self::Values => "values",
            Self::Limits => "limits",
            Self::Away => "away",
            Self::Policy => "policy",
        }
    }

    /// The ground as the deal's log shows it to the other parties. A reservation stays private beyond the fact that
    /// there is one.
    #[must_use]
    pub fn reason(self) -> &'static str {
        match self {
            Self::Reservation => "below a private reservation",
            Self::Values => "not good enough at its stated values",
            Self::Limits => "more than it has left",
            Self::Away => "it has left the market",
            Self::Policy => "it says no to everything",
        }
    }
}
