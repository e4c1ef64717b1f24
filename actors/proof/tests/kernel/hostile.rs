//! Bytes that mean harm: nothing makes the kernel panic, nothing keeps it busy, and nothing but a proof passes.

use std::time::{Duration, Instant};

use proof::{Fault, check};
use proptest::prelude::*;
use schemas::body;
use schemas::certificate::{Certificate, Node, PositivePart, SquareTerm, VERSION};
use schemas::claim::{Claim, Constraint, Poly, PolyTerm, Power, Relation};
use schemas::id::Variable;
use schemas::{Hash, Ratio};

use crate::vectors::corpus;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn any_bytes_are_refused(claim in prop::collection::vec(any::<u8>(), 0..300), evidence in prop::collection::vec(any::<u8>(), 0..300)) {
        prop_assert!(check(&claim, &evidence).is_err());
        for (good, proof) in corpus().iter().take(2) {
            prop_assert!(check(&claim, proof).is_err() && check(good, &evidence).is_err());
        }
    }

    /// One changed byte of the claim is another claim; of the evidence it may be another proof, so only panics count.
    #[test]
    fn changed_bytes_never_panic(which in any::<prop::sample::Index>(), at in any::<prop::sample::Index>(), byte in any::<u8>(), cut in any::<bool>(), in_claim in any::<bool>()) {
        let corpus = corpus();
        let (mut claim, mut evidence) = corpus[which.index(corpus.len())].clone();
        let changed = if in_claim { &mut claim } else { &mut evidence };
        let at = at.index(changed.len());
        let is_same = !cut && changed[at] == byte;
        if cut { changed.truncate(at) } else { changed[at] = byte }
        let outcome = check(&claim, &evidence);
        prop_assert!(!((in_claim || cut) && !is_same) || outcome.is_err());
    }
}

/// A polynomial of so many terms in `variables` variables, of degree 1 to 3.
fn wide(terms: usize, variables: u8, coef: &Ratio) -> Poly {
    let mut all = Vec::new();
    'full: for a in 0..variables {
        for b in a..variables {
            for c in b..variables {
                let mut powers: Vec<Power> = Vec::new();
                for variable in [a, b, c] {
                    match powers.last_mut() {
                        Some(last) if last.variable == variable => last.exponent += 1,
                        _ => powers.push(Power { variable, exponent: 1 }),
                    }
                }
                all.push(PolyTerm { coef: coef.clone(), powers });
                if all.len() == terms {
                    break 'full;
                }
            }
        }
    }
    Poly(all)
}

fn names(count: u8) -> Vec<Variable> {
    (0..count).map(|at| Variable::parse(&format!("x{at}")).unwrap()).collect()
}

fn leaf_of(squares: Vec<SquareTerm>, claim: &Claim) -> Vec<u8> {
    let positive = PositivePart { coef: Ratio::whole(1), factors: vec![] };
    let nodes = vec![Node::Leaf { positive, squares, equalities: vec![] }];
    let claim_hash = Hash::of(&body::encode(claim));
    body::encode(&Certificate { version: VERSION, claim_hash, nodes })
}

#[test]
fn what_would_cost_too_much_is_refused_before_it_is_expanded() {
    let wide_poly = wide(2_000, 40, &Ratio::whole(3));
    let goal = Constraint { relation: Relation::AtLeast, poly: wide_poly.clone() };
    let claim = Claim { variables: names(40), hypotheses: vec![], goal, witness: None };
    // (2,000 terms)² for a square, times the denied goal three times.
    let heavy = |factors: Vec<u16>| {
        leaf_of(vec![SquareTerm { coef: Ratio::whole(1), factors, square: Some(wide_poly.clone()) }], &claim)
    };
    for factors in [vec![0], vec![0, 0, 0]] {
        let begun = Instant::now();
        let refused = check(&body::encode(&claim), &heavy(factors)).unwrap_err();
        assert_eq!(refused.fault, Fault::TooLarge, "{refused}");
        assert_eq!(refused.place, "certificate.nodes[0].squares[0]");
        // Generous, since a debug build on a busy machine runs this too: expanding would take minutes.
        assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());
    }
    let refused = check(&body::encode(&claim), &heavy(vec![0; 20])).unwrap_err();
    assert_eq!(refused.fault, Fault::TooLarge);
    assert!(refused.reason.contains("degree"), "{refused}");
}

#[test]
fn deep_trees_are_walked_without_recursion() {
    let goal = Constraint { relation: Relation::AtLeast, poly: wide(1, 1, &Ratio::whole(1)) };
    let claim = Claim { variables: names(1), hypotheses: vec![], goal, witness: None };
    let claim_hash = Hash::of(&body::encode(&claim));
    let split = Node::Split { on: wide(1, 1, &Ratio::whole(1)) };
    let leaf = Node::Leaf {
        positive: PositivePart { coef: Ratio::whole(1), factors: vec![0] },
        squares: vec![],
        equalities: vec![],
    };
    let nodes: Vec<_> = std::iter::repeat_n(split, 511).chain(std::iter::repeat_n(leaf, 512)).collect();
    let evidence = body::encode(&Certificate { version: VERSION, claim_hash, nodes });
    assert_eq!(check(&body::encode(&claim), &evidence).unwrap_err().fault, Fault::NotNought);
}
