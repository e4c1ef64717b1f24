//! How many requests a second a core answers through its actor, and how soon, against a bare loop on the client library.
//!
//! `cargo bench -p e2e --bench core` starts a broker of its own, and for each number of requests in flight measures
//! three responders with one and the same requester: a bare `async-nats` loop that sends back what it got, one that
//! reads and writes the body as a core does, and a core behind `runtime::service`. Prints a table and JSON, and
//! writes the JSON to `target/bench/core.json`. The ratios are of one run, responders by turns.

#![allow(clippy::unwrap_used, clippy::print_stdout, clippy::indexing_slicing)] // a bench that cannot go on has failed

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::StreamExt;
use futures::future::join_all;
use runtime::broker::{Broker, BrokerSpec};
use runtime::nats::ConnectSpec;
use runtime::port::Port;
use runtime::service::{Limits, Service};
use schemas::core::{Call, Core};
use schemas::{ErrorReply, body, subject};
use serde::{Deserialize, Serialize};
use serde_json::json;

/// As in the command that ships.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const ROUNDS: usize = 5;
const ROUND: Duration = Duration::from_secs(2);

#[derive(Serialize, Deserialize)]
#[serde(tag = "type", rename = "bench.echo")]
struct Echo {
    text: String,
}

schemas::message!(Echo, "bench.echo");

struct Parrot;

impl Core for Parrot {
    const SERVICE: &'static str = "bench";
    const VERB: &'static str = "echo";
    type Request = Echo;
    type Reply = Echo;

    fn handle(&self, request: Echo, _: &Call) -> Result<Echo, ErrorReply> {
        Ok(request)
    }
}

/// What one responder did in a round.
#[derive(Clone, Copy)]
struct Figure {
    per_second: f64,
    p50_us: f64,
}

/// Asks for a while, so many requests in flight.
async fn measure(client: &async_nats::Client, to: &str, in_flight: usize) -> Figure {
    let request = body::encode(&Echo { text: "x".repeat(100) });
    let begun = Instant::now();
    let took = join_all((0..in_flight).map(|_| async {
        let mut took = Vec::new();
        while begun.elapsed() < ROUND {
            let asked = Instant::now();
            let reply = client.request(to.to_owned(), request.clone().into()).await.unwrap();
            assert!(reply.headers.is_none_or(|headers| headers.get("Nats-Service-Error").is_none()));
            took.push(asked.elapsed());
        }
        took
    }))
    .await;
    let elapsed_s = begun.elapsed().as_secs_f64();
    let mut took: Vec<Duration> = took.into_iter().flatten().collect();
    took.sort_unstable();
    Figure { per_second: took.len() as f64 / elapsed_s, p50_us: took[took.len() / 2].as_secs_f64() * 1e6 }
}

/// A loop on the client library, with or without the contract's body.
async fn bare(client: async_nats::Client, to: &'static str, has_codec: bool) {
    let mut requests = client.queue_subscribe(to, "bench".to_owned()).await.unwrap();
    runtime::spawn(async move {
        while let Some(request) = requests.next().await {
            let Some(reply) = request.reply else { continue };
            if has_codec {
                let echo: Echo = body::decode(&request.payload, 1_000_000).unwrap();
                client.publish(reply, body::encode(&echo).into()).await.unwrap();
            } else {
                client.publish(reply, request.payload).await.unwrap();
            }
        }
    });
}

async fn run(url: String) -> serde_json::Value {
    let asker = async_nats::connect(&url).await.unwrap();
    bare(async_nats::connect(&url).await.unwrap(), "bench.bare", false).await;
    bare(async_nats::connect(&url).await.unwrap(), "bench.codec", true).await;
    let port: Arc<dyn Port> = Arc::new(ConnectSpec::new(&url, "bench").connect().await.unwrap());
    let limits = Limits { admission: 4_096, ..Limits::default() };
    let running = Service::new("bench", "1.0.0").core(limits, || Parrot).start(port).await.unwrap();
    let core = subject::endpoint("bench", "echo");
    println!("in flight  bare/s  codec/s  core/s  core/bare  core/codec  p50 core/bare");
    let mut rows = Vec::new();
    for in_flight in [1, 64, 512] {
        let mut figures = [const { Vec::new() }; 3];
        for _ in 0..ROUNDS {
            for (figures, to) in figures.iter_mut().zip(["bench.bare", "bench.codec", core.as_str()]) {
                figures.push(measure(&asker, to, in_flight).await);
            }
        }
        // The median round of each.
        let [bare, codec, core] = figures.map(|mut rounds: Vec<Figure>| {
            rounds.sort_by(|a, b| a.per_second.total_cmp(&b.per_second));
            rounds[ROUNDS / 2]
        });
        let (of_bare, of_codec) = (core.per_second / bare.per_second, core.per_second / codec.per_second);
        let p50 = core.p50_us / bare.p50_us;
        println!(
            "{in_flight:>9} {:>7.0} {:>8.0} {:>7.0} {of_bare:>10.2} {of_codec:>11.2} {p50:>14.2}",
            bare.per_second, codec.per_second, core.per_second
        );
        rows.push(json!({
            "in_flight": in_flight, "bare_per_s": bare.per_second.round(), "codec_per_s": codec.per_second.round(),
            "core_per_s": core.per_second.round(), "throughput_to_bare": hundredths(of_bare),
            "throughput_to_codec": hundredths(of_codec), "p50_to_bare": hundredths(p50),
            "bare_p50_us": bare.p50_us.round(), "core_p50_us": core.p50_us.round(),
        }));
    }
    running.drain(5_000).await;
    json!({ "core": rows })
}

fn hundredths(ratio: f64) -> f64 {
    (ratio * 100.0).round() / 100.0
}

fn main() {
    let folder = tempfile::tempdir().unwrap();
    let broker = Broker::start(BrokerSpec::new(folder.path())).unwrap();
    let figures = runtime::run(run(broker.url())).unwrap();
    drop(broker);
    e2e::keep("core", &figures);
    println!("{figures}");
}
