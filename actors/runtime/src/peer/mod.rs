//! Hosting agents that are written in Rust: thousands on one connection, an actor each.
//!
//! A [`Peer`] does no I/O. It hears events and says what should be done, as data; the host does it. So a peer is
//! tested by calling it, and the same peer runs on a server and on a clock that jumps.
//!
//! What a peer says is done in the order in which it was said: a subscription stands before the request that
//! follows it is sent. Answers come as they come, each with the tag that was given to the question.
//!
//! A peer that panics ends, alone, with its name and the panic in the log; there is nothing to build it anew from.
//!
//! # A hundred thousand
//!
//! A peer that waits is a task without buffers: 4 kB, its key and lease included. A subscription of its own takes 9 kB more,
//! and one in the broker (`tests/bench/agents.rs`, with and without `--apart`). Where the subjects of a host's peers have a
//! pattern, [`Host::share`] hears them all on one, and peers don't know the difference:
//!
//! ```no_run
//! # use std::sync::Arc;
//! use runtime::peer::{Host, Outbox, Peer, PeerEvent};
//! use runtime::port::Port;
//! use runtime::service::Answer;
//! use schemas::subject;
//!
//! /// Says everything again.
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
//! # async fn example(port: Arc<dyn Port>) -> Result<(), Box<dyn std::error::Error>> {
//! let host = Host::new(port, 2)?;
//! host.share(&subject::all_topics("echo.*")?).await?;
//! for number in 0..100_000 {
//!     host.spawn("echo", Echo(subject::topic(&format!("echo.{number}"))?));
//! }
//! # Ok(())
//! # }
//! ```
//!
//! That each is registered, under a key of its own, is `swarm::resident`'s.

mod actor;
mod shared;

#[cfg(test)]
mod tests;

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use actix::Addr;
use futures::StreamExt;
use schemas::ErrorReply;
use tokio::{
    sync::{Notify, watch},
    task::JoinSet,
};

use self::{
    actor::{Abandon, PeerActor, Stop, Wake},
    shared::Shared,
};
use crate::{
    port::{AppendError, Message, Port, PublishError, Record, RequestError},
    service::{self, Answer},
    stage::{NoSystem, Stage},
};

/// An agent without I/O.
pub trait Peer: Send + 'static {
    /// Hears an event and says what should be done.
    fn on(&mut self, event: PeerEvent, now_unix_ms: i64, out: &mut Outbox);
}

/// What a peer hears.
#[derive(Clone, Debug, PartialEq)]
pub enum PeerEvent {
    /// It has begun. Heard once, before anything else.
    Started,
    /// A message on one of its subscriptions.
    Message(Message),
    /// The outcome of a request.
    Reply {
        /// The request's tag.
        tag: u64,
        /// Its answer.
        result: Result<Message, RequestError>,
    },
    /// The outcome of an append.
    Appended {
        /// The append's tag.
        tag: u64,
        /// The sequences of the records.
        result: Result<Vec<u64>, AppendError>,
    },
    /// A timer's time has come, or somebody woke the peer ([`PeerHandle::wake`]).
    Timer {
        /// The timer's tag.
        tag: u64,
    },
    /// A publish or a subscription that could not be carried out.
    Failed {
        /// Its subject.
        subject: String,
        /// Why.
        error: PublishError,
    },
    /// It is to end. Heard once; what it still says is done, and what it still asks is awaited.
    Stopping,
}

/// What a peer wants done.
#[derive(Clone, Debug, PartialEq)]
pub enum PeerEffect {
    /// Publish a message.
    Publish(Message),
    /// Store records, all or none; [`PeerEvent::Appended`] follows.
    Append {
        /// Comes back with the outcome.
        tag: u64,
        /// The stream.
        stream: String,
        /// What to store.
        records: Vec<Record>,
    },
    /// Ask; [`PeerEvent::Reply`] follows.
    Request {
        /// Comes back with the answer.
        tag: u64,
        /// The question.
        message: Message,
        /// How long to wait.
        timeout_ms: u64,
    },
    /// Hear a subject from now on, until the peer ends.
    Subscribe(String),
    /// Be woken; [`PeerEvent::Timer`] follows, at once if the time has passed.
    Timer {
        /// Comes back when it is time.
        tag: u64,
        /// When.
        at_unix_ms: i64,
    },
    /// End, once what was said before is done and what was asked is answered.
    Stop,
}

