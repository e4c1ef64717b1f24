"""Traces: what one deal causes is one tree, from a Python agent through desk, ledger and prover and back.

The collector is the test's own. Nothing is asked of it before every process has ended, so what it has was sent in time.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, NamedTuple

import msgspec
import nats
import pytest
from nats.errors import NoRespondersError
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.trace.v1.trace_pb2 import Span as Sent

from hms_a2a import _subjects as subjects
from real_bus import free_port, hms_up

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

WITHIN_S = 60.0
TRADE = subjects.topic("traced.trade")
TRADERS = """
from hms_a2a import Agent, Give, Want

kenya, ghana = Agent("kenya"), Agent("ghana")
kenya.join("traced", gives=[Give("tea", 100, cost=10)], wants=[Want("cocoa", 100, value=30)])
ghana.join("traced", gives=[Give("cocoa", 100, cost=10)], wants=[Want("tea", 100, value=30)])
agents = [kenya, ghana]


@kenya.on_topic("traced.trade")
async def trade(message):
    goods = {"gives": {"tea": 10}, "takes": {"cocoa": 10}}
    deal = await kenya.offer(ghana.id, book="traced", requires=["win_win"], **goods)
    return [deal.id, await deal.ended()]
"""


class Span(NamedTuple):
    """A span, as far as it matters here."""

    service: str
    name: str
    trace: bytes
    id: bytes
    parent: bytes
    kind: str
    subject: str


class Collector:
    """Takes spans over HTTP, as protobuf."""

    def __init__(self) -> None:
        self.spans: list[Span] = []
        spans = self.spans

        class Taker(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                good = self.path == "/v1/traces" and self.headers["Content-Type"] == "application/x-protobuf"
                if good:
                    spans.extend(read(ExportTraceServiceRequest.FromString(body)))
                self.send_response(200 if good else 400)
                self.send_header("Content-Type", "application/x-protobuf")
                self.end_headers()
                self.wfile.write(ExportTraceServiceResponse().SerializeToString())

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 # its caller names it so
                """Nobody reads it."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Taker)
        self._thread = threading.Thread(target=self._server.serve_forever)
        self._thread.start()

    @property
    def environment(self) -> dict[str, str]:
        """What a process is told of it."""
        return {"OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{self._server.server_port}"}

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


def read(request: ExportTraceServiceRequest) -> Iterator[Span]:
    for resource in request.resource_spans:
        service = next(one.value.string_value for one in resource.resource.attributes if one.key == "service.name")
        for scope in resource.scope_spans:
            for span in scope.spans:
                about = {one.key: one.value.string_value for one in span.attributes}
                subject = about.get("messaging.destination.name", "")
                kind = Sent.SpanKind.Name(span.kind).removeprefix("SPAN_KIND_")
                yield Span(service, span.name, span.trace_id, span.span_id, span.parent_span_id, kind, subject)


@pytest.fixture
def collector() -> Iterator[Collector]:
    own = Collector()
    yield own
    own.close()


async def trade(url: str) -> tuple[str, str]:
    """Have kenya make a deal, once she is there; the deal, and how it ended."""
    client = await nats.connect(url)
    try:
        async with asyncio.timeout(WITHIN_S):
            while True:
                try:
                    reply = await client.request(TRADE, msgspec.msgpack.encode(None), timeout=WITHIN_S)
                except NoRespondersError:
                    await asyncio.sleep(0.1)
                else:
                    return msgspec.msgpack.decode(reply.data, type=tuple[str, str])
    finally:
        await client.close()


def test_a_deal_is_one_tree_across_processes_and_languages(tmp_path: Path, collector: Collector) -> None:
    ports = ("--port", str(free_port()), "--monitor-port", "0", "--no-maker")
    (tmp_path / "traders.py").write_text(TRADERS)
    with hms_up(tmp_path / "bus", *ports, login=collector.environment) as bus:
        bus.declare_market("traced", ["tea", "cocoa"])
        own = {"NATS_URL": bus.url, "HMS_HOME": str(tmp_path / "keys"), "OTEL_SERVICE_NAME": "traders"}
        command = [sys.executable, "-m", "hms_a2a.run", "run", "traders:agents"]
        with (tmp_path / "traders.log").open("wb") as log:
            traders = subprocess.Popen(
                command, cwd=tmp_path, env=os.environ | own | collector.environment, stdout=log, stderr=log
            )
        try:
            deal, ended = asyncio.run(trade(bus.url))
        finally:
            traders.terminate()
            assert traders.wait(30) == 0, (tmp_path / "traders.log").read_text()
    assert ended == "settled"

    root = next(span for span in collector.spans if span.name == f"on {TRADE}")
    tree = {span.id: span for span in collector.spans if span.trace == root.trace}
    assert [span for span in tree.values() if not span.parent] == [root]
    assert {span.parent for span in tree.values() if span.parent} <= tree.keys(), "every parent is known"
    assert {span.service for span in tree.values()} == {"traders", "hms", "hms-prover"}
    elsewhere = [span for span in collector.spans if deal in span.subject + span.name and span.trace != root.trace]
    assert elsewhere == [], "whatever names the deal is of its trace"

    def above(span: Span) -> list[str]:
        line = []
        while span.parent:
            span = tree[span.parent]
            line.append(span.name)
        return line

    def only(name: str, kind: str) -> Span:
        (found,) = (span for span in tree.values() if (span.name, span.kind) == (name, kind))
        return found

    opened, committed = only("deal open", "SERVER"), only("ledger deal.event", "CONSUMER")
    assert above(opened)[-1] == root.name
    assert sum(span.name == "deal accept" for span in tree.values()) == 2
    proved = [span for span in tree.values() if (span.service, span.name) == ("hms-prover", "gtp prove")]
    assert proved
    for span in proved:
        assert span.kind == "SERVER"
        assert above(span)[0] == "gtp.prove"
        assert "deal accept" in above(span)
    assert above(committed)[0] in ("deal accept", "deal gate")
    heard = [span for span in tree.values() if span.name == "deal committed"]
    assert len(heard) == 2
    assert all(above(span)[0] == committed.name for span in heard), "what the ledger says comes back to the agents"
    confirmed = [span for span in tree.values() if span.name == "deal confirm"]
    assert len(confirmed) == 2
    assert all("deal committed" in above(span) for span in confirmed)
