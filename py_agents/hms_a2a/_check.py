"""Rules over several fields, which no type of `_wire` can say. The crate `schemas` checks the same, in the same order.

Each check raises `BadWire` with the field at fault and the reason.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, TypeVar

from hms_a2a import _check_genetic as genetic
from hms_a2a import _check_graph as graph
from hms_a2a import _check_import as imports
from hms_a2a import _check_negotiation as negotiation
from hms_a2a import _check_proof as proofs
from hms_a2a import _check_task as tasks
from hms_a2a import _check_value as worth
from hms_a2a import _wire as wire
from hms_a2a._check_parts import text as _text
from hms_a2a._check_parts import under, unique
from hms_a2a._errors import BadWire
from hms_a2a._keys import is_public
from hms_a2a._limits import (
    MAX_ALTERNATIVES,
    MAX_CLAIMANTS,
    MAX_CLAIMS,
    MAX_COALITIONS,
    MAX_DIGEST_ITEMS,
    MAX_EVALUATIONS,
    MAX_GAME_PLAYERS,
    MAX_GOODS,
    MAX_INBOX_PAGE,
    MAX_INTENTS,
    MAX_LEASE_MS,
    MAX_PARTIES,
    MAX_PERIODS,
    MAX_SAMPLES,
    MAX_SNAPSHOT_CHUNKS,
    MAX_TRANSFERS,
    PPM,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from fractions import Fraction

M = TypeVar("M", bound=wire.Message)


def check(message: wire.Message) -> None:
    """Check a message. Raises `BadWire`."""
    rule = _RULES.get(type(message))
    if rule is not None:
        rule(message)


def _terms(terms: wire.Terms) -> None:
    _parties(terms.parties)
    if not 1 <= len(terms.transfers) <= MAX_TRANSFERS:
        raise BadWire("transfers", f"1 to {MAX_TRANSFERS} transfers")
    parties = set(terms.parties)
    for index, transfer in enumerate(terms.transfers):
        place = f"transfers[{index}]"
        for field, who in (("from", transfer.from_), ("to", transfer.to)):
            if who not in parties:
                raise BadWire(f"{place}.{field}", f"{who} is not a party")
        if transfer.from_ == transfer.to:
            raise BadWire(f"{place}.to", "gives to itself")
        if transfer.due_unix_ms < terms.expires_unix_ms:
            raise BadWire(f"{place}.due_unix_ms", "due before the terms expire")
    busy = {transfer.from_ for transfer in terms.transfers} | {transfer.to for transfer in terms.transfers}
    idle = [party for party in terms.parties if party not in busy]
    if idle:
        raise BadWire("parties", f"{idle[0]} neither gives nor receives")


def _parties(parties: Sequence[str]) -> None:
    if not 2 <= len(parties) <= MAX_PARTIES:
        raise BadWire("parties", f"2 to {MAX_PARTIES} parties")
    if any(a >= b for a, b in pairwise(parties)):
        raise BadWire("parties", "must be sorted, each once")


def _open(message: wire.Open) -> None:
    if len(message.requires) > MAX_CLAIMS:
        raise BadWire("requires", f"at most {MAX_CLAIMS} claims")
    _parties(message.parties)


def _accept(message: wire.Accept) -> None:
    worth.valuation(message.valuation, "valuation")
    unique((holding.good for holding in message.holdings), "holdings")


def _reason(message: wire.Reject | wire.Withdraw) -> None:
    _text(message.reason, "reason")


def _shown(message: wire.Shown) -> None:
    if message.terms is not None:
        with under("terms."):
            _terms(message.terms)


# --- what goods are worth -------------------------------------------------------------------------------------------


def _valuations(message: wire.ValueRequest | wire.AnalyzeRequest | wire.Bargain) -> None:
    with under("terms."):
        _terms(message.terms)
    unique((stated.party for stated in message.valuations), "valuations")
    for index, stated in enumerate(message.valuations):
        worth.valuation(stated.valuation, f"valuations[{index}].valuation")


def _analyze(message: wire.AnalyzeRequest) -> None:
    _valuations(message)
    if message.room is not None:
        _room(message.room, message.terms, "room")


def _room(room: wire.Room, terms: wire.Terms, field: str) -> None:
    if len(room.spans) > MAX_TRANSFERS:
        raise BadWire(f"{field}.spans", f"at most {MAX_TRANSFERS} spans")
    unique((str(span.transfer) for span in room.spans), f"{field}.spans")
    for index, span in enumerate(room.spans):
        place = f"{field}.spans[{index}]"
        if span.transfer >= len(terms.transfers):
            raise BadWire(f"{place}.transfer", f"there is no transfer {span.transfer}")
        if span.least > span.most:
            raise BadWire(f"{place}.most", f"least {span.least} exceeds most {span.most}")
    due = room.payment.due_unix_ms if room.payment is not None else None
    if due is not None and due < terms.expires_unix_ms:
        raise BadWire(f"{field}.payment.due_unix_ms", "due before the terms expire")


# --- dividing, and trade over time ----------------------------------------------------------------------------------


def _divide(message: wire.Divide) -> None:
    if sum(what is not None for what in (message.pot, message.bargain, message.game)) != 1:
        raise BadWire("rule", "give one of pot, bargain and game to divide")
    if message.pot is not None:
        _pot(message.pot)
    if message.bargain is not None:
        bargain = message.bargain
        with under("bargain."):
            _valuations(bargain)
        _room(bargain.room, bargain.terms, "bargain.room")
        unique((weight.party for weight in bargain.weights), "bargain.weights")
        _weights([weight.weight for weight in bargain.weights], "bargain.weights")
    if message.game is not None:
        _game(message.game)
    if message.samples is not None and not 2 <= message.samples <= MAX_SAMPLES:
        raise BadWire("samples", f"2 to {MAX_SAMPLES} samples")
    if message.confidence_ppm is not None and not PPM // 2 <= message.confidence_ppm < PPM:
        raise BadWire("confidence_ppm", "at least 500000 and less than 1000000 ppm")


def _pot(pot: wire.Pot) -> None:
    if not 1 <= len(pot.claimants) <= MAX_CLAIMANTS:
        raise BadWire("pot.claimants", f"1 to {MAX_CLAIMANTS} claimants")
    _each_once([claimant.party for claimant in pot.claimants], "pot.claimants")
    for index, claimant in enumerate(pot.claimants):
        if claimant.most_minor is not None and claimant.most_minor < claimant.least_minor:
            reason = f"least {claimant.least_minor} exceeds most {claimant.most_minor}"
            raise BadWire(f"pot.claimants[{index}].most_minor", reason)
    _weights([claimant.weight for claimant in pot.claimants], "pot.claimants")


def _weights(weights: Sequence[Fraction | None], field: str) -> None:
    for index, weight in enumerate(weights):
        if weight is not None and weight <= 0:
            raise BadWire(f"{field}[{index}].weight", "must be more than 0")


def _game(game: wire.Game) -> None:
    if not 1 <= len(game.players) <= MAX_GAME_PLAYERS:
        raise BadWire("game.players", f"1 to {MAX_GAME_PLAYERS} players")
    _each_once(game.players, "game.players")
    if len(game.coalitions) > MAX_COALITIONS:
        raise BadWire("game.coalitions", f"at most {MAX_COALITIONS} coalitions")
    for index, number in enumerate(game.numbers):
        if number < 0:
            raise BadWire(f"game.numbers[{index}]", "must not be negative")
    listed = game.kind in (wire.GameKind.LISTED, wire.GameKind.AGREEMENTS)
    if len(game.numbers) != (0 if listed else len(game.players)):
        reason = "this kind of game has coalitions, not numbers" if listed else "one for each player"
        raise BadWire("game.numbers", reason)
    if not listed and game.coalitions:
        raise BadWire("game.coalitions", "this kind of game has numbers, not coalitions")
    needs_total = game.kind in (wire.GameKind.VOTING, wire.GameKind.ESTATE)
    if (game.total is not None) != needs_total or (game.total is not None and game.total < 0):
        raise BadWire(
            "game.total", "the quota or the estate, at least 0" if needs_total else "this kind of game has none"
        )
    if game.kind is wire.GameKind.GLOVES and any(number > 1 for number in game.numbers):
        raise BadWire("game.numbers", "1 for a left glove, 0 for a right one")
    if game.allocation and len(game.allocation) != len(game.players):
        raise BadWire("game.allocation", "one for each player")


def _each_once(names: Sequence[str], field: str) -> None:
    seen = set()
    for index, name in enumerate(names):
        if name in seen:
            raise BadWire(f"{field}[{index}]", f"{name} stands twice")
        seen.add(name)


def _path(message: wire.PathRequest) -> None:
    if sum(len(commit.transfers) for commit in message.commits) > MAX_TRANSFERS * 1000:
        raise BadWire("commits", f"at most {MAX_TRANSFERS * 1000} transfers")
    unique((price.good for price in message.prices), "prices")
    for index, price in enumerate(message.prices):
        if price.price < 0:
            raise BadWire(f"prices[{index}].price", "must not be negative")
    if message.period_ms <= 0:
        raise BadWire("period_ms", "must be positive")
    if not 1 <= message.periods <= MAX_PERIODS:
        raise BadWire("periods", f"1 to {MAX_PERIODS} periods")


def _certificates(message: wire.CertificateMarket) -> None:
    if len(message.orders) > MAX_INTENTS:
        raise BadWire("orders", f"at most {MAX_INTENTS} orders")
    for index, order in enumerate(message.orders):
        if order.limit < 0:
            raise BadWire(f"orders[{index}].limit", "must not be negative")


def _return(message: wire.ReturnRequest) -> None:
    if not 1 <= len(message.indicators) <= MAX_GOODS:
        raise BadWire("indicators", f"1 to {MAX_GOODS} indicators")
    unique((indicator.name for indicator in message.indicators), "indicators")
    for index, indicator in enumerate(message.indicators):
        for field, text in (("name", indicator.name), ("unit", indicator.unit)):
            _text(text, f"indicators[{index}].{field}")
            if not text:
                raise BadWire(f"indicators[{index}].{field}", "must say something")
        if indicator.baseline == 0:
            raise BadWire(f"indicators[{index}].baseline", "must not be 0: there would be nothing to compare with")
        if not -PPM <= indicator.weight_ppm <= PPM:
            raise BadWire(f"indicators[{index}].weight_ppm", "a weight is -1000000 to 1000000 ppm")
    if sum(abs(indicator.weight_ppm) for indicator in message.indicators) != PPM:
        raise BadWire("indicators", "the weights' sizes must sum to 1000000 ppm")


# --- markets and clearing -------------------------------------------------------------------------------------------


def _market(market: wire.Market) -> None:
    unique((spec.good for spec in market.goods), "goods")
    for index, spec in enumerate(market.goods):
        if spec.reference_price is not None and spec.reference_price <= 0:
            raise BadWire(f"goods[{index}].reference_price", "must be positive")
    worth.bounds(market.band, "band")
    worth.margin(market.margin_ppm, "margin_ppm")
    _ring_length(market.max_ring)
    for field in ("clear_every_ms", "time_limit_ms", "accept_within_ms"):
        if getattr(market, field) == 0:
            raise BadWire(field, "must be positive")
    if market.deliver_within_ms < 0:
        raise BadWire("deliver_within_ms", "must not be negative")
    if market.division in (wire.Rule.SHAPLEY, wire.Rule.CORE):
        raise BadWire("division", "leximin, nash or proportional: the gains of a ring are no game")
    if market.evolve is not None:
        if market.division is None:
            raise BadWire("division", "state the rule by which the gains of evolved terms are divided")
        if not 1 <= market.evolve <= MAX_EVALUATIONS:
            raise BadWire("evolve", f"1 to {MAX_EVALUATIONS} evaluations")
    imports.market(market)


def _ring_length(max_ring: int) -> None:
    if not 2 <= max_ring <= MAX_PARTIES:
        raise BadWire("max_ring", f"2 to {MAX_PARTIES} parties")


def _offer(offer: wire.Intent | wire.Offer) -> None:
    unique((give.good for give in offer.gives), "gives")
    for index, give in enumerate(offer.gives):
        worth.bounds(give.cost, f"gives[{index}].cost")
    if len(offer.wants) > MAX_GOODS:
        raise BadWire("wants", f"at most {MAX_GOODS} wants")
    least_cost: dict[str, Fraction] = {give.good: give.cost.lo for give in offer.gives}
    for index, want in enumerate(offer.wants):
        if not 1 <= len(want.any_of) <= MAX_ALTERNATIVES:
            raise BadWire(f"wants[{index}].any_of", f"1 to {MAX_ALTERNATIVES} alternatives")
        seen = set()
        for at, alternative in enumerate(want.any_of):
            place = f"wants[{index}].any_of[{at}]"
            worth.bounds(alternative.value, f"{place}.value")
            if alternative.good in seen:
                raise BadWire(place, f"{alternative.good} stands twice")
            seen.add(alternative.good)
            cost = least_cost.get(alternative.good)
            if cost is not None and alternative.value.hi > cost:
                reason = f"{alternative.good} is also given: it must be worth no more than it costs"
                raise BadWire(f"{place}.value", reason)
    worth.margin(offer.margin_ppm, "margin_ppm")
    worth.outlook(offer.outlook, "outlook")


def _clear(message: wire.Clear) -> None:
    unique((spec.good for spec in message.goods), "goods")
    if len(message.offers) > MAX_INTENTS:
        raise BadWire("offers", f"at most {MAX_INTENTS} offers")
    _ring_length(message.max_ring)
    graph.chain_length(message)
    worth.margin(message.margin_ppm, "margin_ppm")
    if message.time_limit_ms == 0:
        raise BadWire("time_limit_ms", "must be positive")
    seen = set()
    for index, offer in enumerate(message.offers):
        with under(f"offers[{index}]."):
            if offer.agent in seen:
                raise BadWire("agent", f"{offer.agent} stands twice")
            seen.add(offer.agent)
            _offer(offer)
    if message.band is not None:
        worth.bounds(message.band, "band")


def _clearing(message: wire.Clearing) -> None:
    if message.request is not None:
        with under("request."):
            _clear(message.request)


# --- the ledger and the registry ------------------------------------------------------------------------------------


def _declare(message: wire.Declare) -> None:
    unique((limit.good for limit in message.limits), "limits")


def _balance(message: wire.TradeBalanceRequest) -> None:
    most = MAX_TRANSFERS * 1000
    if len(message.transfers) > most:
        raise BadWire("transfers", f"at most {most} transfers")


def _key(key: str, field: str) -> None:
    if not is_public(key):
        raise BadWire(field, "not the public NKey of an account (A…) or a user (U…)")


def _welcome(message: wire.Welcome) -> None:
    _key(message.account, "account")


def _keyed(message: wire.AgentRecord | wire.KeyEvent) -> None:
    _key(message.key, "key")


def _found(message: wire.Found) -> None:
    for index, record in enumerate(message.agents):
        _key(record.key, f"agents[{index}].key")


def _register(message: wire.Register) -> None:
    _key(message.key, "key")
    if not 1 <= message.lease_ms <= MAX_LEASE_MS:
        raise BadWire("lease_ms", f"1 to {MAX_LEASE_MS} ms")
    for field, texts in (("capabilities", message.capabilities), ("subjects", message.subjects)):
        if len(texts) > MAX_GOODS:
            raise BadWire(field, f"at most {MAX_GOODS} entries")
        for index, text in enumerate(texts):
            _text(text, f"{field}[{index}]")


def _read_inbox(message: wire.ReadInbox) -> None:
    if not 1 <= message.limit <= MAX_INBOX_PAGE:
        raise BadWire("limit", f"1 to {MAX_INBOX_PAGE}")


def _snapshot(pointer: wire.SnapshotPointer) -> None:
    if pointer.slot > 1:
        raise BadWire("slot", "is 0 or 1")
    if pointer.chunks > MAX_SNAPSHOT_CHUNKS:
        raise BadWire("chunks", f"at most {MAX_SNAPSHOT_CHUNKS} chunks")


def _digest(digest: wire.Digest) -> None:
    if digest.through < digest.after:
        raise BadWire("through", "is not before after")
    if len(digest.events) > MAX_DIGEST_ITEMS:
        raise BadWire("events", f"at most {MAX_DIGEST_ITEMS} events")
    if len(digest.offers) > MAX_DIGEST_ITEMS:
        raise BadWire("offers", f"at most {MAX_DIGEST_ITEMS} offers")


# --- by type ----------------------------------------------------------------------------------------------------------


_RULES: dict[type[wire.Message], Callable[[wire.Message], None]] = {}


def _rule(kind: type[M], rule: Callable[[M], None]) -> None:
    _RULES[kind] = rule  # type: ignore[assignment] # looked up by the message's own type


_rule(wire.Terms, _terms)
_rule(wire.Open, _open)
_rule(wire.Accept, _accept)
_rule(wire.Reject, _reason)
_rule(wire.Withdraw, _reason)
_rule(wire.Shown, _shown)
_rule(wire.Alternating, negotiation.alternating)
_rule(wire.ContractNet, negotiation.contract_net)
_rule(wire.IteratedContractNet, negotiation.iterated_contract_net)
_rule(wire.SingleText, negotiation.single_text)
_rule(wire.TalkOffer, negotiation.outcome)
_rule(wire.TalkEnd, negotiation.reason)
_rule(wire.TalkCall, negotiation.call)
_rule(wire.TalkBid, negotiation.outcome)
_rule(wire.TalkDecline, negotiation.reason)
_rule(wire.TalkAward, negotiation.award)
_rule(wire.TalkRevise, negotiation.revise)
_rule(wire.TalkText, negotiation.voted)
_rule(wire.TalkResult, negotiation.voted)
_rule(wire.ValueRequest, _valuations)
_rule(wire.AnalyzeRequest, _analyze)
_rule(wire.Divide, _divide)
_rule(wire.PathRequest, _path)
_rule(wire.CertificateMarket, _certificates)
_rule(wire.ReturnRequest, _return)
_rule(wire.Market, _market)
_rule(wire.Intent, _offer)
_rule(wire.Clear, _clear)
_rule(wire.Clearing, _clearing)
_rule(wire.Net, graph.net)
_rule(wire.PlanRoadmap, graph.roadmap)
_rule(wire.AnalyzeNetwork, graph.network)
_rule(wire.Evolve, genetic.evolve)
_rule(wire.Epoch, genetic.epoch)
_rule(wire.Claim, proofs.claim)
_rule(wire.Certificate, proofs.certificate)
_rule(wire.Counterexample, proofs.counterexample)
_rule(wire.Prove, proofs.searched)
_rule(wire.Refute, proofs.searched)
_rule(wire.SearchProgress, lambda progress: _text(progress.nearest, "nearest"))
_rule(wire.Declare, _declare)
_rule(wire.Enact, imports.enact)
_rule(wire.Revoke, imports.revoke)
_rule(wire.CertificateEvent, imports.certificate)
_rule(wire.TradeBalanceRequest, _balance)
_rule(wire.SubmitJob, tasks.submit)
_rule(wire.AddTasks, tasks.add)
_rule(wire.BidTask, tasks.bid)
_rule(wire.DeclineTask, tasks.reason)
_rule(wire.ReportProgress, tasks.progress)
_rule(wire.DeliverTask, tasks.deliver)
_rule(wire.JudgeTask, tasks.reason)
_rule(wire.AnswerGate, tasks.reason)
_rule(wire.CancelJob, tasks.reason)
_rule(wire.Welcome, _welcome)
_rule(wire.AgentRecord, _keyed)
_rule(wire.KeyEvent, _keyed)
_rule(wire.Found, _found)
_rule(wire.Register, _register)
_rule(wire.ReadInbox, _read_inbox)
_rule(wire.SnapshotPointer, _snapshot)
_rule(wire.Digest, _digest)
