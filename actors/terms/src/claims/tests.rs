use schemas::claim::Claim;
use schemas::deal::{Accept, ClaimKind, Delivery, Holding, Terms, Transfer};
use schemas::limit::MAX_BODY_BYTES;
use schemas::value::{Bounds, UnitCost, UnitValue, Valuation};
use schemas::{AgentId, DealId, Good, Hash, MarketId, MoveId, Quantity, body, infix};

use super::*;
use crate::exact::Exact;

fn agent(name: &str) -> AgentId {
    AgentId::parse(name).unwrap()
}

fn good(name: &str) -> Good {
    Good::parse(name).unwrap()
}

fn bounds(lo: &str, hi: &str) -> Bounds {
    Bounds { lo: lo.parse().unwrap(), hi: hi.parse().unwrap() }
}

fn exact(top: i64, bottom: i64) -> Exact {
    Exact::ratio(top, bottom).unwrap()
}

/// Kenya gives tea, Egypt gives rice and gpu-hours.
fn terms() -> Terms {
    let one = |from: &str, to: &str, name: &str, quantity| Transfer {
        from: agent(from),
        to: agent(to),
        good: good(name),
        quantity: Quantity::new(quantity).unwrap(),
        due_unix_ms: 0,
        intent: None,
    };
    Terms {
        book: MarketId::parse("m").unwrap(),
        parties: vec![agent("egypt"), agent("kenya")],
        transfers: vec![
            one("kenya", "egypt", "tea", 120),
            one("egypt", "kenya", "rice", 300),
            one("egypt", "kenya", "gpu-hours", 5),
            one("kenya", "egypt", "tea", 30),
        ],
        delivery: Delivery::Immediate,
        expires_unix_ms: 0,
        award: None,
    }
}

fn accept(values: &[(&str, Bounds)], costs: &[(&str, Bounds)], holdings: &[(&str, i64)], margin_ppm: i64) -> Accept {
    let value = |(name, value): &(&str, Bounds)| UnitValue { good: good(name), value: Some(*value), dimensions: None };
    let mut valuation = Valuation { margin_ppm, ..Valuation::default() };
    valuation.outlook.rate = "0".parse().ok();
    valuation.values = values.iter().map(value).collect();
    valuation.costs = costs.iter().map(|(name, cost)| UnitCost { good: good(name), cost: *cost }).collect();
    let holdings = holdings.iter().map(|(name, quantity)| Holding { good: good(name), quantity: *quantity }).collect();
    let move_id = MoveId::parse("m").unwrap();
    Accept {
        deal: DealId::of(&agent("egypt"), &move_id),
        move_id,
        deadline_unix_ms: 0,
        terms_hash: Hash::ZERO,
        valuation,
        holdings,
        transcript: None,
    }
}

fn acceptances() -> [Accept; 2] {
    [
        accept(
            &[("tea", bounds("9", "10"))],
            &[("rice", bounds("2", "5/2")), ("gpu-hours", bounds("1", "1"))],
            &[("rice", 400), ("gpu-hours", 5)],
            10_000,
        ),
        accept(&[("rice", bounds("4", "9/2"))], &[("tea", bounds("7", "71/10"))], &[("tea", 100)], 0),
    ]
}

fn read(bytes: &[u8]) -> Claim {
    body::decode(bytes, MAX_BODY_BYTES).unwrap()
}

#[test]
fn a_deals_claims_follow_from_terms_and_acceptances() {
    let all = [ClaimKind::Holdings, ClaimKind::WinWin, ClaimKind::Holdings];
    let raised = raised(&terms(), &all, &acceptances()).unwrap();
    let shown: Vec<_> = raised
        .iter()
        .map(|one| format!("{} {}: {}", one.kind, one.party.as_ref().unwrap(), infix::print(&read(&one.claim))))
        .collect();
    // 150·v·10⁶ ≥ 1,010,000·(300·c + 5·c2), whole and without a common divisor; what is not valued has no variable.
    let expected = [
        "win_win egypt: forall v_tea in [9, 10], c_rice >= 2, 5 >= 2*c_rice, c_gpu_hours in [1, 1]: \
         3000*v_tea >= 6060*c_rice + 101*c_gpu_hours",
        "win_win kenya: forall c_tea >= 7, 71 >= 10*c_tea, v_rice >= 4, 9 >= 2*v_rice: 2*v_rice >= c_tea",
        "holdings egypt: forall h_rice >= 400: h_rice >= 300",
        "holdings egypt: forall h_gpu_hours >= 5: h_gpu_hours >= 5",
        "holdings kenya: forall h_tea >= 100: h_tea >= 150",
    ];
    for (got, expected) in shown.iter().zip(expected) {
        let plain = |text: &str| infix::parse(text.split_once(": ").unwrap().1).unwrap();
        assert_eq!(plain(got), plain(expected), "{got}");
    }
    assert_eq!(shown.len(), expected.len());
    for one in &raised {
        assert_eq!(one.hash, Hash::of(&one.claim));
        assert!(read(&one.claim).witness.is_some());
    }
    assert_eq!(raised, super::raised(&terms(), &ClaimKind::ALL, &acceptances()).unwrap());
}

