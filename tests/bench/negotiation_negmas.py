"""Negotiations a second between Rust agents over the bus, against NegMAS in process, in one run.

Both sides hold the same negotiations: domain, utilities, rounds and the strategy (both concede late, e = 4) are those
of tests/bench/negotiation.rs, which says them. Ours are opened with the desk, talked over from party to party, and
signed by both on a bus as `hms up` runs it; NegMAS's are calls in one process, which is all that it offers. The sides
take turns, and medians are compared: at least 20 times as many are wanted, 100 are the aim. Needs `make negmas`.
Prints JSON, and keeps it in `target/bench/negotiation-negmas.json`.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
KEPT = ROOT / "target/bench/negotiation-negmas.json"
NEGMAS = Path(os.environ.get("HMS_NEGMAS_PYTHON") or ROOT / ".venv/negmas/bin/python")
#: Choices of each of three issues, rounds, and negotiations that NegMAS holds in a turn: 1,000, 10,648 and 21,952
#: outcomes. NegMAS sorts all outcomes of each negotiation, so it grows slower with the domain, and so much slower than
#: ours that the ratio is mostly a matter of size: each is told, and the largest counts.
SIZES = [(10, 26, 300), (22, 45, 60), (28, 45, 30)]
TURNS = 3
FLOOR, AIM = 20, 100


def ours(choices: int, rounds: int) -> dict[str, Any]:
    """One run of the bench in Rust."""
    command = [os.environ.get("CARGO", "cargo"), "bench", "--quiet", "--workspace", "--bench", "negotiation", "--"]
    command += ["--choices", str(choices), "--rounds", str(rounds)]
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True)
    told: dict[str, Any] = json.loads(done.stdout[done.stdout.index("{") :])
    return told


def theirs(domain: dict[str, Any], meetings: int) -> dict[str, float]:
    """One run of NegMAS."""
    done = subprocess.run(
        [NEGMAS, ROOT / "tests/negotiation/negmas_speed.py"],
        input=json.dumps(domain | {"meetings": meetings}),
        env=os.environ | {"PYTHONPATH": str(ROOT / "py_agents")},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    told: dict[str, float] = json.loads(done.stdout)
    return told


def compared(choices: int, rounds: int, meetings: int) -> dict[str, Any]:
    """Both sides in turn."""
    runs = []
    for _ in range(TURNS):
        bus = ours(choices, rounds)
        domain = {key: bus[key] for key in ("choices", "weights_ppm", "rounds")}
        runs.append((bus, theirs(domain, meetings)))
    bus_per_s = statistics.median(bus["negotiations_per_s"] for bus, _ in runs)
    negmas_per_s = statistics.median(negmas["per_s"] for _, negmas in runs)
    return {
        "outcomes": choices**3,
        "negotiations_per_s_over_the_bus": bus_per_s,
        "negotiations_per_s_of_negmas_in_process": round(negmas_per_s, 1),
        "ratio": round(bus_per_s / negmas_per_s, 1),
        "words_per_negotiation": runs[0][0]["words_per_negotiation"],
        "words_per_negotiation_of_negmas": round(runs[0][1]["words"], 1),
        "agreed_of_negmas": runs[0][1]["agreed"],
        "all_over_the_bus_per_s": [bus["negotiations_per_s"] for bus, _ in runs],
        "all_of_negmas_per_s": [round(negmas["per_s"], 1) for _, negmas in runs],
    }


def main() -> int:
    """Measure, print, keep."""
    if not NEGMAS.exists():
        print(f"{NEGMAS} is not there: make negmas", file=sys.stderr)
        return 69
    sizes = [compared(*size) for size in SIZES]
    figures = {"floor": FLOOR, "aim": AIM, "ratio": sizes[-1]["ratio"], "by_size": sizes}
    KEPT.parent.mkdir(parents=True, exist_ok=True)
    KEPT.write_text(json.dumps(figures, indent=2) + "\n")
    print(json.dumps(figures, indent=2))
    return 0 if figures["ratio"] >= FLOOR else 1


if __name__ == "__main__":
    sys.exit(main())
