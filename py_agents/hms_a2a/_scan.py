"""The first look at bytes from outside: is this one well-formed, bounded MessagePack value?

Libraries differ in what they let pass: msgspec takes duplicate keys and a depth of a thousand, others trailing bytes. A
signature covers bytes, so two readers must never see two things in them. This pass runs before any decoder, believes no
length before it has seen the bytes, and names the place where a body goes wrong. The crate `schemas` does the same, and
both run the same vectors.

It is one loop over the bytes with a stack of open maps and arrays. The place of a fault is read from the stack, so a
good body pays nothing for it.
"""

from __future__ import annotations

from hms_a2a._errors import BadWire
from hms_a2a._limits import MAX_DEPTH, MAX_ENTRIES

TRUNCATED = "the body ends inside a value"
TRAILING = "bytes follow the body"
TOO_DEEP = f"deeper than {MAX_DEPTH} levels"
TOO_MANY = f"more than {MAX_ENTRIES} entries in one map or array"
KEY_NOT_TEXT = "a key must be a string"
DUPLICATE_KEY = "this key stands twice"
NOT_UTF8 = "a string must be UTF-8"
NIL = "nil is no value here: leave an absent field out"
FLOAT32 = "32-bit floats are refused"
EXTENSION = "extension types and reserved bytes are refused"
NOT_A_MAP = "a body must be a map"

#: What the first byte of a value says: the value's size, first byte included, where it alone says it; else 0.
_SIZE = bytearray(256)
_SIZE[0x00:0x80] = b"\x01" * 128  # positive fixint
_SIZE[0xE0:0x100] = b"\x01" * 32  # negative fixint
_SIZE[0xC2] = _SIZE[0xC3] = 1  # false, true
_SIZE[0xCB] = 9  # float 64
_SIZE[0xCC] = _SIZE[0xD0] = 2  # 8-bit integers
_SIZE[0xCD] = _SIZE[0xD1] = 3
_SIZE[0xCE] = _SIZE[0xD2] = 5
_SIZE[0xCF] = _SIZE[0xD3] = 9

#: The bytes of the length that follows the first byte of a string, a byte string, an array, a map.
_TEXT = {0xD9: 1, 0xDA: 2, 0xDB: 4}
_BYTES = {0xC4: 1, 0xC5: 2, 0xC6: 4}
_ARRAY = {0xDC: 2, 0xDD: 4}
_MAP = {0xDE: 2, 0xDF: 4}

#: An open map or array: entries still to come, the keys so far (None for an array), and the place in it.
_Frame = tuple[int, "set[bytes] | None", "bytes | int"]


def scan(body: bytes, *, contract: bool = True) -> str | None:
    """Check a body, and tell the string that stands under its root's `type`, if one does.

    A body of the contract is a map without nil and 32-bit floats; with `contract=False` any MessagePack with string
    keys passes: what agents say on topics. Raises `BadWire` with the first fault in the order of the bytes.
    """
    size = len(body)
    kind: str | None = None
    stack: list[_Frame] = []
    left = 1
    keys: set[bytes] | None = None
    place: bytes | int = -1
    reason = TRUNCATED
    in_value = False
    at = 0
    if contract and size and not (0x80 <= body[0] <= 0x8F or body[0] in _MAP):
        raise BadWire("", NOT_A_MAP)
    try:
        while True:
            while not left:
                if len(stack) <= 1:
                    if at == size:
                        return kind
                    raise BadWire("", TRAILING)
                left, keys, place = stack.pop()
            left -= 1
            # A key, in a map.
            in_value = False
            if keys is not None:
                first = body[at]
                if 0xA0 <= first <= 0xBF:
                    start = at + 1
                    at = start + (first & 0x1F)
                elif first in _TEXT:
                    start = at + 1 + _TEXT[first]
                    at = start + _length(body, at + 1, start)
                else:
                    reason = KEY_NOT_TEXT
                    break
                if at > size:
                    break
                place = body[start:at]
                if not place.isascii() and not _is_utf8(place):
                    reason = NOT_UTF8
                    break
                if place in keys:
                    reason = DUPLICATE_KEY
                    in_value = True
                    break
                keys.add(place)
            elif stack:
                place += 1  # type: ignore[operator] # an array's place is a number
            # A value.
            in_value = True
            first = body[at]
            step = _SIZE[first]
            if step:
                at += step
                if at > size:
                    break
                continue
            if 0xA0 <= first <= 0xBF or first in _TEXT:
                start = at + 1
                if first <= 0xBF:
                    at = start + (first & 0x1F)
                else:
                    start += _TEXT[first]
                    at = start + _length(body, at + 1, start)
                if at > size:
                    break
                text = body[start:at]
                if not text.isascii() and not _is_utf8(text):
                    reason = NOT_UTF8
                    break
                if place == b"type" and len(stack) == 1 and keys is not None:
                    kind = text.decode()
                continue
            if first <= 0x8F or first in _MAP:
                start = at + 1
                if first <= 0x8F:
                    count = first & 0x0F
                else:
                    start += _MAP[first]
                    count = _length(body, at + 1, start)
                opened: set[bytes] | None = set()
                need = 2 * count
            elif first <= 0x9F or first in _ARRAY:
                start = at + 1
                if first <= 0x9F:
                    count = first & 0x0F
                else:
                    start += _ARRAY[first]
                    count = _length(body, at + 1, start)
                opened = None
                need = count
            elif first in _BYTES:
                start = at + 1 + _BYTES[first]
                at = start + _length(body, at + 1, start)
                if at > size:
                    break
                continue
            elif first == 0xC0:
                if contract:
                    reason = NIL
                    break
                at += 1
                continue
            elif first == 0xCA:
                if contract:
                    reason = FLOAT32
                    break
                at += 5
                if at > size:
                    break
                continue
            else:
                reason = EXTENSION
                break
            # A map or an array opens.
            if len(stack) >= MAX_DEPTH:
                reason = TOO_DEEP
                break
            if count > MAX_ENTRIES:
                reason = TOO_MANY
                break
            at = start
            if need > size - at:
                break
            stack.append((left, keys, place))
            left, keys, place = count, opened, -1
    except IndexError:
        pass
    stack.append((left, keys, place))
    raise BadWire(_field(stack, in_value), reason)


def _length(body: bytes, at: int, end: int) -> int:
    if end > len(body):
        raise IndexError
    return int.from_bytes(body[at:end], "big")


def _is_utf8(text: bytes) -> bool:
    try:
        text.decode()
    except UnicodeDecodeError:
        return False
    return True


def _field(stack: list[_Frame], in_value: bool) -> str:
    """The place of a fault as a dotted path; of a fault in a key, the map's."""
    path = ""
    for _, _, place in stack[1:] if in_value else stack[1:-1]:
        if isinstance(place, int):
            path += f"[{place}]"
        else:
            key = place.decode()[:64]
            path += f".{key}" if path else key
    return path
