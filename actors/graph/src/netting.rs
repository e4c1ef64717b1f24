//! Netting: what parties owe each other in all, settled with the least flow and few transfers.
//!
//! # Design
//!
//! Each good by itself, since nothing says what one is worth in another. What has to stay is everyone's net position:
//! what it is owed less what it owes.
//!
//! *Between any two*: whoever owes on balance gives, whoever is owed receives, and nobody passes anything on. That
//! moves the sum of the positive positions, and nothing can move less. How few transfers do it is another matter:
//! with n parties in g groups that each sum to nought it takes n − g, so the question is how many groups there can be,
//! which is hard (it contains subset sum). Parties that cancel in pairs can always be paired: were they in two
//! groups, what is left of both still sums to nought together. Of up to [`EXACT`] others the best grouping is found by
//! going through all sets; beyond, groups of three are looked for and the rest is settled largest first, and since
//! every other group has at least three members, what is left bounds how few there can be.
//!
//! *Between known counterparties*: transfers along what is owed only, and no more than that (what D'Errico and Roukny
//! 2017 call conservative compression). That is a flow of least cost ([`flow`](crate::flow)); where equally little can
//! flow in several ways, cycles of transfers that are neither empty nor whole are turned until one is, so that those
//! left form a forest.
//!
//! All in whole numbers. What it refuses: sums beyond 64 bits.

use std::collections::{BTreeMap, BTreeSet};

use schemas::core::{Call, Core, Monotonic, Stopwatch};
use schemas::netting::{Counterparties, Net as Request, NetPosition, Netted, NettedGood, Obligation};
use schemas::{AgentId, Code, ErrorReply, Good, Quantity};

use crate::flow::Network;
use crate::stopwatch::Watch;
use crate::table::{ArcId, Id, NodeId, Table};

/// So many parties that do not cancel in pairs are grouped as well as can be.
const EXACT: usize = 20;
/// Steps of a search between two looks at the watch.
const LOOK_EVERY: u64 = 1 << 14;
/// The search for transfers ends when so much of the time is spent, in percent.
const UNTIL_PERCENT: u32 = 90;

/// Answers `graph.net`.
#[derive(Debug, Clone, Copy, Default)]
pub struct Net<S = Monotonic> {
    stopwatch: S,
}

impl<S: Stopwatch> Net<S> {
    /// A core that tells the time by `stopwatch`.
    pub fn with(stopwatch: S) -> Self {
        Self { stopwatch }
    }
}

impl<S: Stopwatch> Core for Net<S> {
    const SERVICE: &'static str = "graph";
    const VERB: &'static str = "net";
    type Request = Request;
    type Reply = Netted;

    fn handle(&self, request: Request, call: &Call) -> Result<Netted, ErrorReply> {
        let watch = Watch::of_call(self.stopwatch.start(), request.time_limit_ms, call);
        let mut owed: BTreeMap<Good, BTreeMap<(AgentId, AgentId), i64>> = BTreeMap::new();
        let mut counts: BTreeMap<Good, u32> = BTreeMap::new();
        for (index, obligation) in request.obligations.into_iter().enumerate() {
            *counts.entry(obligation.good.clone()).or_default() += 1;
            let pairs = owed.entry(obligation.good).or_default();
            let sum = pairs.entry((obligation.from, obligation.to)).or_default();
            let quantity = obligation.quantity.get();
            *sum = sum.checked_add(quantity).ok_or_else(|| {
                ErrorReply::refused("overflow", "what is owed between these two does not fit 64 bits")
                    .at_field(&format!("obligations[{index}].quantity"))
            })?;
        }
        let mut netted =
            Netted { transfers: Vec::new(), positions: Vec::new(), goods: Vec::new(), is_optimal: true, took_ms: 0 };
        for (good, pairs) in owed {
            let book = Owed::of(&good, &pairs)?;
            let settled = match request.counterparties {
                Counterparties::Any => book.between_any(&watch),
                Counterparties::Known => book.between_known(&watch)?,
            };
            let before = counts.get(&good).copied().unwrap_or(0);
            book.report(&mut netted, &good, before, settled)?;
        }
        netted.took_ms = u32::try_from(watch.elapsed().as_millis()).unwrap_or(u32::MAX);
        Ok(netted)
    }
}

/// What is owed of one good.
struct Owed<'a> {
    parties: Vec<&'a AgentId>,
    /// What each is owed less what it owes.
    nets: Table<NodeId, i64>,
    /// Who owes whom how much.
    pairs: Vec<(NodeId, NodeId, i64)>,
    gross: i64,
}

/// Who gives whom how much.
type Transfers = BTreeMap<(NodeId, NodeId), i64>;

