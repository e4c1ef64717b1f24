"""A cable carries, and can be cut, stalled and slowed."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

import pytest

from .cable import Cable

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


@pytest.fixture
async def echo() -> AsyncIterator[int]:
    """The port of a server that says everything again."""

    async def say_again(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while piece := await reader.read(100):
            writer.write(piece)
        writer.close()

    server = await asyncio.start_server(say_again, "127.0.0.1", 0)
    yield server.sockets[0].getsockname()[1]
    server.close()


async def test_a_cable(echo: int) -> None:
    cable = Cable(echo)
    reader, writer = await asyncio.open_connection("127.0.0.1", cable.port)

    async def say(text: bytes, within_s: float = 5.0) -> bytes:
        writer.write(text)
        return await asyncio.wait_for(reader.read(100), within_s)

    await asyncio.to_thread(cable.start)
    assert await say(b"hello") == b"hello"
    await asyncio.to_thread(cable.slow, 0.1)
    began = time.monotonic()
    assert await say(b"slow") == b"slow"
    assert time.monotonic() - began > 0.19, "both ways"
    await asyncio.to_thread(cable.stall)
    with pytest.raises(TimeoutError):
        await say(b"stalled", within_s=0.3)
    await asyncio.to_thread(cable.start)
    assert await asyncio.wait_for(reader.read(100), 5) == b"stalled"
    await asyncio.to_thread(cable.cut)
    assert await ended(reader), "the connection is gone"
    reader, other = await asyncio.open_connection("127.0.0.1", cable.port)
    assert await ended(reader), "and no other is to be had"
    await asyncio.to_thread(cable.stop)
    for one in (writer, other):
        one.transport.abort()


async def ended(reader: asyncio.StreamReader) -> bool:
    """Whether nothing more will come."""
    try:
        return await asyncio.wait_for(reader.read(100), 5) == b""
    except ConnectionError:
        return True
