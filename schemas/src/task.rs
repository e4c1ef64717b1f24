//! Working together: a job is tasks that depend on each other, and what agents say about them.
//!
//! A supervisor submits a job. Each task is announced once what it needs is done, goes to whoever bids best, is held
//! under a lease, and what is delivered is judged by others than the doer. What happened to a job stands in one log,
//! `hms.v1.log.task.<job>`: one log, because "not before what it needs is done" is a rule over several tasks, and a log
//! is what a compare-and-set holds together.
//!
//! Bids, results, verdicts and answers are signed moves, and stand in the log as the causes of its events, so the
//! events don't repeat what they say.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::body::{self, DecodeError, Message, Refused};
use crate::deal::check_text;
use crate::hash::{self, Hash};
use crate::id::{AgentId, JobId, MoveId, Skill, TaskId};
use crate::job::ShowJob;
use crate::limit::{
    MAX_ATTEMPTS, MAX_BODY_BYTES, MAX_BRIEF_BYTES, MAX_BUDGET_MINOR, MAX_CREW, MAX_NEEDS, MAX_PANEL, MAX_RESULT_BYTES,
    MAX_SKILLS, MAX_TASKS, MIN_TASK_MS, PPM,
};
use crate::subject::TaskVerb;
use crate::value::unique;

/// How many must find a result right.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Panel {
    /// How many are asked at first.
    pub asked: u32,
    /// By how many verdicts one side must lead.
    pub lead: u32,
}

/// One task of a job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Task {
    /// Its name, unique in its job.
    pub task: TaskId,
    /// Tasks that must be done before it is announced.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub needs: Vec<TaskId>,
    /// What whoever does it must be able to do; it is called on a subject of this name.
    pub skill: Skill,
    /// Skills that count in favour of a bid.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub wanted: Vec<Skill>,
    /// What is to be done, in whatever words doer and verifiers understand.
    pub brief: String,
    /// The most that it may cost, in minor units of account.
    #[schemars(range(min = 0))]
    pub budget_minor: i64,
    /// Who judges the result; nobody does where this is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub panel: Option<Panel>,
    /// Whether a gatekeeper must approve the result before it counts.
    #[serde(default)]
    pub gate: bool,
}

/// How long things may take in a job, and what counts in an award.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct JobRules {
    /// How long bids are taken, in milliseconds; longer each time that nobody bids.
    #[serde(default = "default_bid_ms")]
    pub bid_ms: u32,
    /// With so many bids the award is made at once.
    #[serde(default = "default_enough_bids")]
    pub enough_bids: u32,
    /// How long a worker may be silent, in milliseconds.
    #[serde(default = "default_lease_ms")]
    pub lease_ms: u32,
    /// How long a worker has in all, in milliseconds.
    #[serde(default = "default_work_ms")]
    pub work_ms: u32,
    /// How long a verifier has, in milliseconds.
    #[serde(default = "default_judge_ms")]
    pub judge_ms: u32,
    /// How long the gate waits, in milliseconds. Silence is no.
    #[serde(default = "default_gate_ms")]
    pub gate_ms: u32,
    /// How often a task may come to nothing until the job fails.
    #[serde(default = "default_attempts")]
    pub attempts: u32,
    /// What a low price counts in an award, in parts per million; the three together make a million.
    #[serde(default = "default_price_ppm")]
    pub price_ppm: u32,
    /// What the bidder's reputation counts.
    #[serde(default = "default_reputation_ppm")]
    pub reputation_ppm: u32,
    /// What the share of wanted skills counts.
    #[serde(default = "default_skills_ppm")]
    pub skills_ppm: u32,
}

fn default_bid_ms() -> u32 {
    1_000
}
fn default_enough_bids() -> u32 {
    5
}
fn default_lease_ms() -> u32 {
    10_000
}
fn default_work_ms() -> u32 {
    600_000
}
fn default_judge_ms() -> u32 {
    30_000
}
fn default_gate_ms() -> u32 {
    86_400_000
}
fn default_attempts() -> u32 {
    10
}
fn default_price_ppm() -> u32 {
    400_000
}
fn default_reputation_ppm() -> u32 {
    400_000
}
fn default_skills_ppm() -> u32 {
    200_000
}

