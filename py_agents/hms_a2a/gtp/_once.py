"""Claims from standard input, one JSON object a line, answers to standard output: the prover without a bus.

A request is ``{"claim": "<hex>"}`` or ``{"text": "forall x: x^2 >= 0"}`` with `budget_ms`, `seed` and ``"only":
"refute"`` if wanted. Answers come in the order of the requests. With several jobs a hard claim is searched for by as
many processes with different seeds, and the first verdict wins.
"""

from __future__ import annotations

import asyncio
import os
import sys
import threading
import time
from typing import TYPE_CHECKING, Literal

import msgspec

from hms_a2a.gtp._answers import verified
from hms_a2a.gtp._claim import Claim
from hms_a2a.gtp._errors import BadClaim
from hms_a2a.gtp._grammar import parse_claim
from hms_a2a.gtp._prove import Outcome, prove_at_once
from hms_a2a.gtp._worker import Done, Job
from hms_a2a.gtp._workers import Worker

if TYPE_CHECKING:
    from typing import BinaryIO

DEFAULT_BUDGET_MS = 10_000
_MOST_BUDGET_MS = 24 * 3_600_000


class Request(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """A line of standard input."""

    claim: str | None = None
    text: str | None = None
    budget_ms: int = DEFAULT_BUDGET_MS
    seed: int = 0
    only: Literal["prove", "refute"] = "prove"


class Answer(msgspec.Struct, kw_only=True):
    """A line of standard output."""

    claim: str
    claim_hash: str
    verdict: str
    evidence: str | None
    took_ms: float
    method: str
    reason: str | None
    leaf_programmes: int
    generations: int
    seed: int


class Fault(msgspec.Struct, kw_only=True):
    """What is wrong with a request."""

    field: str
    column: int | None
    reason: str


class Faulty(msgspec.Struct, kw_only=True):
    """The answer to a bad request."""

    error: Fault


async def answer_lines(jobs: int) -> None:
    """Answer until the input ends."""
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # whatever a library prints is no answer
    workers = [Worker() for _ in range(jobs)]
    lines: asyncio.Queue[bytes | None] = asyncio.Queue()
    _read_lines(asyncio.get_running_loop(), lines)
    try:
        while (line := await lines.get()) is not None:
            if line.strip():
                _write(answers, await _answer(line, workers))
    finally:
        await asyncio.gather(*(worker.close() for worker in workers))


async def _answer(line: bytes, workers: list[Worker]) -> Answer | Faulty:
    began = time.monotonic()
    try:
        request = msgspec.json.decode(line, type=Request)
    except msgspec.MsgspecError as error:
        reason, _, place = str(error).partition(" - at `$.")
        return Faulty(error=Fault(field=place.rstrip("`"), column=None, reason=reason))
    if not 1 <= request.budget_ms <= _MOST_BUDGET_MS:
        return Faulty(error=Fault(field="budget_ms", column=None, reason=f"1 to {_MOST_BUDGET_MS}"))
    field = "text" if request.text is not None else "claim"
    try:
        claim = _claim(request)
        body = claim.to_bytes()
    except BadClaim as error:
        at = f"{field}.{error.field}" if error.field else field
        return Faulty(error=Fault(field=at, column=error.column, reason=error.reason))
    outcome = prove_at_once(claim)
    seed = request.seed
    if outcome is None or (request.only == "refute" and outcome.verdict == "proved"):
        seconds = request.budget_ms / 1000 - (time.monotonic() - began)
        outcome, seed = await _searched(claim, body, request, max(0.01, seconds), workers)
    return Answer(
        claim=body.hex(),
        claim_hash=claim.hash.hex(),
        verdict=outcome.verdict,
        evidence=None if outcome.evidence is None else outcome.evidence.hex(),
        took_ms=round((time.monotonic() - began) * 1000, 3),
        method=outcome.method,
        reason=outcome.reason,
        leaf_programmes=outcome.leaf_programmes,
        generations=outcome.generations,
        seed=seed,
    )


def _claim(request: Request) -> Claim:
    if (request.text is None) == (request.claim is None):
        raise BadClaim("either a claim or a text")
    if request.text is not None:
        return parse_claim(request.text)
    try:
        body = bytes.fromhex(request.claim or "")
    except ValueError:
        raise BadClaim("not hexadecimal") from None
    return Claim.from_bytes(body)


async def _searched(
    claim: Claim, body: bytes, request: Request, seconds: float, workers: list[Worker]
) -> tuple[Outcome, int]:
    """The first verdict of all workers, and its seed; the first worker's answer where there is none."""
    # A worker that the last search left at its deadline may still be at it.
    await asyncio.gather(*(worker.settle() for worker in workers))
    count = len(workers)
    only_refute = request.only == "refute"
    searches = [
        asyncio.ensure_future(
            worker.run(Job(body, seconds, request.seed + lane, only_refute, (lane, count)), None, None)
        )
        for lane, worker in enumerate(workers)
    ]
    waiting = set(searches)
    last: Done | None = None
    try:
        while waiting:
            done, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            for search in searches:
                if search in done:
                    outcome = verified(claim, search.result(), search.result().took_ms)
                    if outcome.verdict != "unknown":
                        return outcome, request.seed + searches.index(search)
                    last = last or search.result()
    finally:
        for search in waiting:
            search.cancel()
        await asyncio.gather(*searches, return_exceptions=True)
    assert last is not None  # noqa: S101 # there is a worker
    return verified(claim, last, last.took_ms), request.seed


def _write(to: BinaryIO, answer: Answer | Faulty) -> None:
    to.write(msgspec.json.encode(answer) + b"\n")
    to.flush()


def _read_lines(loop: asyncio.AbstractEventLoop, lines: asyncio.Queue[bytes | None]) -> None:
    """Read lines in a thread that nobody needs to wait for, straight from the descriptor."""
    descriptor = sys.stdin.fileno()

    def read() -> None:
        left = b""
        try:
            while chunk := os.read(descriptor, 2**16):
                *whole, left = (left + chunk).split(b"\n")
                for line in whole:
                    loop.call_soon_threadsafe(lines.put_nowait, line)
            if left:
                loop.call_soon_threadsafe(lines.put_nowait, left)
            loop.call_soon_threadsafe(lines.put_nowait, None)
        except RuntimeError:
            return  # the loop is closed: nobody is interested any more

    threading.Thread(target=read, daemon=True).start()
