//! Dividing gains, and mending terms: what may be moved, by which rule, and what comes out.
//!
//! Amounts are in minor units of the market's unit of account unless a field says otherwise.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::body::Refused;
use crate::deal::{Terms, Transfer};
use crate::id::{AgentId, Good};
use crate::limit::{MAX_CLAIMANTS, MAX_COALITIONS, MAX_GAME_PLAYERS, MAX_SAMPLES, MAX_TRANSFERS, PPM};
use crate::ratio::Ratio;
use crate::rational::Rational;
use crate::value::{PartyValuation, check_valuations, unique};

/// How far the quantity of one transfer may move.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Span {
    /// The transfer's index in the terms.
    pub transfer: u32,
    /// The least quantity, in the good's minor units; at 0 the transfer may be left out.
    #[schemars(range(min = 0))]
    pub least: i64,
    /// The most, at least `least`.
    #[schemars(range(min = 0))]
    pub most: i64,
}

/// A good that parties may pay each other besides what the terms transfer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Payment {
    /// The good: money, mostly. Only who states a cost for it can pay it.
    pub good: Good,
    /// The most that one party may pay, in the good's minor units.
    #[schemars(range(min = 0))]
    pub most: i64,
    /// When payments are due, in Unix milliseconds; left out, when the terms expire.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub due_unix_ms: Option<i64>,
}

/// What may be moved in terms. What it doesn't name stays.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Room {
    /// Transfers whose quantity may move.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub spans: Vec<Span>,
    /// Payments between parties.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub payment: Option<Payment>,
}

impl Room {
    /// Refuses spans of transfers that are not there, or twice, and ends that are negative or the wrong way round.
    ///
    /// # Errors
    /// Naming the field under `field`.
    pub fn check(&self, terms: &Terms, field: &str) -> Result<(), Refused> {
        if self.spans.len() > MAX_TRANSFERS {
            return Err(Refused::new(format!("{field}.spans"), format!("at most {MAX_TRANSFERS} spans")));
        }
        unique(self.spans.iter().map(|span| &span.transfer), &format!("{field}.spans"))?;
        for (index, span) in self.spans.iter().enumerate() {
            let place = |name: &str| format!("{field}.spans[{index}].{name}");
            if span.transfer as usize >= terms.transfers.len() {
                return Err(Refused::new(place("transfer"), format!("there is no transfer {}", span.transfer)));
            }
            if span.least < 0 {
                return Err(Refused::new(place("least"), "must not be negative"));
            }
            if span.least > span.most {
                return Err(Refused::new(place("most"), format!("least {} exceeds most {}", span.least, span.most)));
            }
        }
        if let Some(payment) = &self.payment {
            if payment.most < 0 {
                return Err(Refused::new(format!("{field}.payment.most"), "must not be negative"));
            }
            if payment.due_unix_ms.is_some_and(|due| due < terms.expires_unix_ms) {
                return Err(Refused::new(format!("{field}.payment.due_unix_ms"), "due before the terms expire"));
            }
        }
        Ok(())
    }
}

/// How the mending of terms ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Mended {
    /// The terms that are given satisfy everyone.
    Changed,
    /// Only fractions of minor units were found to satisfy everyone.
    Fractional,
    /// Nothing within the room satisfies everyone; the multipliers prove it.
    Infeasible,
    /// The call's time ended, or its job was cancelled, before terms that satisfy everyone were found or ruled out.
    Stopped,
}

/// A transfer whose quantity changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Change {
    /// The transfer's index in the terms that were asked about.
    pub transfer: u32,
    /// The quantity that it had.
    pub before: i64,
    /// The quantity that it gets; at 0 it is left out.
    pub after: i64,
}

/// A party's part in a proof that nothing satisfies everyone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Multiplier {
    /// The party.
    pub party: AgentId,
    /// What its slack (worth received at its lowest values, less the cost given at its highest with its margin on top)
    /// is multiplied by, at least 0. They sum to 1.
    pub weight: Ratio,
}

