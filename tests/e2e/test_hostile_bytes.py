"""Bad bytes at every endpoint: each gets an error reply that names the field and the reason, and the next good request
is answered.

Whatever is signed elsewhere is signed here too, over the exact bad bytes, so that it is the bytes that are refused.
"""

from __future__ import annotations

import asyncio
import json
import struct
from fractions import Fraction
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
import nats
import pytest

from hms_a2a import Agent, Give, Want, wire
from hms_a2a import _headers as header
from hms_a2a import _subjects as subjects
from hms_a2a._codec import decode, decode_any, encode
from hms_a2a._keys import Key, new_seed
from hms_a2a._limits import MAX_BODY_BYTES
from hms_a2a._signing import Signer
from hms_a2a._tasks import job_id
from shared_vectors import content, read

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Iterator

    from nats.aio.client import Client
    from nats.aio.msg import Msg

    from real_bus import Bus

WITHIN_S = 20.0
MARKET = "hostile"
NO_DEAL = "aaaaaaaaaaaaaaaaaaaaaaaaaa"
NO_JOB = "nothing-of-the-sort"

#: Every endpoint of the cores and the maker, service by service.
ENDPOINTS = {
    "registry": ("hello", "register", "find", "send", "inbox", "leave"),
    "deal": subjects.DEAL_VERBS,
    "ledger": ("declare", "balance", "certificates", "enact", "revoke"),
    "trade_balance": ("value", "analyze", "divide", "balance", "path", "price", "return"),
    "graph": ("analyze", "clear", "net", "roadmap"),
    "genetic": ("evolve", "result", "epoch"),
    "maker": ("why", "market"),
    "mac": subjects.TASK_VERBS,
}


def kind_of(service: str, verb: str) -> str:
    """The type of what an endpoint reads: jobs are made of tasks."""
    return f"{'task' if service == 'mac' else service}.{verb}"


#: How much each takes on at once; beyond that these say 429.
AT_ONCE = {"graph": 6, "genetic": 1, "trade_balance": 32}
#: The bodies of the contract that no endpoint reads.
ELSEWHERE = sorted(
    {kind.TYPE for kind in wire.MESSAGES} - {kind_of(s, verb) for s in ENDPOINTS for verb in ENDPOINTS[s]}
)


class Case(NamedTuple):
    """A bad request, and what must be said of it."""

    name: str
    subject: str
    body: bytes
    headers: dict[str, str]
    codes: frozenset[int] = frozenset({400})
    #: The field at fault ("" for the body as a whole); None where it depends.
    field: str | None = None


class Attacker:
    """A registered agent that sends what it likes."""

    def __init__(self, agent: Agent, seed: str, client: Client) -> None:
        self.id = agent.id
        self._agent = agent
        self._account = agent._caller.bus.account
        self._client = client
        self._nonces = iter(range(10**9))
        self.key = Key(seed)

    @property
    def now_unix_ms(self) -> int:
        """The time by the registry's clock."""
        return self._agent.now_unix_ms

    def subject(self, service: str, verb: str) -> str:
        """Where it sends a request of this endpoint."""
        if service == "deal":
            return subjects.deal_move(verb, self.id, NO_DEAL)
        if service == "mac":
            return subjects.task_move(verb, self.id, NO_JOB)
        return subjects.endpoint(service, verb)

    def signed(
        self, subject: str, body: bytes, *, key: Key | None = None, name: str | None = None, ago_ms: int = 0
    ) -> dict[str, str]:
        """Headers with a signature, by default its own and fresh."""
        signer = Signer(key or self.key, self._account, name or self.id)
        text = signer.sign(subject, body, self._agent.now_unix_ms - ago_ms, f"n{next(self._nonces)}")
        return {header.CONTENT_TYPE: header.MSGPACK, header.SENDER: text}

    def case(self, name: str, subject: str, body: bytes, field: str | None = None) -> Case:
        """Bad bytes, well signed."""
        return Case(name, subject, body, self.signed(subject, body), field=field)

    async def ask(self, subject: str, body: bytes, headers: dict[str, str]) -> Msg:
        """One request; a time-out fails the test."""
        return await self._client.request(subject, body, timeout=WITHIN_S, headers=headers)

    async def call(self, subject: str, message: wire.Message) -> None:
        """Send a good request; anything but a good answer fails the test."""
        body = encode(message)
        reply = await self.ask(subject, body, self.signed(subject, body))
        assert header.ERROR_CODE not in (reply.headers or {}), f"{subject}: {decode_any(reply.data)}"

    async def faults(self, cases: Iterable[Case], at_once: int = 48) -> list[str]:
        """Send them all, pipelined; what is wrong with the answers."""
        places = asyncio.Semaphore(at_once)

        async def try_one(case: Case) -> str | None:
            async with places:
                try:
                    reply = await self.ask(case.subject, case.body, case.headers)
                except nats.errors.Error as error:
                    return f"{case.name} at {case.subject}: {error!r}"
            fault = fault_of(case, reply)
            return f"{case.name} at {case.subject} {fault}" if fault else None

        outcomes = await asyncio.gather(*(try_one(case) for case in cases))
        return [fault for fault in outcomes if fault]


