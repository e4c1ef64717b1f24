"""Does evolution matter? The share of hard claims that it proves, against random trees and restarts of the portfolio.

`candidates/` holds candidates. `--choose` runs the portfolio alone on each, once, and writes those that it misses
into `evolution-claims.txt`, which is committed before anything else is run. Then every strategy tries every one of
these claims with every seed, and with the same number of leaf programmes (linear or semidefinite ones) to solve. What
is done is kept as lines of JSON, so that a run that was cut goes on where it was.
"""

from __future__ import annotations

import argparse
import random
import sys
import time
from concurrent.futures import ProcessPoolExecutor, as_completed
from math import comb
from pathlib import Path
from statistics import mean, median

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import msgspec

from hms_a2a.gtp import check, parse_claim, prove
from theorems import document
from theorems.library import Theorem, load

HERE = Path(__file__).resolve().parent
CANDIDATES = sorted((HERE / "candidates").glob("*.toml"))
CLAIMS = HERE / "evolution-claims.txt"
RUNS = HERE.parents[1] / "target" / "theorems" / "evolution.jsonl"

EVOLUTION = "evolution"
RIVALS = ("random_trees", "restarts")
STRATEGIES = (EVOLUTION, *RIVALS)
NAMES = {EVOLUTION: "evolution", "random_trees": "random trees", "restarts": "restarts"}
SEEDS = 11
LEAF_PROGRAMMES = 60
#: Claims of more variables have leaves that take too long for so many runs.
MOST_VARIABLES = 5
#: So many of the claims may be variations of one template.
MOST_OF_A_TEMPLATE = 2
#: What evolution was tuned on is no test of it.
TUNED_ON = frozenset({"chebyshev-16-within"})
#: A run is cut after so much of a processor, whatever it has solved; such runs are counted, and said.
MOST_SECONDS = 20.0
_DRAWS = 20_000


class Run(msgspec.Struct, frozen=True):
    """One claim, tried by one strategy with one seed."""

    id: str
    strategy: str
    seed: int
    budget: int
    verdict: str
    leaf_programmes: int
    generations: int
    took_ms: float
    method: str
    #: Whether it was cut, before its budget was spent.
    cut: bool

    @property
    def key(self) -> tuple[str, str, int, int]:
        """What makes it the same run."""
        return self.id, self.strategy, self.seed, self.budget


def main() -> int:
    """Run what is missing; 1 where a verdict is wrong."""
    parser = argparse.ArgumentParser(prog="python -m theorems.evolution", description=__doc__)
    parser.add_argument("--choose", action="store_true", help="run the portfolio on the candidates; write the misses")
    parser.add_argument("--seeds", type=int, default=SEEDS, help=f"how many seeds, from 0 [{SEEDS}]")
    parser.add_argument("--leaf-programmes", type=int, default=LEAF_PROGRAMMES, help=f"a run [{LEAF_PROGRAMMES}]")
    parser.add_argument("--cores", type=int, default=1, help="runs at the same time [1]")
    parser.add_argument("--only", nargs="+", default=[], metavar="ID", help="only these claims")
    parser.add_argument("--runs", type=Path, default=RUNS, help="where the lines of JSON are")
    parser.add_argument("--document", action="store_true", help="write the results into docs/proofs.md")
    asked = parser.parse_args()
    if asked.choose:
        return choose(asked.leaf_programmes)
    wanted = CLAIMS.read_text(encoding="utf-8").split()
    theorems = [each for each in load(*CANDIDATES) if each.id in wanted and (not asked.only or each.id in asked.only)]
    where = document.machine()
    runs = run_all(theorems, asked.seeds, asked.leaf_programmes, asked.cores, asked.runs)
    told = report(runs, len(theorems), asked.seeds, asked.leaf_programmes)
    print(told)
    if asked.document:
        how = (
            f"Written by `make evolution` (`python -m theorems.evolution --seeds {asked.seeds} --leaf-programmes "
            f"{asked.leaf_programmes}`), on {where}; {sum(run.took_ms for run in runs) / 60_000:.0f} minutes of a core."
        )
        document.write_section("evolution", f"{how}\n\n{told}")
    return 1 if any(run.verdict == "refuted" for run in runs) else 0


