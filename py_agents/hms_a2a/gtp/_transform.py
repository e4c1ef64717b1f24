"""Simpler claims that stand for a claim, with the way back for their certificates.

- *Substitution*: an equality that gives a variable as a polynomial in the others removes it everywhere. On the way
  back, what the leaf's identity then misses is a multiple of the equality, and exact division says which.
- *Even variables*: where only x² occurs, a = x² ≥ 0 takes its place, at half the degree. On the way back a factor a is
  the square of x.

Both keep the hypotheses in place, so that indices need hardly any translation.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from hms_a2a.gtp._certificate import Identity, Leaf, Node, Split, Square
from hms_a2a.gtp._claim import Claim, Relation
from hms_a2a.gtp._leaf import Known
from hms_a2a.gtp._poly import Poly

if TYPE_CHECKING:
    from collections.abc import Callable

    from hms_a2a.gtp._poly import Monomial, Q


_HIGHEST_SUBSTITUTE = 2
#: Below this degree a programme bears a box of any size.
_LEAST_SCALED = 3


def substituted(claim: Claim) -> tuple[Claim, tuple[int, int, Poly]] | None:
    """The claim without a variable that an equality gives; with (hypothesis, variable, by). None where none does so.

    One at a time: the way back takes the same steps in reverse.
    """
    for index, h in enumerate(claim.hypotheses):
        if h.sign != "=" or not h.poly:
            continue
        for variable in sorted(h.poly.used()):
            parts = {m: c for m, c in h.poly.terms.items() if m[variable]}
            (monomial, slope), *more = parts.items()
            if more or sum(monomial) != 1:
                continue
            by = (h.poly - Poly.monomial(monomial, slope)).scale(-1 / slope)
            if by.degree > _HIGHEST_SUBSTITUTE:
                continue
            return _mapped(claim, partial(Poly.substitute, index=variable, by=by)), (index, variable, by)
    return None


def _mapped(claim: Claim, change: Callable[[Poly], Poly]) -> Claim:
    return replace(
        claim,
        hypotheses=tuple(Relation(h.sign, change(h.poly)) for h in claim.hypotheses),
        goal=Relation(claim.goal.sign, change(claim.goal.poly)),
        witness=None,
        body=b"",
    )


def resubstituted(claim: Claim, step: tuple[int, int, Poly], root: Node) -> Node:
    """The certificate of the claim, from one of the claim without the variable."""
    index, variable, by = step
    slope = claim.hypotheses[index].poly.coef(tuple(int(k == variable) for k in range(claim.n)))

    def back(node: Node, known: Known) -> Node:
        if isinstance(node, Split):
            return Split(node.on, back(node.above, known.under(node.on)), back(node.below, known.under(-node.on)))
        total = residual(known, node)
        # It vanishes once the variable is replaced, so it is a multiple of what replaces it.
        multiplier = _divided(total, variable, by).scale(-1 / slope)
        equalities = dict(node.equalities)
        equalities[index] = equalities.get(index, Poly(claim.n)) + multiplier
        return replace(node, equalities=tuple((i, p) for i, p in sorted(equalities.items()) if p))

    return back(root, Known(claim))


def residual(known: Known, node: Leaf | Identity) -> Poly:
    """What a leaf's identity, multiplied out, misses: 0 when it is true."""
    if isinstance(node, Leaf):
        total = known.product(node.factors).scale(node.coef)
        for square in node.squares:
            total = total + (known.product(square.factors) * square.square * square.square).scale(square.coef)
    else:
        total = -known.claim.goal.poly
    for i, multiplier in node.equalities:
        total = total + known.poly(i) * multiplier
    return total


def _divided(poly: Poly, variable: int, by: Poly) -> Poly:
    """The quotient of poly − poly(variable := by) by (variable − by)."""
    total = Poly(poly.n)
    grouped: dict[int, dict[Monomial, Q]] = {}
    for m, c in poly.terms.items():
        if m[variable]:
            rest = (*m[:variable], 0, *m[variable + 1 :])
            grouped.setdefault(m[variable], {})[rest] = c
    x = Poly.variable(poly.n, variable)
    for power, terms in grouped.items():
        # x^k − b^k = (x − b)(x^{k−1} + x^{k−2} b + … + b^{k−1})
        geometric = Poly(poly.n)
        for k in range(power):
            geometric = geometric + x**k * by ** (power - 1 - k)
        total = total + Poly(poly.n, terms) * geometric
    return total


