"""Polynomials in floats, many points at a time."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hms_a2a.gtp._poly import Poly


class Field:
    """A polynomial with its gradient, at many points at once."""

    def __init__(self, poly: Poly) -> None:
        monomials, coefs = poly.floats()
        self._n = poly.n
        self._exponents = np.array(monomials, dtype=int).reshape(len(monomials), poly.n)
        self._coefs = np.array(coefs)
        self.scale = float(np.abs(self._coefs).max()) if coefs else 1.0
        self._poly = poly

    @cached_property
    def _slopes(self) -> list[tuple[int, Field]]:
        """The derivatives that are not 0, made when they are first needed."""
        return [(i, Field(slope)) for i in range(self._n) if (slope := self._poly.derivative(i))]

    def at(self, points: Any) -> Any:
        """Its values at points, one a row."""
        if not len(self._coefs):
            return np.zeros(len(points))
        values = np.ones((len(points), len(self._coefs)))
        for i in range(self._n):
            exponents = self._exponents[:, i]
            if exponents.any():
                values *= points[:, i : i + 1] ** exponents[None, :]
        return values @ self._coefs

    def gradient(self, points: Any) -> Any:
        """Its gradients at points."""
        found = np.zeros((len(points), self._n))
        for i, slope in self._slopes:
            found[:, i] = slope.at(points)
        return found

    def hessian(self, point: Any) -> Any:
        """Its second derivatives at one point."""
        found = np.zeros((self._n, self._n))
        for i, slope in self._slopes:
            found[i] = slope.gradient(point[None, :])[0]
        return found


def box_of(low: Sequence[float | None], high: Sequence[float | None], reach: float) -> Any:
    """Ends for each variable: its bounds, or `reach` to either side of the one that it has, or of 0."""
    ends = []
    for a, b in zip(low, high, strict=True):
        if a is not None and b is not None:
            ends.append((a, b))
        elif a is not None:
            ends.append((a, a + reach))
        elif b is not None:
            ends.append((b - reach, b))
        else:
            ends.append((-reach, reach))
    return np.array(ends).reshape(len(ends), 2)
