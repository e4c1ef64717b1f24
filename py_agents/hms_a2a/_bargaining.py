"""Agents that negotiate, carried by a host: they hold the meetings that its configuration tells of."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING

from hms_a2a._agent import Agent
from hms_a2a._bidding import Asking, Bidder, Sealed, Undercut
from hms_a2a._config import ByCall, ByCalls, ByOffers, ByText
from hms_a2a._deal import deal_id
from hms_a2a._errors import BadSetting, HmsError
from hms_a2a._limits import MAX_LEASE_MS
from hms_a2a._stance import Stance
from hms_a2a._strategies import AcceptIfGood, Boulware, Conceder, Linear, Micro, NashSeeker, Strategy, TitForTat
from hms_a2a._utility import Additive, Rectangle, Rectangles
from hms_a2a._voting import Annealer, HillClimber, Voter

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from hms_a2a._config import Bargain, Bargainer, Meeting, Seat
    from hms_a2a._negotiation import Negotiation

#: How it negotiates, by the name of that in a scenario and the protocol's part; some draw from a seed.
_OFFERING: dict[str, Callable[[int], Strategy]] = {
    "boulware": lambda _: Boulware(),
    "linear": lambda _: Linear(),
    "conceder": lambda _: Conceder(),
    "tit_for_tat": lambda _: TitForTat(),
    "micro": Micro,
    "nash": lambda _: NashSeeker(),
    "accept_if_good": lambda _: AcceptIfGood(700_000),
}
_BIDDING: dict[str, Callable[[int], Bidder]] = {
    "boulware": lambda _: Asking(Boulware()),
    "linear": lambda _: Asking(Linear()),
    "conceder": lambda _: Asking(Conceder()),
    "sealed": lambda _: Sealed(300_000),
    "undercut": lambda _: Undercut(),
}
_VOTING: dict[str, Callable[[int], Voter]] = {
    "hill_climber": lambda _: HillClimber(),
    "annealer": lambda seed: Annealer(200_000, seed),
}
#: What an agent may give of each good: as much as it likes.
_PLENTY = 2**62


class Bargaining:
    """One agent at work."""

    def __init__(self, bargainer: Bargainer, bargain: Bargain, say: Callable[..., None]) -> None:
        """What happens it is to `say`, as the host does: ``say("error", agent, what=..., message=...)``.

        Raises `BadSetting`.
        """
        self.agent = Agent(bargainer.id, seed=bargainer.seed, lease_ms=MAX_LEASE_MS)
        self._say = say
        self._at_once = bargain.at_once
        self._meetings = [
            meeting
            for meeting in bargain.meetings
            if bargainer.id == meeting.opener or any(seat.agent == bargainer.id for seat in meeting.seats)
        ]
        self._seats = {
            deal_id(meeting.opener, meeting.move_id): (meeting, seat)
            for meeting in self._meetings
            for seat in meeting.seats
            if seat.agent == bargainer.id
        }
        for meeting, seat in self._seats.values():
            if isinstance(meeting.protocol, ByOffers | ByText) or seat.agent != meeting.opener:
                stance(meeting, seat)  # what it cannot sit down with is told now
        self.agent.negotiations.invited(lambda invitation: self._stance(invitation.deal))
        self.agent.negotiations.mediated(lambda invitation: self._stance(invitation.deal))
        self.agent.negotiations.called(lambda call: self._stance(call.deal))
        if bargain.keeps_words:
            self.agent.negotiations.over(self._hand_in)

    async def declare(self) -> None:
        """Tell the ledger that it may give whatever it may come to give. Raises `HmsError`."""
        goods: dict[str, dict[str, int]] = {}
        for meeting, seat in self._seats.values():
            place = meeting.order.index(seat.agent)
            if isinstance(meeting.protocol, ByCall | ByCalls):
                place = min(place, 1)  # any contractor may be the one that is awarded
            given = [good for pattern in meeting.domain.transfers if pattern.from_ == place for good in pattern.goods]
            goods.setdefault(meeting.book, {}).update(dict.fromkeys(given, _PLENTY))
        for book, limits in goods.items():
            await self.agent.declare(book, limits)

    async def hold(self) -> None:
        """Open what is its own to open, so many at once, and wait until each is over."""
        own = iter([meeting for meeting in self._meetings if meeting.opener == self.agent.id])

        async def one_by_one() -> None:
            for meeting in own:
                try:
                    negotiation = await self._open(meeting)
                    await negotiation.deal.until("committed")
                except HmsError as error:
                    self._say("error", self.agent.id, what="open", message=str(error))

        await asyncio.gather(*(one_by_one() for _ in range(self._at_once)))

    async def _open(self, meeting: Meeting) -> Negotiation:
        negotiations, within_s = self.agent.negotiations, meeting.within_ms / 1000
        book, move_id = meeting.book, meeting.move_id
        match meeting.protocol:
            case ByText(seed=seed):
                return await negotiations.mediate(
                    meeting.domain,
                    order=meeting.order,
                    book=book,
                    rounds=meeting.rounds,
                    seed=seed,
                    talk_for_s=within_s,
                    sign_within_s=within_s,
                    move_id=move_id,
                )
            case ByCall(score=score) | ByCalls(score=score) as rules:
                call = partial(
                    negotiations.call,
                    meeting.domain,
                    among=meeting.order[1:],
                    score={part.issue: part.weight for part in score},
                    book=book,
                    text="bids",
                    bids_for_s=within_s,
                    sign_within_s=within_s,
                    move_id=move_id,
                )
                if isinstance(rules, ByCall):
                    return await call()
                return await call(rounds=meeting.rounds, least_gain=rules.least_gain, keep=rules.keep)
        return await negotiations.open(
            meeting.domain,
            stance(*self._seats[deal_id(self.agent.id, move_id)]),
            order=meeting.order,
            book=book,
            rounds=meeting.rounds,
            talk_for_s=within_s,
            sign_within_s=within_s,
            move_id=move_id,
        )

    def _hand_in(self, talk: Negotiation) -> None:
        """Report what was said; of a talk that was broken off there is nothing to report."""
        if talk.has_ended:
            self._say("words", self.agent.id, deal=talk.id, words=[word.hex() for word in talk.words])

    def _stance(self, deal: str) -> Stance | None:
        found = self._seats.get(deal)
        return None if found is None else stance(*found)


def stance(meeting: Meeting, seat: Seat) -> Stance:
    """With what somebody sits down to a meeting. Raises `BadSetting` for a manner that is none in its protocol."""
    boxes = [Rectangle(box.from_, box.to, box.adds_ppm) for box in seat.rectangles or []]
    utility = Rectangles(boxes) if seat.additive is None else Additive(seat.additive)
    manners: Mapping[str, Callable[[int], Strategy | Bidder | Voter]]
    match meeting.protocol:
        case ByOffers():
            manners = _OFFERING
        case ByText():
            manners = _VOTING
        case _:
            manners = _BIDDING
    if seat.manner not in manners:
        known = ", ".join(manners)
        raise BadSetting(f"bargain: {meeting.move_id}: the manner of {seat.agent} is one of {known}, not {seat.manner}")
    return Stance(utility, manners[seat.manner](seat.seed), seat.reserved_ppm)
