//! Reading a log of which the beginning was cut off, and stands in its archive.
//!
//! # Design
//!
//! A log's archive is a stream that takes everything from it, in order, under the same sequences (`schemas::stream`
//! says which log has one). The log's beginning may be cut off once the archive has it. Where that is, is announced
//! before it is done, in the log's metadata: the *horizon*. Whatever stands before the horizon is read from the archive,
//! and the rest from the log, so that a reader sees one log from 1 on, whatever is cut meanwhile. What is cut never
//! reaches the horizon, and each connection looks for a new one every two seconds while it reads, which is much sooner
//! than cutting follows on its announcement.
//!
//! Writing goes to the log alone. The broker checks an expectation against what the log still holds, so one on an entry
//! that was cut off becomes *none there*, once the archive has said that it is the last one; and *none there* is asked of
//! the archive, too. Both are sound: what is in an archive before the cut changes no more.
//!
//! A log that was never cut costs a look at its metadata every two seconds, and nothing else.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use async_nats::jetstream::Context;
use futures::future::try_join_all;
use schemas::stream::{HORIZON, archive_of};
use serde_json::{Value, json};
use tokio::time::Instant;

use super::{
    Nats,
    read::{ask_api, refused},
};
use crate::port::{AppendError, ReadError, Record, Stored};

/// A horizon is looked up again after so long.
const FRESH: Duration = Duration::from_secs(2);

/// Where the beginnings of logs stand.
#[derive(Clone, Debug)]
pub(super) struct Archives {
    context: Context,
    timeout: Duration,
    seen: Arc<Mutex<HashMap<String, Seen>>>,
    /// One looks, and the others wait for what it sees.
    looking: Arc<tokio::sync::Mutex<()>>,
}

/// What a log said of its beginning.
#[derive(Clone, Copy, Debug)]
struct Seen {
    cut: Cut,
    at: Instant,
}

/// How a log begins. Both are 1 where nothing was ever cut off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Cut {
    /// The first sequence that is read from the log itself.
    pub(super) horizon: u64,
    /// The first sequence that the log holds.
    pub(super) first: u64,
}

impl Cut {
    const NONE: Self = Self { horizon: 1, first: 1 };

    /// Whether anything stands in the archive alone, or will.
    pub(super) fn is_none(self) -> bool {
        self == Self::NONE
    }
}

impl Archives {
    pub(super) fn new(context: Context, timeout: Duration) -> Self {
        Self { context, timeout, seen: Arc::default(), looking: Arc::default() }
    }

    /// How a log begins, as of two seconds ago at most.
    pub(super) async fn cut(&self, stream: &str) -> Result<Cut, ReadError> {
        if archive_of(stream).is_none() {
            return Ok(Cut::NONE);
        }
        if let Some(cut) = self.fresh(stream) {
            return Ok(cut);
        }
        let _looking = self.looking.lock().await;
        match self.fresh(stream) {
            Some(cut) => Ok(cut),
            None => self.look(stream).await,
        }
    }

    fn fresh(&self, stream: &str) -> Option<Cut> {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner).get(stream).copied();
        seen.filter(|seen| seen.at.elapsed() < FRESH).map(|seen| seen.cut)
    }

    /// Has a log looked at anew when it is used next.
    fn doubt(&self, stream: &str) {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).remove(stream);
    }

    /// How a log begins now.
    async fn look(&self, stream: &str) -> Result<Cut, ReadError> {
        let at = Instant::now();
        let info = ask_api(&self.context, self.timeout, "STREAM.INFO", stream, &json!({})).await?;
        if let Some(error) = info.get("error") {
            return Err(refused(stream, error));
        }
        let first = info.pointer("/state/first_seq").and_then(Value::as_u64).unwrap_or_default().max(1);
        let announced = info.pointer("/config/metadata").and_then(|metadata| metadata.get(HORIZON));
        let announced: u64 = announced.and_then(Value::as_str).and_then(|text| text.parse().ok()).unwrap_or_default();
        let cut = Cut { horizon: first.max(announced), first };
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).insert(stream.to_owned(), Seen { cut, at });
        Ok(cut)
    }
}

impl Nats {
    /// A log's entries on a subject, those from the archive first.
    pub(super) async fn read_whole(
        &self,
        stream: &str,
        subject: &str,
        after_seq: u64,
    ) -> Result<Vec<Stored>, ReadError> {
        let Cut { horizon, .. } = self.archives.cut(stream).await?;
        let Some(archive) = archive_of(stream).filter(|_| after_seq.saturating_add(1) < horizon) else {
            return self.read_after(stream, subject, after_seq, None).await;
        };
        let (mut records, rest) = futures::try_join!(
            self.read_after(archive, subject, after_seq, Some(horizon)),
            self.read_after(stream, subject, horizon.saturating_sub(1), None),
        )?;
        records.extend(rest);
        Ok(records)
    }

    /// The last entry on a subject.
    pub(super) async fn last_of_whole(&self, stream: &str, subject: &str) -> Result<Option<Stored>, ReadError> {
        match (self.read_last(stream, subject).await?, archive_of(stream)) {
            (None, Some(archive)) if !self.archives.cut(stream).await?.is_none() => {
                self.read_last(archive, subject).await
            }
            (last, _) => Ok(last),
        }
    }

    /// The sequence of the last entry on a subject, as the leaders know it.
    pub(super) async fn newest_of_whole(&self, stream: &str, subject: &str) -> Result<u64, ReadError> {
        match (self.ask_newest(stream, subject).await?, archive_of(stream)) {
            (0, Some(archive)) if !self.archives.cut(stream).await?.is_none() => {
                self.ask_newest(archive, subject).await
            }
            (newest, _) => Ok(newest),
        }
    }

    /// The entry at a sequence.
    pub(super) async fn at_of_whole(&self, stream: &str, sequence: u64) -> Result<Option<Stored>, ReadError> {
        match archive_of(stream) {
            Some(archive) if sequence < self.archives.cut(stream).await?.horizon => {
                self.read_at(archive, sequence).await
            }
            _ => self.read_at(stream, sequence).await,
        }
    }

    /// Stores records under expectations that may be on entries that were cut off.
    pub(super) async fn store_in_whole(&self, stream: &str, records: Vec<Record>) -> Result<Vec<u64>, AppendError> {
        let Some(archive) = archive_of(stream) else { return self.store(stream, records).await };
        let cut = self.archives.cut(stream).await.map_err(|_| AppendError::Unavailable(stream.to_owned()))?;
        if cut.is_none() {
            return self.store(stream, records).await;
        }
        let stored = self.store(stream, self.expecting(archive, cut, records).await?).await;
        if stored == Err(AppendError::Conflict) {
            // It may be that the entry which was expected was cut off just now: whoever tries again knows.
            self.archives.doubt(stream);
        }
        stored
    }

    /// The records with expectations that the log can check.
    async fn expecting(&self, archive: &str, cut: Cut, records: Vec<Record>) -> Result<Vec<Record>, AppendError> {
        try_join_all(records.into_iter().map(|record| self.expecting_one(archive, cut, record))).await
    }

    async fn expecting_one(&self, archive: &str, cut: Cut, mut record: Record) -> Result<Record, AppendError> {
        let expected = record.expect_last_subject_seq.filter(|expected| *expected < cut.first);
        let Some(expected) = expected else { return Ok(record) };
        let last = self.ask_newest(archive, &record.subject).await;
        if last.map_err(|_| AppendError::Unavailable(archive.to_owned()))? != expected {
            return Err(AppendError::Conflict);
        }
        record.expect_last_subject_seq = Some(0);
        Ok(record)
    }
}
