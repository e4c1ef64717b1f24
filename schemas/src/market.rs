//! Markets and the intents that stand in them.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::body::Refused;
use crate::deal::{ClaimKind, Delivery};
use crate::division::Rule;
use crate::id::{AgentId, DealId, Good, MarketId};
use crate::import::ImportRules;
use crate::limit::{MAX_ALTERNATIVES, MAX_EVALUATIONS, MAX_GOODS, MAX_PARTIES};
use crate::quantity::Quantity;
use crate::rational::Rational;
use crate::value::{Bounds, Outlook, check_margin, unique};

/// What a market says of a good.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct GoodSpec {
    /// The good.
    pub good: Good,
    /// What one minor unit is, for people: `tonne`, `cent`, `hour`.
    pub unit: String,
    /// The lot that it comes in, in minor units; left out for a good that any number of minor units
    /// may be had of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lot: Option<Quantity>,
    /// Minor units of account for one minor unit; left out where there is no reference price, and
    /// then the band does not apply.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reference_price: Option<Rational>,
}

/// A book of intents. Its id is its ledger's book.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename = "market")]
pub struct Market {
    /// Its id.
    pub market: MarketId,
    /// The unit of account's minor unit, for people: `US cent`.
    pub unit_of_account: String,
    /// The goods.
    pub goods: Vec<GoodSpec>,
    /// Unit values and costs must lie within [lo, hi] times the reference price. The mechanism is not
    /// strategy-proof: an exaggerated value would eat everyone's gains.
    pub band: Bounds,
    /// The margin that every party gets at least, in parts per million.
    pub margin_ppm: i64,
    /// Longest exchange ring, in parties.
    pub max_ring: u32,
    /// Time from one clearing to the next, in milliseconds.
    pub clear_every_ms: u32,
    /// How long one clearing may compute, in milliseconds.
    pub time_limit_ms: u32,
    /// How long a proposed ring can be accepted, in milliseconds.
    pub accept_within_ms: u32,
    /// Whether commit settles, or receivers confirm.
    pub delivery: Delivery,
    /// How long after its expiry a deal's transfers are due, in milliseconds.
    pub deliver_within_ms: i64,
    /// The claims that its deals must prove.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub requires: Vec<ClaimKind>,
    /// The rule by which each ring's gains are divided before it is proposed: `leximin`, `nash` or `proportional`
    /// (equal). Left out, rings are proposed as the clearing found them, for the most welfare.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub division: Option<Rule>,
    /// How many terms are evaluated to find exchanges of other shapes among those whom a clearing left out, each time.
    /// Left out, none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub evolve: Option<u32>,
    /// The rules of its book's import certificates, which hold once their authority has enacted them (`ledger.enact`).
    /// Left out, none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub import_certificates: Option<ImportRules>,
}

crate::message!(Market, "market", |market| {
    unique(market.goods.iter().map(|g| &g.good), "goods")?;
    for (index, spec) in market.goods.iter().enumerate() {
        if spec.reference_price.is_some_and(|price| price <= Rational::ZERO) {
            return Err(Refused::new(format!("goods[{index}].reference_price"), "must be positive"));
        }
    }
    market.band.check("band")?;
    check_margin(market.margin_ppm, "margin_ppm")?;
    if !(2..=MAX_PARTIES).contains(&(market.max_ring as usize)) {
        return Err(Refused::new("max_ring", format!("2 to {MAX_PARTIES} parties")));
    }
    for (field, value) in [
        ("clear_every_ms", market.clear_every_ms),
        ("time_limit_ms", market.time_limit_ms),
        ("accept_within_ms", market.accept_within_ms),
    ] {
        if value == 0 {
            return Err(Refused::new(field, "must be positive"));
        }
    }
    if market.deliver_within_ms < 0 {
        return Err(Refused::new("deliver_within_ms", "must not be negative"));
    }
    if market.division.is_some_and(|rule| matches!(rule, Rule::Shapley | Rule::Core)) {
        return Err(Refused::new("division", "leximin, nash or proportional: the gains of a ring are no game"));
    }
    if market.evolve.is_some() && market.division.is_none() {
        return Err(Refused::new("division", "state the rule by which the gains of evolved terms are divided"));
    }
    if market.evolve.is_some_and(|evaluations| !(1..=MAX_EVALUATIONS).contains(&evaluations.into())) {
        return Err(Refused::new("evolve", format!("1 to {MAX_EVALUATIONS} evaluations")));
    }
    if let Some(rules) = &market.import_certificates {
        rules.check("import_certificates")?;
        if market.good(&rules.good).is_none_or(|good| good.lot.is_some()) {
            return Err(Refused::new("import_certificates.good", "must be one of the market's goods, and divisible"));
        }
        if let Some(at) = rules.goods.iter().position(|counted| market.good(&counted.good).is_none()) {
            return Err(Refused::new(
                format!("import_certificates.goods[{at}].good"),
                "must be one of the market's goods",
            ));
        }
    }
    Ok(())
});

impl Market {
    /// What it says of a good.
    #[must_use]
    pub fn good(&self, good: &Good) -> Option<&GoodSpec> {
        self.goods.iter().find(|spec| spec.good == *good)
    }

    /// Whole days from a ring's expiry to the due date of its transfers, for discounting.
    #[must_use]
    pub fn days_to_delivery(&self) -> u32 {
        u32::try_from(self.deliver_within_ms / DAY_MS).unwrap_or(u32::MAX)
    }
}

/// Milliseconds in a day.
const DAY_MS: i64 = 24 * 60 * 60 * 1000;

