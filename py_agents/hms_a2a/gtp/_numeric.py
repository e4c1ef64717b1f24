"""Programmes in floats: HiGHS for the linear ones, Clarabel for the semidefinite ones.

Nothing here decides anything. What comes back is a guess at the unknowns and a margin: the largest t such that every
Gram matrix, scaled, is ⪰ t·I (at most 1, divided by the number of squares). A positive margin leaves room for rounding;
a margin of zero says that the squares must vanish somewhere, and the null spaces of the Gram matrices say where; a
negative one measures how far away the programme is, which is what evolution climbs.

A semidefinite programme is solved from its dual side, with one unknown y for each monomial instead of one for each
entry of a Gram matrix. With M_k(y) the matrix whose products with a Gram matrix are the block's share, S_j(y) the
candidates for the positive term and F_l(y) the free columns it reads::

    min λ − Σ tr M_k(y) + 1   over   M_k(y) ⪰ 0,   S_j(y) + λ ≥ 0,   F_l(y) = 0,   Σ tr M_k(y) ≤ 1

and the multipliers are the Gram matrices less t·I, the coefficients of the positive term, minus those of the free
columns, and 1 − t.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from flint import fmpq

from hms_a2a.gtp._poly import as_float

if TYPE_CHECKING:
    from hms_a2a.gtp._leaf import Expanded
    from hms_a2a.gtp._poly import Q

_SQRT2 = math.sqrt(2.0)
_LARGEST_COEFFICIENT = 1e6
_SMALL_PROGRAMME = 60
#: What a left-over constant costs in an elastic programme, beside a scaled coefficient's 1.
_LEFT_OVER_COST = 1e4
_NO_LEFT_OVER = 1e-9
_MOST_ITERATIONS = 100
_USABLE = frozenset({"Solved", "AlmostSolved", "InsufficientProgress", "MaxIterations"})


@dataclass
class Guess:
    """What a programme's unknowns may be."""

    margin: float
    strict: list[float]
    grams: list[Any]
    free: list[float]
    basic: list[int] | None = None
    """Of a vertex: the columns of its basis, in the order of the strict ones, the blocks and the free ones."""
    mean: dict[int, tuple[float, float]] | None = None
    """Of an elastic programme that left something over: mean and variance of each variable under its dual."""


class _Sparse:
    """A sparse matrix as Clarabel reads it: by its fields, compressed by columns. It saves the import of SciPy."""

    def __init__(self, data: list[float], rows: list[int], columns: list[int], shape: tuple[int, int]) -> None:
        row, column = np.array(rows, dtype=np.int64), np.array(columns, dtype=np.int64)
        order = np.lexsort((row, column))
        self.data = np.array(data, dtype=float)[order]
        self.indices = row[order]
        self.indptr = np.searchsorted(column[order], np.arange(shape[1] + 1)).astype(np.int64)
        self.shape = shape
        self.nnz = len(data)
        self.has_sorted_indices = self.has_canonical_format = True


def _near_one(columns: list[dict[int, Q]]) -> float:
    """The factor that brings the largest coefficient of these columns to 1."""
    largest = max((abs(as_float(c)) for column in columns for c in column.values()), default=1.0)
    return 1.0 / largest if largest > 0 else 1.0


def solve_linear(expanded: Expanded, seconds: float | None, *, elastic: bool = False) -> Guess | None:
    """A vertex of a linear programme; None where it has none.

    It minimises the sum of the scaled coefficients, so that few and small ones are chosen. An elastic one may leave a
    negative constant over: how much, beside the goal's coefficients, is its margin, and its dual solution, read as
    moments, has a mean, which is where it is weakest.
    """
    import highspy

    rows = expanded.last + 1
    columns = [*expanded.strict, *(entries[0][2] for entries in expanded.blocks)]
    nonnegative = len(columns)
    columns += [column for _, _, column in expanded.free]
    ones = next((row for m, row in expanded.rows.items() if not any(m)), None) if elastic else None
    if ones is not None:
        columns.append({ones: fmpq(-1)})
    scale = [_near_one([column]) for column in columns]
    strict = len(expanded.strict)
    solver = highspy.Highs()  # type: ignore[no-untyped-call]
    solver.setOptionValue("output_flag", False)
    solver.setOptionValue("threads", 1)
    solver.setOptionValue("primal_feasibility_tolerance", 1e-9)
    solver.setOptionValue("dual_feasibility_tolerance", 1e-9)
    solver.setOptionValue("presolve", "off" if len(columns) < _SMALL_PROGRAMME else "on")
    if seconds is not None:
        solver.setOptionValue("time_limit", max(0.01, seconds))
    lp = highspy.HighsLp()
    lp.num_col_, lp.num_row_ = len(columns), rows
    cost = [1.0 if strict <= k < nonnegative else 0.0 for k in range(len(columns))]
    lower = [0.0 if k < nonnegative else -_LARGEST_COEFFICIENT for k in range(len(columns))]
    if ones is not None:
        cost[-1], lower[-1] = _LEFT_OVER_COST, 0.0
    lp.col_cost_, lp.col_lower_ = np.array(cost), np.array(lower)
    lp.col_upper_ = np.full(len(columns), _LARGEST_COEFFICIENT)
    target = np.zeros(rows)
    target[expanded.last] = 1.0
    lp.row_lower_ = target
    lp.row_upper_ = target
    start, index, value = [0], [], []
    for k, (column, by) in enumerate(zip(columns, scale, strict=True)):
        for row, c in column.items():
            index.append(row)
            value.append(as_float(c) * by)
        if k < strict:
            index.append(expanded.last)
            value.append(1.0)
        start.append(len(index))
    lp.a_matrix_.format_ = highspy.MatrixFormat.kColwise
    lp.a_matrix_.start_ = np.array(start)
    lp.a_matrix_.index_ = np.array(index)
    lp.a_matrix_.value_ = np.array(value)
    if solver.passModel(lp) == highspy.HighsStatus.kError:
        return None
    solver.run()
    if solver.getModelStatus() != highspy.HighsModelStatus.kOptimal:
        return None
    solution = solver.getSolution()
    found = [x * by for x, by in zip(solution.col_value, scale, strict=True)]
    margin, mean = 0.0, None
    if ones is not None and found.pop() > _NO_LEFT_OVER:
        margin = -min(1.0, max(solution.col_value[-1], _NO_LEFT_OVER))
        mean = _mean(expanded, list(solution.row_dual), ones)
    grams = [np.array([[x]]) for x in found[strict:nonnegative]]
    statuses = solver.getBasis().col_status
    basic = [k for k, s in enumerate(statuses) if s == highspy.HighsBasisStatus.kBasic and k < len(found)]
    return Guess(margin, found[:strict], grams, found[nonnegative:], basic, mean)


