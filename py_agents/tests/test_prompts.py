"""Agents that are prompted, by our own and by outsiders: their clients, and the bare command line, as they come."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import nats
import pytest
from hypothesis import given
from hypothesis import strategies as st
from synadia_ai.agents import (
    AttachmentsNotSupportedError,
    DiscoverFilter,
    Envelope,
    Identity,
    ProtocolError,
    Query,
    ResponseChunk,
    SenderSignatureRequiredError,
    signer_from_seed,
)

from hms_a2a import (
    Attachment,
    BadMessage,
    BadWire,
    Internal,
    NoResponders,
    Prompt,
    Question,
    Refusal,
    Refused,
    Said,
    TimedOut,
    Unsigned,
)
from hms_a2a import _subjects as subjects
from hms_a2a._envelope import read_chunk, read_prompt, read_size, size_in_words
from hms_a2a._keys import Key, new_seed
from hms_a2a._signing import Signer
from outsiders import oracle, outsiders, said_to

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from nats.aio.client import Client
    from synadia_ai.agent_service import AgentService

    from conftest import Cores, MakeAgent
    from hms_a2a import Agent
    from real_bus import Broker, Eventually

SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)
KEYS = st.sampled_from(["prompt", "attachments", "filename", "content", "type", "data", "text", "id", "reply_subject"])


def nested(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=4)


def as_json(value: Any) -> bytes:
    return json.dumps(value).encode()


KENYA = subjects.prompt("hms-a2a", "hms", "kenya")


@pytest.fixture
async def kenya(cores: Cores, make_agent: MakeAgent) -> AsyncIterator[Agent]:
    """An agent that can be prompted."""
    agent = make_agent("kenya")

    @agent.on_prompt(about="Sells wheat")
    async def respond(prompt: Prompt) -> Any:
        if prompt.text == "who":
            yield f"{prompt.sender} {prompt.key}"
        elif prompt.text == "ask":
            yield await prompt.ask("How much?", timeout_s=5) + " it is"
        elif prompt.text == "wait":
            await asyncio.sleep(60)
        elif prompt.text == "refuse":
            raise Refusal("wheat is\nsold out", rule="sold_out")
        elif prompt.text == "fail":
            raise RuntimeError("a secret")
        else:
            yield "You said: "
            yield prompt.text

    async with agent:
        yield agent


@pytest.fixture
async def client(broker: Broker) -> AsyncIterator[Client]:
    """An outsider's connection."""
    connection = await nats.connect(broker.url)
    yield connection
    await connection.close()


# --- outsiders prompt our agents


async def test_an_outsiders_client_finds_and_prompts_our_agent(kenya: Agent, client: Client) -> None:
    async with outsiders(client) as agents:
        (found,) = await agents.discover(filter=DiscoverFilter(session_name="kenya"))
        assert (found.agent, found.owner, found.description) == ("hms-a2a", "hms", "Sells wheat")
        assert found.prompt_subject == KENYA
        assert found.prompt_endpoint.queue_group == "agents"
        assert found.prompt_endpoint.max_payload_bytes == 8 * 2**20
        assert found.prompt_endpoint.attachments_ok is False
        assert found.supports_sender_identity
        assert found.id_sig_verified
        assert found.identity is not None
        assert found.identity.user == kenya.key
        assert await said_to(found, "hello ✓") == "You said: hello ✓"
        assert await said_to(found, '{"prompt": "as an object"}') == 'You said: {"prompt": "as an object"}'
        assert await said_to(found, "who") == "None None"
        status = await found.status()
        assert (status.session, status.instance_id, status.interval_s) == ("kenya", found.instance_id, 30)
        with pytest.raises(AttachmentsNotSupportedError):
            found.prompt(Envelope(prompt="with a file"), attachments=[_attachment()])


def _attachment() -> Any:
    from synadia_ai.agents import Attachment as Theirs

    return Theirs.from_bytes("a.txt", b"a")


