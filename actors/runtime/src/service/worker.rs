//! The actors that answer: one kind around a [`Core`], which computes, and one around a [`Handler`], which may
//! wait.
//!
//! A panic is caught where it happens. The request gets a 500 with an id that stands in the log, and whatever
//! panicked is built anew from its factory, since its state can no longer be trusted.

use std::{
    any::Any,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
};

use actix::{Actor, ActorContext, ActorFutureExt, AsyncContext, Context, StreamHandler, WrapFuture};
use async_trait::async_trait;
use futures::{FutureExt, future::BoxFuture, stream};
use schemas::{
    Code, ErrorReply, body,
    core::{Call, Core},
    header::{self, Headers},
};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, mpsc},
    time::Instant,
};
use tracing::{Instrument, error, info_span};

use super::{
    fair::{Place, Purses, Receiver},
    jobs::{Jobs, Watched},
    reply::{self, Answer, Outgoing},
    stats::Endpoint,
};
use crate::{
    port::{Message, Port},
    trace::{self, Kind, Span, Spans, TraceParent},
};

/// Answers requests as they come, bytes and all. For what a [`Core`] cannot do: reading and writing streams, asking
/// others, streaming replies. Requests are answered concurrently, as many as were admitted.
#[async_trait]
pub trait Handler: Send + Sync + 'static {
    /// Answers.
    ///
    /// # Errors
    /// An error that goes back to the requester as it is.
    async fn answer(&self, message: Message, call: Call) -> Result<Answer, ErrorReply>;
}

/// A request that was admitted.
pub(super) struct Admitted {
    pub(super) message: Message,
    pub(super) endpoint: Arc<Endpoint>,
    pub(super) place: Place,
    pub(super) load: Load,
    pub(super) job: Option<Watched>,
}

/// Leave to work on a request.
type Leave = OwnedSemaphorePermit;

/// Counts a request on its worker for as long as it lives.
pub(super) struct Load(Arc<AtomicUsize>);

impl Load {
    pub(super) fn on(worker: &Arc<AtomicUsize>) -> Self {
        worker.fetch_add(1, Relaxed);
        Self(Arc::clone(worker))
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}

/// What every worker of a service has at hand.
#[derive(Clone)]
pub(super) struct Bench {
    pub(super) port: Arc<dyn Port>,
    pub(super) service: Arc<str>,
    pub(super) replies: mpsc::UnboundedSender<Outgoing>,
    pub(super) spans: Arc<Spans>,
    pub(super) jobs: Arc<Jobs>,
}

impl Bench {
    /// The call around a request, what its log lines stand in, and its span where somebody records; an error if its
    /// headers are bad or its deadline has passed.
    fn call(&self, admitted: &Admitted) -> (tracing::Span, Option<Span>, Result<Call, ErrorReply>) {
        let Admitted { message, endpoint, job, .. } = admitted;
        let cause = message.headers.get(header::TRACEPARENT).and_then(|said| Some((said, TraceParent::parse(said)?)));
        let span = trace::is_recorded().then(|| {
            let name = || format!("{} {}", self.service, endpoint.name);
            Span::begin(Kind::Server, name, &message.subject, cause.iter().map(|(said, _)| *said))
        });
        let traceparent = match &span {
            Some(span) => span.traceparent(),
            // Log lines name the call also where nobody records.
            None => cause.as_ref().map(|(_, cause)| cause.child(&self.spans.next())),
        };
        let lines = match traceparent.as_deref().and_then(TraceParent::parse) {
            Some(own) => info_span!("call", service = %self.service, endpoint = endpoint.name, trace_id = own.trace,
                span_id = own.parent, parent_id = cause.as_ref().map(|(_, cause)| cause.parent)),
            None => info_span!("call", service = %self.service, endpoint = endpoint.name),
        };
        let now_unix_ms = self.port.now_unix_ms();
        let call = deadline(&message.headers, now_unix_ms).map(|deadline_unix_ms| Call {
            now_unix_ms,
            deadline_unix_ms,
            sender: None,
            traceparent,
            job: job.as_ref().map(|job| job.job(deadline_unix_ms, &self.port, &self.replies)),
        });
        (lines, span, call)
    }

