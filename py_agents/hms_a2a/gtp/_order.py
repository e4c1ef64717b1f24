"""Symmetric claims, split by the order of their variables; and cyclic ones, by which variable is the least.

Every order of symmetric variables is one programme with its variables renamed, so only the falling order is solved:
its leaf, renamed, closes the others. So it is with the least of variables that a claim turns in a ring, where each leaf
of a tournament knows, as a sum of what it compared, that every other variable is no smaller.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hms_a2a.gtp._certificate import Leaf, Node, Split, Square
from hms_a2a.gtp._leaf import Known
from hms_a2a.gtp._poly import Poly
from hms_a2a.gtp._shapes import Shape
from hms_a2a.gtp._transform import symmetric_variables

if TYPE_CHECKING:
    from hms_a2a.gtp._certificate import Factors
    from hms_a2a.gtp._claim import Claim

_MOST_ORDERED = 5
_MOST_IN_RING = 6
_FEWEST_IN_RING = 3
#: Squares of a renamed leaf, each comparison being written as the sum of those made.
_MOST_SQUARES = 2_000


@dataclass(frozen=True)
class Ordering:
    """Variables that are put in order, or of which the least is sought, and the facts that hold in the case solved."""

    variables: tuple[int, ...]
    is_ring: bool

    def facts(self, n: int) -> list[Poly]:
        """What is ≥ 0 in the case that is solved: falling order, or the first variable being the least."""
        x = [Poly.variable(n, v) for v in self.variables]
        if self.is_ring:
            return [other - x[0] for other in x[1:]]
        return [one - two for one, two in itertools.pairwise(x)]

    def case(self, claim: Claim) -> Known:
        """What is known in the case that is solved."""
        known = Known(claim)
        for fact in self.facts(claim.n):
            known = known.under(fact)
        return known

    def tree(self, claim: Claim, leaf: Leaf) -> Node | None:
        """All cases, from the one that was solved; None where they don't fit into a certificate."""
        try:
            if self.is_ring:
                return self._tournament(leaf, Known(claim), 1, 0)
            return self._insertion(leaf, Known(claim), [self.variables[0]], 1, 0)
        except _TooLarge:
            return None

    def _insertion(self, leaf: Leaf, known: Known, done: list[int], at: int, low: int) -> Node:
        """Insertion sort as a tree: `done` is in falling order, the next variable has its place at or after `low`."""
        group = self.variables
        if at == len(group):
            return _renamed(leaf, known, dict(zip(group, done, strict=True)), _chain(known, done))
        if low == len(done):
            return self._insertion(leaf, known, [*done, group[at]], at + 1, 0)
        split = Poly.variable(known.n, group[at]) - Poly.variable(known.n, done[low])
        placed = [*done[:low], group[at], *done[low:]]
        above = self._insertion(leaf, known.under(split), placed, at + 1, 0)
        return Split(split, above, self._insertion(leaf, known.under(-split), done, at, low + 1))

    def _tournament(self, leaf: Leaf, known: Known, at: int, least: int) -> Node:
        """One comparison after another, each with the least so far."""
        ring = self.variables
        if at == len(ring):
            count = len(ring)
            turned = {v: ring[(k + least) % count] for k, v in enumerate(ring)}
            return _renamed(leaf, known, turned, _descents(known, [turned[v] for v in ring]))
        split = Poly.variable(known.n, ring[at]) - Poly.variable(known.n, ring[least])
        above = self._tournament(leaf, known.under(split), at + 1, least)
        return Split(split, above, self._tournament(leaf, known.under(-split), at + 1, at))


class _TooLarge(Exception):  # it ends a construction and is no error
    pass


def orderings(claim: Claim) -> list[tuple[Ordering, list[Shape]]]:
    """What a claim's symmetry offers, with the shapes worth trying in the case solved."""
    d = max(1, claim.goal.poly.degree)
    shapes = [
        Shape(d, d, squares=False),
        Shape(d, 2, -1),
        Shape(d, 3, -1),
        Shape(d + 1, d + 1, squares=False),
        Shape(d + 1, 3, 0, crossed=True),
        Shape(d + 2, 3, 1, crossed=True),
    ]
    groups = [group for group in symmetric_variables(claim) if len(group) <= _MOST_ORDERED]
    found = []
    largest = max(groups, key=lambda group: len(group), default=[])
    if largest:
        found.append((Ordering(tuple(largest), is_ring=False), shapes))
    used = sorted(set().union(claim.goal.poly.used(), *(h.poly.used() for h in claim.hypotheses)))
    if _FEWEST_IN_RING <= len(used) <= _MOST_IN_RING and len(largest) < len(used):
        turned = {v: used[(k + 1) % len(used)] for k, v in enumerate(used)}
        if renaming(claim, turned) is not None:
            found.append((Ordering(tuple(used), is_ring=True), shapes))
    return found


def renaming(claim: Claim, names: dict[int, int]) -> dict[int, int] | None:
    """Which hypothesis each becomes when variables are renamed; None where the claim becomes another."""
    if claim.goal.poly.renamed(names) != claim.goal.poly:
        return None
    places = {(h.sign, h.poly): k for k, h in enumerate(claim.hypotheses)}
    found = {}
    for k, h in enumerate(claim.hypotheses):
        place = places.get((h.sign, h.poly.renamed(names)))
        if place is None:
            return None
        found[k] = place
    return found


def _chain(known: Known, done: list[int]) -> list[Factors]:
    """The comparison between each two neighbours of the order: insertion sort has made them all."""
    x = [Poly.variable(known.n, v) for v in done]
    first = known.goal_index + 1
    return [(first + known.path.index(one - two),) for one, two in itertools.pairwise(x)]


def _descents(known: Known, ring: list[int]) -> list[Factors]:
    """For every other variable, the comparisons whose sum says that the first of the ring is no larger."""
    first = known.goal_index + 1
    smaller: dict[int, list[tuple[int, int]]] = {}
    for k, poly in enumerate(known.path):
        (more,) = (m.index(1) for m, c in poly.terms.items() if c > 0)
        (less,) = (m.index(1) for m, c in poly.terms.items() if c < 0)
        smaller.setdefault(more, []).append((less, first + k))
    return [_way(smaller, v, ring[0]) for v in ring[1:]]


def _way(smaller: dict[int, list[tuple[int, int]]], start: int, end: int) -> Factors:
    """The comparisons on the way down from one variable to another, which a tournament has."""
    waiting: list[tuple[int, Factors]] = [(start, ())]
    while waiting:
        at, taken = waiting.pop(0)
        if at == end:
            return taken
        waiting += [(less, (*taken, k)) for less, k in smaller.get(at, ())]
    raise _TooLarge


def _renamed(leaf: Leaf, known: Known, names: dict[int, int], facts: list[Factors]) -> Leaf:
    """The leaf of another case: variables renamed, and each fact written as the sum of the comparisons made."""
    goal = known.goal_index
    places = renaming(known.claim, names)
    if places is None:
        raise _TooLarge
    squares: list[Square] = []
    for square in leaf.squares:
        base = square.square.renamed(names)
        choices = [facts[i - goal - 1] if i > goal else (places.get(i, i),) for i in square.factors]
        for factors in itertools.product(*choices):
            squares.append(Square(square.coef, tuple(sorted(factors)), base))
            if len(squares) > _MOST_SQUARES:
                raise _TooLarge
    equalities = tuple((places[i], p.renamed(names)) for i, p in leaf.equalities)
    return Leaf(leaf.coef, tuple(sorted(places.get(i, i) for i in leaf.factors)), tuple(squares), equalities)
