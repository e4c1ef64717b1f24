//! Entries of the log, put on the book.

use std::collections::BTreeMap;

use schemas::body::{DecodeError, Refused};
use schemas::deal::{Delivery, ReadTerms, Terms, Transfer};
use schemas::event::{DealEvent, Happening};
use schemas::import::CertificateEvent;
use schemas::ledger::{Cursor, Declare, LimitEvent};
use schemas::limit::MAX_BODY_BYTES;
use schemas::{AgentId, DealId, Good, Hash, MarketId, MoveId, subject};

use super::authority::Authority;
use super::imports::ImportFault;
use super::line::{Line, LineFault, Posting};
use super::{Draft, Head};

/// An entry of the log, with its exact body where the body counts.
#[derive(Debug, Clone, Copy)]
pub enum Entry<'a> {
    /// Something happened to a deal.
    Deal {
        /// What.
        event: &'a DealEvent,
        /// The exact body that says so.
        body: &'a [u8],
    },
    /// An agent declared limits.
    Limit {
        /// What the log holds of it.
        event: &'a LimitEvent,
        /// The exact body that says so.
        body: &'a [u8],
    },
    /// Something became of the book's import certificates.
    Certificate {
        /// What the log holds of it.
        event: &'a CertificateEvent,
        /// The exact body that says so.
        body: &'a [u8],
    },
    /// The ledger wrote so far.
    Cursor(&'a Cursor),
}

/// What an entry did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Applied {
    /// It stands in the hash chain now: limits, a commitment, a compensation, an entry on certificates.
    Posted,
    /// It was noted: a settlement, a cursor.
    Noted,
    /// It is of no concern to this book.
    NotMine,
}

