//! `hms call`: one request to one service, JSON in and out.

use std::{
    path::{Path, PathBuf},
    pin::pin,
    str::FromStr,
    sync::Arc,
};

use clap::Args;
use futures::StreamExt;
use runtime::port::{Message, Port};
use schemas::{
    AgentId, DealId, Hash, JobId, MoveId,
    body::{decode, encode, to_json},
    catalogue,
    core::{Call as Surroundings, Core},
    header::{self, Headers},
    infix,
    keyring::REGISTRY,
    limit::{DEFAULT_LEASE_MS, MAX_CLEARING_BODY_BYTES, MAX_INBOX_PAGE},
    registry::{Hello, Welcome},
    signature::Signer,
    subject::{self, DealVerb, TaskVerb},
};
use serde_json::{Map, Value};

use crate::{
    bus::BusArgs,
    command::on_runtime,
    exit::{Exit, OrExit, Outcome, Stop},
    input, output,
    request::{self, Reply},
};

/// How much longer than its deadline a job's answer is awaited, in milliseconds.
const GRACE_MS: u64 = 5_000;

/// Signed moves to the ledger.
const MOVES: [&str; 3] = ["ledger.declare", "ledger.enact", "ledger.revoke"];

/// What can be called; a request's `type` is the name of the call.
const CALLS: [&str; 48] = [
    "registry.hello",
    "registry.register",
    "registry.leave",
    "registry.find",
    "registry.send",
    "registry.inbox",
    "deal.open",
    "deal.propose",
    "deal.counter",
    "deal.accept",
    "deal.reject",
    "deal.withdraw",
    "deal.confirm",
    "deal.show",
    "task.submit",
    "task.add",
    "task.bid",
    "task.decline",
    "task.progress",
    "task.deliver",
    "task.judge",
    "task.answer",
    "task.cancel",
    "task.show",
    "ledger.declare",
    "ledger.balance",
    "ledger.enact",
    "ledger.revoke",
    "ledger.certificates",
    "trade_balance.value",
    "trade_balance.analyze",
    "trade_balance.divide",
    "trade_balance.balance",
    "trade_balance.path",
    "trade_balance.price",
    "trade_balance.return",
    "graph.clear",
    "graph.net",
    "graph.roadmap",
    "graph.analyze",
    "genetic.evolve",
    "genetic.result",
    "proof.check",
    "gtp.prove",
    "gtp.refute",
    "gtp.status",
    "maker.why",
    "maker.market",
];

/// Send a request to a service: JSON in, JSON out
///
/// The JSON is read into the request's own type, so a slip is named with its field before anything is sent. `type` is
/// filled in, and for a signed request `move_id` and `deadline_unix_ms`. Byte strings are lowercase hexadecimal;
/// `terms`, `body`, claims and certificates may be written as the JSON of what they hold, claims also as people write them.
/// An error reply ends with exit code 1.
#[derive(Args, Debug)]
#[command(after_help = format!("\
Examples:
  hms call registry.find
  echo '{{\"book\":\"africa\"}}' | hms call ledger.balance - --json
  echo '{{\"claims\":[\"forall x: x^2 >= 0\"]}}' | hms call gtp.prove -
  hms call graph.clear offers.json --local       no bus: the core runs in this process
  hms call registry.register --as kenya          signed with DIR/keys/kenya.nk
  hms call genetic.evolve deal.json --job first --timeout-ms 600000

What can be called:
  {}", CALLS.join(" ")))]
pub struct Call {
    /// What to call
    #[arg(value_name = "SERVICE.VERB")]
    target: Target,
    /// The request as JSON; `-` is standard input; left out, it is {}
    file: Option<PathBuf>,
    /// Run the core in this process instead of asking the bus: genetic, graph, proof and trade_balance
    #[arg(long, conflicts_with = "sender")]
    local: bool,
    /// Sign as this agent, with its key in DIR
    #[arg(long = "as", value_name = "AGENT")]
    sender: Option<AgentId>,
    /// Make it a job of this name: its progress is shown on standard error, and Ctrl-C has it answer with what it has
    #[arg(long, value_name = "NAME", conflicts_with_all = ["local", "sender"])]
    job: Option<JobId>,
    /// How long the answer may take, in milliseconds
    #[arg(long, value_name = "MS", default_value_t = request::TIMEOUT_MS)]
    timeout_ms: u64,
    #[command(flatten)]
    bus: BusArgs,
    /// Print JSON on one line, bytes in hexadecimal; an error reply, too
    #[arg(long)]
    json: bool,
}

