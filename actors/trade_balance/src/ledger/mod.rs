//! One book: what everyone has, what everyone may still give, and the decisions that follow from it.
//!
//! # Design
//!
//! A book is the fold of its log and nothing else: declarations of limits, deals committed, settled and
//! compensated, and the ledger's own cursors. [`Draft`] lies over a book like tracing paper: entries are
//! applied and verdicts asked there, so that several deals decided in one batch see each other, and when the
//! batch is written [`Book::absorb`] takes the draft's [`Changes`] in. When it was not, the draft is thrown
//! away and the book is as it was. A draft costs what it touches, whatever the book's size.
//!
//! A line says, for a party and a good, what it received less what it gave, how much more than it received
//! it may give (its limit), and what of both is still on its way in deals that may fail. *What is on its way
//! can be taken back, so it cannot be given on*: a receipt of a deal that awaits confirmation covers nothing
//! until the deal is settled. Hence no compensation, whichever transfers it takes back and in whatever order,
//! leaves anyone below its limit, and balance + limit ≥ 0 holds always. Where delivery is immediate, nothing
//! is on its way: what counts is what the whole deal leaves of a good, so that what it brings a party covers
//! what it takes from that party.
//!
//! A book may keep import certificates; see [`imports`]. They are no line: who has how many of which lot is kept there.
//!
//! # What it refuses
//!
//! Terms that cannot be read or belong to another book, a deal that some party has not accepted, a deal or a
//! declaration that would leave anyone with less than nothing, and sums that do not fit 64 bits. Applying an
//! entry that breaks these rules, or the order of a log, is an error that leaves everything as it was: the
//! host skips and reports it.
//!
//! Signatures and keys are not checked here: the desk checked each move when it came, and the host checks
//! who wrote an entry before it hands it over. No clock, no I/O.

mod apply;
mod authority;
mod decide;
mod imports;
mod line;
mod rows;

use std::collections::BTreeMap;

use schemas::deal::Transfer;
use schemas::import::Lots;
use schemas::ledger::{BalanceLine, Balances, Cursor};
use schemas::{AgentId, DealId, Good, Hash, MarketId, MoveId};
use serde::{Deserialize, Serialize};

pub use apply::{Applied, Entry, Inconsistent};
pub use authority::Authorised;
pub use decide::{Declaration, Verdict};
pub use imports::{ImportFault, Imports, Lot, Parcel, Pending, Standing};
use imports::{Sheet, Step};
pub use line::{Line, LineFault};
pub use rows::Row;

/// Where an agent's limits log stands in a book.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Head {
    /// The number of the next entry.
    next_turn: u32,
    /// SHA-256 of the last entry's exact body; zeros before the first.
    last: Hash,
}

/// The state of one book.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Book {
    id: MarketId,
    next_turn: u32,
    applied_through: u64,
    state_hash: Hash,
    lines: BTreeMap<(AgentId, Good), Line>,
    heads: BTreeMap<AgentId, Head>,
    /// Declarations already recorded, for asking again: the hash of the exact body of each.
    moves: BTreeMap<(AgentId, MoveId), Hash>,
    /// Deals on the book that may still fail.
    open: BTreeMap<DealId, Vec<Transfer>>,
    /// Import certificates, where the book keeps any.
    imports: Option<Box<Imports>>,
    /// Counts what was absorbed, so that a draft of an older state is noticed.
    version: u64,
}

impl Book {
    /// An empty book.
    #[must_use]
    pub fn new(id: MarketId) -> Self {
        Self {
            id,
            next_turn: 0,
            applied_through: 0,
            state_hash: Hash::ZERO,
            lines: BTreeMap::new(),
            heads: BTreeMap::new(),
            moves: BTreeMap::new(),
            open: BTreeMap::new(),
            imports: None,
            version: 0,
        }
    }

    /// Its id, which is its market's.
    #[must_use]
    pub fn id(&self) -> &MarketId {
        &self.id
    }

    /// Every entry of the log up to this stream sequence is taken into account, says the last cursor.
    #[must_use]
    pub fn applied_through(&self) -> u64 {
        self.applied_through
    }

    /// The number of the next cursor.
    #[must_use]
    pub fn next_turn(&self) -> u32 {
        self.next_turn
    }

