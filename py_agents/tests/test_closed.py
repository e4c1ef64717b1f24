"""Types whose bodies need no first look: what is read of them is what is read after one."""

from __future__ import annotations

import dataclasses
from datetime import datetime
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hms_a2a import BadWire, _message
from hms_a2a._closed import decoder_of_closed
from hms_a2a._message import decode_any


class Leaf(msgspec.Struct, tag="leaf"):
    """One of two."""

    weight: float
    names: dict[str, list[str | None]] = {}


@dataclasses.dataclass
class Branch:
    """Some of them."""

    leaves: list[Leaf]
    pair: tuple[int, bytes]
    more: tuple[bool, ...] = ()


class Endless(msgspec.Struct):
    """As deep as one likes."""

    inner: Endless | None = None


class Numbered(msgspec.Struct):
    """Keys that are no text."""

    names: dict[int, str]


class When(msgspec.Struct):
    """Times, which MessagePack has an extension for."""

    at: datetime


class Whatever(msgspec.Struct):
    """Anything."""

    what: Any


class Set(msgspec.Struct):
    """In no order."""

    names: set[str]


def test_what_is_closed_and_what_is_not() -> None:
    for closed in (Leaf, Branch, int, str):
        assert decoder_of_closed(closed) is not None
    for kind in (Endless, Numbered, When, Whatever, Set, object, datetime):
        assert decoder_of_closed(kind) is None


def slowly(raw: bytes, of: type[Any]) -> object:
    """What is read after a first look."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_message, "_decode_closed", lambda raw, of: None)
        return read(raw, of)


def read(raw: bytes, of: type[Any]) -> object:
    """What is read, or why it is not."""
    try:
        return decode_any(raw, of)
    except BadWire as error:
        return error.field, error.reason


LEAVES = st.builds(
    Leaf, st.floats(allow_nan=False), st.dictionaries(st.text(max_size=3), st.lists(st.none() | st.text(max_size=3)))
)
BRANCHES = st.builds(
    Branch,
    st.lists(LEAVES, max_size=3),
    st.tuples(st.integers(-(2**63), 2**63 - 1), st.binary(max_size=5)),
    st.lists(st.booleans(), max_size=3).map(tuple),
)


@given(BRANCHES, st.lists(st.tuples(st.integers(0, 200), st.integers(0, 255)), max_size=2), st.binary(max_size=1))
def test_a_closed_body_is_read_as_any_is(branch: Branch, changes: list[tuple[int, int]], tail: bytes) -> None:
    raw = bytearray(msgspec.msgpack.encode(branch) + tail)
    for at, byte in changes:
        raw[at % len(raw)] = byte
    assert read(bytes(raw), Branch) == slowly(bytes(raw), Branch)


@pytest.mark.parametrize(
    "raw",
    [
        b"\x83\xa4type\xa4leaf\xa6weight\x01\xa6weight\x02",  # twice the same key
        b"\x82\xa4type\xa4leaf\xa6weight\xca\x3f\x80\x00\x00",  # a float of 32 bits
        b"\x83\xa4type\xa4leaf\xa6weight\x01\xa4more\xd4\x01\x00",  # an extension where nothing is known
        b"\x83\xa4type\xa4leaf\xa6weight\x01\x05\x06",  # a key that is no text
        b"\x82\xa4type\xa4leaf\xa6weight\x01\x00",  # something behind it
        b"",
    ],
)
def test_a_body_that_needs_a_look_gets_one(raw: bytes) -> None:
    assert read(raw, Leaf) == slowly(raw, Leaf)
