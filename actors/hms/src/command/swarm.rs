//! `hms swarm`: agents join, trade and leave, and what came of it.

use std::{
    fmt::Display,
    path::{Path, PathBuf},
    sync::Arc,
};

use clap::{Args, Subcommand};
use runtime::{
    broker::{Broker, BrokerSpec},
    port::Port,
};
use serde::Serialize;
use swarm::{
    bargain::{self, Kept, Standing, scenario::Scenario as Negotiations},
    run::{self, Report, RunError, Spec},
    scenario::{Population, Scenario, ScenarioError},
    together::{self, Together},
    voice::AskError,
};

use crate::{
    bus::{self, BusArgs, DirArgs},
    exit::{Exit, OrExit, Outcome, Stop},
    house::{House, Plan},
    keystore::KeyStore,
    output,
    services::provers::{Provers, Whereabouts},
};

/// Run scenarios: agents in Python and Rust that join, trade and leave
#[derive(Debug, Subcommand)]
#[command(after_help = "Example:\n  hms swarm run scenarios/bazaar.toml")]
pub enum Swarm {
    Run(Run),
}

/// Run a scenario and report what came of it
///
/// Without --nats or --context a private broker and all cores are started in a temporary folder, and cleaned up at the
/// end; with one of them, the bus that is there is used, market maker included. Progress goes to standard error; the
/// report, a table, to standard output. Ends when all agents have come and gone and the market is quiet, or after
/// --seconds, or on Ctrl-C, which still reports. Exit code 1 says that the books don't balance, or that somebody lost; of
/// a job, that it was not finished, or a wrong result counted.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  hms swarm run scenarios/dozen-countries.toml
  hms swarm run scenarios/african-commodities.toml --data trade.csv --report report.html --export export/
  hms swarm run scenarios/bazaar.toml --seconds 30 --seed 7 --nats nats://127.0.0.1:4222
  hms swarm run scenarios/negotiation.toml
  hms swarm run scenarios/contract-net.toml --export words/
  hms swarm run scenarios/collaboration.toml")]
pub struct Run {
    /// The scenario, a TOML file; those in scenarios/ say at their top what they are
    scenario: PathBuf,
    /// A table that takes the place of the scenario's own: one row for each country and commodity
    #[arg(long, value_name = "CSV")]
    data: Option<PathBuf>,
    /// The most seconds that the agents trade [default: the scenario's]
    #[arg(long, value_name = "S", value_parser = clap::value_parser!(u32).range(1..))]
    seconds: Option<u32>,
    /// The seed of everything that is drawn [default: the scenario's]
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// The bus to trade on, by its broker's URL [default: a private one]
    #[arg(long, value_name = "URL")]
    nats: Option<String>,
    /// The bus to trade on, by a context of the `nats` command line
    #[arg(long, value_name = "NAME", conflicts_with = "nats")]
    context: Option<String>,
    /// Write the report there as JSON; `-` prints it instead of the table
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Write intents, deals and clearings there as lines of JSON, so that anyone can compute every figure again; of
    /// negotiations, what each party said and heard, as `hms deal transcript` reads it
    #[arg(long, value_name = "DIR")]
    export: Option<PathBuf>,
    /// Write the report there as a page, one HTML file that needs nothing else
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
}

impl Swarm {
    pub async fn run(self) -> Outcome {
        match self {
            Self::Run(run) => run.run().await,
        }
    }
}

/// A bus of a run's own.
struct Private {
    house: House,
    // Last: the broker's files go when the broker has gone.
    folder: tempfile::TempDir,
}

impl Run {
    async fn run(self) -> Outcome {
        if let Some(negotiations) = Negotiations::load(&self.scenario).map_err(at_fault(&self.scenario))? {
            return self.negotiate(&negotiations).await;
        }
        if let Some(together) = Together::load(&self.scenario).map_err(at_fault(&self.scenario))? {
            return self.work(together).await;
        }
        let scenario = Scenario::load(&self.scenario).map_err(at_fault(&self.scenario))?;
        let seed = self.seed.unwrap_or(scenario.seed);
        let folder = self.scenario.parent().unwrap_or(Path::new("."));
        let population = scenario.population(seed, folder, self.data.as_deref()).map_err(at_fault(&self.scenario))?;
        // What nobody asks, nobody needs to start.
        let provers = usize::from(!scenario.market.requires.is_empty());
        let (port, traders, private) = self.bus(provers, true).await?;
        let spec = Spec {
            about: scenario.about.clone(),
            seed,
            seconds: self.seconds.unwrap_or(scenario.seconds),
            hosts: scenario.hosts,
            servers: self.servers(port.as_ref()),
            context: self.context.clone(),
            export: self.export.clone(),
            page: self.report.clone(),
        };
        let report = self.trade(port, traders, &population, &spec).await;
        close(private).await;
        self.tell(&report?)
    }

    /// Runs a scenario of collaboration.
    async fn work(self, mut together: Together) -> Outcome {
        let seed = self.seed.unwrap_or(together.seed);
        together.seconds = self.seconds.unwrap_or(together.seconds);
        let (port, hands, private) = self.bus(0, false).await?;
        let report = together::run(port, hands, &together, seed, enough()).await;
        close(private).await;
        let report = report.or_exit(Exit::Bad)?;
        self.print(&report)?;
        if report.is_good() { Ok(()) } else { Err(Stop::silent(Exit::Bad)) }
    }

    async fn trade(
        &self,
        port: Arc<dyn Port>,
        traders: Arc<dyn Port>,
        population: &Population,
        spec: &Spec,
    ) -> Outcome<Report> {
        run::run(port, traders, population, spec, enough()).await.map_err(stop)
    }

