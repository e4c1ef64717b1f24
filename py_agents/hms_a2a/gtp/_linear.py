"""Claims that are linear throughout: decided, not searched.

Most claims of deals are a linear goal over a box, and for those the best point is a corner that the signs of the
goal's coefficients name. That costs integers and microseconds, and gives certificate or counterexample at once. Any
other linear claim is Farkas' lemma: one linear programme finds either the combination that refutes the negated goal
or a point that violates it, and the simplex method's vertex, solved exactly, is either.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from flint import fmpq

from hms_a2a.gtp._certificate import Identity, Leaf, Square, one_square
from hms_a2a.gtp._poly import Poly

if TYPE_CHECKING:
    from hms_a2a.gtp._claim import Claim
    from hms_a2a.gtp._poly import Monomial, Q


_FEW = 8


def is_linear(claim: Claim) -> bool:
    """Whether no term has a degree above 1."""
    return claim.goal.poly.degree <= 1 and all(h.poly.degree <= 1 for h in claim.hypotheses)


def by_box(claim: Claim) -> Leaf | tuple[Q, ...] | None:
    """A proof or a counterexample of a linear goal from the bounds of single variables; None where it takes more.

    Other hypotheses are left unused, so a corner only counts as a counterexample when it satisfies them too.
    """
    goal = claim.goal
    if goal.sign == "=" or goal.poly.degree > 1:
        return None
    n = claim.n
    slopes: dict[int, Q] = {}
    constant: Q = fmpq(0)
    for monomial, coef in goal.poly.terms.items():
        at_variable = _only(monomial)
        if at_variable is None:
            constant = coef
        else:
            slopes[at_variable] = coef
    # For each variable that the goal needs: the best bound and the hypothesis that it comes from.
    lower: dict[int, tuple[Q, int, Q, bool]] = {}
    upper: dict[int, tuple[Q, int, Q, bool]] = {}
    other = False
    for at, hypothesis in enumerate(claim.hypotheses):
        terms = hypothesis.poly.terms
        index: int | None = None
        slope: Q = fmpq(0)
        base: Q = fmpq(0)
        if len(terms) > 2:
            other = True
            continue
        plain = True
        for monomial, coef in terms.items():
            if not any(monomial):
                base = coef
            elif index is None and sum(monomial) == 1:
                index, slope = monomial.index(1), coef
            else:
                plain = False
        if not plain or index is None or hypothesis.sign == "=":
            other = True
            continue
        bound = -base / slope
        strict = hypothesis.sign == ">"
        if slope > 0:
            known = lower.get(index)
            if known is None or bound > known[0]:
                lower[index] = (bound, at, slope, strict)
        else:
            known = upper.get(index)
            if known is None or bound < known[0]:
                upper[index] = (bound, at, slope, strict)
    least = constant
    squares: list[Square] = []
    uses_strict = False
    for index, slope in slopes.items():
        bound = (lower if slope > 0 else upper).get(index)
        if bound is None:
            return None
        value, at, by, strict = bound
        least = least + slope * value
        uses_strict = uses_strict or strict
        squares.append(one_square(slope / by, (at,), n))
    proved = least > 0 or (least == 0 and goal.sign == ">=")
    if proved:
        return _box_leaf(claim, least, squares)
    if least == 0 and goal.sign == ">":
        # Only a strict bound among those used helps.
        for k, square in enumerate(squares):
            if claim.hypotheses[square.factors[0]].sign == ">":
                rest = squares[:k] + squares[k + 1 :] + [one_square(fmpq(1), (len(claim.hypotheses),), n)]
                return Leaf(square.coef, square.factors, tuple(rest))
    point: list[Q] = []
    for index in range(n):
        low, high = lower.get(index), upper.get(index)
        down = slopes.get(index, fmpq(0)) > 0
        at_end = low if down or high is None else high
        point.append(fmpq(0) if at_end is None else at_end[0])
    if uses_strict or other:
        return tuple(point) if claim.refuted_at(point) else None
    return tuple(point) if claim.refuted_at(point) else None


def few_points(claim: Claim) -> tuple[Q, ...] | None:
    """A counterexample among the witness, the points whose coordinates are all equal, and the units."""
    n = claim.n
    points: list[tuple[Q, ...]] = [] if claim.witness is None else [claim.witness]
    points += [(fmpq(p, q),) * n for p, q in ((0, 1), (1, 1), (-1, 1), (1, 2), (2, 1))]
    if n <= _FEW:
        points += [tuple(fmpq(int(k == at)) for k in range(n)) for at in range(n)]
    return next((point for point in points if claim.refuted_at(point)), None)


def _box_leaf(claim: Claim, least: Q, squares: list[Square]) -> Leaf:
    """−goal + Σ slope·(bound) + least ≡ 0, whose positive term is the negated goal or what is left over."""
    goal_at = len(claim.hypotheses)
    if claim.goal.sign == ">=":
        rest = [one_square(least, (), claim.n)] if least > 0 else []
        return Leaf(fmpq(1), (goal_at,), (*squares, *rest))
    return Leaf(least, (), (*squares, one_square(fmpq(1), (goal_at,), claim.n)))


def _only(monomial: Monomial) -> int | None:
    """The variable of a linear term; None for the constant."""
    for index, exponent in enumerate(monomial):
        if exponent:
            return index
    return None


def identity(claim: Claim, degree: int) -> Identity | None:
    """An equality goal as a combination of equalities, with products up to a degree; exact linear algebra."""
    from flint import fmpq_mat

    from hms_a2a.gtp._poly import monomials

    goal = claim.goal.poly
    if not goal:
        return Identity()
    columns: list[tuple[int, Monomial, Poly]] = []
    for index, h in enumerate(claim.hypotheses):
        if h.sign == "=" and h.poly and h.poly.degree <= degree:
            for m in monomials(claim.n, degree - h.poly.degree):
                columns.append((index, m, h.poly * Poly.monomial(m)))
    rows: dict[Monomial, int] = {}
    for _, _, poly in columns:
        for m in poly.terms:
            rows.setdefault(m, len(rows))
    if not columns or any(m not in rows for m in goal.terms) or len(columns) > 1_200:
        return None
    width = len(columns) + 1
    matrix = fmpq_mat(len(rows), width)
    for k, (_, _, poly) in enumerate(columns):
        for m, c in poly.terms.items():
            matrix[rows[m], k] = c
    for m, c in goal.terms.items():
        matrix[rows[m], width - 1] = c
    reduced, rank = matrix.rref()
    multipliers: dict[int, dict[Monomial, Q]] = {}
    for row in range(rank):
        at = next(k for k in range(width) if reduced[row, k] != 0)
        if at == width - 1:
            return None
        value = reduced[row, width - 1]
        if value != 0:
            index, m, _ = columns[at]
            multipliers.setdefault(index, {})[m] = value
    return Identity(tuple((index, Poly(claim.n, terms)) for index, terms in sorted(multipliers.items())))
