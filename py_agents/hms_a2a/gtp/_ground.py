"""The ground that trees grow on: one view of a claim, its pool of genes, and what every leaf's programme came to.

A leaf that closes is a *lemma*: the splits that its identity really used suffice wherever they are on the path, in any
tree, so it closes leaves of others for nothing. A leaf that stays open says how near its programme came and where it
is weakest, which is where the next split is likely to help. No programme is solved twice.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

from flint import fmpq

from hms_a2a.gtp._archive import derived
from hms_a2a.gtp._bernstein import box_at, by_bernstein, can_expand
from hms_a2a.gtp._certificate import Leaf, Node, Split, Square
from hms_a2a.gtp._genes import Open, Pool, Tree, leaves
from hms_a2a.gtp._leaf import Known
from hms_a2a.gtp._poly import Poly, as_float
from hms_a2a.gtp._search import bounds_of
from hms_a2a.gtp._shapes import is_larger, leaf_shapes, programme_of
from hms_a2a.gtp._solve import attempt

if TYPE_CHECKING:
    from hms_a2a.gtp._budget import Budget
    from hms_a2a.gtp._genes import Place
    from hms_a2a.gtp._poly import Q
    from hms_a2a.gtp._portfolio import Insight
    from hms_a2a.gtp._shapes import Shape
    from hms_a2a.gtp._views import View

#: A leaf's programme with more unknowns, or more costly than so many million operations, isn't worth its time.
MOST_COLUMNS = 900
MOST_PRODUCTS = 1_000
MOST_COST = 25.0
_MOST_CUTS = 4
#: A cut leaves at least this share of an interval on either side.
_LEAST_SHARE = 0.25
_STEPS = 8

Key: TypeAlias = "tuple[frozenset[Poly], Shape]"


@dataclass(frozen=True)
class Lemma:
    """A leaf that is closed, and the splits that it takes."""

    needs: frozenset[Poly]
    path: tuple[Poly, ...]
    leaf: Leaf


@dataclass(frozen=True)
class Solved:
    """What a leaf's programme came to."""

    margin: float
    lemma: Lemma | None = None
    cuts: tuple[Poly, ...] = ()
    """Splits that are likely to help where it stays open."""


@dataclass
class Individual:
    """A tree and what is known of it."""

    view: int
    tree: Tree
    mass: float = 1.0
    """What is left to prove: each open leaf weighs 2^−depth, lessened as its programme comes near."""
    open_places: list[Place] = field(default_factory=list)
    weights: list[float] = field(default_factory=list)
    """The open leaves' parts of the mass."""


