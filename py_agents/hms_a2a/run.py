"""``hms-agent run module:target``: an author's agents in one process over one connection, one of them or thousands.

::

    hms-agent run kenya:agent                          # an Agent that the module made
    hms-agent run traders:Trader --name kenya          # a class of agents, or a function that makes one
    hms-agent run traders:Trader --count 5000          # trader-1 … trader-5000
    hms-agent run kenya:agent --reload                 # start anew whenever a file that it read changes

The target is an `Agent`, several, or something that makes one or several: a class or a function, which is given the
agent's id where it takes one. The broker is found as an `Agent` finds it, or named by ``--servers`` or ``--context``;
what an agent says itself about where it is doesn't count. The loop is uvloop's where that is installed
(``hms-a2a[fast]``).

SIGTERM and SIGINT stop it: agents leave their markets, and finish what is under way. While ``--reload`` starts anew
they don't leave. Exit codes: 0 stopped; 2 no such target, or a bad setting; 64 wrong usage; 69 no bus.
"""

from __future__ import annotations

import argparse
import asyncio
import importlib
import inspect
import logging
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from hms_a2a._agent import Agent, stop_signal
from hms_a2a._errors import BadSetting, BusError, HmsError
from hms_a2a._exporting import exported
from hms_a2a._host import Host, loop_factory
from hms_a2a._subjects import agent_id

if TYPE_CHECKING:
    from collections.abc import Sequence

_log = logging.getLogger("hms_a2a")

BAD_INPUT, BAD_USAGE, NO_BUS = 2, 64, 69
_AT_ONCE = 64
_LOOK_EVERY_S = 0.3
_NOT_WATCHED = {"node_modules", "target", "__pycache__"}


def find(target: str) -> Any:
    """What ``module:name`` names. Raises `BadSetting`."""
    module, _, name = target.partition(":")
    if not module or not name:
        raise BadSetting(f"{target!r} is not module:name, as kenya:agent is for `agent` in kenya.py")
    if os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())
    try:
        found = importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{module}.".startswith(f"{error.name}."):
            raise  # the module is there, and lacks another
        without = f"; it is named without .py: {module[:-3]}:{name}" if module.endswith(".py") else ""
        raise BadSetting(f"there is no module {module!r} here or on Python's path{without}") from error
    one = found
    try:
        for part in name.split("."):
            one = getattr(one, part)
    except AttributeError as error:
        agents = [each for each, what in vars(found).items() if isinstance(what, Agent)]
        has = f"; its agents: {', '.join(agents)}" if agents else ""
        raise BadSetting(f"{module} has no {name!r}{has}") from error
    return one


def make(target: str, name: str | None, count: int | None) -> list[Agent]:
    """The agents that a target names or makes. Raises `BadSetting`."""
    found = find(target)
    if isinstance(found, Agent) or not callable(found):
        if name is not None or count is not None:
            raise BadSetting(f"{target} is made already: --name and --count are for what makes agents")
        return _agents(target, found)
    base = name or target.rpartition(":")[2].rpartition(".")[2].lower().replace("_", "-")
    ids = [base] if count is None else [f"{base}-{number}" for number in range(1, count + 1)]
    try:
        if count is None and name is None and not _takes_an_id(found):
            return _agents(target, found())
        made = [one for each in ids for one in _agents(target, found(agent_id(each)))]
    except (ValueError, TypeError) as error:
        raise BadSetting(f"{target} makes no agent: {error}") from error
    return made


