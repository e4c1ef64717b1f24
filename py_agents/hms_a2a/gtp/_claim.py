"""A claim as the prover sees it: exact polynomials behind the wire's term lists.

The bytes stay with it: its hash is theirs, and a certificate names that hash. Reading is as strict as the wire says
(canonical ratios, terms in order, no monomial twice, every index in range), because two readers must never see two
claims in the same bytes.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Literal, TypeAlias

from hms_a2a import _wire as wire
from hms_a2a._codec import decode_written, encode
from hms_a2a._errors import BadWire
from hms_a2a._rational import Ratio
from hms_a2a.gtp._errors import BadClaim
from hms_a2a.gtp._poly import Poly, Q, fraction_of, rational

if TYPE_CHECKING:
    from collections.abc import Sequence

#: How a polynomial stands to zero.
Sign: TypeAlias = Literal[">=", ">", "="]


@dataclass(frozen=True)
class Relation:
    """A polynomial that is ≥ 0, > 0 or = 0."""

    sign: Sign
    poly: Poly

    def holds(self, point: Sequence[Q]) -> bool:
        """Whether it is true at a rational point."""
        value = self.poly.at(point)
        if self.sign == ">=":
            return bool(value >= 0)
        return bool(value > 0) if self.sign == ">" else bool(value == 0)


@dataclass(frozen=True)
class Claim:
    """Hypotheses and a goal, over real variables."""

    variables: tuple[str, ...]
    hypotheses: tuple[Relation, ...]
    goal: Relation
    witness: tuple[Q, ...] | None = None
    body: bytes = b""

    @classmethod
    def from_bytes(cls, body: bytes) -> Claim:
        """Read the body of a claim. Raises `BadClaim`."""
        try:
            read = decode_written(body, wire.Claim)
        except BadWire as error:
            raise BadClaim(error.reason, field=error.field) from error
        n = len(read.variables)
        return cls(
            tuple(read.variables),
            tuple(Relation(h.relation.value, poly_of(h.poly, n)) for h in read.hypotheses),
            Relation(read.goal.relation.value, poly_of(read.goal.poly, n)),
            tuple(rational(x) for x in read.witness) if read.witness else None,
            body,
        )

    def to_bytes(self) -> bytes:
        """The body: the bytes that it was read from, or its canonical ones. Raises `BadClaim` beyond a limit."""
        return self.body or self._written

    @cached_property
    def _written(self) -> bytes:
        try:
            return encode(
                wire.Claim(
                    variables=list(self.variables),
                    hypotheses=[_relation_to_wire(h) for h in self.hypotheses],
                    goal=_relation_to_wire(self.goal),
                    witness=[Ratio(fraction_of(x)) for x in self.witness or ()],
                )
            )
        except BadWire as error:
            raise BadClaim(error.reason, field=error.field) from error

    @cached_property
    def hash(self) -> bytes:
        """SHA-256 of the exact bytes of the body."""
        return hashlib.sha256(self.to_bytes()).digest()

    @property
    def n(self) -> int:
        """The number of variables."""
        return len(self.variables)

    @cached_property
    def negated_goal(self) -> Relation | None:
        """What a leaf may use besides the hypotheses; None for an equality goal."""
        if self.goal.sign == "=":
            return None
        return Relation(">" if self.goal.sign == ">=" else ">=", -self.goal.poly)

    def refuted_at(self, point: Sequence[Q]) -> bool:
        """Whether a point satisfies every hypothesis and violates the goal."""
        return all(h.holds(point) for h in self.hypotheses) and not self.goal.holds(point)


def poly_of(terms: Sequence[wire.PolyTerm], n: int) -> Poly:
    """The polynomial of a checked list of terms."""
    read: dict[tuple[int, ...], Q] = {}
    for term in terms:
        exponents = [0] * n
        for index, exponent in term.powers:
            exponents[index] = exponent
        read[tuple(exponents)] = rational(term.coef)
    poly = Poly(n)
    poly.terms = read
    return poly


def terms_of(poly: Poly) -> list[wire.PolyTerm]:
    """A polynomial as the wire writes it: graded lexicographic order, largest first."""
    return [
        wire.PolyTerm(coef=Ratio(fraction_of(coef)), powers=[[i, e] for i, e in enumerate(monomial) if e])
        for monomial, coef in poly.ordered()
    ]


def _relation_to_wire(relation: Relation) -> wire.Constraint:
    return wire.Constraint(relation=wire.Relation(relation.sign), poly=terms_of(relation.poly))
