"""The second checker: it passes what is true and refuses every change to it."""

from __future__ import annotations

import random

import msgspec
import pytest

from hms_a2a import wire
from hms_a2a._codec import decode, encode
from hms_a2a._errors import BadWire
from hms_a2a._rational import Ratio
from hms_a2a.gtp import BadClaim, BadEvidence, Claim, check, parse_claim, prove

CLAIMS = (
    "forall x in [1,2], y in [0,3]: 3*x - y >= 0",
    "forall x >= 0, y >= 0, x + y <= 1: 2*x + y <= 2",
    "forall x in [-1,1]: 1 - 4*x^3 + 3*x >= 0",
    "forall x >= 0, y >= 0, z >= 0: x*(x-y)*(x-z) + y*(y-x)*(y-z) + z*(z-x)*(z-y) >= 0",
    "x^2 + (x*y - 1)^2 > 0",
    "forall x + y = 1, x*y = 2: x^3 + y^3 = -5",
    "forall x + y + z = 3, x >= 0, y >= 0, z >= 0: x*y*z <= 1",
)
_proofs: dict[str, tuple[Claim, bytes]] = {}


def proof(text: str) -> tuple[Claim, bytes]:
    if text not in _proofs:
        claim = parse_claim(text)
        outcome = prove(claim, seconds=60)
        assert outcome.verdict == "proved"
        assert outcome.evidence is not None
        _proofs[text] = claim, outcome.evidence
    return _proofs[text]


def refused(claim: bytes, evidence: bytes) -> bool:
    try:
        check(claim, evidence)
    except (BadEvidence, BadClaim):
        return True
    return False


def moved(rng: random.Random, value: object) -> object:
    """The same certificate with one thing changed."""
    spots: list[tuple[object, object]] = []

    def collect(at: object) -> None:
        items = at.items() if isinstance(at, dict) else enumerate(at) if isinstance(at, list) else ()
        for key, inner in items:
            if key in ("type", "version", "claim_hash"):
                continue
            spots.append((at, key))
            collect(inner)

    collect(value)
    where, key = rng.choice(spots)
    inner = where[key]  # type: ignore[index]
    if isinstance(inner, str):
        changed: object = inner.removeprefix("-") if inner.startswith("-") else rng.choice([f"-{inner}", f"{inner}1"])
    elif isinstance(inner, int):
        changed = inner + 1
    elif isinstance(inner, list) and inner:
        changed = [*inner[:-1]] if rng.random() < 0.7 else [*inner, inner[-1]]
    else:
        changed = [0] if isinstance(inner, list) else {}
    where[key] = changed  # type: ignore[index]
    return value


def unsigned(evidence: bytes) -> object:
    """A certificate but for the sign of squares of one term, (−x)² being x²."""
    body = msgspec.msgpack.decode(evidence)
    for node in body["nodes"]:
        for square in node.get("squares", []):
            if len(square.get("square", [])) == 1:
                square["square"][0]["coef"] = square["square"][0].get("coef", "").removeprefix("-")
    return body


@pytest.mark.parametrize("text", CLAIMS)
def test_every_change_is_refused(text: str) -> None:
    claim, evidence = proof(text)
    assert check(claim.to_bytes(), evidence).verdict == "proved"
    rng = random.Random(text)
    for _ in range(200):
        mutant = msgspec.msgpack.encode(moved(rng, msgspec.msgpack.decode(evidence)))
        if unsigned(mutant) != unsigned(evidence):
            assert refused(claim.to_bytes(), mutant), mutant


@pytest.mark.parametrize("text", CLAIMS)
def test_swapped_hypotheses_are_refused(text: str) -> None:
    claim, evidence = proof(text)
    read = decode(claim.to_bytes(), wire.Claim)
    swapped = encode(msgspec.structs.replace(read, hypotheses=read.hypotheses[::-1]))
    if swapped != claim.to_bytes():
        assert refused(swapped, evidence)


def test_bytes_that_are_not_canonical_are_refused() -> None:
    claim, evidence = proof(CLAIMS[0])
    body = msgspec.msgpack.decode(evidence)
    extra = msgspec.msgpack.encode(body | {"more": 1})
    assert refused(claim.to_bytes(), extra)
    reordered = msgspec.msgpack.encode(dict(sorted(body.items(), reverse=True)))
    assert refused(claim.to_bytes(), reordered)
    assert refused(claim.to_bytes(), evidence + b"\x00")
    assert refused(claim.to_bytes(), b"")


def test_a_witness_must_be_one() -> None:
    read = decode(parse_claim("forall x >= 0, x <= 1: x <= 1").to_bytes(), wire.Claim)
    good = encode(msgspec.structs.replace(read, witness=[Ratio(1, 2)]))
    bad = encode(msgspec.structs.replace(read, witness=[Ratio(2)]))
    evidence = prove(Claim.from_bytes(good)).evidence
    assert evidence is not None
    assert check(good, evidence).verdict == "proved"
    with pytest.raises(BadClaim, match="hypothesis 1"):
        prove(Claim.from_bytes(bad))


def test_an_equality_is_no_factor_and_a_weak_one_is_not_strict() -> None:
    claim = parse_claim("forall x = 1, y >= 0: x + y >= 1")
    one = wire.PositivePart(coef=Ratio(1), factors=[2])
    for bad in (
        wire.NodeLeaf(positive=one, squares=[wire.SquareTerm(coef=Ratio(1), factors=[0])], equalities=[]),
        wire.NodeLeaf(positive=wire.PositivePart(coef=Ratio(1), factors=[1]), squares=[], equalities=[]),
        wire.NodeLeaf(positive=wire.PositivePart(coef=Ratio(1), factors=[3]), squares=[], equalities=[]),
        wire.NodeIdentity(equalities=[]),
    ):
        evidence = encode(wire.Certificate(version=1, claim_hash=claim.hash, nodes=[bad]))
        with pytest.raises(BadEvidence):
            check(claim.to_bytes(), evidence)


def test_a_product_too_large_is_refused_before_it_is_multiplied_out() -> None:
    claim = parse_claim("forall (a+b+c+d+e+f)^4 >= 0: a >= 0")
    leaf = wire.NodeLeaf(positive=wire.PositivePart(coef=Ratio(1), factors=[]), squares=[], equalities=[])
    big = wire.SquareTerm(coef=Ratio(1), factors=[0] * 16)
    evidence = encode(
        wire.Certificate(version=1, claim_hash=claim.hash, nodes=[msgspec.structs.replace(leaf, squares=[big])])
    )
    with pytest.raises(BadEvidence, match=r"a product of degree|multiplied out"):
        check(claim.to_bytes(), evidence)


def test_what_cannot_be_written_is_said() -> None:
    with pytest.raises(BadClaim):
        Claim.from_bytes(b"\x81\xa4type\xa5claim")
    with pytest.raises(BadWire):
        decode(b"", wire.Claim)
