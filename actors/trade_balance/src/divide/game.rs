//! Games: what each set of players is worth.

use std::collections::BTreeMap;

use schemas::division::{CoreFinding, Divide, Divided, Game, GameKind, Rule, Share};
use schemas::limit::{MAX_EXACT_PLAYERS, PPM};
use schemas::{AgentId, Code, ErrorReply};
use terms::{Exact, TermsError};

use super::figures::{gini_ppm, least_satisfied, nash_mean, nash_product};
use super::{shapley, stability};
use crate::patience::Patience;
use crate::whole::largest_remainder;

/// Orders that are sampled where nobody says how many.
const USUAL_SAMPLES: u32 = 10_000;
/// How often an interval holds the true value where nobody says how often, in parts per million.
const USUAL_CONFIDENCE_PPM: i64 = 950_000;

/// A set of players, bit by bit.
pub(super) type Mask = u128;

/// The players of a set, in their order.
pub(super) fn players_of(mut mask: Mask) -> impl Iterator<Item = usize> {
    std::iter::from_fn(move || {
        let player = mask.trailing_zeros() as usize;
        (mask != 0).then(|| {
            mask &= mask - 1;
            player
        })
    })
}

/// What sets of players are worth. A cost counts negative.
pub(super) struct Function<'a> {
    pub(super) game: &'a Game,
    /// What is listed, by set.
    pub(super) listed: BTreeMap<Mask, i64>,
    /// Σ of the numbers.
    claims: i128,
}

impl<'a> Function<'a> {
    /// Reads a game.
    pub(super) fn of(game: &'a Game, patience: &Patience) -> Result<Self, ErrorReply> {
        let places: BTreeMap<&AgentId, usize> = game.players.iter().zip(0..).collect();
        let mut listed = BTreeMap::new();
        for (index, coalition) in game.coalitions.iter().enumerate() {
            let bad = |field: String, reason: String| {
                ErrorReply::new(Code::BadMessage, reason).at_field(&format!("game.coalitions[{index}].{field}"))
            };
            patience.check()?;
            let mut mask: Mask = 0;
            for (at, member) in coalition.members.iter().enumerate() {
                let Some(place) = places.get(member) else {
                    return Err(bad(format!("members[{at}]"), format!("{member} is no player")));
                };
                if mask & (1 << place) != 0 {
                    return Err(bad(format!("members[{at}]"), format!("{member} stands twice")));
                }
                mask |= 1 << place;
            }
            if mask == 0 {
                return Err(bad("members".into(), "a coalition has members".into()));
            }
            if listed.insert(mask, coalition.worth_minor).is_some() {
                return Err(bad("members".into(), "the coalition is listed twice".into()));
            }
        }
        Ok(Self { game, listed, claims: game.numbers.iter().map(|number| i128::from(*number)).sum() })
    }

    /// How many players there are.
    pub(super) fn players(&self) -> usize {
        self.game.players.len()
    }

    /// All players.
    pub(super) fn everyone(&self) -> Mask {
        if self.players() >= 128 { Mask::MAX } else { (1 << self.players()) - 1 }
    }

    /// 1, or −1 where the game is about costs.
    pub(super) fn sign(&self) -> i64 {
        if self.game.kind == GameKind::Largest { -1 } else { 1 }
    }

    fn unit(&self) -> i128 {
        self.game.worth_minor.unwrap_or(1).into()
    }

    /// What a set is worth; what it costs, negative.
    pub(super) fn worth(&self, mask: Mask) -> i128 {
        let members = self.game.numbers.iter().enumerate().filter(|(index, _)| mask & (1 << index) != 0);
        self.worth_of(mask, members.map(|(_, number)| i128::from(*number)).sum())
    }

    /// The same of a set whose numbers sum to `numbers`.
    pub(super) fn worth_of(&self, mask: Mask, numbers: i128) -> i128 {
        let total = i128::from(self.game.total.unwrap_or_default());
        match self.game.kind {
            GameKind::Listed => self.listed.get(&mask).copied().unwrap_or_default().into(),
            GameKind::Agreements => {
                let within = self.listed.iter().filter(|(coalition, _)| **coalition & !mask == 0);
                within.map(|(_, worth)| i128::from(*worth)).sum()
            }
            GameKind::Voting => {
                // Nobody has no votes, whatever the quota.
                if mask != 0 && numbers >= total { self.unit() } else { 0 }
            }
            GameKind::Largest => {
                let members = self.game.numbers.iter().enumerate().filter(|(index, _)| mask & (1 << index) != 0);
                -i128::from(members.map(|(_, number)| *number).max().unwrap_or_default())
            }
            GameKind::Estate => {
                // What the claims of the others leave.
                if mask == 0 { 0 } else { (total - (self.claims - numbers)).max(0) }
            }
            GameKind::Gloves => {
                let right = i128::from(mask.count_ones()) - numbers;
                numbers.min(right) * self.unit()
            }
        }
    }

