"""A broker in memory, for tests: subjects with wildcards, groups, questions, and nothing that keeps.

It does what NATS does with messages that nobody stores: each subscription gets what matches it, in the order in which
it was said; of a group one gets it; a question that nobody hears is told so at once. Connections never break here,
nobody is too slow, and there are no streams.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
from typing import TYPE_CHECKING

from hms_a2a._client import Incoming
from hms_a2a._crew import ended
from hms_a2a._errors import BadWire, Disconnected, NoResponders, TimedOut
from hms_a2a._limits import MAX_CLEARING_BODY_BYTES
from hms_a2a._link import Link, Tap
from hms_a2a._settings import Settings

if TYPE_CHECKING:
    from hms_a2a._client import Connection, Taker

_log = logging.getLogger("hms_a2a")

_NO_RESPONDERS = {"Status": "503"}


class Broker:
    """Hands messages over, within one process."""

    def __init__(self) -> None:
        self._exact: dict[str, list[MemoryTap]] = {}
        self._patterns: list[MemoryTap] = []
        self._turn = itertools.count()
        self._numbers = itertools.count(1)

    def inbox(self) -> str:
        """A subject that nobody else has."""
        return f"_INBOX.memory.{next(self._numbers)}"

    def add(self, tap: MemoryTap) -> None:
        """Have a subscription get what matches it."""
        if _is_pattern(tap.subject):
            self._patterns.append(tap)
        else:
            self._exact.setdefault(tap.subject, []).append(tap)

    def remove(self, tap: MemoryTap) -> None:
        """Have it get no more."""
        if tap in self._patterns:
            self._patterns.remove(tap)
        here = self._exact.get(tap.subject, [])
        if tap in here:
            here.remove(tap)
        if not here:
            self._exact.pop(tap.subject, None)

    def publish(self, message: Incoming) -> None:
        """Hand a message to everyone who hears it."""
        heard = [*self._exact.get(message.subject, ()), *(t for t in self._patterns if _matches(t, message.subject))]
        groups: dict[str, list[MemoryTap]] = {}
        for tap in heard:
            if tap.group:
                groups.setdefault(tap.group, []).append(tap)
            else:
                tap.waiting.put_nowait(message)
        for members in groups.values():
            members[next(self._turn) % len(members)].waiting.put_nowait(message)
        if not heard and message.reply is not None and not message.subject.startswith("_"):
            self.publish(Incoming(message.reply, b"", _NO_RESPONDERS, None))


class MemoryTap(Tap):
    """A subscription at a broker in memory."""

    def __init__(self, link: MemoryLink, subject: str, take: Taker, group: str) -> None:
        super().__init__(link, subject, take, group)
        self._broker = link.broker
        self.group = group
        self.waiting: asyncio.Queue[Incoming] = asyncio.Queue()
        self._handing = asyncio.ensure_future(self._hand_over())
        self._broker.add(self)

    async def drop(self) -> None:
        """Ask for no more, and forget what is here already."""
        self._broker.remove(self)
        await ended(self._handing)

    async def stop(self) -> None:
        """Ask for no more, and hand over what is here already."""
        self._broker.remove(self)
        await self.waiting.join()
        await ended(self._handing)

    async def _hand_over(self) -> None:
        while True:
            message = await self.waiting.get()
            try:
                await self._take(message)
            except Exception:
                _log.exception("what came on %s was not taken", message.subject)
            finally:
                self.waiting.task_done()


class MemoryLink(Link):
    """A connection to it."""

    def __init__(self, broker: Broker, name: str) -> None:
        super().__init__(Settings(), name)
        self.broker = broker
        self._open = False
        self._here: set[MemoryTap] = set()

    @property
    def client(self) -> Connection:
        """There is none: what NATS can do besides is not in memory. Raises `Disconnected`."""
        raise Disconnected("there is no NATS connection on a bus in memory: test with a real one")

    @property
    def connected(self) -> bool:
        """Whether it is open."""
        return self._open

    @property
    def max_body_bytes(self) -> int:
        """The largest body that is taken."""
        return MAX_CLEARING_BODY_BYTES

    def inbox(self) -> str:
        """A subject for answers that nobody else has."""
        return self.broker.inbox()

    async def open(self, within_s: float) -> None:  # noqa: ARG002 # it takes no time
        """Connect."""
        self._open = True

    async def close(self) -> None:
        """Disconnect: everything is subscribed no more."""
        self._open = False
        here, self._here = self._here, set()
        for tap in here:
            await tap.drop()

    async def publish(self, subject: str, body: bytes, headers: dict[str, str], reply: str = "") -> None:
        """Hand a message to everyone who hears it."""
        if not self._open:
            raise Disconnected(f"no broker to be reached for {subject}")
        if len(body) > self.max_body_bytes:
            raise BadWire("", "the body is larger than the broker takes")
        self.broker.publish(Incoming(subject, bytes(body), dict(headers), reply or None))
        await asyncio.sleep(0)

    async def request(self, subject: str, body: bytes, headers: dict[str, str], timeout_s: float) -> Incoming:
        """Ask, and wait for the first answer."""
        answer: asyncio.Future[Incoming] = asyncio.get_running_loop().create_future()

        async def take(incoming: Incoming) -> None:
            if not answer.done():
                answer.set_result(incoming)

        inbox = self.inbox()
        tap = await self.tap(inbox, take)
        try:
            await self.publish(subject, body, headers, inbox)
            async with asyncio.timeout(timeout_s):
                reply = await answer
        except TimeoutError as error:
            raise TimedOut(f"no answer from {subject} in time") from error
        finally:
            self._here.discard(tap)
            await tap.drop()
        if reply.is_no_responders:
            raise NoResponders(f"nobody answers {subject}")
        return reply

    async def tap(self, subject: str, take: Taker, group: str = "") -> MemoryTap:
        """Subscribe."""
        tap = MemoryTap(self, subject, take, group)
        self._here.add(tap)
        return tap

    async def flush(self) -> None:
        """Everything is where it goes already."""
        await asyncio.sleep(0)


def _is_pattern(subject: str) -> bool:
    return any(token in ("*", ">") for token in subject.split("."))


def _matches(tap: MemoryTap, subject: str) -> bool:
    pattern, tokens = tap.subject.split("."), subject.split(".")
    for place, wanted in enumerate(pattern):
        if wanted == ">":
            return len(tokens) > place
        if place >= len(tokens) or wanted not in ("*", tokens[place]):
            return False
    return len(tokens) == len(pattern)
