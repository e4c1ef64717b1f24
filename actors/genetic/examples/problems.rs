//! Runs the search on the standard problems of its field, and on a deal of five parties, for comparison with other tools.
//!
//! ```text
//! problems run zdt1 --seeds 31 --population 100 --generations 400     one JSON line a seed: seconds, front
//! problems deal                                                       the deal in plain figures, as JSON
//! problems request                                                    the same as a request to `genetic.evolve`
//! ```

use std::f64::consts::{FRAC_PI_2, PI};
use std::time::Instant;

use genetic::chance::Chance;
use genetic::deal::Deal;
use genetic::front;
use genetic::gene::{Gene, Variation};
use genetic::problem::Problem;
use genetic::reference::directions;
use genetic::search::{FEW_OBJECTIVES, Search};
use schemas::evolution::Sought;
use serde_json::json;

/// Costs and the violation of a genome.
type Evaluate = fn(&[f64], &mut [f64]) -> f64;

struct Standard {
    genes: Vec<Gene>,
    objectives: usize,
    evaluate: Evaluate,
}

impl Problem for Standard {
    fn genes(&self) -> &[Gene] {
        &self.genes
    }
    fn objectives(&self) -> usize {
        self.objectives
    }
    fn evaluate(&self, genome: &[f64], costs: &mut [f64]) -> f64 {
        (self.evaluate)(genome, costs)
    }
}

fn real(lo: f64, hi: f64) -> Gene {
    Gene::Real { lo, hi }
}

/// The sum of all genes but the first, per gene.
fn mean_of_rest(x: &[f64]) -> f64 {
    let rest = x.get(1..).unwrap_or_default();
    rest.iter().sum::<f64>() / rest.len() as f64
}

fn at(x: &[f64], n: usize) -> f64 {
    x.get(n).copied().unwrap_or(f64::NAN)
}

fn put(costs: &mut [f64], values: &[f64]) -> f64 {
    costs.copy_from_slice(values);
    0.0
}

fn zdt1(x: &[f64], costs: &mut [f64]) -> f64 {
    let (f, g) = (at(x, 0), 1.0 + 9.0 * mean_of_rest(x));
    put(costs, &[f, g * (1.0 - (f / g).sqrt())])
}

fn zdt2(x: &[f64], costs: &mut [f64]) -> f64 {
    let (f, g) = (at(x, 0), 1.0 + 9.0 * mean_of_rest(x));
    put(costs, &[f, g * (1.0 - (f / g).powi(2))])
}

fn zdt3(x: &[f64], costs: &mut [f64]) -> f64 {
    let (f, g) = (at(x, 0), 1.0 + 9.0 * mean_of_rest(x));
    put(costs, &[f, g * (1.0 - (f / g).sqrt() - f / g * (10.0 * PI * f).sin())])
}

fn zdt4(x: &[f64], costs: &mut [f64]) -> f64 {
    let rest = x.get(1..).unwrap_or_default();
    let g = 1.0 + 10.0 * rest.len() as f64 + rest.iter().map(|x| x * x - 10.0 * (4.0 * PI * x).cos()).sum::<f64>();
    put(costs, &[at(x, 0), g * (1.0 - (at(x, 0) / g).sqrt())])
}

fn zdt6(x: &[f64], costs: &mut [f64]) -> f64 {
    let f = 1.0 - (-4.0 * at(x, 0)).exp() * (6.0 * PI * at(x, 0)).sin().powi(6);
    let g = 1.0 + 9.0 * mean_of_rest(x).powf(0.25);
    put(costs, &[f, g * (1.0 - (f / g).powi(2))])
}

fn dtlz2(x: &[f64], costs: &mut [f64]) -> f64 {
    let g: f64 = x.iter().skip(2).map(|x| (x - 0.5).powi(2)).sum();
    let (a, b) = (at(x, 0) * FRAC_PI_2, at(x, 1) * FRAC_PI_2);
    put(costs, &[(1.0 + g) * a.cos() * b.cos(), (1.0 + g) * a.cos() * b.sin(), (1.0 + g) * a.sin()])
}

