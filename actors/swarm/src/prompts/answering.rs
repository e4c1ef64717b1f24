//! The side that is prompted.

use std::{
    collections::{BTreeMap, HashSet, VecDeque},
    fmt,
    future::Future,
    sync::{Arc, Mutex, PoisonError},
};

use async_trait::async_trait;
use runtime::{
    port::{Message, Port, PublishError, Replies, RequestError},
    select,
    service::{Answer, EndpointSpec, Handler, Limits, Running, Service, StartError},
    task::{self, AbortHandle},
};
use schemas::{
    AgentId, Code, ErrorReply,
    core::Call,
    header,
    limit::{MAX_CLEARING_BODY_BYTES, REPLAY_WINDOW_MS},
    signature::{PublicKey, Sender},
    subject::{self, BadSubject, PeerVerb},
};

use super::envelope::{
    Attachment, Chunk, DeclaredEndpoint, Envelope, GROUP, Heartbeat, Query, SERVICE, VERSION, size_in_words,
};
use crate::{known::Keys, voice::Voice};

/// What an agent of this crate runs in, unless it says otherwise.
const HARNESS: &str = "hms-a2a";
/// Who runs it, unless it says otherwise.
const OWNER: &str = "hms";
/// How often it says how it is, in seconds.
const BEAT_EVERY_S: u32 = 30;
/// How often a caller hears that an answer is still under way, in milliseconds: callers give up after a minute.
const STILL_EVERY_MS: u64 = 20_000;
/// How often it is looked whether whoever asked still wants an answer, in milliseconds.
const LOOK_MS: u64 = 100;
/// Prompts that were heard lately and are not heard twice; beyond that the oldest are forgotten.
const NONCES: usize = 100_000;
/// Prompts that are answered at once; others are told to come back.
const AT_ONCE: usize = 256;

/// What comes of answering. An error goes to whoever asked, as it is.
pub type Answered = Result<(), ErrorReply>;

/// Answers prompts, several at once.
pub trait Respond: Send + Sync + 'static {
    /// Answers one: says it piece by piece ([`Prompt::say`]), and returns when all is said. Dropped where whoever asked
    /// no longer wants it.
    ///
    /// # Errors
    /// What the asker is told instead of the rest.
    fn respond(&self, prompt: &Prompt) -> impl Future<Output = Answered> + Send;
}

/// What somebody asks of this agent, in plain words.
pub struct Prompt {
    port: Arc<dyn Port>,
    reply: String,
    envelope: Envelope,
    key: Option<PublicKey>,
    sender: Option<AgentId>,
}

impl fmt::Debug for Prompt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Prompt")
            .field("text", &self.envelope.prompt)
            .field("sender", &self.sender)
            .finish_non_exhaustive()
    }
}

impl Prompt {
    /// The words.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.envelope.prompt
    }

    /// The files that came with them.
    #[must_use]
    pub fn attachments(&self) -> &[Attachment] {
        &self.envelope.attachments
    }

    /// The key that signed it, whoever has it; `None` where nobody signed.
    #[must_use]
    pub fn key(&self) -> Option<&PublicKey> {
        self.key.as_ref()
    }

    /// The agent of this bus whose key that is.
    #[must_use]
    pub fn sender(&self) -> Option<&AgentId> {
        self.sender.as_ref()
    }

    /// Says a piece of the answer.
    ///
    /// # Errors
    /// 500 when it cannot be sent, for the agent to pass on.
    pub async fn say(&self, text: impl Into<String>) -> Answered {
        self.say_with(text, Vec::new()).await
    }

    /// The same, with files.
    ///
    /// # Errors
    /// As [`Prompt::say`].
    pub async fn say_with(&self, text: impl Into<String>, attachments: Vec<Attachment>) -> Answered {
        self.send(Chunk::Response { text: text.into(), attachments }).await
    }

    /// Asks back, and waits for the answer, at most `timeout_ms`.
    ///
    /// # Errors
    /// 410 when none comes in time, 400 when it is none, 500 when nothing can be sent.
    pub async fn ask(&self, question: impl Into<String>, timeout_ms: u64) -> Result<String, ErrorReply> {
        let mut replies = Replies::listen(self.port.as_ref()).await.map_err(|error| unsent(&error))?;
        let query = Query {
            id: self.port.unique_token(),
            reply_subject: replies.inbox().to_owned(),
            prompt: question.into(),
            attachments: Vec::new(),
        };
        self.send(Chunk::Query(query)).await?;
        let answer = replies.next(timeout_ms).await.map_err(|error| match error {
            RequestError::TimedOut(_) => ErrorReply::new(Code::Late, "the question back was not answered"),
            other => ErrorReply::new(Code::Internal, other.to_string()),
        })?;
        let answer = Envelope::read(&answer.body);
        Ok(answer
            .map_err(|bad| ErrorReply::new(Code::BadMessage, format!("the answer to the question back: {bad}")))?
            .prompt)
    }

    async fn send(&self, chunk: Chunk) -> Answered {
        let body = chunk.write().map_err(|bad| ErrorReply::new(Code::Internal, bad.to_string()))?;
        self.port.publish(Message::new(self.reply.as_str(), body)).await.map_err(|error| unsent(&error))
    }
}

