//! The Python modules of names: subjects, limits, headers and profiles.

use std::fmt::Write;

use schemas::header;
use schemas::id::{AgentId, DealId, JobId, MarketId};
use schemas::profile::{Profile, State};
use schemas::subject::{self, ROOT};
use schemas::{SCHEMA_VERSION, limit, stream};
use serde_json::Value;

use crate::python::{anchored, docstring};
use crate::schema::Definitions;
use crate::source::{constants, with_values};
use crate::subjects::{self, Kind};
use crate::{Files, Outcome};

/// Adds the modules.
pub fn modules(definitions: &Definitions, files: &mut Files) -> Outcome<()> {
    files.add("py_agents/hms_a2a/_limits.py", limits()?)?;
    files.add("py_agents/hms_a2a/_headers.py", headers()?)?;
    files.add("py_agents/hms_a2a/_profiles.py", profiles()?)?;
    files.add("py_agents/hms_a2a/_subjects.py", subjects_module(definitions)?)
}

macro_rules! named {
    ($module:ident: $($name:ident),+ $(,)?) => {
        &[$((stringify!($name), $module::$name)),+]
    };
}

macro_rules! widened {
    ($module:ident: $($name:ident),+ $(,)?) => {
        &[$((stringify!($name), i128::from($module::$name as i64))),+]
    };
}

fn opening(about: &str) -> String {
    format!("\"\"\"{about}: generated from the crate `schemas`, do not edit.\"\"\"\n\nfrom typing import Final\n\n")
}

fn limits() -> Outcome<String> {
    let source = constants(include_str!("../../src/limit.rs"), &["MAX_RATIONAL_PART"]);
    let values = widened![limit:
        MAX_BODY_BYTES, MAX_CLEARING_BODY_BYTES, MAX_DEPTH, MAX_ENTRIES, MAX_TOKEN_CHARS, MAX_MOVE_ID_CHARS, MAX_PARTIES,
        MAX_TRANSFERS, MAX_CLAIMS, MAX_DEAL_EVIDENCE_BYTES, MAX_GOODS, MAX_ALTERNATIVES, MAX_INTENTS, MAX_OBLIGATIONS,
        MAX_ISSUES, MAX_CHOICES, MAX_ROUNDS, MAX_TALK_BYTES, MAX_STEPS, MAX_RUNS, MAX_LINKS, MAX_TEXT_BYTES, MAX_SENDER_BYTES, REPLAY_WINDOW_MS, MAX_LEASE_MS,
        DEFAULT_LEASE_MS, MAX_EXPIRY_MS, MAX_DUE_MS, MAX_BATCH_MESSAGES, MAX_SNAPSHOT_CHUNKS, MAX_INBOX_PAGE,
        PPM, MAX_DEAL_CLAIMS, MAX_VARIABLES, MAX_HYPOTHESES, MAX_POLY_TERMS, MAX_DEGREE, MAX_EXPANDED_DEGREE,
        MAX_COEFFICIENT_BITS, MAX_CERTIFICATE_NODES, MAX_LEAF_TERMS, MAX_FACTORS, MAX_EXPANDED_BITS, MAX_EXPANSION, MAX_CLAIM_CHARS,
        MAX_INFIX_NESTING, MAX_INFIX_EXPANSION,
        MAX_EVALUATIONS, MAX_GENERATIONS, MAX_POPULATION, MAX_ISLANDS, MAX_GENE, PROGRESS_EVERY_MS,
        MAX_CLAIMANTS, MAX_GAME_PLAYERS, MAX_EXACT_PLAYERS, MAX_COALITIONS, MAX_SAMPLES, MAX_PERIODS, MAX_PATH_POINTS,
        MAX_LOTS,
        MAX_TASKS, MAX_NEEDS, MAX_SKILLS, MAX_CREW, MAX_PANEL, MAX_BRIEF_BYTES, MAX_RESULT_BYTES, MAX_BUDGET_MINOR,
        MAX_ATTEMPTS, MIN_TASK_MS, MAX_BIDS, PPB, MAX_DIGEST_ITEMS, DIGEST_EVERY_MS,
    ];
    let mut text = opening("Every limit of the wire");
    for (constant, value) in with_values(source, values)? {
        writeln!(text, "{}: Final = {value}", constant.name)?;
        docstring(&mut text, "", &constant.doc)?;
    }
    Ok(text)
}

