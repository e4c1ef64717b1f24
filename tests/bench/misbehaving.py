"""Agents that misbehave in a swarm, one kind after the other: what it costs the others.

A bus of its own and an honest swarm in one process: workers, verifiers and a supervisor that always has more tasks open
than they can take, and pairs that make one deal after another. A stranger joins it from a process of its own:

- *slow*: does what it is awarded, each task twenty times as long as anyone else;
- *silent*: asks least for every task, and is never heard of again until its lease has run out;
- *flooding*: asks desk, jobs and registry as fast as they answer, with 512 questions under way;
- *lying*: asks least, and hands in what is wrong; offers deals, too, and has nothing to give.

The stranger's process leaves the processors to everybody else (nice 19), as if it had a machine of its own: what a
process burns is not the bus's to prevent, what it costs broker and cores is. Between any two of them the swarm is
alone, and each is compared with the mean of the times before and after it, so that a machine which grows slower or
faster meanwhile does not count; three times over, since rates of a few seconds vary by a tenth. Prints the others'
rates as JSON, tasks done and deals settled a second, and their ratios to the swarm alone; kept in
`target/bench/misbehaving.json`.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import sys
import tempfile
import time
from pathlib import Path
from statistics import fmean
from typing import Any

from hms_a2a import Agent, Conflict, Give, HmsError, Late, Want, Work, testing, wire
from hms_a2a import _subjects as subjects
from hms_a2a._codec import decode, encode
from hms_a2a._tasks import move

TARGET = Path(__file__).parents[2] / "target/bench/misbehaving.json"
WINDOW_S = float(os.environ.get("WINDOW_S", "15"))
ROUNDS = int(os.environ.get("ROUNDS", "3"))
KINDS = os.environ.get("KINDS", "slow silent flooding lying").split()
WORKERS, VERIFIERS, PAIRS = 10, 4, 6
#: Tasks that are always open: more than there are workers.
OPEN = 3 * WORKERS
WORK_S, WARM_UP_S, SETTLE_S, IN_FLIGHT = 0.05, 10.0, 2.0, 512
SKILL, BOOK = "swarm", "swarm"
RULES = wire.JobRules(
    bid_ms=100, enough_bids=2, lease_ms=1_000, work_ms=5_000, judge_ms=2_000, attempts=1_000, price_ppm=300_000,
    reputation_ppm=600_000, skills_ppm=100_000,
)  # fmt: skip
MOST_TASKS = 900


# --- the swarm


class Swarm:
    """Honest agents at work, and what they have done so far."""

    def __init__(self) -> None:
        self.done = 0
        self.settled = 0
        self.boss = Agent("boss")
        self.workers = [Agent(f"worker-{n}") for n in range(WORKERS)]
        self.verifiers = [Agent(f"verifier-{n}") for n in range(VERIFIERS)]
        self.pairs = [(Agent(f"north-{n}"), Agent(f"south-{n}")) for n in range(PAIRS)]
        for worker in self.workers:
            worker.tasks.worker(SKILL, price=50)(self._work)
        for verifier in self.verifiers:
            verifier.tasks.verifier(lambda result: result.result == b"right")
        for north, south in self.pairs:
            north.join(BOOK, gives=[Give("tea", 10**9, cost=1)], wants=[Want("rice", 10**9, value=9)])
            south.join(BOOK, gives=[Give("rice", 10**9, cost=1)], wants=[Want("tea", 10**9, value=9)])

    @property
    def everybody(self) -> list[Agent]:
        """All of them."""
        return [self.boss, *self.workers, *self.verifiers, *(agent for pair in self.pairs for agent in pair)]

    async def _work(self, _: Work) -> bytes:
        await asyncio.sleep(WORK_S)
        return b"right"

    async def supply(self) -> None:
        """Keep tasks open, for ever."""
        names = iter(range(10**9))

        def some(count: int) -> list[wire.Task]:
            panel = wire.Panel(asked=2, lead=2)
            return [
                wire.Task(task=f"t{next(names)}", skill=SKILL, brief="", budget_minor=100, panel=panel)
                for _ in range(count)
            ]

        verifiers = [verifier.id for verifier in self.verifiers]
        before = 0
        while True:
            job = await self.boss.tasks.submit(some(OPEN), verifiers=verifiers, rules=RULES, more=True)
            known = OPEN
            while known < MOST_TASKS:
                await asyncio.sleep(0.05)
                self.done = before + len(job.results)
                missing = OPEN - (known - len(job.results))
                if missing > 0:
                    await job.add(some(missing))
                    known += missing
            before += len(job.results)
            await job.cancel("another one goes on")

    async def trade(self, north: Agent, south: Agent) -> None:
        """One deal after the other, for ever."""
        while True:
            try:
                deal = await north.offer(south.id, book=BOOK, gives={"tea": 1}, takes={"rice": 1})
                self.settled += await deal.ended() == wire.State.SETTLED
            except HmsError as error:
                print(f"{north.id}: {error}", file=sys.stderr)


async def rates(swarm: Swarm, name: str) -> dict[str, float]:
    """What the swarm does a second."""
    await asyncio.sleep(SETTLE_S)
    began, done, settled = time.perf_counter(), swarm.done, swarm.settled
    await asyncio.sleep(WINDOW_S)
    took = time.perf_counter() - began
    rate = {"tasks_per_s": (swarm.done - done) / took, "deals_per_s": (swarm.settled - settled) / took}
    print(f"{name}: {rate['tasks_per_s']:.1f} tasks/s, {rate['deals_per_s']:.1f} deals/s", file=sys.stderr)
    return rate


# --- the stranger


async def slow(stranger: Agent) -> None:
    """Twenty times as long."""

    @stranger.tasks.worker(SKILL, price=40)
    async def work(_: Work) -> bytes:
        await asyncio.sleep(20 * WORK_S)
        return b"right"


async def lying(stranger: Agent) -> None:
    """Wrong results, and deals that it cannot keep."""
    stranger.tasks.worker(SKILL, price=1)(lambda _: b"wrong")
    stranger.join(BOOK, gives=[Give("tea", 10**6, cost=1)], wants=[Want("rice", 10**6, value=9)], declare={"tea": 0})


async def offer_nothing(stranger: Agent) -> None:
    """Deals that the ledger will refuse, one after the other with each of the south."""
    while True:
        for number in range(PAIRS):
            with contextlib.suppress(HmsError):
                deal = await stranger.offer(f"south-{number}", book=BOOK, gives={"tea": 1}, takes={"rice": 1})
                await deal.ended()


async def silent(stranger: Agent) -> None:
    """Bids for what is called, and no more."""

    async def take(incoming: Any) -> None:
        call = decode(incoming.body, wire.TaskCall)
        ask = wire.BidTask(
            move_id=stranger._caller.bus.nonce(),
            deadline_unix_ms=call.until_unix_ms,
            job=call.job,
            task=call.tasks[0].task,
            round=call.tasks[0].round,
            price_minor=1,
        )
        with contextlib.suppress(Conflict, Late, HmsError):
            await move(stranger._caller, stranger.id, "bid", call.job, ask)

    await stranger._caller.link.tap(subjects.live_task_call(SKILL), take)


async def flooding(stranger: Agent) -> None:
    """Questions of three kinds, each answered with a refusal or in a hurry."""
    caller, now = stranger._caller, stranger.now_unix_ms
    no_deal = "a" * 26
    confirm = wire.Confirm(move_id="flood", deadline_unix_ms=now + 3_600_000, deal=no_deal, terms_hash=bytes(32))
    cancel = wire.CancelJob(move_id="flood", deadline_unix_ms=now + 3_600_000, job=no_deal, reason="")
    asks: list[tuple[str, wire.Message]] = [
        (subjects.deal_move("confirm", stranger.id, no_deal), confirm),
        (subjects.task_move("cancel", stranger.id, no_deal), cancel),
        (subjects.endpoint("registry", "find"), wire.Find(agent=stranger.id)),
    ]

    async def ask(number: int) -> None:
        subject, message = asks[number % len(asks)]
        body = encode(message)
        while True:
            with contextlib.suppress(HmsError):
                await caller.ask(subject, body, message.TYPE, 5.0, None)

    await asyncio.gather(*(ask(number) for number in range(IN_FLIGHT)))


async def misbehave(kind: str) -> None:
    """Be a stranger of this kind until somebody ends it."""
    stranger = Agent(f"{kind}-stranger")
    before = {"slow": slow, "lying": lying}.get(kind)
    if before is not None:
        await before(stranger)
    async with stranger:
        print("here", flush=True)
        after = {"silent": silent, "flooding": flooding, "lying": offer_nothing}.get(kind)
        if after is not None:
            await after(stranger)
        await asyncio.Event().wait()


@contextlib.asynccontextmanager
async def joined(kind: str, url: str, folder: str) -> Any:
    """A stranger in a process of its own, for as long as it is wanted."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, __file__, "--as", kind,
        env=os.environ | {"NATS_URL": url, "HMS_HOME": folder}, stdout=asyncio.subprocess.PIPE,
        preexec_fn=lambda: os.nice(19),
    )  # fmt: skip
    try:
        assert process.stdout is not None
        assert await asyncio.wait_for(process.stdout.readline(), 30) == b"here\n"
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()


