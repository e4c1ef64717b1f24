//! What a service promises, on a real server and on a clock that jumps.

use std::cell::Cell;

use async_trait::async_trait;
use futures::{StreamExt, future::join_all};
use schemas::{
    Code, ErrorReply, body,
    core::{Call, Core},
    header::{self, Headers},
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::*;
use crate::{
    broker::{Broker, BrokerSpec},
    memory::Memory,
    nats::ConnectSpec,
    port::{Message, RequestError},
    run, simulate,
};

#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename = "test.echo")]
struct Echo {
    text: String,
    #[serde(default)]
    calls: u32,
}

schemas::message!(Echo, "test.echo");

/// Says what it hears, counts its calls, and panics when told to.
#[derive(Default)]
struct Parrot {
    calls: Cell<u32>,
}

impl Core for Parrot {
    const SERVICE: &'static str = "test";
    const VERB: &'static str = "echo";
    type Request = Echo;
    type Reply = Echo;

    fn handle(&self, request: Echo, call: &Call) -> Result<Echo, ErrorReply> {
        self.calls.set(self.calls.get() + 1);
        match request.text.as_str() {
            "panic" => panic!("as told"),
            "refuse" => Err(ErrorReply::refused("rule", "no").at_field("text")),
            "trace" => Ok(Echo { text: call.traceparent.clone().unwrap_or_default(), calls: 0 }),
            _ => Ok(Echo { text: request.text, calls: self.calls.get() }),
        }
    }
}

/// Waits as long as the body says, in milliseconds, on the port's clock.
struct Sleeper {
    port: Arc<dyn Port>,
}

#[async_trait]
impl Handler for Sleeper {
    async fn answer(&self, message: Message, _: Call) -> Result<Answer, ErrorReply> {
        let text = String::from_utf8_lossy(&message.body).into_owned();
        let ms = text.parse().map_err(|_| ErrorReply::new(Code::BadMessage, "not a number"))?;
        assert!(ms != 13, "thirteen");
        self.port.sleep_ms(ms).await;
        Ok(Answer::new(Headers::new().with("Slept", text), message.subject))
    }
}

fn service(port: &Arc<dyn Port>, admission: usize) -> Service {
    let sleeper = Arc::clone(port);
    let limits = || Limits { admission, ..Limits::default() };
    Service::new("test", "1.2.3")
        .described("for tests")
        .with_metadata("colour", "green")
        .core(limits(), Parrot::default)
        .handler(
            [EndpointSpec::new("sleep", "test.sleep.*"), EndpointSpec::new("nap", "test.nap")],
            limits(),
            move || Sleeper { port: Arc::clone(&sleeper) },
        )
}

fn echo(text: &str) -> Message {
    let echo = Echo { text: text.to_owned(), calls: 0 };
    Message::new(subject::endpoint("test", "echo"), body::encode(&echo)).with_headers(Headers::of_type("test.echo"))
}

async fn ask(port: &Arc<dyn Port>, message: Message) -> Result<Echo, ErrorReply> {
    match port.request(message, 5_000).await {
        Ok(reply) => {
            assert!(reply.headers.is_empty());
            Ok(body::decode(&reply.body, 1_000).unwrap())
        }
        Err(RequestError::Refused { code, reply, .. }) => {
            let error: ErrorReply = body::decode(&reply.body, 10_000).unwrap();
            assert_eq!(error.code, code);
            Err(error)
        }
        Err(error) => panic!("{error}"),
    }
}

/// Every promise in turn.
async fn hold(port: Arc<dyn Port>) {
    good_and_bad_requests(&port).await;
    deadlines(&port).await;
    panics(&port).await;
    traces(&port).await;
    admission(&port).await;
    one_floods_and_the_rest_is_served(&port).await;
    without_reply(&port).await;
    discovery(&port).await;
    draining(&port).await;
    two_instances_share(&port).await;
}

async fn good_and_bad_requests(port: &Arc<dyn Port>) {
    let running = service(port, 100).start(Arc::clone(port)).await.unwrap();
    assert_eq!(ask(port, echo("a")).await, Ok(Echo { text: "a".to_owned(), calls: 1 }));
    assert_eq!(ask(port, echo("b")).await, Ok(Echo { text: "b".to_owned(), calls: 2 }));
    let refused = ask(port, echo("refuse")).await.unwrap_err();
    assert_eq!((refused.code, refused.field.as_deref(), refused.rule.as_deref()), (422, Some("text"), Some("rule")));

    let at = |body: Vec<u8>| Message::new(subject::endpoint("test", "echo"), body);
    let good = echo("x").body.to_vec();
    for (what, bytes, field) in [
        ("empty", vec![], None),
        ("cut short", good[..good.len() - 3].to_vec(), None),
        ("trailing bytes", [good.clone(), vec![0xc0]].concat(), None),
        ("another type", body::encode(&ErrorReply::new(Code::Busy, "x")), Some("type")),
        ("a wrong field", b"\x82\xa4type\xa9test.echo\xa4text\x07".to_vec(), Some("text")),
        ("a missing field", b"\x81\xa4type\xa9test.echo".to_vec(), Some("text")),
        ("too large", body::encode(&Echo { text: "x".repeat(2_000_000), calls: 0 }), None),
    ] {
        let error = ask(port, at(bytes)).await.unwrap_err();
        assert_eq!(error.code, 400, "{what}: {error}");
        if field.is_some() {
            assert_eq!(error.field.as_deref(), field, "{what}: {error}");
        }
        assert_eq!(ask(port, echo("after")).await.unwrap().text, "after", "{what}");
    }
    let error = port.request(Message::new("test.nap", "soon"), 5_000).await.unwrap_err();
    assert!(matches!(error, RequestError::Refused { code: 400, .. }), "{error:?}");
    let slept = port.request(Message::new("test.sleep.x", "1"), 5_000).await.unwrap();
    assert_eq!((slept.headers.get("Slept"), &slept.body[..]), (Some("1"), &b"test.sleep.x"[..]));
    assert!(running.drain(5_000).await);
}

async fn deadlines(port: &Arc<dyn Port>) {
    let running = service(port, 100).start(Arc::clone(port)).await.unwrap();
    let until = |deadline: String| echo("x").with_header(header::DEADLINE, deadline);
    let now = port.now_unix_ms();
    assert!(ask(port, until((now + 10_000).to_string())).await.is_ok());
    let late = ask(port, until((now - 1).to_string())).await.unwrap_err();
    assert_eq!((late.kind(), late.field.as_deref()), (Code::Late, Some(header::DEADLINE)));
    let bad = ask(port, until("tomorrow".to_owned())).await.unwrap_err();
    assert_eq!((bad.kind(), bad.field.as_deref()), (Code::BadMessage, Some(header::DEADLINE)));
    assert!(running.drain(5_000).await);
}

async fn panics(port: &Arc<dyn Port>) {
    let running = service(port, 100).start(Arc::clone(port)).await.unwrap();
    assert_eq!(ask(port, echo("a")).await.unwrap().calls, 1);
    for _ in 0..3 {
        let error = ask(port, echo("panic")).await.unwrap_err();
        let id = error.id.clone().unwrap();
        assert_eq!((error.code, error.message), (500, format!("internal error; look for {id} in the log")));
        // Built anew: it counts from the beginning.
        assert_eq!(ask(port, echo("a")).await.unwrap().calls, 1);
    }
    let error = port.request(Message::new("test.nap", "13"), 5_000).await.unwrap_err();
    assert!(matches!(error, RequestError::Refused { code: 500, .. }), "{error:?}");
    assert!(port.request(Message::new("test.nap", "1"), 5_000).await.is_ok());
    assert!(running.drain(5_000).await);
}

async fn traces(port: &Arc<dyn Port>) {
    let running = service(port, 100).start(Arc::clone(port)).await.unwrap();
    let traced = |header: &str| echo("trace").with_header(header::TRACEPARENT, header.to_owned());
    let child = ask(port, traced("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")).await.unwrap().text;
    assert!(child.starts_with("00-0af7651916cd43dd8448eb211c80319c-") && child.ends_with("-01"), "{child}");
    assert!(!child.contains("b7ad6b7169203331"));
    assert_eq!(ask(port, traced("00-0-0-0")).await.unwrap().text, "");
    assert!(running.drain(5_000).await);
}

async fn admission(port: &Arc<dyn Port>) {
    let running = service(port, 4).start(Arc::clone(port)).await.unwrap();
    let asked = join_all((0..10).map(|n| {
        let kind = if n % 2 == 0 { "test.nap" } else { "test.sleep.x" };
        port.request(Message::new(kind, "300"), 5_000)
    }))
    .await;
    let busy: Vec<&RequestError> = asked.iter().filter_map(|outcome| outcome.as_ref().err()).collect();
    assert_eq!((asked.len() - busy.len(), busy.len()), (4, 6), "{busy:?}");
    for error in busy {
        match error {
            RequestError::Refused { code: 429, reply, .. } => {
                let error: ErrorReply = body::decode(&reply.body, 10_000).unwrap();
                assert!(error.retryable && error.retry_after_ms.is_some_and(|ms| ms >= 10), "{error}");
            }
            other => panic!("{other:?}"),
        }
    }
    assert!(port.request(Message::new("test.nap", "1"), 5_000).await.is_ok(), "the permits came back");
    assert!(running.drain(5_000).await);
}

async fn one_floods_and_the_rest_is_served(port: &Arc<dyn Port>) {
    let sleeper = Arc::clone(port);
    let limits = Limits { admission: 64, at_once: 4, ..Limits::default() };
    let endpoint = EndpointSpec::new("sleep", "test.sleep.*").fair_by(Claimant::Token(2));
    let service =
        Service::new("test", "1.2.3").handler([endpoint], limits, move || Sleeper { port: Arc::clone(&sleeper) });
    let running = service.start(Arc::clone(port)).await.unwrap();
    let flood = {
        let port = Arc::clone(port);
        tokio::spawn(async move {
            join_all((0..500).map(|_| port.request(Message::new("test.sleep.flood", "20"), 10_000))).await
        })
    };
    port.sleep_ms(30).await;
    // 32 of the flood wait, four at a time for 20 ms each: without turns that is 160 ms for whoever comes behind.
    for name in ["kenya", "ghana", "chad"] {
        let begun = port.now_unix_ms();
        port.request(Message::new(format!("test.sleep.{name}"), "1"), 5_000).await.unwrap();
        let took_ms = port.now_unix_ms() - begun;
        assert!(took_ms < 80, "{name} waited {took_ms} ms");
    }
    let flood = flood.await.unwrap();
    let served = flood.iter().filter(|outcome| outcome.is_ok()).count();
    assert!((32..64).contains(&served), "whoever floods holds half of the places: {served}");
    for refused in flood.into_iter().filter_map(Result::err) {
        assert!(matches!(refused, RequestError::Refused { code: 429, .. }), "{refused}");
    }
    assert!(running.drain(5_000).await);
}

async fn without_reply(port: &Arc<dyn Port>) {
    let running = service(port, 100).start(Arc::clone(port)).await.unwrap();
    let mut dead = port.subscribe(&subject::dead_letter("test"), None).await.unwrap();
    let trap = format!("{}.log.deal.x", subject::ROOT);
    let mut trapped = port.subscribe(&trap, None).await.unwrap();
    port.flush().await.unwrap();
    port.publish(echo("fine")).await.unwrap();
    port.publish(echo("refuse").with_header("Nats-Rollup", "all")).await.unwrap();
    let letter = dead.next().await.unwrap();
    assert_eq!(letter.body, echo("refuse").body);
    assert_eq!(letter.headers.get(header::DLQ_SUBJECT), Some(subject::endpoint("test", "echo").as_str()));
    assert!(letter.headers.get(header::DLQ_REASON).is_some_and(|reason| reason.contains("422")));
    assert_eq!(letter.headers.get("Nats-Rollup"), None);

    // A reply subject inside the streams' space is no place to answer to.
    port.publish(echo("fine").with_reply(trap)).await.unwrap();
    let letter = dead.next().await.unwrap();
    assert!(letter.headers.get(header::DLQ_REASON).is_some_and(|reason| reason.contains("not an inbox")));
    assert!(running.drain(5_000).await);
    assert!(tokio::time::timeout(Duration::from_millis(50), trapped.next()).await.is_err());
}

async fn discovery(port: &Arc<dyn Port>) {
    let running = service(port, 100).start(Arc::clone(port)).await.unwrap();
    let (name, id) = (running.name().to_owned(), running.id().to_owned());
    assert_eq!(name, "test");
    ask(port, echo("a")).await.unwrap();
    ask(port, echo("refuse")).await.unwrap_err();
    let discover = async |verb: &str, name: Option<&str>, id: Option<&str>| -> Value {
        let reply = port.request(Message::new(subject::discovery(verb, name, id), ""), 5_000).await.unwrap();
        serde_json::from_slice(&reply.body).unwrap()
    };
    for (name, id) in [(None, None), (Some("test"), None), (Some("test"), Some(id.as_str()))] {
        let ping = discover("PING", name, id).await;
        let expected = json!({
            "type": "io.nats.micro.v1.ping_response", "name": "test", "id": running.id(), "version": "1.2.3",
            "metadata": {"colour": "green"},
        });
        assert_eq!(ping, expected);
        let info = discover("INFO", name, id).await;
        assert_eq!(
            (&info["type"], &info["description"]),
            (&json!("io.nats.micro.v1.info_response"), &json!("for tests"))
        );
        let expected = json!({"name": "echo", "subject": subject::endpoint("test", "echo"), "queue_group": "test", "metadata": {}});
        assert_eq!((info["endpoints"].as_array().unwrap().len(), &info["endpoints"][0]), (3, &expected));
        let stats = discover("STATS", name, id).await;
        assert_eq!(stats["type"], "io.nats.micro.v1.stats_response");
        assert!(stats["started"].as_str().unwrap().ends_with('Z'));
        let echo = &stats["endpoints"][0];
        assert_eq!(
            (&echo["num_requests"], &echo["num_errors"], &echo["last_error"]),
            (&json!(2), &json!(1), &json!("422:text: no"))
        );
        assert_eq!(echo["average_processing_time"].as_u64().unwrap(), echo["processing_time"].as_u64().unwrap() / 2);
    }
    let other = port.request(Message::new(subject::discovery("PING", Some("test"), Some("other")), ""), 5_000).await;
    assert!(matches!(other, Err(RequestError::NoResponders(_))));
    assert!(running.drain(5_000).await);
    let gone = port.request(Message::new(subject::discovery("PING", Some("test"), None), ""), 1_000).await;
    assert!(matches!(gone, Err(RequestError::NoResponders(_) | RequestError::TimedOut(_))), "{gone:?}");
}

async fn draining(port: &Arc<dyn Port>) {
    let running = service(port, 100).start(Arc::clone(port)).await.unwrap();
    let under_way = {
        let port = Arc::clone(port);
        tokio::spawn(
            async move { join_all((0..20).map(|_| port.request(Message::new("test.nap", "200"), 5_000))).await },
        )
    };
    port.sleep_ms(100).await;
    assert!(running.drain(5_000).await);
    for outcome in under_way.await.unwrap() {
        assert!(outcome.is_ok(), "{outcome:?}");
    }
    let gone = port.request(Message::new("test.nap", "1"), 1_000).await;
    assert!(matches!(gone, Err(RequestError::NoResponders(_))), "{gone:?}");
    let slow = service(port, 100).start(Arc::clone(port)).await.unwrap();
    let sleeping = Message::new("test.nap", "3000").with_reply("somewhere");
    port.publish(sleeping).await.unwrap();
    port.sleep_ms(100).await;
    assert!(!slow.drain(200).await, "it cannot be done in time, and says so");
}

async fn two_instances_share(port: &Arc<dyn Port>) {
    let one = service(port, 100).start(Arc::clone(port)).await.unwrap();
    let two = service(port, 100).start(Arc::clone(port)).await.unwrap();
    assert_ne!(one.id(), two.id());
    for _ in 0..50 {
        ask(port, echo("a")).await.unwrap();
    }
    let counts = [&one, &two].map(|running| running.stats()[0].num_requests);
    assert_eq!(counts.iter().sum::<u64>(), 50);
    assert!(counts.iter().all(|&count| count > 0), "{counts:?}");
    assert!(one.drain(5_000).await && two.drain(5_000).await);
}

#[test]
fn a_service_keeps_its_promises_on_a_server() {
    let folder = tempfile::tempdir().unwrap();
    let broker = Broker::start(BrokerSpec::new(folder.path())).unwrap();
    run(async {
        let port = ConnectSpec::new(broker.url(), "tests").connect().await.unwrap();
        hold(Arc::new(port)).await;
    })
    .unwrap();
}

#[test]
fn and_in_memory_on_a_clock_that_jumps() {
    let begun = std::time::Instant::now();
    simulate(async { hold(Arc::new(Memory::new(1_795_334_400_000))).await }).unwrap();
    assert!(begun.elapsed() < Duration::from_secs(3), "{:?}", begun.elapsed());
}

#[test]
fn what_cannot_be_started_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let broker = Broker::start(BrokerSpec::new(folder.path())).unwrap();
    run(async {
        let port: Arc<dyn Port> = Arc::new(ConnectSpec::new(broker.url(), "tests").connect().await.unwrap());
        let start = |service: Service| service.start(Arc::clone(&port));
        assert_eq!(start(Service::new("a b", "1.0.0")).await.err(), Some(StartError::BadName("a b".to_owned())));
        let foreign = Service::new("other", "1.0.0").core(Limits::default(), Parrot::default);
        assert_eq!(start(foreign).await.err(), Some(StartError::Foreign { core: "echo", service: "test" }));
        let port = Arc::clone(&port);
        let elsewhere = tokio::spawn(async move { service(&port, 1).start(port).await.err() }).await.unwrap();
        assert_eq!(elsewhere, Some(StartError::NoSystem(NoSystem)));
    })
    .unwrap();
}
