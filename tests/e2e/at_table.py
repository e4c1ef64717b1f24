"""What tests of negotiations on a bus share: a domain, wishes, and agents that sit down."""

from __future__ import annotations

import asyncio
import subprocess
from typing import TYPE_CHECKING

from hms_a2a import Agent, wire
from hms_a2a._keys import new_seed
from hms_a2a.negotiation import Additive

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from hms_a2a.negotiation import Stance
    from real_bus import Bus

WITHIN_S = 20.0
RISING, FALLING = list(range(0, 1_000_001, 100_000)), list(range(1_000_000, -1, -100_000))


def domain(seats: int, delivery: str = "immediate") -> wire.Domain:
    """How much of its own good each seat gives the next: 1 to 11."""

    def pattern(seat: int) -> wire.Pattern:
        issue = f"issue-{seat % 2}"
        return wire.Pattern(
            from_=seat, to=(seat + 1) % seats, goods=[f"good-{seat}"], factor=1, times=[issue], due_unix_ms=0
        )

    return wire.Domain(
        issues=[wire.Issue(name=f"issue-{at}", least=1, step=1, count=11) for at in range(2)],
        transfers=[pattern(seat) for seat in range(seats)],
        delivery=wire.Delivery(delivery),
    )


def wants(first: list[int], second: list[int]) -> Additive:
    return Additive([(500_000, first), (500_000, second)])


async def sat_down(bus: Bus, book: str, stances: dict[str, Stance | str | None]) -> list[Agent]:
    """Agents that may give 1,000 of everything in this book, and sit down so to whatever they are invited to."""
    agents = []
    for name, stance in stances.items():
        agent = Agent(f"{name}-{book}", servers=bus.url, seed=new_seed())
        if stance is not None:
            agent.negotiations.invited(lambda _, stance=stance: stance)
        await agent.start()
        await agent.declare(book, {f"good-{seat}": 1_000 for seat in range(4)})
        agents.append(agent)
    return agents


async def has(agent: Agent, book: str, balance: dict[str, int]) -> None:
    """The ledger's replicas, one of which answers, read what was committed a moment later."""
    end = asyncio.get_running_loop().time() + WITHIN_S
    while (found := await agent.balance(book)) != balance:
        assert asyncio.get_running_loop().time() < end, found
        await asyncio.sleep(0.05)


async def stop(agents: list[Agent]) -> None:
    await asyncio.gather(*(agent.stop() for agent in agents))


async def transcript(bus: Bus, words: Iterable[bytes], *more: str) -> subprocess.CompletedProcess[str]:
    """What `hms deal transcript` says to these words of a talk: whether they are what was signed."""
    command: list[str | Path] = [bus.binary, "deal", "transcript", "-", "--nats", bus.url, "--dir", bus.folder, *more]
    lines = "".join(word.hex() + "\n" for word in words)

    def say() -> subprocess.CompletedProcess[str]:
        return subprocess.run(command, input=lines, text=True, capture_output=True)

    return await asyncio.to_thread(say)
