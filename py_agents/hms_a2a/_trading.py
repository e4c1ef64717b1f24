"""How an agent trades: its markets, its deals, and what it does when news of a deal comes.

Without handlers it does what the author stated: it accepts what is good for it (`Deal.why_not`), rejects the rest with
the reason, and confirms a delivery at once. Handlers replace each of these.
"""

from __future__ import annotations

import inspect
import logging
import weakref
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, TypeVar

from hms_a2a import _tracing as tracing
from hms_a2a import _wire as wire
from hms_a2a._deal import Deal
from hms_a2a._errors import BusError, ErrorReply
from hms_a2a._profiles import ENDS

if TYPE_CHECKING:
    from hms_a2a._bus import Caller
    from hms_a2a._membership import Membership

_log = logging.getLogger("hms_a2a")

#: The profiles whose terms come of a talk, which `Agent.negotiations` holds.
NEGOTIATED = frozenset({wire.Profile.SAO_1, wire.Profile.CNP_1, wire.Profile.ICNP_1, wire.Profile.STX_1})

T = TypeVar("T")

#: Decides on terms. True accepts, False rejects, a text rejects with this reason; None leaves the deal alone.
Decide = Callable[[Deal], "bool | str | Awaitable[bool | str | None] | None"]
#: Says whether what was due has arrived. True confirms; anything else leaves it to `Deal.confirm`.
Deliver = Callable[[Deal], "bool | Awaitable[bool | None] | None"]
#: Hears of a deal.
Hear = Callable[[Deal], Any]


class Trading:
    """An agent's markets and deals."""

    def __init__(self, caller: Caller, agent: str) -> None:
        self._caller = caller
        self._agent = agent
        self._open: dict[str, Deal] = {}
        self._known: weakref.WeakValueDictionary[str, Deal] = weakref.WeakValueDictionary()
        self.memberships: dict[str, Membership] = {}
        self.decide: Decide | None = None
        self.deliver: Deliver | None = None
        self.hearers: list[Hear] = []

    def deal(self, deal_id: str, book: str = "") -> Deal:
        """The one object that stands for a deal."""
        deal = self._known.get(deal_id)
        if deal is None:
            deal = self._known[deal_id] = Deal(self._caller, self._agent, deal_id)
        if book:
            deal.book = book
            deal.join(self.memberships.get(book))
        return deal

    def keep(self, deal: Deal) -> None:
        """Hold on to a deal until it is over, whether the author does or not."""
        self._open[deal.id] = deal

    def hear(self, note: wire.DealNote) -> Deal:
        """News of a deal came in: at once, so that whoever waits for it need not wait for what is before in line.

        Raises `BadWire` for terms that are none.
        """
        deal = self.deal(note.deal, note.book)
        self.keep(deal)
        deal.hear(note)
        return deal

    async def take(self, deal: Deal, note: wire.DealNote) -> None:
        """Do what news that was heard asks for."""
        with tracing.at_work(f"deal {note.event}"):
            await self._take(deal, note)

    async def _take(self, deal: Deal, note: wire.DealNote) -> None:
        deal.tell(note)
        for hear in self.hearers:
            await awaited(hear(deal))
        if note.event in ("opened", "proposed") and note.terms is not None:
            await self._consider(deal)
        elif note.event == "committed" and deal.state == wire.State.COMMITTED:
            await self._receive(deal)
        if deal.is_over:
            self._open.pop(deal.id, None)
        if note.state in ENDS:  # the deal may know already, from the answer to a move
            why = f" ({deal.reason})" if deal.reason else ""
            _log.info("%s: deal %s is %s%s", self._agent, deal.id, deal.state, why)

    async def _consider(self, deal: Deal) -> None:
        if deal.state != wire.State.NEGOTIATING or self._agent not in deal.terms.parties:
            return
        if deal.terms.award is not None:
            return  # it pays for an award: see `_pay`
        if deal.profile in NEGOTIATED:
            return  # whoever took part in the talk knows whether these are the terms that it came to
        if deal.terms.expires_unix_ms <= self._caller.bus.now_unix_ms():
            return  # old news, read again
        verdict: bool | str | None
        if self.decide is not None:
            verdict = await awaited(self.decide(deal))
        else:
            objection = deal.why_not()
            verdict = objection.reason if objection else True
        if verdict is None:
            return
        if not isinstance(verdict, bool | str):
            raise TypeError(f"a decision is True, False, a text that rejects, or None, not {verdict!r}")
        if verdict is True:
            await self._try(deal, "accept", deal.accept())
        else:
            await self._try(deal, "reject", deal.reject(verdict or f"not good for {self._agent}"))

    async def _receive(self, deal: Deal) -> None:
        if not deal.receives or deal.terms.award is not None:
            return
        if deal.terms.delivery == wire.Delivery.IMMEDIATE:
            return  # there is nothing to wait for: it is settled as it is committed
        if self.deliver is None or await awaited(self.deliver(deal)) is True:
            await self._try(deal, "confirm", deal.confirm())

    async def _try(self, deal: Deal, verb: str, move: Awaitable[object]) -> None:
        """Make a move. That the deal has gone elsewhere meanwhile is no failure of the agent's."""
        try:
            await move
        except (ErrorReply, BusError) as error:
            _log.warning("%s: cannot %s deal %s: %s", self._agent, verb, deal.id, error)
        else:
            _log.info("%s: %sed deal %s", self._agent, verb, deal.id)


async def awaited(value: T | Awaitable[T]) -> T:
    """What a handler returned, whether it is a coroutine function or a plain one."""
    if inspect.isawaitable(value):
        return await value
    return value
