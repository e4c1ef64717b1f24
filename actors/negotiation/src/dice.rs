//! Chance that follows from a seed: SplitMix64 (Steele, Lea & Flood 2014).

/// Dice of one seed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `below`; 0 where there is none.
    pub(crate) fn below(&mut self, below: usize) -> usize {
        usize::try_from(self.next().checked_rem(below as u64).unwrap_or(0)).unwrap_or(0)
    }
}
