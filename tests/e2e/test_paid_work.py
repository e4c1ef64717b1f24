"""Work that is paid for, on a real bus: an award is a deal, a broken promise is compensated and shows, and a job's log
can be verified by whoever has it.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from contextlib import AsyncExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import nats
import pytest

from hms_a2a import Agent, Give, JobFailed, Want, wire
from real_bus import HMS, ROOT, free_port, hms_up

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hms_a2a import Deal, Result, Work
    from real_bus import Bus

WITHIN_S = 60.0
pytestmark = pytest.mark.timeout(180)

RULES = wire.JobRules(bid_ms=150, enough_bids=2, lease_ms=1_500, work_ms=2_000, judge_ms=500, attempts=50)


@pytest.fixture(scope="module")
def bus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bus]:
    """A bus of their own: on the shared one others forge entries, which whoever verifies all jobs finds."""
    with hms_up(tmp_path_factory.mktemp("paid"), "--port", str(free_port()), "--monitor-port", "0") as own:
        yield own


def agent(bus: Bus, folder: Path, name: str) -> Agent:
    """An agent with a key of its own."""
    return Agent(name, servers=bus.url, home=folder / name)


def worker(bus: Bus, folder: Path, name: str, skill: str, price: int, result: str = "right") -> Agent:
    """One that does what it is awarded."""
    one = agent(bus, folder, name)

    @one.tasks.worker(skill, price=price)
    def work(task: Work) -> str:
        assert task.deal is not None
        return result

    return one


def tasks(skill: str, count: int, **more: Any) -> list[wire.Task]:
    return [wire.Task(task=f"t{n}", skill=skill, brief="", budget_minor=100, **more) for n in range(count)]


def task(*arguments: str | Path, bus: Bus | None = None) -> tuple[int, list[dict[str, Any]]]:
    """What `hms task` says, and its exit code."""
    environment = {"PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin"}
    if bus is not None:
        environment = os.environ | {"NATS_URL": bus.url, "HMS_HOME": str(bus.folder)}
    command = [str(HMS), "task", *map(str, arguments), "--json"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
    assert done.returncode in (0, 1), done.stderr
    return done.returncode, [json.loads(line) for line in done.stdout.splitlines()]


def standing(bus: Bus, name: str) -> tuple[dict[str, Any], list[tuple[str, bool]]]:
    """An agent's reputation, and what came of its promises."""
    shown = json.loads(bus.hms("reputation", name, "--json"))
    return shown, [(promise["why"], promise["kept"]) for promise in shown["promises"]]


async def in_bucket(bus: Bus, name: str, expected: dict[str, Any]) -> None:
    """Wait until the bucket shows what the logs come to."""
    own = {key: value for key, value in expected.items() if key != "promises"}
    async with Agent(f"onlooker-{name}", servers=bus.url) as onlooker:
        bucket = await onlooker.nats.jetstream().key_value("HMS_REPUTATION")
        for _ in range(200):
            entry = await bucket.get(name)
            if entry.value is not None and json.loads(entry.value) == own:
                return
            await asyncio.sleep(0.1)
    raise AssertionError(f"the bucket shows {entry.value!r}, and the logs come to {own}")


