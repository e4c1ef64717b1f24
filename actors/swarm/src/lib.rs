//! Agents in Rust, the market maker, and the scenario runner.
//!
//! # An agent
//!
//! It is registered under a key of its own, and answers whoever asks on the topic `greet`. What is no good question is
//! refused, with the field and the reason. `actors/swarm/examples/greeter.rs` is the same with the side that asks.
//!
//! ```no_run
//! use std::sync::Arc;
//!
//! use runtime::nats::ConnectSpec;
//! use runtime::peer::{Host, Outbox, Peer, PeerEvent};
//! use runtime::port::Port;
//! use runtime::service::Answer;
//! use schemas::body::Refused;
//! use schemas::limit::{DEFAULT_LEASE_MS, MAX_BODY_BYTES};
//! use schemas::signature::Signer;
//! use schemas::{AgentId, ErrorReply, decode, subject};
//! use serde::{Deserialize, Serialize};
//! use swarm::resident::{Newcomer, leave, settle};
//! use swarm::{keys, voice};
//!
//! #[derive(Serialize, Deserialize)]
//! #[serde(tag = "type", rename = "hello")]
//! struct Hello {
//!     name: String,
//! }
//! schemas::message!(Hello, "hello", |hello| {
//!     if hello.name.is_empty() { Err(Refused::new("name", "whom?")) } else { Ok(()) }
//! });
//!
//! #[derive(Serialize, Deserialize)]
//! #[serde(tag = "type", rename = "greeting")]
//! struct Greeting {
//!     text: String,
//! }
//! schemas::message!(Greeting, "greeting");
//!
//! struct Greeter {
//!     subject: String,
//! }
//!
//! impl Peer for Greeter {
//!     fn on(&mut self, event: PeerEvent, _now_unix_ms: i64, out: &mut Outbox) {
//!         match event {
//!             PeerEvent::Started => out.subscribe(self.subject.as_str()),
//!             PeerEvent::Message(question) => {
//!                 let hello = decode::<Hello>(&question.body, MAX_BODY_BYTES).map_err(ErrorReply::from);
//!                 let answer = hello.map(|Hello { name }| Answer::of(&Greeting { text: format!("Hello {name}") }));
//!                 out.answer(&question, answer);
//!             }
//!             _ => {}
//!         }
//!     }
//! }
//!
//! async fn live() -> anyhow::Result<()> {
//!     let agent = AgentId::parse("greeter")?;
//!     let port: Arc<dyn Port> = Arc::new(ConnectSpec::discover(None, None, "greeter")?.connect().await?);
//!     let signer = Signer::from_seed(&keys::seed(&agent, None)?, voice::account(&*port).await?, "greeter")?;
//!     let voice = voice::Voice::new(agent, signer);
//!
//!     let subject = subject::topic("greet")?;
//!     let newcomer = Newcomer { voice, subjects: vec![subject.clone()], peer: Greeter { subject } };
//!     let host = Host::new(port, 1)?;
//!     let here = settle(&host, [newcomer], DEFAULT_LEASE_MS).await?;
//!     runtime::interrupted().await?;
//!     leave(here).await;
//!     Ok(())
//! }
//!
//! fn main() -> anyhow::Result<()> {
//!     runtime::run(live())?
//! }
//! ```
//!
//! # Where to look
//!
//! - [`voice`] asks, and signs what is asked; [`keys`] has the key.
//! - [`resident`] registers agents, a hundred thousand in a process. What an agent does is a [`Peer`](runtime::peer::Peer).
//! - [`trader`] joins a market and accepts what is good for it, by its [`plan`]; what it does, it tells as [`news`].
//! - [`prompts`] is for agents that people prompt, and that prompt others.
//! - [`bargain`], [`together`], [`scenario`], [`run`] and [`maker`] are scenarios, their runner, and the market maker.
//!
//! `docs/rust.md` says which of them is for what, how agents in Rust and in Python understand each other, and what there is
//! in Python only.

pub mod bargain;
#[cfg(test)]
mod fixtures;
pub mod keys;
pub mod maker;
pub mod news;
pub mod plan;
pub mod prompts;
pub mod remaining;
pub mod resident;
pub mod run;
pub mod scenario;
pub mod stated;
pub mod together;
pub mod trader;
pub mod voice;
pub mod witness;
