//! Genes, and how genomes vary: simulated binary crossover and polynomial mutation.
//!
//! Both draw from a distribution that is bounded by the gene's own ends (Deb and Agrawal 1995; Deb and Goyal 1996; Deb
//! and Tiwari 2008 for the bounded form), so that no child lies outside and nothing piles up at an end. A gene of whole
//! numbers varies as a real one would, over its ends widened by half a step, and is then rounded: so each of its values,
//! the outermost included, is met as often as its neighbours.
//!
//! Powers are taken by `libm`, in plain arithmetic, and not by the platform: a power that differed in its last bit
//! between two machines would make an island that moves from one to the other another island.

use crate::chance::Chance;

/// What one gene may be.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Gene {
    /// Any number from `lo` to `hi`.
    Real {
        /// The least.
        lo: f64,
        /// The greatest.
        hi: f64,
    },
    /// A whole number from `lo` to `hi`, both within ±2⁵³.
    Whole {
        /// The least.
        lo: i64,
        /// The greatest.
        hi: i64,
    },
}

/// The largest whole number that a gene holds exactly.
pub const MAX_WHOLE: i64 = 1 << 53;

impl Gene {
    /// The ends between which it varies.
    #[allow(clippy::cast_precision_loss)] // within ±2⁵³
    fn ends(self) -> (f64, f64) {
        match self {
            Self::Real { lo, hi } => (lo, hi),
            Self::Whole { lo, hi } if lo == hi => (lo as f64, hi as f64),
            Self::Whole { lo, hi } => (lo as f64 - 0.5, hi as f64 + 0.5),
        }
    }

    /// The value nearest to `value` that the gene may have.
    #[allow(clippy::cast_precision_loss)] // within ±2⁵³
    #[must_use]
    pub fn nearest(self, value: f64) -> f64 {
        match self {
            Self::Real { lo, hi } => value.clamp(lo, hi),
            Self::Whole { lo, hi } => libm::rint(value).clamp(lo as f64, hi as f64),
        }
    }

    /// Any value, each as likely.
    #[must_use]
    pub fn drawn(self, chance: &mut Chance) -> f64 {
        let (lo, hi) = self.ends();
        self.nearest(lo + (hi - lo) * chance.unit())
    }
}

/// `base` to a positive power: by multiplication where the power is a small whole number, as it mostly is.
fn power(base: f64, exponent: f64) -> f64 {
    let whole = libm::rint(exponent);
    if !(1.0..=64.0).contains(&exponent) || (whole - exponent).abs() > 0.0 {
        return libm::pow(base, exponent);
    }
    let (mut left, mut square, mut product) = (whole as u32, base, 1.0);
    while left > 0 {
        if left % 2 == 1 {
            product *= square;
        }
        square *= square;
        left /= 2;
    }
    product
}

/// The root of this degree: by square roots where the degree is a power of two, as the common crossover's is; else by
/// the logarithm, whose error the degree divides, so that a power in full precision would gain nothing.
fn root(base: f64, degree: f64) -> f64 {
    let whole = degree as u32;
    if !whole.is_power_of_two() || (f64::from(whole) - degree).abs() > 0.0 {
        return libm::exp(libm::log(base) / degree);
    }
    (0..whole.trailing_zeros()).fold(base, |root, _| libm::sqrt(root))
}

/// How genomes vary.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Variation {
    /// How likely two parents are crossed at all.
    pub crossover: f64,
    /// How likely a gene of theirs is.
    pub crossover_gene: f64,
    /// The crossover's distribution index: the larger, the nearer children are to their parents.
    pub crossover_eta: f64,
    /// How likely a child is mutated at all; each of its genes then is with one in their number, at most one half.
    pub mutation: f64,
    /// The mutation's distribution index.
    pub mutation_eta: f64,
}

impl Default for Variation {
    /// What NSGA-II is commonly run with.
    fn default() -> Self {
        Self { crossover: 0.9, crossover_gene: 0.5, crossover_eta: 15.0, mutation: 0.9, mutation_eta: 20.0 }
    }
}

impl Variation {
    /// What NSGA-III is commonly run with.
    #[must_use]
    pub fn for_many() -> Self {
        Self { crossover: 1.0, crossover_eta: 30.0, ..Self::default() }
    }

    /// Makes two children of two parents.
    pub(crate) fn children(&self, genes: &[Gene], parents: [&[f64]; 2], chance: &mut Chance) -> [Vec<f64>; 2] {
        let mut children = parents.map(<[f64]>::to_vec);
        if chance.happens(self.crossover) {
            let [one, other] = &mut children;
            for ((gene, a), b) in genes.iter().zip(one).zip(other) {
                if chance.happens(self.crossover_gene) {
                    self.cross(*gene, a, b, chance);
                }
            }
        }
        for child in &mut children {
            if chance.happens(self.mutation) {
                self.mutate(genes, child, chance);
            }
        }
        children
    }

