//! The infix form of claims, as people write and read them:
//!
//! ```text
//! forall x in [0,1], y >= 0, x + y <= 1: x^2 + y >= x*y
//! ```
//!
//! It stands at the edges alone: on the wire and in hashes a claim is a list of terms. It is here, and not with the
//! arithmetic of terms, because it is a notation that several languages must read alike: the vectors for it are
//! generated from this crate, and the grammar stands in `docs/claims.md`.
//!
//! Whoever makes a mistake is told the column, counted in characters from 1. What a text may ask for is bounded before
//! anything is expanded: its length, its nesting, and the products of terms.

mod parse;
mod print;
mod token;

use crate::claim::Claim;

/// Why a text is no claim, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("column {column}: {reason}")]
pub struct BadClaim {
    /// Where, in characters from 1; one past the last where the text ends too early.
    pub column: usize,
    /// Why, for people.
    pub reason: String,
}

impl BadClaim {
    fn at(column: usize, reason: impl Into<String>) -> Self {
        Self { column, reason: reason.into() }
    }
}

/// Reads a claim. Variables are numbered as they first appear; there is no witness.
///
/// # Errors
/// The first mistake, with its column.
pub fn parse(text: &str) -> Result<Claim, BadClaim> {
    parse::claim(text)
}

/// Writes a claim so that [`parse`] reads the same variables, hypotheses and goal. The witness is not written.
#[must_use]
pub fn print(claim: &Claim) -> String {
    print::claim(claim)
}

/// Writes a polynomial over these variables: `x^2 - 3/2*x*y + 1`.
#[must_use]
pub fn print_poly(poly: &crate::claim::Poly, variables: &[crate::id::Variable]) -> String {
    print::poly(poly, variables)
}

#[cfg(test)]
mod tests;
