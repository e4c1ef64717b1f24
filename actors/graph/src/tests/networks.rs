//! Networks whose shape is known, and laws of all.

use std::collections::{BTreeSet, VecDeque};

use proptest::prelude::*;
use schemas::AgentId;
use schemas::core::{Call, Core};
use schemas::network::{AnalyzeNetwork, NetworkAnalyzed, NetworkLink, NetworkNode};

use crate::Analyze;

fn link(from: &str, to: &str, weight: i64) -> NetworkLink {
    NetworkLink { from: AgentId::parse(from).unwrap(), to: AgentId::parse(to).unwrap(), weight }
}

fn analyze(links: Vec<NetworkLink>) -> NetworkAnalyzed {
    let request = AnalyzeNetwork { links, seed: 3, time_limit_ms: 60_000 };
    <Analyze>::default().handle(request, &Call::default()).unwrap()
}

fn of<'a>(analyzed: &'a NetworkAnalyzed, agent: &str) -> &'a NetworkNode {
    analyzed.nodes.iter().find(|node| node.agent.as_str() == agent).unwrap()
}

#[test]
fn a_hub_is_a_broker() {
    let spokes = ["a", "b", "c", "d"];
    let links = spokes.iter().flat_map(|spoke| [link("hub", spoke, 3), link(spoke, "hub", 2)]).collect();
    let analyzed = analyze(links);
    let hub = of(&analyzed, "hub");
    // All twelve ordered pairs of spokes lead through it.
    assert_eq!((hub.betweenness_ppm, hub.closeness_ppm, hub.is_broker), (1_000_000, Some(1_000_000), true));
    assert_eq!((hub.failure.weight, hub.failure.pieces, hub.failure.cut_off), (20, 4, 3));
    assert_eq!(hub.failure.separated_pairs, 6);
    let spoke = of(&analyzed, "a");
    assert_eq!((spoke.betweenness_ppm, spoke.is_broker, spoke.failure.pieces), (0, false, 1));
    // Four others, one step and three times two: 4 / 7.
    assert_eq!(spoke.closeness_ppm, Some(571_429));
    assert_eq!(analyzed.bridges.len(), 4);
    assert!(hub.rank_ppm > 4 * spoke.rank_ppm / 2 && analyzed.is_exact);
}

#[test]
fn two_circles_that_share_an_agent_hold_together_by_it() {
    let links = [("a", "b"), ("b", "x"), ("x", "a"), ("x", "c"), ("c", "d"), ("d", "x"), ("y", "z")];
    let analyzed = analyze(links.iter().map(|(from, to)| link(from, to, 1)).collect());
    assert_eq!((analyzed.components.as_slice(), analyzed.strong_components.as_slice()), (&[5, 2][..], &[5, 1, 1][..]));
    assert_eq!((of(&analyzed, "x").failure.pieces, of(&analyzed, "x").failure.separated_pairs), (2, 4));
    assert_eq!(analyzed.bridges.len(), 1);
    assert_eq!((analyzed.bridges[0].a.as_str(), analyzed.bridges[0].b.as_str()), ("y", "z"));
    assert_eq!(of(&analyzed, "z").component, 1);
}

#[test]
fn a_long_chain_is_searched_without_deep_calls() {
    let name = |at: usize| format!("n{at:06}");
    let links = (0..50_000).map(|at| link(&name(at), &name(at + 1), 1)).collect();
    let request = AnalyzeNetwork { links, seed: 1, time_limit_ms: 300 };
    let analyzed = <Analyze>::default().handle(request, &Call::default()).unwrap();
    assert_eq!((analyzed.components.len(), analyzed.strong_components.len()), (1, 50_001));
    assert!(!analyzed.is_exact && analyzed.counted_from < 50_001);
    assert_eq!(analyzed.nodes[25_000].failure.cut_off, 25_000);
}

#[test]
fn nothing_is_analyzed_to_nothing() {
    assert!(analyze(Vec::new()).nodes.is_empty());
}

fn links(agents: usize) -> impl Strategy<Value = Vec<NetworkLink>> {
    prop::collection::vec((0..agents, 0..agents, 1i64..5), 1..20).prop_map(|drawn| {
        let different = drawn.into_iter().filter(|(from, to, _)| from != to);
        different.map(|(from, to, weight)| link(&format!("n{from}"), &format!("n{to}"), weight)).collect()
    })
}

/// Everyone whom `start` reaches along `steps` without passing through `without`.
fn reached(start: &str, steps: &BTreeSet<(String, String)>, without: &str) -> BTreeSet<String> {
    let mut seen = BTreeSet::from([start.to_owned()]);
    let mut queue = VecDeque::from([start.to_owned()]);
    while let Some(at) = queue.pop_front() {
        for (from, to) in steps {
            if *from == at && to != without && seen.insert(to.clone()) {
                queue.push_back(to.clone());
            }
        }
    }
    seen
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn failures_and_components_are_those_of_plain_search(links in links(7)) {
        prop_assume!(!links.is_empty());
        let analyzed = analyze(links.clone());
        let along: BTreeSet<(String, String)> = links.iter().map(|l| (l.from.to_string(), l.to.to_string())).collect();
        let both: BTreeSet<(String, String)> =
            along.iter().flat_map(|(from, to)| [(from.clone(), to.clone()), (to.clone(), from.clone())]).collect();
        for node in &analyzed.nodes {
            let name = node.agent.as_str();
            let component = reached(name, &both, "");
            let mut pieces: BTreeSet<BTreeSet<String>> = BTreeSet::new();
            for other in component.iter().filter(|other| *other != name) {
                pieces.insert(reached(other, &both, name));
            }
            prop_assert_eq!(node.failure.pieces as usize, pieces.len());
            let largest = pieces.iter().map(BTreeSet::len).max().unwrap_or(0);
            prop_assert_eq!(node.failure.cut_off as usize, component.len() - 1 - largest);
            prop_assert_eq!(node.is_broker, pieces.len() > 1);
            for other in &analyzed.nodes {
                let there = other.agent.as_str();
                prop_assert_eq!(node.component == other.component, component.contains(there));
                let rings = reached(name, &along, "").contains(there) && reached(there, &along, "").contains(name);
                prop_assert_eq!(node.strong_component == other.strong_component, rings);
            }
        }
        for (from, to) in &both {
            let without: BTreeSet<(String, String)> = both
                .iter()
                .filter(|(a, b)| (a, b) != (from, to) && (b, a) != (from, to))
                .cloned()
                .collect();
            let is_bridge = !reached(from, &without, "").contains(to);
            let told = analyzed.bridges.iter().any(|bridge| {
                (bridge.a.as_str(), bridge.b.as_str()) == (from.min(to).as_str(), from.max(to).as_str())
            });
            prop_assert_eq!(told, is_bridge);
        }
        let total: i64 = analyzed.nodes.iter().map(|node| node.rank_ppm).sum();
        prop_assert!((total - 1_000_000).abs() <= 8);
    }
}
