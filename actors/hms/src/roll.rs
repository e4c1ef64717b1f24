//! The roll call: which services answer, and how they fare (ADR-32).

use std::{pin::pin, sync::Arc};

use futures::{
    StreamExt,
    future::{Either, select},
};
use runtime::port::{Message, Port, PublishError};
use schemas::subject;
use serde::{Deserialize, Serialize};

/// An instance of a service, as it answers `PING` or `STATS`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct Instance {
    /// The service.
    pub name: String,
    /// This instance of it.
    pub id: String,
    /// Its version.
    #[serde(default)]
    pub version: String,
    /// Its endpoints; none in the answer to a ping.
    #[serde(default)]
    pub endpoints: Vec<Endpoint>,
}

/// An endpoint's counts since its service started.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
pub struct Endpoint {
    /// Its name.
    pub name: String,
    /// Requests received.
    #[serde(default)]
    pub num_requests: u64,
    /// Requests answered with an error.
    #[serde(default)]
    pub num_errors: u64,
    /// Time spent on answering, in nanoseconds.
    #[serde(default)]
    pub processing_time: u64,
    /// The last error, `code:text`; empty if there was none.
    #[serde(default)]
    pub last_error: String,
    /// What else the service tells of it.
    #[serde(default, skip_serializing_if = "serde_json::Value::is_null")]
    pub data: serde_json::Value,
}

/// What is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Question {
    /// Who is there?
    Ping,
    /// How do you fare?
    Stats,
}

/// Everybody who answers within `wait_ms`. What is no answer is passed over: anybody may say anything here.
///
/// # Errors
/// When nothing can be asked.
pub async fn call(port: &Arc<dyn Port>, question: Question, wait_ms: u64) -> Result<Vec<Instance>, PublishError> {
    let verb = match question {
        Question::Ping => "PING",
        Question::Stats => "STATS",
    };
    let inbox = format!("_INBOX.hms.{}", port.unique_token());
    let mut answers = port.subscribe(&inbox, None).await?;
    port.publish(Message::new(subject::discovery(verb, None, None), Vec::new()).with_reply(inbox)).await?;
    let mut present: Vec<Instance> = Vec::new();
    let mut over = pin!(port.sleep_ms(wait_ms));
    while let Either::Left((Some(answer), _)) = select(answers.next(), over.as_mut()).await {
        match serde_json::from_slice::<Instance>(&answer.body) {
            Ok(instance) if present.iter().all(|known| known.id != instance.id) => present.push(instance),
            _ => {}
        }
    }
    Ok(present)
}
