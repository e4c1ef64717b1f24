"""What a search may spend: leaf programmes, time, and the asker's patience."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


class Spent(Exception):  # it ends a search and is no error
    """The budget has run out: `reason` is ``deadline``, ``budget`` or ``cancelled``."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Budget:
    """Counts leaf programmes, and stops a search at its deadline, at its number, or when it is asked to."""

    def __init__(
        self,
        clock: Callable[[], float],
        seconds: float | None = None,
        leaf_programmes: int | None = None,
        should_stop: Callable[[], bool] | None = None,
    ) -> None:
        self._clock = clock
        self._began = clock()
        self._end = None if seconds is None else self._began + seconds
        self._most = leaf_programmes
        self._should_stop = should_stop
        self.leaf_programmes = 0

    def check(self) -> None:
        """Raise `Spent` where nothing is left."""
        if self._should_stop is not None and self._should_stop():
            raise Spent("cancelled")
        if self._end is not None and self._clock() >= self._end:
            raise Spent("deadline")

    def take(self) -> None:
        """Take one leaf programme. Raises `Spent`."""
        self.check()
        if self._most is not None and self.leaf_programmes >= self._most:
            raise Spent("budget")
        self.leaf_programmes += 1

    @property
    def seconds_left(self) -> float | None:
        """Time that is left; None without a deadline."""
        return None if self._end is None else self._end - self._clock()

    @property
    def took_ms(self) -> float:
        """Time since the start."""
        return (self._clock() - self._began) * 1000.0
