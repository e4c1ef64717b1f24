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

use crate::body::Refused;
use crate::id::{AgentId, Good, MarketId, Skill, TaskId};
use crate::limit::{
    MAX_ATTEMPTS, MAX_BRIEF_BYTES, MAX_BUDGET_MINOR, MAX_CREW, MAX_NEEDS, MAX_PANEL, MAX_SKILLS, MAX_TASKS,
    MIN_TASK_MS, PPB, PPM,
};
use crate::value::unique;

mod moves;

pub use moves::*;

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
    /// The most that it may cost, in minor units of what the job pays in, or of account.
    #[schemars(range(min = 0))]
    pub budget_minor: i64,
    /// Who judges the result; nobody does where this is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub panel: Option<Panel>,
    /// Whether a gatekeeper must approve the result before it counts.
    #[serde(default)]
    pub gate: bool,
}

/// In what a job pays: each award is a deal then.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Pay {
    /// The ledger's book.
    pub book: MarketId,
    /// The good that prices are in, in its minor units. No task is called under a skill of this name: what a worker gives
    /// in return is, in the book, one unit of its skill.
    pub good: Good,
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
    /// The least reputation to bid with, in parts per billion. A newcomer has a half, and loses an eighth of what it has
    /// with each promise that it breaks: so many come to nothing until it gets no more.
    #[serde(default = "default_least_reputation_ppb")]
    pub least_reputation_ppb: u32,
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
fn default_least_reputation_ppb() -> u32 {
    250_000_000
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
            least_reputation_ppb: default_least_reputation_ppb(),
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
        if i64::from(self.least_reputation_ppb) > PPB {
            return Err(Refused::new("rules.least_reputation_ppb", format!("at most {PPB}")));
        }
        Ok(())
    }
}

/// What is paid with cannot be what is paid for.
///
/// # Errors
/// Naming the task.
pub fn check_pay(pay: Option<&Pay>, tasks: &[Task]) -> Result<(), Refused> {
    let Some(pay) = pay else { return Ok(()) };
    match tasks.iter().position(|task| task.skill.as_str() == pay.good.as_str()) {
        Some(index) => Err(Refused::new(format!("tasks[{index}].skill"), "is what the job pays with")),
        None => Ok(()),
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
