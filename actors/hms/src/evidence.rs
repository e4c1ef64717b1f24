//! What proves a deal: its log and the key history of everyone who signed in it. What proves a job: its log, the logs of
//! the deals that were to pay for it, and the same keys. Nothing else is needed, and nothing else is looked at.
//!
//! As a file it is JSON lines, one for each stored message, key history first:
//! `{"sequence":7,"subject":"…","headers":[["Content-Type","application/vnd.msgpack"],…],"body":"<hex>"}`.
//! The bodies are the exact bytes, so whoever has the file can check every signature again, with this program
//! or with another. A file may hold several deals and jobs.

use std::collections::{BTreeMap, BTreeSet};

use deal::{
    Entry,
    verify::{Verified, verify},
};
use runtime::port::{Port, ReadError};
use schemas::{
    AgentId, DealId, JobId,
    event::{Broken, Happening, Signed},
    header::{self, Headers},
    keyring::{Keyring, LogRecord, REGISTRY, RecordFault},
    signature::Sender,
    stream, subject,
};
use serde::{Deserialize, Serialize};

use crate::payments::{self, BadPayment, Payments};

/// What proves one deal, or several.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Evidence {
    /// Entries of key logs, by sequence.
    pub keys: Vec<LogRecord>,
    /// Entries of deals' logs, in the order of each log.
    pub deals: BTreeMap<DealId, Vec<LogRecord>>,
    /// Entries of jobs' logs, in the order of each log.
    pub jobs: BTreeMap<JobId, Vec<LogRecord>>,
}

/// A job's log that holds, and what came of its payments.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Worked {
    /// The log.
    pub verified: mac::verify::Verified,
    /// The payments.
    pub payments: Payments,
}

/// Why evidence does not hold.
#[derive(Debug, thiserror::Error)]
pub enum Unproved {
    /// An entry of a key history.
    #[error("key history of {agent}, sequence {sequence}: {fault}")]
    Key {
        /// Whose.
        agent: String,
        /// The entry's sequence.
        sequence: u64,
        /// What is wrong with it.
        fault: RecordFault,
    },
    /// An entry of the deal's log.
    #[error(transparent)]
    Deal(Broken),
    /// An entry of the job's log.
    #[error(transparent)]
    Job(Broken),
    /// A deal that was to pay.
    #[error(transparent)]
    Payment(#[from] BadPayment),
}

impl Unproved {
    /// The stream in which it shows.
    #[must_use]
    pub fn stream(&self) -> &'static str {
        match self {
            Self::Key { .. } | Self::Deal(_) => stream::DEALS,
            Self::Job(_) => stream::TASKS,
            Self::Payment(bad) => bad.stream(),
        }
    }

    /// The sequence at which it shows there.
    #[must_use]
    pub fn sequence(&self) -> u64 {
        match self {
            Self::Key { sequence, .. } => *sequence,
            Self::Deal(broken) | Self::Job(broken) => broken.sequence,
            Self::Payment(bad) => bad.sequence,
        }
    }

    /// The sequence, if it shows in this stream.
    #[must_use]
    pub fn sequence_in(&self, stream: &str) -> Option<u64> {
        (self.stream() == stream).then(|| self.sequence())
    }
}

/// Why a file is no evidence.
#[derive(Debug, thiserror::Error)]
#[error("line {line}: {reason}")]
pub struct BadLine {
    line: usize,
    reason: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    sequence: u64,
    subject: String,
    headers: Vec<(String, String)>,
    body: String,
}

impl Evidence {
    /// Collects what proves a deal from the bus; empty when there is no such deal.
    ///
    /// # Errors
    /// When the log cannot be read.
    pub async fn collect(port: &dyn Port, id: &DealId) -> Result<Self, ReadError> {
        let entries = records(port, stream::DEALS, &subject::deal_log(id)).await?;
        let keys = keys_of(port, signers(&entries)).await?;
        let deals = if entries.is_empty() { BTreeMap::new() } else { BTreeMap::from([(id.clone(), entries)]) };
        Ok(Self { keys, deals, jobs: BTreeMap::new() })
    }

