"""`prove` and `refute`: a claim goes in, a verdict with evidence that was checked comes out."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

from hms_a2a._errors import BadWire
from hms_a2a.gtp._budget import Budget, Spent
from hms_a2a.gtp._certificate import certificate_bytes, counterexample_bytes
from hms_a2a.gtp._checker import check
from hms_a2a.gtp._errors import BadClaim, BadEvidence
from hms_a2a.gtp._portfolio import Found, Insight, at_once, attempts

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from hms_a2a.gtp._archive import Lemma
    from hms_a2a.gtp._claim import Claim
    from hms_a2a.gtp._evolution import Migration

Verdict: TypeAlias = Literal["proved", "refuted", "unknown"]
Strategy: TypeAlias = Literal["portfolio+evolution", "portfolio", "evolution", "restarts", "random_trees"]


@dataclass(frozen=True)
class Outcome:
    """What came of a claim."""

    verdict: Verdict
    evidence: bytes | None
    """The body of a certificate or a counterexample, checked."""
    leaf_programmes: int
    took_ms: float
    method: str = ""
    """What closed it."""
    reason: str | None = None
    """For unknown: why it stopped, and how near it came."""
    generations: int = 0


@dataclass(frozen=True)
class Progress:
    """How a search fares."""

    leaf_programmes: int
    took_ms: float
    generations: int
    best: float
    """The best margin so far: −1 and below is nothing, 0 is a numerical proof."""
    best_at: str


def prove(
    claim: Claim,
    *,
    seconds: float | None = None,
    leaf_programmes: int | None = None,
    seed: int = 0,
    strategy: Strategy = "portfolio+evolution",
    should_stop: Callable[[], bool] | None = None,
    on_progress: Callable[[Progress], None] | None = None,
    migration: Migration | None = None,
    lane: tuple[int, int] = (0, 1),
    lemmas: Sequence[Lemma] = (),
    clock: Callable[[], float] = time.monotonic,
) -> Outcome:
    """Search for a proof or a counterexample.

    `lane` is which of how many processes on this claim this one is: costly attempts are dealt out between them.
    Raises `BadClaim` for a witness that does not satisfy the hypotheses.
    Without `seconds` the outcome depends on the claim, the seed, the number of leaf programmes, the strategy and the
    lemmas of earlier proofs alone.
    """
    budget = Budget(clock, seconds, leaf_programmes, should_stop)
    outcome = prove_at_once(claim, budget)
    if outcome is not None:
        return outcome
    insight = Insight(lemmas=tuple(lemmas))
    run = _Run(claim, seed, strategy, budget, insight, on_progress, migration, lane)
    reason = "exhausted"
    try:
        for found in run.successes():
            outcome = _verified(claim, found, budget, run.generations)
            if outcome is not None:
                return outcome
    except Spent as spent:
        reason = spent.reason
    if insight.best_at:
        reason += f"; the nearest was {insight.best_at}, with a margin of {insight.best:.2g}"
    return Outcome("unknown", None, budget.leaf_programmes, budget.took_ms, "", reason, run.generations)


def prove_at_once(claim: Claim, budget: Budget | None = None) -> Outcome | None:
    """What takes microseconds; None where it takes a search. Raises `BadClaim` for a witness that is none."""
    if claim.witness is not None:
        for index, hypothesis in enumerate(claim.hypotheses):
            if not hypothesis.holds(claim.witness):
                raise BadClaim(f"hypothesis {index} does not hold there", field="witness")
    found = at_once(claim)
    return None if found is None else _verified(claim, found, budget or Budget(time.monotonic), 0)


def refute(
    claim: Claim,
    *,
    seconds: float | None = None,
    seed: int = 0,
    should_stop: Callable[[], bool] | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> Outcome:
    """Search for a counterexample only."""
    from hms_a2a.gtp._farkas import violation
    from hms_a2a.gtp._linear import is_linear
    from hms_a2a.gtp._points import on_equalities
    from hms_a2a.gtp._search import Search

    budget = Budget(clock, seconds, None, should_stop)
    reason = "exhausted"
    try:
        once = at_once(claim)
        point = None if once is None else once.point
        if point is None and is_linear(claim):
            point = violation(claim)
        for round_ in range(1 if seconds is None else 1_000_000):
            if point is not None:
                break
            search = Search(claim, seed + round_, budget)
            point = search.grid().counterexample or search.descend().counterexample
            if point is None:
                point = on_equalities(claim, search, budget)
        if point is not None:
            outcome = _verified(claim, Found("search", point=point), budget, 0)
            if outcome is not None:
                return outcome
    except Spent as spent:
        reason = spent.reason
    return Outcome("unknown", None, budget.leaf_programmes, budget.took_ms, "", reason)


class _Run:
    """A strategy at work."""

    def __init__(
        self,
        claim: Claim,
        seed: int,
        strategy: Strategy,
        budget: Budget,
        insight: Insight,
        on_progress: Callable[[Progress], None] | None,
        migration: Migration | None,
        lane: tuple[int, int],
    ) -> None:
        self._claim = claim
        self._seed = seed
        self._strategy = strategy
        self._budget = budget
        self._insight = insight
        self._on_progress = on_progress
        self._migration = migration
        self._lane = lane
        self.generations = 0

    def successes(self) -> Iterator[Found]:
        """Whatever the strategy finds, until it is spent. Raises `Spent`."""
        claim, seed, budget, insight = self._claim, self._seed, self._budget, self._insight
        if self._strategy in ("portfolio+evolution", "portfolio"):
            yield from attempts(claim, seed, budget, insight, self._lane)
        if self._strategy == "portfolio" or claim.goal.sign == "=":
            return
        from hms_a2a.gtp._evolution import evolution_alone, evolve, random_trees, restarts

        if self._strategy == "restarts":
            yield from restarts(claim, seed, budget, insight)
        elif self._strategy == "random_trees":
            yield from random_trees(claim, seed, budget, insight)
        elif self._strategy == "evolution":
            yield from evolution_alone(claim, seed, budget, insight, self._generation)
        else:
            yield from evolve(claim, seed, budget, insight, self._generation, self._migration)

    def _generation(self, number: int) -> None:
        self.generations = number
        if self._on_progress is not None:
            insight, budget = self._insight, self._budget
            self._on_progress(Progress(budget.leaf_programmes, budget.took_ms, number, insight.best, insight.best_at))


def _verified(claim: Claim, found: Found, budget: Budget, generations: int) -> Outcome | None:
    """The outcome, once its evidence has passed the checker; None where it hasn't: the search goes on."""
    try:
        if found.proof is not None:
            evidence = certificate_bytes(claim.hash, found.proof)
        elif found.point is not None:
            evidence = counterexample_bytes(claim.hash, found.point)
        else:
            return None
        checked = check(claim.to_bytes(), evidence)
    except (BadEvidence, BadWire):
        return None
    return Outcome(checked.verdict, evidence, budget.leaf_programmes, budget.took_ms, found.method, None, generations)
