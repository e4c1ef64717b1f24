//! Small markets in few words, and a check of an answer that shares nothing with the code that found it.

use std::collections::{BTreeMap, BTreeSet};

use schemas::clearing::{Clear as Request, Cleared, Hop, Objective, Offer};
use schemas::core::{Call, Core};
use schemas::market::{Alternative, Give, GoodSpec, LeftOut, Want};
use schemas::value::{Bounds, Outlook};
use schemas::{AgentId, ErrorReply, Good, Quantity, Rational};
use terms::{Exact, Factors, PPB};

use crate::Clear;

pub(super) fn ratio(text: &str) -> Rational {
    text.parse().unwrap()
}

pub(super) fn exactly(text: &str) -> Bounds {
    Bounds::exactly(ratio(text))
}

pub(super) fn quantity(units: i64) -> Quantity {
    Quantity::new(units).unwrap()
}

pub(super) fn good(name: &str) -> GoodSpec {
    GoodSpec { good: Good::parse(name).unwrap(), unit: "unit".into(), lot: None, reference_price: None }
}

pub(super) fn in_lots(name: &str, lot: i64) -> GoodSpec {
    GoodSpec { lot: Some(quantity(lot)), ..good(name) }
}

pub(super) fn give(name: &str, limit: i64, cost: &str) -> Give {
    Give { good: Good::parse(name).unwrap(), limit: quantity(limit), cost: exactly(cost) }
}

pub(super) fn either(name: &str, limit: i64, value: &str) -> Alternative {
    Alternative { good: Good::parse(name).unwrap(), limit: quantity(limit), value: exactly(value) }
}

pub(super) fn want(name: &str, limit: i64, value: &str) -> Want {
    Want { any_of: vec![either(name, limit, value)] }
}

pub(super) fn offer(agent: &str, gives: Vec<Give>, wants: Vec<Want>) -> Offer {
    let agent = AgentId::parse(agent).unwrap();
    Offer { agent, sequence: None, gives, wants, margin_ppm: 0, outlook: Outlook::default() }
}

pub(super) fn market(goods: Vec<GoodSpec>, offers: Vec<Offer>) -> Request {
    Request {
        goods,
        offers,
        band: None,
        margin_ppm: 0,
        max_ring: 3,
        objective: Objective::Welfare,
        days: 0,
        time_limit_ms: 20_000,
        max_chain: None,
        then: None,
        earlier: Vec::new(),
        with_limits: false,
    }
}

pub(super) fn try_clear(request: &Request) -> Result<Cleared, ErrorReply> {
    <Clear>::default().handle(request.clone(), &Call::default())
}

/// Clears, and checks the answer.
pub(super) fn clear(request: &Request) -> Cleared {
    let cleared = try_clear(request).unwrap();
    check(request, &cleared);
    cleared
}

pub(super) fn reason(cleared: &Cleared, agent: &str) -> LeftOut {
    cleared
        .left_out
        .iter()
        .find(|left| left.agent.as_str() == agent)
        .unwrap_or_else(|| panic!("{agent} was not left out: {cleared:?}"))
        .reason
}

/// An answer without what differs from run to run.
pub(super) fn timeless(cleared: Cleared) -> Cleared {
    Cleared { took_ms: 0, ..cleared }
}

/// Every ring closes, moves whole lots within everyone's limits and contents everyone; the sums are right; whoever has
/// no ring is left out with a reason, and nobody else is.
pub(super) fn check(request: &Request, cleared: &Cleared) {
    let offers: BTreeMap<&str, &Offer> = request.offers.iter().map(|offer| (offer.agent.as_str(), offer)).collect();
    let mut given: BTreeMap<(&str, &str), i64> = BTreeMap::new();
    let mut filled: BTreeMap<(&str, u32), Exact> = BTreeMap::new();
    let mut served = BTreeSet::new();
    let mut objective = 0;
    let rings = cleared.rings.iter().map(|ring| (&ring.hops, ring.welfare_minor, true));
    let chains = cleared.chains.iter().map(|chain| (&chain.hops, chain.welfare_minor, false));
    for (hops, welfare_minor, is_ring) in rings.chain(chains) {
        check_walk(request, &offers, hops, is_ring);
        let welfare = welfare(request, &offers, hops);
        assert_eq!(welfare_minor, welfare.floor("").unwrap());
        objective += match request.objective {
            Objective::Welfare => welfare_minor,
            Objective::Volume => volume(request, hops),
            Objective::Served => i64::try_from(hops.len()).unwrap(),
        };
        for hop in hops {
            served.extend([hop.from.as_str(), hop.to.as_str()]);
            *given.entry((hop.from.as_str(), hop.good.as_str())).or_default() += hop.quantity.get();
            let taken = alternative(offers[hop.to.as_str()], hop.want, &hop.good);
            let share = Exact::ratio(hop.quantity.get(), taken.limit.get()).unwrap();
            *filled.entry((hop.to.as_str(), hop.want)).or_insert_with(Exact::zero) += &share;
        }
    }
    for ((agent, good), total) in given {
        let limit = offers[agent].gives.iter().find(|give| give.good.as_str() == good).unwrap().limit.get();
        assert!(total <= limit, "{agent} gives {total} {good} of {limit}");
    }
    for ((agent, want), share) in filled {
        assert!(share <= Exact::from(1), "want {want} of {agent} is filled {share} times");
    }
    assert_eq!(cleared.objective, objective);
    assert!(cleared.bound >= objective, "bound {} below {objective}", cleared.bound);
    assert!((0..=1_000_000).contains(&cleared.gap_ppm));
    let left: BTreeSet<&str> = cleared.left_out.iter().map(|left| left.agent.as_str()).collect();
    assert_eq!(left.len(), cleared.left_out.len());
    assert!(left.is_disjoint(&served));
    assert_eq!(left.len() + served.len(), offers.len());
    assert!(cleared.left_out.iter().all(|left| !left.detail.is_empty()));
}

