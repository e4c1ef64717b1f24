"""A ledger that is killed in mid-work is followed by another within five seconds, without gap or double."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

import pytest

from hms_a2a import _subjects as subjects
from real_bus import find_hms

from .logs import connected
from .programme import BOOKS, Plan, Programme

if TYPE_CHECKING:
    from pathlib import Path

    from .house import Process

pytestmark = pytest.mark.timeout(240)

_WITHIN_S = 5.0
_KILLS = 4


def holder(ledgers: list[Process]) -> Process | None:
    """Which ledger says last that it was elected, of those that run."""
    elected: dict[str, Process] = {}
    for process in ledgers:
        lines = process.log.read_text(errors="replace").splitlines() if process.log.exists() else []
        news = [line for line in lines if "elected" in line or "the office is given up" in line]
        if process.runs and news and "elected" in news[-1]:
            elected[news[-1].split()[0]] = process
    return elected[max(elected)] if elected else None


class Watch:
    """When the ledger's cursors move, as they are stored."""

    def __init__(self) -> None:
        self.times: list[float] = []

    async def keep(self, url: str, over: asyncio.Event) -> None:
        """Watch until it is over."""
        async with connected(url) as client:
            for book in BOOKS:
                await client.subscribe(f"{subjects.ROOT}.live.log.ledger.{book}", cb=self._moved)
            await over.wait()

    async def _moved(self, _: object) -> None:
        self.times.append(time.monotonic())

    async def next_after(self, moment: float, patience_s: float) -> float:
        """How long after a moment the next cursor came."""
        end = time.monotonic() + patience_s
        while time.monotonic() < end:
            later = [at for at in self.times if at > moment]
            if later:
                return later[0] - moment
            await asyncio.sleep(0.02)
        return patience_s


async def kill_holders(run: Programme) -> list[float]:
    """Kill whoever holds the office, while deals are decided; how long each time until another wrote."""
    ledgers = [run.house.node, *run.house.ledgers]
    watch, over = Watch(), asyncio.Event()
    watching = asyncio.create_task(watch.keep(run.house.broker.url, over))
    gaps: list[float] = []
    while len(gaps) < _KILLS:
        assert await watch.next_after(time.monotonic(), 20.0) < 20.0, "nothing is decided"
        victim = holder(ledgers)
        assert victim is not None
        await asyncio.to_thread(victim.kill)
        gaps.append(await watch.next_after(time.monotonic(), 20.0))
        await asyncio.to_thread(victim.up)
        await asyncio.sleep(4.5)  # until it stands by
    over.set()
    await watching
    return gaps


def test_another_ledger_takes_over_within_seconds_and_nothing_is_lost_or_doubled(tmp_path: Path) -> None:
    find_hms()
    run = Programme(Plan(seed=3, kinds=["kill_ledger"], sync_always=False), tmp_path)
    began = time.monotonic()
    try:
        run.house.start()
        run.start_agents()
        gaps = asyncio.run(kill_holders(run))
        run.rest()
        report = run.report(time.monotonic() - began)
    finally:
        run.house.stop()
    assert max(gaps) < _WITHIN_S, gaps
    assert report.is_good, "\n".join([str(report.wrong), *report.details, *report.panics])
    assert report.ends.get("settled", 0) > 10
    print(f"taken over after {', '.join(f'{gap:.2f} s' for gap in gaps)}")
