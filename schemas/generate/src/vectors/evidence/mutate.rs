//! One small change to a proof, of the kinds that a careless or a lying prover makes.
//!
//! What has an order is put in order again, so that a mutant is refused for what it says and not for how it is written.

use schemas::Ratio;
use schemas::certificate::{Certificate, Node, SquareTerm};
use schemas::claim::{Poly, Power};
use schemas::polynomial::Polynomial;

use super::super::rng::Rng;

/// Changes one thing; `None` where the draw found nothing to change.
pub fn mutate(
    certificate: &mut Certificate,
    variables: usize,
    hypotheses: usize,
    rng: &mut Rng,
) -> Option<&'static str> {
    let place = rng.place(certificate.nodes.len());
    let what = match rng.place(7) {
        0 | 1 => coefficient(certificate.nodes.get_mut(place)?, rng)?,
        2 => sign(certificate.nodes.get_mut(place)?, rng)?,
        3 => missing(certificate.nodes.get_mut(place)?, rng)?,
        4 => swapped(certificate.nodes.get_mut(place)?, hypotheses, rng)?,
        5 => split(certificate, rng)?,
        _ => exponent(certificate.nodes.get_mut(place)?, variables, rng)?,
    };
    for node in &mut certificate.nodes {
        if let Node::Leaf { positive, squares, equalities } = node {
            positive.factors.sort_unstable();
            squares.iter_mut().for_each(|term| term.factors.sort_unstable());
            squares.sort_by(SquareTerm::place);
            equalities.sort_by_key(|term| term.index);
        }
    }
    Some(what)
}

/// A polynomial of a node.
fn poly_of<'a>(node: &'a mut Node, rng: &mut Rng) -> Option<&'a mut Poly> {
    let mut all: Vec<&mut Poly> = match node {
        Node::Split { on } => vec![on],
        Node::Leaf { squares, equalities, .. } => {
            let squares = squares.iter_mut().filter_map(|term| term.square.as_mut());
            squares.chain(equalities.iter_mut().map(|term| &mut term.poly)).collect()
        }
        Node::Identity { equalities } => equalities.iter_mut().map(|term| &mut term.poly).collect(),
    };
    let place = rng.place(all.len());
    (place < all.len()).then(|| all.swap_remove(place))
}

/// A coefficient of a node: of a summand, or inside a polynomial.
fn coef_of<'a>(node: &'a mut Node, rng: &mut Rng) -> Option<&'a mut Ratio> {
    let mut all: Vec<&mut Ratio> = Vec::new();
    let mut inside = |poly: &'a mut Poly| all.extend(poly.0.iter_mut().map(|term| &mut term.coef));
    match node {
        Node::Split { on } => inside(on),
        Node::Leaf { positive, squares, equalities } => {
            let mut summands = vec![&mut positive.coef];
            for term in squares {
                summands.push(&mut term.coef);
                if let Some(square) = &mut term.square {
                    inside(square);
                }
            }
            equalities.iter_mut().for_each(|term| inside(&mut term.poly));
            all.extend(summands);
        }
        Node::Identity { equalities } => equalities.iter_mut().for_each(|term| inside(&mut term.poly)),
    }
    let place = rng.place(all.len());
    (place < all.len()).then(|| all.swap_remove(place))
}

fn coefficient(node: &mut Node, rng: &mut Rng) -> Option<&'static str> {
    let coef = coef_of(node, rng)?;
    let step = i64::try_from(rng.place(97)).ok()? + 1;
    let (numerator, denominator) = (coef.numerator().clone(), coef.denominator().clone());
    let (what, changed) = match rng.place(4) {
        0 => ("a coefficient off by one", Ratio::new(numerator + &denominator, denominator)),
        1 => ("a coefficient off by one", Ratio::new(numerator - &denominator, denominator)),
        2 => ("a numerator off by a little", Ratio::new(numerator + step, denominator)),
        _ => ("a denominator off by a little", Ratio::new(numerator, denominator + step)),
    };
    *coef = changed?;
    Some(what)
}

