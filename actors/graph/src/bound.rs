//! What prices of the limits bound, and how they are raised until they do.

use crate::fixed::{ENDLESS, ONE, plus, shifted_up, times_down};
use crate::instance::Instance;
use crate::rings::{Prices, Search};
use crate::round::hops;
use crate::table::{GiveId, SeatId, WantId};

/// Rings mended one by one from one give before its own price takes up the rest.
const MENDS: usize = 64;
/// A raise of a give's price that costs less than 2^−30 of the bound is not worth looking for a cheaper one.
const TRIFLE_BITS: u32 = 30;

/// What a price for 2^scale minor units makes for the whole limit of a give, rounded up.
pub(crate) fn for_limit(instance: &Instance, give: GiveId, price: i128) -> i128 {
    let row = &instance.gives[give];
    if price == ENDLESS {
        return ENDLESS;
    }
    let whole = price.checked_mul(i128::from(row.limit)).unwrap_or(ENDLESS);
    shifted_up(whole, -instance.goods[row.good].scale)
}

impl Prices {
    /// Σ price · limit, rounded up.
    pub(crate) fn total(&self, instance: &Instance) -> i128 {
        let wants = self.want.iter().fold(0, |sum, (_, price)| plus(sum, *price));
        self.give.iter().fold(wants, |sum, (give, price)| plus(sum, for_limit(instance, give, *price)))
    }

    /// The prices so many 256ths of the way to others.
    pub(crate) fn towards(&self, others: &Self, weight: i128) -> Self {
        let mix = |a: i128, b: i128| if b == ENDLESS { a } else { a + (b - a) / 256 * weight };
        let mut mixed = self.clone();
        for give in self.give.ids() {
            mixed.give[give] = mix(self.give[give], others.give[give]);
        }
        for want in self.want.ids() {
            mixed.want[want] = mix(self.want[want], others.want[want]);
        }
        mixed
    }
}

/// Raises prices until no ring is worth more than it uses up, as cheaply as it can.
pub(crate) fn prove(
    instance: &Instance,
    search: &mut Search<'_>,
    mut prices: Prices,
    effort: u64,
    bound: i128,
) -> Prices {
    search.price(&prices);
    let trifle = bound >> TRIFLE_BITS;
    for start in instance.gives.ids() {
        if instance.seats_of[start].is_empty() {
            continue;
        }
        for mends in 0..=MENDS {
            let mut dearest: Option<(Vec<SeatId>, i128)> = None;
            let explored = search.explore(start, 0, effort, &mut |seats, worth| {
                dearest = Some((seats.to_vec(), worth));
                worth
            });
            if explored.ceiling == 0 {
                break;
            }
            let mend = match &dearest {
                Some((seats, worth)) if mends < MENDS && for_limit(instance, start, explored.ceiling) > trifle => {
                    cheapest_mend(instance, seats, *worth)
                }
                _ => None,
            };
            match mend {
                Some(Mend::Give(give, by)) => {
                    prices.give[give] = plus(prices.give[give], by);
                    search.price_give(give, prices.give[give]);
                }
                Some(Mend::Want(want, by)) => {
                    prices.want[want] = plus(prices.want[want], by);
                    search.price_want(want, prices.want[want]);
                }
                None => {
                    prices.give[start] = plus(prices.give[start], explored.ceiling);
                    search.price_give(start, prices.give[start]);
                    break;
                }
            }
        }
    }
    prices
}

/// A raise of one price.
enum Mend {
    Give(GiveId, i128),
    Want(WantId, i128),
}

/// The raise that makes a ray worth nothing at the least cost: of the limit that it would fill first.
#[allow(clippy::cast_precision_loss)]
fn cheapest_mend(instance: &Instance, seats: &[SeatId], worth: i128) -> Option<Mend> {
    let mut quantity = ONE;
    let mut cheapest: Option<(f64, Mend)> = None;
    for (index, ((give, take), seat)) in hops(instance, seats).zip(seats).enumerate() {
        if index > 0 {
            quantity = times_down(quantity, instance.seats[*seat].rate.lo);
        }
        if instance.is_end(give) {
            continue;
        }
        let (giving, taking) = (&instance.gives[give], &instance.takes[take]);
        let charge =
            worth.checked_mul(ONE).and_then(|worth| worth.checked_div(quantity)).and_then(|price| price.checked_add(1));
        if let Some(by) = charge {
            let cost = by as f64 * giving.limit as f64 * f64::powi(2.0, -instance.goods[giving.good].scale);
            if cheapest.as_ref().is_none_or(|(least, _)| cost < *least) {
                cheapest = Some((cost, Mend::Give(give, by)));
            }
        }
        if let Some(by) = instance.want_price_for(take, quantity, worth) {
            let cost = by as f64;
            if cheapest.as_ref().is_none_or(|(least, _)| cost < *least) {
                cheapest = Some((cost, Mend::Want(taking.want, by)));
            }
        }
    }
    cheapest.map(|(_, mend)| mend)
}
