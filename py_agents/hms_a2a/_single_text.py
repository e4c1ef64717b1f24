"""Mediated single text, the protocol ``stx/1``: the fold of what was said, as the crate `negotiation` has it.

A mediator keeps one text, changes it, and has the parties vote on each change; what all accept stands (Klein, Faratin,
Sayama & Bar-Yam 2003). It has no choice in what it says: that follows from the rules' seed and the votes, by the
formula in ``docs/negotiation.md``. The next text, or the result, tells all votes on the one before; a party that sees
its own turned or made up refuses the word, and follows no further. There is no next text before all have voted.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hms_a2a import _wire as wire
from hms_a2a._alternating import Word, read_word, refuse
from hms_a2a._codec import decode, encode

if TYPE_CHECKING:
    from hms_a2a._utility import Outcome


@dataclass
class _Proposed:
    """What is voted on, and the votes that were heard, by seat."""

    hash: bytes
    outcome: Outcome
    votes: list[wire.CountedVote | None]


class SingleText:
    """A talk by the rules of ``stx/1``."""

    def __init__(self, deal: str, rules: bytes, me: str | None = None) -> None:
        """A talk of which nothing is said yet. Raises `BadWire` for rules that are none.

        `me` is the party whose state it is, who hears no vote but its own; left out, it is the mediator's, or that of
        somebody who has all words.
        """
        self.deal = deal
        #: Its rules.
        self.rules = decode(rules, wire.SingleText)
        self._rules_hash = hashlib.sha256(rules).digest()
        self._me = None if me == self.rules.mediator else me
        #: The text that stands.
        self.text: Outcome = tuple(
            self._draw(0, place, issue.count) for place, issue in enumerate(self.rules.domain.issues)
        )
        #: How many changes were put to the vote.
        self._rounds = 0
        self._proposed: _Proposed | None = None
        self._result: bytes | None = None
        self._taken: set[bytes] = set()

    @property
    def proposed(self) -> Outcome | None:
        """What is voted on."""
        return None if self._proposed is None else self._proposed.outcome

    @property
    def round(self) -> int:
        """The round of what is voted on, counted from 0."""
        return max(0, self._rounds - 1)

    @property
    def transcript(self) -> wire.Transcript | None:
        """What was said, in short; None before the result."""
        if self._result is None:
            return None
        # In each round a change and every party's vote, and what came of it all.
        return wire.Transcript(head=self._result, length=self.rules.rounds * (len(self.rules.order) + 1) + 1)

    @property
    def result(self) -> Outcome | None:
        """What the text is in the end; None before."""
        return None if self._result is None else self.text

    def awaits(self, party: str) -> bool:
        """Whether there is something that this party has not voted on."""
        if self._result is not None or self._proposed is None or party not in self.rules.order:
            return False
        return self._proposed.votes[self.rules.order.index(party)] is None

    def vote(self, by: str, accepts: bool) -> bytes | None:
        """The vote of `by` on what is voted on; None where nothing is."""
        if self._proposed is None:
            return None
        return encode(wire.TalkVote(deal=self.deal, by=by, prev=self._proposed.hash, accepts=accepts))

    def decision(self) -> bytes | None:
        """What the mediator says next: the first text, or, when all have voted, the next or the result; None before."""
        cast = [] if self._proposed is None else self._proposed.votes
        votes = [vote for vote in cast if vote is not None]
        if self._result is not None or len(votes) < len(cast):
            return None
        by, prev, text = self.rules.mediator, self._last, self._after(votes)
        if self._rounds == self.rules.rounds:
            return encode(wire.TalkResult(deal=self.deal, by=by, prev=prev, votes=votes, outcome=list(text)))
        outcome = list(self._changed(text))
        return encode(wire.TalkText(deal=self.deal, by=by, round=self._rounds, prev=prev, votes=votes, outcome=outcome))

    def hear(self, body: bytes, now_unix_ms: int) -> Word:
        """Take a word, in its exact bytes. Raises `WordRefused`; nothing has changed then."""
        word = read_word(body)
        hashed = hashlib.sha256(body).digest()
        if word.deal != self.deal:
            refuse("foreign", "it is of another deal")
        if hashed in self._taken:
            refuse("duplicate", "it is there already")
        if self._result is not None:
            refuse("over", "there is a result")
        if now_unix_ms > self.rules.talk_until_unix_ms:
            refuse("late", "the time to talk has passed")
        match word:
            case wire.TalkText():
                self._hear_text(word, hashed)
            case wire.TalkVote():
                self._hear_vote(word, hashed)
            case wire.TalkResult():
                self._hear_result(word, hashed)
            case _:
                refuse("foreign", f"{word.TYPE} is not said in stx/1")
        self._taken.add(hashed)
        return word

    @property
    def _last(self) -> bytes:
        return self._rules_hash if self._proposed is None else self._proposed.hash

    def _after(self, votes: list[wire.CountedVote]) -> Outcome:
        """The text that stands once these votes are counted."""
        if self._proposed is not None and all(vote.accepts for vote in votes):
            return self._proposed.outcome
        return self.text

    def _check_mediator(self, by: str) -> None:
        if by != self.rules.mediator:
            refuse("foreign", f"{by} is not the mediator")

    def _hear_text(self, said: wire.TalkText, hashed: bytes) -> None:
        self._check_mediator(said.by)
        if said.round < self._rounds:
            refuse("out_of_turn", f"round {said.round} has begun already")
        if said.round > self._rounds or said.prev != self._last:
            refuse("broken_chain", "it does not follow the text before")
        self._check_votes(said.votes)
        if self._rounds >= self.rules.rounds:
            refuse("wrong_text", "there is no round left")
        text = self._after(said.votes)
        drawn = self._changed(text)
        if tuple(said.outcome) != drawn:
            refuse("wrong_text", f"seed and votes make {list(drawn)}")
        self.text = text
        self._rounds += 1
        self._proposed = _Proposed(hashed, drawn, [None] * len(self.rules.order))

    def _hear_vote(self, vote: wire.TalkVote, hashed: bytes) -> None:
        if vote.by not in self.rules.order:
            refuse("foreign", f"{vote.by} has no vote")
        if self._me is not None and vote.by != self._me:
            refuse("foreign", "votes are for the mediator alone")
        if self._proposed is None or self._proposed.hash != vote.prev:
            refuse("broken_chain", "it is on another text")
        seat = self.rules.order.index(vote.by)
        if self._proposed.votes[seat] is not None:
            refuse("out_of_turn", f"{vote.by} has voted")
        self._proposed.votes[seat] = wire.CountedVote(hash=hashed, accepts=vote.accepts)

    def _hear_result(self, said: wire.TalkResult, hashed: bytes) -> None:
        self._check_mediator(said.by)
        if said.prev != self._last:
            refuse("broken_chain", "it does not follow the text before")
        if self._rounds < self.rules.rounds:
            refuse("wrong_text", "there are rounds left")
        self._check_votes(said.votes)
        text = self._after(said.votes)
        if tuple(said.outcome) != text:
            refuse("wrong_text", f"the votes make {list(text)}")
        self.text = text
        self._result = hashed

    def _check_votes(self, counted: list[wire.CountedVote]) -> None:
        """Whether votes are counted as they were cast, as far as whoever listens has heard them."""
        cast = [] if self._proposed is None else self._proposed.votes
        if len(counted) != len(cast) or len({vote.hash for vote in counted}) < len(counted):
            refuse("wrong_count", f"there are {len(cast)} votes to count, each once")
        for who, vote, told in zip(self.rules.order, cast, counted, strict=False):
            if self._me in (None, who) and vote != told:
                refuse("wrong_count", f"{who} has not voted so")

    def _changed(self, text: Outcome) -> Outcome:
        """The text with one issue changed, as the seed says for this round; as it is where nothing can change."""
        open_issues = [place for place, issue in enumerate(self.rules.domain.issues) if issue.count > 1]
        if not open_issues:
            return text
        place = open_issues[self._draw(self._rounds + 1, 0, len(open_issues))]
        drawn = self._draw(self._rounds + 1, 1, self.rules.domain.issues[place].count - 1)
        choice = drawn if drawn < text[place] else drawn + 1
        return (*text[:place], choice, *text[place + 1 :])

    def _draw(self, round_: int, nth: int, below: int) -> int:
        """A number below `below`."""
        drawn = self.rules.seed.to_bytes(8) + round_.to_bytes(4) + nth.to_bytes(4)
        return int.from_bytes(hashlib.sha256(drawn).digest()[:8]) % below
