"""Lemmas of earlier proofs: kept, found again under other names, and written out."""

from __future__ import annotations

import time

import pytest

from hms_a2a.gtp import _archive as archive_module
from hms_a2a.gtp import check, parse_claim, prove
from hms_a2a.gtp._archive import Archive, derived, lemmas_of
from hms_a2a.gtp._budget import Budget
from hms_a2a.gtp._certificate import certificate_bytes
from hms_a2a.gtp._portfolio import Insight, _by_lemmas

CUBES = "forall a >= 0, b >= 0: a^3 + 2*b^3 >= 3*a*b^2"
#: Its sum over three pairs, in other units and under other names.
LATER = "forall 2*q >= 0, p >= 0, r >= 0: p^3 + q^3 + r^3 >= p*q^2 + q*r^2 + r*p^2"
#: With an equality, and a hypothesis that is another's multiple.
ON_A_LINE = "forall x >= 0, y >= 0, x + y = 1: x*y <= 1/4"
ON_ANOTHER = "forall w >= 0, 3*u >= 0, 2*v >= 0, 5*u + 5*v = 5, w <= 1: u*v*w <= w/4"


def proved(text: str) -> bytes:
    """Evidence for a claim."""
    evidence = prove(parse_claim(text), leaf_programmes=200).evidence
    assert evidence is not None
    return evidence


@pytest.mark.parametrize(("earlier", "later"), [(CUBES, LATER), (ON_A_LINE, ON_ANOTHER)])
def test_a_lemma_helps_under_other_names_and_is_written_out(earlier: str, later: str) -> None:
    claim = parse_claim(later)
    archive = Archive()
    archive.learn(parse_claim(earlier), proved(earlier))
    assert len(archive) >= 1
    ((body, evidence),) = archive.sources(claim)
    assert body == parse_claim(earlier).to_bytes()
    lemmas = tuple(lemmas_of(parse_claim(earlier), evidence))
    assert derived(lemmas, claim)
    found = next(_by_lemmas(claim, Budget(time.monotonic), Insight(lemmas=lemmas)))
    assert found.proof is not None
    checked = check(claim.to_bytes(), certificate_bytes(claim.hash, found.proof))
    assert (checked.verdict, checked.vacuous) == ("proved", False)
    outcome = prove(claim, leaf_programmes=200, lemmas=lemmas)
    assert outcome.verdict == "proved"


def test_a_lemma_says_nothing_without_its_hypotheses() -> None:
    archive = Archive()
    archive.learn(parse_claim(CUBES), proved(CUBES))
    assert archive.sources(parse_claim("forall x >= 0, y <= 0: x^3 + y^3 >= x^2*y")) == []
    assert archive.sources(parse_claim("forall x^2 >= 0, y >= 0: x^3 + y^3 >= x^2*y")) == []


def test_the_archive_is_bounded_and_keeps_what_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive_module, "MOST_LEMMAS", 3)
    archive = Archive()
    texts = [f"forall x >= {k}, y >= {k}: x*y >= {k}*x + {k}*y - {k * k}" for k in range(1, 6)]
    for text in texts[:3]:
        archive.learn(parse_claim(text), proved(text))
    assert len(archive) == 3
    assert archive.sources(parse_claim(texts[0]))
    for text in texts[3:]:
        archive.learn(parse_claim(text), proved(text))
    assert len(archive) == 3
    assert archive.sources(parse_claim(texts[0]))
    assert not archive.sources(parse_claim(texts[1]))


def test_a_search_without_lemmas_is_as_it_was() -> None:
    claim = parse_claim(LATER)
    one, two = prove(claim, leaf_programmes=50), prove(claim, leaf_programmes=50, lemmas=())
    assert one.evidence == two.evidence


def test_what_is_no_direct_proof_is_not_learnt() -> None:
    archive = Archive()
    for text in ("forall x in [1,2]: 3*x >= 1", "forall x >= 1, x <= 0: x^2 >= 5", "forall x > 0, y > 0: x*y > 0"):
        archive.learn(parse_claim(text), proved(text))
    assert len(archive) == 0
