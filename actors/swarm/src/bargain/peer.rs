//! An agent that negotiates: the talk is plain messages from party to party, the desk hears of opening and end.
//!
//! Whatever is lost on its way comes again: a party that has heard nothing for a while says its last word once more,
//! which whoever has it refuses as a duplicate, and reads its inbox.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use negotiation::{Part, Rule, Said, Told};
use runtime::peer::{Outbox, Peer, PeerEvent};
use runtime::port::{Message, RequestError};
use schemas::body::Message as Body;
use schemas::deal::{Accept, Moved, Open, Propose, Reject, Terms, Withdraw};
use schemas::event::DealNote;
use schemas::header::Headers;
use schemas::ledger::{Declare, Declared, Limit};
use schemas::limit::{MAX_BODY_BYTES, MAX_INBOX_PAGE, MAX_LEASE_MS};
use schemas::negotiation::{Agreement, Domain, ReadRules};
use schemas::profile::{Profile, State};
use schemas::registry::{InboxPage, ReadInbox, Register, Registered};
use schemas::signature::{BadKey, PublicKey, Signer};
use schemas::subject::{self, DealVerb};
use schemas::value::Valuation;
use schemas::{AgentId, DealId, Good, Hash, MarketId, MoveId, decode, encode};
use terms::terms_of;

use super::Meeting;
use super::standing::Kept;
use crate::voice::{self, AskError, Voice};

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
/// Most words that are kept of a talk whose opening was not heard yet, and most that came before those they follow.
const MOST_EARLY: usize = 64;

/// What a bargainer reports.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum News {
    /// So many are registered.
    Ready(usize),
    /// It refused a word that was not there already, by this rule.
    Refused(Rule),
    /// What it has said and heard in a talk that has ended.
    Kept(Kept),
    /// Something went wrong.
    Error(String),
}

/// Where its reports go.
pub type Report = Arc<dyn Fn(News) + Send + Sync>;

/// A talk under way.
struct Session {
    meeting: Arc<Meeting>,
    part: Box<dyn Part>,
    /// What is negotiated, with the dates of this deal.
    domain: Domain,
    expires_unix_ms: i64,
    /// Its own last word.
    said: Option<Said>,
    /// Whether it has handed in what was said.
    is_kept: bool,
    /// The terms on the desk's table.
    proposed: Option<Hash>,
    /// Words that came before those that they follow: another's reached it sooner.
    ahead: Vec<Vec<u8>>,
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
    /// Ends the deal without agreement.
    End(DealId),
}

/// The agent.
pub struct Bargainer {
    voice: Voice,
    report: Report,
    meetings: BTreeMap<DealId, Arc<Meeting>>,
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
    keeps_words: bool,
}

