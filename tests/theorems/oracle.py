"""What z3 says of a claim: asked in a process of its own, because it doesn't always keep its time limit.

The process reads `{"claim": ..., "seconds": ...}`, a line each, and answers `{"verdict": ..., "ms": ...}`.
"""

from __future__ import annotations

import json
import sys
import time
from typing import Any, NamedTuple

from theorems.statement import Statement, read
from theorems.worker import python

#: How long beyond its own time limit z3 may take before it is killed.
GRACE_SECONDS = 2.0


class Opinion(NamedTuple):
    """What z3 says."""

    #: `proved`, `refuted` or `unknown`.
    verdict: str
    took_ms: float


class Oracle:
    """z3, started when it is asked and again after it was killed."""

    def __init__(self) -> None:
        self._worker = python("theorems.oracle", greets=True)

    def ask(self, claim: str, seconds: float) -> Opinion:
        """What z3 makes of the claim within this time."""
        answer = self._worker.ask({"claim": claim, "seconds": seconds}, seconds + GRACE_SECONDS)
        if answer is None:
            return Opinion("unknown", (seconds + GRACE_SECONDS) * 1000)
        return Opinion(answer["verdict"], answer["ms"])

    def close(self) -> None:
        """End its process."""
        self._worker.close()


def version() -> str:
    """Which z3."""
    import z3

    return str(z3.get_version_string())


def decide(statement: Statement, seconds: float) -> Opinion:
    """Ask z3 here, in this process. It may take longer."""
    import z3

    point: dict[str, Any] = {name: z3.Real(name) for name in statement.variables}
    started = time.monotonic()
    solver = z3.SolverFor("QF_NRA")
    solver.set("timeout", max(1, int(seconds * 1000)))
    for hypothesis in statement.hypotheses:
        solver.add(hypothesis.holds(point))
    solver.add(z3.Not(statement.goal.holds(point)))
    found = solver.check()
    verdict = "proved" if found == z3.unsat else "refuted" if found == z3.sat else "unknown"
    return Opinion(verdict, (time.monotonic() - started) * 1000)


def main() -> None:
    """Answer until standard input ends."""
    import z3  # noqa: F401 (loaded before the first question)

    print("ready", flush=True)
    for line in sys.stdin:
        asked = json.loads(line)
        opinion = decide(read(asked["claim"]), asked["seconds"])
        print(json.dumps({"verdict": opinion.verdict, "ms": opinion.took_ms}), flush=True)


if __name__ == "__main__":
    main()
