//! A deal as a problem: its quantities are the genes, each party's gain is an objective.
//!
//! What one party gives another receives, so whatever the genes say, everything is conserved; repair keeps what parties
//! give and take within their caps, by moving less in proportion. Gains are linear in the quantities, and their
//! coefficients are what the crate `terms` says one lot of each transfer is worth: so the search never has an arithmetic
//! of its own, and what it finds is valued by `terms` again, exactly, before anyone hears of it.
//!
//! Floats guide the search and decide nothing: terms that they take for good and that are not, exactly, are left out.

use std::collections::{BTreeMap, BTreeSet};

use schemas::deal::{Terms, Transfer};
use schemas::evolution::{Candidate, Cap, Genome, Movable, Sought};
use schemas::{AgentId, ErrorReply, Quantity};

use crate::front;
use crate::gene::Gene;
use crate::hypervolume::Yardstick;
use crate::problem::{Individual, Problem};

/// A shortage this small, as a share of what a party gives, may be the floats' own.
const TOLERANCE: f64 = 1e-12;

/// What one lot of a transfer means to one of its two parties.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Side {
    /// The party, by its place.
    party: usize,
    /// What it is worth to the receiver, what it costs the giver: at central values.
    central: f64,
    /// The same at the party's worst corner, with the giver's margin on top.
    worst: f64,
}

/// One transfer.
#[derive(Debug, Clone, PartialEq)]
struct Lane {
    lot: i64,
    gives: Side,
    takes: Side,
}

/// Transfers that together move at most so much.
#[derive(Debug, Clone, PartialEq)]
struct Bound {
    most: i64,
    /// What the least of all these transfers comes to.
    least: i128,
    lanes: Vec<Bounded>,
}

/// A transfer under a bound.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Bounded {
    lane: usize,
    /// Its least, in lots.
    least: i64,
    lot: i64,
}

/// A deal that is sought.
#[derive(Debug, Clone)]
pub struct Deal {
    sought: Sought,
    parties: Vec<AgentId>,
    genes: Vec<Gene>,
    lanes: Vec<Lane>,
    bounds: Vec<Bound>,
    welfare: f64,
}

impl Deal {
    /// Reads what is sought.
    ///
    /// # Errors
    /// 422 for a giver that states no cost, and what else `terms` refuses.
    pub fn read(sought: &Sought) -> Result<Self, ErrorReply> {
        let parties: BTreeSet<&AgentId> = sought.valuations.iter().map(|stated| &stated.party).collect();
        let parties: Vec<AgentId> = parties.into_iter().cloned().collect();
        let one = |movable: &Movable| transfer(movable, movable.lot.unwrap_or(Quantity::ONE));
        let terms = Terms {
            book: sought.book.clone(),
            parties: parties.clone(),
            transfers: sought.transfers.iter().map(one).collect(),
            delivery: sought.delivery,
            expires_unix_ms: sought.expires_unix_ms,
            award: None,
        };
        let mut sides: BTreeMap<(usize, bool), Side> = BTreeMap::new();
        for (party, worth) in terms::appraise(&terms, &sought.valuations)?.into_iter().enumerate() {
            for part in &worth.parts {
                let central = part.amount.central().to_f64();
                let worst = if part.is_receipt {
                    part.amount.lo.to_f64()
                } else {
                    part.amount.hi.with_margin(worth.margin_ppm).to_f64()
                };
                sides.insert((part.transfer, part.is_receipt), Side { party, central, worst });
            }
        }
        let none = Side { party: 0, central: 0.0, worst: 0.0 };
        let side = |index: usize, is_receipt: bool| sides.get(&(index, is_receipt)).copied().unwrap_or(none);
        let lanes: Vec<Lane> = sought
            .transfers
            .iter()
            .enumerate()
            .map(|(index, movable)| Lane {
                lot: movable.lot.map_or(1, Quantity::get),
                gives: side(index, false),
                takes: side(index, true),
            })
            .collect();
        let genes: Vec<Gene> =
            sought.transfers.iter().zip(&lanes).map(|(movable, lane)| gene(movable, lane.lot)).collect();
        let welfare = lanes
            .iter()
            .zip(&genes)
            .map(|(lane, gene)| (lane.takes.central - lane.gives.central).max(0.0) * most(*gene));
        Ok(Self {
            sought: sought.clone(),
            parties,
            welfare: welfare.sum(),
            bounds: sought.caps.iter().flat_map(|cap| bounds(cap, &sought.transfers)).collect(),
            genes,
            lanes,
        })
    }

    /// The parties, in the order of the objectives.
    #[must_use]
    pub fn parties(&self) -> &[AgentId] {
        &self.parties
    }

