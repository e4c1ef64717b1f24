"""NegMAS's negotiators as peers on the bus: each callback is answered from what comes over the bus.

A peer keeps a mirror of the talk: NegMAS's mechanism, with the negotiator on its seat and a puppet on each other,
which says what that party has said on the bus. So the negotiator sees what it would see at home, and what it answers
is said on the bus; whether that is the same talk is what the test asks.

The first line of standard input says who is carried and what is to be held (see `Plan`); when all are registered
there is a line ``{"ready": true}``, and the next line of input begins. Then there is a line for each seat of each
meeting.
"""

from __future__ import annotations

import asyncio
import json
import queue
import sys
import threading
from typing import Any

import msgspec
from negmas.sao import ResponseType, SAONegotiator, SAOResponse, SAOState

from hms_a2a import Agent, Host, negotiation, wire
from hms_a2a._deal import deal_id
from hms_a2a._keys import new_seed
from negmas_room import in_words, mechanism, seen, sit_down, stance

ANSWER_WITHIN_S = 300.0


class Plan(msgspec.Struct):
    """What a process is told: where the bus is, which peers it carries, and all meetings."""

    url: str
    book: str
    peers: list[str]
    meetings: list[dict[str, Any]]
    at_once: int


class Puppet(SAONegotiator):  # type: ignore[misc] # it has no types
    """Says in the mirror what its party has said on the bus."""

    def __init__(self, **more: Any) -> None:
        super().__init__(**more)
        self.said: queue.SimpleQueue[tuple[str, tuple[int, ...] | None]] = queue.SimpleQueue()

    def propose(self, state: SAOState, dest: str | None = None) -> None:
        raise NotImplementedError("it answers in one call")

    def __call__(self, state: SAOState, dest: str | None = None) -> SAOResponse:
        match self.said.get(timeout=ANSWER_WITHIN_S):
            case ("offer", outcome):
                return SAOResponse(ResponseType.REJECT_OFFER, outcome)
            case ("accept", _):
                return SAOResponse(ResponseType.ACCEPT_OFFER, state.current_offer)
        return SAOResponse(ResponseType.END_NEGOTIATION, None)


class Mirror(negotiation.Strategy):
    """A negotiator of NegMAS's as one of our strategies."""

    def __init__(self, meeting: dict[str, Any], me: int) -> None:
        self._me = me
        self._parties = len(meeting["seats"])
        self._heard: list[tuple[int, negotiation.Outcome]] = []
        self._turn = 0
        self._answers: queue.SimpleQueue[SAOResponse | BaseException] = queue.SimpleQueue()
        self._session = mechanism(meeting)
        self._puppets: dict[int, Puppet] = {}
        #: What the negotiator saw, each time that it was asked.
        self.seen: list[dict[str, Any]] = []
        for index, seat in enumerate(meeting["seats"]):
            if index == me:
                sit_down(self._session, meeting, seat, self._told)
            else:
                self._puppets[index] = Puppet(id=seat["agent"], name=seat["agent"])
                self._session.add(self._puppets[index])
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _told(self, before: dict[str, Any], response: SAOResponse) -> None:
        self.seen.append(before)
        self._answers.put(response)

    def _run(self) -> None:
        try:
            self._session.run()
        except BaseException as error:
            self._answers.put(error)

    def heard(self, seat: int, outcome: negotiation.Outcome, _: int, /) -> None:
        """Another party offers."""
        self._heard.append((seat, outcome))

    def choose(self, now: negotiation.Situation) -> negotiation.Choice:
        """Tell the mirror what was said since, and say what the negotiator says."""
        turn = now.round * self._parties + self._me
        while self._turn < turn:
            seat = self._turn % self._parties
            # Whoever has not offered has accepted, or there would be no turn.
            if self._heard and self._heard[0][0] == seat:
                self._say(seat, "offer", self._heard.pop(0)[1])
            else:
                self._say(seat, "accept", None)
        answer = self._answers.get(timeout=ANSWER_WITHIN_S)
        if isinstance(answer, BaseException):
            raise answer
        self._turn += 1
        word, outcome = in_words(answer)
        if word == "offer" and outcome is not None:
            return negotiation.Offer(tuple(outcome))
        return negotiation.Accept() if word == "accept" else negotiation.End()

    def _say(self, seat: int, word: str, outcome: negotiation.Outcome | None) -> None:
        self._puppets[seat].said.put((word, outcome))
        self._turn += 1

    def finish(self, words: list[bytes]) -> dict[str, Any]:
        """Tell the mirror what was said after its last turn; the state in which it ends."""
        for body in words[self._turn :]:
            word, outcome = spelt(body)
            self._say(self._turn % self._parties, word, outcome)
        self._thread.join(ANSWER_WITHIN_S)
        assert not self._thread.is_alive(), "the mirror has not ended"
        return seen(self._session.state)


