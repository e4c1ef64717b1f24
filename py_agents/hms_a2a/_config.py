"""What a host process is told: which agents to carry, what they state, when they come and go.

Read strictly: a key that is not known is refused, and so is everything that no agent could be, before anything starts.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from hms_a2a import _wire as wire  # noqa: TC001 # msgspec reads the annotations that name it
from hms_a2a._errors import BadSetting
from hms_a2a._keys import Key
from hms_a2a._limits import DEFAULT_LEASE_MS, MAX_LEASE_MS
from hms_a2a._offer import Alternative, Give, Offer, Want, token
from hms_a2a._value import Outlook, Range, quantity

Rational = int | str


class _Part(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A part of a configuration."""


class Bounds(_Part, frozen=True, kw_only=True):
    """An interval of non-negative ratios."""

    lo: Rational
    hi: Rational

    def range(self) -> Range:
        """The same, exactly. Raises `ValueError`."""
        return Range.of((self.lo, self.hi))


class Gives(_Part, frozen=True, kw_only=True):
    """A good that a player gives: at most `limit` minor units; `cost` in minor units of account for each."""

    good: str
    limit: int
    cost: Bounds


class Fills(_Part, frozen=True, kw_only=True):
    """A good that fills a want: at most `limit` minor units; `value` in minor units of account for each."""

    good: str
    limit: int
    value: Bounds


class Wants(_Part, frozen=True, kw_only=True):
    """A want, filled by any of these goods. A good may stand in one want only."""

    any_of: list[Fills]


class Declares(_Part, frozen=True, kw_only=True):
    """How much of a good the ledger lets a player give, all told."""

    good: str
    quantity: int


class Step(_Part, frozen=True, kw_only=True):
    """What a player does, and when: in milliseconds from the start."""

    at_ms: int
    do: Literal["join", "leave"]


class Looks(_Part, frozen=True, kw_only=True):
    """How a player looks at time and risk; what is left out comes from its kind."""

    rate: Rational | None = None
    risk_aversion: Rational | None = None
    arrival: Rational | None = None


class Player(_Part, frozen=True, kw_only=True):
    """One agent.

    `seed` is its NKey's seed, a fresh key when left out. `margin_ppm` is stated, `reserve_ppm` is a margin over costs
    that it insists on and tells nobody. `declare` are absolute limits for the ledger, its `gives` when left out.
    `policy`: `honest`; `rejects` says no to everything; `silent` never answers proposals; `unconfirming` accepts, and
    never confirms a delivery.
    """

    id: str
    seed: str | None = None
    kind: Literal["government", "corporate", "ngo", "civilian"] = "corporate"
    outlook: Looks = msgspec.field(default_factory=Looks)
    market: str
    gives: list[Gives] = msgspec.field(default_factory=list)
    wants: list[Wants] = msgspec.field(default_factory=list)
    margin_ppm: int = 0
    reserve_ppm: int = 0
    policy: Literal["honest", "rejects", "silent", "unconfirming"] = "honest"
    declare: list[Declares] | None = None
    schedule: list[Step] = msgspec.field(default_factory=lambda: [Step(at_ms=0, do="join")])

    def offer(self) -> Offer:
        """What it states. Raises `ValueError` or `TypeError`."""
        looks = Outlook.of(self.kind, self.outlook.rate, self.outlook.risk_aversion, self.outlook.arrival)
        gives = [Give(g.good, g.limit, cost=(g.cost.lo, g.cost.hi)) for g in self.gives]
        wants = []
        for want in self.wants:
            fills = [Alternative(token(f.good, "a good"), quantity(f.limit), f.value.range()) for f in want.any_of]
            wants.append(Want.of(fills))
        return Offer(gives, wants, self.margin_ppm, looks)

    def check(self) -> None:
        """Raise `ValueError`, `TypeError` or `BadSetting` for what no agent could be."""
        token(self.id, "id")
        token(self.market, "market")
        self.offer()
        if self.reserve_ppm < 0:
            raise ValueError("reserve_ppm must not be negative")
        if self.seed is not None:
            Key(self.seed)
        for line in self.declare or []:
            if line.quantity < 0:
                raise ValueError(f"declare: {line.good} must not be negative")


class Bargainer(_Part, frozen=True, kw_only=True):
    """An agent that negotiates; `seed` is its NKey's."""

    id: str
    seed: str


class Box(_Part, frozen=True, kw_only=True):
    """A hyper-rectangle of outcomes, and what being in it adds, in parts of a million."""

    from_: list[int] = msgspec.field(name="from")
    to: list[int]
    adds_ppm: int


class Seat(_Part, frozen=True, kw_only=True):
    """Who sits at a meeting: what outcomes are worth to it (`additive` or `rectangles`), and how it negotiates.

    `additive` has for each issue its weight and what its choices are worth, all in parts of a million; `seed` is for a
    manner that draws. Which manners there are depends on the meeting's protocol; that of who calls is `manager`.
    """

    agent: str
    additive: list[tuple[int, list[int]]] | None = None
    rectangles: list[Box] | None = None
    reserved_ppm: int = 0
    manner: str
    seed: int = 0