    /// The hash chain over everything posted: `H(before ‖ subject ‖ 0x00 ‖ SHA-256(entry))`.
    #[must_use]
    pub fn state_hash(&self) -> Hash {
        self.state_hash
    }

    /// The line of a party and a good.
    #[must_use]
    pub fn line(&self, party: &AgentId, good: &Good) -> Line {
        self.lines.get(&(party.clone(), good.clone())).copied().unwrap_or_default()
    }

    /// Every line that says anything, by party and good.
    pub fn lines(&self) -> impl Iterator<Item = (&AgentId, &Good, &Line)> {
        self.lines.iter().map(|((party, good), line)| (party, good, line))
    }

    /// What a deal moves that is on the book and may still fail.
    #[must_use]
    pub fn open(&self, deal: &DealId) -> Option<&[Transfer]> {
        self.open.get(deal).map(Vec::as_slice)
    }

    /// Its import certificates, if it keeps any.
    #[must_use]
    pub fn imports(&self) -> Option<&Imports> {
        self.imports.as_deref()
    }

    /// Its import certificates as the wire shows them, what one party holds or all do.
    #[must_use]
    pub fn certificates(&self, party: Option<&AgentId>) -> Lots {
        let imports = self.imports();
        Lots {
            book: self.id.clone(),
            rules: imports.map(|imports| imports.rules().clone()),
            at_unix_ms: imports.map_or(0, Imports::time_unix_ms),
            lots: imports.map(Imports::lots).unwrap_or_default(),
            holdings: imports.map(|imports| imports.holdings(party)).unwrap_or_default(),
        }
    }

    /// The book's lines as the wire shows them, of one party or of all.
    #[must_use]
    pub fn balances(&self, party: Option<&AgentId>) -> Balances {
        let shown = self.lines().filter(|(who, _, _)| party.is_none_or(|party| party == *who));
        Balances {
            book: self.id.clone(),
            applied_through: self.applied_through,
            state_hash: self.state_hash,
            lines: shown
                .map(|(party, good, line)| BalanceLine {
                    party: party.clone(),
                    good: good.clone(),
                    balance: line.balance,
                    limit: line.limit,
                })
                .collect(),
        }
    }

    /// Whether certificates that the deal moves, earns or spends are on their way.
    #[must_use]
    pub fn awaits_delivery(&self, deal: &DealId) -> bool {
        self.imports().is_some_and(|imports| imports.pending.contains_key(deal))
    }

    /// Tracing paper over the book.
    #[must_use]
    pub fn draft(&self) -> Draft<'_> {
        let changes = Changes {
            version: self.version,
            next_turn: self.next_turn,
            applied_through: self.applied_through,
            state_hash: self.state_hash,
            lines: BTreeMap::new(),
            heads: BTreeMap::new(),
            moves: BTreeMap::new(),
            open: BTreeMap::new(),
            imports: None,
        };
        Draft { book: self, changes }
    }

    /// Takes in what a draft of this very state changed.
    ///
    /// # Errors
    /// [`Stale`] when the book has moved on since; nothing is taken in.
    pub fn absorb(&mut self, changes: Changes) -> Result<(), Stale> {
        if changes.version != self.version {
            return Err(Stale);
        }
        self.version += 1;
        self.next_turn = changes.next_turn;
        self.applied_through = changes.applied_through;
        self.state_hash = changes.state_hash;
        self.heads.extend(changes.heads);
        self.moves.extend(changes.moves);
        for (key, line) in changes.lines {
            // A line that says nothing is no line: the book is its state, not its history.
            if line == Line::default() {
                self.lines.remove(&key);
            } else {
                self.lines.insert(key, line);
            }
        }
        for (deal, transfers) in changes.open {
            match transfers {
                Some(transfers) => self.open.insert(deal, transfers),
                None => self.open.remove(&deal),
            };
        }
        if let Some(sheet) = changes.imports {
            let imports = self.imports.get_or_insert_with(|| Box::new(Imports::of(sheet.standing.clone())));
            imports.absorb(*sheet);
        }
        Ok(())
    }

    /// Applies one entry of the log: a draft of one.
    ///
    /// # Errors
    /// [`Inconsistent`]; the book is as it was.
    pub fn apply(&mut self, entry: Entry<'_>) -> Result<Applied, Inconsistent> {
        let mut draft = self.draft();
        let applied = draft.apply(entry)?;
        let changes = draft.finish();
        match self.absorb(changes) {
            Ok(()) => Ok(applied),
            Err(Stale) => Err(Inconsistent::Stale),
        }
    }
}