def spelt(body: bytes) -> tuple[str, negotiation.Outcome | None]:
    """What a word says."""
    match negotiation.read_word(body):
        case wire.TalkOffer(outcome=outcome):
            return "offer", tuple(outcome)
        case wire.TalkAccept():
            return "accept", None
    return "end", None


def domain(meeting: dict[str, Any]) -> wire.Domain:
    """Each gives the next of its good as much as an issue says."""
    counts, parties = meeting["counts"], len(meeting["seats"])

    def pattern(seat: int) -> wire.Pattern:
        times = [f"issue-{seat % len(counts)}"]
        return wire.Pattern(
            from_=seat, to=(seat + 1) % parties, goods=[f"good-{seat}"], factor=1, times=times, due_unix_ms=0
        )

    return wire.Domain(
        issues=[wire.Issue(name=f"issue-{at}", least=1, step=1, count=count) for at, count in enumerate(counts)],
        transfers=[pattern(seat) for seat in range(parties)],
        delivery=wire.Delivery.IMMEDIATE,
    )


class Peers:
    """The peers that this process carries."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._agents = {name: Agent(name, seed=new_seed()) for name in plan.peers}
        self._mirrors: dict[tuple[str, str], Mirror] = {}
        self._deals = {self._deal(meeting): meeting for meeting in plan.meetings}
        self._places = asyncio.Semaphore(plan.at_once)
        self._left = sum(seat["agent"] in self._agents for meeting in plan.meetings for seat in meeting["seats"])
        self._done = asyncio.Event()

    @staticmethod
    def _move_id(meeting: dict[str, Any]) -> str:
        return f"meeting-{meeting['number']}"

    def _deal(self, meeting: dict[str, Any]) -> str:
        return deal_id(meeting["seats"][0]["agent"], self._move_id(meeting))

    def _stance(self, deal: str, meeting: dict[str, Any], index: int) -> negotiation.Stance:
        seat = meeting["seats"][index]
        if seat["kind"] == "ours":
            return stance(seat)
        mirror = self._mirrors[deal, seat["agent"]] = Mirror(meeting, index)
        return negotiation.Stance(lambda _: 0, mirror)

    async def start(self, host: Host) -> None:
        """Register everybody."""
        for agent in self._agents.values():
            agent.negotiations.invited(
                lambda invitation: self._stance(invitation.deal, self._deals[invitation.deal], invitation.seat)
            )
            agent.negotiations.over(lambda talk, agent=agent.id: self._tell(agent, talk))
            await host.add(agent)
            await agent.declare(self._plan.book, {f"good-{seat}": 10**9 for seat in range(8)})

    async def hold(self) -> None:
        """Open what is this process's to open, and wait until all is over."""
        opened = [
            asyncio.ensure_future(self._open(deal, meeting))
            for deal, meeting in self._deals.items()
            if meeting["seats"][0]["agent"] in self._agents
        ]
        await asyncio.gather(*opened)
        await self._done.wait()

    async def _open(self, deal: str, meeting: dict[str, Any]) -> None:
        async with self._places:
            order = [seat["agent"] for seat in meeting["seats"]]
            talk = await self._agents[order[0]].negotiations.open(
                domain(meeting),
                self._stance(deal, meeting, 0),
                order=order,
                book=self._plan.book,
                rounds=meeting["rounds"],
                talk_for_s=600.0,
                move_id=self._move_id(meeting),
            )
            await talk.deal.ended()

    async def _tell(self, agent: str, talk: negotiation.Negotiation) -> None:
        assert isinstance(talk, negotiation.Talk)
        mirror = self._mirrors.pop((talk.id, agent), None)
        last = None if mirror is None else await asyncio.to_thread(mirror.finish, talk.words)
        line = {
            "number": self._deals[talk.id]["number"],
            "agent": agent,
            "words": [
                {"by": negotiation.read_word(word).by, "word": spelt(word)[0], "outcome": spelt(word)[1]}
                for word in talk.words
            ],
            "head": talk.transcript.head.hex(),
            "agreed": await talk.agreed(),
            "seen": None if mirror is None else mirror.seen,
            "state": last,
            "deal": await talk.deal.ended(),
        }
        print(json.dumps(line), flush=True)
        self._left -= 1
        if self._left == 0:
            self._done.set()


async def main() -> None:
    """Carry the peers."""
    plan = msgspec.json.decode(sys.stdin.readline(), type=Plan)
    peers = Peers(plan)
    async with Host(plan.peers[0], servers=plan.url) as host:
        await peers.start(host)
        print(json.dumps({"ready": True}), flush=True)
        await asyncio.to_thread(sys.stdin.readline)
        await peers.hold()


if __name__ == "__main__":
    asyncio.run(main())
