"""Evolution of proof trees, and the two searches that it is measured against.

An individual is a tree of genes in one view of the claim. Its open mass is what is left to prove: each open leaf
weighs 2^−depth, lessened as its programme's margin comes near 0. A leaf that closes is a *lemma*: the splits that its
identity really used suffice wherever they are on the path, in any tree, so it closes leaves of others for nothing.
Crossover swaps subtrees, and with them solved parts.

`random_trees` draws from the first generation's distribution for ever; `restarts` repeats the portfolio with shapes
drawn anew. Neither inherits anything. All three pay one leaf programme for each programme that is solved.
"""

from __future__ import annotations

import math
import random
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from hms_a2a.gtp._certificate import Leaf, Node, Split, Square
from hms_a2a.gtp._genes import (
    Branch,
    Open,
    Place,
    Pool,
    Tree,
    crossed,
    leaves,
    size,
)
from hms_a2a.gtp._leaf import Known
from hms_a2a.gtp._portfolio import Found
from hms_a2a.gtp._shapes import ladder, programme_of
from hms_a2a.gtp._solve import attempt
from hms_a2a.gtp._views import View, views

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from hms_a2a.gtp._budget import Budget
    from hms_a2a.gtp._claim import Claim
    from hms_a2a.gtp._poly import Poly
    from hms_a2a.gtp._portfolio import Insight
    from hms_a2a.gtp._shapes import Shape

_POPULATION = 20
_CHILDREN = 10
_TOURNAMENT = 3
_ELITE = 4
#: A programme with more unknowns than this costs more time than it is worth in a population.
_MOST_COLUMNS = 2_200
#: Generations between migrations.
EPOCH = 5


class Migration(Protocol):
    """How islands exchange their best trees."""

    def exchange(self, epoch: int, trees: list[tuple[int, Tree]]) -> list[tuple[int, Tree]]:
        """Hand over this island's best of an epoch, each with its view; get the neighbour's of the epoch before."""


@dataclass
class Lemma:
    """A leaf that is closed, and the splits that it takes."""

    needs: frozenset[Poly]
    path: tuple[Poly, ...]
    leaf: Leaf


@dataclass
class Individual:
    """A tree and what is known of it."""

    view: int
    tree: Tree
    mass: float = 1.0
    open_places: list[Place] = field(default_factory=list)

    @property
    def fitness(self) -> tuple[float, int]:
        """What selection minimises: open mass, then size."""
        return self.mass, size(self.tree)


