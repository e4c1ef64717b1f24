//! `hms gate`: what waits for a human's yes. Silence is no.

use clap::{Args, Subcommand};
use mac::{Job, Phase, Slot, panel::Verdict};
use schemas::{
    AgentId, JobId, TaskId,
    job::JobState,
    task::{AnswerGate, TaskMove},
};
use serde_json::{Value, json};

use super::task::{deadline_unix_ms, state_after, told};
use crate::{
    bus::BusArgs,
    command::on_runtime,
    exit::{Exit, Outcome, Stop},
    jobs::{self, Jobs},
    output,
};

/// Look at what waits at the gate, and answer
#[derive(Debug, Subcommand)]
#[command(after_help = "Examples:\n  hms gate list\n  hms gate approve sjbpl4ndpc3hlwq2enbzsc5rtm report --as kenya")]
pub enum Gate {
    List(List),
    Show(Show),
    Approve(Approve),
    Reject(Reject),
}

/// List results that wait for an answer, over all jobs
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  hms gate list\n  hms gate list --for kenya --json")]
pub struct List {
    /// Only those that this agent may answer
    #[arg(long = "for", value_name = "AGENT")]
    gatekeeper: Option<AgentId>,
    #[command(flatten)]
    bus: BusArgs,
    /// Print JSON, one object a line
    #[arg(long)]
    json: bool,
}

/// Show a result that waits, what it is a result of, and what its verifiers said
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  hms gate show sjbpl4ndpc3hlwq2enbzsc5rtm report")]
pub struct Show {
    /// The job's id
    job: JobId,
    /// The task
    task: TaskId,
    #[command(flatten)]
    bus: BusArgs,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// What both answers say.
#[derive(Args, Debug)]
pub struct Answer {
    /// The job's id
    job: JobId,
    /// The task
    task: TaskId,
    /// Who answers, with its key in DIR
    #[arg(long = "as", value_name = "AGENT")]
    gatekeeper: AgentId,
    /// Why
    #[arg(long, default_value = "")]
    reason: String,
    #[command(flatten)]
    bus: BusArgs,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Let a result count
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  hms gate approve sjbpl4ndpc3hlwq2enbzsc5rtm report --as kenya")]
pub struct Approve {
    #[command(flatten)]
    answer: Answer,
}

/// Refuse a result: of a split panel it is done again, else the job fails
#[derive(Args, Debug)]
#[command(
    after_help = "Example:\n  hms gate reject sjbpl4ndpc3hlwq2enbzsc5rtm report --as kenya --reason 'wrong year'"
)]
pub struct Reject {
    #[command(flatten)]
    answer: Answer,
}

impl Gate {
    pub fn run(self) -> Outcome {
        match self {
            Self::List(list) => on_runtime(list.run()),
            Self::Show(show) => on_runtime(show.run()),
            Self::Approve(Approve { answer }) => on_runtime(answer.send(true)),
            Self::Reject(Reject { answer }) => on_runtime(answer.send(false)),
        }
    }
}

impl List {
    async fn run(self) -> Outcome {
        let jobs = Jobs::of(self.bus.connect().await?).await?;
        let mut rows = Vec::new();
        for entry in jobs.last().await? {
            if state_after(entry.event.what) != JobState::Running {
                continue;
            }
            let job = jobs.job(&entry.event.job).await?;
            if self.gatekeeper.as_ref().is_some_and(|agent| job.gatekeepers.binary_search(agent).is_err()) {
                continue;
            }
            for slot in &job.tasks {
                let Phase::Gated { until_unix_ms, split } = slot.phase else { continue };
                let why = if split { "split panel" } else { "asked" };
                let doer = slot.doer().map_or_else(|| "-".to_owned(), ToString::to_string);
                if self.json {
                    output::json(&as_json(&job, slot))?;
                } else {
                    let (id, task) = (job.id.to_string(), slot.spec.task.to_string());
                    rows.push([id, task, why.to_owned(), doer, output::time(until_unix_ms)]);
                }
            }
        }
        if self.json { Ok(()) } else { output::table(["JOB", "TASK", "WHY", "DOER", "UNTIL"], rows, "nothing waits") }
    }
}

