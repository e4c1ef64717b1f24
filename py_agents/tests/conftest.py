"""Stand-ins for the cores, for tests that are about the SDK alone.

`cores` are a few answers on a broker, for what the real cores won't do on request, such as not to answer. The broker,
and the bus with the cores as they are, are fixtures of tests/e2e/real_bus.py.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from fractions import Fraction
from typing import TYPE_CHECKING

import msgspec
import nats
import nkeys
import pytest

from hms_a2a import Agent, wire
from hms_a2a import _subjects as subjects
from hms_a2a._codec import decode_any, encode
from hms_a2a._keys import Key, new_seed
from hms_a2a._signing import Sender, Signer, signed_by, system_clock

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from nats.aio.client import Client
    from nats.aio.msg import Msg

    from real_bus import Broker

    MakeAgent = Callable[..., Agent]


def account() -> str:
    """An account's public key."""
    seed = nkeys.encode_seed(os.urandom(32), nkeys.PREFIX_BYTE_ACCOUNT)
    return str(nkeys.from_seed(seed).public_key.decode())


class Voice:
    """An agent whose messages the stand-ins keep."""

    def __init__(self, account: str) -> None:
        self._signer = Signer(Key(new_seed()), account, "ghana")

    def message(
        self, number: int, to: str = "kenya", name: str = "ghana", body: bytes | None = None
    ) -> wire.DirectMessage:
        """A message as the registry keeps it; its body says its number."""
        said = msgspec.msgpack.encode({"number": number}) if body is None else body
        subject = subjects.endpoint("registry", "send")
        signed = encode(wire.Send(move_id=f"m{number}", to=to, body=said))
        header = self._signer.sign(subject, signed, 1_700_000_000_000, "n")
        cause = wire.Signed(subject=subject, sender=header, body=signed)
        return wire.DirectMessage(from_=name, at_unix_ms=number, cause=cause)


class Asked:
    """A request as it came to a stand-in."""

    def __init__(self, msg: Msg) -> None:
        self.subject = msg.subject
        self.raw = msg.data
        self.headers = msg.headers or {}
        self.body = decode_any(msg.data)
        self.sender: Sender | None = signed_by(self.headers.get("Agent-Sender"), msg.subject, msg.data)


