//! Answers found the long way: every ring listed by trying every party, good and want.

use schemas::clearing::{Clear as Request, Objective};
use schemas::value::Bounds;
use terms::{Exact, Exchange, Factors, Hop};

/// One place at the table: who, receiving what by which want, giving what.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    party: usize,
    want: usize,
    way: usize,
    give: usize,
}

/// Every ring of up to `max_ring` different parties, each once, prices aside.
pub(super) fn rings(request: &Request) -> Vec<Vec<Place>> {
    let mut places = Vec::new();
    for (party, offer) in request.offers.iter().enumerate() {
        for (want, wanted) in offer.wants.iter().enumerate() {
            for (way, alternative) in wanted.any_of.iter().enumerate() {
                for (give, given) in offer.gives.iter().enumerate() {
                    if given.good != alternative.good {
                        places.push(Place { party, want, way, give });
                    }
                }
            }
        }
    }
    let mut rings = Vec::new();
    for first in &places {
        extend(request, &places, &mut vec![*first], &mut rings);
    }
    rings
}

/// Grows a path whose first party is its lowest.
fn extend(request: &Request, places: &[Place], path: &mut Vec<Place>, rings: &mut Vec<Vec<Place>>) {
    let meets = |giver: &Place, receiver: &Place| {
        let alternative = &request.offers[receiver.party].wants[receiver.want].any_of[receiver.way];
        request.offers[giver.party].gives[giver.give].good == alternative.good
    };
    if path.len() > 1 && meets(path.last().unwrap(), &path[0]) {
        rings.push(path.clone());
    }
    if path.len() == request.max_ring as usize {
        return;
    }
    for next in places {
        if next.party > path[0].party && path.iter().all(|p| p.party != next.party) && meets(path.last().unwrap(), next)
        {
            path.push(*next);
            extend(request, places, path, rings);
            path.pop();
        }
    }
}

fn factors(request: &Request, place: &Place) -> Factors {
    Factors::of(&request.offers[place.party].outlook, request.days.into()).unwrap()
}

fn bounds(request: &Request, place: &Place) -> (Bounds, Bounds) {
    let offer = &request.offers[place.party];
    (offer.wants[place.want].any_of[place.way].value, offer.gives[place.give].cost)
}

fn exchange(request: &Request, place: &Place) -> Exchange {
    let (value, cost) = bounds(request, place);
    let margin = request.offers[place.party].margin_ppm.max(request.margin_ppm);
    Exchange::new(value, cost, factors(request, place), margin).unwrap()
}

/// What a place and the one after it make of `quantity` that the first gives the second.
fn welfare(request: &Request, giver: &Place, receiver: &Place, quantity: i64) -> Exact {
    Hop {
        quantity,
        value: bounds(request, receiver).0,
        receiver: factors(request, receiver),
        cost: bounds(request, giver).1,
        giver: factors(request, giver),
    }
    .welfare()
}

/// What the objective counts for it, where that is not parties.
fn worth(request: &Request, giver: &Place, receiver: &Place, quantity: i64) -> Exact {
    if request.objective != Objective::Volume {
        return welfare(request, giver, receiver, quantity);
    }
    let good = &request.offers[giver.party].gives[giver.give].good;
    let spec = request.goods.iter().find(|spec| spec.good == *good).unwrap();
    Exact::from(spec.reference_price.unwrap()).times(quantity)
}

