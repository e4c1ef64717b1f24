"""Trees of genes, their lemmas, and their way to other islands."""

from __future__ import annotations

import random
import time

import msgspec
import pytest
from flint import fmpq

from hms_a2a.gtp import check, parse_claim, prove
from hms_a2a.gtp._budget import Budget
from hms_a2a.gtp._certificate import certificate_bytes
from hms_a2a.gtp._evolution import Breeder, evolve
from hms_a2a.gtp._genes import DEEPEST, Branch, Open, Pool, crossed, depth, factors_of, leaves, places, subtree
from hms_a2a.gtp._ground import Ground, Individual
from hms_a2a.gtp._leaf import Known
from hms_a2a.gtp._migrants import read_trees, write_trees
from hms_a2a.gtp._poly import Poly
from hms_a2a.gtp._portfolio import Insight
from hms_a2a.gtp._shapes import Shape, ladder
from hms_a2a.gtp._views import views

CLAIM = parse_claim("forall x >= 0, y >= 0, z >= 0: x*(x-y)*(x-z) + y*(y-x)*(y-z) + z*(z-x)*(z-y) >= 0")


def pool() -> Pool:
    return Pool(CLAIM, None, [shape for _, shape in ladder(Known(CLAIM))])


def ground(*, inherits: bool = True, budget: Budget | None = None) -> Ground:
    return Ground(next(iter(views(CLAIM))), Insight(), budget or Budget(time.monotonic), inherits=inherits)


def test_variation_and_crossover_keep_trees_whole() -> None:
    rng = random.Random(1)
    breeder = Breeder(ground(budget=Budget(time.monotonic, leaf_programmes=400)), rng)
    population = [Individual(0, breeder.ground.pool.tree(rng)) for _ in range(8)]
    for _ in range(60):
        parent = rng.choice(population)
        breeder.ground.weigh(parent)
        child = breeder.child(parent, population)
        tree = crossed(child.tree, rng.choice(population).tree, rng)
        assert depth(tree) <= DEEPEST
        paths = {place: known.path for place, known, _ in leaves(tree, Known(CLAIM))}
        assert all(len(place) == len(path) for place, path in paths.items())
        assert len(places(tree)) == 2 * len(paths) - 1
        population[rng.randrange(8)] = Individual(0, tree)


def test_what_is_given_as_a_product_is_split_at_its_factors() -> None:
    x, y = (Poly.variable(2, k) for k in range(2))
    assert set(factors_of(x * x - y * y)) == {x - y, x + y}
    claim = parse_claim("forall (x - 2*y - 1)*(x + y) >= 0: x >= y")
    genes = Pool(claim, None, [])
    assert x - y.scale(fmpq(2)) - Poly.constant(2, 1) in genes.splits[:12]


def test_a_lemma_closes_leaves_of_other_trees_for_nothing() -> None:
    budget = Budget(time.monotonic)
    shape = Shape(3, 3, squares=False)
    x, y, z = (CLAIM.hypotheses[k].poly for k in range(3))
    for here in (ground(budget=budget), ground(budget=budget, inherits=False)):
        ordered = Known(CLAIM).under(x - y).under(y - z)
        assert here.solve(ordered, shape).lemma is not None
        assert len(here.lemmas) == 1
        spent = budget.leaf_programmes
        elsewhere = Known(CLAIM).under(x - z).under(y - z).under(x - y)
        assert (here.closed(elsewhere, shape) is not None) == here.inherits
        assert here.closed(Known(CLAIM).under(y - z).under(x - y), shape) is not None
        assert budget.leaf_programmes == spent
        other_side = Known(CLAIM).under(y - x).under(y - z)
        assert here.closed(other_side, shape) is None


THIN = "forall x in [-1,1]: 4096*x^13 - 13312*x^11 + 16640*x^9 - 9984*x^7 + 2912*x^5 - 364*x^3 + 13*x <= 5/4"


def test_a_leaf_s_bernstein_coefficients_prove_or_say_where_to_cut() -> None:
    for text in (THIN, THIN.replace("<=", "<")):
        claim = parse_claim(text)
        here = Ground(next(iter(views(claim))), Insight(), Budget(time.monotonic))
        x = Poly.variable(1, 0)
        shape = Shape(13, 0, bernstein=True)
        whole = here.solve(Known(claim), shape)
        assert whole.lemma is None
        assert whole.margin < 0
        assert whole.cuts == (x,)
        last = here.solve(Known(claim).under(x - Poly.constant(1, fmpq(63, 64))), shape)
        assert last.lemma is not None
        found = next(evolve(claim, 0, Budget(time.monotonic, leaf_programmes=600), Insight(), lambda _: None))
        assert found.proof is not None
        assert check(claim.to_bytes(), certificate_bytes(claim.hash, found.proof)).verdict == "proved"


def test_evolution_proves_what_takes_a_tree_and_its_proof_holds() -> None:
    found = next(evolve(CLAIM, 0, Budget(time.monotonic, leaf_programmes=600), Insight(), lambda _: None))
    assert found.proof is not None
    assert check(CLAIM.to_bytes(), certificate_bytes(CLAIM.hash, found.proof)).verdict == "proved"


def test_an_open_tree_has_mass_and_a_closed_one_none() -> None:
    here = ground()
    root = Individual(0, Open(Shape(3, 1, squares=False)))
    here.weigh(root)
    assert root.open_places == [()]
    x, y, _ = (CLAIM.hypotheses[k].poly for k in range(3))
    split = Individual(0, Branch(x - y, root.tree, root.tree))
    here.weigh(split)
    assert 0 < split.mass <= 1
    assert here.proof(split.tree) is None


def test_migrants_arrive_as_they_left() -> None:
    rng = random.Random(2)
    genes = pool()
    trees = [(k % 2, genes.tree(rng)) for k in range(8)]
    arrived = read_trees(write_trees(trees), CLAIM.n)
    for (view, tree), (there, other) in zip(trees, arrived, strict=True):
        assert view == there
        assert list(places(tree)) == list(places(other))
        for place in places(tree):
            here, that = subtree(tree, place), subtree(other, place)
            assert not isinstance(here, Branch) or (isinstance(that, Branch) and here.on == that.on)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\xc1",
        msgspec.msgpack.encode([[0, []]]),
        msgspec.msgpack.encode([[0, [[[["1", [1, 0]]], None]]]]),
        msgspec.msgpack.encode([[0, [[[["1/0", [1, 0, 0]]], None]] * 3]]),
        msgspec.msgpack.encode([[0, [[None, [99, 1, 1, True, True, True, False, False]]]]]),
        msgspec.msgpack.encode([[0, [[None, [2, 1, 1, True, True, True, False, False]]] * 2]]),
        msgspec.msgpack.encode([[0, [[[["1", [0, 0, 0]]], None], [None, None], [None, None]]]]),
        b"\x00" * 100_000,
    ],
)
def test_migrants_of_another_form_are_refused(body: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        read_trees(body, CLAIM.n)


def test_strategies_say_what_they_spent() -> None:
    for strategy in ("restarts", "random_trees", "evolution", "portfolio+evolution"):
        outcome = prove(CLAIM, leaf_programmes=200, strategy=strategy)
        assert 0 < outcome.leaf_programmes <= 200
