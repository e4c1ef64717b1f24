//! Agents in Rust, a hundred thousand in one process: how soon they are here, what they take, and how soon they answer.
//!
//! `cargo bench -p e2e --bench agents [-- --agents N[,N…]] [--apart]`. For each number of agents there is a bus of its own,
//! as `hms up` runs it, and a process of its own that hosts them: each is registered with a key of its own and answers at a
//! topic of its own, all on one subscription, or with `--apart` each on its own. Each is asked once. Then agents that are
//! drawn by lot are asked, so many a second, for a few seconds by turns at each bus, so that a slow minute strikes all alike;
//! what is told is the median over the turns. Memory is resident memory (VmRSS), in millions of bytes.
//!
//! Prints JSON, and writes the same to `target/bench/agents.json`. Ends with 1 where a host takes more than a gigabyte, p99
//! at the highest number is more than one and a half times that at the lowest, or an agent does not answer.

#![allow(clippy::unwrap_used, clippy::print_stdout, clippy::indexing_slicing)] // a bench that cannot go on has failed

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, ExitCode, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use e2e::Bus;
use futures::stream::{self, StreamExt};
use runtime::dice::Dice;
use runtime::nats::ConnectSpec;
use runtime::peer::{Host, Outbox, Peer, PeerEvent};
use runtime::port::{Message, Port};
use runtime::service::Answer;
use runtime::{task, time};
use schemas::header::Headers;
use schemas::limit::MAX_BODY_BYTES;
use schemas::signature::Signer;
use schemas::{AgentId, body, subject};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use swarm::resident::{Newcomer, settle};
use swarm::voice::{self, Voice};

/// As in `hms`, which runs agents like these.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const AGENTS: [usize; 3] = [1_000, 10_000, 100_000];
const MOST_MB: f64 = 1_000.0;
const MOST_RATIO: f64 = 1.5;
const THREADS: usize = 2;
const LEASE_MS: i64 = 60 * 60 * 1000;
const ANSWER_MS: u64 = 5_000;
/// Questions under way when each is asked once.
const AT_ONCE: usize = 64;
const ASKED_A_SECOND: u32 = 500;
const TURNS: usize = 7;
const TURN: Duration = Duration::from_secs(4);

#[derive(Serialize, Deserialize, PartialEq)]
#[serde(tag = "type", rename = "bench.said")]
struct Said {
    agent: String,
    number: u64,
}

schemas::message!(Said, "bench.said");

fn name(number: u64) -> AgentId {
    AgentId::parse(&format!("agent-{number}")).unwrap()
}

/// Where an agent is asked.
fn place(agent: &str) -> String {
    subject::topic(&format!("bench.{agent}")).unwrap()
}

/// Answers with what was said, and who says so.
struct Echo(AgentId);

impl Peer for Echo {
    fn on(&mut self, event: PeerEvent, _: i64, out: &mut Outbox) {
        match event {
            PeerEvent::Started => out.subscribe(place(self.0.as_str())),
            PeerEvent::Message(question) => {
                let said = body::decode::<Said>(&question.body, MAX_BODY_BYTES);
                let answer = said.map(|said| Answer::of(&Said { agent: self.0.to_string(), ..said }));
                out.answer(&question, answer.map_err(Into::into));
            }
            _ => {}
        }
    }
}

/// Hosts agents, says when all are here, and ends with its standard input.
async fn host(url: &str, agents: u64, apart: bool) {
    let port: Arc<dyn Port> = Arc::new(ConnectSpec::new(url, "bench-host").connect().await.unwrap());
    let account = voice::account(port.as_ref()).await.unwrap();
    let host = Host::new(port.clone(), THREADS).unwrap();
    if !apart {
        host.share(&subject::all_topics("bench.*").unwrap()).await.unwrap();
    }
    let newcomers = (0..agents).map(|number| {
        let agent = name(number);
        let seed = nkeys::KeyPair::new_user().seed().unwrap();
        let signer = Signer::from_seed(&seed, account.clone(), agent.as_str()).unwrap();
        let subjects = vec![place(agent.as_str())];
        Newcomer { voice: Voice::new(agent.clone(), signer), subjects, peer: Echo(agent) }
    });
    let here = settle(&host, newcomers, LEASE_MS).await.unwrap();
    port.flush().await.unwrap();
    println!("{}", here.len());
    task::spawn_blocking(|| std::io::stdin().read_to_end(&mut Vec::new())).await.unwrap().unwrap();
}

