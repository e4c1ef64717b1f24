//! What agents say in a job: signed moves, each with an id that makes asking again safe.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{JobRules, Pay, Task, check_crew, check_money, check_pay, check_skills, check_tasks};
use crate::body::{self, DecodeError, Message, Refused};
use crate::deal::check_text;
use crate::hash::{self, Hash};
use crate::id::{AgentId, DealId, JobId, MoveId, Skill, TaskId};
use crate::job::ShowJob;
use crate::limit::{MAX_BODY_BYTES, MAX_RESULT_BYTES, PPM};
use crate::subject::TaskVerb;

/// Submits a job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename = "task.submit")]
pub struct SubmitJob {
    /// Makes asking again safe; with the supervisor it makes the job's id.
    pub move_id: MoveId,
    /// Not to be decided after this time, in Unix milliseconds.
    pub deadline_unix_ms: i64,
    /// Its tasks.
    pub tasks: Vec<Task>,
    /// Who may be asked to judge results, sorted, each once.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub verifiers: Vec<AgentId>,
    /// Who answers at the gate, sorted, each once.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub gatekeepers: Vec<AgentId>,
    /// How long things may take, and what counts in an award.
    #[serde(default)]
    pub rules: JobRules,
    /// When the job fails that is not finished, in Unix milliseconds.
    pub expires_unix_ms: i64,
    /// Whether tasks may still be added; a job without more ends when all its tasks are done.
    #[serde(default)]
    pub more: bool,
    /// In what it pays; without it, an award is a promise and nothing is posted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pay: Option<Pay>,
}
crate::message!(SubmitJob, "task.submit", |submit| {
    check_tasks(&submit.tasks)?;
    check_pay(submit.pay.as_ref(), &submit.tasks)?;
    if submit.tasks.is_empty() && !submit.more {
        return Err(Refused::new("tasks", "a job without tasks, and no more to come"));
    }
    check_crew(&submit.verifiers, "verifiers")?;
    check_crew(&submit.gatekeepers, "gatekeepers")?;
    submit.rules.check()
});

/// Adds tasks to a job that runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename = "task.add")]
pub struct AddTasks {
    /// Makes asking again safe.
    pub move_id: MoveId,
    /// Not to be decided after this time, in Unix milliseconds.
    pub deadline_unix_ms: i64,
    /// The job.
    pub job: JobId,
    /// The tasks.
    pub tasks: Vec<Task>,
    /// The task that they are parts of: it is announced only after they are done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub part_of: Option<TaskId>,
    /// Whether more may come after them.
    #[serde(default)]
    pub more: bool,
}
crate::message!(AddTasks, "task.add", |add| {
    check_tasks(&add.tasks)?;
    if add.tasks.is_empty() && add.more { Err(Refused::new("tasks", "adds nothing")) } else { Ok(()) }
});

/// Offers to do a task.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename = "task.bid")]
pub struct BidTask {
    /// Makes asking again safe.
    pub move_id: MoveId,
    /// Not to be decided after this time, in Unix milliseconds.
    pub deadline_unix_ms: i64,
    /// The job.
    pub job: JobId,
    /// The task.
    pub task: TaskId,
    /// Which announcement it answers; the first is 1.
    pub round: u32,
    /// For how much, in minor units of what the job pays in, or of account.
    #[schemars(range(min = 0))]
    pub price_minor: i64,
    /// What the bidder says it can do.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub skills: Vec<Skill>,
}
crate::message!(BidTask, "task.bid", |bid| {
    check_money(bid.price_minor, "price_minor")?;
    check_skills(&bid.skills, "skills")
});

/// Gives a task back that one was awarded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename = "task.decline")]
pub struct DeclineTask {
    /// Makes asking again safe.
    pub move_id: MoveId,
    /// Not to be decided after this time, in Unix milliseconds.
    pub deadline_unix_ms: i64,
    /// The job.
    pub job: JobId,
    /// The task.
    pub task: TaskId,
    /// Which announcement.
    pub round: u32,
    /// Why.
    pub reason: String,
    /// The deal that was to pay for it, where that came to nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deal: Option<DealId>,
}
crate::message!(DeclineTask, "task.decline", |decline| check_text(&decline.reason, "reason"));

