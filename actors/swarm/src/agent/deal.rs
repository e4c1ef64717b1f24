//! Deals as one agent sees them: offered and offered to it, and the moves that it makes.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

use runtime::sync::watch;
use schemas::deal::{
    Accept, ClaimKind, Confirm, Delivery, Holding, Moved, Open, ReadTerms, Reject, Show, Shown, Terms, Transfer,
    Withdraw,
};
use schemas::event::DealNote;
use schemas::limit::MAX_TEXT_BYTES;
use schemas::profile::{Profile, State};
use schemas::subject::{self, DealVerb};
use schemas::value::Valuation;
use schemas::{AgentId, Code, DealId, ErrorReply, Good, Hash, MarketId, Message as Body, MoveId, Quantity, encode};

use super::Agent;
use crate::voice::AskError;

/// How long an offer stands, unless it says otherwise, in milliseconds.
const STANDS_MS: i64 = 60_000;
/// How long a move that has no end of its own is asked for, in milliseconds.
const MOVE_MS: i64 = 30_000;
/// The desk's rules that say that a move was made before.
const MADE_BEFORE: [&str; 3] = ["accepted_before", "confirmed_before", "move_id_reused"];

/// What an agent says to a proposal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// It takes the deal.
    Accept,
    /// It doesn't, for this reason, which the others hear.
    Reject(String),
    /// It says nothing: the deal lapses, unless [`Deal::accept`] is called later.
    Leave,
}

/// An offer to another agent, take it or leave it: so much of these goods for so much of those.
///
/// ```
/// use swarm::agent::Offer;
/// # use schemas::Quantity;
///
/// let offer = Offer::to("niger".parse()?, "bazaar".parse()?)
///     .gives("coffee".parse()?, Quantity::new(5)?)
///     .takes("wheat".parse()?, Quantity::new(10)?)
///     .standing_ms(30_000);
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Offer {
    to: AgentId,
    book: MarketId,
    gives: Vec<(Good, Quantity)>,
    takes: Vec<(Good, Quantity)>,
    stands_ms: i64,
    due_in_ms: i64,
    delivery: Delivery,
    requires: Vec<ClaimKind>,
}

impl Offer {
    /// An offer to this agent, in this book of the ledger's. It stands for a minute, and what is given is due then.
    #[must_use]
    pub fn to(to: AgentId, book: MarketId) -> Self {
        Self {
            to,
            book,
            gives: Vec::new(),
            takes: Vec::new(),
            stands_ms: STANDS_MS,
            due_in_ms: 0,
            delivery: Delivery::Confirmed,
            requires: Vec::new(),
        }
    }

    /// Whoever offers gives this, in minor units of the good.
    #[must_use]
    pub fn gives(mut self, good: Good, quantity: Quantity) -> Self {
        self.gives.push((good, quantity));
        self
    }

    /// It takes this for it.
    #[must_use]
    pub fn takes(mut self, good: Good, quantity: Quantity) -> Self {
        self.takes.push((good, quantity));
        self
    }

    /// How long the offer stands, in milliseconds.
    #[must_use]
    pub fn standing_ms(self, stands_ms: i64) -> Self {
        Self { stands_ms, ..self }
    }

    /// How long after that the goods are due, in milliseconds.
    #[must_use]
    pub fn due_in_ms(self, due_in_ms: i64) -> Self {
        Self { due_in_ms, ..self }
    }

    /// How it is known that the goods have arrived; otherwise their receivers confirm it.
    #[must_use]
    pub fn delivered(self, delivery: Delivery) -> Self {
        Self { delivery, ..self }
    }

    /// What must be proved before it commits.
    #[must_use]
    pub fn requiring(mut self, claim: ClaimKind) -> Self {
        self.requires.push(claim);
        self
    }

