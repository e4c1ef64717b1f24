//! Who among those left out might still exchange something, and what is sought among them.
//!
//! Seen from the goods, a party turns a good that it wants into one that it gives, at the rate that it is at least
//! satisfied with. A chain of parties that leads from a good back to it, at rates that multiply to more than one, leaves
//! something for everybody. Such chains may be longer than the market's rings, and where several run through the same
//! goods, the terms that are best for all need not be rings at all. So the parties of the best chain, and the next best
//! for each of its steps, are a pool; what they could give one another are the transfers that are sought. A search
//! decides the quantities. Rates guide, in floats; what is found is valued exactly by whoever finds it.

use std::collections::{BTreeMap, BTreeSet};

use schemas::clearing::Offer;
use schemas::deal::{IntentRef, Terms};
use schemas::evolution::{Candidate, Cap, Evolve, Evolved, Movable, Sought};
use schemas::limit::{MAX_GENE, MAX_TRANSFERS, PPM};
use schemas::market::{Alternative, Give, Want};
use schemas::{AgentId, Good, Quantity};

use super::Brief;
use crate::maker::proposal::Times;
use crate::remaining::Use;

/// Pools of one clearing, at most.
const POOLS: usize = 4;
/// Parties of a chain, at most.
const CHAIN: usize = 6;
/// Parties of a pool, at most.
const PARTIES: usize = 8;
/// So many parties are kept for each step from good to good.
const KEPT: usize = 3;
/// Goods from which chains are sought, at most.
const STARTS: usize = 64;
/// Terms in a search's population.
const POPULATION: u32 = 100;
/// A chain has to leave more than this, as the logarithm of what its rates multiply to: less is lost in rounding.
const LEAST_GAIN: f64 = 1e-6;

/// A party that turns one good into another.
#[derive(Debug, Clone, Copy)]
struct Step {
    party: usize,
    takes: usize,
    gives: usize,
    /// The logarithm of what it gives at most for one minor unit.
    rate: f64,
}

/// The searches in what is left, each among parties of its own.
pub(super) fn searches(brief: &Brief, mut left: Vec<Offer>, evaluations: u32, now_unix_ms: i64) -> Vec<Option<Evolve>> {
    let given: BTreeSet<Good> = left.iter().flat_map(|offer| &offer.gives).map(|give| give.good.clone()).collect();
    for want in left.iter_mut().flat_map(|offer| &mut offer.wants) {
        keep_one(want, &given);
    }
    let mut searches = Vec::new();
    while searches.len() < POOLS {
        let Some(pool) = pool(&left, brief.market.margin_ppm) else { break };
        let seed = u64::from(brief.clearing) * POOLS as u64 + searches.len() as u64;
        let offers: Vec<&Offer> = pool.iter().filter_map(|party| left.get(*party)).collect();
        searches.push(sought(brief, &offers, now_unix_ms).map(|sought| Evolve {
            sought,
            seed,
            evaluations: evaluations.into(),
            population: POPULATION,
            islands: 1,
            epoch_generations: 25,
            migrants: 0,
            dropped: Vec::new(),
            time_limit_ms: Some(brief.market.time_limit_ms),
        }));
        let mut party = 0;
        left.retain(|_| {
            party += 1;
            !pool.contains(&(party - 1))
        });
    }
    searches
}

/// Of a want's alternatives one, so that its limit is a plain one: of those that somebody gives, the dearest.
fn keep_one(want: &mut Want, given: &BTreeSet<Good>) {
    let worth = |alternative: &Alternative| alternative.value.lo.to_f64() * alternative.limit.get() as f64;
    let dearest = want
        .any_of
        .iter()
        .filter(|alternative| given.contains(&alternative.good))
        .max_by(|a, b| worth(a).total_cmp(&worth(b)))
        .cloned();
    want.any_of = dearest.into_iter().collect();
}

