"""Genes: proof trees before anyone knows whether they close, and how they are drawn, varied and crossed.

A tree's inner nodes are splits, its leaves are shapes: degree, products, multiplier, chosen squares. Splits are drawn
from a pool that the claim itself suggests: differences of variables and of hypotheses, bisections of boxes, planes
through touching points and between minimisers, slopes of the goal.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeAlias

from flint import Ordering, fmpq, fmpq_mpoly_ctx

from hms_a2a.gtp._leaf import Block, Known
from hms_a2a.gtp._poly import Poly, as_float

if TYPE_CHECKING:
    import random
    from collections.abc import Iterator, Sequence

    from hms_a2a.gtp._claim import Claim
    from hms_a2a.gtp._poly import Q
    from hms_a2a.gtp._search import Points
    from hms_a2a.gtp._shapes import Shape

_MOST_POOL = 160
_MOST_DEGREE = 14
DEEPEST = 14
_MOST_SLOPE_TERMS = 12
_HIGHEST_FACTORED = 8
_MOST_FACTORED_TERMS = 60
#: How often a drawn shape is varied.
_VARIED = 0.15
#: How often a leaf has the shape of its tree.
_ALIKE = 0.8
#: Trees drawn at random have more splits with this probability, again and again.
_ONE_MORE = 0.7


@dataclass(frozen=True)
class Open:
    """A leaf: the programme that is to close it."""

    shape: Shape


@dataclass(frozen=True)
class Branch:
    """A split and its two subtrees."""

    on: Poly
    above: Tree
    below: Tree


Tree: TypeAlias = Branch | Open

#: A path from the root: False for above, True for below.
Place: TypeAlias = tuple[bool, ...]


def leaves(tree: Tree, known: Known, place: Place = ()) -> Iterator[tuple[Place, Known, Open]]:
    """The leaves of a tree, with what is known at each."""
    if isinstance(tree, Open):
        yield place, known, tree
    else:
        yield from leaves(tree.above, known.under(tree.on), (*place, False))
        yield from leaves(tree.below, known.under(-tree.on), (*place, True))


def size(tree: Tree) -> int:
    """The number of its nodes."""
    return 1 if isinstance(tree, Open) else 1 + size(tree.above) + size(tree.below)


def depth(tree: Tree) -> int:
    """The length of its longest path."""
    return 0 if isinstance(tree, Open) else 1 + max(depth(tree.above), depth(tree.below))


def subtree(tree: Tree, place: Place) -> Tree:
    """The subtree at a place."""
    for below in place:
        if isinstance(tree, Open):
            return tree
        tree = tree.below if below else tree.above
    return tree


def grafted(tree: Tree, place: Place, other: Tree) -> Tree:
    """With another subtree at a place."""
    if not place or isinstance(tree, Open):
        return other
    if place[0]:
        return replace(tree, below=grafted(tree.below, place[1:], other))
    return replace(tree, above=grafted(tree.above, place[1:], other))


def places(tree: Tree, place: Place = ()) -> list[Place]:
    """All places of a tree."""
    if isinstance(tree, Open):
        return [place]
    return [place, *places(tree.above, (*place, False)), *places(tree.below, (*place, True))]


class Pool:
    """What a claim suggests: polynomials to split on, squares that vanish where they must, shapes to begin with."""

    def __init__(self, claim: Claim, points: Points | None, shapes: Sequence[Shape]) -> None:
        self._claim = claim
        self._n = claim.n
        self.shapes = list(shapes)
        self.touching = list(points.touching) if points is not None else []
        near = [tuple(_simple(float(x)) for x in place) for place in (points.near if points is not None else [])]
        self._places = [*self.touching[:6], *near[:6]]
        self.splits = self._suggested()
        self.squares = self._vanishing()

    def _suggested(self) -> list[Poly]:
        """One of each kind after the other, since which kind helps is the claim's secret."""
        claim, n = self._claim, self._n
        used = sorted(set().union(claim.goal.poly.used(), *(h.poly.used() for h in claim.hypotheses)))
        x = {v: Poly.variable(n, v) for v in used}
        one = Poly.constant(n, 1)
        pairs = list(itertools.combinations(used, 2))
        inequalities = [h.poly for h in claim.hypotheses if h.sign != "=" and h.poly.degree >= 1]
        slopes = [claim.goal.poly.derivative(v) for v in used]
        kinds: list[list[Poly]] = [
            self._factors(),
            [h for k in range(3) for v in used for h in self._bisections(v)[k : k + 1]],
            [x[a] - x[b] for a, b in pairs],
            [x[v] - one.scale(place[v]) for place in self._places for v in used],
            list(x.values()),
            [_between(here, there, n) for k, here in enumerate(self._places) for there in self._places[k + 1 : k + 4]],
            [p for at in self._places[:4] for a, b in pairs for p in _diagonals(x[a], x[b], at[a], at[b])],
            [slope for slope in slopes if slope.degree > 0 and len(slope.terms) <= _MOST_SLOPE_TERMS],
            [g - other for k, g in enumerate(inequalities[:8]) for other in inequalities[k + 1 : 8]],
            [poly for v in used for poly in (x[v] - one, x[v] + one, x[v] * x[v] - one)],
            [poly for a, b in pairs for poly in (x[a] + x[b] - one, x[a] * x[b] - one, x[a] + x[b])],
            [x[a] + x[b] - x[c] for a, b in pairs for c in used if c not in (a, b)],
            [x[a] * x[a] - x[b] for a in used for b in used if b != a],
            [x[a] - x[b].scale(fmpq(2)) for a in used for b in used if b != a],
        ]
        kept: list[Poly] = []
        seen: set[Poly] = {h.poly.primitive() for h in claim.hypotheses if h.sign != "="}
        for poly in (poly for group in itertools.zip_longest(*kinds) for poly in group if poly is not None):
            if poly.is_constant:
                continue
            base = poly.primitive()
            if base not in seen and -base not in seen:
                seen |= {base}
                kept.append(base)
        return kept[:_MOST_POOL]

    def _factors(self) -> list[Poly]:
        """The factors of what is given, where it has several: each case of a product is a sign of its factors."""
        found: list[Poly] = []
        for relation in (*self._claim.hypotheses, self._claim.goal):
            factors = factors_of(relation.poly)
            if len(factors) > 1:
                found += factors
        return list(dict.fromkeys(found))

    def _bisections(self, v: int) -> list[Poly]:
        from hms_a2a.gtp._search import bounds_of

        low, high = bounds_of(self._claim)
        a, b = low[v], high[v]
        if a is None or b is None or a >= b:
            return []
        x, one = Poly.variable(self._n, v), Poly.constant(self._n, 1)
        return [x - one.scale((a * k + b * (4 - k)) / 4) for k in (2, 1, 3)]

    def _vanishing(self) -> list[Poly]:
        """Linear forms that vanish at a touching point or a minimiser."""
        n = self._n
        found: list[Poly] = []
        for place in self._places:
            shifted = [Poly.variable(n, v) - Poly.constant(n, place[v]) for v in range(n)]
            found += shifted
            for a in range(n):
                for b in range(a + 1, n):
                    found += [shifted[a] - shifted[b], shifted[a] + shifted[b]]
                    if place[b] != 0:
                        found.append(shifted[a] - shifted[b].scale(place[a] / place[b]))
        unique = list(dict.fromkeys(poly.primitive() for poly in found if not poly.is_constant))
        return unique[:80]

    def tree(self, rng: random.Random) -> Tree:
        """A tree drawn at random; of its leaves, most are alike."""
        shape = self.shape(rng)
        tree: Tree = Open(shape)
        while self.splits and depth(tree) < DEEPEST and rng.random() < _ONE_MORE:
            spots = [p for p in places(tree) if isinstance(subtree(tree, p), Open)]
            place = rng.choice(spots)
            leaf = Open(shape if rng.random() < _ALIKE else self.shape(rng))
            tree = grafted(tree, place, Branch(self.split(rng), leaf, leaf))
        return tree

    def split(self, rng: random.Random) -> Poly:
        """A polynomial to split on; the first ones of the pool are the likeliest."""
        count = len(self.splits)
        return self.splits[min(int(count * rng.random() ** 2), count - 1)]

    def shape(self, rng: random.Random) -> Shape:
        """A shape of the ladder, varied now and then."""
        count = len(self.shapes)
        shape = self.shapes[min(int(count * rng.random() ** 2), count - 1)]
        return self.varied_shape(shape, rng) if rng.random() < _VARIED else shape

    def varied_shape(self, shape: Shape, rng: random.Random) -> Shape:
        """A shape with one gene changed."""
        if shape.bernstein:
            return rng.choice(self.shapes)
        kind = rng.randrange(7)
        if kind == 0:
            return replace(shape, degree=min(_MOST_DEGREE, max(1, shape.degree + rng.choice((-2, -1, 1, 1, 2, 2)))))
        if kind == 1:
            return replace(shape, factors=max(0, shape.factors + rng.choice((-1, 1, 1))))
        if kind == 2:
            return replace(shape, multiplier=min(4, max(-1, shape.multiplier + rng.choice((-1, 1)))))
        if kind == 3:
            return replace(shape, squares=not shape.squares)
        if kind == 4:
            return replace(shape, crossed=not shape.crossed)
        if kind == 5 and self.squares:
            return replace(shape, more=(*shape.more, self._square(rng))[-8:])
        if shape.more and rng.random() < 0.5:
            return replace(shape, more=shape.more[1:])
        return replace(shape, degree=min(_MOST_DEGREE, shape.degree + 1))

    def _square(self, rng: random.Random) -> Block:
        """A square that vanishes where it must, times at most one hypothesis."""
        form = rng.choice(self.squares)
        if rng.random() < 0.3:
            form = form * rng.choice(self.squares)
        usable = [i for i, h in enumerate(self._claim.hypotheses) if h.sign != "="]
        factors = (rng.choice(usable),) if usable and rng.random() < 0.6 else ()
        return Block(factors, (form,))

    def moved(self, tree: Tree, rng: random.Random) -> Tree:
        """A tree with one linear split moved sideways."""
        inner = [p for p in places(tree) if isinstance(subtree(tree, p), Branch)]
        if not inner:
            return tree
        place = rng.choice(inner)
        here = subtree(tree, place)
        assert isinstance(here, Branch)  # noqa: S101 # just chosen so
        by = fmpq(rng.choice((-2, -1, 1, 2)), rng.choice((1, 2, 4, 8)))
        return grafted(tree, place, replace(here, on=here.on + Poly.constant(self._n, by)))


