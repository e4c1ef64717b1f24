//! Who may not do what, and by which rule.

use schemas::core::{Call, Decider};
use schemas::error::{Code, ErrorReply};
use schemas::hash::Hash;
use schemas::id::JobId;
use schemas::job::TaskWord;
use schemas::task::{JudgeTask, Task, TaskMove};

use super::{NOW, World, agent, id, task};
use crate::{Ask, Mac};

fn rule(refusal: &ErrorReply) -> (Code, &str) {
    (refusal.kind(), refusal.rule.as_deref().unwrap_or("no rule"))
}

fn refused<T: std::fmt::Debug>(outcome: Result<T, ErrorReply>) -> (Code, String) {
    let refusal = outcome.unwrap_err();
    let (code, rule) = rule(&refusal);
    (code, rule.to_owned())
}

#[test]
fn jobs_that_could_not_run_are_refused() {
    let cases: [(&str, Vec<Task>); 5] = [
        ("unknown_need", vec![task("a", &["b"])]),
        ("cycle", vec![task("a", &["b"]), task("b", &["c"]), task("c", &["b"])]),
        ("cycle", vec![task("a", &["b"]), task("b", &["a"])]),
        ("too_few_verifiers", vec![Task { panel: Some(schemas::task::Panel { asked: 5, lead: 5 }), ..task("a", &[]) }]),
        ("no_gatekeeper", vec![Task { gate: true, ..task("a", &[]) }]),
    ];
    for (expected, tasks) in cases {
        let mut world = World::new();
        let mut submit = world.submission(tasks);
        if let (TaskMove::Submit(submit), "no_gatekeeper") = (&mut submit, expected) {
            submit.gatekeepers.clear();
        }
        assert_eq!(refused(world.send("boss", submit)), (Code::Refused, expected.to_owned()));
    }
    let mut world = World::new();
    let submit = world.submission(vec![task("a", &[])]);
    world.id = JobId::parse("another").unwrap();
    assert_eq!(refused(world.send("boss", submit)), (Code::BadMessage, "job_id".to_owned()));
}

#[test]
fn the_same_move_is_recorded_once_and_its_id_is_taken() {
    let mut world = World::with(vec![task("a", &[])]);
    let bid = world.bidding("a", 40);
    let (ask, call) = world.asked("w1", &bid);
    assert_eq!(world.send("w1", bid.clone()).unwrap(), [TaskWord::Bid]);
    assert!(world.send("w1", bid.clone()).unwrap().is_empty());
    let much_later = Call { now_unix_ms: NOW + 1_000_000, ..call };
    assert!(Mac.decide(&world.job, &ask, &much_later).unwrap().events.is_empty(), "whenever it is asked");
    let TaskMove::Bid(mut other) = bid else { unreachable!() };
    other.price_minor = 39;
    assert_eq!(refused(world.send("w1", TaskMove::Bid(other))), (Code::Conflict, "move_id_reused".to_owned()));
}

#[test]
fn bids_are_refused_by_rule() {
    let mut world = World::with(vec![task("a", &[])]);
    assert_eq!(refused(world.bid("w1", "a", 101)), (Code::Refused, "over_budget".to_owned()));
    let mut late = world.bidding("a", 50);
    if let TaskMove::Bid(bid) = &mut late {
        bid.round = 2;
    }
    assert_eq!(refused(world.send("w1", late)), (Code::Conflict, "other_round".to_owned()));
    world.bid("w1", "a", 50).unwrap();
    assert_eq!(refused(world.bid("w1", "a", 49)), (Code::Conflict, "bid_before".to_owned()));
    world.now += 100;
    assert_eq!(refused(world.bid("w2", "a", 49)), (Code::Late, "bidding_over".to_owned()));
}

#[test]
fn only_the_doer_works_and_only_in_time() {
    let mut world = World::with(vec![task("a", &[])]);
    world.take("w1", "a");
    assert_eq!(refused(world.deliver("w2", "a", b"1")), (Code::Forbidden, "not_the_doer".to_owned()));
    assert_eq!(refused(world.progress("w2", "a")), (Code::Forbidden, "not_the_doer".to_owned()));
    world.now += 1_000;
    assert_eq!(refused(world.deliver("w1", "a", b"1")), (Code::Late, "lease_over".to_owned()));
}

