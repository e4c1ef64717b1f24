//! `hms reputation`: how agents kept their promises, and which.
//!
//! Folded anew from the logs, so that nobody need take the bucket's word for it.

use std::sync::Arc;

use clap::Args;
use futures::StreamExt;
use mac::standing::{Counted, Standings};
use runtime::port::{Followed, Port, Start};
use schemas::{AgentId, job::Reputation as Standing, keyring::LogRecord, limit::PPB, stream, subject};
use serde_json::{Value, json};

use crate::{
    bus::BusArgs,
    exit::{Exit, OrExit, Outcome},
    jobs::Jobs,
    output,
    writers::Writers,
};

/// Show how agents kept their promises, in jobs and in deals
///
/// Without an agent: everybody's figure. With one: each promise of its that ended, and the figure after it. All is folded
/// anew from the logs of jobs and deals; the bucket HMS_REPUTATION shows the same figures as they change.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  hms reputation
  hms reputation kenya
  hms reputation kenya --json | jq -c '.promises[] | select(.kept | not)'")]
pub struct Reputation {
    /// Whose
    agent: Option<AgentId>,
    /// Show only so many promises, the last ones
    #[arg(long, value_name = "N", default_value_t = 20)]
    last: usize,
    #[command(flatten)]
    bus: BusArgs,
    /// Print JSON: one object, with all promises; without an agent one object a line
    #[arg(long)]
    json: bool,
}

/// A promise that ended.
struct Deed {
    stream: &'static str,
    sequence: u64,
    at_unix_ms: i64,
    about: String,
    counted: Counted,
}

impl Reputation {
    pub async fn run(self) -> Outcome {
        let port = self.bus.connect().await?;
        let (standings, deeds) = fold(&port, self.agent.as_ref()).await?;
        match &self.agent {
            Some(agent) => self.one(&standings.of(agent), &deeds),
            None => self.all(&standings),
        }
    }

    fn all(&self, standings: &Standings) -> Outcome {
        if self.json {
            return standings
                .all()
                .try_for_each(|shown| output::json(&serde_json::to_value(shown).or_exit(Exit::Bad)?));
        }
        let row = |shown: Standing| {
            let figure = figure(shown.reputation_ppb);
            [shown.agent.to_string(), figure, shown.kept.to_string(), shown.broken.to_string()]
        };
        let rows = standings.all().map(row).collect();
        output::table(["AGENT", "REPUTATION (0 TO 1)", "KEPT", "BROKEN"], rows, "nobody has promised anything yet")
    }

    fn one(&self, shown: &Standing, deeds: &[Deed]) -> Outcome {
        if self.json {
            let mut line = serde_json::to_value(shown).or_exit(Exit::Bad)?;
            if let Some(line) = line.as_object_mut() {
                line.insert("promises".into(), deeds.iter().map(as_json).collect());
            }
            return output::json(&line);
        }
        let Standing { agent, reputation_ppb, kept, broken, .. } = shown;
        output::line(format_args!("{agent}: {} of 1, {kept} promises kept, {broken} broken", figure(*reputation_ppb)))?;
        let rows = deeds.iter().skip(deeds.len().saturating_sub(self.last)).map(as_row).collect();
        output::table(["AT", "PROMISE", "ABOUT", "SEQUENCE", "THEN"], rows, "it has promised nothing yet")
    }
}

fn figure(ppb: u32) -> String {
    let thousandths = i64::from(ppb) / (PPB / 1_000);
    format!("{}.{:03}", thousandths / 1_000, thousandths % 1_000)
}

fn as_row(deed: &Deed) -> [String; 5] {
    let Deed { stream, sequence, at_unix_ms, about, counted } = deed;
    let kept = if counted.why.is_kept() { "kept" } else { "BROKEN" };
    [
        output::time(*at_unix_ms),
        format!("{kept}: {}", counted.why.as_str()),
        about.clone(),
        format!("{sequence} of {stream}"),
        figure(counted.now.reputation_ppb),
    ]
}

fn as_json(deed: &Deed) -> Value {
    let Deed { stream, sequence, at_unix_ms, about, counted } = deed;
    json!({
        "kept": counted.why.is_kept(), "why": counted.why.as_str(), "about": about, "stream": stream,
        "sequence": sequence, "at_unix_ms": at_unix_ms, "reputation_ppb": counted.now.reputation_ppb,
    })
}

/// Everybody's standing, and what came of the promises of one.
async fn fold(port: &Arc<dyn Port>, agent: Option<&AgentId>) -> Outcome<(Standings, Vec<Deed>)> {
    let (jobs, writers) = (Jobs::of(port.clone()).await?, Writers::of(port.as_ref()).await?);
    let (mut standings, mut deeds) = (Standings::default(), Vec::new());
    let mut keep = |stream, sequence, at_unix_ms, about: &dyn Fn() -> String, counted: Vec<Counted>| {
        let own = counted.into_iter().filter(|counted| Some(&counted.now.agent) == agent);
        deeds.extend(own.map(|counted| Deed { stream, sequence, at_unix_ms, about: about(), counted }));
    };
    // What became of awards is known before the deals that were to pay for them.
    let mut log = port.follow(stream::TASKS, &[subject::all_task_logs()], Start::All).await?;
    while let Some(Followed::Entry(stored)) = log.next().await {
        let record = LogRecord::from(stored);
        let Ok(mac::Entry { event, .. }) = jobs.read(&record) else { continue };
        let about = || {
            let tasks: Vec<String> = event.tasks.iter().map(ToString::to_string).collect();
            format!("{} of job {}", tasks.join(" "), event.job)
        };
        keep(stream::TASKS, record.sequence, event.at_unix_ms, &about, standings.count(&event, record.sequence));
    }
    let mut log = port.follow(stream::DEALS, &[subject::all_deal_logs()], Start::All).await?;
    while let Some(Followed::Entry(stored)) = log.next().await {
        let record = LogRecord::from(stored);
        let Ok(deal::Entry { event, .. }) = writers.read(&record) else { continue };
        let about = || format!("deal {}", event.deal);
        keep(stream::DEALS, record.sequence, event.at_unix_ms, &about, standings.count_deal(&event, record.sequence));
    }
    Ok((standings, deeds))
}
