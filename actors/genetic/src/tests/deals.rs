//! Deals: what is found is exact, sound and the best there is; islands are one search wherever they run.

use proptest::prelude::*;
use schemas::core::{Call, Core, Job, Stopwatch, Watcher};
use schemas::deal::Delivery;
use schemas::evolution::{Cap, Cut, Dropped, Epoch as Ask, Evolve as Request, Evolved, Movable, Sought};
use schemas::value::{Bounds, PartyValuation, UnitCost, UnitValue, Valuation};
use schemas::{AgentId, Code, Good, JobId, MarketId, Quantity, Rational, encode};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::time::Duration;

use crate::deal::Deal;
use crate::island::{Island, Plan};
use crate::problem::{Individual, Problem};
use crate::{Epoch, Evolve};

fn agent(name: &str) -> AgentId {
    AgentId::parse(name).unwrap()
}

fn good(name: &str) -> Good {
    Good::parse(name).unwrap()
}

fn quantity(units: i64) -> Quantity {
    Quantity::new(units).unwrap()
}

fn exactly(value: i64) -> Bounds {
    Bounds::exactly(Rational::new(value.into(), 1).unwrap())
}

fn movable(from: &str, to: &str, what: &str, most: i64) -> Movable {
    Movable {
        from: agent(from),
        to: agent(to),
        good: good(what),
        least: 0,
        most: quantity(most),
        lot: None,
        due_unix_ms: 0,
        intent: None,
    }
}

fn valuation(party: &str, values: &[(&str, i64)], costs: &[(&str, i64)]) -> PartyValuation {
    let values = values.iter().map(|(g, v)| UnitValue { good: good(g), value: Some(exactly(*v)), dimensions: None });
    let costs = costs.iter().map(|(g, c)| UnitCost { good: good(g), cost: exactly(*c) });
    let valuation = Valuation { values: values.collect(), costs: costs.collect(), ..Valuation::default() };
    PartyValuation { party: agent(party), valuation }
}

/// A gives tea to B and B rice to A.
fn swap() -> Sought {
    Sought {
        book: MarketId::parse("book").unwrap(),
        delivery: Delivery::Immediate,
        expires_unix_ms: 0,
        transfers: vec![movable("a", "b", "tea", 12), movable("b", "a", "rice", 9)],
        caps: Vec::new(),
        valuations: vec![valuation("a", &[("rice", 5)], &[("tea", 2)]), valuation("b", &[("tea", 4)], &[("rice", 3)])],
    }
}

/// Everybody gives everybody else a good of its own, worth more to the next ones than to those after.
fn circle(parties: usize, most: i64) -> Sought {
    let name = |n: usize| format!("p{n}");
    let mut sought = Sought { transfers: Vec::new(), valuations: Vec::new(), ..swap() };
    for from in 0..parties {
        for step in 1..parties {
            sought.transfers.push(movable(&name(from), &name((from + step) % parties), &format!("g{from}"), most));
        }
        let values: Vec<(String, i64)> =
            (1..parties).map(|back| (format!("g{}", (from + parties - back) % parties), 9 - 2 * back as i64)).collect();
        let values: Vec<(&str, i64)> = values.iter().map(|(g, v)| (g.as_str(), (*v).max(1))).collect();
        let own = format!("g{from}");
        sought.valuations.push(valuation(&name(from), &values, &[(own.as_str(), 3)]));
        sought.caps.push(Cap { party: agent(&name(from)), good: good(&own), gives: Some(quantity(most)), takes: None });
    }
    sought
}

fn request(sought: Sought) -> Request {
    Request {
        sought,
        seed: 7,
        evaluations: 4_000,
        population: 40,
        islands: 1,
        epoch_generations: 10,
        migrants: 4,
        dropped: Vec::new(),
        time_limit_ms: None,
    }
}

fn evolve(request: Request) -> Evolved {
    <Evolve>::default().handle(request, &Call::default()).unwrap()
}

fn gains(evolved: &Evolved) -> Vec<Vec<i64>> {
    evolved.front.iter().map(|c| c.parties.iter().map(|p| p.gain_minor).collect()).collect()
}

