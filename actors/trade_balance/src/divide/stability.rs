//! The core of a game: whether any set of players could do better alone.
//!
//! The core is empty exactly where some balanced collection of coalitions is together worth more than all players
//! (Bondareva and Shapley). The largest worth of such a collection is a linear programme with a row for each player and
//! a column for each coalition. Few coalitions ever matter, so it starts with the players alone and is given, each time,
//! the coalition that its prices leave shortest, until they leave none short: then the prices are an allocation that
//! nobody can better, if all players together are worth so much. Many games have a structure that names an allocation
//! ([`structure`]) or the shortest coalition ([`super::separation`]) without a look at every set.

use schemas::division::{Balancing, Coalition, CoreFinding};
use schemas::{AgentId, ErrorReply};
use terms::{Exact, TermsError};

use super::game::{Function, Mask, players_of};
use super::separation::{Aim, Worst, worst};
use super::structure;
use crate::patience::Patience;
use crate::programme::{Column, Programme, Relation, Start, Verdict};

/// Prices fit 62 bits; of those, as many say fractions of a unit as are free, and this many at most.
const PRICE_BITS: f64 = 62.0;
const FRACTION_BITS: f64 = 20.0;

/// What is known of shares: of few players from the worth of every set, of many by the game's structure.
pub(super) fn finding(
    function: &Function<'_>,
    table: Option<&[i128]>,
    shares: &[i128],
    patience: &Patience,
) -> Result<CoreFinding, ErrorReply> {
    let worst = match table {
        Some(table) => worst_of(table, shares),
        None => worst(function, shares, 1, Aim::Largest, patience),
    };
    let fits = |number: i128| i64::try_from(number).map_err(|_| TermsError::Overflow("an excess"));
    // What all of them could have beyond their shares; of shares that nobody could pay, the lack.
    let left = function.worth(function.everyone()) - shares.iter().sum::<i128>();
    let (excess, bound) = worst.map_or((0, 0), |worst| (worst.excess, worst.bound));
    let blocking = match worst {
        Some(worst) if excess > 0 && excess >= left => Some(worst.coalition),
        _ if left > 0 => Some(function.everyone()),
        _ => None,
    };
    let sign = i128::from(function.sign());
    let blocking = blocking.map(|mask| -> Result<Coalition, ErrorReply> {
        Ok(Coalition { members: members(function, mask), worth_minor: fits(function.worth(mask) * sign)? })
    });
    let known = excess.max(left);
    Ok(CoreFinding {
        stable: bound <= 0 && left == 0,
        blocking: blocking.transpose()?,
        excess_minor: fits(known)?,
        bound_minor: if bound > known { Some(fits(bound)?) } else { None },
        balanced: Vec::new(),
    })
}

/// Of the sets in a table, neither nobody nor everyone, the one that shares leave shortest.
fn worst_of(table: &[i128], shares: &[i128]) -> Option<Worst> {
    let mut gets = vec![0_i128; table.len()];
    let mut worst: Option<(i128, u32, usize)> = None;
    for mask in 1..table.len() - 1 {
        let player = mask.trailing_zeros() as usize;
        let sum =
            gets.get(mask & (mask - 1)).copied().unwrap_or_default() + shares.get(player).copied().unwrap_or_default();
        *gets.get_mut(mask)? = sum;
        let (excess, size) = (table.get(mask)? - sum, mask.count_ones());
        if worst.is_none_or(|(most, least, _)| excess > most || (excess == most && size < least)) {
            worst = Some((excess, size, mask));
        }
    }
    worst.map(|(excess, _, mask)| Worst { coalition: mask as Mask, excess, bound: excess })
}

/// A set's players by their names.
pub(super) fn members(function: &Function<'_>, mask: Mask) -> Vec<AgentId> {
    players_of(mask).filter_map(|player| function.game.players.get(player).cloned()).collect()
}

/// An allocation.
pub(super) struct Allocation {
    /// By player.
    pub(super) values: Vec<Exact>,
    /// Where it is not in the core, the proof that none is.
    pub(super) balanced: Vec<Balancing>,
}

impl Allocation {
    /// In the core.
    pub(super) fn stable(values: Vec<Exact>) -> Self {
        Self { values, balanced: Vec::new() }
    }

