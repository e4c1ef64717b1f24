//! What outcomes are worth to a party, in whole parts of a million.

use std::fmt;
use std::sync::Arc;

/// The whole, in parts of a million.
pub(crate) const WHOLE_PPM: i64 = schemas::limit::PPM;

/// A part of the space, and what being in it adds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rectangle {
    /// The first choice of each issue that is in it.
    pub from: Vec<u32>,
    /// The last choice of each issue that is in it.
    pub to: Vec<u32>,
    /// What an outcome in it is worth more, in parts of a million; less, where negative.
    pub adds_ppm: i64,
}

impl Rectangle {
    fn has(&self, outcome: &[u32]) -> bool {
        let ends = self.from.iter().zip(&self.to);
        outcome.len() == self.from.len() && ends.zip(outcome).all(|((from, to), choice)| from <= choice && choice <= to)
    }
}

/// What outcomes are worth.
#[derive(Clone)]
pub enum Utility {
    /// Linear additive: each issue adds its weight times what the choice is worth, both in parts of a million.
    Additive(Vec<(i64, Vec<i64>)>),
    /// The sum of what the hyper-rectangles add that an outcome is in (Ito, Hattori & Klein 2007).
    Rectangles(Vec<Rectangle>),
    /// Any function of the choices.
    Function(Arc<dyn Fn(&[u32]) -> i64 + Send + Sync>),
}

impl Utility {
    /// What an outcome is worth, in parts of a million. A choice that no worth is stated for adds nothing.
    #[must_use]
    pub fn of(&self, outcome: &[u32]) -> i64 {
        match self {
            Self::Additive(issues) => {
                let parts = issues
                    .iter()
                    .zip(outcome)
                    .map(|((weight, worths), choice)| (*weight, worths.get(*choice as usize).copied().unwrap_or(0)));
                // Nearly always it fits a word, which is divided several times as fast.
                let short = |sum: i64, (weight, worth): (i64, i64)| sum.checked_add(weight.checked_mul(worth)?);
                if let Some(sum) = parts.clone().try_fold(0, short) {
                    return sum / WHOLE_PPM;
                }
                let long = parts.map(|(weight, worth)| i128::from(weight) * i128::from(worth));
                let sum = long.fold(0, i128::saturating_add);
                i64::try_from(sum / i128::from(WHOLE_PPM)).unwrap_or(if sum < 0 { i64::MIN } else { i64::MAX })
            }
            Self::Rectangles(rectangles) => {
                let inside = rectangles.iter().filter(|rectangle| rectangle.has(outcome));
                inside.map(|rectangle| rectangle.adds_ppm).fold(0, i64::saturating_add)
            }
            Self::Function(function) => function(outcome),
        }
    }
}

impl fmt::Debug for Utility {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Additive(issues) => f.debug_tuple("Additive").field(issues).finish(),
            Self::Rectangles(rectangles) => f.debug_tuple("Rectangles").field(rectangles).finish(),
            Self::Function(_) => f.write_str("Function"),
        }
    }
}

/// What a party wants.
#[derive(Debug, Clone)]
pub struct Preferences {
    /// What outcomes are worth to it.
    pub utility: Utility,
    /// What no agreement is worth to it, in parts of a million: it agrees to nothing below.
    pub reserved_ppm: i64,
}
