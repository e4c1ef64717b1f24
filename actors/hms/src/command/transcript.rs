//! `hms deal transcript`: what was said in a negotiation, and whether it is what the parties signed.

use std::path::PathBuf;

use clap::Args;
use deal::{Deal as Folded, Entry};
use negotiation::{Told, View, replay};
use schemas::{
    AgentId, DealId, Hash,
    deal::Move,
    event::{Happening, Signed},
    negotiation::{ReadRules, Transcript},
    subject::parse_deal_move,
    talk::{CountedVote, Talk},
};
use serde_json::{Value, json};

use crate::{
    bus::BusArgs,
    evidence::Evidence,
    exit::{Exit, OrExit, Outcome, Stop},
    input, output,
};

/// Replay what a party kept of a negotiation, against the deal's log
///
/// FILE has the exact bytes of each word in hexadecimal, a line each, in the order in which they were said. They are
/// heard again by the rules that the deal was opened with, and their head is compared with the one that was signed at
/// the end: so whoever signed it said this and nothing else. Exit code 1 says that it is not so, and at which word.
/// A contractor or a voting party, which hears no bid and no vote but its own, says with --as who it is.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  hms deal transcript words.txt
  hms deal transcript words.txt --as ghana           what Ghana heard of a call for bids, or of a vote
  hms deal transcript words.txt --from deal.jsonl    what `hms deal log --raw` wrote, without a bus")]
