//! The life of a job, told once through and at each of its forks.

use schemas::job::TaskWord::{
    Added, Announced, Answered, Awarded, Bid, Cancelled, Declined, Delivered, Done, Failed, Finished, Gated, Judged,
    Lapsed, Progressed, Refuted, Silent, Submitted, Widened,
};
use schemas::job::{JobState, TaskState};
use schemas::task::{Panel, Task};

use super::{World, agent, id, task};

fn plain(name: &str, needs: &[&str]) -> Task {
    Task { panel: None, ..task(name, needs) }
}

#[test]
fn what_needs_another_waits_and_gets_its_result() {
    let mut world = World::with(vec![task("b", &["a"]), task("a", &[])]);
    let words: Vec<_> = world.log.iter().map(|entry| entry.event.what).collect();
    assert_eq!(words, [Submitted, Announced]);
    assert_eq!(world.events(Announced)[0].tasks, [id("a")], "b waits");
    assert_eq!(world.bid("w1", "b", 10).unwrap_err().rule.as_deref(), Some("not_announced"));

    assert_eq!(world.bid("w1", "a", 60).unwrap(), [Bid]);
    assert_eq!(world.bid("w2", "a", 40).unwrap(), [Bid, Awarded], "two are enough");
    let told = world.told();
    assert_eq!(
        told.iter().map(|(to, note)| (to.as_str(), note.agent.clone())).collect::<Vec<_>>(),
        [("w2", Some(agent("w2"))), ("w1", Some(agent("w2"))),]
    );
    assert_eq!(told[0].1.brief.as_deref(), Some("do a"));

    assert_eq!(world.progress("w2", "a").unwrap(), [Progressed]);
    assert_eq!(world.deliver("w2", "a", b"42").unwrap(), [Delivered]);
    let panel = world.awaited("a");
    assert_eq!(panel.len(), 3);
    assert!(world.told().iter().all(|(to, note)| panel.contains(to) && note.result.as_ref().unwrap().result == b"42"));
    assert_eq!(world.judge(&panel[0], "a", true).unwrap(), [Judged]);
    assert_eq!(world.judge(&panel[1], "a", true).unwrap(), [Judged, Done, Announced], "a lead of two, and b is next");

    world.take("w1", "b");
    let inputs = &world.told()[0].1.inputs;
    assert_eq!((inputs[0].task.clone(), inputs[0].result.as_slice()), (id("a"), b"42".as_slice()));
    world.deliver("w1", "b", b"43").unwrap();
    let panel = world.awaited("b");
    world.judge(&panel[0], "b", true).unwrap();
    assert_eq!(world.judge(&panel[1], "b", true).unwrap(), [Judged, Done, Finished]);
    assert_eq!(world.state(), JobState::Finished);
    assert_eq!(world.replayed(), world.job);
}

#[test]
fn a_worker_that_dies_is_replaced_and_one_that_gives_signs_of_life_is_not() {
    let mut world = World::with(vec![plain("a", &[])]);
    world.take("w1", "a");
    world.now += 900;
    world.progress("w1", "a").unwrap();
    assert!(world.later(200).is_empty(), "its lease is longer now");
    assert_eq!(world.later(900), [Lapsed, Announced]);
    assert_eq!(world.round("a"), 2);
    assert_eq!(world.deliver("w1", "a", b"late").unwrap_err().rule.as_deref(), Some("not_awarded"));
    world.take("w2", "a");
    assert_eq!(world.deliver("w2", "a", b"42").unwrap(), [Delivered, Done, Finished]);
    assert!(world.standings.of(&agent("w1")).reputation_ppb < world.standings.of(&agent("nobody")).reputation_ppb);
    assert!(world.standings.of(&agent("w2")).reputation_ppb > world.standings.of(&agent("nobody")).reputation_ppb);
}

