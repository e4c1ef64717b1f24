//! Decides after each step whether the promises are kept, from what is stored and what agents are told.
//!
//! It shares nothing with the cores but the wire: states and books are folded here again, by other code. What it asks for:
//!
//! - what was acknowledged is in the log, with the very body and the answer that was given; what the log holds is never
//!   refused when it is asked for again; what was refused at the only attempt is not in the log;
//! - no move stands twice, no deal is committed twice or ends twice, nothing follows an end;
//! - nothing is committed without every party's acceptance of those terms, and each was really sent by that party;
//! - nobody gives more than it declared and received, after every single entry; what is given is received;
//! - no import certificate is spent twice, and of each lot what was issued is what became of it;
//! - the chain of hashes is whole, in each log and over the books, and cursors state them;
//! - whoever must hear of an end has a note of it, once, and an entry of its inbox;
//! - when the faults are over, every deal comes to an end, and `deal::verify` finds each log good.

mod answers;
mod books;
mod deals;
mod imports;

use std::collections::{BTreeMap, BTreeSet};

use runtime::port::{Message, Stored};
use schemas::{
    AgentId, DealId, Hash, MarketId, MoveId,
    body::{DecodeError, Message as Body, decode},
    event::{DealNote, Signed},
    import::{CertificateEvent, Enact, Lots, Revoke},
    keyring::{Keyring, LogRecord},
    ledger::{Balances, Cursor, Declare, LimitEvent},
    limit::{MAX_BODY_BYTES, MAX_CLEARING_BODY_BYTES},
    profile::State,
    stream, subject,
};

use self::{answers::Asked, books::Book, deals::Deal, imports::Imports};

/// A promise that was broken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Broken {
    /// Which, a stable word.
    pub promise: &'static str,
    /// How, for people.
    pub how: String,
}

/// The promises, each a stable word.
pub mod promise {
    /// What is given is received.
    pub const CONSERVED: &str = "conserved";
    /// Every move, and so every transfer, at most once.
    pub const ONCE: &str = "once";
    /// One end a deal, and nothing after it.
    pub const ONE_END: &str = "one_end";
    /// No commit without all signatures.
    pub const SIGNED: &str = "signed";
    /// Nobody gives more than it declared.
    pub const WITHIN_LIMITS: &str = "within_limits";
    /// Import certificates are never overspent.
    pub const SOLVENT: &str = "solvent";
    /// The chain is intact.
    pub const CHAINED: &str = "chained";
    /// Every acknowledged move is in the log.
    pub const KEPT: &str = "kept";
    /// What is recorded is answered from the record.
    pub const REMEMBERED: &str = "remembered";
    /// Who must hear of something does.
    pub const TOLD: &str = "told";
    /// Everything ends when faults end.
    pub const ENDS: &str = "ends";
    /// The logs verify.
    pub const VERIFIES: &str = "verifies";
    /// Nobody panics.
    pub const SOUND: &str = "sound";
}

/// A move that the log holds.
#[derive(Clone, Debug)]
struct Recorded {
    sequence: u64,
    body: Hash,
    /// State and turn after it; of a declaration, nothing.
    outcome: Option<(State, u32)>,
}

/// Whose move, in which deal or book, under which id.
type MoveKey = (AgentId, String, MoveId);

/// Folds the log as it grows, and says what is wrong with it.
#[derive(Debug, Default)]
pub struct Checker {
    broken: Option<Broken>,
    log: Vec<Stored>,
    deals: BTreeMap<DealId, Deal>,
    books: BTreeMap<MarketId, Book>,
    moves: BTreeMap<MoveKey, Recorded>,
    limits: BTreeMap<String, (u32, Hash)>,
    told: BTreeSet<(AgentId, DealId, u32)>,
    events: BTreeMap<(DealId, u32), &'static str>,
    /// Everything that agents ever sent, signature and all.
    said: BTreeSet<(String, String, Hash)>,
    asked: BTreeMap<MoveKey, Asked>,
    /// Where the log ended when a question was sent.
    began: BTreeMap<u64, u64>,
    acknowledged: BTreeMap<MoveKey, u64>,
}

