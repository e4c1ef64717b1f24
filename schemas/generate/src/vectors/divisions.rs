//! Good messages of divisions and of trade over time.

use schemas::id::{AgentId, DealId, MoveId};
use serde_json::{Value, json};

use super::examples::NOW_UNIX_MS;
use super::rules::Broken;
use super::rules::Edit::{Drop, Fill, Set};
use crate::Outcome;

const DUE_UNIX_MS: i64 = NOW_UNIX_MS + 86_400_000;

fn arrow(from: &str, to: &str, good: &str, quantity: i64) -> Value {
    json!({ "from": from, "to": to, "good": good, "quantity": quantity, "due_unix_ms": DUE_UNIX_MS })
}

fn terms() -> Value {
    json!({ "type": "terms", "book": "african", "parties": ["egypt", "kenya"],
        "transfers": [arrow("kenya", "egypt", "tea", 120), arrow("egypt", "kenya", "rice", 300)],
        "delivery": "confirmed", "expires_unix_ms": NOW_UNIX_MS + 60_000 })
}

/// What may be moved in terms, with every field.
pub fn room() -> Value {
    json!({ "spans": [{ "transfer": 0, "least": 1, "most": 500 }],
        "payment": { "good": "usd", "most": 10_000, "due_unix_ms": DUE_UNIX_MS } })
}

/// Mended terms, with every field.
pub fn mend() -> Value {
    json!({ "outcome": "changed", "terms": terms(), "changes": [{ "transfer": 0, "before": 100, "after": 120 }],
        "payments": [arrow("kenya", "egypt", "usd", 7)], "change_minor": 160, "bound_minor": 158,
        "multipliers": [{ "party": "kenya", "weight": "36893488147419103232/36893488147419103233" }], "balance": "-1/2",
        "most": "-7/3" })
}

/// The examples: a name, and the message as JSON.
pub fn examples() -> Outcome<Vec<(&'static str, Value)>> {
    let deal = DealId::of(&AgentId::parse("kenya")?, &MoveId::parse("m-1")?).to_string();
    let (terms, room) = (terms(), room());
    let exactly = |number: &str| json!({ "lo": number, "hi": number });
    let states = |party: &str, value: Value, cost: Value| json!({ "party": party, "valuation": { "outlook": { "kind": "corporate" }, "margin_ppm": 0, "values": [value], "costs": [cost] } });
    let valuations = json!([
        states(
            "egypt",
            json!({ "good": "tea", "value": exactly("9") }),
            json!({ "good": "rice", "cost": exactly("2") })
        ),
        states(
            "kenya",
            json!({ "good": "rice", "value": exactly("3") }),
            json!({ "good": "tea", "cost": exactly("6") })
        ),
    ]);
    let shares = json!([{ "party": "egypt", "amount_minor": -50, "gain_minor": 240, "given_minor": 310, "best_minor": 480, "within_minor": 3, "satisfied": true }]);
    let core = json!({ "stable": false, "blocking": { "members": ["egypt", "kenya"], "worth_minor": 90 }, "excess_minor": 30, "bound_minor": 40,
        "balanced": [{ "members": ["egypt", "kenya"], "weight": "1/2" }] });
    Ok(vec![
        (
            "a pot",
            json!({ "type": "trade_balance.divide", "rule": "proportional",
            "pot": { "amount_minor": 100, "claimants": [{ "party": "kenya", "least_minor": 5, "most_minor": 80, "weight": "3/2" }] },
            "seed": 7, "samples": 1_000, "confidence_ppm": 990_000 }),
        ),
        (
            "a bargain",
            json!({ "type": "trade_balance.divide", "rule": "leximin", "bargain": { "terms": terms, "valuations": valuations,
            "room": room, "weights": [{ "party": "kenya", "weight": "2" }] }, "seed": 0 }),
        ),
        (
            "a game of coalitions",
            json!({ "type": "trade_balance.divide", "rule": "core", "game": { "players": ["egypt", "kenya"], "kind": "listed",
            "coalitions": [{ "members": ["egypt", "kenya"], "worth_minor": 90 }], "allocation": [40, 50] }, "seed": 0 }),
        ),
        (
            "a game of numbers",
            json!({ "type": "trade_balance.divide", "rule": "shapley", "game": { "players": ["egypt", "kenya"], "kind": "voting",
            "numbers": [2, 1], "total": 2, "worth_minor": 100 }, "seed": u64::MAX }),
        ),
        (
            "full",
            json!({ "type": "trade_balance.divided", "rule": "nash", "shares": shares, "total_minor": 0, "gini_ppm": 120_000, "given_gini_ppm": 310_000,
            "nash_product": "115200", "nash_mean_minor": 339, "least_satisfied": "egypt", "terms": terms, "epsilon_ppm": 12,
            "samples": 1_000, "core": core }),
        ),
        (
            "full",
            json!({ "type": "trade_balance.path", "commits": [{ "at_unix_ms": NOW_UNIX_MS, "deal": deal, "transfers": [arrow("kenya", "egypt", "tea", 120)] }],
            "prices": [{ "good": "tea", "price": "15/2" }], "from_unix_ms": NOW_UNIX_MS, "period_ms": 86_400_000, "periods": 1 }),
        ),
        (
            "full",
            json!({ "type": "trade_balance.paths", "ends_unix_ms": [DUE_UNIX_MS], "parties": [{ "party": "egypt", "exports_minor": [0], "imports_minor": [900],
            "balance_minor": [-900], "deepest_minor": -900, "deficit_periods": 1, "longest_deficit": 1 }],
            "pairs": [{ "a": "egypt", "b": "kenya", "balance_minor": [-900] }], "outside": 0 }),
        ),
        (
            "full",
            json!({ "type": "trade_balance.price", "orders": [{ "party": "kenya", "side": "sell", "quantity": 60, "limit": "1/50" },
            { "party": "egypt", "side": "buy", "quantity": 40, "limit": "3/100" }] }),
        ),
        (
            "full",
            json!({ "type": "trade_balance.priced", "price": "1/50", "level": 40, "fills": [{ "order": 0, "quantity": 40 }, { "order": 1, "quantity": 40 }],
            "curve": [{ "price": "1/50", "demand": 40, "supply": 60, "excess": -20 }] }),
        ),
        (
            "full",
            json!({ "type": "trade_balance.return", "indicators": [{ "name": "exports", "unit": "USD", "baseline": "400", "outcome": "500", "weight_ppm": 700_000 },
            { "name": "emissions", "unit": "t CO2e", "baseline": "10", "outcome": "9", "weight_ppm": -300_000 }] }),
        ),
        (
            "full",
            json!({ "type": "trade_balance.returned", "return_ppm": 205_000, "parts": [{ "name": "exports", "change_ppm": 250_000, "adds_ppm": 175_000 }] }),
        ),
    ])
}

