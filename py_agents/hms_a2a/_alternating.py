"""Stacked alternating offers, the protocol ``sao/1``: the fold of what was said, as the crate `negotiation` has it.

The parties move in turn. Whoever has the floor accepts the offer on the table, or puts another there, which takes the
old one away, or ends the talk. An offer counts as its proposer's acceptance; what all have accepted is agreed. In
each round everybody moves once, and after the last round the talk is over.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, NoReturn

from hms_a2a import _wire as wire
from hms_a2a._codec import decode, decode_any, encode
from hms_a2a._errors import BadWire, WordRefused
from hms_a2a._limits import MAX_TALK_BYTES

if TYPE_CHECKING:
    from hms_a2a._utility import Outcome

#: What can be said in one protocol or another.
Word = (
    wire.TalkOffer
    | wire.TalkAccept
    | wire.TalkEnd
    | wire.TalkCall
    | wire.TalkBid
    | wire.TalkDecline
    | wire.TalkRevise
    | wire.TalkAward
    | wire.TalkText
    | wire.TalkVote
    | wire.TalkResult
)


@dataclass(frozen=True)
class Broken:
    """A party ended the talk."""

    by: str
    reason: str


@dataclass(frozen=True)
class OutOfRounds:
    """There is no round left."""


@dataclass(frozen=True)
class Agreed:
    """All have accepted this outcome."""

    outcome: Outcome


#: How a talk ended.
Ended = Agreed | Broken | OutOfRounds


@dataclass
class _Offered:
    hash: bytes
    outcome: Outcome
    accepted: int


class Alternating:
    """A talk by the rules of ``sao/1``."""

    def __init__(self, deal: str, rules: bytes) -> None:
        """A talk of which nothing is said yet; `rules` are the exact bytes. Raises `BadWire` for what is none."""
        self.deal = deal
        #: Its rules.
        self.rules = decode(rules, wire.Alternating)
        self._rules_hash = hashlib.sha256(rules).digest()
        self._words: list[bytes] = []
        self._table: _Offered | None = None
        #: How it ended, if it has.
        self.end: Ended | None = None

    @property
    def table(self) -> Outcome | None:
        """What is on the table."""
        return None if self._table is None else self._table.outcome

    @property
    def accepted(self) -> int:
        """How many have accepted what is on the table, its proposer included."""
        return 0 if self._table is None else self._table.accepted

    @property
    def seat(self) -> int:
        """The seat that has the floor."""
        return len(self._words) % len(self.rules.order)

    @property
    def mover(self) -> str | None:
        """Who has the floor; nobody once it is over."""
        return None if self.end is not None else self.rules.order[self.seat]

    @property
    def round(self) -> int:
        """The round, counted from 0."""
        return len(self._words) // len(self.rules.order)

    @property
    def transcript(self) -> wire.Transcript:
        """What was said so far, in short."""
        return wire.Transcript(head=self._head, length=len(self._words))

    @property
    def agreed(self) -> Outcome | None:
        """The outcome that all have accepted, if there is one."""
        return self.end.outcome if isinstance(self.end, Agreed) else None

    @property
    def _head(self) -> bytes:
        return self._words[-1] if self._words else self._rules_hash

    def offer(self, by: str, outcome: Outcome) -> bytes:
        """The word with which `by` offers an outcome now."""
        return encode(
            wire.TalkOffer(deal=self.deal, by=by, turn=len(self._words), prev=self._head, outcome=list(outcome))
        )

    def accept(self, by: str) -> bytes | None:
        """The word with which `by` accepts what is on the table now; None where nothing is."""
        if self._table is None:
            return None
        turn, prev = len(self._words), self._head
        return encode(wire.TalkAccept(deal=self.deal, by=by, turn=turn, prev=prev, offer=self._table.hash))

    def finish(self, by: str, reason: str) -> bytes:
        """The word with which `by` ends the talk now."""
        return encode(wire.TalkEnd(deal=self.deal, by=by, turn=len(self._words), prev=self._head, reason=reason))

    def hear(self, body: bytes, now_unix_ms: int) -> Word:
        """Take a word, in its exact bytes. Raises `WordRefused`; nothing has changed then."""
        word = read_word(body)
        hashed = hashlib.sha256(body).digest()
        self._check_place(word, hashed, now_unix_ms)
        match word:
            case wire.TalkOffer(outcome=outcome):
                if not is_outcome(self.rules.domain, outcome):
                    refuse("outside_domain", f"{outcome} is no outcome of this domain")
                self._table = _Offered(hashed, tuple(outcome), 1)
            case wire.TalkAccept(offer=offer):
                if self._table is None or self._table.hash != offer:
                    refuse("unknown_offer", "another offer is on the table, or none")
                self._table.accepted += 1
                if self._table.accepted == len(self.rules.order):
                    self.end = Agreed(self._table.outcome)
            case wire.TalkEnd(by=by, reason=reason):
                self.end = Broken(by, reason)
        self._words.append(hashed)
        if self.end is None and self.round >= self.rules.rounds:
            self.end = OutOfRounds()
        return word

    def is_ahead(self, body: bytes) -> bool:
        """Whether a word is refused only because it comes before the one that it follows: it can wait for that."""
        try:
            word = read_word(body)
        except WordRefused:
            return False
        return (
            isinstance(word, wire.TalkOffer | wire.TalkAccept | wire.TalkEnd)
            and self.end is None
            and word.turn > len(self._words)
            and word.deal == self.deal
            and word.by in self.rules.order
        )

    def _check_place(self, word: Word, hashed: bytes, now_unix_ms: int) -> None:
        """Whether a word may be said here and now, whatever it says."""
        if word.deal != self.deal:
            refuse("foreign", "it is of another deal")
        if word.by not in self.rules.order:
            refuse("foreign", f"{word.by} takes no part")
        if not isinstance(word, wire.TalkOffer | wire.TalkAccept | wire.TalkEnd):
            refuse("foreign", f"{word.TYPE} is not said in sao/1")
        if word.turn < len(self._words):
            if self._words[word.turn] == hashed:
                refuse("duplicate", f"word {word.turn} is there already")
            refuse("out_of_turn", f"another word {word.turn} is there already")
        if self.end is not None:
            refuse("over", "the talk has ended")
        if now_unix_ms > self.rules.talk_until_unix_ms:
            refuse("late", "the time to talk has passed")
        if word.turn > len(self._words):
            refuse("broken_chain", f"word {len(self._words)} comes before word {word.turn}")
        if self.mover != word.by:
            refuse("out_of_turn", f"{word.by} has not the floor")
        if word.prev != self._head:
            refuse("broken_chain", "it names another word than the last")


def read_word(body: bytes) -> Word:
    """Read a word, whichever it is. Raises `WordRefused`."""
    try:
        word = decode_any(body, MAX_TALK_BYTES)
    except BadWire as error:
        raise WordRefused("malformed", str(error)) from error
    if not isinstance(word, Word):
        refuse("malformed", f"{word.TYPE} is no word of a talk")
    return word


def refuse(rule: str, reason: str) -> NoReturn:
    """Refuse a word."""
    raise WordRefused(rule, reason)


def is_outcome(domain: wire.Domain, outcome: list[int]) -> bool:
    """Whether it is an outcome of this domain: one choice for each issue."""
    return len(outcome) == len(domain.issues) and all(
        choice < issue.count for issue, choice in zip(domain.issues, outcome, strict=True)
    )
