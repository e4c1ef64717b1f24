"""A seller and a buyer bargain over how much tea at what price, the buyer by a strategy of its own.

Run it as ``python py_agents/examples/bargain.py``; it starts a bus of its own, and needs ``make build``.
"""

from __future__ import annotations

import asyncio

from hms_a2a import Agent, negotiation, testing, wire

#: 10 to 100 chests of tea, at 5 to 15 dollars each; the seller sits on seat 0, the buyer on seat 1.
TEA = wire.Domain(
    issues=[
        wire.Issue(name="chests", least=10, step=10, count=10),
        wire.Issue(name="price", least=5, step=1, count=11),
    ],
    transfers=[
        wire.Pattern(from_=0, to=1, goods=["tea"], factor=1, times=["chests"], due_unix_ms=0),
        wire.Pattern(from_=1, to=0, goods=["usd"], factor=1, times=["chests", "price"], due_unix_ms=0),
    ],
    delivery=wire.Delivery.IMMEDIATE,
)


class Stubborn(negotiation.Strategy):
    """Offers its best, then its second best and so on; takes whatever leaves it half, at last anything."""

    def choose(self, now: negotiation.Situation) -> negotiation.Choice:
        """Take it, or ask for a little less than before."""
        least = now.reserved_ppm if now.is_last_round else now.level(500_000)
        place = min(now.round, now.ranking.count_from(least) - 1)
        ranked = now.ranking.at(place)
        return now.accept_from(least, ranked[1]) if ranked is not None else negotiation.End()


def gain(cost_or_value: int, sign: int) -> negotiation.Utility:
    """What it gains for each dollar of the most that there is to gain, in parts of a million."""

    def worth(outcome: negotiation.Outcome) -> int:
        chests, price = (negotiation.number(TEA, outcome, issue) for issue in ("chests", "price"))
        return chests * (price - cost_or_value) * sign * 1_000

    return worth


seller, buyer = Agent("seller"), Agent("buyer")


@buyer.negotiations.invited
def sit_down(invitation: negotiation.Invitation) -> negotiation.Stance:
    """A chest is worth 13 dollars to the buyer."""
    print(f"{invitation.opener} invites to {invitation.rounds} rounds over {invitation.domain.issues[0].name}")
    return negotiation.Stance(gain(13, -1), Stubborn())


async def main() -> None:
    """Bargain, and show that both have signed what was said."""
    async with testing.Bus(real=True) as bus:
        await bus.add(seller, buyer)
        await seller.declare("bazaar", {"tea": 100})
        await buyer.declare("bazaar", {"usd": 1_500})
        # A chest costs the seller 6 dollars.
        stance = negotiation.Stance(gain(6, 1), negotiation.Linear())
        talk = await seller.negotiations.open(TEA, stance, order=["seller", "buyer"], book="bazaar")
        outcome = await talk.agreed()
        print(f"after {len(talk.words)} words they agree on {outcome}; the deal is {await talk.deal.ended()}")
        for transfer in talk.deal.terms.transfers:
            print(f"{transfer.from_} gives {transfer.quantity} {transfer.good}")
        print(await bus.hms("deal", "verify", talk.id))


if __name__ == "__main__":
    asyncio.run(main())
