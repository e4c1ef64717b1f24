//! How many negotiations a second agents in Rust hold over the bus, each opened with the desk, talked over from party to
//! party, and signed by both with the transcript's head; everything on this machine, on a bus as `hms up` runs it.
//!
//! `cargo bench -p e2e --bench negotiation [-- --meetings N --at-once N --choices N --rounds N]`. Prints JSON, and writes the same to
//! `target/bench/negotiation.json`: negotiations and words a second over the bus, and the same negotiations in this
//! process without a bus, which is what they are measured against.

#![allow(clippy::unwrap_used, clippy::print_stdout, clippy::indexing_slicing)] // a bench that cannot go on has failed

use std::sync::Arc;
use std::time::Instant;

use e2e::Bus;
use negotiation::{Preferences, Ranking, Space, Utility, negotiate};
use runtime::nats::ConnectSpec;
use runtime::port::Port;
use schemas::deal::Delivery;
use schemas::negotiation::{Alternating, Domain, Issue, Pattern, ReadRules, Rules};
use schemas::{AgentId, DealId, Hash, MoveId, Quantity, encode};
use serde_json::{Value, json};
use swarm::bargain::{self, Gathering, Manner, Meeting, Protocol, Seat};

/// As in `hms`, which runs agents like these.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const AGENTS: usize = 64;
/// Of each of three issues: 21,952 outcomes.
const CHOICES: u32 = 28;
const WEIGHTS_PPM: [i64; 3] = [500_000, 300_000, 200_000];
/// Two who concede late meet in the 39th.
const ROUNDS: u32 = 45;
const WITHIN_MS: i64 = 120_000;

fn domain(choices: u32) -> Domain {
    let issue = |at: usize| Issue {
        name: format!("issue-{at}").parse().unwrap(),
        least: 1,
        step: Quantity::ONE,
        count: choices,
        labels: Vec::new(),
    };
    let pattern = |from, to, good: &str| Pattern {
        from,
        to,
        goods: vec![good.parse().unwrap()],
        good_by: None,
        factor: Quantity::ONE,
        times: vec![format!("issue-{from}").parse().unwrap()],
        due_unix_ms: 0,
        due_by: None,
    };
    Domain {
        issues: (0..WEIGHTS_PPM.len()).map(issue).collect(),
        transfers: vec![pattern(0, 1, "tea"), pattern(1, 0, "rice")],
        delivery: Delivery::Immediate,
    }
}

/// What one wants the other does not: they meet in the middle, late.
fn wishes(rising: bool, choices: u32) -> Preferences {
    let last = choices - 1;
    let worth = |choice: u32| i64::from(if rising { choice } else { last - choice }) * 1_000_000 / i64::from(last);
    let worths: Vec<i64> = (0..choices).map(worth).collect();
    let utility = Utility::Additive(WEIGHTS_PPM.into_iter().map(|weight| (weight, worths.clone())).collect());
    Preferences { utility, reserved_ppm: 0 }
}

fn gathering(meetings: usize, at_once: usize, choices: u32, rounds: u32) -> Gathering {
    let space = Space::of(&domain(choices)).unwrap();
    let names: Vec<AgentId> = (0..AGENTS).map(|at| format!("party-{at}").parse().unwrap()).collect();
    let meeting = |number: usize| {
        let pair = [number % AGENTS, (number + 1 + number / AGENTS % (AGENTS - 1)) % AGENTS];
        let seat = |(at, rising): (usize, bool)| Seat {
            agent: names[at].clone(),
            preferences: wishes(rising, choices),
            manner: Manner::Boulware,
            seed: 0,
        };
        let move_id = MoveId::parse(&format!("meeting-{number}")).unwrap();
        Arc::new(Meeting {
            protocol: Protocol::Alternating,
            deal: DealId::of(&names[pair[0]], &move_id),
            move_id,
            book: "bench".parse().unwrap(),
            domain: domain(choices),
            space: space.clone(),
            rounds,
            within_ms: WITHIN_MS,
            seats: pair.into_iter().zip([true, false]).map(seat).collect(),
        })
    };
    let seed = || nkeys::KeyPair::new_user().seed().unwrap();
    let agents = names.iter().map(|name| (name.clone(), seed())).collect();
    let meetings = (0..meetings).map(meeting).collect();
    Gathering { agents, python: 0, meetings, at_once, keeps_words: false }
}