/// Takes down what a peer wants done.
#[derive(Debug, Default)]
pub struct Outbox {
    effects: Vec<PeerEffect>,
}

impl Outbox {
    /// Publishes a message.
    pub fn publish(&mut self, message: Message) {
        self.effects.push(PeerEffect::Publish(message));
    }

    /// Answers a question, unless no answer is awaited, or one where a stream would take it for a record.
    pub fn answer(&mut self, question: &Message, answer: Result<Answer, ErrorReply>) {
        self.effects.extend(service::reply_to(question, answer).map(PeerEffect::Publish));
    }

    /// Stores records.
    pub fn append(&mut self, tag: u64, stream: impl Into<String>, records: Vec<Record>) {
        self.effects.push(PeerEffect::Append { tag, stream: stream.into(), records });
    }

    /// Asks.
    pub fn request(&mut self, tag: u64, message: Message, timeout_ms: u64) {
        self.effects.push(PeerEffect::Request { tag, message, timeout_ms });
    }

    /// Hears a subject from now on.
    pub fn subscribe(&mut self, subject: impl Into<String>) {
        self.effects.push(PeerEffect::Subscribe(subject.into()));
    }

    /// Is woken at a time.
    pub fn timer(&mut self, tag: u64, at_unix_ms: i64) {
        self.effects.push(PeerEffect::Timer { tag, at_unix_ms });
    }

    /// Ends.
    pub fn stop(&mut self) {
        self.effects.push(PeerEffect::Stop);
    }

    /// What was taken down so far, in order; the outbox is empty afterwards. For hosts, and for tests of a peer.
    pub fn take(&mut self) -> Vec<PeerEffect> {
        std::mem::take(&mut self.effects)
    }
}

/// How a peer ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// It was stopped, or stopped itself.
    Stopped,
    /// It panicked.
    Panicked,
    /// Its host went away under it.
    Abandoned,
}

/// Runs peers on a few threads. Dropped, it ends them at once, without a word to them.
pub struct Host {
    port: Arc<dyn Port>,
    stage: Stage,
    next: AtomicUsize,
    present: Arc<Present>,
    shared: Arc<Shared>,
    /// Hands on what is heard on shared subscriptions; ends with the host.
    sharing: Mutex<JoinSet<()>>,
}

/// The peers that have not ended.
#[derive(Default)]
struct Present {
    peers: Mutex<BTreeMap<usize, Addr<PeerActor>>>,
    left: Notify,
}

impl Host {
    /// A host for peers on `threads` threads.
    ///
    /// # Errors
    /// [`NoSystem`] outside [`run`](crate::run) and [`simulate`](crate::simulate), or in a task spawned within.
    pub fn new(port: Arc<dyn Port>, threads: usize) -> Result<Self, NoSystem> {
        Ok(Self {
            port,
            stage: Stage::new(threads)?,
            next: AtomicUsize::new(0),
            present: Arc::default(),
            shared: Arc::default(),
            sharing: Mutex::default(),
        })
    }

