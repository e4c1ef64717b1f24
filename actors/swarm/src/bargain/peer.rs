//! An agent that negotiates: the talk is plain messages from party to party, the desk hears of opening and end.
//!
//! Whatever is lost on its way comes again: a party that has heard nothing for a while says its last word once more,
//! which whoever has it refuses as a duplicate, and reads its inbox.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use negotiation::{Alternating, Negotiator, Ranking, Rule};
use runtime::peer::{Outbox, Peer, PeerEvent};
use runtime::port::{Message, RequestError};
use schemas::body::Message as Body;
use schemas::deal::{Accept, Moved, Open, Propose, Reject, Terms};
use schemas::event::DealNote;
use schemas::header::Headers;
use schemas::ledger::{Declare, Declared, Limit};
use schemas::limit::{MAX_BODY_BYTES, MAX_INBOX_PAGE, MAX_LEASE_MS};
use schemas::negotiation::{self as wire, Agreement, ReadRules, Rules};
use schemas::profile::{Profile, State};
use schemas::registry::{InboxPage, ReadInbox, Register, Registered};
use schemas::signature::{BadKey, PublicKey, Signer};
use schemas::subject::{self, DealVerb};
use schemas::talk::Talk;
use schemas::value::Valuation;
use schemas::{AgentId, DealId, Good, Hash, MarketId, MoveId, decode, encode};
use terms::terms_of;

use super::Meeting;
use crate::voice::{self, Voice};

/// The timer that makes a peer begin: its host wakes it when everybody is here.
pub const BEGIN: u64 = 0;
/// The timer that looks whether anything is stuck; from here on the timers that ask again.
const LOOK: u64 = 1;

/// How long an answer may take, in milliseconds.
const ANSWER_MS: u64 = 10_000;
/// Pause before asking again, in milliseconds.
const PAUSE_MS: i64 = 250;
/// How often it looks whether anything is stuck, and how long nothing may happen until it is, in milliseconds.
const STUCK_MS: i64 = 3_000;
/// Most words that are kept of a talk whose opening was not heard yet.
const MOST_EARLY: usize = 64;

/// What a bargainer reports.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum News {
    /// It is registered.
    Ready,
    /// It refused a word that was not there already, by this rule.
    Refused(Rule),
    /// Something went wrong.
    Error(String),
}

/// Where its reports go.
pub type Report = Arc<dyn Fn(News) + Send + Sync>;

/// A talk under way.
struct Session {
    meeting: Arc<Meeting>,
    negotiator: Negotiator,
    expires_unix_ms: i64,
    /// Its own last word.
    said: Option<Vec<u8>>,
    /// The terms on the desk's table.
    proposed: Option<Hash>,
    heard_unix_ms: i64,
}

/// What was asked and is not answered.
struct Pending {
    purpose: Purpose,
    subject: String,
    kind: &'static str,
    body: Vec<u8>,
    until_unix_ms: i64,
}

#[derive(Clone)]
enum Purpose {
    Register,
    Declare,
    Inbox,
    Open(DealId),
    Propose(DealId),
    Accept,
    Reject(DealId),
}

/// The agent.
pub struct Bargainer {
    voice: Voice,
    report: Report,
    meetings: BTreeMap<DealId, (Arc<Meeting>, usize)>,
    /// Those that it has to open.
    to_open: VecDeque<DealId>,
    /// How many more it may open now.
    free: usize,
    /// The rules that it has opened with, and when the deal lapses, in Unix milliseconds.
    opened: BTreeMap<DealId, (Vec<u8>, i64)>,
    sessions: BTreeMap<DealId, Session>,
    early: BTreeMap<DealId, Vec<Vec<u8>>>,
    pending: BTreeMap<u64, Pending>,
    next_tag: u64,
    /// What of its inbox it has read, apart from what came live.
    read: u64,
}

