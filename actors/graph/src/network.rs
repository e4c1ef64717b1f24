//! The shape of a network of dealings: its pieces, its brokers, and what each agent's failure would cut.
//!
//! # Design
//!
//! Who holds the network together is asked without regard to direction: an agent fails, and both its customers and its
//! suppliers lose it. One search in depth (Hopcroft and Tarjan 1973) says for every agent into which pieces the rest
//! of its component would fall, and for every pair of agents whether their dealings alone hold two parts together.
//! Where rings could close is asked along the links: within strong components only (Tarjan 1972).
//!
//! Betweenness is Brandes' (2001), in one pass from every agent. Where there is no time for all, the agents to count
//! from are drawn with the request's seed, and what they come to is scaled up (Brandes and Pich 2007). Shares are
//! summed in fixed point, so that the order in which agents are drawn does not show once all are.
//!
//! Every search keeps its own stack: a chain of a hundred thousand agents is no deeper than any other network.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use schemas::core::{Call, Core, Monotonic, Stopwatch};
use schemas::limit::PPM;
use schemas::network::{AnalyzeNetwork as Request, Bridge, FailureLoss, NetworkAnalyzed, NetworkNode};
use schemas::{AgentId, ErrorReply};

use crate::draw::Draw;
use crate::stopwatch::Watch;
use crate::strong;
use crate::table::{Id, NodeId, Table};

/// Shortest ways are counted until so much of the time is spent, in percent.
const COUNT_UNTIL_PERCENT: u32 = 85;
/// A walk follows a link with this probability, and starts anew otherwise.
const FOLLOWS: f64 = 0.85;
/// Steps of the walk, at most: the rest of its weight is then below 10⁻⁷.
const WALK_STEPS: usize = 100;
/// A walk whose shares change by less than this in all has settled.
const SETTLED: f64 = 1e-10;
/// Bits after the point of a share of shortest ways.
const SHARE_BITS: i32 = 40;

/// Answers `graph.analyze`.
#[derive(Debug, Clone, Copy, Default)]
pub struct Analyze<S = Monotonic> {
    stopwatch: S,
}

impl<S: Stopwatch> Analyze<S> {
    /// A core that tells the time by `stopwatch`.
    pub fn with(stopwatch: S) -> Self {
        Self { stopwatch }
    }
}

impl<S: Stopwatch> Core for Analyze<S> {
    const SERVICE: &'static str = "graph";
    const VERB: &'static str = "analyze";
    type Request = Request;
    type Reply = NetworkAnalyzed;

    fn handle(&self, request: Request, call: &Call) -> Result<NetworkAnalyzed, ErrorReply> {
        let watch = Watch::of_call(self.stopwatch.start(), request.time_limit_ms, call);
        let dealings = Dealings::of(&request)?;
        let (component, components) = numbered(dealings.components());
        let (strong, strong_components) = numbered(dealings.strong_components());
        let weak = WeakPoints::of(&dealings);
        let ranks = dealings.ranks();
        let ways = Ways::count(&dealings, request.seed, &watch);
        let mut nodes = Vec::with_capacity(dealings.names.len());
        for (id, name) in dealings.names.iter() {
            let (given, received) = dealings.weights[id];
            nodes.push(NetworkNode {
                agent: name.clone(),
                receivers: count(dealings.receivers[id].len()),
                givers: count(dealings.givers[id].len()),
                given,
                received,
                component: component[id],
                strong_component: strong[id],
                betweenness_ppm: ways.betweenness_ppm(id),
                closeness_ppm: ways.closeness_ppm[id],
                rank_ppm: ranks[id],
                is_broker: weak.losses[id].0 > 1,
                failure: FailureLoss {
                    weight: given.checked_add(received).ok_or_else(overflow)?,
                    pieces: weak.losses[id].0,
                    cut_off: weak.losses[id].1,
                    separated_pairs: weak.losses[id].2,
                },
            });
        }
        let mut bridges: Vec<Bridge> = Vec::with_capacity(weak.bridges.len());
        for (one, other, cut_off) in &weak.bridges {
            let (a, b) = (one.min(other), one.max(other));
            bridges.push(Bridge { a: dealings.names[*a].clone(), b: dealings.names[*b].clone(), cut_off: *cut_off });
        }
        bridges.sort_by(|x, y| (&x.a, &x.b).cmp(&(&y.a, &y.b)));
        Ok(NetworkAnalyzed {
            nodes,
            components,
            strong_components,
            bridges,
            counted_from: count(ways.counted),
            is_exact: ways.counted == dealings.names.len(),
            took_ms: u32::try_from(watch.elapsed().as_millis()).unwrap_or(u32::MAX),
        })
    }
}

