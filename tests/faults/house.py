"""The processes under attack: a broker, and cores in processes of their own, each started again when it dies.

The cores reach the broker through a `Cable`, so that the network between them can be cut; agents reach it directly.
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
from typing import TYPE_CHECKING

from hms_a2a._subjects import STREAM_DEALS

from .cable import Cable
from .disk import Disk
from .logs import connected

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .disk import Cut

ROOT = Path(__file__).resolve().parents[2]
HMS = ROOT / "target" / "release" / "hms"

_AGAIN_AFTER_S = 0.3


class Process:
    """A process that is started again when it ends, as a service manager would; unless it is held down."""

    def __init__(self, name: str, command: Sequence[str | Path], folder: Path, environment: dict[str, str]) -> None:
        self.name = name
        self.starts = 0
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
    """A NATS server on a disk that forgets what was not synced."""

    def __init__(self, folder: Path, environment: dict[str, str], *, sync_always: bool, forgets: bool) -> None:
        self.port = free_port()
        self.url = f"nats://127.0.0.1:{self.port}"
        self.store = folder / "store"
        self.disk = Disk(_shadow(folder)) if forgets else None
        config = folder / "server.conf"
        sync = "sync_interval: always" if sync_always else ""
        config.write_text(
            f'host: "127.0.0.1"\nport: {self.port}\nmax_payload: 8MB\n'
            f'jetstream {{\n store_dir: "{self.store}"\n max_file_store: 32GB\n {sync}\n}}\n'
        )
        command: list[str | Path] = [find_server(), "-c", config, "-l", folder / "server.log"]
        super().__init__("broker", command, folder, environment)

    def launch(self) -> subprocess.Popen[bytes]:
        return self.disk.run(self._command) if self.disk else super().launch()

    def wait(self, within_s: float = 20.0) -> None:
        """Wait until it takes connections."""
        wait_for_port(self.port, within_s)

    def power_cut(self) -> Cut:
        """Kill it, and forget what was not synced. It stays down."""
        assert self.disk is not None, "this broker's disk does not forget"
        self.kill()
        return self.disk.cut(self.store)


class House:
    """A broker, a node with every core, more desks, a second ledger."""

    def __init__(
        self, folder: Path, *, sync_always: bool = True, forgets: bool = True, desks: int = 2, ledgers: int = 1
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        environment = {k: v for k, v in os.environ.items() if not k.startswith(("NATS_", "HMS_"))}
        environment["PATH"] = f"{Path(sys.executable).parent}:{environment['PATH']}"
        self.environment = environment
        self.broker = Broker(folder, environment, sync_always=sync_always, forgets=forgets)
        self.cable = Cable(self.broker.port)
        keys = folder / "hms"
        to: list[str | Path] = ["--nats", self.cable.url, "--dir", keys]
        self.node = Process("node", [HMS, "up", "--no-maker", *to], folder, environment)
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
    def cores(self) -> list[Process]:
        """Everything that runs cores."""
        return [self.node, *self.desks, *self.ledgers]

    @property
    def processes(self) -> list[Process]:
        """Everything that runs."""
        return [self.broker, *self.cores, *self.agents]

    def start(self) -> None:
        """Start it all, and wait until the node serves."""
        self.broker.up()
        self.broker.wait()
        self.cable.start()
        self.node.up()
        end = time.monotonic() + 30
        while b"serving" not in (self.node.log.read_bytes() if self.node.log.exists() else b""):
            if time.monotonic() > end or not self.node.runs:
                raise RuntimeError(f"the node does not serve:\n{self.node.log.read_text()}")
            time.sleep(0.05)
        for core in [*self.desks, *self.ledgers]:
            core.up()
        self._tender.start()

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
        self.cable.stop()
        self.broker.end()
        if self.broker.disk is not None:
            self.broker.disk.close()

    def fill(self, room_bytes: int = 20_000) -> None:
        """The stream of deals has this much room left, and then takes no more."""
        asyncio.run(_limit(self.broker.url, room_bytes))

    def clear(self) -> None:
        """There is room again."""
        asyncio.run(_limit(self.broker.url, None))

    def settle(self) -> None:
        """The broker's disk has everything now, as some time after the last write it does."""
        assert self.broker.disk is not None, "this broker's disk does not forget"
        self.broker.signal(signal.SIGSTOP)
        self.broker.disk.settle(self.broker.store)
        self.broker.signal(signal.SIGCONT)

    def panics(self) -> list[str]:
        """Who panicked."""
        return [p.name for p in self.cores if p.log.exists() and "panicked" in p.log.read_text(errors="replace")]

    def _tend(self) -> None:
        while not self._over.wait(_AGAIN_AFTER_S):
            for process in self.processes:
                # What cannot be started now is tried again; its log says why.
                with contextlib.suppress(OSError):
                    process.tend()


async def _limit(url: str, room_bytes: int | None) -> None:
    async with connected(url) as client:
        api = f"{client.jetstream()._prefix}.STREAM"
        info = json.loads((await client.request(f"{api}.INFO.{STREAM_DEALS}", timeout=5)).data)
        limit = -1 if room_bytes is None else info["state"]["bytes"] + room_bytes
        # As it is but for this: the client's own types would drop what they don't know.
        config = json.dumps(info["config"] | {"max_bytes": limit}).encode()
        answer = json.loads((await client.request(f"{api}.UPDATE.{STREAM_DEALS}", config, timeout=5)).data)
    if "error" in answer:
        raise RuntimeError(f"the stream's limit: {answer['error']}")


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


def wait_for_port(port: int, within_s: float) -> None:
    """Wait until somebody listens."""
    end = time.monotonic() + within_s
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError:
            if time.monotonic() > end:
                raise
            time.sleep(0.02)


def _shadow(folder: Path) -> Path:
    """Where copies of synced files go: into memory, where there is some."""
    memory = Path("/dev/shm")
    return (memory if memory.is_dir() else folder) / f"synced-{os.getpid()}-{free_port()}"
