//! `hms deal`: what happened, and whether it holds.
//!
//! All of this reads the log itself, as an operator may. An entry that neither desk nor ledger signed is no part
//! of a deal, whoever put it there: it is passed over with a word, except by `verify`, to which it is a fault.

use std::collections::BTreeMap;

use clap::{
    Args, Subcommand,
    builder::{PossibleValuesParser, TypedValueParser},
};
use deal::{
    Deal as Folded, Entry,
    gate::{name_of, raised},
    verify::{DESK, LEDGER, Verified},
};
use futures::StreamExt;
use runtime::port::{Followed, Start};
use schemas::{
    DealId,
    body::to_json,
    deal::{ClaimKind, Transfer},
    event::{Broken, DealEvent, Evidence as Proof, Happening, Signed},
    kernel::{Finding, Kernel},
    keyring::{LogRecord, RecordFault},
    limit::MAX_CLEARING_BODY_BYTES,
    profile::State,
    stream, subject,
};
use serde_json::{Value, json};

use crate::{
    bus::BusArgs,
    command::{
        on_runtime, transcript,
        verify_all::{self, Place, Wanted},
    },
    evidence::{Evidence, Unproved},
    exit::{Exit, OrExit, Outcome, Stop},
    output,
    writers::Writers,
};

/// List, show and verify deals
#[derive(Debug, Subcommand)]
#[command(after_help = "Examples:\n  hms deal list --state settled\n  hms deal verify sjbpl4ndpc3hlwq2enbzsc5rtm")]
pub enum Deal {
    List(List),
    Show(Show),
    Log(Log),
    Verify(Verify),
    Transcript(transcript::TranscriptArgs),
}

/// List deals, the one that moved last at the end
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  hms deal list\n  hms deal list --state rejected --json | jq -r .deal")]
pub struct List {
    /// Only deals in this state
    #[arg(long, value_parser = states())]
    state: Option<State>,
    #[command(flatten)]
    bus: BusArgs,
    /// Print JSON, one object a line
    #[arg(long)]
    json: bool,
}