    /// Collects what proves a job from the bus; empty when there is no such job.
    ///
    /// # Errors
    /// When a log cannot be read.
    pub async fn of_job(port: &dyn Port, id: &JobId) -> Result<Self, ReadError> {
        let entries = records(port, stream::TASKS, &subject::task_log(id)).await?;
        let mut signed_by = movers(&entries);
        let mut deals = BTreeMap::new();
        for deal in named(&entries) {
            let log = records(port, stream::DEALS, &subject::deal_log(&deal)).await?;
            signed_by.append(&mut signers(&log));
            if !log.is_empty() {
                deals.insert(deal, log);
            }
        }
        let keys = keys_of(port, signed_by).await?;
        let jobs = if entries.is_empty() { BTreeMap::new() } else { BTreeMap::from([(id.clone(), entries)]) };
        Ok(Self { keys, deals, jobs })
    }

    /// Decides whether a deal's log holds.
    ///
    /// # Errors
    /// The first entry at fault, keys first: a log is worth no more than the keys that it is checked with.
    pub fn verify(&self, id: &DealId) -> Result<Verified, Unproved> {
        self.deal(id, &self.sound_keys()?).map_err(Unproved::Deal)
    }

    /// Decides whether a job's log holds, and whether the deals are those that it says.
    ///
    /// # Errors
    /// The first entry at fault: of the keys, of the job, of the deals.
    pub fn verify_job(&self, id: &JobId) -> Result<Worked, Unproved> {
        self.job(id, &self.sound_keys()?)
    }

    /// Decides whether a job's log holds, with keys that were looked at before.
    ///
    /// # Errors
    /// The first entry at fault: of the job, of the deals.
    pub fn job(&self, id: &JobId, keys: &Keyring) -> Result<Worked, Unproved> {
        let entries = self.jobs.get(id).map(Vec::as_slice).unwrap_or_default();
        let verified = mac::verify::verify(id, entries, keys).map_err(Unproved::Job)?;
        let log = |deal: &DealId| self.deals.get(deal).map(Vec::as_slice).unwrap_or_default();
        let payments = payments::check(&verified.job, &verified.payments, log, |deal| self.deal(deal, keys))?;
        Ok(Worked { verified, payments })
    }

    fn deal(&self, id: &DealId, keys: &Keyring) -> Result<Verified, Broken> {
        verify(id, self.deals.get(id).map(Vec::as_slice).unwrap_or_default(), keys, &proof::Checker)
    }

    /// The keys, if every entry of their histories holds.
    fn sound_keys(&self) -> Result<Keyring, Unproved> {
        let (keys, faults) = self.keyring();
        faults.into_iter().next().map_or(Ok(keys), Err)
    }

    /// The keys without the entries that don't hold, and what is wrong with those.
    #[must_use]
    pub fn keyring(&self) -> (Keyring, Vec<Unproved>) {
        let (mut keys, mut faults) = (Keyring::default(), Vec::new());
        for record in &self.keys {
            if let Err(fault) = keys.add(record) {
                let agent = subject::parse_key_log(&record.subject);
                let agent = agent.map_or_else(|_| record.subject.clone(), |agent| agent.to_string());
                faults.push(Unproved::Key { agent, sequence: record.sequence, fault });
            }
        }
        (keys, faults)
    }

    /// The evidence as lines of JSON.
    pub fn lines(&self) -> impl Iterator<Item = String> {
        let logs = self.deals.values().chain(self.jobs.values()).flatten();
        self.keys.iter().chain(logs).filter_map(|record| {
            let line = Line {
                sequence: record.sequence,
                subject: record.subject.clone(),
                headers: record.headers.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect(),
                body: data_encoding::HEXLOWER.encode(&record.body),
            };
            // Strings and numbers always have a JSON form.
            serde_json::to_string(&line).ok()
        })
    }

    /// Reads such lines. Blank ones are passed over.
    ///
    /// # Errors
    /// The first line that is none.
    pub fn parse(text: &str) -> Result<Self, BadLine> {
        let mut evidence = Self::default();
        for (line, text) in (1..).zip(text.lines()).filter(|(_, text)| !text.trim().is_empty()) {
            let bad = |reason: String| BadLine { line, reason };
            let Line { sequence, subject, headers, body } =
                serde_json::from_str(text).map_err(|error| bad(error.to_string()))?;
            let body =
                data_encoding::HEXLOWER.decode(body.as_bytes()).map_err(|error| bad(format!("body: {error}")))?;
            let record = LogRecord { sequence, subject, headers: headers.into_iter().collect::<Headers>(), body };
            if subject::parse_key_log(&record.subject).is_ok() {
                evidence.keys.push(record);
            } else if let Ok(job) = subject::parse_task_log(&record.subject) {
                evidence.jobs.entry(job).or_default().push(record);
            } else {
                let deal = subject::parse_deal_log(&record.subject).map_err(|error| bad(error.to_string()))?;
                evidence.deals.entry(deal).or_default().push(record);
            }
        }
        Ok(evidence)
    }
}

