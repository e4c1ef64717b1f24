//! How an agent speaks: every message signed over its exact bytes, every answer read in one place.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use runtime::port::{Message, Port, PublishError, RequestError};
use runtime::trace;
use schemas::body::{self, Message as Body};
use schemas::header::{self, Headers};
use schemas::limit::MAX_CLEARING_BODY_BYTES;
use schemas::registry::{Hello, Welcome};
use schemas::signature::{BadSignature, PublicKey, Signer};
use schemas::{AgentId, Code, ErrorReply, subject};

/// How long the registry may take to answer, in milliseconds.
const ANSWER_MS: u64 = 5_000;

/// Signs as one agent. Nonces count up from the time of each signature, so that nothing is drawn at random and
/// nothing repeats.
pub struct Voice {
    agent: AgentId,
    signer: Signer,
    spoken: AtomicU64,
}

/// Why an answer did not come, or was not good.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AskError {
    /// It was said no.
    #[error(transparent)]
    Refused(#[from] ErrorReply),
    /// Nobody knows whether it was done: ask again, with the same bytes.
    #[error("no answer: {0}")]
    Unknown(String),
    /// It was not sent, or nobody was there to hear it.
    #[error("not asked: {0}")]
    NotAsked(String),
    /// An answer that cannot be read.
    #[error("an answer that cannot be read: {0}")]
    Unreadable(String),
}

impl AskError {
    /// Whether asking again with the same bytes may help.
    #[must_use]
    pub fn is_passing(&self) -> bool {
        match self {
            Self::Refused(reply) => reply.retryable,
            Self::Unknown(_) | Self::NotAsked(_) => true,
            Self::Unreadable(_) => false,
        }
    }
}

impl From<RequestError> for AskError {
    fn from(error: RequestError) -> Self {
        match error {
            RequestError::Refused { code, text, reply } => Self::Refused(
                body::decode(&reply.body, MAX_CLEARING_BODY_BYTES)
                    .unwrap_or_else(|_| ErrorReply::new(Code::from_number(code).unwrap_or(Code::Internal), text)),
            ),
            RequestError::NotSent(PublishError::Disconnected) | RequestError::NoResponders(_) => {
                Self::NotAsked(error.to_string())
            }
            RequestError::NotSent(_) => Self::Unreadable(error.to_string()),
            RequestError::TimedOut(_) | RequestError::Disconnected => Self::Unknown(error.to_string()),
        }
    }
}

impl From<BadSignature> for AskError {
    fn from(error: BadSignature) -> Self {
        Self::NotAsked(error.to_string())
    }
}

impl Voice {
    /// The voice of `agent`.
    #[must_use]
    pub fn new(agent: AgentId, signer: Signer) -> Self {
        Self { agent, signer, spoken: AtomicU64::new(0) }
    }

    /// Whose it is.
    #[must_use]
    pub fn agent(&self) -> &AgentId {
        &self.agent
    }

    /// Its signing key.
    #[must_use]
    pub fn signer(&self) -> &Signer {
        &self.signer
    }

    /// A message with the signature that goes with it.
    ///
    /// # Errors
    /// When the time is out of range.
    pub fn sign(&self, message: Message, now_unix_ms: i64) -> Result<Message, BadSignature> {
        let nonce = format!("{now_unix_ms}-{}", self.spoken.fetch_add(1, Relaxed));
        let sender = self.signer.sign(&message.subject, &message.body, now_unix_ms, &nonce)?;
        Ok(message.with_header(header::SENDER, sender))
    }

    /// A signed body, ready to be sent.
    ///
    /// # Errors
    /// When the time is out of range.
    pub fn say<T: Body>(
        &self,
        subject: impl Into<String>,
        said: &T,
        now_unix_ms: i64,
    ) -> Result<Message, BadSignature> {
        self.say_bytes(subject, T::TYPE, body::encode(said), now_unix_ms)
    }

    /// The same for a body that is encoded already.
    ///
    /// # Errors
    /// When the time is out of range.
    pub fn say_bytes(
        &self,
        subject: impl Into<String>,
        kind: &str,
        body: Vec<u8>,
        now_unix_ms: i64,
    ) -> Result<Message, BadSignature> {
        self.sign(Message::new(subject, body).with_headers(Headers::of_type(kind.to_owned())), now_unix_ms)
    }
}

/// An unsigned body, ready to be sent.
#[must_use]
pub fn plain<T: Body>(subject: impl Into<String>, said: &T) -> Message {
    Message::new(subject, body::encode(said)).with_headers(Headers::of_type(T::TYPE))
}

/// The account of the bus, which every signature names. The registry tells it to anybody.
///
/// # Errors
/// [`AskError`].
pub async fn account(port: &dyn Port) -> Result<PublicKey, AskError> {
    let hello = plain(subject::endpoint("registry", "hello"), &Hello {});
    ask(port, hello, ANSWER_MS).await.map(|welcome: Welcome| welcome.account)
}

/// Asks and reads the answer; a trace of its own.
///
/// # Errors
/// [`AskError`].
pub async fn ask<R: Body>(port: &dyn Port, message: Message, timeout_ms: u64) -> Result<R, AskError> {
    read(trace::ask(port, message, timeout_ms, None).await)
}

/// Reads the outcome of a request.
///
/// # Errors
/// [`AskError`].
pub fn read<R: Body>(outcome: Result<Message, RequestError>) -> Result<R, AskError> {
    let reply = outcome?;
    body::decode(&reply.body, MAX_CLEARING_BODY_BYTES).map_err(|error| AskError::Unreadable(error.to_string()))
}
