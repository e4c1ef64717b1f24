//! Laws, over random jobs with random workers: honest ones, liars, and such as die, in a random order.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use schemas::core::Effect;
use schemas::id::TaskId;
use schemas::job::{JobState, TaskState, TaskWord};
use schemas::limit::PPB;
use schemas::task::{Panel, Task, TaskMove};

use super::{World, agent, task};
use crate::Phase;

const WORKERS: [&str; 6] = ["w0", "w1", "w2", "w3", "w4", "w5"];

/// What a step brings: who, which task, and how it behaves.
type Step = (usize, usize, u8);

#[derive(Debug, Clone)]
struct Script {
    /// Each task needs some of those before it.
    needs: Vec<Vec<usize>>,
    lead: u32,
    steps: Vec<Step>,
}

fn script() -> impl Strategy<Value = Script> {
    let needs = (1..9_usize).prop_flat_map(|count| {
        (0..count).map(|place| prop::collection::vec(0..place.max(1), 0..3_usize.min(place + 1))).collect::<Vec<_>>()
    });
    let steps = prop::collection::vec((0..WORKERS.len(), 0..9_usize, any::<u8>()), 0..120);
    (needs, 0..3_u32, steps).prop_map(|(needs, lead, steps)| Script { needs, lead, steps })
}

fn tasks(script: &Script) -> Vec<Task> {
    let name = |place: usize| format!("t{place}");
    let tasks = script.needs.iter().enumerate().map(|(place, needs)| {
        let needs: BTreeSet<String> = needs.iter().filter(|need| **need < place).map(|need| name(*need)).collect();
        let needs: Vec<&str> = needs.iter().map(String::as_str).collect();
        let panel = (script.lead > 0).then_some(Panel { asked: script.lead, lead: script.lead });
        Task { panel, gate: place % 4 == 3, ..task(&name(place), &needs) }
    });
    // In reverse, so that needs come after those that need them.
    tasks.rev().collect()
}

/// A job that runs, and when its timer fires.
struct Run {
    world: World,
    armed_unix_ms: Option<i64>,
    seen: usize,
    done: BTreeSet<TaskId>,
    holders: BTreeMap<TaskId, schemas::AgentId>,
}

impl Run {
    fn begin(script: &Script) -> Self {
        let mut world = World::new();
        let mut submit = world.submission(tasks(script));
        if let TaskMove::Submit(submit) = &mut submit {
            submit.rules.attempts = 1_000;
            submit.rules.gate_ms = 500_000;
        }
        world.send("boss", submit).unwrap();
        let mut run = Self { world, armed_unix_ms: None, seen: 0, done: BTreeSet::new(), holders: BTreeMap::new() };
        run.look();
        run
    }

    /// Looks at what the last decision did, and whether every law holds.
    fn look(&mut self) {
        for effect in std::mem::take(&mut self.world.effects) {
            if let Effect::Timer { at_unix_ms } = effect {
                self.armed_unix_ms = Some(self.armed_unix_ms.map_or(at_unix_ms, |armed| armed.min(at_unix_ms)));
            }
        }
        let job = self.world.job.clone().unwrap();
        if job.state == JobState::Running {
            let armed = self.armed_unix_ms.expect("a job that runs has a timer");
            assert!(armed <= job.next_deadline_unix_ms(), "it fires before anything is over");
        }
        for entry in self.world.log.iter().skip(self.seen) {
            let event = &entry.event;
            for name in &event.tasks {
                let slot = job.task(name).unwrap();
                match event.what {
                    TaskWord::Announced => {
                        assert!(slot.spec.needs.iter().all(|need| self.done.contains(need)), "{name} before its needs");
                        assert!(!self.done.contains(name), "{name} again");
                    }
                    TaskWord::Awarded => {
                        let other = self.holders.insert(name.clone(), event.agent.clone().unwrap());
                        assert_eq!(other, None, "{name} was awarded twice");
                    }
                    TaskWord::Judged => assert_ne!(self.holders.get(name), event.agent.as_ref(), "own work"),
                    TaskWord::Delivered => assert!(!event.verifiers.contains(self.holders.get(name).unwrap())),
                    TaskWord::Lapsed | TaskWord::Declined | TaskWord::Refuted => {
                        assert_eq!(self.holders.remove(name), event.agent);
                    }
                    TaskWord::Done => {
                        assert_eq!(self.holders.remove(name), event.agent);
                        assert!(self.done.insert(name.clone()));
                    }
                    _ => {}
                }
            }
        }
        self.seen = self.world.log.len();
        for name in WORKERS.iter().chain(&["v1", "v2", "v3", "v4"]) {
            assert!(i64::from(self.world.standings.of(&agent(name)).reputation_ppb) <= PPB);
        }
    }

