"""How good and how fast the search is, against pymoo in the same run.

Both sides have the same operators (simulated binary crossover, polynomial mutation, their indices and probabilities),
population, generations and reference points, all pinned below; a deal of five parties is solved by NSGA-III on both,
with the same reference directions and the same repair, all else by NSGA-II: pymoo's as it comes, which drops the
crowded together, and ours, which drops them one at a time. What counts is the hypervolume of the final front, computed
for both by one function. Each problem is run with many seeds, ours and pymoo's taking turns, and the two samples are
compared by the Mann-Whitney test: *worse* is said when chance alone would explain it in less than 1 % of cases.

Then two islands on two processors are measured against one, on a bus of their own, for the same number of evaluations.

Prints JSON, one line a problem, and keeps it in `target/bench/genetic.json`. What was run is remembered in
`target/bench/genetic-runs.jsonl`: an interrupted run goes on there, unless `--fresh` begins anew. pymoo takes seconds a
seed: 31 seeds of everything take half an hour on an idle machine.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
BUILT = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / "release"
KEPT = ROOT / "target/bench"

POPULATION = 100
GENERATIONS = 400
DIVISIONS = 4
"""Of NSGA-III's simplex: 70 directions for five objectives."""

REFERENCE: dict[str, list[float]] = {
    "zdt1": [1.1, 1.1],
    "zdt2": [1.1, 1.1],
    "zdt3": [1.1, 1.1],
    "zdt4": [1.1, 1.1],
    "zdt6": [1.1, 1.1],
    "dtlz2": [1.1, 1.1, 1.1],
    "dtlz7": [1.1, 1.1, 6.6],
    "bnh": [154.0, 55.0],
    "osy": [0.0, 85.0],
    "deal": [0.0] * 5,
}
"""Each problem's reference point. A deal's costs are losses, so its is *no gain*."""

WORSE_BELOW = 0.01
FASTER_AT_LEAST = 20.0
ISLANDS_AT_LEAST = 1.6


def ours(problem: str, seed: int) -> tuple[float, np.ndarray]:
    """Seconds and front of our search."""
    pinned = ["--population", str(POPULATION), "--generations", str(GENERATIONS)]
    done = told("run", problem, "--from", str(seed), "--seeds", str(seed + 1), *pinned)
    return done["seconds"], np.array(done["front"])


def theirs(problem: str, seed: int) -> tuple[float, np.ndarray]:
    """Seconds and front of pymoo's."""
    from pymoo.algorithms.moo.nsga2 import NSGA2
    from pymoo.algorithms.moo.nsga3 import NSGA3
    from pymoo.operators.crossover.sbx import SBX
    from pymoo.operators.mutation.pm import PM
    from pymoo.operators.sampling.rnd import FloatRandomSampling, IntegerRandomSampling
    from pymoo.optimize import minimize
    from pymoo.problems import get_problem
    from pymoo.util.nds.non_dominated_sorting import NonDominatedSorting
    from pymoo.util.ref_dirs import get_reference_directions

    if problem == "deal":
        deal, repair = as_pymoo(told("deal"))
        algorithm = NSGA3(
            get_reference_directions("das-dennis", 5, n_partitions=DIVISIONS),
            pop_size=POPULATION,
            sampling=IntegerRandomSampling(),
            crossover=SBX(eta=30, prob=1.0, prob_var=0.5, vtype=float),
            mutation=PM(prob=0.9, eta=20, vtype=float),
            repair=repair,
            eliminate_duplicates=True,
        )
    else:
        deal = get_problem(problem)
        algorithm = NSGA2(
            pop_size=POPULATION,
            sampling=FloatRandomSampling(),
            crossover=SBX(eta=15, prob=0.9, prob_var=0.5),
            mutation=PM(prob=0.9, eta=20),
            eliminate_duplicates=True,
        )
    started = time.perf_counter()
    result = minimize(deal, algorithm, ("n_gen", GENERATIONS), seed=seed, verbose=False)
    seconds = time.perf_counter() - started
    feasible = result.pop[result.pop.get("FEAS").reshape(-1).astype(bool)]
    costs = feasible.get("F") if len(feasible) else np.empty((0, len(REFERENCE[problem])))
    return seconds, costs[NonDominatedSorting().do(costs, only_non_dominated_front=True)] if len(costs) else costs


