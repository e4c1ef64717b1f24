//! Polynomials with whole coefficients over one common denominator: what the kernel expands and compares.

use std::collections::BTreeMap;

use num_bigint::BigInt;
use num_integer::Integer;
use num_traits::{One, Zero};
use schemas::Ratio;
use schemas::claim::{Poly, Power};
use schemas::id::Variable;
use schemas::limit::{MAX_EXPANDED_BITS, MAX_VARIABLES};

use crate::budget::{Budget, Size};
use crate::refused::{Fault, Refused};

/// A product of powers: the exponent of each variable. No degree reaches 256, so no exponent overflows.
pub(crate) type Powers = [u8; MAX_VARIABLES];

/// A polynomial times the least number that makes its coefficients whole.
#[derive(Debug, Clone)]
pub(crate) struct Cleared {
    /// Products of powers with their coefficients.
    pub terms: Vec<(Powers, BigInt)>,
    /// What it was multiplied by, at least 1.
    pub denominator: BigInt,
    /// Its size.
    pub size: Size,
}

impl Cleared {
    /// Clears a polynomial of its denominators.
    ///
    /// # Errors
    /// A variable that is not among `variables`, or what costs too much.
    pub(crate) fn of(poly: &Poly, variables: usize, budget: &mut Budget, place: &str) -> Result<Self, Refused> {
        let mut denominator = BigInt::one();
        let mut size = Size { terms: poly.terms().len() as u64, degree: 0, bits: 0 };
        for term in poly.terms() {
            denominator = common(&denominator, term.coef.denominator(), place)?;
            size.degree = size.degree.max(term.degree());
            size.bits = size.bits.max(term.coef.numerator().bits());
        }
        size = size.widened(denominator.bits());
        budget.charge(size, || place.to_owned())?;
        let mut terms = Vec::with_capacity(poly.terms().len());
        for (index, term) in poly.terms().iter().enumerate() {
            let mut powers: Powers = [0; MAX_VARIABLES];
            for Power { variable, exponent } in &term.powers {
                let at = usize::from(*variable);
                match powers.get_mut(at) {
                    Some(place) if at < variables && *place == 0 => *place = *exponent,
                    _ => {
                        let reason = format!("the claim has no variable of index {variable}, or the term has it twice");
                        return Err(Refused::new(Fault::Misplaced, format!("{place}[{index}]"), reason));
                    }
                }
            }
            terms.push((powers, term.coef.numerator() * (&denominator / term.coef.denominator())));
        }
        Ok(Self { terms, denominator, size })
    }

    /// The same with the other sign.
    pub(crate) fn negated(&self) -> Self {
        let terms = self.terms.iter().map(|(powers, coef)| (*powers, -coef)).collect();
        Self { terms, denominator: self.denominator.clone(), size: self.size }
    }
}

/// The least common multiple of a denominator so far and the next.
///
/// # Errors
/// Beyond [`MAX_EXPANDED_BITS`].
pub(crate) fn common(so_far: &BigInt, next: &BigInt, place: &str) -> Result<BigInt, Refused> {
    let rest = so_far % next;
    if rest.is_zero() {
        return Ok(so_far.clone());
    }
    let multiple = so_far * (next / rest.gcd(next));
    if multiple.bits() > MAX_EXPANDED_BITS {
        let reason = format!("a common denominator of more than {MAX_EXPANDED_BITS} bits");
        return Err(Refused::new(Fault::TooLarge, place, reason));
    }
    Ok(multiple)
}

/// A sum of expanded products, which is nought where they cancel.
#[derive(Debug, Default)]
pub(crate) struct Sum(BTreeMap<Powers, BigInt>);

impl Sum {
    /// Adds `scale` times the product of the factors.
    pub(crate) fn add(&mut self, scale: &BigInt, factors: &[&[(Powers, BigInt)]]) {
        let one = [([0; MAX_VARIABLES], BigInt::one())];
        let (last, others) = factors.split_last().map_or((one.as_slice(), factors), |(last, others)| (*last, others));
        let mut product = vec![([0; MAX_VARIABLES], scale.clone())];
        for factor in others {
            let mut expanded = Self::default();
            expanded.add_product(&product, factor);
            product = expanded.0.into_iter().filter(|(_, coef)| !coef.is_zero()).collect();
        }
        self.add_product(&product, last);
    }

    fn add_product(&mut self, left: &[(Powers, BigInt)], right: &[(Powers, BigInt)]) {
        for (a, x) in left {
            for (b, y) in right {
                let mut powers = *a;
                powers.iter_mut().zip(b).for_each(|(mine, other)| *mine += other);
                *self.0.entry(powers).or_default() += x * y;
            }
        }
    }

    /// The first term that did not cancel, over `denominator`.
    pub(crate) fn remainder(&self, denominator: &BigInt, variables: &[Variable]) -> Option<String> {
        let (powers, coef) = self.0.iter().rev().find(|(_, coef)| !coef.is_zero())?;
        let mut text = match Ratio::new(coef.clone(), denominator.clone()) {
            Some(ratio) => ratio.to_string(),
            None => "(a ratio of thousands of bits)".to_owned(),
        };
        for (name, exponent) in variables.iter().zip(powers).filter(|(_, exponent)| **exponent > 0) {
            text.push_str(&if *exponent == 1 { format!("*{name}") } else { format!("*{name}^{exponent}") });
        }
        Some(text)
    }
}
