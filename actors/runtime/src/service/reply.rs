//! How a request ends: with an answer, with an error, or in the dead-letter queue.
//!
//! All replies of a service go through one task that writes them, and each carries its admission permit until it
//! is written: what has been admitted and not yet answered is bounded, whatever the server does.

use std::sync::Arc;

use bytes::Bytes;
use schemas::{
    Code, ErrorReply,
    body::{self, Message as Body},
    header::{self, Headers},
    subject,
};
use tokio::sync::mpsc;
use tracing::{error, warn};

use super::fair::Place;
use crate::port::{Message, Port, PublishError};

/// A good answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answer {
    /// The headers of the reply.
    pub headers: Headers,
    /// Its body.
    pub body: Bytes,
}

impl Answer {
    /// An answer as it stands.
    pub fn new(headers: Headers, body: impl Into<Bytes>) -> Self {
        Self { headers, body: body.into() }
    }

    /// A body of the contract, which says itself of what type it is: headers would cost a small answer more than all else
    /// (`tests/bench/core.rs`).
    #[must_use]
    pub fn of<T: Body>(body: &T) -> Self {
        Self::new(Headers::new(), body::encode(body))
    }
}

/// What goes to whoever asked, unless no answer is awaited, or one where it would be a record in a stream of ours.
pub(crate) fn reply_to(question: &Message, answer: Result<Answer, ErrorReply>) -> Option<Message> {
    let to = question.reply.clone().filter(|reply| may_reply_to(reply))?;
    Some(match answer {
        Ok(Answer { headers, body }) => Message { subject: to, reply: None, headers, body },
        Err(error) => failure(to, &error),
    })
}

/// A message on its way out, with what is given back once it is sent.
pub(super) struct Outgoing {
    pub(super) message: Message,
    pub(super) place: Option<Place>,
}

/// The one writer of a service. It ends when nobody is left who could give it something.
pub(super) async fn write(port: Arc<dyn Port>, mut outgoing: mpsc::UnboundedReceiver<Outgoing>) {
    let mut batch = Vec::with_capacity(64);
    while outgoing.recv_many(&mut batch, 64).await > 0 {
        for Outgoing { message, place } in batch.drain(..) {
            let to = message.subject.clone();
            let sent = match port.publish(message).await {
                Err(PublishError::TooLarge { size_bytes, limit_bytes }) => {
                    let text = format!("the answer has {size_bytes} bytes; the server takes {limit_bytes}");
                    error!(to, text);
                    port.publish(failure(to.clone(), &ErrorReply::new(Code::Internal, text))).await
                }
                sent => sent,
            };
            if let Err(error) = sent {
                warn!(to, %error, "a reply was not sent");
            }
            drop(place);
        }
    }
}

/// An error as a reply: headers for NATS tools, a body for programs.
pub(super) fn failure(to: String, error: &ErrorReply) -> Message {
    let headers = Headers::of_type(<ErrorReply as Body>::TYPE)
        .with(header::ERROR_CODE, error.code.to_string())
        .with(header::ERROR, one_line(&said(error)));
    Message { subject: to, reply: None, headers, body: body::encode(error).into() }
}

/// An error where a stream was awaited: headers alone, and the end of the stream.
pub(super) fn broken_off(to: String, error: &ErrorReply) -> [Message; 2] {
    let headers =
        Headers::new().with(header::ERROR_CODE, error.code.to_string()).with(header::ERROR, one_line(&said(error)));
    [Message::new(to.as_str(), "").with_headers(headers), Message::new(to, "")]
}

/// A message that nobody waits for and that failed, with the reason.
///
/// Headers of the server's own are left behind: on a message that we publish, a sender's `Nats-Rollup` or
/// `Nats-Schedule` would act in our name.
pub(super) fn dead_letter(service: &str, message: &Message, reason: &str) -> Message {
    let headers: Headers = message
        .headers
        .iter()
        .filter(|(name, _)| !name.get(..5).is_some_and(|prefix| prefix.eq_ignore_ascii_case("nats-")))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    let headers = headers.with(header::DLQ_REASON, one_line(reason)).with(header::DLQ_SUBJECT, message.subject.clone());
    Message { subject: subject::dead_letter(service), reply: None, headers, body: message.body.clone() }
}

/// Whether a reply may go to a subject that the requester named. In our own space, or the server's, it would be a
/// way to make a core write into its streams.
pub(super) fn may_reply_to(reply: &str) -> bool {
    let ours = reply.strip_prefix(subject::ROOT).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'));
    !ours && !reply.starts_with('$')
}

/// What is said of an error beside its number.
pub(super) fn said(error: &ErrorReply) -> String {
    match &error.field {
        Some(field) => format!("{field}: {}", error.message),
        None => error.message.clone(),
    }
}

fn one_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(512).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replies_stay_out_of_the_streams() {
        let ours = |rest: &str| format!("{}{rest}", subject::ROOT);
        for (reply, good) in [
            ("_INBOX.abc.def".to_owned(), true),
            ("_R_.x".to_owned(), true),
            (ours(".log.deal.x"), false),
            (ours(""), false),
            (ours("0.x"), true),
            (subject::bucket_key("HMS_AGENTS", "ann"), false),
            (subject::discovery("PING", None, None), false),
        ] {
            assert_eq!(may_reply_to(&reply), good, "{reply}");
        }
    }

    #[test]
    fn a_dead_letter_carries_its_reason_and_no_orders_to_the_server() {
        let from = subject::endpoint("graph", "clear");
        let message = Message::new(from.clone(), "body")
            .with_header("Hms-Type", "x")
            .with_header("Nats-Rollup", "all")
            .with_header("nats-ttl", "1s");
        let letter = dead_letter("graph", &message, "too\r\nbad");
        assert_eq!((letter.subject, &letter.body[..]), (subject::dead_letter("graph"), &b"body"[..]));
        let headers: Vec<_> = letter.headers.iter().collect();
        let expected = [("Hms-Type", "x"), (header::DLQ_REASON, "too  bad"), (header::DLQ_SUBJECT, from.as_str())];
        assert_eq!(headers, expected);
    }

    #[test]
    fn an_error_is_told_twice() {
        let message = failure("r".to_owned(), &ErrorReply::new(Code::BadMessage, "a\nb").at_field("x.y"));
        assert_eq!(message.headers.get(header::ERROR_CODE), Some("400"));
        assert_eq!(message.headers.get(header::ERROR), Some("x.y: a b"));
        let body: ErrorReply = body::decode(&message.body, 1_000).unwrap();
        assert_eq!((body.code, body.field.as_deref()), (400, Some("x.y")));
    }
}