fn count(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

fn overflow() -> ErrorReply {
    ErrorReply::refused("overflow", "the weights of an agent's links do not fit 64 bits").at_field("links")
}

/// Who deals with whom, by the order of names.
struct Dealings {
    names: Table<NodeId, AgentId>,
    /// Whom each gives to, each once, and with what weight.
    receivers: Table<NodeId, Vec<(NodeId, i64)>>,
    /// Who gives to each.
    givers: Table<NodeId, Vec<NodeId>>,
    /// Everyone with whom each deals, each once.
    partners: Table<NodeId, Vec<NodeId>>,
    /// Weight of what each gives and receives.
    weights: Table<NodeId, (i64, i64)>,
}

impl Dealings {
    fn of(request: &Request) -> Result<Self, ErrorReply> {
        let names: BTreeSet<&AgentId> = request.links.iter().flat_map(|link| [&link.from, &link.to]).collect();
        let rows: BTreeMap<&AgentId, NodeId> =
            names.iter().enumerate().map(|(row, name)| (*name, NodeId::of(row))).collect();
        let mut links: BTreeMap<(NodeId, NodeId), i64> = BTreeMap::new();
        for link in &request.links {
            if let (Some(from), Some(to)) = (rows.get(&link.from), rows.get(&link.to)) {
                let sum = links.entry((*from, *to)).or_default();
                *sum = sum.checked_add(link.weight).ok_or_else(overflow)?;
            }
        }
        let count = names.len();
        let mut dealings = Self {
            names: Table::new(),
            receivers: Table::of(count, Vec::new()),
            givers: Table::of(count, Vec::new()),
            partners: Table::of(count, Vec::new()),
            weights: Table::of(count, (0, 0)),
        };
        for name in names {
            dealings.names.push(name.clone());
        }
        for ((from, to), weight) in &links {
            dealings.receivers[*from].push((*to, *weight));
            dealings.givers[*to].push(*from);
            dealings.weights[*from].0 = dealings.weights[*from].0.checked_add(*weight).ok_or_else(overflow)?;
            dealings.weights[*to].1 = dealings.weights[*to].1.checked_add(*weight).ok_or_else(overflow)?;
            if from < to || !links.contains_key(&(*to, *from)) {
                dealings.partners[*from].push(*to);
                dealings.partners[*to].push(*from);
            }
        }
        for node in dealings.names.ids() {
            dealings.partners[node].sort_unstable();
        }
        Ok(dealings)
    }

    /// Who is connected, directions aside.
    fn components(&self) -> Vec<Vec<NodeId>> {
        let mut seen = Table::like(&self.names, false);
        let mut components = Vec::new();
        for start in self.names.ids() {
            if seen[start] {
                continue;
            }
            seen[start] = true;
            let (mut component, mut stack) = (Vec::new(), vec![start]);
            while let Some(node) = stack.pop() {
                component.push(node);
                for next in &self.partners[node] {
                    if !seen[*next] {
                        seen[*next] = true;
                        stack.push(*next);
                    }
                }
            }
            components.push(component);
        }
        components
    }

    /// Who reaches each other along the links.
    fn strong_components(&self) -> Vec<Vec<NodeId>> {
        let arcs = self.receivers.iter().flat_map(|(from, to)| to.iter().map(move |(to, _)| (from, *to)));
        strong::components(self.names.len(), arcs)
    }

    /// Everyone's share of a walk along the links, in parts per million.
    #[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation)]
    fn ranks(&self) -> Table<NodeId, i64> {
        let all = self.names.len() as f64;
        let mut shares = Table::like(&self.names, 1.0 / all);
        for _ in 0..WALK_STEPS {
            let stuck: f64 =
                shares.iter().filter(|(id, _)| self.receivers[*id].is_empty()).map(|(_, share)| share).sum();
            let mut next = Table::like(&self.names, (1.0 - FOLLOWS + FOLLOWS * stuck) / all);
            for (id, share) in shares.iter() {
                let given = self.weights[id].0 as f64;
                for (to, weight) in &self.receivers[id] {
                    next[*to] += FOLLOWS * share * *weight as f64 / given;
                }
            }
            let change: f64 = self.names.ids().map(|id| (next[id] - shares[id]).abs()).sum();
            shares = next;
            if change < SETTLED {
                break;
            }
        }
        let mut ranks = Table::new();
        for (_, share) in shares.iter() {
            ranks.push((share * PPM as f64).round() as i64);
        }
        ranks
    }
}

/// Components numbered from the largest on, and how large they are.
fn numbered(mut components: Vec<Vec<NodeId>>) -> (Table<NodeId, u32>, Vec<u32>) {
    for component in &mut components {
        component.sort_unstable();
    }
    components.sort_by(|a, b| b.len().cmp(&a.len()).then_with(|| a.cmp(b)));
    let mut number = Table::of(components.iter().map(Vec::len).sum(), 0);
    for (at, component) in components.iter().enumerate() {
        for node in component {
            number[*node] = count(at);
        }
    }
    (number, components.iter().map(|component| count(component.len())).collect())
}

/// Where the network would break.
struct WeakPoints {
    /// The pieces left of each agent's component without it, the agents cut off from the largest of them, and the
    /// pairs torn apart.
    losses: Table<NodeId, (u32, u32, u64)>,
    /// Pairs that alone hold two parts together, and the agents in the smaller.
    bridges: Vec<(NodeId, NodeId, u32)>,
}

/// A search in depth: when each was found, and the earliest that it or anyone below it deals with.
struct Depth {
    found: Table<NodeId, usize>,
    earliest: Table<NodeId, usize>,
    /// It and everyone below it.
    below: Table<NodeId, usize>,
    above: Table<NodeId, Option<NodeId>>,
}

impl WeakPoints {
    fn of(dealings: &Dealings) -> Self {
        let names = &dealings.names;
        let mut weak = Self { losses: Table::like(names, (0, 0, 0)), bridges: Vec::new() };
        let mut depth = Depth {
            found: Table::like(names, usize::MAX),
            earliest: Table::like(names, usize::MAX),
            below: Table::like(names, 1),
            above: Table::like(names, None),
        };
        let mut clock = 0;
        for root in names.ids() {
            if depth.found[root] == usize::MAX {
                let order = depth.search(dealings, root, &mut clock);
                weak.judge(&depth, &order);
            }
        }
        weak
    }

    /// Judges a component by its search; `order` is that of finding.
    fn judge(&mut self, depth: &Depth, order: &[NodeId]) {
        let all = order.len();
        let mut pieces: BTreeMap<NodeId, Vec<usize>> = BTreeMap::new();
        for node in order {
            let Some(above) = depth.above[*node] else { continue };
            if depth.earliest[*node] >= depth.found[above] {
                pieces.entry(above).or_default().push(depth.below[*node]);
            }
            if depth.earliest[*node] > depth.found[above] {
                self.bridges.push((above, *node, count(depth.below[*node].min(all - depth.below[*node]))));
            }
        }
        for node in order {
            let mut pieces = pieces.remove(node).unwrap_or_default();
            let rest = all - 1 - pieces.iter().sum::<usize>();
            if rest > 0 {
                pieces.push(rest);
            }
            let pairs = |of: usize| (of as u64) * (of as u64).saturating_sub(1) / 2;
            let largest = pieces.iter().max().copied().unwrap_or(0);
            let together: u64 = pieces.iter().map(|piece| pairs(*piece)).sum();
            self.losses[*node] = (count(pieces.len()), count(all - 1 - largest), pairs(all - 1) - together);
        }
    }
}

impl Depth {
    /// Goes through a component, and says in which order.
    fn search(&mut self, dealings: &Dealings, root: NodeId, clock: &mut usize) -> Vec<NodeId> {
        let mut order = Vec::new();
        let mut stack = vec![(root, 0)];
        while let Some((node, at)) = stack.pop() {
            if at == 0 {
                (self.found[node], self.earliest[node]) = (*clock, *clock);
                *clock += 1;
                order.push(node);
            }
            match dealings.partners[node].get(at) {
                Some(next) => {
                    stack.push((node, at + 1));
                    if self.found[*next] == usize::MAX {
                        self.above[*next] = Some(node);
                        stack.push((*next, 0));
                    } else if self.above[node] != Some(*next) {
                        self.earliest[node] = self.earliest[node].min(self.found[*next]);
                    }
                }
                None => {
                    if let Some(above) = self.above[node] {
                        self.earliest[above] = self.earliest[above].min(self.earliest[node]);
                        self.below[above] += self.below[node];
                    }
                }
            }
        }
        order
    }
}

/// Shortest ways along the links.
struct Ways {
    /// Σ over pairs of the share of their shortest ways that lead through each agent, in fixed point.
    through: Table<NodeId, i128>,
    closeness_ppm: Table<NodeId, Option<i64>>,
    counted: usize,
}

impl Ways {
    fn count(dealings: &Dealings, seed: u64, watch: &Watch) -> Self {
        let names = &dealings.names;
        let mut ways = Self { through: Table::like(names, 0), closeness_ppm: Table::like(names, None), counted: 0 };
        let mut sources: Vec<NodeId> = names.ids().collect();
        Draw::new(seed, 0).shuffle(&mut sources);
        let mut sweep = Sweep::new(dealings);
        for source in sources {
            if watch.spent_percent() >= COUNT_UNTIL_PERCENT {
                break;
            }
            ways.closeness_ppm[source] = Some(sweep.from(source, &mut ways.through));
            ways.counted += 1;
        }
        ways
    }

    #[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation)]
    fn betweenness_ppm(&self, id: NodeId) -> i64 {
        let all = self.through.len();
        if all < 3 || self.counted == 0 {
            return 0;
        }
        // Pairs of others, of which so many as were counted from.
        let pairs = (all - 1) as f64 * (all - 2) as f64 * (self.counted as f64 / all as f64);
        let through = self.through[id] as f64 / f64::powi(2.0, SHARE_BITS);
        ((through / pairs * PPM as f64).round() as i64).min(PPM)
    }
}

/// A search in breadth from one agent, and back.
struct Sweep<'a> {
    dealings: &'a Dealings,
    distance: Table<NodeId, usize>,
    ways: Table<NodeId, f64>,
    depends: Table<NodeId, f64>,
}

