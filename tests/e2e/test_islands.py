"""A search spread over processes ends with the same bytes whatever dies on the way: a worker, or whoever asked."""

from __future__ import annotations

import asyncio
import json
import time
from typing import TYPE_CHECKING, Any

import msgspec
import nats
import pytest

from hms_a2a import _codec as codec
from hms_a2a import _subjects as subjects
from hms_a2a import _wire as wire
from nodes import answered, nodes_on

if TYPE_CHECKING:
    from pathlib import Path

    from nats.aio.client import Client

    from real_bus import Broker

ISLANDS = 3
NAMES = ["egypt", "ghana", "kenya", "mali", "niger"]


def request(**more: object) -> dict[str, Any]:
    """Five countries, each with a good of its own that all others want."""

    def exactly(value: int) -> dict[str, str]:
        return {"lo": str(value), "hi": str(value)}

    transfers, valuations, caps = [], [], []
    for at, name in enumerate(NAMES):
        for step in range(1, 5):
            to = NAMES[(at + step) % 5]
            transfers.append({"from": name, "to": to, "good": f"of-{name}", "most": 500, "due_unix_ms": 0})
        values = [
            {"good": f"of-{other}", "value": exactly(45 + 7 * ((at * 3 + n * 2) % 5))}
            for n, other in enumerate(NAMES)
            if other != name
        ]
        costs = [{"good": f"of-{name}", "cost": exactly(40)}]
        valuations.append({"party": name, "valuation": {"values": values, "costs": costs}})
        caps.append({"party": name, "good": f"of-{name}", "gives": 1_000})
    sought = {
        "book": "five",
        "delivery": "immediate",
        "expires_unix_ms": 0,
        "transfers": transfers,
        "caps": caps,
        "valuations": valuations,
    }
    asked = {"sought": sought, "seed": 11, "islands": ISLANDS, "evaluations": 120_000, "population": 200}
    return asked | {"epoch_generations": 10} | more


async def taken(client: Client) -> dict[str, int]:
    """How many epochs each instance has been asked for."""
    inbox = client.new_inbox()
    heard: dict[str, int] = {}
    replies = await client.subscribe(inbox)
    await client.publish("$SRV.STATS.genetic", b"", reply=inbox)
    try:
        while True:
            stats = json.loads((await replies.next_msg(timeout=0.3)).data)
            heard[stats["id"]] = next(e["num_requests"] for e in stats["endpoints"] if e["name"] == "epoch")
    except nats.errors.TimeoutError:
        return heard
    finally:
        await replies.unsubscribe()


async def busy(client: Client, without: set[str]) -> None:
    """Wait until an instance that is not among these is asked for epochs."""
    end = time.monotonic() + 60
    while not any(count > 0 for name, count in (await taken(client)).items() if name not in without):
        assert time.monotonic() < end, "nobody else is asked"


async def checkpoints(client: Client, job: str) -> int:
    """How many stand in the job's logs."""
    info = await client.jetstream().stream_info(subjects.STREAM_ISLANDS, subjects_filter=">")
    counts: dict[str, int] = info.state.subjects or {}
    return sum(counts.get(subjects.island_log(job, str(island)), 0) for island in range(ISLANDS))


async def test_a_node_that_is_killed_is_replaced_and_its_epoch_repeated_exactly(broker: Broker, tmp_path: Path) -> None:
    asked = request()
    with nodes_on(broker, tmp_path, "genetic") as nodes:
        nodes.start()
        undisturbed = answered(nodes.ask("genetic.evolve", "undisturbed", asked))
        assert json.loads(undisturbed)["front"]
        # In one process without a bus: the same bytes.
        assert nodes.call("genetic.evolve", asked, "--local") == undisturbed
        client = await nats.connect(broker.url)
        alone = set(await taken(client))
        calling = nodes.ask("genetic.evolve", "killed", asked)
        # The first node has the search before the other is there to be asked for it: the victim is a worker alone.
        end = time.monotonic() + 60
        while not await checkpoints(client, "killed"):
            assert time.monotonic() < end, "no checkpoints"
        victim = nodes.start()
        await busy(client, without=alone)
        victim.kill()
        victim.wait()
        assert answered(calling) == undisturbed
        epochs = ISLANDS * 20
        assert await checkpoints(client, "killed") == epochs
        assert nodes.call("genetic.result", {"job": "killed"}) == undisturbed
        await client.close()


