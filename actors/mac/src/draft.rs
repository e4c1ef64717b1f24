//! A decision as it is made: what one event entails for the same task and for those that wait for it.
//!
//! Every function here looks at the state before the move and is told what the move adds, so nothing is copied and
//! nothing is folded twice. A task comes to one transition in a decision, so the state before is the right one.

use std::collections::BTreeMap;

use schemas::core::Effect;
use schemas::event::{Place, Signed};
use schemas::id::{AgentId, Skill};
use schemas::job::{JobState, TaskWord};

use crate::award;
use crate::entry::{About, Chain};
use crate::moves::{ASKED, SPLIT};
use crate::note::{self, Heard};
use crate::panel::{Case, Outcome, Panel, Verdict};
use crate::pay;
use crate::state::{Bid, Delivered, Job, Phase, Slot};

/// How often the time for bids is doubled at most when nobody bids.
const MOST_DOUBLINGS: u32 = 4;

/// The rule by which a job fails whose task has come to nothing too often.
pub(crate) const ATTEMPTS_SPENT: &str = "attempts_spent";

/// What a decision has come to so far.
pub(crate) struct Draft<'a> {
    pub(crate) job: &'a Job,
    pub(crate) now_unix_ms: i64,
    pub(crate) chain: Chain,
    pub(crate) effects: Vec<Effect>,
    /// The first of the deadlines that it sets, in Unix milliseconds.
    pub(crate) soonest_unix_ms: Option<i64>,
    /// Whether it ends the job.
    pub(crate) ended: bool,
}

impl<'a> Draft<'a> {
    pub(crate) fn new(job: &'a Job, now_unix_ms: i64, trace: Option<String>) -> Self {
        let place = Place { turn: job.turns, prev: job.head, at_unix_ms: now_unix_ms, trace };
        let chain = Chain::at(job.id.clone(), place);
        Self { job, now_unix_ms, chain, effects: Vec::new(), soonest_unix_ms: None, ended: false }
    }

    /// An event.
    pub(crate) fn push(&mut self, what: TaskWord, about: About, cause: Option<&Signed>) {
        if let Some(until) = about.until_unix_ms {
            self.soonest_unix_ms = Some(self.soonest_unix_ms.map_or(until, |soonest| soonest.min(until)));
        }
        self.chain.push(what, about, cause.cloned());
    }

    /// So many milliseconds from now.
    pub(crate) fn within(&self, ms: u32) -> i64 {
        self.now_unix_ms.saturating_add(ms.into())
    }

    /// Tells an agent of the last event.
    pub(crate) fn tell(&mut self, to: &AgentId, heard: Heard<'_>) {
        let turn = self.chain.last_turn();
        self.effects.push(note::note(self.job, to, turn, self.now_unix_ms, heard));
    }

    /// Opens tasks to bids.
    pub(crate) fn announce(&mut self, slots: &[&Slot]) {
        let mut together: BTreeMap<i64, Vec<&Slot>> = BTreeMap::new();
        for slot in slots {
            let in_vain = matches!(&slot.phase, Phase::Announced { bids, .. } if bids.is_empty());
            let doublings = if in_vain { slot.unheard.saturating_add(1).min(MOST_DOUBLINGS) } else { 0 };
            let bid_ms = i64::from(self.job.rules.bid_ms) << doublings;
            together.entry(self.now_unix_ms.saturating_add(bid_ms)).or_default().push(slot);
        }
        for (until_unix_ms, slots) in together {
            let tasks = slots.iter().map(|slot| slot.spec.task.clone()).collect();
            self.push(TaskWord::Announced, About { tasks, ..About::default() }.until(until_unix_ms), None);
            let mut by_skill: BTreeMap<&Skill, Vec<&Slot>> = BTreeMap::new();
            for slot in slots {
                by_skill.entry(&slot.spec.skill).or_default().push(slot);
            }
            for (skill, slots) in by_skill {
                self.effects.extend(note::calls(self.job, skill, &slots, until_unix_ms));
            }
        }
    }

