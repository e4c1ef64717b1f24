//! Breaks each rule that stands over several fields, or that no type says: one edit, one fault.

use serde_json::{Value, json};

use super::tree::{Node, steps};
use super::{Example, Vector, full};
use crate::Outcome;

/// What is done to the full example.
pub enum Edit {
    /// Puts a value there.
    Set(&'static str, Value),
    /// Takes a key away.
    Drop(&'static str),
    /// Puts a copy of what stands in one place in another.
    Copy(&'static str, &'static str),
    /// Repeats the only entry of an array so many times.
    Fill(&'static str, usize),
}
use Edit::{Copy, Drop, Fill, Set};

/// A broken rule: the message's type, what is wrong, the edits, the field at fault, and whether the
/// JSON Schema sees it.
pub type Broken = (&'static str, &'static str, Vec<Edit>, &'static str, bool);

/// Adds the vectors.
pub fn break_everything(good: &[Example], vectors: &mut Vec<Vector>) -> Outcome<()> {
    let elsewhere = [
        super::proofs::rules(),
        super::divisions::rules(),
        super::evolutions::rules(),
        super::negotiations::rules(),
        super::tasks::rules(),
    ];
    let rules = [deals(), worths(), markets(), house()].into_iter().chain(elsewhere);
    for (kind, what, edits, field, schema_sees) in rules.flatten() {
        let mut node = full(good, kind)?.node.clone();
        for edit in edits {
            node = match edit {
                Set(path, value) => node.with(&steps(path), Node::from_json(&value))?,
                Drop(path) => node.without(&steps(path))?,
                Copy(from, to) => {
                    let value = node.at(&steps(from)).cloned().ok_or_else(|| format!("{kind}: nothing at {from}"))?;
                    node.with(&steps(to), value)?
                }
                Fill(path, times) => {
                    let Some(Node::Array(entries)) = node.at(&steps(path)).cloned() else {
                        return Err(format!("{kind}: no array at {path}").into());
                    };
                    let entries = entries.iter().take(1).cycle().take(times).cloned().collect();
                    node.with(&steps(path), Node::Array(entries))?
                }
            };
        }
        vectors.push(Vector::spoilt(kind, format!("rule: {what}"), &node, field, what, schema_sees)?);
    }
    Ok(())
}

fn many(count: usize) -> Value {
    (0..count).map(|at| format!("p{at:02}")).collect()
}

/// The rules of terms, whose fields stand under `$at` (`""`, or `"terms."` inside another message).
macro_rules! terms_rules {
    ($kind:literal, $at:literal) => {
        vec![
            ($kind, "no parties", vec![Set(concat!($at, "parties"), json!([]))], concat!($at, "parties"), false),
            ($kind, "one party", vec![Set(concat!($at, "parties"), json!(["egypt"]))], concat!($at, "parties"), false),
            ($kind, "65 parties", vec![Set(concat!($at, "parties"), many(65))], concat!($at, "parties"), false),
            (
                $kind,
                "parties not sorted",
                vec![Set(concat!($at, "parties"), json!(["kenya", "egypt"]))],
                concat!($at, "parties"),
                false,
            ),
            (
                $kind,
                "a party twice",
                vec![Set(concat!($at, "parties"), json!(["egypt", "kenya", "kenya"]))],
                concat!($at, "parties"),
                false,
            ),
            (
                $kind,
                "an idle party",
                vec![Set(concat!($at, "parties"), json!(["chad", "egypt", "kenya"]))],
                concat!($at, "parties"),
                false,
            ),
            ($kind, "no transfers", vec![Set(concat!($at, "transfers"), json!([]))], concat!($at, "transfers"), false),
            ($kind, "257 transfers", vec![Fill(concat!($at, "transfers"), 257)], concat!($at, "transfers"), false),
            (
                $kind,
                "a giver who is no party",
                vec![Set(concat!($at, "transfers[1].from"), json!("chad"))],
                concat!($at, "transfers[1].from"),
                false,
            ),
            (
                $kind,
                "a receiver who is no party",
                vec![Set(concat!($at, "transfers[0].to"), json!("chad"))],
                concat!($at, "transfers[0].to"),
                false,
            ),
            (
                $kind,
                "gives to itself",
                vec![Set(concat!($at, "transfers[0].to"), json!("kenya"))],
                concat!($at, "transfers[0].to"),
                false,
            ),
            (
                $kind,
                "due before it expires",
                vec![Set(concat!($at, "transfers[1].due_unix_ms"), json!(1))],
                concat!($at, "transfers[1].due_unix_ms"),
                false,
            ),
        ]
    };
}

fn deals() -> Vec<Broken> {
    let long = "x".repeat(1025);
    let wide = format!("{}é", "x".repeat(1023));
    let mut rules: Vec<Broken> = terms_rules!("terms", "");
    rules.extend(terms_rules!("deal.shown", "terms.").into_iter().take(5));
    rules.extend([
        ("deal.open", "no parties", vec![Set("parties", json!([]))], "parties", false),
        ("deal.open", "one party", vec![Set("parties", json!(["a"]))], "parties", false),
        ("deal.open", "65 parties", vec![Set("parties", many(65))], "parties", false),
        ("deal.open", "parties not sorted", vec![Set("parties", json!(["b", "a"]))], "parties", false),
        ("deal.open", "a party twice", vec![Set("parties", json!(["a", "a"]))], "parties", false),
        ("deal.open", "33 claims", vec![Fill("requires", 33)], "requires", false),
        ("deal.accept", "a good held twice", vec![Copy("holdings[0]", "holdings[1]")], "holdings[1]", false),
        (
            "deal.accept",
            "a negative holding",
            vec![Set("holdings[1].quantity", json!(-1))],
            "holdings[1].quantity",
            true,
        ),
        ("deal.reject", "a reason of 1,025 bytes", vec![Set("reason", json!(long))], "reason", false),
        (
            "deal.reject",
            "a reason of 1,024 characters and 1,025 bytes",
            vec![Set("reason", json!(wide))],
            "reason",
            false,
        ),
        ("deal.withdraw", "a reason of 1,025 bytes", vec![Set("reason", json!(long))], "reason", false),
    ]);
    rules
}

/// The rules of a way to look at time and risk, and of a margin.
macro_rules! outlook_rules {
    ($kind:literal, $at:literal) => {
        [
            (
                $kind,
                "a negative rate",
                vec![Set(concat!($at, "outlook.rate"), json!("-1/100"))],
                concat!($at, "outlook.rate"),
                false,
            ),
            (
                $kind,
                "a negative risk aversion",
                vec![Set(concat!($at, "outlook.risk_aversion"), json!("-1"))],
                concat!($at, "outlook.risk_aversion"),
                false,
            ),
            (
                $kind,
                "a risk aversion above 1",
                vec![Set(concat!($at, "outlook.risk_aversion"), json!("1000001/1000000"))],
                concat!($at, "outlook.risk_aversion"),
                false,
            ),
            (
                $kind,
                "a negative probability",
                vec![Set(concat!($at, "outlook.arrival"), json!("-1/2"))],
                concat!($at, "outlook.arrival"),
                false,
            ),
            (
                $kind,
                "a probability above 1",
                vec![Set(concat!($at, "outlook.arrival"), json!("3/2"))],
                concat!($at, "outlook.arrival"),
                false,
            ),
            (
                $kind,
                "weights that sum to less",
                vec![Set(concat!($at, "outlook.weights.economic_ppm"), json!(399_999))],
                concat!($at, "outlook.weights"),
                false,
            ),
            (
                $kind,
                "a negative weight",
                vec![
                    Set(concat!($at, "outlook.weights.economic_ppm"), json!(-100_000)),
                    Set(concat!($at, "outlook.weights.social_ppm"), json!(800_000)),
                ],
                concat!($at, "outlook.weights"),
                false,
            ),
            (
                $kind,
                "weights whose sum overflows",
                vec![
                    Set(concat!($at, "outlook.weights.economic_ppm"), json!(i64::MAX)),
                    Set(concat!($at, "outlook.weights.social_ppm"), json!(i64::MAX)),
                ],
                concat!($at, "outlook.weights"),
                false,
            ),
            (
                $kind,
                "a negative margin",
                vec![Set(concat!($at, "margin_ppm"), json!(-1))],
                concat!($at, "margin_ppm"),
                false,
            ),
            (
                $kind,
                "a margin above 1,000,000,000 ppm",
                vec![Set(concat!($at, "margin_ppm"), json!(1_000_000_001))],
                concat!($at, "margin_ppm"),
                false,
            ),
        ]
    };
}

fn worths() -> Vec<Broken> {
    let mut rules: Vec<Broken> = outlook_rules!("deal.accept", "valuation.").into();
    rules.extend([
        (
            "deal.accept",
            "a value both ways",
            vec![Copy("valuation.values[1].dimensions", "valuation.values[0].dimensions")],
            "valuation.values[0]",
            false,
        ),
        (
            "deal.accept",
            "a value neither way",
            vec![Drop("valuation.values[1].dimensions")],
            "valuation.values[1]",
            false,
        ),
        (
            "deal.accept",
            "a good valued twice",
            vec![Set("valuation.values[1].good", json!("rice"))],
            "valuation.values[1]",
            false,
        ),
        ("deal.accept", "a cost stated twice", vec![Fill("valuation.costs", 2)], "valuation.costs[1]", false),
        (
            "deal.accept",
            "1,025 costs",
            vec![Set(
                "valuation.costs",
                (0..1025).map(|at| json!({ "good": format!("g{at}"), "cost": { "lo": "0", "hi": "0" } })).collect(),
            )],
            "valuation.costs",
            false,
        ),
        (
            "deal.accept",
            "lo above hi",
            vec![Set("valuation.values[0].value.lo", json!("101/10"))],
            "valuation.values[0].value",
            false,
        ),
        (
            "deal.accept",
            "lo above hi by a hair",
            vec![
                Set("valuation.values[0].value.lo", json!("9223372036854775807/9223372036854775806")),
                Set("valuation.values[0].value.hi", json!("9223372036854775806/9223372036854775805")),
                Copy("valuation.values[0].value.lo", "valuation.values[0].value.spare"),
                Copy("valuation.values[0].value.hi", "valuation.values[0].value.lo"),
                Copy("valuation.values[0].value.spare", "valuation.values[0].value.hi"),
            ],
            "valuation.values[0].value",
            false,
        ),
        (
            "deal.accept",
            "a negative value",
            vec![Set("valuation.values[0].value.lo", json!("-1/10"))],
            "valuation.values[0].value.lo",
            false,
        ),
        (
            "deal.accept",
            "a negative cost",
            vec![Set("valuation.costs[0].cost.lo", json!("-7"))],
            "valuation.costs[0].cost.lo",
            false,
        ),
        (
            "deal.accept",
            "a dimension with lo above hi",
            vec![Set("valuation.values[1].dimensions.social.lo", json!("1"))],
            "valuation.values[1].dimensions.social",
            false,
        ),
        (
            "deal.accept",
            "a negative dimension",
            vec![Set("valuation.values[1].dimensions.security.lo", json!("-5"))],
            "valuation.values[1].dimensions.security.lo",
            false,
        ),
    ]);
    rules.extend(terms_rules!("trade_balance.value", "terms.").into_iter().take(6));
    rules.extend(terms_rules!("trade_balance.analyze", "terms.").into_iter().skip(6));
    rules.extend(
        [
            ("trade_balance.value", "a party valued twice", vec![Fill("valuations", 2)], "valuations[1].", false),
            (
                "trade_balance.analyze",
                "a valuation with lo above hi",
                vec![Set("valuations[0].valuation.costs[0].cost.lo", json!("8"))],
                "valuations[0].valuation.costs[0].cost",
                false,
            ),
        ]
        .map(|(kind, what, edits, field, sees): Broken| (kind, what, edits, field.trim_end_matches('.'), sees)),
    );
    rules
}

/// The rules of what is given and wanted, whose fields stand under `$at`.
macro_rules! offer_rules {
    ($kind:literal, $at:literal) => {
        [
            ($kind, "a good given twice", vec![Fill(concat!($at, "gives"), 2)], concat!($at, "gives[1]"), false),
            (
                $kind,
                "a cost with lo above hi",
                vec![Set(concat!($at, "gives[0].cost.lo"), json!("8"))],
                concat!($at, "gives[0].cost"),
                false,
            ),
            (
                $kind,
                "a negative cost",
                vec![Set(concat!($at, "gives[0].cost.lo"), json!("-8"))],
                concat!($at, "gives[0].cost.lo"),
                false,
            ),
            ($kind, "1,025 wants", vec![Fill(concat!($at, "wants"), 1025)], concat!($at, "wants"), false),
            (
                $kind,
                "a want of nothing",
                vec![Set(concat!($at, "wants[0].any_of"), json!([]))],
                concat!($at, "wants[0].any_of"),
                false,
            ),
            (
                $kind,
                "an alternative twice",
                vec![Set(concat!($at, "wants[0].any_of[1].good"), json!("rice"))],
                concat!($at, "wants[0].any_of[1]"),
                false,
            ),
            (
                $kind,
                "a value with lo above hi",
                vec![Set(concat!($at, "wants[0].any_of[1].value.lo"), json!("13"))],
                concat!($at, "wants[0].any_of[1].value"),
                false,
            ),
            (
                $kind,
                "a good given and wanted, worth more than it costs",
                vec![Set(concat!($at, "wants[0].any_of[1].good"), json!("tea"))],
                concat!($at, "wants[0].any_of[1].value"),
                false,
            ),
        ]
    };
}

fn markets() -> Vec<Broken> {
    let mut rules: Vec<Broken> = offer_rules!("intent", "").into();
    rules.extend(outlook_rules!("intent", ""));
    rules.extend(offer_rules!("graph.clear", "offers[0]."));
    rules.extend(outlook_rules!("graph.clear", "offers[0]."));
    rules.extend([
        ("graph.clear", "an agent twice", vec![Fill("offers", 2)], "offers[1].agent", false),
        ("graph.clear", "a good twice", vec![Fill("goods", 2)], "goods[1]", false),
        ("graph.clear", "rings of one", vec![Set("max_ring", json!(1))], "max_ring", false),
        ("graph.clear", "rings of 65", vec![Set("max_ring", json!(65))], "max_ring", false),
        ("graph.clear", "chains of none", vec![Set("max_chain", json!(0))], "max_chain", false),
        ("graph.clear", "chains of 64", vec![Set("max_chain", json!(64))], "max_chain", false),
        (
            "graph.net",
            "a party that owes itself",
            vec![Set("obligations[0].to", json!("kenya"))],
            "obligations[0].to",
            false,
        ),
        ("graph.net", "no time", vec![Set("time_limit_ms", json!(0))], "time_limit_ms", false),
        ("graph.analyze", "a link to itself", vec![Set("links[0].to", json!("kenya"))], "links[0].to", false),
        ("graph.analyze", "a link of no weight", vec![Set("links[0].weight", json!(0))], "links[0].weight", true),
        ("graph.analyze", "no time", vec![Set("time_limit_ms", json!(0))], "time_limit_ms", false),
        ("graph.roadmap", "a step twice", vec![Fill("steps", 2)], "steps[1]", false),
        ("graph.roadmap", "a resource twice", vec![Fill("resources", 2)], "resources[1]", false),
        ("graph.roadmap", "no capacity", vec![Set("resources[0].capacity", json!(0))], "resources[0].capacity", true),
        ("graph.roadmap", "no use", vec![Set("steps[0].uses[0].amount", json!(0))], "steps[0].uses[0].amount", true),
        ("graph.roadmap", "a spread out of order", vec![Set("steps[0].days.most", json!(19))], "steps[0].days", false),
        ("graph.roadmap", "less than no days", vec![Set("steps[0].days.least", json!(-1))], "steps[0].days", false),
        (
            "graph.roadmap",
            "gains out of order",
            vec![Set("steps[0].gain_minor.least", json!(9_001))],
            "steps[0].gain_minor",
            false,
        ),
        ("graph.roadmap", "a negative cost", vec![Set("steps[0].cost_minor", json!(-1))], "steps[0].cost_minor", true),
        (
            "graph.roadmap",
            "more than certain",
            vec![Set("steps[0].chance_ppm", json!(1_000_001))],
            "steps[0].chance_ppm",
            false,
        ),
        ("graph.roadmap", "a negative budget", vec![Set("budget_minor", json!(-1))], "budget_minor", false),
        ("graph.roadmap", "too many runs", vec![Set("runs", json!(1_000_001))], "runs", false),
        ("graph.roadmap", "no risk", vec![Set("risk_ppm", json!(0))], "risk_ppm", false),
        ("graph.roadmap", "no time", vec![Set("time_limit_ms", json!(0))], "time_limit_ms", false),
        ("graph.clear", "no time", vec![Set("time_limit_ms", json!(0))], "time_limit_ms", false),
        ("graph.clear", "a negative margin for all", vec![Set("margin_ppm", json!(-1))], "margin_ppm", false),
        ("graph.clear", "a band with lo above hi", vec![Set("band.lo", json!("3"))], "band", false),
        (
            "maker.clearing",
            "a request with rings of one",
            vec![Set("request.max_ring", json!(1))],
            "request.max_ring",
            false,
        ),
        (
            "maker.clearing",
            "a request with an agent twice",
            vec![Fill("request.offers", 2)],
            "request.offers[1].agent",
            false,
        ),
        ("market", "a good twice", vec![Fill("goods", 2)], "goods[1]", false),
        (
            "market",
            "a reference price of nought",
            vec![Set("goods[0].reference_price", json!("0"))],
            "goods[0].reference_price",
            false,
        ),
        (
            "market",
            "a negative reference price",
            vec![Set("goods[0].reference_price", json!("-1/2"))],
            "goods[0].reference_price",
            false,
        ),
        ("market", "a band with lo above hi", vec![Set("band.hi", json!("1/3"))], "band", false),
        ("market", "a negative band", vec![Set("band.lo", json!("-1/3"))], "band.lo", false),
        ("market", "a negative margin", vec![Set("margin_ppm", json!(-1))], "margin_ppm", false),
        ("market", "rings of one", vec![Set("max_ring", json!(1))], "max_ring", false),
        ("market", "rings of 65", vec![Set("max_ring", json!(65))], "max_ring", false),
        ("market", "no time between clearings", vec![Set("clear_every_ms", json!(0))], "clear_every_ms", false),
        ("market", "no time to clear", vec![Set("time_limit_ms", json!(0))], "time_limit_ms", false),
        ("market", "no time to accept", vec![Set("accept_within_ms", json!(0))], "accept_within_ms", false),
        ("market", "a division as of a game", vec![Set("division", json!("core"))], "division", false),
        ("market", "evolved terms that nothing divides", vec![Drop("division")], "division", false),
        ("market", "nothing to evolve with", vec![Set("evolve", json!(0))], "evolve", false),
        ("market", "due before it expires", vec![Set("deliver_within_ms", json!(-1))], "deliver_within_ms", false),
    ]);
    rules
}

fn house() -> Vec<Broken> {
    // A public NKey whose checksum is of another.
    let forged =
        || json!("UABCDEFGHIJKLMNOPQRSTUVWXYZ234567ABCDEFGHIJKLMNOPQRSTUVWX".chars().take(56).collect::<String>());
    let long = "x".repeat(1025);
    vec![
        ("ledger.declare", "a good twice", vec![Set("limits[1].good", json!("tea"))], "limits[1]", false),
        ("ledger.declare", "a negative limit", vec![Set("limits[1].quantity", json!(-1))], "limits[1].quantity", true),
        ("ledger.enact", "a good twice", vec![Fill("rules.goods", 2)], "rules.goods[1]", false),
        ("ledger.enact", "nothing counts", vec![Set("rules.goods", json!([]))], "rules.goods", false),
        (
            "ledger.enact",
            "a price of nought",
            vec![Set("rules.goods[0].price", json!("0"))],
            "rules.goods[0].price",
            false,
        ),
        (
            "ledger.enact",
            "certificates for certificates",
            vec![Set("rules.good", json!("tea"))],
            "rules.goods[0].good",
            false,
        ),
        ("ledger.enact", "no life", vec![Set("rules.life_ms", json!(0))], "rules.life_ms", false),
        ("ledger.enact", "too many lots", vec![Set("rules.lot_ms", json!(1))], "rules.lot_ms", false),
        ("ledger.certificate", "a move and a deal", vec![Set("deal", json!("a".repeat(26)))], "cause", false),
        ("ledger.certificate", "no reason", vec![Drop("cause")], "cause", false),
        ("ledger.revoke", "too long a reason", vec![Set("reason", json!(long))], "reason", false),
        ("registry.welcome", "a key with a wrong checksum", vec![Set("account", forged())], "account", false),
        ("registry.register", "a key with a wrong checksum", vec![Set("key", forged())], "key", false),
        ("snapshot.pointer", "a third slot", vec![Set("slot", json!(2))], "slot", true),
        ("digest", "an end before its beginning", vec![Set("through", json!(39))], "through", false),
        ("digest", "1,001 events", vec![Fill("events", 1_001)], "events", false),
        ("digest", "1,001 offers", vec![Fill("offers", 1_001)], "offers", false),
        ("snapshot.pointer", "too many chunks", vec![Set("chunks", json!(65_537))], "chunks", false),
        ("registry.register", "no lease", vec![Set("lease_ms", json!(0))], "lease_ms", false),
        ("registry.register", "a negative lease", vec![Set("lease_ms", json!(-1))], "lease_ms", false),
        (
            "registry.register",
            "a lease of more than a day",
            vec![Set("lease_ms", json!(86_400_001))],
            "lease_ms",
            false,
        ),
        (
            "registry.register",
            "a capability of 1,025 bytes",
            vec![Set("capabilities[0]", json!(long))],
            "capabilities[0]",
            false,
        ),
        ("registry.register", "a subject of 1,025 bytes", vec![Set("subjects[0]", json!(long))], "subjects[0]", false),
        ("registry.register", "1,025 capabilities", vec![Fill("capabilities", 1025)], "capabilities", false),
        ("agent", "a key with a wrong checksum", vec![Set("key", forged())], "key", false),
        ("registry.found", "a key with a wrong checksum", vec![Set("agents[0].key", forged())], "agents[0].key", false),
        ("key.event", "a key with a wrong checksum", vec![Set("key", forged())], "key", false),
        ("registry.inbox", "a page of none", vec![Set("limit", json!(0))], "limit", true),
        ("registry.inbox", "a page of 257", vec![Set("limit", json!(257))], "limit", true),
    ]
}
