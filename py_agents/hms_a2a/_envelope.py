"""What is said under the Synadia Agent Protocol for NATS 0.3: prompts, the chunks of an answer, heartbeats; all JSON.

A prompt is text, or an object with ``prompt`` and perhaps ``attachments`` where its first character is a brace. An
answer is a stream of objects with ``type`` and ``data``, ended by an empty body without headers. What is not known is
skipped, since the protocol grows that way; what is known and malformed is refused.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, TypeVar

import msgspec

from hms_a2a._errors import BadWire
from hms_a2a._limits import MAX_CLEARING_BODY_BYTES

T = TypeVar("T")

SERVICE = "agents"
VERSION = "0.3"
#: Of the endpoints, and fixed by the protocol: otherwise two instances of an agent would both answer.
GROUP = "agents"


class Attachment(msgspec.Struct, frozen=True):
    """A file that goes with a prompt or an answer."""

    filename: str
    content: bytes

    @classmethod
    def of(cls, path: str | Path) -> Attachment:
        """A file as it lies on the disk, by its name alone. Raises `OSError`."""
        return cls(Path(path).name, Path(path).read_bytes())


class Envelope(msgspec.Struct, frozen=True, omit_defaults=True):
    """A prompt, or the answer to a question."""

    prompt: str
    attachments: list[Attachment] = []


class QuestionData(msgspec.Struct, frozen=True, omit_defaults=True):
    """A question back, while an answer is under way."""

    id: str
    reply_subject: str
    prompt: str
    attachments: list[Attachment] = []


class _Response(msgspec.Struct, frozen=True, omit_defaults=True):
    text: str
    attachments: list[Attachment] = []


class _Chunk(msgspec.Struct, frozen=True):
    type: str
    data: msgspec.Raw = msgspec.Raw(b"null")


class DeclaredEndpoint(msgspec.Struct, frozen=True):
    """An endpoint, as a heartbeat tells of it."""

    subject: str
    metadata: dict[str, str] = {}


class Heartbeat(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How an agent is."""

    agent: str
    owner: str
    session: str | None = None
    instance_id: str
    ts: str
    interval_s: int
    protocol_version: str | None = None
    endpoints: dict[str, DeclaredEndpoint] | None = None


def read_prompt(raw: bytes) -> Envelope:
    """A prompt as it came. Raises `BadWire`."""
    if len(raw) > MAX_CLEARING_BODY_BYTES:
        raise BadWire("", f"the prompt has {len(raw)} bytes; at most {MAX_CLEARING_BODY_BYTES} are read")
    if raw.lstrip(b" \t\r\n").startswith(b"{"):
        envelope = _read(raw, Envelope)
    else:
        try:
            envelope = Envelope(raw.decode())
        except UnicodeDecodeError as error:
            raise BadWire("", "neither UTF-8 text nor a JSON object") from error
    if not envelope.prompt.strip():
        raise BadWire("prompt", "must not be empty")
    return envelope


def write_prompt(text: str, attachments: list[Attachment]) -> bytes:
    """A prompt as it goes. Raises `ValueError` where there is nothing in it."""
    if not text.strip():
        raise ValueError("a prompt must not be empty")
    return msgspec.json.encode(Envelope(text, attachments))


def write_answer(text: str) -> bytes:
    """The answer to a question back: plain text, unless it looks like an object."""
    looks_like_json = text.lstrip().startswith("{") or not text.strip()
    return msgspec.json.encode(Envelope(text)) if looks_like_json else text.encode()


def write_response(text: str, attachments: list[Attachment]) -> bytes:
    """A piece of an answer."""
    return _write("response", _Response(text, attachments) if attachments else text)


def write_status(token: str) -> bytes:
    """How an answer fares: ``ack`` at first, and while it takes long."""
    return _write("status", token)


def write_question(question: QuestionData) -> bytes:
    """A question back."""
    return _write("query", question)


def read_chunk(raw: bytes) -> tuple[str, list[Attachment]] | QuestionData | None:
    """A piece of an answer (text and attachments), or a question back; None for what is neither. Raises `BadWire`."""
    chunk = _read(raw, _Chunk)
    if chunk.type == "response":
        data = bytes(chunk.data)
        if data.startswith(b'"'):
            return _read(data, str), []
        said = _read(data, _Response)
        return said.text, said.attachments
    if chunk.type == "query":
        return _read(bytes(chunk.data), QuestionData)
    return None


def size_in_words(size_bytes: int) -> str:
    """A size as metadata has it: ``8MB``."""
    for unit, one in (("GB", 2**30), ("MB", 2**20), ("KB", 2**10)):
        if size_bytes >= one and size_bytes % one == 0:
            return f"{size_bytes // one}{unit}"
    return f"{size_bytes}B"


def read_size(words: str) -> int | None:
    """What such words say, in bytes; None for what is no size."""
    units = {"GB": 2**30, "MB": 2**20, "KB": 2**10, "B": 1}
    for unit, one in units.items():
        number = words.upper().removesuffix(unit)
        if number != words.upper() and number.isascii() and number.isdigit() and len(number) < 16:
            return int(number) * one
    return None


def _write(kind: str, data: Any) -> bytes:
    return msgspec.json.encode({"type": kind, "data": data})


def _read(raw: bytes, kind: type[T]) -> T:
    try:
        return msgspec.json.decode(raw, type=kind)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise BadWire("", str(error)) from error
