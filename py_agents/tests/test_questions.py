"""Questions that take more than one answer, time, or turns: streams, everybody's answers, deadlines, cancellations."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

import msgspec
import nats
import pytest

from hms_a2a import Busy, Disconnected, Internal, Late, Message, NoResponders, Refusal, Refused, TimedOut, Topic, wire
from hms_a2a import _headers as header
from hms_a2a import _subjects as subjects
from hms_a2a import _tracing as tracing
from hms_a2a._alarms import Alarms
from hms_a2a._cancels import _MOST_EARLY, Cancels
from hms_a2a._client import Incoming
from hms_a2a._codec import decode_any
from hms_a2a._memory import Broker as Memory
from hms_a2a._memory import MemoryLink
from hms_a2a._mux import _WAITING, Box

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from nats.aio.msg import Msg

    from conftest import Cores, MakeAgent
    from real_bus import Broker, Eventually


class Ask(msgspec.Struct):
    """A message of an author's own."""

    kilograms: int


class Quote(msgspec.Struct):
    """Its answer."""

    cents: int


QUOTES = Topic("quotes.wheat", Ask, Quote)


async def test_a_topic_has_types(cores: Cores, make_agent: MakeAgent) -> None:
    kenya, ghana = make_agent("kenya"), make_agent("ghana")

    @kenya.on_topic(QUOTES)
    async def quote(message: Message[Ask]) -> Quote:
        return Quote(message.body.kilograms * 20)

    async with kenya, ghana:
        async with ghana.subscribe(QUOTES) as heard:
            assert await ghana.request(QUOTES, Ask(5)) == Quote(100)
            assert (await anext(aiter(heard))).body == Ask(5)
        (answer,) = await ghana.ask_all(QUOTES, Ask(6), timeout_s=5, enough=1)
        assert answer.body == Quote(120)
        async with aclosing(ghana.stream(QUOTES, Ask(7))) as quotes:
            assert [one async for one in quotes] == [Quote(140)]
        with pytest.raises(TypeError, match="is of type Ask, not dict"):
            await ghana.publish(QUOTES, {"kilograms": 5})  # type: ignore[misc]
    with pytest.raises(ValueError, match="not a pattern"):
        Topic("a..b", Ask)


async def test_answers_come_one_by_one(cores: Cores, make_agent: MakeAgent) -> None:
    kenya, ghana = make_agent("kenya"), make_agent("ghana")
    closed: list[int] = []

    @kenya.on_topic("count")
    async def count(message: Message[Any]) -> AsyncIterator[int]:
        try:
            for number in range(message.body):
                yield number
        finally:
            closed.append(message.body)

    @kenya.on_topic("once")
    def once(message: Message[Any]) -> str:
        return "only this"

    @kenya.on_topic("fails")
    async def fails(message: Message[Any]) -> AsyncIterator[int]:
        yield 1
        raise RuntimeError("a secret")

    @kenya.on_topic("slow")
    async def slow(message: Message[Any]) -> AsyncIterator[int]:
        yield 1
        await asyncio.sleep(60)

    async with kenya, ghana:
        assert [one async for one in ghana.stream("count", 2000)] == list(range(2000))
        assert [one async for one in ghana.stream("once", 0)] == ["only this"]
        assert await ghana.request("count", 7) == 0, "whoever asks for one answer gets the first"
        assert closed == [2000, 7]
        failing = ghana.stream("fails", 0)
        assert await anext(failing) == 1
        with pytest.raises(Internal, match="kenya failed to answer"):
            await anext(failing)
        for _ in range(20):  # whichever of the two clocks is first
            with pytest.raises(TimedOut):
                assert [one async for one in ghana.stream("slow", 0, within_s=0.02)] != [], "less than all is no answer"
        with pytest.raises(NoResponders):
            await anext(aiter(ghana.stream("nobody.there", 0)))


async def test_answers_that_do_not_fit_are_told_of() -> None:
    box = Box("inbox")
    for number in range(_WAITING + 1):
        box.put(Incoming("inbox", b"%d" % number, {}, None))
    with pytest.raises(Disconnected, match="too slow"):
        await box.get()


async def test_a_stream_may_be_left(cores: Cores, make_agent: MakeAgent) -> None:
    kenya, ghana = make_agent("kenya"), make_agent("ghana")
    stopped = asyncio.Event()

    @kenya.on_topic("tick")
    async def tick(message: Message[Any]) -> AsyncIterator[int]:
        try:
            for number in range(10**9):
                yield number
                await asyncio.sleep(0.01)
        finally:
            stopped.set()

    async with kenya, ghana:
        async for one in ghana.stream("tick", None):
            if one == 3:
                break
        await asyncio.wait_for(stopped.wait(), 5)
        stopped.clear()
        with pytest.raises(TimedOut):
            async for _ in ghana.stream("tick", None, within_s=0.2):
                pass
        await asyncio.wait_for(stopped.wait(), 5)


