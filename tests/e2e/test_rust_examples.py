"""The examples `greeter` and `offer` of the crate `swarm`, started as docs/rust.md says, alone and with Python."""

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

from hms_a2a import Agent, BadMessage, Message, Refusal, Topic

if TYPE_CHECKING:
    from collections.abc import Iterator

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
        pytest.skip(f"NOT TESTED: {example} is not built (cargo build --release --examples)")
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


def test_rust_asks_rust(bus: Bus, greeted: str) -> None:
    assert run(bus, "greeter", "asker", "--topic", greeted, "--ask", "Ada") == (0, "Hello Ada\n")
    code, said = run(bus, "greeter", "asker", "--topic", greeted, "--ask", "")
    assert (code, "400 name: whom?" in said) == (1, True), said


async def test_rust_asks_python(bus: Bus) -> None:
    python = Agent("python-greeter", servers=bus.url, home=bus.folder)

    @python.on_topic(Topic("python.greet", Hello, Greeting))
    async def greet(message: Message[Hello]) -> Greeting:
        if not message.body.name:
            raise Refusal("whom?", field="name")
        return Greeting(f"Hello {message.body.name}")

    ask = ("greeter", "asker", "--topic", "python.greet", "--ask")
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
