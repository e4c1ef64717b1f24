//! Meetings, drawn from a seed: who meets whom over what, who wants what, and how each negotiates.

use std::path::Path;
use std::sync::Arc;

use negotiation::{Preferences, Rectangle, Space, Utility};
use schemas::deal::Delivery;
use schemas::limit::{MAX_PARTIES, PPM};
use schemas::negotiation::{Domain, Issue, Pattern, ReadRules, ScoreWeight};
use schemas::profile::Profile;
use schemas::{AgentId, DealId, Good, IssueId, MarketId, MoveId, Quantity};
use serde::Deserialize;

use super::{Gathering, Manner, Meeting, Protocol, Seat};
use crate::scenario::ScenarioError;
use crate::scenario::draws::{Draws, key_seed};

/// Parts of a score that a part of a million of utility is worth.
const SCORE_PARTS: i64 = 1_000;
/// By how much the best score must grow in a round of bids for there to be another: a hundredth of all that there is.
const LEAST_GAIN: i64 = PPM * SCORE_PARTS / 100;

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
    /// How many of them are in Python.
    #[serde(default)]
    pub python: u32,
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
    /// By which protocols, each as likely; without, by alternating offers.
    #[serde(default = "alternating_only")]
    pub protocols: Vec<Profile>,
    /// How parties make and answer offers, each way as likely.
    #[serde(default)]
    pub manners: Vec<Manner>,
    /// How contractors bid.
    #[serde(default)]
    pub bidders: Vec<Manner>,
    /// How parties vote on a single text.
    #[serde(default)]
    pub voters: Vec<Manner>,
}

