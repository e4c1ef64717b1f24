//! Agents that talk to each other on a bus in memory, with a registry that knows keys and no more. Deals are made on a real
//! bus, in `tests/`.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use runtime::memory::Memory;
use runtime::port::Message;
use runtime::service::{Answer, EndpointSpec, Handler, Limits, Service};
use runtime::simulate;
use schemas::body::Refused;
use schemas::core::Call;
use schemas::job::{AwardDeal, CalledTask, JobState, TaskCall, TaskMoved, TaskNote, TaskWord};
use schemas::limit::MAX_BODY_BYTES;
use schemas::registry::{Hello, Welcome};
use schemas::signature::{PublicKey, Sender};
use schemas::subject::TaskVerb;
use schemas::task::TaskMove;
use schemas::{Code, JobId, decode, header};
use serde::{Deserialize, Serialize};

use super::*;
use crate::fixtures::{NOW, account, agent, seed};

#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename = "count")]
struct Count {
    to: u32,
}
schemas::message!(Count, "count", |count| {
    if count.to == 0 { Err(Refused::new("to", "nothing to count")) } else { Ok(()) }
});

#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename = "number")]
struct Number {
    is: u32,
}
schemas::message!(Number, "number");

/// A registry that takes everybody, and says whose key it is.
#[derive(Clone, Default)]
struct Registry(Arc<Mutex<BTreeMap<AgentId, PublicKey>>>);

#[async_trait::async_trait]
impl Handler for Registry {
    async fn answer(&self, message: Message, call: Call) -> Result<Answer, ErrorReply> {
        let read_as = |verb: &str| message.subject == subject::endpoint("registry", verb);
        if read_as("hello") {
            let _: Hello = decode(&message.body, MAX_BODY_BYTES)?;
            return Ok(Answer::of(&Welcome {
                account: account(),
                schema: schemas::SCHEMA_VERSION.to_owned(),
                now_unix_ms: call.now_unix_ms,
                max_body_bytes: 1 << 20,
            }));
        }
        if read_as("find") {
            let find: Find = decode(&message.body, MAX_BODY_BYTES)?;
            let key = find.agent.and_then(|agent| Some((agent.clone(), self.0.lock().unwrap().get(&agent)?.clone())));
            let record = |(agent, key)| AgentRecord {
                agent,
                key,
                kind: PartyKind::default(),
                capabilities: Vec::new(),
                subjects: Vec::new(),
                lease_until_unix_ms: i64::MAX,
            };
            let agents: Vec<_> = key.into_iter().map(record).collect();
            return Ok(Answer::of(&Found { total: agents.len().try_into().unwrap(), agents }));
        }
        let sender = Sender::parse(message.headers.get(header::SENDER).unwrap()).unwrap();
        sender.verify(&message.subject, &message.body).unwrap();
        if read_as("register") {
            let register: Register = decode(&message.body, MAX_BODY_BYTES)?;
            let lease_until_unix_ms = call.now_unix_ms + register.lease_ms;
            self.0.lock().unwrap().insert(register.agent.clone(), register.key);
            return Ok(Answer::of(&Registered { agent: register.agent, lease_until_unix_ms, inbox_sequence: 0 }));
        }
        assert!(read_as("leave"), "{}", message.subject);
        let leave: Leave = decode(&message.body, MAX_BODY_BYTES)?;
        self.0.lock().unwrap().remove(&leave.agent);
        Ok(Answer::of(&Done {}))
    }
}

/// Something of which one is told that it was dropped.
struct Dropped(Arc<AtomicUsize>);

impl Drop for Dropped {
    fn drop(&mut self) {
        self.0.fetch_add(1, Relaxed);
    }
}

struct Bus {
    port: Arc<dyn Port>,
    registry: Registry,
    _running: Running,
}