class Cores:
    """Stand-ins for the cores: they answer what a test needs, and keep what they were asked."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self.account = account()
        self.asked: list[Asked] = []
        self.entries: list[tuple[int, bytes]] = []
        self.keys: dict[str, str] = {}
        #: How often not to answer, by subject.
        self.deaf: Counter[str] = Counter()
        #: Another answer than the usual one, by subject.
        self.answers: dict[str, Callable[[Asked], wire.Message | None]] = {}

    async def start(self) -> None:
        await self._client.subscribe(f"{subjects.ROOT}.*.*", cb=self._take)
        await self._client.subscribe(f"{subjects.ROOT}.deal.*.*.*", cb=self._take)
        await self._client.subscribe(subjects.intent("bazaar", "kenya").replace("kenya", "*"), cb=self._store)
        for _ in range(2):  # the first PING may overtake a subscription
            await self._client.flush()

    def of(self, kind: str) -> list[Asked]:
        """What was asked of this type."""
        return [asked for asked in self.asked if kind == asked.body.TYPE]

    async def tell(self, agent: str, sequence: int, body: wire.Message, before: int | None = None) -> None:
        """Store an entry in an inbox, and republish it as the stream does."""
        last = max((s for s, _ in self.entries), default=0) if before is None else before
        self.store(sequence, body)
        headers = {"Nats-Sequence": str(sequence), "Nats-Last-Sequence": str(last)}
        await self._client.publish(subjects.live_inbox(agent), encode(body), headers=headers)

    def store(self, sequence: int, body: wire.Message) -> None:
        """Store an entry that nobody hears live."""
        self.entries.append((sequence, encode(body)))

    def voice(self) -> Voice:
        """Ghana, who sends messages."""
        return Voice(self.account)

    async def _store(self, msg: Msg) -> None:
        asked = Asked(msg)
        self.asked.append(asked)
        await msg.respond(json.dumps({"stream": "HMS_MARKET", "seq": len(self.asked)}).encode())

    async def _take(self, msg: Msg) -> None:
        if msg.subject.startswith(subjects.topic("x")[:-1]):
            return
        asked = Asked(msg)
        self.asked.append(asked)
        if self.deaf[msg.subject] > 0:
            self.deaf[msg.subject] -= 1
            return
        answer = self.answers.get(msg.subject, self._usual)(asked)
        if answer is None:
            return
        headers = {}
        if isinstance(answer, wire.ErrorReply):
            headers = {"Nats-Service-Error-Code": str(answer.code), "Nats-Service-Error": answer.message}
        await self._client.publish(msg.reply, encode(answer), headers=headers)

    def _usual(self, asked: Asked) -> wire.Message | None:
        body = asked.body
        now = system_clock()
        match body:
            case wire.Hello():
                return wire.Welcome(account=self.account, schema="1.0", now_unix_ms=now, max_body_bytes=2**20)
            case wire.Register():
                assert asked.sender is not None
                assert asked.sender.name == body.agent
                self.keys[body.agent] = body.key
                last = max((sequence for sequence, _ in self.entries), default=0)
                return wire.Registered(agent=body.agent, lease_until_unix_ms=now + body.lease_ms, inbox_sequence=last)
            case wire.ReadInbox():
                after = [(s, b) for s, b in self.entries if s > body.after_sequence]
                page = [wire.InboxEntry(sequence=s, body=b) for s, b in after[: body.limit]]
                return wire.InboxPage(entries=page, more=len(after) > body.limit)
            case wire.Find():
                known = self.keys.get(body.agent or "")
                agents = [wire.AgentRecord(agent=body.agent or "", key=known, lease_until_unix_ms=now)] if known else []
                return wire.Found(agents=agents, total=len(agents))
            case wire.BalanceRequest():
                return wire.Balances(book=body.book, applied_through=0, state_hash=bytes(32), lines=[])
            case wire.Declare():
                return wire.Declared(book=body.book, move_id=body.move_id, limits=body.limits)
            case wire.Accept() | wire.Reject() | wire.Confirm():
                after_it = {"deal.accept": "agreed", "deal.reject": "rejected", "deal.confirm": "settled"}[body.TYPE]
                turn = 9 if isinstance(body, wire.Confirm) else 1
                return wire.Moved(deal=body.deal, move_id=body.move_id, state=wire.State(after_it), turn=turn)
            case wire.ShowMarket():
                return wire.Market(
                    market=body.market,
                    unit_of_account="cent",
                    goods=[],
                    band=wire.Bounds(lo=Fraction(1, 10), hi=Fraction(10)),
                    margin_ppm=0,
                    max_ring=3,
                    clear_every_ms=1000,
                    time_limit_ms=1000,
                    accept_within_ms=1000,
                    delivery=wire.Delivery.CONFIRMED,
                    deliver_within_ms=0,
                )
            case wire.Leave() | wire.Send():
                return wire.Done()
        return wire.ErrorReply(code=404, message=f"no stand-in for {body.TYPE}", retryable=False)


@pytest.fixture
async def start_cores(broker: Broker) -> AsyncIterator[Callable[[], Awaitable[Cores]]]:
    """Starts stand-ins for the cores on `broker`, once it is as the test wants it."""
    clients: list[Client] = []

    async def start() -> Cores:
        clients.append(await nats.connect(broker.url, max_reconnect_attempts=-1))
        stand_ins = Cores(clients[-1])
        await stand_ins.start()
        return stand_ins

    yield start
    for client in clients:
        await client.close()


@pytest.fixture
async def cores(start_cores: Callable[[], Awaitable[Cores]]) -> Cores:
    """Stand-ins for the cores on `broker`."""
    return await start_cores()


@pytest.fixture
def make_agent(broker: Broker) -> MakeAgent:
    """Agents on `broker` with keys of their own."""

    def make(agent_id: str, **more: object) -> Agent:
        options: dict[str, object] = {"servers": broker.url, "seed": new_seed(), "connect_within_s": 5.0} | more
        return Agent(agent_id, **options)  # type: ignore[arg-type]

    return make
