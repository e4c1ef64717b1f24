"""What an agent does of its own accord: come, state, decide, confirm, insist, leave. The cores are stand-ins."""

from __future__ import annotations

import asyncio
import functools
import hashlib
from fractions import Fraction
from typing import TYPE_CHECKING

import pytest

from hms_a2a import (
    Agent,
    Conflict,
    Deal,
    Disconnected,
    ErrorReply,
    Forbidden,
    Give,
    Host,
    Internal,
    Late,
    NoResponders,
    NoTerms,
    Refused,
    TimedOut,
    Want,
    wire,
)
from hms_a2a import _subjects as subjects
from hms_a2a._codec import decode, encode
from hms_a2a._deal import deal_id
from hms_a2a._signing import system_clock

if TYPE_CHECKING:
    from conftest import Asked, Cores, MakeAgent
    from real_bus import Broker, Eventually

DEAL = deal_id("maker", "m1")
GIVES = [Give("wheat", 100, cost=20)]
WANTS = [Want("coffee", 50, value=90)]


def make_terms(wheat: int = 40, coffee: int = 10, expires_in_ms: int = 30_000) -> wire.Terms:
    expires = system_clock() + expires_in_ms

    def transfer(giver: str, taker: str, good: str, units: int) -> wire.Transfer:
        return wire.Transfer(from_=giver, to=taker, good=good, quantity=units, due_unix_ms=expires)

    return wire.Terms(
        book="bazaar",
        parties=["ghana", "kenya"],
        transfers=[transfer("kenya", "ghana", "wheat", wheat), transfer("ghana", "kenya", "coffee", coffee)],
        delivery=wire.Delivery.CONFIRMED,
        expires_unix_ms=expires,
    )


def make_note(
    terms: wire.Terms | None,
    event: str = "opened",
    state: wire.State = wire.State.NEGOTIATING,
    turn: int = 0,
    deal: str = DEAL,
    reason: str | None = None,
) -> wire.DealNote:
    return wire.DealNote(
        deal=deal,
        event=event,
        state=state,
        turn=turn,
        at_unix_ms=0,
        book="bazaar",
        opener="maker",
        profile=wire.Profile.RING_1,
        terms=encode(terms) if terms else None,
        reason=reason,
    )


def trader(make_agent: MakeAgent, **more: object) -> Agent:
    agent = make_agent("kenya")
    agent.join("bazaar", gives=GIVES, wants=WANTS, **more)  # type: ignore[arg-type]
    return agent


async def test_it_registers_declares_and_states_what_it_gives_and_wants(cores: Cores, make_agent: MakeAgent) -> None:
    kenya = make_agent("kenya", kind="ngo", capabilities=["trade"])
    place = kenya.join("bazaar", gives=[Give("wheat", 100, cost=("39/2", 20))], wants=WANTS, margin_ppm=5)
    async with kenya:
        assert (await place).sequence == place.sequence
        assert place.is_standing
    kinds = [asked.body.TYPE for asked in cores.asked]
    assert kinds == [
        "registry.hello",
        "registry.register",
        "maker.market",
        "ledger.balance",
        "ledger.declare",
        "intent",
        "intent.withdrawn",
        "registry.leave",
    ]
    register, declare, intent = (cores.of(k)[0] for k in ("registry.register", "ledger.declare", "intent"))
    assert isinstance(register.body, wire.Register)
    assert (register.body.kind, register.body.capabilities, register.body.key) == ("ngo", ["trade"], kenya.key)
    assert isinstance(declare.body, wire.Declare)
    assert declare.body.limits == [wire.Limit(good="wheat", quantity=100)]
    assert isinstance(intent.body, wire.Intent)
    assert (intent.body.margin_ppm, intent.body.outlook.kind) == (5, "ngo")
    assert intent.subject == subjects.intent("bazaar", "kenya")
    for asked in cores.asked[1:]:
        assert asked.sender is not None, asked.body.TYPE
        assert (asked.sender.name, asked.sender.user, asked.sender.account) == ("kenya", kenya.key, cores.account)


