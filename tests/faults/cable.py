"""The network between the cores and the broker: a TCP proxy that can be cut, stalled and slowed."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Coroutine

_CHUNK = 1 << 16

_T = TypeVar("_T")


class Cable:
    """Carries connections to a port on this machine, on a thread of its own."""

    def __init__(self, to_port: int) -> None:
        self._to = to_port
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._writers: set[asyncio.StreamWriter] = set()
        self._is_cut = False
        self._flows = asyncio.Event()
        self._delay_s = 0.0
        self.port = 0
        self._thread.start()
        self._server = self._run(self._listen())

    @property
    def url(self) -> str:
        """Where to connect."""
        return f"nats://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Carry from now on."""
        self._run(self._set(cut=False, flows=True, delay_s=0.0))

    def cut(self) -> None:
        """Break every connection, and refuse new ones."""
        self._run(self._set(cut=True, flows=True, delay_s=0.0))

    def stall(self) -> None:
        """Keep the connections, and carry nothing: nobody is told."""
        self._run(self._set(cut=False, flows=False, delay_s=0.0))

    def slow(self, delay_s: float) -> None:
        """Carry each piece this much later."""
        self._run(self._set(cut=False, flows=True, delay_s=delay_s))

    def stop(self) -> None:
        """Carry nothing any more."""
        self._run(self._end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)
        self._loop.close()

    def _run(self, work: Coroutine[object, object, _T]) -> _T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(10)

    async def _listen(self) -> asyncio.Server:
        server = await asyncio.start_server(self._carry, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        return server

    async def _set(self, *, cut: bool, flows: bool, delay_s: float) -> None:
        self._is_cut, self._delay_s = cut, delay_s
        if flows:
            self._flows.set()
        else:
            self._flows.clear()
        if cut:
            for writer in list(self._writers):
                writer.transport.abort()

    async def _end(self) -> None:
        await self._set(cut=True, flows=True, delay_s=0.0)
        self._server.close()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # Cancelled at the end; the server that called would complain of it.
        with contextlib.suppress(asyncio.CancelledError):
            await self._connect(reader, writer)

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._is_cut:
            writer.transport.abort()
            return
        try:
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._to)
        except OSError:
            writer.transport.abort()
            return
        pair = {writer, far_writer}
        self._writers |= pair
        ways = [asyncio.ensure_future(w) for w in (self._way(reader, far_writer), self._way(far_reader, writer))]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for one in pair:
                one.transport.abort()
            self._writers -= pair
            for way in ways:
                way.cancel()
        await asyncio.gather(*ways, return_exceptions=True)

    async def _way(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while piece := await reader.read(_CHUNK):
                await self._flows.wait()
                if self._delay_s:
                    await asyncio.sleep(self._delay_s)
                writer.write(piece)
                await writer.drain()
