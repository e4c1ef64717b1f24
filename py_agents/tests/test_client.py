"""The shorter way through nats-py's client: it writes and reads what nats-py does."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import nats
import nats.errors
import pytest
from hypothesis import given
from hypothesis import strategies as st
from nats.aio.client import Client
from nats.errors import ProtocolError
from nats.protocol.parser import Parser

from hms_a2a._client import Connection, Incoming
from hms_a2a._frames import _MOST_HELD_BYTES, Frames

if TYPE_CHECKING:
    from nats.aio.msg import Msg

    from real_bus import Broker

_PIECES = st.lists(
    st.sampled_from([b"a", b"Hms-Type", b"Hms-Job: ", b":", b" ", b"\r\n", b"\t", b"\x1c", b"\xc3", "é".encode()])
)


@given(st.one_of(st.binary(), _PIECES.map(b"".join)))
def test_headers_are_read_as_nats_py_reads_them(raw: bytes) -> None:
    assert Connection._parse_header_lines(raw) == Client._parse_header_lines(raw)


class Kept:
    """A connection that keeps what it is told to process."""

    def __init__(self) -> None:
        self.told: list[object] = []

    async def _process_msg(self, sid: int, subject: bytes, reply: bytes, data: bytes, headers: bytes | None) -> None:
        self.told.append((sid, subject, reply, data, headers or b""))

    async def _process_ping(self) -> None:
        self.told.append("PING")

    async def _process_err(self, error: str) -> None:
        self.told.append(error)


_HEAD = b"NATS/1.0\r\nHms-Type: x\r\n\r\n"
_FRAMES = [
    b"MSG a 1 0\r\n\r\n",
    b"MSG a.b 22 _INBOX.c 7\r\n\r\nMSG a\r\n",
    b"MSG\ta  1   c\t5\r\nhello\r\n",
    b"HMSG a 1 %d %d\r\n%b\r\n" % (len(_HEAD), len(_HEAD), _HEAD),
    b"HMSG a 1 _INBOX.c %d %d\r\n%bhello\r\n" % (len(_HEAD), len(_HEAD) + 5, _HEAD),
    b"MSG a 1 %d\r\n%b\r\n" % (_MOST_HELD_BYTES, b"x" * _MOST_HELD_BYTES),
    b"PING\r\n",
    b"+OK\r\n",
    b"-ERR 'Slow Consumer'\r\n",
]


@given(st.lists(st.sampled_from(_FRAMES), max_size=8), st.lists(st.integers(0, 300)), st.booleans())
def test_frames_are_taken_as_nats_py_takes_them(frames: list[bytes], cuts: list[int], to_the_end: bool) -> None:
    stream = b"".join(frames)
    told: list[list[object]] = []
    for parser in (Frames, Parser):
        kept = Kept()
        reader = parser(kept)  # type: ignore[arg-type] # all that it needs of one

        async def read(reader: Parser = reader) -> None:
            at = 0
            for cut in cuts:
                await reader.parse(stream[at : at + cut])
                at += cut
            if to_the_end:
                await reader.parse(stream[at:])

        asyncio.run(read())
        told.append(kept.told)
    assert told[0] == told[1]


@pytest.mark.parametrize(
    "line", [b"MSG a 1\r\n", b"MSG a b c d 1\r\n", b"HMSG a 1 9 5\r\nabcde\r\n", b"MSG a x 1\r\n1\r\n"]
)
async def test_what_is_no_frame_is_what_nats_py_makes_of_it(line: bytes) -> None:
    made: list[object] = []
    for parser in (Frames, Parser):
        kept = Kept()
        try:
            await parser(kept).parse(line)  # type: ignore[arg-type]
            made.append(kept.told)
        except ProtocolError as error:
            made.append(str(error))
    assert made[0] == made[1]


async def test_what_has_no_room_is_lost_and_told_of(broker: Broker) -> None:
    connection = Connection()
    lost: list[str] = []
    go, taken = asyncio.Event(), 0

    async def on_error(error: Exception) -> None:
        assert isinstance(error, nats.errors.SlowConsumerError)
        lost.append(error.subject)

    async def take(incoming: Incoming) -> None:
        nonlocal taken
        await go.wait()
        taken += 1

    await connection.connect(broker.url, error_cb=on_error)
    sub = await connection.hear("a", "", take)
    sub._pending_bytes_limit = 1000
    for _ in range(20):
        await connection.publish("a", b"x" * 100)
    await connection.flush()
    await connection.flush()
    assert set(lost) == {"a"}
    go.set()
    await sub.drain()  # type: ignore[no-untyped-call]
    assert taken + len(lost) == 20
    assert not connection._heard
    await connection.close()


async def test_what_is_posted_comes_as_what_is_published(broker: Broker) -> None:
    connection = Connection()
    await connection.connect(broker.url)
    heard: asyncio.Queue[Msg] = asyncio.Queue()
    await connection.subscribe("a", cb=heard.put)
    bodies = [b"", b"x" * 70_000]
    for headers in ({}, {"Hms-Type": "x"}, {"Hms-Type": " y ", "traceparent": "", "Nats-Service-Error": "a: b"}):
        for body in bodies:
            for reply in ("", "_INBOX.b"):
                assert connection.post("a", body, headers, reply)
                posted = await heard.get()
                await connection.publish("a", body, reply, headers or None)
                published = await heard.get()
                assert (posted.data, posted.headers, posted.reply) == (body, published.headers, published.reply)
    assert connection.stats["out_bytes"] == connection.stats["in_bytes"]
    await connection.close()


async def test_what_is_not_plain_is_left_to_nats_py(broker: Broker) -> None:
    connection = Connection()
    assert not connection.post("a", b"", {}, ""), "it is not connected"
    await connection.connect(broker.url, pending_size=1000)
    bad = [("", ""), ("", "b"), ("a b", ""), ("a\r\nPUB", ""), ("a", "b\r\n"), ("a", "b c"), ("a", "\n")]
    for subject, reply in bad:
        assert not connection.post(subject, b"", {}, reply)
        with pytest.raises(nats.errors.BadSubjectError):
            await connection.publish(subject, b"", reply)
    for value in ("1\r\n2", "1\r2", "1\n2", "\r\n", "é"):
        assert not connection.post("a", b"", {"Nats-Service-Error": value}, "")
    assert not connection.post("a", b"x" * 1000, {}, ""), "more than may wait"
    assert not connection.post("a", b"x" * (connection.max_payload + 1), {}, "")
    assert connection.stats["out_msgs"] == 0
    await connection.close()
    assert not connection.post("a", b"", {}, "")


async def test_an_answer_that_is_late_is_nobodys(broker: Broker) -> None:
    connection = Connection()
    await connection.connect(broker.url)
    await connection.hear_answers()
    subject, coming = connection.expect()
    other, never = connection.expect()
    assert subject != other
    connection.post(subject, b"1", {"Hms-Type": "x"}, "")
    connection.post(subject, b"2", {}, "")
    assert await coming == Incoming(subject, b"1", {"Hms-Type": "x"}, None)
    connection.forget(subject)
    connection.post(subject, b"3", {}, "")
    await connection.flush()
    assert not never.done()
    await connection.close()
