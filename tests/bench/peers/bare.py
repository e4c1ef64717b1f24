"""Bare nats-py: request and reply, bodies in MessagePack by msgspec."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import nats

from bargain import TEXT, Accepted, Confirm, Counterpart, Proposer, Settled, Terms, ask_as_told, named, ready, run

if TYPE_CHECKING:
    from nats.aio.msg import Msg

encode, decode = msgspec.msgpack.encode, msgspec.msgpack.decode


async def answer(url: str, folder: str) -> None:
    """Answer everything."""
    client = await nats.connect(url)
    counterpart = Counterpart()

    async def echo(msg: Msg) -> None:
        await msg.respond(encode(decode(msg.data)))

    async def propose(msg: Msg) -> None:
        await msg.respond(encode(counterpart.accept(decode(msg.data, type=Terms))))

    async def confirm(msg: Msg) -> None:
        await msg.respond(encode(counterpart.settle(decode(msg.data, type=Confirm))))

    await client.subscribe("bare.echo", cb=echo)
    await client.subscribe("bare.propose", cb=propose)
    await client.subscribe("bare.confirm", cb=confirm)
    await client.flush()
    await ready()


async def ask(url: str, folder: str) -> None:
    """Ask."""
    client = await nats.connect(url)
    proposer = Proposer()

    async def echo() -> None:
        assert decode((await client.request("bare.echo", encode(TEXT), timeout=30)).data) == TEXT

    async def deal() -> None:
        terms = proposer.terms()
        reply = await client.request("bare.propose", encode(terms), timeout=30)
        accepted = decode(reply.data, type=Accepted)
        assert accepted.terms == named(terms)
        reply = await client.request("bare.confirm", encode(Confirm(accepted.terms)), timeout=30)
        assert decode(reply.data, type=Settled).terms == accepted.terms

    await ask_as_told({"echo": echo, "deal": deal})


if __name__ == "__main__":
    run(answer, ask)
