//! Allocations in the core that a game's structure names, of any number of players.
//!
//! | kind | allocation | why it is in the core |
//! |---|---|---|
//! | `agreements` of which none takes anything away | each agreement's worth evenly among its members | the game is convex, and this is Shapley's value (Shapley, 1971) |
//! | `largest` | each further stretch evenly among those who need it | the same, of a game of costs (Littlechild and Owen, 1973) |
//! | `estate` | in proportion to the claims | all that give out the estate, and nobody more than its claim, are (Curiel, Maschler and Tijs, 1987) |
//! | `gloves` | a pair's worth to whoever holds the scarcer hand; where none is scarcer, half to each | Shapley and Shubik, 1969 |
//! | `voting` | evenly among those without whom nobody wins | a simple game's core is what its vetoes share, and empty where nobody has one |
//!
//! What is split evenly is split in whole units, so that it is in the core exactly. Where the core is empty, the proof is
//! known as well. Listed games, agreements that take, and votes that cost have no such form.

use schemas::division::{Balancing, GameKind};
use terms::Exact;

use super::game::{Function, Mask, players_of};
use super::stability::{Allocation, members};

/// An allocation in the core, or the proof that none is, where the game's structure says so.
pub(super) fn allocation(function: &Function<'_>) -> Option<Allocation> {
    let everyone = function.everyone();
    let all = function.worth(everyone);
    if function.players() == 1 {
        return Some(Allocation::stable(vec![Exact::wide(all)]));
    }
    let numbers = &function.game.numbers;
    let worth = i128::from(function.game.worth_minor.unwrap_or(1));
    match function.game.kind {
        GameKind::Listed => None,
        GameKind::Agreements => {
            let splits = |(set, worth): (&Mask, &i64)| *worth >= 0 || set.is_power_of_two();
            let mut split = Split::among(function.players());
            function.listed.iter().all(splits).then(|| {
                function.listed.iter().for_each(|(set, worth)| split.give((*worth).into(), *set));
                split.shares()
            })
        }
        GameKind::Largest => {
            let mut rising: Vec<(i64, usize)> = numbers.iter().copied().zip(0..).collect();
            rising.sort_unstable();
            let mut split = Split::among(function.players());
            let (mut before, mut users) = (0, everyone);
            for (need, player) in rising {
                split.give(i128::from(before) - i128::from(need), users);
                before = need;
                users ^= 1 << player;
            }
            Some(split.shares())
        }
        GameKind::Estate => {
            let claims: i128 = numbers.iter().map(|claim| i128::from(*claim)).sum();
            if all > claims {
                // Alone, each has all that is beyond the claims, and they cannot all have it.
                let alone: Vec<Exact> =
                    (0..function.players()).map(|player| Exact::wide(function.worth(1 << player))).collect();
                return Some(Allocation::evenly_short(&alone, all, singles(function)));
            }
            let part = Exact::wide(claims).inverse().unwrap_or_else(Exact::zero).product(&Exact::wide(all));
            Some(Allocation::stable(numbers.iter().map(|claim| part.times(*claim)).collect()))
        }
        GameKind::Gloves => {
            let left = numbers.iter().filter(|glove| **glove == 1).count();
            let right = numbers.len() - left;
            if worth < 0 && left.min(right) > 0 {
                return Some(Allocation::evenly_short(&vec![Exact::zero(); numbers.len()], all, singles(function)));
            }
            let (of_left, of_right) = match left.cmp(&right) {
                std::cmp::Ordering::Less => (worth, 0),
                std::cmp::Ordering::Equal => (worth / 2, worth - worth / 2),
                std::cmp::Ordering::Greater => (0, worth),
            };
            // Of one hand alone there is no pair.
            let (of_left, of_right) = if left.min(right) == 0 { (0, 0) } else { (of_left, of_right) };
            let share = |glove: &i64| Exact::wide(if *glove == 1 { of_left } else { of_right });
            Some(Allocation::stable(numbers.iter().map(share).collect()))
        }
        GameKind::Voting => {
            if all < 0 {
                return None;
            }
            let even = |among: Mask| {
                let share =
                    Exact::ratio(1, among.count_ones().into()).unwrap_or_else(Exact::zero).product(&Exact::wide(all));
                let of = |player: usize| if among & (1 << player) == 0 { Exact::zero() } else { share.clone() };
                (0..function.players()).map(of).collect::<Vec<_>>()
            };
            let vetoes = players_of(everyone).filter(|player| function.worth(everyone ^ (1 << player)) == 0);
            let vetoes = vetoes.fold(0 as Mask, |set, player| set | 1 << player);
            if all == 0 || vetoes != 0 {
                return Some(Allocation::stable(even(if vetoes == 0 { everyone } else { vetoes })));
            }
            // Everyone can be done without: so all but one, each for its part of their time, prove that it is empty.
            let weight = Exact::ratio(1, i64::try_from(function.players()).ok()? - 1)?.to_ratio()?;
            let but_one = players_of(everyone).map(|player| Balancing {
                members: members(function, everyone ^ (1 << player)),
                weight: weight.clone(),
            });
            Some(Allocation { values: even(everyone), balanced: but_one.collect() })
        }
    }
}

/// Each player alone, all of its time.
fn singles(function: &Function<'_>) -> Vec<Balancing> {
    let weight = schemas::ratio::Ratio::whole(1);
    let single = |player: usize| Balancing { members: members(function, 1 << player), weight: weight.clone() };
    (0..function.players()).map(single).collect()
}

/// Amounts split evenly, in whole units.
struct Split {
    given: Vec<i128>,
    /// By how much each has less than its exact share: who gets the units that are left. Nothing else is decided by it.
    behind: Vec<f64>,
}

impl Split {
    fn among(players: usize) -> Self {
        Self { given: vec![0; players], behind: vec![0.0; players] }
    }

    /// Gives an amount to a set of players, each as much as the other but for one unit.
    #[allow(clippy::cast_precision_loss)]
    fn give(&mut self, amount: i128, among: Mask) {
        let count = i128::from(among.count_ones()).max(1);
        let (each, left) = (amount.div_euclid(count), amount.rem_euclid(count));
        let mut order: Vec<usize> = players_of(among).collect();
        for player in &order {
            if let (Some(given), Some(behind)) = (self.given.get_mut(*player), self.behind.get_mut(*player)) {
                *given += each;
                *behind += left as f64 / count as f64;
            }
        }
        let lacks = |player: &usize| self.behind.get(*player).copied().unwrap_or_default();
        order.sort_by(|one, other| lacks(other).total_cmp(&lacks(one)));
        for player in order.into_iter().take(usize::try_from(left).unwrap_or_default()) {
            if let (Some(given), Some(behind)) = (self.given.get_mut(player), self.behind.get_mut(player)) {
                *given += 1;
                *behind -= 1.0;
            }
        }
    }

    fn shares(self) -> Allocation {
        Allocation::stable(self.given.into_iter().map(Exact::wide).collect())
    }
}
