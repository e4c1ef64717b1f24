"""The prover on a real broker, and its lines of standard input."""

from __future__ import annotations

import asyncio
import hashlib
import json
import sys
import time
from typing import TYPE_CHECKING, Any

import msgspec
import nats
import pytest

from hms_a2a import _headers as header
from hms_a2a import _subjects as subjects
from hms_a2a import wire
from hms_a2a._codec import decode, encode
from hms_a2a._signing import system_clock
from hms_a2a.gtp import check, parse_claim
from hms_a2a.gtp._archive import lemmas_of
from hms_a2a.gtp._worker import Job
from hms_a2a.gtp._workers import Workers

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from nats.aio.client import Client
    from nats.aio.msg import Msg

    from real_bus import Broker

#: Generous, since whole suites run beside this one.
WITHIN_S = 60.0
EASY = parse_claim("forall x in [1,2], y in [0,3]: 3*x - y >= 0").to_bytes()
TIGHT = parse_claim("forall x in [-1,1]: 1 - 4*x^3 + 3*x >= 0").to_bytes()
FALSE = parse_claim("forall x in [0,1]: x^2 >= x").to_bytes()
HOPELESS = parse_claim("(x^2 - 2)^2 > 0").to_bytes()


class Provers:
    """Prover processes on a broker, and somebody who asks them."""

    def __init__(self, client: Client, processes: list[asyncio.subprocess.Process]) -> None:
        self.client = client
        self.processes = processes

    async def ask(self, verb: str, message: wire.Message, headers: dict[str, str] | None = None) -> Msg:
        subject = subjects.endpoint("gtp", verb)
        return await self.client.request(subject, encode(message), timeout=WITHIN_S, headers=headers)

    async def prove(self, *claims: bytes, budget_ms: int = 30_000, **headers: str) -> list[wire.SearchResult]:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        reply = await self.ask("prove", wire.Prove(claims=list(claims), budget_ms=budget_ms, seed=0), named or None)
        return decode(reply.data, wire.ProveReply).results


async def start(url: str, *more: str) -> asyncio.subprocess.Process:
    pipe = asyncio.subprocess.PIPE
    command = [sys.executable, "-W", "error", "-m", "hms_a2a.gtp", "--nats", url, "--until-stdin-ends", *more]
    process = await asyncio.create_subprocess_exec(*command, stdin=pipe, stdout=pipe)
    assert process.stdout is not None
    line = await asyncio.wait_for(process.stdout.readline(), WITHIN_S)
    assert json.loads(line) == {"event": "ready"}
    return process


@pytest.fixture
async def provers(broker: Broker) -> AsyncIterator[Provers]:
    processes = [await start(broker.url, "--workers", "2")]
    client = await nats.connect(broker.url)
    yield Provers(client, processes)
    await client.close()
    for process in processes:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def test_a_deal_s_claims_are_answered_in_order(provers: Provers) -> None:
    results = await provers.prove(EASY, FALSE, TIGHT)
    assert [result.verdict for result in results] == ["proved", "refuted", "proved"]
    for claim, result in zip((EASY, FALSE, TIGHT), results, strict=True):
        assert result.evidence is not None
        assert check(claim, result.evidence).verdict == result.verdict
    reply = await provers.ask("refute", wire.Refute(claims=[EASY, FALSE], budget_ms=2_000, seed=0))
    assert [one.verdict for one in decode(reply.data, wire.ProveReply).results] == ["unknown", "refuted"]
    standing = decode((await provers.ask("status", wire.ProverStatus())).data, wire.ProverStanding)
    assert (standing.decided, standing.unknown) == (4, 1)


async def test_the_lemmas_of_proofs_are_counted(provers: Provers) -> None:
    async def lemmas() -> int:
        return decode((await provers.ask("status", wire.ProverStatus())).data, wire.ProverStanding).lemmas

    before = await lemmas()
    claim = parse_claim("forall a >= 0, b >= 0: a^3 + 2*b^3 >= 3*a*b^2")
    (result,) = await provers.prove(claim.to_bytes())
    assert result.evidence is not None
    learnt = lemmas_of(claim, result.evidence)
    assert learnt
    assert await lemmas() == before + len(learnt)
    await provers.prove(parse_claim("forall x in [0,1]: x^2 >= x").to_bytes())
    assert await lemmas() == before + len(learnt)