async def test_it_accepts_what_is_good_for_it_and_says_what_it_is_worth(
    cores: Cores, make_agent: MakeAgent, eventually: Eventually
) -> None:
    terms = make_terms()
    async with trader(make_agent, margin_ppm=1000):
        await cores.tell("kenya", 1, make_note(terms))
        await eventually(lambda: cores.of("deal.accept"))
    asked = cores.of("deal.accept")[0]
    assert asked.subject == subjects.deal_move("accept", "kenya", DEAL)
    accept = asked.body
    assert isinstance(accept, wire.Accept)
    assert accept.terms_hash == hashlib.sha256(encode(terms)).digest()
    assert accept.deadline_unix_ms == terms.expires_unix_ms
    assert accept.valuation.margin_ppm == 1000
    assert [(v.good, v.value) for v in accept.valuation.values] == [("coffee", bounds(90))]
    assert [(c.good, c.cost) for c in accept.valuation.costs] == [("wheat", bounds(20))]


def bounds(value: int) -> wire.Bounds:
    return wire.Bounds(lo=Fraction(value), hi=Fraction(value))


@pytest.mark.parametrize(
    ("terms", "more", "reason"),
    [
        (make_terms(wheat=45, coffee=10), {"margin_ppm": 1}, "stated values"),
        (make_terms(wheat=46, coffee=10), {}, "stated values"),
        (make_terms(wheat=101, coffee=50), {}, "no more than 100 wheat"),
        (make_terms(wheat=1, coffee=51), {}, "no more than 50 coffee"),
        (make_terms(), {"reserve_ppm": 125_001}, "in private"),
    ],
    ids=["margin", "loss", "more than it gives", "more than it wants", "reservation"],
)
async def test_it_rejects_the_rest_with_the_reason(
    cores: Cores,
    make_agent: MakeAgent,
    eventually: Eventually,
    terms: wire.Terms,
    more: dict[str, int],
    reason: str,
) -> None:
    terms = make_terms(terms.transfers[0].quantity, terms.transfers[1].quantity)
    async with trader(make_agent, **more):
        await cores.tell("kenya", 1, make_note(terms))
        await eventually(lambda: cores.of("deal.reject"))
    rejected = cores.of("deal.reject")[0].body
    assert isinstance(rejected, wire.Reject)
    assert reason in rejected.reason
    assert cores.of("deal.accept") == []


async def test_a_reservation_that_is_met_exactly_is_met(
    cores: Cores, make_agent: MakeAgent, eventually: Eventually
) -> None:
    # 10 coffee are worth 900, 40 wheat cost 800: 12.5 % more.
    async with trader(make_agent, reserve_ppm=125_000):
        await cores.tell("kenya", 1, make_note(make_terms()))
        await eventually(lambda: cores.of("deal.accept"))


async def test_what_is_promised_is_not_promised_again_until_it_comes_to_nothing(
    cores: Cores, make_agent: MakeAgent, eventually: Eventually
) -> None:
    deals = [deal_id("maker", f"m{i}") for i in range(4)]
    kenya = trader(make_agent)
    async with kenya:
        place = kenya.memberships["bazaar"]
        await cores.tell("kenya", 1, make_note(make_terms(60, 20), deal=deals[0]))
        await eventually(lambda: len(cores.of("deal.accept")) == 1)
        await cores.tell("kenya", 2, make_note(make_terms(60, 20), deal=deals[1]))
        await eventually(lambda: len(cores.of("deal.reject")) == 1)
        assert place.left().gives == (Give("wheat", 40, cost=20),)
        await cores.tell("kenya", 3, make_note(None, "expired", wire.State.EXPIRED, 5, deals[0]))
        await eventually(lambda: place.left().gives == (Give("wheat", 100, cost=20),))
        await cores.tell("kenya", 4, make_note(make_terms(60, 20), deal=deals[2]))
        await eventually(lambda: len(cores.of("deal.accept")) == 2)
        await cores.tell("kenya", 5, make_note(None, "committed", wire.State.COMMITTED, 5, deals[2]))
        await cores.tell("kenya", 6, make_note(None, "settled", wire.State.SETTLED, 6, deals[2]))
        await cores.tell("kenya", 7, make_note(make_terms(41, 20), deal=deals[3]))
        await eventually(lambda: len(cores.of("deal.reject")) == 2)
        assert place.left().gives == (Give("wheat", 40, cost=20),)
        assert place.left().wants == (Want("coffee", 30, value=90),)


