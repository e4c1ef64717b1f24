//! Vectors of the header `Agent-Sender`: who says so, and who does not.
//!
//! The keys are test keys: their seeds are made of one repeated byte and stand here for all to see.

use data_encoding::BASE64URL_NOPAD;
use nkeys::{KeyPair, KeyPairType};
use schemas::signature::{PublicKey, Signer};
use schemas::{Hash, header};
use serde_json::{Value, json};

use super::tree::hex;
use crate::Outcome;

/// A key that is nobody's.
pub struct TestKey {
    pair: KeyPair,
    public: String,
}

impl TestKey {
    fn new(kind: KeyPairType, byte: u8) -> Outcome<Self> {
        let pair = KeyPair::new_from_raw(kind, [byte; 32])?;
        let public = pair.public_key();
        Ok(Self { pair, public })
    }

    /// The public key.
    pub fn public(&self) -> &str {
        &self.public
    }
}

/// The keys of all vectors.
pub struct TestKeys {
    /// An agent's.
    pub user: TestKey,
    /// Another agent's.
    pub other: TestKey,
    /// The bus's account.
    pub account: TestKey,
}

impl TestKeys {
    /// The keys, always the same.
    pub fn new() -> Outcome<Self> {
        Ok(Self {
            user: TestKey::new(KeyPairType::User, 7)?,
            other: TestKey::new(KeyPairType::User, 8)?,
            account: TestKey::new(KeyPairType::Account, 9)?,
        })
    }
}

// What honest signers never make, worked out by hand, since libraries of signatures differ on it.

/// An account whose 32 bytes, the number 2, are no point of the curve.
const NOWHERE: &str = "AABAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAABDFS";
/// A user whose point is the identity, so that R = S·B holds for every message.
const OF_ANYBODY: &str = "UAAQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAABVBG";
/// R = B and S = 1.
const SIGNED_BY_ANYBODY: &str =
    "WGZmZmZmZmZmZmZmZmZmZmZmZmZmZmZmZmZmZmZmZmYBAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
/// The plain vector's message, signed with the identity as R.
const SIGNED_WITH_THE_IDENTITY: &str =
    "AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAABDB9iYkwbQYmKDzK-gt3ghwALJV-VyOEIsZTLQMJJYAg";

/// A header whose signature holds, whatever its fields say.
struct Forged<'a> {
    v: &'a str,
    account: &'a str,
    signer: &'a TestKey,
    ts: &'a str,
    nonce: &'a str,
}

impl Forged<'_> {
    fn header(&self, subject: &str, payload: &[u8]) -> Outcome<String> {
        let Self { v, account, signer, ts, nonce } = self;
        let user = signer.public();
        let digest = Hash::of(payload);
        let text = format!("AGENT-SENDER-V1\n{account}\n{user}\n{subject}\n{ts}\n{nonce}\n{digest}\n");
        let sig = BASE64URL_NOPAD.encode(&signer.pair.sign(text.as_bytes())?);
        Ok(format!(
            "{{\"v\":{v},\"account\":\"{account}\",\"user\":\"{user}\",\"name\":\"kenya\",\"sub\":\"{subject}\",\"ts\":\"{ts}\",\"nonce\":\"{nonce}\",\"sig\":\"{sig}\"}}"
        ))
    }
}

