//! Which ways from good to good lie on some ring: the rest is left out before anything is priced.
//!
//! # Design
//!
//! A ring is a closed walk over goods, so all its ways lie in one strongly connected component. Within a component a
//! way is left out as well where no walk short enough closes it; that takes a search from every good, and is done where
//! that costs little. With chains there is one component more, of what lies between a start and an end: a chain is a
//! ring through *nothing*, and has a length of its own.

use std::collections::BTreeMap;

use crate::strong;
use crate::table::{GoodId, Table};

/// Most ways looked at by the searches within components.
const EFFORT: usize = 5_000_000;

/// A way from good to good: somebody receives the first and gives the second.
pub(crate) type Way = (GoodId, GoodId);

/// How long rings and chains may be.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Lengths {
    /// Longest ring, in ways.
    pub(crate) ring: usize,
    /// Longest chain, in ways: its start and its end each count as one.
    pub(crate) chain: usize,
    /// What moves between a chain's end and its start.
    pub(crate) nothing: Option<GoodId>,
}

/// Says by way whether it lies on a closed walk that is short enough. The ways are in order, each once.
pub(crate) fn on_rings(ways: &[Way], goods: usize, lengths: Lengths) -> Vec<bool> {
    let through_nothing = |way: &Way| Some(way.0) == lengths.nothing || Some(way.1) == lengths.nothing;
    let among_goods: Vec<Way> = ways.iter().copied().filter(|way| !through_nothing(way)).collect();
    let mut closed = short_enough(within_components(&among_goods, goods), goods, lengths.ring);
    if let Some(nothing) = lengths.nothing {
        closed.extend(on_chains(ways, goods, nothing, lengths.chain));
    }
    closed.sort_unstable();
    ways.iter().map(|way| closed.binary_search(way).is_ok()).collect()
}

/// The ways that do not lead from one strongly connected component into another, by component.
fn within_components(ways: &[Way], goods: usize) -> Vec<Vec<Way>> {
    let mut component = Table::of(goods, 0);
    for (at, members) in strong::components(goods, ways.iter().copied()).into_iter().enumerate() {
        members.into_iter().for_each(|good| component[good] = at);
    }
    let mut within: BTreeMap<usize, Vec<Way>> = BTreeMap::new();
    for way in ways.iter().filter(|(from, to)| component[*from] == component[*to]) {
        within.entry(component[way.0]).or_default().push(*way);
    }
    within.into_values().collect()
}

/// The ways that are closed within so many; all of a component where that would take too long to find out.
fn short_enough(components: Vec<Vec<Way>>, goods: usize, most: usize) -> Vec<Way> {
    let onward = onward(components.iter().flatten().copied(), goods);
    let (mut kept, mut effort, mut steps) = (Vec::new(), 0_usize, Steps::none(goods));
    for mut ways in components {
        effort = effort.saturating_add(ways.len().saturating_mul(ways.len().min(goods)));
        if effort > EFFORT {
            kept.extend(ways);
            continue;
        }
        ways.sort_unstable_by_key(|(from, to)| (*to, *from));
        for into in ways.chunk_by(|a, b| a.1 == b.1) {
            let end = into.first().map(|(_, end)| *end);
            steps.spread(end.as_slice(), &onward, most.saturating_sub(1));
            kept.extend(into.iter().filter(|(from, _)| steps.to(*from).is_some()));
        }
    }
    kept
}

/// The ways on walks from nothing to nothing of at most so many.
fn on_chains(ways: &[Way], goods: usize, nothing: GoodId, most: usize) -> Vec<Way> {
    // A chain passes nothing once: searches begin there, and do not go through it.
    let ahead = onward(ways.iter().copied().filter(|(_, to)| *to != nothing), goods);
    let back = onward(ways.iter().copied().filter(|(from, _)| *from != nothing).map(|(from, to)| (to, from)), goods);
    let (after, before) = (Steps::of(&[nothing], &ahead, most), Steps::of(&[nothing], &back, most));
    let fits = |(from, to): &Way| matches!((after.to(*from), before.to(*to)), (Some(a), Some(b)) if a + 1 + b <= most);
    ways.iter().copied().filter(fits).collect()
}

