"""A protection taken out is noticed: the same workload and checker, with a core that lacks it beside the real ones, or
with a disk that was not synced.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import TYPE_CHECKING

import pytest

from hms_a2a import _subjects as subjects
from hms_a2a import _wire as wire
from hms_a2a._codec import decode, encode
from real_bus import find_hms

from .disk import is_available
from .logs import connected
from .programme import Plan, Programme
from .saboteurs import LooseDesk, LooseLedger, Saboteur

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator
    from pathlib import Path

    from nats.aio.client import Client

    Sabotage = Callable[[Client, Path, str], Awaitable[Saboteur]]

#: So many calls show something.
_CALLS = 120

pytestmark = pytest.mark.timeout(180)


@pytest.fixture
def quiet_run(tmp_path: Path) -> Iterator[Programme]:
    """A house with a workload and no faults; its disk is as fast as may be."""
    plan = Plan(seed=1, kinds=["kill_node"], sync_always=False, agents=4, slots=2, twice=0.5)
    find_hms()
    run = Programme(plan, tmp_path)
    run.house.start()
    yield run
    run.house.stop()


def wrong_kinds(run: Programme) -> set[str]:
    """What the checker finds, apart from deals that a saboteur left hanging."""
    checker, _, _ = run.check()
    return {wrong.kind for wrong in checker.wrong} - {"stuck", "untold"}


def dealt(run: Programme, calls: int) -> None:
    """Wait until so many calls are done."""
    while sum(file.read_text().count('{"what": "done"') for file in run.folder.glob("*.history")) < calls:
        time.sleep(0.1)


async def sabotaged(run: Programme, sabotage: Sabotage, calls: int) -> Saboteur:
    """Let agents deal until so many calls are done, with a saboteur among the cores."""
    async with connected(run.house.broker.url) as client:
        hello = await client.request(subjects.endpoint("registry", "hello"), encode(wire.Hello()), timeout=5)
        saboteur = await sabotage(client, run.folder / "hms" / "keys", decode(hello.data, wire.Welcome).account)
        await asyncio.to_thread(run.start_agents)
        await asyncio.to_thread(dealt, run, calls)
        for agents in run.house.agents:
            await asyncio.to_thread(agents.kill)
        await asyncio.sleep(1.0)
    return saboteur


def desk(*, writes: bool = True, compares: bool = True, looks: bool = True) -> Sabotage:
    async def start(client: Client, keys: Path, account: str) -> LooseDesk:
        loose = LooseDesk(client, keys, account, writes=writes, compares=compares, looks=looks)
        await loose.start()
        return loose

    return start


async def ledger(client: Client, keys: Path, account: str) -> LooseLedger:
    loose = LooseLedger(client, keys, account)
    await loose.start()
    return loose


def test_without_sabotage_nothing_is_wrong(quiet_run: Programme) -> None:
    """With a desk of this kind that takes out nothing: what the others find is not of its being in Python."""
    asyncio.run(sabotaged(quiet_run, desk(), _CALLS))
    assert wrong_kinds(quiet_run) == set()


def test_an_acknowledgement_before_the_effect_is_noticed(quiet_run: Programme) -> None:
    loose = asyncio.run(sabotaged(quiet_run, desk(writes=False), _CALLS))
    assert isinstance(loose, LooseDesk)
    assert loose.answered
    assert "lost" in wrong_kinds(quiet_run)


def test_a_desk_without_compare_and_set_is_noticed(quiet_run: Programme) -> None:
    asyncio.run(sabotaged(quiet_run, desk(compares=False), 3 * _CALLS))
    assert "broken_chain" in wrong_kinds(quiet_run)


def test_a_desk_that_does_not_look_for_the_move_id_is_noticed(quiet_run: Programme) -> None:
    asyncio.run(sabotaged(quiet_run, desk(looks=False), 3 * _CALLS))
    assert "doubled_move" in wrong_kinds(quiet_run)


def test_a_ledger_without_its_fence_is_noticed(quiet_run: Programme) -> None:
    loose = asyncio.run(sabotaged(quiet_run, ledger, _CALLS))
    assert isinstance(loose, LooseLedger)
    assert loose.committed
    assert "doubled_commit" in wrong_kinds(quiet_run)


def test_a_batch_that_is_stored_again_is_noticed(quiet_run: Programme) -> None:
    """Somebody replays what is in the log, signatures and all."""

    async def replay(client: Client, keys: Path, account: str) -> Saboteur:
        return Saboteur(client, "deal", keys, account)

    asyncio.run(sabotaged(quiet_run, replay, _CALLS))
    assert wrong_kinds(quiet_run) == set()

    async def again() -> None:
        _, _, log = await asyncio.to_thread(quiet_run.check)
        at = next(n for n, one in enumerate(log) if b"certified" in one.body and "log.deal" in one.subject)
        async with connected(quiet_run.house.broker.url) as client:
            for one in log[at - 1 : at + 2]:
                headers = {name: value for name, value in one.headers.items() if not name.startswith("Nats-")}
                await client.jetstream().publish(one.subject, one.body, headers=headers)

    asyncio.run(again())
    found = wrong_kinds(quiet_run)
    assert {"broken_chain", "doubled_move"} <= found
    assert "not_verified" in found, "and `hms deal verify` says so, too"


@pytest.mark.skipif(not is_available(), reason="NOT TESTED: no notices of system calls on this machine")
def test_lazy_syncing_and_a_power_cut_are_noticed(tmp_path: Path) -> None:
    """All loses power: the broker's disk has what was there some time before."""
    assert power_cut_after(tmp_path, sync_always=False) >= {"lost"}


@pytest.mark.skipif(not is_available(), reason="NOT TESTED: no notices of system calls on this machine")
def test_syncing_always_and_a_power_cut_lose_nothing(tmp_path: Path) -> None:
    assert power_cut_after(tmp_path, sync_always=True) == set()


def power_cut_after(folder: Path, *, sync_always: bool) -> set[str]:
    """What is wrong after agents dealt for a while and then everything lost power."""
    plan = Plan(seed=1, kinds=["power_cut"], sync_always=sync_always, agents=4, slots=2)
    find_hms()
    run = Programme(plan, folder)
    with contextlib.ExitStack() as stack:
        stack.callback(run.house.stop)
        run.house.start()
        run.start_agents()
        dealt(run, _CALLS)
        run.house.settle()
        dealt(run, 2 * _CALLS)
        for process in [*run.house.agents, *run.house.cores]:
            process.kill()
        cut = run.house.broker.power_cut()
        # What was on its way and not acknowledged yet may be lost either way.
        assert cut.lost_bytes or sync_always, cut
        run.house.broker.up()
        run.house.broker.wait()
        for core in run.house.cores:
            core.up()
        time.sleep(2.0)
        return wrong_kinds(run)
