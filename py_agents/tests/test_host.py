"""The host process: what it is told on standard input, what it says on standard output, how it ends."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from typing import TYPE_CHECKING, Any

import pytest

from hms_a2a import BadSetting, Give, Want, wire
from hms_a2a import _subjects as subjects
from hms_a2a._codec import encode
from hms_a2a._config import Config
from hms_a2a._deal import deal_id
from hms_a2a._keys import new_seed
from hms_a2a._signing import system_clock

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from conftest import Cores
    from real_bus import Broker

WITHIN_S = 20.0


def player(agent_id: str, **more: object) -> dict[str, object]:
    return {
        "id": agent_id,
        "market": "bazaar",
        "gives": [{"good": "wheat", "limit": 100, "cost": {"lo": "39/2", "hi": 20}}],
        "wants": [
            {
                "any_of": [
                    {"good": "coffee", "limit": 50, "value": {"lo": 90, "hi": 91}},
                    {"good": "tea", "limit": 80, "value": {"lo": 60, "hi": 61}},
                ]
            }
        ],
    } | more


class Process:
    """A host process."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.events: list[dict[str, Any]] = []

    @classmethod
    async def start(cls, *arguments: str) -> Process:
        pipe = asyncio.subprocess.PIPE
        command = [sys.executable, "-W", "error", "-m", "hms_a2a.host", *arguments]
        return cls(await asyncio.create_subprocess_exec(*command, stdin=pipe, stdout=pipe, stderr=pipe))

    def tell(self, config: dict[str, object]) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(config).encode() + b"\n")

    async def until(self, event: str, **more: object) -> dict[str, Any]:
        """Read events until this one has come; agents go their own ways, so it may have come before another."""
        assert self.process.stdout is not None
        wanted = {"event": event} | more
        while True:
            for said in self.events:
                if wanted.items() <= said.items():
                    return said
            line = await asyncio.wait_for(self.process.stdout.readline(), WITHIN_S)
            assert line, f"it ended before it said {event}: {self.events}"
            self.events.append(json.loads(line))

    async def end(self) -> tuple[int, str]:
        """Close its standard input; its exit code and standard error."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        assert self.process.stderr is not None
        self.process.stdin.close()
        rest = await asyncio.wait_for(self.process.stdout.read(), WITHIN_S)
        self.events += [json.loads(line) for line in rest.splitlines()]
        errors = await self.process.stderr.read()
        return await asyncio.wait_for(self.process.wait(), WITHIN_S), errors.decode()


@pytest.fixture
async def host() -> AsyncIterator[Process]:
    """A host that reads standard input."""
    process = await Process.start()
    yield process
    if process.process.returncode is None:
        process.process.kill()
        await process.end()


def proposal(parties: list[str], deal: str, wheat: int, coffee: int, event: str = "opened") -> wire.DealNote:
    expires = system_clock() + 30_000

    def transfer(giver: str, taker: str, good: str, units: int) -> wire.Transfer:
        return wire.Transfer(from_=giver, to=taker, good=good, quantity=units, due_unix_ms=expires)

    giver, taker = parties
    terms = wire.Terms(
        book="bazaar",
        parties=sorted(parties),
        transfers=[transfer(giver, taker, "wheat", wheat), transfer(taker, giver, "coffee", coffee)],
        delivery=wire.Delivery.CONFIRMED,
        expires_unix_ms=expires,
    )
    state, turn = (wire.State.COMMITTED, 5) if event == "committed" else (wire.State.NEGOTIATING, 0)
    return wire.DealNote(
        deal=deal, event=event, state=state, turn=turn, at_unix_ms=0, book="bazaar", terms=encode(terms)
    )


async def test_a_day_in_the_life_of_a_host(broker: Broker, cores: Cores, host: Process) -> None:
    deals = [deal_id("maker", f"m{i}") for i in range(5)]
    come_and_go = [{"at_ms": 100, "do": "join"}, {"at_ms": 300, "do": "leave"}]
    host.tell(
        {
            "nats": {"servers": [broker.url]},
            "name": "host-7",
            "agents": [
                player("kenya", reserve_ppm=125_000, seed=new_seed()),
                player("togo", policy="rejects", schedule=come_and_go),
                player("mali", policy="silent", gives=[], declare=[{"good": "wheat", "quantity": 0}]),
                player("chad", policy="unconfirming"),
            ],
        }
    )
    assert (await host.until("ready"))["agents"] == 4
    joined = await host.until("joined", agent="kenya")
    assert (joined["market"], joined["gives"], joined["wants"]) == ("bazaar", 1, 1)
    assert joined["sequence"] > 0
    await host.until("left", agent="togo")

    await cores.tell("kenya", 1, proposal(["kenya", "x"], deals[0], 40, 10))
    accepted = await host.until("accepted", agent="kenya", deal=deals[0])
    assert 0 <= accepted["took_ms"] < 5000
    await cores.tell("kenya", 2, proposal(["kenya", "x"], deals[0], 40, 10, "committed"))
    await host.until("confirmed", agent="kenya", deal=deals[0])
    await cores.tell(
        "kenya",
        3,
        wire.DealNote(deal=deals[0], event="settled", state=wire.State.SETTLED, turn=12, at_unix_ms=0, book="bazaar"),
    )
    assert (await host.until("ended", agent="kenya"))["state"] == "settled"
    await cores.tell("kenya", 4, proposal(["kenya", "x"], deals[1], 41, 10))
    assert (await host.until("rejected", deal=deals[1]))["by"] == "reservation"
    await cores.tell("kenya", 5, proposal(["kenya", "x"], deals[2], 61, 20))
    assert (await host.until("rejected", deal=deals[2]))["by"] == "limits"
    await cores.tell("kenya", 6, proposal(["kenya", "x"], deals[3], 60, 10))
    assert (await host.until("rejected", deal=deals[3]))["by"] == "values"
    await cores.tell("togo", 7, proposal(["togo", "x"], deals[0], 40, 10), before=0)
    assert (await host.until("rejected", agent="togo"))["by"] == "policy"
    await cores.tell("chad", 8, proposal(["chad", "x"], deals[0], 40, 10, "committed"), before=0)
    await host.until("committed", agent="chad")
    await cores.tell("mali", 9, proposal(["mali", "x"], deals[0], 40, 10), before=0)
    await host.until("proposed", agent="mali", deal=deals[0])

    code, errors = await host.end()
    assert (code, errors) == (0, "")
    drained = host.events[-1]
    assert drained["event"] == "drained"
    assert drained["messages_out"] > 10
    by_agent = {a: [e["event"] for e in host.events if e.get("agent") == a] for a in ("mali", "chad")}
    assert not {"accepted", "rejected"} & set(by_agent["mali"])
    assert "confirmed" not in by_agent["chad"]
    assert all(isinstance(e["at_unix_ms"], int) for e in host.events)
    assert cores.of("intent.withdrawn")[0].subject.endswith(".togo")
    assert len(cores.of("intent.withdrawn")) == 1, "intents stay unless asked otherwise"


async def test_the_makers_reason_is_passed_on(broker: Broker, cores: Cores, host: Process) -> None:
    host.tell({"nats": {"servers": [broker.url]}, "agents": [player("kenya", gives=[])]})
    await host.until("joined")
    because = wire.Because(
        market="bazaar", agent="kenya", clearing=1, deals=[], left_out=wire.LeftOut.NOTHING_TO_GIVE, detail="no goods"
    )
    await cores.tell("kenya", 1, cores.voice().message(1, body=encode(because)))
    told = await host.until("told")
    assert (told["left_out"], told["detail"], told["clearing"]) == ("nothing_to_give", "no goods", 1)
    assert (await host.end())[0] == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_ends_it_in_order(broker: Broker, cores: Cores, host: Process, number: int) -> None:
    host.tell({"nats": {"servers": [broker.url]}, "withdraw_at_exit": True, "agents": [player("kenya")]})
    await host.until("joined")
    host.process.send_signal(number)
    await host.until("drained")
    assert len(cores.of("intent.withdrawn")) == 1
    assert (await host.end())[0] == 0


async def test_it_reads_files(broker: Broker, cores: Cores, tmp_path: Path) -> None:
    file = tmp_path / "host.toml"
    file.write_text(
        f"""
        [nats]
        servers = ["{broker.url}"]
        [[agents]]
        id = "kenya"
        market = "bazaar"
        gives = [{{good = "wheat", limit = 5, cost = {{lo = 1, hi = "3/2"}}}}]
        """
    )
    process = await Process.start("--config", str(file))
    await process.until("joined")
    process.process.terminate()
    assert (await process.end())[0] == 0


async def test_an_agent_that_is_refused_does_not_keep_the_others(broker: Broker, cores: Cores, host: Process) -> None:
    usual = cores._usual

    def register(asked: Any) -> wire.Message | None:
        if asked.body.agent == "togo":
            return wire.ErrorReply(code=403, message="held by another key", retryable=False)
        return usual(asked)

    cores.answers[subjects.endpoint("registry", "register")] = register
    host.tell({"nats": {"servers": [broker.url]}, "agents": [player("kenya"), player("togo")]})
    assert "another key" in (await host.until("error", agent="togo", what="register"))["message"]
    assert (await host.until("ready"))["agents"] == 1
    await host.until("joined", agent="kenya")
    assert (await host.end())[0] == 0


async def test_no_bus_is_69(broker: Broker, host: Process) -> None:
    host.tell({"nats": {"servers": [broker.url]}, "connect_within_ms": 1500, "agents": []})
    assert await asyncio.wait_for(host.process.wait(), WITHIN_S) == 69
    assert (await host.end())[1].startswith("no bus: nobody answers")
    other = await Process.start()
    other.tell({"nats": {"servers": ["nats://127.0.0.1:1"]}, "connect_within_ms": 500, "agents": []})
    assert await asyncio.wait_for(other.process.wait(), WITHIN_S) == 69
    assert (await other.end())[1].startswith("no bus: no broker")


async def test_a_bad_configuration_is_2_and_wrong_usage_64(host: Process) -> None:
    host.tell({"agents": [player("kenya", colour="red")]})
    code, errors = await host.end()
    assert code == 2
    assert "colour" in errors
    wrong = await Process.start("--nonsense")
    assert (await wrong.end())[0] == 64


async def test_an_input_that_ends_at_once_is_an_empty_configuration(host: Process) -> None:
    assert (await host.end())[0] == 2


GIVE = {"good": "a", "limit": 1, "cost": {"lo": 1, "hi": 1}}


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"id": "Kenya"}, "id"),
        ({"market": "a.b"}, "market"),
        ({"gives": [GIVE | {"cost": {"lo": 1.5, "hi": 2}}]}, "cost.lo"),
        ({"gives": [GIVE | {"limit": 0}]}, "positive"),
        ({"gives": [GIVE | {"cost": {"lo": 2, "hi": 1}}]}, "lo ≤ hi"),
        ({"gives": [GIVE, GIVE]}, "given twice"),
        ({"wants": [{"any_of": []}]}, "at least one good"),
        ({"seed": "SUX"}, "seed"),
        ({"reserve_ppm": -1}, "reserve_ppm"),
        ({"policy": "odd"}, "policy"),
        ({"outlook": {"arrival": "2"}}, "from 0 to 1"),
        ({"declare": [{"good": "a", "quantity": -1}]}, "declare"),
        ({"schedule": [{"at_ms": 0, "do": "dance"}]}, "schedule"),
        ({"colour": "red"}, "colour"),
    ],
)
def test_what_no_agent_could_be_is_refused_by_name(change: dict[str, object], why: str) -> None:
    with pytest.raises(BadSetting, match=why.replace(".", r"\.")):
        Config.read(json.dumps({"agents": [player("kenya") | change]}).encode())


def test_ids_stand_once_and_leases_have_bounds() -> None:
    with pytest.raises(BadSetting, match="twice"):
        Config.read(json.dumps({"agents": [player("kenya"), player("kenya")]}).encode())
    with pytest.raises(BadSetting, match="lease_ms"):
        Config.read(b'{"agents":[],"lease_ms":0}')


def test_what_is_read_is_what_was_meant() -> None:
    offer = Config.read(json.dumps({"agents": [player("kenya", margin_ppm=7)]}).encode()).agents[0].offer()
    assert offer.gives == (Give("wheat", 100, cost=("39/2", 20)),)
    assert offer.wants == (Want("coffee", 50, value=(90, 91)) | Want("tea", 80, value=(60, 61)),)
    assert offer.margin_ppm == 7
