//! Are the logs of all jobs what they claim to be? Decided from the streams alone: `HMS_TASKS`, and of `HMS_DEALS` the keys
//! and the deals that were to pay.
//!
//! Each job is looked at as `hms task verify` does, but for the keys: an entry of a key history that doesn't hold is named
//! once, and passed over. Beside that no sequence may be missing, and nobody may have been told, in a note or an inbox, of
//! an entry that the log doesn't hold: that shows what was cut off at the end.

use std::collections::{BTreeMap, BTreeSet};

use runtime::port::{Port, ReadError};
use schemas::{
    JobId,
    body::decode,
    job::{TaskNote, TaskWord},
    keyring::LogRecord,
    limit::MAX_CLEARING_BODY_BYTES,
    stream, subject,
};

use super::{Fault, read_inboxes, read_whole};
use crate::evidence::{Evidence, Unproved, Worked};

/// What was read.
#[derive(Default)]
pub struct JobsAudit {
    evidence: Evidence,
    entries: u64,
    last_sequence: u64,
    faults: Vec<Fault>,
    told: BTreeMap<JobId, Vec<(u32, TaskWord, u64, &'static str)>>,
}

/// The outcome.
pub struct JobFindings {
    /// Every job, and whether it holds.
    pub jobs: Vec<(JobId, Result<Worked, Unproved>)>,
    /// What is wrong with the key history, by sequence of `HMS_DEALS`.
    pub keys: Vec<Unproved>,
    /// What else is wrong, by sequence of `HMS_TASKS`.
    pub faults: Vec<Fault>,
    /// How many messages were read.
    pub entries: u64,
}

impl JobFindings {
    /// Whether all of it holds.
    #[must_use]
    pub fn is_good(&self) -> bool {
        self.keys.is_empty() && self.faults.is_empty() && self.jobs.iter().all(|(_, verdict)| verdict.is_ok())
    }

    /// The first sequence of `HMS_TASKS` at which something is wrong.
    #[must_use]
    pub fn first_bad(&self) -> Option<u64> {
        let broken = self.jobs.iter().filter_map(|(_, verdict)| verdict.as_ref().err()?.sequence_in(stream::TASKS));
        broken.chain(self.faults.iter().map(|fault| fault.sequence)).min()
    }
}

impl JobsAudit {
    /// Reads the inboxes of a bus, then the log of its jobs, which has all that they tell of, and then that of its deals,
    /// which has all that pay.
    ///
    /// # Errors
    /// When they cannot be read.
    pub async fn of_bus(port: &dyn Port) -> Result<Self, ReadError> {
        let mut audit = Self::default();
        read_inboxes(port, |stored| audit.hear(&stored.body, stored.sequence, stream::INBOX)).await?;
        let end = read_whole(port, stream::TASKS, |stored| audit.read(LogRecord::from(stored))).await?;
        if end > audit.last_sequence {
            audit.missing(audit.last_sequence + 1, end);
        }
        audit.last_sequence = audit.last_sequence.max(end);
        read_whole(port, stream::DEALS, |stored| {
            let record = LogRecord::from(stored);
            if let Ok(deal) = subject::parse_deal_log(&record.subject) {
                audit.evidence.deals.entry(deal).or_default().push(record);
            } else if subject::parse_key_log(&record.subject).is_ok() {
                audit.evidence.keys.push(record);
            }
        })
        .await?;
        Ok(audit)
    }

    fn missing(&mut self, from: u64, to: u64) {
        self.faults.push(Fault::gap(from, to));
    }

    fn read(&mut self, record: LogRecord) {
        let next = self.last_sequence + 1;
        if record.sequence > next {
            self.missing(next, record.sequence - 1);
        }
        self.last_sequence = self.last_sequence.max(record.sequence);
        self.entries += 1;
        match subject::parse_task_log(&record.subject) {
            Ok(job) => self.evidence.jobs.entry(job).or_default().push(record),
            Err(_) => self.hear(&record.body, record.sequence, stream::TASKS),
        }
    }

    fn hear(&mut self, body: &[u8], sequence: u64, place: &'static str) {
        // Other notes tell of no entry of a job's log; nor do calls for bids.
        if let Ok(note) = decode::<TaskNote>(body, MAX_CLEARING_BODY_BYTES) {
            self.told.entry(note.job).or_default().push((note.turn, note.event, sequence, place));
        }
    }

    /// Decides.
    #[must_use]
    pub fn decide(mut self) -> JobFindings {
        for (job, told) in &self.told {
            let records = self.evidence.jobs.get(job).map(Vec::as_slice).unwrap_or_default();
            let held: BTreeSet<u32> = records
                .iter()
                .filter_map(|record| mac::Entry::read(&record.body).ok())
                .map(|entry| entry.event.turn)
                .collect();
            if let Some((turn, event, sequence, place)) = told.iter().find(|(turn, ..)| !held.contains(turn)) {
                let what = format!(
                    "sequence {sequence} of {place} tells of entry {turn} of job {job}, {event}, which the log lacks"
                );
                let sequence = if *place == stream::TASKS { *sequence } else { self.last_sequence + 1 };
                self.faults.push(Fault { sequence, deal: None, kind: "cut", what });
            }
        }
        self.faults.sort_by_key(|fault| fault.sequence);
        let (ring, keys) = self.evidence.keyring();
        let jobs = self.evidence.jobs.keys().map(|job| (job.clone(), self.evidence.job(job, &ring))).collect();
        JobFindings { jobs, keys, faults: self.faults, entries: self.entries }
    }
}