impl Show {
    async fn run(self) -> Outcome {
        let job = Jobs::of(self.bus.connect().await?).await?.job(&self.job).await?;
        let slot = waiting(&job, &self.task)?;
        if self.json {
            return output::json(&as_json(&job, slot));
        }
        let keepers: Vec<String> = job.gatekeepers.iter().map(ToString::to_string).collect();
        output::line(format_args!("task     {} of {}, for {}", slot.spec.task, job.id, job.supervisor))?;
        output::line(format_args!("brief    {}", slot.spec.brief))?;
        for input in job.inputs(slot) {
            output::line(format_args!("input    {}: {}", input.task, readable(&input.result)))?;
        }
        if let Some(result) = &slot.result {
            output::line(format_args!("result   {} (by {})", readable(&result.result), result.by))?;
        }
        for (agent, verdict) in &slot.panel {
            output::line(format_args!("verdict  {agent}: {}", in_words(*verdict)))?;
        }
        output::line(format_args!("answers  {}", keepers.join(", ")))
    }
}

impl Answer {
    async fn send(self, approve: bool) -> Outcome {
        let port = self.bus.connect().await?;
        let job = Jobs::of(port.clone()).await?.job(&self.job).await?;
        let slot = waiting(&job, &self.task)?;
        let result_hash = slot.result.as_ref().map_or(schemas::Hash::ZERO, |result| result.hash);
        let now_unix_ms = port.now_unix_ms();
        let parts: [&[u8]; 3] = [self.gatekeeper.as_str().as_bytes(), result_hash.as_bytes(), &[u8::from(approve)]];
        let ask = TaskMove::Answer(AnswerGate {
            move_id: jobs::once(&parts, now_unix_ms)?,
            deadline_unix_ms: deadline_unix_ms(now_unix_ms),
            job: self.job.clone(),
            task: self.task,
            result_hash,
            approve,
            reason: self.reason,
        });
        let body = jobs::send(port.as_ref(), &self.bus.dir.keys(), &self.gatekeeper, &self.job, &ask).await?;
        told(&body, self.json)
    }
}

fn waiting<'a>(job: &'a Job, task: &TaskId) -> Outcome<&'a Slot> {
    let slot = job.task(task).ok_or_else(|| Stop::say(Exit::Bad, format_args!("the job has no task {task}")))?;
    match slot.phase {
        Phase::Gated { .. } => Ok(slot),
        _ => Err(Stop::say(Exit::Bad, format_args!("{task} does not wait at the gate: it is {}", slot.state()))),
    }
}

fn as_json(job: &Job, slot: &Slot) -> Value {
    let (until_unix_ms, split) = match slot.phase {
        Phase::Gated { until_unix_ms, split } => (Some(until_unix_ms), split),
        _ => (None, false),
    };
    let verdicts: Vec<Value> =
        slot.panel.iter().map(|(agent, verdict)| json!({ "agent": agent, "verdict": in_words(*verdict) })).collect();
    let result = slot.result.as_ref();
    json!({
        "job": job.id, "task": slot.spec.task, "supervisor": job.supervisor, "brief": slot.spec.brief,
        "split": split, "until_unix_ms": until_unix_ms, "doer": slot.doer(), "gatekeepers": job.gatekeepers,
        "result": result.map(|result| readable(&result.result)), "kept": result.and_then(|result| result.kept.as_ref()),
        "result_hash": result.map(|result| result.hash.to_string()), "verdicts": verdicts,
    })
}

fn in_words(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Awaited => "awaited",
        Verdict::Right => "right",
        Verdict::Wrong => "wrong",
        Verdict::Silent => "silent",
    }
}

/// A result as text where it is some, else in hexadecimal.
fn readable(bytes: &[u8]) -> String {
    match std::str::from_utf8(bytes) {
        Ok(text) if !text.chars().any(|c| c.is_control() && c != '\n' && c != '\t') => text.to_owned(),
        _ => data_encoding::HEXLOWER.encode(bytes),
    }
}
