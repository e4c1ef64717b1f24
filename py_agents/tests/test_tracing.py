"""Traces: what is part of what, when spans are exported, and what is said where they are not."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from hms_a2a import _tracing as tracing
from hms_a2a._exporting import _is_wanted, exported

if TYPE_CHECKING:
    from collections.abc import Mapping

AT = "http://127.0.0.1:4318"
TRACE = "0af7651916cd43dd8448eb211c80319c"


@pytest.fixture(autouse=True)
def _clean(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("TRACES_EXPORTER", "EXPORTER_OTLP_ENDPOINT", "EXPORTER_OTLP_PROTOCOL"):
        monkeypatch.delenv(f"OTEL_{name}", raising=False)


@pytest.mark.parametrize(
    ("environment", "wanted", "said"),
    [
        ({}, False, ""),
        ({"EXPORTER_OTLP_ENDPOINT": AT}, True, ""),
        ({"EXPORTER_OTLP_TRACES_ENDPOINT": AT}, True, ""),
        ({"TRACES_EXPORTER": "otlp"}, True, ""),
        ({"EXPORTER_OTLP_ENDPOINT": AT, "TRACES_EXPORTER": "none"}, False, ""),
        ({"TRACES_EXPORTER": "console"}, False, "OTEL_TRACES_EXPORTER is console"),
        (
            {"EXPORTER_OTLP_ENDPOINT": AT, "EXPORTER_OTLP_PROTOCOL": "grpc"},
            False,
            "OTEL_EXPORTER_OTLP_PROTOCOL is grpc",
        ),
        ({"EXPORTER_OTLP_PROTOCOL": "grpc"}, False, ""),
    ],
)
def test_spans_are_exported_where_a_collector_is_named(
    environment: Mapping[str, str],
    wanted: bool,
    said: str,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(f"OTEL_{name}", value)
    assert _is_wanted() is wanted
    assert said in caplog.text
    assert bool(said) is bool(caplog.text)


def test_without_the_exporter_the_work_goes_on(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", AT)
    monkeypatch.setitem(sys.modules, "opentelemetry.exporter.otlp.proto.http.trace_exporter", None)
    done = False
    with exported("nobody"):
        done = True
    assert done
    assert "hms-a2a[otlp]" in caplog.text


def test_what_is_done_about_news_is_of_the_trace_of_what_it_tells_of() -> None:
    def trace_id() -> str:
        return tracing.outgoing().split("-")[1]

    with tracing.caused_by(f"00-{TRACE}-b7ad6b7169203331-01"):
        assert trace_id() == TRACE
        with tracing.at_work("heeds it"):
            assert trace_id() == TRACE
            with tracing.at_work("is asked something else", "00-" + "1" * 32 + "-b7ad6b7169203331-01"):
                assert trace_id() == "1" * 32
        for none in (None, "rubbish"):
            with tracing.caused_by(none):
                assert trace_id() == TRACE
    assert trace_id() != TRACE
