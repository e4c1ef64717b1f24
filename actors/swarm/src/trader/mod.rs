//! An agent in Rust: it joins a market, accepts what is good for it, confirms what arrives, and leaves.
//!
//! A [`Peer`]: it hears events and says what should be done, and does no I/O, takes no clock and draws nothing at
//! random; so thousands share a connection, an actor each, and a test calls it directly.
//!
//! Whatever it asks it asks again, with the same bytes, until it is answered or too late: a time-out means that nobody
//! knows. What it hears it hears from its inbox: live, and from the registry where the live copy had a gap.

pub mod judge;
mod pending;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::Arc;

use runtime::peer::{Outbox, Peer, PeerEvent};
use runtime::port::{AppendError, Message, Record, RequestError};
use schemas::body::{self, Message as Body};
use schemas::deal::{Accept, Confirm, Delivery, Moved, ReadTerms, Reject, Terms};
use schemas::event::DealNote;
use schemas::header;
use schemas::ledger::{Declare, Declared, Limit};
use schemas::limit::{DEFAULT_LEASE_MS, MAX_BODY_BYTES, MAX_INBOX_PAGE};
use schemas::market::{Because, Intent, IntentWithdrawn};
use schemas::profile::{Profile, State};
use schemas::registry::{DirectMessage, InboxPage, Leave, ReadInbox, Register, Registered, Send};
use schemas::signature::{BadKey, PublicKey, Signer};
use schemas::subject::{self, DealVerb};
use schemas::{DealId, Hash, MoveId, decode, stream as streams};

use self::pending::{Ask, Pending, Purpose};
use crate::maker::SERVICE as MAKER;
use crate::news::{Ground, News};
use crate::plan::{Action, AgentPlan, Policy, Step};
use crate::remaining::{self, Use};
use crate::voice::{self, AskError, Voice};

/// How long an answer may take, in milliseconds.
const ANSWER_MS: u64 = 5_000;
/// Pause before asking again, in milliseconds.
const PAUSE_MS: i64 = 250;
/// How long a declaration may wait to be decided, in milliseconds.
const DECLARE_WITHIN_MS: i64 = 60_000;

/// The timer of the next step; the timer of the lease; from here on the timers that ask again.
const STEP: u64 = 0;
const LEASE: u64 = 1;

/// Where a trader's reports go.
pub type Report = Arc<dyn Fn(News) + std::marker::Send + Sync>;

/// Decides on terms, knowing what the plan says of them: an error is the reason that the others hear.
pub type Judge = Box<dyn Fn(&Terms, Result<(), Ground>) -> Result<(), String> + std::marker::Send>;

/// A deal that the agent has accepted, or is accepting.
struct Promise {
    terms: Terms,
    hash: Hash,
    moved: Use,
}

/// The agent.
pub struct Trader {
    plan: AgentPlan,
    voice: Voice,
    report: Report,
    judge: Option<Judge>,
    /// Time zero of its schedule, in Unix milliseconds.
    start_unix_ms: i64,
    next_step: usize,
    /// Limits are declared: it may join.
    ready: bool,
    here: bool,
    filled: Use,
    promised: BTreeMap<DealId, Promise>,
    pending: BTreeMap<u64, Pending>,
    next_tag: u64,
    /// The last sequence heard on its inbox; nothing before it registered.
    heard: Option<u64>,
    catching_up: bool,
    /// A live message came while it could not be placed: there is something to read.
    missed: bool,
    withdraws: bool,
    stopping: bool,
}

impl Trader {
    /// An agent that runs by its plan, on the bus of this account.
    ///
    /// # Errors
    /// When its seed is none.
    pub fn new(plan: AgentPlan, account: PublicKey, start_unix_ms: i64, report: Report) -> Result<Self, BadKey> {
        let signer = Signer::from_seed(&plan.seed, account, plan.id.as_str())?;
        Ok(Self {
            voice: Voice::new(plan.id.clone(), signer),
            plan,
            report,
            judge: None,
            start_unix_ms,
            next_step: 0,
            ready: false,
            here: false,
            filled: Use::default(),
            promised: BTreeMap::new(),
            pending: BTreeMap::new(),
            next_tag: LEASE + 1,
            heard: None,
            catching_up: false,
            missed: false,
            withdraws: false,
            stopping: false,
        })
    }

