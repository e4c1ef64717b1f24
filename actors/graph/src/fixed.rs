//! Fixed-point numbers that are rounded on purpose: up for what must not be underestimated, down for what
//! must not be overestimated.
//!
//! A bound on what any set of rings can reach is a statement about more rings than exact ratios of any
//! size could price in time, so they are priced in whole numbers of 2⁻³², each step rounded towards the
//! bound's safe side. A number too large to hold is [`ENDLESS`] where it bounds from above, and stays so.

use terms::Exact;

/// Bits after the point.
pub(crate) const FRACTION_BITS: i32 = 32;
/// The number one.
pub(crate) const ONE: i128 = 1 << FRACTION_BITS;
/// An upper bound that says nothing.
pub(crate) const ENDLESS: i128 = i128::MAX;

/// A number between two fixed-point numbers, neither negative.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Between {
    pub(crate) lo: i128,
    pub(crate) hi: i128,
}

impl Between {
    pub(crate) const NOTHING: Self = Self { lo: 0, hi: 0 };
    pub(crate) const ONE: Self = Self { lo: ONE, hi: ONE };

    pub(crate) fn exactly(number: i128) -> Self {
        Self { lo: number, hi: number }
    }

    /// `exact · 2^shift`, for `exact` at least 0.
    pub(crate) fn of(exact: &Exact, shift: i32) -> Self {
        let scaled = exact.product(&power_of_two(shift + FRACTION_BITS));
        Self {
            lo: scaled.floor("").map_or(i128::from(i64::MAX), i128::from).max(0),
            hi: scaled.ceil("").map_or(ENDLESS, i128::from),
        }
    }

    /// The same for `top / bottom · 2^shift`, `top` at least 0 and `bottom` at least 1, where 127 bits are enough for
    /// it: most numbers need no more, and are had a hundred times sooner.
    pub(crate) fn quick(top: Option<i128>, bottom: Option<i128>, shift: i32) -> Option<Self> {
        let (mut top, mut bottom) = (top?, bottom?);
        let shift = shift + FRACTION_BITS;
        let number = if shift >= 0 { &mut top } else { &mut bottom };
        if *number != 0 && shift.unsigned_abs() >= number.leading_zeros() {
            return None;
        }
        *number = number.checked_shl(shift.unsigned_abs())?;
        let lo = top.checked_div(bottom)?;
        if lo >= i128::from(i64::MAX) {
            return None;
        }
        Some(Self { lo, hi: lo + i128::from(top % bottom != 0) })
    }

    /// `top / bottom · 2^shift`, for `top` at least 0 and `bottom` at least 1.
    pub(crate) fn ratio(top: i64, bottom: i64, shift: i32) -> Self {
        // 2^62 before the division keeps every bit that matters, and i64::MAX · 2^62 fits.
        let (top, bottom) = (i128::from(top) << 62, i128::from(bottom));
        let rest = shift + FRACTION_BITS - 62;
        Self { lo: shifted_down(top / bottom, rest), hi: shifted_up((top + bottom - 1) / bottom, rest) }
    }

    pub(crate) fn times(self, by: Self) -> Self {
        Self { lo: times_down(self.lo, by.lo), hi: times_up(self.hi, by.hi) }
    }

    /// The larger of two numbers.
    pub(crate) fn max(self, other: Self) -> Self {
        Self { lo: self.lo.max(other.lo), hi: self.hi.max(other.hi) }
    }

    /// The smaller of two numbers.
    pub(crate) fn min(self, other: Self) -> Self {
        Self { lo: self.lo.min(other.lo), hi: self.hi.min(other.hi) }
    }

    /// An upper bound on the product with `by`, which may be negative.
    pub(crate) fn at_most_times(self, by: i128) -> i128 {
        if by >= 0 { times_up(self.hi, by) } else { -times_down(self.lo, by.saturating_neg()) }
    }
}

fn power_of_two(exponent: i32) -> Exact {
    let mut power = Exact::from(1);
    let (mut rest, up) = (exponent.unsigned_abs(), exponent >= 0);
    while rest > 0 {
        let step = rest.min(62);
        let factor = if up { Exact::ratio(1 << step, 1) } else { Exact::ratio(1, 1 << step) };
        power = factor.map_or_else(|| power.clone(), |factor| power.product(&factor));
        rest -= step;
    }
    power
}

