//! Agents of this crate prompt each other, on a bus in memory. With outsiders they meet in `tests/`, on a real one.

use std::sync::{Arc, LazyLock};

use runtime::{
    memory::Memory,
    port::{Message, Port, Replies, RequestError},
    simulate,
};
use schemas::{ErrorReply, header, subject};

use super::*;
use crate::{
    fixtures::{NOW, agent, signer},
    voice::Voice,
};

struct Seller;

impl Respond for Seller {
    async fn respond(&self, prompt: &Prompt) -> Answered {
        match prompt.text() {
            "ask" => {
                let much = prompt.ask("How much?", 5_000).await?;
                prompt.say(format!("{much} it is")).await
            }
            "who" => prompt.say(format!("{:?}", prompt.key().map(ToString::to_string))).await,
            "refuse" => Err(ErrorReply::refused("sold_out", "wheat is\nsold out")),
            "fail" => panic!("a secret"),
            "wait" => std::future::pending().await,
            text => {
                prompt.say("You said: ").await?;
                prompt.say_with(text, prompt.attachments().to_vec()).await
            }
        }
    }
}

fn voice(id: &str) -> Arc<Voice> {
    Arc::new(Voice::new(agent(id), signer(id)))
}

/// Whoever asks: always the same voice, since no nonce may come twice.
static GHANA: LazyLock<Arc<Voice>> = LazyLock::new(|| voice("ghana"));

/// A bus with a seller on it, as it is found.
async fn market(change: impl FnOnce(Prompted) -> Prompted) -> (Arc<dyn Port>, Prompting, Peer) {
    let port: Arc<dyn Port> = Arc::new(Memory::new(NOW));
    let seller = change(Prompted::new(voice("kenya")).about("Sells wheat"));
    let seller = seller.start(port.clone(), Seller).await.unwrap();
    let [found] = find(port.as_ref(), 1_000).await.unwrap().try_into().unwrap();
    (port, seller, found)
}

async fn asks(port: &Arc<dyn Port>, to: &Peer, text: &str) -> Result<Conversation, PromptError> {
    prompt(port.clone(), &GHANA, to, text, Vec::new(), Patience::default()).await
}

async fn says(port: &Arc<dyn Port>, to: &Peer, text: &str) -> Result<String, PromptError> {
    asks(port, to, text).await?.text().await
}

