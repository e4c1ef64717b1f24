"""Shapes: a few small numbers that name a leaf's programme, for the portfolio's list and for evolution's genes."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from hms_a2a.gtp._bernstein import box_at, can_expand
from hms_a2a.gtp._leaf import MOST_COLUMNS, Block, Programme
from hms_a2a.gtp._poly import Poly, monomials, order

if TYPE_CHECKING:
    from hms_a2a.gtp._certificate import Factors
    from hms_a2a.gtp._leaf import Known
    from hms_a2a.gtp._poly import Monomial

_MOST_STRICT = 24
#: Powers of the negated goal up to this are always candidates for the positive term.
_LEAST_POWERS = 3
_MOST_BINOMIALS = 1_500
_MOST_PRODUCTS = 1_200
#: Monomials of a basis, before changes of sign cut it apart.
_LARGEST_BASIS = 300
#: Terms of all products of a linear programme together.
_MOST_TERMS = 60_000


@dataclass(frozen=True)
class Shape:
    """What a leaf's programme is made of."""

    degree: int
    """The total degree that no product exceeds."""
    factors: int = 1
    """How many hypotheses may be multiplied with each other."""
    multiplier: int = -1
    """The degree of the polynomials whose squares multiply the negated goal; −1 for none."""
    squares: bool = True
    """Whether products are multiplied by squares, or by numbers alone."""
    crossed: bool = False
    """Whether products contain the negated goal as well."""
    binomials: bool = False
    """Whether, where numbers multiply products, squares of sums and differences of two monomials stand beside them."""
    sparse: bool = False
    """Whether only products are made whose monomials occur in the claim, or in the splits, already."""
    bernstein: bool = False
    """Whether it is no programme at all but the goal's Bernstein coefficients over the leaf's box."""
    skipped: tuple[Factors, ...] = ()
    """Products that are left out."""
    more: tuple[Block, ...] = ()
    """Blocks of its own: products with chosen bases."""


