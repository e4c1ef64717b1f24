//! What a trader has asked and not been answered.

use schemas::DealId;
use schemas::body::{self, Message as Body};

use crate::news::Ground;

/// A question: enough to ask it again with the same bytes.
pub(super) struct Ask {
    pub(super) subject: String,
    pub(super) kind: &'static str,
    pub(super) body: Vec<u8>,
    /// To be stored in the stream of intents, rather than answered by a service.
    pub(super) is_stored: bool,
}

impl Ask {
    pub(super) fn request<T: Body>(subject: String, said: &T) -> Self {
        Self { subject, kind: T::TYPE, body: body::encode(said), is_stored: false }
    }

    pub(super) fn stored<T: Body>(subject: String, said: &T) -> Self {
        Self { is_stored: true, ..Self::request(subject, said) }
    }
}

/// A question under way.
pub(super) struct Pending {
    pub(super) purpose: Purpose,
    pub(super) ask: Ask,
    /// After this there is no sense in asking again, in Unix milliseconds.
    pub(super) until_unix_ms: i64,
}

/// What a question is for.
#[derive(Clone)]
pub(super) enum Purpose {
    Register,
    Declare,
    Inbox,
    Join,
    Leave,
    Depart,
    Accept(DealId),
    Reject(DealId, Ground),
    Confirm(DealId),
}

impl Purpose {
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Register => "register",
            Self::Declare => "declare",
            Self::Inbox => "inbox",
            Self::Join => "join",
            Self::Leave => "leave",
            Self::Depart => "depart",
            Self::Accept(_) => "accept",
            Self::Reject(..) => "reject",
            Self::Confirm(_) => "confirm",
        }
    }

    pub(super) fn is_move(&self) -> bool {
        matches!(self, Self::Accept(_) | Self::Reject(..) | Self::Confirm(_))
    }
}
