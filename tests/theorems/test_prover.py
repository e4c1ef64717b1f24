"""The prover on a fixed sample of the library, and the measuring itself. The whole is `make theorems`."""

import random
from fractions import Fraction
from math import prod
from pathlib import Path

import msgspec
import pytest

from hms_a2a.gtp import parse_claim, prove
from theorems import document
from theorems.evolution import CANDIDATES, CLAIMS, Run, interval, permutation_test, report, sign_test
from theorems.kernel import Checkers, point_of
from theorems.library import Theorem, load
from theorems.oracle import decide
from theorems.run import Trial
from theorems.statement import read
from theorems.verdicts import Result, Summary, contradiction
from theorems.worker import Ended, python

LIBRARY = {theorem.id: theorem for theorem in load()}
#: Chosen for variety: each kind of hypothesis and goal, each field.
SAMPLE = [
    "index-at-most-100",
    "index-without-upper-bound",
    "win-win-discounted",
    "win-win-only-at-the-centre",
    "certificate-spending-conserves",
    "walras-cobb-douglas",
    "equilibrium-price",
    "equilibrium-price-without-signs",
    "majority-game-has-no-core",
    "am-gm-2",
    "cauchy-2",
    "stengle",
    "bernstein-2-1",
    "motzkin-strict",
]
#: Generous, for busy machines: alone, each takes a fraction of a second.
SECONDS = 100.0


def named(*names: str) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("theorem", [LIBRARY[name] for name in names], ids=names)


def test_both_checkers_are_there() -> None:
    """`cargo test` builds the examples; without this one, the Rust kernel would be left out in silence."""
    checkers = Checkers()
    assert checkers.has_kernel, "cargo build --release --package proof --example check_lines"
    checkers.close()


@named(*SAMPLE)
def test_the_prover_decides_the_sample(theorem: Theorem) -> None:
    claim = parse_claim(theorem.claim)
    outcome = prove(claim, seconds=SECONDS)
    assert outcome.verdict == ("proved" if theorem.holds else "refuted"), outcome.reason
    assert outcome.evidence is not None
    checkers = Checkers()
    try:
        assert checkers.objection(claim.to_bytes(), outcome.evidence, outcome.verdict) == ""
    finally:
        checkers.close()
    if outcome.verdict == "refuted":
        point = dict(zip(claim.variables, point_of(outcome.evidence), strict=True))
        assert theorem.statement.is_refuted_at(point)


@pytest.mark.parametrize("theorem", LIBRARY.values(), ids=LIBRARY)
def test_the_prover_reads_the_same_claim(theorem: Theorem) -> None:
    ours, rng = theorem.statement, random.Random(theorem.id)
    body = msgspec.msgpack.decode(parse_claim(theorem.claim).to_bytes())
    assert tuple(body["variables"]) == ours.variables
    assert len(body["hypotheses"]) == len(ours.hypotheses)
    for _ in range(4):
        point = {name: Fraction(rng.randint(-5, 5), rng.randint(1, 4)) for name in ours.variables}
        coordinates = list(point.values())
        for mine, theirs in zip((*ours.hypotheses, ours.goal), (*body["hypotheses"], body["goal"]), strict=True):
            sign = -1 if mine.op in ("<=", "<") else 1
            assert theirs["relation"] == {"<=": ">=", "<": ">"}.get(mine.op, mine.op)
            value = sum(
                Fraction(term["coef"])
                * prod(coordinates[index] ** exponent for index, exponent in term.get("powers", []))
                for term in theirs["poly"]
            )
            assert value == sign * mine.difference(point)


@named("am-gm-3", "cauchy-3", "iran-1996", "kalai-smorodinsky-two-thirds", "discs-apart", "vasc-four", "schur-of-four")
def test_z3_agrees(theorem: Theorem) -> None:
    assert decide(theorem.statement, 20).verdict == ("proved" if theorem.holds else "refuted")


