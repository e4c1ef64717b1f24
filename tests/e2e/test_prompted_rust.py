"""An agent in Rust under the Synadia Agent Protocol, with that protocol's own Python packages as they come, both ways.

The Rust agent is the example `prompted` of the crate `swarm`, started as a user would start it.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import nats
import pytest
from synadia_ai.agents import Attachment as Theirs
from synadia_ai.agents import (
    DiscoverFilter,
    ProtocolError,
    Query,
    ResponseChunk,
)

from hms_a2a import Agent, Refused
from hms_a2a import _subjects as subjects
from hms_a2a._keys import new_seed
from outsiders import oracle, outsiders, said_to
from real_bus import eventually

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from nats.aio.client import Client
    from synadia_ai.agents import Agent as Outsider

    from real_bus import Bus

EXAMPLE = Path(__file__).resolve().parents[2] / "target" / "release" / "examples" / "prompted"
SELLER = subjects.prompt("hms-a2a", "hms", "rust-seller")


def environment(bus: Bus) -> dict[str, str]:
    return os.environ | {"NATS_URL": bus.url, "HMS_HOME": str(bus.folder)}


@pytest.fixture(scope="module")
def seller(bus: Bus) -> Iterator[str]:
    """Where the Rust agent is prompted."""
    if not EXAMPLE.exists():
        assert not os.environ.get("CI"), f"{EXAMPLE} is not built"
        pytest.skip(f"NOT TESTED: {EXAMPLE} is not built (cargo build --workspace --release --examples)")
    command = [str(EXAMPLE), "rust-seller"]
    process = subprocess.Popen(command, env=environment(bus), stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    said = process.stdout.readline()
    assert said == f"prompted at {SELLER}\n", said
    yield SELLER
    process.send_signal(signal.SIGINT)
    assert process.wait(20) == 0
    process.stdout.close()


@pytest.fixture
async def client(bus: Bus) -> AsyncIterator[Client]:
    """An outsider's connection."""
    connection = await nats.connect(bus.url)
    yield connection
    await connection.close()


@asynccontextmanager
async def found(client: Client) -> AsyncIterator[Outsider]:
    """The Rust agent, as the outsiders' client finds it."""
    async with outsiders(client) as agents:
        (one,) = await agents.discover(filter=DiscoverFilter(session_name="rust-seller"))
        yield one


