"""Decides whether a history and the logs agree, and whether the logs keep the promises.

It shares nothing with the cores but the wire: hashes, signatures, states and books are computed here again, in another
language. What it asks for:

- what was acknowledged is in the log, with the very body and the answer that was given; what was refused at the first
  attempt is not;
- no move stands twice, no deal is committed twice or ends twice, nothing follows an end;
- nothing is committed without every party's signed acceptance of those terms;
- nobody gives more than it declared and received, after every single entry; what is given is received;
- the chain of hashes is whole, and each entry and each move is signed by whom it must be;
- each cursor of the ledger states the hash of what was posted before it; the books that the ledger tells are these;
- whoever must hear of an end has a note of it, once, and an entry of its inbox;
- when the faults are over, every deal whose time has passed has an end.
"""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from typing import TYPE_CHECKING, NamedTuple

from hms_a2a import _subjects as subjects
from hms_a2a import _wire as wire
from hms_a2a._codec import decode_any
from hms_a2a._errors import BadWire
from hms_a2a._profiles import ENDS

from .books import Book
from .history import Outcome
from .keyring import Broken, Keyring, read, signature_of, writer_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from .history import Call
    from .logs import Stored

_DESK, _LEDGER = "deal", "ledger"


class Wrong(NamedTuple):
    """A promise that was broken."""

    kind: str
    """Which, a stable word."""
    sequence: int
    """The stream sequence of the entry that shows it; 0 where none does."""
    detail: str
    """The rest, for people."""

    def __str__(self) -> str:
        where = f" (sequence {self.sequence})" if self.sequence else ""
        return f"{self.kind}: {self.detail}{where}"


#: The kinds that the table counts as lost, and as doubled.
LOST = frozenset({"lost", "untold", "not_in_inbox", "gap"})
DOUBLED = frozenset({"doubled_move", "doubled_commit", "second_end", "doubled_note"})


class Recorded(NamedTuple):
    """A move that the log holds."""

    sequence: int
    body_hash: bytes
    state: str
    turn: int


class Deal:
    """A deal, as its log tells it."""

    def __init__(self, deal_id: str) -> None:
        self.id = deal_id
        self.state: wire.State | None = None
        self.turns = 0
        self.head = bytes(32)
        self.parties: list[str] = []
        self.opener = ""
        self.terms: wire.Terms | None = None
        self.terms_bytes = b""
        self.accepted: set[str] = set()
        self.expires_unix_ms = 0
        self.commits = 0
        self.ends = 0
        self.ended_by = ""
        self.end_turn = -1
        #: When the stream stored the last entry.
        self.stored_unix_ms = 0

    def put(self, body: bytes) -> None:
        """Terms came onto the table."""
        self.terms, self.terms_bytes = read(body, wire.Terms), body
        self.expires_unix_ms = self.terms.expires_unix_ms
        self.state = wire.State.NEGOTIATING

    @property
    def is_over(self) -> bool:
        """Whether nothing may follow."""
        return self.state in ENDS

    def due_unix_ms(self) -> int | None:
        """When it must have moved on by itself; None where it need not."""
        if self.state in (wire.State.OPEN, wire.State.NEGOTIATING):
            return self.expires_unix_ms
        if self.state is wire.State.COMMITTED and self.terms is not None:
            return max(transfer.due_unix_ms for transfer in self.terms.transfers)
        return None if self.is_over else 0


