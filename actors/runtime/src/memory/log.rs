//! A stream in memory: records in order, found by sequence and by subject.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
};

use schemas::header::{self, Headers};
use tokio::sync::{Notify, mpsc};

use super::config::Config;
use crate::port::{AppendError, Followed, Message, Record, Start, Stored, StreamState, wire};

/// A stream with everyone who hears of it.
#[derive(Debug)]
pub(super) struct Log {
    pub(super) config: Config,
    records: BTreeMap<u64, Stored>,
    by_subject: HashMap<String, BTreeSet<u64>>,
    bytes: usize,
    pub(super) last_seq: u64,
    /// Message ids within the window, with their sequence and time.
    ids: HashMap<String, (u64, i64)>,
    followers: Vec<Follower>,
    pub(super) durables: HashMap<String, Durable>,
    /// Woken when there may be work.
    pub(super) work: Arc<Notify>,
    /// What the disk hasn't got yet, in order; nothing where it has everything at once.
    unsynced: Option<Vec<Change>>,
}

/// What was done to the records.
#[derive(Debug)]
enum Change {
    Stored(u64),
    Removed(Stored),
}

#[derive(Debug)]
struct Follower {
    filters: Vec<String>,
    to: mpsc::UnboundedSender<Followed>,
}

/// A durable consumer: what is out, what is to come again, how far it has got.
#[derive(Debug, Default)]
pub(super) struct Durable {
    pub(super) filter: String,
    pub(super) ack_wait_ms: i64,
    pub(super) max_ack_pending: usize,
    /// Sequence → (times handed out, when it comes back by itself).
    pub(super) out: BTreeMap<u64, (u64, i64)>,
    /// Sequence → times handed out.
    pub(super) again: BTreeMap<u64, u64>,
    pub(super) next_seq: u64,
}

/// What a record is about to become, or why not.
pub(super) enum Admission {
    New,
    /// Stored before under the same message id.
    Duplicate(u64),
}

impl Log {
    pub(super) fn new(config: Config) -> Self {
        Self {
            config,
            records: BTreeMap::new(),
            by_subject: HashMap::new(),
            bytes: 0,
            last_seq: 0,
            ids: HashMap::new(),
            followers: Vec::new(),
            durables: HashMap::new(),
            work: Arc::default(),
            unsynced: None,
        }
    }

    /// The disk has everything by now; from now on, if it is `lazy`, only what it is given by this.
    pub(super) fn sync(&mut self, lazy: bool) {
        self.unsynced = lazy.then(Vec::new);
    }

    /// Undoes what the disk hasn't got; the first sequence that is gone, if one is.
    pub(super) fn lose_unsynced(&mut self) -> Option<u64> {
        let before = self.last_seq;
        for change in std::mem::take(self.unsynced.as_mut()?).into_iter().rev() {
            match change {
                Change::Stored(sequence) => {
                    self.take_out(sequence);
                    self.last_seq = sequence.saturating_sub(1);
                }
                Change::Removed(stored) => self.put_in(stored),
            }
        }
        let last_seq = self.last_seq;
        self.ids.retain(|_, (sequence, _)| *sequence <= last_seq);
        for durable in self.durables.values_mut() {
            durable.next_seq = durable.next_seq.min(last_seq.saturating_add(1));
            durable.out.retain(|sequence, _| *sequence <= last_seq);
            durable.again.retain(|sequence, _| *sequence <= last_seq);
        }
        (last_seq < before).then(|| last_seq.saturating_add(1))
    }

    /// Every record, in order.
    pub(super) fn records(&self) -> impl Iterator<Item = &Stored> {
        self.records.values()
    }

    /// Whether a record may be stored, by everything but its expectation.
    pub(super) fn admit(
        &mut self,
        record: &Record,
        in_batch: bool,
        now_unix_ms: i64,
    ) -> Result<Admission, AppendError> {
        let refused = |code: u64, text: &str| Err(AppendError::Refused { code, text: text.to_owned() });
        if !self.config.captures(&record.subject) {
            return Err(AppendError::Unavailable(self.config.name.clone()));
        }
        let size = size_bytes(record);
        if self.config.max_msg_bytes.is_some_and(|limit| size > limit) {
            return Err(AppendError::TooLarge);
        }
        match record.headers.get(header::TTL).map(ttl_ms) {
            Some(_) if !self.config.allow_ttl => return refused(10166, "per-message TTL is disabled"),
            Some(None) => return refused(10165, "invalid per-message TTL"),
            _ => {}
        }
        if record.headers.get(header::SCHEDULE).is_some() {
            if !self.config.allow_schedules {
                return refused(10188, "message schedules is disabled");
            }
            let target = record.headers.get(header::SCHEDULE_TARGET).unwrap_or_default();
            if schedule_at(&record.headers).is_none() {
                return refused(10189, "message schedule is invalid");
            }
            if target == record.subject || !wire::is_subject(target, false) || !self.config.captures(target) {
                return refused(10190, "message schedule target is invalid");
            }
        }
        if let Some(id) = record.headers.get(wire::MSG_ID) {
            let window = self.config.duplicate_window_ms;
            self.ids.retain(|_, (_, time)| now_unix_ms.saturating_sub(*time) < window);
            match self.ids.get(id) {
                Some(_) if in_batch => return refused(10201, "batch contains duplicate message id"),
                Some((sequence, _)) => return Ok(Admission::Duplicate(*sequence)),
                None => {}
            }
        }
        Ok(Admission::New)
    }