impl Bus {
    async fn new() -> Self {
        let port: Arc<dyn Port> = Arc::new(Memory::new(NOW));
        let registry = Registry::default();
        let endpoints = ["hello", "find", "register", "leave"]
            .map(|verb| EndpointSpec::new(verb, subject::endpoint("registry", verb)));
        let known = registry.clone();
        let service = Service::new("registry", "1.0.0").handler(endpoints, Limits::default(), move || known.clone());
        let _running = service.start(Arc::clone(&port)).await.unwrap();
        Self { port, registry, _running }
    }

    async fn start(&self, spec: AgentSpec) -> Agent {
        let seed = seed(spec.id.as_str());
        spec.start_on(Arc::clone(&self.port), &seed).await.unwrap()
    }

    async fn bystander(&self) -> Agent {
        self.start(Agent::named(agent("asker"))).await
    }
}

fn topic() -> Topic<Count, Number> {
    Topic::parse("count").unwrap()
}

/// Counts, and counts that it was asked to no avail.
fn counter(id: &str, dropped: &Arc<AtomicUsize>) -> AgentSpec {
    let dropped = Arc::clone(dropped);
    Agent::named(agent(id)).on_stream(&topic(), move |count: Heard<Count>, numbers: Pieces<Number>| {
        let guard = Dropped(Arc::clone(&dropped));
        async move {
            let _guard = guard;
            for is in 1..=count.body.to {
                numbers.say(&Number { is }).await?;
                count.agent().core.port.sleep_ms(10).await;
            }
            if count.body.to == 13 { Err(ErrorReply::refused("superstition", "not that far")) } else { Ok(()) }
        }
    })
}

