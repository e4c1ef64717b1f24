//! What a job is promised, on a real server and in memory, to one that waits and to one that computes.

use std::time::Instant;

use async_trait::async_trait;
use schemas::{
    body,
    core::{Call, Core},
};
use serde::{Deserialize, Serialize};

use super::*;
use crate::{
    broker::{Broker, BrokerSpec},
    memory::Memory,
    nats::ConnectSpec,
    port::RequestError,
    run,
    service::{Answer, EndpointSpec, Handler, Limits, Running, Service},
    simulate,
};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename = "test.dig")]
struct Dig {
    /// How deep to dig, in steps.
    depth: u64,
    #[serde(default)]
    cut: bool,
}

schemas::message!(Dig, "test.dig");

/// Digs a step in ten milliseconds, and tells of it.
struct Digger {
    port: Arc<dyn Port>,
}

#[async_trait]
impl Handler for Digger {
    async fn answer(&self, message: Message, call: Call) -> Result<Answer, ErrorReply> {
        let asked: Dig = body::decode(&message.body, 1_000)?;
        for depth in 0..asked.depth {
            if call.stop() {
                return Ok(Answer::of(&Dig { depth, cut: true }));
            }
            call.report(|| Dig { depth, cut: false });
            self.port.sleep_ms(10).await;
        }
        Ok(Answer::of(&Dig { depth: asked.depth, cut: false }))
    }
}

/// Computes, on a thread of its own, until it has counted far enough.
struct Counter;

impl Core for Counter {
    const SERVICE: &'static str = "dig";
    const VERB: &'static str = "count";
    type Request = Dig;
    type Reply = Dig;

    fn handle(&self, asked: Dig, call: &Call) -> Result<Dig, ErrorReply> {
        for depth in 0..asked.depth {
            if call.stop() {
                return Ok(Dig { depth, cut: true });
            }
            call.report(|| Dig { depth, cut: false });
        }
        Ok(Dig { depth: asked.depth, cut: false })
    }
}

async fn service(port: &Arc<dyn Port>) -> Running {
    let diggers = Arc::clone(port);
    Service::new("dig", "1.0.0")
        .core(Limits { own_threads: true, ..Limits::default() }, || Counter)
        .handler([EndpointSpec::new("dig", subject::endpoint("dig", "dig"))], Limits::default(), move || Digger {
            port: Arc::clone(&diggers),
        })
        .start(Arc::clone(port))
        .await
        .unwrap()
}

fn ask(verb: &str, depth: u64, job: Option<&str>) -> Message {
    let message = Message::new(subject::endpoint("dig", verb), body::encode(&Dig { depth, cut: false }));
    match job {
        Some(job) => message.with_header(header::JOB, job.to_owned()),
        None => message,
    }
}

async fn answered(port: &Arc<dyn Port>, message: Message) -> Dig {
    body::decode(&port.request(message, 20_000).await.unwrap().body, 1_000).unwrap()
}

async fn cancel(port: &Arc<dyn Port>, job: &str) {
    port.publish(Message::new(subject::job_cancel(&JobId::parse(job).unwrap()), "enough")).await.unwrap();
}

/// Every promise in turn. `verbs`: the ones of those who can be interrupted here.
async fn hold(port: Arc<dyn Port>, verbs: &[&str]) {
    let running = service(&port).await;
    for verb in verbs {
        progress_is_told(&port, verb).await;
        cancelled(&port, verb).await;
        overdue(&port, verb).await;
    }
    names_are_checked(&port).await;
    one_that_is_cancelled_as_it_comes(&port).await;
    assert!(running.drain(5_000).await);
    for verb in verbs {
        the_end_of_the_service(&port, verb).await;
    }
}

const LONG: u64 = u64::MAX;

async fn progress_is_told(port: &Arc<dyn Port>, verb: &str) {
    let job = format!("told-{verb}");
    let progress = subject::job_progress(&JobId::parse(&job).unwrap());
    let mut told = port.subscribe(&progress, None).await.unwrap();
    port.flush().await.unwrap();
    let begun = port.now_unix_ms();
    let digging = tokio::spawn({
        let (port, ask) = (Arc::clone(port), ask(verb, LONG, Some(&job)));
        async move { answered(&port, ask).await }
    });
    let mut depths = Vec::new();
    for _ in 0..4 {
        let report = told.next().await.unwrap();
        assert_eq!(report.headers.get(header::TYPE), Some("test.dig"));
        depths.push(body::decode::<Dig>(&report.body, 1_000).unwrap().depth);
    }
    assert!(depths.is_sorted() && depths[3] > depths[0], "{depths:?}");
    let took_ms = port.now_unix_ms() - begun;
    assert!(took_ms >= 3 * PROGRESS_EVERY_MS, "four reports in {took_ms} ms");
    cancel(port, &job).await;
    assert!(digging.await.unwrap().cut);
    // Whoever does not name its request is told nothing of it.
    assert_eq!(answered(port, ask(verb, 3, None)).await, Dig { depth: 3, cut: false });
}