    /// An agent of nobody's scenario: it joins its market at once, and withdraws its intent when it is stopped.
    ///
    /// # Errors
    /// When its seed is none.
    pub fn joining(mut plan: AgentPlan, account: PublicKey, now_unix_ms: i64, report: Report) -> Result<Self, BadKey> {
        plan.schedule = vec![Step { at_ms: 0, action: Action::Join }];
        Ok(Self { withdraws: true, ..Self::new(plan, account, now_unix_ms, report)? })
    }

    /// Has an author's own judgement decide on proposals, in the place of the plan's.
    #[must_use]
    pub fn judged_by(
        self,
        judge: impl Fn(&Terms, Result<(), Ground>) -> Result<(), String> + std::marker::Send + 'static,
    ) -> Self {
        Self { judge: Some(Box::new(judge)), ..self }
    }

    fn tell(&self, news: News) {
        (self.report)(news);
    }

    fn went_wrong(&self, what: &str, error: &dyn std::fmt::Display) {
        self.tell(News::Error { agent: Some(self.plan.id.clone()), what: what.to_owned(), message: error.to_string() });
    }

    /// Says something signed, and remembers it until it is answered.
    fn ask(&mut self, purpose: Purpose, ask: Ask, until_unix_ms: i64, now_unix_ms: i64, out: &mut Outbox) {
        let tag = self.next_tag;
        self.next_tag += 1;
        self.pending.insert(tag, Pending { purpose, ask, until_unix_ms });
        self.say(tag, now_unix_ms, out);
    }

    fn say(&mut self, tag: u64, now_unix_ms: i64, out: &mut Outbox) {
        let Some(Pending { ask, .. }) = self.pending.get(&tag) else { return };
        match self.voice.say_bytes(ask.subject.clone(), ask.kind, ask.body.clone(), now_unix_ms) {
            Ok(message) if ask.is_stored => {
                let record = Record::new(message.subject, message.body).with_headers(message.headers);
                out.append(tag, streams::MARKET, vec![record]);
            }
            Ok(message) => out.request(tag, message, ANSWER_MS),
            Err(error) => {
                self.pending.remove(&tag);
                self.went_wrong("sign", &error);
            }
        }
    }

    fn register(&mut self, now_unix_ms: i64, out: &mut Outbox) {
        let register = Register {
            agent: self.plan.id.clone(),
            key: self.voice.signer().key().clone(),
            kind: self.plan.outlook.kind,
            capabilities: Vec::new(),
            subjects: Vec::new(),
            lease_ms: DEFAULT_LEASE_MS,
        };
        let ask = Ask::request(subject::endpoint("registry", "register"), &register);
        self.ask(Purpose::Register, ask, i64::MAX, now_unix_ms, out);
    }

    fn registered(&mut self, registered: &Registered, now_unix_ms: i64, out: &mut Outbox) {
        out.timer(LEASE, now_unix_ms.saturating_add(DEFAULT_LEASE_MS / 3));
        if let Some(heard) = self.heard {
            // The last of its inbox may be lost on its way, with nothing after it to show the gap.
            if registered.inbox_sequence > heard {
                self.catch_up(now_unix_ms, out);
            }
            return;
        }
        self.heard = Some(registered.inbox_sequence);
        if std::mem::take(&mut self.missed) {
            self.catch_up(now_unix_ms, out);
        }
        let limits: Vec<Limit> =
            self.plan.gives.iter().map(|give| Limit { good: give.good.clone(), quantity: give.limit.get() }).collect();
        if limits.is_empty() {
            return self.be_ready(now_unix_ms, out);
        }
        let deadline_unix_ms = now_unix_ms.saturating_add(DECLARE_WITHIN_MS);
        let Some(move_id) = move_id("declare", &now_unix_ms.to_string()) else { return };
        let declare = Declare { move_id, deadline_unix_ms, book: self.plan.market.clone(), limits };
        let ask = Ask::request(subject::endpoint("ledger", "declare"), &declare);
        self.ask(Purpose::Declare, ask, deadline_unix_ms, now_unix_ms, out);
    }