/// A service and its verb.
#[derive(Clone, Copy, Debug)]
struct Target {
    kind: &'static str,
    service: &'static str,
    verb: &'static str,
}

impl FromStr for Target {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let known = CALLS
            .iter()
            .find(|kind| **kind == text)
            .and_then(|kind| kind.split_once('.').map(|(service, verb)| (kind, service, verb)));
        let (kind, service, verb) = known.ok_or_else(|| format!("one of {}", CALLS.join(", ")))?;
        Ok(Self { kind, service, verb })
    }
}

impl Call {
    pub fn run(self) -> Outcome {
        let fields = self.file.as_deref().map_or_else(|| Ok(Map::new()), read)?;
        let reply = if self.local {
            let body = body(self.target.kind, fields)?;
            here(self.target.kind, &body)?
        } else {
            on_runtime(self.ask(fields))?
        };
        match reply {
            Reply::Answer(body) => self.show(&body),
            Reply::Refused(refused) if self.json => {
                output::json(&serde_json::to_value(&refused).or_exit(Exit::Bad)?)?;
                Err(Stop::silent(Exit::Bad))
            }
            Reply::Refused(refused) => Err(Stop::new(Exit::Bad, refused)),
        }
    }

    async fn ask(&self, fields: Map<String, Value>) -> Outcome<Reply<Vec<u8>>> {
        let port = self.bus.connect().await?;
        let message = match &self.sender {
            Some(agent) => self.signed(&port, agent, fields).await?,
            None if [DEAL, TASK].contains(&self.target.service) => {
                return Err(Stop::say(
                    Exit::Usage,
                    format_args!("{} is signed: say who asks with --as AGENT", self.target.kind),
                ));
            }
            None => {
                let subject = subject::endpoint(self.target.service, self.target.verb);
                Message::new(subject, body(self.target.kind, fields)?).with_headers(self.headers(port.now_unix_ms()))
            }
        };
        let answer = match &self.job {
            Some(job) => watched(port.as_ref(), message, job, self.timeout_ms).await?,
            None => request::send(port.as_ref(), message, self.timeout_ms).await?,
        };
        Ok(match answer {
            Reply::Answer(reply) => Reply::Answer(reply.body.to_vec()),
            Reply::Refused(refused) => Reply::Refused(refused),
        })
    }

    async fn signed(&self, port: &Arc<dyn Port>, agent: &AgentId, mut fields: Map<String, Value>) -> Outcome<Message> {
        let welcome: Welcome = match request::ask(port.as_ref(), REGISTRY, "hello", &Hello {}, self.timeout_ms).await? {
            Reply::Answer(welcome) => welcome,
            Reply::Refused(refused) => return Err(Stop::new(Exit::Bad, refused)),
        };
        let keys = self.bus.dir.keys();
        // A key that is made here would be a stranger's, except to whoever is about to register it.
        if self.target.kind != "registry.register" {
            keys.find(agent)?;
        }
        let signer = keys.signer_in(agent, welcome.account)?;
        let now_unix_ms = port.now_unix_ms();
        self.complete(&mut fields, &signer, now_unix_ms);
        let subject = self.subject(agent, &fields)?;
        let body = body(self.target.kind, fields)?;
        let nonce = once(&[subject.as_bytes(), &body], now_unix_ms);
        let sender = signer.sign(&subject, &body, now_unix_ms, &nonce).or_exit(Exit::Bad)?;
        Ok(Message::new(subject, body).with_headers(self.headers(now_unix_ms).with(header::SENDER, sender)))
    }

