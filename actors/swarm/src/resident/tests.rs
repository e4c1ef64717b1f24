//! Residents on a bus in memory, with a registry that only counts.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use runtime::memory::Memory;
use runtime::port::{Message, Port, RequestError};
use runtime::service::Answer;
use runtime::{simulate, task};
use schemas::header::{self, Headers};
use schemas::signature::Sender;
use schemas::{Code, ErrorReply, decode, limit::MAX_BODY_BYTES};

use super::*;
use crate::fixtures::{NOW, agent, signer};

const LEASE_MS: i64 = 60_000;

/// What a registry was asked: by whom, what, and when.
type Asked = Arc<Mutex<Vec<(String, &'static str, i64)>>>;

/// A registry that takes everybody but `thief`, and has no place for anybody the first time.
async fn registry(port: Arc<dyn Port>) -> Asked {
    let asked = Asked::default();
    let (told, mut tries) = (Arc::clone(&asked), BTreeMap::<String, u32>::new());
    let mut questions = port.subscribe(&subject::endpoint("registry", "*"), None).await.unwrap();
    task::spawn(async move {
        while let Some(question) = questions.next().await {
            let sender = Sender::parse(question.headers.get(header::SENDER).unwrap()).unwrap();
            sender.verify(&question.subject, &question.body).unwrap();
            let name = sender.name.clone().unwrap();
            let now = port.now_unix_ms();
            let answer = if let Ok(ask) = decode::<Register>(&question.body, MAX_BODY_BYTES) {
                assert_eq!((ask.agent.as_str(), &ask.key), (name.as_str(), &sender.user));
                assert_eq!(ask.subjects, [place(&name)]);
                let tries = tries.entry(name.clone()).or_default();
                *tries += 1;
                match (name.as_str(), *tries) {
                    ("thief", _) => Err(ErrorReply::new(Code::Forbidden, "held by another key")),
                    (_, 1) => Err(ErrorReply::new(Code::Busy, "come back")),
                    _ => {
                        told.lock().unwrap().push((name.clone(), "register", now));
                        let agent = ask.agent;
                        Ok(Answer::of(&Registered { agent, lease_until_unix_ms: now + LEASE_MS, inbox_sequence: 0 }))
                    }
                }
            } else {
                told.lock().unwrap().push((name, "leave", now));
                Ok(Answer::of(&schemas::registry::Done {}))
            };
            let mut out = Outbox::default();
            out.answer(&question, answer);
            for effect in out.take() {
                let runtime::peer::PeerEffect::Publish(message) = effect else { panic!("{effect:?}") };
                port.publish(message).await.unwrap();
            }
        }
    });
    asked
}

fn place(name: &str) -> String {
    subject::topic(&format!("said.{name}")).unwrap()
}

/// Answers with its name.
struct Named(AgentId);

impl Peer for Named {
    fn on(&mut self, event: PeerEvent, _: i64, out: &mut Outbox) {
        match event {
            PeerEvent::Started => out.subscribe(place(self.0.as_str())),
            PeerEvent::Message(question) => {
                out.answer(&question, Ok(Answer::new(Headers::new(), self.0.to_string())));
            }
            PeerEvent::Stopping => {}
            other => panic!("{other:?}"),
        }
    }
}

fn newcomer(name: &str) -> Newcomer<Named> {
    let voice = Voice::new(agent(name), signer(name));
    Newcomer { voice, subjects: vec![place(name)], peer: Named(agent(name)) }
}

fn count(asked: &Asked, what: &str) -> usize {
    asked.lock().unwrap().iter().filter(|(_, verb, _)| *verb == what).count()
}

#[test]
fn two_thousand_are_registered_and_each_answers() {
    simulate(async {
        let port: Arc<dyn Port> = Arc::new(Memory::new(NOW));
        let asked = registry(Arc::clone(&port)).await;
        let host = Host::new(Arc::clone(&port), 1).unwrap();
        host.share(&subject::all_topics("said.*").unwrap()).await.unwrap();
        let names: Vec<String> = (0..2_000).map(|number| format!("agent-{number}")).collect();
        let here = settle(&host, names.iter().map(|name| newcomer(name)), LEASE_MS).await.unwrap();
        assert_eq!((here.len(), host.present(), count(&asked, "register")), (2_000, 2_000, 2_000));
        for name in &names {
            let answer = port.request(Message::new(place(name), "who?"), 1_000).await.unwrap();
            assert_eq!(&answer.body[..], name.as_bytes());
        }

        // Each renews once between a third and two thirds of its lease, and not all at the same time.
        asked.lock().unwrap().clear();
        port.sleep_ms(LEASE_MS.unsigned_abs() * 2 / 3).await;
        let renewed = std::mem::take(&mut *asked.lock().unwrap());
        let first: BTreeMap<&str, i64> = renewed.iter().rev().map(|(name, _, at)| (name.as_str(), *at)).collect();
        assert_eq!(first.len(), 2_000);
        let (earliest, latest) = (first.values().min().unwrap(), first.values().max().unwrap());
        assert!(latest - earliest > LEASE_MS / 4, "{} ms", latest - earliest);

        leave(here).await;
        assert_eq!((host.present(), count(&asked, "leave")), (0, 2_000));
        let gone = port.request(Message::new(place("agent-7"), "who?"), 100).await;
        assert_eq!(gone, Err(RequestError::TimedOut(100)));
    })
    .unwrap();
}

#[test]
fn whom_the_registry_refuses_is_not_here() {
    simulate(async {
        let port: Arc<dyn Port> = Arc::new(Memory::new(NOW));
        let asked = registry(Arc::clone(&port)).await;
        let host = Host::new(Arc::clone(&port), 1).unwrap();
        let refused = settle(&host, ["ann", "thief"].map(newcomer), LEASE_MS).await.err().unwrap();
        assert_eq!(refused.agent, agent("thief"));
        assert!(matches!(&refused.reason, AskError::Refused(reply) if reply.kind() == Code::Forbidden), "{refused:?}");
        port.sleep_ms(1_000).await;
        assert_eq!((host.present(), count(&asked, "register")), (1, 1), "ann is here");
        let gone = port.request(Message::new(place("thief"), "who?"), 100).await;
        assert_eq!(gone, Err(RequestError::NoResponders(place("thief"))), "it never began");
        assert!(host.stop(5_000).await);
        assert_eq!(count(&asked, "leave"), 1);
    })
    .unwrap();
}
