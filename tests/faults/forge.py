"""Logs made by hand, good and bad: what the checker's own tests feed it.

`Forge` writes as desk, ledger and registry do, with their keys, and lets a test write what they never would.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from hms_a2a import _headers as header
from hms_a2a import _subjects as subjects
from hms_a2a import _wire as wire
from hms_a2a._codec import encode
from hms_a2a._deal import deal_id
from hms_a2a._keys import Key
from hms_a2a._signing import Signer

from .books import Book
from .history import Call, Outcome
from .logs import Stored

if TYPE_CHECKING:
    from collections.abc import Sequence

_NOW = 1_700_000_000_000
_CORES = ("registry", "deal", "ledger")
_ACCOUNT = "A" + "A" * 55


class Forge:
    """A log in the making, and the history that goes with it."""

    def __init__(self, *agents: str, book: str = "north") -> None:
        import nkeys

        account = nkeys.from_seed(nkeys.encode_seed(bytes(32), nkeys.PREFIX_BYTE_ACCOUNT)).public_key.decode()
        self.book = book
        self.log: list[Stored] = []
        self.calls: list[Call] = []
        self.posted = Book()
        self._keys = {name: Key.generate() for name in (*_CORES, *agents)}
        self._signers = {name: Signer(key, account, name) for name, key in self._keys.items()}
        self._heads: dict[str, tuple[int, bytes]] = {}
        self._nonces = 0
        for name in _CORES:
            self.key(name, cause=None)
        for agent in agents:
            ask = encode(wire.Register(agent=agent, key=self._keys[agent].public, lease_ms=1000))
            self.key(agent, cause=self.signed(agent, subjects.endpoint("registry", "register"), ask))

    def signed(self, name: str, subject: str, body: bytes) -> wire.Signed:
        """A signed move."""
        self._nonces += 1
        sender = self._signers[name].sign(subject, body, _NOW, f"n{self._nonces}")
        return wire.Signed(subject=subject, sender=sender, body=body)

    def store(self, writer: str, subject: str, message: wire.Message) -> Stored:
        """Write an entry."""
        body = encode(message)
        headers = {
            header.CONTENT_TYPE: header.MSGPACK,
            header.TYPE: message.TYPE,
            header.SCHEMA: header.SCHEMA_VERSION,
            header.SENDER: self.signed(writer, subject, body).sender,
        }
        stored = Stored(len(self.log) + 1, subject, headers, body)
        self.log.append(stored)
        return stored

    def place(self, subject: str) -> tuple[int, bytes]:
        """The next entry's number on a subject, and the hash of the one before."""
        return self._heads.get(subject, (0, bytes(32)))

    def follow(self, stored: Stored) -> None:
        """The next entry on this subject comes after this one."""
        self._heads[stored.subject] = (self.place(stored.subject)[0] + 1, hashlib.sha256(stored.body).digest())

    def key(self, agent: str, cause: wire.Signed | None) -> None:
        """A key."""
        subject = subjects.key_log(agent)
        turn, prev = self.place(subject)
        event = wire.KeyEvent(
            agent=agent, turn=turn, prev=prev, at_unix_ms=_NOW, key=self._keys[agent].public, cause=cause
        )
        self.follow(self.store(agent if cause is None else "registry", subject, event))

    def declare(self, agent: str, move_id: str = "d", **limits: int) -> None:
        """What an agent may give."""
        asked = [wire.Limit(good=good, quantity=n) for good, n in limits.items()]
        ask = wire.Declare(move_id=move_id, deadline_unix_ms=_NOW + 1000, book=self.book, limits=asked)
        cause = self.signed(agent, subjects.endpoint("ledger", "declare"), encode(ask))
        self.acknowledged(agent, cause, move_id)
        subject = subjects.limit_log(self.book, agent)
        turn, prev = self.place(subject)
        event = wire.LimitEvent(book=self.book, agent=agent, turn=turn, prev=prev, at_unix_ms=_NOW, cause=cause)
        stored = self.store("ledger", subject, event)
        self.follow(stored)
        self.posted.declare(agent, asked)
        self.posted.chain(subject, stored.body)

    def cursor(self) -> None:
        """How far the ledger is."""
        subject = subjects.ledger_log(self.book)
        turn, _ = self.place(subject)
        cursor = wire.Cursor(
            book=self.book, turn=turn, applied_through=len(self.log), state_hash=self.posted.state_hash
        )
        self.follow(self.store("ledger", subject, cursor))

    def note(self, agent: str, deal: str, turn: int, event: str, state: wire.State) -> None:
        """What an agent hears."""
        note = wire.DealNote(deal=deal, event=event, state=state, turn=turn, at_unix_ms=_NOW, book=self.book)
        self.log.append(Stored(len(self.log) + 1, subjects.note(agent), {}, encode(note)))

    def acknowledged(self, agent: str, cause: wire.Signed, move_id: str, state: str = "", turn: int = -1) -> None:
        """An agent asked, and was told that it is done."""
        self.calls.append(
            Call(
                agent=agent,
                subject=cause.subject,
                move_id=move_id,
                body=cause.body,
                asked_unix_ms=_NOW,
                deadline_unix_ms=_NOW + 1000,
                outcome=Outcome.ACKNOWLEDGED,
                state=state,
                turn=turn,
            )
        )

    def event(
        self, deal: str, what: wire.Happening, cause: wire.Signed | None = None, *, writer: str = "deal", **more: object
    ) -> Stored:
        """An entry of a deal's log."""
        subject = subjects.deal_log(deal)
        turn, prev = self.place(subject)
        fields: dict[str, object] = {"turn": turn, "prev": prev, "at_unix_ms": _NOW} | more
        stored = self.store(writer, subject, wire.DealEvent(deal=deal, what=what, cause=cause, **fields))  # type: ignore[arg-type]
        self.follow(stored)
        return stored

    def move(self, by: str, deal: str, ask: wire.Message) -> wire.Signed:
        """A signed move in a deal."""
        return self.signed(by, subjects.deal_move(ask.TYPE.removeprefix("deal."), by, deal), encode(ask))


