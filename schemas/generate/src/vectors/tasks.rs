//! Good messages about jobs and their tasks, and the rules that they may break.

use schemas::hash::Hash;
use schemas::id::{AgentId, JobId, MoveId};
use serde_json::{Value, json};

use super::examples::NOW_UNIX_MS;
use super::rules::{Broken, Edit};
use crate::Outcome;

/// The examples: a name, and the message as JSON.
pub fn examples() -> Outcome<Vec<(&'static str, Value)>> {
    let job = JobId::of(&AgentId::parse("kenya")?, &MoveId::parse("m-1")?).to_string();
    let hash = Hash::of(b"example").to_string();
    let (now, deadline, until) = (NOW_UNIX_MS, NOW_UNIX_MS + 30_000, NOW_UNIX_MS + 60_000);
    let signed = json!({ "subject": "a.b", "sender": "{\"v\":1}", "body": "81a474797065a4646f6e65" });
    let kept = json!({ "bucket": "HMS_RESULTS", "name": "sums.7", "size_bytes": 2_000_000, "hash": hash });
    let input = json!({ "task": "count", "result": "00ff", "kept": kept });
    let task = json!({ "task": "sum", "needs": ["count"], "skill": "add", "wanted": ["fast"], "brief": "add them up",
        "budget_minor": 500, "panel": { "asked": 3, "lead": 2 }, "gate": true });
    let rules = json!({ "bid_ms": 1_000, "enough_bids": 5, "lease_ms": 10_000, "work_ms": 600_000, "judge_ms": 30_000,
        "gate_ms": 86_400_000, "attempts": 10, "price_ppm": 400_000, "reputation_ppm": 400_000, "skills_ppm": 200_000,
        "least_reputation_ppb": 250_000_000 });
    let moved = |verb: &str, more: Value| {
        let mut body = json!({ "type": format!("task.{verb}"), "move_id": "m-1", "deadline_unix_ms": deadline });
        if let (Some(body), Value::Object(more)) = (body.as_object_mut(), more) {
            body.extend(more);
        }
        body
    };
    Ok(vec![
        (
            "full",
            moved(
                "submit",
                json!({ "tasks": [task, { "task": "count", "skill": "add", "brief": "", "budget_minor": 0, "gate": false }],
                    "verifiers": ["chad", "egypt"], "gatekeepers": ["kenya"], "rules": rules, "expires_unix_ms": until, "more": true,
                    "pay": { "book": "bazaar", "good": "usd" } }),
            ),
        ),
        (
            "no tasks yet",
            moved("submit", json!({ "tasks": [], "rules": rules, "expires_unix_ms": until, "more": true })),
        ),
        ("full", moved("add", json!({ "job": job, "tasks": [task], "part_of": "report", "more": true }))),
        ("that was all", moved("add", json!({ "job": job, "tasks": [], "more": false }))),
        (
            "full",
            moved(
                "bid",
                json!({ "job": job, "task": "sum", "round": 1, "price_minor": 400, "skills": ["fast", "add"] }),
            ),
        ),
        ("full", moved("decline", json!({ "job": job, "task": "sum", "round": 1, "reason": "busy", "deal": job }))),
        (
            "not paid",
            moved(
                "decline",
                json!({ "job": job, "task": "sum", "round": 1, "reason": "the deal was refused", "deal": job }),
            ),
        ),
        ("full", moved("progress", json!({ "job": job, "task": "sum", "round": 1, "done_ppm": 250_000 }))),
        ("full", moved("deliver", json!({ "job": job, "task": "sum", "round": 1, "result": "00ff", "kept": kept }))),
        (
            "full",
            moved("judge", json!({ "job": job, "task": "sum", "result_hash": hash, "right": false, "reason": "is 9" })),
        ),
        (
            "full",
            moved(
                "answer",
                json!({ "job": job, "task": "sum", "result_hash": hash, "approve": true, "reason": "seen" }),
            ),
        ),
        ("full", moved("cancel", json!({ "job": job, "reason": "not needed any more" }))),
        ("full", json!({ "type": "task.moved", "job": job, "move_id": "m-1", "state": "running", "turn": 3 })),
        ("full", json!({ "type": "task.show", "job": job })),
        (
            "full",
            json!({ "type": "task.shown", "job": job, "state": "failed", "supervisor": "kenya", "expires_unix_ms": until,
                "tasks": [{ "task": "sum", "state": "awarded", "round": 2, "agent": "chad", "done_ppm": 250_000, "deal": job }],
                "rule": "attempts_spent", "turns": 12 }),
        ),
        (
            "full",
            json!({ "type": "task.event", "job": job, "turn": 7, "prev": hash, "at_unix_ms": now, "what": "awarded",
                "tasks": ["sum"], "agent": "chad", "verifiers": ["egypt"], "mistaken": ["mali"], "until_unix_ms": until,
                "measure_ppb": 620_000_000, "rule": "best_bid", "deal": job, "deal_turns": 4, "cause": signed,
                "trace": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01" }),
        ),
        (
            "plain",
            json!({ "type": "task.event", "job": job, "turn": 9, "prev": hash, "at_unix_ms": now, "what": "finished" }),
        ),
        (
            "full",
            json!({ "type": "note.task", "job": job, "event": "delivered", "turn": 8, "at_unix_ms": now, "supervisor": "kenya",
                "task": "sum", "round": 1, "agent": "chad", "brief": "add them up", "inputs": [input], "result": input,
                "result_hash": hash, "until_unix_ms": until, "rule": "asked",
                "award": { "deal": job, "move_id": "award-1", "terms": "81a474797065a57465726d73" } }),
        ),
        (
            "full",
            json!({ "type": "task.call", "job": job, "supervisor": "kenya", "skill": "add", "until_unix_ms": until,
                "tasks": [{ "task": "sum", "round": 1, "wanted": ["fast"], "brief": "add them up", "budget_minor": 500 }],
                "pay": { "book": "bazaar", "good": "usd" } }),
        ),
        (
            "full",
            json!({ "type": "reputation", "agent": "chad", "reputation_ppb": 562_500_000, "kept": 3, "broken": 1, "sequence": 99,
                "deal_sequence": 120 }),
        ),
    ])
}

/// One edit, one fault.
pub fn rules() -> Vec<Broken> {
    let set = |kind: &'static str, what: &'static str, at: &'static str, value: Value| {
        (kind, what, vec![Edit::Set(at, value)], at, false)
    };
    let submit = |what: &'static str, at: &'static str, value: Value| set("task.submit", what, at, value);
    let long = "x".repeat(1_025);
    vec![
        ("task.submit", "1,025 tasks", vec![Edit::Fill("tasks", 1_025)], "tasks", false),
        ("task.submit", "a task twice", vec![Edit::Copy("tasks[0]", "tasks[1]")], "tasks[1]", false),
        (
            "task.submit",
            "nothing to do",
            vec![Edit::Set("tasks", json!([])), Edit::Set("more", json!(false))],
            "tasks",
            false,
        ),
        ("task.submit", "33 needs", vec![Edit::Fill("tasks[0].needs", 33)], "tasks[0].needs", false),
        ("task.submit", "a need twice", vec![Edit::Fill("tasks[0].needs", 2)], "tasks[0].needs[1]", false),
        ("task.submit", "needs itself", vec![Edit::Set("tasks[0].needs", json!(["sum"]))], "tasks[0].needs", false),
        ("task.submit", "17 wanted skills", vec![Edit::Fill("tasks[0].wanted", 17)], "tasks[0].wanted", false),
        submit("a brief too long", "tasks[0].brief", json!("x".repeat(4_097))),
        (
            "task.submit",
            "less than nothing",
            vec![Edit::Set("tasks[0].budget_minor", json!(-1))],
            "tasks[0].budget_minor",
            true,
        ),
        submit("a budget beyond reckoning", "tasks[0].budget_minor", json!(1_000_000_000_000_001_i64)),
        submit("a panel of none", "tasks[0].panel.asked", json!(0)),
        submit("a panel of 17", "tasks[0].panel.asked", json!(17)),
        submit("a lead of none", "tasks[0].panel.lead", json!(0)),
        submit("a lead that cannot be", "tasks[0].panel.lead", json!(4)),
        submit("verifiers not sorted", "verifiers", json!(["egypt", "chad"])),
        ("task.submit", "a verifier twice", vec![Edit::Fill("verifiers", 2)], "verifiers", false),
        ("task.submit", "257 gatekeepers", vec![Edit::Fill("gatekeepers", 257)], "gatekeepers", false),
        (
            "task.submit",
            "paid with what is paid for",
            vec![Edit::Set("pay", json!({ "book": "bazaar", "good": "add" }))],
            "tasks[0].skill",
            false,
        ),
        submit("no time for bids", "rules.bid_ms", json!(9)),
        submit("no lease", "rules.lease_ms", json!(0)),
        submit("no time to work", "rules.work_ms", json!(0)),
        submit("no time to judge", "rules.judge_ms", json!(0)),
        submit("no time at the gate", "rules.gate_ms", json!(0)),
        submit("no bid is enough", "rules.enough_bids", json!(0)),
        submit("no attempt", "rules.attempts", json!(0)),
        submit("more attempts than there may be", "rules.attempts", json!(1_001)),
        submit("weights that make no million", "rules.price_ppm", json!(400_001)),
        ("task.add", "a task twice", vec![Edit::Fill("tasks", 2)], "tasks[1]", false),
        ("task.add", "nothing", vec![Edit::Set("tasks", json!([]))], "tasks", false),
        ("task.bid", "a negative price", vec![Edit::Set("price_minor", json!(-1))], "price_minor", true),
        set("task.bid", "a price beyond reckoning", "price_minor", json!(1_000_000_000_000_001_i64)),
        ("task.bid", "a skill twice", vec![Edit::Fill("skills", 2)], "skills[1]", false),
        set("task.decline", "a reason of 1,025 bytes", "reason", json!(long)),
        set("task.progress", "more than all", "done_ppm", json!(1_000_001)),
        set("task.deliver", "a bucket of 1,025 bytes", "kept.bucket", json!(long)),
        set("task.deliver", "a name of 1,025 bytes", "kept.name", json!(long)),
        set("task.judge", "a reason of 1,025 bytes", "reason", json!(long)),
        set("task.answer", "a reason of 1,025 bytes", "reason", json!(long)),
        set("task.cancel", "a reason of 1,025 bytes", "reason", json!(long)),
    ]
}