    /// Ends a request: counts it, and hands its reply or its remains to the writer.
    fn conclude(&self, admitted: Admitted, begun: Instant, span: Option<Span>, outcome: Result<Answer, ErrorReply>) {
        let Admitted { mut message, endpoint, place, load, job } = admitted;
        endpoint.count_time(begun.elapsed());
        if let Err(error) = &outcome {
            endpoint.count_error(error);
        }
        if let (Some(mut span), Err(error)) = (span, &outcome) {
            span.fail(error);
        }
        let message = match (message.reply.take(), outcome) {
            (Some(to), Ok(Answer { headers, body })) => Message { subject: to, reply: None, headers, body },
            (Some(to), Err(error)) if endpoint.streams => {
                let [failure, end] = reply::broken_off(to, &error);
                // The end comes last of all.
                let _ = self.replies.send(Outgoing { message: failure, place: None });
                end
            }
            (Some(to), Err(error)) => reply::failure(to, &error),
            (None, Ok(_)) => return,
            (None, Err(error)) => reply::dead_letter(&self.service, &message, &error.to_string()),
        };
        drop((load, job));
        // The writer ends last of all.
        let _ = self.replies.send(Outgoing { message, place: Some(place) });
    }

    /// A panic as the requester sees it; what it said goes to the log only.
    fn panicked(&self, panic: &(dyn Any + Send), endpoint: &Endpoint) -> ErrorReply {
        let said = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
        let said = said.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_default();
        endpoint.count_panic();
        let id = self.port.unique_token();
        error!(id, service = %self.service, endpoint = endpoint.name, panic = said, "panicked; built anew");
        let mut error = ErrorReply::new(Code::Internal, format!("internal error; look for {id} in the log"));
        error.id = Some(id);
        error
    }
}

/// Whether an error is of the asker's making.
fn is_the_askers(error: &ErrorReply) -> bool {
    (400..500).contains(&error.code) && error.kind() != Code::Busy
}

fn deadline(headers: &Headers, now_unix_ms: i64) -> Result<Option<i64>, ErrorReply> {
    let Some(text) = headers.get(header::DEADLINE) else { return Ok(None) };
    let deadline: i64 = text
        .parse()
        .map_err(|_| ErrorReply::new(Code::BadMessage, "not a time in Unix milliseconds").at_field(header::DEADLINE))?;
    if deadline < now_unix_ms {
        let late = format!("{} ms past its deadline", now_unix_ms.saturating_sub(deadline));
        return Err(ErrorReply::new(Code::Late, late).at_field(header::DEADLINE));
    }
    Ok(Some(deadline))
}

/// Reads, computes, writes: a core around exact bytes.
pub(super) fn compute<C: Core>(core: &C, body: &[u8], limit_bytes: usize, call: &Call) -> Result<Answer, ErrorReply> {
    let request = body::decode::<C::Request>(body, limit_bytes)?;
    let reply = core.handle(request, call)?;
    Ok(Answer::of(&reply))
}

/// The actor around a core.
pub(super) struct CoreWorker<C, F> {
    core: Option<Box<C>>,
    factory: Arc<F>,
    limit_bytes: usize,
    bench: Bench,
}

impl<C: Core, F: Fn() -> C + Send + Sync + 'static> CoreWorker<C, F> {
    pub(super) fn start(
        thread: &actix::ArbiterHandle,
        requests: Receiver<Admitted>,
        factory: Arc<F>,
        limit_bytes: usize,
        bench: Bench,
    ) {
        Self::start_in_arbiter(thread, move |ctx| {
            ctx.add_stream(requests_of(requests));
            Self { core: None, factory, limit_bytes, bench }
        });
    }

    fn answer(&mut self, admitted: &Admitted, call: &Call) -> Result<Answer, ErrorReply> {
        let attempt = catch_unwind(AssertUnwindSafe(|| {
            let core = self.core.get_or_insert_with(|| Box::new((self.factory)()));
            let core: &C = core;
            compute(core, &admitted.message.body, self.limit_bytes, call)
        }));
        attempt.unwrap_or_else(|panic| {
            self.core = None;
            Err(self.bench.panicked(&*panic, &admitted.endpoint))
        })
    }
}

impl<C: Core, F: Fn() -> C + Send + Sync + 'static> Actor for CoreWorker<C, F> {
    type Context = Context<Self>;
}

impl<C: Core, F: Fn() -> C + Send + Sync + 'static> StreamHandler<Admitted> for CoreWorker<C, F> {
    fn handle(&mut self, admitted: Admitted, _: &mut Context<Self>) {
        let begun = Instant::now();
        let (lines, span, call) = self.bench.call(&admitted);
        let outcome = lines.in_scope(|| call.and_then(|call| self.answer(&admitted, &call)));
        self.bench.conclude(admitted, begun, span, outcome);
    }
}

/// The actor around a handler.
pub(super) struct HandlerWorker<H, F> {
    handler: Option<Arc<H>>,
    factory: Arc<F>,
    limit_bytes: usize,
    bench: Bench,
    purses: Arc<Purses>,
    under_way: usize,
    no_more: bool,
}

