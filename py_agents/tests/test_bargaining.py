"""A host process that negotiates by all four protocols: what comes of it is what comes of it without a bus."""

from __future__ import annotations

import asyncio
import json
import sys
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from at_table import FALLING, RISING, WITHIN_S, domain, transcript

from hms_a2a import BadSetting, negotiation, wire
from hms_a2a._bargaining import Bargaining, stance
from hms_a2a._config import ByCall, ByCalls, ByOffers, Config, Meeting
from hms_a2a._deal import deal_id
from hms_a2a._keys import new_seed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from real_bus import Bus

AGENTS = ["host-a", "host-b", "host-c", "host-d"]
WISHES = [(RISING, FALLING), (FALLING, RISING), (FALLING, FALLING), (RISING, RISING)]
SCORE = [{"issue": "issue-0", "weight": 2}, {"issue": "issue-1", "weight": -3}]
OFFERS: dict[str, object] = {"type": "sao/1"}
CALL: dict[str, object] = {"type": "cnp/1", "score": SCORE}
CALLS: dict[str, object] = {"type": "icnp/1", "score": SCORE, "least_gain": 2, "keep": 2}
TEXT: dict[str, object] = {"type": "stx/1", "mediator": "host-d", "seed": 2**63 + 5}


def seat(agent: str, manner: str, reserved_ppm: int = 100_000) -> dict[str, object]:
    first, second = WISHES[AGENTS.index(agent)]
    additive = [(300_000, first), (700_000, second)]
    return {"agent": agent, "additive": additive, "reserved_ppm": reserved_ppm, "manner": manner, "seed": 7}


def meeting(number: int, protocol: dict[str, object], manners: Sequence[str]) -> dict[str, object]:
    order = AGENTS[: len(manners)]
    return {
        "protocol": protocol,
        "move_id": f"meeting-{number}",
        "book": "host",
        "domain": msgspec.to_builtins(domain(2 if protocol in (CALL, CALLS) else len(order))),
        "order": order,
        "rounds": 15,
        "within_ms": 30_000,
        "seats": [seat(agent, manner) for agent, manner in zip(order, manners, strict=True)],
    }


MEETINGS = [
    meeting(number, protocol, manners)
    for number, (protocol, manners) in enumerate(
        [
            (OFFERS, ("boulware", "conceder")),
            (OFFERS, ("micro", "nash")),
            (OFFERS, ("tit_for_tat", "linear", "accept_if_good")),
            (CALL, ("manager", "sealed", "linear")),
            (CALLS, ("manager", "undercut", "boulware", "conceder")),
            (CALLS, ("manager", "undercut", "undercut")),
            (TEXT, ("hill_climber", "annealer")),
            (TEXT, ("annealer", "annealer", "hill_climber")),
        ]
    )
]


def config(meetings: Sequence[dict[str, object]], **more: object) -> bytes:
    agents = [{"id": agent, "seed": new_seed()} for agent in AGENTS]
    return json.dumps(
        {"bargain": {"agents": agents, "meetings": meetings, "at_once": 2, "keeps_words": True}} | more
    ).encode()


def expected(held: Meeting) -> tuple[negotiation.Outcome | None, list[str]]:
    """What comes of a meeting in one room, and between whom: none where somebody does not want it."""
    stances = {one.agent: stance(held, one) for one in held.seats if one.manner != "manager"}
    match held.protocol:
        case ByOffers():
            rules = wire.Alternating(
                domain=held.domain, order=held.order, rounds=held.rounds, talk_until_unix_ms=10**13
            )
            return negotiation.negotiate(rules, stances).agreed, held.order
        case ByCall(score=score) | ByCalls(score=score) as how:
            once = wire.ContractNet(domain=held.domain, manager=held.opener, bids_until_unix_ms=10**13, score=score)
            again = wire.IteratedContractNet(
                domain=held.domain,
                manager=held.opener,
                bids_until_unix_ms=10**13,
                round_ms=1,
                rounds=held.rounds,
                least_gain=how.least_gain if isinstance(how, ByCalls) else 1,
                keep=how.keep if isinstance(how, ByCalls) else 1,
                score=score,
            )
            net = negotiation.call_for_bids(once if isinstance(how, ByCall) else again, stances)
            bidder = net.award.bidding.by if net.award is not None and net.award.bidding is not None else ""
            return net.awarded, [held.opener, bidder]
        case text:
            by_text = wire.SingleText(
                domain=held.domain,
                order=held.order,
                mediator=text.mediator,
                seed=text.seed,
                rounds=held.rounds,
                talk_until_unix_ms=10**13,
            )
            outcome = negotiation.mediate(by_text, stances).result or ()
            is_wanted = all(one.utility(outcome) >= one.reserved_ppm for one in stances.values())
            return outcome if is_wanted else None, held.order


