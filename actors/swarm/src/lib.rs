//! Agents in Rust, the market maker, and the scenario runner.
//!
//! # An agent
//!
//! It is registered under a key of its own, and answers whoever asks on the topic `greet`. What is no good question is
//! refused, with the field and the reason. `actors/swarm/examples/greeter.rs` is the same with the side that asks.
//!
//! ```no_run
//! use schemas::ErrorReply;
//! use schemas::body::Refused;
//! use serde::{Deserialize, Serialize};
//! use swarm::agent::{Agent, Heard, Topic};
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
//! async fn greet(hello: Heard<Hello>) -> Result<Greeting, ErrorReply> {
//!     Ok(Greeting { text: format!("Hello {}", hello.body.name) })
//! }
//!
//! async fn live() -> anyhow::Result<()> {
//!     let agent = Agent::named("greeter".parse()?).on_topic(&Topic::parse("greet")?, greet).start().await?;
//!     runtime::interrupted().await?;
//!     agent.stop().await;
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
//! - [`agent`] is an agent as one object: topics, streams, deals, talks, tasks, an inbox.
//! - [`resident`] registers agents, a hundred thousand in a process. What such an agent does is a
//!   [`Peer`](runtime::peer::Peer).
//! - [`voice`] asks, and signs what is asked; [`keys`] has the key. Both are beneath the others.
//! - [`trader`] joins a market and accepts what is good for it, by its [`plan`]; what it does, it tells as [`news`].
//! - [`prompts`] is for agents that people prompt, and that prompt others.
//! - [`bargain`], [`together`], [`scenario`], [`run`] and [`maker`] are scenarios, their runner, and the market maker.
//!
//! `docs/rust.md` says which of them is for what, how agents in Rust and in Python understand each other, and what there is
//! in Python only.

pub mod agent;
pub mod bargain;
#[cfg(test)]
mod fixtures;
pub mod keys;
mod known;
pub mod maker;
pub mod news;
mod paying;
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
