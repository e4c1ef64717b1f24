"""Contract nets, ``cnp/1`` and ``icnp/1``, as manager and contractors hold them over the bus."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from hms_a2a import _wire as wire
from hms_a2a._contracting import Contractor
from hms_a2a._errors import WordRefused
from hms_a2a._negotiation import Negotiation, Table
from hms_a2a._stance import Stance
from hms_a2a._trading import awaited
from hms_a2a._utility import Outcome

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from hms_a2a._contract_net import ContractNet
    from hms_a2a._deal import Deal

_log = logging.getLogger("hms_a2a")

#: What a handler says to a call.
Answer = Outcome | str | Stance | None


class _Netted(Negotiation):
    """A contract net, whoever takes part in it."""

    def __init__(self, table: Table, deal: Deal, expires_unix_ms: int, net: ContractNet) -> None:
        super().__init__(table, deal, expires_unix_ms)
        #: The contract net as this agent heard it.
        self.net = net

    @property
    def domain(self) -> wire.Domain:
        return self.net.rules.domain

    @property
    def transcript(self) -> wire.Transcript | None:
        return self.net.transcript


class Tender(_Netted):
    """A contract net, as its manager holds it: it calls for bids, again where the rules say so, and awards by them."""

    def __init__(self, table: Table, deal: Deal, expires_unix_ms: int, net: ContractNet, text: str) -> None:
        super().__init__(table, deal, expires_unix_ms, net)
        self._text = text
        self._time: asyncio.TimerHandle | None = None

    @property
    def awarded(self) -> str | None:
        """Who was awarded, once somebody was."""
        award = self.net.award
        return None if award is None or award.bidding is None else award.bidding.by

    def _seats(self) -> list[str]:
        return [self.net.rules.manager, self.awarded or ""]

    async def begin(self) -> None:
        await self._utter(self.net.call(self._text))

    async def hear(self, body: bytes) -> None:
        self.net.hear(body, self._table.now_unix_ms())
        self._keep(body)
        if self.net.is_answered:
            await self._decide(self.net.round)

    def over(self) -> None:
        self._stop_waiting()
        super().over()

    def _stop_waiting(self) -> None:
        if self._time is not None:
            self._time.cancel()

    def _wait(self) -> None:
        """Wait for the answers to the last call until its time is up."""
        round_ = self.net.round
        left_ms = self.net.until_unix_ms + 1 - self._table.now_unix_ms()
        self._time = asyncio.get_running_loop().call_later(
            max(0, left_ms) / 1000, lambda: self._table.later(f"round {round_} of {self.id}", self._decide(round_))
        )

    async def _decide(self, round_: int) -> None:
        """Say what follows from the answers of this round; nothing where that was said."""
        decision = self.net.decision()
        if decision is not None and self.net.award is None and self.net.round == round_:
            await self._utter(decision)

    async def _give_up(self, reason: str) -> None:
        await self._try("withdraw", self.deal.withdraw(reason, transcript=self.transcript))

    async def _utter(self, body: bytes) -> None:
        word = self.net.hear(body, self._table.now_unix_ms())
        self._keep(body)
        self._stop_waiting()
        is_over = self.net.award is not None
        if not is_over:
            self._wait()
        await self._say(word, body, self.net.contractors)
        if is_over:
            self._came_to(self.net.awarded)
            self._table.later(f"the end of {self.id}", self._close())


class Bid(_Netted):
    """A contract net, as a contractor holds it: it hears calls, answers, and hears the award."""

    def __init__(
        self,
        table: Table,
        deal: Deal,
        expires_unix_ms: int,
        net: ContractNet,
        answer: Callable[[Call], Answer | Awaitable[Answer]],
    ) -> None:
        super().__init__(table, deal, expires_unix_ms, net)
        self._answer = answer
        self._text = ""
        #: Bids by itself, once the handler has said how.
        self._contractor: Contractor | None = None

    def _seats(self) -> list[str]:
        return [self.net.rules.manager, self._table.agent]

    async def begin(self) -> None:
        """The manager speaks first."""

    async def hear(self, body: bytes) -> None:
        try:
            word = self.net.hear(body, self._table.now_unix_ms())
        except WordRefused as refused:
            if refused.rule == "duplicate":
                await self.repeat()  # the manager asks again: it has no answer yet
            raise
        self._keep(body)
        self._said = None  # what it answered before is counted, or came too late
        if isinstance(word, wire.TalkCall):
            self._text = word.text
        if self.net.award is not None:
            self._came_to(self.net.awarded)
            if self.net.award.bidding is None:
                self._table.leave(self)
            else:
                self._table.later(f"signing {self.id}", self.proposed())
        elif self.net.awaits(self._table.agent):
            self._table.later(f"its answer to {self.id}", self._bid())

    async def _bid(self) -> None:
        """Answer the last call."""
        me, round_ = self._table.agent, self.net.round
        try:
            said = await self._asked()
            # While the handler thought, the manager may have gone on.
            if said is None or self.net.round != round_ or not self.net.awaits(me):
                return
            await self._utter(self.net.answer(me, said))
        except Exception as error:
            if isinstance(error, WordRefused) and error.rule == "late":
                _log.warning("%s: its bid in %s comes too late", me, self.id)
                return
            _log.exception("%s: it cannot bid in %s", me, self.id)
            if self.net.round == round_ and self.net.awaits(me):
                await self._utter(self.net.decline(me, "it cannot bid"))

    async def _asked(self) -> Outcome | str | None:
        """What to bid, or why not; None says nothing."""
        if self._contractor is None:
            said = await awaited(self._answer(Call(self, self._table.agent, self._text)))
            if not isinstance(said, Stance):
                if not isinstance(said, str | tuple | list | None):
                    raise TypeError(f"the handler's answer: an outcome, a text, a Stance or None, not {said!r}")
                return said
            self._contractor = Contractor(self._table.agent, self.net, said)
        return self._contractor.answer()

    async def _utter(self, body: bytes | None) -> None:
        if body is not None:
            word = self.net.hear(body, self._table.now_unix_ms())
            self._keep(body)
            await self._say(word, body, [self.net.rules.manager])


class Call:
    """A manager's call for bids, the first or a further one."""

    def __init__(self, bid: Bid, me: str, text: str) -> None:
        self._net = net = bid.net
        #: The deal's id.
        self.deal = bid.id
        #: Who calls.
        self.manager = net.rules.manager
        #: The ledger's book.
        self.book = bid.deal.book
        #: What is called for, for people.
        self.text = text
        #: What is bid on: the manager sits on seat 0, this agent on seat 1.
        self.domain = net.rules.domain
        #: The award's rule: what each unit of an issue's number adds to a bid's score.
        self.score = {part.issue: part.weight for part in net.rules.score}
        #: Until when bids of this round are heard, in Unix milliseconds.
        self.bids_until_unix_ms = net.until_unix_ms
        #: The round, counted from 0.
        self.round = net.round
        #: How many rounds there are at most: 1 in ``cnp/1``.
        self.rounds = net.rules.rounds
        #: By how much the best score must grow in a round for there to be another.
        self.least_gain = net.rules.least_gain
        #: The best bid so far, whosever it is; None in the first round.
        self.best = net.best
        #: Whether that is this agent's own.
        self.leads = net.leads(me)

    def scores(self, outcome: Outcome) -> int | None:
        """What a bid scores by the award's rule; None where that does not fit 128 bits."""
        return self._net.score(outcome)

    def __repr__(self) -> str:
        return f"<call of {self.manager} for {self.deal}: {self.text}>"
