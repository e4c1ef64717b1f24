//! Peers on a server and on a clock that jumps.

use std::sync::atomic::AtomicU64;

use super::*;
use crate::{
    broker::{Broker, BrokerSpec},
    memory::Memory,
    nats::ConnectSpec,
    port::{Replies, laws},
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

/// Answers with its name, and counts once it hears.
struct Named {
    name: String,
    hears: Vec<String>,
    here: Arc<AtomicU64>,
}

impl Peer for Named {
    fn on(&mut self, event: PeerEvent, _: i64, out: &mut Outbox) {
        match event {
            PeerEvent::Started => {
                self.hears.iter().for_each(|subject| out.subscribe(subject.as_str()));
                out.timer(0, 0);
            }
            PeerEvent::Timer { .. } => {
                self.here.fetch_add(1, Relaxed);
            }
            PeerEvent::Message(question) => {
                out.answer(&question, Ok(Answer::new(question.headers.clone(), self.name.clone())));
            }
            PeerEvent::Stopping => {}
            other => panic!("{other:?}"),
        }
    }
}

/// Peers whose subjects share subscriptions hear what they would hear on their own.
async fn one_for_all(port: Arc<dyn Port>, peers: u64) {
    let host = Host::new(Arc::clone(&port), 2).unwrap();
    host.share("shared.*").await.unwrap();
    // Covers the same once more, and is not needed.
    host.share("shared.>").await.unwrap();
    assert!(matches!(host.share("bad subject").await, Err(PublishError::BadSubject(_))));
    let here = Arc::new(AtomicU64::new(0));
    let named = |name: &str, hears: &[&str]| {
        let hears = hears.iter().map(ToString::to_string).collect();
        host.spawn(name, Named { name: name.to_owned(), hears, here: Arc::clone(&here) })
    };
    for number in 0..peers {
        named(&format!("{number}"), &[format!("shared.{number}").as_str()]);
    }
    let others = [named("all", &["shared.>"]), named("twin", &["shared.1", "apart"])];
    while here.load(Relaxed) < peers + 2 {
        port.sleep_ms(10).await;
    }
    port.flush().await.unwrap();

    let last = format!("shared.{}", peers - 1);
    let last_name = (peers - 1).to_string();
    for (subject, expected) in [
        ("shared.0", vec!["0", "all"]),
        ("shared.1", vec!["1", "all", "twin"]),
        (last.as_str(), vec![last_name.as_str(), "all"]),
        ("apart", vec!["twin"]),
    ] {
        let mut replies = Replies::to(port.as_ref(), Message::new(subject, "")).await.unwrap();
        let mut answers = Vec::new();
        for _ in &expected {
            answers.push(laws::text(&replies.next(5_000).await.unwrap().body).to_owned());
        }
        answers.sort();
        assert_eq!(answers, expected, "{subject}");
        assert_eq!(replies.next(20).await, Err(RequestError::TimedOut(20)), "each hears {subject} once");
    }
    for mut other in others {
        other.stop();
        assert_eq!(other.ended().await, Ended::Stopped);
    }
    port.flush().await.unwrap();
    let asked = (0..peers).map(|number| {
        let question = Message::new(format!("shared.{number}"), "");
        async { laws::text(&port.request(question, 20_000).await.unwrap().body).to_owned() }
    });
    let answers: Vec<String> = futures::stream::iter(asked).buffered(64).collect().await;
    assert!(answers.iter().enumerate().all(|(number, answer)| *answer == number.to_string()));

    // Nobody makes a peer write where a stream would keep it.
    let ours = schemas::subject::dead_letter("peer");
    let mut dead = port.subscribe(&ours, None).await.unwrap();
    port.publish(Message::new("shared.0", "").with_reply(ours)).await.unwrap();
    port.request(Message::new("shared.0", ""), 5_000).await.unwrap();
    port.flush().await.unwrap();
    assert!(futures::poll!(dead.next()).is_pending());

    assert!(host.stop(20_000).await);
    let gone = port.request(Message::new("shared.0", ""), 100).await;
    assert_eq!(gone, Err(RequestError::TimedOut(100)), "somebody still hears the pattern");
    drop(host);
    let mut gone = Err(RequestError::TimedOut(100));
    for _ in 0..50 {
        if gone == Err(RequestError::TimedOut(100)) {
            gone = port.request(Message::new("shared.0", ""), 100).await;
        }
    }
    assert_eq!(gone, Err(RequestError::NoResponders("shared.0".to_owned())));
}

/// Goes on only when it is let.
struct Stuck {
    go_on: std::sync::mpsc::Receiver<()>,
    here: Arc<AtomicU64>,
    heard: Arc<AtomicU64>,
}

impl Peer for Stuck {
    fn on(&mut self, event: PeerEvent, _: i64, out: &mut Outbox) {
        match event {
            PeerEvent::Started => {
                out.subscribe("shared.stuck");
                out.timer(0, 0);
            }
            PeerEvent::Timer { .. } => {
                self.here.fetch_add(1, Relaxed);
            }
            PeerEvent::Message(_) => {
                let _ = self.go_on.recv();
                self.heard.fetch_add(1, Relaxed);
            }
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn who_does_not_keep_up_loses_messages_and_nobody_else_does() {
    run(async {
        let port: Arc<dyn Port> = Arc::new(Memory::new(0));
        let host = Host::new(Arc::clone(&port), 2).unwrap();
        host.share("shared.*").await.unwrap();
        let (go_on, waits) = std::sync::mpsc::channel();
        let (here, heard) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
        let stuck = Stuck { go_on: waits, here: Arc::clone(&here), heard: Arc::clone(&heard) };
        let stuck = host.spawn("stuck", stuck);
        let hears = vec!["shared.other".to_owned()];
        host.spawn("other", Named { name: "other".to_owned(), hears, here: Arc::clone(&here) });
        while here.load(Relaxed) < 2 {
            port.sleep_ms(10).await;
        }
        for _ in 0..3_000 {
            port.publish(Message::new("shared.stuck", "")).await.unwrap();
        }
        // On the other thread, and after all of them.
        port.request(Message::new("shared.other", ""), 5_000).await.unwrap();
        assert_eq!((heard.load(Relaxed), stuck.has_ended()), (0, None));
        drop(go_on);
        while heard.load(Relaxed) < 1_024 {
            port.sleep_ms(10).await;
        }
        port.sleep_ms(100).await;
        let kept = heard.load(Relaxed);
        assert!(kept < 1_030, "{kept}");
        port.publish(Message::new("shared.stuck", "")).await.unwrap();
        while heard.load(Relaxed) == kept {
            port.sleep_ms(10).await;
        }
    })
    .unwrap();
}

#[test]
fn peers_on_a_server() {
    let folder = tempfile::tempdir().unwrap();
    let broker = Broker::start(BrokerSpec::new(folder.path())).unwrap();
    run(async {
        let port: Arc<dyn Port> = Arc::new(ConnectSpec::new(broker.url(), "tests").connect().await.unwrap());
        they_count(Arc::clone(&port), 500).await;
        one_for_all(Arc::clone(&port), 2_000).await;
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
        one_for_all(Arc::clone(&port), 5_000).await;
        order_and_ending(port).await;
    })
    .unwrap();
    assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());
}
