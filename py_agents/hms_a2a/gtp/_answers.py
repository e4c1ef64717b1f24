"""Answers to claims: at once where that is possible, from the cache, or from the workers.

This is what the service and the command line share. A claim goes through three doors: bounds (microseconds, here), a
short search in a worker, a long one in a worker that may keep it. Nothing is answered that this process's own checker
has not passed, wherever it came from: a worker, the cache or another prover.
"""

from __future__ import annotations

import asyncio
import logging
import time
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Protocol, TypeAlias

import msgspec

from hms_a2a.gtp._archive import Archive
from hms_a2a.gtp._claim import Claim
from hms_a2a.gtp._direct import at_once, proved_at_once
from hms_a2a.gtp._errors import BadClaim, BadEvidence
from hms_a2a.gtp._prove import Outcome
from hms_a2a.gtp._worker import Done, Job, Running

if TYPE_CHECKING:
    from collections.abc import Callable

    from hms_a2a.gtp._islands import Islands
    from hms_a2a.gtp._workers import Workers

_log = logging.getLogger("hms_a2a.gtp")

#: A claim's hash, and what came of it.
_Answer: TypeAlias = tuple[bytes, Outcome]

#: How long a search is short.
SHORT_S = 0.5
_LEAST_S = 0.05


class Cache(Protocol):
    """Evidence by the claim's hash. Nobody believes what is in it."""

    async def get(self, claim_hash: bytes) -> bytes | None:
        """What is kept for a claim."""

    async def put(self, claim_hash: bytes, verdict: str, evidence: bytes) -> None:
        """Keep evidence."""


@dataclass
class Counts:
    """What a prover has done."""

    decided: int = 0
    unknown: int = 0
    from_cache: int = 0


@dataclass(frozen=True)
class Ask:
    """How claims are to be searched for."""

    seconds: float
    seed: int = 0
    only_refute: bool = False
    stop: asyncio.Event | None = None
    tell: Callable[[bytes, Running], None] | None = None
    """Told how the search for the claim of a hash fares."""
    on_running: Callable[[Running], None] | None = None


class Answers:
    """Answers claims."""

    def __init__(self, workers: Workers, cache: Cache | None = None, islands: Islands | None = None) -> None:
        self._workers = workers
        self._cache = cache
        self._islands = islands
        self._turn = asyncio.Lock()
        self.counts = Counts()
        #: What was proved here, for later claims.
        self.archive = Archive()

    @property
    def running(self) -> int:
        """Searches that run now."""
        return self._workers.running

    async def all(self, bodies: list[bytes], ask: Ask) -> list[_Answer]:
        """An answer for each claim, with its hash, in order. Raises `BadClaim` where one cannot be read."""
        until = asyncio.get_running_loop().time() + ask.seconds
        answers: list[_Answer | Claim] = []
        # One request after the other: taking turns within them, all would be answered as late as the last.
        async with self._turn:
            for index, body in enumerate(bodies):
                try:
                    answers.append(_easily(body, only_refute=ask.only_refute))
                except BadClaim as error:
                    field = f"claims[{index}]" + (f".{error.field}" if error.field else "")
                    raise BadClaim(error.reason, field=field) from error
                if index % 8 == 7:
                    await asyncio.sleep(0)  # other requests are heard in between
        hard = [claim for claim in answers if isinstance(claim, Claim)]
        found = iter(await asyncio.gather(*(self._search(claim, ask, until, len(hard)) for claim in hard)))
        results = [(answer.hash, next(found)) if isinstance(answer, Claim) else answer for answer in answers]
        for _, outcome in results:
            if outcome.verdict == "unknown":
                self.counts.unknown += 1
            else:
                self.counts.decided += 1
        return results

    async def _search(self, claim: Claim, ask: Ask, until: float, many: int) -> Outcome:
        loop = asyncio.get_running_loop()
        began = time.monotonic()
        if ask.tell is not None:
            ask = replace(ask, on_running=partial(ask.tell, claim.hash))
        cached = await self._cached(claim)
        if cached is not None and not (ask.only_refute and cached.verdict == "proved"):
            self.counts.from_cache += 1
            return cached
        body = claim.to_bytes()
        # Where many claims are hard, each gets its share of the time that all have.
        share = max(_LEAST_S, (until - loop.time()) * self._workers.count / max(many, self._workers.count))
        lemmas = [] if ask.only_refute else self.archive.sources(claim)
        job = Job(body, min(SHORT_S, share), ask.seed, ask.only_refute, lemmas=lemmas)
        done = await self._workers.run(job, is_long=False, until=until, stop=ask.stop)
        if done.verdict == "unknown" and not _stopped(ask) and until - loop.time() > _LEAST_S and share > SHORT_S:
            done = await self._long(msgspec.structs.replace(job, seconds=share), ask, until)
        outcome = verified(claim, done, (time.monotonic() - began) * 1000)
        if outcome.evidence is not None and outcome.verdict == "proved":
            self.archive.learn(claim, outcome.evidence)
        if outcome.evidence is not None and self._cache is not None:
            await self._cache.put(claim.hash, outcome.verdict, outcome.evidence)
        return outcome

    async def _long(self, job: Job, ask: Ask, until: float) -> Done:
        if self._islands is not None and not ask.only_refute:
            return await self._islands.search(job, min(until, asyncio.get_running_loop().time() + job.seconds), ask)
        return await self._workers.run(job, is_long=True, until=until, stop=ask.stop, on_running=ask.on_running)

    async def _cached(self, claim: Claim) -> Outcome | None:
        if self._cache is None:
            return None
        evidence = await self._cache.get(claim.hash)
        if evidence is None:
            return None
        outcome = verified(claim, Done("cached", evidence, 0.0, "cache", None, 0, 0), 0.0)
        return outcome if outcome.evidence is not None else None


def _easily(body: bytes, *, only_refute: bool) -> _Answer | Claim:
    """What takes no search to answer; the claim where it takes one. Raises `BadClaim`."""
    answer = None if only_refute else proved_at_once(body)
    if answer is not None:
        return answer
    claim, outcome = at_once(body)
    if outcome is None or (only_refute and outcome.verdict == "proved"):
        return claim
    return claim.hash, outcome


def _stopped(ask: Ask) -> bool:
    return ask.stop is not None and ask.stop.is_set()


def verified(claim: Claim, done: Done, took_ms: float) -> Outcome:
    """What a search came to, its evidence checked here."""
    from hms_a2a.gtp._checker import check

    if done.evidence is None:
        return Outcome("unknown", None, done.leaf_programmes, took_ms, done.method, done.reason, done.generations)
    try:
        checked = check(claim.to_bytes(), done.evidence)
    except (BadClaim, BadEvidence) as error:
        _log.warning("evidence that does not hold was thrown away (%s): %s", done.method, error)
        return Outcome("unknown", None, done.leaf_programmes, took_ms, "", "evidence did not hold", 0)
    return Outcome(checked.verdict, done.evidence, done.leaf_programmes, took_ms, done.method, None, done.generations)
