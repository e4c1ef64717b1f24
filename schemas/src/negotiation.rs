//! What a negotiation is about, and its rules: what a deal is opened with that has no terms yet.
//!
//! # Outcomes
//!
//! Everything that is negotiated, a quantity, a price, a date, an option, is an [`Issue`]: a whole number out of an
//! evenly spaced range. An outcome is one choice for each issue, counted from 0 and written in the issues' order, so
//! an outcome has one spelling, and whether it is one is asked of two lists. What an outcome *means* is said once, by
//! the [`Pattern`]s of its [`Domain`]: each is a transfer whose good, quantity and date issues may pick, between seats
//! and not between names, so that one domain serves whoever sits down. The crate `terms` fills them in: the same
//! outcome makes the same bytes of terms for everybody, and only those can be agreed on.
//!
//! # Rules
//!
//! [`Alternating`] are those of `sao/1`, [`ContractNet`] those of `cnp/1`, [`IteratedContractNet`] those of `icnp/1`,
//! [`SingleText`] those of `stx/1`. Like terms they travel as bytes, in [`Open`](crate::deal::Open), and are named by the
//! SHA-256 of these: the first word of a talk names it.

use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::body::{self, DecodeError, Refused};
use crate::deal::{Delivery, check_text};
use crate::hash::Hash;
use crate::id::{AgentId, Good, IssueId};
use crate::limit::{MAX_BODY_BYTES, MAX_CHOICES, MAX_ISSUES, MAX_PARTIES, MAX_ROUNDS, MAX_TRANSFERS};
use crate::profile::Profile;
use crate::quantity::Quantity;

/// One thing that is negotiated: one of `count` whole numbers, from `least` in steps of `step`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Issue {
    /// Its name.
    pub name: IssueId,
    /// The number that choice 0 stands for.
    pub least: i64,
    /// How far the number of each choice is from that of the choice before.
    pub step: Quantity,
    /// How many choices there are.
    pub count: u32,
    /// What each choice is called, where the choices are options and not amounts.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub labels: Vec<String>,
}

impl Issue {
    /// The number that a choice stands for, if there is such a choice.
    #[must_use]
    pub fn number(&self, choice: u32) -> Option<i64> {
        if choice >= self.count {
            return None;
        }
        self.least.checked_add(self.step.get().checked_mul(i64::from(choice))?)
    }

    /// The number of the last choice, if there is one that fits.
    fn most(&self) -> Option<i64> {
        self.number(self.count.checked_sub(1)?)
    }
}

/// A transfer that an outcome makes: its quantity is `factor` times the numbers of the issues in `times`. Where that is
/// 0, there is no transfer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Pattern {
    /// The giver's seat, counted from 0.
    pub from: u32,
    /// The receiver's seat.
    pub to: u32,
    /// The good; or one for each choice of `good_by`.
    pub goods: Vec<Good>,
    /// The issue that picks the good.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub good_by: Option<IssueId>,
    /// How much, in the good's minor units, for each unit of the product of `times`.
    pub factor: Quantity,
    /// The issues whose numbers multiply `factor`: a quantity, or a quantity and a price.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub times: Vec<IssueId>,
    /// When it must be there, in Unix milliseconds, before `due_by` is added.
    pub due_unix_ms: i64,
    /// The issue whose number is added to `due_unix_ms`, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub due_by: Option<IssueId>,
}

/// What is negotiated, and what each outcome of it means.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Domain {
    /// What is negotiated. An outcome is one choice for each, in this order.
    pub issues: Vec<Issue>,
    /// The transfers that an outcome makes.
    pub transfers: Vec<Pattern>,
    /// When what is agreed counts as settled.
    pub delivery: Delivery,
}

impl Domain {
    /// Whether it is an outcome of this domain: one choice for each issue.
    #[must_use]
    pub fn has(&self, outcome: &[u32]) -> bool {
        outcome.len() == self.issues.len()
            && self.issues.iter().zip(outcome).all(|(issue, choice)| *choice < issue.count)
    }

    /// An issue by its name, and its place.
    #[must_use]
    pub fn issue(&self, name: &IssueId) -> Option<(usize, &Issue)> {
        self.issues.iter().enumerate().find(|(_, issue)| issue.name == *name)
    }

    /// How many outcomes there are; `None` where that is more than fits.
    #[must_use]
    pub fn size(&self) -> Option<u64> {
        self.issues.iter().try_fold(1_u64, |size, issue| size.checked_mul(issue.count.into()))
    }

