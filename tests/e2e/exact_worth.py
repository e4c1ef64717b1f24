"""What goods are worth, written once more from the design's text: exact, and sharing nothing with the cores.

Receiving q of a good is worth q·φ⁺·v, giving it costs q·φ⁻·c. D = 1/(1 + rate·days/365); φ⁺ = ⌊10⁹·D·p·(1 − ρ·(1 − p))⌋
for what arrives with probability p, φ⁻ = ⌈10⁹·D⌉, in parts of 10⁹. The centre is the middle of the bounds, the worst
corner the least value and the greatest cost.
"""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any, NamedTuple

MILLION = 10**6
BILLION = 10**9

#: Rate a year and risk aversion of those who state none, by kind.
USUAL = {
    "government": (Fraction(35, 1000), Fraction(0)),
    "corporate": (Fraction(8, 100), Fraction(1, 10)),
    "ngo": (Fraction(4, 100), Fraction(1, 5)),
    "civilian": (Fraction(10, 100), Fraction(1, 2)),
}


class Bounds(NamedTuple):
    """What a unit is worth, or costs, lies between these."""

    lo: Fraction
    hi: Fraction

    @classmethod
    def of(cls, stated: dict[str, Any]) -> Bounds:
        """Bounds as an export shows them."""
        return cls(Fraction(stated["lo"]), Fraction(stated["hi"]))

    @property
    def centre(self) -> Fraction:
        """The central value."""
        return (self.lo + self.hi) / 2


class Factors(NamedTuple):
    """φ⁺ and φ⁻."""

    receipt: Fraction
    giving: Fraction

    @classmethod
    def of(cls, outlook: dict[str, Any], days: int) -> Factors:
        """Those of a party that looks at the future like this, for what is due in so many days."""
        usual_rate, usual_aversion = USUAL[outlook["kind"]]
        rate = Fraction(outlook.get("rate", usual_rate))
        aversion = Fraction(outlook.get("risk_aversion", usual_aversion))
        arrival = Fraction(outlook.get("arrival", 1))
        discount = 1 / (1 + rate * days / 365)
        receipt = math.floor(BILLION * discount * arrival * (1 - aversion * (1 - arrival)))
        return cls(Fraction(receipt, BILLION), Fraction(math.ceil(BILLION * discount), BILLION))


class Gain:
    """What a party gets and gives up, added up."""

    def __init__(self) -> None:
        #: Received less given, at central values.
        self.central = Fraction(0)
        #: Received at its least, and given at its most.
        self.least_received = self.most_given = Fraction(0)

    def receive(self, quantity: int, value: Bounds, factors: Factors) -> None:
        """So much of a good comes in."""
        self.central += quantity * value.centre * factors.receipt
        self.least_received += quantity * value.lo * factors.receipt

    def give(self, quantity: int, cost: Bounds, factors: Factors) -> None:
        """So much of a good goes out."""
        self.central -= quantity * cost.centre * factors.giving
        self.most_given += quantity * cost.hi * factors.giving

    @property
    def minor(self) -> int:
        """The gain at central values in whole minor units, rounded down."""
        return math.floor(self.central)

    def is_enough(self, margin_ppm: int) -> bool:
        """Whether it leaves the party its margin at the worst corner of its bounds."""
        return self.least_received * MILLION >= self.most_given * (MILLION + margin_ppm)