def choose(budget: int) -> int:
    """Write the candidates that the portfolio alone misses."""
    missed: list[Theorem] = []
    candidates = [each for each in load(*CANDIDATES) if each.id not in TUNED_ON and is_small(each)]
    for k, theorem in enumerate(candidates, 1):
        run = attempt(theorem, "portfolio", 0, budget)
        print(f"{k:>3}/{len(candidates)} {theorem.id:<28} {told_of(run)}", flush=True)
        # What was cut may not have been missed.
        missed += [theorem] if run.verdict == "unknown" and not run.cut else []
    alike: dict[str, list[str]] = {}
    for theorem in missed:
        alike.setdefault(theorem.template, []).append(theorem.id)
    chosen = [each.id for each in missed if each.id in alike[each.template][:MOST_OF_A_TEMPLATE]]
    CLAIMS.write_text("".join(f"{name}\n" for name in chosen), encoding="utf-8")
    print(f"{len(missed)} of {len(candidates)} are missed, {len(chosen)} are chosen")
    return 0


def is_small(theorem: Theorem) -> bool:
    """Whether its leaves are cheap."""
    return parse_claim(theorem.claim).n <= MOST_VARIABLES


def attempt(theorem: Theorem, strategy: str, seed: int, budget: int) -> Run:
    """Run once. Evidence is checked before it counts."""
    claim = parse_claim(theorem.claim)
    started = time.process_time()
    outcome = prove(
        claim,
        seconds=None,
        leaf_programmes=budget,
        seed=seed,
        strategy=strategy,  # type: ignore[arg-type] # one of STRATEGIES
        should_stop=lambda: time.process_time() - started > MOST_SECONDS,
    )
    took_ms = (time.process_time() - started) * 1000
    if outcome.evidence is not None and check(claim.to_bytes(), outcome.evidence).verdict != outcome.verdict:
        raise RuntimeError(f"{theorem.id}: evidence for something else")
    cut = outcome.verdict == "unknown" and took_ms > MOST_SECONDS * 1000
    return Run(
        theorem.id,
        strategy,
        seed,
        budget,
        outcome.verdict,
        outcome.leaf_programmes,
        outcome.generations,
        took_ms,
        outcome.method or "",
        cut,
    )


def told_of(run: Run) -> str:
    """For the screen."""
    return f"{run.verdict:<8} {run.leaf_programmes:>4} programmes {run.took_ms:>8.0f} ms  {run.method}"


def run_all(theorems: list[Theorem], seeds: int, budget: int, cores: int, path: Path) -> list[Run]:
    """Run what isn't done yet, seed by seed, so that a cut run has whole seeds."""
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = path.read_bytes().splitlines() if path.exists() else []
    done = {run.key: run for run in (msgspec.json.decode(line, type=Run) for line in lines)}
    plan = [(each, strategy, seed, budget) for seed in range(seeds) for each in theorems for strategy in STRATEGIES]
    missing = [task for task in plan if (task[0].id, *task[1:]) not in done]
    print(f"{len(plan)} runs, {len(missing)} to do", flush=True)
    with path.open("ab") as log, ProcessPoolExecutor(cores) as pool:
        for k, ended in enumerate(as_completed(pool.submit(attempt, *task) for task in missing), 1):
            run = ended.result()
            done[run.key] = run
            log.write(msgspec.json.encode(run) + b"\n")
            log.flush()
            place = f"{k}/{len(missing)}"
            print(f"{place:>9} seed {run.seed:<2} {run.id:<26} {NAMES[run.strategy]:<13} {told_of(run)}", flush=True)
    return [done[task[0].id, *task[1:]] for task in plan]


def proved_by(runs: list[Run], strategy: str) -> dict[str, list[bool]]:
    """For each claim, whether each seed proved it."""
    found: dict[str, list[bool]] = {}
    for run in runs:
        if run.strategy == strategy:
            found.setdefault(run.id, []).append(run.verdict == "proved")
    return found


