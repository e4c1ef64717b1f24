//! Trade over time: balances and deficits by period, the market in import certificates, and one figure for a report.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::body::Refused;
use crate::deal::{Transfer, check_text};
use crate::id::{AgentId, DealId, Good};
use crate::limit::{MAX_GOODS, MAX_INTENTS, MAX_PERIODS, MAX_TRANSFERS, PPM};
use crate::rational::Rational;
use crate::value::unique;

/// One deal on the ledger: what changed hands, and when. A compensation is one of the transfers turned round.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Commit {
    /// When it was written, in Unix milliseconds.
    pub at_unix_ms: i64,
    /// Which deal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deal: Option<DealId>,
    /// What changed hands.
    pub transfers: Vec<Transfer>,
}

/// What a unit of a good counts in the unit of account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Price {
    /// The good.
    pub good: Good,
    /// Minor units of account for a minor unit of the good, at least 0.
    pub price: Rational,
}

/// Asks `trade_balance.path`: how did balances move over time?
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename = "trade_balance.path")]
pub struct PathRequest {
    /// What the ledger committed, in whatever order.
    pub commits: Vec<Commit>,
    /// What goods count. A good without a price counts nothing: leave out money, and what remains is trade in goods.
    pub prices: Vec<Price>,
    /// When the first period begins, in Unix milliseconds.
    pub from_unix_ms: i64,
    /// How long a period is, in milliseconds.
    pub period_ms: i64,
    /// How many periods there are. What lies outside them is not counted.
    pub periods: u32,
}

crate::message!(PathRequest, "trade_balance.path", |request| {
    let most = MAX_TRANSFERS * 1000;
    if request.commits.iter().map(|commit| commit.transfers.len()).sum::<usize>() > most {
        return Err(Refused::new("commits", format!("at most {most} transfers")));
    }
    unique(request.prices.iter().map(|price| &price.good), "prices")?;
    if let Some(index) = request.prices.iter().position(|price| price.price.is_negative()) {
        return Err(Refused::new(format!("prices[{index}].price"), "must not be negative"));
    }
    if request.period_ms <= 0 {
        return Err(Refused::new("period_ms", "must be positive"));
    }
    if !(1..=MAX_PERIODS).contains(&request.periods) {
        return Err(Refused::new("periods", format!("1 to {MAX_PERIODS} periods")));
    }
    Ok(())
});

/// One party's trade over time, in minor units of account; each transfer's worth is rounded down, once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PartyPath {
    /// The party.
    pub party: AgentId,
    /// What it gave, by period.
    pub exports_minor: Vec<i64>,
    /// What it received, by period.
    pub imports_minor: Vec<i64>,
    /// Exports less imports since the first period began, at the end of each period. Negative: a deficit.
    pub balance_minor: Vec<i64>,
    /// The deepest deficit at the end of a period: the least balance, at most 0.
    pub deepest_minor: i64,
    /// The periods that end in deficit.
    pub deficit_periods: u32,
    /// The most of them in a row.
    pub longest_deficit: u32,
}

/// What one party gave another, net, over time, in minor units of account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PairPath {
    /// The party with the smaller id.
    pub a: AgentId,
    /// The other.
    pub b: AgentId,
    /// What a gave b less what b gave a, since the first period began, at the end of each period.
    pub balance_minor: Vec<i64>,
}

/// The answer of `trade_balance.path`. At the end of each period the parties' balances sum to 0.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename = "trade_balance.paths")]
pub struct PathReply {
    /// When each period ends, in Unix milliseconds.
    pub ends_unix_ms: Vec<i64>,
    /// Each party that gave or received anything, by id.
    pub parties: Vec<PartyPath>,
    /// Each pair that traded, by ids.
    pub pairs: Vec<PairPath>,
    /// Commits that lie outside the periods.
    pub outside: u32,
}
crate::message!(PathReply, "trade_balance.paths");

/// Which way an order goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Side {
    /// It buys: an importer needs certificates.
    Buy,
    /// It sells: an exporter was issued some.
    Sell,
}

/// An order for import certificates.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CertificateOrder {
    /// Whose.
    pub party: AgentId,
    /// Which way.
    pub side: Side,
    /// How many certificates, in minor units of account of imports that they cover.
    #[schemars(range(min = 1))]
    pub quantity: i64,
    /// The most that it pays, or the least that it takes, in minor units of account for each certificate.
    pub limit: Rational,
}

/// Asks `trade_balance.price`: at which price do import certificates change hands, and how many?
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename = "trade_balance.price")]
pub struct CertificateMarket {
    /// The orders.
    pub orders: Vec<CertificateOrder>,
}