async def test_a_deadline_is_kept(provers: Provers) -> None:
    await provers.prove(TIGHT)
    began = time.monotonic()
    (result,) = await provers.prove(HOPELESS, budget_ms=1_000)
    assert result.verdict == "unknown"
    assert result.reason is not None
    assert 0.7 < time.monotonic() - began < 5
    began = time.monotonic()
    deadline = str(system_clock() + 1_000)
    (result,) = await provers.prove(HOPELESS, budget_ms=60_000, **{header.DEADLINE.replace("-", "_"): deadline})
    assert result.verdict == "unknown"
    assert time.monotonic() - began < 5
    past = await provers.ask(
        "prove", wire.Prove(claims=[EASY], budget_ms=1_000, seed=0), {header.DEADLINE: str(system_clock() - 1)}
    )
    assert past.headers is not None
    assert past.headers[header.ERROR_CODE] == "410"


async def test_long_work_tells_and_obeys_and_blocks_nobody(provers: Provers) -> None:
    told: list[wire.SearchProgress] = []

    async def hear(msg: Msg) -> None:
        assert msg.headers is not None
        assert msg.headers[header.TYPE] == wire.SearchProgress.TYPE
        told.append(decode(msg.data, wire.SearchProgress))

    await provers.client.subscribe(subjects.job_progress("j1"), cb=hear)
    await provers.client.flush()
    long = asyncio.ensure_future(provers.prove(HOPELESS, budget_ms=50_000, Hms_Job="j1"))
    end = time.monotonic() + WITHIN_S
    while not told:
        assert time.monotonic() < end, "no progress"
        await asyncio.sleep(0.05)
    assert all(one.claim_hash == hashlib.sha256(HOPELESS).digest() for one in told)
    assert told[-1].took_ms > 0
    (easy,) = await provers.prove(TIGHT)
    assert easy.verdict == "proved"
    assert not long.done()
    began = time.monotonic()
    await provers.client.publish(subjects.job_cancel("j1"), b"")
    (result,) = await asyncio.wait_for(long, WITHIN_S)
    assert result.verdict == "unknown"
    assert result.reason is not None
    assert result.reason.startswith("cancelled")
    assert time.monotonic() - began < 10


async def test_what_cannot_be_read_is_refused_with_its_place(provers: Provers) -> None:
    reply = await provers.ask("prove", wire.Prove(claims=[EASY, b"abc"], budget_ms=1_000, seed=0))
    assert reply.headers is not None
    assert reply.headers[header.ERROR_CODE] == "400"
    assert decode(reply.data, wire.ErrorReply).field == "claims[1]"
    empty = await provers.client.request(subjects.endpoint("gtp", "prove"), b"\xff", timeout=WITHIN_S)
    assert empty.headers is not None
    assert empty.headers[header.ERROR_CODE] == "400"


async def test_several_share_the_work_and_are_discovered(provers: Provers, broker: Broker) -> None:
    provers.processes.append(await start(broker.url, "--workers", "1"))
    await asyncio.gather(*(provers.prove(EASY) for _ in range(40)))
    inbox = provers.client.new_inbox()
    answers: list[dict[str, Any]] = []

    async def hear(msg: Msg) -> None:
        answers.append(json.loads(msg.data))

    await provers.client.subscribe(inbox, cb=hear)
    await provers.client.publish("$SRV.STATS.gtp", b"", reply=inbox)
    end = time.monotonic() + WITHIN_S
    while len(answers) < 2:
        assert time.monotonic() < end, answers
        await asyncio.sleep(0.05)
    counts = [next(e["num_requests"] for e in one["endpoints"] if e["name"] == "prove") for one in answers]
    assert sum(counts) == 40
    assert all(counts)
    assert {e["queue_group"] for one in answers for e in one["endpoints"]} == {"gtp"}


async def test_the_end_of_its_input_ends_it(provers: Provers) -> None:
    (process,) = provers.processes
    assert process.stdin is not None
    process.stdin.close()
    assert await asyncio.wait_for(process.wait(), WITHIN_S) == 0


async def test_evidence_is_kept_and_checked_again(broker: Broker) -> None:
    client = await nats.connect(broker.url)
    bucket = await client.jetstream().create_key_value(bucket="HMS_PROOFS")
    process = await start(broker.url, "--workers", "1")
    provers = Provers(client, [process])
    try:
        (first,) = await provers.prove(TIGHT)
        key = bytes(first.claim_hash).hex()
        kept = json.loads((await bucket.get(key)).value or b"")
        assert first.evidence is not None
        assert kept["evidence"] == bytes(first.evidence).hex()
        (again,) = await provers.prove(TIGHT)
        assert again.evidence == first.evidence
        # Rubbish in the bucket is no evidence.
        await bucket.put(key, json.dumps({"verdict": "refuted", "evidence": "00"}).encode())
        (mended,) = await provers.prove(TIGHT)
        assert mended.verdict == "proved"
        standing = decode((await provers.ask("status", wire.ProverStatus())).data, wire.ProverStanding)
        assert standing.from_cache == 1
    finally:
        await client.close()
        process.kill()
        await process.wait()