async def test_what_is_done_is_paid_for_and_what_is_wrong_is_not(bus: Bus, tmp_path: Path) -> None:
    boss = agent(bus, tmp_path, "pay-boss")
    workers = [worker(bus, tmp_path, f"pay-worker-{n}", "pay-for", 40) for n in range(2)]
    liar = worker(bus, tmp_path, "pay-liar", "pay-for", 10, "wrong")
    judges = [agent(bus, tmp_path, f"pay-judge-{n}") for n in range(2)]
    for one in judges:

        @one.tasks.verifier
        def judge(result: Result) -> bool:
            return result.result == b"right"

    crew = [boss, liar, *workers, *judges]
    async with AsyncExitStack() as at_work:
        for one in crew:
            await at_work.enter_async_context(one)
        await boss.declare("pay-book", {"usd": 10_000})
        job = await boss.tasks.submit(
            tasks("pay-for", 6, panel=wire.Panel(asked=2, lead=2)),
            verifiers=[one.id for one in judges],
            rules=RULES,
            pay=wire.Pay(book="pay-book", good="usd"),
            expires_in_s=60,
        )
        assert set((await asyncio.wait_for(job.ended(), WITHIN_S)).values()) == {b"right"}
        shown = await job.show()
        earned = sum(1 for line in shown.tasks if line.agent in {one.id for one in workers}) * 40
        assert earned == 240
        # What is settled stays; what the liar was promised is on its way until it is due.
        balances = {one.id: (await one.balance("pay-book")).get("usd", 0) for one in crew}
        assert sum(balances[one.id] for one in workers) == earned

        code, (verdict,) = await asyncio.to_thread(task, "verify", job.id, bus=bus)
        assert (code, verdict["holds"], verdict["state"]) == (0, True, "finished")
        assert (verdict["payments"]["settled"], verdict["payments"]["owed"]) == (6, 0)
        deals = {line.deal for line in shown.tasks}
        assert None not in deals
        log = await asyncio.to_thread(task, "log", job.id, bus=bus)
        lies = [event for event in log[1] if event["what"] == "refuted"]
        assert lies, "the liar was never awarded anything"

        # The liar's deals are due, nobody confirms them, and the books take the payment back.
        due = [json.loads(bus.hms("deal", "show", event["deal"], "--json")) for event in lies]
        last = max(transfer["due_unix_ms"] for deal in due for transfer in deal["terms"]["transfers"])
        await asyncio.sleep(max(0, last - boss.now_unix_ms) / 1000 + 2)
        for event in lies:
            assert json.loads(bus.hms("deal", "show", event["deal"], "--json"))["state"] == "compensated"
        assert (await boss.balance("pay-book"))["usd"] == -earned
        assert (await liar.balance("pay-book")).get("usd", 0) == 0
        shown_liar, promises = await asyncio.to_thread(standing, bus, "pay-liar")
        assert {("result_wrong", False), ("not_delivered", False)} <= set(promises)
        assert shown_liar["reputation_ppb"] < 500_000_000
        one_paid = next(one for one in workers if balances[one.id])
        honest, promises = await asyncio.to_thread(standing, bus, one_paid.id)
        assert set(promises) == {("task_done", True), ("delivered", True)}
        assert honest["reputation_ppb"] > 500_000_000
        await in_bucket(bus, "pay-liar", shown_liar)
        await in_bucket(bus, one_paid.id, honest)


async def test_who_takes_an_award_and_falls_silent_is_not_paid(bus: Bus, tmp_path: Path) -> None:
    boss, idle = agent(bus, tmp_path, "idle-boss"), agent(bus, tmp_path, "idle-worker")

    @idle.tasks.worker("idle", price=70)
    async def work(_: Work) -> str:
        await asyncio.sleep(3_600)
        return "never"

    rules = wire.JobRules(bid_ms=100, enough_bids=1, lease_ms=500, work_ms=1_000, attempts=1)
    async with boss, idle:
        await boss.declare("idle-book", {"usd": 100})
        pay = wire.Pay(book="idle-book", good="usd")
        job = await boss.tasks.submit(tasks("idle", 1), rules=rules, pay=pay, expires_in_s=20)
        with pytest.raises(JobFailed) as failed:
            await asyncio.wait_for(job.ended(), WITHIN_S)
        assert failed.value.rule == "attempts_spent"
        _, events = await asyncio.to_thread(task, "log", job.id, bus=bus)
        (awarded,) = (event for event in events if event["what"] == "awarded")
        deal = boss.deal(awarded["deal"])
        await deal.show()
        assert await asyncio.wait_for(deal.ended(), WITHIN_S) == "compensated"
        assert (await boss.balance("idle-book")).get("usd", 0) == 0
    _, promises = await asyncio.to_thread(standing, bus, "idle-worker")
    assert promises == [("lease_over", False), ("not_delivered", False)]


async def test_a_supervisor_cannot_award_beyond_what_it_has(bus: Bus, tmp_path: Path) -> None:
    boss = agent(bus, tmp_path, "poor-boss")
    one = worker(bus, tmp_path, "poor-worker", "poor", 60)
    rules = wire.JobRules(bid_ms=100, enough_bids=1, attempts=2)
    async with boss, one:
        await boss.declare("poor-book", {"usd": 100})
        pay = wire.Pay(book="poor-book", good="usd")
        job = await boss.tasks.submit(tasks("poor", 2), rules=rules, pay=pay, expires_in_s=30)
        with pytest.raises(JobFailed) as failed:
            await asyncio.wait_for(job.ended(), WITHIN_S)
        assert failed.value.rule == "unpaid"
        assert (await one.balance("poor-book")).get("usd", 0) == 60, "what it had was paid"
    _, promises = await asyncio.to_thread(standing, bus, "poor-worker")
    assert set(promises) == {("task_done", True), ("delivered", True)}
    _, promises = await asyncio.to_thread(standing, bus, "poor-boss")
    assert sorted(promises) == [("delivered", True), ("not_paid", False), ("not_paid", False)]
    code, (verdict,) = await asyncio.to_thread(task, "verify", job.id, bus=bus)
    assert code == 0
    assert verdict["payments"] == {"settled": 1, "open": 0, "failed": 0, "none": 2, "owed": 0}


