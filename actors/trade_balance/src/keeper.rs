//! Keeps the books: one fenced writer for all of them, as a state machine without I/O.
//!
//! It sees the log in order. A certified deal waits until it is decided, a failed one until it is taken
//! back; declarations wait in a queue. A plan decides as many as fit a batch, each seeing the ones before,
//! and ends with a cursor for every book that it touches, under compare-and-set: if another ledger wrote
//! meanwhile, the whole plan fails, this one reads on and decides again what is then still undecided.
//! Whether a deal was decided is asked of the log alone, so nothing is posted twice, whoever dies when.

mod snapshot;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use schemas::body::{Message, decode, encode};
use schemas::core::{Answer, Call, Fenced, Planned};
use schemas::deal::{ReadTerms, Transfer};
use schemas::error::{Code, ErrorReply};
use schemas::event::{DealEvent, DealNote, Happening, Signed};
use schemas::keyring::{Keyring, LogRecord, RecordFault};
use schemas::ledger::{BalanceRequest, Balances, Cursor, Declare, Declared, LimitEvent};
use schemas::limit::{MAX_BATCH_MESSAGES, MAX_BODY_BYTES, MAX_CLEARING_BODY_BYTES, MAX_PARTIES};
use schemas::profile::State;
use schemas::{AgentId, DealId, Hash, MarketId, stream, subject};

use crate::ledger::{Book, Changes, Declaration, Draft, Entry, Verdict};

/// The service's name, and the name that its entries are signed with.
pub const LEDGER: &str = "ledger";
/// The desk's name, which signs the entries that the ledger answers to.
const DESK: &str = "deal";
/// Messages that one decision takes at most: the event, its settlement, and a note for each party and the
/// opener.
const MOST_FOR_ONE: usize = MAX_PARTIES + 3;

/// What is asked of the ledger.
#[derive(Debug, Clone)]
pub enum LedgerAsk {
    /// A signed declaration of limits; the signature is already checked.
    Declare {
        /// Who declares.
        agent: AgentId,
        /// The signed move.
        signed: Signed,
    },
    /// What do the books say?
    Balance(BalanceRequest),
}

/// The ledger.
#[derive(Debug, Default)]
pub struct Ledger {
    keys: Keyring,
    shelves: BTreeMap<MarketId, Shelf>,
    /// Certified and failed deals that are not decided yet, by the sequence of the entry that says so.
    waiting: BTreeMap<u64, Waiting>,
    by_deal: BTreeMap<DealId, u64>,
    declarations: VecDeque<Asked>,
    flight: Option<Flight>,
    /// What was seen while a plan was on its way; looked at when its fate is known.
    deferred: Vec<LogRecord>,
    /// Own entries that are on the books already and not yet seen.
    own: BTreeSet<u64>,
    answers: Vec<(u64, Answer)>,
    complaints: Vec<String>,
}

#[derive(Debug)]
struct Shelf {
    book: Book,
    /// The sequence of the last cursor; 0 for none.
    cursor: u64,
    /// The sequence of the last entry of each agent's limits.
    limits: BTreeMap<AgentId, u64>,
}

#[derive(Debug)]
struct Waiting {
    event: DealEvent,
    hash: Hash,
    /// The entry's exact body.
    body: Vec<u8>,
    book: MarketId,
}

#[derive(Debug, Clone)]
struct Asked {
    number: u64,
    agent: AgentId,
    signed: Signed,
    book: MarketId,
    call: Call,
}

/// A plan on its way.
#[derive(Debug)]
struct Flight {
    changes: Vec<(MarketId, Changes)>,
    /// What each record is, in the plan's order.
    records: Vec<Flown>,
    /// Declarations, each with its answer once the plan is written.
    declared: Vec<(Asked, Result<Declared, ErrorReply>)>,
    decided: Vec<u64>,
}

#[derive(Debug, Clone)]
enum Flown {
    Deal,
    Limit(MarketId, AgentId),
    Cursor(MarketId),
    Note,
}

impl Shelf {
    fn of(book: Book) -> Self {
        Self { book, cursor: 0, limits: BTreeMap::new() }
    }
}

impl Ledger {
    /// A ledger that has seen nothing.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// One book, if anything was ever written in it.
    #[must_use]
    pub fn book(&self, book: &MarketId) -> Option<&Book> {
        self.shelves.get(book).map(|shelf| &shelf.book)
    }

