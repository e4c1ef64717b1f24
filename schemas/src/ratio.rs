//! Exact ratios of any size: the coefficients of claims and certificates.
//!
//! A [`Rational`](crate::Rational) is what a party states, and fits 64 bits. What a proof needs does not: its
//! coefficients come out of exact elimination, with hundreds of digits at times. So this is a type of its own, written
//! in the same canonical form, and bounded in bits and not in words.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use num_bigint::{BigInt, Sign};
use num_integer::Integer;
use num_rational::BigRational;
use num_traits::{One, Signed, Zero};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::limit::MAX_COEFFICIENT_BITS;
use crate::rational::Rational;

/// Most decimal digits that a part of [`MAX_COEFFICIENT_BITS`] bits can have, so that nothing longer is ever read.
const MAX_DIGITS: usize = MAX_COEFFICIENT_BITS as usize * 3 / 10 + 6;
/// Digits that surely fit `i64`.
const SHORT_DIGITS: usize = 18;

/// A reduced ratio whose numerator and (positive) denominator have at most [`MAX_COEFFICIENT_BITS`] bits each.
///
/// It does no arithmetic: that belongs to the crates `terms` and `proof`.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Ratio {
    numerator: BigInt,
    denominator: BigInt,
}

/// Why a ratio was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadRatio {
    /// Not of the form `-?digits(/digits)?`, or with leading zeros.
    #[error("a ratio reads like \"3/10\" or \"-3\", not {0:?}")]
    Form(String),
    /// Numerator or denominator beyond [`MAX_COEFFICIENT_BITS`].
    #[error("the numerator and denominator of {0:?} must fit {MAX_COEFFICIENT_BITS} bits")]
    TooLarge(String),
    /// The denominator is zero, or one that is not written (`3/1`).
    #[error("the denominator of {0:?} must be at least 2; whole numbers have none")]
    Denominator(String),
    /// Not in lowest terms.
    #[error("{0:?} is not in lowest terms")]
    NotReduced(String),
}

impl Ratio {
    /// A ratio, reduced; `None` when the denominator is zero or a part has too many bits once reduced.
    #[must_use]
    pub fn new(numerator: BigInt, denominator: BigInt) -> Option<Self> {
        if denominator.is_zero() {
            return None;
        }
        let divisor = numerator.gcd(&denominator) * denominator.signum();
        let (numerator, denominator) = (numerator / &divisor, denominator / divisor);
        let fits = |part: &BigInt| part.bits() <= u64::from(MAX_COEFFICIENT_BITS);
        (fits(&numerator) && fits(&denominator)).then_some(Self { numerator, denominator })
    }

    /// A whole number.
    #[must_use]
    pub fn whole(number: i64) -> Self {
        Self { numerator: number.into(), denominator: BigInt::one() }
    }

    /// The numerator; its sign is the ratio's.
    #[must_use]
    pub fn numerator(&self) -> &BigInt {
        &self.numerator
    }

    /// The denominator, at least 1.
    #[must_use]
    pub fn denominator(&self) -> &BigInt {
        &self.denominator
    }

    /// Nought.
    #[must_use]
    pub fn is_zero(&self) -> bool {
        self.numerator.is_zero()
    }

    /// More than nought.
    #[must_use]
    pub fn is_positive(&self) -> bool {
        self.numerator.sign() == Sign::Plus
    }
}

impl From<&Ratio> for BigRational {
    fn from(ratio: &Ratio) -> Self {
        Self::new_raw(ratio.numerator.clone(), ratio.denominator.clone())
    }
}

impl From<Rational> for Ratio {
    fn from(ratio: Rational) -> Self {
        Self { numerator: ratio.numerator().into(), denominator: ratio.denominator().into() }
    }
}