/// The least change of terms that satisfies every party, or the proof that there is none.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Mend {
    /// How it ended.
    pub outcome: Mended,
    /// The changed terms, payments at the end; every party is satisfied, exactly.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub terms: Option<Terms>,
    /// What changes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub changes: Vec<Change>,
    /// What is paid besides.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub payments: Vec<Transfer>,
    /// What the change of these terms counts, rounded up: each unit changed or paid counts the mean of what it is
    /// worth to its receiver and costs its giver at central values, and 1 where that is 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub change_minor: Option<i64>,
    /// The least that any change counts, fractions of minor units allowed, rounded up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bound_minor: Option<i64>,
    /// Farkas' certificate: with these weights the parties' slacks sum to less than 0 wherever in the room.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub multipliers: Vec<Multiplier>,
    /// Where parties may pay: what a unit counts besides, added where it is paid and taken where it is received, which
    /// sums to 0 since payments balance.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub balance: Option<Ratio>,
    /// The most that the weighted sum reaches in the room: negative.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub most: Option<Ratio>,
}

/// How gains are divided.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Rule {
    /// Kalai and Smorodinsky: the least gain relative to each party's best as large as can be, then the next.
    Leximin,
    /// Nash: the product of the gains as large as can be.
    Nash,
    /// In proportion to stated weights; where a party can take no more, the others go on.
    Proportional,
    /// Shapley: each party's mean contribution over the orders in which they may come. Of a game only.
    Shapley,
    /// Whether an allocation is in the core; without one, an allocation that is, or the proof that none is. Of a game only.
    Core,
}

/// A party that a pot is divided among.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Claimant {
    /// The party.
    pub party: AgentId,
    /// What it has without agreement, and the least that it takes.
    #[serde(default)]
    pub least_minor: i64,
    /// The most that it can take: its claim. Left out, whatever there is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub most_minor: Option<i64>,
    /// Its weight for `proportional`, and its bargaining power for `nash`; 1 when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weight: Option<Rational>,
}

/// An amount to divide, worth the same to everyone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Pot {
    /// The amount; all of it is given out.
    pub amount_minor: i64,
    /// Among whom.
    pub claimants: Vec<Claimant>,
}

/// A party's weight.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PartyWeight {
    /// The party.
    pub party: AgentId,
    /// Its weight, more than 0.
    pub weight: Rational,
}

/// Terms within which gains are divided by moving quantities and payments.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Bargain {
    /// The terms.
    pub terms: Terms,
    /// Each party's valuation.
    pub valuations: Vec<PartyValuation>,
    /// What may be moved.
    pub room: Room,
    /// Weights for `proportional`; a party without one has weight 1.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub weights: Vec<PartyWeight>,
}

/// What a game's numbers mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum GameKind {
    /// `coalitions` lists what coalitions are worth; one that is not listed is worth 0.
    Listed,
    /// `coalitions` lists agreements: each adds its worth to every coalition that has all its members (Harsanyi's
    /// dividends).
    Agreements,
    /// `numbers` are votes: a coalition with at least `total` of them is worth `worth_minor`.
    Voting,
    /// `numbers` are needs: a coalition costs the largest of them (the runway that all its planes can use). Shares are
    /// then costs.
    Largest,
    /// `numbers` are claims on an estate of `total`: a coalition is worth what the claims of the others leave.
    Estate,
    /// A number of 1 is a left glove, 0 a right one: a coalition is worth `worth_minor` for each pair.
    Gloves,
}

/// A set of parties, and what it is worth.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Coalition {
    /// Its members, each once.
    pub members: Vec<AgentId>,
    /// Its worth.
    pub worth_minor: i64,
}

/// What sets of parties are worth: a coalition function.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Game {
    /// The players, each once.
    pub players: Vec<AgentId>,
    /// What the numbers mean.
    pub kind: GameKind,
    /// For `listed` and `agreements`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub coalitions: Vec<Coalition>,
    /// For the other kinds: one for each player, in their order, at least 0.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub numbers: Vec<i64>,
    /// The quota of `voting`, the `estate`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub total: Option<i64>,
    /// What a winning coalition, or a pair of gloves, is worth; 1 when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub worth_minor: Option<i64>,
    /// For `core`: what each player would get, in their order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub allocation: Vec<i64>,
}

/// Asks `trade_balance.divide`: who gets what? One of `pot`, `bargain` and `game` says of what.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename = "trade_balance.divide")]
pub struct Divide {
    /// By which rule.
    pub rule: Rule,
    /// An amount.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pot: Option<Pot>,
    /// Terms.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bargain: Option<Bargain>,
    /// A coalition function.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub game: Option<Game>,
    /// What the sampled orders of players follow from.
    #[serde(default)]
    pub seed: u64,
    /// How many orders are sampled where a game has too many players for all of them; 10,000 when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub samples: Option<u32>,
    /// How often the confidence interval of a sampled value holds the true one, in parts per million; 950,000 when left
    /// out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confidence_ppm: Option<i64>,
}

