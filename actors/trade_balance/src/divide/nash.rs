//! Where Nash's product is largest, in floats.
//!
//! max Σ log(gain/best) over the room is a convex programme with an exponential cone for each party, which `clarabel`
//! solves by interior points. All that is taken from it is in which proportion the parties gain there.

use clarabel::algebra::CscMatrix;
use clarabel::solver::{
    DefaultSettings, DefaultSettingsBuilder, DefaultSolver, IPSolver, SolverStatus, SupportedConeT,
};
use schemas::ErrorReply;
use terms::Exact;

use crate::moves::{Kind, Moves};
use crate::patience::Patience;

/// The least part of its best that a party is taken to gain; at the optimum of n parties none gains less than 1/n.
const LEAST_PART: f64 = 1e-6;

/// Parts are taken to this fraction, far finer than whole units: what is computed from them in ratios stays short.
const FRACTIONS: f64 = (1_u64 << 30) as f64;

/// Rows of the programme, A·x + s = b with s in a cone.
#[derive(Default)]
struct Rows {
    /// (row, column, entry).
    entries: Vec<(usize, usize, f64)>,
    right: Vec<f64>,
}

impl Rows {
    fn push(&mut self, entries: impl IntoIterator<Item = (usize, f64)>, right: f64) {
        let row = self.right.len();
        self.entries.extend(entries.into_iter().map(|(column, entry)| (row, column, entry)));
        self.right.push(right);
    }
}

/// In which proportion parties gain where the product of their gains is largest: a number for each, 1 for who can gain
/// nothing.
pub(super) fn proportion(moves: &Moves, best: &[Exact], patience: &Patience) -> Result<Vec<Exact>, ErrorReply> {
    let gaining: Vec<usize> =
        best.iter().enumerate().filter(|(_, best)| **best > Exact::zero()).map(|(index, _)| index).collect();
    let mut parts = vec![Exact::from(1); best.len()];
    if gaining.is_empty() {
        return Ok(parts);
    }
    let columns = moves.moves.len();
    // Each move is its least and a part of its span; after them stands each party's logarithm.
    let spans: Vec<f64> = moves
        .moves
        .iter()
        .map(|moved| Exact::wide(i128::from(moved.most) - i128::from(moved.least)).to_f64())
        .collect();
    let span = |column: usize| spans.get(column).copied().unwrap_or(0.0);
    let mut rows = Rows::default();
    let mut cones = Vec::new();

    if moves.has_payments() {
        let largest = spans.iter().copied().fold(1.0, f64::max);
        let signed = |(column, moved): (usize, &crate::moves::Move)| match moved.kind {
            Kind::Quantity(_) => None,
            Kind::Paid(_) => Some((column, span(column) / largest)),
            Kind::Received(_) => Some((column, -span(column) / largest)),
        };
        rows.push(moves.moves.iter().enumerate().filter_map(signed), 0.0);
        cones.push(SupportedConeT::ZeroConeT(1));
    }
    let before = rows.right.len();
    let at_least: Vec<Exact> = moves.moves.iter().map(|moved| Exact::from(moved.least)).collect();
    for party in &moves.parties {
        let base = party.slack.at(&at_least).to_f64();
        let units: Vec<(usize, f64)> =
            party.slack.by_move.iter().map(|(column, unit)| (*column, unit.to_f64() * span(*column))).collect();
        let size = units.iter().map(|(_, unit)| unit.abs()).fold(base.abs(), f64::max);
        if size > 0.0 {
            rows.push(units.into_iter().map(|(column, unit)| (column, -unit / size)), base / size);
        }
    }
    for column in 0..columns {
        rows.push([(column, -1.0)], 0.0);
        rows.push([(column, 1.0)], 1.0);
    }
    cones.push(SupportedConeT::NonnegativeConeT(rows.right.len() - before));
    let lines: Vec<(f64, Vec<(usize, f64)>)> = gaining
        .iter()
        .filter_map(|index| {
            let (party, best) = (moves.parties.get(*index)?, best.get(*index)?.to_f64());
            let units = party.gain.by_move.iter();
            let units = units.map(|(column, unit)| (*column, unit.to_f64() * span(*column) / best)).collect();
            Some((party.gain.at(&at_least).to_f64() / best, units))
        })
        .collect();
    for (at, (base, units)) in lines.iter().enumerate() {
        // (t, 1, gain/best) in the cone: t ≤ log(gain/best).
        rows.push([(columns + at, -1.0)], 0.0);
        rows.push([], 1.0);
        rows.push(units.iter().map(|(column, unit)| (*column, -unit)), *base);
        cones.push(SupportedConeT::ExponentialConeT());
    }

    patience.check()?;
    let width = columns + lines.len();
    let mut objective = vec![0.0; columns];
    objective.resize(width, -1.0);
    let (at_rows, (at_columns, values)): (Vec<_>, (Vec<_>, Vec<_>)) =
        rows.entries.into_iter().map(|(row, column, entry)| (row, (column, entry))).unzip();
    let matrix = CscMatrix::new_from_triplets(rows.right.len(), width, at_rows, at_columns, values);
    let settings: DefaultSettings<f64> =
        DefaultSettingsBuilder::default().verbose(false).max_iter(200).build().map_err(|_| patience.ended())?;
    let mut solver =
        DefaultSolver::new(&CscMatrix::zeros((width, width)), &objective, &matrix, &rows.right, &cones, settings)
            .map_err(|_| patience.ended())?;
    solver.solve();
    if !matches!(solver.solution.status, SolverStatus::Solved | SolverStatus::AlmostSolved) {
        return Err(patience.ended());
    }
    for (index, (base, units)) in gaining.into_iter().zip(lines) {
        let at = |column: usize| solver.solution.x.get(column).copied().unwrap_or(0.0).clamp(0.0, 1.0);
        let gain = units.iter().map(|(column, unit)| unit * at(*column)).sum::<f64>() + base;
        let part = Exact::from_f64((gain.clamp(LEAST_PART, 1.0) * FRACTIONS).round() / FRACTIONS)
            .ok_or_else(|| patience.ended())?;
        if let (Some(place), Some(best)) = (parts.get_mut(index), best.get(index)) {
            *place = part.product(best);
        }
    }
    Ok(parts)
}
