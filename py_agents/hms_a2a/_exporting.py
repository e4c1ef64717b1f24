"""Exporting the spans of a process to a collector, where the environment names one (OTLP over HTTP).

For the programs of this package; the variables are OpenTelemetry's own. Whoever sets OpenTelemetry up by other means,
in code or with its `opentelemetry-instrument`, is left alone.
"""

from __future__ import annotations

import contextlib
import logging
import os
from typing import TYPE_CHECKING, Any

from hms_a2a import _tracing as tracing

if TYPE_CHECKING:
    from collections.abc import Iterator

_log = logging.getLogger("hms_a2a")

_PROTOCOL = "http/protobuf"


@contextlib.contextmanager
def exported(service: str) -> Iterator[None]:
    """Export what is recorded meanwhile, under this name unless `OTEL_SERVICE_NAME` says another."""
    provider = _provider(service) if _is_wanted() else None
    try:
        yield
    finally:
        if provider is not None:
            provider.shutdown()


def _is_wanted() -> bool:
    exporter = os.environ.get("OTEL_TRACES_EXPORTER") or ("otlp" if _says("ENDPOINT") else "none")
    if exporter != "otlp":
        if exporter != "none":
            _log.warning("OTEL_TRACES_EXPORTER is %s; there are otlp and none: no traces are exported", exporter)
        return False
    protocol = _says("PROTOCOL") or _PROTOCOL
    if protocol != _PROTOCOL:
        _log.warning("OTEL_EXPORTER_OTLP_PROTOCOL is %s, and not %s: no traces are exported", protocol, _PROTOCOL)
    return protocol == _PROTOCOL


def _says(name: str) -> str | None:
    """What the environment says for traces alone, or for everything."""
    return os.environ.get(f"OTEL_EXPORTER_OTLP_TRACES_{name}") or os.environ.get(f"OTEL_EXPORTER_OTLP_{name}")


def _provider(service: str) -> Any:
    try:
        from opentelemetry import trace
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import SERVICE_NAME, OTELResourceDetector, Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ImportError as error:
        _log.warning("no traces are exported: %s; `pip install 'hms-a2a[otlp]'` brings it", error)
        return None
    if not isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider):
        return None
    named = Resource({SERVICE_NAME: service}).merge(OTELResourceDetector().detect())
    provider = TracerProvider(resource=Resource.create().merge(named))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    trace.set_tracer_provider(provider)
    tracing.find()
    return provider
