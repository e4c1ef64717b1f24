"""An agent of ours: questions on typed topics, unsigned as all others' are, and signed; and deals as they are.

`settled` is a deal through desk and ledger: opened, proposed, accepted by both, committed, confirmed and settled, each
move signed, each event stored. Nothing of the others does that; it stands there so that nobody mistakes `deal` for it.
"""

from __future__ import annotations

import logging
from typing import Any

from bargain import TEXT, Accepted, Confirm, Counterpart, Proposer, Settled, Terms, ask_as_told, named, ready, run
from hms_a2a import Agent, Give, Message, Topic, Want

PROPOSE = Topic("deal.propose", Terms, Accepted)
CONFIRM = Topic("deal.confirm", Confirm, Settled)
PLENTY = 10**12


async def answer(url: str, folder: str) -> None:
    """Answer everything."""
    agent = Agent("answerer", servers=url, home=folder)
    counterpart = Counterpart()

    @agent.on_topic("echo")
    def echo(message: Message[Any]) -> Any:
        return message.body

    @agent.on_topic(PROPOSE)
    def propose(message: Message[Terms]) -> Accepted:
        return counterpart.accept(message.body)

    @agent.on_topic(CONFIRM)
    def confirm(message: Message[Confirm]) -> Settled:
        return counterpart.settle(message.body)

    agent.join("bench", gives=[Give("coffee", PLENTY, cost=20)], wants=[Want("wheat", PLENTY, value=90)])
    async with agent:
        await ready()


async def ask(url: str, folder: str) -> None:
    """Ask."""
    agent = Agent("asker", servers=url, home=folder)
    proposer = Proposer()
    membership = agent.join("bench", gives=[Give("wheat", PLENTY, cost=20)], wants=[Want("coffee", PLENTY, value=90)])

    async def say_echo(signed: bool) -> None:
        assert await agent.request("echo", TEXT, timeout_s=30, signed=signed) == TEXT

    async def make_deal(signed: bool) -> None:
        terms = proposer.terms()
        accepted = await agent.request(PROPOSE, terms, timeout_s=30, signed=signed)
        assert accepted.terms == named(terms)
        settled = await agent.request(CONFIRM, Confirm(accepted.terms), timeout_s=30, signed=signed)
        assert settled.terms == accepted.terms

    async def settled() -> None:
        deal = await agent.offer("answerer", book="bench", gives={"wheat": 10}, takes={"coffee": 5})
        assert await deal.ended() == "settled"

    async with agent:
        await membership
        kinds = {"echo": lambda: say_echo(False), "signed_echo": lambda: say_echo(True)}
        kinds |= {"deal": lambda: make_deal(False), "signed_deal": lambda: make_deal(True), "settled": settled}
        await ask_as_told(kinds)


if __name__ == "__main__":
    logging.basicConfig(level=logging.ERROR)  # that nobody clears the market is a warning, and here it is meant
    run(answer, ask)
