//! The maker's rounds: hear, clear, open, tell. Thin: what to do is decided in [`super::book`].

use std::collections::BTreeMap;
use std::sync::Arc;

use futures::future::BoxFuture;
use futures::stream::{FuturesUnordered, StreamExt};
use runtime::journal::Keys;
use runtime::port::{KvEvent, Message, Port, PublishError, Record, Stored};
use runtime::sync::Semaphore;
use runtime::time::{Duration, MissedTickBehavior, interval};
use schemas::body::{self, Message as _, Refused};
use schemas::clearing::{Clear, Cleared, Clearing};
use schemas::deal::{Moved, Open};
use schemas::header::{self, Headers};
use schemas::keyring::RecordFault;
use schemas::market::{Because, Market};
use schemas::registry::{Done, Send};
use schemas::{Code, DealId, Hash, MarketId, MoveId, encode, stream as streams, subject};

use super::answers::Shared;
use super::book::Heard;
use super::listen::{Input, Inputs, SOURCES};
use super::proposal::Proposal;
use super::refine::{self, Brief, Refinement};
use super::{ANSWER_MS, PAUSE_MS, SERVICE, admission};
use crate::voice::{self, AskError, Voice};
use crate::witness::{self, Entry};

/// How often the maker looks whether a market is due, in milliseconds.
const LOOK_MS: u64 = 50;
/// Requests under way at once.
const ASKING: usize = 128;
/// Beyond the solver's own limit, how long its answer may take, in milliseconds.
const SOLVER_GRACE_MS: u64 = 10_000;

/// Something that was under way is done.
enum Finished {
    Cleared(MarketId, Result<Cleared, AskError>),
    Refined(MarketId, Cleared, Refinement),
    NotOpened(MarketId, DealId),
    Nothing,
}

pub(super) struct Rounds {
    port: Arc<dyn Port>,
    voice: Arc<Voice>,
    keys: Keys,
    books: Shared,
    asking: Arc<Semaphore>,
    /// Sources that have not yet told all that was there when we began: nothing is cleared before.
    behind: usize,
    /// When each market is cleared next.
    due: BTreeMap<MarketId, i64>,
    under_way: FuturesUnordered<BoxFuture<'static, Finished>>,
}

impl Rounds {
    pub(super) fn new(port: Arc<dyn Port>, voice: Arc<Voice>, keys: Keys, books: Shared) -> Self {
        Self {
            port,
            voice,
            keys,
            books,
            asking: Arc::new(Semaphore::new(ASKING)),
            behind: SOURCES,
            due: BTreeMap::new(),
            under_way: FuturesUnordered::new(),
        }
    }