/// The same negotiations one after another in this process, a second; and how many words each took.
fn without_a_bus(gathering: &Gathering, count: usize) -> (f64, f64) {
    let begun = Instant::now();
    let mut words = 0;
    for meeting in gathering.meetings.iter().take(count) {
        let order = meeting.seats.iter().map(|seat| seat.agent.clone()).collect();
        let (domain, rounds) = (meeting.domain.clone(), meeting.rounds);
        let rules = Alternating { domain, order, rounds, talk_until_unix_ms: 0 };
        let rules = ReadRules { hash: Hash::of(&encode(&rules)), rules: Rules::Alternating(rules) };
        let seat = |seat: &Seat| {
            let ranking = Arc::new(Ranking::new(&meeting.space, &seat.preferences.utility));
            (seat.agent.clone(), seat.preferences.clone(), ranking, seat.manner.strategy(seat.seed).unwrap())
        };
        let talk = negotiate(&meeting.deal, &rules, meeting.seats.iter().map(seat).collect()).unwrap();
        assert!(talk.agreed().is_some());
        words += talk.transcript().length;
    }
    (count as f64 / begun.elapsed().as_secs_f64(), f64::from(words) / count as f64)
}

async fn measure(url: String, meetings: usize, at_once: usize, choices: u32, rounds: u32) -> Value {
    let gathering = gathering(meetings, at_once, choices, rounds);
    let (alone, words) = without_a_bus(&gathering, meetings.min(200));
    let port: Arc<dyn Port> = Arc::new(ConnectSpec::new(&url, "bench").connect().await.unwrap());
    let talkers: Arc<dyn Port> = Arc::new(ConnectSpec::new(&url, "bench-agents").connect().await.unwrap());
    let spec = bargain::Spec { seed: 0, seconds: 120, servers: Vec::new(), context: None };
    let standing = bargain::run(port, talkers, &gathering, &spec, std::future::pending::<()>()).await.unwrap();
    assert_eq!(standing.errors, Vec::<String>::new());
    assert_eq!(standing.agreements, meetings, "every one of them agrees");
    let a_second = meetings as f64 / standing.seconds;
    json!({
        "meetings": meetings, "agents": AGENTS, "at_once_each": at_once, "seconds": round(standing.seconds),
        "negotiations_per_s": round(a_second), "words_per_negotiation": round(words),
        "words_per_s": round(a_second * words), "words_refused": standing.refused,
        "without_a_bus_per_s": round(alone), "choices": choices, "weights_ppm": WEIGHTS_PPM, "rounds": rounds,
    })
}

fn round(figure: f64) -> f64 {
    (figure * 10.0).round() / 10.0
}

fn main() {
    let args: Vec<String> = std::env::args().collect();
    let number = |name: &str, otherwise: u32| {
        let at = args.iter().position(|arg| arg == name);
        at.and_then(|at| args.get(at + 1)).and_then(|text| text.parse().ok()).unwrap_or(otherwise)
    };
    let bus = Bus::start(&[]);
    let (meetings, at_once) = (number("--meetings", 3_000) as usize, number("--at-once", 4) as usize);
    let (choices, rounds) = (number("--choices", CHOICES), number("--rounds", ROUNDS));
    let figures = runtime::run(measure(bus.url().to_owned(), meetings, at_once, choices, rounds)).unwrap();
    e2e::keep("negotiation", &figures);
    println!("{figures:#}");
}
