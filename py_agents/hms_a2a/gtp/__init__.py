"""The Genetic Theorem Prover: searches for proofs and counterexamples of claims, and checks what it finds.

::

    from hms_a2a.gtp import parse_claim, prove

    outcome = prove(parse_claim("forall x in [-1,1]: 1 - 4*x^3 + 3*x >= 0"), seconds=10)
    outcome.verdict, outcome.method  # ("proved", "squares")

A *portfolio* of cheap attempts comes first and ends most claims in milliseconds; then *evolution* of proof trees.
Floats guide both, exact arithmetic decides, and no verdict is given that `check`, a second checker beside the
kernel's, has not passed. ``python -m hms_a2a.gtp`` serves the same on a bus. Heavy libraries are brought in when a
search needs them.
"""

from hms_a2a.gtp._checker import Checked, check
from hms_a2a.gtp._claim import Claim, Relation
from hms_a2a.gtp._errors import BadClaim, BadEvidence
from hms_a2a.gtp._grammar import parse_claim, print_claim, print_poly
from hms_a2a.gtp._poly import Poly
from hms_a2a.gtp._prove import Outcome, Progress, prove, refute

__all__ = [
    "BadClaim",
    "BadEvidence",
    "Checked",
    "Claim",
    "Outcome",
    "Poly",
    "Progress",
    "Relation",
    "check",
    "parse_claim",
    "print_claim",
    "print_poly",
    "prove",
    "refute",
]
