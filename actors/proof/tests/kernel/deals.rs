//! The claims of deals say what `terms` says of them: proved where it says yes, refuted at the worst corner where not.

use num_bigint::BigInt;
use proof::check;
use proptest::prelude::*;
use schemas::certificate::{Certificate, Counterexample, Node, PositivePart, SquareTerm, VERSION};
use schemas::claim::{Claim, Relation};
use schemas::deal::{Delivery, Holding, Terms, Transfer};
use schemas::proving::Verdict;
use schemas::value::{Bounds, UnitCost, UnitValue, Valuation};
use schemas::{AgentId, Good, Hash, MarketId, Quantity, Ratio, Rational, body};
use terms::claims;

fn ratio(top: BigInt, bottom: BigInt) -> Ratio {
    Ratio::new(top, bottom).unwrap()
}

/// Evidence for a claim whose hypotheses bound each variable once from below and once from above (or from below alone),
/// and whose goal is linear: the bounds weighed by the goal's coefficients, or the worst corner.
pub(crate) fn by_the_corner(claim: &Claim) -> Vec<u8> {
    let claim_hash = Hash::of(&body::encode(claim));
    assert_eq!(claim.goal.relation, Relation::AtLeast);
    let part = |index: usize, variable: usize| {
        let poly = &claim.hypotheses[index].poly;
        let of = |is: &dyn Fn(&schemas::claim::PolyTerm) -> bool| {
            let term = poly.terms().iter().find(|term| is(term));
            term.map_or((BigInt::from(0), BigInt::from(1)), |t| {
                (t.coef.numerator().clone(), t.coef.denominator().clone())
            })
        };
        let slope = of(&|term| term.powers.len() == 1 && usize::from(term.powers[0].variable) == variable);
        (slope, of(&|term| term.powers.is_empty()))
    };
    // slack = f at the worst corner, as a fraction.
    let (mut top, mut bottom) = (BigInt::from(0), BigInt::from(1));
    let mut squares = Vec::new();
    let mut corner: Vec<Ratio> = claim.witness.clone().unwrap_or_default();
    for term in claim.goal.poly.terms() {
        let coef = &term.coef;
        let add = |top: &mut BigInt, bottom: &mut BigInt, n: BigInt, d: BigInt| {
            *top = &*top * &d + n * &*bottom;
            *bottom *= d;
        };
        let Some(power) = term.powers.first() else {
            add(&mut top, &mut bottom, coef.numerator().clone(), coef.denominator().clone());
            continue;
        };
        let variable = usize::from(power.variable);
        let is_up = coef.is_positive();
        let bound = (0..claim.hypotheses.len())
            .find(|index| {
                let ((slope, _), _) = part(*index, variable);
                slope.sign() == coef.numerator().sign()
            })
            .unwrap();
        // Hypothesis: a·x + b ≥ 0; goal's term c·x with c of a's sign: c·x = (c/a)·(a·x + b) − (c/a)·b.
        let ((a, ad), (b, bd)) = part(bound, variable);
        let weight = ratio(coef.numerator() * &ad, coef.denominator() * &a);
        squares.push(SquareTerm { coef: weight.clone(), factors: vec![u16::try_from(bound).unwrap()], square: None });
        add(&mut top, &mut bottom, -(weight.numerator() * &b), weight.denominator() * &bd);
        corner[variable] = ratio(-(b * ad), bd * a);
        let _ = is_up;
    }
    if top < BigInt::from(0) {
        return body::encode(&Counterexample { version: VERSION, claim_hash, point: corner });
    }
    if top > BigInt::from(0) {
        squares.push(SquareTerm { coef: ratio(top, bottom), factors: vec![], square: None });
    }
    squares.sort_by(SquareTerm::place);
    let denied = u16::try_from(claim.hypotheses.len()).unwrap();
    let positive = PositivePart { coef: Ratio::whole(1), factors: vec![denied] };
    let nodes = vec![Node::Leaf { positive, squares, equalities: vec![] }];
    body::encode(&Certificate { version: VERSION, claim_hash, nodes })
}