crate::message!(CertificateMarket, "trade_balance.price", |market| {
    if market.orders.len() > MAX_INTENTS {
        return Err(Refused::new("orders", format!("at most {MAX_INTENTS} orders")));
    }
    for (index, order) in market.orders.iter().enumerate() {
        if order.quantity <= 0 {
            return Err(Refused::new(format!("orders[{index}].quantity"), "must be positive"));
        }
        if order.limit.is_negative() {
            return Err(Refused::new(format!("orders[{index}].limit"), "must not be negative"));
        }
    }
    Ok(())
});

/// How much is wanted beyond what is offered at a price.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ExcessDemand {
    /// The price.
    pub price: Rational,
    /// Wanted by those who would pay more or as much.
    pub demand: i64,
    /// Offered by those who would take less or as much.
    pub supply: i64,
    /// demand − supply.
    pub excess: i64,
}

/// What an order gets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Fill {
    /// The order's index.
    pub order: u32,
    /// How many certificates change hands by it.
    pub quantity: i64,
}

/// The answer of `trade_balance.price`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename = "trade_balance.priced")]
pub struct CertificatePrice {
    /// The price that all pay and take: of those at which most certificates change hands, the one with the least excess
    /// demand either way; of several, the highest where buyers are left, else the lowest. Left out where none change
    /// hands.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub price: Option<Rational>,
    /// The level: how many certificates change hands, which is how much the buyers may import beyond what they exported.
    pub level: i64,
    /// What each order gets, where it gets anything: best limits first; at the price itself in proportion to quantities,
    /// rounded by largest remainder, ties by index.
    pub fills: Vec<Fill>,
    /// Excess demand at each limit that an order names, by rising price.
    pub curve: Vec<ExcessDemand>,
}
crate::message!(CertificatePrice, "trade_balance.priced");

/// Something that an agreement was to change, measured before and after.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Indicator {
    /// What it is.
    pub name: String,
    /// What it is measured in: `USD`, `t CO2e`, `jobs`.
    pub unit: String,
    /// What it would be without the agreement, other than 0.
    pub baseline: Rational,
    /// What it is with it.
    pub outcome: Rational,
    /// What it weighs, in parts per million of the whole; negative where less is better. The sizes sum to 1,000,000.
    pub weight_ppm: i64,
}

/// Asks `trade_balance.return` for the weighted agreement return: Σ wᵢ·(outcomeᵢ − baselineᵢ) / |baselineᵢ|.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename = "trade_balance.return")]
pub struct ReturnRequest {
    /// What was measured.
    pub indicators: Vec<Indicator>,
}

crate::message!(ReturnRequest, "trade_balance.return", |request| {
    if !(1..=MAX_GOODS).contains(&request.indicators.len()) {
        return Err(Refused::new("indicators", format!("1 to {MAX_GOODS} indicators")));
    }
    unique(request.indicators.iter().map(|indicator| &indicator.name), "indicators")?;
    let mut sum = 0_i64;
    for (index, indicator) in request.indicators.iter().enumerate() {
        let place = |field: &str| format!("indicators[{index}].{field}");
        for (field, text) in [("name", &indicator.name), ("unit", &indicator.unit)] {
            check_text(text, &place(field))?;
            if text.is_empty() {
                return Err(Refused::new(place(field), "must say something"));
            }
        }
        if indicator.baseline == Rational::ZERO {
            return Err(Refused::new(place("baseline"), "must not be 0: there would be nothing to compare with"));
        }
        if !(-PPM..=PPM).contains(&indicator.weight_ppm) {
            return Err(Refused::new(place("weight_ppm"), "a weight is -1000000 to 1000000 ppm"));
        }
        sum += indicator.weight_ppm.abs();
    }
    if sum != PPM {
        return Err(Refused::new("indicators", "the weights' sizes must sum to 1000000 ppm"));
    }
    Ok(())
});

/// One indicator's part in the return.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ReturnPart {
    /// What it is.
    pub name: String,
    /// (outcome − baseline) / |baseline|, in parts per million, rounded down.
    pub change_ppm: i64,
    /// What it adds to the return, in parts per million, rounded down.
    pub adds_ppm: i64,
}

/// The answer of `trade_balance.return`: a figure for reports, which nothing decides by.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename = "trade_balance.returned")]
pub struct ReturnReply {
    /// The weighted agreement return, in parts per million, rounded down.
    pub return_ppm: i64,
    /// Indicator by indicator.
    pub parts: Vec<ReturnPart>,
}
crate::message!(ReturnReply, "trade_balance.returned");
