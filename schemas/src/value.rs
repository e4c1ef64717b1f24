//! What goods are worth to a party, as a party states it. The arithmetic is in the crate `terms`.
//!
//! Unit values and costs are in minor units of the market's unit of account for each minor unit of
//! the good: cents a tonne, say.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::body::{Check, Refused};
use crate::deal::Terms;
use crate::division::{Mend, Room};
use crate::id::{AgentId, Good};
use crate::limit::{MAX_GOODS, PPM};
use crate::rational::Rational;

/// An interval of non-negative ratios; its centre is the central value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Bounds {
    /// The lower end, at least 0.
    pub lo: Rational,
    /// The upper end, at least `lo`.
    pub hi: Rational,
}

impl Bounds {
    /// An interval of one point.
    #[must_use]
    pub fn exactly(value: Rational) -> Self {
        Self { lo: value, hi: value }
    }

    /// Refuses negative ends and `lo > hi`.
    ///
    /// # Errors
    /// Naming `field`.
    pub fn check(&self, field: &str) -> Result<(), Refused> {
        if self.lo.is_negative() {
            return Err(Refused::new(format!("{field}.lo"), "must not be negative"));
        }
        if self.lo > self.hi {
            return Err(Refused::new(field, format!("lo {} exceeds hi {}", self.lo, self.hi)));
        }
        Ok(())
    }
}

/// A kind of party: a default set of weights, discount rate and risk aversion.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum PartyKind {
    /// A state: weighs society and security beside money; patient.
    Government,
    /// A company: money, at the market's rate.
    #[default]
    Corporate,
    /// A non-governmental organisation: society and environment first.
    Ngo,
    /// A person or household: cautious about risk.
    Civilian,
}

impl fmt::Display for PartyKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Government => "government",
            Self::Corporate => "corporate",
            Self::Ngo => "ngo",
            Self::Civilian => "civilian",
        })
    }
}

/// Weights of the value dimensions, in parts per million; they sum to 1,000,000.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Weights {
    /// Weight of economic value.
    pub economic_ppm: i64,
    /// Weight of social value.
    pub social_ppm: i64,
    /// Weight of environmental value.
    pub environmental_ppm: i64,
    /// Weight of security.
    pub security_ppm: i64,
}

impl Weights {
    fn check(&self, field: &str) -> Result<(), Refused> {
        let all = [self.economic_ppm, self.social_ppm, self.environmental_ppm, self.security_ppm];
        if all.iter().any(|w| !(0..=PPM).contains(w)) || all.iter().sum::<i64>() != PPM {
            return Err(Refused::new(field, "weights must be 0 to 1000000 ppm each and sum to 1000000"));
        }
        Ok(())
    }
}

/// A unit value by dimension.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Dimensions {
    /// Economic value.
    pub economic: Bounds,
    /// Social value.
    pub social: Bounds,
    /// Environmental value.
    pub environmental: Bounds,
    /// Security.
    pub security: Bounds,
}

/// How a party looks at time and risk. What it leaves out comes from its kind.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Outlook {
    /// The kind of party.
    #[serde(default)]
    pub kind: PartyKind,
    /// Discount rate a year: D = 1 / (1 + rate·days/365).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate: Option<Rational>,
    /// Risk aversion ρ in [0, 1].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub risk_aversion: Option<Rational>,
    /// The probability p in [0, 1] that what it receives arrives; 1 when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub arrival: Option<Rational>,
    /// Weights of the value dimensions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weights: Option<Weights>,
}

impl Outlook {
    /// Refuses a negative rate, and a risk aversion or probability outside [0, 1].
    ///
    /// # Errors
    /// Naming the field under `field`.
    pub fn check(&self, field: &str) -> Result<(), Refused> {
        if self.rate.is_some_and(Rational::is_negative) {
            return Err(Refused::new(format!("{field}.rate"), "must not be negative"));
        }
        for (name, value) in [("risk_aversion", self.risk_aversion), ("arrival", self.arrival)] {
            if value.is_some_and(|v| v.is_negative() || v > Rational::ONE) {
                return Err(Refused::new(format!("{field}.{name}"), "must be from 0 to 1"));
            }
        }
        self.weights.map_or(Ok(()), |weights| weights.check(&format!("{field}.weights")))
    }
}

