"""Every subject that an agent builds or reads: generated from the crate `schemas`, do not edit.

The parts of a subject are checked on the way in, so no wildcard gets into one: a bad name is a `ValueError`.
"""

import re
from typing import Final

ROOT: Final = "hms.v1"
"""The prefix of every subject, with the contract's major version."""
RESERVED: Final = frozenset(("log", "inbox", "note", "live", "market", "topic", "timer", "dlq", "snapshot", "office"))
"""Words that no core, service or endpoint may be named."""
DEAL_VERBS: Final = ("open", "propose", "counter", "accept", "reject", "withdraw", "confirm", "show")
"""The endpoints of the desk that a party addresses."""
TASK_VERBS: Final = ("submit", "add", "bid", "decline", "progress", "deliver", "judge", "answer", "cancel", "show")
"""What agents may say in a job."""

STREAM_DEALS: Final = "HMS_DEALS"
STREAM_INBOX: Final = "HMS_INBOX"
STREAM_MARKET: Final = "HMS_MARKET"
STREAM_TIMERS: Final = "HMS_TIMERS"
STREAM_ISLANDS: Final = "HMS_ISLANDS"
STREAM_TASKS: Final = "HMS_TASKS"
STREAM_DLQ: Final = "HMS_DLQ"
BUCKET_RESULTS: Final = "HMS_RESULTS"
BUCKET_AGENTS: Final = "HMS_AGENTS"
BUCKET_MARKETS: Final = "HMS_MARKETS"
BUCKET_PROOFS: Final = "HMS_PROOFS"
BUCKET_REPUTATION: Final = "HMS_REPUTATION"

ALL_LIVE: Final = "hms.v1.live.>"
"""Everything that watchers see."""
ALL_LIVE_DEAL_LOGS: Final = "hms.v1.live.log.deal.*"
"""The live copies of every deal's log."""

ALL_JOB_CANCELS: Final = "hms.v1.topic.job.*.cancel"
"""Every job's cancellation."""
ALL_HEARTBEATS: Final = "agents.hb.*.*.*"
"""Every agent of the Synadia Agent Protocol that says how it is."""

_TOKEN = re.compile(r"^[a-z0-9_-]{1,63}\Z")
_DEAL = re.compile(r"^[a-z2-7]{26}\Z")
_JOB = re.compile(r"^[A-Za-z0-9_-]{1,64}\Z")
_SERVICE = re.compile(r"^[A-Za-z0-9_-]{1,63}\Z")
_TOPIC_TOKEN = re.compile(r"^[!-)+-=?-~]+\Z")
_HARNESS = re.compile(r"^[a-z0-9-]{1,63}\Z")


def agent_id(text: str) -> str:
    """An agent's id: 1 to 63 of a-z, 0-9, _ and -. Raises `ValueError`."""
    return _matching(_TOKEN, text, "an agent's id")


def good(text: str) -> str:
    """A good: 1 to 63 of a-z, 0-9, _ and -. Raises `ValueError`."""
    return _matching(_TOKEN, text, "a good")


def market_id(text: str) -> str:
    """A market, and its ledger's book: 1 to 63 of a-z, 0-9, _ and -. Raises `ValueError`."""
    return _matching(_TOKEN, text, "a market")


def deal_id(text: str) -> str:
    """A deal's id: 26 of a-z and 2-7. Raises `ValueError`."""
    return _matching(_DEAL, text, "a deal's id")


def job_id(text: str) -> str:
    """A job's id: 1 to 64 of A-Z, a-z, 0-9, _ and -. Raises `ValueError`."""
    return _matching(_JOB, text, "a job's id")


def skill_id(text: str) -> str:
    """What an agent can do: 1 to 63 of a-z, 0-9, _ and -. Raises `ValueError`."""
    return _matching(_TOKEN, text, "a skill")


def _service(text: str) -> str:
    return _matching(_SERVICE, text, "a service's name")


def _harness(text: str) -> str:
    return _matching(_HARNESS, text, "a harness")


def _discovered(text: str) -> str:
    if text not in ("PING", "INFO", "STATS"):
        raise ValueError(f"{text!r} is nothing that services are asked for")
    return text


def _verb(text: str) -> str:
    if text not in DEAL_VERBS:
        raise ValueError(f"{text!r} is no verb of a deal")
    return text


def _task_verb(text: str) -> str:
    if text not in TASK_VERBS:
        raise ValueError(f"{text!r} is no verb of a job")
    return text


def _matching(rule: re.Pattern[str], text: str, what: str) -> str:
    if rule.match(text) is None:
        raise ValueError(f"{text[:64]!r} is not {what}: {rule.pattern}")
    return text


