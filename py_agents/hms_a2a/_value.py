"""What goods and terms are worth to an agent, exactly.

Receiving q of a good is worth q·φ⁺·v, giving it costs q·φ⁻·c, with v and c in minor units of the market's unit of
account for each minor unit of the good. D = 1/(1 + rate·days/365) discounts, days being whole days from the terms'
expiry to the due date; φ⁺ = ⌊10⁹·D·p·(1 − ρ·(1 − p))⌋ for receipts that arrive with probability p, φ⁻ = ⌈10⁹·D⌉. With
a margin μ the agent is satisfied iff Σ_in q·φ⁺·v ≥ (1 + μ)·Σ_out q·φ⁻·c at the worst corner of its bounds: its lowest
values, its highest costs. The cores compute the same (crate ``terms``) and a test compares the two.

There are no floats: nothing here may come out differently on another machine.
"""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from typing import TYPE_CHECKING, NamedTuple

from hms_a2a._limits import PPM

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

#: An exact number as people write it: `20`, `"99/5"`, `"19.8"`, `Fraction(99, 5)`, `Decimal("19.8")`.
Exact = int | str | Fraction | Decimal
#: An exact number, or the pair of bounds that it lies between.
Price = Exact | tuple[Exact, Exact]

PPB = 10**9
DAY_MS = 24 * 60 * 60 * 1000
YEAR_DAYS = 365

_I64_MAX = 2**63 - 1

#: Discount rate a year and risk aversion ρ of each kind of party, where it states none: those of the crate `terms`.
_USUAL = {
    "government": (Fraction(7, 200), Fraction(0)),
    "corporate": (Fraction(2, 25), Fraction(1, 10)),
    "ngo": (Fraction(1, 25), Fraction(1, 5)),
    "civilian": (Fraction(1, 10), Fraction(1, 2)),
}
KINDS = tuple(_USUAL)


def exact(number: Exact) -> Fraction:
    """The number as a ratio. Raises `TypeError` for a float, `ValueError` for what is no number."""
    if isinstance(number, bool) or not isinstance(number, int | str | Fraction | Decimal):
        raise TypeError(f"{number!r} is not exact: write an int, a string such as '99/5', or a Fraction")
    try:
        ratio = Fraction(number)
    except (ValueError, OverflowError, ZeroDivisionError) as error:
        raise ValueError(f"{number!r} is no number") from error
    if max(abs(ratio.numerator), ratio.denominator) > _I64_MAX:
        raise ValueError(f"{ratio} does not fit the wire: numerator and denominator have 64 bits")
    return ratio


def quantity(units: int) -> int:
    """A positive number of minor units. Raises `TypeError` or `ValueError` for anything else."""
    if isinstance(units, bool) or not isinstance(units, int):
        raise TypeError(f"a quantity is a whole number of minor units, not {units!r}")
    if not 0 < units <= _I64_MAX:
        raise ValueError(f"a quantity is positive and fits 64 bits, not {units}")
    return units


class Range(NamedTuple):
    """Bounds of a unit value or cost: neither negative nor turned around."""

    lo: Fraction
    hi: Fraction

    @classmethod
    def of(cls, price: Price) -> Range:
        """Bounds from one number or two. Raises `TypeError` or `ValueError`."""
        lo, hi = price if isinstance(price, tuple) else (price, price)
        bounds = cls(exact(lo), exact(hi))
        if bounds.lo < 0 or bounds.lo > bounds.hi:
            raise ValueError(f"bounds are 0 ≤ lo ≤ hi, not {bounds.lo} and {bounds.hi}")
        return bounds

    @property
    def mid(self) -> Fraction:
        """The central value."""
        return (self.lo + self.hi) / 2


class Outlook(NamedTuple):
    """How an agent looks at time and risk. What it leaves out comes from its kind."""

    kind: str = "corporate"
    rate: Fraction | None = None
    risk_aversion: Fraction | None = None
    arrival: Fraction | None = None

    @classmethod
    def of(
        cls,
        kind: str = "corporate",
        rate: Exact | None = None,
        risk_aversion: Exact | None = None,
        arrival: Exact | None = None,
    ) -> Outlook:
        """An outlook. Raises `TypeError` or `ValueError` for what the contract refuses."""
        if kind not in _USUAL:
            raise ValueError(f"a kind is one of {', '.join(KINDS)}, not {kind!r}")
        stated = [None if number is None else exact(number) for number in (rate, risk_aversion, arrival)]
        outlook = cls(kind, *stated)
        if outlook.rate is not None and outlook.rate < 0:
            raise ValueError("a discount rate must not be negative")
        if any(number is not None and not 0 <= number <= 1 for number in stated[1:]):
            raise ValueError("risk aversion and the probability of arrival are from 0 to 1")
        return outlook

    def factors(self, days: int) -> tuple[int, int]:
        """φ⁺ and φ⁻ for goods due in so many whole days, in units of 10⁻⁹."""
        usual_rate, usual_aversion = _USUAL[self.kind]
        rate = usual_rate if self.rate is None else self.rate
        aversion = usual_aversion if self.risk_aversion is None else self.risk_aversion
        arrival = Fraction(1) if self.arrival is None else self.arrival
        discount = 1 / (1 + rate * days / YEAR_DAYS)
        certainty = arrival * (1 - aversion * (1 - arrival))
        receipt, giving = PPB * discount * certainty, PPB * discount
        return receipt.numerator // receipt.denominator, -(-giving.numerator // giving.denominator)


class Flow(NamedTuple):
    """A good that changes hands, as an agent sees it."""

    good: str
    quantity: int
    days: int


class Worth(NamedTuple):
    """What terms are worth to an agent, in minor units of account."""

    received_lo: Fraction
    received: Fraction
    given: Fraction
    given_hi: Fraction

    def satisfies(self, margin_ppm: int) -> bool:
        """Whether the worst corner leaves the margin."""
        return self.received_lo * PPM >= (PPM + margin_ppm) * self.given_hi

    @property
    def gain_minor(self) -> int:
        """Received − given at central values, rounded down."""
        return _floor(self.received - self.given)

    @property
    def worst_gain_minor(self) -> int:
        """Received − given at the worst corner, rounded down."""
        return _floor(self.received_lo - self.given_hi)


def worth(
    receipts: Iterable[Flow],
    gifts: Iterable[Flow],
    value_of: Callable[[str], Range],
    cost_of: Callable[[str], Range],
    outlook: Outlook,
) -> Worth:
    """What receiving and giving these goods is worth."""
    received_lo = received = given = given_hi = Fraction(0)
    for flow in receipts:
        value, counted = value_of(flow.good), flow.quantity * outlook.factors(flow.days)[0]
        received_lo += counted * value.lo
        received += counted * value.mid
    for flow in gifts:
        cost, counted = cost_of(flow.good), flow.quantity * outlook.factors(flow.days)[1]
        given += counted * cost.mid
        given_hi += counted * cost.hi
    return Worth(received_lo / PPB, received / PPB, given / PPB, given_hi / PPB)


def days_between(expires_unix_ms: int, due_unix_ms: int) -> int:
    """Whole days from the terms' expiry to a due date, at least 0."""
    return max(0, (due_unix_ms - expires_unix_ms) // DAY_MS)


def _floor(ratio: Fraction) -> int:
    return ratio.numerator // ratio.denominator