    /// Gives a task to the best of its bids; announces it again where there are none.
    pub(crate) fn award(&mut self, slot: &Slot, bids: &BTreeMap<AgentId, Bid>) {
        let Some((winner, score_ppb)) = award::best(&slot.spec, bids, &self.job.rules) else {
            return self.announce(&[slot]);
        };
        let until_unix_ms = self.within(self.job.rules.lease_ms.min(self.job.rules.work_ms));
        let price_minor = bids.get(winner).map_or(0, |bid| bid.price_minor);
        let award = pay::deal_of(self.job, slot, winner, price_minor, self.now_unix_ms);
        let about = About { measure_ppb: Some(score_ppb), ..About::task(&slot.spec.task) };
        let about = about.by(winner).until(until_unix_ms).paid_by(award.as_ref().map(|award| &award.deal));
        self.push(TaskWord::Awarded, about, None);
        let inputs = self.job.inputs(slot);
        let heard = Heard::of(TaskWord::Awarded, slot).by(winner);
        let given = Heard { award, ..heard.clone() };
        if given.award.is_some() {
            self.tell(&self.job.supervisor, given.clone());
        }
        self.tell(winner, Heard { inputs, with_brief: true, until_unix_ms: Some(until_unix_ms), ..given });
        for loser in bids.keys().filter(|agent| *agent != winner) {
            self.tell(loser, heard.clone());
        }
    }

    /// A result is there: it is judged, waits at the gate, or counts.
    pub(crate) fn delivered(&mut self, slot: &Slot, result: &Delivered, cause: &Signed) {
        let about = About::task(&slot.spec.task).by(&result.by);
        let Some(panel) = slot.spec.panel else {
            self.push(TaskWord::Delivered, about, Some(cause));
            return self.found_right(slot, result, &Panel::new());
        };
        let asked = self.case(slot, &result.by).next(usize::try_from(panel.asked).unwrap_or(usize::MAX), &Panel::new());
        let until_unix_ms = self.within(self.job.rules.judge_ms);
        let about = About { verifiers: asked.clone(), ..about.until(until_unix_ms) };
        self.push(TaskWord::Delivered, about, Some(cause));
        self.ask_verifiers(slot, result, &asked, until_unix_ms);
        self.judge(slot, result, &asked.into_iter().map(|agent| (agent, Verdict::Awaited)).collect());
    }

    /// Looks what verdicts come to.
    pub(crate) fn judge(&mut self, slot: &Slot, result: &Delivered, panel: &Panel) {
        let lead = slot.spec.panel.map_or(1, |panel| panel.lead);
        let outcome = self.case(slot, &result.by).outcome(panel, lead);
        match outcome {
            Outcome::Open => {}
            Outcome::Right => self.found_right(slot, result, panel),
            Outcome::Wrong => self.found_wrong(slot, result, panel, "verdicts"),
            Outcome::Widen(more) => {
                let until_unix_ms = self.within(self.job.rules.judge_ms);
                let about = About { verifiers: more.clone(), ..About::task(&slot.spec.task) };
                self.push(TaskWord::Widened, about.until(until_unix_ms), None);
                self.ask_verifiers(slot, result, &more, until_unix_ms);
            }
            // Nobody is there to say yes, and silence is no.
            Outcome::Split if self.job.gatekeepers.is_empty() => self.found_wrong(slot, result, panel, SPLIT),
            Outcome::Split => self.gate(slot, result, SPLIT),
        }
    }

