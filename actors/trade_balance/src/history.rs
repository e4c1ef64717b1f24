//! What a book's ledger committed, read off its log: what balances over time are made of.
//!
//! Only entries that the ledger itself signed count, as for the ledger when it starts. A compensation is the commit of
//! the transfers that it takes back, turned round, at its own time. All else in the log is passed over; an entry that
//! claims to be the ledger's and is not is a complaint.

use std::collections::BTreeMap;

use schemas::body::{Message, decode};
use schemas::deal::{ReadTerms, Transfer};
use schemas::event::{DealEvent, Happening};
use schemas::keyring::{Keyring, LogRecord, RecordFault};
use schemas::limit::MAX_CLEARING_BODY_BYTES;
use schemas::trade::Commit;
use schemas::{DealId, MarketId, subject};

use crate::keeper::LEDGER;

/// Reads a log, entry by entry, key histories first.
#[derive(Debug)]
pub struct History {
    book: MarketId,
    keys: Keyring,
    moved: BTreeMap<DealId, Vec<Transfer>>,
    commits: Vec<Commit>,
    complaints: Vec<String>,
}

impl History {
    /// The history of a book, of which nothing is known yet.
    #[must_use]
    pub fn of(book: MarketId) -> Self {
        Self { book, keys: Keyring::default(), moved: BTreeMap::new(), commits: Vec::new(), complaints: Vec::new() }
    }

    /// Takes in the next entry of the ledger's key log or of a deal's log.
    pub fn observe(&mut self, record: &LogRecord) {
        if let Err(complaint) = self.take_in(record) {
            self.complaints.push(format!("{} at sequence {}: {complaint}", record.subject, record.sequence));
        }
    }

    /// What was committed, in the order of the log, and the complaints.
    #[must_use]
    pub fn finish(self) -> (Vec<Commit>, Vec<String>) {
        (self.commits, self.complaints)
    }

    fn take_in(&mut self, record: &LogRecord) -> Result<(), String> {
        if subject::parse_key_log(&record.subject).is_ok() {
            return self.keys.add(record).map_err(|fault| fault.to_string());
        }
        let event: DealEvent = decode(&record.body, MAX_CLEARING_BODY_BYTES).map_err(|error| error.to_string())?;
        let transfers = match &event.what {
            Happening::Committed { book, terms, .. } if *book == self.book => {
                ReadTerms::read(terms).map_err(|error| error.to_string())?.terms.transfers
            }
            Happening::Compensated { reversed } => {
                let Some(moved) = self.moved.get(&event.deal) else { return Ok(()) };
                let back = reversed.iter().filter_map(|index| moved.get(*index as usize));
                back.map(|moved| Transfer { from: moved.to.clone(), to: moved.from.clone(), ..moved.clone() }).collect()
            }
            _ => return Ok(()),
        };
        self.written_by_the_ledger(record).map_err(|fault| fault.to_string())?;
        if matches!(event.what, Happening::Committed { .. }) {
            self.moved.insert(event.deal.clone(), transfers.clone());
        } else {
            // Taken back once.
            self.moved.remove(&event.deal);
        }
        self.commits.push(Commit { at_unix_ms: event.at_unix_ms, deal: Some(event.deal), transfers });
        Ok(())
    }

    fn written_by_the_ledger(&self, record: &LogRecord) -> Result<(), RecordFault> {
        let sender = record.sender(DealEvent::TYPE)?;
        self.keys.check(&sender)?;
        let signer = sender.name.unwrap_or_default();
        if signer == LEDGER { Ok(()) } else { Err(RecordFault::Writer { signer }) }
    }
}

#[cfg(test)]
mod tests {
    use nkeys::KeyPair;
    use schemas::deal::Terms;
    use schemas::encode;
    use schemas::header::{self, Headers};
    use schemas::signature::{PublicKey, Signer};
    use schemas::{AgentId, Hash};

    use super::*;
    use crate::fixture::{barter, transfer};

    fn signed(signer: &Signer, sequence: u64, subject: String, kind: &str, body: Vec<u8>) -> LogRecord {
        let sender = signer.sign(&subject, &body, 1_790_000_000_000, "n").unwrap();
        let headers = Headers::of_type(kind.to_owned()).with(header::SENDER, sender);
        LogRecord { sequence, subject, headers, body }
    }

    #[test]
    fn what_the_ledger_signed_counts_and_nothing_else() {
        let account: PublicKey = KeyPair::new_account().public_key().parse().unwrap();
        let signer = || Signer::from_seed(&KeyPair::new_user().seed().unwrap(), account.clone(), LEDGER).unwrap();
        let (ledger, stranger) = (signer(), signer());
        let agent = AgentId::parse(LEDGER).unwrap();
        let book = MarketId::parse("africa").unwrap();
        let id: DealId = "a".repeat(26).parse().unwrap();
        let log = subject::deal_log(&id);
        let event = |turn, at_unix_ms, what| {
            encode(&DealEvent { deal: id.clone(), turn, prev: Hash::ZERO, at_unix_ms, what, cause: None, trace: None })
        };
        let committed = |terms: &Terms| Happening::Committed {
            book: terms.book.clone(),
            terms: encode(terms),
            acceptances: Vec::new(),
            certificates: Vec::new(),
        };
        let terms = barter(100, 50);
        let mut history = History::of(book);
        let (kind, body) = registry_key(&agent, &ledger);
        history.observe(&signed(&ledger, 1, subject::key_log(&agent), kind, body));
        history.observe(&signed(&stranger, 2, log.clone(), DealEvent::TYPE, event(3, 5, committed(&terms))));
        history.observe(&signed(&ledger, 3, log.clone(), DealEvent::TYPE, event(3, 10, committed(&terms))));
        let elsewhere = Terms { book: MarketId::parse("asia").unwrap(), ..terms.clone() };
        history.observe(&signed(&ledger, 4, log.clone(), DealEvent::TYPE, event(3, 11, committed(&elsewhere))));
        history.observe(&signed(
            &ledger,
            5,
            log,
            DealEvent::TYPE,
            event(5, 20, Happening::Compensated { reversed: vec![1] }),
        ));
        let (commits, complaints) = history.finish();
        assert_eq!(complaints.len(), 1, "{complaints:?}");
        assert_eq!(commits.iter().map(|commit| commit.at_unix_ms).collect::<Vec<_>>(), [10, 20]);
        assert_eq!(commits[0].transfers, terms.transfers);
        assert_eq!(commits[1].transfers, [transfer("kenya", "angola", "oil", 50)]);
    }

    /// The first entry of a core's key log, as the registry writes it.
    fn registry_key(agent: &AgentId, signer: &Signer) -> (&'static str, Vec<u8>) {
        let event = schemas::registry::KeyEvent {
            agent: agent.clone(),
            turn: 0,
            prev: Hash::ZERO,
            at_unix_ms: 0,
            key: signer.key().clone(),
            cause: None,
        };
        (schemas::registry::KeyEvent::TYPE, encode(&event))
    }
}
