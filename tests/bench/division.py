"""How long the cores take to divide and to mend, against HiGHS and Clarabel through their own Python interfaces on the
same programmes.

Rings of parties, each with a second transfer across: leximin is a best for each party and then rounds of max-min, as
many linear programmes in both. The cores decide theirs in exact ratios, round to whole units and check the terms; HiGHS
stops at floats. Nash's product is one programme with an exponential cone for each party, and there Clarabel stops; the
cores begin the same way, and go on to whole units and a proved bound. Says how the results differ, and how time grows.
For games, all sets are summed by a few lines of Python with the same formula; whether a coalition of many voters blocks
an allocation is put to HiGHS as an integer programme. Prints JSON, and keeps it in `target/bench/division.json`.
"""

from __future__ import annotations

import json
import math
import random
import statistics
import sys
import time
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import clarabel
import highspy
import numpy as np
from scipy import sparse

from hms_a2a import cores, wire

if TYPE_CHECKING:
    from collections.abc import Callable

TARGET = Path(__file__).parents[2] / "target/bench/division.json"
PARTIES = (2, 3, 4, 8, 16, 32, 64)
PLAYERS = (4, 8, 12, 16)
VOTERS = (17, 32, 64, 128)
MOST = 10_000
OBJECTIVE = 1e6
NOW_UNIX_MS = 1_790_000_000_000


def bargain(parties: int, seed: int) -> wire.Bargain:
    """A ring in which everyone gains, and as many transfers across it."""
    draw = random.Random(seed)
    names = [f"p{at:02}" for at in range(parties)]
    transfers: list[wire.Transfer] = []
    values: dict[str, list[wire.UnitValue]] = {name: [] for name in names}
    costs: dict[str, list[wire.UnitCost]] = {name: [] for name in names}
    for hop in (1, 2) if parties > 2 else (1,):
        for at, giver in enumerate(names):
            receiver, good = names[(at + hop) % parties], f"g{hop}-{at:02}"
            cost = draw.randint(50, 150)
            value = cost + draw.randint(5, 60)
            quantity = draw.randint(100, 1000)
            transfers.append(
                wire.Transfer(from_=giver, to=receiver, good=good, quantity=quantity, due_unix_ms=NOW_UNIX_MS)
            )
            costs[giver].append(wire.UnitCost(good=good, cost=exactly(cost)))
            values[receiver].append(wire.UnitValue(good=good, value=exactly(value)))
    valuations = [
        wire.PartyValuation(party=name, valuation=wire.Valuation(values=values[name], costs=costs[name]))
        for name in names
    ]
    terms = wire.Terms(
        book="bench",
        parties=names,
        transfers=transfers,
        delivery=wire.Delivery.IMMEDIATE,
        expires_unix_ms=NOW_UNIX_MS,
    )
    spans = [wire.Span(transfer=at, least=0, most=MOST) for at in range(len(transfers))]
    return wire.Bargain(terms=terms, valuations=valuations, room=wire.Room(spans=spans))


def exactly(number: int) -> wire.Bounds:
    """One number as bounds."""
    return wire.Bounds(lo=Fraction(number), hi=Fraction(number))


def lines(asked: wire.Bargain) -> list[dict[int, float]]:
    """What a unit of each transfer adds to each party's gain."""
    rows = []
    for stated in asked.valuations:
        value = {v.good: float(v.value.lo) for v in stated.valuation.values if v.value}
        cost = {c.good: float(c.cost.lo) for c in stated.valuation.costs}
        row = {}
        for at, transfer in enumerate(asked.terms.transfers):
            if transfer.to == stated.party:
                row[at] = value[transfer.good]
            elif transfer.from_ == stated.party:
                row[at] = -cost[transfer.good]
        rows.append(row)
    return rows


def solver() -> Any:
    """HiGHS, silent and on one thread."""
    model = highspy.Highs()  # type: ignore[no-untyped-call]
    model.setOptionValue("output_flag", False)
    model.setOptionValue("threads", 1)
    return model


