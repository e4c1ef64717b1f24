//! Certificates: evidence for a claim that anyone can check by expanding polynomials, and counterexamples.
//!
//! A certificate is a tree, written in preorder. A *split* names a polynomial s: its first subtree may use s ≥ 0, its
//! second −s ≥ 0, and one of the two is so at every point. A *leaf* shows that the constraints at hand contradict each
//! other: with the goal f ≥ 0 denied, −f > 0 is one of them, and
//!
//! ```text
//! coef·∏ strict[factors] + Σ coef·∏ g[factors]·square² + Σ poly·h[index] ≡ 0
//! ```
//!
//! is impossible where all of them hold, for the first summand is positive and the others are not negative. An
//! *identity* proves a goal f = 0 as f ≡ Σ poly·h\[index\].
//!
//! Constraints are named by index: 0 to H − 1 the hypotheses in the claim's order; H the denied goal (of f ≥ 0 it is
//! −f > 0, of f > 0 it is −f ≥ 0; a goal f = 0 has none); from H + 1 on the splits on the way from the root, outermost
//! first. `docs/claims.md` defines all of it for whoever writes a checker.

use std::cmp::Ordering;

use num_bigint::BigInt;
use schemars::JsonSchema;
use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize};

use crate::body::Refused;
use crate::claim::{Poly, PolyTerm};
use crate::hash::Hash;
use crate::limit::{MAX_CERTIFICATE_NODES, MAX_FACTORS, MAX_LEAF_TERMS, MAX_VARIABLES};
use crate::ratio::Ratio;

/// The one version of certificates.
pub const VERSION: u16 = 1;

/// The summand that is positive: a positive ratio times a product of strict constraints.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PositivePart {
    /// The ratio, more than 0.
    pub coef: Ratio,
    /// The strict constraints by index, sorted; one that stands twice counts twice.
    pub factors: Vec<u16>,
}

/// A summand that is not negative: a positive ratio times a product of constraints times a square.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SquareTerm {
    /// The ratio, more than 0.
    pub coef: Ratio,
    /// The constraints by index (≥ or >), sorted; one that stands twice counts twice.
    pub factors: Vec<u16>,
    /// The polynomial that is squared; left out where it is 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub square: Option<Poly>,
}

/// A summand that is nought: an equality times any polynomial.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct EqualityTerm {
    /// The equality by index.
    pub index: u16,
    /// The polynomial, not nought.
    pub poly: Poly,
}

/// One node of a certificate's tree.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Node {
    /// Two cases: the subtree that follows may use `on` ≥ 0, the one after it −`on` ≥ 0.
    Split {
        /// The polynomial.
        on: Poly,
    },
    /// The constraints at hand contradict each other.
    Leaf {
        /// What is positive.
        positive: PositivePart,
        /// What is not negative, sorted by factors and squares, none twice.
        squares: Vec<SquareTerm>,
        /// What is nought, sorted by index, each once.
        equalities: Vec<EqualityTerm>,
    },
    /// The goal, an equality, is a combination of equalities.
    Identity {
        /// The summands, sorted by index, each once.
        equalities: Vec<EqualityTerm>,
    },
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Kind {
    Split,
    Leaf,
    Identity,
}

/// The fields of all nodes: serde would read a tagged enum by way of a buffer that forgets the place.
#[derive(Deserialize)]
struct AnyNode {
    #[serde(rename = "type")]
    kind: Kind,
    #[serde(default)]
    on: Option<Poly>,
    #[serde(default)]
    positive: Option<PositivePart>,
    #[serde(default)]
    squares: Option<Vec<SquareTerm>>,
    #[serde(default)]
    equalities: Option<Vec<EqualityTerm>>,
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        fn there<T, E: Error>(field: Option<T>, name: &'static str) -> Result<T, E> {
            field.ok_or_else(|| E::missing_field(name))
        }
        let node = AnyNode::deserialize(from)?;
        Ok(match node.kind {
            Kind::Split => Self::Split { on: there(node.on, "on")? },
            Kind::Leaf => Self::Leaf {
                positive: there(node.positive, "positive")?,
                squares: there(node.squares, "squares")?,
                equalities: there(node.equalities, "equalities")?,
            },
            Kind::Identity => Self::Identity { equalities: there(node.equalities, "equalities")? },
        })
    }
}

/// A proof of a claim.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename = "certificate")]
pub struct Certificate {
    /// 1.
    pub version: u16,
    /// SHA-256 of the claim's exact bytes.
    pub claim_hash: Hash,
    /// The tree in preorder: a split, then its two subtrees.
    pub nodes: Vec<Node>,
}

