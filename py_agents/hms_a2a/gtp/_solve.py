"""One leaf, one programme: expand, solve in floats, make it exact; and where the squares must vanish, reduce and
repeat.

A claim that is tight somewhere has no certificate with room: at a point that satisfies everything and where the goal
is 0, every square whose product is positive there must be 0. Such points are found by numerical search (`_touching`)
and, where their coordinates are irrational, through the null spaces of the Gram matrices, which are rational even
then when conjugate points touch together. Both shrink the bases, and the smaller programme has room again. A
reduction is a leaf programme of its own and is counted.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from flint import fmpq, fmpq_mat

from hms_a2a.gtp._archive import written_out
from hms_a2a.gtp._leaf import MOST_COLUMNS, Block, combined, expand, kernel, pruned, vanishing
from hms_a2a.gtp._poly import Poly

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hms_a2a.gtp._budget import Budget
    from hms_a2a.gtp._certificate import Leaf
    from hms_a2a.gtp._leaf import Known, Programme
    from hms_a2a.gtp._numeric import Guess
    from hms_a2a.gtp._poly import Q

#: A Gram matrix with eigenvalues this small beside its largest has a null space.
_NULL = 1e-5
#: With a margin below this there is no room to round.
_ROOM = 1e-7
#: A margin this far below zero is no rounding error: the programme has no solution.
_HOPELESS = -1e-3
_MOST_REDUCTIONS = 4
_WIDEST_DENOMINATOR = 24


@dataclass
class Tried:
    """What came of a leaf's programme."""

    leaf: Leaf | None
    margin: float
    """How far from solved: 0 and above where a numerical solution exists, down to −1 and below where none does."""
    mean: dict[int, tuple[float, float]] | None = None
    """Where an elastic programme is weakest: mean and variance of each variable."""


def attempt(
    known: Known,
    programme: Programme,
    budget: Budget,
    touching: Sequence[Sequence[Q]] = (),
    reductions: int = _MOST_REDUCTIONS,
    *,
    elastic: bool = False,
) -> Tried:
    """Solve a leaf's programme; an elastic one says how near it came, where it is linear. Raises `Spent`.

    What it takes from lemmas is written out: the leaf needs nothing but the claim and the path.
    """
    tried = _attempt(known, programme, budget, touching, reductions, elastic=elastic)
    if tried.leaf is not None and known.lemmas:
        tried.leaf = written_out(known, tried.leaf)
    return tried


def _attempt(
    known: Known,
    programme: Programme,
    budget: Budget,
    touching: Sequence[Sequence[Q]],
    reductions: int,
    *,
    elastic: bool,
) -> Tried:
    from hms_a2a.gtp._exact import exact_leaf
    from hms_a2a.gtp._numeric import solve_linear, solve_semidefinite

    if touching:
        programme = at_touching(known, programme, touching)
    programme = pruned(known, programme, budget)
    best = Tried(None, -1.0)
    for _ in range(reductions + 1):
        if not programme.strict or programme.columns > MOST_COLUMNS:
            return best
        budget.take()
        expanded = expand(known, programme, budget)
        budget.check()
        if not _can_cancel(expanded):
            return best
        if programme.is_linear:
            guess = solve_linear(expanded, budget.seconds_left, elastic=elastic)
            if guess is None:
                return best
            if guess.margin < 0:
                return Tried(None, guess.margin, guess.mean)
            return Tried(exact_leaf(expanded, guess, budget), 0.0)
        guess = solve_semidefinite(expanded, budget.seconds_left)
        budget.check()
        if guess is None:
            return best
        best = Tried(None, max(best.margin, min(guess.margin, 0.0)))
        if guess.margin < _HOPELESS:
            return best
        if guess.margin > _ROOM:
            leaf = exact_leaf(expanded, guess, budget)
            if leaf is not None:
                return Tried(leaf, guess.margin)
        smaller = _reduced(known, programme, guess)
        if smaller is None:
            leaf = exact_leaf(expanded, guess, budget) if guess.margin <= _ROOM else None
            return Tried(leaf, best.margin)
        programme = smaller
    return best


def _can_cancel(expanded: Any) -> bool:
    """Whether some candidate's every monomial is met by another column: else nothing can cancel it."""
    met: set[int] = set()
    for entries in expanded.blocks:
        for _, _, column in entries:
            met.update(column)
    for _, _, column in expanded.free:
        met.update(column)
    return any(set(column) <= met for column in expanded.strict) or len(expanded.strict) > 1


def at_touching(known: Known, programme: Programme, points: Sequence[Sequence[Q]]) -> Programme:
    """With the squares of each block vanishing at the touching points where its product is positive."""
    blocks = []
    for block in programme.blocks:
        product = [known.poly(index) for index in block.factors]
        where = [point for point in points if all(g.at(point) > 0 for g in product)]
        basis = vanishing(block.basis, where, known.n)
        if basis:
            blocks.append(Block(block.factors, basis))
    return replace(programme, blocks=tuple(blocks))


def _reduced(known: Known, programme: Programme, guess: Guess) -> Programme | None:
    """With the null spaces of the Gram matrices divided out; None where there are none."""
    blocks: list[Block] = []
    changed = False
    largest = max((float(np.abs(gram).max()) for gram in guess.grams if gram.size), default=0.0)
    for block, gram in zip(programme.blocks, guess.grams, strict=True):
        size = len(block.basis)
        values, vectors = np.linalg.eigh(gram)
        top = float(values[-1])
        if top <= _NULL * largest * 1e-2:
            changed = True
            continue
        threshold = max(_NULL * top, 0.0)
        small = int((values < threshold).sum())
        # Where the eigenvalues leave a clear gap, it says better than a fixed threshold how many are zero.
        if small == 0 or small == size:
            blocks.append(block)
            continue
        null = _rational_space(vectors[:, :small])
        if null is None:
            blocks.append(block)
            continue
        rows = kernel(fmpq_mat(len(null), size, [c for row in null for c in row]), size)
        basis = combined(block.basis, rows, known.n)
        changed = True
        if basis:
            blocks.append(Block(block.factors, basis))
    return replace(programme, blocks=tuple(blocks)) if changed else None


def _rational_space(vectors: Any) -> list[list[Q]] | None:
    """A rational basis near the span of these columns, by its echelon form; None where it has no simple one."""
    rows = vectors.T.copy()
    count, size = rows.shape
    pivots: list[int] = []
    at = 0
    for column in range(size):
        if at == count:
            break
        best = at + int(np.abs(rows[at:, column]).argmax())
        if abs(rows[best, column]) < 1e-3:
            continue
        rows[[at, best]] = rows[[best, at]]
        rows[at] /= rows[at, column]
        for other in range(count):
            if other != at:
                rows[other] -= rows[other, column] * rows[at]
        pivots.append(column)
        at += 1
    if at < count:
        return None
    found: list[list[Q]] = []
    for row in rows:
        line: list[Q] = []
        for x in row:
            near = _near(float(x))
            if near is None:
                return None
            line.append(near)
        found.append(line)
    return found


def _near(x: float) -> Q | None:
    """The simplest fraction that may be meant."""
    for bottom in range(1, _WIDEST_DENOMINATOR + 1):
        top = round(x * bottom)
        if abs(x * bottom - top) < 2e-3 * bottom**0.5 and abs(x - top / bottom) < 2e-3:
            return fmpq(top, bottom)
    return None


def ones(n: int) -> tuple[Poly, ...]:
    """The basis of a block that is a single number."""
    return (Poly.constant(n, 1),)