impl FromStr for Ratio {
    type Err = BadRatio;
    fn from_str(text: &str) -> Result<Self, BadRatio> {
        let shown = || text.chars().take(64).collect::<String>();
        let (top, bottom) = match text.split_once('/') {
            Some((top, bottom)) => (top, Some(bottom)),
            None => (text, None),
        };
        let digits = top.strip_prefix('-').unwrap_or(top);
        let plain =
            |d: &str| !d.is_empty() && d.bytes().all(|b| b.is_ascii_digit()) && (d == "0" || !d.starts_with('0'));
        if !plain(digits) || !bottom.is_none_or(plain) || top == "-0" {
            return Err(BadRatio::Form(shown()));
        }
        let longest = digits.len().max(bottom.map_or(0, str::len));
        if longest > MAX_DIGITS {
            return Err(BadRatio::TooLarge(shown()));
        }
        if longest <= SHORT_DIGITS {
            let short = |part: &str| part.parse::<i64>().map_err(|_| BadRatio::Form(shown()));
            let (numerator, denominator) = (short(top)?, bottom.map_or(Ok(1), short)?);
            if bottom.is_some() && denominator < 2 {
                return Err(BadRatio::Denominator(shown()));
            }
            if denominator > 1 && numerator.gcd(&denominator) != 1 {
                return Err(BadRatio::NotReduced(shown()));
            }
            return Ok(Self { numerator: numerator.into(), denominator: denominator.into() });
        }
        let long = |part: &str| part.parse::<BigInt>().map_err(|_| BadRatio::Form(shown()));
        let (numerator, denominator) = (long(top)?, bottom.map_or_else(|| Ok(BigInt::one()), long)?);
        if numerator.bits().max(denominator.bits()) > u64::from(MAX_COEFFICIENT_BITS) {
            return Err(BadRatio::TooLarge(shown()));
        }
        if bottom.is_some() && denominator < BigInt::from(2) {
            return Err(BadRatio::Denominator(shown()));
        }
        if bottom.is_some() && !numerator.gcd(&denominator).is_one() {
            return Err(BadRatio::NotReduced(shown()));
        }
        Ok(Self { numerator, denominator })
    }
}
impl fmt::Display for Ratio {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.numerator.fmt(f)?;
        if self.denominator.is_one() { Ok(()) } else { write!(f, "/{}", self.denominator) }
    }
}
impl fmt::Debug for Ratio {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
impl Serialize for Ratio {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&self.to_string())
    }
}
impl<'de> Deserialize<'de> for Ratio {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        Cow::<'de, str>::deserialize(from)?.parse().map_err(serde::de::Error::custom)
    }
}
impl JsonSchema for Ratio {
    fn schema_name() -> Cow<'static, str> {
        "Ratio".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "pattern": "^(0|-?[1-9][0-9]*(/[1-9][0-9]*)?)$",
            "description": "an exact ratio in lowest terms, such as \"3/10\" or \"-3\"; both parts fit 4096 bits" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_canonical_form_is_read() {
        let most: BigInt = (BigInt::one() << MAX_COEFFICIENT_BITS) - 1;
        let (whole, negative, part) = (most.to_string(), format!("-{most}"), format!("1/{most}"));
        for good in
            ["0", "3", "-3", "3/10", "-1/2", "9223372036854775808", "1/18446744073709551616", &whole, &negative, &part]
        {
            assert_eq!(good.parse::<Ratio>().unwrap().to_string(), good);
        }
        let above = (&most + 1_u32).to_string();
        let (below, under) = (format!("1/{above}"), "7".repeat(100_000));
        for bad in [
            "",
            "-0",
            "3/1",
            "2/4",
            "1/0",
            "+1",
            "01",
            "1/02",
            "1.5",
            "1/-2",
            " 1",
            "0/5",
            &above,
            &below,
            &under,
            "18446744073709551616/18446744073709551618",
            "18446744073709551616/1",
        ] {
            assert!(bad.parse::<Ratio>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn made_in_code_it_is_reduced() {
        let ratio = |top: i64, bottom: i64| Ratio::new(top.into(), bottom.into()).map(|ratio| ratio.to_string());
        assert_eq!(ratio(6, -4).as_deref(), Some("-3/2"));
        assert_eq!(ratio(0, 7).as_deref(), Some("0"));
        assert_eq!(ratio(-8, -4).as_deref(), Some("2"));
        assert_eq!(ratio(1, 0), None);
        assert_eq!(Ratio::new(BigInt::one() << MAX_COEFFICIENT_BITS, BigInt::one()), None);
    }
}