    pub(super) async fn run(mut self, mut inputs: Inputs) {
        let mut looks = interval(Duration::from_millis(LOOK_MS));
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            runtime::select! {
                Some(input) = inputs.next() => self.hear(input).await,
                Some(finished) = self.under_way.next() => self.finished(finished),
                _ = looks.tick() => self.look(),
            }
        }
    }

    async fn hear(&mut self, input: Input) {
        match input {
            Input::CaughtUp => self.behind = self.behind.saturating_sub(1),
            Input::Market(event) => self.market(event),
            Input::Intent(stored) => self.intent(stored).await,
            Input::Log(stored) => {
                if let Err(fault) = self.log(&stored).await {
                    tracing::warn!(sequence = stored.sequence, subject = stored.subject, %fault, "an entry of the log was skipped");
                }
            }
        }
    }

    fn market(&mut self, event: KvEvent) {
        // A declaration that went leaves its market as it is: open deals go on, and what stands may trade.
        let KvEvent::Put(entry) = event else { return };
        let market = serde_json::from_slice(&entry.value)
            .map_err(|error| error.to_string())
            .and_then(|value| body::from_json::<Market>(&value).map_err(|error| error.to_string()));
        match market {
            Ok(market) if market.market.as_str() == entry.key => {
                let tell = self.books.with(|books| books.declare(market));
                self.tell(tell, 0);
            }
            Ok(market) => {
                tracing::warn!(key = entry.key, market = %market.market, "a market under another's key was skipped")
            }
            Err(error) => tracing::warn!(key = entry.key, error, "a declaration that cannot be read was skipped"),
        }
    }

    async fn intent(&mut self, stored: Stored) {
        let Ok((market, agent)) = subject::parse_intent(&stored.subject) else { return };
        let message = Message::new(stored.subject.clone(), stored.body.clone()).with_headers(stored.headers.clone());
        let sender = witness::said_by(&self.keys, agent.as_str(), &message).await;
        let heard = Heard {
            agent,
            sequence: stored.sequence,
            sender,
            body: &stored.body,
            stored_unix_ms: stored.time_unix_ms,
            expires_unix_ms: admission::expiry_unix_ms(stored.headers.get(header::TTL), stored.time_unix_ms),
        };
        let refusal = self.books.with(|books| books.book(&market).heard(heard));
        if let Err((because, refused)) = refusal {
            tracing::info!(%market, agent = %because.agent, %refused, "an intent was refused");
            self.tell(vec![because], stored.sequence);
            self.lay_down(&stored, &refused);
        }
    }

    async fn log(&mut self, stored: &Stored) -> Result<(), RecordFault> {
        let entry = witness::entry(&self.keys, stored).await?;
        self.books.with(|books| match entry {
            Entry::Deal(event) => books.happened(&event),
            Entry::Limit(event) => books.declared(&event),
        });
        Ok(())
    }

    /// Clears what is due.
    fn look(&mut self) {
        if self.behind > 0 {
            return;
        }
        let now_unix_ms = self.port.now_unix_ms();
        let markets: Vec<(MarketId, u32)> = self
            .books
            .with(|books| books.markets().map(|market| (market.market.clone(), market.clear_every_ms)).collect());
        for (market, every_ms) in markets {
            let next = now_unix_ms.saturating_add(every_ms.into());
            // A market waits a whole period first: those who come together are cleared together.
            let due = *self.due.entry(market.clone()).or_insert(next);
            if now_unix_ms < due {
                continue;
            }
            self.due.insert(market.clone(), next);
            if let Some(prepared) = self.books.with(|books| books.book(&market).prepare(now_unix_ms)) {
                self.tell(prepared.tell, 0);
                if let Some(request) = prepared.request {
                    self.clear(market, request);
                }
            }
        }
    }

    fn clear(&mut self, market: MarketId, request: Clear) {
        let port = self.port.clone();
        let timeout_ms = u64::from(request.time_limit_ms).saturating_add(SOLVER_GRACE_MS);
        let message = voice::plain(subject::endpoint("graph", "clear"), &request);
        self.under_way.push(Box::pin(async move {
            Finished::Cleared(market, voice::ask(port.as_ref(), message, timeout_ms).await)
        }));
    }

    fn finished(&mut self, finished: Finished) {
        match finished {
            Finished::Nothing => {}
            Finished::NotOpened(market, deal) => {
                self.books.with(|books| books.book(&market).trades_mut().not_opened(&deal));
            }
            Finished::Cleared(market, Err(error)) => {
                tracing::warn!(%market, %error, "the market was not cleared");
                self.books.with(|books| books.book(&market).not_cleared());
            }
            Finished::Cleared(market, Ok(cleared)) => match self.books.with(|books| books.book(&market).to_refine()) {
                Some(brief) => self.refine(market, brief, cleared),
                None => self.propose(&market, cleared, None),
            },
            Finished::Refined(market, cleared, refinement) => self.propose(&market, cleared, Some(refinement)),
        }
    }

    fn refine(&mut self, market: MarketId, brief: Brief, cleared: Cleared) {
        let port = self.port.clone();
        self.under_way.push(Box::pin(async move {
            let refinement = refine::refine(port.as_ref(), &brief, &cleared).await;
            Finished::Refined(market, cleared, refinement)
        }));
    }

    /// Opens what a clearing found.
    fn propose(&mut self, market: &MarketId, cleared: Cleared, refinement: Option<Refinement>) {
        let now_unix_ms = self.port.now_unix_ms();
        let cleared = self.books.with(|books| books.book(market).cleared(cleared, refinement, now_unix_ms));
        let Some(outcome) = cleared else { return };
        if outcome.malformed > 0 {
            tracing::error!(%market, deals = outcome.malformed, "a core answered with deals that promise too much");
        }
        tracing::info!(%market, clearing = outcome.record.clearing, deals = outcome.proposals.len(), "cleared");
        for proposal in outcome.proposals {
            self.open(market.clone(), proposal);
        }
        self.publish(outcome.record);
        self.tell(outcome.tell, 0);
    }

    /// Tells everyone who watches.
    fn publish(&mut self, record: Clearing) {
        let (port, voice) = (self.port.clone(), self.voice.clone());
        self.under_way.push(Box::pin(async move {
            publish(port.as_ref(), &voice, record).await;
            Finished::Nothing
        }));
    }

    fn open(&mut self, market: MarketId, proposal: Proposal) {
        let (port, voice, asking) = (self.port.clone(), self.voice.clone(), self.asking.clone());
        self.under_way.push(Box::pin(async move {
            let _turn = asking.acquire_owned().await;
            match open(port.as_ref(), &voice, &proposal).await {
                Ok(()) => Finished::Nothing,
                Err(AskError::Refused(reply)) if reply.kind() != Code::Late => {
                    tracing::warn!(deal = %proposal.deal, %reply, "a ring was refused");
                    Finished::NotOpened(market, proposal.deal)
                }
                // Nobody's fault: what it withholds is free again once nobody could accept it any more.
                Err(error) => {
                    tracing::debug!(deal = %proposal.deal, %error, "a ring was not opened in time");
                    Finished::Nothing
                }
            }
        }));
    }

    /// Tells agents. `about` is the sequence of the intent that it is about, so that the same is said again of another; 0
    /// where what is said names its clearing.
    fn tell(&mut self, tell: Vec<Because>, about: u64) {
        for because in tell {
            let (port, voice, asking) = (self.port.clone(), self.voice.clone(), self.asking.clone());
            self.under_way.push(Box::pin(async move {
                let _turn = asking.acquire_owned().await;
                if let Err(reason) = send(port.as_ref(), &voice, &because, about).await {
                    tracing::warn!(agent = %because.agent, reason, "an agent was not told why it was left out");
                }
                Finished::Nothing
            }));
        }
    }

    fn lay_down(&mut self, stored: &Stored, refused: &Refused) {
        let headers: Headers = stored
            .headers
            .iter()
            .filter(|(name, _)| !name.starts_with("Nats-"))
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        let headers = headers
            .with(header::DLQ_SUBJECT, stored.subject.clone())
            .with(header::DLQ_REASON, refused.to_string().replace(['\r', '\n'], " "));
        let record = Record::new(subject::dead_letter(SERVICE), stored.body.clone()).with_headers(headers);
        let port = self.port.clone();
        self.under_way.push(Box::pin(async move {
            if let Err(error) = port.append(streams::DLQ, vec![record]).await {
                tracing::warn!(%error, "a refused intent was not laid with the dead letters");
            }
            Finished::Nothing
        }));
    }
}

