//! Topics: what is said and asked there, to one and to all, with answers that come one by one.

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

use futures::StreamExt;
use runtime::port::{Message, Port, Replies, RequestError, Subscription};
use runtime::trace::{self, Kind, Span};
use schemas::limit::MAX_BODY_BYTES;
use schemas::subject::{self, BadSubject};
use schemas::{AgentId, Hash, JobId, Message as Body, decode, encode, header};

use super::Agent;
use super::work::{self, Work};
use crate::voice::{self, AskError};

/// What [`header::ANSWERS`] says where everybody is asked for an answer, and where one is asked for many.
const EACH: &str = "each";
pub(super) const STREAM: &str = "stream";

/// A topic, or a pattern of topics, with the types of what is said there and of what is answered.
///
/// ```
/// # use serde::{Deserialize, Serialize};
/// # #[derive(Serialize, Deserialize)]
/// # #[serde(tag = "type", rename = "hello")]
/// # struct Hello { name: String }
/// # schemas::message!(Hello, "hello");
/// # #[derive(Serialize, Deserialize)]
/// # #[serde(tag = "type", rename = "greeting")]
/// # struct Greeting { text: String }
/// # schemas::message!(Greeting, "greeting");
/// use swarm::agent::Topic;
///
/// let greet: Topic<Hello, Greeting> = Topic::parse("greet")?;
/// assert_eq!(greet.subject(), "hms.v1.topic.greet");
/// assert!(Topic::<Hello, Greeting>::parse("greet..twice").is_err());
/// # Ok::<_, schemas::subject::BadSubject>(())
/// ```
pub struct Topic<Q, A = Q> {
    name: String,
    subject: String,
    types: PhantomData<fn(Q) -> A>,
}

impl<Q, A> Topic<Q, A> {
    /// A topic: tokens joined by dots. Where it is listened to `*` stands for one token, and `>` at the end for the rest.
    ///
    /// # Errors
    /// [`BadSubject`].
    pub fn parse(name: &str) -> Result<Self, BadSubject> {
        Ok(Self { subject: subject::all_topics(name)?, name: name.to_owned(), types: PhantomData })
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Where it is on the bus.
    #[must_use]
    pub fn subject(&self) -> &str {
        &self.subject
    }

    /// Where something is said: on one topic, not on many.
    fn place(&self) -> Result<String, AskError> {
        subject::topic(&self.name).map_err(|bad| AskError::Unreadable(bad.to_string()))
    }
}

impl<Q, A> Clone for Topic<Q, A> {
    fn clone(&self) -> Self {
        Self { name: self.name.clone(), subject: self.subject.clone(), types: PhantomData }
    }
}

impl<Q, A> fmt::Debug for Topic<Q, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Topic").field(&self.name).finish()
    }
}

/// Something that was heard.
pub struct Heard<T> {
    /// What is said.
    pub body: T,
    message: Message,
    came_unix_ms: i64,
    agent: Agent,
}

impl<T: Body> Heard<T> {
    pub(super) fn read(message: Message, agent: Agent) -> Result<Self, schemas::body::DecodeError> {
        let body = decode(&message.body, MAX_BODY_BYTES)?;
        Ok(Self { body, came_unix_ms: agent.now_unix_ms(), message, agent })
    }
}

impl<T> Heard<T> {
    /// The topic that it was said on; of an answer, nothing.
    #[must_use]
    pub fn topic(&self) -> Option<&str> {
        self.message.subject.strip_prefix(subject::ROOT)?.strip_prefix(".topic.")
    }

    /// The agent that said it, if it is signed, with the key that the registry has for it, and not long before it came.
    pub async fn sender(&self) -> Option<AgentId> {
        self.agent.core.keys.sender_of(&self.message, self.came_unix_ms).await
    }

    /// When whoever asks stops waiting, in Unix milliseconds, if that was said.
    #[must_use]
    pub fn deadline_unix_ms(&self) -> Option<i64> {
        self.message.headers.get(header::DEADLINE)?.parse().ok()
    }

    /// Whoever hears it.
    #[must_use]
    pub fn agent(&self) -> &Agent {
        &self.agent
    }
}

impl<T: fmt::Debug> fmt::Debug for Heard<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Heard")
            .field("subject", &self.message.subject)
            .field("body", &self.body)
            .finish_non_exhaustive()
    }
}

