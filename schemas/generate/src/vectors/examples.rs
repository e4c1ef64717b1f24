//! Good messages: at least one of each type. The first of a type has every optional field, so that
//! each field can be spoilt in turn.

use schemas::hash::Hash;
use schemas::id::{AgentId, DealId, MoveId};
use schemas::{body, catalogue};
use serde_json::{Value, json};

use super::tree::hex;
use crate::Outcome;

/// The time that the examples speak of, in Unix milliseconds.
pub const NOW_UNIX_MS: i64 = 1_790_000_000_000;

/// The examples: a name, and the message as JSON.
pub fn examples(user: &str, account: &str) -> Outcome<Vec<(&'static str, Value)>> {
    let deal = DealId::of(&AgentId::parse("kenya")?, &MoveId::parse("m-1")?).to_string();
    let deal = deal.as_str();
    let hash = Hash::of(b"example").to_string();
    let expires = NOW_UNIX_MS + 60_000;
    let due = NOW_UNIX_MS + 86_400_000;
    let transfer = json!({ "from": "kenya", "to": "egypt", "good": "tea", "quantity": 120, "due_unix_ms": due,
        "intent": { "agent": "kenya", "sequence": 17 } });
    let back = json!({ "from": "egypt", "to": "kenya", "good": "rice", "quantity": 300, "due_unix_ms": due });
    let terms = json!({ "type": "terms", "book": "african", "parties": ["egypt", "kenya"],
        "transfers": [transfer, back], "delivery": "confirmed", "expires_unix_ms": expires,
        "award": { "job": deal, "task": "count", "round": 1 } });
    let terms_bytes = hex(&written(&terms)?);
    let rules_bytes = hex(&written(&super::negotiations::alternating())?);
    let transcript = json!({ "head": hash, "length": 44 });
    let bounds = |lo: &str, hi: &str| json!({ "lo": lo, "hi": hi });
    let outlook = json!({ "kind": "ngo", "rate": "1/25", "risk_aversion": "1/5", "arrival": "99/100",
        "weights": { "economic_ppm": 400_000, "social_ppm": 300_000, "environmental_ppm": 200_000, "security_ppm": 100_000 } });
    let valuation = json!({ "outlook": outlook, "margin_ppm": 10_000,
        "values": [
            { "good": "rice", "value": bounds("99/10", "10") },
            { "good": "wheat", "dimensions": { "economic": bounds("1", "2"), "social": bounds("0", "0"),
                "environmental": bounds("1/3", "1/2"), "security": bounds("5", "5") } },
        ],
        "costs": [{ "good": "tea", "cost": bounds("7", "71/10") }] });
    let holdings = json!([{ "good": "tea", "quantity": 200 }, { "good": "wheat", "quantity": 0 }]);
    let gives = json!([{ "good": "tea", "limit": 500, "cost": bounds("7", "71/10") }]);
    let wants = json!([{ "any_of": [{ "good": "rice", "limit": 900, "value": bounds("99/10", "10") },
        { "good": "wheat", "limit": 700, "value": bounds("12", "12") }] }]);
    let goods = json!([{ "good": "tea", "unit": "tonne", "lot": 10, "reference_price": "15/2" }, { "good": "rice", "unit": "tonne" }]);
    let imports = json!({ "good": "permit", "authority": "african-union", "goods": [{ "good": "tea", "price": "15/2" }],
        "life_ms": 86_400_000, "lot_ms": 3_600_000, "required_from_unix_ms": due });
    let goods_and_certificates = json!([{ "good": "tea", "unit": "tonne", "lot": 10, "reference_price": "15/2" }, { "good": "permit", "unit": "US cent" }]);
    let signed = json!({ "subject": "a.b", "sender": "{\"v\":1}", "body": "81a474797065a4646f6e65" });
    let record = json!({ "type": "agent", "agent": "kenya", "key": user, "kind": "government", "capabilities": ["port"],
        "subjects": ["x.y"], "lease_until_unix_ms": due });
    let clear = json!({ "type": "graph.clear", "goods": goods,
        "offers": [{ "agent": "kenya", "sequence": 17, "gives": gives, "wants": wants, "margin_ppm": 10_000, "outlook": outlook }],
        "band": bounds("1/2", "2"), "margin_ppm": 5_000, "max_ring": 3, "objective": "volume", "days": 30, "time_limit_ms": 2_000,
        "max_chain": 4, "then": "fairness", "earlier": [{ "hops": [
            { "from": "kenya", "to": "egypt", "good": "tea", "quantity": 20, "want": 0 },
            { "from": "egypt", "to": "kenya", "good": "rice", "quantity": 30, "want": 1 }], "welfare_minor": 345 }],
        "with_limits": true });
    let cleared = json!({ "type": "graph.cleared", "rings": [{ "hops": [
            { "from": "kenya", "to": "egypt", "good": "tea", "quantity": 120, "want": 0 },
            { "from": "egypt", "to": "kenya", "good": "rice", "quantity": 300, "want": 1 }], "welfare_minor": 12_345 }],
        "objective": 12_345, "bound": 12_400, "gap_ppm": 4_435, "outcome": "optimal", "took_ms": 12,
        "left_out": [{ "agent": "chad", "reason": "nothing_to_give", "detail": "chad gives nothing" }],
        "chains": [{ "hops": [{ "from": "mali", "to": "chad", "good": "tea", "quantity": 5, "want": 0 }], "welfare_minor": 50 }],
        "prices": [{ "good": "tea", "price": "41/8" }],
        "limits": [{ "agent": "kenya", "gives": "tea", "price": "8193/2" }, { "agent": "egypt", "want": 0, "price": "17" }] });
    let distribution =
        json!({ "mean": 30, "least": 10, "p5": 12, "p25": 20, "p50": 29, "p75": 37, "p95": 52, "most": 60 });
    let worth = json!({ "party": "kenya", "received_minor": 2_970, "given_minor": 852, "gain_minor": 2_118, "worst_gain_minor": 2_090, "satisfied": true });
    let sought = json!({ "book": "african", "delivery": "confirmed", "expires_unix_ms": expires,
        "transfers": [
            { "from": "kenya", "to": "egypt", "good": "tea", "least": 20, "most": 500, "lot": 10, "due_unix_ms": due,
                "intent": { "agent": "kenya", "sequence": 17 } },
            { "from": "egypt", "to": "kenya", "good": "rice", "least": 0, "most": 900, "due_unix_ms": due }],
        "caps": [{ "party": "kenya", "good": "tea", "gives": 400, "takes": 10 }],
        "valuations": [{ "party": "kenya", "valuation": valuation }, { "party": "egypt", "valuation": valuation }] });
    let evolve = json!({ "type": "genetic.evolve", "sought": sought, "seed": u64::MAX, "evaluations": 80_000, "population": 100,
        "islands": 3, "epoch_generations": 25, "migrants": 5, "dropped": [{ "island": 2, "epoch": 1 }], "time_limit_ms": 2_000 });
    let evolved = json!({ "type": "genetic.evolved",
        "front": [{ "terms": terms, "parties": [worth], "welfare_minor": 2_118 }], "hypervolume_ppm": 431_000, "evaluations": 79_900,
        "islands": [{ "evaluations": 39_950, "hypervolume_ppm": [0, 400_000, 431_000] }], "dropped": [{ "island": 2, "epoch": 1 }],
        "cut": "time_limit",
        "kept": { "bucket": "HMS_RESULTS", "name": "genetic.j", "size_bytes": 2_000_000, "hash": hash, "candidates": 412 } });
    let done = json!({ "type": "genetic.epoch.done", "population": [[12, 30]], "migrants": [[12, 30]], "evaluations": 2_500,
        "hypervolume_ppm": [400_000, 431_000], "cut": false });
    let moved = |verb: &str, more: Value| {
        let mut body =
            json!({ "type": format!("deal.{verb}"), "move_id": "m-1", "deadline_unix_ms": NOW_UNIX_MS + 30_000 });
        if let (Some(body), Value::Object(more)) = (body.as_object_mut(), more) {
            body.extend(more);
        }
        body
    };
    let event = |turn: u32, what: Value| {
        json!({ "type": "deal.event", "deal": deal, "turn": turn, "prev": hash,
        "at_unix_ms": NOW_UNIX_MS, "what": what, "cause": signed, "trace": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01" })
    };
    let certified = |kind: &str| {
        json!({ "type": kind, "book": "african", "terms": terms_bytes, "acceptances": [signed, signed],
        "certificates": [{ "claim_hash": hash, "certificate": "00ff" }] })
    };
    let with = |mut value: Value, name: &str, member: Value| {
        if let Some(members) = value.as_object_mut() {
            // Second place: where Rust has it.
            let rest: Vec<_> = std::mem::take(members).into_iter().collect();
            for (at, (key, inner)) in rest.into_iter().enumerate() {
                members.insert(key, inner);
                if at == 0 {
                    members.insert(name.to_owned(), member.clone());
                }
            }
        }
        value
    };
    let house = vec![
        (
            "full",
            json!({ "type": "error", "code": 429, "message": "too busy", "retryable": true, "field": "transfers[0].good",
            "rule": "busy", "retry_after_ms": 250, "state": "open", "terms_hash": hash, "id": "e-1" }),
        ),
        ("plain", json!({ "type": "error", "code": 404, "message": "no such deal: ü — 交易", "retryable": false })),
        ("full", terms.clone()),
        (
            "three parties, at once",
            json!({ "type": "terms", "book": "b", "parties": ["a", "b", "c"], "transfers": [
            { "from": "a", "to": "b", "good": "x", "quantity": 1, "due_unix_ms": 0 },
            { "from": "b", "to": "c", "good": "y", "quantity": i64::MAX, "due_unix_ms": 5 },
            { "from": "c", "to": "a", "good": "z-_9", "quantity": 4_294_967_296_i64, "due_unix_ms": i64::MAX }],
            "delivery": "immediate", "expires_unix_ms": -5 }),
        ),
        (
            "full",
            moved(
                "open",
                json!({ "book": "african", "profile": "ring/1", "parties": ["egypt", "kenya"], "expires_unix_ms": expires,
            "terms": terms_bytes, "requires": ["win_win", "holdings"], "rules": rules_bytes }),
            ),
        ),
        (
            "without terms",
            moved(
                "open",
                json!({ "book": "african", "profile": "fixed/1", "parties": ["egypt", "kenya"], "expires_unix_ms": expires }),
            ),
        ),
        (
            "full",
            moved(
                "propose",
                json!({ "deal": deal, "terms": terms_bytes,
            "agreement": { "outcome": [1, 0, 40, 5, 29], "transcript": transcript } }),
            ),
        ),
        ("without agreement", moved("propose", json!({ "deal": deal, "terms": terms_bytes }))),
        ("empty terms", moved("propose", json!({ "deal": deal, "terms": "" }))),
        ("full", moved("counter", json!({ "deal": deal, "terms_hash": hash, "terms": terms_bytes }))),
        (
            "full",
            moved(
                "accept",
                json!({ "deal": deal, "terms_hash": hash, "valuation": valuation, "holdings": holdings, "transcript": transcript }),
            ),
        ),
        (
            "nothing stated",
            moved(
                "accept",
                json!({ "deal": deal, "terms_hash": hash,
            "valuation": { "outlook": { "kind": "corporate" }, "margin_ppm": 0, "values": [], "costs": [] } }),
            ),
        ),
        (
            "full",
            moved(
                "reject",
                json!({ "deal": deal, "terms_hash": hash, "reason": "too dear", "transcript": transcript }),
            ),
        ),
        ("longest reason", moved("reject", json!({ "deal": deal, "reason": "é".repeat(512) }))),
        ("full", moved("withdraw", json!({ "deal": deal, "reason": "", "transcript": transcript }))),
        ("full", moved("confirm", json!({ "deal": deal, "terms_hash": hash }))),
        (
            "full",
            json!({ "type": "deal.moved", "deal": deal, "move_id": "A-z_9", "state": "agreed", "turn": 4, "terms_hash": hash }),
        ),
        (
            "without terms",
            json!({ "type": "deal.moved", "deal": deal, "move_id": "m".repeat(64), "state": "open", "turn": u32::MAX }),
        ),
        ("full", json!({ "type": "deal.show", "deal": deal })),
        (
            "full",
            json!({ "type": "deal.shown", "deal": deal, "state": "failed", "profile": "ring/1", "opener": "maker", "parties": ["egypt", "kenya"],
            "terms": terms, "terms_hash": hash, "accepted": ["egypt"], "confirmed": ["kenya"], "reason": "not delivered", "turns": 7,
            "rules": rules_bytes }),
        ),
        (
            "open",
            json!({ "type": "deal.shown", "deal": deal, "state": "open", "profile": "fixed/1", "opener": "kenya", "parties": ["egypt", "kenya"],
            "accepted": [], "confirmed": [], "turns": 1 }),
        ),
        (
            "opened",
            event(
                0,
                json!({ "type": "opened", "opener": "maker", "book": "african", "profile": "ring/1", "terms_hash": hash }),
            ),
        ),
        ("proposed", event(1, json!({ "type": "proposed", "by": "kenya", "terms_hash": hash }))),
        ("accepted", event(2, json!({ "type": "accepted", "by": "kenya", "terms_hash": hash, "last": true }))),
        ("certified", event(3, with(certified("certified"), "opener", json!("maker")))),
        ("committed", event(4, certified("committed"))),
        ("confirmed", event(5, json!({ "type": "confirmed", "by": "egypt" }))),
        ("settled", event(6, json!({ "type": "settled" }))),
        ("rejected", event(7, json!({ "type": "rejected", "by": "egypt", "reason": "no" }))),
        ("withdrawn", event(8, json!({ "type": "withdrawn", "by": "maker", "reason": "no" }))),
        (
            "expired",
            json!({ "type": "deal.event", "deal": deal, "turn": 9, "prev": "00".repeat(32), "at_unix_ms": 0, "what": { "type": "expired" } }),
        ),
        (
            "refused",
            event(
                10,
                json!({ "type": "refused", "rule": "over_limit", "reason": "kenya has no tea left", "party": "kenya" }),
            ),
        ),
        ("failed", event(11, json!({ "type": "failed", "undelivered": [0, 1] }))),
        ("compensated", event(12, json!({ "type": "compensated", "reversed": [] }))),
        (
            "full",
            json!({ "type": "note.deal", "deal": deal, "event": "refused", "state": "refused", "turn": 3, "at_unix_ms": NOW_UNIX_MS, "book": "african",
            "opener": "maker", "profile": "fixed/1", "terms": terms_bytes, "by": "kenya", "rule": "over_limit", "reason": "no tea left",
            "rules": rules_bytes, "expires_unix_ms": NOW_UNIX_MS + 60_000 }),
        ),
        (
            "of the ledger",
            json!({ "type": "note.deal", "deal": deal, "event": "settled", "state": "settled", "turn": 3, "at_unix_ms": NOW_UNIX_MS, "book": "african" }),
        ),
        (
            "full",
            json!({ "type": "trade_balance.value", "terms": terms, "valuations": [{ "party": "kenya", "valuation": valuation }] }),
        ),
        (
            "full",
            json!({ "type": "trade_balance.valued", "parties": [worth], "win_win": true, "welfare_minor": 2_118 }),
        ),
        (
            "full",
            json!({ "type": "trade_balance.analyze", "terms": terms, "valuations": [{ "party": "kenya", "valuation": valuation }],
            "room": super::divisions::room() }),
        ),
        (
            "full",
            json!({ "type": "trade_balance.analyzed", "parties": [{ "worth": worth,
            "components": [{ "transfer": 0, "good": "tea", "gain_minor": -852, "factor_ppb": 1_000_000_000 }], "short_by_minor": 12 }],
            "win_win": false, "unsatisfied": ["kenya"], "least_satisfied": "kenya", "welfare_minor": -1,
            "mend": super::divisions::mend() }),
        ),
        (
            "full",
            json!({ "type": "market", "market": "african", "unit_of_account": "US cent", "goods": goods_and_certificates,
            "band": bounds("1/2", "2"), "margin_ppm": 10_000, "max_ring": 3, "clear_every_ms": 5_000, "time_limit_ms": 2_000,
            "accept_within_ms": 10_000, "delivery": "confirmed", "deliver_within_ms": 60_000, "requires": ["win_win"],
            "division": "leximin", "evolve": 20_000, "import_certificates": imports }),
        ),
        (
            "full",
            json!({ "type": "intent", "market": "african", "agent": "kenya", "gives": gives, "wants": wants, "margin_ppm": 10_000, "outlook": outlook }),
        ),
        (
            "nothing to give",
            json!({ "type": "intent", "market": "african", "agent": "chad", "gives": [], "wants": wants, "margin_ppm": 0, "outlook": { "kind": "corporate" } }),
        ),
        (
            "given and wanted",
            json!({ "type": "intent", "market": "african", "agent": "mali",
            "gives": [{ "good": "tea", "limit": 1, "cost": bounds("8", "9") }],
            "wants": [{ "any_of": [{ "good": "tea", "limit": 1, "value": bounds("0", "8") }] }], "margin_ppm": 1_000_000_000, "outlook": { "kind": "civilian" } }),
        ),
        ("full", json!({ "type": "intent.withdrawn", "market": "african", "agent": "kenya" })),
        ("full", json!({ "type": "maker.market", "market": "african" })),
        ("full", json!({ "type": "maker.why", "market": "african", "agent": "chad" })),
        (
            "full",
            json!({ "type": "maker.because", "market": "african", "agent": "chad", "clearing": 3, "deals": [deal], "left_out": "priced_out", "detail": "outside" }),
        ),
        (
            "placed",
            json!({ "type": "maker.because", "market": "african", "agent": "kenya", "clearing": 0, "deals": [], "detail": "" }),
        ),
        ("full", clear.clone()),
        ("full", cleared.clone()),
        (
            "time ran out",
            json!({ "type": "graph.cleared", "rings": [], "objective": 0, "bound": 0, "gap_ppm": 0, "outcome": "time_limit", "took_ms": 0, "left_out": [] }),
        ),
        (
            "full",
            json!({ "type": "graph.net", "obligations": [{ "from": "kenya", "to": "egypt", "good": "usd", "quantity": 120 },
            { "from": "egypt", "to": "chad", "good": "usd", "quantity": 100 }], "counterparties": "known", "time_limit_ms": 500 }),
        ),
        (
            "full",
            json!({ "type": "graph.netted", "transfers": [{ "from": "kenya", "to": "egypt", "good": "usd", "quantity": 20 }],
            "positions": [{ "party": "kenya", "good": "usd", "net": -120 }],
            "goods": [{ "good": "usd", "gross_before": 220, "gross_after": 120, "gross_bound": 120, "transfers_before": 2, "transfers_after": 2, "transfers_bound": 2 }],
            "is_optimal": true, "took_ms": 1 }),
        ),
        (
            "full",
            json!({ "type": "graph.analyze", "links": [{ "from": "kenya", "to": "egypt", "weight": 3 }], "seed": 7, "time_limit_ms": 500 }),
        ),
        (
            "full",
            json!({ "type": "graph.analyzed", "nodes": [{ "agent": "kenya", "receivers": 1, "givers": 0, "given": 3, "received": 0,
            "component": 0, "strong_component": 1, "betweenness_ppm": 0, "closeness_ppm": 1_000_000, "rank_ppm": 350_877, "is_broker": false,
            "failure": { "weight": 3, "pieces": 1, "cut_off": 0, "separated_pairs": 0 } }],
            "components": [2], "strong_components": [1, 1], "bridges": [{ "a": "egypt", "b": "kenya", "cut_off": 1 }],
            "counted_from": 2, "is_exact": true, "took_ms": 1 }),
        ),
        (
            "full",
            json!({ "type": "graph.roadmap", "steps": [{ "step": "port", "after": ["rail"], "days": { "least": 10, "likely": 20, "most": 60 },
            "cost_minor": 5_000, "gain_minor": { "least": -100, "likely": 9_000, "most": 20_000 }, "chance_ppm": 900_000,
            "uses": [{ "resource": "crew", "amount": 2 }], "is_required": true }],
            "resources": [{ "resource": "crew", "capacity": 3 }], "budget_minor": 10_000, "runs": 1_000, "seed": 1, "risk_ppm": 50_000, "time_limit_ms": 1_000 }),
        ),
        (
            "full",
            json!({ "type": "graph.planned", "placed": [{ "step": "port", "start_day": 0, "end_day": 20, "slack_days": 0, "is_critical": true,
            "criticality_ppm": 1_000_000, "failure_minor": 8_100 }], "passed_over": ["rail"], "expected_minor": 3_100, "expected_bound_minor": 3_100,
            "cost_minor": 5_000, "end_day": 20, "end_day_bound": 20, "critical_path": ["port"],
            "simulated": { "runs": 1_000, "gain_minor": distribution, "end_day": distribution, "value_at_risk_minor": -5_000,
            "expected_shortfall_minor": -5_000, "loss_ppm": 100_000 }, "took_ms": 3 }),
        ),
        (
            "full",
            json!({ "type": "maker.clearing", "market": "african", "clearing": 1, "at_unix_ms": NOW_UNIX_MS, "request": clear, "result": cleared, "deals": [deal],
            "refined": { "before": { "deals": 1, "welfare_minor": 900, "gini_ppm": 500_000, "least_ppm": 0 },
            "after": { "deals": 1, "welfare_minor": 870, "gini_ppm": 20_000, "least_ppm": 480_000 },
            "evolved": { "deals": 0, "welfare_minor": 0, "gini_ppm": 0, "least_ppm": 0 } } }),
        ),
        ("full", evolve.clone()),
        (
            "with defaults",
            json!({ "type": "genetic.evolve", "sought": sought, "seed": 0, "evaluations": 40_000, "population": 100, "islands": 1,
            "epoch_generations": 25, "migrants": 5 }),
        ),
        ("full", evolved.clone()),
        (
            "nothing found",
            json!({ "type": "genetic.evolved", "front": [], "hypervolume_ppm": 0, "evaluations": 0, "islands": [] }),
        ),
        (
            "full",
            json!({ "type": "genetic.progress", "island": 1, "generation": 12, "evaluations": 1_200, "hypervolume_ppm": 431_000, "front": [[2_118, 55]] }),
        ),
        ("full", json!({ "type": "genetic.result", "job": "evolve_Terms-1" })),
        (
            "full",
            json!({ "type": "genetic.epoch", "evolve": evolve, "island": 1, "epoch": 2, "population": [[12, 30]], "migrants": [[0, 5]] }),
        ),
        ("full", done.clone()),
        ("full", json!({ "type": "genetic.checkpoint", "search": hash, "epoch": 2, "done": done })),
        ("dropped", json!({ "type": "genetic.checkpoint", "search": hash, "epoch": 3 })),
        (
            "full",
            json!({ "type": "ledger.declare", "move_id": "m-1", "deadline_unix_ms": expires, "book": "african", "limits": [{ "good": "tea", "quantity": 500 }, { "good": "rice", "quantity": 0 }] }),
        ),
        (
            "full",
            json!({ "type": "ledger.declared", "book": "african", "move_id": "m-1", "limits": [{ "good": "tea", "quantity": 500 }] }),
        ),
        (
            "full",
            json!({ "type": "ledger.limit", "book": "african", "agent": "kenya", "turn": 0, "prev": hash, "at_unix_ms": NOW_UNIX_MS, "cause": signed }),
        ),
        (
            "full",
            json!({ "type": "ledger.cursor", "book": "african", "turn": 1, "applied_through": u64::MAX, "state_hash": hash }),
        ),
        ("full", json!({ "type": "ledger.balance", "book": "african", "party": "kenya" })),
        ("all parties", json!({ "type": "ledger.balance", "book": "african" })),
        (
            "full",
            json!({ "type": "ledger.balances", "book": "african", "applied_through": 9, "state_hash": hash,
            "lines": [{ "party": "kenya", "good": "tea", "balance": -120, "limit": 500 }] }),
        ),
        (
            "full",
            json!({ "type": "ledger.enact", "move_id": "m-1", "deadline_unix_ms": expires, "book": "african", "rules": imports }),
        ),
        (
            "full",
            json!({ "type": "ledger.revoke", "move_id": "m-2", "deadline_unix_ms": expires, "book": "african", "party": "kenya",
            "quantity": 40, "lot_unix_ms": NOW_UNIX_MS, "reason": "issued on a forged bill of lading" }),
        ),
        (
            "of any lot",
            json!({ "type": "ledger.revoke", "move_id": "m-2", "deadline_unix_ms": expires, "book": "african", "party": "kenya",
            "quantity": 40, "reason": "" }),
        ),
        ("full", json!({ "type": "ledger.recorded", "book": "african", "move_id": "m-1" })),
        (
            "of a move",
            json!({ "type": "ledger.certificate", "book": "african", "turn": 0, "prev": hash, "at_unix_ms": NOW_UNIX_MS, "cause": signed }),
        ),
        (
            "of a delivery",
            json!({ "type": "ledger.certificate", "book": "african", "turn": 1, "prev": hash, "at_unix_ms": NOW_UNIX_MS, "deal": deal }),
        ),
        ("full", json!({ "type": "ledger.certificates", "book": "african", "party": "kenya" })),
        ("all parties", json!({ "type": "ledger.certificates", "book": "african" })),
        (
            "full",
            json!({ "type": "ledger.lots", "book": "african", "rules": imports, "at_unix_ms": NOW_UNIX_MS,
            "lots": [{ "expires_unix_ms": expires, "issued": 100, "outstanding": 60, "spent": 30, "expired": 0, "revoked": 10 }],
            "holdings": [{ "party": "kenya", "expires_unix_ms": expires, "quantity": 60 }] }),
        ),
        ("none kept", json!({ "type": "ledger.lots", "book": "african", "at_unix_ms": 0, "lots": [], "holdings": [] })),
        ("full", json!({ "type": "trade_balance.balance", "transfers": [transfer] })),
        (
            "full",
            json!({ "type": "trade_balance.balanced", "bilateral": [{ "a": "egypt", "b": "kenya", "good": "tea", "net": -120 }],
            "multilateral": [{ "party": "kenya", "good": "tea", "received": 0, "given": 120, "balance": i64::MIN }] }),
        ),
        ("full", json!({ "type": "registry.hello" })),
        (
            "full",
            json!({ "type": "registry.welcome", "account": account, "schema": "1.0", "now_unix_ms": NOW_UNIX_MS, "max_body_bytes": 1_048_576 }),
        ),
        (
            "full",
            json!({ "type": "registry.register", "agent": "kenya", "key": user, "kind": "government", "capabilities": ["port"], "subjects": ["x.y"], "lease_ms": 60_000 }),
        ),
        (
            "plain",
            json!({ "type": "registry.register", "agent": "kenya", "key": user, "kind": "corporate", "lease_ms": 1 }),
        ),
        (
            "full",
            json!({ "type": "registry.registered", "agent": "kenya", "lease_until_unix_ms": due, "inbox_sequence": 12 }),
        ),
        ("full", json!({ "type": "registry.leave", "agent": "kenya" })),
        ("full", json!({ "type": "done" })),
        ("full", record.clone()),
        ("full", json!({ "type": "registry.find", "agent": "kenya", "capability": "port" })),
        ("everybody", json!({ "type": "registry.find" })),
        ("full", json!({ "type": "registry.found", "agents": [record], "total": 1 })),
        (
            "full",
            json!({ "type": "key.event", "agent": "kenya", "turn": 0, "prev": "00".repeat(32), "at_unix_ms": NOW_UNIX_MS, "key": user, "cause": signed }),
        ),
        (
            "of a core",
            json!({ "type": "key.event", "agent": "ledger", "turn": 0, "prev": "00".repeat(32), "at_unix_ms": NOW_UNIX_MS, "key": user }),
        ),
        ("full", json!({ "type": "registry.send", "move_id": "m-1", "to": "egypt", "body": "81a474797065a4646f6e65" })),
        ("full", json!({ "type": "note.message", "from": "kenya", "at_unix_ms": NOW_UNIX_MS, "cause": signed })),
        ("full", json!({ "type": "registry.inbox", "agent": "kenya", "after_sequence": 12, "limit": 256 })),
        (
            "full",
            json!({ "type": "registry.page", "entries": [{ "sequence": 13, "body": "81a474797065a4646f6e65" }], "more": true }),
        ),
        (
            "full",
            json!({ "type": "snapshot.pointer", "core": "ledger", "sequence": 1_000, "entry": hash, "slot": 1, "chunks": 3,
            "hash": hash, "at_unix_ms": NOW_UNIX_MS }),
        ),
        (
            "full",
            json!({ "type": "snapshot.chunk", "sequence": 1_000, "number": 2, "content": "81a474797065a4646f6e65" }),
        ),
        (
            "full",
            json!({ "type": "digest", "after": 40, "through": 44, "head": 60,
            "events": [{ "sequence": 42, "at_unix_ms": NOW_UNIX_MS, "deal": deal, "turn": 0, "event": "opened", "state": "negotiating",
            "by": "kenya", "market": "african", "parties": ["egypt", "kenya"],
            "transfers": [{ "from": "kenya", "to": "egypt", "good": "tea", "quantity": 120 }], "reason": "none" }],
            "offers": [{ "at_unix_ms": NOW_UNIX_MS, "market": "african", "agent": "chad", "gives": ["rice"], "wants": ["tea", "wheat"] }] }),
        ),
        ("nothing happened", json!({ "type": "digest", "after": 44, "through": 44, "head": 44, "events": [] })),
    ];
    let elsewhere = [
        super::proofs::examples()?,
        super::divisions::examples()?,
        super::negotiations::examples()?,
        super::tasks::examples()?,
    ];
    Ok(house.into_iter().chain(elsewhere.into_iter().flatten()).collect())
}

/// A message's bytes.
pub fn written(message: &Value) -> Outcome<Vec<u8>> {
    let kind = message.get("type").and_then(Value::as_str).unwrap_or_default();
    let entry = catalogue::find(kind).ok_or_else(|| format!("no message of type {kind}"))?;
    (entry.from_json)(message).map_err(|error: body::DecodeError| format!("{kind}: {}: {error}", error.field()).into())
}
