//! The AsyncAPI 3.0 document: every channel, who sends and who answers, each body by its JSON Schema.
//!
//! It stands in `schemas/`, beside the schemas that it refers to. The application that it describes is
//! the cores: they receive requests and send what they publish.

use schemas::{JobId, SCHEMA_VERSION, catalogue, header};
use serde_json::{Map, Value, json};

use crate::Outcome;
use crate::schema::Definitions;
use crate::subjects::{Kind, Subject, table};
use crate::yaml;

/// The document as YAML.
pub fn document(definitions: &Definitions) -> Outcome<String> {
    Ok(format!("# Generated from the crate `schemas`: do not edit.\n{}", yaml::document(&described(definitions)?)))
}

fn described(definitions: &Definitions) -> Outcome<Value> {
    let table = table(definitions)?;
    let mut channels = Map::new();
    let mut operations = Map::new();
    for subject in &table {
        channels.insert(subject.name.clone(), channel(subject));
        operations.insert(operation_name(subject), operation(subject));
        if matches!(subject.kind, Kind::Request(_)) {
            channels.insert(format!("{}_reply", subject.name), reply_channel(subject));
        }
    }
    let mut messages = Map::new();
    for entry in catalogue::ALL {
        let about = definitions.get(entry.kind)?.get("description").and_then(Value::as_str).unwrap_or_default();
        messages.insert(
            entry.kind.to_owned(),
            json!({
                "name": entry.kind, "title": (entry.name)(), "summary": about, "contentType": header::MSGPACK,
                "headers": { "$ref": "#/components/schemas/headers" },
                "payload": { "schemaFormat": "application/schema+json;version=draft-2020-12",
                    "schema": { "$ref": format!("./json/{}.json", entry.kind) } },
            }),
        );
    }
    messages.insert(
        "any".to_owned(),
        json!({ "name": "any", "title": "Any", "summary": "Whatever those who talk here have agreed on.", "contentType": header::MSGPACK }),
    );
    Ok(json!({
        "asyncapi": "3.0.0",
        "info": {
            "title": "HMS-A2A", "version": SCHEMA_VERSION, "license": { "name": "Apache-2.0" },
            "description": "A message bus on which software agents make deals, on NATS. Generated from the crate `schemas`: do not edit.",
        },
        "defaultContentType": header::MSGPACK,
        "servers": { "local": { "host": "127.0.0.1:4222", "protocol": "nats", "description": "What `hms up` starts." } },
        "channels": channels,
        "operations": operations,
        "components": { "messages": messages, "schemas": { "headers": headers() } },
    }))
}

fn headers() -> Value {
    json!({
        "type": "object",
        "properties": {
            header::CONTENT_TYPE: { "type": "string", "const": header::MSGPACK },
            header::TYPE: { "type": "string", "description": "The body's type. A core's good answer has no headers: its body says its type." },
            header::SCHEMA: { "type": "string", "description": "The version of the contract that the body was written to." },
            header::DEADLINE: { "type": "string", "pattern": "^[0-9]+$", "description": "When the sender stops waiting, in Unix milliseconds." },
            header::JOB: { "type": "string", "pattern": JobId::PATTERN, "description": "The name under which the requester watches and stops this request." },
            header::TRACEPARENT: { "type": "string", "description": "The W3C trace context." },
            header::SENDER: { "type": "string", "description": "Who sent it, signed: Synadia Agent Protocol 0.3, section 13. Needed on every move and every intent." },
            header::ERROR_CODE: { "type": "string", "pattern": "^[0-9]{3}$", "description": "On an error reply: its number (ADR-32)." },
            header::ERROR: { "type": "string", "description": "On an error reply: its text (ADR-32)." },
        },
    })
}