impl<'a> Sweep<'a> {
    fn new(dealings: &'a Dealings) -> Self {
        let names = &dealings.names;
        Self {
            dealings,
            distance: Table::like(names, usize::MAX),
            ways: Table::like(names, 0.0),
            depends: Table::like(names, 0.0),
        }
    }

    /// Adds what each agent does for the ways from this one, and says how near it is to others.
    #[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation)]
    fn from(&mut self, source: NodeId, through: &mut Table<NodeId, i128>) -> i64 {
        (self.distance[source], self.ways[source]) = (0, 1.0);
        let mut order = Vec::new();
        let mut queue = VecDeque::from([source]);
        let mut far = 0;
        while let Some(node) = queue.pop_front() {
            order.push(node);
            far += self.distance[node];
            for (next, _) in &self.dealings.receivers[node] {
                if self.distance[*next] == usize::MAX {
                    self.distance[*next] = self.distance[node] + 1;
                    queue.push_back(*next);
                }
                if self.distance[*next] == self.distance[node] + 1 {
                    self.ways[*next] += self.ways[node];
                }
            }
        }
        for node in order.iter().rev() {
            for (next, _) in &self.dealings.receivers[*node] {
                if self.distance[*next] == self.distance[*node] + 1 {
                    self.depends[*node] += self.ways[*node] / self.ways[*next] * (1.0 + self.depends[*next]);
                }
            }
            if *node != source {
                through[*node] += (self.depends[*node] * f64::powi(2.0, SHARE_BITS)).round() as i128;
            }
        }
        for node in &order {
            (self.distance[*node], self.ways[*node], self.depends[*node]) = (usize::MAX, 0.0, 0.0);
        }
        let (reached, others) = (order.len() - 1, self.dealings.names.len() - 1);
        if far == 0 || others == 0 {
            return 0;
        }
        // reached / others over far / reached.
        (reached as f64 * reached as f64 / (others as f64 * far as f64) * PPM as f64).round() as i64
    }
}
