//! What a core is: plain Rust with no I/O, that `runtime` puts behind subjects.
//!
//! The same core runs inside a test, inside Python and inside a simulator, with no broker. Clocks and
//! random numbers are passed in.

use serde::Serialize;

use crate::body::Message;
use crate::error::ErrorReply;
use crate::id::AgentId;
use crate::signature::Sender;

/// What surrounds a call: who, when, until when.
#[derive(Debug, Clone, Default)]
pub struct Call {
    /// The time of the call, in Unix milliseconds.
    pub now_unix_ms: i64,
    /// When the caller stops waiting, in Unix milliseconds.
    pub deadline_unix_ms: Option<i64>,
    /// Who signed it, when it was signed and the signature holds.
    pub sender: Option<Sender>,
    /// The W3C trace context that it came with.
    pub traceparent: Option<String>,
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
    type Reply: Serialize;

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
    /// Wake the decider at this time. Armed before the events are written; a stale one is ignored.
    Timer {
        /// When, in Unix milliseconds.
        at_unix_ms: i64,
    },
}
