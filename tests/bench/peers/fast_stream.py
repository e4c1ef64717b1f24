"""FastStream with its NATS broker: typed subscribers that answer, and `request`; JSON by pydantic, as it comes.

Its log of each message is off, which is the faster way.
"""

from __future__ import annotations

from dataclasses import asdict

from faststream.nats import NatsBroker

from bargain import TEXT, Accepted, Confirm, Counterpart, Proposer, Settled, Terms, ask_as_told, named, ready, run


async def answer(url: str, folder: str) -> None:
    """Answer everything."""
    broker = NatsBroker(url, logger=None)
    counterpart = Counterpart()

    async def echo(text: str) -> str:
        return text

    async def propose(terms: Terms) -> Accepted:
        return counterpart.accept(terms)

    async def confirm(said: Confirm) -> Settled:
        return counterpart.settle(said)

    broker.subscriber("fast.echo")(echo)
    broker.subscriber("fast.propose")(propose)
    broker.subscriber("fast.confirm")(confirm)
    await broker.start()
    await ready()


async def ask(url: str, folder: str) -> None:
    """Ask."""
    broker = NatsBroker(url, logger=None)
    await broker.start()
    proposer = Proposer()

    async def echo() -> None:
        assert await (await broker.request(TEXT, "fast.echo", timeout=30)).decode() == TEXT

    async def deal() -> None:
        terms = proposer.terms()
        accepted = await (await broker.request(asdict(terms), "fast.propose", timeout=30)).decode()
        assert accepted["terms"] == named(terms)
        settled = await (await broker.request(asdict(Confirm(accepted["terms"])), "fast.confirm", timeout=30)).decode()
        assert settled["terms"] == accepted["terms"]

    await ask_as_told({"echo": echo, "deal": deal})


if __name__ == "__main__":
    run(answer, ask)
