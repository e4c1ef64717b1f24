//! One entry of a deal's log, with the exact bytes that the chain is made of.

use schemas::body::{DecodeError, decode, encode};
use schemas::event::{DealEvent, Happening, Signed};
use schemas::hash::Hash;
use schemas::id::DealId;
use schemas::limit::MAX_CLEARING_BODY_BYTES;

/// An event and its bytes. The hash is of the bytes as they stand in the log, so that an event
/// written by a newer version, with fields that we do not know, still chains.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// What the bytes say.
    pub event: DealEvent,
    /// The exact bytes.
    pub bytes: Vec<u8>,
    /// Their SHA-256, which the next entry names.
    pub hash: Hash,
}

impl Entry {
    /// Reads an entry from the log.
    ///
    /// # Errors
    /// When the bytes are no deal event.
    pub fn read(bytes: &[u8]) -> Result<Self, DecodeError> {
        let event = decode(bytes, MAX_CLEARING_BODY_BYTES)?;
        Ok(Self { event, bytes: bytes.to_vec(), hash: Hash::of(bytes) })
    }

    /// Writes an event.
    #[must_use]
    pub fn write(event: DealEvent) -> Self {
        let bytes = encode(&event);
        let hash = Hash::of(&bytes);
        Self { event, bytes, hash }
    }
}

/// Entries that follow one another, each naming the one before.
pub(crate) struct Chain {
    deal: DealId,
    turn: u32,
    prev: Hash,
    at_unix_ms: i64,
    trace: Option<String>,
    pub(crate) entries: Vec<Entry>,
}

impl Chain {
    pub(crate) fn after(deal: DealId, turn: u32, prev: Hash, at_unix_ms: i64, trace: Option<String>) -> Self {
        Self { deal, turn, prev, at_unix_ms, trace, entries: Vec::new() }
    }

    /// The hash of the last entry.
    pub(crate) fn head(&self) -> Hash {
        self.prev
    }

    pub(crate) fn push(&mut self, what: Happening, cause: Option<Signed>) {
        let entry = Entry::write(DealEvent {
            deal: self.deal.clone(),
            turn: self.turn,
            prev: self.prev,
            at_unix_ms: self.at_unix_ms,
            what,
            cause,
            trace: self.trace.clone(),
        });
        self.turn += 1;
        self.prev = entry.hash;
        self.entries.push(entry);
    }
}
