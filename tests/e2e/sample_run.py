"""Runs that never were, as the page of a report reads them: of any size, with names and words of ill will in them."""

from __future__ import annotations

import json
import random
import re
from typing import Any

Json = dict[str, Any]

BEGAN = 1_790_000_000_000
#: What a name or a reason might try.
HOSTILE = "</script><script>window.harm = 1</script><img src=x onerror='window.harm = 1'> \" ' & {b} ${1}"
STAGES = ("agreed", "certified", "committed", "settled")
OTHERS = ("opened", "rejected", "withdrawn", "expired", "refused", "failed", "compensated")


class Sample:
    """A run of so many agents, drawn from a seed."""

    def __init__(self, agents: int, goods: int = 12, seed: int = 1) -> None:
        self._draw = random.Random(seed)
        self._goods = {f"good-{n}": self._draw.randint(100, 100_000) for n in range(goods)}
        self._names = [f"agent-{n:05}" for n in range(agents)]
        self._gains = dict.fromkeys(self._names, 0)
        self._stages = dict.fromkeys((*STAGES, *OTHERS), 0)
        self._took: list[int] = []
        self._deals: list[Json] = []
        self._clearings = [self._clearing(number) for number in range(1, 9)]

    def run(self) -> Json:
        """What stands in a page."""
        return {"report": self._report(), "detail": self._detail()}

    def _clearing(self, number: int) -> Json:
        # Every fifth agent never trades, and where there are two, nobody does.
        traders = [name for index, name in enumerate(self._names) if index % 5]
        at = BEGAN + number * 2000
        mine = [self._deal(f"{number:02}-{n:05}", at, traders) for n in range(len(self._names) // (number + 3))]
        self._deals += mine
        reached = sum(gain["gain_minor"] for deal in mine for gain in deal["gains"])
        return {
            **{"clearing": number, "at_unix_ms": at, "offers": len(self._names), "objective": reached},
            **{"bound": reached + reached // 50, "gap_ppm": 19_607, "outcome": "feasible", "took_ms": 400},
            **{"rings": len(mine), "deals": [deal["deal"] for deal in mine], "left_out": {}},
        }

    def _deal(self, name: str, at: int, traders: list[str]) -> Json:
        parties = sorted(self._draw.sample(traders, self._draw.choice([2, 3, 3])))
        steps: list[tuple[int, str]] = [(at, "open"), (at + 20, "negotiating")]
        self._stages["opened"] += 1
        deal = {"deal": f"deal-{name}", "parties": parties, "moved": [], "gains": [], "proofs": 0}
        if self._draw.random() < 0.1:
            self._stages["rejected"] += 1
            steps.append((at + 50, "rejected"))
            return deal | {"state": "rejected", "steps": steps, "why": f"{parties[0]}: {HOSTILE}"}
        for stage in STAGES:
            self._stages[stage] += 1
            steps.append((steps[-1][0] + self._draw.randint(10, 300), stage))
        self._took.append(steps[-1][0] - at)
        each = {party: self._draw.randint(1, 10**7) for party in parties}
        for party, gain in each.items():
            self._gains[party] += gain
        gains = [{"party": party, "gain_minor": gain} for party, gain in each.items()]
        moved = [self._moved(giver, taker) for giver, taker in zip(parties, parties[1:] + parties[:1], strict=True)]
        return deal | {"state": "settled", "steps": steps, "moved": moved, "gains": gains, "proofs": len(parties)}

    def _moved(self, giver: str, taker: str) -> Json:
        good, price = self._draw.choice(list(self._goods.items()))
        quantity = self._draw.randint(1, 1000)
        return {"from": giver, "to": taker, "good": good, "quantity": quantity, "worth_minor": quantity * price}

    def _report(self) -> Json:
        took = sorted(self._took) or [0]
        welfare = sum(self._gains.values())
        settled = [deal for deal in self._deals if deal["state"] == "settled"]
        return {
            **{"market": "sample", "unit_of_account": "US cent", "seed": 1, "intents": len(self._names)},
            **{"agents": {"python": 0, "rust": len(self._names)}, "clearings": len(self._clearings)},
            "deals": self._stages,
            "claims": {"proved": 9, "refused": {"win_win": 1}, "deals": 3, "proving_ms": 90, "to_commit_ms": 900},
            **{"rejected_by": {}, "left_out": {"no_ring": len(self._names) // 5}, "settled_over_1000_usd": 1},
            "multi_party_settled": sum(len(deal["parties"]) > 2 for deal in settled),
            "transfers": sum(len(deal["moved"]) for deal in settled),
            "welfare": {"achieved": welfare, "optimum": welfare + welfare // 10},
            **{"conservation_ok": True, "win_win_ok": True, "surplus_by_party": self._gains},
            "latency_ms": {"p50": took[len(took) // 2], "p99": took[len(took) * 99 // 100]},
            **{"messages": 12_345, "seconds": 33.4, "errors": [HOSTILE]},
        }

    def _detail(self) -> Json:
        goods = [{"good": good, "unit": "unit", "reference_price": str(price)} for good, price in self._goods.items()]
        return {
            **{"about": HOSTILE, "began_unix_ms": BEGAN, "deals": self._deals, "clearings": self._clearings},
            "market": {"goods": goods, "requires": ["win_win"]},
            "parties": [self._party(name) for name in self._names],
            "optimum": {},
        }

    def _party(self, name: str) -> Json:
        give, want = self._draw.sample(list(self._goods), 2)
        party: Json = {
            **{"agent": name, "language": "Rust", "gives": [{"good": give, "limit": 100}], "told": []},
            "wants": [[{"good": want, "limit": 100}]],
        }
        if self._gains[name]:
            filled = self._draw.randint(1, 1_000_000)
            return party | {"wish": {"wanted_minor": 10**6, "got_minor": filled, "filled_ppm": filled}}
        passed = {"clearing": 8, "reason": "no_ring", "detail": HOSTILE, "times": 8}
        wish = {"wanted_minor": 10**6, "got_minor": 0, "filled_ppm": 0}
        return party | {"told": ["no_ring"], "passed": passed, "wish": wish}


RUN = re.compile(r'(<script type="application/json" id="run">)(.*?)(</script>)', re.DOTALL)


def run_of(page: str) -> Json:
    """The run that stands in a page."""
    found = RUN.search(page)
    assert found, "no run stands in the page"
    read: Json = json.loads(found[2])
    return read


def with_run(page: str, run: Json) -> str:
    """The page, with another run in it, written as the runner writes it."""
    text = json.dumps(run).replace("<", "\\u003c")
    changed, count = RUN.subn(lambda found: found[1] + text + found[3], page)
    assert count == 1
    return changed
