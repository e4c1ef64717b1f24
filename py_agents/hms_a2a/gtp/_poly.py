"""Exact polynomials: a map from exponents to rational coefficients.

A monomial is the tuple of all exponents, one for each variable, and a polynomial is a map from monomials to non-zero
`fmpq` of python-flint, whose arithmetic is twenty times as fast as `fractions`. The map has no order; what is written
on the wire is sorted as it is written. Everything here is exact. Floats are made from polynomials by `floats`, for the
searches, and never come back.
"""

from __future__ import annotations

from fractions import Fraction
from math import gcd, lcm
from typing import TYPE_CHECKING, Any, TypeAlias

from flint import fmpq

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

#: All exponents, one for each variable.
Monomial: TypeAlias = tuple[int, ...]

#: A rational of python-flint, which has no type annotations.
Q: TypeAlias = Any

ZERO: Q = fmpq(0)
ONE: Q = fmpq(1)


def rational(fraction: Fraction) -> Q:
    """A fraction of the wire as one of python-flint."""
    return fmpq(fraction.numerator, fraction.denominator)


def fraction_of(value: Q) -> Fraction:
    """A rational of python-flint as a fraction."""
    return Fraction(int(value.p), int(value.q))


def order(monomial: Monomial) -> tuple[int, Monomial]:
    """The key of the graded lexicographic order, smallest first."""
    return sum(monomial), monomial


