"""A prover that does as it is told, which no prover should: for tests of who trusts it."""

from __future__ import annotations

import asyncio
import hashlib
from typing import TYPE_CHECKING

import nats

from hms_a2a import _wire as wire
from hms_a2a._codec import decode, encode
from hms_a2a.gtp import parse_claim, prove

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Self

    from nats.aio.client import Client
    from nats.aio.msg import Msg

    #: What a prover answers to a claim: the body of its reply; None for nothing at all.
    Answer = Callable[[list[bytes]], bytes | None]

SUBJECT = "hms.v1.gtp.prove"


def found(
    claim: bytes, evidence: bytes | None, verdict: wire.SearchVerdict = wire.SearchVerdict.PROVED
) -> wire.SearchResult:
    """What a search found for a claim."""
    return wire.SearchResult(
        claim_hash=hashlib.sha256(claim).digest(), verdict=verdict, evidence=evidence, took_ms=50, reason="so it says"
    )


def each(evidence: Callable[[bytes], bytes | None], verdict: wire.SearchVerdict = wire.SearchVerdict.PROVED) -> Answer:
    """Answers each claim with such evidence."""

    def answer(claims: list[bytes]) -> bytes:
        return encode(wire.ProveReply(results=[found(claim, evidence(claim), verdict) for claim in claims]))

    return answer


def honest(claim: bytes) -> bytes | None:
    """A certificate that holds."""
    from hms_a2a.gtp import Claim

    return prove(Claim.from_bytes(claim), seconds=5).evidence


def of_another(_: bytes) -> bytes | None:
    """A certificate that holds, of something else."""
    return prove(parse_claim("forall x in [0,1]: x >= x^2"), seconds=5).evidence


class Liar:
    """Answers for the provers of a bus, in their queue group; what it was asked is counted."""

    def __init__(self, url: str, answer: Answer) -> None:
        self._url = url
        self._client: Client | None = None
        #: What it answers.
        self.answer = answer
        #: How often it was asked.
        self.asked = 0
        #: Until this is set it answers nothing.
        self.may_answer = asyncio.Event()
        self.may_answer.set()
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self._client = await nats.connect(self._url)
        await self._client.subscribe(SUBJECT, queue="gtp", cb=self._hear)
        await self._client.flush()
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._tasks:
            task.cancel()
        if self._client is not None and not self._client.is_closed:
            await self._client.close()

    async def vanish(self) -> None:
        """Be gone at once."""
        assert self._client is not None
        await self._client.close()

    async def _hear(self, message: Msg) -> None:
        self.asked += 1
        task = asyncio.ensure_future(self._answer(message))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _answer(self, message: Msg) -> None:
        await self.may_answer.wait()
        claims = decode(message.data, wire.Prove).claims
        reply = await asyncio.to_thread(self.answer, claims)
        if reply is not None:
            await message.respond(reply)
