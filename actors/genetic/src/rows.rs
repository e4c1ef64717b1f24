//! Rows that are numbered from nought, and looked up by numbers that came from them.

use std::ops::{Index, IndexMut};

/// A vector whose look-ups are in range by construction: every number comes from the same rows, or from rows of the
/// same length.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Rows<T>(pub(crate) Vec<T>);

impl<T> Rows<T> {
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn iter(&self) -> std::slice::Iter<'_, T> {
        self.0.iter()
    }

    pub(crate) fn iter_mut(&mut self) -> std::slice::IterMut<'_, T> {
        self.0.iter_mut()
    }

    pub(crate) fn push(&mut self, row: T) {
        self.0.push(row);
    }
}
impl<T> FromIterator<T> for Rows<T> {
    fn from_iter<I: IntoIterator<Item = T>>(rows: I) -> Self {
        Self(rows.into_iter().collect())
    }
}

// These two are the crate's only unchecked look-ups.
#[allow(clippy::indexing_slicing)]
impl<T> Index<usize> for Rows<T> {
    type Output = T;
    fn index(&self, row: usize) -> &T {
        &self.0[row]
    }
}
#[allow(clippy::indexing_slicing)]
impl<T> IndexMut<usize> for Rows<T> {
    fn index_mut(&mut self, row: usize) -> &mut T {
        &mut self.0[row]
    }
}

/// Where the least number stands, the first of equals; what is not a number counts for nothing. The least of every
/// eighth is found at once, and of those the least.
pub(crate) fn least(of: &[f64]) -> Option<usize> {
    let lesser = |a: f64, b: f64| if b < a { b } else { a };
    let mut eight = [f64::INFINITY; 8];
    for some in of.chunks(eight.len()) {
        eight.iter_mut().zip(some).for_each(|(least, one)| *least = lesser(*least, *one));
    }
    let least = eight.into_iter().fold(f64::INFINITY, lesser);
    of.iter().position(|one| *one <= least)
}
