//! Why evidence is refused, and where.

use std::fmt;

/// Evidence, or the claim itself, is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{place}: {reason}")]
pub struct Refused {
    /// What kind of fault it is.
    pub fault: Fault,
    /// Where, as a dotted path that begins with `claim`, `certificate` or `counterexample`.
    pub place: String,
    /// What is wrong there, for people.
    pub reason: String,
}

impl Refused {
    pub(crate) fn new(fault: Fault, place: impl Into<String>, reason: impl Into<String>) -> Self {
        Self { fault, place: place.into(), reason: reason.into() }
    }
}

/// Kinds of faults.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Fault {
    /// The bytes are no message of the contract, or break one of its rules.
    Unreadable,
    /// The bytes are not the ones that the contract writes.
    NotCanonical,
    /// The evidence names another claim.
    OtherClaim,
    /// A node, a constraint or a coordinate stands where none of its kind may.
    Misplaced,
    /// Beyond the limits of degree, bits or expansion.
    TooLarge,
    /// The sum does not cancel.
    NotNought,
    /// A point does not do what is said of it.
    NotSatisfied,
}

impl Fault {
    /// The fault as a stable word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unreadable => "unreadable",
            Self::NotCanonical => "not_canonical",
            Self::OtherClaim => "other_claim",
            Self::Misplaced => "misplaced",
            Self::TooLarge => "too_large",
            Self::NotNought => "not_nought",
            Self::NotSatisfied => "not_satisfied",
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
