"""The workload: a process of agents that make deals with each other without a pause, and write down every call.

They behave as docs/semantics.md asks: after a time-out they ask again with the same `move_id` and the same bytes, and
when they are started again they ask again what they had asked and got no answer to. Some moves they make twice at the
same time, which two desks may then get.

    python -m tests.faults.agents CONFIG.json
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import itertools
import json
import random
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from hms_a2a import _subjects as subjects
from hms_a2a import _wire as wire
from hms_a2a._bus import Bus, Caller
from hms_a2a._codec import decode, decode_any, encode
from hms_a2a._deal import deal_id
from hms_a2a._errors import Busy, Disconnected, ErrorReply, HmsError, Internal, Late, NoResponders, TimedOut
from hms_a2a._keys import Key
from hms_a2a._link import Link
from hms_a2a._settings import Settings
from hms_a2a._signing import Signer, random_nonce, system_clock

from .history import Call, Journal, Outcome, now_unix_ms, read_history

if TYPE_CHECKING:
    from collections.abc import Awaitable

_ATTEMPT_S = 1.5
_PATIENCE_S = 12.0
_LEASE_MS = 3_600_000


class Config(msgspec.Struct):
    """What a process of agents is told."""

    urls: list[str]
    journal: str
    seed: str
    book: str
    goods: list[str]
    #: Seeds of the agents' keys, by id.
    agents: dict[str, str]
    #: Deals that are made at the same time.
    slots: int = 4
    #: The share of moves that are asked for twice at the same time.
    twice: float = 0.1
    #: How long to pause between two deals, in seconds, on average.
    pause_s: float = 0.05


class Crowd:
    """The agents of one process."""

    def __init__(self, config: Config, bus: Bus, journal: Journal, rng: random.Random, boot: int) -> None:
        self._config = config
        self._journal = journal
        self._rng = rng
        self._boot = boot
        self._numbers = itertools.count()
        self._callers = {
            agent: Caller(bus, Signer(Key(seed), bus.account, agent)) for agent, seed in config.agents.items()
        }
        self._keys = {agent: Key(seed).public for agent, seed in config.agents.items()}
        self.stopping = asyncio.Event()

    async def arrive(self) -> None:
        """Register everyone, and declare limits until they are recorded: who has none makes no deal."""
        await asyncio.gather(*(self._register(agent) for agent in self._callers))
        await asyncio.gather(*(self._declare_at_last(agent) for agent in self._callers))
        self._journal.note("arrived", boot=self._boot)

    async def ask_again(self, calls: list[Call]) -> None:
        """What this process asked in an earlier life, and does not know the outcome of."""
        await asyncio.gather(*(self._settle(call) for call in calls))

    async def trade(self) -> None:
        """Make deals, one after the other."""
        while not self.stopping.is_set():
            with contextlib.suppress(TimedOut, Disconnected, NoResponders):
                await self._deal()
            if self._rng.random() < 0.05:
                await self._declare(self._rng.choice(list(self._callers)))
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self.stopping.wait(), self._rng.uniform(0, 2 * self._config.pause_s) + 1e-3)

    async def _register(self, agent: str) -> None:
        ask = wire.Register(agent=agent, key=self._keys[agent], lease_ms=_LEASE_MS)
        await self._callers[agent].insist(subjects.endpoint("registry", "register"), ask, wire.Registered)

    async def _declare_at_last(self, agent: str) -> None:
        while not self.stopping.is_set():
            if (await self._declare(agent)).outcome is Outcome.ACKNOWLEDGED:
                return

    async def _declare(self, agent: str) -> Call:
        index = sorted(self._callers).index(agent)
        good = self._config.goods[index % len(self._config.goods)]
        ask = wire.Declare(
            move_id=self._move_id("declare"),
            deadline_unix_ms=self._in(6.0),
            book=self._config.book,
            limits=[wire.Limit(good=good, quantity=self._rng.choice([50, 200, 1000, 5000]))],
        )
        return await self._move(agent, subjects.endpoint("ledger", "declare"), ask)

    async def _deal(self) -> None:
        rng = self._rng
        ring = rng.random() < 0.4
        parties = sorted(rng.sample(list(self._callers), 3 if ring else 2))
        opener = rng.choice(list(self._callers)) if ring else rng.choice(parties)
        expires = self._in(rng.choice([2.0, 4.0, 8.0]))
        confirmed = rng.random() < 0.4
        terms = encode(self._terms(parties, expires, expires + rng.choice([1500, 4000]), confirmed=confirmed))
        later = not ring and rng.random() < 0.2
        ask = wire.Open(
            move_id=self._move_id("open"),
            deadline_unix_ms=expires,
            book=self._config.book,
            profile=wire.Profile.RING_1 if ring else wire.Profile.FIXED_1,
            parties=parties,
            expires_unix_ms=expires,
            terms=None if later else terms,
        )
        deal = deal_id(opener, ask.move_id)
        opened = await self._move(opener, subjects.deal_move("open", opener, deal), ask)
        if opened.outcome is not Outcome.ACKNOWLEDGED:
            return
        if later:
            propose = wire.Propose(move_id=self._move_id("propose"), deadline_unix_ms=expires, deal=deal, terms=terms)
            await self._move(opener, subjects.deal_move("propose", opener, deal), propose)
        await self._answer(deal, opener, parties, terms, expires)

    async def _answer(self, deal: str, opener: str, parties: list[str], terms: bytes, expires: int) -> None:
        rng, name = self._rng, hashlib.sha256(terms).digest()
        moves: list[Awaitable[Call]] = []
        whim = rng.random()
        says_no = rng.choice(parties) if whim < 0.14 else None
        for party in parties:
            if party == says_no:
                if whim < 0.07:
                    moves.append(self._reject(deal, party, name, expires))
                continue
            accept = wire.Accept(move_id=self._move_id("accept"), deadline_unix_ms=expires, deal=deal, terms_hash=name)
            moves.append(self._move(party, subjects.deal_move("accept", party, deal), accept))
        if whim > 0.95:
            withdraw = wire.Withdraw(
                move_id=self._move_id("withdraw"), deadline_unix_ms=expires, deal=deal, reason="a whim"
            )
            moves.append(self._move(opener, subjects.deal_move("withdraw", opener, deal), withdraw))
        rng.shuffle(moves)
        answers = await asyncio.gather(*moves)
        agreed = any(call.state == wire.State.AGREED for call in answers)
        said = decode(terms, wire.Terms)
        if agreed and said.delivery is wire.Delivery.CONFIRMED:
            await self._confirm(deal, said, name)

    async def _reject(self, deal: str, party: str, name: bytes, expires: int) -> Call:
        reject = wire.Reject(
            move_id=self._move_id("reject"), deadline_unix_ms=expires, deal=deal, terms_hash=name, reason="a whim"
        )
        return await self._move(party, subjects.deal_move("reject", party, deal), reject)

    async def _confirm(self, deal: str, terms: wire.Terms, name: bytes) -> None:
        due = max(transfer.due_unix_ms for transfer in terms.transfers)
        while await self._state(deal, terms.parties[0]) in (wire.State.AGREED, wire.State.CERTIFIED):
            if now_unix_ms() > due:
                return
            await asyncio.sleep(0.05)
        receivers = sorted({transfer.to for transfer in terms.transfers})
        if self._rng.random() < 0.15:
            receivers.pop()  # something never arrives
        moves = []
        for receiver in receivers:
            confirm = wire.Confirm(move_id=self._move_id("confirm"), deadline_unix_ms=due, deal=deal, terms_hash=name)
            moves.append(self._move(receiver, subjects.deal_move("confirm", receiver, deal), confirm))
        await asyncio.gather(*moves)

    async def _state(self, deal: str, party: str) -> wire.State:
        subject = subjects.deal_move("show", party, deal)
        shown = await self._callers[party].insist(subject, wire.Show(deal=deal), wire.Shown, patience_s=5.0)
        return shown.state

    def _terms(self, parties: list[str], expires: int, due: int, *, confirmed: bool) -> wire.Terms:
        order = self._rng.sample(parties, len(parties))
        ids = sorted(self._callers)
        transfers = []
        for giver, receiver in zip(order, order[1:] + order[:1], strict=True):
            own = self._config.goods[ids.index(giver) % len(self._config.goods)]
            good = own if self._rng.random() < 0.85 else self._rng.choice(self._config.goods)
            quantity = self._rng.randint(1, 12)
            transfers.append(wire.Transfer(from_=giver, to=receiver, good=good, quantity=quantity, due_unix_ms=due))
        return wire.Terms(
            book=self._config.book,
            parties=parties,
            transfers=transfers,
            delivery=wire.Delivery.CONFIRMED if confirmed else wire.Delivery.IMMEDIATE,
            expires_unix_ms=expires,
        )

    def _in(self, seconds: float) -> int:
        return now_unix_ms() + int(seconds * 1000)

    def _move_id(self, verb: str) -> str:
        return f"{verb}-{self._boot}-{next(self._numbers)}"

    # A call, from the first attempt to the last.

    async def _move(self, agent: str, subject: str, ask: wire.Message) -> Call:
        call = Call(
            agent=agent,
            subject=subject,
            move_id=getattr(ask, "move_id"),  # noqa: B009 # every move has one
            body=encode(ask),
            asked_unix_ms=now_unix_ms(),
            deadline_unix_ms=getattr(ask, "deadline_unix_ms"),  # noqa: B009
        )
        self._journal.asked(call)
        return await self._settle(call, twice=self._rng.random() < self._config.twice)

    async def _settle(self, call: Call, *, twice: bool = False) -> Call:
        tries = [msgspec.structs.replace(call) for _ in range(2 if twice else 1)]
        await asyncio.gather(*(self._persist(one) for one in tries))
        for outcome in (Outcome.ACKNOWLEDGED, Outcome.UNKNOWN, Outcome.REFUSED):
            best = next((one for one in tries if one.outcome is outcome), None)
            if best is not None:
                best.unknown_attempts = sum(one.unknown_attempts for one in tries)
                self._journal.done(best)
                return best
        raise AssertionError("an outcome is one of three")

    async def _persist(self, call: Call) -> None:
        """Ask until there is an answer, or the patience has gone."""
        kind = decode_any(call.body).TYPE
        caller = self._callers[call.agent]
        end = max(call.deadline_unix_ms, now_unix_ms()) + int(_PATIENCE_S * 1000)
        pause_s = 0.05
        while now_unix_ms() < end:
            try:
                reply = await caller.ask(call.subject, call.body, kind, _ATTEMPT_S)
            except (TimedOut, Disconnected, Internal):
                call.unknown_attempts += 1
            except (NoResponders, Busy):
                pass
            except ErrorReply as error:
                # The attempt's own time may have run out before the move's.
                if not isinstance(error, Late) or now_unix_ms() > call.deadline_unix_ms:
                    call.outcome, call.code, call.rule = Outcome.REFUSED, error.code, error.reply.rule or error.message
                    return
            else:
                call.outcome = Outcome.ACKNOWLEDGED
                told = decode_any(reply.body)
                if isinstance(told, wire.Moved):
                    call.state, call.turn = str(told.state), told.turn
                return
            await asyncio.sleep(pause_s)
            pause_s = min(1.0, 2 * pause_s)


def earlier(journal: Path) -> tuple[int, list[Call]]:
    """How often these agents were started before, and what they asked then and gave up only because they died."""
    if not journal.exists():
        return 0, []
    text = journal.read_text()
    finished = {_key(line) for line in text.splitlines() if line.startswith('{"what": "done"') and line.endswith("}")}
    pending = [call for call in read_history([journal]) if call.key not in finished]
    for call in pending:
        call.unknown_attempts = 1  # it died before it heard of it
    return text.count('"what": "started"'), pending


def _key(line: str) -> tuple[str, str, str]:
    call = json.loads(line)["call"]
    return call["agent"], call["subject"], call["move_id"]


async def run(config: Config, journal: Journal, boot: int, pending: list[Call]) -> None:
    """Trade until SIGTERM; then finish what is open."""
    journal.note("started", boot=boot)
    bus = Bus(Link(Settings(servers=tuple(config.urls)), "faults"), system_clock, random_nonce)
    await bus.open(30.0)
    crowd = Crowd(config, bus, journal, random.Random(f"{config.seed}-{boot}"), boot)
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, crowd.stopping.set)
    again = asyncio.ensure_future(crowd.ask_again(pending))
    await crowd.arrive()
    await asyncio.gather(again, *(crowd.trade() for _ in range(config.slots)))
    journal.note("ended", boot=boot)
    journal.close()
    await bus.link.close()


def main() -> None:
    """Read the configuration, and trade."""
    config = msgspec.json.decode(Path(sys.argv[1]).read_bytes(), type=Config)
    file = Path(config.journal)
    boot, pending = earlier(file)
    try:
        asyncio.run(run(config, Journal(file), boot, pending))
    except HmsError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
