"""Try the prover on the library of theorems, with z3 beside it, and check all evidence with both checkers."""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from statistics import median
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import msgspec

from hms_a2a.gtp import parse_claim
from theorems import document, oracle
from theorems.kernel import Checkers, point_of
from theorems.library import Theorem, load
from theorems.verdicts import AIM, FLOOR, Result, Summary, contradiction
from theorems.worker import Ended, python

#: How much later than its deadline the prover may answer before it is killed and called late.
GRACE_SECONDS = 2.0
LINK = "../tests/theorems/library"


def main() -> int:
    """Run once; 1 where a floor is missed."""
    parser = argparse.ArgumentParser(prog="python -m theorems.run", description=__doc__)
    parser.add_argument("--seconds", type=float, default=10.0, help="for each theorem, and z3 as long [10]")
    parser.add_argument("--cores", type=int, default=2, help="how many processes the prover uses on a theorem [2]")
    parser.add_argument("--seed", type=int, default=0, help="the prover's [0]")
    parser.add_argument("--only", nargs="+", default=[], metavar="NAME", help="only these theorems, fields or truths")
    parser.add_argument("--no-z3", action="store_true", help="leave z3 out")
    parser.add_argument("--json", type=Path, help="write the results here")
    parser.add_argument("--document", action="store_true", help="write the table into docs/proofs.md")
    asked = parser.parse_args()
    theorems = [each for each in load() if not asked.only or {each.id, each.field, each.truth} & set(asked.only)]
    if not theorems:
        parser.error(f"no theorem, field or truth is called {' or '.join(asked.only)}")
    where, began = document.machine(), time.monotonic()
    trial = Trial(asked.seconds, asked.cores, asked.seed, with_z3=not asked.no_z3)
    try:
        results = [trial.run(each, f"{k}/{len(theorems)}") for k, each in enumerate(theorems, 1)]
    finally:
        trial.close()
    summary = Summary.of(results)
    print(told := report(summary, results, with_kernel=trial.checkers.has_kernel), flush=True)
    if asked.json is not None:
        whole = {"seconds": asked.seconds, "cores": asked.cores, "seed": asked.seed, "machine": where}
        whole |= {"summary": msgspec.to_builtins(summary), "results": msgspec.to_builtins(results)}
        asked.json.write_bytes(msgspec.json.format(msgspec.json.encode(whole)))
    if asked.document:
        how = (
            f"Written by `make theorems` (`python -m theorems.run --seconds {asked.seconds:g} --cores {asked.cores} "
            f"--seed {asked.seed}`), in {(time.monotonic() - began) / 60:.0f} minutes, on {where}; z3 "
            f"{oracle.version()}, one core, the same time, its solver for QF_NRA."
        )
        document.write_section("library", f"{how}\n\n{told}\n\n{tables(results)}")
    return 0 if summary.is_good or (bool(asked.only) and not summary.wrong) else 1


class Trial:
    """The prover, as it serves without a bus, both checkers, and z3."""

    def __init__(self, seconds: float, cores: int, seed: int, *, with_z3: bool) -> None:
        self.seconds = seconds
        self.seed = seed
        self.prover = python("hms_a2a.gtp", "--once", "--jobs", str(cores))
        self.checkers = Checkers()
        self.z3 = oracle.Oracle() if with_z3 else None

    def run(self, theorem: Theorem, place: str) -> Result:
        """Try one, and say so."""
        result = self._prove(theorem)
        if self.z3 is not None:
            result.z3, result.z3_ms = self.z3.ask(theorem.claim, self.seconds)
        mark = "ok" if result.is_as_hoped else result.wrong or "not decided"
        beside = f"z3 {result.z3} {result.z3_ms:.0f} ms" if result.z3 else ""
        print(
            f"{place:>7} {theorem.id:<42} {theorem.truth:<6} {result.verdict:<8} {result.took_ms:>7.0f} ms  "
            f"{result.method:<18} {beside:<24} {mark}",
            flush=True,
        )
        return result

    def _prove(self, theorem: Theorem) -> Result:
        claim = parse_claim(theorem.claim).to_bytes()
        question = {"claim": claim.hex(), "budget_ms": int(self.seconds * 1000), "seed": self.seed}
        started, answer, late = time.monotonic(), None, "it didn't answer in time"
        try:
            answer = self.prover.ask(question, self.seconds + GRACE_SECONDS)
        except Ended as error:
            late = str(error)
        waited_ms = (time.monotonic() - started) * 1000
        result = Result(theorem.id, theorem.field, theorem.truth, "unknown", waited_ms, waited_ms, reason=late)
        if answer is not None:
            self._judge(theorem, claim, answer, result)
        return result

    def _judge(self, theorem: Theorem, claim: bytes, answer: dict[str, Any], result: Result) -> None:
        if "error" in answer:
            result.wrong = f"the prover can't read it: {answer['error']}"
            return
        result.verdict, result.took_ms = answer["verdict"], answer["took_ms"]
        result.method, result.reason = answer.get("method") or "", answer.get("reason") or ""
        result.leaf_programmes = answer.get("leaf_programmes") or 0
        if result.verdict == "unknown":
            return
        evidence = bytes.fromhex(answer["evidence"] or "")
        result.size_bytes = len(evidence)
        result.wrong = self.checkers.objection(claim, evidence, result.verdict)
        result.kernel = self.checkers.has_kernel
        if not result.wrong:
            point = None
            if result.verdict == "refuted":
                point = dict(zip(parse_claim(theorem.claim).variables, point_of(evidence), strict=True))
            result.wrong = contradiction(theorem, result.verdict, point)

    def close(self) -> None:
        """End all processes."""
        self.prover.close()
        self.checkers.close()
        if self.z3 is not None:
            self.z3.close()


