//! How long the kernel takes over the claims of a deal, and how that grows with its parties.
//!
//! `cargo bench -p e2e --bench proof`. For each number of parties two deals are made, in which all must gain and hold
//! what they give: a *ring*, in which each gives one good to the next, so that claims are many and small; and an
//! *exchange*, in which each gives to as many others as fit the limits, so that claims have many variables. The
//! project's own prover finds the certificates, and every one of them is checked again and again: by the kernel, and, as
//! the baseline of the same run, by the Python checker. Prints a table, and writes `target/bench/proof.json`, of which
//! `make growth` makes a plot.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout, clippy::indexing_slicing, clippy::panic)] // a bench that cannot go on has failed

use std::fmt::Write as _;
use std::io::Write as _;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use comfy_table::{Table, presets};
use e2e::{Prover, root};
use schemas::deal::{Accept, ClaimKind, Delivery, Holding, Terms, Transfer};
use schemas::limit::{MAX_DEAL_EVIDENCE_BYTES, MAX_TRANSFERS};
use schemas::value::{Bounds, UnitCost, UnitValue, Valuation};
use schemas::{AgentId, DealId, Good, Hash, MoveId, Quantity, Rational};
use serde_json::{Value, json};
use terms::claims::raised;

const PARTIES: [usize; 6] = [3, 5, 8, 12, 16, 20];
/// How long each deal's claims are checked, again and again.
const ROUND: Duration = Duration::from_millis(1_500);
const BUDGET_MS: u32 = 10_000;
/// Kernel checks a second on deals' claims.
const FLOOR_PER_S: f64 = 10_000.0;
const AIM_PER_S: f64 = 50_000.0;

/// The Python checker on the same certificates: medians in seconds, of a claim and of all claims of a deal.
const PYTHON: &str = "\
import json, sys, time
from hms_a2a.gtp import check
pairs = [(bytes.fromhex(a), bytes.fromhex(b)) for a, b in json.load(sys.stdin)]
times, end = [], time.perf_counter() + 1.0
while not times or time.perf_counter() < end:
    begun = time.perf_counter()
    for claim, evidence in pairs:
        assert check(claim, evidence).verdict == 'proved'
    times.append(time.perf_counter() - begun)
print(sorted(times)[len(times) // 2])
";

#[derive(Clone, Copy, PartialEq, Eq)]
enum Shape {
    Ring,
    Exchange,
}

impl Shape {
    fn name(self) -> &'static str {
        match self {
            Self::Ring => "ring",
            Self::Exchange => "exchange",
        }
    }

    /// To how many of the others each party gives.
    fn reach(self, parties: usize) -> usize {
        match self {
            Self::Ring => 1,
            Self::Exchange => (parties - 1).min(MAX_TRANSFERS / parties),
        }
    }
}

fn agent(number: usize) -> AgentId {
    AgentId::parse(&format!("agent-{number:02}")).unwrap()
}

/// What a party gives to whoever stands `step` after it: a good of its own for each.
fn good(giver: usize, step: usize) -> Good {
    Good::parse(&format!("good-{giver:02}-{step:02}")).unwrap()
}

fn deal(shape: Shape, parties: usize) -> (Terms, Vec<Accept>) {
    let reach = shape.reach(parties);
    let hands = || (0..parties).flat_map(|giver| (1..=reach).map(move |step| (giver, step, (giver + step) % parties)));
    let quantity = |giver: usize, step: usize| i64::try_from(100 + 13 * giver + step).unwrap();
    let transfers = hands().map(|(giver, step, taker)| Transfer {
        from: agent(giver),
        to: agent(taker),
        good: good(giver, step),
        quantity: Quantity::new(quantity(giver, step)).unwrap(),
        due_unix_ms: 86_400_000,
        intent: None,
    });
    let terms = Terms {
        book: "bench".parse().unwrap(),
        parties: (0..parties).map(agent).collect(),
        transfers: transfers.collect(),
        delivery: Delivery::Confirmed,
        expires_unix_ms: 0,
        award: None,
    };
    // Bounds of one per cent around prices in cents, as on the market: no number is round.
    let around = |cents: i64| Bounds {
        lo: Rational::new((cents * 99).into(), 100).unwrap(),
        hi: Rational::new((cents * 101).into(), 100).unwrap(),
    };
    let accept = |party: usize| {
        let price = |giver: usize| 7_919 + 31 * i64::try_from(giver).unwrap();
        let received = hands().filter(|(_, _, taker)| *taker == party);
        let given = hands().filter(|(giver, _, _)| *giver == party);
        let values = received.map(|(giver, step, _)| UnitValue {
            good: good(giver, step),
            value: Some(around(price(giver) * 2)),
            dimensions: None,
        });
        let costs =
            given.clone().map(|(giver, step, _)| UnitCost { good: good(giver, step), cost: around(price(giver)) });
        let holdings =
            given.map(|(giver, step, _)| Holding { good: good(giver, step), quantity: quantity(giver, step) + 7 });
        let move_id = MoveId::parse("accept").unwrap();
        Accept {
            deal: DealId::of(&agent(0), &move_id),
            move_id,
            deadline_unix_ms: 0,
            terms_hash: Hash::of(&schemas::encode(&terms)),
            valuation: Valuation {
                values: values.collect(),
                costs: costs.collect(),
                margin_ppm: 10_000,
                ..Valuation::default()
            },
            holdings: holdings.collect(),
            transcript: None,
        }
    };
    let acceptances = (0..parties).map(accept).collect();
    (terms, acceptances)
}

/// A deal's claims with the certificates that the prover found.
fn proved(prover: &mut Prover, shape: Shape, parties: usize) -> Vec<(Vec<u8>, Vec<u8>)> {
    let (terms, acceptances) = deal(shape, parties);
    let claims = raised(&terms, &ClaimKind::ALL, &acceptances).unwrap();
    let find = |claim: Vec<u8>| {
        let found = prover.find(&claim, BUDGET_MS);
        assert_eq!(found.verdict, "proved", "{}", found.how);
        (claim, found.evidence.unwrap())
    };
    claims.into_iter().map(|raised| raised.claim).map(find).collect()
}

fn median(times: &mut [Duration]) -> f64 {
    times.sort_unstable();
    times[times.len() / 2].as_secs_f64() * 1e6
}

fn by_python(pairs: &[(Vec<u8>, Vec<u8>)]) -> f64 {
    let hex = |bytes: &[u8]| {
        bytes.iter().fold(String::new(), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        })
    };
    let told: Vec<[String; 2]> = pairs.iter().map(|(claim, evidence)| [hex(claim), hex(evidence)]).collect();
    let mut python = Command::new(root().join(".venv/bin/python"))
        .args(["-c", PYTHON])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    python.stdin.take().unwrap().write_all(json!(told).to_string().as_bytes()).unwrap();
    let out = python.wait_with_output().unwrap();
    String::from_utf8(out.stdout).unwrap().trim().parse::<f64>().unwrap() * 1e6
}

