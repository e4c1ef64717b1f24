"""Two agents make a deal without a market: tea for cocoa. Starts a bus of its own, and shows the log in the end.

Run it as ``python py_agents/examples/two_agents.py``; it needs ``hms`` built (``make build``).
"""

from __future__ import annotations

import asyncio
import json
import logging
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

from hms_a2a import Agent, Give, Want

HMS = Path(__file__).resolve().parents[2] / "target" / "release" / "hms"


async def trade(url: str, home: Path) -> str:
    """Let two agents trade; the deal's id."""
    kenya = Agent("kenya", servers=url, home=home)
    ghana = Agent("ghana", servers=url, home=home)
    kenya.join("bazaar", gives=[Give("tea", 100, cost=10)], wants=[Want("cocoa", 50, value=30)])
    ghana.join("bazaar", gives=[Give("cocoa", 100, cost=10)], wants=[Want("tea", 50, value=30)])
    async with kenya, ghana:
        deal = await kenya.offer("ghana", book="bazaar", gives={"tea": 20}, takes={"cocoa": 15})
        print(f"kenya offers ghana 20 tea for 15 cocoa: deal {deal.id}")
        print(f"it ended {await deal.ended()}")
        print(f"kenya's book: {await kenya.balance('bazaar')}; ghana's: {await ghana.balance('bazaar')}")
    return deal.id


def main() -> int:
    """Start a bus, trade, look at the log, verify it."""
    logging.basicConfig(level=logging.ERROR)  # that nobody clears their market is a warning, and here it is meant
    with tempfile.TemporaryDirectory() as folder:
        command: list[str | Path] = [HMS, "up", "--port", "0", "--monitor-port", "0", "--dir", folder, "--json"]
        bus = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        try:
            assert bus.stdout is not None
            line = bus.stdout.readline()
            if not line:
                return bus.wait()
            url = json.loads(line)["url"]
            print(f"a bus runs at {url}")
            deal = asyncio.run(trade(url, Path(folder)))
            for look in ("log", "verify"):
                print(f"\n$ hms deal {look} {deal}", flush=True)
                done = subprocess.run([HMS, "deal", look, deal, "--nats", url, "--dir", folder])
                if done.returncode:
                    return done.returncode
            return 0
        finally:
            bus.send_signal(signal.SIGTERM)
            bus.wait(timeout=20)


if __name__ == "__main__":
    sys.exit(main())
