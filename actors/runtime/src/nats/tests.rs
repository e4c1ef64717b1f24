//! The laws of the port on a real server, and what only a real server can do: go away and come back.

use std::{sync::Arc, time::Instant};

use futures::{StreamExt, future::join_all};
use serde_json::json;

mod archive;

use super::*;
use crate::{
    broker::{Broker, BrokerSpec, find_server},
    port::{Followed, laws},
};

async fn start() -> (tempfile::TempDir, Broker, Arc<Nats>) {
    let folder = tempfile::tempdir().unwrap();
    let broker = Broker::start(BrokerSpec::new(folder.path())).unwrap();
    let nats = ConnectSpec { timeout_ms: 2_000, ..ConnectSpec::new(broker.url(), "tests") }.connect().await.unwrap();
    (folder, broker, Arc::new(nats))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_real_server_keeps_the_laws() {
    let folder = tempfile::tempdir().unwrap();
    let broker = Broker::start(BrokerSpec::new(folder.path())).unwrap();
    laws::hold(Arc::new(ConnectSpec::new(broker.url(), "laws").connect().await.unwrap())).await;
}

async fn within<T>(ms: u64, future: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_millis(ms), future).await.expect("in time")
}

async fn entries(follow: &mut Follow, count: usize) -> Vec<u64> {
    let mut got = Vec::new();
    while got.len() < count {
        if let Followed::Entry(stored) = within(15_000, follow.next()).await.unwrap() {
            got.push(stored.sequence);
        }
    }
    got
}

async fn append(nats: &Nats, count: usize) -> Vec<u64> {
    let records = (0..count).map(|n| Record::new(format!("a.{}", n % 7), n.to_string())).collect();
    nats.append("A", records).await.unwrap()
}