    /// What its fronts are measured with: no terms make more welfare than all those transfers together that make any.
    #[must_use]
    pub fn yardstick(&self) -> Yardstick {
        Yardstick::new(self.parties.len(), self.welfare)
    }

    /// A genome as it goes between islands: lots, transfer by transfer.
    #[must_use]
    pub fn to_wire(individual: &Individual) -> Genome {
        individual.genome.iter().map(|lots| *lots as i64).collect()
    }

    /// And back.
    #[allow(clippy::cast_precision_loss)] // at most 2⁵³
    #[must_use]
    pub fn of_wire(&self, genome: &Genome) -> Vec<f64> {
        self.genes.iter().zip(genome).map(|(gene, lots)| gene.nearest(*lots as f64)).collect()
    }

    /// The terms that a genome stands for; `None` where nothing moves.
    #[must_use]
    pub fn terms(&self, genome: &[f64]) -> Option<Terms> {
        let moved = self.sought.transfers.iter().zip(&self.lanes).zip(genome);
        let transfers: Vec<Transfer> = moved
            .filter_map(|((movable, lane), lots)| {
                let quantity = (*lots as i64).checked_mul(lane.lot)?;
                Some(transfer(movable, Quantity::new(quantity).ok()?))
            })
            .collect();
        let active: BTreeSet<&AgentId> = transfers.iter().flat_map(|transfer| [&transfer.from, &transfer.to]).collect();
        let parties: Vec<AgentId> = active.into_iter().cloned().collect();
        (!transfers.is_empty()).then(|| Terms {
            book: self.sought.book.clone(),
            parties,
            transfers,
            delivery: self.sought.delivery,
            expires_unix_ms: self.sought.expires_unix_ms,
            award: None,
        })
    }

    /// The best terms of a population, exactly: every party is satisfied, and none of them is at least as good for
    /// everybody as another and better for somebody, by the figures given. In the order of falling welfare.
    ///
    /// # Errors
    /// 422 when an amount does not fit 64 bits.
    pub fn candidates(&self, everyone: &[Individual]) -> Result<Vec<Candidate>, ErrorReply> {
        let mut found: Vec<(Vec<i64>, Candidate)> = Vec::new();
        for one in front::best(everyone) {
            let Some(terms) = self.terms(&one.genome) else { continue };
            let stated: Vec<_> =
                self.sought.valuations.iter().filter(|v| terms.parties.contains(&v.party)).cloned().collect();
            let worths = terms::appraise(&terms, &stated)?;
            if !worths.iter().all(terms::Worth::is_satisfied) {
                continue;
            }
            let parties = worths.iter().map(terms::Worth::to_wire).collect::<Result<Vec<_>, _>>()?;
            let welfare_minor = terms::welfare_minor(&parties)?;
            let gain = |who: &AgentId| parties.iter().find(|p| p.party == *who).map_or(0, |p| p.gain_minor);
            let gains: Vec<i64> = self.parties.iter().map(gain).collect();
            found.push((gains, Candidate { terms, parties, welfare_minor }));
        }
        found.sort_by(|(a, one), (b, other)| other.welfare_minor.cmp(&one.welfare_minor).then_with(|| b.cmp(a)));
        let mut kept: Vec<(Vec<i64>, Candidate)> = Vec::new();
        for (gains, candidate) in found {
            // Whoever is as good for everybody has at least as much welfare, so it stands before.
            let beaten = |(other, _): &(Vec<i64>, Candidate)| other.iter().zip(&gains).all(|(a, b)| a >= b);
            if !kept.iter().any(beaten) {
                kept.push((gains, candidate));
            }
        }
        Ok(kept.into_iter().map(|(_, candidate)| candidate).collect())
    }

    /// The whole of it as plain figures, for whoever would solve it with other tools: gains, shortages, bounds.
    #[must_use]
    pub fn figures(&self) -> Figures {
        let ends = |gene: &Gene| match gene {
            Gene::Whole { lo, hi } => (*lo, *hi),
            Gene::Real { .. } => (0, 0),
        };
        let bound = |bound: &Bound| (bound.most, bound.lanes.iter().map(|bounded| bounded.lane).collect());
        Figures {
            parties: self.parties.len(),
            ends: self.genes.iter().map(ends).collect(),
            lots: self.lanes.iter().map(|lane| lane.lot).collect(),
            gives: self.lanes.iter().map(|lane| (lane.gives.party, lane.gives.central, lane.gives.worst)).collect(),
            takes: self.lanes.iter().map(|lane| (lane.takes.party, lane.takes.central, lane.takes.worst)).collect(),
            bounds: self.bounds.iter().map(bound).collect(),
        }
    }
}

