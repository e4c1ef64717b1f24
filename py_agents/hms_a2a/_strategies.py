"""What to say when it is one's turn: the interface, and the strategies of the crate `negotiation`.

Those here say the same words as their namesakes in Rust: all that decides is whole numbers, and floats only guess what
others want, in operations that every machine does alike.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hms_a2a._dice import Dice
from hms_a2a._limits import PPM
from hms_a2a._utility import bounded

if TYPE_CHECKING:
    from hms_a2a._space import Ranking
    from hms_a2a._utility import Outcome, Utility

#: The most outcomes that `NashSeeker` looks at for one offer.
_MOST_LOOKED_AT = 2_000
#: The largest number in an exponent's ratio.
_MOST_EXPONENT = 6


@dataclass(frozen=True)
class Offer:
    """It puts an outcome on the table."""

    outcome: Outcome


@dataclass(frozen=True)
class Accept:
    """It accepts what is on the table."""


@dataclass(frozen=True)
class End:
    """It ends the talk."""


#: What a party does on its turn.
Choice = Offer | Accept | End


@dataclass(frozen=True, kw_only=True)
class Situation:
    """What a party sees on its turn.

    `utility` says what outcomes are worth to it, `ranking` has all of them, ranked by that; `reserved_ppm` is what no
    agreement is worth to it. Of `rounds` this is number `round`, counted from 0. `table` is another's offer that is
    on the table, if there is one.
    """

    utility: Utility
    ranking: Ranking
    reserved_ppm: int
    parties: int
    round: int
    rounds: int
    table: Outcome | None

    @property
    def time_ppm(self) -> int:
        """How much of the talk is behind, in parts of a million, the round that runs included."""
        return (self.round + 1) * PPM // (self.rounds + 1)

    @property
    def is_last_round(self) -> bool:
        """Whether there is no round after this."""
        return self.round + 1 >= self.rounds

    def worth(self, outcome: Outcome) -> int:
        """What an outcome is worth, in parts of a million."""
        return self.utility(outcome)

    def is_acceptable(self, outcome: Outcome) -> bool:
        """Whether an outcome is worth at least as much as no agreement."""
        return self.worth(outcome) >= self.reserved_ppm

    def best(self) -> Choice:
        """Offers the best outcome; ends the talk where even that is worth less than no agreement."""
        first = self.ranking.at(0)
        return Offer(first[1]) if first is not None and first[0] >= self.reserved_ppm else End()

    def level(self, share_ppm: int) -> int:
        """A worth so far between what no agreement is worth (0) and the best (1,000,000), in parts of a million."""
        return self.ranking.level(self.reserved_ppm, share_ppm)

    def accept_from(self, least_ppm: int, offer: Outcome) -> Choice:
        """Accepts what is on the table where it is worth at least so much; else offers."""
        if self.table is not None and self.worth(self.table) >= least_ppm:
            return Accept()
        return Offer(offer)


class Strategy(ABC):
    """A way of making and answering offers. One object negotiates once.

    It sees a `Situation` and makes a `Choice`; what others offer it is told as it happens. The protocol is not its
    affair::

        class Stubborn(Strategy):
            \"\"\"Offers its best, and takes anything in the last round.\"\"\"

            def choose(self, now):
                if now.table is not None and now.is_last_round and now.is_acceptable(now.table):
                    return Accept()
                return now.best()
    """

    @abstractmethod
    def choose(self, now: Situation) -> Choice:
        """Says what to do: it is one's turn."""

    def heard(self, seat: int, outcome: Outcome, worth_ppm: int, /) -> None:  # noqa: B027 # nothing is good enough
        """Is told what another offers, worth so much to oneself, in parts of a million; `seat` is the other's."""


class Concession(Strategy):
    """Asks for less as time goes by, whatever the others do (Faratin, Sierra & Jennings 1998).

    What it asks for falls from the best to the reservation along 1 − t^e; the exponent e is the ratio over/under of
    whole numbers from 1 to 6 (what lies beyond counts as the nearest).
    """

    def __init__(self, over: int = 1, under: int = 1) -> None:
        self._over = max(1, min(_MOST_EXPONENT, over))
        self._under = max(1, min(_MOST_EXPONENT, under))

    def asked_ppm(self, time_ppm: int) -> int:
        """The share of the room between reservation and best that is asked for at a time, both in parts of a million.

        It is ⌊1 − t^e⌋, exactly.
        """
        over, under = self._over, self._under
        time = max(0, min(PPM, time_ppm))
        # The least conceded with (conceded/whole)^under ≥ (time/whole)^over, by halves.
        scale = PPM ** max(0, over - under)
        least = time**over * PPM ** max(0, under - over)
        low, high = 0, PPM
        while low < high:
            conceded = (low + high) // 2
            if conceded**under * scale >= least:
                high = conceded
            else:
                low = conceded + 1
        return PPM - high

    def choose(self, now: Situation) -> Choice:
        """Asks for what the time says."""
        if now.ranking.best_ppm < now.reserved_ppm:
            return End()
        asked = now.level(self.asked_ppm(now.time_ppm))
        return now.accept_from(asked, now.ranking.least_from(asked))


class Boulware(Concession):
    """Concedes late: e = 4."""

    def __init__(self) -> None:
        super().__init__(4, 1)


class Linear(Concession):
    """Concedes evenly: e = 1."""

    def __init__(self) -> None:
        super().__init__(1, 1)


class Conceder(Concession):
    """Concedes early: e = 1/4."""

    def __init__(self) -> None:
        super().__init__(1, 4)


