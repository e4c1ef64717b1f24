"""The bus as one process sees it: a connection, the account that signatures name, the registry's clock.

Several agents may share one (a *host*). Each signs with its own key: a `Caller` is a bus with one agent's signature.
"""

from __future__ import annotations

import asyncio
import logging
import random
from typing import TYPE_CHECKING, TypeVar

from hms_a2a import _headers as header
from hms_a2a import _subjects as subjects
from hms_a2a import _tracing as tracing
from hms_a2a import _wire as wire
from hms_a2a._cancels import Cancels
from hms_a2a._codec import decode, encode
from hms_a2a._directory import Directory
from hms_a2a._errors import BadWire, Busy, Disconnected, ErrorReply, HmsError, Internal, NoResponders, TimedOut
from hms_a2a._mux import Mux

if TYPE_CHECKING:
    from hms_a2a._client import Incoming
    from hms_a2a._link import Link
    from hms_a2a._signing import Clock, Nonce, Signer

_log = logging.getLogger("hms_a2a")

#: How long one attempt at a question may take.
ATTEMPT_S = 3.0
#: How long a question is repeated whose asker said nothing about it.
PATIENCE_S = 30.0

_FIRST_PAUSE_S = 0.1
_LONGEST_PAUSE_S = 5.0
_CLOCKS_DIFFER_MS = 5_000
_KEYS_AGE_S = 60.0
_MOST_KEYS = 100_000

_M = TypeVar("_M", bound=wire.Message)


class Bus:
    """A connection, and what the registry says to newcomers."""

    def __init__(self, link: Link, clock: Clock, nonce: Nonce) -> None:
        self.link = link
        self._clock = clock
        self._nonce = nonce
        self._ahead_ms: int | None = None  # the registry's clock, of this machine's: as its greeting says
        self._keys: dict[str, tuple[str, float]] = {}
        self.account = ""
        #: Where answers come that are more than one.
        self.mux = Mux(link)
        #: What is cancelled by whoever asked for it.
        self.cancels = Cancels(link)
        #: The services of this process that are found as NATS finds services.
        self.directory = Directory(link)

    async def open(self, within_s: float) -> None:
        """Connect, and greet the registry.

        Raises `Disconnected` without a broker, `NoResponders` or `TimedOut` without a registry.
        """
        tracing.find()
        loop = asyncio.get_running_loop()
        deadline = loop.time() + within_s
        await self.link.open(within_s)
        try:
            caller = Caller(self)
            subject = subjects.endpoint("registry", "hello")
            left_s = max(1.0, deadline - loop.time())
            before = self._clock()
            welcome = await caller.insist(subject, wire.Hello(), wire.Welcome, patience_s=left_s)
        except NoResponders as error:
            await self.link.close()
            raise NoResponders(f"{error}: there is a broker, and no cores on it; `hms up` runs both") from error
        except BaseException:
            await self.link.close()
            raise
        self.account = welcome.account
        # Signatures hold for half a minute around the registry's clock, so that is the clock to go by.
        ahead_ms = self._ahead_ms = welcome.now_unix_ms - (before + self._clock()) // 2
        if abs(ahead_ms) > _CLOCKS_DIFFER_MS:
            seen = f"{abs(ahead_ms)} ms {'behind' if ahead_ms > 0 else 'ahead of'}"
            _log.warning("this machine's clock is %s the registry's; going by the registry's", seen)

    @property
    def knows_time(self) -> bool:
        """Whether the registry has said what time it is."""
        return self._ahead_ms is not None

    def now_unix_ms(self) -> int:
        """The time by the registry's clock; by this machine's until the registry has greeted."""
        return self._clock() + (self._ahead_ms or 0)

    def known_key(self, agent: str) -> str | None:
        """The agent's key, as the registry said within the last minute; None where it has to be asked."""
        known = self._keys.get(agent)
        return known[0] if known is not None and known[1] >= asyncio.get_running_loop().time() else None

    async def key_of(self, agent: str) -> str:
        """The agent's key now, as the registry says; asked once a minute for each agent at most.

        Empty for an agent that the registry does not know, or where the registry does not answer.
        """
        if (known := self.known_key(agent)) is not None:
            return known
        try:
            subjects.agent_id(agent)
        except ValueError:
            return ""  # a name for people, as outsiders have them
        subject = subjects.endpoint("registry", "find")
        try:
            found = await Caller(self).insist(subject, wire.Find(agent=agent), wire.Found, patience_s=ATTEMPT_S)
        except HmsError as error:
            _log.warning("cannot ask for the key of %s: %s", agent, error)
            return ""
        if len(self._keys) >= _MOST_KEYS:
            self._keys.clear()
        key = found.agents[0].key if found.agents else ""
        self._keys[agent] = key, asyncio.get_running_loop().time() + _KEYS_AGE_S
        return key

    def nonce(self) -> str:
        """A fresh nonce, which is also a fresh `move_id`."""
        return self._nonce()


