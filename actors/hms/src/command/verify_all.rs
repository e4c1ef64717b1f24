//! What `hms deal verify` and `hms task verify` have in common: where that stands which is to be verified. And the first
//! one's `--all`: the whole log, from a bus or from a backup.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use clap::Args;
use runtime::{
    broker::{Broker, BrokerSpec},
    port::Port,
};
use serde_json::{Value, json};

use crate::{
    audit::{Audit, Fault, Findings},
    bus::{BusArgs, connect_own},
    command::backup::load,
    evidence::Evidence,
    exit::{Exit, OrExit, Outcome, Stop},
    input, output,
};

/// Where that stands which is to be verified.
#[derive(Args, Debug)]
pub struct Place {
    /// Verify all there is
    #[arg(long, conflicts_with = "id")]
    all: bool,
    /// Verify a file, or with --all a backup's folder, without a bus
    #[arg(long, value_name = "FILE")]
    from: Option<PathBuf>,
    #[command(flatten)]
    bus: BusArgs,
    /// Print JSON, one object a line
    #[arg(long)]
    pub json: bool,
}

/// What is to be verified.
pub enum Wanted<Id> {
    /// All that a bus holds.
    All(BusArgs),
    /// All that a backup in this folder holds.
    Backup(PathBuf),
    /// These of what this evidence is of; at least one.
    File(Evidence, Vec<Id>),
    /// One, on a bus.
    One(BusArgs, Id),
}

impl Place {
    /// Sorts out what is wanted: of a file that which is named, or else `all_of` it, each `what`.
    ///
    /// # Errors
    /// When the file is no evidence or holds nothing of the kind, or nothing is named.
    pub fn wanted<Id>(
        self,
        id: Option<Id>,
        what: &str,
        all_of: impl FnOnce(&Evidence) -> Vec<Id>,
    ) -> Outcome<Wanted<Id>> {
        match (self.from, self.all) {
            (None, true) => Ok(Wanted::All(self.bus)),
            (Some(folder), true) if folder.is_dir() => Ok(Wanted::Backup(folder)),
            (Some(file), _) => {
                let evidence = Evidence::parse(&input::text(&file)?);
                let evidence = evidence.map_err(|bad| Stop::new(Exit::Input, bad).while_doing(file.display()))?;
                let ids = id.map_or_else(|| all_of(&evidence), |id| vec![id]);
                if ids.is_empty() {
                    return Err(Stop::say(
                        Exit::Input,
                        format_args!("{}: no entry of the log of {what}", file.display()),
                    ));
                }
                Ok(Wanted::File(evidence, ids))
            }
            (None, false) => {
                let id = id.ok_or_else(|| Stop::say(Exit::Usage, "an id, --from or --all"))?;
                Ok(Wanted::One(self.bus, id))
            }
        }
    }
}

/// Verifies the log of a bus.
pub async fn of_bus(port: &dyn Port, json: bool) -> Outcome {
    report(&Audit::of_bus(port).await?.decide(), json)
}

/// Verifies the log that a backup holds, on a broker of its own that is gone afterwards.
pub async fn of_backup(folder: &Path, json: bool) -> Outcome {
    of_bus(loaded(folder, &[schemas::stream::DEALS]).await?.port.as_ref(), json).await
}

/// A backup on a broker of its own.
pub struct Loaded {
    pub port: Arc<dyn Port>,
    _broker: Broker,
    // Last: the broker's files go when the broker has gone.
    _scratch: tempfile::TempDir,
}

/// Loads a backup that must hold these streams.
///
/// # Errors
/// When it holds none of one, or cannot be loaded.
pub async fn loaded(folder: &Path, streams: &[&str]) -> Outcome<Loaded> {
    let scratch = tempfile::tempdir().or_exit(Exit::Bad)?;
    let broker = Broker::start(BrokerSpec::new(scratch.path())).or_exit(Exit::NoBus)?;
    let port = connect_own(&broker.url(), "hms verify").await?;
    let names = load(port.as_ref(), folder, Some(1)).await?;
    if let Some(missing) = streams.iter().find(|stream| !names.iter().any(|(name, _)| name == *stream)) {
        return Err(Stop::say(Exit::Input, format_args!("{}: no backup of {missing}", folder.display())));
    }
    Ok(Loaded { port, _broker: broker, _scratch: scratch })
}

fn report(findings: &Findings, json: bool) -> Outcome {
    for (deal, verdict) in &findings.deals {
        if json {
            output::json(&super::deal::as_verdict(deal, verdict))?;
        } else if let Err(broken) = verdict {
            output::line(format_args!("{deal} DOES NOT HOLD: {broken}"))?;
        }
    }
    for fault in &findings.faults {
        if json { output::json(&fault_as_json(fault))? } else { output::line(fault_in_words(fault))? }
    }
    let bad = findings.deals.iter().filter(|(_, verdict)| verdict.is_err()).count();
    let first_bad = findings.first_bad();
    let (deals, entries, books) = (findings.deals.len(), findings.entries, findings.books);
    if json {
        output::json(&json!({
            "holds": first_bad.is_none(), "entries": entries, "deals": deals, "bad_deals": bad, "books": books,
            "faults": findings.faults.len(), "first_bad_sequence": first_bad,
        }))?;
    } else {
        let what = format!("{entries} entries, {deals} deals, {books} books");
        match first_bad {
            None => output::line(format_args!("all of it holds: {what}"))?,
            Some(first) => output::line(format_args!(
                "{what}: {bad} deals do not hold, {} other faults; the first bad sequence is {first}",
                findings.faults.len()
            ))?,
        }
    }
    if first_bad.is_none() { Ok(()) } else { Err(Stop::silent(Exit::Bad)) }
}

pub fn fault_in_words(fault: &Fault) -> String {
    let deal = fault.deal.as_ref().map_or_else(String::new, |deal| format!("deal {deal}: "));
    format!("sequence {}: {deal}{} ({})", fault.sequence, fault.what, fault.kind)
}

pub fn fault_as_json(fault: &Fault) -> Value {
    let mut line = json!({ "fault": fault.what, "kind": fault.kind, "sequence": fault.sequence });
    if let (Some(deal), Some(line)) = (&fault.deal, line.as_object_mut()) {
        line.insert("deal".into(), json!(deal));
    }
    line
}
