"""Reading whole messages off a connection: what nats-py's parser does with patterns, with one search and one split.

A broker writes ``MSG subject sid [reply] size`` or ``HMSG subject sid [reply] header-size size``, one blank between.
Messages that came whole are taken here; all else, and whatever looks otherwise, is left to nats-py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from nats.protocol.parser import AWAITING_CONTROL_LINE, Parser

if TYPE_CHECKING:
    from hms_a2a._client import Connection

#: What is not whole and larger is collected by nats-py, which copies it once.
_MOST_HELD_BYTES = 65_536


class Frames(Parser):
    """nats-py's parser, faster with what there is most of."""

    def __init__(self, connection: Connection) -> None:
        super().__init__(connection)
        self._connection = connection

    async def parse(self, data: bytes = b"") -> None:
        """Take what came from the socket. Raises `nats.errors.ProtocolError`."""
        if self.state != AWAITING_CONTROL_LINE:
            await super().parse(data)
            return
        if self.buf:
            data = bytes(self.buf) + data
            self.buf.clear()
        at = 0
        while data.startswith((b"MSG ", b"HMSG "), at) and (line_end := data.find(b"\r\n", at)) > 0:
            try:
                verb, subject, sid, *rest = data[at:line_end].split(b" ")
                *reply, head, size = rest if verb == b"HMSG" else (*rest[:-1], b"0", rest[-1])
                number, start = int(sid), line_end + 2
                body, end = start + int(head), start + int(size)
            except (ValueError, IndexError):
                break
            if len(reply) > 1 or not start <= body <= end:
                break
            if len(data) < end + 2:
                if end - at > _MOST_HELD_BYTES:
                    break
                self.buf.extend(data[at:])
                return
            at = end + 2
            await self._connection._process_msg(
                number, subject, reply[0] if reply else b"", data[body:end], data[start:body]
            )
        if at < len(data):
            await super().parse(data[at:])
