//! Sets on a list, and the cheapest one that is not on it.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::Prices;
use crate::divide::game::{Function, Mask};
use crate::patience::Patience;

/// Sets between two looks at the clock.
const SETS_PER_LOOK: usize = 1_024;

/// Of the sets that are listed, the shortest, and of all others, which are worth nothing, the one that is paid least;
/// where patience ended before, a bound that none exceeds.
pub(super) fn candidates(function: &Function<'_>, prices: &Prices, patience: &Patience) -> (Vec<Mask>, Option<i128>) {
    let hurried = |at: usize| at % SETS_PER_LOOK == SETS_PER_LOOK - 1 && patience.is_over();
    let worth = function.listed.values().copied().max().unwrap_or_default().max(0);
    let most = prices.pays.iter().fold(i128::from(worth) * prices.unit, |sum, pay| sum - pay.min(&0));
    let counts = |set: &Mask| *set != 0 && *set != prices.everyone;
    let mut best: Option<(i128, Mask)> = None;
    for (at, (set, worth)) in function.listed.iter().filter(|(set, _)| counts(set)).enumerate() {
        if hurried(at) {
            return (best.map(|(_, set)| set).into_iter().collect(), Some(most));
        }
        let excess = i128::from(*worth) * prices.unit - prices.of(*set);
        if best.is_none_or(|(most, _)| excess > most) {
            best = Some((excess, *set));
        }
    }
    let mut found: Vec<Mask> = best.map(|(_, set)| set).into_iter().collect();
    for (at, set) in cheapest_first(&prices.pays).enumerate() {
        if hurried(at) {
            return (found, Some(most));
        }
        if counts(&set) && !function.listed.contains_key(&set) {
            found.push(set);
            break;
        }
    }
    (found, None)
}

/// All sets, from the one that is paid least on.
///
/// The least is everyone with a negative pay. The others differ from it by a set of players that come or go, each at the
/// size of its pay; such sets are named in the order of their sums: the next of a set whose dearest member is the k-th
/// cheapest are that set with the next player, and with the next player in place of that one (Lawler, 1972).
fn cheapest_first(pays: &[i128]) -> impl Iterator<Item = Mask> {
    let mut sizes: Vec<(i128, usize)> = pays.iter().map(|pay| pay.abs()).zip(0..).collect();
    sizes.sort_unstable();
    let least =
        pays.iter().enumerate().filter(|(_, pay)| **pay < 0).fold(0, |set: Mask, (player, _)| set | 1 << player);
    // What it costs beyond the least, the place of its dearest change, and who changes.
    let mut open: BinaryHeap<Reverse<(i128, usize, Mask)>> = BinaryHeap::new();
    open.extend(sizes.first().map(|(size, player)| Reverse((*size, 0, 1 << *player))));
    let rest = std::iter::from_fn(move || {
        let Reverse((sum, at, changes)) = open.pop()?;
        if let (Some((size, player)), Some((next_size, next))) = (sizes.get(at), sizes.get(at + 1)) {
            let with = changes | 1 << *next;
            open.push(Reverse((sum + next_size, at + 1, with)));
            open.push(Reverse((sum + next_size - size, at + 1, with ^ (1 << *player))));
        }
        Some(least ^ changes)
    });
    std::iter::once(least).chain(rest)
}
