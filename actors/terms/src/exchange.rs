//! One party's place in an exchange ring: what it receives for what it gives.
//!
//! Clearing rounds a solution down to whole units and then repairs it, hop by hop, by asking how much a
//! party can give for what it now receives. That question and the verdict that [`worth`](mod@crate::worth) gives on the finished
//! terms are the same inequality, so a ring that was repaired here is found satisfied there.

use num_bigint::BigInt;
use num_integer::Integer;
use num_traits::{CheckedAdd, CheckedMul, CheckedSub, ToPrimitive, Zero};
use schemas::Rational;
use schemas::limit::PPM;
use schemas::value::{Bounds, check_margin};

use crate::error::TermsError;
use crate::exact::{Exact, Interval};
use crate::factor::{Factors, PPB};

/// What a party receives one good for, and what it gives another for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Exchange {
    value: Bounds,
    cost: Bounds,
    factors: Factors,
    margin_ppm: i64,
}

impl Exchange {
    /// An exchange of a good worth `value` a unit for one that costs `cost` a unit, with a relative margin.
    ///
    /// # Errors
    /// [`TermsError::Stated`] for bounds, factors or a margin that the contract refuses.
    pub fn new(value: Bounds, cost: Bounds, factors: Factors, margin_ppm: i64) -> Result<Self, TermsError> {
        value.check("value")?;
        cost.check("cost")?;
        check_margin(margin_ppm, "margin_ppm")?;
        factors.check()?;
        Ok(Self { value, cost, factors, margin_ppm })
    }

    /// The most that the party can give for `received` units and still be satisfied at the worst corner of
    /// its bounds: ⌊v_lo·φ⁺·received / ((1 + μ)·c_hi·φ⁻)⌋. `i64::MAX` where no quantity is too much, as when
    /// giving costs it nothing; 0 for nothing received.
    #[must_use]
    pub fn most_given(&self, received: i64) -> i64 {
        let (value, cost) = (self.value.lo, self.cost.hi);
        let tops = [value.numerator(), cost.denominator(), self.factors.receipt_ppb, received.max(0), PPM];
        let bottoms = [cost.numerator(), value.denominator(), self.factors.giving_ppb, PPM + self.margin_ppm];
        if bottoms.contains(&0) {
            return i64::MAX;
        }
        assert!(tops.iter().chain(&bottoms).all(|factor| *factor >= 0), "bounds, factors and margin were checked");
        // Most fit, and take a tenth of the time.
        match (narrow(&tops), narrow(&bottoms)) {
            (Some(top), Some(bottom)) => i64::try_from(top / bottom).unwrap_or(i64::MAX),
            _ => (wide(&tops) / wide(&bottoms)).to_i64().unwrap_or(i64::MAX),
        }
    }

    /// The least that the party must receive for giving `given` units: the inverse of
    /// [`Exchange::most_given`]. `None` when no quantity is enough.
    #[must_use]
    pub fn least_received(&self, given: i64) -> Option<i64> {
        let (value, cost) = (self.value.lo, self.cost.hi);
        let top = wide(&[
            cost.numerator(),
            value.denominator(),
            self.factors.giving_ppb,
            PPM + self.margin_ppm,
            given.max(0),
        ]);
        let bottom = wide(&[value.numerator(), cost.denominator(), self.factors.receipt_ppb, PPM]);
        if top.is_zero() {
            return Some(0);
        }
        if bottom.is_zero() {
            return None;
        }
        let rounded_up: BigInt = (top + &bottom - 1) / bottom;
        rounded_up.to_i64()
    }

    /// Whether the party is satisfied at the worst corner of its bounds, with its margin: exact.
    #[must_use]
    pub fn is_satisfied(&self, received: i64, given: i64) -> bool {
        given <= self.most_given(received)
    }

    /// What the party gains at central values, in minor units of account.
    #[must_use]
    pub fn gain(&self, received: i64, given: i64) -> Exact {
        &central(received, self.value, self.factors.receipt_ppb) - &central(given, self.cost, self.factors.giving_ppb)
    }

    /// The units given for each unit received at which the party is just satisfied, as a float: a guide for
    /// a search, never a verdict. Infinite when giving costs nothing.
    #[must_use]
    #[allow(clippy::cast_precision_loss)]
    pub fn rate_f64(&self) -> f64 {
        let worth = self.value.lo.to_f64() * self.factors.receipt_ppb as f64;
        let costs =
            self.cost.hi.to_f64() * self.factors.giving_ppb as f64 * (1.0 + self.margin_ppm as f64 / PPM as f64);
        if costs > 0.0 { worth / costs } else { f64::INFINITY }
    }
}

