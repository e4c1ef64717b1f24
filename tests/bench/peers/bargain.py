"""What is said in the comparison of frameworks, and how fast: the same for all of them, and of Python's own alone.

A *deal* is two questions: terms are proposed and accepted by their hash, if they are good for whoever is asked, and
what was accepted is confirmed and settled. Nothing of it outlives the answerer's process.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    Kinds = Mapping[str, Callable[[], Awaitable[None]]]

TEXT = "What is wheat worth?"
#: What a unit of a good is worth to whoever is asked.
WORTH = {"wheat": 90, "coffee": 20}


@dataclass
class Transfer:
    """What one gives another."""

    giver: str
    taker: str
    good: str
    quantity: int


@dataclass
class Terms:
    """What is proposed."""

    number: int
    transfers: list[Transfer]
    expires_unix_ms: int


@dataclass
class Accepted:
    """The hash of the terms."""

    terms: str


@dataclass
class Confirm:
    """What was accepted shall be done."""

    terms: str


@dataclass
class Settled:
    """It is done."""

    terms: str


class Counterpart:
    """Whoever is asked."""

    def __init__(self) -> None:
        self._open: dict[str, Terms] = {}

    def accept(self, terms: Terms) -> Accepted:
        """Accept what is good."""
        gets = sum(one.quantity * WORTH[one.good] for one in terms.transfers if one.taker == "answerer")
        gives = sum(one.quantity * WORTH[one.good] for one in terms.transfers if one.giver == "answerer")
        assert gets > gives
        name = named(terms)
        self._open[name] = terms
        return Accepted(name)

    def settle(self, confirm: Confirm) -> Settled:
        """Settle what was accepted."""
        del self._open[confirm.terms]
        return Settled(confirm.terms)


class Proposer:
    """Whoever asks."""

    def __init__(self) -> None:
        self._count = 0

    def terms(self) -> Terms:
        """The next terms, which differ from all before."""
        self._count += 1
        gives = Transfer("asker", "answerer", "wheat", 10)
        takes = Transfer("answerer", "asker", "coffee", 5)
        return Terms(self._count, [gives, takes], time.time_ns() // 1_000_000 + 60_000)


def named(terms: Terms) -> str:
    """The hash of terms."""
    return hashlib.sha256(repr(terms).encode()).hexdigest()


async def ask_as_told(kinds: Kinds) -> None:
    """For each line of JSON on standard input, ask so for so many seconds; print how many a second it were."""
    loop = asyncio.get_running_loop()
    for ask in kinds.values():
        await ask()
    print(json.dumps(list(kinds)), flush=True)
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        told = json.loads(line)
        print(await rate(kinds[told["kind"]], told["at_once"], told["seconds"]), flush=True)


async def rate(ask: Callable[[], Awaitable[None]], at_once: int, seconds: float) -> float:
    """How many a second, so many at once."""
    asked = 0
    began = time.perf_counter()

    async def go_on() -> None:
        nonlocal asked
        while time.perf_counter() < began + seconds:
            await ask()
            asked += 1

    await asyncio.gather(*(go_on() for _ in range(at_once)))
    return asked / (time.perf_counter() - began)


def run(answer: Callable[[str, str], Awaitable[None]], ask: Callable[[str, str], Awaitable[None]]) -> None:
    """Be the one or the other, as the command line says: ``answer`` or ``ask``, the broker, a folder."""
    role, url, folder = sys.argv[1:]
    asyncio.run(_run(answer if role == "answer" else ask, url, folder))


async def _run(play: Callable[[str, str], Awaitable[None]], url: str, folder: str) -> None:
    await play(url, folder)


async def ready() -> None:
    """Say that questions may come, and answer until the process is killed."""
    print("ready", flush=True)
    await asyncio.Event().wait()