async def test_it_comes_back_with_what_is_left(cores: Cores, make_agent: MakeAgent, eventually: Eventually) -> None:
    kenya = trader(make_agent)
    async with kenya:
        place = kenya.memberships["bazaar"]
        await cores.tell("kenya", 1, make_note(make_terms(60, 20)))
        await eventually(lambda: cores.of("deal.accept"))
        await place.leave()
        assert not place.is_standing
        await cores.tell("kenya", 2, make_note(make_terms(1, 1), deal=deal_id("maker", "late")))
        await eventually(lambda: cores.of("deal.reject"))
        rejected = cores.of("deal.reject")[0].body
        assert isinstance(rejected, wire.Reject)
        assert "not in bazaar" in rejected.reason
        await place.restate()
    intent = cores.of("intent")[-1].body
    assert isinstance(intent, wire.Intent)
    assert [(give.good, give.limit) for give in intent.gives] == [("wheat", 40)]
    assert [(a.good, a.limit) for want in intent.wants for a in want.any_of] == [("coffee", 30)]


async def test_a_delivery_is_confirmed_when_it_is_committed(
    cores: Cores, make_agent: MakeAgent, eventually: Eventually
) -> None:
    terms = make_terms()
    async with trader(make_agent):
        await cores.tell("kenya", 1, make_note(terms, "committed", wire.State.COMMITTED, 3))
        await eventually(lambda: cores.of("deal.confirm"))
    confirm = cores.of("deal.confirm")[0].body
    assert isinstance(confirm, wire.Confirm)
    assert confirm.terms_hash == hashlib.sha256(encode(terms)).digest()
    assert confirm.deadline_unix_ms == terms.transfers[0].due_unix_ms


@pytest.mark.parametrize("verdict", [True, False, "too early", None])
async def test_the_authors_decision_counts(
    cores: Cores, make_agent: MakeAgent, eventually: Eventually, verdict: bool | str | None
) -> None:
    kenya = trader(make_agent)
    seen: list[Deal] = []

    @kenya.on_proposal
    async def decide(deal: Deal) -> bool | str | None:
        seen.append(deal)
        return verdict

    async with kenya:
        await cores.tell("kenya", 1, make_note(make_terms()))
        await eventually(lambda: seen)
        deal = seen[0]
        assert (deal.gain(), deal.worst_gain()) == (100, 100)
        assert deal.is_good()
        assert [t.good for t in deal.gives] == ["wheat"]
        assert [t.good for t in deal.receives] == ["coffee"]
        assert (deal.book, deal.opener, deal.profile, deal.event) == ("bazaar", "maker", "ring/1", "opened")
        if verdict is None:
            await asyncio.sleep(0.1)
        else:
            await eventually(lambda: cores.of("deal.accept") + cores.of("deal.reject"))
    accepted, rejected = cores.of("deal.accept"), cores.of("deal.reject")
    assert len(accepted) == (verdict is True)
    assert [asked.body.reason for asked in rejected if isinstance(asked.body, wire.Reject)] == {
        True: [],
        False: ["not good for kenya"],
        "too early": ["too early"],
        None: [],
    }[verdict]


async def test_the_author_says_when_a_delivery_is_there(
    cores: Cores, make_agent: MakeAgent, eventually: Eventually
) -> None:
    kenya = trader(make_agent)
    due: list[Deal] = []
    kenya.on_committed(lambda deal: due.append(deal))
    async with kenya:
        await cores.tell("kenya", 1, make_note(make_terms(), "committed", wire.State.COMMITTED, 3))
        await eventually(lambda: due)
        await asyncio.sleep(0.1)
        assert cores.of("deal.confirm") == []
        assert await due[0].confirm() == wire.State.SETTLED
        assert await asyncio.wait_for(due[0].ended(), 5) == wire.State.SETTLED


