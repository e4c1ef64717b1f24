//! Following a stream without gaps or duplicates.
//!
//! An ephemeral pull consumer without acknowledgements, made again from the last record that was handed over
//! whenever something may have been lost: a gap in the consumer's own numbering, a missed heartbeat, an error,
//! or a new connection (what the server had written to the old one is gone, and no later message need come to
//! show it). What was cut off of a log comes from its archive first. The client's own ordered consumer begins from the start of the stream when it is made again
//! before its first record, and does not look at reconnects; hence ours.

use std::{sync::Arc, time::Duration};

use async_nats::jetstream::{
    Context,
    consumer::{AckPolicy, Consumer, DeliverPolicy, pull},
};
use futures::{StreamExt, stream};
use serde_json::{Value, json};
use tokio::sync::watch;
use tracing::{debug, warn};

use schemas::stream::archive_of;

use super::{
    Nats,
    archive::Archives,
    convert::{self, Delivered},
    read::{NO_MESSAGE, ask_api},
};
use crate::port::{Follow, Followed, ReadError, Start, Stored};

/// Records asked for at a time.
const BATCH: usize = 500;
/// The server shows that it is there this often while there is nothing to hand over.
pub(super) const HEARTBEAT: Duration = Duration::from_secs(5);
/// How long one request for records stands.
pub(super) const EXPIRES: Duration = Duration::from_secs(30);
/// The server forgets a consumer that nobody has asked for records for so long.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(60);
/// How long a copy that lacks something has to get it.
const LACKING: Duration = Duration::from_millis(200);
/// Pauses between tries to make a consumer again.
const RETRY_MS: [u64; 5] = [50, 100, 250, 500, 1_000];

struct Follower {
    context: Context,
    stream: String,
    archives: Archives,
    /// The archive that is being read, and the sequence at which the log itself takes over.
    beginning: Option<(&'static str, u64)>,
    /// The last records of subjects have all been handed over that stand in the archive.
    is_past: bool,
    filters: Vec<String>,
    start: Start,
    timeout: Duration,
    reconnects: watch::Receiver<u64>,
    /// The last record handed over, or the place to begin behind.
    last_seq: Option<u64>,
    caught_up: bool,
    current: Option<Current>,
    /// `CaughtUp` is due before anything else.
    due: bool,
    /// The consumer of the archive has no more: whether that is all there is, is to be asked.
    is_at_end: bool,
}

/// A consumer in use.
struct Current {
    messages: pull::Stream,
    _consumer: Ephemeral,
    consumer_seq: u64,
    /// Records that were there when it was made and have not been handed over.
    backlog: u64,
}

/// Deletes the consumer when it is no longer used, so that nobody wonders about it.
struct Ephemeral {
    context: Context,
    stream: String,
    name: String,
}

impl Drop for Ephemeral {
    fn drop(&mut self) {
        let (context, stream, name) = (self.context.clone(), self.stream.clone(), self.name.clone());
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move {
                let gone = context.delete_consumer_from_stream(&name, &stream).await;
                debug!(stream, name, gone = gone.is_ok(), "stopped following");
            });
        }
    }
}

impl Nats {
    pub(super) async fn begin_following(
        &self,
        stream: &str,
        filters: &[String],
        start: Start,
    ) -> Result<Follow, ReadError> {
        let mut follower = Follower {
            context: self.jetstream.clone(),
            stream: stream.to_owned(),
            archives: self.archives.clone(),
            beginning: None,
            is_past: false,
            // The server wants the last of each subject to be of named subjects, even if that is all of them.
            filters: if filters.is_empty() { vec![">".to_owned()] } else { filters.to_vec() },
            start,
            timeout: Duration::from_millis(self.timeout_ms),
            reconnects: self.counters.watch(),
            last_seq: match start {
                Start::After(sequence) => Some(sequence),
                Start::All => Some(0),
                Start::LastPerSubject | Start::New => None,
            },
            caught_up: false,
            current: None,
            due: false,
            is_at_end: false,
        };
        follower.begin().await?;
        Ok(stream::unfold(follower, |mut follower| async move { Some((follower.next().await, follower)) }).boxed())
    }
}

