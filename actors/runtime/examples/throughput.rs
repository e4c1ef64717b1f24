//! How many requests a second a core answers through this crate, against a bare loop on the client library.
//!
//! `cargo run --release -p runtime --example throughput` starts a broker of its own, and for each number of requests
//! in flight measures three responders with one and the same requester: a bare `async-nats` loop, a core behind
//! [`runtime::service`], and a handler behind it.

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
    let mut requests = bare.queue_subscribe("bench.bare", "bench".to_owned()).await.expect("a subscription");
    runtime::spawn(async move {
        while let Some(request) = requests.next().await {
            if let Some(reply) = request.reply {
                bare.publish(reply, request.payload).await.expect("a reply");
            }
        }
    });
    let port: Arc<dyn Port> = Arc::new(ConnectSpec::new(&url, "bench").connect().await.expect("a connection"));
    let limits = || Limits { admission: 4_096, ..Limits::default() };
    let service = Service::new("bench", "1.0.0")
        .core(limits(), || Parrot)
        .handler([EndpointSpec::new("handler", "bench.handler")], limits(), || Parrot);
    let running = service.start(port).await.expect("a service");
    let core = subject::endpoint("bench", "echo");
    println!("{:>9} {:>12} {:>12} {:>12} {:>8}", "in flight", "bare", "core", "handler", "ratio");
    for in_flight in [1, 64, 512] {
        let mut best = [0_u64; 3];
        for _ in 0..3 {
            for (best, to) in best.iter_mut().zip(["bench.bare", core.as_str(), "bench.handler"]) {
                *best = measure(&asker, to, in_flight).await.max(*best);
            }
        }
        let [bare, core, handler] = best;
        println!("{in_flight:>9} {bare:>12} {core:>12} {handler:>12} {:>8.2}", core as f64 / bare as f64);
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
