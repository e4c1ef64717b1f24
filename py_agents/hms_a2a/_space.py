"""All outcomes of a domain: numbered, and ranked by what they are worth."""

from __future__ import annotations

import itertools
import math
from bisect import bisect_left, bisect_right
from typing import TYPE_CHECKING

from hms_a2a._limits import PPM
from hms_a2a._utility import bounded, quotient

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from hms_a2a import _wire as wire
    from hms_a2a._utility import Outcome, Utility

#: The most outcomes that are ranked.
_MOST_RANKED = 4_000_000


class Space:
    """The outcomes of issues with so many choices each, every one with a number; the last issue's change fastest."""

    def __init__(self, counts: Sequence[int]) -> None:
        """Raises `ValueError` where there are none, or more than 4,000,000: too many to look at each."""
        self.counts = tuple(counts)
        self.size = math.prod(self.counts)
        if not 1 <= self.size <= _MOST_RANKED:
            raise ValueError(f"{self.size} outcomes are not 1 to {_MOST_RANKED}")

    @classmethod
    def of(cls, domain: wire.Domain) -> Space:
        """The outcomes of a domain. Raises `ValueError`."""
        return cls([issue.count for issue in domain.issues])

    def outcome(self, number: int) -> Outcome:
        """The outcome of a number."""
        choices = []
        for count in reversed(self.counts):
            number, choice = divmod(number, count)
            choices.append(choice)
        return tuple(reversed(choices))


class Ranking:
    """All outcomes, the best first; between equals the one with the lower number."""

    def __init__(self, space: Space, utility: Utility) -> None:
        self.space = space
        """Raises `TypeError` where the utility says what is no whole number."""
        # The product goes through the outcomes by their numbers.
        worths = list(map(utility, itertools.product(*map(range, space.counts))))
        if not set(map(type, worths)) <= {int}:
            number, worth = next((at, worth) for at, worth in enumerate(worths) if type(worth) is not int)
            raise TypeError(f"utility: whole parts of a million, not {worth!r} for {space.outcome(number)}")
        self._numbers = sorted(range(space.size), key=lambda number: (-worths[number], number))
        # Falling worths turned round, so that `bisect` finds its way.
        self._losses = [-worths[number] for number in self._numbers]

    def __len__(self) -> int:
        return len(self._numbers)

    def at(self, place: int) -> tuple[int, Outcome] | None:
        """What the outcome in this place is worth, the best being 0, and the outcome; None where there is none."""
        if not 0 <= place < len(self._numbers):
            return None
        return -self._losses[place], self.space.outcome(self._numbers[place])

    @property
    def best_ppm(self) -> int:
        """What the best is worth, in parts of a million."""
        return -self._losses[0]

    def level(self, reserved_ppm: int, share_ppm: int) -> int:
        """A worth so far between a reservation (0) and the best (1,000,000), in parts of a million."""
        room = max(0, self.best_ppm - reserved_ppm)
        return bounded(reserved_ppm + quotient(room * share_ppm, PPM))

    def count_from(self, least_ppm: int) -> int:
        """How many are worth at least so much."""
        return bisect_right(self._losses, -least_ppm)

    def least_from(self, least_ppm: int) -> Outcome:
        """The least good outcome that is worth at least so much; the best where none is."""
        return self.space.outcome(self._numbers[max(0, self.count_from(least_ppm) - 1)])

    def between(self, least_ppm: int, most_ppm: int) -> Iterator[tuple[int, Outcome]]:
        """Those worth between so much and so much, the best first: worth in parts of a million, and outcome."""
        for place in range(bisect_left(self._losses, -most_ppm), self.count_from(least_ppm)):
            yield -self._losses[place], self.space.outcome(self._numbers[place])