async def test_a_seller_that_never_delivers_keeps_no_money_and_no_name(bus: Bus, tmp_path: Path) -> None:
    book = "wares"
    buyer, seller = agent(bus, tmp_path, "wares-buyer"), agent(bus, tmp_path, "wares-seller")
    buyer.join(book, gives=[Give("usd", 500, cost=1)], wants=[Want("tea", 100, value=9)])
    seller.join(book, gives=[Give("tea", 100, cost=1)], wants=[Want("usd", 500, value=1)])

    @buyer.on_committed
    def arrived(_: Deal) -> bool:
        return False  # no tea has come

    async with buyer, seller:
        deal = await buyer.offer(seller.id, book=book, gives={"usd": 50}, takes={"tea": 10}, expires_in_s=3.0)
        assert await asyncio.wait_for(deal.ended(), WITHIN_S) == "compensated"
        log = [json.loads(line)["event"]["what"] for line in bus.hms("deal", "log", deal.id, "--json").splitlines()]
        assert [event["type"] for event in log][-3:] == ["confirmed", "failed", "compensated"]
        assert log[-2]["undelivered"] == [1], "the money was there, and confirmed"
        assert log[-1]["reversed"] == [0, 1], "and goes back"
        assert (await buyer.balance(book)) == (await seller.balance(book)) == {}
    shown, promises = await asyncio.to_thread(standing, bus, seller.id)
    assert promises == [("not_delivered", False)]
    await in_bucket(bus, seller.id, shown)
    assert "BROKEN: not_delivered" in bus.hms("reputation", seller.id)
    _, promises = await asyncio.to_thread(standing, bus, buyer.id)
    assert promises == [("delivered", True)]
    assert f"{deal.id} holds" in bus.hms("deal", "verify", deal.id)


def test_a_crew_in_rust_is_paid_for_what_is_right(bus: Bus) -> None:
    command = [str(HMS), "swarm", "run", str(ROOT / "scenarios/paid-work.toml"), "--nats", bus.url, "--json", "-"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=170)
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    report = json.loads(done.stdout)
    payments = report["payments"]
    assert report["finished"]
    assert payments["settled"] == report["tasks"] == report["done"]
    assert payments["compensated"] >= report["wrong"] > 0, "who lied was not paid"
    assert (payments["owed"], payments["for_nothing"], payments["open"]) == (0, 0, 0)
    paid = bus.balances("guild", "usd")
    assert paid["supervisor-0"] == -payments["paid_minor"]
    assert not any(balance for party, balance in paid.items() if party.startswith("liar"))
    code, (verdict,) = task("verify", report["job"], bus=bus)
    assert (code, verdict["payments"]["settled"]) == (0, payments["settled"])


@pytest.fixture(scope="module")
def evidence(bus: Bus, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, list[str]]:
    """A paid job that is done, and all that proves it, line by line."""
    folder = tmp_path_factory.mktemp("evidence")

    async def lived() -> str:
        boss, one = agent(bus, folder, "proof-boss"), worker(bus, folder, "proof-worker", "proof", 5)
        async with boss, one:
            await boss.declare("proof-book", {"usd": 100})
            pay = wire.Pay(book="proof-book", good="usd")
            job = await boss.tasks.submit(tasks("proof", 3), rules=RULES, pay=pay, expires_in_s=60)
            await asyncio.wait_for(job.ended(), WITHIN_S)
            return job.id

    job = asyncio.run(lived())
    return job, bus.hms("task", "log", job, "--raw").splitlines()


def judged(lines: list[str], folder: Path) -> dict[str, Any]:
    """What the verifier says of such lines, without a bus."""
    file = folder / "job.jsonl"
    file.write_text("\n".join(lines) + "\n")
    code, (verdict,) = task("verify", "--from", file)
    assert (code == 0) == verdict["holds"]
    return verdict


