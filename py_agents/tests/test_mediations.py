"""Mediated single texts on a whole bus: the cores as they are, a real broker, the real command line."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import pytest
from at_table import FALLING, RISING, WITHIN_S, domain, sat_down, stop, transcript, wants

from hms_a2a import BadWire, negotiation, wire
from hms_a2a.negotiation import Annealer, Ballot, HillClimber, Linear, Stance

if TYPE_CHECKING:
    from hms_a2a import Agent
    from real_bus import Bus


async def at_the_table(bus: Bus, book: str, stances: dict[str, Stance | str | None]) -> tuple[Agent, list[Agent]]:
    """A mediator, and those that sit down so to what it mediates."""
    togo, *others = await sat_down(bus, book, dict.fromkeys(["togo", *stances]))
    for agent, stance in zip(others, stances.values(), strict=True):
        if stance is not None:
            agent.negotiations.mediated(lambda _, stance=stance: stance)
    return togo, others


async def test_three_vote_and_sign_what_all_have_accepted(bus: Bus) -> None:
    stances: dict[str, Stance | str | None] = {
        "kenya": Stance(wants(RISING, FALLING), HillClimber()),
        "ghana": Stance(wants(RISING, RISING), Annealer(200_000, seed=5)),
        "mali": Stance(wants(RISING, FALLING), HillClimber()),
    }
    togo, others = await at_the_table(bus, "mediated", stances)
    invitations: list[negotiation.Invitation] = []
    votes: list[negotiation.Negotiation] = []
    for agent in others:
        agent.negotiations.over(votes.append)

    @others[0].negotiations.mediated
    async def sit_down(invitation: negotiation.Invitation) -> Stance:
        invitations.append(invitation)
        return Stance(wants(RISING, FALLING), HillClimber())

    order = [agent.id for agent in others]
    mediation = await togo.negotiations.mediate(domain(3), order=order, book="mediated", rounds=30, seed=7)
    outcome = await asyncio.wait_for(mediation.agreed(), WITHIN_S)
    assert await asyncio.wait_for(mediation.deal.ended(), WITHIN_S) == "settled"
    assert [(one.opener, one.order, one.seat, one.rounds) for one in invitations] == [(togo.id, order, 0, 30)]
    # What came of it on the bus is what comes of it in one room.
    seats = {agent.id: Stance(wants(RISING, FALLING), HillClimber()) for agent in others}
    seats[order[1]] = Stance(wants(RISING, RISING), Annealer(200_000, seed=5))
    assert outcome == negotiation.mediate(mediation.text.rules, seats).result
    assert len(mediation.words) == 30 * 4 + 1
    assert {transfer.from_ for transfer in mediation.deal.terms.transfers} == set(order)
    done = await transcript(bus, mediation.words)
    assert done.returncode == 0, done.stdout + done.stderr
    by_agent = {vote._table.agent: vote for vote in votes}
    for agent in others:
        own = await transcript(bus, by_agent[agent.id].words, "--as", agent.id)
        assert own.returncode == 0, own.stdout + own.stderr
    assert (await transcript(bus, mediation.words[:-2] + mediation.words[-1:])).returncode == 1
    assert json.loads(bus.hms("deal", "verify", mediation.id, "--json"))["state"] == "settled"
    await stop([togo, *others])


async def test_whoever_does_not_want_what_the_votes_made_says_no(bus: Bus) -> None:
    class Careless(negotiation.Voter):
        """Accepts whatever comes."""

        def accepts(self, now: Ballot) -> bool:
            return True

    # Nothing is worth as much as no agreement.
    stances: dict[str, Stance | str | None] = {
        "kenya": Stance(wants(RISING, FALLING), Careless()),
        "ghana": Stance(wants(RISING, RISING), Careless(), reserved_ppm=2_000_000),
    }
    togo, others = await at_the_table(bus, "unwanted", stances)
    heard: dict[str, object] = {}
    for agent in others:
        agent.negotiations.over(lambda vote, who=agent.id: heard.update({who: vote}))
    order = [agent.id for agent in others]
    mediation = await togo.negotiations.mediate(domain(2), order=order, book="unwanted", rounds=4)
    assert await asyncio.wait_for(mediation.deal.ended(), WITHIN_S) == "rejected"
    assert (mediation.deal.by, mediation.deal.reason) == (order[1], "worth less than no agreement")
    outcome = await mediation.agreed()
    came_to = {who: await vote.agreed() for who, vote in heard.items() if isinstance(vote, negotiation.Vote)}
    assert came_to == {order[0]: outcome, order[1]: None}
    await stop([togo, *others])


@pytest.mark.parametrize("answer", ["too busy", None])
async def test_who_is_invited_to_vote_may_say_no(bus: Bus, answer: str | None) -> None:
    book = "no-vote" if answer else "no-voter"
    togo, others = await at_the_table(
        bus, book, {"kenya": Stance(wants(RISING, RISING), HillClimber()), "ghana": answer}
    )
    # To negotiate is not to vote.
    others[1].negotiations.invited(lambda _: Stance(wants(RISING, RISING), Linear()))
    order = [agent.id for agent in others]
    mediation = await togo.negotiations.mediate(domain(2), order=order, book=book)
    assert await asyncio.wait_for(mediation.agreed(), WITHIN_S) is None
    assert mediation.deal.state == "rejected"
    assert mediation.deal.reason == (answer or f"{others[1].id} does not vote on texts")
    await stop([togo, *others])


class Failing(negotiation.Voter):
    """Fails."""

    def accepts(self, now: Ballot) -> bool:
        raise RuntimeError("a bug")


@pytest.mark.parametrize(
    ("strategy", "reason", "logged"),
    [(Failing(), "it cannot go on", "its voter failed"), (Linear(), "it cannot sit down", "takes a Voter")],
)
async def test_a_voter_that_fails_leaves(
    bus: Bus, strategy: negotiation.Voter, reason: str, logged: str, caplog: pytest.LogCaptureFixture
) -> None:
    book = reason.replace(" ", "-")
    stances: dict[str, Stance | str | None] = {
        "kenya": Stance(wants(RISING, RISING), HillClimber()),
        "ghana": Stance(wants(RISING, RISING), strategy),
    }
    togo, others = await at_the_table(bus, book, stances)
    mediation = await togo.negotiations.mediate(domain(2), order=[agent.id for agent in others], book=book)
    assert await asyncio.wait_for(mediation.deal.ended(), WITHIN_S) == "rejected"
    assert mediation.deal.reason == reason
    assert logged in caplog.text
    await stop([togo, *others])


async def test_lost_words_come_again_and_forged_votes_do_no_harm(bus: Bus) -> None:
    stances: dict[str, Stance | str | None] = {
        "kenya": Stance(wants(RISING, FALLING), HillClimber()),
        "ghana": Stance(wants(RISING, FALLING), HillClimber()),
    }
    togo, others = await at_the_table(bus, "lost-vote", stances)
    lost: list[str] = []

    def lossy(agent: Agent) -> None:
        """Its first word is lost, and before each other somebody says what is none."""
        publish = agent._caller.link.publish

        async def some(subject: str, body: bytes, headers: dict[str, str], reply: str = "") -> None:
            if subject.startswith("hms.v1.talk."):
                if agent.id not in lost:
                    lost.append(agent.id)
                    return
                await publish(subject, b"\xc1", headers, reply)
            await publish(subject, body, headers, reply)

        agent._caller.link.publish = some  # type: ignore[method-assign]

    lossy(togo)
    lossy(others[0])
    order = [agent.id for agent in others]
    mediation = await togo.negotiations.mediate(domain(2), order=order, book="lost-vote", rounds=3)
    assert await asyncio.wait_for(mediation.agreed(), WITHIN_S) is not None
    assert await asyncio.wait_for(mediation.deal.ended(), WITHIN_S) == "settled"
    assert lost == [togo.id, others[0].id]
    await stop([togo, *others])


async def test_a_mediator_that_turns_a_vote_is_not_followed(bus: Bus, caplog: pytest.LogCaptureFixture) -> None:
    stances: dict[str, Stance | str | None] = {
        "kenya": Stance(wants(RISING, RISING), HillClimber()),
        "ghana": Stance(wants(FALLING, FALLING), HillClimber()),
    }
    togo, others = await at_the_table(bus, "turned", stances)
    order = [agent.id for agent in others]
    text = negotiation.SingleText
    counted = text._after

    def turned(self: negotiation.SingleText, votes: list[wire.CountedVote]) -> negotiation.Outcome:
        """All accept, as this mediator has it."""
        for at, vote in enumerate(votes):
            votes[at] = wire.CountedVote(hash=vote.hash, accepts=True)
        return counted(self, votes)

    mediation = await togo.negotiations.mediate(
        domain(2), order=order, book="turned", rounds=20, talk_for_s=2.0, sign_within_s=0.5
    )
    mediation.text._after = turned.__get__(mediation.text)  # type: ignore[method-assign]
    mediation.text._check_votes = lambda counted: None  # type: ignore[method-assign]
    assert await asyncio.wait_for(mediation.deal.ended(), WITHIN_S) == "expired"
    assert "wrong_count" in caplog.text
    await stop([togo, *others])


async def test_who_mediates_takes_no_part(bus: Bus) -> None:
    togo, others = await at_the_table(bus, "partial", {"kenya": None})
    right: dict[str, Any] = {"order": [others[0].id, "ghana"], "book": "partial", "rounds": 3}
    wrong: list[tuple[dict[str, Any], str]] = [
        ({"order": [togo.id, others[0].id]}, "mediator"),
        ({"order": [others[0].id]}, "order"),
        ({"rounds": 0}, "rounds"),
        ({"seed": -1}, "seed"),
    ]
    for options, field in wrong:
        with pytest.raises(BadWire) as bad:
            await togo.negotiations.mediate(domain(2), **(right | options))
        assert bad.value.field == field
    await stop([togo, *others])


async def test_a_mediator_that_was_started_again_does_not_sit_down_to_its_own_text(bus: Bus) -> None:
    togo, others = await at_the_table(bus, "again", {"kenya": "no", "ghana": None})
    asked: list[negotiation.Invitation] = []
    togo.negotiations.mediated(lambda invitation: asked.append(invitation))
    order = [agent.id for agent in others]
    mediation = await togo.negotiations.mediate(domain(2), order=order, book="again")
    shown = await mediation.deal.show()
    togo.negotiations._table.sessions.clear()
    note = wire.DealNote(
        deal=mediation.id,
        event="opened",
        turn=0,
        state=wire.State.OPEN,
        book="again",
        opener=togo.id,
        profile=wire.Profile.STX_1,
        rules=shown.rules,
        expires_unix_ms=mediation.expires_unix_ms,
        at_unix_ms=0,
        by=togo.id,
    )
    await togo.negotiations.take(mediation.deal, note)
    assert not asked
    assert not togo.negotiations._table.sessions
    await stop([togo, *others])
