//! Meetings, drawn from a seed: who meets whom over what, who wants what, and how each negotiates.

use std::path::Path;
use std::sync::Arc;

use negotiation::{Preferences, Rectangle, Space, Utility};
use schemas::body::{self, Check};
use schemas::deal::Delivery;
use schemas::limit::{MAX_PARTIES, PPM};
use schemas::negotiation::{Alternating, Domain, Issue, Pattern};
use schemas::{AgentId, DealId, Good, IssueId, MarketId, MoveId, Quantity};
use serde::Deserialize;

use super::{Gathering, Manner, Meeting, Seat};
use crate::scenario::ScenarioError;
use crate::scenario::draws::{Draws, key_seed};

/// A scenario of negotiations.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    /// What it is, in a line.
    pub about: String,
    /// The seed of everything that is drawn, unless the command line gives another.
    pub seed: u64,
    /// The most seconds that it may run, unless the command line gives another.
    pub seconds: u32,
    /// Who meets whom over what.
    pub negotiation: Section,
}

/// What meetings are drawn from. Each span is from … to, both included.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Section {
    /// The ledger's book.
    pub book: MarketId,
    /// How many agents there are.
    pub agents: u32,
    /// How many meetings.
    pub meetings: u32,
    /// How many meetings an agent opens before the first of them has ended.
    pub at_once: u32,
    /// How many take part.
    pub parties: [u32; 2],
    /// How many issues there are.
    pub issues: [u32; 2],
    /// How many choices each has.
    pub choices: [u32; 2],
    /// How many rounds.
    pub rounds: [u32; 2],
    /// How long there is to talk, and as long again to sign, in milliseconds.
    pub within_ms: i64,
    /// What no agreement is worth to a party, in parts of a million of the best outcome.
    pub reserved_ppm: [i64; 2],
    /// Of a million meetings, those whose parties' wishes are hyper-rectangles and not linear.
    pub rectangles_ppm: i64,
    /// How parties negotiate, each way as likely.
    pub manners: Vec<Manner>,
}

/// Whether a scenario's text is one of negotiations.
#[must_use]
pub fn is_one(text: &str) -> bool {
    text.lines().any(|line| line.trim() == "[negotiation]")
}

impl Scenario {
    /// Reads a scenario's file; `None` where it is a scenario of another kind.
    ///
    /// # Errors
    /// [`ScenarioError`], naming the field.
    pub fn load(path: &Path) -> Result<Option<Self>, ScenarioError> {
        let text = crate::scenario::read(path)?;
        if is_one(&text) { Self::parse(&text).map(Some) } else { Ok(None) }
    }

    /// Reads a scenario.
    ///
    /// # Errors
    /// [`ScenarioError`], naming the field.
    pub fn parse(text: &str) -> Result<Self, ScenarioError> {
        let scenario: Self =
            toml::from_str(text).map_err(|error| ScenarioError::Syntax(error.to_string().trim_end().to_owned()))?;
        scenario.negotiation.check()?;
        Ok(scenario)
    }

    /// Draws everyone.
    ///
    /// # Errors
    /// [`ScenarioError`], naming the field.
    pub fn gathering(&self, seed: u64) -> Result<Gathering, ScenarioError> {
        let section = &self.negotiation;
        let name = |number: u32| AgentId::parse(&format!("party-{number}"));
        let names = (0..section.agents).map(name).collect::<Result<Vec<_>, _>>();
        let names = names.map_err(|bad| ScenarioError::field("negotiation.agents", bad.to_string()))?;
        let keyed = |name: &AgentId| Some((name.clone(), key_seed(seed, name)?));
        let agents = names.iter().map(keyed).collect::<Option<Vec<_>>>();
        let agents = agents.ok_or_else(|| ScenarioError::field("seed", "makes no keys"))?;
        let meeting = |number| section.meeting(seed, number, &names).map(Arc::new);
        let meetings = (0..section.meetings).map(meeting).collect::<Result<Vec<_>, _>>()?;
        Ok(Gathering { agents, meetings, at_once: section.at_once as usize })
    }
}

impl Section {
    fn check(&self) -> Result<(), ScenarioError> {
        let field = |name: &str, reason: &str| Err(ScenarioError::field(format!("negotiation.{name}"), reason));
        for (name, [from, to], least) in [
            ("parties", self.parties, 2),
            ("issues", self.issues, 1),
            ("choices", self.choices, 2),
            ("rounds", self.rounds, 1),
        ] {
            if from < least || from > to {
                return field(name, &format!("from … to, at least {least}"));
            }
        }
        if self.parties[1] as usize > MAX_PARTIES || self.parties[1] > self.agents {
            return field("parties", "more than there are agents, or than a deal may have");
        }
        if self.manners.is_empty() {
            return field("manners", "nobody knows how to negotiate");
        }
        if self.at_once == 0 {
            return field("at_once", "at least 1");
        }
        if self.within_ms < 1 {
            return field("within_ms", "must be positive");
        }
        Ok(())
    }

