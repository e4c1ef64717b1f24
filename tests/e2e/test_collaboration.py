"""Agents work together on a real bus: workers that fail, lie and die, verifiers that judge, a human at the gate."""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
from typing import TYPE_CHECKING

import pytest

from hms_a2a import Agent, Conflict, Declined, JobFailed, Late, Refused, wire
from hms_a2a import _codec as codec
from hms_a2a import _subjects as subjects
from hms_a2a._tasks import move

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from hms_a2a import Result, Work
    from hms_a2a._client import Incoming
    from real_bus import Bus

RULES = wire.JobRules(bid_ms=150, enough_bids=3, lease_ms=1_500, judge_ms=5_000, attempts=200)


def right(brief: str, inputs: dict[str, bytes]) -> bytes:
    """What a task comes to: its number and the sum of what it needs."""
    return str(int(brief) + sum(int(value) for value in inputs.values()) % 1_000_003).encode()


def dag(count: int, seed: int, skill: str, **more: object) -> list[wire.Task]:
    """Tasks that need up to three of the ten before them."""
    draw = random.Random(seed)
    tasks = []
    for number in range(count):
        before = range(max(0, number - 10), number)
        needs = draw.sample(before, min(len(before), draw.randint(0, 3)))
        tasks.append(
            wire.Task(
                task=f"t{number}",
                needs=[f"t{need}" for need in needs],
                skill=skill,
                brief=str(number),
                budget_minor=100,
                panel=wire.Panel(asked=2, lead=2),
                **more,  # type: ignore[arg-type] # a task's own fields
            )
        )
    return tasks


class Log:
    """A job's log, as `hms task log` tells it."""

    def __init__(self, bus: Bus, job: str) -> None:
        self.events = [json.loads(line) for line in bus.hms("task", "log", job, "--json").splitlines()]

    def of(self, word: str) -> Iterator[dict[str, object]]:
        return (event for event in self.events if event["what"] == word)

    def check(self, tasks: list[wire.Task]) -> None:
        """Nothing before what it needs, one award at a time, and nobody judges its own work."""
        needs = {task.task: set(task.needs) for task in tasks}
        done: set[str] = set()
        holder: dict[str, str] = {}
        for event in self.events:
            for task in event.get("tasks", ()):
                what, agent = event["what"], event.get("agent")
                if what == "announced":
                    assert needs[task] <= done, f"{task} before what it needs"
                elif what == "awarded":
                    assert task not in holder
                    holder[task] = agent
                elif what == "judged":
                    assert holder[task] != agent
                elif what in ("lapsed", "declined", "refuted", "done"):
                    assert holder.pop(task) == agent
                    if what == "done":
                        done.add(task)
        assert done == needs.keys()


def crew(bus: Bus, folder: Path, prefix: str, skill: str) -> tuple[list[Agent], list[str], set[tuple[str, bytes]]]:
    """Workers good and bad, and verifiers; the names of these; what was handed in and wrong."""
    lies: set[tuple[str, bytes]] = set()
    agents = []

    def agent(name: str) -> Agent:
        agents.append(Agent(f"{prefix}-{name}", servers=bus.url, home=folder / name))
        return agents[-1]

    for number in range(4):
        worker = agent(f"honest-{number}")

        @worker.tasks.worker(skill, price=50)
        async def work(task: Work) -> bytes:
            await task.progress(0.5)
            return right(task.brief, task.inputs)

    liar = agent("liar")

    @liar.tasks.worker(skill, price=10)
    def lie(task: Work) -> str:
        lies.add((task.task, b"-1"))
        return "-1"

    quitter = agent("quitter")

    @quitter.tasks.worker(skill, price=20)
    def quit_(task: Work) -> str:
        raise Declined("too hard")

    verifiers = []
    for number in range(4):
        verifier = agent(f"verifier-{number}")
        verifiers.append(verifier.id)

        @verifier.tasks.verifier
        def judge(result: Result) -> bool | str:
            expected = right(result.brief, result.inputs)
            return result.result == expected or f"it is {expected.decode()}"

    return agents, verifiers, lies


async def bid_and_die(agent: Agent, skill: str, times: int) -> None:
    """Bids for next to nothing so many times, and is never heard of again."""
    bids = iter(range(times))

    async def take(incoming: Incoming) -> None:
        call = codec.decode(incoming.body, wire.TaskCall)
        if next(bids, None) is None:
            return
        ask = wire.BidTask(
            move_id=agent._caller.bus.nonce(),
            deadline_unix_ms=call.until_unix_ms,
            job=call.job,
            task=call.tasks[0].task,
            round=call.tasks[0].round,
            price_minor=1,
        )
        with contextlib.suppress(Conflict, Late):
            await move(agent._caller, agent.id, "bid", call.job, ask)

    await agent._caller.link.tap(subjects.live_task_call(skill), take)


