//! An agent as one object: it is registered, answers, asks, makes deals and has an inbox, as the Python package's `Agent`.
//!
//! ```no_run
//! use schemas::Quantity;
//! use swarm::agent::{Agent, Decision, Offer};
//!
//! async fn live() -> anyhow::Result<()> {
//!     let agent = Agent::named("mali".parse()?)
//!         .on_proposal(|deal| async move {
//!             if deal.receives().len() > 1 { Decision::Accept } else { Decision::Reject("too plain".to_owned()) }
//!         })
//!         .on_message(|letter| async move { tracing::info!(from = %letter.from, "a letter") })
//!         .start()
//!         .await?;
//!     agent.declare(&"bazaar".parse()?, [("coffee".parse()?, 100)]).await?;
//!     let offer = Offer::to("niger".parse()?, "bazaar".parse()?)
//!         .gives("coffee".parse()?, Quantity::new(5)?)
//!         .takes("wheat".parse()?, Quantity::new(10)?);
//!     let deal = agent.offer(offer).await?;
//!     tracing::info!(state = %deal.ended().await, reason = deal.reason());
//!     agent.stop().await;
//!     Ok(())
//! }
//! # runtime::run(live()).unwrap().unwrap();
//! ```
//!
//! Each has a task for its lease and one for its inbox. Where a hundred thousand are to sit in a process, they are
//! [`residents`](crate::resident); to join a market by a plan there is the [`trader`](crate::trader).
//!
//! # What is promised
//!
//! - Deadlines travel: a question that is asked in a handler waits no longer than whoever asked the handler, and is part of
//!   the same trace. A question that is dropped is taken back: whoever works on it is told to stop.
//! - Moves on deals are asked for until they are answered or too late, with the same bytes, so they are made once.
//! - News of deals and letters come once and in order, from the moment that the agent is here. What came before that it
//!   doesn't hear; [`Deal::show`] asks the desk.

mod deal;
mod ears;
mod inbox;
mod talks;
mod tasks;
#[cfg(test)]
mod tests;
mod topic;
mod work;

use std::collections::BTreeMap;
use std::future::Future;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use futures::FutureExt;
use futures::future::BoxFuture;
use negotiation::Part;
use runtime::nats::{ConnectError, ConnectSpec};
use runtime::port::{Port, PublishError};
use runtime::service::{Running, StartError as ListenError};
use runtime::sync::mpsc;
use runtime::task::{self, AbortHandle};
use schemas::ledger::{BalanceRequest, Balances, Declare, Declared, Limit};
use schemas::limit::{DEFAULT_LEASE_MS, MAX_LEASE_MS};
use schemas::registry::{AgentRecord, Done, Find, Found, Leave, Register, Registered, Send as SendLetter};
use schemas::signature::{BadKey, Signer};
use schemas::value::PartyKind;
use schemas::{AgentId, ErrorReply, Good, MarketId, Message as Body, MoveId, Skill, encode, subject};

use self::deal::Deals;
pub use self::deal::{Deal, Decision, Offer};
use self::ears::Ear;
pub use self::ears::{Pieces, Room};
use self::inbox::Inbox;
pub use self::inbox::Letter;
use self::talks::Talks;
pub use self::talks::{Invitation, Opening, Talked, Talking};
pub use self::tasks::{Bids, Job, JobFailed, JobSpec, Submitted, Verdict, Work};
use self::tasks::{Tasks, Worker};
pub use self::topic::{Answers, Heard, Listening, Topic};
use crate::keys::{self, KeyError};
use crate::known::Keys;
use crate::resident;
use crate::voice::{self, AskError, Voice};

/// How long an answer is waited for, unless an agent was told otherwise, in milliseconds.
pub const PATIENCE_MS: u64 = 5_000;

/// How long one attempt at a request that is repeated may take, in milliseconds.
const ATTEMPT_MS: u64 = 5_000;
/// Pause before asking again, in milliseconds.
const PAUSE_MS: u64 = 250;
/// How long a core is asked for what is not a move, in milliseconds.
const INSIST_MS: i64 = 30_000;
/// How long what is under way may take when the agent stops, in milliseconds.
const DRAIN_MS: u64 = 10_000;

type Decide = dyn Fn(Deal) -> BoxFuture<'static, Decision> + Send + Sync;
type HasArrived = dyn Fn(Deal) -> BoxFuture<'static, bool> + Send + Sync;
type HearLetter = dyn Fn(Letter) -> BoxFuture<'static, ()> + Send + Sync;

