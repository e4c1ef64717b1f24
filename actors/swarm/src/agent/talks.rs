//! Coming to terms: talks by the protocols of the crate `negotiation`, and the deals that come of them.
//!
//! What is said goes from party to party; the desk hears of opening and end. Whatever is lost on its way comes again: a party
//! that has heard nothing for a while says its last word once more, which whoever has it refuses as a duplicate.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures::StreamExt;
use negotiation::strategy::{Bidder, Voter};
use negotiation::{
    Alternating, ContractNet, Contractor, Manager, Mediator, Member, Negotiator, Part, Preferences, Ranking, Rule,
    Said, SingleText, Space, Strategy, Told, Utility, View,
};
use runtime::port::{Message, Subscription};
use runtime::select;
use runtime::sync::mpsc;
use runtime::task::{self, JoinHandle};
use schemas::deal::{Accept, Open, Propose, Reject, Terms, Withdraw};
use schemas::event::DealNote;
use schemas::header::Headers;
use schemas::negotiation::{Agreement, ReadRules, Rules};
use schemas::profile::{Profile, State};
use schemas::subject::{self, DealVerb};
use schemas::value::Valuation;
use schemas::{AgentId, DealId, Hash, MarketId, encode};
use terms::terms_of;

use super::{Agent, Deal};
use crate::voice::AskError;

/// After how long a silence it looks whether anything is stuck, in milliseconds.
const STUCK_MS: u64 = 3_000;
/// How long a word waits for the talk that it is of to be heard of, and how long after its end a deal is waited for, in
/// milliseconds.
const EARLY_MS: u64 = 60_000;
/// Most words that are kept of such a talk, and most that came before those they follow.
const MOST_EARLY: usize = 64;

/// A negotiation that this agent may have a part in, by its rules.
#[derive(Clone, Debug)]
pub struct Invitation {
    /// The deal that it is about.
    pub deal: Deal,
    /// The ledger's book.
    pub book: MarketId,
    /// The profile, which is the protocol.
    pub profile: Profile,
    /// Who opened it.
    pub opener: AgentId,
    /// Between whom, sorted.
    pub parties: Vec<AgentId>,
    /// The rules, with what is negotiated.
    pub rules: ReadRules,
    /// When the deal lapses without agreement, in Unix milliseconds.
    pub expires_unix_ms: i64,
}

impl Invitation {
    fn me(&self) -> AgentId {
        self.deal.agent().id().clone()
    }

    /// What outcomes are there, ranked by what they are worth; `None` where there are too many to be counted.
    #[must_use]
    pub fn ranking(&self, utility: &Utility) -> Option<Arc<Ranking>> {
        Some(Arc::new(Ranking::new(&Space::of(self.rules.rules.domain())?, utility)))
    }

    fn view(&self) -> View {
        if self.opener == self.me() { View::Whole } else { View::Party(self.me()) }
    }

    /// Takes a seat in alternating offers (`sao/1`); `None` where it has none, or the protocol is another.
    #[must_use]
    pub fn negotiate(&self, preferences: Preferences, strategy: Box<dyn Strategy>) -> Option<Box<dyn Part>> {
        let ranking = self.ranking(&preferences.utility)?;
        let talk = Alternating::new(self.deal.id().clone(), self.rules.clone())?;
        Some(Box::new(Negotiator::new(self.me(), talk, preferences, ranking, strategy)?))
    }

    /// Bids in a contract net (`cnp/1`, `icnp/1`); `None` where the protocol is another.
    #[must_use]
    pub fn bid(&self, preferences: &Preferences, bidder: Box<dyn Bidder>) -> Option<Box<dyn Part>> {
        let ranking = self.ranking(&preferences.utility)?;
        let net = ContractNet::new(self.deal.id().clone(), self.rules.clone(), &self.parties, self.view())?;
        Some(Box::new(Contractor::new(self.me(), net, preferences.reserved_ppm, ranking, bidder)))
    }

    /// Manages a contract net that this agent has opened: awards by the rules. `text` is what it calls for, in words.
    #[must_use]
    pub fn manage(&self, text: &str) -> Option<Box<dyn Part>> {
        let net = ContractNet::new(self.deal.id().clone(), self.rules.clone(), &self.parties, self.view())?;
        Some(Box::new(Manager::new(net, text)))
    }

