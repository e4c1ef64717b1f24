//! Examples of negotiations, and their rules, each broken.

use schemas::hash::Hash;
use schemas::id::{AgentId, DealId, MoveId};
use serde_json::{Value, json};

use super::examples::NOW_UNIX_MS;
use super::rules::{
    Broken,
    Edit::{Copy, Fill, Set},
};
use crate::Outcome;

/// What is negotiated in the examples: how much tea or coffee, at what price, when, and whether it is insured.
fn domain() -> Value {
    json!({
        "issues": [
            { "name": "insured", "least": 0, "step": 1, "count": 2, "labels": ["no", "yes"] },
            { "name": "sort", "least": 0, "step": 1, "count": 2, "labels": ["tea", "coffee"] },
            { "name": "quantity", "least": 100, "step": 10, "count": 41 },
            { "name": "price", "least": 5, "step": 1, "count": 6 },
            { "name": "delay", "least": 0, "step": 86_400_000, "count": 30 },
        ],
        "transfers": [
            { "from": 0, "to": 1, "goods": ["tea", "coffee"], "good_by": "sort", "factor": 1, "times": ["quantity"],
                "due_unix_ms": NOW_UNIX_MS + 86_400_000, "due_by": "delay" },
            { "from": 1, "to": 0, "goods": ["usd"], "factor": 100, "times": ["quantity", "price"],
                "due_unix_ms": NOW_UNIX_MS + 86_400_000 },
            { "from": 1, "to": 0, "goods": ["usd"], "factor": 2_000, "times": ["insured"],
                "due_unix_ms": NOW_UNIX_MS + 86_400_000 },
        ],
        "delivery": "confirmed",
    })
}

/// The rules of the example of `sao/1`.
pub fn alternating() -> Value {
    json!({ "type": "rules.sao", "domain": domain(), "order": ["kenya", "egypt"], "rounds": 22,
        "talk_until_unix_ms": NOW_UNIX_MS + 30_000 })
}

/// Good messages: see [`super::examples`].
pub fn examples() -> Outcome<Vec<(&'static str, Value)>> {
    let deal = DealId::of(&AgentId::parse("kenya")?, &MoveId::parse("m-1")?).to_string();
    let hash = Hash::of(b"example").to_string();
    let other = Hash::of(b"another").to_string();
    let vote = |accepts: bool| json!({ "hash": other, "accepts": accepts });
    let word = |kind: &str, by: &str, more: Value| {
        let mut body = json!({ "type": format!("talk.{kind}"), "deal": deal, "by": by });
        if let (Some(body), Value::Object(more)) = (body.as_object_mut(), more) {
            body.extend(more);
        }
        body
    };
    Ok(vec![
        ("full", alternating()),
        (
            "full",
            json!({ "type": "rules.cnp", "domain": domain(), "manager": "kenya", "bids_until_unix_ms": NOW_UNIX_MS + 10_000,
            "score": [{ "issue": "price", "weight": -100 }, { "issue": "delay", "weight": i64::MIN }] }),
        ),
        (
            "full",
            json!({ "type": "rules.icnp", "domain": domain(), "manager": "kenya", "bids_until_unix_ms": NOW_UNIX_MS + 10_000,
            "round_ms": 5_000, "rounds": 4, "least_gain": 1_000, "keep": 3, "score": [{ "issue": "price", "weight": -100 }] }),
        ),
        (
            "full",
            json!({ "type": "rules.stx", "domain": domain(), "order": ["kenya", "egypt"], "mediator": "ghana", "seed": u64::MAX,
            "rounds": 200, "talk_until_unix_ms": NOW_UNIX_MS + 30_000 }),
        ),
        ("full", word("offer", "kenya", json!({ "turn": 0, "prev": hash, "outcome": [1, 0, 40, 5, 29] }))),
        ("full", word("accept", "egypt", json!({ "turn": 1, "prev": hash, "offer": hash }))),
        ("full", word("end", "egypt", json!({ "turn": u32::MAX, "prev": hash, "reason": "too dear" }))),
        ("full", word("call", "kenya", json!({ "prev": hash, "text": "tea, delivered" }))),
        ("full", word("bid", "egypt", json!({ "prev": hash, "outcome": [0, 0, 0, 0, 0] }))),
        ("full", word("decline", "egypt", json!({ "prev": hash, "reason": "no tea left" }))),
        ("full", word("award", "kenya", json!({ "prev": hash, "heard": [other, hash], "bid": hash }))),
        ("nobody bids", word("award", "kenya", json!({ "prev": hash, "heard": [] }))),
        (
            "full",
            word(
                "revise",
                "kenya",
                json!({ "prev": hash, "heard": [other, hash], "called": ["egypt", "ghana"], "bid": hash, "best": [0, 0, 40, 0, 3] }),
            ),
        ),
        (
            "full",
            word(
                "text",
                "ghana",
                json!({ "round": 1, "prev": hash, "votes": [vote(true), vote(false)], "outcome": [0, 1, 7, 5, 29] }),
            ),
        ),
        ("the first", word("text", "ghana", json!({ "round": 0, "prev": hash, "outcome": [0, 1, 7, 5, 29] }))),
        ("full", word("vote", "egypt", json!({ "prev": hash, "accepts": true }))),
        (
            "full",
            word(
                "result",
                "ghana",
                json!({ "prev": hash, "votes": [vote(false), vote(true)], "outcome": [1, 0, 7, 5, 29] }),
            ),
        ),
    ])
}

