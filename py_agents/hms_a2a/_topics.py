"""Talking on topics: publish, subscribe with wildcards, ask one or all, and answer, once or in a stream."""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import logging
from collections.abc import Callable
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any, Generic, TypeVar, get_origin

from hms_a2a import _headers as header
from hms_a2a import _subjects as subjects
from hms_a2a import _tracing as tracing
from hms_a2a import _wire as wire
from hms_a2a._cancels import new_job
from hms_a2a._errors import BadWire, ErrorReply, NoResponders, Refusal, TimedOut
from hms_a2a._message import Message, decode_any, encode_any
from hms_a2a._replies import Replies, is_end
from hms_a2a._signing import claimed_name, signed_by
from hms_a2a._trading import awaited

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator
    from typing import Self

    from hms_a2a._bus import Caller
    from hms_a2a._client import Incoming
    from hms_a2a._crew import Crew
    from hms_a2a._link import Tap

_log = logging.getLogger("hms_a2a")

B = TypeVar("B")
A = TypeVar("A")

#: Hears what is said on a topic; what it returns, other than None, or yields, answers whoever asked.
Answer = Callable[[Message[Any]], Any]

_WAITING = 1024
_RETRY_AFTER_MS = 200
_EACH, _STREAM = "each", "stream"
_ON_TOPIC = subjects.topic("x")[:-1]
_LATE = wire.ErrorReply(code=410, message="its deadline has passed", retryable=False, field=header.DEADLINE)


class Topic(Generic[B, A]):
    """A topic, or a pattern of topics, with the type of what is said there, and of what is answered.

    ::

        quotes = Topic("quotes.wheat", Ask, Quote)
        quote = await agent.request(quotes, Ask(kilograms=5))
    """

    def __init__(self, name: str, of: type[B], answer: type[A] | None = None) -> None:
        """Raises `ValueError` for what is no pattern of topics."""
        subjects.all_topics(name)
        self.name = name
        self.of = of
        self.answer = answer

    def check(self, body: object) -> None:
        """Raise `TypeError` for a body that is not said here."""
        if not isinstance(body, get_origin(self.of) or self.of):
            raise TypeError(f"what is said on {self.name} is of type {self.of.__name__}, not {type(body).__name__}")

    def __repr__(self) -> str:
        return f"Topic({self.name!r})"


class Ear:
    """What listens on a pattern of topics, and how much it takes on."""

    def __init__(
        self, pattern: str, of: type[Any] | None, answer: Answer, group: str, at_once: int | None, waiting: int
    ) -> None:
        """`at_once` pieces of work, and `waiting` more in line; None for no bound but the agent's own."""
        if at_once is not None and (at_once < 1 or waiting < 0):
            raise ValueError("at least one message must be heard at once, and none or more wait")
        self.subject = subjects.all_topics(pattern)
        self.of = of
        self.answer = answer
        self.group = group
        #: Whether it is a function that does not wait, as far as is known: it needs no task of its own.
        self.is_plain = not (inspect.iscoroutinefunction(answer) or inspect.isasyncgenfunction(answer))
        self._places = asyncio.Semaphore(at_once) if at_once is not None else None
        self._room = asyncio.Semaphore(at_once + waiting) if at_once is not None else None
        self.working: set[asyncio.Task[None]] = set()

    @property
    def is_full(self) -> bool:
        """Whether one more would have to wait outside."""
        return self._room is not None and self._room.locked()

    async def take(self, crew: Crew, what: str, work: Callable[[], Any]) -> None:
        """Have it done; returns once there is room for it in line."""
        if self._room is None or self._places is None:
            await crew.run(what, work)
            return
        await self._room.acquire()
        task = asyncio.ensure_future(self._in_turn(crew, self._places, what, work))
        self.working.add(task)
        task.add_done_callback(self._over)

    async def _in_turn(self, crew: Crew, places: asyncio.Semaphore, what: str, work: Callable[[], Any]) -> None:
        async with places:
            await asyncio.wait({await crew.run(what, work)})

    def _over(self, task: asyncio.Task[None]) -> None:
        self.working.discard(task)
        if self._room is not None:
            self._room.release()