/// The optimum of the relaxation over every extreme ray of every ring. Only for divisible goods with large limits.
pub(super) fn relaxation(request: &Request) -> f64 {
    let mut problem = highs::RowProblem::new();
    let mut rows: std::collections::BTreeMap<(usize, bool, usize), Vec<(highs::Col, f64)>> =
        std::collections::BTreeMap::new();
    for ring in rings(request) {
        let rates: Vec<f64> = ring.iter().map(|place| exchange(request, place).rate_f64()).collect();
        if rates.iter().product::<f64>() < 1.0 || rates.contains(&0.0) {
            continue;
        }
        for slack in 0..ring.len() {
            let (mut quantity, mut brings, mut uses) = (1.0, 0.0, Vec::new());
            for step in 0..ring.len() {
                let at = (slack + step) % ring.len();
                let (giver, receiver) = (&ring[at], &ring[(at + 1) % ring.len()]);
                if step > 0 {
                    quantity *= rates[at];
                }
                brings += quantity * worth(request, giver, receiver, 1_000_000).to_f64() / 1e6;
                let (gives, wants) = (&request.offers[giver.party].gives, &request.offers[receiver.party].wants);
                uses.push(((giver.party, true, giver.give), quantity / gives[giver.give].limit.get() as f64));
                uses.push((
                    (receiver.party, false, receiver.want),
                    quantity / wants[receiver.want].any_of[receiver.way].limit.get() as f64,
                ));
            }
            let most = uses.iter().map(|(_, share)| *share).fold(0.0, f64::max);
            let column = problem.add_column(brings / most, 0.0..);
            for (row, share) in uses {
                rows.entry(row).or_default().push((column, share / most));
            }
        }
    }
    for (_, uses) in rows {
        problem.add_row(..=1.0, uses);
    }
    if problem.num_cols() == 0 {
        return 0.0;
    }
    let mut model = problem.optimise(highs::Sense::Maximise);
    model.make_quiet();
    model.solve().objective_value()
}

/// The best objective of any set of rings in whole lots, by trying every set. Only for the smallest markets.
pub(super) fn optimum(request: &Request) -> i64 {
    let mut choices = Vec::new();
    for ring in rings(request) {
        let mut given = Vec::new();
        quantities(request, &ring, &mut given, &mut choices);
    }
    let mut left = (
        request
            .offers
            .iter()
            .map(|offer| offer.gives.iter().map(|give| give.limit.get()).collect())
            .collect::<Vec<Vec<i64>>>(),
        request.offers.iter().map(|offer| vec![Exact::zero(); offer.wants.len()]).collect::<Vec<_>>(),
    );
    best(request, &choices, &mut left)
}

type Choice = (Vec<Place>, Vec<i64>, i64);

fn quantities(request: &Request, ring: &[Place], given: &mut Vec<i64>, choices: &mut Vec<Choice>) {
    let at = given.len();
    if at == ring.len() {
        let content = ring.iter().enumerate().all(|(at, place)| {
            let received = given[(at + ring.len() - 1) % ring.len()];
            exchange(request, place).is_satisfied(received, given[at])
        });
        if content {
            let mut sum = Exact::zero();
            for at in 0..ring.len() {
                sum += &worth(request, &ring[at], &ring[(at + 1) % ring.len()], given[at]);
            }
            let value = if request.objective == Objective::Served { ring.len() as i64 } else { sum.floor("").unwrap() };
            choices.push((ring.to_vec(), given.clone(), value));
        }
        return;
    }
    let (giver, receiver) = (&ring[at], &ring[(at + 1) % ring.len()]);
    let give = &request.offers[giver.party].gives[giver.give];
    let take = &request.offers[receiver.party].wants[receiver.want].any_of[receiver.way];
    let lot = request.goods.iter().find(|spec| spec.good == give.good).unwrap().lot.map_or(1, schemas::Quantity::get);
    let mut quantity = lot;
    while quantity <= give.limit.get().min(take.limit.get()) {
        given.push(quantity);
        quantities(request, ring, given, choices);
        given.pop();
        quantity += lot;
    }
}

/// The best of the choices from the first on, within what is left.
fn best(request: &Request, choices: &[Choice], left: &mut (Vec<Vec<i64>>, Vec<Vec<Exact>>)) -> i64 {
    let Some(((ring, given, value), rest)) = choices.split_first() else { return 0 };
    let mut most = best(request, rest, left);
    let before = left.clone();
    let mut fits = true;
    for (at, quantity) in given.iter().enumerate() {
        let (giver, receiver) = (&ring[at], &ring[(at + 1) % ring.len()]);
        left.0[giver.party][giver.give] -= quantity;
        fits &= left.0[giver.party][giver.give] >= 0;
        let full = request.offers[receiver.party].wants[receiver.want].any_of[receiver.way].limit.get();
        left.1[receiver.party][receiver.want] += &Exact::ratio(*quantity, full).unwrap();
        fits &= left.1[receiver.party][receiver.want] <= Exact::from(1);
    }
    if fits {
        // A ring has one choice of quantities.
        let same = |other: &Choice| format!("{:?}", other.0) == format!("{ring:?}");
        let others: Vec<Choice> = rest.iter().filter(|other| !same(other)).cloned().collect();
        most = most.max(value + best(request, &others, left));
    }
    *left = before;
    most
}
