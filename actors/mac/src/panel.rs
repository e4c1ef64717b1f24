//! Who judges a result, and what their verdicts come to.
//!
//! One side must lead by as many verdicts as the task says: of unanimous verifiers that many are enough, and each that
//! dissents must be outweighed by one more. Where those who have not judged yet cannot bring a lead about, more are
//! asked; where there are no more, the panel is split, and it is for the gate.

use std::collections::BTreeMap;

use schemas::hash::Hash;
use schemas::id::{AgentId, JobId, TaskId};

/// What is known of a verifier's verdict.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It has time left.
    Awaited,
    /// It finds the result right.
    Right,
    /// It finds it wrong.
    Wrong,
    /// Its time ran out.
    Silent,
}

/// Those who were asked, and what they said.
pub type Panel = BTreeMap<AgentId, Verdict>;

/// What verdicts come to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The result is right.
    Right,
    /// It is wrong.
    Wrong,
    /// Those who are asked can still decide it.
    Open,
    /// These must be asked too.
    Widen(Vec<AgentId>),
    /// Nobody is left who could decide it.
    Split,
}

/// What is judged.
#[derive(Debug, Clone, Copy)]
pub struct Case<'a> {
    /// The job.
    pub job: &'a JobId,
    /// The task.
    pub task: &'a TaskId,
    /// Which announcement.
    pub round: u32,
    /// Whose result it is: whoever did it doesn't judge it.
    pub doer: &'a AgentId,
    /// Who may be asked.
    pub verifiers: &'a [AgentId],
}

impl Case<'_> {
    /// So many verifiers who were not asked yet: an order that depends on the case, so that the work is spread and
    /// nobody chooses its judges; fewer where there are no more.
    #[must_use]
    pub fn next(&self, count: usize, asked: &Panel) -> Vec<AgentId> {
        let mut candidates: Vec<_> = self
            .verifiers
            .iter()
            .filter(|agent| *agent != self.doer && !asked.contains_key(*agent))
            .map(|agent| (self.lot(agent), agent))
            .collect();
        candidates.sort_unstable();
        candidates.into_iter().take(count).map(|(_, agent)| agent.clone()).collect()
    }

    fn lot(&self, agent: &AgentId) -> [u8; 32] {
        let parts: [&[u8]; 7] = [
            self.job.as_str().as_bytes(),
            &[0],
            self.task.as_str().as_bytes(),
            &[0],
            &self.round.to_be_bytes(),
            &[0],
            agent.as_str().as_bytes(),
        ];
        *Hash::of_parts(&parts).as_bytes()
    }

    /// What the verdicts come to, where one side must lead by `lead`.
    #[must_use]
    pub fn outcome(&self, panel: &Panel, lead: u32) -> Outcome {
        let lead = usize::try_from(lead).unwrap_or(usize::MAX);
        let count = |verdict: Verdict| panel.values().filter(|v| **v == verdict).count();
        let (right, wrong, awaited) = (count(Verdict::Right), count(Verdict::Wrong), count(Verdict::Awaited));
        if right >= wrong.saturating_add(lead) {
            return Outcome::Right;
        }
        if wrong >= right.saturating_add(lead) {
            return Outcome::Wrong;
        }
        let missing = lead.saturating_sub(right.abs_diff(wrong)).saturating_sub(awaited);
        if missing == 0 {
            return Outcome::Open;
        }
        let more = self.next(missing, panel);
        if more.len() < missing { Outcome::Split } else { Outcome::Widen(more) }
    }
}
