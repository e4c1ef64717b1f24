//! Subjects that others have laid down, the broker and the Synadia Agent Protocol: they don't begin with
//! [`ROOT`](super::ROOT).

use super::BadSubject;
use crate::id::AgentId;

/// What the Synadia Agent Protocol for NATS 0.3 has an agent do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PeerVerb {
    /// Answers people and other agents, in JSON.
    Prompt,
    /// Says how it is.
    Status,
    /// Says so unasked, every half a minute.
    Heartbeat,
}

impl PeerVerb {
    /// The verb as a token.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Prompt => "prompt",
            Self::Status => "status",
            Self::Heartbeat => "hb",
        }
    }
}

/// `agents.<verb>.<harness>.<owner>.<agent>`: where an agent is prompted, asked and heard by whoever speaks the Synadia
/// Agent Protocol. The harness is what the agent runs in, the owner whoever runs it; the agent's id is its session.
///
/// # Errors
/// When harness or owner is no token of that protocol: `a-z`, `0-9`, `-`, in an owner also `_`.
pub fn peer(verb: PeerVerb, harness: &str, owner: &str, agent: &AgentId) -> Result<String, BadSubject> {
    let whole = format!("agents.{}.{harness}.{owner}.{agent}", verb.as_str());
    AgentId::parse(harness).map_err(|error| BadSubject::new(&whole, error))?;
    AgentId::parse(owner).map_err(|error| BadSubject::new(&whole, error))?;
    if harness.contains('_') {
        return Err(BadSubject::new(&whole, "a harness has no underscore"));
    }
    Ok(whole)
}

/// Every agent of the Synadia Agent Protocol that says how it is.
#[must_use]
pub fn all_heartbeats() -> String {
    format!("agents.{}.*.*.*", PeerVerb::Heartbeat.as_str())
}

/// `$KV.<bucket>.<key>`: where a bucket keeps a key.
#[must_use]
pub fn bucket_key(bucket: &str, key: &str) -> String {
    format!("$KV.{bucket}.{key}")
}

/// `$O.<bucket>.M.<name in base64>`: where an object store describes an object (ADR-20).
#[must_use]
pub fn object(bucket: &str, name: &str) -> String {
    format!("$O.{bucket}.M.{}", data_encoding::BASE64URL.encode(name.as_bytes()))
}

/// `$O.<bucket>.C.<id>`: where it keeps the object's pieces (ADR-20).
#[must_use]
pub fn object_pieces(bucket: &str, id: &str) -> String {
    format!("$O.{bucket}.C.{id}")
}

/// `$SRV.<verb>[.<name>[.<id>]]`: service discovery (ADR-32).
#[must_use]
pub fn discovery(verb: &str, name: Option<&str>, id: Option<&str>) -> String {
    let mut subject = format!("$SRV.{verb}");
    for token in [name, id].into_iter().flatten() {
        subject.push('.');
        subject.push_str(token);
    }
    subject
}

/// `_INBOX.<token>`: where answers come, where nothing else is agreed with the broker.
#[must_use]
pub fn reply_inbox(token: &str) -> String {
    format!("_INBOX.{token}")
}

/// `$SYS.REQ.USER.INFO`: whom the broker takes us for, and what time it is there. Any user may ask.
#[must_use]
pub fn broker_about_us() -> &'static str {
    "$SYS.REQ.USER.INFO"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_agent_is_prompted_where_the_protocol_has_it() {
        let kenya = AgentId::parse("kenya").unwrap();
        let place = |verb| peer(verb, "hms-a2a", "hms", &kenya).unwrap();
        assert_eq!(place(PeerVerb::Prompt), "agents.prompt.hms-a2a.hms.kenya");
        assert_eq!(place(PeerVerb::Status), "agents.status.hms-a2a.hms.kenya");
        assert_eq!(place(PeerVerb::Heartbeat), "agents.hb.hms-a2a.hms.kenya");
        for (harness, owner) in
            [("a_b", "hms"), ("*", "hms"), ("hms-a2a", ">"), ("", "hms"), ("hms-a2a", "a.b"), ("A", "b")]
        {
            assert!(peer(PeerVerb::Prompt, harness, owner, &kenya).is_err(), "{harness}.{owner}");
        }
    }
}
