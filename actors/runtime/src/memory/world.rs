//! Everything there is, and the rules by which one thing follows from another.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BinaryHeap},
};

use schemas::header::{self, Headers};
use serde_json::json;

use super::{
    config::Config,
    log::{Admission, Log, republished, schedule_at, ttl_ms},
    offices::Offices,
    routes::Routes,
    transform::overlap,
};
use crate::{
    nats::{check_batch, differences},
    port::{AppendError, Message, ProvisionError, Provisioned, Record, Stored, Verdict, wire},
};

/// The bus.
#[derive(Debug, Default)]
pub(super) struct World {
    pub(super) routes: Routes,
    pub(super) streams: BTreeMap<String, Log>,
    pub(super) offices: Offices,
    timers: BinaryHeap<Reverse<(i64, u64, Due)>>,
    timer_count: u64,
}

/// What happens by itself.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Due {
    /// A record's time is over.
    Expiry { stream: String, sequence: u64 },
    /// A schedule fires.
    Schedule { stream: String, sequence: u64 },
    /// A record that was handed out `attempts` times comes again, unless somebody settled it.
    Return { stream: String, durable: String, sequence: u64, attempts: u64 },
}

impl World {
    /// A plain message: everyone hears it, and a stream that has its subject stores it. How many took it.
    pub(super) fn publish(&mut self, message: Message, now_unix_ms: i64) -> usize {
        let heard = self.routes.deliver(&message);
        let Some(stream) = self.stream_of(&message.subject) else { return heard };
        let record = Record {
            subject: message.subject,
            headers: message.headers,
            body: message.body,
            expect_last_subject_seq: None,
        };
        let outcome = self.store(&stream, vec![record], now_unix_ms);
        if let Some(reply) = message.reply {
            let ack = match outcome {
                Ok(sequences) => json!({"stream": stream, "seq": sequences.first()}),
                Err(error) => {
                    json!({"error": {"code": 400, "err_code": code(&error), "description": error.to_string()}})
                }
            };
            self.routes.deliver(&Message::new(reply, ack.to_string()));
        }
        heard.saturating_add(1)
    }

    /// Records on their way into a stream: plain subscribers hear them whatever becomes of them.
    pub(super) fn append(
        &mut self,
        stream: &str,
        records: Vec<Record>,
        now_unix_ms: i64,
    ) -> Result<Vec<u64>, AppendError> {
        check_batch(&records)?;
        self.phantoms(stream, &records);
        self.store(stream, records, now_unix_ms)
    }

    /// Records of a batch that breaks off: plain subscribers hear them, and nothing is stored.
    pub(super) fn phantoms(&mut self, stream: &str, records: &[Record]) {
        for record in records {
            self.routes.deliver(&under_way(stream, record));
        }
    }

    /// The disks have everything by now; from now on, if they are `lazy`, only what this gives them.
    pub(super) fn sync(&mut self, lazy: bool) {
        self.streams.values_mut().for_each(|log| log.sync(lazy));
    }

    /// Power fails: what the disks haven't got is gone. Gives the first sequence that is gone of each stream.
    pub(super) fn lose_unsynced(&mut self, now_unix_ms: i64) -> Vec<(String, u64)> {
        let lost = |(stream, log): (&String, &mut Log)| Some((stream.clone(), log.lose_unsynced()?));
        let gone: Vec<_> = self.streams.iter_mut().filter_map(lost).collect();
        if !gone.is_empty() {
            self.arm_anew(now_unix_ms);
        }
        gone
    }

