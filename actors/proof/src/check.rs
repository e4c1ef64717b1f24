//! Reads a claim and its evidence from their exact bytes, and decides.

use std::rc::Rc;

use num_bigint::BigInt;
use num_traits::{One, Pow, Signed, Zero};
use schemas::body::{self, DecodeError, Message};
use schemas::certificate::{Certificate, Counterexample};
use schemas::claim::{Claim, Relation};
use schemas::limit::MAX_BODY_BYTES;
use schemas::proving::Verdict;
use schemas::{Hash, Ratio};

use crate::budget::{Budget, Size};
use crate::certificate::{self, Given};
use crate::poly::{Cleared, common};
use crate::refused::{Fault, Refused};

/// What evidence decides about a claim.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Checked {
    /// SHA-256 of the claim's bytes.
    pub claim_hash: Hash,
    /// What is decided.
    pub verdict: Verdict,
    /// Whether the proof shows that the hypotheses contradict each other, so that the claim says nothing.
    pub vacuous: bool,
}

/// A claim with its denominators cleared.
pub(crate) struct Setting<'a> {
    /// The claim.
    pub claim: &'a Claim,
    /// Its hypotheses.
    pub hypotheses: Vec<Given>,
    /// The polynomial of its goal.
    pub goal: Rc<Cleared>,
    /// The goal denied; a goal with = is not.
    pub denied: Option<Given>,
}

/// Decides what `evidence`, a certificate or a counterexample, says about `claim`. Both are the exact bytes.
///
/// # Errors
/// Why the evidence is none, or the claim is no claim, with the place.
pub fn check(claim: &[u8], evidence: &[u8]) -> Result<Checked, Refused> {
    let claim_hash = Hash::of(claim);
    let claim: Claim = read(claim, "claim")?;
    let budget = &mut Budget::new();
    let setting = Setting::of(&claim, budget)?;
    if let Some(point) = &claim.witness {
        setting.satisfied_by(point, "claim.witness", budget)?;
    }
    let names_it = |other: Hash, place: &str| {
        let reason = format!("it is evidence for the claim {other}, not for {claim_hash}");
        if other == claim_hash { Ok(()) } else { Err(Refused::new(Fault::OtherClaim, place, reason)) }
    };
    let kind = body::type_of(evidence, MAX_BODY_BYTES).map_err(|error| unread(&error, "evidence"))?;
    if kind == Counterexample::TYPE {
        let counterexample: Counterexample = read(evidence, "counterexample")?;
        names_it(counterexample.claim_hash, "counterexample.claim_hash")?;
        setting.satisfied_by(&counterexample.point, "counterexample.point", budget)?;
        setting.goal_fails_at(&counterexample.point, budget)?;
        return Ok(Checked { claim_hash, verdict: Verdict::Refuted, vacuous: false });
    }
    let certificate: Certificate = read(evidence, "certificate")?;
    names_it(certificate.claim_hash, "certificate.claim_hash")?;
    let uses_goal = certificate::check(&setting, &certificate, budget)?;
    Ok(Checked { claim_hash, verdict: Verdict::Proved, vacuous: !uses_goal })
}

/// Reads a message whose bytes are the ones that the contract writes.
fn read<T: Message>(bytes: &[u8], what: &str) -> Result<T, Refused> {
    let message: T = body::decode(bytes, MAX_BODY_BYTES).map_err(|error| unread(&error, what))?;
    if body::encode(&message) != bytes {
        let reason =
            "the same is written otherwise: unknown fields, another order of keys, or longer forms are refused";
        return Err(Refused::new(Fault::NotCanonical, what, reason));
    }
    Ok(message)
}

fn unread(error: &DecodeError, what: &str) -> Refused {
    let place = if error.field().is_empty() { what.to_owned() } else { format!("{what}.{}", error.field()) };
    let reason = if let DecodeError::Field(refused) = error { refused.reason.clone() } else { error.to_string() };
    Refused::new(Fault::Unreadable, place, reason)
}

