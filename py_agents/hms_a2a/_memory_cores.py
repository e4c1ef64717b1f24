"""The cores that a bus in memory has: a registry of its own, and those that compute, which `hms_a2a.cores` brings.

Who is here, whose key it is, messages from inbox to inbox. Deals and markets need desk, ledger, maker and the broker's
streams, which are not here: whoever asks for them is told so. Nothing here counts for the contract; that the same tests
pass on a real bus is what shows that it is like one.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from hms_a2a import _headers as header
from hms_a2a import _subjects as subjects
from hms_a2a import _wire as wire
from hms_a2a._bus import headers_of
from hms_a2a._codec import decode_any, encode
from hms_a2a._errors import BadWire, Refusal
from hms_a2a._limits import MAX_BODY_BYTES, MAX_CLEARING_BODY_BYTES
from hms_a2a._signing import signed_by, system_clock

if TYPE_CHECKING:
    from hms_a2a._client import Incoming
    from hms_a2a._memory import MemoryLink
    from hms_a2a._signing import Sender

_log = logging.getLogger("hms_a2a")

#: What is answered, be it that it is not here.
_SERVICES = ("registry", "deal", "ledger", "maker", "market", "trade_balance", "graph", "genetic", "proof", "gtp")
_NOT_HERE = "needs the cores, which a bus in memory does not have: test it with a real one"


class MemoryCores:
    """What answers on a bus in memory."""

    def __init__(self, link: MemoryLink, account: str) -> None:
        self._link = link
        self._account = account
        self._keys: dict[str, str] = {}
        self._here: dict[str, wire.AgentRecord] = {}
        self._inboxes: dict[str, list[wire.InboxEntry]] = {}
        self._sent: set[tuple[str, str]] = set()
        self._sequence = 0

    async def start(self) -> None:
        """Answer from now on."""
        await self._link.open(0)
        for service in _SERVICES:
            await self._link.tap(f"{subjects.ROOT}.{service}.>", self._take)

    async def _take(self, asked: Incoming) -> None:
        if asked.reply is not None:
            try:
                answer = await self._answer(asked)
            except BadWire as error:
                answer = encode(wire.ErrorReply(code=400, message=error.reason, retryable=False, field=error.field))
            except Refusal as refusal:
                answer = encode(wire.ErrorReply(code=refusal.code, message=refusal.message, retryable=False))
            await self._link.publish(asked.reply, answer, _headers(answer))

    async def _answer(self, asked: Incoming) -> bytes:
        """The answer's body. Raises `BadWire` or `Refusal`."""
        body = decode_any(asked.body, MAX_CLEARING_BODY_BYTES)
        sender = signed_by(asked.headers.get(header.SENDER), asked.subject, asked.body)
        match body:
            case wire.Hello():
                now = system_clock()
                return encode(
                    wire.Welcome(account=self._account, schema="1.0", now_unix_ms=now, max_body_bytes=MAX_BODY_BYTES)
                )
            case wire.Register():
                return encode(self._register(body, sender))
            case wire.Leave():
                self._signed(sender, body.agent)
                self._here.pop(body.agent, None)
                return encode(wire.Done())
            case wire.Find():
                return encode(self._find(body))
            case wire.Send():
                return encode(await self._send(body, sender, asked))
            case wire.ReadInbox():
                self._signed(sender, body.agent)
                after = [one for one in self._inboxes.get(body.agent, ()) if one.sequence > body.after_sequence]
                return encode(wire.InboxPage(entries=after[: body.limit], more=len(after) > body.limit))
        return await _computed(body.TYPE, asked.body)

    def _signed(self, sender: Sender | None, agent: str) -> Sender:
        """Who signed, being that agent. Raises `Refusal`."""
        if sender is None or not sender.is_fresh(system_clock()):
            raise Refusal("not signed", code=401)
        if sender.name != agent or self._keys.get(agent, sender.user) != sender.user:
            raise Refusal(f"not signed by {agent}", code=403)
        return sender

    def _register(self, card: wire.Register, sender: Sender | None) -> wire.Registered:
        signed = self._signed(sender, card.agent)
        if signed.user != card.key:
            raise Refusal(f"the key of {card.agent} is another", code=403)
        self._keys[card.agent] = card.key
        until = system_clock() + card.lease_ms
        self._here[card.agent] = wire.AgentRecord(
            agent=card.agent,
            key=card.key,
            kind=card.kind,
            capabilities=card.capabilities,
            subjects=card.subjects,
            lease_until_unix_ms=until,
        )
        last = max((one.sequence for one in self._inboxes.get(card.agent, ())), default=0)
        return wire.Registered(agent=card.agent, lease_until_unix_ms=until, inbox_sequence=last)

    def _find(self, ask: wire.Find) -> wire.Found:
        now = system_clock()
        found = [
            record
            for record in self._here.values()
            if record.lease_until_unix_ms > now
            and ask.agent in (None, record.agent)
            and (ask.capability is None or ask.capability in record.capabilities)
        ]
        return wire.Found(agents=found, total=len(found))

    async def _send(self, ask: wire.Send, sender: Sender | None, asked: Incoming) -> wire.Done:
        if sender is None or sender.name is None:
            raise Refusal("not signed", code=401)
        name = sender.name
        self._signed(sender, name)
        if ask.to not in self._keys:
            raise Refusal(f"no agent {ask.to}", code=404)
        if (name, ask.move_id) not in self._sent:
            self._sent.add((name, ask.move_id))
            cause = wire.Signed(subject=asked.subject, sender=asked.headers[header.SENDER], body=asked.body)
            await self._store(ask.to, wire.DirectMessage(from_=name, at_unix_ms=system_clock(), cause=cause))
        return wire.Done()

    async def _store(self, agent: str, message: wire.Message) -> None:
        """Keep an entry, and tell of it as the broker does."""
        inbox = self._inboxes.setdefault(agent, [])
        last = inbox[-1].sequence if inbox else 0
        self._sequence += 1
        body = encode(message)
        inbox.append(wire.InboxEntry(sequence=self._sequence, body=body))
        headers = {header.SEQUENCE: str(self._sequence), header.LAST_SEQUENCE: str(last)}
        await self._link.publish(subjects.live_inbox(agent), body, headers)


async def _computed(kind: str, body: bytes) -> bytes:
    """What a core that computes answers. Raises `Refusal` for what is not here."""
    try:
        from hms_a2a import _native
    except ImportError:
        raise Refusal(f"{kind} {_NOT_HERE}", code=404) from None
    if kind not in _native.kinds():
        raise Refusal(f"{kind} {_NOT_HERE}", code=404)
    return await asyncio.to_thread(_native.call, kind, body)


def _headers(answer: bytes) -> dict[str, str]:
    body = decode_any(answer, MAX_CLEARING_BODY_BYTES)
    headers = headers_of(body.TYPE)
    if isinstance(body, wire.ErrorReply):
        headers |= {header.ERROR_CODE: str(body.code), header.ERROR: body.message}
    return headers