class Caller:
    """Asks, in the name of one agent."""

    def __init__(self, bus: Bus | None = None, signer: Signer | None = None) -> None:
        self._bus = bus
        self._signer = signer

    def connect(self, bus: Bus, signer: Signer) -> None:
        """Speak on this bus with this signature from now on."""
        self._bus = bus
        self._signer = signer

    @property
    def bus(self) -> Bus:
        """The bus. Raises `Disconnected` before there is one."""
        if self._bus is None:
            raise Disconnected("not connected: use `async with agent`, `agent.start()` or `agent.run()`")
        return self._bus

    @property
    def link(self) -> Link:
        """The bus's connection. Raises `Disconnected` before there is one."""
        return self.bus.link

    def headers(self, subject: str, body: bytes, kind: str, signed: bool = True) -> dict[str, str]:
        """The headers of a message of this type, freshly signed."""
        headers = headers_of(kind)
        headers[header.TRACEPARENT] = tracing.outgoing()
        if signed:
            headers |= self.sender(subject, body)
        return headers

    @property
    def signer(self) -> Signer | None:
        """What signs, once there is a bus."""
        return self._signer

    def sender(self, subject: str, body: bytes) -> dict[str, str]:
        """The header that says who sends this, freshly signed; none where nobody signs."""
        if self._signer is None:
            return {}
        bus = self.bus
        return {header.SENDER: self._signer.sign(subject, body, bus.now_unix_ms(), bus.nonce())}

    def deadline_unix_ms(self, timeout_s: float) -> int:
        """When somebody who waits this long stops waiting; whoever waits for *him* may stop earlier."""
        own = self.bus.now_unix_ms() + int(timeout_s * 1000)
        askers = tracing.deadline_unix_ms()
        return own if askers is None else min(own, askers)

    async def ask(
        self, subject: str, body: bytes, kind: str, timeout_s: float, job: str | None = None, *, signed: bool = True
    ) -> Incoming:
        """Ask once. An error reply is raised as what it says; a `job` is cancelled when this is."""
        bus = self.bus
        with tracing.asking(subject):
            headers = self.headers(subject, body, kind, signed)
            deadline = self.deadline_unix_ms(timeout_s)
            if bus.knows_time:  # by a clock that may be wrong, the registry's greeting would come too late
                headers[header.DEADLINE] = str(deadline)
            if job is not None:
                headers[header.JOB] = job
            left_s = max(0.001, (deadline - bus.now_unix_ms()) / 1000)
            try:
                reply = await bus.link.request(subject, body, headers, min(timeout_s, left_s))
            except asyncio.CancelledError:
                if job is not None:
                    bus.cancels.say(job)
                raise
            raise_error(reply)
            return reply

    async def insist(
        self,
        subject: str,
        message: wire.Message,
        answer: type[_M],
        *,
        until_unix_ms: int | None = None,
        patience_s: float | None = PATIENCE_S,
    ) -> _M:
        """Ask with the same bytes until there is an answer, the time has come or the patience has gone.

        Only for what is safe to ask twice. Each attempt is signed anew: a signature ages, the body does not.
        """
        body = encode(message)
        reply = await self._insist(subject, body, message.TYPE, self._patience(until_unix_ms, patience_s))
        return decode(reply.body, answer)

    async def persist(self, subject: str, body: bytes, kind: str) -> Incoming:
        """Publish into a stream until it says that it has the message; what it says."""
        return await self._insist(subject, body, kind, PATIENCE_S)

    def _patience(self, until_unix_ms: int | None, patience_s: float | None) -> float:
        bounds = [float("inf") if patience_s is None else patience_s]
        if until_unix_ms is not None:
            bounds.append((until_unix_ms - self.bus.now_unix_ms()) / 1000)
        return min(bounds)

    async def _insist(self, subject: str, body: bytes, kind: str, patience_s: float) -> Incoming:
        loop = asyncio.get_running_loop()
        end = loop.time() + patience_s
        pause_s = _FIRST_PAUSE_S
        unknown: TimedOut | None = None
        while True:
            try:
                return await self.ask(subject, body, kind, max(0.5, min(ATTEMPT_S, end - loop.time())))
            except TimedOut as error:
                failure: Exception = error
                unknown = error
            except (NoResponders, Disconnected) as error:
                failure = error
            except (Busy, Internal) as error:
                if not error.retryable:
                    raise
                failure = error
            wait_s = pause_s * random.uniform(0.5, 1.0)  # noqa: S311 # spreads retries, decides nothing
            if isinstance(failure, Busy) and failure.retry_after_ms is not None:
                wait_s = max(wait_s, failure.retry_after_ms / 1000)
            if loop.time() + wait_s >= end:
                # What was once unknown stays so: the attempt that timed out may have been carried out.
                raise failure if unknown is None or failure is unknown else unknown from failure
            _log.debug("%s: %s; asking again", subject, failure)
            await asyncio.sleep(wait_s)
            pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)


def headers_of(kind: str) -> dict[str, str]:
    """The headers of every body of the contract; an agent's own bodies have no type (an empty `kind`)."""
    headers = {header.CONTENT_TYPE: header.MSGPACK}
    if kind:
        headers |= {header.TYPE: kind, header.SCHEMA: header.SCHEMA_VERSION}
    return headers


def raise_error(reply: Incoming) -> None:
    """Raise what an error reply says. Any other reply passes."""
    code = reply.headers.get(header.ERROR_CODE)
    if code is None:
        return
    try:
        raise ErrorReply.of(decode(reply.body, wire.ErrorReply))
    except BadWire:
        # A service that is none of ours says it in headers alone.
        text = reply.headers.get(header.ERROR, "")
        number = int(code) if code.isdigit() and int(code) < 2**16 else 500
        raise ErrorReply.of(wire.ErrorReply(code=number, message=text, retryable=False)) from None
