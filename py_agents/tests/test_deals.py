"""Whole deals on a whole bus: the cores as they are, a real broker, the real command line.

Each test has a book and agents of its own, since they share one bus.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from hms_a2a import Agent, Conflict, Forbidden, Give, Refused, Want
from hms_a2a._keys import new_seed

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Bus

WITHIN_S = 15.0


def trader(bus: Bus, name: str, book: str, *, gives: dict[str, int], wants: dict[str, int]) -> Agent:
    """An agent to whom each unit costs 10 and is worth 30."""
    agent = Agent(f"{name}-{book}", servers=bus.url, seed=new_seed())
    agent.join(
        book,
        gives=[Give(good, units, cost=10) for good, units in gives.items()],
        wants=[Want(good, units, value=30) for good, units in wants.items()],
    )
    return agent


async def test_two_agents_settle_a_deal_and_it_verifies(bus: Bus, tmp_path: Path) -> None:
    kenya = trader(bus, "kenya", "settles", gives={"tea": 100}, wants={"cocoa": 100})
    ghana = trader(bus, "ghana", "settles", gives={"cocoa": 100}, wants={"tea": 100})
    async with kenya, ghana:
        deal = await kenya.offer(ghana.id, book="settles", gives={"tea": 10}, takes={"cocoa": 8})
        assert await asyncio.wait_for(deal.ended(), WITHIN_S) == "settled"
        assert await kenya.balance("settles") == {"tea": -10, "cocoa": 8}
        assert await ghana.balance("settles") == {"tea": 10, "cocoa": -8}
    told = json.loads(bus.hms("deal", "verify", deal.id, "--json"))
    assert told["state"] == "settled"

    await asyncio.to_thread(the_evidence_travels, bus, deal.id, tmp_path / "deal.jsonl")


def the_evidence_travels(bus: Bus, deal: str, evidence: Path) -> None:
    """A file is enough to verify a deal, and a changed byte in it is named."""
    evidence.write_text(bus.hms("deal", "log", deal, "--raw"))
    assert json.loads(bus.hms("deal", "verify", "--from", str(evidence), "--json"))["state"] == "settled"
    lines = evidence.read_text().splitlines()
    last = json.loads(lines[-1])
    body = bytearray.fromhex(last["body"])
    body[len(body) // 2] ^= 1
    lines[-1] = json.dumps(last | {"body": body.hex()})
    evidence.write_text("\n".join(lines) + "\n")
    command: list[str | Path] = [bus.binary, "deal", "verify", "--from", evidence]
    checked = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert checked.returncode == 1
    assert str(last["sequence"]) in checked.stdout + checked.stderr


async def test_who_says_no_ends_it_and_nothing_is_posted(bus: Bus) -> None:
    kenya = trader(bus, "kenya", "refuses", gives={"tea": 100}, wants={"cocoa": 100})
    ghana = trader(bus, "ghana", "refuses", gives={"cocoa": 100}, wants={"tea": 100})
    heard: list[str] = []

    @ghana.on_proposal
    def decide(_: object) -> str:
        return "the rains have failed"

    @kenya.on_deal
    def hear(deal: object) -> None:
        heard.append(repr(deal))

    async with kenya, ghana:
        deal = await kenya.offer(ghana.id, book="refuses", gives={"tea": 10}, takes={"cocoa": 8})
        assert await asyncio.wait_for(deal.ended(), WITHIN_S) == "rejected"
        shown = await deal.show()
        assert shown.reason == "the rains have failed"
        assert await kenya.balance("refuses") == {}
    assert heard
    assert "rains" in bus.hms("deal", "log", deal.id)


async def test_who_is_silent_lets_it_expire(bus: Bus) -> None:
    kenya = trader(bus, "kenya", "expires", gives={"tea": 100}, wants={"cocoa": 100})
    ghana = trader(bus, "ghana", "expires", gives={"cocoa": 100}, wants={"tea": 100})

    @ghana.on_proposal
    async def decide(_: object) -> bool:
        await asyncio.sleep(3)
        return True

    async with kenya, ghana:
        deal = await kenya.offer(ghana.id, book="expires", gives={"tea": 10}, takes={"cocoa": 8}, expires_in_s=1.0)
        assert await asyncio.wait_for(deal.ended(), WITHIN_S) == "expired"
        assert await kenya.balance("expires") == {}


async def test_what_was_given_already_is_not_given_again(bus: Bus) -> None:
    kenya = trader(bus, "kenya", "twice", gives={"tea": 10}, wants={"cocoa": 100})
    ghana = trader(bus, "ghana", "twice", gives={"cocoa": 100}, wants={"tea": 100})

    @kenya.on_proposal
    def decide(_: object) -> bool:
        return True

    async with kenya, ghana:
        first = await kenya.offer(ghana.id, book="twice", gives={"tea": 10}, takes={"cocoa": 8})
        assert await asyncio.wait_for(first.ended(), WITHIN_S) == "settled"
        second = await kenya.offer(ghana.id, book="twice", gives={"tea": 1}, takes={"cocoa": 1})
        assert await asyncio.wait_for(second.ended(), WITHIN_S) == "refused"
        shown = await second.show()
        assert "has 0 left to give" in (shown.reason or "")
        assert await kenya.balance("twice") == {"tea": -10, "cocoa": 8}


async def test_an_id_belongs_to_its_key(bus: Bus) -> None:
    async with trader(bus, "kenya", "keys", gives={"tea": 1}, wants={"cocoa": 1}):
        thief = trader(bus, "kenya", "keys", gives={"tea": 1}, wants={"cocoa": 1})
        with pytest.raises((Forbidden, Conflict, Refused)):
            async with thief:
                pass


def test_the_example_runs(bus: Bus) -> None:
    done = subprocess.run(
        [sys.executable, bus.binary.parents[2] / "py_agents" / "examples" / "two_agents.py"],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    assert "it ended settled" in done.stdout
    assert "holds: settled, 8 entries" in done.stdout
