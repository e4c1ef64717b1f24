"""Types of an author's own whose bodies need no first look: what is read as one and written again is the same bytes.

Such a body has no key twice and nothing behind it. A type is *closed* where that leaves nothing else to look for: its
keys are text, it is only so deep, and nothing in it may be an extension. `scan`, which looks at any bytes, takes
several times as long.
"""

from __future__ import annotations

from functools import cache

import msgspec
from msgspec import inspect

from hms_a2a._limits import MAX_DEPTH

_FLAT = (
    inspect.BoolType,
    inspect.BytesType,
    inspect.DecimalType,
    inspect.EnumType,
    inspect.FloatType,
    inspect.IntType,
    inspect.LiteralType,
    inspect.NoneType,
    inspect.StrType,
    inspect.UUIDType,
)


@cache
def decoder_of_closed(kind: type) -> msgspec.msgpack.Decoder[object] | None:
    """What reads a closed type; None for a type that is not."""
    try:
        levels = _levels(inspect.type_info(kind), ())
    except TypeError:
        return None  # nothing that msgspec reads
    return msgspec.msgpack.Decoder(kind) if levels <= MAX_DEPTH else None


def _levels(kind: inspect.Type, above: tuple[inspect.Type, ...]) -> int:
    """How deep it can be; more than may be where it can be anything."""
    if isinstance(kind, _FLAT):
        return 0
    if isinstance(kind, inspect.UnionType):
        return max(_levels(one, above) for one in kind.types)
    inner: list[inspect.Type]
    if isinstance(kind, inspect.StructType | inspect.DataclassType) and not any(kind is one for one in above):
        inner = [field.type for field in kind.fields]
    elif isinstance(kind, inspect.ListType | inspect.VarTupleType):
        inner = [kind.item_type]
    elif isinstance(kind, inspect.TupleType):
        inner = list(kind.item_types)
    elif isinstance(kind, inspect.DictType) and isinstance(kind.key_type, inspect.StrType):
        inner = [kind.value_type]
    else:
        return MAX_DEPTH + 1
    return 1 + max((_levels(one, (*above, kind)) for one in inner), default=0)
