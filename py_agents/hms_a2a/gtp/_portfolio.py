"""The portfolio: a fixed list of attempts, the cheap ones first, that ends most claims in milliseconds.

Bounds; Farkas; ideal membership for equality goals; corners and simple rationals as counterexamples; then shapes of
programmes by cost, on the claim and on what it becomes when equalities are substituted, even variables halved and
symmetric variables ordered; the search for points in between, whose touching points the later programmes use.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from hms_a2a.gtp._certificate import Leaf, Node, Square
from hms_a2a.gtp._claim import Relation
from hms_a2a.gtp._leaf import Known, Programme
from hms_a2a.gtp._linear import by_box, few_points, identity, is_linear
from hms_a2a.gtp._poly import Poly

if TYPE_CHECKING:
    import random
    from collections.abc import Iterator, Sequence

    from hms_a2a.gtp._archive import Lemma
    from hms_a2a.gtp._budget import Budget
    from hms_a2a.gtp._claim import Claim
    from hms_a2a.gtp._order import Ordering
    from hms_a2a.gtp._poly import Q
    from hms_a2a.gtp._search import Points
    from hms_a2a.gtp._shapes import Shape
    from hms_a2a.gtp._views import View

#: Levels of a ladder that come before the search for points.
_AT_FIRST = 2
#: Millions of operations that are not worth ordering.
_CHEAP = 30.0
#: Touching points that a programme heeds.
_MOST_TOUCHING = 40
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
    lemmas: tuple[Lemma, ...] = ()
    """What was proved before, for other claims."""
    margins: dict[str, float] = field(default_factory=dict)
    varied: set[tuple[str, Shape, Ordering | None]] = field(default_factory=set)
    """What restarts have tried."""
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
    yield from _by_lemmas(claim, budget, insight)
    rungs = _rungs_by_cost(claim, budget)
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


def _by_lemmas(claim: Claim, budget: Budget, insight: Insight) -> Iterator[Found]:
    """What follows soon from lemmas of earlier proofs."""
    from hms_a2a.gtp._archive import derived
    from hms_a2a.gtp._shapes import Shape, programme_of
    from hms_a2a.gtp._solve import attempt

    known = Known(claim, (), derived(insight.lemmas, claim))
    if not known.lemmas:
        return
    d = max(2, claim.goal.poly.degree)
    for shape in (Shape(d, 2, squares=False), Shape(d + d % 2, 1), Shape(d + d % 2, 2)):
        programme = programme_of(known, shape)
        if programme is not None and _cost_class(programme.cost) <= 1:
            tried = attempt(known, programme, budget)
            if tried.leaf is not None:
                yield Found("lemmas", proof=tried.leaf)


@dataclass(frozen=True)
class Rung:
    """One attempt of the list: a shape in a view, perhaps in one case of an ordering."""

    cost_class: int
    level: int
    view: View
    name: str
    shape: Shape
    programme: Programme | None
    ordering: Ordering | None = None

    def climb(self, budget: Budget, insight: Insight, touching: Sequence[Sequence[Q]]) -> Iterator[Found]:
        """Try it. Raises `Spent`."""
        if self.ordering is not None:
            yield from _in_order(self.view, self.ordering, self.shape, budget, insight, touching)
        elif self.programme is not None:
            yield from _climb(self.view, self.name, self.shape, self.programme, budget, insight, touching)


def _rungs_by_cost(claim: Claim, budget: Budget) -> list[Rung]:
    """All attempts, by class of cost and then level; no programme twice."""
    from hms_a2a.gtp._order import orderings
    from hms_a2a.gtp._shapes import ladder, programme_of
    from hms_a2a.gtp._views import views

    found: list[Rung] = []
    for view in views(claim, plain=True):
        known = Known(view.claim)
        seen: set[Programme] = set()
        for level, (name, shape) in enumerate(ladder(known)):
            budget.check()
            programme = programme_of(known, shape)
            if programme is None:
                continue
            if programme in seen:
                continue
            seen.add(programme)
            found.append(Rung(_cost_class(programme.cost), level, view, name, shape, programme))
        for ordering, shapes in orderings(view.claim):
            case = ordering.case(view.claim)
            for level, shape in enumerate(shapes):
                budget.check()
                programme = programme_of(case, shape)
                if programme is not None:
                    cost_class = _cost_class(programme.cost)
                    found.append(Rung(cost_class, level + _AT_FIRST, view, "order", shape, None, ordering))
    found.sort(key=lambda rung: (rung.cost_class, rung.level))
    return found


def _cost_class(cost: float) -> int:
    """By powers of eight: what a class costs in all is a multiple of what the one before did."""
    return 0 if cost < _CHEAP else 1 + int(math.log(cost / _CHEAP, 8))


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
    tried = attempt(known, programme, budget, view.touching(touching)[:_MOST_TOUCHING])
    insight.note(f"{view.name}{name} of degree {shape.degree}", tried.margin)
    if tried.leaf is not None:
        yield Found(view.name + name, proof=view.back(tried.leaf))


def _in_order(
    view: View, ordering: Ordering, shape: Shape, budget: Budget, insight: Insight, touching: Sequence[Sequence[Q]]
) -> Iterator[Found]:
    """Solve one case of an ordering, and close all others with it."""
    from hms_a2a.gtp._shapes import programme_of
    from hms_a2a.gtp._solve import attempt

    known = ordering.case(view.claim)
    programme = programme_of(known, shape)
    if programme is None:
        return
    here = [p for p in view.touching(touching)[:_MOST_TOUCHING] if all(fact.at(p) >= 0 for fact in known.path)]
    tried = attempt(known, programme, budget, here)
    name = "least" if ordering.is_ring else "order"
    insight.note(f"{view.name}{name} of degree {shape.degree}", tried.margin)
    proof = None if tried.leaf is None else ordering.tree(view.claim, tried.leaf)
    if proof is not None:
        yield Found(view.name + name, proof=view.back(proof))


def varied_attempts(claim: Claim, rng: random.Random, budget: Budget, insight: Insight) -> Iterator[Found]:
    """The portfolio once more, its rungs in another order and varied; none twice, none larger than a tree's leaves.

    Raises `Spent`.
    """
    from hms_a2a.gtp._genes import Pool
    from hms_a2a.gtp._ground import MOST_COLUMNS, MOST_COST
    from hms_a2a.gtp._order import orderings
    from hms_a2a.gtp._shapes import ladder, programme_of
    from hms_a2a.gtp._views import views

    touching = insight.points.touching if insight.points is not None else []
    rungs: list[tuple[View, str, Shape, Ordering | None]] = []
    for view in views(claim):
        shapes = ladder(Known(view.claim))
        pool = Pool(view.claim, view.points(insight.points), [shape for _, shape in shapes])
        rungs += [(view, name, pool.varied_shape(shape, rng), None) for name, shape in shapes]
        for ordering, in_order in orderings(view.claim):
            rungs += [(view, "order", pool.varied_shape(shape, rng), ordering) for shape in in_order]
    rng.shuffle(rungs)
    for view, name, shape, case in rungs:
        key = (view.name, shape, case)
        if key in insight.varied:
            continue
        insight.varied.add(key)
        known = Known(view.claim) if case is None else case.case(view.claim)
        programme = programme_of(known, shape)
        if programme is None or programme.columns > MOST_COLUMNS or programme.cost > MOST_COST:
            continue
        if case is None:
            yield from _climb(view, name, shape, programme, budget, insight, touching)
        else:
            yield from _in_order(view, case, shape, budget, insight, touching)