#[test]
fn the_front_of_a_small_swap_is_the_one_that_counting_finds() {
    let mut all = Vec::new();
    for tea in 0..=12_i64 {
        for rice in 0..=9_i64 {
            let (a, b) = (5 * rice - 2 * tea, 4 * tea - 3 * rice);
            if a >= 0 && b >= 0 && tea + rice > 0 {
                all.push((a, b));
            }
        }
    }
    let beaten = |one: &(i64, i64)| all.iter().any(|other| other != one && other.0 >= one.0 && other.1 >= one.1);
    let mut expected: Vec<Vec<i64>> = all.iter().filter(|one| !beaten(one)).map(|(a, b)| vec![*a, *b]).collect();
    expected.sort_unstable();
    expected.dedup();
    let evolved = evolve(request(swap()));
    let mut found = gains(&evolved);
    assert!(evolved.front.windows(2).all(|pair| pair[0].welfare_minor >= pair[1].welfare_minor));
    found.sort_unstable();
    assert_eq!(found, expected);
    assert_eq!(evolved.cut, None);
    let report = &evolved.islands[0];
    assert_eq!(report.hypervolume_ppm.len(), 100);
    assert!(report.hypervolume_ppm.is_sorted() && report.hypervolume_ppm.last() == Some(&evolved.hypervolume_ppm));
    assert!(evolved.evaluations <= 4_000 && evolved.evaluations == report.evaluations);
}

/// Everything that terms must be, by the crate that decides it.
fn sound(evolved: &Evolved, sought: &Sought) {
    for candidate in &evolved.front {
        schemas::body::Check::check(&candidate.terms).unwrap();
        let stated: Vec<_> =
            sought.valuations.iter().filter(|v| candidate.terms.parties.contains(&v.party)).cloned().collect();
        assert!(terms::is_win_win(&candidate.terms, &stated).unwrap());
        let worths: Vec<_> = terms::appraise(&candidate.terms, &stated).unwrap();
        let wire: Vec<_> = worths.iter().map(|w| w.to_wire().unwrap()).collect();
        assert_eq!(wire, candidate.parties);
        assert_eq!(terms::welfare_minor(&wire).unwrap(), candidate.welfare_minor);
        let nets = terms::nets(&candidate.terms.transfers).unwrap();
        assert!(terms::is_conserved(nets.iter().map(|((_, good), net)| (good, *net))));
        let mut given: BTreeMap<(&AgentId, &Good), i64> = BTreeMap::new();
        let mut taken = given.clone();
        for t in &candidate.terms.transfers {
            let span = sought.transfers.iter().find(|m| m.from == t.from && m.to == t.to && m.good == t.good).unwrap();
            assert!((span.least..=span.most.get()).contains(&t.quantity.get()));
            assert_eq!(t.quantity.get() % span.lot.map_or(1, Quantity::get), 0);
            *given.entry((&t.from, &t.good)).or_default() += t.quantity.get();
            *taken.entry((&t.to, &t.good)).or_default() += t.quantity.get();
        }
        for cap in &sought.caps {
            let of = |sums: &BTreeMap<(&AgentId, &Good), i64>| sums.get(&(&cap.party, &cap.good)).copied().unwrap_or(0);
            assert!(cap.gives.is_none_or(|most| of(&given) <= most.get()));
            assert!(cap.takes.is_none_or(|most| of(&taken) <= most.get()));
        }
    }
    let gains = gains(evolved);
    if evolved.front.iter().all(|c| c.parties.len() == sought.valuations.len()) {
        for (at, one) in gains.iter().enumerate() {
            let beaten = |(other, than): (usize, &Vec<i64>)| other != at && one.iter().zip(than).all(|(a, b)| a <= b);
            assert!(!gains.iter().enumerate().any(beaten), "{one:?}");
        }
    }
}

#[test]
fn five_parties_find_terms_that_are_sound_and_many() {
    let mut sought = circle(5, 40);
    sought.transfers[3].lot = Some(quantity(10));
    sought.transfers[7].least = 2;
    sought.caps.push(Cap { party: agent("p1"), good: good("g0"), gives: None, takes: Some(quantity(25)) });
    let evolved = evolve(Request { evaluations: 20_000, population: 100, ..request(sought.clone()) });
    assert!(evolved.front.len() > 20, "{}", evolved.front.len());
    sound(&evolved, &sought);
    let report = &evolved.islands[0].hypervolume_ppm;
    assert!(report[report.len() - 1] > report[10], "{report:?}");
}

