//! What there is to see of a set-up: questions to the bus, and to its broker's monitoring page.

use std::{path::Path, pin::pin, sync::Arc};

use futures::{
    StreamExt,
    future::{Either, select},
};
use runtime::{
    http,
    nats::{Nats, is_new_enough},
    port::{Followed, Port, Provisioned, Start},
};
use schemas::{header, keyring::LogRecord, profile::State, stream, subject};
use swarm::maker;

use super::{
    Finding,
    judge::{self, Monitored, REPLICAS, Waiting},
};
use crate::{
    command::provision,
    exit::Outcome,
    local::LocalBus,
    roll::{self, Question},
    writers::Writers,
};

/// How long the monitoring page may take, in milliseconds.
const PAGE_MS: u64 = 2_000;
/// How long the logs are looked through for deals that wait, in milliseconds.
const LOGS_MS: u64 = 10_000;

/// What is asked of a set-up.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// Copies of each stream; `None` takes what there is.
    pub replicas: Option<u8>,
    /// Whether what is acknowledged must be on a disk.
    pub durable: bool,
    /// The broker's monitoring port.
    pub monitor: Option<String>,
    /// How long services may take to answer, in milliseconds.
    pub wait_ms: u64,
}

/// What a local bus's folder tells; nothing where no bus was ever started from it.
pub fn folder(dir: &Path) -> Option<Finding> {
    let bus = LocalBus::read(dir)?;
    let place = dir.display();
    let mend = format!("hms down --dir {place}, then hms up");
    Some(match bus.orphan() {
        Some(broker) => Finding::bad(
            "folder",
            format!("the bus of {place} was killed and left its broker, process {broker}: no core is at work"),
            mend,
        ),
        None if bus.is_running() => {
            Finding::ok("folder", format!("the bus of {place} runs as process {} at {}", bus.pid, bus.url))
        }
        None => Finding::warning(
            "folder",
            format!("{place} tells of a bus at {} whose process {} is gone", bus.url, bus.pid),
            mend,
        ),
    })
}

/// Everything that can be seen by way of a connection, in the order in which one thing rests on another.
///
/// # Errors
/// When the bus doesn't answer any more, or not us; what was seen until then is among the findings.
pub async fn bus(nats: Nats, meant: &str, wanted: &Wanted, findings: &mut Vec<Finding>) -> Outcome {
    let server = nats.server();
    findings.push(judge::broker(&server, meant));
    if !is_new_enough(&server.version) {
        return Ok(());
    }
    let monitored = match &wanted.monitor {
        Some(url) => match page(url).await {
            Ok(page) => Some(page),
            Err(reason) => {
                findings.push(judge::no_monitor(&reason));
                None
            }
        },
        None => None,
    };
    if let Some(url) = &wanted.monitor {
        findings.extend(health(url).await);
    }
    findings.push(judge::clock(nats.clock().await));
    let store = nats.store_use().await;
    findings.push(judge::store(&store, monitored.as_ref()));
    let port: Arc<dyn Port> = Arc::new(nats);
    if store.is_ok() {
        streams(&port, monitored.as_ref(), wanted, findings).await?;
    }
    let present = roll::call(&port, Question::Ping, wanted.wait_ms).await?;
    let instances = |name: &str| present.iter().filter(|instance| instance.name == name).count();
    findings.extend(judge::services(&instances, maker::SERVICE));
    Ok(())
}

async fn page(url: &str) -> Result<Monitored, String> {
    let url = format!("{}/jsz?config=true", url.trim_end_matches('/'));
    let page = http::get(&url, PAGE_MS).await.map_err(|error| error.to_string())?;
    serde_json::from_slice(&page).map_err(|error| format!("{url} is no monitoring page of nats-server: {error}"))
}

/// What the broker says of its own health, where that is nothing good.
async fn health(url: &str) -> Option<Finding> {
    let url = format!("{}/healthz", url.trim_end_matches('/'));
    let answer = http::get(&url, PAGE_MS).await;
    matches!(answer, Err(http::HttpError::Refused { status: 503, .. })).then(|| judge::unwell(&url))
}

/// What the streams are, and what is in them.
async fn streams(
    port: &Arc<dyn Port>,
    monitored: Option<&Monitored>,
    wanted: &Wanted,
    findings: &mut Vec<Finding>,
) -> Outcome {
    let planned = provision::plan(port, wanted.replicas.unwrap_or(1)).await?;
    let has = |name: &str| planned.iter().any(|(stream, plan)| stream == name && *plan != Provisioned::Created);
    let replicas = replicas(&planned, wanted.replicas.unwrap_or(1));
    findings.push(judge::durability(monitored, replicas, wanted.durable));
    findings.extend(judge::streams(&planned, wanted.replicas));
    if has(stream::DLQ) {
        let count = port.stream_state(stream::DLQ).await?.messages;
        let last = if count == 0 { None } else { port.last(stream::DLQ, &subject::all_dead_letters()).await? };
        let last = last.as_ref().map(|letter| {
            let core = letter.subject.rsplit('.').next().unwrap_or_default();
            (core, letter.headers.get(header::DLQ_REASON).unwrap_or("no reason given"))
        });
        findings.push(judge::dead_letters(count, last));
    }
    if has(stream::DEALS) {
        findings.extend(judge::lag(&waiting(port).await?, port.now_unix_ms()));
    }
    Ok(())
}

/// How many copies the log of deals has.
fn replicas(planned: &[(String, Provisioned)], asked: u8) -> u64 {
    let of_deals = planned.iter().find(|(stream, _)| stream == stream::DEALS);
    let changed = of_deals.and_then(|(_, plan)| match plan {
        Provisioned::Updated(differences) => differences.iter().find(|difference| difference.setting == REPLICAS),
        _ => None,
    });
    changed.and_then(|difference| difference.was.as_u64()).unwrap_or(u64::from(asked))
}

/// Looks at the last entry of each deal's log for those that wait for somebody.
async fn waiting(port: &Arc<dyn Port>) -> Outcome<Waiting> {
    let writers = Writers::of(port.as_ref()).await?;
    let mut last = port.follow(stream::DEALS, &[subject::all_deal_logs()], Start::LastPerSubject).await?;
    let mut waiting = Waiting::default();
    let mut over = pin!(port.sleep_ms(LOGS_MS));
    while let Either::Left((Some(followed), _)) = select(last.next(), over.as_mut()).await {
        let Followed::Entry(stored) = followed else {
            waiting.is_all = true;
            break;
        };
        waiting.deals += 1;
        // What neither desk nor ledger wrote says nothing of a deal; `hms deal verify --all` names it.
        let Ok(entry) = writers.read(&LogRecord::from(stored)) else { continue };
        match entry.event.what.state() {
            State::Certified => waiting.certified_unix_ms.push(entry.event.at_unix_ms),
            State::Agreed => waiting.agreed_unix_ms.push(entry.event.at_unix_ms),
            _ => {}
        }
    }
    Ok(waiting)
}
