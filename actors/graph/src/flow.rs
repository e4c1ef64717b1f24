//! Flows of least cost, in whole numbers.
//!
//! # Design
//!
//! Ways from source to sink are filled in the order of their cost: potentials keep every arc's reduced cost at nought
//! or above (Edmonds and Karp 1972), and all ways of the same cost are filled at once, level by level (Dinitz 1970).
//! So there are as many rounds as ways have different costs. With no costs it is a maximal flow, whose last search
//! leaves a least cut.
//!
//! Nothing is rounded and no float takes part: the flow is optimal, not nearly so.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};

use crate::table::{ArcId, Id, NodeId, Table};

/// Further than any way.
const UNREACHED: i64 = i64::MAX;

struct Arc {
    to: NodeId,
    /// What can still flow.
    room: i128,
    cost: i64,
}

/// A network with arcs of limited room.
pub(crate) struct Network {
    /// Each arc stands beside its reverse.
    arcs: Table<ArcId, Arc>,
    from: Table<NodeId, Vec<ArcId>>,
    potential: Table<NodeId, i64>,
}

/// How a flow ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Flowed {
    /// How much.
    pub(crate) amount: i128,
    /// Whether no more can flow.
    pub(crate) complete: bool,
}

impl Network {
    pub(crate) fn new(nodes: usize) -> Self {
        Self { arcs: Table::new(), from: Table::of(nodes, Vec::new()), potential: Table::of(nodes, 0) }
    }

    /// An arc of this room, at least 0, and cost for each unit, at least 0.
    pub(crate) fn connect(&mut self, from: NodeId, to: NodeId, room: i128, cost: i64) -> ArcId {
        let arc = self.arcs.push(Arc { to, room, cost });
        let back = self.arcs.push(Arc { to: from, room: 0, cost: -cost });
        self.from[from].push(arc);
        self.from[to].push(back);
        arc
    }

    /// How much flows along an arc.
    pub(crate) fn flow(&self, arc: ArcId) -> i128 {
        self.arcs[reverse(arc)].room
    }

    /// Sends as much as can flow, at the least cost, until told to stop.
    pub(crate) fn send(&mut self, source: NodeId, sink: NodeId, stop: &dyn Fn() -> bool) -> Flowed {
        let mut amount = 0;
        while self.reprice(source, sink) {
            // Ways of this cost, the shortest first.
            while let Some(level) = self.levels(source, sink) {
                if stop() {
                    return Flowed { amount, complete: false };
                }
                let mut next: Table<NodeId, usize> = Table::like(&self.from, 0);
                loop {
                    let pushed = self.push(source, sink, &level, &mut next);
                    if pushed == 0 {
                        break;
                    }
                    amount += pushed;
                }
            }
        }
        Flowed { amount, complete: true }
    }

    /// The nodes that can be reached from one along arcs with room left.
    pub(crate) fn reached(&self, source: NodeId) -> Table<NodeId, bool> {
        let mut reached = Table::like(&self.from, false);
        reached[source] = true;
        let mut stack = vec![source];
        while let Some(node) = stack.pop() {
            for arc in &self.from[node] {
                let arc = &self.arcs[*arc];
                if arc.room > 0 && !reached[arc.to] {
                    reached[arc.to] = true;
                    stack.push(arc.to);
                }
            }
        }
        reached
    }

    /// Raises potentials by the length of the shortest ways; false where none leads to the sink.
    fn reprice(&mut self, source: NodeId, sink: NodeId) -> bool {
        let mut length = Table::like(&self.from, UNREACHED);
        let mut heap = BinaryHeap::from([Reverse((0_i64, source))]);
        length[source] = 0;
        while let Some(Reverse((at, node))) = heap.pop() {
            if at > length[node] {
                continue;
            }
            for id in &self.from[node] {
                let arc = &self.arcs[*id];
                let there = at + self.reduced(node, arc);
                if arc.room > 0 && there < length[arc.to] {
                    length[arc.to] = there;
                    heap.push(Reverse((there, arc.to)));
                }
            }
        }
        let to_sink = length[sink];
        if to_sink == UNREACHED {
            return false;
        }
        for node in self.from.ids() {
            self.potential[node] += length[node].min(to_sink);
        }
        true
    }

    fn reduced(&self, from: NodeId, arc: &Arc) -> i64 {
        arc.cost + self.potential[from] - self.potential[arc.to]
    }