    /// Arms what happens by itself, from what is stored.
    fn arm_anew(&mut self, now_unix_ms: i64) {
        self.timers.clear();
        let mut due = Vec::new();
        for (stream, log) in &self.streams {
            for stored in log.records() {
                let sequence = stored.sequence;
                let life_ms = stored.headers.get(header::TTL).and_then(ttl_ms).or(log.config.max_age_ms);
                let end = life_ms.map(|life_ms| stored.time_unix_ms.saturating_add(life_ms));
                due.extend(end.map(|at| (at, Due::Expiry { stream: stream.clone(), sequence })));
                due.extend(
                    schedule_at(&stored.headers).map(|at| (at, Due::Schedule { stream: stream.clone(), sequence })),
                );
            }
            for (durable, state) in &log.durables {
                due.extend(state.out.iter().map(|(sequence, (attempts, back_unix_ms))| {
                    let (stream, durable) = (stream.clone(), durable.clone());
                    (*back_unix_ms, Due::Return { stream, durable, sequence: *sequence, attempts: *attempts })
                }));
            }
        }
        // Durables are kept in no order.
        due.sort();
        for (at_unix_ms, due) in due {
            self.arm(at_unix_ms.max(now_unix_ms), due);
        }
    }

    fn store(&mut self, stream: &str, records: Vec<Record>, now_unix_ms: i64) -> Result<Vec<u64>, AppendError> {
        let log = self.streams.get_mut(stream).ok_or_else(|| AppendError::Unavailable(stream.to_owned()))?;
        let batch = records.len() > 1;
        if batch && !log.config.allow_atomic {
            return Err(AppendError::Refused { code: 10174, text: "batch publish is disabled".to_owned() });
        }
        for record in &records {
            if let Admission::Duplicate(sequence) = log.admit(record, batch, now_unix_ms)? {
                return Ok(vec![sequence]);
            }
        }
        // As the server does, one after another: the first fault is the one that is told.
        for (index, record) in records.iter().enumerate() {
            if record.expect_last_subject_seq.is_some_and(|last| log.last_on(&record.subject) != last) {
                return Err(AppendError::Conflict);
            }
            if !log.has_room(records.get(..=index).unwrap_or(&records), batch) {
                return Err(AppendError::Full);
            }
        }
        Ok(records
            .into_iter()
            .map(|record| self.commit(stream, record.subject, &record.headers, record.body, now_unix_ms))
            .collect())
    }

    /// Stores a record for good, with everything that follows from it; its sequence.
    fn commit(
        &mut self,
        stream: &str,
        subject: String,
        headers: &Headers,
        body: bytes::Bytes,
        now_unix_ms: i64,
    ) -> u64 {
        let Some(log) = self.streams.get_mut(stream) else { return 0 };
        let last_seq = log.last_on(&subject);
        let stored = log.push(subject, headers, body, now_unix_ms);
        let (republish, max_age_ms) = (log.config.republish.clone(), log.config.max_age_ms);
        let sequence = stored.sequence;
        if let Some(subject) = republish.and_then(|republish| republish.apply(&stored.subject)) {
            self.routes.deliver(&republished(stream, &stored, subject, last_seq));
        }
        let life_ms = stored.headers.get(header::TTL).and_then(ttl_ms).or(max_age_ms);
        if let Some(life_ms) = life_ms {
            self.arm(now_unix_ms.saturating_add(life_ms), Due::Expiry { stream: stream.to_owned(), sequence });
        }
        if let Some(at_unix_ms) = schedule_at(&stored.headers) {
            self.arm(at_unix_ms, Due::Schedule { stream: stream.to_owned(), sequence });
        }
        self.source(stream, &stored, now_unix_ms);
        sequence
    }

    /// Streams that take records from this one take this.
    fn source(&mut self, origin: &str, stored: &Stored, now_unix_ms: i64) {
        let taken: Vec<(String, String)> = self
            .streams
            .values()
            .flat_map(|log| log.config.sources.iter().map(|source| (&log.config.name, source)))
            .filter(|(_, source)| source.stream == origin)
            .filter_map(|(name, source)| {
                let subject = source.transforms.iter().find_map(|transform| transform.apply(&stored.subject))?;
                Some((name.clone(), subject))
            })
            .collect();
        for (stream, subject) in taken {
            self.commit(&stream, subject, &stored.headers, stored.body.clone(), now_unix_ms);
        }
    }