async def test_whoever_is_asked_again_goes_on_where_a_killed_one_was(broker: Broker, tmp_path: Path) -> None:
    asked = request()
    with nodes_on(broker, tmp_path, "genetic") as nodes:
        first = nodes.start()
        undisturbed = answered(nodes.ask("genetic.evolve", "undisturbed", asked))
        client = await nats.connect(broker.url)
        calling = nodes.ask("genetic.evolve", "heir", asked, within_ms=2_000)
        end = time.monotonic() + 60
        while await checkpoints(client, "heir") < ISLANDS:
            assert time.monotonic() < end, "no checkpoints"
        first.kill()
        first.wait()
        before = await checkpoints(client, "heir")
        nodes.start()
        assert answered(nodes.ask("genetic.evolve", "heir", asked)) == undisturbed
        assert ISLANDS <= before < await checkpoints(client, "heir") == ISLANDS * 20
        calling.communicate(timeout=30)
        await client.close()


async def test_a_search_is_watched_cancelled_and_bounded_by_its_deadline(broker: Broker, tmp_path: Path) -> None:
    long = msgspec.msgpack.encode({"type": "genetic.evolve"} | request(evaluations=50_000_000))
    with nodes_on(broker, tmp_path, "genetic") as nodes:
        nodes.start()
        client = await nats.connect(broker.url)
        told = await client.subscribe(subjects.job_progress("watched"))
        where = subjects.endpoint("genetic", "evolve")
        asking = asyncio.create_task(client.request(where, long, 60, headers={"Hms-Job": "watched"}))
        islands: set[int] = set()
        while islands != set(range(ISLANDS)):
            progress = codec.decode((await told.next_msg(timeout=20)).data, wire.EvolutionProgress)
            islands.add(progress.island)
            assert progress.generation > 0
            assert progress.evaluations > 0
        assert 0 < progress.hypervolume_ppm < 1_000_000
        assert all(len(gains) == len(NAMES) for gains in progress.front)
        cancelled = time.monotonic()
        await client.publish(subjects.job_cancel("watched"), b"enough")
        evolved = codec.decode((await asking).data, wire.Evolved)
        assert time.monotonic() - cancelled < 1.0
        assert evolved.cut == wire.Cut.STOPPED
        assert evolved.front

        deadline = int(time.time() * 1000) + 1_500
        headers = {"Hms-Job": "bounded", "Hms-Deadline": str(deadline)}
        evolved = codec.decode((await client.request(where, long, 60, headers=headers)).data, wire.Evolved)
        assert 0 <= time.time() * 1000 - deadline < 1_000
        assert evolved.cut == wire.Cut.STOPPED
        assert evolved.front
        await client.close()


async def test_a_large_result_is_an_object_that_anyone_can_fetch(broker: Broker, tmp_path: Path) -> None:
    large = request(population=2_000, evaluations=20_000, islands=2)
    with nodes_on(broker, tmp_path, "genetic") as nodes:
        nodes.start()
        shown = json.loads(answered(nodes.ask("genetic.evolve", "large", large)))
        if "kept" not in shown:
            pytest.fail(f"the answer has only {len(shown['front'])} terms")
        client = await nats.connect(broker.url)
        store = await client.jetstream().object_store(shown["kept"]["bucket"])
        kept = await store.get(shown["kept"]["name"])
        assert kept.data is not None
        assert len(kept.data) == shown["kept"]["size_bytes"]
        whole = codec.decode(kept.data, wire.Evolved, len(kept.data))
        assert len(whole.front) == shown["kept"]["candidates"] > len(shown["front"])
        local = json.loads(nodes.call("genetic.evolve", large, "--local"))
        assert len(local["front"]) == len(whole.front)
        await client.close()