struct Settled {
    transfers: Transfers,
    /// No set of transfers moves less.
    gross_bound: i64,
    /// No fewer transfers move so little.
    count_bound: usize,
}

impl<'a> Owed<'a> {
    fn of(good: &Good, owed: &'a BTreeMap<(AgentId, AgentId), i64>) -> Result<Self, ErrorReply> {
        let names: BTreeSet<&AgentId> = owed.keys().flat_map(|(from, to)| [from, to]).collect();
        let rows: BTreeMap<&AgentId, NodeId> =
            names.iter().enumerate().map(|(row, name)| (*name, NodeId::of(row))).collect();
        let mut nets = Table::of(names.len(), 0_i128);
        let mut pairs = Vec::with_capacity(owed.len());
        let mut gross = 0_i128;
        for ((from, to), quantity) in owed {
            if let (Some(from), Some(to)) = (rows.get(from), rows.get(to)) {
                nets[*from] -= i128::from(*quantity);
                nets[*to] += i128::from(*quantity);
                pairs.push((*from, *to, *quantity));
            }
            gross += i128::from(*quantity);
        }
        // No position is larger than the gross.
        let gross = i64::try_from(gross).map_err(|_| {
            ErrorReply::refused("overflow", format!("what is owed of {good} in all does not fit 64 bits"))
                .at_field("obligations")
        })?;
        let mut small = Table::new();
        for (_, net) in nets.iter() {
            small.push(i64::try_from(*net).unwrap_or(0));
        }
        Ok(Self { parties: names.into_iter().collect(), nets: small, pairs, gross })
    }

    fn uneven(&self) -> impl Iterator<Item = (NodeId, i64)> + '_ {
        self.nets.iter().filter(|(_, net)| **net != 0).map(|(node, net)| (node, *net))
    }

    /// What has to move whatever happens: the sum of the positive positions.
    fn least_gross(&self) -> i64 {
        self.uneven().map(|(_, net)| net.max(0)).sum()
    }

    fn between_any(&self, watch: &Watch) -> Settled {
        let grouped = group(self.uneven().collect(), watch);
        let mut transfers = Transfers::new();
        for group in grouped.groups {
            settle(group, &mut transfers);
        }
        Settled { transfers, gross_bound: self.least_gross(), count_bound: grouped.fewest }
    }

    fn between_known(&self, watch: &Watch) -> Result<Settled, ErrorReply> {
        let nodes = self.nets.len();
        let (source, sink) = (NodeId::of(nodes), NodeId::of(nodes + 1));
        let mut network = Network::new(nodes + 2);
        let arcs: Vec<(NodeId, NodeId, ArcId)> = self
            .pairs
            .iter()
            .map(|(from, to, owed)| (*from, *to, network.connect(*from, *to, i128::from(*owed), 1)))
            .collect();
        for (node, net) in self.uneven() {
            if net < 0 {
                network.connect(source, node, -i128::from(net), 0);
            } else {
                network.connect(node, sink, i128::from(net), 0);
            }
        }
        let givers = self.uneven().filter(|(_, net)| *net < 0).count();
        let count_bound = givers.max(self.uneven().count() - givers);
        let sent = network.send(source, sink, &|| watch.spent_percent() >= UNTIL_PERCENT);
        if !sent.complete {
            return Ok(Settled { transfers: self.offset(), gross_bound: self.least_gross(), count_bound });
        }
        turn_cycles(&mut network, nodes, &arcs, watch);
        let mut transfers = Transfers::new();
        let mut gross = 0_i64;
        for (from, to, arc) in arcs {
            let flow = i64::try_from(network.flow(arc)).map_err(|_| internal())?;
            if flow > 0 {
                transfers.insert((from, to), flow);
                gross = gross.saturating_add(flow);
            }
        }
        Ok(Settled { transfers, gross_bound: gross, count_bound })
    }

    /// What two owe each other, offset: good enough where there is no time.
    fn offset(&self) -> Transfers {
        let mut transfers = Transfers::new();
        for (from, to, quantity) in &self.pairs {
            match transfers.remove(&(*to, *from)) {
                Some(back) if back > *quantity => transfers.insert((*to, *from), back - quantity),
                Some(back) if back < *quantity => transfers.insert((*from, *to), quantity - back),
                Some(_) => None,
                None => transfers.insert((*from, *to), *quantity),
            };
        }
        transfers
    }

    fn report(&self, netted: &mut Netted, good: &Good, before: u32, settled: Settled) -> Result<(), ErrorReply> {
        let name = |node: NodeId| self.parties.get(node.row()).map(|name| (*name).clone()).ok_or_else(internal);
        let gross_after: i64 = settled.transfers.values().sum();
        let count = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
        let row = NettedGood {
            good: good.clone(),
            gross_before: self.gross,
            gross_after,
            gross_bound: settled.gross_bound,
            transfers_before: before,
            transfers_after: count(settled.transfers.len()),
            transfers_bound: count(settled.count_bound),
        };
        netted.is_optimal &= row.gross_after == row.gross_bound && row.transfers_after == row.transfers_bound;
        netted.goods.push(row);
        for ((from, to), quantity) in settled.transfers {
            let quantity = Quantity::new(quantity).map_err(|_| internal())?;
            netted.transfers.push(Obligation { from: name(from)?, to: name(to)?, good: good.clone(), quantity });
        }
        for (node, net) in self.uneven() {
            netted.positions.push(NetPosition { party: name(node)?, good: good.clone(), net });
        }
        Ok(())
    }
}

