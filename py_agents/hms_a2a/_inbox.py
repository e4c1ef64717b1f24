"""An agent's durable inbox: everything once, in order, nothing left out.

The broker republishes each entry as it is stored, with its sequence and that of the entry before. So the live copy is
enough for as long as each entry names the one that was seen last; where it does not (a broken connection, a process
that was away), what lies between is read from the registry. Subscribing comes first and reading second, so that
nothing falls in between.

An entry counts as done when the work that it caused has ended. What was not done when the agent left, or died, comes
again: *at least once* across restarts, exactly once within one. The low-water mark is kept in a file where there is a
folder for it; without one, the inbox is read from its beginning.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
from collections import deque
from typing import TYPE_CHECKING

import msgspec

from hms_a2a import _headers as header
from hms_a2a import _subjects as subjects
from hms_a2a import _tracing as tracing
from hms_a2a import _wire as wire
from hms_a2a._crew import ended
from hms_a2a._errors import HmsError
from hms_a2a._limits import MAX_INBOX_PAGE

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from hms_a2a._bus import Caller
    from hms_a2a._client import Incoming
    from hms_a2a._link import Tap

_log = logging.getLogger("hms_a2a")

_SAVE_AFTER_S = 0.2
#: How many live entries wait here; more wait in the connection, and what is lost there is read again.
_WAITING = 1024
_PAUSE_S = 1.0


class Cursor:
    """How far an inbox was read, and how far it was worked off."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._under_way: deque[int] = deque()
        self._ended: set[int] = set()
        self._saved = self._load()
        #: The last entry that was taken up.
        self.seen = self._saved
        #: Everything up to this entry is done.
        self.done_through = self._saved

    def take(self, sequence: int) -> None:
        """The next entry is taken up."""
        self.seen = sequence
        self._under_way.append(sequence)

    def done(self, sequence: int) -> None:
        """An entry that was taken up is done."""
        self._ended.add(sequence)
        while self._under_way and self._under_way[0] in self._ended:
            self.done_through = self._under_way.popleft()
            self._ended.discard(self.done_through)

    def restart(self) -> None:
        """Begin at the beginning."""
        self._under_way.clear()
        self._ended.clear()
        self.seen = self.done_through = 0

    def save(self) -> None:
        """Keep how far it was worked off, if there is a place for that."""
        if self._path is None or self._saved == self.done_through:
            return
        try:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            draft = self._path.with_suffix(".new")
            draft.write_bytes(msgspec.json.encode(_Kept(self.done_through)))
            os.replace(draft, self._path)
        except OSError as error:
            _log.warning("cannot keep how far the inbox was read: %s", error)
            return
        self._saved = self.done_through

    def _load(self) -> int:
        if self._path is None:
            return 0
        try:
            return msgspec.json.decode(self._path.read_bytes(), type=_Kept).inbox_sequence
        except FileNotFoundError:
            return 0
        except (OSError, msgspec.MsgspecError) as error:
            _log.warning("%s cannot be read, so the inbox is read from its beginning: %s", self._path, error)
            return 0


class _Kept(msgspec.Struct):
    inbox_sequence: int


class Inbox:
    """Hands an agent's entries over in order."""

    def __init__(
        self,
        caller: Caller,
        agent: str,
        cursor: Cursor,
        deliver: Callable[[bytes], Awaitable[asyncio.Task[None] | None]],
    ) -> None:
        """Entries go to `deliver`; the task that it returns ends when the entry is done. Without one it is not done."""
        self._caller = caller
        self._agent = agent
        self._cursor = cursor
        self._deliver = deliver
        self._live: asyncio.Queue[Incoming | None] = asyncio.Queue(_WAITING)
        self._is_behind = False
        self._tap: Tap | None = None
        self._pump: asyncio.Task[None] | None = None
        self._saving: asyncio.TimerHandle | None = None

    async def listen(self) -> None:
        """Subscribe to the live copy; nothing is handed over yet."""
        self._tap = await self._caller.link.tap(subjects.live_inbox(self._agent), self._live.put)

    def start(self, last_sequence: int) -> None:
        """Hand over, beginning after what was done before; the registry names the last entry that there is."""
        if last_sequence < self._cursor.seen:
            _log.warning("%s: the inbox is shorter than it was, so it is another; reading it all", self._agent)
            self._cursor.restart()
        self._is_behind = last_sequence > self._cursor.seen
        self._pump = asyncio.ensure_future(self._run())

    def catch_up(self) -> None:
        """Look whether something was missed, after a connection came back."""
        self._is_behind = True
        with contextlib.suppress(asyncio.QueueFull):  # whatever is next wakes the pump as well
            self._live.put_nowait(None)

    async def stop(self) -> None:
        """Take up nothing more."""
        if self._tap is not None:
            await self._tap.stop()
        if self._pump is not None:
            await ended(self._pump)

    def close(self) -> None:
        """Keep how far it was worked off."""
        if self._saving is not None:
            self._saving.cancel()
            self._saving = None
        self._cursor.save()

    async def _run(self) -> None:
        while True:
            if self._is_behind:
                self._is_behind = False
                await self._read_stored()
            entry = await self._live.get()
            if entry is None:
                continue
            sequence, before = _sequences(entry)
            if sequence <= self._cursor.seen:
                continue
            if before != self._cursor.seen:
                await self._read_stored()
            if sequence > self._cursor.seen:
                # Of the trace of what it tells of, where the live copy says so: what is stored is handed over without.
                with tracing.caused_by(entry.headers.get(header.TRACEPARENT)):
                    await self._take(sequence, entry.body)

    async def _read_stored(self) -> None:
        """Read what is stored and was not seen; as often as it takes."""
        subject = subjects.endpoint("registry", "inbox")
        more = True
        while more:
            ask = wire.ReadInbox(agent=self._agent, after_sequence=self._cursor.seen, limit=MAX_INBOX_PAGE)
            try:
                page = await self._caller.insist(subject, ask, wire.InboxPage, patience_s=None)
            except HmsError as error:
                _log.warning("%s: the inbox cannot be read: %s; trying again", self._agent, error)
                await asyncio.sleep(_PAUSE_S)
                continue
            for entry in page.entries:
                if entry.sequence > self._cursor.seen:
                    await self._take(entry.sequence, entry.body)
            more = page.more and bool(page.entries)

    async def _take(self, sequence: int, body: bytes) -> None:
        self._cursor.take(sequence)
        task = await self._deliver(body)
        if task is not None:
            task.add_done_callback(lambda task: self._done(task, sequence))

    def _done(self, task: asyncio.Task[None], sequence: int) -> None:
        if task.cancelled():
            return
        self._cursor.done(sequence)
        if self._saving is None:
            with contextlib.suppress(RuntimeError):  # the loop is closing: `close` saves
                self._saving = asyncio.get_running_loop().call_later(_SAVE_AFTER_S, self.close)


def _sequences(entry: Incoming) -> tuple[int, int]:
    """The entry's own sequence and that of the one before; 0 for what a header does not say."""
    own, before = (entry.headers.get(name, "") for name in (header.SEQUENCE, header.LAST_SEQUENCE))
    return int(own) if own.isdigit() else 0, int(before) if before.isdigit() else 0