async def test_all_are_asked(cores: Cores, make_agent: MakeAgent, caplog: pytest.LogCaptureFixture) -> None:
    bidders = [make_agent(f"bidder-{number}") for number in range(5)]
    asker = make_agent("asker")
    for number, bidder in enumerate(bidders):

        def bid(message: Message[Any], number: int = number) -> int | None:
            if number == 3:
                raise Refusal("not today")
            return None if number == 4 else number * 10

        bidder.on_topic("tender")(bid)
    async with contextlib.AsyncExitStack() as stack:
        for agent in (asker, *bidders):
            await stack.enter_async_context(agent)
        bids = await asker.ask_all("tender", "roof", timeout_s=1)
        assert {(bid.sender, bid.body) for bid in bids} == {(f"bidder-{n}", n * 10) for n in range(3)}
        assert "one answer on tender is left out: 422 not today" in caplog.text
        assert len(await asker.ask_all("tender", "roof", timeout_s=10, enough=2)) == 2
        assert await asker.ask_all("nobody.there", "roof", timeout_s=10) == []


async def test_a_refusal_is_the_authors_word(cores: Cores, make_agent: MakeAgent) -> None:
    kenya, ghana = make_agent("kenya"), make_agent("ghana")

    @kenya.on_topic("buy")
    def buy(message: Message[Any]) -> None:
        raise Refusal("sold out", rule="sold_out", field="wheat")

    async with kenya, ghana:
        with pytest.raises(Refused, match="sold out") as caught:
            await ghana.request("buy", "wheat")
        assert (caught.value.rule, caught.value.field, caught.value.retryable) == ("sold_out", "wheat", False)
    with pytest.raises(ValueError, match="no code"):
        Refusal("", code=418)


async def test_a_deadline_travels(cores: Cores, make_agent: MakeAgent, broker: Broker) -> None:
    """What is asked for a question has no more time than the question has."""
    kenya, ghana, mali = make_agent("kenya"), make_agent("ghana"), make_agent("mali")
    seen: dict[str, int | None] = {}
    stopped = asyncio.Event()

    @kenya.on_topic("relay")
    async def relay(message: Message[Any]) -> Any:
        seen["kenya"] = message.deadline_unix_ms
        return await kenya.request("work", message.body, timeout_s=60)

    @mali.on_topic("work")
    async def work(message: Message[Any]) -> None:
        seen["mali"] = message.deadline_unix_ms
        try:
            await asyncio.sleep(60)
        finally:
            stopped.set()

    async with kenya, ghana, mali:
        with pytest.raises(TimedOut):
            await ghana.request("relay", 1, timeout_s=0.5)
        await asyncio.wait_for(stopped.wait(), 5)
        assert seen["kenya"] is not None
        assert seen["kenya"] == seen["mali"]
        client = await nats.connect(broker.url)
        late = {header.DEADLINE: str(kenya.now_unix_ms - 1)}
        reply = await client.request(subjects.topic("relay"), b"\x01", headers=late, timeout=5)
        await client.close()
        assert reply.headers is not None
        assert reply.headers[header.ERROR_CODE] == str(410)
        assert decode_any(reply.data).code == 410  # type: ignore[attr-defined]
    assert Late.__name__ == "Late"


async def test_a_cancellation_travels(cores: Cores, make_agent: MakeAgent) -> None:
    kenya, ghana, mali = make_agent("kenya"), make_agent("ghana"), make_agent("mali")
    working, stopped = asyncio.Event(), asyncio.Event()

    @kenya.on_topic("relay")
    async def relay(message: Message[Any]) -> Any:
        return await kenya.request("work", message.body, timeout_s=60)

    @mali.on_topic("work")
    async def work(message: Message[Any]) -> None:
        working.set()
        try:
            await asyncio.sleep(60)
        finally:
            stopped.set()

    async with kenya, ghana, mali:
        asking = asyncio.ensure_future(ghana.request("relay", 1, timeout_s=60))
        await asyncio.wait_for(working.wait(), 5)
        asking.cancel()
        await asyncio.wait_for(stopped.wait(), 5)


