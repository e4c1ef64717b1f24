//! `hms prove`: is this true?

use std::path::Path;
use std::time::Instant;

use clap::Args;
use schemas::{
    Hash,
    body::{decode, encode, type_of},
    certificate::{Certificate, Counterexample, Node},
    claim::Claim,
    infix::{self, BadClaim},
    kernel::{Finding, Kernel},
    limit::MAX_BODY_BYTES,
};
use serde_json::json;

use crate::{
    bus::BusArgs,
    command::on_runtime,
    exit::{Exit, Outcome, Stop},
    input, output,
    paper::{Notation, Page},
    proofs,
    search::{Search, Sought},
};

/// Prove or refute a claim about real numbers
///
/// A prover searches, and the kernel, in this process, checks what it found: no verdict is given that isn't checked
/// exactly. The bus's provers are asked where a bus is named or runs from DIR; elsewhere one is started for this claim
/// alone. *Vacuous* says that no values satisfy what is given, so that anything would follow.
///
/// Exit codes: 0 proved; 1 refuted, by a point that is printed; 2 unknown, neither was found in time; 3 the claim can't
/// be read, and a caret stands under the mistake; 64 wrong usage; 69 no prover.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  hms prove 'forall x in [0,1]: x >= x^2'
  hms prove 'forall x >= 0, y >= 0: (x + y)^2 >= 4*x*y' --seconds 2
  hms prove 'a^2 + b^2 + c^2 >= a*b + b*c + c*a' --latex
  hms prove --json - < claim.txt

A claim is what is given and what follows: `forall`, relations and ranges with commas between, a colon, one relation.
Relations are >= > = < <=, ranges x in [a,b], (a,b), [a,oo); numbers 3, 0.25, 1/3; products x*y, powers x^2.")]
pub struct Prove {
    /// The claim; `-` is standard input
    #[arg(allow_hyphen_values = true)]
    claim: String,
    /// How long to search, in seconds
    #[arg(long, value_name = "S", default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=86_400))]
    seconds: u32,
    /// The seed of everything that is drawn in the search
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
    /// Print the proof in LaTeX
    #[arg(long, conflicts_with = "json")]
    latex: bool,
    #[command(flatten)]
    bus: BusArgs,
    /// Print JSON on one line, the proof as text and as LaTeX in it
    #[arg(long)]
    json: bool,
}

/// What it comes to.
struct Decided {
    finding: Finding,
    evidence: Vec<u8>,
    /// How long the kernel took, in microseconds.
    checked_us: u128,
}

impl Prove {
    pub fn run(self) -> Outcome {
        let text = match self.claim.as_str() {
            "-" => input::text(Path::new("-"))?.trim_end().to_owned(),
            claim => claim.to_owned(),
        };
        let claim = match infix::parse(&text) {
            Ok(claim) => claim,
            Err(bad) => return Err(self.unreadable(&text, &bad)),
        };
        let bytes = encode(&claim);
        let hash = Hash::of(&bytes);
        let sought = on_runtime(self.search(hash, &bytes))?;
        let mut reason = sought.reason.clone();
        let decided = sought.evidence.as_ref().and_then(|evidence| match check(&bytes, evidence) {
            Ok(decided) => Some(decided),
            Err(unsound) => {
                reason = Some(format!("what a prover found does not hold: {unsound}"));
                None
            }
        });
        if self.json {
            self.tell_json(&claim, hash, &sought, decided.as_ref(), reason.as_deref())?;
        } else {
            self.tell(&claim, &sought, decided.as_ref(), reason.as_deref())?;
        }
        match decided.map(|decided| decided.finding) {
            Some(Finding::Proved { .. }) => Ok(()),
            Some(Finding::Refuted) => Err(Stop::silent(Exit::Bad)),
            None => Err(Stop::silent(Exit::Undecided)),
        }
    }

    /// What somebody found, or had found before; nothing of it is believed.
    async fn search(&self, hash: Hash, claim: &[u8]) -> Outcome<Sought> {
        let budget_ms = self.seconds.saturating_mul(1_000);
        let search = Search { claim, budget_ms, seed: self.seed };
        if !self.bus.is_meant() {
            return search.by_own().await;
        }
        let port = self.bus.connect().await?;
        if let Some(kept) = proofs::recall(port.as_ref(), hash).await
            && check(claim, &kept).is_ok()
        {
            return Ok(Sought { evidence: Some(kept), method: Some("found before".into()), ..Sought::default() });
        }
        let sought = match search.on_bus(port.as_ref()).await? {
            Some(sought) => sought,
            None => search.by_own().await?,
        };
        if let Some(evidence) = &sought.evidence
            && let Ok(decided) = check(claim, evidence)
        {
            proofs::keep(port.as_ref(), hash, decided.finding, evidence).await;
        }
        Ok(sought)
    }

    fn unreadable(&self, text: &str, bad: &BadClaim) -> Stop {
        if self.json {
            let fault = json!({ "error": { "field": "claim", "column": bad.column, "reason": bad.reason } });
            return output::json(&fault).err().unwrap_or_else(|| Stop::silent(Exit::Unreadable));
        }
        Stop::say(Exit::Unreadable, format_args!("{bad}\n{}", pointed(text, bad.column)))
    }

