"""The examples of the crate `swarm` that are agents as one object, as docs/rust.md says, alone and with Python."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import subprocess
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import pytest

from hms_a2a import Agent, BadMessage, JobFailed, Message, Refusal, Topic, negotiation, wire

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from hms_a2a import Deal, Result, Work
    from real_bus import Bus

EXAMPLES = Path(__file__).resolve().parents[2] / "target" / "release" / "examples"
WITHIN_S = 40.0


class Hello(msgspec.Struct, tag="hello"):
    name: str


class Greeting(msgspec.Struct, tag="greeting"):
    text: str


def command(name: str, *arguments: str) -> list[str]:
    """How an example is started; without it tests say so."""
    example = EXAMPLES / name
    if not example.exists():
        assert not os.environ.get("CI"), f"{example} is not built"
        pytest.skip(f"NOT TESTED: {example} is not built (cargo build --workspace --release --examples)")
    return [str(example), *arguments]


def environment(bus: Bus, home: Path | None = None) -> dict[str, str]:
    return os.environ | {"NATS_URL": bus.url, "HMS_HOME": str(home or bus.folder)}


def run(bus: Bus, name: str, *arguments: str, home: Path | None = None) -> tuple[int, str]:
    """Run an example to its end: its exit code, and what it says."""
    out = subprocess.PIPE
    done = subprocess.run(
        command(name, *arguments), env=environment(bus, home), stdout=out, stderr=subprocess.STDOUT, timeout=WITHIN_S
    )
    return done.returncode, done.stdout.decode()


@contextmanager
def started(bus: Bus, says: str, name: str, *arguments: str) -> Iterator[None]:
    """An example that stays, from the moment that it says this until Ctrl-C."""
    process = subprocess.Popen(
        command(name, *arguments), env=environment(bus), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    assert process.stdout is not None
    try:
        said = ""
        while not re.search(says, said):
            line = process.stdout.readline()
            assert line, f"it ended without {says!r}: {said}"
            said += line
        yield
        process.send_signal(signal.SIGINT)
        rest, _ = process.communicate(timeout=WITHIN_S)
        assert process.returncode == 0, rest
    finally:
        process.kill()
        process.communicate()


@pytest.fixture(scope="module")
def greeted(bus: Bus) -> Iterator[str]:
    """The topic that an agent in Rust answers on."""
    with started(bus, "answers on rust.greet", "greeter", "rust-greeter", "--topic", "rust.greet"):
        yield "rust.greet"


async def test_python_asks_rust(bus: Bus, greeted: str) -> None:
    greet = Topic(greeted, Hello, Greeting)
    async with Agent("python-asks-greeter", servers=bus.url, home=bus.folder) as asker:
        assert await asker.request(greet, Hello("Ada")) == Greeting("Hello Ada")
        for body, field in [(Hello(""), "name"), ({"type": "hello", "name": 7}, "name"), ({"name": "Ada"}, "type")]:
            with pytest.raises(BadMessage) as bad:
                await asker.request(greeted, body)
            assert bad.value.field == field
        (here,) = await asker.find("rust-greeter")
        assert [subject.endswith(greeted) for subject in here.subjects] == [True]


async def test_python_has_a_stream_of_rust(bus: Bus, greeted: str) -> None:
    greet = Topic(greeted, Hello, Greeting)
    async with Agent("python-has-it-all", servers=bus.url, home=bus.folder) as asker:
        said = [greeting.text async for greeting in asker.stream(greet, Hello("Ada"))]
        assert said == ["Hello Ada", "Hello again Ada", "Hello for the last time Ada"]
        (answer,) = await asker.ask_all(greet, Hello("Ada"), enough=1)
        assert (answer.body, answer.sender) == (Greeting("Hello Ada"), "rust-greeter")


def test_rust_has_a_stream_of_rust(bus: Bus, greeted: str) -> None:
    code, said = run(bus, "greeter", "rust-asker", "--topic", greeted, "--ask", "Ada", "--times", "2")
    assert (code, said) == (0, "Hello Ada\nHello again Ada\n")


async def test_rust_has_a_stream_of_python(bus: Bus) -> None:
    python = Agent("python-streams", servers=bus.url, home=bus.folder)
    senders: list[str | None] = []

    @python.on_topic(Topic("python.stream", Hello, Greeting))
    async def greet(message: Message[Hello]) -> AsyncIterator[Greeting]:
        senders.append(message.sender)
        for number in range(1_000):
            yield Greeting(f"{number} {message.body.name}")

    ask = ("greeter", "rust-asker", "--topic", "python.stream", "--ask", "Ada", "--times")
    async with python:
        assert await asyncio.to_thread(run, bus, *ask, "3") == (0, "0 Ada\n1 Ada\n2 Ada\n")
        code, said = await asyncio.to_thread(run, bus, *ask, "2000")
        assert (code, len(said.splitlines())) == (0, 1_000)
    assert senders == ["rust-asker", "rust-asker"]


def test_rust_asks_rust(bus: Bus, greeted: str) -> None:
    assert run(bus, "greeter", "rust-asker", "--topic", greeted, "--ask", "Ada") == (0, "Hello Ada\n")
    code, said = run(bus, "greeter", "rust-asker", "--topic", greeted, "--ask", "")
    assert (code, "400 name: whom?" in said) == (1, True), said


async def test_rust_asks_python(bus: Bus) -> None:
    python = Agent("python-greeter", servers=bus.url, home=bus.folder)

    @python.on_topic(Topic("python.greet", Hello, Greeting))
    async def greet(message: Message[Hello]) -> Greeting:
        if not message.body.name:
            raise Refusal("whom?", field="name")
        return Greeting(f"Hello {message.body.name}")

    ask = ("greeter", "rust-asker", "--topic", "python.greet", "--ask")
    async with python:
        assert await asyncio.to_thread(run, bus, *ask, "Ada") == (0, "Hello Ada\n")
        code, said = await asyncio.to_thread(run, bus, *ask, "")
        assert (code, "422 name: whom?" in said) == (1, True), said
    code, said = await asyncio.to_thread(run, bus, *ask, "Ada")
    assert (code, "nobody answers on" in said) == (1, True), said


def test_who_comes_with_another_key_is_told_why_it_is_refused(bus: Bus, greeted: str, tmp_path: Path) -> None:
    code, said = run(bus, "greeter", "rust-greeter", "--topic", greeted, home=tmp_path)
    assert (code, "held by another key" in said) == (1, True), said


def test_an_offer_is_taken_and_another_refused(bus: Bus) -> None:
    niger = ("rust-niger", "--gives", "wheat:100:20", "--wants", "coffee:50:90", "--market", "book-offer")
    offer = ("offer", "rust-mali", "rust-niger", "--book", "book-offer", "--gives")
    with started(bus, "joined", "agent", *niger):
        for good, ends in [("coffee:5", "settled"), ("coffee:1", "rejected: not good enough")]:
            code, said = run(bus, *offer, good, "--takes", "wheat:10")
            assert code == 0, said
            assert re.search(rf"^\w+ {ends}", said.splitlines()[-1]), said


def test_a_rule_of_ones_own_judges_offers(bus: Bus) -> None:
    judge = ("rust-judge", "--gives", "wheat=1000", "--rate", "1/2", "--book", "book-judged")
    offer = ("offer", "rust-offers", "rust-judge", "--book", "book-judged", "--gives")
    with started(bus, "judges at", "judge", *judge):
        for gives, ends in [("coffee:5", "settled"), ("coffee:4", "rejected: 1/2 units for each, no less")]:
            code, said = run(bus, *offer, gives, "--takes", "wheat:10")
            assert (code, re.fullmatch(rf"\w+ {ends}", said.splitlines()[-1]) is not None) == (0, True), said


async def test_python_offers_rust_a_deal_and_writes_to_it(bus: Bus) -> None:
    judge = ("judge-of-python", "--gives", "wheat=1000", "--book", "book-python-judged")
    process = await asyncio.create_subprocess_exec(
        *command("judge", *judge), env=environment(bus), stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    assert b"judges at 1" in await process.stdout.readline()
    try:
        async with Agent("python-offers", servers=bus.url, home=bus.folder) as python:
            await python.declare("book-python-judged", {"coffee": 100})
            deal = await python.offer(
                "judge-of-python", book="book-python-judged", gives={"coffee": 5}, takes={"wheat": 5}
            )
            assert await asyncio.wait_for(deal.ended(), WITHIN_S) == "settled"
            bad = await python.offer(
                "judge-of-python", book="book-python-judged", gives={"coffee": 5}, takes={"wheat": 6}
            )
            assert (await asyncio.wait_for(bad.ended(), WITHIN_S), bad.by) == ("rejected", "judge-of-python")
            assert await python.balance("book-python-judged") == {"coffee": -5, "wheat": 5}
            await python.send("judge-of-python", Hello("Ada"))
            said = b""
            while b"hello of " not in said:
                said = await asyncio.wait_for(process.stdout.readline(), WITHIN_S)
                assert said
            assert said.endswith(b"bytes from python-offers\n")
    finally:
        process.send_signal(signal.SIGINT)
        assert await process.wait() == 0


async def test_rust_offers_python_a_deal(bus: Bus) -> None:
    python = Agent("python-judges", servers=bus.url, home=bus.folder)
    offer = ("offer", "rust-offers-python", "python-judges", "--book", "book-python-judges", "--gives", "coffee:5")

    @python.on_proposal
    def decide(deal: Deal) -> bool | str:
        return deal.receives[0].quantity == 5 or "five or nothing"

    async with python:
        await python.declare("book-python-judges", {"wheat": 100})
        code, said = await asyncio.to_thread(run, bus, *offer, "--takes", "wheat:1")
        assert (code, said.splitlines()[-1].endswith(" settled")) == (0, True), said
        code, said = await asyncio.to_thread(run, bus, *offer[:-1], "coffee:4", "--takes", "wheat:1")
        assert (code, said.splitlines()[-1].endswith(" rejected: five or nothing")) == (0, True), said


@pytest.mark.parametrize("paid", [False, True])
def test_rust_works_for_rust(bus: Bus, paid: bool) -> None:
    suffix = "paid" if paid else "free"
    ann, bob, boss, book = (f"{role}-{suffix}" for role in ("ann", "bob", "boss", "book"))
    pay = ("--pay", f"{book}:usd") if paid else ()
    with started(bus, "works", "errands", ann), started(bus, "works", "errands", bob):
        texts = ("--count", "to be or not", "--count", "to be")
        code, said = run(bus, "errands", boss, *texts, "--verifier", ann, "--verifier", bob, *pay)
        assert (code, said.splitlines()[-1]) == (0, "6 words"), said
    earned = bus.balances(book, "usd")
    assert (earned.pop(boss, 0), sum(earned.values())) == ((-90, 90) if paid else (0, 0))


async def test_rust_and_python_work_for_each_other(bus: Bus) -> None:
    judge, clerk = (Agent(f"python-{role}", servers=bus.url, home=bus.folder) for role in ("judge", "clerk"))
    seen: list[bytes] = []

    @judge.tasks.verifier
    def right(result: Result) -> bool:
        seen.append(result.result)
        return True

    @clerk.tasks.worker("words", price=1)
    def count(work: Work) -> str:
        if work.brief == "add":
            return str(sum(int(result) for result in work.inputs.values()))
        return str(len(work.brief.removeprefix("count: ").split()))

    texts = ("--count", "one", "--count", "and two")
    async with judge:
        async with clerk:
            work = ("errands", "boss-of-python", *texts, "--verifier", "python-judge", "--pay", "book-words:usd")
            code, said = await asyncio.to_thread(run, bus, *work)
            assert (code, said.splitlines()[-1]) == (0, "3 words"), said
            assert await clerk.balance("book-words") == {"usd": 3, "words": -3}
        assert sorted(seen) == [b"1", b"2", b"3"]
        process = await asyncio.create_subprocess_exec(
            *command("errands", "clerk-of-python"), env=environment(bus), stdout=asyncio.subprocess.PIPE
        )
        assert process.stdout is not None
        assert await process.stdout.readline() == b"works\n"
        try:
            brief = {"good": "count: some more words", "bad": "sing"}
            task = wire.Task(task="text", skill="words", brief=brief["good"], budget_minor=100)
            await judge.declare("book-more", {"usd": 1000})
            pay = wire.Pay(book="book-more", good="usd")
            job = await judge.tasks.submit([task], pay=pay)
            assert await asyncio.wait_for(job.ended(), WITHIN_S) == {"text": b"3"}
            rules = wire.JobRules(attempts=2, bid_ms=200)
            bad = wire.Task(task="song", skill="words", brief=brief["bad"], budget_minor=100)
            job = await judge.tasks.submit([bad], rules=rules)
            with pytest.raises(JobFailed):
                await asyncio.wait_for(job.ended(), WITHIN_S)
            assert await judge.balance("book-more") == {"usd": -30, "words": 1}
        finally:
            process.send_signal(signal.SIGINT)
            assert await process.wait() == 0


def came_to(said: str) -> str:
    """What a talk came to, as the last line says it, without the deal's name."""
    return said.splitlines()[-1].partition(" ")[2]


