//! What travels: a subject, perhaps a place to reply to, headers, and a body of bytes.

use std::borrow::Cow;

use bytes::Bytes;
use schemas::header::Headers;

/// One message, as sent or as received.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Message {
    /// Where it goes, or where it came in. No wildcards.
    pub subject: String,
    /// Where an answer is awaited.
    pub reply: Option<String>,
    /// What is said about the body.
    pub headers: Headers,
    /// The body. Signatures cover exactly these bytes, so nothing here ever encodes them again.
    pub body: Bytes,
}

impl Message {
    /// A message without headers that awaits no answer.
    pub fn new(subject: impl Into<String>, body: impl Into<Bytes>) -> Self {
        Self { subject: subject.into(), body: body.into(), ..Self::default() }
    }

    /// The same message with all its headers replaced.
    #[must_use]
    pub fn with_headers(mut self, headers: Headers) -> Self {
        self.headers = headers;
        self
    }

    /// The same message with one more header.
    #[must_use]
    pub fn with_header(mut self, name: impl Into<Cow<'static, str>>, value: impl Into<Cow<'static, str>>) -> Self {
        self.headers = self.headers.with(name, value);
        self
    }

    /// The same message, awaiting its answer at `reply`.
    #[must_use]
    pub fn with_reply(mut self, reply: impl Into<String>) -> Self {
        self.reply = Some(reply.into());
        self
    }
}
