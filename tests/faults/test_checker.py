"""The checker finds what is wrong in histories and logs made by hand, each wrong in one way."""

from __future__ import annotations

import msgspec
import pytest

from hms_a2a import _subjects as subjects
from hms_a2a import _wire as wire
from hms_a2a._codec import encode

from .checker import Checker, check
from .forge import Sale
from .history import Outcome
from .logs import Stored

_LATER = 1_800_000_000_000


def kinds(sale: Sale) -> set[str]:
    """What is wrong with a log and its history."""
    checker = check(sale.log, sale.calls)
    checker.check_ends(_LATER)
    return {wrong.kind for wrong in checker.wrong}


def test_a_good_log_is_good() -> None:
    sale = Sale()
    sale.whole()
    sale.whole("open-2")
    checker = check(sale.log, sale.calls)
    checker.check_ends(_LATER)
    assert checker.wrong == []
    assert checker.ends() == {"settled": 2}
    assert len(checker.moves) == 2 + 2 * 3


def test_an_acknowledged_move_that_the_log_lacks_is_lost() -> None:
    sale = Sale()
    deal = sale.open()
    sale.accept(deal, "ghana", last=False)
    sale.log.pop()
    assert kinds(sale) == {"lost", "stuck"}


def test_an_acknowledged_limit_that_the_log_lacks_is_lost() -> None:
    sale = Sale()
    sale.declare("kenya", "d2", tea=70)
    sale.log.pop()
    assert kinds(sale) == {"lost"}


def test_an_acknowledged_move_with_another_body_is_lost() -> None:
    sale = Sale()
    sale.whole()
    accept = next(call for call in sale.calls if call.move_id == "accept-ghana")
    ask = msgspec.structs.replace(msgspec.msgpack.decode(accept.body, type=wire.Accept), deadline_unix_ms=_LATER)
    accept.body = encode(ask)
    assert kinds(sale) == {"lost"}


def test_a_missing_entry_is_a_gap() -> None:
    sale = Sale()
    sale.whole()
    del sale.log[-1]
    del sale.log[-2]
    assert "gap" in kinds(sale)


def test_an_answer_that_the_log_does_not_bear_out() -> None:
    sale = Sale()
    sale.whole()
    sale.calls[-1].state = "negotiating"
    assert kinds(sale) == {"other_answer"}


def test_a_move_that_was_refused_and_stands() -> None:
    sale = Sale()
    sale.whole()
    sale.calls[-1].outcome = Outcome.REFUSED
    assert kinds(sale) == {"recorded_refusal"}
    sale.calls[-1].unknown_attempts = 1
    assert kinds(sale) == set(), "an attempt of which nobody knows may have been recorded"


def test_a_move_that_stands_twice() -> None:
    sale = Sale()
    deal = sale.open()
    for _ in range(2):
        sale.accept(deal, "ghana", last=False)
    assert "doubled_move" in kinds(sale)


def test_a_limit_that_stands_twice() -> None:
    sale = Sale()
    sale.declare("kenya", "d", tea=50)
    assert kinds(sale) == {"doubled_move"}


def test_a_deal_that_is_committed_twice() -> None:
    sale = Sale()
    deal = sale.open()
    acceptances = [sale.accept(deal, "ghana", last=False), sale.accept(deal, "kenya", last=True)]
    sale.certify(deal, acceptances)
    sale.commit(deal, acceptances)
    sale.commit(deal, acceptances)
    assert {"doubled_commit", "second_end"} <= kinds(sale)


def test_a_deal_that_ends_twice() -> None:
    sale = Sale()
    deal = sale.whole()
    sale.event(deal, wire.DealExpired())
    assert "second_end" in kinds(sale)


def test_what_follows_an_end() -> None:
    sale = Sale()
    deal = sale.whole()
    sale.accept(deal, "ghana", last=False, move_id="again")
    assert "after_end" in kinds(sale)


@pytest.mark.parametrize("who", [[], [0], [1], [1, 0], [0, 0]])
def test_a_commit_that_not_everyone_signed(who: list[int]) -> None:
    sale = Sale()
    deal = sale.open()
    acceptances = [sale.accept(deal, "ghana", last=False), sale.accept(deal, "kenya", last=True)]
    sale.certify(deal, acceptances)
    sale.commit(deal, [acceptances[index] for index in who])
    assert "unsigned_commit" in kinds(sale)


def test_a_commit_with_another_deals_acceptances() -> None:
    sale = Sale()
    first = sale.open()
    acceptances = [sale.accept(first, "ghana", last=False), sale.accept(first, "kenya", last=True)]
    second = sale.open("open-2")
    sale.accept(second, "ghana", last=False)
    sale.accept(second, "kenya", last=True)
    sale.certify(second, acceptances)
    assert "broken_entry" in kinds(sale)


def test_a_commit_that_was_never_certified() -> None:
    sale = Sale()
    deal = sale.open()
    acceptances = [sale.accept(deal, "ghana", last=False), sale.accept(deal, "kenya", last=True)]
    sale.commit(deal, acceptances)
    assert kinds(sale) == {"unsigned_commit"}


def test_more_than_was_declared() -> None:
    sale = Sale()
    sale.whole(tea=51)
    assert kinds(sale) == {"over_limit"}


def test_more_than_was_declared_in_two_deals() -> None:
    sale = Sale()
    sale.whole(tea=30)
    sale.whole("open-2", tea=30)
    assert kinds(sale) == {"over_limit"}


