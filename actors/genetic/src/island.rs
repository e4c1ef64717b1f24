//! Islands: populations that evolve apart and send each other migrants, around a ring.
//!
//! Island *k* in epoch *e* begins with what it was after epoch *e* − 1, joined by what island *k* − 1 sent after that
//! epoch, and its chance is hash(seed, *k*, *e*). So an epoch is a function of its request, whoever computes it, wherever
//! and however often; and a search that is spread over a bus ends with the very bytes of one that ran in one place.

use schemas::evolution::{Cut, Dropped, Epoch, EpochDone, EvolutionProgress, Evolve, Evolved, Genome, IslandReport};
use schemas::limit::PPM;
use schemas::{ErrorReply, body};

use crate::chance::Chance;
use crate::deal::Deal;
use crate::front;
use crate::gene::Variation;
use crate::hypervolume::Yardstick;
use crate::problem::Individual;
use crate::reference::directions_for;
use crate::search::{FEW_OBJECTIVES, Search};

/// Most points of a front that progress shows.
const SHOWN: usize = 100;

/// A search that was read and can be worked on.
#[derive(Debug, Clone)]
pub struct Plan {
    evolve: Evolve,
    deal: Deal,
    yardstick: Yardstick,
}

impl Plan {
    /// Reads a search.
    ///
    /// # Errors
    /// 400 naming the field of a search that the contract refuses; 422 for terms that cannot be valued.
    pub fn read(evolve: &Evolve) -> Result<Self, ErrorReply> {
        body::Check::check(evolve).map_err(|error| ErrorReply::from(body::DecodeError::from(error)))?;
        let deal = Deal::read(&evolve.sought)?;
        Ok(Self { evolve: evolve.clone(), yardstick: deal.yardstick(), deal })
    }

    /// The island that sends to this one; `None` where it would be itself.
    #[must_use]
    pub fn sender(&self, island: u32) -> Option<u32> {
        let islands = self.evolve.islands;
        (islands > 1).then(|| if island == 0 { islands - 1 } else { island - 1 })
    }

    /// Whether an island is there in an epoch, by what the request says of dropped ones.
    #[must_use]
    pub fn is_there(&self, island: u32, epoch: u32) -> bool {
        !self.evolve.dropped.iter().any(|dropped| dropped.island == island && epoch >= dropped.epoch)
    }

    /// One epoch of one island. `stop` is asked often; once it says so, the epoch ends as it stands, and says so.
    pub fn epoch(
        &self,
        ask: &Epoch,
        stop: &mut dyn FnMut() -> bool,
        report: &mut dyn FnMut(&dyn Fn() -> EvolutionProgress),
    ) -> EpochDone {
        let Evolve { seed, population, epoch_generations, .. } = self.evolve;
        let chance = &mut Chance::of(seed, ask.island, ask.epoch);
        let objectives = self.deal.parties().len();
        let size = population as usize;
        let (variation, directions) = if objectives > FEW_OBJECTIVES {
            (Variation::for_many(), directions_for(objectives, size))
        } else {
            (Variation::default(), Vec::new())
        };
        let genomes = ask.population.iter().chain(&ask.migrants).map(|genome| self.deal.of_wire(genome)).collect();
        let first = u64::from(ask.epoch) * u64::from(epoch_generations);
        let end = (first + u64::from(epoch_generations)).min(self.evolve.generations());
        let mut search = Search::begin(&self.deal, variation, size, directions, genomes, chance);
        let mut done = EpochDone {
            population: Vec::new(),
            migrants: Vec::new(),
            evaluations: 0,
            hypervolume_ppm: Vec::new(),
            cut: false,
        };
        for generation in first..end {
            // The first population is the first generation.
            if generation > 0 && !search.step(chance, stop) {
                done.cut = true;
                break;
            }
            let best = front::best(search.everyone());
            let hypervolume_ppm = self.hypervolume_ppm(&best);
            done.hypervolume_ppm.push(hypervolume_ppm);
            report(&|| EvolutionProgress {
                island: ask.island,
                generation: generation + 1,
                evaluations: search.evaluations(),
                hypervolume_ppm,
                front: best
                    .iter()
                    .take(SHOWN)
                    .map(|one| one.costs.iter().map(|cost| -*cost as i64).collect())
                    .collect(),
            });
        }
        done.migrants = emigrants(search.everyone(), self.evolve.migrants as usize, chance);
        done.population = search.everyone().iter().map(Deal::to_wire).collect();
        done.evaluations = search.evaluations();
        done
    }