fn agent(name: &str) -> AgentId {
    AgentId::parse(name).unwrap()
}

fn good(name: &str) -> Good {
    Good::parse(name).unwrap()
}

/// Terms between a and b: what a gives and what it gets.
fn terms_of(gives: &[(&str, i64, i64)], gets: &[(&str, i64, i64)]) -> Terms {
    let one = |from: &str, to: &str, (name, quantity, days): &(&str, i64, i64)| Transfer {
        from: agent(from),
        to: agent(to),
        good: good(name),
        quantity: Quantity::new(*quantity).unwrap(),
        due_unix_ms: days * 86_400_000,
        intent: None,
    };
    let given = gives.iter().map(|transfer| one("a", "b", transfer));
    let transfers = given.chain(gets.iter().map(|transfer| one("b", "a", transfer))).collect();
    Terms {
        book: MarketId::parse("m").unwrap(),
        parties: vec![agent("a"), agent("b")],
        transfers,
        delivery: Delivery::Immediate,
        expires_unix_ms: 0,
        award: None,
    }
}

fn bounds() -> impl Strategy<Value = Bounds> {
    let end = || (0_i64..5_000, 1_i64..300).prop_map(|(top, bottom)| Rational::new(top.into(), bottom.into()).unwrap());
    (end(), end()).prop_map(|(a, b)| Bounds { lo: a.min(b), hi: a.max(b) })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn a_win_win_claim_is_true_iff_the_party_is_satisfied(
        v in bounds(), w in bounds(), c in bounds(), d in bounds(), margin_ppm in prop_oneof![Just(0), 0_i64..300_000],
        q in 1_i64..1_000_000, r in 1_i64..1_000_000, s in 1_i64..1_000_000, days in 0_i64..400, rate in 0_i64..30,
        arrival in 500_i64..=1000, aversion in 0_i64..=1000,
    ) {
        let terms = terms_of(&[("x", q, days), ("z", r, 0)], &[("y", s, days), ("y", q, 3), ("u", r, 0), ("x", 1, 1)]);
        let value = |name: &str, value| UnitValue { good: good(name), value: Some(value), dimensions: None };
        let cost = |name: &str, cost| UnitCost { good: good(name), cost };
        let mut valuation = Valuation { margin_ppm, values: vec![value("y", v), value("x", w)],
            costs: vec![cost("z", c), cost("x", d)], ..Valuation::default() };
        valuation.outlook.rate = Rational::new(rate.into(), 100);
        valuation.outlook.arrival = Rational::new(arrival.into(), 1000);
        valuation.outlook.risk_aversion = Rational::new(aversion.into(), 1000);
        let claim = claims::win_win(&terms, &agent("a"), &valuation).unwrap();
        let is_satisfied = terms::worth(&terms, &agent("a"), &valuation).unwrap().is_satisfied();
        let checked = check(&body::encode(&claim), &by_the_corner(&claim)).unwrap();
        prop_assert_eq!(checked.verdict, if is_satisfied { Verdict::Proved } else { Verdict::Refuted });
        prop_assert!(!checked.vacuous);
    }

    #[test]
    fn a_holdings_claim_is_true_iff_enough_is_held(held in 0_i64..100, first in 1_i64..60, second in 1_i64..60) {
        let terms = terms_of(&[("x", first, 0), ("x", second, 0), ("y", 1, 0)], &[("z", 1, 0)]);
        let stated = [Holding { good: good("x"), quantity: held }, Holding { good: good("y"), quantity: 1 }];
        let claims = claims::holdings(&terms, &agent("a"), &stated).unwrap();
        prop_assert_eq!(claims.len(), 2);
        let checked = check(&body::encode(&claims[0]), &by_the_corner(&claims[0])).unwrap();
        prop_assert_eq!(checked.verdict == Verdict::Proved, held >= first + second);
        prop_assert_eq!(check(&body::encode(&claims[1]), &by_the_corner(&claims[1])).unwrap().verdict, Verdict::Proved);
    }
}
