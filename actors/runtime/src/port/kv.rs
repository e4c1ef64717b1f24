//! Buckets. A bucket is a stream with the last value of each key, so everything here is written on the
//! port's own appends and reads, and both adapters share it.

use bytes::Bytes;
use futures::{StreamExt, stream::BoxStream};
use schemas::{
    header::{self, Headers},
    subject,
};

use super::{AppendError, Followed, Port, ReadError, Record, Start, Stored, wire};

/// A value in a bucket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KvEntry {
    /// Its key.
    pub key: String,
    /// Its value.
    pub value: Bytes,
    /// Its revision: the sequence in the bucket's stream.
    pub revision: u64,
    /// When it was put there.
    pub time_unix_ms: i64,
}

/// What a watcher of a bucket hears.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KvEvent {
    /// A key has this value.
    Put(KvEntry),
    /// A key is gone: deleted, or expired where the bucket leaves markers.
    Gone {
        /// The key.
        key: String,
        /// The revision of its deletion.
        revision: u64,
    },
    /// All that was there has been told.
    CaughtUp,
}

/// A stream of [`KvEvent`]s, without end.
pub type KvWatch = BoxStream<'static, KvEvent>;

pub(super) async fn put<P: Port + ?Sized>(
    port: &P,
    bucket: &str,
    key: &str,
    value: Bytes,
    ttl_ms: Option<u64>,
    revision: Option<u64>,
) -> Result<u64, AppendError> {
    let mut headers = Headers::new();
    if let Some(ttl_ms) = ttl_ms {
        headers = headers.with(header::TTL, format!("{}s", ttl_ms.div_ceil(1_000).max(1)));
    }
    let record =
        Record { subject: subject::bucket_key(bucket, key), headers, body: value, expect_last_subject_seq: revision };
    only(port.append(&schemas::stream::of_bucket(bucket), vec![record]).await?)
}

pub(super) async fn delete<P: Port + ?Sized>(port: &P, bucket: &str, key: &str) -> Result<(), AppendError> {
    let record = Record::new(subject::bucket_key(bucket, key), Bytes::new())
        .with_headers(Headers::new().with(wire::KV_OPERATION, "DEL"));
    port.append(&schemas::stream::of_bucket(bucket), vec![record]).await.map(drop)
}

pub(super) async fn get<P: Port + ?Sized>(port: &P, bucket: &str, key: &str) -> Result<Option<KvEntry>, ReadError> {
    let stored = port.last(&schemas::stream::of_bucket(bucket), &subject::bucket_key(bucket, key)).await?;
    Ok(stored.and_then(|stored| match event(bucket, stored) {
        KvEvent::Put(entry) => Some(entry),
        KvEvent::Gone { .. } | KvEvent::CaughtUp => None,
    }))
}

pub(super) async fn list<P: Port + ?Sized>(port: &P, bucket: &str) -> Result<Vec<KvEntry>, ReadError> {
    let mut events = watch(port, bucket).await?;
    let mut entries = Vec::new();
    while let Some(event) = events.next().await {
        match event {
            KvEvent::Put(entry) => entries.push(entry),
            // A key can go while we are still catching up.
            KvEvent::Gone { key, .. } => entries.retain(|entry: &KvEntry| entry.key != key),
            KvEvent::CaughtUp => break,
        }
    }
    Ok(entries)
}

pub(super) async fn watch<P: Port + ?Sized>(port: &P, bucket: &str) -> Result<KvWatch, ReadError> {
    let followed = port.follow(&schemas::stream::of_bucket(bucket), &[], Start::LastPerSubject).await?;
    let bucket = bucket.to_owned();
    Ok(followed
        .map(move |item| match item {
            Followed::Entry(stored) => event(&bucket, stored),
            Followed::CaughtUp => KvEvent::CaughtUp,
        })
        .boxed())
}

fn event(bucket: &str, stored: Stored) -> KvEvent {
    let prefix = subject::bucket_key(bucket, "");
    let key = stored.subject.strip_prefix(&prefix).unwrap_or(&stored.subject).to_owned();
    if stored.headers.get(wire::KV_OPERATION).is_some() || stored.headers.get(wire::MARKER_REASON).is_some() {
        return KvEvent::Gone { key, revision: stored.sequence };
    }
    KvEvent::Put(KvEntry { key, value: stored.body, revision: stored.sequence, time_unix_ms: stored.time_unix_ms })
}

fn only(sequences: Vec<u64>) -> Result<u64, AppendError> {
    sequences.first().copied().ok_or_else(|| AppendError::Refused { code: 0, text: "no sequence".to_owned() })
}