    /// Every book in which anything was ever written.
    pub fn books(&self) -> impl Iterator<Item = &Book> {
        self.shelves.values().map(|shelf| &shelf.book)
    }

    fn look(&mut self, record: &LogRecord) {
        if self.own.remove(&record.sequence) {
            return;
        }
        if let Err(complaint) = self.take_in(record) {
            self.complaints.push(format!("{} at sequence {}: {complaint}", record.subject, record.sequence));
        }
    }

    fn take_in(&mut self, record: &LogRecord) -> Result<(), String> {
        let said = |error: &dyn std::fmt::Display| error.to_string();
        if subject::parse_key_log(&record.subject).is_ok() {
            return self.keys.add(record).map_err(|e| said(&e));
        }
        if let Ok(deal) = subject::parse_deal_log(&record.subject) {
            let event: DealEvent = decode(&record.body, MAX_CLEARING_BODY_BYTES).map_err(|e| said(&e))?;
            if event.deal != deal {
                return Err("it tells of another deal".into());
            }
            return self.deal(record, event);
        }
        // The compare-and-set is the broker's: it counts every entry of a subject, whoever wrote it and whatever it says.
        if let Ok((book, agent)) = subject::parse_limit_log(&record.subject) {
            shelf(&mut self.shelves, &book).limits.insert(agent, record.sequence);
            self.written_by(record, LimitEvent::TYPE, &[LEDGER]).map_err(|e| said(&e))?;
            let event: LimitEvent = decode(&record.body, MAX_BODY_BYTES).map_err(|e| said(&e))?;
            return self.enter(&book, Entry::Limit { event: &event, body: &record.body });
        }
        let book = subject::parse_ledger_log(&record.subject).map_err(|e| said(&e))?;
        shelf(&mut self.shelves, &book).cursor = record.sequence;
        self.written_by(record, Cursor::TYPE, &[LEDGER]).map_err(|e| said(&e))?;
        let cursor: Cursor = decode(&record.body, MAX_BODY_BYTES).map_err(|e| said(&e))?;
        self.enter(&book, Entry::Cursor(&cursor))
    }

    fn enter(&mut self, book: &MarketId, entry: Entry<'_>) -> Result<(), String> {
        shelf(&mut self.shelves, book).book.apply(entry).map(|_| ()).map_err(|fault| fault.to_string())
    }

    fn deal(&mut self, record: &LogRecord, event: DealEvent) -> Result<(), String> {
        let writer: &[&str] = match &event.what {
            Happening::Certified { .. } | Happening::Failed { .. } => &[DESK],
            Happening::Committed { .. } | Happening::Compensated { .. } => &[LEDGER],
            Happening::Settled | Happening::Refused { .. } => &[DESK, LEDGER],
            // Nothing here concerns the books.
            _ => return Ok(()),
        };
        self.written_by(record, DealEvent::TYPE, writer).map_err(|fault| fault.to_string())?;
        let book = match &event.what {
            Happening::Certified { book, .. } => Some(book.clone()),
            Happening::Failed { .. } => self
                .shelves
                .iter()
                .find(|(_, shelf)| shelf.book.open(&event.deal).is_some())
                .map(|(book, _)| book.clone()),
            _ => None,
        };
        if let Some(book) = book {
            self.by_deal.insert(event.deal.clone(), record.sequence);
            let (hash, body) = (Hash::of(&record.body), record.body.clone());
            self.waiting.insert(record.sequence, Waiting { event, hash, body, book });
            return Ok(());
        }
        if let Some(sequence) = self.by_deal.remove(&event.deal) {
            self.waiting.remove(&sequence);
        }
        if let Happening::Committed { book, .. } = &event.what {
            shelf(&mut self.shelves, book);
        }
        for shelf in self.shelves.values_mut() {
            shelf.book.apply(Entry::Deal { event: &event, body: &record.body }).map_err(|fault| fault.to_string())?;
        }
        Ok(())
    }

    fn written_by(&self, record: &LogRecord, kind: &str, writers: &[&str]) -> Result<(), RecordFault> {
        let sender = record.sender(kind)?;
        self.keys.check(&sender)?;
        let signer = sender.name.unwrap_or_default();
        if writers.contains(&signer.as_str()) { Ok(()) } else { Err(RecordFault::Writer { signer }) }
    }
}

fn shelf<'a>(shelves: &'a mut BTreeMap<MarketId, Shelf>, book: &MarketId) -> &'a mut Shelf {
    shelves.entry(book.clone()).or_insert_with(|| Shelf::of(Book::new(book.clone())))
}

