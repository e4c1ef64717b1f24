//! A scenario of another kind: agents that do a job together, of which some fail, lie and die.
//!
//! The job is sums: each task's result is its own number plus what the tasks brought that it needs, so anyone can tell
//! whether a result is right, and one wrong result that got through would spoil all that follow. Everything that is
//! drawn is drawn from the seed: what needs what, who is which kind of worker. The runner only watches: what its report
//! says is read off the job's signed log and the bucket of reputations.

mod hand;

mod report;
mod run;

use std::collections::BTreeMap;
use std::path::Path;

use schemas::task::{JobRules, Panel, Pay, Task};
use schemas::{AgentId, Good, MarketId, TaskId};
use serde::Deserialize;

use crate::scenario::{Draws, ScenarioError};

pub use self::report::Report;
pub use self::run::{RunError, run};

/// What everybody can do, or says so.
const SKILL: &str = "add";
/// Results stay below this.
const MODULUS: u64 = 1_000_003;
/// The most that a task may cost, in minor units of account.
const BUDGET_MINOR: i64 = 1_000;

/// A scenario of collaboration.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Together {
    /// What it is, in a line.
    pub about: String,
    /// The seed of everything that is drawn.
    pub seed: u64,
    /// The most seconds that it may run.
    pub seconds: u32,
    /// The job.
    pub collaboration: JobSection,
    /// Who does it.
    pub crew: CrewSection,
    /// How long things may take, and what counts in an award.
    #[serde(default)]
    pub rules: JobRules,
    /// In what the job pays; without it nothing is posted.
    #[serde(default)]
    pub pay: Option<PaySection>,
}

/// In what the job pays.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PaySection {
    /// The ledger's book.
    pub book: MarketId,
    /// The good.
    pub good: Good,
    /// How much of it the supervisor may give, in its minor units.
    pub funds_minor: i64,
}

/// The job.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JobSection {
    /// How many tasks.
    pub tasks: usize,
    /// A task needs some of so many before it.
    pub reach: usize,
    /// At most so many.
    pub needs: usize,
    /// How many verifiers are asked at first.
    pub asked: u32,
    /// By how many verdicts one side must lead.
    pub lead: u32,
    /// Each so-many-th task waits for a human; none where this is 0.
    pub gate_every: usize,
    /// How long the human takes, in milliseconds.
    pub gate_ms: u32,
}

/// Who does it.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CrewSection {
    /// How many workers.
    pub workers: usize,
    /// How many of them hand in wrong results, and ask less for it.
    pub liars: usize,
    /// How many give back what they are awarded.
    pub quitters: usize,
    /// How many die at their second task, without a word.
    pub mortals: usize,
    /// How many verifiers.
    pub verifiers: usize,
    /// How many of them find right what is wrong, and wrong what is right.
    pub mistaken: usize,
    /// How long a task takes, in milliseconds.
    pub work_ms: u32,
}

/// What kind of hand an agent is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Does what it is awarded.
    Honest,
    /// Hands in wrong results.
    Liar,
    /// Gives back what it is awarded.
    Quitter,
    /// Dies at its second task.
    Mortal,
    /// Judges.
    Verifier,
    /// Judges the wrong way round.
    Mistaken,
    /// Answers at the gate.
    Human,
    /// Submits the job.
    Supervisor,
}

impl Together {
    /// Reads a scenario of collaboration; nothing where the file is of another kind.
    ///
    /// # Errors
    /// [`ScenarioError`].
    pub fn load(path: &Path) -> Result<Option<Self>, ScenarioError> {
        let unreadable = |source| ScenarioError::Unreadable { path: path.display().to_string(), source };
        let text = std::fs::read_to_string(path).map_err(unreadable)?;
        let table: toml::Table = toml::from_str(&text).map_err(|error| ScenarioError::Syntax(error.to_string()))?;
        if !table.contains_key("collaboration") {
            return Ok(None);
        }
        let scenario: Self = toml::from_str(&text).map_err(|error| ScenarioError::Syntax(error.to_string()))?;
        scenario.check().map(|()| Some(scenario))
    }

