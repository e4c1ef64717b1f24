//! The side that prompts.

use std::{collections::BTreeMap, sync::Arc};

use runtime::{
    port::{Message, Port, PublishError, Replies, RequestError},
    trace::{Kind, Span},
};
use schemas::{
    Hash, JobId, header,
    signature::BadSignature,
    subject::{self, PeerVerb},
};
use serde::Deserialize;

use super::envelope::{Attachment, BadEnvelope, Chunk, Envelope, Query, SERVICE, read_size};
use crate::voice::Voice;

/// Nobody else answers a discovery after this silence, in milliseconds.
const STALL_MS: u64 = 250;

/// An agent that can be prompted, as it was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Peer {
    /// What it runs in.
    pub harness: String,
    /// Who runs it.
    pub owner: String,
    /// What tells agents of one harness and owner apart: of an agent of ours, its id.
    pub session: String,
    /// What it is for.
    pub about: String,
    /// The id of its service's instance.
    pub instance_id: String,
    /// Where it is prompted.
    pub subject: String,
    /// The largest prompt that it takes, in bytes.
    pub max_body_bytes: Option<usize>,
    /// Whether it takes files.
    pub takes_attachments: bool,
    /// Whether it answers those alone who sign.
    pub wants_signature: bool,
}

/// What went wrong with a prompt or its answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PromptError {
    /// It is not what the other takes: too large, with files, or empty. Nothing was sent.
    #[error("{0}")]
    NotTaken(String),
    /// It cannot be signed: the time is out of range. Nothing was sent.
    #[error(transparent)]
    Unsigned(#[from] BadSignature),
    /// It was not sent.
    #[error(transparent)]
    NotSent(#[from] PublishError),
    /// Nobody answers, not in time, or with an error.
    #[error(transparent)]
    NoAnswer(#[from] RequestError),
    /// What is answered is not of the protocol.
    #[error("an answer that cannot be read: {0}")]
    Unreadable(#[from] BadEnvelope),
    /// It asks back, and nobody is there to answer.
    #[error("it asks back, and nobody answers: {0}")]
    AsksBack(String),
}

#[derive(Deserialize)]
struct Info {
    name: String,
    id: String,
    #[serde(default)]
    description: String,
    #[serde(default)]
    metadata: Option<BTreeMap<String, String>>,
    #[serde(default)]
    endpoints: Vec<EndpointInfo>,
}

#[derive(Deserialize)]
struct EndpointInfo {
    name: String,
    subject: String,
    #[serde(default)]
    metadata: Option<BTreeMap<String, String>>,
}

impl Peer {
    /// The agent that a service's `INFO` tells of, if it is one.
    fn of(info: Info) -> Option<Self> {
        let about = info.metadata.unwrap_or_default();
        let word = |key: &str| about.get(key).filter(|word| !word.is_empty()).cloned();
        let prompt = info.endpoints.into_iter().find(|endpoint| endpoint.name == PeerVerb::Prompt.as_str())?;
        let (harness, owner, _) = (word("agent")?, word("owner")?, word("protocol_version")?);
        let session = match *prompt.subject.split('.').collect::<Vec<_>>() {
            [SERVICE, verb, _, _, session] if verb == PeerVerb::Prompt.as_str() => session.to_owned(),
            _ => word("session").unwrap_or_default(),
        };
        let said = prompt.metadata.unwrap_or_default();
        let says = |key: &str| said.get(key).map(String::as_str);
        (info.name == SERVICE).then_some(Self {
            harness,
            owner,
            session,
            about: info.description,
            instance_id: info.id,
            subject: prompt.subject,
            max_body_bytes: says("max_payload").and_then(read_size),
            takes_attachments: says("attachments_ok") == Some("true"),
            wants_signature: says("min_sender_trust").is_some_and(|trust| trust != "any"),
        })
    }
}

/// Everyone who can be prompted, and says so within `within_ms`.
///
/// # Errors
/// When nobody can be asked.
pub async fn find(port: &dyn Port, within_ms: u64) -> Result<Vec<Peer>, PublishError> {
    let end_unix_ms = port.now_unix_ms().saturating_add_unsigned(within_ms);
    let question = Message::new(subject::discovery("INFO", Some(SERVICE), None), "");
    let mut replies = Replies::to(port, question).await?;
    let mut peers = Vec::new();
    loop {
        // The first may take its time; after that, silence means that all have spoken.
        let left_ms = end_unix_ms.saturating_sub(port.now_unix_ms()).max(0).unsigned_abs();
        let patience_ms = if peers.is_empty() { left_ms } else { left_ms.min(STALL_MS) };
        match replies.next(patience_ms).await {
            Ok(answer) => match serde_json::from_slice(&answer.body).ok().and_then(Peer::of) {
                Some(peer) => peers.push(peer),
                None => tracing::debug!("a service called {SERVICE} is no agent of the protocol"),
            },
            Err(RequestError::Refused { code, text, .. }) => {
                tracing::debug!(code, text, "a service refuses to say what it is")
            }
            Err(_) => return Ok(peers),
        }
    }
}

/// How long an answer is waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience {
    /// For each piece of it, in milliseconds. Agents say every 20 s that they are still at it.
    pub silence_ms: u64,
    /// For all of it, in milliseconds.
    pub within_ms: u64,
}

impl Default for Patience {
    /// A minute for each piece, ten for all.
    fn default() -> Self {
        Self { silence_ms: 60_000, within_ms: 600_000 }
    }
}

/// Prompts an agent, signed; its answer is in what comes back.
///
/// # Errors
/// [`PromptError`]; nothing was sent.
pub async fn prompt(
    port: Arc<dyn Port>,
    voice: &Voice,
    to: &Peer,
    text: impl Into<String>,
    attachments: Vec<Attachment>,
    patience: Patience,
) -> Result<Conversation, PromptError> {
    let Peer { session, subject, .. } = to;
    if !attachments.is_empty() && !to.takes_attachments {
        return Err(PromptError::NotTaken(format!("{session} takes no attachments")));
    }
    let body = Envelope { prompt: text.into(), attachments }.write();
    let body = body.map_err(|bad| PromptError::NotTaken(bad.to_string()))?;
    if let Some(most) = to.max_body_bytes.filter(|most| body.len() > *most) {
        return Err(PromptError::NotTaken(format!("{session} takes at most {most} bytes, not {}", body.len())));
    }
    let now_unix_ms = port.now_unix_ms();
    // A hash's words are a job's name.
    let job = Hash::of(port.unique_token().as_bytes()).to_string();
    let job = JobId::parse(&job).map_err(|bad| PromptError::NotTaken(bad.to_string()))?;
    let span = Span::begin(Kind::Client, || "prompt".to_owned(), subject, None);
    let mut question = Message::new(subject.as_str(), body).with_header(header::JOB, job.as_str().to_owned());
    if let Some(context) = span.traceparent() {
        question = question.with_header(header::TRACEPARENT, context);
    }
    let replies = Replies::to(port.as_ref(), voice.sign(question, now_unix_ms)?).await?;
    let end_unix_ms = now_unix_ms.saturating_add_unsigned(patience.within_ms);
    Ok(Conversation { port, replies, job, silence_ms: patience.silence_ms, end_unix_ms, ended: false, span })
}

/// A piece of an answer.
#[derive(Debug)]
pub enum Part {
    /// Something that is said.
    Said {
        /// The words.
        text: String,
        /// The files that come with them.
        attachments: Vec<Attachment>,
    },
    /// A question back, before it goes on.
    Question(Question),
}

/// What an agent asks back; answer it once.
pub struct Question {
    port: Arc<dyn Port>,
    query: Query,
}

impl std::fmt::Debug for Question {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.query.fmt(f)
    }
}

impl Question {
    /// The words.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.query.prompt
    }

    /// The files that come with them.
    #[must_use]
    pub fn attachments(&self) -> &[Attachment] {
        &self.query.attachments
    }

    /// Answers it.
    ///
    /// # Errors
    /// When there is nothing in it, or it cannot be sent; or where it would go is no inbox.
    pub async fn answer(self, text: impl Into<String>) -> Result<(), PromptError> {
        let to = self.query.reply_subject;
        // Any other would be a way to have us write where whoever asks may not.
        if !to.starts_with('_') {
            return Err(PromptError::NotTaken(format!("{to} is no inbox")));
        }
        let body = Envelope { prompt: text.into(), attachments: Vec::new() }.write();
        let body = body.map_err(|bad| PromptError::NotTaken(bad.to_string()))?;
        Ok(self.port.publish(Message::new(to, body)).await?)
    }
}

