//! Runs the vectors that every implementation of the contract runs. The Python package runs the same.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)] // this is all test code

use std::path::{Path, PathBuf};

use data_encoding::HEXLOWER;
use schemas::body::{self, DecodeError};
use schemas::catalogue;
use schemas::id::{AgentId, DealId, MoveId};
use schemas::limit::MAX_BODY_BYTES;
use schemas::signature::{Sender, Signer};
use schemas::{Hash, Ratio, Rational, infix, subject};
use serde_json::Value;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("vectors")
}

fn read(file: &str) -> Vec<Value> {
    let text = std::fs::read_to_string(folder().join(file)).unwrap();
    serde_json::from_str(&text).unwrap()
}

fn text<'a>(vector: &'a Value, member: &str) -> &'a str {
    vector[member].as_str().unwrap_or_else(|| panic!("{member} is no text in {vector}"))
}

fn raw(vector: &Value, member: &str) -> Vec<u8> {
    HEXLOWER.decode(text(vector, member).as_bytes()).unwrap()
}

fn content(vector: &Value) -> Vec<u8> {
    let repeated = &vector["msgpack_repeated"];
    if repeated.is_null() {
        return raw(vector, "msgpack_hex");
    }
    let times = usize::try_from(repeated["times"].as_u64().unwrap()).unwrap();
    [raw(repeated, "start_hex"), raw(repeated, "middle_hex").repeat(times), raw(repeated, "end_hex")].concat()
}

/// Reads as an endpoint reads that expects this type: bounded, scanned, typed, checked; writes again.
fn rewrite(kind: &str, bytes: &[u8]) -> Result<(Vec<u8>, Value), DecodeError> {
    body::type_of(bytes, MAX_BODY_BYTES)?;
    let entry = catalogue::find(kind).unwrap();
    Ok(((entry.rewrite)(bytes)?, (entry.to_json)(bytes)?))
}

fn fault_of(vector: &Value) -> Option<String> {
    let bytes = content(vector);
    if Hash::of(&bytes).to_string() != text(vector, "sha256") {
        return Some("has another SHA-256".into());
    }
    let outcome = rewrite(text(vector, "type"), &bytes);
    match (text(vector, "verdict"), outcome) {
        ("good", Err(error)) => Some(format!("is refused: {}: {error}", error.field())),
        ("good", Ok((written, json))) => {
            let expected = if vector["rewritten_hex"].is_null() { bytes } else { raw(vector, "rewritten_hex") };
            let from_json = catalogue::find(text(vector, "type")).map(|entry| (entry.from_json)(&vector["json"]));
            if written != expected {
                Some(format!("is written as {}", HEXLOWER.encode(&written)))
            } else if json != vector["json"] {
                Some(format!("is shown as {json}"))
            } else if from_json != Some(Ok(expected)) {
                Some(format!("is not what its JSON is written as: {from_json:?}"))
            } else {
                None
            }
        }
        (_, Ok(_)) => Some("is read".into()),
        (_, Err(error)) if error.field() != text(vector, "field") => {
            Some(format!("is refused at {:?} and not at {:?}: {error}", error.field(), text(vector, "field")))
        }
        (_, Err(_)) => None,
    }
}

#[test]
fn every_body_is_read_or_refused_as_its_vector_says() {
    let files = catalogue::ALL.iter().map(|entry| format!("{}.json", entry.kind));
    let (mut good, mut bad, mut faults) = (0, 0, Vec::new());
    for file in files.chain(["structure.json".to_owned()]) {
        let vectors = read(&file);
        let sound = vectors.iter().filter(|vector| vector["verdict"] == "good").count();
        assert!(sound > 0, "{file} has no good vector");
        (good, bad) = (good + sound, bad + vectors.len() - sound);
        for vector in vectors {
            faults.extend(fault_of(&vector).map(|fault| format!("{file}: {} {fault}", vector["name"])));
        }
    }
    assert!(faults.is_empty(), "{} of {}:\n{}", faults.len(), good + bad, faults.join("\n"));
    assert!(bad > 10 * good, "{good} good, {bad} bad");
}

#[test]
fn a_body_of_a_type_that_nobody_knows_is_not_understood() {
    let body = HEXLOWER.decode(b"81a474797065a76e6f2e73756368").unwrap();
    assert_eq!(body::type_of(&body, MAX_BODY_BYTES), Ok("no.such"));
    for entry in catalogue::ALL {
        let error = (entry.rewrite)(&body).unwrap_err();
        assert!(
            matches!(&error, DecodeError::NotUnderstood { got, .. } if got == "no.such"),
            "{}: {error}",
            entry.kind
        );
    }
}