    fn headers(&self, now_unix_ms: i64) -> Headers {
        Headers::of_type(self.target.kind).with(header::DEADLINE, self.deadline_unix_ms(now_unix_ms).to_string())
    }

    fn deadline_unix_ms(&self, now_unix_ms: i64) -> i64 {
        now_unix_ms.saturating_add(i64::try_from(self.timeout_ms).unwrap_or(i64::MAX))
    }

    /// Fills in what a signed request needs and nobody wants to write by hand.
    fn complete(&self, fields: &mut Map<String, Value>, signer: &Signer, now_unix_ms: i64) {
        let written = Value::from(fields.clone()).to_string();
        let move_id = once(&[signer.name().as_bytes(), self.target.kind.as_bytes(), written.as_bytes()], now_unix_ms);
        let missing: &[(&str, Value)] = match self.target.kind {
            "deal.show" | "task.show" => &[],
            kind if kind.starts_with("deal.") || kind.starts_with("task.") || MOVES.contains(&kind) => {
                &[("move_id", move_id.into()), ("deadline_unix_ms", self.deadline_unix_ms(now_unix_ms).into())]
            }
            "registry.send" => &[("move_id", move_id.into())],
            "registry.register" => &[
                ("agent", signer.name().into()),
                ("key", signer.key().as_str().into()),
                ("lease_ms", DEFAULT_LEASE_MS.into()),
            ],
            "registry.leave" => &[("agent", signer.name().into())],
            "registry.inbox" => {
                &[("agent", signer.name().into()), ("after_sequence", 0.into()), ("limit", MAX_INBOX_PAGE.into())]
            }
            _ => &[],
        };
        for (field, value) in missing {
            fields.entry(*field).or_insert_with(|| value.clone());
        }
    }

    /// Where the request goes: a move names its mover, and its deal or job.
    fn subject(&self, agent: &AgentId, fields: &Map<String, Value>) -> Outcome<String> {
        if let Some(verb) =
            TaskVerb::ALL.into_iter().find(|verb| self.target.service == TASK && verb.as_str() == self.target.verb)
        {
            return self.task_subject(verb, agent, fields);
        }
        let verb =
            DealVerb::ALL.into_iter().find(|verb| self.target.service == DEAL && verb.as_str() == self.target.verb);
        let Some(verb) = verb else { return Ok(subject::endpoint(self.target.service, self.target.verb)) };
        let text = |field: &str| fields.get(field).and_then(Value::as_str).unwrap_or_default();
        let at = |field: &str, error: &dyn std::fmt::Display| Stop::say(Exit::Input, format_args!("{field}: {error}"));
        let deal = match verb {
            DealVerb::Open => {
                DealId::of(agent, &MoveId::parse(text("move_id")).map_err(|error| at("move_id", &error))?)
            }
            _ => DealId::parse(text("deal")).map_err(|error| at("deal", &error))?,
        };
        Ok(subject::deal_move(verb, agent, &deal))
    }

    fn task_subject(&self, verb: TaskVerb, agent: &AgentId, fields: &Map<String, Value>) -> Outcome<String> {
        let field = if verb == TaskVerb::Submit { "move_id" } else { "job" };
        let text = fields.get(field).and_then(Value::as_str).unwrap_or_default();
        let job = match verb {
            TaskVerb::Submit => MoveId::parse(text).map(|move_id| JobId::of(agent, &move_id)),
            _ => JobId::parse(text),
        };
        let job = job.map_err(|error| Stop::say(Exit::Input, format_args!("{field}: {error}")))?;
        Ok(subject::task_move(verb, agent, &job))
    }

    fn show(&self, body: &[u8]) -> Outcome {
        let readable = to_json(body, MAX_CLEARING_BODY_BYTES).or_exit(Exit::Bad)?;
        if !self.json {
            return output::pretty(&readable);
        }
        // As the JSON Schema of its type describes it, where the contract knows the type.
        let entry = readable.get("type").and_then(Value::as_str).and_then(catalogue::find);
        let exact = entry.and_then(|entry| (entry.to_json)(body).ok());
        output::json(&exact.unwrap_or(readable))
    }
}

