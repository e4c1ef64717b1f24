//! Prices as an answer shows them: exact ratios, rounded up.

use schemas::Rational;
use schemas::clearing::{GoodPrice, LimitPrice};

use crate::bound::for_limit;
use crate::divisible::Relaxed;
use crate::fixed::FRACTION_BITS;
use crate::instance::Instance;

/// What each good that someone could give to someone is worth at the margin.
pub(crate) fn of_goods(instance: &Instance, relaxed: &Relaxed) -> Vec<GoodPrice> {
    let movable = instance
        .goods
        .iter()
        .filter(|(id, good)| !instance.is_nothing(*id) && !good.givers.is_empty() && !good.takers.is_empty());
    movable
        .map(|(id, good)| GoodPrice {
            good: good.name.clone(),
            price: ratio_up(relaxed.goods[id], FRACTION_BITS + good.scale),
        })
        .collect()
}

/// The limits that have a price, those of gives first.
pub(crate) fn of_limits(instance: &Instance, relaxed: &Relaxed) -> Vec<LimitPrice> {
    let mut limits = Vec::new();
    for (_, party) in instance.parties.iter() {
        for give in party.gives() {
            let price = for_limit(instance, give, relaxed.prices.give[give]);
            if price > 0 {
                let good = instance.goods[instance.gives[give].good].name.clone();
                let price = ratio_up(price, FRACTION_BITS);
                limits.push(LimitPrice { agent: party.agent.clone(), gives: Some(good), want: None, price });
            }
        }
        let mut last = None;
        for take in party.takes() {
            let want = instance.takes[take].want;
            let price = relaxed.prices.want[want];
            if last.replace(want) != Some(want) && price > 0 {
                let price = ratio_up(price, FRACTION_BITS);
                let index = instance.wants[want].index;
                limits.push(LimitPrice { agent: party.agent.clone(), gives: None, want: Some(index), price });
            }
        }
    }
    limits
}

/// `number · 2^−bits`, rounded up to what a ratio can hold, for a number that is not negative.
fn ratio_up(number: i128, bits: i32) -> Rational {
    let (mut number, mut bits) = (number.max(0), bits);
    // The numerator to 62 bits, the denominator to at most 2^62.
    while number >= 1 << 62 || bits > 62 {
        (number, bits) = ((number >> 1) + (number & 1), bits - 1);
    }
    while bits < 0 && number < 1 << 61 {
        (number, bits) = (number << 1, bits + 1);
    }
    Rational::new(number, 1 << bits.max(0)).unwrap_or(Rational::ZERO)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ratios_are_rounded_up_and_no_further() {
        let of = |top: i64, bottom: i64| Rational::new(top.into(), bottom.into()).unwrap();
        assert_eq!(ratio_up(3 << 31, 32), of(3, 2));
        assert_eq!(ratio_up(0, 32), Rational::ZERO);
        assert_eq!(ratio_up(1, 100), of(1, 1 << 62));
        assert_eq!(ratio_up(5, -3), of(40, 1));
        assert!(ratio_up((1 << 90) + 1, 40) > of(1 << 50, 1));
        assert!(ratio_up((1 << 90) + 1, 40).to_f64() < (1_u64 << 50) as f64 * 1.000_001);
    }
}
