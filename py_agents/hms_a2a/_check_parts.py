"""Rules that several messages share."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from hms_a2a._errors import BadWire
from hms_a2a._limits import MAX_GOODS, MAX_TEXT_BYTES

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


def unique(names: Iterable[str], field: str) -> None:
    """Refuses more than `MAX_GOODS` names, and a name that stands twice."""
    seen = set()
    for index, name in enumerate(names):
        if index >= MAX_GOODS:
            raise BadWire(field, f"at most {MAX_GOODS} entries")
        if name in seen:
            raise BadWire(f"{field}[{index}]", f"{name} stands twice")
        seen.add(name)


def text(said: str, field: str) -> None:
    """Refuses texts of more than `MAX_TEXT_BYTES`."""
    if len(said) * 4 > MAX_TEXT_BYTES and len(said.encode()) > MAX_TEXT_BYTES:
        raise BadWire(field, f"at most {MAX_TEXT_BYTES} bytes")


@contextmanager
def under(prefix: str) -> Iterator[None]:
    """Puts a refusal's field under another."""
    try:
        yield
    except BadWire as error:
        raise BadWire(prefix + error.field, error.reason) from None
