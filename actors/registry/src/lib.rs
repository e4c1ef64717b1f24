//! The registry: who is here, and with which key.
//!
//! The first to register an id holds it; a new key is signed for by the old one. Key history is a
//! permanent log, so that old signatures still verify; presence is a lease, which the broker ends by
//! itself. This crate decides; carrying it out is the host's.

use schemas::body::{Message, encode};
use schemas::core::{Call, Core};
use schemas::error::{Code, ErrorReply};
use schemas::event::Signed;
use schemas::hash::Hash;
use schemas::id::AgentId;
use schemas::keyring::{History, REGISTRY};
use schemas::limit::MAX_BODY_BYTES;
use schemas::registry::{AgentRecord, Hello, KeyEvent, Register, Welcome};
use schemas::signature::{PublicKey, Sender};
use schemas::{SCHEMA_VERSION, subject};

/// Answers newcomers.
#[derive(Debug, Clone)]
pub struct Greeter {
    /// The account that `Agent-Sender` headers name.
    pub account: PublicKey,
}

impl Core for Greeter {
    const SERVICE: &'static str = REGISTRY;
    const VERB: &'static str = "hello";
    type Request = Hello;
    type Reply = Welcome;

    fn handle(&self, _: Hello, call: &Call) -> Result<Welcome, ErrorReply> {
        Ok(Welcome {
            account: self.account.clone(),
            schema: SCHEMA_VERSION.to_owned(),
            now_unix_ms: call.now_unix_ms,
            max_body_bytes: u32::try_from(MAX_BODY_BYTES).unwrap_or(u32::MAX),
        })
    }
}

/// What a registration does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Registration {
    /// The entry to add to the key log, when the key is new: its subject and body.
    pub key_event: Option<(String, Vec<u8>)>,
    /// The record for the bucket.
    pub record: AgentRecord,
}

/// Words that an agent may not be called: they name the cores, whose entries they sign.
pub const CORE_NAMES: [&str; 8] = ["deal", "ledger", REGISTRY, "trade_balance", "graph", "mac", "genetic", "proof"];

/// Decides a registration. `sender` is the request's signature, already verified over its bytes;
/// `history` is the agent's key history so far.
///
/// # Errors
/// 401 when it is stale, 403 when the id is someone else's or a core's.
pub fn register(
    register: &Register,
    sender: &Sender,
    signed: &Signed,
    history: Option<&History>,
    call: &Call,
) -> Result<Registration, ErrorReply> {
    sender
        .check_fresh(call.now_unix_ms)
        .map_err(|stale| ErrorReply::new(Code::Unsigned, stale.to_string()).at_field("ts"))?;
    if CORE_NAMES.contains(&register.agent.as_str()) {
        return Err(ErrorReply::new(Code::Forbidden, format!("{} is the name of a core", register.agent))
            .at_field("agent")
            .by_rule("reserved_name"));
    }
    if sender.name.as_deref() != Some(register.agent.as_str()) {
        return Err(ErrorReply::new(Code::Forbidden, "the signer is not the agent that it registers").at_field("agent"));
    }
    let current = history.and_then(|history| history.keys.last());
    if sender.user != *current.unwrap_or(&register.key) {
        let why = if current.is_some() {
            "this id is held by another key: sign with that one (HMS_KEY, or .hms/keys where it was registered), or take \
             another id"
        } else {
            "the request must be signed by the key that it registers"
        };
        return Err(ErrorReply::new(Code::Forbidden, why).at_field("key").by_rule("key_holder"));
    }
    let key_event = (current != Some(&register.key)).then(|| {
        let event = KeyEvent {
            agent: register.agent.clone(),
            turn: history.map_or(0, |h| h.turns),
            prev: history.map_or(Hash::ZERO, |h| h.head),
            at_unix_ms: call.now_unix_ms,
            key: register.key.clone(),
            cause: Some(signed.clone()),
        };
        (subject::key_log(&register.agent), encode(&event))
    });
    let record = AgentRecord {
        agent: register.agent.clone(),
        key: register.key.clone(),
        kind: register.kind,
        capabilities: register.capabilities.clone(),
        subjects: register.subjects.clone(),
        lease_until_unix_ms: call.now_unix_ms.saturating_add(register.lease_ms),
    };
    Ok(Registration { key_event, record })
}

