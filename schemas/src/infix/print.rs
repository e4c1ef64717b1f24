//! Writes the infix form: what is subtracted stands on the other side of a relation, and a pair of bounds is an interval.

use num_rational::BigRational;
use num_traits::{One, Signed};

use crate::claim::{Claim, Constraint, Poly, PolyTerm, Power, Relation};
use crate::id::Variable;

/// Writes a claim.
pub(super) fn claim(claim: &Claim) -> String {
    let names = &claim.variables;
    let mut parts = Vec::new();
    let mut rest = claim.hypotheses.as_slice();
    while let Some((first, others)) = rest.split_first() {
        if let Some((second, after)) = others.split_first()
            && let Some(text) = interval(first, second, names)
        {
            parts.push(text);
            rest = after;
        } else {
            parts.push(relation(first, names));
            rest = others;
        }
    }
    let goal = relation(&claim.goal, names);
    let written = |parts: &[String]| {
        if parts.is_empty() { goal.clone() } else { format!("forall {}: {goal}", parts.join(", ")) }
    };
    let short = written(&parts);
    // Names that come in another order, or nowhere, are said first.
    if super::parse::claim(&short).is_ok_and(|read| read.variables == claim.variables) {
        return short;
    }
    let said = names.iter().map(ToString::to_string).chain(parts).collect::<Vec<_>>();
    written(&said)
}

/// `x in [a, b]`, where these are the bounds of one variable.
fn interval(low: &Constraint, high: &Constraint, names: &[Variable]) -> Option<String> {
    let (subject, least) = bound(low, true)?;
    let (same, most) = bound(high, false)?;
    let name = names.get(usize::from(subject))?;
    if subject != same || least > most {
        return None;
    }
    let open = if low.relation == Relation::AtLeast { '[' } else { '(' };
    let close = if high.relation == Relation::AtLeast { ']' } else { ')' };
    Some(format!("{name} in {open}{least}, {most}{close}"))
}

/// The variable and its bound, where the constraint is x − bound (below) or bound − x.
fn bound(constraint: &Constraint, is_low: bool) -> Option<(u8, BigRational)> {
    let (first, constant) = match constraint.poly.terms() {
        [first] => (first, None),
        [first, second] if second.powers.is_empty() => (first, Some(&second.coef)),
        _ => return None,
    };
    let [Power { variable, exponent: 1 }] = first.powers.as_slice() else { return None };
    let value = constant.map_or_else(BigRational::default, BigRational::from);
    let sign = if is_low { BigRational::one() } else { -BigRational::one() };
    let is_bound = constraint.relation != Relation::Equal && BigRational::from(&first.coef) == sign;
    is_bound.then(|| (*variable, if is_low { -value } else { value }))
}

fn relation(constraint: &Constraint, names: &[Variable]) -> String {
    let side = |is_left: bool| {
        let terms = constraint.poly.terms().iter().filter(|term| term.coef.is_positive() == is_left);
        let text: Vec<_> = terms.map(|term| magnitude(term, names)).collect();
        if text.is_empty() { "0".to_owned() } else { text.join(" + ") }
    };
    format!("{} {} {}", side(true), constraint.relation, side(false))
}

/// Writes a polynomial.
pub(super) fn poly(poly: &Poly, names: &[Variable]) -> String {
    let mut text = String::new();
    for term in poly.terms() {
        text.push_str(match (text.is_empty(), term.coef.is_positive()) {
            (true, true) => "",
            (true, false) => "-",
            (false, true) => " + ",
            (false, false) => " - ",
        });
        text.push_str(&magnitude(term, names));
    }
    if text.is_empty() { "0".into() } else { text }
}

/// A term without its sign.
fn magnitude(term: &PolyTerm, names: &[Variable]) -> String {
    let coef = BigRational::from(&term.coef).abs();
    let mut factors = Vec::new();
    if !coef.is_one() || term.powers.is_empty() {
        factors.push(coef.to_string());
    }
    for Power { variable, exponent } in &term.powers {
        let name = names.get(usize::from(*variable)).map_or_else(|| format!("#{variable}"), ToString::to_string);
        factors.push(if *exponent == 1 { name } else { format!("{name}^{exponent}") });
    }
    factors.join("*")
}
