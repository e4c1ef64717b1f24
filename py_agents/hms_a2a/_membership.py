"""An agent in a market: what it stated there, what of that is promised or gone, and whether terms suit it."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from hms_a2a import _subjects as subjects
from hms_a2a import _wire as wire
from hms_a2a._bus import ATTEMPT_S, PATIENCE_S
from hms_a2a._codec import encode
from hms_a2a._errors import BadWire, Disconnected, Internal, NoResponders, NotFound, TimedOut
from hms_a2a._offer import Offer
from hms_a2a._value import Flow, Outlook, Range, Worth, days_between, worth

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Mapping, Sequence

    from hms_a2a._bus import Caller
    from hms_a2a._offer import Give, Want

_log = logging.getLogger("hms_a2a")

_NO_VALUE = Range.of(0)


class Objection(NamedTuple):
    """Why terms don't suit an agent.

    `by` is a stable word: ``limits`` (not what it stated, or more than is left of it), ``values`` (it would not gain
    what it states), ``reservation`` (it would, and not what it asks in private), ``away`` (it is not in the market).
    """

    by: str
    reason: str


class Membership:
    """An agent's place in a market. Await it to know that the agent's intent stands."""

    def __init__(
        self,
        caller: Caller,
        agent: str,
        market: str,
        offer: Offer,
        reserve_ppm: int = 0,
        declare: Mapping[str, int] | None = None,
    ) -> None:
        self._caller = caller
        self._agent = agent
        self._offer = offer
        self._declare = declare
        self._promised: dict[str, tuple[Counter[str], Counter[str]]] = {}
        self._given: Counter[str] = Counter()
        self._received: Counter[str] = Counter()
        self._stating: asyncio.Future[None] | None = None
        self._declared: dict[str, int] = {}
        #: The market, whose ledger's book has the same name.
        self.market = market
        #: Required over costs beyond the stated margin, in parts per million, and told to nobody.
        self.reserve_ppm = reserve_ppm
        #: The sequence of the intent in its stream; None while none stands.
        self.sequence: int | None = None

    @property
    def offer(self) -> Offer:
        """What the agent stated, before anything was promised."""
        return self._offer

    @property
    def is_standing(self) -> bool:
        """Whether the agent's intent stands in the market."""
        return self.sequence is not None

    def left(self) -> Offer:
        """What is left of the offer: without what was given and received, and what is promised in open deals."""
        given, received = self._used()
        return self._offer.less(given, received)

    def why_not(self, terms: wire.Terms, deal: str) -> Objection | None:
        """Why these terms of `deal` don't suit the agent; None when they do."""
        if not self.is_standing:
            return Objection("away", f"{self._agent} is not in {self.market} now")
        given, received = flows(terms, self._agent)
        used_given, used_received = self._used(besides=deal)
        objection = self._offer.lacks_room_for(used_given + _sums(given), used_received + _sums(received))
        if objection:
            return Objection("limits", f"{self._agent} {objection}, all told")
        value = self.worth(terms)
        margin_ppm = self._offer.margin_ppm
        if not value.satisfies(margin_ppm):
            return Objection("values", f"too little for {self._agent} at its stated values")
        if not value.satisfies(max(margin_ppm, self.reserve_ppm)):
            return Objection("reservation", f"less than {self._agent} asks in private")
        return None

    def worth(self, terms: wire.Terms) -> Worth:
        """What these terms are worth to the agent. What it did not state is worth nothing and costs nothing."""
        given, received = flows(terms, self._agent)
        return worth(
            received,
            given,
            lambda good: self._offer.value_of(good) or _NO_VALUE,
            lambda good: self._offer.cost_of(good) or _NO_VALUE,
            self._offer.outlook,
        )

    def valuation(self, terms: wire.Terms) -> wire.Valuation:
        """What an acceptance states of these terms' goods, and of no others."""
        given, received = flows(terms, self._agent)
        values = [
            wire.UnitValue(good=good, value=_bounds(value))
            for good in sorted({flow.good for flow in received})
            if (value := self._offer.value_of(good)) is not None
        ]
        costs = [
            wire.UnitCost(good=good, cost=_bounds(cost))
            for good in sorted({flow.good for flow in given})
            if (cost := self._offer.cost_of(good)) is not None
        ]
        return wire.Valuation(
            outlook=_outlook(self._offer.outlook), margin_ppm=self._offer.margin_ppm, values=values, costs=costs
        )

    def holdings(self, terms: wire.Terms, deal: str) -> list[wire.Holding]:
        """What an acceptance of `deal` says that the agent holds of the goods that it would give.

        That is what is left of all that it offered, so that nobody is promised what somebody else was.
        """
        given, _ = flows(terms, self._agent)
        used, _ = self._used(besides=deal)
        limits = {give.good: give.limit for give in self._offer.gives}
        goods = sorted({flow.good for flow in given} & limits.keys())
        return [wire.Holding(good=good, quantity=max(0, limits[good] - used[good])) for good in goods]

    def promise(self, deal: str, terms: wire.Terms) -> None:
        """These terms are about to be accepted: what they take is no longer there for others."""
        given, received = flows(terms, self._agent)
        self._promised[deal] = (_sums(given), _sums(received))

    def keep(self, deal: str) -> None:
        """A promised deal was committed."""
        given, received = self._promised.pop(deal, (Counter(), Counter()))
        self._given += given
        self._received += received

    def release(self, deal: str) -> None:
        """A promised deal came to nothing."""
        self._promised.pop(deal, None)

    async def restate(self, gives: Sequence[Give] | None = None, wants: Sequence[Want] | None = None) -> None:
        """State what is left, or something else from now on, in place of what stands.

        Raises `Refused` and other `HmsError`s.
        """
        if gives is not None or wants is not None:
            old = self._offer
            self._offer = Offer(
                old.gives if gives is None else gives,
                old.wants if wants is None else wants,
                old.margin_ppm,
                old.outlook,
            )
            self._promised.clear()
            self._given.clear()
            self._received.clear()
        await self._state()

    async def leave(self) -> None:
        """Take the intent back. Deals that are open stay so; new ones are rejected."""
        self.sequence = None
        await self._publish(wire.IntentWithdrawn(market=self.market, agent=self._agent))
        _log.info("%s left %s", self._agent, self.market)

    def __await__(self) -> Generator[object, None, Membership]:
        if self._stating is None:
            raise Disconnected(f"{self._agent} has not been started, so it joins {self.market} when it is")
        yield from asyncio.shield(self._stating).__await__()
        return self

    def __repr__(self) -> str:
        return f"<{self._agent} in {self.market}: {self._offer!r}>"

    def begin(self, *, report: bool = True) -> None:
        """Start to state the offer; awaiting the membership tells how it went, and the log, unless somebody awaits."""
        if self._stating is None or self._stating.done():
            self._stating = asyncio.ensure_future(self._state())
            if report:
                self._stating.add_done_callback(self._report)

    def _report(self, stating: asyncio.Future[None]) -> None:
        if not stating.cancelled() and (error := stating.exception()) is not None:
            _log.error("%s cannot join %s: %s", self._agent, self.market, error)

    async def _state(self) -> None:
        await self._check_market()
        left = self.left()
        await self._declare_limits(left)
        intent = wire.Intent(
            market=self.market,
            agent=self._agent,
            gives=[wire.Give(good=g.good, limit=g.limit, cost=_bounds(g.cost)) for g in left.gives],
            wants=[
                wire.Want(
                    any_of=[wire.Alternative(good=a.good, limit=a.limit, value=_bounds(a.value)) for a in want.any_of]
                )
                for want in left.wants
            ],
            margin_ppm=left.margin_ppm,
            outlook=_outlook(left.outlook),
        )
        self.sequence = await self._publish(intent)
        _log.info("%s joined %s: gives %d, wants %d", self._agent, self.market, len(left.gives), len(left.wants))

    async def _check_market(self) -> None:
        """Say now what would be a silence later: that nobody clears this market.

        It is no error. A market may be declared after its first agents have come, a declaration may not have reached
        the maker yet, and deals that agents offer each other need a book and no market.
        """
        subject = subjects.endpoint("maker", "market")
        ask = wire.ShowMarket(market=self.market)
        try:
            await self._caller.ask(subject, encode(ask), ask.TYPE, ATTEMPT_S)
        except NotFound:
            _log.warning("no market %s is declared: nobody clears it until `hms market create` does so", self.market)
        except (NoResponders, TimedOut):
            _log.warning("no market maker answers, so nobody clears %s for now", self.market)

    async def _declare_limits(self, left: Offer) -> None:
        """Tell the ledger what the agent may give: enough for what is left and what is promised, and no more."""
        wanted = dict(self._declare) if self._declare is not None else await self._needed(left)
        limits = {good: units for good, units in wanted.items() if self._declared.get(good) != units}
        if not limits:
            return
        now = self._caller.bus.now_unix_ms()
        ask = wire.Declare(
            move_id=self._caller.bus.nonce(),
            deadline_unix_ms=now + int(PATIENCE_S * 1000),
            book=self.market,
            limits=[wire.Limit(good=good, quantity=units) for good, units in sorted(limits.items())],
        )
        subject = subjects.endpoint("ledger", "declare")
        await self._caller.insist(subject, ask, wire.Declared, until_unix_ms=ask.deadline_unix_ms)
        self._declared |= limits

    async def _needed(self, left: Offer) -> dict[str, int]:
        if not left.gives:
            return {}
        subject = subjects.endpoint("ledger", "balance")
        ask = wire.BalanceRequest(book=self.market, party=self._agent)
        try:
            lines = (await self._caller.insist(subject, ask, wire.Balances)).lines
        except NotFound:
            lines = []
        balance = {line.good: line.balance for line in lines}
        self._declared = {line.good: line.limit for line in lines}
        promised: Counter[str] = sum((given for given, _ in self._promised.values()), Counter())
        return {give.good: max(0, give.limit + promised[give.good] - balance.get(give.good, 0)) for give in left.gives}

    async def _publish(self, message: wire.Intent | wire.IntentWithdrawn) -> int:
        """Store a message in the market's stream; its sequence there."""
        subject = subjects.intent(self.market, self._agent)
        body = encode(message)
        reply = await self._caller.persist(subject, body, message.TYPE)
        try:
            ack = msgspec.json.decode(reply.body, type=_Ack)
        except msgspec.MsgspecError as error:
            raise BadWire("", f"not a stream's acknowledgement: {error}") from error
        if ack.error is not None or ack.seq is None:
            text = ack.error.description if ack.error else "no sequence"
            raise Internal(wire.ErrorReply(code=500, message=f"the stream refused it: {text}", retryable=False))
        return ack.seq

    def _used(self, besides: str | None = None) -> tuple[Counter[str], Counter[str]]:
        given, received = Counter(self._given), Counter(self._received)
        for deal, (promised_given, promised_received) in self._promised.items():
            if deal != besides:
                given += promised_given
                received += promised_received
        return given, received


