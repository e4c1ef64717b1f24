//! Answers found the long way: every ring and chain listed by trying every party, good and want.

use std::collections::BTreeMap;

use schemas::clearing::{Clear as Request, Cleared, Objective};
use schemas::market::{Alternative, Give};
use schemas::value::Bounds;
use schemas::{AgentId, Good, Quantity, Rational};
use terms::{Exact, Exchange, Factors, Hop};

/// One arrow: who gives what, and who receives it by which alternative of which want.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Arrow {
    from: usize,
    give: usize,
    to: usize,
    want: usize,
    way: usize,
}

/// A ring, or a chain: arrows from party to party, each party once.
#[derive(Debug, Clone, PartialEq)]
struct Walk {
    arrows: Vec<Arrow>,
    is_ring: bool,
}

impl Walk {
    /// The arrow by which the giver of an arrow receives; `None` where a chain starts.
    fn before(&self, at: usize) -> Option<usize> {
        if self.is_ring { Some((at + self.arrows.len() - 1) % self.arrows.len()) } else { at.checked_sub(1) }
    }
}

fn given<'a>(request: &'a Request, arrow: &Arrow) -> &'a Give {
    &request.offers[arrow.from].gives[arrow.give]
}

fn taken<'a>(request: &'a Request, arrow: &Arrow) -> &'a Alternative {
    &request.offers[arrow.to].wants[arrow.want].any_of[arrow.way]
}

fn factors(request: &Request, party: usize) -> Factors {
    Factors::of(&request.offers[party].outlook, request.days.into()).unwrap()
}

fn lot(request: &Request, good: &Good) -> i64 {
    request.goods.iter().find(|spec| spec.good == *good).unwrap().lot.map_or(1, Quantity::get)
}

/// What the giver of an arrow exchanges, receiving by the one before.
fn exchange(request: &Request, before: &Arrow, arrow: &Arrow) -> Exchange {
    let margin = request.offers[arrow.from].margin_ppm.max(request.margin_ppm);
    Exchange::new(taken(request, before).value, given(request, arrow).cost, factors(request, arrow.from), margin)
        .unwrap()
}

/// Every ring of up to `max_ring` parties and every chain of up to `max_chain` hops, prices aside.
fn walks(request: &Request) -> Vec<Walk> {
    let mut arrows = Vec::new();
    for (from, giver) in request.offers.iter().enumerate() {
        for (to, taker) in request.offers.iter().enumerate().filter(|(to, _)| *to != from) {
            for give in 0..giver.gives.len() {
                for (want, wanted) in taker.wants.iter().enumerate() {
                    let ways = wanted.any_of.iter().enumerate();
                    let same = ways.filter(|(_, alternative)| alternative.good == giver.gives[give].good);
                    arrows.extend(same.map(|(way, _)| Arrow { from, give, to, want, way }));
                }
            }
        }
    }
    let mut walks = Vec::new();
    for first in &arrows {
        let starts_chains = request.max_chain.is_some()
            && request.offers[first.from].wants.is_empty()
            && given(request, first).cost.hi == Rational::ZERO;
        if starts_chains || first.from < first.to {
            extend(request, &arrows, &mut vec![*first], starts_chains, &mut walks);
        }
    }
    walks
}

/// Grows a walk; a ring's first party is its lowest.
fn extend(request: &Request, arrows: &[Arrow], path: &mut Vec<Arrow>, is_chain: bool, walks: &mut Vec<Walk>) {
    let (first, last) = (path[0], *path.last().unwrap());
    let passes_on = |before: &Arrow, after: &Arrow| {
        before.to == after.from && given(request, before).good != given(request, after).good
    };
    if is_chain {
        walks.push(Walk { arrows: path.clone(), is_ring: false });
    } else if path.len() > 1 && passes_on(&last, &first) {
        walks.push(Walk { arrows: path.clone(), is_ring: true });
    }
    let most = if is_chain { request.max_chain.unwrap() } else { request.max_ring };
    if path.len() == most as usize {
        return;
    }
    for next in arrows.iter().filter(|next| passes_on(&last, next)) {
        let returns = next.to == first.from;
        let is_new = path.iter().all(|arrow| arrow.from != next.to && arrow.to != next.to);
        if is_chain && is_new || !is_chain && (returns || is_new && next.to > first.from) {
            path.push(*next);
            extend(request, arrows, path, is_chain, walks);
            path.pop();
        }
    }
}

/// What `quantity` moved by an arrow makes.
fn welfare(request: &Request, arrow: &Arrow, quantity: i64) -> Exact {
    Hop {
        quantity,
        value: taken(request, arrow).value,
        receiver: factors(request, arrow.to),
        cost: given(request, arrow).cost,
        giver: factors(request, arrow.from),
    }
    .welfare()
}

