//! The set of players whose gains sum to most, of those that are not too heavy together.
//!
//! Item after item, the sets that no other beats in both gain and weight are listed (Nemhauser and Ullmann, 1969), less
//! those whose bound, the gain with the rest filled up by fractions (Dantzig, 1957), is no better than a set that is
//! known. The lists are as long as there are different weights at most, so that small numbers are always decided; of a
//! list that grows beyond [`MOST_SETS`], the sets with the best bounds are kept, and the best bound of the others is
//! remembered.

use std::cmp::{Ordering, Reverse};

use super::Prices;
use crate::divide::game::Mask;
use crate::patience::Patience;

/// Most sets in a list.
const MOST_SETS: usize = 1 << 16;

/// What was packed.
pub(super) struct Packed {
    pub(super) set: Mask,
    /// No set that fits gains more.
    pub(super) bound: i128,
}

/// A player that may be packed: it gains, and fits.
struct Item {
    gain: i128,
    weight: i128,
    player: usize,
}

impl Item {
    /// Which of two gains more for its weight.
    fn compare(&self, other: &Self) -> Ordering {
        if self.weight == 0 || other.weight == 0 {
            return other.weight.cmp(&self.weight);
        }
        // Weights fit 64 bits, gains may not: whole parts first, then what is left, which fits.
        let (whole, rest) = (self.gain / self.weight, self.gain % self.weight);
        let (other_whole, other_rest) = (other.gain / other.weight, other.gain % other.weight);
        whole.cmp(&other_whole).then_with(|| (rest * other.weight).cmp(&(other_rest * self.weight)))
    }
}

#[derive(Clone, Copy)]
struct Pack {
    gain: i128,
    weight: i128,
    set: Mask,
}

/// The set, neither nobody nor everyone, with the largest sum of gains whose weights sum to at most `room`; `None` where
/// nobody fits.
pub(super) fn pack(
    prices: &Prices,
    gains: &[i128],
    weights: &[i64],
    room: i128,
    patience: &Patience,
) -> Option<Packed> {
    let fitting = weights.iter().enumerate().filter(|(_, weight)| i128::from(**weight) <= room);
    let fitting = fitting.fold(0 as Mask, |set, (player, _)| set | 1 << player);
    let gain_of = |player: usize| gains.get(player).copied().unwrap_or_default();
    let weight_of = |player: usize| i128::from(weights.get(player).copied().unwrap_or_default());
    let easy = prices.heaviest(fitting, gain_of)?;
    let sum = |set: Mask, of: &dyn Fn(usize) -> i128| super::players_of(set).map(of).sum::<i128>();
    if sum(easy, &weight_of) <= room {
        return Some(Packed { set: easy, bound: sum(easy, &gain_of) });
    }
    let items =
        super::players_of(fitting).map(|player| Item { gain: gain_of(player), weight: weight_of(player), player });
    let mut items: Vec<Item> = items.filter(|item| item.gain > 0).collect();
    items.sort_by(|one, other| other.compare(one).then(one.player.cmp(&other.player)));
    Some(Lists::of(items, room).run(patience))
}

/// The lists, item after item.
struct Lists {
    items: Vec<Item>,
    room: i128,
    /// Of the first items, none, one, …: together.
    prefixes: Vec<Pack>,
    best: Pack,
    /// No set that was given up gains more.
    given_up: i128,
}

impl Lists {
    fn of(items: Vec<Item>, room: i128) -> Self {
        let mut prefixes = vec![Pack { gain: 0, weight: 0, set: 0 }];
        for item in &items {
            if let Some(last) = prefixes.last().copied() {
                prefixes.push(with(last, item));
            }
        }
        // The best single one, so that there is some set.
        let single = items.iter().max_by_key(|item| item.gain);
        let none = Pack { gain: 0, weight: 0, set: 0 };
        let best = single.map_or(none, |item| with(none, item));
        Self { items, room, prefixes, best, given_up: i128::MIN }
    }