pub struct TranscriptArgs {
    /// The words; `-` is standard input
    file: PathBuf,
    /// The party that kept the words, where not everybody hears all of them [default: who has heard all]
    #[arg(long = "as", value_name = "AGENT")]
    party: Option<AgentId>,
    /// The deal's log, from a file
    #[arg(long, value_name = "FILE")]
    from: Option<PathBuf>,
    #[command(flatten)]
    bus: BusArgs,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// What the log says of a negotiation.
struct Recorded {
    deal: Folded,
    /// All that the deal was opened with, those included whom nothing was awarded to.
    parties: Vec<AgentId>,
    /// Who signed which transcript.
    signed: Vec<(String, Transcript)>,
    /// What was agreed on.
    outcome: Option<Vec<u32>>,
}

impl TranscriptArgs {
    /// Does it.
    pub async fn run(self) -> Outcome {
        let words = words(&input::text(&self.file)?)?;
        let id = talk_of(&words)?;
        let evidence = match &self.from {
            Some(file) => Evidence::parse(&input::text(file)?)
                .map_err(|bad| Stop::new(Exit::Input, bad).while_doing(file.display()))?,
            None => {
                let port = self.bus.connect().await?;
                Evidence::collect(port.as_ref(), &id).await?
            }
        };
        let recorded = recorded(&evidence, &id)?;
        let view = self.party.clone().map_or(View::Whole, View::Party);
        let told = tell(&id, &recorded, &words, view);
        if self.json {
            output::json(&as_json(&id, &recorded, &told))?;
        } else {
            words.iter().enumerate().try_for_each(|(at, word)| output::line(in_words(at, word)))?;
            match &told {
                Ok(told) => output::line(format_args!(
                    "{id}: {} words, head {}, signed by {}",
                    told.transcript.length,
                    told.transcript.head,
                    signers(&recorded)
                ))?,
                Err(reason) => output::line(format_args!("{id} WAS NOT SAID SO: {reason}"))?,
            }
        }
        if told.is_ok() { Ok(()) } else { Err(Stop::silent(Exit::Bad)) }
    }
}

/// The bytes of each word.
fn words(text: &str) -> Outcome<Vec<Vec<u8>>> {
    let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    lines
        .map(|(at, line)| {
            data_encoding::HEXLOWER
                .decode(line.trim().as_bytes())
                .or_exit(Exit::Input)
                .map_err(|stop| stop.while_doing(format_args!("line {}", at + 1)))
        })
        .collect()
}

fn talk_of(words: &[Vec<u8>]) -> Outcome<DealId> {
    let first = words.first().ok_or_else(|| Stop::say(Exit::Input, "there is no word"))?;
    let word = Talk::decode(first).or_exit(Exit::Input).map_err(|stop| stop.while_doing("line 1"))?;
    Ok(word.deal().clone())
}

/// Reads the deal's log, which must hold: what is compared with it is worth no more than it is.
fn recorded(evidence: &Evidence, id: &DealId) -> Outcome<Recorded> {
    let records = evidence.deals.get(id);
    let records =
        records.ok_or_else(|| Stop::say(Exit::Bad, format_args!("there is no log of deal {id} to compare with")))?;
    let deal = evidence.verify(id).or_exit(Exit::Bad)?.deal;
    let mut recorded = Recorded { deal, parties: Vec::new(), signed: Vec::new(), outcome: None };
    for entry in records.iter().filter_map(|record| Entry::read(&record.body).ok()) {
        let Some((by, said)) = entry.event.cause.as_ref().and_then(said) else { continue };
        let transcript = match said {
            Move::Open(open) => {
                recorded.parties = open.parties;
                None
            }
            Move::Propose(propose) if matches!(entry.event.what, Happening::Proposed { .. }) => {
                propose.agreement.map(|agreement| {
                    recorded.outcome = Some(agreement.outcome);
                    agreement.transcript
                })
            }
            Move::Accept(accept) => accept.transcript,
            Move::Reject(reject) => reject.transcript,
            Move::Withdraw(withdraw) => withdraw.transcript,
            _ => None,
        };
        recorded.signed.extend(transcript.map(|transcript| (by, transcript)));
    }
    Ok(recorded)
}

fn said(signed: &Signed) -> Option<(String, Move)> {
    let (verb, by, _) = parse_deal_move(&signed.subject).ok()?;
    Some((by.to_string(), Move::decode(verb, &signed.body).ok()?))
}

/// Hears the words again; why they are not what was signed, if they are not.
fn tell(id: &DealId, recorded: &Recorded, words: &[Vec<u8>], view: View) -> Result<Told, String> {
    let ruled = recorded.deal.rules.as_ref().ok_or("nothing was negotiated in this deal")?;
    let rules = ReadRules { rules: ruled.rules.clone(), hash: ruled.hash };
    let hears_all = view == View::Whole;
    let told = replay(id, rules, &recorded.parties, words, view).map_err(|broken| broken.to_string())?;
    if recorded.signed.is_empty() {
        return Err("nobody has signed a transcript".to_owned());
    }
    if let Some((who, other)) = recorded.signed.iter().find(|(_, transcript)| *transcript != told.transcript) {
        let Transcript { head, length } = &told.transcript;
        let (theirs, count): (&Hash, u32) = (&other.head, other.length);
        return Err(format!("{length} words with head {head}; {who} signed {count} with head {theirs}"));
    }
    // A contractor that was not awarded knows no outcome.
    if (hears_all || told.outcome.is_some()) && recorded.outcome != told.outcome {
        return Err(format!("it comes to {:?}; {:?} was recorded", told.outcome, recorded.outcome));
    }
    Ok(told)
}

fn signers(recorded: &Recorded) -> String {
    let mut who: Vec<&str> = recorded.signed.iter().map(|(who, _)| who.as_str()).collect();
    who.sort_unstable();
    who.dedup();
    who.join(", ")
}

fn in_words(at: usize, bytes: &[u8]) -> String {
    let (who, what) = match Talk::decode(bytes) {
        Ok(word) => {
            let what = match &word {
                Talk::Offer(offer) => format!("offers {:?}", offer.outcome),
                Talk::Accept(_) => "accepts".to_owned(),
                Talk::End(end) => format!("ends: {}", end.reason),
                Talk::Call(call) => format!("calls: {}", call.text),
                Talk::Bid(bid) => format!("bids {:?}", bid.outcome),
                Talk::Decline(decline) => format!("declines: {}", decline.reason),
                Talk::Award(award) => match award.bid {
                    Some(bid) => format!("awards to {bid}, of {} answers", award.heard.len()),
                    None => "awards to nobody".to_owned(),
                },
                Talk::Revise(revise) => {
                    let called: Vec<&str> = revise.called.iter().map(AgentId::as_str).collect();
                    format!("calls {} again: {:?} is to be beaten", called.join(", "), revise.best)
                }
                Talk::Text(text) => format!("puts {:?} to the vote{}", text.outcome, counted(&text.votes)),
                Talk::Vote(vote) => (if vote.accepts { "votes for it" } else { "votes against it" }).to_owned(),
                Talk::Result(result) => format!("says that {:?} stands{}", result.outcome, counted(&result.votes)),
            };
            (word.by().to_string(), what)
        }
        Err(error) => ("-".to_owned(), error.to_string()),
    };
    format!("{at:4}  {who:20}  {what}")
}

/// How the text before fared.
fn counted(votes: &[CountedVote]) -> String {
    let accepted = votes.iter().filter(|vote| vote.accepts).count();
    if votes.is_empty() { String::new() } else { format!(", after {accepted} of {} votes", votes.len()) }
}

fn as_json(id: &DealId, recorded: &Recorded, told: &Result<Told, String>) -> Value {
    match told {
        Ok(told) => json!({ "deal": id, "said": true, "words": told.transcript.length, "head": told.transcript.head,
            "outcome": told.outcome, "between": told.between, "signed_by": signers(recorded) }),
        Err(reason) => json!({ "deal": id, "said": false, "reason": reason }),
    }
}
