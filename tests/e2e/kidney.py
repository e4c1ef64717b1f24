"""Kidney exchange as intents, PrefLib's `.wmd` files as kidney exchange, and pools drawn like the published ones.

Each pair gives its donor's kidney, a good of its own in one lot, and wants any one of those that suit its patient, each
with a value. A donor without a patient gives for nothing and wants nothing: chains start there. So a clearing of these
intents is a kidney exchange, and its rings and chains are the cycles and chains of the literature.

PrefLib's format (data set 00036, `preflib.org`): lines that start with `#` tell of the file, among them the names of
the vertices (`Pair 1`, `Altruist 17`), and every other line is an arc, `from,to,weight`, vertices counted from 1. In
the older form the first line is `vertices,arcs`, the names follow as `1,Pair 1`, and arcs count vertices from 0. An arc
says that the donor of one vertex suits the patient of the other. Arcs into altruists, of weight 0, stand for ends of
chains; here nothing needs them.

    python tests/e2e/kidney.py FILE.wmd --cycles 3 --chains 4 | hms call graph.clear - --local
    python tests/e2e/kidney.py --draw 64 --altruists 6 --seed 1 --wmd > drawn.wmd
"""

from __future__ import annotations

import argparse
import json
import random
import sys
from fractions import Fraction
from itertools import pairwise, product
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

Json = dict[str, Any]

#: Frequencies of blood types among patients and donors, in percent, and what each donor's type suits (Saidman et al.
#: 2006, from the register of the United States).
BLOOD = {"O": 48, "A": 34, "B": 14, "AB": 4}
SUITS = {"O": {"O", "A", "B", "AB"}, "A": {"A", "AB"}, "B": {"B", "AB"}, "AB": {"AB"}}
#: How many patients in a hundred reject a donor chosen at random, despite a blood type that suits: share, percent.
REJECTIONS = [(70, 5), (20, 45), (10, 90)]


