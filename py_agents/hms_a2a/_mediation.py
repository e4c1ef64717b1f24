"""Mediated single texts, ``stx/1``, as mediator and parties hold them over the bus."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from hms_a2a import _wire as wire
from hms_a2a._errors import WordRefused
from hms_a2a._mediating import Member
from hms_a2a._negotiation import Negotiation, Table

if TYPE_CHECKING:
    from hms_a2a._deal import Deal
    from hms_a2a._single_text import SingleText
    from hms_a2a._stance import Stance

_log = logging.getLogger("hms_a2a")


class _Mediated(Negotiation):
    """A mediated text, whoever takes part in it."""

    def __init__(self, table: Table, deal: Deal, expires_unix_ms: int, text: SingleText) -> None:
        super().__init__(table, deal, expires_unix_ms)
        #: The talk as this agent heard it.
        self.text = text

    @property
    def domain(self) -> wire.Domain:
        return self.text.rules.domain

    @property
    def transcript(self) -> wire.Transcript | None:
        return self.text.transcript

    def _seats(self) -> list[str]:
        return self.text.rules.order


class Mediation(_Mediated):
    """A mediated text, as its mediator holds it: it says what seed and votes make, and proposes what comes of it."""

    async def begin(self) -> None:
        await self._go_on()

    async def hear(self, body: bytes) -> None:
        self.text.hear(body, self._table.now_unix_ms())
        self._keep(body)
        await self._go_on()

    async def proposed(self) -> None:
        """The mediator is no party: it has nothing to accept."""

    async def _go_on(self) -> None:
        """Say what comes next, if all have voted."""
        body = self.text.decision()
        if body is None:
            return
        try:
            word = self.text.hear(body, self._table.now_unix_ms())
        except WordRefused:
            _log.warning("%s: no time is left in %s", self._table.agent, self.id)
            return
        self._keep(body)
        await self._say(word, body, self.text.rules.order)
        if isinstance(word, wire.TalkResult):
            self._came_to(self.text.result)
            self._table.later(f"the end of {self.id}", self._close())

    async def _give_up(self, reason: str) -> None:
        await self._try("withdraw", self.deal.withdraw(reason, transcript=self.transcript))


class Vote(_Mediated):
    """A mediated text, as a party holds it: it votes on each, and accepts the last if that is worth it."""

    def __init__(self, table: Table, deal: Deal, expires_unix_ms: int, text: SingleText, stance: Stance) -> None:
        """Raises `ValueError` where the agent has no seat, `TypeError` where the stance is no voter's."""
        super().__init__(table, deal, expires_unix_ms, text)
        self._member = Member(table.agent, text, stance)

    async def begin(self) -> None:
        """The mediator speaks first."""

    async def hear(self, body: bytes) -> None:
        self.text.hear(body, self._table.now_unix_ms())
        self._keep(body)
        if self.text.result is None:
            await self._vote()
            return
        self._said = None
        self._came_to(self.text.result if self._member.wants else None)
        self._table.later(f"signing {self.id}", self.proposed())

    async def proposed(self) -> None:
        result = self.text.result
        if result is None or self._member.wants:
            await super().proposed()
        elif not self._is_signed and self._is_what_was_agreed(result):
            self._is_signed = True
            await self._give_up("worth less than no agreement")

    async def _vote(self) -> None:
        try:
            body = self._member.vote()
        except Exception:
            _log.exception("%s: its voter failed in %s", self._table.agent, self.id)
            self._table.later(f"leaving {self.id}", self._give_up("it cannot go on"))
            return
        if body is not None:
            word = self.text.hear(body, self._table.now_unix_ms())
            self._keep(body)
            await self._say(word, body, [self.text.rules.mediator])
