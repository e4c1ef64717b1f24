//! A refusal names its place: the node, the summand, the factor, the term that is left.

use proof::{Checker, Fault, Refused, check};
use schemas::certificate::{Certificate, Counterexample, EqualityTerm, Node, PositivePart, SquareTerm, VERSION};
use schemas::core::{Call, Core};
use schemas::proving::CheckProof;
use schemas::{Hash, Ratio, body, infix};

fn refusal(claim: &str, nodes: Vec<Node>) -> Refused {
    let claim = body::encode(&infix::parse(claim).unwrap());
    let evidence = body::encode(&Certificate { version: VERSION, claim_hash: Hash::of(&claim), nodes });
    check(&claim, &evidence).unwrap_err()
}

fn leaf(positive: &[u16], squares: &[&[u16]], equalities: &[u16]) -> Node {
    let square = |factors: &&[u16]| SquareTerm { coef: Ratio::whole(1), factors: factors.to_vec(), square: None };
    let one = infix::parse("1 = 0").unwrap().goal.poly;
    let equality = |index: &u16| EqualityTerm { index: *index, poly: one.clone() };
    Node::Leaf {
        positive: PositivePart { coef: Ratio::whole(1), factors: positive.to_vec() },
        squares: squares.iter().map(square).collect(),
        equalities: equalities.iter().map(equality).collect(),
    }
}

#[test]
fn each_refusal_says_where_and_why() {
    let claim = "forall x >= 0, x + y = 1: x >= x^2";
    let split = || Node::Split { on: infix::parse("x = 0").unwrap().goal.poly };
    let cases = [
        (vec![leaf(&[0], &[], &[])], Fault::Misplaced, "certificate.nodes[0].positive.factors[0]"),
        (vec![leaf(&[2], &[&[0], &[0, 1]], &[])], Fault::Misplaced, "certificate.nodes[0].squares[1].factors[1]"),
        (vec![leaf(&[2], &[&[0, 3]], &[])], Fault::Misplaced, "certificate.nodes[0].squares[0].factors[1]"),
        (vec![leaf(&[2], &[], &[0])], Fault::Misplaced, "certificate.nodes[0].equalities[0].index"),
        (vec![Node::Identity { equalities: vec![] }], Fault::Misplaced, "certificate.nodes[0]"),
        (vec![leaf(&[2], &[&[0]], &[1])], Fault::NotNought, "certificate.nodes[0]"),
        (
            vec![split(), leaf(&[2], &[&[0, 3]], &[]), leaf(&[2], &[&[4]], &[])],
            Fault::NotNought,
            "certificate.nodes[1]",
        ),
        (vec![split(), leaf(&[2], &[&[4]], &[])], Fault::Unreadable, "certificate.nodes"),
    ];
    for (nodes, fault, place) in cases {
        let refused = refusal(claim, nodes);
        // Indices are checked in the whole tree before anything is expanded.
        let expected =
            if place == "certificate.nodes[1]" { "certificate.nodes[2].squares[0].factors[0]" } else { place };
        let fault = if place == "certificate.nodes[1]" { Fault::Misplaced } else { fault };
        assert_eq!((refused.fault, refused.place.as_str()), (fault, expected), "{refused}");
        assert!(!refused.reason.is_empty());
    }
    let left = refusal("x >= 0", vec![leaf(&[0], &[], &[])]);
    assert_eq!(left.reason, "the sum is not nought: -1*x is left");
}

#[test]
fn evidence_for_another_claim_or_in_another_form_is_refused() {
    let claim = infix::parse("forall x >= 1: x >= 0").unwrap();
    let bytes = body::encode(&claim);
    let certificate =
        |claim_hash| Certificate { version: VERSION, claim_hash, nodes: vec![leaf(&[1], &[&[0], &[]], &[])] };
    let mut squares_sorted = certificate(Hash::of(&bytes));
    if let Some(Node::Leaf { squares, .. }) = squares_sorted.nodes.first_mut() {
        squares.sort_by(SquareTerm::place);
    }
    let good = body::encode(&squares_sorted);
    assert!(check(&bytes, &good).is_ok());
    assert_eq!(check(&bytes, &body::encode(&certificate(Hash::of(&bytes)))).unwrap_err().fault, Fault::Unreadable);
    let other = Certificate { claim_hash: Hash::of(b"other"), ..squares_sorted };
    assert_eq!(check(&bytes, &body::encode(&other)).unwrap_err().fault, Fault::OtherClaim);
    // Version 1 in two bytes, which MessagePack allows and the contract does not write.
    let at = good.windows(8).position(|window| window == b"\xa7version").unwrap() + 8;
    let mut longer = good.clone();
    longer.splice(at..=at, [0xcc, 1]);
    assert_eq!(check(&bytes, &longer).unwrap_err().fault, Fault::NotCanonical);
    // A field that nobody knows, in claim or evidence.
    let mut more = good;
    more[0] += 1;
    more.extend(b"\xa1z\x01");
    assert_eq!(check(&bytes, &more).unwrap_err().fault, Fault::NotCanonical);
}

#[test]
fn points_must_do_what_is_said_of_them() {
    let mut claim = infix::parse("forall x >= 1, x <= 3: x >= 2").unwrap();
    let point = |claim: &[u8], text: &str| {
        let point = vec![text.parse().unwrap()];
        check(claim, &body::encode(&Counterexample { version: VERSION, claim_hash: Hash::of(claim), point }))
    };
    let bytes = body::encode(&claim);
    assert!(point(&bytes, "3/2").is_ok());
    let refused = point(&bytes, "5/2").unwrap_err();
    assert_eq!((refused.fault, refused.reason.as_str()), (Fault::NotSatisfied, "the goal holds there"));
    assert_eq!(point(&bytes, "1/2").unwrap_err().reason, "hypothesis 0 does not hold there");
    claim.witness = Some(vec![Ratio::whole(4)]);
    let refused = point(&body::encode(&claim), "3/2").unwrap_err();
    assert_eq!(
        (refused.place.as_str(), refused.reason.as_str()),
        ("claim.witness", "hypothesis 1 does not hold there")
    );
}

#[test]
fn the_core_answers_with_the_rule_and_the_place() {
    let claim = body::encode(&infix::parse("x^2 + 1 > 0").unwrap());
    let request = CheckProof { claim, certificate: b"rubbish".to_vec() };
    let reply = Checker.handle(request, &Call::default()).unwrap_err();
    assert_eq!((reply.code, reply.rule.as_deref()), (422, Some("unreadable")));
    assert_eq!(reply.field.as_deref(), Some("evidence"));
}
