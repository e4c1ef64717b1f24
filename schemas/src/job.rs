//! What happened to a job of tasks, as its log keeps it, and what those hear who have to do with it.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::event::Signed;
use crate::hash::{self, Hash};
use crate::id::{AgentId, DealId, JobId, MoveId, Skill, TaskId};
use crate::task::{KeptResult, Pay};

/// What happened in a job, as a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum TaskWord {
    /// The job came.
    Submitted,
    /// Tasks were added.
    Added,
    /// Tasks were announced: bids are taken until a time.
    Announced,
    /// An agent bid for a task.
    Bid,
    /// A task was awarded to an agent, under a lease.
    Awarded,
    /// The agent gave it back.
    Declined,
    /// The agent is at work: its lease is longer.
    Progressed,
    /// The agent's lease ran out.
    Lapsed,
    /// The agent handed in a result, which these agents are to judge.
    Delivered,
    /// A verifier judged.
    Judged,
    /// Verifiers said nothing in time.
    Silent,
    /// More verifiers were asked.
    Widened,
    /// The result waits at the gate.
    Gated,
    /// A gatekeeper answered.
    Answered,
    /// A task is done.
    Done,
    /// A result was found wrong.
    Refuted,
    /// All tasks are done. The job's end.
    Finished,
    /// The job cannot be finished. Its end.
    Failed,
    /// The supervisor ended the job.
    Cancelled,
}

impl TaskWord {
    /// The word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Submitted => "submitted",
            Self::Added => "added",
            Self::Announced => "announced",
            Self::Bid => "bid",
            Self::Awarded => "awarded",
            Self::Declined => "declined",
            Self::Progressed => "progressed",
            Self::Lapsed => "lapsed",
            Self::Delivered => "delivered",
            Self::Judged => "judged",
            Self::Silent => "silent",
            Self::Widened => "widened",
            Self::Gated => "gated",
            Self::Answered => "answered",
            Self::Done => "done",
            Self::Refuted => "refuted",
            Self::Finished => "finished",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }

    /// Whether the job has ended with it.
    #[must_use]
    pub fn is_end(self) -> bool {
        matches!(self, Self::Finished | Self::Failed | Self::Cancelled)
    }
}

impl fmt::Display for TaskWord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One entry of a job's log. Fields that a word has no use for are left out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename = "task.event")]
pub struct TaskEvent {
    /// The job.
    pub job: JobId,
    /// The entry's number; the first is 0.
    pub turn: u32,
    /// SHA-256 of the exact body of the entry before; zeros for the first.
    pub prev: Hash,
    /// When it was written, in Unix milliseconds, by the writer's clock.
    pub at_unix_ms: i64,
    /// What happened.
    pub what: TaskWord,
    /// To which tasks.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tasks: Vec<TaskId>,
    /// Whom it is about: bidder, doer, verifier, gatekeeper.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent: Option<AgentId>,
    /// Verifiers: those asked or silent; at a task's end those who had judged as it came out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub verifiers: Vec<AgentId>,
    /// At a task's end, verifiers who had judged otherwise.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub mistaken: Vec<AgentId>,
    /// Until when what was begun may last, in Unix milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until_unix_ms: Option<i64>,
    /// In parts per billion: of a bid, the bidder's reputation when it bid; of an award, what the bid came to by the
    /// job's weights.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub measure_ppb: Option<u32>,
    /// The rule that decided, a stable word.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
    /// Of an award and of a task's end: the deal that pays for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deal: Option<DealId>,
    /// Of a task that was given back because no deal had paid for it, or so it was said: how many entries that deal's log
    /// had.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deal_turns: Option<u32>,
    /// The signed move that caused it, when a move did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<Signed>,
    /// The W3C trace context of the move.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trace: Option<String>,
}
crate::message!(TaskEvent, "task.event");

/// Where a task stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum TaskState {
    /// What it needs is not done.
    Waiting,
    /// Bids are taken.
    Announced,
    /// Somebody is at work.
    Awarded,
    /// The result is being judged.
    Judged,
    /// The result waits at the gate.
    Gated,
    /// Done.
    Done,
}

impl TaskState {
    /// The state as a word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Announced => "announced",
            Self::Awarded => "awarded",
            Self::Judged => "judged",
            Self::Gated => "gated",
            Self::Done => "done",
        }
    }
}

impl fmt::Display for TaskState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Where a job stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum JobState {
    /// It runs.
    Running,
    /// All is done. An end.
    Finished,
    /// It cannot be finished. An end.
    Failed,
    /// Its supervisor ended it. An end.
    Cancelled,
}

impl JobState {
    /// The state as a word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Finished => "finished",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }
}

impl fmt::Display for JobState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The answer to a move in a job. The same id with the same body gets the same answer, whenever it is asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename = "task.moved")]
pub struct TaskMoved {
    /// The job.
    pub job: JobId,
    /// The move.
    pub move_id: MoveId,
    /// The job's state after the move.
    pub state: JobState,
    /// The number of the event that records the move; the first is 0.
    pub turn: u32,
}
crate::message!(TaskMoved, "task.moved");

