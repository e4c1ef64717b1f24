"""An agent that is prompted: a service of the Synadia Agent Protocol for NATS 0.3, for people and agents of any make.

It is found as NATS finds services, answers `prompt` in chunks and `status` at once, and beats every half a minute. A
prompt whose signature fails is refused, whoever it says it comes from; one that is not signed is answered, unless the
author wants signatures. The signature proves a key; that the key is an agent's of this bus, the registry says.
"""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import logging
import secrets
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import msgspec

from hms_a2a import _headers as header
from hms_a2a import _subjects as subjects
from hms_a2a import _tracing as tracing
from hms_a2a._crew import ended
from hms_a2a._directory import Endpoint, Service
from hms_a2a._envelope import (
    GROUP,
    SERVICE,
    VERSION,
    Attachment,
    DeclaredEndpoint,
    Heartbeat,
    QuestionData,
    read_prompt,
    size_in_words,
    write_question,
    write_response,
    write_status,
)
from hms_a2a._errors import BadWire, HmsError, Refusal
from hms_a2a._limits import REPLAY_WINDOW_MS
from hms_a2a._replies import Replies
from hms_a2a._signing import is_claim, signed_by
from hms_a2a._trading import awaited

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from hms_a2a._bus import Caller
    from hms_a2a._client import Incoming
    from hms_a2a._crew import Crew
    from hms_a2a._link import Link, Tap

_log = logging.getLogger("hms_a2a")

#: Answers a prompt: what it returns or yields, text or a piece of its own, is the answer.
Respond = Callable[["Prompt"], Any]

HARNESS = "hms-a2a"
OWNER = "hms"
SERVICE_VERSION = "0.1.0"
_BEAT_EVERY_S = 30
#: How often a caller hears that an answer is still under way; callers give up after a minute of silence.
_STILL_EVERY_S = 20.0
_MOST_NONCES = 100_000
_ACK = write_status("ack")


class Prompt:
    """What somebody asks of this agent, in plain words.

    `sender` is the agent of this bus whose key signed it, `key` the key, whoever has it; None where nobody signed.
    """

    def __init__(
        self, caller: Caller, reply: str, text: str, attachments: list[Attachment], sender: str | None, key: str | None
    ) -> None:
        self._caller = caller
        self._reply = reply
        self.text = text
        self.attachments = attachments
        self.sender = sender
        self.key = key

    async def say(self, text: str, attachments: list[Attachment] | None = None) -> None:
        """Say a piece of the answer."""
        await self._caller.link.publish(self._reply, write_response(text, attachments or []), {})

    async def ask(self, question: str, *, timeout_s: float = 60.0) -> str:
        """Ask back, and wait for the answer. Raises `TimedOut` or `BadWire`."""
        link = self._caller.link
        async with Replies(self._caller.bus, "the question back") as replies:
            asked = QuestionData(id=secrets.token_hex(16), reply_subject=replies.inbox, prompt=question)
            await link.publish(self._reply, write_question(asked), {})
            return read_prompt((await replies.raw(timeout_s)).body).prompt

    def __repr__(self) -> str:
        return f"<Prompt from {self.sender or self.key or 'someone'}: {self.text[:64]!r}>"


