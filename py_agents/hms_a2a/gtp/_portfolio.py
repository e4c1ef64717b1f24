"""The portfolio: a fixed list of attempts, the cheap ones first, that ends most claims in milliseconds.

Bounds; Farkas; ideal membership for equality goals; corners and simple rationals as counterexamples; then shapes of
programmes by cost, on the claim and on what it becomes when equalities are substituted, even variables halved and
symmetric variables ordered; the search for points in between, whose touching points the later programmes use.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from hms_a2a.gtp._certificate import Leaf, Node, Split, Square
from hms_a2a.gtp._claim import Relation
from hms_a2a.gtp._leaf import Known, Programme
from hms_a2a.gtp._linear import by_box, few_points, identity, is_linear
from hms_a2a.gtp._poly import Poly

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Iterator, Sequence

    from hms_a2a.gtp._budget import Budget
    from hms_a2a.gtp._claim import Claim
    from hms_a2a.gtp._poly import Q
    from hms_a2a.gtp._search import Points
    from hms_a2a.gtp._shapes import Shape

#: Levels of a ladder that come before the search for points.
_AT_FIRST = 2
#: Millions of operations that are not worth ordering.
_CHEAP = 30.0
_MOST_ORDERED = 4
_HIGHEST_IDENTITY = 12


@dataclass
class Found:
    """What an attempt ended with."""

    method: str
    proof: Node | None = None
    point: tuple[Q, ...] | None = None


@dataclass
class Insight:
    """What the attempts learnt on the way, for evolution and for the report."""

    points: Points | None = None
    margins: dict[str, float] = field(default_factory=dict)
    best: float = -1.0
    best_at: str = ""

    def note(self, name: str, margin: float) -> None:
        """Remember how near an attempt came."""
        if margin > self.best:
            self.best, self.best_at = margin, name


def at_once(claim: Claim) -> Found | None:
    """What costs microseconds: bounds, and goals without variables."""
    found = by_box(claim)
    if isinstance(found, Leaf):
        return Found("box", proof=found)
    if found is None:
        found = few_points(claim)
    return None if found is None else Found("box", point=found)


def attempts(
    claim: Claim, seed: int, budget: Budget, insight: Insight, lane: tuple[int, int] = (0, 1)
) -> Iterator[Found]:
    """The attempts in order, another lane's costly ones last; yields each success. Raises `Spent`."""
    from hms_a2a.gtp._farkas import combination, violation
    from hms_a2a.gtp._search import Search

    known = Known(claim)
    if is_linear(claim):
        leaf = None
        if claim.witness is None:
            never = Relation(">=", Poly.constant(claim.n, -1))
            alone = combination(Known(replace(claim, goal=never, body=b"")), budget)
            leaf = None if alone is None else _without(alone, known.goal_index)
        leaf = leaf or combination(known, budget)
        if leaf is not None:
            yield Found("farkas", proof=leaf)
        point = violation(claim)
        if point is not None:
            yield Found("farkas", point=point)
    if claim.goal.sign == "=":
        for degree in range(claim.goal.poly.degree, claim.goal.poly.degree + 4):
            if degree <= _HIGHEST_IDENTITY:
                budget.take()
                proof = identity(claim, degree)
                if proof is not None:
                    yield Found("identity", proof=proof)
    search = Search(claim, seed, budget)
    insight.points = search.found
    if search.grid().counterexample is not None:
        yield Found("grid", point=search.found.counterexample)
    if math.isinf(search.found.least) and claim.witness is None and claim.hypotheses:
        yield from _contradiction(claim, budget)
    if claim.goal.sign == "=":
        yield from _equality_goal(claim, known, budget, search, insight)
        return
    yield from _rungs(claim, budget, insight, search, lane)


def _contradiction(claim: Claim, budget: Budget) -> Iterator[Found]:
    """Where no point satisfies the hypotheses, their refutation, which says more than one with the goal."""
    from hms_a2a.gtp._shapes import ladder, programme_of
    from hms_a2a.gtp._solve import attempt

    # Stands for "never": its negation is 1 > 0, which may be left out wherever it is a factor.
    never = Relation(">=", Poly.constant(claim.n, -1))
    known = Known(replace(claim, goal=never, body=b""))
    tried = 0
    for _, shape in ladder(known):
        programme = programme_of(known, shape)
        if programme is None or _cost_class(programme.cost) > 1:
            continue
        tried += 1
        leaf = attempt(known, programme, budget).leaf
        if leaf is not None:
            yield Found("contradiction", proof=_without(leaf, known.goal_index))
        if tried == _AT_FIRST + 1:
            return


def _without(leaf: Leaf, index: int) -> Leaf:
    """A leaf without a factor that is 1."""
    squares = tuple(
        Square(square.coef, tuple(i for i in square.factors if i != index), square.square) for square in leaf.squares
    )
    return Leaf(leaf.coef, tuple(i for i in leaf.factors if i != index), squares, leaf.equalities)


