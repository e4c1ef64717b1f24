//! Peers on a server and on a clock that jumps.

use std::sync::atomic::AtomicU64;

use super::*;
use crate::{
    broker::{Broker, BrokerSpec},
    memory::Memory,
    nats::ConnectSpec,
    port::laws,
    run, simulate,
};

/// Serves numbers: answers each with the next.
struct Counter;

impl Peer for Counter {
    fn on(&mut self, event: PeerEvent, _: i64, out: &mut Outbox) {
        match event {
            PeerEvent::Started => out.subscribe("count.*"),
            PeerEvent::Message(message) => {
                let number: u64 = laws::text(&message.body).parse().unwrap();
                out.publish(Message::new(message.reply.unwrap(), (number + 1).to_string()));
            }
            other => panic!("{other:?}"),
        }
    }
}

/// Asks until it has counted far enough, pausing each time, then says so and ends.
struct Asker {
    name: u64,
    until: u64,
    sum: Arc<AtomicU64>,
}

impl Asker {
    fn ask(&self, number: u64, out: &mut Outbox) {
        out.request(number, Message::new(format!("count.{}", self.name), number.to_string()), 5_000);
    }
}

impl Peer for Asker {
    fn on(&mut self, event: PeerEvent, now_unix_ms: i64, out: &mut Outbox) {
        match event {
            PeerEvent::Started => self.ask(0, out),
            PeerEvent::Reply { tag, result } => {
                let number: u64 = laws::text(&result.unwrap().body).parse().unwrap();
                assert_eq!(number, tag + 1);
                out.timer(number, now_unix_ms + 20);
            }
            PeerEvent::Timer { tag } if tag == self.until => {
                self.sum.fetch_add(tag, Relaxed);
                out.stop();
            }
            PeerEvent::Timer { tag } => self.ask(tag, out),
            other => panic!("{other:?}"),
        }
    }
}

async fn they_count(port: Arc<dyn Port>, askers: u64) {
    let host = Host::new(Arc::clone(&port), 2).unwrap();
    let server = host.spawn("counter", Counter);
    port.sleep_ms(100).await;
    port.flush().await.unwrap();
    let sum = Arc::new(AtomicU64::new(0));
    let all: Vec<PeerHandle> =
        (0..askers).map(|name| host.spawn("asker", Asker { name, until: 5, sum: Arc::clone(&sum) })).collect();
    for mut asker in all {
        assert_eq!(asker.ended().await, Ended::Stopped);
    }
    assert_eq!(sum.load(Relaxed), 5 * askers);
    assert_eq!((host.present(), server.has_ended()), (1, None));
    server.wake(1);
    let mut server = server;
    assert_eq!(server.ended().await, Ended::Panicked, "it does not know timers");
    assert_eq!(host.present(), 0);
}

/// What is said on hearing something.
type Line = Box<dyn FnMut(&PeerEvent, &mut Outbox) + Send>;

/// Whatever it hears goes into a channel; what it says comes from a list.
struct Scripted {
    script: Vec<Line>,
    heard: tokio::sync::mpsc::UnboundedSender<PeerEvent>,
}

impl Peer for Scripted {
    fn on(&mut self, event: PeerEvent, _: i64, out: &mut Outbox) {
        for line in &mut self.script {
            line(&event, out);
        }
        self.heard.send(event).unwrap();
    }
}

async fn order_and_ending(port: Arc<dyn Port>) {
    let host = Host::new(Arc::clone(&port), 1).unwrap();
    let (heard, mut events) = tokio::sync::mpsc::unbounded_channel();
    let spec = serde_json::json!({"name": "PEER", "subjects": ["peer.log.*"], "storage": "memory"});
    port.ensure_stream(&spec).await.unwrap();
    let started = |event: &PeerEvent, out: &mut Outbox| {
        if *event == PeerEvent::Started {
            // Each of these needs the one before.
            out.subscribe("peer.own");
            out.request(1, Message::new("peer.own", "to myself"), 500);
            out.publish(Message::new("peer.own", "after"));
            out.append(2, "PEER", vec![Record::new("peer.log.a", "x")]);
            out.append(3, "NONE", vec![Record::new("none.a", "x")]);
            out.publish(Message::new("bad subject", ""));
            out.timer(4, 0);
        }
    };
    let stopping = |event: &PeerEvent, out: &mut Outbox| {
        if *event == PeerEvent::Stopping {
            out.append(5, "PEER", vec![Record::new("peer.log.a", "bye")]);
        }
    };
    let mut peer = host.spawn("scripted", Scripted { script: vec![Box::new(started), Box::new(stopping)], heard });
    let mut got = Vec::new();
    while got.len() < 8 {
        got.push(events.recv().await.unwrap());
    }
    assert_eq!(got.first(), Some(&PeerEvent::Started));
    let bodies: Vec<&str> = got
        .iter()
        .filter_map(|event| match event {
            PeerEvent::Message(message) => Some(laws::text(&message.body)),
            _ => None,
        })
        .collect();
    assert_eq!(bodies, ["to myself", "after"]);
    assert!(got.contains(&PeerEvent::Reply { tag: 1, result: Err(RequestError::TimedOut(500)) }), "{got:?}");
    assert!(got.contains(&PeerEvent::Appended { tag: 2, result: Ok(vec![1]) }));
    assert!(got.contains(&PeerEvent::Appended { tag: 3, result: Err(AppendError::Unavailable("NONE".to_owned())) }));
    assert!(got.contains(&PeerEvent::Timer { tag: 4 }));
    let error = PublishError::BadSubject("bad subject".to_owned());
    assert!(got.contains(&PeerEvent::Failed { subject: "bad subject".to_owned(), error }));

    assert!(host.stop(5_000).await);
    assert_eq!(peer.ended().await, Ended::Stopped);
    assert_eq!(events.recv().await, Some(PeerEvent::Stopping));
    assert_eq!(events.recv().await, Some(PeerEvent::Appended { tag: 5, result: Ok(vec![2]) }));
    assert_eq!(events.recv().await, None);
    port.sleep_ms(100).await;
    let gone = port.request(Message::new("peer.own", ""), 1_000).await;
    assert_eq!(gone, Err(RequestError::NoResponders("peer.own".to_owned())), "its subscriptions end with it");

    let mut peer = host.spawn("counter", Counter);
    drop(host);
    assert_eq!(peer.ended().await, Ended::Abandoned);
}

#[test]
fn peers_on_a_server() {
    let folder = tempfile::tempdir().unwrap();
    let broker = Broker::start(BrokerSpec::new(folder.path())).unwrap();
    run(async {
        let port: Arc<dyn Port> = Arc::new(ConnectSpec::new(broker.url(), "tests").connect().await.unwrap());
        they_count(Arc::clone(&port), 500).await;
        order_and_ending(port).await;
    })
    .unwrap();
}

#[test]
fn thousands_of_peers_in_memory() {
    let begun = std::time::Instant::now();
    simulate(async {
        let port: Arc<dyn Port> = Arc::new(Memory::new(0));
        they_count(Arc::clone(&port), 5_000).await;
        order_and_ending(port).await;
    })
    .unwrap();
    assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());
}
