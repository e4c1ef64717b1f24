//! The one door for all I/O and all time.
//!
//! Everything that this project does to the world goes through [`Port`]: messages, streams, buckets, the
//! clock. There are two adapters, [`nats`](crate::nats) on a real server and [`memory`](crate::memory)
//! without one on a clock that jumps, and the same suite of laws runs on both. So whatever is written on the
//! port can be tried in milliseconds, again and again with the same outcome, and a simulator can stand on it.
//!
//! No type of the NATS client shows through, every call ends in bounded time, and every error says whether
//! the thing *did not happen* or whether *nobody knows*.
//!
//! # What is promised
//!
//! - **Publish** is at most once. `Ok` means handed to the connection, not received by anyone.
//! - **Request** gives at most one answer, and [`Replies`] all that come. A service's error reply is recognised here,
//!   once, for everybody.
//! - **Append** is acknowledged: `Ok` means stored. Several records are one atomic batch, with consecutive
//!   sequences and nothing in between.
//! - **Read** may lag behind what was acknowledged; [`Port::newest`] says by how much.
//! - **Follow** hands over every record in order, without gaps or duplicates, across reconnects.
//! - **Work** hands each record to one worker at a time, at least once.
//! - **Stand** elects one of all who stand for an office. It doesn't fence: two may think that they hold it.
//!
//! What it refuses: subjects and headers that the protocol cannot carry, and messages that the server would
//! drop for their size. They are refused before anything is sent.

mod error;
mod kv;
mod message;
mod object;
mod office;
mod replies;
mod stored;
pub mod wire;

#[cfg(test)]
pub(crate) mod laws;

use std::path::Path;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

pub use schemas::header::Headers;

pub(crate) use self::replies::answered;
pub use self::{
    error::{AppendError, BackupError, ProvisionError, PublishError, ReadError, RequestError},
    kv::{KvEntry, KvEvent, KvWatch},
    message::Message,
    object::ObjectInfo,
    office::{Candidacy, OfficeSpec, Standing},
    replies::Replies,
    stored::{Acker, Follow, Followed, Job, Record, Start, Stopper, Stored, Subscription, Verdict, Work, WorkSpec},
};

/// How long an append, a read or a server call may take unless the adapter was told otherwise.
pub const DEFAULT_TIMEOUT_MS: u64 = 5_000;

