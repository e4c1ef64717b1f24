"""Divide a pot three ways, ask what terms lack, over the bus or without one.

``python py_agents/examples/fair_split.py`` computes in this process, with the cores in Rust that `make build` built;
``python py_agents/examples/fair_split.py nats://127.0.0.1:4222`` asks the services of a bus (``hms up``).
"""

from __future__ import annotations

import asyncio
import secrets
import sys
import tempfile
from pathlib import Path

from hms_a2a import Agent, cores, wire

POT = wire.Pot(
    amount_minor=100_00,
    claimants=[
        wire.Claimant(party="kenya", most_minor=80_00),
        wire.Claimant(party="egypt", most_minor=40_00),
        wire.Claimant(party="mali", most_minor=40_00),
    ],
)


async def over_the_bus(url: str, request: wire.Divide) -> wire.Divided:
    """Ask the service `trade_balance`."""
    # A name of its own each time: a name belongs to its first key, and this one's is thrown away.
    name = f"splitter-{secrets.token_hex(4)}"
    with tempfile.TemporaryDirectory() as home:
        async with Agent(name, servers=url, home=Path(home)) as agent:
            reply = await agent.call("trade_balance.divide", request)
    assert isinstance(reply, wire.Divided)
    return reply


def main(url: str | None) -> None:
    """Print who gets what by each rule."""
    for rule in (wire.Rule.LEXIMIN, wire.Rule.NASH, wire.Rule.PROPORTIONAL):
        request = wire.Divide(rule=rule, pot=POT)
        divided = asyncio.run(over_the_bus(url, request)) if url else cores.divide(request)
        shares = ", ".join(f"{share.party} {share.amount_minor / 100:.2f}" for share in divided.shares)
        print(f"{rule}: {shares} (Gini {divided.gini_ppm / 10_000:.1f} %)")


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else None)
