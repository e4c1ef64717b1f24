//! Import certificates on a real bus: enacted, earned, sold, spent, lacking, revoked, and found right by the verifier.

use super::*;

fn deal(bus: &Bus, transfers: &[(&str, &str, &str, i64)], delivery: &str) -> String {
    let expires = now_unix_ms() + 60_000;
    let mut parties: Vec<&str> = transfers.iter().flat_map(|(from, to, _, _)| [*from, *to]).collect();
    parties.sort_unstable();
    parties.dedup();
    let hops: Vec<Value> = transfers
        .iter()
        .map(|(from, to, good, quantity)| {
            json!({ "from": from, "to": to, "good": good, "quantity": quantity, "due_unix_ms": expires })
        })
        .collect();
    let terms = json!({
        "book": "africa", "parties": parties, "delivery": delivery, "expires_unix_ms": expires, "transfers": hops,
    });
    let open = json!({
        "book": "africa", "profile": "fixed/1", "parties": parties, "expires_unix_ms": expires, "terms": terms,
    });
    let opened = bus.call("deal.open", parties[0], &open);
    let deal = opened["deal"].as_str().unwrap().to_owned();
    for party in parties {
        let valuation = json!({ "values": [], "costs": [] });
        let accept = json!({ "deal": deal, "terms_hash": opened["terms_hash"], "valuation": valuation });
        bus.call("deal.accept", party, &accept);
    }
    deal
}

fn shows(bus: &Bus, deal: &str, what: &str) {
    until(what, || bus.hms(&["deal", "show", deal, "--json"]).out.contains(what));
}

/// Issued, outstanding, spent, expired and revoked of all lots together; and what each party holds.
fn certificates(bus: &Bus) -> ([i64; 5], Vec<(String, i64)>) {
    let ran = bus.hms(&["ledger", "certificates", "africa", "--json"]);
    check(&ran, 0, "");
    let told: Value = serde_json::from_str(&ran.out).unwrap();
    let sum = |part: &str| told["lots"].as_array().unwrap().iter().map(|lot| lot[part].as_i64().unwrap()).sum();
    let holds = told["holdings"].as_array().unwrap().iter();
    let holds = holds.map(|held| (held["party"].as_str().unwrap().to_owned(), held["quantity"].as_i64().unwrap()));
    (["issued", "outstanding", "spent", "expired", "revoked"].map(sum), holds.collect())
}

#[test]
fn certificates_are_earned_sold_spent_lacking_and_revoked() {
    let bus = Bus::start();
    for (agent, good) in [("angola", "oil"), ("kenya", "tea"), ("mali", "gold"), ("union", "gold")] {
        bus.call("registry.register", agent, &json!({}));
        bus.call("ledger.declare", agent, &json!({ "book": "africa", "limits": [{ "good": good, "quantity": 100 }] }));
    }
    check(&bus.hms(&["ledger", "certificates", "africa"]), 0, "keeps no import certificates");
    check(&bus.hms(&["ledger", "enact", "africa", "--as", "union"]), 1, "no market africa is declared");
    let required_from = now_unix_ms() + 4_000;
    let market = json!({
        "market": "africa", "unit_of_account": "US cent", "band": { "lo": "1/2", "hi": "2" }, "margin_ppm": 0, "max_ring": 3,
        "clear_every_ms": 60_000, "time_limit_ms": 1_000, "accept_within_ms": 10_000, "deliver_within_ms": 0,
        "delivery": "immediate",
        "goods": [
            { "good": "oil", "unit": "barrel" }, { "good": "tea", "unit": "tonne" }, { "good": "gold", "unit": "gram" },
            { "good": "permit", "unit": "US cent" },
        ],
        "import_certificates": {
            "good": "permit", "authority": "union", "goods": [{ "good": "oil", "price": "3" }, { "good": "tea", "price": "5/2" }],
            "life_ms": 86_400_000, "lot_ms": 3_600_000, "required_from_unix_ms": required_from,
        },
    });
    std::fs::write(bus.folder.path().join("africa.json"), market.to_string()).unwrap();
    check(&bus.hms(&["market", "create", "africa.json"]), 0, "");
    check(&bus.hms(&["ledger", "enact", "africa", "--as", "kenya"]), 1, "403 union is the authority");
    check(&bus.hms(&["ledger", "enact", "africa", "--as", "union"]), 0, "are in force");
    let other = json!({ "book": "africa", "rules": { "good": "permit", "authority": "union", "life_ms": 1, "lot_ms": 1,
        "goods": [{ "good": "oil", "price": "1" }], "required_from_unix_ms": 0 } });
    check(&bus.ask(&["call", "ledger.enact", "-", "--as", "union"], &other), 1, "doesn't state these rules");

    // An export earns at once where delivery is immediate, and on confirmation where it is not.
    shows(&bus, &deal(&bus, &[("kenya", "angola", "tea", 8)], "immediate"), "\"settled\"");
    assert_eq!(certificates(&bus), ([20, 20, 0, 0, 0], vec![("kenya".into(), 20)]));
    let slow = deal(&bus, &[("kenya", "angola", "tea", 4)], "confirmed");
    shows(&bus, &slow, "\"committed\"");
    assert_eq!(certificates(&bus).0[0], 20, "nothing is verified yet");
    let shown: Value = serde_json::from_str(&bus.hms(&["deal", "show", &slow, "--json"]).out).unwrap();
    bus.call("deal.confirm", "angola", &json!({ "deal": slow, "terms_hash": shown["terms_hash"] }));
    until("earned", || certificates(&bus) == ([30, 30, 0, 0, 0], vec![("kenya".into(), 30)]));

    // Once they are needed, who has none is refused, with the rule and the amounts; who buys some is not.
    until("needed", || now_unix_ms() > required_from);
    let lacking = deal(&bus, &[("angola", "mali", "oil", 4)], "immediate");
    shows(&bus, &lacking, "\"refused\"");
    let log = bus.hms(&["deal", "log", &lacking, "--json"]).out;
    assert!(log.contains("uncertified") && log.contains("12 permit") && log.contains("12 are missing"), "{log}");
    let sale = deal(&bus, &[("kenya", "mali", "permit", 13), ("mali", "kenya", "gold", 1)], "immediate");
    shows(&bus, &sale, "\"settled\"");
    shows(&bus, &deal(&bus, &[("angola", "mali", "oil", 4)], "immediate"), "\"settled\"");
    // angola's export earned 12, mali's import spent 12 of its 13.
    let held = vec![("angola".into(), 12), ("kenya".into(), 17), ("mali".into(), 1)];
    assert_eq!(certificates(&bus), ([42, 30, 12, 0, 0], held));

    check(&bus.hms(&["ledger", "revoke", "africa", "kenya", "18", "--as", "union"]), 1, "which is less than 18");
    check(&bus.hms(&["ledger", "revoke", "africa", "kenya", "0", "--as", "union"]), 2, "QUANTITY");
    check(
        &bus.hms(&["ledger", "revoke", "africa", "kenya", "7", "--as", "union", "--reason", "forged"]),
        0,
        "7 certificates",
    );
    assert_eq!(certificates(&bus).0, [42, 23, 12, 0, 7]);
    check(&bus.hms(&["ledger", "certificates", "africa", "--party", "kenya"]), 0, "kenya");
    check(&bus.hms(&["deal", "verify", "--all"]), 0, "1 books");
}
