"""A negotiation as one of its parties holds it, over the bus.

Words are plain messages from party to party, on ``hms.v1.talk.<addressee>.<deal>``. Whatever is lost on its way comes
again: a party that has heard nothing for a while says its last word once more, which whoever has it refuses as a
duplicate. The desk hears of the end: what was agreed, and the transcript's head, which all who agree sign.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

from hms_a2a import _subjects as subjects
from hms_a2a import _wire as wire
from hms_a2a._bus import headers_of
from hms_a2a._codec import encode
from hms_a2a._errors import BadWire, BusError, Conflict, ErrorReply, NoTerms
from hms_a2a._outcome_terms import terms_of
from hms_a2a._profiles import ENDS
from hms_a2a._trading import awaited

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Sequence

    from hms_a2a._alternating import Word
    from hms_a2a._bus import Caller
    from hms_a2a._deal import Deal
    from hms_a2a._utility import Outcome

_log = logging.getLogger("hms_a2a")

#: How long nothing may be heard until the last word is said again, in milliseconds.
STUCK_MS = 3_000


class Negotiation(ABC):
    """A negotiation that this agent takes part in.

    ``await negotiation.agreed()`` is what it came to; `deal` is the deal that it is about, which commits once all who
    agree have signed: ``await negotiation.deal.ended()``.
    """

    def __init__(self, table: Table, deal: Deal, expires_unix_ms: int) -> None:
        self._table = table
        self._words: list[bytes] = []
        self._said: tuple[Word, bytes, Sequence[str]] | None = None
        self._saying = asyncio.Lock()
        self._is_signed = False
        self._result: asyncio.Future[Outcome | None] = asyncio.get_running_loop().create_future()
        #: The deal.
        self.deal = deal
        #: When the deal lapses without agreement, in Unix milliseconds.
        self.expires_unix_ms = expires_unix_ms
        self.heard_unix_ms = table.now_unix_ms()

    @property
    def id(self) -> str:
        """The deal's id."""
        return self.deal.id

    @property
    @abstractmethod
    def domain(self) -> wire.Domain:
        """What is negotiated."""

    @property
    def words(self) -> list[bytes]:
        """Every word so far, in its exact bytes: as hexadecimal lines ``hms deal transcript`` reads them."""
        return list(self._words)

    @property
    @abstractmethod
    def transcript(self) -> wire.Transcript | None:
        """What was said, in short."""

    @property
    def has_ended(self) -> bool:
        """Whether all has been said that was to be said; not so where the deal ended before, or lapsed."""
        return self.transcript is not None

    async def agreed(self) -> Outcome | None:
        """Wait until the talk is over; the outcome that this agent has agreed to, None where there is none."""
        return await asyncio.shield(self._result)

    def __repr__(self) -> str:
        state = "under way" if not self._result.done() else f"came to {self._result.result()}"
        return f"<{type(self).__name__} {self.id} {state}>"

    # What follows is for the package.

    @abstractmethod
    async def begin(self) -> None:
        """Say what is to be said first."""

    @abstractmethod
    async def hear(self, body: bytes) -> None:
        """Hear a word of another. Raises `WordRefused`."""

    @abstractmethod
    def _seats(self) -> list[str]:
        """Who sits on which seat in the terms."""

    async def repeat(self) -> None:
        """Say the last word again."""
        if self._said is not None:
            await self._publish(*self._said)

    async def proposed(self) -> None:
        """Terms came onto the desk's table, or the talk is over: accept them if they are what was agreed."""
        transcript, outcome = self.transcript, self._result.result() if self._result.done() else None
        if self._is_signed or transcript is None or outcome is None or not self._is_what_was_agreed(outcome):
            return
        self._is_signed = True
        await self._try("accept", self.deal.accept(transcript=transcript))

    def over(self) -> None:
        """The deal is committed, or has ended."""
        self._came_to(None)

    def _came_to(self, outcome: Outcome | None) -> None:
        if not self._result.done():
            self._result.set_result(outcome)
            self._table.told(self)

    async def _say(self, word: Word, body: bytes, to: Sequence[str]) -> None:
        self._said = word, body, to
        await self._publish(word, body, to)

    async def _publish(self, word: Word, body: bytes, to: Iterable[str]) -> None:
        # To each party in the order in which it was said, though the broker be slow to take it.
        async with self._saying:
            for party in to:
                await self._table.caller.link.publish(subjects.talk(party, self.id), body, headers_of(word.TYPE))

    def _keep(self, body: bytes) -> None:
        """Keep a word that was said or heard."""
        self._words.append(body)
        self.heard_unix_ms = self._table.now_unix_ms()

    def _terms(self, outcome: Outcome) -> wire.Terms:
        return terms_of(self.domain, self._seats(), self.deal.book, self.expires_unix_ms, outcome)

    def _is_what_was_agreed(self, outcome: Outcome) -> bool:
        try:
            return hashlib.sha256(encode(self._terms(outcome))).digest() == self.deal.terms_hash
        except (NoTerms, BadWire):
            return False

    async def _close(self) -> None:
        """Tell the desk what it came to."""
        outcome, transcript = self._result.result(), self.transcript
        if outcome is None or transcript is None:
            await self._give_up("no agreement")
            return
        try:
            terms = self._terms(outcome)
        except BadWire as error:
            await self._give_up(f"what was agreed makes no terms: {error}")
            return
        self._is_signed = True
        agreement = wire.Agreement(outcome=list(outcome), transcript=transcript)
        await self._try("propose", self.deal.propose(terms, agreement=agreement))

    async def _give_up(self, reason: str) -> None:
        await self._try("reject", self.deal.reject(reason, transcript=self.transcript))

    async def _try(self, verb: str, move: Awaitable[object]) -> None:
        """Make a move. That the deal has gone elsewhere meanwhile is no failure of the agent's."""
        try:
            await move
        except (ErrorReply, BusError, BadWire) as error:
            has_ended = isinstance(error, Conflict) and error.state in ENDS  # another party was faster to say no
            level = logging.INFO if has_ended else logging.WARNING
            _log.log(level, "%s: cannot %s deal %s: %s", self._table.agent, verb, self.id, error)
        if self.deal.is_over:
            self._table.leave(self)


class Table:
    """Where an agent's negotiations are held: what they need of it."""

    def __init__(self, caller: Caller, agent: str) -> None:
        self.caller = caller
        self.agent = agent
        self.sessions: dict[str, Negotiation] = {}
        self.hearers: list[Callable[[Negotiation], object]] = []
        self._tasks: set[asyncio.Task[None]] = set()

    def now_unix_ms(self) -> int:
        """The time by the registry's clock."""
        return self.caller.bus.now_unix_ms()

    def leave(self, negotiation: Negotiation) -> None:
        """It is over."""
        self.sessions.pop(negotiation.id, None)
        negotiation.over()

    def told(self, negotiation: Negotiation) -> None:
        """Its talk is over."""
        for hear in self.hearers:
            self.later(f"hearing of {negotiation.id}", _hear(hear, negotiation))

    def later(self, what: str, work: Awaitable[None]) -> None:
        """Do this beside all else; a failure is logged and stops nothing."""

        async def do() -> None:
            try:
                await work
            except Exception:
                _log.exception("%s: %s failed", self.agent, what)

        task = asyncio.ensure_future(do())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    @property
    def working(self) -> set[asyncio.Task[None]]:
        """What is under way."""
        return set(self._tasks)


async def _hear(hear: Callable[[Negotiation], object], negotiation: Negotiation) -> None:
    await awaited(hear(negotiation))
