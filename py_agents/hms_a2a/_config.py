"""What a host process is told: which agents to carry, what they state, when they come and go.

Read strictly: a key that is not known is refused, and so is everything that no agent could be, before anything starts.
"""

from __future__ import annotations

from typing import Literal

import msgspec

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


class Nats(_Part, frozen=True, kw_only=True):
    """Where the broker is; what is left out is found as `Agent` finds it."""

    servers: list[str] | None = None
    context: str | None = None
    creds: str | None = None


class Config(_Part, frozen=True, kw_only=True):
    """A host and its agents.

    `start_unix_ms` is time zero of every schedule, when left out the moment at which the host is ready. With
    `withdraw_at_exit` intents are withdrawn when the host stops.
    """

    agents: list[Player]
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
        return config
