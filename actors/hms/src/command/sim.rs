//! `hms sim`: is every promise kept, whatever goes wrong?

use std::{
    io::{self, IsTerminal, Write},
    sync::Mutex,
    time::{Duration, Instant},
};

use clap::Args;
use serde_json::{Value, json};

use crate::{
    exit::{Exit, OrExit, Outcome, Stop},
    output,
    sim::{
        self, Broken, Plan,
        campaign::{Totals, run_all},
        sabotage::Sabotage,
        shrink::{Shrunk, shrink},
    },
};

/// How often progress is shown.
const SHOW_EVERY: Duration = Duration::from_millis(500);

/// Simulate the cores and their agents in bad weather, seed by seed
///
/// Desks, ledgers, registry, traders and scripted agents run on a bus in memory, on a clock that jumps. Messages are lost,
/// doubled, held up and overtaken, processes cut off, killed at any await and deposed, batches torn, refused and stored
/// late, reads stale, acknowledgements lost, power cut. After each step it is checked that what is given is received, no
/// move counts twice, a deal has one end, nothing is committed unsigned, nobody gives more than it declared, chains are
/// whole, and what was acknowledged is in the log; and that everything ends once the faults are over.
///
/// A seed that fails is made small, and told step by step, with the command that does it again.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  hms sim --seeds 1000                    a thousand seeds, on every processor
  hms sim --seed 4711                     this seed again, to the letter
  hms sim --sabotage fence --seeds 1000   without the ledger's fence: is that noticed?

Exit codes: 0 every promise was kept; 1 one was broken.")]
pub struct Sim {
    /// How many seeds to run
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u64).range(1..))]
    #[arg(default_value_if("seed", clap::builder::ArgPredicate::IsPresent, "1"))]
    seeds: u64,
    /// The first seed; alone, the only one
    #[arg(long, value_name = "K", default_value = "0")]
    seed: u64,
    /// Operations on the bus until the faults of a seed are over
    #[arg(long, value_name = "S", default_value_t = sim::STEPS)]
    steps: u64,
    /// Take a protection out, and see whether that is noticed: compare-and-set, move-id, acknowledge-first, lazy-sync, fence
    #[arg(long, value_name = "NAME")]
    sabotage: Option<Sabotage>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl Sim {
    pub fn run(self) -> Outcome {
        let plan = Plan { seed: self.seed, steps: self.steps, sabotage: self.sabotage, only: None };
        let begun = Instant::now();
        let progress = Progress { begun, seeds: self.seeds, shown: Mutex::new(begun), is_shown: self.shows() };
        let totals = run_all(&plan, self.seeds, |done| progress.show(done)).or_exit(Exit::Bad)?;
        progress.end();
        let took_s = begun.elapsed().as_secs_f64();
        let Some(failed) = &totals.failed else { return self.good(&totals, took_s) };
        let plan = Plan { seed: failed.seed, ..plan };
        progress.say(&format!("seed {} fails; making it small", plan.seed));
        let shrunk = shrink(&plan, failed).or_exit(Exit::Bad)?;
        progress.end();
        match (shrunk, &failed.broken) {
            (Some(shrunk), Some(broken)) => self.bad(&totals, took_s, &shrunk, broken),
            _ => Err(Stop::silent(Exit::Bad)),
        }
    }

    fn shows(&self) -> bool {
        !self.json && io::stderr().is_terminal()
    }

    fn good(&self, totals: &Totals, took_s: f64) -> Outcome {
        if self.json {
            return output::json(&summary(totals, took_s));
        }
        say_totals(totals, took_s)?;
        output::line("every promise was kept")
    }

    fn bad(&self, totals: &Totals, took_s: f64, shrunk: &Shrunk, broken: &Broken) -> Outcome {
        let seed = shrunk.report.seed;
        let broken = shrunk.report.broken.as_ref().unwrap_or(broken);
        let again = self.again(seed);
        if self.json {
            let mut summary = summary(totals, took_s);
            let failed = json!({
                "seed": seed, "promise": broken.promise, "how": broken.how,
                "deals": shrunk.only.deals, "faults": shrunk.only.faults.len(), "attempts": shrunk.attempts,
                "story": shrunk.report.story, "again": again,
            });
            if let Some(summary) = summary.as_object_mut() {
                summary.insert("failed".to_owned(), failed);
            }
            output::json(&summary)?;
            return Err(Stop::silent(Exit::Bad));
        }
        say_totals(totals, took_s)?;
        let (deals, faults) = (shrunk.only.deals.len(), shrunk.only.faults.len());
        output::line(format_args!("\nseed {seed}, with {deals} of its deals and {faults} of its faults:\n"))?;
        for line in &shrunk.report.story {
            output::line(line)?;
        }
        output::line(format_args!("\nbroken: {}: {}", broken.promise, broken.how))?;
        output::line(format_args!("again:  {again}"))?;
        Err(Stop::silent(Exit::Bad))
    }

    /// The command that does it again.
    fn again(&self, seed: u64) -> String {
        let mut again = format!("hms sim --seed {seed}");
        if self.steps != sim::STEPS {
            again.push_str(&format!(" --steps {}", self.steps));
        }
        if let Some(sabotage) = self.sabotage {
            again.push_str(&format!(" --sabotage {sabotage}"));
        }
        again
    }
}

fn summary(totals: &Totals, took_s: f64) -> Value {
    let faults: serde_json::Map<String, Value> =
        totals.faults.iter().map(|(fault, count)| (fault.name().to_owned(), json!(count))).collect();
    json!({
        "seeds": totals.seeds, "steps": totals.steps, "moves": totals.moves, "deals": totals.ends, "faults": faults,
        "took_s": (took_s * 1_000.0).round() / 1_000.0, "digest": format!("{:016x}", totals.digest),
        "good": totals.failed.is_none(),
    })
}

fn say_totals(totals: &Totals, took_s: f64) -> Outcome {
    #[allow(clippy::cast_precision_loss)] // for people
    let a_second = totals.seeds as f64 / took_s.max(0.001);
    let Totals { seeds, steps, moves, .. } = totals;
    output::line(format_args!(
        "{seeds} seeds in {took_s:.1} s ({a_second:.0} a second): {steps} steps, {moves} moves"
    ))?;
    let ends: Vec<String> = totals.ends.iter().map(|(end, count)| format!("{count} {end}")).collect();
    output::line(format_args!("deals:  {}", ends.join(", ")))?;
    let faults = totals.faults.iter().map(|(fault, count)| format!("{count} {}", fault.name().replace('_', " ")));
    output::line(format_args!("faults: {} ({})", totals.struck(), faults.collect::<Vec<_>>().join(", ")))
}

/// How far it is, on a terminal.
struct Progress {
    begun: Instant,
    seeds: u64,
    shown: Mutex<Instant>,
    is_shown: bool,
}

impl Progress {
    fn show(&self, done: u64) {
        let Ok(mut shown) = self.shown.try_lock() else { return };
        if shown.elapsed() >= SHOW_EVERY {
            *shown = Instant::now();
            let took_s = self.begun.elapsed().as_secs();
            self.say(&format!("{done} of {} seeds, {took_s} s", self.seeds));
        }
    }

    fn say(&self, what: &str) {
        if self.is_shown {
            // Nobody is left to be told when standard error is closed.
            let _ = write!(io::stderr().lock(), "\r\x1b[K{what}");
        }
    }

    fn end(&self) {
        self.say("");
    }
}
