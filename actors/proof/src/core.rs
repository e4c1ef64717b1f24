//! The kernel behind the subject `proof.check`, and as a port that the desk and the verifier of logs are given.

use schemas::core::{Call, Core};
use schemas::kernel::{Finding, Kernel, Unsound};
use schemas::proving::{CheckProof, ProofChecked, Verdict};
use schemas::{Code, ErrorReply};

use crate::check::{Checked, check};
use crate::refused::Refused;

/// The core `proof.check`, and the kernel that the desk and the verifier of logs are given.
#[derive(Debug, Clone, Copy, Default)]
pub struct Checker;

impl Core for Checker {
    const SERVICE: &'static str = "proof";
    const VERB: &'static str = "check";
    type Request = CheckProof;
    type Reply = ProofChecked;

    fn handle(&self, request: CheckProof, _: &Call) -> Result<ProofChecked, ErrorReply> {
        let checked = check(&request.claim, &request.certificate)?;
        Ok(ProofChecked { claim_hash: checked.claim_hash, verdict: checked.verdict, vacuous: checked.vacuous })
    }
}

impl Kernel for Checker {
    fn check(&self, claim: &[u8], evidence: &[u8]) -> Result<Finding, Unsound> {
        match check(claim, evidence) {
            Ok(Checked { verdict: Verdict::Proved, vacuous, .. }) => Ok(Finding::Proved { vacuous }),
            Ok(Checked { verdict: Verdict::Refuted, .. }) => Ok(Finding::Refuted),
            Err(refused) => Err(Unsound(refused.to_string())),
        }
    }
}

impl From<Refused> for ErrorReply {
    fn from(refused: Refused) -> Self {
        Self::new(Code::Refused, refused.reason).at_field(&refused.place).by_rule(refused.fault.as_str())
    }
}
