//! Why terms cannot be valued or summed.

use schemas::body::Refused;
use schemas::{AgentId, Code, ErrorReply, Good};

/// Why terms cannot be valued or summed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TermsError {
    /// What a party states breaks a rule of the contract.
    #[error(transparent)]
    Stated(#[from] Refused),
    /// A party of the terms has stated nothing.
    #[error("no valuation of {0}, who is a party")]
    NoValuation(AgentId),
    /// A valuation of somebody whom the terms do not concern.
    #[error("{0} is not a party")]
    NotAParty(AgentId),
    /// A party gives a good and does not state what that costs it.
    #[error("{party} gives {good} and states no cost for it")]
    NoCost {
        /// The giver.
        party: AgentId,
        /// The good.
        good: Good,
    },
    /// An answer that must fit 64 bits does not.
    #[error("{0} does not fit 64 bits")]
    Overflow(&'static str),
}

impl TermsError {
    /// The rule that refuses it, a stable word; `None` for a malformed statement.
    #[must_use]
    pub fn rule(&self) -> Option<&'static str> {
        match self {
            Self::Stated(_) => None,
            Self::NoValuation(_) => Some("no_valuation"),
            Self::NotAParty(_) => Some("not_a_party"),
            Self::NoCost { .. } => Some("no_cost"),
            Self::Overflow(_) => Some("overflow"),
        }
    }
}

impl From<TermsError> for ErrorReply {
    fn from(error: TermsError) -> Self {
        match (error.rule(), error) {
            (Some(rule), error) => Self::refused(rule, error.to_string()),
            (None, TermsError::Stated(refused)) => Self::new(Code::BadMessage, refused.reason).at_field(&refused.field),
            (None, error) => Self::new(Code::BadMessage, error.to_string()),
        }
    }
}
