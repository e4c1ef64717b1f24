//! Clearing: from intents to exchange rings. What `graph.clear` reads and answers.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::body::Refused;
use crate::id::{AgentId, DealId, Good, MarketId};
use crate::limit::{MAX_INTENTS, MAX_PARTIES};
use crate::market::{Give, GoodSpec, LeftOut, Want, check_offer};
use crate::quantity::Quantity;
use crate::rational::Rational;
use crate::value::{Bounds, Outlook, check_margin, unique};

/// What a clearing maximises.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Objective {
    /// Σ worth received − cost given, at central values.
    #[default]
    Welfare,
    /// Σ quantities at reference prices.
    Volume,
    /// The number of participations: a party in a ring counts one.
    Served,
}

/// What decides between sets of rings that reach the same objective.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum TieBreak {
    /// First as many agents as possible have a ring or a chain; then the least of what they gain is as large as possible,
    /// each measured against the most that one exchange could bring it by its own offer: all that one alternative
    /// receives, for one lot given.
    Fairness,
}

/// One agent's intent as a clearing sees it: limits are what is left.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Offer {
    /// Whose it is.
    pub agent: AgentId,
    /// The intent's sequence in its stream, when it came from one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sequence: Option<u64>,
    /// What the agent gives.
    pub gives: Vec<Give>,
    /// What it wants.
    pub wants: Vec<Want>,
    /// The margin that it asks for, in parts per million.
    #[serde(default)]
    pub margin_ppm: i64,
    /// How it looks at time and risk.
    #[serde(default)]
    pub outlook: Outlook,
}

/// Asks `graph.clear` for the best set of exchange rings.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename = "graph.clear")]
pub struct Clear {
    /// The goods of the market; an offer may name no other.
    pub goods: Vec<GoodSpec>,
    /// The offers.
    pub offers: Vec<Offer>,
    /// The band around reference prices, as the market states it; left out, none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub band: Option<Bounds>,
    /// The least margin of each party in each ring, in parts per million.
    #[serde(default)]
    pub margin_ppm: i64,
    /// Longest ring, in parties.
    pub max_ring: u32,
    /// What to maximise.
    #[serde(default)]
    pub objective: Objective,
    /// Whole days from the terms' expiry to the due date, for discounting.
    #[serde(default)]
    pub days: u32,
    /// When to stop and answer the best so far, in milliseconds of computing.
    pub time_limit_ms: u32,
    /// Longest chain, in hops; left out, there are none. A chain starts at an offer that wants nothing and gives for
    /// nothing (its cost is 0), and its last party gives nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_chain: Option<u32>,
    /// What decides between sets of rings that reach the same objective; left out, nothing does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub then: Option<TieBreak>,
    /// Rings of an earlier clearing to start from. They guide the search and promise nothing: what no longer fits is
    /// passed over.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub earlier: Vec<Ring>,
    /// Whether to answer with the prices of limits, which prove the bound.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub with_limits: bool,
}

crate::message!(Clear, "graph.clear", |clear| {
    unique(clear.goods.iter().map(|g| &g.good), "goods")?;
    if clear.offers.len() > MAX_INTENTS {
        return Err(Refused::new("offers", format!("at most {MAX_INTENTS} offers")));
    }
    if !(2..=MAX_PARTIES).contains(&(clear.max_ring as usize)) {
        return Err(Refused::new("max_ring", format!("2 to {MAX_PARTIES} parties")));
    }
    if clear.max_chain.is_some_and(|hops| !(1..MAX_PARTIES).contains(&(hops as usize))) {
        return Err(Refused::new("max_chain", format!("1 to {} hops; left out, there are no chains", MAX_PARTIES - 1)));
    }
    if clear.earlier.len() > MAX_INTENTS {
        return Err(Refused::new("earlier", format!("at most {MAX_INTENTS} rings")));
    }
    check_margin(clear.margin_ppm, "margin_ppm")?;
    if clear.time_limit_ms == 0 {
        return Err(Refused::new("time_limit_ms", "must be positive"));
    }
    let mut seen = std::collections::BTreeSet::new();
    for (index, offer) in clear.offers.iter().enumerate() {
        let place = |refused: Refused| Refused::new(format!("offers[{index}].{}", refused.field), refused.reason);
        if !seen.insert(&offer.agent) {
            return Err(place(Refused::new("agent", format!("{} stands twice", offer.agent))));
        }
        check_offer(&offer.gives, &offer.wants, offer.margin_ppm, &offer.outlook).map_err(place)?;
    }
    clear.band.map_or(Ok(()), |band| band.check("band"))
});

/// One arrow of a ring: its giver gives to the next party.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Hop {
    /// The giver.
    pub from: AgentId,
    /// The receiver.
    pub to: AgentId,
    /// The good.
    pub good: Good,
    /// How much, in minor units.
    pub quantity: Quantity,
    /// Which of the receiver's wants it fills, by index.
    pub want: u32,
}

/// An exchange ring in which every party is satisfied at the worst corner of its bounds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Ring {
    /// Its arrows, each to the next one's giver, the last back to the first.
    pub hops: Vec<Hop>,
    /// Its welfare at central values, in minor units of account, rounded down.
    pub welfare_minor: i64,
}

