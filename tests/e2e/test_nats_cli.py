"""An operator who knows NATS and not us sees it all with the `nats` command line as it is."""

from __future__ import annotations

import asyncio
import fcntl
import json
import os
import pty
import shutil
import struct
import subprocess
import sys
import termios
import time
from concurrent.futures import ThreadPoolExecutor
from io import FileIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from hms_a2a import Agent, Give, Want
from hms_a2a import _subjects as subjects
from hms_a2a._keys import new_seed

if TYPE_CHECKING:
    from real_bus import Bus

WITHIN_S = 20.0
MARKET = "watched"
CORES = ["deal", "genetic", "graph", "gtp", "ledger", "mac", "maker", "proof", "registry", "trade_balance"]
#: What the log of a deal with two parties says, in order.
LIFE = ["opened", "accepted", "accepted", "certified", "committed", "confirmed", "confirmed", "settled"]


def find_nats() -> str:
    """The `nats` command line. Without it these tests say so; continuous integration does not let them."""
    beside = Path(sys.executable).with_name("nats")
    found = str(beside) if beside.exists() else shutil.which("nats")
    if found is None:
        assert not os.environ.get("CI"), "no `nats` command line (make tools)"
        pytest.skip("NOT TESTED: no `nats` command line on this machine (make tools)")
    return found


class Operator:
    """Somebody with the `nats` command line, and `hms` on the path."""

    def __init__(self, bus: Bus, home: Path) -> None:
        self._nats = find_nats()
        kept = {name: value for name, value in os.environ.items() if not name.startswith("NATS_")}
        path = f"{bus.binary.parent}:{os.environ['PATH']}"
        self._environment = kept | {"NATS_URL": bus.url, "HOME": str(home), "PATH": path}

    def nats(self, *arguments: str) -> str:
        """What a command prints."""
        command = [self._nats, *arguments]
        options: dict[str, Any] = {"env": self._environment, "stdin": subprocess.DEVNULL, "capture_output": True}
        done = subprocess.run(command, text=True, timeout=WITHIN_S, **options)
        assert done.returncode == 0, f"nats {' '.join(arguments)}: {done.stdout}{done.stderr}"
        return str(done.stdout)

    def page(self, *arguments: str) -> str:
        """What a command prints on a terminal, its first page: some run nowhere else."""
        ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 50, 200, 0, 0))
        process = subprocess.Popen(
            [self._nats, *arguments], env=self._environment, stdin=theirs, stdout=theirs, stderr=theirs
        )
        os.close(theirs)
        with FileIO(ours) as terminal:
            said = first_page(terminal)
            process.kill()
            process.wait()
        return said.decode().replace("\r\n", "\n")

    def watch(self, *arguments: str, into: Path) -> subprocess.Popen[bytes]:
        """Start a command that prints as things happen."""
        with into.open("wb") as file:
            return subprocess.Popen([self._nats, *arguments], env=self._environment, stdout=file, stderr=file)


def first_page(terminal: FileIO) -> bytes:
    """What comes from a terminal until the other side is gone, or asks for a key."""
    said = b""
    while b"Next Page" not in said:
        try:
            more = terminal.read(65536)
        except OSError:  # how Linux says that nobody has the other side open
            break
        if not more:
            break
        said += more
    return said


def objects(text: str) -> list[dict[str, Any]]:
    """The JSON objects that begin on lines of their own."""
    found = []
    decoder = json.JSONDecoder()
    for start in (at for at in range(len(text)) if text[at] == "{" and (at == 0 or text[at - 1] == "\n")):
        found.append(decoder.raw_decode(text, start)[0])
    return found


class Seen(NamedTuple):
    """A deal, and what was seen while it was made."""

    deal: str
    live: str
    agents: str
    kenya: str


@pytest.fixture(scope="module")
def operator(bus: Bus, tmp_path_factory: pytest.TempPathFactory) -> Operator:
    """An operator of this bus."""
    return Operator(bus, tmp_path_factory.mktemp("operator"))


@pytest.fixture(scope="module")
def seen(bus: Bus, operator: Operator, tmp_path_factory: pytest.TempPathFactory) -> Seen:
    """Two agents settle a deal while the operator watches."""
    file = tmp_path_factory.mktemp("live") / "live.txt"
    watcher = operator.watch("sub", "--translate", "hms decode", subjects.ALL_LIVE, into=file)
    try:
        wait_until("Subscribing on", file)
        return asyncio.run(make_deal(bus, operator, file))
    finally:
        watcher.terminate()
        watcher.wait(WITHIN_S)


def wait_until(text: str, file: Path) -> None:
    """Wait until a file says this."""
    end = time.monotonic() + WITHIN_S
    while text not in file.read_text():
        assert time.monotonic() < end, f"{text!r} is never said: {file.read_text()[-2000:]}"
        time.sleep(0.02)


