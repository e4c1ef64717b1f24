"""The processes under attack: brokers, and cores in processes of their own, each started again when it dies.

One broker, or a cluster of three. The cores reach each broker through a `Cable`, and so do brokers each other, so that
the network between them can be cut; agents reach them directly.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import nats.errors

from hms_a2a._subjects import STREAM_DEALS

from .cable import Cable
from .disk import Disk
from .logs import connected

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from nats.aio.client import Client

    from .disk import Cut

ROOT = Path(__file__).resolve().parents[2]
HMS = ROOT / "target" / "release" / "hms"

_AGAIN_AFTER_S = 0.3
#: How often something is tried until it must have come: not how long, since time goes on while a machine stands still.
_TRIES = 200
#: Where nobody listens: what a broker says of itself to the others, lest they find a way round the cables.
_NOWHERE = "127.0.0.1:9"


class Process:
    """A process that is started again when it ends, as a service manager would; unless it is held down."""

    def __init__(self, name: str, command: Sequence[str | Path], folder: Path, environment: dict[str, str]) -> None:
        self.name = name
        self.starts = 0
        #: How often it was killed with -9 while it ran.
        self.kills = 0
        self.log = folder / f"{name}.log"
        self._command = list(command)
        self._environment = environment
        self._process: subprocess.Popen[bytes] | None = None
        self._lock = threading.Lock()
        self._held = True

    def launch(self) -> subprocess.Popen[bytes]:
        """Start it once."""
        with self.log.open("ab") as log:
            return subprocess.Popen(self._command, env=self._environment, stdout=log, stderr=log)

    def up(self) -> None:
        """Start it, and from now on whenever it ends."""
        with self._lock:
            self._held = False
            self._ensure()

    def tend(self) -> None:
        """Start it again if it ended."""
        with self._lock:
            if not self._held:
                self._ensure()

    def _ensure(self) -> None:
        if self._process is None or self._process.poll() is not None:
            self._process = self.launch()
            self.starts += 1

    def signal(self, number: int) -> None:
        """Send it a signal, if it runs."""
        with self._lock:
            if self._process is not None and self._process.poll() is None:
                self._process.send_signal(number)

    def kill(self, *, hold: bool = True) -> None:
        """Kill it with -9, and wait until it is dead."""
        with self._lock:
            self._held = hold
            if self._process is not None:
                self.kills += self._process.poll() is None
                self._process.kill()
                self._process.wait()

    def end(self, within_s: float = 20.0) -> None:
        """Ask it to end; kill it when it doesn't."""
        with self._lock:
            self._held = True
            if self._process is None:
                return
            self._process.send_signal(signal.SIGCONT)
            self._process.terminate()
            try:
                self._process.wait(within_s)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()

    @property
    def runs(self) -> bool:
        """Whether it runs now."""
        return self._process is not None and self._process.poll() is None