/// A deal in plain figures, transfer by transfer.
#[derive(Debug, Clone, PartialEq)]
pub struct Figures {
    /// How many parties.
    pub parties: usize,
    /// Least and most, in lots.
    pub ends: Vec<(i64, i64)>,
    /// Minor units in a lot.
    pub lots: Vec<i64>,
    /// Who gives, and what a lot costs it: at central values, and at worst with its margin.
    pub gives: Vec<(usize, f64, f64)>,
    /// Who takes, and what a lot is worth to it: at central values, and at worst.
    pub takes: Vec<(usize, f64, f64)>,
    /// At most so many minor units over these transfers.
    pub bounds: Vec<(i64, Vec<usize>)>,
}

fn transfer(movable: &Movable, quantity: Quantity) -> Transfer {
    Transfer {
        from: movable.from.clone(),
        to: movable.to.clone(),
        good: movable.good.clone(),
        quantity,
        due_unix_ms: movable.due_unix_ms,
        intent: movable.intent.clone(),
    }
}

fn gene(movable: &Movable, lot: i64) -> Gene {
    Gene::Whole { lo: least(movable, lot), hi: movable.most.get() / lot }
}

/// The least that may be moved, in lots.
fn least(movable: &Movable, lot: i64) -> i64 {
    i64::try_from((i128::from(movable.least) + i128::from(lot) - 1) / i128::from(lot)).unwrap_or(0)
}

#[allow(clippy::cast_precision_loss)] // at most 2⁵³
fn most(gene: Gene) -> f64 {
    match gene {
        Gene::Whole { hi, .. } => hi as f64,
        Gene::Real { hi, .. } => hi,
    }
}

fn bounds(cap: &Cap, transfers: &[Movable]) -> Vec<Bound> {
    let lanes = |gives: bool| {
        let own = |movable: &Movable| {
            movable.good == cap.good && cap.party == *if gives { &movable.from } else { &movable.to }
        };
        let bounded = |(lane, movable): (usize, &Movable)| {
            let lot = movable.lot.map_or(1, Quantity::get);
            Bounded { lane, least: least(movable, lot), lot }
        };
        transfers.iter().enumerate().filter(|(_, movable)| own(movable)).map(bounded).collect::<Vec<_>>()
    };
    let bound = |most: Quantity, lanes: Vec<Bounded>| {
        let least = lanes.iter().map(|bounded| i128::from(bounded.least) * i128::from(bounded.lot)).sum();
        Bound { most: most.get(), least, lanes }
    };
    [(cap.gives, true), (cap.takes, false)]
        .into_iter()
        .filter_map(|(most, gives)| Some(bound(most?, lanes(gives))))
        .filter(|bound| !bound.lanes.is_empty())
        .collect()
}

impl Problem for Deal {
    fn genes(&self) -> &[Gene] {
        &self.genes
    }

    fn objectives(&self) -> usize {
        self.parties.len()
    }

    /// Moves less over each bound that is exceeded, in proportion to what is above the least. Less over one never
    /// exceeds another.
    #[allow(clippy::cast_precision_loss)] // at most 2⁵³
    fn repair(&self, genome: &mut [f64]) {
        for Bound { most, least, lanes } in &self.bounds {
            let quantity = |bounded: &Bounded| {
                i128::from(genome.get(bounded.lane).map_or(0, |lots| *lots as i64)) * i128::from(bounded.lot)
            };
            let whole: i128 = lanes.iter().map(quantity).sum();
            if whole <= i128::from(*most) {
                continue;
            }
            let (room, above) = ((i128::from(*most) - least).max(0), (whole - least).max(1));
            for bounded in lanes {
                if let Some(lots) = genome.get_mut(bounded.lane) {
                    // 2⁵³ lots over 2⁶³ minor units fit 128 bits, and what is left of the lots fits 64.
                    let more = i128::from(*lots as i64 - bounded.least) * room / above;
                    *lots = (bounded.least + more as i64) as f64;
                }
            }
        }
    }

    /// What each party loses; and by how much parties fall short of what they give, as shares of that.
    fn evaluate(&self, genome: &[f64], costs: &mut [f64]) -> f64 {
        costs.fill(0.0);
        let mut given = vec![0.0; costs.len()];
        let mut received = vec![0.0; costs.len()];
        for (lane, lots) in self.lanes.iter().zip(genome) {
            for (side, sign, worst) in [(&lane.gives, 1.0, &mut given), (&lane.takes, -1.0, &mut received)] {
                if let (Some(cost), Some(worst)) = (costs.get_mut(side.party), worst.get_mut(side.party)) {
                    *cost += sign * side.central * lots;
                    *worst += side.worst * lots;
                }
            }
        }
        let short = |(given, received): (&f64, &f64)| {
            let short = if *given > 0.0 { (given - received) / given } else { 0.0 };
            if short > TOLERANCE { short } else { 0.0 }
        };
        given.iter().zip(&received).map(short).sum()
    }
}
