//! Asking services: JSON becomes a typed body, strictly, and an answer or an error reply comes back.

use runtime::port::{Message, Port, RequestError};
use schemas::{
    ErrorReply,
    body::{self, DecodeError, Message as Body},
    catalogue, header,
    header::Headers,
    limit::MAX_CLEARING_BODY_BYTES,
    subject,
};
use serde_json::Value;

use crate::exit::{Exit, OrExit, Outcome, Stop};

/// How long an answer may take unless told otherwise, in milliseconds.
pub const TIMEOUT_MS: u64 = 5_000;

/// What a service says.
#[derive(Debug)]
pub enum Reply<T> {
    /// It answers.
    Answer(T),
    /// It refuses.
    Refused(ErrorReply),
}

/// Sends a request and waits.
///
/// # Errors
/// When nobody answers.
pub async fn send(port: &dyn Port, message: Message, timeout_ms: u64) -> Outcome<Reply<Message>> {
    match port.request(message, timeout_ms).await {
        Ok(reply) => Ok(Reply::Answer(reply)),
        Err(RequestError::Refused { code, text, reply }) => {
            let refused = body::decode::<ErrorReply>(&reply.body, MAX_CLEARING_BODY_BYTES).unwrap_or_else(|_| {
                // Not one of ours: what its headers say is all there is.
                ErrorReply { code, ..ErrorReply::new(schemas::Code::Internal, text) }
            });
            Ok(Reply::Refused(refused))
        }
        Err(error) => Err(error.into()),
    }
}

/// Asks `service.verb`, unsigned.
///
/// # Errors
/// When nobody answers, or what comes cannot be read.
pub async fn ask<Q: Body, A: Body>(
    port: &dyn Port,
    service: &str,
    verb: &str,
    ask: &Q,
    timeout_ms: u64,
) -> Outcome<Reply<A>> {
    let deadline = port.now_unix_ms().saturating_add(i64::try_from(timeout_ms).unwrap_or(i64::MAX));
    let headers = Headers::of_type(Q::TYPE).with(header::DEADLINE, deadline.to_string());
    let message = Message::new(subject::endpoint(service, verb), body::encode(ask)).with_headers(headers);
    match send(port, message, timeout_ms).await? {
        Reply::Answer(reply) => {
            body::decode(&reply.body, MAX_CLEARING_BODY_BYTES).map(Reply::Answer).or_exit(Exit::Bad)
        }
        Reply::Refused(refused) => Ok(Reply::Refused(refused)),
    }
}

/// Reads JSON as a body of the type `T`; `type` may be left out.
///
/// # Errors
/// Exit code 2, naming the field.
pub fn typed<T: Body>(json: Value) -> Outcome<T> {
    let bytes = body_of(T::TYPE, json)?;
    body::decode(&bytes, MAX_CLEARING_BODY_BYTES).or_exit(Exit::Input)
}

/// Writes the body of type `kind` that JSON describes; `type` may be left out. On the wire unknown fields are
/// ignored, but here a person wrote them, so a field that the type does not have is refused as the slip that it
/// most likely is.
///
/// # Errors
/// Exit code 2, naming the field.
pub fn body_of(kind: &str, mut json: Value) -> Outcome<Vec<u8>> {
    let entry =
        catalogue::find(kind).ok_or_else(|| Stop::say(Exit::Input, format_args!("no body is of type {kind:?}")))?;
    let Some(fields) = json.as_object_mut() else {
        return Err(Stop::say(Exit::Input, format_args!("{kind} is a JSON object")));
    };
    if !fields.contains_key("type") {
        fields.insert("type".into(), kind.into());
    }
    let bytes = (entry.from_json)(&json).map_err(|error| Stop::say(Exit::Input, fault(&error)))?;
    let kept = (entry.to_json)(&bytes).map_err(|error| Stop::say(Exit::Input, fault(&error)))?;
    match stray(&json, &kept, "") {
        None => Ok(bytes),
        Some((field, true)) => {
            Err(Stop::say(Exit::Input, format_args!("{field}: null is no value here: leave the field out")))
        }
        Some((field, false)) => Err(Stop::say(Exit::Input, format_args!("{field}: {kind} has no such field"))),
    }
}

fn fault(error: &DecodeError) -> String {
    match error {
        DecodeError::Field(refused) if refused.field.is_empty() => refused.reason.clone(),
        error => error.to_string(),
    }
}

/// The first field that was given and not kept, and whether it was null.
fn stray(given: &Value, kept: &Value, path: &str) -> Option<(String, bool)> {
    match (given, kept) {
        (Value::Object(given), Value::Object(kept)) => given.iter().find_map(|(key, value)| {
            let field = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
            match kept.get(key) {
                Some(kept) => stray(value, kept, &field),
                // An empty list is written by leaving it out.
                None if value.as_array().is_some_and(Vec::is_empty) => None,
                None => Some((field, value.is_null())),
            }
        }),
        (Value::Array(given), Value::Array(kept)) => given
            .iter()
            .zip(kept)
            .enumerate()
            .find_map(|(index, (given, kept))| stray(given, kept, &format!("{path}[{index}]"))),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use schemas::market::Intent;
    use serde_json::json;

    fn intent() -> Value {
        json!({
            "market": "m", "agent": "a", "wants": [],
            "gives": [{ "good": "wheat", "limit": 5, "cost": { "lo": "1/2", "hi": "1" } }],
        })
    }

    #[test]
    fn json_becomes_a_body_and_its_type_is_filled_in() {
        let read: Intent = typed(intent()).unwrap();
        assert_eq!((read.agent.as_str(), read.gives.len()), ("a", 1));
    }

    #[test]
    fn the_field_at_fault_is_named() {
        let with = |pointer: &str, value: Value| {
            let mut intent = intent();
            let (parent, key) = pointer.rsplit_once('/').unwrap();
            intent.pointer_mut(parent).unwrap().as_object_mut().unwrap().insert(key.into(), value);
            intent
        };
        for (json, words) in [
            (with("/margin", json!(1)), "margin: intent has no such field"),
            (with("/gives/0/prise", json!(1)), "gives[0].prise: intent has no such field"),
            (with("/gives/0/limit", json!(0)), "gives[0].limit"),
            (with("/gives/0/limit", json!(1.5)), "gives[0].limit"),
            (with("/gives/0/cost/lo", json!("2/4")), "gives[0].cost.lo"),
            (with("/gives/0/cost/lo", json!("2")), "gives[0].cost: lo 2 exceeds hi 1"),
            (with("/outlook", json!({ "rate": null })), "outlook.rate: null"),
            (with("/type", json!("terms")), "not understood"),
            (json!({}), "market"),
            (json!([]), "intent is a JSON object"),
        ] {
            let stop = typed::<Intent>(json.clone()).unwrap_err();
            let said = format!("{:#}", stop.error.unwrap());
            assert!(stop.exit == Exit::Input && said.contains(words), "{json}: {said}");
        }
    }
}