    fn check(&self, seats: usize) -> Result<(), Refused> {
        if !(1..=MAX_ISSUES).contains(&self.issues.len()) {
            return Err(Refused::new("domain.issues", format!("1 to {MAX_ISSUES} issues")));
        }
        let mut names = BTreeSet::new();
        for (index, issue) in self.issues.iter().enumerate() {
            let place = |field: &str| format!("domain.issues[{index}].{field}");
            if !names.insert(&issue.name) {
                return Err(Refused::new(place("name"), format!("{} stands twice", issue.name)));
            }
            if !(1..=MAX_CHOICES).contains(&issue.count) {
                return Err(Refused::new(place("count"), format!("1 to {MAX_CHOICES} choices")));
            }
            if issue.most().is_none() {
                return Err(Refused::new(place("step"), "the last choice's number does not fit"));
            }
            if !issue.labels.is_empty() && issue.labels.len() != issue.count as usize {
                return Err(Refused::new(place("labels"), "one for each choice, or none"));
            }
            for (at, label) in issue.labels.iter().enumerate() {
                check_text(label, &place(&format!("labels[{at}]")))?;
            }
        }
        if !(1..=MAX_TRANSFERS).contains(&self.transfers.len()) {
            return Err(Refused::new("domain.transfers", format!("1 to {MAX_TRANSFERS} transfers")));
        }
        self.transfers.iter().enumerate().try_for_each(|(index, pattern)| self.check_pattern(index, pattern, seats))
    }

    fn check_pattern(&self, index: usize, pattern: &Pattern, seats: usize) -> Result<(), Refused> {
        let place = |field: &str| format!("domain.transfers[{index}].{field}");
        let issue = |name: &IssueId, field: &str| {
            let found = self.issue(name).map(|(_, issue)| issue);
            found.ok_or_else(|| Refused::new(place(field), format!("there is no issue {name}")))
        };
        for (field, seat) in [("from", pattern.from), ("to", pattern.to)] {
            if seat as usize >= seats {
                return Err(Refused::new(place(field), format!("there is no seat {seat}")));
            }
        }
        if pattern.from == pattern.to {
            return Err(Refused::new(place("to"), "gives to itself"));
        }
        let goods = match &pattern.good_by {
            Some(name) => issue(name, "good_by")?.count as usize,
            None => 1,
        };
        if pattern.goods.len() != goods {
            return Err(Refused::new(place("goods"), "one good, or one for each choice of the issue that picks it"));
        }
        let mut most = pattern.factor.get();
        for (at, name) in pattern.times.iter().enumerate() {
            let at = format!("times[{at}]");
            let factor = issue(name, &at)?;
            if factor.least < 0 {
                return Err(Refused::new(place(&at), format!("{name} may be negative")));
            }
            // A product that is 0 however large its other factors are stays below any that counts.
            most = factor
                .most()
                .and_then(|number| most.checked_mul(number.max(1)))
                .ok_or_else(|| Refused::new(place(&at), "the largest quantity does not fit"))?;
        }
        if let Some(name) = &pattern.due_by {
            let delay = issue(name, "due_by")?;
            let latest = delay.most().and_then(|most| pattern.due_unix_ms.checked_add(most));
            if delay.least < 0 || latest.is_none() {
                return Err(Refused::new(place("due_by"), "must delay, by no more than fits"));
            }
        }
        Ok(())
    }
}

/// The rules of `sao/1`, stacked alternating offers: the parties move in turn, each accepting what is on the table or
/// putting something else there; what all others have accepted is agreed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename = "rules.sao")]
pub struct Alternating {
    /// What is negotiated.
    pub domain: Domain,
    /// Who moves in which order: every party once. A party's place is its seat.
    pub order: Vec<AgentId>,
    /// How many rounds there are; in each, every party moves once.
    pub rounds: u32,
    /// Until when anything can be said, in Unix milliseconds.
    pub talk_until_unix_ms: i64,
}

crate::message!(Alternating, "rules.sao", |rules| {
    check_seats(&rules.order, "order")?;
    check_rounds(rules.rounds)?;
    rules.domain.check(rules.order.len())
});

/// How much an issue counts in the score of a bid.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ScoreWeight {
    /// The issue.
    pub issue: IssueId,
    /// What each unit of its number adds; negative where less is better.
    pub weight: i64,
}

/// The rules of `cnp/1`, the contract net: a manager calls for bids, contractors bid or decline, and the manager awards
/// to the bid with the highest score, between equals to the bidder whose id comes first. In the domain the manager
/// sits on seat 0, and whoever is awarded on seat 1.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename = "rules.cnp")]
pub struct ContractNet {
    /// What is bid on.
    pub domain: Domain,
    /// Who calls; all other parties are contractors.
    pub manager: AgentId,
    /// Until when bids are heard, in Unix milliseconds; when all contractors have answered, the award may come sooner.
    pub bids_until_unix_ms: i64,
    /// The award's rule: the sum of weights times numbers.
    pub score: Vec<ScoreWeight>,
}

