//! Random numbers from a seed: the same seed and stream, the same numbers, on every machine.
//!
//! SplitMix64 (Steele, Lea and Flood 2014): one addition and a mix for each number, and streams that start anywhere.

/// A stream of numbers.
#[derive(Debug, Clone)]
pub(crate) struct Draw {
    state: u64,
}

const STEP: u64 = 0x9e37_79b9_7f4a_7c15;

impl Draw {
    /// One of the streams of a seed.
    pub(crate) fn new(seed: u64, stream: u64) -> Self {
        let mut draw = Self { state: seed };
        let start = draw.next() ^ stream.wrapping_mul(STEP);
        Self { state: start }
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(STEP);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below another, at least 1; the bias is below 2⁻³² for all that fits 32 bits.
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        let product = u128::from(self.next()) * u128::from(end);
        u64::try_from(product >> 64).unwrap_or(0)
    }

    /// A number from 0 on, below 1, with 53 bits.
    #[allow(clippy::cast_precision_loss)]
    pub(crate) fn share(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// Puts entries in random order.
    pub(crate) fn shuffle<T>(&mut self, entries: &mut [T]) {
        for end in (2..=entries.len()).rev() {
            let at = usize::try_from(self.below(end as u64)).unwrap_or(0);
            entries.swap(at, end - 1);
        }
    }
}
