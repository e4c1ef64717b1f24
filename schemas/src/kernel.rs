//! What decides whether evidence shows a claim, as those see it who need the answer.
//!
//! The kernel is a core of its own, and cores don't know each other: the desk asks for evidence, the
//! verifier of a log reads it again years later, and both only need to be told what it shows. Whoever
//! starts them hands one in.

/// Decides, exactly and without trust in whoever found it, what evidence shows of a claim.
pub trait Kernel: Send + Sync {
    /// Checks a certificate or a counterexample against a claim. Both are exact bytes, as they came.
    ///
    /// # Errors
    /// [`Unsound`]: the evidence shows nothing of this claim, or one of the two can't be read.
    fn check(&self, claim: &[u8], evidence: &[u8]) -> Result<Finding, Unsound>;
}

/// What evidence shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Finding {
    /// The goal follows from the hypotheses.
    Proved {
        /// Because no point satisfies them all: what follows from nothing says nothing.
        vacuous: bool,
    },
    /// A point satisfies every hypothesis and not the goal.
    Refuted,
}

/// Why evidence shows nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Unsound(pub String);