def sign_test(wins: int, losses: int) -> float:
    """The two-sided exact probability of so uneven a split by a fair coin."""
    n, few = wins + losses, min(wins, losses)
    return min(1.0, 2 * sum(comb(n, k) for k in range(few + 1)) / 2**n) if n else 1.0


def permutation_test(differences: list[float], rng: random.Random) -> float:
    """Two-sided: how often a sum as far from 0 comes about when each claim's difference has either sign."""
    seen = abs(sum(differences)) - 1e-12
    as_far = sum(abs(sum(rng.choice((d, -d)) for d in differences)) >= seen for _ in range(_DRAWS))
    return (as_far + 1) / (_DRAWS + 1)


def interval(differences: list[float], rng: random.Random) -> tuple[float, float]:
    """95 % of the mean's bootstrap distribution, over claims."""
    means = sorted(mean(rng.choices(differences, k=len(differences))) for _ in range(_DRAWS))
    return means[int(_DRAWS * 0.025)], means[int(_DRAWS * 0.975)]


def shown(p: float) -> str:
    """A probability, in so many digits as mean something."""
    return "p < 0.0001" if p < 0.0001 else f"p = {p:.4f}"


def report(runs: list[Run], claims: int, seeds: int, budget: int) -> str:
    """The results in words, the tests, and a table."""
    rng = random.Random(0)
    by = {strategy: proved_by(runs, strategy) for strategy in STRATEGIES}
    ids = list(by[EVOLUTION])
    rate = {strategy: {name: mean(by[strategy][name]) for name in ids} for strategy in STRATEGIES}
    lines = [f"{claims} claims, {seeds} seeds, {budget} leaf programmes a run, {len(runs)} runs.", ""]
    for strategy in STRATEGIES:
        shares = [mean(by[strategy][name][seed] for name in ids) for seed in range(seeds)]
        ever = sum(any(by[strategy][name]) for name in ids)
        low, high = interval([rate[strategy][name] for name in ids], rng)
        spent = [run.leaf_programmes for run in runs if run.strategy == strategy]
        lines.append(
            f"- {NAMES[strategy]}: {mean(shares):.1%} of the runs prove their claim (95 % of a bootstrap over claims: "
            f"{low:.1%} to {high:.1%}; between {min(shares):.1%} and {max(shares):.1%} by seed); {ever} of {claims} "
            f"claims with some seed; {mean(spent):.0f} programmes a run"
        )
    for rival in RIVALS:
        differences = [rate[EVOLUTION][name] - rate[rival][name] for name in ids]
        wins, losses = sum(d > 0 for d in differences), sum(d < 0 for d in differences)
        low, high = interval(differences, rng)
        lines.append(
            f"- evolution against {NAMES[rival]}: {mean(differences):+.1%} (95 % of a bootstrap over claims: "
            f"{low:+.1%} to {high:+.1%}); better on {wins} claims, worse on {losses}, equal on "
            f"{len(ids) - wins - losses}; permutation test over claims "
            f"{shown(permutation_test(differences, rng))}, sign test {shown(sign_test(wins, losses))}"
        )
    cut = sum(run.cut for run in runs)
    lines.append(f"- runs cut after {MOST_SECONDS:.0f} s of a processor, before their budget was spent: {cut}")
    early = [r for r in runs if r.verdict == "unknown" and not r.cut and r.leaf_programmes < budget]
    lines.append(f"- runs that had nothing new left to solve before their budget was spent: {len(early)}")
    rows = []
    for name in ids:
        cells = [f"{sum(by[strategy][name])}/{seeds}" for strategy in STRATEGIES]
        used = [r.leaf_programmes for r in runs if r.id == name and r.strategy == EVOLUTION and r.verdict == "proved"]
        rows.append([name, *cells, f"{median(used):.0f}" if used else "–"])
    header = ["claim", *(f"{NAMES[strategy]}:" for strategy in STRATEGIES), "programmes, evolution:"]
    return "\n".join([*lines, "", "Seeds that prove a claim:", "", document.table(header, rows)])


if __name__ == "__main__":
    sys.exit(main())
