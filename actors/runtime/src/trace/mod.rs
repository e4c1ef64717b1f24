//! Traces: which piece of work caused which, across processes and languages (W3C trace context).
//!
//! A message's `traceparent` names the piece of work that sent it, and so does that of a call. Whoever does something
//! on account of one begins a [`Span`] with it as the cause, and passes on what the span says of itself. There is no
//! span that is current here or there: what caused what is told, as deadlines are.
//!
//! Contexts travel whether or not anybody records. Spans are recorded, and exported to a collector, once a [`Recorder`]
//! was started, which the environment asks for; until then a span is what its cause was, and costs nothing else.

mod context;
#[cfg_attr(not(feature = "otlp"), path = "unrecorded.rs")]
mod otlp;

use schemas::header::{self, Headers};

pub(crate) use self::context::{Spans, TraceParent};
pub use self::otlp::Recorder;
use crate::port::{Message, Port, RequestError};

/// The trace context of what caused something, where that is known.
pub(crate) type Cause = Option<String>;

/// How a piece of work stands to its cause, as OpenTelemetry has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// It answers a question.
    Server,
    /// It asks one, and waits for the answer.
    Client,
    /// It heeds what was told, and nobody waits for it.
    Consumer,
    /// It is a part of other work.
    Internal,
}

/// A piece of work, from when it is begun to when it is dropped.
#[derive(Debug)]
pub struct Span {
    recorded: Option<otlp::Recorded>,
    cause: Option<String>,
}

/// Whether spans are recorded.
#[must_use]
pub fn is_recorded() -> bool {
    otlp::is_on()
}

impl Span {
    /// Begins a piece of work. `causes` are trace contexts: the first is what it is a part of, further ones are linked to
    /// it. Without one it begins a trace. `subject` is where it was asked for, or where it asks.
    #[must_use]
    pub fn begin<'a>(
        kind: Kind,
        name: impl FnOnce() -> String,
        subject: &str,
        causes: impl IntoIterator<Item = &'a str>,
    ) -> Self {
        let mut causes = causes.into_iter();
        let cause = causes.next();
        let recorded = otlp::begin(kind, name, subject, cause, causes);
        let cause = if recorded.is_some() { None } else { cause.map(str::to_owned) };
        Self { recorded, cause }
    }

    /// The trace context of what it causes in turn. Where nobody records, that is its own cause's.
    #[must_use]
    pub fn traceparent(&self) -> Option<String> {
        self.recorded.as_ref().map(otlp::Recorded::traceparent).or_else(|| self.cause.clone())
    }

    /// It came to nothing, and why.
    pub fn fail(&mut self, why: impl std::fmt::Display) {
        if let Some(recorded) = &mut self.recorded {
            recorded.fail(why.to_string());
        }
    }
}

/// Headers that name what caused their message, where that is known.
pub(crate) fn caused(headers: Headers, by: Cause) -> Headers {
    match by {
        Some(cause) => headers.with(header::TRACEPARENT, cause),
        None => headers,
    }
}

/// Asks, as a piece of work of whatever caused it; see [`Span::begin`].
///
/// # Errors
/// As [`Port::request`].
pub async fn ask<'a>(
    port: &dyn Port,
    message: Message,
    timeout_ms: u64,
    causes: impl IntoIterator<Item = &'a str>,
) -> Result<Message, RequestError> {
    let name = || message.headers.get(header::TYPE).unwrap_or("ask").to_owned();
    let mut span = Span::begin(Kind::Client, name, &message.subject, causes);
    let message = match span.traceparent() {
        Some(context) => message.with_header(header::TRACEPARENT, context),
        None => message,
    };
    let answer = port.request(message, timeout_ms).await;
    if let Err(error) = &answer {
        span.fail(error);
    }
    answer
}
