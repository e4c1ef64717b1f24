"""Cancellations: whoever asked wants no answer any more, and the work for it stops.

A question carries a name of its own (`Hms-Job`), and whatever is said on that name's cancellation stops the work. All
of a process's agents hear on one subscription, made before anything can be asked of them. A cancellation may overtake
its question, which may have waited in line, so it counts for a while for what is yet to be taken up.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from hms_a2a import _subjects as subjects
from hms_a2a._errors import BadWire, BusError
from hms_a2a._fresh import fresh

if TYPE_CHECKING:
    from hms_a2a._alarms import Alarms
    from hms_a2a._client import Incoming
    from hms_a2a._link import Link

_log = logging.getLogger("hms_a2a")

_COUNTS_FOR_S = 5.0
#: Cancellations that are remembered for what is yet to come; of more, the oldest are forgotten.
_MOST_EARLY = 10_000


class Scope:
    """Work that stops where it waits, for ``with``: what follows goes on, and `stopped` says whether it was.

    It is `asyncio.timeout` without an object for each timer, and without an exception for what is no error.
    """

    __slots__ = ("_alarm", "_alarms", "_cancelling", "_is_over", "_job", "_others", "_task", "_within_s", "stopped")

    def __init__(
        self, others: dict[str, Scope], alarms: Alarms, job: str | None, within_s: float | None, is_over: bool
    ) -> None:
        self._others = others
        self._alarms = alarms
        self._job = job
        self._within_s = within_s
        self._is_over = is_over
        self.stopped = False

    def stop(self) -> None:
        """Cancel what is under way."""
        if not self.stopped:
            self.stopped = True
            self._task.cancel()

    def __enter__(self) -> None:
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 # a task runs this
        self._task = task
        self._cancelling = task.cancelling()
        if self._job:
            self._others[self._job] = self
        if self._is_over:
            self.stop()
        self._alarm = self._alarms.set(self._within_s, self.stop) if self._within_s is not None else None

    def __exit__(self, kind: type[BaseException] | None, error: object, trace: object) -> bool:
        if self._alarm is not None:
            self._alarms.drop(self._alarm, self.stop)
        if self._job:
            self._others.pop(self._job, None)
        # Who cancelled the task besides wants it to end.
        alone = self.stopped and self._task.uncancel() <= self._cancelling
        return alone and kind is asyncio.CancelledError


class Cancels:
    """The cancellations that a process hears."""

    def __init__(self, link: Link) -> None:
        self._link = link
        self._scopes: dict[str, Scope] = {}
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
            scope.stop()
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

    def came_first(self, job: str | None) -> bool:
        """Whether a job that is to be taken up was cancelled before."""
        return bool(self._early) and self._early.pop(job or "", 0.0) > asyncio.get_running_loop().time()

    def scope(self, job: str | None, within_s: float | None = None) -> Scope:
        """Work for a job: it stops when the job is cancelled, and after so many seconds."""
        return Scope(self._scopes, self._link.alarms, job, within_s, self.came_first(job))

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
    return fresh().hex()