#[test]
fn whoever_lets_six_leases_run_out_gets_no_seventh() {
    let mut world = World::with(vec![plain("a", &[])]);
    for lapse in 0..6 {
        world.take("silent", "a");
        assert_eq!(world.later(1_000), [Lapsed, Announced], "{lapse}");
    }
    let refusal = world.bid("silent", "a", 1).unwrap_err();
    assert_eq!((refusal.rule.as_deref(), refusal.field.as_deref()), (Some("low_reputation"), Some("task")));
    world.take("w1", "a");
    assert_eq!(world.deliver("w1", "a", b"42").unwrap(), [Delivered, Done, Finished], "others may");
    assert_eq!(world.replayed(), world.job);
}

#[test]
fn nobody_works_for_ever() {
    let mut world = World::with(vec![plain("a", &[])]);
    world.take("w1", "a");
    for _ in 0..5 {
        world.now += 900;
        world.progress("w1", "a").unwrap();
    }
    world.now += 499;
    world.progress("w1", "a").unwrap();
    assert_eq!(world.later(1), [Lapsed, Announced], "work_ms is over");
}

#[test]
fn a_task_given_back_is_announced_again_until_that_was_often_enough() {
    let mut world = World::with(vec![plain("a", &[])]);
    for attempt in 1..10 {
        let worker = format!("w{attempt}");
        world.take(&worker, "a");
        assert_eq!(world.decline(&worker, "a").unwrap(), [Declined, Announced], "{attempt}");
    }
    world.take("w10", "a");
    assert_eq!(world.decline("w10", "a").unwrap(), [Declined, Failed]);
    assert_eq!((world.state(), world.job().rule.as_deref()), (JobState::Failed, Some("attempts_spent")));
}

#[test]
fn a_task_that_nobody_bids_for_is_announced_with_more_time_each_time() {
    let mut world = World::with(vec![plain("a", &[])]);
    for wait in [100, 200, 400, 800, 1_600, 1_600] {
        assert!(world.later(wait - 1).is_empty(), "{wait}");
        assert_eq!(world.later(1), [Announced], "{wait}");
    }
}

#[test]
fn a_wrong_result_is_caught_and_its_doer_may_not_bid_again() {
    let mut world = World::with(vec![task("a", &[])]);
    world.take("liar", "a");
    world.deliver("liar", "a", b"41").unwrap();
    let panel = world.awaited("a");
    world.judge(&panel[0], "a", false).unwrap();
    assert_eq!(world.judge(&panel[1], "a", false).unwrap(), [Judged, Refuted, Announced]);
    assert_eq!(world.events(Refuted)[0].verifiers.len(), 2);
    assert_eq!(world.bid("liar", "a", 1).unwrap_err().rule.as_deref(), Some("was_wrong"));
    assert_eq!(world.standings.of(&agent("liar")).broken, 1);
    assert_eq!(world.standings.of(&agent(&panel[0])).kept, 1);
}

#[test]
fn dissent_asks_for_more_verifiers_and_then_for_a_human() {
    let mut world = World::with(vec![task("a", &[])]);
    world.take("w1", "a");
    world.deliver("w1", "a", b"42").unwrap();
    let panel = world.awaited("a");
    assert_eq!(world.judge(&panel[0], "a", true).unwrap(), [Judged]);
    assert_eq!(world.judge(&panel[1], "a", false).unwrap(), [Judged, Widened], "one is left, and two are missing");
    let panel = world.awaited("a");
    assert_eq!(panel.len(), 2);
    world.judge(&panel[0], "a", true).unwrap();
    assert_eq!(world.judge(&panel[1], "a", false).unwrap(), [Judged, Gated], "two against two, and nobody is left");
    assert_eq!(world.told().iter().map(|(to, _)| to.as_str()).collect::<Vec<_>>(), ["human"]);
    assert_eq!(world.answer("human", "a", true).unwrap(), [Answered, Done, Finished]);
    let done = world.events(Done)[0];
    assert_eq!((done.verifiers.len(), done.mistaken.len()), (2, 2));
}

