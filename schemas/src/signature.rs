//! Who says so: the header `Agent-Sender` of the Synadia Agent Protocol for NATS 0.3, section 13.
//!
//! An Ed25519 signature (an NKey's) over the subject, the time, a nonce and the SHA-256 of the exact
//! payload. It covers the bytes that were sent, so nothing is ever decoded, encoded again and
//! verified. `name` is not covered: whoever verifies compares it with what is.

use std::cell::RefCell;
use std::cmp::Ordering;
use std::collections::HashMap;
use std::fmt;
use std::hash::Hasher;
use std::str::FromStr;
use std::sync::{Arc, LazyLock};

use data_encoding::{BASE64URL_NOPAD, HEXLOWER};
use ed25519_dalek::{Signature, VerifyingKey};
use nkeys::KeyPair;
use quick_cache::sync::Cache;
use serde::{Deserialize, Serialize};

use crate::hash::Hash;
use crate::limit::{MAX_SENDER_BYTES, REPLAY_WINDOW_MS};

/// How many keys a thread remembers having read.
const REMEMBERED: usize = 4_096;

/// How many signatures a process remembers to hold.
const HELD: usize = 32_768;

/// Signatures that were found to hold, or were made here: by the hash of what was signed, the key in it, and of the
/// signature. In one process a core signs an entry, and others that follow the log each check it; a check takes as long as
/// some thirty hashes.
static HOLD: LazyLock<Cache<Hash, ()>> = LazyLock::new(|| Cache::new(HELD));

thread_local! {
    /// Reading a key takes a square root in the field, a tenth of a verification; the same few sign again and again.
    static READ: RefCell<HashMap<String, PublicKey>> = RefCell::default();
}

/// A public NKey: `A…` an account, `U…` a user (an agent, a core).
#[derive(Clone, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PublicKey(Arc<Read>);

/// A key as text and as the point that it stands for.
struct Read {
    text: String,
    key: VerifyingKey,
}

/// Not a public NKey of an account or a user.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not the public NKey of an account (A…) or a user (U…)")]
pub struct BadKey;

impl PublicKey {
    /// Reads a public NKey, its checksum included.
    ///
    /// # Errors
    /// When it is none, or not of an account or a user.
    pub fn parse(text: &str) -> Result<Self, BadKey> {
        if let Some(known) = READ.with_borrow(|read| read.get(text).cloned()) {
            return Ok(known);
        }
        if !matches!(text.bytes().next(), Some(b'A' | b'U')) {
            return Err(BadKey);
        }
        let (_, raw) = nkeys::from_public_key(text).map_err(|_| BadKey)?;
        let key = Self(Arc::new(Read { text: text.to_owned(), key: read_point(&raw).ok_or(BadKey)? }));
        READ.with_borrow_mut(|read| {
            if read.len() >= REMEMBERED {
                read.clear();
            }
            read.insert(text.to_owned(), key.clone());
        });
        Ok(key)
    }

    /// The key as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0.text
    }
}

impl PartialEq for PublicKey {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}
impl Eq for PublicKey {}
impl PartialOrd for PublicKey {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for PublicKey {
    fn cmp(&self, other: &Self) -> Ordering {
        self.as_str().cmp(other.as_str())
    }
}
impl std::hash::Hash for PublicKey {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_str().hash(state);
    }
}

impl schemars::JsonSchema for PublicKey {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "PublicKey".into()
    }
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "string", "pattern": "^[AU][A-Z2-7]{55}$",
            "description": "the public NKey of an account (A…) or a user (U…)" })
    }
}

