"""Good bodies, mutated at random, at every endpoint of every service on the bus: each gets an answer, never an internal
error, and nothing falls.

A mutated body may still be good, and is then answered; moves are signed over the mutated bytes, so that it is these
that are judged. `MUTATIONS=n` sets how many each endpoint gets.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import random
from collections import Counter
from typing import TYPE_CHECKING, Any

import msgspec
import nats
import nats.errors
import pytest

from hms_a2a import Agent, wire
from hms_a2a import _headers as header
from hms_a2a._codec import decode
from hms_a2a._keys import Key, new_seed
from hms_a2a._signing import Signer
from shared_vectors import SCHEMAS, content, read

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from nats.aio.client import Client
    from nats.aio.msg import Msg

    from real_bus import Bus

WITHIN_S = 20.0
TRIES = 3
#: How long whoever computes may take over one, in milliseconds.
PATIENCE_MS = 2_000
EACH = int(os.environ.get("MUTATIONS", "400"))
NO_DEAL = "aaaaaaaaaaaaaaaaaaaaaaaaaa"
#: Services that compute: what they take on at once, and what share of the mutations they get.
SLOW = {"graph": 6, "genetic": 1, "gtp": 2, "trade_balance": 16}
SHARE = 5
#: What a request may be refused with; 500 is not among them.
REFUSALS = frozenset({400, 401, 403, 404, 409, 410, 413, 422, 429})
#: Numbers at which something may give way.
EDGES = [0, -1, 1, 2**31 - 1, 2**31, 2**32 - 1, 2**53, 2**63 - 1, -(2**63), 2**64 - 1]

pytestmark = pytest.mark.timeout(120 + EACH)


class Mutator:
    """Makes bad bodies of good ones; the same ones for the same seed."""

    def __init__(self, seed: str, good: list[bytes]) -> None:
        self._rng = random.Random(seed)  # that a failure can be had again
        self._good = good

    def next(self) -> bytes:
        """A body with one to four mutations."""
        rng = self._rng
        body = rng.choice(self._good)
        if rng.random() < 0.6:
            return self._inside(body)
        for _ in range(rng.randint(1, 4)):
            body = self._bytes(body)
        return body

    def _bytes(self, body: bytes) -> bytes:
        """Of the bytes as such."""
        rng = self._rng
        at = rng.randrange(len(body) + 1)
        end = min(len(body), at + rng.randint(1, 16))
        match rng.randrange(6):
            case 0:
                return body[:at] + bytes([body[at] ^ 1 << rng.randrange(8)]) + body[at + 1 :] if at < len(body) else b""
            case 1:
                return body[:at] + rng.randbytes(end - at) + body[end:]
            case 2:
                return body[:at] + body[end:]
            case 3:
                return body[:at] + body[at:end] * 2 + body[end:]
            case 4:
                other = rng.choice(self._good)
                return body[:at] + other[rng.randrange(len(other)) :]
        return body[:at] + bytes([rng.choice([0xC0, 0xC1, 0xC9, 0xDF, 0xDD, 0xDB, 0xC6, 0x81, 0x91])]) + body[at:]

    def _inside(self, body: bytes) -> bytes:
        """Of a value in it: well-formed bytes again."""
        said = msgspec.msgpack.decode(body)
        places = list(_places(said))
        for holder, key in self._rng.sample(places, min(len(places), self._rng.randint(1, 2))):
            holder[key] = self._other(holder[key])
        return msgspec.msgpack.encode(said)

    def _other(self, value: object) -> object:
        rng = self._rng
        match value:
            case bool():
                return not value
            case int():
                return rng.choice([*EDGES, max(-(2**63), value - 1), -min(value, 2**63)])
            case str():
                return rng.choice(["", value * 300, value + "\0", value.upper(), "ü" + value, value[:-1], "-1", "1/0"])
            case bytes():
                return rng.choice([b"", value * 3, self._bytes(value) if value else b"\0"])
            case list():
                return rng.choice([[], value * 2, value[::-1], [value]])
        return rng.choice([None, {}, [], 1.5, "x", 0])


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Every place in it that holds a value."""
    if isinstance(value, dict | list):
        for key in value if isinstance(value, dict) else range(len(value)):
            yield value, key
            yield from _places(value[key])


class Endpoint(msgspec.Struct, frozen=True):
    """Something that answers requests."""

    service: str
    #: With wildcards for whoever moves, and what about.
    pattern: str

    @property
    def kind(self) -> str:
        """The type of its requests."""
        return ".".join(self.pattern.split(".")[2:4])

    def subject(self, agent: str) -> str:
        """Where an agent sends its requests."""
        return self.pattern.replace("*", agent, 1).replace("*", NO_DEAL, 1)


