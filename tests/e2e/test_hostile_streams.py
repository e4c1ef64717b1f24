"""Bad entries in the streams themselves, which on an open bus anyone can write: whoever reads them skips them."""

from __future__ import annotations

import asyncio
import json
import subprocess
from typing import TYPE_CHECKING

import nats
import pytest

from hms_a2a import Agent, Give, Want, wire
from hms_a2a import _subjects as subjects
from hms_a2a._codec import encode
from real_bus import hms_up
from shared_vectors import content, read

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from nats.aio.client import Client

    from real_bus import Broker, Bus, Eventually

WITHIN_S = 20.0
GARBAGE = (b"", b"\xc1", b"\x80", b"\x91" * 100_000, b"\xdf\xff\xff\xff\xff", b"not MessagePack at all")


@pytest.fixture
async def vandal(bus: Bus) -> AsyncIterator[Client]:
    """A client that writes where it shouldn't."""
    client = await nats.connect(bus.url)
    yield client
    await client.close()
    assert bus.is_well(), (bus.folder / "log").read_text()[-5000:]


async def store(client: Client, subject: str, body: bytes) -> None:
    """Have a stream store it."""
    reply = await client.request(subject, body, timeout=WITHIN_S)
    assert "seq" in json.loads(reply.data), f"{subject}: {reply.data!r}"


def trader(bus: Bus, name: str, book: str, gives: str, wants: str) -> Agent:
    """An agent to whom each unit costs 10 and is worth 30; its key lies with the bus."""
    agent = Agent(f"{name}-{book}", servers=bus.url, home=bus.folder / "agents")
    agent.join(book, gives=[Give(gives, 100, cost=10)], wants=[Want(wants, 100, value=30)])
    return agent


async def test_intents_that_are_none_do_not_keep_a_market_from_clearing(
    bus: Bus, vandal: Client, eventually: Eventually
) -> None:
    market = "vandals"
    bus.declare_market(market, ["tea", "rice"])
    good = encode(wire.Intent(market=market, agent="ghana", gives=[], wants=[], outlook=wire.Outlook()))
    bodies = [*GARBAGE, good, *(content(vector) for vector in read("intent"))]
    await asyncio.gather(
        *(store(vandal, subjects.intent(market, f"vandal-{i}"), body) for i, body in enumerate(bodies))
    )
    settled: list[str] = []
    kenya, ghana = trader(bus, "kenya", market, "tea", "rice"), trader(bus, "ghana", market, "rice", "tea")
    for agent in (kenya, ghana):
        agent.on_deal(lambda deal: settled.append(deal.id) if deal.state == "settled" else None)
    async with kenya, ghana:
        await store(vandal, subjects.intent(market, "ghana"), good)
        await eventually(lambda: len(settled) == 2, WITHIN_S)


async def test_strange_entries_in_the_logs_are_skipped_and_named(bus: Bus, vandal: Client) -> None:
    book = "written-over"
    kenya, ghana = trader(bus, "kenya", book, "tea", "rice"), trader(bus, "ghana", book, "rice", "tea")
    asked: asyncio.Event = asyncio.Event()
    answer: asyncio.Event = asyncio.Event()

    @ghana.on_proposal
    async def decide(_: object) -> bool:
        asked.set()
        await answer.wait()
        return True

    async with kenya, ghana:
        deal = await kenya.offer(ghana.id, book=book, gives={"tea": 10}, takes={"rice": 10})
        await asyncio.wait_for(asked.wait(), WITHIN_S)
        places = [
            subjects.deal_log(deal.id),
            subjects.ledger_log(book),
            subjects.limit_log(book, kenya.id),
            subjects.key_log(kenya.id),
            subjects.note(kenya.id),
            subjects.inbox(kenya.id),
            subjects.timer_due(deal.id),
        ]
        for place in places:
            for body in (*GARBAGE, encode(wire.Done())):
                await store(vandal, place, body)
        answer.set()
        assert await asyncio.wait_for(deal.ended(), WITHIN_S) == "settled"
        assert await kenya.balance(book) == {"tea": -10, "rice": 10}
    checked = await asyncio.to_thread(verify, bus, deal.id)
    assert checked.returncode == 1, "what is not the cores' own is named"
    assert "DOES NOT HOLD" in checked.stdout
    assert "sequence" in checked.stdout


async def test_the_cores_come_back_to_a_log_that_was_written_over(broker: Broker, tmp_path: Path) -> None:
    """Among their own keys too."""
    (tmp_path / "hms").mkdir()
    client = await nats.connect(broker.url)
    for _ in range(2):
        with hms_up(tmp_path / "hms", "--nats", broker.url) as bus:
            for core in ("registry", "deal", "ledger", "maker"):
                for body in GARBAGE:
                    await store(client, subjects.key_log(core), body)
            kenya, ghana = trader(bus, "kenya", "again", "tea", "rice"), trader(bus, "ghana", "again", "rice", "tea")
            async with kenya, ghana:
                deal = await kenya.offer(ghana.id, book="again", gives={"tea": 1}, takes={"rice": 1})
                assert await asyncio.wait_for(deal.ended(), WITHIN_S) == "settled"
    await client.close()


def verify(bus: Bus, deal: str) -> subprocess.CompletedProcess[str]:
    """What `hms deal verify` says, whatever it finds."""
    command: list[str] = [str(bus.binary), "deal", "verify", deal, "--nats", bus.url, "--dir", str(bus.folder)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60)