class Checker:
    """Reads a log in order, and says what is wrong with it."""

    def __init__(self) -> None:
        self.wrong: list[Wrong] = []
        self.deals: dict[str, Deal] = {}
        self.books: dict[str, Book] = defaultdict(Book)
        #: Every move that the log holds, by mover, subject and id.
        self.moves: dict[tuple[str, str, str], Recorded] = {}
        self._keys = Keyring()
        self._last_sequence = 0
        self._limits: dict[str, tuple[int, bytes]] = {}
        self._notes: Counter[tuple[str, str, int]] = Counter()
        self._events: dict[tuple[str, int], str] = {}

    # What the log holds.

    def read_log(self, log: Iterable[Stored]) -> None:
        """Every entry of HMS_DEALS, in order."""
        for stored in log:
            if stored.sequence != self._last_sequence + 1:
                self._say("gap", stored, f"sequence {self._last_sequence + 1} is missing")
            self._last_sequence = stored.sequence
            kind = stored.subject.split(".")[2:4]
            try:
                match kind:
                    case ["log", "deal"]:
                        self._deal_entry(stored)
                    case ["log", "key"]:
                        self._keys.add(stored)
                    case ["log", "limit"]:
                        self._limit_entry(stored)
                    case ["log", "ledger"]:
                        self._cursor(stored)
                    case ["note", _]:
                        self._note(stored)
            except Broken as broken:
                self._say("broken_entry", stored, f"{stored.subject}: {broken}")

    def _deal_entry(self, stored: Stored) -> None:
        sender = writer_of(stored, wire.DealEvent.TYPE)
        event = read(stored.body, wire.DealEvent)
        if stored.subject != subjects.deal_log(event.deal):
            raise Broken("it is of another deal")
        deal = self.deals.setdefault(event.deal, Deal(event.deal))
        if (event.turn, event.prev) != (deal.turns, deal.head):
            self._say(
                "broken_chain", stored, f"{event.deal}: entry {event.turn} does not follow entry {deal.turns - 1}"
            )
        if deal.is_over:
            kind = "second_end" if event.what.TYPE in {*ENDS} else "after_end"
            self._say(kind, stored, f"{event.deal}: {event.what.TYPE} after {deal.state}")
        self._keys.check(sender, _writer(event.what, deal))
        by = self._mover(event, deal)
        deal.stored_unix_ms = stored.at_unix_ms
        deal.turns, deal.head = event.turn + 1, hashlib.sha256(stored.body).digest()
        self._events[event.deal, event.turn] = event.what.TYPE
        self._happen(stored, deal, event.what, event.cause)
        if by is not None and event.cause is not None:
            self._record(stored, by, event.cause, deal, event.turn)
        if deal.is_over:
            deal.ended_by, deal.end_turn = by or "", event.turn

    def _mover(self, event: wire.DealEvent, deal: Deal) -> str | None:
        """Who made the move behind an event."""
        if event.cause is None:
            return None
        sender = signature_of(event.cause)
        try:
            verb, by, of = subjects.parse_deal_move(event.cause.subject)
        except ValueError as error:
            raise Broken(str(error)) from error
        self._keys.check(sender, by)
        if of != event.deal or verb != _CAUSES.get(event.what.TYPE):
            raise Broken(f"{event.what.TYPE} comes of {event.cause.subject}")
        if verb != "open" and by not in {*deal.parties, deal.opener}:
            raise Broken(f"{by} is not in this deal")
        return by

    def _happen(self, stored: Stored, deal: Deal, what: wire.Happening, cause: wire.Signed | None) -> None:
        match what:
            case wire.DealOpened():
                ask = read(_of(cause), wire.Open)
                deal.opener, deal.parties, deal.state = what.opener, list(ask.parties), wire.State.OPEN
                deal.expires_unix_ms = ask.expires_unix_ms
                if ask.terms is not None:
                    deal.put(ask.terms)
            case wire.DealProposed():
                deal.put(read(_of(cause), wire.Propose).terms)
            case wire.DealAccepted():
                if read(_of(cause), wire.Accept).terms_hash != hashlib.sha256(deal.terms_bytes).digest():
                    raise Broken("it accepts other terms")
                deal.accepted.add(what.by)
                if what.last:
                    deal.state = wire.State.AGREED
            case wire.DealCertified():
                deal.state = wire.State.CERTIFIED
                self._all_accept(stored, deal, what)
            case wire.DealCommitted():
                self._commit(stored, deal, what)
            case wire.DealConfirmed():
                pass
            case wire.DealSettled():
                deal.state = wire.State.SETTLED
                self._release(stored, deal, [])
            case wire.DealCompensated():
                deal.state = wire.State.COMPENSATED
                self._release(stored, deal, what.reversed)
            case _:
                deal.state = wire.State(what.TYPE)

    def _all_accept(self, stored: Stored, deal: Deal, what: wire.DealCertified | wire.DealCommitted) -> None:
        """Whether every party signed these very terms."""
        name = hashlib.sha256(what.terms).digest()
        terms = read(what.terms, wire.Terms)
        signers = []
        for signed in what.acceptances:
            sender = signature_of(signed)
            accept = read(signed.body, wire.Accept)
            by = sender.name or ""
            self._keys.check(sender, by)
            if signed.subject != subjects.deal_move("accept", by, deal.id):
                raise Broken(f"an acceptance on {signed.subject}")
            if (accept.deal, accept.terms_hash) != (deal.id, name):
                raise Broken(f"{by} accepted something else")
            signers.append(by)
        if signers != terms.parties or what.terms != deal.terms_bytes:
            self._say("unsigned_commit", stored, f"{deal.id}: {what.TYPE} with acceptances of {signers}")

    def _commit(self, stored: Stored, deal: Deal, what: wire.DealCommitted) -> None:
        deal.commits += 1
        if deal.commits > 1:
            self._say("doubled_commit", stored, deal.id)
            return
        if deal.state is not wire.State.CERTIFIED:
            self._say("unsigned_commit", stored, f"{deal.id}: committed from {deal.state}")
        deal.state = wire.State.COMMITTED
        self._all_accept(stored, deal, what)
        book, terms = self.books[what.book], read(what.terms, wire.Terms)
        before = {key: line.left for key, line in book.lines.items()}
        touched = book.commit(deal.id, terms)
        book.chain(stored.subject, stored.body)
        if terms.delivery is wire.Delivery.CONFIRMED:
            for (party, good), given in _given(terms).items():
                if given > before.get((party, good), 0):
                    self._say("over_limit", stored, f"{deal.id}: {party} gives {given} of {good}")
        self._in_limits(stored, book, touched)

    def _release(self, stored: Stored, deal: Deal, reversed_: Iterable[int]) -> None:
        for book in self.books.values():
            if deal.id in book.posted:
                touched = book.release(deal.id, reversed_)
                if deal.state is wire.State.COMPENSATED:
                    book.chain(stored.subject, stored.body)
                self._in_limits(stored, book, touched)

    def _in_limits(self, stored: Stored, book: Book, touched: Iterable[tuple[str, str]]) -> None:
        for key in touched:
            if book.lines[key].left < 0:
                party, good = key
                self._say("over_limit", stored, f"{party} is {-book.lines[key].left} of {good} short")

    def _limit_entry(self, stored: Stored) -> None:
        self._keys.check(writer_of(stored, wire.LimitEvent.TYPE), _LEDGER)
        event = read(stored.body, wire.LimitEvent)
        if stored.subject != subjects.limit_log(event.book, event.agent):
            raise Broken("limits on another agent's subject")
        if (event.turn, event.prev) != self._limits.get(stored.subject, (0, bytes(32))):
            self._say("broken_chain", stored, f"{stored.subject}: entry {event.turn} does not follow")
        self._limits[stored.subject] = (event.turn + 1, hashlib.sha256(stored.body).digest())
        self._keys.check(signature_of(event.cause), event.agent)
        declare = read(event.cause.body, wire.Declare)
        book = self.books[event.book]
        touched = book.declare(event.agent, declare.limits)
        book.chain(stored.subject, stored.body)
        self._in_limits(stored, book, touched)
        self._keep(stored, event.agent, event.cause, declare.move_id, "", event.turn)

    def _cursor(self, stored: Stored) -> None:
        self._keys.check(writer_of(stored, wire.Cursor.TYPE), _LEDGER)
        cursor = read(stored.body, wire.Cursor)
        book = self.books[cursor.book]
        if cursor.turn != book.next_turn or cursor.applied_through < book.applied_through:
            self._say("broken_chain", stored, f"cursor {cursor.turn} of {cursor.book} does not follow")
        if cursor.state_hash != book.state_hash:
            self._say("other_books", stored, f"cursor {cursor.turn} of {cursor.book} states another hash")
        book.next_turn, book.applied_through = cursor.turn + 1, cursor.applied_through

    def _note(self, stored: Stored) -> None:
        note = read(stored.body, wire.DealNote)
        to = stored.subject.rpartition(".")[2]
        self._notes[to, note.deal, note.turn] += 1
        if self._notes[to, note.deal, note.turn] > 1:
            self._say("doubled_note", stored, f"{to} is told twice of {note.event} of {note.deal}")
        if self._events.get((note.deal, note.turn)) != note.event:
            self._say("phantom_note", stored, f"{to} is told of {note.event} of {note.deal}, which the log lacks")

    def _record(self, stored: Stored, by: str, cause: wire.Signed, deal: Deal, turn: int) -> None:
        try:
            ask = decode_any(cause.body)
        except BadWire as error:
            raise Broken(f"the move behind it: {error}") from error
        move_id: str = getattr(ask, "move_id", "")
        self._keep(stored, by, cause, move_id, str(deal.state), turn)

    def _keep(self, stored: Stored, by: str, cause: wire.Signed, move_id: str, state: str, turn: int) -> None:
        scope = cause.subject.rpartition(".")[2] if state else stored.subject
        key = (by, scope, move_id)
        if key in self.moves:
            self._say("doubled_move", stored, f"{move_id} of {by}, already at sequence {self.moves[key].sequence}")
            return
        self.moves[key] = Recorded(stored.sequence, hashlib.sha256(cause.body).digest(), state, turn)

    # What else is known.

    def compare_history(self, calls: Iterable[Call]) -> None:
        """What agents were told, against the log."""
        for call in calls:
            recorded = self.moves.get(_key_of(call))
            same = recorded is not None and recorded.body_hash == call.body_hash
            where = f"{call.move_id} of {call.agent} on {call.subject}"
            if call.outcome is Outcome.ACKNOWLEDGED:
                if recorded is None or not same:
                    self.wrong.append(Wrong("lost", 0, f"acknowledged, and not in the log: {where}"))
                elif call.state and (call.state, call.turn) != (recorded.state, recorded.turn):
                    said = f"told {call.state} at {call.turn}, recorded {recorded.state} at {recorded.turn}"
                    self.wrong.append(Wrong("other_answer", recorded.sequence, f"{where}: {said}"))
            elif call.outcome is Outcome.REFUSED and same and recorded is not None and not call.unknown_attempts:
                self.wrong.append(
                    Wrong("recorded_refusal", recorded.sequence, f"refused by {call.code} {call.rule}: {where}")
                )

    def compare_balances(self, book_id: str, told: wire.Balances) -> None:
        """What the ledger tells of a book, against the fold."""
        lines = {(line.party, line.good): (line.balance, line.limit) for line in told.lines}
        lines = {key: line for key, line in lines.items() if any(line)}
        book = self.books[book_id]
        for key in sorted({*lines, *book.told()}):
            if lines.get(key, (0, 0)) != book.told().get(key, (0, 0)):
                said = f"{key[0]}'s {key[1]}: told {lines.get(key)}, folded {book.told().get(key)}"
                self.wrong.append(Wrong("other_books", 0, f"{book_id}: {said}"))
        sums: Counter[str] = Counter()
        for (_, good), (balance, _) in lines.items():
            sums[good] += balance
        for good, total in sums.items():
            if total:
                self.wrong.append(Wrong("not_conserved", 0, f"{book_id}: {good} sums to {total}"))
        if told.state_hash != book.state_hash:
            self.wrong.append(Wrong("other_books", 0, f"{book_id}: the ledger tells another hash"))

    def compare_inboxes(self, log: Iterable[Stored], inbox: Iterable[Stored]) -> None:
        """Every note, against the inboxes, where one may stand more than once."""
        there = Counter((stored.subject, stored.body) for stored in inbox)
        for stored in log:
            if stored.subject.split(".")[2] == "note":
                agent = stored.subject.rpartition(".")[2]
                if not there[subjects.inbox(agent), stored.body]:
                    self._say("not_in_inbox", stored, f"a note to {agent}")

    def compare_verdicts(self, verdicts: Mapping[str, str]) -> None:
        """What `hms deal verify` says of each deal: `""` where it holds."""
        for deal in self.deals:
            if verdicts.get(deal, "not verified"):
                self.wrong.append(Wrong("not_verified", 0, f"{deal}: {verdicts.get(deal, 'no word')}"))

    def check_ends(self, now_unix_ms: int) -> None:
        """Whether every deal whose time has passed is over, and everyone was told."""
        for deal in self.deals.values():
            due = deal.due_unix_ms()
            if due is not None and due < now_unix_ms:
                late_ms = deal.stored_unix_ms - due
                what = f"{deal.id} is still {deal.state}; its last entry was stored {late_ms} ms after its time"
                self.wrong.append(Wrong("stuck", 0, what))
            if deal.is_over:
                for agent in {*deal.parties, deal.opener} - {deal.ended_by}:
                    is_told = self._notes[agent, deal.id, deal.end_turn]
                    # Whoever opened a deal that is taken back was told that it failed.
                    if not is_told and (agent in deal.parties or deal.state is not wire.State.COMPENSATED):
                        self.wrong.append(Wrong("untold", 0, f"{agent} was not told that {deal.id} is {deal.state}"))

    def ends(self) -> Counter[str]:
        """How many deals stand where."""
        return Counter(str(deal.state) for deal in self.deals.values())

    def _say(self, kind: str, stored: Stored, detail: str) -> None:
        self.wrong.append(Wrong(kind, stored.sequence, detail))


