"""``python -m hms_a2a.host``: many agents in one process over one connection, as a configuration describes them.

A swarm starts such processes; so can anyone who wants a few honest traders without writing Python. The configuration is
the first line of standard input, as JSON, or the file that ``--config`` names (``.json`` or ``.toml``)::

    {"agents": [{"id": "kenya", "market": "bazaar",
                 "gives": [{"good": "wheat", "limit": 100, "cost": {"lo": 19, "hi": 21}}],
                 "wants": [{"any_of": [{"good": "coffee", "limit": 50, "value": {"lo": "89", "hi": "181/2"}}]}]}]}

Agents under ``bargain`` negotiate instead: they hold the meetings that stand there, by strategies of this package.

The module ``_config`` says all that may stand in it; unknown keys are refused. Rationals are integers or strings,
never floats. Each agent joins and leaves its market by its schedule, accepts what is good for it at the worst corner of
its bounds (with its stated margin *and* its private reservation), and confirms what it was due. When it comes back it
states what is left.

Standard output has one JSON object a line: ``ready`` ``joined`` ``left`` ``told`` ``proposed`` ``accepted``
``rejected`` ``committed`` ``confirmed`` ``ended`` ``words`` ``error``, and at last ``drained``; each with `event`,
`at_unix_ms` and, where one is meant, `agent`. An agent that rejects is not told of the end that it made: its
``rejected`` says it.

The end of standard input (unless there is a ``--config``), SIGTERM and SIGINT stop it: what is under way is finished,
within ten seconds. Exit codes: 0 stopped; 2 a bad configuration; 64 wrong usage; 69 no bus.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import logging
import os
import sys
import threading
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import msgspec

from hms_a2a import _wire as wire
from hms_a2a._agent import Agent, stop_signal
from hms_a2a._bargaining import Bargaining
from hms_a2a._config import Config, Player
from hms_a2a._crew import ended
from hms_a2a._errors import BadSetting, BusError, Conflict, HmsError, Late
from hms_a2a._exporting import exported
from hms_a2a._host import Host, loop_factory
from hms_a2a._keys import new_seed
from hms_a2a._settings import Settings
from hms_a2a._signing import system_clock

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from hms_a2a._deal import Deal
    from hms_a2a._membership import Membership
    from hms_a2a._message import Message

BAD_INPUT, BAD_USAGE, NO_BUS = 2, 64, 69

_AT_ONCE = 64
_DRAIN_WITHIN_S = 10.0


class Events:
    """The lines on standard output."""

    def __init__(self, clock: Callable[[], int] = system_clock) -> None:
        self.clock = clock
        self.counts: Counter[str] = Counter()

    def say(self, event: str, agent: str | None = None, **more: object) -> None:
        """Say that something happened. Fields that are None are left out."""
        self.counts[event] += 1
        line = {"event": event, "at_unix_ms": self.clock()} | ({"agent": agent} if agent else {})
        line |= {key: value for key, value in more.items() if value is not None}
        sys.stdout.buffer.write(msgspec.json.encode(line) + b"\n")
        sys.stdout.buffer.flush()


class Playing:
    """One agent at work."""

    def __init__(self, player: Player, config: Config, events: Events) -> None:
        self._player = player
        self._events = events
        self._membership: Membership | None = None
        seed = player.seed or new_seed()
        self.agent = Agent(player.id, kind=player.kind, seed=seed, lease_ms=config.lease_ms)
        self.agent.on_proposal(self._decide)
        self.agent.on_committed(self._deliver)
        self.agent.on_deal(self._hear)
        self.agent.on_message(self._be_told)

    async def follow(self, start_unix_ms: int) -> None:
        """Join and leave by the schedule."""
        for step in sorted(self._player.schedule, key=lambda step: step.at_ms):
            await asyncio.sleep(max(0.0, (start_unix_ms + step.at_ms - self.agent.now_unix_ms) / 1000))
            try:
                await (self._join() if step.do == "join" else self._leave())
            except HmsError as error:
                self._events.say("error", self._player.id, what=step.do, message=str(error))

    async def _join(self) -> None:
        player = self._player
        if self._membership is None:
            declare = None if player.declare is None else {line.good: line.quantity for line in player.declare}
            offer = player.offer()
            self._membership = self.agent.join(
                player.market,
                gives=offer.gives,
                wants=offer.wants,
                margin_ppm=offer.margin_ppm,
                reserve_ppm=player.reserve_ppm,
                outlook=offer.outlook,
                declare=declare,
            )
            await self._membership
        else:
            await self._membership.restate()
        left, sequence = self._membership.left(), self._membership.sequence
        self._events.say(
            "joined",
            player.id,
            market=player.market,
            sequence=sequence,
            gives=len(left.gives),
            wants=len(left.wants),
        )

    async def _leave(self) -> None:
        if self._membership is not None and self._membership.is_standing:
            await self._membership.leave()
            self._events.say("left", self._player.id, market=self._player.market)

    async def _decide(self, deal: Deal) -> None:
        agent, policy = self._player.id, self._player.policy
        came = asyncio.get_running_loop().time()
        self._events.say("proposed", agent, deal=deal.id)
        if policy == "silent":
            return
        objection = deal.why_not()
        by, reason = ("policy", f"{agent} rejects everything") if policy == "rejects" else objection or ("", "")
        if by:
            if await self._make("reject", deal, deal.reject(reason)):
                self._events.say("rejected", agent, deal=deal.id, by=by, reason=reason)
        elif await self._make("accept", deal, deal.accept()):
            took_ms = round((asyncio.get_running_loop().time() - came) * 1000)
            self._events.say("accepted", agent, deal=deal.id, took_ms=took_ms)

    async def _deliver(self, deal: Deal) -> None:
        if self._player.policy != "unconfirming" and await self._make("confirm", deal, deal.confirm()):
            self._events.say("confirmed", self._player.id, deal=deal.id)

    async def _make(self, what: str, deal: Deal, move: Any) -> bool:
        try:
            await move
        except (Conflict, Late):
            # Another party, or the clock, ended the deal first: `ended` says so, and nothing went wrong.
            return False
        except HmsError as error:
            self._events.say("error", self._player.id, what=what, deal=deal.id, message=str(error))
            return False
        return True

    def _hear(self, deal: Deal) -> None:
        if deal.event == "committed":
            self._events.say("committed", self._player.id, deal=deal.id)
        if deal.is_over:
            self._events.say(
                "ended", self._player.id, deal=deal.id, state=str(deal.state), reason=deal.reason, rule=deal.rule
            )

    def _be_told(self, message: Message[Any]) -> None:
        because = message.body
        if isinstance(because, wire.Because):
            self._events.say(
                "told",
                self._player.id,
                market=because.market,
                clearing=because.clearing,
                left_out=str(because.left_out) if because.left_out else None,
                detail=because.detail,
            )


async def play(config: Config, stopped: asyncio.Future[None], events: Events) -> None:
    """Carry the agents until it is time to stop. Raises `BadSetting` or `BusError`."""
    settings = Settings.discover(config.nats.servers, config.nats.context)
    if config.nats.creds:
        settings = msgspec.structs.replace(settings, creds=Path(config.nats.creds))
    playing = [Playing(player, config, events) for player in config.agents]
    bargaining = _bargaining(config, events)
    host = Host(config.name, settings=settings, connect_within_s=config.connect_within_ms / 1000)
    await host.start()
    events.clock = host.bus.now_unix_ms
    schedules: list[asyncio.Future[None]] = []
    try:
        places = asyncio.Semaphore(_AT_ONCE)
        await asyncio.gather(*(_add(host, one.agent, events, places) for one in playing))
        await asyncio.gather(*(_add(host, one.agent, events, places, one.declare) for one in bargaining))
        here = {agent.id for agent in host.agents}
        events.say("ready", agents=len(here))
        start = config.start_unix_ms if config.start_unix_ms is not None else host.bus.now_unix_ms()
        schedules = [asyncio.ensure_future(one.follow(start)) for one in playing if one.agent.id in here]
        schedules += [asyncio.ensure_future(one.hold()) for one in bargaining if one.agent.id in here]
        await stopped
    finally:
        await ended(*schedules)
        await asyncio.gather(*schedules, return_exceptions=True)
        link = host.bus.link
        await host.stop(_DRAIN_WITHIN_S, withdraw=config.withdraw_at_exit)
        events.clock = system_clock
        messages_in, messages_out = link.counts
        events.say(
            "drained",
            accepted=events.counts["accepted"],
            rejected=events.counts["rejected"],
            confirmed=events.counts["confirmed"],
            errors=events.counts["error"],
            messages_in=messages_in,
            messages_out=messages_out,
        )


async def _add(
    host: Host,
    agent: Agent,
    events: Events,
    places: asyncio.Semaphore,
    then: Callable[[], Awaitable[None]] | None = None,
) -> None:
    async with places:
        try:
            await host.add(agent)
            if then is not None:
                await then()
        except HmsError as error:
            events.say("error", agent.id, what="register", message=str(error))


def _bargaining(config: Config, events: Events) -> list[Bargaining]:
    """Those that negotiate."""
    bargain = config.bargain
    return [] if bargain is None else [Bargaining(one, bargain, events.say) for one in bargain.agents]


class _Usage(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        self.print_usage(sys.stderr)
        self.exit(BAD_USAGE, f"{self.prog}: {message}\n")


def main(arguments: Sequence[str] | None = None) -> int:
    """The program; its exit code."""
    about, _, _ = (__doc__ or "").partition("\n\n")
    parser = _Usage("python -m hms_a2a.host", description=about.replace("``", ""))
    parser.add_argument("--config", type=Path, help="a file, .json or .toml, instead of standard input")
    parser.add_argument("--log", default="WARNING", help="log level on standard error (default: %(default)s)")
    options = parser.parse_args(arguments)
    logging.basicConfig(level=options.log.upper(), format="%(asctime)s %(levelname)s %(message)s", stream=sys.stderr)
    try:
        with exported("hms-host"), asyncio.Runner(loop_factory=loop_factory()) as runner:
            return runner.run(_main(options.config))
    except KeyboardInterrupt:
        return 0


async def _main(path: Path | None) -> int:
    loop = asyncio.get_running_loop()
    stopped: asyncio.Future[None] = loop.create_future()
    watching = asyncio.ensure_future(_until_signal(stopped))
    try:
        raw = await _read_line(stopped) if path is None else _read_file(path)
        if raw is not None:
            toml = path is not None and path.suffix == ".toml"
            await play(Config.read(raw, toml=toml), stopped, Events())
    except BadSetting as error:
        print(f"bad configuration: {error}", file=sys.stderr)
        return BAD_INPUT
    except BusError as error:
        print(f"no bus: {error}", file=sys.stderr)
        return NO_BUS
    finally:
        await ended(watching)
    return 0


async def _until_signal(stopped: asyncio.Future[None]) -> None:
    await stop_signal()
    if not stopped.done():
        stopped.set_result(None)


def _read_file(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise BadSetting(str(error)) from error


async def _read_line(stopped: asyncio.Future[None]) -> bytes | None:
    """The first line of standard input; None when it is time to stop before there is one."""
    loop = asyncio.get_running_loop()
    line: asyncio.Future[bytes] = loop.create_future()
    _read_input(loop, line, stopped)
    waiting: set[asyncio.Future[Any]] = {line, stopped}
    await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    return line.result() if line.done() else None


def _read_input(loop: asyncio.AbstractEventLoop, line: asyncio.Future[bytes], ended: asyncio.Future[None]) -> None:
    """Read the first line and wait for the end, in a thread that nobody needs to wait for.

    Straight from the descriptor: a thread that is killed inside Python's own buffered reader takes the process with it.
    """
    descriptor = sys.stdin.fileno()

    def settle(future: asyncio.Future[Any], value: Any) -> None:
        if not future.done():
            future.set_result(value)

    def read() -> None:
        raw = bytearray()
        told = False
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody is interested any more
            while chunk := os.read(descriptor, 2**16):
                if not told:
                    raw += chunk
                    if b"\n" in chunk:
                        told = True
                        loop.call_soon_threadsafe(settle, line, bytes(raw).split(b"\n", 1)[0])
            if not told:
                loop.call_soon_threadsafe(settle, line, bytes(raw))
            loop.call_soon_threadsafe(settle, ended, None)

    threading.Thread(target=read, daemon=True).start()


if __name__ == "__main__":
    sys.exit(main())
