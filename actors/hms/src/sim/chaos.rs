//! How bad the weather is in a run, and what strikes whole processes.

use runtime::{
    dice::{Dice, number_of},
    memory::weather::{Climate, Fault, Odds, ProcessId, Weather},
    time::{Duration, sleep},
};

use super::Plan;

/// How bad it can be, in thousandths.
const BADNESS: [u64; 5] = [0, 500, 1_000, 2_000, 4_000];
/// How long an operation takes at most in a run, in milliseconds.
const LATENCY_MS: [u64; 4] = [1, 3, 15, 60];
/// How far clocks differ at most in a run, in milliseconds.
const SKEW_MS: [i64; 3] = [0, 0, 250];
/// The share of runs in which a kind of fault can happen, in parts per million: without some, others come to more.
const KIND_PPM: u64 = 700_000;
/// Pauses between what strikes whole processes, in milliseconds.
const BETWEEN_MS: (u64, u64) = (400, 8_000);
/// How long a process is cut off, in milliseconds.
const CUT_OFF_MS: (u64, u64) = (50, 6_000);
/// How long a ledger doesn't hear that it is deposed, in milliseconds.
const UNAWARE_MS: (u64, u64) = (100, 6_000);

/// The weather of a run.
pub fn climate(plan: &Plan) -> Climate {
    let mut dice = Dice::of(&[plan.seed, number_of("climate")]);
    let badness = dice.one_of(&BADNESS).copied().unwrap_or(1_000);
    let kinds: Vec<Fault> = Fault::ALL.into_iter().filter(|_| dice.happens(KIND_PPM)).collect();
    Climate {
        seed: plan.seed,
        odds: Odds::bad().scaled(badness, |fault| kinds.contains(&fault)),
        latency_ms: dice.one_of(&LATENCY_MS).copied().unwrap_or(3),
        skew_ms: dice.one_of(&SKEW_MS).copied().unwrap_or(0),
        only: plan.only.as_ref().map(|only| only.faults.clone()),
        flaws: plan.sabotage.map(super::sabotage::Sabotage::flaws).unwrap_or_default(),
    }
}

/// Strikes whole processes, until it is stopped.
pub async fn run(weather: Weather, processes: Vec<ProcessId>, plan: Plan) {
    let syncs_every_ms = plan.sabotage.map_or(0, |sabotage| sabotage.flaws().syncs_every_ms);
    if syncs_every_ms > 0 {
        let weather = weather.clone();
        runtime::task::spawn_local(async move {
            loop {
                sleep(Duration::from_millis(syncs_every_ms)).await;
                weather.sync();
            }
        });
    }
    for number in 0.. {
        let mut dice = Dice::of(&[plan.seed, number_of("strikes"), number]);
        sleep(Duration::from_millis(dice.between(BETWEEN_MS.0, BETWEEN_MS.1))).await;
        let Some(process) = dice.one_of(&processes).copied() else { return };
        let name = weather.name(process);
        match dice.below(100) {
            0..35 if weather.strikes(Fault::CutOff, &name, number) => {
                weather.cut_off(process, dice.between(CUT_OFF_MS.0, CUT_OFF_MS.1));
            }
            35..65 if weather.strikes(Fault::Dies, &name, number) => weather.kill(process),
            65..94 if weather.strikes(Fault::Deposed, "whoever holds an office", number) => {
                let unaware_ms = dice.between(UNAWARE_MS.0, UNAWARE_MS.1);
                for process in &processes {
                    weather.depose(*process, unaware_ms);
                }
            }
            94..100 if weather.strikes(Fault::PowerCut, "everything", number) => weather.cut_power(),
            _ => {}
        }
    }
}
