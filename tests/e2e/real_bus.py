"""A real bus for tests, of the package in Python and of the whole system alike.

`broker` is a NATS server of one's own, that can be killed and started again. `bus` is `hms up`: the cores as they are,
shared by all tests of a run. `fragile_bus` is `hms up` on a broker that the test may kill.
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
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Iterator

    Eventually = Callable[..., Awaitable[None]]

ROOT = Path(__file__).resolve().parents[2]
HMS = ROOT / "target" / "release" / "hms"


def find_server() -> str:
    """The broker that set-up brought, or the user's own."""
    beside = Path(sys.executable).with_name("nats-server")
    found = str(beside) if beside.exists() else shutil.which("nats-server")
    assert found, "no nats-server: make setup"
    return found


def find_hms() -> Path:
    """The binary. Without it tests say so; continuous integration does not let them."""
    if not HMS.exists():
        assert not os.environ.get("CI"), f"{HMS} is not built"
        pytest.skip(f"NOT TESTED: {HMS} is not built (make build)")
    return HMS


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for_port(port: int, within_s: float = 10.0) -> None:
    """Wait until somebody listens."""
    end = time.monotonic() + within_s
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError:
            assert time.monotonic() < end, f"nothing listens on {port}"
            time.sleep(0.02)


class Broker:
    """A NATS server, on a port of its own for life."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        self.config = folder / "server.conf"
        self.url = f"nats://127.0.0.1:{self.port}"
        self._folder = folder
        self._log = folder / "server.log"
        self._process: subprocess.Popen[bytes] | None = None
        self.configure("")

    def configure(self, more: str) -> None:
        """Write its configuration; `reload` has a running one read it."""
        store = json.dumps(str(self._folder / "store"))
        self.config.write_text(
            f'host: "127.0.0.1"\nport: {self.port}\njetstream {{ store_dir: {store} }}\nmax_payload: 8MB\n{more}\n'
        )

    def start(self) -> None:
        command = [find_server(), "-c", str(self.config), "-l", str(self._log)]
        self._process = subprocess.Popen(command)
        wait_for_port(self.port)

    def reload(self) -> None:
        """Have it read its configuration again, and wait until it has."""
        assert self._process is not None
        before = self._reloads()
        self._process.send_signal(signal.SIGHUP)
        end = time.monotonic() + 10
        while self._reloads() == before:
            assert time.monotonic() < end, "the broker does not read its configuration"
            time.sleep(0.01)

    def _reloads(self) -> int:
        return self._log.read_text().count("Reloaded server configuration")

    def kill(self) -> None:
        """As a power cut would."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    """A broker of this test's own."""
    server = Broker(tmp_path)
    server.start()
    yield server
    server.kill()


class Bus:
    """`hms up`, with everything that belongs to it."""

    def __init__(self, told: dict[str, Any], folder: Path, process: subprocess.Popen[bytes]) -> None:
        #: What it said once everything served.
        self.told = told
        self.url = str(told["url"])
        self.folder = folder
        self.binary = HMS
        self._process = process

    def hms(self, *arguments: str) -> str:
        """What `hms` says on this bus."""
        environment = os.environ | {"NATS_URL": self.url, "HMS_HOME": str(self.folder)}
        done = subprocess.run([HMS, *arguments], env=environment, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, f"hms {' '.join(arguments)}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def balances(self, book: str, good: str) -> dict[str, int]:
        """What the ledger has posted of a good, by party."""
        command = [str(HMS), "call", "ledger.balance", "-", "--json", "--nats", self.url]
        asked = json.dumps({"book": book})
        done = subprocess.run(command, input=asked, capture_output=True, text=True, timeout=60, check=True)
        return {line["party"]: line["balance"] for line in json.loads(done.stdout)["lines"] if line["good"] == good}

    @property
    def pid(self) -> int:
        """The process."""
        return self._process.pid

    def kill(self) -> None:
        """As a power cut would; a broker of its own stays behind."""
        self._process.kill()
        self._process.wait()

    def is_well(self) -> bool:
        """Whether it runs, and nothing in it has panicked."""
        return self._process.poll() is None and "panicked" not in (self.folder / "log").read_text()

    def declare_market(self, market: str, goods: Iterable[str], **more: object) -> None:
        """Declare a market in which a unit of each good has a reference price of 50, cleared twice a second."""
        declaration = {
            "market": market,
            "unit_of_account": "cent",
            "goods": [{"good": good, "unit": "unit", "reference_price": "50"} for good in goods],
            "band": {"lo": "1/100", "hi": "100"},
            "margin_ppm": 0,
            "max_ring": 3,
            "clear_every_ms": 500,
            "time_limit_ms": 400,
            "accept_within_ms": 5000,
            "deliver_within_ms": 60_000,
            "delivery": "confirmed",
        }
        file = self.folder / f"{market}.json"
        file.write_text(json.dumps(declaration | more))
        self.hms("market", "create", str(file))


@contextlib.contextmanager
def hms_up(folder: Path, *arguments: str, login: dict[str, str] | None = None) -> Iterator[Bus]:
    """`hms up` for as long as it is needed; `login` is what its environment says of the broker's."""
    find_hms()
    environment = os.environ | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    environment = {k: v for k, v in environment.items() if not k.startswith(("NATS_", "HMS_"))}
    environment |= login or {}
    command: list[str | Path] = [HMS, "up", "--dir", folder, "--json", *arguments]
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=log)
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line, f"hms up said nothing:\n{(folder / 'log').read_text()}"
        yield Bus(json.loads(line), folder, process)
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(30)
        assert process.stdout is not None
        process.stdout.close()


@pytest.fixture(scope="session")
def bus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bus]:
    """A bus that all tests of the whole share; so they use agents and markets of their own."""
    with hms_up(tmp_path_factory.mktemp("bus"), "--port", str(free_port()), "--monitor-port", "0") as shared:
        yield shared


@pytest.fixture
def fragile_bus(broker: Broker, tmp_path: Path) -> Iterator[Bus]:
    """The cores on a broker that the test may kill."""
    (tmp_path / "hms").mkdir()
    with hms_up(tmp_path / "hms", "--nats", broker.url) as own:
        yield own


async def eventually(condition: Callable[[], object], within_s: float = 10.0) -> None:
    """Wait until it holds."""
    end = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < end, "it never came to hold"
        await asyncio.sleep(0.01)


@pytest.fixture(name="eventually")
def eventually_fixture() -> Eventually:
    """Waits until a condition holds."""
    return eventually