    fn check(&self) -> Result<(), ScenarioError> {
        let field =
            |field: &str, reason: &str| Err(ScenarioError::Field { field: field.into(), reason: reason.into() });
        let crew = &self.crew;
        if !(1..=schemas::limit::MAX_TASKS).contains(&self.collaboration.tasks) {
            return field("collaboration.tasks", "as many as a job may have, and one at least");
        }
        if self.collaboration.needs > schemas::limit::MAX_NEEDS {
            return field("collaboration.needs", "more than a task may need");
        }
        if crew.liars + crew.quitters + crew.mortals >= crew.workers {
            return field("crew.workers", "one honest worker at least");
        }
        if self.pay.as_ref().is_some_and(|pay| pay.funds_minor < 0 || pay.good.as_str() == SKILL) {
            return field("pay", "not less than nothing, and not what is paid for");
        }
        if crew.mistaken >= crew.verifiers {
            return field("crew.verifiers", "one verifier at least that is not mistaken");
        }
        Ok(())
    }

    /// In what the job pays, if it does.
    #[must_use]
    pub fn pay(&self) -> Option<Pay> {
        self.pay.as_ref().map(|pay| Pay { book: pay.book.clone(), good: pay.good.clone() })
    }

    /// The tasks, in an order in which they could be done.
    #[must_use]
    pub fn tasks(&self, seed: u64) -> Vec<Task> {
        let JobSection { tasks, reach, needs, asked, lead, gate_every, .. } = self.collaboration;
        let name = |number: usize| TaskId::parse(&format!("t{number}")).ok();
        let skill = schemas::Skill::parse(SKILL).ok();
        let task = |number: usize| {
            let mut draws = Draws::of(seed, &format!("needs of {number}"));
            let most = i64::try_from(needs).unwrap_or_default();
            let count = usize::try_from(draws.between(0, most)).unwrap_or_default();
            let before: Vec<usize> = (number.saturating_sub(reach)..number).collect();
            Some(Task {
                task: name(number)?,
                needs: draws.pick(count, before).into_iter().filter_map(name).collect(),
                skill: skill.clone()?,
                wanted: Vec::new(),
                brief: number.to_string(),
                budget_minor: BUDGET_MINOR,
                panel: Some(Panel { asked, lead }),
                gate: (number + 1).checked_rem(gate_every) == Some(0),
            })
        };
        (0..tasks).filter_map(task).collect()
    }

    /// Everybody, by name.
    #[must_use]
    pub fn everybody(&self) -> BTreeMap<AgentId, Kind> {
        let CrewSection { workers, liars, quitters, mortals, verifiers, mistaken, .. } = self.crew;
        let honest = workers.saturating_sub(liars + quitters + mortals);
        let kinds = [
            ("honest", honest, Kind::Honest),
            ("liar", liars, Kind::Liar),
            ("quitter", quitters, Kind::Quitter),
            ("mortal", mortals, Kind::Mortal),
            ("verifier", verifiers.saturating_sub(mistaken), Kind::Verifier),
            ("mistaken", mistaken, Kind::Mistaken),
            ("human", 1, Kind::Human),
            ("supervisor", 1, Kind::Supervisor),
        ];
        let named = |(name, count, kind): (&'static str, usize, Kind)| {
            (0..count).filter_map(move |number| Some((AgentId::parse(&format!("{name}-{number}")).ok()?, kind)))
        };
        kinds.into_iter().flat_map(named).collect()
    }
}

/// What a task comes to: its number, and the sum of what it needs.
fn sum(brief: &str, mut inputs: impl Iterator<Item = Option<u64>>) -> Option<u64> {
    let own: u64 = brief.parse().ok()?;
    inputs.try_fold(own % MODULUS, |sum, input| Some((sum + input? % MODULUS) % MODULUS))
}

/// A result, read.
fn value(result: &[u8]) -> Option<u64> {
    std::str::from_utf8(result).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scenario() -> Together {
        toml::from_str(include_str!("../../../../scenarios/collaboration.toml")).unwrap()
    }

    #[test]
    fn the_same_seed_gives_the_same_job_and_each_task_needs_what_is_before_it() {
        let scenario = scenario();
        scenario.check().unwrap();
        let tasks = scenario.tasks(7);
        assert_eq!(tasks, scenario.tasks(7));
        assert_ne!(tasks, scenario.tasks(8));
        assert_eq!(tasks.len(), scenario.collaboration.tasks);
        let mut before = std::collections::BTreeSet::new();
        for task in tasks {
            assert!(task.needs.iter().all(|need| before.contains(need)), "{}", task.task);
            before.insert(task.task);
        }
    }

    #[test]
    fn a_sum_is_what_it_needs_and_its_own_number() {
        assert_eq!(sum("4", [Some(7), Some(MODULUS - 1)].into_iter()), Some(10));
        assert_eq!(sum("4", [Some(7), None].into_iter()), None);
        assert_eq!(sum("four", [].into_iter()), None);
    }
}
