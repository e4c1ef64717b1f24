//! Good claims and certificates, and what breaks their rules.
//!
//! These are vectors of the codec: what has the form. Whether a certificate proves its claim is for checkers, and their
//! vectors are `certificates.json`.

use schemas::Hash;
use serde_json::{Value, json};

use super::examples::written;
use super::rules::Broken;
use super::rules::Edit::{Copy, Drop, Fill, Set};
use crate::Outcome;

/// Examples: a name, and the message as JSON.
pub fn examples() -> Outcome<Vec<(&'static str, Value)>> {
    let term = |coef: &str, powers: Value| json!({ "coef": coef, "powers": powers });
    let constant = |coef: &str| json!({ "coef": coef });
    let x = || json!([{ "coef": "1", "powers": [[0, 1]] }]);
    // 0 ≤ x < 1, x + y = 1: x − x² ≥ 0.
    let claim = json!({ "type": "claim", "variables": ["x", "y"],
        "hypotheses": [
            { "relation": ">=", "poly": x() },
            { "relation": ">", "poly": [term("-1", json!([[0, 1]])), constant("1")] },
            { "relation": "=", "poly": [term("1", json!([[0, 1]])), term("1", json!([[1, 1]])), constant("-1")] },
        ],
        "goal": { "relation": ">=", "poly": [term("-1", json!([[0, 2]])), term("1", json!([[0, 1]]))] },
        "witness": ["1/3", "2/3"] });
    let bare = json!({ "type": "claim", "variables": [], "hypotheses": [], "goal": { "relation": "=", "poly": [] } });
    let claim_hash = Hash::of(&written(&claim)?).to_string();
    // (x² − x) + x·(1 − x) ≡ 0
    let leaf = json!({ "type": "leaf", "positive": { "coef": "1", "factors": [3] },
        "squares": [{ "coef": "1", "factors": [0, 1] }], "equalities": [] });
    let squares = json!([
        { "coef": "1/2", "factors": [0, 0, 1], "square": [term("1", json!([[0, 1], [1, 2]])), term("-1/3", json!([[1, 1]]))] },
        { "coef": "2", "factors": [1] },
    ]);
    let equalities = json!([{ "index": 2, "poly": [term("5", json!([[0, 1]]))] }]);
    let certificate =
        |nodes: Value| json!({ "type": "certificate", "version": 1, "claim_hash": claim_hash, "nodes": nodes });
    let point = json!(["1/2", "-340282366920938463463374607431768211456/3"]);
    let bytes = "81a474797065a4646f6e65";
    Ok(vec![
        ("full", claim),
        ("nothing", bare),
        (
            "full",
            certificate(json!([{ "type": "split", "on": [term("1", json!([[0, 1]])), constant("-1/2")] }, leaf, leaf])),
        ),
        (
            "leaf",
            certificate(
                json!([{ "type": "leaf", "positive": { "coef": "3/7", "factors": [1, 1, 3] }, "squares": squares, "equalities": equalities }]),
            ),
        ),
        ("identity", certificate(json!([{ "type": "identity", "equalities": equalities }]))),
        ("full", json!({ "type": "counterexample", "version": 1, "claim_hash": claim_hash, "point": point })),
        ("full", json!({ "type": "proof.check", "claim": bytes, "certificate": bytes })),
        ("full", json!({ "type": "proof.checked", "claim_hash": claim_hash, "verdict": "proved", "vacuous": false })),
        ("full", json!({ "type": "gtp.prove", "claims": [bytes, ""], "budget_ms": 2_000, "seed": 7 })),
        ("full", json!({ "type": "gtp.refute", "claims": [bytes], "budget_ms": 2_000, "seed": u64::MAX })),
        (
            "full",
            json!({ "type": "gtp.proved", "results": [
            { "claim_hash": claim_hash, "verdict": "unknown", "evidence": bytes, "took_ms": 12, "reason": "out of time" }] }),
        ),
        (
            "full",
            json!({ "type": "gtp.progress", "claim_hash": claim_hash, "leaf_programmes": 412, "generations": 3,
                "took_ms": 950, "nearest": "squares of degree 4: 0.0003 is left" }),
        ),
        (
            "just begun",
            json!({ "type": "gtp.progress", "claim_hash": claim_hash, "leaf_programmes": 0, "generations": 0,
                "took_ms": 0, "nearest": "" }),
        ),
        ("full", json!({ "type": "gtp.status" })),
        (
            "full",
            json!({ "type": "gtp.standing", "running": 1, "decided": 20, "unknown": 1, "from_cache": 4, "lemmas": 9 }),
        ),
    ])
}