    /// What there is to do for a specification.
    pub(super) fn plan(&self, spec: &serde_json::Value) -> Result<(Config, Provisioned), ProvisionError> {
        let config = Config::read(spec)?;
        let refused = |text: String| ProvisionError::Refused { stream: config.name.clone(), code: 10065, text };
        for other in self.streams.values().filter(|log| log.config.name != config.name) {
            let mut pairs =
                config.subjects.iter().flat_map(|mine| other.config.subjects.iter().map(move |theirs| (mine, theirs)));
            if let Some((mine, _)) = pairs.find(|(mine, theirs)| overlap(mine, theirs)) {
                return Err(refused(format!("subject {mine:?} overlaps with stream {}", other.config.name)));
            }
        }
        let plan = match self.streams.get(&config.name).map(|log| differences(spec, &log.config.spec)) {
            None => Provisioned::Created,
            Some(differences) if differences.is_empty() => Provisioned::Unchanged,
            Some(differences) => Provisioned::Updated(differences),
        };
        Ok((config, plan))
    }

    pub(super) fn ensure(&mut self, spec: &serde_json::Value) -> Result<Provisioned, ProvisionError> {
        let (config, plan) = self.plan(spec)?;
        match (&plan, self.streams.get_mut(&config.name)) {
            (Provisioned::Updated(_), Some(log)) => log.config = config,
            (Provisioned::Created, _) => {
                self.streams.insert(config.name.clone(), Log::new(config));
            }
            _ => {}
        }
        Ok(plan)
    }

    /// The next record for a worker.
    pub(super) fn hand_out(&mut self, stream: &str, durable: &str, now_unix_ms: i64) -> Option<(Stored, u64)> {
        let (stored, attempts, back_unix_ms) = self.streams.get_mut(stream)?.hand_out(durable, now_unix_ms)?;
        self.arm_return(back_unix_ms, stream, durable, stored.sequence, attempts);
        Some((stored, attempts))
    }

    /// What a worker says of a record; too late if it has been handed out again.
    pub(super) fn settle(
        &mut self,
        stream: &str,
        durable: &str,
        sequence: u64,
        attempts: u64,
        verdict: Verdict,
        now_unix_ms: i64,
    ) {
        let Some(log) = self.streams.get_mut(stream) else { return };
        let work = std::sync::Arc::clone(&log.work);
        let Some(state) = log.durables.get_mut(durable) else { return };
        let wait_ms = match verdict {
            Verdict::Retry { delay_ms } => i64::try_from(delay_ms).unwrap_or(i64::MAX),
            Verdict::Working => state.ack_wait_ms,
            Verdict::Done | Verdict::Poison => {
                // As on the server, a late acknowledgement counts.
                state.out.remove(&sequence);
                state.again.remove(&sequence);
                work.notify_waiters();
                return;
            }
        };
        let back_unix_ms = now_unix_ms.saturating_add(wait_ms);
        match state.out.get_mut(&sequence) {
            Some((out, back)) if *out == attempts => *back = back_unix_ms,
            _ => return,
        }
        self.arm_return(back_unix_ms, stream, durable, sequence, attempts);
    }

    fn arm_return(&mut self, at_unix_ms: i64, stream: &str, durable: &str, sequence: u64, attempts: u64) {
        let due = Due::Return { stream: stream.to_owned(), durable: durable.to_owned(), sequence, attempts };
        self.arm(at_unix_ms, due);
    }

    fn arm(&mut self, at_unix_ms: i64, due: Due) {
        self.timer_count = self.timer_count.saturating_add(1);
        self.timers.push(Reverse((at_unix_ms, self.timer_count, due)));
    }

    /// When something happens next by itself.
    pub(super) fn next_due_unix_ms(&self) -> Option<i64> {
        self.timers.peek().map(|Reverse((at_unix_ms, ..))| *at_unix_ms)
    }

