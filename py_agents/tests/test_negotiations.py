"""Negotiations on a whole bus: the cores as they are, a real broker, the real command line."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from at_table import FALLING, RISING, WITHIN_S, domain, has, sat_down, stop, transcript, wants

from hms_a2a import Agent, BadMessage, BadWire, negotiation, wire
from hms_a2a import _subjects as subjects
from hms_a2a._codec import encode
from hms_a2a.negotiation import Boulware, Conceder, Linear, Stance

if TYPE_CHECKING:
    from collections.abc import Callable

    from real_bus import Bus


async def test_two_bargain_sign_what_was_said_and_settle(bus: Bus) -> None:
    kenya, ghana = agents = await sat_down(
        bus, "bargain", {"kenya": None, "ghana": Stance(wants(FALLING, RISING), Conceder())}
    )
    talk = await kenya.negotiations.open(
        domain(2), Stance(wants(RISING, FALLING), Boulware()), order=[kenya.id, ghana.id], book="bargain"
    )
    outcome = await asyncio.wait_for(talk.agreed(), WITHIN_S)
    assert outcome is not None
    assert await asyncio.wait_for(talk.deal.ended(), WITHIN_S) == "settled"
    sent = {f"good-{seat}": outcome[seat] + 1 for seat in range(2)}
    await has(kenya, "bargain", {"good-0": -sent["good-0"], "good-1": sent["good-1"]})
    await stop(agents)
    done = await transcript(bus, talk.words)
    assert done.returncode == 0, done.stdout + done.stderr
    assert kenya.id in done.stdout
    assert (await transcript(bus, talk.words[:-1])).returncode == 1


async def test_three_agree_whoever_opens(bus: Bus) -> None:
    stances: dict[str, Stance | str | None] = {
        "kenya": Stance(wants(RISING, FALLING), Linear()),
        "ghana": Stance(wants(FALLING, FALLING), negotiation.NashSeeker()),
        "mali": None,
    }
    agents = await sat_down(bus, "three", stances)
    kenya, ghana, mali = agents
    own = Stance(wants(FALLING, RISING), negotiation.AcceptIfGood(300_000))
    order = [kenya.id, mali.id, ghana.id]
    talk = await mali.negotiations.open(domain(3), own, order=order, book="three", due_in_s=3_600.0, sign_within_s=20.0)
    assert await asyncio.wait_for(talk.agreed(), WITHIN_S) is not None
    assert await asyncio.wait_for(talk.deal.ended(), WITHIN_S) == "settled"
    # Whoever proposes must know when the deal lapses, which is not when goods are due.
    terms = talk.deal.terms
    assert {transfer.due_unix_ms - terms.expires_unix_ms for transfer in terms.transfers} == {3_600_000}
    await stop(agents)


async def test_a_talk_that_comes_to_nothing_ends_the_deal(bus: Bus) -> None:
    greedy = Stance(wants(RISING, RISING), negotiation.AcceptIfGood(1_000_000))
    kenya, ghana = agents = await sat_down(bus, "nothing", {"kenya": greedy, "ghana": None})
    other = Stance(wants(FALLING, FALLING), negotiation.AcceptIfGood(1_000_000))
    talk = await ghana.negotiations.open(domain(2), other, order=[ghana.id, kenya.id], book="nothing", rounds=3)
    assert await asyncio.wait_for(talk.agreed(), WITHIN_S) is None
    assert await asyncio.wait_for(talk.deal.ended(), WITHIN_S) == "rejected"
    assert len(talk.words) == 6
    await stop(agents)


async def test_an_outcome_that_moves_nothing_is_no_agreement(bus: Bus) -> None:
    kenya, ghana = agents = await sat_down(
        bus, "nought", {"kenya": None, "ghana": Stance(lambda _: 0, negotiation.AcceptIfGood(0))}
    )
    nought = domain(2)
    nought.issues[0] = wire.Issue(name="issue-0", least=0, step=1, count=2)
    nought.issues[1] = wire.Issue(name="issue-1", least=0, step=1, count=2)
    own = Stance(lambda outcome: -sum(outcome), negotiation.AcceptIfGood(), reserved_ppm=-10)
    talk = await kenya.negotiations.open(nought, own, order=[kenya.id, ghana.id], book="nought")
    assert await asyncio.wait_for(talk.deal.ended(), WITHIN_S) == "rejected"
    assert await talk.agreed() == (0, 0)
    assert "makes no terms" in (talk.deal.reason or "")
    await stop(agents)


@pytest.mark.parametrize("answer", ["too busy", None])
async def test_who_is_invited_may_say_no(bus: Bus, answer: str | None) -> None:
    book = "invited" if answer else "deaf"
    kenya, ghana = agents = await sat_down(bus, book, {"kenya": None, "ghana": answer})
    own = Stance(wants(RISING, RISING), Linear())
    talk = await kenya.negotiations.open(domain(2), own, order=[kenya.id, ghana.id], book=book)
    assert await asyncio.wait_for(talk.agreed(), WITHIN_S) is None
    assert talk.deal.state == "rejected"
    assert talk.deal.reason == (answer or f"{ghana.id} does not negotiate")
    await stop(agents)


def raises() -> Stance:
    raise RuntimeError("a bug")


@pytest.mark.parametrize(("answer", "logged"), [(raises, "a bug"), (Linear, "a Stance, a text or None, not <")])
async def test_a_handler_that_fails_says_no(
    bus: Bus, answer: Callable[[], Any], logged: str, caplog: pytest.LogCaptureFixture
) -> None:
    book = answer.__name__.lower()
    kenya, ghana = agents = await sat_down(bus, book, {"kenya": None, "ghana": None})
    ghana.negotiations.invited(lambda invitation: answer())
    own = Stance(wants(RISING, RISING), Linear())
    talk = await kenya.negotiations.open(domain(2), own, order=[kenya.id, ghana.id], book=book)
    assert await asyncio.wait_for(talk.agreed(), WITHIN_S) is None
    assert (talk.deal.state, talk.deal.reason) == ("rejected", "it cannot sit down")
    assert "cannot sit down" in caplog.text
    assert logged in caplog.text
    await stop(agents)


class Wrong(negotiation.Strategy):
    """Says what cannot be said, or fails."""

    def __init__(self, fails: bool) -> None:
        self._fails = fails

    def choose(self, now: negotiation.Situation) -> negotiation.Choice:
        if self._fails:
            raise RuntimeError("a bug")
        return negotiation.Offer((99, 99))


@pytest.mark.parametrize("fails", [True, False])
async def test_a_strategy_that_fails_ends_the_talk(bus: Bus, fails: bool, caplog: pytest.LogCaptureFixture) -> None:
    book = f"fails-{fails}".lower()
    kenya, ghana = agents = await sat_down(bus, book, {"kenya": None, "ghana": Stance(wants(RISING, RISING), Linear())})
    own = Stance(wants(RISING, RISING), Wrong(fails))
    talk = await kenya.negotiations.open(domain(2), own, order=[kenya.id, ghana.id], book=book)
    assert await asyncio.wait_for(talk.agreed(), WITHIN_S) is None
    assert await asyncio.wait_for(talk.deal.ended(), WITHIN_S) == "rejected"
    assert ("its strategy failed" if fails else "what cannot be said") in caplog.text
    await stop(agents)


async def test_rules_that_the_desk_refuses_are_an_error_and_no_negotiation(bus: Bus) -> None:
    (kenya,) = agents = await sat_down(bus, "refused", {"kenya": None})
    own = Stance(wants(RISING, RISING), Linear())
    with pytest.raises(BadWire) as bad:
        await kenya.negotiations.open(domain(2), own, order=[kenya.id], book="refused")
    assert bad.value.field == "order"
    with pytest.raises(BadMessage) as refused:
        await kenya.negotiations.open(
            domain(2), own, order=[kenya.id, "ghana"], book="refused", sign_within_s=-10.0, talk_for_s=20.0
        )
    assert refused.value.field == "rules"
    await stop(agents)


async def test_lost_forged_and_early_words_do_no_harm(bus: Bus) -> None:
    """Half of kenya's words are not sent at first, and somebody else talks in between."""
    kenya, ghana = agents = await sat_down(
        bus, "lossy", {"kenya": None, "ghana": Stance(wants(FALLING, RISING), Linear())}
    )
    link = kenya._caller.link
    publish = link.publish
    lost: list[bytes] = []

    async def lossy(subject: str, body: bytes, headers: dict[str, str], reply: str = "") -> None:
        if subject.startswith("hms.v1.talk.") and body not in lost and len(lost) < 2:
            lost.append(body)
            return
        if subject.startswith("hms.v1.talk."):
            _, deal = subjects.parse_talk(subject)
            forged = wire.TalkEnd(deal=deal, by=kenya.id, turn=0, prev=bytes(32), reason="forged")
            await publish(subject, encode(forged), headers, reply)
            await publish(subject, b"\xc1", headers, reply)
        await publish(subject, body, headers, reply)

    link.publish = lossy  # type: ignore[method-assign]
    await ghana.nats.publish(subjects.talk(ghana.id, "a" * 26), b"of no deal")
    own = Stance(wants(RISING, FALLING), Linear())
    talk = await kenya.negotiations.open(domain(2), own, order=[kenya.id, ghana.id], book="lossy", rounds=6)
    assert await asyncio.wait_for(talk.agreed(), WITHIN_S) is not None
    assert await asyncio.wait_for(talk.deal.ended(), WITHIN_S) == "settled"
    assert len(lost) == 2
    await stop(agents)


