"""Checks a clearing from its request and its result alone: the rings exactly, the bound by solving the relaxation.

The relaxation, stated once more. A *seat* is a party that takes one good, by an alternative of a want, and gives
another. A ring is a cycle of up to so many seats of different parties, each taking what the one before gives. A
variable is a quantity that moves on one hop of one ring:

    maximise   Σ q · (the taker's central value · φ⁺ − the giver's central cost · φ⁻)
    such that  what a seat gives ≤ its rate · what it takes, in every ring,
               Σ q over what a party gives of a good ≤ its limit, in whole lots,
               Σ q / limit over the alternatives of a want ≤ 1.

A seat's rate is the most that it can give for each unit taken and still have its margin at the worst corner:
v_lo·φ⁺ / ((1 + μ)·c_hi·φ⁻). Since whole lots move it is no more than its limit to give over the smallest lot to take,
and where few lots can be taken, no more than the best of these few. That cuts off no ring of whole lots, so the
optimum is still a bound on all of them.

Every ring is enumerated; there is no search that could overlook one. Ratios are exact until the solver gets them.
"""

from __future__ import annotations

import math
from collections import defaultdict
from fractions import Fraction
from functools import cached_property
from itertools import accumulate, islice
from typing import TYPE_CHECKING, Any, NamedTuple

import highspy

from exact_worth import MILLION, Bounds, Factors, Gain

if TYPE_CHECKING:
    from collections.abc import Iterator

Json = dict[str, Any]

#: How far the claimed bound may lie from the optimum, and how far the solver may err.
TOLERANCE, SOLVER_TOLERANCE = 1e-3, 1e-6
#: Up to so many lots a rate is the best of the whole lots.
FEW_LOTS = 32


class Give(NamedTuple):
    """A good that a party gives."""

    party: str
    good: str
    limit: int
    cost: Bounds


class Take(NamedTuple):
    """An alternative of a party's want."""

    party: str
    want: int
    good: str
    #: What fills the want alone, and as much of it as is in whole lots.
    full: int
    limit: int
    value: Bounds


class Seat(NamedTuple):
    """A party in a ring."""

    take: Take
    give: Give


#: Seats, each taking what the one before gives.
Ring = tuple[Seat, ...]


