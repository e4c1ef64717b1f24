"""Agents of any make that can be prompted: who is there, and what they answer.

They are found as NATS finds services, by the Synadia Agent Protocol for NATS 0.3. What they are asked is signed with
this agent's key.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

import msgspec

from hms_a2a import _headers as header
from hms_a2a import _subjects as subjects
from hms_a2a import _tracing as tracing
from hms_a2a._cancels import new_job
from hms_a2a._envelope import SERVICE, Attachment, read_chunk, read_size, write_answer, write_prompt
from hms_a2a._errors import BadWire, ErrorReply, NoResponders, TimedOut
from hms_a2a._replies import Replies, is_end

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from hms_a2a._bus import Caller
    from hms_a2a._envelope import QuestionData

_log = logging.getLogger("hms_a2a")

#: Nobody else answers a discovery after this silence.
_STALL_S = 0.25


class _EndpointInfo(msgspec.Struct, frozen=True):
    name: str
    subject: str
    metadata: dict[str, str] | None = None


class _Info(msgspec.Struct, frozen=True):
    name: str
    id: str
    description: str = ""
    metadata: dict[str, str] | None = None
    endpoints: list[_EndpointInfo] = []


class Peer(msgspec.Struct, frozen=True, kw_only=True):
    """An agent that can be prompted, as it was found.

    `session` is what tells agents of one `harness` and `owner` apart: of an agent of this package, its id.
    """

    harness: str
    owner: str
    session: str
    about: str
    instance_id: str
    subject: str
    max_body_bytes: int | None = None
    takes_attachments: bool = False
    wants_signature: bool = False


class Said(msgspec.Struct, frozen=True):
    """A piece of an answer."""

    text: str
    attachments: list[Attachment] = []


class Question:
    """What an agent asks back before it goes on; answer it once."""

    def __init__(self, caller: Caller, asked: QuestionData) -> None:
        self._caller = caller
        self._reply = asked.reply_subject
        self.text = asked.prompt
        self.attachments = asked.attachments

    async def answer(self, text: str) -> None:
        """Answer it. Does nothing where an answer could not go."""
        if subjects.may_reply_to(self._reply):
            await self._caller.link.publish(self._reply, write_answer(text), {})

    def __repr__(self) -> str:
        return f"<Question {self.text[:64]!r}>"


async def find_peers(caller: Caller, within_s: float) -> list[Peer]:
    """Everyone who can be prompted, and says so in time."""
    peers: list[Peer] = []
    loop = asyncio.get_running_loop()
    end = loop.time() + within_s
    async with Replies(caller.bus, subjects.discovery("INFO", SERVICE)) as replies:
        await replies.ask(b"", {})
        while True:
            try:
                # The first may take its time; after that, silence means that all have spoken.
                reply = await replies.next(min(_STALL_S if peers else within_s, max(0.0, end - loop.time())))
                peers.append(_peer(msgspec.json.decode(reply.body, type=_Info)))
            except (TimedOut, NoResponders):
                return peers
            except (msgspec.MsgspecError, RecursionError, ErrorReply, BadWire) as error:
                _log.debug("a service called %s is no such agent: %s", SERVICE, error)


def _peer(info: _Info) -> Peer:
    """Raises `BadWire` for a service that is no agent of the protocol."""
    about = info.metadata or {}
    prompt = next((one for one in info.endpoints if one.name == "prompt"), None)
    missing = [key for key in ("agent", "owner", "protocol_version") if not about.get(key)]
    if info.name != SERVICE or prompt is None or missing:
        raise BadWire("metadata", f"lacks {missing or 'an endpoint to prompt'}")
    tokens = prompt.subject.split(".")
    session = tokens[4] if len(tokens) == 5 and prompt.subject.startswith(f"{SERVICE}.prompt.") else ""
    said = prompt.metadata or {}
    return Peer(
        harness=about["agent"],
        owner=about["owner"],
        session=session or about.get("session", ""),
        about=info.description,
        instance_id=info.id,
        subject=prompt.subject,
        max_body_bytes=read_size(said.get("max_payload", "")),
        takes_attachments=said.get("attachments_ok") == "true",
        wants_signature=said.get("min_sender_trust", "any") != "any",
    )


class Conversation:
    """The answer to a prompt, as it comes.

    ``async for part in agent.prompt(...)`` gives what is `Said`, and each `Question` that is asked back; ``await
    agent.prompt(...).text()`` all that is said, as one text. Whoever stops reading early leaves the other to itself,
    unless that is an agent of this package, which then stops too.
    """

    def __init__(
        self,
        caller: Caller,
        to: Peer | str,
        text: str,
        attachments: list[Attachment],
        timeout_s: float,
        within_s: float,
    ) -> None:
        """Raises `ValueError` for what cannot be asked."""
        self._body = write_prompt(text, attachments)
        if isinstance(to, Peer):
            if attachments and not to.takes_attachments:
                raise ValueError(f"{to.session} takes no attachments")
            if to.max_body_bytes is not None and len(self._body) > to.max_body_bytes:
                raise ValueError(f"{to.session} takes at most {to.max_body_bytes} bytes, not {len(self._body)}")
        self._caller = caller
        self._to = to
        self._timeout_s = timeout_s
        self._within_s = within_s

    async def text(self, answer: Callable[[str], Awaitable[str]] | None = None) -> str:
        """All that is said. `answer` answers what is asked back; without it, that is a `BadWire`.

        Raises `NoResponders`, `TimedOut`, or the `ErrorReply` that came instead.
        """
        said: list[str] = []
        async for part in self:
            if isinstance(part, Said):
                said.append(part.text)
            elif answer is None:
                raise BadWire("", f"it asks back, and nobody answers: {part.text}")
            else:
                await part.answer(await answer(part.text))
        return "".join(said)

    async def __aiter__(self) -> AsyncIterator[Said | Question]:
        caller = self._caller
        subject = await self._subject()
        loop = asyncio.get_running_loop()
        async with Replies(caller.bus, subject) as replies:
            job = new_job()
            headers = {header.JOB: job, header.TRACEPARENT: tracing.outgoing()} | caller.sender(subject, self._body)
            deadline = caller.deadline_unix_ms(self._within_s)
            end = loop.time() + (deadline - caller.bus.now_unix_ms()) / 1000
            await replies.ask(self._body, headers)
            try:
                while not is_end(reply := await replies.next(min(self._timeout_s, max(0.0, end - loop.time())))):
                    part = read_chunk(reply.body)
                    if part is None:
                        continue
                    yield Said(*part) if isinstance(part, tuple) else Question(caller, part)
                replies.ended = True
            finally:
                if not replies.ended:
                    caller.bus.cancels.say(job)

    async def _subject(self) -> str:
        """Where it goes. Raises `NoResponders` where there is nobody, and `ValueError` where there are several."""
        if isinstance(self._to, Peer):
            return self._to.subject
        if self._to.count(".") == 2:
            return subjects.prompt(*self._to.split("."))
        places = {peer.subject for peer in await find_peers(self._caller, 2.0) if peer.session == self._to}
        if not places:
            raise NoResponders(f"nobody called {self._to} can be prompted")
        if len(places) > 1:
            raise ValueError(f"several are called {self._to}: say harness.owner.session, one of {sorted(places)}")
        return places.pop()
