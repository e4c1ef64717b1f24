"""What an agent has to do with negotiations: `Agent.negotiations`."""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, TypeVar

import msgspec

from hms_a2a import _subjects as subjects
from hms_a2a import _wire as wire
from hms_a2a._alternating import Alternating
from hms_a2a._codec import encode
from hms_a2a._contract_net import ContractNet
from hms_a2a._crew import ended
from hms_a2a._deal import deal_id
from hms_a2a._errors import BadWire, WordRefused
from hms_a2a._invitation import Invitation
from hms_a2a._limits import MAX_PARTIES
from hms_a2a._mediation import Mediation, Vote
from hms_a2a._negotiation import STUCK_MS, Negotiation, Table
from hms_a2a._offer import one_of
from hms_a2a._single_text import SingleText
from hms_a2a._stance import Stance
from hms_a2a._talk import Talk
from hms_a2a._tender import Answer, Bid, Call, Tender
from hms_a2a._trading import NEGOTIATED, awaited

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from hms_a2a._bus import Caller
    from hms_a2a._client import Incoming
    from hms_a2a._deal import Deal
    from hms_a2a._link import Tap
    from hms_a2a._trading import Trading

_log = logging.getLogger("hms_a2a")

#: Most talks, and most words of each, that are kept until the note of their opening is here.
_MOST_EARLY = MAX_PARTIES
#: And for how long, in milliseconds.
_EARLY_MS = 30_000

#: Sits down, or not: a `Stance` takes part, a text says no with that reason, None leaves it alone.
Invited = Callable[[Invitation], "Stance | str | Awaitable[Stance | str | None] | None"]
#: Bids: an outcome is the bid, a text declines with that reason, a `Stance` bids from here on, None says nothing.
Called = Callable[[Call], "Answer | Awaitable[Answer]"]
_I = TypeVar("_I", bound=Invited)
_C = TypeVar("_C", bound=Called)
_H = TypeVar("_H", bound=Callable[[Negotiation], object])
_N = TypeVar("_N", bound=Negotiation)