#[test]
fn a_split_panel_without_a_human_or_with_a_silent_one_is_a_no() {
    let tasks = || vec![Task { panel: Some(Panel { asked: 2, lead: 2 }), ..task("a", &[]) }];
    let mut world = World::with(tasks());
    world.take("w1", "a");
    world.deliver("w1", "a", b"42").unwrap();
    assert_eq!(world.later(1_000), [Silent, Widened], "two said nothing");
    assert_eq!(world.later(1_000), [Silent, Gated], "and the two others");
    assert!(world.later(9_999).is_empty());
    assert_eq!(world.later(1), [Refuted, Announced]);
    assert_eq!(world.events(Refuted)[0].rule.as_deref(), Some("gate_silent"));
    assert_eq!(world.standings.of(&agent("v1")).broken, 1, "silence breaks a promise");

    let mut world = World::new();
    let mut submit = world.submission(tasks());
    if let schemas::task::TaskMove::Submit(submit) = &mut submit {
        submit.gatekeepers.clear();
    }
    world.send("boss", submit).unwrap();
    world.take("w1", "a");
    world.deliver("w1", "a", b"42").unwrap();
    world.later(1_000);
    assert_eq!(world.later(1_000), [Silent, Refuted, Announced]);
}

#[test]
fn the_gate_holds_until_it_is_answered_and_silence_is_no() {
    let gated = || vec![Task { gate: true, ..plain("a", &[]) }, plain("b", &["a"])];
    let mut world = World::with(gated());
    world.take("w1", "a");
    assert_eq!(world.deliver("w1", "a", b"42").unwrap(), [Delivered, Gated]);
    assert!(world.later(9_999).is_empty());
    assert_eq!((world.state_of("a"), world.state_of("b")), (TaskState::Gated, TaskState::Waiting));
    assert_eq!(world.answer("human", "a", true).unwrap(), [Answered, Done, Announced]);

    let mut world = World::with(gated());
    world.take("w1", "a");
    world.deliver("w1", "a", b"42").unwrap();
    assert_eq!(world.later(10_000), [Failed]);
    assert_eq!(world.job().rule.as_deref(), Some("gate_silent"));

    let mut world = World::with(gated());
    world.take("w1", "a");
    world.deliver("w1", "a", b"42").unwrap();
    assert_eq!(world.answer("human", "a", false).unwrap(), [Answered, Failed]);
    assert_eq!(world.job().rule.as_deref(), Some("gate_rejected"));
}

#[test]
fn a_supervisor_adds_parts_while_the_job_runs() {
    let mut world = World::new();
    let mut submit = world.submission(vec![plain("a", &[]), plain("report", &["a"])]);
    if let schemas::task::TaskMove::Submit(submit) = &mut submit {
        submit.more = true;
    }
    world.send("boss", submit).unwrap();
    assert_eq!(
        world.add(vec![plain("x", &[]), plain("y", &["x", "a"])], Some("report"), true).unwrap(),
        [Added, Announced]
    );
    assert_eq!(world.events(Announced)[1].tasks, [id("x")]);
    for name in ["a", "x", "y"] {
        assert_eq!(world.state_of("report"), TaskState::Waiting, "before {name}");
        world.take("w1", name);
        world.deliver("w1", name, b"1").unwrap();
    }
    world.take("w1", "report");
    assert_eq!(world.told()[0].1.inputs.len(), 3, "its parts are inputs too");
    assert_eq!(world.deliver("w1", "report", b"1").unwrap(), [Delivered, Done], "more may come");
    assert_eq!(world.add(vec![], None, false).unwrap(), [Added, Finished]);
    assert_eq!(world.replayed(), world.job);
}

#[test]
fn a_job_ends_when_its_time_is_over_or_its_supervisor_says_so() {
    let mut world = World::with(vec![plain("a", &[])]);
    world.take("w1", "a");
    assert_eq!(world.cancel("boss").unwrap(), [Cancelled]);
    let told: Vec<_> = world.told().into_iter().map(|(to, _)| to).collect();
    assert_eq!(told, ["boss", "w1"], "whoever is at work hears that it may stop");

    let mut world = World::with(vec![plain("a", &[])]);
    assert_eq!(world.later(600_000), [Failed]);
    assert_eq!(world.job().rule.as_deref(), Some("expired"));
    assert!(world.later(1).is_empty(), "once");
}