impl Fenced for Ledger {
    type Ask = LedgerAsk;
    const STREAM: &'static str = stream::DEALS;

    fn filters() -> Vec<String> {
        let core_key = |core: &str| AgentId::parse(core).ok().map(|core| subject::key_log(&core));
        let keys = [DESK, LEDGER].into_iter().filter_map(core_key);
        [subject::all_deal_logs(), subject::all_ledger_logs(), subject::all_limit_logs()]
            .into_iter()
            .chain(keys)
            .collect()
    }

    fn observe(&mut self, record: &LogRecord) {
        if self.flight.is_some() {
            self.deferred.push(record.clone());
        } else {
            self.look(record);
        }
    }

    fn ask(&mut self, number: u64, ask: LedgerAsk, call: &Call) {
        match ask {
            LedgerAsk::Balance(request) => {
                let balances = match self.book(&request.book) {
                    Some(book) => book.balances(request.party.as_ref()),
                    None => Book::new(request.book).balances(None),
                };
                self.answers.push((number, Ok((Balances::TYPE, encode(&balances)))));
            }
            LedgerAsk::Declare { agent, signed } => match decode::<Declare>(&signed.body, MAX_BODY_BYTES) {
                Ok(declare) => {
                    self.declarations.push_back(Asked { number, agent, signed, book: declare.book, call: call.clone() })
                }
                Err(error) => self.answers.push((number, Err(error.into()))),
            },
        }
    }

    fn plan(&mut self, now_unix_ms: i64) -> Vec<Planned> {
        for asked in &self.declarations {
            shelf(&mut self.shelves, &asked.book);
        }
        for waiting in self.waiting.values() {
            shelf(&mut self.shelves, &waiting.book);
        }
        let mut planner = Planner {
            shelves: &self.shelves,
            drafts: BTreeMap::new(),
            now_unix_ms,
            planned: Vec::new(),
            notes: Vec::new(),
            flown: Vec::new(),
            decided: Vec::new(),
            declared: Vec::new(),
        };
        while let Some(asked) = self.declarations.pop_front() {
            if !planner.has_room() {
                self.declarations.push_front(asked);
                break;
            }
            if let Some(answer) = planner.declare(asked) {
                self.answers.push(answer);
            }
        }
        let mut undecidable = Vec::new();
        for (sequence, waiting) in &self.waiting {
            if !planner.has_room() {
                break;
            }
            if let Err(complaint) = planner.decide(*sequence, waiting) {
                self.complaints.push(format!("deal {} at sequence {sequence}: {complaint}", waiting.event.deal));
                undecidable.push(*sequence);
            }
        }
        let (planned, flight) = planner.finish();
        for sequence in undecidable {
            self.waiting.remove(&sequence);
        }
        if !planned.is_empty() {
            self.flight = Some(flight);
        }
        planned
    }

    fn written(&mut self, sequences: &[u64]) {
        let Some(flight) = self.flight.take() else { return };
        for (book, changes) in flight.changes {
            if shelf(&mut self.shelves, &book).book.absorb(changes).is_err() {
                self.complaints.push(format!("book {book} moved while a plan was on its way"));
            }
        }
        for (flown, sequence) in flight.records.into_iter().zip(sequences) {
            match flown {
                Flown::Note => continue,
                Flown::Deal => {}
                Flown::Limit(book, agent) => {
                    shelf(&mut self.shelves, &book).limits.insert(agent, *sequence);
                }
                Flown::Cursor(book) => shelf(&mut self.shelves, &book).cursor = *sequence,
            }
            self.own.insert(*sequence);
        }
        for sequence in flight.decided {
            if let Some(waiting) = self.waiting.remove(&sequence) {
                self.by_deal.remove(&waiting.event.deal);
            }
        }
        for (asked, declared) in flight.declared {
            self.answers.push((asked.number, declared.map(|declared| (Declared::TYPE, encode(&declared)))));
        }
        for record in std::mem::take(&mut self.deferred) {
            self.look(&record);
        }
    }

    fn lost(&mut self) {
        if let Some(flight) = self.flight.take() {
            for (asked, _) in flight.declared.into_iter().rev() {
                self.declarations.push_front(asked);
            }
        }
        for record in std::mem::take(&mut self.deferred) {
            self.look(&record);
        }
    }

    fn snapshot(&self) -> Option<Vec<Vec<u8>>> {
        self.pieces()
    }