fn sign(node: &mut Node, rng: &mut Rng) -> Option<&'static str> {
    let coef = coef_of(node, rng)?;
    *coef = Ratio::new(-coef.numerator(), coef.denominator().clone())?;
    Some("a sign")
}

fn missing(node: &mut Node, rng: &mut Rng) -> Option<&'static str> {
    if rng.place(2) == 0 {
        let poly = poly_of(node, rng)?;
        let place = rng.place(poly.0.len());
        (place < poly.0.len()).then(|| poly.0.remove(place))?;
        return Some("a missing term");
    }
    match node {
        Node::Leaf { squares, .. } if !squares.is_empty() => drop(squares.remove(rng.place(squares.len()))),
        Node::Leaf { equalities, .. } | Node::Identity { equalities } if !equalities.is_empty() => {
            drop(equalities.remove(rng.place(equalities.len())));
        }
        _ => return None,
    }
    Some("a missing summand")
}

fn swapped(node: &mut Node, hypotheses: usize, rng: &mut Rng) -> Option<&'static str> {
    let mut all: Vec<&mut u16> = match node {
        Node::Split { .. } => return None,
        Node::Leaf { positive, squares, equalities } => {
            let squares = squares.iter_mut().flat_map(|term| term.factors.iter_mut());
            positive
                .factors
                .iter_mut()
                .chain(squares)
                .chain(equalities.iter_mut().map(|term| &mut term.index))
                .collect()
        }
        Node::Identity { equalities } => equalities.iter_mut().map(|term| &mut term.index).collect(),
    };
    let (a, b) = (rng.place(all.len()), rng.place(all.len()));
    if rng.place(2) == 0 && all.len() > 1 {
        let (first, second) = (**all.get(a)?, **all.get(b)?);
        **all.get_mut(a)? = second;
        **all.get_mut(b)? = first;
        return Some("swapped hypotheses");
    }
    **all.get_mut(a)? = u16::try_from(rng.place(hypotheses + 4)).ok()?;
    Some("another hypothesis")
}

fn split(certificate: &mut Certificate, rng: &mut Rng) -> Option<&'static str> {
    let place = certificate.nodes.iter().position(|node| matches!(node, Node::Split { .. }))?;
    match rng.place(4) {
        0 => {
            let count = certificate.nodes.len();
            certificate.nodes.swap(place + 1, count - 1);
            Some("subtrees swapped")
        }
        1 => {
            certificate.nodes.remove(place);
            Some("a missing split")
        }
        2 => {
            let last = certificate.nodes.len() - 1;
            certificate.nodes.remove(last);
            Some("a missing case")
        }
        _ => match certificate.nodes.get_mut(place)? {
            Node::Split { on } => {
                *on = Polynomial::from(&*on).plus(Polynomial::constant(i64_ratio(rng)?)).to_poly().ok()?;
                Some("a split elsewhere")
            }
            _ => None,
        },
    }
}

fn i64_ratio(rng: &mut Rng) -> Option<num_rational::BigRational> {
    let ratio = |top: i64, bottom: i64| num_rational::BigRational::new(top.into(), bottom.into());
    Some(ratio(i64::try_from(rng.place(9)).ok()? - 4, i64::try_from(rng.place(5)).ok()? + 1))
}

fn exponent(node: &mut Node, variables: usize, rng: &mut Rng) -> Option<&'static str> {
    let poly = poly_of(node, rng)?;
    let place = rng.place(poly.0.len());
    let term = poly.0.get_mut(place)?;
    let at = rng.place(term.powers.len());
    match term.powers.get_mut(at) {
        Some(power) => power.exponent += 1,
        None if variables > 0 => term.powers.push(Power { variable: 0, exponent: 1 }),
        None => return None,
    }
    *poly = Polynomial::from(&*poly).to_poly().ok()?;
    Some("another power")
}