#[test]
fn signatures() {
    let vectors = read("signatures.json");
    assert!(vectors.len() > 30);
    for vector in vectors {
        let (subject, payload, header) =
            (text(&vector, "subject"), raw(&vector, "payload_hex"), text(&vector, "header"));
        let outcome = Sender::parse(header).and_then(|sender| sender.verify(subject, &payload).map(|()| sender));
        if vector["verdict"] == "bad" {
            assert!(outcome.is_err(), "{} holds", vector["name"]);
            continue;
        }
        let sender = outcome.unwrap_or_else(|error| panic!("{}: {error}", vector["name"]));
        let now_unix_ms = vector["now_unix_ms"].as_i64().unwrap();
        assert_eq!(sender.check_fresh(now_unix_ms), Ok(()));
        assert!(sender.check_fresh(now_unix_ms + 32_000).is_err() && sender.check_fresh(now_unix_ms - 32_000).is_err());
        let account = text(&vector, "account").parse().unwrap();
        let signer = Signer::from_seed(text(&vector, "test_seed"), account, text(&vector, "agent")).unwrap();
        assert_eq!(signer.key().as_str(), text(&vector, "user"));
        assert_eq!(signer.sign(subject, &payload, now_unix_ms, text(&vector, "nonce")).unwrap(), header);
    }
}

#[test]
fn deal_ids() {
    for vector in read("deal-ids.json") {
        let deal = text(&vector, "deal");
        assert_eq!(DealId::parse(deal).is_ok(), vector["verdict"] == "good", "{deal:?}");
        if vector["verdict"] == "good" {
            let opener = AgentId::parse(text(&vector, "opener")).unwrap();
            let move_id = MoveId::parse(text(&vector, "move_id")).unwrap();
            assert_eq!(DealId::of(&opener, &move_id).as_str(), deal);
        }
    }
}

#[test]
fn rationals() {
    for vector in read("rationals.json") {
        let outcome = text(&vector, "text").parse::<Rational>();
        if vector["verdict"] == "good" {
            let ratio = outcome.unwrap();
            let parts = (vector["numerator"].as_i64().unwrap(), vector["denominator"].as_i64().unwrap());
            assert_eq!((ratio.numerator(), ratio.denominator()), parts);
            assert_eq!(ratio.to_string(), text(&vector, "text"));
        } else {
            assert!(outcome.is_err(), "{} is read", vector["name"]);
        }
    }
}

#[test]
fn ratios_of_any_size() {
    let vectors = read("ratios.json");
    assert!(vectors.len() > 30);
    for vector in vectors {
        let outcome = text(&vector, "text").parse::<Ratio>();
        if vector["verdict"] == "good" {
            assert_eq!(outcome.unwrap().to_string(), text(&vector, "text"));
        } else {
            assert!(outcome.is_err(), "{} is read", vector["name"]);
        }
    }
}

#[test]
fn claims_as_people_write_them() {
    let vectors = read("infix.json");
    assert!(vectors.len() > 90);
    for vector in vectors {
        let outcome = infix::parse(text(&vector, "text"));
        if vector["verdict"] == "good" {
            let claim = outcome.unwrap_or_else(|error| panic!("{}: {error}", vector["name"]));
            assert_eq!(HEXLOWER.encode(&body::encode(&claim)), text(&vector, "claim"), "{}", vector["name"]);
            assert_eq!(infix::print(&claim), text(&vector, "printed"));
            assert_eq!(infix::parse(text(&vector, "printed")), Ok(claim));
        } else {
            let error = outcome.expect_err(text(&vector, "name"));
            assert_eq!(Some(error.column as u64), vector["column"].as_u64(), "{}: {error}", vector["name"]);
        }
    }
}

#[test]
fn subjects() {
    fn parts(reader: &str, subject: &str) -> Result<Vec<String>, subject::BadSubject> {
        let two = |(a, b): (schemas::MarketId, AgentId)| vec![a.to_string(), b.to_string()];
        match reader {
            "deal_move" => subject::parse_deal_move(subject)
                .map(|(verb, party, deal)| vec![verb.to_string(), party.to_string(), deal.to_string()]),
            "deal_log" | "live_deal_log" => subject::parse_deal_log(subject).map(|deal| vec![deal.to_string()]),
            "inbox" | "live_inbox" => subject::parse_inbox(subject).map(|agent| vec![agent.to_string()]),
            "intent" | "live_intent" => subject::parse_intent(subject).map(two),
            "task_move" => subject::parse_task_move(subject)
                .map(|(verb, agent, job)| vec![verb.to_string(), agent.to_string(), job.to_string()]),
            "task_log" | "live_task_log" => subject::parse_task_log(subject).map(|job| vec![job.to_string()]),
            "job_cancel" => subject::parse_job_cancel(subject).map(|job| vec![job.to_string()]),
            other => panic!("no reader {other}"),
        }
    }
    let vectors = read("subjects.json");
    assert!(vectors.len() > 50);
    for vector in vectors {
        let outcome = parts(text(&vector, "reader"), text(&vector, "subject"));
        if vector["verdict"] == "good" {
            let expected: Vec<_> =
                vector["parts"].as_array().unwrap().iter().filter_map(Value::as_str).map(str::to_owned).collect();
            assert_eq!(outcome.unwrap(), expected);
        } else {
            assert!(outcome.is_err(), "{vector}: {outcome:?}");
        }
    }
}