/// A draft of a state that the book has left.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the book has moved on since this was drafted")]
pub struct Stale;

/// Tracing paper over a book: see the module.
#[derive(Debug)]
pub struct Draft<'a> {
    book: &'a Book,
    changes: Changes,
}

/// What a draft changed, for [`Book::absorb`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Changes {
    version: u64,
    next_turn: u32,
    applied_through: u64,
    state_hash: Hash,
    lines: BTreeMap<(AgentId, Good), Line>,
    heads: BTreeMap<AgentId, Head>,
    moves: BTreeMap<(AgentId, MoveId), Hash>,
    /// `None`: no longer open.
    open: BTreeMap<DealId, Option<Vec<Transfer>>>,
    imports: Option<Box<Sheet>>,
}

impl Draft<'_> {
    /// The line of a party and a good, as drafted.
    #[must_use]
    pub fn line(&self, party: &AgentId, good: &Good) -> Line {
        let drafted = self.changes.lines.get(&(party.clone(), good.clone())).copied();
        drafted.unwrap_or_else(|| self.book.line(party, good))
    }

    /// The hash chain over everything posted, this draft's postings included.
    #[must_use]
    pub fn state_hash(&self) -> Hash {
        self.changes.state_hash
    }

    /// The cursor that stands at the end of this draft's batch, every log entry up to `applied_through`
    /// being taken into account. To be applied like the other entries of the batch, after them.
    #[must_use]
    pub fn cursor(&self, applied_through: u64) -> Cursor {
        Cursor {
            book: self.book.id.clone(),
            turn: self.changes.next_turn,
            applied_through,
            state_hash: self.changes.state_hash,
        }
    }

    /// What changed.
    #[must_use]
    pub fn finish(self) -> Changes {
        self.changes
    }

    fn head(&self, agent: &AgentId) -> Head {
        self.changes.heads.get(agent).or_else(|| self.book.heads.get(agent)).copied().unwrap_or_default()
    }

    fn recorded(&self, agent: &AgentId, id: &MoveId) -> Option<Hash> {
        let key = (agent.clone(), id.clone());
        self.changes.moves.get(&key).or_else(|| self.book.moves.get(&key)).copied()
    }

    /// How the book's certificates stand, as drafted.
    fn standing(&self) -> Option<&Standing> {
        let drafted = self.changes.imports.as_ref().map(|sheet| &sheet.standing);
        drafted.or_else(|| self.book.imports.as_ref().map(|imports| &imports.standing))
    }

    /// What an entry of this time changes in certificates; nothing, where the book keeps none.
    fn imported(
        &self,
        at_unix_ms: i64,
        change: impl FnOnce(&mut Step<'_>) -> Result<(), ImportFault>,
    ) -> Result<Option<Sheet>, ImportFault> {
        let Some(standing) = self.standing() else { return Ok(None) };
        let draft = self.changes.imports.as_deref();
        let mut step = Step::new(self.book.imports(), draft, standing.clone(), at_unix_ms);
        change(&mut step)?;
        Ok(Some(step.finish()))
    }

    /// Drafts what an entry changes in certificates.
    fn import(&mut self, sheet: Option<Sheet>) {
        let Some(sheet) = sheet else { return };
        match &mut self.changes.imports {
            Some(drafted) => drafted.take(sheet),
            None => self.changes.imports = Some(Box::new(sheet)),
        }
    }

    /// Whether the deal's certificates are on their way.
    #[must_use]
    pub fn awaits_delivery(&self, deal: &DealId) -> bool {
        match self.changes.imports.as_ref().and_then(|sheet| sheet.on_its_way(deal)) {
            Some(drafted) => drafted,
            None => self.book.awaits_delivery(deal),
        }
    }

    fn open_deal(&self, deal: &DealId) -> Option<&[Transfer]> {
        match self.changes.open.get(deal) {
            Some(drafted) => drafted.as_deref(),
            None => self.book.open.get(deal).map(Vec::as_slice),
        }
    }
}

#[cfg(test)]
mod tests;