impl TryFrom<String> for PublicKey {
    type Error = BadKey;
    fn try_from(text: String) -> Result<Self, BadKey> {
        Self::parse(&text)
    }
}
impl From<PublicKey> for String {
    fn from(key: PublicKey) -> Self {
        key.as_str().to_owned()
    }
}
impl FromStr for PublicKey {
    type Err = BadKey;
    fn from_str(text: &str) -> Result<Self, BadKey> {
        Self::parse(text)
    }
}
impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The content of an `Agent-Sender` header. The order of the fields is the header's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sender {
    /// Version of the header: 1.
    pub v: u8,
    /// The account's public NKey.
    pub account: PublicKey,
    /// The signer's public NKey.
    pub user: PublicKey,
    /// The signer's name: for us, the agent's id. Not covered by the signature.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The subject that the message was published to.
    #[serde(rename = "sub")]
    pub subject: String,
    /// When it was signed: RFC 3339 in UTC with whole seconds.
    pub ts: String,
    /// 1–64 of `[A-Za-z0-9_-]`.
    pub nonce: String,
    /// The signature: base64url, 86 characters.
    pub sig: String,
}

/// Why a signature does not hold.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadSignature {
    /// There is no `Agent-Sender` header.
    #[error("the header Agent-Sender is missing")]
    Missing,
    /// The header is not what the protocol writes.
    #[error("the header Agent-Sender is malformed: {0}")]
    Malformed(&'static str),
    /// Signed for another subject.
    #[error("signed for the subject {0:?}")]
    Subject(String),
    /// Outside the replay window.
    #[error("signed {0} ms away from now; at most {REPLAY_WINDOW_MS} ms pass")]
    Stale(i64),
    /// The signature is not of these bytes by this key.
    #[error("the signature does not match the message and the key")]
    Mismatch,
}

impl Sender {
    /// Reads a header, canonical form only, so that each signed message has one spelling.
    ///
    /// # Errors
    /// [`BadSignature::Malformed`].
    pub fn parse(header: &str) -> Result<Self, BadSignature> {
        use BadSignature::Malformed;
        if header.len() > MAX_SENDER_BYTES {
            return Err(Malformed("longer than 2,048 bytes"));
        }
        let sender: Self = serde_json::from_str(header).map_err(|_| Malformed("not the JSON of the protocol"))?;
        if sender.v != 1 {
            return Err(Malformed("unknown version"));
        }
        if sender.to_string() != header {
            return Err(Malformed("not in canonical form"));
        }
        if !sender.account.as_str().starts_with('A') {
            return Err(Malformed("account"));
        }
        if !sender.user.as_str().starts_with('U') {
            return Err(Malformed("user"));
        }
        let nonce_ok = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-');
        if !(1..=64).contains(&sender.nonce.len()) || !sender.nonce.bytes().all(nonce_ok) {
            return Err(Malformed("nonce"));
        }
        sender.unix_ms()?;
        sender.signature_bytes()?;
        Ok(sender)
    }

    /// When it was signed, in Unix milliseconds.
    ///
    /// # Errors
    /// [`BadSignature::Malformed`] when `ts` is no RFC 3339 time.
    pub fn unix_ms(&self) -> Result<i64, BadSignature> {
        if !is_utc(&self.ts) {
            return Err(BadSignature::Malformed("ts"));
        }
        let time: jiff::Timestamp = self.ts.parse().map_err(|_| BadSignature::Malformed("ts"))?;
        Ok(time.as_millisecond())
    }

    fn signature_bytes(&self) -> Result<Vec<u8>, BadSignature> {
        match BASE64URL_NOPAD.decode(self.sig.as_bytes()) {
            Ok(raw) if raw.len() == 64 => Ok(raw),
            _ => Err(BadSignature::Malformed("sig")),
        }
    }

    /// Checks the signature over `payload` as sent to `subject`. Stored messages are checked with
    /// this alone; live ones with [`Sender::check_fresh`] too.
    ///
    /// # Errors
    /// [`BadSignature`].
    pub fn verify(&self, subject: &str, payload: &[u8]) -> Result<(), BadSignature> {
        if self.subject != subject {
            return Err(BadSignature::Subject(self.subject.clone()));
        }
        let signed = to_sign(&self.account, &self.user, subject, &self.ts, &self.nonce, payload);
        let signature = self.signature_bytes()?;
        let known = Hash::of_parts(&[&signed, &signature]);
        if HOLD.get(&known).is_none() {
            if !is_of(&self.user.0.key, &signed, &signature) {
                return Err(BadSignature::Mismatch);
            }
            HOLD.insert(known, ());
        }
        Ok(())
    }

