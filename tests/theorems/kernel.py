"""Both checkers: the Rust kernel and the Python one, asked about every piece of evidence."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import msgspec

from hms_a2a.gtp import BadEvidence, check
from theorems.worker import Worker

ROOT = Path(__file__).resolve().parents[2]
#: Built by `cargo build --release --package proof --example check_lines`.
KERNEL = ROOT / "target" / "release" / "examples" / "check_lines"
_PATIENCE_SECONDS = 60.0


class Checkers:
    """The two of them. `kernel` is none where it wasn't built."""

    def __init__(self) -> None:
        self._kernel = Worker(str(KERNEL)) if KERNEL.exists() else None

    @property
    def has_kernel(self) -> bool:
        """Whether the Rust kernel is among them."""
        return self._kernel is not None

    def objection(self, claim: bytes, evidence: bytes, verdict: str) -> str:
        """Why the evidence doesn't show the verdict; empty where both accept it."""
        try:
            found = check(claim, evidence).verdict
        except BadEvidence as error:
            return f"the Python checker refuses it: {error}"
        if found != verdict:
            return f"the Python checker says {found}"
        if self._kernel is not None:
            question = {"claim": claim.hex(), "evidence": evidence.hex()}
            answer = self._kernel.ask(question, _PATIENCE_SECONDS)
            if answer is None:
                return "the kernel took too long"
            if "error" in answer:
                return f"the kernel refuses it: {answer['error']}"
            if answer["verdict"] != verdict:
                return f"the kernel says {answer['verdict']}"
        return ""

    def close(self) -> None:
        """End the kernel's process."""
        if self._kernel is not None:
            self._kernel.close()


def point_of(evidence: bytes) -> list[Fraction]:
    """A counterexample's coordinates."""
    return [Fraction(text) for text in msgspec.msgpack.decode(evidence)["point"]]