def _equality_goal(claim: Claim, known: Known, budget: Budget, search: object, insight: Insight) -> Iterator[Found]:
    """A counterexample, or hypotheses that contradict each other."""
    from hms_a2a.gtp._points import on_equalities
    from hms_a2a.gtp._search import Search

    assert isinstance(search, Search)  # noqa: S101 # imported late, for its libraries
    if search.descend().counterexample is not None:
        yield Found("descent", point=search.found.counterexample)
    point = on_equalities(claim, search, budget)
    if point is not None:
        yield Found("descent", point=point)
    from hms_a2a.gtp._shapes import ladder, programme_of
    from hms_a2a.gtp._solve import attempt

    for name, shape in ladder(known)[:6]:
        programme = programme_of(known, shape)
        if programme is not None:
            tried = attempt(known, programme, budget)
            insight.note(name, tried.margin)
            if tried.leaf is not None:
                yield Found(name, proof=tried.leaf)


def _rungs(claim: Claim, budget: Budget, insight: Insight, search: object, lane: tuple[int, int]) -> Iterator[Found]:
    from hms_a2a.gtp._points import on_equalities
    from hms_a2a.gtp._search import Search

    assert isinstance(search, Search)  # noqa: S101 # imported late, for its libraries
    rungs = _rungs_by_cost(claim)
    cheap = [rung for rung in rungs if rung.cost_class == 0 and rung.level < _AT_FIRST]
    for rung in cheap:
        yield from rung.climb(budget, insight, search.found.touching)
    if search.descend().counterexample is not None:
        yield Found("descent", point=search.found.counterexample)
    point = on_equalities(claim, search, budget)
    if point is not None:
        yield Found("descent", point=point)
    left = [rung for rung in rungs if rung not in cheap]
    ours, of = lane
    own = [rung for k, rung in enumerate(left) if rung.cost_class == 0 or k % of == ours]
    for rung in (*own, *(rung for rung in left if rung not in own)):
        yield from rung.climb(budget, insight, search.found.touching)


@dataclass(frozen=True)
class Rung:
    """One attempt of the list: a shape in a view, perhaps once its symmetric variables are ordered."""

    cost_class: int
    level: int
    view: View
    name: str
    shape: Shape
    programme: Programme | None
    group: tuple[int, ...] = ()

    def climb(self, budget: Budget, insight: Insight, touching: Sequence[Sequence[Q]]) -> Iterator[Found]:
        """Try it. Raises `Spent`."""
        if self.group:
            yield from _in_order(self.view, (list(self.group), self.shape), budget, insight)
        elif self.programme is not None:
            yield from _climb(self.view, self.name, self.shape, self.programme, budget, insight, touching)


def _rungs_by_cost(claim: Claim) -> list[Rung]:
    """All attempts, by class of cost and then level; no programme twice."""
    from hms_a2a.gtp._shapes import ladder, programme_of

    found: list[Rung] = []
    for view in views(claim):
        known = Known(view.claim)
        seen: set[Programme] = set()
        for level, (name, shape) in enumerate(ladder(known)):
            programme = programme_of(known, shape)
            if programme is None:
                continue
            if programme in seen:
                continue
            seen.add(programme)
            found.append(Rung(_cost_class(programme.cost), level, view, name, shape, programme))
        for level, (group, shape) in enumerate(_ordered(view) or []):
            x = [Poly.variable(known.n, v) for v in group]
            deepest = known
            for one, two in itertools.pairwise(x):
                deepest = deepest.under(one - two)
            programme = programme_of(deepest, shape)
            if programme is not None:
                cost = programme.cost * math.factorial(len(group))
                found.append(Rung(_cost_class(cost), level + _AT_FIRST, view, "order", shape, None, tuple(group)))
    found.sort(key=lambda rung: (rung.cost_class, rung.level))
    return found


def _cost_class(cost: float) -> int:
    """By powers of eight: what a class costs in all is a multiple of what the one before did."""
    return 0 if cost < _CHEAP else 1 + int(math.log(cost / _CHEAP, 8))


@dataclass(frozen=True)
class View:
    """A claim that stands for the one that was asked, with the way back."""

    claim: Claim
    back: Callable[[Node], Node]
    name: str = ""

    def points(self, touching: Sequence[Sequence[Q]], original: Claim) -> list[Sequence[Q]]:
        """The touching points of the original as they are here."""
        return list(touching) if self.claim is original else []


def views(claim: Claim) -> Iterator[View]:
    """The claim without what equalities give, and, where variables are even, the same in their squares."""
    from hms_a2a.gtp._transform import evened, resubstituted, substituted, unevened

    now, back = claim, _same
    while (found := substituted(now)) is not None:
        smaller, step = found

        def undo(
            node: Node, now: Claim = now, step: tuple[int, int, Poly] = step, back: Callable[[Node], Node] = back
        ) -> Node:
            return back(resubstituted(now, step, node))

        now, back = smaller, undo
    yield View(now, back)
    halved = evened(now)
    if halved is not None:
        smaller, even = halved

        def double(node: Node) -> Node:
            return back(unevened(now, even, node))

        yield View(smaller, double, "even ")