async def test_an_outsider_is_asked_back(kenya: Agent, client: Client) -> None:
    async with outsiders(client) as agents:
        (found,) = await agents.discover()
        said = []
        async for chunk in found.prompt("ask"):
            if isinstance(chunk, Query):
                assert chunk.prompt == "How much?"
                await chunk.reply("Five")
            elif isinstance(chunk, ResponseChunk):
                said.append(chunk.text)
        assert said == ["Five it is"]


@pytest.mark.parametrize(
    ("text", "what"), [("refuse", "422: wheat is sold out"), ("fail", "500: kenya failed to answer")]
)
async def test_an_outsider_hears_of_an_error(kenya: Agent, client: Client, text: str, what: str) -> None:
    async with outsiders(client) as agents:
        (found,) = await agents.discover()
        with pytest.raises(ProtocolError, match=what):
            await said_to(found, text)
        assert await said_to(found, "again") == "You said: again"


async def test_heartbeats_are_heard_and_signed(
    broker: Broker, cores: Cores, client: Client, make_agent: MakeAgent, eventually: Eventually
) -> None:
    async with outsiders(client) as agents:
        await agents.start_tracking()
        beats: list[Any] = []
        await client.subscribe(subjects.ALL_HEARTBEATS, cb=_keep(beats))
        await client.flush()
        ghana = make_agent("ghana")
        ghana.on_prompt(lambda prompt: "yes")
        async with ghana:
            await eventually(lambda: beats)
            (found,) = await agents.discover()
            await eventually(lambda: agents.liveness(found.instance_id) is not None)
        body = json.loads(beats[0].data)
        assert (body["agent"], body["owner"], body["session"], body["interval_s"]) == ("hms-a2a", "hms", "ghana", 30)
        assert body["ts"].endswith("Z")
        assert body["endpoints"]["prompt"]["subject"] == subjects.prompt("hms-a2a", "hms", "ghana")
        assert json.loads(beats[0].headers["Agent-Sender"])["user"] == ghana.key
        assert await agents.discover() == [], "who has left is found no more"


def _keep(kept: list[Any]) -> Any:
    async def keep(msg: Any) -> None:
        kept.append(msg)

    return keep


async def test_the_wire_as_it_is(kenya: Agent, client: Client, eventually: Eventually) -> None:
    """What bare clients rely on: an acknowledgement, chunks, and an end that is an empty body without headers."""
    inbox = client.new_inbox()
    came: list[Any] = []
    await client.subscribe(inbox, cb=_keep(came))
    for body in (b"hi", b"", b'{"prompt": 5}', b'{"prompt": "hi"', b"\xff", b' {"prompt": "  "}', b"[" * 5000):
        came.clear()
        await client.publish(KENYA, body, reply=inbox)
        await eventually(lambda: came and came[-1].data == b"" and not came[-1].headers)
        if body in (b"hi", b"[" * 5000):
            assert json.loads(came[0].data) == {"type": "status", "data": "ack"}
            assert json.loads(came[1].data) == {"type": "response", "data": "You said: "}
        else:
            (error, _) = came
            assert error.headers["Nats-Service-Error-Code"] == "400"
            assert error.headers["Nats-Service-Error"]
    attached = {"prompt": "hi", "attachments": [{"filename": "a", "content": "YQ=="}]}
    came.clear()
    await client.publish(KENYA, json.dumps(attached).encode(), reply=inbox)
    await eventually(lambda: len(came) == 2)
    assert came[0].headers["Nats-Service-Error"] == "attachments are not taken here"
    came.clear()
    await client.publish(KENYA, b"hi", reply=subjects.topic("not.an.inbox"))
    await client.publish(KENYA, b"hi")
    await client.publish(KENYA, b'{"prompt": "hi", "unknown": {"a": [1]}}', reply=inbox)
    await eventually(lambda: came and came[-1].data == b"")
    assert len(came) == 4, "an acknowledgement, two pieces, the end; and nothing to where nothing may go"


