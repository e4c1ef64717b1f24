//! `hms node`: some cores, on a bus that is there.

use clap::Args;
use runtime::service::Meters;

use crate::{
    bus::BusArgs,
    exit::{Exit, OrExit, Outcome},
    metrics, output,
    services::{self, Core, provers::Provers},
};

/// Run some cores on a bus that is there, beside those of other nodes
///
/// Replicas of a core share its requests. All nodes that run a core which signs (registry, deal, ledger, mac) need the same
/// keys: copy DIR. Of the ledger one writes at a time, fenced by its cursor, and the others stand by.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  hms node --cores graph --nats nats://broker:4222
  hms node --cores deal,ledger --dir /var/lib/hms
  hms node --cores gtp --provers 2 --nats nats://broker:4222")]
pub struct Node {
    /// Which cores, with commas: registry, deal, ledger, mac, trade_balance, graph, genetic, proof, gtp
    #[arg(long, value_name = "CORES", value_delimiter = ',', required = true)]
    cores: Vec<Core>,
    /// How many provers to run where gtp is among the cores
    #[arg(long, value_name = "N", default_value_t = 1)]
    provers: usize,
    /// Serve metrics for Prometheus at this address, on the page /metrics, and /healthz and /readyz
    #[arg(long, value_name = "HOST:PORT")]
    metrics: Option<String>,
    #[command(flatten)]
    bus: BusArgs,
}

impl Node {
    pub async fn run(mut self) -> Outcome {
        self.cores.sort_unstable();
        self.cores.dedup();
        let port = self.bus.connect_service("hms-node").await?;
        let provers = Provers { count: self.provers, bus: self.bus.whereabouts() };
        let meters = Meters::default();
        let _metrics = metrics::serve_at(self.metrics.as_deref(), &port, &meters).await?;
        let cores = services::start(port.clone(), &self.bus.dir.keys(), &self.cores, &provers, &meters)
            .await
            .or_exit(Exit::Bad)?;
        let names: Vec<&str> = self.cores.iter().map(|core| core.name()).collect();
        output::line(format_args!("serving {} on {}", names.join(", "), port.server().url))?;
        let ended = runtime::interrupted().await.or_exit(Exit::Bad);
        if !cores.drain().await {
            tracing::warn!("some requests were not answered in time");
        }
        ended
    }
}
