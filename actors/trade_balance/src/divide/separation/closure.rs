//! The coalition of agreements that is left shortest.
//!
//! A set is worth the sum of the agreements that have all their members in it. Where none takes anything away, the set
//! that is worth most beyond its pay is a closure of largest weight, by one minimum cut (Picard, 1976): agreements are
//! sources, members sinks. An agreement of worth −d takes d from a set that has all its n members, and at least
//! λ·(members in the set − n + 1) for any λ from 0 to d: charged to its members in this way, it leaves a closure again,
//! whose weight bounds what any set is short of. The λ are moved towards the smallest bound (a subgradient, Held and
//! Karp, 1971), and where the bound is not met, a player is taken in on one branch and left out on the other.

use std::cmp::Ordering;
use std::collections::BinaryHeap;
use std::rc::Rc;

use super::{Aim, Prices};
use crate::divide::game::{Function, Mask, players_of};
use crate::patience::Patience;

use self::cut::Network;

mod cut;

/// Most branches of a search.
const MOST_BRANCHES: usize = 2_000;
/// Steps of the charges where the search begins, and on each branch.
const FIRST_STEPS: usize = 40;
const LATER_STEPS: usize = 4;

/// A branch: these players are in, those are out, and no set of it is short of more than its bound.
struct Branch {
    bound: i128,
    inside: Mask,
    outside: Mask,
    /// What agreements that take are charged with, one after the other.
    charges: Rc<Vec<i128>>,
}

impl PartialEq for Branch {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Branch {}

impl PartialOrd for Branch {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Branch {
    fn cmp(&self, other: &Self) -> Ordering {
        (self.bound, self.inside, self.outside).cmp(&(other.bound, other.inside, other.outside))
    }
}

/// A set within a branch, and what its charges make of it.
struct Relaxed {
    set: Mask,
    /// What no set of the branch exceeds.
    bound: i128,
}

struct Search<'a> {
    function: &'a Function<'a>,
    prices: &'a Prices,
    patience: &'a Patience,
    aim: Aim,
    /// Agreements that add, and what they add; those that take, and what they take.
    adding: Vec<(Mask, i128)>,
    taking: Vec<(Mask, i128)>,
    /// The shortest coalition so far.
    best: Option<(i128, Mask)>,
    branches: usize,
}

/// The coalition with the largest excess, and a bound that none exceeds.
pub(super) fn search(
    function: &Function<'_>,
    prices: &Prices,
    aim: Aim,
    patience: &Patience,
) -> (Vec<Mask>, Option<i128>) {
    let worths = || function.listed.iter().map(|(set, worth)| (*set, i128::from(*worth) * prices.unit));
    let mut search = Search {
        function,
        prices,
        patience,
        aim,
        adding: worths().filter(|(_, worth)| *worth > 0).collect(),
        taking: worths().filter(|(_, worth)| *worth < 0).map(|(set, worth)| (set, -worth)).collect(),
        best: None,
        branches: 0,
    };
    // Of all sets: nobody is short of nothing, and everyone of what is left over.
    let floor = prices.excess(function, prices.everyone).max(0);
    let charges = Rc::new(search.taking.iter().map(|(_, worth)| worth / 2).collect::<Vec<_>>());
    // All that is added, and all that is paid for coming.
    let added: i128 = search.adding.iter().map(|(_, worth)| worth).sum();
    let most = prices.pays.iter().fold(added, |sum, pay| sum - pay.min(&0));
    let whole = Branch { bound: most, inside: 0, outside: 0, charges: Rc::clone(&charges) };
    let mut bound = search.run(vec![whole], floor);
    let best = search.best.map_or(i128::MIN, |(excess, _)| excess);
    let lowest = if aim == Aim::Largest { i128::MIN } else { 0 };
    if bound == floor && best < floor && lowest < floor {
        // None is as short as nobody or everyone. The shortest of the others has some player in and another out: the
        // first, and each other.
        let one = 1 as Mask;
        let others = players_of(prices.everyone ^ one).map(|player| 1 << player);
        let pairs = others.flat_map(|other| [(one, other), (other, one)]);
        let split = pairs.map(|(inside, outside)| Branch { bound, inside, outside, charges: Rc::clone(&charges) });
        bound = search.run(split.collect(), lowest).min(bound);
    }
    (search.best.map(|(_, set)| set).into_iter().collect(), Some(bound))
}

impl Search<'_> {
    /// Goes down the branches, the one with the largest bound first; nothing that is at most `floor` is looked for.
    /// Answers what no coalition exceeds.
    fn run(&mut self, branches: Vec<Branch>, floor: i128) -> i128 {
        let mut open: BinaryHeap<Branch> = branches.into();
        self.branches = 0;
        loop {
            let known = self.best.map_or(floor, |(excess, _)| excess.max(floor));
            let Some(branch) = open.pop().filter(|branch| branch.bound > known) else { return known };
            self.branches += 1;
            let enough = self.aim == Aim::Positive && self.best.is_some_and(|(excess, _)| excess > 0);
            if enough || self.branches > MOST_BRANCHES || self.patience.is_over() {
                return branch.bound;
            }
            let bound = branch.bound;
            if !self.branch(branch, floor, &mut open) {
                return bound;
            }
        }
    }

