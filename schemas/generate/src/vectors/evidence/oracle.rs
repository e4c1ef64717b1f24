//! Whether a mutant is a proof all the same: found out by other means than expanding.
//!
//! A mutation may leave a proof behind (the square of −x is the square of x), and a vector that calls it bad would be
//! wrong. So each identity is evaluated at random points modulo a large prime: where it is not nought it certainly does
//! not hold, and where it is nought at eight points it does, but for a chance of (64/2⁶¹)⁸ (Schwartz, Zippel). Form and
//! roles of constraints are checked as the contract says them.

use num_bigint::BigInt;
use schemas::certificate::{Certificate, EqualityTerm, Node};
use schemas::claim::{Claim, Poly, Relation};
use schemas::limit::MAX_BODY_BYTES;
use schemas::{Hash, Ratio, body};

use super::super::rng::Rng;

/// 2⁶¹ − 1.
const PRIME: u128 = (1 << 61) - 1;
const POINTS: usize = 8;

fn times(a: u128, b: u128) -> u128 {
    a * b % PRIME
}

fn power(mut base: u128, mut exponent: u128) -> u128 {
    let mut result = 1;
    while exponent > 0 {
        if exponent % 2 == 1 {
            result = times(result, base);
        }
        base = times(base, base);
        exponent /= 2;
    }
    result
}

fn residue(number: &BigInt) -> u128 {
    let prime = BigInt::from(PRIME);
    u128::try_from((number % &prime + &prime) % prime).unwrap_or_default()
}

fn at(poly: &Poly, point: &[u128]) -> u128 {
    poly.terms().iter().fold(0, |sum, term| {
        let powers = term.powers.iter().fold(1, |product, p| {
            times(product, power(point.get(usize::from(p.variable)).copied().unwrap_or(0), p.exponent.into()))
        });
        (sum + times(value(&term.coef), powers)) % PRIME
    })
}

fn value(ratio: &Ratio) -> u128 {
    times(residue(ratio.numerator()), power(residue(ratio.denominator()), PRIME - 2))
}

/// The relation and the value of each constraint at a node.
struct Values {
    point: Vec<u128>,
    given: Vec<Option<(Relation, u128)>>,
}

impl Values {
    fn product(&self, factors: &[u16], may: &[Relation]) -> Option<u128> {
        factors.iter().try_fold(1, |product, index| Some(times(product, self.one(*index, may)?)))
    }

    fn one(&self, index: u16, may: &[Relation]) -> Option<u128> {
        let (relation, value) = self.given.get(usize::from(index))?.as_ref()?;
        may.contains(relation).then_some(*value)
    }

    fn equal(&self, terms: &[EqualityTerm]) -> Option<u128> {
        terms.iter().try_fold(0, |sum, term| {
            let constraint = self.one(term.index, &[Relation::Equal])?;
            Some((sum + times(constraint, at(&term.poly, &self.point))) % PRIME)
        })
    }

    /// What the identity of a node comes to; `None` where a constraint may not stand where it does.
    fn sum(&self, node: &Node, goal: u128, is_equal: bool) -> Option<u128> {
        match node {
            Node::Split { .. } => Some(0),
            Node::Leaf { positive, squares, equalities } => {
                let mut sum = times(value(&positive.coef), self.product(&positive.factors, &[Relation::Above])?);
                for term in squares {
                    let factors = self.product(&term.factors, &[Relation::AtLeast, Relation::Above])?;
                    let square = term.square.as_ref().map_or(1, |square| at(square, &self.point));
                    sum += times(times(value(&term.coef), factors), times(square, square));
                }
                Some((sum + self.equal(equalities)?) % PRIME)
            }
            Node::Identity { equalities } if is_equal => Some((self.equal(equalities)? + PRIME - goal) % PRIME),
            Node::Identity { .. } => None,
        }
    }
}

/// Whether these bytes prove the claim.
pub fn proves(claim: &Claim, claim_hash: Hash, bytes: &[u8], rng: &mut Rng) -> bool {
    let Ok(certificate) = body::decode::<Certificate>(bytes, MAX_BODY_BYTES) else { return false };
    if body::encode(&certificate) != bytes || certificate.claim_hash != claim_hash {
        return false;
    }
    let known = |poly: &Poly| poly.check("", Some(claim.variables.len())).is_ok();
    let has_strangers = certificate.nodes.iter().any(|node| match node {
        Node::Split { on } => !known(on),
        Node::Leaf { squares, equalities, .. } => {
            squares.iter().filter_map(|term| term.square.as_ref()).any(|square| !known(square))
                || equalities.iter().any(|term| !known(&term.poly))
        }
        Node::Identity { equalities } => equalities.iter().any(|term| !known(&term.poly)),
    });
    !has_strangers && (0..POINTS).all(|_| holds_somewhere(claim, &certificate, rng))
}

/// Whether every identity is nought at a random point.
fn holds_somewhere(claim: &Claim, certificate: &Certificate, rng: &mut Rng) -> bool {
    let point: Vec<u128> = claim.variables.iter().map(|_| u128::from(rng.next()) % PRIME).collect();
    let goal = at(&claim.goal.poly, &point);
    let denied = match claim.goal.relation {
        Relation::AtLeast => Some((Relation::Above, (PRIME - goal) % PRIME)),
        Relation::Above => Some((Relation::AtLeast, (PRIME - goal) % PRIME)),
        Relation::Equal => None,
    };
    let given = claim.hypotheses.iter().map(|h| Some((h.relation, at(&h.poly, &point))));
    let mut values = Values { given: given.chain([denied]).collect(), point };
    // Splits whose second side is still to come.
    let mut sides: Vec<bool> = Vec::new();
    for node in &certificate.nodes {
        if let Node::Split { on } = node {
            values.given.push(Some((Relation::AtLeast, at(on, &values.point))));
            sides.push(false);
            continue;
        }
        if values.sum(node, goal, claim.goal.relation == Relation::Equal) != Some(0) {
            return false;
        }
        while let Some(is_second) = sides.pop() {
            let Some(Some((_, split))) = values.given.pop() else { return false };
            if !is_second {
                values.given.push(Some((Relation::AtLeast, (PRIME - split) % PRIME)));
                sides.push(true);
                break;
            }
        }
    }
    true
}