class Reference:
    """Leximin by HiGHS: the programme in one model, re-solved from the last basis."""

    def __init__(self, asked: wire.Bargain) -> None:
        self.rows = lines(asked)
        self.width = len(asked.terms.transfers)
        self.model = solver()
        for _ in range(self.width):
            self.model.addVar(0, MOST)
        for row in self.rows:
            self.model.addRow(0, highspy.kHighsInf, len(row), list(row), list(row.values()))
        self.model.changeObjectiveSense(highspy.ObjSense.kMaximize)

    def maximum(self, row: dict[int, float]) -> float:
        """The largest value of a linear function."""
        for at in range(self.width):
            self.model.changeColCost(at, row.get(at, 0.0))
        self.model.run()
        return float(self.model.getObjectiveValue())

    def leximin(self) -> list[float]:
        """Gains relative to each party's best."""
        bests = [self.maximum(row) for row in self.rows]
        for at in range(self.width):
            self.model.changeColCost(at, 0.0)
        self.model.addVar(0, highspy.kHighsInf)
        # Of one, its duals would be as small as the tolerance that HiGHS works with, and it would stop too early.
        self.model.changeColCost(self.width, OBJECTIVE)
        first = len(self.rows)
        for row, best in zip(self.rows, bests, strict=True):
            columns, entries = [*row, self.width], [*row.values(), -best]
            self.model.addRow(0, highspy.kHighsInf, len(columns), columns, entries)
        raised = set(range(first))
        levels = [0.0] * first
        while raised:
            self.model.run()
            solution = self.model.getSolution()
            level = solution.col_value[self.width]
            tight = [party for party in raised if abs(solution.row_dual[first + party]) > 1e-9]
            assert tight
            for party in tight:
                raised.discard(party)
                levels[party] = level
                self.model.changeCoeff(first + party, self.width, 0.0)
                self.model.changeRowBounds(first + party, level * bests[party] * (1 - 1e-9), highspy.kHighsInf)
        return levels


def nash_by_clarabel(asked: wire.Bargain) -> list[float]:
    """Where the product of the gains is largest, in floats: the gains there."""
    rows, width, parties = lines(asked), len(asked.terms.transfers), len(asked.valuations)
    # Gains in parts of what each party has from the terms at their widest, so that the numbers are about 1.
    sizes = [sum(abs(unit) for unit in row.values()) * MOST for row in rows]
    entries: list[tuple[int, int, float]] = []
    right: list[float] = []
    for at in range(width):
        # A part of the span, from 0 to 1.
        entries += [(2 * at, at, -1.0), (2 * at + 1, at, 1.0)]
        right += [0.0, 1.0]
    cones: list[Any] = [clarabel.NonnegativeConeT(2 * width)]
    for party, (row, size) in enumerate(zip(rows, sizes, strict=True)):
        # (t, 1, gain) in the cone: t is at most the gain's logarithm.
        entries.append((len(right), width + party, -1.0))
        entries += [(len(right) + 2, at, -unit * MOST / size) for at, unit in row.items()]
        right += [0.0, 1.0, 0.0]
        cones.append(clarabel.ExponentialConeT())
    at_rows, at_columns, values = zip(*entries, strict=True)
    shape = (len(right), width + parties)
    matrix = sparse.csc_matrix((values, (at_rows, at_columns)), shape=shape)
    objective = np.concatenate([np.zeros(width), -np.ones(parties)])
    settings = clarabel.DefaultSettings()
    settings.verbose = False
    settings.max_threads = 1
    nothing = sparse.csc_matrix((width + parties, width + parties))
    solution = clarabel.DefaultSolver(nothing, objective, matrix, np.array(right), cones, settings).solve()
    assert str(solution.status) in ("Solved", "AlmostSolved"), solution.status
    return [sum(unit * MOST * solution.x[at] for at, unit in row.items()) for row in rows]


def geometric_mean(gains: list[float]) -> float:
    """The n-th root of the product of n gains."""
    return math.exp(sum(math.log(gain) for gain in gains) / len(gains))


def timed(what: Callable[[], Any], runs: int) -> tuple[float, Any]:
    """The median time in milliseconds, and what came out."""
    took, result = [], None
    for _ in range(runs):
        started = time.perf_counter()
        result = what()
        took.append((time.perf_counter() - started) * 1000)
    return statistics.median(took), result


