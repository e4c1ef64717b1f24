//! What streams keep, and the three ways to hear of it: read, follow, work.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use async_trait::async_trait;
use bytes::Bytes;
use futures::{Stream, StreamExt, stream::BoxStream};
use schemas::header::Headers;
use tokio::sync::watch;

use super::Message;

/// Something to be stored.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Record {
    /// The subject it is stored under; one of the stream's.
    pub subject: String,
    /// Its headers.
    pub headers: Headers,
    /// Its body.
    pub body: Bytes,
    /// Compare-and-set: the sequence that the last record on this subject must have, 0 for *none yet*.
    /// In one batch, at most once for each subject and on that subject's first record.
    pub expect_last_subject_seq: Option<u64>,
}

impl Record {
    /// A record without headers or expectation.
    pub fn new(subject: impl Into<String>, body: impl Into<Bytes>) -> Self {
        Self { subject: subject.into(), body: body.into(), ..Self::default() }
    }

    /// The same record with its headers replaced.
    #[must_use]
    pub fn with_headers(mut self, headers: Headers) -> Self {
        self.headers = headers;
        self
    }

    /// The same record under compare-and-set.
    #[must_use]
    pub const fn expecting(mut self, last_subject_seq: u64) -> Self {
        self.expect_last_subject_seq = Some(last_subject_seq);
        self
    }
}

/// Something that was stored. Headers that only steered the storing (expectations, batch marks) or only
/// described the reading are not among its headers, so that it looks the same however it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    /// Its place in the stream, from 1.
    pub sequence: u64,
    /// Its subject.
    pub subject: String,
    /// Its headers.
    pub headers: Headers,
    /// Its body, exactly as it was appended.
    pub body: Bytes,
    /// When the server stored it.
    pub time_unix_ms: i64,
}

/// Where to begin following.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// With the first record.
    All,
    /// With the first record after this sequence.
    After(u64),
    /// With the last record of each subject; from then on everything.
    LastPerSubject,
    /// With what is stored from now on.
    New,
}

/// What a follower hears.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Followed {
    /// The next record: in order, none missing, none twice, whatever happened to the connection.
    Entry(Stored),
    /// Everything that was stored when the following began has now been handed over. Said once.
    CaughtUp,
}

/// A stream of [`Followed`] items. It has no end; dropping it stops the following.
pub type Follow = BoxStream<'static, Followed>;

/// A stream of [`Job`]s. It has no end; dropping it leaves the durable consumer in place.
pub type Work = BoxStream<'static, Job>;

/// How records are shared out among workers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WorkSpec {
    /// The stream.
    pub stream: String,
    /// The durable consumer's name. Workers that use the same one share its records.
    pub durable: String,
    /// Which subjects; empty for all.
    pub filter: String,
    /// A record that is not acknowledged for so long is handed out again.
    pub ack_wait_ms: u64,
    /// At most so many records are out at once, over all workers.
    pub max_ack_pending: u64,
}

/// A record to be worked on. Unless it is acknowledged it comes again, to this worker or another.
pub struct Job {
    /// The record.
    pub stored: Stored,
    /// How often it has been handed out, this time included.
    pub attempts: u64,
    acker: Box<dyn Acker>,
}

impl Job {
    /// Wraps a record with the adapter's way to acknowledge it.
    #[must_use]
    pub fn new(stored: Stored, attempts: u64, acker: Box<dyn Acker>) -> Self {
        Self { stored, attempts, acker }
    }

    /// Done. Say it after the effect, never before.
    pub async fn ack(self) {
        self.acker.settle(Verdict::Done).await;
    }

    /// Not now: hand it out again after `delay_ms`.
    pub async fn nak(self, delay_ms: u64) {
        self.acker.settle(Verdict::Retry { delay_ms }).await;
    }

    /// Never again: it is poison.
    pub async fn term(self) {
        self.acker.settle(Verdict::Poison).await;
    }

    /// Still working: start the acknowledgement wait anew.
    pub async fn progress(&self) {
        self.acker.settle(Verdict::Working).await;
    }
}

/// What a worker says of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Carried out.
    Done,
    /// To be handed out again after a while.
    Retry {
        /// How long a while.
        delay_ms: u64,
    },
    /// To be handed out no more.
    Poison,
    /// Still being carried out.
    Working,
}

/// How an adapter passes a verdict on. A verdict that is lost only means that the record comes again.
#[async_trait]
pub trait Acker: Send + Sync {
    /// Passes it on.
    async fn settle(&self, verdict: Verdict);
}

/// The messages of one subscription. Dropping it unsubscribes at once; [`Stopper::stop`] unsubscribes, lets
/// what is already under way arrive, and then ends the stream.
pub struct Subscription {
    messages: BoxStream<'static, Message>,
    stopper: Stopper,
}

impl Subscription {
    /// Wraps an adapter's messages; the adapter ends them when the stopper is pulled.
    #[must_use]
    pub fn new(messages: BoxStream<'static, Message>, stopper: Stopper) -> Self {
        Self { messages, stopper }
    }

    /// A handle that ends this subscription gracefully, from anywhere.
    #[must_use]
    pub fn stopper(&self) -> Stopper {
        self.stopper.clone()
    }
}

impl Stream for Subscription {
    type Item = Message;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Message>> {
        self.messages.poll_next_unpin(cx)
    }
}

/// Ends a subscription gracefully.
#[derive(Clone, Debug)]
pub struct Stopper(watch::Sender<bool>);

impl Stopper {
    /// A stopper, and the receiver that an adapter watches for it.
    #[must_use]
    pub fn new() -> (Self, watch::Receiver<bool>) {
        let (sender, receiver) = watch::channel(false);
        (Self(sender), receiver)
    }

    /// Unsubscribes; what is already under way still arrives.
    pub fn stop(&self) {
        self.0.send_replace(true);
    }
}
