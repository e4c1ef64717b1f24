//! The file: its sections and fields, each checked on its own.

use std::collections::BTreeMap;

use schemas::deal::{ClaimKind, Delivery};
use schemas::division::Rule;
use schemas::limit::PPM;
use schemas::market::{GoodSpec, Market};
use schemas::value::{Bounds, PartyKind};
use schemas::{AgentId, MarketId, Rational};
use serde::Deserialize;

use super::ScenarioError;

/// A scenario.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    /// What it is, in a line.
    pub about: String,
    /// The seed of everything that is drawn, unless the command line gives another.
    #[serde(default = "one")]
    pub seed: u64,
    /// The most seconds that it may run, unless the command line gives another.
    pub seconds: u32,
    /// What its agents are written in.
    #[serde(default)]
    pub language: Language,
    /// How many Python processes carry the agents that are written in Python.
    #[serde(default = "two")]
    pub hosts: usize,
    /// The market.
    pub market: MarketSection,
    /// Agents from a table.
    #[serde(default)]
    pub table: Option<TableSection>,
    /// Agents that are drawn.
    #[serde(default)]
    pub synthetic: Option<SyntheticSection>,
    /// When they come and go.
    #[serde(default)]
    pub coming: Coming,
    /// What they keep to themselves.
    #[serde(default)]
    pub reservations: Reservations,
}

fn one() -> u64 {
    1
}

fn two() -> usize {
    2
}

/// What agents are written in.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Language {
    /// One actor each, all on one connection.
    #[default]
    Rust,
    /// Many in one host process.
    Python,
    /// By turns.
    Mixed,
}

impl Language {
    /// The language of the agent with this index: never [`Language::Mixed`].
    #[must_use]
    pub fn of(self, index: usize) -> Self {
        match self {
            Self::Mixed if index.is_multiple_of(2) => Self::Python,
            Self::Mixed => Self::Rust,
            one => one,
        }
    }
}

/// The market, as far as the table or the draws don't give it.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MarketSection {
    /// Its id, and that of its book.
    pub id: MarketId,
    /// The unit of account's minor unit.
    pub unit_of_account: String,
    /// Unit values and costs lie within [lo, hi] times the reference price.
    pub band: Bounds,
    /// The margin that every party gets at least, which the agents state too, in parts per million.
    pub margin_ppm: i64,
    /// Longest ring, in parties.
    pub max_ring: u32,
    /// From one clearing to the next, in milliseconds.
    pub clear_every_ms: u32,
    /// How long a clearing may compute, in milliseconds.
    pub time_limit_ms: u32,
    /// How long a ring can be accepted, in milliseconds.
    pub accept_within_ms: u32,
    /// Whether commit settles, or receivers confirm.
    pub delivery: Delivery,
    /// How long after its expiry a deal's goods are due, in milliseconds.
    pub deliver_within_ms: i64,
    /// The claims that its deals must prove.
    #[serde(default)]
    pub requires: Vec<ClaimKind>,
    /// The rule by which each ring's gains are divided.
    #[serde(default)]
    pub division: Option<Rule>,
    /// How many terms are evaluated after each clearing, to find exchanges of other shapes among those left out.
    #[serde(default)]
    pub evolve: Option<u32>,
}

/// Agents from a table with the columns `iso3`, `income_level`, `commodity`, `unit`, `imports_qty`, `exports_qty`,
/// `imports_usd` and `exports_usd`; others are ignored. Net exports are what an agent gives, net imports what it wants.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TableSection {
    /// The table, beside the scenario's file; left out where `--data` names it.
    #[serde(default)]
    pub csv: Option<String>,
    /// What kind of party they are.
    #[serde(default)]
    pub kind: PartyKind,
    /// How far a stated value or cost may be from the truth, both ways, in parts per million.
    pub bounds_ppm: i64,
    /// By how much unit costs lie below and unit values above the reference price, by income level.
    pub spreads: BTreeMap<String, Spread>,
    /// Reference prices, in minor units of account a unit, of commodities that the table gives no dollars for.
    #[serde(default)]
    pub prices: BTreeMap<String, Rational>,
}

/// Distances from the reference price, in parts per million.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Spread {
    /// By how much a unit cost lies below.
    pub cost_ppm: i64,
    /// By how much a unit value lies above.
    pub value_ppm: i64,
}

/// Agents that are drawn. Ranges are from and to, both included.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SyntheticSection {
    /// How many agents.
    pub agents: usize,
    /// How many goods.
    pub goods: usize,
    /// How many goods each gives.
    pub gives: [i64; 2],
    /// How many goods each wants.
    pub wants: [i64; 2],
    /// How many units of a good each gives or wants.
    pub quantity: [i64; 2],
    /// A good's reference price, in minor units of account a unit.
    pub price: [i64; 2],
    /// By how much a unit cost lies below the reference price, in parts per million.
    pub cost_ppm: [i64; 2],
    /// By how much a unit value lies above it, in parts per million.
    pub value_ppm: [i64; 2],
    /// How far a stated value or cost may be from the truth, both ways, in parts per million.
    pub bounds_ppm: i64,
}

/// When agents come and go. By default all come at once and stay.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Coming {
    /// The share that is there from the beginning, in parts per million; the others come one after another.
    #[serde(default = "everyone")]
    pub at_start_ppm: i64,
    /// When the last one comes, in milliseconds.
    #[serde(default)]
    pub over_ms: u64,
    /// Those who come last.
    #[serde(default)]
    pub last: Vec<AgentId>,
    /// How many leave and come back.
    #[serde(default)]
    pub away: usize,
    /// When they leave, in milliseconds: from and to.
    #[serde(default)]
    pub leave_ms: [i64; 2],
    /// For how long, in milliseconds: from and to.
    #[serde(default)]
    pub away_ms: [i64; 2],
}