    /// Checks that it was signed within the replay window around `now_unix_ms`.
    ///
    /// # Errors
    /// [`BadSignature::Stale`].
    pub fn check_fresh(&self, now_unix_ms: i64) -> Result<(), BadSignature> {
        let away = now_unix_ms.saturating_sub(self.unix_ms()?);
        // `ts` has whole seconds, so a message signed just now may seem up to a second old.
        if away.saturating_abs() > REPLAY_WINDOW_MS + 1000 {
            return Err(BadSignature::Stale(away));
        }
        Ok(())
    }
}

impl fmt::Display for Sender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&serde_json::to_string(self).map_err(|_| fmt::Error)?)
    }
}

/// Whether a time has the protocol's form: `2026-11-22T08:00:00Z`, with at most nine digits of a second's fraction. What
/// else ISO 8601 allows is read differently in other languages, as are leap seconds and the year 0.
fn is_utc(ts: &str) -> bool {
    let Some((seconds, rest)) = ts.split_at_checked(19) else { return false };
    let digit = |byte: u8| byte.is_ascii_digit();
    let mut pairs = seconds.bytes().zip(*b"0000-00-00T00:00:00");
    let shaped = pairs.all(|(byte, form)| if form == b'0' { digit(byte) } else { byte == form });
    let fraction = match rest.strip_suffix('Z') {
        Some("") => true,
        Some(rest) => rest.strip_prefix('.').is_some_and(|of| (1..=9).contains(&of.len()) && of.bytes().all(digit)),
        None => false,
    };
    shaped && fraction && !seconds.starts_with("0000") && !seconds.ends_with("60")
}

/// The point that 32 bytes stand for, by libsodium's rule, which Python goes by too: they are the one spelling of a point
/// on the curve, and not of one of small order, for which anybody could sign.
fn read_point(raw: &[u8; 32]) -> Option<VerifyingKey> {
    let key = VerifyingKey::from_bytes(raw).ok()?;
    (!key.is_weak() && key.to_edwards().compress().as_bytes() == raw).then_some(key)
}

/// Whether a signature of these bytes holds: S below the group's order, and neither key nor R of small order
/// (`verify_strict`). libsodium says the same, so no signature counts in one language and not in the other.
#[must_use]
pub fn holds(public: &[u8], message: &[u8], signature: &[u8]) -> bool {
    let key = <&[u8; 32]>::try_from(public).ok().and_then(read_point);
    key.is_some_and(|key| is_of(&key, message, signature))
}

fn is_of(key: &VerifyingKey, message: &[u8], signature: &[u8]) -> bool {
    Signature::from_slice(signature).is_ok_and(|signature| key.verify_strict(message, &signature).is_ok())
}

fn to_sign(account: &PublicKey, user: &PublicKey, subject: &str, ts: &str, nonce: &str, payload: &[u8]) -> Vec<u8> {
    let digest = HEXLOWER.encode(Hash::of(payload).as_bytes());
    format!("AGENT-SENDER-V1\n{account}\n{user}\n{subject}\n{ts}\n{nonce}\n{digest}\n").into_bytes()
}

/// Signs as one agent or core.
pub struct Signer {
    pair: KeyPair,
    account: PublicKey,
    key: PublicKey,
    name: String,
}

impl Signer {
    /// A signer named `name` from an NKey seed (`SU…`).
    ///
    /// # Errors
    /// When the seed is not one of a user.
    pub fn from_seed(seed: &str, account: PublicKey, name: impl Into<String>) -> Result<Self, BadKey> {
        let pair = KeyPair::from_seed(seed).map_err(|_| BadKey)?;
        let key = PublicKey::parse(&pair.public_key())?;
        Ok(Self { pair, account, key, name: name.into() })
    }

    /// The public key.
    #[must_use]
    pub fn key(&self) -> &PublicKey {
        &self.key
    }

    /// The name that the header carries.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The account that the header names.
    #[must_use]
    pub fn account(&self) -> &PublicKey {
        &self.account
    }

