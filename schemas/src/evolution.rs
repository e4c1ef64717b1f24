//! Evolving terms: what `genetic.evolve` and its islands read and answer.
//!
//! A deal's terms are sought whose quantities lie within given bounds; every party's gain is an objective of its own, so
//! the answer is a front: terms of which none is better for everybody than another.

use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::body::Refused;
use crate::deal::{Delivery, IntentRef, Terms};
use crate::hash::Hash;
use crate::id::{AgentId, Good, JobId, MarketId};
use crate::limit::{
    MAX_EVALUATIONS, MAX_GENE, MAX_GENERATIONS, MAX_ISLANDS, MAX_PARTIES, MAX_POPULATION, MAX_TRANSFERS,
};
use crate::quantity::Quantity;
use crate::value::{PartyValuation, PartyWorth, unique};

/// A transfer that the terms may have, and how much it may move.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Movable {
    /// The giver.
    pub from: AgentId,
    /// The receiver.
    pub to: AgentId,
    /// The good.
    pub good: Good,
    /// At least this much, in minor units; 0, the default, for a transfer that the terms may do without.
    #[serde(default)]
    pub least: i64,
    /// At most this much, in minor units.
    pub most: Quantity,
    /// The lot that it comes in, in minor units; left out, any number of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lot: Option<Quantity>,
    /// When it must be there, in Unix milliseconds.
    pub due_unix_ms: i64,
    /// The giver's intent that it fills, if any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub intent: Option<IntentRef>,
}

/// How much of a good a party gives and takes at most, over all transfers together.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Cap {
    /// The party.
    pub party: AgentId,
    /// The good.
    pub good: Good,
    /// At most this much is given, in minor units; left out, no limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gives: Option<Quantity>,
    /// At most this much is taken, in minor units; left out, no limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub takes: Option<Quantity>,
}

/// What terms are sought.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Sought {
    /// The ledger's book.
    pub book: MarketId,
    /// Whether commit settles, or receivers confirm.
    pub delivery: Delivery,
    /// Until when the terms can be accepted, in Unix milliseconds.
    pub expires_unix_ms: i64,
    /// The transfers that they may have: one gene each.
    pub transfers: Vec<Movable>,
    /// What parties give and take at most.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub caps: Vec<Cap>,
    /// Each party's valuation. Whoever has one is a party.
    pub valuations: Vec<PartyValuation>,
}

impl Sought {
    /// Refuses what could be no terms, or lies outside the limits.
    ///
    /// # Errors
    /// Naming the field under `field`.
    pub fn check(&self, field: &str) -> Result<(), Refused> {
        let at = |place: String| format!("{field}.{place}");
        if !(2..=MAX_PARTIES).contains(&self.valuations.len()) {
            return Err(Refused::new(at("valuations".into()), format!("2 to {MAX_PARTIES} parties")));
        }
        unique(self.valuations.iter().map(|v| &v.party), &at("valuations".into()))?;
        for (index, stated) in self.valuations.iter().enumerate() {
            stated.valuation.check(&at(format!("valuations[{index}].valuation")))?;
        }
        let is_party = |who: &AgentId| self.valuations.iter().any(|stated| stated.party == *who);
        if self.transfers.is_empty() || self.transfers.len() > MAX_TRANSFERS {
            return Err(Refused::new(at("transfers".into()), format!("1 to {MAX_TRANSFERS} transfers")));
        }
        for (index, span) in self.transfers.iter().enumerate() {
            let place = |name: &str| at(format!("transfers[{index}].{name}"));
            for (name, who) in [("from", &span.from), ("to", &span.to)] {
                if !is_party(who) {
                    return Err(Refused::new(place(name), format!("{who} has no valuation")));
                }
            }
            if span.from == span.to {
                return Err(Refused::new(place("to"), "gives to itself"));
            }
            if span.least < 0 {
                return Err(Refused::new(place("least"), "must not be negative"));
            }
            if span.least > span.most.get() {
                return Err(Refused::new(place("least"), format!("{} exceeds most {}", span.least, span.most)));
            }
            let lot = span.lot.map_or(1, Quantity::get);
            if span.most.get() / lot > MAX_GENE {
                return Err(Refused::new(place("most"), format!("at most {MAX_GENE} lots")));
            }
            if span.smallest() > i128::from(span.most.get()) {
                return Err(Refused::new(place("lot"), format!("no multiple of {lot} lies between least and most")));
            }
            if span.due_unix_ms < self.expires_unix_ms {
                return Err(Refused::new(place("due_unix_ms"), "due before the terms expire"));
            }
        }
        let idle = |stated: &&PartyValuation| {
            !self.transfers.iter().any(|span| span.from == stated.party || span.to == stated.party)
        };
        if let Some(idle) = self.valuations.iter().find(idle) {
            return Err(Refused::new(at("valuations".into()), format!("{} neither gives nor receives", idle.party)));
        }
        self.check_caps(field)
    }