async def endpoints(client: Client) -> list[Endpoint]:
    """What the services themselves say that they answer."""
    inbox = client.new_inbox()
    answers = await client.subscribe(inbox)
    await client.publish("$SRV.INFO", b"", reply=inbox)
    found: set[tuple[str, str]] = set()
    while True:
        try:
            info = json.loads((await answers.next_msg(timeout=1.0)).data)
        except nats.errors.TimeoutError:
            break
        found |= {(info["name"], endpoint["subject"]) for endpoint in info["endpoints"]}
    return [Endpoint(service, subject) for service, subject in sorted(found) if subject.startswith("hms.")]


class Hammer:
    """A registered agent that sends what it likes."""

    def __init__(self, client: Client, agent: Agent, seed: str) -> None:
        self._client = client
        self._agent = agent
        self._signer = Signer(Key(seed), agent._caller.bus.account, agent.id)
        self._nonces = iter(range(10**9))

    async def strike(self, endpoint: Endpoint, bodies: list[bytes]) -> tuple[Counter[int], list[str]]:
        """Send them all; how often each code came (0 for an answer), and what is wrong."""
        places, subject = asyncio.Semaphore(SLOW.get(endpoint.service, 64)), endpoint.subject(self._agent.id)
        wrong: list[str] = []

        async def one(body: bytes) -> int:
            async with places:
                now = self._agent.now_unix_ms
                headers = {
                    header.CONTENT_TYPE: header.MSGPACK,
                    header.SENDER: self._signer.sign(subject, body, now, f"n{next(self._nonces)}"),
                    header.DEADLINE: str(now + PATIENCE_MS),
                }
                try:
                    reply = await self._ask(subject, body, headers)
                except nats.errors.Error as error:
                    wrong.append(f"{subject} {body.hex()}: {error!r}")
                    return -1
            code = int((reply.headers or {}).get(header.ERROR_CODE, "0"))
            if code not in REFUSALS | {0}:
                wrong.append(f"{subject} {body.hex()}: {decode(reply.data, wire.ErrorReply)}")
            return code

        codes = Counter(await asyncio.gather(*(one(body) for body in bodies)))
        return codes, wrong

    async def _ask(self, subject: str, body: bytes, headers: dict[str, str]) -> Msg:
        """Ask, and ask again where an answer was lost: a ledger may be followed by another meanwhile."""
        for _ in range(TRIES - 1):
            with contextlib.suppress(nats.errors.TimeoutError, nats.errors.NoRespondersError):
                return await self._client.request(subject, body, timeout=WITHIN_S, headers=headers)
            await asyncio.sleep(1.0)
        return await self._client.request(subject, body, timeout=WITHIN_S, headers=headers)


@pytest.fixture
async def hammer(bus: Bus) -> AsyncIterator[Hammer]:
    """A hammer of this test's own."""
    seed = new_seed()
    client = await nats.connect(bus.url, pending_size=64 * 2**20)
    async with Agent("hammer", servers=bus.url, seed=seed) as agent:
        yield Hammer(client, agent, seed)
    await client.close()


async def test_whatever_a_good_body_becomes_it_is_answered(hammer: Hammer, bus: Bus) -> None:
    all_of_them = await endpoints(hammer._client)
    assert len(all_of_them) > 40, "else services are missing"
    struck, refused = 0, 0
    for endpoint in all_of_them:
        assert (SCHEMAS / "vectors" / f"{endpoint.kind}.json").exists(), f"{endpoint.kind} has no vectors"
        good = [content(vector) for vector in read(endpoint.kind) if vector["verdict"] == "good"]
        mutator = Mutator(endpoint.kind, good)
        count = max(1, EACH // SHARE) if endpoint.service in SLOW else EACH
        codes, wrong = await hammer.strike(endpoint, [mutator.next() for _ in range(count)])
        assert not wrong, f"{len(wrong)} of {count}:\n" + "\n".join(wrong[:10])
        assert bus.is_well(), f"{endpoint.kind}:\n" + (bus.folder / "log").read_text()[-5000:]
        struck += codes.total()
        refused += codes[400]
    print(f"{struck} mutations at {len(all_of_them)} endpoints, {refused} of them no bodies any more")
    assert refused > struck / 3, "else most of them were no mutations"
