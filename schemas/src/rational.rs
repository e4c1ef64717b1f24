//! Exact ratios: `"3/10"` on the wire, reduced, the sign in front, `"3"` and not `"3/1"`.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A reduced ratio whose numerator and (positive) denominator both fit `i64`.
///
/// Comparison is exact. Arithmetic on ratios belongs to the crate `terms`, in checked `i128`.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Rational {
    numerator: i64,
    denominator: i64,
}

/// Why a ratio was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadRational {
    /// Not of the form `-?digits(/digits)?`, or with leading zeros.
    #[error("a ratio reads like \"3/10\" or \"-3\", not {0:?}")]
    Form(String),
    /// Numerator or denominator beyond 64 bits.
    #[error("the numerator and denominator of {0:?} must fit 64 bits")]
    TooLarge(String),
    /// The denominator is zero, or one that is not written (`3/1`).
    #[error("the denominator of {0:?} must be at least 2; whole numbers have none")]
    Denominator(String),
    /// Not in lowest terms.
    #[error("{0:?} is not in lowest terms")]
    NotReduced(String),
}

impl Rational {
    /// Nought.
    pub const ZERO: Self = Self { numerator: 0, denominator: 1 };
    /// One.
    pub const ONE: Self = Self { numerator: 1, denominator: 1 };

    /// A ratio, reduced; `None` when the denominator is zero or a part does not fit `i64` once reduced.
    #[must_use]
    pub fn new(numerator: i128, denominator: i128) -> Option<Self> {
        if denominator == 0 {
            return None;
        }
        let divisor = i128::try_from(gcd(numerator.unsigned_abs(), denominator.unsigned_abs())).ok()?;
        let sign = if denominator < 0 { -1 } else { 1 };
        Some(Self {
            numerator: i64::try_from((numerator / divisor).checked_mul(sign)?).ok()?,
            denominator: i64::try_from((denominator / divisor).checked_mul(sign)?).ok()?,
        })
    }

    /// A whole number.
    #[must_use]
    pub fn whole(number: i64) -> Self {
        Self { numerator: number, denominator: 1 }
    }

    /// The numerator; its sign is the ratio's.
    #[must_use]
    pub fn numerator(self) -> i64 {
        self.numerator
    }

    /// The denominator, at least 1.
    #[must_use]
    pub fn denominator(self) -> i64 {
        self.denominator
    }

    /// Less than nought.
    #[must_use]
    pub fn is_negative(self) -> bool {
        self.numerator < 0
    }

    /// The nearest float: to guide a search or to show, never to decide.
    #[must_use]
    #[allow(clippy::cast_precision_loss)]
    pub fn to_f64(self) -> f64 {
        self.numerator as f64 / self.denominator as f64
    }
}

fn gcd(mut a: u128, mut b: u128) -> u128 {
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a.max(1)
}

impl Ord for Rational {
    fn cmp(&self, other: &Self) -> Ordering {
        // Both products fit i128, since each part fits i64.
        let left = i128::from(self.numerator) * i128::from(other.denominator);
        let right = i128::from(other.numerator) * i128::from(self.denominator);
        left.cmp(&right)
    }
}
impl PartialOrd for Rational {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl FromStr for Rational {
    type Err = BadRational;
    fn from_str(text: &str) -> Result<Self, BadRational> {
        let shown = || text.chars().take(64).collect::<String>();
        let (top, bottom) = match text.split_once('/') {
            Some((top, bottom)) => (top, Some(bottom)),
            None => (text, None),
        };
        let digits = top.strip_prefix('-').unwrap_or(top);
        let plain =
            |d: &str| !d.is_empty() && d.bytes().all(|b| b.is_ascii_digit()) && (d == "0" || !d.starts_with('0'));
        if !plain(digits) || !bottom.is_none_or(plain) || top == "-0" {
            return Err(BadRational::Form(shown()));
        }
        let large = |_| BadRational::TooLarge(shown());
        let numerator: i64 = top.parse().map_err(large)?;
        let denominator: i64 = bottom.map_or(Ok(1), str::parse).map_err(large)?;
        if bottom.is_some() && denominator < 2 {
            return Err(BadRational::Denominator(shown()));
        }
        match Self::new(numerator.into(), denominator.into()) {
            Some(ratio) if ratio.denominator == denominator => Ok(ratio),
            _ => Err(BadRational::NotReduced(shown())),
        }
    }
}
impl fmt::Display for Rational {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.denominator == 1 { self.numerator.fmt(f) } else { write!(f, "{}/{}", self.numerator, self.denominator) }
    }
}
impl fmt::Debug for Rational {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
impl Serialize for Rational {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}
impl<'de> Deserialize<'de> for Rational {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        Cow::<'de, str>::deserialize(from)?.parse().map_err(serde::de::Error::custom)
    }
}
impl JsonSchema for Rational {
    fn schema_name() -> Cow<'static, str> {
        "Rational".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "pattern": "^(0|-?[1-9][0-9]*(/[1-9][0-9]*)?)$",
            "description": "an exact ratio in lowest terms, such as \"3/10\" or \"-3\"; both parts fit 64 bits" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_canonical_form_is_read() {
        for good in ["0", "3", "-3", "3/10", "-1/2", "9223372036854775807"] {
            assert_eq!(good.parse::<Rational>().unwrap().to_string(), good);
        }
        for bad in
            ["", "-0", "3/1", "2/4", "1/0", "+1", "01", "1/02", "1.5", "1/-2", " 1", "9223372036854775808", "0/5"]
        {
            assert!(bad.parse::<Rational>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn order_is_exact() {
        let third: Rational = "1/3".parse().unwrap();
        assert!(third > "3333333333333333/10000000000000000".parse().unwrap());
    }
}