    /// What shows whoever finds a service by its metadata that this key is behind it (section 13, `id_sig`): base64url.
    ///
    /// # Errors
    /// [`BadSignature::Malformed`] when the key cannot sign.
    pub fn sign_registration(&self, harness: &str, owner: &str, prompt_subject: &str) -> Result<String, BadSignature> {
        let Self { key, account, .. } = self;
        let said = format!("AGENT-ID-V1\n{key}\n{account}\n{harness}\n{owner}\n{prompt_subject}\n");
        let raw = self.pair.sign(said.as_bytes()).map_err(|_| BadSignature::Malformed("key"))?;
        Ok(BASE64URL_NOPAD.encode(&raw))
    }

    /// The `Agent-Sender` header for `payload` on `subject`, signed at `now_unix_ms` with `nonce`
    /// (1–64 of `[A-Za-z0-9_-]`).
    ///
    /// # Errors
    /// [`BadSignature::Malformed`] when the time is out of range or the key cannot sign.
    pub fn sign(&self, subject: &str, payload: &[u8], now_unix_ms: i64, nonce: &str) -> Result<String, BadSignature> {
        let time =
            jiff::Timestamp::from_second(now_unix_ms.div_euclid(1000)).map_err(|_| BadSignature::Malformed("ts"))?;
        let ts = time.to_string();
        let signed = to_sign(&self.account, &self.key, subject, &ts, nonce, payload);
        let raw = self.pair.sign(&signed).map_err(|_| BadSignature::Malformed("key"))?;
        HOLD.insert(Hash::of_parts(&[&signed, &raw]), ());
        Ok(Sender {
            v: 1,
            account: self.account.clone(),
            user: self.key.clone(),
            name: Some(self.name.clone()),
            subject: subject.to_owned(),
            ts,
            nonce: nonce.to_owned(),
            sig: BASE64URL_NOPAD.encode(&raw),
        }
        .to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signer() -> Signer {
        let account = KeyPair::new_account().public_key().parse().unwrap();
        Signer::from_seed(&KeyPair::new_user().seed().unwrap(), account, "kenya").unwrap()
    }

    #[test]
    fn a_signature_holds_for_its_own_bytes_and_no_others() {
        let header = signer().sign("a.b", b"body", 1_700_000_000_500, "n1").unwrap();
        let sender = Sender::parse(&header).unwrap();
        assert_eq!(sender.ts, "2023-11-14T22:13:20Z");
        assert_eq!(sender.verify("a.b", b"body"), Ok(()));
        assert_eq!(sender.verify("a.c", b"body"), Err(BadSignature::Subject("a.b".into())));
        assert_eq!(sender.verify("a.b", b"bodx"), Err(BadSignature::Mismatch));
        // What is known to hold holds for its own signature and key alone.
        let other = Sender { sig: BASE64URL_NOPAD.encode(&[0; 64]), ..sender.clone() };
        assert_eq!(other.verify("a.b", b"body"), Err(BadSignature::Mismatch));
        let other = Sender { user: signer().key().clone(), ..sender.clone() };
        assert_eq!(other.verify("a.b", b"body"), Err(BadSignature::Mismatch));
        assert_eq!(sender.check_fresh(1_700_000_000_000), Ok(()));
        assert!(matches!(sender.check_fresh(1_700_000_040_000), Err(BadSignature::Stale(_))));
    }

    #[test]
    fn every_changed_character_of_the_header_is_noticed_or_the_name() {
        let header = signer().sign("a.b", b"body", 1_700_000_000_000, "n1").unwrap();
        for (at, _) in header.char_indices() {
            let mut other = header.clone().into_bytes();
            other[at] ^= 1;
            let Ok(other) = String::from_utf8(other) else { continue };
            let outcome = Sender::parse(&other).and_then(|s| s.verify("a.b", b"body").map(|()| s));
            if let Ok(sender) = outcome {
                assert_ne!(sender.name.as_deref(), Some("kenya"), "unnoticed at {at}");
            }
        }
    }
}