    fn terms(&self, by: &AgentId, now_unix_ms: i64) -> Terms {
        let expires_unix_ms = now_unix_ms.saturating_add(self.stands_ms);
        let transfer = |from: &AgentId, to: &AgentId, (good, quantity): &(Good, Quantity)| Transfer {
            from: from.clone(),
            to: to.clone(),
            good: good.clone(),
            quantity: *quantity,
            due_unix_ms: expires_unix_ms.saturating_add(self.due_in_ms),
            intent: None,
        };
        let mut parties = vec![by.clone(), self.to.clone()];
        parties.sort();
        let given = self.gives.iter().map(|amount| transfer(by, &self.to, amount));
        let taken = self.takes.iter().map(|amount| transfer(&self.to, by, amount));
        Terms {
            book: self.book.clone(),
            parties,
            transfers: given.chain(taken).collect(),
            delivery: self.delivery,
            expires_unix_ms,
            award: None,
        }
    }
}

/// What is known of a deal.
#[derive(Clone, Debug)]
struct Known {
    turn: Option<u32>,
    state: State,
    table: Option<ReadTerms>,
    event: String,
    by: Option<AgentId>,
    rule: Option<String>,
    reason: Option<String>,
}

impl Default for Known {
    fn default() -> Self {
        Self { turn: None, state: State::Open, table: None, event: String::new(), by: None, rule: None, reason: None }
    }
}

impl Known {
    fn hear(&mut self, note: &DealNote) {
        if let Some(table) = note.terms.as_deref().and_then(|bytes| ReadTerms::read(bytes).ok()) {
            self.table = Some(table);
        }
        self.stand(note.turn, note.state);
        self.event.clone_from(&note.event);
        self.by.clone_from(&note.by);
        self.rule = note.rule.clone().or_else(|| self.rule.take());
        self.reason = note.reason.clone().or_else(|| self.reason.take());
    }

    /// Where the deal stood at this turn; older news than what is known changes nothing.
    fn stand(&mut self, turn: u32, state: State) {
        if self.turn.is_none_or(|known| known <= turn) {
            (self.turn, self.state) = (Some(turn), state);
        }
    }
}

/// The deals that an agent has part in, until they are over.
#[derive(Default)]
pub(super) struct Deals(Mutex<HashMap<DealId, watch::Sender<Known>>>);

impl Deals {
    fn open(&self) -> MutexGuard<'_, HashMap<DealId, watch::Sender<Known>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self, deal: &DealId, change: impl FnOnce(&mut Known)) {
        let mut open = self.open();
        let is_over = match open.get(deal) {
            Some(known) => {
                known.send_modify(change);
                known.borrow().state.is_end()
            }
            None => false,
        };
        if is_over {
            open.remove(deal);
        }
    }

    pub(super) fn hear(&self, note: &DealNote) {
        self.change(&note.deal, |known| known.hear(note));
    }

    /// Nothing more is heard: whoever waits for a deal waits no longer.
    pub(super) fn close(&self) {
        self.open().clear();
    }
}

/// What news of a deal asks of an agent.
pub(super) enum Moves {
    /// Terms are on the table.
    Judge,
    /// It is committed, and what the agent is due is to arrive.
    Receive,
}

impl Moves {
    pub(super) fn asked_for(note: &DealNote, agent: &AgentId) -> Option<Self> {
        let table = ReadTerms::read(note.terms.as_deref()?).ok()?.terms;
        // What pays for an award, and what is negotiated, is for whoever took part in that to judge.
        let is_others = table.award.is_some() || note.profile.is_some_and(Profile::is_negotiated);
        if is_others || table.parties.binary_search(agent).is_err() {
            return None;
        }
        match note.state {
            State::Negotiating if note.opener.as_ref() != Some(agent) => Some(Self::Judge),
            State::Committed if table.transfers.iter().any(|transfer| transfer.to == *agent) => Some(Self::Receive),
            _ => None,
        }
    }
}

/// A deal, opened by this agent or by another. It changes as news of it comes.
#[derive(Clone)]
pub struct Deal {
    agent: Agent,
    id: DealId,
    known: watch::Receiver<Known>,
}

impl fmt::Debug for Deal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Deal({} {})", self.id, self.state())
    }
}

impl Deal {
    /// Its id.
    #[must_use]
    pub fn id(&self) -> &DealId {
        &self.id
    }

    /// The agent that sees it so.
    #[must_use]
    pub fn agent(&self) -> &Agent {
        &self.agent
    }

    /// Where it stands, as far as was heard.
    #[must_use]
    pub fn state(&self) -> State {
        self.known.borrow().state
    }

