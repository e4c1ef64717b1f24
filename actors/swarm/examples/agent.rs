//! A small agent in Rust: it joins a market, accepts what is good for it, and says what happens, until Ctrl-C.
//!
//! ```text
//! hms up                                                        # a bus, in one terminal
//! hms market create py_agents/examples/bazaar.toml              # a market, in another
//! cargo run --release --example agent -- togo --gives wheat:100:20 --wants coffee:50:90
//! cargo run --release --example agent -- benin --gives coffee:50:40 --wants wheat:100:30
//! ```
//!
//! What it is offered comes from the market maker, or from another agent that proposes a `fixed/1` deal in the book of
//! its market; it judges both alike. Its key lies in a file, made on first use, so that it is the same agent next time;
//! what it gave before counts on the ledger against what it then says that it gives.
#![allow(clippy::print_stdout)] // saying what happens is what it is for

use std::error::Error;
use std::path::PathBuf;
use std::process::ExitCode;
use std::str::FromStr;
use std::sync::Arc;

use clap::Parser;
use runtime::nats::ConnectSpec;
use runtime::peer::Host;
use runtime::port::Port;
use schemas::market::{Alternative, Give, Want};
use schemas::value::Bounds;
use schemas::{AgentId, Good, MarketId, Quantity, Rational};
use swarm::keys;
use swarm::news::News;
use swarm::plan::AgentPlan;
use swarm::trader::Trader;
use swarm::voice;

/// How long what is under way may take when it ends, in milliseconds.
const DRAIN_MS: u64 = 10_000;

/// An agent that trades what is good for it
#[derive(Parser)]
#[command(after_help = "Example:\n  agent kenya --gives wheat:100:20 --wants coffee:50:90 --wants tea:10:3/2")]
struct Args {
    /// Its id on the bus
    name: AgentId,
    /// What it gives: at most so many units, each at this cost in minor units of account (20, or 39/2)
    #[arg(long, value_name = "GOOD:LIMIT:COST")]
    gives: Vec<Flow>,
    /// What it wants: at most so many units, each of this value
    #[arg(long, value_name = "GOOD:LIMIT:VALUE")]
    wants: Vec<Flow>,
    /// The market, whose id is also the book of its deals
    #[arg(long, default_value = "bazaar")]
    market: MarketId,
    /// The margin over its costs that it asks for, in parts per million
    #[arg(long, value_name = "PPM", default_value_t = 0)]
    margin_ppm: i64,
    /// The broker; otherwise NATS_URL, or the context of the `nats` command line
    #[arg(long, value_name = "URL")]
    nats: Option<String>,
    /// The file of its key; otherwise HMS_KEY, or keys/NAME.nk in HMS_HOME, or in .hms
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,
}

/// A good, how much of it, and what a unit is worth.
#[derive(Clone)]
struct Flow {
    good: Good,
    limit: Quantity,
    worth: Bounds,
}

impl FromStr for Flow {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parts: Vec<&str> = text.split(':').collect();
        let [good, limit, worth] = parts[..] else { return Err("write it as wheat:100:20".to_owned()) };
        let said = |error: &dyn std::fmt::Display| error.to_string();
        let units: i64 = limit.parse().map_err(|error| said(&error))?;
        let worth: Rational = worth.parse().map_err(|error| said(&error))?;
        if worth.is_negative() {
            return Err("what a unit is worth must not be negative".to_owned());
        }
        Ok(Self {
            good: good.parse().map_err(|error| said(&error))?,
            limit: Quantity::new(units).map_err(|error| said(&error))?,
            worth: Bounds::exactly(worth),
        })
    }
}

fn main() -> ExitCode {
    let args = Args::parse();
    match runtime::run(live(args)) {
        Ok(Ok(())) => ExitCode::SUCCESS,
        Ok(Err(error)) => {
            eprintln!("agent: {error}");
            ExitCode::FAILURE
        }
        Err(error) => {
            eprintln!("agent: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn live(args: Args) -> Result<(), Box<dyn Error>> {
    let seed = keys::seed(&args.name, args.key.as_deref())?;
    let spec = ConnectSpec::discover(args.nats.as_deref(), None, args.name.as_str())?;
    let port: Arc<dyn Port> = Arc::new(spec.connect().await?);

    let account = voice::account(port.as_ref()).await?;

    let gives = args.gives.into_iter().map(|Flow { good, limit, worth }| Give { good, limit, cost: worth }).collect();
    let wants = args
        .wants
        .into_iter()
        .map(|Flow { good, limit, worth }| Want { any_of: vec![Alternative { good, limit, value: worth }] });
    let mut plan = AgentPlan::new(args.name.clone(), seed, args.market, gives, wants.collect());
    plan.margin_ppm = args.margin_ppm;
    let trader = Trader::joining(plan, account, port.now_unix_ms(), Arc::new(|news| say(&news)))?;

    let host = Host::new(port, 1)?;
    let mut agent = host.spawn(args.name.as_str(), trader);
    runtime::select! {
        interrupted = runtime::interrupted() => interrupted?,
        _ = agent.ended() => return Err("it has ended by itself".into()),
    }
    if !host.stop(DRAIN_MS).await {
        return Err("something under way was not answered in time".into());
    }
    println!("gone");
    Ok(())
}

fn say(news: &News) {
    match news {
        News::Ready { .. } => println!("registered"),
        News::Joined { sequence, .. } => println!("joined: its intent is number {sequence}"),
        News::Left { .. } => println!("left"),
        News::Told { left_out: Some(reason), .. } => println!("got nothing in the last clearing: {reason:?}"),
        News::Proposed { deal, .. } => println!("{deal} proposed"),
        News::Accepted { deal, .. } => println!("{deal} accepted"),
        News::Rejected { deal, by, .. } => println!("{deal} rejected: {}", by.reason()),
        News::Committed { deal, .. } => println!("{deal} committed"),
        News::Confirmed { deal, .. } => println!("{deal} confirmed"),
        News::Ended { deal, state, reason, .. } => {
            let state = state.map_or_else(|| "ended".to_owned(), |state| state.to_string());
            println!("{deal} {state}{}", reason.as_ref().map_or_else(String::new, |reason| format!(": {reason}")));
        }
        News::Error { what, message, .. } => eprintln!("{what}: {message}"),
        News::Told { left_out: None, .. } | News::Words { .. } | News::Drained { .. } | News::Unknown => {}
    }
}
