//! `hms deal verify --all`: the whole log, from a bus or from a backup.

use std::path::Path;

use runtime::{
    broker::{Broker, BrokerSpec},
    port::Port,
};
use serde_json::{Value, json};

use crate::{
    audit::{Audit, Fault, Findings},
    bus::connect_own,
    command::backup::load,
    exit::{Exit, OrExit, Outcome, Stop},
    output,
};

/// Verifies the log of a bus.
pub async fn of_bus(port: &dyn Port, json: bool) -> Outcome {
    report(&Audit::of_bus(port).await?.decide(), json)
}

/// Verifies the log that a backup holds, on a broker of its own that is gone afterwards.
pub async fn of_backup(folder: &Path, json: bool) -> Outcome {
    let scratch = tempfile::tempdir().or_exit(Exit::Bad)?;
    let broker = Broker::start(BrokerSpec::new(scratch.path())).or_exit(Exit::NoBus)?;
    let port = connect_own(&broker.url(), "hms verify").await?;
    let loaded = load(port.as_ref(), folder).await?;
    if !loaded.iter().any(|(name, _)| name == schemas::stream::DEALS) {
        let line = format_args!("{}: no backup of {}", folder.display(), schemas::stream::DEALS);
        return Err(Stop::say(Exit::Input, line));
    }
    of_bus(port.as_ref(), json).await
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

fn fault_in_words(fault: &Fault) -> String {
    let deal = fault.deal.as_ref().map_or_else(String::new, |deal| format!("deal {deal}: "));
    format!("sequence {}: {deal}{} ({})", fault.sequence, fault.what, fault.kind)
}

fn fault_as_json(fault: &Fault) -> Value {
    let mut line = json!({ "fault": fault.what, "kind": fault.kind, "sequence": fault.sequence });
    if let (Some(deal), Some(line)) = (&fault.deal, line.as_object_mut()) {
        line.insert("deal".into(), json!(deal));
    }
    line
}