def _parts(subject: str, pattern: str, places: list[int]) -> list[str]:
    """The tokens of `subject` where `pattern` has `*`."""
    tokens, expected = subject.split("."), pattern.split(".")
    if len(tokens) != len(expected) or any(e not in ("*", t) for t, e in zip(tokens, expected, strict=True)):
        raise ValueError(f"{subject[:256]!r} is no subject of the form {pattern}")
    return [tokens[place] for place in places]


def endpoint(service: str, verb: str) -> str:
    """A core's endpoint, or another service's."""
    return f"hms.v1.{_service(service)}.{_service(verb)}"


def bucket_key(bucket: str, key: str) -> str:
    """Where a bucket keeps a key."""
    return f"$KV.{bucket}.{key}"


def discovery(verb: str, service: str = "") -> str:
    """Where services are found (ADR-32): PING, INFO or STATS, of all or of those of one name. Raises `ValueError`."""
    return f"$SRV.{_discovered(verb)}.{_service(service)}" if service else f"$SRV.{_discovered(verb)}"


def topic(name: str) -> str:
    """Whatever agents want to say to each other: tokens of printable ASCII joined by dots. Raises `ValueError`."""
    if not all(_TOPIC_TOKEN.match(token) for token in name.split(".")):
        raise ValueError(f"{name[:256]!r} is no topic: tokens joined by dots, without wildcards")
    return f"hms.v1.topic.{name}"


def all_topics(pattern: str) -> str:
    """A pattern over topics: `*` for one token, `>` last for the rest. Raises `ValueError`."""
    tokens = pattern.split(".")
    rest = tokens[:-1] if tokens[-1] == ">" else tokens
    if not all(part == "*" or _TOPIC_TOKEN.match(part) for part in rest):
        raise ValueError(f"{pattern[:256]!r} is not a pattern of tokens, * and >")
    return f"hms.v1.topic.{pattern}"


def all_talk_to(party: str) -> str:
    """Whatever a party is told under negotiation. Raises `ValueError`."""
    return f"hms.v1.talk.{agent_id(party)}.*"


def parse_topic(subject: str) -> str:
    """The topic of a topic's subject. Raises `ValueError`."""
    if not subject.startswith("hms.v1.topic."):
        raise ValueError(f"{subject[:256]!r} is no topic's subject")
    return subject.removeprefix("hms.v1.topic.")


def may_reply_to(subject: str) -> bool:
    """Whether an answer may go there: to an inbox of the broker's making (`_INBOX.…`, `_R_.…`).

    A reply subject is the asker's to choose, and one of the contract's own would have the answerer write for it.
    """
    return subject.startswith("_") and "*" not in subject and ">" not in subject


def deal_move(verb: str, party: str, deal: str) -> str:
    """`hms.v1.deal.<verb>.<party>.<deal>`: a party's move; the party is the claimed mover."""
    return f"hms.v1.deal.{_verb(verb)}.{agent_id(party)}.{deal_id(deal)}"


def parse_deal_move(subject: str) -> tuple[str, str, str]:
    """The parts of `hms.v1.deal.<verb>.<party>.<deal>` (`verb`, `party`, `deal`). Raises `ValueError`."""
    verb, party, deal = _parts(subject, "hms.v1.deal.*.*.*", [3, 4, 5])
    return _verb(verb), agent_id(party), deal_id(deal)


def task_move(task_verb: str, agent: str, job: str) -> str:
    """`hms.v1.task.<task_verb>.<agent>.<job>`: a move in a job; the agent is the claimed mover."""
    return f"hms.v1.task.{_task_verb(task_verb)}.{agent_id(agent)}.{job_id(job)}"


def parse_task_move(subject: str) -> tuple[str, str, str]:
    """The parts of `hms.v1.task.<task_verb>.<agent>.<job>` (`task_verb`, `agent`, `job`). Raises `ValueError`."""
    task_verb, agent, job = _parts(subject, "hms.v1.task.*.*.*", [3, 4, 5])
    return _task_verb(task_verb), agent_id(agent), job_id(job)


def deal_log(deal: str) -> str:
    """`hms.v1.log.deal.<deal>`: what happened to a deal."""
    return f"hms.v1.log.deal.{deal_id(deal)}"


def parse_deal_log(subject: str) -> str:
    """The parts of `hms.v1.log.deal.<deal>` (`deal`). Raises `ValueError`."""
    return deal_id(_parts(subject, "hms.v1.log.deal.*", [4])[0])


def ledger_log(book: str) -> str:
    """`hms.v1.log.ledger.<book>`: a book's fence and cursor."""
    return f"hms.v1.log.ledger.{market_id(book)}"