fn alternating_only() -> Vec<Profile> {
    vec![Profile::Sao]
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
        let (at_once, python) = (section.at_once as usize, section.python as usize);
        Ok(Gathering { agents, python, meetings, at_once, keeps_words: false })
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
        if self.python > self.agents {
            return field("python", "more than there are agents");
        }
        if self.protocols.is_empty() || !self.protocols.iter().all(|protocol| protocol.is_negotiated()) {
            return field("protocols", "some of sao/1, cnp/1, icnp/1 and stx/1");
        }
        // A single text takes a mediator besides.
        if self.protocols.contains(&Profile::Stx) && self.parties[1] >= self.agents {
            return field("agents", "nobody is left to mediate");
        }
        for (name, manners, is_needed, fits) in self.ways() {
            if (manners.is_empty() && is_needed) || !manners.iter().all(|manner| fits(*manner)) {
                return field(name, "nobody knows how to negotiate, or somebody knows other ways");
            }
        }
        if self.at_once == 0 {
            return field("at_once", "at least 1");
        }
        if self.within_ms < 1 {
            return field("within_ms", "must be positive");
        }
        Ok(())
    }

    /// Lists of manners: their name, whether some protocol needs them, and which are fit for it.
    fn ways(&self) -> [(&'static str, &[Manner], bool, fn(Manner) -> bool); 3] {
        let takes = |some: &[Profile]| self.protocols.iter().any(|protocol| some.contains(protocol));
        [
            ("manners", &self.manners, takes(&[Profile::Sao]), |manner| manner.strategy(0).is_some()),
            ("bidders", &self.bidders, takes(&[Profile::Cnp, Profile::Icnp]), |manner| manner.bidder().is_some()),
            ("voters", &self.voters, takes(&[Profile::Stx]), |manner| manner.voter(0).is_some()),
        ]
    }

    fn meeting(&self, seed: u64, number: u32, names: &[AgentId]) -> Result<Meeting, ScenarioError> {
        let bad = |reason: String| ScenarioError::field("negotiation", reason);
        let profile = self.protocol(seed, number);
        let (is_net, is_text) = (matches!(profile, Profile::Cnp | Profile::Icnp), profile == Profile::Stx);
        let mut draws = Draws::of(seed, &format!("meeting/{number}"));
        let parties = span(&mut draws, self.parties);
        let counts: Vec<u32> = (0..span(&mut draws, self.issues)).map(|_| span(&mut draws, self.choices)).collect();
        let domain = domain(&counts, if is_net { 2 } else { parties }).map_err(&bad)?;
        let space = Space::of(&domain).ok_or_else(|| bad("too many outcomes".to_owned()))?;
        let rounds = span(&mut draws, self.rounds);
        let are_rectangles = draws.between(1, PPM) <= self.rectangles_ppm;
        let mut guests: Vec<&AgentId> = Vec::new();
        while guests.len() < parties as usize + usize::from(is_text) {
            let drawn = draws.between(0, i64::from(self.agents) - 1);
            let guest = usize::try_from(drawn).ok().and_then(|at| names.get(at));
            guests.extend(guest.filter(|guest| !guests.contains(guest)));
        }
        let mediator = if is_text { guests.pop().cloned() } else { None };
        let manners = match profile {
            Profile::Cnp | Profile::Icnp => &self.bidders,
            Profile::Stx => &self.voters,
            _ => &self.manners,
        };
        let mut score = Vec::new();
        let mut seats = Vec::new();
        for (at, agent) in guests.into_iter().enumerate() {
            let manages = is_net && at == 0;
            let utility = if manages {
                let (utility, weights) = straight(&mut draws, &domain);
                score = weights;
                utility
            } else if are_rectangles {
                rectangles(&mut draws, &counts)
            } else {
                additive(&mut draws, &counts)
            };
            let [from, to] = self.reserved_ppm;
            let drawn = draws.between(0, i64::try_from(manners.len()).unwrap_or(1) - 1);
            let drawn = usize::try_from(drawn).ok().and_then(|at| manners.get(at)).copied().unwrap_or(Manner::Linear);
            // Whoever calls for bids takes the best.
            let (manner, reserved_ppm) = if manages { (Manner::Manager, 0) } else { (drawn, draws.between(from, to)) };
            let seed = draws.between(0, i64::MAX).unsigned_abs();
            seats.push(Seat { agent: agent.clone(), preferences: Preferences { utility, reserved_ppm }, manner, seed });
        }
        let protocol = match (profile, mediator) {
            (Profile::Cnp, _) => Protocol::ContractNet { score },
            (Profile::Icnp, _) => {
                let least_gain = Quantity::new(LEAST_GAIN).map_err(|error| bad(error.to_string()))?;
                Protocol::Iterated { score, least_gain, keep: parties }
            }
            (_, Some(mediator)) => Protocol::SingleText { mediator, seed: draws.between(0, i64::MAX).unsigned_abs() },
            (_, None) => Protocol::Alternating,
        };
        let move_id = MoveId::parse(&format!("meeting-{seed}-{number}")).map_err(|error| bad(error.to_string()))?;
        let (book, within_ms) = (self.book.clone(), self.within_ms);
        let opener = protocol.opener(&seats).ok_or_else(|| bad("nobody opens".to_owned()))?;
        let deal = DealId::of(opener, &move_id);
        let meeting = Meeting { protocol, deal, move_id, book, domain, space, rounds, within_ms, seats };
        let (rules, _) = meeting.rules(0).ok_or_else(|| bad("nobody opens".to_owned()))?;
        ReadRules::read(profile, &rules.encode()).map_err(|refused| bad(refused.to_string()))?;
        Ok(meeting)
    }

    /// By which protocol a meeting is held.
    fn protocol(&self, seed: u64, number: u32) -> Profile {
        // Drawn apart, so that meetings of one protocol are the same whether there are others or not.
        let mut draws = Draws::of(seed, &format!("protocol/{number}"));
        let drawn = draws.between(0, i64::try_from(self.protocols.len()).unwrap_or(1) - 1);
        usize::try_from(drawn).ok().and_then(|at| self.protocols.get(at)).copied().unwrap_or(Profile::Sao)
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

/// Linear in the numbers of all issues, and the score that says the same: what a manager wants.
fn straight(draws: &mut Draws, domain: &Domain) -> (Utility, Vec<ScoreWeight>) {
    let drawn: Vec<i64> = domain.issues.iter().map(|_| draws.between(1, 1_000)).collect();
    let sum: i64 = drawn.iter().sum();
    let (mut issues, mut score) = (Vec::new(), Vec::new());
    for (drawn, issue) in drawn.iter().zip(&domain.issues) {
        let (weight, last) = ((drawn * PPM).checked_div(sum).unwrap_or(0), i64::from(issue.count) - 1);
        let is_rising = draws.between(0, 1) == 1;
        let worth = |choice: i64| (if is_rising { choice } else { last - choice } * PPM).checked_div(last).unwrap_or(0);
        issues.push((weight, (0..=last).map(worth).collect()));
        let step = (weight * SCORE_PARTS).checked_div(last).unwrap_or(0);
        score.push(ScoreWeight { issue: issue.name.clone(), weight: if is_rising { step } else { -step } });
    }
    (Utility::Additive(issues), score)
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