    fn check_caps(&self, field: &str) -> Result<(), Refused> {
        let mut seen = BTreeSet::new();
        for (index, cap) in self.caps.iter().enumerate() {
            let place = format!("{field}.caps[{index}]");
            if !self.valuations.iter().any(|stated| stated.party == cap.party) {
                return Err(Refused::new(format!("{place}.party"), format!("{} has no valuation", cap.party)));
            }
            if !seen.insert((&cap.party, &cap.good)) {
                return Err(Refused::new(place, format!("{} of {} stands twice", cap.good, cap.party)));
            }
            for (name, most, gives) in [("gives", cap.gives, true), ("takes", cap.takes, false)] {
                let Some(most) = most else { continue };
                let own =
                    |span: &&Movable| span.good == cap.good && cap.party == *if gives { &span.from } else { &span.to };
                let least: i128 = self.transfers.iter().filter(own).map(|span| span.smallest()).sum();
                if least > i128::from(most.get()) {
                    let reason = format!("{most} is less than the {least} that its transfers move at least");
                    return Err(Refused::new(format!("{place}.{name}"), reason));
                }
            }
        }
        Ok(())
    }
}

impl Movable {
    /// The least whole number of lots, in minor units.
    fn smallest(&self) -> i128 {
        let lot = self.lot.map_or(1, Quantity::get);
        let (least, lot) = (i128::from(self.least), i128::from(lot));
        (least + lot - 1) / lot * lot
    }
}

/// Terms are evolved so: budgets are evaluations, so that the same request has the same answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename = "genetic.evolve")]
pub struct Evolve {
    /// What terms are sought.
    pub sought: Sought,
    /// The seed of all its chance.
    #[serde(default)]
    pub seed: u64,
    /// How many terms are evaluated, over all islands. Rounded down to whole generations, at least one on each island.
    #[serde(default = "default_evaluations")]
    pub evaluations: u64,
    /// Terms in an island's population.
    #[serde(default = "default_population")]
    pub population: u32,
    /// Populations that evolve apart, each on its own processor where there are as many, and send each other migrants.
    #[serde(default = "default_islands")]
    pub islands: u32,
    /// Generations from one migration to the next.
    #[serde(default = "default_epoch")]
    pub epoch_generations: u32,
    /// Terms that each island sends to the next in an epoch.
    #[serde(default = "default_migrants")]
    pub migrants: u32,
    /// Islands that are to be dropped, as an earlier run had to: with them it is repeated exactly.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub dropped: Vec<Dropped>,
    /// How long it may compute, in milliseconds; left out, until the budget is spent. What the clock cuts says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time_limit_ms: Option<u32>,
}

fn default_evaluations() -> u64 {
    40_000
}
fn default_population() -> u32 {
    100
}
fn default_islands() -> u32 {
    1
}
fn default_epoch() -> u32 {
    25
}
fn default_migrants() -> u32 {
    5
}