    /// Votes on a mediator's text (`stx/1`); `None` where the protocol is another, or it has no seat.
    #[must_use]
    pub fn vote(&self, preferences: Preferences, voter: Box<dyn Voter>) -> Option<Box<dyn Part>> {
        let talk = SingleText::new(self.deal.id().clone(), self.rules.clone(), self.view())?;
        Some(Box::new(Member::new(self.me(), talk, preferences, voter)?))
    }

    /// Mediates: keeps the text that this agent has opened a talk on.
    #[must_use]
    pub fn mediate(&self) -> Option<Box<dyn Part>> {
        Some(Box::new(Mediator::new(SingleText::new(self.deal.id().clone(), self.rules.clone(), self.view())?)))
    }
}

/// What came of a talk.
#[derive(Clone)]
pub struct Talked {
    /// The deal: `committed` or at its end, or expired without one.
    pub deal: Deal,
    /// What was agreed on, if anything was, between whom, and the head of what was said.
    pub told: Option<Told>,
    /// Every word that this agent has said or heard, in its exact bytes: what a dispute is settled with.
    pub words: Vec<Vec<u8>>,
}

impl fmt::Debug for Talked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { deal, told, words } = self;
        f.debug_struct("Talked").field("deal", deal).field("told", told).field("words", &words.len()).finish()
    }
}

pub(super) type Invited = dyn Fn(&Invitation) -> Option<Box<dyn Part>> + Send + Sync;
pub(super) type HearTalked = dyn Fn(Talked) + Send + Sync;

/// Where words of a talk go.
enum Ear {
    /// To whoever takes part in it.
    Part(mpsc::UnboundedSender<Vec<u8>>),
    /// Nowhere yet: its opening was not heard.
    Early(Vec<Vec<u8>>),
}

/// The talks that an agent has part in.
#[derive(Default)]
pub(super) struct Talks {
    pub(super) invited: Option<Box<Invited>>,
    pub(super) talked: Option<Box<HearTalked>>,
    ears: Mutex<HashMap<DealId, Ear>>,
}

impl Talks {
    fn ears(&self) -> MutexGuard<'_, HashMap<DealId, Ear>> {
        self.ears.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Hears the words of a talk from now on, those first that came early.
    fn listen(&self, deal: &DealId) -> mpsc::UnboundedReceiver<Vec<u8>> {
        let (ear, words) = mpsc::unbounded_channel();
        if let Some(Ear::Early(early)) = self.ears().insert(deal.clone(), Ear::Part(ear.clone())) {
            // Whoever listens is just about to.
            early.into_iter().for_each(|word| drop(ear.send(word)));
        }
        words
    }
}

/// A negotiation to be opened.
#[derive(Clone, Debug)]
pub struct Opening {
    /// The ledger's book.
    pub book: MarketId,
    /// The profile that its rules are of.
    pub profile: Profile,
    /// Between whom.
    pub parties: Vec<AgentId>,
    /// The rules, with what is negotiated.
    pub rules: Rules,
    /// When the deal lapses without agreement, in Unix milliseconds: transfers fall due no sooner.
    pub expires_unix_ms: i64,
}

/// A talk that this agent has opened.
pub struct Talking {
    deal: Deal,
    ending: JoinHandle<Talked>,
}

impl Talking {
    /// The deal that it is about.
    #[must_use]
    pub fn deal(&self) -> &Deal {
        &self.deal
    }

    /// Waits until the talk has ended, and its deal is committed or over.
    pub async fn ended(self) -> Talked {
        // It ends otherwise only where a strategy panics, which stands in the log.
        self.ending.await.unwrap_or(Talked { deal: self.deal, told: None, words: Vec::new() })
    }
}

