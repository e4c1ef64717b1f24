//! The ledger's state as sorted rows, in pieces: the same state gives the same bytes, however it came about.

use schemas::body::decode;
use schemas::deal::Transfer;
use schemas::event::DealEvent;
use schemas::hash;
use schemas::keyring::History;
use schemas::limit::MAX_CLEARING_BODY_BYTES;
use schemas::{AgentId, DealId, Good, Hash, MarketId, MoveId};
use serde::{Deserialize, Serialize};

use super::{Ledger, Shelf, Waiting};
use crate::ledger::{Book, Head, Line, Row};

/// Rows of one piece.
const ROWS: usize = 4_096;
/// What the rows of one piece may weigh, in bytes, about: a piece fits a message of any broker with room to spare.
const WEIGHT_BYTES: usize = 256 * 1024;
/// What a row weighs that is of one size, in bytes, about.
const ROW_BYTES: usize = 100;

/// A piece.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename = "ledger.rows")]
struct Piece {
    /// Cores' keys.
    keys: Vec<(AgentId, History)>,
    /// Certified and failed deals that are not decided.
    waiting: Vec<Undecided>,
    /// What books hold. A book may go on in the next piece.
    shelves: Vec<Part>,
}
schemas::message!(Piece, "ledger.rows");

/// A deal that is not decided.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Undecided {
    sequence: u64,
    book: MarketId,
    /// The exact body of the entry that says so.
    #[serde(with = "hash::bytes")]
    body: Vec<u8>,
}

/// A part of a book.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Part {
    book: MarketId,
    /// In a book's first part: its cursors, how far it is applied, the hash of its postings, and the sequence of its last
    /// cursor.
    begins: Option<(u32, u64, Hash, u64)>,
    lines: Vec<(AgentId, Good, Line)>,
    heads: Vec<(AgentId, Head)>,
    moves: Vec<(AgentId, MoveId, Hash)>,
    open: Vec<(DealId, Vec<Transfer>)>,
    /// The sequence of the last entry of each agent's limits.
    limits: Vec<(AgentId, u64)>,
}

impl Part {
    fn of(book: &MarketId) -> Self {
        Self {
            book: book.clone(),
            begins: None,
            lines: Vec::new(),
            heads: Vec::new(),
            moves: Vec::new(),
            open: Vec::new(),
            limits: Vec::new(),
        }
    }
}

/// Fills pieces row by row.
#[derive(Default)]
struct Packer {
    pieces: Vec<Vec<u8>>,
    piece: Piece,
    rows: usize,
    weight: usize,
}

impl Packer {
    fn put(&mut self, weight: usize, row: impl FnOnce(&mut Piece)) {
        row(&mut self.piece);
        self.rows += 1;
        self.weight += weight;
        if self.rows >= ROWS || self.weight >= WEIGHT_BYTES {
            self.close();
        }
    }

    /// Puts a row of a book.
    fn put_in(&mut self, book: &MarketId, weight: usize, row: impl FnOnce(&mut Part)) {
        self.put(weight, |piece| {
            if piece.shelves.last().is_none_or(|part| part.book != *book) {
                piece.shelves.push(Part::of(book));
            }
            if let Some(part) = piece.shelves.last_mut() {
                row(part);
            }
        });
    }

    fn close(&mut self) {
        if self.rows > 0 {
            self.pieces.push(schemas::encode(&std::mem::take(&mut self.piece)));
            (self.rows, self.weight) = (0, 0);
        }
    }
}

impl Ledger {
    /// The whole state in pieces; `None` while what was written is not all observed.
    pub(super) fn pieces(&self) -> Option<Vec<Vec<u8>>> {
        if self.flight.is_some() || !self.own.is_empty() {
            return None;
        }
        let mut packer = Packer::default();
        for (agent, history) in self.keys.histories() {
            packer.put(ROW_BYTES, |piece| piece.keys.push((agent.clone(), history.clone())));
        }
        for (sequence, Waiting { body, book, .. }) in &self.waiting {
            let undecided = Undecided { sequence: *sequence, book: book.clone(), body: body.clone() };
            packer.put(ROW_BYTES + body.len(), |piece| piece.waiting.push(undecided));
        }
        for shelf in self.shelves.values().filter(|shelf| !shelf.is_blank()) {
            let id = shelf.book.id();
            for row in shelf.book.rows() {
                let weight = if let Row::Open(_, transfers) = &row { transfers.len() * 150 } else { 0 };
                packer.put_in(id, ROW_BYTES + weight, |part| match row {
                    Row::Book(_, turn, through, hash) => part.begins = Some((turn, through, hash, shelf.cursor)),
                    Row::Line(party, good, line) => part.lines.push((party, good, line)),
                    Row::Head(agent, head) => part.heads.push((agent, head)),
                    Row::Move(agent, id, body) => part.moves.push((agent, id, body)),
                    Row::Open(deal, transfers) => part.open.push((deal, transfers)),
                });
            }
            for (agent, sequence) in &shelf.limits {
                packer.put_in(id, ROW_BYTES, |part| part.limits.push((agent.clone(), *sequence)));
            }
        }
        packer.close();
        Some(packer.pieces)
    }

    /// The ledger whose state such pieces hold.
    pub(super) fn of_pieces(pieces: &[Vec<u8>]) -> Result<Self, String> {
        let mut ledger = Self::new();
        let mut keys = Vec::new();
        for piece in pieces {
            let piece: Piece = decode(piece, MAX_CLEARING_BODY_BYTES).map_err(|error| error.to_string())?;
            keys.extend(piece.keys);
            for Undecided { sequence, book, body } in piece.waiting {
                let event: DealEvent = decode(&body, MAX_CLEARING_BODY_BYTES).map_err(|error| error.to_string())?;
                ledger.by_deal.insert(event.deal.clone(), sequence);
                ledger.waiting.insert(sequence, Waiting { event, hash: Hash::of(&body), body, book });
            }
            for part in piece.shelves {
                ledger.put(part)?;
            }
        }
        ledger.keys = keys.into_iter().collect();
        Ok(ledger)
    }

    fn put(&mut self, part: Part) -> Result<(), String> {
        if let Some((turn, through, hash, cursor)) = part.begins {
            let book = Book::begun(Row::Book(part.book.clone(), turn, through, hash)).ok_or("a book that is none")?;
            self.shelves.insert(part.book.clone(), Shelf { cursor, ..Shelf::of(book) });
        }
        let shelf = self.shelves.get_mut(&part.book).ok_or("a book that goes on before it begins")?;
        let lines = part.lines.into_iter().map(|(party, good, line)| Row::Line(party, good, line));
        let heads = part.heads.into_iter().map(|(agent, head)| Row::Head(agent, head));
        let moves = part.moves.into_iter().map(|(agent, id, body)| Row::Move(agent, id, body));
        let open = part.open.into_iter().map(|(deal, transfers)| Row::Open(deal, transfers));
        for row in lines.chain(heads).chain(moves).chain(open) {
            shelf.book.take(row);
        }
        shelf.limits.extend(part.limits);
        Ok(())
    }
}

impl Shelf {
    /// Whether nothing was ever written in it: the log doesn't know it.
    fn is_blank(&self) -> bool {
        self.cursor == 0 && self.limits.is_empty() && self.book.rows().nth(1).is_none()
    }
}
