//! A process's port in the weather.

use std::{
    path::Path,
    sync::{Arc, atomic::Ordering::Relaxed},
    time::Duration,
};

use async_trait::async_trait;
use futures::StreamExt;
use tokio::time::{Instant, sleep, sleep_until};

use super::{
    Entering, Fault, Life, Notice, Operation, ProcessId, Sky, TIMEOUT_MS,
    hearing::{self, Listening},
};
use crate::{
    dice::Dice,
    port::{
        AppendError, BackupError, Candidacy, Follow, Link, Message, OfficeSpec, Port, ProvisionError, Provisioned,
        PublishError, ReadError, Record, RequestError, ServerInfo, Start, Stored, StreamState, Subscription, Work,
        WorkSpec,
    },
};

/// So much longer than usual is what is late or overtaken on its way, in milliseconds.
pub(super) const HELD_UP_MS: (u64, u64) = (20, 3_000);

/// The port of one life of a process. Clones are the same.
#[derive(Clone)]
pub struct Exposed {
    pub(super) sky: Arc<Sky>,
    pub(super) process: ProcessId,
    pub(super) name: Arc<str>,
    pub(super) skew_ms: i64,
    pub(super) life: Arc<Life>,
}

impl Exposed {
    /// Waits until the process dies, or is started again elsewhere.
    pub async fn over(&self) {
        self.life.over().await;
    }

    /// Stands still where the process is dead.
    pub(super) async fn live(&self) {
        if self.life.is_over() {
            std::future::pending::<()>().await;
        }
    }

    /// Dies, if that is what happens.
    async fn die_of(&self, fault: Option<Fault>, deadly: Fault) {
        if fault == Some(deadly) {
            self.sky.kill(self.process);
        }
        self.live().await;
    }

    /// Begins an operation: its dice, and its fault if it has one.
    pub(super) async fn begin(&self, operation: Operation, on: &str) -> (Dice, Option<Fault>) {
        self.live().await;
        let (dice, fault) = self.sky.draw(self.process, &self.name, operation, on);
        self.die_of(fault, Fault::DiesBefore).await;
        (dice, fault)
    }

    /// On its way: a moment passes, and perhaps the process.
    pub(super) async fn pass(&self, dice: &mut Dice) {
        sleep(self.sky.latency(dice)).await;
        self.live().await;
    }

    pub(super) fn is_cut_off(&self) -> bool {
        self.sky.cut_off_until(self.process).is_some()
    }

    async fn wait_in_vain(&self) {
        sleep(Duration::from_millis(TIMEOUT_MS)).await;
        self.live().await;
    }

    fn power(&self) -> u64 {
        self.sky.power.load(Relaxed)
    }

    /// Waits until a reading gets through, or is given up.
    async fn reading(&self, on: &str) -> Result<Option<u64>, ReadError> {
        let (mut dice, fault) = self.begin(Operation::Read, on).await;
        self.pass(&mut dice).await;
        if self.is_cut_off() || fault == Some(Fault::Unanswered) {
            self.wait_in_vain().await;
            return Err(ReadError::TimedOut(TIMEOUT_MS));
        }
        Ok((fault == Some(Fault::Stale)).then(|| dice.between(1, 4)))
    }

    /// The sequence after which a replica that is so many records behind knows nothing.
    fn horizon(&self, stream: &str, behind: Option<u64>) -> Option<u64> {
        let behind = behind?;
        let entered = self.sky.bus.0.enter(Entering::Read);
        entered.world.streams.get(stream).map(|log| log.last_seq.saturating_sub(behind))
    }

    /// Records on their way to a server that acknowledges them before it has them.
    fn store_some_time(&self, stream: &str, records: Vec<Record>, mut dice: Dice) -> Vec<u64> {
        let foreseen = self.sky.foreseen(stream, records.len());
        let (own, stream) = (self.clone(), stream.to_owned());
        tokio::spawn(async move {
            sleep(Duration::from_millis(dice.between(1, 40))).await;
            if !own.life.is_over() && !own.is_cut_off() {
                // It was acknowledged: whatever comes of it, nobody hears of it.
                let _ = own.sky.store(&own.name, &stream, records);
            }
        });
        foreseen
    }

    /// A batch that the server gets later than its writer waits.
    fn store_late(&self, stream: &str, records: Vec<Record>, after_ms: u64) {
        let (own, stream, power) = (self.clone(), stream.to_owned(), self.power());
        tokio::spawn(async move {
            sleep(Duration::from_millis(after_ms)).await;
            if own.power() == power {
                // Its writer has given up waiting.
                let _ = own.sky.store(&own.name, &stream, records);
            }
        });
    }

