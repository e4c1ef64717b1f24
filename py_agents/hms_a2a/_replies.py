"""The answers to one question, one by one: NATS' request for many, which nats-py does not have.

The question goes out with an inbox of its own as the reply subject, and that is subscribed to before. What ends the
answers is the asker's to know: enough of them, silence, or an empty body without headers, which is how the Synadia
Agent Protocol and this package end a stream.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from hms_a2a._bus import raise_error
from hms_a2a._errors import Disconnected, NoResponders, TimedOut

if TYPE_CHECKING:
    from typing import Self

    from hms_a2a._bus import Bus
    from hms_a2a._client import Incoming
    from hms_a2a._mux import Box


class Replies:
    """Use it in ``async with``; then `ask`, and `next` as often as there is an answer."""

    def __init__(self, bus: Bus, subject: str) -> None:
        self._bus = bus
        self._subject = subject
        self._box: Box | None = None
        #: Whether whoever answered has said all, so that there is nothing to stop.
        self.ended = False

    async def __aenter__(self) -> Self:
        self._box = await self._bus.mux.open()
        return self

    async def __aexit__(self, *_: object) -> None:
        self._bus.mux.close(self._here)

    @property
    def _here(self) -> Box:
        if self._box is None:
            raise Disconnected("answers are read in `async with`")
        return self._box

    @property
    def inbox(self) -> str:
        """Where the answers come."""
        return self._here.subject

    async def ask(self, body: bytes, headers: dict[str, str]) -> None:
        """Send the question. Raises `Disconnected` or `BadWire`."""
        await self._bus.link.publish(self._subject, body, headers, reply=self.inbox)

    async def next(self, within_s: float) -> Incoming:
        """The next answer. Raises `TimedOut`, `NoResponders`, or the `ErrorReply` that came instead."""
        reply = await self.raw(within_s)
        raise_error(reply)
        return reply

    async def raw(self, within_s: float) -> Incoming:
        """The next answer, be it an error. Raises `TimedOut` or `NoResponders`."""
        try:
            async with asyncio.timeout(within_s):
                reply = await self._here.get()
        except TimeoutError as error:
            raise TimedOut(f"no answer from {self._subject} in time") from error
        if reply.is_no_responders:
            raise NoResponders(f"nobody answers {self._subject}")
        return reply


def is_end(reply: Incoming) -> bool:
    """Whether this ends a stream: an empty body without any header."""
    return not reply.body and not reply.headers
