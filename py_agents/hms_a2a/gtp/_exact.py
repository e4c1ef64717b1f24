"""From a guess in floats to an identity that is true.

A programme's columns and a guess at their coefficients go in; coefficients that satisfy every row exactly come out,
with every Gram matrix ⪰ 0 by its LDLᵀ over the rationals, or nothing. The guess is rounded to multiples of a power of
two, coarsely at first, since small numbers make a short certificate; what rounding broke is repaired by solving
exactly for as many columns as there are rows, chosen where there is most room (a pivoted QR in floats, weighted by
the guess).
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
from flint import fmpq, fmpq_mat

from hms_a2a.gtp._certificate import Leaf, Square
from hms_a2a.gtp._poly import Poly, as_float

if TYPE_CHECKING:
    from hms_a2a.gtp._budget import Budget
    from hms_a2a.gtp._leaf import Expanded
    from hms_a2a.gtp._numeric import Guess
    from hms_a2a.gtp._poly import Q

#: Bits that a guess is rounded to, relative to its largest entry.
LADDER = (2, 5, 9, 14, 20, 28, 40)
#: What counts as nothing in a vertex of a linear programme, relative to its largest coefficient.
_NOTHING = (1e-8, 1e-6, 1e-11)
_MOST_ROWS = 700
#: Pivots this small beside the first are rounding errors.
_DEPENDENT = 1e-9
_SMALL = 8


def exact_leaf(expanded: Expanded, guess: Guess, budget: Budget) -> Leaf | None:
    """The leaf that the guess leads to; None where no rounding of it is true. Raises `Spent`."""
    strict = max(range(len(guess.strict)), key=lambda j: guess.strict[j], default=None)
    if strict is None or guess.strict[strict] <= 0:
        return None
    by = 1.0 / guess.strict[strict]
    system = _System(expanded, guess, strict, by)
    if expanded.programme.is_linear:
        return system.vertex()
    return system.rounded(budget)


class _System:
    """The rows, with the positive term on the right, and the unknowns in one list.

    The other candidates for the positive term join the unknowns: they are products like any other.
    """

    def __init__(self, expanded: Expanded, guess: Guess, strict: int, by: float) -> None:
        self._expanded = expanded
        self._strict = strict
        self._rows = len(expanded.rows)
        self._columns: list[dict[int, Q]] = []
        self._guess: list[float] = []
        self._basic = guess.basic or []
        self._room: list[float] = []
        for j, column in enumerate(expanded.strict):
            if j != strict and guess.strict[j] * by > 1e-3:
                self._add(column, guess.strict[j] * by, guess.strict[j] * by)
            else:
                self._add({}, 0.0, 0.0)
        self._first_block = len(self._columns)
        for entries, gram in zip(expanded.blocks, guess.grams, strict=True):
            for i, j, column in entries:
                room = math.sqrt(max(gram[i, i] * by, 1e-12) * max(gram[j, j] * by, 1e-12))
                self._add(column, gram[i, j] * by, room)
        self._first_free = len(self._columns)
        for (_, _, column), value in zip(expanded.free, guess.free, strict=True):
            self._add(column, value * by, max(1.0, abs(value * by)))
        self._target: dict[int, Q] = {row: -c for row, c in expanded.strict[strict].items()}

    def _add(self, column: dict[int, Q], value: float, room: float) -> None:
        self._columns.append(column)
        self._guess.append(value)
        self._room.append(room)

    def vertex(self) -> Leaf | None:
        """Exactly the vertex that the simplex method ended at."""
        largest = max((abs(x) for x in self._guess), default=0.0)
        supports = [[k for k, x in enumerate(self._guess) if abs(x) > nothing * largest] for nothing in _NOTHING]
        # The basis has the support in it, however small or degenerate its entries are.
        supports.append([k for k in self._basic if self._columns[k] and k != self._strict])
        for k, support in enumerate(supports):
            if support in supports[:k]:
                continue
            values = self._solve(support, self._target)
            if values is None:
                continue
            found: list[Q] = [fmpq(0)] * len(self._columns)
            for k, value in zip(support, values, strict=True):
                found[k] = value
            if all(found[k] >= 0 for k in range(self._first_free)):
                return self._leaf(found)
        return None

    def rounded(self, budget: Budget) -> Leaf | None:
        """The guess, rounded as coarsely as it bears."""
        if self._rows > _MOST_ROWS:
            return None
        picked = self._chosen(budget)
        if picked is None:
            return None
        rows, chosen = picked
        largest = max((abs(x) for x in self._guess), default=0.0)
        if largest == 0.0 or not math.isfinite(largest):
            return None
        exponent = math.ceil(math.log2(largest))
        for bits in LADDER:
            budget.check()
            unit = fmpq(2) ** (exponent - bits)
            step = 2.0 ** (exponent - bits)
            values = [unit * round(x / step) for x in self._guess]
            off = dict(self._target)
            for column, value in zip(self._columns, values, strict=True):
                if value != 0:
                    for row, c in column.items():
                        off[row] = off.get(row, fmpq(0)) - c * value
            repair = self._repair(rows, chosen, {row: c for row, c in off.items() if c != 0})
            if repair is None:
                return None
            for k, value in zip(chosen, repair, strict=True):
                values[k] = values[k] + value
            if self._hopeless(values):
                continue
            leaf = self._leaf(values)
            if leaf is not None:
                return leaf
        return None

    def _chosen(self, budget: Budget) -> tuple[list[int], list[int]] | None:
        """Columns that span the rows, and as many independent rows; the columns with most room first."""
        most = 4 * self._rows + 50
        roomiest = sorted(range(len(self._columns)), key=lambda k: -self._room[k])[:most]
        dense = np.zeros((self._rows, len(roomiest)))
        for at, k in enumerate(roomiest):
            for row, c in self._columns[k].items():
                dense[row, at] = as_float(c) * self._room[k]
        pivots = _pivots(dense, budget)
        return [row for row, _ in pivots], [roomiest[at] for _, at in pivots]

    def _repair(self, rows: list[int], chosen: list[int], target: dict[int, Q]) -> list[Q] | None:
        """Coefficients of the chosen columns that meet the target exactly."""
        place = {row: at for at, row in enumerate(rows)}
        matrix = fmpq_mat(len(rows), len(chosen))
        for at, k in enumerate(chosen):
            for row, c in self._columns[k].items():
                if row in place:
                    matrix[place[row], at] = c
        right = fmpq_mat(len(rows), 1, [target.get(row, fmpq(0)) for row in rows])
        try:
            algorithm = "dixon" if len(chosen) > _SMALL else None
            solved = matrix.solve(right, algorithm=algorithm)  # type: ignore[call-arg] # its types lack it
        except ZeroDivisionError:
            return None
        values = [solved[at, 0] for at in range(len(chosen))]
        return values if self._meets(chosen, values, target) else None

    def _solve(self, chosen: list[int], target: dict[int, Q]) -> list[Q] | None:
        """Coefficients of the chosen columns that meet the target exactly, where they do so uniquely."""
        if not chosen:
            return None if any(c != 0 for c in target.values()) else []
        rows = sorted({row for k in chosen for row in self._columns[k]} | set(target))
        place = {row: at for at, row in enumerate(rows)}
        width = len(chosen)
        matrix = fmpq_mat(len(rows), width + 1)
        for at, k in enumerate(chosen):
            for row, c in self._columns[k].items():
                matrix[place[row], at] = c
        for row, c in target.items():
            matrix[place[row], width] = c
        reduced, rank = matrix.rref()
        if rank > width or any(reduced[at, at] != 1 for at in range(rank)) or rank < width:
            return None
        return [reduced[at, width] for at in range(width)]

    def _meets(self, chosen: list[int], values: list[Q], target: dict[int, Q]) -> bool:
        """Whether every row holds, also those that were not solved for."""
        left = dict(target)
        for k, value in zip(chosen, values, strict=True):
            for row, c in self._columns[k].items():
                left[row] = left.get(row, fmpq(0)) - c * value
        return all(c == 0 for c in left.values())

    def _hopeless(self, values: list[Q]) -> bool:
        """Whether floats say already that a Gram matrix is not ⪰ 0."""
        if any(values[k] < 0 for k in range(self._first_block)):
            return True
        at = self._first_block
        for entries, block in zip(self._expanded.blocks, self._expanded.programme.blocks, strict=True):
            size = len(block.basis)
            gram = np.zeros((size, size))
            for i, j, _ in entries:
                gram[i, j] = gram[j, i] = as_float(values[at])
                at += 1
            spread = np.sqrt(np.maximum(np.diag(gram), 0.0))
            if (np.diag(gram) < 0).any():
                return True
            weights = np.where(spread > 0, spread, 1.0)
            if np.linalg.eigvalsh(gram / np.outer(weights, weights))[0] < -1e-9:
                return True
        return False

    def _leaf(self, values: list[Q]) -> Leaf | None:
        programme = self._expanded.programme
        squares: list[Square] = []
        at = 0
        n = _variables(self._expanded)
        one = Poly.constant(n, 1)
        for j, factors in enumerate(programme.strict):
            if values[at] != 0 and j != self._strict:
                squares.append(Square(values[at], factors, one))
            at += 1
        for entries, block in zip(self._expanded.blocks, programme.blocks, strict=True):
            size = len(block.basis)
            gram: list[list[Q]] = [[fmpq(0)] * size for _ in range(size)]
            for i, j, _ in entries:
                gram[i][j] = gram[j][i] = values[at]
                at += 1
            parts = ldl(gram)
            if parts is None:
                return None
            for weight, vector in parts:
                total = Poly(n)
                for coef, poly in zip(vector, block.basis, strict=True):
                    if coef != 0:
                        total = total + poly.scale(coef)
                squares.append(Square(weight, block.factors, total))
        multipliers: dict[int, dict[Any, Q]] = {}
        for index, monomial, _ in self._expanded.free:
            if values[at] != 0:
                terms = multipliers.setdefault(index, {})
                terms[monomial] = terms.get(monomial, fmpq(0)) + values[at]
            at += 1
        equalities = tuple((index, Poly(n, terms)) for index, terms in sorted(multipliers.items()))
        return Leaf(fmpq(1), programme.strict[self._strict], tuple(squares), equalities)


def _variables(expanded: Expanded) -> int:
    return len(next(iter(expanded.rows), ()))


def _pivots(dense: Any, budget: Budget) -> list[tuple[int, int]]:
    """Pivots of an elimination, the largest entry of each step: independent rows and columns in pairs."""
    size = np.abs(dense).max(axis=1, initial=0.0)
    left = dense / np.where(size > 0, size, 1.0)[:, None]
    found: list[tuple[int, int]] = []
    first = 0.0
    for _ in range(len(left)):
        budget.check()
        flat = int(np.abs(left).argmax())
        row, column = divmod(flat, left.shape[1])
        pivot = float(left[row, column])
        first = first or abs(pivot)
        if abs(pivot) <= _DEPENDENT * first:
            break
        found.append((row, column))
        others = np.flatnonzero(left[:, column])
        left[others] -= np.outer(left[others, column] / pivot, left[row])
        left[row] = 0.0
        left[:, column] = 0.0
    return found


def ldl(gram: list[list[Q]]) -> list[tuple[Q, list[Q]]] | None:
    """Q = Σ d·l lᵀ with d > 0, over the rationals, without square roots; None unless Q ⪰ 0."""
    size = len(gram)
    left = [row[:] for row in gram]
    parts: list[tuple[Q, list[Q]]] = []
    for k in range(size):
        pivot = left[k][k]
        if pivot < 0:
            return None
        if pivot == 0:
            if any(left[k][j] != 0 for j in range(k + 1, size)):
                return None
            continue
        vector = [fmpq(0)] * k + [left[k][j] / pivot for j in range(k, size)]
        parts.append((pivot, vector))
        for i in range(k + 1, size):
            factor = left[k][i]
            if factor == 0:
                continue
            row = left[i]
            for j in range(i, size):
                row[j] = row[j] - factor * vector[j]
                left[j][i] = row[j]
    return parts