/// What the objective counts for it, where that is not parties.
fn worth(request: &Request, arrow: &Arrow, quantity: i64) -> Exact {
    if request.objective != Objective::Volume {
        return welfare(request, arrow, quantity);
    }
    let good = &given(request, arrow).good;
    let spec = request.goods.iter().find(|spec| spec.good == *good).unwrap();
    Exact::from(spec.reference_price.unwrap()).times(quantity)
}

/// The optimum of the relaxation, a variable for each arrow of each walk. Only for divisible goods with large limits.
pub(super) fn relaxation(request: &Request) -> f64 {
    let mut problem = highs::RowProblem::new();
    let mut rows: BTreeMap<(usize, bool, usize), Vec<(highs::Col, f64)>> = BTreeMap::new();
    let mut passed_on: Vec<[(highs::Col, f64); 2]> = Vec::new();
    for walk in walks(request) {
        // A column is for as much as the giver has.
        let full = |at: usize| given(request, &walk.arrows[at]).limit.get() as f64;
        let columns: Vec<highs::Col> = walk
            .arrows
            .iter()
            .enumerate()
            .map(|(at, arrow)| {
                let brings = worth(request, arrow, 1_000_000).to_f64() / 1e6 * full(at);
                let column = problem.add_column(brings, 0.0..);
                rows.entry((arrow.from, true, arrow.give)).or_default().push((column, 1.0));
                let share = full(at) / taken(request, arrow).limit.get() as f64;
                rows.entry((arrow.to, false, arrow.want)).or_default().push((column, share));
                column
            })
            .collect();
        for (at, arrow) in walk.arrows.iter().enumerate() {
            let Some(before) = walk.before(at) else { continue };
            let rate = exchange(request, &walk.arrows[before], arrow).rate_f64();
            passed_on.push([(columns[at], 1.0), (columns[before], -rate * full(before) / full(at))]);
        }
    }
    for (_, uses) in rows {
        problem.add_row(..=1.0, uses);
    }
    for uses in passed_on {
        problem.add_row(..=0.0, uses);
    }
    if problem.num_cols() == 0 {
        return 0.0;
    }
    let mut model = problem.optimise(highs::Sense::Maximise);
    model.make_quiet();
    model.solve().objective_value()
}

/// A walk in whole lots that contents everyone in it and brings something.
#[derive(Debug)]
struct Choice {
    walk: Walk,
    quantities: Vec<i64>,
    value: i64,
}

fn choices(request: &Request) -> Vec<Choice> {
    let mut choices = Vec::new();
    for walk in walks(request) {
        choose(request, &walk, &mut Vec::new(), &mut choices);
    }
    choices
}

fn choose(request: &Request, walk: &Walk, quantities: &mut Vec<i64>, choices: &mut Vec<Choice>) {
    let at = quantities.len();
    let Some(arrow) = walk.arrows.get(at) else {
        let is_content = |(at, arrow): (usize, &Arrow)| {
            walk.before(at).is_none_or(|before| {
                exchange(request, &walk.arrows[before], arrow).is_satisfied(quantities[before], quantities[at])
            })
        };
        if walk.arrows.iter().enumerate().all(is_content) {
            let mut sum = Exact::zero();
            for (arrow, quantity) in walk.arrows.iter().zip(&*quantities) {
                sum += &worth(request, arrow, *quantity);
            }
            let is_served = request.objective == Objective::Served;
            let value = if is_served { walk.arrows.len() as i64 } else { sum.floor("").unwrap() };
            if value > 0 {
                choices.push(Choice { walk: walk.clone(), quantities: quantities.clone(), value });
            }
        }
        return;
    };
    let lot = lot(request, &given(request, arrow).good);
    let mut quantity = lot;
    while quantity <= given(request, arrow).limit.get().min(taken(request, arrow).limit.get()) {
        quantities.push(quantity);
        choose(request, walk, quantities, choices);
        quantities.pop();
        quantity += lot;
    }
}

/// A set of walks, and what it leaves.
#[derive(Debug, Clone)]
struct Taken<'a> {
    given: BTreeMap<(usize, usize), i64>,
    filled: BTreeMap<(usize, usize), Exact>,
    walks: Vec<&'a Choice>,
}

impl<'a> Taken<'a> {
    /// With one more, if it fits.
    fn with(&self, request: &Request, choice: &'a Choice) -> Option<Self> {
        let mut more = self.clone();
        // A walk has one choice of quantities.
        if more.walks.iter().any(|taken| taken.walk == choice.walk) {
            return None;
        }
        for (arrow, quantity) in choice.walk.arrows.iter().zip(&choice.quantities) {
            let sum = more.given.entry((arrow.from, arrow.give)).or_default();
            *sum += quantity;
            if *sum > given(request, arrow).limit.get() {
                return None;
            }
            let share = Exact::ratio(*quantity, taken(request, arrow).limit.get()).unwrap();
            let sum = more.filled.entry((arrow.to, arrow.want)).or_insert_with(Exact::zero);
            *sum += &share;
            if *sum > Exact::from(1) {
                return None;
            }
        }
        more.walks.push(choice);
        Some(more)
    }
}

