"""The answers to one question, one by one: NATS' request for many, which nats-py does not have.

The question goes out with an inbox of its own as the reply subject, and that is subscribed to before. What ends the
answers is the asker's to know: enough of them, silence, or an empty body without headers, which is how the Synadia
Agent Protocol and this package end a stream.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from hms_a2a._bus import raise_error
from hms_a2a._errors import NoResponders, TimedOut

if TYPE_CHECKING:
    from typing import Self

    from hms_a2a._link import Incoming, Link, Tap

#: Answers that wait here for an asker that is slow; the rest waits in the connection.
_WAITING = 1024
#: The broker's own word, in a header, for a question that nobody hears.
_STATUS = "Status"
_NO_RESPONDERS = "503"


class Replies:
    """Use it in ``async with``; then `ask`, and `next` as often as there is an answer."""

    def __init__(self, link: Link, subject: str) -> None:
        self._link = link
        self._subject = subject
        self._came: asyncio.Queue[Incoming] = asyncio.Queue(_WAITING)
        self._tap: Tap | None = None
        self.inbox = link.inbox()
        #: Whether whoever answered has said all, so that there is nothing to stop.
        self.ended = False

    async def __aenter__(self) -> Self:
        self._tap = await self._link.tap(self.inbox, self._came.put)
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._tap is not None:
            await self._tap.drop()
        while not self._came.empty():  # whoever hands over is not left waiting
            self._came.get_nowait()

    async def ask(self, body: bytes, headers: dict[str, str]) -> None:
        """Send the question. Raises `Disconnected` or `BadWire`."""
        await self._link.publish(self._subject, body, headers, reply=self.inbox)

    async def next(self, within_s: float) -> Incoming:
        """The next answer. Raises `TimedOut`, `NoResponders`, or the `ErrorReply` that came instead."""
        reply = await self.raw(within_s)
        raise_error(reply)
        return reply

    async def raw(self, within_s: float) -> Incoming:
        """The next answer, be it an error. Raises `TimedOut` or `NoResponders`."""
        try:
            async with asyncio.timeout(within_s):
                reply = await self._came.get()
        except TimeoutError as error:
            raise TimedOut(f"no answer from {self._subject} in time") from error
        if not reply.body and reply.headers.get(_STATUS) == _NO_RESPONDERS:
            raise NoResponders(f"nobody answers {self._subject}")
        return reply


def is_end(reply: Incoming) -> bool:
    """Whether this ends a stream: an empty body without any header."""
    return not reply.body and not reply.headers