async def test_signatures_are_checked(kenya: Agent, cores: Cores, client: Client, eventually: Eventually) -> None:
    inbox = client.new_inbox()
    came: list[Any] = []
    await client.subscribe(inbox, cb=_keep(came))
    key = Key(new_seed())
    cores.keys["ghana"] = key.public
    signer = Signer(key, cores.account, "ghana")
    now = kenya.now_unix_ms

    async def says(header: str, body: bytes = b"who") -> str:
        came.clear()
        await client.publish(KENYA, body, reply=inbox, headers={"Agent-Sender": header})
        await eventually(lambda: came and came[-1].data == b"" and not came[-1].headers)
        errors = [msg.headers["Nats-Service-Error-Code"] for msg in came if msg.headers]
        return errors[0] if errors else "".join(json.loads(msg.data)["data"] for msg in came[1:-1])

    good = signer.sign(KENYA, b"who", now, "n1")
    assert await says(good) == f"ghana {key.public}"
    assert await says(good) == "401", "a replay"
    assert await says(signer.sign(KENYA, b"who", now, "n2"), b"other bytes") == "401"
    assert await says(signer.sign(KENYA, b"who", now - 60_000, "n3")) == "401"
    assert await says(signer.sign(KENYA + "x", b"who", now, "n4")) == "401"
    assert await says("rubbish") == "400"
    stranger = Signer(Key(new_seed()), cores.account, "ghana")
    assert await says(stranger.sign(KENYA, b"who", now, "n5")) == f"None {stranger.key}", "the key is not ghana's"
    claim = json.dumps({"v": 1, "account": cores.account, "user": key.public}, separators=(",", ":"))
    assert await says(claim) == "None None", "a claim proves nothing"
    assert await says('{"v":2}') == "None None", "a later version's header is as good as none"


async def test_a_signature_may_be_wanted(
    broker: Broker, make_agent: MakeAgent, start_cores: Callable[[], Awaitable[Cores]]
) -> None:
    """An outsider who signs, on a broker that knows its key; and one who doesn't."""
    seed = new_seed()
    public = Key(seed).public
    broker.configure(
        f"accounts {{ BUS: {{ jetstream: enabled, users: [{{ nkey: {public} }}, {{ user: a, password: a }}] }} }}\n"
        "no_auth_user: a"
    )
    broker.kill()
    broker.start()
    await start_cores()
    agent = make_agent("kenya")

    @agent.on_prompt(signed=True)
    async def respond(prompt: Prompt) -> str:
        return f"{prompt.key}"

    outsider = await nats.connect(broker.url, nkeys_seed_str=seed)
    try:
        async with agent, outsiders(outsider, Identity(signer=signer_from_seed(seed))) as agents:
            (found,) = await agents.discover()
            assert found.min_sender_trust == "signed"
            assert await said_to(found, "hello") == public
        async with agent, outsiders(outsider) as unsigned:
            (found,) = await unsigned.discover()
            with pytest.raises(SenderSignatureRequiredError):
                found.prompt("hello")
            with pytest.raises(Unsigned, match="signature required"):
                await _bare(agent, found.prompt_subject)
    finally:
        await outsider.close()


async def _bare(agent: Agent, subject: str) -> None:
    from hms_a2a._replies import Replies

    async with Replies(agent._caller.bus, subject) as replies:
        await replies.ask(b"hello", {})
        await replies.next(5)


