//! How many signed three-party deals a second go from open to committed, durably, with everything on this machine: a
//! bus as `hms up` runs it, and agents that sign every move.
//!
//! `cargo bench --workspace --bench deals [-- --deals N --in-flight N --sync-always | --cluster]`; `--cluster` has three
//! brokers on this machine keep every stream three times. Prints JSON, and writes the same to `target/bench/deals.json`: deals a second, how long one takes, and how many plain publishes a second the same
//! broker acknowledges in the same run, which is what the deals are measured against.

#![allow(clippy::unwrap_used, clippy::print_stdout, clippy::indexing_slicing)] // a bench that cannot go on has failed

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use e2e::{Bus, Cluster};
use futures::StreamExt;
use futures::stream::{self, FuturesUnordered};
use runtime::nats::ConnectSpec;
use runtime::port::{Followed, Port, Record, Start};
use schemas::deal::{Accept, Delivery, Moved, Open, Terms, Transfer};
use schemas::event::{DealEvent, Happening};
use schemas::ledger::{Declare, Declared, Limit};
use schemas::limit::MAX_BODY_BYTES;
use schemas::profile::Profile;
use schemas::signature::Signer;
use schemas::subject::{self, DealVerb};
use schemas::value::{Bounds, UnitCost, UnitValue, Valuation};
use schemas::{AgentId, DealId, Good, Hash, MoveId, Quantity, Rational, decode, encode, stream as streams};
use serde_json::{Value, json};
use swarm::resident::register;
use swarm::voice::{self, Voice};

/// As in `hms`, which runs agents like these.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const PARTIES: usize = 3;
const AGENTS: usize = 99;
const ANSWER_MS: u64 = 20_000;
const HOUR_MS: i64 = 60 * 60 * 1000;

struct Load {
    port: Arc<dyn Port>,
    agents: Vec<Voice>,
    goods: Vec<Good>,
    opener: Voice,
}

impl Load {
    async fn gather(port: Arc<dyn Port>) -> Self {
        let account = voice::account(port.as_ref()).await.unwrap();
        let voice = |name: &str| {
            let id = AgentId::parse(name).unwrap();
            let signer = Signer::from_seed(&nkeys::KeyPair::new_user().seed().unwrap(), account.clone(), name).unwrap();
            Voice::new(id, signer)
        };
        let agents: Vec<Voice> = (0..AGENTS).map(|number| voice(&format!("agent-{number}"))).collect();
        let goods = (0..AGENTS).map(|number| Good::parse(&format!("good-{number}")).unwrap()).collect();
        let load = Self { opener: voice("opener"), port, agents, goods };
        stream::iter(0..=AGENTS).for_each_concurrent(16, |number| load.register(number)).await;
        load
    }

    async fn register(&self, number: usize) {
        let voice = self.agents.get(number).unwrap_or(&self.opener);
        register(self.port.as_ref(), voice, HOUR_MS).await.unwrap();
        let Some(good) = self.goods.get(number) else { return };
        let declare = Declare {
            move_id: MoveId::parse("declare").unwrap(),
            deadline_unix_ms: self.port.now_unix_ms() + HOUR_MS,
            book: "bench".parse().unwrap(),
            limits: vec![Limit { good: good.clone(), quantity: i64::MAX / 2 }],
        };
        let _: Declared = self.say(voice, subject::endpoint("ledger", "declare"), &declare).await;
    }

    async fn say<Q: schemas::Message, R: schemas::Message>(&self, voice: &Voice, to: String, said: &Q) -> R {
        let message = voice.say(to, said, self.port.now_unix_ms()).unwrap();
        voice::ask(self.port.as_ref(), message, ANSWER_MS).await.unwrap()
    }

    /// Opens a deal, and has every party accept it at once. Gives when each was asked and answered.
    async fn deal(&self, number: usize) -> (DealId, Steps) {
        let ring: Vec<usize> = (0..PARTIES).map(|step| (number * PARTIES + step) % AGENTS).collect();
        let mut parties: Vec<AgentId> = ring.iter().map(|at| self.agents[*at].agent().clone()).collect();
        let deadline_unix_ms = self.port.now_unix_ms() + HOUR_MS;
        let transfer = |step: usize| {
            let (from, to) = (ring[step], ring[(step + 1) % PARTIES]);
            Transfer {
                from: self.agents[from].agent().clone(),
                to: self.agents[to].agent().clone(),
                good: self.goods[from].clone(),
                quantity: Quantity::new(5).unwrap(),
                due_unix_ms: deadline_unix_ms,
                intent: None,
            }
        };
        let transfers = (0..PARTIES).map(transfer).collect();
        parties.sort();
        let terms = encode(&Terms {
            book: "bench".parse().unwrap(),
            parties: parties.clone(),
            transfers,
            delivery: Delivery::Immediate,
            expires_unix_ms: deadline_unix_ms,
            award: None,
        });
        let terms_hash = Hash::of(&terms);
        let move_id = MoveId::parse(&format!("open-{number}")).unwrap();
        let deal = DealId::of(self.opener.agent(), &move_id);
        let open = Open {
            move_id,
            deadline_unix_ms,
            book: "bench".parse().unwrap(),
            profile: Profile::Ring,
            parties,
            expires_unix_ms: deadline_unix_ms,
            terms: Some(terms),
            requires: Vec::new(),
            rules: None,
        };
        let asked = Instant::now();
        let to = subject::deal_move(DealVerb::Open, self.opener.agent(), &deal);
        let _: Moved = self.say(&self.opener, to, &open).await;
        let opened = Instant::now();
        let accepting = ring.iter().enumerate().map(|(step, at)| {
            let (voice, deal) = (&self.agents[*at], &deal);
            let received = &self.goods[ring[(step + PARTIES - 1) % PARTIES]];
            let valuation = Valuation {
                values: vec![UnitValue { good: received.clone(), value: Some(bounds(90, 110)), dimensions: None }],
                costs: vec![UnitCost { good: self.goods[*at].clone(), cost: bounds(40, 50) }],
                margin_ppm: 10_000,
                ..Valuation::default()
            };
            async move {
                let move_id = MoveId::parse(&format!("accept-{deal}")).unwrap();
                let accept = Accept {
                    move_id,
                    deadline_unix_ms,
                    deal: deal.clone(),
                    terms_hash,
                    valuation,
                    holdings: Vec::new(),
                    transcript: None,
                };
                let to = subject::deal_move(DealVerb::Accept, voice.agent(), deal);
                let _: Moved = self.say(voice, to, &accept).await;
            }
        });
        accepting.collect::<FuturesUnordered<_>>().collect::<Vec<()>>().await;
        (deal, Steps { asked, opened, agreed: Instant::now() })
    }
}