    fn restore(pieces: &[Vec<u8>]) -> Result<Self, String> {
        Self::of_pieces(pieces)
    }

    fn complaints(&mut self) -> Vec<String> {
        std::mem::take(&mut self.complaints)
    }

    fn answers(&mut self) -> Vec<(u64, Answer)> {
        std::mem::take(&mut self.answers)
    }
}

/// Makes one plan.
struct Planner<'a> {
    shelves: &'a BTreeMap<MarketId, Shelf>,
    drafts: BTreeMap<&'a MarketId, Drafted<'a>>,
    now_unix_ms: i64,
    planned: Vec<Planned>,
    notes: Vec<Planned>,
    flown: Vec<Flown>,
    decided: Vec<u64>,
    declared: Vec<(Asked, Result<Declared, ErrorReply>)>,
}

struct Drafted<'a> {
    draft: Draft<'a>,
    shelf: &'a Shelf,
    through: u64,
    /// Limits written in this very plan: only an agent's first is under compare-and-set.
    limited: BTreeSet<AgentId>,
}

impl<'a> Planner<'a> {
    fn has_room(&self) -> bool {
        let used = self.planned.len() + self.notes.len() + self.drafts.len();
        used + MOST_FOR_ONE < MAX_BATCH_MESSAGES
    }

    fn draft(&mut self, book: &MarketId) -> Option<&mut Drafted<'a>> {
        let (book, shelf) = self.shelves.get_key_value(book)?;
        Some(self.drafts.entry(book).or_insert_with(|| Drafted {
            draft: shelf.book.draft(),
            shelf,
            through: shelf.book.applied_through(),
            limited: BTreeSet::new(),
        }))
    }

    /// Decides a declaration; gives its answer when that doesn't depend on anything being written.
    fn declare(&mut self, asked: Asked) -> Option<(u64, Answer)> {
        let now_unix_ms = self.now_unix_ms;
        // What this plan writes is not recorded yet, so what is decided on it is answered once it is.
        let is_drafted = !self.planned.is_empty();
        let drafted = self.draft(&asked.book)?;
        let (event, declared) = match drafted.draft.decide_declare(&asked.agent, asked.signed.clone(), now_unix_ms) {
            Ok(Declaration::Recorded(declared)) if is_drafted => {
                self.declared.push((asked, Ok(declared)));
                return None;
            }
            Ok(Declaration::Recorded(declared)) => {
                return Some((asked.number, Ok((Declared::TYPE, encode(&declared)))));
            }
            Ok(Declaration::Write { event, declared }) => (event, declared),
            // Too late is for good: a batch with this declaration that may still be on its way fails at the cursor that
            // is written first.
            Err(refusal) if is_drafted || refusal.kind() == Code::Late => {
                self.declared.push((asked, Err(refusal)));
                return None;
            }
            Err(refusal) => return Some((asked.number, Err(refusal))),
        };
        let stale = asked.call.sender.as_ref().and_then(|sender| sender.check_fresh(asked.call.now_unix_ms).err());
        if let Some(stale) = stale {
            return Some((asked.number, Err(ErrorReply::new(Code::Unsigned, stale.to_string()).at_field("ts"))));
        }
        let body = encode(&event);
        if let Err(fault) = drafted.draft.apply(Entry::Limit { event: &event, body: &body }) {
            return Some((asked.number, Err(ErrorReply::refused("inconsistent", fault.to_string()))));
        }
        let first = drafted.limited.insert(asked.agent.clone());
        let expect = first.then(|| drafted.shelf.limits.get(&asked.agent).copied().unwrap_or(0));
        self.planned.push(Planned {
            subject: subject::limit_log(&asked.book, &asked.agent),
            kind: LimitEvent::TYPE,
            body,
            expect,
            signed: true,
        });
        self.flown.push(Flown::Limit(asked.book.clone(), asked.agent.clone()));
        self.declared.push((asked, Ok(declared)));
        None
    }

    /// Decides a certified or a failed deal.
    fn decide(&mut self, sequence: u64, waiting: &Waiting) -> Result<(), String> {
        let now_unix_ms = self.now_unix_ms;
        let drafted = self.draft(&waiting.book).ok_or("there is no such book")?;
        let event = &waiting.event;
        let moved = drafted.shelf.book.open(&event.deal).unwrap_or_default();
        let verdict = drafted.draft.decide_certified(event);
        let happening = match &verdict {
            Some(verdict) => verdict.happening(&event.what),
            None => drafted.draft.decide_failed(event),
        };
        let happening = happening.ok_or("it is not for the ledger to decide, or was decided before")?;
        let settles = matches!(verdict, Some(Verdict::Commit { immediate: true, .. }));
        drafted.through = drafted.through.max(sequence);
        let mut prev = waiting.hash;
        let mut expect = Some(sequence);
        let (mut planned, mut told) = (Vec::new(), Vec::new());
        for (turn, what) in
            (event.turn + 1..).zip([Some(happening), settles.then_some(Happening::Settled)].into_iter().flatten())
        {
            let written = DealEvent {
                deal: event.deal.clone(),
                turn,
                prev,
                at_unix_ms: now_unix_ms,
                what,
                cause: None,
                trace: event.trace.clone(),
            };
            let body = encode(&written);
            prev = Hash::of(&body);
            drafted.draft.apply(Entry::Deal { event: &written, body: &body }).map_err(|fault| fault.to_string())?;
            told.extend(notes(event, &written, moved, &waiting.book));
            planned.push(Planned {
                subject: subject::deal_log(&event.deal),
                kind: DealEvent::TYPE,
                body,
                expect: expect.take(),
                signed: true,
            });
        }
        self.flown.extend(planned.iter().map(|_| Flown::Deal));
        self.planned.append(&mut planned);
        self.notes.append(&mut told);
        self.decided.push(sequence);
        Ok(())
    }

    fn finish(mut self) -> (Vec<Planned>, Flight) {
        let mut changes = Vec::new();
        if !self.planned.is_empty() || !self.declared.is_empty() {
            for (book, mut drafted) in std::mem::take(&mut self.drafts) {
                let cursor = drafted.draft.cursor(drafted.through);
                // The draft made this cursor itself, so it fits.
                let _ = drafted.draft.apply(Entry::Cursor(&cursor));
                self.planned.push(Planned {
                    subject: subject::ledger_log(book),
                    kind: Cursor::TYPE,
                    body: encode(&cursor),
                    expect: Some(drafted.shelf.cursor),
                    signed: true,
                });
                self.flown.push(Flown::Cursor(book.clone()));
                changes.push((book.clone(), drafted.draft.finish()));
            }
        }
        self.flown.extend(self.notes.iter().map(|_| Flown::Note));
        self.planned.append(&mut self.notes);
        (self.planned, Flight { changes, records: self.flown, declared: self.declared, decided: self.decided })
    }
}

