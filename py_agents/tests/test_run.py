"""`hms-agent run`: what it takes for an agent, how it carries one and many, how it ends and starts anew."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from hms_a2a import BadSetting, Busy, NoResponders, TimedOut
from hms_a2a.run import BAD_INPUT, BAD_USAGE, NO_BUS, find, main, make

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from conftest import Cores, MakeAgent
    from real_bus import Broker

WITHIN_S = 20.0

AGENTS = '''
from hms_a2a import Agent

agent = Agent("kenya")
agents = [Agent("kenya"), Agent("ghana")]
nothing = 5


class Echo(Agent):
    """Answers with its id, and what was said."""

    def __init__(self, agent_id):
        super().__init__(agent_id)
        self.on_topic(f"echo.{agent_id}")(self.answer)

    def answer(self, message):
        return f"{self.id}: {message.body}"


def crowd():
    return [Echo(f"crowd-{number}") for number in range(3)]


def one(agent_id):
    return Echo(agent_id)


def wrong():
    return "an agent"


async def handler(message):
    return message.body
'''


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> str:
    """A module of an author's, in the folder that we are in; its name is this test's own."""
    name = "agents_" + "".join(c if c.isalnum() else "_" for c in request.node.name)
    (tmp_path / f"{name}.py").write_text(AGENTS)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    return name


def test_what_is_an_agent(module: str) -> None:
    def ids(target: str, name: str | None = None, count: int | None = None) -> list[str]:
        return [agent.id for agent in make(f"{module}:{target}", name, count)]

    assert ids("agent") == ["kenya"]
    assert ids("agents") == ["kenya", "ghana"]
    assert ids("Echo") == ["echo"]
    assert ids("Echo", "mali") == ["mali"]
    assert ids("Echo", None, 3) == ["echo-1", "echo-2", "echo-3"]
    assert ids("one", "mali", 2) == ["mali-1", "mali-2"]
    assert ids("crowd") == ["crowd-0", "crowd-1", "crowd-2"]


@pytest.mark.parametrize(
    ("target", "name", "why"),
    [
        ("nothing", None, "is no agent, but a int"),
        ("wrong", None, "is no agent, but a str"),
        ("missing", None, "has no 'missing'; its agents: agent"),
        ("handler", None, "is no agent, but a coroutine"),
        ("agent", "mali", "is made already"),
        ("Echo", "Not An Id", "makes no agent"),
    ],
)
def test_what_is_no_agent(module: str, target: str, name: str | None, why: str) -> None:
    with pytest.raises(BadSetting, match=why):
        make(f"{module}:{target}", name, None)


def test_what_is_no_target(module: str, tmp_path: Path) -> None:
    for target in ("", ":", module, f"{module}:", ":agent"):
        with pytest.raises(BadSetting, match="not module:name"):
            find(target)
    with pytest.raises(BadSetting, match="no module 'nowhere'"):
        find("nowhere:agent")
    with pytest.raises(BadSetting, match=f"named without .py: {module}:agent"):
        find(f"{module}.py:agent")
    (tmp_path / "lacking_x.py").write_text("import not_installed_anywhere")
    with pytest.raises(ModuleNotFoundError, match="not_installed_anywhere"):
        find("lacking_x:agent")


def test_its_exit_codes(module: str, capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["walk"])
    assert ended.value.code == BAD_USAGE
    assert main(["run", f"{module}:missing"]) == BAD_INPUT


def write(file: Path, text: str) -> None:
    """Change a file, as an editor does."""
    file.write_text(text)


@contextlib.asynccontextmanager
async def running(broker: Broker, *arguments: str) -> AsyncIterator[asyncio.subprocess.Process]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-W",
        "error",
        "-m",
        "hms_a2a.run",
        "run",
        *arguments,
        env={"NATS_URL": broker.url, "HOME": os.getcwd(), "PATH": os.environ["PATH"]},
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
            await process.communicate()


async def read_until(text: str, process: asyncio.subprocess.Process) -> str:
    assert process.stderr is not None
    said = ""
    while text not in said:
        line = await asyncio.wait_for(process.stderr.readline(), WITHIN_S)
        assert line, f"it ended before it said {text!r}:\n{said}"
        said += line.decode()
    return said


async def test_one_process_carries_many(broker: Broker, cores: Cores, make_agent: MakeAgent, module: str) -> None:
    async with make_agent("asker") as asker, running(broker, f"{module}:Echo", "--count", "50") as process:
        await read_until("50 agents are here", process)
        answers = await asyncio.gather(*(asker.request(f"echo.echo-{n}", n) for n in range(1, 51)))
        assert answers == [f"echo-{n}: {n}" for n in range(1, 51)]
        assert {leave.body.agent for leave in cores.of("registry.leave")} == set()  # type: ignore[attr-defined]
        process.send_signal(signal.SIGTERM)
        assert await asyncio.wait_for(process.wait(), WITHIN_S) == 0
        assert len(cores.of("registry.leave")) == 50
        with pytest.raises(NoResponders):
            await asker.request("echo.echo-1", 1)


async def test_what_it_says_where_there_is_no_bus(broker: Broker, module: str) -> None:
    broker.kill()
    async with running(broker, f"{module}:agent") as process:
        assert await asyncio.wait_for(process.wait(), WITHIN_S) == NO_BUS
        assert process.stderr is not None
        assert b"no broker at" in await process.stderr.read()


async def test_it_says_that_it_waits_for_a_change_where_it_cannot_go_on(broker: Broker, module: str) -> None:
    async with running(broker, f"{module}:missing", "--reload") as process:
        assert "has no 'missing'" in await read_until("starts anew when a file changes", process)


async def test_it_starts_anew_when_a_file_changes(
    broker: Broker, cores: Cores, make_agent: MakeAgent, module: str
) -> None:
    file = Path(f"{module}.py")
    async with make_agent("asker") as asker, running(broker, f"{module}:one", "--reload") as process:
        await read_until("1 agent is here", process)
        assert await asker.request("echo.one", 1) == "one: 1"
        write(Path("unrelated.py"), "")
        await asyncio.sleep(1)
        came = [card.body for card in cores.of("registry.register") if card.body.agent == "one"]  # type: ignore[attr-defined]
        assert len(came) == 1, "a file that it did not read changes nothing"
        write(file, AGENTS.replace("{self.id}: ", "{self.id} says "))
        await read_until("1 agent is here", process)
        assert await asker.request("echo.one", 1) == "one says 1"
        write(file, "a mistake")
        await read_until("SyntaxError", process)
        with pytest.raises((NoResponders, TimedOut, Busy)):
            await asker.request("echo.one", 1, timeout_s=1)
        write(file, AGENTS)
        await read_until("1 agent is here", process)
        assert await asker.request("echo.one", 1) == "one: 1"
        process.send_signal(signal.SIGINT)
        assert await asyncio.wait_for(process.wait(), WITHIN_S) == 0
