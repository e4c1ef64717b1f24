//! What the page shows beyond the report: parties, deals and clearings, one by one.
//!
//! All of it was counted by the tally or stands in the scenario; here it is put into lines. Sums are exact and rounded
//! down once, at their end. Times are in Unix milliseconds, by the clocks of those who wrote the logs.

use std::collections::BTreeMap;

use num_bigint::BigInt;
use num_rational::BigRational;
use schemas::deal::Transfer;
use schemas::limit::PPM;
use schemas::market::Market;
use schemas::profile::State;
use schemas::value::Bounds;
use schemas::{AgentId, DealId, Good, Rational};
use serde::Serialize;

use super::rounds::{Answer, Passed, Round};
use super::tally::{Facts, Tally};
use crate::plan::AgentPlan;
use crate::scenario::{Language, Population};

/// Everything of a run that can be shown one by one.
#[derive(Debug, Serialize)]
pub(super) struct Detail<'a> {
    /// What the scenario is, in a line.
    about: &'a str,
    /// When the runner began to watch.
    began_unix_ms: i64,
    /// The market as it was declared.
    market: &'a Market,
    /// Everybody, by id.
    parties: Vec<Party<'a>>,
    /// The market's deals, by id.
    deals: Vec<Deal<'a>>,
    /// The clearings, by their numbers.
    clearings: Vec<&'a Round>,
    /// The clearing that welfare is measured against.
    optimum: Answer,
}

/// An agent of the scenario.
#[derive(Debug, Serialize)]
struct Party<'a> {
    agent: &'a AgentId,
    /// What it is written in.
    language: &'static str,
    /// What it gives at most, in all.
    gives: Vec<Limit<'a>>,
    /// What it wants at most, in all: each want's alternatives.
    wants: Vec<Vec<Limit<'a>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    wish: Option<Wish>,
    /// Why it got nothing, as the maker told it in the course of the run: any number of reasons.
    told: Vec<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    passed: Option<&'a Passed>,
}

/// A good and a limit, in minor units of the good.
#[derive(Debug, Serialize)]
struct Limit<'a> {
    good: &'a Good,
    limit: i64,
}

/// How much of what an agent wants it got in settled deals, at its own central values.
#[derive(Debug, PartialEq, Eq, Serialize)]
struct Wish {
    /// All that it wants: of each want the alternative that is worth most to it, in minor units of account, rounded
    /// down.
    wanted_minor: i64,
    /// What it got, in the same unit, rounded down.
    got_minor: i64,
    /// The one as a part of the other, in parts per million, rounded down.
    filled_ppm: i64,
}

/// A deal.
#[derive(Debug, Serialize)]
struct Deal<'a> {
    deal: &'a DealId,
    state: State,
    parties: &'a [AgentId],
    /// When it came to which state.
    steps: &'a [(i64, State)],
    /// What it moves, once it is committed.
    moved: Vec<Moved<'a>>,
    /// What each party gains by it at its central values, once it is committed.
    gains: Vec<Gain<'a>>,
    /// How many proofs stand in its log.
    proofs: usize,
    /// Why it ended, where somebody said so.
    #[serde(skip_serializing_if = "Option::is_none")]
    why: Option<&'a str>,
}

/// A transfer.
#[derive(Debug, Serialize)]
struct Moved<'a> {
    from: &'a AgentId,
    to: &'a AgentId,
    good: &'a Good,
    /// In minor units of the good.
    quantity: i64,
    /// At the market's reference price, in minor units of account, rounded down; absent where there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    worth_minor: Option<i64>,
}

/// A party's part in a deal.
#[derive(Debug, Serialize)]
struct Gain<'a> {
    party: &'a AgentId,
    /// In minor units of account, rounded down.
    gain_minor: i64,
}

impl<'a> Detail<'a> {
    /// What can be shown of a run of this population.
    pub(super) fn of(
        about: &'a str,
        began_unix_ms: i64,
        population: &'a Population,
        tally: &'a Tally,
        optimum: Answer,
    ) -> Self {
        let mut received: BTreeMap<&AgentId, BTreeMap<&Good, i64>> = BTreeMap::new();
        for transfer in
            tally.deals.values().filter(|facts| facts.state == State::Settled).flat_map(|facts| &facts.moved)
        {
            let sum = received.entry(&transfer.to).or_default().entry(&transfer.good).or_insert(0);
            *sum = sum.saturating_add(transfer.quantity.get());
        }
        let party = |(language, plan): &'a (Language, AgentPlan)| {
            let wish = Wish::of(plan, received.get(&plan.id).unwrap_or(&BTreeMap::new()));
            Party::of(*language, plan, wish, tally)
        };
        Self {
            about,
            began_unix_ms,
            market: &population.market,
            parties: population.agents.iter().map(party).collect(),
            deals: tally.deals.iter().map(|(deal, facts)| Deal::of(deal, facts, &population.market)).collect(),
            clearings: tally.rounds.cleared.values().collect(),
            optimum,
        }
    }
}