/// A chain that starts at a giver without wants: every party between gives and is satisfied as in a ring, and the last
/// one gives nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Chain {
    /// Its arrows, each to the next one's giver.
    pub hops: Vec<Hop>,
    /// Its welfare at central values, in minor units of account, rounded down.
    pub welfare_minor: i64,
}

/// What a good is worth at the margin, were rings of any length allowed: who gives it for less and who takes it for
/// more has a trade, the purses of its partners permitting.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct GoodPrice {
    /// The good.
    pub good: Good,
    /// For one minor unit, in the objective's unit, rounded up to a multiple of a power of two.
    pub price: Rational,
}

/// What is in the way of the objective: by so much it would grow, at most and for each part, with a larger limit.
/// With every limit at its price no ring brings more than it uses up; so no set of rings brings more than all
/// prices sum to, and that is the bound of the relaxation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LimitPrice {
    /// Whose limit.
    pub agent: AgentId,
    /// The good that it gives, for the limit of a give.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gives: Option<Good>,
    /// The want, by its index in the offer, for the limit of a want.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub want: Option<u32>,
    /// For the whole limit, in the objective's unit, rounded up to a multiple of a power of two.
    pub price: Rational,
}

/// An offer that got nothing, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LeftOutOffer {
    /// Whose.
    pub agent: AgentId,
    /// Why.
    pub reason: LeftOut,
    /// The same for people, with goods and numbers.
    pub detail: String,
}

/// How a clearing ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// The bound was reached, up to rounding to minor units.
    Optimal,
    /// Time ran out; the gap says how far it may be.
    TimeLimit,
    /// The search ended before its time; the gap says how far it may be.
    Feasible,
}

/// The answer of `graph.clear`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename = "graph.cleared")]
pub struct Cleared {
    /// The rings.
    pub rings: Vec<Ring>,
    /// The objective that they reach: minor units of account, or participations.
    pub objective: i64,
    /// An upper bound on what any set of rings can reach, in the same unit.
    pub bound: i64,
    /// (bound − objective) / bound, in parts per million; 0 when the bound is 0.
    pub gap_ppm: i64,
    /// How it ended.
    pub outcome: Outcome,
    /// Time spent, in milliseconds.
    pub took_ms: u32,
    /// The offers that got nothing.
    pub left_out: Vec<LeftOutOffer>,
    /// The chains, where the request allowed any.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub chains: Vec<Chain>,
    /// What each good that can move is worth at the margin.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub prices: Vec<GoodPrice>,
    /// The limits that have a price, where the request asked for them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub limits: Vec<LimitPrice>,
}
crate::message!(Cleared, "graph.cleared");

/// One clearing of a market: what went in, what came out and the deals that were opened on it. The
/// market maker tells of each on [`clearing_topic`](crate::subject::clearing_topic), signed, so that
/// anyone can solve it again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename = "maker.clearing")]
pub struct Clearing {
    /// The market.
    pub market: MarketId,
    /// Its number; the first is 1.
    pub clearing: u32,
    /// When the result was there, in Unix milliseconds.
    pub at_unix_ms: i64,
    /// What was asked: limits are what was left; left out where it does not fit a message.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<Clear>,
    /// What was answered.
    pub result: Cleared,
    /// The deals that were proposed, in the order of the rings, then of evolved terms. A ring of which a party changed its
    /// intent meanwhile, or which promises more than was offered, has none.
    pub deals: Vec<DealId>,
    /// What was made of the answer before it was proposed, in a market that divides gains or evolves terms.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refined: Option<Refined>,
}

/// What was made of a clearing's answer: its rings with their gains divided by the market's rule, and exchanges of other
/// shapes that were evolved among those whom it left out.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Refined {
    /// Of the rings whose gains were divided: as the clearing found them.
    pub before: Evenness,
    /// The same rings as they are proposed.
    pub after: Evenness,
    /// Terms that were evolved, as they are proposed.
    pub evolved: Evenness,
}

impl Refined {
    /// Adds what was made of another clearing's answer.
    pub fn add(&mut self, more: &Self) {
        self.before.add(&more.before);
        self.after.add(&more.after);
        self.evolved.add(&more.evolved);
    }
}

/// What deals bring, and how evenly.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Evenness {
    /// How many deals.
    pub deals: u32,
    /// Σ of their parties' gains at central values, each rounded down, in minor units of account.
    pub welfare_minor: i64,
    /// Σ over the deals of Gini's coefficient of their parties' gains, in parts per million.
    pub gini_ppm: i64,
    /// Σ over the deals of the least satisfied party's gain, as a part of the most that it could gain in this deal, in
    /// parts per million.
    pub least_ppm: i64,
}

impl Evenness {
    /// Adds what more deals bring.
    pub fn add(&mut self, more: &Self) {
        self.deals = self.deals.saturating_add(more.deals);
        self.welfare_minor = self.welfare_minor.saturating_add(more.welfare_minor);
        self.gini_ppm = self.gini_ppm.saturating_add(more.gini_ppm);
        self.least_ppm = self.least_ppm.saturating_add(more.least_ppm);
    }
}

crate::message!(Clearing, "maker.clearing", |clearing| {
    let place = |refused: Refused| Refused::new(format!("request.{}", refused.field), refused.reason);
    clearing.request.as_ref().map_or(Ok(()), |request| request.check().map_err(place))
});
