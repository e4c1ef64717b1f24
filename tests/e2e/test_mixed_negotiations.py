"""Agents in Rust and in Python negotiate with each other by all four protocols, and agree as those in Rust alone do."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import uuid
from pathlib import Path
from typing import Any

from real_bus import HMS, find_hms

SCENARIO = """
about = "Rust and Python at one table"
seed = 5
seconds = 100

[negotiation]
book = "talks"
agents = 16
python = {python}
meetings = 80
at_once = 1
parties = [2, 4]
issues = [1, 3]
choices = [2, 5]
rounds = [5, 20]
within_ms = 30_000
reserved_ppm = [0, 300_000]
rectangles_ppm = 300_000
protocols = ["sao/1", "cnp/1", "icnp/1", "stx/1"]
manners = ["boulware", "linear", "conceder", "tit_for_tat", "micro", "nash", "accept_if_good"]
bidders = ["boulware", "linear", "conceder", "sealed", "undercut"]
voters = ["hill_climber", "annealer"]
"""


def standing(folder: Path, python: int) -> dict[str, Any]:
    """What came of the scenario, with so many of its agents in Python."""
    file = folder / "mixed.toml"
    file.write_text(SCENARIO.format(python=python))
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("NATS_", "HMS_"))}
    environment |= {"HMS_PYTHON": sys.executable, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    words = folder / f"words-{uuid.uuid4()}"
    command: list[str | Path] = [HMS, "swarm", "run", file, "--json", "-", "--export", words]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=150)
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    told: dict[str, Any] = json.loads(done.stdout)
    kept = {path.name: len(path.read_text().splitlines()) for path in words.iterdir()}
    return told | {"kept": kept}


def test_rust_and_python_agree_on_what_rust_agrees_on(tmp_path: Path) -> None:
    """An outcome, its number of words and its parties are the same whoever of them is in Python, and in two runs."""
    find_hms()
    rust, mixed, again, python = (standing(tmp_path, count) for count in (0, 8, 8, 16))
    for other in (mixed, again, python):
        assert other["outcomes"] == rust["outcomes"]
        assert other["kept"] == rust["kept"], "everybody hands in as many words"
        assert (other["unfinished"], other["errors"]) == (0, [])
    assert (mixed["python"], python["python"]) == (8, 16)
    agreed = {row["protocol"] for row in rust["strategies"] if row["agreed_ppm"]}
    assert agreed == {"sao/1", "cnp/1", "icnp/1", "stx/1"}