async def make_deal(bus: Bus, operator: Operator, live: Path) -> Seen:
    """A deal from its opening to its settlement."""
    kenya = Agent(f"kenya-{MARKET}", servers=bus.url, seed=new_seed(), capabilities=["tea"])
    ghana = Agent(f"ghana-{MARKET}", servers=bus.url, seed=new_seed())
    kenya.join(MARKET, gives=[Give("tea", 9, cost=1)], wants=[Want("rice", 9, value=9)])
    ghana.join(MARKET, gives=[Give("rice", 9, cost=1)], wants=[Want("tea", 9, value=9)])
    async with kenya, ghana:
        deal = await kenya.offer(ghana.id, book=MARKET, gives={"tea": 2}, takes={"rice": 3})
        assert await asyncio.wait_for(deal.ended(), WITHIN_S) == "settled"
        agents = operator.nats("kv", "ls", subjects.BUCKET_AGENTS)
        record = operator.nats("kv", "get", subjects.BUCKET_AGENTS, kenya.id, "--raw")
    await asyncio.to_thread(wait_until, f'"deal": "{deal.id}"', live)
    await asyncio.to_thread(wait_until, '"type": "settled"', live)
    return Seen(deal.id, await asyncio.to_thread(live.read_text), agents, record)


def test_every_core_is_listed_and_answers(operator: Operator, seen: Seen) -> None:
    listed = operator.nats("service", "list", "--json")
    assert sorted(service["name"] for service in json.loads(listed)) == CORES
    plain, pinged = operator.nats("service", "list"), operator.nats("service", "ping")
    with ThreadPoolExecutor() as at_once:
        infos = list(at_once.map(lambda core: operator.nats("service", "info", core), CORES))
    for core, info in zip(CORES, infos, strict=True):
        assert f" {core} " in plain, plain
        assert any(line.split()[:1] == [core] and "rtt=" in line for line in pinged.splitlines()), pinged
        assert f"Service: {core} (" in info
        # What is asked of `mac` is about tasks.
        assert f"Subject: {subjects.ROOT}.{'task' if core == 'mac' else core}." in info


def test_the_desks_numbers_add_up(operator: Operator, seen: Seen) -> None:
    assert "Processing Time" in operator.nats("service", "stats", "deal")
    (stats,) = json.loads(operator.nats("service", "stats", "deal", "--json"))
    counts = {endpoint["name"]: endpoint["num_requests"] for endpoint in stats["endpoints"]}
    assert set(counts) == set(subjects.DEAL_VERBS)
    assert counts["open"] >= 1
    assert counts["accept"] >= 2
    assert counts["confirm"] >= 2


def test_streams_and_buckets_are_listed(operator: Operator, seen: Seen) -> None:
    streams, buckets = operator.nats("stream", "ls"), operator.nats("kv", "ls")
    for stream in ("HMS_DEALS", "HMS_INBOX", "HMS_MARKET", "HMS_TASKS", "HMS_TIMERS", "HMS_ISLANDS", "HMS_DLQ"):
        assert f" {stream} " in streams
    for bucket in (subjects.BUCKET_AGENTS, subjects.BUCKET_MARKETS):
        assert f" {bucket} " in buckets


def test_who_is_here_is_read_as_it_stands(seen: Seen) -> None:
    assert {f"kenya-{MARKET}", f"ghana-{MARKET}", "maker"} <= set(seen.agents.split())
    record = json.loads(seen.kenya)
    assert (record["agent"], record["capabilities"]) == (f"kenya-{MARKET}", ["tea"])
    assert record["key"].startswith("U")


def test_a_deals_log_is_readable(operator: Operator, seen: Seen) -> None:
    log = subjects.deal_log(seen.deal)
    page = operator.page("stream", "view", "HMS_DEALS", "--translate", "hms decode", "--subject", log)
    events = objects(page)
    assert [event["type"] for event in events] == ["deal.event"] * len(LIFE)
    assert [event["what"]["type"] for event in events] == LIFE
    assert {event["deal"] for event in events} == {seen.deal}
    # What was signed stands there as what it says, and not as bytes.
    opening = events[0]["cause"]["body"]
    assert opening["type"] == "deal.open"
    assert [transfer["good"] for transfer in opening["terms"]["transfers"]] == ["tea", "rice"]


def test_the_whole_log_is_readable(operator: Operator, seen: Seen) -> None:
    page = operator.page("stream", "view", "HMS_DEALS", "--translate", "hms decode")
    kinds = {entry["type"] for entry in objects(page)}
    assert "key.event" in kinds, page[:2000]


def test_it_is_readable_as_it_happens(seen: Seen) -> None:
    entries = objects(seen.live)
    own = [entry for entry in entries if entry["type"] == "deal.event" and entry["deal"] == seen.deal]
    assert [event["what"]["type"] for event in own] == LIFE
    kinds = {entry["type"] for entry in entries}
    assert {"key.event", "ledger.limit", "intent", "note.deal"} <= kinds