    fn meeting(&self, seed: u64, number: u32, names: &[AgentId]) -> Result<Meeting, ScenarioError> {
        let bad = |reason: String| ScenarioError::field("negotiation", reason);
        let mut draws = Draws::of(seed, &format!("meeting/{number}"));
        let parties = span(&mut draws, self.parties);
        let counts: Vec<u32> = (0..span(&mut draws, self.issues)).map(|_| span(&mut draws, self.choices)).collect();
        let domain = domain(&counts, parties).map_err(&bad)?;
        let space = Space::of(&domain).ok_or_else(|| bad("too many outcomes".to_owned()))?;
        let rounds = span(&mut draws, self.rounds);
        let are_rectangles = draws.between(1, PPM) <= self.rectangles_ppm;
        let mut guests: Vec<&AgentId> = Vec::new();
        while guests.len() < parties as usize {
            let drawn = draws.between(0, i64::from(self.agents) - 1);
            let guest = usize::try_from(drawn).ok().and_then(|at| names.get(at));
            guests.extend(guest.filter(|guest| !guests.contains(guest)));
        }
        let seats: Vec<Seat> = guests
            .into_iter()
            .map(|agent| {
                let utility =
                    if are_rectangles { rectangles(&mut draws, &counts) } else { additive(&mut draws, &counts) };
                let [from, to] = self.reserved_ppm;
                let drawn = draws.between(0, i64::try_from(self.manners.len()).unwrap_or(1) - 1);
                let manner = usize::try_from(drawn).ok().and_then(|at| self.manners.get(at)).copied();
                Seat {
                    agent: agent.clone(),
                    preferences: Preferences { utility, reserved_ppm: draws.between(from, to) },
                    manner: manner.unwrap_or(Manner::Linear),
                    seed: draws.between(0, i64::MAX).unsigned_abs(),
                }
            })
            .collect();
        let opener = seats.first().map(|seat| seat.agent.clone()).ok_or_else(|| bad("nobody".to_owned()))?;
        let move_id = MoveId::parse(&format!("meeting-{seed}-{number}")).map_err(|error| bad(error.to_string()))?;
        let order = seats.iter().map(|seat| seat.agent.clone()).collect();
        let rules = Alternating { domain, order, rounds, talk_until_unix_ms: 0 };
        rules.check().map_err(|body::Refused { field, reason }| bad(format!("{field}: {reason}")))?;
        let deal = DealId::of(&opener, &move_id);
        let (book, within_ms) = (self.book.clone(), self.within_ms);
        Ok(Meeting { deal, move_id, book, domain: rules.domain, space, rounds, within_ms, seats })
    }
}

fn span(draws: &mut Draws, [from, to]: [u32; 2]) -> u32 {
    u32::try_from(draws.between(from.into(), to.into())).unwrap_or(from)
}

/// Issues of so many choices each; each party gives the next something, how much of it an issue says.
fn domain(counts: &[u32], parties: u32) -> Result<Domain, String> {
    let name = |at: usize| IssueId::parse(&format!("issue-{at}")).map_err(|bad| bad.to_string());
    let mut issues = Vec::new();
    for (at, count) in counts.iter().enumerate() {
        issues.push(Issue { name: name(at)?, least: 1, step: Quantity::ONE, count: *count, labels: Vec::new() });
    }
    let mut transfers = Vec::new();
    for seat in 0..parties {
        let issue = (seat as usize).checked_rem(counts.len()).unwrap_or(0);
        let good = Good::parse(&format!("good-{issue}")).map_err(|bad| bad.to_string())?;
        transfers.push(Pattern {
            from: seat,
            to: (seat + 1).checked_rem(parties).unwrap_or(0),
            goods: vec![good],
            good_by: None,
            factor: Quantity::ONE,
            times: vec![name(issue)?],
            due_unix_ms: 0,
            due_by: None,
        });
    }
    Ok(Domain { issues, transfers, delivery: Delivery::Immediate })
}

/// Weights that sum to a million; of each issue some choice is worth a million and some nothing.
fn additive(draws: &mut Draws, counts: &[u32]) -> Utility {
    let drawn: Vec<i64> = counts.iter().map(|_| draws.between(1, 1_000)).collect();
    let sum: i64 = drawn.iter().sum();
    let mut issues: Vec<(i64, Vec<i64>)> = Vec::new();
    for (weight, count) in drawn.iter().zip(counts) {
        let mut worths: Vec<i64> = (2..*count).map(|_| draws.between(0, PPM)).collect();
        worths.extend([0, PPM]);
        draws.shuffle(&mut worths);
        issues.push(((weight * PPM).checked_div(sum).unwrap_or(0), worths));
    }
    Utility::Additive(issues)
}

/// Eight rectangles that overlap, of a million together.
fn rectangles(draws: &mut Draws, counts: &[u32]) -> Utility {
    let rectangles = (0..8).map(|_| {
        let ends: Vec<(u32, u32)> = counts
            .iter()
            .map(|count| {
                let mut choice = || span(draws, [0, count.saturating_sub(1)]);
                let (a, b) = (choice(), choice());
                (a.min(b), a.max(b))
            })
            .collect();
        let (from, to) = ends.into_iter().unzip();
        Rectangle { from, to, adds_ppm: draws.between(0, PPM / 4) }
    });
    Utility::Rectangles(rectangles.collect())
}
