"""Cancellations: whoever asked wants no answer any more, and the work for it stops.

A question carries a name of its own (`Hms-Job`), and whatever is said on that name's cancellation stops the work. All
of a process's agents hear on one subscription, made before anything can be asked of them. A cancellation may overtake
its question, which may have waited in line, so it counts for a while for what is yet to be taken up.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import secrets
from typing import TYPE_CHECKING

from hms_a2a import _subjects as subjects
from hms_a2a._errors import BadWire, BusError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hms_a2a._link import Incoming, Link

_log = logging.getLogger("hms_a2a")

_COUNTS_FOR_S = 5.0
#: Cancellations that are remembered for what is yet to come; of more, the oldest are forgotten.
_MOST_EARLY = 10_000


class Cancels:
    """The cancellations that a process hears."""

    def __init__(self, link: Link) -> None:
        self._link = link
        self._scopes: dict[str, asyncio.Timeout] = {}
        self._early: dict[str, float] = {}
        self._listening: asyncio.Task[None] | None = None
        self._saying: set[asyncio.Task[None]] = set()

    async def listen(self) -> None:
        """Hear cancellations from now on."""
        if self._listening is None:
            self._listening = asyncio.ensure_future(self._listen())
        await asyncio.shield(self._listening)

    async def _listen(self) -> None:
        await self._link.tap(subjects.ALL_JOB_CANCELS, self._hear)

    async def _hear(self, incoming: Incoming) -> None:
        try:
            job = subjects.parse_job_cancel(incoming.subject)
        except ValueError:
            return
        now = asyncio.get_running_loop().time()
        if (scope := self._scopes.get(job)) is not None:
            with contextlib.suppress(RuntimeError):  # it is over already
                scope.reschedule(now)
        else:
            self._forget(now)
            self._early[job] = now + _COUNTS_FOR_S

    def _forget(self, now: float) -> None:
        """Drop what counts no more; the oldest stands first."""
        while self._early:
            oldest = next(iter(self._early))
            if self._early[oldest] > now and len(self._early) < _MOST_EARLY:
                return
            del self._early[oldest]

    @contextlib.contextmanager
    def heeding(self, job: str | None, scope: asyncio.Timeout) -> Iterator[None]:
        """Have this scope time out at once when the job is cancelled."""
        if not job:
            yield
            return
        now = asyncio.get_running_loop().time()
        if self._early.pop(job, 0.0) > now:
            scope.reschedule(now)
        self._scopes[job] = scope
        try:
            yield
        finally:
            self._scopes.pop(job, None)

    def say(self, job: str) -> None:
        """Cancel a job that was asked for here, without waiting."""
        task = asyncio.ensure_future(self._say(job))
        self._saying.add(task)
        task.add_done_callback(self._saying.discard)

    async def _say(self, job: str) -> None:
        try:
            await self._link.publish(subjects.job_cancel(job), b"", {})
        except (BusError, BadWire) as error:
            _log.debug("not cancelled: %s", error)


def new_job() -> str:
    """A name for a question, which nobody guesses."""
    return secrets.token_urlsafe(16)