    fn fire(&mut self) {
        let Some(armed) = self.armed_unix_ms.take() else { return };
        let wait_ms = (armed - self.world.now).max(0);
        self.world.later(wait_ms);
        self.look();
    }

    /// One step of somebody who may be bad; refusals are part of life.
    fn step(&mut self, (who, which, how): Step) {
        if self.world.state() != JobState::Running {
            return;
        }
        let worker = WORKERS[who];
        let job = self.world.job();
        let slot = &job.tasks[which % job.tasks.len()];
        let (name, holder) = (slot.spec.task.to_string(), slot.doer().map(ToString::to_string));
        match slot.state() {
            TaskState::Announced => drop(self.world.bid(worker, &name, i64::from(how % 120))),
            TaskState::Awarded => match how % 6 {
                0 => drop(self.world.decline(&holder.unwrap(), &name)),
                1 => drop(self.world.progress(&holder.unwrap(), &name)),
                2 => drop(self.world.deliver(worker, &name, b"wrong")),
                3 => drop(self.world.deliver(&holder.unwrap(), &name, b"wrong")),
                4 => drop(self.world.deliver(&holder.unwrap(), &name, b"right")),
                _ => return self.fire(),
            },
            TaskState::Judged => {
                let verifier = ["v1", "v2", "v3", "v4", worker][usize::from(how % 5)];
                drop(self.world.judge(verifier, &name, how % 3 > 0));
            }
            TaskState::Gated if how % 8 == 0 => return self.fire(),
            TaskState::Gated => drop(self.world.answer("human", &name, how % 7 > 0)),
            TaskState::Waiting => drop(self.world.bid(worker, &name, 1)),
            TaskState::Done => return self.fire(),
        }
        self.look();
    }

    /// From now on everybody is honest, and somebody new is there.
    fn heal(&mut self) {
        for _ in 0..2_000 {
            if self.world.state() != JobState::Running {
                return;
            }
            let slots: Vec<_> =
                self.world.job().tasks.iter().map(|slot| (slot.spec.task.to_string(), slot.clone())).collect();
            for (name, slot) in slots {
                match &slot.phase {
                    Phase::Announced { .. } => drop(self.world.bid("honest", &name, 50)),
                    Phase::Awarded { to, .. } => drop(self.world.deliver(to.as_ref(), &name, b"right")),
                    Phase::Judged { .. } => {
                        let right = slot.result.as_ref().is_some_and(|result| result.result == b"right");
                        for verifier in self.world.awaited(&name) {
                            drop(self.world.judge(&verifier, &name, right));
                            self.look();
                        }
                    }
                    Phase::Gated { .. } => drop(self.world.answer("human", &name, true)),
                    Phase::Waiting | Phase::Done => {}
                }
                self.look();
                if self.world.state() != JobState::Running {
                    return;
                }
            }
            self.fire();
        }
        panic!("it does not end: {:#?}", self.world.job().show());
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, ..ProptestConfig::default() })]

    /// Nothing is announced before its needs, nobody judges its own work, one award at a time, reputations within
    /// bounds, a timer for whatever runs out, the same state from the log; and once faults end, so does the job.
    #[test]
    fn every_law_holds_and_every_job_ends(script in script()) {
        let mut run = Run::begin(&script);
        for step in &script.steps {
            run.step(*step);
        }
        run.heal();
        let job = run.world.job();
        prop_assert!(matches!(job.state, JobState::Finished | JobState::Failed));
        if job.state == JobState::Failed {
            // The human said no, or the job's time ran out: nothing else fails it.
            prop_assert!(matches!(job.rule.as_deref(), Some("gate_rejected" | "gate_silent" | "expired")), "{:?}", job.rule);
        } else {
            prop_assert_eq!(run.done.len(), job.tasks.len());
        }
        prop_assert_eq!(run.world.replayed(), run.world.job.clone());
    }

    /// Asking again, whenever, gets nothing new.
    #[test]
    fn a_move_that_is_recorded_is_never_done_again(script in script()) {
        let mut run = Run::begin(&script);
        for step in &script.steps {
            run.step(*step);
        }
        let causes: Vec<_> = run.world.log.iter().filter_map(|entry| entry.event.cause.clone()).collect();
        for signed in causes {
            let (verb, by, _) = schemas::subject::parse_task_move(&signed.subject).unwrap();
            let ask = TaskMove::decode(verb, &signed.body).unwrap();
            let (mut asked, call) = run.world.asked(by.as_str(), &ask);
            if let crate::Ask::Move { signed: again, .. } = &mut asked {
                *again = signed;
            }
            use schemas::core::{Decider, Logged};
            prop_assert!(crate::Mac.decide(&run.world.job, &asked, &call).unwrap().events.is_empty());
            prop_assert!(crate::Mac::answer(&run.world.job, &asked).is_ok());
        }
    }
}