/// A bus, the process that hosts agents on it, and whoever asks them.
struct Stage {
    agents: u64,
    join_s: f64,
    host: Child,
    port: Arc<dyn Port>,
    bus: Bus,
    asked: u64,
    unanswered: u64,
    p50_ms: Vec<f64>,
    p99_ms: Vec<f64>,
}

impl Stage {
    async fn start(agents: usize, apart: bool) -> Self {
        let bus = Bus::start(&["--provers", "0"]);
        let begun = Instant::now();
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--host", &agents.to_string(), "--at", bus.url()]).args(apart.then_some("--apart"));
        let mut host = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(host.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert_eq!(line.trim(), agents.to_string(), "not all are here");
        let join_s = begun.elapsed().as_secs_f64();
        let port: Arc<dyn Port> = Arc::new(ConnectSpec::new(bus.url(), "bench").connect().await.unwrap());
        let agents = u64::try_from(agents).unwrap();
        Self { agents, join_s, host, port, bus, asked: 0, unanswered: 0, p50_ms: Vec::new(), p99_ms: Vec::new() }
    }

    /// Asks each once.
    async fn ask_all(&mut self) {
        let answers = stream::iter(0..self.agents).map(|number| ask(Arc::clone(&self.port), number));
        let answers: Vec<Option<f64>> = answers.buffer_unordered(AT_ONCE).collect().await;
        self.count(&answers);
    }

    /// Asks at an even pace, whatever the answers.
    async fn take_a_turn(&mut self, turn: u64) {
        let mut dice = Dice::of(&[self.agents, turn]);
        let mut pace = time::interval(Duration::from_secs(1) / ASKED_A_SECOND);
        let mut asked = Vec::new();
        let begun = Instant::now();
        while begun.elapsed() < TURN {
            pace.tick().await;
            asked.push(task::spawn(ask(Arc::clone(&self.port), dice.below(self.agents))));
        }
        let answers: Vec<Option<f64>> = stream::iter(asked).then(|one| async { one.await.unwrap() }).collect().await;
        self.count(&answers);
        let mut took_ms: Vec<f64> = answers.into_iter().flatten().collect();
        took_ms.sort_by(f64::total_cmp);
        if !took_ms.is_empty() {
            self.p50_ms.push(took_ms[took_ms.len() / 2]);
            self.p99_ms.push(took_ms[took_ms.len() * 99 / 100]);
        }
    }

    fn count(&mut self, answers: &[Option<f64>]) {
        self.asked += answers.len() as u64;
        self.unanswered += answers.iter().filter(|answer| answer.is_none()).count() as u64;
    }

    fn host_mb(&self) -> f64 {
        resident_mb(self.host.id())
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        drop(self.host.stdin.take());
        let _ = self.host.wait();
    }
}

/// How long an agent took to answer, in milliseconds, if it did, and as itself.
async fn ask(port: Arc<dyn Port>, number: u64) -> Option<f64> {
    let agent = name(number).to_string();
    let question = body::encode(&Said { agent: String::new(), number });
    let question = Message::new(place(&agent), question).with_headers(Headers::of_type("bench.said"));
    let asked = Instant::now();
    let answer = port.request(question, ANSWER_MS).await.ok()?;
    let took_ms = asked.elapsed().as_secs_f64() * 1_000.0;
    (body::decode::<Said>(&answer.body, MAX_BODY_BYTES) == Ok(Said { agent, number })).then_some(took_ms)
}

fn resident_mb(process: u32) -> f64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS")).unwrap();
    let kib: f64 = line.split_whitespace().nth(1).unwrap().parse().unwrap();
    kib * 1.024 / 1_000.0
}

