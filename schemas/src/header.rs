//! Headers of the contract. What a header says is not signed: what must hold stands in the body.
//!
//! A core's good answer has none. Whoever asked knows what it is about, its body says its type, and writing, carrying and
//! reading three headers takes longer than all else that is done for a small answer. An error has them.

use std::borrow::Cow;

/// `Content-Type`; ours is [`MSGPACK`].
pub const CONTENT_TYPE: &str = "Content-Type";
/// The content type of every body of the contract.
pub const MSGPACK: &str = "application/vnd.msgpack";
/// The body's `type`, such as `deal.accept`.
pub const TYPE: &str = "Hms-Type";
/// The version of the contract that the body was written to.
pub const SCHEMA: &str = "Hms-Schema";
/// When the sender stops waiting, in Unix milliseconds; checked once, before deciding.
pub const DEADLINE: &str = "Hms-Deadline";
/// The name under which the requester watches and stops this request: see [`crate::core::Job`].
pub const JOB: &str = "Hms-Job";
/// How many answers the asker reads, where it is more than one: `each`, one of everybody who hears the question, or
/// `stream`, any number of one answerer, after which an empty body without headers is the end. Such answers are signed.
pub const ANSWERS: &str = "Hms-Answers";
/// The W3C trace context.
pub const TRACEPARENT: &str = "traceparent";
/// Who sent it, with an Ed25519 signature: see [`crate::signature`].
pub const SENDER: &str = "Agent-Sender";
/// The error's number, as NATS services write it (ADR-32).
pub const ERROR_CODE: &str = "Nats-Service-Error-Code";
/// The error's text, as NATS services write it (ADR-32).
pub const ERROR: &str = "Nats-Service-Error";
/// Why a message came to the dead-letter queue.
pub const DLQ_REASON: &str = "Hms-Dlq-Reason";
/// The subject that a dead letter was sent to.
pub const DLQ_SUBJECT: &str = "Hms-Dlq-Subject";
/// The compare-and-set of JetStream: the last sequence on the message's subject.
pub const EXPECTED_LAST_SUBJECT_SEQUENCE: &str = "Nats-Expected-Last-Subject-Sequence";
/// What a message replaces: `sub`, all before it on its subject. Never on log writes.
pub const ROLLUP: &str = "Nats-Rollup";
/// The life of one message (ADR-43), such as `60s`.
pub const TTL: &str = "Nats-TTL";
/// When a scheduled message fires (ADR-51): `@at` and an RFC 3339 time.
pub const SCHEDULE: &str = "Nats-Schedule";
/// Where a scheduled message fires to.
pub const SCHEDULE_TARGET: &str = "Nats-Schedule-Target";
/// How long a fired message stays in its stream.
pub const SCHEDULE_TTL: &str = "Nats-Schedule-TTL";
/// The id by which JetStream drops a message that it has already stored. Never on log writes.
pub const MESSAGE_ID: &str = "Nats-Msg-Id";
/// The stream sequence that a republished message has.
pub const SEQUENCE: &str = "Nats-Sequence";
/// The sequence of the message before on the same subject, on republished messages.
pub const LAST_SEQUENCE: &str = "Nats-Last-Sequence";

/// A message's headers: names with their values, in order. Names are compared as they are written.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Headers(Vec<(Text, Text)>);

/// Most headers say what is known beforehand, and are not copied.
type Text = Cow<'static, str>;

impl Headers {
    /// No headers.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The headers that every body of type `kind` carries.
    #[must_use]
    pub fn of_type(kind: impl Into<Text>) -> Self {
        Self::new().with(CONTENT_TYPE, MSGPACK).with(TYPE, kind).with(SCHEMA, crate::SCHEMA_VERSION)
    }

    /// These and one more.
    #[must_use]
    pub fn with(mut self, name: impl Into<Text>, value: impl Into<Text>) -> Self {
        self.0.push((name.into(), value.into()));
        self
    }

    /// The first value of a name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(n, _)| n == name).map(|(_, value)| &**value)
    }

    /// Names and values in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (&**name, &**value))
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl FromIterator<(String, String)> for Headers {
    fn from_iter<I: IntoIterator<Item = (String, String)>>(pairs: I) -> Self {
        Self(pairs.into_iter().map(|(name, value)| (name.into(), value.into())).collect())
    }
}