crate::message!(ContractNet, "rules.cnp", |rules| {
    check_score(&rules.score, &rules.domain)?;
    rules.domain.check(2)
});

/// The rules of `icnp/1`, the iterated contract net (FIPA SC00030): as `cnp/1`, but after a round of bids the manager
/// tells the best of them and calls again for better ones. It does so while there are rounds left, somebody bid, and the
/// round's best bid scores at least `least_gain` more than the best of the rounds before. A bid stands until the award,
/// which goes to the best of all rounds, between equals to the earlier, then to the bidder whose id comes first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename = "rules.icnp")]
pub struct IteratedContractNet {
    /// What is bid on.
    pub domain: Domain,
    /// Who calls; all other parties are contractors.
    pub manager: AgentId,
    /// Until when the bids of the first round are heard, in Unix milliseconds; when all who are called have answered, a
    /// round may be over sooner.
    pub bids_until_unix_ms: i64,
    /// How much later those of each round after it are heard, in milliseconds.
    pub round_ms: i64,
    /// How many rounds of bids there are at most.
    pub rounds: u32,
    /// By how much the best score must grow in a round for there to be another.
    pub least_gain: Quantity,
    /// How many are called again at most: of those who bid in the round, the ones whose bids are best.
    pub keep: u32,
    /// The award's rule: the sum of weights times numbers.
    pub score: Vec<ScoreWeight>,
}

impl IteratedContractNet {
    /// Until when bids of a round, counted from 0, are heard, in Unix milliseconds.
    #[must_use]
    pub fn until_unix_ms(&self, round: u32) -> i64 {
        self.bids_until_unix_ms.saturating_add(self.round_ms.saturating_mul(round.into()))
    }
}

impl From<ContractNet> for IteratedContractNet {
    /// A contract net is an iterated one of one round.
    fn from(ContractNet { domain, manager, bids_until_unix_ms, score }: ContractNet) -> Self {
        let (round_ms, rounds, least_gain, keep) = (1, 1, Quantity::ONE, 1);
        Self { domain, manager, bids_until_unix_ms, round_ms, rounds, least_gain, keep, score }
    }
}

crate::message!(IteratedContractNet, "rules.icnp", |rules| {
    check_score(&rules.score, &rules.domain)?;
    check_rounds(rules.rounds)?;
    let last = rules.round_ms.checked_mul(i64::from(rules.rounds) - 1);
    if rules.round_ms < 1 || last.and_then(|last| rules.bids_until_unix_ms.checked_add(last)).is_none() {
        return Err(Refused::new("round_ms", "must be positive, and the last round's end must fit"));
    }
    if !(1..=MAX_PARTIES).contains(&(rules.keep as usize)) {
        return Err(Refused::new("keep", format!("1 to {MAX_PARTIES} bidders")));
    }
    rules.domain.check(2)
});

/// The rules of `stx/1`, mediated single text (Klein, Faratin, Sayama & Bar-Yam 2003): a mediator, who is no party, keeps
/// one text, drawn from the seed. In each round it changes one issue of it, as the seed says, and the parties vote on
/// that; what all accept is the text from then on. What is the text after the last round is what is proposed. What a seed
/// draws is said in the crate `negotiation`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename = "rules.stx")]
pub struct SingleText {
    /// What is negotiated.
    pub domain: Domain,
    /// The parties: every one once. A party's place is its seat, and its vote's place.
    pub order: Vec<AgentId>,
    /// Who keeps the text: the deal's opener, who is no party.
    pub mediator: AgentId,
    /// What the text and all changes are drawn from.
    pub seed: u64,
    /// How many changes are voted on.
    pub rounds: u32,
    /// Until when anything can be said, in Unix milliseconds.
    pub talk_until_unix_ms: i64,
}

impl SingleText {
    /// How many words a whole talk has: in each round a change and every party's vote, and what came of it all.
    #[must_use]
    pub fn words(&self) -> u32 {
        let round = u32::try_from(self.order.len()).unwrap_or(u32::MAX).saturating_add(1);
        self.rounds.saturating_mul(round).saturating_add(1)
    }
}

crate::message!(SingleText, "rules.stx", |rules| {
    check_seats(&rules.order, "order")?;
    if rules.order.contains(&rules.mediator) {
        return Err(Refused::new("mediator", "takes part itself"));
    }
    check_rounds(rules.rounds)?;
    rules.domain.check(rules.order.len())
});

fn check_score(score: &[ScoreWeight], domain: &Domain) -> Result<(), Refused> {
    if score.len() > MAX_ISSUES {
        return Err(Refused::new("score", format!("at most {MAX_ISSUES} issues")));
    }
    match score.iter().enumerate().find(|(_, part)| domain.issue(&part.issue).is_none()) {
        Some((index, part)) => {
            Err(Refused::new(format!("score[{index}].issue"), format!("there is no issue {}", part.issue)))
        }
        None => Ok(()),
    }
}

