"""A set-up is broken in each way that `hms doctor` knows, and it says which, and how to mend it."""

from __future__ import annotations

import json
import re
import socket
import subprocess
import threading
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, NamedTuple

import nats
import pytest

from by_hand import Hand, accepted, hms, node
from real_bus import Broker, find_server, free_port, hms_up, wait_for_port

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class Seen(NamedTuple):
    """What the doctor said."""

    code: int
    findings: list[dict[str, Any]]

    def of(self, check: str) -> list[dict[str, Any]]:
        """What it found by one check."""
        return [finding for finding in self.findings if finding["check"] == check]

    def named(self, check: str, level: str, words: str) -> bool:
        """Whether it says this, and, unless all is well, how to mend it."""
        return any(
            found["level"] == level and words in found["seen"] and ("mend" in found) == (level != "ok")
            for found in self.of(check)
        )


def doctor(home: Path, *arguments: str) -> Seen:
    """What `hms doctor` says, which is the same for people and for programs."""
    done = hms(home, "doctor", "--json", *arguments)
    findings = [json.loads(line) for line in done.stdout.splitlines()]
    assert findings, f"{done.returncode}: {done.stderr}"
    return Seen(done.returncode, findings)


@contextmanager
def broker_of(folder: Path, more: str) -> Iterator[str]:
    """A broker of this configuration; its URL."""
    port = free_port()
    config = folder / "broker.conf"
    config.write_text(f'host: "127.0.0.1"\nport: {port}\n{more}\n')
    process = subprocess.Popen([find_server(), "-c", str(config), "-l", str(folder / "broker.log")])
    try:
        wait_for_port(port)
        yield f"nats://127.0.0.1:{port}"
    finally:
        process.kill()
        process.wait()


def test_a_whole_bus_is_well_and_lazy_about_the_disk(tmp_path: Path) -> None:
    with hms_up(tmp_path, "--port", str(free_port()), "--monitor-port", "0") as bus:
        seen = doctor(tmp_path, "--dir", str(bus.folder))
        assert seen.code == 0, seen.findings
        assert {found["level"] for found in seen.findings} == {"ok"}, seen.findings
        assert seen.named("folder", "ok", f"process {bus.pid}"), seen.findings
        assert seen.named("durability", "ok", "every 120 s"), seen.findings
        checks = ["folder", "broker", "clock", "jetstream", "durability", "streams", "dlq", "ledger_lag", "proof_lag"]
        assert [found["check"] for found in seen.findings] == [*checks, "services"]
        done = hms(tmp_path, "doctor", "--nats", bus.url)
        assert done.returncode == 0
        told = rf"^ok +broker +nats-server .* at {re.escape(bus.url)} \(as --nats says\)$"
        assert re.search(told, done.stdout, re.MULTILINE), done.stdout
        insisting = doctor(tmp_path, "--dir", str(bus.folder), "--durable")
        assert insisting.code == 1
        assert insisting.named("durability", "bad", "a power cut loses"), insisting.findings


def test_no_bus(tmp_path: Path) -> None:
    url = f"nats://127.0.0.1:{free_port()}"
    seen = doctor(tmp_path, "--nats", url)
    assert seen.code == 69
    assert seen.named("broker", "bad", f"no NATS server answers at {url}"), seen.findings
    assert len(seen.findings) == 1


def test_a_context_that_cannot_be_read(tmp_path: Path) -> None:
    contexts = tmp_path / ".config" / "nats" / "context"
    contexts.mkdir(parents=True)
    (contexts / "prod.json").write_text('{"url": nats://prod')
    for arguments in (["--context", "prod"], ["--context", "nowhere"]):
        seen = doctor(tmp_path, *arguments)
        assert seen.code == 2
        assert seen.named("context", "bad", arguments[1]), seen.findings


def test_a_login_that_is_refused(tmp_path: Path) -> None:
    with broker_of(tmp_path, "authorization { token: secret }") as url:
        seen = doctor(tmp_path, "--nats", url)
    assert seen.code == 69
    assert seen.named("broker", "bad", "refused the login"), seen.findings


def test_a_broker_that_is_too_old(tmp_path: Path) -> None:
    with old_broker() as url:
        seen = doctor(tmp_path, "--nats", url)
    assert seen.code == 1
    assert seen.named("broker", "bad", "nats-server 2.9.10"), seen.findings
    assert len(seen.findings) == 1


