"""Echoes and deals a second: an agent of ours against bare nats-py, `synadia-ai-agents`, FastStream and AutoGen Core.

One asker and one answerer, each a process of its own (AutoGen Core's runtime knows one process only), on one broker and
the event loop that Python brings. An *echo* is a text there and back. A *deal* is terms that are proposed and accepted
by their hash, then confirmed and settled: two questions with typed bodies (`peers/bargain.py`), of which nothing is
kept. Beside it stands what a deal of ours is, `settled`: every move signed, every event stored, a ledger that posts.

At 1 and 64 in flight all take turns for `ROUNDS` rounds; a rate is the median. `times_the_best` is ours over the best
of the three frameworks, of which 4 is the aim at 64 in flight, and `to_bare` ours over bare nats-py, each the median
over rounds. The others do not sign, so neither does ours; `signed` shows what that costs. Needs `make frameworks`.
Prints a table, and keeps JSON in `target/bench/frameworks.json`.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import statistics
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from hms_a2a import testing

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

ROOT = Path(__file__).parents[2]
TARGET = ROOT / "target/bench/frameworks.json"
PEERS = Path(__file__).parent / "peers"
THEIR_PYTHON = os.environ.get("HMS_FRAMEWORKS_PYTHON") or str(ROOT / ".venv/frameworks/bin/python")
SECONDS = float(os.environ.get("SECONDS", "1.5"))
ROUNDS = int(os.environ.get("ROUNDS", "3"))
IN_FLIGHT = (1, 64)
#: Each with the Python that has it.
PYTHONS = {
    "ours": sys.executable,
    "bare": sys.executable,
    "synadia": sys.executable,
    "fast_stream": THEIR_PYTHON,
    "autogen": THEIR_PYTHON,
}
FRAMEWORKS = ("synadia", "fast_stream", "autogen")

Rates = dict[tuple[str, str, int], list[float]]


class Peer:
    """An asker and an answerer."""

    def __init__(self, name: str, asker: asyncio.subprocess.Process) -> None:
        self.name = name
        self.kinds: list[str] = []
        self._asker = asker

    async def told(self) -> str:
        """The next line that the asker prints."""
        assert self._asker.stdout is not None
        line = await self._asker.stdout.readline()
        assert line, f"{self.name} ended"
        return line.decode()

    async def rate(self, kind: str, at_once: int) -> float:
        """How many a second."""
        assert self._asker.stdin is not None
        ask = {"kind": kind, "at_once": at_once, "seconds": SECONDS}
        self._asker.stdin.write(json.dumps(ask).encode() + b"\n")
        return float(await self.told())


@contextlib.asynccontextmanager
async def meeting(name: str, url: str, folder: str) -> AsyncIterator[Peer]:
    """Start both, once they have asked and answered everything once."""
    pipe = asyncio.subprocess.PIPE
    started: list[asyncio.subprocess.Process] = []
    try:
        for role in ("answer", "ask"):
            command = [PYTHONS[name], str(PEERS / f"{name}.py"), role, url, f"{folder}/{name}-{role}"]
            started.append(await asyncio.create_subprocess_exec(*command, stdin=pipe, stdout=pipe))
            peer = Peer(name, started[-1])
            told = await peer.told()
            assert role == "ask" or told == "ready\n", told
        peer.kinds = json.loads(told)
        yield peer
    finally:
        for process in started:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.communicate()


async def measure(url: str, folder: str) -> Rates:
    """Everything, in turns."""
    rates: Rates = {}
    async with contextlib.AsyncExitStack() as stack:
        peers = [await stack.enter_async_context(meeting(name, url, folder)) for name in PYTHONS]
        for at_once in IN_FLIGHT:
            for _ in range(ROUNDS):
                for peer in peers:
                    for kind in peer.kinds:
                        rates.setdefault((peer.name, kind, at_once), []).append(await peer.rate(kind, at_once))
    return rates


def figures(rates: Rates) -> dict[str, float]:
    """What it comes to."""
    told = {f"{name}_{kind}_{n}": float(round(statistics.median(each))) for (name, kind, n), each in rates.items()}
    for (name, kind, n), each in rates.items():
        if name != "ours" or kind == "settled":
            continue
        same = kind.removeprefix("signed_")
        best = [max(turn) for turn in zip(*(rates[one, same, n] for one in FRAMEWORKS), strict=True)]
        for shown, others in (("times_the_best", best), ("to_bare", rates["bare", same, n])):
            ratio = statistics.median(ours / theirs for ours, theirs in zip(each, others, strict=True))
            told[f"{kind}_{shown}_{n}"] = round(ratio, 2)
    return told


def table(told: dict[str, float]) -> str:
    """A line for each peer and kind."""
    lines = [f"{'a second':<24}" + "".join(f"{n:>8} in flight" for n in IN_FLIGHT)]
    for row in dict.fromkeys(name.rpartition("_")[0] for name in told):
        lines.append(f"{row:<24}" + "".join(f"{told[f'{row}_{n}']:>18,g}" for n in IN_FLIGHT))
    return "\n".join(lines)


async def main() -> int:
    """Measure, print and keep."""
    with tempfile.TemporaryDirectory() as folder:
        async with testing.Bus(real=True) as bus:
            told = figures(await measure(bus.url, folder))
    TARGET.parent.mkdir(parents=True, exist_ok=True)
    TARGET.write_text(json.dumps(told) + "\n")
    print(table(told))
    return 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
