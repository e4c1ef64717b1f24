"""Farkas' lemma for linear claims over any polyhedron: a certificate or a point, whichever there is."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from flint import fmpq, fmpq_mat

from hms_a2a.gtp._leaf import Block, Known, Programme
from hms_a2a.gtp._poly import as_float
from hms_a2a.gtp._solve import attempt, ones

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hms_a2a.gtp._budget import Budget
    from hms_a2a.gtp._certificate import Leaf
    from hms_a2a.gtp._claim import Claim
    from hms_a2a.gtp._poly import Poly, Q


def combination(known: Known, budget: Budget) -> Leaf | None:
    """The combination of the hypotheses and the negated goal that is impossible. Raises `Spent`."""
    n = known.n
    goal = known.goal_index
    has_goal = known.claim.negated_goal is not None
    usable = known.inequalities + ([goal] if has_goal else [])
    strict = [(i,) for i in usable if known.sign(i) == ">"]
    blocks = [Block((i,), ones(n)) for i in usable if known.sign(i) == ">="]
    multipliers = tuple((i, ((0,) * n,)) for i in known.equalities)
    programme = Programme((*strict, ()), tuple(blocks), multipliers)
    return attempt(known, programme, budget, reductions=0).leaf


def violation(claim: Claim) -> tuple[Q, ...] | None:
    """A point that satisfies the hypotheses and violates the goal, by the largest slack in what must be strict."""
    import highspy

    n = claim.n
    goal = claim.goal.poly
    signs = [1, -1] if claim.goal.sign == "=" else [-1]
    for sign in signs:
        bad = goal.scale(fmpq(sign))
        rows = [(h.poly, h.sign) for h in claim.hypotheses]
        rows.append((bad, ">=" if claim.goal.sign == ">" else ">"))
        solver = highspy.Highs()  # type: ignore[no-untyped-call]
        solver.setOptionValue("output_flag", False)
        solver.setOptionValue("threads", 1)
        lp = highspy.HighsLp()
        lp.num_col_, lp.num_row_ = n + 1, len(rows)
        lp.col_cost_ = np.array([0.0] * n + [-1.0])
        lp.col_lower_ = np.array([-highspy.kHighsInf] * n + [0.0])
        lp.col_upper_ = np.array([highspy.kHighsInf] * n + [1.0])
        lower, upper, start, index, value = [], [], [0], [], []
        for poly, how in rows:
            for monomial, coef in poly.terms.items():
                if any(monomial):
                    index.append(monomial.index(1))
                    value.append(as_float(coef))
            if how == ">":
                index.append(n)
                value.append(-1.0)
            lower.append(-as_float(poly.at_zero))
            upper.append(-as_float(poly.at_zero) if how == "=" else highspy.kHighsInf)
            start.append(len(index))
        lp.row_lower_, lp.row_upper_ = np.array(lower), np.array(upper)
        lp.a_matrix_.format_ = highspy.MatrixFormat.kRowwise
        lp.a_matrix_.start_ = np.array(start)
        lp.a_matrix_.index_ = np.array(index, dtype=np.int32)
        lp.a_matrix_.value_ = np.array(value, dtype=float)
        if solver.passModel(lp) == highspy.HighsStatus.kError:
            return None
        solver.run()
        if solver.getModelStatus() != highspy.HighsModelStatus.kOptimal:
            continue
        found = list(solver.getSolution().col_value)
        point = _exact_point(rows, found, n)
        if point is not None and claim.refuted_at(point):
            return point
    return None


def _exact_point(rows: Sequence[tuple[Poly, str]], found: list[float], n: int) -> tuple[Q, ...] | None:
    """The vertex exactly: the tight rows solved, the free variables rounded."""
    values = [fmpq(round(x * 2**20), 2**20) for x in found]
    tight: list[list[Q]] = []
    for poly, how in rows:
        slack = as_float(poly.at_zero) + sum(as_float(c) * found[m.index(1)] for m, c in poly.terms.items() if any(m))
        size = max((abs(as_float(c)) for c in poly.terms.values()), default=1.0)
        by = found[n] if how == ">" else 0.0
        if abs(slack - by) <= 1e-7 * max(1.0, size):
            line = [fmpq(0)] * (n + 2)
            for m, c in poly.terms.items():
                if any(m):
                    line[m.index(1)] = c
            line[n] = fmpq(-1) if how == ">" else fmpq(0)
            line[n + 1] = -poly.at_zero
            tight.append(line)
    if not tight:
        return tuple(values[:n])
    reduced, rank = fmpq_mat(len(tight), n + 2, [c for line in tight for c in line]).rref()
    for row in reversed(range(rank)):
        at = next((k for k in range(n + 2) if reduced[row, k] != 0), n + 1)
        if at == n + 1:
            return None
        values[at] = reduced[row, n + 1] - sum((reduced[row, k] * values[k] for k in range(at + 1, n + 1)), fmpq(0))
    return tuple(values[:n])