fn refusal(said: Result<String, PromptError>) -> (u16, String) {
    match said {
        Err(PromptError::NoAnswer(RequestError::Refused { code, text, .. })) => (code, text),
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_agent_is_found_and_answers() {
    simulate(async {
        let (port, seller, found) = market(|it| it).await;
        assert_eq!((found.harness.as_str(), found.owner.as_str(), found.session.as_str()), ("hms-a2a", "hms", "kenya"));
        assert_eq!((found.about.as_str(), found.subject.as_str()), ("Sells wheat", seller.subject()));
        assert!(found.max_body_bytes.is_some() && !found.takes_attachments && !found.wants_signature);
        assert_eq!(says(&port, &found, "hello ✓").await.unwrap(), "You said: hello ✓");
        let key = signer("ghana").key().to_string();
        assert_eq!(says(&port, &found, "who").await.unwrap(), format!("{:?}", Some(key)), "signed by ghana's key");
        assert_eq!(refusal(says(&port, &found, "refuse").await), (422, "wheat is sold out".to_owned()));
        let (code, text) = refusal(says(&port, &found, "fail").await);
        assert!(code == 500 && !text.contains("secret"), "{text}");
        assert_eq!(says(&port, &found, "again").await.unwrap(), "You said: again");
        assert!(seller.drain(1_000).await);
        assert_eq!(find(port.as_ref(), 1_000).await.unwrap(), [], "who has left is found no more");
        let gone = says(&port, &found, "hello").await;
        assert!(matches!(gone, Err(PromptError::NoAnswer(RequestError::NoResponders(_)))), "{gone:?}");
    })
    .unwrap();
}

#[test]
fn whoever_asks_may_be_asked_back() {
    simulate(async {
        let (port, _seller, found) = market(|it| it).await;
        let mut answer = asks(&port, &found, "ask").await.unwrap();
        let mut said = Vec::new();
        while let Some(part) = answer.next().await.unwrap() {
            match part {
                Part::Said { text, .. } => said.push(text),
                Part::Question(question) => {
                    assert_eq!(question.text(), "How much?");
                    question.answer("{Ten}").await.unwrap_or_else(|error| panic!("{error}"));
                }
            }
        }
        assert_eq!(said, ["{Ten} it is"]);
        let alone = says(&port, &found, "ask").await;
        assert_eq!(alone, Err(PromptError::AsksBack("How much?".to_owned())));
    })
    .unwrap();
}

#[test]
fn who_answers_slowly_says_so_until_nobody_wants_to_know() {
    simulate(async {
        let (port, _seller, found) = market(|it| it).await;
        let mut answer = asks(&port, &found, "wait").await.unwrap();
        // An hour of silence, but for what says that somebody is at it: the time for all of the answer runs out.
        let end_unix_ms = port.now_unix_ms() + 600_000;
        let over = answer.next().await;
        assert!(matches!(over, Err(PromptError::NoAnswer(RequestError::TimedOut(_)))), "{over:?}");
        assert!((0..1_000).contains(&(port.now_unix_ms() - end_unix_ms)), "no single silence was too long");
        answer.stop().await.unwrap();
        port.sleep_ms(1_000).await;
        assert_eq!(says(&port, &found, "hello").await.unwrap(), "You said: hello");
    })
    .unwrap();
}

#[test]
fn files_go_where_they_are_taken() {
    simulate(async {
        let file = || vec![Attachment { filename: "a.txt".to_owned(), content: vec![0, 255] }];
        let (port, _seller, found) = market(Prompted::taking_attachments).await;
        let answer = prompt(port, &voice("ghana"), &found, "file", file(), Patience::default()).await;
        let mut answer = answer.unwrap();
        answer.next().await.unwrap();
        match answer.next().await.unwrap() {
            Some(Part::Said { attachments, .. }) => assert_eq!(attachments, file()),
            other => panic!("{other:?}"),
        }
        let (port, _seller, found) = market(|it| it).await;
        let refused = prompt(port, &voice("ghana"), &found, "file", file(), Patience::default()).await;
        assert!(matches!(refused.err(), Some(PromptError::NotTaken(_))));
    })
    .unwrap();
}

#[test]
fn signatures_are_checked() {
    simulate(async {
        let (port, _seller, found) = market(|it| it.signed_only()).await;
        assert!(found.wants_signature);
        let said = async |sender: Option<String>| {
            let question = Message::new(found.subject.as_str(), "who");
            let question = match sender {
                Some(sender) => question.with_header(header::SENDER, sender),
                None => question,
            };
            let mut replies = Replies::to(port.as_ref(), question).await.unwrap();
            match replies.next(1_000).await {
                Ok(_) => 0,
                Err(RequestError::Refused { code, .. }) => {
                    let end = replies.next(1_000).await.unwrap();
                    assert!(end.body.is_empty() && end.headers.is_empty(), "an error is not the end");
                    code
                }
                other => panic!("{other:?}"),
            }
        };
        let ghana = signer("ghana");
        let sign = |subject: &str, body: &[u8], at, nonce| Some(ghana.sign(subject, body, at, nonce).unwrap());
        let now = port.now_unix_ms();
        let good = sign(&found.subject, b"who", now, "n1");
        assert_eq!(said(good.clone()).await, 0);
        assert_eq!(said(good).await, 401, "a replay");
        assert_eq!(said(None).await, 401);
        assert_eq!(said(sign(&found.subject, b"other", now, "n2")).await, 401);
        assert_eq!(said(sign(&found.subject, b"who", now - 60_000, "n3")).await, 401);
        assert_eq!(said(sign("elsewhere", b"who", now, "n4")).await, 401);
        assert_eq!(said(Some("rubbish".to_owned())).await, 400);
        assert_eq!(said(Some(r#"{"v":2}"#.to_owned())).await, 401, "a later version's header is as good as none");
    })
    .unwrap();
}

#[test]
fn heartbeats_come_at_once_and_every_half_a_minute() {
    simulate(async {
        let port: Arc<dyn Port> = Arc::new(Memory::new(NOW));
        let mut beats = port.subscribe(&subject::all_heartbeats(), None).await.unwrap();
        let _seller = Prompted::new(voice("kenya")).start(port.clone(), Seller).await.unwrap();
        for n in 0..3 {
            let beat = futures::StreamExt::next(&mut beats).await.unwrap();
            assert_eq!(port.now_unix_ms(), NOW + n * 30_000);
            let told: serde_json::Value = serde_json::from_slice(&beat.body).unwrap();
            assert_eq!((told["session"].as_str(), told["interval_s"].as_u64()), (Some("kenya"), Some(30)));
            let (sender, _) = runtime::journal::Keys::signature(&beat).unwrap();
            assert_eq!(sender.name.as_deref(), Some("kenya"));
        }
    })
    .unwrap();
}