async def test_news_is_told_in_order_and_waiting_for_it_inside_a_handler_is_possible(
    cores: Cores, make_agent: MakeAgent, eventually: Eventually
) -> None:
    kenya = trader(make_agent)
    events: list[tuple[str, str]] = []
    ended: list[wire.State] = []
    kenya.on_deal(lambda deal: events.append((deal.event, deal.state)))

    @kenya.on_proposal
    async def decide(deal: Deal) -> None:
        await deal.accept()
        ended.append(await deal.ended())
        assert deal.reason == "over the limit"

    async with kenya:
        await cores.tell("kenya", 1, make_note(make_terms()))
        await eventually(lambda: cores.of("deal.accept"))
        await cores.tell("kenya", 2, make_note(None, "refused", wire.State.REFUSED, 4, reason="over the limit"))
        await eventually(lambda: len(events) == 2)
    assert events == [("opened", "negotiating"), ("refused", "refused")]
    assert ended == [wire.State.REFUSED]


@pytest.mark.parametrize("state", [wire.State.EXPIRED, wire.State.NEGOTIATING], ids=["ended", "expired unheard"])
async def test_old_news_is_not_acted_upon(
    cores: Cores, make_agent: MakeAgent, eventually: Eventually, state: wire.State
) -> None:
    kenya = trader(make_agent)
    heard: list[str] = []
    kenya.on_deal(lambda deal: heard.append(deal.event))
    async with kenya:
        await cores.tell("kenya", 1, make_note(make_terms(expires_in_ms=-1), state=state))
        await eventually(lambda: heard)
    assert cores.of("deal.accept") + cores.of("deal.reject") == []


# --- insisting


