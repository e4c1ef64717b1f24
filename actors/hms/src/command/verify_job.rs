//! `hms task verify`: does the log of a job hold, and do the deals that were to pay for it?

use std::fmt::Display;

use clap::Args;
use runtime::port::Port;
use schemas::{JobId, stream};
use serde_json::{Value, json};

use super::verify_all::{Place, Wanted, fault_as_json, fault_in_words, loaded};
use crate::{
    audit::jobs::{JobFindings, JobsAudit},
    command::on_runtime,
    evidence::{Evidence, Unproved, Worked},
    exit::{Exit, Outcome, Stop},
    jobs, output,
};

/// Decide whether a job's log holds
///
/// Every signature is checked, every entry's place in the hash chain, and every move is decided again. Where the job pays,
/// the deals that its awards determine are held against the deals' log: their terms, and what was read of them when a task
/// was given back. The first entry at fault is named, with exit code 1. Nothing is looked at but these logs and the key
/// history. That somebody was not paid for a task that is done is told, and is no fault of the log.
///
/// With --all every job is verified, that no sequence of the stream is missing, and that nobody was told of an entry that
/// the log doesn't hold.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  hms task verify sjbpl4ndpc3hlwq2enbzsc5rtm
  hms task verify --from job.jsonl       what `hms task log --raw` wrote; `-` is standard input
  hms task verify --all
  hms task verify --all --from FOLDER    what `hms backup` or `nats stream backup` wrote")]
pub struct Verify {
    /// The job's id; with --from it may be left out, for every job in the file
    #[arg(required_unless_present_any = ["from", "all"])]
    id: Option<JobId>,
    #[command(flatten)]
    place: Place,
}

impl Verify {
    pub fn run(self) -> Outcome {
        let json = self.place.json;
        match self.place.wanted(self.id, "a job", |evidence| evidence.jobs.keys().cloned().collect())? {
            Wanted::All(bus) => on_runtime(async move { of_all(bus.connect().await?.as_ref(), json).await }),
            Wanted::Backup(folder) => on_runtime(async move {
                let loaded = loaded(&folder, &[stream::DEALS, stream::TASKS]).await?;
                of_all(loaded.port.as_ref(), json).await
            }),
            Wanted::File(evidence, jobs) => {
                let verdicts = jobs.into_iter().map(|job| (job.clone(), evidence.verify_job(&job))).collect::<Vec<_>>();
                told(&verdicts, json)
            }
            Wanted::One(bus, job) => on_runtime(async move {
                let evidence = Evidence::of_job(bus.connect().await?.as_ref(), &job).await?;
                if evidence.jobs.is_empty() {
                    return Err(jobs::unknown(&job));
                }
                told(&[(job.clone(), evidence.verify_job(&job))], json)
            }),
        }
    }
}

/// Says of each job whether it holds; one that does not makes the exit code.
fn told(verdicts: &[(JobId, Result<Worked, Unproved>)], json: bool) -> Outcome {
    for (job, verdict) in verdicts {
        if json { output::json(&as_json(job, verdict))? } else { output::line(in_words(job, verdict))? }
    }
    if verdicts.iter().all(|(_, verdict)| verdict.is_ok()) { Ok(()) } else { Err(Stop::silent(Exit::Bad)) }
}

async fn of_all(port: &dyn Port, json: bool) -> Outcome {
    let findings = JobsAudit::of_bus(port).await?.decide();
    for (job, verdict) in &findings.jobs {
        if json {
            output::json(&as_json(job, verdict))?;
        } else if verdict.is_err() {
            output::line(in_words(job, verdict))?;
        }
    }
    for bad in &findings.keys {
        let (stream, sequence) = (bad.stream(), bad.sequence());
        if json {
            output::json(&json!({ "fault": bad.to_string(), "kind": "key", "stream": stream, "sequence": sequence }))?;
        } else {
            output::line(format_args!("{bad} (key, in {stream})"))?;
        }
    }
    for fault in &findings.faults {
        if json { output::json(&fault_as_json(fault))? } else { output::line(fault_in_words(fault))? }
    }
    let JobFindings { jobs, entries, .. } = &findings;
    let bad = jobs.iter().filter(|(_, verdict)| verdict.is_err()).count();
    let others = findings.keys.len() + findings.faults.len();
    let first_bad = findings.first_bad();
    if json {
        output::json(&json!({
            "holds": findings.is_good(), "entries": entries, "jobs": jobs.len(), "bad_jobs": bad, "faults": others,
            "first_bad_sequence": first_bad,
        }))?;
    } else if findings.is_good() {
        output::line(format_args!("all of it holds: {entries} entries, {} jobs", jobs.len()))?;
    } else {
        let first: &dyn Display = if let Some(first) = &first_bad { first } else { &"in the deals' log" };
        output::line(format_args!(
            "{entries} entries, {} jobs: {bad} do not hold, {others} other faults; the first bad sequence is {first}",
            jobs.len()
        ))?;
    }
    if findings.is_good() { Ok(()) } else { Err(Stop::silent(Exit::Bad)) }
}

fn in_words(job: &JobId, verdict: &Result<Worked, Unproved>) -> String {
    let Worked { verified, payments } = match verdict {
        Ok(worked) => worked,
        Err(unproved) => return format!("{job} DOES NOT HOLD: {unproved}"),
    };
    let paid = if verified.payments.is_empty() {
        String::new()
    } else {
        let crate::payments::Payments { settled, open, failed, none, owed } = payments;
        let deals = format!("; deals: {settled} settled, {open} open, {failed} failed, {none} never committed");
        if *owed > 0 { format!("{deals}; {owed} tasks are done and NOT PAID") } else { deals }
    };
    let (state, turns, signatures) = (verified.job.state, verified.job.turns, verified.signatures);
    format!("{job} holds: {state}, {turns} entries, {signatures} signatures{paid}")
}

fn as_json(job: &JobId, verdict: &Result<Worked, Unproved>) -> Value {
    match verdict {
        Ok(Worked { verified, payments }) => json!({
            "job": job, "holds": true, "state": verified.job.state, "entries": verified.job.turns,
            "signatures": verified.signatures, "payments": payments,
        }),
        Err(unproved) => json!({
            "job": job, "holds": false, "stream": unproved.stream(), "sequence": unproved.sequence(),
            "fault": unproved.to_string(),
        }),
    }
}
