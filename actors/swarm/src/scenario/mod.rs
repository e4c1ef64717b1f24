//! Scenarios: who trades, in what market, and when everyone comes and goes.
//!
//! A scenario is a TOML file; the files in `scenarios/` say at their top what they are. Its agents come from a table
//! of countries or firms and what they import and export (`table`), or are drawn (`synthetic`). Everything that is
//! drawn is drawn from the seed, so a scenario and a seed are a population, exactly. What is wrong with a file is
//! reported with the field.

pub(crate) mod draws;
mod file;
mod money;
mod schedule;
mod synthetic;
mod table;
#[cfg(test)]
mod tests;

use std::path::Path;

use schemas::body::Check;
use schemas::market::{Market, check_offer};

pub use self::draws::{Draws, key_seed};
pub use self::file::{Coming, Language, MarketSection, Reservations, Scenario, Spread, SyntheticSection, TableSection};
use crate::plan::AgentPlan;

/// Why a scenario is no good.
#[derive(Debug, thiserror::Error)]
pub enum ScenarioError {
    /// A file cannot be read.
    #[error("{path}: {source}")]
    Unreadable {
        /// The file.
        path: String,
        /// Why.
        source: std::io::Error,
    },
    /// The file is no TOML.
    #[error("{0}")]
    Syntax(String),
    /// A field is wrong.
    #[error("{field}: {reason}")]
    Field {
        /// The field, as a dotted path.
        field: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A row of the table is wrong.
    #[error("line {line}, {column}: {reason}")]
    Row {
        /// The line in the table's file, the first being 1.
        line: u64,
        /// The column.
        column: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The scenario takes its agents from a table and there is none.
    #[error("table.csv: this scenario reads its agents from a table that it does not carry; name it with --data")]
    NoData,
}

impl ScenarioError {
    pub(crate) fn field(field: impl Into<String>, reason: impl Into<String>) -> Self {
        Self::Field { field: field.into(), reason: reason.into() }
    }
}

/// Everyone in a scenario.
#[derive(Debug, Clone, PartialEq)]
pub struct Population {
    /// The market, ready to be declared.
    pub market: Market,
    /// The agents, by id, each with the language that it lives in.
    pub agents: Vec<(Language, AgentPlan)>,
}

impl Population {
    /// When the last agent has taken its last step, in milliseconds from the beginning.
    #[must_use]
    pub fn last_step_ms(&self) -> u64 {
        self.agents.iter().flat_map(|(_, plan)| &plan.schedule).map(|step| step.at_ms).max().unwrap_or(0)
    }

    /// How many intents will be published.
    #[must_use]
    pub fn joins(&self) -> usize {
        let steps = self.agents.iter().flat_map(|(_, plan)| &plan.schedule);
        steps.filter(|step| step.action == crate::plan::Action::Join).count()
    }
}

impl Scenario {
    /// Reads a scenario's file.
    ///
    /// # Errors
    /// [`ScenarioError`], naming the field.
    pub fn load(path: &Path) -> Result<Self, ScenarioError> {
        let text = read(path)?;
        Self::parse(&text)
    }

    /// Draws everyone. `folder` is where the scenario's own table is looked for, `data` a table that takes its place.
    ///
    /// # Errors
    /// [`ScenarioError`], naming field or row.
    pub fn population(&self, seed: u64, folder: &Path, data: Option<&Path>) -> Result<Population, ScenarioError> {
        let (market, mut agents) = match (&self.table, &self.synthetic) {
            (Some(section), None) => {
                let path = match (data, &section.csv) {
                    (Some(data), _) => data.to_owned(),
                    (None, Some(own)) => folder.join(own),
                    (None, None) => return Err(ScenarioError::NoData),
                };
                table::population(self, section, &read(&path)?)?
            }
            (None, Some(section)) => synthetic::population(self, section, seed)?,
            _ => return Err(ScenarioError::field("table", "a scenario has either [table] or [synthetic]")),
        };
        market.check().map_err(|refused| ScenarioError::field(format!("market.{}", refused.field), refused.reason))?;
        agents.sort_by(|a, b| a.id.cmp(&b.id));
        self.reserve(seed, &mut agents)?;
        schedule::schedule(&self.coming, seed, &mut agents)?;
        for plan in &mut agents {
            plan.seed = draws::key_seed(seed, &plan.id)
                .ok_or_else(|| ScenarioError::field("seed", format!("makes no key for {}", plan.id)))?;
            check_offer(&plan.gives, &plan.wants, plan.margin_ppm, &plan.outlook)
                .map_err(|refused| ScenarioError::field(format!("{}.{}", plan.id, refused.field), refused.reason))?;
        }
        let agents = agents.into_iter().enumerate().map(|(index, plan)| (self.language.of(index), plan)).collect();
        Ok(Population { market, agents })
    }

    /// Draws everyone's private reservation.
    fn reserve(&self, seed: u64, agents: &mut [AgentPlan]) -> Result<(), ScenarioError> {
        let section = &self.reservations;
        for named in &section.never_strict {
            if !agents.iter().any(|plan| plan.id == *named) {
                return Err(ScenarioError::field("reservations.never_strict", format!("there is no agent {named}")));
            }
        }
        for plan in agents.iter_mut() {
            let mut draws = draws::Draws::of(seed, &format!("reservation/{}", plan.id));
            plan.reserve_ppm = draws.between(0, section.up_to_ppm);
        }
        let may_be_strict = agents
            .iter_mut()
            .filter(|plan| !plan.gives.is_empty() && !plan.wants.is_empty())
            .filter(|plan| !section.never_strict.contains(&plan.id))
            .collect();
        let mut draws = draws::Draws::of(seed, "strict");
        let [lo, hi] = section.strict_ppm;
        for plan in draws.pick(section.strict, may_be_strict) {
            plan.reserve_ppm = draws.between(lo, hi);
        }
        Ok(())
    }
}

pub(crate) fn read(path: &Path) -> Result<String, ScenarioError> {
    std::fs::read_to_string(path)
        .map_err(|source| ScenarioError::Unreadable { path: path.display().to_string(), source })
}
