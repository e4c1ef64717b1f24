"""The whole log, from the bus and from backups, ours and the NATS command line's.

What holds, holds everywhere, and what was harmed is named with deal and sequence.
"""

from __future__ import annotations

import asyncio
import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from hms_a2a import Agent, Give, Want
from hms_a2a import _subjects as subjects
from hms_a2a._keys import new_seed
from real_bus import HMS, Broker, hms_up

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from real_bus import Bus

WITHIN_S = 30.0
BOOK = "whole"
DEALS = 6

pytestmark = pytest.mark.timeout(180)


def verify(*arguments: str) -> tuple[int, list[dict[str, Any]]]:
    """What `hms deal verify --all` says, and its exit code."""
    command = [str(HMS), "deal", "verify", "--all", "--json", *arguments]
    environment = {"PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
    assert done.returncode in (0, 1), done.stderr
    return done.returncode, [json.loads(line) for line in done.stdout.splitlines()]


def traders(bus: Bus, *names: str) -> tuple[Agent, Agent]:
    """One who offers, and one who takes whatever is offered."""
    kenya, ghana = (Agent(name, servers=bus.url, seed=new_seed()) for name in names)
    kenya.join(BOOK, gives=[Give("tea", 10_000, cost=10)], wants=[Want("cocoa", 10_000, value=30)])
    ghana.join(BOOK, gives=[Give("cocoa", 10_000, cost=10)], wants=[Want("tea", 10_000, value=30)])

    @ghana.on_proposal
    async def decide(_: object) -> bool:
        return True

    return kenya, ghana


async def swap(kenya: Agent, ghana: Agent) -> None:
    """A deal, from opening to settlement."""
    offered = await kenya.offer(ghana.id, book=BOOK, gives={"tea": 10}, takes={"cocoa": 8})
    assert await asyncio.wait_for(offered.ended(), WITHIN_S) == "settled"


async def deal(bus: Bus) -> None:
    """Some deals."""
    kenya, ghana = traders(bus, "kenya", "ghana")
    async with kenya, ghana:
        for _ in range(DEALS):
            await swap(kenya, ghana)


@pytest.fixture
def house(tmp_path: Path) -> Iterator[tuple[Broker, Bus]]:
    """A bus on which deals were made."""
    folder = tmp_path / "broker"
    folder.mkdir()
    broker = Broker(folder)
    broker.start()
    (tmp_path / "hms").mkdir()
    try:
        with hms_up(tmp_path / "hms", "--nats", broker.url) as bus:
            asyncio.run(deal(bus))
            yield broker, bus
    finally:
        broker.kill()


def test_bus_backup_and_restored_bus_give_one_verdict(house: tuple[Broker, Bus], tmp_path: Path) -> None:
    broker, _ = house
    code, said = verify("--nats", broker.url)
    assert code == 0
    assert said[-1] | {"entries": 0} == {
        "holds": True,
        "entries": 0,
        "deals": DEALS,
        "bad_deals": 0,
        "books": 1,
        "faults": 0,
        "first_bad_sequence": None,
    }

    ours = tmp_path / "ours"
    subprocess.run([HMS, "backup", ours, "--nats", broker.url], check=True, capture_output=True, timeout=60)
    assert verify("--from", str(ours)) == (0, said)
    again = subprocess.run([HMS, "backup", ours, "--nats", broker.url], capture_output=True, timeout=60)
    assert again.returncode == 2, "it is not written over"

    nats = shutil.which("nats", path=f"{Path(sys.executable).parent}")
    if nats is None:
        pytest.skip("NOT TESTED: no `nats` command line on this machine (make tools)")
    theirs = tmp_path / "theirs"
    command = [nats, "--server", broker.url, "stream", "backup", subjects.STREAM_DEALS, str(theirs), "--no-progress"]
    subprocess.run(command, check=True, capture_output=True, timeout=60)
    assert verify("--from", str(theirs)) == (0, said), "each reads what the other wrote"

    folder = tmp_path / "another"
    folder.mkdir()
    another = Broker(folder)
    another.start()
    try:
        command = [
            nats,
            "--server",
            another.url,
            "stream",
            "restore",
            str(ours / subjects.STREAM_DEALS),
            "--no-progress",
        ]
        subprocess.run(command, check=True, capture_output=True, timeout=60)
        assert verify("--nats", another.url) == (0, said)
    finally:
        another.kill()


def test_a_log_that_grows_meanwhile_holds(house: tuple[Broker, Bus]) -> None:
    broker, bus = house

    async def verified_in_a_hurry() -> list[int]:
        """How many deals each verification saw, while others were made."""
        kenya, ghana = traders(bus, "kisumu", "accra")
        seen = []

        async def go_on() -> None:
            while True:
                await swap(kenya, ghana)

        async with kenya, ghana:
            going = [asyncio.ensure_future(go_on()) for _ in range(20)]
            for _ in range(6):
                code, said = await asyncio.to_thread(verify, "--nats", broker.url)
                assert code == 0, said[-20:]
                seen.append(said[-1]["deals"])
            for one in going:
                assert not one.done(), one.exception()
                one.cancel()
        return seen

    seen = asyncio.run(verified_in_a_hurry())
    assert DEALS < seen[0] < seen[-1], "none was made meanwhile"


def flip(block: bytearray) -> None:
    """One bit, within a certificate in the middle of the log."""
    block[block.find(b"certified", len(block) // 2)] ^= 1


def cut(block: bytearray) -> None:
    """The last third."""
    del block[len(block) * 2 // 3 :]


@pytest.mark.parametrize("harm", [flip, cut])
@pytest.mark.parametrize("forget_index", [False, True])
def test_what_was_harmed_is_named(
    house: tuple[Broker, Bus], harm: Callable[[bytearray], None], *, forget_index: bool
) -> None:
    """Whether the broker leaves the bad record out or goes on as if nothing had been after it."""
    broker, _ = house
    code, said = verify("--nats", broker.url)
    assert code == 0
    entries = said[-1]["entries"]
    broker.kill()
    (block,) = (broker.config.parent / "store").glob(f"jetstream/*/streams/{subjects.STREAM_DEALS}/msgs/*.blk")
    held = bytearray(block.read_bytes())
    harm(held)
    block.write_bytes(held)
    if forget_index:
        (block.parent / "index.db").unlink(missing_ok=True)
    broker.start()
    code, said = verify("--nats", broker.url)
    assert code == 1
    summary = said[-1]
    assert not summary["holds"]
    assert 0 < summary["first_bad_sequence"] <= entries
    named = [line for line in said[:-1] if line.get("holds") is False or "fault" in line]
    assert any("deal" in line for line in named), "a deal"
    assert all(line["sequence"] >= summary["first_bad_sequence"] for line in named)