impl Default for JobRules {
    fn default() -> Self {
        Self {
            bid_ms: default_bid_ms(),
            enough_bids: default_enough_bids(),
            lease_ms: default_lease_ms(),
            work_ms: default_work_ms(),
            judge_ms: default_judge_ms(),
            gate_ms: default_gate_ms(),
            attempts: default_attempts(),
            price_ppm: default_price_ppm(),
            reputation_ppm: default_reputation_ppm(),
            skills_ppm: default_skills_ppm(),
        }
    }
}

impl JobRules {
    fn check(&self) -> Result<(), Refused> {
        let times = [
            ("bid_ms", self.bid_ms),
            ("lease_ms", self.lease_ms),
            ("work_ms", self.work_ms),
            ("judge_ms", self.judge_ms),
            ("gate_ms", self.gate_ms),
        ];
        if let Some((name, _)) = times.iter().find(|(_, ms)| *ms < MIN_TASK_MS) {
            return Err(Refused::new(format!("rules.{name}"), format!("at least {MIN_TASK_MS} ms")));
        }
        if self.enough_bids == 0 {
            return Err(Refused::new("rules.enough_bids", "must be positive"));
        }
        if !(1..=MAX_ATTEMPTS).contains(&self.attempts) {
            return Err(Refused::new("rules.attempts", format!("1 to {MAX_ATTEMPTS}")));
        }
        let sum = [self.price_ppm, self.reputation_ppm, self.skills_ppm].into_iter().map(i64::from).sum::<i64>();
        if sum != PPM {
            return Err(Refused::new("rules.price_ppm", "the three weights must make a million"));
        }
        Ok(())
    }
}

fn check_tasks(tasks: &[Task]) -> Result<(), Refused> {
    if tasks.len() > MAX_TASKS {
        return Err(Refused::new("tasks", format!("at most {MAX_TASKS} tasks")));
    }
    unique(tasks.iter().map(|task| &task.task), "tasks")?;
    tasks.iter().enumerate().try_for_each(|(index, task)| check_task(task, &format!("tasks[{index}]")))
}

fn check_task(task: &Task, place: &str) -> Result<(), Refused> {
    let at = |field: &str| format!("{place}.{field}");
    if task.needs.len() > MAX_NEEDS {
        return Err(Refused::new(at("needs"), format!("at most {MAX_NEEDS}")));
    }
    unique(task.needs.iter(), &at("needs"))?;
    if task.needs.contains(&task.task) {
        return Err(Refused::new(at("needs"), "needs itself"));
    }
    check_skills(&task.wanted, &at("wanted"))?;
    if task.brief.len() > MAX_BRIEF_BYTES {
        return Err(Refused::new(at("brief"), format!("at most {MAX_BRIEF_BYTES} bytes")));
    }
    check_money(task.budget_minor, &at("budget_minor"))?;
    match task.panel {
        Some(panel) if !(1..=MAX_PANEL).contains(&panel.asked) => {
            Err(Refused::new(at("panel.asked"), format!("1 to {MAX_PANEL}")))
        }
        Some(panel) if !(1..=panel.asked).contains(&panel.lead) => {
            Err(Refused::new(at("panel.lead"), "1 to as many as are asked"))
        }
        _ => Ok(()),
    }
}

fn check_money(minor: i64, field: &str) -> Result<(), Refused> {
    if (0..=MAX_BUDGET_MINOR).contains(&minor) {
        Ok(())
    } else {
        Err(Refused::new(field, format!("0 to {MAX_BUDGET_MINOR}")))
    }
}

fn check_skills(skills: &[Skill], field: &str) -> Result<(), Refused> {
    if skills.len() > MAX_SKILLS {
        return Err(Refused::new(field, format!("at most {MAX_SKILLS}")));
    }
    unique(skills.iter(), field)
}

fn check_crew(agents: &[AgentId], field: &str) -> Result<(), Refused> {
    if agents.len() > MAX_CREW {
        return Err(Refused::new(field, format!("at most {MAX_CREW} agents")));
    }
    if !agents.is_sorted_by(|a, b| a < b) {
        return Err(Refused::new(field, "must be sorted, each once"));
    }
    Ok(())
}

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
}
crate::message!(SubmitJob, "task.submit", |submit| {
    check_tasks(&submit.tasks)?;
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
    /// For how much, in minor units of account.
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
