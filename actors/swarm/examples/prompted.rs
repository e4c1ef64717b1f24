//! An agent in Rust that can be prompted by anybody, and that prompts any: the Synadia Agent Protocol for NATS 0.3.
//!
//! ```text
//! hms up                                                             # a bus, in one terminal
//! cargo run --release --example prompted -- kenya           # an agent that sells wheat, in another
//! nats req agents.prompt.hms-a2a.hms.kenya 'What is wheat worth?' --wait-for-empty --raw
//! cargo run --release --example prompted -- ghana --ask kenya 'How much?'
//! ```
#![allow(clippy::print_stdout)] // saying what is answered is what it is for

use std::error::Error;
use std::process::ExitCode;
use std::sync::Arc;

use clap::Parser;
use runtime::nats::ConnectSpec;
use runtime::port::Port;
use schemas::limit::DEFAULT_LEASE_MS;
use schemas::signature::Signer;
use schemas::{AgentId, ErrorReply};
use swarm::keys;
use swarm::prompts::{Answered, Attachment, Part, Patience, Prompt, Prompted, Respond, find, prompt};
use swarm::resident::register;
use swarm::voice::{self, Voice};

/// How long whoever can be prompted may take to say so, in milliseconds.
const FIND_MS: u64 = 2_000;
/// How long answers may take when it ends, in milliseconds.
const DRAIN_MS: u64 = 10_000;

/// An agent that is prompted, or, with --ask, one that prompts
#[derive(Parser)]
struct Args {
    /// Its id on the bus
    name: AgentId,
    /// Whom to prompt, and what; what is asked back is answered with --answer
    #[arg(long, num_args = 2, value_names = ["SESSION", "TEXT"])]
    ask: Option<Vec<String>>,
    /// What to answer when it is asked back
    #[arg(long, value_name = "TEXT", default_value = "nothing")]
    answer: String,
    /// A text that goes with what is asked, as a file
    #[arg(long, value_name = "TEXT")]
    file: Option<String>,
    /// The broker; otherwise NATS_URL, or the context of the `nats` command line
    #[arg(long, value_name = "URL")]
    nats: Option<String>,
}

/// Sells wheat.
struct Seller;

impl Respond for Seller {
    async fn respond(&self, prompt: &Prompt) -> Answered {
        match prompt.text() {
            "who" => {
                let key = prompt.key().map_or("nobody", |key| key.as_str());
                let agent = prompt.sender().map_or("nobody", AgentId::as_str);
                prompt.say(format!("{agent} {key}")).await
            }
            "ask" => {
                let much = prompt.ask("How much?", 5_000).await?;
                prompt.say(format!("{much} it is")).await
            }
            "refuse" => Err(ErrorReply::refused("sold_out", "wheat is sold out")),
            text => {
                prompt.say("You said: ").await?;
                prompt.say_with(text, prompt.attachments().to_vec()).await
            }
        }
    }
}

fn main() -> ExitCode {
    let args = Args::parse();
    let outcome = runtime::run(live(args)).map_err(Into::into).and_then(|outcome| outcome);
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("prompted: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn live(args: Args) -> Result<(), Box<dyn Error>> {
    let spec = ConnectSpec::discover(args.nats.as_deref(), None, args.name.as_str())?;
    let port: Arc<dyn Port> = Arc::new(spec.connect().await?);
    let voice = Arc::new(join(port.as_ref(), args.name).await?);
    if let Some([session, text]) = args.ask.as_deref() {
        let attachments =
            args.file.map(|text| Attachment { filename: "file.txt".to_owned(), content: text.into_bytes() });
        return ask(port, &voice, session, text, Vec::from_iter(attachments), &args.answer).await;
    }
    let seller = Prompted::new(voice).about("Sells wheat").taking_attachments();
    let seller = seller.start(port, Seller).await?;
    println!("prompted at {}", seller.subject());
    runtime::interrupted().await?;
    if !seller.drain(DRAIN_MS).await {
        return Err("something was not answered in time".into());
    }
    Ok(())
}

/// Registers, so that others can tell whose key it is.
async fn join(port: &dyn Port, agent: AgentId) -> Result<Voice, Box<dyn Error>> {
    let (seed, account) = (keys::seed(&agent, None)?, voice::account(port).await?);
    let voice = Voice::new(agent.clone(), Signer::from_seed(&seed, account, agent.as_str())?);
    register(port, &voice, DEFAULT_LEASE_MS).await?;
    Ok(voice)
}

async fn ask(
    port: Arc<dyn Port>,
    voice: &Voice,
    session: &str,
    text: &str,
    attachments: Vec<Attachment>,
    answer: &str,
) -> Result<(), Box<dyn Error>> {
    let found = find(port.as_ref(), FIND_MS).await?;
    let peer = found.iter().find(|peer| peer.session == session);
    let peer = peer.ok_or_else(|| format!("nobody called {session} can be prompted"))?;
    let mut said = prompt(port, voice, peer, text, attachments, Patience::default()).await?;
    while let Some(part) = said.next().await? {
        match part {
            Part::Said { text, attachments } => {
                print!("{text}");
                for file in attachments {
                    print!(" [{}: {}]", file.filename, String::from_utf8_lossy(&file.content));
                }
            }
            Part::Question(question) => question.answer(answer).await?,
        }
    }
    println!();
    Ok(())
}
