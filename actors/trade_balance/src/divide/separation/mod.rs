//! The coalition that an allocation leaves shortest, of as many players as a game may have.
//!
//! # Design
//!
//! Of up to 16 players every set is looked at. Beyond, each kind of game has a structure in which the set with the
//! largest excess (its worth less what its members get) is found among exponentially many:
//!
//! | kind | how | decided |
//! |---|---|---|
//! | `listed` | every set on the list, and the cheapest set that is not on it, sets being named from the cheapest on | always |
//! | `largest` | for each need, whoever needs no more and is paid for coming | always |
//! | `estate` | the larger of two sums over members | always |
//! | `gloves` | for each number of left and of right ones, the cheapest | always |
//! | `voting` | a knapsack, by lists of undominated sets ([`knapsack`]) | unless the lists grow too long |
//! | `agreements` | where none takes anything away, a minimum cut; else branch and bound over such cuts ([`closure`]) | unless it takes too many cuts |
//!
//! All is computed in whole numbers, so that what is decided is exact. Where a search ends before it is decided, by its
//! own limit or by the patience of whoever asked, the best set so far comes with a bound that no set exceeds.

mod closure;
mod knapsack;
mod listed;
#[cfg(test)]
mod tests;

use schemas::division::GameKind;

use self::knapsack::Packed;
use super::game::{Function, Mask, players_of};
use crate::patience::Patience;

/// What is known of the coalitions other than nobody and everyone. Excesses are in the unit of the payments.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Worst {
    /// The coalition with the largest excess that was found, the smallest of several.
    pub(super) coalition: Mask,
    /// Its excess.
    pub(super) excess: i128,
    /// No coalition's is larger.
    pub(super) bound: i128,
}

/// How far a search goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Aim {
    /// To the largest excess, whatever it is.
    Largest,
    /// To any coalition that is short, if there is one.
    Positive,
}

/// Payments such that of sets with equal excesses the smaller one counts as shorter: multiplied by more than there are
/// players, and one added for each member.
struct Prices {
    /// A unit of worth in this measure.
    unit: i128,
    /// What each player is paid.
    pays: Vec<i128>,
    everyone: Mask,
}

impl Prices {
    /// What the members of a set are paid.
    fn of(&self, coalition: Mask) -> i128 {
        players_of(coalition).filter_map(|player| self.pays.get(player)).sum()
    }

    /// What it is worth beyond that.
    fn excess(&self, function: &Function<'_>, coalition: Mask) -> i128 {
        function.worth(coalition) * self.unit - self.of(coalition)
    }

    /// The set of players of `among`, neither nobody nor everyone, whose gains sum to most.
    fn heaviest(&self, among: Mask, gain: impl Fn(usize) -> i128) -> Option<Mask> {
        let gaining = players_of(among).filter(|player| gain(*player) > 0).fold(0, |set, player| set | 1 << player);
        if gaining == 0 {
            return players_of(among).max_by_key(|player| gain(*player)).map(|player| 1 << player);
        }
        if gaining != self.everyone {
            return Some(gaining);
        }
        players_of(gaining).min_by_key(|player| gain(*player)).map(|player| gaining ^ (1 << player))
    }
}

/// The coalition that is left shortest by payments of so many `parts` of a unit each; `None` for a single player.
pub(super) fn worst(
    function: &Function<'_>,
    paid: &[i128],
    parts: i128,
    aim: Aim,
    patience: &Patience,
) -> Option<Worst> {
    let players = paid.len() as i128;
    if players < 2 {
        return None;
    }
    let prices = Prices {
        unit: parts * (players + 1),
        pays: paid.iter().map(|paid| paid * (players + 1) + 1).collect(),
        everyone: function.everyone(),
    };
    let (found, bound) = match function.game.kind {
        GameKind::Listed => listed::candidates(function, &prices, patience),
        GameKind::Largest => (largest(function, &prices), None),
        GameKind::Estate => (estate(function, &prices), None),
        GameKind::Gloves => (gloves(function, &prices), None),
        GameKind::Voting => voting(function, &prices, patience),
        GameKind::Agreements => closure::search(function, &prices, aim, patience),
    };
    // Any set will do to begin with.
    let first = (prices.excess(function, 1), 1);
    let measured = found.into_iter().map(|set| (prices.excess(function, set), set));
    let (excess, coalition) = measured.fold(first, |best, next| if next.0 > best.0 { next } else { best });
    let bound = bound.unwrap_or(excess).max(excess);
    Some(Worst {
        coalition,
        excess: (excess + i128::from(coalition.count_ones())) / (players + 1),
        bound: (bound + players).div_euclid(players + 1),
    })
}

