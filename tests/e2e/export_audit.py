"""Computes the figures of a swarm's report again, from its export alone.

    python tests/e2e/export_audit.py EXPORT REPORT

says what does not hold, and exits with 1 when anything does not. It shares no code with what it checks: bodies are read
as JSON, sums are ratios of whole numbers. Welfare and surplus are counted as the report counts them: what each party
gains in each settled deal, at the centre of the bounds that it accepted with, rounded down to whole minor units; and
these added up.
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from fractions import Fraction
from pathlib import Path
from typing import Any, NamedTuple

from clearing_audit import Clearing
from exact_worth import Bounds, Factors, Gain

Json = dict[str, Any]

DAY_MS = 86_400_000
#: A surplus of 1,000 US dollars, in cents.
THOUSAND_USD = 100_000
#: What nobody said anything of; that it was not said is a fault of its own.
UNSTATED = Bounds(Fraction(0), Fraction(0))
#: The stages that the report counts, but for *agreed*: an event for each.
STAGES = (
    *("opened", "certified", "committed", "settled", "rejected"),
    *("withdrawn", "expired", "refused", "failed", "compensated"),
)


class Export(NamedTuple):
    """An export, parsed."""

    intents: list[Json]
    deals: list[Json]
    #: Each clearing, and last the optimum that the report compares with.
    clearings: list[Json]

    @classmethod
    def read(cls, folder: Path) -> Export:
        """The three files of an export."""

        def lines(name: str) -> list[Json]:
            return [json.loads(line) for line in (folder / f"{name}.jsonl").read_text().splitlines()]

        return cls(lines("intents"), lines("deals"), lines("clearings"))


class Deal:
    """A deal, from its events."""

    def __init__(self, line: Json) -> None:
        self.id: str = line["deal"]
        self.state: str = line["state"]
        events = [event["body"] for event in line["events"]]
        #: When each thing happened, in Unix milliseconds.
        self.at: list[int] = [event.get("at_unix_ms", 0) for event in events]
        opening = events[0].get("cause", {}).get("body", {}) if events else {}
        #: The kinds of claims that must be proved.
        self.requires: list[str] = opening.get("requires", [])
        #: What happened, in order.
        self.what: list[Json] = [event["what"] for event in events]
        #: What each party stated when it accepted.
        self.stated: dict[str, Json] = {
            event["what"]["by"]: event["cause"]["body"]["valuation"]
            for event in events
            if event["what"]["type"] == "accepted"
        }
        self._holdings: dict[str, list[Json]] = {
            event["what"]["by"]: event["cause"]["body"].get("holdings", [])
            for event in events
            if event["what"]["type"] == "accepted"
        }

    @property
    def holds(self) -> dict[str, dict[str, int]]:
        """What each party says that it holds."""
        return {
            party: {holding["good"]: holding["quantity"] for holding in holdings}
            for party, holdings in self._holdings.items()
        }

    def first(self, kind: str) -> Json | None:
        """The first event of a kind, if there is one."""
        return next((what for what in self.what if what["type"] == kind), None)

    @property
    def terms(self) -> Json | None:
        """The terms that were committed, if any were."""
        committed = self.first("committed")
        return committed["terms"] if committed else None

    @property
    def standing(self) -> list[Json]:
        """The transfers that are on the books in the end."""
        if self.terms is None:
            return []
        compensated = self.first("compensated") or {"reversed": []}
        return [t for index, t in enumerate(self.terms["transfers"]) if index not in compensated["reversed"]]

    def gain(self, party: str) -> Gain:
        """What a party gains by the committed terms, at what it stated when it accepted them."""
        assert self.terms is not None
        stated = self.stated[party]
        values = {entry["good"]: Bounds.of(entry["value"]) for entry in stated["values"]}
        costs = {entry["good"]: Bounds.of(entry["cost"]) for entry in stated["costs"]}
        gain = Gain()
        for transfer in self.terms["transfers"]:
            days = max(0, transfer["due_unix_ms"] - self.terms["expires_unix_ms"]) // DAY_MS
            factors = Factors.of(stated["outlook"], days)
            good, quantity = transfer["good"], transfer["quantity"]
            if transfer["to"] == party and good in values:  # what it did not value is worth nothing to it
                gain.receive(quantity, values[good], factors)
            if transfer["from"] == party:
                gain.give(quantity, costs.get(good, UNSTATED), factors)
        return gain

    def faults(self) -> list[str]:
        """What does not hold of a committed deal."""
        if self.terms is None:
            return []
        parties = self.terms["parties"]
        found = [f"{party} did not accept" for party in parties if party not in self.stated]
        sums: Counter[str] = Counter()
        for transfer in self.terms["transfers"]:
            if transfer["quantity"] <= 0 or transfer["from"] == transfer["to"]:
                found.append(f"{transfer} is no transfer")
            for party, sign in ((transfer["from"], -1), (transfer["to"], 1)):
                sums[transfer["good"]] += sign * transfer["quantity"] * (party in parties)
        found += [f"{left} {good} appear or vanish" for good, left in sums.items() if left]
        for transfer in self.terms["transfers"]:
            stated = self.stated.get(transfer["from"], {"costs": []})
            if transfer["good"] not in {cost["good"] for cost in stated["costs"]}:
                found.append(f"{transfer['from']} does not say what {transfer['good']} costs")
        for party in sorted(self.stated.keys() & set(parties)):
            margin_ppm = self.stated[party].get("margin_ppm", 0)
            if not self.gain(party).is_enough(margin_ppm):
                found.append(f"{party} does not gain {margin_ppm} ppm at its worst corner")
        found += self.unproved()
        return [f"deal {self.id}: {fault}" for fault in found]

    def unproved(self) -> list[str]:
        """What a committed deal requires and has no certificate for."""
        assert self.terms is not None
        givers = {transfer["from"] for transfer in self.terms["transfers"]}
        counts = {"win_win": len(self.terms["parties"]), "holdings": len(givers)}
        wanted = sum(counts[kind] for kind in set(self.requires))
        found = []
        for kind in ("certified", "committed"):
            certificates = (self.first(kind) or {}).get("certificates", [])
            if len(certificates) != wanted:
                found.append(f"{kind} with {len(certificates)} certificates, not {wanted}")
        if "holdings" in self.requires:
            for transfer in self.terms["transfers"]:
                held = self.holds.get(transfer["from"], {}).get(transfer["good"], 0)
                gone = sum(
                    t["quantity"]
                    for t in self.terms["transfers"]
                    if (t["from"], t["good"]) == (transfer["from"], transfer["good"])
                )
                if gone > held:
                    found.append(f"{transfer['from']} gives {gone} {transfer['good']} and says that it holds {held}")
        return found

    def when(self, kind: str) -> int | None:
        """When something happened first, in Unix milliseconds."""
        return next((at for at, what in zip(self.at, self.what, strict=True) if what["type"] == kind), None)

    def proving(self) -> tuple[int, int] | None:
        """How long its proofs took, and how long it took from open to commit, in milliseconds, where it had any."""
        agreed = [at for at, what in zip(self.at, self.what, strict=True) if what.get("last")]
        certified, committed = self.when("certified"), self.when("committed")
        if not (agreed and certified is not None and committed is not None):
            return None
        if not (self.first("certified") or {}).get("certificates"):
            return None
        return certified - agreed[0], committed - self.at[0]


class Audit:
    """All that is computed again."""

    def __init__(self, export: Export) -> None:
        self._export = export
        self.deals = [Deal(line) for line in export.deals]
        self.clearings = [Clearing(line["request"], line["result"]) for line in export.clearings]

    def figures(self) -> Json:
        """The report's figures, as far as they follow from the export."""
        settled = [deal for deal in self.deals if deal.state == "settled"]
        gains = {deal.id: {p: deal.gain(p).minor for p in deal.stated} for deal in settled}
        surplus = sum((Counter(gain) for gain in gains.values()), Counter[str]())
        made = [(deal, deal.terms) for deal in settled if deal.terms]
        return {
            "intents": sum(line["body"]["type"] == "intent" for line in self._export.intents),
            "clearings": sum(line["type"] == "maker.clearing" for line in self._export.clearings),
            "deals": self.stages(),
            "settled_over_1000_usd": sum(sum(gain.values()) >= THOUSAND_USD for gain in gains.values()),
            "multi_party_settled": sum(len(terms["parties"]) > 2 for _, terms in made),
            "transfers": sum(len(terms["transfers"]) for _, terms in made),
            "welfare": {"achieved": sum(surplus.values()), "optimum": self._export.clearings[-1]["result"]["bound"]},
            "surplus_by_party": dict(surplus),
            "claims": self.claims(),
        }

    def claims(self) -> Json:
        """What became of the claims that deals required."""
        certified = [deal.first("certified") or {} for deal in self.deals]
        at_gate = [deal for deal in self.deals if [what["type"] for what in deal.what][-2:] == ["accepted", "refused"]]
        refused = Counter(deal.what[-1]["rule"] for deal in at_gate)
        took = [proving for deal in self.deals if (proving := deal.proving())]
        return {
            "proved": sum(len(what.get("certificates", ())) for what in certified),
            "refused": dict(refused),
            "deals": len(took),
            "proving_ms": sum(proving for proving, _ in took),
            "to_commit_ms": sum(to_commit for _, to_commit in took),
        }

    def stages(self) -> dict[str, int]:
        """How many deals came how far: a settled deal is also a committed one."""
        reached = Counter(what["type"] for deal in self.deals for what in deal.what)
        agreed = sum(what["type"] == "accepted" and what["last"] for deal in self.deals for what in deal.what)
        return {"agreed": agreed} | {stage: reached[stage] for stage in STAGES}

    def faults(self) -> list[str]:
        """What does not hold, whatever a report says."""
        found = [fault for deal in self.deals for fault in deal.faults()]
        found += self.intents_kept() + self.offers_stated()
        for number, clearing in enumerate(self.clearings):
            found += [f"clearing {number}: {fault}" for fault in clearing.faults()]
        return found

    def intents_kept(self) -> list[str]:
        """Nobody gives more by an intent than it says, nor what it doesn't say."""
        limits = {
            (line["sequence"], line["body"]["agent"], give["good"]): give["limit"]
            for line in self._export.intents
            for give in line["body"].get("gives", ())
        }
        given: Counter[tuple[int, str, str]] = Counter()
        for transfer in (t for deal in self.deals for t in deal.standing if "intent" in t):
            cited = transfer["intent"]
            if cited["agent"] == transfer["from"]:
                given[cited["sequence"], cited["agent"], transfer["good"]] += transfer["quantity"]
        return [f"{key} gives {total}" for key, total in given.items() if total > limits.get(key, 0)]

    def offers_stated(self) -> list[str]:
        """A clearing sees no offer but what its agent stated: the same bounds, and no more than the limits."""
        stated = {line["sequence"]: line["body"] for line in self._export.intents}
        found = []
        for line in self._export.clearings:
            if line["type"] != "maker.clearing":
                continue
            for offer in line["request"]["offers"]:
                intent = stated.get(offer["sequence"], {"agent": None})
                if intent["agent"] != offer["agent"] or not is_within(offer, intent):
                    found.append(f"clearing {line['clearing']}: {offer['agent']} did not state its offer")
        return found

    def differences(self, report: Json) -> list[str]:
        """What a report says otherwise."""
        figures = self.figures()
        parties = {party: figures["surplus_by_party"].get(party, 0) for party in report["surplus_by_party"]}
        if figures["surplus_by_party"].keys() <= parties.keys():
            figures["surplus_by_party"] = parties
        found = [f"{k}: {report.get(k)!r}, not {v!r}" for k, v in figures.items() if report.get(k) != v]
        broken = self.faults()
        for name in ("conservation_ok", "win_win_ok"):
            if report[name] is not True and not broken:
                found.append(f"{name}: {report[name]}, and nothing is wrong")
        return found + broken


