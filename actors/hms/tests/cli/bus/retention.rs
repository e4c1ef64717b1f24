//! The log's beginning goes into the archive while deals go on, and nobody sees a difference.

use super::*;

/// What the archive and the log hold, as `retention plan` tells it.
fn held(bus: &Bus) -> Value {
    let ran = bus.hms(&["retention", "plan", "--older-than", "9d", "--json"]);
    check(&ran, 0, "");
    serde_json::from_str(&ran.out).unwrap()
}

fn told(bus: &Bus, deal: &str) -> [String; 2] {
    [["deal", "show"], ["deal", "log"]].map(|[a, b]| bus.hms(&[a, b, deal, "--json"]).out)
}

#[test]
fn the_log_is_cut_while_deals_go_on_and_reads_as_before() {
    let mut bus = Bus::start();
    let first = settle(&bus);
    deliver(&bus);
    let later = now_unix_ms() + 600_000;
    let open = json!({
        "move_id": "once", "deadline_unix_ms": later, "book": "africa", "profile": "fixed/1",
        "parties": ["angola", "kenya"], "expires_unix_ms": later,
    });
    let opened = bus.call("deal.open", "kenya", &open);
    let shown = told(&bus, &first);
    let balances = |bus: &Bus| bus.hms(&["ledger", "balance", "africa", "--json"]).out;
    let reputations = |bus: &Bus| bus.hms(&["reputation", "--json"]).out;
    let kept = reputations(&bus);
    assert_eq!(kept.matches("\"kept\":1").count(), 2, "{kept}");
    assert_eq!(held(&bus)["archive"], Value::Null);
    until("old enough", || bus.hms(&["retention", "plan", "--older-than", "1s"]).code == Some(1));

    check(&bus.hms(&["retention", "apply", "--older-than", "1s"]), 2, "at least 60 s");

    // It takes ten seconds to tell everyone, and what is made meanwhile is there afterwards.
    let second = std::thread::scope(|scope| {
        let bus = &bus;
        let cut = scope.spawn(|| bus.hms(&["retention", "apply", "--older-than", "1s", "--any-age", "--json"]));
        std::thread::sleep(Duration::from_secs(4));
        let second = settle(bus);
        check(&cut.join().unwrap(), 0, "applied");
        second
    });
    let now = held(&bus);
    let sequence = |what: &str, which: &str| now[what][which].as_u64().unwrap();
    assert!(sequence("log", "first_sequence") > 1, "{now}");
    assert_eq!(sequence("archive", "first_sequence"), 1, "{now}");
    assert!(sequence("log", "first_sequence") <= now["horizon"].as_u64().unwrap(), "{now}");

    // The first deals are in the archive alone, and nobody sees a difference.
    assert_eq!(told(&bus, &first), shown);
    assert_eq!(reputations(&bus), kept);
    for deal in [&first, &second] {
        check(&bus.hms(&["deal", "verify", deal]), 0, "holds: settled, 6 entries");
        check(&bus.hms(&["deal", "list", "--state", "settled"]), 0, deal);
    }
    check(&bus.hms(&["deal", "verify", "--all"]), 0, "4 deals");
    let withdraw = json!({ "deal": first, "reason": "late" });
    check(&bus.ask(&["call", "deal.withdraw", "-", "--as", "kenya"], &withdraw), 1, "409 the deal has ended: settled");
    // A move that stands there is answered from the record, and its id is taken.
    assert_eq!(bus.call("deal.open", "kenya", &open), opened);
    let other = json!({ "parties": ["kenya", "mali"] });
    let other: Value = open
        .as_object()
        .unwrap()
        .iter()
        .chain(other.as_object().unwrap())
        .map(|(k, v)| (k.clone(), v.clone()))
        .collect();
    check(&bus.ask(&["call", "deal.open", "-", "--as", "kenya"], &other), 1, "409");
    // So do moves whose last entry does: a deal goes on, and limits are declared anew.
    let id = opened["deal"].as_str().unwrap();
    bus.call("deal.withdraw", "kenya", &json!({ "deal": id, "reason": "a whim" }));
    check(&bus.hms(&["deal", "verify", id]), 0, "holds: withdrawn");
    bus.call("ledger.declare", "kenya", &json!({ "book": "africa", "limits": [{ "good": "tea", "quantity": 50 }] }));

    // Backed up and restored, it is the same; so it is to cores that start anew.
    let backup = bus.folder.path().join("backup");
    check(&bus.hms(&["backup", backup.to_str().unwrap()]), 0, "HMS_ARCHIVE: saved");
    check(&bus.hms(&["deal", "verify", "--all", "--from", backup.to_str().unwrap()]), 0, "4 deals");
    let before = balances(&bus);
    check(&bus.hms(&["down"]), 0, "stopped");
    assert_eq!(bus.up.wait().unwrap().code(), Some(0));
    let again = Bus::start_in(std::mem::replace(&mut bus.folder, tempfile::tempdir().unwrap()));
    assert_eq!(balances(&again), before);
    assert_eq!(told(&again, &first), shown);
    assert_eq!(reputations(&again), kept);
}