/// A runway as long as the largest need in a set serves whoever needs no more: they come as they are paid for it.
fn largest(function: &Function<'_>, prices: &Prices) -> Vec<Mask> {
    let needs = &function.game.numbers;
    let within = |most: i64| {
        let among = needs.iter().enumerate().filter(|(_, need)| **need <= most);
        let among = among.fold(0, |set, (player, _)| set | 1 << player);
        prices.heaviest(among, |player| -prices.pays.get(player).copied().unwrap_or_default())
    };
    needs.iter().filter_map(|most| within(*most)).collect()
}

/// A set is worth nothing, or what the others leave, whichever is more: both are sums over its members.
fn estate(function: &Function<'_>, prices: &Prices) -> Vec<Mask> {
    let pay = |player: usize| prices.pays.get(player).copied().unwrap_or_default();
    let claim = |player: usize| i128::from(function.game.numbers.get(player).copied().unwrap_or_default());
    let free = prices.heaviest(prices.everyone, |player| -pay(player));
    let leaving = prices.heaviest(prices.everyone, |player| claim(player) * prices.unit - pay(player));
    free.into_iter().chain(leaving).collect()
}

/// Of so many left gloves and so many right ones, the cheapest.
fn gloves(function: &Function<'_>, prices: &Prices) -> Vec<Mask> {
    // The cheapest none, one, two, … of a hand, with what they cost.
    let cheapest = |hand: i64| {
        let holds = |player: &usize| function.game.numbers.get(*player) == Some(&hand);
        let mut costs: Vec<(i128, usize)> = prices.pays.iter().copied().zip(0..).filter(|(_, p)| holds(p)).collect();
        costs.sort_unstable();
        let mut sets = vec![(0_i128, 0 as Mask)];
        for (cost, player) in costs {
            let (sum, set) = sets.last().copied().unwrap_or_default();
            sets.push((sum + cost, set | 1 << player));
        }
        sets
    };
    let (left, right) = (cheapest(1), cheapest(0));
    let worth = i128::from(function.game.worth_minor.unwrap_or(1)) * prices.unit;
    let mut best: Option<(i128, Mask)> = None;
    for (pairs, (cost, set)) in (0_i128..).zip(&left) {
        for (others, (other_cost, other_set)) in (0_i128..).zip(&right) {
            let coalition = set | other_set;
            let excess = worth * pairs.min(others) - cost - other_cost;
            let counts = coalition != 0 && coalition != prices.everyone;
            if counts && best.is_none_or(|(most, _)| excess > most) {
                best = Some((excess, coalition));
            }
        }
    }
    best.map(|(_, coalition)| coalition).into_iter().collect()
}

/// Of the winning sets, the one that costs least leaves out whom it can do without: a knapsack of the others, as heavy
/// as the votes that may be missing. Where winning costs, it is a knapsack of a set that loses.
fn voting(function: &Function<'_>, prices: &Prices, patience: &Patience) -> (Vec<Mask>, Option<i128>) {
    let pay = |player: usize| prices.pays.get(player).copied().unwrap_or_default();
    let votes: i128 = function.game.numbers.iter().map(|votes| i128::from(*votes)).sum();
    let quota = i128::from(function.game.total.unwrap_or_default());
    let worth = i128::from(function.game.worth_minor.unwrap_or(1)) * prices.unit;
    let pack = |gains: Vec<i128>, room: i128| knapsack::pack(prices, &gains, &function.game.numbers, room, patience);
    let any = prices.heaviest(prices.everyone, |player| -pay(player));
    let mut found: Vec<Mask> = any.into_iter().collect();
    let any_costs = any.map_or(0, |set| prices.of(set));
    let bound = if worth >= 0 {
        let left_out = pack(prices.pays.clone(), votes - quota);
        let winning = left_out.map(|Packed { set, bound }| {
            found.push(prices.everyone ^ set);
            worth - prices.of(prices.everyone) + bound
        });
        winning.map_or(-any_costs, |winning| winning.max(-any_costs))
    } else {
        let losing = pack(prices.pays.iter().map(|pay| -pay).collect(), quota - 1);
        let losing = losing.map(|Packed { set, bound }| {
            found.push(set);
            bound
        });
        losing.map_or(worth - any_costs, |losing| losing.max(worth - any_costs))
    };
    (found, Some(bound))
}
