//! The search itself: NSGA-II up to three objectives (Deb and others 2002), NSGA-III beyond (Deb and Jain 2014).
//!
//! A generation makes as many children as there are parents and lets the better half of all survive. Parents win
//! tournaments of two in which everybody takes part equally often. A child that is nobody new is made again. There is
//! no clock here, and no chance but the one that is passed in: the same start and the same chance give the same end.

use rustc_hash::{FxBuildHasher, FxHashSet};

use crate::chance::Chance;
use crate::crowding::least_crowded;
use crate::front::{self, dominates};
use crate::gene::Variation;
use crate::problem::{Individual, Problem};
use crate::reference::{Directions, Frame, survivors};
use crate::rows::Rows;

/// Objectives beyond which survivors are kept near reference directions.
pub const FEW_OBJECTIVES: usize = 3;

/// How often children that are nobody new are made again, in rounds, before the generation makes do with fewer.
const ROUNDS: usize = 20;

/// A population on its way.
pub struct Search<'a> {
    problem: &'a dyn Problem,
    variation: Variation,
    size: usize,
    directions: Directions,
    frame: Frame,
    everyone: Rows<Individual>,
    evaluations: u64,
}

impl<'a> Search<'a> {
    /// Begins with these genomes, and with drawn ones where they are fewer than `size`. `directions` are for NSGA-III;
    /// without any it is NSGA-II.
    #[must_use]
    pub fn begin(
        problem: &'a dyn Problem,
        variation: Variation,
        size: usize,
        directions: Vec<Vec<f64>>,
        genomes: Vec<Vec<f64>>,
        chance: &mut Chance,
    ) -> Self {
        let drawn = size.saturating_sub(genomes.len());
        let mut everyone: Rows<Individual> =
            genomes.into_iter().map(|genome| Individual::born(problem, genome)).collect();
        for _ in 0..drawn {
            let genome = problem.genes().iter().map(|gene| gene.drawn(chance)).collect();
            everyone.push(Individual::born(problem, genome));
        }
        let directions = Directions::of(&directions);
        let mut search =
            Self { problem, variation, size, directions, frame: Frame::default(), everyone, evaluations: 0 };
        search.count(drawn);
        search.survive(chance);
        search
    }

    /// The population.
    #[must_use]
    pub fn everyone(&self) -> &[Individual] {
        &self.everyone.0
    }

    /// How many were evaluated that nobody had evaluated before.
    #[must_use]
    pub fn evaluations(&self) -> u64 {
        self.evaluations
    }

    fn count(&mut self, evaluated: usize) {
        self.evaluations = self.evaluations.saturating_add(u64::try_from(evaluated).unwrap_or(u64::MAX));
    }

    /// One generation; `stop` is asked before each child, and once it says so the generation is dropped and this is
    /// false.
    pub fn step(&mut self, chance: &mut Chance, stop: &mut dyn FnMut() -> bool) -> bool {
        let mut known: FxHashSet<Vec<u64>> =
            FxHashSet::with_capacity_and_hasher(self.everyone.len() + self.size, FxBuildHasher);
        known.extend(self.everyone.iter().map(|one| bits(&one.genome)));
        let mut born: Vec<Individual> = Vec::with_capacity(self.size);
        for _ in 0..ROUNDS {
            let missing = self.size.saturating_sub(born.len());
            if missing == 0 {
                break;
            }
            let parents = self.parents(missing.div_ceil(2) * 2, chance);
            for pair in parents.chunks_exact(2) {
                if stop() {
                    return false;
                }
                let &[one, other] = pair else { continue };
                let parents = [self.everyone[one].genome.as_slice(), self.everyone[other].genome.as_slice()];
                for mut genome in self.variation.children(self.problem.genes(), parents, chance) {
                    self.problem.repair(&mut genome);
                    if born.len() < self.size && known.insert(bits(&genome)) {
                        born.push(Individual::of(self.problem, genome));
                    }
                }
            }
        }
        self.count(born.len());
        self.everyone.0.extend(born);
        self.survive(chance);
        true
    }

    /// Winners of tournaments of two, in which everybody takes part equally often.
    fn parents(&self, count: usize, chance: &mut Chance) -> Vec<usize> {
        let mut fought = Vec::with_capacity(count * 2);
        while fought.len() < count * 2 && !self.everyone.is_empty() {
            let mut all: Vec<usize> = (0..self.everyone.len()).collect();
            chance.shuffle(&mut all);
            fought.extend(all);
        }
        fought
            .chunks_exact(2)
            .take(count)
            .filter_map(|pair| if let [a, b] = pair { Some(self.winner(*a, *b, chance)) } else { None })
            .collect()
    }

    fn winner(&self, a: usize, b: usize, chance: &mut Chance) -> usize {
        let (one, other) = (&self.everyone[a], &self.everyone[b]);
        if !one.is_feasible() || !other.is_feasible() {
            return match one.violation.total_cmp(&other.violation) {
                std::cmp::Ordering::Less => a,
                std::cmp::Ordering::Greater => b,
                std::cmp::Ordering::Equal => either(a, b, chance),
            };
        }
        if !self.directions.is_empty() {
            return either(a, b, chance);
        }
        if dominates(&one.costs, &other.costs) || one.crowding > other.crowding && !dominates(&other.costs, &one.costs)
        {
            a
        } else if one.crowding < other.crowding || dominates(&other.costs, &one.costs) {
            b
        } else {
            either(a, b, chance)
        }
    }

    /// Keeps the better ones, at most as many as the population has.
    fn survive(&mut self, chance: &mut Chance) {
        let (sound, mut broken): (Vec<usize>, Vec<usize>) =
            (0..self.everyone.len()).partition(|one| self.everyone[*one].is_feasible());
        let places = self.size.min(sound.len());
        let fronts = front::fronts(&self.everyone, &sound, places);
        let mut kept = if self.directions.is_empty() {
            self.least_crowded(&fronts, places, chance)
        } else {
            survivors(&self.everyone, &fronts, places, &self.directions, &mut self.frame, chance)
        };
        broken.sort_by(|a, b| {
            let (one, other) = (&self.everyone[*a], &self.everyone[*b]);
            one.violation.total_cmp(&other.violation).then(a.cmp(b))
        });
        kept.extend(broken.into_iter().take(self.size.saturating_sub(kept.len())));
        let mut all: Rows<Option<Individual>> = std::mem::take(&mut self.everyone.0).into_iter().map(Some).collect();
        self.everyone = kept.into_iter().filter_map(|one| all[one].take()).collect();
    }

    fn least_crowded(&mut self, fronts: &[Vec<usize>], places: usize, chance: &mut Chance) -> Vec<usize> {
        let mut kept = Vec::with_capacity(places);
        for front in fronts {
            let mut order = front.clone();
            let left = places.saturating_sub(kept.len());
            if left < order.len() {
                // Among equals chance decides.
                chance.shuffle(&mut order);
            }
            kept.extend(least_crowded(&mut self.everyone, &order, left));
        }
        kept
    }
}

fn either(a: usize, b: usize, chance: &mut Chance) -> usize {
    if chance.happens(0.5) { a } else { b }
}

fn bits(genome: &[f64]) -> Vec<u64> {
    // −0 and 0 are one value.
    genome.iter().map(|value| (value + 0.0).to_bits()).collect()
}
