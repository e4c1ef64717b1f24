//! Without a bus: exit code 69 and a reason, soon; and a port that is taken is said so.

use std::{net::TcpListener, time::Instant};

use crate::{check, hms, hms_in};

/// A port on which nobody listens.
fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

#[test]
fn whatever_needs_a_bus_says_that_there_is_none() {
    let url = format!("nats://127.0.0.1:{}", free_port());
    let id = "a".repeat(26);
    for args in [
        &["agents"][..],
        &["status"],
        &["provision"],
        &["deal", "list"],
        &["deal", "show", &id],
        &["deal", "verify", &id],
        &["doctor"],
        &["watch"],
        &["top", "--once"],
        &["market", "list"],
        &["market", "why", "ken"],
        &["call", "registry.hello"],
    ] {
        let begun = Instant::now();
        check(&hms(&[args, &["--nats", &url]].concat(), b""), 69, &url);
        assert!(begun.elapsed().as_secs() < 10, "{args:?}");
    }
    check(&hms(&["down"], b""), 69, "no bus runs from .hms");
}

#[test]
fn a_port_that_is_taken_is_said_so() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    check(&hms(&["up", "--port", &port], b""), 69, &format!("port {port} is taken"));
}

#[test]
fn a_context_that_does_not_exist_is_bad_input() {
    check(&hms(&["agents", "--context", "nowhere"], b""), 2, "nowhere");
}

#[test]
fn what_a_killed_bus_left_behind_is_no_bus() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join(".hms");
    std::fs::create_dir(&dir).unwrap();
    // This process is there, and is neither a bus nor a broker.
    let told =
        format!(r#"{{"pid":1,"url":"nats://127.0.0.1:1","broker_pid":{}}}"#, std::os::unix::process::parent_id());
    std::fs::write(dir.join("up.json"), told).unwrap();
    check(&hms_in(folder.path(), &["down"], b""), 69, "gone already");
    assert!(!dir.join("up.json").exists());
}

#[test]
fn specifications_need_no_bus() {
    let ran = hms(&["provision", "--specifications"], b"");
    check(&ran, 0, "HMS_DEALS");
    let plan: Vec<serde_json::Value> = ran.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(plan.len() > 5 && plan.iter().all(|spec| spec["num_replicas"] == 1));
    assert_eq!(plan[0]["discard"], "new");
}
