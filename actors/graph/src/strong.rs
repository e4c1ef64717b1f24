//! Strongly connected components: who reaches each other along arcs.

use petgraph::algo::kosaraju_scc;
use petgraph::graph::{DiGraph, NodeIndex};

use crate::table::Id;

/// The components of so many nodes, in no order. Arcs that stand twice count once.
pub(crate) fn components<I: Id>(nodes: usize, arcs: impl Iterator<Item = (I, I)>) -> Vec<Vec<I>> {
    let mut graph = DiGraph::<(), ()>::with_capacity(nodes, arcs.size_hint().0);
    for _ in 0..nodes {
        graph.add_node(());
    }
    for (from, to) in arcs {
        graph.add_edge(NodeIndex::new(from.row()), NodeIndex::new(to.row()), ());
    }
    let named = |component: Vec<NodeIndex>| component.into_iter().map(|node| I::of(node.index())).collect();
    kosaraju_scc(&graph).into_iter().map(named).collect()
}
