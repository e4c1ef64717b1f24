//! Chance: numbers that are random to the search and the same for the same seed, on every machine.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use schemas::Hash;

/// A source of random numbers.
#[derive(Debug, Clone)]
pub struct Chance(ChaCha8Rng);

impl Chance {
    /// The chance of an island in an epoch: hash(seed, island, epoch), so that whoever repeats the epoch repeats it
    /// exactly, and no two share their numbers.
    #[must_use]
    pub fn of(seed: u64, island: u32, epoch: u32) -> Self {
        let hash = Hash::of_parts(&[b"genetic", &seed.to_be_bytes(), &island.to_be_bytes(), &epoch.to_be_bytes()]);
        Self(ChaCha8Rng::from_seed(*hash.as_bytes()))
    }

    /// A number in [0, 1), of 53 bits.
    #[allow(clippy::cast_precision_loss)] // 53 bits are what the mantissa holds
    pub fn unit(&mut self) -> f64 {
        (self.0.next_u64() >> 11) as f64 * (1.0 / (1_u64 << 53) as f64)
    }

    /// Whether something of this probability happens.
    pub fn happens(&mut self, probability: f64) -> bool {
        self.unit() < probability
    }

    /// A number below `count`, each as likely to one part in 2⁶⁴; 0 where there is none.
    pub fn below(&mut self, count: usize) -> usize {
        let wide = u128::from(self.0.next_u64()) * count as u128;
        usize::try_from(wide >> 64).unwrap_or(0)
    }

    /// Puts things in a random order (Fisher and Yates).
    pub fn shuffle<T>(&mut self, things: &mut [T]) {
        for last in (1..things.len()).rev() {
            let other = self.below(last + 1);
            things.swap(last, other);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_the_same_for_the_same_and_only_for_the_same() {
        let draw = |seed, island, epoch| Chance::of(seed, island, epoch).unit();
        assert_eq!(draw(1, 2, 3).to_bits(), draw(1, 2, 3).to_bits());
        let all = [draw(1, 2, 3), draw(2, 2, 3), draw(1, 3, 3), draw(1, 2, 4), draw(1, 3, 2)];
        for (at, one) in all.iter().enumerate() {
            assert!(all.iter().skip(at + 1).all(|other| one.to_bits() != other.to_bits()));
        }
        // Fixed for ever: a result is named by its seed.
        assert_eq!(Chance::of(7, 0, 0).0.next_u64(), Chance::of(7, 0, 0).0.next_u64());
    }

    #[test]
    fn it_is_fair() {
        let mut chance = Chance::of(1, 0, 0);
        let mut counts = [0_u32; 7];
        for _ in 0..70_000 {
            counts[chance.below(7)] += 1;
        }
        assert!(counts.iter().all(|count| (9_500..10_500).contains(count)), "{counts:?}");
        assert_eq!(chance.below(0), 0);
        let mean = (0..10_000).map(|_| chance.unit()).sum::<f64>() / 10_000.0;
        assert!((mean - 0.5).abs() < 0.02, "{mean}");
        let mut order: Vec<usize> = (0..50).collect();
        chance.shuffle(&mut order);
        assert!(!order.is_sorted());
        order.sort_unstable();
        assert_eq!(order, (0..50).collect::<Vec<_>>());
    }
}
