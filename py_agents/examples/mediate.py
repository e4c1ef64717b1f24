"""A neutral mediates between two neighbours over water, fish and power: both vote on each change of one text.

Run it as ``python py_agents/examples/mediate.py``; it starts a bus of its own, and needs ``make build``.
"""

from __future__ import annotations

import asyncio

from hms_a2a import Agent, negotiation, testing, wire

#: How much water and fish goes down the river, and how much power comes back; kenya sits on seat 0, egypt on seat 1.
RIVER = wire.Domain(
    issues=[
        wire.Issue(name="water", least=0, step=10, count=11),
        wire.Issue(name="fish", least=0, step=5, count=11),
        wire.Issue(name="power", least=10, step=10, count=10),
    ],
    transfers=[
        wire.Pattern(from_=0, to=1, goods=["water"], factor=1, times=["water"], due_unix_ms=0),
        wire.Pattern(from_=0, to=1, goods=["fish"], factor=1, times=["fish"], due_unix_ms=0),
        wire.Pattern(from_=1, to=0, goods=["power"], factor=1, times=["power"], due_unix_ms=0),
    ],
    delivery=wire.Delivery.IMMEDIATE,
)


class Patient(negotiation.Voter):
    """Accepts small losses in the first half: what comes of a bad text may be a better one than any near at hand."""

    def accepts(self, now: negotiation.Ballot) -> bool:
        """So much it gives up, at most."""
        return now.gain_ppm >= (-60_000 if 2 * now.round < now.rounds else 0)


def worth(water: int, fish: int, power: int) -> negotiation.Utility:
    """What each unit adds, in parts of a million of the best that can be."""

    def of(outcome: negotiation.Outcome) -> int:
        numbers = (negotiation.number(RIVER, outcome, issue) for issue in ("water", "fish", "power"))
        return sum(number * each for number, each in zip(numbers, (water, fish, power), strict=True)) * 1_000

    return of


mediator, kenya, egypt = Agent("mediator"), Agent("kenya"), Agent("egypt")


@kenya.negotiations.mediated
def sit_down(invitation: negotiation.Invitation) -> negotiation.Stance:
    """Power is worth far more to Kenya than water and fish."""
    print(f"{invitation.opener} invites {' and '.join(invitation.order)} to {invitation.rounds} votes")
    return negotiation.Stance(worth(-2, -2, 9), Patient())


@egypt.negotiations.mediated
def join(_: negotiation.Invitation) -> negotiation.Stance:
    """Water is worth far more to Egypt than power. What the votes lead to it accepts if it gains by it at all."""
    return negotiation.Stance(worth(9, 4, -3), negotiation.Annealer(100_000, seed=1), reserved_ppm=0)


async def main() -> None:
    """Mediate, and show what came of it."""
    async with testing.Bus(real=True) as bus:
        await bus.add(mediator, kenya, egypt)
        await kenya.declare("river", {"water": 100, "fish": 50})
        await egypt.declare("river", {"power": 100})
        mediation = await mediator.negotiations.mediate(RIVER, order=["kenya", "egypt"], book="river", seed=1)
        outcome = await mediation.agreed()
        print(f"after {len(mediation.words)} words the text is {outcome}; the deal is {await mediation.deal.ended()}")
        for transfer in mediation.deal.terms.transfers:
            print(f"{transfer.from_} gives {transfer.quantity} {transfer.good}")
        print(await bus.hms("deal", "verify", mediation.id))


if __name__ == "__main__":
    asyncio.run(main())