class Prompts:
    """An agent's side of the protocol."""

    def __init__(
        self,
        caller: Caller,
        agent: str,
        respond: Respond,
        *,
        about: str,
        harness: str,
        owner: str,
        attachments: bool,
        signed: bool,
    ) -> None:
        """Raises `ValueError` for a harness or an owner that the protocol does not know."""
        self._caller = caller
        self._agent = agent
        self._respond = respond
        self._about = about or f"the agent {agent}"
        self._place = (harness, owner, agent)
        self._attachments = attachments
        self._signed = signed
        self._taps: list[Tap] = []
        self._crew: Crew | None = None
        self._beating: asyncio.Task[None] | None = None
        self._nonces: dict[tuple[str, str], int] = {}
        self._service: Service | None = None
        self._prompt = Endpoint("prompt", subjects.prompt(*self._place), GROUP)
        self._status = Endpoint("status", subjects.prompt_status(*self._place), GROUP)

    @property
    def subject(self) -> str:
        """Where it is prompted."""
        return self._prompt.subject

    async def start(self, crew: Crew) -> None:
        """Be found, and answer. Raises `HmsError`."""
        self._crew = crew
        link = self._caller.link
        self._prompt.metadata = {
            "max_payload": size_in_words(link.max_body_bytes),
            "attachments_ok": "true" if self._attachments else "false",
            "min_sender_trust": "signed" if self._signed else "any",
        }
        harness, owner, agent = self._place
        metadata = {"agent": harness, "owner": owner, "session": agent, "protocol_version": VERSION}
        if (signer := self._caller.signer) is not None:
            signature = signer.sign_registration(harness, owner, self._prompt.subject)
            metadata |= {"user_nkey": signer.key, "account": signer.account, "id_sig": signature}
        endpoints = [self._prompt, self._status]
        self._service = Service(SERVICE, SERVICE_VERSION, self._about, metadata, endpoints)
        await self._caller.bus.cancels.listen()
        self._taps = [
            await link.tap(self._prompt.subject, self._take, GROUP),
            await link.tap(self._status.subject, self._say_how_it_is, GROUP),
        ]
        await self._caller.bus.directory.add(self._service)
        await link.flush()
        self._beating = asyncio.ensure_future(self._beat())

    async def stop(self) -> None:
        """Take no more."""
        if self._service is not None:
            self._caller.bus.directory.remove(self._service)
        if self._beating is not None:
            await ended(self._beating)
        taps, self._taps = self._taps, []
        await asyncio.gather(*(tap.stop() for tap in taps))

    async def _take(self, incoming: Incoming) -> None:
        reply = incoming.reply
        if reply is None or not subjects.may_reply_to(reply) or self._crew is None:
            return
        await self._crew.run("its answer to a prompt", lambda: self._serve(incoming, reply))

    async def _serve(self, incoming: Incoming, reply: str) -> None:
        """Answer a prompt: whatever happens, the answer ends."""
        began = time.perf_counter_ns()
        self._prompt.requests += 1
        link = self._caller.link
        work = tracing.at_work(f"prompt {self._agent}", incoming.headers.get(header.TRACEPARENT))
        try:
            with self._caller.bus.cancels.scope(incoming.headers.get(header.JOB)), work:
                await self._answer(incoming, reply)
        except Refusal as refusal:
            self._failed(refusal.message)
            await link.publish(reply, b"", _error(refusal.code, refusal.message))
        except asyncio.CancelledError:
            await link.publish(reply, b"", _error(500, f"{self._agent} was stopped"))  # the answer is not whole
            raise
        except Exception as error:
            self._failed(type(error).__name__)
            await link.publish(reply, b"", _error(500, f"{self._agent} failed to answer"))
            raise
        finally:
            self._prompt.took_ns += time.perf_counter_ns() - began
            await link.publish(reply, b"", {})  # the end of the answer has no headers at all

    async def _answer(self, incoming: Incoming, reply: str) -> None:
        sender, key = await self._who(incoming)
        try:
            envelope = read_prompt(incoming.body)
        except BadWire as error:
            raise Refusal(str(error), code=400) from error
        if envelope.attachments and not self._attachments:
            raise Refusal("attachments are not taken here", code=400)
        prompt = Prompt(self._caller, reply, envelope.prompt, envelope.attachments, sender, key)
        link = self._caller.link
        await link.publish(reply, _ACK, {})
        still = _Still(link, reply)
        try:
            async with contextlib.aclosing(_pieces(self._respond(prompt))) as pieces:
                async for piece in pieces:
                    await prompt.say(str(piece))
        finally:
            await still.stop()

    async def _who(self, incoming: Incoming) -> tuple[str | None, str | None]:
        """The agent and the key behind a prompt. Raises `Refusal` for a signature that does not hold."""
        said = incoming.headers.get(header.SENDER)
        if said is None or is_claim(said):
            if self._signed:
                raise Refusal("signature required", code=401)
            return None, None
        if not said.lstrip().startswith("{"):
            raise Refusal("sender rejected", code=400)
        sender = signed_by(said, incoming.subject, incoming.body, any_account=True)
        bus = self._caller.bus
        now = bus.now_unix_ms()
        if sender is None or not sender.is_fresh(now) or not self._is_new((sender.user, sender.nonce), now):
            raise Refusal("sender rejected", code=401)
        known = sender.name is not None and await bus.key_of(sender.name) == sender.user
        return sender.name if known else None, sender.user

    def _is_new(self, nonce: tuple[str, str], now_unix_ms: int) -> bool:
        """Whether this was not heard before, as far back as a signature holds."""
        while self._nonces:  # the oldest stands first
            oldest = next(iter(self._nonces))
            if self._nonces[oldest] > now_unix_ms and len(self._nonces) < _MOST_NONCES:
                break
            del self._nonces[oldest]
        if nonce in self._nonces:
            return False
        self._nonces[nonce] = now_unix_ms + 2 * REPLAY_WINDOW_MS + 1000
        return True

    def _failed(self, why: str) -> None:
        self._prompt.errors += 1
        self._prompt.last_error = why

    def _how_it_is(self) -> bytes:
        assert self._service is not None  # noqa: S101 # it is made before anybody can ask
        harness, owner, agent = self._place
        now = datetime.fromtimestamp(self._caller.bus.now_unix_ms() / 1000, UTC)
        beat = Heartbeat(
            agent=harness,
            owner=owner,
            session=agent,
            instance_id=self._service.id,
            ts=now.strftime("%Y-%m-%dT%H:%M:%SZ"),
            interval_s=_BEAT_EVERY_S,
            protocol_version=VERSION,
            endpoints={"prompt": DeclaredEndpoint(self._prompt.subject, self._prompt.metadata)},
        )
        return msgspec.json.encode(beat)

    async def _say_how_it_is(self, incoming: Incoming) -> None:
        if incoming.reply is not None and subjects.may_reply_to(incoming.reply):
            self._status.requests += 1
            await self._caller.link.publish(incoming.reply, self._how_it_is(), {})

    async def _beat(self) -> None:
        subject = subjects.heartbeat(*self._place)
        while True:
            try:
                body = self._how_it_is()
                await self._caller.link.publish(subject, body, self._caller.sender(subject, body))
            except HmsError as error:
                _log.debug("%s: no heartbeat: %s", self._agent, error)
            await asyncio.sleep(_BEAT_EVERY_S)


class _Still:
    """Says now and then that an answer is under way; it costs nothing where the answer is quick."""

    def __init__(self, link: Link, reply: str) -> None:
        self._link = link
        self._reply = reply
        self._saying: asyncio.Task[None] | None = None
        self._timer = asyncio.get_running_loop().call_later(_STILL_EVERY_S, self._begin)

    def _begin(self) -> None:
        self._saying = asyncio.ensure_future(self._say())

    async def _say(self) -> None:
        while True:
            await self._link.publish(self._reply, _ACK, {})
            await asyncio.sleep(_STILL_EVERY_S)

    async def stop(self) -> None:
        """Nothing is said after this."""
        self._timer.cancel()
        if self._saying is not None:
            await ended(self._saying)


async def _pieces(said: Any) -> AsyncGenerator[Any, None]:
    """What a handler returned, or yields, other than None."""
    if inspect.isasyncgen(said):
        async with contextlib.aclosing(said) as yielded:
            async for piece in yielded:
                yield piece
        return
    whole = await awaited(said)
    if whole is not None:
        yield whole


def _error(code: int, text: str) -> dict[str, str]:
    """The headers of an error, whose text is one line."""
    return {header.ERROR_CODE: str(code), header.ERROR: " ".join(text.split())[:200]}