fn alternative<'a>(offer: &'a Offer, want: u32, good: &Good) -> &'a Alternative {
    offer.wants[want as usize].any_of.iter().find(|a| a.good == *good).unwrap()
}

fn volume(request: &Request, hops: &[Hop]) -> i64 {
    let mut sum = Exact::zero();
    for hop in hops {
        let price = spec(request, &hop.good).reference_price.unwrap();
        sum += &Exact::from(price).times(hop.quantity.get());
    }
    sum.floor("").unwrap()
}

fn spec<'a>(request: &'a Request, good: &Good) -> &'a GoodSpec {
    request.goods.iter().find(|spec| spec.good == *good).unwrap()
}

/// What a hop is worth to its receiver and costs its giver, at values and costs within their bounds.
fn sides(
    request: &Request,
    offers: &BTreeMap<&str, &Offer>,
    hop: &Hop,
    value: fn(Bounds) -> Exact,
    cost: fn(Bounds) -> Exact,
) -> (Exact, Exact) {
    let (giver, receiver) = (offers[hop.from.as_str()], offers[hop.to.as_str()]);
    let factors = |offer: &Offer| Factors::of(&offer.outlook, request.days.into()).unwrap();
    let give = giver.gives.iter().find(|give| give.good == hop.good).unwrap();
    let take = alternative(receiver, hop.want, &hop.good);
    let amount = |unit: Exact, factor: i64| unit.times(hop.quantity.get()).times(factor);
    (amount(value(take.value), factors(receiver).receipt_ppb), amount(cost(give.cost), factors(giver).giving_ppb))
}

fn welfare(request: &Request, offers: &BTreeMap<&str, &Offer>, hops: &[Hop]) -> Exact {
    let twice_central = |bounds: Bounds| &Exact::from(bounds.lo) + &Exact::from(bounds.hi);
    let mut welfare = Exact::zero();
    for hop in hops {
        let (value, cost) = sides(request, offers, hop, twice_central, twice_central);
        welfare += &value;
        welfare += &cost.times(-1);
    }
    welfare.product(&Exact::ratio(1, 2 * PPB).unwrap())
}

/// Each passes on, in whole lots, less than it receives at the worst corner of its bounds; a chain starts at somebody who
/// gives for nothing.
fn check_walk(request: &Request, offers: &BTreeMap<&str, &Offer>, hops: &[Hop], is_ring: bool) {
    let parties: BTreeSet<&str> = hops.iter().flat_map(|hop| [hop.from.as_str(), hop.to.as_str()]).collect();
    if is_ring {
        assert!(hops.len() >= 2 && hops.len() <= request.max_ring as usize);
        assert_eq!(parties.len(), hops.len(), "a party stands twice in {hops:?}");
    } else {
        let start = offers[hops[0].from.as_str()];
        let give = start.gives.iter().find(|give| give.good == hops[0].good).unwrap();
        assert!(start.wants.is_empty() && give.cost.hi == Rational::ZERO, "{} starts {hops:?}", start.agent);
        assert!(hops.len() <= request.max_chain.unwrap() as usize);
        assert_eq!(parties.len(), hops.len() + 1, "a party stands twice in {hops:?}");
    }
    for hop in hops {
        let lot = spec(request, &hop.good).lot.map_or(1, Quantity::get);
        assert_eq!(hop.quantity.get() % lot, 0, "{hop:?} is not in whole lots");
    }
    let passed_on = hops.iter().cycle().skip(1).take(if is_ring { hops.len() } else { hops.len() - 1 });
    for (incoming, outgoing) in hops.iter().zip(passed_on) {
        assert_eq!(incoming.to, outgoing.from);
        assert_ne!(incoming.good, outgoing.good);
        let (least, most) = (|bounds: Bounds| Exact::from(bounds.lo), |bounds: Bounds| Exact::from(bounds.hi));
        let (worth, _) = sides(request, offers, incoming, least, most);
        let (_, costs) = sides(request, offers, outgoing, least, most);
        let offer = offers[incoming.to.as_str()];
        let margin = 1_000_000 + offer.margin_ppm.max(request.margin_ppm);
        assert!(worth.times(1_000_000) >= costs.times(margin), "{} is not content in {hops:?}", offer.agent);
    }
}
