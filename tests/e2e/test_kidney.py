"""Kidney exchange, and clearings of lots in general, against an independent solver.

The reference is the plain cycle formulation (Abraham, Blum and Sandholm 2007): every cycle and every chain is listed,
and HiGHS chooses among them. It shares nothing with the core but the solver's library.
"""

from __future__ import annotations

import json
import subprocess
from collections import Counter
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import highspy
import pytest
from kidney import Json, Pool, vertices

from real_bus import HMS, find_hms

SAMPLE = Path(__file__).parent / "data" / "pool.wmd"


def clear(request: Json) -> Json:
    """What the core answers."""
    find_hms()
    command = [str(HMS), "call", "graph.clear", "-", "--local", "--json"]
    done = subprocess.run(command, input=json.dumps(request), capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    answer: Json = json.loads(done.stdout)
    return answer


def best(pool: Pool, cycles: int, chains: int, objective: str) -> int:
    """The optimum of the plain cycle formulation."""
    exchanges = list(pool.exchanges(cycles, chains))
    if not exchanges:
        return 0
    lp = highspy.HighsLp()
    lp.sense_ = highspy.ObjSense.kMaximize
    lp.num_col_, lp.num_row_ = len(exchanges), len(pool.altruists)
    worths = [pool.worth(path, objective) for path in exchanges]
    lp.col_cost_ = [float(worth) for worth in worths]
    lp.col_lower_, lp.col_upper_ = [0.0] * lp.num_col_, [1.0] * lp.num_col_
    lp.row_lower_, lp.row_upper_ = [-highspy.kHighsInf] * lp.num_row_, [1.0] * lp.num_row_
    lp.a_matrix_.format_ = highspy.MatrixFormat.kColwise
    starts = [0]
    for path in exchanges:
        starts.append(starts[-1] + len(path))
    lp.a_matrix_.start_ = starts
    lp.a_matrix_.index_ = [vertex for path in exchanges for vertex in path]
    lp.a_matrix_.value_ = [1.0] * starts[-1]
    lp.integrality_ = [highspy.HighsVarType.kInteger] * lp.num_col_
    solver: Any = highspy.Highs()  # type: ignore[no-untyped-call]
    solver.silent()
    solver.passModel(lp)
    solver.run()
    assert solver.getModelStatus() == highspy.HighsModelStatus.kOptimal
    chosen = [at for at, value in enumerate(solver.getSolution().col_value) if value > 0.5]
    taken = Counter(vertex for at in chosen for vertex in exchanges[at])
    assert max(taken.values(), default=0) <= 1, "the solver erred"
    total = sum((worths[at] for at in chosen), Fraction(0))
    assert total.denominator == 1
    return int(total)


def check(pool: Pool, answer: Json, cycles: int, chains: int, objective: str) -> None:
    """Every ring is a cycle of the pool and every chain a chain, nobody sits twice, and the sum is right."""
    seated: Counter[int] = Counter()
    total = Fraction(0)
    for ring in answer["rings"]:
        path = vertices(hop["from"] for hop in ring["hops"])
        assert 2 <= len(path) <= cycles
        assert not any(pool.altruists[vertex] for vertex in path)
        seated.update(path)
        total += pool.worth(path, objective)
    for chain in answer.get("chains", []):
        hops = chain["hops"]
        assert all(before["to"] == after["from"] for before, after in pairwise(hops))
        path = vertices([hop["from"] for hop in hops] + [hops[-1]["to"]])
        assert pool.altruists[path[0]]
        assert len(hops) <= chains
        seated.update(path)
        total += pool.worth(path, objective)
    assert max(seated.values(), default=0) <= 1
    assert answer["objective"] == total
    out = {int(left["agent"].removeprefix("v")) for left in answer["left_out"]}
    assert out.isdisjoint(seated)


@pytest.mark.parametrize("objective", ["welfare", "served"])
@pytest.mark.parametrize(("cycles", "chains"), [(2, 0), (3, 0), (4, 0), (3, 1), (3, 4), (2, 3)])
def test_small_pools_are_cleared_to_the_optimum(cycles: int, chains: int, objective: str) -> None:
    """Several hundred pools in all."""
    for seed in range(20):
        altruists = 2 if chains else 0
        pool = Pool.draw(14, altruists, 1000 * cycles + 10 * chains + seed, weighted=objective == "welfare")
        answer = clear(pool.request(cycles, chains, 20_000, objective))
        check(pool, answer, cycles, chains, objective)
        optimum = best(pool, cycles, chains, objective)
        assert (answer["objective"], answer["bound"]) == (optimum, optimum), f"seed {seed}"
        assert answer["outcome"] == "optimal"


def test_a_pool_of_seventy_is_proved_optimal() -> None:
    """The size of the published pools: 64 pairs, 6 altruists, some 1,500 arcs."""
    pool = Pool.draw(64, 6, 5)
    answer = clear(pool.request(3, 0, 20_000))
    check(pool, answer, 3, 0, "welfare")
    assert answer["objective"] == answer["bound"] == best(pool, 3, 0, "welfare")


def test_prefs_are_read_in_both_forms() -> None:
    """A sample in the published syntax, the same as older files wrote it, and what is written reads back."""
    pool = Pool.read(SAMPLE.read_text())
    assert pool.altruists == [False, False, False, False, True]
    assert pool.weights[0, 1] == 1
    assert not any(receiver == 4 for _, receiver in pool.weights)
    assert Pool.read(pool.write()) == pool
    arcs = [f"{a},{b},{float(weight)}" for (a, b), weight in pool.weights.items()]
    older = [f"5,{len(arcs)}", *(f"{at},Pair {at}" for at in range(1, 5)), "5,Altruist 5", *arcs]
    assert Pool.read("\n".join(older)) == pool
    answer = clear(pool.request(3, 2, 5_000))
    check(pool, answer, 3, 2, "welfare")
    assert answer["objective"] == best(pool, 3, 2, "welfare") == 4


def test_the_example_of_the_documentation_is_cleared_as_it_says() -> None:
    """`docs/clearing.md`: a swap, and a chain of one."""
    text = (Path(__file__).parents[2] / "docs" / "clearing.md").read_text()
    answer = clear(json.loads(text.split("```json", 1)[1].split("```", 1)[0]))
    assert (answer["objective"], answer["bound"], answer["outcome"]) == (3, 3, "optimal")
    assert [{hop["from"] for hop in ring["hops"]} for ring in answer["rings"]] == [{"pair1", "pair2"}]
    assert [(hop["from"], hop["to"]) for hop in answer["chains"][0]["hops"]] == [("altruist", "pair3")]