fn references(kinds: &[&'static str], within: &str) -> Value {
    let kinds = if kinds.is_empty() { &["any"] } else { kinds };
    kinds
        .iter()
        .map(|kind| (kind.to_string(), json!({ "$ref": format!("{within}{kind}") })))
        .collect::<Map<_, _>>()
        .into()
}

fn parameters(subject: &Subject) -> Map<String, Value> {
    let about = |name: &str| match name {
        "party" | "agent" => "An agent's id: 1 to 63 of a-z, 0-9, _ and -.",
        "market" | "book" => "A market's id, which is its book's: 1 to 63 of a-z, 0-9, _ and -.",
        "deal" => "A deal's id: 26 of a-z and 2-7.",
        "job" => "A job's id: 1 to 64 of A-Z, a-z, 0-9, _ and -.",
        "skill" => "A skill: 1 to 63 of a-z, 0-9, _ and -.",
        "island" => "An island's number, from 0.",
        "topic" => "Tokens of printable ASCII, joined by dots.",
        _ => "A core's name.",
    };
    let names = subject.template.split('{').skip(1).filter_map(|rest| rest.split('}').next());
    names.map(|name| (name.to_owned(), json!({ "description": about(name) }))).collect()
}

fn channel(subject: &Subject) -> Value {
    let kept = match subject.kind {
        Kind::Request(service) => format!("A request to the service {service}."),
        Kind::Stream(stream) => format!("Kept by the stream {stream}."),
        Kind::Live(stream) => format!("Republished by the stream {stream} once it is stored."),
        Kind::Plain => "Plain publish and subscribe.".to_owned(),
    };
    let mut channel = json!({
        "address": subject.template, "title": subject.about, "description": format!("{kept} Written by: {}.", subject.writer),
        "messages": references(&subject.bodies, "#/components/messages/"),
    });
    let parameters = parameters(subject);
    if let (Some(members), false) = (channel.as_object_mut(), parameters.is_empty()) {
        members.insert("parameters".into(), parameters.into());
    }
    channel
}

fn reply_channel(subject: &Subject) -> Value {
    json!({ "address": null, "title": format!("answers of {}", subject.name), "messages": references(&subject.replies, "#/components/messages/") })
}

fn operation_name(subject: &Subject) -> String {
    let verb = if matches!(subject.kind, Kind::Request(_)) { "receive" } else { "send" };
    format!("{verb}_{}", subject.name)
}

fn operation(subject: &Subject) -> Value {
    let at = format!("#/channels/{}", subject.name);
    let listed = |channel: &str, kinds: &[&'static str]| -> Value {
        let kinds = if kinds.is_empty() { &["any"] } else { kinds };
        kinds.iter().map(|kind| json!({ "$ref": format!("{channel}/messages/{kind}") })).collect()
    };
    let mut operation = json!({
        "action": if matches!(subject.kind, Kind::Request(_)) { "receive" } else { "send" },
        "channel": { "$ref": at }, "summary": subject.about, "messages": listed(&at, &subject.bodies),
    });
    if let (Some(members), Kind::Request(service)) = (operation.as_object_mut(), subject.kind) {
        members.insert("bindings".into(), json!({ "nats": { "queue": service, "bindingVersion": "0.1.0" } }));
        let back = format!("{at}_reply");
        members.insert(
            "reply".into(),
            json!({ "channel": { "$ref": back }, "messages": listed(&back, &subject.replies) }),
        );
    }
    operation
}

#[cfg(test)]
mod tests {
    use super::*;

    fn references<'a>(value: &'a Value, found: &mut Vec<&'a str>) {
        match value {
            Value::Object(members) => {
                found.extend(members.get("$ref").and_then(Value::as_str));
                members.values().for_each(|member| references(member, found));
            }
            Value::Array(items) => items.iter().for_each(|item| references(item, found)),
            _ => {}
        }
    }

    #[test]
    fn every_reference_leads_somewhere() {
        let document = described(&Definitions::derive().unwrap()).unwrap();
        let mut found = Vec::new();
        references(&document, &mut found);
        assert!(found.len() > 300);
        for reference in found {
            match reference.strip_prefix("./json/") {
                Some(file) => assert!(catalogue::find(file.trim_end_matches(".json")).is_some(), "{reference}"),
                None => assert!(document.pointer(reference.trim_start_matches('#')).is_some(), "{reference}"),
            }
        }
    }

    #[test]
    fn an_operation_speaks_of_its_own_channels_messages_and_a_request_is_answered() {
        let document = described(&Definitions::derive().unwrap()).unwrap();
        for (name, operation) in document["operations"].as_object().unwrap() {
            let mut sides = vec![operation];
            if name.starts_with("receive_") {
                sides.push(&operation["reply"]);
            }
            for side in sides {
                let channel = side["channel"]["$ref"].as_str().unwrap();
                let messages = side["messages"].as_array().unwrap();
                assert!(!messages.is_empty(), "{name}");
                for message in messages {
                    assert!(message["$ref"].as_str().unwrap().starts_with(&format!("{channel}/messages/")), "{name}");
                }
            }
        }
    }

    #[test]
    fn every_variable_token_of_an_address_is_a_parameter() {
        let document = described(&Definitions::derive().unwrap()).unwrap();
        for (name, channel) in document["channels"].as_object().unwrap() {
            let address = channel["address"].as_str().unwrap_or_default();
            let tokens = address.split('{').skip(1).map(|rest| rest.split('}').next().unwrap());
            assert!(tokens.clone().all(|token| channel["parameters"].get(token).is_some()), "{name}");
            assert_eq!(tokens.count(), channel["parameters"].as_object().map_or(0, Map::len), "{name}");
        }
    }
}
