//! `hms status`: what runs, and how full it is.

use std::{collections::BTreeMap, sync::Arc};

use clap::Args;
use runtime::port::{Port, ReadError, StreamState};
use schemas::stream;
use serde_json::{Value, json};

use crate::{
    bus::BusArgs,
    exit::{Exit, Outcome, Stop},
    output,
    roll::{self, Question},
    services::Core,
};

/// Show the bus: its broker, streams, services and agents
///
/// Ends with exit code 1 when a stream or a core is missing.
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  hms status\n  hms status --json | jq .services")]
pub struct Status {
    #[command(flatten)]
    bus: BusArgs,
    /// How long services may take to answer, in milliseconds
    #[arg(long, value_name = "MS", default_value_t = 300)]
    wait_ms: u64,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl Status {
    pub async fn run(self) -> Outcome {
        let port = self.bus.connect().await?;
        let server = port.server();
        let mut streams = Vec::new();
        for (name, shown) in names() {
            streams.push((shown, state(&port, &name).await?));
        }
        let services = services(&port, self.wait_ms).await?;
        let is_whole = streams.iter().all(|(_, state)| state.is_some());
        let agents = if is_whole { Some(port.kv_list(stream::AGENTS).await?.len()) } else { None };
        // A bus is whole without a prover: only deals that require proof have to do without.
        let (provers, missing): (Vec<&str>, Vec<&str>) = Core::ALL
            .map(Core::name)
            .into_iter()
            .filter(|core| !services.contains_key(*core))
            .partition(|core| *core == Core::Gtp.name());
        if self.json {
            let streams: Vec<Value> = streams
                .iter()
                .map(|(name, state)| match state {
                    Some(StreamState { messages, bytes, last_seq, .. }) => {
                        json!({ "name": name, "messages": messages, "bytes": bytes, "last_sequence": last_seq })
                    }
                    None => json!({ "name": name, "missing": true }),
                })
                .collect();
            let services: Vec<Value> = services
                .iter()
                .map(|(name, (instances, version))| json!({ "name": name, "instances": instances, "version": version }))
                .collect();
            output::json(&json!({
                "url": server.url, "server": server.name, "version": server.version,
                "streams": streams, "services": services, "missing_services": missing, "agents": agents,
            }))?;
        } else {
            output::line(format_args!("{} ({}, nats-server {})\n", server.url, server.name, server.version))?;
            let rows = streams.iter().map(|(name, state)| match state {
                Some(state) => [name.clone(), state.messages.to_string(), state.bytes.to_string()],
                None => [name.clone(), "missing".into(), "-".into()],
            });
            output::table(["STREAM", "MESSAGES", "BYTES"], rows.collect(), "no streams")?;
            output::line("")?;
            let here = services
                .iter()
                .map(|(name, (instances, version))| [name.clone(), instances.to_string(), version.clone()]);
            let away = missing.iter().chain(&provers).map(|name| [(*name).to_owned(), "missing".into(), "-".into()]);
            output::table(["SERVICE", "INSTANCES", "VERSION"], here.chain(away).collect(), "no service answers")?;
            if let Some(agents) = agents {
                output::line(format_args!("\n{agents} agents"))?;
            }
        }
        if is_whole && missing.is_empty() { Ok(()) } else { Err(Stop::silent(Exit::Bad)) }
    }
}

/// Every stream, with the name that people know it by: a bucket has none of its own.
fn names() -> Vec<(String, String)> {
    let of = |specs: Vec<Value>| specs.into_iter().filter_map(|spec| Some(spec.get("name")?.as_str()?.to_owned()));
    let streams = of(stream::streams(1)).map(|name| (name.clone(), name));
    let buckets =
        of(stream::buckets(1)).map(|name| (name.clone(), format!("{} (bucket)", name.trim_start_matches("KV_"))));
    streams.chain(buckets).collect()
}

async fn state(port: &Arc<dyn Port>, stream: &str) -> Outcome<Option<StreamState>> {
    match port.stream_state(stream).await {
        Ok(state) => Ok(Some(state)),
        Err(ReadError::Unavailable(_)) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// The services that answer a ping, by name: how many instances, and of which version.
async fn services(port: &Arc<dyn Port>, wait_ms: u64) -> Outcome<BTreeMap<String, (usize, String)>> {
    let mut found: BTreeMap<String, (usize, String)> = BTreeMap::new();
    for instance in roll::call(port, Question::Ping, wait_ms).await? {
        let (instances, known) = found.entry(instance.name).or_default();
        *instances += 1;
        *known = instance.version;
    }
    Ok(found)
}
