"""A deal ends when its time has passed, even where its timer fires before there is anything to end."""

from __future__ import annotations

import asyncio
import hashlib
from typing import TYPE_CHECKING

import pytest

from hms_a2a import _subjects as subjects
from hms_a2a import _wire as wire
from hms_a2a._bus import Bus, Caller
from hms_a2a._codec import encode
from hms_a2a._deal import deal_id
from hms_a2a._keys import Key
from hms_a2a._link import Link
from hms_a2a._settings import Settings
from hms_a2a._signing import Signer, random_nonce, system_clock
from real_bus import find_hms

from .house import House
from .keyring import read
from .logs import connected, read_stream

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

pytestmark = pytest.mark.timeout(120)

_BOOK = "late"
_PARTIES = ["ghana", "kenya"]


class Table:
    """Kenya and Ghana, who deal with each other by hand."""

    def __init__(self, bus: Bus) -> None:
        self._keys = {party: Key.generate() for party in _PARTIES}
        self._callers = {party: Caller(bus, Signer(key, bus.account, party)) for party, key in self._keys.items()}
        self.deal = deal_id("kenya", "open")
        self._name = b""

    async def arrive(self) -> None:
        """Register, and declare what each may give."""
        for party, key in self._keys.items():
            caller = self._callers[party]
            register = wire.Register(agent=party, key=key.public, lease_ms=600_000)
            await caller.insist(subjects.endpoint("registry", "register"), register, wire.Registered)
            limits = [wire.Limit(good=good, quantity=50) for good in ("cocoa", "tea")]
            declare = wire.Declare(move_id="declare", deadline_unix_ms=system_clock() + 5000, book=_BOOK, limits=limits)
            await caller.insist(subjects.endpoint("ledger", "declare"), declare, wire.Declared)

    async def open(self, expires_unix_ms: int, due_unix_ms: int) -> None:
        """Kenya opens a deal whose goods must be confirmed; asks until it is open."""
        transfers = [
            wire.Transfer(from_=giver, to=receiver, good=good, quantity=1, due_unix_ms=due_unix_ms)
            for giver, receiver, good in (("kenya", "ghana", "tea"), ("ghana", "kenya", "cocoa"))
        ]
        terms = encode(
            wire.Terms(
                book=_BOOK,
                parties=_PARTIES,
                transfers=transfers,
                delivery=wire.Delivery.CONFIRMED,
                expires_unix_ms=expires_unix_ms,
            )
        )
        self._name = hashlib.sha256(terms).digest()
        ask = wire.Open(
            move_id="open",
            deadline_unix_ms=expires_unix_ms,
            book=_BOOK,
            profile=wire.Profile.FIXED_1,
            parties=_PARTIES,
            expires_unix_ms=expires_unix_ms,
            terms=terms,
        )
        await self._callers["kenya"].insist(subjects.deal_move("open", "kenya", self.deal), ask, wire.Moved)

    async def accept(self) -> None:
        """Both accept."""
        for party, caller in self._callers.items():
            ask = wire.Accept(
                move_id="accept", deadline_unix_ms=system_clock() + 5000, deal=self.deal, terms_hash=self._name
            )
            await caller.insist(subjects.deal_move("accept", party, self.deal), ask, wire.Moved)

    async def state(self) -> wire.State:
        """Where the deal stands."""
        subject = subjects.deal_move("show", "kenya", self.deal)
        return (await self._callers["kenya"].insist(subject, wire.Show(deal=self.deal), wire.Shown)).state

    async def comes_to(self, state: wire.State, within_s: float) -> bool:
        """Whether it comes to stand there."""
        end = system_clock() + within_s * 1000
        while system_clock() < end:
            if await self.state() is state:
                return True
            await asyncio.sleep(0.2)
        return False


async def happened(house: House, deal: str) -> list[str]:
    """What happened to a deal after it was certified."""
    async with connected(house.broker.url) as client:
        log = await read_stream(client, subjects.STREAM_DEALS)
    events = [read(one.body, wire.DealEvent).what.TYPE for one in log if one.subject == subjects.deal_log(deal)]
    return events[events.index(wire.DealCertified.TYPE) + 1 :]


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    """All cores, and one more desk, which stays when the node is away."""
    find_hms()
    house = House(tmp_path, sync_always=False, forgets=False, desks=1, ledgers=0)
    house.start()
    yield house
    house.stop()


@pytest.fixture
async def table(house: House) -> AsyncIterator[Table]:
    bus = Bus(Link(Settings(servers=(house.broker.url,)), "table"), system_clock, random_nonce)
    await bus.open(10)
    table = Table(bus)
    await table.arrive()
    yield table
    await bus.link.close()


async def test_what_nobody_accepts_expires(table: Table) -> None:
    now = system_clock()
    await table.open(now + 1000, now + 2000)
    assert await table.comes_to(wire.State.EXPIRED, 5)


async def test_what_nobody_confirms_is_taken_back(table: Table) -> None:
    now = system_clock()
    await table.open(now + 1000, now + 2000)
    await table.accept()
    assert await table.comes_to(wire.State.COMPENSATED, 6)


async def test_a_commit_after_the_due_date_is_taken_back(house: House, table: Table) -> None:
    """The ledger is away from before the last acceptance until after the due date."""
    now = system_clock()
    await table.open(now + 3000, now + 4000)
    await asyncio.to_thread(house.node.kill)
    await table.accept()
    assert await table.state() is wire.State.CERTIFIED
    await asyncio.sleep(max(0.0, (now + 5000 - system_clock()) / 1000))
    await asyncio.to_thread(house.node.up)
    assert await table.comes_to(wire.State.COMPENSATED, 15)
    assert await happened(house, table.deal) == ["committed", "failed", "compensated"]
