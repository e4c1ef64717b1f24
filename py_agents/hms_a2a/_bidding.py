"""What to bid when one is called: the interface, and the bidders of the crate `negotiation`.

The rule of the award is known to all, so a bidder who knows what it wants for itself bids the outcome that scores
highest of those that leave it that much. Those here bid the same as their namesakes in Rust.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hms_a2a._contract_net import SCORES
from hms_a2a._limits import PPM
from hms_a2a._strategies import Concession

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from hms_a2a._space import Ranking
    from hms_a2a._utility import Outcome


@dataclass(frozen=True, kw_only=True)
class Contest:
    """What a bidder sees when it is called.

    `ranking` has all outcomes, ranked by what they are worth to it; `reserved_ppm` is what no agreement is worth to
    it. Of at most `rounds` this is number `round`, counted from 0. `score` says what a bid scores by the award's rule.
    `best` is the best bid so far, whosever it is, None in the first round; it is this bidder's own where it `leads`.
    The best score must grow by `least_gain` for there to be another round.
    """

    ranking: Ranking
    reserved_ppm: int
    round: int
    rounds: int
    score: Callable[[Outcome], int | None]
    best: Outcome | None
    leads: bool
    least_gain: int

    @property
    def time_ppm(self) -> int:
        """How many of the rounds are behind, in parts of a million, the one that runs included."""
        return (self.round + 1) * PPM // (self.rounds + 1)

    def level(self, share_ppm: int) -> int:
        """A worth so far between what no agreement is worth (0) and the best (1,000,000), in parts of a million."""
        return self.ranking.level(self.reserved_ppm, share_ppm)

    def _worth(self, least_ppm: int) -> Iterator[tuple[int, Outcome]]:
        return self.ranking.between(least_ppm, self.ranking.best_ppm)

    def highest(self, asked_ppm: int) -> Outcome | None:
        """The outcome that scores highest, of those worth at least so much, and at least as much as no agreement.

        Between equals it is the one worth most to oneself; None where there is none.
        """
        best: tuple[int, Outcome] | None = None
        for _, outcome in self._worth(max(asked_ppm, self.reserved_ppm)):
            score = self.score(outcome)
            if score is None:
                return None
            if best is None or score > best[0]:
                best = score, outcome
        return None if best is None else best[1]

    def dearest(self, least_score: int) -> Outcome | None:
        """The best outcome for oneself that scores at least so much, worth at least as much as no agreement."""
        for _, outcome in self._worth(self.reserved_ppm):
            score = self.score(outcome)
            if score is not None and score >= least_score:
                return outcome
        return None


class Bidder(ABC):
    """A way of bidding. One object bids in one contract net.

    ::

        class Modest(Bidder):
            \"\"\"Asks for half of what there is to gain, then for a third, and so on; stays where it leads.\"\"\"

            def bid(self, now):
                return now.best if now.leads else now.highest(now.level(1_000_000 // (now.round + 2)))
    """

    @abstractmethod
    def bid(self, now: Contest) -> Outcome | None:
        """Says what to bid; None declines."""


class Sealed(Bidder):
    """Asks for the same share of what there is to gain in every round: what one does in sealed bidding.

    `share_ppm` is that share, in parts of a million.
    """

    def __init__(self, share_ppm: int = 300_000) -> None:
        self._share_ppm = share_ppm

    def bid(self, now: Contest) -> Outcome | None:
        """Bids the same again."""
        return now.highest(now.level(self._share_ppm))


class Asking(Bidder):
    """Asks for less from round to round, whatever the others bid: ``Asking(Boulware())``."""

    def __init__(self, pace: Concession) -> None:
        """Ask as `pace` does, the rounds being the time. Raises `TypeError` for what is none."""
        if not isinstance(pace, Concession):
            raise TypeError(f"pace: a Concession, as Linear() is, not {pace!r}")
        self._pace = pace

    def bid(self, now: Contest) -> Outcome | None:
        """Asks for what the time says."""
        return now.highest(now.level(self._pace.asked_ppm(now.time_ppm)))


class Undercut(Bidder):
    """Begins with what is best for itself, and then beats the best bid by no more than it must.

    It declines when it would have to give more than it can. While its own bid is the best, it bids that again.
    """

    def __init__(self) -> None:
        self._own: Outcome | None = None

    def bid(self, now: Contest) -> Outcome | None:
        """Beats the best bid."""
        if not now.leads:
            least = SCORES.start
            if now.best is not None:
                score = now.score(now.best)
                if score is None or (least := score + now.least_gain) not in SCORES:
                    return None
            self._own = now.dearest(least)
        return self._own