/// The rules of a polynomial that stands at `$at`.
macro_rules! poly_rules {
    ($kind:literal, $at:literal) => {
        vec![
            (
                $kind,
                "a term of nought",
                vec![Set(concat!($at, "[0].coef"), json!("0"))],
                concat!($at, "[0].coef"),
                false,
            ),
            ($kind, "a term twice", vec![Copy(concat!($at, "[0]"), concat!($at, "[1]"))], concat!($at, "[1]"), false),
            (
                $kind,
                "terms not sorted",
                vec![
                    Set(concat!($at, "[0].powers[0]"), json!([0, 1])),
                    Set(concat!($at, "[1].powers"), json!([[0, 2]])),
                ],
                concat!($at, "[1]"),
                false,
            ),
            (
                $kind,
                "an exponent of 0",
                vec![Set(concat!($at, "[0].powers[0]"), json!([0, 0]))],
                concat!($at, "[0].powers[0]"),
                false,
            ),
            (
                $kind,
                "a power of one number",
                vec![Set(concat!($at, "[0].powers[0]"), json!([0]))],
                concat!($at, "[0].powers[0]"),
                true,
            ),
            (
                $kind,
                "a power of three numbers",
                vec![Set(concat!($at, "[0].powers[0]"), json!([0, 1, 1]))],
                concat!($at, "[0].powers[0]"),
                true,
            ),
            (
                $kind,
                "powers not sorted",
                vec![Set(concat!($at, "[0].powers"), json!([[1, 1], [0, 1]]))],
                concat!($at, "[0].powers"),
                false,
            ),
            (
                $kind,
                "a variable twice in a term",
                vec![Set(concat!($at, "[0].powers"), json!([[0, 1], [0, 1]]))],
                concat!($at, "[0].powers"),
                false,
            ),
            (
                $kind,
                "a degree of 33",
                vec![Set(concat!($at, "[0].powers"), json!([[0, 16], [1, 17]]))],
                concat!($at, "[0].powers"),
                false,
            ),
            (
                $kind,
                "a variable of index 64",
                vec![Set(concat!($at, "[0].powers[0]"), json!([64, 1]))],
                concat!($at, "[0].powers[0]"),
                false,
            ),
        ]
    };
}

