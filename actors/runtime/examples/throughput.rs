//! How many requests a second a core answers through this crate, against a bare loop on the client library.
//!
//! `cargo run --release -p runtime --example throughput` starts a broker of its own, and for each number of requests
//! in flight measures four responders with one and the same requester: a bare `async-nats` loop that sends back what it
//! got, one that reads and writes the body as the contract says, a core behind [`runtime::service`], and a handler
//! behind it. The core does the work of the second, the handler that of the first.

#![allow(clippy::print_stdout, clippy::expect_used)]

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use async_trait::async_trait;
use futures::{StreamExt, future::join_all};
use runtime::{
    broker::{Broker, BrokerSpec},
    nats::ConnectSpec,
    port::{Message, Port},
    service::{Answer, EndpointSpec, Handler, Limits, Service},
};
use schemas::{
    ErrorReply, body,
    core::{Call, Core},
    header::Headers,
    subject,
};
use serde::{Deserialize, Serialize};

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

#[async_trait]
impl Handler for Parrot {
    async fn answer(&self, message: Message, _: Call) -> Result<Answer, ErrorReply> {
        Ok(Answer::new(Headers::new(), message.body))
    }
}

/// Requests a second over a few seconds, with so many in flight.
async fn measure(client: &async_nats::Client, to: &str, in_flight: usize) -> u64 {
    let request = body::encode(&Echo { text: "x".repeat(100) });
    let (done, begun) = (AtomicU64::new(0), Instant::now());
    let limit = Duration::from_secs(3);
    join_all((0..in_flight).map(|_| async {
        while begun.elapsed() < limit {
            let reply = client.request(to.to_owned(), request.clone().into()).await.expect("an answer");
            assert!(reply.headers.is_none_or(|headers| headers.get("Nats-Service-Error").is_none()), "a good one");
            done.fetch_add(1, Relaxed);
        }
    }))
    .await;
    let per_second = done.load(Relaxed) as f64 / begun.elapsed().as_secs_f64();
    per_second as u64
}

async fn run(url: String) {
    let asker = async_nats::connect(&url).await.expect("a connection");
    let bare = async_nats::connect(&url).await.expect("a connection");
    for codec in [false, true] {
        let (bare, to) = (bare.clone(), if codec { "bench.codec" } else { "bench.bare" });
        let mut requests = bare.queue_subscribe(to, "bench".to_owned()).await.expect("a subscription");
        runtime::spawn(async move {
            while let Some(request) = requests.next().await {
                let Some(reply) = request.reply else { continue };
                let sent = if codec {
                    let echo: Echo = body::decode(&request.payload, 1_000_000).expect("an echo");
                    let mut headers = async_nats::HeaderMap::new();
                    for (name, value) in Headers::of_type("bench.echo").iter() {
                        headers.insert(name, value);
                    }
                    bare.publish_with_headers(reply, headers, body::encode(&echo).into()).await
                } else {
                    bare.publish(reply, request.payload).await
                };
                sent.expect("a reply");
            }
        });
    }
    let port: Arc<dyn Port> = Arc::new(ConnectSpec::new(&url, "bench").connect().await.expect("a connection"));
    let limits = || Limits { admission: 4_096, ..Limits::default() };
    let service = Service::new("bench", "1.0.0").core(limits(), || Parrot).handler(
        [EndpointSpec::new("handler", "bench.handler")],
        limits(),
        || Parrot,
    );
    let running = service.start(port).await.expect("a service");
    let core = subject::endpoint("bench", "echo");
    println!("in flight      bare     codec      core   handler  core/codec  handler/bare");
    for in_flight in [1, 64, 512] {
        let mut best = [0_u64; 4];
        for _ in 0..3 {
            for (best, to) in best.iter_mut().zip(["bench.bare", "bench.codec", core.as_str(), "bench.handler"]) {
                *best = measure(&asker, to, in_flight).await.max(*best);
            }
        }
        let [bare, codec, core, handler] = best;
        let (of_codec, of_bare) = (core as f64 / codec as f64, handler as f64 / bare as f64);
        println!("{in_flight:>9} {bare:>9} {codec:>9} {core:>9} {handler:>9} {of_codec:>11.2} {of_bare:>13.2}");
    }
    running.drain(5_000).await;
}

fn main() {
    let folder = std::env::temp_dir().join(format!("throughput-{}", std::process::id()));
    let broker = Broker::start(BrokerSpec::new(&folder)).expect("a broker");
    runtime::run(run(broker.url())).expect("a runtime");
    drop(broker);
    std::fs::remove_dir_all(folder).expect("a folder to remove");
}
