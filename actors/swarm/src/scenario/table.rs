//! Agents from a table of imports and exports.
//!
//! What a country exports more than it imports it gives, what it imports more it wants, in whole units. A commodity's
//! reference price is all the dollars in the table over all the units that they are for. Costs lie below it and values
//! above it by the spread of the country's income level: a poor importer gains most from a tonne, and a rich exporter
//! could have sold it dearest elsewhere.

use std::collections::{BTreeMap, BTreeSet};

use schemas::market::{Alternative, Give, GoodSpec, Market, Want};
use schemas::value::Outlook;
use schemas::{AgentId, Good, Quantity, Rational};
use serde::Deserialize;

use super::file::{Scenario, Spread, TableSection};
use super::{ScenarioError, money};
use crate::plan::AgentPlan;

/// US cents in a dollar.
const CENTS: i128 = 100;

/// The columns that are read.
#[derive(Debug, Deserialize)]
struct Row {
    iso3: String,
    income_level: String,
    commodity: String,
    unit: String,
    imports_qty: String,
    exports_qty: String,
    imports_usd: String,
    exports_usd: String,
}

/// One commodity, summed over the table, in millionths.
#[derive(Debug, Default)]
struct Commodity {
    unit: String,
    usd: i128,
    quantity: i128,
}

/// One country: its spread, and exports less imports by good, in whole units.
struct Country {
    spread: Spread,
    net: BTreeMap<Good, i64>,
}

pub(super) fn population(
    scenario: &Scenario,
    section: &TableSection,
    text: &str,
) -> Result<(Market, Vec<AgentPlan>), ScenarioError> {
    let (commodities, countries) = read(section, text)?;
    let mut goods = Vec::new();
    let mut prices = BTreeMap::new();
    for (name, commodity) in &commodities {
        let good = good_of(name).map_err(|reason| ScenarioError::field("commodity", reason))?;
        let price = price_of(section, name, commodity)?;
        goods.push(GoodSpec {
            good: good.clone(),
            unit: commodity.unit.clone(),
            lot: None,
            reference_price: Some(price),
        });
        prices.insert(good, price);
    }
    if let Some(unknown) = section.prices.keys().find(|name| !commodities.contains_key(*name)) {
        return Err(ScenarioError::field(format!("table.prices.{unknown:?}"), "the table has no such commodity"));
    }
    let agents: Result<Vec<AgentPlan>, ScenarioError> =
        countries.into_iter().map(|(id, country)| plan(scenario, section, id, &country, &prices)).collect();
    Ok((scenario.market.declare(goods), agents?))
}

fn read(
    section: &TableSection,
    text: &str,
) -> Result<(BTreeMap<String, Commodity>, BTreeMap<AgentId, Country>), ScenarioError> {
    let mut commodities: BTreeMap<String, Commodity> = BTreeMap::new();
    let mut countries: BTreeMap<AgentId, Country> = BTreeMap::new();
    let mut seen = BTreeSet::new();
    let mut reader = csv::ReaderBuilder::new().comment(Some(b'#')).trim(csv::Trim::All).from_reader(text.as_bytes());
    let unreadable = |error: &csv::Error| ScenarioError::Row {
        line: error.position().map_or(1, csv::Position::line),
        column: "all".to_owned(),
        reason: error.to_string(),
    };
    let headers = reader.headers().map_err(|error| unreadable(&error))?.clone();
    for record in reader.records() {
        let record = record.map_err(|error| unreadable(&error))?;
        let line = record.position().map_or(0, csv::Position::line);
        let wrong = |column: &str, reason: String| ScenarioError::Row { line, column: column.to_owned(), reason };
        let row: Row = record.deserialize(Some(&headers)).map_err(|error| wrong("all", error.to_string()))?;
        let number =
            |column: &str, cell: &str| money::millionths(cell).map_err(|reason| wrong(column, reason.to_owned()));
        let id = AgentId::parse(&row.iso3.to_lowercase()).map_err(|bad| wrong("iso3", bad.to_string()))?;
        let good = good_of(&row.commodity).map_err(|reason| wrong("commodity", reason))?;
        if !seen.insert((id.clone(), good.clone())) {
            return Err(wrong("commodity", format!("{} has {} twice", row.iso3, row.commodity)));
        }
        let spread = *section
            .spreads
            .get(&row.income_level)
            .ok_or_else(|| wrong("income_level", format!("table.spreads has nothing for {:?}", row.income_level)))?;
        let (imports, exports) = (number("imports_qty", &row.imports_qty)?, number("exports_qty", &row.exports_qty)?);
        let commodity = commodities.entry(row.commodity.clone()).or_default();
        if commodity.unit.is_empty() {
            commodity.unit.clone_from(&row.unit);
        } else if commodity.unit != row.unit {
            return Err(wrong("unit", format!("{} is counted in {} elsewhere", row.commodity, commodity.unit)));
        }
        for (column, cell, quantity) in
            [("imports_usd", &row.imports_usd, imports), ("exports_usd", &row.exports_usd, exports)]
        {
            if !cell.is_empty() {
                commodity.usd += number(column, cell)?;
                commodity.quantity += quantity;
            }
        }
        let units = money::whole_units(exports - imports)
            .ok_or_else(|| wrong("exports_qty", "more units than 64 bits hold".to_owned()))?;
        let country = countries.entry(id).or_insert_with(|| Country { spread, net: BTreeMap::new() });
        country.net.insert(good, units);
    }
    Ok((commodities, countries))
}

