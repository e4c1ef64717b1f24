//! Exact arithmetic on polynomials, for whoever writes claims: the infix form, and the builders of the claims of deals.
//!
//! Checkers do not use it. The kernel has arithmetic of its own, so that a mistake here makes another claim and never a
//! false proof.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::fmt;

use num_rational::BigRational;
use num_traits::{One, Pow, Signed, Zero};

use crate::claim::{Poly, PolyTerm, Power, degree, grade};
use crate::limit::{MAX_COEFFICIENT_BITS, MAX_DEGREE, MAX_POLY_TERMS};
use crate::ratio::Ratio;

/// A polynomial with exact rational coefficients.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Polynomial(BTreeMap<Product, BigRational>);

/// A product of powers in graded lexicographic order, the largest first.
#[derive(Clone, PartialEq, Eq)]
struct Product(Vec<Power>);

impl Ord for Product {
    fn cmp(&self, other: &Self) -> Ordering {
        grade(&other.0, &self.0)
    }
}
impl PartialOrd for Product {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Product {
    fn times(&self, other: &Self) -> Option<Self> {
        let mut powers: Vec<Power> = Vec::with_capacity(self.0.len() + other.0.len());
        let (mut mine, mut others) = (self.0.iter().peekable(), other.0.iter().peekable());
        while let (Some(a), Some(b)) = (mine.peek(), others.peek()) {
            match a.variable.cmp(&b.variable) {
                Ordering::Less => powers.extend(mine.next()),
                Ordering::Greater => powers.extend(others.next()),
                Ordering::Equal => {
                    powers.push(Power { variable: a.variable, exponent: a.exponent.checked_add(b.exponent)? });
                    mine.next();
                    others.next();
                }
            }
        }
        powers.extend(mine);
        powers.extend(others);
        Some(Self(powers))
    }
}

/// What is beyond the limits of the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Oversize {
    /// The degree.
    #[error("the degree is above {MAX_DEGREE}")]
    Degree,
    /// The number of terms.
    #[error("more than {MAX_POLY_TERMS} terms")]
    Terms,
    /// A coefficient.
    #[error("a coefficient has more than {MAX_COEFFICIENT_BITS} bits")]
    Bits,
}

impl Polynomial {
    /// Nought.
    #[must_use]
    pub fn zero() -> Self {
        Self::default()
    }

    /// A constant.
    #[must_use]
    pub fn constant(value: BigRational) -> Self {
        let mut constant = Self::default();
        constant.add(Product(Vec::new()), value);
        constant
    }

    /// A variable, by index.
    #[must_use]
    pub fn variable(index: u8) -> Self {
        Self(BTreeMap::from([(Product(vec![Power { variable: index, exponent: 1 }]), BigRational::one())]))
    }

    fn add(&mut self, powers: Product, coef: BigRational) {
        match self.0.entry(powers) {
            Entry::Vacant(place) => {
                if !coef.is_zero() {
                    place.insert(coef);
                }
            }
            Entry::Occupied(mut there) => {
                *there.get_mut() += coef;
                if there.get().is_zero() {
                    there.remove();
                }
            }
        }
    }

    /// The sum.
    #[must_use]
    pub fn plus(mut self, other: Self) -> Self {
        for (powers, coef) in other.0 {
            self.add(powers, coef);
        }
        self
    }

    /// The difference.
    #[must_use]
    pub fn minus(self, other: Self) -> Self {
        self.plus(other.scaled(&-BigRational::one()))
    }

    /// The same times a ratio.
    #[must_use]
    pub fn scaled(mut self, by: &BigRational) -> Self {
        if by.is_zero() {
            return Self::zero();
        }
        self.0.values_mut().for_each(|coef| *coef *= by);
        self
    }

    /// The product.
    ///
    /// # Errors
    /// Where the product is beyond the limits of the wire.
    pub fn times(&self, other: &Self) -> Result<Self, Oversize> {
        if self.degree() + other.degree() > MAX_DEGREE {
            return Err(Oversize::Degree);
        }
        let mut product = Self::zero();
        for (a, left) in &self.0 {
            for (b, right) in &other.0 {
                product.add(a.times(b).ok_or(Oversize::Degree)?, left * right);
            }
            if product.len() > MAX_POLY_TERMS {
                return Err(Oversize::Terms);
            }
        }
        product.fits()
    }

    /// A power of a constant.
    ///
    /// # Errors
    /// [`Oversize::Bits`].
    pub(crate) fn constant_power(value: &BigRational, exponent: u32) -> Result<Self, Oversize> {
        let bits = value.numer().bits().max(value.denom().bits());
        if bits.saturating_sub(1).saturating_mul(exponent.into()) > u64::from(MAX_COEFFICIENT_BITS) {
            return Err(Oversize::Bits);
        }
        Self::constant(Pow::pow(value, exponent)).fits()
    }

    /// The same, if it is within the limits of the wire.
    ///
    /// # Errors
    /// What is beyond them.
    pub fn fits(self) -> Result<Self, Oversize> {
        if self.len() > MAX_POLY_TERMS {
            return Err(Oversize::Terms);
        }
        if self.degree() > MAX_DEGREE {
            return Err(Oversize::Degree);
        }
        let most = u64::from(MAX_COEFFICIENT_BITS);
        if self.0.values().any(|coef| coef.numer().bits().max(coef.denom().bits()) > most) {
            return Err(Oversize::Bits);
        }
        Ok(self)
    }

    /// The number of terms.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether it is nought.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The largest degree of a term; 0 for nought.
    #[must_use]
    pub fn degree(&self) -> u32 {
        self.0.keys().next().map_or(0, |powers| degree(&powers.0))
    }

    /// Its value, where it is a constant.
    #[must_use]
    pub fn as_constant(&self) -> Option<BigRational> {
        match self.0.iter().next() {
            None => Some(BigRational::zero()),
            Some((powers, value)) if powers.0.is_empty() => Some(value.clone()),
            Some(_) => None,
        }
    }

    /// The largest whole number that divides every numerator, over the least that every denominator divides: what is
    /// left after a division by it has whole coefficients without a common divisor. `None` for nought.
    #[must_use]
    pub fn content(&self) -> Option<BigRational> {
        use num_integer::Integer;
        self.0
            .values()
            .map(|coef| (coef.numer().abs(), coef.denom().clone()))
            .reduce(|(top, bottom), (numer, denom)| (top.gcd(&numer), bottom.lcm(&denom)))
            .map(|(top, bottom)| BigRational::new(top, bottom))
    }

    /// The same as the wire carries it.
    ///
    /// # Errors
    /// Where it is beyond the limits of the wire.
    pub fn to_poly(&self) -> Result<Poly, Oversize> {
        if self.len() > MAX_POLY_TERMS {
            return Err(Oversize::Terms);
        }
        if self.degree() > MAX_DEGREE {
            return Err(Oversize::Degree);
        }
        let term = |(powers, coef): (&Product, &BigRational)| {
            let coef = Ratio::new(coef.numer().clone(), coef.denom().clone()).ok_or(Oversize::Bits)?;
            Ok(PolyTerm { coef, powers: powers.0.clone() })
        };
        self.0.iter().map(term).collect::<Result<_, _>>().map(Poly)
    }
}

impl From<&Poly> for Polynomial {
    fn from(poly: &Poly) -> Self {
        let mut sum = Self::zero();
        for term in poly.terms() {
            sum.add(Product(term.powers.clone()), BigRational::from(&term.coef));
        }
        sum
    }
}

impl fmt::Debug for Polynomial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.0.iter().map(|(powers, coef)| (&powers.0, coef.to_string()))).finish()
    }
}