/// Of the terms found, those whose least satisfied party is satisfied most, measured against the best that any of the
/// terms has for it; only terms in which each party gives and receives.
pub(super) fn choose(found: &Evolved) -> Option<&Terms> {
    let mut best: BTreeMap<&AgentId, i64> = BTreeMap::new();
    for worth in found.front.iter().flat_map(|candidate| &candidate.parties) {
        let most = best.entry(&worth.party).or_insert(0);
        *most = worth.gain_minor.max(*most);
    }
    let is_exchange = |terms: &Terms| {
        terms.parties.iter().all(|party| {
            let moved = Use::of(party, terms);
            !moved.given.is_empty() && !moved.received.is_empty()
        })
    };
    let least = |candidate: &Candidate| {
        best.iter()
            .filter(|(_, best)| **best > 0)
            .map(|(party, best)| {
                let gain = candidate.parties.iter().find(|worth| worth.party == **party).map_or(0, |w| w.gain_minor);
                i128::from(gain) * i128::from(PPM) / i128::from(*best)
            })
            .min()
    };
    let exchanges = found.front.iter().filter(|candidate| is_exchange(&candidate.terms));
    // Of equals the first, which has the most welfare: `max_by_key` would take the last.
    exchanges.rev().max_by_key(|candidate| (least(candidate), candidate.welfare_minor)).map(|one| &one.terms)
}

/// The parties of the best chain, and the next best for each of its steps.
fn pool(left: &[Offer], margin_ppm: i64) -> Option<BTreeSet<usize>> {
    let steps = steps(left, margin_ppm);
    let chain = best_chain(&steps)?;
    let mut pool: BTreeSet<usize> = chain.iter().map(|step| step.party).collect();
    let beside = |step: &Step| {
        let same = |other: &&Step| (other.takes, other.gives) == (step.takes, step.gives);
        steps.iter().filter(same).map(|step| step.party).collect::<Vec<_>>()
    };
    for party in chain.iter().flat_map(beside) {
        if pool.len() < PARTIES {
            pool.insert(party);
        }
    }
    Some(pool)
}

/// The best parties for each step from good to good, the best first.
fn steps(left: &[Offer], margin_ppm: i64) -> Vec<Step> {
    let goods: BTreeSet<&Good> = left.iter().flat_map(|offer| offer.gives.iter().map(|give| &give.good)).collect();
    let number: BTreeMap<&Good, usize> = goods.into_iter().zip(0..).collect();
    let mut by_step: BTreeMap<(usize, usize), Vec<Step>> = BTreeMap::new();
    for (party, offer) in left.iter().enumerate() {
        let margin = 1.0 + offer.margin_ppm.max(margin_ppm) as f64 / PPM as f64;
        for wanted in offer.wants.iter().flat_map(|want| &want.any_of) {
            let Some(&takes) = number.get(&wanted.good) else { continue };
            for give in &offer.gives {
                let Some(&gives) = number.get(&give.good) else { continue };
                let rate = (wanted.value.lo.to_f64() / (give.cost.hi.to_f64() * margin)).ln();
                if rate.is_finite() {
                    by_step.entry((takes, gives)).or_default().push(Step { party, takes, gives, rate });
                }
            }
        }
    }
    for steps in by_step.values_mut() {
        steps.sort_by(|a, b| b.rate.total_cmp(&a.rate).then(a.party.cmp(&b.party)));
        steps.truncate(KEPT);
    }
    by_step.into_values().flatten().collect()
}

/// The chain from a good back to it whose rates multiply to most, no party twice in it; `None` where none leaves anything.
fn best_chain(steps: &[Step]) -> Option<Vec<Step>> {
    let starts: BTreeSet<usize> = steps.iter().map(|step| step.takes).collect();
    let mut best: Option<(f64, Vec<Step>)> = None;
    for start in starts.into_iter().take(STARTS) {
        let mut reached: BTreeMap<usize, (f64, Vec<Step>)> = [(start, (0.0, Vec::new()))].into();
        for _ in 0..CHAIN {
            let mut next: BTreeMap<usize, (f64, Vec<Step>)> = BTreeMap::new();
            for step in steps {
                let Some((rate, chain)) = reached.get(&step.takes) else { continue };
                let rate = rate + step.rate;
                let better = next.get(&step.gives).is_none_or(|(other, _)| rate > *other);
                if better && !chain.iter().any(|other| other.party == step.party) {
                    let mut chain = chain.clone();
                    chain.push(*step);
                    next.insert(step.gives, (rate, chain));
                }
            }
            if let Some((rate, chain)) = next.get(&start)
                && *rate > best.as_ref().map_or(LEAST_GAIN, |(best, _)| *best)
            {
                best = Some((*rate, chain.clone()));
            }
            reached = next;
        }
    }
    best.map(|(_, chain)| chain)
}

