"""What agents asked, and what they were told: the evidence on their side.

One JSON object a line, written before the first attempt and after the last, so that an agent that is killed leaves an
asked call without an outcome: *unknown*, like a time-out.
"""

from __future__ import annotations

import enum
import hashlib
import json
import time
from typing import TYPE_CHECKING, Any, NamedTuple, TextIO

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path


class Outcome(enum.StrEnum):
    """What an agent knows of a call."""

    ACKNOWLEDGED = "acknowledged"
    """It was told that the move is recorded."""
    REFUSED = "refused"
    """It was told that it is not."""
    UNKNOWN = "unknown"
    """Nobody told it anything."""


class Call(msgspec.Struct, kw_only=True):
    """One move, however often it was asked for."""

    agent: str
    subject: str
    move_id: str
    body: bytes
    asked_unix_ms: int
    deadline_unix_ms: int
    outcome: Outcome = Outcome.UNKNOWN
    #: Attempts of which nobody knows what became of them.
    unknown_attempts: int = 0
    #: Of a refusal.
    code: int = 0
    rule: str = ""
    #: Of an acknowledgement by the desk.
    state: str = ""
    turn: int = -1

    @property
    def body_hash(self) -> bytes:
        """SHA-256 of the exact body."""
        return hashlib.sha256(self.body).digest()

    @property
    def key(self) -> CallKey:
        """What makes it one move: who, what and to whom. A `move_id` is the mover's own, in one deal or book."""
        return CallKey(self.agent, self.subject, self.move_id)


class CallKey(NamedTuple):
    """Which move."""

    agent: str
    subject: str
    move_id: str


def now_unix_ms() -> int:
    """This machine's time."""
    return time.time_ns() // 1_000_000


class Journal:
    """Writes a history. A line is handed to the operating system before anything else is done."""

    def __init__(self, file: Path) -> None:
        self._file: TextIO = file.open("a", buffering=1)

    def asked(self, call: Call) -> None:
        """About to be asked for the first time."""
        self._line("asked", call)

    def done(self, call: Call) -> None:
        """Not asked for any more."""
        self._line("done", call)

    def note(self, what: str, **more: object) -> None:
        """Anything else that a reader may want to know."""
        self._file.write(json.dumps({"what": what, "at_unix_ms": now_unix_ms(), **more}) + "\n")

    def close(self) -> None:
        """Write no more."""
        self._file.close()

    def _line(self, what: str, call: Call) -> None:
        self.note(what, call=msgspec.to_builtins(call) | {"body": call.body.hex()})


def read_history(files: Iterable[Path]) -> list[Call]:
    """Every call of some agents, with the best that they knew of it."""
    calls: dict[CallKey, Call] = {}
    for file in files:
        for line in file.read_text().splitlines():
            try:
                said: dict[str, Any] = json.loads(line)
            except json.JSONDecodeError:
                continue  # the last line of an agent that was killed in it
            if said["what"] in ("asked", "done"):
                raw = said["call"]
                call = msgspec.convert(raw | {"body": bytes.fromhex(raw["body"])}, Call)
                known = calls.get(call.key)
                if known is None or known.outcome is Outcome.UNKNOWN:
                    calls[call.key] = call
    return list(calls.values())
