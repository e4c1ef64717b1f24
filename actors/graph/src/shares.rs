//! Wants in shares: what each alternative fills of one, exactly, and what a share of its price comes to.

use crate::fixed::{ONE, shifted_down, shifted_up};
use crate::instance::Instance;
use crate::table::TakeId;

impl Instance {
    /// What the share of its want that 2^scale minor units fill costs at a price of the whole, rounded down.
    pub(crate) fn share_price(&self, take: TakeId, want_price: i128) -> i128 {
        let take = &self.takes[take];
        let scale = self.goods[take.good].scale;
        // Up before the division, down after it: no bits are lost in between.
        if scale >= 0 {
            want_price.checked_mul(1 << scale).map_or(0, |whole| whole / i128::from(take.full))
        } else {
            shifted_down(want_price / i128::from(take.full), scale)
        }
    }

    /// The least price of a whole want at which so much of a take, in fixed point, costs at least `worth`;
    /// `None` where there is none to be had.
    pub(crate) fn want_price_for(&self, take: TakeId, quantity: i128, worth: i128) -> Option<i128> {
        let take = &self.takes[take];
        let filled =
            worth.checked_mul(i128::from(take.full))?.checked_mul(ONE)?.checked_div(quantity)?.checked_add(1)?;
        shifted_up(filled, -self.goods[take.good].scale).checked_add(1)
    }

    /// How many shares of its want a quantity takes up, rounded up.
    pub(crate) fn shares(&self, take: TakeId, quantity: i64) -> i64 {
        let take = &self.takes[take];
        let (quantity, shares, full) =
            (i128::from(quantity), i128::from(self.wants[take.want].shares), i128::from(take.full));
        i64::try_from((quantity * shares + full - 1) / full).unwrap_or(i64::MAX)
    }

    /// The largest quantity that takes up at most so many shares of its want.
    pub(crate) fn quantity_for(&self, take: TakeId, shares: i64) -> i64 {
        let take = &self.takes[take];
        let most = i128::from(shares) * i128::from(take.full) / i128::from(self.wants[take.want].shares);
        i64::try_from(most).unwrap_or(i64::MAX)
    }
}

/// Into how many shares a want with these limits is divided: their least common multiple, so that every
/// quantity is a whole number of shares. Where that is too large, 2^62, and shares are rounded up: no want
/// is ever overfilled, and at most a unit of an alternative is forgone.
pub(crate) fn shares_for(limits: &[i64]) -> i64 {
    const MOST: i64 = 1 << 62;
    let mut shares = 1_i64;
    for limit in limits {
        match (limit / gcd(shares, *limit)).checked_mul(shares) {
            Some(multiple) if multiple <= MOST => shares = multiple,
            _ => return MOST,
        }
    }
    shares
}

fn gcd(mut a: i64, mut b: i64) -> i64 {
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a
}
