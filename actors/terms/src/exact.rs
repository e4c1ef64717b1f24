//! Ratios of any size, and intervals of them.

use std::fmt;
use std::ops::{Add, AddAssign, Neg, Sub};

use num_bigint::BigInt;
use num_integer::Integer;
use num_rational::BigRational;
use num_traits::{One, Signed, ToPrimitive, Zero};
use schemas::Rational;
use schemas::limit::PPM;
use schemas::ratio::Ratio;
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

    /// A whole number of twice as many bits as the wire's.
    #[must_use]
    pub fn wide(number: i128) -> Self {
        Self(BigRational::from_integer(number.into()))
    }

    /// `top / bottom`; `None` when `bottom` is 0.
    #[must_use]
    pub fn ratio(top: i64, bottom: i64) -> Option<Self> {
        (bottom != 0).then(|| Self(BigRational::new(top.into(), bottom.into())))
    }

    /// The same, `by` times.
    #[must_use]
    pub fn times(&self, by: i64) -> Self {
        self.scaled(by, 1)
    }

    /// The product of two ratios.
    #[must_use]
    pub fn product(&self, by: &Self) -> Self {
        Self(&self.0 * &by.0)
    }

    /// The same, `parts_ppm` millionths of it.
    #[must_use]
    pub fn millionths(&self, parts_ppm: i64) -> Self {
        self.scaled(parts_ppm, PPM)
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

    /// The same as the wire carries it; `None` where a part has more bits than it takes.
    #[must_use]
    pub fn to_ratio(&self) -> Option<Ratio> {
        Ratio::new(self.0.numer().clone(), self.0.denom().clone())
    }

    /// The ratio that a float is, exactly; `None` for what is no number.
    #[must_use]
    pub fn from_f64(float: f64) -> Option<Self> {
        BigRational::from_float(float).map(Self)
    }

    /// `top / bottom` times it, for `bottom` above 0. A clearing weighs every arc of its market, and a common
    /// divisor of big integers costs more than all else, so only words are reduced: a prime that divides both
    /// parts of the product divides one of these four pairs.
    pub(crate) fn scaled(&self, top: i64, bottom: i64) -> Self {
        let (numerator, denominator) = (self.0.numer(), self.0.denom());
        if top == 0 || numerator.is_zero() {
            return Self::zero();
        }
        let common = top.gcd(&bottom);
        let (top, bottom) = (BigInt::from(top / common), BigInt::from(bottom / common));
        let (above, below) = (divisor(numerator, &bottom), divisor(denominator, &top));
        Self(BigRational::new_raw(numerator / &above * (top / &below), denominator / &below * (bottom / &above)))
    }

    /// The sum, reduced by the divisors of the denominators alone (Knuth, *Seminumerical Algorithms*, 4.5.1).
    fn plus(&self, numerator: &BigInt, denominator: &BigInt) -> Self {
        let common = divisor(self.0.denom(), denominator);
        let (mine, other) = (self.0.denom() / &common, denominator / &common);
        let sum = self.0.numer() * &other + numerator * &mine;
        let rest = divisor(&sum, &common);
        Self(BigRational::new_raw(sum / &rest, mine * (denominator / &rest)))
    }

    /// The same as the ratio that it is.
    pub(crate) fn to_rational(&self) -> BigRational {
        self.0.clone()
    }

    /// One over it; `None` for 0.
    #[must_use]
    pub fn inverse(&self) -> Option<Self> {
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
        self.plus(other.0.numer(), other.0.denom())
    }
}
impl Sub for &Exact {
    type Output = Exact;
    fn sub(self, other: Self) -> Exact {
        self.plus(&-other.0.numer(), other.0.denom())
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
        *self = &*self + other;
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

/// The greatest common divisor of any integer and one that is not 0, in machine words wherever they hold it.
fn divisor(any: &BigInt, by: &BigInt) -> BigInt {
    if by.magnitude().is_one() {
        return BigInt::one();
    }
    let rest = any % by;
    match (rest.magnitude().to_u128(), by.magnitude().to_u128()) {
        (Some(rest), Some(by)) => rest.gcd(&by).into(),
        _ => rest.gcd(by),
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
        (&self.lo + &self.hi).scaled(1, 2)
    }

    /// Both ends `by` times, for `by` at least 0.
    #[must_use]
    pub fn times(&self, by: i64) -> Self {
        self.scaled(by, 1)
    }

    /// Both ends `top / bottom` times, for `top` at least 0 and `bottom` above 0.
    pub(crate) fn scaled(&self, top: i64, bottom: i64) -> Self {
        Self { lo: self.lo.scaled(top, bottom), hi: self.hi.scaled(top, bottom) }
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
    use proptest::prelude::*;

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

    fn part() -> impl Strategy<Value = i64> {
        // Small parts share divisors, large ones carry.
        prop_oneof![-60i64..=60, any::<i64>(), Just(i64::MIN)]
    }
    fn bottom() -> impl Strategy<Value = i64> {
        prop_oneof![1i64..=60, 1i64..=i64::MAX]
    }
    /// A ratio of up to 128 bits a part.
    fn any_ratio() -> impl Strategy<Value = BigRational> {
        ((part(), part()), (bottom(), bottom()))
            .prop_map(|((a, b), (c, d))| BigRational::new(BigInt::from(a) * b, BigInt::from(c) * d))
    }

    proptest! {
        /// Against the plain arithmetic, parts included: nothing is left unreduced, or equal would not be equal.
        #[test]
        fn reducing_by_words_is_reducing(a in any_ratio(), b in any_ratio(), top in part(), bottom in bottom()) {
            let (x, y) = (Exact(a.clone()), Exact(b.clone()));
            let same = |got: Exact, expected: BigRational| {
                prop_assert_eq!((got.0.numer(), got.0.denom()), (expected.numer(), expected.denom()));
                Ok(())
            };
            same(&x + &y, &a + &b)?;
            same(&x - &y, &a - &b)?;
            same(&x - &x, BigRational::zero())?;
            same(x.scaled(top, bottom), &a * BigRational::new(top.into(), bottom.into()))?;
        }
    }
}