    /// Whether so much more fits where what is new is discarded.
    pub(super) fn has_room(&self, records: &[Record], in_batch: bool) -> bool {
        if !self.config.discard_new {
            return true;
        }
        // A single record that replaces another of its subject takes no room; in a batch every record counts.
        let replaces = |record: &&Record| {
            let there = self.by_subject.get(&record.subject).map_or(0, BTreeSet::len);
            !in_batch && self.config.max_msgs_per_subject.is_some_and(|limit| there >= limit)
        };
        let more = records.iter().filter(|record| !replaces(record)).count();
        let bytes: usize = records.iter().map(size_bytes).sum();
        self.config.max_msgs.is_none_or(|limit| self.records.len().saturating_add(more) <= limit)
            && self.config.max_bytes.is_none_or(|limit| self.bytes.saturating_add(bytes) <= limit)
    }

    /// The last sequence on a subject; 0 where there is nothing.
    pub(super) fn last_on(&self, subject: &str) -> u64 {
        self.by_subject.get(subject).and_then(|sequences| sequences.last()).copied().unwrap_or(0)
    }

    /// Stores a record that was admitted, and tells followers and workers.
    pub(super) fn push(&mut self, subject: String, headers: &Headers, body: bytes::Bytes, now_unix_ms: i64) -> Stored {
        self.last_seq = self.last_seq.saturating_add(1);
        let stored = Stored {
            sequence: self.last_seq,
            subject,
            headers: wire::strip_transport(headers),
            body,
            time_unix_ms: now_unix_ms,
        };
        if let Some(id) = stored.headers.get(wire::MSG_ID) {
            self.ids.insert(id.to_owned(), (stored.sequence, now_unix_ms));
        }
        self.put_in(stored.clone());
        if let Some(unsynced) = &mut self.unsynced {
            unsynced.push(Change::Stored(stored.sequence));
        }
        self.make_room(&stored);
        let entry = Followed::Entry(stored.clone());
        self.followers
            .retain(|follower| !passes(&follower.filters, &stored.subject) || follower.to.send(entry.clone()).is_ok());
        self.work.notify_waiters();
        stored
    }

    fn make_room(&mut self, newest: &Stored) {
        // One schedule to a subject: arming it anew replaces it.
        let of_subject = match newest.headers.get(header::SCHEDULE) {
            Some(_) => Some(1),
            None => self.config.max_msgs_per_subject,
        };
        if let (Some(limit), Some(sequences)) = (of_subject, self.by_subject.get(&newest.subject)) {
            let surplus: Vec<u64> = sequences.iter().copied().take(sequences.len().saturating_sub(limit)).collect();
            for sequence in surplus {
                self.remove(sequence);
            }
        }
        while self.config.max_msgs.is_some_and(|limit| self.records.len() > limit)
            || self.config.max_bytes.is_some_and(|limit| self.bytes > limit)
        {
            let Some(first) = self.records.keys().next().copied() else { return };
            self.remove(first);
        }
    }

    fn put_in(&mut self, stored: Stored) {
        self.bytes = self.bytes.saturating_add(weight(&stored));
        self.by_subject.entry(stored.subject.clone()).or_default().insert(stored.sequence);
        self.records.insert(stored.sequence, stored);
    }

    /// Takes a record out.
    pub(super) fn remove(&mut self, sequence: u64) -> Option<Stored> {
        let stored = self.take_out(sequence)?;
        if let Some(unsynced) = &mut self.unsynced {
            unsynced.push(Change::Removed(stored.clone()));
        }
        Some(stored)
    }

    fn take_out(&mut self, sequence: u64) -> Option<Stored> {
        let stored = self.records.remove(&sequence)?;
        self.bytes = self.bytes.saturating_sub(weight(&stored));
        if let Some(sequences) = self.by_subject.get_mut(&stored.subject) {
            sequences.remove(&sequence);
            if sequences.is_empty() {
                self.by_subject.remove(&stored.subject);
            }
        }
        Some(stored)
    }

    /// Whether a record is the only one on its subject.
    pub(super) fn is_alone(&self, sequence: u64) -> bool {
        let stored = self.records.get(&sequence);
        stored.and_then(|stored| self.by_subject.get(&stored.subject)).is_some_and(|sequences| sequences.len() == 1)
    }

    pub(super) fn get(&self, sequence: u64) -> Option<&Stored> {
        self.records.get(&sequence)
    }

    pub(super) fn read(&self, subject: &str, after_seq: u64) -> Vec<Stored> {
        let from = after_seq.saturating_add(1);
        match self.by_subject.get(subject) {
            Some(sequences) => {
                sequences.range(from..).filter_map(|sequence| self.records.get(sequence)).cloned().collect()
            }
            None if !is_pattern(subject) => Vec::new(),
            None => {
                let later = self.records.range(from..).map(|(_, stored)| stored);
                later.filter(|stored| wire::matches(subject, &stored.subject)).cloned().collect()
            }
        }
    }

