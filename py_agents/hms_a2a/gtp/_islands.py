"""Islands: provers that evolve one claim together when one of them has found it hard.

Whoever searches long calls for help on ``topic.gtp.islands``; idle provers say that they come, and the caller fixes
who is island 0, 1, 2, … Every few generations an island publishes its best trees and waits for those of its left
neighbour of the same epoch, so that what it computes depends on the seed, its place and its neighbours alone, and not
on who is faster. A neighbour that stays silent is dropped, which is logged. The first verdict ends it for all; the
caller checks it as it checks everything.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import itertools
import logging
from typing import TYPE_CHECKING, Any

import msgspec

from hms_a2a import _subjects as subjects
from hms_a2a._errors import BusError
from hms_a2a.gtp._answers import Ask, verified
from hms_a2a.gtp._claim import Claim
from hms_a2a.gtp._errors import BadClaim
from hms_a2a.gtp._migrants import MOST_BYTES
from hms_a2a.gtp._worker import Done, Guests, Job
from hms_a2a.gtp._workers import Route

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from hms_a2a._client import Incoming
    from hms_a2a._link import Link, Tap
    from hms_a2a.gtp._workers import Workers

_log = logging.getLogger("hms_a2a.gtp")

CALL = "gtp.islands"
#: How long a caller waits for those who come.
GATHER_S = 0.2
MOST_ISLANDS = 16
_MOST_CLAIM_BYTES = 2**20
_BEGIN_WITHIN_S = 2.0
#: The longest search that a helper joins; a caller that is gone says so, unless it was killed.
_LONGEST_S = 3_600.0
#: Between the seeds of neighbouring islands.
_SEEDS_APART = 1_000_003
_serial = itertools.count()


class Called(msgspec.Struct, frozen=True, kw_only=True, tag="call"):
    """Who helps with this?"""

    job: str


class Coming(msgspec.Struct, frozen=True, kw_only=True, tag="coming"):
    """I do."""

    prover: str


class Begin(msgspec.Struct, frozen=True, kw_only=True, tag="begin"):
    """Who is which island, and what it is about."""

    islands: list[str]
    claim: bytes
    seed: int
    seconds: float


class Migrants(msgspec.Struct, frozen=True, kw_only=True, tag="migrants"):
    """An island's best of an epoch."""

    island: int
    epoch: int
    trees: bytes


class Over(msgspec.Struct, frozen=True, kw_only=True, tag="over"):
    """It has ended: with evidence, or because the caller has gone."""

    evidence: bytes = b""


_reader = msgspec.msgpack.Decoder(Called | Coming | Begin | Migrants | Over)


def place(job: str) -> str:
    """Where the islands of a job talk to each other."""
    return subjects.topic(f"{CALL}.{job}")


class Archipelago:
    """One job's islands, as one of them sees it."""

    def __init__(self, link: Link, job: str) -> None:
        self._link = link
        self._job = job
        self._tap: Tap | None = None
        self.coming: list[str] = []
        self.begin: asyncio.Future[Begin] = asyncio.get_running_loop().create_future()
        self.over: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self.on_migrants: Callable[[Migrants], Awaitable[None]] | None = None

    async def open(self) -> None:
        """Listen. Raises `BusError`."""
        self._tap = await self._link.tap(place(self._job), self._take)

    async def close(self) -> None:
        """Listen no more."""
        if self._tap is not None:
            await self._tap.stop()

    async def say(self, message: msgspec.Struct) -> None:
        """Tell the others; that nobody hears it is no error."""
        with contextlib.suppress(BusError):
            await self._link.publish(place(self._job), msgspec.msgpack.encode(message), {})

    async def _take(self, incoming: Incoming) -> None:
        message = read(incoming.body)
        if isinstance(message, Coming):
            if message.prover not in self.coming and len(self.coming) < MOST_ISLANDS - 1:
                self.coming.append(message.prover)
        elif isinstance(message, Begin):
            if not self.begin.done():
                self.begin.set_result(message)
        elif isinstance(message, Over):
            if not self.over.done():
                self.over.set_result(message.evidence)
        elif isinstance(message, Migrants) and self.on_migrants is not None and len(message.trees) <= MOST_BYTES:
            await self.on_migrants(message)


def read(body: bytes) -> msgspec.Struct | None:
    """A message of islands; None for anything else."""
    if len(body) > 2 * _MOST_CLAIM_BYTES:
        return None
    try:
        message: msgspec.Struct = _reader.decode(body)
    except msgspec.MsgspecError as error:
        _log.debug("not a message of islands: %s", error)
        return None
    return message