/// Why an entry is not what it should be.
type Fault = (&'static str, String);

fn fault<T>(promise: &'static str, how: impl Into<String>) -> Result<T, Fault> {
    Err((promise, how.into()))
}

impl Checker {
    /// The first promise that was broken.
    #[must_use]
    pub fn broken(&self) -> Option<&Broken> {
        self.broken.as_ref()
    }

    /// A promise is broken; the first one counts.
    pub fn break_promise(&mut self, promise: &'static str, how: impl Into<String>) {
        let how = how.into();
        self.broken.get_or_insert(Broken { promise, how });
    }

    /// Takes the next entry of the log of deals.
    pub fn stored(&mut self, stored: &Stored) {
        let next = self.log.last().map_or(1, |last| last.sequence + 1);
        if stored.sequence != next {
            self.break_promise(promise::CHAINED, format!("sequence {next} is missing"));
        }
        self.log.push(stored.clone());
        if let Err((promise, how)) = self.take(stored) {
            self.break_promise(promise, format!("{how} (sequence {} on {})", stored.sequence, stored.subject));
        }
    }

    fn take(&mut self, stored: &Stored) -> Result<(), Fault> {
        if subject::parse_deal_log(&stored.subject).is_ok() {
            return self.deal_entry(stored);
        }
        if let Ok((book, agent)) = subject::parse_limit_log(&stored.subject) {
            return self.limit_entry(stored, &book, &agent);
        }
        if let Ok(book) = subject::parse_certificate_log(&stored.subject) {
            return self.certificate_entry(stored, &book);
        }
        if let Ok(book) = subject::parse_ledger_log(&stored.subject) {
            return self.cursor(stored, &book);
        }
        if let Ok(agent) = subject::parse_note(&stored.subject) {
            return self.note(stored, agent);
        }
        Ok(())
    }

    fn limit_entry(&mut self, stored: &Stored, book_id: &MarketId, agent: &AgentId) -> Result<(), Fault> {
        let event: LimitEvent = read(&stored.body)?;
        let place = self.limits.get(&stored.subject).copied().unwrap_or((0, Hash::ZERO));
        if (event.turn, event.prev) != place || event.agent != *agent || event.book != *book_id {
            return fault(promise::CHAINED, format!("entry {} of {agent}'s limits doesn't follow", event.turn));
        }
        self.limits.insert(stored.subject.clone(), (event.turn + 1, Hash::of(&stored.body)));
        self.really_said(&event.cause)?;
        let declare: Declare = read(&event.cause.body)?;
        let book = self.books.entry(book_id.clone()).or_default();
        let short = book.declare(agent, &declare.limits);
        book.chain(&stored.subject, &stored.body);
        self.record((agent.clone(), book_id.to_string(), declare.move_id), stored, &event.cause, None)?;
        within_limits(short)
    }

    fn certificate_entry(&mut self, stored: &Stored, id: &MarketId) -> Result<(), Fault> {
        let event: CertificateEvent = read(&stored.body)?;
        let book = self.books.entry(id.clone()).or_default();
        let place = book.imports.as_ref().map_or((0, Hash::ZERO), |imports| (imports.turn, imports.head));
        if (event.turn, event.prev) != place || event.book != *id {
            return fault(promise::CHAINED, format!("entry {} on {id}'s certificates doesn't follow", event.turn));
        }
        book.chain(&stored.subject, &stored.body);
        let by = match (&event.cause, &event.deal) {
            (Some(cause), None) if cause.subject == subject::endpoint(trade_balance::LEDGER, "enact") => {
                let enact: Enact = read(&cause.body)?;
                let imports = book.imports.get_or_insert_with(|| Imports::new(enact.rules.clone()));
                imports.rules = enact.rules;
                Some((imports.rules.authority.clone(), enact.move_id, cause))
            }
            (Some(cause), None) => {
                let revoke: Revoke = read(&cause.body)?;
                let Some(imports) = &mut book.imports else { return fault(promise::SOLVENT, "nothing to revoke") };
                imports.at(event.at_unix_ms);
                if imports.revoke(&revoke.party, revoke.quantity.get(), revoke.lot_unix_ms) > 0 {
                    return fault(promise::SOLVENT, format!("{} has less than is revoked", revoke.party));
                }
                Some((imports.rules.authority.clone(), revoke.move_id, cause))
            }
            (None, Some(deal)) => {
                let Some(imports) = &mut book.imports else { return fault(promise::SOLVENT, "nothing is on its way") };
                imports.at(event.at_unix_ms);
                if self.deals.get(deal).is_none_or(|deal| deal.state() != State::Settled) || !imports.release(deal, &[])
                {
                    return fault(promise::SOLVENT, format!("{deal} is delivered, and wasn't on its way"));
                }
                None
            }
            _ => return fault(promise::CHAINED, "an entry on certificates without a cause"),
        };
        if let Some(imports) = &mut book.imports {
            imports.at(event.at_unix_ms);
            (imports.turn, imports.head) = (event.turn + 1, Hash::of(&stored.body));
        }
        if let Some((authority, move_id, cause)) = by {
            self.really_said(cause)?;
            self.record((authority, id.to_string(), move_id), stored, cause, None)?;
        }
        Ok(())
    }

    fn cursor(&mut self, stored: &Stored, book: &MarketId) -> Result<(), Fault> {
        let cursor: Cursor = read(&stored.body)?;
        let book = self.books.entry(book.clone()).or_default();
        if cursor.turn != book.next_turn || cursor.applied_through < book.applied_through {
            return fault(
                promise::CHAINED,
                format!("cursor {} doesn't follow, {} is next", cursor.turn, book.next_turn),
            );
        }
        if cursor.state_hash != book.state_hash {
            return fault(promise::CHAINED, format!("cursor {} states another hash of the books", cursor.turn));
        }
        (book.next_turn, book.applied_through) = (cursor.turn + 1, cursor.applied_through);
        Ok(())
    }

    fn note(&mut self, stored: &Stored, to: AgentId) -> Result<(), Fault> {
        let note: DealNote = read(&stored.body)?;
        if self.events.get(&(note.deal.clone(), note.turn)).copied() != Some(note.event.as_str()) {
            return fault(
                promise::TOLD,
                format!("{to} is told of {} of {}, which the log lacks", note.event, note.deal),
            );
        }
        let (deal, event) = (note.deal.clone(), note.event);
        if !self.told.insert((to.clone(), note.deal, note.turn)) {
            return fault(promise::ONCE, format!("{to} is told twice of {event} of {deal}"));
        }
        Ok(())
    }

    fn record(
        &mut self,
        key: MoveKey,
        stored: &Stored,
        cause: &Signed,
        outcome: Option<(State, u32)>,
    ) -> Result<(), Fault> {
        if let Some(before) = self.moves.get(&key) {
            let (by, _, id) = &key;
            return fault(
                promise::ONCE,
                format!("the move {id} of {by} stands at sequence {} already", before.sequence),
            );
        }
        self.moves.insert(key, Recorded { sequence: stored.sequence, body: Hash::of(&cause.body), outcome });
        Ok(())
    }

    /// Whether somebody said this, and not only somebody's key.
    fn really_said(&self, signed: &Signed) -> Result<(), Fault> {
        let said = (signed.subject.clone(), signed.sender.clone(), Hash::of(&signed.body));
        if self.said.contains(&said) {
            Ok(())
        } else {
            fault(promise::SIGNED, format!("nobody said that on {}", signed.subject))
        }
    }

    /// Power failed, and the log has lost its end.
    pub fn gone(&mut self, sequence: u64) {
        let acknowledged = self.acknowledged.iter().find(|(_, at)| **at >= sequence);
        if let Some(((by, scope, id), at)) = acknowledged {
            let how = format!("the move {id} of {by} in {scope} was acknowledged, and its entry {at} is gone");
            self.break_promise(promise::KEPT, how);
        }
        let log = std::mem::take(&mut self.log);
        self.deals.clear();
        self.books.clear();
        self.moves.clear();
        self.limits.clear();
        self.told.clear();
        self.events.clear();
        for stored in log.iter().filter(|stored| stored.sequence < sequence) {
            self.stored(stored);
        }
    }

    /// Whether every deal that there is has ended.
    #[must_use]
    pub fn all_ended(&self) -> bool {
        self.deals.values().all(Deal::is_over)
    }

    /// How many deals stand where.
    #[must_use]
    pub fn ends(&self) -> BTreeMap<String, u64> {
        let mut ends = BTreeMap::new();
        for deal in self.deals.values() {
            *ends.entry(deal.state().to_string()).or_default() += 1;
        }
        ends
    }

    /// How many moves the log holds.
    #[must_use]
    pub fn moves(&self) -> u64 {
        u64::try_from(self.moves.len()).unwrap_or(u64::MAX)
    }

    /// The faults are long over: every deal has ended, and everyone was told.
    pub fn at_rest(&mut self, inboxes: &[Stored]) {
        if let Some(deal) = self.deals.values().find(|deal| !deal.is_over()) {
            let how = format!("{} is still {}", deal.id(), deal.state());
            self.break_promise(promise::ENDS, how);
        }
        let untold = self.deals.values().find_map(|deal| {
            let untold = deal
                .must_be_told()
                .find(|(agent, turn)| !self.told.contains(&(agent.clone(), deal.id().clone(), *turn)))?;
            Some(format!("{} was not told that {} is {}", untold.0, deal.id(), deal.state()))
        });
        if let Some(untold) = untold {
            self.break_promise(promise::TOLD, untold);
        }
        let there: BTreeSet<(&str, Hash)> = inboxes.iter().map(|s| (s.subject.as_str(), Hash::of(&s.body))).collect();
        let missing = self.log.iter().find_map(|stored| {
            let agent = subject::parse_note(&stored.subject).ok()?;
            let inbox = subject::inbox(&agent);
            (!there.contains(&(inbox.as_str(), Hash::of(&stored.body)))).then_some(agent)
        });
        if let Some(agent) = missing {
            self.break_promise(promise::TOLD, format!("a note to {agent} is not in its inbox"));
        }
        self.refused_and_recorded();
    }

    /// What the ledger tells of a book.
    pub fn balances(&mut self, told: &Balances) {
        let differs = self.books.entry(told.book.clone()).or_default().differs(told);
        if let Some(how) = differs {
            self.break_promise(promise::CONSERVED, format!("{}: {how}", told.book));
        }
    }

    /// What the ledger tells of a book's import certificates.
    pub fn certificates(&mut self, told: &Lots) {
        let book = self.books.entry(told.book.clone()).or_default();
        let differs = match &book.imports {
            Some(imports) => imports.differs(told),
            None => {
                told.rules.is_some().then(|| "the ledger tells of certificates that the log doesn't know".to_owned())
            }
        };
        if let Some(how) = differs {
            self.break_promise(promise::SOLVENT, format!("{}: {how}", told.book));
        }
    }

    /// What the desk's own verifier says of each log.
    pub fn verify(&mut self) {
        let mut keys = Keyring::default();
        let mut logs: BTreeMap<DealId, Vec<LogRecord>> = BTreeMap::new();
        for stored in &self.log {
            if subject::parse_key_log(&stored.subject).is_ok() {
                // What is no entry of a key log is none for anybody.
                let _ = keys.add(&LogRecord::from(stored.clone()));
            } else if let Ok(deal) = subject::parse_deal_log(&stored.subject) {
                logs.entry(deal).or_default().push(LogRecord::from(stored.clone()));
            }
        }
        for (deal, records) in logs {
            if let Err(wrong) = deal::verify::verify(&deal, &records, &keys, &proof::Checker) {
                self.break_promise(promise::VERIFIES, format!("{deal}: {wrong}"));
            }
        }
    }
}

fn within_limits(short: Option<books::Short>) -> Result<(), Fault> {
    match short {
        None => Ok(()),
        Some((party, good, by)) => fault(promise::WITHIN_LIMITS, format!("{party} gives {by} {good} more than it may")),
    }
}

fn read<T: Body>(body: &[u8]) -> Result<T, Fault> {
    decode(body, MAX_CLEARING_BODY_BYTES).or_else(|error: DecodeError| fault(promise::CHAINED, error.to_string()))
}

/// Whose move a message is, if it is one.
fn key_of(message: &Message, by: &str) -> Option<MoveKey> {
    if let Ok((verb, by, deal)) = subject::parse_deal_move(&message.subject) {
        let ask = schemas::deal::Move::decode(verb, &message.body).ok()?;
        return Some((by, deal.to_string(), ask.move_id().clone()));
    }
    let (book, move_id) = match subject::parse_endpoint(&message.subject).ok()? {
        (trade_balance::LEDGER, "declare") => {
            decode(&message.body, MAX_BODY_BYTES).map(|Declare { book, move_id, .. }| (book, move_id))
        }
        (trade_balance::LEDGER, "enact") => {
            decode(&message.body, MAX_BODY_BYTES).map(|Enact { book, move_id, .. }| (book, move_id))
        }
        (trade_balance::LEDGER, "revoke") => {
            decode(&message.body, MAX_BODY_BYTES).map(|Revoke { book, move_id, .. }| (book, move_id))
        }
        _ => return None,
    }
    .ok()?;
    Some((by.parse().ok()?, book.to_string(), move_id))
}

/// The stream that the checker folds.
pub const STREAM: &str = stream::DEALS;