/// Says that one is at work, and how far: renews the lease.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename = "task.progress")]
pub struct ReportProgress {
    /// Makes asking again safe.
    pub move_id: MoveId,
    /// Not to be decided after this time, in Unix milliseconds.
    pub deadline_unix_ms: i64,
    /// The job.
    pub job: JobId,
    /// The task.
    pub task: TaskId,
    /// Which announcement.
    pub round: u32,
    /// How far it is, in parts per million.
    pub done_ppm: u32,
}
crate::message!(ReportProgress, "task.progress", |progress| {
    if i64::from(progress.done_ppm) > PPM { Err(Refused::new("done_ppm", format!("at most {PPM}"))) } else { Ok(()) }
});

/// An object of the bus's object store that holds a result.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct KeptResult {
    /// The bucket.
    pub bucket: String,
    /// The object's name there.
    pub name: String,
    /// Its size, in bytes.
    pub size_bytes: u64,
    /// Its SHA-256.
    pub hash: Hash,
}

impl KeptResult {
    fn check(kept: Option<&Self>, place: &str) -> Result<(), Refused> {
        let Some(kept) = kept else { return Ok(()) };
        check_text(&kept.bucket, &format!("{place}.bucket"))?;
        check_text(&kept.name, &format!("{place}.name"))
    }
}

/// Hands in a result.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename = "task.deliver")]
pub struct DeliverTask {
    /// Makes asking again safe.
    pub move_id: MoveId,
    /// Not to be decided after this time, in Unix milliseconds.
    pub deadline_unix_ms: i64,
    /// The job.
    pub job: JobId,
    /// The task.
    pub task: TaskId,
    /// Which announcement.
    pub round: u32,
    /// The result, or what is to be said of one that is kept elsewhere.
    #[serde(with = "hash::bytes")]
    #[schemars(schema_with = "hash::bytes::schema")]
    pub result: Vec<u8>,
    /// Where a large result is kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kept: Option<KeptResult>,
}
crate::message!(DeliverTask, "task.deliver", |deliver| {
    if deliver.result.len() > MAX_RESULT_BYTES {
        return Err(Refused::new("result", format!("at most {MAX_RESULT_BYTES} bytes")));
    }
    KeptResult::check(deliver.kept.as_ref(), "kept")
});

/// A verifier's verdict on a result.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename = "task.judge")]
pub struct JudgeTask {
    /// Makes asking again safe.
    pub move_id: MoveId,
    /// Not to be decided after this time, in Unix milliseconds.
    pub deadline_unix_ms: i64,
    /// The job.
    pub job: JobId,
    /// The task.
    pub task: TaskId,
    /// SHA-256 of the body of the move that delivered the result.
    pub result_hash: Hash,
    /// Whether it is right.
    pub right: bool,
    /// Why.
    pub reason: String,
}
crate::message!(JudgeTask, "task.judge", |judge| check_text(&judge.reason, "reason"));

/// A gatekeeper's answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename = "task.answer")]
pub struct AnswerGate {
    /// Makes asking again safe.
    pub move_id: MoveId,
    /// Not to be decided after this time, in Unix milliseconds.
    pub deadline_unix_ms: i64,
    /// The job.
    pub job: JobId,
    /// The task.
    pub task: TaskId,
    /// SHA-256 of the body of the move that delivered the result.
    pub result_hash: Hash,
    /// Whether the result may count.
    pub approve: bool,
    /// Why.
    pub reason: String,
}
crate::message!(AnswerGate, "task.answer", |answer| check_text(&answer.reason, "reason"));

/// Ends an own job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename = "task.cancel")]
pub struct CancelJob {
    /// Makes asking again safe.
    pub move_id: MoveId,
    /// Not to be decided after this time, in Unix milliseconds.
    pub deadline_unix_ms: i64,
    /// The job.
    pub job: JobId,
    /// Why.
    pub reason: String,
}
crate::message!(CancelJob, "task.cancel", |cancel| check_text(&cancel.reason, "reason"));

