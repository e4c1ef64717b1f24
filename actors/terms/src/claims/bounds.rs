//! The certificate of a linear claim that the bounds of its variables decide.
//!
//! A deal's claim is linear, and speaks of every point between bounds. The least that its goal comes to there is at the
//! corner that the signs of its slopes name, and the bounds that meet at that corner, each times its slope, are the
//! certificate (Farkas, 1902): there is nothing to search for. Whether it proves the claim the kernel says, as of any.

use std::collections::BTreeMap;

use num_rational::BigRational;
use num_traits::{One, Signed, Zero};
use schemas::certificate::{Certificate, Node, PositivePart, SquareTerm};
use schemas::claim::{Claim, Constraint, Poly, Relation};
use schemas::{Hash, Ratio};

/// A linear form: its constant, and its slopes by variable.
struct Linear {
    constant: BigRational,
    slopes: BTreeMap<u8, BigRational>,
}

/// A bound of one variable.
struct Bound {
    at: BigRational,
    slope: BigRational,
    hypothesis: u16,
}

/// A certificate of the claim with this hash, from the bounds of single variables alone; `None` where they do not prove
/// it.
#[must_use]
pub fn certificate_by_bounds(claim: &Claim, claim_hash: Hash) -> Option<Certificate> {
    let negated_goal = u16::try_from(claim.hypotheses.len()).ok()?;
    let goal = linear(&claim.goal.poly)?;
    let mut least = goal.constant;
    let mut squares = Vec::new();
    for (variable, slope) in &goal.slopes {
        let bound = nearest(&claim.hypotheses, *variable, slope.is_positive())?;
        least += slope * &bound.at;
        squares.push((vec![bound.hypothesis], slope / &bound.slope));
    }
    let positive = match claim.goal.relation {
        Relation::Equal => return None,
        Relation::AtLeast if least.is_negative() => return None,
        Relation::AtLeast => {
            if least.is_positive() {
                squares.push((Vec::new(), least));
            }
            (vec![negated_goal], BigRational::one())
        }
        Relation::Above if least.is_negative() => return None,
        Relation::Above => {
            // Where the corner comes to nought, it must be out of reach.
            let positive = if least.is_positive() {
                (Vec::new(), least)
            } else {
                let strict = squares.iter().position(|(factors, _)| is_strict(&claim.hypotheses, factors))?;
                squares.remove(strict)
            };
            squares.push((vec![negated_goal], BigRational::one()));
            positive
        }
    };
    squares.sort_by(|a, b| a.0.cmp(&b.0));
    let squares: Option<Vec<SquareTerm>> = squares
        .into_iter()
        .map(|(factors, coef)| Some(SquareTerm { coef: ratio(&coef)?, factors, square: None }))
        .collect();
    let positive = PositivePart { coef: ratio(&positive.1)?, factors: positive.0 };
    let leaf = Node::Leaf { positive, squares: squares?, equalities: Vec::new() };
    Some(Certificate { version: 1, claim_hash, nodes: vec![leaf] })
}

/// A polynomial as a linear form; `None` where a degree is above 1.
fn linear(poly: &Poly) -> Option<Linear> {
    let mut form = Linear { constant: BigRational::zero(), slopes: BTreeMap::new() };
    for term in poly.terms() {
        let coef = BigRational::from(&term.coef);
        match term.powers.as_slice() {
            [] => form.constant = coef,
            [power] if power.exponent == 1 => {
                form.slopes.insert(power.variable, coef);
            }
            _ => return None,
        }
    }
    Some(form)
}

/// The tightest lower or upper bound of a variable.
fn nearest(hypotheses: &[Constraint], variable: u8, from_below: bool) -> Option<Bound> {
    let bounds = hypotheses.iter().enumerate().filter_map(|(place, hypothesis)| {
        let is_bound = hypothesis.relation != Relation::Equal && hypothesis.poly.terms().len() <= 2;
        let Linear { constant, slopes } = is_bound.then(|| linear(&hypothesis.poly)).flatten()?;
        let slope = slopes.get(&variable).filter(|slope| slopes.len() == 1 && slope.is_positive() == from_below)?;
        Some(Bound { at: -constant / slope, slope: slope.clone(), hypothesis: u16::try_from(place).ok()? })
    });
    bounds.reduce(|best, bound| if (bound.at > best.at) == from_below && bound.at != best.at { bound } else { best })
}

fn is_strict(hypotheses: &[Constraint], factors: &[u16]) -> bool {
    let of = |factor: &u16| hypotheses.get(usize::from(*factor));
    factors.iter().filter_map(of).any(|hypothesis| hypothesis.relation == Relation::Above)
}

fn ratio(rational: &BigRational) -> Option<Ratio> {
    Ratio::new(rational.numer().clone(), rational.denom().clone())
}
