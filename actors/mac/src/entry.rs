//! One entry of a job's log, with the exact bytes that the chain is made of.

use schemas::body::{DecodeError, decode, encode};
use schemas::event::Signed;
use schemas::hash::Hash;
use schemas::id::{AgentId, JobId, TaskId};
use schemas::job::{TaskEvent, TaskWord};
use schemas::limit::MAX_CLEARING_BODY_BYTES;

/// An event and its bytes. The hash is of the bytes as they stand in the log, so that an event written by a newer
/// version, with fields that we do not know, still chains.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// What the bytes say.
    pub event: TaskEvent,
    /// The exact bytes.
    pub bytes: Vec<u8>,
    /// Their SHA-256, which the next entry names.
    pub hash: Hash,
}

impl Entry {
    /// Reads an entry from the log.
    ///
    /// # Errors
    /// When the bytes are no event of a job.
    pub fn read(bytes: &[u8]) -> Result<Self, DecodeError> {
        let event = decode(bytes, MAX_CLEARING_BODY_BYTES)?;
        Ok(Self { event, bytes: bytes.to_vec(), hash: Hash::of(bytes) })
    }

    /// Writes an event.
    #[must_use]
    pub fn write(event: TaskEvent) -> Self {
        let bytes = encode(&event);
        let hash = Hash::of(&bytes);
        Self { event, bytes, hash }
    }
}

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
}

/// Entries that follow one another, each naming the one before.
pub(crate) struct Chain {
    job: JobId,
    turn: u32,
    prev: Hash,
    at_unix_ms: i64,
    trace: Option<String>,
    pub(crate) entries: Vec<Entry>,
}

impl Chain {
    pub(crate) fn after(job: JobId, turn: u32, prev: Hash, at_unix_ms: i64, trace: Option<String>) -> Self {
        Self { job, turn, prev, at_unix_ms, trace, entries: Vec::new() }
    }

    /// The number of the next entry.
    pub(crate) fn turn(&self) -> u32 {
        self.turn
    }

    pub(crate) fn push(&mut self, what: TaskWord, about: About, cause: Option<Signed>) {
        let entry = Entry::write(TaskEvent {
            job: self.job.clone(),
            turn: self.turn,
            prev: self.prev,
            at_unix_ms: self.at_unix_ms,
            what,
            tasks: about.tasks,
            agent: about.agent,
            verifiers: about.verifiers,
            mistaken: about.mistaken,
            until_unix_ms: about.until_unix_ms,
            measure_ppb: about.measure_ppb,
            rule: about.rule.map(str::to_owned),
            cause,
            trace: self.trace.clone(),
        });
        self.turn = self.turn.saturating_add(1);
        self.prev = entry.hash;
        self.entries.push(entry);
    }
}