/// Kills the server, starts it again, and waits until it is back.
async fn restart(broker: &mut Broker, nats: &Nats) {
    let before = nats.link().connects;
    broker.restart().unwrap();
    within(10_000, async {
        while nats.link().connects == before || nats.stream_state("A").await.is_err() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn followers_and_workers_live_through_a_crash() {
    let (_folder, mut broker, nats) = start().await;
    let spec = json!({"name": "A", "subjects": ["a.*"], "storage": "file", "allow_direct": true, "allow_atomic": true});
    nats.ensure_stream(&spec).await.unwrap();
    assert_eq!(append(&nats, 50).await.len(), 50);
    let mut all = nats.follow("A", &[], Start::All).await.unwrap();
    let mut after = nats.follow("A", &[], Start::After(50)).await.unwrap();
    let mut new = nats.follow("A", &[], Start::New).await.unwrap();
    let mut each = nats.follow("A", &["a.*".to_owned()], Start::LastPerSubject).await.unwrap();
    let work = WorkSpec {
        stream: "A".to_owned(),
        durable: "w".to_owned(),
        filter: String::new(),
        ack_wait_ms: 2_000,
        max_ack_pending: 1_000,
    };
    let mut jobs = nats.work(&work).await.unwrap();
    assert_eq!(entries(&mut all, 50).await, (1..=50).collect::<Vec<_>>());
    assert_eq!(entries(&mut each, 7).await, (44..=50).collect::<Vec<_>>());
    let mut plain = nats.subscribe("plain", None).await.unwrap();
    nats.flush().await.unwrap();
    for _ in 0..3 {
        restart(&mut broker, &nats).await;
    }
    let last = append(&nats, 60).await;
    assert_eq!(last, (51..=110).collect::<Vec<_>>());
    // Nothing missing, nothing twice, and nothing old for those that had not heard anything yet.
    for follow in [&mut all, &mut after, &mut new, &mut each] {
        assert_eq!(entries(follow, 60).await, last);
    }
    let mut done = std::collections::BTreeSet::new();
    while done.len() < 110 {
        let job = within(15_000, jobs.next()).await.unwrap();
        done.insert(job.stored.sequence);
        job.ack().await;
    }
    nats.publish(Message::new("plain", "x")).await.unwrap();
    assert_eq!(within(5_000, plain.next()).await.unwrap().subject, "plain");
    let link = nats.link();
    assert_eq!((link.connected, link.connects, link.disconnects), (true, 4, 3));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_follower_goes_on_when_its_consumer_is_deleted() {
    let (_folder, _broker, nats) = start().await;
    let spec = json!({"name": "A", "subjects": ["a.*"], "allow_direct": true, "allow_atomic": true});
    nats.ensure_stream(&spec).await.unwrap();
    append(&nats, 3).await;
    let mut follow = nats.follow("A", &[], Start::All).await.unwrap();
    assert_eq!(entries(&mut follow, 3).await, [1, 2, 3]);
    assert!(matches!(within(5_000, follow.next()).await, Some(Followed::CaughtUp)));
    let stream = nats.jetstream.get_stream("A").await.unwrap();
    let consumers: Vec<_> = stream.consumer_names().map(Result::unwrap).collect().await;
    assert_eq!(consumers.len(), 1);
    nats.jetstream.delete_consumer_from_stream(&consumers[0], "A").await.unwrap();
    // It is noticed while nothing comes, too.
    assert!(tokio::time::timeout(Duration::from_millis(500), follow.next()).await.is_err());
    append(&nats, 2).await;
    assert_eq!(entries(&mut follow, 2).await, [4, 5]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_hangs_while_the_server_is_away() {
    let (_folder, mut broker, nats) = start().await;
    let spec = json!({"name": "A", "subjects": ["a.*"], "allow_direct": true});
    nats.ensure_stream(&spec).await.unwrap();
    broker.kill();
    while nats.link().connected {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let begun = Instant::now();
    assert_eq!(nats.request(Message::new("x", ""), 300).await, Err(RequestError::Disconnected));
    let appended = nats.append("A", vec![Record::new("a.b", "x")]).await;
    assert!(appended.is_err_and(|error| error.is_unknown()));
    assert!(matches!(nats.read("A", "a.b", 0).await, Err(ReadError::TimedOut(_))));
    assert!(nats.follow("A", &[], Start::All).await.is_err());
    assert_eq!(nats.flush().await, Err(PublishError::Disconnected));
    assert!(begun.elapsed() < Duration::from_secs(12), "{:?}", begun.elapsed());
    // The client queues some thousands of messages, then waits: that wait ends too.
    let outcomes = join_all((0..5_000).map(|_| nats.publish(Message::new("x", "")))).await;
    let refused = outcomes.iter().filter(|outcome| **outcome == Err(PublishError::Disconnected)).count();
    assert!(refused > 0 && begun.elapsed() < Duration::from_secs(20), "{refused} {:?}", begun.elapsed());
    restart(&mut broker, &nats).await;
    // What timed out may have been stored, and was: it had been queued.
    nats.append("A", vec![Record::new("a.c", "y")]).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_keeps_us_from_connecting_is_said() {
    let spec = ConnectSpec { first_connect_ms: 400, ..ConnectSpec::new("nats://127.0.0.1:1", "tests") };
    let begun = Instant::now();
    assert!(matches!(spec.connect().await, Err(ConnectError::Unreachable { .. })));
    assert!(begun.elapsed() < Duration::from_secs(3));

    // A server without JetStream, and with a password.
    let folder = tempfile::tempdir().unwrap();
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let config = folder.path().join("c");
    std::fs::write(&config, format!("host: 127.0.0.1\nport: {port}\nauthorization {{ user: ann, password: pw }}\n"))
        .unwrap();
    let mut server = std::process::Command::new(find_server().unwrap())
        .arg("-c")
        .arg(&config)
        .stderr(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let url = format!("nats://127.0.0.1:{port}");
    let ann = ConnectSpec { login: Login::User("ann".to_owned(), "pw".to_owned()), ..ConnectSpec::new(&url, "tests") };
    let without = ann.connect().await;
    let stranger = ConnectSpec::new(&url, "tests").connect().await;
    let content = ConnectSpec { require_streams: false, ..ann }.connect().await;
    server.kill().unwrap();
    server.wait().unwrap();
    assert!(matches!(without, Err(ConnectError::NoJetStream { .. })), "{without:?}");
    assert!(matches!(stranger, Err(ConnectError::Refused { .. })), "{stranger:?}");
    assert!(content.is_ok(), "{content:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_first_connection_waits_for_the_server() {
    let folder = tempfile::tempdir().unwrap();
    let mut broker = Broker::start(BrokerSpec::new(folder.path())).unwrap();
    broker.kill();
    let spec = ConnectSpec::new(broker.url(), "tests");
    let connecting = tokio::spawn(async move { spec.connect().await.map(|nats| nats.server()) });
    tokio::time::sleep(Duration::from_millis(300)).await;
    broker.restart().unwrap();
    let server = connecting.await.unwrap().unwrap();
    assert!(is_new_enough(&server.version));
    assert_eq!((server.url, server.max_payload_bytes), (broker.url(), crate::broker::MAX_PAYLOAD_BYTES));
}

/// A small generator of numbers, the same for each seed.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % sides
    }
}

/// The same moves on both adapters, drawn at random, have the same outcome.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn memory_and_the_server_agree() {
    let (_folder, _broker, nats) = start().await;
    let both: [Arc<dyn Port>; 2] = [nats, Arc::new(crate::memory::Memory::new(0))];
    let kinds = [
        json!({"max_msgs_per_subject": -1}),
        json!({"max_msgs_per_subject": 1}),
        json!({"max_msgs_per_subject": 2, "max_msgs": 7, "discard": "old"}),
        json!({"max_msgs_per_subject": 2, "max_msgs": 7, "discard": "new"}),
        json!({"max_msgs": 30, "discard": "new"}),
    ];
    let run = |kind: usize| {
        let (both, changes) = (&both, &kinds[kind]);
        async move {
            let mut dice = Dice(kind as u64 + 1);
            let name = format!("S{kind}");
            let mut spec =
                json!({"name": name, "subjects": [format!("s{kind}.*")], "allow_direct": true, "allow_atomic": true});
            spec.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
            for port in both {
                port.ensure_stream(&spec).await.unwrap();
            }
            for step in 0..150 {
                let subject = format!("s{kind}.{}", dice.roll(4));
                let last = both[1].last(&name, &subject).await.unwrap().map_or(0, |stored| stored.sequence);
                let records = (0..1 + dice.roll(3)).map(|n| {
                    let record = Record::new(
                        if n == 0 { subject.clone() } else { format!("s{kind}.{}", dice.roll(4)) },
                        step.to_string(),
                    );
                    match dice.roll(4) {
                        0 if n == 0 => record.expecting(last),
                        1 if n == 0 => record.expecting(dice.roll(last + 2)),
                        2 if n > 0 => record.expecting(dice.roll(20)),
                        _ => record,
                    }
                });
                let records: Vec<Record> = records.collect();
                let [one, other] = both.each_ref().map(|port| port.append(&name, records.clone()));
                let outcomes = futures::join!(one, other);
                assert_eq!(outcomes.0, outcomes.1, "{name}, step {step}: {records:?}");
                let seen = join_all(both.iter().map(|port| async {
                    let read = port.read(&name, &subject, dice_free(step)).await.unwrap();
                    let got = port.get(&name, step / 2).await.unwrap().map(|stored| stored.subject);
                    let state = port.stream_state(&name).await.unwrap();
                    let read: Vec<_> =
                        read.into_iter().map(|stored| (stored.sequence, stored.subject, stored.body)).collect();
                    (read, got, state.messages, state.first_seq, state.last_seq)
                }))
                .await;
                assert_eq!(seen[0], seen[1], "{name}, step {step}");
            }
        }
    };
    join_all((0..kinds.len()).map(run)).await;
}

/// Somewhere behind which to read.
fn dice_free(step: u64) -> u64 {
    (step * 7) % 50
}

/// What arrives by itself carries the same headers from both.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn memory_and_the_server_head_what_they_write_alike() {
    let (_folder, _broker, nats) = start().await;
    let both: [Arc<dyn Port>; 2] = [nats, Arc::new(crate::memory::Memory::new(1_795_334_400_000))];
    let mut seen = Vec::new();
    for port in both {
        let timers = json!({"name": "T", "subjects": ["t.*", "t.due.*"], "allow_msg_schedules": true, "allow_rollup_hdrs": true,
            "allow_msg_ttl": true, "allow_direct": true, "republish": {"src": ">", "dest": "live.>"}});
        port.ensure_stream(&timers).await.unwrap();
        let bucket = json!({"name": "KV_B", "subjects": [schemas::subject::bucket_key("B", ">")], "max_msgs_per_subject": 1,
            "allow_direct": true, "allow_msg_ttl": true, "allow_rollup_hdrs": true, "subject_delete_marker_ttl": 60_000_000_000_u64,
            "republish": {"src": ">", "dest": "live.>"}});
        port.ensure_stream(&bucket).await.unwrap();
        let inbox = json!({"name": "I", "subjects": ["i.*"], "allow_direct": true, "republish": {"src": ">", "dest": "live.>"},
            "sources": [{"name": "T", "subject_transforms": [{"src": "t.due.*", "dest": "i.{{wildcard(1)}}"}]}]});
        port.ensure_stream(&inbox).await.unwrap();
        let mut live = port.subscribe("live.>", None).await.unwrap();
        port.flush().await.unwrap();
        let at = jiff::Timestamp::from_millisecond(port.now_unix_ms() + 200).unwrap();
        let headers = schemas::header::Headers::new()
            .with(schemas::header::SCHEDULE, format!("@at {at}"))
            .with(schemas::header::SCHEDULE_TARGET, "t.due.x")
            .with("Hms-Type", "timer");
        port.append("T", vec![Record::new("t.x", "body").with_headers(headers)]).await.unwrap();
        port.kv_put("B", "k", bytes::Bytes::from("v"), Some(1_000)).await.unwrap();
        let mut lines = Vec::new();
        for _ in 0..5 {
            let message = within(5_000, live.next()).await.unwrap();
            // Those that only steered the server stay on what it keeps; ours are not seen to differ by them.
            let steering = ["Nats-Expected-Stream", "Nats-Rollup", "Nats-Stream-Source"];
            let timed = [wire::TIME_STAMP, schemas::header::SCHEDULE, schemas::header::TTL];
            let lines_of = message.headers.iter().filter(|(name, _)| !steering.contains(name));
            let mut headers: Vec<String> = lines_of
                .map(|(name, value)| if timed.contains(&name) { name.to_owned() } else { format!("{name}: {value}") })
                .collect();
            headers.sort();
            lines.push(format!("{} {headers:?}", message.subject));
        }
        lines.sort();
        seen.push(lines);
    }
    assert_eq!(seen[0], seen[1], "{:#?}\n{:#?}", seen[0], seen[1]);
}
