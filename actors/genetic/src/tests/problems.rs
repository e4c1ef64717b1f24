//! The search on problems whose fronts are known.

use crate::chance::Chance;
use crate::front;
use crate::gene::{Gene, Variation};
use crate::problem::{Individual, Problem};
use crate::reference::directions;
use crate::search::Search;

/// ZDT1: a convex front, f₂ = 1 − √f₁, where all genes but the first are 0.
struct Zdt1(Vec<Gene>);

impl Problem for Zdt1 {
    fn genes(&self) -> &[Gene] {
        &self.0
    }
    fn objectives(&self) -> usize {
        2
    }
    fn evaluate(&self, genome: &[f64], costs: &mut [f64]) -> f64 {
        let g = 1.0 + 9.0 * genome[1..].iter().sum::<f64>() / (genome.len() - 1) as f64;
        costs[0] = genome[0];
        costs[1] = g * (1.0 - (genome[0] / g).sqrt());
        0.0
    }
}

/// DTLZ2: a sphere's part, Σ f² = 1.
struct Dtlz2(Vec<Gene>, usize);

impl Problem for Dtlz2 {
    fn genes(&self) -> &[Gene] {
        &self.0
    }
    fn objectives(&self) -> usize {
        self.1
    }
    fn evaluate(&self, genome: &[f64], costs: &mut [f64]) -> f64 {
        let (angles, rest) = genome.split_at(self.1 - 1);
        let g: f64 = rest.iter().map(|x| (x - 0.5).powi(2)).sum();
        for (objective, cost) in costs.iter_mut().enumerate() {
            let turns = angles.iter().take(self.1 - 1 - objective).map(|x| (x * std::f64::consts::FRAC_PI_2).cos());
            *cost = (1.0 + g) * turns.product::<f64>();
            if objective > 0 {
                *cost *= (angles[self.1 - 1 - objective] * std::f64::consts::FRAC_PI_2).sin();
            }
        }
        0.0
    }
}

/// Whole numbers x, y from 0 to 20: |x − 15| and |y − 5| + x, where x + y must be even and at least 12.
struct Grid(Vec<Gene>);

impl Problem for Grid {
    fn genes(&self) -> &[Gene] {
        &self.0
    }
    fn objectives(&self) -> usize {
        2
    }
    fn evaluate(&self, genome: &[f64], costs: &mut [f64]) -> f64 {
        let (x, y) = (genome[0], genome[1]);
        costs[0] = (x - 15.0).abs();
        costs[1] = (y - 5.0).abs() + x;
        (x + y) % 2.0 + (12.0 - x - y).max(0.0)
    }
}

fn evolved(
    problem: &dyn Problem,
    size: usize,
    generations: u32,
    directions: Vec<Vec<f64>>,
    seed: u64,
) -> Vec<Individual> {
    let chance = &mut Chance::of(seed, 0, 0);
    let variation = if directions.is_empty() { Variation::default() } else { Variation::for_many() };
    let mut search = Search::begin(problem, variation, size, directions, Vec::new(), chance);
    for _ in 1..generations {
        assert!(search.step(chance, &mut || false));
    }
    assert_eq!(search.everyone().len(), size);
    assert!(search.evaluations() <= size as u64 * u64::from(generations));
    search.everyone().to_vec()
}

const UNIT: Gene = Gene::Real { lo: 0.0, hi: 1.0 };

#[test]
fn two_objectives_reach_and_cover_the_front() {
    let everyone = evolved(&Zdt1(vec![UNIT; 30]), 100, 250, Vec::new(), 1);
    let best = front::best(&everyone);
    assert!(best.len() > 80);
    for one in &best {
        assert!((one.costs[1] - (1.0 - one.costs[0].sqrt())).abs() < 0.04, "{:?}", one.costs);
    }
    let gaps: Vec<f64> = best.windows(2).map(|pair| pair[1].costs[0] - pair[0].costs[0]).collect();
    assert!(gaps.iter().all(|gap| *gap < 0.06), "{gaps:?}");
    assert!(best[0].costs[0] < 0.01 && best[best.len() - 1].costs[0] > 0.99);
}

#[test]
fn many_objectives_reach_the_front_near_every_direction() {
    let directions = directions(5, 4);
    let everyone = evolved(&Dtlz2(vec![UNIT; 14], 5), 100, 250, directions.clone(), 1);
    let best = front::best(&everyone);
    for one in &best {
        let radius = one.costs.iter().map(|cost| cost * cost).sum::<f64>().sqrt();
        assert!((0.999..1.06).contains(&radius), "{radius}");
    }
    let near = |direction: &&Vec<f64>| {
        let length = direction.iter().map(|d| d * d).sum::<f64>().sqrt();
        best.iter().any(|one| one.costs.iter().zip(*direction).map(|(c, d)| c * d / length).sum::<f64>() > 0.985)
    };
    assert!(directions.iter().filter(near).count() >= 65);
}

#[test]
fn whole_numbers_under_constraints_are_found_exactly() {
    let grid = Grid(vec![Gene::Whole { lo: 0, hi: 20 }; 2]);
    let all: Vec<Individual> = (0..=20)
        .flat_map(|x| (0..=20).map(move |y| vec![f64::from(x), f64::from(y)]))
        .map(|genome| Individual::born(&grid, genome))
        .collect();
    let expected: Vec<&Vec<f64>> = front::best(&all).iter().map(|one| &one.costs).collect();
    let everyone = evolved(&grid, 60, 60, Vec::new(), 3);
    let found: Vec<&Vec<f64>> = front::best(&everyone).iter().map(|one| &one.costs).collect();
    assert_eq!(found, expected);
}

#[test]
fn the_same_seed_gives_the_same_population_and_another_another() {
    let problem = Zdt1(vec![UNIT; 10]);
    let run = |seed| evolved(&problem, 20, 30, Vec::new(), seed);
    assert_eq!(run(5), run(5));
    assert_ne!(run(5), run(6));
}

#[test]
fn it_stops_when_told_and_keeps_what_it_had() {
    let problem = Zdt1(vec![UNIT; 10]);
    let chance = &mut Chance::of(1, 0, 0);
    let mut search = Search::begin(&problem, Variation::default(), 20, Vec::new(), Vec::new(), chance);
    let before = search.everyone().to_vec();
    let mut asked = 0;
    let mut stop = || {
        asked += 1;
        asked > 4
    };
    assert!(!search.step(chance, &mut stop));
    assert_eq!(search.everyone(), before);
}
