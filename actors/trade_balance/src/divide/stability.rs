//! The core of a game: whether any set of players could do better alone.
//!
//! The core is empty exactly where some balanced collection of coalitions is together worth more than all players
//! (Bondareva and Shapley). The largest worth of such a collection is a linear programme with a row for each player and
//! a column for each coalition. Few coalitions ever matter, so it starts with the players alone and is given, each time,
//! the coalition that its prices leave shortest, until they leave none short: then the prices are an allocation that
//! nobody can better, if all players together are worth so much.

use schemas::division::{Balancing, Coalition, CoreFinding};
use schemas::{AgentId, ErrorReply};
use terms::{Exact, TermsError};

use super::game::{Function, Mask};
use crate::patience::Patience;
use crate::programme::{Column, Programme, Relation, Start, Verdict};

/// What is known of an allocation, the table saying what each set is worth.
pub(super) fn finding(function: &Function<'_>, table: &[i128], shares: &[i128]) -> Result<CoreFinding, ErrorReply> {
    let mut gets = vec![0_i128; table.len()];
    let mut worst: Option<(i128, u32, usize)> = None;
    let everyone = table.len() - 1;
    for mask in 1..table.len() {
        let player = mask.trailing_zeros() as usize;
        let sum =
            gets.get(mask & (mask - 1)).copied().unwrap_or_default() + shares.get(player).copied().unwrap_or_default();
        if let Some(place) = gets.get_mut(mask) {
            *place = sum;
        }
        if mask == everyone {
            continue;
        }
        let excess = table.get(mask).copied().unwrap_or_default() - sum;
        let size = mask.count_ones();
        if worst.is_none_or(|(most, least, _)| excess > most || (excess == most && size < least)) {
            worst = Some((excess, size, mask));
        }
    }
    let fits = |number: i128| i64::try_from(number).map_err(|_| TermsError::Overflow("an excess"));
    let all = gets.get(everyone).copied().unwrap_or_default();
    // What all of them could have beyond their shares; of shares that nobody could pay, the lack.
    let left = table.get(everyone).copied().unwrap_or_default() - all;
    let excess = worst.map_or(0, |(excess, ..)| excess);
    let blocking = match worst {
        Some((excess, _, mask)) if excess > 0 && excess >= left => Some(mask),
        _ if left > 0 => Some(everyone),
        _ => None,
    };
    let sign = i128::from(function.sign());
    let blocking = blocking.map(|mask| -> Result<Coalition, ErrorReply> {
        let worth = table.get(mask).copied().unwrap_or_default() * sign;
        Ok(Coalition { members: members(function, mask as Mask), worth_minor: fits(worth)? })
    });
    Ok(CoreFinding {
        stable: excess <= 0 && left == 0,
        blocking: blocking.transpose()?,
        excess_minor: fits(excess.max(left))?,
        bound_minor: None,
        balanced: Vec::new(),
    })
}

fn members(function: &Function<'_>, mask: Mask) -> Vec<AgentId> {
    let players = function.game.players.iter().enumerate();
    players.filter(|(index, _)| mask & (1 << index) != 0).map(|(_, player)| player.clone()).collect()
}

/// An allocation.
pub(super) struct Allocation {
    /// By player.
    pub(super) values: Vec<Exact>,
    /// Where it is not in the core, the proof that none is.
    pub(super) balanced: Vec<Balancing>,
}

/// The allocation that leaves no coalition short, if all players together are worth so much; else the one that leaves
/// them all short of the same amount.
pub(super) fn allocation(
    function: &Function<'_>,
    table: &[i128],
    patience: &Patience,
) -> Result<Allocation, ErrorReply> {
    let players = function.players();
    let everyone = table.len() - 1;
    let mut programme = Programme::default();
    for _ in 0..players {
        programme.row(Relation::Equal, Exact::from(1));
    }
    let mut coalitions: Vec<usize> = Vec::new();
    let add = |programme: &mut Programme, coalitions: &mut Vec<usize>, mask: usize| {
        let rows = (0..players).filter(|player| mask & (1 << player) != 0);
        programme.column(Column {
            least: Exact::zero(),
            most: None,
            gain: Exact::wide(table.get(mask).copied().unwrap_or_default()),
            entries: rows.map(|row| (row, Exact::from(1))).collect(),
        });
        coalitions.push(mask);
    };
    for player in 0..players {
        add(&mut programme, &mut coalitions, 1 << player);
    }
    let (optimum, prices) = loop {
        let Verdict::Optimal(optimum) = programme.solve_from(&mut Start::default(), patience) else {
            return Err(patience.ended());
        };
        let prices: Vec<Exact> = optimum.prices.iter().map(|price| -price).collect();
        match shortest(table, &prices, everyone) {
            Some(mask) if !coalitions.contains(&mask) => add(&mut programme, &mut coalitions, mask),
            Some(_) => return Err(patience.ended()),
            None => break (optimum, prices),
        }
    };
    let all = Exact::wide(table.get(everyone).copied().unwrap_or_default());
    // What all are worth beyond what the coalitions need, or lack of it, evenly.
    let share = Exact::ratio(1, i64::try_from(players).unwrap_or(i64::MAX)).unwrap_or_else(Exact::zero);
    let beyond = &all - &optimum.value;
    let each = beyond.product(&share);
    let values = prices.iter().map(|price| price + &each).collect();
    let mut balanced = Vec::new();
    if beyond.is_negative() {
        for (mask, weight) in coalitions.iter().zip(&optimum.amounts) {
            if *weight != Exact::zero() {
                let weight = weight.to_ratio().ok_or(TermsError::Overflow("a balancing weight"))?;
                balanced.push(Balancing { members: members(function, *mask as Mask), weight });
            }
        }
    }
    Ok(Allocation { values, balanced })
}

/// The coalition that prices leave shortest, other than all players.
fn shortest(table: &[i128], prices: &[Exact], everyone: usize) -> Option<usize> {
    let mut gets = vec![Exact::zero(); table.len()];
    let mut worst: Option<(Exact, usize)> = None;
    for mask in 1..everyone {
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
