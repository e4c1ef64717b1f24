"""How many negotiations a second NegMAS holds in this process, as JSON: see tests/bench/negotiation_negmas.py.

Two who want the opposite of each other concede late, over issues with the same choices. What is measured is building
the mechanism, seating both and running it; utilities are made before. Standard input says which domain.
"""

from __future__ import annotations

import json
import sys
import time

from negmas.outcomes import make_issue
from negmas.preferences import LinearAdditiveUtilityFunction
from negmas.sao import BoulwareTBNegotiator, SAOMechanism

from negmas_room import PPM, RULES

told = json.loads(sys.stdin.read())
choices, weights, rounds, meetings = told["choices"], told["weights_ppm"], told["rounds"], told["meetings"]
issues = [make_issue(values=choices, name=f"issue-{at}") for at in range(len(weights))]


def ufun(rising: bool) -> LinearAdditiveUtilityFunction:
    """What one wants the other does not."""
    worths = {choice: (choice if rising else choices - 1 - choice) / (choices - 1) for choice in range(choices)}
    return LinearAdditiveUtilityFunction(
        values={issue.name: worths for issue in issues},
        weights={issue.name: weight / PPM for issue, weight in zip(issues, weights, strict=True)},
        issues=issues,
        reserved_value=0.0,
    )


wishes = [ufun(True), ufun(False)]
words = agreed = 0
began = time.perf_counter()
for _ in range(meetings):
    session = SAOMechanism(issues=issues, n_steps=rounds, **RULES)
    for at, wish in enumerate(wishes):
        session.add(BoulwareTBNegotiator(name=f"party-{at}"), ufun=wish)
    state = session.run()
    # Every offer is a word, and so is the acceptance.
    words += len(session.trace) + (state.agreement is not None)
    agreed += state.agreement is not None
took_s = time.perf_counter() - began
print(json.dumps({"per_s": meetings / took_s, "words": words / meetings, "agreed": agreed / meetings}))
