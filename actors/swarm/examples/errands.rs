//! Agents that work together: one submits a job whose last task needs the others, and clerks do the tasks.
//!
//! ```text
//! hms up                                                        # a bus, in one terminal
//! cargo run --release --example errands -- clerk                # does tasks, in another
//! cargo run --release --example errands -- boss --count "to be or not" --count "to be"
//! ```
//!
//! With `--pay BOOK:GOOD` each task is paid for, by a deal in the ledger's book.
#![allow(clippy::print_stdout)] // saying what happens is what it is for

use clap::Parser;
use schemas::task::{Panel, Pay, Task};
use schemas::{AgentId, Good, MarketId, Skill, TaskId};
use swarm::agent::{Agent, Bids, JobSpec, Submitted, Verdict};

/// What a clerk asks for a task, in minor units.
const PRICE_MINOR: i64 = 30;
/// What a task may cost, in minor units.
const BUDGET_MINOR: i64 = 100;
/// What a task is called under.
const SKILL: &str = "words";

/// A clerk that counts words, or, with --count, a boss that has them counted
#[derive(Parser)]
struct Args {
    /// Its id on the bus
    name: AgentId,
    /// A text whose words are to be counted, by a task of its own
    #[arg(long, value_name = "TEXT")]
    count: Vec<String>,
    /// Who may be asked to judge a result: whoever of them did not bring it
    #[arg(long, value_name = "AGENT")]
    verifier: Vec<AgentId>,
    /// In what the tasks are paid for
    #[arg(long, value_name = "BOOK:GOOD", value_parser = pay)]
    pay: Option<Pay>,
    /// The broker; otherwise NATS_URL, or the context of the `nats` command line
    #[arg(long, value_name = "URL")]
    nats: Option<String>,
}

fn pay(text: &str) -> Result<Pay, String> {
    let (book, good) = text.split_once(':').ok_or("write it as payroll:usd")?;
    let bad = |error: &dyn std::fmt::Display| error.to_string();
    Ok(Pay {
        book: MarketId::parse(book).map_err(|error| bad(&error))?,
        good: Good::parse(good).map_err(|error| bad(&error))?,
    })
}

fn main() -> anyhow::Result<()> {
    runtime::run(live(Args::parse()))?
}

async fn live(args: Args) -> anyhow::Result<()> {
    let agent = Agent::named(args.name.clone()).at(args.nats.clone());
    if args.count.is_empty() {
        let agent = agent
            .worker(Skill::parse(SKILL)?, Bids::at(PRICE_MINOR).at_once(4), |work| async move {
                println!("{work:?}");
                result(&work.brief, work.inputs.into_values()).ok_or_else(|| format!("not for me: {}", work.brief))
            })
            .verifier(|submitted| async move { verdict(submitted) })
            .start()
            .await?;
        println!("works");
        runtime::interrupted().await?;
        agent.stop().await;
        return Ok(());
    }
    let agent = agent.start().await?;
    let total = have_counted(&agent, args).await;
    agent.stop().await;
    println!("{} words", total?);
    Ok(())
}

/// What a task brings: the words of a text, or the sum of what others brought.
fn result(brief: &str, inputs: impl Iterator<Item = Vec<u8>>) -> Option<Vec<u8>> {
    let number = |result: Vec<u8>| String::from_utf8(result).ok()?.parse::<usize>().ok();
    let total = match brief.strip_prefix("count: ") {
        Some(text) => text.split_whitespace().count(),
        None if brief == "add" => inputs.map(number).sum::<Option<usize>>()?,
        None => return None,
    };
    Some(total.to_string().into_bytes())
}

fn verdict(submitted: Submitted) -> Verdict {
    match result(&submitted.brief, submitted.inputs.into_values()) {
        Some(right) if right == submitted.result => Verdict::Yes,
        Some(right) => Verdict::No(format!("it is {}", String::from_utf8_lossy(&right))),
        None => Verdict::Silence,
    }
}

async fn have_counted(agent: &Agent, args: Args) -> anyhow::Result<String> {
    let panel = (!args.verifier.is_empty()).then_some(Panel { asked: 1, lead: 1 });
    let task = |task: TaskId, needs: Vec<TaskId>, brief: String| -> anyhow::Result<Task> {
        let (skill, wanted) = (Skill::parse(SKILL)?, Vec::new());
        Ok(Task { task, needs, skill, wanted, brief, budget_minor: BUDGET_MINOR, panel, gate: false })
    };
    let mut tasks = Vec::new();
    for (number, text) in args.count.iter().enumerate() {
        tasks.push(task(TaskId::parse(&format!("text-{number}"))?, Vec::new(), format!("count: {text}"))?);
    }
    let all = TaskId::parse("all")?;
    tasks.push(task(all.clone(), tasks.iter().map(|task| task.task.clone()).collect(), "add".to_owned())?);

    let mut spec = JobSpec::of(tasks).judged_by(args.verifier);
    if let Some(pay) = args.pay {
        agent.declare(&pay.book, [(pay.good.clone(), 1_000_000)]).await?;
        spec = spec.paid_in(pay);
    }
    let job = agent.submit(spec).await?;
    println!("{} submitted", job.id());
    let results = job.ended().await?;
    Ok(String::from_utf8_lossy(results.get(&all).map_or(&[], Vec::as_slice)).into_owned())
}
