"""NegMAS's negotiators on our bus agree on the same, and say the same step by step, as in NegMAS's own mechanism.

They join as peers from two processes, so that every word of theirs goes over the bus; some meet strategies of ours.
What NegMAS does by itself, in a third process, with the same negotiators, utilities and dice, is the oracle. NegMAS
is AGPL: it runs in processes and in an environment of its own, and nothing of it is handed out.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from negmas_meetings import draw
from real_bus import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator

    from real_bus import Bus

HERE = Path(__file__).parent
MEETINGS = 210
SEED = 1
PEERS = [["peer-0", "peer-2"], ["peer-1", "peer-3"]]
WITHIN_S = 500


def find_python() -> Path:
    """The Python that has NegMAS. Without it the test says so; continuous integration does not let it."""
    named = os.environ.get("HMS_NEGMAS_PYTHON")
    python = Path(named) if named else ROOT / ".venv" / "negmas" / "bin" / "python"
    if not python.exists():
        assert not os.environ.get("CI"), f"{python} is not there: make negmas"
        pytest.skip(f"NOT TESTED: {python} is not there (make negmas)")
    return python


def start(script: str) -> subprocess.Popen[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("NATS_", "HMS_"))}
    environment["PYTHONPATH"] = str(ROOT / "py_agents")
    return subprocess.Popen(
        [find_python(), HERE / script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
    )


def lines(process: subprocess.Popen[str]) -> Iterator[dict[str, Any]]:
    assert process.stdout is not None
    for line in process.stdout:
        yield json.loads(line)


def rest(told: Iterator[dict[str, Any]]) -> list[dict[str, Any]]:
    return list(told)


def say(process: subprocess.Popen[str], *told: Any) -> None:
    assert process.stdin is not None
    for one in told:
        process.stdin.write(json.dumps(one) + "\n")
    process.stdin.flush()


def alone(meetings: list[dict[str, Any]]) -> dict[int, dict[str, Any]]:
    """What NegMAS does by itself."""
    with start("negmas_alone.py") as process:
        out, _ = process.communicate("".join(json.dumps(meeting) + "\n" for meeting in meetings), WITHIN_S)
    assert process.returncode == 0
    held = [json.loads(line) for line in out.splitlines()]
    return {line["number"]: line for line in held}


def over_the_bus(url: str, meetings: list[dict[str, Any]]) -> dict[int, list[dict[str, Any]]]:
    """What everybody heard and came to, meeting by meeting."""
    processes = [start("negmas_peers.py") for _ in PEERS]
    held: dict[int, list[dict[str, Any]]] = {meeting["number"]: [] for meeting in meetings}
    try:
        for process, peers in zip(processes, PEERS, strict=True):
            say(process, {"url": url, "book": "negmas", "peers": peers, "meetings": meetings, "at_once": 8})
        told = [lines(process) for process in processes]
        for one in told:
            assert next(one) == {"ready": True}
        for process in processes:
            say(process, "begin")
        with ThreadPoolExecutor() as readers:
            for heard in readers.map(rest, told):
                for line in heard:
                    held[line["number"]].append(line)
        assert [process.wait(WITHIN_S) for process in processes] == [0, 0]
    finally:
        for process in processes:
            process.kill()
            process.communicate()
    return held


def check(meeting: dict[str, Any], oracle: dict[str, Any], seats: list[dict[str, Any]]) -> None:
    """That a meeting went the same way."""
    order = [seat["agent"] for seat in meeting["seats"]]
    assert sorted(seat["agent"] for seat in seats) == sorted(order)
    said = [{"by": order[one["index"]], "word": one["word"], "outcome": one["outcome"]} for one in oracle["said"]]
    last = oracle["state"]
    for seat in seats:
        # Step and index are the word's place: everybody speaks once a round.
        assert seat["words"] == said
        assert [one["by"] for one in said] == [order[turn % len(order)] for turn in range(len(said))]
        assert [one["seen"]["step"] for one in oracle["said"]] == [turn // len(order) for turn in range(len(said))]
        assert seat["agreed"] == last["agreement"]
        assert seat["deal"] == ("rejected" if last["agreement"] is None else "settled")
        assert seat["head"] == seats[0]["head"]
        if seat["seen"] is not None:
            index = order.index(seat["agent"])
            assert seat["seen"] == [one["seen"] for one in oracle["said"] if one["index"] == index]
            assert seat["state"] == last


@pytest.mark.timeout(900)  # it takes one minute, or several where others compile
def test_agreements_and_traces_equal_those_of_negmas_step_by_step(bus: Bus) -> None:
    meetings = [draw(number, SEED) for number in range(MEETINGS)]
    oracle = alone(meetings)
    held = over_the_bus(bus.url, meetings)
    for meeting in meetings:
        number = meeting["number"]
        try:
            check(meeting, oracle[number], held[number])
        except AssertionError as error:
            raise AssertionError(f"meeting {number}: {meeting}") from error

    # All ways to end, all numbers of parties and both kinds of negotiators were there.
    states = [oracle[number]["state"] for number in range(MEETINGS)]
    assert Counter(len(meeting["seats"]) for meeting in meetings).keys() == {2, 3, 4}
    assert {seat["kind"] for meeting in meetings for seat in meeting["seats"]} == {"ours", "negmas"}
    assert sum(state["agreement"] is not None for state in states) > MEETINGS / 3
    assert any(state["broken"] for state in states)
    assert any(state["timedout"] for state in states)