class Negotiations:
    """An agent's negotiations: those that it opens, and those that it is invited to.

    ::

        from hms_a2a import Agent, negotiation

        agent = Agent("kenya")


        @agent.negotiations.invited
        def sit_down(invitation):
            worth = negotiation.Additive([(1_000_000, range(0, 1_000_001, 100_000))])
            return negotiation.Stance(worth, negotiation.Boulware())
    """

    def __init__(self, caller: Caller, agent: str, trading: Trading) -> None:
        self._caller = caller
        self._agent = agent
        self._trading = trading
        self._table = Table(caller, agent)
        self._invited: Invited | None = None
        self._called: Called | None = None
        self._mediated: Invited | None = None
        #: Words of talks whose opening was not heard yet, and when the first of them came.
        self._early: dict[str, tuple[int, list[bytes]]] = {}
        self._tap: Tap | None = None
        self._looking: asyncio.Task[None] | None = None
        self._is_running = False
        self._listening = asyncio.Lock()

    # --- what an author says

    def invited(self, sit_down: _I) -> _I:
        """Be invited to alternating offers: the handler returns a `Stance`, or a text to say no, or None.

        Without it the agent says no to whoever invites it.
        """
        self._invited = sit_down
        self._listen_soon()
        return sit_down

    def called(self, bid: _C) -> _C:
        """Be called for bids: the handler returns an outcome to bid, or a text to decline, or None to say nothing.

        It is asked at every call of an iterated contract net; or it returns a `Stance`, whose `Bidder` answers this and
        all further calls of that net.
        """
        self._called = bid
        self._listen_soon()
        return bid

    def mediated(self, sit_down: _I) -> _I:
        """Be invited to vote on a mediator's text: the handler returns a `Stance` with a `Voter`, or a text, or None.

        Without it the agent says no to whoever would mediate.
        """
        self._mediated = sit_down
        self._listen_soon()
        return sit_down

    def over(self, hear: _H) -> _H:
        """Hear of each negotiation once its talk is over; `Negotiation.agreed` says what it came to."""
        self._table.hearers.append(hear)
        return hear

    async def open(
        self,
        domain: wire.Domain,
        stance: Stance,
        *,
        order: Sequence[str],
        book: str,
        rounds: int = 20,
        talk_for_s: float = 30.0,
        sign_within_s: float = 30.0,
        due_in_s: float = 0.0,
        requires: Sequence[str] = (),
        move_id: str | None = None,
    ) -> Negotiation:
        """Open a negotiation by alternating offers; it is under way when this returns.

        `order` says who moves in which order, this agent among them: a party's place is its seat. What of the
        `domain` has no date (0) is due `due_in_s` after the deal lapses, which it does `sign_within_s` after the time
        to talk. The ledger must know what the parties may give: `Agent.declare`. With a `move_id` of one's own, again
        is the same deal.

        ::

            talk = await agent.negotiations.open(domain, stance, order=["kenya", "egypt"], book="bazaar")
            print(await talk.agreed(), await talk.deal.ended())

        Raises `BadWire` or an `ErrorReply` for rules that the desk does not take, `TypeError` where the stance's
        strategy makes no offers, `ValueError` where the agent is not in the order.
        """
        await self._listen()
        talk_until = self._table.now_unix_ms() + int(talk_for_s * 1000)
        expires = talk_until + int(sign_within_s * 1000)
        rules = encode(
            wire.Alternating(
                domain=_dated(domain, expires + int(due_in_s * 1000)),
                order=list(order),
                rounds=rounds,
                talk_until_unix_ms=talk_until,
            )
        )
        deal, ask = self._opening(wire.Profile.SAO_1, list(order), book, expires, rules, requires, move_id)
        talk = Talk(self._table, deal, expires, Alternating(deal.id, rules), stance)
        return await self._begin(talk, ask)

    async def call(
        self,
        domain: wire.Domain,
        *,
        among: Sequence[str],
        score: Mapping[str, int],
        book: str,
        text: str = "",
        rounds: int | None = None,
        least_gain: int = 1,
        keep: int = MAX_PARTIES,
        bids_for_s: float = 10.0,
        sign_within_s: float = 30.0,
        due_in_s: float = 0.0,
        requires: Sequence[str] = (),
        move_id: str | None = None,
    ) -> Tender:
        """Call for bids, and award to the best: a contract net, whose manager this agent is.

        A bid's `score` is the sum over issues of weight times number; the highest is awarded, between equals the
        bidder whose id comes first. In the domain this agent sits on seat 0, whoever is awarded on seat 1. With
        `rounds` it is an iterated one: in at most so many rounds it tells the best bid and calls again, as long as the
        best score grows by `least_gain`, those `keep` bidders whose bids were best; `bids_for_s` is for each round.
        All else is as in `open`.

        ::

            among = ["acme", "bolt"]
            tender = await agent.negotiations.call(road, among=among, score={"price": -1}, book="roads", rounds=5)
            print(await tender.agreed(), tender.awarded)
        """
        await self._listen()
        bids_until = self._table.now_unix_ms() + int(bids_for_s * 1000)
        last_until = bids_until + (rounds - 1 if rounds else 0) * int(bids_for_s * 1000)
        expires = last_until + int(sign_within_s * 1000)
        dated = _dated(domain, expires + int(due_in_s * 1000))
        weights = [wire.ScoreWeight(issue=issue, weight=weight) for issue, weight in score.items()]
        rules: wire.ContractNet | wire.IteratedContractNet
        if rounds is None:
            rules = wire.ContractNet(domain=dated, manager=self._agent, bids_until_unix_ms=bids_until, score=weights)
        else:
            rules = wire.IteratedContractNet(
                domain=dated,
                manager=self._agent,
                bids_until_unix_ms=bids_until,
                round_ms=int(bids_for_s * 1000),
                rounds=rounds,
                least_gain=least_gain,
                keep=keep,
                score=weights,
            )
        profile = wire.Profile.CNP_1 if rounds is None else wire.Profile.ICNP_1
        body = encode(rules)
        parties = [self._agent, *among]
        deal, ask = self._opening(profile, parties, book, expires, body, requires, move_id)
        tender = Tender(self._table, deal, expires, ContractNet(deal.id, body, sorted(set(parties))), text)
        await self._begin(tender, ask)
        return tender

    async def mediate(
        self,
        domain: wire.Domain,
        *,
        order: Sequence[str],
        book: str,
        rounds: int = 100,
        seed: int | None = None,
        talk_for_s: float = 30.0,
        sign_within_s: float = 30.0,
        due_in_s: float = 0.0,
        requires: Sequence[str] = (),
        move_id: str | None = None,
    ) -> Mediation:
        """Mediate between others: keep one text, put a change of it to their vote in each round, and propose the last.

        `order` says who sits on which seat; this agent, who is no party, is not among them. Text and changes are drawn
        from the `seed`, any 64 bits, fresh ones where it is left out. ``await mediation.agreed()`` is what the votes
        have led to; whoever does not want that says no to the deal. All else is as in `open`.

        ::

            mediation = await agent.negotiations.mediate(river, order=["kenya", "egypt"], book="river", rounds=200)
            print(await mediation.agreed(), await mediation.deal.ended())
        """
        await self._listen()
        talk_until = self._table.now_unix_ms() + int(talk_for_s * 1000)
        expires = talk_until + int(sign_within_s * 1000)
        rules = encode(
            wire.SingleText(
                domain=_dated(domain, expires + int(due_in_s * 1000)),
                order=list(order),
                mediator=self._agent,
                seed=secrets.randbits(64) if seed is None else seed,
                rounds=rounds,
                talk_until_unix_ms=talk_until,
            )
        )
        deal, ask = self._opening(wire.Profile.STX_1, list(order), book, expires, rules, requires, move_id)
        mediation = Mediation(self._table, deal, expires, SingleText(deal.id, rules))
        await self._begin(mediation, ask)
        return mediation

    # --- what the agent does

    async def start(self) -> None:
        """Listen, where there is anything to listen to."""
        self._is_running = True
        if (self._invited, self._called, self._mediated) != (None, None, None):
            await self._listen()

    async def stop(self, within_s: float) -> None:
        """Listen no more; finish what is being said to the desk."""
        self._is_running = False
        tap, self._tap = self._tap, None
        if tap is not None:
            await tap.stop()
        looking, self._looking = self._looking, None
        if looking is not None:
            await ended(looking)
        if working := self._table.working:
            await asyncio.wait(working, timeout=within_s)
        await ended(*self._table.working)
        for negotiation in list(self._table.sessions.values()):
            self._table.leave(negotiation)

    async def take(self, deal: Deal, note: wire.DealNote) -> None:
        """News of a deal came: do what it asks for."""
        if deal.profile not in NEGOTIATED:
            return
        if note.event == "opened" and note.rules is not None and note.state == wire.State.OPEN:
            await self._opened(deal, note, note.rules)
            return
        negotiation = self._table.sessions.get(deal.id)
        if negotiation is None:
            return
        if note.event == "proposed":
            await negotiation.proposed()
        if deal.is_over or deal.state == wire.State.COMMITTED:
            self._table.leave(negotiation)

    async def _opened(self, deal: Deal, note: wire.DealNote, rules: bytes) -> None:
        expires = note.expires_unix_ms
        if deal.id in self._table.sessions or expires is None or expires <= self._table.now_unix_ms():
            return
        if deal.opener == self._agent and deal.profile != wire.Profile.SAO_1:
            return  # it called, or mediated, before it was started again, and the words are gone
        negotiation: Negotiation | None
        try:
            match deal.profile:
                case wire.Profile.SAO_1:
                    negotiation = await self._sit_down(deal, rules, expires)
                case wire.Profile.STX_1:
                    negotiation = await self._sit_down_to_text(deal, rules, expires)
                case _:
                    negotiation = await self._hear_call(deal, rules, expires)
        except BadWire as error:
            _log.warning("%s: the rules of %s are not understood: %s", self._agent, deal.id, error)
            return
        _, early = self._early.pop(deal.id, (0, []))
        if negotiation is None:
            return
        self._table.sessions[deal.id] = negotiation
        for word in early:
            await self._heard(negotiation, word)
        await negotiation.begin()

    async def _sit_down(self, deal: Deal, rules: bytes, expires: int) -> Talk | None:
        talk = Alternating(deal.id, rules)

        def sit(stance: Stance) -> Talk:
            return Talk(self._table, deal, expires, talk, stance)

        return await self._invite(deal, talk.rules, self._invited, "negotiate", sit)

    async def _sit_down_to_text(self, deal: Deal, rules: bytes, expires: int) -> Vote | None:
        text = SingleText(deal.id, rules, self._agent)

        def sit(stance: Stance) -> Vote:
            return Vote(self._table, deal, expires, text, stance)

        return await self._invite(deal, text.rules, self._mediated, "vote on texts", sit)

    async def _invite(
        self,
        deal: Deal,
        rules: wire.Alternating | wire.SingleText,
        invited: Invited | None,
        what: str,
        sit: Callable[[Stance], _N],
    ) -> _N | None:
        """Ask the author's handler for a stance, and sit down with it, or say no."""
        stance: Stance | str | None = f"{self._agent} does not {what}"
        try:
            if invited is not None:
                stance = await awaited(invited(Invitation(deal, rules, self._agent)))
            if isinstance(stance, Stance):
                return sit(stance)
            if not isinstance(stance, str | None):
                raise TypeError(f"the handler's answer: a Stance, a text or None, not {stance!r}")
        except Exception:
            _log.exception("%s: it cannot sit down to %s", self._agent, deal.id)
            stance = "it cannot sit down"
        if stance is not None:
            await deal.reject(stance)
        return None

    async def _hear_call(self, deal: Deal, rules: bytes, expires: int) -> Negotiation | None:
        if self._called is None:
            return None
        shown = await deal.show()
        net = ContractNet(deal.id, rules, shown.parties, self._agent)
        return Bid(self._table, deal, expires, net, self._called)

    def _opening(
        self,
        profile: wire.Profile,
        parties: list[str],
        book: str,
        expires: int,
        rules: bytes,
        requires: Sequence[str],
        move_id: str | None,
    ) -> tuple[Deal, wire.Open]:
        chosen = move_id or self._caller.bus.nonce()
        ask = wire.Open(
            move_id=chosen,
            deadline_unix_ms=expires,
            book=book,
            profile=profile,
            parties=sorted(set(parties)),
            expires_unix_ms=expires,
            rules=rules,
            requires=[one_of(wire.ClaimKind, claim, "a required claim") for claim in requires],
        )
        return self._trading.deal(deal_id(self._agent, chosen), book), ask

    async def _begin(self, negotiation: Negotiation, ask: wire.Open) -> Negotiation:
        deal = negotiation.deal
        self._table.sessions[deal.id] = negotiation
        try:
            await deal.open(ask)
        except BaseException:
            self._table.leave(negotiation)
            raise
        self._trading.keep(deal)
        # Whoever has the floor begins; another may have begun already.
        await negotiation.begin()
        return negotiation

    async def _listen(self) -> None:
        async with self._listening:
            if self._tap is not None:
                return
            self._tap = await self._caller.link.tap(subjects.all_talk_to(self._agent), self._take_word)
            await self._caller.link.flush()
            self._looking = asyncio.ensure_future(self._look())

    def _listen_soon(self) -> None:
        if self._is_running and self._tap is None:
            self._table.later("listening to talks", self._listen())

    async def _take_word(self, incoming: Incoming) -> None:
        _, deal = subjects.parse_talk(incoming.subject)
        negotiation = self._table.sessions.get(deal)
        if negotiation is not None:
            await self._heard(negotiation, incoming.body)
            return
        # The talk may reach it before the note of its opening does.
        if deal in self._early or len(self._early) < _MOST_EARLY:
            _, words = self._early.setdefault(deal, (self._table.now_unix_ms(), []))
            if len(words) < _MOST_EARLY:
                words.append(incoming.body)

    async def _heard(self, negotiation: Negotiation, word: bytes) -> None:
        try:
            await negotiation.hear(word)
        except WordRefused as refused:
            if refused.rule != "duplicate":
                _log.warning("%s: a word of %s is not taken: %s", self._agent, negotiation.id, refused)
        except Exception:
            _log.exception("%s: a word of %s was not understood", self._agent, negotiation.id)

    async def _look(self) -> None:
        """Say again what may be lost, and leave what has lapsed."""
        while True:
            await asyncio.sleep(STUCK_MS / 1000)
            now = self._table.now_unix_ms()
            for negotiation in list(self._table.sessions.values()):
                if negotiation.expires_unix_ms < now:
                    self._table.leave(negotiation)
                elif negotiation.heard_unix_ms + STUCK_MS <= now:
                    await negotiation.repeat()
            self._early = {deal: early for deal, early in self._early.items() if early[0] + _EARLY_MS > now}


def _dated(domain: wire.Domain, due_unix_ms: int) -> wire.Domain:
    """The same domain, what has no date being due then."""
    transfers = [
        pattern if pattern.due_unix_ms else msgspec.structs.replace(pattern, due_unix_ms=due_unix_ms)
        for pattern in domain.transfers
    ]
    return msgspec.structs.replace(domain, transfers=transfers)
