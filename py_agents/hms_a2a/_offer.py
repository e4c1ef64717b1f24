"""What an agent gives and wants, as its author states it, and what is left of it as deals come.

An offer never changes. What has been promised and delivered is subtracted from it, so the agent cannot promise the
same good twice, and an agent that comes back states what is left.
"""

from __future__ import annotations

import re
from collections import Counter
from enum import StrEnum
from fractions import Fraction
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from hms_a2a._value import Outlook, Price, Range, quantity

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_TOKEN = re.compile(r"[a-z0-9_-]{1,63}")

K = TypeVar("K", bound=StrEnum)

NOTHING: Mapping[str, int] = {}


def token(text: str, what: str) -> str:
    """One token of a subject. Raises `ValueError` for anything else."""
    if not _TOKEN.fullmatch(text):
        raise ValueError(f"{what} is 1 to 63 of a-z, 0-9, _ and -, not {text!r}")
    return text


def one_of(kind: type[K], text: str, what: str) -> K:
    """One of the words of the contract. Raises `ValueError` for any other."""
    try:
        return kind(text)
    except ValueError:
        raise ValueError(f"{what} is one of {', '.join(kind)}, not {text!r}") from None


class Give:
    """A good that an agent gives: at most `limit` minor units, each costing it `cost` minor units of account."""

    __slots__ = ("cost", "good", "limit")

    def __init__(self, good: str, limit: int, *, cost: Price) -> None:
        """Say what is given; `cost` is one exact number or the pair of bounds that it lies between."""
        self.good = token(good, "a good")
        self.limit = quantity(limit)
        self.cost = Range.of(cost)

    def __repr__(self) -> str:
        return f"Give({self.good!r}, {self.limit}, cost={_shown(self.cost)})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Give) and (self.good, self.limit, self.cost) == (other.good, other.limit, other.cost)

    def __hash__(self) -> int:
        return hash((self.good, self.limit, self.cost))


class Alternative(NamedTuple):
    """One way to fill a want."""

    good: str
    limit: int
    value: Range


class Want:
    """A good that an agent wants: at most `limit` minor units, each worth `value` minor units of account to it.

    ``Want("coffee", 50, value=90) | Want("tea", 80, value=60)`` is filled by either, or by some of both: what comes,
    each as a share of its limit, adds up to no more than 1.
    """

    __slots__ = ("any_of",)

    def __init__(self, good: str, limit: int, *, value: Price) -> None:
        """Say what is wanted; `value` is one exact number or the pair of bounds that it lies between."""
        self.any_of: tuple[Alternative, ...] = (Alternative(token(good, "a good"), quantity(limit), Range.of(value)),)

    @classmethod
    def of(cls, alternatives: Sequence[Alternative]) -> Want:
        """A want that any of these fill. Raises `ValueError` when there are none."""
        if not alternatives:
            raise ValueError("a want needs at least one good")
        want = cls.__new__(cls)
        want.any_of = tuple(alternatives)
        return want

    def __or__(self, other: Want) -> Want:
        if not isinstance(other, Want):
            return NotImplemented
        return Want.of(self.any_of + other.any_of)

    def filled(self, received: Mapping[str, int]) -> Fraction:
        """The share of it that these receipts fill; more than 1 is too much."""
        return sum((Fraction(received.get(a.good, 0), a.limit) for a in self.any_of), Fraction(0))

    def __repr__(self) -> str:
        return " | ".join(f"Want({a.good!r}, {a.limit}, value={_shown(a.value)})" for a in self.any_of)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Want) and self.any_of == other.any_of

    def __hash__(self) -> int:
        return hash(self.any_of)


class Offer:
    """Everything that an agent states in one market."""

    def __init__(
        self,
        gives: Sequence[Give] = (),
        wants: Sequence[Want] = (),
        margin_ppm: int = 0,
        outlook: Outlook | None = None,
    ) -> None:
        """State it. Raises `ValueError` for what a market would refuse.

        A good may stand once in `gives` and in one want; one that is both given and wanted must be worth no more than
        it costs.
        """
        self.gives = tuple(gives)
        self.wants = tuple(wants)
        self.margin_ppm = margin_ppm
        self.outlook = outlook or Outlook()
        self._costs = {give.good: give for give in self.gives}
        self._values = {a.good: a for want in self.wants for a in want.any_of}
        if not 0 <= margin_ppm <= 10**9:
            raise ValueError(f"a margin is 0 to 1000000000 ppm, not {margin_ppm}")
        counts = Counter(give.good for give in self.gives)
        if twice := [good for good, count in counts.items() if count > 1]:
            raise ValueError(f"{', '.join(twice)}: given twice; state it once")
        counts = Counter(a.good for want in self.wants for a in want.any_of)
        if twice := [good for good, count in counts.items() if count > 1]:
            raise ValueError(f"{', '.join(twice)}: wanted twice; state it in one want")
        for good in self._costs.keys() & self._values.keys():
            if self._values[good].value.hi > self._costs[good].cost.lo:
                raise ValueError(f"{good} is given and wanted: it must be worth no more than it costs")

    def cost_of(self, good: str) -> Range | None:
        """What giving a unit costs; None for what is not given."""
        give = self._costs.get(good)
        return give.cost if give else None

    def value_of(self, good: str) -> Range | None:
        """What a unit is worth; None for what is not wanted."""
        alternative = self._values.get(good)
        return alternative.value if alternative else None

    def lacks_room_for(self, given: Mapping[str, int], received: Mapping[str, int]) -> str | None:
        """Why these goods, all told, are more than was offered; None when they fit."""
        for good, units in given.items():
            give = self._costs.get(good)
            if give is None:
                return f"does not give {good}"
            if units > give.limit:
                return f"gives no more than {give.limit} {good}"
        for good in received:
            if good not in self._values:
                return f"does not want {good}"
        for want in self.wants:
            if want.filled(received) > 1:
                goods = " or ".join(f"{a.limit} {a.good}" for a in want.any_of)
                return f"wants no more than {goods}"
        return None

    def less(self, given: Mapping[str, int], received: Mapping[str, int]) -> Offer:
        """What is left of it: alternatives shrink in proportion, rounded down, and what is used up is left out."""
        gives = []
        for give in self.gives:
            left = give.limit - given.get(give.good, 0)
            if left > 0:
                gives.append(Give(give.good, left, cost=give.cost))
        wants = []
        for want in self.wants:
            share = 1 - want.filled(received)
            shrunk = [Alternative(a.good, int(a.limit * share), a.value) for a in want.any_of]
            if alternatives := [a for a in shrunk if a.limit > 0]:
                wants.append(Want.of(alternatives))
        return Offer(gives, wants, self.margin_ppm, self.outlook)

    def __repr__(self) -> str:
        return f"Offer(gives={list(self.gives)}, wants={list(self.wants)}, margin_ppm={self.margin_ppm})"


def _shown(bounds: Range) -> str:
    return str(bounds.lo) if bounds.lo == bounds.hi else f"{bounds.lo}..{bounds.hi}"
