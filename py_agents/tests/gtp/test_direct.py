"""What the cores prove by bounds is what is proved here, byte for byte, and nothing else."""

from __future__ import annotations

import random

import pytest

from hms_a2a.gtp import parse_claim
from hms_a2a.gtp._checker import check
from hms_a2a.gtp._direct import at_once, proved_at_once


def drawn(rng: random.Random) -> bytes:
    """A linear claim over bounds, true or false, now and then tight or strict."""
    names = "abcd"[: rng.randint(1, 4)]
    sides = {name: (rng.randint(-9, 3), rng.randint(4, 9)) for name in names}
    signs = {name: rng.choice(["in", "in", "<", ">"]) for name in names}
    bounds = []
    for name, (low, high) in sides.items():
        sign = signs[name]
        bounds.append(f"{name} in [{low},{high}]" if sign == "in" else f"{name} {sign} {low if sign == '>' else high}")
    slopes = {name: rng.randint(-5, 5) for name in names}
    least = sum(slope * sides[name][0 if slope > 0 else 1] for name, slope in slopes.items())
    goal = " + ".join(f"({slope})*{name}" for name, slope in slopes.items())
    sign = rng.choice([">=", ">"])
    return parse_claim(f"forall {', '.join(bounds)}: {goal} {sign} {least + rng.randint(-1, 1)}").to_bytes()


@pytest.mark.parametrize("seed", range(8))
def test_the_cores_prove_what_is_proved_here(seed: int) -> None:
    rng = random.Random(seed)
    proved = 0
    for body in (drawn(rng) for _ in range(100)):
        here = at_once(body)[1]
        there = proved_at_once(body)
        if there is None:
            assert here is None or here.verdict == "refuted"
            continue
        proved += 1
        assert here is not None
        assert there[1].evidence == here.evidence
        assert check(body, here.evidence or b"").verdict == "proved"
    assert proved > 10


@pytest.mark.parametrize(
    "text",
    [
        "forall x in [0,1]: x^2 >= 0",
        "forall x, y, x + y >= 1: x + y >= 0",
        "forall x in [0,1]: x >= 1/2",
        "forall x in [0,1], x = 0: x = 0",
    ],
    ids=["square", "no box", "false", "equality"],
)
def test_what_bounds_do_not_prove_is_left_to_the_search(text: str) -> None:
    assert proved_at_once(parse_claim(text).to_bytes()) is None


def test_bytes_that_are_no_claim_are_left_to_whoever_says_why() -> None:
    body = parse_claim("forall x in [0,1]: x >= 0").to_bytes()
    assert proved_at_once(body) is not None
    for spoilt in (b"", b"\x80", body[:-1], body + b"\x00", body.replace(b"claim", b"clain")):
        assert proved_at_once(spoilt) is None