    /// The number of arcs from the source along ways of least cost; `None` where the sink is cut off.
    fn levels(&self, source: NodeId, sink: NodeId) -> Option<Table<NodeId, u32>> {
        let mut level = Table::like(&self.from, u32::MAX);
        level[source] = 0;
        let mut queue = VecDeque::from([source]);
        while let Some(node) = queue.pop_front() {
            for id in &self.from[node] {
                let arc = &self.arcs[*id];
                if arc.room > 0 && level[arc.to] == u32::MAX && self.reduced(node, arc) == 0 {
                    level[arc.to] = level[node] + 1;
                    queue.push_back(arc.to);
                }
            }
        }
        (level[sink] != u32::MAX).then_some(level)
    }

    /// Fills one way from the source to the sink, and says by how much; 0 where there is none left on these levels.
    fn push(
        &mut self,
        source: NodeId,
        sink: NodeId,
        level: &Table<NodeId, u32>,
        next: &mut Table<NodeId, usize>,
    ) -> i128 {
        let mut way: Vec<ArcId> = Vec::new();
        let mut at = source;
        while at != sink {
            let Some(id) = self.from[at].get(next[at]).copied() else {
                // A dead end: back, and never here again.
                let Some(last) = way.pop() else { return 0 };
                at = self.arcs[reverse(last)].to;
                next[at] += 1;
                continue;
            };
            let arc = &self.arcs[id];
            if arc.room > 0 && level[arc.to] == level[at].saturating_add(1) && self.reduced(at, arc) == 0 {
                way.push(id);
                at = arc.to;
            } else {
                next[at] += 1;
            }
        }
        let pushed = way.iter().map(|arc| self.arcs[*arc].room).min().unwrap_or(0);
        for arc in way {
            self.arcs[arc].room -= pushed;
            self.arcs[reverse(arc)].room += pushed;
        }
        pushed
    }

    /// Moves `by` along an arc, and out of what flows along it where it is negative.
    pub(crate) fn shift(&mut self, arc: ArcId, by: i128) {
        self.arcs[arc].room -= by;
        self.arcs[reverse(arc)].room += by;
    }

    /// What can still flow along an arc.
    pub(crate) fn room(&self, arc: ArcId) -> i128 {
        self.arcs[arc].room
    }
}

fn reverse(arc: ArcId) -> ArcId {
    ArcId::of(arc.row() ^ 1)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn node(at: usize) -> NodeId {
        NodeId::of(at)
    }

    /// The least cost of moving so much, by trying every flow.
    fn least_cost(arcs: &[(usize, usize, i64, i64)], nodes: usize, amount: i64) -> Option<i64> {
        fn go(arcs: &[(usize, usize, i64, i64)], over: &mut Vec<i64>) -> Option<i64> {
            let Some(((from, to, room, cost), rest)) = arcs.split_first() else {
                return over.iter().all(|over| *over == 0).then_some(0);
            };
            let mut least: Option<i64> = None;
            for flow in 0..=*room {
                over[*from] -= flow;
                over[*to] += flow;
                if let Some(more) = go(rest, over) {
                    least = Some(least.unwrap_or(i64::MAX).min(more + flow * cost));
                }
                over[*from] += flow;
                over[*to] -= flow;
            }
            least
        }
        let mut over = vec![0; nodes];
        over[0] = amount;
        over[nodes - 1] = -amount;
        go(arcs, &mut over)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(200))]

        #[test]
        fn what_flows_is_the_most_at_the_least_cost(
            arcs in prop::collection::vec((0usize..4, 0usize..4, 1i64..3, 0i64..4), 1..8)
        ) {
            let arcs: Vec<_> = arcs.into_iter().filter(|(from, to, ..)| from != to).collect();
            let mut network = Network::new(4);
            let ids: Vec<ArcId> = arcs
                .iter()
                .map(|(from, to, room, cost)| network.connect(node(*from), node(*to), (*room).into(), *cost))
                .collect();
            let sent = network.send(node(0), node(3), &|| false);
            prop_assert!(sent.complete);
            let cost: i64 = ids.iter().zip(&arcs).map(|(id, arc)| network.flow(*id) as i64 * arc.3).sum();
            let amount = sent.amount as i64;
            prop_assert_eq!(least_cost(&arcs, 4, amount), Some(cost));
            prop_assert_eq!(least_cost(&arcs, 4, amount + 1), None);
        }
    }
}
