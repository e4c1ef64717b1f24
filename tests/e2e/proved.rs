//! The claims that deals and divisions raise, found by the prover and checked by the kernel: what is true is proved, and
//! what is not is refuted by a point, or cannot even be stated.

use e2e::Prover;
use proof::check;
use schemas::claim::Claim;
use schemas::deal::{Accept, ClaimKind, Delivery, Holding, Terms, Transfer};
use schemas::limit::{MAX_BODY_BYTES, MAX_DEAL_CLAIMS, MAX_DEAL_EVIDENCE_BYTES};
use schemas::proving::Verdict;
use schemas::value::{Bounds, UnitCost, UnitValue, Valuation};
use schemas::{AgentId, DealId, Good, Hash, MoveId, Quantity, Rational, body, decode};
use terms::Exact;
use terms::claims::{
    Coalition, Halfspace, Lot, budget_balance, certificate_solvent, nash_division, no_blocking_coalition, raised,
};

/// Generous: busy machines run this too.
const BUDGET_MS: u32 = 60_000;

fn agents(count: usize) -> Vec<AgentId> {
    (0..count).map(|number| AgentId::parse(&format!("agent-{number:02}")).expect("a name")).collect()
}

fn exact(top: i64, bottom: i64) -> Exact {
    Exact::ratio(top, bottom).expect("a ratio")
}

/// What the prover finds out about a claim, as the kernel sees it; never vacuous.
fn decided(prover: &mut Prover, claim: &[u8]) -> Verdict {
    let found = prover.find(claim, BUDGET_MS);
    let evidence = found.evidence.unwrap_or_else(|| panic!("nothing found: {}", found.how));
    let checked = check(claim, &evidence).unwrap_or_else(|refused| panic!("{refused}"));
    assert!(!checked.vacuous);
    assert_eq!(found.verdict, if checked.verdict == Verdict::Proved { "proved" } else { "refuted" });
    checked.verdict
}

fn cases(cases: Vec<(&str, Claim, Verdict)>) {
    let mut prover = Prover::start();
    for (name, claim, expected) in cases {
        assert_eq!(decided(&mut prover, &body::encode(&claim)), expected, "{name}");
    }
}

#[test]
fn budget_balance_is_decided() {
    let parties = agents(4);
    let nets = |shares: [i64; 4]| -> Vec<(AgentId, i64)> { parties.iter().cloned().zip(shares).collect() };
    let claim = |shares, total| budget_balance(&nets(shares), total).expect("a claim");
    cases(vec![
        ("nets cancel", claim([120, -70, -60, 10], 0), Verdict::Proved),
        ("a total is shared out", claim([40, 30, 20, 10], 100), Verdict::Proved),
        ("a unit is missing", claim([120, -70, -60, 9], 0), Verdict::Refuted),
        ("more is shared out than there is", claim([40, 30, 20, 11], 100), Verdict::Refuted),
    ]);
}

#[test]
fn the_solvency_of_certificates_is_decided() {
    let lot = Lot { issued: 100, spent: 30, expired: 10, revoked: 5 };
    let claim = |limit| certificate_solvent(&lot, limit).expect("a claim");
    cases(vec![
        ("up to what is left", claim(55), Verdict::Proved),
        ("nothing", claim(0), Verdict::Proved),
        ("one more than is left", claim(56), Verdict::Refuted),
    ]);
    assert!(certificate_solvent(&lot, -1).is_err());
}

#[test]
fn whether_a_coalition_blocks_is_decided() {
    let parties = agents(4);
    let shares = [exact(3, 1), exact(2, 1), exact(5, 2), exact(7, 3)];
    let claim = |members: Vec<usize>, worth: Exact| {
        no_blocking_coalition(&parties, &shares, &Coalition { members, worth }, &exact(1, 100)).expect("a claim")
    };
    cases(vec![
        // Together they get 11/2 and could have 5.
        ("two who have more than they could make", claim(vec![0, 2], exact(5, 1)), Verdict::Proved),
        ("two who have exactly that", claim(vec![0, 2], exact(11, 2)), Verdict::Proved),
        ("three", claim(vec![0, 1, 3], exact(22, 3)), Verdict::Proved),
        ("two who would do better alone", claim(vec![0, 2], exact(6, 1)), Verdict::Refuted),
        ("one who would do better alone", claim(vec![1], exact(5, 2)), Verdict::Refuted),
    ]);
    let twice = Coalition { members: vec![1, 1], worth: exact(1, 1) };
    assert!(no_blocking_coalition(&parties, &shares, &twice, &exact(1, 100)).is_err());
}