/// The entry with which a core's own key begins its history, signed by the key itself.
#[must_use]
pub fn core_key(core: &AgentId, key: &PublicKey, at_unix_ms: i64) -> (&'static str, Vec<u8>) {
    let event = KeyEvent { agent: core.clone(), turn: 0, prev: Hash::ZERO, at_unix_ms, key: key.clone(), cause: None };
    (KeyEvent::TYPE, encode(&event))
}

/// Checks that a request about an agent's own affairs is signed by that agent, lately.
///
/// # Errors
/// 401 or 403.
pub fn is_own(agent: &AgentId, sender: &Sender, call: &Call) -> Result<(), ErrorReply> {
    sender
        .check_fresh(call.now_unix_ms)
        .map_err(|stale| ErrorReply::new(Code::Unsigned, stale.to_string()).at_field("ts"))?;
    if sender.name.as_deref() == Some(agent.as_str()) {
        Ok(())
    } else {
        Err(ErrorReply::new(Code::Forbidden, "the signer is another agent").at_field("agent"))
    }
}

#[cfg(test)]
mod tests {
    use nkeys::KeyPair;
    use schemas::body::decode;
    use schemas::hash::Hash;
    use schemas::signature::Signer;
    use schemas::value::PartyKind;

    use super::*;

    const NOW: i64 = 1_700_000_000_000;

    struct Case {
        signer: Signer,
        request: Register,
    }

    fn case(agent: &str) -> Case {
        let account = KeyPair::new_account().public_key().parse().unwrap();
        let signer = Signer::from_seed(&KeyPair::new_user().seed().unwrap(), account, agent).unwrap();
        let request = Register {
            agent: agent.parse().unwrap(),
            key: signer.key().clone(),
            kind: PartyKind::Corporate,
            capabilities: vec![],
            subjects: vec![],
            lease_ms: 1000,
        };
        Case { signer, request }
    }

    fn ask(case: &Case, history: Option<&History>, now: i64) -> Result<Registration, ErrorReply> {
        let subject = subject::endpoint(REGISTRY, "register");
        let body = encode(&case.request);
        let header = case.signer.sign(&subject, &body, NOW, "n").unwrap();
        let sender = Sender::parse(&header).unwrap();
        let signed = Signed { subject, sender: header, body };
        register(&case.request, &sender, &signed, history, &Call { now_unix_ms: now, ..Call::default() })
    }

    #[test]
    fn the_first_to_come_holds_the_id() {
        let kenya = case("kenya");
        let registration = ask(&kenya, None, NOW).unwrap();
        let (_, body) = registration.key_event.unwrap();
        let event: KeyEvent = decode(&body, MAX_BODY_BYTES).unwrap();
        assert_eq!((event.turn, &event.key), (0, kenya.signer.key()));
        assert_eq!(registration.record.lease_until_unix_ms, NOW + 1000);

        let history = History { keys: vec![event.key], turns: 1, head: Hash::of(&body) };
        assert_eq!(ask(&kenya, Some(&history), NOW).unwrap().key_event, None, "renewing writes no key");
        let thief = case("kenya");
        assert_eq!(ask(&thief, Some(&history), NOW).unwrap_err().rule.as_deref(), Some("key_holder"));
    }

    #[test]
    fn a_new_key_is_signed_for_by_the_old_one() {
        let mut kenya = case("kenya");
        let history = History { keys: vec![kenya.signer.key().clone()], turns: 1, head: Hash::of(b"x") };
        let new: PublicKey = KeyPair::new_user().public_key().parse().unwrap();
        kenya.request.key = new.clone();
        let (_, body) = ask(&kenya, Some(&history), NOW).unwrap().key_event.unwrap();
        let event: KeyEvent = decode(&body, MAX_BODY_BYTES).unwrap();
        assert_eq!((event.turn, event.prev, event.key), (1, history.head, new));
    }

    #[test]
    fn stale_requests_and_the_names_of_cores_are_refused() {
        assert_eq!(ask(&case("kenya"), None, NOW + 60_000).unwrap_err().kind(), Code::Unsigned);
        assert_eq!(ask(&case("ledger"), None, NOW).unwrap_err().rule.as_deref(), Some("reserved_name"));
    }
}