def is_within(offer: Json, intent: Json) -> bool:
    """Whether an offer says what an intent says, of no more."""
    gives = {give["good"]: give for give in intent["gives"]}
    takes = {take["good"]: take for want in intent["wants"] for take in want["any_of"]}
    offered = [take for want in offer["wants"] for take in want["any_of"]]
    return (
        all(same(give, gives.get(give["good"]), "cost") for give in offer["gives"])
        and all(same(take, takes.get(take["good"]), "value") for take in offered)
        and offer.get("margin_ppm", 0) == intent.get("margin_ppm", 0)
        and offer["outlook"] == intent["outlook"]
    )


def same(part: Json, stated: Json | None, price: str) -> bool:
    """Whether a part of an offer is a part of an intent, or less of it."""
    return stated is not None and part["limit"] <= stated["limit"] and part[price] == stated[price]


def main(arguments: list[str]) -> int:
    """Audit an export against a report."""
    if len(arguments) != 2:
        print("usage: export_audit.py EXPORT REPORT", file=sys.stderr)
        return 64
    folder, report = (Path(argument) for argument in arguments)
    audit = Audit(Export.read(folder))
    found = audit.differences(json.loads(report.read_text()))
    print("\n".join(found) or f"all of it holds: {audit.figures()['welfare']}")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