#[test]
fn whether_a_division_is_nashs_is_decided() {
    let parties = agents(3);
    let floor = [exact(0, 1), exact(1, 1), exact(2, 1)];
    // Twelve to share, and the first two no more than nine.
    let mut feasible = vec![
        Halfspace { weights: vec![exact(1, 1); 3], bound: exact(12, 1) },
        Halfspace { weights: vec![exact(1, 1), exact(1, 1), exact(0, 1)], bound: exact(9, 1) },
    ];
    // And nobody takes less than its floor.
    feasible.extend((0..3).map(|party| Halfspace {
        weights: (0..3).map(|other| exact(if other == party { -1 } else { 0 }, 1)).collect(),
        bound: -&floor[party],
    }));
    let claim = |division: [Exact; 3], epsilon: Exact| nash_division(&parties, &feasible, &division, &floor, &epsilon);
    // Three above each one's floor is the best product.
    cases(vec![
        ("the best", claim([exact(3, 1), exact(4, 1), exact(5, 1)], exact(0, 1)).expect("a claim"), Verdict::Proved),
        (
            "nearly the best",
            claim([exact(301, 100), exact(399, 100), exact(5, 1)], exact(1, 100)).expect("a claim"),
            Verdict::Proved,
        ),
        (
            "not by so little",
            claim([exact(301, 100), exact(399, 100), exact(5, 1)], exact(1, 100_000)).expect("a claim"),
            Verdict::Refuted,
        ),
        (
            "far from it",
            claim([exact(1, 1), exact(2, 1), exact(9, 1)], exact(1, 10)).expect("a claim"),
            Verdict::Refuted,
        ),
    ]);
    assert!(claim([exact(5, 1), exact(5, 1), exact(5, 1)], exact(1, 1)).is_err(), "there is not so much");
    assert!(claim([exact(3, 1), exact(4, 1), exact(2, 1)], exact(1, 1)).is_err(), "one gains nothing");
}

/// A ring of so many: each gives 10 of its own good to the next, which costs it 10 a unit, and gets what is worth
/// `worth` to it; it holds `holds`.
fn ring(parties: usize, worth: i64, holds: i64) -> (Terms, Vec<Accept>) {
    let agents = agents(parties);
    let good = |number: usize| Good::parse(&format!("good-{:02}", number % parties)).expect("a name");
    let transfers = (0..parties).map(|giver| Transfer {
        from: agents[giver].clone(),
        to: agents[(giver + 1) % parties].clone(),
        good: good(giver),
        quantity: Quantity::new(10).expect("positive"),
        due_unix_ms: 86_400_000,
        intent: None,
    });
    let terms = Terms {
        book: "ring".parse().expect("a name"),
        parties: agents.clone(),
        transfers: transfers.collect(),
        delivery: Delivery::Confirmed,
        expires_unix_ms: 0,
        award: None,
    };
    let around = |price: i64| Bounds {
        lo: Rational::new((price * 99).into(), 100).expect("a ratio"),
        hi: Rational::new((price * 101).into(), 100).expect("a ratio"),
    };
    let move_id = MoveId::parse("accept").expect("an id");
    let accept = |party: usize| Accept {
        deal: DealId::of(&agents[0], &move_id),
        move_id: move_id.clone(),
        deadline_unix_ms: 0,
        terms_hash: Hash::of(&body::encode(&terms)),
        valuation: Valuation {
            values: vec![UnitValue { good: good(party + parties - 1), value: Some(around(worth)), dimensions: None }],
            costs: vec![UnitCost { good: good(party), cost: around(10) }],
            margin_ppm: 10_000,
            ..Valuation::default()
        },
        holdings: vec![Holding { good: good(party), quantity: holds }],
        transcript: None,
    };
    let acceptances = (0..parties).map(accept).collect();
    (terms, acceptances)
}

#[test]
fn all_claims_of_deals_of_up_to_twenty_are_decided_and_fit_one_commit() {
    let mut prover = Prover::start();
    for parties in [2, 3, 20] {
        let (terms, acceptances) = ring(parties, 20, 10);
        let claims = raised(&terms, &ClaimKind::ALL, &acceptances).expect("claims");
        assert_eq!(claims.len(), 2 * parties);
        assert!(claims.len() <= MAX_DEAL_CLAIMS);
        let mut bytes = 0;
        for raised in &claims {
            let _: Claim = decode(&raised.claim, MAX_BODY_BYTES).expect("a claim of the wire");
            let found = prover.find(&raised.claim, BUDGET_MS);
            let evidence = found.evidence.expect("evidence");
            assert_eq!(check(&raised.claim, &evidence).expect("sound").verdict, Verdict::Proved);
            bytes += evidence.len();
        }
        assert!(bytes <= MAX_DEAL_EVIDENCE_BYTES, "{bytes}");
    }
    // Nobody gains, or nobody holds what it gives: of twenty each, every claim is false.
    for (worth, holds, kind) in [(9, 10, ClaimKind::WinWin), (20, 9, ClaimKind::Holdings)] {
        let (terms, acceptances) = ring(20, worth, holds);
        for raised in raised(&terms, &[kind], &acceptances).expect("claims") {
            assert_eq!(decided(&mut prover, &raised.claim), Verdict::Refuted);
        }
    }
}