crate::message!(Divide, "trade_balance.divide", |divide| {
    let given = [divide.pot.is_some(), divide.bargain.is_some(), divide.game.is_some()];
    if given.iter().filter(|given| **given).count() != 1 {
        return Err(Refused::new("rule", "give one of pot, bargain and game to divide"));
    }
    if let Some(pot) = &divide.pot {
        check_pot(pot)?;
    }
    if let Some(bargain) = &divide.bargain {
        let place = |refused: Refused| Refused::new(format!("bargain.{}", refused.field), refused.reason);
        check_valuations(&bargain.terms, &bargain.valuations).map_err(place)?;
        bargain.room.check(&bargain.terms, "bargain.room")?;
        unique(bargain.weights.iter().map(|weight| &weight.party), "bargain.weights")?;
        let weights = bargain.weights.iter().map(|weight| weight.weight);
        check_weights(weights, |index| format!("bargain.weights[{index}].weight"))?;
    }
    if let Some(game) = &divide.game {
        check_game(game)?;
    }
    if divide.samples.is_some_and(|samples| !(2..=MAX_SAMPLES).contains(&samples)) {
        return Err(Refused::new("samples", format!("2 to {MAX_SAMPLES} samples")));
    }
    if divide.confidence_ppm.is_some_and(|ppm| !(500_000..PPM).contains(&ppm)) {
        return Err(Refused::new("confidence_ppm", "at least 500000 and less than 1000000 ppm"));
    }
    Ok(())
});

fn check_pot(pot: &Pot) -> Result<(), Refused> {
    if !(1..=MAX_CLAIMANTS).contains(&pot.claimants.len()) {
        return Err(Refused::new("pot.claimants", format!("1 to {MAX_CLAIMANTS} claimants")));
    }
    unique_of(pot.claimants.iter().map(|claimant| &claimant.party), "pot.claimants")?;
    for (index, claimant) in pot.claimants.iter().enumerate() {
        if let Some(most) = claimant.most_minor.filter(|most| *most < claimant.least_minor) {
            let reason = format!("least {} exceeds most {most}", claimant.least_minor);
            return Err(Refused::new(format!("pot.claimants[{index}].most_minor"), reason));
        }
    }
    let weights = pot.claimants.iter().map(|claimant| claimant.weight.unwrap_or(Rational::ONE));
    check_weights(weights, |index| format!("pot.claimants[{index}].weight"))
}

fn check_weights(weights: impl Iterator<Item = Rational>, place: impl Fn(usize) -> String) -> Result<(), Refused> {
    for (index, weight) in weights.enumerate() {
        if weight <= Rational::ZERO {
            return Err(Refused::new(place(index), "must be more than 0"));
        }
    }
    Ok(())
}

fn check_game(game: &Game) -> Result<(), Refused> {
    if !(1..=MAX_GAME_PLAYERS).contains(&game.players.len()) {
        return Err(Refused::new("game.players", format!("1 to {MAX_GAME_PLAYERS} players")));
    }
    unique_of(game.players.iter(), "game.players")?;
    if game.coalitions.len() > MAX_COALITIONS {
        return Err(Refused::new("game.coalitions", format!("at most {MAX_COALITIONS} coalitions")));
    }
    if let Some(index) = game.numbers.iter().position(|number| *number < 0) {
        return Err(Refused::new(format!("game.numbers[{index}]"), "must not be negative"));
    }
    let players = game.players.len();
    let listed = matches!(game.kind, GameKind::Listed | GameKind::Agreements);
    if game.numbers.len() != if listed { 0 } else { players } {
        let reason = if listed { "this kind of game has coalitions, not numbers" } else { "one for each player" };
        return Err(Refused::new("game.numbers", reason));
    }
    if !listed && !game.coalitions.is_empty() {
        return Err(Refused::new("game.coalitions", "this kind of game has numbers, not coalitions"));
    }
    let needs_total = matches!(game.kind, GameKind::Voting | GameKind::Estate);
    if game.total.is_some() != needs_total || game.total.is_some_and(|total| total < 0) {
        let reason = if needs_total { "the quota or the estate, at least 0" } else { "this kind of game has none" };
        return Err(Refused::new("game.total", reason));
    }
    if game.kind == GameKind::Gloves && game.numbers.iter().any(|number| *number > 1) {
        return Err(Refused::new("game.numbers", "1 for a left glove, 0 for a right one"));
    }
    if !game.allocation.is_empty() && game.allocation.len() != players {
        return Err(Refused::new("game.allocation", "one for each player"));
    }
    Ok(())
}