/// What is done with what comes into the inbox.
#[derive(Default)]
struct Hears {
    proposals: Option<Box<Decide>>,
    deliveries: Option<Box<HasArrived>>,
    letters: Option<Box<HearLetter>>,
}

/// An agent, before it starts.
pub struct AgentSpec {
    id: AgentId,
    broker: Option<String>,
    key_file: Option<PathBuf>,
    kind: PartyKind,
    capabilities: Vec<String>,
    lease_ms: i64,
    ears: Vec<Ear>,
    hears: Hears,
    tasks: Tasks,
    talks: Talks,
}

/// Why an agent did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// There is no broker.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// There is no key.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The key is none that signs.
    #[error(transparent)]
    Seed(#[from] BadKey),
    /// The registry does not take it.
    #[error("{agent} is not registered")]
    Unregistered {
        /// The agent.
        agent: AgentId,
        /// What the registry said.
        #[source]
        reason: AskError,
    },
    /// It cannot listen on its topics.
    #[error(transparent)]
    Topics(#[from] ListenError),
    /// It cannot listen at its inbox.
    #[error("cannot listen at the inbox")]
    Inbox(#[from] PublishError),
}

impl AgentSpec {
    /// The broker; without one it is what `NATS_URL` says, or a context of the `nats` command line, or the local one.
    #[must_use]
    pub fn at(self, broker: impl Into<Option<String>>) -> Self {
        Self { broker: broker.into(), ..self }
    }

    /// The file of its key, instead of where [`keys::seed`] looks.
    #[must_use]
    pub fn with_key(mut self, file: impl Into<PathBuf>) -> Self {
        self.key_file = Some(file.into());
        self
    }

    /// What kind of party it is.
    #[must_use]
    pub fn of_kind(mut self, kind: PartyKind) -> Self {
        self.kind = kind;
        self
    }

    /// Something that it can do, for others to find.
    #[must_use]
    pub fn able_to(mut self, capability: impl Into<String>) -> Self {
        self.capabilities.push(capability.into());
        self
    }

    /// How long it counts as here without renewing, in milliseconds.
    #[must_use]
    pub fn with_lease(mut self, lease_ms: i64) -> Self {
        self.lease_ms = lease_ms.clamp(1, MAX_LEASE_MS);
        self
    }

    /// Answers what is asked on a topic, or a pattern of topics. What is malformed, or of another type, is answered with
    /// 400 and the field; an error of the handler's own goes to whoever asked as it is. A handler is dropped when its
    /// asker's time is up, or the asker wants no answer any more.
    #[must_use]
    pub fn on_topic<Q, A, W>(self, topic: &Topic<Q, A>, answer: impl Fn(Heard<Q>) -> W + Send + Sync + 'static) -> Self
    where
        Q: Body + Send + 'static,
        A: Body + Send + Sync + 'static,
        W: Future<Output = Result<A, ErrorReply>> + Send + 'static,
    {
        self.on_topic_in(topic, Room::default(), answer)
    }

    /// The same, within bounds, or as one of a group.
    #[must_use]
    pub fn on_topic_in<Q, A, W>(
        self,
        topic: &Topic<Q, A>,
        room: Room,
        answer: impl Fn(Heard<Q>) -> W + Send + Sync + 'static,
    ) -> Self
    where
        Q: Body + Send + 'static,
        A: Body + Send + Sync + 'static,
        W: Future<Output = Result<A, ErrorReply>> + Send + 'static,
    {
        self.on_stream_in(topic, room, move |question, pieces| {
            let answering = answer(question);
            async move { pieces.say(&answering.await?).await }
        })
    }

    /// Answers bit by bit what is asked on a topic: see [`Agent::stream`]. Whoever asks for one answer gets the first.
    #[must_use]
    pub fn on_stream<Q, A, W>(
        self,
        topic: &Topic<Q, A>,
        answer: impl Fn(Heard<Q>, Pieces<A>) -> W + Send + Sync + 'static,
    ) -> Self
    where
        Q: Body + Send + 'static,
        A: 'static,
        W: Future<Output = Result<(), ErrorReply>> + Send + 'static,
    {
        self.on_stream_in(topic, Room::default(), answer)
    }

    /// The same, within bounds, or as one of a group.
    #[must_use]
    pub fn on_stream_in<Q, A, W>(
        mut self,
        topic: &Topic<Q, A>,
        room: Room,
        answer: impl Fn(Heard<Q>, Pieces<A>) -> W + Send + Sync + 'static,
    ) -> Self
    where
        Q: Body + Send + 'static,
        A: 'static,
        W: Future<Output = Result<(), ErrorReply>> + Send + 'static,
    {
        self.ears.push(Ear::new(topic, room, answer));
        self
    }

    /// Decides on terms that others put to this agent. Without it they are rejected. What is negotiated, and what pays for
    /// work, is not asked about here.
    #[must_use]
    pub fn on_proposal<W>(mut self, decide: impl Fn(Deal) -> W + Send + Sync + 'static) -> Self
    where
        W: Future<Output = Decision> + Send + 'static,
    {
        self.hears.proposals = Some(Box::new(move |deal| decide(deal).boxed()));
        self
    }

    /// Says whether what this agent was due in a deal has arrived: true confirms, anything else leaves it to
    /// [`Deal::confirm`]. Without it the agent confirms as soon as a deal is committed.
    #[must_use]
    pub fn on_committed<W>(mut self, has_arrived: impl Fn(Deal) -> W + Send + Sync + 'static) -> Self
    where
        W: Future<Output = bool> + Send + 'static,
    {
        self.hears.deliveries = Some(Box::new(move |deal| has_arrived(deal).boxed()));
        self
    }

    /// Hears what others send to this agent's inbox.
    #[must_use]
    pub fn on_message<W>(mut self, hear: impl Fn(Letter) -> W + Send + Sync + 'static) -> Self
    where
        W: Future<Output = ()> + Send + 'static,
    {
        self.hears.letters = Some(Box::new(move |letter| hear(letter).boxed()));
        self
    }

    /// Takes part in negotiations that others open: gives its part in one, by [`Invitation::negotiate`] and its like, or
    /// stays away.
    #[must_use]
    pub fn on_invitation(
        mut self,
        sit_down: impl Fn(&Invitation) -> Option<Box<dyn Part>> + Send + Sync + 'static,
    ) -> Self {
        self.talks.invited = Some(Box::new(sit_down));
        self
    }

    /// Hears what came of the negotiations that it was invited to.
    #[must_use]
    pub fn on_talked(mut self, hear: impl Fn(Talked) + Send + Sync + 'static) -> Self {
        self.talks.talked = Some(Box::new(hear));
        self
    }

    /// Does tasks that are called under a skill. What the handler returns is the result; an error gives the task back, for
    /// that reason. It is dropped where the task is another's by then, or the job has ended.
    #[must_use]
    pub fn worker<W>(mut self, skill: Skill, bids: Bids, work: impl Fn(Work) -> W + Send + Sync + 'static) -> Self
    where
        W: Future<Output = Result<Vec<u8>, String>> + Send + 'static,
    {
        let work = Box::new(move |task| work(task).boxed());
        self.tasks.workers.push(Arc::new(Worker { skill, bids, work }));
        self
    }

    /// Judges results when asked.
    #[must_use]
    pub fn verifier<W>(mut self, judge: impl Fn(Submitted) -> W + Send + Sync + 'static) -> Self
    where
        W: Future<Output = Verdict> + Send + 'static,
    {
        self.tasks.verifier = Some(Box::new(move |result| judge(result).boxed()));
        self
    }

    /// Answers at the gate: whether a result may count.
    #[must_use]
    pub fn gatekeeper<W>(mut self, judge: impl Fn(Submitted) -> W + Send + Sync + 'static) -> Self
    where
        W: Future<Output = Verdict> + Send + 'static,
    {
        self.tasks.gatekeeper = Some(Box::new(move |result| judge(result).boxed()));
        self
    }

    /// Connects, registers and listens: when this returns, it is here. Within [`runtime::run`].
    ///
    /// # Errors
    /// [`StartError`].
    pub async fn start(self) -> Result<Agent, StartError> {
        let spec = ConnectSpec::discover(self.broker.as_deref(), None, self.id.as_str())?;
        let port: Arc<dyn Port> = Arc::new(spec.connect().await?);
        let seed = keys::seed(&self.id, self.key_file.as_deref())?;
        self.start_on(port, &seed).await
    }

    /// The same, on a connection that others may use too, with the key of this seed (`SU…`).
    ///
    /// # Errors
    /// [`StartError`].
    pub async fn start_on(self, port: Arc<dyn Port>, seed: &str) -> Result<Agent, StartError> {
        let unregistered = |reason| StartError::Unregistered { agent: self.id.clone(), reason };
        let account = voice::account(port.as_ref()).await.map_err(unregistered)?;
        let voice = Voice::new(self.id.clone(), Signer::from_seed(seed, account, self.id.as_str())?);
        let register = Register {
            agent: self.id.clone(),
            key: voice.signer().key().clone(),
            kind: self.kind,
            capabilities: self.capabilities,
            subjects: self.ears.iter().map(|ear| ear.subject.clone()).collect(),
            lease_ms: self.lease_ms,
        };
        let core = Core {
            keys: Keys::new(Arc::clone(&port)),
            port,
            voice,
            deals: Deals::default(),
            hears: self.hears,
            tasks: self.tasks,
            talks: self.talks,
            at_work: Mutex::default(),
        };
        let agent = Agent { core: Arc::new(core), patience_ms: PATIENCE_MS };
        // Before it is registered, so that nothing falls in between.
        let live = agent.core.port.subscribe(&subject::live_inbox(agent.id()), None).await?;
        let registered = agent.register(&register).await.map_err(unregistered)?;
        let service = ears::listen(&agent, self.ears).await?;
        let (told, known) = mpsc::unbounded_channel();
        let mut tasks = agent.listen_for_tasks().await?;
        let said = agent.core.port.subscribe(&subject::all_talk_to(agent.id()), None).await?;
        tasks.push(task::spawn(agent.clone().hear_talks(said)).abort_handle());
        let inbox = Inbox { agent: agent.clone(), live, known, heard: registered.inbox_sequence };
        let renewing = agent.clone().renew(register, told);
        tasks.extend([task::spawn(inbox.read()).abort_handle(), task::spawn(renewing).abort_handle()]);
        agent.core.at_work().replace(AtWork { service, tasks });
        Ok(agent)
    }
}

/// What an agent does until it stops.
struct AtWork {
    service: Option<Running>,
    tasks: Vec<AbortHandle>,
}

struct Core {
    port: Arc<dyn Port>,
    voice: Voice,
    keys: Keys,
    deals: Deals,
    hears: Hears,
    tasks: Tasks,
    talks: Talks,
    at_work: Mutex<Option<AtWork>>,
}

impl Core {
    fn at_work(&self) -> std::sync::MutexGuard<'_, Option<AtWork>> {
        self.at_work.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An agent that is here, until [`Agent::stop`]. A clone is the same agent.
#[derive(Clone)]
pub struct Agent {
    core: Arc<Core>,
    patience_ms: u64,
}

impl Agent {
    /// An agent of this id, before it starts.
    #[must_use]
    pub fn named(id: AgentId) -> AgentSpec {
        AgentSpec {
            id,
            broker: None,
            key_file: None,
            kind: PartyKind::default(),
            capabilities: Vec::new(),
            lease_ms: DEFAULT_LEASE_MS,
            ears: Vec::new(),
            hears: Hears::default(),
            tasks: Tasks::default(),
            talks: Talks::default(),
        }
    }

    /// Its id.
    #[must_use]
    pub fn id(&self) -> &AgentId {
        self.core.voice.agent()
    }

    /// What it signs with, for what there is no word here.
    #[must_use]
    pub fn voice(&self) -> &Voice {
        &self.core.voice
    }

    /// The bus, for everything else.
    #[must_use]
    pub fn port(&self) -> &Arc<dyn Port> {
        &self.core.port
    }

    /// The time, in Unix milliseconds.
    #[must_use]
    pub fn now_unix_ms(&self) -> i64 {
        self.core.port.now_unix_ms()
    }

    /// The same agent, waiting so long for answers, in milliseconds; otherwise [`PATIENCE_MS`].
    #[must_use]
    pub fn within_ms(&self, patience_ms: u64) -> Self {
        Self { core: Arc::clone(&self.core), patience_ms }
    }

    /// Asks a core, signed, and waits for the answer: `agent.call("graph", "clear", &ask)`.
    ///
    /// # Errors
    /// [`AskError`].
    pub async fn call<A: Body>(&self, service: &str, verb: &str, said: &impl Body) -> Result<A, AskError> {
        let question = self.core.voice.say(subject::endpoint(service, verb), said, self.now_unix_ms())?;
        voice::ask(self.core.port.as_ref(), question, self.patience_ms).await
    }

    /// Who is here: all, one, or those that can do something. No more than fit one answer.
    ///
    /// # Errors
    /// [`AskError`].
    pub async fn find(&self, find: &Find) -> Result<Vec<AgentRecord>, AskError> {
        let found: Found = self.insist(subject::endpoint("registry", "find"), find, self.soon()).await?;
        Ok(found.agents)
    }

    /// Sends a message to an agent's inbox, where it stays until it is read. When this returns, it is stored.
    ///
    /// # Errors
    /// [`AskError`].
    pub async fn send(&self, to: &AgentId, said: &impl Body) -> Result<(), AskError> {
        let letter = SendLetter { move_id: self.move_id()?, to: to.clone(), body: encode(said) };
        self.insist::<_, Done>(subject::endpoint("registry", "send"), &letter, self.soon()).await.map(drop)
    }

    /// Tells the ledger how much of each good this agent may give in a book, all told and less what it received, in minor
    /// units.
    ///
    /// # Errors
    /// [`AskError`].
    pub async fn declare(
        &self,
        book: &MarketId,
        limits: impl IntoIterator<Item = (Good, i64)>,
    ) -> Result<(), AskError> {
        let declare = Declare {
            move_id: self.move_id()?,
            deadline_unix_ms: self.soon(),
            book: book.clone(),
            limits: limits.into_iter().map(|(good, quantity)| Limit { good, quantity }).collect(),
        };
        let (subject, until_unix_ms) = (subject::endpoint("ledger", "declare"), declare.deadline_unix_ms);
        self.insist::<_, Declared>(subject, &declare, until_unix_ms).await.map(drop)
    }

    /// What this agent has received less what it gave in a book, good by good, in minor units.
    ///
    /// # Errors
    /// [`AskError`].
    pub async fn balance(&self, book: &MarketId) -> Result<BTreeMap<Good, i64>, AskError> {
        let ask = BalanceRequest { book: book.clone(), party: Some(self.id().clone()) };
        let balances: Balances = self.insist(subject::endpoint("ledger", "balance"), &ask, self.soon()).await?;
        let lines = balances.lines.into_iter().filter(|line| line.balance != 0);
        Ok(lines.map(|line| (line.good, line.balance)).collect())
    }

    /// Takes no more questions, answers those that it has, leaves, and ends. Whoever waits for a deal of its waits no longer.
    pub async fn stop(&self) {
        let Some(AtWork { service, tasks }) = self.core.at_work().take() else { return };
        if let Some(service) = service {
            service.drain(DRAIN_MS).await;
        }
        for task in tasks {
            task.abort();
        }
        let leave = Leave { agent: self.id().clone() };
        if let Err(error) = self.call::<Done>("registry", "leave", &leave).await {
            // Its lease ends by itself.
            tracing::warn!(agent = %self.id(), %error, "left without saying so");
        }
        self.core.deals.close();
        self.core.tasks.close();
    }

    fn soon(&self) -> i64 {
        self.now_unix_ms().saturating_add(INSIST_MS)
    }

    /// An id for a move that is none of its like.
    fn move_id(&self) -> Result<MoveId, AskError> {
        MoveId::parse(&self.core.port.unique_token()).map_err(|bad| AskError::Unreadable(bad.to_string()))
    }

    async fn register(&self, register: &Register) -> Result<Registered, AskError> {
        self.call("registry", "register", register).await
    }

    /// Keeps the lease, and tells the reader of the inbox how far that goes.
    async fn renew(self, register: Register, told: mpsc::UnboundedSender<u64>) {
        let renewal_ms = || resident::renewal_ms(self.id(), register.lease_ms, self.now_unix_ms()).unsigned_abs();
        let mut pause_ms = renewal_ms();
        loop {
            self.core.port.sleep_ms(pause_ms).await;
            match self.register(&register).await {
                Ok(registered) => {
                    // The reader ends with the agent.
                    let _ = told.send(registered.inbox_sequence);
                    pause_ms = renewal_ms();
                }
                Err(error) if error.is_passing() => pause_ms = PAUSE_MS,
                Err(error) => {
                    tracing::error!(agent = %self.id(), %error, "the lease is not renewed");
                    return;
                }
            }
        }
    }

    /// Says the same until it is answered, or too late.
    async fn insist<Q: Body, A: Body>(&self, subject: String, said: &Q, until_unix_ms: i64) -> Result<A, AskError> {
        let body = encode(said);
        loop {
            let now_unix_ms = self.now_unix_ms();
            let question = self.core.voice.say_bytes(subject.as_str(), Q::TYPE, body.clone(), now_unix_ms)?;
            match voice::ask(self.core.port.as_ref(), question, ATTEMPT_MS).await {
                Err(error) if error.is_passing() && self.now_unix_ms() < until_unix_ms => {
                    let pause_ms = match &error {
                        AskError::Refused(ErrorReply { retry_after_ms: Some(ms), .. }) => u64::from(*ms),
                        _ => PAUSE_MS,
                    };
                    self.core.port.sleep_ms(pause_ms).await;
                }
                answered => return answered,
            }
        }
    }
}
