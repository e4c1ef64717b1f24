//! The claims that deals raise: what has to be proved, in bytes that follow from terms and acceptances alone.
//!
//! # Design
//!
//! Nobody who wants a deal to pass may write down what is to be proved, or he would prove something else. So everyone
//! who needs a deal's claims (the desk that asks for proofs, the verifier of a log years later) builds them again from
//! the signed terms and acceptances, and gets the same bytes: goods in the order in which the terms name them, parties
//! in the order of the terms, coefficients whole and without a common divisor.
//!
//! What parties state are intervals, and a claim speaks of every point in them: *win-win* is not what a deal is worth at
//! central values, it is that no values within the accepted bounds leave a party short. Each claim carries a witness, a
//! point at which its hypotheses hold, so that it cannot be true for saying nothing.
//!
//! [`raised`] builds what a deal requires. The others ([`budget_balance`], [`certificate_solvent`],
//! [`no_blocking_coalition`], [`nash_division`]) are for whoever divides gains, or keeps certificates, and wants to show
//! that it was done as promised.
//!
//! Nearly all of them are linear, and their bounds alone decide them: [`certificate_by_bounds`] writes down what proves
//! such a claim, and has to be believed as little as any prover.
//!
//! # What it refuses
//!
//! A claim that cannot be stated: a giver who states no cost, or does not say what it holds; bounds that no point is
//! in; more variables than a claim may have. The deal then has no proof, and none without proof commits.

mod bounds;
mod builder;
mod deal;
mod division;

pub use bounds::certificate_by_bounds;
pub use deal::{Raised, holdings, raised, raised_by, win_win};
pub use division::{
    Coalition, Halfspace, Lot, budget_balance, certificate_solvent, nash_division, no_blocking_coalition,
};

use schemas::body::Refused;
use schemas::polynomial::Oversize;
use schemas::{AgentId, Good};

use crate::error::TermsError;

/// Why a claim cannot be stated.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ClaimError {
    /// What a party states does not value the terms.
    #[error(transparent)]
    Terms(#[from] TermsError),
    /// There are not as many acceptances as parties.
    #[error("{parties} parties need as many acceptances, not {acceptances}")]
    Acceptances {
        /// Parties of the terms.
        parties: usize,
        /// Acceptances given.
        acceptances: usize,
    },
    /// A party gives a good and does not say what it holds of it.
    #[error("{party} gives {good} and does not say what it holds of it")]
    NoHolding {
        /// The giver.
        party: AgentId,
        /// The good.
        good: Good,
    },
    /// A statement that no claim can be made of.
    #[error(transparent)]
    Stated(#[from] Refused),
    /// Beyond the limits of a claim.
    #[error("the claim is too large: {0}")]
    TooLarge(Oversize),
    /// More variables than a claim may have.
    #[error("the claim has {0} variables, more than a claim may have")]
    TooManyVariables(usize),
}

impl From<Oversize> for ClaimError {
    fn from(oversize: Oversize) -> Self {
        Self::TooLarge(oversize)
    }
}

#[cfg(test)]
mod tests;
