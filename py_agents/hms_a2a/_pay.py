"""The deals that pay for awards of a job's tasks.

Where a job pays, an award determines a deal, down to its id and its terms' bytes, and the news of the award says which.
The supervisor opens it, and confirms once the task is done; the worker accepts what the award says and nothing else,
and works once the ledger has committed.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from hms_a2a import _subjects as subjects
from hms_a2a import _wire as wire
from hms_a2a._bus import PATIENCE_S
from hms_a2a._codec import decode
from hms_a2a._errors import BadWire, BusError, ErrorReply, HmsError, NotFound

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from hms_a2a._bus import Caller
    from hms_a2a._deal import Deal
    from hms_a2a._trading import Trading

_log = logging.getLogger("hms_a2a")

#: How many tasks of a skill a worker says that it may do in a book, all told.
_MOST_TASKS = 1_000_000
#: How long after its terms have expired a deal may take to be heard of, in seconds.
_HEARD_WITHIN_S = 2.0


class Pay:
    """What an agent does about them."""

    def __init__(self, caller: Caller, agent: str, trading: Trading) -> None:
        self._caller = caller
        self._agent = agent
        self._trading = trading
        self._declared: set[tuple[str, str]] = set()

    async def declare(self, pay: wire.Pay, skill: str) -> None:
        """Tell the ledger, once, that this agent may do tasks in the job's book. Raises `HmsError`."""
        if (pay.book, skill) in self._declared:
            return
        ask = wire.Declare(
            move_id=self._caller.bus.nonce(),
            deadline_unix_ms=self._caller.bus.now_unix_ms() + int(PATIENCE_S * 1000),
            book=pay.book,
            limits=[wire.Limit(good=skill, quantity=_MOST_TASKS)],
        )
        subject = subjects.endpoint("ledger", "declare")
        await self._caller.insist(subject, ask, wire.Declared, until_unix_ms=ask.deadline_unix_ms)
        self._declared.add((pay.book, skill))

    async def open(self, note: wire.TaskNote, award: wire.AwardDeal) -> None:
        """Open the deal of an award that it supervises. What fails is logged; the worker then gives it back."""
        terms = decode(award.terms, wire.Terms)
        if not self._is_own(terms, note):
            _log.error("%s: the deal of %s is not what that award makes", self._agent, note.task)
            return
        ask = wire.Open(
            move_id=award.move_id,
            deadline_unix_ms=terms.expires_unix_ms,
            book=terms.book,
            profile=wire.Profile.FIXED_1,
            parties=terms.parties,
            expires_unix_ms=terms.expires_unix_ms,
            terms=award.terms,
        )
        deal = self._deal(award, terms)
        await self._try(deal, "open", self._opened(deal, ask))

    async def _opened(self, deal: Deal, ask: wire.Open) -> None:
        await deal.open(ask)
        await deal.accept()

    def _is_own(self, terms: wire.Terms, note: wire.TaskNote) -> bool:
        arrows = [(transfer.from_, transfer.to) for transfer in terms.transfers]
        award = wire.Award(job=note.job, task=note.task or "", round=note.round or 0)
        return terms.award == award and arrows == [(self._agent, note.agent), (note.agent, self._agent)]

    async def paid(self, award: wire.AwardDeal) -> str | None:
        """Accept the deal of an award, and wait until it is committed; why not, where it is not to be."""
        terms = decode(award.terms, wire.Terms)
        deal = self._deal(award, terms)
        try:
            await self._look(deal)
            async with asyncio.timeout(self._left_s(terms.expires_unix_ms)):
                if await deal.until(wire.State.NEGOTIATING, wire.State.COMMITTED) == wire.State.NEGOTIATING:
                    # What is accepted is what the award says, whatever was opened: the desk refuses other terms.
                    deal.on_table(award.terms)
                    await deal.accept()
                    await deal.until(wire.State.COMMITTED)
        except TimeoutError:
            return "no deal came that pays for it"
        except (ErrorReply, BusError) as error:
            return f"no deal pays for it: {error}"
        if deal.state != wire.State.COMMITTED and deal.state != wire.State.SETTLED:
            return f"the deal that was to pay is {deal.state}: {deal.reason or deal.rule or ''}"
        await self._try(deal, "confirm", deal.confirm())
        return None

    async def confirm(self, award: wire.AwardDeal) -> None:
        """The task is done: confirm, once the ledger has committed. A deal that is not agreed in time never is."""
        terms = decode(award.terms, wire.Terms)
        deal = self._deal(award, terms)
        try:
            await self._look(deal)
            async with asyncio.timeout(self._left_s(terms.expires_unix_ms)):
                if await deal.until(wire.State.COMMITTED) != wire.State.COMMITTED:
                    return
        except TimeoutError:
            _log.warning("%s: %s is done, and deal %s is not committed", self._agent, terms.award, deal.id)
            return
        except (ErrorReply, BusError) as error:
            _log.warning("%s: cannot look at deal %s: %s", self._agent, deal.id, error)
            return
        await self._try(deal, "confirm", deal.confirm())

    def _deal(self, award: wire.AwardDeal, terms: wire.Terms) -> Deal:
        deal = self._trading.deal(award.deal, terms.book)
        self._trading.keep(deal)
        deal.on_table(award.terms)
        return deal

    async def _look(self, deal: Deal) -> None:
        """See where a deal stands, if it is there by now: after a restart its news may have been heard before."""
        try:
            await deal.show()
        except NotFound:
            return

    def _left_s(self, until_unix_ms: int) -> float:
        return max(0, until_unix_ms - self._caller.bus.now_unix_ms()) / 1000 + _HEARD_WITHIN_S

    async def _try(self, deal: Deal, verb: str, move: Awaitable[object]) -> None:
        """Make a move. That the deal has gone elsewhere meanwhile is no failure of the agent's."""
        try:
            await move
        except BadWire:
            raise
        except HmsError as error:
            _log.warning("%s: cannot %s deal %s: %s", self._agent, verb, deal.id, error)