class Topics:
    """An agent's voice and ears on topics."""

    def __init__(self, caller: Caller, agent: str) -> None:
        self._caller = caller
        self._agent = agent
        self._taps: list[Tap] = []
        self._ears: list[Ear] = []
        self._crew: Crew | None = None

    async def start(self, crew: Crew) -> None:
        """Listen on what was asked for so far."""
        self._crew = crew
        for ear in self._ears:
            await self._listen(crew, ear)
        if self._ears:
            await self._caller.link.flush()

    async def stop(self) -> None:
        """Listen no more; what is in line is still done."""
        self._crew = None
        taps, self._taps = self._taps, []
        await asyncio.gather(*(tap.stop() for tap in taps))

    @property
    def is_listening(self) -> bool:
        """Whether the agent has started."""
        return self._crew is not None

    @property
    def working(self) -> set[asyncio.Task[None]]:
        """What waits in line, or is under way, on handlers with a bound of their own."""
        return {task for ear in self._ears for task in ear.working}

    def on(self, ear: Ear) -> None:
        """Have what is said on a pattern of topics heard; from the start, or from now on."""
        self._ears.append(ear)
        if self._crew is not None:
            listening = asyncio.ensure_future(self._listen(self._crew, ear))
            listening.add_done_callback(_report)

    async def publish(self, topic: str | Topic[Any, Any], body: Any, signed: bool) -> None:
        """Say something. Raises `ValueError` for what is no topic."""
        subject = _subject(topic, body)
        raw, kind = encode_any(body)
        await self._caller.link.publish(subject, raw, self._caller.headers(subject, raw, kind, signed))

    async def request(
        self, topic: str | Topic[Any, Any], body: Any, of: type[B] | None, timeout_s: float, signed: bool
    ) -> B | Any:
        """Ask whoever listens; the first answer."""
        raw, kind = encode_any(body)
        reply = await self._caller.ask(_subject(topic, body), raw, kind, timeout_s, new_job(), signed=signed)
        return _answer(reply, topic, of if of is not None or isinstance(topic, str) else topic.answer)

    async def ask_all(
        self, topic: str | Topic[Any, Any], body: Any, of: type[B] | None, timeout_s: float, enough: int | None
    ) -> list[Message[B]]:
        """Ask everybody who listens, signed; one answer of each that came in time."""
        answers: list[Message[B]] = []
        kind_of = of if of is not None or isinstance(topic, str) else topic.answer
        loop = asyncio.get_running_loop()
        async with self._asking(topic, body, _EACH, timeout_s) as (replies, left_s):
            end = loop.time() + left_s
            while enough is None or len(answers) < enough:
                try:
                    reply = await replies.next(max(0.0, end - loop.time()))
                    answers.append(await self.message(reply, kind_of))
                except (TimedOut, NoResponders):
                    break
                except (ErrorReply, BadWire) as error:
                    _log.warning("%s: one answer on %s is left out: %s", self._agent, topic, error)
        return answers

    async def stream(
        self, topic: str | Topic[Any, Any], body: Any, of: type[B] | None, timeout_s: float, within_s: float
    ) -> AsyncGenerator[B | Any, None]:
        """Ask, signed; the answers of whoever answers, until it says that they end."""
        kind_of = of if of is not None or isinstance(topic, str) else topic.answer
        loop = asyncio.get_running_loop()
        async with self._asking(topic, body, _STREAM, within_s) as (replies, left_s):
            end = loop.time() + left_s
            while not is_end(reply := await replies.next(min(timeout_s, max(0.0, end - loop.time())))):
                yield _answer(reply, topic, kind_of)
            replies.ended = True

    @contextlib.asynccontextmanager
    async def _asking(
        self, topic: str | Topic[Any, Any], body: Any, answers: str, within_s: float
    ) -> AsyncIterator[tuple[Replies, float]]:
        """Ask for several answers, for as long as they are read; who still works on them afterwards is told to stop."""
        subject, job = _subject(topic, body), new_job()
        raw, kind = encode_any(body)
        with tracing.asking(subject):
            headers = self._caller.headers(subject, raw, kind)
        deadline = self._caller.deadline_unix_ms(within_s)
        headers |= {header.DEADLINE: str(deadline), header.JOB: job, header.ANSWERS: answers}
        async with Replies(self._caller.bus, subject) as replies:
            await replies.ask(raw, headers)
            try:
                yield replies, (deadline - self._caller.bus.now_unix_ms()) / 1000
            finally:
                if not replies.ended:
                    self._caller.bus.cancels.say(job)

    async def message(self, incoming: Incoming, of: type[B] | None) -> Message[B]:
        """What came, read. Raises `BadWire`."""
        name = claimed_name(incoming.headers.get(header.SENDER))
        key = await self._caller.bus.key_of(name) if name is not None else None
        return self._message(incoming, of, name, key, _deadline(incoming))

    def _message(
        self, incoming: Incoming, of: type[B] | None, name: str | None, key: str | None, deadline: int | None
    ) -> Message[B]:
        """What came, read, from who says that he is `name` and holds this `key` now. Raises `BadWire`."""
        sender = partial(_sender, incoming, name, key, self._caller.bus.now_unix_ms()) if name and key else None
        return Message(
            decode_any(incoming.body, of),
            incoming.body,
            topic=incoming.subject.removeprefix(_ON_TOPIC) if incoming.subject.startswith(_ON_TOPIC) else None,
            sender=sender,
            deadline_unix_ms=deadline,
            reply=incoming.reply,
            caller=self._caller,
            signs=header.ANSWERS in incoming.headers,
        )

    async def _listen(self, crew: Crew, ear: Ear) -> None:
        async def take(incoming: Incoming) -> None:
            if ear.is_full and incoming.reply is not None:
                await self._unread(incoming).refuse(_busy(self._agent))
                return
            name = claimed_name(incoming.headers.get(header.SENDER)) if ear.is_plain else None
            key = self._caller.bus.known_key(name) if name is not None else None
            if ear.is_plain and (name is None or key is not None):
                await self._hear_here(crew, incoming, ear, name, key)
            else:
                await ear.take(crew, _what(incoming), lambda: self._hear(incoming, ear, ear.answer))

        await self._caller.bus.cancels.listen()
        self._taps.append(await self._caller.link.tap(ear.subject, take, ear.group))

    def _unread(self, incoming: Incoming) -> Message[None]:
        return Message(None, incoming.body, reply=incoming.reply, caller=self._caller)

    async def _hear_here(self, crew: Crew, incoming: Incoming, ear: Ear, name: str | None, key: str | None) -> None:
        """Have a plain function hear a message and answer it: nothing could stop it half-way, so it needs no task."""
        deadline = _deadline(incoming)
        bus = self._caller.bus
        if deadline is not None and deadline <= bus.now_unix_ms():
            await self._unread(incoming).refuse(_LATE)
            return
        if bus.cancels.came_first(incoming.headers.get(header.JOB)):
            return
        with _at_work(incoming, deadline):
            try:
                message = self._message(incoming, ear.of, name, key, deadline)
            except BadWire as error:
                await self._misread(incoming, error)
                return
            try:
                said = _called(ear.answer, message)
                if hasattr(said, "__await__") or hasattr(said, "__anext__"):
                    ear.is_plain = False
                    await ear.take(crew, _what(incoming), lambda: self._hear(incoming, ear, lambda _: said))
                else:
                    await _say_once(message, said, incoming.headers.get(header.ANSWERS) == _STREAM)
            except Exception as error:
                if not await self._refused(message, error):
                    crew.failed(_what(incoming))

    async def _hear(self, incoming: Incoming, ear: Ear, answer: Answer) -> None:
        """Have a message heard and answered, for as long as whoever asks waits and has not said that he does not."""
        deadline = _deadline(incoming)
        bus = self._caller.bus
        left_s = None if deadline is None else (deadline - bus.now_unix_ms()) / 1000
        if left_s is not None and left_s <= 0:
            await self._unread(incoming).refuse(_LATE)
            return
        scope = bus.cancels.scope(incoming.headers.get(header.JOB), left_s)
        with scope, _at_work(incoming, deadline):
            try:
                message = await self.message(incoming, ear.of)
            except BadWire as error:
                await self._misread(incoming, error)
                return
            try:
                await _say(message, answer(message), incoming.headers.get(header.ANSWERS) == _STREAM)
            except Exception as error:
                if not await self._refused(message, error):
                    raise
        if scope.stopped:
            _log.debug("%s: nobody waits any more for what was asked on %s", self._agent, incoming.subject)

    async def _refused(self, message: Message[Any], error: Exception) -> bool:
        """Tell whoever asked that there is no answer; whether the author meant that."""
        if isinstance(error, Refusal):
            await message.refuse(_reply(error))
            return True
        # What went wrong stands in this agent's log; the asker learns that it was not the question.
        await message.refuse(wire.ErrorReply(code=500, message=f"{self._agent} failed to answer", retryable=True))
        return False

    async def _misread(self, incoming: Incoming, error: BadWire) -> None:
        _log.warning("%s: not understood on %s: %s", self._agent, incoming.subject, error)
        bad = wire.ErrorReply(code=400, message=error.reason, retryable=False, field=error.field or None)
        await self._unread(incoming).refuse(bad)


