//! What a core is: plain Rust with no I/O, that `runtime` puts behind subjects.
//!
//! The same core runs inside a test, inside Python and inside a simulator, with no broker. Clocks and
//! random numbers are passed in.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::body::{self, DecodeError, Message};
use crate::error::ErrorReply;
use crate::hash::Hash;
use crate::id::{AgentId, JobId};
use crate::keyring::LogRecord;
use crate::signature::Sender;

/// What surrounds a call: who, when, until when.
#[derive(Debug, Clone, Default)]
pub struct Call {
    /// The time of the call, in Unix milliseconds.
    pub now_unix_ms: i64,
    /// When the caller stops waiting, in Unix milliseconds.
    pub deadline_unix_ms: Option<i64>,
    /// Who signed it, where whoever hosts the core has checked that the signature holds. A service alone checks none.
    pub sender: Option<Sender>,
    /// The W3C trace context that it came with.
    pub traceparent: Option<String>,
    /// The job that it is, when the requester gave it a name to watch and to stop it by (`Hms-Job`).
    pub job: Option<Job>,
}

impl Call {
    /// Whether to end with what there is: the job was cancelled, or its deadline has passed. A call that is no job
    /// is never told so; it has its deadline, and whoever computes for long keeps time itself.
    #[must_use]
    pub fn stop(&self) -> bool {
        self.job.as_ref().is_some_and(|job| job.watcher.is_stopped())
    }

    /// Tells whoever watches how far it is. What comes sooner than [`crate::limit::PROGRESS_EVERY_MS`] after the last
    /// is left out and not even made, so this may be called as often as one likes.
    pub fn report<T: Message>(&self, progress: impl FnOnce() -> T) {
        if let Some(job) = self.job.as_ref().filter(|job| job.watcher.is_due()) {
            job.watcher.report(T::TYPE, body::encode(&progress()));
        }
    }
}

/// A request that is watched while it is worked on, and that can be stopped: progress goes to
/// [`crate::subject::job_progress`], and a message on [`crate::subject::job_cancel`] has it answer with what it has.
#[derive(Clone)]
pub struct Job {
    /// The requester's name for it.
    pub id: JobId,
    /// Who watches it.
    pub watcher: Arc<dyn Watcher>,
}

impl fmt::Debug for Job {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Job({})", self.id)
    }
}

/// Who watches a job: a bus, through `runtime`; a test; a terminal.
pub trait Watcher: Send + Sync {
    /// Whether the job is to end with what it has. Once it is, it stays so.
    fn is_stopped(&self) -> bool;

    /// Whether another report may be made by now.
    fn is_due(&self) -> bool;

    /// Takes a report: a body's `type` and its bytes.
    fn report(&self, kind: &'static str, body: Vec<u8>);
}

/// Starts watches: the clock that is passed to a core which may compute for long. A test's stands still or jumps.
pub trait Stopwatch: Send + 'static {
    /// A watch that starts now: it says how much time has passed since.
    fn start(&self) -> Box<dyn Fn() -> Duration>;
}

/// The machine's monotonic clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct Monotonic;

impl Stopwatch for Monotonic {
    fn start(&self) -> Box<dyn Fn() -> Duration> {
        let started = Instant::now();
        Box::new(move || started.elapsed())
    }
}

/// Answers one kind of request. Stateless: any replica may answer, so a queue group scales it.
pub trait Core: Send + 'static {
    /// The service's name and its queue group.
    const SERVICE: &'static str;
    /// The endpoint's name.
    const VERB: &'static str;
    /// What it reads.
    type Request: Message;
    /// What it answers.
    type Reply: Message;

    /// Answers.
    ///
    /// # Errors
    /// An error that goes back to the requester as it is.
    fn handle(&self, request: Self::Request, call: &Call) -> Result<Self::Reply, ErrorReply>;
}

/// Owns state. The state is the fold of a log, so that a restart, a replica and a test all rebuild
/// it the same way.
pub trait Decider {
    /// What is asked of it.
    type Move;
    /// What happened.
    type Event;
    /// The fold of the events.
    type State: Clone + Default;

    /// Decides what a move does in a state, without doing it.
    ///
    /// # Errors
    /// A rejection that goes back to the mover.
    fn decide(&self, state: &Self::State, ask: &Self::Move, call: &Call) -> Result<Decision<Self::Event>, ErrorReply>;

    /// The state after an event.
    #[must_use]
    fn apply(state: Self::State, event: &Self::Event) -> Self::State;
}

/// What goes back to whoever asked: the answer's `type` and body, or an error.
pub type Answer = Result<(&'static str, Vec<u8>), ErrorReply>;

/// A decider whose log is a subject of a stream, one for each thing that it decides about. This is all
/// that `runtime` needs to know of it.
pub trait Logged: Decider {
    /// The stream.
    const STREAM: &'static str;
    /// The `type` of its events.
    const KIND: &'static str;

    /// Reads an event from the log.
    ///
    /// # Errors
    /// When the bytes are none.
    fn read(bytes: &[u8]) -> Result<Self::Event, DecodeError>;

    /// The event's exact bytes.
    fn bytes(event: &Self::Event) -> &[u8];

    /// Whether more is to be expected in such a state, so that it is worth keeping at hand.
    fn is_live(state: &Self::State) -> bool;

    /// The answer to a move, from the state after it: its `type` and body.
    ///
    /// # Errors
    /// An error that goes back to the mover.
    fn answer(state: &Self::State, ask: &Self::Move) -> Answer;

    /// Where a timer for this log is armed, and where it fires to; `None` where there are no timers.
    fn timer(log: &str) -> Option<(String, String)>;
}

/// Events to write, and effects to carry out once they are written, as data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision<E> {
    /// What happened, in order; empty when the move was already recorded.
    pub events: Vec<E>,
    /// What follows from it.
    pub effects: Vec<Effect>,
}