crate::message!(Evolve, "genetic.evolve", |evolve| {
    evolve.sought.check("sought")?;
    let within = |field: &str, value: u64, least: u64, most: u64| {
        let good = (least..=most).contains(&value);
        if good { Ok(()) } else { Err(Refused::new(field, format!("{least} to {most}"))) }
    };
    within("evaluations", evolve.evaluations, 1, MAX_EVALUATIONS)?;
    within("population", evolve.population.into(), 4, MAX_POPULATION.into())?;
    within("islands", evolve.islands.into(), 1, MAX_ISLANDS.into())?;
    within("epoch_generations", evolve.epoch_generations.into(), 1, MAX_GENERATIONS.into())?;
    within("migrants", evolve.migrants.into(), 0, u64::from(evolve.population / 2))?;
    if evolve.generations() > u64::from(MAX_GENERATIONS) {
        return Err(Refused::new("evaluations", format!("more than {MAX_GENERATIONS} generations")));
    }
    if evolve.time_limit_ms == Some(0) {
        return Err(Refused::new("time_limit_ms", "must be positive"));
    }
    for (index, dropped) in evolve.dropped.iter().enumerate() {
        if dropped.island >= evolve.islands {
            return Err(Refused::new(format!("dropped[{index}].island"), "no such island"));
        }
        if evolve.dropped.iter().take(index).any(|other| other.island == dropped.island) {
            return Err(Refused::new(format!("dropped[{index}].island"), "dropped twice"));
        }
    }
    if evolve.dropped.len() >= evolve.islands as usize {
        return Err(Refused::new("dropped", "one island at least is to stay"));
    }
    Ok(())
});

impl Evolve {
    /// Generations on each island, the first population counted.
    #[must_use]
    pub fn generations(&self) -> u64 {
        (self.evaluations / u64::from(self.islands.max(1)) / u64::from(self.population.max(1))).max(1)
    }

    /// Epochs of each island; the last may be shorter.
    #[must_use]
    pub fn epochs(&self) -> u32 {
        let epochs = self.generations().div_ceil(u64::from(self.epoch_generations.max(1)));
        u32::try_from(epochs).unwrap_or(u32::MAX)
    }
}

/// An island that nobody could be found for any more, from this epoch on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Dropped {
    /// The island, from 0.
    pub island: u32,
    /// The first epoch that it did not complete, from 0.
    pub epoch: u32,
}

/// Why a search ended before its budget was spent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Cut {
    /// It was cancelled, or its deadline passed.
    Stopped,
    /// Its own time limit passed.
    TimeLimit,
}

/// Terms that were found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Candidate {
    /// The terms.
    pub terms: Terms,
    /// What they are worth to each party, exactly, in the order of the terms.
    pub parties: Vec<PartyWorth>,
    /// Σ of the central gains, in minor units of account.
    pub welfare_minor: i64,
}

/// How an island fared.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct IslandReport {
    /// Terms that it evaluated.
    pub evaluations: u64,
    /// The hypervolume of its front after each generation, as a share of the box from no gain to the most that each
    /// party could gain, in parts per million. Computed up to three parties, beyond that estimated over a thousand
    /// points.
    pub hypervolume_ppm: Vec<i64>,
}

/// The answer of `genetic.evolve`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename = "genetic.evolved")]
pub struct Evolved {
    /// Terms with which every party is satisfied, and of which none is better for everybody than another: in the order
    /// of falling welfare. Empty where none were found.
    pub front: Vec<Candidate>,
    /// The front's hypervolume, as in [`IslandReport::hypervolume_ppm`].
    pub hypervolume_ppm: i64,
    /// Terms that were evaluated, over all islands.
    pub evaluations: u64,
    /// Island by island.
    pub islands: Vec<IslandReport>,
    /// Islands that were dropped.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub dropped: Vec<Dropped>,
    /// Why it ended before its budget was spent; then, and only then, the same request may have another answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cut: Option<Cut>,
    /// Where the whole answer is kept, when it is too large for a message: then `front` holds only its first ones, and
    /// `islands` nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kept: Option<Kept>,
}
crate::message!(Evolved, "genetic.evolved");

/// How far a search is: what a job tells of itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename = "genetic.progress")]
pub struct EvolutionProgress {
    /// The island that tells.
    pub island: u32,
    /// Its generations so far.
    pub generation: u64,
    /// Terms that it has evaluated so far.
    pub evaluations: u64,
    /// The hypervolume of its front, as in [`IslandReport::hypervolume_ppm`].
    pub hypervolume_ppm: i64,
    /// Its front: what each party gains, in the order of the terms' parties, in minor units of account, about.
    pub front: Vec<Vec<i64>>,
}
crate::message!(EvolutionProgress, "genetic.progress");