#[test]
fn verdicts_are_refused_from_whoever_was_not_asked_and_about_other_results() {
    let mut world = World::with(vec![task("a", &[])]);
    assert_eq!(refused(world.judge("v1", "a", true)), (Code::Conflict, "not_judged".to_owned()));
    world.take("v1", "a");
    world.deliver("v1", "a", b"1").unwrap();
    assert_eq!(
        refused(world.judge("v1", "a", true)),
        (Code::Forbidden, "own_work".to_owned()),
        "a verifier that did it"
    );
    assert_eq!(refused(world.judge("w1", "a", true)), (Code::Forbidden, "not_asked".to_owned()));
    let (move_id, job) = (world.next_id(), world.id.clone());
    let result_hash = Hash::of(b"another");
    let other = JudgeTask {
        move_id,
        deadline_unix_ms: NOW + 5_000,
        job,
        task: id("a"),
        result_hash,
        right: true,
        reason: String::new(),
    };
    assert_eq!(refused(world.send("v2", TaskMove::Judge(other))), (Code::Conflict, "other_result".to_owned()));
    world.judge("v2", "a", true).unwrap();
    assert_eq!(refused(world.judge("v2", "a", true)), (Code::Conflict, "judged_before".to_owned()));
    world.now += 1_000;
    assert_eq!(refused(world.judge("v3", "a", true)), (Code::Late, "judging_over".to_owned()));
}

#[test]
fn the_gate_is_answered_by_its_keepers_in_time() {
    let mut world = World::with(vec![Task { gate: true, panel: None, ..task("a", &[]) }]);
    assert_eq!(refused(world.answer("human", "a", true)), (Code::Conflict, "not_gated".to_owned()));
    world.take("w1", "a");
    world.deliver("w1", "a", b"1").unwrap();
    assert_eq!(refused(world.answer("boss", "a", true)), (Code::Forbidden, "not_gatekeeper".to_owned()));
    world.now += 10_000;
    assert_eq!(refused(world.answer("human", "a", true)), (Code::Late, "gate_silent".to_owned()));
}

#[test]
fn what_is_added_must_fit() {
    let mut world = World::with(vec![task("a", &[])]);
    assert_eq!(refused(world.add(vec![task("b", &[])], None, false)), (Code::Conflict, "no_more".to_owned()));
    let mut world = World::new();
    let mut submit = world.submission(vec![task("a", &[]), task("b", &["a"]), task("c", &["b"])]);
    if let TaskMove::Submit(submit) = &mut submit {
        submit.more = true;
    }
    world.send("boss", submit).unwrap();
    assert_eq!(refused(world.add(vec![task("a", &[])], None, true)), (Code::Conflict, "task_exists".to_owned()));
    assert_eq!(refused(world.add(vec![task("x", &["y"])], None, true)), (Code::Refused, "unknown_need".to_owned()));
    assert_eq!(refused(world.add(vec![task("x", &[])], Some("a"), true)), (Code::Conflict, "parent_began".to_owned()));
    assert_eq!(refused(world.add(vec![task("x", &["c"])], Some("b"), true)), (Code::Refused, "cycle".to_owned()));
    assert_eq!(refused(world.cancel("w1")), (Code::Forbidden, "supervisor".to_owned()));
}

#[test]
fn a_move_must_be_its_signers_and_a_timer_waits_for_a_job_on_its_way() {
    let mut world = World::with(vec![task("a", &[])]);
    let bid = world.bidding("a", 40);
    let (ask, call) = world.asked("w1", &bid);
    let Ask::Move { job, ask: said, signed, reputation_ppb, .. } = ask else { unreachable!() };
    let forged = Ask::Move { by: agent("w2"), job: job.clone(), ask: said, signed, reputation_ppb, looked: None };
    assert_eq!(rule(&Mac.decide(&world.job, &forged, &call).unwrap_err()), (Code::Forbidden, "signer"));

    let due = Ask::Due { job, due_unix_ms: NOW };
    let call = Call { now_unix_ms: NOW + 10, ..Call::default() };
    let decision = Mac.decide(&None, &due, &call).unwrap();
    assert!(
        matches!(decision.effects.as_slice(), [schemas::core::Effect::Again { at_unix_ms, .. }] if *at_unix_ms == NOW + 260)
    );
}
