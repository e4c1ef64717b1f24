"""The archive of lemmas: what was proved before, for claims that come later.

A lemma is an inequality over hypotheses with its identity, f = Σ c·∏ g·q² + Σ p·h: a claim that a leaf proved
directly, or a case of one, whose splits are hypotheses of the lemma. It holds for whatever its variables are called.
Where a later claim has such hypotheses, f is one more polynomial that isn't negative, for products and squares to use;
and before a certificate is written the identity takes the place of f, so that whoever checks it sees the hypotheses of
the claim alone.

The archive is bounded, and lives with the process that serves. What it holds depends on what was asked before, and so
may the proof that a later claim gets, or whether it gets one in time; searches without an archive depend on claim,
seed and budget alone, and neither `--once` nor any measurement has one.
"""

from __future__ import annotations

import itertools
from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from hms_a2a import _wire as wire
from hms_a2a._codec import decode
from hms_a2a._errors import BadWire
from hms_a2a.gtp._certificate import Leaf, Square
from hms_a2a.gtp._claim import Relation, poly_of
from hms_a2a.gtp._poly import Poly, rational

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from hms_a2a.gtp._claim import Claim
    from hms_a2a.gtp._leaf import Known

#: How many lemmas are kept; the one that was used or proved longest ago goes first.
MOST_LEMMAS = 512
#: How many of them a claim is given, the latest first.
MOST_GIVEN = 16
#: Larger ones are not worth their place.
_MOST_LEMMA_VARIABLES = 5
_MOST_LEMMA_SQUARES = 60
_MOST_TRIES = 240
#: Squares of a leaf once its lemmas are written out.
_MOST_WRITTEN = 3_000
_MOST_TRIES_IN_ALL = 1_000
_MOST_SOURCE_BYTES = 64 * 1024
_LEAST_DEGREE = 2

#: Hypotheses but for their variables' names.
Marks: TypeAlias = "frozenset[tuple[bool, tuple[tuple[str, tuple[int, ...]], ...]]]"
#: A claim's body and its certificate's.
Source: TypeAlias = tuple[bytes, bytes]


@dataclass(frozen=True)
class Lemma:
    """f ≥ 0 over hypotheses, in as many variables as it uses."""

    f: Poly
    given: tuple[Relation, ...]
    squares: tuple[Square, ...]
    """Their factors are indices of `given`."""
    equalities: tuple[tuple[int, Poly], ...]


@dataclass(frozen=True)
class Derived:
    """A lemma about a claim: its factors and equalities are the claim's hypotheses."""

    f: Poly
    squares: tuple[Square, ...]
    equalities: tuple[tuple[int, Poly], ...]


class Archive:
    """Lemmas, as many as have their place, each with the claim and the certificate that it comes from."""

    def __init__(self) -> None:
        self._kept: OrderedDict[tuple[Poly, tuple[Relation, ...]], tuple[Lemma, Source, Marks]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._kept)

    def learn(self, claim: Claim, evidence: bytes) -> None:
        """Keep what a checked certificate proves."""
        if len(evidence) <= _MOST_SOURCE_BYTES:
            source = (claim.to_bytes(), evidence)
            for lemma in lemmas_of(claim, evidence):
                key = (lemma.f, lemma.given)
                self._kept[key] = (lemma, source, _marks(lemma.given))
                self._kept.move_to_end(key)
                if len(self._kept) > MOST_LEMMAS:
                    self._kept.popitem(last=False)

    def sources(self, claim: Claim) -> list[Source]:
        """What the lemmas come from that say something about a claim, the latest first."""
        if claim.goal.poly.degree < _LEAST_DEGREE:
            return []
        found: dict[Source, None] = {}
        tries = [_MOST_TRIES_IN_ALL]
        used = []
        marks = _marks(claim.hypotheses)
        for key, (lemma, source, needed) in reversed(self._kept.items()):
            if len(found) == MOST_GIVEN or tries[0] <= 0:
                break
            if needed <= marks and next(instances(lemma, claim, tries), None) is not None:
                found[source] = None
                used.append(key)
        for key in reversed(used):
            self._kept.move_to_end(key)
        return list(found)


def _marks(given: Sequence[Relation]) -> Marks:
    """What renaming and positive factors leave of hypotheses, so that most lemmas are passed over at a glance."""
    found = set()
    for relation in given:
        terms = [(str(c), tuple(sorted(e for e in m if e))) for m, c in relation.poly.primitive()]
        found.add((relation.sign == "=", tuple(sorted(terms))))
    return frozenset(found)


def lemmas_of(claim: Claim, evidence: bytes) -> list[Lemma]:
    """What a checked certificate proves that is of use elsewhere."""
    if claim.goal.sign != ">=" or claim.goal.poly.degree < _LEAST_DEGREE:
        return []
    try:
        read = decode(evidence, wire.Certificate)
    except BadWire:
        return []
    found = (_lemma(claim, path, leaf) for path, leaf in _leaves(read.nodes, claim.n))
    return [lemma for lemma in found if lemma is not None]


def derived(lemmas: Sequence[Lemma], claim: Claim) -> tuple[Derived, ...]:
    """What lemmas say about a claim, each polynomial once, none that the claim says itself."""
    seen = {h.poly for h in claim.hypotheses}
    found = []
    for lemma in lemmas:
        for one in itertools.islice(instances(lemma, claim), MOST_GIVEN):
            if one.f not in seen and not one.f.is_constant:
                seen.add(one.f)
                found.append(one)
    return tuple(found[:MOST_GIVEN])