    async fn no_acknowledgement(&self) -> Result<Vec<u64>, AppendError> {
        self.wait_in_vain().await;
        Err(AppendError::TimedOut(TIMEOUT_MS))
    }

    async fn ask(&self, question: &Message, timeout_ms: u64) -> (bool, Result<Message, RequestError>) {
        let (mut dice, fault) = self.begin(Operation::Request, &question.subject).await;
        let given_up = Instant::now() + Duration::from_millis(timeout_ms);
        let in_vain = async || {
            sleep_until(given_up).await;
            self.live().await;
            Err(RequestError::TimedOut(timeout_ms))
        };
        self.pass(&mut dice).await;
        if self.is_cut_off() || fault == Some(Fault::Lost) {
            return (false, in_vain().await);
        }
        let doubled = fault == Some(Fault::Doubled);
        if doubled {
            let (bus, again, after_ms) = (self.sky.bus.clone(), question.clone(), dice.between(0, 400));
            tokio::spawn(async move {
                sleep(Duration::from_millis(after_ms)).await;
                // The answer to the second copy comes too late for anybody.
                let _ = bus.request(again, timeout_ms).await;
            });
        }
        let left = given_up.saturating_duration_since(Instant::now());
        let left_ms = u64::try_from(left.as_millis()).unwrap_or(timeout_ms);
        let outcome = self.sky.bus.request(question.clone(), left_ms).await;
        self.live().await;
        if fault == Some(Fault::AnswerLost) || self.is_cut_off() {
            return (doubled, in_vain().await);
        }
        self.pass(&mut dice).await;
        let outcome = match outcome {
            Err(RequestError::TimedOut(_)) => Err(RequestError::TimedOut(timeout_ms)),
            outcome => outcome,
        };
        (doubled, outcome)
    }
}

#[async_trait]
impl Port for Exposed {
    fn now_unix_ms(&self) -> i64 {
        self.sky.bus.now_unix_ms().saturating_add(self.skew_ms)
    }

    async fn sleep_ms(&self, ms: u64) {
        sleep(Duration::from_millis(ms)).await;
        self.live().await;
    }

    async fn publish(&self, message: Message) -> Result<(), PublishError> {
        let (mut dice, fault) = self.begin(Operation::Publish, topic_of(&message.subject)).await;
        // What is handed to the connection counts as sent, wherever it then gets lost.
        if self.is_cut_off() || fault == Some(Fault::Lost) {
            return Ok(());
        }
        if fault == Some(Fault::Doubled) {
            let (bus, again, after) = (self.sky.bus.clone(), message.clone(), self.sky.latency(&mut dice));
            tokio::spawn(async move {
                sleep(after).await;
                let _ = bus.publish(again).await;
            });
        }
        self.sky.bus.publish(message).await
    }

    async fn request(&self, message: Message, timeout_ms: u64) -> Result<Message, RequestError> {
        self.live().await;
        let number = self.sky.questions.fetch_add(1, Relaxed);
        self.sky.notice(&self.name, Notice::Asked { number, question: &message });
        let (doubled, outcome) = self.ask(&message, timeout_ms).await;
        self.sky.notice(&self.name, Notice::Answered { number, question: &message, doubled, outcome: &outcome });
        outcome
    }

    async fn subscribe(&self, subject: &str, queue: Option<&str>) -> Result<Subscription, PublishError> {
        self.live().await;
        let inner = self.sky.bus.subscribe(subject, queue).await?;
        let stopper = inner.stopper();
        Ok(Subscription::new(Listening::to(self.clone(), inner).messages().boxed(), stopper))
    }

    async fn flush(&self) -> Result<(), PublishError> {
        self.live().await;
        Ok(())
    }

