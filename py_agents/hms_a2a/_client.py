"""nats-py's client, with a shorter way for what every message goes through.

nats-py checks each header with a pattern and each letter of a header's name, and puts an answer into a queue that a
task empties, before it wakes whoever waits under a timer of three objects. That is most of what a question costs. Here
headers are written and read at one go, and an answer goes from the socket to whoever asked. All that is not plain (a
broken connection, a full buffer, something to clean) goes nats-py's own way.

Methods are overridden that are nats-py's own affair, so its minor version is pinned.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

import msgspec
from nats.aio.client import Client

from hms_a2a import _headers as header
from hms_a2a._frames import Frames

if TYPE_CHECKING:
    from nats.aio.subscription import Subscription

_FIRST_LINE = "NATS/1.0\r\n"
#: Names that need no look at their letters.
_KNOWN = frozenset(value for name, value in vars(header).items() if name.isupper())
#: What most answers have, and none.
_COMMON: dict[bytes, dict[str, str]] = {
    f"{_FIRST_LINE}{header.CONTENT_TYPE}: {header.MSGPACK}\r\n\r\n".encode(): {header.CONTENT_TYPE: header.MSGPACK},
    b"": {},
}
_BLANK = " \t\n\r\v\f"


class Incoming(msgspec.Struct, frozen=True):
    """A message as it came."""

    subject: str
    body: bytes
    headers: dict[str, str]
    reply: str | None

    @property
    def data(self) -> bytes:
        """The body, as nats-py calls it when it counts what waits."""
        return self.body

    @property
    def is_no_responders(self) -> bool:
        """Whether this is the broker's own word for a question that nobody hears."""
        return not self.body and self.headers.get("Status") == "503"


#: What takes the messages of a subscription. They come one after the other: whatever takes long belongs in a task.
Taker = Callable[[Incoming], Awaitable[None]]


class Connection(Client):
    """A client that posts and asks."""

    def __init__(self) -> None:
        super().__init__()
        self._ps = Frames(self)
        self._inbox = ""
        self._inbox_sid = 0
        self._asked = 0
        self._answers: dict[str, asyncio.Future[Incoming | None]] = {}
        self._heard: set[int] = set()

    async def hear(self, subject: str, group: str, take: Taker) -> Subscription:
        """Subscribe, without nats-py's own kind of message between."""
        sid = self._sid + 1
        self._heard.add(sid)
        try:
            return await self.subscribe(subject, queue=group, cb=take)  # type: ignore[arg-type] # see `_build_message`
        except BaseException:
            self._heard.discard(sid)
            raise

    async def hear_answers(self) -> None:
        """Subscribe to the answers of all questions; once, after connecting."""
        self._inbox = self.new_inbox()
        self._inbox_sid = (await self.hear(f"{self._inbox}.*", "", _ignore))._id

    def expect(self) -> tuple[str, asyncio.Future[Incoming | None]]:
        """A subject for the answer to one question, and that answer, or the None that ends the wait; `forget` it."""
        self._asked += 1
        subject = f"{self._inbox}.{self._asked}"
        self._answers[subject] = answer = asyncio.get_running_loop().create_future()
        return subject, answer

    def forget(self, subject: str) -> None:
        """Nobody waits for this answer any more."""
        self._answers.pop(subject, None)

    def post(self, subject: str, body: bytes, headers: dict[str, str], reply: str) -> bool:
        """Publish, where nothing stands in the way; whether it was done. If not, `publish` does it, or says why not."""
        if headers:
            lines = "".join([f"{name}: {value}\r\n" for name, value in headers.items()])
            block = len(_FIRST_LINE) + len(lines) + 2
            text = f"HPUB {subject} {reply} {block} {block + len(body)}\r\n{_FIRST_LINE}{lines}\r\n"
        else:
            text = f"PUB {subject} {reply} {len(body)}\r\n"
        ends = 3 + len(headers) if headers else 1
        clean = text.isascii() and text.count("\r") == text.count("\n") == ends
        size = len(text) + len(body) + 2
        full = len(body) > self._max_payload or self._pending_data_size + size > self._max_pending_size
        words = f"{subject}{reply}"
        if full or not clean or not subject or " " in words or "\t" in words:
            return False
        if self._status != Client.CONNECTED or self._flush_queue is None:
            return False
        if self._flusher_task is None or self._flusher_task.done():
            return False
        self._pending.append(b"%b%b\r\n" % (text.encode(), body))
        self._pending_data_size += size
        self.stats["out_msgs"] += 1
        self.stats["out_bytes"] += len(body)
        if self._flush_queue.empty():
            self._flush_queue.put_nowait(self._flusher_task.get_loop().create_future())
        return True

    async def _process_msg(self, sid: int, subject: bytes, reply: bytes, data: bytes, headers: bytes | None) -> None:
        if sid not in self._heard:
            await super()._process_msg(sid, subject, reply, data, headers or b"")
            return
        headers = headers or b""
        read = _COMMON.get(headers)
        if read is not None:
            read = read.copy()
        elif headers.startswith(_FIRST_LINE.encode()):
            read = self._parse_header_lines(headers[len(_FIRST_LINE) :])
        else:
            read = await self._process_headers(headers) or {}
        incoming = Incoming(subject.decode(), data, read, reply.decode() or None)
        if sid == self._inbox_sid:
            answer = self._answers.get(incoming.subject)
            if answer is not None and not answer.done():
                answer.set_result(incoming)
        elif not self._keep(sid, incoming):
            await super()._process_msg(sid, subject, reply, data, headers)
            return
        self.stats["in_msgs"] += 1
        self.stats["in_bytes"] += len(data)

    def _keep(self, sid: int, incoming: Incoming) -> bool:
        """Let a message wait for its taker, where there is room; where there is none, nats-py says so."""
        sub = self._subs.get(sid)
        if sub is None or sub._max_msgs > 0 or sub._pending_queue.full():
            return False
        if sub._pending_size + len(incoming.body) >= sub._pending_bytes_limit > 0:
            return False
        sub._received += 1
        sub._pending_size += len(incoming.body)
        sub._pending_queue.put_nowait(incoming)  # type: ignore[arg-type] # what the taker takes
        return True

    def _build_message(
        self, sid: int, subject: bytes, reply: bytes, data: bytes, headers: dict[str, str] | None
    ) -> Any:
        if sid in self._heard:
            return Incoming(subject.decode(), data, headers or {}, reply.decode() or None)
        return super()._build_message(sid, subject, reply, data, headers)

    def _remove_sub(self, sid: int, max_msgs: int = 0) -> None:
        self._heard.discard(sid)
        super()._remove_sub(sid, max_msgs)

    @staticmethod
    def _parse_header_lines(raw: bytes) -> dict[str, str]:
        """Headers, as nats-py reads them; at one go where all are the contract's own, written as everybody does."""
        try:
            headers = dict([line.split(": ", 1) for line in raw.decode().split("\r\n") if line])
        except ValueError:
            headers = {}
        if headers and _KNOWN.issuperset(headers):
            return {name: value.strip(_BLANK) for name, value in headers.items()}
        return Client._parse_header_lines(raw)


async def _ignore(incoming: Incoming) -> None:
    """What comes to the inbox is taken before it comes here."""
