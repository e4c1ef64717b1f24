//! A book as rows, sorted: the same state gives the same rows, however it came about.

use schemas::deal::Transfer;
use schemas::{AgentId, DealId, Good, Hash, MarketId, MoveId};
use serde::Serialize;

use super::{Book, Head, Imports, Line, Lot, Pending, Standing};

/// One thing that a book knows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub enum Row {
    /// Which book, how many cursors it has, how far it is applied, and the hash of its postings. The rows behind it are
    /// this book's.
    Book(MarketId, u32, u64, Hash),
    /// A line.
    Line(AgentId, Good, Line),
    /// Where an agent's limits log stands.
    Head(AgentId, Head),
    /// A declaration that is recorded: the hash of its exact body.
    Move(AgentId, MoveId, Hash),
    /// What a deal moves that may still fail.
    Open(DealId, Vec<Transfer>),
    /// That the book keeps import certificates, and how they stand. The next three are behind it.
    Imports(Box<Standing>),
    /// A lot, by its end.
    Lot(i64, Lot),
    /// What a party holds of a lot.
    Holding(AgentId, i64, i64),
    /// What a deal that may still fail does to certificates.
    Pending(DealId, Pending),
}

impl Book {
    /// The whole state, row by row.
    pub fn rows(&self) -> impl Iterator<Item = Row> {
        let book = Row::Book(self.id.clone(), self.next_turn, self.applied_through, self.state_hash);
        let lines = self.lines.iter().map(|((party, good), line)| Row::Line(party.clone(), good.clone(), *line));
        let heads = self.heads.iter().map(|(agent, head)| Row::Head(agent.clone(), *head));
        let moves = self.moves.iter().map(|((agent, id), body)| Row::Move(agent.clone(), id.clone(), *body));
        let open = self.open.iter().map(|(deal, transfers)| Row::Open(deal.clone(), transfers.clone()));
        std::iter::once(book).chain(lines).chain(heads).chain(moves).chain(open).chain(self.import_rows())
    }

    fn import_rows(&self) -> impl Iterator<Item = Row> {
        self.imports.iter().flat_map(|imports| {
            let lots = imports.lots.iter().map(|(end, lot)| Row::Lot(*end, *lot));
            let held = imports
                .holdings
                .iter()
                .flat_map(|(party, purse)| purse.iter().map(|(lot, held)| Row::Holding(party.clone(), *lot, *held)));
            let pending = imports.pending.iter().map(|(deal, pending)| Row::Pending(deal.clone(), pending.clone()));
            let standing = Row::Imports(Box::new(imports.standing.clone()));
            std::iter::once(standing).chain(lots).chain(held).chain(pending)
        })
    }

    /// The book that a row begins; `None` for a row that begins none.
    #[must_use]
    pub fn begun(row: Row) -> Option<Self> {
        let Row::Book(id, next_turn, applied_through, state_hash) = row else { return None };
        let mut book = Self::new(id);
        (book.next_turn, book.applied_through, book.state_hash) = (next_turn, applied_through, state_hash);
        Some(book)
    }

    /// Takes all its lines in, which are quickest in their order.
    pub fn take_lines(&mut self, lines: Vec<((AgentId, Good), Line)>) {
        self.lines = lines.into_iter().collect();
    }

    /// Takes a row behind the first in.
    pub fn take(&mut self, row: Row) {
        match row {
            Row::Book(..) => {}
            Row::Line(party, good, line) => {
                self.lines.insert((party, good), line);
            }
            Row::Head(agent, head) => {
                self.heads.insert(agent, head);
            }
            Row::Move(agent, id, body) => {
                self.moves.insert((agent, id), body);
            }
            Row::Open(deal, transfers) => {
                self.open.insert(deal, transfers);
            }
            Row::Imports(standing) => self.imports = Some(Box::new(Imports::of(*standing))),
            Row::Lot(end, lot) => {
                if let Some(imports) = &mut self.imports {
                    imports.lots.insert(end, lot);
                }
            }
            Row::Holding(party, lot, held) => {
                if let Some(imports) = &mut self.imports {
                    imports.holdings.entry(party).or_default().insert(lot, held);
                }
            }
            Row::Pending(deal, pending) => {
                if let Some(imports) = &mut self.imports {
                    imports.pending.insert(deal, pending);
                }
            }
        }
    }
}
