//! Any sequence of moves, well signed, damaged, forged, late or twice, and of timers, through the core of jobs: it never
//! panics, nothing is announced before what it needs is done, each task has one doer at a time, nobody judges its own
//! work, nothing is recorded twice, and the log tells the state.

#![no_main]

use std::collections::{BTreeMap, BTreeSet};

use fuzz::{Keys, NOW, anybody, body, record, sender};
use libfuzzer_sys::arbitrary::{self, Arbitrary};
use libfuzzer_sys::fuzz_target;
use mac::pay::{Backing, Looked};
use mac::verify::{MAC, verify};
use mac::{Ask, Entry, Job, Mac};
use schemas::core::{Call, Decider, Decision, Logged};
use schemas::event::Signed;
use schemas::hash::Hash;
use schemas::id::{AgentId, JobId, MoveId, TaskId};
use schemas::job::{JobState, TaskWord};
use schemas::keyring::LogRecord;
use schemas::signature::Sender;
use schemas::subject;
use schemas::subject::TaskVerb;
use schemas::task::TaskMove;
use serde_json::{Value, json};

#[derive(Arbitrary, Debug)]
struct Script {
    /// Whether the whole log is verified at the end, which costs more.
    verified: bool,
    pays: bool,
    tasks: Vec<Spec>,
    rules: [u8; 7],
    crew: [u8; 2],
    more: bool,
    steps: Vec<Step>,
}

#[derive(Arbitrary, Debug)]
struct Spec {
    needs: [u8; 2],
    budget: u8,
    panel: Option<[u8; 2]>,
    gate: bool,
}

#[derive(Arbitrary, Debug)]
enum Step {
    Add {
        tasks: Vec<Spec>,
        part_of: Option<u8>,
        more: bool,
    },
    Bid {
        by: u8,
        task: u8,
        price: u8,
        round: i8,
    },
    /// Given back; because nothing pays for it, where a deal is named.
    Decline {
        by: u8,
        task: u8,
        round: i8,
        names_deal: bool,
    },
    /// What the logs of deals say from now on to whoever looks.
    Backing {
        said: u8,
    },
    Progress {
        by: u8,
        task: u8,
        round: i8,
    },
    Deliver {
        by: u8,
        task: u8,
        round: i8,
        result: u8,
    },
    Judge {
        by: u8,
        task: u8,
        right: bool,
        other: bool,
    },
    Answer {
        by: u8,
        task: u8,
        approve: bool,
        other: bool,
    },
    Cancel {
        by: u8,
    },
    /// What whoever holds a task does with it.
    Doer {
        task: u8,
        delivers: bool,
    },
    /// What whoever is asked to judge a task says.
    Panel {
        task: u8,
        right: bool,
    },
    Again {
        which: u8,
        flip: Option<u16>,
    },
    Forge {
        by: u8,
        claimed: u8,
        which: u8,
    },
    Raw {
        by: u8,
        verb: u8,
        bytes: Vec<u8>,
    },
    Wait {
        ms: u16,
    },
    Due,
}

struct World {
    id: JobId,
    job: Option<Job>,
    now_unix_ms: i64,
    log: Vec<Entry>,
    sent: Vec<(AgentId, TaskVerb, Signed)>,
    done: BTreeSet<TaskId>,
    holders: BTreeMap<TaskId, AgentId>,
    tasks: usize,
    backing: Backing,
    moves: u32,
}

impl World {
    fn new() -> Self {
        Self {
            id: JobId::of(&anybody(0), &"m0".parse().expect("a move id")),
            job: None,
            now_unix_ms: NOW,
            log: Vec::new(),
            sent: Vec::new(),
            done: BTreeSet::new(),
            holders: BTreeMap::new(),
            tasks: 0,
            backing: Backing::Stands,
            moves: 0,
        }
    }

    fn specs(&mut self, specs: &[Spec]) -> Vec<Value> {
        let mut made = Vec::new();
        for spec in specs.iter().take(6) {
            let name = format!("t{}", self.tasks);
            // A need that stands behind is refused, and so is a circle: both may be.
            let needs: BTreeSet<String> =
                spec.needs.iter().filter(|need| **need < 32).map(|need| format!("t{}", need % 8)).collect();
            let mut task = json!({
                "task": name, "needs": needs, "skill": "add", "brief": "", "budget_minor": spec.budget, "gate": spec.gate,
            });
            if let Some([asked, lead]) = spec.panel {
                task["panel"] = json!({ "asked": 1 + asked % 3, "lead": 1 + lead % 3 });
            }
            made.push(task);
            self.tasks += 1;
        }
        made
    }

