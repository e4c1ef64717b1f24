//! Words of the NATS protocol that more than one part of the runtime needs: header names, and the rules for
//! subjects. Subjects themselves are built in `schemas`.

use schemas::header::{EXPECTED_LAST_SUBJECT_SEQUENCE, Headers, LAST_SEQUENCE, SEQUENCE};

use super::{Message, PublishError};

/// Deduplicates within the stream's window.
pub const MSG_ID: &str = "Nats-Msg-Id";
/// On what a schedule fired: the subject of the schedule.
pub const SCHEDULER: &str = "Nats-Scheduler";
/// On what a schedule fired: when it fires next, or `purge`.
pub const SCHEDULE_NEXT: &str = "Nats-Schedule-Next";
/// What the server says of a message that it sent itself, as HTTP numbers it.
pub const STATUS: &str = "Status";
/// On an answer of the server's: nobody hears the question.
pub const NO_RESPONDERS: &str = "503";
/// Says why a stream left a marker where a record was.
pub const MARKER_REASON: &str = "Nats-Marker-Reason";
/// On a bucket's record: `DEL` or `PURGE`.
pub const KV_OPERATION: &str = "KV-Operation";

pub(crate) const EXPECTED_STREAM: &str = "Nats-Expected-Stream";
pub(crate) const BATCH_ID: &str = "Nats-Batch-Id";
pub(crate) const BATCH_SEQ: &str = "Nats-Batch-Sequence";
pub(crate) const BATCH_COMMIT: &str = "Nats-Batch-Commit";
pub(crate) const STREAM: &str = "Nats-Stream";
pub(crate) const SUBJECT: &str = "Nats-Subject";
pub(crate) const TIME_STAMP: &str = "Nats-Time-Stamp";
pub(crate) const NUM_PENDING: &str = "Nats-Num-Pending";
pub(crate) const STREAM_SOURCE: &str = "Nats-Stream-Source";
pub(crate) const UP_TO_SEQUENCE: &str = "Nats-UpTo-Sequence";

/// Removes the headers that only steered the storing of a record, or only describe how it was read.
pub(crate) fn strip_transport(headers: &Headers) -> Headers {
    const TRANSPORT: [&str; 13] = [
        EXPECTED_STREAM,
        EXPECTED_LAST_SUBJECT_SEQUENCE,
        BATCH_ID,
        BATCH_SEQ,
        BATCH_COMMIT,
        STREAM,
        SUBJECT,
        SEQUENCE,
        LAST_SEQUENCE,
        TIME_STAMP,
        NUM_PENDING,
        UP_TO_SEQUENCE,
        STREAM_SOURCE,
    ];
    headers
        .iter()
        .filter(|(name, _)| !TRANSPORT.contains(name))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

/// Whether every token is there and free of white space, and `*` and `>` stand only where `wildcards` lets
/// them: each a token of its own, `>` at the end.
#[must_use]
pub fn is_subject(subject: &str, wildcards: bool) -> bool {
    let mut tokens = subject.split('.').peekable();
    while let Some(token) = tokens.next() {
        let good = match token {
            "" => false,
            "*" => wildcards,
            ">" => wildcards && tokens.peek().is_none(),
            // A star inside a longer token is an ordinary character to the server; we do not send it.
            _ if token.is_ascii() => token.bytes().all(|b| b.is_ascii_graphic() && b != b'*' && b != b'>'),
            _ => !token.contains(|c: char| c.is_whitespace() || c.is_control() || c == '*' || c == '>'),
        };
        if !good {
            return false;
        }
    }
    true
}

/// Whether `subject` is one of those that `pattern` stands for.
#[must_use]
pub fn matches(pattern: &str, subject: &str) -> bool {
    let mut tokens = subject.split('.');
    for part in pattern.split('.') {
        match (part, tokens.next()) {
            (">", Some(_)) => return true,
            ("*", Some(_)) => {}
            (part, Some(token)) if part == token => {}
            _ => return false,
        }
    }
    tokens.next().is_none()
}

/// The first header that NATS could not carry: a name that is empty or not printable ASCII without a colon,
/// or a value with a line break in it.
#[must_use]
pub fn fault(headers: &Headers) -> Option<&str> {
    headers
        .iter()
        .find(|(name, value)| {
            name.is_empty()
                || !name.bytes().all(|b| b.is_ascii_graphic() && b != b':')
                || value.bytes().any(|b| matches!(b, b'\r' | b'\n'))
        })
        .map(|(name, _)| name)
}

/// What headers occupy on the wire, in bytes, as the server counts them.
#[must_use]
pub fn size_bytes(headers: &Headers) -> usize {
    if headers.is_empty() {
        return 0;
    }
    // `NATS/1.0\r\n`, `name: value\r\n` each, and the closing `\r\n`.
    12 + headers.iter().map(|(name, value)| name.len() + value.len() + 4).sum::<usize>()
}

/// Checks what both adapters refuse before sending anything.
pub(crate) fn check(message: &Message, max_payload_bytes: usize) -> Result<(), PublishError> {
    if !is_subject(&message.subject, false) {
        return Err(PublishError::BadSubject(message.subject.clone()));
    }
    if let Some(reply) = message.reply.as_deref().filter(|reply| !is_subject(reply, false)) {
        return Err(PublishError::BadSubject(reply.to_owned()));
    }
    if let Some(name) = fault(&message.headers) {
        return Err(PublishError::BadHeader(name.to_owned()));
    }
    let size_bytes = message.body.len().saturating_add(size_bytes(&message.headers));
    if size_bytes > max_payload_bytes {
        return Err(PublishError::TooLarge { size_bytes, limit_bytes: max_payload_bytes });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subjects() {
        for (subject, plain, pattern) in [
            ("a", true, true),
            ("a.b-c_d.9", true, true),
            ("a.*.c", false, true),
            ("a.>", false, true),
            (">", false, true),
            (">.a", false, false),
            ("a.>.c", false, false),
            ("a.b*", false, false),
            ("", false, false),
            ("a..b", false, false),
            (".a", false, false),
            ("a.", false, false),
            ("a b", false, false),
            ("a\r\nPUB b 0", false, false),
        ] {
            assert_eq!(is_subject(subject, false), plain, "{subject:?}");
            assert_eq!(is_subject(subject, true), pattern, "{subject:?} as a pattern");
        }
    }

    #[test]
    fn headers_that_would_break_the_protocol_are_named() {
        for (name, value) in [("", "x"), ("a b", "x"), ("a:b", "x"), ("ä", "x"), ("a", "x\r\nb: y"), ("a", "\n")] {
            assert_eq!(fault(&Headers::new().with(name, value)), Some(name), "{name:?}: {value:?}");
        }
        assert_eq!(fault(&Headers::new().with("Hms-Type", "deal.propose")), None);
    }

    #[test]
    fn wildcards() {
        for (pattern, subject, wanted) in [
            ("a.b", "a.b", true),
            ("a.b", "a.c", false),
            ("a.b", "a.b.c", false),
            ("a.*", "a.b", true),
            ("a.*", "a", false),
            ("a.*", "a.b.c", false),
            ("a.*.c", "a.b.c", true),
            ("a.>", "a", false),
            ("a.>", "a.b", true),
            ("a.>", "a.b.c", true),
            (">", "a", true),
            ("*", "a", true),
            ("*.*", "a", false),
        ] {
            assert_eq!(matches(pattern, subject), wanted, "{pattern} / {subject}");
        }
    }
}
