"""The contract net, of one call (``cnp/1``) or iterated (``icnp/1``): the fold of what was said.

A call, sealed bids, an award by a stated rule; in the iterated one the manager tells the best bid and calls again, by
a rule that is stated as well. A contract net is an iterated one of one round.

The manager hears every answer; a contractor hears calls and award, and knows its own answers. Each call after the
first, and the award, names all answers to the call before by their hashes, so a contractor sees whether its own was
counted and not what others bid, and whoever is shown the bids afterwards can see that the rules were kept.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hms_a2a import _wire as wire
from hms_a2a._alternating import Word, is_outcome, read_word, refuse
from hms_a2a._codec import decode, encode, type_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hms_a2a._utility import Outcome

#: What a bid may score.
SCORES = range(-(2**127), 2**127)


@dataclass(frozen=True, kw_only=True)
class Bidding:
    """What a contractor answered: the SHA-256 of its exact bytes, and the outcome, None where it declines."""

    by: str
    round: int
    hash: bytes
    outcome: Outcome | None


@dataclass(frozen=True)
class Award:
    """Whom the manager awarded to: the bid, and what it says where it was heard."""

    bid: bytes | None
    bidding: Bidding | None
    transcript: wire.Transcript


class ContractNet:
    """A contract net by the rules of ``cnp/1`` or ``icnp/1``."""

    def __init__(self, deal: str, rules: bytes, parties: Sequence[str], me: str | None = None) -> None:
        """One in which nothing is said yet. Raises `BadWire` for rules that are none.

        `parties` are all that the deal was opened with. `me` is the contractor whose state it is, who hears no answer
        but its own; left out, it is the manager's, or that of somebody who has all words.
        """
        self.deal = deal
        #: Its rules; a contract net's as those of an iterated one of one round.
        self.rules = _iterated(rules)
        self._rules_hash = hashlib.sha256(rules).digest()
        self.contractors = [party for party in parties if party != self.rules.manager]
        self._me = None if me == self.rules.manager else me
        #: The calls so far, by their hashes.
        self._calls: list[bytes] = []
        #: Who may answer the last call.
        self.called = self.contractors
        self._best: tuple[bytes, Outcome] | None = None
        #: The answers that further calls and the award name.
        self._named: list[bytes] = []
        #: The answers that were heard, to all calls, in the order in which they came.
        self.answers: list[Bidding] = []
        #: Whom it was awarded to, once it was.
        self.award: Award | None = None

    @property
    def is_called(self) -> bool:
        """Whether there is a call."""
        return bool(self._calls)

    @property
    def round(self) -> int:
        """The round, counted from 0."""
        return max(0, len(self._calls) - 1)

    @property
    def until_unix_ms(self) -> int:
        """Until when answers to the last call are heard, in Unix milliseconds."""
        return self.rules.bids_until_unix_ms + self.rules.round_ms * self.round

    @property
    def is_answered(self) -> bool:
        """Whether all who are called have answered."""
        return len(self._round_answers()) == len(self.called)

    @property
    def best(self) -> Outcome | None:
        """The best bid that the last call tells; None of the first call."""
        return None if self._best is None else self._best[1]

    @property
    def transcript(self) -> wire.Transcript | None:
        """What was said, in short; None before the award."""
        return None if self.award is None else self.award.transcript

    @property
    def awarded(self) -> Outcome | None:
        """What was awarded, where this party has heard of that bid."""
        return None if self.award is None or self.award.bidding is None else self.award.bidding.outcome

    def awaits(self, contractor: str) -> bool:
        """Whether there is a call that this contractor may still answer."""
        return (
            self.award is None
            and self.is_called
            and contractor in self.called
            and all(answer.by != contractor for answer in self._round_answers())
        )

    def leads(self, contractor: str) -> bool:
        """Whether the best bid that the last call tells is this contractor's."""
        best = None if self._best is None else self._best[0]
        return any(answer.by == contractor and answer.hash == best for answer in self.answers)

    def call(self, text: str) -> bytes:
        """The manager's first call."""
        return encode(wire.TalkCall(deal=self.deal, by=self.rules.manager, prev=self._rules_hash, text=text))

    def bid(self, by: str, outcome: Outcome) -> bytes | None:
        """A contractor's bid; None before the call. Raises `BadWire` for what is no outcome of any domain."""
        if not self._calls:
            return None
        return encode(wire.TalkBid(deal=self.deal, by=by, prev=self._calls[-1], outcome=list(outcome)))

    def decline(self, by: str, reason: str) -> bytes | None:
        """A contractor's refusal to bid, or to bid anew; None before the call."""
        if not self._calls:
            return None
        return encode(wire.TalkDecline(deal=self.deal, by=by, prev=self._calls[-1], reason=reason))

    def answer(self, by: str, said: Outcome | str) -> bytes | None:
        """A contractor's answer to the call: the outcome that it bids, or the text with which it declines."""
        return self.decline(by, said) if isinstance(said, str) else self.bid(by, said)

    def decision(self) -> bytes | None:
        """What the rules have the manager say to the answers heard so far, a further call or the award.

        None before the first call.
        """
        if not self._calls:
            return None
        manager, prev = self.rules.manager, self._calls[-1]
        heard = [answer.hash for answer in self._round_answers()]
        again = self._again()
        if again is not None:
            called, bid, best = again
            return encode(
                wire.TalkRevise(
                    deal=self.deal, by=manager, prev=prev, heard=heard, called=called, bid=bid, best=list(best)
                )
            )
        ranked = self._ranked()
        best_bid = ranked[0][1].hash if ranked else None
        return encode(wire.TalkAward(deal=self.deal, by=manager, prev=prev, heard=heard, bid=best_bid))

    def score(self, outcome: Sequence[int]) -> int | None:
        """What a bid scores: the sum of weights times numbers; None where that does not fit 128 bits."""
        total = 0
        places = {issue.name: place for place, issue in enumerate(self.rules.domain.issues)}
        for part in self.rules.score:
            place = places[part.issue]
            issue = self.rules.domain.issues[place]
            total += part.weight * (issue.least + issue.step * outcome[place])
            if total not in SCORES:
                return None
        return total

    def hear(self, body: bytes, now_unix_ms: int) -> Word:
        """Take a word, in its exact bytes. Raises `WordRefused`; nothing has changed then."""
        word = read_word(body)
        hashed = hashlib.sha256(body).digest()
        if word.deal != self.deal:
            refuse("foreign", "it is of another deal")
        if self._is_there(hashed):
            refuse("duplicate", "it is there already")
        if self.award is not None:
            refuse("over", "it is awarded")
        match word:
            case wire.TalkCall():
                self._hear_call(word, hashed)
            case wire.TalkBid(by=by, outcome=outcome):
                self._check_answer(word, now_unix_ms)
                self._check_outcome(outcome)
                self.answers.append(Bidding(by=by, round=self.round, hash=hashed, outcome=tuple(outcome)))
            case wire.TalkDecline(by=by):
                self._check_answer(word, now_unix_ms)
                self.answers.append(Bidding(by=by, round=self.round, hash=hashed, outcome=None))
            case wire.TalkRevise():
                self._hear_revision(word, hashed)
            case wire.TalkAward():
                self._hear_award(word, hashed)
            case _:
                refuse("foreign", f"{word.TYPE} is not said in a contract net")
        return word

    def _is_there(self, hashed: bytes) -> bool:
        return (
            hashed in self._calls
            or any(answer.hash == hashed for answer in self.answers)
            or (self.award is not None and self.award.transcript.head == hashed)
        )

    def _round_answers(self) -> list[Bidding]:
        """Those to the last call."""
        return [answer for answer in self.answers if answer.round == self.round]

    def _ranked(self) -> list[tuple[int, Bidding]]:
        """All bids that were heard with their scores, the best first.

        The highest score, between equals the earlier round, then the bidder whose id comes first.
        """
        scored = [(self.score(answer.outcome), answer) for answer in self.answers if answer.outcome is not None]
        ranked = [(score, answer) for score, answer in scored if score is not None]
        return sorted(ranked, key=lambda one: (-one[0], one[1].round, one[1].by))

    def _again(self) -> tuple[list[str], bytes, Outcome] | None:
        """Who is called again, sorted, and the best bid so far, where the rules say that there is another round."""
        if self.round + 1 >= self.rules.rounds:
            return None
        ranked = self._ranked()
        bids = [(score, bidding) for score, bidding in ranked if bidding.round == self.round]
        if not bids or self._is_too_little(bids[0][0]):
            return None
        called = sorted(bidding.by for _, bidding in bids[: self.rules.keep])
        best = ranked[0][1]
        return None if best.outcome is None else (called, best.hash, best.outcome)

    def _is_too_little(self, score: int | None) -> bool:
        """Whether a best score is not enough more than the best before for there to be another round."""
        before = None if self.best is None else self.score(self.best)
        if before is None:
            return False
        return score is None or score < min(before + self.rules.least_gain, SCORES.stop - 1)

    def _check_manager(self, by: str) -> None:
        if by != self.rules.manager:
            refuse("foreign", f"{by} is not the manager")

    def _check_outcome(self, outcome: list[int]) -> None:
        if not is_outcome(self.rules.domain, outcome):
            refuse("outside_domain", f"{outcome} is no outcome of this domain")

    def _hear_call(self, call: wire.TalkCall, hashed: bytes) -> None:
        self._check_manager(call.by)
        if self._calls:
            refuse("out_of_turn", "there is a call already")
        if call.prev != self._rules_hash:
            refuse("broken_chain", "it names other rules")
        self._calls.append(hashed)

    def _check_answer(self, word: wire.TalkBid | wire.TalkDecline, now_unix_ms: int) -> None:
        if word.by not in self.contractors:
            refuse("foreign", f"{word.by} is no contractor")
        if self._me is not None and word.by != self._me:
            refuse("foreign", "bids are for the manager alone")
        if word.prev in self._calls[:-1]:
            refuse("late", "that round is over")
        if self._calls and word.by not in self.called:
            refuse("out_of_turn", f"{word.by} is not called again")
        if any(answer.by == word.by for answer in self._round_answers()):
            refuse("out_of_turn", f"{word.by} has answered")
        if self._calls[-1:] != [word.prev]:
            refuse("broken_chain", "it answers another call")
        if now_unix_ms > self.until_unix_ms:
            refuse("late", "the time to bid has passed")

    def _check_heard(self, prev: bytes, heard: list[bytes]) -> None:
        """Whether a word follows the last call and names the answers to it."""
        if self._calls[-1:] != [prev]:
            refuse("broken_chain", "it follows another call")
        if self._me is None:
            if [answer.hash for answer in self._round_answers()] != heard:
                refuse("broken_chain", "it names other answers than were heard")
        elif len(set(heard)) < len(heard) or len(heard) > len(self.called):
            refuse("broken_chain", "it names an answer twice, or more than there can be")

    def _hear_revision(self, revise: wire.TalkRevise, hashed: bytes) -> None:
        if self.rules.rounds == 1:
            refuse("foreign", "there is one call only")
        self._check_manager(revise.by)
        self._check_heard(revise.prev, revise.heard)
        self._check_outcome(revise.best)
        best = tuple(revise.best)
        if self._me is not None:
            self._check_revision(revise, best)
        elif self._again() != (revise.called, revise.bid, best):
            refuse("wrong_call", "the rules call others, tell another bid, or award")
        self._calls.append(hashed)
        self._named.extend(revise.heard)
        self.called = list(revise.called)
        self._best = revise.bid, best

    def _check_revision(self, revise: wire.TalkRevise, best: Outcome) -> None:
        """What a contractor can see of a further call's rightness."""
        if self.round + 1 >= self.rules.rounds:
            refuse("wrong_call", "there is no round left")
        most = min(len(revise.heard), self.rules.keep)
        if len(revise.called) > most or any(who not in self.called for who in revise.called):
            refuse("wrong_call", "it calls more than it may, or somebody who was not called before")
        told = self.score(best)
        if self._is_too_little(told):
            refuse("wrong_call", "too little was gained for another round")
        counted = {*self._named, *revise.heard}
        for own in self.answers:
            score = None if own.outcome is None or own.hash not in counted else self.score(own.outcome)
            if score is not None and (told is None or score > told):
                refuse("wrong_call", "a better bid was made than the one that it tells")
        if revise.bid not in counted:
            refuse("wrong_call", "it tells a bid that was not heard")
        if any(own.hash == revise.bid and own.outcome != best for own in self.answers):
            refuse("wrong_call", "that was not bid")

    def _hear_award(self, award: wire.TalkAward, hashed: bytes) -> None:
        self._check_manager(award.by)
        self._check_heard(award.prev, award.heard)
        if award.bid is not None and award.bid not in [*self._named, *award.heard]:
            refuse("unknown_offer", "it awards to what was not heard")
        if self._me is None:
            if self._again() is not None:
                refuse("wrong_award", "the rules call again")
            ranked = self._ranked()
            if (ranked[0][1].hash if ranked else None) != award.bid:
                refuse("wrong_award", "the rules award to another bid")
        bidding = next((answer for answer in self.answers if answer.hash == award.bid), None)
        self._named.extend(award.heard)
        transcript = wire.Transcript(head=hashed, length=len(self._calls) + len(self._named) + 1)
        self.award = Award(award.bid, bidding, transcript)


def _iterated(rules: bytes) -> wire.IteratedContractNet:
    """Rules of a contract net, whichever. Raises `BadWire`."""
    if type_of(rules) != wire.ContractNet.TYPE:
        return decode(rules, wire.IteratedContractNet)
    once = decode(rules, wire.ContractNet)
    return wire.IteratedContractNet(
        domain=once.domain,
        manager=once.manager,
        bids_until_unix_ms=once.bids_until_unix_ms,
        round_ms=1,
        rounds=1,
        least_gain=1,
        keep=1,
        score=once.score,
    )
