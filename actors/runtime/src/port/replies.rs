//! The answers to one question, one by one.
//!
//! The question goes out with an inbox of its own as the reply subject, and that is subscribed to before. What ends the
//! answers is the asker's to know: enough of them, silence, or an empty body without headers, which is how the Synadia
//! Agent Protocol ends a stream.

use std::time::Duration;

use futures::StreamExt;

use super::{Message, Port, PublishError, RequestError, Subscription, wire};

/// Where answers come, until it is dropped.
pub struct Replies {
    inbox: String,
    answers: Subscription,
}

impl Replies {
    /// Listens for answers that somebody is told where to send.
    ///
    /// # Errors
    /// As [`Port::subscribe`].
    pub async fn listen(port: &dyn Port) -> Result<Self, PublishError> {
        let inbox = port.inbox();
        let answers = port.subscribe(&inbox, None).await?;
        Ok(Self { inbox, answers })
    }

    /// Sends a question, and listens for its answers. The message's own `reply` is ignored.
    ///
    /// # Errors
    /// As [`Port::publish`].
    pub async fn to(port: &dyn Port, question: Message) -> Result<Self, PublishError> {
        let replies = Self::listen(port).await?;
        port.publish(question.with_reply(replies.inbox())).await?;
        Ok(replies)
    }

    /// Where the answers come.
    #[must_use]
    pub fn inbox(&self) -> &str {
        &self.inbox
    }

    /// The next answer, waited for at most `timeout_ms`.
    ///
    /// # Errors
    /// As [`Port::request`].
    pub async fn next(&mut self, timeout_ms: u64) -> Result<Message, RequestError> {
        let answer = tokio::time::timeout(Duration::from_millis(timeout_ms), self.answers.next()).await;
        let answer = answer.map_err(|_| RequestError::TimedOut(timeout_ms))?.ok_or(RequestError::Disconnected)?;
        if answer.body.is_empty() && answer.headers.get(wire::STATUS) == Some(wire::NO_RESPONDERS) {
            return Err(RequestError::NoResponders(self.inbox.clone()));
        }
        answered(answer)
    }
}

/// The one place where an error reply of a service is told from an answer.
pub(crate) fn answered(reply: Message) -> Result<Message, RequestError> {
    match reply.headers.get(schemas::header::ERROR_CODE) {
        None => Ok(reply),
        Some(code) => Err(RequestError::Refused {
            code: code.trim().parse().unwrap_or(0),
            text: reply.headers.get(schemas::header::ERROR).unwrap_or_default().to_owned(),
            reply: Box::new(reply),
        }),
    }
}
