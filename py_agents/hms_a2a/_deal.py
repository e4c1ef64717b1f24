"""A deal as one agent sees it: what is on the table, where it stands, and the moves that the agent can make."""

from __future__ import annotations

import asyncio
import base64
import hashlib
from typing import TYPE_CHECKING

from hms_a2a import _subjects as subjects
from hms_a2a import _wire as wire
from hms_a2a._bus import PATIENCE_S
from hms_a2a._codec import decode, encode
from hms_a2a._errors import Conflict, ErrorReply, NoTerms
from hms_a2a._limits import MAX_TEXT_BYTES
from hms_a2a._membership import Objection
from hms_a2a._profiles import ENDS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hms_a2a._bus import Caller
    from hms_a2a._membership import Membership

#: The desk's rules that say that a move was made before.
_MADE_BEFORE = frozenset({"accepted_before", "confirmed_before", "move_id_reused"})


class Deal:
    """A deal, opened by another agent or by this one.

    It changes as news of it comes: `state` is where it stands, `event` what was heard last (``opened``, ``committed``,
    …), `by` who did that, `reason` and `rule` why it ended badly.
    """

    def __init__(self, caller: Caller, agent: str, deal_id: str) -> None:
        self._caller = caller
        self._agent = agent
        self._terms: wire.Terms | None = None
        self._terms_bytes = b""
        self._turn = -1
        self._changed = asyncio.Event()
        self._membership: Membership | None = None
        #: Its id.
        self.id = deal_id
        self.state: wire.State = wire.State.OPEN
        self.event = ""
        self.book = ""
        self.opener: str | None = None
        self.profile: wire.Profile | None = None
        self.by: str | None = None
        self.rule: str | None = None
        self.reason: str | None = None

    @property
    def terms(self) -> wire.Terms:
        """The terms on the table. Raises `NoTerms` when there are none."""
        if self._terms is None:
            raise NoTerms(f"no terms of deal {self.id} are known here")
        return self._terms

    @property
    def terms_hash(self) -> bytes:
        """The name of the terms on the table: the SHA-256 of their exact bytes. Raises `NoTerms`."""
        if self._terms is None:
            raise NoTerms(f"no terms of deal {self.id} are known here")
        return hashlib.sha256(self._terms_bytes).digest()

    @property
    def gives(self) -> list[wire.Transfer]:
        """What this agent gives under the terms. Raises `NoTerms`."""
        return [transfer for transfer in self.terms.transfers if transfer.from_ == self._agent]

    @property
    def receives(self) -> list[wire.Transfer]:
        """What this agent receives under the terms. Raises `NoTerms`."""
        return [transfer for transfer in self.terms.transfers if transfer.to == self._agent]

    @property
    def is_over(self) -> bool:
        """Whether nothing can follow."""
        return self.state in ENDS

    def why_not(self) -> Objection | None:
        """Why the terms don't suit this agent; None when they do.

        They suit it when they fit what it stated in the market and what is left of that, and leave it its margin and
        its private reservation at the worst corner of its bounds.
        """
        if self._membership is None:
            return Objection("away", f"{self._agent} has stated nothing in {self.book}")
        return self._membership.why_not(self.terms, self.id)

    def is_good(self) -> bool:
        """Whether the terms suit this agent: see `why_not`."""
        return self.why_not() is None

    def gain(self) -> int:
        """What this agent gains at its central values, in minor units of account, rounded down.

        What it stated no value or cost of counts nothing. Raises `NoTerms`.
        """
        terms = self.terms
        return self._membership.worth(terms).gain_minor if self._membership else 0

    def worst_gain(self) -> int:
        """The same at the worst corner of its bounds."""
        terms = self.terms
        return self._membership.worth(terms).worst_gain_minor if self._membership else 0

    async def open(self, ask: wire.Open) -> wire.State:
        """Open it. Done by `Agent.open_deal`; again, with the same bytes, it changes nothing."""
        state = await self._move("open", ask, ask.deadline_unix_ms)
        if ask.terms is not None:
            self.on_table(ask.terms)
        self.opener, self.profile = self._agent, ask.profile
        return state

    async def accept(
        self, *, holdings: Mapping[str, int] | None = None, transcript: wire.Transcript | None = None
    ) -> wire.State:
        """Accept the terms on the table, stating what their goods are worth; asks until they expire.

        It also states how much the agent holds of what it gives, which a deal that requires the claim ``holdings``
        needs: what is left of its offer in the deal's market, or `holdings`, in minor units of each good. Terms that
        come of a negotiation are accepted with its `transcript`, which `Agent.negotiations` does.

        Safe to call again, after a restart as well: the same acceptance has the same `move_id`. Raises `Conflict` when
        the deal is elsewhere by now, `Late` when it is too late, `TimedOut` when nobody knows.
        """
        valuation = self._membership.valuation(self.terms) if self._membership else wire.Valuation(values=[], costs=[])
        ask = wire.Accept(
            move_id=self._move_id("accept"),
            deadline_unix_ms=self.terms.expires_unix_ms,
            deal=self.id,
            terms_hash=self.terms_hash,
            valuation=valuation,
            holdings=self._holdings(holdings),
            transcript=transcript,
        )
        if self._membership is not None:
            self._membership.promise(self.id, self.terms)
        try:
            return await self._move("accept", ask, ask.deadline_unix_ms)
        except ErrorReply:
            # It was not recorded. After a time-out nobody knows, and the promise stays until news comes.
            if self._membership is not None:
                self._membership.release(self.id)
            raise

    def _holdings(self, stated: Mapping[str, int] | None) -> list[wire.Holding]:
        if stated is not None:
            return [wire.Holding(good=good, quantity=units) for good, units in sorted(stated.items())]
        return self._membership.holdings(self.terms, self.id) if self._membership else []

    async def reject(self, reason: str = "", *, transcript: wire.Transcript | None = None) -> wire.State:
        """Say no; the deal ends. The other parties hear the reason (its first 1,024 bytes).

        A negotiation that came to nothing may end with its `transcript`.
        """
        has_terms = self._terms is not None
        ask = wire.Reject(
            move_id=self._move_id("reject"),
            deadline_unix_ms=self.terms.expires_unix_ms if has_terms else self._soon(),
            deal=self.id,
            terms_hash=self.terms_hash if has_terms else None,
            reason=_shortened(reason),
            transcript=transcript,
        )
        return await self._move("reject", ask, ask.deadline_unix_ms)

    async def withdraw(self, reason: str = "", *, transcript: wire.Transcript | None = None) -> wire.State:
        """Take an own deal back; it ends. A negotiation that came to nothing may end with its `transcript`."""
        ask = wire.Withdraw(
            move_id=self._caller.bus.nonce(),
            deadline_unix_ms=self._soon(),
            deal=self.id,
            reason=_shortened(reason),
            transcript=transcript,
        )
        return await self._move("withdraw", ask, ask.deadline_unix_ms)

    async def propose(self, terms: wire.Terms, *, agreement: wire.Agreement | None = None) -> wire.State:
        """Put terms on the table of a deal that was opened without any, and accept them where it is a party.

        Terms that come of a negotiation are proposed with the `agreement`, which `Agent.negotiations` does.
        """
        body = encode(terms)
        ask = wire.Propose(
            move_id=self._caller.bus.nonce() if agreement is None else self._move_id("propose"),
            deadline_unix_ms=self._soon() if agreement is None else terms.expires_unix_ms,
            deal=self.id,
            terms=body,
            agreement=agreement,
        )
        state = await self._move("propose", ask, ask.deadline_unix_ms)
        self.on_table(body)
        if self._agent not in terms.parties:
            return state
        return await self.accept(transcript=None if agreement is None else agreement.transcript)

    async def confirm(self) -> wire.State:
        """Confirm that everything this agent was due has arrived; asks until the last due date."""
        due = [transfer.due_unix_ms for transfer in self.receives]
        ask = wire.Confirm(
            move_id=self._move_id("confirm"),
            deadline_unix_ms=max(due, default=self._soon()),
            deal=self.id,
            terms_hash=self.terms_hash,
        )
        return await self._move("confirm", ask, ask.deadline_unix_ms)

    async def show(self) -> wire.Shown:
        """Ask the desk how the deal stands."""
        subject = subjects.deal_move("show", self._agent, self.id)
        shown = await self._caller.insist(subject, wire.Show(deal=self.id), wire.Shown)
        self._now(shown.turns - 1, shown.state)
        self.reason = shown.reason or self.reason
        return shown

    async def until(self, *states: wire.State | str) -> wire.State:
        """Wait until the deal is in one of these states, or over; the state that it is in then."""
        while self.state not in states and not self.is_over:
            await self._changed.wait()
        return self.state

    async def ended(self) -> wire.State:
        """Wait until the deal is over; how it ended."""
        return await self.until()

    def __repr__(self) -> str:
        return f"<Deal {self.id} {self.state}>"

    # What follows is for the package: news of the deal coming in.

    def join(self, membership: Membership | None) -> None:
        """What the agent stated in the deal's market, if anything."""
        self._membership = membership

    def on_table(self, body: bytes) -> None:
        """Terms came onto the table. Raises `BadWire` for what is none."""
        self._terms = decode(body, wire.Terms)
        self._terms_bytes = body
        self.book = self._terms.book

    def hear(self, note: wire.DealNote) -> None:
        """News came. Raises `BadWire` for terms that are none."""
        self.book = note.book
        self.opener = note.opener or self.opener
        self.profile = note.profile or self.profile
        self.rule = note.rule or self.rule
        self.reason = note.reason or self.reason
        if note.terms is not None:
            self.on_table(note.terms)
        self._now(note.turn, note.state)

    def tell(self, note: wire.DealNote) -> None:
        """The agent is about to be told of this."""
        self.event, self.by = note.event, note.by

    def _now(self, turn: int, state: wire.State) -> None:
        """The deal was in this state at this turn; older news than what is known changes nothing."""
        if turn < self._turn:
            return
        self._turn, self.state = turn, state
        self._settle_promise()
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()

    def _settle_promise(self) -> None:
        if self._membership is None:
            return
        if self.state in (wire.State.COMMITTED, wire.State.SETTLED):
            self._membership.keep(self.id)
        elif self.is_over:
            self._membership.release(self.id)

    async def _move(self, verb: str, ask: wire.Message, until_unix_ms: int) -> wire.State:
        subject = subjects.deal_move(verb, self._agent, self.id)
        try:
            moved = await self._caller.insist(subject, ask, wire.Moved, until_unix_ms=until_unix_ms, patience_s=None)
        except Conflict as conflict:
            # This agent made the move before, in another process perhaps, with other words.
            if conflict.reply.rule in _MADE_BEFORE and conflict.state in set(wire.State):
                return wire.State(conflict.state)
            raise
        self._now(moved.turn, moved.state)
        return moved.state

    def _soon(self) -> int:
        return self._caller.bus.now_unix_ms() + int(PATIENCE_S * 1000)

    def _move_id(self, verb: str) -> str:
        """The id of a move that an agent makes at most once on the same terms: the same one after a restart too."""
        terms = self.terms_hash.hex()[:16] if self._terms is not None else "none"
        return f"{verb}-{self.id}-{terms}"


def deal_id(opener: str, move_id: str) -> str:
    """The id of the deal that `opener` opens with `move_id`: base32 of the first 130 bits of a SHA-256."""
    digest = hashlib.sha256(f"{opener}\0{move_id}".encode()).digest()
    return base64.b32encode(digest)[:26].decode().lower()


def _shortened(reason: str) -> str:
    raw = reason.encode()
    return reason if len(raw) <= MAX_TEXT_BYTES else raw[:MAX_TEXT_BYTES].decode(errors="ignore")
