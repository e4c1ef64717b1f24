//! `hms provision`: streams and buckets.

use std::sync::Arc;

use clap::Args;
use runtime::port::{Difference, Port, Provisioned};
use schemas::stream;
use serde_json::{Value, json};

use crate::{bus::BusArgs, exit::Outcome, output};

/// Make the streams and buckets that the cores need, or bring them to their specification
///
/// What is right already is left alone, so it can be run again at any time. `hms up` does it by itself.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  hms provision --nats nats://broker:4222 --replicas 3
  hms provision --plan | jq .name")]
pub struct Provision {
    #[command(flatten)]
    bus: BusArgs,
    /// Copies of each stream in a cluster
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=5))]
    replicas: u8,
    /// Only print the specifications, one JSON object a line, as `nats stream add --config` takes them; no bus is needed
    #[arg(long)]
    plan: bool,
    /// Print JSON, one object a line
    #[arg(long)]
    json: bool,
}

impl Provision {
    pub async fn run(self) -> Outcome {
        if self.plan {
            return specifications(self.replicas).iter().try_for_each(output::json);
        }
        let port = self.bus.connect().await?;
        for (name, done) in provision(&port, self.replicas).await? {
            if self.json { output::json(&as_json(&name, &done))? } else { output::line(in_words(&name, &done))? }
        }
        Ok(())
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

fn specifications(replicas: u8) -> Vec<Value> {
    [stream::streams(replicas), stream::buckets(replicas)].concat()
}

fn in_words(name: &str, done: &Provisioned) -> String {
    match done {
        Provisioned::Created => format!("{name}: created"),
        Provisioned::Unchanged => format!("{name}: unchanged"),
        Provisioned::Updated(differences) => {
            let changes: Vec<String> =
                differences.iter().map(|Difference { setting, was, is }| format!("{setting} {was} → {is}")).collect();
            format!("{name}: changed {}", changes.join(", "))
        }
    }
}

fn as_json(name: &str, done: &Provisioned) -> Value {
    match done {
        Provisioned::Created => json!({ "stream": name, "outcome": "created" }),
        Provisioned::Unchanged => json!({ "stream": name, "outcome": "unchanged" }),
        Provisioned::Updated(differences) => {
            let changes: Vec<Value> = differences
                .iter()
                .map(|Difference { setting, was, is }| json!({ "setting": setting, "was": was, "is": is }))
                .collect();
            json!({ "stream": name, "outcome": "changed", "changes": changes })
        }
    }
}
