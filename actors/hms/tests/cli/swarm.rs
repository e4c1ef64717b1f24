//! A swarm from its scenario to its report, small: agents in both languages on a bus of their own.

use std::{fs, path::Path};

use serde_json::Value;

use crate::{check, hms_in};

const SCENARIO: &str = r#"
about = "A small bazaar"
seconds = 30
language = "mixed"
hosts = 1

[market]
id = "small"
unit_of_account = "US cent"
band = { lo = "1/2", hi = "2" }
margin_ppm = 10_000
max_ring = 3
clear_every_ms = 500
time_limit_ms = 500
accept_within_ms = 5_000
delivery = "confirmed"
deliver_within_ms = 60_000

[synthetic]
agents = 20
goods = 4
gives = [1, 2]
wants = [1, 2]
quantity = [10, 1_000]
price = [1_000, 10_000]
cost_ppm = [50_000, 200_000]
value_ppm = [50_000, 300_000]
bounds_ppm = 10_000

[coming]
at_start_ppm = 800_000
over_ms = 1_000
away = 1
leave_ms = [500, 600]
away_ms = [300, 400]
"#;

fn lines(folder: &Path, name: &str) -> Vec<Value> {
    let text = fs::read_to_string(folder.join(name)).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn a_swarm_trades_and_reports_what_its_export_says() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path();
    fs::write(dir.join("small.toml"), SCENARIO).unwrap();
    let ran = hms_in(dir, &["swarm", "run", "small.toml", "--json", "report.json", "--export", "export"], b"");
    check(&ran, 0, "everyone gains   yes");
    assert!(ran.err.contains("deals opened"), "no progress was shown: {}", ran.err);

    let report: Value = serde_json::from_str(&fs::read_to_string(dir.join("report.json")).unwrap()).unwrap();
    assert_eq!((&report["agents"]["python"], &report["agents"]["rust"]), (&10.into(), &10.into()));
    assert_eq!((&report["conservation_ok"], &report["win_win_ok"]), (&true.into(), &true.into()));
    assert!(report["deals"]["settled"].as_u64() > Some(0), "{report}");
    assert_eq!(report.get("errors"), None);
    let surplus: i64 = report["surplus_by_party"].as_object().unwrap().values().filter_map(Value::as_i64).sum();
    assert_eq!(report["welfare"]["achieved"].as_i64(), Some(surplus));
    assert!(report["welfare"]["optimum"].as_i64() >= Some(surplus));

    let export = dir.join("export");
    let deals = lines(&export, "deals.jsonl");
    let in_state = |state: &str| deals.iter().filter(|deal| deal["state"] == state).count() as u64;
    for state in ["settled", "rejected", "expired", "refused"] {
        assert_eq!(report["deals"][state].as_u64(), Some(in_state(state)), "{state}");
    }
    assert_eq!(report["deals"]["opened"].as_u64(), Some(deals.len() as u64));
    let stated = lines(&export, "intents.jsonl").iter().filter(|line| line["body"]["type"] == "intent").count();
    assert_eq!((report["intents"].as_u64(), stated), (Some(21), 21));
    let clearings = lines(&export, "clearings.jsonl");
    let (last, told) = clearings.split_last().unwrap();
    assert_eq!(report["clearings"].as_u64(), Some(told.len() as u64));
    assert_eq!((&last["type"], &last["result"]["bound"]), (&"optimum".into(), &report["welfare"]["optimum"]));
    let rings: usize = told.iter().map(|clearing| clearing["deals"].as_array().unwrap().len()).sum();
    assert_eq!(rings, deals.len());
}

#[test]
fn a_slip_in_a_scenario_is_named_with_its_field() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path();
    let run = |text: &str, more: &[&str]| {
        fs::write(dir.join("slip.toml"), text).unwrap();
        hms_in(dir, &[&["swarm", "run", "slip.toml"], more].concat(), b"")
    };
    check(&run(&SCENARIO.replace("max_ring = 3", "max_ring = 1"), &[]), 2, "market.max_ring");
    check(&run(&SCENARIO.replace("goods = 4", "goods = 0"), &[]), 2, "slip.toml: synthetic");
    check(&run(&SCENARIO.replace("seconds = 30", "secnds = 30"), &[]), 2, "secnds");
    check(&run(&SCENARIO.replace("[synthetic]", "[synthetic"), &[]), 2, "slip.toml");
    check(&hms_in(dir, &["swarm", "run", "nowhere.toml"], b""), 2, "nowhere.toml");
    check(&hms_in(dir, &["swarm", "run", "slip.toml", "--seconds", "0"], b""), 64, "--seconds");
    check(&run(SCENARIO, &["--nats", "nats://127.0.0.1:1"]), 69, "127.0.0.1:1");
}