/// The rules, each broken.
pub fn rules() -> Vec<Broken> {
    vec![
        ("trade_balance.divide", "nothing to divide", vec![Drop("pot")], "rule", false),
        (
            "trade_balance.divide",
            "nobody to divide among",
            vec![Set("pot.claimants", json!([]))],
            "pot.claimants",
            false,
        ),
        ("trade_balance.divide", "a claimant twice", vec![Fill("pot.claimants", 2)], "pot.claimants[1]", false),
        (
            "trade_balance.divide",
            "less at most than at least",
            vec![Set("pot.claimants[0].most_minor", json!(4))],
            "pot.claimants[0].most_minor",
            false,
        ),
        (
            "trade_balance.divide",
            "a weight of 0",
            vec![Set("pot.claimants[0].weight", json!("0"))],
            "pot.claimants[0].weight",
            false,
        ),
        ("trade_balance.divide", "one sample", vec![Set("samples", json!(1))], "samples", false),
        ("trade_balance.divide", "certainty", vec![Set("confidence_ppm", json!(1_000_000))], "confidence_ppm", false),
        (
            "trade_balance.analyze",
            "a span of no transfer",
            vec![Set("room.spans[0].transfer", json!(2))],
            "room.spans[0].transfer",
            false,
        ),
        ("trade_balance.analyze", "a span twice", vec![Fill("room.spans", 2)], "room.spans[1]", false),
        (
            "trade_balance.analyze",
            "a span with least above most",
            vec![Set("room.spans[0].least", json!(501))],
            "room.spans[0].most",
            false,
        ),
        (
            "trade_balance.analyze",
            "a payment before the terms expire",
            vec![Set("room.payment.due_unix_ms", json!(1))],
            "room.payment.due_unix_ms",
            false,
        ),
        ("trade_balance.path", "no period", vec![Set("periods", json!(0))], "periods", false),
        ("trade_balance.path", "periods of no length", vec![Set("period_ms", json!(0))], "period_ms", false),
        ("trade_balance.path", "a negative price", vec![Set("prices[0].price", json!("-1"))], "prices[0].price", false),
        ("trade_balance.path", "a good priced twice", vec![Fill("prices", 2)], "prices[1]", false),
        (
            "trade_balance.price",
            "a negative limit",
            vec![Set("orders[1].limit", json!("-1"))],
            "orders[1].limit",
            false,
        ),
        ("trade_balance.return", "nothing measured", vec![Set("indicators", json!([]))], "indicators", false),
        (
            "trade_balance.return",
            "a baseline of 0",
            vec![Set("indicators[0].baseline", json!("0"))],
            "indicators[0].baseline",
            false,
        ),
        (
            "trade_balance.return",
            "weights that do not sum to the whole",
            vec![Set("indicators[0].weight_ppm", json!(700_001))],
            "indicators",
            false,
        ),
        (
            "trade_balance.return",
            "a unit that says nothing",
            vec![Set("indicators[1].unit", json!(""))],
            "indicators[1].unit",
            false,
        ),
    ]
}
