"""Who signed: the key history, folded from the log, and every signature checked against it."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from typing import TYPE_CHECKING, TypeVar

from hms_a2a import _headers as header
from hms_a2a import _subjects as subjects
from hms_a2a import _wire as wire
from hms_a2a._codec import decode
from hms_a2a._errors import BadWire
from hms_a2a._signing import Sender, signed_by

if TYPE_CHECKING:
    from .logs import Stored

_REGISTRY = "registry"
_M = TypeVar("_M", bound=wire.Message)


class Broken(Exception):
    """An entry is not what it claims to be; the message says what is wrong with it."""


class Keyring:
    """Each agent's keys, oldest first."""

    def __init__(self) -> None:
        self._keys: dict[str, list[str]] = defaultdict(list)
        self._heads: dict[str, bytes] = {}

    def add(self, stored: Stored) -> None:
        """The next entry of the key log. Raises `Broken`; the ring is then as before."""
        sender = writer_of(stored, wire.KeyEvent.TYPE)
        event = read(stored.body, wire.KeyEvent)
        keys = self._keys[event.agent]
        if stored.subject != subjects.key_log(event.agent):
            raise Broken("a key on another agent's subject")
        if event.turn != len(keys) or event.prev != self._heads.get(event.agent, bytes(32)):
            raise Broken("a key that does not follow the one before")
        if event.cause is None:
            if sender.name != event.agent or sender.user != (keys[-1] if keys else event.key):
                raise Broken("a key that neither itself nor the one before signed for")
        else:
            self.check(sender, _REGISTRY)
            asked = signature_of(event.cause)
            register = read(event.cause.body, wire.Register)
            if (register.agent, register.key) != (event.agent, event.key):
                raise Broken("another key than was asked for")
            if asked.user != (keys[-1] if keys else event.key) or asked.name != event.agent:
                raise Broken("a key that neither itself nor the one before asked for")
        keys.append(event.key)
        self._heads[event.agent] = hashlib.sha256(stored.body).digest()

    def holds(self, agent: str, key: str) -> bool:
        """Whether this is, or was, the agent's key."""
        return key in self._keys.get(agent, [])

    def check(self, sender: Sender, agent: str) -> None:
        """Raises `Broken` unless this agent signed."""
        if sender.name != agent or not self.holds(agent, sender.user):
            raise Broken(f"signed by {sender.name} with {sender.user}, which is no key of {agent}")


def writer_of(stored: Stored, kind: str) -> Sender:
    """Whose signature an entry bears; its other headers are what its writer writes. Raises `Broken`."""
    expected = {header.CONTENT_TYPE: header.MSGPACK, header.TYPE: kind, header.SCHEMA: header.SCHEMA_VERSION}
    for name, value in expected.items():
        if stored.headers.get(name) != value:
            raise Broken(f"the header {name} is {stored.headers.get(name)!r}")
    sender = signed_by(stored.headers.get(header.SENDER), stored.subject, stored.body)
    if sender is None:
        raise Broken("its signature does not hold")
    return sender


def signature_of(signed: wire.Signed) -> Sender:
    """Whose signature a move bears. Raises `Broken`."""
    sender = signed_by(signed.sender, signed.subject, signed.body)
    if sender is None:
        raise Broken(f"the signature of {signed.subject} does not hold")
    return sender


def read(body: bytes, kind: type[_M]) -> _M:
    """Read a body. Raises `Broken`."""
    try:
        return decode(body, kind)
    except BadWire as error:
        raise Broken(f"it cannot be read: {error}") from error
