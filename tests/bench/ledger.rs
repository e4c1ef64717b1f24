//! How soon a ledger is ready that has posted a million deals: from its snapshot, and from the whole log.
//!
//! `cargo bench -p e2e --bench ledger [-- --postings N --agents N]`. Writes a log of postings on a broker of its own,
//! lets a ledger read it and take its snapshot, and starts another from that. Ready is who tells a balance. Prints
//! JSON, and writes the same to `target/bench/ledger.json`.

#![allow(clippy::unwrap_used, clippy::print_stdout, clippy::indexing_slicing)] // a bench that cannot go on has failed

use std::sync::Arc;
use std::time::Instant;

use nkeys::KeyPair;
use runtime::broker::{Broker, BrokerSpec};
use runtime::journal::{FencedHandle, FencedHost, sign};
use runtime::nats::ConnectSpec;
use runtime::port::{Port, Record};
use schemas::core::{Call, Fenced};
use schemas::deal::{Delivery, Terms, Transfer};
use schemas::event::{DealEvent, Happening, Signed};
use schemas::ledger::{BalanceRequest, Balances, Declare, Limit, LimitEvent};
use schemas::limit::{MAX_BATCH_MESSAGES, MAX_CLEARING_BODY_BYTES};
use schemas::registry::KeyEvent;
use schemas::signature::{PublicKey, Signer};
use schemas::snapshot::{SnapshotChunk, SnapshotPointer};
use schemas::{AgentId, DealId, Good, Hash, MarketId, Message, MoveId, Quantity, decode, encode, stream, subject};
use serde_json::json;
use trade_balance::{LEDGER, Ledger, LedgerAsk};

const NOW: i64 = 1_790_000_000_000;
const GOODS: [&str; 4] = ["cocoa", "oil", "rice", "tea"];
const MOST: i64 = 1_000_000_000;

struct Writer {
    port: Arc<dyn Port>,
    signer: Signer,
    batch: Vec<Record>,
    written: u64,
}

impl Writer {
    async fn write(&mut self, subject: String, kind: &'static str, body: Vec<u8>) {
        let headers = sign(&self.signer, &subject, kind, &body, NOW);
        self.batch.push(Record::new(subject, body).with_headers(headers));
        if self.batch.len() == MAX_BATCH_MESSAGES {
            self.flush().await;
        }
    }

    async fn flush(&mut self) {
        let batch = std::mem::take(&mut self.batch);
        self.written += batch.len() as u64;
        if !batch.is_empty() {
            self.port.append(stream::DEALS, batch).await.unwrap();
        }
    }
}

fn agent(number: usize) -> AgentId {
    AgentId::parse(&format!("agent-{number:06}")).unwrap()
}

fn book() -> MarketId {
    MarketId::parse("bench").unwrap()
}

/// Everyone may give much of everything; then deals between neighbours, there and back.
async fn write_log(writer: &mut Writer, postings: usize, agents: usize) {
    let ledger = AgentId::parse(LEDGER).unwrap();
    let key = writer.signer.key().clone();
    let event = KeyEvent { agent: ledger.clone(), turn: 0, prev: Hash::ZERO, at_unix_ms: NOW, key, cause: None };
    writer.write(subject::key_log(&ledger), KeyEvent::TYPE, encode(&event)).await;
    for number in 0..agents {
        let limit = |good: &&str| Limit { good: Good::parse(good).unwrap(), quantity: MOST };
        let move_id = MoveId::parse("m").unwrap();
        let limits = GOODS.iter().map(limit).collect();
        let declare = Declare { move_id, deadline_unix_ms: NOW, book: book(), limits };
        let cause =
            Signed { subject: subject::endpoint(LEDGER, "declare"), sender: "{}".into(), body: encode(&declare) };
        let agent = agent(number);
        let log = subject::limit_log(&book(), &agent);
        let event = LimitEvent { book: book(), agent, turn: 0, prev: Hash::ZERO, at_unix_ms: NOW, cause };
        writer.write(log, LimitEvent::TYPE, encode(&event)).await;
    }
    let opener = AgentId::parse("opener").unwrap();
    for number in 0..postings {
        let (one, other) = (agent(number % agents), agent((number + 1) % agents));
        let hop = |from: &AgentId, to: &AgentId, good: &str| Transfer {
            from: from.clone(),
            to: to.clone(),
            good: Good::parse(good).unwrap(),
            quantity: Quantity::new(1 + i64::try_from(number % 7).unwrap()).unwrap(),
            due_unix_ms: NOW,
            intent: None,
        };
        let transfers =
            vec![hop(&one, &other, GOODS[number % 4]), hop(&other, &one, GOODS[(number / 4 + 1 + number) % 4])];
        let mut parties = vec![one.clone(), other.clone()];
        parties.sort();
        let terms = Terms {
            book: book(),
            parties,
            transfers,
            delivery: Delivery::Immediate,
            expires_unix_ms: NOW,
            award: None,
        };
        let deal = DealId::of(&opener, &MoveId::parse(&number.to_string()).unwrap());
        let what = Happening::Committed {
            book: book(),
            terms: encode(&terms),
            acceptances: Vec::new(),
            certificates: Vec::new(),
        };
        let event = DealEvent {
            deal: deal.clone(),
            turn: 0,
            prev: Hash::ZERO,
            at_unix_ms: NOW,
            what,
            cause: None,
            trace: None,
        };
        writer.write(subject::deal_log(&deal), DealEvent::TYPE, encode(&event)).await;
    }
    writer.flush().await;
}