async def ask(bus: Bus, *arguments: str) -> tuple[int | None, str]:
    """Have a Rust agent prompt somebody; its exit code, and what it says."""
    process = await asyncio.create_subprocess_exec(
        EXAMPLE, *arguments, env=environment(bus), stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    out, _ = await asyncio.wait_for(process.communicate(), 60)
    return process.returncode, out.decode()


# --- the Rust agent is prompted


async def test_an_outsiders_client_finds_and_prompts_it(seller: str, client: Client) -> None:
    async with found(client) as it:
        assert (it.agent, it.owner, it.description) == ("hms-a2a", "hms", "Sells wheat")
        assert it.prompt_subject == seller
        assert it.prompt_endpoint.queue_group == "agents"
        assert it.prompt_endpoint.attachments_ok is True
        assert it.id_sig_verified
        assert await said_to(it, "hello ✓") == "You said: hello ✓"
        assert await said_to(it, '{"prompt": "as an object"}') == 'You said: {"prompt": "as an object"}'
        assert await said_to(it, "who") == "nobody nobody"
        status = await it.status()
        assert (status.session, status.instance_id, status.interval_s) == ("rust-seller", it.instance_id, 30)
        with pytest.raises(ProtocolError, match="422: wheat is sold out"):
            await said_to(it, "refuse")
        said = [chunk async for chunk in it.prompt("with a file", attachments=[Theirs.from_bytes("a.txt", b"\x00a")])]
        (with_file,) = [chunk for chunk in said if isinstance(chunk, ResponseChunk) and chunk.attachments]
        assert with_file.text == "with a file"


async def test_an_outsiders_client_is_asked_back(seller: str, client: Client) -> None:
    said = []
    async with found(client) as it:
        async for chunk in it.prompt("ask"):
            if isinstance(chunk, Query):
                assert chunk.prompt == "How much?"
                await chunk.reply("Five")
            elif isinstance(chunk, ResponseChunk):
                said.append(chunk.text)
    assert said == ["Five it is"]


async def test_its_wire_is_the_protocols(seller: str, client: Client) -> None:
    """An acknowledgement, chunks, an end that is an empty body without headers; an error is headers alone before it."""
    inbox = client.new_inbox()
    came: list[Any] = []

    async def keep(msg: Any) -> None:
        came.append(msg)

    await client.subscribe(inbox, cb=keep)
    for body in (b"hi", b"", b'{"prompt": 5}', b'{"prompt": "hi"', b"\xff", b' {"prompt": "  "}'):
        came.clear()
        await client.publish(seller, body, reply=inbox)
        await eventually(lambda: came and came[-1].data == b"" and not came[-1].headers)
        if body == b"hi":
            assert json.loads(came[0].data) == {"type": "status", "data": "ack"}
            assert [json.loads(one.data)["data"] for one in came[1:-1]] == ["You said: ", "hi"]
        else:
            (error, _) = came
            assert error.headers["Nats-Service-Error-Code"] == "400"
            assert error.headers["Nats-Service-Error"]
            assert error.data == b""
    came.clear()
    await client.publish(seller, b"hi", reply=inbox, headers={"Agent-Sender": "rubbish"})
    await eventually(lambda: len(came) == 2)
    assert came[0].headers["Nats-Service-Error-Code"] == "400"


async def test_it_beats(seller: str, bus: Bus, client: Client) -> None:
    beats: list[Any] = []

    async def keep(msg: Any) -> None:
        beats.append(msg)

    await client.subscribe(subjects.ALL_HEARTBEATS, cb=keep)
    await client.flush()
    other = await asyncio.create_subprocess_exec(
        EXAMPLE, "rust-beats", env=environment(bus), stdout=asyncio.subprocess.DEVNULL
    )
    await eventually(lambda: [beat for beat in beats if json.loads(beat.data)["session"] == "rust-beats"])
    other.send_signal(signal.SIGINT)
    assert await other.wait() == 0
    body = json.loads(beats[0].data)
    assert (body["agent"], body["owner"], body["interval_s"]) == ("hms-a2a", "hms", 30)
    assert json.loads(beats[0].headers["Agent-Sender"])["sub"] == beats[0].subject


async def test_a_python_agent_prompts_it(seller: str, bus: Bus) -> None:
    async with Agent("python-asker", servers=bus.url, seed=new_seed()) as asker:
        assert await asker.prompt("rust-seller", "who").text() == f"python-asker {asker.key}"
        with pytest.raises(Refused, match="sold out"):
            await asker.prompt("rust-seller", "refuse").text()


# --- the Rust agent prompts


async def test_it_prompts_an_outsider(seller: str, client: Client, bus: Bus) -> None:
    async def to_oracle(text: str, *more: str) -> tuple[int | None, str]:
        return await ask(bus, "rust-asker", "--ask", "rust-oracle", text, *more)

    async with oracle(client, "rust-oracle"):
        assert await to_oracle("buy wheat") == (0, "buy! wheat! \n")
        assert await to_oracle("who") == (0, "verified rust-asker\n")
        assert await to_oracle("ask", "--answer", "{kenya}") == (0, "Hello {kenya}\n")
        assert await to_oracle("file", "--file", "abc") == (0, "Thank you [file.txt: abc]\n")
        code, said = await to_oracle("refuse")
        assert code == 1
        assert "not understood" in said


async def test_it_prompts_an_agent_in_python_and_one_in_rust(seller: str, bus: Bus) -> None:
    python = Agent("python-seller", servers=bus.url, seed=new_seed())

    @python.on_prompt
    async def respond(prompt: Any) -> str:
        return f"{prompt.sender} says {prompt.text} with {[file.content for file in prompt.attachments]}"

    async with python:
        said = await ask(bus, "rust-asker", "--ask", "python-seller", "hello")
        assert said == (0, "rust-asker says hello with []\n")
    assert await ask(bus, "rust-asker", "--ask", "rust-seller", "ask", "--answer", "Six") == (0, "Six it is\n")
    code, said_alone = await ask(bus, "rust-asker", "--ask", "nobody-here", "hello")
    assert code == 1
    assert "nobody called nobody-here" in said_alone