async def test_a_move_that_gets_no_answer_is_made_again_with_the_same_bytes_and_a_fresh_signature(
    cores: Cores, make_agent: MakeAgent, eventually: Eventually, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hms_a2a._bus.ATTEMPT_S", 0.5)
    subject = subjects.deal_move("accept", "kenya", DEAL)
    cores.deaf[subject] = 2
    async with trader(make_agent):
        await cores.tell("kenya", 1, make_note(make_terms()))
        await eventually(lambda: len(cores.of("deal.accept")) == 3)
    tries = cores.of("deal.accept")
    assert len({asked.raw for asked in tries}) == 1
    assert len({asked.headers["Agent-Sender"] for asked in tries}) == 3
    assert all(asked.sender is not None for asked in tries)
    assert len({asked.sender.nonce for asked in tries if asked.sender}) == 3


async def test_too_busy_is_asked_again_after_the_time_that_was_said(
    cores: Cores, make_agent: MakeAgent, eventually: Eventually
) -> None:
    subject = subjects.deal_move("accept", "kenya", DEAL)
    times: list[float] = []

    def busy(asked: Asked) -> wire.Message | None:
        times.append(asyncio.get_running_loop().time())
        if len(times) == 1:
            return wire.ErrorReply(code=429, message="busy", retryable=True, retry_after_ms=400)
        return cores._usual(asked)

    cores.answers[subject] = busy
    async with trader(make_agent):
        await cores.tell("kenya", 1, make_note(make_terms()))
        await eventually(lambda: len(times) == 2)
    assert times[1] - times[0] >= 0.4


async def test_a_move_whose_time_is_over_is_unknown(cores: Cores, make_agent: MakeAgent) -> None:
    subject = subjects.deal_move("accept", "kenya", DEAL)
    cores.deaf[subject] = 100
    kenya = make_agent("kenya")
    async with kenya:
        deal = kenya.deal(DEAL)
        deal.hear(make_note(make_terms(expires_in_ms=800)))
        with pytest.raises(TimedOut):
            await deal.accept()


ERRORS: list[tuple[int, type[ErrorReply]]] = [
    (403, Forbidden),
    (409, Conflict),
    (410, Late),
    (422, Refused),
    (500, Internal),
    (499, Internal),
]


@pytest.mark.parametrize(("code", "kind"), ERRORS)
async def test_what_a_core_refuses_is_raised_as_what_it_is(
    cores: Cores, make_agent: MakeAgent, code: int, kind: type[ErrorReply]
) -> None:
    reply = wire.ErrorReply(
        code=code, message="no", retryable=False, field="terms_hash", rule="other_terms", state="committed", id="x1"
    )
    cores.answers[subjects.deal_move("accept", "kenya", DEAL)] = lambda _: reply
    kenya = make_agent("kenya")
    async with kenya:
        deal = kenya.deal(DEAL)
        deal.hear(make_note(make_terms()))
        with pytest.raises(kind) as raised:
            await deal.accept()
    assert type(raised.value) is kind
    assert raised.value.field == "terms_hash"
    assert str(raised.value) == f"{code} terms_hash: no"
    assert getattr(raised.value, "rule", "other_terms") == "other_terms"
    assert getattr(raised.value, "state", "committed") == "committed"


async def test_a_move_that_was_made_before_a_restart_is_no_error(cores: Cores, make_agent: MakeAgent) -> None:
    reply = wire.ErrorReply(code=409, message="made before", retryable=False, rule="accepted_before", state="certified")
    cores.answers[subjects.deal_move("accept", "kenya", DEAL)] = lambda _: reply
    kenya = make_agent("kenya")
    async with kenya:
        deal = kenya.deal(DEAL)
        deal.hear(make_note(make_terms()))
        assert await deal.accept() == wire.State.CERTIFIED


async def test_the_same_move_has_the_same_id_whenever_it_is_made(cores: Cores, make_agent: MakeAgent) -> None:
    terms = make_terms()
    kenya = make_agent("kenya")
    async with kenya:
        for _ in range(2):
            deal = Deal(kenya._caller, "kenya", DEAL)
            deal.hear(make_note(terms))
            await deal.accept()
    first, second = cores.of("deal.accept")
    assert first.raw == second.raw


async def test_an_answer_without_a_body_of_ours_is_an_error_all_the_same(
    cores: Cores, make_agent: MakeAgent, broker: Broker
) -> None:
    kenya, ghana = make_agent("kenya"), make_agent("ghana")
    async with kenya, ghana:

        async def refuse(incoming: object) -> None:
            reply = getattr(incoming, "reply", "")
            await ghana.nats.publish(reply, b"", headers={"Nats-Service-Error-Code": "422", "Nats-Service-Error": "no"})

        await ghana._caller.link.tap(subjects.topic("q"), refuse)
        await ghana.flush()
        with pytest.raises(Refused, match="422 no"):
            await kenya.request("q", {})


# --- life


async def test_an_id_that_another_key_holds_is_refused_at_the_start(cores: Cores, make_agent: MakeAgent) -> None:
    reply = wire.ErrorReply(code=403, message="held by another key", retryable=False, rule="key_holder")
    cores.answers[subjects.endpoint("registry", "register")] = lambda _: reply
    kenya = make_agent("kenya")
    with pytest.raises(Forbidden, match="another key"):
        await kenya.start()
    with pytest.raises(Disconnected):
        await kenya.publish("a", {})


async def test_a_broker_without_cores_is_an_error_that_says_so(broker: Broker, make_agent: MakeAgent) -> None:
    with pytest.raises(NoResponders, match="nobody answers"):
        await make_agent("kenya", connect_within_s=1.5).start()


async def test_the_lease_is_renewed_at_a_third(cores: Cores, make_agent: MakeAgent, eventually: Eventually) -> None:
    async with make_agent("kenya", lease_ms=300):
        await eventually(lambda: len(cores.of("registry.register")) >= 4)


async def test_the_registrys_clock_is_the_one_to_go_by(cores: Cores, make_agent: MakeAgent) -> None:
    behind = make_agent("kenya", clock=lambda: system_clock() - 3_600_000)
    async with behind:
        assert abs(behind.now_unix_ms - system_clock()) < 1000
        sender = cores.of("registry.register")[0].sender
        assert sender is not None
        assert sender.is_fresh(system_clock())


async def test_work_under_way_is_finished_before_an_agent_goes(
    cores: Cores, make_agent: MakeAgent, eventually: Eventually
) -> None:
    kenya = trader(make_agent)
    began = asyncio.Event()

    @kenya.on_proposal
    async def decide(deal: Deal) -> bool:
        began.set()
        await asyncio.sleep(0.5)
        return True

    async with kenya:
        await cores.tell("kenya", 1, make_note(make_terms()))
        await began.wait()
    kinds = [asked.body.TYPE for asked in cores.asked]
    assert kinds.index("deal.accept") < kinds.index("registry.leave")


async def test_a_host_carries_many_over_one_connection(
    broker: Broker, cores: Cores, make_agent: MakeAgent, eventually: Eventually
) -> None:
    async with Host("many", servers=broker.url) as host:
        agents = await asyncio.gather(*(host.add(make_agent(f"agent-{i}")) for i in range(20)))
        heard: list[str] = []
        for agent in agents:
            agent.on_topic("to.all")(functools.partial(lambda name, _: heard.append(name), agent.id))
        await asyncio.sleep(0)  # the handlers were added late: they begin to listen now
        await agents[0].flush()
        await agents[0].publish("to.all", {})
        await eventually(lambda: len(heard) == 20)
        assert len({agent.nats for agent in agents}) == 1
        assert len({a.sender.user for a in cores.of("registry.register") if a.sender}) == 20
        with pytest.raises(ValueError, match="already"):
            await host.add(make_agent("agent-3"))
        await host.remove(agents[3])
        assert len(host.agents) == 19
    assert len(cores.of("registry.leave")) == 20


async def test_opening_a_deal_accepts_it_too(cores: Cores, make_agent: MakeAgent) -> None:
    def opened(asked: Asked) -> wire.Message:
        assert isinstance(asked.body, wire.Open)
        _, _, deal = subjects.parse_deal_move(asked.subject)
        return wire.Moved(deal=deal, move_id=asked.body.move_id, state=wire.State.NEGOTIATING, turn=0)

    kenya = make_agent("kenya")
    async with kenya:
        cores.answers[subjects.deal_move("open", "kenya", deal_id("kenya", "mine"))] = opened
        terms = make_terms()
        deal = await kenya.open_deal(terms, move_id="mine")
        assert (deal.id, deal.state, deal.opener) == (deal_id("kenya", "mine"), "agreed", "kenya")
    opening, accept = cores.of("deal.open")[0].body, cores.of("deal.accept")[0].body
    assert isinstance(opening, wire.Open)
    assert isinstance(accept, wire.Accept)
    assert opening.terms is not None
    assert decode(opening.terms, wire.Terms) == terms
    assert opening.parties == ["ghana", "kenya"]
    assert accept.terms_hash == hashlib.sha256(opening.terms).digest()


def test_a_deals_id_is_the_contracts() -> None:
    assert deal_id("kenya", "m1") == "".join(
        "abcdefghijklmnopqrstuvwxyz234567"[int(bits, 2)]
        for bits in (
            f"{int.from_bytes(hashlib.sha256(b'kenya' + bytes(1) + b'm1').digest()):0256b}"[i : i + 5]
            for i in range(0, 130, 5)
        )
    )


def test_a_deal_without_terms_says_so() -> None:
    deal = Agent("kenya").deal(DEAL)
    with pytest.raises(NoTerms):
        _ = deal.terms
    with pytest.raises(NoTerms):
        deal.gain()


@pytest.mark.parametrize("agent_id", ["", "Kenya", "a.b", "*", "x" * 64])
def test_an_id_is_a_token(agent_id: str) -> None:
    with pytest.raises(ValueError, match="an agent's id"):
        Agent(agent_id)


async def test_a_market_that_nobody_declared_is_warned_of_and_waited_for(
    cores: Cores, make_agent: MakeAgent, caplog: pytest.LogCaptureFixture
) -> None:
    reply = wire.ErrorReply(code=404, message="no such market", retryable=False)
    cores.answers[subjects.endpoint("maker", "market")] = lambda _: reply
    async with trader(make_agent) as kenya:
        assert kenya.memberships["bazaar"].is_standing
        assert "no market bazaar is declared" in caplog.text
    assert len(cores.of("intent")) == 1


async def test_an_agent_can_be_started_again(cores: Cores, make_agent: MakeAgent, eventually: Eventually) -> None:
    kenya = trader(make_agent)
    heard: list[object] = []
    kenya.on_topic("a")(lambda message: heard.append(message.body))
    for number in range(2):
        async with kenya:
            await kenya.publish("a", number)
            await eventually(lambda: len(heard) == number + 1)  # noqa: B023
            assert kenya.memberships["bazaar"].is_standing
    assert heard == [0, 1]
    assert len(cores.of("intent")) == len(cores.of("intent.withdrawn")) == 2
