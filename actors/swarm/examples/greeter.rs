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

use clap::Parser;
use schemas::body::Refused;
use schemas::{AgentId, ErrorReply};
use serde::{Deserialize, Serialize};
use swarm::agent::{Agent, Heard, Pieces, Topic};

/// An agent that greets, or, with --ask, one that asks for a greeting
#[derive(Parser)]
struct Args {
    /// Its id on the bus
    name: AgentId,
    /// Whom to have greeted
    #[arg(long, value_name = "WHOM")]
    ask: Option<String>,
    /// How often
    #[arg(long, value_name = "TIMES", default_value_t = 1)]
    times: usize,
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

/// Greets whoever is named, until the asker has enough.
async fn greet(hello: Heard<Hello>, greetings: Pieces<Greeting>) -> Result<(), ErrorReply> {
    for again in ["", " again", " for the last time"] {
        greetings.say(&Greeting { text: format!("Hello{again} {}", hello.body.name) }).await?;
    }
    Ok(())
}

fn main() -> anyhow::Result<()> {
    runtime::run(live(Args::parse()))?
}

async fn live(args: Args) -> anyhow::Result<()> {
    let topic: Topic<Hello, Greeting> = Topic::parse(&args.topic)?;
    let agent = Agent::named(args.name).at(args.nats);
    if let Some(name) = args.ask {
        let agent = agent.start().await?;
        let said = ask(&agent, &topic, name, args.times).await;
        agent.stop().await;
        return said;
    }
    let agent = agent.on_stream(&topic, greet).start().await?;
    println!("answers on {}", args.topic);
    runtime::interrupted().await?;
    agent.stop().await;
    Ok(())
}

async fn ask(agent: &Agent, topic: &Topic<Hello, Greeting>, name: String, times: usize) -> anyhow::Result<()> {
    let hello = Hello { name };
    if times == 1 {
        println!("{}", agent.request(topic, &hello).await?.text);
        return Ok(());
    }
    let mut greetings = agent.stream(topic, &hello).await?;
    for _ in 0..times {
        let Some(Greeting { text }) = greetings.next().await? else { break };
        println!("{text}");
    }
    Ok(())
}
