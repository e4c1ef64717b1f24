//! The table of subjects. Every pattern comes out of `schemas::subject`: its functions are called with
//! placeholders, so that no subject is written down a second time.

use std::fmt::Write;

use schemas::id::{AgentId, DealId, JobId, MarketId, MoveId, Skill};
use schemas::stream;
use schemas::subject::{self, DealVerb, PeerVerb, TaskVerb};

use crate::Outcome;
use crate::schema::Definitions;

/// One kind of subject.
pub struct Subject {
    /// The function that builds it in Python, and its channel in the AsyncAPI document.
    pub name: String,
    /// The subject with its variable tokens in braces.
    pub template: String,
    /// What it is for, in one sentence.
    pub about: String,
    /// How it travels.
    pub kind: Kind,
    /// The types of body that are sent there; none for bodies that are the agents' own affair.
    pub bodies: Vec<&'static str>,
    /// The types of the answers.
    pub replies: Vec<&'static str>,
    /// Who writes there.
    pub writer: &'static str,
}

/// How a message travels.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A request to a service of this name.
    Request(&'static str),
    /// Kept by this stream.
    Stream(&'static str),
    /// Republished by this stream once it is stored.
    Live(&'static str),
    /// Plain publish and subscribe.
    Plain,
}

/// Names that stand for variable tokens.
struct Placeholders {
    agent: AgentId,
    market: MarketId,
    deal: DealId,
    job: JobId,
}

impl Placeholders {
    fn new() -> Outcome<Self> {
        let agent = AgentId::parse("placeholder-agent")?;
        let deal = DealId::of(&agent, &MoveId::parse("placeholder")?);
        Ok(Self { agent, market: MarketId::parse("placeholder-market")?, deal, job: JobId::parse("placeholder-job")? })
    }

    /// Where an agent of the Synadia Agent Protocol is, as a template.
    fn peer(&self, verb: PeerVerb) -> Outcome<String> {
        let subject = subject::peer(verb, "placeholder-harness", "placeholder-owner", &self.agent)?;
        let named = subject.replace("placeholder-harness", "{harness}").replace("placeholder-owner", "{owner}");
        Ok(self.template(&named, "agent", "market"))
    }

    /// A built subject as a template.
    fn template(&self, subject: &str, agent: &str, market: &str) -> String {
        subject
            .replace(self.agent.as_str(), &format!("{{{agent}}}"))
            .replace(self.market.as_str(), &format!("{{{market}}}"))
            .replace(self.deal.as_str(), "{deal}")
            .replace(self.job.as_str(), "{job}")
    }
}

/// Every endpoint of a core with the types of its request and its answer, the desk's moves aside.
/// `true` where the request must be signed.
pub const ENDPOINTS: [(&str, &str, &str, &str, bool); 31] = [
    ("registry", "hello", "registry.hello", "registry.welcome", false),
    ("registry", "register", "registry.register", "registry.registered", true),
    ("registry", "leave", "registry.leave", "done", true),
    ("registry", "find", "registry.find", "registry.found", false),
    ("registry", "send", "registry.send", "done", true),
    ("registry", "inbox", "registry.inbox", "registry.page", true),
    ("ledger", "declare", "ledger.declare", "ledger.declared", true),
    ("ledger", "balance", "ledger.balance", "ledger.balances", false),
    ("ledger", "enact", "ledger.enact", "ledger.recorded", true),
    ("ledger", "revoke", "ledger.revoke", "ledger.recorded", true),
    ("ledger", "certificates", "ledger.certificates", "ledger.lots", false),
    ("trade_balance", "value", "trade_balance.value", "trade_balance.valued", false),
    ("trade_balance", "analyze", "trade_balance.analyze", "trade_balance.analyzed", false),
    ("trade_balance", "divide", "trade_balance.divide", "trade_balance.divided", false),
    ("trade_balance", "balance", "trade_balance.balance", "trade_balance.balanced", false),
    ("trade_balance", "path", "trade_balance.path", "trade_balance.paths", false),
    ("trade_balance", "price", "trade_balance.price", "trade_balance.priced", false),
    ("trade_balance", "return", "trade_balance.return", "trade_balance.returned", false),
    ("graph", "clear", "graph.clear", "graph.cleared", false),
    ("graph", "net", "graph.net", "graph.netted", false),
    ("graph", "roadmap", "graph.roadmap", "graph.planned", false),
    ("graph", "analyze", "graph.analyze", "graph.analyzed", false),
    ("genetic", "evolve", "genetic.evolve", "genetic.evolved", false),
    ("genetic", "result", "genetic.result", "genetic.evolved", false),
    ("genetic", "epoch", "genetic.epoch", "genetic.epoch.done", false),
    ("maker", "why", "maker.why", "maker.because", false),
    ("maker", "market", "maker.market", "market", false),
    ("proof", "check", "proof.check", "proof.checked", false),
    ("gtp", "prove", "gtp.prove", "gtp.proved", false),
    ("gtp", "refute", "gtp.refute", "gtp.proved", false),
    ("gtp", "status", "gtp.status", "gtp.standing", false),
];

/// Types of body that a deal's verb takes, and of its answer.
pub fn deal_bodies(verb: DealVerb) -> (&'static str, &'static str) {
    match verb {
        DealVerb::Open => ("deal.open", "deal.moved"),
        DealVerb::Propose => ("deal.propose", "deal.moved"),
        DealVerb::Counter => ("deal.counter", "deal.moved"),
        DealVerb::Accept => ("deal.accept", "deal.moved"),
        DealVerb::Reject => ("deal.reject", "deal.moved"),
        DealVerb::Withdraw => ("deal.withdraw", "deal.moved"),
        DealVerb::Confirm => ("deal.confirm", "deal.moved"),
        DealVerb::Show => ("deal.show", "deal.shown"),
    }
}

/// Types of body that a verb of a job takes, and of its answer.
pub fn task_bodies(verb: TaskVerb) -> (&'static str, &'static str) {
    match verb {
        TaskVerb::Submit => ("task.submit", "task.moved"),
        TaskVerb::Add => ("task.add", "task.moved"),
        TaskVerb::Bid => ("task.bid", "task.moved"),
        TaskVerb::Decline => ("task.decline", "task.moved"),
        TaskVerb::Progress => ("task.progress", "task.moved"),
        TaskVerb::Deliver => ("task.deliver", "task.moved"),
        TaskVerb::Judge => ("task.judge", "task.moved"),
        TaskVerb::Answer => ("task.answer", "task.moved"),
        TaskVerb::Cancel => ("task.cancel", "task.moved"),
        TaskVerb::Show => ("task.show", "task.shown"),
    }
}

/// Every kind of subject, requests first.
pub fn table(definitions: &Definitions) -> Outcome<Vec<Subject>> {
    let p = Placeholders::new()?;
    let mut table = Vec::new();
    let about = |kind: &str| -> Outcome<String> {
        let text = definitions.get(kind)?.get("description").and_then(serde_json::Value::as_str).unwrap_or_default();
        // The first sentence.
        Ok(text.split_once(". ").map_or(text, |(first, _)| first).trim_end_matches('.').to_owned())
    };
    for (service, verb, request, reply, signed) in ENDPOINTS {
        table.push(Subject {
            name: format!("{service}_{verb}"),
            template: subject::endpoint(service, verb),
            about: about(request)?,
            kind: Kind::Request(service),
            bodies: vec![request],
            replies: vec![reply, "error"],
            writer: if signed { "the agent, signed" } else { "anyone" },
        });
    }
    for verb in DealVerb::ALL {
        let (body, reply) = deal_bodies(verb);
        table.push(Subject {
            name: format!("deal_{verb}"),
            template: p.template(&subject::deal_move(verb, &p.agent, &p.deal), "party", ""),
            about: about(body)?,
            kind: Kind::Request("deal"),
            bodies: vec![body],
            replies: vec![reply, "error"],
            writer: if verb == DealVerb::Open { "whoever opens, signed" } else { "the party, signed" },
        });
    }
    for verb in TaskVerb::ALL {
        let (body, reply) = task_bodies(verb);
        table.push(Subject {
            name: format!("task_{verb}"),
            template: p.template(&subject::task_move(verb, &p.agent, &p.job), "agent", ""),
            about: about(body)?,
            kind: Kind::Request("mac"),
            bodies: vec![body],
            replies: vec![reply, "error"],
            writer: "the agent, signed",
        });
    }
    let stored = |name: &str, subject: &str, about: &str, stream, bodies: &[&'static str], writer| Subject {
        name: name.to_owned(),
        template: p.template(
            subject,
            "agent",
            if ["ledger_log", "limit_log", "certificate_log"].contains(&name) { "book" } else { "market" },
        ),
        about: about.to_owned(),
        kind: Kind::Stream(stream),
        bodies: bodies.to_vec(),
        replies: Vec::new(),
        writer,
    };
    let notes = ["note.deal", "note.task", "note.message"];
    table.extend([
        stored(
            "deal_log",
            &subject::deal_log(&p.deal),
            "what happened to a deal",
            stream::DEALS,
            &["deal.event"],
            "desk and ledger, each event signed",
        ),
        stored(
            "ledger_log",
            &subject::ledger_log(&p.market),
            "a book's fence and cursor",
            stream::DEALS,
            &["ledger.cursor"],
            "ledger",
        ),
        stored(
            "limit_log",
            &subject::limit_log(&p.market, &p.agent),
            "what an agent may give in a book",
            stream::DEALS,
            &["ledger.limit"],
            "ledger",
        ),
        stored(
            "certificate_log",
            &subject::certificate_log(&p.market),
            "a book's import certificates: their rules, revocations, and deals whose exports were verified",
            stream::DEALS,
            &["ledger.certificate"],
            "ledger",
        ),
        stored(
            "task_log",
            &subject::task_log(&p.job),
            "what happened to a job and its tasks",
            stream::TASKS,
            &["task.event"],
            "mac, each event signed",
        ),
        stored(
            "task_call",
            &subject::task_call(&Skill::parse("placeholder-skill")?).replace("placeholder-skill", "{skill}"),
            "tasks that are open to bids, written in the same batch as their announcement",
            stream::TASKS,
            &["task.call"],
            "mac",
        ),
        stored(
            "task_note",
            &subject::task_note(&p.agent),
            "what an agent must hear of a job, written in one batch with the event it tells of",
            stream::TASKS,
            &["note.task"],
            "mac",
        ),
        stored(
            "island_log",
            &subject::island_log(&p.job, 0).replace(".0", ".{island}"),
            "checkpoints of an island of a search",
            stream::ISLANDS,
            &["genetic.checkpoint"],
            "genetic",
        ),
        stored(
            "key_log",
            &subject::key_log(&p.agent),
            "an agent's key history, for ever",
            stream::DEALS,
            &["key.event"],
            "registry",
        ),
        stored(
            "note",
            &subject::note(&p.agent),
            "what an agent must hear, written in the same batch as the event it tells of",
            stream::DEALS,
            &["note.deal"],
            "desk and ledger",
        ),
        stored(
            "inbox",
            &subject::inbox(&p.agent),
            "an agent's durable inbox: its notes, and direct messages",
            stream::INBOX,
            &notes,
            "registry; the notes by sourcing",
        ),
        stored(
            "intent",
            &subject::intent(&p.market, &p.agent),
            "an agent's standing order; the last one counts",
            stream::MARKET,
            &["intent", "intent.withdrawn"],
            "the agent",
        ),
        stored(
            "timer",
            &subject::timer(&p.deal),
            "where a deal's deadline is armed, as a message schedule",
            stream::TIMERS,
            &[],
            "desk",
        ),
        stored(
            "timer_due",
            &subject::timer_due(&p.deal),
            "where a deal's deadline fires to",
            stream::TIMERS,
            &[],
            "the broker",
        ),
        stored(
            "task_timer",
            &subject::task_timer(&p.job),
            "where a job's next deadline is armed, as a message schedule",
            stream::TIMERS,
            &[],
            "mac",
        ),
        stored(
            "task_timer_due",
            &subject::task_timer_due(&p.job),
            "where a job's deadline fires to",
            stream::TIMERS,
            &[],
            "the broker",
        ),
        stored(
            "office",
            &subject::office(&p.agent).replace(p.agent.as_str(), "{core}"),
            "the token of a core's office: whoever is handed it holds the office",
            stream::OFFICES,
            &[],
            "the core",
        ),
        stored(
            "snapshot",
            &subject::snapshot(&p.agent).replace(p.agent.as_str(), "{core}"),
            "which chunks a core's snapshot consists of",
            stream::SNAPSHOTS,
            &["snapshot.pointer"],
            "the core",
        ),
        stored(
            "snapshot_chunk",
            &subject::snapshot_chunk(&p.agent, 0, 0)
                .replace(p.agent.as_str(), "{core}")
                .replace(".0.0", ".{slot}.{number}"),
            "a piece of a core's snapshot",
            stream::SNAPSHOTS,
            &["snapshot.chunk"],
            "the core",
        ),
        stored(
            "dead_letter",
            &subject::dead_letter("{core}"),
            "what a consumer gave up on; the headers say why",
            stream::DLQ,
            &[],
            "cores",
        ),
    ]);
    let live = |name: &str, subject: &str, about: &str, stream, bodies: &[&'static str]| Subject {
        kind: Kind::Live(stream),
        writer: "the broker",
        ..stored(name, subject, about, stream, bodies, "")
    };
    let live_of = |stored: &str| stored.replacen(subject::ROOT, &format!("{}.live", subject::ROOT), 1);
    table.extend([
        live(
            "live_deal_log",
            &live_of(&subject::deal_log(&p.deal)),
            "a deal's log as it grows",
            stream::DEALS,
            &["deal.event"],
        ),
        live(
            "live_ledger_log",
            &live_of(&subject::ledger_log(&p.market)),
            "a book's cursor as it moves",
            stream::DEALS,
            &["ledger.cursor"],
        ),
        live(
            "live_limit_log",
            &live_of(&subject::limit_log(&p.market, &p.agent)),
            "limits as they are declared",
            stream::DEALS,
            &["ledger.limit"],
        ),
        live(
            "live_certificate_log",
            &live_of(&subject::certificate_log(&p.market)),
            "a book's import certificates as they change",
            stream::DEALS,
            &["ledger.certificate"],
        ),
        live(
            "live_key_log",
            &live_of(&subject::key_log(&p.agent)),
            "keys as they are registered",
            stream::DEALS,
            &["key.event"],
        ),
        live(
            "live_task_log",
            &live_of(&subject::task_log(&p.job)),
            "a job's log as it grows",
            stream::TASKS,
            &["task.event"],
        ),
        live(
            "live_task_call",
            &subject::live_task_call(&Skill::parse("placeholder-skill")?).replace("placeholder-skill", "{skill}"),
            "tasks as they are opened to bids",
            stream::TASKS,
            &["task.call"],
        ),
        live("live_inbox", &subject::live_inbox(&p.agent), "an agent's inbox as it fills", stream::INBOX, &notes),
        live(
            "live_intent",
            &live_of(&subject::intent(&p.market, &p.agent)),
            "intents as they change",
            stream::MARKET,
            &["intent", "intent.withdrawn"],
        ),
    ]);
    let plain = |name: &str, template: String, about: &str, bodies: &[&'static str], writer| Subject {
        name: name.to_owned(),
        template,
        about: about.to_owned(),
        kind: Kind::Plain,
        bodies: bodies.to_vec(),
        replies: Vec::new(),
        writer,
    };
    table.extend([
        plain(
            "topic",
            subject::topic("{topic}")?,
            "whatever agents want to say to each other; a topic may have several tokens",
            &[],
            "any agent",
        ),
        plain(
            "clearing_topic",
            p.template(&subject::clearing_topic(&p.market), "", "market"),
            "the market maker tells of each clearing",
            &[],
            "maker",
        ),
        plain(
            "digest_topic",
            subject::digest_topic(),
            "onlookers are told in short what happens to deals",
            &["digest"],
            "`hms up --web`",
        ),
        plain(
            "job_progress",
            p.template(&subject::job_progress(&p.job), "", ""),
            "how far a request that carries `Hms-Job` is",
            &[],
            "whoever works on it",
        ),
        plain(
            "job_cancel",
            p.template(&subject::job_cancel(&p.job), "", ""),
            "asks such a request to stop and to answer with what it has",
            &[],
            "anyone",
        ),
        plain(
            "talk",
            p.template(&subject::talk(&p.agent, &p.deal), "party", ""),
            "what a party is told under negotiation: offers, bids, answers",
            &[
                "talk.offer",
                "talk.accept",
                "talk.end",
                "talk.call",
                "talk.bid",
                "talk.decline",
                "talk.award",
                "talk.revise",
                "talk.text",
                "talk.vote",
                "talk.result",
            ],
            "the other parties, and a mediator",
        ),
        plain("prompt", p.peer(PeerVerb::Prompt)?, "an agent is prompted, in JSON", &[], "anyone"),
        plain("prompt_status", p.peer(PeerVerb::Status)?, "such an agent is asked how it is", &[], "anyone"),
        plain("heartbeat", p.peer(PeerVerb::Heartbeat)?, "such an agent says how it is", &[], "the agent, signed"),
    ]);
    Ok(table)
}

/// The table for people.
pub fn page(definitions: &Definitions) -> Outcome<String> {
    let mut text = String::from(PAGE);
    for subject in table(definitions)? {
        let how = match subject.kind {
            Kind::Request(service) => format!("request to `{service}`"),
            Kind::Stream(stream) => format!("stream `{stream}`"),
            Kind::Live(stream) => format!("republished by `{stream}`"),
            Kind::Plain => "plain".to_owned(),
        };
        let quoted = |kinds: &[&str]| kinds.iter().map(|kind| format!("`{kind}`")).collect::<Vec<_>>().join(", ");
        let bodies = match (subject.bodies.as_slice(), subject.replies.as_slice()) {
            ([], _) => "any".to_owned(),
            (bodies, []) => quoted(bodies),
            (bodies, replies) => format!("{} → {}", quoted(bodies), quoted(replies)),
        };
        let template = subject.template.replace('{', "<").replace('}', ">");
        writeln!(text, "| `{template}` | {how} | {bodies} | {} | {} |", subject.writer, subject.about)?;
    }
    text.push_str(BUCKETS);
    for bucket in stream::buckets(1) {
        let member = |name: &str| bucket.get(name).and_then(serde_json::Value::as_str).unwrap_or_default();
        let name = member("name");
        writeln!(
            text,
            "| `{}` | `{name}` | {} |",
            name.trim_start_matches("KV_").trim_start_matches("OBJ_"),
            member("description")
        )?;
    }
    Ok(text)
}

const PAGE: &str = "# Subjects

Generated from the crate `schemas`: do not edit. Every subject is built, parsed and validated there.

Bodies are MessagePack maps whose `type` is named below; `schemas/json/<type>.json` describes each. A request is
answered with one of the types behind the arrow. Streams bind exact token counts, and none of them captures a request:
it would answer the requester with its own acknowledgement. To watch, subscribe to what is republished: a plain
subscriber to a log would also see writes that the stream then rejected.

In a move's subject, `<party>` is the claimed mover; the signature over the exact body and subject (the header
`Agent-Sender`) is what counts.

| subject | travels as | bodies | written by | what for |
|---|---|---|---|---|
";

const BUCKETS: &str = "
## Buckets

Their values are JSON, so that `nats kv get` reads them.

| bucket | stream behind it | what for |
|---|---|---|
";
