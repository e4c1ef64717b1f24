"""A host: one process with one connection that carries many agents, each of which still signs with its own key."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from hms_a2a._agent import stop_signal
from hms_a2a._bus import Bus
from hms_a2a._errors import Disconnected
from hms_a2a._link import Link
from hms_a2a._settings import Settings
from hms_a2a._signing import random_nonce, system_clock

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Self

    from hms_a2a._agent import Agent
    from hms_a2a._signing import Clock, Nonce


def loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """What makes the loop of a process that carries many: uvloop where it is installed; None for Python's own."""
    try:
        import uvloop
    except ImportError:
        return None
    return uvloop.new_event_loop


class Host:
    """Carries agents over one connection.

    ::

        async with Host() as host:
            for country in countries:
                await host.add(Agent(country))
            await host.forever()
    """

    def __init__(
        self,
        name: str = "host",
        *,
        servers: str | Sequence[str] | None = None,
        context: str | None = None,
        connect_within_s: float = 10.0,
        clock: Clock = system_clock,
        nonce: Nonce = random_nonce,
        settings: Settings | None = None,
        link: Link | None = None,
    ) -> None:
        """Describe it; `name` is what the broker's monitoring shows. The broker is found as an `Agent` finds it.

        `link` is a connection that is not opened yet, instead: see `hms_a2a.testing`.
        """
        self.name = name
        self._where = (servers, context)
        self._settings = settings
        self._link = link
        self._within_s = connect_within_s
        self._time = (clock, nonce)
        self._bus: Bus | None = None
        self._agents: dict[str, Agent] = {}

    @property
    def agents(self) -> list[Agent]:
        """The agents that it carries."""
        return list(self._agents.values())

    @property
    def bus(self) -> Bus:
        """Its bus. Raises `Disconnected` before it is started."""
        if self._bus is None:
            raise Disconnected("the host is not started: use `async with host` or `host.start()`")
        return self._bus

    async def start(self) -> None:
        """Connect. Raises `HmsError`."""
        link = self._link or Link(self._settings or Settings.discover(*self._where), self.name)
        bus = Bus(link, *self._time)
        await bus.open(self._within_s)
        self._bus = bus

    async def stop(self, within_s: float = 10.0, *, withdraw: bool = True) -> None:
        """Stop every agent, as `Agent.stop` does, and disconnect."""
        agents, self._agents = self.agents, {}
        bus, self._bus = self._bus, None
        try:
            await asyncio.gather(*(agent.stop(within_s, withdraw=withdraw) for agent in agents))
        finally:
            if bus is not None:
                await bus.link.close()

    async def add(self, agent: Agent) -> Agent:
        """Start an agent here. Its own settings of where the broker is don't count. Raises `HmsError`."""
        if agent.id in self._agents:
            raise ValueError(f"{agent.id} is here already")
        await agent.start_on(self.bus)
        self._agents[agent.id] = agent
        return agent

    async def remove(self, agent: Agent) -> None:
        """Stop an agent."""
        if self._agents.pop(agent.id, None) is not None:
            await agent.stop()

    async def forever(self) -> None:
        """Wait for SIGINT or SIGTERM."""
        await stop_signal()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()