impl Bargainer {
    /// An agent that takes part in these of a gathering's meetings that it has a seat in.
    ///
    /// # Errors
    /// When its seed is none.
    pub fn new(
        agent: AgentId,
        seed: &str,
        account: PublicKey,
        meetings: &[Arc<Meeting>],
        at_once: usize,
        report: Report,
    ) -> Result<Self, BadKey> {
        let signer = Signer::from_seed(seed, account, agent.as_str())?;
        let seat = |meeting: &Arc<Meeting>| {
            let seat = meeting.seats.iter().position(|seat| seat.agent == agent)?;
            Some((meeting.deal.clone(), (Arc::clone(meeting), seat)))
        };
        let own: Vec<(DealId, (Arc<Meeting>, usize))> = meetings.iter().filter_map(seat).collect();
        let to_open = own.iter().filter(|(_, (_, seat))| *seat == 0).map(|(deal, _)| deal.clone()).collect();
        Ok(Self {
            voice: Voice::new(agent, signer),
            report,
            meetings: own.into_iter().collect(),
            to_open,
            free: at_once,
            opened: BTreeMap::new(),
            sessions: BTreeMap::new(),
            early: BTreeMap::new(),
            pending: BTreeMap::new(),
            next_tag: LOOK + 1,
            read: 0,
        })
    }

    fn me(&self) -> &AgentId {
        self.voice.agent()
    }

    fn tell(&self, news: News) {
        (self.report)(news);
    }

    fn went_wrong(&self, what: &str, error: &dyn std::fmt::Display) {
        self.tell(News::Error(format!("{}: {what}: {error}", self.me())));
    }

    fn ask<T: Body>(
        &mut self,
        purpose: Purpose,
        subject: String,
        said: &T,
        until_unix_ms: i64,
        now_unix_ms: i64,
        out: &mut Outbox,
    ) {
        let tag = self.next_tag;
        self.next_tag += 1;
        let body = encode(said);
        self.pending.insert(tag, Pending { purpose, subject, kind: T::TYPE, body, until_unix_ms });
        self.say(tag, now_unix_ms, out);
    }

    fn say(&mut self, tag: u64, now_unix_ms: i64, out: &mut Outbox) {
        let Some(pending) = self.pending.get(&tag) else { return };
        match self.voice.say_bytes(pending.subject.clone(), pending.kind, pending.body.clone(), now_unix_ms) {
            Ok(message) => out.request(tag, message, ANSWER_MS),
            Err(error) => self.went_wrong("sign", &error),
        }
    }

    fn register(&mut self, now_unix_ms: i64, out: &mut Outbox) {
        let register = Register {
            agent: self.me().clone(),
            key: self.voice.signer().key().clone(),
            kind: schemas::value::PartyKind::default(),
            capabilities: Vec::new(),
            subjects: Vec::new(),
            lease_ms: MAX_LEASE_MS,
        };
        self.ask(Purpose::Register, subject::endpoint("registry", "register"), &register, i64::MAX, now_unix_ms, out);
    }

    /// Declares that it may give as much as it likes of whatever it may come to give.
    fn declare(&mut self, now_unix_ms: i64, out: &mut Outbox) {
        let mut goods: BTreeMap<MarketId, Vec<Good>> = BTreeMap::new();
        for (meeting, seat) in self.meetings.values() {
            let given = meeting.domain.transfers.iter().filter(|pattern| pattern.from as usize == *seat);
            goods.entry(meeting.book.clone()).or_default().extend(given.flat_map(|pattern| pattern.goods.clone()));
        }
        let Some((book, mut goods)) = goods.pop_first() else { return self.tell(News::Ready) };
        goods.sort();
        goods.dedup();
        let limits = goods.into_iter().map(|good| Limit { good, quantity: i64::MAX / 2 }).collect();
        let until_unix_ms = now_unix_ms.saturating_add(MAX_LEASE_MS);
        let Some(move_id) = move_id("declare", &now_unix_ms.to_string()) else { return };
        let declare = Declare { move_id, deadline_unix_ms: until_unix_ms, book, limits };
        let to = subject::endpoint("ledger", "declare");
        self.ask(Purpose::Declare, to, &declare, until_unix_ms, now_unix_ms, out);
    }

    fn open_next(&mut self, now_unix_ms: i64, out: &mut Outbox) {
        while self.free > 0 {
            let Some(deal) = self.to_open.pop_front() else { return };
            let Some((meeting, _)) = self.meetings.get(&deal).cloned() else { continue };
            self.free -= 1;
            let talk_until_unix_ms = now_unix_ms.saturating_add(meeting.within_ms);
            let expires_unix_ms = talk_until_unix_ms.saturating_add(meeting.within_ms);
            let mut domain = meeting.domain.clone();
            domain.transfers.iter_mut().for_each(|pattern| pattern.due_unix_ms = expires_unix_ms);
            let order: Vec<AgentId> = meeting.seats.iter().map(|seat| seat.agent.clone()).collect();
            let mut parties = order.clone();
            parties.sort();
            let rules = encode(&wire::Alternating { domain, order, rounds: meeting.rounds, talk_until_unix_ms });
            let open = Open {
                move_id: meeting.move_id.clone(),
                deadline_unix_ms: expires_unix_ms,
                book: meeting.book.clone(),
                profile: Profile::Sao,
                parties,
                expires_unix_ms,
                terms: None,
                requires: Vec::new(),
                rules: Some(rules.clone()),
            };
            self.opened.insert(deal.clone(), (rules, expires_unix_ms));
            let to = subject::deal_move(DealVerb::Open, self.me(), &deal);
            self.ask(Purpose::Open(deal), to, &open, expires_unix_ms, now_unix_ms, out);
        }
    }