    /// What was heard last: `opened`, `accepted`, `committed`, …; nothing yet of a deal that was only named.
    #[must_use]
    pub fn event(&self) -> String {
        self.known.borrow().event.clone()
    }

    /// Who did that, where a party did.
    #[must_use]
    pub fn by(&self) -> Option<AgentId> {
        self.known.borrow().by.clone()
    }

    /// Why it ended, where it ended badly.
    #[must_use]
    pub fn reason(&self) -> Option<String> {
        self.known.borrow().reason.clone()
    }

    /// The rule that refused it, where one did.
    #[must_use]
    pub fn rule(&self) -> Option<String> {
        self.known.borrow().rule.clone()
    }

    /// The terms on the table, as far as they were heard.
    #[must_use]
    pub fn terms(&self) -> Option<Terms> {
        self.known.borrow().table.as_ref().map(|table| table.terms.clone())
    }

    /// What this agent gives under the terms.
    #[must_use]
    pub fn gives(&self) -> Vec<Transfer> {
        self.transfers(|transfer, me| transfer.from == *me)
    }

    /// What this agent receives under the terms.
    #[must_use]
    pub fn receives(&self) -> Vec<Transfer> {
        self.transfers(|transfer, me| transfer.to == *me)
    }

    fn transfers(&self, which: impl Fn(&Transfer, &AgentId) -> bool) -> Vec<Transfer> {
        let transfers = self.terms().map(|terms| terms.transfers).unwrap_or_default();
        transfers.into_iter().filter(|transfer| which(transfer, self.agent.id())).collect()
    }

    /// Waits until it is in such a state, or over, or the agent has stopped; how it stands then.
    pub async fn until(&self, is_awaited: impl Fn(State) -> bool) -> State {
        let mut known = self.known.clone();
        // Nobody tells of it any more: it stands as it does.
        drop(known.wait_for(|known| known.state.is_end() || is_awaited(known.state)).await.ok());
        self.state()
    }

    /// Waits until it is over; how it ended.
    pub async fn ended(&self) -> State {
        self.until(|_| false).await
    }

    /// Accepts the terms on the table. Asks until they expire; the same acceptance again changes nothing.
    ///
    /// # Errors
    /// [`AskError`]: `Refused` with 409 where the deal has gone elsewhere, 404 where no terms are known here.
    pub async fn accept(&self) -> Result<State, AskError> {
        self.accept_stating(Valuation::default(), Vec::new()).await
    }

    /// The same, stating what the goods are worth to this agent, and what it holds of those that it gives: what a deal
    /// that requires proofs of win-win and of holdings asks of its parties.
    ///
    /// # Errors
    /// As [`Deal::accept`].
    pub async fn accept_stating(&self, valuation: Valuation, holdings: Vec<Holding>) -> Result<State, AskError> {
        let ReadTerms { terms, hash } = self.table()?;
        let accept = Accept {
            move_id: self.move_id("accept", Some(&hash))?,
            deadline_unix_ms: terms.expires_unix_ms,
            deal: self.id.clone(),
            terms_hash: hash,
            valuation,
            holdings,
            transcript: None,
        };
        self.make(DealVerb::Accept, &accept, accept.deadline_unix_ms).await
    }

    /// Says no: the deal ends, and the others hear the reason.
    ///
    /// # Errors
    /// As [`Deal::accept`].
    pub async fn reject(&self, reason: &str) -> Result<State, AskError> {
        let table = self.table().ok();
        let hash = table.as_ref().map(|table| table.hash);
        let reject = Reject {
            move_id: self.move_id("reject", hash.as_ref())?,
            deadline_unix_ms: table.map_or_else(|| self.soon(), |table| table.terms.expires_unix_ms),
            deal: self.id.clone(),
            terms_hash: hash,
            reason: shortened(reason),
            transcript: None,
        };
        self.make(DealVerb::Reject, &reject, reject.deadline_unix_ms).await
    }

    /// Takes an own deal back: it ends.
    ///
    /// # Errors
    /// As [`Deal::accept`].
    pub async fn withdraw(&self, reason: &str) -> Result<State, AskError> {
        let withdraw = Withdraw {
            move_id: self.agent.move_id()?,
            deadline_unix_ms: self.soon(),
            deal: self.id.clone(),
            reason: shortened(reason),
            transcript: None,
        };
        self.make(DealVerb::Withdraw, &withdraw, withdraw.deadline_unix_ms).await
    }