fn median(figures: &[f64]) -> f64 {
    let mut figures = figures.to_vec();
    figures.sort_by(f64::total_cmp);
    figures.get(figures.len() / 2).copied().unwrap_or(f64::NAN)
}

async fn measure(numbers: &[usize], apart: bool) -> (Value, bool) {
    let mut stages = Vec::new();
    let mut memory = Vec::new();
    for agents in numbers {
        let mut stage = Stage::start(*agents, apart).await;
        let joined_mb = stage.host_mb();
        stage.ask_all().await;
        let process = |key: &str| u32::try_from(stage.bus.told[key].as_u64().unwrap()).unwrap();
        let (broker, cores) = (process("broker_pid"), process("pid"));
        memory.push([joined_mb, stage.host_mb(), resident_mb(broker), resident_mb(cores)]);
        stages.push(stage);
    }
    for turn in 0..TURNS {
        for stage in &mut stages {
            stage.take_a_turn(turn as u64).await;
        }
    }
    let rows: Vec<Value> = stages
        .iter()
        .zip(&memory)
        .map(|(stage, [joined_mb, asked_mb, broker_mb, cores_mb])| {
            json!({
                "agents": stage.agents, "join_s": round(stage.join_s),
                "joined_a_second": (stage.agents as f64 / stage.join_s).round(),
                "host_mb_joined": round(*joined_mb), "host_mb_asked": round(*asked_mb),
                "host_kb_an_agent": round(asked_mb * 1_000.0 / stage.agents as f64),
                "broker_mb": round(*broker_mb), "cores_mb": round(*cores_mb),
                "asked": stage.asked, "unanswered": stage.unanswered,
                "p50_ms": thousandths(median(&stage.p50_ms)), "p99_ms": thousandths(median(&stage.p99_ms)),
            })
        })
        .collect();
    let p99_ms = |stage: Option<&Stage>| stage.map_or(f64::NAN, |stage| median(&stage.p99_ms));
    let ratio = p99_ms(stages.last()) / p99_ms(stages.first());
    let highest_mb = memory.iter().map(|[_, asked_mb, ..]| *asked_mb).fold(0.0, f64::max);
    let good = highest_mb < MOST_MB && ratio <= MOST_RATIO && stages.iter().all(|stage| stage.unanswered == 0);
    let figures = json!({
        "agents": rows, "one_subscription": !apart, "asked_a_second": ASKED_A_SECOND,
        "p99_ratio": thousandths(ratio), "most_p99_ratio": MOST_RATIO, "most_mb": MOST_MB,
    });
    (figures, good)
}

fn round(figure: f64) -> f64 {
    (figure * 10.0).round() / 10.0
}

fn thousandths(figure: f64) -> f64 {
    (figure * 1_000.0).round() / 1_000.0
}

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().collect();
    let after = |name: &str| args.iter().position(|arg| arg == name).and_then(|at| args.get(at + 1));
    let apart = args.iter().any(|arg| arg == "--apart");
    if let Some(agents) = after("--host") {
        runtime::run(host(after("--at").unwrap(), agents.parse().unwrap(), apart)).unwrap();
        return ExitCode::SUCCESS;
    }
    let numbers = after("--agents").map(|text| text.split(',').map(|number| number.parse().unwrap()).collect());
    let numbers: Vec<usize> = numbers.unwrap_or(AGENTS.to_vec());
    let (figures, good) = runtime::run(measure(&numbers, apart)).unwrap();
    e2e::keep("agents", &figures);
    println!("{figures:#}");
    if good { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
