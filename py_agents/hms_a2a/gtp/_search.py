"""The search for points: counterexamples, and touching points where a true claim is tight.

Corners and a grid of simple rationals come first; then many descents at once, from seeded starts at several scales,
on the goal with a penalty for what violates the hypotheses; at last Newton's method on the conditions of optimality,
which gives enough digits to recognise a rational. Floats propose. A point counts when exact arithmetic says so, after
rounding to ever larger denominators, towards the interior where the hypotheses are tight.
"""

from __future__ import annotations

import itertools
import math
import random
from dataclasses import dataclass, field
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np
from flint import fmpq

from hms_a2a.gtp._floats import Field, box_of
from hms_a2a.gtp._poly import as_float

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from hms_a2a.gtp._budget import Budget
    from hms_a2a.gtp._claim import Claim
    from hms_a2a.gtp._poly import Poly, Q

_SIMPLE = (
    "0",
    "1",
    "-1",
    "1/2",
    "2",
    "-2",
    "-1/2",
    "3",
    "1/3",
    "-3",
    "2/3",
    "1/4",
    "3/4",
    "3/2",
    "4",
    "5",
    "10",
    "-10",
)
_MOST_GRID = 4_000
_FEWEST = 2
_STARTS = 48
_STEPS = 160
_REACHES = (1.0, 3.0, 30.0)
_DENOMINATORS = (1, 2, 3, 4, 6, 10, 12, 60, 1024, 2**20, 2**40)


@dataclass
class Points:
    """What a search for points has found."""

    counterexample: tuple[Q, ...] | None = None
    touching: list[tuple[Q, ...]] = field(default_factory=list)
    """Exactly feasible points where the goal is exactly 0."""
    near: list[Any] = field(default_factory=list)
    """Places, in floats, where the goal is small."""
    least: float = float("inf")
    """The least value of the goal seen at a feasible point, scaled by its largest coefficient."""


def bounds_of(claim: Claim) -> tuple[list[Q | None], list[Q | None]]:
    """The bounds that hypotheses of one variable give, by variable."""
    low: list[Q | None] = [None] * claim.n
    high: list[Q | None] = [None] * claim.n
    for h in claim.hypotheses:
        used = h.poly.used()
        if len(used) != 1 or h.poly.degree != 1:
            continue
        (index,) = used
        slope = next(c for m, c in h.poly.terms.items() if any(m))
        bound = -h.poly.at_zero / slope
        if slope > 0 or h.sign == "=":
            low[index] = bound if low[index] is None else max(low[index], bound)
        if slope < 0 or h.sign == "=":
            high[index] = bound if high[index] is None else min(high[index], bound)
    return low, high