/// Any move in a job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TaskMove {
    /// See [`SubmitJob`].
    Submit(SubmitJob),
    /// See [`AddTasks`].
    Add(AddTasks),
    /// See [`BidTask`].
    Bid(BidTask),
    /// See [`DeclineTask`].
    Decline(DeclineTask),
    /// See [`ReportProgress`].
    Progress(ReportProgress),
    /// See [`DeliverTask`].
    Deliver(DeliverTask),
    /// See [`JudgeTask`].
    Judge(JudgeTask),
    /// See [`AnswerGate`].
    Answer(AnswerGate),
    /// See [`CancelJob`].
    Cancel(CancelJob),
}

macro_rules! each_move {
    ($self:expr, $m:ident => $what:expr) => {
        match $self {
            TaskMove::Submit($m) => $what,
            TaskMove::Add($m) => $what,
            TaskMove::Bid($m) => $what,
            TaskMove::Decline($m) => $what,
            TaskMove::Progress($m) => $what,
            TaskMove::Deliver($m) => $what,
            TaskMove::Judge($m) => $what,
            TaskMove::Answer($m) => $what,
            TaskMove::Cancel($m) => $what,
        }
    };
}

impl TaskMove {
    /// Reads the move that `verb` announces.
    ///
    /// # Errors
    /// See [`body::decode`].
    pub fn decode(verb: TaskVerb, bytes: &[u8]) -> Result<Self, DecodeError> {
        fn read<T: Message>(bytes: &[u8], wrap: fn(T) -> TaskMove) -> Result<TaskMove, DecodeError> {
            body::decode(bytes, MAX_BODY_BYTES).map(wrap)
        }
        match verb {
            TaskVerb::Submit => read(bytes, Self::Submit),
            TaskVerb::Add => read(bytes, Self::Add),
            TaskVerb::Bid => read(bytes, Self::Bid),
            TaskVerb::Decline => read(bytes, Self::Decline),
            TaskVerb::Progress => read(bytes, Self::Progress),
            TaskVerb::Deliver => read(bytes, Self::Deliver),
            TaskVerb::Judge => read(bytes, Self::Judge),
            TaskVerb::Answer => read(bytes, Self::Answer),
            TaskVerb::Cancel => read(bytes, Self::Cancel),
            TaskVerb::Show => Err(DecodeError::NotUnderstood { expected: "a move".into(), got: ShowJob::TYPE.into() }),
        }
    }

    /// The verb that announces it.
    #[must_use]
    pub fn verb(&self) -> TaskVerb {
        match self {
            Self::Submit(_) => TaskVerb::Submit,
            Self::Add(_) => TaskVerb::Add,
            Self::Bid(_) => TaskVerb::Bid,
            Self::Decline(_) => TaskVerb::Decline,
            Self::Progress(_) => TaskVerb::Progress,
            Self::Deliver(_) => TaskVerb::Deliver,
            Self::Judge(_) => TaskVerb::Judge,
            Self::Answer(_) => TaskVerb::Answer,
            Self::Cancel(_) => TaskVerb::Cancel,
        }
    }

    /// The move's id.
    #[must_use]
    pub fn move_id(&self) -> &MoveId {
        each_move!(self, m => &m.move_id)
    }

    /// Not to be decided after this time, in Unix milliseconds.
    #[must_use]
    pub fn deadline_unix_ms(&self) -> i64 {
        each_move!(self, m => m.deadline_unix_ms)
    }

    /// The body's `type` and bytes.
    #[must_use]
    pub fn encode(&self) -> (&'static str, Vec<u8>) {
        fn written<T: Message>(message: &T) -> (&'static str, Vec<u8>) {
            (T::TYPE, body::encode(message))
        }
        each_move!(self, m => written(m))
    }

    /// The job that the body names; a submission names none.
    #[must_use]
    pub fn job(&self) -> Option<&JobId> {
        match self {
            Self::Submit(_) => None,
            Self::Add(m) => Some(&m.job),
            Self::Bid(m) => Some(&m.job),
            Self::Decline(m) => Some(&m.job),
            Self::Progress(m) => Some(&m.job),
            Self::Deliver(m) => Some(&m.job),
            Self::Judge(m) => Some(&m.job),
            Self::Answer(m) => Some(&m.job),
            Self::Cancel(m) => Some(&m.job),
        }
    }
}