class Broker(Process):
    """A NATS server on a disk that forgets what was not synced; alone, or one of a cluster."""

    def __init__(
        self, folder: Path, environment: dict[str, str], *, sync_always: bool, forgets: bool, name: str = "broker"
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.port = free_port()
        self.route_port = free_port()
        self.url = f"nats://127.0.0.1:{self.port}"
        self.store = folder / "store"
        self.disk = Disk(_shadow(folder)) if forgets else None
        self._config = folder / "server.conf"
        sync = "sync_interval: always" if sync_always else ""
        self._config.write_text(
            f'server_name: {name}\nhost: "127.0.0.1"\nport: {self.port}\nmax_payload: 8MB\n'
            f'jetstream {{\n store_dir: "{self.store}"\n max_file_store: 32GB\n {sync}\n}}\n'
        )
        command: list[str | Path] = [find_server(), "-c", self._config, "-l", folder / "server.log"]
        super().__init__(name, command, folder, environment)

    def join(self, routes: Sequence[Cable]) -> None:
        """Be one of a cluster, and reach the others through these cables, whoever says otherwise."""
        ways = ", ".join(f'"nats-route://127.0.0.1:{cable.port}"' for cable in routes)
        with self._config.open("a") as config:
            config.write(
                f'cluster {{\n name: hms\n listen: "127.0.0.1:{self.route_port}"\n advertise: "{_NOWHERE}"\n'
                f" no_advertise: true\n routes: [{ways}]\n}}\n"
            )

    def launch(self) -> subprocess.Popen[bytes]:
        return self.disk.run(self._command) if self.disk else super().launch()

    def wait(self) -> None:
        """Wait until it takes connections; one of a cluster first looks for the others."""
        wait_for_port(self.port)

    def power_cut(self) -> Cut:
        """Kill it, and forget what was not synced. It stays down."""
        assert self.disk is not None, "this broker's disk does not forget"
        self.kill()
        return self.disk.cut(self.store)


class House:
    """A broker or three, a node with every core, more desks, a second ledger."""

    def __init__(
        self,
        folder: Path,
        *,
        sync_always: bool = True,
        forgets: bool = True,
        desks: int = 2,
        ledgers: int = 1,
        brokers: int = 1,
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        environment = {k: v for k, v in os.environ.items() if not k.startswith(("NATS_", "HMS_"))}
        environment["PATH"] = f"{Path(sys.executable).parent}:{environment['PATH']}"
        self.environment = environment
        names = ["broker"] if brokers == 1 else [f"broker{n}" for n in range(brokers)]
        self.brokers = [
            Broker(folder / name, environment, sync_always=sync_always, forgets=forgets, name=name) for name in names
        ]
        #: Between the cores and each broker.
        self.cables = [Cable(broker.port) for broker in self.brokers]
        #: From each broker to each other one.
        self.routes = {
            (one, other): Cable(self.brokers[other].route_port)
            for one in range(brokers)
            for other in range(brokers)
            if one != other
        }
        for one, broker in enumerate(self.brokers if brokers > 1 else []):
            broker.join([cable for (near, _), cable in self.routes.items() if near == one])
        keys = folder / "hms"
        to: list[str | Path] = ["--nats", ",".join(cable.url for cable in self.cables), "--dir", keys]
        up: list[str | Path] = [HMS, "up", "--no-maker", "--replicas", str(brokers), *to]
        self.node = Process("node", up, folder, environment)
        self.desks = [
            Process(f"desk{n}", [HMS, "node", "--cores", "deal", *to], folder, environment) for n in range(desks)
        ]
        self.ledgers = [
            Process(f"ledger{n}", [HMS, "node", "--cores", "ledger", *to], folder, environment) for n in range(ledgers)
        ]
        self.agents: list[Process] = []
        self._over = threading.Event()
        self._tender = threading.Thread(target=self._tend, daemon=True)

    @property
    def broker(self) -> Broker:
        """The broker, or the first of them."""
        return self.brokers[0]

    @property
    def urls(self) -> list[str]:
        """Where to reach the brokers, without a cable."""
        return [broker.url for broker in self.brokers]

    @property
    def cores(self) -> list[Process]:
        """Everything that runs cores."""
        return [self.node, *self.desks, *self.ledgers]

    @property
    def processes(self) -> list[Process]:
        """Everything that runs."""
        return [*self.brokers, *self.cores, *self.agents]

    def start(self) -> None:
        """Start it all, and wait until the node serves."""
        self.mend()
        self.node.up()
        for _ in range(_TRIES):
            if b"serving" in self.node.log.read_bytes() or not self.node.runs:
                break
            time.sleep(0.3)
        if b"serving" not in self.node.log.read_bytes():
            raise RuntimeError(f"the node does not serve:\n{self.node.log.read_text()}")
        for core in [*self.desks, *self.ledgers]:
            core.up()
        self._tender.start()

    def mend(self) -> None:
        """Have every broker run and every cable carry, and wait until streams are served."""
        for cable in [*self.cables, *self.routes.values()]:
            cable.start()
        for broker in self.brokers:
            broker.up()
        for broker in self.brokers:
            broker.wait()
        asyncio.run(_answered(self.urls))

    def isolate(self, broker: int, do: Callable[[Cable], None]) -> None:
        """Do something to every cable between a broker and the others."""
        for (near, far), cable in self.routes.items():
            if broker in (near, far):
                do(cable)

    def add_agents(self, name: str, arguments: Sequence[str | Path]) -> Process:
        """Start a process of agents."""
        command = [sys.executable, "-m", "tests.faults.agents", *arguments]
        environment = self.environment | {"PYTHONPATH": str(ROOT)}
        process = Process(name, command, self.folder, environment)
        self.agents.append(process)
        process.up()
        return process

    def stop(self) -> None:
        """End everything."""
        self._over.set()
        if self._tender.is_alive():
            self._tender.join()
        for process in reversed(self.processes):
            process.signal(signal.SIGCONT)
        for process in [*self.agents, *self.cores]:
            process.end(5.0)
        for cable in self.cables:
            cable.stop()
        for broker in self.brokers:
            broker.end()
        for cable in self.routes.values():
            cable.stop()
        for broker in self.brokers:
            if broker.disk is not None:
                broker.disk.close()

    def fill(self, room_bytes: int = 20_000) -> None:
        """The stream of deals has this much room left, and then takes no more."""
        asyncio.run(_limit(self.urls, room_bytes))

    def clear(self) -> None:
        """There is room again."""
        asyncio.run(_limit(self.urls, None))

    def settle(self) -> None:
        """The brokers' disks have everything now, as some time after the last write they do."""
        for broker in self.brokers:
            assert broker.disk is not None, "this broker's disk does not forget"
            broker.signal(signal.SIGSTOP)
            broker.disk.settle(broker.store)
            broker.signal(signal.SIGCONT)

    def panics(self) -> list[str]:
        """Who panicked."""
        return [p.name for p in self.cores if p.log.exists() and "panicked" in p.log.read_text(errors="replace")]

    def _tend(self) -> None:
        while not self._over.wait(_AGAIN_AFTER_S):
            for process in self.processes:
                # What cannot be started now is tried again; its log says why.
                with contextlib.suppress(OSError):
                    process.tend()


async def _limit(urls: Sequence[str], room_bytes: int | None) -> None:
    async with connected(urls) as client:
        info = await _asked(client, f"INFO.{STREAM_DEALS}")
        limit = -1 if room_bytes is None else info["state"]["bytes"] + room_bytes
        # As it is but for this: the client's own types would drop what they don't know.
        await _asked(client, f"UPDATE.{STREAM_DEALS}", info["config"] | {"max_bytes": limit})


async def _answered(urls: Sequence[str]) -> None:
    """Wait until streams are served: a cluster must elect a leader first."""
    async with connected(urls) as client:
        await _asked(client, "NAMES")


async def _asked(client: Client, what: str, body: object = None) -> dict[str, Any]:
    """What the streams' API answers; asked again while there is no leader."""
    subject = f"{client.jetstream()._prefix}.STREAM.{what}"
    trouble = ""
    for _ in range(_TRIES):
        try:
            reply = await client.request(subject, json.dumps(body).encode() if body else b"", timeout=5)
            answer: dict[str, Any] = json.loads(reply.data)
            if "error" not in answer:
                return answer
            trouble = str(answer["error"])
        except nats.errors.Error as error:
            trouble = repr(error)
        await asyncio.sleep(0.3)
    raise RuntimeError(f"{subject}: {trouble}")


def find_server() -> Path:
    """The broker that set-up brought, or the user's own."""
    beside = Path(sys.executable).with_name("nats-server")
    found = beside if beside.exists() else shutil.which("nats-server")
    assert found, "no nats-server: make setup"
    return Path(found)


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for_port(port: int) -> None:
    """Wait until somebody listens."""
    for _ in range(10 * _TRIES):
        with contextlib.suppress(OSError):
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        time.sleep(0.03)
    raise TimeoutError(f"nobody listens on port {port}")


def _shadow(folder: Path) -> Path:
    """Where copies of synced files go: into memory, where there is some."""
    memory = Path("/dev/shm")
    return (memory if memory.is_dir() else folder) / f"synced-{os.getpid()}-{free_port()}"