impl<'a> Setting<'a> {
    fn of(claim: &'a Claim, budget: &mut Budget) -> Result<Self, Refused> {
        let variables = claim.variables.len();
        let mut hypotheses = Vec::with_capacity(claim.hypotheses.len());
        for (index, hypothesis) in claim.hypotheses.iter().enumerate() {
            let poly = Cleared::of(&hypothesis.poly, variables, budget, &format!("claim.hypotheses[{index}].poly"))?;
            hypotheses.push(Given { relation: hypothesis.relation, poly: Rc::new(poly) });
        }
        let goal = Rc::new(Cleared::of(&claim.goal.poly, variables, budget, "claim.goal.poly")?);
        let denied = match claim.goal.relation {
            Relation::AtLeast => Some(Given { relation: Relation::Above, poly: Rc::new(goal.negated()) }),
            Relation::Above => Some(Given { relation: Relation::AtLeast, poly: Rc::new(goal.negated()) }),
            Relation::Equal => None,
        };
        Ok(Self { claim, hypotheses, goal, denied })
    }

    /// Refuses a point that a hypothesis does not hold at.
    fn satisfied_by(&self, point: &[Ratio], place: &str, budget: &mut Budget) -> Result<(), Refused> {
        let point = Point::of(point, self.claim.variables.len(), place)?;
        for (index, given) in self.hypotheses.iter().enumerate() {
            if !holds(given.relation, &point.value(&given.poly, place, budget)?) {
                let reason = format!("hypothesis {index} does not hold there");
                return Err(Refused::new(Fault::NotSatisfied, place, reason));
            }
        }
        Ok(())
    }

    /// Refuses a point that the goal holds at.
    fn goal_fails_at(&self, point: &[Ratio], budget: &mut Budget) -> Result<(), Refused> {
        let place = "counterexample.point";
        let point = Point::of(point, self.claim.variables.len(), place)?;
        if holds(self.claim.goal.relation, &point.value(&self.goal, place, budget)?) {
            return Err(Refused::new(Fault::NotSatisfied, place, "the goal holds there"));
        }
        Ok(())
    }
}

fn holds(relation: Relation, value: &BigInt) -> bool {
    match relation {
        Relation::AtLeast => !value.is_negative(),
        Relation::Above => value.is_positive(),
        Relation::Equal => value.is_zero(),
    }
}

/// A point with one denominator for all coordinates.
struct Point {
    numerators: Vec<BigInt>,
    denominator: BigInt,
    /// The most bits of any of them.
    bits: u64,
}

impl Point {
    fn of(point: &[Ratio], variables: usize, place: &str) -> Result<Self, Refused> {
        if point.len() != variables {
            return Err(Refused::new(
                Fault::Misplaced,
                place,
                format!("{variables} variables need as many coordinates"),
            ));
        }
        let mut denominator = BigInt::one();
        for coordinate in point {
            denominator = common(&denominator, coordinate.denominator(), place)?;
        }
        let numerators: Vec<BigInt> =
            point.iter().map(|ratio| ratio.numerator() * (&denominator / ratio.denominator())).collect();
        let bits = numerators.iter().map(BigInt::bits).max().unwrap_or(0).max(denominator.bits());
        Ok(Self { numerators, denominator, bits })
    }

    /// The polynomial's value there, times something positive.
    fn value(&self, poly: &Cleared, place: &str, budget: &mut Budget) -> Result<BigInt, Refused> {
        let degree = poly.size.degree;
        budget.charge(Size { degree: 0, ..poly.size }.widened(self.bits.saturating_mul(degree.into())), || {
            place.to_owned()
        })?;
        let mut value = BigInt::zero();
        for (powers, coef) in &poly.terms {
            let mut term = coef.clone();
            let mut missing = degree;
            for (numerator, exponent) in self.numerators.iter().zip(powers).filter(|(_, exponent)| **exponent > 0) {
                term *= Pow::pow(numerator, *exponent);
                missing -= u32::from(*exponent);
            }
            value += term * Pow::pow(&self.denominator, missing);
        }
        Ok(value)
    }
}