    /// Hears all that a pattern covers on one subscription, which stands when this returns. Peers that subscribe from now on
    /// to a subject below it have no subscription of their own: an entry in a table, and what they hear is the same.
    ///
    /// Two things differ. Whoever else listens below the pattern has the broker send this host their messages, too, so one
    /// that no other host uses is best. And the broker no longer knows who is here: a question to somebody who isn't is
    /// not refused at once (`NoResponders`) but times out. Of what waits for a peer that is busy, 1,024 messages are
    /// kept and more are lost, with a warning in the log.
    ///
    /// # Errors
    /// [`PublishError`]; nothing is shared then.
    pub async fn share(&self, pattern: &str) -> Result<(), PublishError> {
        let mut messages = self.port.subscribe(pattern, None).await?;
        self.port.flush().await?;
        let pattern = self.shared.add(pattern);
        let mut sharing = self.sharing.lock().unwrap_or_else(PoisonError::into_inner);
        sharing.spawn(async move {
            while let Some(message) = messages.next().await {
                pattern.deliver(&message);
            }
        });
        Ok(())
    }

    /// Sets a peer going. `name` is for the log.
    pub fn spawn(&self, name: impl Into<String>, peer: impl Peer) -> PeerHandle {
        let number = self.next.fetch_add(1, Relaxed);
        let (ended, watched) = watch::channel(None);
        let end = End { number, present: Arc::clone(&self.present), ended, how: Ended::Abandoned };
        let Some(thread) = self.stage.of(number) else { return PeerHandle { peer: None, ended: watched } };
        let (port, shared) = (Arc::clone(&self.port), Arc::clone(&self.shared));
        let peer = PeerActor::start_on(thread, name.into(), Box::new(peer), port, shared, end);
        let mut present = self.present.peers();
        // It may have come and gone already.
        if watched.borrow().is_none() {
            present.insert(number, peer.clone());
        }
        drop(present);
        PeerHandle { peer: Some(peer), ended: watched }
    }

    /// How many peers have not ended.
    #[must_use]
    pub fn present(&self) -> usize {
        self.present.peers().len()
    }

    /// Stops every peer and waits until all have ended, at most `timeout_ms`; whether they have.
    pub async fn stop(&self, timeout_ms: u64) -> bool {
        let everyone: Vec<Addr<PeerActor>> = self.present.peers().values().cloned().collect();
        for peer in everyone {
            peer.do_send(Stop);
        }
        let all_gone = async {
            loop {
                let left = self.present.left.notified();
                futures::pin_mut!(left);
                left.as_mut().enable();
                if self.present.peers().is_empty() {
                    return;
                }
                left.await;
            }
        };
        tokio::time::timeout(Duration::from_millis(timeout_ms), all_gone).await.is_ok()
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        for peer in self.present.peers().values() {
            peer.do_send(Abandon);
        }
    }
}

impl Present {
    fn peers(&self) -> std::sync::MutexGuard<'_, BTreeMap<usize, Addr<PeerActor>>> {
        self.peers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A peer as its host sees it. Dropping it changes nothing.
#[derive(Clone)]
pub struct PeerHandle {
    peer: Option<Addr<PeerActor>>,
    ended: watch::Receiver<Option<Ended>>,
}

impl PeerHandle {
    /// Asks it to end.
    pub fn stop(&self) {
        if let Some(peer) = &self.peer {
            peer.do_send(Stop);
        }
    }

    /// Makes it hear [`PeerEvent::Timer`] with this tag, now.
    pub fn wake(&self, tag: u64) {
        if let Some(peer) = &self.peer {
            peer.do_send(Wake(tag));
        }
    }

    /// How it ended, if it has.
    #[must_use]
    pub fn has_ended(&self) -> Option<Ended> {
        *self.ended.borrow()
    }

    /// Waits until it has ended.
    pub async fn ended(&mut self) -> Ended {
        let ended = self.ended.wait_for(Option::is_some).await;
        ended.ok().and_then(|ended| *ended).unwrap_or(Ended::Abandoned)
    }
}

/// Tells everyone concerned that a peer has ended, when it is dropped with it.
struct End {
    number: usize,
    present: Arc<Present>,
    ended: watch::Sender<Option<Ended>>,
    how: Ended,
}

impl Drop for End {
    fn drop(&mut self) {
        let mut present = self.present.peers();
        present.remove(&self.number);
        self.ended.send_replace(Some(self.how));
        drop(present);
        self.present.left.notify_waiters();
    }
}