def fault_of(case: Case, reply: Msg) -> str | None:
    """What is wrong with the answer to a bad request."""
    headers = reply.headers or {}
    if header.ERROR_CODE not in headers:
        return f"is accepted: {decode_any(reply.data)}"
    error = decode(reply.data, wire.ErrorReply)
    said = f"is answered {error}"
    if error.code not in case.codes:
        return f"{said}, not {set(case.codes)}"
    if headers[header.ERROR_CODE] != str(error.code):
        return f"{said}, and the header says {headers[header.ERROR_CODE]}"
    if not error.message or error.retryable:
        return f"{said}, without a reason or to be tried again"
    if case.field is not None and (error.field or "") != case.field:
        return f"{said}, not at {case.field!r}"
    if (error.field or "") not in headers[header.ERROR] or not headers[header.ERROR].strip():
        return f"{said}, and the header says {headers[header.ERROR]!r}"
    return None


@pytest.fixture
async def attacker(bus: Bus, request: pytest.FixtureRequest) -> AsyncIterator[Attacker]:
    """An attacker of this test's own."""
    seed = new_seed()
    client = await nats.connect(bus.url, pending_size=64 * 2**20)
    name = "hostile-" + "".join(c if c.isalnum() else "-" for c in request.node.name.lower())[-50:].strip("-")
    async with Agent(name, servers=bus.url, seed=seed) as agent:
        yield Attacker(agent, seed, client)
    await client.close()
    assert bus.is_well(), (bus.folder / "log").read_text()[-5000:]


# --- bad bytes


def good_body(kind: str) -> bytes:
    """A good body of this type."""
    return content(next(vector for vector in read(kind) if vector["verdict"] == "good"))


def entries(body: bytes) -> tuple[int, bytes]:
    """How many entries a body's map has, and what follows its head."""
    if body[0] >> 4 == 8:
        return body[0] & 15, body[1:]
    assert body[0] == 0xDE
    return int.from_bytes(body[1:3]), body[3:]


def with_entry(body: bytes, key: bytes, value: bytes) -> bytes:
    """The same body with an entry more."""
    count, rest = entries(body)
    return struct.pack(">BH", 0xDE, count + 1) + rest + bytes([0xA0 | len(key)]) + key + value


BOMBS = {
    "a map of 4 Gi": b"\xdf\xff\xff\xff\xff",
    "an array of 4 Gi": b"\xdd\xff\xff\xff\xff",
    "a string of 4 GiB": b"\xdb\xff\xff\xff\xff",
    "bytes of 4 GiB": b"\xc6\xff\xff\xff\xff",
    "an extension of 4 GiB": b"\xc9\xff\xff\xff\xff\x01",
    "100,000 arrays": b"\x91" * 100_000 + b"\x01",
    "100,000 maps": b"\x81\xa1a" * 100_000 + b"\x01",
    "nil": b"\xc0",
    "a reserved byte": b"\xc1",
}