/// The rules, each broken.
pub fn rules() -> Vec<Broken> {
    let long = "x".repeat(1025);
    let everyone: Value = (0..65).map(|at| format!("p{at:02}")).collect();
    let many: Value = (0..33).collect();
    vec![
        ("rules.sao", "no issues", vec![Set("domain.issues", json!([]))], "domain.issues", false),
        ("rules.sao", "33 issues", vec![Fill("domain.issues", 33)], "domain.issues", false),
        (
            "rules.sao",
            "an issue twice",
            vec![Set("domain.issues[1].name", json!("insured"))],
            "domain.issues[1].name",
            false,
        ),
        (
            "rules.sao",
            "an issue without choices",
            vec![Set("domain.issues[3].count", json!(0))],
            "domain.issues[3].count",
            false,
        ),
        (
            "rules.sao",
            "65,537 choices",
            vec![Set("domain.issues[3].count", json!(65_537))],
            "domain.issues[3].count",
            false,
        ),
        (
            "rules.sao",
            "a choice beyond what fits",
            vec![Set("domain.issues[3].least", json!(i64::MAX - 4))],
            "domain.issues[3].step",
            false,
        ),
        (
            "rules.sao",
            "a label too few",
            vec![Set("domain.issues[0].labels", json!(["no"]))],
            "domain.issues[0].labels",
            false,
        ),
        (
            "rules.sao",
            "a label of 1,025 bytes",
            vec![Set("domain.issues[0].labels[1]", json!(long))],
            "domain.issues[0].labels[1]",
            false,
        ),
        ("rules.sao", "no transfers", vec![Set("domain.transfers", json!([]))], "domain.transfers", false),
        ("rules.sao", "257 transfers", vec![Fill("domain.transfers", 257)], "domain.transfers", false),
        (
            "rules.sao",
            "a giver's seat that nobody has",
            vec![Set("domain.transfers[0].from", json!(2))],
            "domain.transfers[0].from",
            false,
        ),
        (
            "rules.sao",
            "a receiver's seat that nobody has",
            vec![Set("domain.transfers[2].to", json!(2))],
            "domain.transfers[2].to",
            false,
        ),
        (
            "rules.sao",
            "gives to itself",
            vec![Set("domain.transfers[1].to", json!(1))],
            "domain.transfers[1].to",
            false,
        ),
        (
            "rules.sao",
            "a good picked by no issue",
            vec![Set("domain.transfers[0].good_by", json!("colour"))],
            "domain.transfers[0].good_by",
            false,
        ),
        (
            "rules.sao",
            "a good too few",
            vec![Set("domain.transfers[0].goods", json!(["tea"]))],
            "domain.transfers[0].goods",
            false,
        ),
        (
            "rules.sao",
            "two goods and nothing to pick",
            vec![Set("domain.transfers[1].goods", json!(["usd", "eur"]))],
            "domain.transfers[1].goods",
            false,
        ),
        (
            "rules.sao",
            "multiplied by no issue",
            vec![Set("domain.transfers[1].times[1]", json!("colour"))],
            "domain.transfers[1].times[1]",
            false,
        ),
        (
            "rules.sao",
            "multiplied by what may be negative",
            vec![Set("domain.issues[3].least", json!(-1))],
            "domain.transfers[1].times[1]",
            false,
        ),
        (
            "rules.sao",
            "a quantity beyond what fits",
            vec![Set("domain.transfers[1].factor", json!(i64::MAX / 4_999))],
            "domain.transfers[1].times[1]",
            false,
        ),
        (
            "rules.sao",
            "delayed by no issue",
            vec![Set("domain.transfers[0].due_by", json!("colour"))],
            "domain.transfers[0].due_by",
            false,
        ),
        (
            "rules.sao",
            "delayed by what may be negative",
            vec![Set("domain.issues[4].least", json!(-1))],
            "domain.transfers[0].due_by",
            false,
        ),
        (
            "rules.sao",
            "delayed beyond what fits",
            vec![Set("domain.transfers[0].due_unix_ms", json!(i64::MAX - 1))],
            "domain.transfers[0].due_by",
            false,
        ),
        ("rules.sao", "one party", vec![Set("order", json!(["kenya"]))], "order", false),
        ("rules.sao", "65 parties", vec![Set("order", everyone)], "order", false),
        ("rules.sao", "a party on two seats", vec![Copy("order[0]", "order[1]")], "order[1]", false),
        ("rules.sao", "no round", vec![Set("rounds", json!(0))], "rounds", false),
        ("rules.sao", "10,001 rounds", vec![Set("rounds", json!(10_001))], "rounds", false),
        ("rules.cnp", "33 weights", vec![Fill("score", 33)], "score", false),
        ("rules.cnp", "no such issue", vec![Set("score[1].issue", json!("colour"))], "score[1].issue", false),
        ("rules.cnp", "a third seat", vec![Set("domain.transfers[0].to", json!(2))], "domain.transfers[0].to", false),
        ("rules.icnp", "33 weights", vec![Fill("score", 33)], "score", false),
        ("rules.icnp", "no such issue", vec![Set("score[0].issue", json!("colour"))], "score[0].issue", false),
        ("rules.icnp", "no round", vec![Set("rounds", json!(0))], "rounds", false),
        ("rules.icnp", "10,001 rounds", vec![Set("rounds", json!(10_001))], "rounds", false),
        ("rules.icnp", "rounds without time", vec![Set("round_ms", json!(0))], "round_ms", false),
        ("rules.icnp", "an end beyond what fits", vec![Set("round_ms", json!(i64::MAX / 3))], "round_ms", false),
        ("rules.icnp", "nobody is called again", vec![Set("keep", json!(0))], "keep", false),
        ("rules.icnp", "65 are called again", vec![Set("keep", json!(65))], "keep", false),
        ("rules.icnp", "a third seat", vec![Set("domain.transfers[0].to", json!(2))], "domain.transfers[0].to", false),
        ("rules.stx", "a party on two seats", vec![Copy("order[0]", "order[1]")], "order[1]", false),
        ("rules.stx", "a party that mediates", vec![Copy("order[1]", "mediator")], "mediator", false),
        ("rules.stx", "no round", vec![Set("rounds", json!(0))], "rounds", false),
        ("rules.stx", "a third seat", vec![Set("domain.transfers[0].to", json!(2))], "domain.transfers[0].to", false),
        ("talk.offer", "no choices", vec![Set("outcome", json!([]))], "outcome", false),
        ("talk.offer", "33 choices", vec![Set("outcome", many.clone())], "outcome", false),
        ("talk.bid", "no choices", vec![Set("outcome", json!([]))], "outcome", false),
        ("talk.bid", "33 choices", vec![Set("outcome", many)], "outcome", false),
        ("talk.end", "a reason of 1,025 bytes", vec![Set("reason", json!(long))], "reason", false),
        ("talk.decline", "a reason of 1,025 bytes", vec![Set("reason", json!(long))], "reason", false),
        ("talk.call", "a text of 1,025 bytes", vec![Set("text", json!(long))], "text", false),
        ("talk.award", "65 answers", vec![Fill("heard", 65)], "heard", false),
        ("talk.revise", "65 answers", vec![Fill("heard", 65)], "heard", false),
        ("talk.revise", "nobody is called", vec![Set("called", json!([]))], "called", false),
        ("talk.revise", "called out of order", vec![Set("called", json!(["ghana", "egypt"]))], "called", false),
        ("talk.revise", "called twice", vec![Copy("called[0]", "called[1]")], "called", false),
        ("talk.revise", "no choices", vec![Set("best", json!([]))], "best", false),
        ("talk.text", "no choices", vec![Set("outcome", json!([]))], "outcome", false),
        ("talk.text", "65 votes", vec![Fill("votes", 65)], "votes", false),
        ("talk.result", "33 choices", vec![Set("outcome", (0..33).collect())], "outcome", false),
        ("talk.result", "65 votes", vec![Fill("votes", 65)], "votes", false),
    ]
}
