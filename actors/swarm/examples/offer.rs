//! Two agents make a deal without a market: one offers, move by move, and another takes it, as `agent.rs` does.
//!
//! ```text
//! hms up                                                        # a bus, in one terminal
//! cargo run --release --example agent -- niger --gives wheat:100:20 --wants coffee:50:90
//! cargo run --release --example offer -- mali niger --gives coffee:5 --takes wheat:10
//! ```
#![allow(clippy::print_stdout)] // saying what happens is what it is for

use std::str::FromStr;

use anyhow::bail;
use clap::Parser;
use futures::StreamExt;
use runtime::nats::ConnectSpec;
use runtime::port::Port;
use schemas::deal::{Accept, Confirm, Delivery, Moved, Open, Terms, Transfer};
use schemas::event::DealNote;
use schemas::ledger::{Declare, Declared, Limit};
use schemas::limit::{DEFAULT_LEASE_MS, MAX_BODY_BYTES};
use schemas::profile::{Profile, State};
use schemas::signature::Signer;
use schemas::subject::{self, DealVerb};
use schemas::value::Valuation;
use schemas::{AgentId, Code, DealId, Good, Hash, MarketId, Message, MoveId, Quantity, decode, encode};
use swarm::keys;
use swarm::resident::register;
use swarm::voice::{self, AskError, Voice};

/// How long an answer may take, in milliseconds.
const ANSWER_MS: u64 = 5_000;
/// How long a move may be decided, in milliseconds.
const MOVE_MS: i64 = 5_000;
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
    runtime::run(offer(Args::parse()))?
}

async fn offer(args: Args) -> anyhow::Result<()> {
    let Args { name, whom, gives, takes, limit, book, nats } = args;
    let port = ConnectSpec::discover(nats.as_deref(), None, name.as_str())?.connect().await?;
    let (seed, account) = (keys::seed(&name, None)?, voice::account(&port).await?);
    let voice = Voice::new(name.clone(), Signer::from_seed(&seed, account, name.as_str())?);
    register(&port, &voice, DEFAULT_LEASE_MS).await?;
    // What happens to its deals is in its inbox. A live copy may be lost on its way: `Trader` reads those from the registry.
    let mut inbox = port.subscribe(&subject::live_inbox(&name), None).await?;

    // The ledger lets nobody give more than it declared, in all its deals together.
    let now = port.now_unix_ms();
    let (move_id, deadline_unix_ms) = (MoveId::parse(&format!("declare-{now}"))?, now + MOVE_MS);
    let limits = vec![Limit { good: gives.good.clone(), quantity: limit }];
    let declare = Declare { move_id, deadline_unix_ms, book: book.clone(), limits };
    let _: Declared = ask(&port, &voice, subject::endpoint("ledger", "declare"), &declare).await?;

    // The offer: terms, and a deal in which they are on the table. Whoever opens names the deal by its move.
    let expires_unix_ms = now + STANDS_MS;
    let transfer = |from: &AgentId, to: &AgentId, Amount { good, units }| Transfer {
        from: from.clone(),
        to: to.clone(),
        good,
        quantity: units,
        due_unix_ms: expires_unix_ms + DELIVER_MS,
        intent: None,
    };
    let mut parties = vec![name.clone(), whom.clone()];
    parties.sort();
    let terms = encode(&Terms {
        book: book.clone(),
        parties: parties.clone(),
        transfers: vec![transfer(&name, &whom, gives), transfer(&whom, &name, takes)],
        delivery: Delivery::Confirmed,
        expires_unix_ms,
        award: None,
    });
    let terms_hash = Hash::of(&terms);
    let move_id = MoveId::parse(&format!("open-{now}"))?;
    let deal = DealId::of(&name, &move_id);
    let at = |verb| subject::deal_move(verb, &name, &deal);
    let open = Open {
        move_id,
        deadline_unix_ms,
        book,
        profile: Profile::Fixed,
        parties,
        expires_unix_ms,
        terms: Some(terms),
        requires: Vec::new(),
        rules: None,
    };
    let _: Moved = ask(&port, &voice, at(DealVerb::Open), &open).await?;
    println!("{deal} opened");

    let accept = Accept {
        move_id: MoveId::parse("accept")?,
        deadline_unix_ms,
        deal: deal.clone(),
        terms_hash,
        valuation: Valuation::default(),
        holdings: Vec::new(),
        transcript: None,
    };
    match ask::<_, Moved>(&port, &voice, at(DealVerb::Accept), &accept).await {
        // The other one was quicker, and said no: the inbox has it, too.
        Err(AskError::Refused(reply)) if reply.kind() == Code::Conflict => {}
        accepted => drop(accepted?),
    }

    while let Some(message) = inbox.next().await {
        let Ok(note) = decode::<DealNote>(&message.body, MAX_BODY_BYTES) else { continue };
        if note.deal != deal {
            continue;
        }
        println!("{deal} {}{}", note.event, note.reason.map_or_else(String::new, |reason| format!(": {reason}")));
        if note.state == State::Committed {
            // Here it would look whether what it takes is there.
            let (move_id, deadline_unix_ms) = (MoveId::parse("confirm")?, port.now_unix_ms() + MOVE_MS);
            let confirm = Confirm { move_id, deadline_unix_ms, deal: deal.clone(), terms_hash };
            let _: Moved = ask(&port, &voice, at(DealVerb::Confirm), &confirm).await?;
        }
        if note.state.is_end() {
            return Ok(());
        }
    }
    bail!("the connection has ended")
}

/// Says it signed, and reads the answer.
async fn ask<Q: Message, A: Message>(port: &dyn Port, voice: &Voice, subject: String, said: &Q) -> Result<A, AskError> {
    let question = voice.say(subject, said, port.now_unix_ms())?;
    voice::ask(port, question, ANSWER_MS).await
}
