"""The second checker: what the kernel checks, once more, in another language and another representation.

It shares nothing with the prover but the wire. A monomial is one integer, a byte for each variable's exponent, so that
multiplying monomials adds integers; a polynomial maps these to whole numbers over a common denominator. The kernel and
this one must agree on every vector and refuse every mutant. Neither searches, rounds or knows floats.

Two passes, as ``docs/claims.md`` says: the first reads every node, refuses what stands where it may not, and pays for
every product from its size; only then is anything multiplied out.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from math import lcm
from typing import TYPE_CHECKING, Literal, NamedTuple, TypeAlias

from hms_a2a import _wire as wire
from hms_a2a._codec import decode_written, type_of
from hms_a2a._errors import BadWire
from hms_a2a._limits import MAX_EXPANDED_BITS, MAX_EXPANDED_DEGREE, MAX_EXPANSION
from hms_a2a.gtp._errors import BadClaim, BadEvidence

if TYPE_CHECKING:
    from collections.abc import Sequence
    from fractions import Fraction

#: Packed exponents to whole numbers.
_Terms: TypeAlias = dict[int, int]
_EXPONENT_BITS = 8
_WORD_BITS = 64


@dataclass(frozen=True)
class Checked:
    """What a piece of evidence shows."""

    verdict: Literal["proved", "refuted"]
    vacuous: bool
    """Whether the hypotheses contradict each other, so that the goal was never needed."""


def check(claim: bytes, evidence: bytes) -> Checked:
    """What the evidence shows of the claim. Raises `BadClaim` or `BadEvidence`."""
    # What would be written otherwise is refused, so that a claim or a certificate has one form and one hash.
    try:
        about = decode_written(claim, wire.Claim)
    except BadWire as error:
        raise BadClaim(error.reason, field=error.field) from error
    read: wire.Certificate | wire.Counterexample
    try:
        if type_of(evidence) == wire.Counterexample.TYPE:
            read = decode_written(evidence, wire.Counterexample)
        else:
            read = decode_written(evidence, wire.Certificate)
    except BadWire as error:
        raise BadEvidence(error.field, error.reason) from error
    if read.claim_hash != hashlib.sha256(claim).digest():
        raise BadEvidence("claim_hash", "is another claim's")
    setting = _Setting(about)
    if about.witness:
        failing = setting.first_that_fails(about.witness)
        if failing is not None:
            raise BadClaim(f"hypothesis {failing} does not hold there", field="witness")
    if isinstance(read, wire.Counterexample):
        return setting.refuted_at(read.point)
    return _Walk(setting, read).checked()


class _Budget:
    """What is left to spend on one piece of evidence: products of terms, in words of their coefficients."""

    def __init__(self) -> None:
        self._left = MAX_EXPANSION

    def charge(self, size: _Size, where: str) -> None:
        """Pay for a product. Raises `BadEvidence`."""
        if size.degree > MAX_EXPANDED_DEGREE:
            raise BadEvidence(where, f"a product of degree {size.degree}; at most {MAX_EXPANDED_DEGREE}")
        if size.bits > MAX_EXPANDED_BITS:
            raise BadEvidence(where, f"coefficients of {size.bits} bits; at most {MAX_EXPANDED_BITS}")
        self._left -= size.terms * (1 + size.bits // _WORD_BITS)
        if self._left < 0:
            raise BadEvidence(where, f"multiplied out, more than {MAX_EXPANSION} terms")


class _Size(NamedTuple):
    """At most so many products of terms, of such a degree, with coefficients of so many bits."""

    terms: int
    degree: int
    bits: int

    def times(self, other: _Size) -> _Size:
        """The size of the product."""
        return _Size(self.terms * max(1, other.terms), self.degree + other.degree, self.bits + other.bits)

    def widened(self, bits: int) -> _Size:
        """The same with coefficients of so many bits more."""
        return _Size(self.terms, self.degree, self.bits + bits)


class _Poly(NamedTuple):
    """Σ terms / bottom."""

    terms: _Terms
    bottom: int
    size: _Size

    def negated(self) -> _Poly:
        """The same with the other sign."""
        return _Poly({key: -value for key, value in self.terms.items()}, self.bottom, self.size)


def _common(so_far: int, following: int, where: str) -> int:
    """A common denominator. Raises `BadEvidence` beyond the limit."""
    multiple = lcm(so_far, following)
    if multiple.bit_length() > MAX_EXPANDED_BITS:
        raise BadEvidence(where, f"a common denominator of more than {MAX_EXPANDED_BITS} bits")
    return multiple


def _poly(terms: Sequence[wire.PolyTerm], variables: int, budget: _Budget, where: str) -> _Poly:
    """A polynomial of the wire, paid for. Raises `BadEvidence`."""
    bottom = 1
    degree = bits = 0
    read: list[tuple[int, Fraction]] = []
    for term in terms:
        coef = term.coef
        if coef.denominator != 1:
            bottom = _common(bottom, coef.denominator, where)
        bits = max(bits, coef.numerator.bit_length())
        key = total = 0
        for index, exponent in term.powers:
            if index >= variables:
                raise BadEvidence(where, f"no variable has the index {index}")
            key += exponent << (_EXPONENT_BITS * index)
            total += exponent
        degree = max(degree, total)
        read.append((key, coef))
    size = _Size(len(terms), degree, bits + bottom.bit_length())
    budget.charge(size, where)
    packed = {key: coef.numerator * (bottom // coef.denominator) for key, coef in read}
    return _Poly(packed, bottom, size)


class _Setting:
    """A claim, its polynomials read."""

    def __init__(self, claim: wire.Claim) -> None:
        self.claim = claim
        self.budget = _Budget()
        self.variables = len(claim.variables)
        try:
            self.known = [
                (h.relation.value, _poly(h.poly, self.variables, self.budget, f"hypotheses[{index}]"))
                for index, h in enumerate(claim.hypotheses)
            ]
            self.goal = _poly(claim.goal.poly, self.variables, self.budget, "goal")
        except BadEvidence as error:
            raise BadClaim(error.reason, field=error.where) from error
        self.is_equality = claim.goal.relation is wire.Relation.EQUAL
        if not self.is_equality:
            sign = ">" if claim.goal.relation is wire.Relation.AT_LEAST else ">="
            self.known.append((sign, self.goal.negated()))

    def first_that_fails(self, point: Sequence[Fraction]) -> int | None:
        """The first hypothesis that does not hold at a point; None where all hold."""
        if len(point) != self.variables:
            raise BadEvidence("point", f"has {len(point)} coordinates for {self.variables} variables")
        for index, hypothesis in enumerate(self.claim.hypotheses):
            if not self._holds(hypothesis.relation.value, self.known[index][1], point):
                return index
        return None

    def refuted_at(self, point: Sequence[Fraction]) -> Checked:
        """Whether a point refutes the claim. Raises `BadEvidence` where it does not."""
        failing = self.first_that_fails(point)
        if failing is not None:
            raise BadEvidence("point", f"hypothesis {failing} does not hold there")
        if self._holds(self.claim.goal.relation.value, self.goal, point):
            raise BadEvidence("point", "the goal holds there")
        return Checked("refuted", vacuous=False)

    def _holds(self, sign: str, poly: _Poly, point: Sequence[Fraction]) -> bool:
        bottom = 1
        for x in point:
            bottom = _common(bottom, x.denominator, "point")
        whole = [x.numerator * (bottom // x.denominator) for x in point]
        bits = max([bottom.bit_length(), *(x.bit_length() for x in whole)])
        degree = poly.size.degree
        self.budget.charge(_Size(poly.size.terms, 0, poly.size.bits + bits * degree), "point")
        total = 0
        for key, coef in poly.terms.items():
            missing = degree
            value = coef
            at = 0
            while key:
                exponent = key & (2**_EXPONENT_BITS - 1)
                if exponent:
                    value *= whole[at] ** exponent
                    missing -= exponent
                key >>= _EXPONENT_BITS
                at += 1
            total += value * bottom**missing
        if sign == ">=":
            return total >= 0
        return total > 0 if sign == ">" else total == 0


class _Walk:
    """A certificate's tree, in preorder, with the splits on the path."""

    def __init__(self, setting: _Setting, certificate: wire.Certificate) -> None:
        self._setting = setting
        self._nodes = certificate.nodes
        self._goal_at = len(setting.claim.hypotheses)
        self._uses_goal = False

    def checked(self) -> Checked:
        """Read and pay for every node, then multiply out. Raises `BadEvidence`."""
        setting = self._setting
        path: list[_Poly] = []
        # Splits whose second side is still to come, with the length of the path above them.
        waiting: list[tuple[int, _Poly]] = []
        sums: list[_Sum] = []
        for at, node in enumerate(self._nodes):
            where = f"nodes[{at}]"
            if isinstance(node, wire.NodeSplit):
                on = _poly(node.on, setting.variables, setting.budget, f"{where}.on")
                waiting.append((len(path), on.negated()))
                path.append(on)
                continue
            sums.append(
                self._leaf(node, path, where) if isinstance(node, wire.NodeLeaf) else self._identity(node, where)
            )
            if waiting:
                depth, below = waiting.pop()
                path[depth:] = [below]
        for total in sums:
            total.must_vanish()
        return Checked("proved", vacuous=not self._uses_goal)

    def _leaf(self, leaf: wire.NodeLeaf, path: Sequence[_Poly], where: str) -> _Sum:
        total = _Sum(where)
        at = f"{where}.positive"
        total.add(leaf.positive.coef, self._all(leaf.positive.factors, path, (">",), at), None, at)
        for k, square in enumerate(leaf.squares):
            at = f"{where}.squares[{k}]"
            factors = self._all(square.factors, path, (">=", ">"), at)
            base = self._poly(square.square, at) if square.square else None
            total.add(square.coef, factors, base, at)
        self._equalities(total, leaf.equalities, path, where)
        total.pay(self._setting.budget)
        return total

    def _identity(self, node: wire.NodeIdentity, where: str) -> _Sum:
        if not self._setting.is_equality:
            raise BadEvidence(where, "an identity proves only goals that are equalities")
        self._uses_goal = True
        total = _Sum(where)
        total.add_multiple(-1, None, self._setting.goal, where)
        self._equalities(total, node.equalities, (), where)
        total.pay(self._setting.budget)
        return total

    def _equalities(
        self, total: _Sum, equalities: Sequence[wire.EqualityTerm], path: Sequence[_Poly], where: str
    ) -> None:
        for k, equality in enumerate(equalities):
            at = f"{where}.equalities[{k}]"
            known = self._of(equality.index, path, ("=",), at)
            total.add_multiple(1, (equality.index, known), self._poly(equality.poly, at), at)

    def _poly(self, terms: Sequence[wire.PolyTerm], where: str) -> _Poly:
        return _poly(terms, self._setting.variables, self._setting.budget, where)

    def _all(
        self, factors: Sequence[int], path: Sequence[_Poly], signs: tuple[str, ...], where: str
    ) -> list[tuple[int, _Poly]]:
        return [(index, self._of(index, path, signs, where)) for index in factors]

    def _of(self, index: int, path: Sequence[_Poly], signs: tuple[str, ...], where: str) -> _Poly:
        """What has this index at a node, if it stands to zero as it must. Raises `BadEvidence`."""
        after = index - self._goal_at - 1
        if index == self._goal_at and self._setting.is_equality:
            raise BadEvidence(where, "a goal that is an equality has no negation to use")
        if index <= self._goal_at:
            sign, poly = self._setting.known[index]
        elif after < len(path):
            sign, poly = ">=", path[after]
        else:
            raise BadEvidence(where, f"nothing here has the index {index}")
        if sign not in signs:
            raise BadEvidence(where, f"{index} stands to zero by {sign}, not by {' or '.join(signs)}")
        self._uses_goal |= index == self._goal_at
        return poly


