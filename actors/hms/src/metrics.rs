//! What Prometheus scrapes of a node, and whether it is alive and ready: `--metrics ADDR`.
//!
//! | page | what |
//! |---|---|
//! | `/metrics` | the meters of the services here, the connection, and where the deals of the bus stand |
//! | `/healthz` | 200 while the process answers |
//! | `/readyz` | 200 while the broker is connected and its log of deals can be read, else 503 with the reason |
//!
//! Where deals stand is a matter of the bus, and each node that is asked for metrics tells it: take one of them
//! (`max by (state)`). What a node follows for that is one consumer; all else is counted here or asked at the scrape.

use std::{
    collections::BTreeMap,
    fmt, io,
    sync::{Arc, Mutex, PoisonError},
};

use futures::{FutureExt, StreamExt};
use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeMetric, text},
    metrics::{MetricType, counter::ConstCounter, gauge::ConstGauge},
    registry::Registry,
};
use runtime::{
    http::{self, Page, Serving},
    port::{Followed, Port, Start},
    service::{Meters, encode_link},
};
use schemas::{event::DealEvent, limit::MAX_CLEARING_BODY_BYTES, profile::State, stream, subject};

use crate::{
    exit::{Exit, OrExit, Outcome},
    standing::Deals,
};

/// What the format is called (OpenMetrics).
const FORMAT: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// What is known of the bus between two scrapes.
#[derive(Debug, Default)]
struct Bus {
    deals: Deals,
    /// What happened to deals since this node began to follow, by the event's name.
    events: BTreeMap<&'static str, u64>,
    /// Whether all that had happened before is counted in `deals`.
    is_caught_up: bool,
}

/// Serves the pages at an address such as `127.0.0.1:9464`, for as long as the result lives.
///
/// # Errors
/// When nobody can listen there.
async fn serve(address: &str, port: Arc<dyn Port>, meters: Meters) -> io::Result<Serving> {
    let bus = Arc::new(Mutex::new(Bus::default()));
    runtime::spawn(follow(port.clone(), Arc::downgrade(&bus)));
    let pages: http::Pages = Arc::new(move |asked: http::Asked| {
        let (port, meters, bus) = (port.clone(), meters.clone(), bus.clone());
        async move {
            match asked.path.as_str() {
                "/metrics" => Some(scrape(&port, meters, bus).await),
                "/healthz" => Some(Page::text(200, "alive\n")),
                "/readyz" => Some(ready(&port).await),
                _ => None,
            }
        }
        .boxed()
    });
    let serving = http::serve(address, pages).await?;
    tracing::info!(address = %serving.address(), "metrics are served");
    Ok(serving)
}

/// The same, where an address was given.
///
/// # Errors
/// When nobody can listen there.
pub async fn serve_at(address: Option<&str>, port: &Arc<dyn Port>, meters: &Meters) -> Outcome<Option<Serving>> {
    let Some(address) = address else { return Ok(None) };
    let serving = serve(address, port.clone(), meters.clone()).await;
    serving.map(Some).or_exit(Exit::Bad).map_err(|stop| stop.while_doing(format_args!("serving metrics at {address}")))
}

async fn ready(port: &Arc<dyn Port>) -> Page {
    if !port.link().connected {
        return Page::text(503, "the broker is not connected\n");
    }
    match port.stream_state(stream::DEALS).await {
        Ok(_) => Page::text(200, "ready\n"),
        Err(error) => Page::text(503, format!("{error}\n")),
    }
}

/// Counts what happens to deals until nobody serves it any more.
async fn follow(port: Arc<dyn Port>, bus: std::sync::Weak<Mutex<Bus>>) {
    let mut log = loop {
        match port.follow(stream::DEALS, &[subject::all_deal_logs()], Start::LastPerSubject).await {
            Ok(log) => break log,
            Err(error) => tracing::warn!(%error, "the log of deals can't be followed for metrics yet"),
        }
        port.sleep_ms(5_000).await;
    };
    while let Some(followed) = log.next().await {
        let Some(bus) = bus.upgrade() else { return };
        let mut bus = bus.lock().unwrap_or_else(PoisonError::into_inner);
        match followed {
            Followed::CaughtUp => bus.is_caught_up = true,
            Followed::Entry(stored) => {
                let Ok(event) = schemas::decode::<DealEvent>(&stored.body, MAX_CLEARING_BODY_BYTES) else { continue };
                bus.deals.heard(&event);
                if bus.is_caught_up {
                    *bus.events.entry(event.what.name()).or_default() += 1;
                }
            }
        }
    }
}

