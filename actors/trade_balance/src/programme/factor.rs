//! A square matrix, factored: L·U with its rows in another order.

use super::number::Number;
use crate::patience::Patience;

/// The factors of a matrix.
pub(super) struct Factors<N> {
    /// Row by row: left of the diagonal L without its ones, from the diagonal on U.
    rows: Vec<Vec<N>>,
    /// Which row of the matrix stands where.
    order: Vec<usize>,
    /// Which column of the matrix stands where.
    columns: Vec<usize>,
}

impl<N: Number> Factors<N> {
    /// Factors a matrix given by its columns' entries; `None` when it is singular, or patience ends before.
    ///
    /// The next pivot stands in the column with the fewest entries left: the matrices of this crate are nearly those
    /// of networks, and so they stay nearly as sparse as they were. Of its rows, the best to divide by.
    pub(super) fn of(size: usize, entries: &[&[(usize, N)]], patience: &Patience) -> Option<Self> {
        let mut rows = vec![vec![N::nought(); size]; size];
        for (column, entries) in entries.iter().enumerate() {
            for (row, entry) in *entries {
                *rows.get_mut(*row)?.get_mut(column)? = entry.clone();
            }
        }
        let mut order: Vec<usize> = (0..size).collect();
        let mut columns: Vec<usize> = (0..size).collect();
        for step in 0..size {
            let count = |rows: &[Vec<N>], column: usize| {
                rows.iter().skip(step).filter(|row| row.get(column).is_some_and(|e| e.pivot_size() > 0.0)).count()
            };
            let mut best: Option<(usize, usize)> = None;
            for column in step..size {
                let entries = count(&rows, column);
                if entries > 0 && best.is_none_or(|(fewest, _)| entries < fewest) {
                    best = Some((entries, column));
                    if entries == 1 {
                        break;
                    }
                }
            }
            let (_, column) = best?;
            for row in &mut rows {
                row.swap(step, column);
            }
            columns.swap(step, column);
            // Rows with few entries fill the others least; the size decides in floats.
            let mut pivot: Option<(f64, usize, usize)> = None;
            for (index, row) in rows.iter().enumerate().skip(step) {
                let size = row.get(step).map_or(0.0, Number::pivot_size);
                if size <= 0.0 {
                    continue;
                }
                let filled = row.iter().skip(step).filter(|entry| !entry.is_nought()).count();
                let better = pivot.is_none_or(|(most, fewest, _)| size > most || (size >= most && filled < fewest));
                if better {
                    pivot = Some((size, filled, index));
                }
            }
            let (_, _, row) = pivot?;
            rows.swap(step, row);
            order.swap(step, row);
            let (done, rest) = rows.split_at_mut(step + 1);
            let pivot_row = done.last()?;
            let pivot = pivot_row.get(step)?;
            for row in rest {
                if patience.is_over() {
                    return None;
                }
                let Some(entry) = row.get(step).filter(|entry| !entry.is_nought()) else { continue };
                let by = entry.over(pivot)?;
                for (value, above) in row.iter_mut().zip(pivot_row).skip(step + 1) {
                    if !above.is_nought() {
                        *value = value.less(&by.times(above));
                    }
                }
                *row.get_mut(step)? = by;
            }
        }
        Some(Self { rows, order, columns })
    }

    /// Solves matrix · x = right.
    pub(super) fn solve(&self, right: &[N]) -> Option<Vec<N>> {
        let size = self.rows.len();
        let mut x: Vec<N> = self.order.iter().map(|row| right.get(*row).cloned()).collect::<Option<_>>()?;
        for (index, row) in self.rows.iter().enumerate() {
            let (known, rest) = x.split_at_mut(index);
            let value = rest.first_mut()?;
            for (entry, known) in row.iter().zip(known.iter()) {
                if !entry.is_nought() && !known.is_nought() {
                    *value = value.less(&entry.times(known));
                }
            }
        }
        for (index, row) in self.rows.iter().enumerate().rev() {
            let (rest, known) = x.split_at_mut(index + 1);
            let value = rest.last_mut()?;
            for (entry, known) in row.iter().skip(index + 1).zip(known.iter()) {
                if !entry.is_nought() && !known.is_nought() {
                    *value = value.less(&entry.times(known));
                }
            }
            *value = value.over(row.get(index)?)?;
        }
        let mut placed = vec![N::nought(); size];
        for (value, column) in x.into_iter().zip(&self.columns) {
            *placed.get_mut(*column)? = value;
        }
        Some(placed)
    }

    /// Solves y · matrix = right.
    pub(super) fn solve_left(&self, right: &[N]) -> Option<Vec<N>> {
        let size = self.rows.len();
        let mut y: Vec<N> = self.columns.iter().map(|column| right.get(*column).cloned()).collect::<Option<_>>()?;
        // Forward through U, whose column is the row of its transpose.
        for index in 0..size {
            let row = self.rows.get(index)?;
            let value = y.get(index)?.over(row.get(index)?)?;
            if !value.is_nought() {
                for (entry, later) in row.iter().zip(y.iter_mut()).skip(index + 1) {
                    if !entry.is_nought() {
                        *later = later.less(&entry.times(&value));
                    }
                }
            }
            *y.get_mut(index)? = value;
        }
        for index in (0..size).rev() {
            let row = self.rows.get(index)?;
            let value = y.get(index)?.clone();
            if !value.is_nought() {
                for (entry, earlier) in row.iter().zip(y.iter_mut()).take(index) {
                    if !entry.is_nought() {
                        *earlier = earlier.less(&entry.times(&value));
                    }
                }
            }
        }
        let mut placed = vec![N::nought(); size];
        for (value, row) in y.into_iter().zip(&self.order) {
            *placed.get_mut(*row)? = value;
        }
        Some(placed)
    }
}
