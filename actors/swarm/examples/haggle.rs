//! Agents that come to terms over tea: its price and its grade, by alternating offers, a call for bids, or a mediated text.
//!
//! ```text
//! hms up                                                                  # a bus, in one terminal
//! cargo run --release --example haggle -- kenya --sells                   # is invited, in another
//! cargo run --release --example haggle -- egypt --with kenya              # opens, by alternating offers
//! cargo run --release --example haggle -- egypt --with kenya --calls      # or calls for bids
//! cargo run --release --example haggle -- togo --between egypt kenya      # or a third mediates between two who are there
//! ```
#![allow(clippy::print_stdout)] // saying what happens is what it is for

use std::sync::Arc;

use anyhow::Context;
use clap::Parser;
use negotiation::strategy::{Concession, HillClimber, Pace, Sealed};
use negotiation::{Part, Preferences, Utility};
use schemas::deal::Delivery;
use schemas::negotiation::{Alternating, ContractNet, Domain, Issue, Pattern, Rules, ScoreWeight, SingleText};
use schemas::profile::Profile;
use schemas::{AgentId, Good, MarketId, Quantity};
use swarm::agent::{Agent, Invitation, Opening, Talked};

/// How long is talked, and how long after that the deal may wait for its acceptances, in milliseconds.
const TALK_MS: i64 = 10_000;
/// How many rounds there are at most.
const ROUNDS: u32 = 20;
/// What no agreement is worth, in parts of a million.
const RESERVED_PPM: i64 = 200_000;
/// The share of what there is to gain that a sealed bid asks for, in parts of a million.
const SHARE_PPM: i64 = 500_000;
/// How much of each good an agent may give, in minor units.
const LIMIT: i64 = 1_000_000;

/// An agent that haggles over tea when it is invited, or, with --with or --between, one that invites
#[derive(Parser)]
struct Args {
    /// Its id on the bus
    name: AgentId,
    /// It sells; otherwise it buys
    #[arg(long)]
    sells: bool,
    /// From whom to buy
    #[arg(long, value_name = "SELLER", conflicts_with = "sells")]
    with: Vec<AgentId>,
    /// Call for bids, and do not haggle
    #[arg(long, requires = "with")]
    calls: bool,
    /// Between whom to mediate: who buys, and who sells
    #[arg(long, num_args = 2, value_names = ["BUYER", "SELLER"], conflicts_with_all = ["with", "sells"])]
    between: Vec<AgentId>,
    /// The ledger's book in which deals are made
    #[arg(long, default_value = "bazaar")]
    book: MarketId,
    /// The broker; otherwise NATS_URL, or the context of the `nats` command line
    #[arg(long, value_name = "URL")]
    nats: Option<String>,
}

fn main() -> anyhow::Result<()> {
    runtime::run(live(Args::parse()))?
}

async fn live(args: Args) -> anyhow::Result<()> {
    let sells = args.sells;
    let agent = Agent::named(args.name.clone()).at(args.nats.clone());
    let agent = agent.on_invitation(move |invitation| sit_down(invitation, sells)).on_talked(tell).start().await?;
    let said = talk(&agent, args).await;
    agent.stop().await;
    said
}

async fn talk(agent: &Agent, args: Args) -> anyhow::Result<()> {
    agent.declare(&args.book, [(Good::parse("tea")?, LIMIT), (Good::parse("usd")?, LIMIT)]).await?;
    if args.with.is_empty() && args.between.is_empty() {
        println!("is there");
        return Ok(runtime::interrupted().await?);
    }
    let opening = opening(agent, &args)?;
    let talk = agent.open_talk(opening, |invitation| sit_down(invitation, false)).await?;
    let talked = talk.ended().await;
    let agreed = talked.told.as_ref().is_some_and(|told| told.outcome.is_some());
    if agreed {
        talked.deal.ended().await;
    }
    tell(talked);
    Ok(())
}