/// Calls back with every set of choices that fits.
fn sets<'a>(request: &Request, rest: &'a [Choice], taken: &Taken<'a>, each: &mut dyn FnMut(&Taken<'a>)) {
    let Some((choice, rest)) = rest.split_first() else { return each(taken) };
    sets(request, rest, taken, each);
    if let Some(more) = taken.with(request, choice) {
        sets(request, rest, &more, each);
    }
}

fn all_sets(request: &Request, each: &mut dyn FnMut(&[&Choice])) {
    let choices = choices(request);
    let none = Taken { given: BTreeMap::new(), filled: BTreeMap::new(), walks: Vec::new() };
    sets(request, &choices, &none, &mut |taken| each(&taken.walks));
}

/// The best objective of any set of walks in whole lots, by trying every set. Only for the smallest markets.
pub(super) fn optimum(request: &Request) -> i64 {
    let mut most = 0;
    all_sets(request, &mut |walks| most = most.max(walks.iter().map(|choice| choice.value).sum()));
    most
}

/// How many take part in a set of walks, and the least of their shares: what each gains over the most that one exchange
/// could bring it by its own offer. Who starts a chain takes no part.
pub(super) type Evenness = (usize, f64);

/// The most even of the sets that reach the optimum, by trying every set.
pub(super) fn fairest(request: &Request) -> (i64, Evenness) {
    let mut best = (0, (0, 1.0));
    all_sets(request, &mut |walks| {
        let value: i64 = walks.iter().map(|choice| choice.value).sum();
        if value >= best.0 {
            let moved =
                walks.iter().flat_map(|choice| choice.walk.arrows.iter().copied().zip(choice.quantities.clone()));
            let found = (value, evenness_of(request, moved));
            if found > best {
                best = found;
            }
        }
    });
    best
}

fn evenness_of(request: &Request, moved: impl Iterator<Item = (Arrow, i64)>) -> Evenness {
    let mut gains: BTreeMap<usize, f64> = BTreeMap::new();
    for (arrow, quantity) in moved {
        let free = Bounds::exactly(Rational::ZERO);
        let hop = |value, cost| Hop {
            quantity,
            value,
            receiver: factors(request, arrow.to),
            cost,
            giver: factors(request, arrow.from),
        };
        *gains.entry(arrow.to).or_default() += hop(taken(request, &arrow).value, free).welfare().to_f64();
        *gains.entry(arrow.from).or_default() += hop(free, given(request, &arrow).cost).welfare().to_f64();
    }
    gains.retain(|party, _| !request.offers[*party].wants.is_empty());
    let share = |(party, gain): (&usize, &f64)| gain / most_by_itself(request, *party);
    (gains.len(), gains.iter().map(share).fold(1.0, f64::min))
}

/// The most that one exchange could bring a party by its own offer: all of an alternative, for one lot.
fn most_by_itself(request: &Request, party: usize) -> f64 {
    let offer = &request.offers[party];
    let factors = factors(request, party);
    let free = Bounds::exactly(Rational::ZERO);
    let mut most = 0.0_f64;
    for take in offer.wants.iter().flat_map(|want| &want.any_of) {
        let quantity = take.limit.get() / lot(request, &take.good) * lot(request, &take.good);
        let value = Hop { quantity, value: take.value, receiver: factors, cost: free, giver: factors }.welfare();
        for give in offer.gives.iter().filter(|give| give.good != take.good) {
            let quantity = lot(request, &give.good);
            let cost = Hop { quantity, value: free, receiver: factors, cost: give.cost, giver: factors }.welfare();
            most = most.max((&value + &cost).to_f64());
        }
        if request.max_chain.is_some() {
            most = most.max(value.to_f64());
        }
    }
    most
}

/// How even an answer is.
pub(super) fn evenness(request: &Request, cleared: &Cleared) -> Evenness {
    let find = |agent: &AgentId| request.offers.iter().position(|offer| offer.agent == *agent).unwrap();
    let hops = cleared.rings.iter().flat_map(|ring| &ring.hops).chain(cleared.chains.iter().flat_map(|c| &c.hops));
    let moved = hops.map(|hop| {
        let (from, to, want) = (find(&hop.from), find(&hop.to), hop.want as usize);
        let give = request.offers[from].gives.iter().position(|give| give.good == hop.good).unwrap();
        let way = request.offers[to].wants[want].any_of.iter().position(|way| way.good == hop.good).unwrap();
        (Arrow { from, give, to, want, way }, hop.quantity.get())
    });
    evenness_of(request, moved)
}