fn dtlz7(x: &[f64], costs: &mut [f64]) -> f64 {
    let rest = x.get(2..).unwrap_or_default();
    let g = 1.0 + 9.0 * rest.iter().sum::<f64>() / rest.len() as f64;
    let term = |f: f64| f / (1.0 + g) * (1.0 + (3.0 * PI * f).sin());
    let h = 3.0 - term(at(x, 0)) - term(at(x, 1));
    put(costs, &[at(x, 0), at(x, 1), (1.0 + g) * h])
}

fn broken(rules: &[f64]) -> f64 {
    rules.iter().map(|rule| rule.max(0.0)).sum()
}

fn bnh(x: &[f64], costs: &mut [f64]) -> f64 {
    let (x, y) = (at(x, 0), at(x, 1));
    put(costs, &[4.0 * x * x + 4.0 * y * y, (x - 5.0).powi(2) + (y - 5.0).powi(2)]);
    broken(&[((x - 5.0).powi(2) + y * y - 25.0) / 25.0, (7.7 - (x - 8.0).powi(2) - (y + 3.0).powi(2)) / 7.7])
}

fn osy(x: &[f64], costs: &mut [f64]) -> f64 {
    let &[a, b, c, d, e, f] = x else { return f64::NAN };
    let first =
        25.0 * (a - 2.0).powi(2) + (b - 2.0).powi(2) + (c - 1.0).powi(2) + (d - 4.0).powi(2) + (e - 1.0).powi(2);
    put(costs, &[-first, x.iter().map(|x| x * x).sum()]);
    broken(&[
        -(a + b - 2.0) / 2.0,
        -(6.0 - a - b) / 6.0,
        -(2.0 - b + a) / 2.0,
        -(2.0 - a + 3.0 * b) / 2.0,
        -(4.0 - (c - 3.0).powi(2) - d) / 4.0,
        -((e - 3.0).powi(2) + f - 4.0) / 4.0,
    ])
}

fn standard(name: &str) -> Option<Standard> {
    let unit = |count| vec![real(0.0, 1.0); count];
    let (genes, objectives, evaluate): (Vec<Gene>, usize, Evaluate) = match name {
        "zdt1" => (unit(30), 2, zdt1),
        "zdt2" => (unit(30), 2, zdt2),
        "zdt3" => (unit(30), 2, zdt3),
        "zdt4" => ([vec![real(0.0, 1.0)], vec![real(-5.0, 5.0); 9]].concat(), 2, zdt4),
        "zdt6" => (unit(10), 2, zdt6),
        "dtlz2" => (unit(10), 3, dtlz2),
        "dtlz7" => (unit(10), 3, dtlz7),
        "bnh" => (vec![real(0.0, 5.0), real(0.0, 3.0)], 2, bnh),
        "osy" => {
            let ends = [(0.0, 10.0), (0.0, 10.0), (1.0, 5.0), (0.0, 6.0), (1.0, 5.0), (0.0, 10.0)];
            (ends.map(|(lo, hi)| real(lo, hi)).to_vec(), 2, osy)
        }
        _ => return None,
    };
    Some(Standard { genes, objectives, evaluate })
}