class Sale(Forge):
    """Kenya gives Ghana ten of tea for eight of cocoa; each may give fifty."""

    def __init__(self) -> None:
        super().__init__("ghana", "kenya")
        self.declare("kenya", tea=50)
        self.declare("ghana", cocoa=50)
        self.cursor()

    def open(self, move_id: str = "open-1", tea: int = 10) -> str:
        """Open a deal."""
        self.terms = encode(
            wire.Terms(
                book=self.book,
                parties=["ghana", "kenya"],
                transfers=[_gives("kenya", "ghana", "tea", tea), _gives("ghana", "kenya", "cocoa", 8)],
                delivery=wire.Delivery.IMMEDIATE,
                expires_unix_ms=_NOW + 5000,
            )
        )
        self.hash = hashlib.sha256(self.terms).digest()
        ask = wire.Open(
            move_id=move_id,
            deadline_unix_ms=_NOW + 1000,
            book=self.book,
            profile=wire.Profile.FIXED_1,
            parties=["ghana", "kenya"],
            expires_unix_ms=_NOW + 5000,
            terms=self.terms,
        )
        deal = deal_id("kenya", move_id)
        cause = self.move("kenya", deal, ask)
        what = wire.DealOpened(opener="kenya", book=self.book, profile=wire.Profile.FIXED_1, terms_hash=self.hash)
        self.event(deal, what, cause)
        self.acknowledged("kenya", cause, move_id, "negotiating", 0)
        return deal

    def accept(self, deal: str, by: str, *, last: bool, move_id: str = "") -> wire.Signed:
        """Accept."""
        move_id = move_id or f"accept-{by}"
        ask = wire.Accept(move_id=move_id, deadline_unix_ms=_NOW + 1000, deal=deal, terms_hash=self.hash)
        cause = self.move(by, deal, ask)
        turn = self.place(subjects.deal_log(deal))[0]
        self.event(deal, wire.DealAccepted(by=by, terms_hash=self.hash, last=last), cause)
        self.acknowledged(by, cause, move_id, "agreed" if last else "negotiating", turn)
        return cause

    def certify(self, deal: str, acceptances: Sequence[wire.Signed]) -> None:
        """Hand it to the ledger."""
        what = wire.DealCertified(opener="kenya", book=self.book, terms=self.terms, acceptances=list(acceptances))
        self.event(deal, what)

    def commit(self, deal: str, acceptances: Sequence[wire.Signed], *, cursor: bool = True) -> None:
        """Post it, and settle it."""
        what = wire.DealCommitted(book=self.book, terms=self.terms, acceptances=list(acceptances))
        stored = self.event(deal, what, writer="ledger")
        from .keyring import read

        self.posted.commit(deal, read(self.terms, wire.Terms))
        self.posted.chain(stored.subject, stored.body)
        turn = self.place(stored.subject)[0]
        self.event(deal, wire.DealSettled(), writer="ledger")
        if cursor:
            self.cursor()
        for agent in ("ghana", "kenya"):
            self.note(agent, deal, turn, "settled", wire.State.SETTLED)

    def whole(self, move_id: str = "open-1", tea: int = 10) -> str:
        """A deal from beginning to end."""
        deal = self.open(move_id, tea)
        acceptances = [self.accept(deal, "ghana", last=False), self.accept(deal, "kenya", last=True)]
        self.certify(deal, acceptances)
        self.commit(deal, acceptances)
        return deal


def _gives(giver: str, receiver: str, good: str, quantity: int) -> wire.Transfer:
    return wire.Transfer(from_=giver, to=receiver, good=good, quantity=quantity, due_unix_ms=_NOW + 5000)