def report(summary: Summary, results: list[Result], *, with_kernel: bool) -> str:
    """What came of it, in words and numbers."""
    decided = [each for each in results if each.verdict != "unknown" and not each.wrong]
    times = sorted(each.took_ms for each in decided) or [0.0]
    sizes = sorted(each.size_bytes for each in decided) or [0]
    checked = "by the Rust kernel and by the Python checker" if with_kernel else "by the Python checker only"
    lines = [
        f"- true: {summary.proved} of {summary.true} proved, {summary.share_proved:.1%} "
        f"(floor {FLOOR:.0%}, aim {AIM:.0%})",
        f"- false: {summary.refuted} of {summary.false} refuted by a rational point",
        f"- beyond our means: {summary.beyond - summary.beyond_decided} of {summary.beyond} left unknown",
        f"- wrong verdicts, and evidence refused: {len(summary.wrong)}; all evidence was checked {checked}",
        f"- of what was decided, half took {median(times):.1f} ms or less, nine in ten "
        f"{times[int(len(times) * 0.9)]:.0f} ms; evidence of {median(sizes):.0f} bytes at the median, "
        f"{sizes[-1]} at most",
    ]
    if any(each.z3 for each in results):
        ours = [each.id for each in results if each.verdict != "unknown" and each.z3 == "unknown"]
        theirs = [each.id for each in results if each.verdict == "unknown" and each.z3 != "unknown"]
        lines += [
            f"- z3, which leaves no evidence: {summary.z3_proved} of the true, {summary.z3_refuted} of the false; "
            f"{len(ours)} that only we decide, {len(theirs)} that only z3 decides",
        ]
        lines += [f"- z3 contradicts the library: {', '.join(summary.z3_wrong)}"] if summary.z3_wrong else []
    lines += [f"- **wrong**: {what}" for what in summary.wrong]
    missed = [each.id for each in results if each.truth != "beyond" and each.verdict == "unknown"]
    lines += [f"- not decided: {', '.join(missed)}"] if missed else []
    return "\n".join(lines)


def tables(results: list[Result]) -> str:
    """A table for each field."""
    header = ["theorem", "truth", "verdict", "by", "ms:", "bytes:", "z3", "z3, ms:"]
    sections = []
    for field in dict.fromkeys(each.field for each in results):
        rows = [
            [
                each.id,
                each.truth,
                f"**{each.verdict}**: {each.wrong}" if each.wrong else each.verdict,
                each.method or "–",
                f"{each.took_ms:.1f}" if each.took_ms < 10 else f"{each.took_ms:.0f}",
                str(each.size_bytes) if each.size_bytes else "–",
                each.z3 or "–",
                f"{each.z3_ms:.0f}" if each.z3 else "–",
            ]
            for each in results
            if each.field == field
        ]
        sections.append(f"#### [{field}]({LINK}/{field}.toml)\n\n{document.table(header, rows)}")
    return "\n\n".join(sections)


if __name__ == "__main__":
    sys.exit(main())
