"""Of which trace a piece of work is part (W3C trace context), and until when whoever asked for it waits.

Both travel: what a handler asks for in turn carries the trace of what it was asked, and its asker's deadline where that
is the earlier one. They live in a context variable, so they follow an author's tasks without being passed along.

Where OpenTelemetry's API is installed, each piece of work is a span of it, and what the author's own instruments record
lies below; without it trace ids travel all the same, for whoever else records. Nothing of it is imported before an
agent starts.
"""

from __future__ import annotations

import contextlib
import random
import re
import time
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

#: Whether anybody records is asked again so often; the answer is not for nothing.
_LOOK_EVERY_S = 1.0
_PARENT = re.compile(r"00-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})", re.ASCII)

#: Ids of traces must differ, and need not be hard to guess.
_ids = random.Random()  # noqa: S311

_work: ContextVar[_Work | None] = ContextVar("hms_a2a_work", default=None)


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


_NOTHING = contextlib.nullcontext()
_open_telemetry = _OpenTelemetry()
find = _open_telemetry.find


def deadline_unix_ms() -> int | None:
    """Until when whoever asked for the work at hand waits; None where nobody said."""
    work = _work.get()
    return work.deadline if work is not None else None


def outgoing() -> str:
    """The `traceparent` of a message that goes out now."""
    trace = _open_telemetry.trace
    if trace is not None:
        here = _written(trace.get_current_span().get_span_context())
        if here is not None:
            return here
    work = _work.get()
    if work is not None and not _PARENT.fullmatch(work.traceparent or ""):
        work.traceparent = _child(None)  # what else goes out for this work is of the same trace
    return _child(work.traceparent if work is not None else None)


@contextlib.contextmanager
def caused_by(traceparent: str | None) -> Iterator[None]:
    """Have what is begun here be of this trace, where it is one."""
    if _PARENT.fullmatch(traceparent or "") is None:
        yield
        return
    trace = _open_telemetry.trace
    token = _work.set(_Work("caused", traceparent, deadline_unix_ms()))
    try:
        with _NOTHING if trace is None else trace.use_span(_remote(trace, traceparent)):
            yield
    finally:
        _work.reset(token)


def at_work(name: str, traceparent: str | None = None, deadline: int | None = None, *, answers: bool = False) -> _Work:
    """Do a piece of work that a message asked for: of its trace, and for as long as its asker waits.

    Somebody waits where there is a deadline, and where it `answers`.
    """
    return _Work(name, traceparent, deadline, answers=answers)


class _Work:
    """A piece of work, for ``with``. No generator: every message that is heard goes through it."""

    __slots__ = ("_kind", "_name", "_span", "_token", "deadline", "traceparent")

    def __init__(self, name: str, traceparent: str | None, deadline: int | None, *, answers: bool = False) -> None:
        self._name = name
        self._kind = "SERVER" if answers or deadline is not None else "CONSUMER"
        self.deadline = deadline
        #: What its messages go below: its own span or, where nobody records that, what asked for it.
        self.traceparent = traceparent
        self._span: contextlib.AbstractContextManager[str] | None = None

    def __enter__(self) -> None:
        if _open_telemetry.trace is not None:
            self._span = _span(self._name, self._kind, self.traceparent)
            self.traceparent = self._span.__enter__()
        elif self.traceparent is None and (above := _work.get()) is not None:
            self.traceparent = above.traceparent
        self._token = _work.set(self)

    def __exit__(self, *error: Any) -> None:
        _work.reset(self._token)
        if self._span is not None:
            self._span.__exit__(*error)


def asking(name: str) -> contextlib.AbstractContextManager[object]:
    """Ask somebody, and wait for the answer."""
    return _NOTHING if _open_telemetry.trace is None else _span(name, "CLIENT", None)


@contextlib.contextmanager
def _span(name: str, kind: str, parent: str | None) -> Iterator[str]:
    """A span, and its `traceparent`. What has no parent of its own goes below what is current here."""
    trace = _open_telemetry.trace
    remote = _remote(trace, parent)
    context = None if remote is None else trace.set_span_in_context(remote)
    with trace.get_tracer("hms_a2a").start_as_current_span(name, context=context, kind=trace.SpanKind[kind]) as span:
        yield _written(span.get_span_context()) or _child(parent)


def _remote(trace: Any, parent: str | None) -> Any:
    """The span that a header names, somebody else's; None where it names none."""
    found = _PARENT.fullmatch(parent or "")
    if found is None:
        return None
    remote = trace.SpanContext(
        int(found[1], 16), int(found[2], 16), is_remote=True, trace_flags=trace.TraceFlags(int(found[3], 16))
    )
    return trace.NonRecordingSpan(remote)


def _written(context: Any) -> str | None:
    if not context.is_valid:
        return None
    return f"00-{context.trace_id:032x}-{context.span_id:016x}-{int(context.trace_flags):02x}"


def _child(parent: str | None) -> str:
    """A new span of the parent's trace, or of a new one."""
    found = _PARENT.fullmatch(parent) if parent else None
    if found:
        return f"00-{found[1]}-{_ids.randbytes(8).hex()}-{found[3]}"
    return f"00-{_ids.randbytes(16).hex()}-{_ids.randbytes(8).hex()}-01"
