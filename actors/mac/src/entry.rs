//! What one decision writes into a job's log.

use schemas::event::{Chain as Links, Place, Signed};
use schemas::id::{AgentId, DealId, JobId, TaskId};
use schemas::job::{TaskEvent, TaskWord};

/// One entry of a job's log.
pub type Entry = schemas::event::Entry<TaskEvent>;

/// What an event says beside its word.
#[derive(Debug, Clone, Default)]
pub(crate) struct About {
    pub(crate) tasks: Vec<TaskId>,
    pub(crate) agent: Option<AgentId>,
    pub(crate) verifiers: Vec<AgentId>,
    pub(crate) mistaken: Vec<AgentId>,
    pub(crate) until_unix_ms: Option<i64>,
    pub(crate) measure_ppb: Option<u32>,
    pub(crate) rule: Option<&'static str>,
    pub(crate) deal: Option<DealId>,
    pub(crate) deal_turns: Option<u32>,
}

impl About {
    /// About a task.
    pub(crate) fn task(task: &TaskId) -> Self {
        Self { tasks: vec![task.clone()], ..Self::default() }
    }

    /// And about an agent.
    pub(crate) fn by(self, agent: &AgentId) -> Self {
        Self { agent: Some(agent.clone()), ..self }
    }

    /// And until a time.
    pub(crate) fn until(self, unix_ms: i64) -> Self {
        Self { until_unix_ms: Some(unix_ms), ..self }
    }

    /// And by a rule.
    pub(crate) fn rule(self, rule: &'static str) -> Self {
        Self { rule: Some(rule), ..self }
    }

    /// And about the deal that pays for it.
    pub(crate) fn paid_by(self, deal: Option<&DealId>) -> Self {
        Self { deal: deal.cloned(), ..self }
    }
}

/// Entries of one job's log.
pub(crate) struct Chain {
    job: JobId,
    links: Links<TaskEvent>,
}

impl Chain {
    pub(crate) fn at(job: JobId, place: Place) -> Self {
        Self { job, links: Links::at(place) }
    }

    /// The number of the last entry.
    pub(crate) fn last_turn(&self) -> u32 {
        self.links.next().turn.saturating_sub(1)
    }

    pub(crate) fn push(&mut self, what: TaskWord, about: About, cause: Option<Signed>) {
        let job = self.job.clone();
        self.links.push(|Place { turn, prev, at_unix_ms, trace }| TaskEvent {
            job,
            turn,
            prev,
            at_unix_ms,
            what,
            tasks: about.tasks,
            agent: about.agent,
            verifiers: about.verifiers,
            mistaken: about.mistaken,
            until_unix_ms: about.until_unix_ms,
            measure_ppb: about.measure_ppb,
            rule: about.rule.map(str::to_owned),
            deal: about.deal,
            deal_turns: about.deal_turns,
            cause,
            trace,
        });
    }

    pub(crate) fn entries(self) -> Vec<Entry> {
        self.links.entries()
    }
}
