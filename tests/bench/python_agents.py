"""Thousands of Python agents in one process of `hms-agent`: what they take, how soon they are here, whether all answer.

A bus of its own, one host process, and agents that each register with a key of their own, listen to their inbox and
answer on a topic of their own. Memory is the host's resident set (VmRSS) once all are here, after each was asked; a
question that is not answered fails the run. An idle process that has imported the same stands beside it. Prints JSON,
and keeps it in `target/bench/python-agents.json`.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hms_a2a import Agent, testing

if TYPE_CHECKING:
    from hms_a2a import Message

TARGET = Path(__file__).parents[2] / "target/bench/python-agents.json"
AGENTS = int(os.environ.get("AGENTS", "5000"))
MOST_MB, AT_ONCE = 500, 64


class Echo(Agent):
    """Answers on a topic of its own."""

    def __init__(self, agent_id: str) -> None:
        super().__init__(agent_id, lease_ms=600_000)
        self.on_topic(f"echo.{agent_id}")(self.answer)

    def answer(self, message: Message[Any]) -> Any:
        """What was said, and who says so."""
        return [self.id, message.body]


def resident_mb(pid: int | str) -> float:
    """What a process holds."""
    status = Path(f"/proc/{pid}/status").read_text()
    (line,) = [line for line in status.splitlines() if line.startswith("VmRSS")]
    return int(line.split()[1]) / 1024


async def address_all(asker: Agent) -> list[float]:
    """Ask each agent; how long each took, in milliseconds."""
    places = asyncio.Semaphore(AT_ONCE)

    async def ask(number: int) -> float:
        async with places:
            began = time.perf_counter()
            answer = await asker.request(f"echo.echo-{number}", number, timeout_s=30)
            assert answer == [f"echo-{number}", number], answer
            return (time.perf_counter() - began) * 1000

    return await asyncio.gather(*(ask(number) for number in range(1, AGENTS + 1)))


async def measure(bus: testing.Bus, folder: str) -> dict[str, float]:
    """Bring them, and ask them."""
    asker = Agent("asker")
    await bus.add(asker)
    command = [sys.executable, "-m", "hms_a2a.run", "run", "python_agents:Echo", "--count", str(AGENTS)]
    began = time.perf_counter()
    host = await asyncio.create_subprocess_exec(
        *command,
        cwd=Path(__file__).parent,
        env=os.environ | {"NATS_URL": bus.url, "HMS_HOME": folder},
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        assert host.stderr is not None
        while b"agents are here" not in (line := await host.stderr.readline()):
            assert line, "the host ended"
        assert f" {AGENTS} agents are here" in line.decode(), line
        here_s = time.perf_counter() - began
        took_ms = await address_all(asker)
        began = time.perf_counter()
        took_ms = await address_all(asker)
        cuts = statistics.quantiles(took_ms, n=100)
        return {
            "agents": AGENTS,
            "resident_mb": round(resident_mb(host.pid), 1),
            "most_mb": MOST_MB,
            "kb_an_agent": round((resident_mb(host.pid) - empty_mb()) * 1024 / AGENTS, 1),
            "all_here_s": round(here_s, 1),
            "answers_a_second": round(AGENTS / (time.perf_counter() - began)),
            "answer_p50_ms": round(cuts[49], 1),
            "answer_p99_ms": round(cuts[98], 1),
        }
    finally:
        with contextlib.suppress(ProcessLookupError):
            host.kill()
        await host.wait()


def empty_mb() -> float:
    """What a process holds that has only imported what a host does."""
    told = "import pathlib, hms_a2a.run, uvloop; print(pathlib.Path('/proc/self/status').read_text())"
    done = subprocess.run([sys.executable, "-c", told], capture_output=True, text=True, check=True)
    (line,) = [line for line in done.stdout.splitlines() if line.startswith("VmRSS")]
    return int(line.split()[1]) / 1024


async def main() -> int:
    """Measure, print and keep."""
    with tempfile.TemporaryDirectory() as folder:
        async with testing.Bus(real=True) as bus:
            figures = await measure(bus, folder)
    TARGET.parent.mkdir(parents=True, exist_ok=True)
    TARGET.write_text(json.dumps(figures) + "\n")
    print(json.dumps(figures))
    return 0 if figures["resident_mb"] < MOST_MB else 1


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
