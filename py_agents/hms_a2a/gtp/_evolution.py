"""Evolution of proof trees, and the two searches that it is measured against.

An individual is a tree of genes in one view of the claim. It grows at its open leaves, mostly by splits that closed or
lessened leaves before, or that the leaf's own programme suggests; what is closed stays closed, as a lemma that every
tree inherits, and crossover brings whole solved parts. Selection prefers what leaves the least open, then the small.

`random_trees` draws trees from the same genes for ever; `restarts` repeats the portfolio with shapes drawn anew.
Neither inherits anything. All three pay for each programme that is solved, once.
"""

from __future__ import annotations

import random
import time
from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

from hms_a2a.gtp._budget import Budget
from hms_a2a.gtp._genes import DEEPEST, Branch, Open, Tree, crossed, places, size, subtree
from hms_a2a.gtp._genes import grafted as graft
from hms_a2a.gtp._ground import Ground, Individual, Solved
from hms_a2a.gtp._portfolio import Found
from hms_a2a.gtp._views import views

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from hms_a2a.gtp._claim import Claim
    from hms_a2a.gtp._genes import Place
    from hms_a2a.gtp._leaf import Known
    from hms_a2a.gtp._poly import Poly
    from hms_a2a.gtp._portfolio import Insight
    from hms_a2a.gtp._search import Points
    from hms_a2a.gtp._shapes import Shape

_POPULATION = 16
_CHILDREN = 8
_TOURNAMENT = 3
#: How often the best of all is the parent.
_BEST = 0.6
_ELITE = 4
#: Of a generation that nothing new came of so often, the population is drawn anew.
_STALE = 12
#: After so many generations, or trees, or rounds, without a programme that is new, there is none.
_EXHAUSTED = 600
#: Claims whose points are kept.
_MOST_LOOKS = 64
#: Generations between migrations.
EPOCH = 5


class Migration(Protocol):
    """How islands exchange their best trees."""

    def exchange(self, epoch: int, trees: list[tuple[int, Tree]]) -> list[tuple[int, Tree]]:
        """Hand over this island's best of an epoch, each with its view; get the neighbour's of the epoch before."""


_Gene = TypeVar("_Gene")


class Credit(Generic[_Gene]):
    """How often a gene has helped: what selection does for trees, this does for what they are made of."""

    def __init__(self) -> None:
        self._of: dict[_Gene, float] = {}

    def give(self, gene: _Gene, amount: float) -> None:
        """It helped."""
        self._of[gene] = self._of.get(gene, 0.0) + amount

    def draw(self, rng: random.Random) -> _Gene | None:
        """One of those that helped, by how much."""
        if not self._of:
            return None
        return rng.choices(list(self._of), list(self._of.values()))[0]


