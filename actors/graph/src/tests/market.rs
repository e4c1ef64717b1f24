//! Small markets in few words, and a check of an answer that shares nothing with the code that found it.

use std::collections::{BTreeMap, BTreeSet};

use schemas::clearing::{Clear as Request, Cleared, Objective, Offer, Ring};
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
    for ring in &cleared.rings {
        check_ring(request, &offers, ring);
        objective += match request.objective {
            Objective::Welfare => ring.welfare_minor,
            Objective::Volume => volume(request, ring),
            Objective::Served => i64::try_from(ring.hops.len()).unwrap(),
        };
        for hop in &ring.hops {
            served.insert(hop.from.as_str());
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

fn volume(request: &Request, ring: &Ring) -> i64 {
    let mut sum = Exact::zero();
    for hop in &ring.hops {
        let price = request.goods.iter().find(|spec| spec.good == hop.good).unwrap().reference_price.unwrap();
        sum += &Exact::from(price).times(hop.quantity.get());
    }
    sum.floor("").unwrap()
}

fn check_ring(request: &Request, offers: &BTreeMap<&str, &Offer>, ring: &Ring) {
    let parties: BTreeSet<&str> = ring.hops.iter().map(|hop| hop.from.as_str()).collect();
    assert!(ring.hops.len() >= 2 && ring.hops.len() <= request.max_ring as usize);
    assert_eq!(parties.len(), ring.hops.len(), "a party stands twice in {ring:?}");
    let mut welfare = Exact::zero();
    for (incoming, outgoing) in ring.hops.iter().zip(ring.hops.iter().cycle().skip(1)) {
        assert_eq!(incoming.to, outgoing.from);
        assert_ne!(incoming.good, outgoing.good);
        let offer = offers[incoming.to.as_str()];
        let lot = request.goods.iter().find(|spec| spec.good == incoming.good).unwrap().lot.map_or(1, Quantity::get);
        assert_eq!(incoming.quantity.get() % lot, 0, "{incoming:?} is not in whole lots");
        let factors = Factors::of(&offer.outlook, request.days.into()).unwrap();
        let value = alternative(offer, incoming.want, &incoming.good).value;
        let cost = offer.gives.iter().find(|give| give.good == outgoing.good).unwrap().cost;
        let amount = |unit: Rational, hop: &schemas::clearing::Hop, factor: i64| {
            Exact::from(unit).times(hop.quantity.get()).times(factor)
        };
        let margin = 1_000_000 + offer.margin_ppm.max(request.margin_ppm);
        let (worth, costs) =
            (amount(value.lo, incoming, factors.receipt_ppb), amount(cost.hi, outgoing, factors.giving_ppb));
        assert!(worth.times(1_000_000) >= costs.times(margin), "{} is not content in {ring:?}", offer.agent);
        for (bounds, hop, factor, sign) in
            [(value, incoming, factors.receipt_ppb, 1), (cost, outgoing, factors.giving_ppb, -1)]
        {
            let twice = &amount(bounds.lo, hop, factor) + &amount(bounds.hi, hop, factor);
            welfare += &twice.times(sign);
        }
    }
    let welfare = welfare.product(&Exact::ratio(1, 2 * PPB).unwrap());
    assert_eq!(ring.welfare_minor, welfare.floor("").unwrap());
}
