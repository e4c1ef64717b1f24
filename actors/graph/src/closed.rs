//! Which ways from good to good lie on some ring: the rest is left out before anything is priced.
//!
//! # Design
//!
//! A ring is a closed walk over goods, so all its ways lie in one strongly connected component. Within a component a
//! way is left out as well where no walk short enough closes it; that takes a search from every good, and is done where
//! that costs little. With chains there is one component more, of what lies between a start and an end: a chain is a
//! ring through *nothing*, and has a length of its own.

use petgraph::algo::kosaraju_scc;
use petgraph::graph::{DiGraph, NodeIndex};

use crate::table::{GoodId, Id, Table};

/// Most ways looked at by the searches within a component.
const EFFORT: usize = 20_000_000;

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
    let component = components(&among_goods, goods);
    let mut inside: Vec<Vec<Way>> = Vec::new();
    for way in among_goods.iter().filter(|(from, to)| component[*from] == component[*to]) {
        let at = component[way.0];
        if inside.len() <= at {
            inside.resize(at + 1, Vec::new());
        }
        if let Some(inside) = inside.get_mut(at) {
            inside.push(*way);
        }
    }
    let mut closed: Vec<Way> = inside.iter().flat_map(|ways| short_enough(ways, goods, lengths.ring)).collect();
    if let Some(nothing) = lengths.nothing {
        closed.extend(on_chains(ways, goods, nothing, lengths.chain));
    }
    closed.sort_unstable();
    ways.iter().map(|way| closed.binary_search(way).is_ok()).collect()
}

/// By good, the strongly connected component that it lies in.
fn components(ways: &[Way], goods: usize) -> Table<GoodId, usize> {
    let node = |good: GoodId| NodeIndex::<u32>::new(good.row());
    let mut graph = DiGraph::<(), ()>::with_capacity(goods, ways.len());
    for _ in 0..goods {
        graph.add_node(());
    }
    for (from, to) in ways {
        graph.add_edge(node(*from), node(*to), ());
    }
    let mut component = Table::of(goods, 0);
    for (at, members) in kosaraju_scc(&graph).iter().enumerate() {
        for member in members {
            component[GoodId::of(member.index())] = at;
        }
    }
    component
}

/// The ways of a component that are closed within so many.
fn short_enough(ways: &[Way], goods: usize, most: usize) -> Vec<Way> {
    if ways.len().saturating_mul(ways.len().min(goods)) > EFFORT {
        return ways.to_vec();
    }
    let mut onward: Table<GoodId, Vec<GoodId>> = Table::of(goods, Vec::new());
    for (from, to) in ways {
        onward[*from].push(*to);
    }
    let mut by_end = ways.to_vec();
    by_end.sort_unstable_by_key(|(from, to)| (*to, *from));
    let mut kept = Vec::with_capacity(ways.len());
    for into in by_end.chunk_by(|a, b| a.1 == b.1) {
        let Some((_, end)) = into.first() else { continue };
        let steps = steps_from(&[*end], &onward, most.saturating_sub(1));
        kept.extend(into.iter().filter(|(from, _)| steps[*from].is_some()));
    }
    kept
}

/// The ways on walks from nothing to nothing of at most so many.
fn on_chains(ways: &[Way], goods: usize, nothing: GoodId, most: usize) -> Vec<Way> {
    let (mut onward, mut back) = (Table::of(goods, Vec::new()), Table::of(goods, Vec::new()));
    for (from, to) in ways {
        // A chain passes nothing once: searches begin there, and do not go through it.
        if *to != nothing {
            onward[*from].push(*to);
        }
        if *from != nothing {
            back[*to].push(*from);
        }
    }
    let (after, before) = (steps_from(&[nothing], &onward, most), steps_from(&[nothing], &back, most));
    let fits = |(from, to): &Way| matches!((after[*from], before[*to]), (Some(a), Some(b)) if a + 1 + b <= most);
    ways.iter().copied().filter(fits).collect()
}

/// In how many steps each good is reached from some, where that takes no more than so many.
pub(crate) fn steps_from(
    starts: &[GoodId],
    onward: &Table<GoodId, Vec<GoodId>>,
    most: usize,
) -> Table<GoodId, Option<usize>> {
    let mut steps = Table::like(onward, None);
    for start in starts {
        steps[*start] = Some(0);
    }
    let mut front = starts.to_vec();
    for step in 1..=most {
        let mut next = Vec::new();
        for good in front.iter().flat_map(|good| &onward[*good]) {
            if steps[*good].is_none() {
                steps[*good] = Some(step);
                next.push(*good);
            }
        }
        if next.is_empty() {
            break;
        }
        front = next;
    }
    steps
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

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