def _takes_an_id(maker: Callable[..., Any]) -> bool:
    return any(
        one.default is inspect.Parameter.empty
        and one.kind in (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
        for one in inspect.signature(maker).parameters.values()
    )


def _agents(target: str, made: object) -> list[Agent]:
    if inspect.iscoroutine(made):
        made.close()  # a handler, by mistake: nobody awaits it
    agents = list(made) if isinstance(made, Iterable) else [made]
    for one in agents:
        if not isinstance(one, Agent):
            raise BadSetting(f"{target} is no agent, but a {type(one).__name__}")
    return [one for one in agents if isinstance(one, Agent)]


async def carry(agents: Sequence[Agent], host: Host, *, withdraw: bool = True) -> int:
    """Carry agents until it is time to stop; the exit code. Raises `HmsError` where there is no bus."""
    began = time.monotonic()
    stopping = asyncio.ensure_future(stop_signal())
    await host.start()
    try:
        places = asyncio.Semaphore(_AT_ONCE)
        added = await asyncio.gather(*(_add(host, agent, places, stopping) for agent in agents))
        failures = [error for error in added if error is not None]
        for agent, error in zip(agents, added, strict=True):
            if error is not None:
                _log.error("%s is not here: %s", agent.id, error)
        if failures and not host.agents:
            return NO_BUS if isinstance(failures[0], BusError) else BAD_INPUT
        are = "agent is" if len(host.agents) == 1 else "agents are"
        _log.info("%d %s here after %.1f s", len(host.agents), are, time.monotonic() - began)
        await stopping
    finally:
        stopping.cancel()
        await host.stop(withdraw=withdraw)
    return 0


async def _add(
    host: Host, agent: Agent, places: asyncio.Semaphore, stopping: asyncio.Future[None]
) -> HmsError | ValueError | None:
    async with places:
        if stopping.done():
            return None
        try:
            await host.add(agent)
        except (HmsError, ValueError) as error:
            return error
        return None


class _Usage(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        self.print_usage(sys.stderr)
        self.exit(BAD_USAGE, f"{self.prog}: {message}\n")


def main(arguments: Sequence[str] | None = None) -> int:
    """The program; its exit code."""
    told = list(sys.argv[1:] if arguments is None else arguments)
    options = _parser().parse_args(told)
    logging.basicConfig(
        level=options.log.upper(), format="%(asctime)s %(levelname)s %(message)s", stream=sys.stderr, force=True
    )
    if options.reload:
        return watch([word for word in told if word != "--reload"])
    try:
        agents = make(options.target, options.name, options.count)
        if options.loaded is not None:
            _tell_what_is_loaded(options.loaded)
        host = Host(options.host, servers=options.servers, context=options.context)
        with exported(options.host), asyncio.Runner(loop_factory=loop_factory()) as runner:
            return runner.run(carry(agents, host, withdraw=not options.stay))
    except BusError as error:
        _log.error("no bus: %s", error)
        return NO_BUS
    except HmsError as error:
        _log.error("%s", error)
        return BAD_INPUT
    except KeyboardInterrupt:
        return 0


def _parser() -> argparse.ArgumentParser:
    parser = _Usage("hms-agent", description="Runs agents that are written with hms_a2a.")
    commands = parser.add_subparsers(required=True, metavar="run")
    run = commands.add_parser("run", help="carry agents in this process until it is stopped")
    run.add_argument("target", metavar="module:target", help="an Agent, several, or what makes one or several")
    run.add_argument("--count", type=int, help="make so many, numbered from 1")
    run.add_argument("--name", help="the id of the agent that is made, or what numbered ids begin with")
    run.add_argument("--servers", help="where the broker is")
    run.add_argument("--context", help="a context of the `nats` command line")
    run.add_argument("--host", default="hms-agent", help="what the broker's monitoring calls this process")
    run.add_argument("--log", default="INFO", help="log level on standard error (default: %(default)s)")
    run.add_argument("--reload", action="store_true", help="start anew whenever a file that it read changes")
    run.add_argument("--loaded", type=Path, help=argparse.SUPPRESS)
    run.add_argument("--stay", action="store_true", help="leave intents in their markets when it stops")
    return parser


def watch(told: Sequence[str]) -> int:
    """Run the same without ``--reload`` in a process of its own, again after each change; its exit code at last."""
    stopped = False

    def stop(*_: object) -> None:
        nonlocal stopped
        stopped = True

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, stop)
    code = 0
    with tempfile.TemporaryDirectory() as folder:
        loaded = Path(folder) / "loaded"
        while not stopped:
            loaded.unlink(missing_ok=True)
            seen = _state()
            command = [sys.executable, "-m", "hms_a2a.run", *told, "--stay", "--loaded", str(loaded)]
            process = subprocess.Popen(command)  # noqa: S603 # ourselves
            has_ended = False
            while not _changed(seen, _state(), loaded) and not stopped:
                time.sleep(_LOOK_EVERY_S)
                if not has_ended and process.poll() is not None:
                    has_ended = True
                    _log.info("it has ended; it starts anew when a file changes")
            if process.poll() is None:
                process.terminate()
            code = process.wait()
            if not stopped:
                _log.info("a file has changed: starting anew")
    return code


def _tell_what_is_loaded(file: Path) -> None:
    """Write down which of the author's files this process has read, for whoever watches them."""
    files = [str(getattr(module, "__file__", None) or "") for module in list(sys.modules.values())]
    draft = file.with_suffix(".new")
    draft.write_text("\n".join(str(Path(one).resolve()) for one in files if one))
    draft.replace(file)


def _changed(before: dict[str, int], now: dict[str, int], loaded: Path) -> bool:
    """Whether a file that was read is another now; any file, where the process didn't come as far as to say."""
    changed = {path for path in before.keys() | now.keys() if before.get(path) != now.get(path)}
    if not changed or not loaded.exists():
        return bool(changed)
    return not changed.isdisjoint(loaded.read_text().splitlines())


def _state() -> dict[str, int]:
    """When each file of Python below this folder was last written."""
    state: dict[str, int] = {}
    for root, folders, files in os.walk(Path.cwd().resolve()):
        folders[:] = [one for one in folders if not one.startswith(".") and one not in _NOT_WATCHED]
        for file in files:
            if file.endswith(".py"):
                path = os.path.join(root, file)
                try:
                    state[path] = os.stat(path).st_mtime_ns
                except OSError:
                    continue  # gone since it was listed: the next look says so
    return state


if __name__ == "__main__":
    sys.exit(main())
