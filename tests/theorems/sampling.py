"""Rational points that satisfy a theorem's hypotheses, drawn at random.

Where the hypotheses bound a variable by constants, it is drawn within, often at an end. Equalities are met exactly:
some variables in which all of them are affine together are solved for, or the theorem says itself, in `where`, how its
points are written in terms of parameters. What the remaining hypotheses don't admit is drawn again.
"""

from __future__ import annotations

import random
from fractions import Fraction
from itertools import combinations
from typing import TYPE_CHECKING, NamedTuple

from theorems.statement import Expression, Point, Relation, Variable, value, variables_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from theorems.library import Theorem

#: How many draws a point is worth.
TRIES_A_POINT = 60
_DENOMINATORS = (1, 1, 2, 3, 4, 7, 10)


class Bounds(NamedTuple):
    """The constants between which hypotheses hold a variable."""

    low: Fraction | None
    high: Fraction | None

    def draw(self, rng: random.Random) -> Fraction:
        """A number within: an end, a simple fraction, or a small distance from an end."""
        if self.low is not None and self.high is not None:
            steps = rng.choice((1, 2, 3, 4, 10, 97))
            return self.low + (self.high - self.low) * Fraction(rng.randint(0, steps), steps)
        scale = rng.choice((1, 1, 3, 10))
        size = Fraction(rng.randint(0, scale * 4), rng.choice(_DENOMINATORS))
        if self.low is not None:
            return self.low + size
        if self.high is not None:
            return self.high - size
        return rng.choice((1, -1)) * size


def points(theorem: Theorem, count: int, rng: random.Random) -> Iterator[Point]:
    """At most so many points; fewer where too few draws are admitted."""
    draw = _Written(theorem) if theorem.where else _Solved(theorem)
    statement, found = theorem.statement, 0
    for _ in range(count * TRIES_A_POINT):
        point = draw(rng)
        if point is not None and statement.admits(point):
            yield point
            found += 1
            if found == count:
                return


def bounds(theorem: Theorem) -> dict[str, Bounds]:
    """What the hypotheses say of each variable by itself."""
    found = dict.fromkeys(theorem.statement.variables, Bounds(None, None))
    for left, right, op in map(_sides, theorem.statement.hypotheses):
        if op == "=":
            continue
        if isinstance(left, Variable) and not variables_of(right):
            limit, had = Fraction(value(right, {})), found[left.name]
            if op in (">=", ">"):
                found[left.name] = had._replace(low=limit if had.low is None else max(had.low, limit))
            else:
                found[left.name] = had._replace(high=limit if had.high is None else min(had.high, limit))
    return found


def _sides(relation: Relation) -> tuple[Expression, Expression, str]:
    """With a lone variable on the left, where there is one."""
    if isinstance(relation.right, Variable) and not variables_of(relation.left):
        turned = {">=": "<=", "<=": ">=", ">": "<", "<": ">"}.get(relation.op, relation.op)
        return relation.right, relation.left, turned
    return relation.left, relation.right, relation.op


class _Written:
    """Points as `where` writes them."""

    def __init__(self, theorem: Theorem) -> None:
        self.coordinates = theorem.parameters
        self.free = sorted(set().union(*map(variables_of, self.coordinates.values())))
        self.others = [name for name in theorem.statement.variables if name not in self.coordinates]
        self.bounds = bounds(theorem)

    def __call__(self, rng: random.Random) -> Point | None:
        parameters = {name: Bounds(None, None).draw(rng) for name in self.free}
        try:
            point = {name: Fraction(value(written, parameters)) for name, written in self.coordinates.items()}
        except ZeroDivisionError:
            return None
        return point | {name: self.bounds[name].draw(rng) for name in self.others}


class _Solved:
    """Points that are drawn, but for some variables that the equalities determine."""

    def __init__(self, theorem: Theorem) -> None:
        statement = theorem.statement
        self.bounds = bounds(theorem)
        self.equalities = [hypothesis for hypothesis in statement.hypotheses if hypothesis.op == "="]
        named = [variables_of(each.left) | variables_of(each.right) for each in self.equalities]
        rng = random.Random(0)
        self.choices = [
            chosen
            for chosen in combinations(statement.variables, len(self.equalities))
            if all(names & set(chosen) for names in named) and self._is_affine(chosen, rng)
        ]

    def __call__(self, rng: random.Random) -> Point | None:
        point = {name: limits.draw(rng) for name, limits in self.bounds.items()}
        if not self.equalities:
            return point
        if not self.choices:
            return None
        return self._solve(point, rng.choice(self.choices))

    def _is_affine(self, chosen: tuple[str, ...], rng: random.Random) -> bool:
        """Whether the equalities are affine in these together: along lines that change only these, second differences
        are 0."""
        for _ in range(4):
            start = {name: Fraction(rng.randint(-9, 9), 2) for name in self.bounds}
            step = {name: Fraction(rng.randint(-9, 9)) for name in chosen}
            line = [start | {name: start[name] + k * step[name] for name in chosen} for k in range(4)]
            for equality in self.equalities:
                at = [equality.difference(point) for point in line]
                if at[0] - 2 * at[1] + at[2] != 0 or at[1] - 2 * at[2] + at[3] != 0:
                    return False
        return True

    def _solve(self, point: Point, chosen: tuple[str, ...]) -> Point | None:
        """Give the chosen ones the values that the equalities ask for, by elimination."""
        origin = point | dict.fromkeys(chosen, Fraction(0))
        rows = []
        for equality in self.equalities:
            constant = Fraction(equality.difference(origin))
            slopes = [equality.difference(origin | {name: Fraction(1)}) - constant for name in chosen]
            rows.append([*slopes, -constant])
        for column in range(len(chosen)):
            pivot = next((row for row in range(column, len(rows)) if rows[row][column] != 0), None)
            if pivot is None:
                return None
            rows[column], rows[pivot] = rows[pivot], rows[column]
            rows[column] = [entry / rows[column][column] for entry in rows[column]]
            for other in range(len(rows)):
                if other != column and rows[other][column] != 0:
                    factor = rows[other][column]
                    rows[other] = [a - factor * b for a, b in zip(rows[other], rows[column], strict=True)]
        return point | {name: rows[k][-1] for k, name in enumerate(chosen)}