impl<H: Handler, F: Fn() -> H + Send + Sync + 'static> HandlerWorker<H, F> {
    pub(super) fn start(
        thread: &actix::ArbiterHandle,
        requests: Receiver<Admitted>,
        factory: Arc<F>,
        limit_bytes: usize,
        at_once: usize,
        bench: Bench,
    ) {
        Self::start_in_arbiter(thread, move |ctx| {
            let purses = requests.purses();
            ctx.add_stream(requests_with_leave(requests, at_once));
            Self { handler: None, factory, limit_bytes, bench, purses, under_way: 0, no_more: false }
        });
    }

    /// Ends a request, at its price.
    fn conclude(&self, admitted: Admitted, begun: Instant, span: Option<Span>, outcome: Result<Answer, ErrorReply>) {
        if outcome.as_ref().is_err_and(is_the_askers)
            && let Some(who) = admitted.place.holder()
        {
            self.purses.fine(&who);
        }
        self.bench.conclude(admitted, begun, span, outcome);
    }

    /// The answer to come; a panic in building or in answering is its `Err`.
    fn begin(&mut self, message: Message, call: Call) -> BoxFuture<'static, Caught> {
        let handler = match &self.handler {
            Some(handler) => Arc::clone(handler),
            None => match catch_unwind(AssertUnwindSafe(|| Arc::new((self.factory)()))) {
                Ok(handler) => Arc::clone(self.handler.insert(handler)),
                Err(panic) => return std::future::ready(Err(panic)).boxed(),
            },
        };
        AssertUnwindSafe(async move { handler.answer(message, call).await }).catch_unwind().boxed()
    }
}

/// An outcome, or what was thrown instead.
type Caught = Result<Result<Answer, ErrorReply>, Box<dyn Any + Send>>;

impl<H: Handler, F: Fn() -> H + Send + Sync + 'static> Actor for HandlerWorker<H, F> {
    type Context = Context<Self>;
}

impl<H: Handler, F: Fn() -> H + Send + Sync + 'static> StreamHandler<(Admitted, Leave)> for HandlerWorker<H, F> {
    fn handle(&mut self, (admitted, leave): (Admitted, Leave), ctx: &mut Context<Self>) {
        let begun = Instant::now();
        let (lines, span, call) = self.bench.call(&admitted);
        let call = call.and_then(|call| {
            let size_bytes = admitted.message.body.len();
            let too_large = body::DecodeError::TooLarge { size_bytes, limit_bytes: self.limit_bytes };
            if size_bytes > self.limit_bytes { Err(too_large.into()) } else { Ok(call) }
        });
        let call = match call {
            Ok(call) => call,
            Err(error) => return self.conclude(admitted, begun, span, Err(error)),
        };
        self.under_way = self.under_way.saturating_add(1);
        let answering = self.begin(admitted.message.clone(), call).instrument(lines);
        ctx.spawn(answering.into_actor(self).map(move |caught, worker, ctx| {
            let outcome = caught.unwrap_or_else(|panic| {
                worker.handler = None;
                Err(worker.bench.panicked(&*panic, &admitted.endpoint))
            });
            worker.conclude(admitted, begun, span, outcome);
            drop(leave);
            worker.under_way = worker.under_way.saturating_sub(1);
            if worker.no_more && worker.under_way == 0 {
                ctx.stop();
            }
        }));
    }

    /// No more requests will come: what is under way is still answered.
    fn finished(&mut self, ctx: &mut Context<Self>) {
        self.no_more = true;
        if self.under_way == 0 {
            ctx.stop();
        }
    }
}

fn requests_of(requests: Receiver<Admitted>) -> impl futures::Stream<Item = Admitted> {
    stream::unfold(requests, |mut requests| async move { requests.next().await.map(|admitted| (admitted, requests)) })
}

/// The same, each with leave to be worked on, so that no more are under way than `at_once`.
fn requests_with_leave(requests: Receiver<Admitted>, at_once: usize) -> impl futures::Stream<Item = (Admitted, Leave)> {
    let leaves = Arc::new(Semaphore::new(at_once.clamp(1, Semaphore::MAX_PERMITS)));
    stream::unfold((requests, leaves), |(mut requests, leaves)| async move {
        // Leave first: what comes meanwhile waits in the queues, where turns are taken.
        let leave = Arc::clone(&leaves).acquire_owned().await.ok()?;
        requests.next().await.map(|admitted| ((admitted, leave), (requests, leaves)))
    })
}