    /// What each needs so that no coalition is short, less evenly what all together are worth short of that.
    pub(super) fn evenly_short(needs: &[Exact], all: i128, balanced: Vec<Balancing>) -> Self {
        let mut beyond = Exact::wide(all);
        needs.iter().for_each(|need| beyond += &-need);
        let share = Exact::ratio(1, i64::try_from(needs.len()).unwrap_or(i64::MAX)).unwrap_or_else(Exact::zero);
        let each = beyond.product(&share);
        Self { values: needs.iter().map(|need| need + &each).collect(), balanced }
    }
}

/// The allocation that leaves no coalition short, if all players together are worth so much; else, with the proof that
/// none is in the core, the one that leaves those that are known to be short short of the same amount.
pub(super) fn allocation(
    function: &Function<'_>,
    table: Option<&[i128]>,
    patience: &Patience,
) -> Result<Allocation, ErrorReply> {
    if let Some(allocation) = structure::allocation(function) {
        return Ok(allocation);
    }
    let players = function.players();
    let all = function.worth(function.everyone());
    let mut programme = Programme::default();
    for _ in 0..players {
        programme.row(Relation::Equal, Exact::from(1));
    }
    let mut coalitions: Vec<Mask> = Vec::new();
    let add = |programme: &mut Programme, coalitions: &mut Vec<Mask>, mask: Mask| {
        programme.column(Column {
            least: Exact::zero(),
            most: None,
            gain: Exact::wide(function.worth(mask)),
            entries: players_of(mask).map(|row| (row, Exact::from(1))).collect(),
        });
        coalitions.push(mask);
    };
    for player in 0..players {
        add(&mut programme, &mut coalitions, 1 << player);
    }
    let mut start = Start::default();
    let (optimum, needs) = loop {
        let Verdict::Optimal(optimum) = programme.solve_from(&mut start, patience) else {
            return Err(patience.ended());
        };
        let needs: Vec<Exact> = optimum.prices.iter().map(|price| -price).collect();
        let short = match table {
            Some(table) => shortest(table, &needs).map(|mask| mask as Mask),
            // Of many players, a proof that there is none is worth more than the most even lack.
            None if optimum.value > Exact::wide(all) => None,
            None => short(function, &needs, patience)?,
        };
        patience.check()?;
        match short {
            Some(mask) if !coalitions.contains(&mask) => add(&mut programme, &mut coalitions, mask),
            Some(_) => return Err(patience.ended()),
            None => break (optimum, needs),
        }
    };
    let mut balanced = Vec::new();
    if optimum.value > Exact::wide(all) {
        for (mask, weight) in coalitions.iter().zip(&optimum.amounts) {
            if *weight != Exact::zero() {
                let weight = weight.to_ratio().ok_or(TermsError::Overflow("a balancing weight"))?;
                balanced.push(Balancing { members: members(function, *mask), weight });
            }
        }
    }
    Ok(Allocation::evenly_short(&needs, all, balanced))
}

/// A coalition that is short even where each price is rounded up to a fraction of a unit, if one was found.
fn short(function: &Function<'_>, needs: &[Exact], patience: &Patience) -> Result<Option<Mask>, ErrorReply> {
    // As fine as fits.
    let largest = needs.iter().map(|need| need.to_f64().abs()).fold(1.0, f64::max);
    let parts = 1_i64 << (PRICE_BITS - largest.log2().ceil()).clamp(0.0, FRACTION_BITS) as u32;
    let paid = needs.iter().map(|need| need.times(parts).ceil("a price").map(i128::from));
    let paid = paid.collect::<Result<Vec<_>, TermsError>>()?;
    let worst = worst(function, &paid, parts.into(), Aim::Positive, patience);
    Ok(worst.filter(|worst| worst.excess > 0).map(|worst| worst.coalition))
}

/// The coalition that prices leave shortest, other than all players.
fn shortest(table: &[i128], prices: &[Exact]) -> Option<usize> {
    let mut gets = vec![Exact::zero(); table.len()];
    let mut worst: Option<(Exact, usize)> = None;
    for mask in 1..table.len() - 1 {
        let player = mask.trailing_zeros() as usize;
        let sum = gets.get(mask & (mask - 1))? + prices.get(player)?;
        let lacks = &Exact::wide(*table.get(mask)?) - &sum;
        if lacks > Exact::zero() && worst.as_ref().is_none_or(|(most, _)| lacks > *most) {
            worst = Some((lacks, mask));
        }
        *gets.get_mut(mask)? = sum;
    }
    worst.map(|(_, mask)| mask)
}
