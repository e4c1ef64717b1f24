"""A ministry calls for bids on a road, in rounds; one of the builders bids by a way of its own.

Run it as ``python py_agents/examples/tender.py``; it starts a bus of its own, and needs ``make build``.
"""

from __future__ import annotations

import asyncio

from hms_a2a import Agent, negotiation, testing, wire

#: A road for 100 to 200 dollars, in 6 to 18 months; the ministry sits on seat 0, whoever builds on seat 1.
ROAD = wire.Domain(
    issues=[
        wire.Issue(name="price", least=100, step=5, count=21),
        wire.Issue(name="months", least=6, step=2, count=7),
    ],
    transfers=[
        wire.Pattern(from_=0, to=1, goods=["usd"], factor=1, times=["price"], due_unix_ms=0),
        wire.Pattern(from_=1, to=0, goods=["road"], factor=1, times=[], due_unix_ms=0),
    ],
    delivery=wire.Delivery.IMMEDIATE,
)


class Modest(negotiation.Bidder):
    """Asks for half of what there is to gain, then for a third, and so on; stays where it leads."""

    def bid(self, now: negotiation.Contest) -> negotiation.Outcome | None:
        """Of all outcomes that leave it so much, the one that scores highest."""
        if now.leads:
            return now.best
        return now.highest(now.level(1_000_000 // (now.round + 2)))


def gain(cost: int, monthly: int) -> negotiation.Utility:
    """What a builder gains, in parts of a million of 100 dollars: each month that it has spares it so much."""

    def worth(outcome: negotiation.Outcome) -> int:
        price, months = (negotiation.number(ROAD, outcome, issue) for issue in ("price", "months"))
        return (price - cost + monthly * months) * 10_000

    return worth


ministry = Agent("ministry")
builders = {
    Agent("acme"): negotiation.Stance(gain(170, 5), Modest()),
    Agent("bolt"): negotiation.Stance(gain(130, 2), negotiation.Undercut()),
    Agent("crane"): negotiation.Stance(gain(150, 3), negotiation.Asking(negotiation.Conceder())),
}

for builder, stance in builders.items():

    @builder.negotiations.called
    def bid(_: negotiation.Call, stance: negotiation.Stance = stance) -> negotiation.Stance:
        """The first call is answered with how to bid; an outcome would answer this one call, a text decline it."""
        return stance


async def main() -> None:
    """Call for bids, and show what was bid and who builds."""
    async with testing.Bus(real=True) as bus:
        await bus.add(ministry, *builders)
        await ministry.declare("roads", {"usd": 200})
        for builder in builders:
            await builder.declare("roads", {"road": 1})
        tender = await ministry.negotiations.call(
            ROAD,
            among=[builder.id for builder in builders],
            score={"price": -1, "months": -4},
            book="roads",
            text="a road to the coast",
            rounds=10,
        )
        await tender.agreed()
        for answer in tender.net.answers:
            said = "declines" if answer.outcome is None else f"bids {described(answer.outcome)}"
            print(f"round {answer.round}: {answer.by} {said}")
        print(f"{tender.awarded} builds; the deal is {await tender.deal.ended()}")
        print(await bus.hms("deal", "verify", tender.id))


def described(outcome: negotiation.Outcome) -> str:
    """An outcome, for people."""
    price, months = (negotiation.number(ROAD, outcome, issue) for issue in ("price", "months"))
    return f"{price} dollars, {months} months"


if __name__ == "__main__":
    asyncio.run(main())