    /// Sits down to a talk, by the rules that it was opened with.
    fn sit_down(&mut self, deal: &DealId, rules: &[u8], now_unix_ms: i64, out: &mut Outbox) {
        if self.sessions.contains_key(deal) {
            return;
        }
        let Some((meeting, seat)) = self.meetings.get(deal).cloned() else { return };
        let Ok(read) = ReadRules::read(Profile::Sao, rules) else { return };
        let Rules::Alternating(said) = &read.rules else { return };
        let lapses = said.domain.transfers.iter().map(|pattern| pattern.due_unix_ms).min();
        let expires_unix_ms = lapses.unwrap_or(said.talk_until_unix_ms);
        let Some(seat) = meeting.seats.get(seat) else { return };
        let ranking = Arc::new(Ranking::new(&meeting.space, &seat.preferences.utility));
        let (preferences, strategy) = (seat.preferences.clone(), seat.manner.strategy(seat.seed));
        let negotiator = Alternating::new(deal.clone(), read)
            .and_then(|talk| Negotiator::new(seat.agent.clone(), talk, preferences, ranking, strategy));
        let Some(negotiator) = negotiator else { return };
        let (said, proposed) = (None, None);
        let heard_unix_ms = now_unix_ms;
        let session = Session { meeting, negotiator, expires_unix_ms, said, proposed, heard_unix_ms };
        self.sessions.insert(deal.clone(), session);
        for word in self.early.remove(deal).unwrap_or_default() {
            self.hear(deal, &word, now_unix_ms, out);
        }
        self.speak(deal, now_unix_ms, out);
    }

    /// Speaks where it has the floor, and signs where the talk has ended.
    fn speak(&mut self, deal: &DealId, now_unix_ms: i64, out: &mut Outbox) {
        let Some(session) = self.sessions.get_mut(deal) else { return };
        if let Some(word) = session.negotiator.speak(now_unix_ms) {
            session.said = Some(word);
            self.repeat(deal, out);
            self.close(deal, now_unix_ms, out);
        }
    }

    /// Says its last word to all others.
    fn repeat(&self, deal: &DealId, out: &mut Outbox) {
        let Some(session) = self.sessions.get(deal) else { return };
        let Some(word) = &session.said else { return };
        let kind = Talk::decode(word).map_or("talk.offer", |word| word.kind());
        for seat in session.meeting.seats.iter().filter(|seat| seat.agent != *self.me()) {
            let to = subject::talk(&seat.agent, deal);
            out.publish(Message::new(to, word.clone()).with_headers(Headers::of_type(kind)));
        }
    }

    /// Hears a word of another party.
    fn hear(&mut self, deal: &DealId, word: &[u8], now_unix_ms: i64, out: &mut Outbox) {
        let Some(session) = self.sessions.get_mut(deal) else {
            // The talk may reach it before the note of its opening does.
            if self.meetings.contains_key(deal) {
                let early = self.early.entry(deal.clone()).or_default();
                if early.len() < MOST_EARLY {
                    early.push(word.to_vec());
                }
            }
            return;
        };
        match session.negotiator.hear(word, now_unix_ms) {
            Ok(()) => {
                session.heard_unix_ms = now_unix_ms;
                self.accept(deal, now_unix_ms, out);
                self.speak(deal, now_unix_ms, out);
            }
            Err(refusal) if refusal.rule == Rule::Duplicate => {}
            Err(refusal) => self.tell(News::Refused(refusal.rule)),
        }
    }

    /// The terms that the agreed outcome makes.
    fn agreed(&self, deal: &DealId) -> Option<(Agreement, Terms)> {
        let session = self.sessions.get(deal)?;
        let talk = session.negotiator.talk();
        let outcome = talk.agreed()?.to_vec();
        let rules = talk.rules();
        let terms =
            terms_of(&rules.domain, &rules.order, &session.meeting.book, session.expires_unix_ms, &outcome).ok()?;
        Some((Agreement { outcome, transcript: talk.transcript() }, terms))
    }

