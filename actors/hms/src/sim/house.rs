//! The cores, a process each, started again when they die, as a service manager would.

use std::sync::Arc;

use runtime::{
    dice::{Dice, number_of},
    memory::weather::{Exposed, ProcessId, Weather},
    select,
    service::Meters,
    task::{self, JoinHandle},
    time::{Duration, sleep},
};

use super::{
    Plan, keys,
    sabotage::{Forgetful, Sabotage},
};
use crate::services::{
    self, Core, Cores,
    provers::{Provers, Whereabouts},
};

/// Who runs what.
const PROCESSES: [(&str, Core); 5] = [
    ("registry", Core::Registry),
    ("desk-1", Core::Deal),
    ("desk-2", Core::Deal),
    ("ledger-1", Core::Ledger),
    ("ledger-2", Core::Ledger),
];
/// How long until a process that died is started again, in milliseconds.
const AGAIN_MS: (u64, u64) = (50, 4_000);

/// The processes.
pub struct House {
    processes: Vec<ProcessId>,
    kept: Vec<JoinHandle<()>>,
}

impl House {
    /// Starts every process, and keeps it going.
    pub fn start(weather: &Weather, plan: &Plan) -> Self {
        let (mut processes, mut kept) = (Vec::new(), Vec::new());
        for (name, core) in PROCESSES {
            let process = weather.process(name, true);
            processes.push(process);
            let dice = Dice::of(&[plan.seed, number_of(name), number_of("again")]);
            kept.push(task::spawn_local(keep(weather.clone(), process, core, plan.sabotage, dice)));
        }
        Self { processes, kept }
    }

    /// Who can be struck.
    pub fn processes(&self) -> Vec<ProcessId> {
        self.processes.clone()
    }
}

impl Drop for House {
    fn drop(&mut self) {
        self.kept.iter().for_each(JoinHandle::abort);
    }
}

async fn keep(weather: Weather, process: ProcessId, core: Core, sabotage: Option<Sabotage>, mut dice: Dice) {
    loop {
        let port = weather.expose(process);
        select! {
            biased;
            () = port.over() => {}
            started = start(port.clone(), core, sabotage) => {
                // What can't start ends, and is tried again like anything else that ends.
                if let Ok(_cores) = started {
                    port.over().await;
                }
            }
        }
        weather.kill(process);
        sleep(Duration::from_millis(dice.between(AGAIN_MS.0, AGAIN_MS.1))).await;
    }
}

async fn start(port: Exposed, core: Core, sabotage: Option<Sabotage>) -> anyhow::Result<Cores> {
    if core == Core::Deal && sabotage == Some(Sabotage::MoveId) {
        return services::start_desk(Forgetful, Arc::new(port), &keys::Keys).await;
    }
    let none = Provers { count: 0, bus: Whereabouts::default() };
    services::start(Arc::new(port), &keys::Keys, &[core], &none, &Meters::default()).await
}
