//! The commands, one file each.

mod agents;
mod backup;
mod call;
pub mod deal;
mod decode;
mod dlq;
mod doctor;
mod down;
mod gate;
mod keys;
mod ledger;
pub mod market;
mod node;
mod prove;
pub mod provision;
mod reputation;
mod retention;
mod sim;
mod status;
mod swarm;
mod task;
mod top;
mod transcript;
mod up;
mod verify_all;
mod verify_job;
pub mod watch;

use std::future::Future;

use clap::Subcommand;
use runtime::trace::Recorder;
use tracing_subscriber::filter::LevelFilter;

use crate::{
    exit::{Exit, OrExit, Outcome},
    log::{self, LogFormat},
};

/// What `hms` can do.
#[derive(Debug, Subcommand)]
pub enum Command {
    Up(up::Up),
    Node(node::Node),
    Status(status::Status),
    Doctor(doctor::Doctor),
    Watch(watch::Watch),
    Top(top::Top),
    Down(down::Down),
    Provision(provision::Provision),
    Agents(agents::Agents),
    Call(call::Call),
    Decode(decode::Decode),
    Prove(prove::Prove),
    #[command(subcommand)]
    Deal(deal::Deal),
    #[command(subcommand)]
    Market(market::Market),
    #[command(subcommand)]
    Ledger(ledger::Ledger),
    #[command(subcommand)]
    Task(task::Task),
    #[command(subcommand)]
    Gate(gate::Gate),
    Reputation(reputation::Reputation),
    #[command(subcommand)]
    Swarm(swarm::Swarm),
    Sim(sim::Sim),
    #[command(subcommand)]
    Dlq(dlq::Dlq),
    #[command(subcommand)]
    Keys(keys::Keys),
    Backup(backup::Backup),
    Restore(backup::Restore),
    #[command(subcommand)]
    Retention(retention::Retention),
}

impl Command {
    /// Does it.
    pub fn run(self, format: LogFormat) -> Outcome {
        let level = match &self {
            // Started once for each message that `nats sub --translate` shows: nothing is set up for it.
            Self::Decode(decode) => return decode.run(),
            Self::Up(_) | Self::Node(_) => LevelFilter::INFO,
            // What cores complain of in a simulation is part of it.
            Self::Sim(_) => LevelFilter::OFF,
            _ => LevelFilter::WARN,
        };
        log::start(format, level);
        match self {
            Self::Decode(decode) => decode.run(),
            Self::Keys(keys) => keys.run(),
            Self::Down(down) => down.run(),
            Self::Up(up) => on_runtime(recorded(up.run())),
            Self::Node(node) => on_runtime(recorded(node.run())),
            Self::Status(status) => on_runtime(status.run()),
            Self::Doctor(doctor) => on_runtime(doctor.run()),
            Self::Watch(watch) => on_runtime(watch.run()),
            Self::Top(top) => on_runtime(top.run()),
            Self::Provision(provision) => on_runtime(provision.run()),
            Self::Agents(agents) => on_runtime(agents.run()),
            Self::Call(call) => call.run(),
            Self::Prove(prove) => prove.run(),
            Self::Deal(deal) => deal.run(),
            Self::Market(market) => on_runtime(market.run()),
            Self::Ledger(ledger) => on_runtime(ledger.run()),
            Self::Task(task) => task.run(),
            Self::Gate(gate) => gate.run(),
            Self::Reputation(reputation) => on_runtime(reputation.run()),
            Self::Swarm(swarm) => on_runtime(recorded(swarm.run())),
            Self::Sim(sim) => sim.run(),
            Self::Dlq(dlq) => on_runtime(dlq.run()),
            Self::Backup(backup) => on_runtime(backup.run()),
            Self::Restore(restore) => on_runtime(restore.run()),
            Self::Retention(retention) => on_runtime(retention.run()),
        }
    }
}

/// Has its spans exported, where the environment asks for it.
async fn recorded<T>(work: impl Future<Output = Outcome<T>>) -> Outcome<T> {
    let recorder = Recorder::start("hms");
    let outcome = work.await;
    if let Some(recorder) = recorder {
        recorder.end().await;
    }
    outcome
}

fn on_runtime<T>(work: impl Future<Output = Outcome<T>>) -> Outcome<T> {
    runtime::run(work).or_exit(Exit::NoBus)?
}
