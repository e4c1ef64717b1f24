//! Breaks the rules of a search for terms.

use serde_json::{Value, json};

use super::rules::{Broken, Edit};

/// One edit, one fault.
pub fn rules() -> Vec<Broken> {
    let set = |kind: &'static str, what: &'static str, at: &'static str, value: Value, field: &'static str| {
        (kind, what, vec![Edit::Set(at, value)], field, false)
    };
    let evolve = |what: &'static str, at: &'static str, value: Value| set("genetic.evolve", what, at, value, at);
    let epoch = |what: &'static str, at: &'static str, value: Value| set("genetic.epoch", what, at, value, at);
    let several =
        |what: &'static str, edits: Vec<Edit>, field: &'static str| ("genetic.evolve", what, edits, field, false);
    vec![
        evolve("no transfers", "sought.transfers", json!([])),
        evolve("a giver without a valuation", "sought.transfers[0].from", json!("chad")),
        evolve("a receiver without a valuation", "sought.transfers[0].to", json!("chad")),
        evolve("a gift to oneself", "sought.transfers[0].to", json!("kenya")),
        evolve("less than nothing", "sought.transfers[0].least", json!(-1)),
        evolve("least above most", "sought.transfers[0].least", json!(501)),
        evolve("more lots than a double counts", "sought.transfers[1].most", json!(i64::MAX)),
        evolve("a lot that fits nowhere", "sought.transfers[0].lot", json!(501)),
        evolve("due before the terms expire", "sought.transfers[0].due_unix_ms", json!(0)),
        set("genetic.evolve", "one party", "sought.valuations", json!([]), "sought.valuations"),
        several(
            "a party twice",
            vec![Edit::Copy("sought.valuations[0]", "sought.valuations[1]")],
            "sought.valuations[1]",
        ),
        evolve("a negative rate", "sought.valuations[1].valuation.outlook.rate", json!("-1/10")),
        evolve("a cap of a stranger", "sought.caps[0].party", json!("chad")),
        evolve("a cap below what must be given", "sought.caps[0].gives", json!(19)),
        several("a cap twice", vec![Edit::Fill("sought.caps", 2)], "sought.caps[1]"),
        evolve("no evaluations", "evaluations", json!(0)),
        evolve("too many evaluations", "evaluations", json!(1_000_000_001)),
        evolve("more generations than there may be", "evaluations", json!(1_000_000_000)),
        evolve("a population of three", "population", json!(3)),
        evolve("no island", "islands", json!(0)),
        evolve("too many islands", "islands", json!(65)),
        evolve("epochs of no length", "epoch_generations", json!(0)),
        evolve("more migrants than half a population", "migrants", json!(51)),
        evolve("no time", "time_limit_ms", json!(0)),
        evolve("a dropped island that is none", "dropped[0].island", json!(3)),
        several("an island dropped twice", vec![Edit::Fill("dropped", 2)], "dropped[1].island"),
        several(
            "all islands dropped",
            vec![Edit::Set("islands", json!(1)), Edit::Set("dropped[0].island", json!(0))],
            "dropped",
        ),
        epoch("an island that is none", "island", json!(3)),
        epoch("an epoch that is none", "epoch", json!(11)),
        epoch("a search that is none", "evolve.population", json!(3)),
        set("genetic.epoch", "a genome of one gene", "population[0]", json!([12]), "population[0]"),
        epoch("less than no lots", "population[0][1]", json!(-1)),
        epoch("a migrant beyond a gene", "migrants[0][0]", json!(9_007_199_254_740_993_i64)),
        ("genetic.epoch", "more migrants than are sent", vec![Edit::Fill("migrants", 6)], "migrants", false),
    ]
}
