//! Where jobs of tasks are spoken of: moves, logs, calls for bids, notes, timers.

use std::fmt;

use super::{BadSubject, ROOT, part, tokens};
use crate::id::{AgentId, JobId, Skill};

/// What an agent may say in a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TaskVerb {
    /// Submits a job.
    Submit,
    /// Adds tasks to it.
    Add,
    /// Offers to do a task.
    Bid,
    /// Gives a task back.
    Decline,
    /// Is at work.
    Progress,
    /// Hands in a result.
    Deliver,
    /// Judges a result.
    Judge,
    /// Answers at the gate.
    Answer,
    /// Ends a job.
    Cancel,
    /// Looks.
    Show,
}

impl TaskVerb {
    /// Every verb.
    pub const ALL: [Self; 10] = [
        Self::Submit,
        Self::Add,
        Self::Bid,
        Self::Decline,
        Self::Progress,
        Self::Deliver,
        Self::Judge,
        Self::Answer,
        Self::Cancel,
        Self::Show,
    ];

    /// The verb as a token.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Submit => "submit",
            Self::Add => "add",
            Self::Bid => "bid",
            Self::Decline => "decline",
            Self::Progress => "progress",
            Self::Deliver => "deliver",
            Self::Judge => "judge",
            Self::Answer => "answer",
            Self::Cancel => "cancel",
            Self::Show => "show",
        }
    }
}

impl fmt::Display for TaskVerb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// `hms.v1.task.<verb>.<agent>.<job>`: a move in a job. The agent is the claimed mover.
#[must_use]
pub fn task_move(verb: TaskVerb, agent: &AgentId, job: &JobId) -> String {
    format!("{ROOT}.task.{verb}.{agent}.{job}")
}

/// Everybody's moves of one verb: `hms.v1.task.<verb>.*.*`.
#[must_use]
pub fn all_task_moves(verb: TaskVerb) -> String {
    format!("{ROOT}.task.{verb}.*.*")
}

/// A move's verb, claimed mover and job, read from its subject.
///
/// # Errors
/// When it is no such subject.
pub fn parse_task_move(subject: &str) -> Result<(TaskVerb, AgentId, JobId), BadSubject> {
    let [verb, agent, job] = tokens(subject, &format!("{ROOT}.task."))?;
    let verb = TaskVerb::ALL
        .into_iter()
        .find(|v| v.as_str() == verb)
        .ok_or_else(|| BadSubject::new(subject, "unknown verb"))?;
    Ok((verb, part(subject, agent)?, part(subject, job)?))
}

/// `hms.v1.log.task.<job>`: what happened to a job and its tasks.
#[must_use]
pub fn task_log(job: &JobId) -> String {
    format!("{ROOT}.log.task.{job}")
}

/// Every job's log.
#[must_use]
pub fn all_task_logs() -> String {
    format!("{ROOT}.log.task.*")
}

/// The live copies of every job's log.
#[must_use]
pub fn all_live_task_logs() -> String {
    format!("{ROOT}.live.log.task.*")
}

/// The job of a job's log, or of its live copy.
///
/// # Errors
/// When it is no such subject.
pub fn parse_task_log(subject: &str) -> Result<JobId, BadSubject> {
    let stored = subject.replacen(".live.", ".", 1);
    let [job] = tokens(&stored, &format!("{ROOT}.log.task."))?;
    part(subject, job)
}

/// `hms.v1.log.call.<skill>`: tasks that are open to bids of whoever has a skill.
#[must_use]
pub fn task_call(skill: &Skill) -> String {
    format!("{ROOT}.log.call.{skill}")
}

/// `hms.v1.live.log.call.<skill>`: tasks as they are opened to bids.
#[must_use]
pub fn live_task_call(skill: &Skill) -> String {
    format!("{ROOT}.live.log.call.{skill}")
}

/// `hms.v1.note.task.<agent>`: what an agent must hear of a job.
#[must_use]
pub fn task_note(agent: &AgentId) -> String {
    format!("{ROOT}.note.task.{agent}")
}

/// `hms.v1.timer.task.<job>`: where a job's timer is armed.
#[must_use]
pub fn task_timer(job: &JobId) -> String {
    format!("{ROOT}.timer.task.{job}")
}

/// `hms.v1.timer.due.task.<job>`: where it fires to.
#[must_use]
pub fn task_timer_due(job: &JobId) -> String {
    format!("{ROOT}.timer.due.task.{job}")
}

/// Every job's timer that fires.
#[must_use]
pub fn all_task_timers_due() -> String {
    format!("{ROOT}.timer.due.task.*")
}

/// The job of a timer that fired.
///
/// # Errors
/// When it is no such subject.
pub fn parse_task_timer_due(subject: &str) -> Result<JobId, BadSubject> {
    let [job] = tokens(subject, &format!("{ROOT}.timer.due.task."))?;
    part(subject, job)
}