# --- the run


async def measure(bus: testing.Bus, folder: str) -> dict[str, Any]:
    """Alone, with each kind of stranger, and alone again in between."""
    swarm = Swarm()
    for agent in swarm.everybody:
        await bus.add(agent)
    work = [asyncio.ensure_future(swarm.supply())]
    work += [asyncio.ensure_future(swarm.trade(north, south)) for north, south in swarm.pairs]
    await asyncio.sleep(WARM_UP_S)
    try:
        alone, with_it = [await rates(swarm, "alone")], []
        for kind in KINDS * ROUNDS:
            async with joined(kind, bus.url, folder):
                with_it.append((kind, await rates(swarm, kind)))
            alone.append(await rates(swarm, "alone"))
    finally:
        for running in work:
            running.cancel()
        for outcome in await asyncio.gather(*work, return_exceptions=True):
            if not isinstance(outcome, asyncio.CancelledError):
                print(f"the swarm stopped: {outcome!r}", file=sys.stderr)
    return {"window_s": WINDOW_S, "alone": alone, "with": with_it, "ratios": ratios(alone, with_it)}


def ratios(alone: list[dict[str, float]], with_it: list[tuple[str, dict[str, float]]]) -> dict[str, dict[str, float]]:
    """The others' rates with each kind, to the means of those before and after; the mean of its rounds."""
    found: dict[str, dict[str, list[float]]] = {}
    for (kind, rate), before, after in zip(with_it, alone, alone[1:], strict=False):
        of_kind = found.setdefault(kind, {})
        for name, value in rate.items():
            ratio = value / max((before[name] + after[name]) / 2, 1e-9)
            of_kind.setdefault(name.removesuffix("_per_s"), []).append(ratio)
    return {kind: {name: round(fmean(all_), 4) for name, all_ in of_kind.items()} for kind, of_kind in found.items()}


async def main() -> None:
    """Measure, print and keep."""
    with tempfile.TemporaryDirectory() as folder:
        async with testing.Bus(real=True) as bus:
            result = await measure(bus, folder)
    print(json.dumps(result, indent=2))
    TARGET.parent.mkdir(parents=True, exist_ok=True)
    TARGET.write_text(json.dumps(result, indent=2) + "\n")
    worst = min(min(of_kind.values()) for of_kind in result["ratios"].values())
    if worst < 0.9:
        sys.exit(f"the others' rates fell to {worst:.3f} of what they are alone; at least 0.9 is asked for")


if __name__ == "__main__":
    arguments = sys.argv[1:]
    asyncio.run(misbehave(arguments[1]) if arguments[:1] == ["--as"] else main())
