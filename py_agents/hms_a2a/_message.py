"""What agents say to each other: bodies of their own, on topics, in answers and in each other's inboxes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic, TypeVar, overload

import msgspec

from hms_a2a import _headers as header
from hms_a2a import _subjects as subjects
from hms_a2a import _wire as wire
from hms_a2a._bus import headers_of
from hms_a2a._closed import decoder_of_closed
from hms_a2a._codec import decode, encode, refusal, scan
from hms_a2a._errors import BadWire
from hms_a2a._limits import MAX_BODY_BYTES, MAX_ENTRIES

if TYPE_CHECKING:
    from collections.abc import Callable

    from hms_a2a._bus import Caller

B = TypeVar("B")
T = TypeVar("T")

_KINDS: dict[str, type[wire.Message]] = {kind.TYPE: kind for kind in wire.MESSAGES}


class Message(Generic[B]):
    """A message from another agent.

    `body` is what it says: a `wire` message where it is one, an object of the type that was asked for, else a dict (or
    whatever stands at the root). `topic` is where it was said; None for a message that came to the inbox.
    `deadline_unix_ms` is when whoever asks stops waiting, where that is said.
    """

    __slots__ = ("_caller", "_reply", "_sender", "_signs", "at_unix_ms", "body", "deadline_unix_ms", "raw", "topic")

    def __init__(
        self,
        body: B,
        raw: bytes,
        *,
        topic: str | None = None,
        sender: str | Callable[[], str | None] | None = None,
        at_unix_ms: int | None = None,
        deadline_unix_ms: int | None = None,
        reply: str | None = None,
        caller: Caller | None = None,
        signs: bool = False,
    ) -> None:
        self.body = body
        self.raw = raw
        self.topic = topic
        self._sender = sender
        self.at_unix_ms = at_unix_ms
        self.deadline_unix_ms = deadline_unix_ms
        self._reply = reply
        self._caller = caller
        self._signs = signs

    @property
    def sender(self) -> str | None:
        """The agent whose key signed it, as the registry knew the key when it came; None when nobody signed it.

        The signature is checked where this is first read: that costs more than all else about a message.
        """
        if callable(self._sender):
            self._sender = self._sender()
        return self._sender

    @property
    def wants_reply(self) -> bool:
        """Whether the sender waits for an answer that may be given."""
        return self._reply is not None and self._caller is not None and subjects.may_reply_to(self._reply)

    async def _answer(self, raw: bytes, headers: dict[str, str]) -> None:
        if self._caller is not None and self._reply is not None and self.wants_reply:
            await self._caller.link.publish(self._reply, raw, headers)

    async def reply(self, body: Any) -> None:
        """Answer. Does nothing when no answer is waited for.

        What goes back goes to a reply inbox only: a reply subject that is one of the contract's own would be a way to
        have this agent write what it never meant to write.
        """
        raw, kind = encode_any(body)
        if self._signs and self._caller is not None and self._reply is not None:
            await self._answer(raw, self._caller.headers(self._reply, raw, kind))
        else:
            await self._answer(raw, headers_of(kind))

    async def end(self) -> None:
        """Say that no more answers come."""
        await self._answer(b"", {})

    async def refuse(self, error: wire.ErrorReply) -> None:
        """Answer with an error."""
        headers = headers_of(error.TYPE) | {header.ERROR_CODE: str(error.code), header.ERROR: error.message}
        await self._answer(encode(error), headers)

    def __repr__(self) -> str:
        where = f"on {self.topic}" if self.topic else "in the inbox"
        return f"<Message {where} from {self.sender or 'someone'}: {self.body!r}>"


def encode_any(body: Any) -> tuple[bytes, str]:
    """A body and its type, empty for what has none. Raises `TypeError` for what MessagePack cannot say."""
    if isinstance(body, wire.Message):
        return encode(body), body.TYPE
    if isinstance(body, bytes | bytearray):
        return bytes(body), ""
    tag = body.__struct_config__.tag if isinstance(body, msgspec.Struct) else None
    return msgspec.msgpack.encode(body), str(tag) if tag is not None else ""


@overload
def decode_any(raw: bytes, of: None) -> Any: ...
@overload
def decode_any(raw: bytes, of: type[T]) -> T: ...
def decode_any(raw: bytes, of: type[T] | None) -> T | Any:
    """What a body says: as type `of`; without one as the contract's own type, else as plain values.

    Raises `BadWire` for bytes that are no bounded MessagePack, or not of that type. An empty body is None.
    """
    if isinstance(of, type) and issubclass(of, wire.Message):
        return decode(raw, of)
    if not raw and of is None:
        return None
    if len(raw) > MAX_BODY_BYTES:
        raise BadWire("", f"the body has {len(raw)} bytes; at most {MAX_BODY_BYTES} are read")
    if (quick := _decode_closed(raw, of)) is not None:
        return quick
    try:
        kind = scan(raw, contract=False)
    except BadWire as error:
        if raw[:1] in (b"{", b"["):  # what a body in MessagePack is least likely to begin with, a lone number
            raise BadWire("", f"{error.reason}: it looks like JSON, and bodies are MessagePack") from error
        raise
    try:
        if of is not None:
            return msgspec.msgpack.decode(raw, type=of)
        known = _KINDS.get(kind or "")
        return decode(raw, known) if known else msgspec.msgpack.decode(raw)
    except msgspec.MsgspecError as error:
        raise refusal(str(error)) from error


def _decode_closed(raw: bytes, of: Any) -> Any:
    """A body of a closed type that is written as this package writes it; None for any other."""
    decoder = decoder_of_closed(of) if isinstance(of, type) and len(raw) <= MAX_ENTRIES else None
    if decoder is None:
        return None
    try:
        body = decoder.decode(raw)
        return body if msgspec.msgpack.encode(body) == raw else None
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
