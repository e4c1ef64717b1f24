"""Of which trace a piece of work is part (W3C trace context), and until when whoever asked for it waits.

Both travel: what a handler asks for in turn carries the trace of what it was asked, and its asker's deadline where that
is the earlier one. They live in a context variable, so they follow an author's tasks without being passed along.

Where OpenTelemetry's API is installed, each piece of work is a span of it, and what the author's own instruments record
lies below; without it trace ids travel all the same, for whoever else records. Nothing of it is imported before an
agent starts.
"""

from __future__ import annotations

import contextlib
import re
import secrets
import time
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

#: Whether anybody records is asked again so often; the answer is not for nothing.
_LOOK_EVERY_S = 1.0
_PARENT = re.compile(r"00-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})", re.ASCII)

_traceparent: ContextVar[str | None] = ContextVar("hms_a2a_traceparent", default=None)
_deadline: ContextVar[int | None] = ContextVar("hms_a2a_deadline", default=None)


class _OpenTelemetry:
    """The API of OpenTelemetry, once it is known whether there is one, and whether anybody records."""

    def __init__(self) -> None:
        self._api: Any = None
        self._records = False
        self._look_again_s = 0.0

    def find(self) -> None:
        """Use it from now on, where it is installed."""
        with contextlib.suppress(ImportError):
            from opentelemetry import trace

            self._api = trace
            self._look_again_s = 0.0

    @property
    def trace(self) -> Any:
        """The API where somebody records; None where it would be spans for nobody."""
        if self._api is not None and not self._records and time.monotonic() >= self._look_again_s:
            self._records = not isinstance(self._api.get_tracer_provider(), self._api.ProxyTracerProvider)
            self._look_again_s = time.monotonic() + _LOOK_EVERY_S
        return self._api if self._records else None


_open_telemetry = _OpenTelemetry()
find = _open_telemetry.find


def deadline_unix_ms() -> int | None:
    """Until when whoever asked for the work at hand waits; None where nobody said."""
    return _deadline.get()


def outgoing() -> str:
    """The `traceparent` of a message that goes out now."""
    trace = _open_telemetry.trace
    if trace is not None:
        here = _written(trace.get_current_span().get_span_context())
        if here is not None:
            return here
    return _child(_traceparent.get())


@contextlib.contextmanager
def at_work(name: str, traceparent: str | None = None, deadline: int | None = None) -> Iterator[None]:
    """Do a piece of work that a message asked for: of its trace, and for as long as its asker waits."""
    with _span(name, "CONSUMER" if deadline is None else "SERVER", traceparent) as here:
        tokens = _traceparent.set(here), _deadline.set(deadline)
        try:
            yield
        finally:
            _traceparent.reset(tokens[0])
            _deadline.reset(tokens[1])


@contextlib.contextmanager
def asking(name: str) -> Iterator[None]:
    """Ask somebody, and wait for the answer."""
    if _open_telemetry.trace is None:
        yield
        return
    with _span(name, "CLIENT", None):
        yield


@contextlib.contextmanager
def _span(name: str, kind: str, parent: str | None) -> Iterator[str]:
    """A span, and its `traceparent`. What has no parent of its own goes below what is current here."""
    trace = _open_telemetry.trace
    if trace is None:
        yield _child(parent)
        return
    context = _remote(trace, parent)
    with trace.get_tracer("hms_a2a").start_as_current_span(name, context=context, kind=trace.SpanKind[kind]) as span:
        yield _written(span.get_span_context()) or _child(parent)


def _remote(trace: Any, parent: str | None) -> Any:
    found = _PARENT.fullmatch(parent or "")
    if found is None:
        return None
    remote = trace.SpanContext(
        int(found[1], 16), int(found[2], 16), is_remote=True, trace_flags=trace.TraceFlags(int(found[3], 16))
    )
    return trace.set_span_in_context(trace.NonRecordingSpan(remote))


def _written(context: Any) -> str | None:
    if not context.is_valid:
        return None
    return f"00-{context.trace_id:032x}-{context.span_id:016x}-{int(context.trace_flags):02x}"


def _child(parent: str | None) -> str:
    """A new span of the parent's trace, or of a new one."""
    found = _PARENT.fullmatch(parent or "")
    of, flags = (found[1], found[3]) if found else (secrets.token_hex(16), "01")
    return f"00-{of}-{secrets.token_hex(8)}-{flags}"
