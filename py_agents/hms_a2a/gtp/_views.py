"""Views: simpler claims that stand for a claim, each with the way back for certificates and the way there for points.

Equalities that give a variable are used up; boxes far from [−1, 1] are scaled to it, since a programme in x^12 over
[−10, 10] is numerically hopeless; and where variables are even, their squares take their place.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from flint import fmpq

from hms_a2a.gtp._poly import as_float
from hms_a2a.gtp._search import Points
from hms_a2a.gtp._transform import evened, resubstituted, scaled, substituted, unevened, unscaled

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from hms_a2a.gtp._certificate import Node
    from hms_a2a.gtp._claim import Claim
    from hms_a2a.gtp._poly import Poly, Q

_FINE = 2**30
_FARTHEST = 1e9


@dataclass(frozen=True)
class View:
    """A claim that stands for the one that was asked."""

    claim: Claim
    back: Callable[[Node], Node]
    """Its certificate's tree as one of the claim that was asked."""
    forward: Callable[[Sequence[Q]], tuple[Q, ...]] = tuple
    """A point of the claim that was asked, as it is here."""
    name: str = ""

    def touching(self, points: Sequence[Sequence[Q]]) -> list[tuple[Q, ...]]:
        """Those of the points, as they are here, that satisfy everything and where the goal is 0."""
        here = [self.forward(point) for point in points]
        goal, given = self.claim.goal.poly, self.claim.hypotheses
        return [point for point in here if goal.at(point) == 0 and all(h.holds(point) for h in given)]

    def points(self, found: Points | None) -> Points | None:
        """What a search has found, as it is here."""
        if found is None:
            return None
        near = []
        for place in found.near:
            if max((abs(float(x)) for x in place), default=0.0) < _FARTHEST:
                moved = self.forward([fmpq(round(float(x) * _FINE), _FINE) for x in place])
                near.append(np.array([as_float(x) for x in moved]))
        return Points(None, self.touching(found.touching), near, found.least)


def views(claim: Claim, *, plain: bool = False) -> Iterator[View]:
    """The claim without what equalities give, its boxes scaled, and, where variables are even, in their squares.

    A plain one comes first where boxes are scaled, if wanted: what is only thin far inside is easier as it stands.
    """
    view = View(claim, _same)
    while (found := substituted(view.claim)) is not None:
        view = _without(view, *found)
    shrunk = scaled(view.claim)
    if shrunk is not None:
        if plain:
            yield replace(view, name="plain ")
        view = _shrunk(view, *shrunk)
    yield view
    halved = evened(view.claim)
    if halved is not None:
        yield _halved(view, *halved)


def _without(view: View, claim: Claim, step: tuple[int, int, Poly]) -> View:
    return View(claim, lambda node: view.back(resubstituted(view.claim, step, node)), view.forward)


def _shrunk(view: View, claim: Claim, maps: dict[int, tuple[Q, Q]]) -> View:
    def forward(point: Sequence[Q]) -> tuple[Q, ...]:
        here = list(view.forward(point))
        for v, (middle, half) in maps.items():
            here[v] = (here[v] - middle) / half
        return tuple(here)

    return View(claim, lambda node: view.back(unscaled(maps, node)), forward)


def _halved(view: View, claim: Claim, even: list[int]) -> View:
    def forward(point: Sequence[Q]) -> tuple[Q, ...]:
        return tuple(x * x if v in even else x for v, x in enumerate(view.forward(point)))

    return View(claim, lambda node: view.back(unevened(view.claim, even, node)), forward, "even ")


def _same(node: Node) -> Node:
    return node