/// How long provers search unless the request says otherwise, in milliseconds: within the time that an answer may take.
const SEARCH_MS: u32 = 4_000;

/// Sends a request as a job: shows its progress, and asks it to stop on the first interruption. One that is overdue
/// still answers with what it has, so its answer is awaited a little longer.
async fn watched(port: &dyn Port, message: Message, job: &JobId, timeout_ms: u64) -> Outcome<Reply<Message>> {
    let mut progress = port.subscribe(&subject::job_progress(job), None).await?;
    port.flush().await?;
    let message = message.with_header(header::JOB, job.as_str().to_owned());
    let mut answer = pin!(request::send(port, message, timeout_ms.saturating_add(GRACE_MS)));
    let mut interrupted = pin!(runtime::interrupted());
    let mut is_stopping = false;
    loop {
        runtime::select! {
            answer = &mut answer => return answer,
            Some(report) = progress.next() => {
                let shown = to_json(&report.body, MAX_CLEARING_BODY_BYTES).or_exit(Exit::Bad)?;
                output::note(&shown)?;
            }
            heard = &mut interrupted, if !is_stopping => {
                heard.or_exit(Exit::Bad)?;
                is_stopping = true;
                port.publish(Message::new(subject::job_cancel(job), "")).await?;
            }
        }
    }
}

/// The service whose endpoints carry the mover and the deal in their subjects.
const DEAL: &str = "deal";
/// What those are called that carry the mover and the job.
const TASK: &str = "task";

/// An id for one occasion: whoever asks for the same thing at the same millisecond gets the same one, and is
/// then taken to be asking again.
fn once(parts: &[&[u8]], now_unix_ms: i64) -> String {
    let now = now_unix_ms.to_be_bytes();
    let parts = [parts, &[&now]].concat();
    Hash::of_parts(&parts).to_string().chars().take(32).collect()
}

fn read(file: &Path) -> Outcome<Map<String, Value>> {
    let at = |stop: Stop| stop.while_doing(file.display());
    match input::json(&input::text(file)?).or_exit(Exit::Input).map_err(at)? {
        Value::Object(fields) => Ok(fields),
        _ => Err(at(Stop::say(Exit::Input, "a request is a JSON object"))),
    }
}

fn body(kind: &str, mut fields: Map<String, Value>) -> Outcome<Vec<u8>> {
    for (field, default) in [("terms", Some("terms")), ("body", None)] {
        // Only where the wire has bytes there: in a valuation the terms stand as they are.
        let is_bytes = matches!(
            (kind, field),
            ("deal.open" | "deal.propose" | "deal.counter", "terms") | ("registry.send", "body")
        );
        let Some(inner) = fields.get(field).filter(|inner| is_bytes && inner.is_object()).cloned() else { continue };
        let inner_kind = inner.get("type").and_then(Value::as_str).or(default).unwrap_or_default().to_owned();
        let bytes = request::body_of(&inner_kind, inner).map_err(|stop| stop.while_doing(field))?;
        fields.insert(field.into(), data_encoding::HEXLOWER.encode(&bytes).into());
    }
    match kind {
        "proof.check" => {
            for field in ["claim", "certificate"] {
                if let Some(said) = fields.get_mut(field) {
                    *said = evidence(said).map_err(|stop| stop.while_doing(field))?;
                }
            }
        }
        "gtp.prove" | "gtp.refute" => {
            fields.entry("budget_ms").or_insert_with(|| SEARCH_MS.into());
            fields.entry("seed").or_insert_with(|| 0.into());
            for (index, said) in
                fields.get_mut("claims").and_then(Value::as_array_mut).into_iter().flatten().enumerate()
            {
                *said = evidence(said).map_err(|stop| stop.while_doing(format_args!("claims[{index}]")))?;
            }
        }
        _ => {}
    }
    request::body_of(kind, fields.into())
}