def told(*arguments: str) -> dict[str, Any]:
    """What our side's program prints."""
    command = [os.environ.get("PROBLEMS", str(BUILT / "examples/problems")), *arguments]
    read: dict[str, Any] = json.loads(subprocess.run(command, capture_output=True, check=True, text=True).stdout)
    return read


def as_pymoo(deal: dict[str, Any]) -> tuple[Any, Any]:
    """The same deal as a problem of pymoo's, and the same repair."""
    from pymoo.core.problem import Problem
    from pymoo.core.repair import Repair

    lots = np.array(deal["lots"], dtype=float)
    ends = np.array(deal["ends"], dtype=float)
    count, parties = len(lots), deal["parties"]
    losses, given, received = (np.zeros((count, parties)) for _ in range(3))
    for lane, ((giver, cost, worst_cost), (taker, value, worst_value)) in enumerate(
        zip(deal["gives"], deal["takes"], strict=True)
    ):
        losses[lane, giver] += cost
        losses[lane, taker] -= value
        given[lane, giver] += worst_cost
        received[lane, taker] += worst_value

    class Deal(Problem):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__(n_var=count, n_obj=parties, n_ieq_constr=parties, xl=ends[:, 0], xu=ends[:, 1], vtype=int)

        def _evaluate(self, x: Any, out: dict[str, Any], *args: Any, **kwargs: Any) -> None:
            x = x.astype(float)
            gives, takes = x @ given, x @ received
            out["F"] = x @ losses
            short = np.divide(gives - takes, gives, out=np.zeros_like(gives), where=gives > 0)
            out["G"] = np.where(short > 1e-12, short, 0.0)

    class Bounds(Repair):  # type: ignore[misc]
        def _do(self, problem: Any, x: Any, **kwargs: Any) -> Any:
            x = np.rint(x.astype(float)).clip(ends[:, 0], ends[:, 1])
            for most, lanes in deal["bounds"]:
                least = ends[lanes, 0]
                whole = (x[:, lanes] * lots[lanes]).sum(axis=1)
                over = whole > most
                above = np.maximum(whole - (least * lots[lanes]).sum(), 1.0)
                room = max(most - (least * lots[lanes]).sum(), 0.0)
                less = least + np.floor((x[:, lanes] - least) * room / above[:, None])
                x[:, lanes] = np.where(over[:, None], less, x[:, lanes])
            return x.astype(int)

    return Deal(), Bounds()


def hypervolume(problem: str, front: np.ndarray) -> float:
    """What a front dominates, below the pinned reference point."""
    from pymoo.indicators.hv import HV

    return float(HV(ref_point=np.array(REFERENCE[problem]))(front)) if len(front) else 0.0


