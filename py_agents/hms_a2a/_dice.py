"""Chance that follows from a seed: SplitMix64 (Steele, Lea & Flood 2014)."""

from __future__ import annotations


class Dice:
    """Dice of one seed: what they draw is what those of the crate `negotiation` draw."""

    def __init__(self, seed: int) -> None:
        self._state = seed

    def below(self, below: int) -> int:
        """A number from 0 up to, and without, `below`."""
        self._state = (self._state + 0x9E37_79B9_7F4A_7C15) % 2**64
        mixed = self._state
        mixed = (mixed ^ (mixed >> 30)) * 0xBF58_476D_1CE4_E5B9 % 2**64
        mixed = (mixed ^ (mixed >> 27)) * 0x94D0_49BB_1331_11EB % 2**64
        return (mixed ^ (mixed >> 31)) % below
