//! Ratios of any size, and intervals of them.

use std::fmt;
use std::ops::{Add, AddAssign, Neg, Sub};

use num_bigint::BigInt;
use num_rational::BigRational;
use num_traits::{Signed, ToPrimitive, Zero};
use schemas::Rational;
use schemas::limit::PPM;
use schemas::value::Bounds;

use crate::error::TermsError;

/// An exact ratio of any size: mostly an amount in minor units of account.
///
/// Its arithmetic neither rounds nor overflows; only leaving it ([`Exact::floor`], [`Exact::ceil`]) can fail.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Exact(BigRational);

impl Exact {
    /// Nought.
    #[must_use]
    pub fn zero() -> Self {
        Self(BigRational::zero())
    }

    /// `top / bottom`; `None` when `bottom` is 0.
    #[must_use]
    pub fn ratio(top: i64, bottom: i64) -> Option<Self> {
        (bottom != 0).then(|| Self(BigRational::new(top.into(), bottom.into())))
    }

    /// The same, `by` times.
    #[must_use]
    pub fn times(&self, by: i64) -> Self {
        Self(&self.0 * BigInt::from(by))
    }

    /// The product of two ratios.
    #[must_use]
    pub fn product(&self, by: &Self) -> Self {
        Self(&self.0 * &by.0)
    }

    /// The same, `parts_ppm` millionths of it.
    #[must_use]
    pub fn millionths(&self, parts_ppm: i64) -> Self {
        Self(&self.0 * BigInt::from(parts_ppm) / BigInt::from(PPM))
    }

    /// The same, and a margin of `margin_ppm` millionths on top.
    #[must_use]
    pub fn with_margin(&self, margin_ppm: i64) -> Self {
        self + &self.millionths(margin_ppm)
    }

    /// Less than nought.
    #[must_use]
    pub fn is_negative(&self) -> bool {
        self.0.is_negative()
    }

    /// The largest whole number that is no more.
    ///
    /// # Errors
    /// [`TermsError::Overflow`], naming `what`, when it does not fit `i64`.
    pub fn floor(&self, what: &'static str) -> Result<i64, TermsError> {
        self.0.floor().to_integer().to_i64().ok_or(TermsError::Overflow(what))
    }

    /// The smallest whole number that is no less.
    ///
    /// # Errors
    /// [`TermsError::Overflow`], naming `what`, when it does not fit `i64`.
    pub fn ceil(&self, what: &'static str) -> Result<i64, TermsError> {
        self.0.ceil().to_integer().to_i64().ok_or(TermsError::Overflow(what))
    }

    /// The nearest float: to guide a search or to show, never to decide.
    #[must_use]
    pub fn to_f64(&self) -> f64 {
        self.0.to_f64().unwrap_or(f64::NAN)
    }

    pub(crate) fn divided(self, by: i64) -> Self {
        Self(self.0 / BigInt::from(by))
    }

    pub(crate) fn inverse(&self) -> Option<Self> {
        (!self.0.is_zero()).then(|| Self(self.0.recip()))
    }
}

impl From<Rational> for Exact {
    fn from(ratio: Rational) -> Self {
        // Already in lowest terms, with a positive denominator.
        Self(BigRational::new_raw(ratio.numerator().into(), ratio.denominator().into()))
    }
}
impl From<i64> for Exact {
    fn from(number: i64) -> Self {
        Self(BigRational::from_integer(number.into()))
    }
}

impl Add for &Exact {
    type Output = Exact;
    fn add(self, other: Self) -> Exact {
        Exact(&self.0 + &other.0)
    }
}
impl Sub for &Exact {
    type Output = Exact;
    fn sub(self, other: Self) -> Exact {
        Exact(&self.0 - &other.0)
    }
}
impl Neg for &Exact {
    type Output = Exact;
    fn neg(self) -> Exact {
        Exact(-&self.0)
    }
}
impl AddAssign<&Exact> for Exact {
    fn add_assign(&mut self, other: &Exact) {
        self.0 += &other.0;
    }
}

impl fmt::Display for Exact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
impl fmt::Debug for Exact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What lies between two ratios, both ends included; the centre is the central value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Interval {
    /// The lower end.
    pub lo: Exact,
    /// The upper end, at least `lo`.
    pub hi: Exact,
}

impl Interval {
    /// The point 0.
    #[must_use]
    pub fn zero() -> Self {
        Self { lo: Exact::zero(), hi: Exact::zero() }
    }

    /// The central value, (lo + hi) / 2.
    #[must_use]
    pub fn central(&self) -> Exact {
        (&self.lo + &self.hi).divided(2)
    }

    /// Both ends `by` times, for `by` at least 0.
    #[must_use]
    pub fn times(&self, by: i64) -> Self {
        Self { lo: self.lo.times(by), hi: self.hi.times(by) }
    }

    pub(crate) fn divided(self, by: i64) -> Self {
        Self { lo: self.lo.divided(by), hi: self.hi.divided(by) }
    }
}

impl AddAssign<&Interval> for Interval {
    fn add_assign(&mut self, other: &Interval) {
        self.lo += &other.lo;
        self.hi += &other.hi;
    }
}

impl From<Bounds> for Interval {
    fn from(bounds: Bounds) -> Self {
        Self { lo: bounds.lo.into(), hi: bounds.hi.into() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ratio(text: &str) -> Exact {
        text.parse::<Rational>().unwrap().into()
    }

    #[test]
    fn leaving_rounds_down_or_up_on_both_sides_of_nought() {
        assert_eq!(ratio("7/2").floor(""), Ok(3));
        assert_eq!(ratio("7/2").ceil(""), Ok(4));
        assert_eq!(ratio("-7/2").floor(""), Ok(-4));
        assert_eq!(ratio("-7/2").ceil(""), Ok(-3));
        assert_eq!(ratio("-4").floor(""), Ok(-4));
    }

    #[test]
    fn what_does_not_fit_is_an_error_and_not_a_wrap() {
        let most = Exact::from(i64::MAX);
        assert_eq!(most.floor("sum"), Ok(i64::MAX));
        assert_eq!((&most + &ratio("1/2")).floor("sum"), Ok(i64::MAX));
        assert_eq!((&most + &ratio("1/2")).ceil("sum"), Err(TermsError::Overflow("sum")));
        assert_eq!(most.times(i64::MAX).times(i64::MAX).floor("sum"), Err(TermsError::Overflow("sum")));
        assert_eq!(Exact::from(i64::MIN).floor("sum"), Ok(i64::MIN));
    }

    #[test]
    fn margins_are_millionths_on_top() {
        assert_eq!(Exact::from(200).with_margin(10_000), Exact::from(202));
        assert_eq!(ratio("1/3").with_margin(500_000), ratio("1/2"));
    }

    #[test]
    fn the_centre_of_an_interval_is_exact() {
        let interval = Interval { lo: ratio("1/3"), hi: ratio("1/2") };
        assert_eq!(interval.central(), ratio("5/12"));
    }
}