fn headers() -> Outcome<String> {
    let values = named![header:
        CONTENT_TYPE, MSGPACK, TYPE, SCHEMA, DEADLINE, JOB, ANSWERS, TRACEPARENT, SENDER, ERROR_CODE, ERROR, DLQ_REASON, DLQ_SUBJECT,
        EXPECTED_LAST_SUBJECT_SEQUENCE, ROLLUP, TTL, SCHEDULE, SCHEDULE_TARGET, SCHEDULE_TTL, MESSAGE_ID, SEQUENCE, LAST_SEQUENCE,
    ];
    let mut text = opening("The headers of the contract");
    writeln!(text, "SCHEMA_VERSION: Final = \"{SCHEMA_VERSION}\"")?;
    docstring(&mut text, "", "What the header `Hms-Schema` says: major and minor version of the wire contract.")?;
    for (constant, value) in with_values(constants(include_str!("../../src/header.rs"), &[]), values)? {
        writeln!(text, "{}: Final = \"{value}\"", constant.name)?;
        docstring(&mut text, "", &constant.doc)?;
    }
    Ok(text)
}

fn constant_name(word: &str) -> String {
    word.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' }).collect()
}

/// The word that a unit variant is on the wire.
fn word(value: impl serde::Serialize) -> Outcome<String> {
    match serde_json::to_value(value)? {
        Value::String(word) => Ok(word),
        other => Err(format!("{other} is no word").into()),
    }
}

fn profiles() -> Outcome<String> {
    let mut text = PROFILES.to_owned();
    let ends: Vec<_> = State::ALL
        .into_iter()
        .filter(|s| s.is_end())
        .map(|s| format!("    State.{},\n", constant_name(s.as_str())))
        .collect();
    write!(
        text,
        "ENDS: Final[frozenset[State]] = frozenset(\n    (\n{}    )\n)\n",
        ends.concat().replace("    State", "        State")
    )?;
    docstring(&mut text, "", "The states that nothing can follow.")?;
    let open: Vec<_> = Profile::ALL
        .into_iter()
        .filter(|p| p.opener_is_party())
        .map(|p| format!("Profile.{}", constant_name(&p.to_string())))
        .collect();
    write!(text, "\nOPENER_IS_PARTY: Final[frozenset[Profile]] = frozenset(({}))\n", open.join(", "))?;
    docstring(&mut text, "", "The profiles in which whoever opens must be a party.")?;
    text.push_str("\nTABLES: Final[dict[Profile, tuple[Row, ...]]] = {\n");
    for profile in Profile::ALL {
        writeln!(text, "    Profile.{}: (", constant_name(&profile.to_string()))?;
        for row in profile.table() {
            let from = row.from.map_or("None".to_owned(), |state| format!("State.{}", constant_name(state.as_str())));
            let (mover, verb) = (constant_name(&word(row.mover)?), constant_name(&word(row.verb)?));
            writeln!(
                text,
                "        Row({from}, Mover.{mover}, Verb.{verb}, State.{}),",
                constant_name(row.to.as_str())
            )?;
        }
        text.push_str("    ),\n");
    }
    text.push_str("}\n\"\"\"Each profile's table.\"\"\"\n");
    text.push_str(PROFILE_ROW);
    Ok(text)
}

const PROFILES: &str = r#""""Who may move when, as data: generated from the crate `schemas`, do not edit."""

from typing import Final, NamedTuple

from hms_a2a._wire import Mover, Profile, State, Verb


class Row(NamedTuple):
    """In state `before` (None: before the deal), `mover` may make `verb`, which leads to `after`."""

    before: State | None
    mover: Mover
    verb: Verb
    after: State


"#;

const PROFILE_ROW: &str = r#"

def row(profile: Profile, before: State | None, verb: Verb) -> Row | None:
    """The row for a verb in a state, if the profile has one."""
    return next((row for row in TABLES[profile] if row.before == before and row.verb == verb), None)
"#;