    /// Whoever said the last word tells the desk what the talk came to.
    fn close(&mut self, deal: &DealId, now_unix_ms: i64, out: &mut Outbox) {
        let Some(session) = self.sessions.get(deal).filter(|session| session.negotiator.talk().end().is_some()) else {
            return;
        };
        let (until_unix_ms, transcript) = (session.expires_unix_ms, session.negotiator.talk().transcript());
        let deadline_unix_ms = until_unix_ms;
        if let Some((agreement, terms)) = self.agreed(deal) {
            let Some(move_id) = move_id("propose", deal.as_str()) else { return };
            let terms = encode(&terms);
            let propose = Propose { move_id, deadline_unix_ms, deal: deal.clone(), terms, agreement: Some(agreement) };
            let to = subject::deal_move(DealVerb::Propose, self.me(), deal);
            self.ask(Purpose::Propose(deal.clone()), to, &propose, until_unix_ms, now_unix_ms, out);
        } else {
            let Some(move_id) = move_id("reject", deal.as_str()) else { return };
            let reason = "no agreement".to_owned();
            let transcript = Some(transcript);
            let reject = Reject { move_id, deadline_unix_ms, deal: deal.clone(), terms_hash: None, reason, transcript };
            let to = subject::deal_move(DealVerb::Reject, self.me(), deal);
            self.ask(Purpose::Reject(deal.clone()), to, &reject, until_unix_ms, now_unix_ms, out);
        }
    }

    /// Accepts what is on the desk's table, if it is what it has agreed on.
    fn accept(&mut self, deal: &DealId, now_unix_ms: i64, out: &mut Outbox) {
        let Some((Agreement { transcript, .. }, terms)) = self.agreed(deal) else { return };
        let Some(session) = self.sessions.get_mut(deal) else { return };
        let hash = Hash::of(&encode(&terms));
        if session.proposed != Some(hash) {
            return;
        }
        session.proposed = None;
        let until_unix_ms = session.expires_unix_ms;
        let Some(move_id) = move_id("accept", deal.as_str()) else { return };
        let accept = Accept {
            move_id,
            deadline_unix_ms: until_unix_ms,
            deal: deal.clone(),
            terms_hash: hash,
            valuation: Valuation::default(),
            holdings: Vec::new(),
            transcript: Some(transcript),
        };
        let to = subject::deal_move(DealVerb::Accept, self.me(), deal);
        self.ask(Purpose::Accept, to, &accept, until_unix_ms, now_unix_ms, out);
    }

    /// What the desk and the ledger say.
    fn note(&mut self, body: &[u8], now_unix_ms: i64, out: &mut Outbox) {
        let Ok(note) = decode::<DealNote>(body, MAX_BODY_BYTES) else { return };
        match (note.state, &note.rules, &note.terms) {
            (State::Open, Some(rules), _) => self.sit_down(&note.deal, rules, now_unix_ms, out),
            (State::Negotiating, _, Some(terms)) => {
                if let Some(session) = self.sessions.get_mut(&note.deal) {
                    session.proposed = Some(Hash::of(terms));
                    self.accept(&note.deal, now_unix_ms, out);
                }
            }
            (State::Committed, ..) => self.over(&note.deal, now_unix_ms, out),
            (state, ..) if state.is_end() => self.over(&note.deal, now_unix_ms, out),
            _ => {}
        }
    }

    /// A meeting is over: there is room for the next.
    fn over(&mut self, deal: &DealId, now_unix_ms: i64, out: &mut Outbox) {
        self.sessions.remove(deal);
        self.early.remove(deal);
        let Some((_, seat)) = self.meetings.remove(deal) else { return };
        if seat == 0 {
            self.opened.remove(deal);
            self.free += 1;
            self.open_next(now_unix_ms, out);
        }
    }