    /// Confirms that all that this agent was due has arrived. Asks until the last of it is due.
    ///
    /// # Errors
    /// As [`Deal::accept`].
    pub async fn confirm(&self) -> Result<State, AskError> {
        let ReadTerms { hash, .. } = self.table()?;
        let due_unix_ms = self.receives().iter().map(|transfer| transfer.due_unix_ms).max();
        let confirm = Confirm {
            move_id: self.move_id("confirm", Some(&hash))?,
            deadline_unix_ms: due_unix_ms.unwrap_or_else(|| self.soon()),
            deal: self.id.clone(),
            terms_hash: hash,
        };
        self.make(DealVerb::Confirm, &confirm, confirm.deadline_unix_ms).await
    }

    /// Asks the desk how it stands.
    ///
    /// # Errors
    /// [`AskError`]; 404 for a deal that nobody opened.
    pub async fn show(&self) -> Result<Shown, AskError> {
        let (subject, show) = (self.place(DealVerb::Show), Show { deal: self.id.clone() });
        let shown: Shown = self.agent.insist(subject, &show, self.soon()).await?;
        self.agent.core.deals.change(&self.id, |known| {
            if let Some(terms) = &shown.terms
                && let Ok(table) = ReadTerms::read(&encode(terms))
                && shown.terms_hash == Some(table.hash)
            {
                known.table.get_or_insert(table);
            }
            known.reason = shown.reason.clone().or_else(|| known.reason.take());
            known.stand(shown.turns.saturating_sub(1), shown.state);
        });
        Ok(shown)
    }

    fn table(&self) -> Result<ReadTerms, AskError> {
        let no_terms = || ErrorReply::new(Code::Unknown, format!("no terms of deal {} are known here", self.id));
        Ok(self.known.borrow().table.clone().ok_or_else(no_terms)?)
    }

    fn place(&self, verb: DealVerb) -> String {
        subject::deal_move(verb, self.agent.id(), &self.id)
    }

    fn soon(&self) -> i64 {
        self.agent.now_unix_ms().saturating_add(MOVE_MS)
    }

    /// The terms' hash that is on the table, as far as was heard.
    pub(super) fn on_table(&self) -> Option<Hash> {
        self.known.borrow().table.as_ref().map(|table| table.hash)
    }

    /// This agent has put terms on the table.
    pub(super) fn put_on_table(&self, bytes: &[u8]) {
        if let Ok(table) = ReadTerms::read(bytes) {
            self.agent.core.deals.change(&self.id, |known| known.table = Some(table));
        }
    }

    /// Is woken by news of it.
    pub(super) fn news(&self) -> watch::Receiver<impl Sized + use<>> {
        self.known.clone()
    }

    /// The id of a move that an agent makes at most once on the same terms: the same one after a restart too.
    pub(super) fn move_id(&self, verb: &str, hash: Option<&Hash>) -> Result<MoveId, AskError> {
        let terms = hash.map_or_else(|| "none".to_owned(), |hash| hash.to_string().chars().take(16).collect());
        let id = MoveId::parse(&format!("{verb}-{}-{terms}", self.id));
        id.map_err(|bad| AskError::Unreadable(bad.to_string()))
    }

    /// Makes a move, if it could be written.
    pub(super) async fn make_said(
        &self,
        verb: DealVerb,
        said: Result<impl Body, AskError>,
        until_unix_ms: i64,
    ) -> Result<State, AskError> {
        self.make(verb, &said?, until_unix_ms).await
    }

    pub(super) async fn make(&self, verb: DealVerb, said: &impl Body, until_unix_ms: i64) -> Result<State, AskError> {
        match self.agent.insist::<_, Moved>(self.place(verb), said, until_unix_ms).await {
            Ok(moved) => {
                self.agent.core.deals.change(&self.id, |known| known.stand(moved.turn, moved.state));
                Ok(moved.state)
            }
            // This agent made the move before, in another process perhaps, with other words.
            Err(AskError::Refused(reply)) if reply.rule.as_deref().is_some_and(|rule| MADE_BEFORE.contains(&rule)) => {
                let state = State::ALL.into_iter().find(|state| reply.state.as_deref() == Some(state.as_str()));
                state.ok_or(AskError::Refused(reply))
            }
            Err(error) => Err(error),
        }
    }