def limit_log(book: str, agent: str) -> str:
    """`hms.v1.log.limit.<book>.<agent>`: what an agent may give in a book."""
    return f"hms.v1.log.limit.{market_id(book)}.{agent_id(agent)}"


def certificate_log(book: str) -> str:
    """`hms.v1.log.certificate.<book>`: a book's import certificates: their rules, revocations, and deals whose
    exports were verified.
    """
    return f"hms.v1.log.certificate.{market_id(book)}"


def task_log(job: str) -> str:
    """`hms.v1.log.task.<job>`: what happened to a job and its tasks."""
    return f"hms.v1.log.task.{job_id(job)}"


def parse_task_log(subject: str) -> str:
    """The parts of `hms.v1.log.task.<job>` (`job`). Raises `ValueError`."""
    return job_id(_parts(subject, "hms.v1.log.task.*", [4])[0])


def task_call(skill: str) -> str:
    """`hms.v1.log.call.<skill>`: tasks that are open to bids, written in the same batch as their announcement."""
    return f"hms.v1.log.call.{skill_id(skill)}"


def task_note(agent: str) -> str:
    """`hms.v1.note.task.<agent>`: what an agent must hear of a job, written in one batch with the event it tells of."""
    return f"hms.v1.note.task.{agent_id(agent)}"


def island_log(job: str, island: str) -> str:
    """`hms.v1.log.island.<job>.<island>`: checkpoints of an island of a search."""
    return f"hms.v1.log.island.{job_id(job)}.{_service(island)}"


def key_log(agent: str) -> str:
    """`hms.v1.log.key.<agent>`: an agent's key history, for ever."""
    return f"hms.v1.log.key.{agent_id(agent)}"


def note(agent: str) -> str:
    """`hms.v1.note.<agent>`: what an agent must hear, written in the same batch as the event it tells of."""
    return f"hms.v1.note.{agent_id(agent)}"


def inbox(agent: str) -> str:
    """`hms.v1.inbox.<agent>`: an agent's durable inbox: its notes, and direct messages."""
    return f"hms.v1.inbox.{agent_id(agent)}"


def parse_inbox(subject: str) -> str:
    """The parts of `hms.v1.inbox.<agent>` (`agent`). Raises `ValueError`."""
    return agent_id(_parts(subject, "hms.v1.inbox.*", [3])[0])


def intent(market: str, agent: str) -> str:
    """`hms.v1.market.<market>.<agent>`: an agent's standing order; the last one counts."""
    return f"hms.v1.market.{market_id(market)}.{agent_id(agent)}"


def parse_intent(subject: str) -> tuple[str, str]:
    """The parts of `hms.v1.market.<market>.<agent>` (`market`, `agent`). Raises `ValueError`."""
    market, agent = _parts(subject, "hms.v1.market.*.*", [3, 4])
    return market_id(market), agent_id(agent)


def timer(deal: str) -> str:
    """`hms.v1.timer.<deal>`: where a deal's deadline is armed, as a message schedule."""
    return f"hms.v1.timer.{deal_id(deal)}"


def timer_due(deal: str) -> str:
    """`hms.v1.timer.due.<deal>`: where a deal's deadline fires to."""
    return f"hms.v1.timer.due.{deal_id(deal)}"


def task_timer(job: str) -> str:
    """`hms.v1.timer.task.<job>`: where a job's next deadline is armed, as a message schedule."""
    return f"hms.v1.timer.task.{job_id(job)}"


def task_timer_due(job: str) -> str:
    """`hms.v1.timer.due.task.<job>`: where a job's deadline fires to."""
    return f"hms.v1.timer.due.task.{job_id(job)}"


def office(core: str) -> str:
    """`hms.v1.office.<core>`: the token of a core's office: whoever is handed it holds the office."""
    return f"hms.v1.office.{_service(core)}"


def dead_letter(core: str) -> str:
    """`hms.v1.dlq.<core>`: what a consumer gave up on; the headers say why."""
    return f"hms.v1.dlq.{_service(core)}"


def live_deal_log(deal: str) -> str:
    """`hms.v1.live.log.deal.<deal>`: a deal's log as it grows."""
    return f"hms.v1.live.log.deal.{deal_id(deal)}"


def parse_live_deal_log(subject: str) -> str:
    """The parts of `hms.v1.live.log.deal.<deal>` (`deal`). Raises `ValueError`."""
    return deal_id(_parts(subject, "hms.v1.live.log.deal.*", [5])[0])


def live_ledger_log(market: str) -> str:
    """`hms.v1.live.log.ledger.<market>`: a book's cursor as it moves."""
    return f"hms.v1.live.log.ledger.{market_id(market)}"