/// Why an entry does not fit the book. Nothing of it was applied.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Inconsistent {
    /// An entry cannot be read, or says what cannot be.
    #[error(transparent)]
    Malformed(#[from] Refused),
    /// An entry of an agent's limits log is not the next one.
    #[error("{agent}: entry {got} with {prev} before it; the next is {expected} with {last} before it")]
    Chain {
        /// Whose log.
        agent: AgentId,
        /// The entry's number.
        got: u32,
        /// What it says the hash of the entry before is.
        prev: Hash,
        /// The number of the next entry.
        expected: u32,
        /// The hash of the last entry.
        last: Hash,
    },
    /// A declaration is recorded twice.
    #[error("{agent} has made move {move_id} before")]
    MadeBefore {
        /// Who.
        agent: AgentId,
        /// Which.
        move_id: MoveId,
    },
    /// A deal that is on the book is committed again.
    #[error("{0} is on the book already")]
    Posted(DealId),
    /// A compensation names a transfer that the deal does not have, or names one twice.
    #[error("{deal} has no transfer {index} to take back")]
    NoTransfer {
        /// The deal.
        deal: DealId,
        /// The transfer's index.
        index: u32,
    },
    /// A line cannot change so.
    #[error("{good} of {party}")]
    Line {
        /// Whose.
        party: AgentId,
        /// Of which good.
        good: Good,
        /// Why.
        #[source]
        fault: LineFault,
    },
    /// Certificates cannot change so.
    #[error(transparent)]
    Imports(#[from] ImportFault),
    /// An entry of the book's log of certificates is not the next one.
    #[error("certificates: entry {got}; the next is {expected}, with {last} before it")]
    Certificates {
        /// The entry's number.
        got: u32,
        /// The number of the next entry.
        expected: u32,
        /// The hash of the last entry.
        last: Hash,
    },
    /// A cursor is not the next, goes back, or states another hash than the book has.
    #[error("cursor {turn} does not follow: {reason}")]
    Cursor {
        /// Its number.
        turn: u32,
        /// Why not.
        reason: &'static str,
    },
    /// A count does not fit its type.
    #[error("a count of entries does not fit its type")]
    Overflow,
    /// The draft is of an older state.
    #[error("the book has moved on since this was drafted")]
    Stale,
}

pub(super) type Lines = BTreeMap<(AgentId, Good), Line>;

impl Draft<'_> {
    /// Applies an entry, in the log's order. All of it or nothing.
    ///
    /// # Errors
    /// [`Inconsistent`]; the draft is as it was.
    pub fn apply(&mut self, entry: Entry<'_>) -> Result<Applied, Inconsistent> {
        match entry {
            Entry::Limit { event, body } => self.apply_limit(event, body),
            Entry::Deal { event, body } => match &event.what {
                Happening::Committed { book, terms, .. } => self.apply_committed(event, body, book, terms),
                Happening::Compensated { reversed } => self.apply_compensated(event, body, reversed),
                Happening::Settled => self.apply_settled(&event.deal),
                _ => Ok(Applied::NotMine),
            },
            Entry::Certificate { event, body } => self.apply_certificate(event, body),
            Entry::Cursor(cursor) => self.apply_cursor(cursor),
        }
    }

    fn apply_limit(&mut self, event: &LimitEvent, body: &[u8]) -> Result<Applied, Inconsistent> {
        if event.book != self.book.id {
            return Ok(Applied::NotMine);
        }
        let agent = &event.agent;
        let Head { next_turn, last } = self.head(agent);
        if (event.turn, event.prev) != (next_turn, last) {
            let (got, prev) = (event.turn, event.prev);
            return Err(Inconsistent::Chain { agent: agent.clone(), got, prev, expected: next_turn, last });
        }
        let declare = read_declare(&event.cause.body)?;
        if declare.book != self.book.id {
            return Err(
                Refused::new("cause.body.book", format!("is {}, in a log of {}", declare.book, self.book.id)).into()
            );
        }
        if self.recorded(agent, &declare.move_id).is_some() {
            return Err(Inconsistent::MadeBefore { agent: agent.clone(), move_id: declare.move_id });
        }
        let head = Head { next_turn: next_turn.checked_add(1).ok_or(Inconsistent::Overflow)?, last: Hash::of(body) };
        let lines = self.limited(agent, &declare).map_err(|(_, fault)| fault)?;
        self.changes.lines.extend(lines);
        self.changes.heads.insert(agent.clone(), head);
        self.changes.moves.insert((agent.clone(), declare.move_id), Hash::of(&event.cause.body));
        self.chain(&subject::limit_log(&self.book.id, agent), body);
        Ok(Applied::Posted)
    }

    fn apply_committed(
        &mut self,
        event: &DealEvent,
        body: &[u8],
        book: &MarketId,
        terms: &[u8],
    ) -> Result<Applied, Inconsistent> {
        if *book != self.book.id {
            return Ok(Applied::NotMine);
        }
        let terms = ReadTerms::read(terms)?.terms;
        if terms.book != self.book.id {
            return Err(Refused::new("terms.book", format!("is {}, committed in {}", terms.book, self.book.id)).into());
        }
        if self.open_deal(&event.deal).is_some() {
            return Err(Inconsistent::Posted(event.deal.clone()));
        }
        let lines = self.posted(&terms)?;
        let sheet = self.imported(event.at_unix_ms, |step| step.commit(&event.deal, &terms))?;
        self.changes.lines.extend(lines);
        self.import(sheet);
        if terms.delivery == Delivery::Confirmed {
            self.changes.open.insert(event.deal.clone(), Some(terms.transfers));
        }
        self.chain(&subject::deal_log(&event.deal), body);
        Ok(Applied::Posted)
    }

    fn apply_settled(&mut self, deal: &DealId) -> Result<Applied, Inconsistent> {
        let Some(transfers) = self.open_deal(deal) else { return Ok(Applied::NotMine) };
        let lines = self.released(transfers, &[])?;
        self.close(deal, lines);
        Ok(Applied::Noted)
    }

    fn apply_compensated(&mut self, event: &DealEvent, body: &[u8], reversed: &[u32]) -> Result<Applied, Inconsistent> {
        let Some(transfers) = self.open_deal(&event.deal) else { return Ok(Applied::NotMine) };
        for (at, index) in reversed.iter().enumerate() {
            let exists = usize::try_from(*index).is_ok_and(|index| index < transfers.len());
            if !exists || reversed.iter().take(at).any(|before| before == index) {
                return Err(Inconsistent::NoTransfer { deal: event.deal.clone(), index: *index });
            }
        }
        let lines = self.released(transfers, reversed)?;
        let awaits_delivery = self.awaits_delivery(&event.deal);
        let sheet = self.imported(event.at_unix_ms, |step| {
            if awaits_delivery { step.release(&event.deal, reversed) } else { Ok(()) }
        })?;
        self.import(sheet);
        self.close(&event.deal, lines);
        self.chain(&subject::deal_log(&event.deal), body);
        Ok(Applied::Posted)
    }

    fn apply_certificate(&mut self, event: &CertificateEvent, body: &[u8]) -> Result<Applied, Inconsistent> {
        if event.book != self.book.id {
            return Ok(Applied::NotMine);
        }
        let Head { next_turn, last } = self.standing().map(|standing| standing.head).unwrap_or_default();
        if (event.turn, event.prev) != (next_turn, last) {
            return Err(Inconsistent::Certificates { got: event.turn, expected: next_turn, last });
        }
        let head = Head { next_turn: next_turn.checked_add(1).ok_or(Inconsistent::Overflow)?, last: Hash::of(body) };
        let mut sheet = match (&event.cause, &event.deal) {
            (None, Some(deal)) => {
                let sheet = self.imported(event.at_unix_ms, |step| step.release(deal, &[]))?;
                sheet.ok_or(ImportFault::None)?
            }
            (Some(cause), None) => {
                let by = Authority::read(cause)?;
                let sheet = self.authorised(&by, event.at_unix_ms)?;
                let (agent, move_id) = (by.authority(&sheet.standing.rules).clone(), by.move_id().clone());
                if self.recorded(&agent, &move_id).is_some() {
                    return Err(Inconsistent::MadeBefore { agent, move_id });
                }
                self.changes.moves.insert((agent, move_id), Hash::of(&cause.body));
                sheet
            }
            _ => return Err(Refused::new("cause", "either a move or a deal is why").into()),
        };
        sheet.standing.head = head;
        self.import(Some(sheet));
        self.chain(&subject::certificate_log(&self.book.id), body);
        Ok(Applied::Posted)
    }

    fn apply_cursor(&mut self, cursor: &Cursor) -> Result<Applied, Inconsistent> {
        if cursor.book != self.book.id {
            return Ok(Applied::NotMine);
        }
        let refused = |reason| Err(Inconsistent::Cursor { turn: cursor.turn, reason });
        if cursor.turn != self.changes.next_turn {
            return refused("another turn is next");
        }
        if cursor.applied_through < self.changes.applied_through {
            return refused("it goes back");
        }
        if cursor.state_hash != self.changes.state_hash {
            return refused("the postings before it hash to something else");
        }
        self.changes.next_turn = cursor.turn.checked_add(1).ok_or(Inconsistent::Overflow)?;
        self.changes.applied_through = cursor.applied_through;
        Ok(Applied::Noted)
    }

    fn chain(&mut self, subject: &str, body: &[u8]) {
        let before = self.changes.state_hash;
        let entry = Hash::of(body);
        self.changes.state_hash = Hash::of_parts(&[before.as_bytes(), subject.as_bytes(), &[0], entry.as_bytes()]);
    }

    fn close(&mut self, deal: &DealId, lines: Lines) {
        self.changes.lines.extend(lines);
        self.changes.open.insert(deal.clone(), None);
    }

    /// The lines that terms would leave, all their transfers together; the first that cannot be, by party
    /// and good.
    pub(super) fn posted(&self, terms: &Terms) -> Result<Lines, Inconsistent> {
        let awaits_confirmation = terms.delivery == Delivery::Confirmed;
        let mut postings: BTreeMap<(&AgentId, &Good), Posting> = BTreeMap::new();
        let certificates = self.standing().map(|standing| &standing.rules.good);
        for transfer in terms.transfers.iter().filter(|transfer| Some(&transfer.good) != certificates) {
            let quantity = i128::from(transfer.quantity.get());
            // At most 256 transfers of 63 bits.
            postings.entry((&transfer.from, &transfer.good)).or_default().given += quantity;
            postings.entry((&transfer.to, &transfer.good)).or_default().received += quantity;
        }
        let post = |((party, good), posting): ((&AgentId, &Good), Posting)| {
            let line = self.line(party, good).post(posting, awaits_confirmation);
            named(party, good, line)
        };
        postings.into_iter().map(post).collect()
    }

    /// The lines that an open deal's transfers leave when those in `reversed` are taken back and the others
    /// stay.
    fn released(&self, transfers: &[Transfer], reversed: &[u32]) -> Result<Lines, Inconsistent> {
        let mut postings: BTreeMap<(&AgentId, &Good), (Posting, Posting)> = BTreeMap::new();
        let certificates = self.standing().map(|standing| &standing.rules.good);
        for (index, transfer) in transfers.iter().enumerate().filter(|(_, t)| Some(&t.good) != certificates) {
            let back = u32::try_from(index).is_ok_and(|index| reversed.contains(&index));
            let quantity = i128::from(transfer.quantity.get());
            let mut side = |party, is_receipt: bool| {
                let (arrived, taken_back) = postings.entry((party, &transfer.good)).or_default();
                let posting = if back { taken_back } else { arrived };
                *(if is_receipt { &mut posting.received } else { &mut posting.given }) += quantity;
            };
            side(&transfer.from, false);
            side(&transfer.to, true);
        }
        let release = |((party, good), (arrived, taken_back)): ((&AgentId, &Good), (Posting, Posting))| {
            let line = self.line(party, good).release(arrived, taken_back);
            named(party, good, line)
        };
        postings.into_iter().map(release).collect()
    }

    /// The lines that a declaration would leave; the first limit that cannot be, by its index.
    pub(super) fn limited(&self, agent: &AgentId, declare: &Declare) -> Result<Lines, (usize, Inconsistent)> {
        let limit = |(index, limit): (usize, &schemas::ledger::Limit)| {
            let line = self.line(agent, &limit.good).limited(limit.quantity);
            named(agent, &limit.good, line).map_err(|fault| (index, fault))
        };
        declare.limits.iter().enumerate().map(limit).collect()
    }
}

fn named(party: &AgentId, good: &Good, line: Result<Line, LineFault>) -> Result<((AgentId, Good), Line), Inconsistent> {
    match line {
        Ok(line) => Ok(((party.clone(), good.clone()), line)),
        Err(fault) => Err(Inconsistent::Line { party: party.clone(), good: good.clone(), fault }),
    }
}

fn read_declare(body: &[u8]) -> Result<Declare, Refused> {
    schemas::decode(body, MAX_BODY_BYTES).map_err(|error: DecodeError| {
        let field = format!("cause.body.{}", error.field());
        Refused::new(field.trim_end_matches('.'), error.to_string())
    })
}
