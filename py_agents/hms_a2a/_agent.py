"""The agent: everything that an author needs, in one object."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
from typing import TYPE_CHECKING, Any, TypeVar

from hms_a2a import _subjects as subjects
from hms_a2a import _wire as wire
from hms_a2a._bus import PATIENCE_S, Bus, Caller
from hms_a2a._codec import decode_any as decode_contract
from hms_a2a._codec import encode
from hms_a2a._crew import Crew
from hms_a2a._deal import Deal, deal_id
from hms_a2a._errors import BadWire, Conflict, HmsError
from hms_a2a._inbox import Cursor, Inbox
from hms_a2a._keys import Key, find_home, find_key
from hms_a2a._limits import DEFAULT_LEASE_MS, MAX_CLEARING_BODY_BYTES
from hms_a2a._link import Link
from hms_a2a._membership import Membership
from hms_a2a._message import Message, decode_any
from hms_a2a._negotiations import Negotiations
from hms_a2a._offer import Offer, one_of, token
from hms_a2a._presence import Presence
from hms_a2a._settings import Settings
from hms_a2a._signing import Signer, random_nonce, signed_by, system_clock
from hms_a2a._talking import Talking
from hms_a2a._tasks import Tasks
from hms_a2a._trading import Trading, awaited
from hms_a2a._value import Outlook, quantity

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path
    from typing import Self

    from nats.aio.client import Client

    from hms_a2a._offer import Give, Want
    from hms_a2a._signing import Clock, Nonce
    from hms_a2a._trading import Decide, Deliver, Hear

_log = logging.getLogger("hms_a2a")

H = TypeVar("H", bound="Callable[..., Any]")

_LEAVE_WITHIN_S = 5.0


class Agent(Talking):
    """A peer on the bus.

    ::

        agent = Agent("kenya")
        agent.join("bazaar", gives=[Give("wheat", 100, cost=20)], wants=[Want("coffee", 50, value=90)])
        agent.run()

    Its key is `seed`, or what `HMS_KEY` says, or lies in ``.hms/keys/<id>.nk`` (made on first use; `home` or `HMS_HOME`
    name another folder than ``.hms``). The broker is `servers`, or what ``NATS_URL`` or a context of the ``nats`` CLI
    says, or the local one.

    Use it with `run()`, in ``async with``, or with `start()` and `stop()`. Handlers are plain or coroutine functions;
    those that wait run as tasks, `concurrency` at once; one that fails is logged and stops nothing. A plain function
    that computes for long holds everything up: ``await asyncio.to_thread(...)`` is the remedy.
    """

    def __init__(
        self,
        agent_id: str,
        *,
        kind: str = "corporate",
        capabilities: Sequence[str] = (),
        servers: str | Sequence[str] | None = None,
        context: str | None = None,
        seed: str | None = None,
        home: str | Path | None = None,
        lease_ms: int = DEFAULT_LEASE_MS,
        concurrency: int = 64,
        connect_within_s: float = 10.0,
        clock: Clock = system_clock,
        nonce: Nonce = random_nonce,
    ) -> None:
        """Describe an agent; nothing happens until it is started. Raises `ValueError` for what cannot be one.

        `kind` is ``government``, ``corporate``, ``ngo`` or ``civilian``. `clock` (Unix milliseconds) and `nonce` (1 to
        64 of ``A-Za-z0-9_-``, never the same again) are for tests.
        """
        super().__init__(Caller(), token(agent_id, "an agent's id"))
        self.kind = Outlook.of(kind).kind
        self._seed = seed
        self._home = home
        self._where = (servers, context)
        self._within_s = connect_within_s
        self._time = (clock, nonce)
        self._capabilities = list(capabilities)
        self._lease_ms = lease_ms
        self._concurrency = concurrency
        self._trading = Trading(self._caller, self.id)
        self._tasks = Tasks(self._caller, self.id, self._trading)
        self._negotiations = Negotiations(self._caller, self.id, self._trading)
        self._listeners: list[Callable[[Message[Any]], Any]] = []
        self._crew: Crew | None = None
        self._presence: Presence | None = None
        self._inbox: Inbox | None = None
        self._own_bus: Bus | None = None
        self._key: Key | None = None

    # --- what happens: decorators

    def on_proposal(self, decide: Decide) -> Decide:
        """Decide on terms: True accepts, False rejects, a text rejects with that reason, None leaves the deal alone.

        Without it the agent accepts what `Deal.is_good`, and rejects the rest with the reason. One that fails leaves
        the deal alone as well: it lapses.
        """
        self._trading.decide = decide
        return decide

    def on_committed(self, deliver: Deliver) -> Deliver:
        """Say whether what this agent was due has arrived: True confirms; anything else leaves it to `Deal.confirm`.

        Without it the agent confirms as soon as the deal is committed.
        """
        self._trading.deliver = deliver
        return deliver

    def on_deal(self, hear: Hear) -> Hear:
        """Hear all news of this agent's deals, except of its own moves; `Deal.event` says what happened."""
        self._trading.hearers.append(hear)
        return hear

    def on_message(self, hear: H) -> H:
        """Hear messages to this agent's inbox, the market maker's among them (`wire.Because`)."""
        self._listeners.append(hear)
        return hear

    # --- the cores

    async def call(
        self, endpoint: str, message: wire.Message, *, timeout_s: float = 5.0, job: str | None = None
    ) -> wire.Message:
        """Ask a core, signed: ``await agent.call("graph.clear", wire.Clear(...))``.

        Long work that is a `job` of that name tells how far it is on the topic ``job.<name>.progress``, and ends with
        what it has when this is cancelled. Raises the `ErrorReply` that was answered, `NoResponders` or `TimedOut`.
        """
        service, _, verb = endpoint.partition(".")
        subject = subjects.endpoint(token(service, "a service"), token(verb, "an endpoint"))
        named = subjects.job_id(job) if job is not None else None
        reply = await self._caller.ask(subject, encode(message), message.TYPE, timeout_s, named)
        return decode_contract(reply.body, MAX_CLEARING_BODY_BYTES)

    async def find(self, agent: str | None = None, *, capability: str | None = None) -> list[wire.AgentRecord]:
        """Who is here: all, one, or those that can do something. No more than fit one answer."""
        ask = wire.Find(agent=agent, capability=capability)
        found = await self._caller.insist(subjects.endpoint("registry", "find"), ask, wire.Found)
        return found.agents

    async def declare(self, book: str, limits: Mapping[str, int]) -> None:
        """Tell the ledger how much of each good this agent may give in a book, all told. `join` does it by itself.

        Raises `ValueError` for what is no book or no good, `BadWire` for what is no quantity, and the ledger's answer.
        """
        now = self._caller.bus.now_unix_ms()
        ask = wire.Declare(
            move_id=self._caller.bus.nonce(),
            deadline_unix_ms=now + int(PATIENCE_S * 1000),
            book=token(book, "a book"),
            limits=[wire.Limit(good=token(good, "a good"), quantity=units) for good, units in limits.items()],
        )
        subject = subjects.endpoint("ledger", "declare")
        await self._caller.insist(subject, ask, wire.Declared, until_unix_ms=ask.deadline_unix_ms)

    async def balance(self, book: str) -> dict[str, int]:
        """What this agent has received less what it gave in a book, good by good."""
        ask = wire.BalanceRequest(book=book, party=self.id)
        balances = await self._caller.insist(subjects.endpoint("ledger", "balance"), ask, wire.Balances)
        return {line.good: line.balance for line in balances.lines if line.balance}

    # --- markets and deals

    def join(
        self,
        market: str,
        *,
        gives: Sequence[Give] = (),
        wants: Sequence[Want] = (),
        margin_ppm: int = 0,
        reserve_ppm: int = 0,
        outlook: Outlook | None = None,
        declare: Mapping[str, int] | None = None,
    ) -> Membership:
        """Join a market, now or, before the start, at the start. Await what it returns to know that it is done.

        `margin_ppm` is the margin over its costs that the agent states and insists on; `reserve_ppm` is one that it
        insists on and keeps to itself. The ledger is told that the agent may give what it `gives`, unless `declare`
        says otherwise. Joining again replaces what was stated. Raises `ValueError` for what a market would refuse.
        """
        offer = Offer(gives, wants, margin_ppm, outlook or Outlook(self.kind))
        membership = Membership(self._caller, self.id, token(market, "a market"), offer, reserve_ppm, declare)
        self._trading.memberships[market] = membership
        if self._crew is not None:
            membership.begin()
        return membership

    @property
    def memberships(self) -> dict[str, Membership]:
        """The markets that this agent has joined."""
        return dict(self._trading.memberships)

    @property
    def tasks(self) -> Tasks:
        """Working together: submit jobs, do tasks, judge results, answer at the gate."""
        return self._tasks

    @property
    def negotiations(self) -> Negotiations:
        """Coming to terms: open negotiations, be invited to them, call for bids, bid."""
        return self._negotiations

    def deal(self, deal: str) -> Deal:
        """A deal by its id; `Deal.show` asks the desk about it."""
        return self._trading.deal(deal)

    async def offer(
        self,
        to: str,
        *,
        book: str,
        gives: Mapping[str, int],
        takes: Mapping[str, int],
        expires_in_s: float = 60.0,
        due_in_s: float = 0.0,
        delivery: str = "confirmed",
        requires: Sequence[str] = (),
    ) -> Deal:
        """Offer another agent a deal, take it or leave it: open it, put these terms on the table and accept them.

        Quantities are in minor units; what is given cites this agent's intent where one stands in the market of that
        name. Goods are due `due_in_s` after the terms expire. `requires` names the claims that must be
        proved before it commits: ``win_win``, ``holdings``. The deal is under way when this returns: ``await
        deal.ended()`` says how it went.
        """
        if to == self.id:
            raise ValueError(f"{to} offers a deal to itself")
        expires = self._caller.bus.now_unix_ms() + int(expires_in_s * 1000)
        due = expires + int(due_in_s * 1000)
        membership = self._trading.memberships.get(book)
        intent = None
        if membership is not None and membership.sequence is not None:
            intent = wire.IntentRef(agent=self.id, sequence=membership.sequence)

        def transfer(giver: str, taker: str, good: str, units: int, cited: wire.IntentRef | None) -> wire.Transfer:
            good = token(good, "a good")
            return wire.Transfer(
                from_=giver, to=taker, good=good, quantity=quantity(units), due_unix_ms=due, intent=cited
            )

        terms = wire.Terms(
            book=token(book, "a book"),
            parties=sorted({self.id, token(to, "an agent's id")}),
            transfers=[transfer(self.id, to, good, units, intent) for good, units in gives.items()]
            + [transfer(to, self.id, good, units, None) for good, units in takes.items()],
            delivery=one_of(wire.Delivery, delivery, "a delivery"),
            expires_unix_ms=expires,
        )
        return await self.open_deal(terms, requires=requires)

    async def open_deal(
        self,
        terms: wire.Terms,
        *,
        profile: str = "fixed/1",
        requires: Sequence[str] = (),
        accept: bool = True,
        move_id: str | None = None,
    ) -> Deal:
        """Open a deal with these terms, and accept them where this agent is a party (unless `accept` is False).

        With a `move_id` of the author's own, opening the same deal again opens no other.
        """
        body = encode(terms)
        move = move_id or self._caller.bus.nonce()
        deal = self._trading.deal(deal_id(self.id, move), terms.book)
        ask = wire.Open(
            move_id=move,
            deadline_unix_ms=terms.expires_unix_ms,
            book=terms.book,
            profile=one_of(wire.Profile, profile, "a profile"),
            parties=terms.parties,
            expires_unix_ms=terms.expires_unix_ms,
            terms=body,
            requires=[one_of(wire.ClaimKind, claim, "a required claim") for claim in requires],
        )
        await deal.open(ask)
        self._trading.keep(deal)
        if accept and self.id in terms.parties:
            try:
                await deal.accept()
            except Conflict:
                # Another party may say no before this one has said yes: that is an end, and no error.
                shown = await deal.show()
                if shown.state != wire.State.REJECTED:
                    raise
        return deal

    # --- life

    def keep_in(self, folder: str | Path) -> None:
        """Keep key and cursor in this folder, unless something else was said when the agent was made."""
        self._home = self._home or folder

    @property
    def key(self) -> str:
        """The agent's public key. Raises `BadSetting` when it cannot be had."""
        return self._own_key().public

    @property
    def now_unix_ms(self) -> int:
        """The time by the registry's clock."""
        return self._caller.bus.now_unix_ms()

    @property
    def nats(self) -> Client:
        """The nats-py connection underneath, for everything else that NATS can do."""
        return self._caller.link.client

    def run(self, log_level: int | str = logging.INFO) -> None:
        """Start, work until SIGINT or SIGTERM, finish what is under way, leave.

        Ends the process with a message where the agent cannot start. Logging is set up unless it already is.
        """
        logging.basicConfig(level=log_level, format="%(asctime)s %(levelname)s %(message)s")
        with contextlib.suppress(KeyboardInterrupt):
            asyncio.run(self._run())

    async def _run(self) -> None:
        try:
            await self.start()
        except HmsError as error:
            raise SystemExit(f"{self.id}: {error}") from error
        try:
            await stop_signal()
        finally:
            await self.stop()

    async def start(self) -> None:
        """Connect, register, listen, read the inbox, join the markets. Raises `HmsError`."""
        bus = Bus(Link(Settings.discover(*self._where), self.id), *self._time)
        await bus.open(self._within_s)
        self._own_bus = bus
        await self.start_on(bus)

    async def start_on(self, bus: Bus) -> None:
        """Start on a bus that others use too: see `Host`."""
        key = self._own_key()
        self._caller.connect(bus, Signer(key, bus.account, self.id))
        crew = self._crew = Crew(self.id, self._concurrency)
        card = wire.Register(
            agent=self.id,
            key=key.public,
            kind=wire.PartyKind(self.kind),
            capabilities=self._capabilities,
            subjects=self._subjects(),
            lease_ms=self._lease_ms,
        )
        self._presence = Presence(self._caller, card)
        inbox = self._inbox = Inbox(self._caller, self.id, Cursor(self._cursor_file()), self._deliver)
        try:
            await inbox.listen()
            registered = await self._presence.register()
            bus.link.on_reconnect.append(self._on_reconnect)
            await self._start_talking(crew)
            await self._tasks.start(crew)
            await self._negotiations.start()
            inbox.start(registered.inbox_sequence)
            joining = list(self._trading.memberships.values())
            for membership in joining:
                membership.begin(report=False)
            await asyncio.gather(*(_standing(membership) for membership in joining))
        except BaseException:
            await self.stop()
            raise

    async def stop(self, within_s: float = 10.0, *, withdraw: bool = True) -> None:
        """Leave the markets, finish what is under way, tell the registry, disconnect. Never raises `HmsError`.

        Without `withdraw` the agent's intents stay in the markets, for an agent that is about to come back.
        """
        crew, self._crew = self._crew, None
        if crew is None or self._presence is None or self._inbox is None:
            return
        link = self._caller.link
        if self._on_reconnect in link.on_reconnect:
            link.on_reconnect.remove(self._on_reconnect)
        try:
            await self._presence.stop()
            if withdraw:
                await self._quietly(*(m.leave() for m in self._trading.memberships.values() if m.is_standing))
            await self._tasks.stop()
            await self._negotiations.stop(within_s)
            await self._stop_talking(within_s)
            await crew.finish(within_s)  # what is under way may wait for news, so that comes until here
            await self._inbox.stop()
            await crew.finish(0)  # an entry that had waited for a place
            await self._quietly(self._presence.leave())
        finally:
            self._inbox.close()
            bus, self._own_bus = self._own_bus, None
            if bus is not None:
                await bus.link.close()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    def __repr__(self) -> str:
        return f"Agent({self.id!r})"

    def _own_key(self) -> Key:
        if self._key is None:
            self._key = Key(self._seed) if self._seed else find_key(self.id, find_home(self._home))
        return self._key

    def _cursor_file(self) -> Path | None:
        """Where the key is kept the inbox's cursor is kept too; an agent from a seed keeps it only where it is told."""
        if self._seed and self._home is None:
            return None
        return find_home(self._home) / "agents" / f"{self.id}.json"

    def _on_reconnect(self) -> None:
        if self._presence is not None and self._inbox is not None:
            self._presence.renew_now()
            self._inbox.catch_up()

    async def _quietly(self, *leaving: Any) -> None:
        """Say goodbye, if anyone is there to hear it."""
        if not self._caller.link.connected:
            for coroutine in leaving:
                coroutine.close()
            return
        said = [asyncio.wait_for(goodbye, _LEAVE_WITHIN_S) for goodbye in leaving]
        for outcome in await asyncio.gather(*said, return_exceptions=True):
            if isinstance(outcome, HmsError | TimeoutError):
                _log.warning("%s: left without saying so: %s", self.id, str(outcome) or "no answer")
            elif isinstance(outcome, BaseException):
                raise outcome

    async def _deliver(self, body: bytes) -> asyncio.Task[None] | None:
        """Take up an entry of the inbox.

        Whoever waits for what it says hears it also while the agent is leaving, but then nothing is begun for it: None.
        """
        crew = self._crew
        try:
            entry = decode_contract(body)
            if isinstance(entry, wire.DealNote):
                note, deal = entry, self._trading.hear(entry)
                if crew is not None:
                    what = f"what it does about deal {deal.id}"
                    return await crew.run(what, lambda: self._take(deal, note), line=deal.id)
            elif isinstance(entry, wire.TaskNote):
                self._tasks.hear(entry)
                if crew is not None:
                    return await self._tasks.take_up(entry, crew)
            elif isinstance(entry, wire.DirectMessage):
                message = self._read(entry)
                if crew is not None:
                    what = f"what it does about a message from {entry.from_}"
                    return await crew.run(what, lambda: self._hear(message))
            else:
                raise BadWire("type", f"{entry.TYPE} is nothing for an inbox")
        except BadWire as error:
            _log.warning("%s: an entry of the inbox is not understood: %s", self.id, error)
            if crew is not None:
                return await crew.run("nothing", _nothing)
        return None

    async def _take(self, deal: Deal, note: wire.DealNote) -> None:
        """Do what news of a deal asks for."""
        await self._negotiations.take(deal, note)
        await self._trading.take(deal, note)

    def _read(self, entry: wire.DirectMessage) -> Message[Any]:
        """A direct message, its signature checked again. Raises `BadWire`."""
        cause = entry.cause
        sender = signed_by(cause.sender, cause.subject, cause.body)
        if sender is None or sender.name != entry.from_:
            raise BadWire("cause", f"is not signed by {entry.from_}")
        send = decode_contract(cause.body)
        if not isinstance(send, wire.Send) or send.to != self.id:
            raise BadWire("cause.body", f"is no message to {self.id}")
        return Message(decode_any(send.body, None), send.body, sender=entry.from_, at_unix_ms=entry.at_unix_ms)

    async def _hear(self, message: Message[Any]) -> None:
        if isinstance(message.body, wire.Because) and message.body.left_out is not None:
            because = message.body
            if because.left_out == wire.LeftOut.REFUSED:
                _log.warning("%s: the market %s refuses its intent: %s", self.id, because.market, because.detail)
            else:
                _log.info("%s got nothing in %s: %s", self.id, because.market, because.detail)
        for hear in self._listeners:
            await awaited(hear(message))


async def _standing(membership: Membership) -> None:
    """Wait until a membership stands."""
    await membership


async def _nothing() -> None:
    """For what was not understood: it is done as soon as it is taken up."""


async def stop_signal() -> None:
    """Wait for SIGINT or SIGTERM."""
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    signals = (signal.SIGINT, signal.SIGTERM)
    try:
        for number in signals:
            loop.add_signal_handler(number, stopped.set)
    except NotImplementedError:  # Windows: SIGINT arrives as KeyboardInterrupt
        await asyncio.Event().wait()
    try:
        await stopped.wait()
    finally:
        for number in signals:
            loop.remove_signal_handler(number)
