//! What an agent answers on topics: a service with an endpoint for each.

use std::future::Future;
use std::marker::PhantomData;
use std::sync::Arc;

use async_trait::async_trait;
use futures::FutureExt;
use futures::future::BoxFuture;
use runtime::port::Message;
use runtime::select;
use runtime::service::{Answer, EndpointSpec, Handler, Limits, Running, Service, StartError};
use runtime::sync::mpsc;
use schemas::core::Call;
use schemas::{Code, ErrorReply, Message as Body, header};

use super::topic::STREAM;
use super::work::{self, Work};
use super::{Agent, Heard, Topic};

/// How often it is looked whether whoever asked still wants an answer, in milliseconds.
const LOOK_MS: u64 = 100;

/// How much an agent takes on, on a topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Room {
    /// How many questions are worked on at once.
    pub at_once: usize,
    /// How many more wait. Whoever asks when there is no room is told so at once (429).
    pub waiting: usize,
    /// Of all agents in a group one hears each message; unset, this agent hears them all.
    pub group: Option<String>,
}

impl Default for Room {
    fn default() -> Self {
        Self { at_once: 64, waiting: 192, group: None }
    }
}

type Answered = Result<Answer, ErrorReply>;
type Answering = dyn Fn(Agent, Message, Call) -> BoxFuture<'static, Answered> + Send + Sync;

/// Somewhere that an agent listens.
pub(super) struct Ear {
    pub(super) subject: String,
    name: String,
    room: Room,
    answering: Arc<Answering>,
}

impl Ear {
    pub(super) fn new<Q, A, F, W>(topic: &Topic<Q, A>, room: Room, answer: F) -> Self
    where
        Q: Body + Send + 'static,
        A: 'static,
        F: Fn(Heard<Q>, Pieces<A>) -> W + Send + Sync + 'static,
        W: Future<Output = Result<(), ErrorReply>> + Send + 'static,
    {
        let answering = move |agent: Agent, message: Message, call: Call| {
            let (pieces, first) = Pieces::of(&message, &agent);
            let streams = pieces.streams;
            let begun = Heard::read(message, agent.clone()).map(|heard| answer(heard, pieces));
            async move { attend(&agent, &call, begun?, first, streams).await }.boxed()
        };
        let word = |c: char| match c {
            '.' => '-',
            c if c.is_ascii_alphanumeric() || matches!(c, '-' | '_') => c,
            _ => '_',
        };
        let name = topic.name().chars().map(word).collect();
        Self { subject: topic.subject().to_owned(), name, room, answering: Arc::new(answering) }
    }
}

/// Has a question answered, for as long as somebody wants the answer.
async fn attend(
    agent: &Agent,
    call: &Call,
    answering: impl Future<Output = Result<(), ErrorReply>> + Send,
    mut first: mpsc::UnboundedReceiver<Answer>,
    streams: bool,
) -> Answered {
    let work = Work { until_unix_ms: call.deadline_unix_ms, traceparent: call.traceparent.clone() };
    let mut answering = std::pin::pin!(work::within(work, answering));
    let has_end = call.job.is_some() || call.deadline_unix_ms.is_some();
    loop {
        select! {
            biased;
            Some(answer) = first.recv(), if !streams => return Ok(answer),
            answered = &mut answering => {
                answered?;
                return match first.try_recv() {
                    Ok(answer) => Ok(answer),
                    // What a stream ends with.
                    Err(_) if streams => Ok(Answer::default()),
                    Err(_) => Err(ErrorReply::new(Code::Refused, "nothing is answered here")),
                };
            }
            () = agent.core.port.sleep_ms(LOOK_MS), if has_end => {
                let is_late = call.deadline_unix_ms.is_some_and(|until_unix_ms| until_unix_ms < agent.now_unix_ms());
                if is_late || call.stop() {
                    return Err(ErrorReply::new(Code::Late, "no answer is wanted any more"));
                }
            }
        }
    }
}

/// Where an answer is said, piece by piece.
pub struct Pieces<A> {
    agent: Agent,
    to: Option<String>,
    streams: bool,
    /// Answers to whoever asked for several are signed.
    signs: bool,
    first: mpsc::UnboundedSender<Answer>,
    of: PhantomData<fn(A)>,
}

impl<A> Pieces<A> {
    fn of(question: &Message, agent: &Agent) -> (Self, mpsc::UnboundedReceiver<Answer>) {
        let how_many = question.headers.get(header::ANSWERS);
        let (first, came) = mpsc::unbounded_channel();
        let pieces = Self {
            agent: agent.clone(),
            to: question.reply.clone(),
            streams: how_many == Some(STREAM),
            signs: how_many.is_some(),
            first,
            of: PhantomData,
        };
        (pieces, came)
    }
}

impl<A: Body> Pieces<A> {
    /// Says a piece. Whoever asked for one answer gets the first, and what would come after is not worked on.
    ///
    /// # Errors
    /// 500 when it cannot be sent, for the handler to pass on.
    pub async fn say(&self, piece: &A) -> Result<(), ErrorReply> {
        let Some(to) = &self.to else { return Ok(()) };
        if !self.signs {
            // Nobody takes it up who has one already.
            drop(self.first.send(Answer::of(piece)));
            return Ok(());
        }
        let unsent = |why: String| ErrorReply::new(Code::Internal, format!("the answer was not sent: {why}"));
        let said = self.agent.core.voice.say(to.as_str(), piece, self.agent.now_unix_ms());
        let Message { subject, reply, headers, body } = said.map_err(|error| unsent(error.to_string()))?;
        if self.streams {
            let message = Message { subject, reply, headers, body };
            return self.agent.core.port.publish(message).await.map_err(|error| unsent(error.to_string()));
        }
        drop(self.first.send(Answer { headers, body }));
        Ok(())
    }
}

/// Begins to listen.
pub(super) async fn listen(agent: &Agent, ears: Vec<Ear>) -> Result<Option<Running>, StartError> {
    if ears.is_empty() {
        return Ok(None);
    }
    let mut service = Service::new(agent.id().as_str(), env!("CARGO_PKG_VERSION")).described("an agent");
    for Ear { subject, name, room, answering } in ears {
        let limits =
            Limits { admission: room.at_once.saturating_add(room.waiting), at_once: room.at_once, ..Limits::default() };
        // A service's members share what comes; agents that are in no group hear it all.
        let endpoint = EndpointSpec { queue_group: room.group, ..EndpointSpec::new(name, subject) };
        let agent = agent.clone();
        service = service
            .handler([endpoint], limits, move || Listener { agent: agent.clone(), answering: Arc::clone(&answering) });
    }
    service.start(Arc::clone(&agent.core.port)).await.map(Some)
}

struct Listener {
    agent: Agent,
    answering: Arc<Answering>,
}

#[async_trait]
impl Handler for Listener {
    async fn answer(&self, message: Message, call: Call) -> Answered {
        let (is_asked, subject) = (message.reply.is_some(), message.subject.clone());
        let answered = (self.answering)(self.agent.clone(), message, call).await;
        match answered {
            Err(error) if !is_asked => {
                // What is said to everybody is no letter of the dead when one of them can't use it.
                tracing::warn!(agent = %self.agent.id(), subject, %error, "what was said is not heeded");
                Ok(Answer::default())
            }
            answered => answered,
        }
    }
}