    /// Has the author decide on the terms, and says so.
    pub(super) async fn be_judged(&self) {
        let decision = match &self.agent.core.hears.proposals {
            Some(decide) => decide(self.clone()).await,
            None => Decision::Reject(format!("{} takes no offers", self.agent.id())),
        };
        let (verb, made) = match decision {
            Decision::Accept => ("accept", self.accept().await),
            Decision::Reject(reason) => ("reject", self.reject(&reason).await),
            Decision::Leave => return,
        };
        self.tell(verb, made);
    }

    /// Has the author say whether what the agent is due has arrived.
    pub(super) async fn be_received(&self) {
        let has_arrived = match &self.agent.core.hears.deliveries {
            Some(has_arrived) => has_arrived(self.clone()).await,
            None => true,
        };
        if has_arrived {
            self.tell("confirm", self.confirm().await);
        }
    }

    /// That the deal has gone elsewhere meanwhile is no fault of the agent's.
    fn tell(&self, verb: &str, made: Result<State, AskError>) {
        match made {
            Ok(state) => tracing::info!(agent = %self.agent.id(), deal = %self.id, %state, verb, "made a move"),
            Err(error) => tracing::warn!(agent = %self.agent.id(), deal = %self.id, %error, verb, "cannot make a move"),
        }
    }
}

impl Agent {
    /// A deal by its id; [`Deal::show`] asks the desk about it.
    #[must_use]
    pub fn deal(&self, deal: &DealId) -> Deal {
        let known = self.core.deals.open().entry(deal.clone()).or_default().subscribe();
        Deal { agent: self.clone(), id: deal.clone(), known }
    }

    /// Offers another agent a deal: opens it, puts the terms on the table, and accepts them. It is under way when this
    /// returns: [`Deal::ended`] says how it went.
    ///
    /// # Errors
    /// [`AskError`]; where it is `Unknown`, the deal may be open.
    pub async fn offer(&self, offer: Offer) -> Result<Deal, AskError> {
        let terms = offer.terms(self.id(), self.now_unix_ms());
        self.open_deal(&terms, Profile::Fixed, offer.requires).await
    }

    /// Opens a deal with these terms, and accepts them where this agent is a party.
    ///
    /// # Errors
    /// As [`Agent::offer`].
    pub async fn open_deal(&self, terms: &Terms, profile: Profile, requires: Vec<ClaimKind>) -> Result<Deal, AskError> {
        let bytes = encode(terms);
        let table = ReadTerms::read(&bytes)
            .map_err(|bad| AskError::Refused(ErrorReply::new(Code::BadMessage, bad.reason).at_field(&bad.field)))?;
        let open = Open {
            move_id: self.move_id()?,
            deadline_unix_ms: terms.expires_unix_ms,
            book: terms.book.clone(),
            profile,
            parties: terms.parties.clone(),
            expires_unix_ms: terms.expires_unix_ms,
            terms: Some(bytes),
            requires,
            rules: None,
        };
        let deal = self.deal(&DealId::of(self.id(), &open.move_id));
        self.core.deals.change(&deal.id, |known| known.table = Some(table));
        deal.make(DealVerb::Open, &open, open.deadline_unix_ms).await?;
        if terms.parties.binary_search(self.id()).is_ok() {
            match deal.accept().await {
                // Another party was quicker, and said no: that is an end, and no error.
                Err(AskError::Refused(reply)) if reply.kind() == Code::Conflict => {
                    if deal.show().await?.state != State::Rejected {
                        return Err(AskError::Refused(reply));
                    }
                }
                accepted => drop(accepted?),
            }
        }
        Ok(deal)
    }
}

/// As much of a reason as is taken.
fn shortened(reason: &str) -> String {
    let mut end = reason.len().min(MAX_TEXT_BYTES);
    while !reason.is_char_boundary(end) {
        end -= 1;
    }
    reason.get(..end).unwrap_or_default().to_owned()
}
