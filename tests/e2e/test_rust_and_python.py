"""An agent in Rust and one in Python make a deal over a real bus, and whoever has the evidence can check it all.

The Rust agent is the example of the crate `swarm`, started as a user would start it.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from hms_a2a import Agent, Give, Want

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from real_bus import Bus

    Start = Callable[..., "RustAgent"]

ROOT = Path(__file__).resolve().parents[2]
EXAMPLE = ROOT / "target" / "release" / "examples" / "agent"
WITHIN_S = 20.0

Line = dict[str, Any]


class RustAgent:
    """The example agent, running."""

    def __init__(self, bus: Bus, *arguments: str) -> None:
        environment = os.environ | {"NATS_URL": bus.url, "HMS_HOME": str(bus.folder)}
        self._process = subprocess.Popen(
            [EXAMPLE, *arguments], env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        #: What it has said so far.
        self.said: list[str] = []

    async def says(self, pattern: str, within_s: float = WITHIN_S) -> str:
        """The first line from here on in which `pattern` occurs."""
        assert self._process.stdout is not None
        async with asyncio.timeout(within_s):
            while True:
                line = await asyncio.to_thread(self._process.stdout.readline)
                assert line, f"it ended without {pattern!r}: {self.said}"
                self.said.append(line.rstrip("\n"))
                if re.search(pattern, line):
                    return self.said[-1]

    def stop(self) -> int:
        """Press Ctrl-C; the exit code."""
        self._process.send_signal(signal.SIGINT)
        rest, _ = self._process.communicate(timeout=20)
        self.said += rest.splitlines()
        return self._process.returncode

    def kill(self) -> None:
        self._process.kill()
        self._process.communicate()


@pytest.fixture
def start(bus: Bus) -> Iterator[Start]:
    """Starts Rust agents on `bus`, and sees to it that none outlives the test."""
    if not EXAMPLE.exists():
        assert not os.environ.get("CI"), f"{EXAMPLE} is not built"
        pytest.skip(f"NOT TESTED: {EXAMPLE} is not built (cargo build --workspace --release --examples)")
    agents: list[RustAgent] = []

    def begin(*arguments: str) -> RustAgent:
        agents.append(RustAgent(bus, *arguments))
        return agents[-1]

    yield begin
    for agent in agents:
        agent.kill()


def lines(evidence: str) -> list[Line]:
    return [json.loads(line) for line in evidence.splitlines()]


def in_hex(body: str, byte: int, bit: int) -> str:
    """The body with one bit flipped."""
    raw = bytearray.fromhex(body)
    raw[byte] ^= 1 << bit
    return raw.hex()


def in_text(text: str, at: int) -> str:
    """The text with the lowest bit of one character flipped."""
    return text[:at] + chr(ord(text[at]) ^ 1) + text[at + 1 :]


def flips(entries: list[Line]) -> Iterator[tuple[int, str, list[Line]]]:
    """Copies of the evidence with one bit flipped, across every line: which line, where, and the copy."""

    def with_line(number: int, **changed: object) -> list[Line]:
        return [entry | changed if at == number else entry for at, entry in enumerate(entries)]

    for number, entry in enumerate(entries):
        size = len(entry["body"]) // 2
        for byte in sorted({0, 1, size // 5, size // 3, size // 2, size * 4 // 5, size - 2, size - 1}):
            flipped = in_hex(entry["body"], byte, (byte + number) % 8)
            yield number, f"bit {(byte + number) % 8} of byte {byte}", with_line(number, body=flipped)
        for at, (name, value) in enumerate(entry["headers"]):
            for character in sorted({0, len(value) // 2, len(value) - 1}):
                headers = [*entry["headers"]]
                headers[at] = [name, in_text(value, character)]
                yield number, f"{name}, character {character}", with_line(number, headers=headers)
        last = len(entry["subject"]) - 1
        yield number, "the subject", with_line(number, subject=in_text(entry["subject"], last))


def verify(bus: Bus, evidence: list[Line], folder: Path) -> subprocess.CompletedProcess[str]:
    """`hms deal verify` on a file, without a bus."""
    file = folder / "deal.jsonl"
    file.write_text("".join(json.dumps(line, ensure_ascii=False) + "\n" for line in evidence))
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("NATS_", "HMS_"))}
    command: list[str | Path] = [bus.binary, "deal", "verify", "--from", file]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)


async def settle(bus: Bus, rust: RustAgent, name: str) -> str:
    """Let `ghana`, in Python, offer tea to `kenya`, in Rust, for its wheat; the settled deal's id."""
    book = f"book-{name}"
    await rust.says("^joined")
    python = Agent(f"ghana-{name}", servers=bus.url, home=bus.folder)
    python.join(book, gives=[Give("tea", 50, cost=30)], wants=[Want("wheat", 100, value=60)])
    async with python:
        deal = await python.offer(f"kenya-{name}", book=book, gives={"tea": 10}, takes={"wheat": 12})
        assert await asyncio.wait_for(deal.ended(), WITHIN_S) == "settled"
        assert await python.balance(book) == {"tea": -10, "wheat": 12}
    return deal.id