class Ground:
    """One view, and what was learnt on it."""

    def __init__(self, view: View, insight: Insight, budget: Budget, *, inherits: bool = True) -> None:
        self.view = view
        self.known = Known(view.claim, (), derived(insight.lemmas, view.claim))
        self.inherits = inherits
        self._budget = budget
        self._insight = insight
        self.pool = Pool(view.claim, view.points(insight.points), leaf_shapes(self.known))
        self._low, self._high = bounds_of(view.claim)
        self._touching = self.pool.touching
        self.lemmas: list[Lemma] = []
        self._solved: dict[Key, Solved] = {}

    def closed(self, known: Known, shape: Shape | None) -> Leaf | None:
        """The leaf that closes here for nothing: by a lemma, or, where nothing is inherited, solved just so before."""
        solved = None if shape is None else self._solved.get((frozenset(known.path), shape))
        if solved is not None and solved.lemma is not None:
            return moved(solved.lemma, known)
        if self.inherits:
            path = set(known.path)
            for lemma in self.lemmas:
                if lemma.needs <= path:
                    return moved(lemma, known)
        return None

    def solve(self, known: Known, shape: Shape) -> Solved:
        """Solve a leaf's programme, unless it was solved before. Raises `Spent`."""
        key = (frozenset(known.path), shape)
        if key not in self._solved:
            self._solved[key] = solved = self._bernstein(known) if shape.bernstein else self._programme(known, shape)
            name = f"{self.view.name}a leaf of degree {shape.degree} under {len(known.path)} splits"
            self._insight.note(name, solved.margin)
            if solved.lemma is not None:
                self.lemmas.insert(0, solved.lemma)
        return self._solved[key]

    def _bernstein(self, known: Known) -> Solved:
        box = box_at(known, known.claim.goal.poly.used()) if can_expand(known) else None
        if box is None:
            return Solved(-1.0)
        self._budget.take()
        leaf, margin, cuts = by_bernstein(known, box)
        if leaf is not None:
            return Solved(0.0, lemma_of(known, leaf))
        return Solved(margin, None, tuple(_cut(known.n, v, at) for v, at in cuts[:_MOST_CUTS]))

    def _programme(self, known: Known, shape: Shape) -> Solved:
        if is_larger(known, shape, MOST_PRODUCTS):
            return Solved(-1.0)
        programme = programme_of(known, shape)
        if programme is None or programme.columns > MOST_COLUMNS or programme.cost > MOST_COST:
            return Solved(-1.0)
        here = [p for p in self._touching if all(s.at(p) >= 0 for s in known.path)]
        tried = attempt(known, programme, self._budget, here, elastic=True)
        if tried.leaf is not None:
            return Solved(tried.margin, lemma_of(known, tried.leaf))
        return Solved(tried.margin, None, self._where(known, tried.mean))

    def _where(self, known: Known, mean: dict[int, tuple[float, float]] | None) -> tuple[Poly, ...]:
        """Cuts near the mean of a programme's dual, the widest variable first: it stands for several points there."""
        if mean is None:
            return ()
        cuts = []
        for v, (middle, spread) in mean.items():
            box = box_at(known, {v})
            if box is None or not abs(middle) < 1e6:
                continue
            low, high = box.low[0].at, box.high[0].at
            share = (middle - as_float(low)) / as_float(high - low)
            step = round(_STEPS * min(1 - _LEAST_SHARE, max(_LEAST_SHARE, share)))
            width = as_float(high - low)
            rated = max(spread / width**2, 0.1 * min(share, 1 - share))
            if rated > 1e-9:
                cuts.append((-rated, v, low + (high - low) * fmpq(step, _STEPS)))
        cuts.sort(key=lambda cut: cut[:2])
        return tuple(_cut(known.n, v, at) for _, v, at in cuts[:_MOST_CUTS])

    def weigh(self, individual: Individual, *, patient: bool = True) -> None:
        """Find out an individual's open mass. Without patience, stop at the first leaf that stays open."""
        individual.open_places, individual.weights = [], []
        for place, known, leaf in leaves(individual.tree, self.known):
            if self.closed(known, leaf.shape) is not None:
                continue
            margin = self.solve(known, leaf.shape).margin
            if self.closed(known, leaf.shape) is not None:
                continue
            individual.open_places.append(place)
            individual.weights.append(2.0 ** -len(place) * (0.3 + 0.7 * _badness(margin)))
            if not patient:
                break
        individual.mass = sum(individual.weights)

    def proof(self, tree: Tree) -> Node | None:
        """The certificate's tree, where every leaf is closed."""
        return self._proof(tree, self.known)

    def _proof(self, tree: Tree, known: Known) -> Node | None:
        whole = self.closed(known, tree.shape if isinstance(tree, Open) else None)
        if whole is not None:
            return whole
        if isinstance(tree, Open):
            return None
        above = self._proof(tree.above, known.under(tree.on))
        below = None if above is None else self._proof(tree.below, known.under(-tree.on))
        return None if above is None or below is None else Split(tree.on, above, below)


def _cut(n: int, v: int, at: Q) -> Poly:
    return Poly.variable(n, v) - Poly.constant(n, at)


def _badness(margin: float) -> float:
    """0 for a programme that is all but solved, 1 for one that is nowhere near."""
    return float(min(1.0, max(0.0, -margin)) ** 0.25)


def lemma_of(known: Known, leaf: Leaf) -> Lemma:
    """A leaf with the splits that it uses."""
    goal = known.goal_index
    used = set(leaf.factors) | {i for square in leaf.squares for i in square.factors}
    return Lemma(frozenset(known.path[i - goal - 1] for i in used if i > goal), known.path, leaf)


def moved(lemma: Lemma, known: Known) -> Leaf:
    """A lemma's leaf with the indices of another path."""
    goal = known.goal_index

    def place(index: int) -> int:
        return index if index <= goal else goal + 1 + known.path.index(lemma.path[index - goal - 1])

    squares = tuple(
        Square(square.coef, tuple(sorted(place(i) for i in square.factors)), square.square)
        for square in lemma.leaf.squares
    )
    return Leaf(lemma.leaf.coef, lemma.leaf.factors, squares, lemma.leaf.equalities)
