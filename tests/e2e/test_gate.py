"""The gate of deals that require proof, on a real bus: what a prover may do to them, and what it may not.

The cores run without provers of their own, so that each test brings its own.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import nats
import pytest

from hms_a2a import Agent, Deal, Give, Want, wire
from hms_a2a._keys import new_seed
from hms_a2a.gtp import parse_claim, prove
from liar import Liar, each, honest, of_another
from real_bus import HMS, eventually, free_port, hms_up

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from liar import Answer
    from real_bus import Broker, Bus

WITHIN_S = 30.0
REQUIRES = ("win_win", "holdings")
TWENTY = 20


@pytest.fixture(scope="module")
def proverless(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bus]:
    """A bus without provers."""
    folder = tmp_path_factory.mktemp("proverless")
    with hms_up(folder, "--port", str(free_port()), "--monitor-port", "0", "--provers", "0") as bus:
        yield bus


def pair(url: str, book: str, worth: int = 30) -> tuple[Agent, Agent]:
    """Kenya, who gives tea, and Ghana, who gives cocoa: each unit costs its giver 10.

    What a unit is worth to whoever receives it makes the claims: of the same worth, they were proved before.
    """

    def trader(name: str, gives: str, wants: str) -> Agent:
        agent = Agent(f"{name}-{book}", servers=url, seed=new_seed())
        agent.join(book, gives=[Give(gives, 100, cost=10)], wants=[Want(wants, 100, value=worth)])
        return agent

    return trader("kenya", "tea", "cocoa"), trader("ghana", "cocoa", "tea")


async def offered(kenya: Agent, ghana: Agent, book: str, **more: Any) -> Deal:
    """Kenya offers Ghana ten for ten, if it is proved to be good."""
    goods = {"gives": {"tea": 10}, "takes": {"cocoa": 10}}
    said: dict[str, Any] = goods | more
    return await kenya.offer(ghana.id, book=book, requires=REQUIRES, **said)


async def end_of(deal: Deal) -> str:
    return await asyncio.wait_for(deal.ended(), WITHIN_S)


async def log_of(bus: Bus, deal: Deal) -> list[dict[str, Any]]:
    lines = (await asyncio.to_thread(bus.hms, "deal", "log", deal.id, "--json")).splitlines()
    return [json.loads(line)["event"]["what"] for line in lines]


async def verified(bus: Bus, deal: Deal) -> dict[str, Any]:
    verdict: dict[str, Any] = json.loads(await asyncio.to_thread(bus.hms, "deal", "verify", deal.id, "--json"))
    return verdict


def balances(bus: Bus, book: str) -> list[Any]:
    asked = json.dumps({"book": book})
    command = [str(bus.binary), "call", "ledger.balance", "-", "--json", "--nats", bus.url]
    done = subprocess.run(command, input=asked, capture_output=True, text=True, timeout=60, check=True)
    return [line for line in json.loads(done.stdout)["lines"] if line["balance"]]


LIES: dict[str, tuple[Answer, str, str]] = {
    "rubbish": (each(lambda _: b"\xc1rubbish"), "proof_unsound", ""),
    "no evidence": (each(lambda _: None), "proof_unsound", "without evidence"),
    "of another claim": (each(of_another), "proof_unsound", ""),
    "huge": (each(lambda _: bytes(900_000)), "proof_unsound", ""),
    "unknown": (each(lambda _: None, wire.SearchVerdict.UNKNOWN), "claim_unknown", "so it says"),
    "no reply of ours": (lambda _: b"\x93\x01\x02\x03", "proof_unsound", "can't be read"),
    "not even bytes": (lambda _: b"", "proof_unsound", "can't be read"),
    "of nobody's claim": (lambda _: each(lambda _: b"x")([b"nobody's"]), "proof_unsound", "nobody asked"),
}


@pytest.mark.parametrize("lie", LIES)
async def test_a_prover_that_lies_commits_nothing_and_is_named(proverless: Bus, lie: str) -> None:
    answer, rule, words = LIES[lie]
    book = f"lie-{lie.replace(' ', '-').replace(chr(39), '')}"
    kenya, ghana = pair(proverless.url, book, worth=30 + list(LIES).index(lie))
    async with Liar(proverless.url, answer) as liar, kenya, ghana:
        deal = await offered(kenya, ghana, book)
        assert await end_of(deal) == "refused"
        assert deal.rule == rule
        assert words in (deal.reason or "")
        happened = await log_of(proverless, deal)
        assert [what["type"] for what in happened] == ["opened", "accepted", "accepted", "refused"]
        assert happened[-1]["reason"] == deal.reason
        assert (await verified(proverless, deal))["state"] == "refused"
        assert await asyncio.to_thread(balances, proverless, book) == []
        assert liar.asked >= 1
        # The same deal passes as soon as somebody proves it.
        liar.answer = each(honest)
        again = await offered(kenya, ghana, book)
        assert await end_of(again) == "settled"
        assert (await verified(proverless, again))["claims"] == 4
    assert proverless.is_well()


async def test_silence_ends_in_time_and_holds_up_nobody_else(proverless: Bus) -> None:
    kenya, ghana = pair(proverless.url, "silence", worth=41)
    async with Liar(proverless.url, lambda _: None) as liar, kenya, ghana:
        began = asyncio.get_running_loop().time()
        waiting = await offered(kenya, ghana, "silence", expires_in_s=6.0)
        while liar.asked < 2:  # noqa: ASYNC110 - it is asked as each accepts
            await asyncio.sleep(0.01)
        free = await kenya.offer(ghana.id, book="silence", gives={"tea": 1}, takes={"cocoa": 1})
        assert await end_of(free) == "settled", "what requires nothing waits for nobody"
        assert waiting.state != wire.State.REFUSED
        assert await end_of(waiting) == "refused"
        assert asyncio.get_running_loop().time() - began < 9.0
        assert waiting.rule == "proof_unanswered"
        assert (await verified(proverless, waiting))["holds"]
    assert proverless.is_well()


async def test_a_prover_that_falls_while_it_works_is_silence(proverless: Bus) -> None:
    kenya, ghana = pair(proverless.url, "falls", worth=42)
    async with Liar(proverless.url, each(honest)) as liar, kenya, ghana:
        liar.may_answer.clear()
        deal = await offered(kenya, ghana, "falls")
        while liar.asked < 2:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        await liar.vanish()
        # Another takes its place before the time for proofs is over.
        async with Liar(proverless.url, each(honest)):
            assert await end_of(deal) == "settled"
    assert proverless.is_well()


async def test_without_any_prover_it_is_refused_and_says_so(proverless: Bus) -> None:
    kenya, ghana = pair(proverless.url, "nobody", worth=43)
    async with kenya, ghana:
        deal = await offered(kenya, ghana, "nobody", expires_in_s=4.0)
        assert await end_of(deal) == "refused"
        assert (deal.rule, deal.reason) == ("proof_unanswered", "there is no prover")


async def test_a_false_claim_is_refuted_with_its_counterexample_in_the_log(proverless: Bus) -> None:
    """Both accept what is bad for them: each gets what is worth 5 for what costs 10."""
    kenya, ghana = pair(proverless.url, "refuted", worth=5)
    for agent in (kenya, ghana):
        agent.on_proposal(lambda _: True)
    async with Liar(proverless.url, each(honest)), kenya, ghana:
        deal = await offered(kenya, ghana, "refuted")
        assert await end_of(deal) == "refused"
        assert deal.rule == "claim_refuted"
        assert "win_win of" in (deal.reason or "")
        happened = await log_of(proverless, deal)
        assert happened[-1]["evidence"]["certificate"]
        assert (await verified(proverless, deal)) | {"signatures": 0} == {
            "deal": deal.id,
            "holds": True,
            "state": "refused",
            "entries": 4,
            "signatures": 0,
            "claims": 1,
        }


async def test_who_says_less_than_it_gives_is_refused(proverless: Bus) -> None:
    kenya, ghana = pair(proverless.url, "poor", worth=44)

    async def accept(deal: Deal) -> None:
        await deal.accept(holdings={"cocoa": 9})

    ghana.on_proposal(accept)
    async with Liar(proverless.url, each(honest)), kenya, ghana:
        deal = await offered(kenya, ghana, "poor")
        assert await end_of(deal) == "refused"
        assert deal.rule == "claim_refuted"
        assert f"holdings of {ghana.id}" in (deal.reason or "")


async def test_what_the_bucket_says_is_checked_again(proverless: Bus) -> None:
    """What was found before stands in where a prover fails; what somebody else writes there is not believed."""
    kenya, ghana = pair(proverless.url, "kept", worth=45)

    async def gains() -> Deal:
        return await kenya.offer(ghana.id, book="kept", gives={"tea": 10}, takes={"cocoa": 10}, requires=["win_win"])

    async with Liar(proverless.url, each(honest)) as liar, kenya, ghana:
        deal = await gains()
        assert await end_of(deal) == "settled"
        certified = next(what for what in await log_of(proverless, deal) if what["type"] == "certified")
        liar.answer = each(lambda _: b"rubbish")
        again = await gains()  # the same goods at the same values raise the same claims
        assert await end_of(again) == "settled"
        assert (await verified(proverless, again))["claims"] == 2
        # Rubbish; proofs of other claims, each sound in itself; and this claim's, of which one digit is wrong.
        hashes = [certificate["claim_hash"] for certificate in certified["certificates"]]
        proofs = {claim: json.loads(await kept(proverless.url, claim))["evidence"] for claim in hashes}
        wrong: list[Callable[[str], str]] = [
            lambda _: "00",
            lambda claim: proofs[next(other for other in hashes if other != claim)],
            lambda claim: proofs[claim][:-2] + f"{int(proofs[claim][-2:], 16) ^ 1:02x}",
        ]
        for evidence in wrong:
            for claim in hashes:
                value = {"verdict": "proved", "evidence": evidence(claim), "found_unix_ms": 0}
                await keep(proverless.url, claim, json.dumps(value).encode())
            bad = await gains()
            assert await end_of(bad) == "refused"
            assert bad.rule == "proof_unsound"
    assert proverless.is_well()


async def test_what_is_found_ahead_is_checked_as_all_else(proverless: Bus) -> None:
    """Of what a prover says as the first accepts, nothing stands when the last has, unless the kernel lets it."""
    kenya, ghana = pair(proverless.url, "ahead", worth=46)
    async with Liar(proverless.url, each(lambda _: b"rubbish")) as liar, kenya, ghana:

        async def accept(deal: Deal) -> None:
            await eventually(lambda: liar.asked == 1, WITHIN_S)
            liar.answer = each(honest)
            await deal.accept(holdings={"cocoa": 100})

        ghana.on_proposal(accept)
        deal = await offered(kenya, ghana, "ahead")
        assert await end_of(deal) == "settled", deal.reason
        # Kenya's two claims, lied about; Ghana's; and Kenya's again.
        assert liar.asked == 3
        assert (await verified(proverless, deal))["claims"] == 4


async def test_a_deal_of_twenty_commits(tmp_path: Path) -> None:
    """A ring of twenty, each of whom must gain and hold what it gives: forty claims, all proved within the limits."""
    folder = tmp_path / "hms"
    folder.mkdir()
    with hms_up(folder, "--port", str(free_port()), "--monitor-port", "0") as bus:
        agents = []
        for k in range(TWENTY):
            agent = Agent(f"party-{k:02}", servers=bus.url, seed=new_seed())
            gives = [Give(f"good-{k:02}", 100, cost=10)]
            agent.join("twenty", gives=gives, wants=[Want(f"good-{(k - 1) % TWENTY:02}", 100, value=30)])
            agents.append(agent)
        async with contextlib.AsyncExitStack() as stack:
            for agent in agents:
                await stack.enter_async_context(agent)
            now = agents[0].now_unix_ms
            transfers = [
                wire.Transfer(
                    from_=agents[k].id,
                    to=agents[(k + 1) % TWENTY].id,
                    good=f"good-{k:02}",
                    quantity=10,
                    due_unix_ms=now + 60_000,
                )
                for k in range(TWENTY)
            ]
            terms = wire.Terms(
                book="twenty",
                parties=sorted(agent.id for agent in agents),
                transfers=transfers,
                delivery=wire.Delivery.CONFIRMED,
                expires_unix_ms=now + 30_000,
            )
            deal = await agents[0].open_deal(terms, profile="ring/1", requires=REQUIRES)
            assert await end_of(deal) == "settled", deal.reason
            told = await verified(bus, deal)
        assert (told["holds"], told["claims"]) == (True, 2 * TWENTY)


async def test_the_kernel_answers_whoever_asks(proverless: Bus) -> None:
    """`hms call proof.check` decides on evidence; what is none is refused with its place."""
    claim = parse_claim("forall x in [1,2], y in [0,3]: 3*x >= y")
    evidence = prove(claim).evidence
    assert evidence is not None

    async def asked(evidence: bytes) -> subprocess.CompletedProcess[str]:
        body = json.dumps({"claim": claim.to_bytes().hex(), "certificate": evidence.hex()})
        command = [str(proverless.binary), "call", "proof.check", "-", "--json", "--nats", proverless.url]
        return await asyncio.to_thread(
            subprocess.run, command, input=body, capture_output=True, text=True, timeout=60, check=False
        )

    good = await asked(evidence)
    assert good.returncode == 0, good.stderr
    said = json.loads(good.stdout)
    assert (said["verdict"], said["vacuous"], said["claim_hash"]) == ("proved", False, claim.hash.hex())
    other = of_another(b"")
    assert other is not None
    for bad, words in ((other, "claim_hash"), (evidence[:-1], "")):
        refused = await asked(bad)
        assert refused.returncode != 0
        assert words in refused.stdout + refused.stderr


async def kept(url: str, key: str) -> bytes:
    """What the bucket of proofs holds."""
    client = await nats.connect(url)
    try:
        bucket = await client.jetstream().key_value("HMS_PROOFS")
        return (await bucket.get(key)).value or b""
    finally:
        await client.close()


async def keep(url: str, key: str, value: bytes) -> None:
    """Write into the bucket of proofs, as anybody on an open bus can."""
    client = await nats.connect(url)
    try:
        bucket = await client.jetstream().key_value("HMS_PROOFS")
        await bucket.put(key, value)
    finally:
        await client.close()


async def test_a_desk_killed_while_the_prover_works_is_followed_by_another(broker: Broker, tmp_path: Path) -> None:
    """The deal ends once, and well: another desk hears the timer and asks again."""
    folder = tmp_path / "hms"
    folder.mkdir()
    environment = os.environ | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    kenya, ghana = pair(broker.url, "killed")
    with hms_up(folder, "--nats", broker.url, "--provers", "0") as bus:
        async with Liar(broker.url, each(honest)) as liar:
            liar.may_answer.clear()
            async with kenya, ghana:
                deal = await offered(kenya, ghana, "killed")
                await eventually(lambda: liar.asked == 2, WITHIN_S)  # as each accepts
                while len(await log_of(bus, deal)) < 3:  # noqa: ASYNC110 - the last acceptance is stored, without waiting any longer
                    await asyncio.sleep(0.05)
                bus.kill()
                cores = "registry,deal,ledger,proof"
                command = [str(HMS), "node", "--cores", cores, "--dir", str(folder), "--nats", broker.url]
                log = (tmp_path / "log").open("wb")
                other = await asyncio.create_subprocess_exec(*command, env=environment, stdout=log, stderr=log)
                try:
                    await eventually(lambda: liar.asked == 3, WITHIN_S)
                    liar.may_answer.set()
                    assert await end_of(deal) == "settled"
                    happened = [what["type"] for what in await log_of(bus, deal)]
                    assert happened.count("certified") == happened.count("committed") == happened.count("settled") == 1
                    assert (await verified(bus, deal))["claims"] == 4
                finally:
                    other.send_signal(signal.SIGTERM)
                    await asyncio.wait_for(other.wait(), WITHIN_S)
                    log.close()


async def test_several_provers_share_the_work_and_one_that_falls_comes_again(tmp_path: Path) -> None:
    folder = tmp_path / "hms"
    folder.mkdir()
    with hms_up(folder, "--port", str(free_port()), "--monitor-port", "0", "--provers", "2") as bus:
        kenya, ghana = pair(bus.url, "several")
        async with kenya, ghana:
            first = await offered(kenya, ghana, "several")
            assert await end_of(first) == "settled"
            before = provers_of(bus)
            assert len(before) == 2
            os.kill(before[0], signal.SIGKILL)
            await eventually(lambda: len(provers_of(bus)) == 2 and before[0] not in provers_of(bus), WITHIN_S)
            deals = [await offered(kenya, ghana, "several") for _ in range(8)]
            assert [await end_of(deal) for deal in deals] == ["settled"] * 8
            for deal in deals:
                assert (await verified(bus, deal))["claims"] == 4
        provers = provers_of(bus)
    assert not [pid for pid in provers if is_there(pid)], "they end with the bus"


async def test_provers_end_with_a_bus_that_is_killed(tmp_path: Path) -> None:
    folder = tmp_path / "hms"
    folder.mkdir()
    with hms_up(folder, "--port", str(free_port()), "--monitor-port", "0") as bus:
        provers = provers_of(bus)
        assert provers
        bus.kill()
        await eventually(lambda: not any(is_there(pid) for pid in provers), WITHIN_S)
        bus.hms("down", "--dir", str(folder))  # the broker that it left behind


def provers_of(bus: Bus) -> list[int]:
    """The provers that `hms up` has started, by their processes."""
    found = []
    for task in (Path("/proc") / str(bus.pid) / "task").iterdir():
        for child in (task / "children").read_text().split():
            with contextlib.suppress(OSError):
                if b"hms_a2a.gtp" in (Path("/proc") / child / "cmdline").read_bytes():
                    found.append(int(child))
    return sorted(found)


def is_there(pid: int) -> bool:
    """Whether a process runs."""
    try:
        return "Z" not in (Path("/proc") / str(pid) / "stat").read_text().split(")")[-1].split()[0]
    except OSError:
        return False