async def test_words_that_overtake_others_wait(bus: Bus, caplog: pytest.LogCaptureFixture) -> None:
    """What ghana answers to kenya reaches mali before what kenya said."""
    stances: dict[str, Stance | str | None] = {
        "kenya": None,
        "ghana": Stance(wants(FALLING, FALLING), Linear()),
        "mali": Stance(wants(RISING, FALLING), Linear()),
    }
    kenya, _, mali = agents = await sat_down(bus, "overtake", stances)
    link = kenya._caller.link
    publish = link.publish
    late: list[asyncio.Future[None]] = []

    async def slow(subject: str, body: bytes, headers: dict[str, str], reply: str = "") -> None:
        async def later() -> None:
            await asyncio.sleep(0.2)
            await publish(subject, body, headers, reply)

        if subject.startswith(f"hms.v1.talk.{mali.id}."):
            late.append(asyncio.ensure_future(later()))
        else:
            await publish(subject, body, headers, reply)

    link.publish = slow  # type: ignore[method-assign]
    own = Stance(wants(RISING, RISING), Linear())
    order = [agent.id for agent in agents]
    talk = await kenya.negotiations.open(domain(3), own, order=order, book="overtake", rounds=4)
    assert await asyncio.wait_for(talk.agreed(), WITHIN_S) is not None
    assert await asyncio.wait_for(talk.deal.ended(), WITHIN_S) == "settled"
    await asyncio.gather(*late)
    assert late
    assert "is not taken" not in caplog.text
    await stop(agents)


