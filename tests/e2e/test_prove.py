"""`hms prove`, as a mathematician uses it: without a bus and on one."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from real_bus import find_hms

if TYPE_CHECKING:
    from real_bus import Bus


def prove(*arguments: str, said: str | None = None, **environment: str) -> subprocess.CompletedProcess[str]:
    """What `hms prove` says; without a bus unless the environment names one."""
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("NATS_", "HMS_"))}
    clean |= {"PATH": path, "HMS_PYTHON": sys.executable, "HMS_HOME": "/nowhere"} | environment
    command: list[str] = [str(find_hms()), "prove", *arguments]
    return subprocess.run(command, input=said, env=clean, capture_output=True, text=True, timeout=120, check=False)


@pytest.mark.parametrize(
    ("claim", "code", "verdict"),
    [
        ("forall x in [0,1]: x >= x^2", 0, "proved"),
        ("forall x, y: x^2 + y^2 >= 2*x*y", 0, "proved"),
        ("forall x >= 1, x <= 0: x > 5", 0, "proved"),
        ("forall x in [0,2]: x >= x^2", 1, "refuted"),
    ],
)
def test_a_verdict_has_its_exit_code(claim: str, code: int, verdict: str) -> None:
    done = prove(claim, "--json")
    assert done.returncode == code, done.stderr
    said = json.loads(done.stdout)
    assert said["verdict"] == verdict
    assert said["vacuous"] is ("x > 5" in claim)
    assert said["size_bytes"] == len(bytes.fromhex(said["evidence"]))
    assert said["proof"]["text"]
    assert said["proof"]["latex"]


def test_what_nobody_can_decide_in_time_is_unknown() -> None:
    """Robinson's form needs a multiplier that a second is too short for; whatever happens, it is never refuted."""
    done = prove("x^6*y^2 + y^6*z^2 + z^6*x^2 - 3*x^2*y^2*z^2*(x^2 + y^2 + z^2)/3 >= 0", "--seconds", "1", "--json")
    assert done.returncode in (0, 2), done.stdout


def test_the_proof_is_printed() -> None:
    done = prove("forall x in [0,1]: x >= x^2")
    assert done.returncode == 0
    assert "verdict      proved\n" in done.stdout
    assert " bytes, 1 leaf" in done.stdout
    assert done.stdout.rstrip().endswith("∎")
    latex = prove("forall x in [0,1]: x >= x^2", "--latex").stdout
    assert "\\begin{proof}" in latex
    assert "\\end{proof}" in latex


def test_a_bad_claim_has_a_caret_under_its_mistake() -> None:
    done = prove("forall x in [0,1]: x >= 2x")
    assert done.returncode == 3
    line, caret = done.stderr.splitlines()[-2:]
    assert line == "  forall x in [0,1]: x >= 2x"
    assert caret == " " * (2 + line[2:].index("2x") + 1) + "^"
    said = json.loads(prove("forall x: x >=", "--json").stdout)
    assert said["error"]["field"] == "claim"
    assert said["error"]["column"] == 15


def test_a_claim_may_come_from_standard_input_and_a_dash_may_begin_it() -> None:
    assert prove("-", said="forall x: x^2 >= 0\n").returncode == 0
    assert prove("-x^2 <= 0").returncode == 0


def test_on_a_bus_its_provers_are_asked(bus: Bus) -> None:
    claim = "forall x in [0,3/7]: 3/7*x >= x^2"
    first = prove(claim, "--json", NATS_URL=bus.url)
    assert first.returncode == 0, first.stderr
    again = json.loads(prove(claim, "--json", NATS_URL=bus.url).stdout)
    assert again["method"] == "found before"
    assert again["evidence"] == json.loads(first.stdout)["evidence"]


def test_help_has_an_example() -> None:
    done = prove("--help")
    assert done.returncode == 0
    assert "hms prove 'forall" in done.stdout