#[test]
fn islands_computed_apart_and_in_any_order_are_the_search_in_one_place() {
    let request = Request { islands: 3, evaluations: 6_000, ..request(circle(3, 30)) };
    let whole = evolve(request.clone());
    let plan = Plan::read(&request).unwrap();
    // Epoch by epoch through the core that answers them, each asked for twice, the last island first.
    let mut islands = vec![Island::default(); 3];
    for epoch in 0..request.epochs() {
        let before = islands.clone();
        for island in (0..3_u32).rev() {
            let ask = Ask {
                evolve: request.clone(),
                island,
                epoch,
                population: before[island as usize].population.clone(),
                migrants: before[plan.sender(island).unwrap() as usize].migrants.clone(),
            };
            let ask: Ask = schemas::decode(&encode(&ask), 1 << 20).unwrap();
            let done = Epoch.handle(ask.clone(), &Call::default()).unwrap();
            assert_eq!(done, Epoch.handle(ask, &Call::default()).unwrap());
            islands[island as usize].take(done);
        }
    }
    assert_eq!(encode(&plan.conclude(islands, Vec::new(), None).unwrap()), encode(&whole));
    // Migrants matter, and so does the seed.
    assert_ne!(gains(&evolve(Request { migrants: 0, ..request.clone() })), gains(&whole));
    assert_ne!(evolve(Request { seed: 8, ..request.clone() }).islands, whole.islands);
    sound(&whole, &request.sought);
}

#[test]
fn a_dropped_island_is_an_input_like_any_other() {
    let all = Request { islands: 3, evaluations: 6_000, ..request(circle(3, 30)) };
    let dropped = vec![Dropped { island: 1, epoch: 2 }];
    let some = Request { dropped: dropped.clone(), ..all.clone() };
    let evolved = evolve(some.clone());
    assert_eq!(evolved, evolve(some));
    assert_eq!(evolved.dropped, dropped);
    let lengths: Vec<usize> = evolved.islands.iter().map(|island| island.hypervolume_ppm.len()).collect();
    assert_eq!(lengths, [50, 20, 50]);
    assert_ne!(evolved.front, evolve(all).front);
}

#[test]
fn a_search_is_cut_by_its_clock_its_caller_and_its_deadline_and_says_so() {
    let long = Request { evaluations: 1_000_000_000, population: 2_000, epoch_generations: 1_000, ..request(swap()) };
    let long = Request { evaluations: 100_000_000, ..long };
    let limited = Request { time_limit_ms: Some(2_000), ..long.clone() };
    let evolved = Evolve::with(Ticking).handle(limited, &Call::default()).unwrap();
    assert_eq!(evolved.cut, Some(Cut::TimeLimit));
    assert!(!evolved.front.is_empty() && evolved.evaluations < 10_000);
    let call = Call { deadline_unix_ms: Some(5_000), now_unix_ms: 3_000, ..Call::default() };
    assert_eq!(Evolve::with(Ticking).handle(long.clone(), &call).unwrap().cut, Some(Cut::Stopped));
    let watched = Arc::new(Impatient::default());
    let job = Job { id: JobId::parse("j").unwrap(), watcher: watched.clone() };
    let call = Call { job: Some(job), ..Call::default() };
    let evolved = <Evolve>::default().handle(long, &call).unwrap();
    assert_eq!(evolved.cut, Some(Cut::Stopped));
    assert!(watched.reports.load(Relaxed) >= 1);
}

/// A clock that goes on by a millisecond at every look.
struct Ticking;

impl Stopwatch for Ticking {
    fn start(&self) -> Box<dyn Fn() -> Duration> {
        let looks = AtomicU32::new(0);
        Box::new(move || Duration::from_millis(looks.fetch_add(1, Relaxed).into()))
    }
}

/// Stops a job after a while.
#[derive(Default)]
struct Impatient {
    asked: AtomicU32,
    reports: AtomicU32,
}

impl Watcher for Impatient {
    fn is_stopped(&self) -> bool {
        self.asked.fetch_add(1, Relaxed) > 3_000
    }
    fn is_due(&self) -> bool {
        true
    }
    fn report(&self, kind: &'static str, body: Vec<u8>) {
        assert_eq!(kind, "genetic.progress");
        let progress: schemas::evolution::EvolutionProgress = schemas::decode(&body, 1 << 20).unwrap();
        assert!(progress.generation > 0 && progress.front.len() <= 100);
        self.reports.fetch_add(1, Relaxed);
    }
}