def runs(problems: list[str], seeds: int, fresh: bool) -> list[dict[str, Any]]:
    """Everything that was run, with what is missing run now."""
    file = KEPT / "genetic-runs.jsonl"
    KEPT.mkdir(parents=True, exist_ok=True)
    if fresh:
        file.unlink(missing_ok=True)
    done = [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []
    known = {(run["problem"], run["seed"]) for run in done}
    todo = [(p, s) for p in problems for s in range(seeds) if (p, s) not in known]
    with file.open("a") as keep:
        for number, (problem, seed) in enumerate(todo, 1):
            run: dict[str, Any] = {"problem": problem, "seed": seed}
            for name, search in (("ours", ours), ("pymoo", theirs)):
                seconds, front = search(problem, seed)
                run[name] = {"seconds": seconds, "hypervolume": hypervolume(problem, front), "front": len(front)}
            keep.write(json.dumps(run) + "\n")
            keep.flush()
            done.append(run)
            print(f"{number}/{len(todo)} {problem} seed {seed}", file=sys.stderr)
    return [run for run in done if run["problem"] in problems and run["seed"] < seeds]


def compared(problem: str, done: list[dict[str, Any]]) -> dict[str, Any]:
    """One problem's figures."""
    from scipy.stats import mannwhitneyu

    mine, other = ([run[name]["hypervolume"] for run in done] for name in ("ours", "pymoo"))
    ratio = statistics.median(mine) / statistics.median(other) if statistics.median(other) else None
    # That ours is less: how likely by chance.
    chance = float(mannwhitneyu(mine, other, alternative="less").pvalue) if set(mine) | set(other) != {mine[0]} else 1.0
    speed = statistics.median(run["pymoo"]["seconds"] / run["ours"]["seconds"] for run in done)
    return {
        "problem": problem,
        "seeds": len(done),
        "hypervolume_ratio": ratio and round(ratio, 5),
        "ours": round(statistics.median(mine), 6),
        "pymoo": round(statistics.median(other), 6),
        "p_ours_is_less": round(chance, 4),
        "not_worse": chance >= WORSE_BELOW,
        "times_faster": round(speed, 1),
        "ours_ms": round(1000 * statistics.median(run["ours"]["seconds"] for run in done), 1),
        "good": chance >= WORSE_BELOW and speed >= FASTER_AT_LEAST,
    }


def islands(evaluations: int) -> dict[str, Any]:
    """Two islands on two processors against one, for the same evaluations, by turns."""
    hms = os.environ.get("HMS", str(BUILT / "hms"))
    took: dict[int, list[float]] = {1: [], 2: []}
    with tempfile.TemporaryDirectory() as folder, bus(hms, folder) as url:
        request = told("request")
        for turn in range(3):
            for count in (1, 2):
                request.update(evaluations=evaluations, islands=count, seed=turn, population=200)
                command = [hms, "call", "genetic.evolve", "-", "--job", f"bench-{turn}-{count}", "--json"]
                command += ["--timeout-ms", "600000", "--nats", url]
                started = time.perf_counter()
                subprocess.run(command, input=json.dumps(request), capture_output=True, check=True, text=True)
                took[count].append(time.perf_counter() - started)
    ratio = statistics.median(took[1]) / statistics.median(took[2])
    return {
        "islands": 2,
        "processors": os.cpu_count(),
        "evaluations": evaluations,
        "times_one": round(ratio, 2),
        "good": ratio >= ISLANDS_AT_LEAST,
        "one_seconds": [round(seconds, 2) for seconds in took[1]],
        "two_seconds": [round(seconds, 2) for seconds in took[2]],
    }


class bus:  # noqa: N801 - reads as what it is
    """A bus of its own in a folder, for as long as it is needed."""

    def __init__(self, hms: str, folder: str) -> None:
        self._command = [hms, "up", "--dir", folder, "--port", "0", "--monitor-port", "0", "--json"]
        self._process: subprocess.Popen[str] | None = None

    def __enter__(self) -> str:
        self._process = subprocess.Popen(self._command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        assert self._process.stdout is not None
        url: str = json.loads(self._process.stdout.readline())["url"]
        return url

    def __exit__(self, *_: object) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.wait(timeout=30)


def lines(arguments: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """Figures, one by one."""
    if arguments.part != "islands":
        done = runs(arguments.problems, arguments.seeds, arguments.fresh)
        for problem in arguments.problems:
            yield compared(problem, [run for run in done if run["problem"] == problem])
    if arguments.part != "problems":
        yield islands(arguments.evaluations)


def main() -> int:
    """Measure, print and keep."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=31, help="runs of each problem on each side [31]")
    parser.add_argument("--problems", nargs="+", choices=list(REFERENCE), default=list(REFERENCE))
    parser.add_argument("--fresh", action="store_true", help="forget what was run before")
    parser.add_argument("--part", choices=["problems", "islands"], help="only this [both]")
    parser.add_argument("--evaluations", type=int, default=400_000, help="of each search over islands [400000]")
    arguments = parser.parse_args()
    figures_ = []
    for line in lines(arguments):
        print(json.dumps(line), flush=True)
        figures_.append(line)
    KEPT.mkdir(parents=True, exist_ok=True)
    (KEPT / "genetic.json").write_text(json.dumps(figures_) + "\n")
    return 0 if all(line["good"] for line in figures_) else 1


if __name__ == "__main__":
    sys.exit(main())