class AcceptIfGood(Strategy):
    """Accepts whatever is worth at least so much, and asks for the best until then.

    `share_ppm` is from where on it accepts: a share of the room between reservation and best, in parts of a million.
    """

    def __init__(self, share_ppm: int = 700_000) -> None:
        self._share_ppm = share_ppm

    def choose(self, now: Situation) -> Choice:
        """Accepts, or asks for the best."""
        best = now.best()
        return now.accept_from(now.level(self._share_ppm), best.outcome) if isinstance(best, Offer) else best


class TitForTat(Strategy):
    """Gives way by as much as the others did since they began, as that is worth to itself; with several, by the least.

    Naive tit-for-tat (Faratin, Sierra & Jennings 1998).
    """

    def __init__(self) -> None:
        #: What each other's first offer and its best since were worth, by seat.
        self._others: dict[int, tuple[int, int]] = {}

    def choose(self, now: Situation) -> Choice:
        """Asks for the best less what it was given."""
        if now.ranking.best_ppm < now.reserved_ppm:
            return End()
        given = 0
        if len(self._others) + 1 == now.parties:
            given = min((bounded(best - first) for first, best in self._others.values()), default=0)
        asked = max(bounded(now.ranking.best_ppm - given), now.reserved_ppm)
        return now.accept_from(asked, now.ranking.least_from(asked))

    def heard(self, seat: int, _: Outcome, worth_ppm: int, /) -> None:
        """Keeps what it was given."""
        first, best = self._others.get(seat, (worth_ppm, worth_ppm))
        self._others[seat] = first, max(best, worth_ppm)


class Micro(Strategy):
    """MiCRO, minimal concession (de Jonge 2022): down its own ranking, step by step, and only while the others do.

    It concedes while it has made no more different offers than each other, and else repeats one of its own, which one
    is drawn from its seed.
    """

    def __init__(self, seed: int) -> None:
        self._offered = 0
        self._others: dict[int, set[Outcome]] = {}
        self._dice = Dice(seed)

    def choose(self, now: Situation) -> Choice:
        """Concedes a step, or repeats itself, or accepts what is no worse."""
        fewest = 0
        if len(self._others) + 1 >= now.parties:
            fewest = min((len(offers) for offers in self._others.values()), default=0)
        concedes = now.ranking.at(self._offered)
        if concedes is not None and (concedes[0] < now.reserved_ppm or self._offered > fewest):
            concedes = None
        asked = concedes or now.ranking.at(self._offered - 1)
        if asked is None:
            return End()
        if now.table is not None and now.worth(now.table) >= asked[0]:
            return Accept()
        if concedes is not None:
            self._offered += 1
            return Offer(concedes[1])
        again = now.ranking.at(self._dice.below(self._offered))
        return End() if again is None else Offer(again[1])

    def heard(self, seat: int, outcome: Outcome, _: int, /) -> None:
        """Counts the others' different offers."""
        self._others.setdefault(seat, set()).add(outcome)


class NashSeeker(Strategy):
    """Models the others, and aims at Nash's solution, asking for less as time goes by, late.

    Among the outcomes that are good enough for itself it offers the one with the largest product of everybody's
    gains, as far as it can guess them: a choice is worth the more to another the more often it offers it, and an
    issue weighs the more the less the other varies it (Hindriks & Tykhonov 2008; van Krimpen, Looije & Hajizadeh
    2013).
    """

    def __init__(self) -> None:
        #: How often each other offered each choice, by seat, then by issue and choice.
        self._others: dict[int, Counter[tuple[int, int]]] = {}
        self._pace = Concession(3, 1)

    def choose(self, now: Situation) -> Choice:
        """Accepts what is good enough, or aims."""
        if now.ranking.best_ppm < now.reserved_ppm:
            return End()
        asked = now.level(self._pace.asked_ppm(now.time_ppm))
        if now.table is not None and now.worth(now.table) >= asked:
            return Accept()
        offer = self._aim(now, asked)
        # What is as good as what one is about to ask for is not refused.
        return now.accept_from(now.worth(offer), offer)

    def heard(self, seat: int, outcome: Outcome, _: int, /) -> None:
        """Counts what the others offer."""
        self._others.setdefault(seat, Counter()).update(enumerate(outcome))

    def _aim(self, now: Situation, asked: int) -> Outcome:
        issues = range(len(now.ranking.space.counts))
        models = [(self._others[seat], _favourites(self._others[seat], issues)) for seat in sorted(self._others)]
        # Few at a time, the least good first: those leave the others most.
        enough = now.ranking.count_from(asked)
        best: tuple[float, Outcome] | None = None
        for place in range(max(0, enough - _MOST_LOOKED_AT), enough):
            ranked = now.ranking.at(place)
            if ranked is None:
                break
            worth, outcome = ranked
            product = float(max(1, bounded(worth - now.reserved_ppm)))
            for counts, favourites in models:
                # One more, so that what was never offered is worth little and not nothing.
                guess = 1 + sum(favourites[issue] * counts[issue, choice] for issue, choice in enumerate(outcome))
                product *= float(guess)
            if best is None or product > best[0]:
                best = product, outcome
        return now.ranking.least_from(asked) if best is None else best[1]


def _favourites(counts: Counter[tuple[int, int]], issues: range) -> list[int]:
    """How often a party offered its favourite choice of each issue: what it never varies weighs most."""
    most = [0 for _ in issues]
    for (issue, _), count in counts.items():
        most[issue] = max(most[issue], count)
    return most
