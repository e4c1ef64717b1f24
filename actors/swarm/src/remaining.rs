//! What is left of an intent.
//!
//! Of what an agent gives, its limit less what was taken out of it, and never more than the ledger
//! would let it give. Of a want, alternatives shrink in proportion: Σ quantity/limit ≤ 1 over all that
//! the want ever receives, so with `u` of it used each limit becomes ⌊limit·(1 − u)⌋. Exact, since a sum
//! of fractions in floats could promise a unit too many.

use std::collections::BTreeMap;

use num_bigint::BigInt;
use num_rational::BigRational;
use schemas::deal::Terms;
use schemas::market::{Alternative, Give, Want};
use schemas::{AgentId, Good, Quantity};

/// What was taken out of an intent, in minor units.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Use {
    /// Given, by good.
    pub given: BTreeMap<Good, i64>,
    /// Received, by good.
    pub received: BTreeMap<Good, i64>,
}

impl Use {
    /// What terms move from and to an agent.
    #[must_use]
    pub fn of(agent: &AgentId, terms: &Terms) -> Self {
        let mut moved = Self::default();
        for transfer in &terms.transfers {
            if transfer.from == *agent {
                add(&mut moved.given, &transfer.good, transfer.quantity.get());
            }
            if transfer.to == *agent {
                add(&mut moved.received, &transfer.good, transfer.quantity.get());
            }
        }
        moved
    }

    /// Of what it gives.
    #[must_use]
    pub fn given(&self, good: &Good) -> i64 {
        self.given.get(good).copied().unwrap_or(0)
    }

    /// Of what it wants.
    #[must_use]
    pub fn received(&self, good: &Good) -> i64 {
        self.received.get(good).copied().unwrap_or(0)
    }

    /// Whether nothing was.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.given.is_empty() && self.received.is_empty()
    }

    /// Adds another.
    pub fn add(&mut self, other: &Self) {
        for (good, quantity) in &other.given {
            add(&mut self.given, good, *quantity);
        }
        for (good, quantity) in &other.received {
            add(&mut self.received, good, *quantity);
        }
    }
}

/// Saturating: a quantity that large is over every limit, and stays so.
pub(crate) fn add<K: Ord + Clone>(sums: &mut BTreeMap<K, i64>, key: &K, quantity: i64) {
    let sum = sums.entry(key.clone()).or_insert(0);
    *sum = sum.saturating_add(quantity);
}

/// What an agent still gives: `may_give` is what the ledger would let it give, open deals already
/// taken off. Goods of which nothing is left are left out.
pub fn gives(gives: &[Give], used: &Use, may_give: impl Fn(&Good) -> i64) -> Vec<Give> {
    gives
        .iter()
        .filter_map(|give| {
            let left = give.limit.get().saturating_sub(used.given(&give.good)).min(may_give(&give.good));
            Some(Give { limit: Quantity::new(left).ok()?, ..give.clone() })
        })
        .collect()
}

/// What an agent still wants. A good counts for the want that names it; alternatives and wants of which
/// nothing is left are left out.
#[must_use]
pub fn wants(wants: &[Want], used: &Use) -> Vec<Want> {
    wants
        .iter()
        .filter_map(|want| {
            let any_of: Vec<Alternative> = match want.any_of.as_slice() {
                [only] => shrink_by(only, used.received(&only.good)).into_iter().collect(),
                several => {
                    let left = left_of(several, used);
                    several.iter().filter_map(|alternative| shrink_to(alternative, &left)).collect()
                }
            };
            (!any_of.is_empty()).then_some(Want { any_of })
        })
        .collect()
}

/// Whether an intent covers `more` on top of what is used of it: only goods that it states, of what it gives no more
/// than its limits, and of each want Σ quantity/limit ≤ 1 over all that the want would then have received.
#[must_use]
pub fn covers(gives: &[Give], wants: &[Want], used: &Use, more: &Use) -> bool {
    let given_fits = more.given.iter().all(|(good, quantity)| {
        let all = used.given(good).checked_add(*quantity);
        gives.iter().any(|give| give.good == *good && all.is_some_and(|all| all <= give.limit.get()))
    });
    let is_wanted = |good: &Good| wants.iter().any(|want| want.any_of.iter().any(|wanted| wanted.good == *good));
    let all_of = |good: &Good| BigInt::from(used.received(good)) + more.received.get(good).copied().unwrap_or(0);
    let whole = BigRational::from_integer(1.into());
    let received_fits = wants.iter().all(|want| {
        let parts = want.any_of.iter().map(|wanted| BigRational::new(all_of(&wanted.good), wanted.limit.get().into()));
        parts.fold(BigRational::from_integer(0.into()), |sum, part| sum + part) <= whole
    });
    given_fits && received_fits && more.received.keys().all(is_wanted)
}

