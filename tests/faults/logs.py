"""What the streams hold in the end, read without the product's help; and as evidence for `hms deal verify`."""

from __future__ import annotations

import contextlib
import json
from typing import TYPE_CHECKING

import msgspec
import nats
import nats.js.api as js_api

from hms_a2a import _subjects as subjects

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable
    from pathlib import Path

    from nats.aio.client import Client

_PAGE = 500


class Stored(msgspec.Struct, frozen=True):
    """One message of a stream."""

    sequence: int
    subject: str
    headers: dict[str, str]
    body: bytes
    #: When the stream stored it.
    at_unix_ms: int = 0


@contextlib.asynccontextmanager
async def connected(url: str) -> AsyncIterator[Client]:
    """A connection for as long as it is needed."""
    client = await nats.connect(url, max_reconnect_attempts=-1)
    try:
        yield client
    finally:
        await client.close()


async def read_stream(client: Client, stream: str) -> list[Stored]:
    """Every message of a stream, in order."""
    js = client.jetstream()
    end = (await js.stream_info(stream)).state.last_seq
    config = js_api.ConsumerConfig(
        ack_policy=js_api.AckPolicy.NONE, deliver_policy=js_api.DeliverPolicy.ALL, inactive_threshold=60.0
    )
    found: list[Stored] = []
    last = 0
    subscription = await js.pull_subscribe("", stream=stream, config=config)
    while last < end:
        for message in await subscription.fetch(_PAGE, timeout=10):
            last = message.metadata.sequence.stream
            at_unix_ms = int(message.metadata.timestamp.timestamp() * 1000)
            found.append(Stored(last, message.subject, dict(message.headers or {}), message.data, at_unix_ms))
    await subscription.unsubscribe()
    return [stored for stored in found if stored.sequence <= end]


def write_evidence(file: Path, stored: Iterable[Stored]) -> None:
    """What `hms deal verify --from` reads: key history and deals."""
    wanted = (subjects.key_log("x").removesuffix("x"), subjects.deal_log("a" * 26).removesuffix("a" * 26))
    with file.open("w") as out:
        for kind in wanted:
            for one in stored:
                if one.subject.startswith(kind):
                    line = {
                        "sequence": one.sequence,
                        "subject": one.subject,
                        "headers": list(one.headers.items()),
                        "body": one.body.hex(),
                    }
                    out.write(json.dumps(line) + "\n")