/// All I/O and time. Used as `Arc<dyn Port>`.
#[async_trait]
pub trait Port: Send + Sync + 'static {
    /// The time, in milliseconds since 1970 UTC.
    fn now_unix_ms(&self) -> i64;

    /// Waits for `ms` milliseconds.
    async fn sleep_ms(&self, ms: u64) {
        tokio::time::sleep(std::time::Duration::from_millis(ms)).await;
    }

    /// Waits until the clock shows `unix_ms`; not at all if it already does.
    async fn sleep_until(&self, unix_ms: i64) {
        // A timer may fire up to a millisecond early against the wall clock.
        loop {
            let left_ms = unix_ms.saturating_sub(self.now_unix_ms());
            match u64::try_from(left_ms) {
                Ok(ms) if ms > 0 => self.sleep_ms(ms).await,
                _ => return,
            }
        }
    }

    /// Hands a message to the connection, to its `reply` if it has one.
    ///
    /// # Errors
    /// [`PublishError`]; nothing was sent.
    async fn publish(&self, message: Message) -> Result<(), PublishError>;

    /// Sends a request and waits for its first answer, at most `timeout_ms`. The message's own `reply` is
    /// ignored.
    ///
    /// # Errors
    /// [`RequestError`]; an error reply of a service is [`RequestError::Refused`].
    async fn request(&self, message: Message, timeout_ms: u64) -> Result<Message, RequestError>;

    /// Subscribes to a subject, wildcards allowed. Members of one `queue` share the messages among them.
    ///
    /// # Errors
    /// [`PublishError::BadSubject`], [`PublishError::Disconnected`].
    async fn subscribe(&self, subject: &str, queue: Option<&str>) -> Result<Subscription, PublishError>;

    /// Waits until the server has everything that was published and every subscription made before.
    ///
    /// # Errors
    /// [`PublishError::Disconnected`].
    async fn flush(&self) -> Result<(), PublishError>;

    /// Stores records, all or none, and gives their sequences in the same order.
    ///
    /// Plain subscribers of a record's subject may see it even when the stream then refuses it: watch what a
    /// stream republishes instead.
    ///
    /// # Errors
    /// [`AppendError`]; only [`AppendError::TimedOut`] leaves open whether the records were stored.
    async fn append(&self, stream: &str, records: Vec<Record>) -> Result<Vec<u64>, AppendError>;

    /// All records on one subject (wildcards allowed) after a sequence, in order.
    ///
    /// # Errors
    /// [`ReadError`].
    async fn read(&self, stream: &str, subject: &str, after_seq: u64) -> Result<Vec<Stored>, ReadError>;

    /// The last record on one subject (wildcards allowed).
    ///
    /// # Errors
    /// [`ReadError`].
    async fn last(&self, stream: &str, subject: &str) -> Result<Option<Stored>, ReadError>;

    /// The sequence of the last record on one subject (wildcards allowed), as whoever stores the next one knows it; 0
    /// for none. What was acknowledged before counts, where any other reading may be answered by a replica that lags.
    ///
    /// # Errors
    /// [`ReadError`].
    async fn newest(&self, stream: &str, subject: &str) -> Result<u64, ReadError>;

    /// The record at a sequence.
    ///
    /// # Errors
    /// [`ReadError`].
    async fn get(&self, stream: &str, sequence: u64) -> Result<Option<Stored>, ReadError>;

    /// Follows a stream: what is there, [`Followed::CaughtUp`], then what comes. No filter means everything;
    /// filters must not overlap.
    ///
    /// # Errors
    /// [`ReadError`] if it cannot be begun; once begun it mends itself.
    async fn follow(&self, stream: &str, filters: &[String], start: Start) -> Result<Follow, ReadError>;

    /// Joins the workers on a durable consumer, which is made if it is not there yet.
    ///
    /// # Errors
    /// [`ReadError`] if it cannot be begun; once begun it mends itself.
    async fn work(&self, spec: &WorkSpec) -> Result<Work, ReadError>;

    /// Stands for an office, until the candidacy is dropped.
    ///
    /// # Errors
    /// [`ReadError`] if it cannot be begun; once begun it mends itself.
    async fn stand(&self, office: &OfficeSpec) -> Result<Candidacy, ReadError>;

    /// Lets another have the office at once, after the candidacy of whoever holds it was dropped. Without it the
    /// office's time-out does the same.
    async fn leave(&self, office: &OfficeSpec);

    /// Creates a stream, or changes it to what the specification says. `spec` is the JSON that
    /// `nats stream add --config` takes.
    ///
    /// # Errors
    /// [`ProvisionError`].
    async fn ensure_stream(&self, spec: &serde_json::Value) -> Result<Provisioned, ProvisionError>;

    /// What [`Port::ensure_stream`] would do, without doing it.
    ///
    /// # Errors
    /// [`ProvisionError`].
    async fn plan_stream(&self, spec: &serde_json::Value) -> Result<Provisioned, ProvisionError>;

    /// Writes a stream into a folder, as `nats stream backup` does, and gives what it then held.
    ///
    /// # Errors
    /// [`BackupError`]; a folder without `backup.json` is no backup.
    async fn save_stream(&self, stream: &str, folder: &Path) -> Result<StreamState, BackupError>;

    /// Makes the stream that such a folder holds, which must not be there yet, in so many copies, or as many as there were;
    /// its name, and what it holds.
    ///
    /// # Errors
    /// [`BackupError`].
    async fn load_stream(&self, folder: &Path, replicas: Option<u8>) -> Result<(String, StreamState), BackupError>;

    /// How full a stream is.
    ///
    /// # Errors
    /// [`ReadError`].
    async fn stream_state(&self, stream: &str) -> Result<StreamState, ReadError>;

    /// A token that nobody else on this bus has: for naming instances and errors.
    fn unique_token(&self) -> String;

    /// A subject for answers that nobody else has.
    fn inbox(&self) -> String {
        schemas::subject::reply_inbox(&self.unique_token())
    }

    /// Who is at the other end.
    fn server(&self) -> ServerInfo;

    /// How the connection fares.
    fn link(&self) -> Link;

    /// Stores `value` under a key of a bucket, for `ttl_ms` if given (rounded up to whole seconds, as the
    /// server counts them), and gives its revision.
    ///
    /// # Errors
    /// [`AppendError`].
    async fn kv_put(
        &self,
        bucket: &str,
        key: &str,
        value: bytes::Bytes,
        ttl_ms: Option<u64>,
    ) -> Result<u64, AppendError> {
        kv::put(self, bucket, key, value, ttl_ms, None).await
    }

    /// As [`Port::kv_put`], only if the key's revision is still `revision`; 0 for a key that never was.
    ///
    /// # Errors
    /// [`AppendError::Conflict`] if it moved on, and the others.
    async fn kv_update(
        &self,
        bucket: &str,
        key: &str,
        value: bytes::Bytes,
        ttl_ms: Option<u64>,
        revision: u64,
    ) -> Result<u64, AppendError> {
        kv::put(self, bucket, key, value, ttl_ms, Some(revision)).await
    }

    /// The value under a key, unless it was never set, deleted or has expired.
    ///
    /// # Errors
    /// [`ReadError`].
    async fn kv_get(&self, bucket: &str, key: &str) -> Result<Option<KvEntry>, ReadError> {
        kv::get(self, bucket, key).await
    }

    /// Deletes a key.
    ///
    /// # Errors
    /// [`AppendError`].
    async fn kv_delete(&self, bucket: &str, key: &str) -> Result<(), AppendError> {
        kv::delete(self, bucket, key).await
    }

    /// Every key with its value, ordered by revision.
    ///
    /// # Errors
    /// [`ReadError`].
    async fn kv_list(&self, bucket: &str) -> Result<Vec<KvEntry>, ReadError> {
        kv::list(self, bucket).await
    }

    /// Every key with its value, [`KvEvent::CaughtUp`], then each change. A key that expires is told of only
    /// where the bucket leaves markers (`subject_delete_marker_ttl`).
    ///
    /// # Errors
    /// [`ReadError`].
    async fn kv_watch(&self, bucket: &str) -> Result<KvWatch, ReadError> {
        kv::watch(self, bucket).await
    }

    /// Stores what is too large for a message under a name, in the place of what was there before.
    ///
    /// # Errors
    /// [`AppendError`]; then the name means what it meant before.
    async fn object_put(&self, bucket: &str, name: &str, object: bytes::Bytes) -> Result<ObjectInfo, AppendError> {
        object::put(self, bucket, name, object).await
    }

    /// The object of a name, whole and with its digest checked, unless there is none.
    ///
    /// # Errors
    /// [`ReadError`]; [`ReadError::Malformed`] when its pieces are not what was put there.
    async fn object_get(&self, bucket: &str, name: &str) -> Result<Option<bytes::Bytes>, ReadError> {
        object::get(self, bucket, name).await
    }
}