/// Five countries, each with a good of its own that all others want, at different values; nobody gives more than 1,000.
fn sought() -> Result<Sought, Box<dyn std::error::Error>> {
    let names = ["egypt", "ghana", "kenya", "mali", "niger"];
    let goods = ["rice", "cocoa", "tea", "cotton", "uranium"];
    // What a unit of each good is worth to each country; what its own costs it stands on the diagonal.
    let worth =
        [[40, 62, 55, 71, 48], [58, 35, 66, 50, 61], [52, 60, 38, 64, 57], [69, 49, 58, 42, 66], [47, 68, 51, 60, 44]];
    let mut transfers = Vec::new();
    let mut valuations = Vec::new();
    let mut caps = Vec::new();
    for (from, (name, row)) in names.iter().zip(worth).enumerate() {
        let good = goods.get(from).copied().unwrap_or_default();
        for (to, other) in names.iter().enumerate().filter(|(to, _)| *to != from) {
            let most = 400 + 100 * ((from + to) % 4);
            transfers.push(json!({ "from": name, "to": other, "good": good, "most": most, "due_unix_ms": 0 }));
        }
        caps.push(json!({ "party": name, "good": good, "gives": 1_000 }));
        let exactly = |value: i32| json!({ "lo": value.to_string(), "hi": value.to_string() });
        let values: Vec<_> = goods
            .iter()
            .zip(row)
            .enumerate()
            .filter(|(of, _)| *of != from)
            .map(|(_, (good, value))| json!({ "good": good, "value": exactly(value) }))
            .collect();
        let own = row.get(from).copied().unwrap_or_default();
        valuations.push(json!({ "party": name, "valuation": { "margin_ppm": 10_000, "values": values,
            "costs": [{ "good": good, "cost": exactly(own) }] } }));
    }
    let sought: Sought =
        serde_json::from_value(json!({ "book": "five", "delivery": "immediate", "expires_unix_ms": 0,
        "transfers": transfers, "caps": caps, "valuations": valuations }))?;
    sought.check("sought")?;
    Ok(sought)
}

fn deal() -> Result<Deal, Box<dyn std::error::Error>> {
    Ok(Deal::read(&sought()?)?)
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let option = |name: &str, default: u64| -> Result<u64, std::num::ParseIntError> {
        let at = arguments.iter().position(|argument| argument == name);
        at.and_then(|at| arguments.get(at + 1)).map_or(Ok(default), |text| text.parse())
    };
    match (arguments.first().map(String::as_str), arguments.get(1)) {
        (Some("run"), Some(name)) => {
            let problem: Box<dyn Problem> = match standard(name) {
                Some(standard) => Box::new(standard),
                None if name == "deal" => Box::new(deal()?),
                None => return Err(format!("no problem is named {name:?}").into()),
            };
            let size = usize::try_from(option("--population", 100)?)?;
            for seed in option("--from", 0)?..option("--seeds", 31)? {
                run(name, problem.as_ref(), size, option("--generations", 400)?, seed);
            }
        }
        (Some("deal"), _) => {
            let figures = deal()?.figures();
            print(
                &json!({ "parties": figures.parties, "ends": figures.ends, "lots": figures.lots, "gives": figures.gives,
                "takes": figures.takes,
                "bounds": figures.bounds.iter().map(|(most, lanes)| json!([most, lanes])).collect::<Vec<_>>() }),
            );
        }
        (Some("request"), _) => print(&json!({ "sought": sought()? })),
        _ => return Err("run PROBLEM, deal or request".into()),
    }
    Ok(())
}

fn run(name: &str, problem: &dyn Problem, size: usize, generations: u64, seed: u64) {
    let started = Instant::now();
    let (variation, directions) = if problem.objectives() > FEW_OBJECTIVES {
        (Variation::for_many(), directions(problem.objectives(), 4))
    } else {
        (Variation::default(), Vec::new())
    };
    let chance = &mut Chance::of(seed, 0, 0);
    let mut search = Search::begin(problem, variation, size, directions, Vec::new(), chance);
    for _ in 1..generations {
        search.step(chance, &mut || false);
    }
    let seconds = started.elapsed().as_secs_f64();
    let front: Vec<&Vec<f64>> = front::best(search.everyone()).iter().map(|one| &one.costs).collect();
    print(
        &json!({ "problem": name, "seed": seed, "seconds": seconds, "evaluations": search.evaluations(), "front": front }),
    );
}

#[allow(clippy::print_stdout)] // that is what it is for
fn print(line: &serde_json::Value) {
    println!("{line}");
}
