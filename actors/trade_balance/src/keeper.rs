//! Keeps the books: one fenced writer for all of them, as a state machine without I/O.
//!
//! It sees the log in order. A certified deal waits until it is decided, a failed one until it is taken
//! back; declarations wait in a queue. A plan decides as many as fit a batch, each seeing the ones before,
//! and ends with a cursor for every book that it touches, under compare-and-set: if another ledger wrote
//! meanwhile, the whole plan fails, this one reads on and decides again what is then still undecided.
//! Whether a deal was decided is asked of the log alone, so nothing is posted twice, whoever dies when.

mod plan;
mod snapshot;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use schemas::body::{Message, decode, encode};
use schemas::core::{Answer, Call, Fenced, Planned};
use schemas::event::{DealEvent, Happening, Signed};
use schemas::import::{CertificateEvent, CertificatesRequest, ImportRules, Lots};
use schemas::keyring::{Keyring, LogRecord, RecordFault};
use schemas::ledger::{BalanceRequest, Balances, Cursor, Declare, LimitEvent};
use schemas::limit::{MAX_BODY_BYTES, MAX_CLEARING_BODY_BYTES};
use schemas::{AgentId, DealId, Hash, MarketId, stream, subject};

use self::plan::Planner;
use crate::ledger::{Book, Changes, Entry};

/// The service's name, and the name that its entries are signed with.
pub const LEDGER: &str = "ledger";
/// The desk's name, which signs the entries that the ledger answers to.
const DESK: &str = "deal";

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
    /// A signed move of whoever has authority over a book's import certificates; the signature is already checked.
    Authority {
        /// Who moves.
        agent: AgentId,
        /// The signed move.
        signed: Signed,
        /// The book that it names.
        book: MarketId,
        /// The rules that the market's declaration states now.
        declared: Option<Box<ImportRules>>,
    },
    /// What do the books say?
    Balance(BalanceRequest),
    /// Which import certificates are there, and who holds them?
    Certificates(CertificatesRequest),
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
    /// The sequence of the last entry on certificates; 0 for none.
    certificates: u64,
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
    about: About,
}

/// What a signed move is about.
#[derive(Debug, Clone)]
enum About {
    Limits,
    /// Import certificates, with the rules that the market's declaration states.
    Certificates(Option<Box<ImportRules>>),
}

/// A plan on its way.
#[derive(Debug)]
struct Flight {
    changes: Vec<(MarketId, Changes)>,
    /// What each record is, in the plan's order.
    records: Vec<Flown>,
    /// Declarations and moves of authorities, each with its answer once the plan is written.
    declared: Vec<(Asked, Answer)>,
    decided: Vec<u64>,
}

#[derive(Debug, Clone)]
enum Flown {
    Deal,
    Limit(MarketId, AgentId),
    Certificate(MarketId),
    Cursor(MarketId),
    Note,
}

impl Shelf {
    fn of(book: Book) -> Self {
        Self { book, cursor: 0, limits: BTreeMap::new(), certificates: 0 }
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
        if let Ok(book) = subject::parse_certificate_log(&record.subject) {
            shelf(&mut self.shelves, &book).certificates = record.sequence;
            self.written_by(record, CertificateEvent::TYPE, &[LEDGER]).map_err(|e| said(&e))?;
            let event: CertificateEvent = decode(&record.body, MAX_BODY_BYTES).map_err(|e| said(&e))?;
            if let Some(sequence) = event.deal.as_ref().and_then(|deal| self.by_deal.remove(deal)) {
                self.waiting.remove(&sequence);
            }
            return self.enter(&book, Entry::Certificate { event: &event, body: &record.body });
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
            // Delivered: what it moves is released at once, and its exports are verified by an entry of the ledger's own.
            Happening::Settled => self
                .shelves
                .iter_mut()
                .find(|(_, shelf)| shelf.book.awaits_delivery(&event.deal))
                .map(|(book, shelf)| {
                    let entry = Entry::Deal { event: &event, body: &record.body };
                    shelf.book.apply(entry).map(|_| book.clone()).map_err(|fault| fault.to_string())
                })
                .transpose()?,
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
        let certificates = subject::all_certificate_logs();
        [subject::all_deal_logs(), subject::all_ledger_logs(), subject::all_limit_logs(), certificates]
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
            LedgerAsk::Certificates(request) => {
                let lots = match self.book(&request.book) {
                    Some(book) => book.certificates(request.party.as_ref()),
                    None => Book::new(request.book).certificates(None),
                };
                self.answers.push((number, Ok((Lots::TYPE, encode(&lots)))));
            }
            LedgerAsk::Authority { agent, signed, book, declared } => {
                let about = About::Certificates(declared);
                self.declarations.push_back(Asked { number, agent, signed, book, call: call.clone(), about });
            }
            LedgerAsk::Declare { agent, signed } => match decode::<Declare>(&signed.body, MAX_BODY_BYTES) {
                Ok(Declare { book, .. }) => {
                    let about = About::Limits;
                    self.declarations.push_back(Asked { number, agent, signed, book, call: call.clone(), about });
                }
                Err(error) => self.answers.push((number, Err(error.into()))),
            },
        }
    }

    fn plan(&mut self, now_unix_ms: i64) -> Vec<Planned> {
        let mut unknown = BTreeSet::new();
        let asked = self.declarations.iter().map(|asked| &asked.book);
        for book in asked.chain(self.waiting.values().map(|waiting| &waiting.book)) {
            if !self.shelves.contains_key(book) {
                shelf(&mut self.shelves, book);
                unknown.insert(book.clone());
            }
        }
        let mut planner = Planner::new(&self.shelves, now_unix_ms);
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
        // Whoever asks about a book of which nothing is written leaves nothing behind.
        for book in unknown {
            if !flight.changes.iter().any(|(changed, _)| *changed == book) {
                self.shelves.remove(&book);
            }
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
                Flown::Certificate(book) => shelf(&mut self.shelves, &book).certificates = *sequence,
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
            self.answers.push((asked.number, declared));
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
