"""What came of a theorem: the prover's verdict, who checked it, z3's opinion, and whether all that is right."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from fractions import Fraction

    from theorems.library import Theorem

#: The share of the true ones that must be proved, and the share that we aim for.
FLOOR, AIM = 0.85, 0.95


class Result(msgspec.Struct, omit_defaults=True):
    """One theorem's."""

    id: str
    field: str
    truth: str
    #: `proved`, `refuted` or `unknown`.
    verdict: str
    #: What the prover says it took.
    took_ms: float
    #: From asking to having the answer, as seen from outside.
    waited_ms: float
    method: str = ""
    #: Why unknown.
    reason: str = ""
    leaf_programmes: int = 0
    #: The evidence's.
    size_bytes: int = 0
    #: What contradicts what: evidence that a checker refuses, a verdict that isn't so.
    wrong: str = ""
    #: Whether the Rust kernel checked it, too.
    kernel: bool = False
    z3: str = ""
    z3_ms: float = 0.0

    @property
    def is_as_hoped(self) -> bool:
        """Whether it proved what is true, refuted what is false, and claimed nothing wrong."""
        hoped = {"true": ("proved",), "false": ("refuted",), "beyond": ("unknown", "proved", "refuted")}
        return not self.wrong and self.verdict in hoped[self.truth]


def contradiction(theorem: Theorem, verdict: str, point: dict[str, Fraction] | None) -> str:
    """What is wrong with a verdict, given what the library knows, apart from evidence that a checker refuses."""
    if verdict == "proved" and not theorem.holds:
        return "proved, and it is false"
    if verdict == "refuted" and theorem.holds:
        return "refuted, and it is true"
    if verdict == "refuted" and (point is None or not theorem.statement.is_refuted_at(point)):
        return "refuted at a point that doesn't refute it"
    return ""


class Summary(msgspec.Struct):
    """All of them."""

    true: int
    proved: int
    false: int
    refuted: int
    beyond: int
    beyond_decided: int
    wrong: list[str]
    #: z3's, of the same: true ones proved, false ones refuted.
    z3_proved: int
    z3_refuted: int
    z3_wrong: list[str]

    @classmethod
    def of(cls, results: list[Result]) -> Summary:
        """Count."""
        by = {truth: [each for each in results if each.truth == truth] for truth in ("true", "false", "beyond")}
        opposite = {"true": "refuted", "false": "proved"}
        return cls(
            true=len(by["true"]),
            proved=sum(each.verdict == "proved" and not each.wrong for each in by["true"]),
            false=len(by["false"]),
            refuted=sum(each.verdict == "refuted" and not each.wrong for each in by["false"]),
            beyond=len(by["beyond"]),
            beyond_decided=sum(each.verdict != "unknown" for each in by["beyond"]),
            wrong=[f"{each.id}: {each.wrong}" for each in results if each.wrong],
            z3_proved=sum(each.z3 == "proved" for each in by["true"]),
            z3_refuted=sum(each.z3 == "refuted" for each in by["false"]),
            z3_wrong=[each.id for each in results if each.z3 == opposite.get(each.truth)],
        )

    @property
    def share_proved(self) -> float:
        """Of the true ones."""
        return self.proved / self.true if self.true else 1.0

    @property
    def is_good(self) -> bool:
        """Whether the floors are met: enough proved, all that is false refuted, nothing wrong."""
        return not self.wrong and self.refuted == self.false and self.share_proved >= FLOOR
