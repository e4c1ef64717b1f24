"""The cores in this process, without a bus.

::

    from hms_a2a import cores, wire

    pot = wire.Pot(
        amount_minor=100,
        claimants=[wire.Claimant(party="kenya", most_minor=80), wire.Claimant(party="egypt", most_minor=40)],
    )
    cores.divide(wire.Divide(rule=wire.Rule.LEXIMIN, pot=pot)).shares

They are the same cores as behind the bus, in Rust, and answer the same bytes with the same bytes: what
`Agent.call` gets from the service `trade_balance`, `cores.divide` gets here. A request that breaks the contract raises
`BadWire` before anything is computed, one that a core refuses raises the `ErrorReply` that the service would have
answered; both name the `field`. Other threads of Python run while a core computes.

Each function takes a message of `hms_a2a.wire` and returns one.
"""

from __future__ import annotations

from typing import TypeVar

from hms_a2a import _wire as wire
from hms_a2a._codec import decode, encode, type_of
from hms_a2a._errors import ErrorReply
from hms_a2a._limits import MAX_CLEARING_BODY_BYTES

try:
    from hms_a2a import _native
except ImportError as missing:
    raise ImportError("the cores are not built for this Python: run `make build`") from missing

__all__ = [
    "agreement_return",
    "analyze",
    "analyze_network",
    "balance",
    "certificate_price",
    "check_proof",
    "clear",
    "divide",
    "evolve",
    "net",
    "path",
    "plan_roadmap",
    "value",
]

R = TypeVar("R", bound=wire.Message)


def value(request: wire.ValueRequest) -> wire.ValueReply:
    """What terms are worth to each party."""
    return _ask(request, wire.ValueReply)


def analyze(request: wire.AnalyzeRequest) -> wire.AnalyzeReply:
    """Who gains what by component, who is not satisfied, and the least change that would satisfy everyone."""
    return _ask(request, wire.AnalyzeReply)


def divide(request: wire.Divide) -> wire.Divided:
    """Who gets what of a pot, of the gains of terms, or of a game, by a stated rule."""
    return _ask(request, wire.Divided)


def balance(request: wire.TradeBalanceRequest) -> wire.TradeBalanceReply:
    """What transfers sum to, pair by pair and party by party."""
    return _ask(request, wire.TradeBalanceReply)


def path(request: wire.PathRequest) -> wire.PathReply:
    """How balances and deficits move over time."""
    return _ask(request, wire.PathReply)


def certificate_price(request: wire.CertificateMarket) -> wire.CertificatePrice:
    """At which price import certificates change hands, and how many."""
    return _ask(request, wire.CertificatePrice)


def agreement_return(request: wire.ReturnRequest) -> wire.ReturnReply:
    """The weighted agreement return: a figure for reports."""
    return _ask(request, wire.ReturnReply)


def clear(request: wire.Clear) -> wire.Cleared:
    """The best set of exchange rings among offers."""
    return _ask(request, wire.Cleared)


def net(request: wire.Net) -> wire.Netted:
    """The same net positions with less moving."""
    return _ask(request, wire.Netted)


def plan_roadmap(request: wire.PlanRoadmap) -> wire.Roadmap:
    """Which deals of a programme to make, and when."""
    return _ask(request, wire.Roadmap)


def analyze_network(request: wire.AnalyzeNetwork) -> wire.NetworkAnalyzed:
    """The shape of a network: its pieces, its brokers, what each agent's failure would cut."""
    return _ask(request, wire.NetworkAnalyzed)


def evolve(request: wire.Evolve) -> wire.Evolved:
    """Terms of which none is better for everybody than another, found within bounds."""
    return _ask(request, wire.Evolved)


def check_proof(request: wire.CheckProof) -> wire.ProofChecked:
    """What a certificate or a counterexample decides of a claim; refused where it is no evidence for it."""
    return _ask(request, wire.ProofChecked)


def _ask(request: wire.Message, kind: type[R]) -> R:
    body = _native.call(request.TYPE, encode(request))
    if type_of(body, MAX_CLEARING_BODY_BYTES) == wire.ErrorReply.TYPE:
        raise ErrorReply.of(decode(body, wire.ErrorReply))
    return decode(body, kind, MAX_CLEARING_BODY_BYTES)