fn internal() -> ErrorReply {
    ErrorReply::new(Code::Internal, "a netting lost count")
}

/// Parties in groups that each sum to nought.
struct Grouped {
    groups: Vec<Vec<(NodeId, i64)>>,
    /// No grouping settles with fewer transfers.
    fewest: usize,
}

fn group(uneven: Vec<(NodeId, i64)>, watch: &Watch) -> Grouped {
    let all = uneven.len();
    let (mut groups, mut rest) = pairs(uneven);
    let paired = groups.len();
    let most_others = |rest: &[(NodeId, i64)]| {
        let givers = rest.iter().filter(|(_, net)| *net < 0).count();
        (rest.len() / 3).min(givers).min(rest.len() - givers)
    };
    if rest.len() > EXACT {
        let bound = all - paired - most_others(&rest);
        while rest.len() > EXACT
            && let Some(triple) = triple(&mut rest, watch)
        {
            groups.push(triple);
        }
        if rest.len() <= EXACT {
            groups.extend(best_groups(rest));
        } else {
            groups.push(rest);
        }
        return Grouped { groups, fewest: bound };
    }
    if watch.spent_percent() >= UNTIL_PERCENT {
        let fewest = all - paired - most_others(&rest);
        groups.push(rest);
        return Grouped { groups, fewest };
    }
    groups.extend(best_groups(rest));
    let fewest = all - groups.len();
    Grouped { groups, fewest }
}

/// Pairs that cancel, and the others.
fn pairs(uneven: Vec<(NodeId, i64)>) -> (Vec<Vec<(NodeId, i64)>>, Vec<(NodeId, i64)>) {
    let mut waiting: BTreeMap<i64, Vec<NodeId>> = BTreeMap::new();
    let mut groups = Vec::new();
    for (node, net) in uneven {
        match waiting.get_mut(&-net).and_then(Vec::pop) {
            Some(other) => groups.push(vec![(other, -net), (node, net)]),
            None => waiting.entry(net).or_default().push(node),
        }
    }
    let rest = waiting.into_iter().flat_map(|(net, nodes)| nodes.into_iter().map(move |node| (node, net))).collect();
    (groups, rest)
}

/// Takes out three that sum to nought, if there are any and time allows.
fn triple(rest: &mut Vec<(NodeId, i64)>, watch: &Watch) -> Option<Vec<(NodeId, i64)>> {
    rest.sort_by_key(|(node, net)| (*net, *node));
    let mut looked = 0_u64;
    for first in 0..rest.len() {
        let net = i128::from(rest.get(first)?.1);
        let (mut low, mut high) = (first + 1, rest.len().checked_sub(1)?);
        while low < high {
            looked += 1;
            if looked.is_multiple_of(LOOK_EVERY) && watch.spent_percent() >= UNTIL_PERCENT {
                return None;
            }
            let sum = net + i128::from(rest.get(low)?.1) + i128::from(rest.get(high)?.1);
            match sum.cmp(&0) {
                std::cmp::Ordering::Less => low += 1,
                std::cmp::Ordering::Greater => high -= 1,
                std::cmp::Ordering::Equal => {
                    return Some(vec![rest.remove(high), rest.remove(low), rest.remove(first)]);
                }
            }
        }
    }
    None
}

