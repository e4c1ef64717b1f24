"""Work in the background: so many pieces at once, in line where order matters, and no failure ends anything else."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

_log = logging.getLogger("hms_a2a")

_AGAIN_S = 0.5


async def ended(*tasks: asyncio.Future[Any]) -> None:
    """Cancel tasks, and wait until they have ended.

    Once is not always enough: a time-out of Python 3.11 (`asyncio.wait_for`, which nats-py's requests stand on) loses a
    cancellation that comes just when what it waits for is done.
    """
    running = {task for task in tasks if not task.done()}
    while running:
        for task in running:
            task.cancel()
        _, running = await asyncio.wait(running, timeout=_AGAIN_S)


class Crew:
    """Runs handlers as tasks behind a semaphore.

    Pieces of work with the same `line` run one after the other, in the order in which they came; all others side by
    side. One that fails is logged, and that is all.
    """

    def __init__(self, name: str, at_once: int) -> None:
        if at_once < 1:
            raise ValueError("at least one piece of work must be possible at once")
        self._name = name
        self._places = asyncio.Semaphore(at_once)
        self._tasks: set[asyncio.Task[None]] = set()
        self._lines: dict[str, asyncio.Task[None]] = {}
        self.failures = 0

    async def run(
        self, what: str, work: Callable[[], Awaitable[object]], line: str | None = None
    ) -> asyncio.Task[None]:
        """Have this done as soon as there is a place for it; returns once it has one.

        Whoever brings work waits here while there is too much of it. The task ends when the work does, well or badly;
        it is cancelled only by `finish`.
        """
        await self._places.acquire()
        before = self._lines.get(line) if line is not None else None
        task = asyncio.ensure_future(self._do(what, work, before))
        self._tasks.add(task)
        if line is not None:
            self._lines[line] = task
        task.add_done_callback(lambda done: self._over(done, line))
        return task

    async def _do(self, what: str, work: Callable[[], Awaitable[object]], before: asyncio.Task[None] | None) -> None:
        # Whoever is before in the line has had its place for longer, so the first of them is at work.
        if before is not None:
            await asyncio.wait({before})
        try:
            await work()
        except Exception:
            self.failed(what)

    def failed(self, what: str) -> None:
        """Log the exception at hand, which ended a piece of work."""
        self.failures += 1
        _log.exception("%s: %s failed", self._name, what)

    def _over(self, task: asyncio.Task[None], line: str | None) -> None:
        self._places.release()
        self._tasks.discard(task)
        if line is not None and self._lines.get(line) is task:
            del self._lines[line]

    async def finish(self, within_s: float) -> None:
        """Wait for what is under way, and cancel what takes longer."""
        # Work may ask for more work, so look again until there is none.
        loop = asyncio.get_running_loop()
        deadline = loop.time() + within_s
        while others := self._tasks - {asyncio.current_task()}:
            _, late = await asyncio.wait(others, timeout=max(0.0, deadline - loop.time()))
            if late and loop.time() >= deadline:
                _log.warning("%s: gave up %d pieces of work", self._name, len(late))
                await ended(*late)
                return