class Search:
    """A search for points of one claim."""

    def __init__(self, claim: Claim, seed: int, budget: Budget) -> None:
        self._claim = claim
        self._budget = budget
        self._random = random.Random(f"points {seed}")  # noqa: S311 # a search, and to be repeatable
        self._rng = np.random.default_rng(abs(hash_of(seed)))
        self._goal = Field(claim.goal.poly)
        self._hypotheses = [(Field(h.poly), h.sign) for h in claim.hypotheses]
        self._low, self._high = bounds_of(claim)
        self.found = Points()

    def grid(self, most: int = _MOST_GRID) -> Points:
        """Corners and simple rationals."""
        claim = self._claim
        if claim.witness is not None:
            self._consider([claim.witness])
        choices = [self._choices(i) for i in range(claim.n)]
        while math.prod(map(len, choices)) > most and any(len(values) > _FEWEST for values in choices):
            longest = max(range(claim.n), key=lambda i: len(choices[i]))
            choices[longest] = choices[longest][:-1]
        if math.prod(map(len, choices)) <= most:
            points: list[tuple[Q, ...]] = list(itertools.product(*choices))
        else:
            points = [tuple(self._random.choice(values) for values in choices) for _ in range(most)]
        self._consider(points)
        if self.found.counterexample is None and any(
            low is None or high is None for low, high in zip(self._low, self._high, strict=True)
        ):
            self._consider(self._far())
        return self.found

    def _far(self) -> list[tuple[Q, ...]]:
        """Points of all magnitudes: some goals fail only far out, or where variables are reciprocals."""
        sizes = [fmpq(10) ** k for k in range(-4, 5)]
        values = [
            [v for v in (*(s * x for x in sizes for s in (1, -1)), fmpq(0)) if self._within(i, v)]
            for i in range(self._claim.n)
        ]
        if any(not v for v in values):
            return []
        if math.prod(map(len, values)) <= _MOST_GRID:
            return list(itertools.product(*values))
        return [tuple(self._random.choice(v) for v in values) for _ in range(_MOST_GRID)]

    def _within(self, index: int, value: Q) -> bool:
        low, high = self._low[index], self._high[index]
        return (low is None or value >= low) and (high is None or value <= high)

    def descend(self) -> Points:
        """Many descents at once, then Newton's method from the best ends. Raises `Spent`."""
        for reach in _REACHES:
            self._budget.check()
            ends = self._ends(self._starts(reach))
            self._settle(ends)
            if self.found.counterexample is not None:
                break
        return self.found

    def _choices(self, index: int) -> list[Q]:
        low, high = self._low[index], self._high[index]
        values: list[Q] = [end for end in (low, high) if end is not None]
        if low is not None and high is not None:
            values += [(low + high) / 2, (3 * low + high) / 4, (low + 3 * high) / 4, (2 * low + high) / 3]
        base = low if low is not None else high if high is not None else fmpq(0)
        for text in _SIMPLE:
            value = _q(text)
            values += [value] if low is None and high is None else [value, base + abs(value)]
        kept: list[Q] = []
        for value in values:
            if self._within(index, value) and value not in kept:
                kept.append(value)
        return kept or [fmpq(0)]

    def _consider(self, points: Sequence[tuple[Q, ...]]) -> None:
        """Look at rational points: floats sort out, exact arithmetic decides."""
        if not points or not self._claim.n:
            if not self._claim.n and self._claim.refuted_at(()):
                self.found.counterexample = ()
            return
        values = np.array([[as_float(x) for x in point] for point in points])
        with np.errstate(all="ignore"):
            goal = self._goal.at(values) / self._goal.scale
            feasible = np.ones(len(points), dtype=bool)
            for hypothesis, sign in self._hypotheses:
                at = hypothesis.at(values) / hypothesis.scale
                feasible &= (np.abs(at) < 1e-9) if sign == "=" else at > -1e-9
        feasible &= np.isfinite(goal)
        if not feasible.any():
            return
        small = np.abs(goal) if self._claim.goal.sign == "=" else goal
        self.found.least = min(self.found.least, float(small[feasible].min()))
        order = np.argsort(-small if self._claim.goal.sign == "=" else small, kind="stable")
        looked = 0
        for k in order:
            if not feasible[k]:
                continue
            if looked >= 400:
                break
            if self._claim.goal.sign != "=" and small[k] > 1e-9:
                break
            looked += 1
            self._look(points[int(k)])
            if self.found.counterexample is not None:
                return

    def _look(self, point: tuple[Q, ...]) -> bool:
        """Whether a point says something, exactly."""
        claim = self._claim
        if not all(h.holds(point) for h in claim.hypotheses):
            return False
        value = claim.goal.poly.at(point)
        if not claim.goal.holds(point):
            if self.found.counterexample is None:
                self.found.counterexample = point
            return True
        if value == 0 and claim.goal.sign == ">=" and point not in self.found.touching:
            if len(self.found.touching) < 64:
                self.found.touching.append(point)
            return True
        return False

    def _starts(self, reach: float) -> Any:
        low = [None if x is None else as_float(x) for x in self._low]
        high = [None if x is None else as_float(x) for x in self._high]
        ends = box_of(low, high, reach)
        width = np.maximum(ends[:, 1] - ends[:, 0], 0.0)
        return ends[:, 0] + self._rng.random((_STARTS, self._claim.n)) * width

    def _ends(self, points: Any) -> Any:
        """Where descents from these starts end, all at once: Adam on the penalised goal."""
        equality = self._claim.goal.sign == "="
        size = np.maximum(1.0, np.abs(points)).max(axis=0)
        first = np.zeros_like(points)
        second = np.zeros_like(points)
        with np.errstate(all="ignore"):
            for step in range(1, _STEPS + 1):
                gradient = self._goal.gradient(points) / self._goal.scale
                if equality:
                    gradient = -np.sign(self._goal.at(points))[:, None] * gradient
                for hypothesis, sign in self._hypotheses:
                    value = hypothesis.at(points) / hypothesis.scale
                    violated = value if sign == "=" else np.minimum(value, 0.0)
                    weight = 2.0 * violated * (20.0 + step)
                    if violated.any():
                        gradient = gradient + weight[:, None] * hypothesis.gradient(points) / hypothesis.scale
                gradient = np.nan_to_num(gradient, nan=0.0, posinf=1e30, neginf=-1e30)
                norm = np.linalg.norm(gradient, axis=1, keepdims=True)
                gradient = gradient / np.maximum(norm, 1.0)
                first = 0.8 * first + 0.2 * gradient
                second = 0.95 * second + 0.05 * gradient**2
                rate = 0.15 * size * (1.0 - step / (_STEPS + 1)) ** 1.5
                points = points - rate * first / (np.sqrt(second) + 1e-12)
                self._clip(points)
        return points

    def _clip(self, points: Any) -> None:
        for i, (low, high) in enumerate(zip(self._low, self._high, strict=True)):
            if low is not None:
                points[:, i] = np.maximum(points[:, i], as_float(low))
            if high is not None:
                points[:, i] = np.minimum(points[:, i], as_float(high))

    def _settle(self, points: Any) -> None:
        """Round the ends of descents, the best first, and look at what comes out."""
        with np.errstate(all="ignore"):
            goal = self._goal.at(points) / self._goal.scale
            worst = np.zeros(len(points))
            for hypothesis, sign in self._hypotheses:
                value = hypothesis.at(points) / hypothesis.scale
                worst = np.maximum(worst, np.abs(value) if sign == "=" else np.maximum(-value, 0.0))
        merit = np.where(np.isfinite(goal), goal, np.inf) + 100.0 * worst
        if self._claim.goal.sign == "=":
            merit = -np.abs(goal) + 100.0 * worst
        seen: list[Any] = []
        for k in np.argsort(merit, kind="stable"):
            point = points[int(k)]
            if not np.all(np.isfinite(point)) or any(np.abs(point - other).max() < 1e-2 for other in seen):
                continue
            seen.append(point)
            if len(seen) > 12:
                break
            self._budget.check()
            if merit[int(k)] > 0.5 and len(seen) > 4:
                break
            for candidate in (self._polished(point), point):
                if candidate is None:
                    continue
                value = float(self._goal.at(candidate[None, :])[0]) / self._goal.scale
                if abs(value) < 1e-3 and len(self.found.near) < 24:
                    self.found.near.append(candidate)
                for rational in self._roundings(candidate):
                    if self._look(rational) and self.found.counterexample is not None:
                        return

    def _polished(self, point: Any) -> Any | None:
        """Newton's method on the conditions of optimality, with the hypotheses that are tight here."""
        n = self._claim.n
        tight = []
        for hypothesis, sign in self._hypotheses:
            value = float(hypothesis.at(point[None, :])[0]) / hypothesis.scale
            if sign == "=" or value < 1e-2:
                tight.append(hypothesis)
        if len(tight) > 3 * n:
            return None
        x = point.copy()
        multipliers = None
        for _ in range(12):
            gradient = self._goal.gradient(x[None, :])[0] / self._goal.scale
            rows = [g.gradient(x[None, :])[0] / g.scale for g in tight]
            jacobian = np.array(rows).reshape(len(tight), n)
            if multipliers is None:
                multipliers = np.linalg.lstsq(jacobian.T, gradient, rcond=None)[0] if tight else np.zeros(0)
            hessian = self._goal.hessian(x) / self._goal.scale
            for by, g in zip(multipliers, tight, strict=True):
                hessian = hessian - by * g.hessian(x) / g.scale
            left = np.block([[hessian, -jacobian.T], [jacobian, np.zeros((len(tight), len(tight)))]])
            off = np.concatenate(
                [gradient - jacobian.T @ multipliers, [float(g.at(x[None, :])[0]) / g.scale for g in tight]]
            )
            if not (np.all(np.isfinite(left)) and np.all(np.isfinite(off))):
                return None
            step = np.linalg.lstsq(left, -off, rcond=1e-10)[0]
            x = x + step[:n]
            multipliers = multipliers + step[n:]
            if np.abs(step[:n]).max(initial=0.0) < 1e-14:
                break
        return x if np.all(np.isfinite(x)) and np.abs(x - point).max() < 1.0 + np.abs(point).max() else None

    def _roundings(self, point: Any) -> Iterator[tuple[Q, ...]]:
        """The rational points near a point, the simplest first."""
        for denominator in _DENOMINATORS:
            if denominator <= 60:
                rounded = tuple(_simplest(float(x), denominator) for x in point)
                far = max((abs(as_float(r) - x) for r, x in zip(rounded, point, strict=True)), default=0.0)
                if far > 1e-2:
                    continue
            else:
                rounded = tuple(fmpq(round(float(x) * denominator), denominator) for x in point)
            snapped = self._snapped(rounded, point)
            yield snapped
            inside = self._inside
            if inside is not None and denominator >= 1024:
                for mix in (fmpq(1, 1024), fmpq(1, 64), fmpq(1, 16), fmpq(1, 2**16)):
                    yield tuple(x + (c - x) * mix for x, c in zip(snapped, inside, strict=True))

    def _snapped(self, point: tuple[Q, ...], near: Any) -> tuple[Q, ...]:
        """On the bound where it is within a hair of it."""
        snapped = list(point)
        for i, (low, high) in enumerate(zip(self._low, self._high, strict=True)):
            for end in (low, high):
                if end is not None and abs(as_float(end) - float(near[i])) < 1e-5:
                    snapped[i] = end
        return tuple(snapped)

    @property
    def _inside(self) -> tuple[Q, ...] | None:
        """A point inside the box, or the witness."""
        if self._claim.witness is not None:
            return self._claim.witness
        inside: list[Q] = []
        for low, high in zip(self._low, self._high, strict=True):
            if low is not None and high is not None:
                inside.append((low + high) / 2)
            elif low is not None:
                inside.append(low + 1)
            else:
                inside.append(fmpq(0) if high is None else high - 1)
        return tuple(inside)


def _simplest(x: float, denominator: int) -> Q:
    """The fraction nearest to x with at most this denominator."""
    near = Fraction(x).limit_denominator(denominator)
    return fmpq(near.numerator, near.denominator)


def _q(text: str) -> Q:
    top, _, bottom = text.partition("/")
    return fmpq(int(top), int(bottom or 1))


def hash_of(seed: int) -> int:
    """A seed for numpy from any integer."""
    return (seed * 0x9E3779B97F4A7C15 + 0x7F4A7C15) % 2**63


def simple_point(poly: Poly, point: Sequence[Q]) -> bool:
    """Whether a polynomial vanishes at a point."""
    return bool(poly.at(point) == 0)