def check(log: Sequence[Stored], calls: Iterable[Call]) -> Checker:
    """The log and the history alone."""
    checker = Checker()
    checker.read_log(log)
    checker.compare_history(calls)
    return checker


#: Which verb causes which event.
_CAUSES = {
    "opened": "open",
    "proposed": "propose",
    "accepted": "accept",
    "rejected": "reject",
    "withdrawn": "withdraw",
    "confirmed": "confirm",
}


def _writer(what: wire.Happening, deal: Deal) -> str:
    """Which core writes such an event."""
    if what.TYPE in ("committed", "compensated"):
        return _LEDGER
    if what.TYPE == "refused" and deal.state is wire.State.CERTIFIED:
        return _LEDGER
    immediate = deal.terms is not None and deal.terms.delivery is wire.Delivery.IMMEDIATE
    return _LEDGER if what.TYPE == "settled" and immediate else _DESK


def _of(cause: wire.Signed | None) -> bytes:
    if cause is None:
        raise Broken("no signed move behind it")
    return cause.body


def _given(terms: wire.Terms) -> Counter[tuple[str, str]]:
    given: Counter[tuple[str, str]] = Counter()
    for transfer in terms.transfers:
        given[transfer.from_, transfer.good] += transfer.quantity
    return given


def _key_of(call: Call) -> tuple[str, str, str]:
    ask = decode_any(call.body)
    if isinstance(ask, wire.Declare):
        return call.agent, subjects.limit_log(ask.book, call.agent), call.move_id
    return call.agent, call.subject.rpartition(".")[2], call.move_id
