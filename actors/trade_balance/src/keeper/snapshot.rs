//! The ledger's state as sorted rows, in pieces: the same state gives the same bytes, however it came about.

use schemas::body::decode;
use schemas::event::DealEvent;
use schemas::keyring::History;
use schemas::limit::MAX_CLEARING_BODY_BYTES;
use schemas::{AgentId, Hash, MarketId};
use serde::{Deserialize, Serialize};

use super::{Ledger, Shelf, Waiting};
use crate::ledger::{Book, Row};

/// Rows of one piece.
const ROWS: usize = 4_096;
/// What the rows of one piece may weigh, in bytes, about: a piece fits a message of any broker with room to spare.
const WEIGHT_BYTES: usize = 256 * 1024;

/// One thing that the ledger knows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
enum Known {
    /// A core's keys.
    Keys(AgentId, History),
    /// A certified or failed deal that is not decided: the entry's sequence, its book, its exact body.
    Waiting(u64, MarketId, #[serde(with = "schemas::hash::bytes")] Vec<u8>),
    /// A row of a book.
    Row(Row),
    /// The sequence of the last cursor of the book before.
    Cursor(u64),
    /// The sequence of the last entry of an agent's limits in the book before.
    Limit(AgentId, u64),
}

#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename = "ledger.rows")]
struct Rows {
    rows: Vec<Known>,
}
schemas::message!(Rows, "ledger.rows");

impl Ledger {
    fn known(&self) -> impl Iterator<Item = Known> {
        let keys = self.keys.histories().map(|(agent, history)| Known::Keys(agent.clone(), history.clone()));
        let waiting = self.waiting.iter();
        let waiting = waiting.map(|(sequence, w)| Known::Waiting(*sequence, w.book.clone(), w.body.clone()));
        let written = self.shelves.values().filter(|shelf| !shelf.is_blank());
        let shelves = written.flat_map(|Shelf { book, cursor, limits }| {
            let limits = limits.iter().map(|(agent, sequence)| Known::Limit(agent.clone(), *sequence));
            book.rows().map(Known::Row).chain([Known::Cursor(*cursor)]).chain(limits)
        });
        keys.chain(waiting).chain(shelves)
    }

    /// The whole state in pieces; `None` while what was written is not all observed.
    pub(super) fn pieces(&self) -> Option<Vec<Vec<u8>>> {
        if self.flight.is_some() || !self.own.is_empty() {
            return None;
        }
        let (mut pieces, mut rows, mut weight) = (Vec::new(), Vec::new(), 0);
        for known in self.known() {
            weight += known.weight();
            rows.push(known);
            if rows.len() >= ROWS || weight >= WEIGHT_BYTES {
                pieces.push(schemas::encode(&Rows { rows: std::mem::take(&mut rows) }));
                weight = 0;
            }
        }
        if !rows.is_empty() {
            pieces.push(schemas::encode(&Rows { rows }));
        }
        Some(pieces)
    }

    /// The ledger whose state such pieces hold.
    pub(super) fn of_pieces(pieces: &[Vec<u8>]) -> Result<Self, String> {
        let mut ledger = Self::new();
        let (mut keys, mut shelf) = (Vec::new(), None);
        for piece in pieces {
            let Rows { rows } = decode(piece, MAX_CLEARING_BODY_BYTES).map_err(|error| error.to_string())?;
            for known in rows {
                ledger.know(known, &mut keys, &mut shelf)?;
            }
        }
        ledger.put(shelf);
        ledger.keys = keys.into_iter().collect();
        Ok(ledger)
    }

    fn know(
        &mut self,
        known: Known,
        keys: &mut Vec<(AgentId, History)>,
        shelf: &mut Option<Shelf>,
    ) -> Result<(), String> {
        let astray = || "a row of no book".to_owned();
        match known {
            Known::Keys(agent, history) => keys.push((agent, history)),
            Known::Waiting(sequence, book, body) => {
                let event: DealEvent = decode(&body, MAX_CLEARING_BODY_BYTES).map_err(|error| error.to_string())?;
                self.by_deal.insert(event.deal.clone(), sequence);
                self.waiting.insert(sequence, Waiting { event, hash: Hash::of(&body), body, book });
            }
            Known::Row(row) => match Book::begun_by(&row) {
                Some(book) => {
                    let before = shelf.replace(Shelf::of(book));
                    self.put(before);
                }
                None => shelf.as_mut().ok_or_else(astray)?.book.take(row),
            },
            Known::Cursor(sequence) => shelf.as_mut().ok_or_else(astray)?.cursor = sequence,
            Known::Limit(agent, sequence) => {
                shelf.as_mut().ok_or_else(astray)?.limits.insert(agent, sequence);
            }
        }
        Ok(())
    }

    fn put(&mut self, shelf: Option<Shelf>) {
        if let Some(shelf) = shelf {
            self.shelves.insert(shelf.book.id().clone(), shelf);
        }
    }
}

impl Shelf {
    /// Whether nothing was ever written in it: the log doesn't know it.
    fn is_blank(&self) -> bool {
        self.cursor == 0 && self.limits.is_empty() && self.book.rows().nth(1).is_none()
    }
}

impl Known {
    /// About how many bytes it takes.
    fn weight(&self) -> usize {
        match self {
            Self::Waiting(_, _, body) => body.len() + 100,
            Self::Row(Row::Open(_, transfers)) => transfers.len() * 150 + 50,
            _ => 100,
        }
    }
}
