"""Linear claims of deals proved a second: by the prover alone, and through the service on a broker of its own.

Each claim is one party's win-win claim over bounds: a few goods, exact coefficients of the size that deals have.
Requests carry the three claims of a deal, sixteen requests at a time; every verdict is asserted, and every certificate
has passed the prover's own checker. Prints JSON, and keeps it in `target/bench/gtp.json`.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import nats
import nats.errors

from hms_a2a import _subjects as subjects
from hms_a2a import wire
from hms_a2a._codec import decode, encode
from hms_a2a.gtp import Claim, parse_claim, prove

if TYPE_CHECKING:
    from nats.aio.client import Client

TARGET = Path(__file__).parents[2] / "target/bench/gtp.json"
DEALS, PARTIES, GOODS, AT_ONCE = 400, 3, 2, 16
FLOOR, AIM = 100, 500


def claim(rng: random.Random) -> bytes:
    """A party's win-win claim: what it receives is worth more than what it gives, wherever its values lie."""
    bounds = []
    for k in range(GOODS):
        bounds.append(f"v{k} in [{rng.randint(1_000, 2_000)}, {rng.randint(2_001, 3_000)}]")
        bounds.append(f"c{k} in [{rng.randint(1, 500)}, {rng.randint(501, 900)}]")
    gains = " + ".join(f"{rng.randint(10**11, 10**12)}*v{k}" for k in range(GOODS))
    losses = " + ".join(f"{rng.randint(10**8, 10**10)}*c{k}" for k in range(GOODS))
    return parse_claim(f"forall {', '.join(bounds)}: {gains} - ({losses}) >= 0").to_bytes()


def alone(bodies: list[bytes]) -> float:
    """Claims a second, read, proved, written and checked in this process."""
    began = time.perf_counter()
    for body in bodies:
        assert prove(Claim.from_bytes(body)).verdict == "proved"
    return len(bodies) / (time.perf_counter() - began)


async def through_the_service(url: str, deals: list[list[bytes]]) -> float:
    """Claims a second through one prover on the bus."""
    client: Client = await nats.connect(url)
    places = asyncio.Semaphore(AT_ONCE)
    subject = subjects.endpoint("gtp", "prove")

    async def ask(claims: list[bytes]) -> None:
        body = encode(wire.Prove(claims=claims, budget_ms=10_000, seed=0))
        async with places:
            reply = await client.request(subject, body, timeout=30)
        results = decode(reply.data, wire.ProveReply).results
        assert [result.verdict for result in results] == [wire.SearchVerdict.PROVED] * len(claims)

    await ask(deals[0])
    began = time.perf_counter()
    await asyncio.gather(*(ask(claims) for claims in deals))
    took = time.perf_counter() - began
    await client.close()
    return sum(map(len, deals)) / took


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def server() -> str:
    """The broker that set-up brought."""
    beside = Path(sys.executable).with_name("nats-server")
    return str(beside) if beside.exists() else shutil.which("nats-server") or "nats-server"


def main() -> int:
    """Measure, print and keep."""
    rng = random.Random(1)
    deals = [[claim(rng) for _ in range(PARTIES)] for _ in range(DEALS)]
    by_itself = alone([body for claims in deals for body in claims])
    port = free_port()
    url = f"nats://127.0.0.1:{port}"
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as running:
        broker = subprocess.Popen([server(), "-a", "127.0.0.1", "-p", str(port), "-l", f"{folder}/log"])
        running.callback(broker.wait)
        running.callback(broker.kill)
        command = [sys.executable, "-m", "hms_a2a.gtp", "--nats", url, "--until-stdin-ends"]
        prover = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        running.callback(prover.wait)
        running.callback(prover.kill)
        assert prover.stdout is not None
        assert json.loads(prover.stdout.readline()) == {"event": "ready"}
        served = asyncio.run(through_the_service(url, deals))
    figures = {
        "linear_claims_per_s": round(by_itself),
        "linear_claims_per_s_through_the_service": round(served),
        "service_to_alone": round(served / by_itself, 2),
        "floor_per_s": FLOOR,
        "aim_per_s": AIM,
    }
    TARGET.parent.mkdir(parents=True, exist_ok=True)
    TARGET.write_text(json.dumps(figures) + "\n")
    print(json.dumps(figures))
    return 0 if served >= FLOOR else 1


if __name__ == "__main__":
    sys.exit(main())