def test_a_limit_below_what_was_given() -> None:
    sale = Sale()
    sale.whole(tea=30)
    sale.declare("kenya", "d2", tea=20)
    assert kinds(sale) == {"over_limit"}


def test_a_changed_entry_breaks_its_signature_and_the_chain() -> None:
    sale = Sale()
    sale.whole()
    at = next(n for n, stored in enumerate(sale.log) if b"accepted" in stored.body)
    body = bytearray(sale.log[at].body)
    body[-1] ^= 1
    sale.log[at] = msgspec.structs.replace(sale.log[at], body=bytes(body))
    assert {"broken_entry", "broken_chain"} <= kinds(sale)


def test_entries_in_another_order_break_the_chain() -> None:
    sale = Sale()
    deal = sale.open()
    sale.accept(deal, "ghana", last=False)
    one, two = sale.log[-2:]
    sale.log[-2:] = [
        msgspec.structs.replace(two, sequence=one.sequence),
        msgspec.structs.replace(one, sequence=two.sequence),
    ]
    assert kinds(sale) & {"broken_chain", "broken_entry"}


def test_an_entry_whose_number_is_another() -> None:
    sale = Sale()
    deal = sale.open()
    sale.event(deal, wire.DealExpired(), turn=5)
    assert "broken_chain" in kinds(sale)


def test_an_entry_that_another_core_signed() -> None:
    sale = Sale()
    deal = sale.open()
    sale.event(deal, wire.DealExpired(), writer="ledger")
    assert "broken_entry" in kinds(sale)


def test_an_entry_that_an_agent_signed() -> None:
    sale = Sale()
    deal = sale.open()
    sale.event(deal, wire.DealExpired(), writer="kenya")
    assert "broken_entry" in kinds(sale)


def test_an_acceptance_that_another_signed() -> None:
    sale = Sale()
    deal = sale.open()
    ask = wire.Accept(move_id="x", deadline_unix_ms=_LATER, deal=deal, terms_hash=sale.hash)
    subject = subjects.deal_move("accept", "ghana", deal)
    cause = sale.signed("kenya", subject, encode(ask))
    sale.event(deal, wire.DealAccepted(by="ghana", terms_hash=sale.hash, last=False), cause)
    assert "broken_entry" in kinds(sale)


def test_a_cursor_that_states_another_hash() -> None:
    sale = Sale()
    sale.whole()
    sale.posted.state_hash = bytes(32)
    sale.cursor()
    assert kinds(sale) == {"other_books"}


def test_a_cursor_that_does_not_follow() -> None:
    sale = Sale()
    sale.whole()
    sale.log.append(
        sale.store(
            "ledger",
            subjects.ledger_log(sale.book),
            wire.Cursor(book=sale.book, turn=9, applied_through=1, state_hash=sale.posted.state_hash),
        )
    )
    sale.log.pop()
    assert kinds(sale) == {"broken_chain"}


def test_a_note_that_is_missing_doubled_or_of_nothing() -> None:
    sale = Sale()
    deal = sale.whole()
    note = sale.log.pop()
    assert kinds(sale) == {"untold"}
    sale.log += [note, msgspec.structs.replace(note, sequence=note.sequence + 1)]
    assert kinds(sale) == {"doubled_note"}
    sale.log.pop()
    sale.note("kenya", deal, 77, "expired", wire.State.EXPIRED)
    assert kinds(sale) == {"phantom_note"}


def test_a_note_that_the_inbox_lacks() -> None:
    sale = Sale()
    sale.whole()
    notes = [stored for stored in sale.log if stored.subject == subjects.note("kenya")]
    entries = [Stored(n, subjects.inbox("kenya"), {}, stored.body) for n, stored in enumerate(notes)]
    notes += [stored for stored in sale.log if stored.subject == subjects.note("ghana")]
    checker = Checker()
    checker.compare_inboxes(sale.log, entries)
    assert {wrong.kind for wrong in checker.wrong} == {"not_in_inbox"}
    assert len(checker.wrong) == len(notes) - len(entries)


def told(sale: Sale, **other: int) -> wire.Balances:
    """What a ledger tells that folded the same."""
    lines = [
        wire.BalanceLine(party=party, good=good, balance=other.get(f"{party}_{good}", balance), limit=limit)
        for (party, good), (balance, limit) in sale.posted.told().items()
    ]
    return wire.Balances(book=sale.book, applied_through=1, state_hash=sale.posted.state_hash, lines=lines)


def test_books_that_the_ledger_tells() -> None:
    sale = Sale()
    sale.whole()
    checker = check(sale.log, [])
    checker.compare_balances(sale.book, told(sale))
    assert checker.wrong == []
    checker.compare_balances(sale.book, told(sale, kenya_tea=-9))
    assert {wrong.kind for wrong in checker.wrong} == {"other_books", "not_conserved"}
    checker.wrong.clear()
    checker.compare_balances(sale.book, told(sale, kenya_tea=-9, ghana_tea=9))
    assert {wrong.kind for wrong in checker.wrong} == {"other_books"}


def test_what_hms_does_not_verify() -> None:
    sale = Sale()
    deal = sale.whole()
    for verdicts, expected in (({deal: ""}, 0), ({}, 1), ({deal: "entry 3"}, 1)):
        checker = check(sale.log, [])
        checker.compare_verdicts(verdicts)
        assert len(checker.wrong) == expected
