"""What an onlooker's credential opens, tried over real websockets by the page's own client: looking on, no more.

On a broker of `hms up`'s own, where everybody else may do everything, and on one that asks everybody for a credential,
as nats/watched.conf has it.
"""

from __future__ import annotations

import asyncio
import http.server
import os
import subprocess
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import nats
import pytest

from browser import chromium, visited
from by_hand import Hand, settled
from onlooking import PORTS, TRY, fetched, page_url
from real_bus import ROOT, find_server, free_port, hms_up, wait_for_port

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from playwright.sync_api import Browser

    from real_bus import Bus

DEAL = "a" * 26
#: What is for onlookers.
OPEN = ["hms.v1.live.log.>", "hms.v1.live.log.deal.*", "hms.v1.live.market.>", "hms.v1.topic.digest"]
#: What is not: others' mail, the logs' own subjects, answers to requests, the stream API, the system's and all else.
SHUT = [
    *("hms.v1.live.inbox.>", "hms.v1.live.>", "hms.v1.inbox.*", "hms.v1.log.>", "hms.v1.talk.>", "hms.v1.note.>"),
    *("_INBOX.>", "$JS.API.>", "$JS.>", "$SYS.>", "$KV.>", "$SRV.>", "hms.v1.topic.>", ">"),
]
#: Moves, writes to streams, the stream API from the harmless to the harmful, and answers that would be writes.
WRITES: list[tuple[str, str | None]] = [
    (f"hms.v1.deal.open.kenya.{DEAL}", None),
    ("hms.v1.registry.register", None),
    (f"hms.v1.log.deal.{DEAL}", None),
    ("hms.v1.market.bazaar.kenya", None),
    ("hms.v1.topic.digest", None),
    ("$KV.HMS_MARKETS.bazaar", None),
    ("$JS.API.INFO", None),
    ("$JS.API.STREAM.INFO.HMS_DEALS", None),
    ("$JS.API.STREAM.MSG.GET.HMS_DEALS", f"hms.v1.log.deal.{DEAL}"),
    ("$JS.API.DIRECT.GET.HMS_DEALS", f"hms.v1.log.deal.{DEAL}"),
    ("$JS.API.CONSUMER.CREATE.HMS_DEALS", f"hms.v1.log.deal.{DEAL}"),
    ("$JS.API.STREAM.DELETE.HMS_MARKET", None),
    ("$SRV.PING", f"hms.v1.log.deal.{DEAL}"),
]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as started:
        yield started


async def streams_at(url: str) -> dict[str, int]:
    client = await nats.connect(url, max_reconnect_attempts=1, connect_timeout=2)
    try:
        streams = await client.jetstream().streams_info()
        return {stream.config.name or "": stream.state.last_seq for stream in streams}
    finally:
        await client.close()


def held(url: str) -> dict[str, int]:
    """How far each stream goes, as one sees it who may. In a thread of its own: this one's loop is the browser's."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(lambda: asyncio.run(streams_at(url))).result()


def assert_only_looks_on(browser: Browser, page_at: str, cores_url: str) -> None:
    """Each thing that is allowed is; each that isn't is refused by name, and no stream has grown."""
    before = held(cores_url)
    with visited(browser, page_at) as page:
        # Its own digests may come meanwhile: nothing of it is stored.
        assert page.evaluate(TRY, [OPEN, [], None]) == []
        for subject in SHUT:
            (refused,) = page.evaluate(TRY, [[subject], [], None])
            assert "Permissions Violation for Subscription" in refused, subject
        for subject, reply in WRITES:
            (refused,) = page.evaluate(TRY, [[], [[subject, reply]], None])
            assert f'Permissions Violation for Publish to "{subject}"' in refused, subject
    assert held(cores_url) == before


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bus]:
    folder = tmp_path_factory.mktemp("onlooker")
    with hms_up(folder / "bus", *PORTS, "--provers", "0", "--no-maker") as bus:
        settled(Hand(folder, bus.url, bus.folder), "onlooker")
        yield bus