def _mean(expanded: Expanded, dual: list[float], ones: int) -> dict[int, tuple[float, float]] | None:
    """Mean and variance of each variable under the dual solution, as far as it has them."""
    whole = dual[ones]
    if abs(whole) < _NO_LEFT_OVER:
        return None
    found = {}
    for m, row in expanded.rows.items():
        if sum(m) == 1:
            double = tuple(2 * e for e in m)
            first = dual[row] / whole
            second = dual[expanded.rows[double]] / whole if double in expanded.rows else first * first
            found[m.index(1)] = (first, max(0.0, second - first * first))
    return found


def solve_semidefinite(expanded: Expanded, seconds: float | None) -> Guess | None:
    """The guess with the largest margin; None where the solver gives up."""
    import clarabel

    rows = expanded.last + 1
    data: list[float] = []
    row_of: list[int] = []
    column_of: list[int] = []
    cones: list[Any] = []
    at = 0

    def put(column: dict[int, Q], factor: float) -> None:
        nonlocal at
        for row, c in column.items():
            data.append(as_float(c) * factor)
            row_of.append(at)
            column_of.append(row)
        at += 1

    free_scale = [_near_one([column]) for _, _, column in expanded.free]
    for (_, _, column), by in zip(expanded.free, free_scale, strict=True):
        put(column, by)
    if expanded.free:
        cones.append(clarabel.ZeroConeT(len(expanded.free)))
    strict_scale = [_near_one([column]) for column in expanded.strict]
    for column, by in zip(expanded.strict, strict_scale, strict=True):
        data.append(-1.0)
        row_of.append(at)
        column_of.append(expanded.last)
        put(column, -by)
    if expanded.strict:
        cones.append(clarabel.NonnegativeConeT(len(expanded.strict)))
    sizes = [len(block.basis) for block in expanded.programme.blocks]
    weight = 1.0 / max(1, sum(sizes))
    scales = [_near_one([column for _, _, column in entries]) for entries in expanded.blocks]
    trace = np.zeros(rows)
    for entries, scale, size in zip(expanded.blocks, scales, sizes, strict=True):
        # Clarabel reads the upper triangle column by column; a column off the diagonal stands for both entries.
        for i, j, column in sorted(entries, key=lambda entry: (entry[1], entry[0])):
            put(column, -scale if i == j else -scale / _SQRT2)
            if i == j:
                for row, c in column.items():
                    trace[row] += as_float(c) * scale * weight
        cones.append(clarabel.PSDTriangleConeT(size) if size > 1 else clarabel.NonnegativeConeT(1))
    for used in np.flatnonzero(trace):
        data.append(float(trace[used]))
        row_of.append(at)
        column_of.append(int(used))
    at += 1
    cones.append(clarabel.NonnegativeConeT(1))
    right = np.zeros(at)
    right[-1] = 1.0
    cost = -trace
    cost[expanded.last] += 1.0
    settings = clarabel.DefaultSettings()
    settings.verbose = False
    settings.max_iter = _MOST_ITERATIONS
    settings.max_threads = 1
    settings.tol_gap_abs = settings.tol_gap_rel = settings.tol_feas = 1e-9
    if seconds is not None:
        settings.time_limit = max(0.02, seconds)
    nothing = _Sparse([], [], [], (rows, rows))
    matrix = _Sparse(data, row_of, column_of, (at, rows))
    solver = clarabel.DefaultSolver(nothing, cost, matrix, right, cones, settings)
    solution = solver.solve()
    dual = np.array(solution.z)
    if str(solution.status) not in _USABLE or not np.all(np.isfinite(dual)):
        return None
    at = len(expanded.free)
    free = [float(-z * by) for z, by in zip(dual[:at], free_scale, strict=True)]
    strict = [float(z * by) for z, by in zip(dual[at : at + len(expanded.strict)], strict_scale, strict=True)]
    at += len(expanded.strict)
    margin = 1.0 - float(dual[-1])
    grams = []
    for size, scale in zip(sizes, scales, strict=True):
        gram = np.zeros((size, size))
        for j in range(size):
            for i in range(j + 1):
                gram[i, j] = gram[j, i] = dual[at] if i == j else dual[at] / _SQRT2
                at += 1
        grams.append((gram + margin * weight * np.eye(size)) * scale)
    return Guess(margin, strict, grams, free)
