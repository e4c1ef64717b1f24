"""The vectors of the crate `negotiation`: the same talks, refusals, terms and paces in Python as in Rust."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

import pytest

from hms_a2a import BadWire, WordRefused, negotiation, wire
from hms_a2a._codec import decode, encode
from real_bus import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable

VECTORS = ROOT / "actors" / "negotiation" / "vectors"


def read(name: str) -> list[Any]:
    entries: list[Any] = json.loads((VECTORS / name).read_text())
    assert entries
    return entries


def odd(outcome: negotiation.Outcome) -> int:
    """Any function, the same as in the crate's vectors."""
    return sum(at * (choice + 3) * 7_919 * choice for at, choice in enumerate(outcome, 1)) ** 2 % 1_000_003


def utility(told: Any) -> negotiation.Utility:
    if told == "odd":
        return odd
    if "additive" in told:
        return negotiation.Additive(told["additive"])
    return negotiation.Rectangles([negotiation.Rectangle(*rectangle) for rectangle in told["rectangles"]])


def stance(seat: dict[str, Any], strategy: Callable[[dict[str, Any]], Any]) -> negotiation.Stance:
    return negotiation.Stance(utility(seat["utility"]), strategy(seat["strategy"]), seat["reserved_ppm"])


def offering(told: dict[str, Any]) -> negotiation.Strategy:
    match told["name"]:
        case "boulware":
            return negotiation.Boulware()
        case "linear":
            return negotiation.Linear()
        case "conceder":
            return negotiation.Conceder()
        case "exponent":
            return negotiation.Concession(told["over"], told["under"])
        case "tit_for_tat":
            return negotiation.TitForTat()
        case "micro":
            return negotiation.Micro(told["seed"])
        case "nash":
            return negotiation.NashSeeker()
        case "accept_if_good":
            return negotiation.AcceptIfGood(told["share_ppm"])
    raise AssertionError(told)


def bidding(told: dict[str, Any]) -> negotiation.Bidder:
    match told["name"]:
        case "sealed":
            return negotiation.Sealed(told["share_ppm"])
        case "undercut":
            return negotiation.Undercut()
    pace = offering(told)
    assert isinstance(pace, negotiation.Concession)
    return negotiation.Asking(pace)


def voting(told: dict[str, Any]) -> negotiation.Voter:
    if told["name"] == "hill_climber":
        return negotiation.HillClimber()
    assert told["name"] == "annealer"
    return negotiation.Annealer(told["hot_ppm"], told["seed"])


def ended(talk: negotiation.Alternating) -> Any:
    match talk.end:
        case negotiation.Agreed(outcome):
            return list(outcome)
        case negotiation.Broken(by):
            return by
        case negotiation.OutOfRounds():
            return None
    raise AssertionError(talk.end)


def test_the_same_strategies_say_the_same_words() -> None:
    for number, entry in enumerate(read("talks.json")):
        rules = bytes.fromhex(entry["rules_hex"])
        stances = {
            party: stance(seat, offering)
            for party, seat in zip(decode(rules, wire.Alternating).order, entry["seats"], strict=True)
        }
        talk = negotiation.negotiate(rules, stances, entry["deal"])
        said = (ended(talk), talk.transcript.length, talk.transcript.head.hex())
        assert said == (entry["end"], entry["length"], entry["head"]), f"talk {number}"


def shown(transcript: wire.Transcript | None) -> dict[str, Any] | None:
    return None if transcript is None else {"head": transcript.head.hex(), "length": transcript.length}


def test_the_same_bidders_bid_the_same() -> None:
    for number, entry in enumerate(read("tenders.json")):
        rules = decode(bytes.fromhex(entry["rules_hex"]), wire.IteratedContractNet)
        bidders = zip(["kenya", "egypt", "ghana", "mali"], entry["seats"], strict=False)
        net = negotiation.call_for_bids(rules, {who: stance(seat, bidding) for who, seat in bidders}, entry["deal"])
        assert shown(net.transcript) == {key: entry[key] for key in ("head", "length")}, f"tender {number}"
        assert (None if net.awarded is None else list(net.awarded)) == entry["outcome"]
        assert net.award is not None
        assert (net.award.bidding and net.award.bidding.by) == entry["awarded"]


def test_the_same_voters_vote_the_same() -> None:
    for number, entry in enumerate(read("texts.json")):
        rules = decode(bytes.fromhex(entry["rules_hex"]), wire.SingleText)
        seats = zip(rules.order, entry["seats"], strict=True)
        stances = {who: stance(seat, voting) for who, seat in seats}
        text = negotiation.mediate(rules, stances, entry["deal"])
        assert shown(text.transcript) == {key: entry[key] for key in ("head", "length")}, f"text {number}"
        assert list(text.text) == entry["outcome"]
        members = [negotiation.Member(who, text, one) for who, one in stances.items()]
        assert [member.wants for member in members] == entry["wants"]