def test_a_trial_measures_and_checks() -> None:
    trial = Trial(SECONDS, 1, 0, with_z3=True)
    try:
        results = [trial.run(LIBRARY[name], name) for name in ("am-gm-2", "win-win-break-even")]
    finally:
        trial.close()
    assert [result.verdict for result in results] == ["proved", "refuted"]
    assert [result.z3 for result in results] == ["proved", "refuted"]
    assert all(result.is_as_hoped and result.size_bytes and result.took_ms <= result.waited_ms for result in results)
    assert Summary.of(results).is_good


def test_what_is_wrong_is_called_wrong() -> None:
    true, false = LIBRARY["am-gm-2"], LIBRARY["am-gm-3-without-signs"]
    assert contradiction(true, "proved", None) == ""
    assert contradiction(true, "refuted", None)
    assert contradiction(false, "proved", None)
    assert contradiction(false, "refuted", false.at) == ""
    assert contradiction(false, "refuted", {name: Fraction(1) for name in false.at})
    good = Result("a", "f", "true", "proved", 1, 1)
    missed = Result("b", "f", "true", "unknown", 1, 1)
    lie = Result("c", "f", "true", "refuted", 1, 1, wrong="refuted, and it is true")
    assert Summary.of([good] * 17 + [missed] * 3).is_good
    assert not Summary.of([good] * 16 + [missed] * 4).is_good
    assert not Summary.of([good] * 99 + [lie]).is_good
    assert not Summary.of([Result("d", "f", "false", "unknown", 1, 1)]).is_good


def test_a_worker_that_is_late_or_dead() -> None:
    late = python("theorems.oracle", greets=True)
    assert late.ask({"claim": LIBRARY["am-gm-10"].claim, "seconds": 60}, 0.2) is None
    assert late.ask({"claim": "x^2 >= 0", "seconds": 5}, 30) is not None
    with pytest.raises(Ended):
        late.ask({"claim": "x^2 >="}, 30)
    late.close()


def test_the_document_keeps_what_is_not_its_section(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("one\n<!-- a: begin -->\nold\n<!-- a: end -->\ntwo\n")
    document.write_section("a", "new", page)
    document.write_section("a", "newer", page)
    assert page.read_text() == "one\n<!-- a: begin -->\n\nnewer\n\n<!-- a: end -->\ntwo\n"
    with pytest.raises(ValueError, match="no section b"):
        document.write_section("b", "new", page)


def test_the_candidates_hold_as_far_as_their_text_goes() -> None:
    candidates = load(*CANDIDATES)
    assert {theorem.truth for theorem in candidates} == {"true"}
    assert len({theorem.statement for theorem in candidates}) == len(candidates)
    chosen = CLAIMS.read_text(encoding="utf-8").split()
    assert len(chosen) >= 30
    assert set(chosen) <= {theorem.id for theorem in candidates}


def test_the_statistics() -> None:
    assert sign_test(0, 0) == 1
    assert sign_test(5, 0) == pytest.approx(2 / 32)
    assert sign_test(3, 3) == 1
    rng = random.Random(0)
    assert permutation_test([0.0] * 8, rng) == 1
    assert permutation_test([1.0] * 6, rng) == pytest.approx(2 / 64, abs=0.005)
    low, high = interval([0.0, 1.0] * 20, rng)
    assert 0.3 < low < 0.5 < high < 0.7
    runs = [
        Run(name, strategy, seed, 50, "proved" if proves else "unknown", 7, 1, 1.0, "", cut=False)
        for name in ("a", "b")
        for seed in range(2)
        for strategy, proves in (("evolution", True), ("random_trees", seed == 0), ("restarts", False))
    ]
    told = report(runs, 2, 2, 50)
    assert "random trees: 50.0% of the runs" in told
    assert "restarts: 0.0% of the runs" in told
    assert "| a | 2/2 | 1/2 | 0/2 | 7 |" in told
    assert read("0 <= 1").goal.holds({})
