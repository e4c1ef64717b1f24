"""Meetings drawn from a seed, for NegMAS and for the bus alike."""

from __future__ import annotations

import random
from typing import Any

PPM = 1_000_000

#: Negotiators of NegMAS 0.16 that need no more than a utility of their own.
NEGMAS = [
    "BoulwareTBNegotiator",
    "LinearTBNegotiator",
    "ConcederTBNegotiator",
    "AspirationNegotiator",
    "NaiveTitForTatNegotiator",
    "MiCRONegotiator",
    "FastMiCRONegotiator",
    "NiceNegotiator",
    "ToughNegotiator",
    "TopFractionNegotiator",
    "RandomNegotiator",
    "HybridNegotiator",
    "CABNegotiator",
    "CANNegotiator",
    "CARNegotiator",
    "WABNegotiator",
    "WANNegotiator",
    "WARNegotiator",
    "FirstOfferOrientedTBNegotiator",
    "BestOfferOrientedTBNegotiator",
    "LastOfferOrientedTBNegotiator",
]
OURS = ["Boulware", "Linear", "Conceder", "TitForTat", "Micro", "NashSeeker", "AcceptIfGood"]


def seat(dice: random.Random, at: int, counts: list[int]) -> dict[str, Any]:
    """Somebody who wants something, and negotiates somehow."""
    kind = "ours" if dice.random() < 0.25 else "negmas"
    shares = [dice.randint(1, 1_000) for _ in counts]
    weights = [share * PPM // sum(shares) for share in shares]
    return {
        "agent": f"peer-{at}",
        "kind": kind,
        "name": dice.choice(OURS if kind == "ours" else NEGMAS),
        "seed": dice.randrange(2**63),
        "weights": weights,
        "worths": [dice.sample([0, PPM, *(dice.randint(0, PPM) for _ in range(count - 2))], count) for count in counts],
        "reserved_ppm": dice.choice([0, 0, dice.randint(0, 400_000)]),
    }


def draw(number: int, seed: int) -> dict[str, Any]:
    """A meeting of two to four over one to three issues."""
    dice = random.Random(f"{seed} {number}")
    counts = [dice.randint(2, 6) for _ in range(dice.randint(1, 3))]
    parties = dice.choice([2, 2, 2, 3, 3, 4])
    return {
        "number": number,
        "rounds": dice.randint(1, 20),
        "counts": counts,
        "seats": [seat(dice, at, counts) for at in range(parties)],
    }
