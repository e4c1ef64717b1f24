"""What the streams hold in the end, read without the product's help; and as evidence for `hms deal verify`."""

from __future__ import annotations

import asyncio
import contextlib
import json
from typing import TYPE_CHECKING

import msgspec
import nats
import nats.errors
import nats.js.api as js_api

from hms_a2a import _subjects as subjects

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Sequence
    from pathlib import Path

    from nats.aio.client import Client

#: Where the beginning of the log of deals is once it was cut off.
ARCHIVE = "HMS_ARCHIVE"

_PAGE = 500
#: How often reading is begun again.
_TRIES = 30


class Stored(msgspec.Struct, frozen=True):
    """One message of a stream."""

    sequence: int
    subject: str
    headers: dict[str, str]
    body: bytes
    #: When the stream stored it.
    at_unix_ms: int = 0


@contextlib.asynccontextmanager
async def connected(urls: str | Sequence[str]) -> AsyncIterator[Client]:
    """A connection for as long as it is needed."""
    servers = [urls] if isinstance(urls, str) else list(urls)
    client = await nats.connect(servers, max_reconnect_attempts=-1)
    try:
        yield client
    finally:
        await client.close()


async def read_stream(client: Client, stream: str) -> list[Stored]:
    """Every message of a stream, in order.

    What fails is begun again where it stopped: a consumer stands on one broker of a cluster, and may go with it.
    """
    found: list[Stored] = []
    end, tries = 1, 0
    while not found or found[-1].sequence < end:
        try:
            end = (await client.jetstream().stream_info(stream)).state.last_seq
            async for stored in _pages(client, stream, found[-1].sequence + 1 if found else 1, end):
                found.append(stored)
            if not end:
                break
        except nats.errors.Error:
            tries += 1
            if tries > _TRIES:
                raise
            await asyncio.sleep(0.5)
    return found


async def read_log(client: Client) -> list[Stored]:
    """The log of deals from its first entry on: what was cut off stands in the archive, under the same sequences."""
    log = await read_stream(client, subjects.STREAM_DEALS)
    if not log or log[0].sequence == 1:
        return log
    archive = await read_stream(client, ARCHIVE)
    return [one for one in archive if one.sequence < log[0].sequence] + log


async def _pages(client: Client, stream: str, start: int, end: int) -> AsyncIterator[Stored]:
    config = js_api.ConsumerConfig(
        ack_policy=js_api.AckPolicy.NONE,
        deliver_policy=js_api.DeliverPolicy.BY_START_SEQUENCE,
        opt_start_seq=start,
        inactive_threshold=60.0,
    )
    subscription = await client.jetstream().pull_subscribe("", stream=stream, config=config)
    last = start - 1
    while last < end:
        for message in await subscription.fetch(_PAGE, timeout=10):
            last = message.metadata.sequence.stream
            at_unix_ms = int(message.metadata.timestamp.timestamp() * 1000)
            yield Stored(last, message.subject, dict(message.headers or {}), message.data, at_unix_ms)
    await subscription.unsubscribe()


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
