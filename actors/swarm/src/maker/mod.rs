//! The market maker: an agent of its own that clears each declared market every few seconds and proposes the rings.
//!
//! It has no privileges. It reads what everybody may read (declarations, intents, logs), asks `graph.clear` like
//! anyone could, and opens `ring/1` deals, signed with its own key, in which it is no party. Whoever doesn't like a
//! proposal says no.
//!
//! What is decided is decided in state machines without I/O: [`book::Book`] (who stands, when to clear, what came of
//! it), [`trades::Trades`] (what deals withhold and fill), [`crate::remaining`], [`admission`], [`proposal`]. This file only
//! listens, asks and carries out. A restart rebuilds everything from streams: intents from the last value of each
//! subject, deals and limits from their logs. Run one: two would propose the same goods twice, and the ledger would
//! refuse the later deals.

pub mod admission;
mod answers;
pub mod book;
pub mod books;
mod listen;
pub mod proposal;
pub mod refine;
mod rounds;
#[cfg(test)]
mod tests;
pub mod trades;

use std::sync::Arc;

use runtime::journal::Keys;
use runtime::port::{Port, ReadError};
use runtime::service::{Meters, Running, StartError};
use runtime::task::{self, AbortHandle};
use schemas::limit::DEFAULT_LEASE_MS;
use schemas::registry::{Register, Registered};
use schemas::signature::{BadSignature, Signer};
use schemas::value::PartyKind;
use schemas::{AgentId, subject};

use self::answers::Shared;
use self::books::Books;
use self::rounds::Rounds;
use crate::voice::{self, AskError, Voice};

/// The service's name, and the agent's id.
pub const SERVICE: &str = "maker";
/// The verbs of its endpoints.
pub const VERBS: [&str; 2] = ["market", "why"];

/// How long the registry may take to appear, in milliseconds.
const REGISTRY_WITHIN_MS: i64 = 20_000;
/// Pause before asking again, in milliseconds.
const PAUSE_MS: u64 = 200;
/// How long an answer may take, in milliseconds.
const ANSWER_MS: u64 = 5_000;

/// Why there is no market maker.
#[derive(Debug, thiserror::Error)]
pub enum MakerError {
    /// Its service did not start.
    #[error(transparent)]
    Service(#[from] StartError),
    /// A stream cannot be followed.
    #[error("the maker cannot read: {0}")]
    Read(#[from] ReadError),
    /// The registry does not take it.
    #[error("the registry does not take the maker: {0}")]
    Registry(#[source] AskError),
    /// It cannot sign.
    #[error("the maker cannot sign: {0}")]
    Signature(#[from] BadSignature),
    /// The signer is another agent's.
    #[error("the maker signs as {SERVICE:?}, not as {0:?}")]
    Name(String),
}

/// A market maker at work. Dropped, it stops at once.
pub struct Maker {
    service: Running,
    work: Task,
    lease: Task,
}

impl Maker {
    /// Registers as an agent, reads what there is, and begins to clear. Within [`runtime::run`] or
    /// [`runtime::simulate`].
    ///
    /// # Errors
    /// [`MakerError`].
    pub async fn start(port: Arc<dyn Port>, signer: Signer) -> Result<Self, MakerError> {
        let agent = AgentId::parse(SERVICE)
            .ok()
            .filter(|agent| agent.as_str() == signer.name())
            .ok_or_else(|| MakerError::Name(signer.name().to_owned()))?;
        let voice = Arc::new(Voice::new(agent.clone(), signer));
        register(port.as_ref(), &voice).await?;
        let keys = Keys::follow(port.clone()).await?;
        let books = Shared::new(Books::new(agent));
        let inputs = listen::everything(port.as_ref()).await?;
        let service = answers::service(&books).start(port.clone()).await?;
        let rounds = Rounds::new(port.clone(), voice.clone(), keys, books);
        let work = Task(task::spawn(rounds.run(inputs)).abort_handle());
        let lease = Task(task::spawn(renew(port, voice)).abort_handle());
        Ok(Self { service, work, lease })
    }

    /// Has these meters show how its service fares.
    pub fn measure(&self, meters: &Meters) {
        self.service.measure(meters);
    }

    /// Answers what was asked, and ends. Open deals go on without it. Says whether all was answered in time.
    pub async fn drain(self, timeout_ms: u64) -> bool {
        drop(self.work);
        drop(self.lease);
        self.service.drain(timeout_ms).await
    }
}

/// Work that ends with whoever holds it.
struct Task(AbortHandle);

impl Drop for Task {
    fn drop(&mut self) {
        self.0.abort();
    }
}

async fn register(port: &dyn Port, voice: &Voice) -> Result<(), MakerError> {
    let until_unix_ms = port.now_unix_ms().saturating_add(REGISTRY_WITHIN_MS);
    loop {
        match try_register(port, voice).await? {
            Ok(_) => return Ok(()),
            Err(error) if error.is_passing() && port.now_unix_ms() < until_unix_ms => port.sleep_ms(PAUSE_MS).await,
            Err(error) => return Err(MakerError::Registry(error)),
        }
    }
}

async fn try_register(port: &dyn Port, voice: &Voice) -> Result<Result<Registered, AskError>, BadSignature> {
    let register = Register {
        agent: voice.agent().clone(),
        key: voice.signer().key().clone(),
        kind: PartyKind::default(),
        capabilities: vec!["market-maker".to_owned()],
        subjects: VERBS.iter().map(|verb| subject::endpoint(SERVICE, verb)).collect(),
        lease_ms: DEFAULT_LEASE_MS,
    };
    let message = voice.say(subject::endpoint("registry", "register"), &register, port.now_unix_ms())?;
    Ok(voice::ask(port, message, ANSWER_MS).await)
}

/// Keeps the maker among those who are here.
async fn renew(port: Arc<dyn Port>, voice: Arc<Voice>) {
    loop {
        port.sleep_ms(u64::try_from(DEFAULT_LEASE_MS / 3).unwrap_or(PAUSE_MS)).await;
        match try_register(port.as_ref(), &voice).await {
            Ok(Ok(_)) => {}
            Ok(Err(error)) => tracing::warn!(%error, "the maker's lease was not renewed"),
            Err(error) => tracing::warn!(%error, "the maker cannot sign"),
        }
    }
}
