//! Agents whose moves a script makes: each asks as docs/semantics.md has agents ask.
//!
//! After a time-out a hand asks again with the same `move_id` and the same bytes, and now and then it asks twice at the
//! same time, or once more for what it was told already.

use std::sync::Arc;

use runtime::{dice::Dice, memory::weather::Exposed, port::Port};
use schemas::{
    AgentId, Code, ErrorReply, MarketId,
    body::{Message as Body, encode},
    deal::{Move, Moved, Show, Shown},
    import::Recorded,
    ledger::{Declare, Declared, Limit},
    limit::MAX_LEASE_MS,
    registry::{Register, Registered},
    subject::{self, DealVerb},
    value::PartyKind,
};
use swarm::voice::{self, AskError, Voice};
use trade_balance::LEDGER;

use super::keys;

/// How long an attempt waits for its answer, in milliseconds.
const ATTEMPT_MS: u64 = 1_500;
/// How long after its deadline a move is still asked about, in milliseconds.
const PATIENCE_MS: i64 = 12_000;
/// Pauses between attempts, in milliseconds: the first, and the longest.
const PAUSE_MS: (u64, u64) = (50, 1_000);

/// What came of a move.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome<R> {
    /// It is recorded.
    Done(R),
    /// It was refused.
    Refused(ErrorReply),
    /// Nobody could say in all that time.
    Unknown,
}

/// An agent.
pub struct Hand {
    port: Arc<Exposed>,
    voice: Voice,
}

impl Hand {
    /// The agent of this name.
    ///
    /// # Errors
    /// When there is no such name.
    pub fn new(name: &str, port: Arc<Exposed>) -> anyhow::Result<Self> {
        Ok(Self { port, voice: Voice::new(name.parse()?, keys::signer(name)?) })
    }

    /// Who it is.
    pub fn id(&self) -> &AgentId {
        self.voice.agent()
    }

    /// Registers, and stays for a day.
    pub async fn register(&self) -> Outcome<Registered> {
        let register = Register {
            agent: self.id().clone(),
            key: self.voice.signer().key().clone(),
            kind: PartyKind::default(),
            capabilities: Vec::new(),
            subjects: Vec::new(),
            lease_ms: MAX_LEASE_MS,
        };
        let deadline_unix_ms = self.port.now_unix_ms() + PATIENCE_MS;
        self.insist(&subject::endpoint("registry", "register"), Register::TYPE, &encode(&register), deadline_unix_ms)
            .await
    }

    /// Declares limits.
    pub async fn declare(&self, id: &str, book: &MarketId, limits: Vec<Limit>) -> anyhow::Result<Outcome<Declared>> {
        let deadline_unix_ms = self.port.now_unix_ms() + 6_000;
        let declare = Declare { move_id: id.parse()?, deadline_unix_ms, book: book.clone(), limits };
        let to = subject::endpoint(LEDGER, "declare");
        Ok(self.insist(&to, Declare::TYPE, &encode(&declare), deadline_unix_ms).await)
    }

    /// Makes a move of the authority over a book's import certificates.
    pub async fn rules<M: Body>(&self, verb: &str, ask: &M, deadline_unix_ms: i64) -> Outcome<Recorded> {
        self.insist(&subject::endpoint(LEDGER, verb), M::TYPE, &encode(ask), deadline_unix_ms).await
    }

    /// Makes a move in a deal; twice at the same time, if the dice say so.
    pub async fn moves(&self, ask: &Move, deal: &schemas::DealId, mut dice: Dice) -> Outcome<Moved> {
        let to = subject::deal_move(ask.verb(), self.id(), deal);
        let (body, deadline_unix_ms) = (ask.encode(), ask.deadline_unix_ms());
        let attempt = || self.insist::<Moved>(&to, ask.kind(), &body, deadline_unix_ms);
        if dice.happens(150_000) {
            let after_ms = dice.between(0, 300);
            let second = async {
                self.port.sleep_ms(after_ms).await;
                attempt().await
            };
            let (first, second) = futures::join!(attempt(), second);
            return if matches!(first, Outcome::Done(_)) { first } else { second };
        }
        let outcome = attempt().await;
        if dice.happens(100_000) {
            self.port.sleep_ms(dice.between(0, 5_000)).await;
            attempt().await;
        }
        outcome
    }

    /// Where a deal stands, as far as can be heard.
    pub async fn state(&self, deal: &schemas::DealId) -> Option<Shown> {
        let to = subject::deal_move(DealVerb::Show, self.id(), deal);
        match self.insist(&to, Show::TYPE, &encode(&Show { deal: deal.clone() }), self.port.now_unix_ms()).await {
            Outcome::Done(shown) => Some(shown),
            Outcome::Refused(_) | Outcome::Unknown => None,
        }
    }

    /// Asks until there is an answer, or the patience has gone.
    async fn insist<R: Body>(&self, to: &str, kind: &str, body: &[u8], deadline_unix_ms: i64) -> Outcome<R> {
        let end_unix_ms = deadline_unix_ms.max(self.port.now_unix_ms()) + PATIENCE_MS;
        let mut pause_ms = PAUSE_MS.0;
        while self.port.now_unix_ms() < end_unix_ms {
            let Ok(message) = self.voice.say_bytes(to, kind, body.to_vec(), self.port.now_unix_ms()) else {
                return Outcome::Unknown;
            };
            match voice::ask::<R>(self.port.as_ref(), message, ATTEMPT_MS).await {
                Ok(answer) => return Outcome::Done(answer),
                Err(AskError::Refused(reply)) if !matches!(reply.kind(), Code::Busy | Code::Internal) => {
                    return Outcome::Refused(reply);
                }
                Err(_) => {}
            }
            self.port.sleep_ms(pause_ms).await;
            pause_ms = (2 * pause_ms).min(PAUSE_MS.1);
        }
        Outcome::Unknown
    }
}
