//! An agent in Rust that answers typed questions on a topic, and one that asks.
//!
//! ```text
//! hms up                                                        # a bus, in one terminal
//! cargo run --release --example greeter -- greeter              # an agent that answers, in another
//! cargo run --release --example greeter -- asker --ask Ada      # one that asks, in a third
//! ```
//!
//! Its types are those of `docs/tutorial.md` with a tag, so Python agents ask it, and answer it: `docs/rust.md`.
#![allow(clippy::print_stdout)] // saying what is answered is what it is for

use std::sync::Arc;

use clap::Parser;
use runtime::nats::ConnectSpec;
use runtime::peer::{Host, Outbox, Peer, PeerEvent};
use runtime::port::Port;
use runtime::service::Answer;
use schemas::body::Refused;
use schemas::limit::{DEFAULT_LEASE_MS, MAX_BODY_BYTES};
use schemas::signature::Signer;
use schemas::{AgentId, ErrorReply, decode, subject};
use serde::{Deserialize, Serialize};
use swarm::keys;
use swarm::resident::{Newcomer, leave, settle};
use swarm::voice::{self, Voice};

/// How long an answer may take, in milliseconds.
const ANSWER_MS: u64 = 5_000;

/// An agent that greets, or, with --ask, one that asks for a greeting
#[derive(Parser)]
struct Args {
    /// Its id on the bus
    name: AgentId,
    /// Whom to have greeted
    #[arg(long, value_name = "WHOM")]
    ask: Option<String>,
    /// The topic that is asked, and answered, on
    #[arg(long, default_value = "greet")]
    topic: String,
    /// The broker; otherwise NATS_URL, or the context of the `nats` command line
    #[arg(long, value_name = "URL")]
    nats: Option<String>,
}

/// What is asked.
#[derive(Serialize, Deserialize)]
#[serde(tag = "type", rename = "hello")]
struct Hello {
    name: String,
}
schemas::message!(Hello, "hello", |hello| {
    if hello.name.is_empty() { Err(Refused::new("name", "whom?")) } else { Ok(()) }
});

/// What is answered.
#[derive(Serialize, Deserialize)]
#[serde(tag = "type", rename = "greeting")]
struct Greeting {
    text: String,
}
schemas::message!(Greeting, "greeting");

/// Greets whoever is named.
struct Greeter {
    subject: String,
}

impl Peer for Greeter {
    fn on(&mut self, event: PeerEvent, _now_unix_ms: i64, out: &mut Outbox) {
        match event {
            PeerEvent::Started => out.subscribe(self.subject.as_str()),
            PeerEvent::Message(question) => {
                let hello = decode::<Hello>(&question.body, MAX_BODY_BYTES).map_err(ErrorReply::from);
                let answer = hello.map(|Hello { name }| Answer::of(&Greeting { text: format!("Hello {name}") }));
                out.answer(&question, answer);
            }
            PeerEvent::Failed { subject, error } => eprintln!("greeter: {subject}: {error}"),
            _ => {}
        }
    }
}

fn main() -> anyhow::Result<()> {
    runtime::run(live(Args::parse()))?
}

async fn live(args: Args) -> anyhow::Result<()> {
    let subject = subject::topic(&args.topic)?;
    let spec = ConnectSpec::discover(args.nats.as_deref(), None, args.name.as_str())?;
    let port: Arc<dyn Port> = Arc::new(spec.connect().await?);
    if let Some(name) = args.ask {
        // Nobody needs to know who asks; `Voice::say` makes the same question, signed.
        let question = voice::plain(subject, &Hello { name });
        let Greeting { text } = voice::ask(port.as_ref(), question, ANSWER_MS).await?;
        println!("{text}");
        return Ok(());
    }

    let (seed, account) = (keys::seed(&args.name, None)?, voice::account(port.as_ref()).await?);
    let signer = Signer::from_seed(&seed, account, args.name.as_str())?;
    let voice = Voice::new(args.name, signer);
    let newcomer = Newcomer { voice, subjects: vec![subject.clone()], peer: Greeter { subject } };
    let host = Host::new(port, 1)?;
    let here = settle(&host, [newcomer], DEFAULT_LEASE_MS).await?;
    println!("answers on {}", args.topic);
    runtime::interrupted().await?;
    leave(here).await;
    Ok(())
}
