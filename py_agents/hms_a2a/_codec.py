"""The codec: MessagePack maps with string keys, written one way, read strictly.

Reading is bounded in size and depth, wants the whole buffer, and refuses duplicate keys, nil, and every field that
breaks its rule, with the field's path and the reason. Writing refuses the same, so that a mistake is told where it is
made and not by a core.
"""

from __future__ import annotations

from fractions import Fraction
from functools import cache
from typing import Any, TypeVar

import msgspec

from hms_a2a import _wire as wire
from hms_a2a._check import check
from hms_a2a._errors import BadWire
from hms_a2a._limits import MAX_BODY_BYTES
from hms_a2a._rational import Ratio, read_ratio, read_rational, write_ratio, write_rational
from hms_a2a._scan import scan

__all__ = ["MAX_BODY_BYTES", "decode", "decode_any", "decode_written", "encode", "scan", "to_json", "type_of"]

M = TypeVar("M", bound=wire.Message)

_KINDS: dict[str, type[wire.Message]] = {kind.TYPE: kind for kind in wire.MESSAGES}


def encode(message: wire.Message) -> bytes:
    """Write a message. Raises `BadWire` where a field breaks its rule."""
    try:
        body = _shortest(_encoder.encode(message))
    except (TypeError, ValueError, OverflowError) as error:
        raise BadWire("", str(error)) from error
    _read(body, type(message))
    return body


def _shortest(body: bytes) -> bytes:
    """The same with the shortest head: msgspec sizes that of a type with 16 fields or more before it leaves any out."""
    wide, fields = body[:1] == b"\xde", int.from_bytes(body[1:3])
    return bytes([0x80 | fields]) + body[3:] if wide and fields < 16 else body


def decode(body: bytes, kind: type[M], limit_bytes: int = MAX_BODY_BYTES) -> M:
    """Read a message of one type. Raises `BadWire`."""
    got = type_of(body, limit_bytes)
    if got != kind.TYPE:
        raise BadWire("type", f"not understood: expected type {kind.TYPE!r}, got {got!r}")
    return _read(body, kind)


def decode_written(body: bytes, kind: type[M], limit_bytes: int = MAX_BODY_BYTES) -> M:
    """Read a message that is written as `encode` writes it, so that it has one form and one hash. Raises `BadWire`.

    Such a body needs no first look: what is read from it and written again is the same bytes.
    """
    if len(body) <= limit_bytes:
        try:
            message = _read(body, kind)
            if _shortest(_encoder.encode(message)) == body:
                return message
        except (BadWire, ValueError, RecursionError):
            pass
    decode(body, kind, limit_bytes)
    raise BadWire("", "is not written as the contract writes it")


def decode_any(body: bytes, limit_bytes: int = MAX_BODY_BYTES) -> wire.Message:
    """Read a message of whatever type of the contract. Raises `BadWire`, for an unknown type too."""
    got = type_of(body, limit_bytes)
    kind = _KINDS.get(got)
    if kind is None:
        raise BadWire("type", f"not understood: no type of the contract is {got!r}")
    return _read(body, kind)


def type_of(body: bytes, limit_bytes: int = MAX_BODY_BYTES) -> str:
    """The `type` of a body of the contract, empty when it has none. Raises `BadWire` for what is no such body."""
    if len(body) > limit_bytes:
        raise BadWire("", f"the body has {len(body)} bytes; at most {limit_bytes} are read")
    return scan(body) or ""


def to_json(message: wire.Message) -> dict[str, Any]:
    """A message as the JSON that the JSON Schemas describe: byte strings in lowercase hexadecimal."""
    shown: dict[str, Any] = _shown(msgspec.to_builtins(message, builtin_types=(bytes,), enc_hook=_write_hook))
    return shown


def _shown(value: Any) -> Any:
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, dict):
        return {key: _shown(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_shown(inner) for inner in value]
    return value


def _read(body: bytes, kind: type[M]) -> M:
    try:
        message: M = _decoder(kind).decode(body)
    except msgspec.ValidationError as error:
        raise refusal(str(error)) from error
    except msgspec.MsgspecError as error:
        raise BadWire("", str(error)) from error
    check(message)
    return message


def refusal(text: str) -> BadWire:
    """What msgspec says, with the field apart: ``Object missing required field `to` - at `$.transfers[0]` ``."""
    reason, _, path = text.rpartition(" - at `$")
    if not reason:
        reason, path = text, ""
    field = path.removesuffix("`").removeprefix(".")
    _, _, missing = reason.partition("missing required field `")
    if missing:
        field = f"{field}.{missing.removesuffix('`')}".removeprefix(".")
    return BadWire(field, reason)


def _write_hook(value: Any) -> Any:
    if isinstance(value, Ratio):
        return write_ratio(value)
    if isinstance(value, Fraction):
        return write_rational(value)
    raise NotImplementedError(f"no type of the contract: {type(value).__name__}")


def _read_hook(kind: type, value: Any) -> Any:
    if kind is Ratio:
        return read_ratio(value)
    if kind is Fraction:
        return read_rational(value)
    raise NotImplementedError(f"no type of the contract: {kind.__name__}")


_encoder = msgspec.msgpack.Encoder(enc_hook=_write_hook)


@cache
def _decoder(kind: type[M]) -> msgspec.msgpack.Decoder[M]:
    return msgspec.msgpack.Decoder(kind, dec_hook=_read_hook)