/// As many groups as there can be, by going through all sets: the most groups that can be told apart while parties are
/// added one by one.
fn best_groups(parties: Vec<(NodeId, i64)>) -> Vec<Vec<(NodeId, i64)>> {
    let full = (1_usize << parties.len()) - 1;
    let mut sums = vec![0_i128; full + 1];
    let mut most = vec![0_u8; full + 1];
    let net = |at: u32| parties.get(at as usize).map_or(0, |(_, net)| i128::from(*net));
    for set in 1..=full {
        let lowest = set & set.wrapping_neg();
        let sum = sums.get(set ^ lowest).copied().unwrap_or(0) + net(lowest.trailing_zeros());
        let mut best = 0;
        let mut left = set;
        while left != 0 {
            let one = left & left.wrapping_neg();
            best = best.max(most.get(set ^ one).copied().unwrap_or(0));
            left ^= one;
        }
        if let (Some(to_sum), Some(to_most)) = (sums.get_mut(set), most.get_mut(set)) {
            (*to_sum, *to_most) = (sum, best + u8::from(sum == 0));
        }
    }
    let mut groups: Vec<Vec<(NodeId, i64)>> = Vec::new();
    let mut set = full;
    while set != 0 {
        if sums.get(set) == Some(&0) {
            groups.push(Vec::new());
        }
        let here = most.get(set).copied().unwrap_or(0) - u8::from(sums.get(set) == Some(&0));
        let mut left = set;
        while left != 0 {
            let one = left & left.wrapping_neg();
            if most.get(set ^ one) == Some(&here) {
                if let (Some(group), Some(party)) = (groups.last_mut(), parties.get(one.trailing_zeros() as usize)) {
                    group.push(*party);
                }
                set ^= one;
                break;
            }
            left ^= one;
        }
    }
    groups
}

/// Settles a group: the largest debt with the largest claim, so that each transfer is somebody's last.
fn settle(group: Vec<(NodeId, i64)>, transfers: &mut Transfers) {
    let mut owing: BTreeSet<(i64, NodeId)> = BTreeSet::new();
    let mut owed: BTreeSet<(i64, NodeId)> = BTreeSet::new();
    for (node, net) in group {
        if net < 0 {
            owing.insert((-net, node))
        } else {
            owed.insert((net, node))
        };
    }
    while let (Some((debt, from)), Some((claim, to))) = (owing.pop_last(), owed.pop_last()) {
        let quantity = debt.min(claim);
        transfers.insert((from, to), quantity);
        if debt > quantity {
            owing.insert((debt - quantity, from));
        }
        if claim > quantity {
            owed.insert((claim - quantity, to));
        }
    }
}

/// Turns cycles of transfers that are neither empty nor whole until one of them is: since the flow is of least cost,
/// that costs nothing either way round.
fn turn_cycles(network: &mut Network, nodes: usize, arcs: &[(NodeId, NodeId, ArcId)], watch: &Watch) {
    // The transfers kept so far that can go either way, as a forest.
    let mut forest: Table<NodeId, Vec<(NodeId, ArcId, bool)>> = Table::of(nodes, Vec::new());
    for (from, to, arc) in arcs {
        if watch.spent_percent() >= UNTIL_PERCENT {
            return;
        }
        while network.flow(*arc) > 0 && network.room(*arc) > 0 {
            let Some(way) = path(&forest, *to, *from) else {
                forest[*from].push((*to, *arc, true));
                forest[*to].push((*from, *arc, false));
                break;
            };
            let mut cycle = way;
            cycle.push((*arc, true));
            // Against the arrows where that empties one first, else along them.
            let room = |forwards: bool| {
                let least = cycle
                    .iter()
                    .map(|(arc, along)| if *along == forwards { network.room(*arc) } else { network.flow(*arc) });
                least.min().unwrap_or(0)
            };
            let empties = |forwards: bool| {
                cycle.iter().any(|(arc, along)| *along != forwards && network.flow(*arc) == room(forwards))
            };
            let forwards = !empties(false);
            let by = room(forwards);
            for (arc, along) in &cycle {
                network.shift(*arc, if *along == forwards { by } else { -by });
            }
            cut(&mut forest, network);
        }
    }
}

/// Takes transfers that are now empty or whole out of the forest.
fn cut(forest: &mut Table<NodeId, Vec<(NodeId, ArcId, bool)>>, network: &Network) {
    for node in forest.ids() {
        forest[node].retain(|(_, arc, _)| network.flow(*arc) > 0 && network.room(*arc) > 0);
    }
}

/// The way between two nodes of a forest, if there is one: arcs, and whether each is gone along.
fn path(forest: &Table<NodeId, Vec<(NodeId, ArcId, bool)>>, from: NodeId, to: NodeId) -> Option<Vec<(ArcId, bool)>> {
    let mut came: BTreeMap<NodeId, (NodeId, ArcId, bool)> = BTreeMap::new();
    let mut stack = vec![from];
    let mut seen = BTreeSet::from([from]);
    while let Some(node) = stack.pop() {
        if node == to {
            let mut way = Vec::new();
            let mut at = to;
            while at != from {
                let (before, arc, along) = came.get(&at).copied()?;
                way.push((arc, along));
                at = before;
            }
            return Some(way);
        }
        for (next, arc, along) in &forest[node] {
            if seen.insert(*next) {
                came.insert(*next, (node, *arc, *along));
                stack.push(*next);
            }
        }
    }
    None
}