class Ground:
    """One view of the claim: its pool of genes, its lemmas, and what every leaf's programme came to."""

    def __init__(self, view: View, insight: Insight, budget: Budget) -> None:
        self.view = view
        self.known = Known(view.claim)
        self._budget = budget
        self._insight = insight
        self.pool = Pool(view.claim, view.points(insight.points), [shape for _, shape in ladder(self.known)])
        self._touching = self.pool.touching
        self.lemmas: list[Lemma] = []
        self._margins: dict[tuple[tuple[Poly, ...], Shape], float] = {}

    def forget(self) -> None:
        """Forget lemmas and margins."""
        self.lemmas.clear()
        self._margins.clear()

    def closed(self, known: Known) -> Leaf | None:
        """The leaf that a lemma gives here, if one does."""
        path = set(known.path)
        for lemma in self.lemmas:
            if lemma.needs <= path:
                return _moved(lemma, known)
        return None

    def margin(self, known: Known, shape: Shape) -> float:
        """What a leaf's programme comes to; a proof becomes a lemma. Raises `Spent`."""
        key = (known.path, shape)
        if key in self._margins:
            return self._margins[key]
        programme = programme_of(known, shape)
        if programme is None or programme.columns > _MOST_COLUMNS:
            self._margins[key] = -1.0
            return -1.0
        here = [p for p in self._touching if all(s.at(p) >= 0 for s in known.path)]
        tried = attempt(known, programme, self._budget, here)
        self._margins[key] = tried.margin
        name = f"{self.view.name}a leaf of degree {shape.degree} under {len(known.path)} splits"
        self._insight.note(name, tried.margin)
        if tried.leaf is not None:
            self.lemmas.insert(0, _lemma(known, tried.leaf))
        return tried.margin

    def weigh(self, individual: Individual, *, patient: bool = True) -> None:
        """Find out an individual's open mass. Without patience, stop at the first leaf that stays open."""
        mass = 0.0
        individual.open_places = []
        for place, known, leaf in leaves(individual.tree, self.known):
            weight = 2.0 ** -len(place)
            if self.closed(known) is not None:
                continue
            margin = self.margin(known, leaf.shape)
            if self.closed(known) is not None:
                continue
            individual.open_places.append(place)
            mass += weight * (0.3 + 0.7 * _badness(margin))
            if not patient:
                mass += 1.0
                break
        individual.mass = mass

    def proof(self, tree: Tree) -> Node | None:
        """The certificate's tree, where every leaf is closed."""
        return self._proof(tree, self.known)

    def _proof(self, tree: Tree, known: Known) -> Node | None:
        whole = self.closed(known)
        if whole is not None:
            return whole
        if isinstance(tree, Open):
            return None
        above = self._proof(tree.above, known.under(tree.on))
        below = None if above is None else self._proof(tree.below, known.under(-tree.on))
        return None if above is None or below is None else Split(tree.on, above, below)


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
    grounds = [Ground(view, insight, budget) for view in views(claim)]
    population: list[Individual] = []
    for k in range(_POPULATION):
        view = k % len(grounds)
        individual = Individual(view, grounds[view].pool.tree(rng, k // len(grounds) % 4))
        grounds[view].weigh(individual)
        population.append(individual)
        yield from _proofs(grounds, individual)
    generation = 0
    while True:
        generation += 1
        on_generation(generation)
        budget.check()
        population.sort(key=lambda one: one.fitness)
        if migration is not None and generation % EPOCH == 0:
            best = [(one.view, one.tree) for one in population[:_ELITE]]
            for view, tree in migration.exchange(generation // EPOCH, best):
                if view < len(grounds):
                    guest = Individual(view, tree)
                    grounds[view].weigh(guest)
                    population.append(guest)
                    yield from _proofs(grounds, guest)
        children = []
        for _ in range(_CHILDREN):
            child = _child(population, grounds, rng)
            grounds[child.view].weigh(child)
            children.append(child)
            yield from _proofs(grounds, child)
        population = _survivors([*population, *children])


def _child(population: list[Individual], grounds: list[Ground], rng: random.Random) -> Individual:
    parent = _chosen(population, rng)
    pool = grounds[parent.view].pool
    tree = parent.tree
    dice = rng.random()
    if dice < 0.35:
        mates = [one for one in population if one.view == parent.view and one is not parent]
        if mates:
            tree = crossed(tree, _chosen(mates, rng).tree, rng)
    if dice < 0.08:
        tree = pool.tree(rng, rng.randrange(4))
    elif tree is parent.tree or rng.random() < 0.5:
        tree = pool.moved(tree, rng) if rng.random() < 0.12 else pool.varied(tree, parent.open_places, rng)
    return Individual(parent.view, tree)


def _chosen(population: list[Individual], rng: random.Random) -> Individual:
    return min((rng.choice(population) for _ in range(_TOURNAMENT)), key=lambda one: one.fitness)


def _survivors(everyone: list[Individual]) -> list[Individual]:
    """The fittest, each tree once."""
    everyone.sort(key=lambda one: one.fitness)
    seen: set[tuple[int, Tree]] = set()
    kept = []
    for one in everyone:
        if (one.view, one.tree) not in seen:
            seen.add((one.view, one.tree))
            kept.append(one)
    return kept[:_POPULATION]


def _proofs(grounds: list[Ground], individual: Individual) -> Iterator[Found]:
    if individual.open_places:
        return
    ground = grounds[individual.view]
    proof = ground.proof(individual.tree)
    if proof is not None:
        yield Found("evolution", proof=ground.view.back(proof))


def random_trees(claim: Claim, seed: int, budget: Budget, insight: Insight) -> Iterator[Found]:
    """Trees drawn at random, each given up at its first leaf that stays open. Raises `Spent`."""
    from hms_a2a.gtp._search import Search

    rng = random.Random(f"trees {seed}")  # noqa: S311 # a search, and to be repeatable
    search = Search(claim, seed, budget)
    insight.points = search.found
    if search.grid().counterexample is not None or search.descend().counterexample is not None:
        yield Found("descent", point=search.found.counterexample)
    grounds = [Ground(view, insight, budget) for view in views(claim)]
    k = 0
    while True:
        budget.check()
        ground = grounds[k % len(grounds)]
        individual = Individual(k % len(grounds), ground.pool.tree(rng, k // len(grounds) % 4))
        ground.forget()  # no inheritance: a tree stands alone
        ground.weigh(individual, patient=False)
        yield from _proofs(grounds, individual)
        k += 1


def restarts(claim: Claim, seed: int, budget: Budget, insight: Insight) -> Iterator[Found]:
    """The portfolio again and again, with shapes drawn anew each time. Raises `Spent`."""
    from hms_a2a.gtp._portfolio import varied_attempts

    rng = random.Random(f"restarts {seed}")  # noqa: S311 # a search, and to be repeatable
    while True:
        budget.check()
        yield from varied_attempts(claim, rng, budget, insight)


def _badness(margin: float) -> float:
    """0 for a programme that is all but solved, 1 for one that is nowhere near."""
    if margin >= 0:
        return 0.0
    return min(1.0, max(0.0, (math.log10(-margin) + 9.0) / 9.0))


def _lemma(known: Known, leaf: Leaf) -> Lemma:
    goal = known.goal_index
    used = set(leaf.factors) | {i for square in leaf.squares for i in square.factors}
    return Lemma(frozenset(known.path[i - goal - 1] for i in used if i > goal), known.path, leaf)


def _moved(lemma: Lemma, known: Known) -> Leaf:
    """A lemma's leaf with the indices of another path."""
    goal = known.goal_index

    def place(index: int) -> int:
        return index if index <= goal else goal + 1 + known.path.index(lemma.path[index - goal - 1])

    squares = tuple(
        Square(square.coef, tuple(sorted(place(i) for i in square.factors)), square.square)
        for square in lemma.leaf.squares
    )
    return Leaf(lemma.leaf.coef, lemma.leaf.factors, squares, lemma.leaf.equalities)


__all__ = ["EPOCH", "Branch", "Individual", "Migration", "evolve", "random_trees", "restarts"]
