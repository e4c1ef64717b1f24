"""The messages of the contract, one class each: generated from the crate `schemas`, do not edit.

Fields stand in the order in which they are encoded. A field that may be absent defaults to None or to an
empty list and is then left out; other defaults are written. What no type can say, `_check` checks.
"""

import enum
from fractions import Fraction
from typing import Annotated, ClassVar, TypeAlias

import msgspec
from msgspec import Meta

from hms_a2a._rational import Ratio

Int64: TypeAlias = Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)]
UInt8: TypeAlias = Annotated[int, Meta(ge=0, le=2**8 - 1)]
UInt16: TypeAlias = Annotated[int, Meta(ge=0, le=2**16 - 1)]
UInt32: TypeAlias = Annotated[int, Meta(ge=0, le=2**32 - 1)]
UInt64: TypeAlias = Annotated[int, Meta(ge=0)]


class Record(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A part of a message."""


class Message(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="type"):
    """A body of the contract."""

    TYPE: ClassVar[str]


Hash: TypeAlias = Annotated[bytes, Meta(min_length=32, max_length=32)]
"""SHA-256: 32 bytes of bin in MessagePack, lowercase hexadecimal in JSON."""


class ErrorReply(Message, frozen=True, kw_only=True, tag="error"):
    """The body of an error reply."""

    TYPE: ClassVar[str] = "error"
    code: UInt16
    """One of `Code`'s numbers."""
    message: str
    """What went wrong, for people."""
    retryable: bool
    """Whether the same message may succeed later."""
    field: str | None = None
    """The field at fault, as a dotted path."""
    rule: str | None = None
    """The rule that refused it, a stable word for programs."""
    retry_after_ms: UInt32 | None = None
    """When to try again, in milliseconds."""
    state: str | None = None
    """The state that the message conflicts with."""
    terms_hash: Hash | None = None
    """The terms that stand, where the message named others."""
    id: str | None = None
    """The id of an internal error in the log."""


MarketId: TypeAlias = Annotated[str, Meta(pattern=r"^[a-z0-9_-]{1,63}\Z")]
"""1 to 63 of a-z, 0-9, _ and -."""

AgentId: TypeAlias = Annotated[str, Meta(pattern=r"^[a-z0-9_-]{1,63}\Z")]
"""1 to 63 of a-z, 0-9, _ and -."""

Good: TypeAlias = Annotated[str, Meta(pattern=r"^[a-z0-9_-]{1,63}\Z")]
"""1 to 63 of a-z, 0-9, _ and -."""

Quantity: TypeAlias = Annotated[int, Meta(ge=1, le=2**63 - 1)]
"""A positive whole number of the good's minor units."""


class IntentRef(Record, frozen=True, kw_only=True):
    """The intent that a transfer fills."""

    agent: AgentId
    """Whose intent."""
    sequence: UInt64
    """Its sequence in the stream `HMS_MARKET`."""


class Transfer(Record, frozen=True, kw_only=True):
    """One arrow: what goes from whom to whom, by when."""

    from_: AgentId = msgspec.field(name="from")
    """The giver."""
    to: AgentId
    """The receiver."""
    good: Good
    """The good."""
    quantity: Quantity
    """How much, in the good's minor units."""
    due_unix_ms: Int64
    """When it must be there, in Unix milliseconds."""
    intent: IntentRef | None = None
    """The giver's intent that it fills, if any."""


class Delivery(enum.StrEnum):
    """When a committed deal counts as settled."""

    IMMEDIATE = "immediate"
    """At commit: what changes hands is on the book itself."""
    CONFIRMED = "confirmed"
    """When every receiver has confirmed."""


JobId: TypeAlias = Annotated[str, Meta(pattern=r"^[A-Za-z0-9_-]{1,64}\Z")]
"""1 to 64 of A-Z, a-z, 0-9, _ and -."""

TaskId: TypeAlias = Annotated[str, Meta(pattern=r"^[a-z0-9_-]{1,63}\Z")]
"""1 to 63 of a-z, 0-9, _ and -."""


class Award(Record, frozen=True, kw_only=True):
    """What was awarded to somebody: a task of a job, in one of its rounds."""

    job: JobId
    """The job."""
    task: TaskId
    """The task."""
    round: UInt32
    """Which announcement of it; the first is 1."""


class Terms(Message, frozen=True, kw_only=True, tag="terms"):
    """What the parties accept. Named by the SHA-256 of its exact bytes."""

    TYPE: ClassVar[str] = "terms"
    book: MarketId
    """The ledger's book, which is the market's id."""
    parties: list[AgentId]
    """Who takes part, sorted, each once."""
    transfers: list[Transfer]
    """The transfers."""
    delivery: Delivery
    """When it counts as settled."""
    expires_unix_ms: Int64
    """Until when it can be accepted, in Unix milliseconds."""
    award: Award | None = None
    """The award that they pay for, if they do."""


MoveId: TypeAlias = Annotated[str, Meta(pattern=r"^[A-Za-z0-9_-]{1,64}\Z")]
"""1 to 64 of A-Z, a-z, 0-9, _ and -."""


class Profile(enum.StrEnum):
    """A profile: the rules of who may move when."""

    FIXED_1 = "fixed/1"
    """One set of terms, proposed by a party, taken or left."""
    RING_1 = "ring/1"
    """An exchange ring, proposed by anyone: each party gives to the next."""
    EXCHANGE_1 = "exchange/1"
    """An exchange of any shape, proposed by anyone: each party gives something and receives something."""
    SAO_1 = "sao/1"
    """Stacked alternating offers, party to party: what all have accepted, any of them proposes."""
    CNP_1 = "cnp/1"
    """A contract net: the manager, who opens, calls for bids and proposes what it has awarded."""
    ICNP_1 = "icnp/1"
    """An iterated contract net: as `cnp/1`, in several rounds of bids."""
    STX_1 = "stx/1"
    """Mediated single text: a neutral, who opens, keeps one text, changes it by a seed, and proposes what all voted
    for.
    """


class ClaimKind(enum.StrEnum):
    """A statement about a deal that must be proved before it commits."""

    WIN_WIN = "win_win"
    """Every party gains, over all its accepted bounds."""
    HOLDINGS = "holdings"
    """Nobody gives more than it holds."""


class Open(Message, frozen=True, kw_only=True, tag="deal.open"):
    """Opens a deal."""

    TYPE: ClassVar[str] = "deal.open"
    move_id: MoveId
    """Makes asking again safe; with the opener it makes the deal's id."""
    deadline_unix_ms: Int64
    """Not to be decided after this time, in Unix milliseconds."""
    book: MarketId
    """The ledger's book."""
    profile: Profile
    """The rules."""
    parties: list[AgentId]
    """Who takes part, sorted, each once."""
    expires_unix_ms: Int64
    """When the deal lapses without agreement, in Unix milliseconds; with terms, their own expiry."""
    terms: bytes | None = None
    """The exact bytes of the terms, when they are known from the start."""
    requires: list[ClaimKind] = msgspec.field(default_factory=list)
    """The claims that must be proved."""
    rules: bytes | None = None
    """The exact bytes of the rules of a negotiation, which a profile that is negotiated is opened with."""


DealId: TypeAlias = Annotated[str, Meta(pattern=r"^[a-z2-7]{26}\Z")]
"""26 of a-z and 2-7."""


class Transcript(Record, frozen=True, kw_only=True):
    """What was said, in short: enough that nobody can tell it differently afterwards."""

    head: Hash
    """SHA-256 of the exact bytes of the last word, each of which names the words before it."""
    length: UInt32
    """How many words there are."""


class Agreement(Record, frozen=True, kw_only=True):
    """What a negotiation came to."""

    outcome: list[UInt32]
    """The outcome: one choice for each issue, counted from 0."""
    transcript: Transcript
    """What was said."""


class Propose(Message, frozen=True, kw_only=True, tag="deal.propose"):
    """Puts terms on the table."""

    TYPE: ClassVar[str] = "deal.propose"
    move_id: MoveId
    """Makes asking again safe."""
    deadline_unix_ms: Int64
    """Not to be decided after this time, in Unix milliseconds."""
    deal: DealId
    """The deal."""
    terms: bytes
    """The exact bytes of the terms."""
    agreement: Agreement | None = None
    """What the parties have agreed on, where the terms come of a negotiation."""


class Counter(Message, frozen=True, kw_only=True, tag="deal.counter"):
    """Puts other terms on the table in answer to some."""

    TYPE: ClassVar[str] = "deal.counter"
    move_id: MoveId
    """Makes asking again safe."""
    deadline_unix_ms: Int64
    """Not to be decided after this time, in Unix milliseconds."""
    deal: DealId
    """The deal."""
    terms_hash: Hash
    """The terms that it answers."""
    terms: bytes
    """The exact bytes of the other terms."""


class PartyKind(enum.StrEnum):
    """A kind of party: a default set of weights, discount rate and risk aversion."""

    GOVERNMENT = "government"
    """A state: weighs society and security beside money; patient."""
    CORPORATE = "corporate"
    """A company: money, at the market's rate."""
    NGO = "ngo"
    """A non-governmental organisation: society and environment first."""
    CIVILIAN = "civilian"
    """A person or household: cautious about risk."""


Rational: TypeAlias = Fraction
"""An exact ratio in lowest terms, such as "3/10" or "-3"; both parts fit 64 bits."""


class Weights(Record, frozen=True, kw_only=True):
    """Weights of the value dimensions, in parts per million; they sum to 1,000,000."""

    economic_ppm: Int64
    """Weight of economic value."""
    social_ppm: Int64
    """Weight of social value."""
    environmental_ppm: Int64
    """Weight of environmental value."""
    security_ppm: Int64
    """Weight of security."""


class Outlook(Record, frozen=True, kw_only=True):
    """How a party looks at time and risk. What it leaves out comes from its kind."""

    kind: PartyKind = msgspec.field(default_factory=lambda: PartyKind.CORPORATE)
    """The kind of party."""
    rate: Rational | None = None
    """Discount rate a year: D = 1 / (1 + rate·days/365)."""
    risk_aversion: Rational | None = None
    """Risk aversion ρ in [0, 1]."""
    arrival: Rational | None = None
    """The probability p in [0, 1] that what it receives arrives; 1 when left out."""
    weights: Weights | None = None
    """Weights of the value dimensions."""


class Bounds(Record, frozen=True, kw_only=True):
    """An interval of non-negative ratios; its centre is the central value."""

    lo: Rational
    """The lower end, at least 0."""
    hi: Rational
    """The upper end, at least `lo`."""


class Dimensions(Record, frozen=True, kw_only=True):
    """A unit value by dimension."""

    economic: Bounds
    """Economic value."""
    social: Bounds
    """Social value."""
    environmental: Bounds
    """Environmental value."""
    security: Bounds
    """Security."""


class UnitValue(Record, frozen=True, kw_only=True):
    """What a unit of a good is worth to a party that receives it: given, or by dimension, never both."""

    good: Good
    """The good."""
    value: Bounds | None = None
    """The value itself."""
    dimensions: Dimensions | None = None
    """The value by dimension, weighed by the party's weights."""


class UnitCost(Record, frozen=True, kw_only=True):
    """What giving a unit of a good costs a party."""

    good: Good
    """The good."""
    cost: Bounds
    """The cost."""


class Valuation(Record, frozen=True, kw_only=True):
    """A party's whole valuation, as an acceptance states it."""

    outlook: Outlook = msgspec.field(default_factory=lambda: Outlook())
    """Time and risk."""
    margin_ppm: Int64 = msgspec.field(default_factory=lambda: 0)
    """The margin μ that it asks for over its costs, in parts per million."""
    values: list[UnitValue]
    """Unit values of what it may receive."""
    costs: list[UnitCost]
    """Unit costs of what it may give."""


class Holding(Record, frozen=True, kw_only=True):
    """How much of a good a party says it holds."""

    good: Good
    """The good."""
    quantity: Annotated[int, Meta(ge=0, le=2**63 - 1)]
    """How much, in the good's minor units."""


class Accept(Message, frozen=True, kw_only=True, tag="deal.accept"):
    """Accepts terms, and states what they are worth to the acceptor."""

    TYPE: ClassVar[str] = "deal.accept"
    move_id: MoveId
    """Makes asking again safe."""
    deadline_unix_ms: Int64
    """Not to be decided after this time, in Unix milliseconds."""
    deal: DealId
    """The deal."""
    terms_hash: Hash
    """The terms."""
    valuation: Valuation = msgspec.field(default_factory=lambda: Valuation(values=[], costs=[]))
    """The acceptor's bounds on its own values and costs, its margin and outlook."""
    holdings: list[Holding] = msgspec.field(default_factory=list)
    """What the acceptor holds of the goods that it gives, where the deal requires the claim `holdings`."""
    transcript: Transcript | None = None
    """What was said, as the acceptor heard it, where the terms come of a negotiation."""


class Reject(Message, frozen=True, kw_only=True, tag="deal.reject"):
    """Says no; the deal ends."""

    TYPE: ClassVar[str] = "deal.reject"
    move_id: MoveId
    """Makes asking again safe."""
    deadline_unix_ms: Int64
    """Not to be decided after this time, in Unix milliseconds."""
    deal: DealId
    """The deal."""
    terms_hash: Hash | None = None
    """The terms, when it is about terms."""
    reason: str
    """Why, for the other parties."""
    transcript: Transcript | None = None
    """What was said, where a negotiation has come to nothing."""


class Withdraw(Message, frozen=True, kw_only=True, tag="deal.withdraw"):
    """Takes an own deal back; it ends."""

    TYPE: ClassVar[str] = "deal.withdraw"
    move_id: MoveId
    """Makes asking again safe."""
    deadline_unix_ms: Int64
    """Not to be decided after this time, in Unix milliseconds."""
    deal: DealId
    """The deal."""
    reason: str
    """Why, for the parties."""
    transcript: Transcript | None = None
    """What was said, where a negotiation has come to nothing."""


class Confirm(Message, frozen=True, kw_only=True, tag="deal.confirm"):
    """Confirms that what a receiver was due has arrived, all of it."""

    TYPE: ClassVar[str] = "deal.confirm"
    move_id: MoveId
    """Makes asking again safe."""
    deadline_unix_ms: Int64
    """Not to be decided after this time, in Unix milliseconds."""
    deal: DealId
    """The deal."""
    terms_hash: Hash
    """The terms."""


class State(enum.StrEnum):
    """Where a deal stands."""

    OPEN = "open"
    """Opened, without terms."""
    NEGOTIATING = "negotiating"
    """Terms are on the table."""
    AGREED = "agreed"
    """Every party has accepted the same terms."""
    CERTIFIED = "certified"
    """Every required claim is proved; the ledger decides next."""
    COMMITTED = "committed"
    """On the ledger."""
    SETTLED = "settled"
    """Delivered. An end."""
    REJECTED = "rejected"
    """A party said no. An end."""
    WITHDRAWN = "withdrawn"
    """The opener took it back. An end."""
    EXPIRED = "expired"
    """Its time ran out before all had accepted. An end."""
    REFUSED = "refused"
    """The ledger or a rule said no. An end."""
    FAILED = "failed"
    """A due date passed without delivery."""
    COMPENSATED = "compensated"
    """What had failed was taken back on the books. An end."""


class Moved(Message, frozen=True, kw_only=True, tag="deal.moved"):
    """The answer to a move: what the log holds of it. The same id with the same body gets the same answer, whenever
    it is asked.
    """

    TYPE: ClassVar[str] = "deal.moved"
    deal: DealId
    """The deal."""
    move_id: MoveId
    """The move."""
    state: State
    """The deal's state after the move."""
    turn: UInt32
    """The number of the event that records the move; the first is 0."""
    terms_hash: Hash | None = None
    """The terms on the table, if any."""


class Show(Message, frozen=True, kw_only=True, tag="deal.show"):
    """Asks `deal.show` for a deal that the asker is in."""

    TYPE: ClassVar[str] = "deal.show"
    deal: DealId
    """The deal."""


class Shown(Message, frozen=True, kw_only=True, tag="deal.shown"):
    """A deal as its parties see it."""

    TYPE: ClassVar[str] = "deal.shown"
    deal: DealId
    """The deal."""
    state: State
    """Where it stands."""
    profile: Profile
    """The rules."""
    opener: AgentId
    """Who opened it."""
    parties: list[AgentId]
    """Who takes part."""
    terms: Terms | None = None
    """The terms on the table."""
    terms_hash: Hash | None = None
    """Their hash."""
    accepted: list[AgentId]
    """Who has accepted them."""
    confirmed: list[AgentId]
    """Who has confirmed delivery."""
    reason: str | None = None
    """Why it ended, when it ended badly."""
    turns: UInt32
    """How many events it has."""
    rules: bytes | None = None
    """The exact bytes of the rules of a negotiation, if it is negotiated."""


IssueId: TypeAlias = Annotated[str, Meta(pattern=r"^[a-z0-9_-]{1,63}\Z")]
"""1 to 63 of a-z, 0-9, _ and -."""


class Issue(Record, frozen=True, kw_only=True):
    """One thing that is negotiated: one of `count` whole numbers, from `least` in steps of `step`."""

    name: IssueId
    """Its name."""
    least: Int64
    """The number that choice 0 stands for."""
    step: Quantity
    """How far the number of each choice is from that of the choice before."""
    count: UInt32
    """How many choices there are."""
    labels: list[str] = msgspec.field(default_factory=list)
    """What each choice is called, where the choices are options and not amounts."""


class Pattern(Record, frozen=True, kw_only=True):
    """A transfer that an outcome makes: its quantity is `factor` times the numbers of the issues in `times`. Where
    that is 0, there is no transfer.
    """

    from_: UInt32 = msgspec.field(name="from")
    """The giver's seat, counted from 0."""
    to: UInt32
    """The receiver's seat."""
    goods: list[Good]
    """The good; or one for each choice of `good_by`."""
    good_by: IssueId | None = None
    """The issue that picks the good."""
    factor: Quantity
    """How much, in the good's minor units, for each unit of the product of `times`."""
    times: list[IssueId] = msgspec.field(default_factory=list)
    """The issues whose numbers multiply `factor`: a quantity, or a quantity and a price."""
    due_unix_ms: Int64
    """When it must be there, in Unix milliseconds, before `due_by` is added."""
    due_by: IssueId | None = None
    """The issue whose number is added to `due_unix_ms`, in milliseconds."""


class Domain(Record, frozen=True, kw_only=True):
    """What is negotiated, and what each outcome of it means."""

    issues: list[Issue]
    """What is negotiated. An outcome is one choice for each, in this order."""
    transfers: list[Pattern]
    """The transfers that an outcome makes."""
    delivery: Delivery
    """When what is agreed counts as settled."""


class Alternating(Message, frozen=True, kw_only=True, tag="rules.sao"):
    """The rules of `sao/1`, stacked alternating offers: the parties move in turn, each accepting what is on the
    table or putting something else there; what all others have accepted is agreed.
    """

    TYPE: ClassVar[str] = "rules.sao"
    domain: Domain
    """What is negotiated."""
    order: list[AgentId]
    """Who moves in which order: every party once. A party's place is its seat."""
    rounds: UInt32
    """How many rounds there are; in each, every party moves once."""
    talk_until_unix_ms: Int64
    """Until when anything can be said, in Unix milliseconds."""


class ScoreWeight(Record, frozen=True, kw_only=True):
    """How much an issue counts in the score of a bid."""

    issue: IssueId
    """The issue."""
    weight: Int64
    """What each unit of its number adds; negative where less is better."""


class ContractNet(Message, frozen=True, kw_only=True, tag="rules.cnp"):
    """The rules of `cnp/1`, the contract net: a manager calls for bids, contractors bid or decline, and the manager
    awards to the bid with the highest score, between equals to the bidder whose id comes first. In the domain the
    manager sits on seat 0, and whoever is awarded on seat 1.
    """

    TYPE: ClassVar[str] = "rules.cnp"
    domain: Domain
    """What is bid on."""
    manager: AgentId
    """Who calls; all other parties are contractors."""
    bids_until_unix_ms: Int64
    """Until when bids are heard, in Unix milliseconds; when all contractors have answered, the award may come
    sooner.
    """
    score: list[ScoreWeight]
    """The award's rule: the sum of weights times numbers."""


class IteratedContractNet(Message, frozen=True, kw_only=True, tag="rules.icnp"):
    """The rules of `icnp/1`, the iterated contract net (FIPA SC00030): as `cnp/1`, but after a round of bids the
    manager tells the best of them and calls again for better ones. It does so while there are rounds left,
    somebody bid, and the round's best bid scores at least `least_gain` more than the best of the rounds before. A
    bid stands until the award, which goes to the best of all rounds, between equals to the earlier, then to the
    bidder whose id comes first.
    """

    TYPE: ClassVar[str] = "rules.icnp"
    domain: Domain
    """What is bid on."""
    manager: AgentId
    """Who calls; all other parties are contractors."""
    bids_until_unix_ms: Int64
    """Until when the bids of the first round are heard, in Unix milliseconds; when all who are called have answered,
    a round may be over sooner.
    """
    round_ms: Int64
    """How much later those of each round after it are heard, in milliseconds."""
    rounds: UInt32
    """How many rounds of bids there are at most."""
    least_gain: Quantity
    """By how much the best score must grow in a round for there to be another."""
    keep: UInt32
    """How many are called again at most: of those who bid in the round, the ones whose bids are best."""
    score: list[ScoreWeight]
    """The award's rule: the sum of weights times numbers."""


class SingleText(Message, frozen=True, kw_only=True, tag="rules.stx"):
    """The rules of `stx/1`, mediated single text (Klein, Faratin, Sayama & Bar-Yam 2003): a mediator, who is no
    party, keeps one text, drawn from the seed. In each round it changes one issue of it, as the seed says, and
    the parties vote on that; what all accept is the text from then on. What is the text after the last round is
    what is proposed. What a seed draws is said in the crate `negotiation`.
    """

    TYPE: ClassVar[str] = "rules.stx"
    domain: Domain
    """What is negotiated."""
    order: list[AgentId]
    """The parties: every one once. A party's place is its seat, and its vote's place."""
    mediator: AgentId
    """Who keeps the text: the deal's opener, who is no party."""
    seed: UInt64
    """What the text and all changes are drawn from."""
    rounds: UInt32
    """How many changes are voted on."""
    talk_until_unix_ms: Int64
    """Until when anything can be said, in Unix milliseconds."""


class TalkOffer(Message, frozen=True, kw_only=True, tag="talk.offer"):
    """Puts an outcome on the table."""

    TYPE: ClassVar[str] = "talk.offer"
    deal: DealId
    """The deal."""
    by: AgentId
    """Who says it."""
    turn: UInt32
    """Which word of the talk it is, counted from 0."""
    prev: Hash
    """SHA-256 of the exact bytes of the word before; of the rules, for the first."""
    outcome: list[UInt32]
    """One choice for each issue, counted from 0."""


class TalkAccept(Message, frozen=True, kw_only=True, tag="talk.accept"):
    """Accepts the outcome on the table."""

    TYPE: ClassVar[str] = "talk.accept"
    deal: DealId
    """The deal."""
    by: AgentId
    """Who says it."""
    turn: UInt32
    """Which word of the talk it is, counted from 0."""
    prev: Hash
    """SHA-256 of the exact bytes of the word before."""
    offer: Hash
    """SHA-256 of the exact bytes of the offer."""


class TalkEnd(Message, frozen=True, kw_only=True, tag="talk.end"):
    """Ends the talk without agreement."""

    TYPE: ClassVar[str] = "talk.end"
    deal: DealId
    """The deal."""
    by: AgentId
    """Who says it."""
    turn: UInt32
    """Which word of the talk it is, counted from 0."""
    prev: Hash
    """SHA-256 of the exact bytes of the word before; of the rules, for the first."""
    reason: str
    """Why, for the other parties."""


class TalkCall(Message, frozen=True, kw_only=True, tag="talk.call"):
    """Calls for bids."""

    TYPE: ClassVar[str] = "talk.call"
    deal: DealId
    """The deal."""
    by: AgentId
    """The manager."""
    prev: Hash
    """SHA-256 of the exact bytes of the rules."""
    text: str
    """What is called for, for people."""


class TalkBid(Message, frozen=True, kw_only=True, tag="talk.bid"):
    """Bids, in answer to a call."""

    TYPE: ClassVar[str] = "talk.bid"
    deal: DealId
    """The deal."""
    by: AgentId
    """Who says it."""
    prev: Hash
    """SHA-256 of the exact bytes of the call."""
    outcome: list[UInt32]
    """One choice for each issue, counted from 0."""


class TalkDecline(Message, frozen=True, kw_only=True, tag="talk.decline"):
    """Declines to bid, in answer to a call."""

    TYPE: ClassVar[str] = "talk.decline"
    deal: DealId
    """The deal."""
    by: AgentId
    """Who says it."""
    prev: Hash
    """SHA-256 of the exact bytes of the call."""
    reason: str
    """Why, for the manager."""


class TalkAward(Message, frozen=True, kw_only=True, tag="talk.award"):
    """Awards to a bid, by the rule that the call was made under."""

    TYPE: ClassVar[str] = "talk.award"
    deal: DealId
    """The deal."""
    by: AgentId
    """The manager."""
    prev: Hash
    """SHA-256 of the exact bytes of the call."""
    heard: list[Hash]
    """SHA-256 of the exact bytes of every answer that was heard, in the order in which they came."""
    bid: Hash | None = None
    """Which bid is awarded, of these or of those that a revised call named; none where nobody bid."""


class TalkRevise(Message, frozen=True, kw_only=True, tag="talk.revise"):
    """Calls again for bids, better than the best so far."""

    TYPE: ClassVar[str] = "talk.revise"
    deal: DealId
    """The deal."""
    by: AgentId
    """The manager."""
    prev: Hash
    """SHA-256 of the exact bytes of the call before."""
    heard: list[Hash]
    """SHA-256 of the exact bytes of every answer to it that was heard, in the order in which they came."""
    called: list[AgentId]
    """Who may bid again, sorted; everybody else is out, though bids stand."""
    bid: Hash
    """Which bid is best so far: its bidder knows it by the SHA-256 of its exact bytes."""
    best: list[UInt32]
    """What it bids: one choice for each issue, counted from 0."""


class CountedVote(Record, frozen=True, kw_only=True):
    """A vote, as the mediator counted it: whose it is sees that it was not turned."""

    hash: Hash
    """SHA-256 of the vote's exact bytes."""
    accepts: bool
    """Whether it accepts."""


class TalkText(Message, frozen=True, kw_only=True, tag="talk.text"):
    """Puts a changed text to the vote."""

    TYPE: ClassVar[str] = "talk.text"
    deal: DealId
    """The deal."""
    by: AgentId
    """The mediator."""
    round: UInt32
    """The round, counted from 0."""
    prev: Hash
    """SHA-256 of the exact bytes of the text before; of the rules, for the first."""
    votes: list[CountedVote] = msgspec.field(default_factory=list)
    """The votes on the text before, in the order of the seats."""
    outcome: list[UInt32]
    """What is voted on: one choice for each issue, counted from 0."""


class TalkVote(Message, frozen=True, kw_only=True, tag="talk.vote"):
    """Votes on a text."""

    TYPE: ClassVar[str] = "talk.vote"
    deal: DealId
    """The deal."""
    by: AgentId
    """Who says it."""
    prev: Hash
    """SHA-256 of the exact bytes of the text."""
    accepts: bool
    """Whether the text may stand."""


class TalkResult(Message, frozen=True, kw_only=True, tag="talk.result"):
    """Says what the text is after the last vote."""

    TYPE: ClassVar[str] = "talk.result"
    deal: DealId
    """The deal."""
    by: AgentId
    """The mediator."""
    prev: Hash
    """SHA-256 of the exact bytes of the last text that was voted on."""
    votes: list[CountedVote]
    """The votes on it, in the order of the seats."""
    outcome: list[UInt32]
    """The text: one choice for each issue, counted from 0."""


class Signed(Record, frozen=True, kw_only=True):
    """A signed message as it came: enough to verify it again, offline, with the key history alone."""

    subject: str
    """The subject that it was sent to."""
    sender: str
    """The `Agent-Sender` header as it was sent."""
    body: bytes
    """The exact body."""


class Evidence(Record, frozen=True, kw_only=True):
    """Evidence for or against a claim."""

    claim_hash: Hash
    """SHA-256 of the claim's bytes."""
    certificate: bytes
    """The bytes of the certificate, or of the counterexample."""


class DealOpened(Record, frozen=True, kw_only=True, tag_field="type", tag="opened"):
    """A deal was opened."""

    TYPE: ClassVar[str] = "opened"
    opener: AgentId
    """By whom."""
    book: MarketId
    """The ledger's book."""
    profile: Profile
    """The rules."""
    terms_hash: Hash | None = None
    """The terms, if it came with any."""


class DealProposed(Record, frozen=True, kw_only=True, tag_field="type", tag="proposed"):
    """Terms came onto the table."""

    TYPE: ClassVar[str] = "proposed"
    by: AgentId
    """From whom."""
    terms_hash: Hash
    """The terms."""


class DealAccepted(Record, frozen=True, kw_only=True, tag_field="type", tag="accepted"):
    """A party accepted."""

    TYPE: ClassVar[str] = "accepted"
    by: AgentId
    """Who."""
    terms_hash: Hash
    """The terms."""
    last: bool
    """Whether it was the last: the deal is agreed."""


class DealCertified(Record, frozen=True, kw_only=True, tag_field="type", tag="certified"):
    """Every required claim is proved. All that the ledger needs stands here."""

    TYPE: ClassVar[str] = "certified"
    opener: AgentId
    """Who opened the deal, to be told of its end."""
    book: MarketId
    """The ledger's book."""
    terms: bytes
    """The exact bytes of the terms."""
    acceptances: list[Signed]
    """Every party's signed acceptance, in the order of the parties."""
    certificates: list[Evidence] = msgspec.field(default_factory=list)
    """The certificates of the claims that it required."""


class DealCommitted(Record, frozen=True, kw_only=True, tag_field="type", tag="committed"):
    """The ledger posted every transfer."""

    TYPE: ClassVar[str] = "committed"
    book: MarketId
    """The ledger's book."""
    terms: bytes
    """The exact bytes of the terms."""
    acceptances: list[Signed]
    """Every party's signed acceptance, in the order of the parties."""
    certificates: list[Evidence] = msgspec.field(default_factory=list)
    """The certificates of the claims that it required."""


class DealConfirmed(Record, frozen=True, kw_only=True, tag_field="type", tag="confirmed"):
    """A receiver confirmed that what it was due has arrived."""

    TYPE: ClassVar[str] = "confirmed"
    by: AgentId
    """Who."""


class DealSettled(Record, frozen=True, kw_only=True, tag_field="type", tag="settled"):
    """Everything is delivered."""

    TYPE: ClassVar[str] = "settled"


class DealRejected(Record, frozen=True, kw_only=True, tag_field="type", tag="rejected"):
    """A party said no."""

    TYPE: ClassVar[str] = "rejected"
    by: AgentId
    """Who."""
    reason: str
    """Why."""


class DealWithdrawn(Record, frozen=True, kw_only=True, tag_field="type", tag="withdrawn"):
    """The opener took it back."""

    TYPE: ClassVar[str] = "withdrawn"
    by: AgentId
    """Who."""
    reason: str
    """Why."""


class DealExpired(Record, frozen=True, kw_only=True, tag_field="type", tag="expired"):
    """Its time ran out."""

    TYPE: ClassVar[str] = "expired"


class DealRefused(Record, frozen=True, kw_only=True, tag_field="type", tag="refused"):
    """A rule, or the ledger, said no."""

    TYPE: ClassVar[str] = "refused"
    rule: str
    """The rule, a stable word."""
    reason: str
    """Why, for people."""
    evidence: Evidence | None = None
    """The counterexample to a claim that the deal required, where that is why."""
    party: AgentId | None = None
    """The party that would have given more than it may, where that is why."""


class DealFailed(Record, frozen=True, kw_only=True, tag_field="type", tag="failed"):
    """A due date passed without delivery."""

    TYPE: ClassVar[str] = "failed"
    undelivered: list[UInt32]
    """The transfers that their receivers never confirmed, by index in the terms."""


class DealCompensated(Record, frozen=True, kw_only=True, tag_field="type", tag="compensated"):
    """What had failed was taken back on the books."""

    TYPE: ClassVar[str] = "compensated"
    reversed: list[UInt32]
    """The transfers that were reversed, by index in the terms."""


Happening: TypeAlias = (
    DealOpened
    | DealProposed
    | DealAccepted
    | DealCertified
    | DealCommitted
    | DealConfirmed
    | DealSettled
    | DealRejected
    | DealWithdrawn
    | DealExpired
    | DealRefused
    | DealFailed
    | DealCompensated
)
"""What happened. What a move said stands in the event's cause, and not here again."""


class DealEvent(Message, frozen=True, kw_only=True, tag="deal.event"):
    """One entry of a deal's log."""

    TYPE: ClassVar[str] = "deal.event"
    deal: DealId
    """The deal."""
    turn: UInt32
    """The entry's number; the first is 0."""
    prev: Hash
    """SHA-256 of the exact body of the entry before; zeros for the first."""
    at_unix_ms: Int64
    """When it was written, in Unix milliseconds, by the writer's clock."""
    what: Happening
    """What happened."""
    cause: Signed | None = None
    """The signed move that caused it, when a move did."""
    trace: str | None = None
    """The W3C trace context of the move."""


class DealNote(Message, frozen=True, kw_only=True, tag="note.deal"):
    """What a party, or whoever opened, hears of a deal: written in the same atomic batch as the event."""

    TYPE: ClassVar[str] = "note.deal"
    deal: DealId
    """The deal."""
    event: str
    """What happened, as the log's event names it: `opened`, `committed`, …"""
    state: State
    """The deal's state now."""
    turn: UInt32
    """The number of the event."""
    at_unix_ms: Int64
    """When, in Unix milliseconds."""
    book: MarketId
    """The ledger's book."""
    opener: AgentId | None = None
    """Who opened the deal; left out in the ledger's notes."""
    profile: Profile | None = None
    """The rules; left out in the ledger's notes."""
    terms: bytes | None = None
    """The exact bytes of the terms, when the event is about terms."""
    by: AgentId | None = None
    """Who did it, when a party did."""
    rule: str | None = None
    """The rule that refused it, a stable word."""
    reason: str | None = None
    """Why, when it ended badly."""
    rules: bytes | None = None
    """The exact bytes of the rules of a negotiation, when the event is their opening."""
    expires_unix_ms: Int64 | None = None
    """When the deal lapses without agreement, in Unix milliseconds, when the event is the opening of a negotiation:
    what an outcome's terms expire at.
    """


class Handed(Record, frozen=True, kw_only=True):
    """One arrow of an exchange, in short."""

    from_: AgentId = msgspec.field(name="from")
    """Who gives."""
    to: AgentId
    """Who receives."""
    good: Good
    """What."""
    quantity: Quantity
    """How many minor units of it."""


class Glimpse(Record, frozen=True, kw_only=True):
    """An event of a deal's log, in short. What earlier events of the deal say is not said again."""

    sequence: UInt64
    """Its sequence in the log."""
    at_unix_ms: Int64
    """When it was written, in Unix milliseconds."""
    deal: DealId
    """The deal."""
    turn: UInt32
    """Its number in the deal's log; the first is 0."""
    event: str
    """What happened, as the log's event names it: `opened`, `committed`, …"""
    state: State
    """Where the deal stands after it."""
    by: AgentId | None = None
    """The party that moved, when one did."""
    market: MarketId | None = None
    """The deal's book, where the event says it."""
    parties: list[AgentId] = msgspec.field(default_factory=list)
    """All parties, of an event that opens a deal."""
    transfers: list[Handed] = msgspec.field(default_factory=list)
    """What would change hands, of an event that puts terms on the table; or what does, of one that commits them."""
    reason: str | None = None
    """Why, of a bad end."""


class Offered(Record, frozen=True, kw_only=True):
    """An agent's offer in a market, in short; one that gives and wants nothing was taken back."""

    at_unix_ms: Int64
    """Since when it stands, in Unix milliseconds."""
    market: MarketId
    """The market."""
    agent: AgentId
    """Whose it is."""
    gives: list[Good] = msgspec.field(default_factory=list)
    """What it gives."""
    wants: list[Good] = msgspec.field(default_factory=list)
    """What it wants; alternatives side by side."""


class Digest(Message, frozen=True, kw_only=True, tag="digest"):
    """A part of the log of deals, in short."""

    TYPE: ClassVar[str] = "digest"
    after: UInt64
    """It tells of what stands in the log behind this sequence."""
    through: UInt64
    """It tells of everything to this sequence, which it includes."""
    head: UInt64
    """Where the log ended when this was told."""
    events: list[Glimpse]
    """What happened to deals, in the order of the log."""
    offers: list[Offered] = msgspec.field(default_factory=list)
    """Offers that stand now, or were taken back; only the last of each agent in each market is told of."""


class PartyValuation(Record, frozen=True, kw_only=True):
    """A party and its valuation."""

    party: AgentId
    """The party."""
    valuation: Valuation
    """What it states."""


class ValueRequest(Message, frozen=True, kw_only=True, tag="trade_balance.value"):
    """Asks `trade_balance.value`: what are these terms worth to each party?"""

    TYPE: ClassVar[str] = "trade_balance.value"
    terms: Terms
    """The terms."""
    valuations: list[PartyValuation]
    """Each party's valuation."""


class PartyWorth(Record, frozen=True, kw_only=True):
    """What terms are worth to one party, in minor units of account, exactly."""

    party: AgentId
    """The party."""
    received_minor: Int64
    """Worth of what it receives at its central values, rounded down."""
    given_minor: Int64
    """Cost of what it gives at its central costs, rounded up."""
    gain_minor: Int64
    """`received − given`, central, rounded down."""
    worst_gain_minor: Int64
    """The same at the worst corner of its bounds, rounded down."""
    satisfied: bool
    """Whether it is satisfied at the worst corner with its margin: exact, no rounding."""


class ValueReply(Message, frozen=True, kw_only=True, tag="trade_balance.valued"):
    """The answer of `trade_balance.value`."""

    TYPE: ClassVar[str] = "trade_balance.valued"
    parties: list[PartyWorth]
    """Each party in the order of the terms."""
    win_win: bool
    """Whether every party is satisfied."""
    welfare_minor: Int64
    """Σ of the central gains, rounded down party by party."""


class Span(Record, frozen=True, kw_only=True):
    """How far the quantity of one transfer may move."""

    transfer: UInt32
    """The transfer's index in the terms."""
    least: Annotated[int, Meta(ge=0, le=2**63 - 1)]
    """The least quantity, in the good's minor units; at 0 the transfer may be left out."""
    most: Annotated[int, Meta(ge=0, le=2**63 - 1)]
    """The most, at least `least`."""


class Payment(Record, frozen=True, kw_only=True):
    """A good that parties may pay each other besides what the terms transfer."""

    good: Good
    """The good: money, mostly. Only who states a cost for it can pay it."""
    most: Annotated[int, Meta(ge=0, le=2**63 - 1)]
    """The most that one party may pay, in the good's minor units."""
    due_unix_ms: Int64 | None = None
    """When payments are due, in Unix milliseconds; left out, when the terms expire."""


class Room(Record, frozen=True, kw_only=True):
    """What may be moved in terms. What it doesn't name stays."""

    spans: list[Span] = msgspec.field(default_factory=list)
    """Transfers whose quantity may move."""
    payment: Payment | None = None
    """Payments between parties."""


class AnalyzeRequest(Message, frozen=True, kw_only=True, tag="trade_balance.analyze"):
    """Asks `trade_balance.analyze`: who gains what, component by component, and who is not satisfied?"""

    TYPE: ClassVar[str] = "trade_balance.analyze"
    terms: Terms
    """The terms."""
    valuations: list[PartyValuation]
    """Each party's valuation."""
    room: Room | None = None
    """What may be moved so that every party is satisfied; left out, each quantity from one unit to a hundred times
    what it is, and no payments.
    """


class Component(Record, frozen=True, kw_only=True):
    """One transfer's part in a party's gain, in minor units of account."""

    transfer: UInt32
    """The transfer's index in the terms."""
    good: Good
    """The good."""
    gain_minor: Int64
    """Received (positive) or given (negative), at central values, rounded towards the party's loss."""
    factor_ppb: Int64
    """The factor φ⁺ or φ⁻ used, in units of 10⁻⁹."""


class PartyAnalysis(Record, frozen=True, kw_only=True):
    """A party's gain, taken apart."""

    worth: PartyWorth
    """The totals."""
    components: list[Component]
    """Transfer by transfer."""
    short_by_minor: Int64 | None = None
    """For a party that is not satisfied: the least extra worth at its lower values, in minor units of account, that
    would satisfy it.
    """


class Mended(enum.StrEnum):
    """How the mending of terms ended."""

    CHANGED = "changed"
    """The terms that are given satisfy everyone."""
    FRACTIONAL = "fractional"
    """Only fractions of minor units were found to satisfy everyone."""
    INFEASIBLE = "infeasible"
    """Nothing within the room satisfies everyone; the multipliers prove it."""
    STOPPED = "stopped"
    """The call's time ended, or its job was cancelled, before terms that satisfy everyone were found or ruled out."""


class Change(Record, frozen=True, kw_only=True):
    """A transfer whose quantity changes."""

    transfer: UInt32
    """The transfer's index in the terms that were asked about."""
    before: Int64
    """The quantity that it had."""
    after: Int64
    """The quantity that it gets; at 0 it is left out."""


class Multiplier(Record, frozen=True, kw_only=True):
    """A party's part in a proof that nothing satisfies everyone."""

    party: AgentId
    """The party."""
    weight: Ratio
    """What its slack (worth received at its lowest values, less the cost given at its highest with its margin on
    top) is multiplied by, at least 0. They sum to 1.
    """


class Mend(Record, frozen=True, kw_only=True):
    """The least change of terms that satisfies every party, or the proof that there is none."""

    outcome: Mended
    """How it ended."""
    terms: Terms | None = None
    """The changed terms, payments at the end; every party is satisfied, exactly."""
    changes: list[Change] = msgspec.field(default_factory=list)
    """What changes."""
    payments: list[Transfer] = msgspec.field(default_factory=list)
    """What is paid besides."""
    change_minor: Int64 | None = None
    """What the change of these terms counts, rounded up: each unit changed or paid counts the mean of what it is
    worth to its receiver and costs its giver at central values, and 1 where that is 0.
    """
    bound_minor: Int64 | None = None
    """The least that any change counts, fractions of minor units allowed, rounded up."""
    multipliers: list[Multiplier] = msgspec.field(default_factory=list)
    """Farkas' certificate: with these weights the parties' slacks sum to less than 0 wherever in the room."""
    balance: Ratio | None = None
    """Where parties may pay: what a unit counts besides, added where it is paid and taken where it is received,
    which sums to 0 since payments balance.
    """
    most: Ratio | None = None
    """The most that the weighted sum reaches in the room: negative."""


class AnalyzeReply(Message, frozen=True, kw_only=True, tag="trade_balance.analyzed"):
    """The answer of `trade_balance.analyze`."""

    TYPE: ClassVar[str] = "trade_balance.analyzed"
    parties: list[PartyAnalysis]
    """Each party in the order of the terms."""
    win_win: bool
    """Whether every party is satisfied."""
    unsatisfied: list[AgentId]
    """The parties that are not."""
    least_satisfied: AgentId
    """The party with the least worst-corner gain."""
    welfare_minor: Int64
    """Σ of the central gains, rounded down party by party."""
    mend: Mend | None = None
    """Where somebody is not satisfied: the least change of the terms that would satisfy everyone, or the proof that
    there is none.
    """


class Rule(enum.StrEnum):
    """How gains are divided."""

    LEXIMIN = "leximin"
    """Kalai and Smorodinsky: the least gain relative to each party's best as large as can be, then the next."""
    NASH = "nash"
    """Nash: the product of the gains as large as can be."""
    PROPORTIONAL = "proportional"
    """In proportion to stated weights; where a party can take no more, the others go on."""
    SHAPLEY = "shapley"
    """Shapley: each party's mean contribution over the orders in which they may come. Of a game only."""
    CORE = "core"
    """Whether an allocation is in the core; without one, an allocation that is, or the proof that none is. Of a game
    only.
    """


class Claimant(Record, frozen=True, kw_only=True):
    """A party that a pot is divided among."""

    party: AgentId
    """The party."""
    least_minor: Int64 = msgspec.field(default_factory=lambda: 0)
    """What it has without agreement, and the least that it takes."""
    most_minor: Int64 | None = None
    """The most that it can take: its claim. Left out, whatever there is."""
    weight: Rational | None = None
    """Its weight for `proportional`, and its bargaining power for `nash`; 1 when left out."""


class Pot(Record, frozen=True, kw_only=True):
    """An amount to divide, worth the same to everyone."""

    amount_minor: Int64
    """The amount; all of it is given out."""
    claimants: list[Claimant]
    """Among whom."""


class PartyWeight(Record, frozen=True, kw_only=True):
    """A party's weight."""

    party: AgentId
    """The party."""
    weight: Rational
    """Its weight, more than 0."""


class Bargain(Record, frozen=True, kw_only=True):
    """Terms within which gains are divided by moving quantities and payments."""

    terms: Terms
    """The terms."""
    valuations: list[PartyValuation]
    """Each party's valuation."""
    room: Room
    """What may be moved."""
    weights: list[PartyWeight] = msgspec.field(default_factory=list)
    """Weights for `proportional`; a party without one has weight 1."""


class GameKind(enum.StrEnum):
    """What a game's numbers mean."""

    LISTED = "listed"
    """`coalitions` lists what coalitions are worth; one that is not listed is worth 0."""
    AGREEMENTS = "agreements"
    """`coalitions` lists agreements: each adds its worth to every coalition that has all its members (Harsanyi's
    dividends).
    """
    VOTING = "voting"
    """`numbers` are votes: a coalition with at least `total` of them is worth `worth_minor`."""
    LARGEST = "largest"
    """`numbers` are needs: a coalition costs the largest of them (the runway that all its planes can use). Shares
    are then costs.
    """
    ESTATE = "estate"
    """`numbers` are claims on an estate of `total`: a coalition is worth what the claims of the others leave."""
    GLOVES = "gloves"
    """A number of 1 is a left glove, 0 a right one: a coalition is worth `worth_minor` for each pair."""


class Coalition(Record, frozen=True, kw_only=True):
    """A set of parties, and what it is worth."""

    members: list[AgentId]
    """Its members, each once."""
    worth_minor: Int64
    """Its worth."""


class Game(Record, frozen=True, kw_only=True):
    """What sets of parties are worth: a coalition function."""

    players: list[AgentId]
    """The players, each once."""
    kind: GameKind
    """What the numbers mean."""
    coalitions: list[Coalition] = msgspec.field(default_factory=list)
    """For `listed` and `agreements`."""
    numbers: list[Int64] = msgspec.field(default_factory=list)
    """For the other kinds: one for each player, in their order, at least 0."""
    total: Int64 | None = None
    """The quota of `voting`, the `estate`."""
    worth_minor: Int64 | None = None
    """What a winning coalition, or a pair of gloves, is worth; 1 when left out."""
    allocation: list[Int64] = msgspec.field(default_factory=list)
    """For `core`: what each player would get, in their order."""


class Divide(Message, frozen=True, kw_only=True, tag="trade_balance.divide"):
    """Asks `trade_balance.divide`: who gets what? One of `pot`, `bargain` and `game` says of what."""

    TYPE: ClassVar[str] = "trade_balance.divide"
    rule: Rule
    """By which rule."""
    pot: Pot | None = None
    """An amount."""
    bargain: Bargain | None = None
    """Terms."""
    game: Game | None = None
    """A coalition function."""
    seed: UInt64 = msgspec.field(default_factory=lambda: 0)
    """What the sampled orders of players follow from."""
    samples: UInt32 | None = None
    """How many orders are sampled where a game has too many players for all of them; 10,000 when left out."""
    confidence_ppm: Int64 | None = None
    """How often the confidence interval of a sampled value holds the true one, in parts per million; 950,000 when
    left out.
    """


class Share(Record, frozen=True, kw_only=True):
    """What one party gets."""

    party: AgentId
    """The party."""
    amount_minor: Int64
    """What it gets of the pot or the game; of a bargain, what it is paid less what it pays, in the paid good."""
    gain_minor: Int64
    """What it gains over having no agreement, rounded down: of a game, over being alone."""
    given_minor: Int64 | None = None
    """Of a bargain: what it would gain by the terms as they were given, rounded down."""
    best_minor: Int64 | None = None
    """The most that it could gain if nobody else gained, rounded down."""
    within_minor: Int64 | None = None
    """Half the width of the confidence interval of a sampled value, rounded up."""
    satisfied: bool | None = None
    """Whether the party is satisfied with the terms, at the worst corner of its bounds with its margin."""


class Balancing(Record, frozen=True, kw_only=True):
    """A coalition in a proof that the core is empty."""

    members: list[AgentId]
    """Its members."""
    weight: Ratio
    """The part of their time that its members give it; for each player the parts sum to 1."""


class CoreFinding(Record, frozen=True, kw_only=True):
    """What is known of the core: the shares are `stable`; or a coalition is `blocking` them; or neither is known,
    and `bound_minor` says by how much they could be blocked at most.
    """

    stable: bool
    """Whether the shares are in the core, proved: no coalition could do better alone, and nothing is left over."""
    blocking: Coalition | None = None
    """A coalition that could do better alone: the one with the largest excess that is known, the smallest of
    several; of up to 16 players, the first of those in the order of sets as binary numbers.
    """
    excess_minor: Int64
    """Its worth less what its members get; without one, the largest such excess that is known of any coalition."""
    bound_minor: Int64 | None = None
    """Where the search was cut short by its limits, by the deadline or by a cancellation: no coalition's excess is
    larger than this. Left out where none is larger than `excess_minor`.
    """
    balanced: list[Balancing] = msgspec.field(default_factory=list)
    """Where no allocation is in the core: a balanced collection of coalitions whose weighted worths sum to more than
    all players together are worth (Bondareva and Shapley).
    """


class Divided(Message, frozen=True, kw_only=True, tag="trade_balance.divided"):
    """The answer of `trade_balance.divide`."""

    TYPE: ClassVar[str] = "trade_balance.divided"
    rule: Rule
    """By which rule."""
    shares: list[Share]
    """Each party in the order asked."""
    total_minor: Int64
    """Σ of the amounts, exactly: the pot, what all players together are worth, or 0 for payments."""
    gini_ppm: Int64
    """Gini's coefficient of the gains, losses counted as 0, in parts per million, rounded down."""
    given_gini_ppm: Int64 | None = None
    """Of a bargain: the same of the gains by the terms as they were given."""
    nash_product: Ratio | None = None
    """The product of the gains, 0 where anyone gains nothing; left out for more than 64 parties."""
    nash_mean_minor: Int64
    """The geometric mean of the gains, rounded down."""
    least_satisfied: AgentId
    """The party with the least gain relative to its best, or else the least gain; the first by id of several."""
    terms: Terms | None = None
    """The terms that bring these gains, payments at the end."""
    epsilon_ppm: Int64 | None = None
    """For `nash` of a bargain: by how much at most the product's geometric mean could be larger, in parts per
    million, proved by linear programme: Σ y/x ≤ n(1 + ε) for all gains y within reach.
    """
    samples: UInt32 | None = None
    """How many orders were sampled; left out where the value is exact."""
    core: CoreFinding | None = None
    """Of a game: what is known of its core."""


class Commit(Record, frozen=True, kw_only=True):
    """One deal on the ledger: what changed hands, and when. A compensation is one of the transfers turned round."""

    at_unix_ms: Int64
    """When it was written, in Unix milliseconds."""
    deal: DealId | None = None
    """Which deal."""
    transfers: list[Transfer]
    """What changed hands."""


class Price(Record, frozen=True, kw_only=True):
    """What a unit of a good counts in the unit of account."""

    good: Good
    """The good."""
    price: Rational
    """Minor units of account for a minor unit of the good, at least 0."""


class PathRequest(Message, frozen=True, kw_only=True, tag="trade_balance.path"):
    """Asks `trade_balance.path`: how did balances move over time?"""

    TYPE: ClassVar[str] = "trade_balance.path"
    commits: list[Commit]
    """What the ledger committed, in whatever order."""
    prices: list[Price]
    """What goods count. A good without a price counts nothing: leave out money, and what remains is trade in goods."""
    from_unix_ms: Int64
    """When the first period begins, in Unix milliseconds."""
    period_ms: Int64
    """How long a period is, in milliseconds."""
    periods: UInt32
    """How many periods there are. What lies outside them is not counted."""


class PartyPath(Record, frozen=True, kw_only=True):
    """One party's trade over time, in minor units of account; each transfer's worth is rounded down, once."""

    party: AgentId
    """The party."""
    exports_minor: list[Int64]
    """What it gave, by period."""
    imports_minor: list[Int64]
    """What it received, by period."""
    balance_minor: list[Int64]
    """Exports less imports since the first period began, at the end of each period. Negative: a deficit."""
    deepest_minor: Int64
    """The deepest deficit at the end of a period: the least balance, at most 0."""
    deficit_periods: UInt32
    """The periods that end in deficit."""
    longest_deficit: UInt32
    """The most of them in a row."""


class PairPath(Record, frozen=True, kw_only=True):
    """What one party gave another, net, over time, in minor units of account."""

    a: AgentId
    """The party with the smaller id."""
    b: AgentId
    """The other."""
    balance_minor: list[Int64]
    """What a gave b less what b gave a, since the first period began, at the end of each period."""


class PathReply(Message, frozen=True, kw_only=True, tag="trade_balance.paths"):
    """The answer of `trade_balance.path`. At the end of each period the parties' balances sum to 0."""

    TYPE: ClassVar[str] = "trade_balance.paths"
    ends_unix_ms: list[Int64]
    """When each period ends, in Unix milliseconds."""
    parties: list[PartyPath]
    """Each party that gave or received anything, by id."""
    pairs: list[PairPath]
    """Each pair that traded, by ids."""
    outside: UInt32
    """Commits that lie outside the periods."""


class Side(enum.StrEnum):
    """Which way an order goes."""

    BUY = "buy"
    """It buys: an importer needs certificates."""
    SELL = "sell"
    """It sells: an exporter was issued some."""


class CertificateOrder(Record, frozen=True, kw_only=True):
    """An order for import certificates."""

    party: AgentId
    """Whose."""
    side: Side
    """Which way."""
    quantity: Annotated[int, Meta(ge=1, le=2**63 - 1)]
    """How many certificates, in minor units of account of imports that they cover."""
    limit: Rational
    """The most that it pays, or the least that it takes, in minor units of account for each certificate."""


class CertificateMarket(Message, frozen=True, kw_only=True, tag="trade_balance.price"):
    """Asks `trade_balance.price`: at which price do import certificates change hands, and how many?"""

    TYPE: ClassVar[str] = "trade_balance.price"
    orders: list[CertificateOrder]
    """The orders."""


class Fill(Record, frozen=True, kw_only=True):
    """What an order gets."""

    order: UInt32
    """The order's index."""
    quantity: Int64
    """How many certificates change hands by it."""


class ExcessDemand(Record, frozen=True, kw_only=True):
    """How much is wanted beyond what is offered at a price."""

    price: Rational
    """The price."""
    demand: Int64
    """Wanted by those who would pay more or as much."""
    supply: Int64
    """Offered by those who would take less or as much."""
    excess: Int64
    """demand − supply."""


class CertificatePrice(Message, frozen=True, kw_only=True, tag="trade_balance.priced"):
    """The answer of `trade_balance.price`."""

    TYPE: ClassVar[str] = "trade_balance.priced"
    price: Rational | None = None
    """The price that all pay and take: of those at which most certificates change hands, the one with the least
    excess demand either way; of several, the highest where buyers are left, else the lowest. Left out where none
    change hands.
    """
    level: Int64
    """The level: how many certificates change hands, which is how much the buyers may import beyond what they
    exported.
    """
    fills: list[Fill]
    """What each order gets, where it gets anything: best limits first; at the price itself in proportion to
    quantities, rounded by largest remainder, ties by index.
    """
    curve: list[ExcessDemand]
    """Excess demand at each limit that an order names, by rising price."""


class Indicator(Record, frozen=True, kw_only=True):
    """Something that an agreement was to change, measured before and after."""

    name: str
    """What it is."""
    unit: str
    """What it is measured in: `USD`, `t CO2e`, `jobs`."""
    baseline: Rational
    """What it would be without the agreement, other than 0."""
    outcome: Rational
    """What it is with it."""
    weight_ppm: Int64
    """What it weighs, in parts per million of the whole; negative where less is better. The sizes sum to 1,000,000."""


class ReturnRequest(Message, frozen=True, kw_only=True, tag="trade_balance.return"):
    """Asks `trade_balance.return` for the weighted agreement return: Σ wᵢ·(outcomeᵢ − baselineᵢ) / |baselineᵢ|."""

    TYPE: ClassVar[str] = "trade_balance.return"
    indicators: list[Indicator]
    """What was measured."""


class ReturnPart(Record, frozen=True, kw_only=True):
    """One indicator's part in the return."""

    name: str
    """What it is."""
    change_ppm: Int64
    """(outcome − baseline) / |baseline|, in parts per million, rounded down."""
    adds_ppm: Int64
    """What it adds to the return, in parts per million, rounded down."""


class ReturnReply(Message, frozen=True, kw_only=True, tag="trade_balance.returned"):
    """The answer of `trade_balance.return`: a figure for reports, which nothing decides by."""

    TYPE: ClassVar[str] = "trade_balance.returned"
    return_ppm: Int64
    """The weighted agreement return, in parts per million, rounded down."""
    parts: list[ReturnPart]
    """Indicator by indicator."""


class GoodSpec(Record, frozen=True, kw_only=True):
    """What a market says of a good."""

    good: Good
    """The good."""
    unit: str
    """What one minor unit is, for people: `tonne`, `cent`, `hour`."""
    lot: Quantity | None = None
    """The lot that it comes in, in minor units; left out for a good that any number of minor units may be had of."""
    reference_price: Rational | None = None
    """Minor units of account for one minor unit; left out where there is no reference price, and then the band does
    not apply.
    """


class CountedGood(Record, frozen=True, kw_only=True):
    """A good whose transfers count as exports and imports."""

    good: Good
    """The good."""
    price: Rational
    """Certificates for one minor unit of it, which are minor units of account."""


class ImportRules(Record, frozen=True, kw_only=True):
    """How a book keeps import certificates."""

    good: Good
    """The good that certificates are, in deals."""
    authority: AgentId
    """Who signs these rules, and may revoke certificates."""
    goods: list[CountedGood]
    """What counts, and at which prices."""
    life_ms: Int64
    """How long a certificate is good at least, in milliseconds from the entry of the log that issues it."""
    lot_ms: Int64
    """Lots end at multiples of this time, in milliseconds: the end of a certificate is the first that leaves it its
    life.
    """
    required_from_unix_ms: Int64
    """From this time on, in Unix milliseconds, imports need certificates. Exports earn them before."""


class Market(Message, frozen=True, kw_only=True, tag="market"):
    """A book of intents. Its id is its ledger's book."""

    TYPE: ClassVar[str] = "market"
    market: MarketId
    """Its id."""
    unit_of_account: str
    """The unit of account's minor unit, for people: `US cent`."""
    goods: list[GoodSpec]
    """The goods."""
    band: Bounds
    """Unit values and costs must lie within [lo, hi] times the reference price. The mechanism is not strategy-proof:
    an exaggerated value would eat everyone's gains.
    """
    margin_ppm: Int64
    """The margin that every party gets at least, in parts per million."""
    max_ring: UInt32
    """Longest exchange ring, in parties."""
    clear_every_ms: UInt32
    """Time from one clearing to the next, in milliseconds."""
    time_limit_ms: UInt32
    """How long one clearing may compute, in milliseconds."""
    accept_within_ms: UInt32
    """How long a proposed ring can be accepted, in milliseconds."""
    delivery: Delivery
    """Whether commit settles, or receivers confirm."""
    deliver_within_ms: Int64
    """How long after its expiry a deal's transfers are due, in milliseconds."""
    requires: list[ClaimKind] = msgspec.field(default_factory=list)
    """The claims that its deals must prove."""
    division: Rule | None = None
    """The rule by which each ring's gains are divided before it is proposed: `leximin`, `nash` or `proportional`
    (equal). Left out, rings are proposed as the clearing found them, for the most welfare.
    """
    evolve: UInt32 | None = None
    """How many terms are evaluated to find exchanges of other shapes among those whom a clearing left out, each
    time. Left out, none.
    """
    import_certificates: ImportRules | None = None
    """The rules of its book's import certificates, which hold once their authority has enacted them
    (`ledger.enact`). Left out, none.
    """


class Give(Record, frozen=True, kw_only=True):
    """What an agent gives."""

    good: Good
    """The good."""
    limit: Quantity
    """At most this much, in minor units."""
    cost: Bounds
    """What giving one minor unit costs the agent, in minor units of account."""


class Alternative(Record, frozen=True, kw_only=True):
    """One way to fill a want."""

    good: Good
    """The good."""
    limit: Quantity
    """At most this much if it alone fills the want, in minor units."""
    value: Bounds
    """What one minor unit is worth to the agent, in minor units of account."""


class Want(Record, frozen=True, kw_only=True):
    """What an agent wants: any of these, together no more than Σ quantity/limit ≤ 1."""

    any_of: list[Alternative]
    """The alternatives; one for a plain want."""


class Intent(Message, frozen=True, kw_only=True, tag="intent"):
    """A standing, signed order. Publishing again replaces it."""

    TYPE: ClassVar[str] = "intent"
    market: MarketId
    """The market."""
    agent: AgentId
    """Whose it is."""
    gives: list[Give]
    """What the agent gives."""
    wants: list[Want]
    """What it wants."""
    margin_ppm: Int64 = msgspec.field(default_factory=lambda: 0)
    """The margin that it asks for over its costs, in parts per million; the market's own is the least."""
    outlook: Outlook = msgspec.field(default_factory=lambda: Outlook())
    """How it looks at time and risk."""


class IntentWithdrawn(Message, frozen=True, kw_only=True, tag="intent.withdrawn"):
    """Takes an intent back."""

    TYPE: ClassVar[str] = "intent.withdrawn"
    market: MarketId
    """The market."""
    agent: AgentId
    """Whose intent."""


class ShowMarket(Message, frozen=True, kw_only=True, tag="maker.market"):
    """Asks `maker.market` for a market's declaration."""

    TYPE: ClassVar[str] = "maker.market"
    market: MarketId
    """The market."""


class Why(Message, frozen=True, kw_only=True, tag="maker.why"):
    """Asks `maker.why`: why did an agent get nothing in the last clearing?"""

    TYPE: ClassVar[str] = "maker.why"
    market: MarketId
    """The market."""
    agent: AgentId
    """The agent."""


class LeftOut(enum.StrEnum):
    """Why an agent, or one of its wants or gives, got nothing in a clearing."""

    NOTHING_TO_GIVE = "nothing_to_give"
    """It gives nothing: nothing can come back to it in an exchange."""
    NOTHING_WANTED = "nothing_wanted"
    """It wants nothing."""
    NOBODY_WANTS_IT = "nobody_wants_it"
    """Nobody wants what it gives."""
    NOBODY_GIVES_IT = "nobody_gives_it"
    """Nobody gives what it wants."""
    PRICED_OUT = "priced_out"
    """There are partners, but at its stated values and costs no ring satisfies everyone."""
    OUTBID = "outbid"
    """Rings exist, and others made better use of the same goods."""
    NO_RING = "no_ring"
    """Givers and takers exist, but no ring of allowed length closes."""
    TOO_SMALL = "too_small"
    """Its part would round to nothing."""
    SITTING_OUT = "sitting_out"
    """It rejected a deal at its own stated values; it sits out until it states others."""
    IN_OPEN_DEALS = "in_open_deals"
    """Everything that it offers is in open deals."""
    FILLED = "filled"
    """Everything that it offered has been traded."""
    REFUSED = "refused"
    """Its intent breaks a rule of the market."""
    NO_INTENT = "no_intent"
    """It has no intent in this market."""


class Because(Message, frozen=True, kw_only=True, tag="maker.because"):
    """The answer of `maker.why`, also sent to the agent's inbox when it changes."""

    TYPE: ClassVar[str] = "maker.because"
    market: MarketId
    """The market."""
    agent: AgentId
    """The agent."""
    clearing: UInt32
    """The number of the last clearing; the first is 1, 0 before it."""
    deals: list[DealId]
    """The deals that it was placed in by the last clearing."""
    left_out: LeftOut | None = None
    """Why it got nothing, when it got nothing."""
    detail: str
    """The same for people."""


class Offer(Record, frozen=True, kw_only=True):
    """One agent's intent as a clearing sees it: limits are what is left."""

    agent: AgentId
    """Whose it is."""
    sequence: UInt64 | None = None
    """The intent's sequence in its stream, when it came from one."""
    gives: list[Give]
    """What the agent gives."""
    wants: list[Want]
    """What it wants."""
    margin_ppm: Int64 = msgspec.field(default_factory=lambda: 0)
    """The margin that it asks for, in parts per million."""
    outlook: Outlook = msgspec.field(default_factory=lambda: Outlook())
    """How it looks at time and risk."""


class Objective(enum.StrEnum):
    """What a clearing maximises."""

    WELFARE = "welfare"
    """Σ worth received − cost given, at central values."""
    VOLUME = "volume"
    """Σ quantities at reference prices."""
    SERVED = "served"
    """The number of participations: a party in a ring counts one."""


class TieBreak(enum.StrEnum):
    """What decides between sets of rings that reach the same objective."""

    FAIRNESS = "fairness"
    """First as many agents as possible have a ring or a chain; then the least of what they gain is as large as
    possible, each measured against the most that one exchange could bring it by its own offer: all that one
    alternative receives, for one lot given.
    """


class Hop(Record, frozen=True, kw_only=True):
    """One arrow of a ring: its giver gives to the next party."""

    from_: AgentId = msgspec.field(name="from")
    """The giver."""
    to: AgentId
    """The receiver."""
    good: Good
    """The good."""
    quantity: Quantity
    """How much, in minor units."""
    want: UInt32
    """Which of the receiver's wants it fills, by index."""


class Ring(Record, frozen=True, kw_only=True):
    """An exchange ring in which every party is satisfied at the worst corner of its bounds."""

    hops: list[Hop]
    """Its arrows, each to the next one's giver, the last back to the first."""
    welfare_minor: Int64
    """Its welfare at central values, in minor units of account, rounded down."""


class Clear(Message, frozen=True, kw_only=True, tag="graph.clear"):
    """Asks `graph.clear` for the best set of exchange rings."""

    TYPE: ClassVar[str] = "graph.clear"
    goods: list[GoodSpec]
    """The goods of the market; an offer may name no other."""
    offers: list[Offer]
    """The offers."""
    band: Bounds | None = None
    """The band around reference prices, as the market states it; left out, none."""
    margin_ppm: Int64 = msgspec.field(default_factory=lambda: 0)
    """The least margin of each party in each ring, in parts per million."""
    max_ring: UInt32
    """Longest ring, in parties."""
    objective: Objective = msgspec.field(default_factory=lambda: Objective.WELFARE)
    """What to maximise."""
    days: UInt32 = msgspec.field(default_factory=lambda: 0)
    """Whole days from the terms' expiry to the due date, for discounting."""
    time_limit_ms: UInt32
    """When to stop and answer the best so far, in milliseconds of computing."""
    max_chain: UInt32 | None = None
    """Longest chain, in hops; left out, there are none. A chain starts at an offer that wants nothing and gives for
    nothing (its cost is 0), and its last party gives nothing.
    """
    then: TieBreak | None = None
    """What decides between sets of rings that reach the same objective; left out, nothing does."""
    earlier: list[Ring] = msgspec.field(default_factory=list)
    """Rings of an earlier clearing to start from. They guide the search and promise nothing: what no longer fits is
    passed over.
    """
    with_limits: bool | None = None
    """Whether to answer with the prices of limits, which prove the bound."""


class Outcome(enum.StrEnum):
    """How a clearing ended."""

    OPTIMAL = "optimal"
    """The bound was reached, up to rounding to minor units."""
    TIME_LIMIT = "time_limit"
    """Time ran out; the gap says how far it may be."""
    FEASIBLE = "feasible"
    """The search ended before its time; the gap says how far it may be."""


class LeftOutOffer(Record, frozen=True, kw_only=True):
    """An offer that got nothing, and why."""

    agent: AgentId
    """Whose."""
    reason: LeftOut
    """Why."""
    detail: str
    """The same for people, with goods and numbers."""


class Chain(Record, frozen=True, kw_only=True):
    """A chain that starts at a giver without wants: every party between gives and is satisfied as in a ring, and the
    last one gives nothing.
    """

    hops: list[Hop]
    """Its arrows, each to the next one's giver."""
    welfare_minor: Int64
    """Its welfare at central values, in minor units of account, rounded down."""


class GoodPrice(Record, frozen=True, kw_only=True):
    """What a good is worth at the margin, were rings of any length allowed: who gives it for less and who takes it
    for more has a trade, the purses of its partners permitting.
    """

    good: Good
    """The good."""
    price: Rational
    """For one minor unit, in the objective's unit, rounded up to a multiple of a power of two."""


class LimitPrice(Record, frozen=True, kw_only=True):
    """What is in the way of the objective: by so much it would grow, at most and for each part, with a larger limit.
    With every limit at its price no ring brings more than it uses up; so no set of rings brings more than all
    prices sum to, and that is the bound of the relaxation.
    """

    agent: AgentId
    """Whose limit."""
    gives: Good | None = None
    """The good that it gives, for the limit of a give."""
    want: UInt32 | None = None
    """The want, by its index in the offer, for the limit of a want."""
    price: Rational
    """For the whole limit, in the objective's unit, rounded up to a multiple of a power of two."""


class Cleared(Message, frozen=True, kw_only=True, tag="graph.cleared"):
    """The answer of `graph.clear`."""

    TYPE: ClassVar[str] = "graph.cleared"
    rings: list[Ring]
    """The rings."""
    objective: Int64
    """The objective that they reach: minor units of account, or participations."""
    bound: Int64
    """An upper bound on what any set of rings can reach, in the same unit."""
    gap_ppm: Int64
    """(bound − objective) / bound, in parts per million; 0 when the bound is 0."""
    outcome: Outcome
    """How it ended."""
    took_ms: UInt32
    """Time spent, in milliseconds."""
    left_out: list[LeftOutOffer]
    """The offers that got nothing."""
    chains: list[Chain] = msgspec.field(default_factory=list)
    """The chains, where the request allowed any."""
    prices: list[GoodPrice] = msgspec.field(default_factory=list)
    """What each good that can move is worth at the margin."""
    limits: list[LimitPrice] = msgspec.field(default_factory=list)
    """The limits that have a price, where the request asked for them."""


class Evenness(Record, frozen=True, kw_only=True):
    """What deals bring, and how evenly."""

    deals: UInt32
    """How many deals."""
    welfare_minor: Int64
    """Σ of their parties' gains at central values, each rounded down, in minor units of account."""
    gini_ppm: Int64
    """Σ over the deals of Gini's coefficient of their parties' gains, in parts per million."""
    least_ppm: Int64
    """Σ over the deals of the least satisfied party's gain, as a part of the most that it could gain in this deal,
    in parts per million.
    """


class Refined(Record, frozen=True, kw_only=True):
    """What was made of a clearing's answer: its rings with their gains divided by the market's rule, and exchanges
    of other shapes that were evolved among those whom it left out.
    """

    before: Evenness
    """Of the rings whose gains were divided: as the clearing found them."""
    after: Evenness
    """The same rings as they are proposed."""
    evolved: Evenness
    """Terms that were evolved, as they are proposed."""


class Clearing(Message, frozen=True, kw_only=True, tag="maker.clearing"):
    """One clearing of a market: what went in, what came out and the deals that were opened on it. The market maker
    tells of each on `clearing_topic`(crate::subject::clearing_topic), signed, so that anyone can solve it again.
    """

    TYPE: ClassVar[str] = "maker.clearing"
    market: MarketId
    """The market."""
    clearing: UInt32
    """Its number; the first is 1."""
    at_unix_ms: Int64
    """When the result was there, in Unix milliseconds."""
    request: Clear | None = None
    """What was asked: limits are what was left; left out where it does not fit a message."""
    result: Cleared
    """What was answered."""
    deals: list[DealId]
    """The deals that were proposed, in the order of the rings, then of evolved terms. A ring of which a party
    changed its intent meanwhile, or which promises more than was offered, has none.
    """
    refined: Refined | None = None
    """What was made of the answer before it was proposed, in a market that divides gains or evolves terms."""


class Obligation(Record, frozen=True, kw_only=True):
    """One party owes another a quantity of a good."""

    from_: AgentId = msgspec.field(name="from")
    """Who owes."""
    to: AgentId
    """Whom."""
    good: Good
    """What."""
    quantity: Quantity
    """How much, in minor units."""


class Counterparties(enum.StrEnum):
    """Between whom a netting may move goods."""

    ANY = "any"
    """Between any two parties: a party may come to owe someone whom it owed nothing."""
    KNOWN = "known"
    """Only along what is owed already, and no more than that: nobody gets a new creditor."""


class Net(Message, frozen=True, kw_only=True, tag="graph.net"):
    """Asks `graph.net` to settle obligations with less moving: everyone's net position in every good stays, the sum
    of all transfers is least, and where that leaves a choice, there are few of them.
    """

    TYPE: ClassVar[str] = "graph.net"
    obligations: list[Obligation]
    """What is owed."""
    counterparties: Counterparties = msgspec.field(default_factory=lambda: Counterparties.ANY)
    """Between whom transfers may go."""
    time_limit_ms: UInt32
    """When to stop and answer the best so far, in milliseconds of computing."""


class NetPosition(Record, frozen=True, kw_only=True):
    """A party's net position in a good: what it is owed less what it owes, the same before and after."""

    party: AgentId
    """The party."""
    good: Good
    """The good."""
    net: Int64
    """In minor units, not 0."""


class NettedGood(Record, frozen=True, kw_only=True):
    """What a netting did to one good."""

    good: Good
    """The good."""
    gross_before: Int64
    """What was owed in all, in minor units."""
    gross_after: Int64
    """What moves now. No set of transfers between the allowed counterparties keeps all positions and moves less,
    unless time ran out.
    """
    gross_bound: Int64
    """No set of transfers that keeps all positions moves less."""
    transfers_before: UInt32
    """How many obligations there were."""
    transfers_after: UInt32
    """How many transfers there are."""
    transfers_bound: UInt32
    """No fewer transfers than this move so little."""


class Netted(Message, frozen=True, kw_only=True, tag="graph.netted"):
    """The answer of `graph.net`."""

    TYPE: ClassVar[str] = "graph.netted"
    transfers: list[Obligation]
    """What moves instead of all that was owed, by good, giver and receiver."""
    positions: list[NetPosition]
    """Everyone's net positions that are not 0, by good and party."""
    goods: list[NettedGood]
    """Good by good, what came of it."""
    is_optimal: bool
    """Whether the gross flow is the least there is, and the number of transfers reaches its bound, in every good."""
    took_ms: UInt32
    """Time spent, in milliseconds."""


class NetworkLink(Record, frozen=True, kw_only=True):
    """One agent deals with another: it gives to it, or could."""

    from_: AgentId = msgspec.field(name="from")
    """The giver."""
    to: AgentId
    """The receiver."""
    weight: Annotated[int, Meta(ge=1, le=2**63 - 1)]
    """How much it matters, in a unit of the asker's own (a value, a count); the same two may be linked repeatedly."""


class AnalyzeNetwork(Message, frozen=True, kw_only=True, tag="graph.analyze"):
    """Asks `graph.analyze` for the shape of a network: its pieces, its brokers, what each agent's failure would cut."""

    TYPE: ClassVar[str] = "graph.analyze"
    links: list[NetworkLink]
    """Who deals with whom."""
    seed: UInt64 = msgspec.field(default_factory=lambda: 0)
    """Draws the agents from which shortest ways are counted, where there is no time for all."""
    time_limit_ms: UInt32
    """When to stop and answer what is known, in milliseconds of computing."""


class FailureLoss(Record, frozen=True, kw_only=True):
    """What would be lost with an agent, its own dealings first."""

    weight: Int64
    """Weight of the links that end with it."""
    pieces: UInt32
    """Into how many pieces the rest of its component falls; 0 where it stood alone, 1 where the rest holds together."""
    cut_off: UInt32
    """The agents that are cut off from the largest of these pieces."""
    separated_pairs: UInt64
    """Pairs of other agents that were in one component and are no longer."""


class NetworkNode(Record, frozen=True, kw_only=True):
    """An agent's place in the network."""

    agent: AgentId
    """The agent."""
    receivers: UInt32
    """How many agents it gives to."""
    givers: UInt32
    """How many agents give to it."""
    given: Int64
    """Weight of what it gives."""
    received: Int64
    """Weight of what it receives."""
    component: UInt32
    """Its component, links taken in either direction: 0 is the largest."""
    strong_component: UInt32
    """Its strong component, in which every agent reaches every other along the links: 0 is the largest. Only within
    one can there be rings.
    """
    betweenness_ppm: Int64
    """Its share of shortest ways between other agents (Freeman 1977), along the links, of all pairs of others, in
    parts per million.
    """
    closeness_ppm: Int64 | None = None
    """How near it is to those whom it reaches (Wasserman and Faust 1994): the share of others that it reaches over
    the mean length of the way there, in parts per million. Left out where time ran out before.
    """
    rank_ppm: Int64
    """Its share of a walk that follows links by weight and starts anew with probability 15 % (Brin and Page 1998),
    in parts per million.
    """
    is_broker: bool
    """Whether it is a broker: without it, others fall apart."""
    failure: FailureLoss
    """What its failure would cut."""


class Bridge(Record, frozen=True, kw_only=True):
    """A pair of agents whose dealings alone hold two parts of a component together."""

    a: AgentId
    """One."""
    b: AgentId
    """The other, later in the alphabet."""
    cut_off: UInt32
    """Agents in the smaller part."""


class NetworkAnalyzed(Message, frozen=True, kw_only=True, tag="graph.analyzed"):
    """The answer of `graph.analyze`."""

    TYPE: ClassVar[str] = "graph.analyzed"
    nodes: list[NetworkNode]
    """Every agent, by name."""
    components: list[UInt32]
    """How many agents each component has, the largest first."""
    strong_components: list[UInt32]
    """How many agents each strong component has, the largest first."""
    bridges: list[Bridge]
    """The links without which a component would fall in two, by name."""
    counted_from: UInt32
    """The agents from which shortest ways were counted: all, unless time ran out."""
    is_exact: bool
    """Whether that were all, so that betweenness and closeness are no estimates."""
    took_ms: UInt32
    """Time spent, in milliseconds."""


StepId: TypeAlias = Annotated[str, Meta(pattern=r"^[a-z0-9_-]{1,63}\Z")]
"""1 to 63 of a-z, 0-9, _ and -."""


class Spread(Record, frozen=True, kw_only=True):
    """Least, likeliest and most: a triangular distribution."""

    least: Int64
    """Least."""
    likely: Int64
    """Likeliest; what is planned with."""
    most: Int64
    """Most."""


class ResourceUse(Record, frozen=True, kw_only=True):
    """So much of a resource, as long as a step takes."""

    resource: StepId
    """The resource."""
    amount: Annotated[int, Meta(ge=1, le=2**63 - 1)]
    """How much of it."""


class RoadmapStep(Record, frozen=True, kw_only=True):
    """A deal that could be made."""

    step: StepId
    """Its name."""
    after: list[StepId] = msgspec.field(default_factory=lambda: [])
    """The steps that must be done before."""
    days: Spread
    """How long it takes, in days."""
    cost_minor: Annotated[int, Meta(ge=0, le=2**63 - 1)]
    """What it costs, in minor units of account, whether it succeeds or not."""
    gain_minor: Spread
    """What it brings when it succeeds, before its cost, in minor units of account."""
    chance_ppm: Int64 | None = None
    """How likely it succeeds once those before it have, in parts per million; left out, it always does."""
    uses: list[ResourceUse] = msgspec.field(default_factory=list)
    """What it needs while it lasts."""
    is_required: bool = msgspec.field(default_factory=lambda: False)
    """Whether it must be chosen."""


class Resource(Record, frozen=True, kw_only=True):
    """What steps share while they last: a team, a port's berths."""

    resource: StepId
    """Its name."""
    capacity: Annotated[int, Meta(ge=1, le=2**63 - 1)]
    """How much of it there is at any time."""


class PlanRoadmap(Message, frozen=True, kw_only=True, tag="graph.roadmap"):
    """Asks `graph.roadmap` which steps to choose within the budget, when to start each, and how that may turn out."""

    TYPE: ClassVar[str] = "graph.roadmap"
    steps: list[RoadmapStep]
    """The steps."""
    resources: list[Resource] = msgspec.field(default_factory=lambda: [])
    """What they share."""
    budget_minor: Int64 | None = None
    """What all chosen steps may cost together, in minor units of account; left out, there is no limit."""
    runs: UInt32
    """How often to simulate; 0 for not at all."""
    seed: UInt64
    """Draws what happens in the runs: the same seed, the same answer."""
    risk_ppm: Int64
    """Value at risk is what the gain falls short of with this probability, in parts per million."""
    time_limit_ms: UInt32
    """When to stop and answer the best so far, in milliseconds of computing."""


class Placed(Record, frozen=True, kw_only=True):
    """A chosen step in its place. Days count from the start of the roadmap, 0."""

    step: StepId
    """The step."""
    start_day: Int64
    """The day on which it starts."""
    end_day: Int64
    """The day on which it is done, at its likeliest length."""
    slack_days: Int64
    """By how many days it can be late before the roadmap is, were resources no matter."""
    is_critical: bool
    """Whether it is on the critical path: the longest chain of dependencies."""
    criticality_ppm: Int64 | None = None
    """In how many runs of a million it was on the chain that set the end; left out without runs."""
    failure_minor: Int64 | None = None
    """What the mean gain would lose if this step failed for certain, and all that depends on it: estimated over the
    runs, in minor units of account; left out without runs.
    """


class Distribution(Record, frozen=True, kw_only=True):
    """A distribution over the runs."""

    mean: Int64
    """The mean, rounded down."""
    least: Int64
    """The least."""
    p5: Int64
    """What 5 % of the runs do not exceed."""
    p25: Int64
    """What 25 % of the runs do not exceed."""
    p50: Int64
    """The median."""
    p75: Int64
    """What 75 % of the runs do not exceed."""
    p95: Int64
    """What 95 % of the runs do not exceed."""
    most: Int64
    """The most."""


class Simulated(Record, frozen=True, kw_only=True):
    """How a roadmap turned out, over the runs."""

    runs: UInt32
    """How many runs there were: those asked for, unless time ran out."""
    gain_minor: Distribution
    """The net gain, in minor units of account."""
    end_day: Distribution
    """The day on which all was done or given up."""
    value_at_risk_minor: Int64
    """The net gain that a run falls short of with the probability asked about."""
    expected_shortfall_minor: Int64
    """The mean net gain of the runs up to that, rounded down."""
    loss_ppm: Int64
    """The share of runs that lost money, in parts per million."""


class Roadmap(Message, frozen=True, kw_only=True, tag="graph.planned"):
    """The answer of `graph.roadmap`."""

    TYPE: ClassVar[str] = "graph.planned"
    placed: list[Placed]
    """The chosen steps in the order of their start."""
    passed_over: list[StepId]
    """The steps that were not chosen."""
    expected_minor: Int64
    """What the choice brings in expectation at likeliest gains, costs off, in minor units of account, rounded down."""
    expected_bound_minor: Int64
    """No choice within the budget brings more."""
    cost_minor: Int64
    """What the choice costs, in minor units of account."""
    end_day: Int64
    """The day on which all is done, at likeliest lengths."""
    end_day_bound: Int64
    """No order of the chosen steps ends sooner."""
    critical_path: list[StepId]
    """The steps of a longest chain of dependencies, in order."""
    simulated: Simulated | None = None
    """How it may turn out; left out without runs."""
    took_ms: UInt32
    """Time spent, in milliseconds."""


Variable: TypeAlias = Annotated[str, Meta(pattern=r"^[A-Za-z][A-Za-z0-9_]{0,62}\Z")]
"""A letter, then at most 62 of A-Z, a-z, 0-9 and _."""


class Relation(enum.StrEnum):
    """How a polynomial compares with nought."""

    AT_LEAST = ">="
    """At least nought."""
    ABOVE = ">"
    """More than nought."""
    EQUAL = "="
    """Nought."""


class PolyTerm(Record, frozen=True, kw_only=True):
    """One term of a polynomial: a coefficient times a product of powers."""

    coef: Ratio
    """The coefficient, never nought."""
    powers: list[Annotated[list[UInt8], Meta(min_length=2, max_length=2)]] = msgspec.field(default_factory=list)
    """The powers as `[variable, exponent]`, sorted by variable, each once, exponents from 1; left out for a
    constant.
    """


class Constraint(Record, frozen=True, kw_only=True):
    """A polynomial compared with nought."""

    relation: Relation
    """How."""
    poly: list[PolyTerm]
    """The polynomial."""


class Claim(Message, frozen=True, kw_only=True, tag="claim"):
    """A statement: wherever every hypothesis holds, the goal holds. Named by the SHA-256 of its exact bytes."""

    TYPE: ClassVar[str] = "claim"
    variables: list[Variable]
    """The names of the variables, each once; all else refers to them by index."""
    hypotheses: list[Constraint]
    """What is given."""
    goal: Constraint
    """What follows from it."""
    witness: list[Ratio] = msgspec.field(default_factory=list)
    """A point at which every hypothesis holds, a coordinate for each variable: it shows that the claim says
    something. The claims of deals have one.
    """


class PositivePart(Record, frozen=True, kw_only=True):
    """The summand that is positive: a positive ratio times a product of strict constraints."""

    coef: Ratio
    """The ratio, more than 0."""
    factors: list[UInt16]
    """The strict constraints by index, sorted; one that stands twice counts twice."""


class SquareTerm(Record, frozen=True, kw_only=True):
    """A summand that is not negative: a positive ratio times a product of constraints times a square."""

    coef: Ratio
    """The ratio, more than 0."""
    factors: list[UInt16]
    """The constraints by index (≥ or >), sorted; one that stands twice counts twice."""
    square: list[PolyTerm] = msgspec.field(default_factory=list)
    """The polynomial that is squared; left out where it is 1."""


class EqualityTerm(Record, frozen=True, kw_only=True):
    """A summand that is nought: an equality times any polynomial."""

    index: UInt16
    """The equality by index."""
    poly: list[PolyTerm]
    """The polynomial, not nought."""


class NodeSplit(Record, frozen=True, kw_only=True, tag_field="type", tag="split"):
    """Two cases: the subtree that follows may use `on` ≥ 0, the one after it −`on` ≥ 0."""

    TYPE: ClassVar[str] = "split"
    on: list[PolyTerm]
    """The polynomial."""


class NodeLeaf(Record, frozen=True, kw_only=True, tag_field="type", tag="leaf"):
    """The constraints at hand contradict each other."""

    TYPE: ClassVar[str] = "leaf"
    positive: PositivePart
    """What is positive."""
    squares: list[SquareTerm]
    """What is not negative, sorted by factors and squares, none twice."""
    equalities: list[EqualityTerm]
    """What is nought, sorted by index, each once."""


class NodeIdentity(Record, frozen=True, kw_only=True, tag_field="type", tag="identity"):
    """The goal, an equality, is a combination of equalities."""

    TYPE: ClassVar[str] = "identity"
    equalities: list[EqualityTerm]
    """The summands, sorted by index, each once."""


Node: TypeAlias = NodeSplit | NodeLeaf | NodeIdentity
"""One node of a certificate's tree."""


class Certificate(Message, frozen=True, kw_only=True, tag="certificate"):
    """A proof of a claim."""

    TYPE: ClassVar[str] = "certificate"
    version: UInt16
    """1."""
    claim_hash: Hash
    """SHA-256 of the claim's exact bytes."""
    nodes: list[Node]
    """The tree in preorder: a split, then its two subtrees."""


class Counterexample(Message, frozen=True, kw_only=True, tag="counterexample"):
    """A point at which every hypothesis of a claim holds and its goal does not."""

    TYPE: ClassVar[str] = "counterexample"
    version: UInt16
    """1."""
    claim_hash: Hash
    """SHA-256 of the claim's exact bytes."""
    point: list[Ratio]
    """A coordinate for each variable of the claim."""


class CheckProof(Message, frozen=True, kw_only=True, tag="proof.check"):
    """Asks `proof.check`: does this evidence decide this claim?"""

    TYPE: ClassVar[str] = "proof.check"
    claim: bytes
    """The exact bytes of the claim."""
    certificate: bytes
    """The exact bytes of a certificate or a counterexample."""


class Verdict(enum.StrEnum):
    """What evidence decides."""

    PROVED = "proved"
    """The goal holds wherever the hypotheses do."""
    REFUTED = "refuted"
    """There is a point at which the hypotheses hold and the goal does not."""


class ProofChecked(Message, frozen=True, kw_only=True, tag="proof.checked"):
    """The answer of `proof.check`: the evidence holds. What does not is refused, with its node, leaf or term."""

    TYPE: ClassVar[str] = "proof.checked"
    claim_hash: Hash
    """SHA-256 of the claim's bytes."""
    verdict: Verdict
    """What is decided."""
    vacuous: bool
    """Whether the proof shows that the hypotheses alone contradict each other, so that the claim says nothing."""


class Prove(Message, frozen=True, kw_only=True, tag="gtp.prove"):
    """Asks `gtp.prove` for proofs or counterexamples. All claims of a deal come in one request."""

    TYPE: ClassVar[str] = "gtp.prove"
    claims: list[bytes]
    """The exact bytes of each claim."""
    budget_ms: UInt32
    """How long to search, all claims together, in milliseconds."""
    seed: UInt64
    """What randomness is derived from: the same seed and the same budget of work give the same answer."""


class Refute(Message, frozen=True, kw_only=True, tag="gtp.refute"):
    """Asks `gtp.refute` for counterexamples alone."""

    TYPE: ClassVar[str] = "gtp.refute"
    claims: list[bytes]
    """The exact bytes of each claim."""
    budget_ms: UInt32
    """How long to search, all claims together, in milliseconds."""
    seed: UInt64
    """What randomness is derived from: the same seed and the same budget of work give the same answer."""


class SearchVerdict(enum.StrEnum):
    """How a search ended."""

    PROVED = "proved"
    """With a certificate."""
    REFUTED = "refuted"
    """With a counterexample."""
    UNKNOWN = "unknown"
    """With neither."""


class SearchResult(Record, frozen=True, kw_only=True):
    """What a search found for one claim. Nobody need believe it: the evidence is to be checked."""

    claim_hash: Hash
    """SHA-256 of the claim's bytes."""
    verdict: SearchVerdict
    """How it ended."""
    evidence: bytes | None = None
    """The exact bytes of a certificate or a counterexample; left out where nothing is known."""
    took_ms: UInt32
    """Time spent on it, in milliseconds."""
    reason: str | None = None
    """Why nothing is known, or what came closest, for people."""


class ProveReply(Message, frozen=True, kw_only=True, tag="gtp.proved"):
    """The answer of `gtp.prove` and `gtp.refute`."""

    TYPE: ClassVar[str] = "gtp.proved"
    results: list[SearchResult]
    """A result for each claim, in the order of the request."""


class SearchProgress(Message, frozen=True, kw_only=True, tag="gtp.progress"):
    """How far a search is: what a request with `Hms-Job` tells of itself."""

    TYPE: ClassVar[str] = "gtp.progress"
    claim_hash: Hash
    """SHA-256 of the bytes of the claim that it is about."""
    leaf_programmes: UInt64
    """Linear and semidefinite programmes that were solved so far."""
    generations: UInt64
    """Generations of evolution so far."""
    took_ms: UInt64
    """Time spent so far, in milliseconds."""
    nearest: str
    """What came closest, for people."""


class ProverStatus(Message, frozen=True, kw_only=True, tag="gtp.status"):
    """Asks `gtp.status` what a prover is doing."""

    TYPE: ClassVar[str] = "gtp.status"


class ProverStanding(Message, frozen=True, kw_only=True, tag="gtp.standing"):
    """The answer of `gtp.status`."""

    TYPE: ClassVar[str] = "gtp.standing"
    running: UInt32
    """Searches that run now."""
    decided: UInt64
    """Claims decided since it started."""
    unknown: UInt64
    """Claims left unknown since it started."""
    from_cache: UInt64
    """Claims answered from the cache since it started, checked again."""
    lemmas: UInt32
    """Lemmas in its archive."""


class Movable(Record, frozen=True, kw_only=True):
    """A transfer that the terms may have, and how much it may move."""

    from_: AgentId = msgspec.field(name="from")
    """The giver."""
    to: AgentId
    """The receiver."""
    good: Good
    """The good."""
    least: Int64 = msgspec.field(default_factory=lambda: 0)
    """At least this much, in minor units; 0, the default, for a transfer that the terms may do without."""
    most: Quantity
    """At most this much, in minor units."""
    lot: Quantity | None = None
    """The lot that it comes in, in minor units; left out, any number of them."""
    due_unix_ms: Int64
    """When it must be there, in Unix milliseconds."""
    intent: IntentRef | None = None
    """The giver's intent that it fills, if any."""


class Cap(Record, frozen=True, kw_only=True):
    """How much of a good a party gives and takes at most, over all transfers together."""

    party: AgentId
    """The party."""
    good: Good
    """The good."""
    gives: Quantity | None = None
    """At most this much is given, in minor units; left out, no limit."""
    takes: Quantity | None = None
    """At most this much is taken, in minor units; left out, no limit."""


class Sought(Record, frozen=True, kw_only=True):
    """What terms are sought."""

    book: MarketId
    """The ledger's book."""
    delivery: Delivery
    """Whether commit settles, or receivers confirm."""
    expires_unix_ms: Int64
    """Until when the terms can be accepted, in Unix milliseconds."""
    transfers: list[Movable]
    """The transfers that they may have: one gene each."""
    caps: list[Cap] = msgspec.field(default_factory=list)
    """What parties give and take at most."""
    valuations: list[PartyValuation]
    """Each party's valuation. Whoever has one is a party."""


class Dropped(Record, frozen=True, kw_only=True):
    """An island that nobody could be found for any more, from this epoch on."""

    island: UInt32
    """The island, from 0."""
    epoch: UInt32
    """The first epoch that it did not complete, from 0."""


class Evolve(Message, frozen=True, kw_only=True, tag="genetic.evolve"):
    """Terms are evolved so: budgets are evaluations, so that the same request has the same answer."""

    TYPE: ClassVar[str] = "genetic.evolve"
    sought: Sought
    """What terms are sought."""
    seed: UInt64 = msgspec.field(default_factory=lambda: 0)
    """The seed of all its chance."""
    evaluations: UInt64 = msgspec.field(default_factory=lambda: 40000)
    """How many terms are evaluated, over all islands. Rounded down to whole generations, at least one on each
    island.
    """
    population: UInt32 = msgspec.field(default_factory=lambda: 100)
    """Terms in an island's population."""
    islands: UInt32 = msgspec.field(default_factory=lambda: 1)
    """Populations that evolve apart, each on its own processor where there are as many, and send each other
    migrants.
    """
    epoch_generations: UInt32 = msgspec.field(default_factory=lambda: 25)
    """Generations from one migration to the next."""
    migrants: UInt32 = msgspec.field(default_factory=lambda: 5)
    """Terms that each island sends to the next in an epoch."""
    dropped: list[Dropped] = msgspec.field(default_factory=list)
    """Islands that are to be dropped, as an earlier run had to: with them it is repeated exactly."""
    time_limit_ms: UInt32 | None = None
    """How long it may compute, in milliseconds; left out, until the budget is spent. What the clock cuts says so."""


class Candidate(Record, frozen=True, kw_only=True):
    """Terms that were found."""

    terms: Terms
    """The terms."""
    parties: list[PartyWorth]
    """What they are worth to each party, exactly, in the order of the terms."""
    welfare_minor: Int64
    """Σ of the central gains, in minor units of account."""


class IslandReport(Record, frozen=True, kw_only=True):
    """How an island fared."""

    evaluations: UInt64
    """Terms that it evaluated."""
    hypervolume_ppm: list[Int64]
    """The hypervolume of its front after each generation, as a share of the box from no gain to the most that each
    party could gain, in parts per million. Computed up to three parties, beyond that estimated over a thousand
    points.
    """


class Cut(enum.StrEnum):
    """Why a search ended before its budget was spent."""

    STOPPED = "stopped"
    """It was cancelled, or its deadline passed."""
    TIME_LIMIT = "time_limit"
    """Its own time limit passed."""


class Kept(Record, frozen=True, kw_only=True):
    """An object of the bus's object store."""

    bucket: str
    """The bucket."""
    name: str
    """The object's name there."""
    size_bytes: UInt64
    """Its size, in bytes: a body of type `genetic.evolved`."""
    hash: Hash
    """Its SHA-256."""
    candidates: UInt64
    """Terms in its front."""


class Evolved(Message, frozen=True, kw_only=True, tag="genetic.evolved"):
    """The answer of `genetic.evolve`."""

    TYPE: ClassVar[str] = "genetic.evolved"
    front: list[Candidate]
    """Terms with which every party is satisfied, and of which none is better for everybody than another: in the
    order of falling welfare. Empty where none were found.
    """
    hypervolume_ppm: Int64
    """The front's hypervolume, as in `IslandReport::hypervolume_ppm`."""
    evaluations: UInt64
    """Terms that were evaluated, over all islands."""
    islands: list[IslandReport]
    """Island by island."""
    dropped: list[Dropped] = msgspec.field(default_factory=list)
    """Islands that were dropped."""
    cut: Cut | None = None
    """Why it ended before its budget was spent; then, and only then, the same request may have another answer."""
    kept: Kept | None = None
    """Where the whole answer is kept, when it is too large for a message: then `front` holds only its first ones,
    and `islands` nothing.
    """


class EvolutionProgress(Message, frozen=True, kw_only=True, tag="genetic.progress"):
    """How far a search is: what a job tells of itself."""

    TYPE: ClassVar[str] = "genetic.progress"
    island: UInt32
    """The island that tells."""
    generation: UInt64
    """Its generations so far."""
    evaluations: UInt64
    """Terms that it has evaluated so far."""
    hypervolume_ppm: Int64
    """The hypervolume of its front, as in `IslandReport::hypervolume_ppm`."""
    front: list[list[Int64]]
    """Its front: what each party gains, in the order of the terms' parties, in minor units of account, about."""


class ShowResult(Message, frozen=True, kw_only=True, tag="genetic.result"):
    """Asks `genetic.result` for the answer of a job: of a search that carried `Hms-Job`."""

    TYPE: ClassVar[str] = "genetic.result"
    job: JobId
    """The job."""


class Epoch(Message, frozen=True, kw_only=True, tag="genetic.epoch"):
    """Asks `genetic.epoch` for one epoch of one island. All that the epoch depends on is here, so that whoever
    repeats it repeats it exactly.
    """

    TYPE: ClassVar[str] = "genetic.epoch"
    evolve: Evolve
    """The search."""
    island: UInt32
    """The island, from 0."""
    epoch: UInt32
    """The epoch, from 0."""
    population: list[list[Int64]] = msgspec.field(default_factory=list)
    """Its population after the epoch before; empty in the first."""
    migrants: list[list[Int64]] = msgspec.field(default_factory=list)
    """What the island before it sent after the epoch before; empty in the first, or where that one was dropped."""


class EpochDone(Message, frozen=True, kw_only=True, tag="genetic.epoch.done"):
    """The answer of `genetic.epoch`, and an island's checkpoint."""

    TYPE: ClassVar[str] = "genetic.epoch.done"
    population: list[list[Int64]]
    """The population after the epoch."""
    migrants: list[list[Int64]]
    """What it sends to the next island."""
    evaluations: UInt64
    """Terms that the epoch evaluated."""
    hypervolume_ppm: list[Int64]
    """The hypervolume after each of its generations, as in `IslandReport::hypervolume_ppm`."""
    cut: bool = msgspec.field(default_factory=lambda: False)
    """Whether it was told to stop before its end: then it is none that may be built on."""


class Checkpoint(Message, frozen=True, kw_only=True, tag="genetic.checkpoint"):
    """An entry of an island's log: a checkpoint, or that the island was dropped."""

    TYPE: ClassVar[str] = "genetic.checkpoint"
    search: Hash
    """The SHA-256 of the search, as `genetic.evolve`: a job that is asked for again with another search starts anew."""
    epoch: UInt32
    """The epoch."""
    done: EpochDone | None = None
    """Where the island stands after it; left out where the island was dropped."""


class Enact(Message, frozen=True, kw_only=True, tag="ledger.enact"):
    """Turns a book's import certificates on, or changes their rules: a signed move of the authority to
    `ledger.enact`. The market's declaration must state the same rules.
    """

    TYPE: ClassVar[str] = "ledger.enact"
    move_id: MoveId
    """Makes asking again safe."""
    deadline_unix_ms: Int64
    """Not to be decided after this time, in Unix milliseconds."""
    book: MarketId
    """The book."""
    rules: ImportRules
    """The rules."""


class Revoke(Message, frozen=True, kw_only=True, tag="ledger.revoke"):
    """Revokes certificates that somebody holds: a signed move of the authority to `ledger.revoke`. What is spent,
    expired or on its way in a deal can't be revoked.
    """

    TYPE: ClassVar[str] = "ledger.revoke"
    move_id: MoveId
    """Makes asking again safe."""
    deadline_unix_ms: Int64
    """Not to be decided after this time, in Unix milliseconds."""
    book: MarketId
    """The book."""
    party: AgentId
    """Whose certificates."""
    quantity: Quantity
    """How many."""
    lot_unix_ms: Int64 | None = None
    """Only of the lot that ends at this time, in Unix milliseconds; left out, those that end first."""
    reason: str
    """Why, for people."""


class Recorded(Message, frozen=True, kw_only=True, tag="ledger.recorded"):
    """The answer to `Enact` and `Revoke`: the move is in the book's log."""

    TYPE: ClassVar[str] = "ledger.recorded"
    book: MarketId
    """The book."""
    move_id: MoveId
    """The move."""


class CertificateEvent(Message, frozen=True, kw_only=True, tag="ledger.certificate"):
    """An entry of a book's log of certificates: a move of the authority, or a deal that was delivered. Commits and
    compensations stand in the deals' logs, and change certificates too.
    """

    TYPE: ClassVar[str] = "ledger.certificate"
    book: MarketId
    """The book."""
    turn: UInt32
    """The entry's number; the first is 0."""
    prev: Hash
    """SHA-256 of the exact body of the entry before; zeros for the first."""
    at_unix_ms: Int64
    """When, in Unix milliseconds."""
    cause: Signed | None = None
    """The signed move, when a move is why."""
    deal: DealId | None = None
    """The deal whose delivery was confirmed, when that is why: its exports are verified."""


class CertificatesRequest(Message, frozen=True, kw_only=True, tag="ledger.certificates"):
    """Asks `ledger.certificates`."""

    TYPE: ClassVar[str] = "ledger.certificates"
    book: MarketId
    """The book."""
    party: AgentId | None = None
    """What one party holds only."""


class LotLine(Record, frozen=True, kw_only=True):
    """One lot: issued = outstanding + spent + expired + revoked, each at least 0."""

    expires_unix_ms: Int64
    """When it ends, in Unix milliseconds."""
    issued: Int64
    """For verified exports."""
    outstanding: Int64
    """Held, or on its way in a deal."""
    spent: Int64
    """On imports."""
    expired: Int64
    """Neither spent nor revoked when it ended."""
    revoked: Int64
    """By the authority."""


class HoldingLine(Record, frozen=True, kw_only=True):
    """What a party holds of a lot and may spend, in minor units of account."""

    party: AgentId
    """The party."""
    expires_unix_ms: Int64
    """The lot."""
    quantity: Int64
    """How much."""


class Lots(Message, frozen=True, kw_only=True, tag="ledger.lots"):
    """The answer of `ledger.certificates`."""

    TYPE: ClassVar[str] = "ledger.lots"
    book: MarketId
    """The book."""
    rules: ImportRules | None = None
    """Its rules; left out where it keeps no certificates."""
    at_unix_ms: Int64
    """The time of the book's log, in Unix milliseconds: what has ended is decided by it."""
    lots: list[LotLine]
    """Every lot, by its end."""
    holdings: list[HoldingLine]
    """Who holds what, by party and lot."""


class Limit(Record, frozen=True, kw_only=True):
    """How much of a good a party may give in a book, all told."""

    good: Good
    """The good."""
    quantity: Annotated[int, Meta(ge=0, le=2**63 - 1)]
    """What it may give more than it has received, in minor units; 0 takes the limit back."""


class Declare(Message, frozen=True, kw_only=True, tag="ledger.declare"):
    """Declares limits: a signed move to `ledger.declare`. It replaces the limits of the goods that it names and
    leaves the others. Undeclared goods have limit 0.
    """

    TYPE: ClassVar[str] = "ledger.declare"
    move_id: MoveId
    """Makes asking again safe."""
    deadline_unix_ms: Int64
    """Not to be decided after this time, in Unix milliseconds."""
    book: MarketId
    """The book."""
    limits: list[Limit]
    """The limits."""


class Declared(Message, frozen=True, kw_only=True, tag="ledger.declared"):
    """The answer to `Declare`: the limits that now hold for the goods named."""

    TYPE: ClassVar[str] = "ledger.declared"
    book: MarketId
    """The book."""
    move_id: MoveId
    """The move."""
    limits: list[Limit]
    """The limits."""


class LimitEvent(Message, frozen=True, kw_only=True, tag="ledger.limit"):
    """A declaration as the log keeps it."""

    TYPE: ClassVar[str] = "ledger.limit"
    book: MarketId
    """The book."""
    agent: AgentId
    """Whose limits."""
    turn: UInt32
    """The entry's number in the agent's limits log; the first is 0."""
    prev: Hash
    """SHA-256 of the exact body of the entry before; zeros for the first."""
    at_unix_ms: Int64
    """When, in Unix milliseconds."""
    cause: Signed
    """The signed declaration."""


class Cursor(Message, frozen=True, kw_only=True, tag="ledger.cursor"):
    """How far a book has been written. Every batch of the ledger carries it under compare-and-set: that is the
    fence, and a writer that lost its place fails there.
    """

    TYPE: ClassVar[str] = "ledger.cursor"
    book: MarketId
    """The book."""
    turn: UInt32
    """The entry's number; the first is 0."""
    applied_through: UInt64
    """Every entry of the log up to this stream sequence is taken into account."""
    state_hash: Hash
    """The hash chain over everything posted: `H(before ‖ subject ‖ 0x00 ‖ SHA-256(entry))`."""


class BalanceRequest(Message, frozen=True, kw_only=True, tag="ledger.balance"):
    """Asks `ledger.balance`."""

    TYPE: ClassVar[str] = "ledger.balance"
    book: MarketId
    """The book."""
    party: AgentId | None = None
    """One party only."""


class BalanceLine(Record, frozen=True, kw_only=True):
    """One line of the book."""

    party: AgentId
    """The party."""
    good: Good
    """The good."""
    balance: Int64
    """Received − given, in minor units."""
    limit: Int64
    """The declared limit, in minor units."""


class Balances(Message, frozen=True, kw_only=True, tag="ledger.balances"):
    """The answer of `ledger.balance`."""

    TYPE: ClassVar[str] = "ledger.balances"
    book: MarketId
    """The book."""
    applied_through: UInt64
    """How far the log is applied."""
    state_hash: Hash
    """See `Cursor`."""
    lines: list[BalanceLine]
    """The lines, by party and good."""


class TradeBalanceRequest(Message, frozen=True, kw_only=True, tag="trade_balance.balance"):
    """Asks `trade_balance.balance`: what do these transfers sum to?"""

    TYPE: ClassVar[str] = "trade_balance.balance"
    transfers: list[Transfer]
    """The transfers."""


class Bilateral(Record, frozen=True, kw_only=True):
    """What one party gave another, net, of one good."""

    a: AgentId
    """The party with the smaller id."""
    b: AgentId
    """The other."""
    good: Good
    """The good."""
    net: Int64
    """What a gave b less what b gave a, in minor units."""


class Multilateral(Record, frozen=True, kw_only=True):
    """What one party received less what it gave, of one good."""

    party: AgentId
    """The party."""
    good: Good
    """The good."""
    received: Int64
    """Received, in minor units."""
    given: Int64
    """Given, in minor units."""
    balance: Int64
    """Received − given."""


class TradeBalanceReply(Message, frozen=True, kw_only=True, tag="trade_balance.balanced"):
    """The answer of `trade_balance.balance`. For each good the multilateral balances sum to 0."""

    TYPE: ClassVar[str] = "trade_balance.balanced"
    bilateral: list[Bilateral]
    """Pair by pair and good by good, where it is not 0."""
    multilateral: list[Multilateral]
    """Party by party and good by good."""


Skill: TypeAlias = Annotated[str, Meta(pattern=r"^[a-z0-9_-]{1,63}\Z")]
"""1 to 63 of a-z, 0-9, _ and -."""


class Panel(Record, frozen=True, kw_only=True):
    """How many must find a result right."""

    asked: UInt32
    """How many are asked at first."""
    lead: UInt32
    """By how many verdicts one side must lead."""


class Task(Record, frozen=True, kw_only=True):
    """One task of a job."""

    task: TaskId
    """Its name, unique in its job."""
    needs: list[TaskId] = msgspec.field(default_factory=list)
    """Tasks that must be done before it is announced."""
    skill: Skill
    """What whoever does it must be able to do; it is called on a subject of this name."""
    wanted: list[Skill] = msgspec.field(default_factory=list)
    """Skills that count in favour of a bid."""
    brief: str
    """What is to be done, in whatever words doer and verifiers understand."""
    budget_minor: Annotated[int, Meta(ge=0, le=2**63 - 1)]
    """The most that it may cost, in minor units of what the job pays in, or of account."""
    panel: Panel | None = None
    """Who judges the result; nobody does where this is left out."""
    gate: bool = msgspec.field(default_factory=lambda: False)
    """Whether a gatekeeper must approve the result before it counts."""


class JobRules(Record, frozen=True, kw_only=True):
    """How long things may take in a job, and what counts in an award."""

    bid_ms: UInt32 = msgspec.field(default_factory=lambda: 1000)
    """How long bids are taken, in milliseconds; longer each time that nobody bids."""
    enough_bids: UInt32 = msgspec.field(default_factory=lambda: 5)
    """With so many bids the award is made at once."""
    lease_ms: UInt32 = msgspec.field(default_factory=lambda: 10000)
    """How long a worker may be silent, in milliseconds."""
    work_ms: UInt32 = msgspec.field(default_factory=lambda: 600000)
    """How long a worker has in all, in milliseconds."""
    judge_ms: UInt32 = msgspec.field(default_factory=lambda: 30000)
    """How long a verifier has, in milliseconds."""
    gate_ms: UInt32 = msgspec.field(default_factory=lambda: 86400000)
    """How long the gate waits, in milliseconds. Silence is no."""
    attempts: UInt32 = msgspec.field(default_factory=lambda: 10)
    """How often a task may come to nothing until the job fails."""
    price_ppm: UInt32 = msgspec.field(default_factory=lambda: 400000)
    """What a low price counts in an award, in parts per million; the three together make a million."""
    reputation_ppm: UInt32 = msgspec.field(default_factory=lambda: 400000)
    """What the bidder's reputation counts."""
    skills_ppm: UInt32 = msgspec.field(default_factory=lambda: 200000)
    """What the share of wanted skills counts."""
    least_reputation_ppb: UInt32 = msgspec.field(default_factory=lambda: 250000000)
    """The least reputation to bid with, in parts per billion. A newcomer has a half, and loses an eighth of what it
    has with each promise that it breaks: so many come to nothing until it gets no more.
    """


class Pay(Record, frozen=True, kw_only=True):
    """In what a job pays: each award is a deal then."""

    book: MarketId
    """The ledger's book."""
    good: Good
    """The good that prices are in, in its minor units. No task is called under a skill of this name: what a worker
    gives in return is, in the book, one unit of its skill.
    """


class SubmitJob(Message, frozen=True, kw_only=True, tag="task.submit"):
    """Submits a job."""

    TYPE: ClassVar[str] = "task.submit"
    move_id: MoveId
    """Makes asking again safe; with the supervisor it makes the job's id."""
    deadline_unix_ms: Int64
    """Not to be decided after this time, in Unix milliseconds."""
    tasks: list[Task]
    """Its tasks."""
    verifiers: list[AgentId] = msgspec.field(default_factory=list)
    """Who may be asked to judge results, sorted, each once."""
    gatekeepers: list[AgentId] = msgspec.field(default_factory=list)
    """Who answers at the gate, sorted, each once."""
    rules: JobRules = msgspec.field(default_factory=lambda: JobRules())
    """How long things may take, and what counts in an award."""
    expires_unix_ms: Int64
    """When the job fails that is not finished, in Unix milliseconds."""
    more: bool = msgspec.field(default_factory=lambda: False)
    """Whether tasks may still be added; a job without more ends when all its tasks are done."""
    pay: Pay | None = None
    """In what it pays; without it, an award is a promise and nothing is posted."""


class AddTasks(Message, frozen=True, kw_only=True, tag="task.add"):
    """Adds tasks to a job that runs."""

    TYPE: ClassVar[str] = "task.add"
    move_id: MoveId
    """Makes asking again safe."""
    deadline_unix_ms: Int64
    """Not to be decided after this time, in Unix milliseconds."""
    job: JobId
    """The job."""
    tasks: list[Task]
    """The tasks."""
    part_of: TaskId | None = None
    """The task that they are parts of: it is announced only after they are done."""
    more: bool = msgspec.field(default_factory=lambda: False)
    """Whether more may come after them."""


class BidTask(Message, frozen=True, kw_only=True, tag="task.bid"):
    """Offers to do a task."""

    TYPE: ClassVar[str] = "task.bid"
    move_id: MoveId
    """Makes asking again safe."""
    deadline_unix_ms: Int64
    """Not to be decided after this time, in Unix milliseconds."""
    job: JobId
    """The job."""
    task: TaskId
    """The task."""
    round: UInt32
    """Which announcement it answers; the first is 1."""
    price_minor: Annotated[int, Meta(ge=0, le=2**63 - 1)]
    """For how much, in minor units of what the job pays in, or of account."""
    skills: list[Skill] = msgspec.field(default_factory=list)
    """What the bidder says it can do."""


class DeclineTask(Message, frozen=True, kw_only=True, tag="task.decline"):
    """Gives a task back that one was awarded."""

    TYPE: ClassVar[str] = "task.decline"
    move_id: MoveId
    """Makes asking again safe."""
    deadline_unix_ms: Int64
    """Not to be decided after this time, in Unix milliseconds."""
    job: JobId
    """The job."""
    task: TaskId
    """The task."""
    round: UInt32
    """Which announcement."""
    reason: str
    """Why."""
    deal: DealId | None = None
    """The deal that was to pay for it, where that came to nothing."""


class ReportProgress(Message, frozen=True, kw_only=True, tag="task.progress"):
    """Says that one is at work, and how far: renews the lease."""

    TYPE: ClassVar[str] = "task.progress"
    move_id: MoveId
    """Makes asking again safe."""
    deadline_unix_ms: Int64
    """Not to be decided after this time, in Unix milliseconds."""
    job: JobId
    """The job."""
    task: TaskId
    """The task."""
    round: UInt32
    """Which announcement."""
    done_ppm: UInt32
    """How far it is, in parts per million."""


class KeptResult(Record, frozen=True, kw_only=True):
    """An object of the bus's object store that holds a result."""

    bucket: str
    """The bucket."""
    name: str
    """The object's name there."""
    size_bytes: UInt64
    """Its size, in bytes."""
    hash: Hash
    """Its SHA-256."""


class DeliverTask(Message, frozen=True, kw_only=True, tag="task.deliver"):
    """Hands in a result."""

    TYPE: ClassVar[str] = "task.deliver"
    move_id: MoveId
    """Makes asking again safe."""
    deadline_unix_ms: Int64
    """Not to be decided after this time, in Unix milliseconds."""
    job: JobId
    """The job."""
    task: TaskId
    """The task."""
    round: UInt32
    """Which announcement."""
    result: bytes
    """The result, or what is to be said of one that is kept elsewhere."""
    kept: KeptResult | None = None
    """Where a large result is kept."""


class JudgeTask(Message, frozen=True, kw_only=True, tag="task.judge"):
    """A verifier's verdict on a result."""

    TYPE: ClassVar[str] = "task.judge"
    move_id: MoveId
    """Makes asking again safe."""
    deadline_unix_ms: Int64
    """Not to be decided after this time, in Unix milliseconds."""
    job: JobId
    """The job."""
    task: TaskId
    """The task."""
    result_hash: Hash
    """SHA-256 of the body of the move that delivered the result."""
    right: bool
    """Whether it is right."""
    reason: str
    """Why."""


class AnswerGate(Message, frozen=True, kw_only=True, tag="task.answer"):
    """A gatekeeper's answer."""

    TYPE: ClassVar[str] = "task.answer"
    move_id: MoveId
    """Makes asking again safe."""
    deadline_unix_ms: Int64
    """Not to be decided after this time, in Unix milliseconds."""
    job: JobId
    """The job."""
    task: TaskId
    """The task."""
    result_hash: Hash
    """SHA-256 of the body of the move that delivered the result."""
    approve: bool
    """Whether the result may count."""
    reason: str
    """Why."""


class CancelJob(Message, frozen=True, kw_only=True, tag="task.cancel"):
    """Ends an own job."""

    TYPE: ClassVar[str] = "task.cancel"
    move_id: MoveId
    """Makes asking again safe."""
    deadline_unix_ms: Int64
    """Not to be decided after this time, in Unix milliseconds."""
    job: JobId
    """The job."""
    reason: str
    """Why."""


class JobState(enum.StrEnum):
    """Where a job stands."""

    RUNNING = "running"
    """It runs."""
    FINISHED = "finished"
    """All is done. An end."""
    FAILED = "failed"
    """It cannot be finished. An end."""
    CANCELLED = "cancelled"
    """Its supervisor ended it. An end."""


class TaskMoved(Message, frozen=True, kw_only=True, tag="task.moved"):
    """The answer to a move in a job. The same id with the same body gets the same answer, whenever it is asked."""

    TYPE: ClassVar[str] = "task.moved"
    job: JobId
    """The job."""
    move_id: MoveId
    """The move."""
    state: JobState
    """The job's state after the move."""
    turn: UInt32
    """The number of the event that records the move; the first is 0."""


class ShowJob(Message, frozen=True, kw_only=True, tag="task.show"):
    """Asks `task.show` for a job that the asker has to do with."""

    TYPE: ClassVar[str] = "task.show"
    job: JobId
    """The job."""


class TaskState(enum.StrEnum):
    """Where a task stands."""

    WAITING = "waiting"
    """What it needs is not done."""
    ANNOUNCED = "announced"
    """Bids are taken."""
    AWARDED = "awarded"
    """Somebody is at work."""
    JUDGED = "judged"
    """The result is being judged."""
    GATED = "gated"
    """The result waits at the gate."""
    DONE = "done"
    """Done."""


class TaskLine(Record, frozen=True, kw_only=True):
    """A task as it is shown."""

    task: TaskId
    """The task."""
    state: TaskState
    """Where it stands."""
    round: UInt32
    """How often it was announced."""
    agent: AgentId | None = None
    """Who does it, or did."""
    done_ppm: UInt32 | None = None
    """How far it is, in parts per million."""
    deal: DealId | None = None
    """The deal that pays for it."""


class JobShown(Message, frozen=True, kw_only=True, tag="task.shown"):
    """A job as those see it who have to do with it."""

    TYPE: ClassVar[str] = "task.shown"
    job: JobId
    """The job."""
    state: JobState
    """Where it stands."""
    supervisor: AgentId
    """Who submitted it."""
    expires_unix_ms: Int64
    """When it fails that is not finished, in Unix milliseconds."""
    tasks: list[TaskLine]
    """Its tasks, in the order in which they came."""
    rule: str | None = None
    """The rule by which it failed."""
    turns: UInt32
    """How many events it has."""


class TaskWord(enum.StrEnum):
    """What happened in a job, as a word."""

    SUBMITTED = "submitted"
    """The job came."""
    ADDED = "added"
    """Tasks were added."""
    ANNOUNCED = "announced"
    """Tasks were announced: bids are taken until a time."""
    BID = "bid"
    """An agent bid for a task."""
    AWARDED = "awarded"
    """A task was awarded to an agent, under a lease."""
    DECLINED = "declined"
    """The agent gave it back."""
    PROGRESSED = "progressed"
    """The agent is at work: its lease is longer."""
    LAPSED = "lapsed"
    """The agent's lease ran out."""
    DELIVERED = "delivered"
    """The agent handed in a result, which these agents are to judge."""
    JUDGED = "judged"
    """A verifier judged."""
    SILENT = "silent"
    """Verifiers said nothing in time."""
    WIDENED = "widened"
    """More verifiers were asked."""
    GATED = "gated"
    """The result waits at the gate."""
    ANSWERED = "answered"
    """A gatekeeper answered."""
    DONE = "done"
    """A task is done."""
    REFUTED = "refuted"
    """A result was found wrong."""
    FINISHED = "finished"
    """All tasks are done. The job's end."""
    FAILED = "failed"
    """The job cannot be finished. Its end."""
    CANCELLED = "cancelled"
    """The supervisor ended the job."""


class TaskEvent(Message, frozen=True, kw_only=True, tag="task.event"):
    """One entry of a job's log. Fields that a word has no use for are left out."""

    TYPE: ClassVar[str] = "task.event"
    job: JobId
    """The job."""
    turn: UInt32
    """The entry's number; the first is 0."""
    prev: Hash
    """SHA-256 of the exact body of the entry before; zeros for the first."""
    at_unix_ms: Int64
    """When it was written, in Unix milliseconds, by the writer's clock."""
    what: TaskWord
    """What happened."""
    tasks: list[TaskId] = msgspec.field(default_factory=list)
    """To which tasks."""
    agent: AgentId | None = None
    """Whom it is about: bidder, doer, verifier, gatekeeper."""
    verifiers: list[AgentId] = msgspec.field(default_factory=list)
    """Verifiers: those asked or silent; at a task's end those who had judged as it came out."""
    mistaken: list[AgentId] = msgspec.field(default_factory=list)
    """At a task's end, verifiers who had judged otherwise."""
    until_unix_ms: Int64 | None = None
    """Until when what was begun may last, in Unix milliseconds."""
    measure_ppb: UInt32 | None = None
    """In parts per billion: of a bid, the bidder's reputation when it bid; of an award, what the bid came to by the
    job's weights.
    """
    rule: str | None = None
    """The rule that decided, a stable word."""
    deal: DealId | None = None
    """Of an award and of a task's end: the deal that pays for it."""
    deal_turns: UInt32 | None = None
    """Of a task that was given back because no deal had paid for it, or so it was said: how many entries that deal's
    log had.
    """
    cause: Signed | None = None
    """The signed move that caused it, when a move did."""
    trace: str | None = None
    """The W3C trace context of the move."""


class TaskInput(Record, frozen=True, kw_only=True):
    """What another task brought."""

    task: TaskId
    """The task."""
    result: bytes
    """Its result."""
    kept: KeptResult | None = None
    """Where it is kept, if it is large."""


class AwardDeal(Record, frozen=True, kw_only=True):
    """The deal that an award determines: whoever supervises the job opens it with this move and these terms."""

    deal: DealId
    """The deal."""
    move_id: MoveId
    """The id of the move that opens it."""
    terms: bytes
    """The exact bytes of its terms."""


class TaskNote(Message, frozen=True, kw_only=True, tag="note.task"):
    """What somebody hears of a job: written in the same atomic batch as the event."""

    TYPE: ClassVar[str] = "note.task"
    job: JobId
    """The job."""
    event: TaskWord
    """What happened."""
    turn: UInt32
    """The number of the event."""
    at_unix_ms: Int64
    """When, in Unix milliseconds."""
    supervisor: AgentId
    """Who submitted the job."""
    task: TaskId | None = None
    """The task that it is about."""
    round: UInt32 | None = None
    """Which announcement of it."""
    agent: AgentId | None = None
    """The agent that it is about: the doer, the verifier, the gatekeeper."""
    brief: str | None = None
    """What is to be done or judged."""
    inputs: list[TaskInput] = msgspec.field(default_factory=list)
    """What the tasks brought that it needs."""
    result: TaskInput | None = None
    """The result."""
    result_hash: Hash | None = None
    """The hash that a verdict on it names."""
    until_unix_ms: Int64 | None = None
    """Until when the receiver has time, in Unix milliseconds."""
    rule: str | None = None
    """The rule that decided, a stable word."""
    award: AwardDeal | None = None
    """Of an award and of a task that is done: the deal that pays for it."""


class CalledTask(Record, frozen=True, kw_only=True):
    """A task that is open to bids."""

    task: TaskId
    """The task."""
    round: UInt32
    """Which announcement of it."""
    wanted: list[Skill] = msgspec.field(default_factory=list)
    """Skills that count in favour of a bid."""
    brief: str
    """What is to be done."""
    budget_minor: Annotated[int, Meta(ge=0, le=2**63 - 1)]
    """The most that it may cost, in minor units of what the job pays in, or of account."""


class TaskCall(Message, frozen=True, kw_only=True, tag="task.call"):
    """Tasks that are open to bids of whoever has a skill: written in the same atomic batch as the event."""

    TYPE: ClassVar[str] = "task.call"
    job: JobId
    """The job."""
    supervisor: AgentId
    """Who submitted it."""
    skill: Skill
    """The skill."""
    until_unix_ms: Int64
    """Until when bids are taken, in Unix milliseconds."""
    tasks: list[CalledTask]
    """The tasks."""
    pay: Pay | None = None
    """In what the job pays, if it does."""


class Reputation(Message, frozen=True, kw_only=True, tag="reputation"):
    """An agent's standing as the bucket `HMS_REPUTATION` shows it, in JSON: the fold of the logs of jobs and of
    deals.
    """

    TYPE: ClassVar[str] = "reputation"
    agent: AgentId
    """The agent."""
    reputation_ppb: UInt32
    """What came of its promises in jobs and in deals, in parts per billion: a half for a newcomer."""
    kept: UInt64
    """Promises kept: tasks done, verdicts that came out so, deliveries confirmed."""
    broken: UInt64
    """Promises broken: results found wrong, leases run out, tasks given back, verdicts mistaken or missing,
    deliveries that never came.
    """
    sequence: UInt64
    """The last entry of `HMS_TASKS` that counts in it; 0 for none."""
    deal_sequence: UInt64 = msgspec.field(default_factory=lambda: 0)
    """The last entry of `HMS_DEALS` that counts in it; 0 for none."""


class Hello(Message, frozen=True, kw_only=True, tag="registry.hello"):
    """Asks `registry.hello`, unsigned: what does a newcomer need to know?"""

    TYPE: ClassVar[str] = "registry.hello"


PublicKey: TypeAlias = Annotated[str, Meta(pattern=r"^[AU][A-Z2-7]{55}\Z")]
"""The public NKey of an account (A…) or a user (U…)."""


class Welcome(Message, frozen=True, kw_only=True, tag="registry.welcome"):
    """The answer to `Hello`."""

    TYPE: ClassVar[str] = "registry.welcome"
    account: PublicKey
    """The account that `Agent-Sender` headers name."""
    schema: str
    """The version of the wire contract."""
    now_unix_ms: Int64
    """The registry's clock, in Unix milliseconds."""
    max_body_bytes: UInt32
    """Largest body that endpoints read, in bytes."""


class Register(Message, frozen=True, kw_only=True, tag="registry.register"):
    """Registers an agent, or renews its lease: a signed request to `registry.register`. The first to come holds the
    id; a new key must be signed for by the old one.
    """

    TYPE: ClassVar[str] = "registry.register"
    agent: AgentId
    """The agent."""
    key: PublicKey
    """Its key from now on."""
    kind: PartyKind = msgspec.field(default_factory=lambda: PartyKind.CORPORATE)
    """What kind of party it is."""
    capabilities: list[str] = msgspec.field(default_factory=list)
    """What it can do, for others to find."""
    subjects: list[str] = msgspec.field(default_factory=list)
    """Subjects that it answers on."""
    lease_ms: Int64
    """How long it counts as here without renewing, in milliseconds."""


class Registered(Message, frozen=True, kw_only=True, tag="registry.registered"):
    """The answer to `Register`."""

    TYPE: ClassVar[str] = "registry.registered"
    agent: AgentId
    """The agent."""
    lease_until_unix_ms: Int64
    """When its lease ends, in Unix milliseconds."""
    inbox_sequence: UInt64
    """The last sequence of its inbox: what comes after is new."""


class Leave(Message, frozen=True, kw_only=True, tag="registry.leave"):
    """Leaves: a signed request to `registry.leave`. The key history stays."""

    TYPE: ClassVar[str] = "registry.leave"
    agent: AgentId
    """The agent."""


class Done(Message, frozen=True, kw_only=True, tag="done"):
    """Nothing more to say than that it is done."""

    TYPE: ClassVar[str] = "done"


class AgentRecord(Message, frozen=True, kw_only=True, tag="agent"):
    """An agent as the bucket `HMS_AGENTS` shows it, in JSON."""

    TYPE: ClassVar[str] = "agent"
    agent: AgentId
    """The agent."""
    key: PublicKey
    """Its key."""
    kind: PartyKind = msgspec.field(default_factory=lambda: PartyKind.CORPORATE)
    """What kind of party it is."""
    capabilities: list[str] = msgspec.field(default_factory=lambda: [])
    """What it can do."""
    subjects: list[str] = msgspec.field(default_factory=lambda: [])
    """Subjects that it answers on."""
    lease_until_unix_ms: Int64
    """When its lease ends, in Unix milliseconds."""


class Find(Message, frozen=True, kw_only=True, tag="registry.find"):
    """Asks `registry.find`: who is here?"""

    TYPE: ClassVar[str] = "registry.find"
    agent: AgentId | None = None
    """This agent only."""
    capability: str | None = None
    """Those with this capability only."""


class Found(Message, frozen=True, kw_only=True, tag="registry.found"):
    """The answer to `Find`."""

    TYPE: ClassVar[str] = "registry.found"
    agents: list[AgentRecord]
    """The agents, by id; no more than fit a body."""
    total: UInt32
    """How many there are in all."""


class KeyEvent(Message, frozen=True, kw_only=True, tag="key.event"):
    """One entry of an agent's permanent key history."""

    TYPE: ClassVar[str] = "key.event"
    agent: AgentId
    """The agent, or the core."""
    turn: UInt32
    """The entry's number; the first is 0."""
    prev: Hash
    """SHA-256 of the exact body of the entry before; zeros for the first."""
    at_unix_ms: Int64
    """When, in Unix milliseconds."""
    key: PublicKey
    """The key from now on."""
    cause: Signed | None = None
    """The signed request: by the key itself for the first, by the one before for the others. Left out for a core's
    own key, where the entry is signed by the key itself.
    """


class Send(Message, frozen=True, kw_only=True, tag="registry.send"):
    """Sends a message to an agent's durable inbox: a signed request to `registry.send`."""

    TYPE: ClassVar[str] = "registry.send"
    move_id: MoveId
    """Makes asking again safe: the inbox takes it once within two minutes."""
    to: AgentId
    """To whom."""
    body: bytes
    """The body, of whatever type the two understand."""


class DirectMessage(Message, frozen=True, kw_only=True, tag="note.message"):
    """A message from an agent, as the inbox keeps it."""

    TYPE: ClassVar[str] = "note.message"
    from_: AgentId = msgspec.field(name="from")
    """From whom."""
    at_unix_ms: Int64
    """When, in Unix milliseconds."""
    cause: Signed
    """The signed request that sent it."""


class ReadInbox(Message, frozen=True, kw_only=True, tag="registry.inbox"):
    """Reads an own inbox: a signed request to `registry.inbox`."""

    TYPE: ClassVar[str] = "registry.inbox"
    agent: AgentId
    """Whose."""
    after_sequence: UInt64
    """Only what came after this sequence."""
    limit: Annotated[int, Meta(ge=1, le=256)]
    """At most this many."""


class InboxEntry(Record, frozen=True, kw_only=True):
    """One entry of an inbox."""

    sequence: UInt64
    """Its sequence in `HMS_INBOX`."""
    body: bytes
    """The exact body."""


class InboxPage(Message, frozen=True, kw_only=True, tag="registry.page"):
    """The answer to `ReadInbox`."""

    TYPE: ClassVar[str] = "registry.page"
    entries: list[InboxEntry]
    """The entries, oldest first."""
    more: bool
    """Whether there are more."""


class SnapshotPointer(Message, frozen=True, kw_only=True, tag="snapshot.pointer"):
    """Which chunks a snapshot consists of, and what it is a snapshot of."""

    TYPE: ClassVar[str] = "snapshot.pointer"
    core: AgentId
    """Whose state."""
    sequence: UInt64
    """The stream sequence of the last entry that the state takes into account."""
    entry: Hash
    """SHA-256 of that entry's exact body."""
    slot: Annotated[int, Meta(ge=0, le=1)]
    """The slot that the chunks are in: 0 or 1."""
    chunks: UInt32
    """How many chunks there are."""
    hash: Hash
    """SHA-256 over the SHA-256 of each chunk's content, in order."""
    at_unix_ms: Int64
    """When it was taken, in Unix milliseconds."""


class SnapshotChunk(Message, frozen=True, kw_only=True, tag="snapshot.chunk"):
    """A piece of a snapshot."""

    TYPE: ClassVar[str] = "snapshot.chunk"
    sequence: UInt64
    """The sequence of the snapshot that it belongs to."""
    number: UInt32
    """Its number, from 0."""
    content: bytes
    """What the core wrote."""


class Mover(enum.StrEnum):
    """Who makes a move."""

    OPENER = "opener"
    """Whoever opened the deal."""
    PARTY = "party"
    """Any party."""
    RECEIVER = "receiver"
    """A party that receives something in the terms."""
    DESK = "desk"
    """The desk itself, when a time has come or nothing is left to wait for."""
    LEDGER = "ledger"
    """The ledger."""


class Verb(enum.StrEnum):
    """What can move a deal."""

    OPEN = "open"
    """Opens without terms."""
    OPEN_WITH_TERMS = "open_with_terms"
    """Opens with terms."""
    PROPOSE = "propose"
    """Puts terms on the table."""
    COUNTER = "counter"
    """Puts other terms on the table."""
    ACCEPT = "accept"
    """Accepts, others still missing."""
    ACCEPT_LAST = "accept_last"
    """Accepts as the last."""
    REJECT = "reject"
    """Says no."""
    WITHDRAW = "withdraw"
    """Takes the deal back."""
    CONFIRM = "confirm"
    """Confirms delivery, others still missing."""
    CONFIRM_LAST = "confirm_last"
    """Confirms as the last."""
    CERTIFY = "certify"
    """Finds every required claim proved."""
    COMMIT = "commit"
    """Posts."""
    COMMIT_IMMEDIATE = "commit_immediate"
    """Posts what is delivered at once."""
    REFUSE = "refuse"
    """Refuses."""
    EXPIRE = "expire"
    """Ends what ran out of time."""
    FAIL = "fail"
    """Notes a missed due date."""
    COMPENSATE = "compensate"
    """Takes back on the books what had failed."""


MESSAGES: tuple[type[Message], ...] = (
    ErrorReply,
    Terms,
    Open,
    Propose,
    Counter,
    Accept,
    Reject,
    Withdraw,
    Confirm,
    Moved,
    Show,
    Shown,
    Alternating,
    ContractNet,
    IteratedContractNet,
    SingleText,
    TalkOffer,
    TalkAccept,
    TalkEnd,
    TalkCall,
    TalkBid,
    TalkDecline,
    TalkAward,
    TalkRevise,
    TalkText,
    TalkVote,
    TalkResult,
    DealEvent,
    DealNote,
    Digest,
    ValueRequest,
    ValueReply,
    AnalyzeRequest,
    AnalyzeReply,
    Divide,
    Divided,
    PathRequest,
    PathReply,
    CertificateMarket,
    CertificatePrice,
    ReturnRequest,
    ReturnReply,
    Market,
    Intent,
    IntentWithdrawn,
    ShowMarket,
    Why,
    Because,
    Clear,
    Cleared,
    Clearing,
    Net,
    Netted,
    AnalyzeNetwork,
    NetworkAnalyzed,
    PlanRoadmap,
    Roadmap,
    Claim,
    Certificate,
    Counterexample,
    CheckProof,
    ProofChecked,
    Prove,
    Refute,
    ProveReply,
    SearchProgress,
    ProverStatus,
    ProverStanding,
    Evolve,
    Evolved,
    EvolutionProgress,
    ShowResult,
    Epoch,
    EpochDone,
    Checkpoint,
    Enact,
    Revoke,
    Recorded,
    CertificateEvent,
    CertificatesRequest,
    Lots,
    Declare,
    Declared,
    LimitEvent,
    Cursor,
    BalanceRequest,
    Balances,
    TradeBalanceRequest,
    TradeBalanceReply,
    SubmitJob,
    AddTasks,
    BidTask,
    DeclineTask,
    ReportProgress,
    DeliverTask,
    JudgeTask,
    AnswerGate,
    CancelJob,
    TaskMoved,
    ShowJob,
    JobShown,
    TaskEvent,
    TaskNote,
    TaskCall,
    Reputation,
    Hello,
    Welcome,
    Register,
    Registered,
    Leave,
    Done,
    AgentRecord,
    Find,
    Found,
    KeyEvent,
    Send,
    DirectMessage,
    ReadInbox,
    InboxPage,
    SnapshotPointer,
    SnapshotChunk,
)
"""Every message."""
