//! Agents that are here: each registered under a key of its own, with a lease that is renewed while it lives. Thousands in
//! a process, as `hms-agent run --count` has them in Python.
//!
//! ```no_run
//! use std::sync::Arc;
//!
//! use runtime::peer::{Host, Outbox, Peer, PeerEvent};
//! use runtime::port::Port;
//! use runtime::service::Answer;
//! use schemas::signature::{PublicKey, Signer};
//! use schemas::{AgentId, subject};
//! use swarm::resident::{Newcomer, leave, settle};
//! use swarm::voice::Voice;
//!
//! /// Says everything again, at a place of its own.
//! struct Echo(String);
//!
//! impl Peer for Echo {
//!     fn on(&mut self, event: PeerEvent, _: i64, out: &mut Outbox) {
//!         match event {
//!             PeerEvent::Started => out.subscribe(self.0.as_str()),
//!             PeerEvent::Message(question) => {
//!                 out.answer(&question, Ok(Answer::new(question.headers.clone(), question.body.clone())));
//!             }
//!             _ => {}
//!         }
//!     }
//! }
//!
//! # async fn example(port: Arc<dyn Port>, account: PublicKey, seed: fn() -> String) -> Result<(), Box<dyn std::error::Error>> {
//! let host = Host::new(port, 2)?;
//! host.share(&subject::all_topics("echo.*")?).await?; // one subscription for all of them
//! let newcomers = (0..100_000).map(|number| {
//!     let name = format!("echo-{number}");
//!     let voice = Voice::new(AgentId::parse(&name)?, Signer::from_seed(&seed(), account.clone(), &name)?);
//!     let place = subject::topic(&format!("echo.{name}"))?;
//!     Ok(Newcomer { voice, subjects: vec![place.clone()], peer: Echo(place) })
//! });
//! let newcomers = newcomers.collect::<Result<Vec<_>, Box<dyn std::error::Error>>>()?;
//! let here = settle(&host, newcomers, 60 * 60 * 1000).await?;
//! runtime::interrupted().await?;
//! leave(here).await;
//! # Ok(())
//! # }
//! ```
//!
//! # What a lease costs
//!
//! Whoever has no lease is not listed (`registry.find`, `HMS_AGENTS`), and once registered its signatures hold whether it is
//! listed or not. An agent renews its lease at a time of its own between a third and two thirds of it, so N agents ask the
//! registry 2N times a lease: 100,000 of them with an hour's lease 56 times a second, with a minute's 3,300 times, which is
//! more than one registry takes. Who dies without leaving is listed until its lease ends.

#[cfg(test)]
mod tests;

use futures::channel::oneshot;
use futures::{StreamExt, TryStreamExt, stream};
use runtime::dice::{self, Dice};
use runtime::peer::{Host, Outbox, Peer, PeerEvent, PeerHandle};
use runtime::port::Port;
use schemas::registry::{Leave, Register, Registered};
use schemas::value::PartyKind;
use schemas::{AgentId, Message as Body, subject};

use crate::voice::{self, AskError, Voice};

/// How many register, or leave, at once.
const AT_ONCE: usize = 64;
/// How long an answer may take, in milliseconds.
const ANSWER_MS: u64 = 5_000;
/// Pause before asking again, in milliseconds.
const PAUSE_MS: i64 = 250;

/// The tags that a resident keeps for itself: its lease is to be seen to; it is here; it leaves.
const LEASE: u64 = u64::MAX;
const HERE: u64 = u64::MAX - 1;
const LEAVE: u64 = u64::MAX - 2;

/// An agent that is to be here.
pub struct Newcomer<P> {
    /// Signs for it.
    pub voice: Voice,
    /// Subjects that it answers on, for others to find.
    pub subjects: Vec<String>,
    /// What it does, from the moment that it is registered. The three highest tags are not for its use.
    pub peer: P,
}

/// Why an agent is not here.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{agent} is not here")]
pub struct SettleError {
    /// The agent.
    pub agent: AgentId,
    /// What the registry said.
    #[source]
    pub reason: AskError,
}

/// Brings agents to a host, some dozens at a time: each is registered, with a lease of `lease_ms`, and then begins. When
/// this returns all have begun, and what they subscribed to first stands. An agent is taken from `newcomers` when it is its
/// turn, so keys may be made by the way.
///
/// # Errors
/// [`SettleError`] for the first that the registry does not take; who is here then stays.
pub async fn settle<P: Peer>(
    host: &Host,
    newcomers: impl IntoIterator<Item = Newcomer<P>>,
    lease_ms: i64,
) -> Result<Vec<PeerHandle>, SettleError> {
    let settling = stream::iter(newcomers).map(|Newcomer { voice, subjects, peer }| {
        let agent = voice.agent().clone();
        let (settled, here) = oneshot::channel();
        let resident = Resident { voice, subjects, lease_ms, peer, has_begun: false, settled: Some(settled) };
        let handle = host.spawn(agent.as_str(), resident);
        async move {
            let ended = |_| Err(AskError::Unknown("it ended before it was registered".to_owned()));
            match here.await.unwrap_or_else(ended) {
                Ok(()) => Ok(handle),
                Err(reason) => Err(SettleError { agent, reason }),
            }
        }
    });
    settling.buffer_unordered(AT_ONCE).try_collect().await
}