/// What a unit of a good is worth to a party that receives it: given, or by dimension, never both.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct UnitValue {
    /// The good.
    pub good: Good,
    /// The value itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<Bounds>,
    /// The value by dimension, weighed by the party's weights.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dimensions: Option<Dimensions>,
}

/// What giving a unit of a good costs a party.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct UnitCost {
    /// The good.
    pub good: Good,
    /// The cost.
    pub cost: Bounds,
}

/// A party's whole valuation, as an acceptance states it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Valuation {
    /// Time and risk.
    #[serde(default)]
    pub outlook: Outlook,
    /// The margin μ that it asks for over its costs, in parts per million.
    #[serde(default)]
    pub margin_ppm: i64,
    /// Unit values of what it may receive.
    pub values: Vec<UnitValue>,
    /// Unit costs of what it may give.
    pub costs: Vec<UnitCost>,
}

impl Valuation {
    /// Refuses goods named twice, values given both ways or neither, bad bounds, and a margin outside
    /// [0, 1,000,000,000] ppm.
    ///
    /// # Errors
    /// Naming the field under `field`.
    pub fn check(&self, field: &str) -> Result<(), Refused> {
        self.outlook.check(&format!("{field}.outlook"))?;
        check_margin(self.margin_ppm, &format!("{field}.margin_ppm"))?;
        unique(self.values.iter().map(|v| &v.good), &format!("{field}.values"))?;
        unique(self.costs.iter().map(|c| &c.good), &format!("{field}.costs"))?;
        for (index, stated) in self.values.iter().enumerate() {
            let place = format!("{field}.values[{index}]");
            match (&stated.value, &stated.dimensions) {
                (Some(value), None) => value.check(&format!("{place}.value"))?,
                (None, Some(by)) => {
                    by.economic.check(&format!("{place}.dimensions.economic"))?;
                    by.social.check(&format!("{place}.dimensions.social"))?;
                    by.environmental.check(&format!("{place}.dimensions.environmental"))?;
                    by.security.check(&format!("{place}.dimensions.security"))?;
                }
                _ => return Err(Refused::new(place, "give either value or dimensions, not both and not neither")),
            }
        }
        for (index, stated) in self.costs.iter().enumerate() {
            stated.cost.check(&format!("{field}.costs[{index}].cost"))?;
        }
        Ok(())
    }
}

/// Refuses a margin outside [0, 1,000,000,000] ppm.
///
/// # Errors
/// Naming `field`.
pub fn check_margin(margin_ppm: i64, field: &str) -> Result<(), Refused> {
    if (0..=1000 * PPM).contains(&margin_ppm) {
        Ok(())
    } else {
        Err(Refused::new(field, "a margin is 0 to 1000000000 ppm"))
    }
}

/// Refuses more than [`MAX_GOODS`] names, and a name that stands twice.
///
/// # Errors
/// Naming the entry under `field`.
pub fn unique<'a, T: Ord + fmt::Display + 'a>(names: impl Iterator<Item = &'a T>, field: &str) -> Result<(), Refused> {
    let mut seen = std::collections::BTreeSet::new();
    for (index, name) in names.enumerate() {
        if index >= MAX_GOODS {
            return Err(Refused::new(field, format!("at most {MAX_GOODS} entries")));
        }
        if !seen.insert(name) {
            return Err(Refused::new(format!("{field}[{index}]"), format!("{name} stands twice")));
        }
    }
    Ok(())
}

/// A party and its valuation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PartyValuation {
    /// The party.
    pub party: AgentId,
    /// What it states.
    pub valuation: Valuation,
}