/// The answer to a prompt, as it comes. Whoever drops it leaves the other to itself; [`Conversation::stop`] tells it.
pub struct Conversation {
    port: Arc<dyn Port>,
    replies: Replies,
    job: JobId,
    silence_ms: u64,
    end_unix_ms: i64,
    ended: bool,
    span: Span,
}

impl Conversation {
    /// The next piece; `None` when all is said.
    ///
    /// # Errors
    /// [`PromptError`]; nothing more comes then.
    pub async fn next(&mut self) -> Result<Option<Part>, PromptError> {
        while !self.ended {
            let part = self.hear().await.inspect_err(|error| {
                self.ended = true;
                self.span.fail(error);
            })?;
            if part.is_some() {
                return Ok(part);
            }
        }
        Ok(None)
    }

    /// The next chunk, if it is a piece of the answer.
    async fn hear(&mut self) -> Result<Option<Part>, PromptError> {
        let left_ms = self.end_unix_ms.saturating_sub(self.port.now_unix_ms()).max(0).unsigned_abs();
        let chunk = self.replies.next(self.silence_ms.min(left_ms)).await?;
        if chunk.body.is_empty() && chunk.headers.is_empty() {
            self.ended = true;
            return Ok(None);
        }
        Ok(match Chunk::read(&chunk.body)? {
            Some(Chunk::Response { text, attachments }) => Some(Part::Said { text, attachments }),
            Some(Chunk::Query(query)) => Some(Part::Question(Question { port: Arc::clone(&self.port), query })),
            Some(Chunk::Status(_)) | None => None,
        })
    }

    /// All that is said, as one text.
    ///
    /// # Errors
    /// [`PromptError`], [`PromptError::AsksBack`] among them.
    pub async fn text(mut self) -> Result<String, PromptError> {
        let mut all = String::new();
        while let Some(part) = self.next().await? {
            match part {
                Part::Said { text, .. } => all.push_str(&text),
                Part::Question(question) => {
                    let asked = PromptError::AsksBack(question.text().to_owned());
                    self.stop().await?;
                    return Err(asked);
                }
            }
        }
        Ok(all)
    }

    /// Reads no further: an agent of this project stops too.
    ///
    /// # Errors
    /// When it cannot be told.
    pub async fn stop(self) -> Result<(), PublishError> {
        self.port.publish(Message::new(subject::job_cancel(&self.job), "")).await
    }
}
