//! How agents kept their promises: a fold over the logs of all jobs, in the order of their stream.
//!
//! Each promise that ends moves a decaying average towards one or towards zero by an eighth of what is between, in whole
//! parts per billion, rounded down. So the figure depends on the order of the entries and on nothing else, and old
//! deeds fade. Whoever is new has a half: better than a known liar, worse than a known good.
//!
//! | counts as kept | counts as broken |
//! |---|---|
//! | a task is done | a result is found wrong, a lease runs out, a task is given back |
//! | a verdict came out so | a verdict came out otherwise, or never came |

use std::collections::BTreeMap;

use schemas::id::AgentId;
use schemas::job::{Reputation, TaskEvent, TaskWord};
use schemas::limit::PPB;

/// What a newcomer's reputation is, in parts per billion.
pub const NEW_PPB: u32 = 500_000_000;
/// The part of what is between by which one promise moves the average.
const FADES_BY: u32 = 8;
/// The highest reputation.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // a billion fits
const FULL_PPB: u32 = PPB as u32;

/// One agent's standing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// The decaying average, in parts per billion.
    pub reputation_ppb: u32,
    /// Promises kept.
    pub kept: u64,
    /// Promises broken.
    pub broken: u64,
    /// The last entry that counts in it.
    pub sequence: u64,
}

impl Default for Standing {
    fn default() -> Self {
        Self { reputation_ppb: NEW_PPB, kept: 0, broken: 0, sequence: 0 }
    }
}

impl Standing {
    fn count(&mut self, kept: bool, sequence: u64) {
        if kept {
            self.reputation_ppb += FULL_PPB.saturating_sub(self.reputation_ppb) / FADES_BY;
            self.kept += 1;
        } else {
            self.reputation_ppb -= self.reputation_ppb / FADES_BY;
            self.broken += 1;
        }
        self.sequence = sequence;
    }
}

/// Everybody's.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Standings {
    of: BTreeMap<AgentId, Standing>,
}

impl Standings {
    /// An agent's standing; a newcomer's where nothing is known.
    #[must_use]
    pub fn of(&self, agent: &AgentId) -> Standing {
        self.of.get(agent).copied().unwrap_or_default()
    }

    /// Counts an entry; gives those whose standing it changed, as the bucket shows them.
    pub fn count(&mut self, event: &TaskEvent, sequence: u64) -> Vec<Reputation> {
        let (doer_kept, silent) = match event.what {
            TaskWord::Done => (Some(true), false),
            TaskWord::Refuted | TaskWord::Lapsed | TaskWord::Declined => (Some(false), false),
            TaskWord::Silent => (None, true),
            _ => return Vec::new(),
        };
        let doer = event.agent.iter().filter_map(|agent| doer_kept.map(|kept| (agent, kept)));
        let judged = event.verifiers.iter().map(|agent| (agent, !silent));
        let mistaken = event.mistaken.iter().map(|agent| (agent, false));
        doer.chain(judged).chain(mistaken).map(|(agent, kept)| self.counted(agent, kept, sequence)).collect()
    }

    fn counted(&mut self, agent: &AgentId, kept: bool, sequence: u64) -> Reputation {
        let standing = self.of.entry(agent.clone()).or_default();
        standing.count(kept, sequence);
        Reputation {
            agent: agent.clone(),
            reputation_ppb: standing.reputation_ppb,
            kept: standing.kept,
            broken: standing.broken,
            sequence,
        }
    }
}