class _AckError(msgspec.Struct):
    code: int = 0
    description: str = ""


class _Ack(msgspec.Struct):
    seq: int | None = None
    error: _AckError | None = None


def flows(terms: wire.Terms, agent: str) -> tuple[list[Flow], list[Flow]]:
    """What `agent` gives and what it receives under these terms."""

    def flow(transfer: wire.Transfer) -> Flow:
        days = days_between(terms.expires_unix_ms, transfer.due_unix_ms)
        return Flow(transfer.good, transfer.quantity, days)

    given = [flow(transfer) for transfer in terms.transfers if transfer.from_ == agent]
    received = [flow(transfer) for transfer in terms.transfers if transfer.to == agent]
    return given, received


def _sums(side: Iterable[Flow]) -> Counter[str]:
    sums: Counter[str] = Counter()
    for flow in side:
        sums[flow.good] += flow.quantity
    return sums


def _bounds(bounds: Range) -> wire.Bounds:
    return wire.Bounds(lo=bounds.lo, hi=bounds.hi)


def _outlook(outlook: Outlook) -> wire.Outlook:
    return wire.Outlook(
        kind=wire.PartyKind(outlook.kind),
        rate=outlook.rate,
        risk_aversion=outlook.risk_aversion,
        arrival=outlook.arrival,
    )
