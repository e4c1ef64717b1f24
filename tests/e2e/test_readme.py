"""What the README says to a newcomer, done as it says: from nothing to a settled deal."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import shlex
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from hms_a2a import Agent
from hms_a2a._keys import new_seed
from real_bus import ROOT, find_hms, free_port, hms_up

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

    from real_bus import Bus

WITHIN_S = 20.0


def section(title: str) -> str:
    """A section of the README."""
    text = (ROOT / "README.md").read_text()
    found = re.search(rf"^## {re.escape(title)}\n(.*?)(?=^## )", text, re.MULTILINE | re.DOTALL)
    assert found, f"the README has no section {title!r}"
    return found[1]


def printed(text: str, language: str = "") -> list[str]:
    """The blocks of a language, or of commands, exactly as printed."""
    blocks = re.findall(r"^```(\w*)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    return [block for of, block in blocks if of == language]


def commands(text: str) -> list[list[str]]:
    """The commands of the blocks, word by word."""
    lines = "".join(printed(text)).splitlines()
    return [words for line in lines if (words := shlex.split(line, comments=True))]


@contextlib.asynccontextmanager
async def running(program: Path, bus: Bus, folder: Path) -> AsyncIterator[asyncio.subprocess.Process]:
    """An agent's program, started as the README does, but for where the broker is."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-W",
        "error",
        str(program),
        env={"NATS_URL": bus.url, "HOME": str(folder), "PATH": ""},
        cwd=folder,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
            await process.communicate()


async def read_until(text: str, process: asyncio.subprocess.Process) -> str:
    """The lines of an agent's log up to the one that says this."""
    assert process.stderr is not None
    said = ""
    while text not in said:
        line = await asyncio.wait_for(process.stderr.readline(), WITHIN_S)
        assert line, f"it ended before it said {text!r}:\n{said}"
        said += line.decode()
    return said


async def leave(process: asyncio.subprocess.Process) -> str:
    """Stop an agent as Ctrl-C does; what it still says."""
    assert process.stderr is not None
    process.terminate()
    said = (await asyncio.wait_for(process.stderr.read(), WITHIN_S)).decode()
    assert await asyncio.wait_for(process.wait(), WITHIN_S) == 0, said
    return said


def test_the_readme_says_no_more_than_this_test_does() -> None:
    text = section("An agent in ten lines")
    assert commands(text) == [
        ["make", "build"],
        ["target/release/hms", "up"],
        ["target/release/hms", "market", "create", "py_agents/examples/bazaar.toml"],
        [".venv/bin/python", "py_agents/examples/ghana.py"],
    ]
    (program,) = printed(text, "python")
    lines = [line for line in program.splitlines() if line.strip()]
    assert len(lines) <= 10, "ten lines make an agent"


def test_terms_are_evolved_as_the_readme_says() -> None:
    evolve, *_ = commands(section("Evolve terms"))
    assert evolve[:3] == ["hms", "call", "genetic.evolve"]
    command = [str(find_hms()), *evolve[1:]]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    front = json.loads(done.stdout)["front"]
    assert front
    assert all(party["satisfied"] for terms in front for party in terms["parties"])


@pytest.fixture
def own_bus(tmp_path: Path) -> Iterator[Bus]:
    """A bus as a newcomer has it: nothing was ever said on it."""
    (tmp_path / "bus").mkdir()
    with hms_up(tmp_path / "bus", "--port", str(free_port()), "--monitor-port", "0") as bus:
        yield bus
        assert bus.is_well()


@pytest.fixture
def kenya_py(tmp_path: Path) -> Path:
    """The agent exactly as printed, in a folder of its own."""
    (tmp_path / "kenya").mkdir()
    file = tmp_path / "kenya" / "kenya.py"
    (program,) = printed(section("An agent in ten lines"), "python")
    file.write_text(program)
    return file


async def test_the_readme_alone_leads_to_a_settled_deal(own_bus: Bus, kenya_py: Path, tmp_path: Path) -> None:
    *_, create, counterpart = commands(section("An agent in ten lines"))
    own_bus.hms(*create[1:-1], str(ROOT / create[-1]))
    async with running(kenya_py, own_bus, kenya_py.parent) as kenya:
        said = await read_until("joined bazaar", kenya)
        async with running(ROOT / counterpart[-1], own_bus, tmp_path) as ghana:
            # Each party hears for itself that it is settled.
            said += await read_until("is settled", kenya)
            others = await read_until("is settled", ghana)
            check_deals(own_bus)
            said += await leave(kenya)
            others += await leave(ghana)
    async with Agent("onlooker", servers=own_bus.url, seed=new_seed()) as onlooker:
        assert await onlooker.find("kenya") == [], "it left"
    for log in (said, others):
        for what in ("accepted deal", "confirmed deal", "left bazaar"):
            assert what in log, log
        assert log.count("is settled") == 1, log
        assert "WARNING" not in log, log
        assert "Traceback" not in log, log
    assert (kenya_py.parent / ".hms" / "keys" / "kenya.nk").stat().st_mode & 0o777 == 0o600


def check_deals(bus: Bus) -> None:
    """What the README has a newcomer look at."""
    (line,) = bus.hms("deal", "list", "--json").splitlines()
    deal = json.loads(line)
    assert deal["state"] == "settled"
    assert json.loads(bus.hms("deal", "verify", deal["deal"], "--json"))["state"] == "settled"


async def test_agents_that_come_before_their_market_are_told_and_trade_once_it_is_declared(
    own_bus: Bus, kenya_py: Path, tmp_path: Path
) -> None:
    """A newcomer who skips a line of the README reads what is missing, and nothing has to be started again."""
    *_, create, counterpart = commands(section("An agent in ten lines"))
    async with (
        running(kenya_py, own_bus, kenya_py.parent) as kenya,
        running(ROOT / counterpart[-1], own_bus, tmp_path) as ghana,
    ):
        said = await read_until("joined bazaar", kenya)
        assert "no market bazaar is declared: nobody clears it until `hms market create` does so" in said
        await read_until("joined bazaar", ghana)
        own_bus.hms(*create[1:-1], str(ROOT / create[-1]))
        await read_until("is settled", kenya)
        await read_until("is settled", ghana)
        await leave(kenya)
        await leave(ghana)