@pytest.mark.parametrize("how", ["sao", "cnp", "stx"])
def test_rust_comes_to_terms_with_rust(bus: Bus, how: str) -> None:
    buyer, seller, opener = (f"{role}-{how}" for role in ("buyer", "seller", "opener"))
    book = ("--book", f"book-{how}")
    with started(bus, "is there", "haggle", seller, "--sells", *book):
        if how == "stx":
            with started(bus, "is there", "haggle", buyer, *book):
                code, said = run(bus, "haggle", opener, "--between", buyer, seller, *book)
        else:
            calls = ("--calls",) if how == "cnp" else ()
            code, said = run(bus, "haggle", buyer, "--with", seller, *calls, *book)
    assert (code, came_to(said).startswith("settled after")) == (0, True), said
    assert came_to(said).endswith("2])"), "the best grade is good for both"
    tea = {agent: units for agent, units in bus.balances(f"book-{how}", "tea").items() if units}
    assert tea == {seller: -3, buyer: 3}


def tea() -> wire.Domain:
    """What the example haggles over."""
    return wire.Domain(
        issues=[
            wire.Issue(name="price", least=5, step=1, count=11),
            wire.Issue(name="grade", least=1, step=1, count=3),
        ],
        transfers=[
            wire.Pattern(from_=1, to=0, goods=["tea"], factor=1, times=["grade"], due_unix_ms=0),
            wire.Pattern(from_=0, to=1, goods=["usd"], factor=1, times=["price"], due_unix_ms=0),
        ],
        delivery=wire.Delivery.IMMEDIATE,
    )