    /// Simulated binary crossover of one gene.
    fn cross(&self, gene: Gene, a: &mut f64, b: &mut f64, chance: &mut Chance) {
        let (lo, hi) = gene.ends();
        let (low, high) = if *a < *b { (*a, *b) } else { (*b, *a) };
        let apart = high - low;
        if apart <= 1e-14 || hi <= lo {
            return;
        }
        let drawn = chance.unit();
        let base = |room: f64| {
            let alpha = 2.0 - 1.0 / power(1.0 + 2.0 * room / apart, self.crossover_eta + 1.0);
            if drawn <= 1.0 / alpha { drawn * alpha } else { 1.0 / (2.0 - drawn * alpha) }
        };
        let spread = |base: f64| root(base, self.crossover_eta + 1.0);
        let (below, above) = (base(low - lo), base(hi - high));
        let down = spread(below);
        // Between ends that are far from both parents they are the same, and roots take time.
        let up = if below.to_bits() == above.to_bits() { down } else { spread(above) };
        let near_low = gene.nearest(0.5 * (low + high - down * apart));
        let near_high = gene.nearest(0.5 * (low + high + up * apart));
        (*a, *b) = if chance.happens(0.5) { (near_low, near_high) } else { (near_high, near_low) };
    }

    /// Polynomial mutation.
    #[allow(clippy::cast_precision_loss)] // genes are few
    fn mutate(&self, genes: &[Gene], child: &mut [f64], chance: &mut Chance) {
        let likely = (1.0 / genes.len() as f64).min(0.5);
        for (gene, value) in genes.iter().zip(child) {
            let (lo, hi) = gene.ends();
            if !chance.happens(likely) || hi <= lo {
                continue;
            }
            let drawn = chance.unit();
            let toward = |room: f64, share: f64| {
                let left = power(1.0 - room / (hi - lo), self.mutation_eta + 1.0);
                root(share + (1.0 - share) * left, self.mutation_eta + 1.0)
            };
            let step = if drawn <= 0.5 {
                toward(*value - lo, 2.0 * drawn) - 1.0
            } else {
                1.0 - toward(hi - *value, 2.0 * (1.0 - drawn))
            };
            *value = gene.nearest(*value + step * (hi - lo));
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn gene() -> impl Strategy<Value = Gene> {
        prop_oneof![
            (-1e6..1e6, 0.0..1e6).prop_map(|(lo, more)| Gene::Real { lo, hi: lo + more }),
            (-1_000_i64..1_000, 0_i64..1_000).prop_map(|(lo, more)| Gene::Whole { lo, hi: lo + more }),
            Just(Gene::Whole { lo: 0, hi: MAX_WHOLE }),
        ]
    }

    proptest! {
        #[test]
        fn children_are_what_their_genes_may_be(genes in proptest::collection::vec(gene(), 1..12), seed: u64) {
            let chance = &mut Chance::of(seed, 0, 0);
            let parents = [0, 1].map(|_| genes.iter().map(|gene| gene.drawn(chance)).collect::<Vec<_>>());
            for _ in 0..20 {
                for child in Variation::default().children(&genes, [&parents[0], &parents[1]], chance) {
                    for (gene, value) in genes.iter().zip(child) {
                        prop_assert!(gene.nearest(value).to_bits() == value.to_bits(), "{gene:?}: {value}");
                    }
                }
            }
        }
    }

    #[test]
    fn children_keep_their_parents_centre_where_the_ends_are_far() {
        let gene = Gene::Real { lo: -1e9, hi: 1e9 };
        let chance = &mut Chance::of(1, 0, 0);
        for _ in 0..1_000 {
            let (mut a, mut b) = (3.0, 5.0);
            Variation::default().cross(gene, &mut a, &mut b, chance);
            assert!((a + b - 8.0).abs() < 1e-6, "{a} {b}");
        }
    }

    #[test]
    fn powers_and_roots_are_those_of_the_library() {
        for base in [0.0, 0.3, 1.0, 1.7, 9.5] {
            for exponent in [1.0, 2.0, 16.0, 21.0, 31.0, 15.5, 100.0] {
                let (fast, slow) = (power(base, exponent), libm::pow(base, exponent));
                assert!((fast - slow).abs() <= 1e-12 * slow.abs(), "{base}^{exponent}: {fast} {slow}");
                let (fast, slow) = (root(base, exponent), libm::pow(base, 1.0 / exponent));
                assert!((fast - slow).abs() <= 1e-12 * slow.abs(), "{base}^1/{exponent}: {fast} {slow}");
            }
        }
    }

    #[test]
    fn every_whole_number_is_met_as_often() {
        let gene = Gene::Whole { lo: 1, hi: 4 };
        let chance = &mut Chance::of(1, 0, 0);
        let mut counts = [0; 5];
        for _ in 0..40_000 {
            counts[gene.drawn(chance) as usize] += 1;
        }
        assert!(counts[1..].iter().all(|count| (9_500..10_500).contains(count)), "{counts:?}");
    }

    #[test]
    fn a_gene_without_choice_stays() {
        let genes = [Gene::Whole { lo: 3, hi: 3 }, Gene::Real { lo: 0.5, hi: 0.5 }];
        let chance = &mut Chance::of(1, 0, 0);
        for _ in 0..100 {
            let children = Variation::default().children(&genes, [&[3.0, 0.5], &[3.0, 0.5]], chance);
            assert_eq!(children, [vec![3.0, 0.5], vec![3.0, 0.5]]);
        }
    }
}
