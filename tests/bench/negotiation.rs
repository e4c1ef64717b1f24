//! How many negotiations a second agents in Rust hold over the bus, each opened with the desk, talked over from party to
//! party, and signed by both with the transcript's head; everything on this machine, on a bus as `hms up` runs it.
//!
//! `cargo bench -p e2e --bench negotiation [-- --meetings N --at-once N]`. Prints JSON, and writes the same to
//! `target/bench/negotiation.json`: negotiations and words a second over the bus, and the same negotiations in this
//! process without a bus, which is what they are measured against.

#![allow(clippy::unwrap_used, clippy::print_stdout, clippy::indexing_slicing)] // a bench that cannot go on has failed

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Instant;

use negotiation::{Preferences, Ranking, Space, Utility, negotiate};
use runtime::nats::ConnectSpec;
use runtime::port::Port;
use schemas::deal::Delivery;
use schemas::negotiation::{Alternating, Domain, Issue, Pattern, ReadRules, Rules};
use schemas::{AgentId, DealId, Hash, MoveId, Quantity, encode};
use serde_json::{Value, json};
use swarm::bargain::{self, Gathering, Manner, Meeting, Seat};

const AGENTS: usize = 64;
const CHOICES: u32 = 10;
const ISSUES: usize = 3;
/// Two who concede late meet after about 44 words.
const ROUNDS: u32 = 26;
const WITHIN_MS: i64 = 120_000;

/// `hms up` in a folder of its own.
struct Bus {
    up: Child,
    url: String,
    _folder: tempfile::TempDir,
}

impl Bus {
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut command = Command::new(e2e::root().join("target/release/hms"));
        command.current_dir(folder.path()).args(["up", "--port", "0", "--monitor-port", "0", "--json", "--no-maker"]);
        let mut up = command.env("HMS_LOG", "error").stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(up.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let told: Value = serde_json::from_str(&line).unwrap();
        Self { up, url: told["url"].as_str().unwrap().to_owned(), _folder: folder }
    }
}

impl Drop for Bus {
    fn drop(&mut self) {
        let _ = Command::new("kill").arg(self.up.id().to_string()).status();
        let _ = self.up.wait();
    }
}

fn domain() -> Domain {
    let issue = |at: usize| Issue {
        name: format!("issue-{at}").parse().unwrap(),
        least: 1,
        step: Quantity::ONE,
        count: CHOICES,
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
        issues: (0..ISSUES).map(issue).collect(),
        transfers: vec![pattern(0, 1, "tea"), pattern(1, 0, "rice")],
        delivery: Delivery::Immediate,
    }
}

/// What one wants the other does not: they meet in the middle, late.
fn wishes(rising: bool) -> Preferences {
    let worth = |choice: u32| i64::from(if rising { choice } else { CHOICES - 1 - choice }) * 1_000_000 / 9;
    let worths: Vec<i64> = (0..CHOICES).map(worth).collect();
    let weights = [500_000, 300_000, 200_000];
    let utility = Utility::Additive(weights.into_iter().map(|weight| (weight, worths.clone())).collect());
    Preferences { utility, reserved_ppm: 0 }
}

fn gathering(meetings: usize, at_once: usize) -> Gathering {
    let names: Vec<AgentId> = (0..AGENTS).map(|at| format!("party-{at}").parse().unwrap()).collect();
    let meeting = |number: usize| {
        let pair = [number % AGENTS, (number + 1 + number / AGENTS % (AGENTS - 1)) % AGENTS];
        let seat = |(at, rising): (usize, bool)| Seat {
            agent: names[at].clone(),
            preferences: wishes(rising),
            manner: Manner::Boulware,
            seed: 0,
        };
        let move_id = MoveId::parse(&format!("meeting-{number}")).unwrap();
        Arc::new(Meeting {
            deal: DealId::of(&names[pair[0]], &move_id),
            move_id,
            book: "bench".parse().unwrap(),
            domain: domain(),
            space: Space::of(&domain()).unwrap(),
            rounds: ROUNDS,
            within_ms: WITHIN_MS,
            seats: pair.into_iter().zip([true, false]).map(seat).collect(),
        })
    };
    let seed = || nkeys::KeyPair::new_user().seed().unwrap();
    let agents = names.iter().map(|name| (name.clone(), seed())).collect();
    Gathering { agents, meetings: (0..meetings).map(meeting).collect(), at_once }
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
            (seat.agent.clone(), seat.preferences.clone(), ranking, seat.manner.strategy(seat.seed))
        };
        let talk = negotiate(&meeting.deal, &rules, meeting.seats.iter().map(seat).collect()).unwrap();
        assert!(talk.agreed().is_some());
        words += talk.transcript().length;
    }
    (count as f64 / begun.elapsed().as_secs_f64(), f64::from(words) / count as f64)
}

async fn measure(url: String, meetings: usize, at_once: usize) -> Value {
    let gathering = gathering(meetings, at_once);
    let (alone, words) = without_a_bus(&gathering, meetings.min(200));
    let port: Arc<dyn Port> = Arc::new(ConnectSpec::new(&url, "bench").connect().await.unwrap());
    let talkers: Arc<dyn Port> = Arc::new(ConnectSpec::new(&url, "bench-agents").connect().await.unwrap());
    let standing = bargain::run(port, talkers, &gathering, 0, 120, std::future::pending::<()>()).await.unwrap();
    assert_eq!(standing.errors, Vec::<String>::new());
    assert_eq!(standing.agreements, meetings, "every one of them agrees");
    let a_second = meetings as f64 / standing.seconds;
    json!({
        "meetings": meetings, "agents": AGENTS, "at_once_each": at_once, "seconds": round(standing.seconds),
        "negotiations_per_s": round(a_second), "words_per_negotiation": round(words),
        "words_per_s": round(a_second * words), "words_refused": standing.refused,
        "without_a_bus_per_s": round(alone),
    })
}

fn round(figure: f64) -> f64 {
    (figure * 10.0).round() / 10.0
}

fn main() {
    let args: Vec<String> = std::env::args().collect();
    let number = |name: &str, otherwise: usize| {
        let at = args.iter().position(|arg| arg == name);
        at.and_then(|at| args.get(at + 1)).and_then(|text| text.parse().ok()).unwrap_or(otherwise)
    };
    let bus = Bus::start();
    let (meetings, at_once) = (number("--meetings", 3_000), number("--at-once", 4));
    let figures = runtime::run(measure(bus.url.clone(), meetings, at_once)).unwrap();
    e2e::keep("negotiation", &figures);
    println!("{figures:#}");
}