impl Bargainer {
    /// An agent that takes part in these of a gathering's meetings that it has a part in.
    ///
    /// # Errors
    /// When its seed is none.
    pub fn new(
        agent: AgentId,
        seed: &str,
        account: PublicKey,
        meetings: &[Arc<Meeting>],
        at_once: usize,
        keeps_words: bool,
        report: Report,
    ) -> Result<Self, BadKey> {
        let signer = Signer::from_seed(seed, account, agent.as_str())?;
        let opens = |meeting: &&Arc<Meeting>| meeting.opener() == Some(&agent);
        let to_open = meetings.iter().filter(opens).map(|meeting| meeting.deal.clone()).collect();
        let own = meetings.iter().filter(|meeting| meeting.everybody().any(|who| *who == agent));
        Ok(Self {
            meetings: own.map(|meeting| (meeting.deal.clone(), Arc::clone(meeting))).collect(),
            voice: Voice::new(agent, signer),
            report,
            to_open,
            keeps_words,
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
        for meeting in self.meetings.values() {
            goods.entry(meeting.book.clone()).or_default().extend(meeting.gives(self.me()).cloned());
        }
        // Who only mediates gives nothing.
        let Some((book, mut goods)) = goods.pop_first().filter(|(_, goods)| !goods.is_empty()) else {
            return self.tell(News::Ready(1));
        };
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
            let Some(meeting) = self.meetings.get(&deal).cloned() else { continue };
            let Some((rules, expires_unix_ms)) = meeting.rules(now_unix_ms) else { continue };
            self.free -= 1;
            let mut parties: Vec<AgentId> = meeting.seats.iter().map(|seat| seat.agent.clone()).collect();
            parties.sort();
            let rules = rules.encode();
            let open = Open {
                move_id: meeting.move_id.clone(),
                deadline_unix_ms: expires_unix_ms,
                book: meeting.book.clone(),
                profile: meeting.profile(),
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

    /// Sits down to a talk, by the rules that it was opened with; the deal lapses at `expires_unix_ms`.
    fn sit_down(&mut self, deal: &DealId, rules: &[u8], expires_unix_ms: i64, now_unix_ms: i64, out: &mut Outbox) {
        if self.sessions.contains_key(deal) {
            return;
        }
        let Some(meeting) = self.meetings.get(deal).cloned() else { return };
        let Ok(read) = ReadRules::read(meeting.profile(), rules) else { return };
        let domain = read.rules.domain().clone();
        let Some(part) = meeting.part(self.me(), read) else { return };
        let (said, is_kept, proposed, ahead) = (None, false, None, Vec::new());
        let heard_unix_ms = now_unix_ms;
        let session = Session { meeting, part, domain, expires_unix_ms, said, is_kept, proposed, ahead, heard_unix_ms };
        self.sessions.insert(deal.clone(), session);
        for word in self.early.remove(deal).unwrap_or_default() {
            self.hear(deal, &word, now_unix_ms, out);
        }
        self.speak(deal, now_unix_ms, out);
    }

    /// Speaks while there is something to say, and tells the desk where the talk has ended.
    fn speak(&mut self, deal: &DealId, now_unix_ms: i64, out: &mut Outbox) {
        let mut has_spoken = false;
        while let Some(session) = self.sessions.get_mut(deal)
            && let Some(said) = session.part.speak(now_unix_ms)
        {
            session.said = Some(said);
            has_spoken = true;
            self.repeat(deal, out);
        }
        if has_spoken {
            self.close(deal, now_unix_ms, out);
        }
        self.keep(deal);
    }

    /// Says its last word to whom it is for.
    fn repeat(&self, deal: &DealId, out: &mut Outbox) {
        let Some(session) = self.sessions.get(deal) else { return };
        let Some(Said { word, kind, to }) = &session.said else { return };
        let is_for = |who: &&AgentId| *who != self.me() && to.as_ref().is_none_or(|to| to == *who);
        for who in session.meeting.everybody().filter(is_for) {
            let to = subject::talk(who, deal);
            out.publish(Message::new(to, word.clone()).with_headers(Headers::of_type(*kind)));
        }
    }

    /// Hands in what was said, once it has ended.
    fn keep(&mut self, deal: &DealId) {
        let (is_asked, me) = (self.keeps_words, self.me().clone());
        let Some(session) = self.sessions.get_mut(deal).filter(|session| is_asked && !session.is_kept) else { return };
        if session.part.told().is_none() {
            return;
        }
        session.is_kept = true;
        let (deal, words) = (deal.clone(), session.part.words().to_vec());
        self.tell(News::Kept(Kept { deal, agent: me, words }));
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
        match session.part.hear(word, now_unix_ms) {
            Ok(()) => {
                session.heard_unix_ms = now_unix_ms;
                for word in std::mem::take(&mut session.ahead) {
                    self.hear(deal, &word, now_unix_ms, out);
                }
                self.accept(deal, now_unix_ms, out);
                self.speak(deal, now_unix_ms, out);
                self.leave(deal, now_unix_ms, out);
            }
            Err(refusal) if refusal.rule == Rule::Duplicate => {}
            Err(_) if session.ahead.len() < MOST_EARLY && session.part.is_ahead(word) => {
                session.ahead.push(word.to_vec());
            }
            Err(refusal) => self.tell(News::Refused(refusal.rule)),
        }
    }

    /// Goes where another was awarded to.
    fn leave(&mut self, deal: &DealId, now_unix_ms: i64, out: &mut Outbox) {
        let told = self.sessions.get(deal).and_then(|session| session.part.told().map(|told| (session, told)));
        if told.is_some_and(|(session, told)| !session.part.closes() && !told.between.contains(self.me())) {
            self.over(deal, now_unix_ms, out);
        }
    }

    /// What a talk came to, and the terms that its outcome makes.
    fn agreed(&self, deal: &DealId) -> Option<(Told, Agreement, Terms)> {
        let session = self.sessions.get(deal)?;
        let told = session.part.told()?;
        let outcome = told.outcome.clone()?;
        let Session { domain, meeting, expires_unix_ms, .. } = session;
        let terms = terms_of(domain, &told.between, &meeting.book, *expires_unix_ms, &outcome).ok()?;
        let transcript = told.transcript;
        Some((told, Agreement { outcome, transcript }, terms))
    }

    /// Tells the desk what the talk came to, where that is its part.
    fn close(&mut self, deal: &DealId, now_unix_ms: i64, out: &mut Outbox) {
        let Some(session) = self.sessions.get(deal).filter(|session| session.part.closes()) else { return };
        let Some(Told { transcript, .. }) = session.part.told() else { return };
        let (deadline_unix_ms, profile) = (session.expires_unix_ms, session.meeting.profile());
        if let Some((_, agreement, terms)) = self.agreed(deal) {
            let Some(move_id) = move_id("propose", deal.as_str()) else { return };
            let terms = encode(&terms);
            let propose = Propose { move_id, deadline_unix_ms, deal: deal.clone(), terms, agreement: Some(agreement) };
            let to = subject::deal_move(DealVerb::Propose, self.me(), deal);
            return self.ask(Purpose::Propose(deal.clone()), to, &propose, deadline_unix_ms, now_unix_ms, out);
        }
        // What a manager or a mediator has opened, it takes back; else whoever said the last word says no.
        if profile == Profile::Sao {
            return self.reject(deal, None, now_unix_ms, out);
        }
        let Some(move_id) = move_id("withdraw", deal.as_str()) else { return };
        let (reason, transcript) = ("no agreement".to_owned(), Some(transcript));
        let withdraw = Withdraw { move_id, deadline_unix_ms, deal: deal.clone(), reason, transcript };
        let to = subject::deal_move(DealVerb::Withdraw, self.me(), deal);
        self.ask(Purpose::End(deal.clone()), to, &withdraw, deadline_unix_ms, now_unix_ms, out);
    }

    /// Says no to what the talk came to.
    fn reject(&mut self, deal: &DealId, terms_hash: Option<Hash>, now_unix_ms: i64, out: &mut Outbox) {
        let Some(session) = self.sessions.get(deal) else { return };
        let transcript = session.part.told().map(|told| told.transcript);
        let (deadline_unix_ms, reason) = (session.expires_unix_ms, "no agreement".to_owned());
        let Some(move_id) = move_id("reject", deal.as_str()) else { return };
        let reject = Reject { move_id, deadline_unix_ms, deal: deal.clone(), terms_hash, reason, transcript };
        let to = subject::deal_move(DealVerb::Reject, self.me(), deal);
        self.ask(Purpose::End(deal.clone()), to, &reject, deadline_unix_ms, now_unix_ms, out);
    }

    /// Accepts what is on the desk's table, if it is what it has agreed on and wants.
    fn accept(&mut self, deal: &DealId, now_unix_ms: i64, out: &mut Outbox) {
        let Some((told, Agreement { transcript, .. }, terms)) = self.agreed(deal) else { return };
        // A mediator signs nothing.
        if !told.between.contains(self.me()) {
            return;
        }
        let Some(session) = self.sessions.get_mut(deal) else { return };
        let hash = Hash::of(&encode(&terms));
        if session.proposed != Some(hash) {
            return;
        }
        session.proposed = None;
        if !session.part.wants() {
            return self.reject(deal, Some(hash), now_unix_ms, out);
        }
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
            (State::Open, Some(rules), _) => {
                if let Some(expires_unix_ms) = note.expires_unix_ms {
                    self.sit_down(&note.deal, rules, expires_unix_ms, now_unix_ms, out);
                }
            }
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
        let Some(meeting) = self.meetings.remove(deal) else { return };
        if meeting.opener() == Some(self.me()) {
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
            Purpose::Declare => voice::read::<Declared>(result).map(|_| self.tell(News::Ready(1))),
            Purpose::Inbox => voice::read::<InboxPage>(result).map(|page| self.page(page, now_unix_ms, out)),
            Purpose::Open(deal) => voice::read::<Moved>(result).map(|_| {
                if let Some((rules, expires_unix_ms)) = self.opened.get(deal).cloned() {
                    self.sit_down(deal, &rules, expires_unix_ms, now_unix_ms, out);
                }
            }),
            Purpose::Propose(deal) => voice::read::<Moved>(result).map(|moved| {
                if let Some(session) = self.sessions.get_mut(deal) {
                    session.proposed = moved.terms_hash;
                    self.accept(deal, now_unix_ms, out);
                }
            }),
            Purpose::Accept => voice::read::<Moved>(result).map(drop),
            Purpose::End(deal) => voice::read::<Moved>(result).map(|_| self.over(deal, now_unix_ms, out)),
        };
        let Err(error) = outcome else {
            self.pending.remove(&tag);
            return;
        };
        if error.is_passing() && self.pending.get(&tag).is_some_and(|pending| now_unix_ms < pending.until_unix_ms) {
            return out.timer(tag, now_unix_ms.saturating_add(PAUSE_MS));
        }
        self.pending.remove(&tag);
        // Another party was faster to say no.
        let is_end = |state: &str| State::ALL.iter().any(|end| end.is_end() && end.as_str() == state);
        let has_ended = matches!(&error, AskError::Refused(reply) if reply.state.as_deref().is_some_and(is_end));
        if has_ended && matches!(purpose, Purpose::Accept | Purpose::End(_)) {
            return;
        }
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
        // Who has waited long enough goes on without the others.
        let waits = |session: &Session| session.part.waits_until_unix_ms().is_none_or(|until| now_unix_ms <= until);
        let due: Vec<DealId> =
            self.sessions.iter().filter(|(_, session)| !waits(session)).map(|(deal, _)| deal.clone()).collect();
        due.iter().for_each(|deal| self.speak(deal, now_unix_ms, out));
        let has_lapsed = |session: &Session| session.expires_unix_ms.saturating_add(STUCK_MS) < now_unix_ms;
        let lapsed: Vec<DealId> =
            self.sessions.iter().filter(|(_, session)| has_lapsed(session)).map(|(deal, _)| deal.clone()).collect();
        lapsed.iter().for_each(|deal| self.over(deal, now_unix_ms, out));
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
