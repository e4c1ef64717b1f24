"""A party to a single text: the protocol, what it wants, and a voter. And a whole talk in one room."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hms_a2a._codec import encode
from hms_a2a._single_text import SingleText
from hms_a2a._voting import Ballot

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hms_a2a import _wire as wire
    from hms_a2a._stance import Stance


class Member:
    """A party that votes."""

    def __init__(self, me: str, text: SingleText, stance: Stance) -> None:
        """A party to a text. Raises `TypeError` where the stance is no voter's, `ValueError` where it has no seat."""
        if me not in text.rules.order:
            raise ValueError(f"order: {me} is not in it")
        self.me = me
        self.text = text
        self._stance = stance
        self._voter = stance.voting()

    def vote(self) -> bytes | None:
        """Its vote, which it has not heard yet itself; None where there is nothing to vote on."""
        text = self.text
        if not text.awaits(self.me) or text.proposed is None:
            return None
        ballot = Ballot(
            utility=self._stance.utility,
            reserved_ppm=self._stance.reserved_ppm,
            round=text.round,
            rounds=text.rules.rounds,
            text=text.text,
            proposed=text.proposed,
        )
        accepts = self._voter.accepts(ballot)
        if not isinstance(accepts, bool):
            raise TypeError(f"accepts: True or False, not {accepts!r}")
        return text.vote(self.me, accepts)

    @property
    def wants(self) -> bool:
        """Whether it wants what the text is: what was voted for step by step may be worth less than no agreement."""
        return self._stance.utility(self.text.text) >= self._stance.reserved_ppm


def mediate(rules: wire.SingleText, stances: Mapping[str, Stance], deal: str = "a" * 26) -> SingleText:
    """A whole mediated text, every party in this process, without a bus and without time, as its mediator heard it.

    For trying voters: ``mediate(rules, {"kenya": Stance(utility, HillClimber()), ...}).result``. Whether a party wants
    what came of it is for it to say.
    """
    body, now = encode(rules), rules.talk_until_unix_ms
    mediator = SingleText(deal, body)
    room = [Member(me, SingleText(deal, body, me), stance) for me, stance in stances.items()]
    while (said := mediator.decision()) is not None:
        for hearer in (mediator, *(member.text for member in room)):
            hearer.hear(said, now)
        for member in room:
            vote = member.vote()
            if vote is not None:
                member.text.hear(vote, now)
                mediator.hear(vote, now)
    return mediator