def instances(lemma: Lemma, claim: Claim, tries: list[int] | None = None) -> Iterator[Derived]:
    """A lemma about a claim's variables, in every way in which its hypotheses are the claim's; `tries` counts down."""
    if lemma.f.degree > max(claim.goal.poly.degree, *(h.poly.degree for h in claim.hypotheses), 0):
        return
    used = sorted(set().union(claim.goal.poly.used(), *(h.poly.used() for h in claim.hypotheses)))
    places: dict[tuple[bool, Poly], int] = {}
    for index, h in enumerate(claim.hypotheses):
        places.setdefault((h.sign == "=", h.poly.primitive()), index)
    for chosen in itertools.islice(itertools.permutations(used, lemma.f.n), _MOST_TRIES):
        if tries is not None:
            tries[0] -= 1
            if tries[0] < 0:
                return
        given = [(h.sign == "=", h.poly.placed(chosen, claim.n)) for h in lemma.given]
        if all((is_equality, poly.primitive()) in places for is_equality, poly in given):
            indices = [places[is_equality, poly.primitive()] for is_equality, poly in given]
            # The claim's hypothesis is a positive multiple of the lemma's.
            ratios = [
                poly.content() / claim.hypotheses[i].poly.content() for (_, poly), i in zip(given, indices, strict=True)
            ]
            squares = []
            for square in lemma.squares:
                coef = square.coef
                for k in square.factors:
                    coef = coef * ratios[k]
                factors = tuple(sorted(indices[k] for k in square.factors))
                squares.append(Square(coef, factors, square.square.placed(chosen, claim.n)))
            equalities = tuple((indices[k], p.placed(chosen, claim.n).scale(ratios[k])) for k, p in lemma.equalities)
            yield Derived(lemma.f.placed(chosen, claim.n), tuple(squares), equalities)


def written_out(known: Known, leaf: Leaf) -> Leaf | None:
    """A leaf with the identities of its lemmas in their places; None where it becomes too large."""
    first = known.first_lemma
    now = list(leaf.squares)
    done: list[Square] = []
    equalities: dict[int, Poly] = dict(leaf.equalities)
    while now:
        square = now.pop()
        at = next((k for k, index in enumerate(square.factors) if index >= first), None)
        if at is None:
            done.append(square)
            continue
        lemma = known.lemmas[square.factors[at] - first]
        rest = square.factors[:at] + square.factors[at + 1 :]
        for inner in lemma.squares:
            factors = tuple(sorted((*rest, *inner.factors)))
            now.append(Square(square.coef * inner.coef, factors, square.square * inner.square))
        if lemma.equalities:
            by = (known.product(rest) * square.square * square.square).scale(square.coef)
            for index, p in lemma.equalities:
                equalities[index] = equalities.get(index, Poly(known.n)) + by * p
        if len(now) + len(done) > _MOST_WRITTEN:
            return None
    return Leaf(leaf.coef, leaf.factors, tuple(done), tuple((i, p) for i, p in sorted(equalities.items()) if p))


def _leaves(nodes: list[wire.Node], n: int) -> Iterator[tuple[tuple[Poly, ...], Leaf]]:
    """The leaves of a certificate, in preorder, each with its path."""
    paths: list[tuple[Poly, ...]] = [()]
    for node in nodes:
        path = paths.pop()
        if isinstance(node, wire.NodeSplit):
            on = poly_of(node.on, n)
            paths += [(*path, -on), (*path, on)]
        elif isinstance(node, wire.NodeLeaf):
            one = Poly.constant(n, 1)
            squares = tuple(
                Square(rational(s.coef), tuple(s.factors), poly_of(s.square, n) if s.square else one)
                for s in node.squares
            )
            equalities = tuple((e.index, poly_of(e.poly, n)) for e in node.equalities)
            yield path, Leaf(rational(node.positive.coef), tuple(node.positive.factors), squares, equalities)


def _lemma(claim: Claim, path: tuple[Poly, ...], leaf: Leaf) -> Lemma | None:
    """What a leaf proves directly: coef·(−f) + Σ … ≡ 0. None where the negated goal is used otherwise."""
    goal = len(claim.hypotheses)
    if leaf.factors != (goal,) or len(leaf.squares) > _MOST_LEMMA_SQUARES:
        return None
    if any(goal in square.factors for square in leaf.squares):
        return None
    given = (*claim.hypotheses, claim.goal, *(Relation(">=", poly) for poly in path))
    needed = sorted({i for s in leaf.squares for i in s.factors} | {i for i, _ in leaf.equalities})
    used = sorted(set().union(claim.goal.poly.used(), *(given[i].poly.used() for i in needed)))
    polys = [p for _, p in leaf.equalities] + [s.square for s in leaf.squares]
    if len(used) > _MOST_LEMMA_VARIABLES or any(p.used() - set(used) for p in polys):
        return None

    def shrunk(poly: Poly) -> Poly:
        return Poly(len(used), {tuple(m[v] for v in used): c for m, c in poly.terms.items()})

    place = {index: k for k, index in enumerate(needed)}
    squares = tuple(
        Square(s.coef / leaf.coef, tuple(place[i] for i in s.factors), shrunk(s.square)) for s in leaf.squares
    )
    equalities = tuple((place[i], shrunk(p).scale(1 / leaf.coef)) for i, p in leaf.equalities)
    relations = tuple(Relation("=" if given[i].sign == "=" else ">=", shrunk(given[i].poly)) for i in needed)
    return Lemma(shrunk(claim.goal.poly), relations, squares, equalities)
