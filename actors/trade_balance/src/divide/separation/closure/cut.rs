//! Closures of largest weight, by minimum cuts. The flow is our own, since it has to end with what it has when patience
//! does, and a library's runs to its end.

use std::collections::BTreeMap;

use super::{Mask, Patience, players_of};

/// Paths between two looks at the clock.
const PATHS_PER_LOOK: usize = 256;
const SOURCE: usize = 0;
const SINK: usize = 1;

struct Edge {
    to: usize,
    room: i128,
}

/// Agreements, each of which is worth something to a set that has all its members.
#[derive(Default)]
pub(super) struct Network {
    agreements: BTreeMap<Mask, i128>,
    edges: Vec<Edge>,
    /// Of each node, its edges; an edge and its way back stand next to each other.
    out: Vec<Vec<usize>>,
}

impl Network {
    /// Adds an agreement of so much worth.
    pub(super) fn agreement(&mut self, members: Mask, worth: i128) {
        *self.agreements.entry(members).or_default() += worth;
    }

    fn edge(&mut self, from: usize, to: usize, room: i128) {
        for (at, to, room) in [(from, to, room), (to, from, 0)] {
            if let Some(out) = self.out.get_mut(at) {
                out.push(self.edges.len());
            }
            self.edges.push(Edge { to, room });
        }
    }

    /// The set of free players, each at its cost, that is worth most with its agreements, and a weight that none
    /// exceeds: its own, unless patience ended.
    pub(super) fn closure(mut self, free: Mask, costs: &[i128], patience: &Patience) -> (Mask, i128) {
        let agreements: Vec<(Mask, i128)> = std::mem::take(&mut self.agreements).into_iter().collect();
        let first = 2 + costs.len();
        self.out.resize_with(first + agreements.len(), Vec::new);
        let mut weight = 0;
        for player in players_of(free) {
            let cost = costs.get(player).copied().unwrap_or_default();
            if cost > 0 {
                self.edge(2 + player, SINK, cost);
            } else if cost < 0 {
                weight -= cost;
                self.edge(SOURCE, 2 + player, -cost);
            }
        }
        for ((members, worth), node) in agreements.into_iter().zip(first..) {
            weight += worth;
            self.edge(SOURCE, node, worth);
            for player in players_of(members) {
                self.edge(node, 2 + player, worth);
            }
        }
        let (flow, levels) = self.flow(patience);
        let reached = |player: &usize| levels.get(2 + player).is_some_and(Option::is_some);
        let set = players_of(free).filter(reached).fold(0, |set: Mask, player| set | 1 << player);
        (set, weight - flow)
    }

    /// The largest flow (Dinic, 1970), and what the source still reaches.
    fn flow(&mut self, patience: &Patience) -> (i128, Vec<Option<u32>>) {
        let (mut flow, mut paths) = (0, 0_usize);
        loop {
            let levels = self.levels();
            if levels.get(SINK).is_none_or(Option::is_none) || patience.is_over() {
                return (flow, levels);
            }
            let mut next = vec![0_usize; self.out.len()];
            while let Some(pushed) = self.push(&levels, &mut next) {
                flow += pushed;
                paths += 1;
                if paths.is_multiple_of(PATHS_PER_LOOK) && patience.is_over() {
                    return (flow, levels);
                }
            }
        }
    }

    fn levels(&self) -> Vec<Option<u32>> {
        let mut levels = vec![None; self.out.len()];
        let mut queue = std::collections::VecDeque::from([SOURCE]);
        if let Some(level) = levels.get_mut(SOURCE) {
            *level = Some(0);
        }
        while let Some(node) = queue.pop_front() {
            let next = levels.get(node).copied().flatten().map(|level: u32| level + 1);
            for edge in self.out.get(node).into_iter().flatten().filter_map(|edge| self.edges.get(*edge)) {
                if let Some(level) = levels.get_mut(edge.to).filter(|level| level.is_none() && edge.room > 0) {
                    *level = next;
                    queue.push_back(edge.to);
                }
            }
        }
        levels
    }

    /// Pushes along one path that goes a level on with each edge.
    fn push(&mut self, levels: &[Option<u32>], next: &mut [usize]) -> Option<i128> {
        let mut path: Vec<usize> = Vec::new();
        let mut at = SOURCE;
        while at != SINK {
            let place = next.get_mut(at)?;
            let Some(edge) = self.out.get(at)?.get(*place).copied() else {
                // A dead end: back, and on with the next.
                let back = path.pop()?;
                at = self.edges.get(back ^ 1)?.to;
                *next.get_mut(at)? += 1;
                continue;
            };
            let Edge { to, room } = self.edges.get(edge)?;
            let level = levels.get(at).copied().flatten()?;
            if *room > 0 && levels.get(*to).copied().flatten() == Some(level + 1) {
                path.push(edge);
                at = *to;
            } else {
                *place += 1;
            }
        }
        let pushed = path.iter().filter_map(|edge| self.edges.get(*edge)).map(|edge| edge.room).min()?;
        for edge in path {
            self.edges.get_mut(edge)?.room -= pushed;
            self.edges.get_mut(edge ^ 1)?.room += pushed;
        }
        Some(pushed)
    }
}