def programme_of(known: Known, shape: Shape) -> Programme | None:
    """The programme of a shape at a leaf; None where it is beyond any use."""
    degrees = {i: known.poly(i).degree for i in known.inequalities}
    usable = [i for i in known.inequalities if degrees[i] > 0]
    goal = known.goal_index
    negated = known.claim.negated_goal
    goal_degree = known.poly(goal).degree
    homogeneous = _is_homogeneous(known)
    products = _products(usable, degrees, shape, homogeneous)
    support = _support(known) if shape.sparse else None
    if support is not None:
        products = [factors for factors in products if known.product(factors).terms.keys() <= support]
    elif len(products) * math.comb(known.n + shape.degree, known.n) > 40 * _MOST_TERMS:
        return None
    blocks: list[Block] = []
    for factors in products:
        if factors in shape.skipped:
            continue
        block = _block(known, factors, sum(degrees[i] for i in factors), shape, homogeneous)
        if block is not None:
            blocks.append(block)
    if negated is not None:
        strict_goal = negated.sign == ">"
        crossing = products if shape.crossed else [()]
        for factors in crossing:
            degree = goal_degree + sum(degrees[i] for i in factors)
            if degree > shape.degree or (not factors and strict_goal and shape.multiplier < 1):
                continue
            crossed = tuple(sorted((*factors, goal)))
            if support is not None and not known.product(crossed).terms.keys() <= support:
                continue
            half = min(max(shape.multiplier, 0), (shape.degree - degree) // 2) if shape.squares else 0
            least = 1 if not factors and strict_goal and not homogeneous else 0
            basis = _basis(known, half, half if homogeneous and (shape.degree - degree) % 2 == 0 else least)
            if not factors and not strict_goal and not shape.squares:
                basis = (Poly.constant(known.n, 1),)
            if basis:
                blocks.append(Block(crossed, basis))
    blocks += shape.more
    strict = _positive(known, shape, goal_degree, degrees, homogeneous)
    if shape.squares:
        blocks = _by_signs(known, blocks)
    elif shape.binomials:
        blocks += _binomials(known, blocks, strict)
    multipliers = tuple(
        (i, tuple(m for m in monomials(known.n, shape.degree - h.degree) if support is None or _stays(h, m, support)))
        for i in known.equalities
        if (h := known.poly(i)) and h.degree <= shape.degree
    )
    seen = set()
    unique = []
    for block in blocks:
        if (block.factors, block.basis) not in seen and not (len(block.basis) == 1 and block.factors in strict):
            seen.add((block.factors, block.basis))
            unique.append(block)
    programme = Programme(tuple(strict), tuple(unique), multipliers)
    return programme if strict and programme.columns <= MOST_COLUMNS else None


def _support(known: Known) -> set[Monomial]:
    """What occurs in the hypotheses, the goal and the path; and what a linear programme has always: numbers and x."""
    support: set[Monomial] = set(monomials(known.n, 1))
    for index in (known.goal_index, *known.inequalities, *known.equalities):
        support |= known.poly(index).terms.keys()
    return support


def _stays(poly: Poly, by: Monomial, support: set[Monomial]) -> bool:
    return all(tuple(map(sum, zip(m, by, strict=True))) in support for m in poly.terms)


def _products(usable: list[int], degrees: dict[int, int], shape: Shape, homogeneous: bool) -> list[Factors]:
    """Products of hypotheses up to the shape's degree; squarefree where squares multiply them.

    Where everything is homogeneous and no squares multiply them, only those of exactly that degree can occur.
    """
    found: list[Factors] = [()]
    exact = homogeneous and not shape.squares and not shape.crossed and not shape.binomials

    def grow(factors: Factors, first: int, degree: int) -> None:
        if len(factors) == shape.factors:
            return
        for at in range(first, len(usable)):
            total = degree + degrees[usable[at]]
            if total > shape.degree:
                continue
            if len(found) >= _MOST_PRODUCTS:
                return
            longer = (*factors, usable[at])
            if not exact or total == shape.degree:
                found.append(longer)
            grow(longer, at + 1 if shape.squares else at, total)

    grow((), 0, 0)
    return sorted(found, key=lambda factors: (len(factors), factors))


def _block(known: Known, factors: Factors, degree: int, shape: Shape, homogeneous: bool) -> Block | None:
    if not shape.squares:
        return Block(factors, (Poly.constant(known.n, 1),))
    room = shape.degree - degree
    half = room // 2
    if homogeneous:
        if room % 2:
            return None
        return Block(factors, _basis(known, half, half))
    return Block(factors, _basis(known, half, 0))


def _basis(known: Known, degree: int, least: int) -> tuple[Poly, ...]:
    return _monomial_basis(known.n, degree, least)


@lru_cache(maxsize=256)
def _monomial_basis(n: int, degree: int, least: int) -> tuple[Poly, ...]:
    if degree < least or math.comb(n + degree, degree) > _LARGEST_BASIS:
        return ()
    return tuple(Poly.monomial(m) for m in monomials(n, degree, least))


def _positive(
    known: Known, shape: Shape, goal_degree: int, degrees: dict[int, int], homogeneous: bool
) -> list[Factors]:
    """Candidates for the positive term."""
    goal = known.goal_index
    negated = known.claim.negated_goal
    strict = [i for i in known.strict if degrees.get(i, 0) > 0]
    base: Factors = (goal,) if negated is not None and negated.sign == ">" else ()
    base_degree = goal_degree if base else 0
    found: list[Factors] = [base] if not homogeneous or base_degree == shape.degree else []
    room = shape.degree - base_degree
    several = []
    for count in range(1, room + 1 if strict else 1):
        for factors in itertools.islice(itertools.combinations_with_replacement(strict, count), _MOST_PRODUCTS):
            degree = sum(degrees[i] for i in factors)
            if degree <= room and (not homogeneous or degree == room):
                several.append(tuple(sorted((*base, *factors))))
    several.sort(key=lambda factors: len(factors) - len(set(factors)))  # those without repetition first
    found += several[: _MOST_STRICT if shape.squares else _MOST_PRODUCTS]
    if base and goal_degree:
        powers = range(2, shape.degree // goal_degree + 1)
        found += [(goal,) * k for k in powers if k <= _LEAST_POWERS or (k % 2 and shape.multiplier > 0)]
    return found


def _binomials(known: Known, blocks: list[Block], strict: list[Factors]) -> list[Block]:
    """Squares of sums and differences of two monomials, whose terms all occur in the products."""
    terms: set[Monomial] = set()
    for factors in (*strict, *(block.factors for block in blocks)):
        terms |= set(known.product(factors).terms)
    roots = sorted({tuple(e // 2 for e in m) for m in terms if all(e % 2 == 0 for e in m)}, key=order)
    found = [Block((), (Poly.monomial(m),)) for m in roots if any(m)]
    for a, one in enumerate(roots):
        for other in roots[a + 1 :]:
            if tuple(x + y for x, y in zip(one, other, strict=True)) in terms:
                left, right = Poly.monomial(one), Poly.monomial(other)
                found += [Block((), (left - right,)), Block((), (left + right,))]
                if len(found) >= _MOST_BINOMIALS:
                    return found
    return found


def _by_signs(known: Known, blocks: list[Block]) -> list[Block]:
    """Blocks cut apart by the changes of sign that leave everything as it is.

    A Gram matrix can then be averaged over them, and entries between monomials that behave differently become 0.
    """
    polys = [known.poly(known.goal_index), *(known.poly(i) for i in (*known.inequalities, *known.equalities))]
    odd = {sum((e & 1) << k for k, e in enumerate(m)) for poly in polys for m in poly.terms}
    signs = _orthogonal(odd, known.n)
    if not signs:
        return blocks
    cut: list[Block] = []
    for block in blocks:
        classes: dict[tuple[int, ...], list[Poly]] = {}
        for poly in block.basis:
            if len(poly.terms) != 1:
                classes.setdefault((-1,), []).append(poly)
                continue
            parity = sum((e & 1) << k for k, e in enumerate(next(iter(poly.terms))))
            classes.setdefault(tuple((parity & s).bit_count() & 1 for s in signs), []).append(poly)
        cut += [Block(block.factors, tuple(basis)) for basis in classes.values()]
    return cut


def _orthogonal(vectors: set[int], n: int) -> list[int]:
    """A basis of the vectors over two elements that are orthogonal to all the given ones, as bits."""
    reduced: list[int] = []
    for vector in sorted(vectors):
        for row in reduced:
            vector = min(vector, vector ^ row)
        if vector:
            reduced = [min(row, row ^ vector) if row >> (vector.bit_length() - 1) & 1 else row for row in reduced]
            reduced.append(vector)
    pivots = {row.bit_length() - 1: row for row in reduced}
    found = []
    for free in range(n):
        if free not in pivots:
            found.append((1 << free) | sum(1 << p for p, row in pivots.items() if row >> free & 1))
    return found


def _is_homogeneous(known: Known) -> bool:
    """Whether everything at the leaf is homogeneous."""
    polys = [known.poly(known.goal_index), *(known.poly(i) for i in known.inequalities)]
    polys += [known.poly(i) for i in known.equalities]
    return all(poly.degree == poly.lowest for poly in polys)


def ladder(known: Known) -> list[tuple[str, Shape]]:
    """The shapes worth trying at a leaf, the cheap ones first."""
    goal = known.poly(known.goal_index)
    count = len([i for i in known.inequalities if known.poly(i).degree > 0])
    d = max(1, goal.degree)
    most = max([d, *(known.poly(i).degree for i in (*known.inequalities, *known.equalities))])
    strict_goal = known.claim.goal.sign == ">"
    even = d + d % 2
    top = most + most % 2
    least = -1 if not strict_goal else 0
    shapes: list[tuple[str, Shape]] = []
    if count:
        shapes.append(("products", Shape(d, d, squares=False)))
        shapes.append(("products", Shape(most, most, squares=False, crossed=True)))
    shapes.append(("squares", Shape(even, 1, least)))
    if count:
        shapes.append(("squares", Shape(d, min(count, 2), least)))
        if d != even:
            shapes.append(("squares", Shape(even, min(count, 2), least)))
        shapes.append(("binomials", Shape(top, top, squares=False, crossed=True, binomials=True)))
        shapes.append(("products", Shape(d + 1, d + 1, squares=False)))
        shapes.append(("squares", Shape(d, min(count, d), least)))
        shapes.append(("products", Shape(d + 2, d + 2, squares=False, crossed=True)))
        shapes.append(("binomials", Shape(top + 2, top + 2, squares=False, crossed=True, binomials=True)))
    if count and most > d:
        # A power of the negated goal with squares of the rest: x³ ≥ y³ ⟹ x ≥ y.
        like = most + (most - d) % 2
        shapes.append(("powers", Shape(like, 1, (like - d) // 2)))
        if most % d == 0:
            shapes.append(("powers", Shape(most, 1, (most - d) // 2, crossed=True)))
    shapes.append(("squares", Shape(top, min(count, 2), 0)))
    shapes.append(("squares", Shape(even + 2, 1, 1)))
    shapes.append(("squares", Shape(even + 2, min(count, 2), 1, crossed=True)))
    if count:
        shapes.append(("squares", Shape(d + 1, min(count, 3), 0, crossed=True)))
        shapes.append(("squares", Shape(top + 2, min(count, 3), 1, crossed=True)))
    shapes.append(("squares", Shape(even + 4, 1, 2)))
    shapes.append(("squares", Shape(2 * d, min(count, 2), d, crossed=True)))
    shapes.append(("squares", Shape(even + 4, min(count, 2), 2, crossed=True)))
    seen: set[Shape] = set()
    unique = []
    for name, shape in shapes:
        if shape not in seen:
            seen.add(shape)
            unique.append((name, shape))
    return unique


def leaf_shapes(known: Known) -> list[Shape]:
    """The shapes for the leaves of trees, the cheap ones first: a tree has many leaves, and each knows more."""
    d = max(1, known.poly(known.goal_index).degree)
    given = (*known.inequalities, *known.equalities)
    top = max([2, d, *(known.poly(i).degree for i in given)])
    even = top + top % 2
    shapes = [
        Shape(top, 2, squares=False, sparse=True),
        Shape(top, 2, squares=False, sparse=True, crossed=True),
        Shape(max(2, d), max(2, min(d, 4)), squares=False),
        Shape(even, 1, -1),
        Shape(even, 2, 0, crossed=True),
        Shape(top, 2, squares=False, crossed=True),
        Shape(top + 1, 3, squares=False, crossed=True),
        Shape(even, 2, 1),
    ]
    if can_expand(known) and box_at(known, known.claim.goal.poly.used()) is not None:
        shapes.insert(0, Shape(d, 0, bernstein=True))
    return list(dict.fromkeys(shapes))


def is_larger(known: Known, shape: Shape, most: int) -> bool:
    """Whether a shape has more products than so many, as far as that is seen without making them."""
    count = sum(known.poly(i).degree > 0 for i in known.inequalities)
    lowest = min((known.poly(i).degree for i in known.inequalities if known.poly(i).degree > 0), default=1)
    factors = min(shape.factors, shape.degree // lowest)
    number = math.comb(count, factors) if shape.squares else math.comb(count + factors, factors)
    return number > most
