//! The port without a server, on a clock of its own.
//!
//! Everything that this project uses of NATS is here with the same outcome: subjects and queue groups, requests
//! that nobody answers, streams with compare-and-set and atomic batches, republishing, sourcing with another
//! subject, last-value streams, lives and leases, schedules, followers and workers. The laws of the port are run on
//! both.
//!
//! Time is an epoch plus tokio's clock. Under [`simulate`](crate::simulate) that clock jumps, so an hour passes in
//! milliseconds, and everything happens in one order, the same each time.
//!
//! What it does not have: disks, networks, accounts. What is published is delivered at once. [`weather`] is what disks
//! and networks do.

mod config;
mod log;
mod offices;
mod routes;
mod transform;
pub mod weather;
mod world;

#[cfg(test)]
mod tests;

use std::{
    path::Path,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use async_trait::async_trait;
use futures::{StreamExt, stream};
use tokio::{
    sync::{Notify, mpsc, watch},
    time::Instant,
};

use self::{log::Log, world::World};
use crate::port::{
    Acker, AppendError, BackupError, Candidacy, Follow, Job, Link, Message, OfficeSpec, Port, ProvisionError,
    Provisioned, PublishError, ReadError, Record, RequestError, ServerInfo, Start, Stopper, Stored, StreamState,
    Subscription, Verdict, Work, WorkSpec, answered, wire,
};

/// The largest message that is taken, in bytes.
const MAX_PAYLOAD_BYTES: usize = schemas::limit::MAX_CLEARING_BODY_BYTES;

/// A bus in memory. Clones are the same bus.
#[derive(Clone)]
pub struct Memory(Arc<Inner>);

struct Inner {
    world: Mutex<World>,
    begun: Instant,
    epoch_unix_ms: i64,
    /// Something was armed that is due before everything else, or the bus is gone.
    armed: Arc<Notify>,
    tokens: AtomicU64,
    messages: AtomicU64,
}

/// What is done to the bus. Every operation passes [`Inner::enter`] under its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Operation {
    Publish,
    Subscribe,
    Append,
    Read,
    Follow,
    Work,
    Settle,
    Provision,
}

/// The bus while something is done to it.
struct Entered<'a> {
    world: MutexGuard<'a, World>,
    now_unix_ms: i64,
    due_unix_ms: Option<i64>,
    armed: &'a Notify,
}

impl Drop for Entered<'_> {
    fn drop(&mut self) {
        if self.world.next_due_unix_ms() != self.due_unix_ms {
            self.armed.notify_one();
        }
    }
}

impl Memory {
    /// An empty bus on which it is now `epoch_unix_ms`. Within a tokio runtime, whose clock it goes by.
    #[must_use]
    pub fn new(epoch_unix_ms: i64) -> Self {
        let inner = Arc::new(Inner {
            world: Mutex::default(),
            begun: Instant::now(),
            epoch_unix_ms,
            armed: Arc::default(),
            tokens: AtomicU64::new(0),
            messages: AtomicU64::new(0),
        });
        tokio::spawn(pass_time(Arc::downgrade(&inner), Arc::clone(&inner.armed)));
        Self(inner)
    }

    fn read_from<T>(&self, stream: &str, read: impl FnOnce(&mut Log) -> T) -> Result<T, ReadError> {
        let mut entered = self.0.enter(Operation::Read);
        entered.world.streams.get_mut(stream).map(read).ok_or_else(|| ReadError::Unavailable(stream.to_owned()))
    }
}

impl Inner {
    fn now_unix_ms(&self) -> i64 {
        let passed = i64::try_from(self.begun.elapsed().as_millis()).unwrap_or(i64::MAX);
        self.epoch_unix_ms.saturating_add(passed)
    }

    /// The one way in: the bus, with everything that is due by now done.
    fn enter(&self, operation: Operation) -> Entered<'_> {
        let now_unix_ms = self.now_unix_ms();
        let mut world = self.world.lock().unwrap_or_else(PoisonError::into_inner);
        let due_unix_ms = world.next_due_unix_ms();
        world.advance(now_unix_ms);
        tracing::trace!(?operation, now_unix_ms);
        Entered { world, now_unix_ms, due_unix_ms, armed: &self.armed }
    }

    fn publish(&self, message: Message) -> usize {
        self.messages.fetch_add(1, Relaxed);
        let mut entered = self.enter(Operation::Publish);
        let now_unix_ms = entered.now_unix_ms;
        entered.world.publish(message, now_unix_ms)
    }

    fn token(&self) -> u64 {
        self.tokens.fetch_add(1, Relaxed).saturating_add(1)
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.armed.notify_one();
    }
}