def test_a_broker_without_jetstream(tmp_path: Path) -> None:
    with broker_of(tmp_path, "") as url:
        seen = doctor(tmp_path, "--nats", url)
    assert seen.code == 1
    assert seen.named("broker", "ok", "nats-server 2."), seen.findings
    assert seen.named("jetstream", "bad", "JetStream does not serve this account"), seen.findings
    assert not seen.of("streams")


async def test_streams_that_are_missing_or_were_changed(broker: Broker, tmp_path: Path) -> None:
    seen = doctor(tmp_path, "--nats", broker.url)
    assert seen.code == 1
    assert seen.named("streams", "bad", "none of the 14 streams and buckets is there"), seen.findings
    assert seen.named("services", "bad", "no core is at work"), seen.findings
    assert hms(tmp_path, "provision", "--nats", broker.url).returncode == 0
    assert doctor(tmp_path, "--nats", broker.url).named("streams", "ok", "as they should be")
    async with await nats.connect(broker.url) as client:
        about = json.loads((await client.request("$JS.API.STREAM.INFO.HMS_MARKET")).data)
        config = json.dumps(about["config"] | {"max_msgs_per_subject": 5}).encode()
        assert "error" not in json.loads((await client.request("$JS.API.STREAM.UPDATE.HMS_MARKET", config)).data)
        assert "error" not in json.loads((await client.request("$JS.API.STREAM.DELETE.KV_HMS_AGENTS")).data)
    changed = doctor(tmp_path, "--nats", broker.url)
    assert changed.named("streams", "bad", "max_msgs_per_subject is 5 and should be 1"), changed.findings
    assert changed.named("streams", "bad", "KV_HMS_AGENTS is missing"), changed.findings
    assert len(changed.of("streams")) == 2


def test_cores_that_are_missing(broker: Broker, tmp_path: Path) -> None:
    assert hms(tmp_path, "provision", "--nats", broker.url).returncode == 0
    with node(tmp_path, broker.url, "registry,graph"):
        seen = doctor(tmp_path, "--nats", broker.url)
    assert seen.code == 1
    for core, without in (("deal", "no deal can be opened"), ("ledger", "nothing is committed")):
        assert seen.named("services", "bad", f"nobody answers as {core}: {without}"), seen.findings
    assert seen.named("prover", "warning", "deals that require proof are refused"), seen.findings
    assert seen.named("maker", "warning", "nobody clears"), seen.findings
    assert not any("registry:" in found["seen"] or "graph:" in found["seen"] for found in seen.findings)


def test_a_bus_without_provers_works_and_is_warned_of(tmp_path: Path) -> None:
    with hms_up(tmp_path, "--port", str(free_port()), "--monitor-port", "0", "--provers", "0", "--sync-always") as bus:
        seen = doctor(tmp_path, "--dir", str(bus.folder), "--durable")
        assert seen.code == 0
        assert seen.named("prover", "warning", "nobody answers as gtp"), seen.findings
        assert seen.named("durability", "ok", "forced to the disk before"), seen.findings
        bus.kill()
        killed = doctor(tmp_path, "--dir", str(bus.folder), "--nats", bus.url)
        assert killed.code == 1
        assert killed.named("folder", "bad", "was killed and left its broker"), killed.findings
        assert killed.named("services", "bad", "no core is at work"), killed.findings
        assert hms(tmp_path, "down", "--dir", str(bus.folder)).returncode == 0


async def test_a_disk_that_is_nearly_full(tmp_path: Path) -> None:
    monitor = free_port()
    store = json.dumps(str(tmp_path / "store"))
    small = f'http: "127.0.0.1:{monitor}"\njetstream {{ store_dir: {store}, max_file_store: 4MB }}'
    with broker_of(tmp_path, small) as url:
        assert hms(tmp_path, "provision", "--nats", url).returncode == 0
        page = ["--monitor", f"http://127.0.0.1:{monitor}"]
        assert doctor(tmp_path, "--nats", url, *page).named("jetstream", "ok", "4")
        async with await nats.connect(url) as client:
            for _ in range(7):
                await client.jetstream().publish("hms.v1.inbox.kenya", bytes(500_000))
            filling = doctor(tmp_path, "--nats", url, *page)
            assert filling.named("jetstream", "warning", "filling up"), filling.findings
            await client.jetstream().publish("hms.v1.inbox.kenya", bytes(500_000))
        seen = doctor(tmp_path, "--nats", url, *page)
    assert seen.code == 1
    assert seen.named("jetstream", "bad", "nearly full"), seen.findings