    fn run(mut self, patience: &Patience) -> Packed {
        let mut list = vec![Pack { gain: 0, weight: 0, set: 0 }];
        for at in 0..self.items.len() {
            let bounds: Vec<i128> = list.iter().map(|pack| self.bound(*pack, at)).collect();
            if patience.is_over() {
                self.given_up = bounds.into_iter().fold(self.given_up, i128::max);
                break;
            }
            list = self.kept(list, bounds);
            let Some(item) = self.items.get(at) else { break };
            let taken: Vec<Pack> =
                list.iter().map(|pack| with(*pack, item)).filter(|pack| pack.weight <= self.room).collect();
            list = undominated(&list, &taken);
        }
        for pack in list {
            self.note(pack);
        }
        Packed { set: self.best.set, bound: self.given_up.max(self.best.gain) }
    }

    /// Those that may still better the best, and no more than fit the list.
    fn kept(&mut self, list: Vec<Pack>, bounds: Vec<i128>) -> Vec<Pack> {
        let mut hopeful: Vec<(i128, Pack)> = bounds.into_iter().zip(list).collect();
        let best = self.best.gain;
        hopeful.retain(|(bound, _)| *bound > best);
        if hopeful.len() > MOST_SETS {
            hopeful.select_nth_unstable_by_key(MOST_SETS, |(bound, _)| Reverse(*bound));
            let dropped = hopeful.split_off(MOST_SETS);
            self.given_up = dropped.into_iter().map(|(bound, _)| bound).fold(self.given_up, i128::max);
            hopeful.sort_unstable_by_key(|(_, pack)| pack.weight);
        }
        hopeful.into_iter().map(|(_, pack)| pack).collect()
    }

    fn note(&mut self, pack: Pack) {
        if pack.set != 0 && pack.gain > self.best.gain {
            self.best = pack;
        }
    }

    /// The most that a set of some of the items before `at` can gain with those from there on. Notes the set that takes
    /// as many of them as fit.
    fn bound(&mut self, pack: Pack, at: usize) -> i128 {
        let Some(before) = self.prefixes.get(at).copied() else { return pack.gain };
        let room = self.room - pack.weight + before.weight;
        let fits = self.prefixes.partition_point(|prefix| prefix.weight <= room).saturating_sub(1).max(at);
        let Some(taken) = self.prefixes.get(fits).copied() else { return pack.gain };
        let filled = Pack {
            gain: pack.gain + taken.gain - before.gain,
            weight: pack.weight + taken.weight - before.weight,
            set: pack.set | (taken.set ^ before.set),
        };
        self.note(filled);
        let Some(next) = self.items.get(fits) else { return filled.gain };
        let rest = self.room - filled.weight;
        // next.gain · rest / next.weight, where the product may not fit.
        filled.gain + next.gain / next.weight * rest + next.gain % next.weight * rest / next.weight
    }
}

fn with(pack: Pack, item: &Item) -> Pack {
    Pack { gain: pack.gain + item.gain, weight: pack.weight + item.weight, set: pack.set | 1 << item.player }
}

/// Two lists by rising weight as one, in which whoever is heavier gains more.
fn undominated(one: &[Pack], other: &[Pack]) -> Vec<Pack> {
    let mut merged = Vec::with_capacity(one.len() + other.len());
    let (mut one, mut other) = (one.iter().peekable(), other.iter().peekable());
    let mut most = i128::MIN;
    loop {
        let first = match (one.peek(), other.peek()) {
            (Some(a), Some(b)) => (a.weight, Reverse(a.gain)) <= (b.weight, Reverse(b.gain)),
            (Some(_), None) => true,
            (None, Some(_)) => false,
            (None, None) => return merged,
        };
        let Some(pack) = (if first { one.next() } else { other.next() }) else { return merged };
        if pack.gain > most {
            most = pack.gain;
            merged.push(*pack);
        }
    }
}