fn subjects_module(definitions: &Definitions) -> Outcome<String> {
    let mut text = SUBJECTS
        .replace("<ROOT>", ROOT)
        .replace("<TOKEN>", &anchored(AgentId::PATTERN))
        .replace("<DEAL>", &anchored(DealId::PATTERN))
        .replace("<JOB>", &anchored(JobId::PATTERN))
        .replace("<DEALS>", stream::DEALS)
        .replace("<INBOX>", stream::INBOX)
        .replace("<MARKET>", stream::MARKET)
        .replace("<TASKS>", stream::TASKS)
        .replace("<TIMERS>", stream::TIMERS)
        .replace("<DLQ>", stream::DLQ)
        .replace("<ISLANDS>", stream::ISLANDS)
        .replace("<RESULTS>", stream::RESULTS)
        .replace("<AGENTS>", stream::AGENTS)
        .replace("<MARKETS>", stream::MARKETS)
        .replace("<PROOFS>", stream::PROOFS)
        .replace("<REPUTATION>", stream::REPUTATION)
        .replace("<RESERVED>", &subject::RESERVED.map(|word| format!("\"{word}\"")).join(", "))
        .replace("<TASK_VERBS>", &subject::TaskVerb::ALL.map(|verb| format!("\"{verb}\"")).join(", "))
        .replace("<VERBS>", &subject::DealVerb::ALL.map(|verb| format!("\"{verb}\"")).join(", "))
        .replace("<TALK>", &format!("{ROOT}.talk"))
        .replace("<ALL_LIVE>", &subject::all_live())
        .replace("<ALL_LIVE_DEAL_LOGS>", &subject::all_live_deal_logs())
        .replace("<TOPIC>", &subject::topic("TOPIC")?.replace("TOPIC", ""))
        .replace("<ENDPOINT>", &subject::endpoint("{_service(service)}", "{_service(verb)}"))
        .replace("<BUCKET>", &subject::bucket_key("{bucket}", "{key}"))
        .replace("<CANCELS>", &subject::all_job_cancels())
        .replace("<HEARTBEATS>", &subject::all_heartbeats())
        .replace("<DISCOVERY>", &subject::discovery("{_discovered(verb)}", None, None));
    if AgentId::PATTERN != MarketId::PATTERN {
        return Err("agents and markets no longer follow one rule".into());
    }
    for subject in subjects::table(definitions)? {
        let move_of = match subject.name.as_str() {
            "deal_open" => Some(("deal_move", ".open.", "verb", "a party's move; the party is the claimed mover")),
            "task_submit" => {
                Some(("task_move", ".submit.", "task_verb", "a move in a job; the agent is the claimed mover"))
            }
            _ => None,
        };
        if matches!(subject.kind, Kind::Request(_)) && move_of.is_none()
            || subject.name == "topic"
            // The cores' own affair.
            || subject.name.starts_with("snapshot")
        {
            continue;
        }
        let (name, template, about) = match move_of {
            Some((name, token, verb, about)) => {
                (name, subject.template.replacen(token, &format!(".{{{verb}}}."), 1), about)
            }
            None => (subject.name.as_str(), subject.template.clone(), subject.about.as_str()),
        };
        builder(&mut text, name, &template, about)?;
    }
    Ok(text)
}

/// The function that builds a subject, and where one would want it, the one that reads it.
fn builder(text: &mut String, name: &str, template: &str, about: &str) -> Outcome<()> {
    let parts: Vec<&str> = template.split('{').skip(1).filter_map(|rest| rest.split('}').next()).collect();
    let mut filled = template.to_owned();
    for part in &parts {
        let door = match *part {
            "agent" | "party" => "agent_id",
            "market" | "book" => "market_id",
            "deal" => "deal_id",
            "job" => "job_id",
            "harness" => "_harness",
            "owner" => "agent_id",
            "island" => "_service",
            "core" => "_service",
            "verb" => "_verb",
            "task_verb" => "_task_verb",
            "skill" => "skill_id",
            other => return Err(format!("no rule for the token {other}").into()),
        };
        filled = filled.replace(&format!("{{{part}}}"), &format!("{{{door}({part})}}"));
    }
    let arguments = parts.iter().map(|part| format!("{part}: str")).collect::<Vec<_>>().join(", ");
    let shown = template.replace('{', "<").replace('}', ">");
    write!(text, "\n\ndef {name}({arguments}) -> str:\n")?;
    docstring(text, "    ", &format!("`{shown}`: {about}."))?;
    let prefix = if filled.contains('{') { "f" } else { "" };
    writeln!(text, "    return {prefix}\"{filled}\"")?;
    let read = [
        "deal_move",
        "deal_log",
        "live_deal_log",
        "inbox",
        "live_inbox",
        "intent",
        "live_intent",
        "job_cancel",
        "talk",
        "task_move",
        "task_log",
        "live_task_log",
    ];
    if read.contains(&name) {
        let doors: Vec<&str> = parts
            .iter()
            .map(|part| match *part {
                "verb" => "_verb",
                "task_verb" => "_task_verb",
                "deal" => "deal_id",
                "job" => "job_id",
                "market" => "market_id",
                _ => "agent_id",
            })
            .collect();
        let result =
            if parts.len() == 1 { "str".to_owned() } else { format!("tuple[{}]", vec!["str"; parts.len()].join(", ")) };
        write!(text, "\n\ndef parse_{name}(subject: str) -> {result}:\n")?;
        let list = parts.iter().map(|part| format!("`{part}`")).collect::<Vec<_>>().join(", ");
        docstring(text, "    ", &format!("The parts of `{shown}` ({list}). Raises `ValueError`."))?;
        let places: Vec<usize> =
            template.split('.').enumerate().filter(|(_, token)| token.starts_with('{')).map(|(at, _)| at).collect();
        let found = format!("_parts(subject, \"{}\", {places:?})", template_pattern(template));
        if let [door] = doors.as_slice() {
            writeln!(text, "    return {door}({found}[0])")?;
        } else {
            writeln!(text, "    {} = {found}", parts.join(", "))?;
            let read: Vec<String> = parts.iter().zip(doors).map(|(part, door)| format!("{door}({part})")).collect();
            writeln!(text, "    return {}", read.join(", "))?;
        }
    }
    Ok(())
}