def kenya(start: Start, name: str) -> RustAgent:
    """An agent in Rust that gives wheat for tea in a book of its own."""
    return start(f"kenya-{name}", "--gives", "wheat:100:20", "--wants", "tea:50:90", "--market", f"book-{name}")


async def test_a_rust_agent_and_a_python_agent_settle_a_deal(bus: Bus, start: Start) -> None:
    rust = kenya(start, "both")
    deal = await settle(bus, rust, "both")
    # The desk's answer to the last confirmation and the note of the end come each by its own way.
    for last in ("confirmed", "settled"):
        if f"{deal} {last}" not in rust.said:
            await rust.says(f"^{deal} {last}$")
    said = [line.split()[1] for line in rust.said if deal in line]
    assert said[:3] == ["proposed", "accepted", "committed"]
    assert sorted(said[3:]) == ["confirmed", "settled"]
    assert await asyncio.to_thread(rust.stop) == 0
    assert rust.said[-2:] == ["left", "gone"]
    assert bus.hms("deal", "verify", deal).startswith(f"{deal} holds: settled, ")


async def test_a_rust_agent_says_no_to_what_is_bad_for_it(bus: Bus, start: Start) -> None:
    rust = kenya(start, "bad")
    await rust.says("^joined")
    async with Agent("ghana-bad", servers=bus.url, home=bus.folder) as python:
        deal = await python.offer("kenya-bad", book="book-bad", gives={"tea": 10}, takes={"wheat": 46})
        assert await asyncio.wait_for(deal.ended(), WITHIN_S) == "rejected", "900 for 920"
        assert deal.reason == "not good enough at its stated values"
    await rust.says(f"^{deal.id} rejected: not good enough")


async def test_the_market_maker_brings_the_two_together(bus: Bus, start: Start) -> None:
    bus.declare_market("book-met", ["wheat", "tea"])
    rust = kenya(start, "met")
    python = Agent("ghana-met", servers=bus.url, home=bus.folder)
    python.join("book-met", gives=[Give("tea", 50, cost=30)], wants=[Want("wheat", 100, value=60)])
    async with python:
        settled = await rust.says(" settled$")
        held = await python.balance("book-met")
    assert held["wheat"] > 0 > held["tea"], held
    assert 90 * -held["tea"] >= 20 * held["wheat"], "good for kenya"
    assert 60 * held["wheat"] >= 30 * -held["tea"], "and for ghana"
    deal = settled.split()[0]
    assert bus.hms("deal", "verify", deal).startswith(f"{deal} holds: settled, ")


async def test_a_flipped_bit_anywhere_is_named(bus: Bus, start: Start, tmp_path: Path) -> None:
    rust = kenya(start, "flip")
    deal = await settle(bus, rust, "flip")
    evidence = lines(bus.hms("deal", "log", deal, "--raw"))
    signers = {entry["subject"].rsplit(".", 1)[1] for entry in evidence if ".log.key." in entry["subject"]}
    assert {"kenya-flip", "ghana-flip", "deal", "ledger", "registry"} <= signers
    whole = verify(bus, evidence, tmp_path)
    assert whole.returncode == 0, whole.stdout + whole.stderr

    unnoticed = await asyncio.to_thread(flip_all, bus, evidence, tmp_path)
    assert not unnoticed


def flip_all(bus: Bus, evidence: list[Line], folder: Path) -> list[str]:
    """The flips that passed, or that were laid at another entry's door."""
    wrong = []
    tried = 0
    for number, where, copy in flips(evidence):
        tried += 1
        done = verify(bus, copy, folder)
        said = done.stdout + done.stderr
        # A line that is none any more is named by its number; an entry by its sequence.
        named = f"sequence {evidence[number]['sequence']}" in said or f"line {number + 1}:" in said
        if done.returncode == 0 or not named:
            wrong.append(f"line {number + 1}, {where}: {done.returncode} {said}")
    assert tried > 20 * len(evidence), "every line, in many places"
    return wrong