fn everyone() -> i64 {
    PPM
}

/// What agents keep to themselves: the margin over their costs below which they say no.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reservations {
    /// Everyone's is drawn from 0 to this, in parts per million.
    #[serde(default)]
    pub up_to_ppm: i64,
    /// For so many it is stricter.
    #[serde(default)]
    pub strict: usize,
    /// Theirs is drawn from this range, in parts per million.
    #[serde(default)]
    pub strict_ppm: [i64; 2],
    /// Those who are never among them.
    #[serde(default)]
    pub never_strict: Vec<AgentId>,
}

impl Scenario {
    /// Reads a scenario.
    ///
    /// # Errors
    /// [`ScenarioError`], naming the field.
    pub fn parse(text: &str) -> Result<Self, ScenarioError> {
        let from = toml::Deserializer::parse(text).map_err(|error| ScenarioError::Syntax(error.to_string()))?;
        let scenario: Self = serde_path_to_error::deserialize(from).map_err(|error| {
            let path = error.path().to_string();
            let reason = error.inner().message().to_owned();
            ScenarioError::field(field_of(&path, &reason), reason)
        })?;
        scenario.check()?;
        Ok(scenario)
    }

    fn check(&self) -> Result<(), ScenarioError> {
        let wrong = |field: &str, reason: &str| Err(ScenarioError::field(field, reason));
        if self.seconds == 0 {
            return wrong("seconds", "must be positive");
        }
        if self.hosts == 0 {
            return wrong("hosts", "must be positive");
        }
        if self.table.is_some() == self.synthetic.is_some() {
            return wrong("table", "a scenario has either [table] or [synthetic]");
        }
        if let Some(table) = &self.table {
            share("table.bounds_ppm", table.bounds_ppm)?;
            for (level, spread) in &table.spreads {
                share(&format!("table.spreads.{level:?}.cost_ppm"), spread.cost_ppm)?;
                not_negative(&format!("table.spreads.{level:?}.value_ppm"), spread.value_ppm)?;
            }
            for (commodity, price) in &table.prices {
                if *price <= Rational::ZERO {
                    return wrong(&format!("table.prices.{commodity:?}"), "must be positive");
                }
            }
        }
        if let Some(drawn) = &self.synthetic {
            share("synthetic.bounds_ppm", drawn.bounds_ppm)?;
            let goods = i64::try_from(drawn.goods).unwrap_or(i64::MAX);
            range("synthetic.gives", drawn.gives, 0, goods)?;
            range("synthetic.wants", drawn.wants, 0, goods)?;
            range("synthetic.quantity", drawn.quantity, 1, i64::MAX)?;
            range("synthetic.price", drawn.price, 1, i64::MAX)?;
            range("synthetic.cost_ppm", drawn.cost_ppm, 0, PPM)?;
            range("synthetic.value_ppm", drawn.value_ppm, 0, i64::MAX)?;
            if drawn.agents == 0 || drawn.goods == 0 {
                return wrong("synthetic", "agents and goods must be positive");
            }
        }
        share("coming.at_start_ppm", self.coming.at_start_ppm)?;
        range("coming.leave_ms", self.coming.leave_ms, 0, i64::MAX)?;
        range("coming.away_ms", self.coming.away_ms, 0, i64::MAX)?;
        not_negative("reservations.up_to_ppm", self.reservations.up_to_ppm)?;
        range("reservations.strict_ppm", self.reservations.strict_ppm, 0, 1000 * PPM)
    }
}

/// The path of a fault; a field that is absent or unknown is named itself, and not its parent.
fn field_of(path: &str, reason: &str) -> String {
    let parent = if path == "." { "" } else { path };
    let named = ["missing field `", "unknown field `"]
        .iter()
        .find_map(|start| reason.strip_prefix(start))
        .and_then(|rest| rest.split('`').next());
    match named {
        Some(field) if parent.is_empty() => field.to_owned(),
        Some(field) if parent == field || parent.ends_with(&format!(".{field}")) => parent.to_owned(),
        Some(field) => format!("{parent}.{field}"),
        None => parent.to_owned(),
    }
}

fn not_negative(field: &str, value: i64) -> Result<(), ScenarioError> {
    if value < 0 { Err(ScenarioError::field(field, "must not be negative")) } else { Ok(()) }
}

fn share(field: &str, value: i64) -> Result<(), ScenarioError> {
    if (0..=PPM).contains(&value) { Ok(()) } else { Err(ScenarioError::field(field, "is a share: 0 to 1000000 ppm")) }
}

fn range(field: &str, [lo, hi]: [i64; 2], least: i64, most: i64) -> Result<(), ScenarioError> {
    if least <= lo && lo <= hi && hi <= most {
        return Ok(());
    }
    let upper = if most == i64::MAX { String::new() } else { format!(" and at most {most}") };
    Err(ScenarioError::field(field, format!("is from and to, at least {least}{upper}")))
}

impl MarketSection {
    /// The declaration of this market with these goods.
    #[must_use]
    pub fn declare(&self, goods: Vec<GoodSpec>) -> Market {
        Market {
            market: self.id.clone(),
            unit_of_account: self.unit_of_account.clone(),
            goods,
            band: self.band,
            margin_ppm: self.margin_ppm,
            max_ring: self.max_ring,
            clear_every_ms: self.clear_every_ms,
            time_limit_ms: self.time_limit_ms,
            accept_within_ms: self.accept_within_ms,
            delivery: self.delivery,
            deliver_within_ms: self.deliver_within_ms,
            requires: self.requires.clone(),
            division: self.division,
            evolve: self.evolve,
            import_certificates: None,
        }
    }
}
