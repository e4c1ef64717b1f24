"""Rational points on equalities, where sampling finds none: a curve has no interior.

Equalities that give a variable are substituted first. On what is left, all variables but one are put to rationals near
promising places, and the rational roots of the last are taken; through a known rational point of a quadric, lines of
rational direction meet it in another.
"""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

from flint import fmpq, fmpq_poly

from hms_a2a.gtp._poly import Poly, as_float

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hms_a2a.gtp._budget import Budget
    from hms_a2a.gtp._claim import Claim
    from hms_a2a.gtp._poly import Q
    from hms_a2a.gtp._search import Search

_MOST_TRIES = 1_500
_SIMPLE = tuple(fmpq(p, q) for q in (1, 2, 3, 4, 5) for p in range(-10, 11))


def on_equalities(claim: Claim, search: Search, budget: Budget) -> tuple[Q, ...] | None:
    """A counterexample on the equalities of a claim; None where none was found. Raises `Spent`."""
    from hms_a2a.gtp._search import Search as Again
    from hms_a2a.gtp._transform import substituted

    if all(h.sign != "=" for h in claim.hypotheses):
        return None
    now, steps = claim, []
    while (found := substituted(now)) is not None:
        now, step = found
        steps.append(step)
    left = [h.poly for h in now.hypotheses if h.sign == "=" and h.poly]

    def whole(point: tuple[Q, ...]) -> tuple[Q, ...]:
        filled = list(point)
        for _, variable, by in reversed(steps):
            filled[variable] = by.at(filled)
        return tuple(filled)

    if not left:
        again = Again(now, 1, budget)
        point = again.grid().counterexample or again.descend().counterexample
        if point is not None and claim.refuted_at(whole(point)):
            return whole(point)
        return None
    rng = random.Random("equalities")  # noqa: S311 # a search, and to be repeatable
    near = [tuple(float(x) for x in place) for place in search.found.near]
    quadric: list[tuple[Q, ...]] = []
    for tried in range(_MOST_TRIES):
        if tried % 32 == 0:
            budget.check()
        start = _start(claim.n, near, rng)
        for point in _completed(left, start, rng):
            filled = whole(point)
            if claim.refuted_at(filled):
                return filled
            if len(left) == 1 and left[0].degree == 2 and len(quadric) < 8:
                quadric.append(point)
        if quadric:
            other = _across(left[0], rng.choice(quadric), rng)
            if other is not None and claim.refuted_at(whole(other)):
                return whole(other)
    return None


def _start(n: int, near: list[tuple[float, ...]], rng: random.Random) -> list[Q]:
    if near and rng.random() < 0.5:
        place = rng.choice(near)
        bottom = rng.choice((1, 2, 3, 4, 5, 8, 16, 64))
        return [fmpq(round(x * bottom), bottom) for x in place]
    return [rng.choice(_SIMPLE) for _ in range(n)]


def _completed(left: list[Poly], start: list[Q], rng: random.Random) -> Iterator[tuple[Q, ...]]:
    """Points on the equalities: each in turn is solved for a variable that no earlier one was solved for."""
    free = sorted(set().union(*(poly.used() for poly in left)))
    rng.shuffle(free)
    points = [(list(start), set[int]())]
    for poly in left:
        following = []
        for point, taken in points:
            if poly.at(point) == 0:
                following.append((point, taken))
                continue
            variable = next((v for v in free if v not in taken and v in poly.used()), None)
            if variable is None:
                continue
            for root in _roots(poly, variable, point):
                changed = list(point)
                changed[variable] = root
                following.append((changed, taken | {variable}))
        points = following[:8]
    for point, _ in points:
        if all(poly.at(point) == 0 for poly in left):
            yield tuple(point)


def _roots(poly: Poly, variable: int, point: list[Q]) -> list[Q]:
    """The rational roots of a polynomial in one variable, the others being put to a point."""
    coefs: dict[int, Q] = {}
    for m, c in poly.terms.items():
        value = c
        for k, e in enumerate(m):
            if e and k != variable:
                value = value * point[k] ** e
        coefs[m[variable]] = coefs.get(m[variable], fmpq(0)) + value
    top = max(coefs)
    line = fmpq_poly([coefs.get(k, fmpq(0)) for k in range(top + 1)])
    if line.degree() < 1:
        return []
    _, factors = line.factor()
    return [-factor[0] / factor[1] for factor, _ in factors if factor.degree() == 1]


def _across(quadric: Poly, point: tuple[Q, ...], rng: random.Random) -> tuple[Q, ...] | None:
    """Where a line of rational direction through a point of a quadric meets it again."""
    direction = [fmpq(rng.randint(-12, 12), rng.randint(1, 6)) for _ in point]
    # quadric(p + t d) = a t² + b t
    one = [p + d for p, d in zip(point, direction, strict=True)]
    two = [p - d for p, d in zip(point, direction, strict=True)]
    up, down = quadric.at(one), quadric.at(two)
    a, b = (up + down) / 2, (up - down) / 2
    if a == 0 or b == 0 or abs(as_float(b / a)) > 1e9:
        return None
    t = -b / a
    return tuple(p + t * d for p, d in zip(point, direction, strict=True))