/// 1 − Σ used/limit, at least 0.
fn left_of(any_of: &[Alternative], used: &Use) -> BigRational {
    let whole = BigRational::from_integer(BigInt::from(1));
    let spent = any_of.iter().filter(|alternative| used.received(&alternative.good) > 0).fold(
        BigRational::from_integer(BigInt::from(0)),
        |sum, alternative| {
            sum + BigRational::new(used.received(&alternative.good).into(), alternative.limit.get().into())
        },
    );
    if spent < whole { whole - spent } else { BigRational::from_integer(BigInt::from(0)) }
}

fn shrink_by(alternative: &Alternative, used: i64) -> Option<Alternative> {
    let limit = Quantity::new(alternative.limit.get().saturating_sub(used)).ok()?;
    Some(Alternative { limit, ..alternative.clone() })
}

fn shrink_to(alternative: &Alternative, left: &BigRational) -> Option<Alternative> {
    let exact = left * BigRational::from_integer(alternative.limit.get().into());
    let limit = i64::try_from(exact.floor().to_integer()).ok().and_then(|units| Quantity::new(units).ok())?;
    Some(Alternative { limit, ..alternative.clone() })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use schemas::Rational;
    use schemas::value::Bounds;

    use super::*;

    fn alternative(good: &str, limit: i64) -> Alternative {
        Alternative {
            good: good.parse().unwrap(),
            limit: Quantity::new(limit).unwrap(),
            value: Bounds::exactly(Rational::ONE),
        }
    }

    fn received(what: &[(&str, i64)]) -> Use {
        Use { received: what.iter().map(|(good, q)| (good.parse().unwrap(), *q)).collect(), ..Use::default() }
    }

    #[test]
    fn a_plain_want_shrinks_by_what_came() {
        let want = [Want { any_of: vec![alternative("wheat", 10)] }];
        assert_eq!(wants(&want, &received(&[("wheat", 3)]))[0].any_of[0].limit.get(), 7);
        assert!(wants(&want, &received(&[("wheat", 10)])).is_empty());
        assert!(wants(&want, &received(&[("wheat", 11)])).is_empty());
    }

    #[test]
    fn alternatives_shrink_together() {
        let want = [Want { any_of: vec![alternative("wheat", 10), alternative("rye", 7), alternative("oats", 1)] }];
        let left = wants(&want, &received(&[("wheat", 5)]));
        let limits: Vec<i64> = left[0].any_of.iter().map(|a| a.limit.get()).collect();
        assert_eq!(limits, [5, 3], "half of each is left, rounded down, and no oats");
        assert!(wants(&want, &received(&[("wheat", 5), ("rye", 4)])).is_empty());
    }

    #[test]
    fn the_ledger_caps_what_is_given() {
        let give = [Give {
            good: "wheat".parse().unwrap(),
            limit: Quantity::new(10).unwrap(),
            cost: Bounds::exactly(Rational::ONE),
        }];
        let used = Use { given: [("wheat".parse().unwrap(), 4)].into(), ..Use::default() };
        assert_eq!(gives(&give, &used, |_| 100)[0].limit.get(), 6);
        assert_eq!(gives(&give, &used, |_| 2)[0].limit.get(), 2);
        assert!(gives(&give, &used, |_| 0).is_empty());
    }

    proptest! {
        /// Whatever is then received within the shrunken limits, the want as it was stated holds.
        #[test]
        fn shrinking_never_promises_too_much(limits in prop::collection::vec(1i64..1000, 2..5), shares in prop::collection::vec(0i64..1000, 10)) {
            let any_of: Vec<Alternative> = limits.iter().enumerate().map(|(at, limit)| alternative(&format!("g{at}"), *limit)).collect();
            let want = [Want { any_of: any_of.clone() }];
            let goods: Vec<String> = (0..limits.len()).map(|at| format!("g{at}")).collect();
            let first: Vec<(&str, i64)> = goods.iter().zip(&limits).zip(&shares).map(|((g, l), s)| (g.as_str(), l * s / 5000)).collect();
            let used = received(&first);
            for left in wants(&want, &used) {
                for then in &left.any_of {
                    let stated = any_of.iter().find(|a| a.good == then.good).unwrap().limit.get();
                    let spent = any_of.iter().fold(BigRational::from_integer(0.into()), |sum, a| {
                        sum + BigRational::new(used.received(&a.good).into(), a.limit.get().into())
                    });
                    let total = spent + BigRational::new(then.limit.get().into(), stated.into());
                    prop_assert!(total <= BigRational::from_integer(1.into()));
                }
            }
        }
    }
}