impl Agent {
    /// Opens a negotiation, and takes this part in it.
    ///
    /// # Errors
    /// [`AskError`]: `Refused` where its rules are none, or `sit_down` gives no part.
    pub async fn open_talk(
        &self,
        opening: Opening,
        sit_down: impl FnOnce(&Invitation) -> Option<Box<dyn Part>>,
    ) -> Result<Talking, AskError> {
        let Opening { book, profile, mut parties, rules, expires_unix_ms } = opening;
        parties.sort();
        let (move_id, bytes) = (self.move_id()?, rules.encode());
        let refused = |field: &str, reason: String| {
            AskError::Refused(schemas::ErrorReply::new(schemas::Code::BadMessage, reason).at_field(field))
        };
        let rules = ReadRules::read(profile, &bytes).map_err(|bad| refused(&bad.field, bad.reason))?;
        let deal = self.deal(&DealId::of(self.id(), &move_id));
        let (opener, book_of, party_of) = (self.id().clone(), book.clone(), parties.clone());
        let invitation = Invitation { deal, book, profile, opener, parties, rules, expires_unix_ms };
        let part = sit_down(&invitation);
        let part = part.ok_or_else(|| refused("rules", format!("{} has no part in this", self.id())))?;
        let open = Open {
            move_id,
            deadline_unix_ms: expires_unix_ms,
            book: book_of,
            profile,
            parties: party_of,
            expires_unix_ms,
            terms: None,
            requires: Vec::new(),
            rules: Some(bytes),
        };
        let (deal, words) = (invitation.deal.clone(), self.core.talks.listen(invitation.deal.id()));
        if let Err(error) = deal.make(DealVerb::Open, &open, expires_unix_ms).await {
            self.core.talks.ears().remove(deal.id());
            return Err(error);
        }
        Ok(Talking { deal, ending: task::spawn(Session::new(invitation, part).hold(words)) })
    }

    /// Hands words on to the talks that they are of.
    pub(super) async fn hear_talks(self, mut said: Subscription) {
        while let Some(message) = said.next().await {
            let Ok((_, deal)) = subject::parse_talk(&message.subject) else { continue };
            let mut ears = self.core.talks.ears();
            let is_new = !ears.contains_key(&deal);
            match ears.entry(deal.clone()).or_insert_with(|| Ear::Early(Vec::new())) {
                // Whoever has ended hears no more.
                Ear::Part(part) => drop(part.send(message.body.to_vec())),
                Ear::Early(words) if words.len() < MOST_EARLY => words.push(message.body.to_vec()),
                Ear::Early(_) => {}
            }
            drop(ears);
            if is_new {
                let agent = self.clone();
                runtime::spawn(async move {
                    agent.core.port.sleep_ms(EARLY_MS).await;
                    let mut ears = agent.core.talks.ears();
                    if matches!(ears.get(&deal), Some(Ear::Early(_))) {
                        ears.remove(&deal);
                    }
                });
            }
        }
    }

    /// A negotiation was opened in which this agent may have a part.
    pub(super) fn be_invited(&self, note: &DealNote) {
        let (State::Open, Some(bytes), Some(expires_unix_ms)) = (note.state, &note.rules, note.expires_unix_ms) else {
            return;
        };
        let (Some(profile), Some(opener)) = (note.profile, note.opener.clone()) else { return };
        if opener == *self.id() || self.core.talks.invited.is_none() {
            return;
        }
        let Ok(rules) = ReadRules::read(profile, bytes) else { return };
        let (agent, deal, book) = (self.clone(), self.deal(&note.deal), note.book.clone());
        runtime::spawn(async move {
            let shown = match deal.show().await {
                Ok(shown) => shown,
                Err(error) => {
                    return tracing::warn!(agent = %agent.id(), deal = %deal.id(), %error, "cannot ask who is invited");
                }
            };
            let parties = shown.parties;
            let invitation = Invitation { deal, book, profile, opener, parties, rules, expires_unix_ms };
            let talks = &agent.core.talks;
            let Some(part) = talks.invited.as_ref().and_then(|sit_down| sit_down(&invitation)) else { return };
            let words = talks.listen(invitation.deal.id());
            let talked = Session::new(invitation, part).hold(words).await;
            if let Some(hear) = &agent.core.talks.talked {
                hear(talked);
            }
        });
    }
}

/// A talk under way.
struct Session {
    invitation: Invitation,
    part: Box<dyn Part>,
    /// Its own last word.
    said: Option<Said>,
    /// Words that came before those that they follow: another's reached it sooner.
    ahead: Vec<Vec<u8>>,
    /// Whether the desk was told what came of it, and whether the terms were accepted, where that is its part.
    has_closed: bool,
    has_accepted: bool,
}