class Islands:
    """A prover's part in islands: it calls others to its own long searches, and comes to theirs when it is idle."""

    def __init__(self, link: Link, workers: Workers, name: str) -> None:
        self._link = link
        self._workers = workers
        self._name = name
        self._tap: Tap | None = None
        self._helping: set[asyncio.Task[None]] = set()
        #: Searches of others that this prover has joined.
        self.joined = 0

    async def start(self) -> None:
        """Listen to calls. Raises `BusError`."""
        self._tap = await self._link.tap(subjects.topic(CALL), self._hear)

    async def stop(self) -> None:
        """Listen no more, and leave what was joined."""
        if self._tap is not None:
            await self._tap.stop()
        for task in self._helping:
            task.cancel()

    async def search(self, job: Job, until: float, ask: Ask) -> Done:
        """A long search with all who come; the first evidence that holds ends it."""
        name = f"{hashlib.sha256(job.claim).hexdigest()[:16]}-{self._name}-{next(_serial)}"
        sea = Archipelago(self._link, name)
        await sea.open()
        try:
            with contextlib.suppress(BusError):
                body = msgspec.msgpack.encode(Called(job=name))
                await self._link.publish(subjects.topic(CALL), body, {})
            await asyncio.sleep(GATHER_S)
            islands = [self._name, *sorted(sea.coming)]
            if len(islands) == 1:
                return await self._workers.run(job, is_long=True, until=until, stop=ask.stop, on_running=ask.on_running)
            seconds = max(0.01, until - asyncio.get_running_loop().time())
            # Who came in time is the one thing here that no seed decides, so it is told.
            _log.info("islands of %s: %s, seed %d", name, ", ".join(islands), job.seed)
            await sea.say(Begin(islands=islands, claim=job.claim, seed=job.seed, seconds=seconds))
            return await self._as_island(sea, job, 0, len(islands), until, ask)
        finally:
            await sea.say(Over())
            await sea.close()

    async def _as_island(self, sea: Archipelago, job: Job, k: int, of: int, until: float, ask: Ask) -> Done:
        """Search as island k, until it or another has found something."""
        stop = asyncio.Event()
        route = Route(lambda epoch, trees: sea.say(Migrants(island=k, epoch=epoch, trees=trees)))

        async def guests(migrants: Migrants) -> None:
            if migrants.island == (k - 1) % of:
                await route.bring(Guests(migrants.epoch, migrants.trees))

        sea.on_migrants = guests
        job = msgspec.structs.replace(job, seed=job.seed + k * _SEEDS_APART, lane=(k, of), is_island=True)
        own = asyncio.ensure_future(
            self._workers.run(job, is_long=True, until=until, stop=stop, on_running=ask.on_running, route=route)
        )
        asked = asyncio.ensure_future(ask.stop.wait()) if ask.stop is not None else None
        watched: set[asyncio.Future[Any]] = {own, sea.over}
        if asked is not None:
            watched.add(asked)
        try:
            while not own.done():
                done, _ = await asyncio.wait(watched, return_when=asyncio.FIRST_COMPLETED)
                if sea.over in done:
                    watched.discard(sea.over)
                    theirs = Done("found", sea.over.result() or None, 0.0, "islands", None, 0, 0)
                    if k == 0 and verified(Claim.from_bytes(job.claim), theirs, 0.0).evidence is not None:
                        return theirs
                    if k:
                        stop.set()
                if asked is not None and asked in done:
                    watched.discard(asked)
                    stop.set()
            return own.result()
        finally:
            stop.set()
            if asked is not None:
                asked.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await own

    async def _hear(self, incoming: Incoming) -> None:
        message = read(incoming.body)
        ours = isinstance(message, Called) and f"-{self._name}-" in message.job
        if isinstance(message, Called) and not ours and not self._helping and self._workers.running == 0:
            task = asyncio.ensure_future(self._help(message.job))
            self._helping.add(task)
            task.add_done_callback(self._helping.discard)

    async def _help(self, name: str) -> None:
        try:
            sea = Archipelago(self._link, name)
            await sea.open()
        except (ValueError, BusError) as error:
            _log.debug("a call that cannot be followed: %s", error)
            return
        try:
            await sea.say(Coming(prover=self._name))
            begin = await asyncio.wait_for(sea.begin, _BEGIN_WITHIN_S)
            if self._name not in begin.islands[1:] or len(begin.claim) > _MOST_CLAIM_BYTES:
                return
            claim = Claim.from_bytes(begin.claim)
            self.joined += 1
            seconds = min(begin.seconds, _LONGEST_S)
            until = asyncio.get_running_loop().time() + seconds
            job, k = Job(begin.claim, seconds, begin.seed), begin.islands.index(self._name)
            done = await self._as_island(sea, job, k, len(begin.islands), until, Ask(seconds))
            if done.evidence is not None and verified(claim, done, 0.0).evidence is not None:
                await sea.say(Over(evidence=done.evidence))
        except (TimeoutError, BadClaim) as error:
            _log.debug("a call that came to nothing: %s", str(error) or "it did not begin")
        finally:
            await sea.close()
