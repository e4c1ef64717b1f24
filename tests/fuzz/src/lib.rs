//! What the targets share: agents with keys, bodies from JSON, and evidence that says of itself what it shows.
//!
//! Keys are always the same ones, so that an input always does the same.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use nkeys::{KeyPair, KeyPairType};
use schemas::catalogue;
use schemas::event::Signed;
use schemas::hash::Hash;
use schemas::header::{self, Headers};
use schemas::id::AgentId;
use schemas::kernel::{Finding, Kernel, Unsound};
use schemas::keyring::{History, Keyring, LogRecord};
use schemas::signature::{PublicKey, Sender, Signer};
use serde_json::Value;

/// When it all begins, in Unix milliseconds.
pub const NOW: i64 = 1_790_000_000_000;

/// Who is there. The first six may be anybody; the others are cores.
pub const NAMES: [&str; 9] = ["chad", "egypt", "ghana", "kenya", "mali", "niger", "deal", "ledger", "mac"];

/// One of those who may be anybody.
pub fn anybody(number: u8) -> AgentId {
    agent(NAMES[usize::from(number) % 6])
}

/// An agent by name.
pub fn agent(name: &str) -> AgentId {
    name.parse().expect("a name")
}

/// The body that this JSON describes; nothing where no reader takes it.
pub fn body(json: &Value) -> Option<Vec<u8>> {
    let entry = catalogue::find(json.get("type")?.as_str()?)?;
    (entry.from_json)(json).ok()
}

/// Everybody's keys.
pub struct Keys {
    signers: BTreeMap<AgentId, Signer>,
    /// Their history.
    pub ring: Keyring,
}

impl Keys {
    /// The keys, made once.
    pub fn shared() -> &'static Self {
        static KEYS: OnceLock<Keys> = OnceLock::new();
        KEYS.get_or_init(|| {
            let account = KeyPair::new_from_raw(KeyPairType::Account, [99; 32]).expect("a key").public_key();
            let account: PublicKey = account.parse().expect("an account");
            let signer = |(number, name): (u8, &str)| {
                let pair = KeyPair::new_from_raw(KeyPairType::User, [number; 32]).expect("a key");
                let signer =
                    Signer::from_seed(&pair.seed().expect("a seed"), account.clone(), name).expect("a user's seed");
                (agent(name), signer)
            };
            let signers: BTreeMap<AgentId, Signer> = (1..).zip(NAMES).map(signer).collect();
            let history = |signer: &Signer| History { keys: vec![signer.key().clone()], turns: 1, head: Hash::ZERO };
            let ring = signers.iter().map(|(agent, signer)| (agent.clone(), history(signer))).collect();
            Self { signers, ring }
        })
    }

    /// A message, signed by one of them.
    pub fn sign(&self, by: &AgentId, subject: String, body: Vec<u8>, now_unix_ms: i64) -> Signed {
        let sender = self.signers[by].sign(&subject, &body, now_unix_ms, "n").expect("a time that can be written");
        Signed { subject, sender, body }
    }
}

/// An entry of a core's log, as the stream would hold it.
pub fn record(writer: &str, subject: String, kind: &str, entry: &[u8], sequence: u64) -> LogRecord {
    let Signed { subject, sender, body } = Keys::shared().sign(&agent(writer), subject, entry.to_vec(), NOW);
    LogRecord { sequence, subject, headers: Headers::of_type(kind.to_owned()).with(header::SENDER, sender), body }
}

/// Who signed a message that is signed here: its signature holds, and is not checked again.
pub fn sender(signed: &Signed) -> Sender {
    Sender::parse(&signed.sender).expect("what was signed can be read")
}

/// Who signed a message that is found somewhere: its signature must hold.
pub fn signer(signed: &Signed) -> AgentId {
    let sender = sender(signed);
    assert_eq!(sender.verify(&signed.subject, &signed.body), Ok(()), "a signature that does not hold");
    assert_eq!(Keys::shared().ring.check(&sender), Ok(()), "another's key");
    agent(sender.name.as_deref().unwrap_or_default())
}

/// A kernel that believes what evidence says of itself.
pub struct Believer;

impl Kernel for Believer {
    fn check(&self, _: &[u8], evidence: &[u8]) -> Result<Finding, Unsound> {
        match evidence {
            b"proved" => Ok(Finding::Proved { vacuous: false }),
            b"vacuous" => Ok(Finding::Proved { vacuous: true }),
            b"refuted" => Ok(Finding::Refuted),
            _ => Err(Unsound("it shows nothing".to_owned())),
        }
    }
}