/// A product of two numbers that are not negative, rounded up.
pub(crate) fn times_up(a: i128, b: i128) -> i128 {
    if a == 0 || b == 0 {
        return 0;
    }
    if a == ENDLESS || b == ENDLESS {
        return ENDLESS;
    }
    a.checked_mul(b)
        .and_then(|product| product.checked_add(ONE - 1))
        .map_or(ENDLESS, |product| product >> FRACTION_BITS)
}

/// A product of two numbers that are not negative, rounded down.
pub(crate) fn times_down(a: i128, b: i128) -> i128 {
    a.saturating_mul(b) >> FRACTION_BITS
}

/// `number · 2^shift`, for a number that is not negative, rounded up.
pub(crate) fn shifted_up(number: i128, shift: i32) -> i128 {
    let by = shift.unsigned_abs();
    if number == 0 || number == ENDLESS {
        number
    } else if shift >= 0 {
        if by >= number.leading_zeros() { ENDLESS } else { number << by }
    } else if by >= 127 {
        1
    } else {
        (number >> by) + i128::from(number & ((1 << by) - 1) != 0)
    }
}

/// `number · 2^shift`, for a number that is not negative, rounded down.
pub(crate) fn shifted_down(number: i128, shift: i32) -> i128 {
    let by = shift.unsigned_abs();
    if number == 0 {
        0
    } else if shift >= 0 {
        if by >= number.leading_zeros() { i128::from(i64::MAX) } else { number << by }
    } else if by >= 127 {
        0
    } else {
        number >> by
    }
}

/// A sum of two upper bounds, of which an endless one makes the sum endless.
pub(crate) fn plus(a: i128, b: i128) -> i128 {
    if a == ENDLESS || b == ENDLESS {
        ENDLESS
    } else {
        a.checked_add(b).unwrap_or(if b > 0 { ENDLESS } else { i128::MIN + 1 })
    }
}

/// A fixed-point number as a float: to guide, never to bound.
#[allow(clippy::cast_precision_loss)]
pub(crate) fn guide(number: i128) -> f64 {
    number as f64 * f64::powi(2.0, -FRACTION_BITS)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn products_stand_on_their_safe_side(a in 0i128..1 << 60, b in 0i128..1 << 60) {
            let exact = a * b;
            prop_assert!(times_up(a, b) << FRACTION_BITS >= exact);
            prop_assert!(times_down(a, b) << FRACTION_BITS <= exact);
            prop_assert!(times_up(a, b) - times_down(a, b) <= 1);
        }

        #[test]
        fn ratios_are_enclosed(top in 0i64..=i64::MAX, bottom in 1i64..=i64::MAX, shift in -40i32..40) {
            let Between { lo, hi } = Between::ratio(top, bottom, shift);
            let of = |fixed: i128| i64::try_from(fixed).ok().map(Exact::from);
            let exact = Exact::ratio(top, bottom).unwrap().product(&power_of_two(shift + FRACTION_BITS));
            if let Some(lo) = of(lo) { prop_assert!(lo <= exact); }
            if let Some(hi) = of(hi) { prop_assert!(hi >= exact); }
            prop_assert!(lo <= hi);
        }

        #[test]
        fn quick_numbers_are_those_of_long_division(top in 0i64..=i64::MAX, bottom in 1i64..=i64::MAX, shift in -60i32..60) {
            let exact = Between::of(&Exact::ratio(top, bottom).unwrap(), shift);
            if let Some(quick) = Between::quick(Some(top.into()), Some(bottom.into()), shift) {
                // Long division gives up above 63 bits.
                prop_assume!(exact.hi != ENDLESS);
                prop_assert_eq!(quick, exact);
            }
        }

        #[test]
        fn upper_products_hold_for_either_sign(lo in 0i128..1 << 50, width in 0i128..1 << 20, by in -(1i128 << 50)..1 << 50) {
            let between = Between { lo, hi: lo + width };
            for q in [lo, lo + width] {
                prop_assert!(between.at_most_times(by) << FRACTION_BITS >= q * by);
            }
        }
    }

    #[test]
    fn what_is_endless_stays_so() {
        assert_eq!(times_up(ENDLESS, 1), ENDLESS);
        assert_eq!(times_up(1 << 100, 1 << 100), ENDLESS);
        assert_eq!(plus(ENDLESS, -5), ENDLESS);
        assert_eq!(shifted_up(1 << 100, 40), ENDLESS);
        assert_eq!(shifted_up(ENDLESS, -3), ENDLESS);
    }
}