class Poly:
    """A polynomial in `n` variables. Immutable by agreement: nobody writes to `terms` after it is made."""

    __slots__ = ("_hash", "n", "terms")

    def __init__(self, n: int, terms: Mapping[Monomial, Q] | None = None) -> None:
        self.n = n
        self.terms: dict[Monomial, Q] = {m: c for m, c in terms.items() if c != 0} if terms else {}
        self._hash: int | None = None

    @classmethod
    def constant(cls, n: int, value: Q | int) -> Poly:
        """The constant."""
        return cls(n, {(0,) * n: fmpq(value)})

    @classmethod
    def variable(cls, n: int, index: int) -> Poly:
        """The variable of this index."""
        return cls(n, {tuple(int(k == index) for k in range(n)): ONE})

    @classmethod
    def monomial(cls, monomial: Monomial, coef: Q = ONE) -> Poly:
        """One term."""
        return cls(len(monomial), {monomial: coef})

    @classmethod
    def linear(cls, constant: Q, slopes: Sequence[Q]) -> Poly:
        """The polynomial constant + Σ slope·x."""
        n = len(slopes)
        terms: dict[Monomial, Q] = {(0,) * n: fmpq(constant)}
        for index, slope in enumerate(slopes):
            terms[tuple(int(k == index) for k in range(n))] = fmpq(slope)
        return cls(n, terms)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Poly) and self.n == other.n and self.terms == other.terms

    def __hash__(self) -> int:
        if self._hash is None:
            self._hash = hash(frozenset((m, int(c.p), int(c.q)) for m, c in self.terms.items()))
        return self._hash

    def __bool__(self) -> bool:
        return bool(self.terms)

    def __add__(self, other: Poly) -> Poly:
        terms = dict(self.terms)
        for monomial, coef in other.terms.items():
            terms[monomial] = terms.get(monomial, ZERO) + coef
        return Poly(self.n, terms)

    def __sub__(self, other: Poly) -> Poly:
        terms = dict(self.terms)
        for monomial, coef in other.terms.items():
            terms[monomial] = terms.get(monomial, ZERO) - coef
        return Poly(self.n, terms)

    def __neg__(self) -> Poly:
        return Poly(self.n, {m: -c for m, c in self.terms.items()})

    def __mul__(self, other: Poly) -> Poly:
        terms: dict[Monomial, Q] = {}
        few, many = (self, other) if len(self.terms) <= len(other.terms) else (other, self)
        for left, a in few.terms.items():
            for right, b in many.terms.items():
                monomial = tuple([i + j for i, j in zip(left, right, strict=True)])
                known = terms.get(monomial)
                terms[monomial] = a * b if known is None else known + a * b
        return Poly(self.n, terms)

    def __pow__(self, exponent: int) -> Poly:
        power = Poly.constant(self.n, 1)
        for _ in range(exponent):
            power = power * self
        return power

    def scale(self, factor: Q) -> Poly:
        """All coefficients times a rational."""
        return Poly(self.n, {m: c * factor for m, c in self.terms.items()})

    @property
    def degree(self) -> int:
        """The total degree; 0 of the zero polynomial."""
        return max((sum(m) for m in self.terms), default=0)

    @property
    def lowest(self) -> int:
        """The least total degree of a term; 0 of the zero polynomial."""
        return min((sum(m) for m in self.terms), default=0)

    def coef(self, monomial: Monomial) -> Q:
        """The coefficient of a monomial."""
        return self.terms.get(monomial, ZERO)

    @property
    def at_zero(self) -> Q:
        """The constant term."""
        return self.terms.get((0,) * self.n, ZERO)

    @property
    def is_constant(self) -> bool:
        """Whether no variable occurs."""
        return all(not any(m) for m in self.terms)

    def used(self) -> set[int]:
        """The variables that occur."""
        return {index for m in self.terms for index, e in enumerate(m) if e}

    def ordered(self) -> list[tuple[Monomial, Q]]:
        """Its terms in graded lexicographic order, largest first: as the wire wants them."""
        return sorted(self.terms.items(), key=lambda term: order(term[0]), reverse=True)

    def at(self, point: Sequence[Q]) -> Q:
        """Its value at a rational point."""
        total = ZERO
        for monomial, coef in self.terms.items():
            value = coef
            for x, e in zip(point, monomial, strict=True):
                if e:
                    value = value * (x if e == 1 else x**e)
            total = total + value
        return total

    def derivative(self, index: int) -> Poly:
        """Its derivative by a variable."""
        terms: dict[Monomial, Q] = {}
        for m, c in self.terms.items():
            if m[index]:
                terms[(*m[:index], m[index] - 1, *m[index + 1 :])] = c * m[index]
        return Poly(self.n, terms)

    def substitute(self, index: int, by: Poly) -> Poly:
        """With a polynomial put for a variable."""
        total = Poly(self.n)
        powers = [Poly.constant(self.n, 1)]
        for m, c in self.terms.items():
            while len(powers) <= m[index]:
                powers.append(powers[-1] * by)
            rest = Poly(self.n, {(*m[:index], 0, *m[index + 1 :]): c})
            total = total + rest * powers[m[index]]
        return total

    def placed(self, places: Sequence[int], n: int) -> Poly:
        """The same in n variables, its own becoming those of these indices, each another."""
        terms = {}
        for monomial, coef in self.terms.items():
            exponents = [0] * n
            for place, exponent in zip(places, monomial, strict=True):
                exponents[place] = exponent
            terms[tuple(exponents)] = coef
        return Poly(n, terms)

    def renamed(self, names: Mapping[int, int]) -> Poly:
        """With variables renamed, by a permutation of some."""
        return self.placed([names.get(v, v) for v in range(self.n)], self.n)

    def swapped(self, i: int, j: int) -> Poly:
        """With two variables exchanged."""
        return self.renamed({i: j, j: i})

    def content(self) -> Q:
        """The positive rational that leaves coprime integers when it is divided out; 1 of the zero polynomial."""
        if not self.terms:
            return ONE
        bottom = 1
        for c in self.terms.values():
            bottom = lcm(bottom, int(c.q))
        top = 0
        for c in self.terms.values():
            top = gcd(top, int(c.p) * (bottom // int(c.q)))
        return fmpq(top, bottom)

    def primitive(self) -> Poly:
        """Itself divided by its content."""
        return self.scale(1 / self.content())

    def floats(self) -> tuple[list[Monomial], list[float]]:
        """Monomials and coefficients as floats; a coefficient beyond their range becomes the largest."""
        return list(self.terms), [as_float(c) for c in self.terms.values()]

    def __iter__(self) -> Iterator[tuple[Monomial, Q]]:
        return iter(self.terms.items())

    def __repr__(self) -> str:
        return f"Poly({self.n}, {self.terms!r})"


def as_float(value: Q) -> float:
    """The nearest float; the largest one where there is none."""
    try:
        return int(value.p) / int(value.q)
    except OverflowError:
        return 1.7e308 if value > 0 else -1.7e308


def monomials(n: int, degree: int, least: int = 0) -> list[Monomial]:
    """All monomials in n variables of total degrees `least` to `degree`, smallest first."""
    found: list[Monomial] = []
    for total in range(least, degree + 1):
        found.extend(_of_degree(n, total))
    return sorted(found, key=order)


def _of_degree(n: int, total: int) -> Iterable[Monomial]:
    if n == 0:
        if total == 0:
            yield ()
        return
    if n == 1:
        yield (total,)
        return
    for first in range(total + 1):
        for rest in _of_degree(n - 1, total - first):
            yield (first, *rest)