/// Registers an agent once, so that its signatures hold: for a program that soon ends, or need not be listed when its lease
/// has ended. Whoever stays is brought by [`settle`].
///
/// # Errors
/// [`AskError`].
pub async fn register(port: &dyn Port, voice: &Voice, lease_ms: i64) -> Result<Registered, AskError> {
    let register = registration(voice, &[], lease_ms);
    let said = voice.say(subject::endpoint("registry", "register"), &register, port.now_unix_ms())?;
    voice::ask(port, said, ANSWER_MS).await
}

/// What an agent says to register, or to renew its lease.
fn registration(voice: &Voice, subjects: &[String], lease_ms: i64) -> Register {
    Register {
        agent: voice.agent().clone(),
        key: voice.signer().key().clone(),
        kind: PartyKind::default(),
        capabilities: Vec::new(),
        subjects: subjects.to_vec(),
        lease_ms,
    }
}

/// How long an agent waits before it renews its lease, in milliseconds: those that came together don't renew together.
pub(crate) fn renewal_ms(agent: &AgentId, lease_ms: i64, now_unix_ms: i64) -> i64 {
    let third = lease_ms / 3;
    let mut dice = Dice::of(&[dice::number_of(agent.as_str()), now_unix_ms.unsigned_abs()]);
    third.saturating_add_unsigned(dice.below(third.unsigned_abs())).max(1)
}

/// Has agents leave and end, some dozens at a time, and waits for it.
pub async fn leave(agents: Vec<PeerHandle>) {
    let leaving = stream::iter(agents).for_each_concurrent(AT_ONCE, |mut agent| async move {
        agent.stop();
        agent.ended().await;
    });
    leaving.await;
}

/// A peer with a lease.
struct Resident<P> {
    voice: Voice,
    subjects: Vec<String>,
    lease_ms: i64,
    peer: P,
    has_begun: bool,
    /// Who waits for it to be here; nobody once it is.
    settled: Option<oneshot::Sender<Result<(), AskError>>>,
}

impl<P: Peer> Resident<P> {
    fn ask<T: Body>(&mut self, tag: u64, verb: &str, said: &T, now_unix_ms: i64, out: &mut Outbox) {
        match self.voice.say(subject::endpoint("registry", verb), said, now_unix_ms) {
            Ok(message) => out.request(tag, message, ANSWER_MS),
            Err(error) => self.end(error.into(), out),
        }
    }

    fn register(&mut self, now_unix_ms: i64, out: &mut Outbox) {
        let register = registration(&self.voice, &self.subjects, self.lease_ms);
        self.ask(LEASE, "register", &register, now_unix_ms, out);
    }

    fn registered(&mut self, outcome: Result<Registered, AskError>, now_unix_ms: i64, out: &mut Outbox) {
        match outcome {
            Ok(_) => {
                out.timer(
                    LEASE,
                    now_unix_ms.saturating_add(renewal_ms(self.voice.agent(), self.lease_ms, now_unix_ms)),
                );
                if !std::mem::replace(&mut self.has_begun, true) {
                    self.peer.on(PeerEvent::Started, now_unix_ms, out);
                    // What it said is done before this.
                    out.timer(HERE, now_unix_ms);
                }
            }
            Err(error) if error.is_passing() => out.timer(LEASE, now_unix_ms.saturating_add(PAUSE_MS)),
            Err(error) => self.end(error, out),
        }
    }

    /// Whom the registry doesn't take, nobody listens to.
    fn end(&mut self, reason: AskError, out: &mut Outbox) {
        tracing::error!(agent = %self.voice.agent(), %reason, "an agent is not registered, and ends");
        if let Some(settled) = self.settled.take() {
            // Whoever brought it may have given up.
            drop(settled.send(Err(reason)));
        }
        out.stop();
    }
}

impl<P: Peer> Peer for Resident<P> {
    fn on(&mut self, event: PeerEvent, now_unix_ms: i64, out: &mut Outbox) {
        match event {
            PeerEvent::Started | PeerEvent::Timer { tag: LEASE } => self.register(now_unix_ms, out),
            PeerEvent::Reply { tag: LEASE, result } => self.registered(voice::read(result), now_unix_ms, out),
            PeerEvent::Timer { tag: HERE } => {
                if let Some(settled) = self.settled.take() {
                    drop(settled.send(Ok(())));
                }
            }
            PeerEvent::Stopping => {
                if std::mem::replace(&mut self.has_begun, true) {
                    self.peer.on(PeerEvent::Stopping, now_unix_ms, out);
                }
                self.ask(LEAVE, "leave", &Leave { agent: self.voice.agent().clone() }, now_unix_ms, out);
            }
            // If it wasn't heard, its lease ends by itself.
            PeerEvent::Reply { tag: LEAVE, .. } => {}
            event => self.peer.on(event, now_unix_ms, out),
        }
    }
}
