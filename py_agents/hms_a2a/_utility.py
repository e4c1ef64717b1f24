"""What outcomes are worth to a party, in whole parts of a million.

A utility is any function from an outcome, one choice for each issue counted from 0, to a whole number. The two here are
those that negotiations are studied with; they compute as the crate `negotiation` does, to the last part of a million.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from hms_a2a._limits import PPM

#: One choice for each issue, counted from 0.
Outcome = tuple[int, ...]
#: What an outcome is worth, in parts of a million.
Utility = Callable[[Outcome], int]

_MOST = 2**63 - 1


def bounded(worth: int) -> int:
    """A worth, within 64 bits: what is beyond is worth no more than the most that fits."""
    return worth if -_MOST <= worth <= _MOST else max(-_MOST - 1, min(_MOST, worth))


def quotient(of: int, by: int) -> int:
    """A quotient rounded towards zero, as most languages do and Python doesn't."""
    return of // by if of >= 0 else -(-of // by)


class Additive:
    """Linear additive: each issue adds its weight times what the choice is worth, both in parts of a million.

    ``Additive([(700_000, [0, 500_000, 1_000_000]), (300_000, [1_000_000, 0])])`` is a utility over two issues. A choice
    that no worth is stated for adds nothing.
    """

    def __init__(self, issues: Sequence[tuple[int, Sequence[int]]]) -> None:
        """Raises `TypeError` for what is no whole number."""
        self._parts = []
        for place, (weight, worths) in enumerate(issues):
            for number in (weight, *worths):
                if not isinstance(number, int):
                    raise TypeError(f"issues[{place}]: whole parts of a million, not {number!r}")
            self._parts.append([weight * worth for worth in worths])

    def __call__(self, outcome: Outcome) -> int:
        total = 0
        for part, choice in zip(self._parts, outcome, strict=False):
            if choice < len(part):
                total += part[choice]
        return bounded(quotient(total, PPM))


@dataclass(frozen=True)
class Rectangle:
    """A part of the space, from these choices to those, both included; being in it adds so many parts of a million."""

    from_: Sequence[int]
    to: Sequence[int]
    adds_ppm: int

    def __contains__(self, outcome: Outcome) -> bool:
        return len(outcome) == len(self.from_) and all(
            least <= choice <= most for least, choice, most in zip(self.from_, outcome, self.to, strict=False)
        )


@dataclass(frozen=True)
class Rectangles:
    """The sum of what the hyper-rectangles add that an outcome is in (Ito, Hattori & Klein 2007)."""

    rectangles: Sequence[Rectangle]

    def __call__(self, outcome: Outcome) -> int:
        total = 0
        for rectangle in self.rectangles:
            if outcome in rectangle:
                total = bounded(total + rectangle.adds_ppm)
        return total
