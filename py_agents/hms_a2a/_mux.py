"""One inbox for the answers of all questions that have several: a subscription for each would be most of their cost.

The last token of an answer's subject says whose it is. Answers wait in a queue of each question, so that one asker that
is slow holds up no other; what does not fit is lost, and its asker is told.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from hms_a2a._errors import Disconnected

if TYPE_CHECKING:
    from hms_a2a._client import Incoming
    from hms_a2a._link import Link

#: Answers that wait for an asker that is slow.
_WAITING = 65_536


class Box:
    """The answers of one question."""

    def __init__(self, subject: str) -> None:
        self.subject = subject
        self._came: asyncio.Queue[Incoming] = asyncio.Queue(_WAITING)
        self._lost = False

    def put(self, incoming: Incoming) -> None:
        """An answer came."""
        if self._came.full():
            self._lost = True
        else:
            self._came.put_nowait(incoming)

    async def get(self) -> Incoming:
        """The next answer. Raises `Disconnected` where some were lost."""
        if self._lost:
            raise Disconnected(f"too slow: more than {_WAITING} answers waited, and some were lost")
        return await self._came.get()


class Mux:
    """The inbox of a connection."""

    def __init__(self, link: Link) -> None:
        self._link = link
        self._prefix = ""
        self._boxes: dict[str, Box] = {}
        self._count = 0
        self._listening: asyncio.Task[None] | None = None

    async def open(self) -> Box:
        """A place for the answers of a question. Raises `Disconnected`."""
        if self._listening is None or (self._listening.done() and self._listening.exception() is not None):
            self._listening = asyncio.ensure_future(self._listen())
        await asyncio.shield(self._listening)
        self._count += 1
        box = Box(f"{self._prefix}.{self._count}")
        self._boxes[box.subject] = box
        return box

    def close(self, box: Box) -> None:
        """Nobody reads them any more."""
        self._boxes.pop(box.subject, None)

    async def _listen(self) -> None:
        self._prefix = self._link.inbox()
        await self._link.tap(f"{self._prefix}.*", self._take)

    async def _take(self, incoming: Incoming) -> None:
        box = self._boxes.get(incoming.subject)
        if box is not None:
            box.put(incoming)