fn check_rounds(rounds: u32) -> Result<(), Refused> {
    if (1..=MAX_ROUNDS).contains(&rounds) {
        return Ok(());
    }
    Err(Refused::new("rounds", format!("1 to {MAX_ROUNDS} rounds")))
}

fn check_seats(seats: &[AgentId], field: &str) -> Result<(), Refused> {
    if !(2..=MAX_PARTIES).contains(&seats.len()) {
        return Err(Refused::new(field, format!("2 to {MAX_PARTIES} parties")));
    }
    let mut seen = BTreeSet::new();
    match seats.iter().position(|party| !seen.insert(party)) {
        Some(index) => Err(Refused::new(format!("{field}[{index}]"), "sits twice")),
        None => Ok(()),
    }
}

/// The rules of a negotiation, of whichever kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rules {
    /// Of `sao/1`.
    Alternating(Alternating),
    /// Of `cnp/1`.
    ContractNet(ContractNet),
    /// Of `icnp/1`.
    Iterated(IteratedContractNet),
    /// Of `stx/1`.
    SingleText(SingleText),
}

impl Rules {
    /// What is negotiated.
    #[must_use]
    pub fn domain(&self) -> &Domain {
        match self {
            Self::Alternating(rules) => &rules.domain,
            Self::ContractNet(rules) => &rules.domain,
            Self::Iterated(rules) => &rules.domain,
            Self::SingleText(rules) => &rules.domain,
        }
    }

    /// Until when anything can be said, or bid, in Unix milliseconds.
    #[must_use]
    pub fn until_unix_ms(&self) -> i64 {
        match self {
            Self::Alternating(rules) => rules.talk_until_unix_ms,
            Self::ContractNet(rules) => rules.bids_until_unix_ms,
            Self::Iterated(rules) => rules.until_unix_ms(rules.rounds.saturating_sub(1)),
            Self::SingleText(rules) => rules.talk_until_unix_ms,
        }
    }

    /// Who manages a contract net: what comes of one is between the manager and whom it awards to.
    #[must_use]
    pub fn manager(&self) -> Option<&AgentId> {
        match self {
            Self::ContractNet(rules) => Some(&rules.manager),
            Self::Iterated(rules) => Some(&rules.manager),
            Self::Alternating(_) | Self::SingleText(_) => None,
        }
    }

    /// Their exact bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        match self {
            Self::Alternating(rules) => body::encode(rules),
            Self::ContractNet(rules) => body::encode(rules),
            Self::Iterated(rules) => body::encode(rules),
            Self::SingleText(rules) => body::encode(rules),
        }
    }
}

/// The exact bytes of [`Rules`], read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReadRules {
    /// What the bytes say.
    pub rules: Rules,
    /// Their SHA-256: what the first word of the talk names.
    pub hash: Hash,
}

impl ReadRules {
    /// Reads the rules that a profile is negotiated by.
    ///
    /// # Errors
    /// When they are none, or the profile has none; the field is under `rules`.
    pub fn read(profile: Profile, bytes: &[u8]) -> Result<Self, Refused> {
        let rules = match profile {
            Profile::Sao => body::decode(bytes, MAX_BODY_BYTES).map(Rules::Alternating),
            Profile::Cnp => body::decode(bytes, MAX_BODY_BYTES).map(Rules::ContractNet),
            Profile::Icnp => body::decode(bytes, MAX_BODY_BYTES).map(Rules::Iterated),
            Profile::Stx => body::decode(bytes, MAX_BODY_BYTES).map(Rules::SingleText),
            Profile::Fixed | Profile::Ring | Profile::Exchange => {
                return Err(Refused::new("rules", format!("{profile} is not negotiated by rules of its own")));
            }
        };
        let rules = rules.map_err(|error| {
            let field = if error.field().is_empty() { "rules".to_owned() } else { format!("rules.{}", error.field()) };
            let reason =
                if let DecodeError::Field(refused) = &error { refused.reason.clone() } else { error.to_string() };
            Refused::new(field, reason)
        })?;
        Ok(Self { rules, hash: Hash::of(bytes) })
    }
}

/// What was said, in short: enough that nobody can tell it differently afterwards.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Transcript {
    /// SHA-256 of the exact bytes of the last word, each of which names the words before it.
    pub head: Hash,
    /// How many words there are.
    pub length: u32,
}

/// What a negotiation came to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Agreement {
    /// The outcome: one choice for each issue, counted from 0.
    pub outcome: Vec<u32>,
    /// What was said.
    pub transcript: Transcript,
}
