//! Answering `PING`, `INFO` and `STATS`, for all services, for all of our name, and for this instance (ADR-32).

use std::sync::Arc;

use futures::{StreamExt, stream::select_all};
use serde_json::{Value, json};
use tracing::debug;

use super::stats::Endpoint;
use crate::port::{Message, Port, PublishError, Subscription};

/// Who is discovered.
#[derive(Debug)]
pub(super) struct Identity {
    pub(super) name: String,
    pub(super) id: String,
    pub(super) version: String,
    pub(super) description: String,
    pub(super) metadata: std::collections::BTreeMap<String, String>,
    pub(super) started: String,
    pub(super) endpoints: Vec<Arc<Endpoint>>,
}

#[derive(Clone, Copy)]
enum Verb {
    Ping,
    Info,
    Stats,
}

impl Verb {
    const ALL: [(Self, &'static str); 3] = [(Self::Ping, "PING"), (Self::Info, "INFO"), (Self::Stats, "STATS")];
}

/// The subscriptions of an instance, each with what is asked on it.
pub(super) struct Discovery(Vec<(Verb, Subscription)>);

impl Discovery {
    pub(super) async fn listen(port: &dyn Port, identity: &Identity) -> Result<Self, PublishError> {
        let mut subscriptions = Vec::new();
        for (verb, word) in Verb::ALL {
            let (name, id) = (Some(identity.name.as_str()), Some(identity.id.as_str()));
            for (name, id) in [(None, None), (name, None), (name, id)] {
                let subject = schemas::subject::discovery(word, name, id);
                subscriptions.push((verb, port.subscribe(&subject, None).await?));
            }
        }
        Ok(Self(subscriptions))
    }

    /// Answers without end.
    pub(super) async fn answer(self, port: Arc<dyn Port>, identity: Arc<Identity>) {
        let questions = self.0.into_iter().map(|(verb, questions)| questions.map(move |question| (verb, question)));
        let mut questions = select_all(questions);
        while let Some((verb, question)) = questions.next().await {
            let Some(reply) = question.reply else { continue };
            let answer = Message::new(reply, identity.tell(verb).to_string());
            if let Err(error) = port.publish(answer).await {
                debug!(%error, "a discovery request was not answered");
            }
        }
    }
}

impl Identity {
    fn tell(&self, verb: Verb) -> Value {
        let (kind, more) = match verb {
            Verb::Ping => ("ping", json!({})),
            Verb::Info => {
                let endpoints = self.endpoints.iter().map(|endpoint| {
                    json!({
                        "name": endpoint.name, "subject": endpoint.subject,
                        "queue_group": endpoint.queue_group, "metadata": endpoint.metadata,
                    })
                });
                ("info", json!({"description": self.description, "endpoints": endpoints.collect::<Value>()}))
            }
            Verb::Stats => {
                let endpoints = self.endpoints.iter().map(|endpoint| json!(endpoint.stats()));
                ("stats", json!({"started": self.started, "endpoints": endpoints.collect::<Value>()}))
            }
        };
        let mut told = json!({
            "type": format!("io.nats.micro.v1.{kind}_response"),
            "name": self.name, "id": self.id, "version": self.version, "metadata": self.metadata,
        });
        if let (Some(told), Value::Object(more)) = (told.as_object_mut(), more) {
            told.extend(more);
        }
        told
    }
}