def crossed(tree: Tree, other: Tree, rng: random.Random, place: Place | None = None) -> Tree:
    """A tree with a subtree of another in it, at a place or anywhere."""
    place = rng.choice(places(tree)) if place is None else place
    theirs = subtree(other, rng.choice(places(other)))
    child = grafted(tree, place, theirs)
    return child if depth(child) <= DEEPEST else tree


def factors_of(poly: Poly) -> list[Poly]:
    """The irreducible factors of a polynomial, each once."""
    if not 2 <= poly.degree <= _HIGHEST_FACTORED or len(poly.terms) > _MOST_FACTORED_TERMS:
        return []
    context = fmpq_mpoly_ctx.get([f"x{k}" for k in range(poly.n)], Ordering.lex)
    _, factors = context.from_dict(poly.terms).factor()
    return [Poly(poly.n, {tuple(int(e) for e in m): c for m, c in factor.to_dict().items()}) for factor, _ in factors]


def _diagonals(x: Poly, y: Poly, at_x: Q, at_y: Q) -> tuple[Poly, Poly]:
    """The two diagonals through a place."""
    x, y = x - Poly.constant(x.n, at_x), y - Poly.constant(y.n, at_y)
    return x - y, x + y


def _between(here: Sequence[Q], there: Sequence[Q], n: int) -> Poly:
    """The plane halfway between two points."""
    slopes = [b - a for a, b in zip(here, there, strict=True)]
    middle = [(a + b) / 2 for a, b in zip(here, there, strict=True)]
    constant = -sum((s * m for s, m in zip(slopes, middle, strict=True)), fmpq(0))
    return Poly.linear(constant, slopes) if any(s != 0 for s in slopes) else Poly(n)


def _simple(x: float) -> Q:
    from fractions import Fraction

    near = Fraction(x).limit_denominator(12) if abs(x) < 1e6 else Fraction(round(x))
    return fmpq(near.numerator, near.denominator)


def room_of(poly: Poly) -> float:
    """The largest coefficient, as a float."""
    return max((abs(as_float(c)) for c in poly.terms.values()), default=0.0)