Hearer = negotiation.Alternating | negotiation.ContractNet | negotiation.SingleText


def rule_of(hearer: Hearer, word: dict[str, Any]) -> str | None:
    """By which rule a word is refused; None where it is taken."""
    try:
        hearer.hear(bytes.fromhex(word["word_hex"]), word["at_unix_ms"])
    except WordRefused as refused:
        return refused.rule
    return None


def test_alternating_offers_refuse_by_the_same_rules() -> None:
    for number, entry in enumerate(read("words.sao.json")):
        talk = negotiation.Alternating(entry["deal"], bytes.fromhex(entry["rules_hex"]))
        rules = [rule_of(talk, word) for word in entry["said"]]
        assert rules == [word["rule"] for word in entry["said"]], f"talk {number}"
        assert talk.transcript == wire.Transcript(head=bytes.fromhex(entry["head"]), length=entry["length"])
        assert talk.agreed == (None if entry["agreed"] is None else tuple(entry["agreed"]))


@pytest.mark.parametrize("name", ["words.cnp.json", "words.icnp.json"])
def test_a_contract_net_refuses_by_the_same_rules_and_awards_alike(name: str) -> None:
    for number, entry in enumerate(read(name)):
        rules = bytes.fromhex(entry["rules_hex"])
        net = negotiation.ContractNet(entry["deal"], rules, entry["parties"], entry["me"])
        found = [rule_of(net, word) for word in entry["said"]]
        assert found == [word["rule"] for word in entry["said"]], f"net {number}"
        assert shown(net.transcript) == entry["transcript"]
        awarded = net.award.bidding.by if net.award is not None and net.award.bidding is not None else None
        assert awarded == entry["awarded"]
        if "round" in entry:
            assert (net.round, net.best and list(net.best)) == (entry["round"], entry["best"])


def test_a_single_text_refuses_by_the_same_rules_and_ends_alike() -> None:
    for number, entry in enumerate(read("words.stx.json")):
        text = negotiation.SingleText(entry["deal"], bytes.fromhex(entry["rules_hex"]), entry["me"])
        found = [rule_of(text, word) for word in entry["said"]]
        assert found == [word["rule"] for word in entry["said"]], f"text {number}"
        assert (shown(text.transcript), text.round) == (entry["transcript"], entry["round"])
        assert list(text.text) == entry["text"]


def test_what_a_seed_draws_is_what_the_formula_says() -> None:
    """As the crate's own test has it, worked out apart from both."""
    order = ["kenya", "egypt"]
    domain = wire.Domain(
        issues=[wire.Issue(name=f"i{at}", least=1, step=1, count=count) for at, count in enumerate([5, 4, 3])],
        transfers=[
            wire.Pattern(from_=at, to=1 - at, goods=["tea"], factor=1, times=["i0"], due_unix_ms=9) for at in (0, 1)
        ],
        delivery=wire.Delivery.IMMEDIATE,
    )
    rules = wire.SingleText(domain=domain, order=order, mediator="togo", seed=7, rounds=4, talk_until_unix_ms=9)
    text = negotiation.SingleText("a" * 26, encode(rules))
    told = [text.text]
    for accepts in [True, False, True, True]:
        text.hear(text.decision() or b"", 0)
        told.append(text.proposed or ())
        for party in order:
            text.hear(text.vote(party, accepts) or b"", 0)
    assert told == [(0, 0, 1), (0, 0, 2), (2, 0, 2), (0, 2, 2), (0, 2, 0)]


def test_an_outcome_makes_the_same_bytes_of_terms() -> None:
    for entry in read("terms.json"):
        rules = decode(bytes.fromhex(entry["rules_hex"]), wire.Alternating)
        outcome = tuple(entry["outcome"])
        made = (rules.domain, rules.order, entry["book"], entry["expires_unix_ms"], outcome)
        if entry["terms_hex"] is not None:
            assert encode(negotiation.terms_of(*made)).hex() == entry["terms_hex"]
            continue
        with pytest.raises(BadWire) as bad:
            negotiation.terms_of(*made)
        assert (bad.value.field == "outcome") == (entry["no_terms"] == "outside")


def test_paces_are_exact() -> None:
    for over, under, time_ppm, asked_ppm in read("paces.json"):
        assert negotiation.Concession(over, under).asked_ppm(time_ppm) == asked_ppm, (over, under, time_ppm)


def test_words_are_what_is_hashed() -> None:
    """The first word names the rules, as they were sent."""
    entry = read("talks.json")[0]
    rules = bytes.fromhex(entry["rules_hex"])
    talk = negotiation.Alternating(entry["deal"], rules)
    word = negotiation.read_word(talk.offer(talk.rules.order[0], tuple(0 for _ in talk.rules.domain.issues)))
    assert isinstance(word, wire.TalkOffer)
    assert word.prev == hashlib.sha256(rules).digest()