class Breeder:
    """Makes children on one ground."""

    def __init__(self, ground: Ground, rng: random.Random) -> None:
        self.ground = ground
        self._rng = rng
        self._splits: Credit[Poly] = Credit()
        self._shapes: Credit[Shape] = Credit()
        self._split: Poly | None = None
        self._shape: Shape | None = None

    def learn(self, parent: Individual, child: Individual) -> None:
        """Credit the genes of a child that leaves less open than its parent."""
        gained = (parent.mass - child.mass) / max(parent.mass, 1e-9)
        if gained > 1e-6:
            if self._split is not None:
                self._splits.give(self._split, gained)
            if self._shape is not None:
                self._shapes.give(self._shape, gained)

    def child(self, parent: Individual, mates: list[Individual]) -> Individual:
        """A variation of a tree."""
        rng = self._rng
        self._split = self._shape = None
        tree = parent.tree
        dice = rng.random()
        if dice < 0.10 and mates:
            tree = self._crossed(parent, rng.choice(mates))
        elif dice < 0.15:
            tree = self._resplit(parent)
        elif dice < 0.25:
            tree = self._reshaped(parent)
        if tree is parent.tree:
            tree = self._grown(parent)
        return Individual(parent.view, tree)

    def _open_place(self, parent: Individual) -> Place:
        if not parent.open_places:
            return ()
        return self._rng.choices(parent.open_places, parent.weights)[0]

    def _grown(self, parent: Individual) -> Tree:
        """Split at an open leaf."""
        rng, pool = self._rng, self.ground.pool
        place = self._open_place(parent)
        here = subtree(parent.tree, place)
        if not isinstance(here, Open) or len(place) >= DEEPEST:
            return pool.tree(rng)
        known = self._at(parent.tree, place)
        for _ in range(_TOURNAMENT):
            split = self._drawn_split(self.ground.solve(known, here.shape))
            if split is not None and split not in known.path and -split not in known.path:
                break
        else:
            return parent.tree
        self._split = split
        shape = here.shape if rng.random() < 0.8 else self._drawn_shape()
        return graft(parent.tree, place, Branch(split, Open(shape), Open(shape)))

    def _drawn_split(self, solved: Solved) -> Poly | None:
        """Where the leaf is weakest, what helped elsewhere, or anything of the pool."""
        rng, pool = self._rng, self.ground.pool
        dice = rng.random()
        if solved.cuts and dice < 0.75:
            return solved.cuts[min(int(len(solved.cuts) * rng.random() ** 3), len(solved.cuts) - 1)]
        if dice < 0.9 or (not solved.cuts and dice < 0.6):
            helped = self._splits.draw(rng)
            if helped is not None:
                return helped
        return pool.split(rng) if pool.splits else None

    def _drawn_shape(self) -> Shape:
        rng = self._rng
        helped = self._shapes.draw(rng) if rng.random() < 0.5 else None
        return self.ground.pool.shape(rng) if helped is None else helped

    def _reshaped(self, parent: Individual) -> Tree:
        """Another shape at an open leaf."""
        place = self._open_place(parent)
        here = subtree(parent.tree, place)
        if not isinstance(here, Open):
            return parent.tree
        shape = self._drawn_shape()
        if shape == here.shape:
            shape = self.ground.pool.varied_shape(shape, self._rng)
        self._shape = shape
        return graft(parent.tree, place, Open(shape))

    def _resplit(self, parent: Individual) -> Tree:
        """Another split in a split's place, or one of its sides alone."""
        rng, pool = self._rng, self.ground.pool
        inner = [p for p in places(parent.tree) if isinstance(subtree(parent.tree, p), Branch)]
        if not inner:
            return parent.tree
        place = rng.choice(inner)
        here = subtree(parent.tree, place)
        assert isinstance(here, Branch)  # noqa: S101 # just chosen so
        if rng.random() < 0.3:
            return pool.moved(parent.tree, rng)
        if rng.random() < 0.4:
            return graft(parent.tree, place, here.above if rng.random() < 0.5 else here.below)
        return graft(parent.tree, place, replace(here, on=pool.split(rng))) if pool.splits else parent.tree

    def _crossed(self, parent: Individual, mate: Individual) -> Tree:
        """A part of another tree at an open leaf, or anywhere."""
        rng = self._rng
        if not parent.open_places or rng.random() < 0.3:
            return crossed(parent.tree, mate.tree, rng)
        place = self._open_place(parent)
        inner = [p for p in places(mate.tree) if isinstance(subtree(mate.tree, p), Branch)]
        theirs = subtree(mate.tree, rng.choice(inner)) if inner else mate.tree
        return crossed(parent.tree, theirs, rng, place)

    def _at(self, tree: Tree, place: Place) -> Known:
        known = self.ground.known
        for below in place:
            assert isinstance(tree, Branch)  # noqa: S101 # the place is one of this tree
            known = known.under(-tree.on if below else tree.on)
            tree = tree.below if below else tree.above
        return known


