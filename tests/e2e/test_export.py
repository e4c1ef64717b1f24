"""The figures of a swarm's report follow from its export, by code that shares nothing with the cores.

First the audit itself is tried: on an export made by hand, whose figures are worked out below, and on what could be
wrong with it. Then it is let loose on small clearings of all kinds, and on a run.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from clearing_audit import Clearing
from export_audit import Audit, Export
from real_bus import HMS, ROOT, find_hms

if TYPE_CHECKING:
    from collections.abc import Callable

Json = dict[str, Any]

DAY_MS = 86_400_000
#: The corporate usual but for the rate: 1/20 · 73/365 is 1/100, so D is 1/1.01.
OUTLOOK = {"kind": "corporate", "rate": "1/20"}


def bounds(lo: object, hi: object) -> Json:
    return {"lo": str(lo), "hi": str(hi)}


def valuation(value: tuple[str, int], cost: tuple[str, int], outlook: Json, margin_ppm: int = 10_000) -> Json:
    """What a party states of a good that it receives and one that it gives: the centre, give or take one."""
    (received, worth), (given, costs) = value, cost
    return {
        "outlook": outlook,
        "margin_ppm": margin_ppm,
        "values": [{"good": received, "value": bounds(worth - 1, worth + 1)}],
        "costs": [{"good": given, "cost": bounds(costs - 1, costs + 1)}],
    }


def deal(
    name: str, *happened: str, stated: dict[str, Json], transfers: list[Json], days: int = 0, proved: bool = False
) -> Json:
    """A deal's line: these things happened, in this order, a tenth of a second apart.

    Where it is `proved`, it required that everyone gains and that everyone holds what he gives.
    """
    due = [t | {"due_unix_ms": days * DAY_MS + 5} for t in transfers]
    terms = {"type": "terms", "book": "m", "parties": sorted(stated), "transfers": due, "expires_unix_ms": 5}
    certificates = [{"claim_hash": "00", "certificate": "00"}] * 2 * len(stated) * proved
    said: dict[str, Json] = {
        "certified": {"certificates": certificates},
        "committed": {"terms": terms, "certificates": certificates},
        "refused": {"rule": "claim_unknown", "reason": "too hard"},
        "failed": {"undelivered": [*range(len(due))]},
        "compensated": {"reversed": [*range(len(due))]},
    }
    accepted = [
        {
            "what": {"type": "accepted", "by": party, "last": last},
            "cause": {"body": {"valuation": stated[party], "holdings": held(party, transfers)}},
        }
        for party, last in zip(stated, [False] * (len(stated) - 1) + [True], strict=True)
    ]
    requires = ["win_win", "holdings"] if proved else []
    bodies: list[Json] = [{"what": {"type": "opened"}, "cause": {"body": {"requires": requires}}}]
    for kind in happened:
        bodies += accepted if kind == "agreed" else [{"what": {"type": kind} | said.get(kind, {})}]
    events = [{"sequence": 1, "body": body | {"at_unix_ms": 100 * at}} for at, body in enumerate(bodies)]
    return {"deal": name, "state": happened[-1], "events": events}


def held(party: str, transfers: list[Json]) -> list[Json]:
    """What a party says that it holds: just what it gives."""
    given = [transfer for transfer in transfers if transfer["from"] == party]
    return [{"good": transfer["good"], "quantity": transfer["quantity"]} for transfer in given]


def transfer(giver: str, taker: str, good: str, quantity: int, intent: int | None = None) -> Json:
    cited = {"intent": {"agent": giver, "sequence": intent}} if intent else {}
    return {"from": giver, "to": taker, "good": good, "quantity": quantity} | cited


def offer(agent: str, gives: tuple[str, int, int], wants: tuple[str, int, int], outlook: Json) -> Json:
    """An offer to give a good and get another, each with a limit and the centre of what it is worth."""
    (given, most, cost), (wanted, enough, value) = gives, wants
    return {
        "agent": agent,
        "gives": [{"good": given, "limit": most, "cost": bounds(cost - 1, cost + 1)}],
        "wants": [{"any_of": [{"good": wanted, "limit": enough, "value": bounds(value - 1, value + 1)}]}],
        "margin_ppm": 10_000,
        "outlook": outlook,
    }


def made_by_hand() -> tuple[Json, Json]:
    """An export, and the report that goes with it.

    Kenya gives 5,000 wheat (cost 20, worth 30 to Ghana) for 2,000 coffee (cost 40, worth 90 to Kenya), due in 73 days:
    φ⁺ = ⌊10⁹/1.01⌋ = 990099009, φ⁻ = ⌈10⁹/1.01⌉ = 990099010. Kenya gains 2000·90·φ⁺ − 5000·20·φ⁻ = 178217.82162 −
    99009.901 = 79207.92…, Ghana 5000·30·φ⁺ − 2000·40·φ⁻ = 148514.85135 − 79207.9208 = 69306.93…: 148,513 cents in whole
    ones. The clearing that proposed it can do no more: both limits (5,000 wheat to give, 2,000 coffee wanted) are
    reached, and 5000·(30φ⁺ − 20φ⁻) + 2000·(90φ⁺ − 40φ⁻) = 148514.85… A ring of three, due at once, gives each 10·30 −
    10·20 = 100, and it is proved. A third deal is rejected, a fourth taken back, a fifth never proved.
    """
    kenya, ghana = valuation(("coffee", 90), ("wheat", 20), OUTLOOK), valuation(("wheat", 30), ("coffee", 40), OUTLOOK)
    ring = {
        party: valuation((wanted, 30), (given, 20), {"kind": "government"})
        for party, wanted, given in (("a", "z", "x"), ("b", "x", "y"), ("c", "y", "z"))
    }
    pair = [transfer("kenya", "ghana", "wheat", 5000, 1), transfer("ghana", "kenya", "coffee", 2000, 2)]
    three = [transfer("a", "b", "x", 10, 4), transfer("b", "c", "y", 10), transfer("c", "a", "z", 10)]
    all_the_way = ("agreed", "certified", "committed", "settled")
    offers = [
        offer("ghana", ("coffee", 3000, 40), ("wheat", 6000, 30), OUTLOOK),
        offer("kenya", ("wheat", 5000, 20), ("coffee", 2000, 90), OUTLOOK),
    ]
    goods = [{"good": "wheat", "unit": "kg"}, {"good": "coffee", "unit": "kg"}]
    request = {"goods": goods, "max_ring": 3, "days": 73, "margin_ppm": 0, "time_limit_ms": 100}
    hops = [
        {"from": "kenya", "to": "ghana", "good": "wheat", "quantity": 5000, "want": 0},
        {"from": "ghana", "to": "kenya", "good": "coffee", "quantity": 2000, "want": 0},
    ]
    result = {"rings": [{"hops": hops, "welfare_minor": 148_514}], "objective": 148_514, "bound": 148_514}
    asked = request | {"offers": [offers[0] | {"sequence": 2}, offers[1] | {"sequence": 1}]}
    third = offer("a", ("x", 10, 20), ("z", 10, 30), {"kind": "government"})
    stored = [{"type": "intent"} | said for said in (offers[1], offers[0])]
    stored += [{"type": "intent.withdrawn", "agent": "ghana"}, {"type": "intent"} | third]
    export = {
        "intents": [{"sequence": at, "body": body} for at, body in enumerate(stored, start=1)],
        "deals": [
            deal("d1", *all_the_way, stated={"kenya": kenya, "ghana": ghana}, transfers=pair, days=73),
            deal("d2", *all_the_way, stated=ring, transfers=three, proved=True),
            deal("d3", "rejected", stated={"kenya": kenya, "ghana": ghana}, transfers=pair),
            deal("d4", *all_the_way[:3], "failed", "compensated", stated=ring, transfers=three),
            deal("d5", "agreed", "refused", stated=ring, transfers=three, proved=True),
        ],
        "clearings": [
            {"type": "maker.clearing", "clearing": 1, "request": asked, "result": result},
            {"type": "optimum", "request": asked, "result": result},
        ],
    }
    report = {
        "intents": 3,
        "clearings": 1,
        "deals": {
            **{"opened": 5, "agreed": 4, "certified": 3, "committed": 3, "settled": 2, "rejected": 1, "withdrawn": 0},
            **{"expired": 0, "refused": 1, "failed": 1, "compensated": 1},
        },
        "settled_over_1000_usd": 1,
        "multi_party_settled": 1,
        "transfers": 5,
        "welfare": {"achieved": 148_813, "optimum": 148_514},
        "conservation_ok": True,
        "win_win_ok": True,
        "surplus_by_party": {"kenya": 79_207, "ghana": 69_306, "a": 100, "b": 100, "c": 100, "idle": 0},
        "claims": {"proved": 6, "refused": {"claim_unknown": 1}, "deals": 1, "proving_ms": 100, "to_commit_ms": 500},
    }
    return export, report


def differences(export: Json, report: Json) -> list[str]:
    """What the audit says."""
    return Audit(Export(**export)).differences(report)


def test_an_export_made_by_hand_is_computed_as_by_hand() -> None:
    export, report = made_by_hand()
    assert differences(export, report) == []
    clearing = Audit(Export(**export)).clearings[0]
    assert clearing.optimum == pytest.approx(148_514.85117, abs=1e-4)
    assert clearing.whole_optimum == 148_514


def at(path: str, change: Callable[[Any], Any]) -> Callable[[Json, Json], None]:
    """Changes what stands at a path of the export, or of the report."""

    def apply(export: Json, report: Json) -> None:
        place: Any = {"export": export, "report": report}
        *way, last = (int(step) if step.isdigit() else step for step in path.split("."))
        for step in way:
            place = place[step]
        place[last] = change(place[last])

    return apply


D1 = "export.deals.0.events"
TERMS = f"{D1}.4.body.what.terms"
CLEARING = "export.clearings.0"

WRONG = {
    "a cent more achieved": (at("report.welfare.achieved", lambda n: n + 1), "welfare"),
    "another optimum": (at("report.welfare.optimum", lambda n: n + 1), "welfare"),
    "a cent from one to another": (
        at("report.surplus_by_party", lambda s: s | {"a": 99, "b": 101}),
        "surplus_by_party",
    ),
    "a party that is left out": (at("report.surplus_by_party", lambda s: {"kenya": 79_207}), "surplus_by_party"),
    "a deal more": (at("report.deals.settled", lambda n: n + 1), "deals"),
    "a ring more": (at("report.multi_party_settled", lambda n: n + 1), "multi_party_settled"),
    "a large one more": (at("report.settled_over_1000_usd", lambda n: n + 1), "settled_over_1000_usd"),
    "an intent more": (at("report.intents", lambda n: n + 1), "intents"),
    "a unit more moved": (at(f"{TERMS}.transfers.0.quantity", lambda n: n + 1), "gives 5001"),
    "a good that comes from nowhere": (at(f"{TERMS}.parties", lambda p: ["ghana"]), "appear or vanish"),
    "a claim more": (at("report.claims.proved", lambda n: n + 1), "claims"),
    "a proof that took less": (at("report.claims.proving_ms", lambda n: n - 1), "claims"),
    "a proof that is missing": (
        at("export.deals.1.events.5.body.what.certificates", lambda c: c[1:]),
        "committed with 5 certificates, not 6",
    ),
    "more given than held": (
        at("export.deals.1.events.1.body.cause.body.holdings.0.quantity", lambda n: 9),
        "a gives 10 x and says that it holds 9",
    ),
    "a party that did not accept": (at(f"{D1}.1.body.what.by", lambda p: "togo"), "kenya did not accept"),
    "a cost that nobody stated": (at(f"{D1}.1.body.cause.body.valuation.costs", lambda c: []), "what wheat costs"),
    "a margin that is not met": (
        at(f"{D1}.1.body.cause.body.valuation.margin_ppm", lambda m: 700_000),
        "deal d1: kenya does not gain 700000 ppm",
    ),
    "an intent that says less": (at("export.intents.0.body.gives.0.limit", lambda n: 4999), "gives 5000"),
    "another's intent": (at("export.intents.0.body.agent", lambda a: "togo"), "kenya did not state its offer"),
    "an offer at another price": (
        at(f"{CLEARING}.request.offers.1.gives.0.cost", lambda c: bounds(19, 22)),
        "kenya did not state its offer",
    ),
    "a ring that brings more": (at(f"{CLEARING}.result.rings.0.welfare_minor", lambda n: n + 1), "brings 148514.85"),
    "an objective that no ring brings": (at(f"{CLEARING}.result.objective", lambda n: n - 1), "the rings bring 148514"),
    "a bound below what was reached": (at(f"{CLEARING}.result.bound", lambda n: n - 1), "is below what was reached"),
    "a bound that is too high": (at(f"{CLEARING}.result.bound", lambda n: n + 200), "the relaxation's optimum"),
    "more given than there is": (
        at(f"{CLEARING}.result.rings.0.hops.0.quantity", lambda n: 5001),
        "kenya gives 5001 wheat of 5000",
    ),
    "a want filled twice": (at(f"{CLEARING}.result.rings", lambda r: r * 2), "kenya fills its want 0 2 times"),
    "a ring that does not close": (at(f"{CLEARING}.result.rings.0.hops", lambda h: h[:1]), "is no ring"),
    "a margin in a ring that is not met": (
        at(f"{CLEARING}.request.margin_ppm", lambda m: 700_000),
        "kenya does not gain 700000 ppm",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_is_named(name: str) -> None:
    export, report = json.loads(json.dumps(made_by_hand()))  # nothing stands in two places at once
    change, named = WRONG[name]
    change(export, report)
    found = differences(export, report)
    assert any(named in fault for fault in found), found


def few_lots(wheat: int) -> Clearing:
    """So much wheat, worth 30 and costing 20, for coffee that costs 40 and is worth 90; nobody asks a margin.

    Ghana gives 29/41 coffee for each wheat at most: in whole lots 0, 1, 2, 2, 3, 4, 4, 5 and 6 for one wheat to nine.
    """
    plain = {"kind": "government"}
    offers = [
        offer("ghana", ("coffee", 9, 40), ("wheat", 9, 30), plain) | {"margin_ppm": 0},
        offer("kenya", ("wheat", wheat, 20), ("coffee", 9, 90), plain) | {"margin_ppm": 0},
    ]
    goods = [{"good": "wheat", "unit": "kg"}, {"good": "coffee", "unit": "kg"}]
    hops = [
        {"from": "kenya", "to": "ghana", "good": "wheat", "quantity": 8, "want": 0},
        {"from": "ghana", "to": "kenya", "good": "coffee", "quantity": 5, "want": 0},
    ]
    result = {"rings": [{"hops": hops, "welfare_minor": 330}], "objective": 330, "bound": 330}
    return Clearing({"goods": goods, "offers": offers, "max_ring": 2}, result)


def test_where_few_lots_fit_a_rate_is_the_best_of_them() -> None:
    """Two coffee for three wheat, four for six, six for nine: two thirds."""
    clearing = few_lots(9)
    assert clearing.optimum == pytest.approx(9 * 10 + 6 * 50)
    assert clearing.whole_optimum == 9 * 10 + 6 * 50


def test_a_bound_below_the_relaxations_is_one_on_whole_lots() -> None:
    """Of eight wheat the relaxation makes 16/3 coffee, and whole lots five."""
    clearing = few_lots(8)
    assert clearing.optimum == pytest.approx(8 * 10 + 16 / 3 * 50)
    assert clearing.whole_optimum == 8 * 10 + 5 * 50
    assert clearing.faults() == []
    clearing.result["bound"] = 329
    assert "the bound is 329, and 330 can be reached" in clearing.faults()
    clearing.result["bound"] = 349
    assert "the bound is 349, and the relaxation's optimum 346.67" in clearing.faults()


def clearing_at_random(seed: int) -> Json:
    """A small clearing: some goods in lots, some alternatives, all kinds of parties."""
    draw = random.Random(seed)
    goods = [
        {"good": f"g{n}", "unit": "unit"} | ({"lot": draw.randint(1, 4)} if draw.random() < 0.4 else {})
        for n in range(4)
    ]
    most = draw.choice([6, 40, 5000])

    def price(centre: float) -> Json:
        lo = round(centre * draw.uniform(0.97, 1))
        return bounds(f"{lo}", f"{lo + draw.randint(0, 4)}")

    def agent(name: str) -> Json:
        given, *wanted = draw.sample([spec["good"] for spec in goods], draw.randint(2, 4))
        alternatives = [
            {"good": good, "limit": draw.randint(1, most), "value": price(draw.uniform(100, 160))} for good in wanted
        ]
        split = draw.random() < 0.5
        return {
            "agent": name,
            "gives": [{"good": given, "limit": draw.randint(1, most), "cost": price(draw.uniform(80, 120))}],
            "wants": [{"any_of": [a]} for a in alternatives] if split else [{"any_of": alternatives}],
            "margin_ppm": draw.choice([0, 10_000, 50_000]),
            "outlook": {"kind": draw.choice(["government", "corporate", "ngo", "civilian"])},
        }

    return {
        "goods": goods,
        "offers": [agent(f"a{n}") for n in range(draw.randint(3, 8))],
        "max_ring": draw.randint(2, 4),
        "margin_ppm": draw.choice([0, 5_000]),
        "days": draw.choice([0, 30]),
        "time_limit_ms": 2000,
    }


def test_small_clearings_of_all_kinds_hold() -> None:
    """Every ring of the core's answers, and every bound."""
    find_hms()
    reached = 0
    for seed in range(60):
        request = clearing_at_random(seed)
        command: list[str | Path] = [HMS, "call", "graph.clear", "-", "--local", "--json"]
        done = subprocess.run(command, input=json.dumps(request), capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, f"seed {seed}: {done.stderr}"
        result = json.loads(done.stdout)
        assert Clearing(request, result).faults() == [], f"seed {seed}"
        reached += result["objective"] > 0
    assert reached > 20, "most clearings should find something to do"


def test_a_runs_figures_follow_from_its_export(tmp_path: Path) -> None:
    find_hms()
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("NATS_", "HMS_"))} | {"PATH": path}
    command: list[str | Path] = [HMS, "swarm", "run", ROOT / "scenarios" / "dozen-countries.toml"]
    command += ["--json", tmp_path / "report.json", "--export", tmp_path / "export"]
    done = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=180)
    assert done.returncode == 0, done.stderr
    report = json.loads((tmp_path / "report.json").read_text())
    assert report["deals"]["settled"] > 5
    assert Audit(Export.read(tmp_path / "export")).differences(report) == []
