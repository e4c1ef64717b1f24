"""A party to alternating offers: the protocol, what it wants, and a strategy. And a whole talk in one room."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hms_a2a import _wire as wire
from hms_a2a._alternating import Alternating, Word
from hms_a2a._codec import encode
from hms_a2a._space import Ranking, Space
from hms_a2a._strategies import Accept, End, Offer, Situation

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hms_a2a._stance import Stance

_NOTHING_TO_GAIN = "nothing to be gained"


class Negotiator:
    """A party to a talk: it hears words, and speaks when it has the floor."""

    def __init__(self, me: str, talk: Alternating, stance: Stance) -> None:
        """A party to a talk of which nothing is said yet.

        Raises `TypeError` where the stance is for another protocol, `ValueError` where it has no seat, or there are too
        many outcomes to look at each.
        """
        if me not in talk.rules.order:
            raise ValueError(f"order: {me} is not in it")
        self.me = me
        self.talk = talk
        self.stance = stance
        self._strategy = stance.offering()
        self._ranking = Ranking(Space.of(talk.rules.domain), stance.utility)
        #: Every word, in its exact bytes: what a dispute is settled with.
        self.words: list[bytes] = []

    def speak(self, now_unix_ms: int) -> tuple[Word, bytes] | None:
        """Speak, if it has the floor: the word and its exact bytes, which it has heard itself.

        Raises `WordRefused` where it is too late, or its strategy says what cannot be said, `TypeError` where what it
        says is no choice.
        """
        talk = self.talk
        if talk.mover != self.me:
            return None
        choice = self._strategy.choose(
            Situation(
                utility=self.stance.utility,
                ranking=self._ranking,
                reserved_ppm=self.stance.reserved_ppm,
                parties=len(talk.rules.order),
                round=talk.round,
                rounds=talk.rules.rounds,
                table=talk.table,
            )
        )
        match choice:
            case Offer(outcome):
                body = talk.offer(self.me, outcome)
            case Accept() if (accepting := talk.accept(self.me)) is not None:
                body = accepting
            case Accept() | End():
                body = talk.finish(self.me, _NOTHING_TO_GAIN)
            case _:
                raise TypeError(f"choose: an Offer, Accept or End, not {choice!r}")
        return self._say(body, now_unix_ms)

    def finish(self, reason: str, now_unix_ms: int) -> tuple[Word, bytes]:
        """End the talk, having the floor. Raises `WordRefused`."""
        return self._say(self.talk.finish(self.me, reason), now_unix_ms)

    def _say(self, body: bytes, now_unix_ms: int) -> tuple[Word, bytes]:
        word = self.talk.hear(body, now_unix_ms)
        self.words.append(body)
        return word, body

    def hear(self, body: bytes, now_unix_ms: int) -> None:
        """Hear another's word. Raises `WordRefused`; nothing has changed then."""
        seat = self.talk.seat
        word = self.talk.hear(body, now_unix_ms)
        self.words.append(body)
        if isinstance(word, wire.TalkOffer):
            outcome = tuple(word.outcome)
            self._strategy.heard(seat, outcome, self.stance.utility(outcome))


def negotiate(rules: wire.Alternating | bytes, stances: Mapping[str, Stance], deal: str = "a" * 26) -> Alternating:
    """A whole talk, every party in this process, without a bus and without time: how it went.

    For trying strategies: ``negotiate(rules, {"kenya": Stance(...), "egypt": Stance(...)}).agreed``.
    """
    body = rules if isinstance(rules, bytes) else encode(rules)
    room = [Negotiator(me, Alternating(deal, body), stance) for me, stance in stances.items()]
    while True:
        for speaker in room:
            said = speaker.speak(0)
            if said is not None:
                break
        else:
            return room[0].talk
        for other in room:
            if other is not speaker:
                other.hear(said[1], 0)