/// The vectors. A good one says what signing must give; a bad one is refused with its subject and payload.
pub fn vectors(keys: &TestKeys) -> Outcome<Vec<Value>> {
    const SUBJECT: &str = "a.subject.of_a-test";
    const NONCE: &str = "n0nce_-";
    const TS: &str = "2026-11-22T08:00:00Z";
    let now_unix_ms: i64 = 1_795_334_400_000;
    let payload = b"\x81\xa4type\xa4test".as_slice();
    let account: PublicKey = keys.account.public().parse()?;
    let seed = keys.user.pair.seed()?;
    let signer = Signer::from_seed(&seed, account.clone(), "kenya")?;
    let header = signer.sign(SUBJECT, payload, now_unix_ms, NONCE)?;
    if !header.contains(TS) {
        return Err("the time and its text have come apart".into());
    }
    let mut vectors = Vec::new();
    let long_name = "x".repeat(1500);
    let goods: [(&str, &str, &[u8], i64, &str, &str); 6] = [
        ("plain", SUBJECT, payload, now_unix_ms, NONCE, "kenya"),
        ("an empty payload", SUBJECT, b"", now_unix_ms, "A", "kenya"),
        ("within a second", SUBJECT, payload, now_unix_ms + 999, NONCE, "kenya"),
        ("the longest nonce", "s", payload, 0, &"Z".repeat(64), "a"),
        ("a name to escape", SUBJECT, payload, now_unix_ms, NONCE, "a \"quoted\" \\ name"),
        ("a long name", SUBJECT, payload, now_unix_ms, NONCE, &long_name),
    ];
    for (name, subject, payload, at, nonce, who) in goods {
        let header = Signer::from_seed(&seed, account.clone(), who)?.sign(subject, payload, at, nonce)?;
        vectors.push(json!({ "name": name, "header_name": header::SENDER, "test_seed": seed, "account": account.as_str(), "user": keys.user.public(),
            "agent": who, "subject": subject, "payload_hex": hex(payload), "now_unix_ms": at, "nonce": nonce, "header": header, "verdict": "good" }));
    }
    let mut bad = |name: &str, header: String, subject: &str, payload: &[u8]| {
        vectors.push(json!({ "name": name, "subject": subject, "payload_hex": hex(payload), "header": header, "verdict": "bad", "reason": name }));
    };
    bad("for another subject", header.clone(), "a.subject.of_a-tesu", payload);
    bad("for a longer subject", header.clone(), "a.subject.of_a-test.x", payload);
    bad("of another payload", header.clone(), SUBJECT, b"\x81\xa4type\xa4tess");
    bad("of a longer payload", header.clone(), SUBJECT, b"\x81\xa4type\xa4test\x00");
    bad("of an empty payload", header.clone(), SUBJECT, b"");
    let change = |from: &str, to: &str| -> Outcome<String> {
        let changed = header.replacen(from, to, 1);
        if changed == header { Err(format!("nothing to change: {from}").into()) } else { Ok(changed) }
    };
    bad("another key's", change(keys.user.public(), keys.other.public())?, SUBJECT, payload);
    bad("another time", change("08:00:00Z", "08:00:01Z")?, SUBJECT, payload);
    bad("another nonce", change(NONCE, "n0nce_+".replace('+', "x").as_str())?, SUBJECT, payload);
    bad("no version", change("\"v\":1,", "")?, SUBJECT, payload);
    bad("spaces", change("\",\"user\"", "\", \"user\"")?, SUBJECT, payload);
    bad("a line feed at the end", format!("{header}\n"), SUBJECT, payload);
    bad(
        "fields in another order",
        change(
            &format!("\"name\":\"kenya\",\"sub\":\"{SUBJECT}\""),
            &format!("\"sub\":\"{SUBJECT}\",\"name\":\"kenya\""),
        )?,
        SUBJECT,
        payload,
    );
    bad("a field twice", change("\"v\":1,", "\"v\":1,\"v\":1,")?, SUBJECT, payload);
    bad("a field too many", change("\"v\":1,", "\"v\":1,\"x\":1,")?, SUBJECT, payload);
    bad("no account", change(&format!("\"account\":\"{account}\","), "")?, SUBJECT, payload);
    bad(
        "an account that is no key",
        change(account.as_str(), &account.as_str().replacen('A', "X", 1))?,
        SUBJECT,
        payload,
    );
    bad("a user that is no key", change(keys.user.public(), "kenya")?, SUBJECT, payload);
    let whole = Forged { v: "1", account: account.as_str(), signer: &keys.user, ts: TS, nonce: NONCE };
    if whole.header(SUBJECT, payload)? != header {
        return Err("the header is no longer what the protocol says".into());
    }
    let long_nonce = "n".repeat(65);
    let no_key = account.as_str().replacen('A', "X", 1);
    let forged = [
        ("version 2", Forged { v: "2", ..whole }),
        ("version as text", Forged { v: "\"1\"", ..whole }),
        ("a version of 257", Forged { v: "257", ..whole }),
        ("a negative version", Forged { v: "-1", ..whole }),
        ("a bad nonce", Forged { nonce: "n0nce+/", ..whole }),
        ("an empty nonce", Forged { nonce: "", ..whole }),
        ("a nonce of 65", Forged { nonce: &long_nonce, ..whole }),
        ("an account that is no key", Forged { account: &no_key, ..whole }),
        ("a user's key as the account", Forged { account: keys.other.public(), ..whole }),
        ("signed as the account", Forged { signer: &keys.account, ..whole }),
        ("a time that is none", Forged { ts: "yesterday", ..whole }),
        ("no time", Forged { ts: "", ..whole }),
        ("a day without a time", Forged { ts: "2026-11-22", ..whole }),
        ("a thirteenth month", Forged { ts: "2026-13-22T08:00:00Z", ..whole }),
        ("a time without its zone", Forged { ts: "2026-11-22T08:00:00", ..whole }),
        ("Unix time", Forged { ts: "1795334400", ..whole }),
        ("a time in small letters", Forged { ts: "2026-11-22t08:00:00z", ..whole }),
        ("a time with a blank", Forged { ts: "2026-11-22 08:00:00Z", ..whole }),
        ("a time without seconds", Forged { ts: "2026-11-22T08:00Z", ..whole }),
        ("a time without hyphens", Forged { ts: "20261122T080000Z", ..whole }),
        ("a time with an offset", Forged { ts: "2026-11-22T08:00:00+00:00", ..whole }),
        ("a time with a comma", Forged { ts: "2026-11-22T08:00:00,5Z", ..whole }),
        ("a time finer than nanoseconds", Forged { ts: "2026-11-22T08:00:00.1234567890Z", ..whole }),
        ("a leap second", Forged { ts: "2016-12-31T23:59:60Z", ..whole }),
        ("24 o'clock", Forged { ts: "2026-11-22T24:00:00Z", ..whole }),
        ("the year 0", Forged { ts: "0000-11-22T08:00:00Z", ..whole }),
        ("an account that is no point", Forged { account: NOWHERE, ..whole }),
    ];
    for (name, forged) in forged {
        bad(name, forged.header(SUBJECT, payload)?, SUBJECT, payload);
    }
    let checksum: String = keys
        .user
        .public()
        .chars()
        .rev()
        .enumerate()
        .map(|(at, c)| if at == 1 { if c == 'A' { 'B' } else { 'A' } } else { c })
        .collect();
    bad(
        "a user with a wrong checksum",
        change(keys.user.public(), &checksum.chars().rev().collect::<String>())?,
        SUBJECT,
        payload,
    );
    bad(
        "signed as the account",
        change(&format!("\"user\":\"{}", keys.user.public()), &format!("\"user\":\"{account}"))?,
        SUBJECT,
        payload,
    );
    let sig = header.rsplit("\"sig\":\"").next().unwrap_or_default().trim_end_matches("\"}").to_owned();
    let first = if sig.starts_with('A') { "B" } else { "A" };
    bad(
        "a signature of other bytes",
        change(&sig, &format!("{first}{}", sig.chars().skip(1).collect::<String>()))?,
        SUBJECT,
        payload,
    );
    bad("a signature too short", change(&sig, &sig.chars().skip(1).collect::<String>())?, SUBJECT, payload);
    bad("a signature with padding", change(&sig, &format!("{sig}=="))?, SUBJECT, payload);
    bad(
        "a signature in standard base64",
        change(&sig, &format!("+/{}", sig.chars().skip(2).collect::<String>()))?,
        SUBJECT,
        payload,
    );
    // 64 bytes leave four bits of the last character unused: a set one is a second spelling.

    let loose = |c: char| match c {
        'A' => 'B',
        'Q' => 'R',
        'g' => 'h',
        _ => 'x',
    };
    let last: String = sig.chars().enumerate().map(|(at, c)| if at == 85 { loose(c) } else { c }).collect();
    bad("a signature with loose bits", change(&sig, &last)?, SUBJECT, payload);
    bad("an R that is no turn at all", change(&sig, SIGNED_WITH_THE_IDENTITY)?, SUBJECT, payload);
    let of_anybody = change(keys.user.public(), OF_ANYBODY)?.replacen(&sig, SIGNED_BY_ANYBODY, 1);
    bad("a user for whom anybody can sign", of_anybody, SUBJECT, payload);
    bad("nothing", String::new(), SUBJECT, payload);
    bad("not JSON", "Agent-Sender".into(), SUBJECT, payload);
    bad("an array", format!("[{header}]"), SUBJECT, payload);
    bad(
        "too long",
        Signer::from_seed(&seed, account.clone(), "x".repeat(2000))?.sign(SUBJECT, payload, now_unix_ms, NONCE)?,
        SUBJECT,
        payload,
    );
    Ok(vectors)
}
