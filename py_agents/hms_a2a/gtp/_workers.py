"""The processes that search, as the service sees them.

Short searches and long ones share them, and one is always left for the short: a claim that takes milliseconds never
waits behind one that takes minutes. A worker that does not stop in time is killed and replaced, and what it searched
for is unknown.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import struct
import sys
from typing import TYPE_CHECKING, Any

import msgspec

from hms_a2a.gtp._worker import Done, Guests, Job, Leaving, Running, Stop, read_message

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from typing import Self

_log = logging.getLogger("hms_a2a.gtp")

_LENGTH = struct.Struct(">I")
#: How long after its time a worker may take to say so, before its asker is told that nothing is known.
GRACE_S = 0.05
#: How long a worker may take to stop when it is asked to, before its asker is told.
STOP_GRACE_S = 0.3
#: How long a worker may take to be free again, before its process is replaced.
SETTLE_S = 3.0
_LARGEST_FRAME = 64 * 2**20


class Route:
    """The way of migrants to and from the process that searches."""

    def __init__(self, leave: Callable[[int, bytes], Awaitable[None]]) -> None:
        self.leave = leave
        self._early: list[Guests] = []
        self._worker: Worker | None = None

    async def attach(self, worker: Worker) -> None:
        """Have this worker from now on, and bring it what came before."""
        self._worker = worker
        for guests in self._early:
            await worker.bring(guests)

    async def bring(self, guests: Guests) -> None:
        """Bring a neighbour's migrants."""
        if self._worker is None:
            self._early.append(guests)
        else:
            await self._worker.bring(guests)


class Worker:
    """One process."""

    def __init__(self) -> None:
        self._process: asyncio.subprocess.Process | None = None
        self.answering: asyncio.Future[Done] | None = None

    async def bring(self, guests: Guests) -> None:
        """Bring it migrants."""
        with contextlib.suppress(OSError):
            await self._say(guests)

    async def run(
        self,
        job: Job,
        stop: asyncio.Event | None,
        on_running: Callable[[Running], None] | None,
        route: Route | None = None,
    ) -> Done:
        """Have it search. What it does not answer in time is unknown, and it may still be busy: `settle` it."""
        loop = asyncio.get_running_loop()
        self.answering = asyncio.ensure_future(self._work(job, on_running, route))
        stopping = asyncio.ensure_future(stop.wait()) if stop is not None else None
        watched: set[asyncio.Future[Any]] = {self.answering} | ({stopping} if stopping is not None else set())
        deadline = loop.time() + job.seconds + GRACE_S
        try:
            done, _ = await asyncio.wait(watched, timeout=job.seconds + GRACE_S, return_when=asyncio.FIRST_COMPLETED)
            if stopping in done and not self.answering.done():
                await self._say(Stop())
                await asyncio.wait({self.answering}, timeout=min(STOP_GRACE_S, max(0.0, deadline - loop.time())))
        except asyncio.CancelledError:
            self.kill()
            raise
        finally:
            if stopping is not None:
                stopping.cancel()
        if self.answering.done():
            return self.answering.result()
        reason = "cancelled" if stop is not None and stop.is_set() else "deadline"
        return Done("unknown", None, job.seconds * 1000, "", reason, 0, 0)

    async def settle(self) -> None:
        """Wait until it is free again; where that takes too long, its process is replaced."""
        if self.answering is not None and not self.answering.done():
            if self._process is not None:
                with contextlib.suppress(OSError):
                    await self._say(Stop())
            await asyncio.wait({self.answering}, timeout=SETTLE_S)
            if not self.answering.done():
                self.kill()
                await asyncio.wait({self.answering})
        await self._alive()

    async def _work(self, job: Job, on_running: Callable[[Running], None] | None, route: Route | None = None) -> Done:
        process = None
        try:
            process = await self._alive()
            await self._say(job)
            if route is not None:
                await route.attach(self)
            while True:
                message = await self._read(process)
                if isinstance(message, Done):
                    return message
                if isinstance(message, Leaving):
                    if route is not None:
                        await route.leave(message.epoch, message.trees)
                elif on_running is not None:
                    on_running(message)
        except (OSError, asyncio.IncompleteReadError, msgspec.MsgspecError) as error:
            # Else it was ended on purpose, and another may be there already.
            if self._process is process:
                _log.warning("a worker ended in the middle of a search: %s", str(error) or type(error).__name__)
                self.kill()
            return Done("unknown", None, 0.0, "", "the worker ended", 0, 0)

    async def _say(self, message: msgspec.Struct) -> None:
        process = await self._alive()
        assert process.stdin is not None  # noqa: S101 # it was made with pipes
        process.stdin.write(_frame(message))
        await process.stdin.drain()

    async def _alive(self) -> asyncio.subprocess.Process:
        if self._process is None or self._process.returncode is not None:
            pipe = asyncio.subprocess.PIPE
            command = [sys.executable, "-m", "hms_a2a.gtp._worker"]
            self._process = await asyncio.create_subprocess_exec(
                *command, stdin=pipe, stdout=pipe, limit=_LARGEST_FRAME, start_new_session=True
            )
        return self._process

    @property
    def is_free(self) -> bool:
        """Whether it can take a job at once."""
        alive = self._process is not None and self._process.returncode is None
        return alive and (self.answering is None or self.answering.done())

    async def start(self) -> None:
        """Have the process, before it is needed."""
        await self._alive()

    @staticmethod
    async def _read(process: asyncio.subprocess.Process) -> Done | Running | Leaving:
        assert process.stdout is not None  # noqa: S101 # it was made with pipes
        (length,) = _LENGTH.unpack(await process.stdout.readexactly(_LENGTH.size))
        return read_message(await process.stdout.readexactly(length))

    def kill(self) -> None:
        """End the process at once."""
        process, self._process = self._process, None
        if process is not None and process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()

    async def close(self) -> None:
        """End the process, and wait until it has ended."""
        process = self._process
        self.kill()
        if process is not None:
            await process.wait()