def test_a_monitoring_page_that_is_not_there(broker: Broker, tmp_path: Path) -> None:
    seen = doctor(tmp_path, "--nats", broker.url, "--monitor", f"http://127.0.0.1:{free_port()}", "--durable")
    assert seen.named("monitor", "warning", "does not answer"), seen.findings


def test_a_broker_that_says_that_it_is_not_well(broker: Broker, tmp_path: Path) -> None:
    def serve(connection: socket.socket) -> None:
        with connection, suppress(OSError):
            connection.recv(65536)
            connection.sendall(b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n")

    with listening(serve) as port:
        seen = doctor(tmp_path, "--nats", broker.url, "--monitor", f"http://127.0.0.1:{port}")
    assert seen.named("broker", "bad", f"http://127.0.0.1:{port}/healthz that it is not well"), seen.findings


async def test_dead_letters(broker: Broker, tmp_path: Path) -> None:
    assert hms(tmp_path, "provision", "--nats", broker.url).returncode == 0
    assert doctor(tmp_path, "--nats", broker.url).named("dlq", "ok", "no dead letters")
    async with await nats.connect(broker.url) as client:
        headers = {"Hms-Dlq-Reason": "the body can't be read"}
        await client.jetstream().publish("hms.v1.dlq.maker", b"?", headers=headers)
    seen = doctor(tmp_path, "--nats", broker.url)
    assert seen.named("dlq", "warning", "1 dead letters"), seen.findings
    assert seen.named("dlq", "warning", "maker's: the body can't be read"), seen.findings


def test_a_ledger_that_does_not_answer_certified_deals(broker: Broker, tmp_path: Path) -> None:
    assert hms(tmp_path, "provision", "--nats", broker.url).returncode == 0
    with node(tmp_path, broker.url, "registry,deal"):
        accepted(Hand(tmp_path, broker.url), "nobody")
        assert doctor(tmp_path, "--nats", broker.url).named("ledger_lag", "ok", "1 of 1 deals wait for the ledger")
        time.sleep(6)
        seen = doctor(tmp_path, "--nats", broker.url)
        assert seen.named("ledger_lag", "warning", "1 of 1 deals wait for the ledger"), seen.findings
        assert seen.named("proof_lag", "ok", "none of 1 deals waits for proof"), seen.findings


@pytest.mark.parametrize(("year", "way"), [(-1, "ahead of"), (1, "behind")])
def test_clocks_that_differ(broker: Broker, tmp_path: Path, year: int, way: str) -> None:
    with other_year(broker.port, year) as url:
        seen = doctor(tmp_path, "--nats", url)
    assert seen.code == 1
    assert seen.named("clock", "bad", f"{way} the broker's"), seen.findings


@contextmanager
def old_broker() -> Iterator[str]:
    """A broker that introduces itself as one of 2022, and knows nothing of what came later."""
    about = {"server_id": "OLD", "version": "2.9.10", "proto": 1, "headers": True, "max_payload": 1048576}

    def serve(connection: socket.socket) -> None:
        with connection, suppress(OSError):
            connection.sendall(b"INFO " + json.dumps(about).encode() + b"\r\n")
            while said := connection.recv(65536):
                if b"PING" in said:
                    connection.sendall(b"PONG\r\n")

    with listening(serve) as port:
        yield f"nats://127.0.0.1:{port}"


@contextmanager
def other_year(port: int, shift: int) -> Iterator[str]:
    """A way to a broker whose clock, as it tells it, is years off."""
    this = time.gmtime().tm_year
    true, told = (f'"time":"{year}-'.encode() for year in (this, this + shift))

    def serve(connection: socket.socket) -> None:
        with connection, suppress(OSError), socket.create_connection(("127.0.0.1", port)) as server:
            upward = threading.Thread(target=carry, args=(connection, server, b"", b""), daemon=True)
            upward.start()
            carry(server, connection, true, told)

    with listening(serve) as own:
        yield f"nats://127.0.0.1:{own}"


def carry(source: socket.socket, target: socket.socket, was: bytes, becomes: bytes) -> None:
    """Hand on what comes until either side is gone, with one word for another of its length."""
    try:
        while said := source.recv(65536):
            target.sendall(said.replace(was, becomes) if was else said)
        target.shutdown(socket.SHUT_WR)
    except OSError:
        return


@contextmanager
def listening(serve: Any) -> Iterator[int]:
    """Somebody who serves each connection on a thread of its own; the port."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def accept() -> None:
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                threading.Thread(target=serve, args=(connection,), daemon=True).start()

        threading.Thread(target=accept, daemon=True).start()
        yield int(server.getsockname()[1])