class _Summand(NamedTuple):
    top: int
    bottom: int
    parts: tuple[_Poly, ...]


class _Sum:
    """What has to cancel at one leaf."""

    def __init__(self, where: str) -> None:
        self._where = where
        self._summands: list[tuple[_Summand, str]] = []
        self._often: dict[int, tuple[int, _Poly]] = {}
        self._coefs = self._squares = self._multiples = 1

    def add(self, coef: Fraction, factors: Sequence[tuple[int, _Poly]], base: _Poly | None, where: str) -> None:
        """Add coef·∏ factors·base²."""
        self._count(coef.denominator, factors, where)
        parts = tuple(poly for _, poly in factors)
        if base is not None:
            self._squares = _common(self._squares, base.bottom, where)
            parts += (base, base)
        self._summands.append((_Summand(coef.numerator, coef.denominator, parts), where))

    def add_multiple(self, sign: int, known: tuple[int, _Poly] | None, by: _Poly, where: str) -> None:
        """Add ±by·known."""
        factors = () if known is None else (known,)
        self._multiples = _common(self._multiples, by.bottom, where)
        self._count(1, factors, where)
        self._summands.append((_Summand(sign, 1, (*(poly for _, poly in factors), by)), where))

    def _count(self, denominator: int, factors: Sequence[tuple[int, _Poly]], where: str) -> None:
        self._coefs = _common(self._coefs, denominator, where)
        indices = [index for index, _ in factors]
        for index, poly in factors:
            times = max(indices.count(index), self._often.get(index, (0, poly))[0])
            self._often[index] = times, poly

    def pay(self, budget: _Budget) -> None:
        """Pay for all that will be multiplied out. Raises `BadEvidence`."""
        bits = self._coefs.bit_length() + 2 * self._squares.bit_length() + self._multiples.bit_length()
        bits += sum(times * poly.bottom.bit_length() for times, poly in self._often.values())
        budget.charge(_Size(1, 0, bits), self._where)
        for summand, where in self._summands:
            size = _Size(1, 0, summand.top.bit_length())
            for part in summand.parts:
                size = size.times(part.size)
            budget.charge(size.widened(bits), where)

    def must_vanish(self) -> None:
        """Multiply out. Raises `BadEvidence` where anything is left."""
        total: _Terms = {}
        bottom = 1
        for summand, _ in self._summands:
            terms: _Terms = {0: summand.top}
            below = summand.bottom
            for part in summand.parts:
                below *= part.bottom
                made: _Terms = {}
                for left, a in terms.items():
                    for right, b in part.terms.items():
                        key = left + right
                        made[key] = made.get(key, 0) + a * b
                terms = made
            common = lcm(bottom, below)
            if common != bottom:
                for key in total:
                    total[key] *= common // bottom
                bottom = common
            for key, value in terms.items():
                total[key] = total.get(key, 0) + value * (common // below)
        if any(total.values()):
            raise BadEvidence(self._where, "the sum is not 0")