impl Follower {
    /// Makes a consumer behind what was handed over last.
    async fn begin(&mut self) -> Result<(), ReadError> {
        self.current = None;
        self.reconnects.mark_unchanged();
        let horizon = self.archives.cut(&self.stream).await?.horizon;
        let is_before = match (self.start, self.last_seq) {
            (Start::LastPerSubject, _) if !self.caught_up => horizon > 1 && !self.is_past,
            (_, Some(last)) => last.saturating_add(1) < horizon,
            (_, None) => false,
        };
        self.beginning = archive_of(&self.stream).filter(|_| is_before).map(|archive| (archive, horizon));
        let stream = self.beginning.map_or(self.stream.as_str(), |(archive, _)| archive).to_owned();
        let deliver_policy = match (self.start, self.last_seq) {
            // Until all of it was handed over, the last record of a subject is still the last one.
            (Start::LastPerSubject, _) if !self.caught_up => DeliverPolicy::LastPerSubject,
            (Start::New, None) => DeliverPolicy::New,
            (_, Some(last)) if last > 0 => DeliverPolicy::ByStartSequence { start_sequence: last.saturating_add(1) },
            _ => DeliverPolicy::All,
        };
        let config = pull::Config {
            deliver_policy,
            ack_policy: AckPolicy::None,
            filter_subjects: self.filters.clone(),
            inactive_threshold: FORGOTTEN_AFTER,
            memory_storage: true,
            num_replicas: 1,
            max_deliver: 1,
            ..pull::Config::default()
        };
        let consumer = create(&self.context, &stream, config, self.timeout).await?;
        let info = consumer.cached_info();
        if self.last_seq.is_none() && self.start == Start::New {
            self.last_seq = Some(info.delivered.stream_sequence);
        }
        let ephemeral = Ephemeral { context: self.context.clone(), stream, name: info.name.clone() };
        let backlog = info.num_pending;
        let asking = consumer.stream().max_messages_per_batch(BATCH).expires(EXPIRES).heartbeat(HEARTBEAT).messages();
        let messages = tokio::time::timeout(self.timeout, asking)
            .await
            .map_err(|_| timed_out(self.timeout))?
            .map_err(|error| ReadError::Malformed(error.to_string()))?;
        self.current = Some(Current { messages, _consumer: ephemeral, consumer_seq: 0, backlog });
        self.due = backlog == 0 && !self.caught_up && self.beginning.is_none();
        self.is_at_end = backlog == 0 && self.beginning.is_some();
        Ok(())
    }

    /// Whether all of the archive was handed over that is read from it. A consumer stands with one of the archive's copies,
    /// which may not have everything yet; the leader has. Not asked for the last records of subjects, which are only shown.
    async fn has_all_of_archive(&self) -> bool {
        let (Some((archive, horizon)), Some(last)) = (self.beginning, self.last_seq) else { return true };
        if self.start == Start::LastPerSubject && !self.caught_up {
            return true;
        }
        for filter in &self.filters {
            let ask = json!({ "seq": last.saturating_add(1), "next_by_subj": filter });
            let asked = ask_api(&self.context, self.timeout, "STREAM.MSG.GET", archive, &ask).await;
            let Ok(answer) = asked else { return false };
            let next = answer.pointer("/message/seq").and_then(Value::as_u64);
            let is_none = answer.pointer("/error/err_code").and_then(Value::as_u64) == Some(NO_MESSAGE);
            if next.map_or(!is_none, |next| next < horizon) {
                return false;
            }
        }
        true
    }

    /// Goes on with the log itself, if it was the archive that was read.
    fn leave_archive(&mut self) {
        let Some((_, horizon)) = self.beginning.take() else { return };
        self.current = None;
        self.is_past = true;
        if self.start != Start::LastPerSubject || self.caught_up {
            self.last_seq = self.last_seq.max(Some(horizon.saturating_sub(1)));
        }
    }

    /// Whether what the log is being read of is announced to be cut off, and so to be read from its archive.
    async fn is_cut(&mut self) -> bool {
        let (None, Some(last)) = (self.beginning, self.last_seq) else { return false };
        // Where nothing can be said, reading goes on; it is looked again soon.
        let cut = self.archives.cut(&self.stream).await;
        self.start != Start::LastPerSubject && cut.is_ok_and(|cut| last.saturating_add(1) < cut.horizon)
    }