/// What a price of so much and a grade of so much are worth, in parts of a million.
fn worth(sells: bool) -> Utility {
    Utility::Function(Arc::new(move |outcome| {
        let choice = |at: usize| outcome.get(at).copied().map_or(0, i64::from);
        let price = if sells { choice(0) } else { 10 - choice(0) };
        80_000 * price + 100_000 * choice(1)
    }))
}

/// One's part in a talk, by whichever protocol.
fn sit_down(invitation: &Invitation, sells: bool) -> Option<Box<dyn Part>> {
    let preferences = Preferences { utility: worth(sells), reserved_ppm: RESERVED_PPM };
    let me = invitation.deal.agent().id();
    match invitation.profile {
        Profile::Sao => invitation.negotiate(preferences, Box::new(Concession(Pace::Linear))),
        Profile::Cnp if invitation.opener == *me => invitation.manage("tea"),
        Profile::Cnp => invitation.bid(&preferences, Box::new(Sealed { share_ppm: SHARE_PPM })),
        Profile::Stx if invitation.opener == *me => invitation.mediate(),
        Profile::Stx => invitation.vote(preferences, Box::new(HillClimber)),
        _ => None,
    }
}

/// A talk over tea, between a buyer on the first seat and a seller on the second.
fn opening(agent: &Agent, args: &Args) -> anyhow::Result<Opening> {
    let (me, until_unix_ms) = (agent.id().clone(), agent.now_unix_ms().saturating_add(TALK_MS));
    let expires_unix_ms = until_unix_ms.saturating_add(TALK_MS);
    let domain = tea(expires_unix_ms)?;
    let (mut parties, mediates) = (args.with.clone(), !args.between.is_empty());
    if mediates {
        parties.clone_from(&args.between);
    } else {
        parties.insert(0, me.clone());
    }
    let order = parties.clone();
    let (profile, rules) = if mediates {
        let rules =
            SingleText { domain, order, mediator: me, seed: 7, rounds: ROUNDS, talk_until_unix_ms: until_unix_ms };
        (Profile::Stx, Rules::SingleText(rules))
    } else if args.calls {
        let weigh = |issue: &str, weight| -> anyhow::Result<_> { Ok(ScoreWeight { issue: issue.parse()?, weight }) };
        let score = vec![weigh("price", -1)?, weigh("grade", 2)?];
        (
            Profile::Cnp,
            Rules::ContractNet(ContractNet { domain, manager: me, bids_until_unix_ms: until_unix_ms, score }),
        )
    } else {
        let rules = Alternating { domain, order, rounds: ROUNDS, talk_until_unix_ms: until_unix_ms };
        (Profile::Sao, Rules::Alternating(rules))
    };
    Ok(Opening { book: args.book.clone(), profile, parties, rules, expires_unix_ms })
}

/// Tea of a grade for a price: as many units of the one as of the other are given.
fn tea(due_unix_ms: i64) -> anyhow::Result<Domain> {
    let one = Quantity::new(1).context("one is a quantity")?;
    let issue = |name: &str, least, count| -> anyhow::Result<Issue> {
        Ok(Issue { name: name.parse()?, least, step: one, count, labels: Vec::new() })
    };
    let pattern = |from, to, good: &str, times: &str| -> anyhow::Result<Pattern> {
        let (goods, times) = (vec![Good::parse(good)?], vec![times.parse()?]);
        Ok(Pattern { from, to, goods, good_by: None, factor: one, times, due_unix_ms, due_by: None })
    };
    Ok(Domain {
        issues: vec![issue("price", 5, 11)?, issue("grade", 1, 3)?],
        transfers: vec![pattern(1, 0, "tea", "grade")?, pattern(0, 1, "usd", "price")?],
        delivery: Delivery::Immediate,
    })
}

fn tell(talked: Talked) {
    let outcome = talked.told.and_then(|told| told.outcome);
    println!("{} {} after {} words: {outcome:?}", talked.deal.id(), talked.deal.state(), talked.words.len());
}
