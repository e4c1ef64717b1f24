"""Alarms for what mostly ends before they ring: one timer for all that are due within the same hundredth of a second.

A timer of asyncio's is two objects and a place in a heap. Each question has a time limit on both sides, and nearly each
is answered long before.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

#: An alarm rings so much too late at most.
_GRAIN_S = 0.01


class Alarms:
    """What rings in one event loop."""

    def __init__(self) -> None:
        self._due: dict[int, set[Callable[[], object]]] = {}

    def set(self, after_s: float, ring: Callable[[], object]) -> int:
        """Have this called then, and not before; `drop` it with what is returned."""
        loop = asyncio.get_running_loop()
        slot = int((loop.time() + after_s) / _GRAIN_S) + 1
        due = self._due.get(slot)
        if due is None:
            due = self._due[slot] = set()
            loop.call_at(slot * _GRAIN_S, self._ring, slot)
        due.add(ring)
        return slot

    def drop(self, slot: int, ring: Callable[[], object]) -> None:
        """Have it called no more."""
        due = self._due.get(slot)
        if due is not None:
            due.discard(ring)

    def _ring(self, slot: int) -> None:
        for ring in self._due.pop(slot):
            ring()
