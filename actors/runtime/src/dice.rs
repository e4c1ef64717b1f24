//! Numbers that depend on nothing but their seed: SplitMix64 (Steele, Lea and Flood, 2014).
//!
//! Good enough to decide what goes wrong and when, and no more. Whoever throws dice of its own for each thing that it
//! decides about (a message, a deal) finds the rest as it was when one of them is left out.

/// Dice.
#[derive(Clone, Debug)]
pub struct Dice(u64);

const GAMMA: u64 = 0x9e37_79b9_7f4a_7c15;

/// One number for another, a bijection that scatters neighbours.
pub(crate) fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// A number for some text.
#[must_use]
pub fn number_of(text: &str) -> u64 {
    // FNV-1a.
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

impl Dice {
    /// Dice for what these numbers name, in this order.
    #[must_use]
    pub fn of(parts: &[u64]) -> Self {
        Self(parts.iter().fold(GAMMA, |state, part| mix(state.wrapping_add(GAMMA) ^ mix(part.wrapping_add(GAMMA)))))
    }

    /// The next number.
    pub fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(GAMMA);
        mix(self.0)
    }

    /// A number from 0 on and below `limit`; 0 where that is 0. Skewed by less than `limit`/2⁶⁴.
    pub fn below(&mut self, limit: u64) -> u64 {
        self.roll().checked_rem(limit).unwrap_or(0)
    }

    /// A number from `low` to `high`, both included.
    pub fn between(&mut self, low: u64, high: u64) -> u64 {
        low.saturating_add(self.below(high.saturating_sub(low).saturating_add(1)))
    }

    /// Whether something happens that happens so often in a million.
    pub fn happens(&mut self, ppm: u64) -> bool {
        self.below(1_000_000) < ppm
    }

    /// One of these, unless there are none.
    pub fn one_of<'a, T>(&mut self, things: &'a [T]) -> Option<&'a T> {
        let index = self.below(u64::try_from(things.len()).unwrap_or(0));
        things.get(usize::try_from(index).unwrap_or(0))
    }

    /// Puts these into another order.
    pub fn shuffle<T>(&mut self, things: &mut [T]) {
        for last in (1..things.len()).rev() {
            let other = self.below(u64::try_from(last).unwrap_or(0).saturating_add(1));
            things.swap(last, usize::try_from(other).unwrap_or(last));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_numbers_and_another_gives_others() {
        let numbers = |parts: &[u64]| -> Vec<u64> {
            std::iter::repeat_n((), 8).scan(Dice::of(parts), |dice, ()| Some(dice.roll())).collect()
        };
        assert_eq!(numbers(&[1, 2]), numbers(&[1, 2]));
        for other in [&[2, 1][..], &[1], &[1, 2, 0], &[]] {
            assert_ne!(numbers(&[1, 2]), numbers(other), "{other:?}");
        }
        assert_ne!(number_of("a"), number_of("b"));
    }

    #[test]
    fn what_is_drawn_lies_in_its_bounds_and_reaches_them() {
        let mut dice = Dice::of(&[7]);
        let drawn: std::collections::BTreeSet<u64> = (0..200).map(|_| dice.between(3, 6)).collect();
        assert_eq!(drawn.into_iter().collect::<Vec<_>>(), [3, 4, 5, 6]);
        assert_eq!((dice.below(0), dice.one_of::<u8>(&[])), (0, None));
        assert!((0..1_000).filter(|_| dice.happens(500_000)).count().abs_diff(500) < 100);
        let mut order = [1, 2, 3, 4, 5];
        dice.shuffle(&mut order);
        let mut sorted = order;
        sorted.sort_unstable();
        assert_eq!(sorted, [1, 2, 3, 4, 5]);
    }
}