    fn tell(&self, claim: &Claim, sought: &Sought, decided: Option<&Decided>, reason: Option<&str>) -> Outcome {
        output::line(format_args!("claim        {}", infix::print(claim)))?;
        let Some(Decided { finding, evidence, checked_us }) = decided else {
            output::line(format_args!("verdict      unknown: {}", reason.unwrap_or("nothing was found in time")))?;
            return output::line(format_args!("time         {}", milliseconds(sought.took_ms)));
        };
        let verdict = match finding {
            Finding::Proved { vacuous: false } => "proved",
            Finding::Proved { vacuous: true } => "proved, vacuous: no values satisfy what is given",
            Finding::Refuted => "refuted",
        };
        output::line(format_args!("verdict      {verdict}"))?;
        let evidence_is = match finding {
            Finding::Proved { .. } => "certificate ",
            Finding::Refuted => "evidence    ",
        };
        output::line(format_args!("{evidence_is} {}", size(evidence)))?;
        let how = sought.method.as_ref().map_or_else(String::new, |method| format!(" ({method})"));
        let found = milliseconds(sought.took_ms);
        let checked = milliseconds(*checked_us as f64 / 1000.0);
        output::line(format_args!("time         found in {found}{how}, checked in {checked}"))?;
        output::line("")?;
        let notation = if self.latex { Notation::Latex } else { Notation::Text };
        output::line(page(claim, evidence, notation))
    }

    fn tell_json(
        &self,
        claim: &Claim,
        hash: Hash,
        sought: &Sought,
        decided: Option<&Decided>,
        reason: Option<&str>,
    ) -> Outcome {
        let mut said = json!({ "claim": infix::print(claim), "claim_hash": hash });
        let more = match decided {
            Some(Decided { finding, evidence, checked_us }) => json!({
                "verdict": if *finding == Finding::Refuted { "refuted" } else { "proved" },
                "vacuous": *finding == Finding::Proved { vacuous: true },
                "size_bytes": evidence.len(),
                "took_ms": sought.took_ms,
                "checked_us": u64::try_from(*checked_us).unwrap_or(u64::MAX),
                "method": sought.method,
                "evidence": data_encoding::HEXLOWER.encode(evidence),
                "proof": { "text": page(claim, evidence, Notation::Text), "latex": page(claim, evidence, Notation::Latex) },
            }),
            None => json!({
                "verdict": "unknown", "vacuous": false, "took_ms": sought.took_ms,
                "reason": reason.unwrap_or("nothing was found in time"),
            }),
        };
        if let (Some(said), serde_json::Value::Object(more)) = (said.as_object_mut(), more) {
            said.extend(more.into_iter().filter(|(_, value)| !value.is_null()));
        }
        output::json(&said)
    }
}

fn check(claim: &[u8], evidence: &[u8]) -> Result<Decided, schemas::kernel::Unsound> {
    let began = Instant::now();
    let finding = proof::Checker.check(claim, evidence)?;
    Ok(Decided { finding, evidence: evidence.to_vec(), checked_us: began.elapsed().as_micros() })
}

/// The proof, or the counterexample, on paper.
fn page(claim: &Claim, evidence: &[u8], notation: Notation) -> String {
    let page = Page::new(claim, notation);
    if type_of(evidence, MAX_BODY_BYTES) == Ok("certificate") {
        decode::<Certificate>(evidence, MAX_BODY_BYTES).map_or_else(|error| error.to_string(), |c| page.proof(&c))
    } else {
        decode::<Counterexample>(evidence, MAX_BODY_BYTES)
            .map_or_else(|error| error.to_string(), |c| page.counterexample(&c))
    }
}

/// How large evidence is.
fn size(evidence: &[u8]) -> String {
    let bytes = evidence.len();
    match decode::<Certificate>(evidence, MAX_BODY_BYTES) {
        Ok(certificate) => {
            let splits = certificate.nodes.iter().filter(|node| matches!(node, Node::Split { .. })).count();
            let leaves = certificate.nodes.len() - splits;
            let leaves = if leaves == 1 { "1 leaf".to_owned() } else { format!("{leaves} leaves") };
            format!("{bytes} bytes, {leaves}")
        }
        Err(_) => format!("{bytes} bytes, a point"),
    }
}

fn milliseconds(ms: f64) -> String {
    if ms < 10.0 { format!("{ms:.2} ms") } else { format!("{ms:.0} ms") }
}

/// The line at fault with a caret under the column, which counts characters from 1 over the whole text.
fn pointed(text: &str, column: usize) -> String {
    let before: String = text.chars().take(column.saturating_sub(1)).collect();
    let begins = before.rfind('\n').map_or(0, |at| at + 1);
    let line = text.get(begins..).unwrap_or_default().lines().next().unwrap_or_default();
    let indent: String =
        before.get(begins..).unwrap_or_default().chars().map(|c| if c == '\t' { c } else { ' ' }).collect();
    format!("  {line}\n  {indent}^")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_caret_stands_under_the_mistake() {
        for (text, column, shown) in [
            ("x >= ", 6, "  x >= \n       ^"),
            ("x ? y", 3, "  x ? y\n    ^"),
            ("äöü ? y", 5, "  äöü ? y\n      ^"),
            ("forall x:\n x ? y", 14, "   x ? y\n     ^"),
            ("", 1, "  \n  ^"),
        ] {
            assert_eq!(pointed(text, column), shown, "{text:?}");
        }
    }
}