    fn be_ready(&mut self, now_unix_ms: i64, out: &mut Outbox) {
        self.ready = true;
        self.tell(News::Ready { agents: 1 });
        self.arm(now_unix_ms, out);
    }

    /// Arms the timer of the next step.
    fn arm(&mut self, now_unix_ms: i64, out: &mut Outbox) {
        let Some(step) = self.plan.schedule.get(self.next_step) else { return };
        let at_unix_ms = self.start_unix_ms.saturating_add_unsigned(step.at_ms);
        out.timer(STEP, at_unix_ms.max(now_unix_ms));
    }

    fn step(&mut self, now_unix_ms: i64, out: &mut Outbox) {
        let Some(step) = self.plan.schedule.get(self.next_step).copied() else { return };
        if now_unix_ms < self.start_unix_ms.saturating_add_unsigned(step.at_ms) {
            return self.arm(now_unix_ms, out);
        }
        self.next_step += 1;
        match step.action {
            Action::Join => {
                self.here = true;
                let intent = Ask::stored(subject::intent(&self.plan.market, &self.plan.id), &self.restated());
                self.ask(Purpose::Join, intent, i64::MAX, now_unix_ms, out);
            }
            Action::Leave => self.withdraw(now_unix_ms, out),
        }
        self.arm(now_unix_ms, out);
    }

    fn withdraw(&mut self, now_unix_ms: i64, out: &mut Outbox) {
        self.here = false;
        let withdrawn = IntentWithdrawn { market: self.plan.market.clone(), agent: self.plan.id.clone() };
        let ask = Ask::stored(subject::intent(&self.plan.market, &self.plan.id), &withdrawn);
        self.ask(Purpose::Leave, ask, i64::MAX, now_unix_ms, out);
    }

    /// What is used of all that it stated: what was committed, and what it has promised.
    fn used(&self) -> Use {
        let mut used = self.filled.clone();
        for promise in self.promised.values() {
            used.add(&promise.moved);
        }
        used
    }

    /// Its intent, of what is left.
    fn restated(&self) -> Intent {
        let used = self.used();
        Intent {
            gives: remaining::gives(&self.plan.gives, &used, |_| i64::MAX),
            wants: remaining::wants(&self.plan.wants, &used),
            ..self.plan.intent()
        }
    }

    /// Takes a message of its inbox, live or read.
    fn hear(&mut self, body: &[u8], now_unix_ms: i64, out: &mut Outbox) {
        match body::type_of(body, MAX_BODY_BYTES) {
            Ok(DealNote::TYPE) => match decode::<DealNote>(body, MAX_BODY_BYTES) {
                Ok(note) => self.note(note, now_unix_ms, out),
                Err(error) => self.went_wrong("note", &error),
            },
            Ok(DirectMessage::TYPE) => self.message(body),
            // What others say to it is no business of a trader's.
            _ => {}
        }
    }

    fn message(&self, body: &[u8]) {
        let Ok(message) = decode::<DirectMessage>(body, MAX_BODY_BYTES) else { return };
        let Ok(send) = decode::<Send>(&message.cause.body, MAX_BODY_BYTES) else { return };
        if message.from.as_str() != MAKER {
            return;
        }
        if let Ok(because) = decode::<Because>(&send.body, MAX_BODY_BYTES) {
            self.tell(News::Told { agent: self.plan.id.clone(), left_out: because.left_out });
        }
    }

