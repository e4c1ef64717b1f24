"""Long work on a real bus ends when it is told to, with what it has."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

import msgspec
import nats
import pytest
from kidney import Json, Pool

from hms_a2a import _codec as codec
from hms_a2a import _subjects as subjects
from hms_a2a import _wire as wire
from nodes import nodes_on

if TYPE_CHECKING:
    from pathlib import Path

    from real_bus import Broker

#: Longer than any test waits.
LONG_MS = 60_000


def hard_clearing() -> Json:
    """A kidney exchange that takes far longer than a few seconds: 300 pairs, cycles to 5, arcs worth 1 to 100."""
    return {"type": "graph.clear"} | Pool.draw_evenly(300, 6_000, 3, weighted=True).request(5, 0, LONG_MS)


async def test_a_cancelled_clearing_answers_within_a_second_with_its_best(broker: Broker, tmp_path: Path) -> None:
    where = subjects.endpoint("graph", "clear")
    with nodes_on(broker, tmp_path, "graph") as nodes:
        nodes.start()
        client = await nats.connect(broker.url)
        for job, after_s in (("soon", 0.3), ("late", 4.0)):
            body = msgspec.msgpack.encode(hard_clearing())
            asking = asyncio.create_task(client.request(where, body, 60, headers={"Hms-Job": job}))
            await asyncio.sleep(after_s)
            if asking.done():
                pytest.fail(f"the clearing took less than {after_s} s")
            cancelled = time.monotonic()
            await client.publish(subjects.job_cancel(job), b"enough")
            cleared = codec.decode((await asking).data, wire.Cleared)
            assert time.monotonic() - cancelled < 1.0, job
            assert cleared.outcome is wire.Outcome.TIME_LIMIT
            assert cleared.bound >= cleared.objective
        assert cleared.objective > 0
        assert cleared.rings
        await client.close()