def test_on_a_bus_of_ones_own_the_page_may_only_look_on(browser: Browser, watched: Bus) -> None:
    assert_only_looks_on(browser, page_url(watched), watched.url)


def test_who_comes_by_websocket_without_the_key_sees_nothing(browser: Browser, watched: Bus) -> None:
    with visited(browser, page_url(watched)) as page:
        everything = [*OPEN, "_INBOX.>"]
        refused = page.evaluate(TRY, [everything, [["$JS.API.INFO", None]], ""])
        assert len(refused) == len(everything) + 1


def test_who_comes_by_tcp_is_not_locked_out(watched: Bus, tmp_path: Path) -> None:
    settled(Hand(tmp_path, watched.url, watched.folder), "onlooker")
    assert "agents" in watched.hms("top", "--once", "--every-ms", "300")


@contextmanager
def elsewhere() -> Iterator[str]:
    """Somebody else's page."""

    class Blank(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("content-type", "text/html")
            self.end_headers()
            self.wfile.write(b"<!doctype html><title>elsewhere</title>")

        def log_message(self, *arguments: Any) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Blank)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/"
    finally:
        server.shutdown()
        server.server_close()


def test_somebody_elses_page_gets_neither_key_nor_connection(browser: Browser, watched: Bus) -> None:
    port = fetched(f"{page_url(watched)}/bus.json")["websocket"]["port"]
    with elsewhere() as url:
        page = browser.new_page()
        page.goto(url)
        assert (
            page.evaluate("(url) => fetch(url).then(() => 'read', () => 'refused')", f"{page_url(watched)}/bus.json")
            == "refused"
        )
        opened = """(url) => new Promise((done) => {
          const socket = new WebSocket(url);
          socket.onopen = () => done("open");
          socket.onerror = () => done("refused");
        })"""
        assert page.evaluate(opened, f"ws://127.0.0.1:{port}") == "refused"
        page.close()


@contextmanager
def guarded(folder: Path) -> Iterator[tuple[str, str]]:
    """A broker with the project's own configuration, on ports of its own; its address and that of its websockets, both
    with credentials."""
    port, window = free_port(), free_port()
    text = (ROOT / "nats" / "watched.conf").read_text()
    for theirs, ours in [
        ("port: 4222", f"port: {port}"),
        ("port: 8281", f"port: {window}"),
        ('"/var/lib/nats"', f'"{folder / "store"}"'),
        ('"http://127.0.0.1:8280", "http://localhost:8280"', f'"http://127.0.0.1:{PAGE_PORT}"'),
    ]:
        assert theirs in text
        text = text.replace(theirs, ours)
    config = folder / "watched.conf"
    config.write_text(text)
    passwords = {"HMS_CORES_PASSWORD": "a-core", "HMS_ONLOOKER_PASSWORD": "an-eye"}
    process = subprocess.Popen([find_server(), "-c", config, "-l", folder / "log"], env=os.environ | passwords)
    try:
        wait_for_port(port)
        yield f"nats://cores:a-core@127.0.0.1:{port}", f"ws://onlooker:an-eye@127.0.0.1:{window}"
    finally:
        process.kill()
        process.wait()


PAGE_PORT = free_port()


def test_on_a_guarded_broker_too(browser: Browser, tmp_path: Path) -> None:
    with guarded(tmp_path) as (cores_url, websocket):
        (tmp_path / "hms").mkdir()
        more = ("--provers", "0", "--no-maker", f"--web=127.0.0.1:{PAGE_PORT}", "--websocket", websocket)
        bare = cores_url.replace("cores:a-core@", "")
        login = {"NATS_USER": "cores", "NATS_PASSWORD": "a-core"}
        with hms_up(tmp_path / "hms", "--nats", bare, *more, login=login) as bus:
            told = fetched(f"{page_url(bus)}/bus.json")
            assert told["credential"] == {"type": "user", "user": "onlooker", "password": "an-eye"}
            assert "a-core" not in str(told)
            assert_only_looks_on(browser, page_url(bus), cores_url)
        with pytest.raises(nats.errors.NoServersError):
            held(bare)