impl Agent {
    /// Says something on a topic, signed. Returns when it is on its way; nobody may be listening.
    ///
    /// # Errors
    /// [`AskError`]; nothing was said.
    pub async fn publish<Q: Body, A>(&self, topic: &Topic<Q, A>, said: &Q) -> Result<(), AskError> {
        let message = self.core.voice.say(topic.place()?, said, self.now_unix_ms())?;
        Ok(self.core.port.publish(message).await.map_err(RequestError::NotSent)?)
    }

    /// What is said on a topic, or a pattern of topics, in order, from now on. When this returns, the broker knows of it.
    ///
    /// # Errors
    /// [`AskError`].
    pub async fn subscribe<Q: Body, A>(&self, topic: &Topic<Q, A>) -> Result<Listening<Q>, AskError> {
        let messages = self.core.port.subscribe(topic.subject(), None).await.map_err(RequestError::NotSent)?;
        self.core.port.flush().await.map_err(RequestError::NotSent)?;
        Ok(Listening { messages, agent: self.clone(), of: PhantomData })
    }

    /// Asks whoever listens on a topic, signed; the first answer. Whoever works on it when this is dropped is told to stop.
    ///
    /// # Errors
    /// [`AskError`].
    pub async fn request<Q: Body, A: Body>(&self, topic: &Topic<Q, A>, said: &Q) -> Result<A, AskError> {
        let Question { message, mut unwanted, left_ms, work } = self.question(topic, said, None)?;
        let answer = trace::ask(self.core.port.as_ref(), message, left_ms, work.traceparent.as_deref()).await;
        // One that did not come in time is not worked on any more: its deadline went with it.
        unwanted.is_over = true;
        voice::read(answer)
    }

    /// Asks one who answers bit by bit, signed: see [`AgentSpec::on_stream`](super::AgentSpec::on_stream).
    ///
    /// # Errors
    /// [`AskError`]; nothing was asked.
    pub async fn stream<Q: Body, A: Body>(&self, topic: &Topic<Q, A>, said: &Q) -> Result<Answers<A>, AskError> {
        self.ask_for_many(topic, said, STREAM).await
    }

    /// Asks everybody who listens on a topic, signed: one answer of each, until there are `enough` or no more is waited
    /// for ([`Agent::within_ms`]). Answers that are errors are logged and left out; nobody there is no answer.
    ///
    /// # Errors
    /// [`AskError`]; nothing was asked.
    pub async fn ask_all<Q: Body, A: Body>(
        &self,
        topic: &Topic<Q, A>,
        said: &Q,
        enough: usize,
    ) -> Result<Vec<Heard<A>>, AskError> {
        let mut coming = self.ask_for_many::<Q, A>(topic, said, EACH).await?;
        let mut answers = Vec::new();
        while answers.len() < enough {
            match coming.hear().await {
                Ok(answer) => match Heard::read(answer, self.clone()) {
                    Ok(heard) => answers.push(heard),
                    Err(error) => tracing::warn!(topic = topic.name, %error, "an answer that cannot be read"),
                },
                Err(RequestError::Refused { code, text, .. }) => {
                    tracing::warn!(topic = topic.name, code, text, "an answer is left out");
                }
                Err(_) => break,
            }
        }
        Ok(answers)
    }

    async fn ask_for_many<Q: Body, A: Body>(
        &self,
        topic: &Topic<Q, A>,
        said: &Q,
        how_many: &'static str,
    ) -> Result<Answers<A>, AskError> {
        let Question { message, unwanted, left_ms, work } = self.question(topic, said, Some(how_many))?;
        let span = Span::begin(Kind::Client, || Q::TYPE.to_owned(), &message.subject, work.traceparent.as_deref());
        let message = match span.traceparent() {
            Some(context) => message.with_header(header::TRACEPARENT, context),
            None => message,
        };
        let replies = Replies::to(self.core.port.as_ref(), message).await.map_err(RequestError::NotSent)?;
        let until_unix_ms = self.now_unix_ms().saturating_add_unsigned(left_ms);
        Ok(Answers { port: Arc::clone(&self.core.port), replies, until_unix_ms, unwanted, span, of: PhantomData })
    }