    fn note(&mut self, note: DealNote, now_unix_ms: i64, out: &mut Outbox) {
        match note.state {
            // What is negotiated is not a trader's to judge: it heard nothing of the talk.
            State::Negotiating if note.profile.is_some_and(Profile::is_negotiated) => {}
            State::Negotiating => {
                if let Some(bytes) = &note.terms {
                    self.proposed(note.deal, bytes, now_unix_ms, out);
                }
            }
            // Where delivery is immediate, commit settles.
            State::Committed | State::Settled if note.event == "committed" => self.committed(&note, now_unix_ms, out),
            state if state.is_end() => self.ended(note),
            _ => {}
        }
    }

    fn ended(&mut self, note: DealNote) {
        self.promised.remove(&note.deal);
        let (agent, state) = (self.plan.id.clone(), Some(note.state));
        self.tell(News::Ended { agent, deal: note.deal, state, reason: note.reason });
    }

    fn proposed(&mut self, deal: DealId, bytes: &[u8], now_unix_ms: i64, out: &mut Outbox) {
        let Ok(ReadTerms { terms, hash }) = ReadTerms::read(bytes) else { return };
        if self.promised.contains_key(&deal) || terms.parties.binary_search(&self.plan.id).is_err() {
            return;
        }
        self.tell(News::Proposed { agent: self.plan.id.clone(), deal: deal.clone() });
        let verdict = match self.plan.policy {
            Policy::Silent => return,
            Policy::Rejects => Err(Ground::Policy),
            _ if !self.here || self.stopping => Err(Ground::Away),
            Policy::Honest | Policy::Unconfirming => judge::judge(&self.plan, &self.used(), &terms),
        };
        let verdict = match &self.judge {
            Some(judge) => judge(&terms, verdict).map_err(|reason| (verdict.err().unwrap_or(Ground::Policy), reason)),
            None => verdict.map_err(|ground| (ground, ground.reason().to_owned())),
        };
        let deadline_unix_ms = terms.expires_unix_ms;
        let me = self.plan.id.clone();
        match verdict {
            Ok(()) => {
                let Some(move_id) = move_id("accept", deal.as_str()) else { return };
                let valuation = judge::valuation(&self.plan, &terms);
                let holdings = judge::holdings(&self.plan, &self.used(), &terms);
                let accept = Accept {
                    move_id,
                    deadline_unix_ms,
                    deal: deal.clone(),
                    terms_hash: hash,
                    valuation,
                    holdings,
                    transcript: None,
                };
                let ask = Ask::request(subject::deal_move(DealVerb::Accept, &me, &deal), &accept);
                let moved = Use::of(&me, &terms);
                self.promised.insert(deal.clone(), Promise { terms, hash, moved });
                self.ask(Purpose::Accept(deal), ask, deadline_unix_ms, now_unix_ms, out);
            }
            Err((ground, reason)) => {
                let Some(move_id) = move_id("reject", deal.as_str()) else { return };
                let reject = Reject {
                    move_id,
                    deadline_unix_ms,
                    deal: deal.clone(),
                    terms_hash: Some(hash),
                    reason,
                    transcript: None,
                };
                let ask = Ask::request(subject::deal_move(DealVerb::Reject, &me, &deal), &reject);
                self.ask(Purpose::Reject(deal, ground), ask, deadline_unix_ms, now_unix_ms, out);
            }
        }
    }

