"""With what a party sits down."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from hms_a2a._bidding import Bidder
from hms_a2a._strategies import Strategy
from hms_a2a._voting import Voter

if TYPE_CHECKING:
    from hms_a2a._utility import Utility


@dataclass(frozen=True)
class Stance:
    """With what a party sits down: what outcomes are worth to it, and how it negotiates.

    ::

        Stance(lambda outcome: 100_000 * outcome[0], Boulware(), reserved_ppm=200_000)

    A `Strategy` makes and answers offers (``sao/1``), a `Bidder` bids (``cnp/1``, ``icnp/1``), a `Voter` votes
    (``stx/1``). `reserved_ppm` is what no agreement is worth to it, in parts of a million: it agrees to nothing below.
    Raises `TypeError` for what is none of that.
    """

    utility: Utility
    strategy: Strategy | Bidder | Voter
    reserved_ppm: int = 0

    def __post_init__(self) -> None:
        if not callable(self.utility):
            raise TypeError(f"utility: a function from an outcome to parts of a million, not {self.utility!r}")
        if not isinstance(self.strategy, Strategy | Bidder | Voter):
            raise TypeError(f"strategy: a Strategy, a Bidder or a Voter, as Linear() is one, not {self.strategy!r}")
        if type(self.reserved_ppm) is not int:
            raise TypeError(f"reserved_ppm: a whole number of parts of a million, not {self.reserved_ppm!r}")

    def offering(self) -> Strategy:
        """Its strategy, where that makes and answers offers. Raises `TypeError`."""
        if not isinstance(self.strategy, Strategy):
            raise _unfit("Strategy", self.strategy)
        return self.strategy

    def bidding(self) -> Bidder:
        """Its strategy, where that bids. Raises `TypeError`."""
        if not isinstance(self.strategy, Bidder):
            raise _unfit("Bidder", self.strategy)
        return self.strategy

    def voting(self) -> Voter:
        """Its strategy, where that votes. Raises `TypeError`."""
        if not isinstance(self.strategy, Voter):
            raise _unfit("Voter", self.strategy)
        return self.strategy


def _unfit(wanted: str, strategy: object) -> TypeError:
    return TypeError(f"strategy: this protocol takes a {wanted}, not {strategy!r}")
