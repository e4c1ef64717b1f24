"""How long `graph.clear` takes, against the plain cycle formulation in the same run, and how both grow.

Pools are drawn as the published ones are (Saidman et al. 2006), seeded. The reference lists every cycle and chain and
has HiGHS choose among them; its time is listing and solving. The core's time is its own, as it tells it: both sides
leave out starting a process and reading files. Markets of divisible goods have no reference that ends in time; there
the gap to the proven bound is measured at a time limit. Prints JSON, and keeps it in `target/bench/clearing.json`.
"""

from __future__ import annotations

import json
import os
import random
import statistics
import subprocess
import sys
import time
from fractions import Fraction
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1] / "e2e"))

from kidney import Pool
from test_kidney import best

Json = dict[str, Any]

TARGET = Path(__file__).parents[2] / "target/bench/clearing.json"
HMS = os.environ.get("HMS", "target/release/hms")
#: Pairs, altruists, longest cycle, longest chain, whether the plain formulation is worth waiting for.
POOLS = [(32, 0, 3, 0, True), (64, 6, 3, 0, True), (64, 6, 4, 0, True), (128, 0, 3, 0, True), (243, 13, 3, 4, False)]
#: Vertices, arcs, longest cycle, whether arcs are worth 1 to 100 instead of 1 each.
EVEN_POOLS = [(40, 500, 4, True), (70, 1_600, 4, False), (70, 1_600, 4, True), (70, 800, 4, True)]
#: Offers, goods, time limit in milliseconds.
MARKETS = [(500, 50, 5_000), (2_000, 50, 5_000), (5_000, 50, 5_000)]
SEEDS = (1, 2, 3)


def clear(request: Json) -> Json:
    """What the core answers."""
    command = [HMS, "call", "graph.clear", "-", "--local", "--json"]
    done = subprocess.run(command, input=json.dumps(request), capture_output=True, text=True, check=True)
    answer: Json = json.loads(done.stdout)
    return answer


def market(offers: int, goods: int, time_limit_ms: int, seed: int) -> Json:
    """Everyone gives some goods and wants others, mostly at values above the market's and costs below."""
    draw = random.Random(seed)
    prices = [draw.randint(20, 2_000) for _ in range(goods)]

    def around(good: int, least: int, most: int) -> Json:
        centre = prices[good] * draw.randint(least, most)
        return {"lo": str(Fraction(centre * 99, 10_000)), "hi": str(Fraction(centre * 101, 10_000))}

    def offer(at: int) -> Json:
        own = draw.sample(range(goods), draw.randint(2, 6))
        gives, wants = own[: len(own) // 2], own[len(own) // 2 :]

        def limit() -> int:
            return draw.randint(1_000, 100_000)

        return {
            "agent": f"a{at}",
            "gives": [{"good": f"g{good}", "limit": limit(), "cost": around(good, 88, 104)} for good in gives],
            "wants": [
                {"any_of": [{"good": f"g{good}", "limit": limit(), "value": around(good, 98, 125)}]} for good in wants
            ],
        }

    return {
        "goods": [{"good": f"g{good}", "unit": "unit"} for good in range(goods)],
        "offers": [offer(at) for at in range(offers)],
        "max_ring": 3,
        "time_limit_ms": time_limit_ms,
    }


def pools() -> list[Json]:
    """Pools of growing size, against the plain formulation."""
    rows = []
    for pairs, altruists, cycles, chains, is_compared in POOLS:
        took, reference, gaps, arcs = [], [], [], []
        for seed in SEEDS:
            pool = Pool.draw(pairs, altruists, seed)
            answer = clear(pool.request(cycles, chains, 60_000))
            took.append(answer["took_ms"] / 1000)
            gaps.append(answer["gap_ppm"])
            arcs.append(len(pool.weights))
            if is_compared:
                started = time.perf_counter()
                optimum = best(pool, cycles, chains, "welfare")
                reference.append(time.perf_counter() - started)
                assert answer["objective"] == optimum, (pairs, cycles, seed, answer["objective"], optimum)
        row: Json = {"pairs": pairs, "altruists": altruists, "arcs": round(statistics.mean(arcs))}
        row |= {"cycles_to": cycles, "chains_to": chains, "seconds": round(statistics.median(took), 3)}
        row["worst_gap_ppm"] = max(gaps)
        if reference:
            row["plain_seconds"] = round(statistics.median(reference), 3)
            row["plain_to_ours"] = round(statistics.median(reference) / max(statistics.median(took), 0.001), 2)
        rows.append(row)
    return rows


def even_pools() -> list[Json]:
    """Pools whose arcs are all equally likely, the hardest of their size: every one against the plain formulation."""
    rows = []
    for vertices, arcs, cycles, weighted in EVEN_POOLS:
        took, reference, gaps = [], [], []
        for seed in SEEDS:
            pool = Pool.draw_evenly(vertices, arcs, seed, weighted=weighted)
            answer = clear(pool.request(cycles, 0, 60_000))
            took.append(answer["took_ms"] / 1000)
            gaps.append(answer["gap_ppm"])
            started = time.perf_counter()
            optimum = best(pool, cycles, 0, "welfare")
            reference.append(time.perf_counter() - started)
            assert answer["objective"] == optimum, (vertices, arcs, seed, answer["objective"], optimum)
        row: Json = {"vertices": vertices, "arcs": arcs, "cycles_to": cycles, "weighted": weighted}
        row |= {"seconds": round(statistics.median(took), 3), "most_seconds": round(max(took), 3)}
        row |= {"worst_gap_ppm": max(gaps), "plain_seconds": round(statistics.median(reference), 3)}
        row["plain_to_ours"] = round(statistics.median(reference) / max(statistics.median(took), 0.001), 2)
        rows.append(row)
    return rows


def markets() -> list[Json]:
    """Divisible goods: the gap at a time limit, and by how much the limit was overrun."""
    rows = []
    for offers, goods, time_limit_ms in MARKETS:
        answers = [clear(market(offers, goods, time_limit_ms, seed)) for seed in SEEDS]
        hasty = [clear(market(offers, goods, 100, seed)) for seed in SEEDS]
        rows.append(
            {
                "offers": offers,
                "goods": goods,
                "time_limit_ms": time_limit_ms,
                "took_ms": max(answer["took_ms"] for answer in answers),
                "worst_gap_ppm": max(answer["gap_ppm"] for answer in answers),
                "took_ms_at_100": max(answer["took_ms"] for answer in hasty),
                "worst_gap_ppm_at_100": max(answer["gap_ppm"] for answer in hasty),
            }
        )
    return rows


def main() -> int:
    """Measure, print and keep."""
    figures = {"pools": pools(), "even_pools": even_pools(), "markets": markets()}
    TARGET.parent.mkdir(parents=True, exist_ok=True)
    TARGET.write_text(json.dumps(figures) + "\n")
    print(json.dumps(figures))
    return 0


if __name__ == "__main__":
    sys.exit(main())
