"""A bus for tests of agents: in memory, or a real one, behind the same name.

::

    import pytest
    from hms_a2a import Agent, testing


    @pytest.fixture(params=["memory", "real"])
    async def bus(request):
        async with testing.Bus(real=request.param == "real") as bus:
            yield bus


    async def test_an_echo(bus):
        agent = Agent("echo")
        agent.on_topic("echo")(lambda message: message.body)
        await bus.add(agent, me := Agent("me"))
        assert await me.request("echo", "hello") == "hello"

In memory are topics, questions and their answers, prompts, `Agent.find`, messages from inbox to inbox, and, where the
package's cores are built, those that compute (`Agent.call`). Deals and markets need the cores: an agent that joins a
market there is told so by a `NotFound`. A real bus is ``hms up`` with a broker of its own, in a folder that goes away;
`hms` is found in ``HMS_BINARY``, on the path, or where ``cargo`` built it.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import signal
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import nkeys

from hms_a2a._errors import BadSetting, Disconnected
from hms_a2a._host import Host
from hms_a2a._link import Link
from hms_a2a._memory import Broker, MemoryLink
from hms_a2a._memory_cores import MemoryCores
from hms_a2a._settings import Settings
from hms_a2a._signing import random_nonce, system_clock

if TYPE_CHECKING:
    from hms_a2a._agent import Agent
    from hms_a2a._signing import Clock, Nonce

__all__ = ["Bus"]

_UP_WITHIN_S = 30.0


class Bus:
    """A bus for a test, for ``async with``."""

    def __init__(
        self, *, real: bool = False, clock: Clock = system_clock, nonce: Nonce = random_nonce, hms: str | None = None
    ) -> None:
        """`hms` is the binary that starts a real one, where it is not found by itself."""
        self.real = real
        self._hms = hms
        self._time = (clock, nonce)
        self._host: Host | None = None
        self._up: asyncio.subprocess.Process | None = None
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._cores: MemoryLink | None = None
        #: Where the broker is; empty in memory.
        self.url = ""

    async def add(self, *agents: Agent) -> None:
        """Start agents here; they stop with the bus. An agent without a seed gets a key that goes away with it."""
        if self._host is None or self._folder is None:
            raise Disconnected("the bus is not started: use `async with`")
        for agent in agents:
            agent.keep_in(self._folder.name)
            await self._host.add(agent)

    async def remove(self, agent: Agent) -> None:
        """Stop an agent."""
        if self._host is not None:
            await self._host.remove(agent)

    async def hms(self, *arguments: str) -> str:
        """What a command of ``hms`` prints on this bus, which must be real: ``await bus.hms("deal", "list")``.

        Raises `BadSetting` where it fails.
        """
        if self._folder is None or not self.url:
            raise BadSetting("`hms` needs a real bus")
        environment = os.environ | {"NATS_URL": self.url, "HMS_HOME": self._folder.name}
        process = await asyncio.create_subprocess_exec(
            find_hms(self._hms),
            *arguments,
            env=environment,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        out, err = await process.communicate()
        if process.returncode != 0:
            raise BadSetting(f"hms {' '.join(arguments)}: {err.decode()}")
        return out.decode()

    async def __aenter__(self) -> Bus:
        self._folder = tempfile.TemporaryDirectory(prefix="hms-test-", ignore_cleanup_errors=True)
        try:
            link = await (self._start_real(self._folder.name) if self.real else self._start_in_memory())
            self._host = Host("test", link=link, clock=self._time[0], nonce=self._time[1])
            await self._host.start()
        except BaseException:
            await self._stop()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stop()

    async def _stop(self) -> None:
        host, self._host = self._host, None
        if host is not None:
            await host.stop()
        if self._cores is not None:
            await self._cores.close()
        if self._up is not None:
            with contextlib.suppress(ProcessLookupError):
                self._up.send_signal(signal.SIGTERM)
            await self._up.communicate()
        if self._folder is not None:
            self._folder.cleanup()

    async def _start_in_memory(self) -> Link:
        broker = Broker()
        self._cores = MemoryLink(broker, "cores")
        await MemoryCores(self._cores, _account()).start()
        return MemoryLink(broker, "test")

    async def _start_real(self, folder: str) -> Link:
        arguments = ["up", "--dir", folder, "--port", "0", "--monitor-port", "0", "--json"]
        environment = {name: value for name, value in os.environ.items() if not name.startswith(("NATS_", "HMS_"))}
        with (Path(folder) / "log").open("wb") as log:
            self._up = await asyncio.create_subprocess_exec(
                find_hms(self._hms), *arguments, env=environment, stdout=asyncio.subprocess.PIPE, stderr=log
            )
        assert self._up.stdout is not None  # noqa: S101 # it is a pipe
        line = await asyncio.wait_for(self._up.stdout.readline(), _UP_WITHIN_S)
        if not line:
            raise BadSetting(f"`hms up` ended: {(Path(folder) / 'log').read_text()[-2000:]}")
        self.url = str(json.loads(line)["url"])
        return Link(Settings(servers=(self.url,)), "test")


def find_hms(named: str | None = None) -> str:
    """The binary. Raises `BadSetting` where there is none."""
    built = [folder / "target" / "release" / "hms" for folder in Path(__file__).resolve().parents]
    places = [named or os.environ.get("HMS_BINARY"), shutil.which("hms"), *(str(one) for one in built if one.exists())]
    for place in places:
        if place:
            return place
    raise BadSetting("no `hms` for a real bus: put it on the path, or its place into HMS_BINARY")


def _account() -> str:
    seed = nkeys.encode_seed(os.urandom(32), nkeys.PREFIX_BYTE_ACCOUNT)
    public: bytes = nkeys.from_seed(bytearray(seed)).public_key
    return public.decode()
