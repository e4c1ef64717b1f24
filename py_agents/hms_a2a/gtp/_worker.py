"""A worker: a process that searches for one claim at a time, so that a long search blocks nobody else.

It reads jobs as frames (four bytes of length, then MessagePack) from standard input and writes progress and outcomes as
frames to what was standard output; whatever a library prints goes to standard error. The end of its input ends it at
once, whatever it is doing: a worker never outlives who started it.
"""

from __future__ import annotations

import os
import struct
import sys
import threading
import time
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any, BinaryIO

import msgspec

if TYPE_CHECKING:
    from hms_a2a.gtp._archive import Lemma
    from hms_a2a.gtp._genes import Tree
    from hms_a2a.gtp._prove import Progress

_LENGTH = struct.Struct(">I")
_PROGRESS_EVERY_S = 0.1
_GUESTS_WITHIN_S = 5.0


class Job(msgspec.Struct, frozen=True, tag="job"):
    """A claim to search for."""

    claim: bytes
    seconds: float
    seed: int = 0
    only_refute: bool = False
    lane: tuple[int, int] = (0, 1)
    """Which of how many processes on the same claim this one is."""
    leaf_programmes: int | None = None
    lemmas: list[tuple[bytes, bytes]] = []
    """Claims and certificates that were proved before, and say something about this one."""
    is_island: bool = False
    """Whether it exchanges migrants with its neighbours."""


class Guests(msgspec.Struct, frozen=True, tag="guests"):
    """A neighbouring island's best of an epoch."""

    epoch: int
    trees: bytes


class Stop(msgspec.Struct, frozen=True, tag="stop"):
    """Stop with the best so far."""


class Done(msgspec.Struct, frozen=True, tag="done"):
    """How a job ended."""

    verdict: str
    evidence: bytes | None
    took_ms: float
    method: str
    reason: str | None
    leaf_programmes: int
    generations: int


class Running(msgspec.Struct, frozen=True, tag="running"):
    """How a job fares."""

    leaf_programmes: int
    took_ms: float
    generations: int
    best: float
    best_at: str


class Leaving(msgspec.Struct, frozen=True, tag="leaving"):
    """This island's best of an epoch."""

    epoch: int
    trees: bytes


def write_frame(to: BinaryIO, message: msgspec.Struct) -> None:
    """Write a frame."""
    body = msgspec.msgpack.encode(message)
    to.write(_LENGTH.pack(len(body)) + body)
    to.flush()


def main() -> None:
    """Work until the input ends."""
    frames = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    jobs: SimpleQueue[Job] = SimpleQueue()
    guests: SimpleQueue[Guests | None] = SimpleQueue()
    stopped = threading.Event()
    threading.Thread(target=_listen, args=(jobs, guests, stopped), daemon=True).start()
    _warm()
    while True:
        job = jobs.get()
        stopped.clear()
        write_frame(frames, _work(job, stopped, frames, guests))


def _listen(jobs: SimpleQueue[Job], guests: SimpleQueue[Guests | None], stopped: threading.Event) -> None:
    decoder = msgspec.msgpack.Decoder(Job | Stop | Guests)
    source = os.fdopen(os.dup(0), "rb")
    while True:
        head = source.read(_LENGTH.size)
        body = source.read(_LENGTH.unpack(head)[0]) if len(head) == _LENGTH.size else b""
        if not body:
            os._exit(0)
        message = decoder.decode(body)
        if isinstance(message, Job):
            jobs.put(message)
        elif isinstance(message, Guests):
            guests.put(message)
        else:
            stopped.set()
            guests.put(None)


def _warm() -> None:
    """Bring the libraries in before the first job needs them, each to compute in one thread."""
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ.setdefault(name, "1")
    import clarabel
    import highspy

    from hms_a2a.gtp import _evolution, _exact, _farkas, _numeric, _search

    del clarabel, highspy, _evolution, _exact, _farkas, _numeric, _search


class Strait:
    """The way of migrants between this island and its neighbour, by way of the process that started this one."""

    def __init__(self, n: int, frames: BinaryIO, guests: SimpleQueue[Guests | None]) -> None:
        self._n = n
        self._frames = frames
        self._guests = guests
        self._came: dict[int, bytes] = {}
        self._is_open = True

    def exchange(self, epoch: int, trees: list[tuple[int, Tree]]) -> list[tuple[int, Tree]]:
        """Hand over this island's best, and wait for the neighbour's of the epoch before."""
        from hms_a2a.gtp._migrants import read_trees, write_trees

        write_frame(self._frames, Leaving(epoch, write_trees(trees)))
        end = time.monotonic() + _GUESTS_WITHIN_S
        while self._is_open and epoch > 1 and epoch - 1 not in self._came:
            try:
                guests = self._guests.get(timeout=max(0.0, end - time.monotonic()))
            except Empty:
                print("worker: the neighbouring island is silent and was dropped", file=sys.stderr)
                guests = None
            if guests is None:
                self._is_open = False
            else:
                self._came[guests.epoch] = guests.trees
        try:
            return read_trees(self._came.pop(epoch - 1), self._n) if epoch - 1 in self._came else []
        except ValueError as error:
            print(f"worker: migrants that cannot be read: {error}", file=sys.stderr)
            return []


def _work(job: Job, stopped: threading.Event, frames: BinaryIO, guests: SimpleQueue[Guests | None]) -> Done:
    from hms_a2a.gtp._claim import Claim
    from hms_a2a.gtp._prove import prove, refute

    said = time.monotonic()

    def progress(now: Progress) -> None:
        nonlocal said
        if time.monotonic() - said >= _PROGRESS_EVERY_S:
            said = time.monotonic()
            write_frame(frames, Running(now.leaf_programmes, now.took_ms, now.generations, now.best, now.best_at))

    try:
        claim = Claim.from_bytes(job.claim)
        if job.only_refute:
            outcome = refute(claim, seconds=job.seconds, seed=job.seed, should_stop=stopped.is_set)
        else:
            outcome = prove(
                claim,
                seconds=job.seconds,
                leaf_programmes=job.leaf_programmes,
                seed=job.seed,
                should_stop=stopped.is_set,
                on_progress=progress,
                migration=Strait(claim.n, frames, guests) if job.is_island else None,
                lane=job.lane,
                lemmas=_lemmas(job),
            )
    except (ArithmeticError, MemoryError, RecursionError, ValueError) as error:
        # A search that fails is a search that found nothing.
        print(f"worker: {type(error).__name__}: {error}", file=sys.stderr)
        return Done("unknown", None, 0.0, "", f"the search failed: {type(error).__name__}", 0, 0)
    return Done(
        outcome.verdict,
        outcome.evidence,
        outcome.took_ms,
        outcome.method,
        outcome.reason,
        outcome.leaf_programmes,
        outcome.generations,
    )


def _lemmas(job: Job) -> list[Lemma]:
    from hms_a2a.gtp._archive import lemmas_of
    from hms_a2a.gtp._claim import Claim

    return [lemma for body, evidence in job.lemmas for lemma in lemmas_of(Claim.from_bytes(body), evidence)]


def read_message(body: bytes) -> Done | Running | Leaving:
    """A message of a worker. Raises `msgspec.MsgspecError`."""
    message: Any = _FROM_WORKER.decode(body)
    return message  # type: ignore[no-any-return]


_FROM_WORKER = msgspec.msgpack.Decoder(Done | Running | Leaving)

if __name__ == "__main__":
    main()