/// A ratio whose parts have 127 bits.
type Narrow = num_rational::Ratio<i128>;

/// A good that goes from one party to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hop {
    /// Units, at least 0.
    pub quantity: i64,
    /// What one is worth to the receiver.
    pub value: Bounds,
    /// The receiver's factors.
    pub receiver: Factors,
    /// What one costs the giver.
    pub cost: Bounds,
    /// The giver's factors.
    pub giver: Factors,
}

impl Hop {
    /// What it adds to welfare at central values, in minor units of account: what the units are worth to the receiver
    /// less what they cost the giver.
    #[must_use]
    pub fn welfare(&self) -> Exact {
        &central(self.quantity, self.value, self.receiver.receipt_ppb)
            - &central(self.quantity, self.cost, self.giver.giving_ppb)
    }

    /// The same, as a ratio that fits.
    fn narrow_welfare(&self) -> Option<Narrow> {
        let worth = narrow_central(self.quantity, self.value, self.receiver.receipt_ppb)?;
        worth.checked_sub(&narrow_central(self.quantity, self.cost, self.giver.giving_ppb)?)
    }
}

/// What hops add to welfare together, in minor units of account, rounded down.
///
/// # Errors
/// [`TermsError::Overflow`] where it does not fit 64 bits.
pub fn hops_welfare_minor(hops: impl Iterator<Item = Hop> + Clone) -> Result<i64, TermsError> {
    // Most fit, and take a tenth of the time.
    let narrow = hops.clone().try_fold(Narrow::zero(), |sum, hop| sum.checked_add(&hop.narrow_welfare()?));
    if let Some(Ok(whole)) = narrow.map(|sum| i64::try_from(sum.numer().div_floor(sum.denom()))) {
        return Ok(whole);
    }
    let mut sum = Exact::zero();
    hops.for_each(|hop| sum += &hop.welfare());
    sum.floor("a ring's welfare")
}

/// What so much of a good counts at the centre of bounds, as a ratio that fits.
fn narrow_central(quantity: i64, Bounds { lo, hi }: Bounds, factor_ppb: i64) -> Option<Narrow> {
    let ratio = |stated: Rational| Narrow::new(stated.numerator().into(), stated.denominator().into());
    let twice = ratio(lo).checked_add(&ratio(hi))?;
    let factor = Narrow::new(factor_ppb.into(), 2 * i128::from(PPB));
    twice.checked_mul(&factor)?.checked_mul(&Narrow::from_integer(quantity.into()))
}

/// A product of factors that fits.
fn narrow(factors: &[i64]) -> Option<i128> {
    factors.iter().try_fold(1_i128, |product, factor| product.checked_mul((*factor).into()))
}

/// A product of factors of any size.
fn wide(factors: &[i64]) -> BigInt {
    factors.iter().fold(BigInt::from(1), |product, factor| product * factor)
}

