"""A leaf's programme: which products of hypotheses, with which squares, are to refute a leaf.

The identity sought is ``Σ c·strict + Σ ∏g · (bᵀ Q b) + Σ p·h ≡ 0`` with Q ⪰ 0 for each block, p free and the c of the
candidates for the positive term non-negative with sum 1. A block is a product of hypotheses with a basis b of
polynomials; with the basis (1) it is a single non-negative number. Whether all blocks are single decides if the
programme is linear (a vertex from the simplex method, hence a short certificate) or semidefinite.

This module says what a programme is and expands it exactly, once, into columns: one for each unknown, a map from
monomial to coefficient. `_numeric` solves the columns in floats, `_exact` makes what it found true.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import TYPE_CHECKING

from hms_a2a.gtp._poly import Monomial, Poly, Q

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hms_a2a.gtp._archive import Derived
    from hms_a2a.gtp._budget import Budget
    from hms_a2a.gtp._certificate import Factors
    from hms_a2a.gtp._claim import Claim, Sign

#: Largest number of unknowns of a programme that is worth its time.
MOST_COLUMNS = 6_000
_MOST_PRODUCTS_KEPT = 4_096


@dataclass(frozen=True)
class Known:
    """What may be used at a leaf: the claim's hypotheses, the negated goal, the path's splits, and lemmas; by index."""

    claim: Claim
    path: tuple[Poly, ...] = ()
    lemmas: tuple[Derived, ...] = ()
    """What was proved before, and holds here; indexed after the path."""

    @property
    def first_lemma(self) -> int:
        """The index of the first lemma."""
        return self.goal_index + 1 + len(self.path)

    @property
    def n(self) -> int:
        """The number of variables."""
        return self.claim.n

    @property
    def goal_index(self) -> int:
        """The index of the negated goal."""
        return len(self.claim.hypotheses)

    def sign(self, index: int) -> Sign:
        """How what has this index stands to zero."""
        if index < self.goal_index:
            return self.claim.hypotheses[index].sign
        if index == self.goal_index and self.claim.negated_goal is not None:
            return self.claim.negated_goal.sign
        return ">="

    def poly(self, index: int) -> Poly:
        """Its polynomial."""
        if index < self.goal_index:
            return self.claim.hypotheses[index].poly
        if index == self.goal_index:
            return -self.claim.goal.poly
        if index < self.first_lemma:
            return self.path[index - self.goal_index - 1]
        return self.lemmas[index - self.first_lemma].f

    @property
    def inequalities(self) -> list[int]:
        """The hypotheses and splits that are ≥ or >, without the negated goal."""
        given = [i for i, h in enumerate(self.claim.hypotheses) if h.sign != "="]
        return given + [self.goal_index + 1 + k for k in range(len(self.path) + len(self.lemmas))]

    @property
    def equalities(self) -> list[int]:
        """The hypotheses that are equalities."""
        return [i for i, h in enumerate(self.claim.hypotheses) if h.sign == "="]

    @property
    def strict(self) -> list[int]:
        """The hypotheses that are strict, without the negated goal."""
        return [i for i, h in enumerate(self.claim.hypotheses) if h.sign == ">"]

    def product(self, factors: Factors) -> Poly:
        """The product of what has these indices."""
        if not factors:
            return Poly.constant(self.n, 1)
        total = self.poly(factors[0])
        for index in factors[1:]:
            total = _times(total, self.poly(index))
        return total

    def under(self, split: Poly) -> Known:
        """With one more polynomial that is ≥ 0."""
        return replace(self, path=(*self.path, split))


@lru_cache(maxsize=_MOST_PRODUCTS_KEPT)
def _times(one: Poly, other: Poly) -> Poly:
    """A product, kept: the leaves of a tree share most of theirs."""
    return one * other


@dataclass(frozen=True)
class Block:
    """A product of hypotheses, and a basis for the squares that multiply it."""

    factors: Factors
    basis: tuple[Poly, ...]


@dataclass(frozen=True)
class Programme:
    """What is to refute a leaf."""

    strict: tuple[Factors, ...]
    """Candidates for the positive term."""
    blocks: tuple[Block, ...]
    """Products with squares."""
    multipliers: tuple[tuple[int, tuple[Monomial, ...]], ...] = ()
    """Equalities with the monomials of their free multiplier."""

    @property
    def is_linear(self) -> bool:
        """Whether every block is a single number."""
        return all(len(block.basis) == 1 for block in self.blocks)

    @property
    def columns(self) -> int:
        """How many unknowns it has."""
        squares = sum(len(b.basis) * (len(b.basis) + 1) // 2 for b in self.blocks)
        return len(self.strict) + squares + sum(len(m) for _, m in self.multipliers)

    @property
    def cost(self) -> float:
        """About how many millions of operations the semidefinite solver takes; next to nothing for a linear one."""
        return sum((len(b.basis) * (len(b.basis) + 1) / 2) ** 3 for b in self.blocks) * 25e-6 + self.columns * 0.02


@dataclass
class Expanded:
    """A programme's columns. Rows are monomials; the last row says that the positive term's coefficients sum to 1."""

    programme: Programme
    rows: dict[Monomial, int] = field(default_factory=dict)
    strict: list[dict[int, Q]] = field(default_factory=list)
    blocks: list[list[tuple[int, int, dict[int, Q]]]] = field(default_factory=list)
    """For each block its (i, j, column) with i ≤ j; columns off the diagonal count twice already."""
    free: list[tuple[int, Monomial, dict[int, Q]]] = field(default_factory=list)

    @property
    def last(self) -> int:
        """The row of the normalisation."""
        return len(self.rows)


def expand(known: Known, programme: Programme, budget: Budget) -> Expanded:
    """Multiply everything out. Raises `Spent`."""
    expanded = Expanded(programme)
    rows = expanded.rows

    def column(poly: Poly) -> dict[int, Q]:
        return {rows.setdefault(m, len(rows)): c for m, c in poly.terms.items()}

    products: dict[Factors, Poly] = {}

    def product(factors: Factors) -> Poly:
        if factors not in products:
            products[factors] = known.product(factors)
        return products[factors]

    expanded.strict = [column(product(factors)) for factors in programme.strict]
    for block in programme.blocks:
        budget.check()
        by = product(block.factors)
        entries: list[tuple[int, int, dict[int, Q]]] = []
        for i, left in enumerate(block.basis):
            times = by * left
            entries.append((i, i, column(times * left)))
            for j in range(i + 1, len(block.basis)):
                entries.append((i, j, column((times * block.basis[j]).scale(2))))
        expanded.blocks.append(entries)
    for index, multiplier in programme.multipliers:
        budget.check()
        by = known.poly(index)
        for monomial in multiplier:
            expanded.free.append((index, monomial, column(by * Poly.monomial(monomial))))
    return expanded


def pruned(known: Known, programme: Programme, budget: Budget) -> Programme:
    """Without basis monomials that cannot occur. Raises `Spent`.

    Where a square's own term m² · (extreme term of the product) meets no other column, its diagonal entry must be 0 and
    the monomial goes: Newton's polytope, found by elimination. Only for bases of monomials.
    """
    bases: list[list[Poly]] = [list(block.basis) for block in programme.blocks]
    products = [known.product(block.factors) for block in programme.blocks]
    always = [known.product(factors) for factors in programme.strict]
    always += [known.poly(index) * Poly.monomial(m) for index, multiplier in programme.multipliers for m in multiplier]
    fixed = {m for poly in always for m in poly.terms}
    if any(len(poly.terms) != 1 for basis in bases for poly in basis):
        return programme
    monos = [[next(iter(poly.terms)) for poly in basis] for basis in bases]
    while True:
        # How the monomials are met: +1 by a diagonal entry with a positive coefficient, anything else keeps it alive.
        met: dict[Monomial, list[tuple[int, int, bool]]] = {}
        for k, basis in enumerate(monos):
            budget.check()
            for a, left in enumerate(basis):
                for b in range(a, len(basis)):
                    both = tuple([x + y for x, y in zip(left, basis[b], strict=True)])
                    for m, c in products[k].terms.items():
                        at = tuple([x + y for x, y in zip(both, m, strict=True)])
                        met.setdefault(at, []).append((k, a if a == b else -1, bool(c > 0)))
        doomed: set[tuple[int, int]] = set()
        for at, by in met.items():
            if at in fixed or any(a < 0 for _, a, _ in by):
                continue
            if len({positive for _, _, positive in by}) == 1:
                doomed |= {(k, a) for k, a, _ in by}
        if not doomed:
            break
        monos = [[m for a, m in enumerate(basis) if (k, a) not in doomed] for k, basis in enumerate(monos)]
    blocks = tuple(
        Block(block.factors, tuple(Poly.monomial(m) for m in basis))
        for block, basis in zip(programme.blocks, monos, strict=True)
        if basis
    )
    return replace(programme, blocks=blocks)


def vanishing(basis: Sequence[Poly], points: Sequence[Sequence[Q]], n: int) -> tuple[Poly, ...]:
    """A basis of what vanishes at the points, in the span of the given one."""
    from flint import fmpq_mat

    if not points or not basis:
        return tuple(basis)
    values = fmpq_mat(len(points), len(basis), [poly.at(point) for point in points for poly in basis])
    return combined(basis, kernel(values, len(basis)), n)


def kernel(matrix: Q, columns: int) -> list[list[Q]]:
    """A basis of the right kernel of a rational matrix, from its reduced echelon form."""
    from flint import fmpq

    reduced, rank = matrix.rref()
    pivots: list[int] = []
    for row in range(rank):
        at = pivots[-1] + 1 if pivots else 0
        while reduced[row, at] == 0:
            at += 1
        pivots.append(at)
    found: list[list[Q]] = []
    for free in (c for c in range(columns) if c not in set(pivots)):
        vector = [fmpq(0)] * columns
        vector[free] = fmpq(1)
        for row, pivot in enumerate(pivots):
            vector[pivot] = -reduced[row, free]
        found.append(vector)
    return found


def combined(basis: Sequence[Poly], vectors: Sequence[Sequence[Q]], n: int) -> tuple[Poly, ...]:
    """The combinations of a basis that the vectors say, as coprime integers."""
    made = []
    for vector in vectors:
        total = Poly(n)
        for coef, poly in zip(vector, basis, strict=True):
            if coef != 0:
                total = total + poly.scale(coef)
        made.append(total.primitive())
    return tuple(made)
