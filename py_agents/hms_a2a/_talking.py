"""What an agent says and hears apart from deals: topics, questions and answers, prompts, messages."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any, TypeVar, overload

from hms_a2a import _subjects as subjects
from hms_a2a import _wire as wire
from hms_a2a._message import encode_any
from hms_a2a._offer import token
from hms_a2a._peers import Conversation, Peer, find_peers
from hms_a2a._prompts import HARNESS, OWNER, Prompts, Respond
from hms_a2a._topics import Ear, Subscription, Topic, Topics

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Sequence

    from hms_a2a._bus import Caller
    from hms_a2a._crew import Crew
    from hms_a2a._envelope import Attachment
    from hms_a2a._message import Message
    from hms_a2a._topics import Answer

_log = logging.getLogger("hms_a2a")

B = TypeVar("B")
A = TypeVar("A")


class Talking:
    """The part of an `Agent` that talks."""

    def __init__(self, caller: Caller, agent: str) -> None:
        self.id = agent
        self._caller = caller
        self._topics = Topics(caller, agent)
        self._prompts: Prompts | None = None

    def _subjects(self) -> list[str]:
        """Where it answers, for the registry to tell."""
        return [self._prompts.subject] if self._prompts is not None else []

    async def _start_talking(self, crew: Crew) -> None:
        await self._topics.start(crew)
        if self._prompts is not None:
            await self._prompts.start(crew)

    async def _stop_talking(self, within_s: float) -> None:
        if self._prompts is not None:
            await self._prompts.stop()
        await self._topics.stop()
        if working := self._topics.working:
            await asyncio.wait(working, timeout=within_s)

    # --- what happens: decorators

    def on_topic(
        self,
        topic: str | Topic[Any, Any],
        of: type[Any] | None = None,
        *,
        group: str = "",
        at_once: int | None = None,
        waiting: int = 0,
    ) -> Callable[[Answer], Answer]:
        """Hear what is said on topics: ``*`` stands for one token, ``>`` at the end for the rest.

        What the handler returns, other than None, answers whoever asked; what it yields does so one by one (see
        `stream`). A `Refusal` that it raises is an error of its own making. Messages are handled side by side; where
        their order matters, use `subscribe`. Of all agents in a `group` one hears each message.

        With `at_once` no more than so many are handled at the same time, and `waiting` more wait. Whoever asks when
        there is no room is told at once that the agent is `Busy`; what is only said waits in the connection. A handler
        is stopped when its asker's time is up, or the asker says that it wants no answer any more.
        """

        if callable(topic):  # the decorator without its parentheses, which would hear nothing
            raise TypeError(f'say on which topic {topic!r} answers: @agent.on_topic("quotes")')

        def register(answer: Answer) -> Answer:
            pattern, kind = (topic, of) if isinstance(topic, str) else (topic.name, of or topic.of)
            self._topics.on(Ear(pattern, kind, answer, group, at_once, waiting))
            return answer

        return register

    @overload
    def on_prompt(self, respond: Respond, /) -> Respond: ...
    @overload
    def on_prompt(
        self,
        /,
        *,
        about: str = "",
        attachments: bool = False,
        signed: bool = False,
        harness: str = HARNESS,
        owner: str = OWNER,
    ) -> Callable[[Respond], Respond]: ...
    def on_prompt(
        self,
        respond: Respond | None = None,
        /,
        *,
        about: str = "",
        attachments: bool = False,
        signed: bool = False,
        harness: str = HARNESS,
        owner: str = OWNER,
    ) -> Respond | Callable[[Respond], Respond]:
        """Answer prompts: be an agent of the Synadia Agent Protocol for NATS 0.3, which any of its clients finds.

        ::

            @agent.on_prompt
            async def answer(prompt):
                yield "It depends. "
                yield f"You asked: {prompt.text}"

        The handler returns text or yields it piece by piece; it may `Prompt.ask` back. `about` describes the agent
        to whoever looks for one. With `signed` only signed prompts are answered; without `attachments` none are taken.
        Raises `ValueError` for a harness or an owner that the protocol does not know, and once the agent has started:
        whoever looked for it before would not know of it.
        """
        if self._topics.is_listening:
            raise ValueError(f"{self.id} has started: say before what it answers to prompts")

        def register(respond: Respond) -> Respond:
            self._prompts = Prompts(
                self._caller,
                self.id,
                respond,
                about=about,
                harness=harness,
                owner=owner,
                attachments=attachments,
                signed=signed,
            )
            return respond

        return register if respond is None else register(respond)

    # --- topics and messages

    @overload
    async def publish(self, topic: Topic[B, Any], body: B, *, signed: bool = False) -> None: ...
    @overload
    async def publish(self, topic: str, body: Any, *, signed: bool = False) -> None: ...
    async def publish(self, topic: str | Topic[Any, Any], body: Any, *, signed: bool = False) -> None:
        """Say something on a topic: a msgspec Struct, a dict, or whatever MessagePack can say.

        Whoever hears a signed message knows who said it. Returns when it is on its way; nobody may be listening.
        """
        await self._topics.publish(topic, body, signed)

    async def flush(self) -> None:
        """Wait until the broker has everything that this agent said and asked to hear. Raises `TimedOut`."""
        await self._caller.link.flush()

    @overload
    def subscribe(self, topic: Topic[B, Any]) -> Subscription[B]: ...
    @overload
    def subscribe(self, topic: str) -> Subscription[Any]: ...
    @overload
    def subscribe(self, topic: str, of: type[B]) -> Subscription[B]: ...
    def subscribe(self, topic: str | Topic[Any, Any], of: type[Any] | None = None) -> Subscription[Any]:
        """What is said on topics, in order, for ``async with`` and ``async for``."""
        if isinstance(topic, Topic):
            return Subscription(self._topics, self._caller, topic.name, topic.of)
        return Subscription(self._topics, self._caller, topic, of)

    @overload
    async def request(self, topic: Topic[B, A], body: B, *, timeout_s: float = 5.0, signed: bool = True) -> A: ...
    @overload
    async def request(self, topic: str, body: Any, *, timeout_s: float = 5.0, signed: bool = True) -> Any: ...
    @overload
    async def request(
        self, topic: str, body: Any, *, of: type[B], timeout_s: float = 5.0, signed: bool = True
    ) -> B: ...
    async def request(
        self,
        topic: str | Topic[Any, Any],
        body: Any,
        *,
        of: type[Any] | None = None,
        timeout_s: float = 5.0,
        signed: bool = True,
    ) -> Any:
        """Ask whoever listens on a topic; the first answer.

        Whoever hears it knows who asked, unless it is not `signed`: signing is most of what a question costs.
        When this is cancelled, whoever works on the answer is told to stop. Inside a handler it waits no longer than
        the handler's own asker does. Raises `NoResponders`, `TimedOut`, or the `ErrorReply` that was answered.
        """
        return await self._topics.request(topic, body, of, timeout_s, signed)

    @overload
    async def ask_all(
        self, topic: Topic[B, A], body: B, *, timeout_s: float = 1.0, enough: int | None = None
    ) -> list[Message[A]]: ...
    @overload
    async def ask_all(
        self, topic: str, body: Any, *, timeout_s: float = 1.0, enough: int | None = None
    ) -> list[Message[Any]]: ...
    @overload
    async def ask_all(
        self, topic: str, body: Any, *, of: type[B], timeout_s: float = 1.0, enough: int | None = None
    ) -> list[Message[B]]: ...
    async def ask_all(
        self,
        topic: str | Topic[Any, Any],
        body: Any,
        *,
        of: type[Any] | None = None,
        timeout_s: float = 1.0,
        enough: int | None = None,
    ) -> list[Message[Any]]:
        """Ask everybody who listens on a topic: one answer of each, with its `Message.sender`, that came in time.

        It ends when there are `enough`. Answers that are errors are logged and left out; nobody there is an empty list.
        """
        return await self._topics.ask_all(topic, body, of, timeout_s, enough)

    @overload
    def stream(
        self, topic: Topic[B, A], body: B, *, timeout_s: float = 5.0, within_s: float = 60.0
    ) -> AsyncGenerator[A, None]: ...
    @overload
    def stream(
        self, topic: str, body: Any, *, timeout_s: float = 5.0, within_s: float = 60.0
    ) -> AsyncGenerator[Any, None]: ...
    @overload
    def stream(
        self, topic: str, body: Any, *, of: type[B], timeout_s: float = 5.0, within_s: float = 60.0
    ) -> AsyncGenerator[B, None]: ...
    def stream(
        self,
        topic: str | Topic[Any, Any],
        body: Any,
        *,
        of: type[Any] | None = None,
        timeout_s: float = 5.0,
        within_s: float = 60.0,
    ) -> AsyncGenerator[Any, None]:
        """Ask whoever listens on a topic for as many answers as it has: ``async for answer in agent.stream(...)``.

        `timeout_s` is the longest silence between two answers, `within_s` how long it may take in all. Leaving the loop
        tells the other to stop: at once in ``async with contextlib.aclosing(...)``, else soon. Raises as `request`.
        """
        return self._topics.stream(topic, body, of, timeout_s, within_s)

    async def send(self, to: str, body: Any) -> None:
        """Leave a message in another agent's durable inbox, signed. Raises `NotFound` where there is no such agent."""
        raw, _ = encode_any(body)
        ask = wire.Send(move_id=self._caller.bus.nonce(), to=token(to, "an agent's id"), body=raw)
        await self._caller.insist(subjects.endpoint("registry", "send"), ask, wire.Done)

    # --- prompts

    async def peers(self, *, within_s: float = 2.0) -> list[Peer]:
        """Everyone who can be prompted, of whatever make."""
        return await find_peers(self._caller, within_s)

    def prompt(
        self,
        to: Peer | str,
        text: str,
        *,
        attachments: Sequence[Attachment] = (),
        timeout_s: float = 60.0,
        within_s: float = 600.0,
    ) -> Conversation:
        """Prompt an agent: ``await agent.prompt("oracle", "What is wheat worth?").text()``, or ``async for``.

        `to` is one of `peers`, its session (of an agent of this package, its id) where that is enough to tell, or
        ``harness.owner.session``. `timeout_s` is the longest silence, `within_s` how long the answer may take in all.
        """
        return Conversation(self._caller, to, text, list(attachments), timeout_s, within_s)
