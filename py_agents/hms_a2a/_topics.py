"""Talking on topics: publish, subscribe with wildcards, ask and answer."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from hms_a2a import _headers as header
from hms_a2a import _subjects as subjects
from hms_a2a import _wire as wire
from hms_a2a._bus import headers_of, raise_error
from hms_a2a._errors import BadWire
from hms_a2a._message import Message, decode_any, encode_any
from hms_a2a._signing import signed_by
from hms_a2a._trading import awaited

if TYPE_CHECKING:
    from typing import Self

    from hms_a2a._bus import Caller
    from hms_a2a._crew import Crew
    from hms_a2a._link import Incoming, Tap

_log = logging.getLogger("hms_a2a")

B = TypeVar("B")

#: Hears what is said on a topic; what it returns, other than None, answers whoever asked.
Answer = Callable[[Message[Any]], Any]

_WAITING = 1024


class Topics:
    """An agent's voice and ears on topics."""

    def __init__(self, caller: Caller, agent: str) -> None:
        self._caller = caller
        self._agent = agent
        self._taps: list[Tap] = []
        self._wanted: list[tuple[str, type[Any] | None, Answer]] = []
        self._crew: Crew | None = None

    async def start(self, crew: Crew) -> None:
        """Listen on what was asked for so far."""
        self._crew = crew
        for pattern, of, answer in self._wanted:
            await self._listen(crew, pattern, of, answer)
        if self._wanted:
            await self._caller.link.flush()

    async def stop(self) -> None:
        """Listen no more."""
        self._crew = None
        taps, self._taps = self._taps, []
        await asyncio.gather(*(tap.stop() for tap in taps))

    def on(self, pattern: str, of: type[Any] | None, answer: Answer) -> None:
        """Have what is said on a pattern of topics heard; from the start, or from now on. Raises `ValueError`."""
        subjects.all_topics(pattern)
        self._wanted.append((pattern, of, answer))
        if self._crew is not None:
            listening = asyncio.ensure_future(self._listen(self._crew, pattern, of, answer))
            listening.add_done_callback(_report)

    async def publish(self, topic: str, body: Any, signed: bool) -> None:
        """Say something. Raises `ValueError` for what is no topic."""
        subject = subjects.topic(topic)
        raw, kind = encode_any(body)
        headers = self._caller.headers(subject, raw, kind) if signed else headers_of(kind)
        await self._caller.link.publish(subject, raw, headers)

    async def request(self, topic: str, body: Any, of: type[B] | None, timeout_s: float) -> B | Any:
        """Ask whoever listens, signed; the first answer."""
        subject = subjects.topic(topic)
        raw, kind = encode_any(body)
        headers = self._caller.headers(subject, raw, kind)
        reply = await self._caller.link.request(subject, raw, headers, timeout_s)
        raise_error(reply)
        return decode_any(reply.body, of)

    async def message(self, incoming: Incoming, of: type[B] | None) -> Message[B]:
        """What came, read. Raises `BadWire`."""
        return Message(
            decode_any(incoming.body, of),
            incoming.body,
            topic=subjects.parse_topic(incoming.subject),
            sender=await self._sender(incoming),
            reply=incoming.reply,
            link=self._caller.link,
        )

    async def _sender(self, incoming: Incoming) -> str | None:
        sender = signed_by(incoming.headers.get(header.SENDER), incoming.subject, incoming.body)
        if sender is None or sender.name is None:
            return None
        bus = self._caller.bus
        if not sender.is_fresh(bus.now_unix_ms()):
            return None
        return sender.name if await bus.holds(sender.name, sender.user) else None

    async def _listen(self, crew: Crew, pattern: str, of: type[Any] | None, answer: Answer) -> None:
        async def take(incoming: Incoming) -> None:
            await crew.run(f"what it does on {incoming.subject}", lambda: self._hear(incoming, of, answer))

        self._taps.append(await self._caller.link.tap(subjects.all_topics(pattern), take))

    async def _hear(self, incoming: Incoming, of: type[Any] | None, answer: Answer) -> None:
        try:
            message = await self.message(incoming, of)
        except BadWire as error:
            _log.warning("%s: not understood on %s: %s", self._agent, incoming.subject, error)
            bad = Message(None, incoming.body, reply=incoming.reply, link=self._caller.link)
            await bad.refuse(
                wire.ErrorReply(code=400, message=error.reason, retryable=False, field=error.field or None)
            )
            return
        try:
            said = await awaited(answer(message))
        except Exception:
            # What went wrong stands in this agent's log; the asker learns that it was not the question.
            await message.refuse(wire.ErrorReply(code=500, message=f"{self._agent} failed to answer", retryable=True))
            raise
        if said is not None:
            await message.reply(said)


class Subscription(Generic[B]):
    """What is said on a pattern of topics, in order, from the moment it is entered or first awaited.

    Use it in ``async with`` and ``async for``. Messages that are not of the type that was asked for are logged and left
    out. When more than a thousand wait, the rest waits in the connection, and what does not fit there is lost, with a
    warning: a topic is not a stream.
    """

    def __init__(self, topics: Topics, caller: Caller, pattern: str, of: type[B] | None) -> None:
        """Raises `ValueError` for what is no pattern."""
        self._subject = subjects.all_topics(pattern)
        self._topics = topics
        self._caller = caller
        self._of = of
        self._waiting: asyncio.Queue[Incoming | None] = asyncio.Queue(_WAITING)
        self._tap: Tap | None = None
        self._stopped = False

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def start(self) -> None:
        """Subscribe, unless that is done."""
        if self._tap is None and not self._stopped:
            self._tap = await self._caller.link.tap(self._subject, self._take)
            await self._caller.link.flush()

    async def stop(self) -> None:
        """End it: whoever iterates is done."""
        if self._stopped:
            return
        self._stopped = True
        while not self._waiting.empty():
            self._waiting.get_nowait()
        self._waiting.put_nowait(None)
        tap, self._tap = self._tap, None
        if tap is not None:
            await tap.stop()

    async def _take(self, incoming: Incoming) -> None:
        if not self._stopped:
            await self._waiting.put(incoming)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Message[B]:
        await self.start()
        while not self._stopped:
            incoming = await self._waiting.get()
            if incoming is None:
                break
            try:
                return await self._topics.message(incoming, self._of)
            except BadWire as error:
                _log.warning("not understood on %s: %s", incoming.subject, error)
        raise StopAsyncIteration


def _report(listening: asyncio.Future[None]) -> None:
    if not listening.cancelled() and (error := listening.exception()) is not None:
        _log.error("cannot listen: %s", error)
