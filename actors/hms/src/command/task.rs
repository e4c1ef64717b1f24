//! `hms task`: jobs of tasks, as their logs tell of them, and submitting one.

use std::{collections::BTreeMap, path::PathBuf};

use clap::{Args, Subcommand};
use mac::{Entry, Slot};
use schemas::{
    AgentId, JobId,
    body::{decode, to_json},
    job::{JobState, TaskMoved, TaskWord},
    limit::MAX_CLEARING_BODY_BYTES,
    task::{CancelJob, SubmitJob, TaskMove},
};
use serde_json::{Value, json};

use crate::{
    bus::BusArgs,
    command::{on_runtime, verify_job},
    evidence::Evidence,
    exit::{Exit, OrExit, Outcome, Stop},
    input,
    jobs::{self, Jobs},
    output, request,
};

/// How long a job may take that says nothing of it, in milliseconds.
const EXPIRES_MS: i64 = 60 * 60 * 1000;

/// List, show and submit jobs that agents do together
#[derive(Debug, Subcommand)]
#[command(after_help = "Examples:\n  hms task list\n  hms task submit job.json --as kenya")]
pub enum Task {
    List(List),
    Show(Show),
    Log(Log),
    Verify(verify_job::Verify),
    Submit(Submit),
    Cancel(Cancel),
}

/// List jobs, the one that moved last at the end
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  hms task list\n  hms task list --json | jq -r .job")]
pub struct List {
    #[command(flatten)]
    bus: BusArgs,
    /// Print JSON, one object a line
    #[arg(long)]
    json: bool,
}

