//! What the simplex method needs of a number.

use std::cmp::Ordering;

/// What is nearer to 0 than this counts as 0, in floats scaled to about 1.
const TOLERANCE: f64 = 1e-9;

/// A number that the simplex method computes with.
pub(super) trait Number: Clone {
    /// 0.
    fn nought() -> Self;
    /// 1.
    fn one() -> Self;
    /// The difference.
    fn less(&self, other: &Self) -> Self;
    /// The product.
    fn times(&self, other: &Self) -> Self;
    /// The quotient; `None` by 0.
    fn over(&self, other: &Self) -> Option<Self>;
    /// How it compares with 0: within the tolerance, if there is one, it is equal.
    fn sign(&self) -> Ordering;
    /// Whether it is 0 itself, so that work can be left out.
    fn is_nought(&self) -> bool;
    /// How good it is to divide by; 0 for what must not be.
    fn pivot_size(&self) -> f64;
}

impl Number for f64 {
    fn nought() -> Self {
        0.0
    }
    fn one() -> Self {
        1.0
    }
    fn less(&self, other: &Self) -> Self {
        self - other
    }
    fn times(&self, other: &Self) -> Self {
        self * other
    }
    fn over(&self, other: &Self) -> Option<Self> {
        (*other != 0.0).then(|| self / other)
    }
    fn sign(&self) -> Ordering {
        if self.abs() <= TOLERANCE { Ordering::Equal } else { self.total_cmp(&0.0) }
    }
    fn is_nought(&self) -> bool {
        *self == 0.0
    }
    fn pivot_size(&self) -> f64 {
        if self.abs() > TOLERANCE { self.abs() } else { 0.0 }
    }
}