    async fn append(&self, stream: &str, records: Vec<Record>) -> Result<Vec<u64>, AppendError> {
        let on = records.first().map_or("", |record| record.subject.as_str()).to_owned();
        let (mut dice, fault) = self.begin(Operation::Append, &on).await;
        let power = self.power();
        if self.sky.climate.flaws.acknowledges_first {
            self.pass(&mut dice).await;
            return Ok(self.store_some_time(stream, records, dice));
        }
        self.pass(&mut dice).await;
        // What was written and not synced when power failed was never stored.
        if self.power() != power || self.is_cut_off() {
            return self.no_acknowledgement().await;
        }
        match fault {
            Some(Fault::Refused) => return Err(AppendError::Busy),
            Some(Fault::Lost) => return self.no_acknowledgement().await,
            Some(Fault::Torn) => {
                let arrived = usize::try_from(dice.below(records.len().max(1) as u64)).unwrap_or(0);
                let records = records.get(..arrived).unwrap_or_default();
                self.sky.bus.0.enter(Entering::Append).world.phantoms(stream, records);
                return self.no_acknowledgement().await;
            }
            Some(Fault::Late) => {
                self.store_late(stream, records, dice.between(HELD_UP_MS.0, 2 * TIMEOUT_MS));
                return self.no_acknowledgement().await;
            }
            _ => {}
        }
        let outcome = self.sky.store(&self.name, stream, records);
        self.die_of(fault, Fault::DiesAfter).await;
        if fault == Some(Fault::AnswerLost) {
            return self.no_acknowledgement().await;
        }
        self.pass(&mut dice).await;
        outcome
    }

    async fn read(&self, stream: &str, subject: &str, after_seq: u64) -> Result<Vec<Stored>, ReadError> {
        let behind = self.reading(subject).await?;
        let horizon = self.horizon(stream, behind);
        let mut read = self.sky.bus.read(stream, subject, after_seq).await?;
        read.retain(|stored| horizon.is_none_or(|horizon| stored.sequence <= horizon));
        Ok(read)
    }

    async fn last(&self, stream: &str, subject: &str) -> Result<Option<Stored>, ReadError> {
        let behind = self.reading(subject).await?;
        match self.horizon(stream, behind) {
            None => self.sky.bus.last(stream, subject).await,
            Some(horizon) => {
                let mut all = self.sky.bus.read(stream, subject, 0).await?;
                all.retain(|stored| stored.sequence <= horizon);
                Ok(all.pop())
            }
        }
    }

    async fn newest(&self, stream: &str, subject: &str) -> Result<u64, ReadError> {
        self.reading(subject).await?;
        self.sky.bus.newest(stream, subject).await
    }

    async fn get(&self, stream: &str, sequence: u64) -> Result<Option<Stored>, ReadError> {
        let behind = self.reading(stream).await?;
        let horizon = self.horizon(stream, behind);
        let found = self.sky.bus.get(stream, sequence).await?;
        Ok(found.filter(|stored| horizon.is_none_or(|horizon| stored.sequence <= horizon)))
    }

    async fn follow(&self, stream: &str, filters: &[String], start: Start) -> Result<Follow, ReadError> {
        // To begin with, a consumer is asked for; after that the port mends itself.
        self.reading(stream).await?;
        let inner = self.sky.bus.follow(stream, filters, start).await?;
        Ok(hearing::following(self.clone(), stream.to_owned(), inner).boxed())
    }

    async fn work(&self, spec: &WorkSpec) -> Result<Work, ReadError> {
        self.reading(&spec.stream).await?;
        let inner = self.sky.bus.work(spec).await?;
        Ok(hearing::working(self.clone(), spec.durable.clone(), inner).boxed())
    }

    async fn stand(&self, office: &OfficeSpec) -> Result<Candidacy, ReadError> {
        self.reading(&office.stream).await?;
        hearing::standing(self, office).await
    }

    async fn leave(&self, office: &OfficeSpec) {
        self.live().await;
        self.sky.bus.leave(office).await;
    }

    async fn ensure_stream(&self, spec: &serde_json::Value) -> Result<Provisioned, ProvisionError> {
        self.live().await;
        self.sky.bus.ensure_stream(spec).await
    }

    async fn plan_stream(&self, spec: &serde_json::Value) -> Result<Provisioned, ProvisionError> {
        self.live().await;
        self.sky.bus.plan_stream(spec).await
    }

    async fn save_stream(&self, stream: &str, folder: &Path) -> Result<StreamState, BackupError> {
        self.sky.bus.save_stream(stream, folder).await
    }

    async fn load_stream(&self, folder: &Path, replicas: Option<u8>) -> Result<(String, StreamState), BackupError> {
        self.sky.bus.load_stream(folder, replicas).await
    }

    async fn stream_state(&self, stream: &str) -> Result<StreamState, ReadError> {
        self.reading(stream).await?;
        self.sky.bus.stream_state(stream).await
    }

    fn unique_token(&self) -> String {
        self.sky.bus.unique_token()
    }

    fn server(&self) -> ServerInfo {
        self.sky.bus.server()
    }

    fn link(&self) -> Link {
        self.sky.bus.link()
    }
}

/// What a message is about, for naming its fault: answers go to subjects that are used once.
fn topic_of(subject: &str) -> &str {
    if subject.starts_with("_INBOX.") { "an answer" } else { subject }
}