    fn hypervolume_ppm(&self, best: &[&Individual]) -> i64 {
        let share = self.yardstick.share(best.iter().map(|one| one.costs.as_slice()));
        (share * PPM as f64) as i64
    }

    /// The answer, from where the islands ended.
    ///
    /// # Errors
    /// 422 when an amount does not fit 64 bits.
    pub fn conclude(
        &self,
        islands: Vec<Island>,
        dropped: Vec<Dropped>,
        cut: Option<Cut>,
    ) -> Result<Evolved, ErrorReply> {
        let genomes = islands.iter().flat_map(|island| &island.population);
        let everyone: Vec<Individual> =
            genomes.map(|genome| Individual::born(&self.deal, self.deal.of_wire(genome))).collect();
        Ok(Evolved {
            front: self.deal.candidates(&everyone)?,
            hypervolume_ppm: self.hypervolume_ppm(&front::best(&everyone)),
            evaluations: islands.iter().map(|island| island.report.evaluations).sum(),
            islands: islands.into_iter().map(|island| island.report).collect(),
            dropped,
            cut,
            kept: None,
        })
    }

    /// The whole search in one place, island after island.
    ///
    /// # Errors
    /// As [`Plan::conclude`].
    pub fn run(
        &self,
        stop: &mut dyn FnMut() -> Option<Cut>,
        report: &mut dyn FnMut(&dyn Fn() -> EvolutionProgress),
    ) -> Result<Evolved, ErrorReply> {
        let mut islands: Vec<Island> = (0..self.evolve.islands).map(|_| Island::default()).collect();
        let mut cut = None;
        'search: for epoch in 0..self.evolve.epochs() {
            let sent: Vec<Vec<Genome>> =
                islands.iter_mut().map(|island| std::mem::take(&mut island.migrants)).collect();
            for (island, number) in islands.iter_mut().zip(0..) {
                if !self.is_there(number, epoch) {
                    continue;
                }
                let sender = self.sender(number).and_then(|sender| sent.get(sender as usize));
                let ask = Epoch {
                    evolve: self.evolve.clone(),
                    island: number,
                    epoch,
                    population: std::mem::take(&mut island.population),
                    migrants: sender.cloned().unwrap_or_default(),
                };
                let mut stopped = || {
                    cut = cut.or_else(&mut *stop);
                    cut.is_some()
                };
                let done = self.epoch(&ask, &mut stopped, &mut |progress| report(progress));
                island.take(done);
                if cut.is_some() {
                    break 'search;
                }
            }
        }
        self.conclude(islands, self.evolve.dropped.clone(), cut)
    }
}

/// Where an island stands.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Island {
    /// Its population.
    pub population: Vec<Genome>,
    /// What it sends on.
    pub migrants: Vec<Genome>,
    /// Epochs so far.
    pub epochs: u32,
    /// How it fared so far.
    pub report: IslandReport,
}

impl Island {
    /// Where it stands after another epoch.
    pub fn take(&mut self, done: EpochDone) {
        self.population = done.population;
        self.migrants = done.migrants;
        self.epochs = self.epochs.saturating_add(1);
        self.report.evaluations = self.report.evaluations.saturating_add(done.evaluations);
        self.report.hypervolume_ppm.extend(done.hypervolume_ppm);
    }
}

/// Who goes: some of the best, by lot; where nobody keeps the constraints, those who break them least.
fn emigrants(everyone: &[Individual], count: usize, chance: &mut Chance) -> Vec<Genome> {
    let mut best = front::best(everyone);
    if best.is_empty() {
        best = everyone.iter().collect();
        best.sort_by(|a, b| a.violation.total_cmp(&b.violation));
        best.truncate(count);
    }
    chance.shuffle(&mut best);
    best.into_iter().take(count).map(Deal::to_wire).collect()
}