/// Show where a job and its tasks stand
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  hms task show sjbpl4ndpc3hlwq2enbzsc5rtm")]
pub struct Show {
    /// The job's id
    job: JobId,
    #[command(flatten)]
    bus: BusArgs,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Show what happened in a job, event by event
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  hms task log sjbpl4ndpc3hlwq2enbzsc5rtm
  hms task log sjbpl4ndpc3hlwq2enbzsc5rtm --raw > job.jsonl && hms task verify --from job.jsonl")]
pub struct Log {
    /// The job's id
    job: JobId,
    #[command(flatten)]
    bus: BusArgs,
    /// Print JSON, one event a line
    #[arg(long)]
    json: bool,
    /// Print what was stored, exact bytes in hexadecimal, with the key history of everyone who signed and the logs of the
    /// deals that were to pay: all that `hms task verify --from` needs, anywhere and without a bus
    #[arg(long, conflicts_with = "json")]
    raw: bool,
}

/// Submit a job, signed with the key of its supervisor
///
/// The file is a body of type `task.submit`; `move_id`, `deadline_unix_ms` and `expires_unix_ms` (an hour) are filled in.
/// The supervisor must be registered: `hms call registry.register --as kenya`.
#[derive(Args, Debug)]
#[command(after_help = r#"Examples:
  hms task submit job.json --as kenya
  echo '{"tasks":[{"task":"sum","skill":"add","brief":"1+1","budget_minor":10}]}' | hms task submit - --as kenya"#)]
pub struct Submit {
    /// The job as JSON; `-` is standard input
    file: PathBuf,
    /// Its supervisor, whose key is in DIR
    #[arg(long = "as", value_name = "AGENT")]
    supervisor: AgentId,
    #[command(flatten)]
    bus: BusArgs,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// End an own job
#[derive(Args, Debug)]
#[command(
    after_help = "Example:\n  hms task cancel sjbpl4ndpc3hlwq2enbzsc5rtm --as kenya --reason 'not needed any more'"
)]
pub struct Cancel {
    /// The job's id
    job: JobId,
    /// Its supervisor, whose key is in DIR
    #[arg(long = "as", value_name = "AGENT")]
    supervisor: AgentId,
    /// Why
    #[arg(long, default_value = "")]
    reason: String,
    #[command(flatten)]
    bus: BusArgs,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl Task {
    pub fn run(self) -> Outcome {
        match self {
            Self::List(list) => on_runtime(list.run()),
            Self::Show(show) => on_runtime(show.run()),
            Self::Log(log) => on_runtime(log.run()),
            Self::Verify(verify) => verify.run(),
            Self::Submit(submit) => on_runtime(submit.run()),
            Self::Cancel(cancel) => on_runtime(cancel.run()),
        }
    }
}

/// Where a job stands whose log ends so.
pub fn state_after(last: TaskWord) -> JobState {
    match last {
        TaskWord::Finished => JobState::Finished,
        TaskWord::Failed => JobState::Failed,
        TaskWord::Cancelled => JobState::Cancelled,
        _ => JobState::Running,
    }
}

impl List {
    async fn run(self) -> Outcome {
        let jobs = Jobs::of(self.bus.connect().await?).await?;
        let mut rows = Vec::new();
        for Entry { event, .. } in jobs.last().await? {
            let (state, events) = (state_after(event.what), event.turn.saturating_add(1));
            if self.json {
                output::json(&json!({
                    "job": event.job, "state": state, "events": events, "last": event.what, "at_unix_ms": event.at_unix_ms,
                }))?;
            } else {
                let at = output::time(event.at_unix_ms);
                rows.push([event.job.to_string(), state.to_string(), events.to_string(), event.what.to_string(), at]);
            }
        }
        if self.json { Ok(()) } else { output::table(["JOB", "STATE", "EVENTS", "LAST", "AT"], rows, "no jobs") }
    }
}

impl Show {
    async fn run(self) -> Outcome {
        let job = Jobs::of(self.bus.connect().await?).await?.job(&self.job).await?;
        if self.json {
            return output::json(&serde_json::to_value(job.show()).or_exit(Exit::Bad)?);
        }
        let state = match &job.rule {
            Some(rule) => format!("{} by rule {rule}", job.state),
            None => job.state.to_string(),
        };
        output::line(format_args!("job         {}", job.id))?;
        output::line(format_args!("state       {state}, {} events", job.turns))?;
        output::line(format_args!("supervisor  {}", job.supervisor))?;
        output::line(format_args!("expires     {}", output::time(job.expires_unix_ms)))?;
        if let Some(pay) = &job.pay {
            output::line(format_args!("pays        in {}, book {}", pay.good, pay.book))?;
        }
        let mut counts = BTreeMap::new();
        for slot in &job.tasks {
            *counts.entry(slot.state().as_str()).or_insert(0_usize) += 1;
        }
        let counts: Vec<String> = counts.iter().map(|(state, count)| format!("{count} {state}")).collect();
        output::line(format_args!("tasks       {}", counts.join(", ")))?;
        let row = |slot: &Slot| {
            let agent = slot.doer().map_or_else(|| "-".to_owned(), ToString::to_string);
            let deal = slot.deal_id().map_or_else(|| "-".to_owned(), ToString::to_string);
            let needs: Vec<String> = slot.spec.needs.iter().map(ToString::to_string).collect();
            [slot.spec.task.to_string(), slot.state().to_string(), slot.round.to_string(), agent, deal, needs.join(" ")]
        };
        let rows = job.tasks.iter().map(row).collect();
        output::table(["TASK", "STATE", "ROUND", "AGENT", "DEAL", "NEEDS"], rows, "no tasks yet")
    }
}

impl Log {
    async fn run(self) -> Outcome {
        let port = self.bus.connect().await?;
        if self.raw {
            let evidence = Evidence::of_job(port.as_ref(), &self.job).await?;
            if evidence.jobs.is_empty() {
                return Err(jobs::unknown(&self.job));
            }
            return evidence.lines().try_for_each(output::line);
        }
        let entries = Jobs::of(port).await?.entries(&self.job).await?;
        let mut rows = Vec::new();
        for Entry { event, bytes, .. } in entries {
            if self.json {
                output::json(&to_json(&bytes, MAX_CLEARING_BODY_BYTES).or_exit(Exit::Bad)?)?;
                continue;
            }
            let tasks: Vec<String> = event.tasks.iter().map(ToString::to_string).collect();
            let agent = event.agent.map_or_else(|| "-".to_owned(), |agent| agent.to_string());
            let more: Vec<String> =
                event.rule.into_iter().chain(event.verifiers.iter().map(ToString::to_string)).collect();
            let (turn, at) = (event.turn.to_string(), output::time(event.at_unix_ms));
            rows.push([turn, at, event.what.to_string(), shortened(&tasks), agent, more.join(" ")]);
        }
        if self.json {
            Ok(())
        } else {
            output::table(["TURN", "AT", "EVENT", "TASKS", "AGENT", "MORE"], rows, "nothing happened")
        }
    }
}

fn shortened(tasks: &[String]) -> String {
    const SHOWN: usize = 4;
    match tasks.get(..SHOWN) {
        Some(first) if tasks.len() > SHOWN => format!("{} and {} more", first.join(" "), tasks.len() - SHOWN),
        _ => tasks.join(" "),
    }
}

impl Submit {
    async fn run(self) -> Outcome {
        let at = |stop: Stop| stop.while_doing(self.file.display());
        let mut fields = match input::json(&input::text(&self.file)?).or_exit(Exit::Input).map_err(at)? {
            Value::Object(fields) => fields,
            _ => return Err(at(Stop::say(Exit::Input, "a job is a JSON object"))),
        };
        let port = self.bus.connect().await?;
        let now_unix_ms = port.now_unix_ms();
        let written = Value::from(fields.clone()).to_string();
        let move_id = jobs::once(&[self.supervisor.as_str().as_bytes(), written.as_bytes()], now_unix_ms)?;
        for (field, value) in [
            ("move_id", Value::from(move_id.as_str())),
            ("deadline_unix_ms", deadline_unix_ms(now_unix_ms).into()),
            ("expires_unix_ms", now_unix_ms.saturating_add(EXPIRES_MS).into()),
        ] {
            fields.entry(field).or_insert(value);
        }
        let submit: SubmitJob = request::typed(Value::from(fields)).map_err(at)?;
        let job = JobId::of(&self.supervisor, &submit.move_id);
        let ask = TaskMove::Submit(submit);
        let body = jobs::send(port.as_ref(), &self.bus.dir.keys(), &self.supervisor, &job, &ask).await?;
        told(&body, self.json)
    }
}

impl Cancel {
    async fn run(self) -> Outcome {
        let port = self.bus.connect().await?;
        let now_unix_ms = port.now_unix_ms();
        let move_id = jobs::once(&[self.supervisor.as_str().as_bytes(), self.job.as_str().as_bytes()], now_unix_ms)?;
        let deadline_unix_ms = deadline_unix_ms(now_unix_ms);
        let ask = TaskMove::Cancel(CancelJob { move_id, deadline_unix_ms, job: self.job.clone(), reason: self.reason });
        let body = jobs::send(port.as_ref(), &self.bus.dir.keys(), &self.supervisor, &self.job, &ask).await?;
        told(&body, self.json)
    }
}

/// Until when a move of a command may be decided, in Unix milliseconds.
pub fn deadline_unix_ms(now_unix_ms: i64) -> i64 {
    now_unix_ms.saturating_add_unsigned(request::TIMEOUT_MS)
}

/// Says what became of a move.
pub fn told(body: &[u8], json: bool) -> Outcome {
    let moved: TaskMoved = decode(body, MAX_CLEARING_BODY_BYTES).or_exit(Exit::Bad)?;
    if json {
        return output::json(&serde_json::to_value(&moved).or_exit(Exit::Bad)?);
    }
    output::line(format_args!("{}: {}, event {}", moved.job, moved.state, moved.turn))
}