async fn cancelled(port: &Arc<dyn Port>, verb: &str) {
    let digging = ["a", "b"].map(|job| {
        let (port, ask) = (Arc::clone(port), ask(verb, if job == "a" { LONG } else { 30 }, Some(job)));
        tokio::spawn(async move { answered(&port, ask).await })
    });
    port.sleep_ms(150).await;
    let told = port.now_unix_ms();
    cancel(port, "a").await;
    let [a, b] = digging;
    assert!(a.await.unwrap().cut);
    let took_ms = port.now_unix_ms() - told;
    assert!(took_ms < 1_000, "cancelled after {took_ms} ms");
    assert_eq!(b.await.unwrap(), Dig { depth: 30, cut: false }, "another job is let be");
}

async fn overdue(port: &Arc<dyn Port>, verb: &str) {
    let deadline = port.now_unix_ms() + 300;
    let message = ask(verb, LONG, Some("overdue")).with_header(header::DEADLINE, deadline.to_string());
    assert!(answered(port, message).await.cut);
    let late_ms = port.now_unix_ms() - deadline;
    assert!((0..1_000).contains(&late_ms), "answered {late_ms} ms after its deadline");
}

async fn names_are_checked(port: &Arc<dyn Port>) {
    for bad in ["", "a.b", "*", &"x".repeat(65)] {
        let refused = port.request(ask("dig", 1, Some(bad)), 5_000).await.unwrap_err();
        let RequestError::Refused { code: 400, reply, .. } = refused else { panic!("{bad:?}: {refused:?}") };
        let error: ErrorReply = body::decode(&reply.body, 10_000).unwrap();
        assert_eq!(error.field.as_deref(), Some(header::JOB), "{bad:?}");
    }
}

/// A cancellation may overtake its request between server and service; it counts all the same, and only once.
async fn one_that_is_cancelled_as_it_comes(port: &Arc<dyn Port>) {
    cancel(port, "early").await;
    port.flush().await.unwrap();
    port.sleep_ms(20).await;
    assert_eq!(answered(port, ask("dig", LONG, Some("early"))).await, Dig { depth: 0, cut: true });
    assert_eq!(answered(port, ask("dig", 2, Some("early"))).await, Dig { depth: 2, cut: false });
    cancel(port, "long-ago").await;
    port.flush().await.unwrap();
    port.sleep_ms(u64::try_from(REMEMBERED_MS).unwrap() + 20).await;
    assert_eq!(answered(port, ask("dig", 2, Some("long-ago"))).await, Dig { depth: 2, cut: false });
}

async fn the_end_of_the_service(port: &Arc<dyn Port>, verb: &str) {
    let running = service(port).await;
    let digging = tokio::spawn({
        let (port, ask) = (Arc::clone(port), ask(verb, LONG, Some("last")));
        async move { answered(&port, ask).await }
    });
    port.sleep_ms(150).await;
    assert!(running.drain(2_000).await);
    assert!(digging.await.unwrap().cut);
}

#[test]
fn a_job_is_watched_and_stopped_on_a_server() {
    let folder = tempfile::tempdir().unwrap();
    let broker = Broker::start(BrokerSpec::new(folder.path())).unwrap();
    run(async {
        let port = ConnectSpec::new(broker.url(), "tests").connect().await.unwrap();
        hold(Arc::new(port), &["dig", "count"]).await;
    })
    .unwrap();
}

#[test]
fn and_in_memory() {
    run(async { hold(Arc::new(Memory::new(1_795_334_400_000)), &["dig", "count"]).await }).unwrap();
}

#[test]
fn and_on_a_clock_that_jumps_for_one_that_waits() {
    let begun = Instant::now();
    simulate(async { hold(Arc::new(Memory::new(1_795_334_400_000)), &["dig"]).await }).unwrap();
    assert!(begun.elapsed().as_secs() < 3, "{:?}", begun.elapsed());
}