/// What is heard of an event that the ledger writes: by the parties and the opener of a certified deal; by the parties
/// of one that is taken back, whose opener was told that it failed. `moved` is what a deal on the books moves.
fn notes(answered: &DealEvent, written: &DealEvent, moved: &[Transfer], book: &MarketId) -> Vec<Planned> {
    let (opener, terms) = match &answered.what {
        Happening::Certified { opener, terms, .. } => (Some(opener), Some(terms)),
        _ => (None, None),
    };
    let (state, rule, reason) = match &written.what {
        Happening::Committed { .. } => (State::Committed, None, None),
        Happening::Settled => (State::Settled, None, None),
        Happening::Refused { rule, reason, .. } => (State::Refused, Some(rule.clone()), Some(reason.clone())),
        Happening::Compensated { reversed } => {
            let reason = format!("not delivered in time: {} of {} transfers taken back", reversed.len(), moved.len());
            (State::Compensated, None, Some(reason))
        }
        _ => return Vec::new(),
    };
    let note = DealNote {
        deal: written.deal.clone(),
        event: written.what.name().to_owned(),
        state,
        turn: written.turn,
        at_unix_ms: written.at_unix_ms,
        book: book.clone(),
        opener: opener.cloned(),
        profile: None,
        terms: terms.filter(|_| matches!(written.what, Happening::Committed { .. })).cloned(),
        by: None,
        rule,
        reason,
        rules: None,
    };
    let body = encode(&note);
    let stated = terms.and_then(|bytes| ReadTerms::read(bytes).ok()).map(|read| read.terms.parties);
    let parties = stated.into_iter().flatten().chain(moved.iter().flat_map(|t| [t.from.clone(), t.to.clone()]));
    let told: BTreeSet<AgentId> = parties.chain(opener.cloned()).collect();
    let note_to = |agent: AgentId| Planned {
        subject: subject::note(&agent),
        kind: DealNote::TYPE,
        body: body.clone(),
        expect: None,
        signed: false,
    };
    told.into_iter().map(note_to).collect()
}