def evened(claim: Claim) -> tuple[Claim, list[int]] | None:
    """The claim in the squares of its even variables, whose bounds a ≥ 0 follow the hypotheses; None without any."""
    polys = [claim.goal.poly, *(h.poly for h in claim.hypotheses)]
    used = set().union(*(poly.used() for poly in polys)) if polys else set()
    even = [v for v in sorted(used) if all(m[v] % 2 == 0 for poly in polys for m in poly.terms)]
    if not even:
        return None

    def halve(poly: Poly) -> Poly:
        return Poly(
            claim.n,
            {tuple(e // 2 if i in even else e for i, e in enumerate(m)): c for m, c in poly.terms.items()},
        )

    changed = _mapped(claim, halve)
    more = tuple(Relation(">=", Poly.variable(claim.n, v)) for v in even)
    return replace(changed, hypotheses=(*changed.hypotheses, *more), witness=None), even


def unevened(claim: Claim, even: list[int], root: Node) -> Node:
    """The certificate of the claim, from one in the squares of its even variables."""
    h = len(claim.hypotheses)

    def double(poly: Poly) -> Poly:
        return Poly(
            claim.n,
            {tuple(2 * e if i in even else e for i, e in enumerate(m)): c for m, c in poly.terms.items()},
        )

    def place(index: int) -> int:
        return index if index < h else index - len(even)

    def back(node: Node) -> Node:
        if isinstance(node, Split):
            return Split(double(node.on), back(node.above), back(node.below))
        equalities = tuple((index, double(p)) for index, p in node.equalities)
        if isinstance(node, Identity):
            return Identity(equalities)
        squares = []
        for square in node.squares:
            base = double(square.square)
            factors = []
            for index in square.factors:
                if h <= index < h + len(even):
                    base = base * Poly.variable(claim.n, even[index - h])
                else:
                    factors.append(place(index))
            squares.append(Square(square.coef, tuple(factors), base))
        return Leaf(node.coef, tuple(place(i) for i in node.factors), tuple(squares), equalities)

    return back(root)


def symmetric_variables(claim: Claim) -> list[list[int]]:
    """Sets of variables that may be permuted freely, by exchanging neighbours; each of two or more."""
    polys = {(h.sign, h.poly) for h in claim.hypotheses}
    groups: list[list[int]] = []
    used = sorted(set().union(claim.goal.poly.used(), *(h.poly.used() for h in claim.hypotheses)))
    for v in used:
        for group in groups:
            u = group[0]
            if claim.goal.poly.swapped(u, v) != claim.goal.poly:
                continue
            if {(sign, poly.swapped(u, v)) for sign, poly in polys} == polys:
                group.append(v)
                break
        else:
            groups.append([v])
    return [group for group in groups if len(group) > 1]


def scaled(claim: Claim) -> tuple[Claim, dict[int, tuple[Q, Q]]] | None:
    """The claim with its boxes brought to about [−1, 1]; with (middle, half) by variable. None where nothing is far."""
    from hms_a2a.gtp._search import bounds_of

    if max([claim.goal.poly.degree, *(h.poly.degree for h in claim.hypotheses)]) < _LEAST_SCALED:
        return None
    low, high = bounds_of(claim)
    maps: dict[int, tuple[Q, Q]] = {}
    for v in sorted(claim.goal.poly.used()):
        a, b = low[v], high[v]
        if a is None or b is None or a >= b:
            continue
        middle, half, size = (a + b) / 2, (b - a) / 2, max(abs(a), abs(b))
        if abs(middle) > 2 * half:
            maps[v] = (middle, half)
        elif 2 * size > 3 or 2 * size < 1:
            maps[v] = (0 * size, size)
    if not maps:
        return None

    def change(poly: Poly) -> Poly:
        for v, (middle, half) in maps.items():
            poly = poly.substitute(v, Poly.constant(claim.n, middle) + Poly.variable(claim.n, v).scale(half))
        return poly

    return _mapped(claim, change), maps


def unscaled(maps: dict[int, tuple[Q, Q]], root: Node) -> Node:
    """The certificate of the claim, from one of the claim with its boxes scaled."""

    def change(poly: Poly) -> Poly:
        for v, (middle, half) in maps.items():
            poly = poly.substitute(v, Poly.variable(poly.n, v).scale(1 / half) - Poly.constant(poly.n, middle / half))
        return poly

    def back(node: Node) -> Node:
        if isinstance(node, Split):
            return Split(change(node.on), back(node.above), back(node.below))
        equalities = tuple((index, change(p)) for index, p in node.equalities)
        if isinstance(node, Identity):
            return Identity(equalities)
        squares = tuple(replace(square, square=change(square.square)) for square in node.squares)
        return replace(node, squares=squares, equalities=equalities)

    return back(root)