/// A template with `*` for each variable token.
fn template_pattern(template: &str) -> String {
    template.split('.').map(|token| if token.starts_with('{') { "*" } else { token }).collect::<Vec<_>>().join(".")
}

const SUBJECTS: &str = r#""""Every subject that an agent builds or reads: generated from the crate `schemas`, do not edit.

The parts of a subject are checked on the way in, so no wildcard gets into one: a bad name is a `ValueError`.
"""

import re
from typing import Final

ROOT: Final = "<ROOT>"
"""The prefix of every subject, with the contract's major version."""
RESERVED: Final = frozenset((<RESERVED>))
"""Words that no core, service or endpoint may be named."""
DEAL_VERBS: Final = (<VERBS>)
"""The endpoints of the desk that a party addresses."""
TASK_VERBS: Final = (<TASK_VERBS>)
"""What agents may say in a job."""

STREAM_DEALS: Final = "<DEALS>"
STREAM_INBOX: Final = "<INBOX>"
STREAM_MARKET: Final = "<MARKET>"
STREAM_TIMERS: Final = "<TIMERS>"
STREAM_ISLANDS: Final = "<ISLANDS>"
STREAM_TASKS: Final = "<TASKS>"
STREAM_DLQ: Final = "<DLQ>"
BUCKET_RESULTS: Final = "<RESULTS>"
BUCKET_AGENTS: Final = "<AGENTS>"
BUCKET_MARKETS: Final = "<MARKETS>"
BUCKET_PROOFS: Final = "<PROOFS>"
BUCKET_REPUTATION: Final = "<REPUTATION>"

ALL_LIVE: Final = "<ALL_LIVE>"
"""Everything that watchers see."""
ALL_LIVE_DEAL_LOGS: Final = "<ALL_LIVE_DEAL_LOGS>"
"""The live copies of every deal's log."""

ALL_JOB_CANCELS: Final = "<CANCELS>"
"""Every job's cancellation."""
ALL_HEARTBEATS: Final = "<HEARTBEATS>"
"""Every agent of the Synadia Agent Protocol that says how it is."""

_TOKEN = re.compile(r"<TOKEN>")
_DEAL = re.compile(r"<DEAL>")
_JOB = re.compile(r"<JOB>")
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
    return f"<ENDPOINT>"


def bucket_key(bucket: str, key: str) -> str:
    """Where a bucket keeps a key."""
    return f"<BUCKET>"


def discovery(verb: str, service: str = "") -> str:
    """Where services are found (ADR-32): PING, INFO or STATS, of all or of those of one name. Raises `ValueError`."""
    return f"<DISCOVERY>.{_service(service)}" if service else f"<DISCOVERY>"


def topic(name: str) -> str:
    """Whatever agents want to say to each other: tokens of printable ASCII joined by dots. Raises `ValueError`."""
    if not all(_TOPIC_TOKEN.match(token) for token in name.split(".")):
        raise ValueError(f"{name[:256]!r} is no topic: tokens joined by dots, without wildcards")
    return f"<TOPIC>{name}"


def all_topics(pattern: str) -> str:
    """A pattern over topics: `*` for one token, `>` last for the rest. Raises `ValueError`."""
    tokens = pattern.split(".")
    rest = tokens[:-1] if tokens[-1] == ">" else tokens
    if not all(part == "*" or _TOPIC_TOKEN.match(part) for part in rest):
        raise ValueError(f"{pattern[:256]!r} is not a pattern of tokens, * and >")
    return f"<TOPIC>{pattern}"


def all_talk_to(party: str) -> str:
    """Whatever a party is told under negotiation. Raises `ValueError`."""
    return f"<TALK>.{agent_id(party)}.*"


def parse_topic(subject: str) -> str:
    """The topic of a topic's subject. Raises `ValueError`."""
    if not subject.startswith("<TOPIC>"):
        raise ValueError(f"{subject[:256]!r} is no topic's subject")
    return subject.removeprefix("<TOPIC>")


def may_reply_to(subject: str) -> bool:
    """Whether an answer may go there: to an inbox of the broker's making (`_INBOX.…`, `_R_.…`).

    A reply subject is the asker's to choose, and one of the contract's own would have the answerer write for it.
    """
    return subject.startswith("_") and "*" not in subject and ">" not in subject
"#;
