//! Agents that are drawn: each from its own draws, so that one more agent changes no other.

use schemas::market::{Alternative, Give, GoodSpec, Market, Want};
use schemas::{AgentId, Good, Quantity, Rational};

use super::draws::Draws;
use super::file::{Scenario, SyntheticSection};
use super::{ScenarioError, money};
use crate::plan::AgentPlan;

pub(super) fn population(
    scenario: &Scenario,
    section: &SyntheticSection,
    seed: u64,
) -> Result<(Market, Vec<AgentPlan>), ScenarioError> {
    let goods: Vec<GoodSpec> =
        (0..section.goods).map(|index| good(section, seed, index)).collect::<Result<_, ScenarioError>>()?;
    let agents = (0..section.agents)
        .map(|index| agent(scenario, section, seed, index, &goods))
        .collect::<Result<Vec<AgentPlan>, ScenarioError>>()?;
    Ok((scenario.market.declare(goods), agents))
}

fn good(section: &SyntheticSection, seed: u64, index: usize) -> Result<GoodSpec, ScenarioError> {
    let [lo, hi] = section.price;
    let price = Draws::of(seed, &format!("good/{index}")).between(lo, hi);
    let name = format!("good-{index}");
    let good = Good::parse(&name).map_err(|bad| ScenarioError::field("synthetic.goods", bad.to_string()))?;
    Ok(GoodSpec { good, unit: "unit".to_owned(), lot: None, reference_price: Some(Rational::whole(price)) })
}

fn agent(
    scenario: &Scenario,
    section: &SyntheticSection,
    seed: u64,
    index: usize,
    goods: &[GoodSpec],
) -> Result<AgentPlan, ScenarioError> {
    let id = AgentId::parse(&format!("agent-{index:05}"))
        .map_err(|bad| ScenarioError::field("synthetic.agents", bad.to_string()))?;
    let mut draws = Draws::of(seed, &format!("agent/{index}"));
    let count = |draws: &mut Draws, [lo, hi]: [i64; 2]| usize::try_from(draws.between(lo, hi)).unwrap_or(0);
    let (give_count, want_count) = (count(&mut draws, section.gives), count(&mut draws, section.wants));
    let mut chosen = draws.pick(give_count + want_count, goods.iter().collect()).into_iter();
    let mut gives = Vec::new();
    for spec in chosen.by_ref().take(give_count) {
        let [lo, hi] = section.cost_ppm;
        let cost = stated(section, spec, -draws.between(lo, hi))?;
        gives.push(Give { good: spec.good.clone(), limit: quantity(section, &mut draws)?, cost });
    }
    let mut wants = Vec::new();
    for spec in chosen {
        let [lo, hi] = section.value_ppm;
        let value = stated(section, spec, draws.between(lo, hi))?;
        let limit = quantity(section, &mut draws)?;
        wants.push(Want { any_of: vec![Alternative { good: spec.good.clone(), limit, value }] });
    }
    // Its key is drawn with everybody's, once all are there.
    let plan = AgentPlan::new(id, String::new(), scenario.market.id.clone(), gives, wants);
    Ok(AgentPlan { margin_ppm: scenario.market.margin_ppm, ..plan })
}

fn quantity(section: &SyntheticSection, draws: &mut Draws) -> Result<Quantity, ScenarioError> {
    let [lo, hi] = section.quantity;
    Quantity::new(draws.between(lo, hi)).map_err(|bad| ScenarioError::field("synthetic.quantity", bad.to_string()))
}

fn stated(section: &SyntheticSection, spec: &GoodSpec, off_ppm: i64) -> Result<schemas::value::Bounds, ScenarioError> {
    // Whole parts per thousand keep the fractions short.
    let price = spec.reference_price.unwrap_or(Rational::ONE);
    money::bounds(price, off_ppm / 1000 * 1000, section.bounds_ppm).ok_or_else(|| {
        ScenarioError::field("synthetic.price", format!("{}: price and spread do not fit 64 bits", spec.good))
    })
}