    /// A question with its deadline, and with the name by which it is taken back.
    fn question<Q: Body, A>(
        &self,
        topic: &Topic<Q, A>,
        said: &Q,
        how_many: Option<&'static str>,
    ) -> Result<Question, AskError> {
        let now_unix_ms = self.now_unix_ms();
        let work = work::now();
        let mut until_unix_ms = now_unix_ms.saturating_add_unsigned(self.patience_ms);
        if let Some(asked_until_unix_ms) = work.until_unix_ms {
            until_unix_ms = until_unix_ms.min(asked_until_unix_ms);
        }
        let left_ms = until_unix_ms.saturating_sub(now_unix_ms).max(0).unsigned_abs();
        // A hash's words are a job's name.
        let job = Hash::of(self.core.port.unique_token().as_bytes()).to_string();
        let job = JobId::parse(&job).map_err(|bad| AskError::Unreadable(bad.to_string()))?;
        let message = self.core.voice.say_bytes(topic.place()?, Q::TYPE, encode(said), now_unix_ms)?;
        let message = message
            .with_header(header::DEADLINE, until_unix_ms.to_string())
            .with_header(header::JOB, job.as_str().to_owned());
        let message = match how_many {
            Some(answers) => message.with_header(header::ANSWERS, answers),
            None => message,
        };
        let unwanted = Unwanted { port: Arc::clone(&self.core.port), job, is_over: false };
        Ok(Question { message, unwanted, left_ms, work })
    }
}

struct Question {
    message: Message,
    unwanted: Unwanted,
    left_ms: u64,
    work: Work,
}

/// Takes a question back when it is dropped, unless that is over.
struct Unwanted {
    port: Arc<dyn Port>,
    job: JobId,
    is_over: bool,
}

impl Drop for Unwanted {
    fn drop(&mut self) {
        if self.is_over {
            return;
        }
        let (port, cancel) = (Arc::clone(&self.port), Message::new(subject::job_cancel(&self.job), ""));
        runtime::spawn_if_running(async move {
            if let Err(error) = port.publish(cancel).await {
                tracing::debug!(%error, "a question was not taken back");
            }
        });
    }
}

/// The answers to a question, as they come. Dropped before their end, whoever answers is told to stop.
pub struct Answers<A> {
    port: Arc<dyn Port>,
    replies: Replies,
    until_unix_ms: i64,
    unwanted: Unwanted,
    span: Span,
    of: PhantomData<fn() -> A>,
}

impl<A: Body> Answers<A> {
    /// The next answer; `None` when all is said.
    ///
    /// # Errors
    /// [`AskError`]; nothing more comes then.
    pub async fn next(&mut self) -> Result<Option<A>, AskError> {
        if self.unwanted.is_over {
            return Ok(None);
        }
        let answer = self.hear().await;
        if let Err(error) = &answer {
            self.unwanted.is_over = true;
            self.span.fail(error);
        }
        if answer.as_ref().is_ok_and(|answer| answer.body.is_empty() && answer.headers.is_empty()) {
            self.unwanted.is_over = true;
            return Ok(None);
        }
        voice::read(answer).map(Some)
    }

    /// All that comes until the end.
    ///
    /// # Errors
    /// [`AskError`], and what came before is lost.
    pub async fn all(mut self) -> Result<Vec<A>, AskError> {
        let mut all = Vec::new();
        while let Some(answer) = self.next().await? {
            all.push(answer);
        }
        Ok(all)
    }

    async fn hear(&mut self) -> Result<Message, RequestError> {
        let left_ms = self.until_unix_ms.saturating_sub(self.port.now_unix_ms()).max(0).unsigned_abs();
        self.replies.next(left_ms).await
    }
}

/// What is said on a topic, in order. Dropped, it ends.
pub struct Listening<T> {
    messages: Subscription,
    agent: Agent,
    of: PhantomData<fn() -> T>,
}

impl<T: Body> Listening<T> {
    /// The next thing that is said; `None` when the connection has ended. What is of another type is logged and left out.
    pub async fn next(&mut self) -> Option<Heard<T>> {
        loop {
            let message = self.messages.next().await?;
            let subject = message.subject.clone();
            match Heard::read(message, self.agent.clone()) {
                Ok(heard) => return Some(heard),
                Err(error) => tracing::warn!(subject, %error, "not understood"),
            }
        }
    }
}
