//! `hms provision`: streams and buckets.

use std::sync::Arc;

use clap::Args;
use runtime::port::{Difference, Port, Provisioned};
use schemas::stream;
use serde_json::{Value, json};

use crate::{
    bus::BusArgs,
    exit::{Exit, Outcome, Stop},
    output,
};

/// Make the streams and buckets that the cores need, or bring them to their specification
///
/// What is right already is left alone, so it can be run again at any time, and after an upgrade. `hms up` does it by
/// itself.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  hms provision --plan --nats nats://broker:4222 --replicas 3
  hms provision --apply --nats nats://broker:4222 --replicas 3
  hms provision --specifications | jq .name")]
pub struct Provision {
    #[command(flatten)]
    bus: BusArgs,
    /// Copies of each stream in a cluster
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=5))]
    replicas: u8,
    /// Only say what is missing and what would be changed, with exit code 1 if that is anything
    #[arg(long)]
    plan: bool,
    /// Do it, which is what happens without --plan, too
    #[arg(long, conflicts_with = "plan")]
    apply: bool,
    /// Only print the specifications, one JSON object a line, as `nats stream add --config` takes them; no bus is needed
    #[arg(long, conflicts_with_all = ["plan", "apply"])]
    specifications: bool,
    /// Print JSON, one object a line
    #[arg(long)]
    json: bool,
}

impl Provision {
    pub async fn run(self) -> Outcome {
        if self.specifications {
            return specifications(self.replicas).iter().try_for_each(output::json);
        }
        let port = self.bus.connect().await?;
        let done = if self.plan { plan(&port, self.replicas).await? } else { provision(&port, self.replicas).await? };
        for (name, done) in &done {
            if self.json {
                output::json(&as_json(name, done, self.plan))?;
            } else {
                output::line(in_words(name, done, self.plan))?;
            }
        }
        let is_right = done.iter().all(|(_, done)| *done == Provisioned::Unchanged);
        if self.plan && !is_right { Err(Stop::silent(Exit::Bad)) } else { Ok(()) }
    }
}

/// Makes every stream and bucket that is missing, and says what was done to each.
pub async fn provision(port: &Arc<dyn Port>, replicas: u8) -> Outcome<Vec<(String, Provisioned)>> {
    let mut done = Vec::new();
    for spec in specifications(replicas) {
        let name = spec.get("name").and_then(Value::as_str).unwrap_or_default().to_owned();
        let provisioned = port.ensure_stream(&spec).await?;
        done.push((name, provisioned));
    }
    Ok(done)
}

/// What provisioning would do to each stream and bucket.
pub async fn plan(port: &Arc<dyn Port>, replicas: u8) -> Outcome<Vec<(String, Provisioned)>> {
    let mut planned = Vec::new();
    for spec in specifications(replicas) {
        let name = spec.get("name").and_then(Value::as_str).unwrap_or_default().to_owned();
        let plan = port.plan_stream(&spec).await?;
        planned.push((name, plan));
    }
    Ok(planned)
}

/// Every stream and bucket, those that others take from first.
pub fn specifications(replicas: u8) -> Vec<Value> {
    [stream::streams(replicas), stream::buckets(replicas)].concat()
}

fn in_words(name: &str, done: &Provisioned, plan: bool) -> String {
    match done {
        Provisioned::Created => format!("{name}: {}", if plan { "missing" } else { "created" }),
        Provisioned::Unchanged => format!("{name}: {}", if plan { "as it should be" } else { "unchanged" }),
        Provisioned::Updated(differences) => {
            let changes: Vec<String> =
                differences.iter().map(|Difference { setting, was, is }| format!("{setting} {was} → {is}")).collect();
            format!("{name}: {} {}", if plan { "to be changed:" } else { "changed" }, changes.join(", "))
        }
    }
}

fn as_json(name: &str, done: &Provisioned, plan: bool) -> Value {
    match done {
        Provisioned::Created => json!({ "stream": name, "outcome": if plan { "missing" } else { "created" } }),
        Provisioned::Unchanged => json!({ "stream": name, "outcome": "unchanged" }),
        Provisioned::Updated(differences) => {
            let changes: Vec<Value> = differences
                .iter()
                .map(|Difference { setting, was, is }| json!({ "setting": setting, "was": was, "is": is }))
                .collect();
            json!({ "stream": name, "outcome": if plan { "to_be_changed" } else { "changed" }, "changes": changes })
        }
    }
}