#[test]
fn a_question_is_answered_and_who_asked_is_known() {
    simulate(async {
        let bus = Bus::new().await;
        let whoami: Topic<Count, Number> = Topic::parse("who.*").unwrap();
        let spec = Agent::named(agent("answerer")).on_topic(&whoami, |asked| async move {
            let by = asked.sender().await.map(|agent| agent.to_string()).unwrap_or_default();
            assert_eq!(asked.topic(), Some("who.am-i"));
            assert!(asked.deadline_unix_ms().is_some());
            Ok(Number { is: asked.body.to + u32::try_from(by.len()).unwrap() })
        });
        let answerer = bus.start(spec).await;
        let asker = bus.bystander().await;
        let ask = Topic::parse("who.am-i").unwrap();
        let answer: Number = asker.request(&ask, &Count { to: 10 }).await.unwrap();
        assert_eq!(answer, Number { is: 15 }, "asker has five letters");

        let pattern = asker.request(&whoami, &Count { to: 1 }).await;
        assert!(matches!(pattern, Err(AskError::Unreadable(_))), "a pattern is asked by nobody: {pattern:?}");
        // An outsider who signs nothing, with a body that breaks a rule.
        for (to, said) in [(1, Ok(1)), (0, Err(("to", 400)))] {
            let plain = voice::plain(ask.subject(), &Count { to });
            let answer =
                voice::ask::<Number>(bus.port.as_ref(), plain.with_header(header::DEADLINE, "99999999999999"), 100);
            match (answer.await, said) {
                (Ok(answer), Ok(is)) => assert_eq!(answer, Number { is }, "nobody signed"),
                (Err(AskError::Refused(reply)), Err((field, code))) => {
                    assert_eq!((reply.field.as_deref(), reply.code), (Some(field), code));
                }
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(bus.registry.0.lock().unwrap().len(), 2);
        answerer.stop().await;
        asker.stop().await;
        assert!(bus.registry.0.lock().unwrap().is_empty(), "both have left");
        let gone = asker.request(&ask, &Count { to: 1 }).await;
        assert!(matches!(gone, Err(AskError::NotAsked(_))), "{gone:?}");
    })
    .unwrap();
}

#[test]
fn answers_come_one_by_one_and_end() {
    simulate(async {
        let (bus, dropped) = (Bus::new().await, Arc::default());
        let counter = bus.start(counter("counter", &dropped)).await;
        let asker = bus.bystander().await;
        let numbers = asker.stream(&topic(), &Count { to: 3 }).await.unwrap().all().await.unwrap();
        assert_eq!(numbers, [1, 2, 3].map(|is| Number { is }));

        let first = asker.request(&topic(), &Count { to: 1_000_000 }).await.unwrap();
        assert_eq!(first, Number { is: 1 });
        assert_eq!(dropped.load(Relaxed), 2, "whoever asks for one answer has the rest not worked on");

        let mut broken = asker.stream(&topic(), &Count { to: 13 }).await.unwrap();
        for is in 1..=13 {
            assert_eq!(broken.next().await.unwrap(), Some(Number { is }));
        }
        let refused = broken.next().await.unwrap_err();
        assert!(matches!(&refused, AskError::Refused(reply) if reply.rule.as_deref() == Some("superstition")));
        assert_eq!(broken.next().await, Ok(None), "nothing comes after that");

        let bad = asker.stream(&topic(), &Count { to: 0 }).await.unwrap().all().await.unwrap_err();
        assert!(matches!(&bad, AskError::Refused(reply) if reply.kind() == Code::BadMessage), "{bad:?}");
        counter.stop().await;
    })
    .unwrap();
}

#[test]
fn what_is_wanted_no_more_is_worked_on_no_more() {
    simulate(async {
        let (bus, dropped) = (Bus::new().await, Arc::<AtomicUsize>::default());
        let counter = bus.start(counter("counter", &dropped)).await;
        let asker = bus.bystander().await;
        let mut numbers = asker.within_ms(60_000).stream(&topic(), &Count { to: 100_000 }).await.unwrap();
        numbers.next().await.unwrap();
        drop(numbers);
        bus.port.sleep_ms(300).await;
        assert_eq!(dropped.load(Relaxed), 1, "a stream that is dropped is taken back");

        let late = asker.within_ms(500).stream(&topic(), &Count { to: 100_000 }).await.unwrap().all().await;
        assert!(matches!(late, Err(AskError::Unknown(_) | AskError::Refused(_))), "{late:?}");
        bus.port.sleep_ms(300).await;
        assert_eq!(dropped.load(Relaxed), 2, "one that comes too late has no end");
        counter.stop().await;
    })
    .unwrap();
}

#[test]
fn a_deadline_travels() {
    simulate(async {
        let bus = Bus::new().await;
        let slow: Topic<Count, Number> = Topic::parse("slow").unwrap();
        let through: Topic<Count, Number> = Topic::parse("through").unwrap();
        let asked = slow.clone();
        let spec = Agent::named(agent("between"))
            .on_topic(&slow, |count: Heard<Count>| async move {
                count.agent().port().sleep_ms(u64::from(count.body.to)).await;
                Ok(Number { is: count.body.to })
            })
            .on_topic(&through, move |count: Heard<Count>| {
                let slow = asked.clone();
                async move {
                    let begun = count.agent().now_unix_ms();
                    // It would wait for a minute.
                    let patient = count.agent().within_ms(60_000);
                    let unanswered = patient.request(&slow, &Count { to: 30_000 }).await;
                    assert!(unanswered.is_err());
                    let waited = count.agent().now_unix_ms() - begun;
                    assert!(waited <= 1_001, "{waited} ms");
                    Ok(Number { is: 0 })
                }
            });
        let between = bus.start(spec).await;
        let asker = bus.bystander().await.within_ms(1_000);
        assert!(asker.request(&through, &Count { to: 1 }).await.is_err());
        assert_eq!(asker.request(&slow, &Count { to: 900 }).await, Ok(Number { is: 900 }));
        between.stop().await;
    })
    .unwrap();
}

#[test]
fn everybody_is_asked_and_one_of_a_group() {
    simulate(async {
        let bus = Bus::new().await;
        let names = ["ann", "bob", "cid"];
        let group: Topic<Count, Number> = Topic::parse("one-of-us").unwrap();
        let mut agents = Vec::new();
        for (name, is) in names.into_iter().zip(1..) {
            let room = Room { group: Some("us".to_owned()), ..Room::default() };
            let spec = Agent::named(agent(name))
                .on_topic(&topic(), move |count: Heard<Count>| async move {
                    if count.body.to == is { Err(ErrorReply::refused("not_me", "no")) } else { Ok(Number { is }) }
                })
                .on_topic_in(&group, room, move |_| async move { Ok(Number { is }) });
            agents.push(bus.start(spec).await);
        }
        let asker = bus.bystander().await.within_ms(500);
        let answers = asker.ask_all(&topic(), &Count { to: 2 }, 10).await.unwrap();
        let mut said = Vec::new();
        for answer in &answers {
            said.push((answer.sender().await.unwrap().to_string(), answer.body.is));
        }
        said.sort();
        assert_eq!(said, [("ann".to_owned(), 1), ("cid".to_owned(), 3)], "bob refused");
        assert_eq!(asker.ask_all(&topic(), &Count { to: 9 }, 1).await.unwrap().len(), 1, "one is enough");
        assert_eq!(asker.ask_all(&group, &Count { to: 9 }, 10).await.unwrap().len(), 1, "one of them hears it");
        let nobody: Topic<Count, Number> = Topic::parse("nobody").unwrap();
        assert!(asker.ask_all(&nobody, &Count { to: 9 }, 10).await.unwrap().is_empty());
        for agent in agents {
            agent.stop().await;
        }
    })
    .unwrap();
}

#[test]
fn who_has_no_room_says_so() {
    simulate(async {
        let bus = Bus::new().await;
        let room = Room { at_once: 1, waiting: 1, group: None };
        let spec = Agent::named(agent("busy")).on_topic_in(&topic(), room, |count: Heard<Count>| async move {
            count.agent().port().sleep_ms(100).await;
            Ok(Number { is: count.body.to })
        });
        let busy = bus.start(spec).await;
        let asker = bus.bystander().await;
        let (ask, place) = (Count { to: 7 }, topic());
        let answers = futures::future::join_all((0..3).map(|_| asker.request(&place, &ask))).await;
        let (good, bad): (Vec<_>, Vec<_>) = answers.into_iter().partition(Result::is_ok);
        assert_eq!(good.len(), 2);
        assert!(matches!(&bad[0], Err(AskError::Refused(reply)) if reply.kind() == Code::Busy), "{bad:?}");
        busy.stop().await;
    })
    .unwrap();
}

#[test]
fn what_is_published_is_heard_in_order_and_what_is_not_understood_left_out() {
    simulate(async {
        let bus = Bus::new().await;
        let (speaker, hearer) = (bus.start(Agent::named(agent("speaker"))).await, bus.bystander().await);
        let numbers: Topic<Number> = Topic::parse("numbers.>").unwrap();
        let mut heard = hearer.subscribe(&numbers).await.unwrap();
        let odd: Topic<Number> = Topic::parse("numbers.odd").unwrap();
        speaker.publish(&odd, &Number { is: 1 }).await.unwrap();
        let wrong: Topic<Count> = Topic::parse("numbers.odd").unwrap();
        speaker.publish(&wrong, &Count { to: 2 }).await.unwrap();
        speaker.publish(&odd, &Number { is: 3 }).await.unwrap();
        for is in [1, 3] {
            let one = heard.next().await.unwrap();
            assert_eq!((one.topic(), &one.body), (Some("numbers.odd"), &Number { is }));
            assert_eq!(one.sender().await, Some(agent("speaker")));
        }
    })
    .unwrap();
}

/// Says yes to every move in a job, and keeps what was said: the verb, and the task.
#[derive(Clone, Default)]
struct Jobs(Arc<Mutex<Vec<(TaskVerb, String)>>>);

#[async_trait::async_trait]
impl Handler for Jobs {
    async fn answer(&self, message: Message, _: Call) -> Result<Answer, ErrorReply> {
        let (verb, _, job) = subject::parse_task_move(&message.subject).unwrap();
        let task = match TaskMove::decode(verb, &message.body)? {
            TaskMove::Bid(bid) => bid.task.to_string(),
            TaskMove::Decline(decline) => format!("{}: {}", decline.task, decline.reason),
            TaskMove::Deliver(deliver) => deliver.task.to_string(),
            other => panic!("{other:?}"),
        };
        self.0.lock().unwrap().push((verb, task));
        let move_id = "m".parse().unwrap();
        Ok(Answer::of(&TaskMoved { job, move_id, state: JobState::Running, turn: 0 }))
    }
}

#[test]
fn whatever_becomes_of_a_task_there_is_room_for_the_next() {
    simulate(async {
        let bus = Bus::new().await;
        let jobs = Jobs::default();
        let moves = [TaskVerb::Bid, TaskVerb::Decline, TaskVerb::Deliver]
            .map(|verb| EndpointSpec::new(verb.as_str(), subject::all_task_moves(verb)));
        let said = jobs.clone();
        let mac = Service::new("mac", "1.0.0").handler(moves, Limits::default(), move || said.clone());
        let _mac = mac.start(Arc::clone(&bus.port)).await.unwrap();
        let skill: Skill = "add".parse().unwrap();
        let spec = Agent::named(agent("clerk")).worker(skill.clone(), Bids::at(1), |work| async move {
            assert_ne!(work.brief, "panic", "a task that nobody can do");
            Ok(work.brief.into_bytes())
        });
        let clerk = bus.start(spec).await;
        let mut sequence = 0_u64;
        for (task, brief, is_paid, ends) in [
            ("unpaid", "lapse", true, Vec::new()),
            ("bad", "panic", false, vec![(TaskVerb::Decline, "bad: it panicked".to_owned())]),
            ("good", "do", false, vec![(TaskVerb::Deliver, "good".to_owned())]),
            ("last", "do", false, vec![(TaskVerb::Deliver, "last".to_owned())]),
        ] {
            let now = bus.port.now_unix_ms();
            let (job, supervisor): (JobId, _) = ("job".parse().unwrap(), agent("boss"));
            let called = CalledTask {
                task: task.parse().unwrap(),
                round: 1,
                wanted: Vec::new(),
                brief: brief.to_owned(),
                budget_minor: 10,
            };
            let call = TaskCall {
                job: job.clone(),
                supervisor: supervisor.clone(),
                skill: skill.clone(),
                until_unix_ms: now + 100,
                tasks: vec![called],
                pay: None,
            };
            let call = Message::new(subject::live_task_call(&skill), encode(&call));
            bus.port.publish(call).await.unwrap();
            bus.port.sleep_ms(50).await;
            let mut expected = vec![(TaskVerb::Bid, task.to_owned())];
            let move_id: MoveId = "award".parse().unwrap();
            let deal = schemas::DealId::of(&supervisor, &move_id);
            let note = TaskNote {
                job,
                event: TaskWord::Awarded,
                turn: 1,
                at_unix_ms: now,
                supervisor,
                task: Some(task.parse().unwrap()),
                round: Some(1),
                agent: Some(agent("clerk")),
                brief: Some(brief.to_owned()),
                inputs: Vec::new(),
                result: None,
                result_hash: None,
                until_unix_ms: Some(now + 60_000),
                rule: None,
                award: is_paid.then(|| AwardDeal { deal, move_id, terms: Vec::new() }),
            };
            let lapsed = TaskNote { event: TaskWord::Lapsed, ..note.clone() };
            for note in std::iter::once(note).chain(is_paid.then_some(lapsed)) {
                let message = Message::new(subject::live_inbox(&agent("clerk")), encode(&note))
                    .with_header(header::SEQUENCE, (sequence + 1).to_string())
                    .with_header(header::LAST_SEQUENCE, sequence.to_string());
                sequence += 1;
                bus.port.publish(message).await.unwrap();
                bus.port.sleep_ms(50).await;
            }
            expected.extend(ends);
            assert_eq!(std::mem::take(&mut *jobs.0.lock().unwrap()), expected, "{task}");
        }
        clerk.stop().await;
    })
    .unwrap();
}
