//! What an agent of a scenario is: the same whether it lives in Rust or in a Python host.

use schemas::market::{Give, Intent, Want};
use schemas::value::Outlook;
use schemas::{AgentId, MarketId};
use serde::Serialize;

/// An agent: what it states, what it keeps to itself, and when it comes and goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AgentPlan {
    /// Its id.
    pub id: AgentId,
    /// The seed of its key (`SU…`).
    pub seed: String,
    /// The market that it trades in.
    pub market: MarketId,
    /// What it gives, in all.
    pub gives: Vec<Give>,
    /// What it wants, in all. A good stands in one want only.
    pub wants: Vec<Want>,
    /// The margin over its costs that it states, in parts per million.
    pub margin_ppm: i64,
    /// How it looks at time and risk.
    pub outlook: Outlook,
    /// The margin over its costs below which it says no, in parts per million. Private: it is never sent.
    pub reserve_ppm: i64,
    /// How it behaves.
    pub policy: Policy,
    /// When it comes and goes, in order.
    pub schedule: Vec<Step>,
}

impl AgentPlan {
    /// An honest agent that gives this and wants that, keeps nothing to itself, and comes when it is told to.
    #[must_use]
    pub fn new(id: AgentId, seed: String, market: MarketId, gives: Vec<Give>, wants: Vec<Want>) -> Self {
        Self {
            id,
            seed,
            market,
            gives,
            wants,
            margin_ppm: 0,
            outlook: Outlook::default(),
            reserve_ppm: 0,
            policy: Policy::Honest,
            schedule: Vec::new(),
        }
    }

    /// The margin that it accepts at: the stricter of what it states and what it keeps to itself.
    #[must_use]
    pub fn accepts_at_ppm(&self) -> i64 {
        self.margin_ppm.max(self.reserve_ppm)
    }

    /// Its intent before it has traded anything.
    #[must_use]
    pub fn intent(&self) -> Intent {
        Intent {
            market: self.market.clone(),
            agent: self.id.clone(),
            gives: self.gives.clone(),
            wants: self.wants.clone(),
            margin_ppm: self.margin_ppm,
            outlook: self.outlook.clone(),
        }
    }
}

/// How an agent behaves.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Policy {
    /// Accepts what is good for it, confirms what arrives.
    #[default]
    Honest,
    /// Says no to everything.
    Rejects,
    /// Never answers a proposal.
    Silent,
    /// Accepts, and never confirms.
    Unconfirming,
}

/// One step of an agent's schedule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Step {
    /// When, in milliseconds from the beginning of the run.
    pub at_ms: u64,
    /// What.
    #[serde(rename = "do")]
    pub action: Action,
}

/// What an agent does on schedule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Action {
    /// Publishes its intent, or what is left of it.
    Join,
    /// Withdraws it. It still confirms what it was due.
    Leave,
}