def _called(answer: Answer, message: Message[Any]) -> Any:
    """What a plain function returns. That something else was cancelled is its failure: nobody cancels it."""
    try:
        return answer(message)
    except asyncio.CancelledError as error:
        raise RuntimeError("it waited for what was cancelled") from error


async def _say(message: Message[Any], said: Any, streams: bool) -> None:
    """Answer with what a handler returned or yields; whoever asked for one answer gets the first."""
    if not inspect.isasyncgen(said):
        await _say_once(message, await awaited(said), streams)
        return
    async with contextlib.aclosing(said) as answers:
        async for answer in answers:
            await message.reply(answer)
            if not streams and message.wants_reply:
                return
    # A stream that was stopped, by its deadline or with the agent, has no end: it is not whole.
    if streams:
        await message.end()


async def _say_once(message: Message[Any], answer: Any, streams: bool) -> None:
    if answer is not None:
        await message.reply(answer)
    if streams:
        await message.end()


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


#: The same few topics are spoken on again and again.
_on_topic = lru_cache(maxsize=1024)(subjects.topic)


def _subject(topic: str | Topic[Any, Any], body: object) -> str:
    """Where a body is said. Raises `ValueError` or `TypeError`."""
    if isinstance(topic, str):
        return _on_topic(topic)
    topic.check(body)
    return _on_topic(topic.name)


