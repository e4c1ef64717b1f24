"""A leaf without a solver: the goal's Bernstein coefficients over the leaf's box.

Over a box a polynomial is a combination of products of its bounds, the Bernstein basis, and there is one such way.
Where no coefficient is negative it is a proof; the least one bounds the goal from below and comes nearer to it with
every bisection. That costs a few hundred exact operations, bears high degrees, which floats don't, and needs a tree.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from math import comb, prod
from typing import TYPE_CHECKING

from flint import fmpq

from hms_a2a.gtp._certificate import Leaf, Square
from hms_a2a.gtp._poly import Poly, as_float

if TYPE_CHECKING:
    from hms_a2a.gtp._leaf import Known
    from hms_a2a.gtp._poly import Q

#: Coefficients that are worth their time.
_MOST_COEFFICIENTS = 600


@dataclass(frozen=True)
class Bound:
    """A bound of a variable: where it is, and by which hypothesis, which is `slope` times the distance from it."""

    at: Q
    index: int
    slope: Q


@dataclass(frozen=True)
class Box:
    """The tightest bounds that a leaf knows, of every variable that the goal uses."""

    variables: tuple[int, ...]
    low: tuple[Bound, ...]
    high: tuple[Bound, ...]


def box_at(known: Known, wanted: set[int]) -> Box | None:
    """The box of these variables at a leaf; None where one isn't bounded, or the bounds contradict each other."""
    low: dict[int, Bound] = {}
    high: dict[int, Bound] = {}
    for index in known.inequalities:
        found = bound_of(known.poly(index))
        if found is None or found[0] not in wanted:
            continue
        v, at, slope = found
        side = low if slope > 0 else high
        if v not in side or (at > side[v].at if slope > 0 else at < side[v].at):
            side[v] = Bound(at, index, abs(slope))
    variables = tuple(sorted(wanted))
    if any(v not in low or v not in high or low[v].at >= high[v].at for v in variables):
        return None
    return Box(variables, tuple(low[v] for v in variables), tuple(high[v] for v in variables))


def bound_of(poly: Poly) -> tuple[int, Q, Q] | None:
    """Variable, place and slope, where a polynomial is a bound."""
    if len(poly.terms) > 2 or poly.degree != 1:
        return None
    used = poly.used()
    if len(used) != 1:
        return None
    (v,) = used
    slope = next(c for m, c in poly.terms.items() if any(m))
    return v, -poly.at_zero / slope, slope


def can_expand(known: Known) -> bool:
    """Whether the goal has few enough coefficients."""
    goal = known.claim.goal.poly
    return 0 < prod(max(m[v] for m in goal.terms) + 1 for v in sorted(goal.used())) <= _MOST_COEFFICIENTS


def by_bernstein(known: Known, box: Box) -> tuple[Leaf | None, float, list[tuple[int, Q]]]:
    """The leaf, if the coefficients give one; the least coefficient beside the largest; and where to bisect."""
    goal = known.claim.goal
    degrees = [max(m[v] for m in goal.poly.terms) for v in box.variables]
    coefs = _coefficients(goal.poly, box, degrees)
    least_at, least = min(coefs.items(), key=lambda entry: (entry[1], entry[0]))
    largest = max(abs(c) for c in coefs.values())
    good = least >= 0 if goal.sign == ">=" else least > 0
    if good:
        return _leaf(known, box, degrees, coefs, least), 0.0, []
    margin = max(-1.0, as_float(least / largest)) if largest != 0 else -1.0
    return None, min(margin, -1e-12), _cuts(box, degrees, least_at)


def _coefficients(poly: Poly, box: Box, degrees: list[int]) -> dict[tuple[int, ...], Q]:
    """Σ_j ≤ i ∏ C(i, j)/C(d, j) · a_j, a being the coefficients over the unit box; one variable after the other."""
    for v, low, high in zip(box.variables, box.low, box.high, strict=True):
        unit = Poly.constant(poly.n, low.at) + Poly.variable(poly.n, v).scale(high.at - low.at)
        poly = poly.substitute(v, unit)
    now: dict[tuple[int, ...], Q] = {
        index: fmpq(0) for index in itertools.product(*(range(degree + 1) for degree in degrees))
    }
    for m, c in poly.terms.items():
        now[tuple(m[v] for v in box.variables)] = c
    for at, degree in enumerate(degrees):
        weights = [[fmpq(comb(i, j), comb(degree, j)) for j in range(i + 1)] for i in range(degree + 1)]
        for index in itertools.product(*(range(1 if k == at else d + 1) for k, d in enumerate(degrees))):
            line = [now[(*index[:at], j, *index[at + 1 :])] for j in range(degree + 1)]
            for i in range(degree + 1):
                total = sum((w * a for w, a in zip(weights[i], line, strict=False) if a != 0), fmpq(0))
                now[(*index[:at], i, *index[at + 1 :])] = total
    return now


def _leaf(known: Known, box: Box, degrees: list[int], coefs: dict[tuple[int, ...], Q], least: Q) -> Leaf:
    """goal = Σ c·∏ C(d, i)·(x − a)^i·(b − x)^(d − i)/(b − a)^d, with what is even written as squares."""
    n, goal = known.n, known.goal_index
    strict = known.claim.goal.sign == ">"
    squares: list[Square] = [Square(fmpq(1), (goal,), Poly.constant(n, 1))] if strict else []
    for index, coef in coefs.items():
        left = coef - least if strict else coef
        if left == 0:
            continue
        factors: list[int] = []
        base = Poly.constant(n, 1)
        for v, low, high, i, degree in zip(box.variables, box.low, box.high, index, degrees, strict=True):
            left = left * comb(degree, i) / (high.at - low.at) ** degree
            x = Poly.variable(n, v)
            for bound, poly, power in (
                (low, x - Poly.constant(n, low.at), i),
                (high, Poly.constant(n, high.at) - x, degree - i),
            ):
                base = base * poly ** (power // 2)
                if power % 2:
                    factors.append(bound.index)
                    left = left / bound.slope
        squares.append(Square(left, tuple(sorted(factors)), base))
    return Leaf(least, (), tuple(squares)) if strict else Leaf(fmpq(1), (goal,), tuple(squares))


def _cuts(box: Box, degrees: list[int], least_at: tuple[int, ...]) -> list[tuple[int, Q]]:
    """Where to bisect: the middle of each side, the sides first where the least coefficient is well inside."""
    rated = []
    for v, low, high, i, degree in zip(box.variables, box.low, box.high, least_at, degrees, strict=True):
        inside = min(i, degree - i) / degree if degree else -1.0
        rated.append((-inside, v, (low.at + high.at) / 2))
    rated.sort(key=lambda entry: entry[:2])
    return [(v, at) for _, v, at in rated]
