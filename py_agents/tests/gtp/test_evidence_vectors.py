"""The vectors of claims and evidence that every checker runs. The crates `schemas` and `proof` run the same."""

from __future__ import annotations

from typing import Any

import pytest

from hms_a2a.gtp import BadClaim, BadEvidence, Claim, check, parse_claim, print_claim
from shared_vectors import read

#: Mutants in one test: each is to be told by its row.
SHARD = 1_000


def proofs() -> list[tuple[bytes, bytes]]:
    return [(bytes.fromhex(vector["claim"]), bytes.fromhex(vector["evidence"])) for vector in read("certificates")]


def test_good_evidence_decides() -> None:
    vectors = read("certificates")
    assert len(vectors) > 35
    for vector in vectors:
        checked = check(bytes.fromhex(vector["claim"]), bytes.fromhex(vector["evidence"]))
        assert (checked.verdict, checked.vacuous) == (vector["verdict"], vector["vacuous"]), vector["name"]


@pytest.mark.parametrize("start", range(0, 11_000, SHARD))
def test_mutants_are_refused_but_for_those_that_are_proofs(start: int) -> None:
    good = proofs()
    rows: list[Any] = read("mutants")[start : start + SHARD]
    assert rows
    otherwise = []
    for row in rows:
        claim, proof, at, drop, insert, verdict, _ = row
        evidence = good[proof][1]
        mutant = evidence[:at] + bytes.fromhex(insert) + evidence[at + drop :]
        try:
            check(good[claim][0], mutant)
            passes = True
        except (BadEvidence, BadClaim):
            passes = False
        if passes != (verdict == "good"):
            otherwise.append(row)
    assert not otherwise


def test_there_are_ten_thousand_bad_mutants() -> None:
    rows: list[Any] = [*read("mutants")]
    assert sum(row[5] == "bad" for row in rows) == 10_000
    assert len(rows) <= 11_000


def test_what_people_write_is_read_as_in_rust() -> None:
    vectors = read("infix")
    assert len(vectors) > 100
    otherwise = []
    for vector in vectors:
        try:
            claim = parse_claim(vector["text"])
        except BadClaim as error:
            if vector["verdict"] != "bad" or error.column != vector["column"]:
                otherwise.append(f"{vector['name']}: {error.column}: {error.reason}")
            continue
        if vector["verdict"] != "good" or claim.to_bytes().hex() != vector["claim"]:
            otherwise.append(f"{vector['name']}: {claim.to_bytes().hex()}")
        elif print_claim(Claim.from_bytes(claim.to_bytes())) != vector.get("printed", print_claim(claim)):
            otherwise.append(f"{vector['name']}: printed otherwise")
    assert not otherwise, "\n".join(otherwise)