fn central(quantity: i64, bounds: Bounds, factor_ppb: i64) -> Exact {
    Interval::from(bounds).central().scaled(factor_ppb, PPB).times(quantity)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use schemas::Rational;

    use super::*;

    fn bounds(lo: &str, hi: &str) -> Bounds {
        Bounds { lo: lo.parse().unwrap(), hi: hi.parse().unwrap() }
    }

    #[test]
    fn by_hand() {
        // ⌊9·100 / (1.01·(11/2))⌋ = ⌊900 / 5.555⌋ = ⌊162.016…⌋
        let exchange = Exchange::new(bounds("9", "11"), bounds("9/2", "11/2"), Factors::UNIT, 10_000).unwrap();
        assert_eq!(exchange.most_given(100), 162);
        assert!(exchange.is_satisfied(100, 162) && !exchange.is_satisfied(100, 163));
        // 162·5.555/9 = 99.99: 100 are needed; one fewer covers 160 (99·9/5.555 = 160.39…).
        assert_eq!(exchange.least_received(162), Some(100));
        assert_eq!(exchange.most_given(99), 160);
        // Central: 10·100 − 5·162.
        assert_eq!(exchange.gain(100, 162), Exact::from(190));
        assert!((exchange.rate_f64() - 1.620_162).abs() < 1e-6);
    }

    #[test]
    fn factors_count() {
        // 10/11 rounded down over 10/11 rounded up, of what is worth what it costs: not quite all of it.
        let factors = Factors { receipt_ppb: 909_090_909, giving_ppb: 909_090_910 };
        let exchange = Exchange::new(bounds("1", "1"), bounds("1", "1"), factors, 0).unwrap();
        assert_eq!(exchange.most_given(1_000_000), 999_999);
        assert_eq!(exchange.most_given(0), 0);
    }

    #[test]
    fn what_costs_nothing_is_given_without_end_and_what_is_worth_nothing_buys_nothing() {
        let free = Exchange::new(bounds("1", "1"), bounds("0", "0"), Factors::UNIT, 10_000).unwrap();
        assert_eq!((free.most_given(0), free.most_given(1)), (i64::MAX, i64::MAX));
        assert_eq!(free.least_received(i64::MAX), Some(0));
        let junk = Exchange::new(bounds("0", "9"), bounds("1", "1"), Factors::UNIT, 0).unwrap();
        assert_eq!(junk.most_given(i64::MAX), 0);
        assert_eq!((junk.least_received(1), junk.least_received(0)), (None, Some(0)));
    }

    #[test]
    fn the_largest_numbers_of_the_wire_do_not_overflow() {
        let huge = bounds("9223372036854775807/9223372036854775806", "9223372036854775807");
        let exchange = Exchange::new(huge, huge, Factors::UNIT, 1_000_000_000).unwrap();
        assert_eq!(exchange.most_given(i64::MAX), 0);
        let eager = Exchange::new(
            bounds("9223372036854775807", "9223372036854775807"),
            bounds("0", "1/9223372036854775807"),
            Factors::UNIT,
            0,
        );
        assert_eq!(eager.unwrap().most_given(i64::MAX), i64::MAX);
    }

    #[test]
    fn nonsense_is_refused_at_the_door() {
        let one = bounds("1", "1");
        assert!(Exchange::new(bounds("2", "1"), one, Factors::UNIT, 0).is_err());
        assert!(Exchange::new(one, bounds("-1", "1"), Factors::UNIT, 0).is_err());
        assert!(Exchange::new(one, one, Factors::UNIT, -1).is_err());
        assert!(Exchange::new(one, one, Factors { receipt_ppb: -1, giving_ppb: PPB }, 0).is_err());
        assert!(Exchange::new(one, one, Factors { receipt_ppb: 0, giving_ppb: 0 }, 0).is_err());
    }

    fn price() -> impl Strategy<Value = Rational> {
        (0i128..=1_000_000_000, 1i128..=1_000_000).prop_map(|(top, bottom)| Rational::new(top, bottom).unwrap())
    }
    fn exchanges() -> impl Strategy<Value = Exchange> {
        let span = || (price(), price()).prop_map(|(a, b)| Bounds { lo: a.min(b), hi: a.max(b) });
        (span(), span(), 0..=PPB, 1..=PPB, 0i64..=100_000).prop_map(|(value, cost, receipt_ppb, giving_ppb, margin)| {
            Exchange::new(value, cost, Factors { receipt_ppb, giving_ppb }, margin).unwrap()
        })
    }

    proptest! {
        /// Against the inequality itself, in exact ratios.
        #[test]
        fn the_most_is_enough_and_one_more_is_too_much(exchange in exchanges(), received in 0i64..=1_000_000_000_000) {
            let most = exchange.most_given(received);
            let satisfied = |given: i64| {
                let worth = Exact::from(exchange.value.lo).times(received).times(exchange.factors.receipt_ppb);
                let costs = Exact::from(exchange.cost.hi).times(given).times(exchange.factors.giving_ppb);
                worth >= costs.with_margin(exchange.margin_ppm)
            };
            prop_assert!(satisfied(most));
            prop_assert!(most == i64::MAX || !satisfied(most + 1));
        }

        #[test]
        fn the_least_received_is_the_inverse(exchange in exchanges(), given in 0i64..=1_000_000_000_000) {
            if let Some(least) = exchange.least_received(given) {
                prop_assert!(exchange.most_given(least) >= given);
                prop_assert!(least == 0 || exchange.most_given(least - 1) < given);
            } else {
                prop_assert!(exchange.most_given(i64::MAX) < given);
            }
        }

        /// The float guides: it never strays from the exact answer by more than its own precision.
        #[test]
        #[allow(clippy::cast_precision_loss)]
        fn the_guide_is_close(exchange in exchanges(), received in 1i64..=1_000_000_000) {
            let (guide, most) = (exchange.rate_f64() * received as f64, exchange.most_given(received));
            prop_assume!(most < i64::MAX && guide.is_finite());
            prop_assert!((guide - most as f64).abs() <= 1.0 + guide * 1e-12);
        }
    }
}