/// The stations of a deal, as its parties saw them.
struct Steps {
    asked: Instant,
    opened: Instant,
    agreed: Instant,
}

fn bounds(lo: i64, hi: i64) -> Bounds {
    Bounds { lo: Rational::whole(lo), hi: Rational::whole(hi) }
}

/// Acknowledged publishes a second of a body as large as an event, so many in flight, one subject each.
async fn plain_publishes(port: &dyn Port, count: usize, in_flight: usize, replicas: u8) -> f64 {
    let spec = json!({
        "name": "BENCH", "subjects": ["bench.plain.*"], "storage": "file", "discard": "new", "num_replicas": replicas,
    });
    port.ensure_stream(&spec).await.unwrap();
    let begun = Instant::now();
    let publish = |number: usize| async move {
        port.append("BENCH", vec![Record::new(format!("bench.plain.{number}"), vec![0_u8; 1_500])]).await.unwrap();
    };
    stream::iter(0..count).for_each_concurrent(in_flight, publish).await;
    count as f64 / begun.elapsed().as_secs_f64()
}

async fn measure(url: String, replicas: u8, deals: usize, in_flight: usize) -> Value {
    let port: Arc<dyn Port> = Arc::new(ConnectSpec::new(&url, "bench").connect().await.unwrap());
    let baseline = plain_publishes(port.as_ref(), 20_000, 256, replicas).await;
    let load = Load::gather(port.clone()).await;
    let mut log = port.follow(streams::DEALS, &[subject::all_deal_logs()], Start::New).await.unwrap();
    let begun = Instant::now();
    let committing = async {
        let (mut committed, mut at) = (0, Vec::new());
        while committed < deals {
            let Some(Followed::Entry(stored)) = log.next().await else { continue };
            let event: DealEvent = decode(&stored.body, MAX_BODY_BYTES).unwrap();
            if matches!(event.what, Happening::Committed { .. }) {
                committed += 1;
                at.push((event.deal, Instant::now()));
            }
        }
        at
    };
    let opening =
        stream::iter(0..deals).map(|number| load.deal(number)).buffer_unordered(in_flight).collect::<Vec<_>>();
    let (opened, committed) = runtime::join!(opening, committing);
    let seconds = begun.elapsed().as_secs_f64();
    let steps: HashMap<DealId, Steps> = opened.into_iter().collect();
    let of = |measure: &dyn Fn(&Steps, Instant) -> Duration| {
        let mut took: Vec<Duration> = committed.iter().map(|(deal, at)| measure(&steps[deal], *at)).collect();
        took.sort_unstable();
        let ms = |percent: usize| round(took[(took.len() - 1) * percent / 100].as_secs_f64() * 1000.0);
        json!({ "p50": ms(50), "p99": ms(99) })
    };
    let a_second = deals as f64 / seconds;
    json!({
        "deals": deals, "in_flight": in_flight, "seconds": round(seconds), "deals_per_s": round(a_second),
        "open_to_committed_ms": of(&|steps, at| at - steps.asked),
        "of_which_ms": {
            "opening": of(&|steps, _| steps.opened - steps.asked),
            "accepting": of(&|steps, _| steps.agreed - steps.opened),
            "committing": of(&|steps, at| at.saturating_duration_since(steps.agreed)),
        },
        "baseline_publishes_per_s": round(baseline), "publishes_per_deal": round(baseline / a_second),
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
    let has = |name: &str| args.iter().any(|arg| arg == name);
    let cluster = has("--cluster").then(Cluster::start);
    let urls = cluster.as_ref().map(Cluster::urls);
    let (name, sync, replicas, options) = match &urls {
        Some(urls) => ("deals-cluster", "lazy", 3, vec!["--nats", urls, "--replicas", "3"]),
        None if has("--sync-always") => ("deals-sync-always", "always", 1, vec!["--sync-always"]),
        None => ("deals", "lazy", 1, Vec::new()),
    };
    let bus = Bus::start(&options);
    let (deals, in_flight) = (number("--deals", 5_000), number("--in-flight", 256));
    let mut figures = runtime::run(measure(bus.url().to_owned(), replicas, deals, in_flight)).unwrap();
    figures["sync"] = sync.into();
    figures["replicas"] = replicas.into();
    e2e::keep(name, &figures);
    println!("{figures}");
}