def division(parties: int) -> dict[str, float]:
    """One size: both ways to the same gains."""
    asked = bargain(parties, parties)
    request = wire.Divide(rule=wire.Rule.LEXIMIN, bargain=asked)
    runs = 9 if parties <= 8 else 3 if parties <= 16 else 1
    cores_ms, divided = timed(lambda: cores.divide(request), runs)
    highs_ms, levels = timed(lambda: Reference(asked).leximin(), runs)
    least = min(share.gain_minor / share.best_minor for share in divided.shares if share.best_minor)
    return {
        "parties": parties,
        "cores_ms": round(cores_ms, 3),
        "highs_ms": round(highs_ms, 3),
        "ratio": round(highs_ms / cores_ms, 3),
        "least_part_differs": float(f"{abs(least - min(levels)):.2e}"),
    }


def nash(parties: int) -> dict[str, float]:
    """One size: the largest product of gains, by the cores in whole units and by Clarabel in floats."""
    asked = bargain(parties, parties)
    request = wire.Divide(rule=wire.Rule.NASH, bargain=asked)
    runs = 9 if parties <= 8 else 3 if parties <= 16 else 1
    cores_ms, divided = timed(lambda: cores.divide(request), runs)
    clarabel_ms, gains = timed(lambda: nash_by_clarabel(asked), runs)
    mean = geometric_mean([float(share.gain_minor) for share in divided.shares])
    return {
        "parties": parties,
        "cores_ms": round(cores_ms, 3),
        "clarabel_ms": round(clarabel_ms, 3),
        "ratio": round(clarabel_ms / cores_ms, 3),
        # By how much the reference's geometric mean is larger, in parts per million: floats against whole units.
        "mean_below_ppm": round((geometric_mean(gains) / mean - 1) * 1e6, 2),
        "epsilon_ppm": divided.epsilon_ppm,
    }


def mending(parties: int) -> dict[str, float]:
    """One size: terms in which somebody is short, mended."""
    asked = bargain(parties, parties)
    request = wire.AnalyzeRequest(terms=asked.terms, valuations=asked.valuations, room=asked.room)
    cores_ms, reply = timed(lambda: cores.analyze(request), 5)
    rows, width = lines(asked), len(asked.terms.transfers)

    def highs() -> float:
        model = solver()
        weights = [sum(abs(row.get(at, 0.0)) for row in rows) / 2 for at in range(width)]
        before = [transfer.quantity for transfer in asked.terms.transfers]
        for at in range(width):
            model.addVar(0, MOST - before[at])
            model.addVar(0, before[at])
            model.changeColCost(2 * at, weights[at])
            model.changeColCost(2 * at + 1, weights[at])
        for row in rows:
            columns = [column for at in row for column in (2 * at, 2 * at + 1)]
            entries = [signed for unit in row.values() for signed in (unit, -unit)]
            now = sum(unit * before[at] for at, unit in row.items())
            model.addRow(-now, highspy.kHighsInf, len(columns), columns, entries)
        model.run()
        return float(model.getObjectiveValue())

    highs_ms, bound = timed(highs, 5)
    found: dict[str, float] = {
        "parties": parties,
        "cores_ms": round(cores_ms, 3),
        "highs_ms": round(highs_ms, 3),
        "ratio": round(highs_ms / cores_ms, 3),
    }
    if reply.mend is not None and reply.mend.bound_minor is not None and reply.mend.change_minor is not None:
        found["bound_differs"] = float(f"{abs(reply.mend.bound_minor - math.ceil(bound - 1e-6)):.2e}")
        found["whole_over_bound"] = round(reply.mend.change_minor / max(1, reply.mend.bound_minor), 4)
    return found


