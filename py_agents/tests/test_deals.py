"""Whole deals on a whole bus: the cores as they are, a real broker, the real command line.

Each test has a book and agents of its own, since they share one bus. How deals end badly is tested in
tests/e2e/test_ends.py.
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

    from real_bus import Bus

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


async def test_trade_balances_as_the_ledger_committed_it(bus: Bus) -> None:
    bus.declare_market("balances", ["tea", "cocoa"], clear_every_ms=3_600_000)
    kenya = trader(bus, "kenya", "balances", gives={"tea": 100}, wants={"cocoa": 100})
    ghana = trader(bus, "ghana", "balances", gives={"cocoa": 100}, wants={"tea": 100})
    async with kenya, ghana:
        deal = await kenya.offer(ghana.id, book="balances", gives={"tea": 10}, takes={"cocoa": 8})
        assert await asyncio.wait_for(deal.ended(), WITHIN_S) == "settled"
    # A reference price of 50 each: kenya exports 500 and imports 400.
    path = json.loads(bus.hms("market", "trade", "balances", "--json"))
    told = {party["party"]: (party["exports_minor"][-1], party["imports_minor"][-1]) for party in path["parties"]}
    assert told == {kenya.id: (500, 400), ghana.id: (400, 500)}
    [pair] = path["pairs"]
    assert (pair["a"], pair["balance_minor"][-1]) == (ghana.id, -100)
    assert "PERIODS IN DEFICIT" in bus.hms("market", "trade", "balances")


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


async def test_an_agent_without_our_package_trades(bus: Bus) -> None:
    """`plain_nats.py` is what anybody with a NATS client can write, in under sixty lines."""
    program = bus.binary.parents[2] / "py_agents" / "examples" / "plain_nats.py"
    lines = [line for line in program.read_text().splitlines() if line.strip()]
    assert len(lines) < 60
    assert "hms_a2a" not in program.read_text()
    bus.declare_market("bazaar", ["wheat", "coffee"])
    kenya = Agent("kenya-plain", servers=bus.url, seed=new_seed())
    kenya.join("bazaar", gives=[Give("wheat", 100, cost=20)], wants=[Want("coffee", 50, value=90)])
    async with kenya:
        outsider = await asyncio.create_subprocess_exec(
            sys.executable, "-W", "error", str(program), bus.url, stdout=asyncio.subprocess.PIPE
        )
        said, _ = await asyncio.wait_for(outsider.communicate(), 3 * WITHIN_S)
        assert outsider.returncode == 0, said
        assert b"mali joined bazaar" in said
        deal = said.decode().split("deal ")[-1].split(":")[0]
        assert said.decode().rstrip().endswith("settled"), said
        assert (await kenya.balance("bazaar"))["wheat"] < 0
    assert json.loads(bus.hms("deal", "verify", deal, "--json"))["state"] == "settled"
