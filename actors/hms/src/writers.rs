//! Who writes the logs of deals, and what of a log they wrote.
//!
//! Whoever reaches an open broker can write into its logs. An entry counts when desk or ledger signed it.

use std::sync::Arc;

use deal::{
    Entry,
    verify::{DESK, LEDGER},
};
use runtime::port::Port;
use schemas::{
    Message,
    clearing::Clearing,
    event::DealEvent,
    import::CertificateEvent,
    keyring::{Keyring, LogRecord, REGISTRY, RecordFault},
    ledger::LimitEvent,
    registry::KeyEvent,
    stream, subject,
};
use swarm::maker;

use crate::exit::{Exit, OrExit, Outcome};

/// The cores whose signatures make an entry.
pub struct Writers(Keyring);

impl Writers {
    /// Reads the keys that they have had.
    ///
    /// # Errors
    /// When the key log cannot be read.
    pub async fn of(port: &dyn Port) -> Outcome<Self> {
        let mut records = Vec::new();
        for core in [REGISTRY, DESK, LEDGER, maker::SERVICE] {
            let name = core.parse().or_exit(Exit::Bad)?;
            records.extend(port.read(stream::DEALS, &subject::key_log(&name), 0).await?);
        }
        let mut keys = Keyring::default();
        for record in records.into_iter().map(LogRecord::from) {
            if let Err(fault) = keys.add(&record) {
                tracing::warn!(sequence = record.sequence, subject = record.subject, %fault, "an entry of the key log was passed over");
            }
        }
        Ok(Self(keys))
    }

    /// Checks that whoever may write this wrote it: an entry of a log, or what the maker says of a clearing. Of other
    /// subjects nothing is known here.
    ///
    /// # Errors
    /// What keeps it from being believed.
    pub fn check(&self, record: &LogRecord) -> Result<(), RecordFault> {
        let subject = record.subject.as_str();
        if subject::parse_deal_log(subject).is_ok() {
            self.read(record).map(|_| ())
        } else if subject::parse_limit_log(subject).is_ok() {
            self.signed(record, LimitEvent::TYPE, &[LEDGER])
        } else if subject::parse_certificate_log(subject).is_ok() {
            self.signed(record, CertificateEvent::TYPE, &[LEDGER])
        } else if let Ok(agent) = subject::parse_key_log(subject) {
            // A core's first key is signed by itself.
            self.signed(record, KeyEvent::TYPE, &[REGISTRY, agent.as_str()])
        } else if subject::parse_clearing_topic(subject).is_ok() {
            self.signed(record, Clearing::TYPE, &[maker::SERVICE])
        } else {
            Ok(())
        }
    }

    fn signed(&self, record: &LogRecord, kind: &str, writers: &[&str]) -> Result<(), RecordFault> {
        let sender = record.sender(kind)?;
        let signer = sender.name.clone().unwrap_or_default();
        if !writers.contains(&signer.as_str()) {
            return Err(RecordFault::Writer { signer });
        }
        self.0.check(&sender)
    }

    /// Reads an entry of a deal's log that desk or ledger wrote.
    ///
    /// # Errors
    /// What keeps it from being believed.
    pub fn read(&self, record: &LogRecord) -> Result<Entry, RecordFault> {
        self.signed(record, DealEvent::TYPE, &[DESK, LEDGER])?;
        let entry = Entry::read(&record.body)?;
        if subject::deal_log(&entry.event.deal) != record.subject {
            return Err(RecordFault::Chain("it is of another deal"));
        }
        Ok(entry)
    }

    /// A deal's log, with each entry's sequence.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn log(&self, port: &Arc<dyn Port>, log: &str) -> Outcome<Vec<(u64, Entry)>> {
        let records = port.read(stream::DEALS, log, 0).await?.into_iter().map(LogRecord::from);
        let entries = records.filter_map(|record| match self.read(&record) {
            Ok(entry) => Some((record.sequence, entry)),
            Err(fault) => {
                tracing::warn!(sequence = record.sequence, %fault, "not an entry of the log");
                None
            }
        });
        Ok(entries.collect())
    }
}