/// Show where a deal stands
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  hms deal show sjbpl4ndpc3hlwq2enbzsc5rtm")]
pub struct Show {
    /// The deal's id
    id: DealId,
    #[command(flatten)]
    bus: BusArgs,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Print what happened to a deal, one event a line
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  hms deal log sjbpl4ndpc3hlwq2enbzsc5rtm
  hms deal log sjbpl4ndpc3hlwq2enbzsc5rtm --raw > deal.jsonl && hms deal verify --from deal.jsonl")]
pub struct Log {
    /// The deal's id
    id: DealId,
    #[command(flatten)]
    bus: BusArgs,
    /// Print JSON, one event a line
    #[arg(long)]
    json: bool,
    /// Print what was stored, exact bytes in hexadecimal, after the key history of everyone who signed: all that
    /// `hms deal verify --from` needs, anywhere and without a bus
    #[arg(long, conflicts_with = "json")]
    raw: bool,
}

/// Decide whether a deal's log holds
///
/// Every signature is checked, every entry's place in the hash chain, every move is decided again, and every certificate
/// is checked against the claim that terms and acceptances raise. The first entry at fault is named, with exit code 1.
/// Only the deal's log and the key history are looked at.
///
/// With --all the whole log is verified: every deal, that no sequence is missing, that each posting and each of the
/// ledger's cursors fits, that the books add up, and that nobody was told of an entry that the log doesn't hold.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  hms deal verify sjbpl4ndpc3hlwq2enbzsc5rtm
  hms deal verify --from deal.jsonl      what `hms deal log --raw` wrote; `-` is standard input
  hms deal verify --all
  hms deal verify --all --from FOLDER    what `hms backup` or `nats stream backup` wrote")]
pub struct Verify {
    /// The deal's id; with --from it may be left out, for every deal in the file
    #[arg(required_unless_present_any = ["from", "all"])]
    id: Option<DealId>,
    #[command(flatten)]
    place: Place,
}

/// Reads a state by its name.
fn states() -> impl TypedValueParser<Value = State> {
    let named =
        |name: String| State::ALL.into_iter().find(|state| state.as_str() == name).ok_or("no state has this name");
    PossibleValuesParser::new(State::ALL.map(State::as_str)).try_map(named)
}

impl Deal {
    pub fn run(self) -> Outcome {
        match self {
            Self::List(list) => on_runtime(list.run()),
            Self::Show(show) => on_runtime(show.run()),
            Self::Log(log) => on_runtime(log.run()),
            Self::Transcript(transcript) => on_runtime(transcript.run()),
            Self::Verify(verify) => verify.run(),
        }
    }
}

impl Verify {
    fn run(self) -> Outcome {
        let json = self.place.json;
        match self.place.wanted(self.id, "a deal", |evidence| evidence.deals.keys().cloned().collect())? {
            Wanted::All(bus) => {
                on_runtime(async move { verify_all::of_bus(bus.connect().await?.as_ref(), json).await })
            }
            Wanted::Backup(folder) => on_runtime(async move { verify_all::of_backup(&folder, json).await }),
            Wanted::File(evidence, ids) => verdicts(&evidence, &ids, json),
            Wanted::One(bus, id) => on_runtime(async move {
                let evidence = Evidence::collect(bus.connect().await?.as_ref(), &id).await?;
                if evidence.deals.is_empty() {
                    return Err(unknown(&id));
                }
                verdicts(&evidence, &[id], json)
            }),
        }
    }
}

impl List {
    async fn run(self) -> Outcome {
        let port = self.bus.connect().await?;
        let writers = Writers::of(port.as_ref()).await?;
        let mut last = port.follow(stream::DEALS, &[subject::all_deal_logs()], Start::LastPerSubject).await?;
        let mut rows = Vec::new();
        while let Some(Followed::Entry(stored)) = last.next().await {
            let record = LogRecord::from(stored);
            let (sequence, entry) = match writers.read(&record) {
                Ok(entry) => (record.sequence, entry),
                // Somebody else's words at the end of the log: what stands before them?
                Err(_) => match writers.log(&port, &record.subject).await?.pop() {
                    Some((sequence, entry)) => (sequence, entry),
                    None => continue,
                },
            };
            let state = entry.event.what.state();
            if self.state.is_some_and(|wanted| wanted != state) {
                continue;
            }
            if self.json {
                output::json(&json!({
                    "deal": entry.event.deal, "state": state, "events": entry.event.turn.saturating_add(1),
                    "last": entry.event.what.name(), "at_unix_ms": entry.event.at_unix_ms, "sequence": sequence,
                }))?;
            } else {
                let events = entry.event.turn.saturating_add(1).to_string();
                let last = entry.event.what.name().to_owned();
                rows.push([
                    entry.event.deal.to_string(),
                    state.to_string(),
                    events,
                    last,
                    output::time(entry.event.at_unix_ms),
                ]);
            }
        }
        if self.json { Ok(()) } else { output::table(["DEAL", "STATE", "EVENTS", "LAST", "AT"], rows, "no deals") }
    }
}

impl Show {
    async fn run(self) -> Outcome {
        let port = self.bus.connect().await?;
        let entries = Writers::of(port.as_ref()).await?.log(&port, &subject::deal_log(&self.id)).await?;
        let deal = entries
            .iter()
            .fold(None, |deal, (_, entry)| Folded::apply(deal, entry))
            .ok_or_else(|| unknown(&self.id))?;
        if self.json {
            return output::json(&serde_json::to_value(deal.show()).or_exit(Exit::Bad)?);
        }
        let parties: Vec<String> = deal
            .parties
            .iter()
            .map(|party| {
                let marks: Vec<&str> =
                    [(deal.accepted.contains_key(party), "accepted"), (deal.confirmed.contains(party), "confirmed")]
                        .into_iter()
                        .filter_map(|(is, mark)| is.then_some(mark))
                        .collect();
                if marks.is_empty() { party.to_string() } else { format!("{party} ({})", marks.join(", ")) }
            })
            .collect();
        let state = match &deal.ended {
            Some((Some(rule), reason)) => format!("{} by rule {rule}: {reason}", deal.state),
            Some((None, reason)) => format!("{}: {reason}", deal.state),
            None => deal.state.to_string(),
        };
        output::line(format_args!("deal      {}", deal.id))?;
        output::line(format_args!("state     {state}"))?;
        output::line(format_args!("rules     {} in book {}, opened by {}", deal.profile, deal.book, deal.opener))?;
        output::line(format_args!("parties   {}", parties.join(", ")))?;
        output::line(format_args!("expires   {}", output::time(deal.expires_unix_ms)))?;
        for (index, (claim, verdict)) in claims(&deal).into_iter().enumerate() {
            let title = if index == 0 { "claims" } else { "" };
            output::line(format_args!("{title:10}{claim}: {verdict}"))?;
        }
        let Some(table) = &deal.table else { return output::line("terms     none yet") };
        output::line(format_args!("terms     {}", table.hash))?;
        table.terms.transfers.iter().try_for_each(|transfer| {
            output::line(format_args!("          {}, due {}", in_words(transfer), output::time(transfer.due_unix_ms)))
        })
    }
}

impl Log {
    async fn run(self) -> Outcome {
        let port = self.bus.connect().await?;
        let evidence = Evidence::collect(port.as_ref(), &self.id).await?;
        let records = evidence.deals.get(&self.id).ok_or_else(|| unknown(&self.id))?;
        if self.raw {
            return evidence.lines().try_for_each(output::line);
        }
        let writers = Writers::of(port.as_ref()).await?;
        let mut rows = Vec::new();
        for record in records {
            let read = writers.read(record);
            if self.json {
                output::json(&as_json(record, &read))?;
            } else {
                rows.push(as_row(record, &read));
            }
        }
        if self.json {
            Ok(())
        } else {
            output::table(["TURN", "SEQUENCE", "AT", "EVENT", "BY", "WHAT"], rows, "nothing happened")
        }
    }
}

/// Nothing is known of a deal.
pub fn unknown(id: &DealId) -> Stop {
    Stop::say(Exit::Bad, format_args!("there is no deal {id} on this bus"))
}

/// Says of each deal whether it holds; the first that does not decides the exit code.
fn verdicts(evidence: &Evidence, ids: &[DealId], json: bool) -> Outcome {
    let mut exit = Exit::Good;
    for id in ids {
        let verdict = evidence.verify(id);
        if verdict.is_err() {
            exit = Exit::Bad;
        }
        if json { output::json(&verdict_as_json(id, &verdict))? } else { output::line(verdict_in_words(id, &verdict))? }
    }
    if exit == Exit::Good { Ok(()) } else { Err(Stop::silent(exit)) }
}

fn verdict_in_words(id: &DealId, verdict: &Result<Verified, Unproved>) -> String {
    match verdict {
        Ok(Verified { deal, signatures, claims }) => {
            let claims = if *claims > 0 { format!(", {claims} claims") } else { String::new() };
            format!("{id} holds: {}, {} entries, {signatures} signatures{claims}", deal.state, deal.turns)
        }
        Err(unproved) => format!("{id} DOES NOT HOLD: {unproved}"),
    }
}

/// A verdict without a key history's.
pub fn as_verdict(id: &DealId, verdict: &Result<Verified, Broken>) -> Value {
    match verdict {
        Ok(Verified { deal, signatures, claims }) => {
            json!({ "deal": id, "holds": true, "state": deal.state, "entries": deal.turns, "signatures": signatures,
                "claims": claims })
        }
        Err(broken) => {
            json!({ "deal": id, "holds": false, "turn": broken.turn, "sequence": broken.sequence, "fault": broken.fault.to_string() })
        }
    }
}

/// A verdict, for programs.
pub fn verdict_as_json(id: &DealId, verdict: &Result<Verified, Unproved>) -> Value {
    match verdict {
        Ok(verified) => as_verdict(id, &Ok(verified.clone())),
        Err(Unproved::Key { agent, sequence, fault }) => {
            json!({ "deal": id, "holds": false, "key_history": agent, "sequence": sequence, "fault": fault.to_string() })
        }
        Err(Unproved::Deal(broken)) => as_verdict(id, &Err(broken.clone())),
        Err(unproved) => {
            json!({ "deal": id, "holds": false, "sequence": unproved.sequence(), "fault": unproved.to_string() })
        }
    }
}

fn as_row(record: &LogRecord, read: &Result<Entry, RecordFault>) -> [String; 6] {
    let sequence = record.sequence.to_string();
    match read {
        Ok(Entry { event, .. }) => {
            let (by, what) = told(event);
            [event.turn.to_string(), sequence, output::time(event.at_unix_ms), event.what.name().to_owned(), by, what]
        }
        Err(fault) => ["-".into(), sequence, "-".into(), "NOT AN ENTRY".into(), "-".into(), fault.to_string()],
    }
}

fn as_json(record: &LogRecord, read: &Result<Entry, RecordFault>) -> Value {
    let body = to_json(&record.body, MAX_CLEARING_BODY_BYTES)
        .unwrap_or_else(|_| data_encoding::HEXLOWER.encode(&record.body).into());
    let mut line = json!({ "sequence": record.sequence, "event": body });
    if let (Err(fault), Some(line)) = (read, line.as_object_mut()) {
        line.insert("fault".into(), fault.to_string().into());
    }
    line
}

/// Who did it, and what there is to say of it.
fn told(event: &DealEvent) -> (String, String) {
    let short = |hash: &schemas::Hash| hash.to_string().chars().take(12).collect::<String>();
    match &event.what {
        Happening::Opened { opener, book, profile, terms_hash } => {
            let terms =
                terms_hash.as_ref().map_or_else(|| "without terms".to_owned(), |hash| format!("terms {}", short(hash)));
            (opener.to_string(), format!("{profile} in book {book}, {terms}"))
        }
        Happening::Proposed { by, terms_hash } => (by.to_string(), format!("terms {}", short(terms_hash))),
        Happening::Accepted { by, terms_hash, last } => {
            (by.to_string(), format!("terms {}{}", short(terms_hash), if *last { "; all have accepted" } else { "" }))
        }
        Happening::Certified { terms, acceptances, certificates, .. } => {
            let proved = proved_in_words(terms, acceptances, certificates);
            (DESK.into(), format!("{} acceptances; {proved}", acceptances.len()))
        }
        Happening::Committed { terms, .. } => (LEDGER.into(), transfers_in_words(terms)),
        Happening::Confirmed { by } => (by.to_string(), "what was due is there".into()),
        Happening::Settled => ("-".into(), "everything is delivered".into()),
        Happening::Rejected { by, reason } | Happening::Withdrawn { by, reason } => (by.to_string(), reason.clone()),
        Happening::Expired => (DESK.into(), "not all had accepted in time".into()),
        Happening::Refused { rule, reason, evidence, .. } => {
            let size = evidence.as_ref().map_or_else(String::new, |e| format!(" ({} bytes)", e.certificate.len()));
            ("-".into(), format!("{rule}: {reason}{size}"))
        }
        Happening::Failed { undelivered } => (DESK.into(), format!("not confirmed: transfers {undelivered:?}")),
        Happening::Compensated { reversed } => (LEDGER.into(), format!("taken back: transfers {reversed:?}")),
    }
}

/// What a deal must prove, claim by claim, and how far that is. Each certificate is checked again.
fn claims(deal: &Folded) -> Vec<(String, String)> {
    if deal.agreed_unix_ms.is_none() {
        return deal
            .requires
            .iter()
            .map(|kind| (kind.to_string(), "to be proved once all have accepted".into()))
            .collect();
    }
    let raised = match deal.claims() {
        Ok(raised) => raised,
        Err(unproved) => return vec![("claims".into(), format!("can't be stated: {}", unproved.reason))],
    };
    let verdict = |hash: schemas::Hash, claim: &[u8]| match deal
        .certificates
        .iter()
        .find(|certificate| certificate.claim_hash == hash)
    {
        None => "not proved".to_owned(),
        Some(Proof { certificate, .. }) => match proof::Checker.check(claim, certificate) {
            Ok(Finding::Proved { .. }) => format!("proved, {} bytes", certificate.len()),
            Ok(Finding::Refuted) => "REFUTED by what stands there as its certificate".to_owned(),
            Err(unsound) => format!("DOES NOT HOLD: {unsound}"),
        },
    };
    raised.iter().map(|raised| (name_of(raised), verdict(raised.hash, &raised.claim))).collect()
}

/// Which claims these certificates are about.
pub fn proved_in_words(terms: &[u8], acceptances: &[Signed], certificates: &[Proof]) -> String {
    if certificates.is_empty() {
        return "nothing was to be proved".into();
    }
    let mut names = BTreeMap::new();
    if let Ok(read) = schemas::deal::ReadTerms::read(terms) {
        for kind in ClaimKind::ALL {
            let raised = raised(&read.terms, &[kind], acceptances).unwrap_or_default();
            names.extend(raised.iter().map(|raised| (raised.hash, name_of(raised))));
        }
    }
    let name = |hash: schemas::Hash| names.get(&hash).cloned().unwrap_or_else(|| format!("claim {hash}"));
    let proved: Vec<String> = certificates.iter().map(|certificate| name(certificate.claim_hash)).collect();
    format!("proved: {}", proved.join(", "))
}

fn transfers_in_words(terms: &[u8]) -> String {
    match schemas::deal::ReadTerms::read(terms) {
        Ok(read) => read.terms.transfers.iter().map(in_words).collect::<Vec<_>>().join("; "),
        Err(refused) => refused.to_string(),
    }
}

fn in_words(transfer: &Transfer) -> String {
    format!("{} → {}: {} {}", transfer.from, transfer.to, transfer.quantity, transfer.good)
}