/// A claim, a certificate or a counterexample as the hexadecimal of its bytes; a claim may be written as people write it.
fn evidence(said: &Value) -> Outcome<Value> {
    let bytes = match said {
        Value::String(text) if !text.chars().all(|c| c.is_ascii_hexdigit()) => {
            encode(&infix::parse(text).or_exit(Exit::Input)?)
        }
        Value::Object(fields) => {
            let kind = fields.get("type").and_then(Value::as_str).unwrap_or("claim").to_owned();
            request::body_of(&kind, said.clone())?
        }
        _ => return Ok(said.clone()),
    };
    Ok(data_encoding::HEXLOWER.encode(&bytes).into())
}

/// Runs a core in this process.
fn here(kind: &str, body: &[u8]) -> Outcome<Reply<Vec<u8>>> {
    match kind {
        "trade_balance.value" => handled(&trade_balance::Value, body),
        "trade_balance.analyze" => handled(&<trade_balance::Analyze>::default(), body),
        "trade_balance.divide" => handled(&<trade_balance::Divide>::default(), body),
        "trade_balance.balance" => handled(&trade_balance::Balance, body),
        "trade_balance.path" => handled(&trade_balance::Path, body),
        "trade_balance.price" => handled(&trade_balance::CertificatePrices, body),
        "trade_balance.return" => handled(&trade_balance::AgreementReturn, body),
        "graph.clear" => handled(&<graph::Clear>::default(), body),
        "graph.net" => handled(&<graph::Net>::default(), body),
        "graph.roadmap" => handled(&<graph::Plan>::default(), body),
        "graph.analyze" => handled(&<graph::Analyze>::default(), body),
        "genetic.evolve" => handled(&<genetic::Evolve>::default(), body),
        "proof.check" => handled(&proof::Checker, body),
        _ => Err(Stop::say(
            Exit::Usage,
            format_args!("{kind} needs a bus: only genetic, graph, proof and trade_balance run with --local"),
        )),
    }
}

fn handled<C: Core>(core: &C, body: &[u8]) -> Outcome<Reply<Vec<u8>>> {
    let request = decode::<C::Request>(body, MAX_CLEARING_BODY_BYTES).or_exit(Exit::Input)?;
    Ok(match core.handle(request, &Surroundings::default()) {
        Ok(answer) => Reply::Answer(encode(&answer)),
        Err(refused) => Reply::Refused(refused),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn whatever_can_be_called_is_in_the_contract() {
        for kind in CALLS {
            assert!(catalogue::find(kind).is_some(), "{kind}");
            assert_eq!(Target::from_str(kind).unwrap().kind, kind);
        }
        assert!(Target::from_str("deal.moved").is_err());
        for verb in DealVerb::ALL {
            assert!(CALLS.contains(&format!("deal.{verb}").as_str()), "{verb}");
        }
        for verb in TaskVerb::ALL {
            assert!(CALLS.contains(&format!("task.{verb}").as_str()), "{verb}");
        }
    }

    #[test]
    fn terms_may_be_written_as_json() {
        let terms = json!({
            "book": "b", "parties": ["a", "c"], "delivery": "immediate", "expires_unix_ms": 5,
            "transfers": [{ "from": "a", "to": "c", "good": "g", "quantity": 1, "due_unix_ms": 5 }],
        });
        let fields = json!({ "move_id": "m", "deadline_unix_ms": 1, "deal": "a".repeat(26), "terms": terms });
        let bytes = body("deal.propose", fields.as_object().unwrap().clone()).unwrap();
        let propose: schemas::deal::Propose = decode(&bytes, MAX_CLEARING_BODY_BYTES).unwrap();
        assert!(schemas::deal::ReadTerms::read(&propose.terms).is_ok());
    }

    #[test]
    fn an_id_is_for_one_occasion() {
        assert_eq!(once(&[b"a"], 1), once(&[b"a"], 1));
        assert_ne!(once(&[b"a"], 1), once(&[b"a"], 2));
        assert!(MoveId::parse(&once(&[b"a"], 1)).is_ok());
    }
}
