"""Iterated contract nets on a whole bus: the cores as they are, a real broker, the real command line."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from at_table import FALLING, RISING, WITHIN_S, domain, has, sat_down, stop, transcript, wants

from hms_a2a import BadWire, negotiation, wire
from hms_a2a._codec import encode
from hms_a2a.negotiation import Stance, Undercut, read_word

if TYPE_CHECKING:
    from hms_a2a import Agent
    from real_bus import Bus

#: The manager wants little of what it gives itself, and much of what it gets.
SCORE = {"issue-0": -1, "issue-1": 1}


async def bidders(bus: Bus, book: str, answers: dict[str, Any]) -> tuple[Agent, list[Agent]]:
    """A manager, and those that answer its calls so."""
    kenya, *others = await sat_down(bus, book, dict.fromkeys(["kenya", *answers]))
    for agent, answer in zip(others, answers.values(), strict=True):
        agent.negotiations.called(answer if callable(answer) else lambda _, answer=answer: answer)
    return kenya, others


async def test_bidders_undercut_each_other_and_the_best_bid_is_awarded(bus: Bus) -> None:
    """Both gain by much of issue 0 and little of issue 1; mali can give more of it, and needs to only a little."""
    stances = {
        "ghana": Stance(wants(RISING, FALLING), Undercut(), reserved_ppm=600_000),
        "mali": Stance(wants(RISING, FALLING), Undercut(), reserved_ppm=300_000),
        "togo": "no time",
    }
    kenya, others = await bidders(bus, "undercut", stances)
    bids: list[negotiation.Negotiation] = []
    for agent in others:
        agent.negotiations.over(bids.append)
    tender = await kenya.negotiations.call(
        domain(2), among=[agent.id for agent in others], score=SCORE, book="undercut", text="a road", rounds=20
    )
    assert await asyncio.wait_for(tender.agreed(), WITHIN_S) is not None
    assert tender.awarded == others[1].id
    assert await asyncio.wait_for(tender.deal.ended(), WITHIN_S) == "settled"
    assert tender.deal.profile == wire.Profile.ICNP_1
    assert 1 < tender.net.round < 20
    # ghana can go to a score of -2, so that mali need not go to the 4 that it could.
    assert tender.net.score(await tender.agreed() or ()) == -1
    done = await transcript(bus, tender.words)
    assert done.returncode == 0, done.stdout + done.stderr
    # Each contractor can show what it heard; nobody can leave out a bid.
    by_agent = {bid._table.agent: bid for bid in bids}
    for agent in others:
        own = await transcript(bus, by_agent[agent.id].words, "--as", agent.id)
        assert own.returncode == 0, own.stdout + own.stderr
    assert (await transcript(bus, [*tender.words[:1], *tender.words[2:]])).returncode == 1
    assert json.loads(bus.hms("deal", "verify", tender.id, "--json"))["state"] == "settled"
    await stop([kenya, *others])


async def test_a_handler_is_asked_at_each_call_and_told_the_best_bid(bus: Bus) -> None:
    calls: list[negotiation.Call] = []

    async def better(call: negotiation.Call) -> negotiation.Outcome | str:
        calls.append(call)
        if call.leads:
            return call.best or "nothing"
        return (5 - 2 * call.round, 0)

    kenya, others = await bidders(bus, "asked", {"ghana": better, "mali": (4, 0)})
    tender = await kenya.negotiations.call(
        domain(2),
        among=[agent.id for agent in others],
        score={"issue-0": -1},
        book="asked",
        rounds=3,
        least_gain=2,
        keep=1,
    )
    # mali bids 4 and is alone called again, and bids no better: the second round gains nothing.
    assert await asyncio.wait_for(tender.agreed(), WITHIN_S) == (4, 0)
    assert [(call.round, call.rounds, call.best, call.leads) for call in calls] == [(0, 3, None, False)]
    assert calls[0].scores((4, 0)) == -5
    assert tender.net.round == 1
    assert await asyncio.wait_for(tender.deal.ended(), WITHIN_S) == "settled"
    await has(kenya, "asked", {"good-0": -5, "good-1": 1})
    await stop([kenya, *others])


async def test_a_round_goes_on_without_who_is_silent_or_cannot_bid(bus: Bus, caplog: pytest.LogCaptureFixture) -> None:
    def fails(_: negotiation.Call) -> negotiation.Outcome:
        raise RuntimeError("a bug")

    answers = {"ghana": (3, 0), "silent": None, "wrong": (99, 0), "fails": fails}
    kenya, others = await bidders(bus, "silent", answers)
    tender = await kenya.negotiations.call(
        domain(2),
        among=[agent.id for agent in others],
        score={"issue-0": -1},
        book="silent",
        rounds=2,
        bids_for_s=1.5,
    )
    assert await asyncio.wait_for(tender.agreed(), WITHIN_S) == (3, 0)
    assert tender.awarded == others[0].id
    declined = {answer.by for answer in tender.net.answers if answer.outcome is None}
    assert declined == {others[2].id, others[3].id}
    assert "outside_domain" in caplog.text
    assert "a bug" in caplog.text
    # In the second round ghana alone was called, and answered.
    assert [answer.by for answer in tender.net.answers if answer.round == 1] == [others[0].id]
    assert await asyncio.wait_for(tender.deal.ended(), WITHIN_S) == "settled"
    await stop([kenya, *others])


async def test_where_nobody_bids_the_withdrawal_signs_what_was_said(bus: Bus) -> None:
    kenya, others = await bidders(bus, "nobody", {"ghana": "busy", "mali": "busy"})
    tender = await kenya.negotiations.call(
        domain(2), among=[agent.id for agent in others], score={"issue-0": -1}, book="nobody", rounds=5
    )
    assert await asyncio.wait_for(tender.agreed(), WITHIN_S) is None
    assert await asyncio.wait_for(tender.deal.ended(), WITHIN_S) == "withdrawn"
    assert len(tender.words) == 4
    done = await transcript(bus, tender.words)
    assert done.returncode == 0, done.stdout + done.stderr
    await stop([kenya, *others])


async def test_a_manager_that_breaks_the_rules_is_not_followed(bus: Bus, caplog: pytest.LogCaptureFixture) -> None:
    """It tells a worse bid than ghana's to both, and calls mali alone."""
    kenya, others = await bidders(bus, "liar", {"ghana": (1, 0), "mali": (4, 0)})
    link = kenya._caller.link
    publish = link.publish

    async def lying(subject: str, body: bytes, headers: dict[str, str], reply: str = "") -> None:
        if subject.startswith("hms.v1.talk."):
            word = read_word(body)
            if isinstance(word, wire.TalkRevise):
                mali = next(one for one in tender.net.answers if one.outcome == (4, 0))
                body = encode(msgspec.structs.replace(word, called=[others[1].id], bid=mali.hash, best=[4, 0]))
        await publish(subject, body, headers, reply)

    link.publish = lying  # type: ignore[method-assign]
    tender = await kenya.negotiations.call(
        domain(2),
        among=[agent.id for agent in others],
        score={"issue-0": -1},
        book="liar",
        rounds=3,
        bids_for_s=1.0,
        sign_within_s=1.0,
    )
    assert await asyncio.wait_for(tender.agreed(), WITHIN_S) is not None
    assert await asyncio.wait_for(tender.deal.ended(), WITHIN_S) == "expired", "ghana has signed nothing"
    assert f"{others[0].id}: a word of {tender.id} is not taken: wrong_call" in caplog.text
    await stop([kenya, *others])


async def test_rules_that_cannot_be_are_named(bus: Bus) -> None:
    kenya, others = await bidders(bus, "bad-rules", {"ghana": None})
    right: dict[str, Any] = {"among": [others[0].id], "score": SCORE, "book": "bad-rules", "rounds": 3}
    wrong: list[tuple[dict[str, Any], str]] = [
        ({"rounds": 0}, "rounds"),
        ({"least_gain": 0}, "least_gain"),
        ({"keep": 0}, "keep"),
        ({"bids_for_s": 0.0}, "round_ms"),
        ({"score": {"colour": 1}}, "score[0].issue"),
    ]
    for options, field in wrong:
        with pytest.raises(BadWire) as bad:
            await kenya.negotiations.call(domain(2), **(right | options))
        assert bad.value.field == field
    await stop([kenya, *others])