def live_limit_log(market: str, agent: str) -> str:
    """`hms.v1.live.log.limit.<market>.<agent>`: limits as they are declared."""
    return f"hms.v1.live.log.limit.{market_id(market)}.{agent_id(agent)}"


def live_certificate_log(market: str) -> str:
    """`hms.v1.live.log.certificate.<market>`: a book's import certificates as they change."""
    return f"hms.v1.live.log.certificate.{market_id(market)}"


def live_key_log(agent: str) -> str:
    """`hms.v1.live.log.key.<agent>`: keys as they are registered."""
    return f"hms.v1.live.log.key.{agent_id(agent)}"


def live_task_log(job: str) -> str:
    """`hms.v1.live.log.task.<job>`: a job's log as it grows."""
    return f"hms.v1.live.log.task.{job_id(job)}"


def parse_live_task_log(subject: str) -> str:
    """The parts of `hms.v1.live.log.task.<job>` (`job`). Raises `ValueError`."""
    return job_id(_parts(subject, "hms.v1.live.log.task.*", [5])[0])


def live_task_call(skill: str) -> str:
    """`hms.v1.live.log.call.<skill>`: tasks as they are opened to bids."""
    return f"hms.v1.live.log.call.{skill_id(skill)}"


def live_inbox(agent: str) -> str:
    """`hms.v1.live.inbox.<agent>`: an agent's inbox as it fills."""
    return f"hms.v1.live.inbox.{agent_id(agent)}"


def parse_live_inbox(subject: str) -> str:
    """The parts of `hms.v1.live.inbox.<agent>` (`agent`). Raises `ValueError`."""
    return agent_id(_parts(subject, "hms.v1.live.inbox.*", [4])[0])


def live_intent(market: str, agent: str) -> str:
    """`hms.v1.live.market.<market>.<agent>`: intents as they change."""
    return f"hms.v1.live.market.{market_id(market)}.{agent_id(agent)}"


def parse_live_intent(subject: str) -> tuple[str, str]:
    """The parts of `hms.v1.live.market.<market>.<agent>` (`market`, `agent`). Raises `ValueError`."""
    market, agent = _parts(subject, "hms.v1.live.market.*.*", [4, 5])
    return market_id(market), agent_id(agent)


def clearing_topic(market: str) -> str:
    """`hms.v1.topic.clearing.<market>`: the market maker tells of each clearing."""
    return f"hms.v1.topic.clearing.{market_id(market)}"


def digest_topic() -> str:
    """`hms.v1.topic.digest`: onlookers are told in short what happens to deals."""
    return "hms.v1.topic.digest"


def job_progress(job: str) -> str:
    """`hms.v1.topic.job.<job>.progress`: how far a request that carries `Hms-Job` is."""
    return f"hms.v1.topic.job.{job_id(job)}.progress"


def job_cancel(job: str) -> str:
    """`hms.v1.topic.job.<job>.cancel`: asks such a request to stop and to answer with what it has."""
    return f"hms.v1.topic.job.{job_id(job)}.cancel"


def parse_job_cancel(subject: str) -> str:
    """The parts of `hms.v1.topic.job.<job>.cancel` (`job`). Raises `ValueError`."""
    return job_id(_parts(subject, "hms.v1.topic.job.*.cancel", [4])[0])


def talk(party: str, deal: str) -> str:
    """`hms.v1.talk.<party>.<deal>`: what a party is told under negotiation: offers, bids, answers."""
    return f"hms.v1.talk.{agent_id(party)}.{deal_id(deal)}"


def parse_talk(subject: str) -> tuple[str, str]:
    """The parts of `hms.v1.talk.<party>.<deal>` (`party`, `deal`). Raises `ValueError`."""
    party, deal = _parts(subject, "hms.v1.talk.*.*", [3, 4])
    return agent_id(party), deal_id(deal)


def prompt(harness: str, owner: str, agent: str) -> str:
    """`agents.prompt.<harness>.<owner>.<agent>`: an agent is prompted, in JSON."""
    return f"agents.prompt.{_harness(harness)}.{agent_id(owner)}.{agent_id(agent)}"


def prompt_status(harness: str, owner: str, agent: str) -> str:
    """`agents.status.<harness>.<owner>.<agent>`: such an agent is asked how it is."""
    return f"agents.status.{_harness(harness)}.{agent_id(owner)}.{agent_id(agent)}"


def heartbeat(harness: str, owner: str, agent: str) -> str:
    """`agents.hb.<harness>.<owner>.<agent>`: such an agent says how it is."""
    return f"agents.hb.{_harness(harness)}.{agent_id(owner)}.{agent_id(agent)}"
