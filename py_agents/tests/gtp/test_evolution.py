"""Trees of genes, their lemmas, and their way to other islands."""

from __future__ import annotations

import random
import time

import msgspec
import pytest

from hms_a2a.gtp import check, parse_claim, prove
from hms_a2a.gtp._budget import Budget
from hms_a2a.gtp._certificate import certificate_bytes
from hms_a2a.gtp._evolution import Ground, Individual, evolve
from hms_a2a.gtp._genes import Branch, Open, Pool, crossed, depth, leaves, places, subtree
from hms_a2a.gtp._leaf import Known
from hms_a2a.gtp._migrants import read_trees, write_trees
from hms_a2a.gtp._portfolio import Insight
from hms_a2a.gtp._views import views
from hms_a2a.gtp._shapes import Shape, ladder

CLAIM = parse_claim("forall x >= 0, y >= 0, z >= 0: x*(x-y)*(x-z) + y*(y-x)*(y-z) + z*(z-x)*(z-y) >= 0")


def pool() -> Pool:
    return Pool(CLAIM, None, [shape for _, shape in ladder(Known(CLAIM))])


def test_variation_and_crossover_keep_trees_whole() -> None:
    rng = random.Random(1)
    genes = pool()
    trees = [genes.tree(rng, k % 4) for k in range(20)]
    for _ in range(300):
        tree = genes.varied(crossed(rng.choice(trees), rng.choice(trees), rng), [], rng)
        assert depth(tree) <= 8
        paths = {place: known.path for place, known, _ in leaves(tree, Known(CLAIM))}
        assert all(len(place) == len(path) for place, path in paths.items())
        assert len(places(tree)) == 2 * len(paths) - 1
        trees[rng.randrange(20)] = tree


def test_a_lemma_closes_leaves_of_other_trees_for_nothing() -> None:
    budget, insight = Budget(time.monotonic), Insight()
    ground = Ground(next(iter(views(CLAIM))), insight, budget)
    x, y, z = (CLAIM.hypotheses[k].poly for k in range(3))
    ordered = Known(CLAIM).under(x - y).under(y - z)
    assert ground.margin(ordered, Shape(3, 3, squares=False)) >= 0
    assert len(ground.lemmas) == 1
    spent = budget.leaf_programmes
    elsewhere = Known(CLAIM).under(x - z).under(y - z).under(x - y)
    leaf = ground.closed(elsewhere)
    assert leaf is not None
    assert budget.leaf_programmes == spent
    other_side = Known(CLAIM).under(y - x).under(y - z)
    assert ground.closed(other_side) is None


def test_evolution_proves_what_takes_a_tree_and_its_proof_holds() -> None:
    found = next(evolve(CLAIM, 0, Budget(time.monotonic, leaf_programmes=600), Insight(), lambda _: None))
    assert found.proof is not None
    assert check(CLAIM.to_bytes(), certificate_bytes(CLAIM.hash, found.proof)).verdict == "proved"


def test_an_open_tree_has_mass_and_a_closed_one_none() -> None:
    ground = Ground(next(iter(views(CLAIM))), Insight(), Budget(time.monotonic))
    root = Individual(0, Open(Shape(3, 1, squares=False)))
    ground.weigh(root)
    assert root.open_places == [()]
    x, y, _ = (CLAIM.hypotheses[k].poly for k in range(3))
    split = Individual(0, Branch(x - y, root.tree, root.tree))
    ground.weigh(split)
    assert 0 < split.mass <= 1
    assert ground.proof(split.tree) is None


def test_migrants_arrive_as_they_left() -> None:
    rng = random.Random(2)
    genes = pool()
    trees = [(k % 2, genes.tree(rng, k % 4)) for k in range(8)]
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
        msgspec.msgpack.encode([[0, [[None, [99, 1, 1, True, True, True]]]]]),
        msgspec.msgpack.encode([[0, [[None, [2, 1, 1, True, True, True]]] * 2]]),
        msgspec.msgpack.encode([[0, [[[["1", [0, 0, 0]]], None], [None, None], [None, None]]]]),
        b"\x00" * 100_000,
    ],
)
def test_migrants_of_another_form_are_refused(body: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        read_trees(body, CLAIM.n)


def test_strategies_say_what_they_spent() -> None:
    for strategy in ("restarts", "random_trees", "portfolio+evolution"):
        outcome = prove(CLAIM, leaf_programmes=200, strategy=strategy)
        assert 0 < outcome.leaf_programmes <= 200