    async fn next(&mut self) -> Followed {
        loop {
            if std::mem::take(&mut self.due) {
                self.caught_up = true;
                return Followed::CaughtUp;
            }
            if std::mem::take(&mut self.is_at_end) {
                if self.has_all_of_archive().await {
                    self.leave_archive();
                } else {
                    debug!(stream = self.stream, last = self.last_seq, "a copy of the archive lacks its end");
                    self.current = None;
                    tokio::time::sleep(LACKING).await;
                }
            }
            if !self.caught_up && self.current.is_some() && self.is_cut().await {
                self.current = None;
            }
            let Some(current) = self.current.as_mut() else {
                self.begin_again().await;
                continue;
            };
            let message = tokio::select! {
                changed = self.reconnects.changed(), if self.reconnects.has_changed().is_ok() => {
                    debug!(stream = self.stream, ?changed, "following again after a reconnect");
                    self.current = None;
                    continue;
                }
                message = current.messages.next() => message,
            };
            match message {
                Some(Ok(message)) => {
                    let delivered = convert::delivered_in(&message);
                    if let Some(stored) = delivered.and_then(|delivered| self.take(delivered)) {
                        return Followed::Entry(stored);
                    }
                }
                // What was asked of a consumer that is gone ends, and then gives nothing more for ever.
                other => {
                    debug!(stream = self.stream, error = ?other.and_then(Result::err), "following again");
                    self.current = None;
                }
            }
        }
    }

    /// Takes a record unless it was handed over before; one out of turn ends the consumer.
    fn take(&mut self, delivered: Delivered) -> Option<Stored> {
        let current = self.current.as_mut()?;
        if delivered.consumer_seq != current.consumer_seq.saturating_add(1) {
            debug!(
                stream = self.stream,
                at = delivered.consumer_seq,
                after = current.consumer_seq,
                "a gap: following again"
            );
            self.current = None;
            return None;
        }
        current.consumer_seq = delivered.consumer_seq;
        current.backlog = current.backlog.saturating_sub(1);
        let is_all = current.backlog == 0 || delivered.pending == 0;
        if let Some((_, horizon)) = self.beginning {
            let is_later = delivered.stored.sequence >= horizon;
            let is_new = self.last_seq.is_none_or(|last| delivered.stored.sequence > last);
            if is_new && !is_later {
                self.last_seq = Some(delivered.stored.sequence);
            }
            // The last record of a subject may be later, and of another not.
            if is_later && self.start != Start::LastPerSubject {
                self.leave_archive();
            } else {
                self.is_at_end = is_all;
            }
            return (is_new && !is_later).then_some(delivered.stored);
        }
        self.due = !self.caught_up && is_all;
        if self.last_seq.is_some_and(|last| delivered.stored.sequence <= last) {
            return None;
        }
        self.last_seq = Some(delivered.stored.sequence);
        Some(delivered.stored)
    }

    async fn begin_again(&mut self) {
        let mut tries = 0_usize;
        while let Err(error) = self.begin().await {
            let pause_ms = RETRY_MS.get(tries).or(RETRY_MS.last()).copied().unwrap_or(1_000);
            if tries == RETRY_MS.len() {
                warn!(stream = self.stream, %error, "cannot follow at the moment; trying on");
            }
            tries = tries.saturating_add(1);
            tokio::time::sleep(Duration::from_millis(pause_ms)).await;
        }
    }
}

/// Makes a consumer, or changes a durable one, in bounded time.
pub(super) async fn create(
    context: &Context,
    stream: &str,
    config: pull::Config,
    timeout: Duration,
) -> Result<Arc<Consumer<pull::Config>>, ReadError> {
    match tokio::time::timeout(timeout, context.create_consumer_on_stream(config, stream)).await {
        Err(_) => Err(timed_out(timeout)),
        Ok(Ok(consumer)) => Ok(Arc::new(consumer)),
        Ok(Err(error)) => {
            use async_nats::jetstream::stream::ConsumerErrorKind as Kind;
            Err(match error.kind() {
                Kind::TimedOut => timed_out(timeout),
                Kind::JetStream(error) if matches!(error.error_code().0, 10059 | 10008 | 10039 | 10076) => {
                    ReadError::Unavailable(stream.to_owned())
                }
                Kind::JetStream(error) => ReadError::Refused { code: error.error_code().0, text: error.to_string() },
                _ => ReadError::Unavailable(stream.to_owned()),
            })
        }
    }
}

fn timed_out(after: Duration) -> ReadError {
    ReadError::TimedOut(u64::try_from(after.as_millis()).unwrap_or(u64::MAX))
}