/// What an agent gives.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Give {
    /// The good.
    pub good: Good,
    /// At most this much, in minor units.
    pub limit: Quantity,
    /// What giving one minor unit costs the agent, in minor units of account.
    pub cost: Bounds,
}

/// One way to fill a want.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Alternative {
    /// The good.
    pub good: Good,
    /// At most this much if it alone fills the want, in minor units.
    pub limit: Quantity,
    /// What one minor unit is worth to the agent, in minor units of account.
    pub value: Bounds,
}

/// What an agent wants: any of these, together no more than Σ quantity/limit ≤ 1.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Want {
    /// The alternatives; one for a plain want.
    pub any_of: Vec<Alternative>,
}

/// A standing, signed order. Publishing again replaces it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename = "intent")]
pub struct Intent {
    /// The market.
    pub market: MarketId,
    /// Whose it is.
    pub agent: AgentId,
    /// What the agent gives.
    pub gives: Vec<Give>,
    /// What it wants.
    pub wants: Vec<Want>,
    /// The margin that it asks for over its costs, in parts per million; the market's own is the least.
    #[serde(default)]
    pub margin_ppm: i64,
    /// How it looks at time and risk.
    #[serde(default)]
    pub outlook: Outlook,
}

crate::message!(Intent, "intent", |intent| check_offer(
    &intent.gives,
    &intent.wants,
    intent.margin_ppm,
    &intent.outlook
));

/// Checks what an intent gives and wants: goods once each, sound bounds, and a good that is both
/// given and wanted valued no higher than it costs.
///
/// # Errors
/// The field at fault.
pub fn check_offer(gives: &[Give], wants: &[Want], margin_ppm: i64, outlook: &Outlook) -> Result<(), Refused> {
    unique(gives.iter().map(|g| &g.good), "gives")?;
    for (index, give) in gives.iter().enumerate() {
        give.cost.check(&format!("gives[{index}].cost"))?;
    }
    let least_costs: BTreeMap<&Good, Rational> = gives.iter().map(|give| (&give.good, give.cost.lo)).collect();
    if wants.len() > MAX_GOODS {
        return Err(Refused::new("wants", format!("at most {MAX_GOODS} wants")));
    }
    for (index, want) in wants.iter().enumerate() {
        if want.any_of.is_empty() || want.any_of.len() > MAX_ALTERNATIVES {
            return Err(Refused::new(
                format!("wants[{index}].any_of"),
                format!("1 to {MAX_ALTERNATIVES} alternatives"),
            ));
        }
        let mut seen = BTreeSet::new();
        for (at, alternative) in want.any_of.iter().enumerate() {
            let place = format!("wants[{index}].any_of[{at}]");
            alternative.value.check(&format!("{place}.value"))?;
            if !seen.insert(&alternative.good) {
                return Err(Refused::new(place, format!("{} stands twice", alternative.good)));
            }
            if least_costs.get(&alternative.good).is_some_and(|cost| alternative.value.hi > *cost) {
                return Err(Refused::new(
                    format!("{place}.value"),
                    format!("{} is also given: it must be worth no more than it costs", alternative.good),
                ));
            }
        }
    }
    check_margin(margin_ppm, "margin_ppm")?;
    outlook.check("outlook")
}

/// Takes an intent back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename = "intent.withdrawn")]
pub struct IntentWithdrawn {
    /// The market.
    pub market: MarketId,
    /// Whose intent.
    pub agent: AgentId,
}
crate::message!(IntentWithdrawn, "intent.withdrawn");

/// Why an agent, or one of its wants or gives, got nothing in a clearing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum LeftOut {
    /// It gives nothing: nothing can come back to it in an exchange.
    NothingToGive,
    /// It wants nothing.
    NothingWanted,
    /// Nobody wants what it gives.
    NobodyWantsIt,
    /// Nobody gives what it wants.
    NobodyGivesIt,
    /// There are partners, but at its stated values and costs no ring satisfies everyone.
    PricedOut,
    /// Rings exist, and others made better use of the same goods.
    Outbid,
    /// Givers and takers exist, but no ring of allowed length closes.
    NoRing,
    /// Its part would round to nothing.
    TooSmall,
    /// It rejected a deal at its own stated values; it sits out until it states others.
    SittingOut,
    /// Everything that it offers is in open deals.
    InOpenDeals,
    /// Everything that it offered has been traded.
    Filled,
    /// Its intent breaks a rule of the market.
    Refused,
    /// It has no intent in this market.
    NoIntent,
}

/// Asks `maker.why`: why did an agent get nothing in the last clearing?
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename = "maker.why")]
pub struct Why {
    /// The market.
    pub market: MarketId,
    /// The agent.
    pub agent: AgentId,
}
crate::message!(Why, "maker.why");

/// The answer of `maker.why`, also sent to the agent's inbox when it changes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename = "maker.because")]
pub struct Because {
    /// The market.
    pub market: MarketId,
    /// The agent.
    pub agent: AgentId,
    /// The number of the last clearing; the first is 1, 0 before it.
    pub clearing: u32,
    /// The deals that it was placed in by the last clearing.
    pub deals: Vec<DealId>,
    /// Why it got nothing, when it got nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub left_out: Option<LeftOut>,
    /// The same for people.
    pub detail: String,
}
crate::message!(Because, "maker.because");

/// Asks `maker.market` for a market's declaration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename = "maker.market")]
pub struct ShowMarket {
    /// The market.
    pub market: MarketId,
}
crate::message!(ShowMarket, "maker.market");