def game(players: int) -> dict[str, float]:
    """One size: Shapley's value over all sets."""
    votes = [1 + at % 5 for at in range(players)]
    quota = sum(votes) // 2 + 1
    names = [f"p{at:02}" for at in range(players)]
    asked = wire.Game(players=names, kind=wire.GameKind.VOTING, numbers=votes, total=quota, worth_minor=10**9)
    request = wire.Divide(rule=wire.Rule.SHAPLEY, game=asked)
    cores_ms, divided = timed(lambda: cores.divide(request), 3)

    def by_hand() -> list[Fraction]:
        held = [0] * (1 << players)
        for mask in range(1, 1 << players):
            low = (mask & -mask).bit_length() - 1
            held[mask] = held[mask & (mask - 1)] + votes[low]
        orders = [math.factorial(s) * math.factorial(players - s - 1) for s in range(players)]
        sums = [0] * players
        for mask in range(1 << players):
            if held[mask] >= quota:
                continue
            weight = orders[mask.bit_count()]
            for at in range(players):
                if not mask >> at & 1 and held[mask | 1 << at] >= quota:
                    sums[at] += weight
        return [Fraction(10**9 * total, math.factorial(players)) for total in sums]

    python_ms, exact = timed(by_hand, 1)
    differ = max(abs(share.amount_minor - value) for share, value in zip(divided.shares, exact, strict=True))
    assert differ < 1, f"the values differ by {differ}"
    return {
        "players": players,
        "cores_ms": round(cores_ms, 3),
        "python_ms": round(python_ms, 3),
        "ratio": round(python_ms / cores_ms, 2),
    }


def vote(players: int) -> dict[str, float]:
    """One size: the coalition with the largest excess over an allocation, of voters with votes of up to a million."""
    draw = random.Random(players)
    votes = [draw.randint(1, 10**6) for _ in range(players)]
    quota = sum(votes) * 2 // 3
    paid = [draw.randint(1, 10**6) for _ in range(players)]
    names = [f"p{at:03}" for at in range(players)]
    asked = wire.Game(
        players=names,
        kind=wire.GameKind.VOTING,
        numbers=votes,
        total=quota,
        worth_minor=sum(paid),
        allocation=paid,
    )
    request = wire.Divide(rule=wire.Rule.CORE, game=asked)
    cores_ms, divided = timed(lambda: cores.divide(request), 3)
    assert divided.core is not None
    assert divided.core.bound_minor is None

    def highs() -> float:
        model = solver()
        model.setOptionValue("mip_rel_gap", 0.0)
        for at in range(players):
            model.addVar(0, 1)
            model.changeColCost(at, float(paid[at]))
            model.changeColIntegrality(at, highspy.HighsVarType.kInteger)
        model.addRow(quota, highspy.kHighsInf, players, list(range(players)), [float(count) for count in votes])
        model.run()
        return sum(paid) - float(model.getObjectiveValue())

    highs_ms, excess = timed(highs, 3)
    return {
        "players": players,
        "cores_ms": round(cores_ms, 3),
        "highs_ms": round(highs_ms, 3),
        "ratio": round(highs_ms / cores_ms, 2),
        "excess_differs": round(abs(divided.core.excess_minor - excess), 3),
    }


def growth(cases: list[dict[str, float]], size: str) -> float:
    """The exponent b of time ~ sizeᵇ, between the smallest case above 2 ms, or the smallest, and the largest."""
    small = next((case for case in cases[:-1] if case["cores_ms"] > 2), cases[0])
    large = cases[-1]
    return round(math.log(large["cores_ms"] / small["cores_ms"]) / math.log(large[size] / small[size]), 2)


def main() -> int:
    """Measure, print and keep."""
    leximin = [division(parties) for parties in PARTIES]
    products = [nash(parties) for parties in PARTIES]
    mend = [mending(parties) for parties in PARTIES]
    shapley = [game(players) for players in PLAYERS]
    voters = [vote(players) for players in VOTERS]
    figures = {
        "leximin_against_highs": leximin,
        "leximin_grows_as_parties_to_the": growth(leximin, "parties"),
        "nash_against_clarabel": products,
        "nash_grows_as_parties_to_the": growth(products, "parties"),
        "mend_against_highs": mend,
        "mend_grows_as_parties_to_the": growth(mend, "parties"),
        "shapley_against_python": shapley,
        "core_of_votes_against_highs": voters,
        "core_of_votes_grows_as_players_to_the": growth(voters, "players"),
    }
    TARGET.parent.mkdir(parents=True, exist_ok=True)
    TARGET.write_text(json.dumps(figures) + "\n")
    print(json.dumps(figures, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