    fn case<'b>(&'b self, slot: &'b Slot, doer: &'b AgentId) -> Case<'b> {
        let Job { id: job, verifiers, .. } = self.job;
        Case { job, task: &slot.spec.task, round: slot.round, doer, verifiers }
    }

    fn ask_verifiers(&mut self, slot: &Slot, result: &Delivered, verifiers: &[AgentId], until_unix_ms: i64) {
        let inputs = self.job.inputs(slot);
        let heard = Heard { inputs, until_unix_ms: Some(until_unix_ms), ..Heard::of(TaskWord::Delivered, slot) };
        for verifier in verifiers {
            self.tell(verifier, heard.clone().with_result(slot, result));
        }
    }

    fn found_right(&mut self, slot: &Slot, result: &Delivered, panel: &Panel) {
        if slot.spec.gate { self.gate(slot, result, ASKED) } else { self.done(slot, result, panel, "verdicts") }
    }

    fn gate(&mut self, slot: &Slot, result: &Delivered, rule: &'static str) {
        let until_unix_ms = self.within(self.job.rules.gate_ms);
        let about = About::task(&slot.spec.task).by(&result.by).until(until_unix_ms).rule(rule);
        self.push(TaskWord::Gated, about, None);
        let heard = Heard { until_unix_ms: Some(until_unix_ms), rule: Some(rule), ..Heard::of(TaskWord::Gated, slot) };
        for gatekeeper in &self.job.gatekeepers {
            self.tell(gatekeeper, heard.clone().with_result(slot, result));
        }
    }

    /// A task is done: what waited for it alone is announced, and a job without more to do is finished.
    pub(crate) fn done(&mut self, slot: &Slot, result: &Delivered, panel: &Panel, rule: &'static str) {
        let about = About {
            verifiers: those(panel, Verdict::Right),
            mistaken: those(panel, Verdict::Wrong),
            ..About::task(&slot.spec.task).by(&result.by).rule(rule).paid_by(slot.deal_id())
        };
        self.push(TaskWord::Done, about, None);
        let heard = Heard::of(TaskWord::Done, slot).with_result(slot, result);
        let heard = Heard { award: slot.deal.clone(), ..heard };
        self.tell(&result.by, Heard::of(TaskWord::Done, slot).by(&result.by));
        self.tell(&self.job.supervisor.clone(), heard);
        let job = self.job;
        let ready = slot.dependents.iter().filter_map(|place| job.tasks.get(*place));
        let ready: Vec<&Slot> = ready.filter(|slot| slot.waits_for == 1).collect();
        self.announce(&ready);
        if job.undone == 1 && !job.more {
            self.finish();
        }
    }

    /// A job ends well.
    pub(crate) fn finish(&mut self) {
        self.push(TaskWord::Finished, About::default(), None);
        self.end(JobState::Finished, None);
    }

    /// A result is wrong: the task is announced again.
    pub(crate) fn found_wrong(&mut self, slot: &Slot, result: &Delivered, panel: &Panel, rule: &'static str) {
        let about = About {
            verifiers: those(panel, Verdict::Wrong),
            mistaken: those(panel, Verdict::Right),
            ..About::task(&slot.spec.task).by(&result.by).rule(rule).paid_by(slot.deal_id())
        };
        self.push(TaskWord::Refuted, about, None);
        self.tell(&result.by, Heard { rule: Some(rule), ..Heard::of(TaskWord::Refuted, slot).by(&result.by) });
        self.again(slot, ATTEMPTS_SPENT);
    }

    /// A task that came to nothing is announced again, unless that was often enough: then the job fails by this rule.
    pub(crate) fn again(&mut self, slot: &Slot, rule: &'static str) {
        if slot.spent.saturating_add(1) >= self.job.rules.attempts {
            self.fail(Some(slot), rule);
        } else {
            self.announce(&[slot]);
        }
    }

    /// The job cannot be finished.
    pub(crate) fn fail(&mut self, slot: Option<&Slot>, rule: &'static str) {
        let about = slot.map_or_else(About::default, |slot| About::task(&slot.spec.task));
        self.push(TaskWord::Failed, about.rule(rule), None);
        self.end(JobState::Failed, Some(rule));
    }

    /// Tells the supervisor and whoever is at work that the job has ended.
    pub(crate) fn end(&mut self, state: JobState, rule: Option<&'static str>) {
        let event = match state {
            JobState::Finished | JobState::Running => TaskWord::Finished,
            JobState::Failed => TaskWord::Failed,
            JobState::Cancelled => TaskWord::Cancelled,
        };
        self.ended = true;
        let job = self.job;
        self.tell(&job.supervisor, Heard { rule, ..Heard::of_job(event) });
        for slot in &job.tasks {
            if let Phase::Awarded { to, .. } = &slot.phase {
                self.tell(to, Heard { rule, ..Heard::of(event, slot) });
            }
        }
    }
}

/// Those of a panel who said so.
fn those(panel: &Panel, verdict: Verdict) -> Vec<AgentId> {
    panel.iter().filter(|(_, said)| **said == verdict).map(|(agent, _)| agent.clone()).collect()
}
