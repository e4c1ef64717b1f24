//! Agents that are prompted, and prompt: the Synadia Agent Protocol for NATS 0.3, for people and agents of any make.
//!
//! A [`Prompted`] agent is a service that is found as NATS finds services, answers `prompt` in chunks and `status` at
//! once, and beats every half a minute. [`find`] tells who can be prompted, and [`prompt`] prompts one, whoever made it:
//! an agent of this crate, of our Python package, or of the protocol's own libraries.
//!
//! A prompt whose signature fails is refused, whoever it says it comes from; one that is not signed is answered, unless
//! the author wants signatures. The signature proves a key; that the key is an agent's of this bus, the registry says.
//!
//! ```no_run
//! use std::sync::Arc;
//!
//! use runtime::port::Port;
//! use schemas::ErrorReply;
//! use swarm::prompts::{Answered, Part, Patience, Prompt, Prompted, Respond, find, prompt};
//! use swarm::voice::Voice;
//!
//! struct Parrot;
//!
//! impl Respond for Parrot {
//!     async fn respond(&self, prompt: &Prompt) -> Answered {
//!         let whom = prompt.ask("Who is there?", 60_000).await?;
//!         prompt.say(format!("{whom} says {}", prompt.text())).await
//!     }
//! }
//!
//! # async fn example(port: Arc<dyn Port>, voice: Arc<Voice>) -> Result<(), Box<dyn std::error::Error>> {
//! let parrot = Prompted::new(voice.clone()).about("Says it again").start(port.clone(), Parrot).await?;
//!
//! for peer in find(port.as_ref(), 2_000).await? {
//!     let mut answer = prompt(port.clone(), &voice, &peer, "hello", Vec::new(), Patience::default()).await?;
//!     while let Some(part) = answer.next().await? {
//!         match part {
//!             Part::Said { text, .. } => print!("{text}"),
//!             Part::Question(question) => question.answer("kenya").await?,
//!         }
//!     }
//! }
//! parrot.drain(5_000).await;
//! # Ok(())
//! # }
//! ```
//!
//! Not done: attachments as streams of their own, and the cross-check of `Nats-Request-Info` by closed endpoints. Each
//! prompted agent listens on subscriptions of its own, a dozen of them.

mod answering;
mod asking;
mod envelope;
#[cfg(test)]
mod tests;

pub use self::{
    answering::{Answered, Prompt, Prompted, PromptedError, Prompting, Respond},
    asking::{Conversation, Part, Patience, Peer, PromptError, Question, find, prompt},
    envelope::{Attachment, BadEnvelope},
};
