"""How to vote on the changes of a single text: the interface, and the voters of the crate `negotiation`.

A hill climber takes no step down, and is soon caught on a small hill where issues depend on each other; an annealer
takes some, fewer as time goes by (Klein, Faratin, Sayama & Bar-Yam 2003).
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hms_a2a._dice import Dice
from hms_a2a._limits import PPM
from hms_a2a._utility import bounded

if TYPE_CHECKING:
    from hms_a2a._utility import Outcome, Utility


@dataclass(frozen=True, kw_only=True)
class Ballot:
    """What a party sees when it votes.

    `utility` says what outcomes are worth to it, `reserved_ppm` what no agreement is worth to it. Of `rounds` this is
    number `round`, counted from 0. `text` is what stands, `proposed` what is voted on.
    """

    utility: Utility
    reserved_ppm: int
    round: int
    rounds: int
    text: Outcome
    proposed: Outcome

    @property
    def gain_ppm(self) -> int:
        """What accepting would gain it, in parts of a million."""
        return bounded(self.utility(self.proposed) - self.utility(self.text))


class Voter(ABC):
    """A way of voting. One object votes in one talk.

    ::

        class Patient(Voter):
            \"\"\"Accepts small losses in the first half.\"\"\"

            def accepts(self, now):
                return now.gain_ppm >= (-50_000 if 2 * now.round < now.rounds else 0)
    """

    @abstractmethod
    def accepts(self, now: Ballot) -> bool:
        """Says whether what is voted on may stand."""


class HillClimber(Voter):
    """Accepts whatever is worth no less to it than the text."""

    def accepts(self, now: Ballot) -> bool:
        """Climbs."""
        return now.gain_ppm >= 0


class Annealer(Voter):
    """Accepts a loss of ΔU with the chance e^(-ΔU / T), where T falls evenly to nothing.

    `hot_ppm` is T at the beginning, in parts of a million of utility; what it draws follows from the seed.
    """

    def __init__(self, hot_ppm: int, seed: int) -> None:
        self._hot_ppm = hot_ppm
        self._dice = Dice(seed)

    def accepts(self, now: Ballot) -> bool:
        """Climbs, and at times descends."""
        gain_ppm = now.gain_ppm
        if gain_ppm >= 0:
            return True
        left = max(0, now.rounds - now.round - 1)
        heat_ppm = bounded(self._hot_ppm * left) // now.rounds if self._hot_ppm > 0 else 0
        if heat_ppm <= 0:
            return False
        chance_ppm = int(_exp(float(gain_ppm) / float(heat_ppm)) * 1e6)
        return self._dice.below(PPM) < chance_ppm


#: FreeBSD's constants: ln 2 in two parts, 1 / ln 2, and a polynomial's coefficients.
_LN2_HIGH, _LN2_LOW, _PER_LN2 = 6.93147180369123816490e-01, 1.90821492927058770002e-10, 1.44269504088896338700e00
_P = (
    1.66666666666666019037e-01,
    -2.77777777770155933842e-03,
    6.61375632143793436117e-05,
    -1.65339022054652515390e-06,
    4.13813679705723846039e-08,
)
#: Beyond half of ln 2 the argument is reduced, beyond one and a half by more than one; below the last it adds nothing.
_HALF, _MORE, _TINY = (float.fromhex(bound) for bound in ("0x1.62e43p-2", "0x1.0a2b2p0", "0x1.00001p-28"))


def _exp(x: float) -> float:
    """The exponential of a negative number, to the last bit as FreeBSD's `e_exp.c` and so the crate `libm` have it.

    `math.exp` is the platform's, which may differ in the last bit. Below -700 it is 0.
    """
    if x < -700.0:
        return 0.0
    if abs(x) < _TINY:
        return 1.0 + x
    halvings = 0 if abs(x) < _HALF else -1 if abs(x) < _MORE else int(_PER_LN2 * x - 0.5)
    high, low = x - halvings * _LN2_HIGH, halvings * _LN2_LOW
    rest = high - low
    square = rest * rest
    p1, p2, p3, p4, p5 = _P
    c = rest - square * (p1 + square * (p2 + square * (p3 + square * (p4 + square * p5))))
    return math.ldexp(1.0 + (rest * c / (2.0 - c) - low + high), halvings)