fn measure(prover: &mut Prover, shape: Shape, parties: usize) -> Value {
    let pairs = proved(prover, shape, parties);
    let evidence_bytes: usize = pairs.iter().map(|(_, evidence)| evidence.len()).sum();
    assert!(evidence_bytes <= MAX_DEAL_EVIDENCE_BYTES);
    let (mut claims, mut deals) = (Vec::new(), Vec::new());
    let begun = Instant::now();
    while begun.elapsed() < ROUND {
        let deal_begun = Instant::now();
        for (claim, evidence) in &pairs {
            let claim_begun = Instant::now();
            let checked = proof::check(claim, evidence).unwrap();
            claims.push(claim_begun.elapsed());
            assert!(!checked.vacuous);
        }
        deals.push(deal_begun.elapsed());
    }
    let per_s = claims.len() as f64 / begun.elapsed().as_secs_f64();
    let (claim_us, deal_us, python_us) = (median(&mut claims), median(&mut deals), by_python(&pairs));
    let largest = pairs.iter().map(|(claim, _)| claim.len()).max().unwrap();
    json!({
        "shape": shape.name(), "parties": parties, "claims": pairs.len(), "largest_claim_bytes": largest,
        "evidence_bytes": evidence_bytes, "kernel_checks_per_s": per_s, "kernel_claim_us": claim_us,
        "kernel_deal_us": deal_us, "python_deal_us": python_us, "python_to_kernel": python_us / deal_us,
    })
}

fn main() {
    let mut prover = Prover::start();
    let mut rows = Vec::new();
    for shape in [Shape::Ring, Shape::Exchange] {
        rows.extend(PARTIES.map(|parties| measure(&mut prover, shape, parties)));
    }
    let mut table = Table::new();
    table
        .load_style(presets::NOTHING)
        .set_header(["DEAL", "PARTIES", "CLAIMS", "CHECKS/S", "A CLAIM", "THE DEAL", "PYTHON", "TIMES"]);
    for row in &rows {
        let us = |field: &str| format!("{:.0} us", row[field].as_f64().unwrap());
        table.add_row([
            row["shape"].as_str().unwrap().to_owned(),
            row["parties"].to_string(),
            row["claims"].to_string(),
            format!("{:.0}", row["kernel_checks_per_s"].as_f64().unwrap()),
            us("kernel_claim_us"),
            us("kernel_deal_us"),
            us("python_deal_us"),
            format!("{:.0}", row["python_to_kernel"].as_f64().unwrap()),
        ]);
    }
    println!("{table}");
    // Deals on the market are rings of few.
    let checks_per_s = rows[0]["kernel_checks_per_s"].as_f64().unwrap();
    println!(
        "{checks_per_s:.0} checks a second of the claims of three-party rings; floor {FLOOR_PER_S}, aim {AIM_PER_S}"
    );
    e2e::keep(
        "proof",
        &json!({ "checks_per_s": checks_per_s, "floor_per_s": FLOOR_PER_S, "aim_per_s": AIM_PER_S, "deals": rows }),
    );
}