class Clearing:
    """A clearing: what was asked, and what was answered."""

    def __init__(self, request: Json, result: Json) -> None:
        assert request.get("objective", "welfare") == "welfare", "only welfare is computed here"
        self._request = request
        self.result = result
        self._rates: dict[Seat, Fraction] = {}
        self._lots: dict[str, int] = {spec["good"]: spec.get("lot", 1) for spec in request["goods"]}
        self._factors = {o["agent"]: Factors.of(o["outlook"], request.get("days", 0)) for o in request["offers"]}
        least_ppm = request.get("margin_ppm", 0)
        self._margins = {o["agent"]: max(o.get("margin_ppm", 0), least_ppm) for o in request["offers"]}
        self._gives = {
            (o["agent"], g["good"]): self._give(o["agent"], g) for o in request["offers"] for g in o["gives"]
        }
        self._takes = {
            (offer["agent"], want, alternative["good"]): self._take(offer["agent"], want, alternative)
            for offer in request["offers"]
            for want, stated in enumerate(offer["wants"])
            for alternative in stated["any_of"]
        }

    def _give(self, party: str, stated: Json) -> Give:
        good, limit = stated["good"], stated["limit"]
        return Give(party, good, limit // self._lots[good] * self._lots[good], Bounds.of(stated["cost"]))

    def _take(self, party: str, want: int, stated: Json) -> Take:
        good, full = stated["good"], stated["limit"]
        limit = full // self._lots[good] * self._lots[good]
        return Take(party, want, good, full, limit, Bounds.of(stated["value"]))

    # --- what was answered

    def faults(self) -> list[str]:
        """What does not hold."""
        found, objective = self._ring_faults()
        result = self.result
        if result["objective"] != objective:
            found.append(f"the rings bring {objective}, not {result['objective']}")
        if result["bound"] < result["objective"]:
            found.append(f"the bound {result['bound']} is below what was reached, {result['objective']}")
        # Both are rounded to whole minor units.
        room = 1 + TOLERANCE * self.optimum
        if result["bound"] > self.optimum + room:
            found.append(f"the bound is {result['bound']}, and the relaxation's optimum {self.optimum:.2f}")
        # A bound below the relaxation's is one on whole lots.
        if result["bound"] < self.optimum - room and result["bound"] < self.whole_optimum:
            found.append(f"the bound is {result['bound']}, and {self.whole_optimum} can be reached")
        if result["objective"] > self.optimum * (1 + SOLVER_TOLERANCE) + 1:
            found.append(f"{result['objective']} were reached, and {self.optimum:.2f} can be")
        return found

    def _ring_faults(self) -> tuple[list[str], int]:
        """What is wrong with the rings, and what they bring."""
        found: list[str] = []
        objective = 0
        given: dict[Give, int] = defaultdict(int)
        filled: dict[tuple[str, int], Fraction] = defaultdict(Fraction)
        for number, ring in enumerate(self.result["rings"]):
            hops = ring["hops"]
            found += [f"ring {number}: {fault}" for fault in self._hop_faults(hops)]
            welfare = Fraction(0)
            for hop in hops:
                give, take = self._ends(hop)
                given[give] += hop["quantity"]
                filled[take.party, take.want] += Fraction(hop["quantity"], take.full)
                welfare += hop["quantity"] * self.worth(give, take)
            if ring["welfare_minor"] != math.floor(welfare):
                found.append(f"ring {number}: brings {float(welfare):.2f}, not {ring['welfare_minor']}")
            objective += ring["welfare_minor"]
        found += [f"{g.party} gives {q} {g.good} of {g.limit}" for g, q in given.items() if q > g.limit]
        found += [
            f"{party} fills its want {want} {share} times" for (party, want), share in filled.items() if share > 1
        ]
        return found, objective

    def _hop_faults(self, hops: list[Json]) -> list[str]:
        found = []
        parties = [hop["from"] for hop in hops]
        if len(set(parties)) != len(parties) or not 2 <= len(parties) <= self._request["max_ring"]:
            found.append(f"{parties} is no ring")
        for before, after in zip(hops[-1:] + hops[:-1], hops, strict=True):
            if before["to"] != after["from"]:
                found.append(f"{before} does not lead to {after}")
            if after["quantity"] <= 0 or after["quantity"] % self._lots[after["good"]]:
                found.append(f"{after['quantity']} {after['good']} are no whole lots")
            party = after["from"]
            gain = Gain()
            gain.receive(before["quantity"], self._ends(before)[1].value, self._factors[party])
            gain.give(after["quantity"], self._ends(after)[0].cost, self._factors[party])
            if not gain.is_enough(self._margins[party]):
                found.append(f"{party} does not gain {self._margins[party]} ppm at its worst corner")
        return found

    def _ends(self, hop: Json) -> tuple[Give, Take]:
        return self._gives[hop["from"], hop["good"]], self._takes[hop["to"], hop["want"], hop["good"]]

    def worth(self, give: Give, take: Take) -> Fraction:
        """What welfare gains by each unit that moves."""
        gained = take.value.centre * self._factors[take.party].receipt
        return gained - give.cost.centre * self._factors[give.party].giving

    # --- what could have been

    @cached_property
    def optimum(self) -> float:
        """The relaxation's optimum, in minor units of account."""
        return Programme(self, self._open_rings).solve()[0] if self._open_rings else 0.0

    @cached_property
    def whole_optimum(self) -> int:
        """What some rings of whole lots bring, each rounded down: as good as there are, but for that rounding."""
        if not self._open_rings:
            return 0
        _, found = Programme(self, self._open_rings, whole=True).solve()
        moving = [(ring, given) for ring, given in zip(self._open_rings, found, strict=True) if any(given)]
        assert all(self._is_content(ring, given) for ring, given in moving), "the solver erred"
        return sum(math.floor(self._brings(ring, given)) for ring, given in moving)

    @cached_property
    def _open_rings(self) -> list[Ring]:
        # Where the rates round a ring come to less than one, nothing can move on it.
        return [ring for ring in self.rings() if math.prod(self.rate(seat) for seat in ring) >= 1]

    def _is_content(self, ring: Ring, given: list[int]) -> bool:
        for seat, taken, gives in zip(ring, given[-1:] + given[:-1], given, strict=True):
            gain, party = Gain(), seat.take.party
            gain.receive(taken, seat.take.value, self._factors[party])
            gain.give(gives, seat.give.cost, self._factors[party])
            if not gain.is_enough(self._margins[party]):
                return False
        return True

    def _brings(self, ring: Ring, given: list[int]) -> Fraction:
        takers = [seat.take for seat in ring[1:] + ring[:1]]
        return sum(
            (q * self.worth(seat.give, take) for seat, take, q in zip(ring, takers, given, strict=True)), Fraction(0)
        )

    def lot(self, good: str) -> int:
        """Minor units in a lot."""
        return self._lots[good]

    def rings(self) -> Iterator[Ring]:
        """Every ring, once: it begins with the party whose name is least."""
        seats: dict[str, list[Seat]] = defaultdict(list)
        for take in self._takes.values():
            for give in self._gives.values():
                if give.party == take.party and self.rate(seat := Seat(take, give)) > 0:
                    seats[take.good].append(seat)
        longest = self._request["max_ring"]

        def extend(ring: Ring) -> Iterator[Ring]:
            first, last = ring[0], ring[-1]
            if len(ring) > 1 and last.give.good == first.take.good:
                yield ring
            if len(ring) == longest:
                return
            taken = {seat.take.party for seat in ring}
            for seat in seats.get(last.give.good, ()):
                if seat.take.party > first.take.party and seat.take.party not in taken:
                    yield from extend((*ring, seat))

        for good in seats:
            for seat in seats[good]:
                yield from extend((seat,))

    def rate(self, seat: Seat) -> Fraction:
        """The most that a seat gives for each unit that it takes; 0 for one that no quantities content."""
        if seat not in self._rates:
            self._rates[seat] = self._find_rate(seat)
        return self._rates[seat]

    def _find_rate(self, seat: Seat) -> Fraction:
        take, give = seat
        if take.good == give.good:
            return Fraction(0)
        most_taken = min(take.limit, max((g.limit for g in self._gives.values() if g.good == take.good), default=0))
        most_given = min(give.limit, max((t.limit for t in self._takes.values() if t.good == give.good), default=0))
        if most_taken == 0 or most_given == 0:
            return Fraction(0)
        lot, lot_given = self._lots[take.good], self._lots[give.good]
        worth = take.value.lo * self._factors[take.party].receipt * MILLION
        cost = give.cost.hi * self._factors[give.party].giving * (MILLION + self._margins[give.party])

        def most(taken: int) -> int:
            given = most_given if cost == 0 else min(math.floor(taken * worth / cost), most_given)
            return given // lot_given * lot_given

        if most_taken // lot <= FEW_LOTS:
            lots = range(1, most_taken // lot + 1)
            return max(Fraction(most(count * lot), count * lot) for count in lots)
        if most(most_taken) == 0:
            return Fraction(0)
        ceiling = Fraction(most_given, lot)
        return ceiling if cost == 0 else min(worth / cost, ceiling)


class Programme:
    """The relaxation as a linear programme for HiGHS, or with `whole`, the same in whole lots as an integer programme.

    A variable of the relaxation counts in what its quantity is worth, in ten-thousandths of the most that any want is
    worth, so that the solver sees numbers near one; in whole lots, it counts lots.
    """

    def __init__(self, clearing: Clearing, rings: list[Ring], *, whole: bool = False) -> None:
        self._clearing = clearing
        self._rings = rings
        self._whole = whole
        takes = {seat.take for ring in rings for seat in ring}
        self._money = max(float(take.full * take.value.hi) for take in takes) / 1e4 or 1.0
        #: What welfare gains by each variable, and how many units it is.
        self._worth: list[float] = []
        self._units: list[float] = []
        #: Each row's coefficients, by variable, and what it may sum to.
        self._rows: list[dict[int, float]] = []
        self._most: list[float] = []
        self._limits: dict[Give | tuple[str, int], dict[int, float]] = {}
        for ring in rings:
            self._add(ring)

    def _add(self, ring: Ring) -> None:
        """A variable for each hop of a ring: what the seat gives to the one after it."""
        first = len(self._worth)
        takers = [seat.take for seat in ring[1:] + ring[:1]]
        units = [self._unit(take) for take in takers]
        self._units += units
        for at, (seat, taker, unit) in enumerate(zip(ring, takers, units, strict=True)):
            self._worth.append(float(self._clearing.worth(seat.give, taker)) * unit)
            rate = float(self._clearing.rate(seat))
            self._row(0.0).update({first + at: unit, first + (at - 1) % len(ring): -rate * units[at - 1]})
            self._limit(seat.give)[first + at] = unit / seat.give.limit
            self._limit((taker.party, taker.want))[first + at] = unit / taker.full

    def _unit(self, take: Take) -> float:
        return self._clearing.lot(take.good) if self._whole else self._money / (float(take.value.hi) or 1.0)

    def _row(self, most: float) -> dict[int, float]:
        self._rows.append({})
        self._most.append(most)
        return self._rows[-1]

    def _limit(self, of: Give | tuple[str, int]) -> dict[int, float]:
        """The row of a limit, of which shares are counted."""
        if of not in self._limits:
            self._limits[of] = self._row(1.0)
        return self._limits[of]

    def solve(self) -> tuple[float, list[list[int]]]:
        """The optimum in minor units of account, and what moves on each hop of each ring, to the nearest unit."""
        solver = self._loaded()
        solver.run()
        status = solver.getModelStatus()
        assert status == highspy.HighsModelStatus.kOptimal, status
        values = iter(zip(solver.getSolution().col_value, self._units, strict=True))
        quantities = [[round(value * unit) for value, unit in islice(values, len(ring))] for ring in self._rings]
        return float(solver.getInfo().objective_function_value) * self._money, quantities

    def _loaded(self) -> Any:
        lp = highspy.HighsLp()
        lp.sense_ = highspy.ObjSense.kMaximize
        lp.num_col_, lp.num_row_ = len(self._worth), len(self._rows)
        lp.col_cost_ = [worth / self._money for worth in self._worth]
        lp.col_lower_ = [0.0] * lp.num_col_
        lp.col_upper_ = [highspy.kHighsInf] * lp.num_col_
        lp.row_lower_ = [-highspy.kHighsInf] * lp.num_row_
        lp.row_upper_ = self._most
        lp.a_matrix_.format_ = highspy.MatrixFormat.kRowwise
        lp.a_matrix_.start_ = list(accumulate((len(row) for row in self._rows), initial=0))
        lp.a_matrix_.index_ = [variable for row in self._rows for variable in row]
        lp.a_matrix_.value_ = [value for row in self._rows for value in row.values()]
        if self._whole:
            lp.integrality_ = [highspy.HighsVarType.kInteger] * lp.num_col_
        solver: Any = highspy.Highs()  # type: ignore[no-untyped-call]
        solver.silent()
        solver.passModel(lp)
        return solver