    pub(super) fn last(&self, subject: &str) -> Option<&Stored> {
        let last = match self.by_subject.get(subject) {
            Some(sequences) => sequences.last().copied(),
            None if !is_pattern(subject) => None,
            None => self
                .by_subject
                .iter()
                .filter(|(name, _)| wire::matches(subject, name))
                .filter_map(|(_, sequences)| sequences.last().copied())
                .max(),
        };
        self.records.get(&last?)
    }

    pub(super) fn state(&self) -> StreamState {
        let next = self.last_seq.saturating_add(1);
        StreamState {
            messages: u64::try_from(self.records.len()).unwrap_or(u64::MAX),
            bytes: u64::try_from(self.bytes).unwrap_or(u64::MAX),
            first_seq: self.records.keys().next().copied().unwrap_or(if self.last_seq == 0 { 0 } else { next }),
            last_seq: self.last_seq,
        }
    }

    /// Hands over what is there, then `CaughtUp`, then what comes.
    pub(super) fn follow(&mut self, filters: Vec<String>, start: Start) -> mpsc::UnboundedReceiver<Followed> {
        let (to, from) = mpsc::unbounded_channel();
        let begin = match start {
            Start::After(sequence) => sequence.saturating_add(1),
            Start::New => self.last_seq.saturating_add(1),
            Start::All | Start::LastPerSubject => 0,
        };
        for (sequence, stored) in self.records.range(begin..) {
            let chosen = start != Start::LastPerSubject || self.last_on(&stored.subject) == *sequence;
            if chosen && passes(&filters, &stored.subject) {
                // The receiver is in our hands.
                let _ = to.send(Followed::Entry(stored.clone()));
            }
        }
        let _ = to.send(Followed::CaughtUp);
        self.followers.push(Follower { filters, to });
        from
    }

    /// The next record for a worker, with how often it has been handed out.
    pub(super) fn hand_out(&mut self, durable: &str, now_unix_ms: i64) -> Option<(Stored, u64, i64)> {
        let durable = self.durables.get_mut(durable)?;
        if durable.out.len() >= durable.max_ack_pending {
            return None;
        }
        let (stored, attempts) = loop {
            if let Some((sequence, attempts)) = durable.again.pop_first() {
                // It may be gone from the stream by now.
                if let Some(stored) = self.records.get(&sequence) {
                    break (stored, attempts);
                }
                continue;
            }
            let (sequence, stored) = self.records.range(durable.next_seq..).next()?;
            durable.next_seq = sequence.saturating_add(1);
            if durable.filter.is_empty() || wire::matches(&durable.filter, &stored.subject) {
                break (stored, 0);
            }
        };
        let attempts = attempts.saturating_add(1);
        let back_unix_ms = now_unix_ms.saturating_add(durable.ack_wait_ms);
        durable.out.insert(stored.sequence, (attempts, back_unix_ms));
        Some((stored.clone(), attempts, back_unix_ms))
    }
}

/// A record under its own headers as the server keeps it, for republishing.
pub(super) fn republished(stream: &str, stored: &Stored, subject: String, last_seq: u64) -> Message {
    let time = jiff::Timestamp::from_millisecond(stored.time_unix_ms).unwrap_or_default();
    let headers = stored
        .headers
        .clone()
        .with(wire::STREAM, stream.to_owned())
        .with(wire::SUBJECT, stored.subject.clone())
        .with(header::SEQUENCE, stored.sequence.to_string())
        .with(wire::TIME_STAMP, time.to_string())
        .with(header::LAST_SEQUENCE, last_seq.to_string());
    Message { subject, reply: None, headers, body: stored.body.clone() }
}

/// When a schedule fires: `@at` and an RFC 3339 time, the only kind that is used here.
pub(super) fn schedule_at(headers: &Headers) -> Option<i64> {
    let at: jiff::Timestamp = headers.get(header::SCHEDULE)?.strip_prefix("@at ")?.trim().parse().ok()?;
    Some(at.as_millisecond())
}

/// A time to live: whole seconds, with or without `s`, at least one.
pub(super) fn ttl_ms(text: &str) -> Option<i64> {
    let seconds: i64 = text.strip_suffix('s').unwrap_or(text).parse().ok()?;
    (seconds >= 1).then(|| seconds.saturating_mul(1_000))
}

/// Whether a subject has wildcards.
pub(super) fn is_pattern(subject: &str) -> bool {
    subject.split('.').any(|token| matches!(token, "*" | ">"))
}

fn passes(filters: &[String], subject: &str) -> bool {
    filters.is_empty() || filters.iter().any(|filter| wire::matches(filter, subject))
}

fn size_bytes(record: &Record) -> usize {
    record.body.len().saturating_add(wire::size_bytes(&record.headers))
}

fn weight(stored: &Stored) -> usize {
    stored.body.len().saturating_add(stored.subject.len()).saturating_add(wire::size_bytes(&stored.headers))
}