    /// What every set is worth, by its bits.
    pub(super) fn table(&self) -> Vec<i128> {
        let sets = 1_usize << self.players();
        let mut table = vec![0_i128; sets];
        match self.game.kind {
            GameKind::Listed => {
                for (mask, worth) in &self.listed {
                    if let Some(place) = usize::try_from(*mask).ok().and_then(|mask| table.get_mut(mask)) {
                        *place = (*worth).into();
                    }
                }
            }
            GameKind::Agreements => {
                for (mask, worth) in &self.listed {
                    if let Some(place) = usize::try_from(*mask).ok().and_then(|mask| table.get_mut(mask)) {
                        *place = (*worth).into();
                    }
                }
                // Sums over subsets, one player at a time.
                for player in 0..self.players() {
                    for mask in (0..sets).filter(|mask| mask & (1 << player) != 0) {
                        let without = table.get(mask ^ (1 << player)).copied().unwrap_or_default();
                        if let Some(place) = table.get_mut(mask) {
                            *place += without;
                        }
                    }
                }
            }
            _ => {
                for (mask, place) in table.iter_mut().enumerate() {
                    *place = self.worth(mask as Mask);
                }
            }
        }
        table
    }
}

/// Each player's mean contribution.
pub(super) fn shapley(game: &Game, request: &Divide, patience: &Patience) -> Result<Divided, ErrorReply> {
    if !game.allocation.is_empty() {
        let reason = "an allocation is asked about by the rule core";
        return Err(ErrorReply::new(Code::BadMessage, reason).at_field("game.allocation"));
    }
    let function = Function::of(game, patience)?;
    let (values, sampled) = if function.players() <= MAX_EXACT_PLAYERS {
        (shapley::exact(&function), None)
    } else if let Some(values) = shapley::closed(&function) {
        (values, None)
    } else {
        let samples = request.samples.unwrap_or(USUAL_SAMPLES);
        let confidence_ppm = request.confidence_ppm.unwrap_or(USUAL_CONFIDENCE_PPM);
        let sampled = shapley::sampled(&function, request.seed, samples, confidence_ppm, patience)?;
        (sampled.means, Some((sampled.orders, sampled.within)))
    };
    let shares = rounded(&function, &values)?;
    let table = (function.players() <= MAX_EXACT_PLAYERS).then(|| function.table());
    let finding = table.map(|table| stability::finding(&function, Some(&table), &shares, patience)).transpose()?;
    let mut divided = report(Rule::Shapley, &function, &shares, finding)?;
    if let Some((samples, within)) = sampled {
        divided.samples = Some(samples);
        for (share, within) in divided.shares.iter_mut().zip(within) {
            // One unit for the rounding of the mean.
            share.within_minor = Some(within.ceil("an interval")?.saturating_add(1));
        }
    }
    Ok(divided)
}

/// Whether an allocation is in the core; without one, an allocation that is, or the proof that none is.
pub(super) fn core(game: &Game, patience: &Patience) -> Result<Divided, ErrorReply> {
    let function = Function::of(game, patience)?;
    let table = (function.players() <= MAX_EXACT_PLAYERS).then(|| function.table());
    let table = table.as_deref();
    if !game.allocation.is_empty() {
        let shares: Vec<i128> =
            game.allocation.iter().map(|amount| i128::from(*amount) * i128::from(function.sign())).collect();
        let finding = stability::finding(&function, table, &shares, patience)?;
        return report(Rule::Core, &function, &shares, Some(finding));
    }
    let found = stability::allocation(&function, table, patience)?;
    let shares = rounded(&function, &found.values)?;
    let mut finding = stability::finding(&function, table, &shares, patience)?;
    finding.balanced = found.balanced;
    report(Rule::Core, &function, &shares, Some(finding))
}

/// Whole units that sum to what all players together are worth.
fn rounded(function: &Function<'_>, values: &[Exact]) -> Result<Vec<i128>, ErrorReply> {
    let total =
        i64::try_from(function.worth(function.everyone())).map_err(|_| TermsError::Overflow("the worth of all"))?;
    let ids: Vec<&AgentId> = function.game.players.iter().collect();
    Ok(largest_remainder(values, total, &[], &ids)?.into_iter().map(i128::from).collect())
}

fn report(
    rule: Rule,
    function: &Function<'_>,
    shares: &[i128],
    core: Option<CoreFinding>,
) -> Result<Divided, ErrorReply> {
    let game = function.game;
    let fits = |number: i128| i64::try_from(number).map_err(|_| TermsError::Overflow("a share"));
    let sign = i128::from(function.sign());
    let mut listed = Vec::with_capacity(shares.len());
    for ((index, party), share) in game.players.iter().enumerate().zip(shares) {
        listed.push(Share {
            party: party.clone(),
            amount_minor: fits(share * sign)?,
            gain_minor: fits(share - function.worth(1 << index))?,
            given_minor: None,
            best_minor: None,
            within_minor: None,
            satisfied: None,
        });
    }
    let gains: Vec<i64> = listed.iter().map(|share| share.gain_minor).collect();
    let least = least_satisfied(listed.iter().map(|share| (&share.party, share.gain_minor, None))).cloned();
    Ok(Divided {
        rule,
        total_minor: fits(shares.iter().sum::<i128>() * sign)?,
        gini_ppm: gini_ppm(&gains).min(PPM),
        given_gini_ppm: None,
        nash_product: nash_product(&gains),
        nash_mean_minor: nash_mean(&gains),
        least_satisfied: least
            .ok_or_else(|| ErrorReply::new(Code::BadMessage, "there is no player").at_field("game.players"))?,
        shares: listed,
        terms: None,
        epsilon_ppm: None,
        samples: None,
        core,
    })
}