/// Asks `trade_balance.value`: what are these terms worth to each party?
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename = "trade_balance.value")]
pub struct ValueRequest {
    /// The terms.
    pub terms: Terms,
    /// Each party's valuation.
    pub valuations: Vec<PartyValuation>,
}

/// Asks `trade_balance.analyze`: who gains what, component by component, and who is not satisfied?
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename = "trade_balance.analyze")]
pub struct AnalyzeRequest {
    /// The terms.
    pub terms: Terms,
    /// Each party's valuation.
    pub valuations: Vec<PartyValuation>,
    /// What may be moved so that every party is satisfied; left out, each quantity from one unit to a hundred times
    /// what it is, and no payments.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub room: Option<Room>,
}

pub(crate) fn check_valuations(terms: &Terms, valuations: &[PartyValuation]) -> Result<(), Refused> {
    terms.check().map_err(|e| Refused::new(format!("terms.{}", e.field), e.reason))?;
    unique(valuations.iter().map(|v| &v.party), "valuations")?;
    for (index, stated) in valuations.iter().enumerate() {
        stated.valuation.check(&format!("valuations[{index}].valuation"))?;
    }
    Ok(())
}

crate::message!(ValueRequest, "trade_balance.value", |m| check_valuations(&m.terms, &m.valuations));
crate::message!(AnalyzeRequest, "trade_balance.analyze", |m| {
    check_valuations(&m.terms, &m.valuations)?;
    m.room.as_ref().map_or(Ok(()), |room| room.check(&m.terms, "room"))
});

/// What terms are worth to one party, in minor units of account, exactly.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PartyWorth {
    /// The party.
    pub party: AgentId,
    /// Worth of what it receives at its central values, rounded down.
    pub received_minor: i64,
    /// Cost of what it gives at its central costs, rounded up.
    pub given_minor: i64,
    /// `received − given`, central, rounded down.
    pub gain_minor: i64,
    /// The same at the worst corner of its bounds, rounded down.
    pub worst_gain_minor: i64,
    /// Whether it is satisfied at the worst corner with its margin: exact, no rounding.
    pub satisfied: bool,
}

/// The answer of `trade_balance.value`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename = "trade_balance.valued")]
pub struct ValueReply {
    /// Each party in the order of the terms.
    pub parties: Vec<PartyWorth>,
    /// Whether every party is satisfied.
    pub win_win: bool,
    /// Σ of the central gains, rounded down party by party.
    pub welfare_minor: i64,
}
crate::message!(ValueReply, "trade_balance.valued");

/// One transfer's part in a party's gain, in minor units of account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Component {
    /// The transfer's index in the terms.
    pub transfer: u32,
    /// The good.
    pub good: Good,
    /// Received (positive) or given (negative), at central values, rounded towards the party's loss.
    pub gain_minor: i64,
    /// The factor φ⁺ or φ⁻ used, in units of 10⁻⁹.
    pub factor_ppb: i64,
}

/// A party's gain, taken apart.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PartyAnalysis {
    /// The totals.
    pub worth: PartyWorth,
    /// Transfer by transfer.
    pub components: Vec<Component>,
    /// For a party that is not satisfied: the least extra worth at its lower values, in minor units of
    /// account, that would satisfy it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub short_by_minor: Option<i64>,
}

/// The answer of `trade_balance.analyze`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename = "trade_balance.analyzed")]
pub struct AnalyzeReply {
    /// Each party in the order of the terms.
    pub parties: Vec<PartyAnalysis>,
    /// Whether every party is satisfied.
    pub win_win: bool,
    /// The parties that are not.
    pub unsatisfied: Vec<AgentId>,
    /// The party with the least worst-corner gain.
    pub least_satisfied: AgentId,
    /// Σ of the central gains, rounded down party by party.
    pub welfare_minor: i64,
    /// Where somebody is not satisfied: the least change of the terms that would satisfy everyone, or the proof that
    /// there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mend: Option<Mend>,
}
crate::message!(AnalyzeReply, "trade_balance.analyzed");