async def test_the_bare_command_line_prompts_our_agent(kenya: Agent, broker: Broker, tmp_path: Path) -> None:
    beside = Path(sys.executable).with_name("nats")
    found = str(beside) if beside.exists() else shutil.which("nats")
    if found is None:
        assert not os.environ.get("CI"), "no `nats` command line (make tools)"
        pytest.skip("NOT TESTED: no `nats` command line on this machine (make tools)")

    async def cli(*arguments: str) -> str:
        process = await asyncio.create_subprocess_exec(
            found,
            *arguments,
            env={"NATS_URL": broker.url, "HOME": str(tmp_path), "PATH": os.environ["PATH"]},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        out, _ = await asyncio.wait_for(process.communicate(), 20)
        assert process.returncode == 0, out.decode()
        return out.decode()

    said = (await cli("req", KENYA, "hello", "--wait-for-empty", "--raw", "--timeout", "5s")).splitlines()
    chunks = [json.loads(line) for line in said if line.startswith("{")]
    assert chunks[0] == {"type": "status", "data": "ack"}
    assert "".join(chunk["data"] for chunk in chunks[1:]) == "You said: hello"
    assert "agents" in await cli("service", "list")
    info = await cli("service", "info", "agents")
    assert "Sells wheat" in info
    assert KENYA in info
    stats = json.loads(await cli("service", "stats", "agents", "--json"))
    listed = stats[0] if isinstance(stats, list) else stats
    (prompted,) = [one for one in listed["endpoints"] if one["name"] == "prompt"]
    assert prompted["num_requests"] == 1
    assert "agents" in await cli("service", "ping", "agents")


# --- our agents prompt outsiders, and each other


@pytest.fixture
async def pythia(client: Client) -> AsyncIterator[AgentService]:
    """An agent that outsiders host."""
    async with oracle(client, "pythia") as hosted:
        yield hosted


async def test_our_agent_finds_and_prompts_an_outsider(
    pythia: AgentService, cores: Cores, make_agent: MakeAgent
) -> None:
    async with make_agent("kenya") as kenya:
        (found,) = await kenya.peers()
        assert (found.harness, found.owner, found.session, found.about) == ("oracle", "delphi", "pythia", "Knows all")
        assert found.max_body_bytes is not None
        assert found.takes_attachments
        for to in (found, "pythia", "oracle.delphi.pythia"):
            assert await kenya.prompt(to, "buy wheat").text() == "buy! wheat! "
        assert await kenya.prompt(found, "who").text() == "verified kenya"

        async def who(question: str) -> str:
            assert question == "Who are you?"
            return "{kenya}"

        assert await kenya.prompt(found, "ask").text(who) == "Hello {kenya}"
        with pytest.raises(BadWire, match="Who are you"):
            await kenya.prompt(found, "ask").text()
        with pytest.raises(BadMessage, match="not understood"):
            await kenya.prompt(found, "refuse").text()
        parts = [part async for part in kenya.prompt(found, "file", attachments=[Attachment("a.txt", b"\x00a")])]
        assert parts == [Said("Thank you", [Attachment("a.txt", b"\x00a")])]


async def test_our_agents_prompt_each_other(kenya: Agent, cores: Cores, make_agent: MakeAgent) -> None:
    async with make_agent("ghana") as ghana:
        assert await ghana.prompt("kenya", "who").text() == f"ghana {ghana.key}"
        heard: list[str] = []
        async for part in ghana.prompt("kenya", "ask"):
            if isinstance(part, Question):
                assert part.text == "How much?"
                await part.answer("Ten")
            else:
                heard.append(part.text)
        assert heard == ["Ten it is"]
        with pytest.raises(Refused, match="sold out"):
            await ghana.prompt("kenya", "refuse").text()
        with pytest.raises(Internal, match="kenya failed to answer"):
            await ghana.prompt("kenya", "fail").text()
        with pytest.raises(TimedOut):
            await ghana.prompt("kenya", "wait", timeout_s=0.2).text()
        with pytest.raises(NoResponders, match="nobody called mali"):
            await ghana.prompt("mali", "hello").text()
        with pytest.raises(NoResponders, match="nobody answers"):
            await ghana.prompt("hms-a2a.hms.mali", "hello").text()
        with pytest.raises(ValueError, match="must not be empty"):
            ghana.prompt("kenya", " ")
        with pytest.raises(ValueError, match="has started"):
            kenya.on_prompt(lambda prompt: "too late")
        for harness, owner in (("a_b", "hms"), ("*", "hms"), ("hms-a2a", "a.b")):
            with pytest.raises(ValueError, match="is not"):
                make_agent("mali").on_prompt(harness=harness, owner=owner)(lambda prompt: "no")
        (card,) = [asked.body for asked in cores.of("registry.register") if asked.body.agent == "kenya"]  # type: ignore[attr-defined]
        assert card.subjects == [KENYA], "the registry tells where an agent is prompted"  # type: ignore[attr-defined]
        (found,) = await ghana.peers()
        with pytest.raises(ValueError, match="takes no attachments"):
            ghana.prompt(found, "hello", attachments=[Attachment("a", b"")])


async def test_whoever_is_not_read_any_more_stops(cores: Cores, make_agent: MakeAgent, eventually: Eventually) -> None:
    kenya, ghana = make_agent("kenya"), make_agent("ghana")
    stopped = asyncio.Event()

    @kenya.on_prompt
    async def respond(prompt: Prompt) -> AsyncIterator[str]:
        try:
            while True:
                yield "more "
                await asyncio.sleep(0.01)
        finally:
            stopped.set()

    async with kenya, ghana:
        async for part in ghana.prompt("kenya", "go on"):
            assert part == Said("more ")
            break
        await asyncio.wait_for(stopped.wait(), 5)


async def test_an_agent_that_is_stopped_says_that_its_answer_is_not_whole(cores: Cores, make_agent: MakeAgent) -> None:
    kenya, ghana = make_agent("kenya"), make_agent("ghana")

    @kenya.on_prompt
    async def respond(prompt: Prompt) -> AsyncIterator[str]:
        yield "half "
        await asyncio.sleep(60)

    async with ghana:
        await kenya.start()
        parts = aiter(ghana.prompt("kenya", "hello"))
        assert await anext(parts) == Said("half ")
        stopping = asyncio.ensure_future(kenya.stop(within_s=0.1))
        with pytest.raises(Internal, match="kenya was stopped"):
            await anext(parts)
        await stopping


# --- the pieces


def test_sizes() -> None:
    for size in (1, 1023, 1024, 2**20, 8 * 2**20, 2**30, 1_000_000):
        assert read_size(size_in_words(size)) == size
    for words in ("", "MB", "-1MB", "1.5MB", "1 MB", "²MB", "9" * 30 + "B"):
        assert read_size(words) is None


def test_chunks() -> None:
    assert read_chunk(b'{"type": "response", "data": "a"}') == ("a", [])
    assert read_chunk(b'{"type": "response", "data": {"text": "a", "more": 1}}') == ("a", [])
    assert read_chunk(b'{"type": "status", "data": "ack"}') is None
    assert read_chunk(b'{"type": "of another time"}') is None
    bad = [b"", b"text", b"[]", b"{}", b'{"type": 1}', b'{"type": "response"}', b'{"type": "response", "data": 5}']
    for raw in [*bad, b'{"type": "query", "data": {"id": "1"}}', b"\xff"]:
        with pytest.raises(BadWire):
            read_chunk(raw)
    assert read_prompt(b"plain").prompt == "plain"


@given(st.binary(max_size=200) | st.text().map(str.encode) | st.recursive(SCALARS, nested, max_leaves=8).map(as_json))
def test_whatever_comes_is_read_or_refused(raw: bytes) -> None:
    for read in (read_prompt, read_chunk):
        with contextlib.suppress(BadWire):
            read(raw)


@pytest.mark.parametrize("depth", [10_000, 500_000])
def test_what_is_deep_is_refused(depth: int) -> None:
    for raw in (b'{"prompt":' + b"[" * depth, b'{"x":' * depth, b'{"type":"query","data":' + b"[" * depth):
        with pytest.raises(BadWire):
            read_prompt(raw)
        with pytest.raises(BadWire):
            read_chunk(raw)
