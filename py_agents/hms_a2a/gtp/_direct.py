"""Claims that the bounds of their variables decide, from wire to wire: the way of nearly all claims of deals.

Whatever is searched for is written, read again and checked as a stranger's evidence would be. Here nothing is searched
for, and reading costs more than proving, so a claim is read once, its certificate is written once, and the checker sees
both as they were read and written.
"""

from __future__ import annotations

import time

from hms_a2a import _wire as wire
from hms_a2a._codec import decode_written, encode
from hms_a2a._errors import BadWire
from hms_a2a.gtp._certificate import Leaf, certificate_of
from hms_a2a.gtp._checker import check_read
from hms_a2a.gtp._claim import Claim
from hms_a2a.gtp._errors import BadClaim, BadEvidence
from hms_a2a.gtp._linear import by_box
from hms_a2a.gtp._prove import Outcome, prove_at_once


def at_once(body: bytes) -> tuple[Claim, Outcome | None]:
    """A claim, and what takes microseconds to find out about it, if anything does. Raises `BadClaim`."""
    began = time.monotonic()
    try:
        read = decode_written(body, wire.Claim)
    except BadWire as error:
        raise BadClaim(error.reason, field=error.field) from error
    claim = Claim.from_wire(read, body)
    leaf = by_box(claim)
    if isinstance(leaf, Leaf):
        certificate = certificate_of(claim.hash, leaf)
        try:
            evidence = encode(certificate)
            checked = check_read(read, claim.hash, certificate)
        except (BadEvidence, BadWire):
            return claim, None
        return claim, Outcome(checked.verdict, evidence, 0, (time.monotonic() - began) * 1000, "box")
    return claim, prove_at_once(claim)