#[test]
fn what_cannot_be_is_refused_and_the_field_named() {
    let refused = |change: &dyn Fn(&mut Request)| {
        let mut request = request(swap());
        change(&mut request);
        <Evolve>::default().handle(request, &Call::default()).unwrap_err()
    };
    let cases: [(&dyn Fn(&mut Request), &str); 14] = [
        (&|r| r.population = 0, "population"),
        (&|r| r.population = 1_000_000, "population"),
        (&|r| r.evaluations = 0, "evaluations"),
        (&|r| r.evaluations = u64::MAX, "evaluations"),
        (&|r| r.islands = 0, "islands"),
        (&|r| r.epoch_generations = 0, "epoch_generations"),
        (&|r| r.migrants = 30, "migrants"),
        (&|r| r.sought.transfers.clear(), "sought.transfers"),
        (&|r| r.sought.transfers[0].least = -1, "sought.transfers[0].least"),
        (&|r| r.sought.transfers[0].least = 13, "sought.transfers[0].least"),
        (&|r| r.sought.transfers[1].most = quantity(i64::MAX), "sought.transfers[1].most"),
        (&|r| r.sought.transfers[1].to = agent("c"), "sought.transfers[1].to"),
        (&|r| r.sought.valuations[1].party = agent("a"), "sought.valuations[1]"),
        (&|r| r.dropped = vec![Dropped { island: 0, epoch: 0 }], "dropped"),
    ];
    for (change, field) in cases {
        let error = refused(change);
        assert_eq!((error.kind(), error.field.as_deref()), (Code::BadMessage, Some(field)), "{error}");
    }
    let costless = refused(&|r| r.sought.valuations[0].valuation.costs.clear());
    assert_eq!((costless.kind(), costless.rule.as_deref()), (Code::Refused, Some("no_cost")));
    let huge = refused(&|r| {
        for movable in &mut r.sought.transfers {
            (movable.lot, movable.most) = (Some(quantity(1 << 60)), quantity(i64::MAX));
        }
    });
    assert_eq!((huge.kind(), huge.rule.as_deref()), (Code::Refused, Some("overflow")), "{huge}");
}

#[test]
fn where_nobody_can_gain_nothing_is_found() {
    let mut sought = swap();
    sought.valuations[0].valuation.values[0].value = Some(exactly(1));
    let evolved = evolve(request(sought));
    assert!(evolved.front.is_empty() && evolved.hypervolume_ppm == 0 && evolved.cut.is_none());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]
    #[test]
    fn repair_keeps_every_genome_within_bounds_and_caps_and_changes_none_that_is(
        parties in 2_usize..6, most in 1_i64..1_000_000, lot in 1_i64..50, give in 1_i64..1_000_000, seed: u64,
    ) {
        let mut sought = circle(parties, most.max(lot));
        sought.transfers[0].lot = Some(quantity(lot));
        for cap in &mut sought.caps {
            cap.gives = Some(quantity(give));
            cap.takes = Some(quantity(give / 2 + 1));
        }
        let deal = Deal::read(&sought).unwrap();
        let chance = &mut crate::chance::Chance::of(seed, 0, 0);
        for _ in 0..20 {
            let drawn: Vec<f64> = deal.genes().iter().map(|gene| gene.drawn(chance)).collect();
            let one = Individual::born(&deal, drawn);
            let mut again = one.genome.clone();
            deal.repair(&mut again);
            prop_assert_eq!(&again, &one.genome);
            for (gene, lots) in deal.genes().iter().zip(&one.genome) {
                prop_assert!(gene.nearest(*lots).to_bits() == lots.to_bits());
            }
            let Some(terms) = deal.terms(&one.genome) else { continue };
            for cap in &sought.caps {
                let sum = |own: &dyn Fn(&&schemas::deal::Transfer) -> bool| -> i64 {
                    terms.transfers.iter().filter(own).map(|t| t.quantity.get()).sum()
                };
                prop_assert!(sum(&|t| t.from == cap.party && t.good == cap.good) <= give);
                prop_assert!(sum(&|t| t.to == cap.party && t.good == cap.good) <= give / 2 + 1);
            }
        }
    }

    #[test]
    fn the_floats_guide_where_the_exact_arithmetic_is(parties in 2_usize..5, most in 1_i64..1_000, seed: u64) {
        let sought = circle(parties, most);
        let deal = Deal::read(&sought).unwrap();
        let chance = &mut crate::chance::Chance::of(seed, 0, 0);
        let drawn: Vec<f64> = deal.genes().iter().map(|gene| gene.drawn(chance)).collect();
        let one = Individual::born(&deal, drawn);
        if let Some(terms) = deal.terms(&one.genome) {
            let stated: Vec<_> =
                sought.valuations.iter().filter(|v| terms.parties.contains(&v.party)).cloned().collect();
            let worths = terms::appraise(&terms, &stated).unwrap();
            for worth in &worths {
                let at = deal.parties().iter().position(|party| *party == worth.party).unwrap();
                prop_assert!((worth.gain().to_f64() + one.costs[at]).abs() < 1e-6);
            }
            prop_assert_eq!(worths.iter().all(terms::Worth::is_satisfied), one.is_feasible());
        }
    }
}