def _same(node: Node) -> Node:
    return node


def _climb(
    view: View,
    name: str,
    shape: Shape,
    programme: Programme,
    budget: Budget,
    insight: Insight,
    touching: Sequence[Sequence[Q]],
) -> Iterator[Found]:
    from hms_a2a.gtp._solve import attempt

    known = Known(view.claim)
    here = [] if view.name else _here(view.claim, touching)
    tried = attempt(known, programme, budget, here)
    insight.note(f"{view.name}{name} of degree {shape.degree}", tried.margin)
    if tried.leaf is not None:
        yield Found(view.name + name, proof=view.back(tried.leaf))


def _here(claim: Claim, touching: Sequence[Sequence[Q]]) -> list[Sequence[Q]]:
    """Touching points that are such in this view."""
    return [
        point for point in touching if claim.goal.poly.at(point) == 0 and all(h.holds(point) for h in claim.hypotheses)
    ][:40]


def _ordered(view: View) -> list[tuple[list[int], Shape]] | None:
    """For a symmetric claim, the shapes to try once its variables are ordered."""
    from hms_a2a.gtp._shapes import Shape
    from hms_a2a.gtp._transform import symmetric_variables

    groups = [group for group in symmetric_variables(view.claim) if len(group) <= _MOST_ORDERED]
    if not groups:
        return None
    group = max(groups, key=len)
    d = max(1, view.claim.goal.poly.degree)
    return [
        (group, Shape(d, d, squares=False)),
        (group, Shape(d, 2, -1)),
        (group, Shape(d, 3, -1)),
        (group, Shape(d + 1, 3, 0, crossed=True)),
        (group, Shape(d + 2, 3, 1, crossed=True)),
    ]


def _in_order(view: View, plan: tuple[list[int], Shape], budget: Budget, insight: Insight) -> Iterator[Found]:
    """Split by the order of the variables; every order has to be closed."""
    group, shape = plan
    proof = _sorted_tree(Known(view.claim), group, [group[0]], 1, 0, shape, budget, insight)
    if proof is not None:
        yield Found(view.name + "order", proof=view.back(proof))


def _sorted_tree(
    known: Known,
    group: list[int],
    done: list[int],
    at: int,
    low: int,
    shape: Shape,
    budget: Budget,
    insight: Insight,
) -> Node | None:
    """Insertion sort as a tree: `done` is in falling order, group[at] has its place at or after `low`."""
    if at == len(group):
        return _close(known, shape, budget, insight)
    x = Poly.variable(known.n, group[at])
    if low == len(done):
        placed = [*done, group[at]]
        return _sorted_tree(known, group, placed, at + 1, 0, shape, budget, insight)
    split = x - Poly.variable(known.n, done[low])
    placed = [*done[:low], group[at], *done[low:]]
    above = _sorted_tree(known.under(split), group, placed, at + 1, 0, shape, budget, insight)
    if above is None:
        return None
    below = _sorted_tree(known.under(-split), group, done, at, low + 1, shape, budget, insight)
    return None if below is None else Split(split, above, below)


def _close(known: Known, shape: Shape, budget: Budget, insight: Insight) -> Node | None:
    from hms_a2a.gtp._shapes import programme_of
    from hms_a2a.gtp._solve import attempt

    programme = programme_of(known, shape)
    if programme is None:
        return None
    tried = attempt(known, programme, budget)
    insight.note(f"ordered, degree {shape.degree}", tried.margin)
    return tried.leaf


def varied_attempts(claim: Claim, rng: random.Random, budget: Budget, insight: Insight) -> Iterator[Found]:
    """The portfolio once more, its rungs in another order and varied. Raises `Spent`."""
    from hms_a2a.gtp._genes import Pool
    from hms_a2a.gtp._shapes import ladder, programme_of

    touching = insight.points.touching if insight.points is not None else []
    rungs: list[tuple[View, str, Shape, list[int] | None]] = []
    for view in views(claim):
        shapes = ladder(Known(view.claim))
        pool = Pool(view.claim, insight.points if not view.name else None, [shape for _, shape in shapes])
        rungs += [(view, name, pool.varied_shape(shape, rng), None) for name, shape in shapes]
        rungs += [(view, "order", pool.varied_shape(shape, rng), group) for group, shape in _ordered(view) or []]
    rng.shuffle(rungs)
    for view, name, shape, group in rungs:
        if group is None:
            programme = programme_of(Known(view.claim), shape)
            if programme is not None:
                yield from _climb(view, name, shape, programme, budget, insight, touching)
        else:
            yield from _in_order(view, (group, shape), budget, insight)