crate::message!(Certificate, "certificate", |certificate| {
    check_version(certificate.version)?;
    if !(1..=MAX_CERTIFICATE_NODES).contains(&certificate.nodes.len()) {
        return Err(Refused::new("nodes", format!("1 to {MAX_CERTIFICATE_NODES} nodes")));
    }
    // Subtrees that are still to come: a tree ends with its last node and not before.
    let mut open = 1_usize;
    for (index, node) in certificate.nodes.iter().enumerate() {
        let place = format!("nodes[{index}]");
        open = open.checked_sub(1).ok_or_else(|| Refused::new(&place, "the tree has ended before"))?;
        match node {
            Node::Split { on } => {
                on.check(&format!("{place}.on"), None)?;
                if on.is_zero() {
                    return Err(Refused::new(format!("{place}.on"), "a split on nought parts nothing"));
                }
                open += 2;
            }
            Node::Leaf { positive, squares, equalities } => {
                check_positive(&positive.coef, &format!("{place}.positive.coef"))?;
                check_factors(&positive.factors, &format!("{place}.positive.factors"))?;
                check_leaf_size(squares.len() + equalities.len(), &place)?;
                check_squares(squares, &place)?;
                check_equalities(equalities, &place)?;
            }
            Node::Identity { equalities } => {
                check_leaf_size(equalities.len(), &place)?;
                check_equalities(equalities, &place)?;
            }
        }
    }
    if open > 0 { Err(Refused::new("nodes", format!("{open} subtrees of splits are missing"))) } else { Ok(()) }
});

fn check_version(version: u16) -> Result<(), Refused> {
    if version == VERSION { Ok(()) } else { Err(Refused::new("version", format!("only version {VERSION} is known"))) }
}

fn check_positive(coef: &Ratio, field: &str) -> Result<(), Refused> {
    if coef.is_positive() { Ok(()) } else { Err(Refused::new(field, "must be positive")) }
}

fn check_factors(factors: &[u16], field: &str) -> Result<(), Refused> {
    if factors.len() > MAX_FACTORS {
        return Err(Refused::new(field, format!("at most {MAX_FACTORS} factors")));
    }
    if factors.is_sorted() { Ok(()) } else { Err(Refused::new(field, "must be sorted")) }
}

fn check_leaf_size(summands: usize, field: &str) -> Result<(), Refused> {
    if summands > MAX_LEAF_TERMS {
        return Err(Refused::new(field, format!("at most {MAX_LEAF_TERMS} squares and equalities")));
    }
    Ok(())
}

fn check_squares(squares: &[SquareTerm], place: &str) -> Result<(), Refused> {
    for (index, term) in squares.iter().enumerate() {
        let place = format!("{place}.squares[{index}]");
        check_positive(&term.coef, &format!("{place}.coef"))?;
        check_factors(&term.factors, &format!("{place}.factors"))?;
        if let Some(square) = &term.square {
            square.check(&format!("{place}.square"), None)?;
            if square.is_zero() || square.is_one() {
                return Err(Refused::new(
                    format!("{place}.square"),
                    "a square of 1 is left out, and none is of nought",
                ));
            }
        }
    }
    let unsorted = squares.windows(2).position(|pair| matches!(pair, [a, b] if a.place(b) != Ordering::Less));
    unsorted.map_or(Ok(()), |before| {
        Err(Refused::new(
            format!("{place}.squares[{}]", before + 1),
            "must be sorted by factors, then by the square, and none stands twice",
        ))
    })
}

impl SquareTerm {
    /// The order of squares in a leaf, whatever their coefficients: by factors; then one that is left out before all
    /// others; then term by term by powers, numerator and denominator; then the shorter first.
    #[must_use]
    pub fn place(&self, other: &Self) -> Ordering {
        fn key(term: &PolyTerm) -> (Vec<(u8, u8)>, &BigInt, &BigInt) {
            let powers = term.powers.iter().map(|power| (power.variable, power.exponent)).collect();
            (powers, term.coef.numerator(), term.coef.denominator())
        }
        fn terms(term: &SquareTerm) -> &[PolyTerm] {
            term.square.as_ref().map(Poly::terms).unwrap_or_default()
        }
        let squares = || terms(self).iter().map(key).cmp(terms(other).iter().map(key));
        self.factors.cmp(&other.factors).then_with(squares)
    }
}

fn check_equalities(equalities: &[EqualityTerm], place: &str) -> Result<(), Refused> {
    let mut before = None;
    for (index, term) in equalities.iter().enumerate() {
        let place = format!("{place}.equalities[{index}]");
        term.poly.check(&format!("{place}.poly"), None)?;
        if term.poly.is_zero() {
            return Err(Refused::new(format!("{place}.poly"), "a summand of nought is left out"));
        }
        if before.is_some_and(|before| before >= term.index) {
            return Err(Refused::new(format!("{place}.index"), "must be sorted by index, each once"));
        }
        before = Some(term.index);
    }
    Ok(())
}

/// A point at which every hypothesis of a claim holds and its goal does not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename = "counterexample")]
pub struct Counterexample {
    /// 1.
    pub version: u16,
    /// SHA-256 of the claim's exact bytes.
    pub claim_hash: Hash,
    /// A coordinate for each variable of the claim.
    pub point: Vec<Ratio>,
}

crate::message!(Counterexample, "counterexample", |counterexample| {
    check_version(counterexample.version)?;
    if counterexample.point.len() > MAX_VARIABLES {
        return Err(Refused::new("point", format!("at most {MAX_VARIABLES} coordinates")));
    }
    Ok(())
});