async def test_a_worker_that_dies_is_replaced() -> None:
    async with Workers(1) as workers:
        loop = asyncio.get_running_loop()
        search = asyncio.ensure_future(workers.run(Job(HOPELESS, 20.0), is_long=True, until=loop.time() + 20))
        await asyncio.sleep(0.5)
        workers._all[0].kill()
        assert (await search).verdict == "unknown"
        done = await workers.run(Job(TIGHT, 30.0), is_long=False, until=loop.time() + WITHIN_S)
        assert done.verdict == "proved"


async def once(*lines: dict[str, object], arguments: tuple[str, ...] = ()) -> list[dict[str, Any]]:
    pipe = asyncio.subprocess.PIPE
    command = [sys.executable, "-W", "error", "-m", "hms_a2a.gtp", "--once", *arguments]
    process = await asyncio.create_subprocess_exec(*command, stdin=pipe, stdout=pipe)
    text = "".join(json.dumps(line) + "\n" for line in lines)
    out, _ = await asyncio.wait_for(process.communicate(text.encode()), 2 * WITHIN_S)
    assert process.returncode == 0
    return [json.loads(line) for line in out.splitlines()]


async def test_lines_are_answered_without_a_bus() -> None:
    answers = await once(
        {"text": "forall x in [1,2]: x >= 1"},
        {"claim": TIGHT.hex(), "budget_ms": 30_000, "seed": 3},
        {"text": "x^2 >= x", "only": "refute"},
        {"text": "2x >= 0"},
        {"claim": "00"},
        {"budget": 1},
        {"text": "x >= 0", "budget_ms": 0},
        arguments=("--jobs", "2"),
    )
    assert [answer.get("verdict") for answer in answers] == ["proved", "proved", "refuted", None, None, None, None]
    for answer in answers[:3]:
        shown = check(bytes.fromhex(answer["claim"]), bytes.fromhex(answer["evidence"]))
        assert shown.verdict == answer["verdict"]
    assert answers[3]["error"]["column"] == 2
    assert answers[4]["error"]["field"].startswith("claim")
    assert answers[6]["error"]["field"] == "budget_ms"


async def test_idle_provers_become_islands_of_a_long_search(provers: Provers, broker: Broker) -> None:
    provers.processes.append(await start(broker.url, "--workers", "2"))
    heard: list[dict[str, Any]] = []

    async def hear(msg: Msg) -> None:
        heard.append(msgspec.msgpack.decode(msg.data))

    await provers.client.subscribe(subjects.all_topics("gtp.islands.>"), cb=hear)
    await provers.client.flush()
    claim = parse_claim("forall x + y + z = 3: (x^2 - 2)^2 + (y^2 - z)^2 > 0").to_bytes()
    long = asyncio.ensure_future(provers.prove(claim, budget_ms=50_000, Hms_Job="j2"))
    end = time.monotonic() + WITHIN_S
    while len({(one["island"], one["epoch"]) for one in heard if one["type"] == "migrants"}) < 4:
        assert time.monotonic() < end, heard
        await asyncio.sleep(0.1)
    await provers.client.publish(subjects.job_cancel("j2"), b"")
    (result,) = await asyncio.wait_for(long, WITHIN_S)
    assert result.verdict == "unknown"
    (begun,) = [one for one in heard if one["type"] == "begin"]
    assert len(begun["islands"]) == 2
    assert {one["island"] for one in heard if one["type"] == "migrants"} == {0, 1}
    while not any(one["type"] == "over" for one in heard):
        assert time.monotonic() < end, heard
        await asyncio.sleep(0.05)


async def test_a_claim_that_takes_all_its_time_leaves_the_next_one_whole() -> None:
    beyond: dict[str, object] = {"text": "forall x: (x^2 - 2)^2 > 0", "budget_ms": 400}
    hard: dict[str, object] = {"text": "forall a, b, c: a^4 + b^4 + c^4 >= a*b*c*(a + b + c)"}
    answers = await once(beyond, hard, beyond, hard, arguments=("--jobs", "2"))
    assert [answer["verdict"] for answer in answers] == ["unknown", "proved", "unknown", "proved"]
