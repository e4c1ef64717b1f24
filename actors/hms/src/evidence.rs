//! What proves a deal: its log and the key history of everyone who signed in it. Nothing else is needed, and
//! nothing else is looked at.
//!
//! As a file it is JSON lines, one for each stored message, key history first:
//! `{"sequence":7,"subject":"…","headers":[["Content-Type","application/vnd.msgpack"],…],"body":"<hex>"}`.
//! The bodies are the exact bytes, so whoever has the file can check every signature again, with this program
//! or with another. A file may hold several deals.

use std::collections::{BTreeMap, BTreeSet};

use deal::{
    Entry,
    verify::{Broken, Verified, verify},
};
use runtime::port::{Port, ReadError};
use schemas::{
    AgentId, DealId,
    event::{Happening, Signed},
    header::{self, Headers},
    keyring::{Keyring, LogRecord, REGISTRY, RecordFault},
    signature::Sender,
    stream, subject,
};
use serde::{Deserialize, Serialize};

/// What proves one deal, or several.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Evidence {
    /// Entries of key logs, by sequence.
    pub keys: Vec<LogRecord>,
    /// Entries of deals' logs, in the order of each log.
    pub deals: BTreeMap<DealId, Vec<LogRecord>>,
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
    Deal(#[from] Broken),
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
        let entries = records(port, &subject::deal_log(id)).await?;
        let mut keys = Vec::new();
        for signer in signers(&entries) {
            keys.extend(records(port, &subject::key_log(&signer)).await?);
        }
        keys.sort_by_key(|record| record.sequence);
        let deals = if entries.is_empty() { BTreeMap::new() } else { BTreeMap::from([(id.clone(), entries)]) };
        Ok(Self { keys, deals })
    }

    /// Decides whether a deal's log holds.
    ///
    /// # Errors
    /// The first entry at fault, keys first: a log is worth no more than the keys that it is checked with.
    pub fn verify(&self, id: &DealId) -> Result<Verified, Unproved> {
        let mut ring = Keyring::default();
        for record in &self.keys {
            ring.add(record).map_err(|fault| Unproved::Key {
                agent: subject::parse_key_log(&record.subject)
                    .map_or_else(|_| record.subject.clone(), |agent| agent.to_string()),
                sequence: record.sequence,
                fault,
            })?;
        }
        let entries = self.deals.get(id).map(Vec::as_slice).unwrap_or_default();
        Ok(verify(id, entries, &ring, &proof::Checker)?)
    }

    /// The evidence as lines of JSON.
    pub fn lines(&self) -> impl Iterator<Item = String> {
        self.keys.iter().chain(self.deals.values().flatten()).filter_map(|record| {
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
            } else {
                let deal = subject::parse_deal_log(&record.subject).map_err(|error| bad(error.to_string()))?;
                evidence.deals.entry(deal).or_default().push(record);
            }
        }
        Ok(evidence)
    }
}

async fn records(port: &dyn Port, log: &str) -> Result<Vec<LogRecord>, ReadError> {
    Ok(port.read(stream::DEALS, log, 0).await?.into_iter().map(LogRecord::from).collect())
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
        let evidence = Evidence {
            keys: vec![record(1, key)],
            deals: BTreeMap::from([(id, vec![record(2, log.clone()), record(5, log)])]),
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
