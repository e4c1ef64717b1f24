"""Rules of claims and certificates, as the crate `schemas` checks them, in the same order."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from hms_a2a import _wire as wire
from hms_a2a._errors import BadWire
from hms_a2a._limits import (
    MAX_CERTIFICATE_NODES,
    MAX_DEAL_CLAIMS,
    MAX_DEGREE,
    MAX_FACTORS,
    MAX_HYPOTHESES,
    MAX_LEAF_TERMS,
    MAX_POLY_TERMS,
    MAX_VARIABLES,
)
from hms_a2a._rational import Ratio

if TYPE_CHECKING:
    from fractions import Fraction

_ONE = [wire.PolyTerm(coef=Ratio(1))]


def _term(term: wire.PolyTerm, field: str, variables: int) -> int:
    """Its degree. Raises `BadWire`."""
    if not term.coef:
        raise BadWire(f"{field}.coef", "a term of nought is left out")
    if len(term.powers) > 1 and any(a[0] >= b[0] for a, b in pairwise(term.powers)):
        raise BadWire(f"{field}.powers", "must be sorted by variable, each once")
    degree = 0
    for index, (variable, exponent) in enumerate(term.powers):
        if exponent == 0:
            raise BadWire(f"{field}.powers[{index}]", "an exponent of 0 is left out")
        if variable >= variables:
            raise BadWire(f"{field}.powers[{index}]", f"no variable has the index {variable}")
        degree += exponent
    if degree > MAX_DEGREE:
        raise BadWire(f"{field}.powers", f"of a degree above {MAX_DEGREE}")
    return degree


def _poly(poly: list[wire.PolyTerm], field: str, variables: int = MAX_VARIABLES) -> None:
    if len(poly) > MAX_POLY_TERMS:
        raise BadWire(field, f"at most {MAX_POLY_TERMS} terms")
    before: tuple[int, list[tuple[int, int]]] | None = None
    for index, term in enumerate(poly):
        degree = _term(term, f"{field}[{index}]", variables)
        # Larger for a term that comes first: by degree, then by the exponents, variable by variable.
        grade = degree, [(-variable, exponent) for variable, exponent in term.powers]
        if before is not None and before <= grade:
            reason = "terms stand in graded lexicographic order, the largest first, each once"
            raise BadWire(f"{field}[{index}]", reason)
        before = grade


def claim(claim: wire.Claim) -> None:
    """Constraints within bounds, in their one canonical form."""
    if len(claim.variables) > MAX_VARIABLES:
        raise BadWire("variables", f"at most {MAX_VARIABLES} variables")
    for index, name in enumerate(claim.variables):
        if name in claim.variables[:index]:
            raise BadWire(f"variables[{index}]", f"{name} stands twice")
    if len(claim.hypotheses) > MAX_HYPOTHESES:
        raise BadWire("hypotheses", f"at most {MAX_HYPOTHESES} hypotheses")
    for index, hypothesis in enumerate(claim.hypotheses):
        _poly(hypothesis.poly, f"hypotheses[{index}].poly", len(claim.variables))
    _poly(claim.goal.poly, "goal.poly", len(claim.variables))
    if claim.witness and len(claim.witness) != len(claim.variables):
        raise BadWire("witness", "one coordinate for each variable")


def certificate(certificate: wire.Certificate) -> None:
    """A whole tree of nodes, each in canonical form."""
    _version(certificate)
    if not 1 <= len(certificate.nodes) <= MAX_CERTIFICATE_NODES:
        raise BadWire("nodes", f"1 to {MAX_CERTIFICATE_NODES} nodes")
    to_come = 1
    for index, node in enumerate(certificate.nodes):
        place = f"nodes[{index}]"
        if to_come == 0:
            raise BadWire(place, "the tree has ended before")
        to_come -= 1
        if isinstance(node, wire.NodeSplit):
            _poly(node.on, f"{place}.on")
            if not node.on:
                raise BadWire(f"{place}.on", "a split on nought parts nothing")
            to_come += 2
        elif isinstance(node, wire.NodeLeaf):
            _positive(node.positive.coef, f"{place}.positive.coef")
            _factors(node.positive.factors, f"{place}.positive.factors")
            _leaf_size(len(node.squares) + len(node.equalities), place)
            _squares(node.squares, place)
            _equalities(node.equalities, place)
        else:
            _leaf_size(len(node.equalities), place)
            _equalities(node.equalities, place)
    if to_come:
        raise BadWire("nodes", f"{to_come} subtrees of splits are missing")


def _version(evidence: wire.Certificate | wire.Counterexample) -> None:
    if evidence.version != 1:
        raise BadWire("version", "only version 1 is known")


def _positive(coef: Fraction, field: str) -> None:
    if coef <= 0:
        raise BadWire(field, "must be positive")


def _factors(factors: list[int], field: str) -> None:
    if len(factors) > MAX_FACTORS:
        raise BadWire(field, f"at most {MAX_FACTORS} factors")
    if any(a > b for a, b in pairwise(factors)):
        raise BadWire(field, "must be sorted")


def _leaf_size(summands: int, field: str) -> None:
    if summands > MAX_LEAF_TERMS:
        raise BadWire(field, f"at most {MAX_LEAF_TERMS} squares and equalities")


def _place(term: wire.SquareTerm) -> tuple[list[int], list[tuple[list[list[int]], int, int]]]:
    """The order of squares in a leaf: by factors, then the one that is left out, then term by term."""
    return term.factors, [(t.powers, t.coef.numerator, t.coef.denominator) for t in term.square]


def _squares(squares: list[wire.SquareTerm], place: str) -> None:
    for index, term in enumerate(squares):
        _positive(term.coef, f"{place}.squares[{index}].coef")
        _factors(term.factors, f"{place}.squares[{index}].factors")
        _poly(term.square, f"{place}.squares[{index}].square")
        if term.square == _ONE:
            raise BadWire(f"{place}.squares[{index}].square", "a square of 1 is left out, and none is of nought")
    for index, (a, b) in enumerate(pairwise(squares)):
        if _place(a) >= _place(b):
            reason = "must be sorted by factors, then by the square, and none stands twice"
            raise BadWire(f"{place}.squares[{index + 1}]", reason)


def _equalities(equalities: list[wire.EqualityTerm], place: str) -> None:
    before = -1
    for index, term in enumerate(equalities):
        _poly(term.poly, f"{place}.equalities[{index}].poly")
        if not term.poly:
            raise BadWire(f"{place}.equalities[{index}].poly", "a summand of nought is left out")
        if before >= term.index:
            raise BadWire(f"{place}.equalities[{index}].index", "must be sorted by index, each once")
        before = term.index


def counterexample(counterexample: wire.Counterexample) -> None:
    """A point of as many coordinates as a claim may have."""
    _version(counterexample)
    if len(counterexample.point) > MAX_VARIABLES:
        raise BadWire("point", f"at most {MAX_VARIABLES} coordinates")


def searched(message: wire.Prove | wire.Refute) -> None:
    """As many claims as a deal may raise."""
    if not 1 <= len(message.claims) <= MAX_DEAL_CLAIMS:
        raise BadWire("claims", f"1 to {MAX_DEAL_CLAIMS} claims")