/// From each good, those that ways lead to.
fn onward(ways: impl Iterator<Item = Way>, goods: usize) -> Table<GoodId, Vec<GoodId>> {
    let mut onward = Table::of(goods, Vec::new());
    ways.for_each(|(from, to)| onward[from].push(to));
    onward
}

/// In how many steps goods are reached.
#[derive(Debug, Clone)]
pub(crate) struct Steps {
    to: Table<GoodId, Option<usize>>,
    /// Those that are reached, the nearest first.
    reached: Vec<GoodId>,
}

impl Steps {
    /// What is reached from some within so many steps.
    pub(crate) fn of(starts: &[GoodId], onward: &Table<GoodId, Vec<GoodId>>, most: usize) -> Self {
        let mut steps = Self::none(onward.len());
        steps.spread(starts, onward, most);
        steps
    }

    /// None of so many goods is reached.
    fn none(goods: usize) -> Self {
        Self { to: Table::of(goods, None), reached: Vec::new() }
    }

    /// The same from others: costs what it reaches, however many goods there are.
    fn spread(&mut self, starts: &[GoodId], onward: &Table<GoodId, Vec<GoodId>>, most: usize) {
        self.reached.drain(..).for_each(|good| self.to[good] = None);
        for start in starts {
            self.to[*start] = Some(0);
            self.reached.push(*start);
        }
        let mut at = 0;
        while let Some(good) = self.reached.get(at) {
            let step = self.to[*good].map_or(0, |step| step + 1);
            if step > most {
                return;
            }
            for next in &onward[*good] {
                if self.to[*next].is_none() {
                    self.to[*next] = Some(step);
                    self.reached.push(*next);
                }
            }
            at += 1;
        }
    }

    /// In how many steps a good is reached.
    pub(crate) fn to(&self, good: GoodId) -> Option<usize> {
        self.to[good]
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::table::Id;

    fn way((from, to): (usize, usize)) -> Way {
        (GoodId::of(from), GoodId::of(to))
    }

    /// Whether some closed walk of at most `left` ways through a way leads back to its first good, by trying all.
    fn is_closed(ways: &[Way], at: GoodId, home: GoodId, left: usize, avoid: Option<GoodId>) -> bool {
        at == home
            || left > 0
                && ways
                    .iter()
                    .any(|(from, to)| *from == at && Some(*to) != avoid && is_closed(ways, *to, home, left - 1, avoid))
    }

    proptest! {
        #[test]
        fn exactly_what_a_short_walk_closes_is_kept(
            drawn in prop::collection::btree_set((0usize..6, 0usize..6), 0..14),
            ring in 2usize..5,
            chain in 2usize..6,
            with_nothing in any::<bool>(),
        ) {
            let ways: Vec<Way> = drawn.into_iter().filter(|(from, to)| from != to).map(way).collect();
            let nothing = with_nothing.then(|| GoodId::of(0));
            let kept = on_rings(&ways, 6, Lengths { ring, chain, nothing });
            for (way, kept) in ways.iter().zip(kept) {
                let is_of_nothing = Some(way.0) == nothing || Some(way.1) == nothing;
                let on_ring = !is_of_nothing && is_closed(&ways, way.1, way.0, ring - 1, nothing);
                // A chain is cut at nothing into what leads to the way and what leads on from it.
                let on_chain = nothing.is_some_and(|nothing| (0..chain).any(|before| {
                    reaches(&ways, nothing, way.0, before) && reaches(&ways, way.1, nothing, chain - 1 - before)
                }));
                prop_assert_eq!(kept, on_ring || on_chain, "{:?} of {:?}", way, ways);
            }
        }
    }

    /// Whether one good is reached from another within so many ways.
    fn reaches(ways: &[Way], from: GoodId, to: GoodId, within: usize) -> bool {
        from == to || within > 0 && ways.iter().any(|way| way.0 == from && reaches(ways, way.1, to, within - 1))
    }

    #[test]
    fn what_leads_nowhere_or_only_the_long_way_back_is_left_out() {
        // Two swap; three more go round with one of them; one is a dead end.
        let ways = [(0, 1), (1, 0), (1, 2), (2, 3), (3, 1), (3, 4)].map(way);
        let at_most = |ring| on_rings(&ways, 5, Lengths { ring, chain: 0, nothing: None });
        assert_eq!(at_most(2), [true, true, false, false, false, false]);
        assert_eq!(at_most(3), [true, true, true, true, true, false]);
    }
}