def evolve(
    claim: Claim,
    seed: int,
    budget: Budget,
    insight: Insight,
    on_generation: Callable[[int], None],
    migration: Migration | None = None,
) -> Iterator[Found]:
    """Evolve proof trees; yields what it takes for a proof. Raises `Spent`."""
    rng = random.Random(f"evolution {seed}")  # noqa: S311 # a search, and to be repeatable
    breeders = [Breeder(Ground(view, insight, budget), rng) for view in views(claim)]
    generation = stale = 0
    population: list[Individual] = []
    while True:
        if not population:
            for individual in _first(breeders, rng):
                breeders[individual.view].ground.weigh(individual)
                population.append(individual)
                yield from _proofs(breeders[individual.view].ground, individual)
        generation += 1
        on_generation(generation)
        budget.check()
        if migration is not None and generation % EPOCH == 0:
            best = [(one.view, one.tree) for one in population[:_ELITE]]
            for view, tree in migration.exchange(generation // EPOCH, best):
                if view < len(breeders):
                    guest = Individual(view, tree)
                    breeders[view].ground.weigh(guest)
                    population.append(guest)
                    yield from _proofs(breeders[view].ground, guest)
        spent = budget.leaf_programmes
        for _ in range(_CHILDREN):
            parent = _chosen(population, rng)
            breeder = breeders[parent.view]
            mates = [one for one in population if one.view == parent.view and one is not parent]
            child = breeder.child(parent, mates)
            breeder.ground.weigh(child)
            breeder.learn(parent, child)
            yield from _proofs(breeder.ground, child)
            population = _survivors([*population, child])
        stale = stale + 1 if budget.leaf_programmes == spent else 0
        if stale % _STALE == _STALE - 1:
            population = []
        if stale > _EXHAUSTED:
            return


def _first(breeders: list[Breeder], rng: random.Random) -> list[Individual]:
    """The first of a population: the cheap shapes alone, and trees drawn at random."""
    found = []
    for view, breeder in enumerate(breeders):
        pool = breeder.ground.pool
        found += [Individual(view, Open(shape)) for shape in pool.shapes[:2]]
        found.append(Individual(view, pool.tree(rng)))
    return found


def _chosen(population: list[Individual], rng: random.Random) -> Individual:
    """The best, or the best of a few."""
    if rng.random() < _BEST:
        return min(population, key=_fitness)
    return min((rng.choice(population) for _ in range(_TOURNAMENT)), key=_fitness)


def _fitness(one: Individual) -> tuple[float, int]:
    """What selection minimises: open mass, then size."""
    return one.mass, size(one.tree)


def _survivors(everyone: list[Individual]) -> list[Individual]:
    """The fittest, each tree once."""
    everyone.sort(key=_fitness)
    seen: set[tuple[int, Tree]] = set()
    kept = []
    for one in everyone:
        if (one.view, one.tree) not in seen:
            seen.add((one.view, one.tree))
            kept.append(one)
    return kept[:_POPULATION]


def _proofs(ground: Ground, individual: Individual) -> Iterator[Found]:
    if individual.open_places:
        return
    proof = ground.proof(individual.tree)
    if proof is not None:
        yield Found("evolution", proof=ground.view.back(proof))


def random_trees(claim: Claim, seed: int, budget: Budget, insight: Insight) -> Iterator[Found]:
    """Trees drawn at random, each given up at its first leaf that stays open. Raises `Spent`."""
    rng = random.Random(f"trees {seed}")  # noqa: S311 # a search, and to be repeatable
    yield from _looked_around(claim, budget, insight)
    grounds = [Ground(view, insight, budget, inherits=False) for view in views(claim)]
    drawn = stale = 0
    while stale < _EXHAUSTED * _CHILDREN:
        budget.check()
        spent = budget.leaf_programmes
        view = drawn % len(grounds)
        ground = grounds[view]
        individual = Individual(view, ground.pool.tree(rng))
        ground.weigh(individual, patient=False)
        yield from _proofs(ground, individual)
        drawn += 1
        stale = stale + 1 if budget.leaf_programmes == spent else 0


def _looked_around(claim: Claim, budget: Budget, insight: Insight) -> Iterator[Found]:
    """Search for points, which the pools of genes use, where the portfolio hasn't; all seeds look at the same."""
    if insight.points is None:
        insight.points = _points(claim)
        budget.check()
        if insight.points.counterexample is not None:
            yield Found("descent", point=insight.points.counterexample)


@lru_cache(maxsize=_MOST_LOOKS)
def _points(claim: Claim) -> Points:
    from hms_a2a.gtp._search import Search

    search = Search(claim, 0, Budget(time.monotonic))
    return search.found if search.grid().counterexample is not None else search.descend()


def evolution_alone(
    claim: Claim, seed: int, budget: Budget, insight: Insight, on_generation: Callable[[int], None]
) -> Iterator[Found]:
    """Evolution without the portfolio before it. Raises `Spent`."""
    yield from _looked_around(claim, budget, insight)
    yield from evolve(claim, seed, budget, insight, on_generation)


def restarts(claim: Claim, seed: int, budget: Budget, insight: Insight) -> Iterator[Found]:
    """The portfolio again and again, with shapes drawn anew each time. Raises `Spent`."""
    from hms_a2a.gtp._portfolio import varied_attempts

    rng = random.Random(f"restarts {seed}")  # noqa: S311 # a search, and to be repeatable
    yield from _looked_around(claim, budget, insight)
    stale = 0
    while stale < _EXHAUSTED:
        budget.check()
        spent = budget.leaf_programmes
        yield from varied_attempts(claim, rng, budget, insight)
        stale = stale + 1 if budget.leaf_programmes == spent else 0


__all__ = ["EPOCH", "Branch", "Individual", "Migration", "evolution_alone", "evolve", "random_trees", "restarts"]
