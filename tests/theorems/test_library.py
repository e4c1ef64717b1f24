"""The library keeps what it promises: counts, sources, exact counterexamples, and no truth that a point contradicts."""

import random
from collections import Counter
from fractions import Fraction

import pytest

from theorems.library import MOST_OF_A_TEMPLATE, Theorem, load
from theorems.sampling import points
from theorems.statement import Unreadable, read

LIBRARY = load()
#: Points tried for each true theorem here; `python -m theorems.run --only-library` takes more.
POINTS = 60


def each(*truths: str) -> pytest.MarkDecorator:
    chosen = [theorem for theorem in LIBRARY if theorem.truth in truths]
    return pytest.mark.parametrize("theorem", chosen, ids=[theorem.id for theorem in chosen])


def test_it_is_large_enough() -> None:
    truths = Counter(theorem.truth for theorem in LIBRARY)
    assert len(LIBRARY) >= 150
    assert truths["true"] >= 100
    assert truths["false"] >= 40
    assert 5 <= truths["beyond"] <= 20
    assert sum(truths.values()) == truths["true"] + truths["false"] + truths["beyond"]


def test_it_is_varied() -> None:
    templates = Counter(theorem.template for theorem in LIBRARY)
    assert {name: n for name, n in templates.items() if n > MOST_OF_A_TEMPLATE} == {}
    assert len({theorem.field for theorem in LIBRARY}) >= 6


def test_nothing_stands_in_it_twice() -> None:
    for written in ("id", "claim"):
        counts = Counter(getattr(theorem, written) for theorem in LIBRARY)
        assert [text for text, n in counts.items() if n > 1] == []
    assert len({theorem.statement for theorem in LIBRARY}) == len(LIBRARY)


@each("true", "false", "beyond")
def test_each_has_a_source_and_what_its_truth_asks_for(theorem: Theorem) -> None:
    assert len(theorem.source) >= 12
    assert theorem.template
    assert bool(theorem.at) == (theorem.truth == "false")
    assert (theorem.actually in ("true", "false")) == (theorem.truth == "beyond")
    assert bool(theorem.why) == (theorem.truth == "beyond")


@each("false")
def test_a_false_one_fails_at_its_point(theorem: Theorem) -> None:
    statement = theorem.statement
    assert set(theorem.at) == set(statement.variables)
    assert statement.admits(theorem.at)
    assert not statement.goal.holds(theorem.at)


@each("true")
def test_a_true_one_holds_wherever_it_is_tried(theorem: Theorem) -> None:
    tried = 0
    for point in points(theorem, POINTS, random.Random(theorem.id)):
        assert theorem.statement.goal.holds(point), point
        tried += 1
    if theorem.empty:
        assert tried == 0
    else:
        assert tried >= (1 if theorem.where else 15)


def test_points_are_many_and_exact() -> None:
    theorem = next(theorem for theorem in LIBRARY if theorem.id == "discount-later-is-less")
    tried = list(points(theorem, 500, random.Random(1)))
    assert len({tuple(point.values()) for point in tried}) > 300
    assert all(type(number) is Fraction for point in tried for number in point.values())
    assert all(theorem.statement.admits(point) for point in tried)


@pytest.mark.parametrize(
    ("text", "at", "holds"),
    [
        ("-x^2 <= 0", {"x": "3"}, True),
        ("forall x in (0,1], y in [-1,oo), z in (-oo,2): x + y > z", {"x": "1", "y": "-1", "z": "-1/2"}, True),
        ("forall 0 <= x < y <= 1: x*y/2 < 0.5", {"x": "1/2", "y": "1"}, True),
        ("1 - 2 - 3 = -4", {}, True),
        ("12/2/3 = 2", {}, True),
        ("2*x^3 - (x + 1)^2 = x", {"x": "1"}, False),
        ("forall x, y: x > y", {"x": "0", "y": "0"}, False),
    ],
)
def test_reading(text: str, at: dict[str, str], holds: bool) -> None:
    statement = read(text)
    point = {name: Fraction(number) for name, number in at.items()}
    assert statement.admits(point)
    assert statement.goal.holds(point) == holds


def test_hypotheses_admit_what_they_say() -> None:
    statement = read("forall x in (0,1], 1 <= y < 2*x: y > 1")
    admitted = [(x, y) for x in (0, Fraction(3, 4), 1, 2) for y in (0, 1, Fraction(3, 2), 2)]
    admitted = [(x, y) for x, y in admitted if statement.admits({"x": Fraction(x), "y": Fraction(y)})]
    assert admitted == [(Fraction(3, 4), 1), (1, 1), (1, Fraction(3, 2))]


@pytest.mark.parametrize(
    "text", ["x", "x >= ", "forall x: ", "x >= 0: y", "x + >= 0", "2 >= 1 >= 0", "x^y > 0", "x $ 1"]
)
def test_what_is_no_claim(text: str) -> None:
    with pytest.raises(Unreadable):
        read(text)
