//! Two agents make a deal without a market: one offers, and another takes it, as `judge.rs` and `agent.rs` do.
//!
//! ```text
//! hms up                                                        # a bus, in one terminal
//! cargo run --release --example judge -- niger --rate 1/2
//! cargo run --release --example offer -- mali niger --gives coffee:5 --takes wheat:10
//! ```
#![allow(clippy::print_stdout)] // saying what happens is what it is for

use std::str::FromStr;

use clap::Parser;
use schemas::{AgentId, Good, MarketId, Quantity};
use swarm::agent::{Agent, Deal, Offer};

/// How long the offer stands, in milliseconds.
const STANDS_MS: i64 = 30_000;
/// How long after that what was agreed may take to be delivered, in milliseconds.
const DELIVER_MS: i64 = 3_600_000;

/// An agent that offers another a deal
#[derive(Parser)]
struct Args {
    /// Its id on the bus
    name: AgentId,
    /// Whom it offers the deal
    whom: AgentId,
    /// What it gives
    #[arg(long, value_name = "GOOD:UNITS")]
    gives: Amount,
    /// What it takes for that
    #[arg(long, value_name = "GOOD:UNITS")]
    takes: Amount,
    /// How much of what it gives it may have given in the book, all in all and less what it received
    #[arg(long, value_name = "UNITS", default_value_t = 1_000)]
    limit: i64,
    /// The ledger's book in which the deal is made
    #[arg(long, default_value = "bazaar")]
    book: MarketId,
    /// The broker; otherwise NATS_URL, or the context of the `nats` command line
    #[arg(long, value_name = "URL")]
    nats: Option<String>,
}

/// So much of a good.
#[derive(Clone)]
struct Amount {
    good: Good,
    units: Quantity,
}

impl FromStr for Amount {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (good, units) = text.split_once(':').ok_or("write it as wheat:10")?;
        let units: i64 = units.parse().map_err(|error| format!("{units:?}: {error}"))?;
        Ok(Self {
            good: Good::parse(good).map_err(|error| error.to_string())?,
            units: Quantity::new(units).map_err(|error| error.to_string())?,
        })
    }
}

fn main() -> anyhow::Result<()> {
    runtime::run(live(Args::parse()))?
}

async fn live(mut args: Args) -> anyhow::Result<()> {
    let agent = Agent::named(args.name.clone()).at(args.nats.take()).start().await?;
    let ended = offer(&agent, args).await;
    agent.stop().await;
    let deal = ended?;
    println!(
        "{} {}{}",
        deal.id(),
        deal.state(),
        deal.reason().map_or_else(String::new, |reason| format!(": {reason}"))
    );
    Ok(())
}

async fn offer(agent: &Agent, Args { whom, gives, takes, limit, book, .. }: Args) -> anyhow::Result<Deal> {
    // The ledger lets nobody give more than it declared, in all its deals together.
    agent.declare(&book, [(gives.good.clone(), limit)]).await?;
    let offer = Offer::to(whom, book)
        .gives(gives.good, gives.units)
        .takes(takes.good, takes.units)
        .standing_ms(STANDS_MS)
        .due_in_ms(DELIVER_MS);
    let deal = agent.offer(offer).await?;
    println!("{} opened", deal.id());
    deal.ended().await;
    Ok(deal)
}