#[test]
fn what_cannot_be_stated_is_an_error() {
    let [egypt, kenya] = acceptances();
    let fails = |requires: ClaimKind, egypt: &Accept| {
        raised(&terms(), &[requires], &[egypt.clone(), kenya.clone()]).unwrap_err().to_string()
    };
    let silent = Accept { holdings: Vec::new(), ..egypt.clone() };
    assert_eq!(fails(ClaimKind::Holdings, &silent), "egypt gives rice and does not say what it holds of it");
    let mut costless = egypt.clone();
    costless.valuation.costs.clear();
    assert_eq!(fails(ClaimKind::WinWin, &costless), "egypt gives rice and states no cost for it");
    let mut empty = egypt;
    empty.valuation.values[0].value = Some(bounds("3", "2"));
    assert!(fails(ClaimKind::WinWin, &empty).contains("lo 3 exceeds hi 2"));
    let alone = raised(&terms(), &ClaimKind::ALL, &[kenya]).unwrap_err();
    assert_eq!(alone, ClaimError::Acceptances { parties: 2, acceptances: 1 });
}

#[test]
fn names_that_look_alike_stay_apart() {
    let parties: Vec<_> = ["a-b", "a_b", &"x".repeat(63), &format!("{}y", "x".repeat(62))].map(agent).to_vec();
    let shares: Vec<_> = parties.iter().map(|party| (party.clone(), 1)).collect();
    let claim = budget_balance(&shares, 4).unwrap();
    assert!(body::decode::<Claim>(&body::encode(&claim), MAX_BODY_BYTES).is_ok(), "{:?}", claim.variables);
    let many: Vec<_> = (0..65).map(|at| (agent(&format!("p{at}")), 1)).collect();
    assert_eq!(budget_balance(&many, 65), Err(ClaimError::TooManyVariables(65)));
}

#[test]
fn a_division_states_what_it_promises() {
    let parties = ["a", "b", "c"].map(agent);
    let shares = [exact(3, 1), exact(2, 1), exact(5, 2)];
    let coalition = Coalition { members: vec![0, 2], worth: exact(5, 1) };
    let claim = no_blocking_coalition(&parties, &shares, &coalition, &exact(1, 100)).unwrap();
    assert_eq!(
        infix::parse("forall u_a >= 301/100, u_a + u_c <= 5: u_c < 251/100").unwrap().goal.relation,
        claim.goal.relation
    );
    assert!(infix::print(&claim).contains("u_c"));
    assert!(
        no_blocking_coalition(&parties, &shares, &Coalition { members: vec![0, 0], ..coalition.clone() }, &exact(1, 2))
            .is_err()
    );
    assert!(no_blocking_coalition(&parties, &shares, &coalition, &exact(0, 1)).is_err());

    let all = Halfspace { weights: vec![exact(1, 1); 3], bound: exact(15, 2) };
    let claim = nash_division(
        &parties,
        std::slice::from_ref(&all),
        &shares,
        &[exact(0, 1), exact(0, 1), exact(0, 1)],
        &exact(1, 10),
    )
    .unwrap();
    assert_eq!(claim.variables.len(), 3);
    let less = Halfspace { bound: exact(7, 1), ..all };
    assert!(
        nash_division(&parties, &[less], &shares, &[exact(0, 1), exact(0, 1), exact(0, 1)], &exact(1, 10)).is_err()
    );

    let lot = Lot { issued: 100, spent: 30, expired: 10, revoked: 5 };
    let claim = certificate_solvent(&lot, 55).unwrap();
    assert_eq!(claim.variables.len(), 5);
    assert!(certificate_solvent(&lot, -1).is_err());
}