    fn committed(&mut self, note: &DealNote, now_unix_ms: i64, out: &mut Outbox) {
        let deal = note.deal.clone();
        // A promise whose acceptance was never seen to arrive is forgotten: then the note itself tells what it was.
        let told = || {
            let ReadTerms { terms, hash } = ReadTerms::read(note.terms.as_deref()?).ok()?;
            let moved = Use::of(&self.plan.id, &terms);
            Some(Promise { terms, hash, moved })
        };
        let Some(promise) = self.promised.remove(&deal).or_else(told) else { return };
        self.filled.add(&promise.moved);
        self.tell(News::Committed { agent: self.plan.id.clone(), deal: deal.clone() });
        let receives = !promise.moved.received.is_empty();
        if promise.terms.delivery != Delivery::Confirmed || !receives || self.plan.policy == Policy::Unconfirming {
            return;
        }
        let until_unix_ms = promise.terms.transfers.iter().map(|t| t.due_unix_ms).max().unwrap_or(now_unix_ms);
        let Some(move_id) = move_id("confirm", deal.as_str()) else { return };
        let confirm =
            Confirm { move_id, deadline_unix_ms: until_unix_ms, deal: deal.clone(), terms_hash: promise.hash };
        let ask = Ask::request(subject::deal_move(DealVerb::Confirm, &self.plan.id, &deal), &confirm);
        self.ask(Purpose::Confirm(deal), ask, until_unix_ms, now_unix_ms, out);
    }

    /// A live message: the next of its inbox, one that it has, or one after a gap.
    fn live(&mut self, message: &Message, now_unix_ms: i64, out: &mut Outbox) {
        let number = |name: &str| message.headers.get(name).and_then(|text| text.parse::<u64>().ok());
        // Before it is registered it knows no place to begin at; its first read brings what came meanwhile.
        let Some(heard) = self.heard else {
            self.missed = true;
            return;
        };
        match (number(header::SEQUENCE), number(header::LAST_SEQUENCE)) {
            (Some(sequence), _) if sequence <= heard => {}
            // The page that is being read may have been written before this came.
            _ if self.catching_up => self.missed = true,
            (Some(sequence), Some(last)) if last <= heard => {
                self.heard = Some(sequence);
                self.hear(&message.body, now_unix_ms, out);
            }
            _ => self.catch_up(now_unix_ms, out),
        }
    }

    fn catch_up(&mut self, now_unix_ms: i64, out: &mut Outbox) {
        if self.catching_up {
            return;
        }
        self.catching_up = true;
        let after_sequence = self.heard.unwrap_or(0);
        let read = ReadInbox { agent: self.plan.id.clone(), after_sequence, limit: MAX_INBOX_PAGE };
        let ask = Ask::request(subject::endpoint("registry", "inbox"), &read);
        self.ask(Purpose::Inbox, ask, i64::MAX, now_unix_ms, out);
    }

    fn page(&mut self, page: InboxPage, now_unix_ms: i64, out: &mut Outbox) {
        self.catching_up = false;
        for entry in page.entries {
            if self.heard.is_none_or(|heard| entry.sequence > heard) {
                self.heard = Some(entry.sequence);
                self.hear(&entry.body, now_unix_ms, out);
            }
        }
        if page.more || std::mem::take(&mut self.missed) {
            self.catch_up(now_unix_ms, out);
        }
    }

    /// What was asked is answered, or must be asked again.
    fn answered(&mut self, tag: u64, result: Result<Message, RequestError>, now_unix_ms: i64, out: &mut Outbox) {
        let Some(purpose) = self.pending.get(&tag).map(|pending| pending.purpose.clone()) else { return };
        let outcome = match purpose {
            Purpose::Register => {
                voice::read::<Registered>(result).map(|answer| self.registered(&answer, now_unix_ms, out))
            }
            Purpose::Declare => voice::read::<Declared>(result).map(|_| self.be_ready(now_unix_ms, out)),
            Purpose::Inbox => voice::read::<InboxPage>(result).map(|page| self.page(page, now_unix_ms, out)),
            Purpose::Accept(_) | Purpose::Reject(..) | Purpose::Confirm(_) => {
                voice::read::<Moved>(result).map(|_| self.moved(purpose))
            }
            Purpose::Join | Purpose::Leave | Purpose::Depart => result.map(drop).map_err(AskError::from),
        };
        self.settle(tag, outcome, now_unix_ms, out);
    }