async fn records(port: &dyn Port, stream: &str, log: &str) -> Result<Vec<LogRecord>, ReadError> {
    Ok(port.read(stream, log, 0).await?.into_iter().map(LogRecord::from).collect())
}

/// The key histories of these agents and cores.
async fn keys_of(port: &dyn Port, signers: BTreeSet<AgentId>) -> Result<Vec<LogRecord>, ReadError> {
    let mut keys = Vec::new();
    for signer in signers {
        keys.extend(records(port, stream::DEALS, &subject::key_log(&signer)).await?);
    }
    keys.sort_by_key(|record| record.sequence);
    Ok(keys)
}

/// The deals that a job's log names.
fn named(entries: &[LogRecord]) -> BTreeSet<DealId> {
    entries.iter().filter_map(|record| mac::Entry::read(&record.body).ok()?.event.deal).collect()
}

/// Everyone who signed an entry of a job's log, or a move behind one, and the registry.
fn movers(entries: &[LogRecord]) -> BTreeSet<AgentId> {
    let name = |header: &str| Sender::parse(header).ok()?.name?.parse::<AgentId>().ok();
    let mut movers: BTreeSet<AgentId> = REGISTRY.parse().into_iter().collect();
    for record in entries {
        movers.extend(record.headers.get(header::SENDER).and_then(name));
        let cause = mac::Entry::read(&record.body).ok().and_then(|entry| entry.event.cause);
        movers.extend(cause.and_then(|cause| name(&cause.sender)));
    }
    movers
}

/// Everyone who signed an entry, or a move behind one, and the registry, which signs for everyone's keys. An
/// entry that cannot be read names nobody; verifying names the entry.
fn signers(entries: &[LogRecord]) -> BTreeSet<AgentId> {
    let name = |header: &str| Sender::parse(header).ok()?.name?.parse::<AgentId>().ok();
    let mut signers: BTreeSet<AgentId> = REGISTRY.parse().into_iter().collect();
    for record in entries {
        signers.extend(record.headers.get(header::SENDER).and_then(name));
        let Ok(Entry { event, .. }) = Entry::read(&record.body) else { continue };
        let acceptances: Vec<Signed> = match event.what {
            Happening::Certified { acceptances, .. } | Happening::Committed { acceptances, .. } => acceptances,
            _ => Vec::new(),
        };
        signers.extend(acceptances.iter().chain(&event.cause).filter_map(|signed| name(&signed.sender)));
    }
    signers
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(sequence: u64, subject: String) -> LogRecord {
        let headers = Headers::new().with("A", "1").with("A", "2");
        LogRecord { sequence, subject, headers, body: vec![0, 255, u8::try_from(sequence).unwrap()] }
    }

    #[test]
    fn a_file_gives_back_the_exact_records() {
        let id: DealId = "a".repeat(26).parse().unwrap();
        let (key, log) = (subject::key_log(&"ken".parse().unwrap()), subject::deal_log(&id));
        let job: JobId = "job-7".parse().unwrap();
        let evidence = Evidence {
            keys: vec![record(1, key)],
            deals: BTreeMap::from([(id, vec![record(2, log.clone()), record(5, log)])]),
            jobs: BTreeMap::from([(job.clone(), vec![record(3, subject::task_log(&job))])]),
        };
        let text: Vec<String> = evidence.lines().collect();
        assert_eq!(Evidence::parse(&text.join("\n")).unwrap(), evidence);
    }

    #[test]
    fn a_line_that_is_no_record_is_named() {
        let log = subject::deal_log(&"a".repeat(26).parse().unwrap());
        let good = format!(r#"{{"sequence":1,"subject":"{log}","headers":[],"body":"00"}}"#);
        for bad in [
            "x",
            "{}",
            &good.replace("00", "0"),
            &good.replace("00", "0G"),
            &good.replace(&log, "a.b"),
            &good.replace("\"body\"", "\"x\":1,\"body\""),
        ] {
            let error = Evidence::parse(&format!("{good}\n\n{bad}\n")).unwrap_err();
            assert_eq!(error.line, 3, "{bad}");
        }
    }
}