class Pool(NamedTuple):
    """A pool: whom each vertex's donor suits, and how well."""

    #: Whether a vertex is a donor without a patient.
    altruists: list[bool]
    #: By (giver, receiver), above 0.
    weights: dict[tuple[int, int], Fraction]

    @classmethod
    def read(cls, text: str) -> Pool:
        """Reads PrefLib's format, the older form or the newer."""
        lines = [line.strip() for line in text.splitlines() if line.strip()]
        told = [line for line in lines if line.startswith("#")]
        rest = [line for line in lines if not line.startswith("#")]
        if told:
            names = [line.split(":", 1)[1].strip() for line in told if line.startswith("# ALTERNATIVE NAME")]
            first = 1
        else:
            count = int(rest[0].split(",")[0])
            names = [line.split(",", 1)[1] for line in rest[1 : count + 1]]
            rest, first = rest[count + 1 :], 0
        altruists = ["altruist" in name.lower() for name in names]
        weights = {}
        for line in rest:
            giver, receiver, weight = line.split(",")
            ends = int(giver) - first, int(receiver) - first
            if not all(0 <= end < len(names) for end in ends):
                raise ValueError(f"{line!r} names a vertex that is none of {len(names)}")
            if Fraction(weight.strip()) > 0 and not altruists[ends[1]] and ends[0] != ends[1]:
                weights[ends] = Fraction(weight.strip())
        return cls(altruists, weights)

    @classmethod
    def draw(cls, pairs: int, altruists: int, seed: int, *, weighted: bool = False) -> Pool:
        """Draws incompatible pairs and altruists as Saidman et al. do."""
        draw = random.Random(seed)

        def blood() -> str:
            return draw.choices(list(BLOOD), list(BLOOD.values()))[0]

        def rejects() -> int:
            return draw.choices([percent for _, percent in REJECTIONS], [share for share, _ in REJECTIONS])[0]

        people: list[tuple[str, str, int]] = []
        while len(people) < pairs:
            patient, donor, percent = blood(), blood(), rejects()
            if patient not in SUITS[donor] or draw.randrange(100) < percent:
                people.append((patient, donor, percent))
        donors = [donor for _, donor, _ in people] + [blood() for _ in range(altruists)]
        weights = {
            (giver, receiver): Fraction(draw.randint(1, 100) if weighted else 1)
            for giver, receiver in product(range(len(donors)), range(pairs))
            if giver != receiver
            and people[receiver][0] in SUITS[donors[giver]]
            and draw.randrange(100) >= people[receiver][2]
        }
        return cls([False] * pairs + [True] * altruists, weights)

    @classmethod
    def draw_evenly(cls, vertices: int, arcs: int, seed: int, *, weighted: bool = False) -> Pool:
        """Draws so many arcs among so many pairs, all equally likely."""
        draw = random.Random(seed)
        chosen = draw.sample([(a, b) for a, b in product(range(vertices), repeat=2) if a != b], arcs)
        weights = {ends: Fraction(draw.randint(1, 100) if weighted else 1) for ends in sorted(chosen)}
        return cls([False] * vertices, weights)

    def write(self) -> str:
        """The pool in PrefLib's format, the newer form."""
        kinds = ["Altruist" if altruist else "Pair" for altruist in self.altruists]
        names = [f"# ALTERNATIVE NAME {at}: {kind} {at}" for at, kind in enumerate(kinds, 1)]
        closing = [(p, a) for a, is_altruist in enumerate(self.altruists) if is_altruist for p in self._pairs()]
        arcs = sorted([(*ends, float(weight)) for ends, weight in self.weights.items()] + [(*e, 0.0) for e in closing])
        head = [
            "# FILE NAME: drawn.wmd",
            "# TITLE: Kidney exchange",
            "# DATA TYPE: wmd",
            "# MODIFICATION TYPE: synthetic",
        ]
        counts = [f"# NUMBER ALTERNATIVES: {len(kinds)}", f"# NUMBER EDGES: {len(arcs)}"]
        return "\n".join([*head, *counts, *names, *(f"{a + 1},{b + 1},{weight}" for a, b, weight in arcs)]) + "\n"

    def _pairs(self) -> Iterator[int]:
        return (at for at, altruist in enumerate(self.altruists) if not altruist)

    def request(self, cycles: int, chains: int, time_limit_ms: int, objective: str = "welfare") -> Json:
        """The pool as a clearing."""
        whole = all(weight.denominator == 1 for weight in self.weights.values())
        unit = 1 if whole else 10**6
        suiting: dict[int, list[tuple[int, Fraction]]] = {at: [] for at in range(len(self.altruists))}
        for (giver, receiver), weight in self.weights.items():
            suiting[receiver].append((giver, weight))
        one = {"limit": 1}
        offers = []
        for at, altruist in enumerate(self.altruists):
            ways = [
                {"good": f"k{giver}", **one, "value": {"lo": str(weight * unit), "hi": str(weight * unit)}}
                for giver, weight in suiting[at]
            ]
            wants = [{"any_of": ways}] if ways else []
            if altruist or ways:
                give = {"good": f"k{at}", **one, "cost": {"lo": "0", "hi": "0"}}
                offers.append({"agent": f"v{at}", "gives": [give], "wants": wants})
        request: Json = {
            "goods": [{"good": f"k{at}", "unit": "kidney", "lot": 1} for at in range(len(self.altruists))],
            "offers": offers,
            "max_ring": cycles,
            "objective": objective,
            "time_limit_ms": time_limit_ms,
        }
        return request | ({"max_chain": chains} if chains else {})

    def exchanges(self, cycles: int, chains: int) -> Iterator[tuple[int, ...]]:
        """Every cycle of up to so many pairs, its lowest vertex first, and every chain of up to so many arcs."""
        onward: dict[int, list[int]] = {}
        for giver, receiver in self.weights:
            onward.setdefault(giver, []).append(receiver)
        for start, altruist in enumerate(self.altruists):
            stack: list[tuple[int, ...]] = [(start,)]
            most = chains + 1 if altruist else cycles
            while stack:
                path = stack.pop()
                if altruist and len(path) > 1:
                    yield path
                for there in onward.get(path[-1], []):
                    if not altruist and there == start:
                        yield path
                    elif there not in path and (altruist or there > start) and len(path) < most:
                        stack.append((*path, there))

    def worth(self, path: tuple[int, ...], objective: str) -> Fraction:
        """What a cycle or chain brings."""
        ends = list(pairwise(path))
        if not self.altruists[path[0]]:
            ends.append((path[-1], path[0]))
        return sum((self.weights[arc] if objective == "welfare" else Fraction(1) for arc in ends), Fraction(0))


def vertices(names: Iterable[str]) -> tuple[int, ...]:
    """The vertices that agents stand for."""
    return tuple(int(name.removeprefix("v")) for name in names)


def main() -> int:
    """Print a pool as a clearing's request, or as a `.wmd` file."""
    ask = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    ask.add_argument("file", nargs="?", type=Path, help="a .wmd file; left out, --draw")
    ask.add_argument("--draw", type=int, default=64, metavar="PAIRS")
    ask.add_argument("--altruists", type=int, default=0)
    ask.add_argument("--arcs", type=int, help="so many arcs, all equally likely, instead of blood types")
    ask.add_argument("--weighted", action="store_true")
    ask.add_argument("--seed", type=int, default=1)
    ask.add_argument("--cycles", type=int, default=3)
    ask.add_argument("--chains", type=int, default=0)
    ask.add_argument("--objective", default="welfare", choices=["welfare", "served"])
    ask.add_argument("--time-limit-ms", type=int, default=30_000)
    ask.add_argument("--wmd", action="store_true", help="print the .wmd file")
    told = ask.parse_args()
    if told.file:
        pool = Pool.read(told.file.read_text())
    elif told.arcs:
        pool = Pool.draw_evenly(told.draw, told.arcs, told.seed, weighted=told.weighted)
    else:
        pool = Pool.draw(told.draw, told.altruists, told.seed, weighted=told.weighted)
    if told.wmd:
        sys.stdout.write(pool.write())
    else:
        print(json.dumps(pool.request(told.cycles, told.chains, told.time_limit_ms, told.objective)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
