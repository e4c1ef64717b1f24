"""Holds meetings in NegMAS's own mechanism, in this process: what everybody saw, said, and what came of it.

Meetings come as JSON lines on standard input; a line for each goes to standard output.
"""

from __future__ import annotations

import json
import sys
from typing import Any

from negmas_room import in_words, mechanism, seen, sit_down


def hold(meeting: dict[str, Any]) -> dict[str, Any]:
    """Hold a meeting: every answer in order, with what its author saw, and the last state."""
    session = mechanism(meeting)
    said: list[dict[str, Any]] = []
    for index, seat in enumerate(meeting["seats"]):

        def told(before: dict[str, Any], response: Any, index: int = index) -> None:
            word, outcome = in_words(response)
            said.append({"index": index, "word": word, "outcome": outcome, "seen": before})

        sit_down(session, meeting, seat, told)
    session.run()
    return {"number": meeting["number"], "said": said, "state": seen(session.state)}


if __name__ == "__main__":
    for line in sys.stdin:
        print(json.dumps(hold(json.loads(line))), flush=True)