    /// Bounds a branch, and parts it where it may still hold more than is known; whether that was done.
    fn branch(&mut self, branch: Branch, floor: i128, open: &mut BinaryHeap<Branch>) -> bool {
        let Branch { bound: mut least, inside, outside, charges } = branch;
        let mut charges = Vec::clone(&charges);
        let steps = if self.branches == 1 { FIRST_STEPS } else { LATER_STEPS };
        let mut kept: Option<(Vec<i128>, Mask)> = None;
        for _ in 0..steps {
            let relaxed = self.relax(inside, outside, &charges);
            self.note(relaxed.set);
            if kept.is_none() || relaxed.bound < least {
                least = relaxed.bound.min(least);
                kept = Some((charges.clone(), relaxed.set));
            }
            let known = self.best.map_or(floor, |(excess, _)| excess.max(floor));
            if least <= known {
                return true;
            }
            if self.patience.is_over() {
                return false;
            }
            if !self.step(inside, relaxed, known, &mut charges) {
                break;
            }
        }
        let Some((charges, set)) = kept else { return false };
        // Where the agreements take just what they are charged, the set is as short as the bound says, and so it is known.
        let Some(player) = self.undecided(inside, outside, set, &charges) else { return false };
        let charges = Rc::new(charges);
        for (inside, outside) in [(inside | player, outside), (inside, outside | player)] {
            open.push(Branch { bound: least, inside, outside, charges: Rc::clone(&charges) });
        }
        true
    }

    fn note(&mut self, set: Mask) {
        if set != 0 && set != self.prices.everyone {
            let excess = self.prices.excess(self.function, set);
            if self.best.is_none_or(|(most, _)| excess > most) {
                self.best = Some((excess, set));
            }
        }
    }

    /// The closure of largest weight on a branch.
    fn relax(&self, inside: Mask, outside: Mask, charges: &[i128]) -> Relaxed {
        let mut fixed = -self.prices.of(inside);
        let mut costs = self.prices.pays.clone();
        let mut charge = |set: Mask, by: i128| {
            for player in players_of(set) {
                if let Some(cost) = costs.get_mut(player) {
                    *cost += by;
                }
            }
        };
        let mut network = Network::default();
        for (members, worth) in self.adding.iter().filter(|(members, _)| members & outside == 0) {
            match members & !inside {
                0 => fixed += worth,
                rest if rest.is_power_of_two() => charge(rest, -worth),
                rest => network.agreement(rest, *worth),
            }
        }
        let taking = self.taking.iter().zip(charges).filter(|((members, _), _)| members & outside == 0);
        for ((members, worth), by) in taking {
            match members & !inside {
                0 => fixed -= worth,
                rest if rest.is_power_of_two() => charge(rest, *worth),
                rest => {
                    charge(rest, *by);
                    fixed += by * (i128::from(rest.count_ones()) - 1);
                }
            }
        }
        let free = self.prices.everyone & !inside & !outside;
        let (set, weight) = network.closure(free, &costs, self.patience);
        Relaxed { set: inside | set, bound: fixed + weight }
    }

    /// Moves the charges by what the agreements make of the set; whether that may help.
    #[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation)]
    fn step(&self, inside: Mask, relaxed: Relaxed, known: i128, charges: &mut [i128]) -> bool {
        // By how many members more than all but one an agreement is in the set: that much the bound falls for each unit.
        let over = |members: Mask| {
            let rest = members & !inside;
            let has = i128::from((rest & relaxed.set).count_ones());
            if rest.count_ones() < 2 { 0 } else { has - i128::from(rest.count_ones()) + 1 }
        };
        let slopes: Vec<i128> = self.taking.iter().map(|(members, _)| over(*members)).collect();
        let squares: i128 = slopes.iter().map(|slope| slope * slope).sum();
        if squares == 0 {
            return false;
        }
        let far = (relaxed.bound - known) as f64 / squares as f64;
        let mut moved = false;
        for ((charge, slope), (_, worth)) in charges.iter_mut().zip(slopes).zip(&self.taking) {
            let next = (*charge + (far * slope as f64) as i128).clamp(0, *worth);
            moved |= next != *charge;
            *charge = next;
        }
        moved
    }

    /// The player, as a set, whose agreements are furthest from what they are charged with; `None` where all are met.
    fn undecided(&self, inside: Mask, outside: Mask, set: Mask, charges: &[i128]) -> Option<Mask> {
        let mut off = vec![0_i128; self.prices.pays.len()];
        let taking = self.taking.iter().zip(charges).filter(|((members, _), _)| members & outside == 0);
        for ((members, worth), charge) in taking {
            let rest = members & !inside;
            if rest.count_ones() < 2 {
                continue;
            }
            let has = i128::from((rest & set).count_ones()) - i128::from(rest.count_ones()) + 1;
            // What it really takes, less what it is charged.
            let gap = (if has == 1 { *worth } else { 0 }) - charge * has;
            for player in players_of(rest) {
                if let Some(off) = off.get_mut(player) {
                    *off += gap;
                }
            }
        }
        let (player, most) = off.into_iter().enumerate().max_by_key(|(player, off)| (*off, usize::MAX - player))?;
        (most > 0).then_some(1 << player)
    }
}