async def test_a_core_is_told_when_its_job_is_wanted_no_more(
    cores: Cores, make_agent: MakeAgent, broker: Broker, eventually: Eventually
) -> None:
    cancelled: list[str] = []

    async def keep(msg: Msg) -> None:
        cancelled.append(subjects.parse_job_cancel(msg.subject))

    client = await nats.connect(broker.url)
    await client.subscribe(subjects.ALL_JOB_CANCELS, cb=keep)
    await client.flush()
    find = subjects.endpoint("registry", "find")
    cores.deaf[find] = 1
    async with make_agent("kenya") as kenya:
        asking = asyncio.ensure_future(kenya.call("registry.find", wire.Find(), timeout_s=60, job="long-search"))
        await eventually(lambda: cores.of("registry.find"))
        (asked,) = cores.of("registry.find")
        assert asked.headers[header.JOB] == "long-search"
        assert int(asked.headers[header.DEADLINE]) > kenya.now_unix_ms + 50_000
        asking.cancel()
        await eventually(lambda: cancelled == ["long-search"])
        with pytest.raises(ValueError, match="a job's id"):
            await kenya.call("registry.find", wire.Find(), job="no job")
    await client.close()


async def test_a_cancellation_that_comes_first_counts_for_a_while(eventually: Eventually) -> None:
    link = MemoryLink(Memory(), "test")
    await link.open(0)
    cancels = Cancels(link)
    await cancels.listen()
    for number in range(_MOST_EARLY + 10):
        cancels.say(f"job-{number}")
    await eventually(lambda: f"job-{_MOST_EARLY + 9}" in cancels._early)
    assert len(cancels._early) == _MOST_EARLY, "what is remembered has a bound"
    scope = cancels.scope(f"job-{_MOST_EARLY + 9}", 60)
    with scope:
        await asyncio.sleep(60)
    assert scope.stopped
    with (scope := cancels.scope("job-0", 60)):
        await asyncio.sleep(0)
    assert not scope.stopped
    await link.close()


async def test_what_is_stopped_goes_on_behind_it_unless_it_shall_end_altogether() -> None:
    link = MemoryLink(Memory(), "test")
    cancels = Cancels(link)
    went_on: list[str] = []

    async def work(within_s: float) -> None:
        with (scope := cancels.scope("job", within_s)):
            await asyncio.sleep(60)
        assert scope.stopped
        await asyncio.sleep(0)
        went_on.append("job")

    await work(0.01)
    assert went_on == ["job"]
    both = asyncio.ensure_future(work(60))
    await asyncio.sleep(0)
    cancels._scopes["job"].stop()
    both.cancel()
    with pytest.raises(asyncio.CancelledError):
        await both

    async def fail() -> None:
        with cancels.scope("job", 0.01):
            try:
                await asyncio.sleep(60)
            finally:
                raise KeyError("what it says in the end")

    with pytest.raises(KeyError):
        await fail()
    assert went_on == ["job"]
    assert not cancels._scopes


async def test_an_alarm_rings_once_unless_it_is_dropped() -> None:
    alarms = Alarms()
    rung: list[float] = []
    loop = asyncio.get_running_loop()
    began = loop.time()

    def ring() -> None:
        rung.append(loop.time() - began)

    def never() -> None:
        raise AssertionError("it was dropped")

    for after_s in (-1.0, 0.0, 0.03, 0.05):
        alarms.set(after_s, ring)
        alarms.drop(alarms.set(after_s, never), never)
    await asyncio.sleep(0.1)
    assert len(rung) == 4
    assert rung[2] >= 0.03
    assert rung[3] >= 0.05
    assert not alarms._due
    alarms.drop(1, ring)


async def test_a_handler_takes_on_so_much_and_no_more(
    cores: Cores, make_agent: MakeAgent, eventually: Eventually
) -> None:
    kenya, ghana = make_agent("kenya"), make_agent("ghana")
    go, at_work, most, done = asyncio.Event(), 0, 0, 0

    @kenya.on_topic("work", at_once=2, waiting=1)
    async def work(message: Message[Any]) -> str:
        nonlocal at_work, most, done
        at_work += 1
        most = max(most, at_work)
        await go.wait()
        at_work -= 1
        done += 1
        return "done"

    @kenya.on_topic("other")
    def other(message: Message[Any]) -> str:
        return "here"

    async with kenya, ghana:
        asked = [asyncio.ensure_future(ghana.request("work", number)) for number in range(6)]
        await eventually(lambda: sum(one.done() for one in asked) == 3)
        refused = [one.exception() for one in asked if one.done()]
        assert all(isinstance(error, Busy) and error.retry_after_ms for error in refused)
        assert await ghana.request("other", None) == "here", "a handler that is full holds up no other"
        for number in range(20):
            await ghana.publish("work", number)
        await ghana.flush()
        taken = [one for one in asked if not one.done()]
        go.set()
        assert await asyncio.gather(*taken) == ["done"] * 3
        await eventually(lambda: done == 23)
        assert most == 2, "what is only said waits, and is not refused"
    for bad in ({"at_once": 0}, {"at_once": 1, "waiting": -1}):
        with pytest.raises(ValueError, match="at least one"):
            kenya.on_topic("x", **bad)(other)  # type: ignore[arg-type]


