//! `hms doctor`: what is wrong with a set-up, and how to mend it.

use clap::Args;

use crate::{
    bus::BusArgs,
    doctor::{
        Finding, Level, judge,
        look::{self, Wanted},
    },
    exit::{Exit, OrExit, Outcome, Stop},
    output,
};

/// Name what is wrong with a set-up, and how to mend it
///
/// Looks at the folder, the context, the broker and its version, clocks, JetStream and how full it is, durability,
/// streams and buckets against what we ship, the services, dead letters, and deals that wait for the ledger or for proof.
/// A check is ok, a warning, or bad; nothing is changed. What rests on something that is bad is not looked at.
///
/// Ends with exit code 1 when anything is bad, 69 when there is no bus, 2 when a context or a credential can't be read.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  hms doctor
  hms doctor --nats nats://broker:4222 --monitor http://broker:8222 --durable
  hms doctor --json | jq -r 'select(.level != \"ok\") | .mend'")]
pub struct Doctor {
    #[command(flatten)]
    bus: BusArgs,
    /// The broker's monitoring port, which tells of durability, of the disk and of its health [default: that of the bus
    /// of DIR]
    #[arg(long, value_name = "URL")]
    monitor: Option<String>,
    /// Insist that what is acknowledged is on a disk: forced there at each write, or on three replicas
    #[arg(long)]
    durable: bool,
    /// Insist on so many copies of each stream
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(1..=5))]
    replicas: Option<u8>,
    /// How long services may take to answer, in milliseconds
    #[arg(long, value_name = "MS", default_value_t = 500)]
    wait_ms: u64,
    /// Print JSON, one object a check
    #[arg(long)]
    json: bool,
}

impl Doctor {
    pub async fn run(self) -> Outcome {
        let meant = self.bus.meant();
        let mut findings: Vec<Finding> = look::folder(&self.bus.dir.dir).into_iter().collect();
        let outcome = match self.bus.connect_to_any("hms-doctor").await {
            Ok(nats) => {
                let wanted = Wanted {
                    replicas: self.replicas,
                    durable: self.durable,
                    monitor: self.monitor.clone().or_else(|| self.bus.monitor_url()),
                    wait_ms: self.wait_ms,
                };
                if let Err(Stop { error: Some(error), .. }) = look::bus(nats, &meant, &wanted, &mut findings).await {
                    let mend = "let this account use JetStream's API, or look again once the broker is well";
                    findings.push(Finding::bad(
                        "broker",
                        format!("it doesn't answer all that was asked: {error:#}"),
                        mend,
                    ));
                }
                let is_bad = findings.iter().any(|finding| finding.level == Level::Bad);
                if is_bad { Err(Stop::silent(Exit::Bad)) } else { Ok(()) }
            }
            Err(error) => {
                findings.push(judge::no_connection(&error, &meant));
                Err(Stop::from(error))
            }
        };
        for finding in &findings {
            if self.json {
                output::json(&serde_json::to_value(finding).or_exit(Exit::Bad)?)?;
            } else {
                in_words(finding).iter().try_for_each(output::line)?;
            }
        }
        outcome
    }
}

/// A line for what was seen, and another for what to do about it.
fn in_words(finding: &Finding) -> Vec<String> {
    let seen = format!("{:8} {:11} {}", finding.level.as_str(), finding.check, finding.seen);
    let mend = finding.mend.as_ref().map(|mend| format!("{:8} {:11} → {mend}", "", ""));
    std::iter::once(seen).chain(mend).collect()
}