async def test_a_job_is_finished_by_workers_that_fail_lie_and_die(bus: Bus, tmp_path: Path) -> None:
    tasks = dag(40, 7, "sum-a")
    agents, verifiers, lies = crew(bus, tmp_path, "coll", "sum-a")
    boss = Agent("coll-boss", servers=bus.url, home=tmp_path / "boss")
    dead = Agent("coll-dead", servers=bus.url, home=tmp_path / "dead")
    for agent in [*agents, dead, boss]:
        await agent.start()
    await bid_and_die(dead, "sum-a", 6)
    job = await boss.tasks.submit(tasks, verifiers=verifiers, rules=RULES, expires_in_s=120)
    results = await asyncio.wait_for(job.ended(), 110)
    expected: dict[str, bytes] = {}
    for task in tasks:
        expected[task.task] = right(task.brief, {need: expected[need] for need in task.needs})
    assert results == expected
    for agent in [*agents, dead, boss]:
        await agent.stop()

    log = Log(bus, job.id)
    log.check(tasks)
    refuted = [event["agent"] for event in log.of("refuted")]
    assert lies, "the liar was never awarded anything"
    assert refuted == ["coll-liar"] * len(refuted)
    assert len(refuted) == sum(1 for event in log.of("delivered") if event["agent"] == "coll-liar")
    assert {event["agent"] for event in log.of("lapsed")} == {"coll-dead"}
    assert {event["agent"] for event in log.of("declined")} == {"coll-quitter"}

    shown = json.loads(bus.hms("task", "show", job.id, "--json"))
    assert shown["state"] == "finished"
    assert job.id in bus.hms("task", "list")


async def at_gates(bus: Bus) -> dict[str, int]:
    """What `hms top` tells of the gates; it comes to a job that runs already."""
    told = json.loads(await asyncio.to_thread(bus.hms, "top", "--once", "--json", "--every-ms", "300"))
    waiting: dict[str, int] = told["waiting_at_gates"]
    return waiting


async def test_the_gate_holds_until_a_human_answers(bus: Bus, tmp_path: Path) -> None:
    boss = Agent("gate-boss", servers=bus.url, home=tmp_path / "boss")
    worker = Agent("gate-worker", servers=bus.url, home=tmp_path / "worker")

    @worker.tasks.worker("gated")
    def work(task: Work) -> str:
        return f"{task.task} is done"

    bus.hms("keys", "new", "gate-human")
    bus.hms("call", "registry.register", "--as", "gate-human")
    tasks = [
        wire.Task(task="first", skill="gated", brief="", budget_minor=0, gate=True),
        wire.Task(task="second", needs=["first"], skill="gated", brief="", budget_minor=0),
    ]
    async with boss, worker:
        with pytest.raises(Refused) as refusal:
            await boss.tasks.submit(tasks)
        assert refusal.value.rule == "no_gatekeeper"
        job = await boss.tasks.submit(tasks, gatekeepers=["gate-human"], rules=RULES)
        ask = ["gate", "list", "--for", "gate-human", "--json"]
        waiting = ""
        for _ in range(100):
            waiting = await asyncio.to_thread(bus.hms, *ask)
            if waiting:
                break
            await asyncio.sleep(0.1)
        assert json.loads(waiting)["task"] == "first"
        assert "first is done" in await asyncio.to_thread(bus.hms, "gate", "show", job.id, "first")
        await asyncio.sleep(1.0)
        shown = await job.show()
        assert [line.state for line in shown.tasks] == [wire.TaskState.GATED, wire.TaskState.WAITING]
        seen = await at_gates(bus)
        assert seen["results"] >= 1
        assert seen["soonest_no_ms"] > 0
        await asyncio.to_thread(bus.hms, "gate", "approve", job.id, "first", "--as", "gate-human")
        assert (await asyncio.wait_for(job.ended(), 10))["second"] == b"second is done"
        assert (await at_gates(bus))["results"] == seen["results"] - 1


async def test_a_human_in_an_inbox_says_no(bus: Bus, tmp_path: Path) -> None:
    boss = Agent("no-boss", servers=bus.url, home=tmp_path / "boss")
    worker = Agent("no-worker", servers=bus.url, home=tmp_path / "worker")
    human = Agent("no-human", servers=bus.url, home=tmp_path / "human")

    @worker.tasks.worker("doubtful")
    def work(task: Work) -> str:
        return "a bomb"

    @human.tasks.gatekeeper
    def answer(result: Result) -> str:
        return f"no {result.result.decode()} here"

    task = wire.Task(task="make", skill="doubtful", brief="surprise me", budget_minor=0, gate=True)
    async with boss, worker, human:
        job = await boss.tasks.submit([task], gatekeepers=["no-human"], rules=RULES)
        with pytest.raises(JobFailed) as failure:
            await asyncio.wait_for(job.ended(), 10)
    assert failure.value.rule == "gate_rejected"


async def test_a_supervisor_breaks_a_task_down_while_the_job_runs(bus: Bus, tmp_path: Path) -> None:
    boss = Agent("parts-boss", servers=bus.url, home=tmp_path / "boss")
    worker = Agent("parts-worker", servers=bus.url, home=tmp_path / "worker")

    @worker.tasks.worker("parts", at_once=4)
    def work(task: Work) -> str:
        return "+".join(sorted(value.decode() for value in task.inputs.values())) or task.task

    def task(name: str, *needs: str) -> wire.Task:
        return wire.Task(task=name, needs=list(needs), skill="parts", brief="", budget_minor=0)

    async with boss, worker:
        job = await boss.tasks.submit([task("plan"), task("whole", "plan")], rules=RULES, more=True)
        await job.add([task("a"), task("b")], part_of="whole", more=False)
        results = await asyncio.wait_for(job.ended(), 20)
    assert results["whole"] == b"a+b+plan"