/// Publishes a clearing; without its inputs where they are too large for a message.
async fn publish(port: &dyn Port, voice: &Voice, mut record: Clearing) {
    let to = subject::clearing_topic(&record.market);
    loop {
        let message = match voice.say(to.clone(), &record, port.now_unix_ms()) {
            Ok(message) => message,
            Err(error) => return tracing::error!(%error, "a clearing cannot be signed"),
        };
        match port.publish(message).await {
            Err(PublishError::TooLarge { .. }) if record.request.is_some() => record.request = None,
            Err(error) => return tracing::warn!(%error, clearing = record.clearing, "a clearing was not told"),
            Ok(()) => return,
        }
    }
}

/// Opens a deal, asking again until it is known to be open or nobody could accept it any more.
async fn open(port: &dyn Port, voice: &Voice, proposal: &Proposal) -> Result<(), AskError> {
    loop {
        let now_unix_ms = port.now_unix_ms();
        let message = voice.say_bytes(proposal.subject.clone(), Open::TYPE, proposal.body.clone(), now_unix_ms)?;
        match voice::ask::<Moved>(port, message, ANSWER_MS).await {
            Err(error) if error.is_passing() && now_unix_ms < proposal.terms.expires_unix_ms => {
                port.sleep_ms(PAUSE_MS).await;
            }
            outcome => return outcome.map(drop),
        }
    }
}

/// Tells an agent through its inbox. The id is of what is said and of what about, so that saying it twice is hearing it
/// once.
async fn send(port: &dyn Port, voice: &Voice, because: &Because, about: u64) -> Result<(), String> {
    let body = encode(because);
    let hash = Hash::of_parts(&[&body, &about.to_be_bytes()]).to_string();
    let move_id = MoveId::parse(hash.get(..40).unwrap_or_default()).map_err(|error| error.to_string())?;
    let send = Send { move_id, to: because.agent.clone(), body };
    let mut left = 3;
    loop {
        let message = voice
            .say(subject::endpoint("registry", "send"), &send, port.now_unix_ms())
            .map_err(|error| error.to_string())?;
        match voice::ask::<Done>(port, message, ANSWER_MS).await {
            Ok(_) => return Ok(()),
            Err(error) if error.is_passing() && left > 0 => {
                left -= 1;
                port.sleep_ms(PAUSE_MS).await;
            }
            Err(error) => return Err(error.to_string()),
        }
    }
}
