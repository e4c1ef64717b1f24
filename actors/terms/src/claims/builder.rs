//! Puts a linear claim together: names that are variables, hypotheses, a goal, and a witness.

use num_bigint::BigInt;
use num_rational::BigRational;
use num_traits::One;
use schemas::Ratio;
use schemas::claim::{Claim, Constraint, Relation};
use schemas::id::Variable;
use schemas::limit::MAX_VARIABLES;
use schemas::polynomial::{Oversize, Polynomial};

use super::ClaimError;

/// A linear claim in the making.
#[derive(Default)]
pub(super) struct Builder {
    variables: Vec<Variable>,
    hypotheses: Vec<Constraint>,
    witness: Vec<BigRational>,
}

impl Builder {
    /// A new variable and its value at the witness. `letter` and `name` make its name; a name that is taken, or is too
    /// long, gets a number.
    ///
    /// # Errors
    /// [`ClaimError::TooManyVariables`].
    pub(super) fn variable(
        &mut self,
        letter: char,
        name: &str,
        witness: BigRational,
    ) -> Result<Polynomial, ClaimError> {
        let index = self.variables.len();
        let plain: String = name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
        let first = format!("{letter}_{plain}");
        let others =
            (2..=MAX_VARIABLES + 1).map(|number| format!("{letter}{number}_{}", plain.get(..40).unwrap_or(&plain)));
        let free = std::iter::once(first)
            .chain(others)
            .filter_map(|name| Variable::parse(&name).ok())
            .find(|name| !self.variables.contains(name));
        match (u8::try_from(index), free) {
            (Ok(at), Some(name)) if index < MAX_VARIABLES => {
                self.variables.push(name);
                self.witness.push(witness);
                Ok(Polynomial::variable(at))
            }
            _ => Err(ClaimError::TooManyVariables(index + 1)),
        }
    }

    /// Adds the hypothesis that the polynomial compares so with nought.
    ///
    /// # Errors
    /// [`ClaimError::TooLarge`].
    pub(super) fn given(&mut self, relation: Relation, poly: Polynomial) -> Result<(), ClaimError> {
        self.hypotheses.push(constraint(relation, poly)?);
        Ok(())
    }

    /// The claim that the goal follows.
    ///
    /// # Errors
    /// [`ClaimError::TooLarge`].
    pub(super) fn claim(self, relation: Relation, goal: Polynomial) -> Result<Claim, ClaimError> {
        let goal = constraint(relation, goal)?;
        let coordinate =
            |value: BigRational| Ratio::new(value.numer().clone(), value.denom().clone()).ok_or(Oversize::Bits);
        let witness = self.witness.into_iter().map(coordinate).collect::<Result<Vec<_>, _>>()?;
        let witness = (!witness.is_empty()).then_some(witness);
        Ok(Claim { variables: self.variables, hypotheses: self.hypotheses, goal, witness })
    }
}

/// A constraint with whole coefficients that have no common divisor: the same, times something positive.
fn constraint(relation: Relation, poly: Polynomial) -> Result<Constraint, Oversize> {
    let poly = match poly.content() {
        Some(content) => poly.scaled(&content.recip()),
        None => poly,
    };
    Ok(Constraint { relation, poly: poly.to_poly()? })
}

/// A constant polynomial.
pub(super) fn constant(value: &BigRational) -> Polynomial {
    Polynomial::constant(value.clone())
}

/// A whole number.
pub(super) fn whole(value: impl Into<BigInt>) -> BigRational {
    BigRational::from_integer(value.into())
}

/// One.
pub(super) fn one() -> BigRational {
    BigRational::one()
}