    fn submit(&mut self, script: &Script) {
        let crew = |from: u8| -> BTreeSet<AgentId> { (0..from % 7).map(anybody).collect() };
        let tasks = self.specs(&script.tasks);
        let [bid, enough, lease, work, judge, gate, attempts] = script.rules;
        let ms = |byte: u8| 100 + 10 * u32::from(byte);
        let mut submit = json!({
            "tasks": tasks, "verifiers": crew(script.crew[0]), "gatekeepers": crew(script.crew[1]), "more": script.more,
            "rules": {
                "bid_ms": ms(bid), "enough_bids": 1 + enough % 3, "lease_ms": ms(lease), "work_ms": ms(work),
                "judge_ms": ms(judge), "gate_ms": ms(gate), "attempts": 1 + attempts % 5,
                "price_ppm": 400_000, "reputation_ppm": 400_000, "skills_ppm": 200_000,
            },
            "expires_unix_ms": NOW + 60_000,
        });
        if script.pays {
            submit["pay"] = json!({ "book": "africa", "good": "usd" });
        }
        self.move_as(&anybody(0), TaskVerb::Submit, submit);
    }

    fn name(&self, task: u8) -> String {
        format!("t{}", usize::from(task) % self.tasks.max(1))
    }

    fn round(&self, task: &str, shift: i8) -> u32 {
        let round = task.parse().ok().and_then(|task| Some(self.job.as_ref()?.task(&task)?.round));
        // Mostly the right one.
        round.unwrap_or(0).saturating_add_signed(if shift > 64 { 1 } else { i32::from(shift < -96) * -1 })
    }