def of_log(lines: list[str], log: str) -> list[int]:
    """The places of a log's entries."""
    return [at for at, line in enumerate(lines) if f'"hms.v1.log.{log}.' in line]


def test_a_jobs_log_is_verified_without_a_bus(evidence: tuple[str, list[str]], tmp_path: Path) -> None:
    job, lines = evidence
    verdict = judged(lines, tmp_path)
    assert verdict["job"] == job
    assert verdict["entries"] == len(of_log(lines, "task"))
    assert verdict["payments"]["settled"] == 3


def test_forged_reordered_and_missing_entries_are_named(evidence: tuple[str, list[str]], tmp_path: Path) -> None:
    _, lines = evidence
    places = of_log(lines, "task")
    sequences = [json.loads(lines[at])["sequence"] for at in places]
    for turn, at in enumerate(places[:-1]):
        missing = judged(lines[:at] + lines[at + 1 :], tmp_path)
        assert (missing["holds"], missing["sequence"]) == (False, sequences[turn + 1]), "the first that does not follow"
        swapped = list(lines)
        swapped[at], swapped[places[turn + 1]] = swapped[places[turn + 1]], swapped[at]
        assert judged(swapped, tmp_path)["sequence"] == sequences[turn + 1]
        record = json.loads(lines[at])
        body = bytearray.fromhex(record["body"])
        body[len(body) // 2] ^= 1
        forged = [*lines[:at], json.dumps(record | {"body": body.hex()}), *lines[at + 1 :]]
        assert judged(forged, tmp_path)["sequence"] == sequences[turn]
    assert not judged(lines[: places[-1]], tmp_path)["holds"], "the end was written together with what is before"


def test_a_job_is_held_against_the_deals_that_paid(evidence: tuple[str, list[str]], tmp_path: Path) -> None:
    _, lines = evidence
    places = of_log(lines, "deal")
    at = places[len(places) // 2]
    record = json.loads(lines[at])
    body = bytearray.fromhex(record["body"])
    body[-1] ^= 1
    forged = judged([*lines[:at], json.dumps(record | {"body": body.hex()}), *lines[at + 1 :]], tmp_path)
    assert (forged["holds"], forged["stream"], forged["sequence"]) == (False, "HMS_DEALS", record["sequence"])
    subject = record["subject"]
    gone = judged([line for line in lines if subject not in line], tmp_path)
    assert gone["holds"], "that a deal is not there is no fault of the job's log"
    assert gone["payments"] == {"settled": 2, "open": 0, "failed": 0, "none": 1, "owed": 1}


def test_all_jobs_are_verified_on_the_bus_and_from_a_backup(
    evidence: tuple[str, list[str]], bus: Bus, tmp_path: Path
) -> None:
    job, _ = evidence
    code, verdicts = task("verify", "--all", bus=bus)
    assert code == 0, verdicts[0]
    assert job in {verdict.get("job") for verdict in verdicts}
    backup = tmp_path / "backup"
    bus.hms("backup", str(backup))
    code, restored = task("verify", "--all", "--from", backup)
    assert code == 0, restored[0]
    assert restored[-1]["holds"]
    assert restored[-1]["jobs"] >= 1


def test_a_forged_entry_of_the_deals_log_is_named_once_and_is_no_fault_of_other_jobs(
    evidence: tuple[str, list[str]], bus: Bus
) -> None:
    job, lines = evidence
    key, deal = (json.loads(lines[of_log(lines, log)[-1]])["subject"] for log in ("key", "deal"))

    async def forge(subject: str) -> None:
        client = await nats.connect(bus.url)
        await client.jetstream().publish(subject, b"forged")
        await client.close()

    asyncio.run(forge(key))
    code, verdicts = task("verify", "--all", bus=bus)
    assert (code, verdicts[-1]["bad_jobs"], verdicts[-1]["faults"]) == (1, 0, 1), verdicts
    assert [verdict["stream"] for verdict in verdicts if verdict.get("kind") == "key"] == ["HMS_DEALS"]
    asyncio.run(forge(deal))
    code, verdicts = task("verify", "--all", bus=bus)
    assert (code, verdicts[-1]["bad_jobs"], verdicts[-1]["faults"]) == (1, 1, 1), verdicts
    assert [verdict["job"] for verdict in verdicts if verdict.get("holds") is False and "job" in verdict] == [job]