/// What is sought among these parties: whatever one gives and another wants.
fn sought(brief: &Brief, offers: &[&Offer], now_unix_ms: i64) -> Option<Sought> {
    let times = Times::of(&brief.market, now_unix_ms)?;
    let mut transfers: Vec<Movable> = Vec::new();
    for from in offers {
        let sequence = *brief.sequences.get(&from.agent)?;
        for give in &from.gives {
            for to in offers.iter().filter(|to| to.agent != from.agent) {
                let wanted = to.wants.iter().flat_map(|want| &want.any_of).find(|wanted| wanted.good == give.good);
                let lot = brief.market.good(&give.good).and_then(|spec| spec.lot);
                let Some(most) = wanted.and_then(|wanted| most(give, wanted, lot)) else { continue };
                transfers.push(Movable {
                    from: from.agent.clone(),
                    to: to.agent.clone(),
                    good: give.good.clone(),
                    least: 0,
                    most,
                    lot,
                    due_unix_ms: times.due_unix_ms,
                    intent: Some(IntentRef { agent: from.agent.clone(), sequence }),
                });
            }
        }
    }
    transfers.truncate(MAX_TRANSFERS);
    let moved = |agent: &AgentId| {
        let of = |own: &dyn Fn(&Movable) -> bool| {
            transfers.iter().filter(|one| own(one)).map(|one| (one.good.clone(), one.most.get())).collect()
        };
        Use { given: of(&|one| one.from == *agent), received: of(&|one| one.to == *agent) }
    };
    let active = offers.iter().map(|offer| (offer, moved(&offer.agent))).filter(|(_, moved)| !moved.is_empty());
    let (mut caps, mut valuations) = (Vec::new(), Vec::new());
    for (offer, moved) in active {
        caps.extend(caps_of(offer, &moved));
        valuations.push(brief.states(offer, &moved));
    }
    (valuations.len() > 1 && !transfers.is_empty()).then(|| Sought {
        book: brief.market.market.clone(),
        delivery: brief.market.delivery,
        expires_unix_ms: times.expires_unix_ms,
        transfers,
        caps,
        valuations,
    })
}

/// The most that can move, in whole lots; `None` where that is nothing.
fn most(give: &Give, wanted: &Alternative, lot: Option<Quantity>) -> Option<Quantity> {
    let most = give.limit.get().min(wanted.limit.get());
    let lot = lot.map_or(1, Quantity::get);
    Quantity::new((most / lot).min(MAX_GENE).checked_mul(lot)?).ok()
}

/// The most that an offer gives and takes of each good that may move.
fn caps_of(offer: &Offer, moved: &Use) -> Vec<Cap> {
    let goods: BTreeSet<&Good> = moved.given.keys().chain(moved.received.keys()).collect();
    let gives = |good: &Good| offer.gives.iter().find(|give| give.good == *good).map(|give| give.limit);
    let wanted = |good: &Good| offer.wants.iter().flat_map(|want| &want.any_of).find(|wanted| wanted.good == *good);
    let cap = |good: &Good| Cap {
        party: offer.agent.clone(),
        good: good.clone(),
        gives: gives(good).filter(|_| moved.given.contains_key(good)),
        takes: wanted(good).map(|wanted| wanted.limit).filter(|_| moved.received.contains_key(good)),
    };
    goods.into_iter().map(cap).collect()
}
