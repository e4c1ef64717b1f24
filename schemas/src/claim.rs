//! Claims: statements about real numbers that can be proved or refuted, as term lists.
//!
//! A claim says: wherever every hypothesis holds, the goal holds. Each of them compares a polynomial with nought, and
//! the polynomials have exact rational coefficients. A claim is named by the SHA-256 of its exact bytes, and evidence
//! for it names that hash, so a polynomial has one form: its terms sorted, none of them nought, none twice. What
//! people write and read (`forall x in [0,1]: x^2 <= x`) is another form of the same and stands in [`infix`](crate::infix).

use std::cmp::Ordering;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Error, IgnoredAny, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::body::Refused;
use crate::id::Variable;
use crate::limit::{MAX_DEGREE, MAX_HYPOTHESES, MAX_POLY_TERMS, MAX_VARIABLES};
use crate::ratio::Ratio;

/// How a polynomial compares with nought.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum Relation {
    /// At least nought.
    #[serde(rename = ">=")]
    AtLeast,
    /// More than nought.
    #[serde(rename = ">")]
    Above,
    /// Nought.
    #[serde(rename = "=")]
    Equal,
}

impl Relation {
    /// The sign that stands on the wire.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::AtLeast => ">=",
            Self::Above => ">",
            Self::Equal => "=",
        }
    }
}

impl fmt::Display for Relation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A power of one variable: `[variable, exponent]` on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Power {
    /// The variable, by index.
    pub variable: u8,
    /// The exponent, at least 1.
    pub exponent: u8,
}

impl Serialize for Power {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        (self.variable, self.exponent).serialize(to)
    }
}
impl<'de> Deserialize<'de> for Power {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        /// Two numbers and no third: serde's own visitors stop reading where they have enough.
        struct Pair;
        impl<'de> Visitor<'de> for Pair {
            type Value = Power;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a variable's index and its exponent")
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Power, A::Error> {
                let variable = seq.next_element()?.ok_or_else(|| A::Error::invalid_length(0, &self))?;
                let exponent = seq.next_element()?.ok_or_else(|| A::Error::invalid_length(1, &self))?;
                match seq.next_element::<IgnoredAny>()? {
                    None => Ok(Power { variable, exponent }),
                    Some(_) => Err(A::Error::invalid_length(3, &self)),
                }
            }
        }
        from.deserialize_seq(Pair)
    }
}
impl JsonSchema for Power {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Power".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "array", "minItems": 2, "maxItems": 2,
            "items": { "type": "integer", "format": "uint8", "minimum": 0, "maximum": 255 } })
    }
}

/// The degree of a product of powers: the sum of the exponents.
#[must_use]
pub fn degree(powers: &[Power]) -> u32 {
    powers.iter().map(|power| u32::from(power.exponent)).sum()
}

/// The graded lexicographic order of products of powers: the larger degree is larger, and of equal degrees the one with
/// the larger exponent of the first variable in which they differ.
#[must_use]
pub fn grade(a: &[Power], b: &[Power]) -> Ordering {
    degree(a).cmp(&degree(b)).then_with(|| {
        let differing = a.iter().zip(b).find(|(a, b)| a != b);
        differing.map_or(Ordering::Equal, |(a, b)| {
            // The smaller index is the variable that the other lacks.
            b.variable.cmp(&a.variable).then(a.exponent.cmp(&b.exponent))
        })
    })
}

/// One term of a polynomial: a coefficient times a product of powers.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub struct PolyTerm {
    /// The coefficient, never nought.
    pub coef: Ratio,
    /// The powers as `[variable, exponent]`, sorted by variable, each once, exponents from 1; left out for a constant.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub powers: Vec<Power>,
}

impl PolyTerm {
    /// The sum of the exponents.
    #[must_use]
    pub fn degree(&self) -> u32 {
        degree(&self.powers)
    }

    fn check(&self, field: &str, variables: Option<usize>) -> Result<(), Refused> {
        if self.coef.is_zero() {
            return Err(Refused::new(format!("{field}.coef"), "a term of nought is left out"));
        }
        if !self.powers.is_sorted_by(|a, b| a.variable < b.variable) {
            return Err(Refused::new(format!("{field}.powers"), "must be sorted by variable, each once"));
        }
        for (index, power) in self.powers.iter().enumerate() {
            let place = || format!("{field}.powers[{index}]");
            if power.exponent == 0 {
                return Err(Refused::new(place(), "an exponent of 0 is left out"));
            }
            let known = variables.unwrap_or(MAX_VARIABLES);
            if usize::from(power.variable) >= known {
                return Err(Refused::new(place(), format!("no variable has the index {}", power.variable)));
            }
        }
        if self.degree() > MAX_DEGREE {
            return Err(Refused::new(format!("{field}.powers"), format!("of a degree above {MAX_DEGREE}")));
        }
        Ok(())
    }
}