/// Lets happen what happens by itself, until the bus is gone.
async fn pass_time(inner: Weak<Inner>, armed: Arc<Notify>) {
    loop {
        let left_ms = {
            let Some(bus) = inner.upgrade() else { return };
            let now_unix_ms = bus.now_unix_ms();
            let mut world = bus.world.lock().unwrap_or_else(PoisonError::into_inner);
            world.advance(now_unix_ms);
            world.next_due_unix_ms().map(|due| u64::try_from(due.saturating_sub(now_unix_ms)).unwrap_or(0))
        };
        match left_ms {
            Some(left_ms) => {
                tokio::select! {
                    biased;
                    () = tokio::time::sleep(Duration::from_millis(left_ms)) => {}
                    () = armed.notified() => {}
                }
            }
            None => armed.notified().await,
        }
    }
}

/// A subscription's place on the bus, given up when it is dropped.
struct Place {
    bus: Weak<Inner>,
    subject: String,
    id: u64,
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Some(bus) = self.bus.upgrade() {
            bus.enter(Operation::Subscribe).world.routes.remove(&self.subject, self.id);
        }
    }
}

impl Inner {
    fn listen(self: &Arc<Self>, subject: &str, queue: Option<&str>) -> (Place, mpsc::UnboundedReceiver<Message>) {
        let (id, messages) = self.enter(Operation::Subscribe).world.routes.add(subject, queue);
        (Place { bus: Arc::downgrade(self), subject: subject.to_owned(), id }, messages)
    }
}

#[async_trait]
impl Port for Memory {
    fn now_unix_ms(&self) -> i64 {
        self.0.now_unix_ms()
    }

    async fn publish(&self, message: Message) -> Result<(), PublishError> {
        wire::check(&message, MAX_PAYLOAD_BYTES)?;
        let reply = message.reply.clone();
        if self.0.publish(message) == 0
            && let Some(reply) = reply
        {
            self.0.publish(Message::new(reply, "").with_header(wire::STATUS, wire::NO_RESPONDERS));
        }
        Ok(())
    }

    async fn request(&self, message: Message, timeout_ms: u64) -> Result<Message, RequestError> {
        wire::check(&message, MAX_PAYLOAD_BYTES).map_err(RequestError::NotSent)?;
        let subject = message.subject.clone();
        let inbox = format!("_INBOX.memory.{}", self.0.token());
        let (_place, mut answers) = self.0.listen(&inbox, None);
        if self.0.publish(message.with_reply(inbox)) == 0 {
            return Err(RequestError::NoResponders(subject));
        }
        match tokio::time::timeout(Duration::from_millis(timeout_ms), answers.recv()).await {
            Ok(Some(answer)) => answered(answer),
            Ok(None) => Err(RequestError::Disconnected),
            Err(_) => Err(RequestError::TimedOut(timeout_ms)),
        }
    }

    async fn subscribe(&self, subject: &str, queue: Option<&str>) -> Result<Subscription, PublishError> {
        if !wire::is_subject(subject, true) {
            return Err(PublishError::BadSubject(subject.to_owned()));
        }
        let (place, messages) = self.0.listen(subject, queue);
        let (stopper, stop) = Stopper::new();
        Ok(Subscription::new(arriving(place, messages, stop).boxed(), stopper))
    }

    async fn flush(&self) -> Result<(), PublishError> {
        Ok(())
    }

    async fn append(&self, stream: &str, records: Vec<Record>) -> Result<Vec<u64>, AppendError> {
        for record in &records {
            let message = Message {
                subject: record.subject.clone(),
                reply: None,
                headers: record.headers.clone(),
                body: record.body.clone(),
            };
            wire::check(&message, MAX_PAYLOAD_BYTES).map_err(|error| match error {
                PublishError::TooLarge { .. } => AppendError::TooLarge,
                error => AppendError::NotSent(error),
            })?;
        }
        let mut entered = self.0.enter(Operation::Append);
        let now_unix_ms = entered.now_unix_ms;
        entered.world.append(stream, records, now_unix_ms)
    }

    async fn read(&self, stream: &str, subject: &str, after_seq: u64) -> Result<Vec<Stored>, ReadError> {
        self.read_from(stream, |log| log.read(subject, after_seq))
    }

    async fn last(&self, stream: &str, subject: &str) -> Result<Option<Stored>, ReadError> {
        self.read_from(stream, |log| log.last(subject).cloned())
    }

    async fn newest(&self, stream: &str, subject: &str) -> Result<u64, ReadError> {
        self.read_from(stream, |log| log.last(subject).map_or(0, |last| last.sequence))
    }

    async fn get(&self, stream: &str, sequence: u64) -> Result<Option<Stored>, ReadError> {
        self.read_from(stream, |log| log.get(sequence).cloned())
    }

    async fn follow(&self, stream: &str, filters: &[String], start: Start) -> Result<Follow, ReadError> {
        let mut entered = self.0.enter(Operation::Follow);
        let log = entered.world.streams.get_mut(stream).ok_or_else(|| ReadError::Unavailable(stream.to_owned()))?;
        Ok(handed_over(log.follow(filters.to_vec(), start)).boxed())
    }