def buys(outcome: tuple[int, ...]) -> int:
    return 80_000 * (10 - outcome[0]) + 100_000 * outcome[1]


def sells(outcome: tuple[int, ...]) -> int:
    return 80_000 * outcome[0] + 100_000 * outcome[1]


async def test_python_opens_talks_with_rust(bus: Bus) -> None:
    book = "book-python-haggles"
    python = Agent("python-haggles", servers=bus.url, home=bus.folder)
    stance = negotiation.Stance(buys, negotiation.Linear(), reserved_ppm=300_000)
    with started(bus, "is there", "haggle", "rust-sells", "--sells", "--book", book):
        async with python:
            await python.declare(book, {"usd": 100})
            talk = await python.negotiations.open(tea(), stance, order=["python-haggles", "rust-sells"], book=book)
            outcome = await asyncio.wait_for(talk.agreed(), WITHIN_S)
            assert outcome is not None
            assert outcome[1] == 2
            call = await python.negotiations.call(tea(), among=["rust-sells"], score={"price": -1}, book=book)
            awarded = await asyncio.wait_for(call.agreed(), WITHIN_S)
            assert awarded is not None
            assert call.awarded == "rust-sells"
            assert await asyncio.wait_for(call.deal.ended(), WITHIN_S) == "settled"
            assert await asyncio.wait_for(talk.deal.ended(), WITHIN_S) == "settled"


async def test_rust_opens_talks_with_python(bus: Bus) -> None:
    book = "book-rust-haggles"
    python = Agent("python-sells", servers=bus.url, home=bus.folder)
    python.negotiations.invited(lambda _: negotiation.Stance(sells, negotiation.Linear(), reserved_ppm=300_000))
    python.negotiations.called(lambda _: negotiation.Stance(sells, negotiation.Sealed(), reserved_ppm=300_000))
    opens = ("haggle", "rust-buys", "--with", "python-sells", "--book", book)
    async with python:
        await python.declare(book, {"tea": 100})
        for how in ((), ("--calls",)):
            code, said = await asyncio.to_thread(run, bus, *opens, *how)
            assert (code, came_to(said).startswith("settled after")) == (0, True), said
