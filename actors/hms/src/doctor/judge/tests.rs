use serde_json::json;

use super::*;
use crate::doctor::Level::{self, Bad, Ok as Good, Warning};

/// Checks how a finding came out, and that it says `words` and, unless all is well, a way to mend it.
#[track_caller]
fn check(finding: &Finding, level: Level, words: &str) {
    assert_eq!(finding.level, level, "{finding:?}");
    assert!(finding.seen.contains(words), "{words:?} is not in {:?}", finding.seen);
    assert_eq!(finding.mend.is_some(), level != Good, "{finding:?}");
}

fn server(version: &str) -> ServerInfo {
    ServerInfo { version: version.into(), url: "nats://there:1".into(), ..ServerInfo::default() }
}

#[test]
fn a_broker_is_new_enough_or_not() {
    check(&broker(&server("2.15.1"), "as --nats says"), Good, "2.15.1 at nats://there:1 (as --nats says)");
    check(&broker(&server("2.9.10"), ""), Bad, "older than 2.12");
}

#[test]
fn each_way_not_to_get_there_has_a_check_of_its_own() {
    let url = || "nats://there:1".to_owned();
    for (error, of) in [
        (ConnectError::Context { name: "prod".into(), reason: "no such file".into() }, "context"),
        (ConnectError::Credentials("a.creds: no such file".into()), "context"),
        (ConnectError::Refused { url: url() }, "broker"),
        (ConnectError::Unreachable { url: url(), reason: "refused".into() }, "broker"),
    ] {
        let finding = no_connection(&error, "as NATS_URL says");
        check(&finding, Bad, &error.to_string());
        assert_eq!(finding.check, of);
    }
}

#[test]
fn a_store_fills_up_by_its_account_or_by_its_server() {
    let account = |used_bytes, limit_bytes| Ok(StoreUse { used_bytes, limit_bytes });
    let page =
        |storage, max_storage| Monitored { storage, config: MonitoredConfig { max_storage, ..Default::default() } };
    check(&store(&account(5, None), None), Good, "5 B stored");
    check(&store(&account(79_000, Some(100_000)), None), Good, "79 kB of 100 kB stored, 79 %");
    check(&store(&account(80_000, Some(100_000)), None), Warning, "80 %");
    check(&store(&account(95_000, Some(100_000)), None), Bad, "95 %");
    check(&store(&account(1, Some(100)), Some(&page(90, 100))), Warning, "90 B of 100 B");
    check(&store(&account(97, Some(100)), Some(&page(9, 100))), Bad, "97 B of 100 B");
    check(&store(&account(0, Some(0)), None), Bad, "nearly full");
    check(&store(&Err("jetstream not enabled".into()), None), Bad, "jetstream not enabled");
}

#[test]
fn durability_is_insisted_on_or_only_told() {
    let page = |sync_always| Monitored {
        config: MonitoredConfig { sync_interval: 120_000_000_000, sync_always, ..Default::default() },
        ..Default::default()
    };
    check(&durability(Some(&page(true)), 1, true), Good, "before it is acknowledged");
    check(&durability(Some(&page(false)), 1, false), Good, "every 120 s");
    check(&durability(Some(&page(false)), 1, true), Bad, "every 120 s");
    check(&durability(Some(&page(false)), 3, true), Good, "3 replicas");
    check(&durability(None, 1, true), Warning, "not to be seen");
    check(&durability(None, 1, false), Good, "--monitor");
}

#[test]
fn a_broker_that_says_it_is_unwell_is() {
    check(&unwell("http://there:2/healthz"), Bad, "http://there:2/healthz");
}

#[test]
fn a_clock_is_judged_by_what_is_sure_of_it() {
    let reading = |ahead_ms, round_trip_ms| Some(ClockReading { ahead_ms, round_trip_ms });
    check(&clock(reading(2_000, 1)), Good, "2000 ms ahead of");
    check(&clock(reading(-2_001, 1)), Warning, "2001 ms behind");
    check(&clock(reading(2_400, 1_000)), Good, "give or take 500 ms");
    check(&clock(reading(30_001, 0)), Bad, "allow 30 s");
    check(&clock(reading(i64::MIN, 0)), Bad, "behind");
    check(&clock(None), Warning, "doesn't say");
}

#[test]
fn streams_are_missing_or_differ_and_copies_count_only_when_asked_for() {
    let differs =
        |setting: &str| Provisioned::Updated(vec![Difference { setting: setting.into(), was: json!(3), is: json!(1) }]);
    let found = |plan: Provisioned, replicas| {
        streams(&[("HMS_DEALS".into(), Provisioned::Unchanged), ("HMS_DLQ".into(), plan)], replicas)
    };
    check(&found(Provisioned::Unchanged, None)[0], Good, "2 streams");
    check(&found(Provisioned::Created, None)[0], Bad, "HMS_DLQ is missing");
    check(&found(differs("max_msgs"), None)[0], Bad, "HMS_DLQ differs: max_msgs is 3 and should be 1");
    check(&found(differs(REPLICAS), None)[0], Good, "as they should be");
    check(&found(differs(REPLICAS), Some(1))[0], Bad, "num_replicas is 3");
    let found = streams(&[("HMS_DEALS".into(), Provisioned::Created), ("HMS_DLQ".into(), Provisioned::Created)], None);
    assert_eq!(found.len(), 1);
    check(&found[0], Bad, "none of the 2 streams");
}

#[test]
fn whoever_is_missing_is_named_and_who_must_be_there_is_bad() {
    let all = services(&|_| 1, "maker");
    assert_eq!(all.len(), 1);
    check(&all[0], Good, "registry, deal, ledger");
    let nobody = services(&|_| 0, "maker");
    assert_eq!(nobody.len(), 1);
    check(&nobody[0], Bad, "no core is at work");
    for core in Core::ALL {
        let found = services(&|name| usize::from(name != core.name()), "maker");
        let level = if matches!(core, Core::Registry | Core::Deal | Core::Ledger) { Bad } else { Warning };
        assert_eq!(found.len(), 1);
        check(&found[0], level, &format!("nobody answers as {core}"));
    }
    check(&services(&|name| usize::from(name != "maker"), "maker")[0], Warning, "no market maker");
    check(&services(&|name| if name == "maker" { 2 } else { 1 }, "maker")[0], Bad, "2 market makers");
}

#[test]
fn dead_letters_are_told_with_the_last_one_s_reason() {
    check(&dead_letters(0, None), Good, "no dead letters");
    check(&dead_letters(2, Some(("deal", "unreadable"))), Warning, "the last is deal's: unreadable");
}

#[test]
fn a_deal_that_waits_too_long_is_somebody_s_fault() {
    let waiting =
        Waiting { certified_unix_ms: vec![99_000, 94_999], agreed_unix_ms: vec![60_000], deals: 9, is_all: true };
    let found = lag(&waiting, 100_000);
    check(&found[0], Warning, "2 of 9 deals wait for the ledger, the oldest for 5001 ms");
    check(&found[1], Bad, "1 of 9 deals wait for proof, the oldest for 40000 ms");
    for finding in lag(&Waiting { deals: 9, ..Waiting::default() }, 100_000) {
        check(&finding, Good, "none of 9 deals so far, in the time given waits");
    }
}