    async fn work(&self, spec: &WorkSpec) -> Result<Work, ReadError> {
        let mut entered = self.0.enter(Operation::Work);
        let log =
            entered.world.streams.get_mut(&spec.stream).ok_or_else(|| ReadError::Unavailable(spec.stream.clone()))?;
        let durable = log.durables.entry(spec.durable.clone()).or_default();
        durable.ack_wait_ms = i64::try_from(spec.ack_wait_ms).unwrap_or(i64::MAX);
        durable.max_ack_pending = usize::try_from(spec.max_ack_pending).unwrap_or(usize::MAX).max(1);
        durable.filter.clone_from(&spec.filter);
        let worker = Worker {
            bus: Arc::clone(&self.0),
            stream: spec.stream.clone(),
            durable: spec.durable.clone(),
            woken: Arc::clone(&log.work),
        };
        Ok(stream::unfold(worker, |worker| async move { Some((worker.next().await, worker)) }).boxed())
    }

    async fn stand(&self, office: &OfficeSpec) -> Result<Candidacy, ReadError> {
        self.read_from(&office.stream, |_| ())?;
        let number = self.0.token();
        let entered = self.0.enter(Operation::Work);
        Ok(entered.world.offices.stand(&office.name, number))
    }

    async fn leave(&self, _: &OfficeSpec) {
        // Whoever drops a candidacy has left.
    }

    async fn ensure_stream(&self, spec: &serde_json::Value) -> Result<Provisioned, ProvisionError> {
        self.0.enter(Operation::Provision).world.ensure(spec)
    }

    async fn plan_stream(&self, spec: &serde_json::Value) -> Result<Provisioned, ProvisionError> {
        self.0.enter(Operation::Provision).world.plan(spec).map(|(_, plan)| plan)
    }

    async fn save_stream(&self, _: &str, _: &Path) -> Result<StreamState, BackupError> {
        Err(BackupError::NoStore)
    }

    async fn load_stream(&self, _: &Path, _: Option<u8>) -> Result<(String, StreamState), BackupError> {
        Err(BackupError::NoStore)
    }

    async fn stream_state(&self, stream: &str) -> Result<StreamState, ReadError> {
        self.read_from(stream, |log| log.state())
    }

    fn unique_token(&self) -> String {
        format!("M{:08}", self.0.token())
    }

    fn server(&self) -> ServerInfo {
        ServerInfo {
            version: "memory".to_owned(),
            name: "memory".to_owned(),
            url: "memory:".to_owned(),
            max_payload_bytes: MAX_PAYLOAD_BYTES,
        }
    }

    fn link(&self) -> Link {
        let messages_out = self.0.messages.load(Relaxed);
        Link { connected: true, connects: 1, messages_out, ..Link::default() }
    }
}

/// Messages as they arrive; once stopped, those that had arrived.
fn arriving(
    place: Place,
    messages: mpsc::UnboundedReceiver<Message>,
    stop: watch::Receiver<bool>,
) -> impl futures::Stream<Item = Message> {
    stream::unfold((Some(place), messages, stop), |(mut place, mut messages, mut stop)| async move {
        if place.is_some() {
            tokio::select! {
                biased;
                stopped = async { stop.wait_for(|stopped| *stopped).await.is_ok() } => {
                    if stopped {
                        place = None;
                    }
                }
                message = messages.recv() => return message.map(|message| (message, (place, messages, stop))),
            }
        }
        // The place is given up, so the channel ends behind what is in it.
        messages.recv().await.map(|message| (message, (place, messages, stop)))
    })
}

fn handed_over<T: Send + 'static>(from: mpsc::UnboundedReceiver<T>) -> impl futures::Stream<Item = T> {
    stream::unfold(from, |mut from| async move { from.recv().await.map(|item| (item, from)) })
}

struct Worker {
    bus: Arc<Inner>,
    stream: String,
    durable: String,
    woken: Arc<Notify>,
}

impl Worker {
    async fn next(&self) -> Job {
        loop {
            let woken = self.woken.notified();
            futures::pin_mut!(woken);
            // From here on nothing is missed, even before it is awaited.
            woken.as_mut().enable();
            let handed_out = {
                let mut entered = self.bus.enter(Operation::Work);
                let now_unix_ms = entered.now_unix_ms;
                entered.world.hand_out(&self.stream, &self.durable, now_unix_ms)
            };
            if let Some((stored, attempts)) = handed_out {
                let acker = Acknowledger {
                    bus: Arc::downgrade(&self.bus),
                    stream: self.stream.clone(),
                    durable: self.durable.clone(),
                    sequence: stored.sequence,
                    attempts,
                };
                return Job::new(stored, attempts, Box::new(acker));
            }
            woken.await;
        }
    }
}

struct Acknowledger {
    bus: Weak<Inner>,
    stream: String,
    durable: String,
    sequence: u64,
    attempts: u64,
}

#[async_trait]
impl Acker for Acknowledger {
    async fn settle(&self, verdict: Verdict) {
        let Some(bus) = self.bus.upgrade() else { return };
        let mut entered = bus.enter(Operation::Settle);
        let now_unix_ms = entered.now_unix_ms;
        entered.world.settle(&self.stream, &self.durable, self.sequence, self.attempts, verdict, now_unix_ms);
    }
}