    fn answered(&mut self, tag: u64, result: Result<Message, RequestError>, now_unix_ms: i64, out: &mut Outbox) {
        let Some(purpose) = self.pending.get(&tag).map(|pending| pending.purpose.clone()) else { return };
        let outcome = match &purpose {
            Purpose::Register => voice::read::<Registered>(result).map(|answer| {
                self.read = answer.inbox_sequence;
                self.declare(now_unix_ms, out);
            }),
            Purpose::Declare => voice::read::<Declared>(result).map(|_| self.tell(News::Ready)),
            Purpose::Inbox => voice::read::<InboxPage>(result).map(|page| self.page(page, now_unix_ms, out)),
            Purpose::Open(deal) => voice::read::<Moved>(result).map(|_| {
                if let Some((rules, _)) = self.opened.get(deal).cloned() {
                    self.sit_down(deal, &rules, now_unix_ms, out);
                }
            }),
            Purpose::Propose(deal) => voice::read::<Moved>(result).map(|moved| {
                if let Some(session) = self.sessions.get_mut(deal) {
                    session.proposed = moved.terms_hash;
                    self.accept(deal, now_unix_ms, out);
                }
            }),
            Purpose::Accept => voice::read::<Moved>(result).map(drop),
            Purpose::Reject(deal) => voice::read::<Moved>(result).map(|_| self.over(deal, now_unix_ms, out)),
        };
        let Err(error) = outcome else {
            self.pending.remove(&tag);
            return;
        };
        if error.is_passing() && self.pending.get(&tag).is_some_and(|pending| now_unix_ms < pending.until_unix_ms) {
            return out.timer(tag, now_unix_ms.saturating_add(PAUSE_MS));
        }
        self.pending.remove(&tag);
        self.went_wrong("asked", &error);
        // What was never opened is over for whoever would have opened it.
        if let Purpose::Open(deal) = purpose {
            self.over(&deal, now_unix_ms, out);
        }
    }

    fn page(&mut self, page: InboxPage, now_unix_ms: i64, out: &mut Outbox) {
        let more = page.more;
        for entry in page.entries {
            self.read = self.read.max(entry.sequence);
            self.note(&entry.body, now_unix_ms, out);
        }
        if more {
            self.catch_up(now_unix_ms, out);
        }
    }

    fn catch_up(&mut self, now_unix_ms: i64, out: &mut Outbox) {
        let read = ReadInbox { agent: self.me().clone(), after_sequence: self.read, limit: MAX_INBOX_PAGE };
        let until_unix_ms = now_unix_ms.saturating_add(STUCK_MS);
        self.ask(Purpose::Inbox, subject::endpoint("registry", "inbox"), &read, until_unix_ms, now_unix_ms, out);
    }

    /// Says again what may be lost, and reads what it may not have heard.
    fn look(&mut self, now_unix_ms: i64, out: &mut Outbox) {
        let is_stuck = |session: &Session| session.heard_unix_ms.saturating_add(STUCK_MS) < now_unix_ms;
        let stuck: Vec<DealId> =
            self.sessions.iter().filter(|(_, session)| is_stuck(session)).map(|(deal, _)| deal.clone()).collect();
        for deal in &stuck {
            self.repeat(deal, out);
        }
        let waits = !self.early.is_empty() || !stuck.is_empty();
        if waits && !self.pending.values().any(|pending| matches!(pending.purpose, Purpose::Inbox)) {
            self.catch_up(now_unix_ms, out);
        }
        out.timer(LOOK, now_unix_ms.saturating_add(STUCK_MS));
    }
}

impl Peer for Bargainer {
    fn on(&mut self, event: PeerEvent, now_unix_ms: i64, out: &mut Outbox) {
        match event {
            PeerEvent::Started => {
                out.subscribe(subject::live_inbox(self.me()));
                out.subscribe(subject::all_talk_to(self.me()));
                self.register(now_unix_ms, out);
            }
            PeerEvent::Message(message) => match subject::parse_talk(&message.subject) {
                Ok((_, deal)) => self.hear(&deal, &message.body, now_unix_ms, out),
                Err(_) => self.note(&message.body, now_unix_ms, out),
            },
            PeerEvent::Reply { tag, result } => self.answered(tag, result, now_unix_ms, out),
            PeerEvent::Timer { tag: BEGIN } => {
                self.open_next(now_unix_ms, out);
                out.timer(LOOK, now_unix_ms.saturating_add(STUCK_MS));
            }
            PeerEvent::Timer { tag: LOOK } => self.look(now_unix_ms, out),
            PeerEvent::Timer { tag } => self.say(tag, now_unix_ms, out),
            PeerEvent::Failed { subject, error } => self.went_wrong(&subject, &error),
            PeerEvent::Appended { .. } | PeerEvent::Stopping => {}
        }
    }
}

/// A move's id: what it does, and of what.
fn move_id(what: &str, of: &str) -> Option<MoveId> {
    MoveId::parse(&format!("{what}-{of}")).ok()
}