    fn result(&self, task: &str, other: bool) -> Hash {
        let slot = task.parse().ok().and_then(|task| self.job.as_ref()?.task(&task));
        let result = slot.and_then(|slot| slot.result.as_ref());
        if other { Hash::of(b"other") } else { result.map_or(Hash::ZERO, |result| result.hash) }
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::Add { tasks, part_of, more } => {
                let mut add = json!({ "tasks": self.specs(&tasks), "more": more });
                if let Some(part_of) = part_of {
                    add["part_of"] = json!(self.name(part_of));
                }
                self.move_as(&anybody(0), TaskVerb::Add, add);
            }
            Step::Bid { by, task, price, round } => {
                let task = self.name(task);
                let bid = json!({ "task": task, "round": self.round(&task, round), "price_minor": price });
                self.move_as(&anybody(by), TaskVerb::Bid, bid);
            }
            Step::Decline { by, task, round, names_deal } => {
                let task = self.name(task);
                let mut decline = json!({ "task": task, "round": self.round(&task, round), "reason": "busy" });
                let slot = task.parse().ok().and_then(|task| self.job.as_ref()?.task(&task));
                if let Some(promised) = slot.and_then(|slot| slot.deal.as_ref()).filter(|_| names_deal) {
                    decline["deal"] = json!(promised.deal);
                }
                self.move_as(&anybody(by), TaskVerb::Decline, decline);
            }
            Step::Backing { said } => {
                let accepted = [anybody(said)].into();
                self.backing = match said % 5 {
                    0 => Backing::Missing,
                    1 => Backing::Open { terms_hash: None, accepted, ended_by: None },
                    2 => Backing::Refused { party: Some(anybody(said / 5)) },
                    3 => Backing::Refused { party: None },
                    _ => Backing::Stands,
                };
            }
            Step::Progress { by, task, round } => {
                let task = self.name(task);
                let progress = json!({ "task": task, "round": self.round(&task, round), "done_ppm": 500_000 });
                self.move_as(&anybody(by), TaskVerb::Progress, progress);
            }
            Step::Deliver { by, task, round, result } => {
                let task = self.name(task);
                let result = format!("{result:02x}");
                let deliver = json!({ "task": task, "round": self.round(&task, round), "result": result });
                self.move_as(&anybody(by), TaskVerb::Deliver, deliver);
            }
            Step::Judge { by, task, right, other } => self.judge(&anybody(by), task, right, other),
            Step::Answer { by, task, approve, other } => {
                let task = self.name(task);
                let hash = self.result(&task, other);
                let answer = json!({ "task": task, "result_hash": hash, "approve": approve, "reason": "seen" });
                self.move_as(&anybody(by), TaskVerb::Answer, answer);
            }
            Step::Cancel { by } => self.move_as(&anybody(by), TaskVerb::Cancel, json!({ "reason": "enough" })),
            Step::Doer { task, delivers } => self.doer(task, delivers),
            Step::Panel { task, right } => {
                let name = self.name(task).parse().ok();
                let slot = name.and_then(|name| self.job.as_ref()?.task(&name));
                let asked: Vec<AgentId> = slot.iter().flat_map(|slot| slot.panel.keys()).cloned().collect();
                asked.iter().for_each(|by| self.judge(by, task, right, false));
            }
            Step::Again { which, flip } => self.again(which, flip),
            Step::Forge { by, claimed, which } => {
                let Some((_, verb, signed)) = pick(&self.sent, which).cloned() else { return };
                self.send(&anybody(by), &anybody(claimed), verb, signed.body);
            }
            Step::Raw { by, verb, bytes } => {
                let verb = TaskVerb::ALL[usize::from(verb) % TaskVerb::ALL.len()];
                self.send(&anybody(by), &anybody(by), verb, bytes);
            }
            Step::Wait { ms } => self.now_unix_ms += i64::from(ms),
            Step::Due => self.ask(&Ask::Due { job: self.id.clone(), due_unix_ms: self.now_unix_ms }, None),
        }
    }

    fn judge(&mut self, by: &AgentId, task: u8, right: bool, other: bool) {
        let task = self.name(task);
        let hash = self.result(&task, other);
        let judge = json!({ "task": task, "result_hash": hash, "right": right, "reason": "seen" });
        self.move_as(by, TaskVerb::Judge, judge);
    }

    fn doer(&mut self, task: u8, delivers: bool) {
        let task = self.name(task);
        let holder = task.parse().ok().and_then(|task: TaskId| self.holders.get(&task)).cloned();
        let Some(holder) = holder else { return };
        let round = self.round(&task, 0);
        if delivers {
            self.move_as(&holder, TaskVerb::Deliver, json!({ "task": task, "round": round, "result": "00" }));
        } else {
            self.move_as(&holder, TaskVerb::Progress, json!({ "task": task, "round": round, "done_ppm": 1 }));
        }
    }

    fn move_as(&mut self, by: &AgentId, verb: TaskVerb, mut ask: Value) {
        ask["type"] = json!(format!("task.{}", verb.as_str()));
        ask["move_id"] = json!(format!("m{}", self.moves));
        ask["deadline_unix_ms"] = json!(self.now_unix_ms + 5_000);
        if verb != TaskVerb::Submit {
            ask["job"] = json!(self.id);
        }
        self.moves += 1;
        if let Some(bytes) = body(&ask) {
            self.send(by, by, verb, bytes);
        }
    }

    fn again(&mut self, which: u8, flip: Option<u16>) {
        let Some((by, verb, mut signed)) = pick(&self.sent, which).cloned() else { return };
        let Some(flip) = flip.map(usize::from) else {
            let recorded = TaskMove::decode(verb, &signed.body).is_ok_and(|ask| {
                let moves = self.job.as_ref().map(|job| &job.moves);
                let recorded = moves.and_then(|moves| moves.get(&(by.clone(), ask.move_id().clone())));
                recorded.is_some_and(|recorded| recorded.body_hash == Hash::of(&signed.body))
            });
            let before = self.log.len();
            self.hear(&by, verb, signed);
            assert!(!recorded || self.log.len() == before, "a move was done again");
            return;
        };
        let at = flip / 8 % signed.body.len().max(1);
        if let Some(byte) = signed.body.get_mut(at) {
            *byte ^= 1 << (flip % 8);
        }
        self.send(&by, &by, verb, signed.body);
    }

    fn send(&mut self, by: &AgentId, claimed: &AgentId, verb: TaskVerb, bytes: Vec<u8>) {
        let subject = subject::task_move(verb, claimed, &self.id);
        let signed = Keys::shared().sign(by, subject, bytes, self.now_unix_ms);
        self.sent.push((claimed.clone(), verb, signed.clone()));
        self.hear(claimed, verb, signed);
    }

    /// What the host does with a message before the core sees it.
    fn hear(&mut self, by: &AgentId, verb: TaskVerb, signed: Signed) {
        let Ok(ask) = TaskMove::decode(verb, &signed.body) else { return };
        let names_deal = matches!(&ask, TaskMove::Decline(decline) if decline.deal.is_some());
        let looked = names_deal.then(|| Looked { backing: self.backing.clone(), turns: 3 });
        let (sender, reputation_ppb) = (sender(&signed), 500_000_000);
        let (by, job, ask) = (by.clone(), self.id.clone(), Box::new(ask));
        self.ask(&Ask::Move { by, job, ask, signed, reputation_ppb, looked }, Some(sender));
    }

    fn ask(&mut self, ask: &Ask, sender: Option<Sender>) {
        let call = Call { now_unix_ms: self.now_unix_ms, sender, ..Call::default() };
        let Ok(Decision { events, .. }) = Mac.decide(&self.job, ask, &call) else { return };
        let written = !events.is_empty();
        for entry in events {
            self.write(entry);
        }
        if written && matches!(ask, Ask::Move { .. }) {
            assert!(Mac::answer(&self.job, ask).is_ok(), "what is recorded has no answer");
            assert_eq!(Mac.decide(&self.job, ask, &call).map(|again| again.events.len()), Ok(0), "asked again");
        }
    }

    fn write(&mut self, entry: Entry) {
        let ended = self.job.as_ref().is_some_and(|job| job.state != JobState::Running);
        assert!(!ended, "something follows the end");
        assert_eq!(Entry::read(&entry.bytes).as_ref(), Ok(&entry), "what is written reads as something else");
        let head = self.log.last().map_or(Hash::ZERO, |entry| entry.hash);
        assert_eq!((entry.event.turn as usize, entry.event.prev), (self.log.len(), head), "the chain breaks");
        self.job = Mac::apply(self.job.take(), &entry);
        self.look(&entry);
        self.log.push(entry);
    }

    /// What must hold of each word as it is written.
    fn look(&mut self, entry: &Entry) {
        let event = &entry.event;
        let Some(job) = &self.job else { return };
        for name in &event.tasks {
            let slot = job.task(name).expect("a task of the job");
            let holder = self.holders.get(name);
            match event.what {
                TaskWord::Announced => {
                    assert!(slot.spec.needs.iter().all(|need| self.done.contains(need)), "announced before its needs");
                    assert!(!self.done.contains(name) && holder.is_none(), "announced again");
                }
                TaskWord::Awarded => {
                    let to = event.agent.clone().expect("an award to somebody");
                    assert_eq!(self.holders.insert(name.clone(), to), None, "two doers");
                }
                TaskWord::Judged => assert_ne!(holder, event.agent.as_ref(), "own work"),
                TaskWord::Delivered => {
                    assert_eq!(holder, event.agent.as_ref(), "delivered by somebody else");
                    assert!(holder.is_none_or(|doer| !event.verifiers.contains(doer)), "asked to judge its own work");
                }
                TaskWord::Lapsed | TaskWord::Declined | TaskWord::Refuted => {
                    assert_eq!(self.holders.remove(name), event.agent, "nobody's to lose");
                }
                TaskWord::Done => {
                    assert_eq!(self.holders.remove(name), event.agent, "done by somebody else");
                    assert!(self.done.insert(name.clone()), "done twice");
                }
                _ => {}
            }
        }
    }

    /// What must hold of all that was written.
    fn check(&self, verified: bool) {
        let folded = self.log.iter().fold(None, |job, entry| Job::apply(job, entry));
        assert_eq!(folded, self.job, "the log tells another state");
        let mut seen: BTreeSet<(AgentId, MoveId)> = BTreeSet::new();
        for cause in self.log.iter().filter_map(|entry| entry.event.cause.as_ref()) {
            let (verb, by, _) = subject::parse_task_move(&cause.subject).expect("a move's subject");
            let ask = TaskMove::decode(verb, &cause.body).expect("a move that was taken can be read");
            assert_eq!(sender(cause).name.as_deref(), Some(by.as_str()), "somebody else signed");
            assert!(seen.insert((by, ask.move_id().clone())), "a move was recorded twice");
        }
        if let Some(job) = self.job.as_ref().filter(|job| job.state == JobState::Finished) {
            assert_eq!(self.done.len(), job.tasks.len(), "finished, and not all is done");
        }
        if verified && !self.log.is_empty() {
            let log = subject::task_log(&self.id);
            let records = (1..).zip(&self.log);
            let records: Vec<LogRecord> =
                records.map(|(at, entry)| record(MAC, log.clone(), Mac::KIND, &entry.bytes, at)).collect();
            let verdict = verify(&self.id, &records, &Keys::shared().ring);
            assert!(verdict.is_ok(), "what was written does not verify: {}", verdict.expect_err("checked"));
        }
    }
}

fn pick<T>(from: &[T], which: u8) -> Option<&T> {
    from.get(usize::from(which).checked_rem(from.len())?)
}

fuzz_target!(|script: Script| {
    let mut world = World::new();
    world.submit(&script);
    for step in script.steps.into_iter().take(60) {
        world.step(step);
    }
    world.check(script.verified);
});