/// What [`Port::ensure_stream`] found and did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Provisioned {
    /// It was not there and was made.
    Created,
    /// It was already as specified.
    Unchanged,
    /// These settings differed and were changed.
    Updated(Vec<Difference>),
}

/// One setting of a stream that was not as specified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// The setting, as in the stream's configuration.
    pub setting: String,
    /// What it was.
    pub was: serde_json::Value,
    /// What it is now.
    pub is: serde_json::Value,
}

/// How full a stream is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StreamState {
    /// Records in it.
    pub messages: u64,
    /// Bytes they take, as the server counts them.
    pub bytes: u64,
    /// The first sequence that is still there.
    pub first_seq: u64,
    /// The last sequence given out.
    pub last_seq: u64,
}

/// The server, as it introduced itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ServerInfo {
    /// Its version; `memory` for the adapter without a server.
    pub version: String,
    /// Its name.
    pub name: String,
    /// Where the connection goes, without credentials.
    pub url: String,
    /// The largest message it takes, headers included.
    pub max_payload_bytes: usize,
}

/// How the connection fares.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Link {
    /// Whether it stands now.
    pub connected: bool,
    /// How often it was made, the first time included.
    pub connects: u64,
    /// How often it broke.
    pub disconnects: u64,
    /// How often a subscriber fell so far behind that messages were lost.
    pub slow_consumers: u64,
    /// Messages received.
    pub messages_in: u64,
    /// Messages sent.
    pub messages_out: u64,
}