impl<E> Decision<E> {
    /// Nothing happens.
    #[must_use]
    pub fn nothing() -> Self {
        Self { events: Vec::new(), effects: Vec::new() }
    }
}

/// What follows from a decision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Tell an agent, in the same atomic batch as the events: a transactional outbox.
    Note {
        /// Whom.
        to: AgentId,
        /// The body's `type`.
        kind: &'static str,
        /// The body.
        body: Vec<u8>,
    },
    /// Write this beside the events, in the same atomic batch: on a subject of the same stream that is no log of the
    /// decider's.
    Beside {
        /// The subject.
        subject: String,
        /// The body's `type`.
        kind: &'static str,
        /// The body.
        body: Vec<u8>,
    },
    /// Wake the decider at this time. A log has one timer: it is armed before the events are written, and only ever
    /// moved to an earlier time. What it finds when it fires says whether it is needed again.
    Timer {
        /// When, in Unix milliseconds.
        at_unix_ms: i64,
    },
    /// A timer that fired before there was anything to do comes again: what it waits for may still be on its way into
    /// the log.
    Again {
        /// When it fired first, in Unix milliseconds.
        due_unix_ms: i64,
        /// When it is to fire again, in Unix milliseconds.
        at_unix_ms: i64,
    },
    /// Ask the provers for evidence, while the events are being written. What they find comes back to the decider as an
    /// ask of its own; that nothing comes back is for a timer to notice.
    Prove {
        /// The claims, each by its exact bytes.
        claims: Vec<Vec<u8>>,
        /// The hash of the log's last entry: what is found counts for that state alone.
        head: Hash,
        /// Whom nobody has answered by then, nobody answers, in Unix milliseconds.
        until_unix_ms: i64,
    },
    /// Have the provers look ahead for evidence that will be wanted if the log goes on as it seems to. Nothing comes
    /// back to the decider, and nothing depends on it: [`Prove`](Self::Prove) asks for whatever is not at hand by then.
    Prepare {
        /// The claims, each by its exact bytes.
        claims: Vec<Vec<u8>>,
        /// When it is wanted no more, in Unix milliseconds.
        until_unix_ms: i64,
    },
}

/// One writer for many logs, fenced by its own cursor: it sees a whole stream in order, and what it
/// writes is under compare-and-set on that cursor, so a writer that lost its place fails.
///
/// It is a state machine without I/O: the host shows it every entry, asks it for a plan, writes the
/// plan as one atomic batch, and says how that went.
pub trait Fenced {
    /// What others may ask of it.
    type Ask;
    /// The stream.
    const STREAM: &'static str;

    /// The subjects that it sees; they do not overlap.
    fn filters() -> Vec<String>;

    /// Sees the next entry, in the order of the stream; its own come too.
    fn observe(&mut self, entry: &LogRecord);

    /// Takes an ask; its answer comes with [`Fenced::answers`] under the same number.
    fn ask(&mut self, number: u64, ask: Self::Ask, call: &Call);

    /// What to write now, all or nothing; empty when there is nothing to do. At most
    /// [`crate::limit::MAX_BATCH_MESSAGES`].
    fn plan(&mut self, now_unix_ms: i64) -> Vec<Planned>;

    /// The last plan is written, with these sequences.
    fn written(&mut self, sequences: &[u64]);

    /// The last plan failed, or nobody knows. Everything stored until now has since been observed.
    fn lost(&mut self);

    /// Its state, in pieces for [`Fenced::restore`]: the same state gives the same bytes, however it came about. `None`
    /// while entries of its own are on their way: what they say is in its state, and not yet observed.
    fn snapshot(&self) -> Option<Vec<Vec<u8>>>;

    /// The writer whose state such pieces hold.
    ///
    /// # Errors
    /// Why the pieces are no state.
    fn restore(pieces: &[Vec<u8>]) -> Result<Self, String>
    where
        Self: Sized;

    /// What it saw and skipped, since it was asked last: entries that are not what they claim to be.
    fn complaints(&mut self) -> Vec<String>;

    /// The answers that are due.
    fn answers(&mut self) -> Vec<(u64, Answer)>;
}

/// One record of a plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Planned {
    /// Where to.
    pub subject: String,
    /// The body's `type`.
    pub kind: &'static str,
    /// The body.
    pub body: Vec<u8>,
    /// The sequence that the last entry on the subject must have; 0 for none yet, `None` for whatever.
    pub expect: Option<u64>,
    /// Whether it is an entry of a log, and so signed by its writer.
    pub signed: bool,
    /// The W3C trace context of what it answers.
    pub trace: Option<String>,
}