fn unsent(error: &PublishError) -> ErrorReply {
    ErrorReply::new(Code::Internal, format!("the answer was not sent: {error}"))
}

/// An agent that can be prompted, before it is.
pub struct Prompted {
    voice: Arc<Voice>,
    harness: String,
    owner: String,
    about: Option<String>,
    takes_attachments: bool,
    wants_signature: bool,
}

/// Why an agent cannot be prompted.
#[derive(Debug, thiserror::Error)]
pub enum PromptedError {
    /// A harness or an owner that the protocol does not know.
    #[error(transparent)]
    Place(#[from] BadSubject),
    /// Its service did not start.
    #[error(transparent)]
    Service(#[from] StartError),
}

impl Prompted {
    /// An agent that is prompted at `agents.prompt.hms-a2a.hms.<agent>`.
    #[must_use]
    pub fn new(voice: Arc<Voice>) -> Self {
        Self {
            voice,
            harness: HARNESS.to_owned(),
            owner: OWNER.to_owned(),
            about: None,
            takes_attachments: false,
            wants_signature: false,
        }
    }

    /// What it is for, in a line.
    #[must_use]
    pub fn about(mut self, about: impl Into<String>) -> Self {
        self.about = Some(about.into());
        self
    }

    /// What it runs in, and who runs it: `agents.prompt.<harness>.<owner>.<agent>`.
    #[must_use]
    pub fn run_by(mut self, harness: impl Into<String>, owner: impl Into<String>) -> Self {
        (self.harness, self.owner) = (harness.into(), owner.into());
        self
    }

    /// Takes files with prompts.
    #[must_use]
    pub fn taking_attachments(mut self) -> Self {
        self.takes_attachments = true;
        self
    }

    /// Refuses prompts that are not signed.
    #[must_use]
    pub fn signed_only(mut self) -> Self {
        self.wants_signature = true;
        self
    }

    /// Begins to answer: when this returns, it is found. Within [`runtime::run`] or [`runtime::simulate`].
    ///
    /// # Errors
    /// [`PromptedError`].
    pub async fn start(self, port: Arc<dyn Port>, respond: impl Respond) -> Result<Prompting, PromptedError> {
        let Self { voice, harness, owner, about, takes_attachments, wants_signature } = self;
        let agent = voice.agent().clone();
        let place = |verb| subject::peer(verb, &harness, &owner, &agent);
        let (prompted, status, beat) =
            (place(PeerVerb::Prompt)?, place(PeerVerb::Status)?, place(PeerVerb::Heartbeat)?);
        let word = |is: bool| if is { "true" } else { "false" }.to_owned();
        let trust = if wants_signature { "signed" } else { "any" };
        let metadata = BTreeMap::from([
            ("max_payload".to_owned(), size_in_words(port.server().max_payload_bytes.min(MAX_CLEARING_BODY_BYTES))),
            ("attachments_ok".to_owned(), word(takes_attachments)),
            ("min_sender_trust".to_owned(), trust.to_owned()),
        ]);
        let declared = DeclaredEndpoint { subject: prompted.clone(), metadata: metadata.clone() };
        let id = port.unique_token();
        let standing = Arc::new(Standing {
            instance_id: id.clone(),
            harness: harness.clone(),
            owner: owner.clone(),
            agent: agent.clone(),
            endpoints: BTreeMap::from([("prompt".to_owned(), declared)]),
        });
        let desk = Arc::new(Desk {
            port: port.clone(),
            standing: standing.clone(),
            respond,
            takes_attachments,
            wants_signature,
            keys: Keys::new(port.clone()),
            heard: Mutex::default(),
        });
        let endpoint = |name: &str, subject: &str, metadata| EndpointSpec {
            queue_group: Some(GROUP.to_owned()),
            metadata,
            ..EndpointSpec::new(name, subject)
        };
        let signer = voice.signer();
        let mut service = Service::new(SERVICE, env!("CARGO_PKG_VERSION"))
            .with_id(id)
            .described(about.unwrap_or_else(|| format!("the agent {agent}")))
            .with_metadata("agent", harness.as_str())
            .with_metadata("owner", owner.as_str())
            .with_metadata("session", agent.as_str())
            .with_metadata("protocol_version", VERSION)
            .with_metadata("user_nkey", signer.key().as_str())
            .with_metadata("account", signer.account().as_str());
        // It fails for no key that could be read.
        if let Ok(signature) = signer.sign_registration(&harness, &owner, &prompted) {
            service = service.with_metadata("id_sig", signature);
        }
        let endpoints =
            [endpoint("prompt", &prompted, metadata).streaming(), endpoint("status", &status, BTreeMap::new())];
        let limits = Limits {
            admission: AT_ONCE,
            at_once: AT_ONCE,
            max_body_bytes: MAX_CLEARING_BODY_BYTES,
            ..Limits::default()
        };
        let service = service.handler(endpoints, limits, move || Answering(Arc::clone(&desk)));
        let service = service.start(port.clone()).await?;
        let beating = task::spawn(beats(port, voice, standing, beat)).abort_handle();
        Ok(Prompting { service, _beating: Beating(beating), subject: prompted })
    }
}

/// An agent that is prompted. Dropped, it ends at once; [`Prompting::drain`] ends it gracefully.
pub struct Prompting {
    service: Running,
    _beating: Beating,
    subject: String,
}

impl Prompting {
    /// Where it is prompted.
    #[must_use]
    pub fn subject(&self) -> &str {
        &self.subject
    }

    /// Takes no more prompts, and says what there is to say to those that it has; whether that was done in time.
    pub async fn drain(self, timeout_ms: u64) -> bool {
        self.service.drain(timeout_ms).await
    }
}

struct Beating(AbortHandle);

impl Drop for Beating {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Who it is, as heartbeats tell.
struct Standing {
    instance_id: String,
    harness: String,
    owner: String,
    agent: AgentId,
    endpoints: BTreeMap<String, DeclaredEndpoint>,
}

impl Standing {
    fn tell(&self, now_unix_ms: i64) -> Vec<u8> {
        let now = jiff::Timestamp::from_second(now_unix_ms.div_euclid(1_000)).unwrap_or_default();
        let beat = Heartbeat {
            agent: self.harness.clone(),
            owner: self.owner.clone(),
            session: self.agent.to_string(),
            instance_id: self.instance_id.clone(),
            ts: now.to_string(),
            interval_s: BEAT_EVERY_S,
            protocol_version: VERSION.to_owned(),
            endpoints: self.endpoints.clone(),
        };
        // Strings and maps of strings: there is nothing in it that JSON has not.
        serde_json::to_vec(&beat).unwrap_or_default()
    }
}

async fn beats(port: Arc<dyn Port>, voice: Arc<Voice>, standing: Arc<Standing>, subject: String) {
    loop {
        let now_unix_ms = port.now_unix_ms();
        let beat = Message::new(subject.as_str(), standing.tell(now_unix_ms));
        match voice.sign(beat, now_unix_ms) {
            Ok(beat) => {
                if let Err(error) = port.publish(beat).await {
                    tracing::debug!(agent = %standing.agent, %error, "no heartbeat");
                }
            }
            Err(error) => tracing::warn!(agent = %standing.agent, %error, "a heartbeat was not signed"),
        }
        port.sleep_ms(u64::from(BEAT_EVERY_S) * 1_000).await;
    }
}

/// Where prompts are taken.
struct Desk<R> {
    port: Arc<dyn Port>,
    standing: Arc<Standing>,
    respond: R,
    takes_attachments: bool,
    wants_signature: bool,
    keys: Keys,
    heard: Mutex<Heard>,
}

struct Answering<R>(Arc<Desk<R>>);

#[async_trait]
impl<R: Respond> Handler for Answering<R> {
    async fn answer(&self, message: Message, call: Call) -> Result<Answer, ErrorReply> {
        let desk = &self.0;
        if desk.standing.endpoints.values().any(|prompted| prompted.subject == message.subject) {
            desk.prompted(message, call).await?;
            // What a stream ends with.
            return Ok(Answer::default());
        }
        Ok(Answer::new(header::Headers::new(), desk.standing.tell(call.now_unix_ms)))
    }
}

impl<R: Respond> Desk<R> {
    async fn prompted(&self, message: Message, call: Call) -> Answered {
        let Some(reply) = message.reply.clone() else { return Ok(()) };
        let (sender, key) = self.who(&message, call.now_unix_ms).await?;
        let bad = |reason: String| ErrorReply::new(Code::BadMessage, reason);
        let envelope = Envelope::read(&message.body).map_err(|error| bad(error.to_string()))?;
        if !envelope.attachments.is_empty() && !self.takes_attachments {
            return Err(bad("attachments are not taken here".to_owned()));
        }
        let prompt = Prompt { port: Arc::clone(&self.port), reply, envelope, key, sender };
        prompt.send(Chunk::Status("ack".to_owned())).await?;
        let mut answering = std::pin::pin!(self.respond.respond(&prompt));
        let look_ms = if call.job.is_some() { LOOK_MS } else { STILL_EVERY_MS };
        let mut silent_ms = 0_u64;
        loop {
            select! {
                biased;
                answered = &mut answering => return answered,
                () = self.port.sleep_ms(look_ms) => {
                    if call.stop() {
                        return Ok(());
                    }
                    silent_ms = silent_ms.saturating_add(look_ms);
                    if silent_ms >= STILL_EVERY_MS {
                        silent_ms = 0;
                        prompt.send(Chunk::Status("ack".to_owned())).await?;
                    }
                }
            }
        }
    }

    /// The agent and the key behind a prompt.
    async fn who(
        &self,
        message: &Message,
        now_unix_ms: i64,
    ) -> Result<(Option<AgentId>, Option<PublicKey>), ErrorReply> {
        let rejected = |code| ErrorReply::new(code, "sender rejected").at_field(header::SENDER);
        let Some(said) = message.headers.get(header::SENDER).filter(|said| !is_claim(said)) else {
            if self.wants_signature {
                return Err(ErrorReply::new(Code::Unsigned, "signature required").at_field(header::SENDER));
            }
            return Ok((None, None));
        };
        if !said.trim_start().starts_with('{') {
            return Err(rejected(Code::BadMessage));
        }
        let sender = Sender::parse(said).map_err(|_| rejected(Code::Unsigned))?;
        let holds = sender.verify(&message.subject, &message.body).is_ok() && sender.check_fresh(now_unix_ms).is_ok();
        let is_new = || {
            let mut heard = self.heard.lock().unwrap_or_else(PoisonError::into_inner);
            heard.is_new(format!("{}.{}", sender.user, sender.nonce), now_unix_ms)
        };
        if !holds || !is_new() {
            return Err(rejected(Code::Unsigned));
        }
        let named = sender.name.as_deref().and_then(|name| AgentId::parse(name).ok());
        let known = match named {
            Some(agent) if self.keys.holds(&agent, &sender.user).await => Some(agent),
            _ => None,
        };
        Ok((known, Some(sender.user)))
    }
}

/// Whether a header only says who sends, and is not signed: a valid thing to say, which proves nothing.
fn is_claim(header: &str) -> bool {
    let Ok(serde_json::Value::Object(said)) = serde_json::from_str(header) else { return false };
    let is_signed = ["sub", "ts", "nonce", "sig"].iter().any(|field| said.contains_key(*field));
    said.get("v").and_then(serde_json::Value::as_u64) != Some(1)
        || (said.get("user").is_some_and(serde_json::Value::is_string) && !is_signed)
}

/// What was heard lately, as far back as a signature holds.
#[derive(Default)]
struct Heard {
    nonces: HashSet<String>,
    order: VecDeque<(i64, String)>,
}

impl Heard {
    fn is_new(&mut self, nonce: String, now_unix_ms: i64) -> bool {
        while let Some((until_unix_ms, _)) = self.order.front()
            && (*until_unix_ms <= now_unix_ms || self.order.len() >= NONCES)
        {
            if let Some((_, oldest)) = self.order.pop_front() {
                self.nonces.remove(&oldest);
            }
        }
        let is_new = self.nonces.insert(nonce.clone());
        if is_new {
            let until_unix_ms = now_unix_ms.saturating_add(2 * REPLAY_WINDOW_MS + 1_000);
            self.order.push_back((until_unix_ms, nonce));
        }
        is_new
    }
}