    /// Lets everything happen whose time has come.
    pub(super) fn advance(&mut self, now_unix_ms: i64) {
        while self.next_due_unix_ms().is_some_and(|at_unix_ms| at_unix_ms <= now_unix_ms) {
            match self.timers.pop() {
                Some(Reverse((_, _, Due::Expiry { stream, sequence }))) => self.expire(&stream, sequence, now_unix_ms),
                Some(Reverse((_, _, Due::Schedule { stream, sequence }))) => self.fire(&stream, sequence, now_unix_ms),
                Some(Reverse((_, _, Due::Return { stream, durable, sequence, attempts }))) => {
                    self.come_back(&stream, &durable, sequence, attempts, now_unix_ms);
                }
                None => return,
            }
        }
    }

    /// Removes a record; where its subject is empty then, the stream may leave a marker.
    fn expire(&mut self, stream: &str, sequence: u64, now_unix_ms: i64) {
        let Some(log) = self.streams.get_mut(stream) else { return };
        let Some(stored) = log.get(sequence) else { return };
        let (subject, marker) = (stored.subject.clone(), stored.headers.get(wire::MARKER_REASON).is_some());
        let marker_ms = log.config.marker_ttl_ms.filter(|_| !marker && log.is_alone(sequence));
        if let Some(marker_ms) = marker_ms {
            let seconds = marker_ms.saturating_add(999) / 1_000;
            let headers = Headers::new().with(wire::MARKER_REASON, "MaxAge").with(header::TTL, format!("{seconds}s"));
            self.commit(stream, subject, &headers, bytes::Bytes::new(), now_unix_ms);
        }
        if let Some(log) = self.streams.get_mut(stream) {
            log.remove(sequence);
        }
    }

    /// Publishes what a schedule holds and removes it, unless it was armed anew.
    fn fire(&mut self, stream: &str, sequence: u64, now_unix_ms: i64) {
        let Some(stored) = self.streams.get_mut(stream).and_then(|log| log.remove(sequence)) else { return };
        let Some(target) = stored.headers.get(header::SCHEDULE_TARGET).map(str::to_owned) else { return };
        let steering = [header::SCHEDULE, header::SCHEDULE_TARGET, header::TTL];
        let kept = stored.headers.iter().filter(|(name, _)| !steering.contains(name));
        let kept: Headers = kept.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        let headers = kept.with(wire::SCHEDULER, stored.subject).with(wire::SCHEDULE_NEXT, "purge");
        self.routes.deliver(&Message {
            subject: target.clone(),
            reply: None,
            headers: headers.clone(),
            body: stored.body.clone(),
        });
        self.commit(stream, target, &headers, stored.body, now_unix_ms);
    }

    fn come_back(&mut self, stream: &str, durable: &str, sequence: u64, attempts: u64, now_unix_ms: i64) {
        let Some(log) = self.streams.get_mut(stream) else { return };
        let work = std::sync::Arc::clone(&log.work);
        let Some(state) = log.durables.get_mut(durable) else { return };
        // Only if it is still out from that time, and nobody has asked for longer since.
        if state.out.get(&sequence).is_some_and(|(out, back)| *out == attempts && *back <= now_unix_ms) {
            state.out.remove(&sequence);
            state.again.insert(sequence, attempts);
            work.notify_waiters();
        }
    }

    fn stream_of(&self, subject: &str) -> Option<String> {
        self.streams.values().find(|log| log.config.captures(subject)).map(|log| log.config.name.clone())
    }
}

/// A record as it comes to the server.
fn under_way(stream: &str, record: &Record) -> Message {
    let mut headers = record.headers.clone().with(wire::EXPECTED_STREAM, stream.to_owned());
    if let Some(last) = record.expect_last_subject_seq {
        headers = headers.with(header::EXPECTED_LAST_SUBJECT_SEQUENCE, last.to_string());
    }
    Message { subject: record.subject.clone(), reply: None, headers, body: record.body.clone() }
}

/// The server's number for a refusal.
fn code(error: &AppendError) -> u64 {
    match error {
        AppendError::Conflict => 10071,
        AppendError::TooLarge => 10054,
        AppendError::Full => 10077,
        AppendError::Refused { code, .. } => *code,
        _ => 10059,
    }
}
