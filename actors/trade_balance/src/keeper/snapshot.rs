//! The ledger's state as sorted rows, in pieces: the same state gives the same bytes, however it came about.
//!
//! Lines are most of it. They stand by party, with goods by their number in a table of the piece, so that a line is five
//! numbers, and reading one makes no name anew; the book's map is built once all are read, in their order.

use std::collections::BTreeMap;

use schemas::body::decode;
use schemas::deal::Transfer;
use schemas::event::DealEvent;
use schemas::hash;
use schemas::keyring::History;
use schemas::limit::MAX_CLEARING_BODY_BYTES;
use schemas::{AgentId, DealId, Good, Hash, MarketId, MoveId};
use serde::{Deserialize, Serialize};

use super::{Ledger, Shelf, Waiting};
use crate::ledger::{Book, Head, Line, Lot, Pending, Row, Standing};

/// Rows of one piece.
const ROWS: usize = 8_192;
/// What the rows of one piece may weigh, in bytes, about: a piece fits a message of any broker with room to spare.
const WEIGHT_BYTES: usize = 256 * 1024;
/// What a row weighs that is of one size, in bytes, about.
const ROW_BYTES: usize = 100;
/// What a line weighs, in bytes, about.
const LINE_BYTES: usize = 30;

/// A piece.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename = "ledger.rows.2")]
struct Piece {
    /// Cores' keys.
    keys: Vec<(AgentId, History)>,
    /// Certified and failed deals that are not decided.
    waiting: Vec<Undecided>,
    /// What books hold. A book may go on in the next piece.
    shelves: Vec<Part>,
}
schemas::message!(Piece, "ledger.rows.2");

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
    #[serde(default, skip_serializing_if = "Option::is_none")]
    begins: Option<(u32, u64, Hash, u64)>,
    /// Goods that lines of this part name by their place here.
    goods: Vec<Good>,
    lines: Vec<(AgentId, Vec<Holding>)>,
    heads: Vec<(AgentId, Head)>,
    moves: Vec<(AgentId, MoveId, Hash)>,
    open: Vec<(DealId, Vec<Transfer>)>,
    /// The sequence of the last entry of each agent's limits.
    limits: Vec<(AgentId, u64)>,
    /// How its import certificates stand, and the sequence of the last entry on them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    imports: Option<(Standing, u64)>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    lots: Vec<(i64, Lot)>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    holdings: Vec<(AgentId, i64, i64)>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pending: Vec<(DealId, Pending)>,
}

/// A line: the good's place in the table, and balance, limit, incoming and outgoing in its minor units.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Holding(u32, i64, i64, i64, i64);

/// The lines of books, in their order.
type Lines = BTreeMap<MarketId, Vec<((AgentId, Good), Line)>>;

impl Part {
    /// Puts a line behind the last one.
    fn put_line(&mut self, party: AgentId, good: Good, line: Line) {
        let place = self.goods.iter().position(|known| *known == good).unwrap_or_else(|| {
            self.goods.push(good);
            self.goods.len() - 1
        });
        let Line { balance, limit, incoming, outgoing } = line;
        let holding = Holding(u32::try_from(place).unwrap_or(u32::MAX), balance, limit, incoming, outgoing);
        match self.lines.last_mut().filter(|(last, _)| *last == party) {
            Some((_, holdings)) => holdings.push(holding),
            None => self.lines.push((party, vec![holding])),
        }
    }

    /// Its lines as the book has them.
    fn take_lines(&mut self, lines: &mut Vec<((AgentId, Good), Line)>) -> Result<(), String> {
        for (party, holdings) in std::mem::take(&mut self.lines) {
            for Holding(place, balance, limit, incoming, outgoing) in holdings {
                let good = usize::try_from(place).ok().and_then(|place| self.goods.get(place));
                let good = good.ok_or("a line of a good that isn't in the table")?.clone();
                lines.push(((party.clone(), good), Line { balance, limit, incoming, outgoing }));
            }
        }
        Ok(())
    }

    fn of(book: &MarketId) -> Self {
        Self {
            book: book.clone(),
            begins: None,
            goods: Vec::new(),
            lines: Vec::new(),
            heads: Vec::new(),
            moves: Vec::new(),
            open: Vec::new(),
            limits: Vec::new(),
            imports: None,
            lots: Vec::new(),
            holdings: Vec::new(),
            pending: Vec::new(),
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
                let weight = match &row {
                    Row::Line(..) => LINE_BYTES,
                    Row::Open(_, transfers) => ROW_BYTES + transfers.len() * 150,
                    Row::Pending(_, pending) => ROW_BYTES + (pending.earned.len() + pending.parcels.len()) * 150,
                    Row::Imports(standing) => ROW_BYTES + standing.weight_bytes(),
                    _ => ROW_BYTES,
                };
                packer.put_in(id, weight, |part| match row {
                    Row::Book(_, turn, through, hash) => part.begins = Some((turn, through, hash, shelf.cursor)),
                    Row::Line(party, good, line) => part.put_line(party, good, line),
                    Row::Head(agent, head) => part.heads.push((agent, head)),
                    Row::Move(agent, id, body) => part.moves.push((agent, id, body)),
                    Row::Open(deal, transfers) => part.open.push((deal, transfers)),
                    Row::Imports(standing) => part.imports = Some((*standing, shelf.certificates)),
                    Row::Lot(end, lot) => part.lots.push((end, lot)),
                    Row::Holding(party, lot, held) => part.holdings.push((party, lot, held)),
                    Row::Pending(deal, pending) => part.pending.push((deal, pending)),
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
        let mut lines = Lines::new();
        for piece in pieces {
            let piece: Piece = decode(piece, MAX_CLEARING_BODY_BYTES).map_err(|error| error.to_string())?;
            keys.extend(piece.keys);
            for Undecided { sequence, book, body } in piece.waiting {
                let event: DealEvent = decode(&body, MAX_CLEARING_BODY_BYTES).map_err(|error| error.to_string())?;
                ledger.by_deal.insert(event.deal.clone(), sequence);
                ledger.waiting.insert(sequence, Waiting { event, hash: Hash::of(&body), body, book });
            }
            for mut part in piece.shelves {
                part.take_lines(lines.entry(part.book.clone()).or_default())?;
                ledger.put(part)?;
            }
        }
        for (book, lines) in lines {
            if let Some(shelf) = ledger.shelves.get_mut(&book) {
                shelf.book.take_lines(lines);
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
        let heads = part.heads.into_iter().map(|(agent, head)| Row::Head(agent, head));
        let moves = part.moves.into_iter().map(|(agent, id, body)| Row::Move(agent, id, body));
        let open = part.open.into_iter().map(|(deal, transfers)| Row::Open(deal, transfers));
        let imports = part.imports.map(|(standing, sequence)| {
            shelf.certificates = sequence;
            Row::Imports(Box::new(standing))
        });
        let lots = part.lots.into_iter().map(|(end, lot)| Row::Lot(end, lot));
        let holdings = part.holdings.into_iter().map(|(party, lot, held)| Row::Holding(party, lot, held));
        let pending = part.pending.into_iter().map(|(deal, pending)| Row::Pending(deal, pending));
        let certificates = imports.into_iter().chain(lots).chain(holdings).chain(pending);
        for row in heads.chain(moves).chain(open).chain(certificates) {
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