async def test_a_host_holds_the_meetings_that_it_is_told(bus: Bus) -> None:
    pipe = asyncio.subprocess.PIPE
    command = [sys.executable, "-W", "error", "-m", "hms_a2a.host"]
    host = await asyncio.create_subprocess_exec(*command, stdin=pipe, stdout=pipe, stderr=pipe)
    assert host.stdin is not None
    line = config(MEETINGS, name="hms-bargainers", nats={"servers": [bus.url]})
    host.stdin.write(line + b"\n")

    def shown(deal: str) -> dict[str, Any] | None:
        listed = [json.loads(line) for line in bus.hms("deal", "list", "--json").splitlines()]
        found = next((one for one in listed if one["deal"] == deal), None)
        over = found is not None and found["state"] in ("settled", "rejected", "withdrawn", "expired", "refused")
        return json.loads(bus.hms("deal", "show", deal, "--json")) if over else None

    bargain = Config.read(line).bargain
    assert bargain is not None
    for held in bargain.meetings:
        outcome, between = expected(held)
        deal = deal_id(held.opener, held.move_id)
        end = asyncio.get_running_loop().time() + WITHIN_S
        while (came := await asyncio.to_thread(shown, deal)) is None:
            assert asyncio.get_running_loop().time() < end, held.move_id
            await asyncio.sleep(0.1)
        if outcome is None:
            assert came["state"] == "rejected", held.move_id
            continue
        assert (came["state"], came["parties"]) == ("settled", sorted(between)), held.move_id
        made = [(one["from"], one["to"], one["quantity"]) for one in came["terms"]["transfers"]]
        seats = list(enumerate(between))
        assert made == [(who, between[(at + 1) % len(between)], outcome[at % 2] + 1) for at, who in seats], held.move_id
    host.stdin.close()
    out, err = await asyncio.wait_for(host.communicate(), WITHIN_S)
    events = [json.loads(line) for line in out.splitlines()]
    assert [event["event"] for event in events if event["event"] != "words"] == ["ready", "drained"], (events, err)
    assert events[0]["agents"] == len(AGENTS)
    told = {(event["deal"], event["agent"]): event["words"] for event in events if event["event"] == "words"}
    took_part = {
        (deal_id(held.opener, held.move_id), agent) for held in bargain.meetings for agent in {*held.order, held.opener}
    }
    assert told.keys() == took_part
    for held in bargain.meetings:
        words = told[deal_id(held.opener, held.move_id), held.opener]
        done = await transcript(bus, map(bytes.fromhex, words))
        assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("protocol", "manners", "said"),
    [
        (OFFERS, ("boulware", "undercut"), "the manner of host-b is one of boulware, linear"),
        (CALLS, ("manager", "hill_climber"), "the manner of host-b is one of boulware, linear, conceder, sealed"),
        (TEXT, ("annealer", "linear"), "the manner of host-b is one of hill_climber, annealer"),
    ],
)
def test_a_manner_that_is_none_in_its_protocol_is_named(
    protocol: dict[str, object], manners: tuple[str, ...], said: str
) -> None:
    bargain = Config.read(config([meeting(1, protocol, manners)])).bargain
    assert bargain is not None
    with pytest.raises(BadSetting, match=f"meeting-1: {said}"):
        [Bargaining(agent, bargain, lambda event, agent: None) for agent in bargain.agents]


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"order": []}, "meeting-1: nobody is in the order"),
        ({"order": ["host-a"]}, "meeting-1: host-b is not carried here, or takes no part"),
        ({"protocol": {"type": "icnp/1", "score": SCORE, "keep": 1}}, "missing required field `least_gain`"),
        ({"protocol": {"type": "ring/1"}}, "ring/1"),
    ],
)
def test_a_meeting_that_cannot_be_is_named(wrong: dict[str, object], said: str) -> None:
    with pytest.raises(BadSetting, match=said):
        Config.read(config([meeting(1, OFFERS, ("linear", "linear")) | wrong]))
