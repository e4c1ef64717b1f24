"""The cores in this process answer what `hms call --local` and the services answer, to the byte."""

from __future__ import annotations

import json
import secrets
import subprocess
import sys
import threading
import time
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import pytest

from hms_a2a import Agent, BadMessage, BadWire, Refused, wire
from hms_a2a._codec import encode, to_json
from hms_a2a._keys import new_seed
from hms_a2a.gtp import parse_claim, prove

cores = pytest.importorskip(
    "hms_a2a.cores", reason="NOT TESTED: the cores are not built (make build)", exc_type=ImportError
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from real_bus import Bus

EXAMPLE = Path(__file__).resolve().parents[1] / "examples" / "fair_split.py"
NOW_UNIX_MS = 1_790_000_000_000


def exactly(number: int | Fraction) -> wire.Bounds:
    return wire.Bounds(lo=Fraction(number), hi=Fraction(number))


def states(party: str, value: tuple[str, int], cost: tuple[str, int], margin_ppm: int = 0) -> wire.PartyValuation:
    valuation = wire.Valuation(
        margin_ppm=margin_ppm,
        values=[wire.UnitValue(good=value[0], value=exactly(value[1]))],
        costs=[wire.UnitCost(good=cost[0], cost=exactly(cost[1]))],
    )
    return wire.PartyValuation(party=party, valuation=valuation)


TERMS = wire.Terms(
    book="bazaar",
    parties=["egypt", "kenya"],
    transfers=[
        wire.Transfer(from_="kenya", to="egypt", good="tea", quantity=100, due_unix_ms=NOW_UNIX_MS),
        wire.Transfer(from_="egypt", to="kenya", good="rice", quantity=90, due_unix_ms=NOW_UNIX_MS),
    ],
    delivery=wire.Delivery.IMMEDIATE,
    expires_unix_ms=NOW_UNIX_MS,
)
SIDES = [states("egypt", ("tea", 9), ("rice", 6)), states("kenya", ("rice", 10), ("tea", 7), 500_000)]
ROOM = wire.Room(spans=[wire.Span(transfer=0, least=0, most=200), wire.Span(transfer=1, least=0, most=200)])
POT = wire.Pot(amount_minor=100, claimants=[wire.Claimant(party="a", most_minor=80), wire.Claimant(party="b")])
GAME = wire.Game(players=["a", "b", "c"], kind=wire.GameKind.GLOVES, numbers=[1, 0, 0], worth_minor=600)
PROVED = parse_claim("forall x in [0,1]: x >= x^2")


def days(least: int, likely: int, most: int) -> wire.Spread:
    return wire.Spread(least=least, likely=likely, most=most)


GIVES = [wire.Give(good="tea", limit=50, cost=exactly(7))]

#: A request, and the function that answers it.
REQUESTS: list[tuple[wire.Message, Callable[..., wire.Message]]] = [
    (wire.ValueRequest(terms=TERMS, valuations=SIDES), cores.value),
    (wire.AnalyzeRequest(terms=TERMS, valuations=SIDES), cores.analyze),
    (wire.TradeBalanceRequest(transfers=TERMS.transfers), cores.balance),
    (
        wire.PathRequest(
            commits=[wire.Commit(at_unix_ms=NOW_UNIX_MS, transfers=TERMS.transfers)],
            prices=[wire.Price(good="tea", price=Fraction(15, 2))],
            from_unix_ms=NOW_UNIX_MS,
            period_ms=10,
            periods=3,
        ),
        cores.path,
    ),
    (
        wire.CertificateMarket(
            orders=[
                wire.CertificateOrder(party="kenya", side=wire.Side.SELL, quantity=60, limit=Fraction(1, 50)),
                wire.CertificateOrder(party="egypt", side=wire.Side.BUY, quantity=40, limit=Fraction(3, 100)),
            ]
        ),
        cores.certificate_price,
    ),
    (
        wire.ReturnRequest(
            indicators=[
                wire.Indicator(name="jobs", unit="jobs", baseline=Fraction(4), outcome=Fraction(5), weight_ppm=10**6)
            ]
        ),
        cores.agreement_return,
    ),
    *((wire.Divide(rule=rule, pot=POT), cores.divide) for rule in list(wire.Rule)[:3]),
    *((wire.Divide(rule=rule, game=GAME), cores.divide) for rule in list(wire.Rule)[3:]),
    *(
        (wire.Divide(rule=rule, bargain=wire.Bargain(terms=TERMS, valuations=SIDES, room=ROOM)), cores.divide)
        for rule in list(wire.Rule)[:3]
    ),
    (wire.Clear(goods=[], offers=[], max_ring=3, time_limit_ms=100), cores.clear),
    (
        wire.Net(
            obligations=[
                wire.Obligation(from_="kenya", to="egypt", good="usd", quantity=120),
                wire.Obligation(from_="egypt", to="chad", good="usd", quantity=100),
            ],
            time_limit_ms=1_000,
        ),
        cores.net,
    ),
    (
        wire.PlanRoadmap(
            steps=[
                wire.RoadmapStep(step="rail", days=days(5, 6, 9), cost_minor=40, gain_minor=days(50, 60, 70)),
                wire.RoadmapStep(
                    step="port", after=["rail"], days=days(1, 2, 3), cost_minor=30, gain_minor=days(10, 50, 90)
                ),
            ],
            budget_minor=100,
            runs=100,
            seed=7,
            risk_ppm=50_000,
            time_limit_ms=1_000,
        ),
        cores.plan_roadmap,
    ),
    (
        wire.AnalyzeNetwork(
            links=[
                wire.NetworkLink(from_="kenya", to="egypt", weight=3),
                wire.NetworkLink(from_="egypt", to="chad", weight=2),
            ],
            time_limit_ms=1_000,
        ),
        cores.analyze_network,
    ),
    (
        wire.Evolve(
            sought=wire.Sought(
                book="bazaar",
                delivery=wire.Delivery.IMMEDIATE,
                expires_unix_ms=NOW_UNIX_MS,
                transfers=[
                    wire.Movable(from_="kenya", to="egypt", good="tea", most=200, due_unix_ms=NOW_UNIX_MS),
                    wire.Movable(from_="egypt", to="kenya", good="rice", most=200, due_unix_ms=NOW_UNIX_MS),
                ],
                valuations=[states("egypt", ("tea", 9), ("rice", 6)), states("kenya", ("rice", 10), ("tea", 7))],
            ),
            seed=3,
            evaluations=2_000,
        ),
        cores.evolve,
    ),
    (
        wire.CheckProof(claim=PROVED.to_bytes(), certificate=prove(PROVED, seconds=10).evidence or b""),
        cores.check_proof,
    ),
]
IDS = [f"{request.TYPE}-{at}" for at, (request, _) in enumerate(REQUESTS)]


@pytest.mark.parametrize(("request_", "core"), REQUESTS, ids=IDS)
async def test_the_same_answer_here_by_hms_and_on_the_bus(
    request_: wire.Message, core: Callable[..., wire.Message], bus: Bus, tmp_path: Path
) -> None:
    here = core(request_)
    file = tmp_path / "request.json"
    file.write_text(json.dumps(to_json(request_)))
    by_hms = json.loads(bus.hms("call", request_.TYPE, str(file), "--local", "--json"))
    async with Agent(f"asker-{secrets.token_hex(4)}", servers=bus.url, seed=new_seed()) as asker:
        on_the_bus = await asker.call(request_.TYPE, request_)
    if isinstance(here, wire.Cleared | wire.Netted | wire.Roadmap | wire.NetworkAnalyzed):  # it says how long it took
        assert isinstance(on_the_bus, type(here))
        here = msgspec.structs.replace(here, took_ms=0)
        on_the_bus = msgspec.structs.replace(on_the_bus, took_ms=0)
        by_hms["took_ms"] = 0
    assert encode(here) == encode(on_the_bus)
    assert to_json(here) == by_hms


def test_every_core_of_the_table_has_a_function() -> None:
    from hms_a2a import _native

    assert {request.TYPE for request, _ in REQUESTS} == set(_native.kinds())


def test_a_refusal_names_its_rule_and_field() -> None:
    greedy = wire.Pot(amount_minor=1, claimants=[wire.Claimant(party="a", least_minor=2)])
    with pytest.raises(Refused) as refused:
        cores.divide(wire.Divide(rule=wire.Rule.NASH, pot=greedy))
    assert (refused.value.rule, refused.value.field) == ("infeasible", "pot.amount_minor")
    nothing = wire.Game(
        players=["a"], kind=wire.GameKind.LISTED, coalitions=[wire.Coalition(members=[], worth_minor=1)]
    )
    with pytest.raises(BadMessage) as bad:
        cores.divide(wire.Divide(rule=wire.Rule.CORE, game=nothing))
    assert bad.value.field == "game.coalitions[0].members"
    with pytest.raises(BadWire) as wrong:
        cores.balance(wire.TradeBalanceRequest(transfers=[msgspec.structs.replace(TERMS.transfers[0], quantity=-1)]))
    assert wrong.value.field == "transfers[0].quantity"


def test_bytes_that_are_no_request_get_an_error_reply_and_no_crash() -> None:
    from hms_a2a import _native

    for body in (b"", b"\xc1", b"\x80", encode(REQUESTS[0][0])[:-1], b"\xff" * 100):
        assert b"error" in _native.call("trade_balance.divide", body)
    with pytest.raises(ValueError, match="no core"):
        _native.call("trade_balance.nonsense", b"")


def test_other_threads_run_while_a_core_computes() -> None:
    players = [f"p{at}" for at in range(40)]
    game = wire.Game(players=players, kind=wire.GameKind.VOTING, numbers=[1] * 40, total=21)
    ticks, done = 0, threading.Event()

    def long() -> None:
        cores.divide(wire.Divide(rule=wire.Rule.SHAPLEY, game=game, samples=200_000))
        done.set()

    thread = threading.Thread(target=long)
    thread.start()
    while not done.is_set():
        ticks += 1
        time.sleep(0.001)
    thread.join()
    assert ticks > 20, "the lock was held"


def test_the_example_says_the_same_with_and_without_a_bus(bus: Bus) -> None:
    run = [sys.executable, "-W", "error", str(EXAMPLE)]
    here = subprocess.run(run, capture_output=True, text=True, check=True, timeout=60).stdout
    there = subprocess.run([*run, bus.url], capture_output=True, text=True, check=True, timeout=60).stdout
    assert here == there
    assert "leximin: kenya 50.00, egypt 25.00, mali 25.00" in here
