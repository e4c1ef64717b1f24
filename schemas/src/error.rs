//! The error that a peer answers with: headers for NATS tools, a body for programs.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::hash::Hash;

/// What kind of error, numbered as HTTP does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Code {
    /// 400: the message is malformed.
    BadMessage,
    /// 401: no valid signature.
    Unsigned,
    /// 403: not yours to do.
    Forbidden,
    /// 404: no such thing.
    Unknown,
    /// 409: conflicts with the state, which the reply carries.
    Conflict,
    /// 410: past its deadline.
    Late,
    /// 422: well-formed, and refused by the rule that the reply names.
    Refused,
    /// 429: too busy; try again after `retry_after_ms`.
    Busy,
    /// 500: our fault; the reply's id stands in the log.
    Internal,
}

impl Code {
    /// Every code.
    pub const ALL: [Self; 9] = [
        Self::BadMessage,
        Self::Unsigned,
        Self::Forbidden,
        Self::Unknown,
        Self::Conflict,
        Self::Late,
        Self::Refused,
        Self::Busy,
        Self::Internal,
    ];

    /// The number.
    #[must_use]
    pub fn number(self) -> u16 {
        match self {
            Self::BadMessage => 400,
            Self::Unsigned => 401,
            Self::Forbidden => 403,
            Self::Unknown => 404,
            Self::Conflict => 409,
            Self::Late => 410,
            Self::Refused => 422,
            Self::Busy => 429,
            Self::Internal => 500,
        }
    }

    /// The code of a number; `None` for any other.
    #[must_use]
    pub fn from_number(number: u16) -> Option<Self> {
        Self::ALL.into_iter().find(|code| code.number() == number)
    }
}

/// The body of an error reply.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema, thiserror::Error)]
#[serde(tag = "type", rename = "error")]
pub struct ErrorReply {
    /// One of [`Code`]'s numbers.
    pub code: u16,
    /// What went wrong, for people.
    pub message: String,
    /// Whether the same message may succeed later.
    pub retryable: bool,
    /// The field at fault, as a dotted path.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    /// The rule that refused it, a stable word for programs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
    /// When to try again, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after_ms: Option<u32>,
    /// The state that the message conflicts with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<String>,
    /// The terms that stand, where the message named others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub terms_hash: Option<Hash>,
    /// The id of an internal error in the log.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
}

crate::message!(ErrorReply, "error");

impl fmt::Display for ErrorReply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ", self.code)?;
        if let Some(field) = &self.field {
            write!(f, "{field}: ")?;
        }
        f.write_str(&self.message)
    }
}

impl ErrorReply {
    /// An error of this code.
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self {
            code: code.number(),
            message: message.into(),
            retryable: matches!(code, Code::Busy | Code::Internal),
            field: None,
            rule: None,
            retry_after_ms: None,
            state: None,
            terms_hash: None,
            id: None,
        }
    }

    /// A refusal (422) by the rule `rule`.
    pub fn refused(rule: &str, message: impl Into<String>) -> Self {
        Self::new(Code::Refused, message).by_rule(rule)
    }

    /// The same, naming the field at fault; an empty path names none.
    #[must_use]
    pub fn at_field(mut self, field: &str) -> Self {
        self.field = (!field.is_empty()).then(|| field.to_owned());
        self
    }

    /// The same, naming the rule.
    #[must_use]
    pub fn by_rule(mut self, rule: &str) -> Self {
        self.rule = Some(rule.to_owned());
        self
    }

    /// The same, naming the state.
    #[must_use]
    pub fn in_state(mut self, state: impl fmt::Display) -> Self {
        self.state = Some(state.to_string());
        self
    }

    /// The kind; numbers that we do not know count as [`Code::Internal`].
    #[must_use]
    pub fn kind(&self) -> Code {
        Code::from_number(self.code).unwrap_or(Code::Internal)
    }
}
