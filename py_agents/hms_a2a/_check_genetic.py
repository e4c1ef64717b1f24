"""Rules of a search for terms, as the crate `schemas` checks them, in the same order."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hms_a2a import _check_value as worth
from hms_a2a._check_parts import under, unique
from hms_a2a._errors import BadWire
from hms_a2a._limits import (
    MAX_EVALUATIONS,
    MAX_GENE,
    MAX_GENERATIONS,
    MAX_ISLANDS,
    MAX_PARTIES,
    MAX_POPULATION,
    MAX_TRANSFERS,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hms_a2a import _wire as wire


def evolve(message: wire.Evolve) -> None:
    """What is sought can be terms, and the search is within its limits."""
    _sought(message.sought, "sought")
    for field, least, most in (
        ("evaluations", 1, MAX_EVALUATIONS),
        ("population", 4, MAX_POPULATION),
        ("islands", 1, MAX_ISLANDS),
        ("epoch_generations", 1, MAX_GENERATIONS),
        ("migrants", 0, message.population // 2),
    ):
        if not least <= getattr(message, field) <= most:
            raise BadWire(field, f"{least} to {most}")
    if _generations(message) > MAX_GENERATIONS:
        raise BadWire("evaluations", f"more than {MAX_GENERATIONS} generations")
    if message.time_limit_ms == 0:
        raise BadWire("time_limit_ms", "must be positive")
    gone: set[int] = set()
    for index, dropped in enumerate(message.dropped):
        if dropped.island >= message.islands:
            raise BadWire(f"dropped[{index}].island", "no such island")
        if dropped.island in gone:
            raise BadWire(f"dropped[{index}].island", "dropped twice")
        gone.add(dropped.island)
    if len(gone) >= message.islands:
        raise BadWire("dropped", "one island at least is to stay")


def epoch(message: wire.Epoch) -> None:
    """Island and epoch are the search's, and genomes have its shape."""
    with under("evolve."):
        evolve(message.evolve)
    if message.island >= message.evolve.islands:
        raise BadWire("island", "no such island")
    if message.epoch >= -(-_generations(message.evolve) // message.evolve.epoch_generations):
        raise BadWire("epoch", "no such epoch")
    genes = len(message.evolve.sought.transfers)
    _genomes("population", message.population, message.evolve.population, genes)
    _genomes("migrants", message.migrants, message.evolve.migrants, genes)


def _generations(message: wire.Evolve) -> int:
    """Generations on each island, the first population counted."""
    return max(message.evaluations // message.islands // message.population, 1)


def _genomes(field: str, genomes: Sequence[Sequence[int]], most: int, genes: int) -> None:
    if len(genomes) > most:
        raise BadWire(field, f"at most {most}")
    for index, genome in enumerate(genomes):
        if len(genome) != genes:
            raise BadWire(f"{field}[{index}]", f"{genes} transfers")
        for at, lots in enumerate(genome):
            if not 0 <= lots <= MAX_GENE:
                raise BadWire(f"{field}[{index}][{at}]", f"0 to {MAX_GENE} lots")


def _sought(sought: wire.Sought, field: str) -> None:
    if not 2 <= len(sought.valuations) <= MAX_PARTIES:
        raise BadWire(f"{field}.valuations", f"2 to {MAX_PARTIES} parties")
    unique((stated.party for stated in sought.valuations), f"{field}.valuations")
    for index, stated in enumerate(sought.valuations):
        worth.valuation(stated.valuation, f"{field}.valuations[{index}].valuation")
    parties = {stated.party for stated in sought.valuations}
    if not 1 <= len(sought.transfers) <= MAX_TRANSFERS:
        raise BadWire(f"{field}.transfers", f"1 to {MAX_TRANSFERS} transfers")
    for index, span in enumerate(sought.transfers):
        _movable(span, parties, sought.expires_unix_ms, f"{field}.transfers[{index}]")
    busy = {span.from_ for span in sought.transfers} | {span.to for span in sought.transfers}
    idle = next((stated.party for stated in sought.valuations if stated.party not in busy), None)
    if idle is not None:
        raise BadWire(f"{field}.valuations", f"{idle} neither gives nor receives")
    _caps(sought, parties, field)


def _movable(span: wire.Movable, parties: set[str], expires_unix_ms: int, place: str) -> None:
    for field, who in (("from", span.from_), ("to", span.to)):
        if who not in parties:
            raise BadWire(f"{place}.{field}", f"{who} has no valuation")
    if span.from_ == span.to:
        raise BadWire(f"{place}.to", "gives to itself")
    if span.least < 0:
        raise BadWire(f"{place}.least", "must not be negative")
    if span.least > span.most:
        raise BadWire(f"{place}.least", f"{span.least} exceeds most {span.most}")
    lot = span.lot or 1
    if span.most // lot > MAX_GENE:
        raise BadWire(f"{place}.most", f"at most {MAX_GENE} lots")
    if _smallest(span) > span.most:
        raise BadWire(f"{place}.lot", f"no multiple of {lot} lies between least and most")
    if span.due_unix_ms < expires_unix_ms:
        raise BadWire(f"{place}.due_unix_ms", "due before the terms expire")


def _smallest(span: wire.Movable) -> int:
    """The least whole number of lots, in minor units."""
    lot = span.lot or 1
    return -(-span.least // lot) * lot


def _caps(sought: wire.Sought, parties: set[str], field: str) -> None:
    seen = set()
    for index, cap in enumerate(sought.caps):
        place = f"{field}.caps[{index}]"
        if cap.party not in parties:
            raise BadWire(f"{place}.party", f"{cap.party} has no valuation")
        if (cap.party, cap.good) in seen:
            raise BadWire(place, f"{cap.good} of {cap.party} stands twice")
        seen.add((cap.party, cap.good))
        spans = [span for span in sought.transfers if span.good == cap.good]
        for name, most, own in (
            ("gives", cap.gives, [span for span in spans if span.from_ == cap.party]),
            ("takes", cap.takes, [span for span in spans if span.to == cap.party]),
        ):
            least = sum(_smallest(span) for span in own)
            if most is not None and least > most:
                raise BadWire(f"{place}.{name}", f"{most} is less than the {least} that its transfers move at least")
