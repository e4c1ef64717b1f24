"""Alternating offers, ``sao/1``, as one of the parties holds them over the bus."""

from __future__ import annotations

import contextlib
import logging
from typing import TYPE_CHECKING

from hms_a2a._errors import WordRefused
from hms_a2a._negotiation import Negotiation, Table
from hms_a2a._negotiator import Negotiator

if TYPE_CHECKING:
    from hms_a2a import _wire as wire
    from hms_a2a._alternating import Alternating
    from hms_a2a._deal import Deal
    from hms_a2a._stance import Stance

_log = logging.getLogger("hms_a2a")

#: Most words that wait for those that they follow.
_MOST_AHEAD = 64


class Talk(Negotiation):
    """Alternating offers."""

    def __init__(self, table: Table, deal: Deal, expires_unix_ms: int, talk: Alternating, stance: Stance) -> None:
        """Raises `ValueError` where the agent has no seat, or there are too many outcomes."""
        super().__init__(table, deal, expires_unix_ms)
        self._negotiator = Negotiator(table.agent, talk, stance)
        self._words = self._negotiator.words
        self._others = [party for party in talk.rules.order if party != table.agent]
        #: Words that came before those that they follow: another's reached it sooner.
        self._ahead: list[bytes] = []
        #: The talk as this agent heard it.
        self.talk = talk

    @property
    def domain(self) -> wire.Domain:
        return self.talk.rules.domain

    @property
    def transcript(self) -> wire.Transcript:
        return self.talk.transcript

    @property
    def has_ended(self) -> bool:
        return self.talk.end is not None

    def _seats(self) -> list[str]:
        return self.talk.rules.order

    async def begin(self) -> None:
        await self._speak()

    async def hear(self, body: bytes) -> None:
        try:
            self._negotiator.hear(body, self._table.now_unix_ms())
        except WordRefused:
            if len(self._ahead) < _MOST_AHEAD and self.talk.is_ahead(body):
                self._ahead.append(body)
                return
            raise
        self.heard_unix_ms = self._table.now_unix_ms()
        ahead, self._ahead = self._ahead, []
        for word in ahead:
            with contextlib.suppress(WordRefused):
                await self.hear(word)
        if self.talk.end is None:
            await self._speak()
            return
        self._came_to(self.talk.agreed)
        self._table.later(f"signing {self.id}", self.proposed())

    async def _speak(self) -> None:
        """Speak, if it has the floor."""
        now = self._table.now_unix_ms()
        try:
            said = self._negotiator.speak(now)
        except WordRefused as refused:
            if refused.rule == "late":
                _log.warning("%s: no time is left in %s", self._table.agent, self.id)
                return
            _log.exception("%s: its strategy says in %s what cannot be said", self._table.agent, self.id)
            said = self._negotiator.finish("it cannot go on", now)
        except Exception:
            _log.exception("%s: its strategy failed in %s", self._table.agent, self.id)
            said = self._negotiator.finish("it cannot go on", now)
        if said is None:
            return
        await self._say(*said, self._others)
        if self.talk.end is not None:
            self._came_to(self.talk.agreed)
            # Whoever said the last word tells the desk what the talk came to.
            self._table.later(f"the end of {self.id}", self._close())
