//! A bus of one's own: from `hms up` to `hms down`, with a deal on it that is made by hand.

use std::{
    io::{BufRead, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{Ran, check, hms_in, quiet};

mod certificates;
mod retention;

/// `hms up` in a folder of its own. What is left of it ends with it.
pub struct Bus {
    pub folder: TempDir,
    up: Child,
    pub told: Value,
}

impl Bus {
    pub fn start() -> Self {
        Self::start_in(tempfile::tempdir().unwrap())
    }

    fn start_in(folder: TempDir) -> Self {
        let mut command = quiet(folder.path());
        command.args(["up", "--port", "0", "--monitor-port", "0", "--json"]).env("HMS_LOG", "warn");
        let mut up = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(up.stdout.take().unwrap()).read_line(&mut line).unwrap();
        Self { folder, up, told: serde_json::from_str(&line).unwrap() }
    }

    pub fn hms(&self, args: &[&str]) -> Ran {
        self.ask(args, &Value::Null)
    }

    /// Runs a command with JSON on its standard input.
    fn ask(&self, args: &[&str], input: &Value) -> Ran {
        hms_in(self.folder.path(), args, input.to_string().as_bytes())
    }

    /// Calls a service as an agent; gives what it answers.
    #[track_caller]
    fn call(&self, target: &str, agent: &str, request: &Value) -> Value {
        let ran = self.ask(&["call", target, "-", "--json", "--as", agent], request);
        check(&ran, 0, "");
        serde_json::from_str(&ran.out).unwrap()
    }

    /// Sends a signal, and waits for the end: its exit code, `None` after a kill.
    fn end(&mut self, signal: &str) -> Option<i32> {
        assert!(Command::new("kill").args([signal, &self.up.id().to_string()]).status().unwrap().success());
        self.up.wait().unwrap().code()
    }
}

impl Drop for Bus {
    fn drop(&mut self) {
        // Ended already, or ended so; with a broker that outlived its cores or without.
        for _ in 0..2 {
            hms_in(self.folder.path(), &["down"], b"");
        }
        let _ = self.up.wait();
    }
}

fn now_unix_ms() -> i64 {
    i64::try_from(std::time::UNIX_EPOCH.elapsed().unwrap().as_millis()).unwrap()
}

/// Tries until it holds, for a while.
fn until(what: &str, holds: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(10);
    while !holds() {
        assert!(Instant::now() < deadline, "never: {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Has angola and kenya swap oil for tea; gives the deal's id once it is settled.
fn settle(bus: &Bus) -> String {
    let deal = agree(bus, "immediate").0;
    until("settled", || bus.hms(&["deal", "show", &deal, "--json"]).out.contains("\"settled\""));
    deal
}

/// The same, with goods that each says to have received.
fn deliver(bus: &Bus) {
    let (deal, terms_hash) = agree(bus, "confirmed");
    until("committed", || bus.hms(&["deal", "show", &deal, "--json"]).out.contains("\"committed\""));
    for agent in ["angola", "kenya"] {
        bus.call("deal.confirm", agent, &json!({ "deal": deal, "terms_hash": terms_hash }));
    }
}

/// Has angola and kenya agree on oil for tea; gives the deal's id and the hash of its terms.
fn agree(bus: &Bus, delivery: &str) -> (String, Value) {
    for (agent, good) in [("angola", "oil"), ("kenya", "tea")] {
        assert_eq!(bus.call("registry.register", agent, &json!({}))["type"], "registry.registered");
        bus.call("ledger.declare", agent, &json!({ "book": "africa", "limits": [{ "good": good, "quantity": 20 }] }));
    }
    let expires = now_unix_ms() + 60_000;
    let transfer =
        |from, to, good| json!({ "from": from, "to": to, "good": good, "quantity": 5, "due_unix_ms": expires });
    let terms = json!({
        "book": "africa", "parties": ["angola", "kenya"], "delivery": delivery, "expires_unix_ms": expires,
        "transfers": [transfer("angola", "kenya", "oil"), transfer("kenya", "angola", "tea")],
    });
    let open = json!({
        "book": "africa", "profile": "fixed/1", "parties": ["angola", "kenya"], "expires_unix_ms": expires, "terms": terms,
    });
    let opened = bus.call("deal.open", "kenya", &open);
    let deal = opened["deal"].as_str().unwrap().to_owned();
    for agent in ["angola", "kenya"] {
        let valuation = json!({ "values": [], "costs": [] });
        let accept = json!({ "deal": deal, "terms_hash": opened["terms_hash"], "valuation": valuation });
        bus.call("deal.accept", agent, &accept);
    }
    (deal, opened["terms_hash"].clone())
}

#[test]
fn a_deal_is_made_seen_and_verified_and_outlives_the_bus() {
    let bus = Bus::start();
    check(&bus.hms(&["status"]), 0, "ledger");
    check(&bus.hms(&["status"]), 0, "maker");
    let status: Value = serde_json::from_str(&bus.hms(&["status", "--json"]).out).unwrap();
    assert_eq!((&status["url"], &status["missing_services"]), (&bus.told["url"], &json!([])));

    let deal = settle(&bus);
    check(&bus.hms(&["agents"]), 0, "kenya");
    check(&bus.hms(&["deal", "list", "--state", "settled"]), 0, &deal);
    check(&bus.hms(&["deal", "list", "--state", "rejected"]), 0, "no deals");
    let log = bus.hms(&["deal", "log", &deal]);
    for event in ["opened", "accepted", "certified", "committed", "settled"] {
        check(&log, 0, event);
    }
    check(&bus.hms(&["deal", "verify", &deal]), 0, "holds: settled, 6 entries, 9 signatures");
    let balances = bus.call("ledger.balance", "kenya", &json!({ "book": "africa", "party": "kenya" }));
    assert_eq!(balances["lines"][0]["balance"], 5);

    let raw = bus.hms(&["deal", "log", &deal, "--raw"]).out;
    check(&hms_in(bus.folder.path(), &["deal", "verify", "--from", "-"], raw.as_bytes()), 0, "holds");
    let ran = bus.ask(&["call", "deal.withdraw", "-", "--as", "kenya"], &json!({ "deal": deal, "reason": "late" }));
    check(&ran, 1, "409 the deal has ended: settled");
    check(&bus.hms(&["call", "registry.register", "--as", "ledger"]), 1, "403 agent: ledger is the name of a core");
    check(&bus.hms(&["call", "registry.inbox", "--as", "stranger"]), 1, "no key");
    check(&bus.hms(&["deal", "verify", &"a".repeat(26)]), 1, "there is no deal");

    check(&bus.hms(&["up", "--port", "0"]), 1, "runs from .hms already");
    let mut bus = bus;
    check(&bus.hms(&["down"]), 0, "stopped");
    assert_eq!(bus.up.wait().unwrap().code(), Some(0));
    assert!(!bus.folder.path().join(".hms/up.json").exists());

    let folder = std::mem::replace(&mut bus.folder, tempfile::tempdir().unwrap());
    let again = Bus::start_in(folder);
    check(&again.hms(&["deal", "verify", &deal]), 0, "holds");
}

#[test]
fn a_market_is_declared_once_and_replaced_on_request() {
    let mut bus = Bus::start();
    let help = bus.hms(&["market", "create", "--help"]).out;
    // The example that the help prints is one.
    let example: Vec<&str> = help.lines().skip_while(|line| !line.ends_with("africa.toml:")).skip(1).collect();
    let file = bus.folder.path().join("africa.toml");
    let write = |text: &str| std::fs::write(&file, text).unwrap();
    write(&example.join("\n"));
    check(&bus.hms(&["market", "create", "africa.toml"]), 0, "created, 1 goods");
    check(&bus.hms(&["market", "create", "africa.toml"]), 0, "unchanged");
    write(&example.join("\n").replace("10000 ", "20000 "));
    check(&bus.hms(&["market", "create", "africa.toml"]), 1, "--replace");
    check(&bus.hms(&["market", "create", "africa.toml", "--replace"]), 0, "replaced");
    let shown: Value = serde_json::from_str(&bus.hms(&["market", "show", "africa", "--json"]).out).unwrap();
    assert_eq!(shown["margin_ppm"], 20000);
    check(&bus.hms(&["market", "list"]), 0, "wheat");
    check(&bus.hms(&["market", "show", "asia"]), 1, "no market asia");
    check(&bus.hms(&["market", "why", "kenya"]), 1, "kenya has no intent in any market");
    check(&bus.hms(&["market", "why", "kenya", "--market", "africa"]), 0, "kenya in africa, clearing 0: no intent");
    write(&example.join("\n").replace("max_ring = 3", "max_ring = 1"));
    check(&bus.hms(&["market", "create", "africa.toml"]), 2, "max_ring: 2 to 64 parties");
    write(&format!("{}\nmax_rings = 3", example.join("\n")));
    check(&bus.hms(&["market", "create", "africa.toml"]), 2, "max_rings: market has no such field");
    write("market = ");
    check(&bus.hms(&["market", "create", "africa.toml"]), 2, "africa.toml");
    assert_eq!(bus.end("-INT"), Some(0), "Ctrl-C is a good end");
}

#[test]
fn a_broker_that_outlived_its_killed_bus_is_ended_by_down() {
    let mut bus = Bus::start();
    assert_eq!(bus.end("-KILL"), None);
    check(&bus.hms(&["up", "--port", "0"]), 1, "left its broker");
    check(&bus.hms(&["down"]), 0, "the broker that was left");
    check(&bus.hms(&["down"]), 69, "no bus runs");
}

#[test]
fn what_is_provisioned_already_is_left_alone() {
    let bus = Bus::start();
    check(&bus.hms(&["provision", "--plan"]), 0, "HMS_DEALS: as it should be");
    let ran = bus.hms(&["provision", "--apply"]);
    check(&ran, 0, "HMS_DEALS: unchanged");
    assert!(ran.out.lines().count() > 5 && ran.out.lines().all(|line| line.ends_with(": unchanged")), "{}", ran.out);
    // A node that does not have the bus's own keys may not write in the cores' names.
    let stranger = bus.folder.path().join("stranger");
    let url = bus.told["url"].as_str().unwrap();
    let ran = bus.hms(&["node", "--cores", "deal", "--nats", url, "--dir", &stranger.display().to_string()]);
    check(&ran, 1, "our key folder holds");
    assert!(Path::new(&stranger).join("keys/deal.nk").exists());
}