    /// Runs a scenario of negotiations.
    async fn negotiate(&self, scenario: &Negotiations) -> Outcome {
        if self.data.is_some() {
            return Err(Stop::say(Exit::Usage, "a scenario of negotiations takes no --data"));
        }
        let seed = self.seed.unwrap_or(scenario.seed);
        let mut gathering = scenario.gathering(seed).map_err(at_fault(&self.scenario))?;
        gathering.keeps_words = self.export.is_some();
        let (port, talkers, private) = self.bus(0, false).await?;
        let seconds = self.seconds.unwrap_or(scenario.seconds);
        let spec = bargain::Spec { seed, seconds, servers: self.servers(port.as_ref()), context: self.context.clone() };
        let standing = bargain::run(port, talkers, &gathering, &spec, enough()).await.map_err(stop);
        close(private).await;
        let standing: Standing = standing?;
        if let Some(folder) = &self.export {
            write_words(folder, &standing.kept)
                .or_exit(Exit::Input)
                .map_err(|stop| stop.while_doing(folder.display()))?;
        }
        self.print(&standing)?;
        if standing.errors.is_empty() && standing.unfinished == 0 { Ok(()) } else { Err(Stop::silent(Exit::Bad)) }
    }

    /// Where agents in Python find the bus.
    fn servers(&self, port: &dyn Port) -> Vec<String> {
        let said = self.nats.as_deref().map(|urls| urls.split(',').map(str::to_owned).collect());
        said.unwrap_or_else(|| vec![port.server().url])
    }

    /// The onlooker's connection and the agents', on the bus that is meant.
    async fn bus(&self, provers: usize, has_maker: bool) -> Outcome<(Arc<dyn Port>, Arc<dyn Port>, Option<Private>)> {
        if self.nats.is_some() || self.context.is_some() {
            // Only where the bus is matters here: a run keeps no keys.
            let dir = DirArgs { dir: PathBuf::from(crate::keystore::DEFAULT_DIR) };
            let bus = BusArgs { nats: self.nats.clone(), context: self.context.clone(), dir };
            return Ok((bus.connect_as("hms-swarm").await?, bus.connect_as("hms-swarm-agents").await?, None));
        }
        let folder = tempfile::Builder::new().prefix("hms-swarm-").tempdir().or_exit(Exit::Input)?;
        let broker = Broker::start(BrokerSpec { port: 0, ..BrokerSpec::new(folder.path()) }).or_exit(Exit::NoBus)?;
        let url = broker.url();
        let cores = bus::connect_own(&url, "hms-swarm-cores").await?;
        let provers = Provers { count: provers, bus: Whereabouts::at(url.clone()) };
        let plan = Plan { replicas: 1, has_maker, provers, metrics: None, web: None };
        let house = House::start(cores, Some(broker), &KeyStore::new(folder.path()), plan).await?;
        let port = bus::connect_own(&url, "hms-swarm").await?;
        let traders = bus::connect_own(&url, "hms-swarm-agents").await?;
        Ok((port, traders, Some(Private { house, folder })))
    }

    fn tell(&self, report: &Report) -> Outcome {
        self.print(report)?;
        if report.conservation_ok && report.win_win_ok { Ok(()) } else { Err(Stop::silent(Exit::Bad)) }
    }

    fn print<T: Serialize + Display>(&self, report: &T) -> Outcome {
        let json = serde_json::to_value(report).or_exit(Exit::Bad)?;
        match &self.json {
            Some(path) if path.as_os_str() == "-" => output::json(&json)?,
            Some(path) => {
                std::fs::write(path, format!("{json:#}\n"))
                    .or_exit(Exit::Input)
                    .map_err(|stop| stop.while_doing(path.display()))?;
                output::line(report)?;
            }
            None => output::line(report)?,
        }
        Ok(())
    }
}

/// Writes what everybody said and heard, as `hms deal transcript` reads it: a file for each deal and party.
fn write_words(folder: &Path, kept: &[Kept]) -> std::io::Result<()> {
    std::fs::create_dir_all(folder)?;
    for Kept { deal, agent, words } in kept {
        let lines: String = words.iter().map(|word| data_encoding::HEXLOWER.encode(word) + "\n").collect();
        std::fs::write(folder.join(format!("{deal}.{agent}.txt")), lines)?;
    }
    Ok(())
}

/// Ends a bus of a run's own.
async fn close(private: Option<Private>) {
    if let Some(Private { house, folder }) = private {
        house.drain().await;
        drop(folder);
    }
}

/// Somebody says that it is enough.
async fn enough() {
    if let Err(error) = runtime::interrupted().await {
        tracing::warn!(%error, "signals cannot be heard");
        std::future::pending::<()>().await;
    }
}

/// How a run that failed ends the command.
fn stop(error: RunError) -> Stop {
    let exit = match &error {
        RunError::OtherMarket(_) | RunError::NotReady { .. } | RunError::Python { .. } => Exit::Bad,
        RunError::Ask { source: AskError::Refused(_), .. } => Exit::Bad,
        RunError::Export { .. } | RunError::Key(_) => Exit::Input,
        _ => Exit::NoBus,
    };
    Stop::new(exit, error)
}

/// Names the file that is at fault.
fn at_fault(path: &Path) -> impl Fn(ScenarioError) -> Stop {
    move |error| match error {
        ScenarioError::Unreadable { .. } => Stop::new(Exit::Input, error),
        error => Stop::new(Exit::Input, error).while_doing(path.display()),
    }
}
