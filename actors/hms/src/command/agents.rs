//! `hms agents`: who is here.

use clap::Args;
use schemas::{registry::AgentRecord, stream};

use crate::{
    bus::BusArgs,
    exit::{Exit, OrExit, Outcome},
    output,
};

/// List the agents that are here: those whose lease runs
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  hms agents\n  hms agents --json | jq -r .agent")]
pub struct Agents {
    #[command(flatten)]
    bus: BusArgs,
    /// Print JSON, one object a line
    #[arg(long)]
    json: bool,
}

impl Agents {
    pub async fn run(self) -> Outcome {
        let port = self.bus.connect().await?;
        let now_unix_ms = port.now_unix_ms();
        let mut agents = Vec::new();
        for entry in port.kv_list(stream::AGENTS).await? {
            match serde_json::from_slice::<AgentRecord>(&entry.value) {
                Ok(agent) => agents.push(agent),
                Err(error) => tracing::warn!(key = entry.key, %error, "not an agent's record"),
            }
        }
        agents.sort_by(|a, b| a.agent.cmp(&b.agent));
        if self.json {
            return agents.iter().try_for_each(|agent| output::json(&serde_json::to_value(agent).or_exit(Exit::Bad)?));
        }
        let rows = agents.iter().map(|agent| {
            let left_s = (agent.lease_until_unix_ms - now_unix_ms).max(0) / 1000;
            let list = |items: &[String]| if items.is_empty() { "-".to_owned() } else { items.join(" ") };
            [
                agent.agent.to_string(),
                agent.kind.to_string(),
                list(&agent.capabilities),
                list(&agent.subjects),
                format!("{left_s} s"),
                agent.key.to_string(),
            ]
        });
        output::table(["AGENT", "KIND", "CAPABILITIES", "SUBJECTS", "LEASE", "KEY"], rows.collect(), "nobody is here")
    }
}