impl Session {
    fn new(invitation: Invitation, part: Box<dyn Part>) -> Self {
        Self { invitation, part, said: None, ahead: Vec::new(), has_closed: false, has_accepted: false }
    }

    fn agent(&self) -> &Agent {
        self.invitation.deal.agent()
    }

    /// Talks to the end, and until its deal is committed or over.
    async fn hold(mut self, mut words: mpsc::UnboundedReceiver<Vec<u8>>) -> Talked {
        let mut news = self.invitation.deal.news();
        let lapses_unix_ms = self.invitation.expires_unix_ms.saturating_add_unsigned(EARLY_MS);
        loop {
            self.speak().await;
            self.close().await;
            self.accept().await;
            let state = self.invitation.deal.state();
            let is_elsewhere = self.told().is_some_and(|told| {
                !self.part.closes()
                    && !told.between.contains(self.agent().id())
                    && self.invitation.opener != *self.agent().id()
            });
            if state.is_end() || matches!(state, State::Committed | State::Failed) || is_elsewhere {
                break;
            }
            let now_unix_ms = self.agent().now_unix_ms();
            if now_unix_ms > lapses_unix_ms {
                break;
            }
            let until_unix_ms = self.part.waits_until_unix_ms().filter(|until_unix_ms| *until_unix_ms >= now_unix_ms);
            let wait_ms = until_unix_ms.map_or(STUCK_MS, |until_unix_ms| {
                until_unix_ms.saturating_sub(now_unix_ms).saturating_add(1).unsigned_abs().min(STUCK_MS)
            });
            let port = Arc::clone(&self.agent().core.port);
            select! {
                word = words.recv() => match word {
                    Some(word) => self.hear(word),
                    // Another hears in its place.
                    None => return self.talked(),
                },
                changed = news.changed() => if changed.is_err() {
                    break;
                },
                () = port.sleep_ms(wait_ms) => if wait_ms == STUCK_MS {
                    self.repeat().await;
                },
            }
        }
        self.agent().core.talks.ears().remove(self.invitation.deal.id());
        self.talked()
    }

    fn talked(self) -> Talked {
        Talked { told: self.told(), words: self.part.words().to_vec(), deal: self.invitation.deal }
    }

    fn told(&self) -> Option<Told> {
        self.part.told()
    }

    /// Speaks while there is something to say.
    async fn speak(&mut self) {
        while let Some(said) = self.part.speak(self.agent().now_unix_ms()) {
            self.said = Some(said);
            self.repeat().await;
        }
    }

    /// Says its last word to whom it is for.
    async fn repeat(&mut self) {
        let (Some(Said { word, kind, to }), invitation) = (&self.said, &self.invitation) else { return };
        let Invitation { deal, parties, opener, .. } = invitation;
        let (me, port) = (deal.agent().id(), &deal.agent().core.port);
        let mediator = Some(opener).filter(|opener| !parties.contains(opener));
        let is_for = |who: &&AgentId| *who != me && to.as_ref().is_none_or(|to| to == *who);
        for who in parties.iter().chain(mediator).filter(is_for) {
            let message =
                Message::new(subject::talk(who, deal.id()), word.clone()).with_headers(Headers::of_type(*kind));
            if let Err(error) = port.publish(message).await {
                tracing::debug!(agent = %me, deal = %deal.id(), %error, "a word was not said");
            }
        }
    }

    fn hear(&mut self, word: Vec<u8>) {
        let now_unix_ms = self.agent().now_unix_ms();
        match self.part.hear(&word, now_unix_ms) {
            Ok(()) => {
                // What came before it may follow it.
                for word in std::mem::take(&mut self.ahead) {
                    self.hear(word);
                }
            }
            Err(refusal) if refusal.rule == Rule::Duplicate => {}
            Err(_) if self.ahead.len() < MOST_EARLY && self.part.is_ahead(&word) => self.ahead.push(word),
            Err(refusal) => {
                let Invitation { deal, .. } = &self.invitation;
                tracing::warn!(agent = %self.agent().id(), deal = %deal.id(), %refusal, "a word is refused");
            }
        }
    }