/// Broken rules.
pub fn rules() -> Vec<Broken> {
    let many: Vec<String> = (0..65).map(|at| format!("x{at}")).collect();
    let mut rules: Vec<Broken> = poly_rules!("claim", "goal.poly");
    rules.extend(poly_rules!("certificate", "nodes[0].on"));
    rules.extend([
        ("claim", "65 variables", vec![Set("variables", json!(many))], "variables", false),
        ("claim", "a variable twice", vec![Set("variables[1]", json!("x"))], "variables[1]", false),
        ("claim", "257 hypotheses", vec![Fill("hypotheses", 257)], "hypotheses", false),
        (
            "claim",
            "a variable without a name",
            vec![Set("hypotheses[0].poly[0].powers[0]", json!([2, 1]))],
            "hypotheses[0].poly[0].powers[0]",
            false,
        ),
        ("claim", "2,049 terms", vec![Fill("goal.poly", 2_049)], "goal.poly", false),
        ("claim", "a witness of one coordinate", vec![Set("witness", json!(["1"]))], "witness", false),
        ("claim", "a witness of three coordinates", vec![Fill("witness", 3)], "witness", false),
        ("certificate", "version 2", vec![Set("version", json!(2))], "version", false),
        ("certificate", "no nodes", vec![Set("nodes", json!([]))], "nodes", false),
        ("certificate", "1,025 nodes", vec![Fill("nodes", 1_025)], "nodes", false),
        ("certificate", "only splits", vec![Fill("nodes", 3)], "nodes", false),
        ("certificate", "a subtree is missing", vec![Copy("nodes[0]", "nodes[2]")], "nodes", false),
        (
            "certificate",
            "a node after the end",
            vec![Set("nodes[0]", json!({ "type": "identity", "equalities": [] }))],
            "nodes[1]",
            false,
        ),
        ("certificate", "a split on nought", vec![Set("nodes[0].on", json!([]))], "nodes[0].on", false),
        (
            "certificate",
            "a positive part of nought",
            vec![Set("nodes[1].positive.coef", json!("0"))],
            "nodes[1].positive.coef",
            false,
        ),
        (
            "certificate",
            "a negative positive part",
            vec![Set("nodes[1].positive.coef", json!("-1"))],
            "nodes[1].positive.coef",
            false,
        ),
        (
            "certificate",
            "positive factors not sorted",
            vec![Set("nodes[1].positive.factors", json!([3, 1]))],
            "nodes[1].positive.factors",
            false,
        ),
        (
            "certificate",
            "65 factors",
            vec![Set("nodes[1].positive.factors", json!(vec![3; 65]))],
            "nodes[1].positive.factors",
            false,
        ),
        (
            "certificate",
            "a square of a negative coefficient",
            vec![Set("nodes[2].squares[0].coef", json!("-1/2"))],
            "nodes[2].squares[0].coef",
            false,
        ),
        (
            "certificate",
            "a square of the coefficient nought",
            vec![Set("nodes[2].squares[0].coef", json!("0"))],
            "nodes[2].squares[0].coef",
            false,
        ),
        (
            "certificate",
            "factors not sorted",
            vec![Set("nodes[2].squares[0].factors", json!([1, 0]))],
            "nodes[2].squares[0].factors",
            false,
        ),
        (
            "certificate",
            "a square of 1 that is written",
            vec![Set("nodes[2].squares[0].square", json!([{ "coef": "1" }]))],
            "nodes[2].squares[0].square",
            false,
        ),
        (
            "certificate",
            "a square twice",
            vec![Set("nodes[2].squares", json!([{ "coef": "1", "factors": [1] }, { "coef": "2", "factors": [1] }]))],
            "nodes[2].squares[1]",
            false,
        ),
        (
            "certificate",
            "squares not sorted by factors",
            vec![Set("nodes[2].squares", json!([{ "coef": "1", "factors": [1] }, { "coef": "1", "factors": [0, 1] }]))],
            "nodes[2].squares[1]",
            false,
        ),
        (
            "certificate",
            "squares not sorted: 1 first",
            vec![Set(
                "nodes[2].squares",
                json!([{ "coef": "1", "factors": [], "square": [{ "coef": "2" }] }, { "coef": "1", "factors": [] }]),
            )],
            "nodes[2].squares[1]",
            false,
        ),
        (
            "certificate",
            "squares not sorted by coefficient",
            vec![Set(
                "nodes[2].squares",
                json!([{ "coef": "1", "factors": [], "square": [{ "coef": "1/3" }] },
                    { "coef": "1", "factors": [], "square": [{ "coef": "1/2" }] }]),
            )],
            "nodes[2].squares[1]",
            false,
        ),
        (
            "certificate",
            "an equality times nought",
            vec![Set("nodes[2].equalities", json!([{ "index": 2, "poly": [] }]))],
            "nodes[2].equalities[0].poly",
            false,
        ),
        (
            "certificate",
            "an equality twice",
            vec![Set(
                "nodes[2].equalities",
                json!([{ "index": 2, "poly": [{ "coef": "1" }] }, { "index": 2, "poly": [{ "coef": "1" }] }]),
            )],
            "nodes[2].equalities[1].index",
            false,
        ),
        (
            "certificate",
            "4,097 equalities",
            vec![
                Set("nodes[2].equalities", json!([{ "index": 2, "poly": [{ "coef": "1" }] }])),
                Fill("nodes[2].equalities", 4_097),
            ],
            "nodes[2]",
            false,
        ),
        ("certificate", "no such node", vec![Set("nodes[1].type", json!("lemma"))], "nodes[1].type", true),
        ("certificate", "a leaf without squares", vec![Drop("nodes[1].squares")], "nodes[1].squares", true),
        ("counterexample", "version 0", vec![Set("version", json!(0))], "version", false),
        ("counterexample", "65 coordinates", vec![Fill("point", 65)], "point", false),
        ("gtp.prove", "no claims", vec![Set("claims", json!([]))], "claims", false),
        ("gtp.prove", "513 claims", vec![Fill("claims", 513)], "claims", false),
        ("gtp.progress", "1025 bytes of text", vec![Set("nearest", json!("x".repeat(1_025)))], "nearest", false),
        ("gtp.refute", "no claims", vec![Set("claims", json!([]))], "claims", false),
    ]);
    rules
}
