"""Harm to the broker's own files is noticed: by the checker, and by `hms deal verify` with deal and sequence."""

from __future__ import annotations

import asyncio
import contextlib
import json
from typing import TYPE_CHECKING

import pytest

from hms_a2a import _subjects as subjects
from real_bus import find_hms

from .logs import connected, read_stream
from .programme import Plan, Programme

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from .checker import Checker

pytestmark = pytest.mark.timeout(120)


@pytest.fixture
def stopped_run(tmp_path: Path) -> Iterator[Programme]:
    """A house in which agents dealt for a while, with everything at rest and the broker down."""
    find_hms()
    run = Programme(Plan(seed=1, kinds=["kill_node"], sync_always=False, agents=4, slots=2), tmp_path)
    with contextlib.ExitStack() as stack:
        stack.callback(run.house.stop)
        run.house.start()
        run.start_agents()

        async def dealt() -> bool:
            async with connected(run.house.broker.url) as client:
                return len(await read_stream(client, subjects.STREAM_DEALS)) > 300

        while not asyncio.run(dealt()):
            pass
        for process in run.house.agents:
            process.kill()
        for process in run.house.cores:
            process.end()
        run.house.broker.end()
        yield run


def blocks(run: Programme) -> list[Path]:
    """The files that hold the log."""
    return sorted(run.house.broker.store.glob(f"jetstream/*/streams/{subjects.STREAM_DEALS}/msgs/*.blk"))


def checked_after(run: Programme, harm: Callable[[Path], None], *, forget_index: bool) -> Checker:
    """Harm the log's file, start everything again, and check."""
    (block,) = blocks(run)
    harm(block)
    if forget_index:
        (block.parent / "index.db").unlink()
    run.house.broker.up()
    run.house.broker.wait()
    run.house.node.up()
    return run.check()[0]


def flip(block: Path) -> None:
    """Flip a bit of a certificate of a deal in the middle."""
    held = bytearray(block.read_bytes())
    at = held.find(b"certified", len(held) // 2)
    assert at > 0
    held[at] ^= 1
    block.write_bytes(held)


def truncate(block: Path) -> None:
    """Lose the last third."""
    held = block.read_bytes()
    block.write_bytes(held[: len(held) * 2 // 3])


@pytest.mark.parametrize("harm", [flip, truncate])
def test_what_the_broker_drops_as_it_starts_is_noticed(stopped_run: Programme, harm: Callable[[Path], None]) -> None:
    """Without its index it reads the file anew, and goes on before the first bad record as if nothing had been after
    it. A log that stops early is a log of an earlier time: only those who were told more can know."""
    checker = checked_after(stopped_run, harm, forget_index=True)
    assert "lost" in {wrong.kind for wrong in checker.wrong}


def test_an_entry_that_the_broker_cannot_read_any_more_is_named(stopped_run: Programme) -> None:
    """With its index it starts, and then leaves the bad record out."""
    checker = checked_after(stopped_run, flip, forget_index=False)
    found = {wrong.kind: wrong.detail for wrong in reversed(checker.wrong)}
    assert {"gap", "broken_chain", "not_verified"} <= found.keys()
    gap = int(found["gap"].split()[1])
    deal, _, verdict = found["not_verified"].partition(": ")
    assert json.loads(verdict)["deal"] == deal
    assert json.loads(verdict)["sequence"] > gap, "`hms deal verify` names the deal's next entry"
