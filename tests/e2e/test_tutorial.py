"""What the tutorial says, done as it says: every block of it is saved or run as it is printed, in order.

Three things differ: the build is done, the bus is on a port of its own, and the folder is another one. The folder above
it has the clone's settings, as that above a reader's has.
"""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import sys
from typing import TYPE_CHECKING, NamedTuple

import pytest
from test_nats_cli import find_nats

from real_bus import HMS, ROOT, free_port, hms_up

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from real_bus import Bus

WITHIN_S = 60.0
TEXT = (ROOT / "docs" / "tutorial.md").read_text()
#: What a reader's terminal has on its path, from the build.
ON_PATH = {
    "python": f'exec "{sys.executable}" -W error "$@"',
    "hms-agent": f'exec "{sys.executable}" -m hms_a2a.run "$@"',
    "hms": f'exec "{HMS}" "$@"',
}
#: What goes on in a terminal of its own, and what it says once it is there.
STAYS = {"hms-agent": "here after"}
#: What a command says that varies, where the tutorial prints nothing.
SAYS = {"hms deal list": "settled", "hms deal verify --all": "holds", "hms market create": "tour"}


class Block(NamedTuple):
    """A block, and the text before it."""

    before: str
    language: str
    body: str


def blocks() -> list[Block]:
    parts = re.split(r"^```(\w+)\n(.*?)^```$", TEXT, flags=re.MULTILINE | re.DOTALL)
    return [Block(*parts[at : at + 3]) for at in range(0, len(parts) - 1, 3)]


class Reader:
    """Somebody who follows the tutorial."""

    def __init__(self, bus: Bus, folder: Path) -> None:
        self._folder = folder
        self._running: list[asyncio.subprocess.Process] = []
        self._said: dict[str, Path] = {}
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("NATS_", "HMS_", "PYTEST"))}
        path = f"{folder / 'bin'}:{os.environ['PATH']}"
        self._environment = kept | {
            "NATS_URL": bus.url,
            "HOME": str(folder),
            "PATH": path,
            "PYTHONDONTWRITEBYTECODE": "1",
        }
        self._environment["HMS_DIR"] = str(bus.folder)

    async def save(self, name: str, body: str) -> None:
        await asyncio.to_thread((self._folder / name).write_text, body)

    async def run(self, command: str) -> str:
        """A command that ends; what it prints."""
        process = await asyncio.create_subprocess_shell(
            command,
            cwd=self._folder,
            env=self._environment,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        out, _ = await asyncio.wait_for(process.communicate(), WITHIN_S)
        assert process.returncode == 0, f"{command}:\n{out.decode()}"
        return out.decode()

    async def start(self, command: str, until: str) -> None:
        """A command that stays."""
        log = self._folder / f"{len(self._running)}.log"
        self._said[command] = log
        with log.open("wb") as file:
            self._running.append(
                await asyncio.create_subprocess_shell(
                    f"exec {command}", cwd=self._folder, env=self._environment, stdout=file, stderr=file
                )
            )
        await self.until(command, until)

    async def until(self, command: str, text: str, times: int = 1) -> None:
        """Wait until a command that stays has said this."""
        for _ in range(int(WITHIN_S / 0.05)):
            said = self._said[command].read_text()
            if said.count(text) >= times:
                return
            await asyncio.sleep(0.05)
        raise AssertionError(f"{command} did not say {text!r}:\n{said}")

    async def leave(self) -> None:
        for process in self._running:
            process.terminate()
        for process in self._running:
            await asyncio.wait_for(process.wait(), WITHIN_S)
        for command, log in self._said.items():
            assert "Traceback" not in log.read_text(), f"{command}:\n{log.read_text()}"


@pytest.fixture
def own_bus(tmp_path: Path) -> Iterator[Bus]:
    """A bus as a newcomer has it."""
    (tmp_path / "bus").mkdir()
    with hms_up(tmp_path / "bus", "--port", str(free_port()), "--monitor-port", "0") as bus:
        yield bus
        assert bus.is_well()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with the programs that a reader has on its path."""
    for settings in ("pyproject.toml", "conftest.py"):
        shutil.copy(ROOT / settings, tmp_path)
    (tmp_path / "tests").symlink_to(ROOT / "tests")
    tour = tmp_path / "tour"
    (tour / "bin").mkdir(parents=True)
    for name, script in ON_PATH.items():
        file = tour / "bin" / name
        file.write_text(f"#!/bin/sh\n{script}\n")
        file.chmod(0o755)
    (tour / "bin" / "nats").symlink_to(find_nats())
    return tour


async def test_every_block_of_the_tutorial(own_bus: Bus, folder: Path) -> None:
    first, up, *rest = blocks()
    assert first.body.splitlines()[0] == "make build"
    assert up.body == "hms up\n"
    reader = Reader(own_bus, folder)
    said = ""
    try:
        for block in rest:
            if block.language == "sh":
                said = await follow(reader, block.body)
            elif block.language == "text":
                for line in block.body.splitlines():
                    assert line.strip() in said, f"it says {line!r}, and this is what came:\n{said}"
            else:
                named = re.search(r"[Ss]ave this as `([\w.]+)`:\s*\Z", block.before)
                assert named, f"nobody knows where to save this:\n{block.body}"
                assert block.language == {"py": "python"}.get(named[1].rpartition(".")[2], named[1].rpartition(".")[2])
                await reader.save(named[1], block.body)
    finally:
        await reader.leave()


async def follow(reader: Reader, body: str) -> str:
    """Run a block's commands; what those that end have printed."""
    said = ""
    for command in body.splitlines():
        until = STAYS.get(command.split()[0])
        if until is not None:
            await reader.start(command, until)
            if "traders" in command:
                await reader.until(command, ": settled", times=2)
        else:
            said += await reader.run(command)
            expected = next((what for start, what in SAYS.items() if command.startswith(start)), "")
            assert expected in said, f"{command}:\n{said}"
    return said