impl<'a> Party<'a> {
    fn of(language: Language, plan: &'a AgentPlan, wish: Option<Wish>, tally: &'a Tally) -> Self {
        let wanted = plan.wants.iter().map(|want| {
            want.any_of.iter().map(|either| Limit { good: &either.good, limit: either.limit.get() }).collect()
        });
        let told = tally.told.iter().filter(|(_, agents)| agents.contains(&plan.id));
        Self {
            agent: &plan.id,
            language: if language == Language::Python { "Python" } else { "Rust" },
            gives: plan.gives.iter().map(|give| Limit { good: &give.good, limit: give.limit.get() }).collect(),
            wants: wanted.collect(),
            wish,
            told: told.map(|(reason, _)| reason.as_str()).collect(),
            passed: tally.rounds.passed.get(&plan.id),
        }
    }
}

impl Wish {
    /// Of an agent that received this, in minor units of each good; nothing of one that wants nothing of worth, or more
    /// than 64 bits hold.
    fn of(plan: &AgentPlan, received: &BTreeMap<&Good, i64>) -> Option<Self> {
        let mut wanted = whole(0);
        let mut got = whole(0);
        for want in &plan.wants {
            let most = want.any_of.iter().map(|either| central(either.value) * whole(either.limit.get())).max();
            wanted += most.unwrap_or_else(|| whole(0));
            for either in &want.any_of {
                got += central(either.value) * whole(received.get(&either.good).copied().unwrap_or(0));
            }
        }
        let filled = (wanted > whole(0)).then(|| &got * whole(PPM) / &wanted)?;
        let minor = |sum: BigRational| i64::try_from(sum.floor().to_integer()).ok();
        Some(Self { wanted_minor: minor(wanted)?, got_minor: minor(got)?, filled_ppm: minor(filled)? })
    }
}

impl<'a> Deal<'a> {
    fn of(deal: &'a DealId, facts: &'a Facts, market: &Market) -> Self {
        let worth = facts.worth.iter().flat_map(|worth| &worth.parties);
        Self {
            deal,
            state: facts.state,
            parties: &facts.parties,
            steps: &facts.steps,
            moved: facts.moved.iter().map(|transfer| Moved::of(transfer, market)).collect(),
            gains: worth.map(|worth| Gain { party: &worth.party, gain_minor: worth.gain_minor }).collect(),
            proofs: facts.proofs,
            why: facts.why.as_deref(),
        }
    }
}

impl<'a> Moved<'a> {
    fn of(transfer: &'a Transfer, market: &Market) -> Self {
        let quantity = transfer.quantity.get();
        let price = market.good(&transfer.good).and_then(|spec| spec.reference_price);
        let worth = price.and_then(|price| {
            let worth = i128::from(quantity) * i128::from(price.numerator()) / i128::from(price.denominator());
            i64::try_from(worth).ok()
        });
        Self { from: &transfer.from, to: &transfer.to, good: &transfer.good, quantity, worth_minor: worth }
    }
}

/// The central value of an interval.
fn central(bounds: Bounds) -> BigRational {
    (ratio(bounds.lo) + ratio(bounds.hi)) / whole(2)
}

fn whole(number: i64) -> BigRational {
    BigRational::from_integer(BigInt::from(number))
}

fn ratio(value: Rational) -> BigRational {
    BigRational::new(value.numerator().into(), value.denominator().into())
}

#[cfg(test)]
mod tests {
    use schemas::market::Want;

    use super::*;
    use crate::fixtures::{agent, bazaar, either, good, market, units, want};

    #[test]
    fn a_wish_is_filled_by_what_its_alternatives_are_worth() {
        // Ten coffee at 3 or four tea at 5, whatever is worth more; and two rye at 7.
        let wants = vec![Want { any_of: vec![either("coffee", 10, 3), either("tea", 4, 5)] }, want("rye", 2, 7)];
        let plan = AgentPlan::new(agent("ghana"), String::new(), bazaar(), Vec::new(), wants);
        let (coffee, tea, wheat) = (good("coffee"), good("tea"), good("wheat"));
        let wish = |received: &[(&Good, i64)]| Wish::of(&plan, &received.iter().copied().collect()).unwrap();
        assert_eq!(wish(&[]), Wish { wanted_minor: 44, got_minor: 0, filled_ppm: 0 });
        let got = wish(&[(&coffee, 5), (&tea, 2), (&wheat, 9)]);
        assert_eq!(got, Wish { wanted_minor: 44, got_minor: 25, filled_ppm: 568_181 });
    }

    #[test]
    fn who_wants_nothing_has_no_wish_to_be_filled() {
        let plan = AgentPlan::new(agent("ghana"), String::new(), bazaar(), Vec::new(), Vec::new());
        assert_eq!(Wish::of(&plan, &BTreeMap::new()), None);
    }

    #[test]
    fn a_transfer_is_worth_its_reference_price_rounded_down() {
        let transfer = Transfer {
            from: agent("ghana"),
            to: agent("kenya"),
            good: good("tea"),
            quantity: units(3),
            due_unix_ms: 0,
            intent: None,
        };
        let mut market = market();
        let mut worth = |price: Option<&str>| {
            for spec in &mut market.goods {
                spec.reference_price = price.map(|price| price.parse().unwrap());
            }
            Moved::of(&transfer, &market).worth_minor
        };
        assert_eq!((worth(Some("7/2")), worth(None)), (Some(10), None));
        assert_eq!(worth(Some("9223372036854775807")), None);
    }
}