/// Asks `genetic.result` for the answer of a job: of a search that carried `Hms-Job`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename = "genetic.result")]
pub struct ShowResult {
    /// The job.
    pub job: JobId,
}
crate::message!(ShowResult, "genetic.result");

/// An object of the bus's object store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Kept {
    /// The bucket.
    pub bucket: String,
    /// The object's name there.
    pub name: String,
    /// Its size, in bytes: a body of type `genetic.evolved`.
    pub size_bytes: u64,
    /// Its SHA-256.
    pub hash: Hash,
    /// Terms in its front.
    pub candidates: u64,
}

/// Asks `genetic.epoch` for one epoch of one island. All that the epoch depends on is here, so that whoever repeats it
/// repeats it exactly.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename = "genetic.epoch")]
pub struct Epoch {
    /// The search.
    pub evolve: Evolve,
    /// The island, from 0.
    pub island: u32,
    /// The epoch, from 0.
    pub epoch: u32,
    /// Its population after the epoch before; empty in the first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub population: Vec<Genome>,
    /// What the island before it sent after the epoch before; empty in the first, or where that one was dropped.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub migrants: Vec<Genome>,
}

/// Quantities, in lots, in the order of the transfers.
pub type Genome = Vec<i64>;

crate::message!(Epoch, "genetic.epoch", |epoch| {
    crate::body::Check::check(&epoch.evolve).map_err(|e| Refused::new(format!("evolve.{}", e.field), e.reason))?;
    if epoch.island >= epoch.evolve.islands {
        return Err(Refused::new("island", "no such island"));
    }
    if epoch.epoch >= epoch.evolve.epochs() {
        return Err(Refused::new("epoch", "no such epoch"));
    }
    check_genomes("population", &epoch.population, epoch.evolve.population as usize, &epoch.evolve.sought.transfers)?;
    check_genomes("migrants", &epoch.migrants, epoch.evolve.migrants as usize, &epoch.evolve.sought.transfers)
});

fn check_genomes(field: &str, genomes: &[Genome], most: usize, movables: &[Movable]) -> Result<(), Refused> {
    if genomes.len() > most {
        return Err(Refused::new(field, format!("at most {most}")));
    }
    for (index, genome) in genomes.iter().enumerate() {
        if genome.len() != movables.len() {
            return Err(Refused::new(format!("{field}[{index}]"), format!("{} transfers", movables.len())));
        }
        if let Some(at) = genome.iter().position(|lots| !(0..=MAX_GENE).contains(lots)) {
            return Err(Refused::new(format!("{field}[{index}][{at}]"), format!("0 to {MAX_GENE} lots")));
        }
    }
    Ok(())
}

/// The answer of `genetic.epoch`, and an island's checkpoint.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename = "genetic.epoch.done")]
pub struct EpochDone {
    /// The population after the epoch.
    pub population: Vec<Genome>,
    /// What it sends to the next island.
    pub migrants: Vec<Genome>,
    /// Terms that the epoch evaluated.
    pub evaluations: u64,
    /// The hypervolume after each of its generations, as in [`IslandReport::hypervolume_ppm`].
    pub hypervolume_ppm: Vec<i64>,
    /// Whether it was told to stop before its end: then it is none that may be built on.
    #[serde(default)]
    pub cut: bool,
}
crate::message!(EpochDone, "genetic.epoch.done");

/// An entry of an island's log: a checkpoint, or that the island was dropped.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename = "genetic.checkpoint")]
pub struct Checkpoint {
    /// The SHA-256 of the search, as `genetic.evolve`: a job that is asked for again with another search starts anew.
    pub search: Hash,
    /// The epoch.
    pub epoch: u32,
    /// Where the island stands after it; left out where the island was dropped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub done: Option<EpochDone>,
}
crate::message!(Checkpoint, "genetic.checkpoint");
