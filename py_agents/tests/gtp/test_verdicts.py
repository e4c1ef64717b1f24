"""What the prover must decide, and how."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hms_a2a.gtp import BadEvidence, Claim, Outcome, Progress, check, parse_claim, prove, refute

SCHUR = "x*(x-y)*(x-z) + y*(y-x)*(y-z) + z*(z-x)*(z-y) >= 0"
TRUE = {
    "bounds": "forall x in [1,2], y in [0,3]: 3*x - y >= 0",
    "strict-bounds": "forall x > 1, y < 2: 2*x - y > 0",
    "farkas": "forall x >= 0, y >= 0, x + y <= 1: 2*x + y <= 2",
    "linear-equalities": "forall x + y = 1, x - y = 3: x = 2",
    "square": "x^2 + y^2 >= 2*x*y",
    "tight-inside": "forall x in [-1,1]: 1 - 4*x^3 + 3*x >= 0",
    "am-gm-3": "forall x >= 0, y >= 0, z >= 0: x^3 + y^3 + z^3 >= 3*x*y*z",
    "am-gm-4": "forall a >= 0, b >= 0, c >= 0, d >= 0: (a + b + c + d)^4 >= 256*a*b*c*d",
    "schur": f"forall x >= 0, y >= 0, z >= 0: {SCHUR}",
    "nesbitt": "forall a > 0, b > 0, c > 0: 2*(a*(a+b)*(a+c) + b*(b+a)*(b+c) + c*(c+a)*(c+b)) >= 3*(a+b)*(b+c)*(c+a)",
    "motzkin": "x^4*y^2 + x^2*y^4 + 1 >= 3*x^2*y^2",
    "robinson": "x^6 + y^6 + z^6 + 3*x^2*y^2*z^2 >= x^4*y^2 + x^4*z^2 + y^4*x^2 + y^4*z^2 + z^4*x^2 + z^4*y^2",
    "infimum-0": "x^2 + (x*y - 1)^2 > 0",
    "thin": "x^4 - 3*x^2 + 2.251 > 0",
    "tight-at-irrationals": "(x^2 - 2)^2*(x + 3)^2 + (x^2 - 2)^2 >= 0",
    "cauchy": "(a^2 + b^2 + c^2)*(x^2 + y^2 + z^2) >= (a*x + b*y + c*z)^2",
    "ideal": "forall x + y = 1, x*y = 2: x^3 + y^3 = -5",
    "on-a-circle": "forall x^2 + y^2 = 1: x + y <= 3/2",
    "substituted": "forall x + y + z = 3, x >= 0, y >= 0, z >= 0: x*y*z <= 1",
    "bernoulli": "forall x >= -1: (1 + x)^5 >= 1 + 5*x",
    "strict-product": "forall x > 0, y > 0: x*y > 0",
    "power-of-the-negated-goal": "forall x^5 >= y^5: x >= y",
    "stengle": "forall (1 - x^2)^3 >= 0: 1 - x^2 >= 0",
    "any-order-of-three": (
        "forall a >= 0, b >= 0, c >= 0: a^5*(a - b)*(a - c) + b^5*(b - a)*(b - c) + c^5*(c - a)*(c - b) >= 0"
    ),
    "whichever-is-least": "forall x >= 0, y >= 0, z >= 0: 4*(x + y + z)^3 >= 27*(x^2*y + y^2*z + z^2*x + x*y*z)",
    "far-from-the-unit-box": "forall x in [100,104]: (x - 101)^2*(x - 103)^2*(x - 102)^4 >= x/1000000 - 1",
    "no-variables": "1 > 0",
}
FALSE = {
    "interval": "forall x in [0,1]: x^2 >= x",
    "weights-beyond-1": "forall w1 >= 0, w2 >= 0, w1 + w2 = 100, d1 >= 0, d2 >= 0: w1*d1 + w2*d2 <= 100",
    "plane": "x^4 + y^4 >= 3*x*y - 1",
    "on-a-circle": "forall x^2 + y^2 = 1: x + y <= 7/5",
    "thin": "x^4 - 3*x^2 + 2.249 > 0",
    "far-away": "x^2 + (x*y - 1)^2 >= 1/10000",
    "equality": "forall x + y = 1: x*y = 1/4",
    "polyhedron": "forall x >= 0, y >= 0, x + 2*y <= 4, 3*x + y <= 6: x + y < 14/5",
    "hyperbola": "forall x*y = 1, x > 0: x + y >= 2.001",
    "strict": "x^2 > 0",
    "no-variables": "1 < 0",
}
UNKNOWN = {"irrational": "(x^2 - 2)^2 > 0", "no-rational-point": "forall x^2 + y^2 = 3: x >= 2"}


def shown(claim: Claim, outcome: Outcome) -> str:
    """The verdict that the evidence shows by itself."""
    if outcome.evidence is None:
        assert outcome.verdict == "unknown"
        assert outcome.reason
        return "unknown"
    return check(claim.to_bytes(), outcome.evidence).verdict


@pytest.mark.parametrize("name", TRUE)
def test_true_claims_are_proved(name: str) -> None:
    claim = parse_claim(TRUE[name])
    outcome = prove(claim, seconds=60)
    assert (outcome.verdict, shown(claim, outcome)) == ("proved", "proved"), outcome


@pytest.mark.parametrize("name", FALSE)
def test_false_claims_are_refuted(name: str) -> None:
    claim = parse_claim(FALSE[name])
    outcome = prove(claim, seconds=60)
    assert (outcome.verdict, shown(claim, outcome)) == ("refuted", "refuted"), outcome
    assert refute(claim, seconds=60).verdict == "refuted"


@pytest.mark.parametrize("name", UNKNOWN)
def test_what_is_beyond_reach_is_unknown_in_time(name: str) -> None:
    claim = parse_claim(UNKNOWN[name])
    began = time.monotonic()
    outcome = prove(claim, seconds=2)
    assert outcome.verdict == "unknown"
    assert outcome.reason is not None
    assert outcome.reason.startswith("deadline")
    assert time.monotonic() - began < 2 + 10  # imports and one programme on a busy machine


def test_a_contradiction_proves_anything_and_says_so() -> None:
    for text in ("forall x >= 1, x <= 0: x^2 >= 5", "forall x >= 1, x <= 0: x >= 5", "forall x^2 = -1: x = 3"):
        claim = parse_claim(text)
        outcome = prove(claim, seconds=30)
        assert outcome.evidence is not None
        assert check(claim.to_bytes(), outcome.evidence).vacuous
    sound = parse_claim("forall x >= 1: x^2 >= 1")
    outcome = prove(sound, seconds=30)
    assert outcome.evidence is not None
    assert not check(sound.to_bytes(), outcome.evidence).vacuous


def test_a_certificate_is_one_claim_s() -> None:
    one = parse_claim("forall x in [1,2]: x >= 1")
    other = parse_claim("forall x in [1,3]: x >= 1")
    evidence = prove(one).evidence
    assert evidence is not None
    with pytest.raises(BadEvidence, match="another claim's"):
        check(other.to_bytes(), evidence)


@pytest.mark.parametrize("strategy", ["portfolio", "portfolio+evolution", "evolution", "restarts", "random_trees"])
def test_the_same_seed_and_budget_give_the_same_bytes(strategy: str) -> None:
    claim = parse_claim(f"forall x >= 0, y >= 0, z >= 0: {SCHUR}")
    one, two = (prove(claim, leaf_programmes=20, seed=7, strategy=strategy) for _ in range(2))  # type: ignore[arg-type]
    assert (one.verdict, one.evidence, one.leaf_programmes) == (two.verdict, two.evidence, two.leaf_programmes)
    assert one.leaf_programmes <= 20


def test_leaf_programmes_bound_a_search() -> None:
    claim = parse_claim("(x^2 - 2)^2 > 0")
    for strategy in ("portfolio+evolution", "restarts", "random_trees"):
        outcome = prove(claim, leaf_programmes=25, strategy=strategy)
        assert outcome.leaf_programmes == 25
        assert outcome.reason is not None
        assert outcome.reason.startswith("budget")


def test_a_search_stops_when_it_is_asked_to() -> None:
    asked = 0

    def stop() -> bool:
        nonlocal asked
        asked += 1
        return asked > 40

    outcome = prove(parse_claim("(x^2 - 2)^2 > 0"), should_stop=stop)
    assert outcome.reason is not None
    assert outcome.reason.startswith("cancelled")


def test_evolution_tells_its_progress() -> None:
    told: list[Progress] = []
    prove(parse_claim("(x^2 - 2)^2 > 0"), leaf_programmes=120, on_progress=told.append)
    assert [one.generations for one in told] == list(range(1, len(told) + 1))
    assert told


@given(
    st.lists(st.tuples(st.integers(-50, 50), st.integers(-20, 20), st.integers(0, 30)), min_size=1, max_size=5),
    st.integers(-300, 300),
    st.booleans(),
)
@settings(max_examples=150, deadline=None)
def test_linear_claims_over_boxes_are_decided(sides: list[tuple[int, int, int]], constant: int, strict: bool) -> None:
    given = ", ".join(f"x{k} in [{low},{low + width}]" for k, (_, low, width) in enumerate(sides))
    goal = " + ".join(f"({slope})*x{k}" for k, (slope, _, _) in enumerate(sides))
    claim = parse_claim(f"forall {given}: {goal} + ({constant}) {'>' if strict else '>='} 0")
    least = constant + sum(min(slope * low, slope * (low + width)) for slope, low, width in sides)
    outcome = prove(claim)
    assert outcome.verdict == ("proved" if (least > 0 or (least == 0 and not strict)) else "refuted")
    assert outcome.leaf_programmes == 0


@given(st.integers(0, 2**32), st.integers(1, 3), st.integers(1, 3))
@settings(max_examples=25, deadline=None)
def test_no_verdict_contradicts_a_sample(seed: int, n: int, half: int) -> None:
    """Random goals: whatever is proved holds at every sampled point, and `check` passed whatever was decided."""
    import random

    rng = random.Random(seed)
    names = "xyz"[:n]
    terms = [
        f"({rng.randint(-5, 5)})*" + "*".join(f"{name}^{rng.randint(0, 2)}" for name in names)
        for _ in range(rng.randint(1, 5))
    ]
    box = ", ".join(f"{name} in [-1,{half}]" for name in names)
    claim = parse_claim(f"forall {box}: {' + '.join(terms)} + {rng.randint(0, 12)} >= 0")
    outcome = prove(claim, leaf_programmes=12)
    shown(claim, outcome)
    if outcome.verdict == "proved":
        from flint import fmpq

        for _ in range(200):
            point = [fmpq(rng.randint(-64, 64 * half), 64) for _ in range(n)]
            assert claim.goal.holds(point)