/// [`unique`] for lists that have a limit of their own.
fn unique_of<'a>(names: impl Iterator<Item = &'a AgentId>, field: &str) -> Result<(), Refused> {
    let mut seen = std::collections::BTreeSet::new();
    for (index, name) in names.enumerate() {
        if !seen.insert(name) {
            return Err(Refused::new(format!("{field}[{index}]"), format!("{name} stands twice")));
        }
    }
    Ok(())
}

/// What one party gets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Share {
    /// The party.
    pub party: AgentId,
    /// What it gets of the pot or the game; of a bargain, what it is paid less what it pays, in the paid good.
    pub amount_minor: i64,
    /// What it gains over having no agreement, rounded down: of a game, over being alone.
    pub gain_minor: i64,
    /// Of a bargain: what it would gain by the terms as they were given, rounded down.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub given_minor: Option<i64>,
    /// The most that it could gain if nobody else gained, rounded down.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub best_minor: Option<i64>,
    /// Half the width of the confidence interval of a sampled value, rounded up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub within_minor: Option<i64>,
    /// Whether the party is satisfied with the terms, at the worst corner of its bounds with its margin.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub satisfied: Option<bool>,
}

/// A coalition in a proof that the core is empty.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Balancing {
    /// Its members.
    pub members: Vec<AgentId>,
    /// The part of their time that its members give it; for each player the parts sum to 1.
    pub weight: Ratio,
}

/// What is known of the core: the shares are `stable`; or a coalition is `blocking` them; or neither is known, and
/// `bound_minor` says by how much they could be blocked at most.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CoreFinding {
    /// Whether the shares are in the core, proved: no coalition could do better alone, and nothing is left over.
    pub stable: bool,
    /// A coalition that could do better alone: the one with the largest excess that is known, the smallest of several;
    /// of up to 16 players, the first of those in the order of sets as binary numbers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub blocking: Option<Coalition>,
    /// Its worth less what its members get; without one, the largest such excess that is known of any coalition.
    pub excess_minor: i64,
    /// Where the search was cut short by its limits, by the deadline or by a cancellation: no coalition's excess is larger
    /// than this. Left out where none is larger than `excess_minor`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bound_minor: Option<i64>,
    /// Where no allocation is in the core: a balanced collection of coalitions whose weighted worths sum to more than
    /// all players together are worth (Bondareva and Shapley).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub balanced: Vec<Balancing>,
}

/// The answer of `trade_balance.divide`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename = "trade_balance.divided")]
pub struct Divided {
    /// By which rule.
    pub rule: Rule,
    /// Each party in the order asked.
    pub shares: Vec<Share>,
    /// Σ of the amounts, exactly: the pot, what all players together are worth, or 0 for payments.
    pub total_minor: i64,
    /// Gini's coefficient of the gains, losses counted as 0, in parts per million, rounded down.
    pub gini_ppm: i64,
    /// Of a bargain: the same of the gains by the terms as they were given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub given_gini_ppm: Option<i64>,
    /// The product of the gains, 0 where anyone gains nothing; left out for more than 64 parties.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nash_product: Option<Ratio>,
    /// The geometric mean of the gains, rounded down.
    pub nash_mean_minor: i64,
    /// The party with the least gain relative to its best, or else the least gain; the first by id of several.
    pub least_satisfied: AgentId,
    /// The terms that bring these gains, payments at the end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub terms: Option<Terms>,
    /// For `nash` of a bargain: by how much at most the product's geometric mean could be larger, in parts per million,
    /// proved by linear programme: Σ y/x ≤ n(1 + ε) for all gains y within reach.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub epsilon_ppm: Option<i64>,
    /// How many orders were sampled; left out where the value is exact.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub samples: Option<u32>,
    /// Of a game: what is known of its core.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub core: Option<CoreFinding>,
}

crate::message!(Divided, "trade_balance.divided");