    /// What the talk came to, and the terms that its outcome makes.
    fn agreed(&self) -> Option<(Told, Agreement, Terms)> {
        let told = self.told()?;
        let outcome = told.outcome.clone()?;
        let Invitation { rules, book, expires_unix_ms, .. } = &self.invitation;
        let terms = terms_of(rules.rules.domain(), &told.between, book, *expires_unix_ms, &outcome).ok()?;
        let transcript = told.transcript;
        Some((told, Agreement { outcome, transcript }, terms))
    }

    /// Tells the desk what the talk came to, where that is its part.
    async fn close(&mut self) {
        if self.has_closed || !self.part.closes() {
            return;
        }
        let Some(Told { transcript, .. }) = self.told() else { return };
        self.has_closed = true;
        let Invitation { deal, profile, expires_unix_ms, .. } = &self.invitation;
        let (deal, profile, deadline_unix_ms) = (deal.clone(), *profile, *expires_unix_ms);
        let deal_id = deal.id().clone();
        let made = match self.agreed() {
            Some((_, agreement, terms)) => {
                let terms = encode(&terms);
                let said = deal.move_id("propose", None).map(|move_id| Propose {
                    move_id,
                    deadline_unix_ms,
                    deal: deal_id,
                    terms: terms.clone(),
                    agreement: Some(agreement),
                });
                let made = deal.make_said(DealVerb::Propose, said, deadline_unix_ms).await;
                if made.is_ok() {
                    deal.put_on_table(&terms);
                }
                made
            }
            None if profile == Profile::Sao => self.reject(None).await,
            // What a manager or a mediator has opened, it takes back.
            None => {
                let said = deal.move_id("withdraw", None).map(|move_id| Withdraw {
                    move_id,
                    deadline_unix_ms,
                    deal: deal_id,
                    reason: "no agreement".to_owned(),
                    transcript: Some(transcript),
                });
                deal.make_said(DealVerb::Withdraw, said, deadline_unix_ms).await
            }
        };
        self.tell(made);
    }

    /// Says no to what the talk came to.
    async fn reject(&mut self, terms_hash: Option<Hash>) -> Result<State, AskError> {
        let transcript = self.told().map(|told| told.transcript);
        let Invitation { deal, expires_unix_ms, .. } = &self.invitation;
        let said = deal.move_id("reject", terms_hash.as_ref()).map(|move_id| Reject {
            move_id,
            deadline_unix_ms: *expires_unix_ms,
            deal: deal.id().clone(),
            terms_hash,
            reason: "no agreement".to_owned(),
            transcript,
        });
        deal.make_said(DealVerb::Reject, said, *expires_unix_ms).await
    }

    /// Accepts what is on the desk's table, if it is what it has agreed on and wants.
    async fn accept(&mut self) {
        let Some(on_table) = self.invitation.deal.on_table().filter(|_| !self.has_accepted) else { return };
        let Some((told, Agreement { transcript, .. }, terms)) = self.agreed() else { return };
        let hash = Hash::of(&encode(&terms));
        // A mediator signs nothing.
        if on_table != hash || !told.between.contains(self.agent().id()) {
            return;
        }
        self.has_accepted = true;
        let made = if self.part.wants() {
            let Invitation { deal, expires_unix_ms, .. } = &self.invitation;
            let said = deal.move_id("accept", Some(&hash)).map(|move_id| Accept {
                move_id,
                deadline_unix_ms: *expires_unix_ms,
                deal: deal.id().clone(),
                terms_hash: hash,
                valuation: Valuation::default(),
                holdings: Vec::new(),
                transcript: Some(transcript),
            });
            deal.make_said(DealVerb::Accept, said, *expires_unix_ms).await
        } else {
            self.reject(Some(hash)).await
        };
        self.tell(made);
    }

    /// That another was faster to say no is life.
    fn tell(&self, made: Result<State, AskError>) {
        if let Err(error) = made
            && !self.invitation.deal.state().is_end()
        {
            let deal = self.invitation.deal.id();
            tracing::warn!(agent = %self.agent().id(), %deal, %error, "what a talk came to was not told");
        }
    }
}
