"""Certificates as the prover builds them: trees of splits whose leaves are identities.

Building is sloppy on purpose (terms in any order, the same square twice, coefficients of any size) and `to_bytes` makes
it canonical: factor lists sorted, equal squares added up, squares sorted by (factors, square).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

from hms_a2a import _wire as wire
from hms_a2a._codec import encode
from hms_a2a._rational import Ratio
from hms_a2a.gtp._claim import terms_of
from hms_a2a.gtp._poly import ONE, Poly, Q, fraction_of

if TYPE_CHECKING:
    from collections.abc import Sequence

#: Indices of hypotheses, sorted; the negated goal is H, splits are H + 1 and on.
Factors: TypeAlias = tuple[int, ...]


@dataclass(frozen=True)
class Square:
    """coef · ∏ g[factors] · square²."""

    coef: Q
    factors: Factors
    square: Poly


@dataclass(frozen=True)
class Leaf:
    """coef · ∏ strict[factors] + Σ squares + Σ poly·h[index] ≡ 0."""

    coef: Q
    factors: Factors
    squares: tuple[Square, ...] = ()
    equalities: tuple[tuple[int, Poly], ...] = ()


@dataclass(frozen=True)
class Identity:
    """The equality goal f ≡ Σ poly·h[index]."""

    equalities: tuple[tuple[int, Poly], ...] = ()


@dataclass(frozen=True)
class Split:
    """A case distinction: on ≥ 0, or −on ≥ 0."""

    on: Poly
    above: Node
    below: Node


Node: TypeAlias = Split | Leaf | Identity


@dataclass
class Tally:
    """How large a certificate is."""

    splits: int = 0
    leaves: int = 0
    terms: int = 0
    _seen: list[int] = field(default_factory=list, repr=False)


def tally(node: Node) -> Tally:
    """Count a tree's splits, leaves and terms."""
    counted = Tally()
    waiting = [node]
    while waiting:
        at = waiting.pop()
        if isinstance(at, Split):
            counted.splits += 1
            waiting += [at.above, at.below]
        else:
            counted.leaves += 1
            counted.terms += len(at.equalities) + (len(at.squares) if isinstance(at, Leaf) else 0)
    return counted


def certificate_of(claim_hash: bytes, root: Node) -> wire.Certificate:
    """The certificate as the wire has it."""
    return wire.Certificate(version=1, claim_hash=claim_hash, nodes=_nodes(root))


def certificate_bytes(claim_hash: bytes, root: Node) -> bytes:
    """The canonical body. Raises `BadWire` where it exceeds a limit of the wire."""
    return encode(certificate_of(claim_hash, root))


def counterexample_bytes(claim_hash: bytes, point: Sequence[Q]) -> bytes:
    """The body of a counterexample."""
    return encode(wire.Counterexample(version=1, claim_hash=claim_hash, point=[Ratio(fraction_of(x)) for x in point]))


def _nodes(root: Node) -> list[wire.NodeSplit | wire.NodeLeaf | wire.NodeIdentity]:
    nodes: list[wire.NodeSplit | wire.NodeLeaf | wire.NodeIdentity] = []
    waiting = [root]
    while waiting:
        at = waiting.pop()
        if isinstance(at, Split):
            nodes.append(wire.NodeSplit(on=terms_of(at.on)))
            waiting += [at.below, at.above]
        elif isinstance(at, Leaf):
            nodes.append(_leaf(at))
        else:
            nodes.append(wire.NodeIdentity(equalities=_equalities(at.equalities)))
    return nodes


def _leaf(leaf: Leaf) -> wire.NodeLeaf:
    total: dict[tuple[Factors, Poly | None], Q] = {}
    for square in leaf.squares:
        scale, base = _scaled(square.square)
        key = (tuple(sorted(square.factors)), base)
        total[key] = total.get(key, 0) + square.coef * scale * scale
    squares = [
        (factors, [] if base is None else terms_of(base), coef) for (factors, base), coef in total.items() if coef != 0
    ]
    squares.sort(key=_square_key)
    return wire.NodeLeaf(
        positive=wire.PositivePart(coef=Ratio(fraction_of(leaf.coef)), factors=sorted(leaf.factors)),
        squares=[
            wire.SquareTerm(coef=Ratio(fraction_of(coef)), factors=list(factors), square=terms)
            for factors, terms, coef in squares
        ],
        equalities=_equalities(leaf.equalities),
    )


def _scaled(poly: Poly) -> tuple[Q, Poly | None]:
    """A scale, and what it scales: the sign and scale of a square are free, so it is coprime integers with a positive
    leading coefficient, written once; 1 is left out."""
    if poly.is_constant:
        return poly.at_zero, None
    content = poly.content()
    base = poly.scale(1 / content)
    return content, -base if base.ordered()[0][1] < 0 else base


def _square_key(
    entry: tuple[Factors, list[wire.PolyTerm], Q],
) -> tuple[Factors, list[tuple[list[list[int]], int, int]]]:
    """The wire's order: by factors, then what is left out, then term by term."""
    factors, terms, _ = entry
    return factors, [(term.powers, term.coef.numerator, term.coef.denominator) for term in terms]


def _equalities(pairs: Sequence[tuple[int, Poly]]) -> list[wire.EqualityTerm]:
    total: dict[int, Poly] = {}
    for index, poly in pairs:
        total[index] = total[index] + poly if index in total else poly
    return [wire.EqualityTerm(index=index, poly=terms_of(poly)) for index, poly in sorted(total.items()) if poly]


def one_square(coef: Q, factors: Factors, n: int) -> Square:
    """A product of hypotheses itself: its square is 1."""
    return Square(coef, factors, Poly.constant(n, ONE))