async fn scrape(port: &Arc<dyn Port>, meters: Meters, bus: Arc<Mutex<Bus>>) -> Page {
    let is_connected = port.link().connected;
    let messages = |stream: String| async move {
        // A broker that is away is not waited for.
        if is_connected { port.stream_state(&stream).await.ok().map(|state| state.messages) } else { None }
    };
    let letters = messages(stream::DLQ.to_owned());
    let agents = messages(stream::of_bucket(stream::AGENTS));
    let (dead_letters, agents) = futures::future::join(letters, agents).await;
    let asked = Asked { dead_letters, agents, now_unix_ms: port.now_unix_ms() };
    let mut registry = Registry::default();
    registry.register_collector(Box::new(meters));
    registry.register_collector(Box::new(Link(port.link())));
    registry.register_collector(Box::new(Seen { bus, asked }));
    let mut body = String::new();
    match text::encode(&mut body, &registry) {
        Ok(()) => Page::found(FORMAT, body),
        Err(error) => Page::text(500, format!("{error}\n")),
    }
}

#[derive(Debug)]
struct Link(runtime::port::Link);

impl Collector for Link {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        encode_link(self.0, &mut encoder)
    }
}

/// What was asked for this scrape; `None` where nobody answered.
#[derive(Debug)]
struct Asked {
    dead_letters: Option<u64>,
    agents: Option<u64>,
    now_unix_ms: i64,
}

#[derive(Debug)]
struct Seen {
    bus: Arc<Mutex<Bus>>,
    asked: Asked,
}

impl Collector for Seen {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let bus = self.bus.lock().unwrap_or_else(PoisonError::into_inner);
        // Half a count would look like deals that were lost.
        if bus.is_caught_up {
            let mut deals =
                encoder.encode_descriptor("hms_deals", "Deals, by where they stand", None, MetricType::Gauge)?;
            for (state, count) in bus.deals.by_state() {
                gauge(count).encode(deals.encode_family(&[("state", state.as_str())])?)?;
            }
            let waits = [("ledger", State::Certified), ("proof", State::Agreed)]
                .map(|(who, state)| (who, bus.deals.waiting(state, self.asked.now_unix_ms)));
            let mut waiting = encoder.encode_descriptor(
                "hms_waiting_deals",
                "Deals that wait for the ledger, or for proof",
                None,
                MetricType::Gauge,
            )?;
            for (who, wait) in &waits {
                gauge(wait.deals).encode(waiting.encode_family(&[("for", *who)])?)?;
            }
            let mut oldest = encoder.encode_descriptor(
                "hms_waiting_oldest_seconds",
                "How long the oldest of them has waited",
                None,
                MetricType::Gauge,
            )?;
            for (who, wait) in &waits {
                let seconds = ConstGauge::new(wait.oldest_ms.max(0) as f64 / 1_000.0);
                seconds.encode(oldest.encode_family(&[("for", *who)])?)?;
            }
        }
        let mut events = encoder.encode_descriptor(
            "hms_deal_events",
            "What happened to deals since this node began to follow",
            None,
            MetricType::Counter,
        )?;
        for (event, count) in &bus.events {
            ConstCounter::new(*count).encode(events.encode_family(&[("event", *event)])?)?;
        }
        for (name, help, count) in [
            ("hms_dead_letters", "Messages that a core gave up on", self.asked.dead_letters),
            ("hms_agents", "Agents that are here; an expired one is counted for up to a minute", self.asked.agents),
        ] {
            if let Some(count) = count {
                gauge(count).encode(encoder.encode_descriptor(name, help, None, MetricType::Gauge)?)?;
            }
        }
        Ok(())
    }
}

fn gauge(count: u64) -> ConstGauge<i64> {
    ConstGauge::new(i64::try_from(count).unwrap_or(i64::MAX))
}