class Workers:
    """So many processes, of which one is kept for short searches."""

    def __init__(self, count: int) -> None:
        self.count = count
        self._idle: asyncio.Queue[Worker] = asyncio.Queue()
        self._all = [Worker() for _ in range(count)]
        self._long = asyncio.Semaphore(max(1, count - 1))
        self._settling: set[asyncio.Task[None]] = set()
        self.running = 0

    async def __aenter__(self) -> Self:
        for worker in self._all:
            self._idle.put_nowait(worker)
        await asyncio.gather(*(worker.start() for worker in self._all))
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._settling:
            task.cancel()
        await asyncio.gather(*(worker.close() for worker in self._all))

    async def run(
        self,
        job: Job,
        *,
        is_long: bool,
        until: float,
        stop: asyncio.Event | None = None,
        on_running: Callable[[Running], None] | None = None,
        route: Route | None = None,
    ) -> Done:
        """Search as soon as a process is free; `until`, a time of the loop, bounds waiting and searching."""
        loop = asyncio.get_running_loop()
        gate: asyncio.Semaphore | contextlib.nullcontext[None] = self._long if is_long else contextlib.nullcontext()
        worker = None
        try:
            async with gate:
                async with asyncio.timeout_at(until):
                    worker = await self._idle.get()
                self.running += 1
                seconds = max(0.01, min(job.seconds, until - loop.time()))
                return await worker.run(msgspec.structs.replace(job, seconds=seconds), stop, on_running, route)
        except TimeoutError:
            return Done("unknown", None, 0.0, "", "deadline: every worker was busy", 0, 0)
        finally:
            if worker is not None:
                self.running -= 1
                self._settle(worker)

    def _settle(self, worker: Worker) -> None:
        """Put a worker back, at once where it is free."""
        if worker.is_free:
            self._idle.put_nowait(worker)
            return

        async def settle() -> None:
            await worker.settle()
            self._idle.put_nowait(worker)

        task = asyncio.ensure_future(settle())
        self._settling.add(task)
        task.add_done_callback(self._settling.discard)


def _frame(message: msgspec.Struct) -> bytes:
    body = msgspec.msgpack.encode(message)
    return _LENGTH.pack(len(body)) + body
