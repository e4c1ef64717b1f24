//! Why a word is not taken.

use std::fmt;

/// The rule by which a word is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Rule {
    /// It came after the time to talk.
    Late,
    /// Another has the floor, or had it when this was said.
    OutOfTurn,
    /// It is there already, word for word.
    Duplicate,
    /// It is of another deal, from somebody who takes no part, or of another protocol.
    Foreign,
    /// It does not follow the word before.
    BrokenChain,
    /// It answers an offer or a bid that does not stand.
    UnknownOffer,
    /// It offers what is no outcome.
    OutsideDomain,
    /// The talk has ended.
    Over,
    /// It is no word of the contract.
    Malformed,
    /// It awards to another bid than the rules say, or before they do.
    WrongAward,
    /// It calls again where the rules award, or calls others, or tells another bid than the best.
    WrongCall,
    /// It counts a vote that was not cast so.
    WrongCount,
    /// It is not the text that seed and votes make.
    WrongText,
}

impl Rule {
    /// The rule as a stable word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Late => "late",
            Self::OutOfTurn => "out_of_turn",
            Self::Duplicate => "duplicate",
            Self::Foreign => "foreign",
            Self::BrokenChain => "broken_chain",
            Self::UnknownOffer => "unknown_offer",
            Self::OutsideDomain => "outside_domain",
            Self::Over => "over",
            Self::Malformed => "malformed",
            Self::WrongAward => "wrong_award",
            Self::WrongCall => "wrong_call",
            Self::WrongCount => "wrong_count",
            Self::WrongText => "wrong_text",
        }
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A word that is not taken; the talk goes on as if it had not been said.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{rule}: {reason}")]
pub struct Refusal {
    /// By which rule.
    pub rule: Rule,
    /// Why, for people.
    pub reason: String,
}

/// A refusal, as an error.
pub(crate) fn refuse<T>(rule: Rule, reason: impl Into<String>) -> Result<T, Refusal> {
    Err(Refusal { rule, reason: reason.into() })
}