    fn stored(&mut self, tag: u64, result: Result<Vec<u64>, AppendError>, now_unix_ms: i64, out: &mut Outbox) {
        let outcome = match result {
            Ok(sequences) => {
                let agent = self.plan.id.clone();
                match self.pending.get(&tag).map(|pending| &pending.purpose) {
                    Some(Purpose::Join) => {
                        let sequence = sequences.first().copied().unwrap_or(0);
                        self.tell(News::Joined { agent, sequence });
                    }
                    Some(Purpose::Leave) => self.tell(News::Left { agent }),
                    _ => {}
                }
                Ok(())
            }
            Err(error @ (AppendError::TimedOut(_) | AppendError::Busy | AppendError::Unavailable(_))) => {
                Err(AskError::Unknown(error.to_string()))
            }
            Err(error) => Err(AskError::Unreadable(error.to_string())),
        };
        self.settle(tag, outcome, now_unix_ms, out);
    }

    fn moved(&self, purpose: Purpose) {
        let agent = self.plan.id.clone();
        match purpose {
            Purpose::Accept(deal) => self.tell(News::Accepted { agent, deal }),
            Purpose::Reject(deal, by) => self.tell(News::Rejected { agent, deal, by }),
            Purpose::Confirm(deal) => self.tell(News::Confirmed { agent, deal }),
            _ => {}
        }
    }

    fn settle(&mut self, tag: u64, outcome: Result<(), AskError>, now_unix_ms: i64, out: &mut Outbox) {
        let Err(error) = outcome else {
            self.pending.remove(&tag);
            return;
        };
        let again = self.pending.get(&tag).is_some_and(|pending| now_unix_ms < pending.until_unix_ms);
        if error.is_passing() && again && !self.stopping {
            return out.timer(tag, now_unix_ms.saturating_add(PAUSE_MS));
        }
        let Some(pending) = self.pending.remove(&tag) else { return };
        if let Purpose::Accept(deal) = &pending.purpose {
            self.promised.remove(deal);
        }
        if matches!(pending.purpose, Purpose::Inbox) {
            self.catching_up = false;
        }
        // Another party ended the deal first: that is life, not a fault.
        let ended = matches!(&error, AskError::Refused(reply) if matches!(reply.code, 409 | 410));
        if !(ended && pending.purpose.is_move()) {
            self.went_wrong(pending.purpose.name(), &error);
        }
        // Whom the registry doesn't take, nobody listens to.
        if matches!(pending.purpose, Purpose::Register) {
            out.stop();
        }
    }
}

impl Peer for Trader {
    fn on(&mut self, event: PeerEvent, now_unix_ms: i64, out: &mut Outbox) {
        match event {
            PeerEvent::Started => {
                out.subscribe(subject::live_inbox(&self.plan.id));
                self.register(now_unix_ms, out);
            }
            PeerEvent::Message(message) => self.live(&message, now_unix_ms, out),
            PeerEvent::Reply { tag, result } => self.answered(tag, result, now_unix_ms, out),
            PeerEvent::Appended { tag, result } => self.stored(tag, result, now_unix_ms, out),
            PeerEvent::Timer { tag: STEP } if self.ready => self.step(now_unix_ms, out),
            PeerEvent::Timer { tag: STEP } => {}
            PeerEvent::Timer { tag: LEASE } => self.register(now_unix_ms, out),
            PeerEvent::Timer { tag } => self.say(tag, now_unix_ms, out),
            PeerEvent::Failed { subject, error } => {
                self.went_wrong("send", &format!("{subject}: {error}"));
            }
            PeerEvent::Stopping => {
                self.stopping = true;
                if self.withdraws && self.here {
                    self.withdraw(now_unix_ms, out);
                }
                let ask = Ask::request(subject::endpoint("registry", "leave"), &Leave { agent: self.plan.id.clone() });
                self.ask(Purpose::Depart, ask, now_unix_ms, now_unix_ms, out);
            }
        }
    }
}

/// A move's id: what it does, and of what. Each agent accepts, rejects and confirms a deal at most once.
fn move_id(what: &str, of: &str) -> Option<MoveId> {
    MoveId::parse(&format!("{what}-{of}")).ok()
}
