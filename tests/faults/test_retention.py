"""On three brokers the log's beginning is archived and cut off while deals go on and a broker is killed.

A backup of what that leaves is verified, and restored on three other brokers: all read as if nothing had been cut.
"""

from __future__ import annotations

import asyncio
import json
import shutil
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from hms_a2a import _subjects as subjects
from real_bus import find_hms

from .house import HMS, House
from .logs import ARCHIVE, connected
from .programme import BOOKS, Plan, Programme, balances

if TYPE_CHECKING:
    from pathlib import Path

    from hms_a2a import wire

pytestmark = pytest.mark.timeout(300)

_TRIES = 5


def hms(house: House, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run a command on the house's brokers."""
    command = [HMS, *arguments, "--nats", ",".join(house.urls)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, env=house.environment)


def cut(house: House) -> None:
    """Cut off what is older than three seconds; a broker that dies meanwhile may ask for another try."""
    told = []
    for _ in range(_TRIES):
        ran = hms(house, "retention", "apply", "--older-than", "3s", "--any-age", "--json")
        if ran.returncode == 0:
            return
        told.append(ran.stderr)
        time.sleep(2.0)
    pytest.fail("\n".join(told))


async def state(house: House, stream: str) -> tuple[int, int, int]:
    """A stream's first and last sequence, and how many brokers have it."""
    async with connected(house.urls) as client:
        info = await client.jetstream().stream_info(stream)
    return info.state.first_seq, info.state.last_seq, info.config.num_replicas or 1


async def books(house: House) -> dict[str, wire.Balances]:
    """What the ledger tells."""
    async with connected(house.urls) as client:
        return {book: await balances(client, book) for book in BOOKS}


def verified(house: House, *arguments: str | Path) -> int:
    """How many deals hold, which are all there are."""
    ran = hms(house, "deal", "verify", "--all", "--json", *arguments)
    assert ran.returncode == 0, ran.stdout[-2000:] + ran.stderr
    return len([line for line in ran.stdout.splitlines() if '"deal"' in line])


def test_a_log_on_three_brokers_is_cut_backed_up_and_restored(tmp_path: Path) -> None:
    find_hms()
    run = Programme(Plan(seed=5, kinds=["kill_broker"], sync_always=False, replicas=3), tmp_path / "first")
    began = time.monotonic()
    house, other = run.house, House(tmp_path / "second", sync_always=False, forgets=False, brokers=3)
    backup = tmp_path / "backup"
    try:
        house.start()
        run.start_agents()
        time.sleep(6.0)
        cut(house)
        first, last, replicas = asyncio.run(state(house, subjects.STREAM_DEALS))
        assert 1 < first < last, "deals are not made, or none was cut off"
        assert [replicas, asyncio.run(state(house, ARCHIVE))[2]] == [3, 3]
        # Once more, while a broker dies.
        with ThreadPoolExecutor(1) as pool:
            cutting = pool.submit(cut, house)
            time.sleep(2.0)
            house.brokers[1].kill(hold=False)
            cutting.result()
        assert asyncio.run(state(house, subjects.STREAM_DEALS))[0] > first
        run.rest()
        report = run.report(time.monotonic() - began)
        assert report.is_good, "\n".join([str(report.wrong), *report.details, *report.panics])
        assert report.ends.get("settled", 0) > 10
        told, held = asyncio.run(books(house)), verified(house)
        assert held == report.deals
        saved = hms(house, "backup", backup)
        assert saved.returncode == 0, saved.stderr
        assert verified(house, "--from", backup) == held
    finally:
        house.stop()
    try:
        shutil.copytree(house.folder / "hms", other.folder / "hms")
        other.mend()
        restored = hms(other, "restore", backup)
        assert restored.returncode == 0, restored.stderr
        assert asyncio.run(state(other, ARCHIVE))[2] == 3
        assert verified(other) == held
        other.start()
        assert asyncio.run(books(other)) == told
    finally:
        other.stop()
    print(json.dumps({"deals": held, "cut_off_entries": first - 1}))