def bent(body: bytes) -> Iterator[tuple[str, bytes, str | None]]:
    """A good body with one fault each: name, bytes, the field at fault where it is known."""
    step = max(1, len(body) // 40)
    for length in sorted({*range(0, len(body), step), len(body) - 1}):
        yield f"cut to {length} of {len(body)}", body[:length], None
    for name, bomb in BOMBS.items():
        yield f"{name} at the root", bomb, None
        yield f"{name} in a field", with_entry(body, b"later", bomb), None
    yield "a byte behind it", body + b"\x00", ""
    yield "twice", body + body, ""
    count, rest = entries(body)
    yield "its type twice", with_entry(body, b"type", b"\xa1x"), "type"
    yield "an entry less than it says", struct.pack(">BH", 0xDE, count + 1) + rest, None
    yield "one of its type less", struct.pack(">BH", 0xDE, count - 1) + rest, None


def too_large(body: bytes) -> bytes:
    """A good body, but for an entry that nobody knows and that makes it larger than is read."""
    return with_entry(body, b"later", b"\xc6" + struct.pack(">I", MAX_BODY_BYTES) + bytes(MAX_BODY_BYTES))


def bad_vectors(kind: str) -> Iterator[tuple[str, bytes, str]]:
    """The bad vectors of a type: name, bytes, field."""
    for vector in (*read(kind), *(v for v in read("structure") if v["type"] == kind)):
        if vector["verdict"] == "bad":
            yield vector["name"], content(vector), vector["field"]


async def test_the_table_of_endpoints_is_whole(attacker: Attacker, bus: Bus) -> None:
    """What the services themselves say that they answer."""
    found = set()
    for service in ENDPOINTS:
        info = await attacker._client.request(f"$SRV.INFO.{service}", b"", timeout=WITHIN_S)
        found |= {f"{service}.{verb}" for verb in endpoints_of(info)}
    assert found == {f"{service}.{verb}" for service, verbs in ENDPOINTS.items() for verb in verbs}


def endpoints_of(info: Msg) -> list[str]:
    """The endpoints that a service lists."""
    return [endpoint["name"] for endpoint in json.loads(info.data)["endpoints"]]


@pytest.mark.parametrize("service", ENDPOINTS)
async def test_bad_bytes_are_refused_by_name_and_the_next_good_request_is_answered(
    attacker: Attacker, bus: Bus, service: str
) -> None:
    if service == "maker":
        bus.declare_market(MARKET, ["tea"])
    for verb in ENDPOINTS[service]:
        kind = kind_of(service, verb)
        subject, body = attacker.subject(service, verb), good_body(kind)
        bad = [*bad_vectors(kind), *bent(body)]
        # They read as much as the broker carries.
        if service not in ("graph", "genetic") and kind != "trade_balance.divide":
            bad.append(("too large", too_large(body), ""))
        cases = [attacker.case(name, subject, bytes_, field) for name, bytes_, field in bad]
        faults = await attacker.faults(cases, AT_ONCE.get(service, 48))
        assert not faults, f"{len(faults)} of {len(cases)}:\n" + "\n".join(faults[:20])
        assert len(cases) > 40
    for subject, message in good_requests(attacker, service):
        await attacker.call(subject, message)


def good_requests(attacker: Attacker, service: str) -> Iterator[tuple[str, wire.Message]]:
    """A request that each endpoint answers; moves are made by `test_signatures`."""
    me, now = attacker.id, attacker.now_unix_ms
    price = wire.Bounds(lo=Fraction(1), hi=Fraction(2))
    due = wire.Transfer(from_="ghana", to=me, good="tea", quantity=1, due_unix_ms=now)
    back = msgspec.structs.replace(due, from_=me, to="ghana", good="rice")
    terms = wire.Terms(
        book=MARKET,
        parties=sorted(("ghana", me)),
        transfers=[due, back],
        delivery=wire.Delivery.IMMEDIATE,
        expires_unix_ms=now,
    )
    worth = wire.Valuation(
        values=[wire.UnitValue(good=good, value=price) for good in ("tea", "rice")],
        costs=[wire.UnitCost(good=good, cost=price) for good in ("tea", "rice")],
    )
    worths = [wire.PartyValuation(party=party, valuation=worth) for party in terms.parties]
    limit = wire.Limit(good="tea", quantity=1)
    movables = [
        wire.Movable(from_=giver, to=taker, good=good, most=9, due_unix_ms=now)
        for giver, taker, good in (("ghana", me, "tea"), (me, "ghana", "rice"))
    ]
    sought = wire.Sought(
        book=MARKET, delivery=terms.delivery, expires_unix_ms=now, transfers=movables, valuations=worths
    )
    evolve = wire.Evolve(sought=sought, evaluations=200, population=20)
    requests: dict[str, wire.Message] = {
        "registry.hello": wire.Hello(),
        "registry.register": wire.Register(agent=me, key=attacker.key.public, lease_ms=60_000),
        "registry.find": wire.Find(agent=me),
        "registry.send": wire.Send(move_id="m1", to=me, body=b"\x80"),
        "registry.inbox": wire.ReadInbox(agent=me, after_sequence=0, limit=1),
        "registry.leave": wire.Leave(agent=me),
        "ledger.declare": wire.Declare(move_id="m1", deadline_unix_ms=now + 10_000, book=MARKET, limits=[limit]),
        "ledger.balance": wire.BalanceRequest(book=MARKET, party=me),
        "trade_balance.value": wire.ValueRequest(terms=terms, valuations=worths),
        "trade_balance.analyze": wire.AnalyzeRequest(terms=terms, valuations=worths),
        "trade_balance.balance": wire.TradeBalanceRequest(transfers=terms.transfers),
        "trade_balance.divide": wire.Divide(
            rule=wire.Rule.NASH, pot=wire.Pot(amount_minor=3, claimants=[wire.Claimant(party=me)])
        ),
        "trade_balance.path": wire.PathRequest(commits=[], prices=[], from_unix_ms=now, period_ms=1, periods=1),
        "trade_balance.price": wire.CertificateMarket(orders=[]),
        "trade_balance.return": wire.ReturnRequest(
            indicators=[
                wire.Indicator(name="jobs", unit="jobs", baseline=Fraction(1), outcome=Fraction(2), weight_ppm=10**6)
            ]
        ),
        "graph.clear": wire.Clear(goods=[], offers=[], max_ring=3, time_limit_ms=100),
        "graph.net": wire.Net(obligations=[], time_limit_ms=100),
        "graph.roadmap": wire.PlanRoadmap(steps=[], runs=0, seed=1, risk_ppm=50_000, time_limit_ms=100),
        "graph.analyze": wire.AnalyzeNetwork(links=[], time_limit_ms=100),
        "genetic.evolve": evolve,
        "genetic.epoch": wire.Epoch(evolve=evolve, island=0, epoch=0),
        "maker.why": wire.Why(market=MARKET, agent=me),
        "maker.market": wire.ShowMarket(market=MARKET),
    }
    for kind, message in requests.items():
        core, _, verb = kind.partition(".")
        if core == service:
            yield subjects.endpoint(core, verb), message
    if service == "mac":
        yield from job_of(me, now)


def job_of(me: str, now: int) -> Iterator[tuple[str, wire.Message]]:
    """A job from its submission to its end, all by one agent."""
    job, until = job_id(me, "m1"), now + 10_000
    rules = wire.JobRules(enough_bids=1, lease_ms=60_000)
    task = wire.Task(task="t", skill="hostile", brief="", budget_minor=1)
    again = wire.Task(task="u", skill="hostile", brief="", budget_minor=1)
    at: dict[str, Any] = {"job": job, "task": "t", "round": 1}
    moves: list[tuple[str, wire.Message]] = [
        (
            "submit",
            wire.SubmitJob(
                move_id="m1", deadline_unix_ms=until, tasks=[task], rules=rules, expires_unix_ms=now + 60_000, more=True
            ),
        ),
        ("add", wire.AddTasks(move_id="m2", deadline_unix_ms=until, job=job, tasks=[again], more=True)),
        ("bid", wire.BidTask(move_id="m3", deadline_unix_ms=until, price_minor=1, **at)),
        ("progress", wire.ReportProgress(move_id="m4", deadline_unix_ms=until, done_ppm=1, **at)),
        ("deliver", wire.DeliverTask(move_id="m5", deadline_unix_ms=until, result=b"done", **at)),
        ("show", wire.ShowJob(job=job)),
        ("cancel", wire.CancelJob(move_id="m6", deadline_unix_ms=until, job=job, reason="")),
    ]
    for verb, message in moves:
        yield subjects.task_move(verb, me, job), message


async def test_bodies_that_no_endpoint_reads_are_not_understood(attacker: Attacker) -> None:
    subject = subjects.endpoint("registry", "find")
    cases = [
        attacker.case(f"{kind}: {name}", subject, body)
        for kind in ELSEWHERE
        for name, body in [("good", good_body(kind)), *((name, body) for name, body, _ in bad_vectors(kind))]
    ]
    faults = await attacker.faults(cases)
    assert not faults, "\n".join(faults[:20])
    assert len(cases) > 1000
    await attacker.call(subject, wire.Find())


@pytest.mark.parametrize(("of", "verbs"), [("deal", subjects.DEAL_VERBS), ("task", subjects.TASK_VERBS)])
async def test_subjects_that_are_no_moves_are_refused(attacker: Attacker, of: str, verbs: tuple[str, ...]) -> None:
    body = good_body(f"{of}.show")
    bad = [
        vector["subject"]
        for vector in read("subjects")
        if vector["verdict"] == "bad" and vector["reader"] == f"{of}_move" and is_heard(vector["subject"], of, verbs)
    ]
    assert bad
    faults = await attacker.faults(attacker.case("a bad subject", subject, body, "subject") for subject in bad)
    assert not faults, "\n".join(faults)


def is_heard(subject: str, of: str, verbs: tuple[str, ...]) -> bool:
    """Whether anybody listens there at all, and a client may send it."""
    tokens = subject.split(".")
    fits = len(tokens) == 6 and tokens[:3] == ["hms", "v1", of] and tokens[3] in verbs
    return fits and all(token and not set(token) & set(" \t\r\n*>") for token in tokens)


# --- bad signatures


class Table:
    """A deal that waits for the other party's answer."""

    def __init__(self, bus: Bus) -> None:
        self.seed = new_seed()
        self.victim = Agent("victim", servers=bus.url, seed=self.seed)
        self.opener = Agent("opener", servers=bus.url, seed=new_seed())
        for agent, gives, wants in ((self.victim, "tea", "rice"), (self.opener, "rice", "tea")):
            agent.join("signed", gives=[Give(gives, 9, cost=1)], wants=[Want(wants, 9, value=9)])
        self.victim.on_proposal(lambda _: None)


async def test_signatures(attacker: Attacker, bus: Bus) -> None:
    table = Table(bus)
    async with table.victim, table.opener:
        deal = await table.opener.offer("victim", book="signed", gives={"rice": 2}, takes={"tea": 3})
        move = wire.Accept(
            move_id="a1",
            deadline_unix_ms=deal.terms.expires_unix_ms,
            deal=deal.id,
            terms_hash=deal.terms_hash,
            valuation=table.victim.memberships["signed"].valuation(deal.terms),
        )
        subject, body = subjects.deal_move("accept", "victim", deal.id), encode(move)
        faults = await attacker.faults(forgeries(attacker, Key(table.seed), subject, body))
        assert not faults, "\n".join(faults)
        shown = await deal.show()
        assert (shown.state, shown.turns) == ("negotiating", 2), "it was moved all the same"

        headers = attacker.signed(subject, body, key=Key(table.seed), name="victim")
        first = await attacker.ask(subject, body, headers)
        moved = decode(first.data, wire.Moved)
        assert await asyncio.wait_for(deal.ended(), WITHIN_S) == "settled"
        again = await attacker.ask(subject, body, headers)
        assert decode(again.data, wire.Moved).turn >= moved.turn, "a replay gets the recorded outcome"
        assert (await deal.show()).turns == shown.turns + 6, "and does nothing"
        other = encode(wire.Reject(move_id="a1", deadline_unix_ms=move.deadline_unix_ms, deal=deal.id, reason=""))
        where = subjects.deal_move("reject", "victim", deal.id)
        reused = Case(
            "a move_id again",
            where,
            other,
            attacker.signed(where, other, key=Key(table.seed), name="victim"),
            frozenset({409}),
            "move_id",
        )
        assert not await attacker.faults([reused])


def forgeries(attacker: Attacker, victims: Key, subject: str, body: bytes) -> Iterator[Case]:
    """The victim's move, signed in every way but the right one."""
    unsigned = {header.CONTENT_TYPE: header.MSGPACK}
    later = str(attacker.now_unix_ms - 1)

    def case(name: str, headers: dict[str, str], field: str | None, *codes: int) -> Case:
        return Case(name, subject, body, headers, frozenset(codes), field)

    def signed(**more: Any) -> dict[str, str]:
        return attacker.signed(more.pop("on", subject), more.pop("over", body), **more)

    good = signed(key=victims, name="victim")
    yield case("nobody's", unsigned, header.SENDER, 401)
    yield case("the attacker's, on the victim's subject", signed(), "party", 403)
    yield case("the attacker's, in the victim's name", signed(name="victim"), header.SENDER, 401)
    yield case("a stranger's", signed(key=Key.generate(), name="stranger"), header.SENDER, 401)
    yield case("a minute old", signed(key=victims, name="victim", ago_ms=60_000), "ts", 401)
    yield case("a minute early", signed(key=victims, name="victim", ago_ms=-60_000), "ts", 401)
    yield case("of another body", signed(key=victims, name="victim", over=body + b"\x00"), header.SENDER, 401)
    yield case("for another subject", signed(key=victims, name="victim", on=subject + "a"), header.SENDER, 401)
    yield case("past its deadline", good | {header.DEADLINE: later}, header.DEADLINE, 410)
    yield case("with a deadline that is none", good | {header.DEADLINE: "soon"}, header.DEADLINE, 400)
    for vector in read("signatures"):
        text = vector["header"]
        if vector["verdict"] == "bad" and text and text.isprintable():
            yield case(f"vector {vector['name']!r}", unsigned | {header.SENDER: text}, header.SENDER, 401)
    own = subjects.deal_move("accept", attacker.id, subject.rpartition(".")[2])
    yield Case("a stranger's to the deal", own, body, attacker.signed(own, body), frozenset({403}), "party")
