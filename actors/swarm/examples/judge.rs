//! An agent that judges what it is offered by a rule of its own, and reads what it is sent, until Ctrl-C.
//!
//! ```text
//! hms up                                                        # a bus, in one terminal
//! cargo run --release --example judge -- niger --gives wheat=1000 --rate 1/2
//! cargo run --release --example offer -- mali niger --gives coffee:5 --takes wheat:10
//! ```
#![allow(clippy::print_stdout)] // saying what happens is what it is for

use clap::Parser;
use schemas::deal::Transfer;
use schemas::{AgentId, Good, MarketId, Rational};
use swarm::agent::{Agent, Deal, Decision, Letter};

/// An agent that takes whatever brings it enough units for each that it gives
#[derive(Parser)]
struct Args {
    /// Its id on the bus
    name: AgentId,
    /// What it may have given in the book, all in all and less what it received
    #[arg(long, value_name = "GOOD=UNITS", value_parser = limit)]
    gives: Vec<(Good, i64)>,
    /// How many units it wants for each that it gives, whatever they are of (2, or 3/4)
    #[arg(long, default_value = "1")]
    rate: Rational,
    /// The ledger's book in which its deals are made
    #[arg(long, default_value = "bazaar")]
    book: MarketId,
    /// The broker; otherwise NATS_URL, or the context of the `nats` command line
    #[arg(long, value_name = "URL")]
    nats: Option<String>,
}

fn limit(text: &str) -> Result<(Good, i64), String> {
    let (good, units) = text.split_once('=').ok_or("write it as wheat=1000")?;
    let units = units.parse().map_err(|error| format!("{units:?}: {error}"))?;
    Ok((Good::parse(good).map_err(|error| error.to_string())?, units))
}

fn main() -> anyhow::Result<()> {
    runtime::run(live(Args::parse()))?
}

async fn live(Args { name, gives, rate, book, nats }: Args) -> anyhow::Result<()> {
    let agent = Agent::named(name)
        .at(nats)
        .on_proposal(move |deal| async move { judge(&deal, rate) })
        .on_committed(|deal| async move {
            // Here it would look whether what it is due is there.
            println!("{} committed", deal.id());
            true
        })
        .on_message(hear)
        .start()
        .await?;
    agent.declare(&book, gives).await?;
    println!("judges at {rate}");
    runtime::interrupted().await?;
    agent.stop().await;
    Ok(())
}

fn judge(deal: &Deal, rate: Rational) -> Decision {
    let units = |transfers: Vec<Transfer>| -> i128 {
        transfers.iter().map(|transfer| i128::from(transfer.quantity.get())).sum()
    };
    let (received, given) = (units(deal.receives()), units(deal.gives()));
    let decision = if received * i128::from(rate.denominator()) >= given * i128::from(rate.numerator()) {
        Decision::Accept
    } else {
        Decision::Reject(format!("{rate} units for each, no less"))
    };
    println!("{} {decision:?}", deal.id());
    decision
}

async fn hear(letter: Letter) {
    match letter.kind() {
        Ok(kind) => println!("{} of {} bytes from {}", kind, letter.body.len(), letter.from),
        Err(error) => println!("something from {}: {error}", letter.from),
    }
}