async def test_one_of_a_group_hears(cores: Cores, make_agent: MakeAgent, eventually: Eventually) -> None:
    heard: list[str] = []
    workers = [make_agent(f"worker-{number}") for number in range(3)]
    for worker in workers:

        def hear(message: Message[Any], name: str = worker.id) -> None:
            heard.append(name)

        worker.on_topic("jobs", group="workers")(hear)
    async with contextlib.AsyncExitStack() as stack:
        for worker in workers:
            await stack.enter_async_context(worker)
        for number in range(60):
            await workers[0].publish("jobs", number)
        await eventually(lambda: len(heard) == 60)
        await asyncio.sleep(0.05)
    assert len(heard) == 60
    assert len(set(heard)) == 3


# --- traces


async def test_a_trace_travels_without_any_instrument(
    cores: Cores, make_agent: MakeAgent, monkeypatch: pytest.MonkeyPatch, broker: Broker
) -> None:
    monkeypatch.setattr(tracing._open_telemetry, "_api", None)
    monkeypatch.setattr(tracing._open_telemetry, "_records", False)
    monkeypatch.setattr(tracing, "find", lambda: None)
    kenya, ghana = make_agent("kenya"), make_agent("ghana")
    seen: list[str] = []

    @kenya.on_topic("relay")
    async def relay(message: Message[Any]) -> Any:
        return await kenya.request("work", message.body)

    @ghana.on_topic("work")
    def work(message: Message[Any]) -> str:
        return "done"

    client = await nats.connect(broker.url)

    async def keep(msg: Msg) -> None:
        seen.append((msg.headers or {})["traceparent"])

    await client.subscribe(subjects.all_topics("*"), cb=keep)
    await client.flush()
    async with kenya, ghana:
        assert await ghana.request("relay", 1) == "done"
        outer, inner = (one.split("-") for one in seen[:2])
        assert outer[1] == inner[1]
        assert outer[2] != inner[2]
        reply = await client.request(subjects.topic("work"), b"", headers={"traceparent": "rubbish"}, timeout=5)
        assert reply.headers is None or header.ERROR_CODE not in reply.headers
    await client.close()


async def test_spans_are_one_tree(cores: Cores, make_agent: MakeAgent, eventually: Eventually) -> None:
    from opentelemetry import trace
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

    kept = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(kept))
    trace.set_tracer_provider(provider)
    kenya, ghana = make_agent("kenya"), make_agent("ghana")

    @kenya.on_topic("relay")
    async def relay(message: Message[Any]) -> Any:
        with trace.get_tracer("author").start_as_current_span("thinks"):
            return await kenya.request("work", message.body)

    @ghana.on_topic("work")
    def work(message: Message[Any]) -> str:
        return "done"

    async with kenya, ghana:
        kept.clear()
        assert await ghana.request("relay", 1) == "done"
        await eventually(lambda: len(kept.get_finished_spans()) >= 5)
    provider.shutdown()  # it stays for the rest of the run, and keeps nothing more
    spans = {span.name + str(span.kind).rpartition(".")[2]: span for span in kept.get_finished_spans()}
    relayed, worked = subjects.topic("relay"), subjects.topic("work")
    line = [f"{relayed}CLIENT", f"on {relayed}SERVER", "thinksINTERNAL", f"{worked}CLIENT", f"on {worked}SERVER"]
    for above, below in itertools.pairwise(line):
        parent = spans[below].parent
        assert parent is not None
        assert parent.span_id == spans[above].context.span_id, f"{below} lies below {above}"


def test_nothing_is_imported_for_traces_before_an_agent_starts() -> None:
    import subprocess
    import sys

    told = "import sys, hms_a2a; print([name for name in sys.modules if name.startswith(('opentelemetry', 'uvloop'))])"
    done = subprocess.run([sys.executable, "-c", told], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.fixture(autouse=True)
def quiet(caplog: pytest.LogCaptureFixture) -> None:
    """Let the tests see warnings."""
    caplog.set_level(logging.WARNING, "hms_a2a")
