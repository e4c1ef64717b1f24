//! From fractions to whole minor units: largest remainders, and quantities that still satisfy everyone.

use std::cmp::Reverse;

use schemas::AgentId;
use terms::{Exact, TermsError};

use crate::moves::{Kind, Moves};
use crate::patience::Patience;

/// Steps of one unit that a repair takes, for each thing that moves.
const REPAIR_STEPS: usize = 8;

/// Rounds parts that sum to `total` so that they still do: each down, and the units left go to the largest remainders,
/// of equal ones to the first by id. Parts that `must` not lose anything come before the others.
///
/// # Errors
/// [`TermsError::Overflow`] when a part does not fit 64 bits.
pub(crate) fn largest_remainder(
    parts: &[Exact],
    total: i64,
    must: &[bool],
    ids: &[&AgentId],
) -> Result<Vec<i64>, TermsError> {
    let mut whole = Vec::with_capacity(parts.len());
    let mut order = Vec::with_capacity(parts.len());
    for ((index, part), id) in parts.iter().enumerate().zip(ids) {
        let down = part.floor("a share")?;
        let remainder = part - &Exact::from(down);
        let first = must.get(index).copied().unwrap_or(false) && remainder > Exact::zero();
        order.push((Reverse(first), Reverse(remainder), *id, index));
        whole.push(down);
    }
    order.sort();
    let given: i128 = whole.iter().map(|part| i128::from(*part)).sum();
    let left = i128::from(total) - given;
    // Remainders are less than one each, so fewer units are left than there are parts.
    for (.., index) in order.iter().take(usize::try_from(left).unwrap_or(0)) {
        if let Some(part) = whole.get_mut(*index) {
            *part = part.checked_add(1).ok_or(TermsError::Overflow("a share"))?;
        }
    }
    Ok(whole)
}

/// How an amount becomes whole.
#[derive(Debug, Clone, Copy)]
enum Rounding {
    Nearest,
    Down,
    Up,
}

/// The ways to make amounts whole, nearest first, each mended where it can be so that every party is satisfied.
/// Payments stay as balanced as they were. Where patience ends, they are as they were rounded.
pub(crate) fn candidates(moves: &Moves, amounts: &[Exact], patience: &Patience) -> Result<Vec<Vec<i64>>, TermsError> {
    let mut found: Vec<Vec<i64>> = Vec::new();
    for rounding in [Rounding::Nearest, Rounding::Down, Rounding::Up] {
        let mut whole = Vec::with_capacity(amounts.len());
        for (moved, amount) in moves.moves.iter().zip(amounts) {
            let rounded = match rounding {
                Rounding::Nearest => (amount + &Exact::ratio(1, 2).unwrap_or_else(Exact::zero)).floor("a quantity")?,
                Rounding::Down => amount.floor("a quantity")?,
                Rounding::Up => amount.ceil("a quantity")?,
            };
            whole.push(rounded.clamp(moved.least, moved.most));
        }
        round_payments(moves, amounts, &mut whole)?;
        mend(moves, &mut whole, patience);
        if !found.contains(&whole) {
            found.push(whole);
        }
    }
    Ok(found)
}

/// Rounds what parties are paid, net, so that payments balance; first those who would otherwise not be satisfied.
pub(crate) fn round_payments(moves: &Moves, amounts: &[Exact], whole: &mut [i64]) -> Result<(), TermsError> {
    if !moves.has_payments() {
        return Ok(());
    }
    let mut nets = vec![Exact::zero(); moves.parties.len()];
    for (moved, amount) in moves.moves.iter().zip(amounts) {
        match moved.kind {
            Kind::Quantity(_) => {}
            Kind::Paid(party) => {
                if let Some(net) = nets.get_mut(party) {
                    *net += &-amount;
                }
            }
            Kind::Received(party) => {
                if let Some(net) = nets.get_mut(party) {
                    *net += amount;
                }
            }
        }
    }
    let down = nets.iter().map(|net| net.floor("a payment")).collect::<Result<Vec<_>, _>>()?;
    set_payments(moves, &down, whole);
    let must: Vec<bool> = moves.parties.iter().map(|party| party.slack.at_whole(whole).is_negative()).collect();
    let ids: Vec<&AgentId> = moves.parties.iter().map(|party| &party.id).collect();
    let nets = largest_remainder(&nets, 0, &must, &ids)?;
    set_payments(moves, &nets, whole);
    Ok(())
}

fn set_payments(moves: &Moves, nets: &[i64], whole: &mut [i64]) {
    for (moved, amount) in moves.moves.iter().zip(whole) {
        let net = |party: usize| nets.get(party).copied().unwrap_or_default();
        match moved.kind {
            Kind::Quantity(_) => {}
            Kind::Paid(party) => *amount = net(party).min(0).saturating_neg(),
            Kind::Received(party) => *amount = net(party).max(0),
        }
    }
}

/// What a party with this slack lacks.
fn lack(slack: &Exact) -> Exact {
    if slack.is_negative() { -slack } else { Exact::zero() }
}

/// Moves quantities a unit at a time, each time the one that leaves the parties lacking least, until none lacks
/// anything or nothing helps.
fn mend(moves: &Moves, whole: &mut [i64], patience: &Patience) {
    let mut slacks: Vec<Exact> = moves.parties.iter().map(|party| party.slack.at_whole(whole)).collect();
    if !slacks.iter().any(Exact::is_negative) {
        return;
    }
    let touched: Vec<Vec<(usize, Exact)>> = (0..moves.moves.len()).map(|index| moves.entries(index, None)).collect();
    for _ in 0..REPAIR_STEPS * moves.moves.len() {
        if patience.is_over() {
            return;
        }
        // How much less is lacked, by which move, to how many units.
        let mut best: Option<(Exact, usize, i64, i64)> = None;
        for ((index, moved), touched) in moves.moves.iter().enumerate().zip(&touched) {
            if !matches!(moved.kind, Kind::Quantity(_)) {
                continue;
            }
            for step in [1, -1] {
                let Some(next) = whole.get(index).and_then(|amount| amount.checked_add(step)) else { continue };
                if next < moved.least || next > moved.most {
                    continue;
                }
                let mut less = Exact::zero();
                for (party, unit) in touched {
                    let Some(slack) = slacks.get(*party) else { continue };
                    less += &(&lack(slack) - &lack(&(slack + &unit.times(step))));
                }
                if less > best.as_ref().map_or_else(Exact::zero, |(most, ..)| most.clone()) {
                    best = Some((less, index, next, step));
                }
            }
        }
        let Some((_, index, next, step)) = best else { return };
        if let Some(amount) = whole.get_mut(index) {
            *amount = next;
        }
        for (party, unit) in touched.get(index).into_iter().flatten() {
            if let Some(slack) = slacks.get_mut(*party) {
                *slack += &unit.times(step);
            }
        }
    }
}

/// Whether every party is satisfied, exactly, and every amount within its bounds.
pub(crate) fn is_sound(moves: &Moves, whole: &[i64]) -> bool {
    let within = moves.moves.iter().zip(whole).all(|(moved, amount)| (moved.least..=moved.most).contains(amount));
    within && !moves.parties.iter().any(|party| party.slack.at_whole(whole).is_negative())
}