async def bidders(bus: Bus, book: str, bids: dict[str, Any]) -> list[Agent]:
    agents = await sat_down(bus, book, dict.fromkeys(bids))
    for agent, bid in zip(agents, bids.values(), strict=True):
        if bid is not None:
            agent.negotiations.called(lambda call, bid=bid: bid)
    return agents


async def test_a_contract_net_awards_to_the_best_bid(bus: Bus) -> None:
    bids = {"kenya": None, "dear": (9, 0), "cheap": (1, 2), "busy": "no time"}
    agents = await bidders(bus, "tender", bids)
    kenya = agents[0]
    calls: list[negotiation.Call] = []

    @agents[2].negotiations.called
    async def bid(call: negotiation.Call) -> negotiation.Outcome:
        calls.append(call)
        return 1, 2

    tender = await kenya.negotiations.call(
        domain(2),
        among=[agent.id for agent in agents[1:]],
        score={"issue-0": -1, "issue-1": -2},
        book="tender",
        text="a road",
        bids_for_s=WITHIN_S,
    )
    # 10 + 2 × 1 against 2 + 2 × 3: all have answered, so nobody waits for the time.
    assert await asyncio.wait_for(tender.agreed(), WITHIN_S) == (1, 2)
    assert tender.awarded == agents[2].id
    assert [(call.text, call.manager, call.score) for call in calls] == [
        ("a road", kenya.id, {"issue-0": -1, "issue-1": -2})
    ]
    assert await asyncio.wait_for(tender.deal.ended(), WITHIN_S) == "settled"
    await has(kenya, "tender", {"good-0": -2, "good-1": 3})
    assert json.loads(bus.hms("deal", "verify", tender.id, "--json"))["state"] == "settled"
    await stop(agents)


async def test_where_nobody_bids_in_time_the_deal_is_withdrawn(bus: Bus) -> None:
    agents = await bidders(bus, "silence", {"kenya": None, "silent": None, "busy": "no time"})
    kenya = agents[0]
    tender = await kenya.negotiations.call(
        domain(2), among=[agent.id for agent in agents[1:]], score={"issue-0": -1}, book="silence", bids_for_s=1.0
    )
    assert await asyncio.wait_for(tender.agreed(), WITHIN_S) is None
    assert await asyncio.wait_for(tender.deal.ended(), WITHIN_S) == "withdrawn"
    assert tender.awarded is None
    await stop(agents)


@pytest.mark.parametrize("name", ["bargain", "tender", "mediate"])
async def test_the_example_comes_to_a_deal(bus: Bus, name: str) -> None:
    def run() -> subprocess.CompletedProcess[str]:
        example = bus.binary.parents[2] / "py_agents" / "examples" / f"{name}.py"
        return subprocess.run([sys.executable, example], capture_output=True, text=True, timeout=60)

    done = await asyncio.to_thread(run)
    assert done.returncode == 0, done.stderr
    assert "the deal is settled" in done.stdout
    assert "holds" in done.stdout