/// Asks `task.show` for a job that the asker has to do with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename = "task.show")]
pub struct ShowJob {
    /// The job.
    pub job: JobId,
}
crate::message!(ShowJob, "task.show");

/// A task as it is shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TaskLine {
    /// The task.
    pub task: TaskId,
    /// Where it stands.
    pub state: TaskState,
    /// How often it was announced.
    pub round: u32,
    /// Who does it, or did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent: Option<AgentId>,
    /// How far it is, in parts per million.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub done_ppm: Option<u32>,
    /// The deal that pays for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deal: Option<DealId>,
}

/// A job as those see it who have to do with it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename = "task.shown")]
pub struct JobShown {
    /// The job.
    pub job: JobId,
    /// Where it stands.
    pub state: JobState,
    /// Who submitted it.
    pub supervisor: AgentId,
    /// When it fails that is not finished, in Unix milliseconds.
    pub expires_unix_ms: i64,
    /// Its tasks, in the order in which they came.
    pub tasks: Vec<TaskLine>,
    /// The rule by which it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
    /// How many events it has.
    pub turns: u32,
}
crate::message!(JobShown, "task.shown");

/// What another task brought.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TaskInput {
    /// The task.
    pub task: TaskId,
    /// Its result.
    #[serde(with = "hash::bytes")]
    #[schemars(schema_with = "hash::bytes::schema")]
    pub result: Vec<u8>,
    /// Where it is kept, if it is large.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kept: Option<KeptResult>,
}

/// The deal that an award determines: whoever supervises the job opens it with this move and these terms.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AwardDeal {
    /// The deal.
    pub deal: DealId,
    /// The id of the move that opens it.
    pub move_id: MoveId,
    /// The exact bytes of its terms.
    #[serde(with = "hash::bytes")]
    #[schemars(schema_with = "hash::bytes::schema")]
    pub terms: Vec<u8>,
}

/// What somebody hears of a job: written in the same atomic batch as the event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename = "note.task")]
pub struct TaskNote {
    /// The job.
    pub job: JobId,
    /// What happened.
    pub event: TaskWord,
    /// The number of the event.
    pub turn: u32,
    /// When, in Unix milliseconds.
    pub at_unix_ms: i64,
    /// Who submitted the job.
    pub supervisor: AgentId,
    /// The task that it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task: Option<TaskId>,
    /// Which announcement of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub round: Option<u32>,
    /// The agent that it is about: the doer, the verifier, the gatekeeper.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent: Option<AgentId>,
    /// What is to be done or judged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub brief: Option<String>,
    /// What the tasks brought that it needs.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub inputs: Vec<TaskInput>,
    /// The result.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub result: Option<TaskInput>,
    /// The hash that a verdict on it names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub result_hash: Option<Hash>,
    /// Until when the receiver has time, in Unix milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until_unix_ms: Option<i64>,
    /// The rule that decided, a stable word.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
    /// Of an award and of a task that is done: the deal that pays for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub award: Option<AwardDeal>,
}
crate::message!(TaskNote, "note.task");

/// A task that is open to bids.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CalledTask {
    /// The task.
    pub task: TaskId,
    /// Which announcement of it.
    pub round: u32,
    /// Skills that count in favour of a bid.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub wanted: Vec<Skill>,
    /// What is to be done.
    pub brief: String,
    /// The most that it may cost, in minor units of what the job pays in, or of account.
    #[schemars(range(min = 0))]
    pub budget_minor: i64,
}

/// Tasks that are open to bids of whoever has a skill: written in the same atomic batch as the event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename = "task.call")]
pub struct TaskCall {
    /// The job.
    pub job: JobId,
    /// Who submitted it.
    pub supervisor: AgentId,
    /// The skill.
    pub skill: Skill,
    /// Until when bids are taken, in Unix milliseconds.
    pub until_unix_ms: i64,
    /// The tasks.
    pub tasks: Vec<CalledTask>,
    /// In what the job pays, if it does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pay: Option<Pay>,
}
crate::message!(TaskCall, "task.call");

/// An agent's standing as the bucket `HMS_REPUTATION` shows it, in JSON: the fold of the logs of jobs and of deals.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename = "reputation")]
pub struct Reputation {
    /// The agent.
    pub agent: AgentId,
    /// What came of its promises in jobs and in deals, in parts per billion: a half for a newcomer.
    pub reputation_ppb: u32,
    /// Promises kept: tasks done, verdicts that came out so, deliveries confirmed.
    pub kept: u64,
    /// Promises broken: results found wrong, leases run out, tasks given back, verdicts mistaken or missing, deliveries
    /// that never came.
    pub broken: u64,
    /// The last entry of `HMS_TASKS` that counts in it; 0 for none.
    pub sequence: u64,
    /// The last entry of `HMS_DEALS` that counts in it; 0 for none.
    #[serde(default)]
    pub deal_sequence: u64,
}
crate::message!(Reputation, "reputation");