class ByOffers(_Part, frozen=True, kw_only=True, tag="sao/1", tag_field="type"):
    """Alternating offers: whoever is first in the order opens, and moves first."""


class ByCall(_Part, frozen=True, kw_only=True, tag="cnp/1", tag_field="type"):
    """A contract net: whoever is first in the order calls, and awards to the highest score."""

    score: list[wire.ScoreWeight]


class ByCalls(_Part, frozen=True, kw_only=True, tag="icnp/1", tag_field="type"):
    """The same in several rounds: see `wire.IteratedContractNet`."""

    score: list[wire.ScoreWeight]
    least_gain: int
    keep: int


class ByText(_Part, frozen=True, kw_only=True, tag="stx/1", tag_field="type"):
    """A single text: the mediator, who is not in the order, opens; what it says is drawn from the seed."""

    mediator: str
    seed: int


class Meeting(_Part, frozen=True, kw_only=True):
    """A negotiation that is to be, of which `seats` are carried here.

    Whoever is first in the `order` opens it, or the mediator does, by its `move_id`. There are `within_ms` to talk, or
    for each round of bids, and as many to sign.
    """

    protocol: ByOffers | ByCall | ByCalls | ByText = msgspec.field(default_factory=ByOffers)
    move_id: str
    book: str
    domain: wire.Domain
    order: list[str]
    rounds: int
    within_ms: int
    seats: list[Seat]

    @property
    def opener(self) -> str:
        """Who opens it."""
        return self.protocol.mediator if isinstance(self.protocol, ByText) else self.order[0]

    def check(self, here: set[str]) -> None:
        """Raise `ValueError` for what cannot be held; these agents are carried here."""
        if not self.order:
            raise ValueError("nobody is in the order")
        for seat in self.seats:
            if seat.agent not in here or seat.agent not in self.order:
                raise ValueError(f"{seat.agent} is not carried here, or takes no part")
            if (seat.additive is None) == (seat.rectangles is None):
                raise ValueError(f"{seat.agent} wants `additive` or `rectangles`")


class Bargain(_Part, frozen=True, kw_only=True):
    """Agents that negotiate, and what; each opens `at_once` meetings before the first of them has ended.

    With `keeps_words` the host reports what each has said and heard in a talk that has ended.
    """

    agents: list[Bargainer]
    meetings: list[Meeting]
    at_once: int = 1
    keeps_words: bool = False

    def check(self) -> None:
        """Raise `ValueError` or `BadSetting` for what cannot be held."""
        here = set()
        for bargainer in self.agents:
            here.add(token(bargainer.id, "id"))
            Key(bargainer.seed)
        if len(here) < len(self.agents):
            raise ValueError("somebody stands twice")
        if self.at_once < 1:
            raise ValueError("at_once is at least 1")
        for meeting in self.meetings:
            token(meeting.book, "book")
            try:
                meeting.check(here)
            except ValueError as error:
                raise ValueError(f"{meeting.move_id}: {error}") from error


class Nats(_Part, frozen=True, kw_only=True):
    """Where the broker is; what is left out is found as `Agent` finds it."""

    servers: list[str] | None = None
    context: str | None = None
    creds: str | None = None


class Config(_Part, frozen=True, kw_only=True):
    """A host and its agents: those that trade in markets, and those that negotiate.

    `start_unix_ms` is time zero of every schedule, when left out the moment at which the host is ready. With
    `withdraw_at_exit` intents are withdrawn when the host stops.
    """

    agents: list[Player] = msgspec.field(default_factory=list)
    bargain: Bargain | None = None
    name: str = "host"
    nats: Nats = msgspec.field(default_factory=Nats)
    start_unix_ms: int | None = None
    connect_within_ms: int = 10_000
    lease_ms: int = DEFAULT_LEASE_MS
    withdraw_at_exit: bool = False

    @classmethod
    def read(cls, raw: bytes, *, toml: bool = False) -> Config:
        """Read a configuration. Raises `BadSetting`, naming the field."""
        try:
            config = msgspec.toml.decode(raw, type=cls) if toml else msgspec.json.decode(raw, type=cls)
        except msgspec.MsgspecError as error:
            raise BadSetting(str(error)) from error
        if not 1 <= config.lease_ms <= MAX_LEASE_MS:
            raise BadSetting(f"lease_ms is 1 to {MAX_LEASE_MS}")
        seen = set()
        for index, player in enumerate(config.agents):
            try:
                player.check()
                if player.id in seen:
                    raise ValueError("stands twice")
            except (ValueError, TypeError, BadSetting) as error:
                raise BadSetting(f"agents[{index}] ({player.id}): {error}") from error
            seen.add(player.id)
        if config.bargain is not None:
            try:
                config.bargain.check()
            except (ValueError, BadSetting) as error:
                raise BadSetting(f"bargain: {error}") from error
        return config