/// A polynomial: its terms in graded lexicographic order, the largest first, none nought, no product of powers twice.
/// Nought has no terms.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
#[schemars(inline)]
pub struct Poly(pub Vec<PolyTerm>);

impl Poly {
    /// The terms.
    #[must_use]
    pub fn terms(&self) -> &[PolyTerm] {
        &self.0
    }

    /// Whether it is nought.
    #[must_use]
    pub fn is_zero(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether it is the constant 1.
    #[must_use]
    pub fn is_one(&self) -> bool {
        matches!(self.terms(), [only] if only.powers.is_empty() && only.coef == Ratio::whole(1))
    }

    /// Refuses another form than the canonical one, too many terms, and too high a degree; with `variables`, also a
    /// variable that is not among so many.
    ///
    /// # Errors
    /// Naming the place under `field`.
    pub fn check(&self, field: &str, variables: Option<usize>) -> Result<(), Refused> {
        if self.0.len() > MAX_POLY_TERMS {
            return Err(Refused::new(field, format!("at most {MAX_POLY_TERMS} terms")));
        }
        let mut before: Option<&PolyTerm> = None;
        for (index, term) in self.0.iter().enumerate() {
            term.check(&format!("{field}[{index}]"), variables)?;
            if before.is_some_and(|before| grade(&before.powers, &term.powers) != Ordering::Greater) {
                return Err(Refused::new(
                    format!("{field}[{index}]"),
                    "terms stand in graded lexicographic order, the largest first, each once",
                ));
            }
            before = Some(term);
        }
        Ok(())
    }
}

/// A polynomial compared with nought.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub struct Constraint {
    /// How.
    pub relation: Relation,
    /// The polynomial.
    pub poly: Poly,
}

/// A statement: wherever every hypothesis holds, the goal holds. Named by the SHA-256 of its exact bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename = "claim")]
pub struct Claim {
    /// The names of the variables, each once; all else refers to them by index.
    pub variables: Vec<Variable>,
    /// What is given.
    pub hypotheses: Vec<Constraint>,
    /// What follows from it.
    pub goal: Constraint,
    /// A point at which every hypothesis holds, a coordinate for each variable: it shows that the claim says
    /// something. The claims of deals have one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub witness: Option<Vec<Ratio>>,
}

crate::message!(Claim, "claim", |claim| {
    if claim.variables.len() > MAX_VARIABLES {
        return Err(Refused::new("variables", format!("at most {MAX_VARIABLES} variables")));
    }
    for (index, name) in claim.variables.iter().enumerate() {
        if claim.variables.iter().take(index).any(|other| other == name) {
            return Err(Refused::new(format!("variables[{index}]"), format!("{name} stands twice")));
        }
    }
    if claim.hypotheses.len() > MAX_HYPOTHESES {
        return Err(Refused::new("hypotheses", format!("at most {MAX_HYPOTHESES} hypotheses")));
    }
    let known = Some(claim.variables.len());
    for (index, hypothesis) in claim.hypotheses.iter().enumerate() {
        hypothesis.poly.check(&format!("hypotheses[{index}].poly"), known)?;
    }
    claim.goal.poly.check("goal.poly", known)?;
    match &claim.witness {
        Some(point) if point.len() != claim.variables.len() => {
            Err(Refused::new("witness", "one coordinate for each variable"))
        }
        _ => Ok(()),
    }
});

#[cfg(test)]
mod tests {
    use super::*;

    fn term(powers: &[(u8, u8)]) -> PolyTerm {
        let powers = powers.iter().map(|(variable, exponent)| Power { variable: *variable, exponent: *exponent });
        PolyTerm { coef: Ratio::whole(1), powers: powers.collect() }
    }

    #[test]
    fn terms_have_the_graded_lexicographic_order() {
        // x³ > x²y > xyz > y³ > x² > xy > xz > y² > yz > z² > x > z > 1
        let sorted = [
            &[(0, 3)][..],
            &[(0, 2), (1, 1)],
            &[(0, 1), (1, 1), (2, 1)],
            &[(1, 3)],
            &[(0, 2)],
            &[(0, 1), (1, 1)],
            &[(0, 1), (2, 1)],
            &[(1, 2)],
            &[(1, 1), (2, 1)],
            &[(2, 2)],
            &[(0, 1)],
            &[(2, 1)],
            &[],
        ]
        .map(term);
        for (a, larger) in sorted.iter().enumerate() {
            for (b, other) in sorted.iter().enumerate() {
                assert_eq!(grade(&larger.powers, &other.powers), b.cmp(&a), "{larger:?} {other:?}");
            }
        }
    }

    #[test]
    fn a_power_is_two_numbers_and_no_third() {
        let read = |text: &str| serde_json::from_str::<Power>(text);
        assert_eq!(read("[3,4]").unwrap(), Power { variable: 3, exponent: 4 });
        for bad in ["[]", "[1]", "[1,2,3]", "[1,256]", "[-1,2]", "3", "{}"] {
            assert!(read(bad).is_err(), "{bad}");
        }
    }
}
