//! `hms call --local`: a pure core in this process, JSON in and out.

use serde_json::{Value, json};

use crate::{check, hms, hms_in};

fn offers() -> Value {
    let good = |good: &str| json!({ "good": good, "unit": "tonne" });
    let offer = |agent: &str, gives: &str, wants: &str| {
        json!({
            "agent": agent,
            "gives": [{ "good": gives, "limit": 100, "cost": { "lo": "1", "hi": "1" } }],
            "wants": [{ "any_of": [{ "good": wants, "limit": 100, "value": { "lo": "2", "hi": "2" } }] }],
        })
    };
    json!({
        "goods": [good("oil"), good("tea")], "max_ring": 3, "time_limit_ms": 5000,
        "offers": [offer("angola", "oil", "tea"), offer("kenya", "tea", "oil")],
    })
}

#[test]
fn a_clearing_runs_without_a_bus() {
    let ran = hms(&["call", "graph.clear", "-", "--local", "--json"], offers().to_string().as_bytes());
    check(&ran, 0, "graph.cleared");
    let cleared: Value = serde_json::from_str(&ran.out).unwrap();
    // Each gives 100 that cost 1 for 100 that are worth 2.
    assert_eq!((&cleared["objective"], cleared["rings"].as_array().unwrap().len()), (&json!(200), 1));
}

#[test]
fn a_pot_is_divided_without_a_bus() {
    let request = json!({ "rule": "leximin", "pot": { "amount_minor": 100, "claimants": [
        { "party": "a", "most_minor": 80 }, { "party": "b", "most_minor": 40 }] } });
    let ran = hms(&["call", "trade_balance.divide", "-", "--local", "--json"], request.to_string().as_bytes());
    check(&ran, 0, "trade_balance.divided");
    let divided: Value = serde_json::from_str(&ran.out).unwrap();
    let amounts: Vec<_> =
        divided["shares"].as_array().unwrap().iter().map(|share| share["amount_minor"].clone()).collect();
    assert_eq!(amounts, [json!(67), json!(33)]);
    let greedy =
        json!({ "rule": "nash", "pot": { "amount_minor": 1, "claimants": [{ "party": "a", "least_minor": 2 }] } });
    let ran = hms(&["call", "trade_balance.divide", "-", "--local"], greedy.to_string().as_bytes());
    check(&ran, 1, "pot.amount_minor");
}

#[test]
fn a_balance_runs_without_a_bus_and_from_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let transfer = |from, to, good, quantity| json!({ "from": from, "to": to, "good": good, "quantity": quantity, "due_unix_ms": 0 });
    let request = json!({ "transfers": [transfer("a", "b", "tea", 5), transfer("b", "a", "tea", 2)] });
    std::fs::write(folder.path().join("transfers.json"), request.to_string()).unwrap();
    let ran = hms_in(folder.path(), &["call", "trade_balance.balance", "transfers.json", "--local", "--json"], b"");
    check(&ran, 0, "trade_balance.balanced");
    let balanced: Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!(balanced["bilateral"], json!([{ "a": "a", "b": "b", "good": "tea", "net": 3 }]));
}

#[test]
fn terms_are_evolved_without_a_bus() {
    let exactly = |value: &str| json!({ "lo": value, "hi": value });
    let party = |party: &str, wants: &str, value: &str, gives: &str, cost: &str| {
        json!({ "party": party, "valuation": {
            "values": [{ "good": wants, "value": exactly(value) }], "costs": [{ "good": gives, "cost": exactly(cost) }] } })
    };
    let movable = |from: &str, to: &str, good: &str| json!({ "from": from, "to": to, "good": good, "most": 50, "due_unix_ms": 0 });
    let request = json!({ "evaluations": 2_000, "population": 40, "seed": 5, "sought": {
        "book": "b", "delivery": "immediate", "expires_unix_ms": 0,
        "transfers": [movable("a", "b", "tea"), movable("b", "a", "oil")],
        "valuations": [party("a", "oil", "3", "tea", "2"), party("b", "tea", "3", "oil", "2")],
    } });
    let ran = hms(&["call", "genetic.evolve", "-", "--local", "--json"], request.to_string().as_bytes());
    check(&ran, 0, "genetic.evolved");
    let evolved: Value = serde_json::from_str(&ran.out).unwrap();
    // 50 for 50 gains everybody 50: nothing makes more welfare.
    assert_eq!(evolved["front"][0]["welfare_minor"], json!(100));
    assert!(evolved["front"].as_array().unwrap().len() > 10);
    let again = hms(&["call", "genetic.evolve", "-", "--local", "--json"], request.to_string().as_bytes());
    assert_eq!(again.out, ran.out);
    let mut wrong = request.clone();
    wrong["sought"]["transfers"][1]["most"] = json!(-3);
    let ran = hms(&["call", "genetic.evolve", "-", "--local"], wrong.to_string().as_bytes());
    check(&ran, 2, "sought.transfers[1].most");
}

#[test]
fn a_slip_is_named_with_its_field() {
    let call = |request: &Value| hms(&["call", "graph.clear", "-", "--local"], request.to_string().as_bytes());
    let mut typo = offers();
    typo["offers"][1]["gives"][0]["limits"] = json!(3);
    check(&call(&typo), 2, "offers[1].gives[0].limits: graph.clear has no such field");
    let mut negative = offers();
    negative["offers"][0]["gives"][0]["limit"] = json!(-1);
    check(&call(&negative), 2, "offers[0].gives[0].limit");
    let mut lacking = offers();
    lacking.as_object_mut().unwrap().remove("max_ring");
    check(&call(&lacking), 2, "max_ring");
    check(&call(&json!([])), 2, "JSON object");
    check(&hms(&["call", "graph.clear", "-", "--local"], b"{"), 2, "EOF");
    check(&hms(&["call", "graph.clear", "-", "--local"], b"{\"max_ring\":2,\"max_ring\":3}"), 2, "stands twice");
    check(&hms(&["call", "graph.clear", "nowhere.json", "--local"], b""), 2, "nowhere.json");
    check(&hms(&["call", "ledger.balance", "-", "--local"], b"{\"book\":\"b\"}"), 64, "needs a bus");
}

#[test]
fn a_refusal_is_1_and_with_json_it_is_json() {
    // What kenya gives has no cost stated.
    let terms = json!({
        "type": "terms", "book": "b", "parties": ["angola", "kenya"], "delivery": "immediate", "expires_unix_ms": 0,
        "transfers": [{ "from": "kenya", "to": "angola", "good": "tea", "quantity": 1, "due_unix_ms": 0 }],
    });
    let stated = |party| json!({ "party": party, "valuation": { "values": [], "costs": [] } });
    let request = json!({ "terms": terms, "valuations": [stated("angola"), stated("kenya")] }).to_string();
    let ran = hms(&["call", "trade_balance.value", "-", "--local"], request.as_bytes());
    check(&ran, 1, "422");
    let ran = hms(&["call", "trade_balance.value", "-", "--local", "--json"], request.as_bytes());
    assert_eq!((ran.code, ran.err.as_str()), (Some(1), ""));
    let refused: Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!((&refused["type"], &refused["code"]), (&json!("error"), &json!(422)));
}
