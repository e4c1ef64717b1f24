//! What checking may cost, added up from sizes before anything is expanded.
//!
//! A product of polynomials with whole coefficients costs at most as many multiplications as the product of their
//! numbers of terms, each on numbers of at most the sum of their bits. One unit is such a multiplication on one word of
//! 64 bits. The limits stand in `schemas::limit`; `docs/claims.md` states the sum, so that every checker refuses alike.

use schemas::limit::{MAX_EXPANDED_BITS, MAX_EXPANDED_DEGREE, MAX_EXPANSION};

use crate::refused::{Fault, Refused};

/// What is left to spend on one piece of evidence.
#[derive(Debug)]
pub(crate) struct Budget {
    left: u64,
}

/// The size of a product that is still to be expanded.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Size {
    /// At most so many products of terms.
    pub terms: u64,
    /// At most this degree.
    pub degree: u32,
    /// At most so many bits in a coefficient.
    pub bits: u64,
}

impl Size {
    /// The size of the constant that starts a product.
    pub(crate) fn of_bits(bits: u64) -> Self {
        Self { terms: 1, degree: 0, bits }
    }

    /// The size of the product.
    pub(crate) fn times(self, other: Self) -> Self {
        Self {
            terms: self.terms.saturating_mul(other.terms.max(1)),
            degree: self.degree.saturating_add(other.degree),
            bits: self.bits.saturating_add(other.bits),
        }
    }

    /// The same with coefficients of `bits` more bits.
    pub(crate) fn widened(self, bits: u64) -> Self {
        Self { bits: self.bits.saturating_add(bits), ..self }
    }
}

impl Budget {
    pub(crate) fn new() -> Self {
        Self { left: MAX_EXPANSION }
    }

    /// Pays for a product, or refuses it at `place`.
    pub(crate) fn charge(&mut self, size: Size, place: impl Fn() -> String) -> Result<(), Refused> {
        if size.degree > MAX_EXPANDED_DEGREE {
            let reason = format!("a product of degree {}; at most {MAX_EXPANDED_DEGREE}", size.degree);
            return Err(Refused::new(Fault::TooLarge, place(), reason));
        }
        if size.bits > MAX_EXPANDED_BITS {
            let reason = format!("coefficients of {} bits; at most {MAX_EXPANDED_BITS}", size.bits);
            return Err(Refused::new(Fault::TooLarge, place(), reason));
        }
        let cost = size.terms.saturating_mul(1 + size.bits / 64);
        self.left = self.left.checked_sub(cost).ok_or_else(|| {
            let reason = format!("more than {MAX_EXPANSION} products of terms, counted in words of their coefficients");
            Refused::new(Fault::TooLarge, place(), reason)
        })?;
        Ok(())
    }
}