def _answer(reply: Incoming, topic: str | Topic[Any, Any], of: type[B] | None) -> B | Any:
    """What was answered on a topic. Raises `BadWire`."""
    try:
        return decode_any(reply.body, of)
    except BadWire as error:
        on = topic if isinstance(topic, str) else topic.name
        raise BadWire(error.field, f"{error.reason}, in an answer on {on}") from error


def _sender(incoming: Incoming, name: str, key: str, came_unix_ms: int) -> str | None:
    """Who sent this, if it is who it says: signed with this key, and not long before it came."""
    sender = signed_by(incoming.headers.get(header.SENDER), incoming.subject, incoming.body)
    holds = sender is not None and (sender.name, sender.user) == (name, key) and sender.is_fresh(came_unix_ms)
    return name if holds else None


def _deadline(incoming: Incoming) -> int | None:
    said = incoming.headers.get(header.DEADLINE, "")
    return int(said) if said and said.isascii() and said.isdigit() and len(said) < 19 else None


def _what(incoming: Incoming) -> str:
    return f"what it does on {incoming.subject}"


def _at_work(incoming: Incoming, deadline: int | None) -> contextlib.AbstractContextManager[None]:
    return tracing.at_work(f"on {incoming.subject}", incoming.headers.get(header.TRACEPARENT), deadline)


def _busy(agent: str) -> wire.ErrorReply:
    return wire.ErrorReply(code=429, message=f"{agent} is busy", retryable=True, retry_after_ms=_RETRY_AFTER_MS)


def _reply(refusal: Refusal) -> wire.ErrorReply:
    return wire.ErrorReply(
        code=refusal.code,
        message=refusal.message,
        retryable=refusal.code in (429, 500),
        field=refusal.field,
        rule=refusal.rule,
        retry_after_ms=refusal.retry_after_ms,
    )


def _report(listening: asyncio.Future[None]) -> None:
    if not listening.cancelled() and (error := listening.exception()) is not None:
        _log.error("cannot listen: %s", error)