/// The good of a commodity: its name as one token.
fn good_of(commodity: &str) -> Result<Good, String> {
    Good::parse(&commodity.to_lowercase().replace(' ', "-")).map_err(|bad| bad.to_string())
}

/// Dollars over units, in cents a unit; or what the scenario states.
fn price_of(section: &TableSection, name: &str, commodity: &Commodity) -> Result<Rational, ScenarioError> {
    if let Some(stated) = section.prices.get(name) {
        if commodity.usd > 0 {
            let field = format!("table.prices.{name:?}");
            return Err(ScenarioError::field(field, "the table gives dollars, and so a price, for it"));
        }
        return Ok(*stated);
    }
    let field = || format!("table.prices.{name:?}");
    if commodity.usd <= 0 || commodity.quantity <= 0 {
        return Err(ScenarioError::field(field(), "is missing, and the table gives no dollars for it"));
    }
    let cents = commodity.usd.checked_mul(CENTS);
    cents
        .and_then(|cents| Rational::new(cents, commodity.quantity))
        .ok_or_else(|| ScenarioError::field(field(), "the table's price does not fit 64 bits; state one"))
}

fn plan(
    scenario: &Scenario,
    section: &TableSection,
    id: AgentId,
    country: &Country,
    prices: &BTreeMap<Good, Rational>,
) -> Result<AgentPlan, ScenarioError> {
    let mut gives = Vec::new();
    let mut wants = Vec::new();
    for (good, net) in &country.net {
        let price = prices.get(good).copied().unwrap_or(Rational::ONE);
        let too_large = || {
            let reason = format!("{good}: price, spread and bounds together do not fit 64 bits; state rounder ones");
            ScenarioError::field("table.spreads", reason)
        };
        let around = |off_ppm| money::bounds(price, off_ppm, section.bounds_ppm).ok_or_else(too_large);
        if let Ok(limit) = Quantity::new(*net) {
            gives.push(Give { good: good.clone(), limit, cost: around(-country.spread.cost_ppm)? });
        } else if let Ok(limit) = Quantity::new(net.saturating_neg()) {
            let value = around(country.spread.value_ppm)?;
            wants.push(Want { any_of: vec![Alternative { good: good.clone(), limit, value }] });
        }
    }
    // Its key is drawn with everybody's, once all are there.
    let plan = AgentPlan::new(id, String::new(), scenario.market.id.clone(), gives, wants);
    Ok(AgentPlan {
        margin_ppm: scenario.market.margin_ppm,
        outlook: Outlook { kind: section.kind, ..Outlook::default() },
        ..plan
    })
}