/// Puts the last snapshot together, as a ledger that starts from it does; how long that takes, without the reading.
async fn restore(port: &Arc<dyn Port>) -> f64 {
    let core = AgentId::parse(LEDGER).unwrap();
    let pointer = port.last(stream::SNAPSHOTS, &subject::snapshot(&core)).await.unwrap().unwrap();
    let pointer: SnapshotPointer = decode(&pointer.body, MAX_CLEARING_BODY_BYTES).unwrap();
    let stored = port.read(stream::SNAPSHOTS, &subject::all_snapshot_chunks(&core, pointer.slot), 0).await.unwrap();
    let chunks = stored.iter().map(|chunk| decode::<SnapshotChunk>(&chunk.body, MAX_CLEARING_BODY_BYTES).unwrap());
    let mut chunks: Vec<SnapshotChunk> = chunks.filter(|chunk| chunk.sequence == pointer.sequence).collect();
    chunks.sort_by_key(|chunk| chunk.number);
    let pieces: Vec<Vec<u8>> = chunks.into_iter().map(|chunk| chunk.content).collect();
    let begun = Instant::now();
    // A ledger that can't use its snapshot reads all of the log, with a word in its own log: here it has failed.
    Ledger::restore(&pieces).unwrap();
    begun.elapsed().as_secs_f64()
}

async fn start(port: &Arc<dyn Port>, signer: Signer) -> (FencedHandle<Ledger>, Balances, f64) {
    let begun = Instant::now();
    let handle = FencedHost::start(Ledger::new(), Arc::clone(port), Arc::new(signer), 1).await.unwrap();
    let ask = LedgerAsk::Balance(BalanceRequest { book: book(), party: None });
    let (_, body) = handle.ask(ask, Call::default()).await.unwrap();
    let took_s = begun.elapsed().as_secs_f64();
    (handle, decode(&body, 64 * MAX_CLEARING_BODY_BYTES).unwrap(), took_s)
}

async fn bench(postings: usize, agents: usize) {
    let folder = tempfile::tempdir().unwrap();
    let broker = Broker::start(BrokerSpec::new(folder.path())).unwrap();
    let port: Arc<dyn Port> = Arc::new(ConnectSpec::new(broker.url(), "bench").connect().await.unwrap());
    for spec in stream::streams(1) {
        port.ensure_stream(&spec).await.unwrap();
    }
    let account: PublicKey = KeyPair::new_account().public_key().parse().unwrap();
    let seed = KeyPair::new_user().seed().unwrap();
    let signer = || Signer::from_seed(&seed, account.clone(), LEDGER).unwrap();
    let mut writer = Writer { port: Arc::clone(&port), signer: signer(), batch: Vec::new(), written: 0 };
    let begun = Instant::now();
    write_log(&mut writer, postings, agents).await;
    let wrote_s = begun.elapsed().as_secs_f64();

    let (ledger, from_log, log_s) = start(&port, signer()).await;
    ledger.hold(true).await;
    let pointer = subject::snapshot(&AgentId::parse(LEDGER).unwrap());
    while port.last(stream::SNAPSHOTS, &pointer).await.unwrap().is_none() {
        port.sleep_ms(20).await;
    }
    ledger.hold(false).await;
    drop(ledger);
    let restore_s = restore(&port).await;
    let mut snapshot_s = Vec::new();
    for _ in 0..3 {
        let (ledger, from_snapshot, took_s) = start(&port, signer()).await;
        assert_eq!(from_snapshot, from_log, "the same books");
        snapshot_s.push(took_s);
        drop(ledger);
    }
    let snapshot = port.stream_state(stream::SNAPSHOTS).await.unwrap();
    let figures = json!({
        "postings": postings, "agents": agents, "entries": writer.written, "lines": from_log.lines.len(),
        "wrote_the_log_s": wrote_s, "ready_from_the_log_s": log_s, "ready_from_the_snapshot_s": snapshot_s,
        "restore_s": restore_s,
        "snapshot_bytes": snapshot.bytes, "snapshot_messages": snapshot.messages,
    });
    println!("{figures:#}");
    e2e::keep("ledger", &figures);
}

fn argument(name: &str, default: usize) -> usize {
    let mut args = std::env::args().skip_while(|arg| arg != name);
    args.nth(1).map_or(default, |value| value.parse().unwrap())
}

fn main() {
    let (postings, agents) = (argument("--postings", 1_000_000), argument("--agents", 10_000));
    runtime::run(bench(postings, agents)).unwrap();
}
