//! The actor around a peer.

use std::{
    collections::VecDeque,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};

use actix::{
    Actor, ActorContext, ActorFutureExt, Addr, ArbiterHandle, AsyncContext, Context, Handler, Message as Mail,
    StreamHandler, WrapFuture,
};
use futures::{FutureExt, future::BoxFuture};
use schemas::header;
use tracing::{debug, error};

use super::{
    End, Ended, Outbox, Peer, PeerEffect, PeerEvent,
    shared::{Listening, Shared},
};
use crate::port::{Message, Port, Subscription};
use crate::trace::{self, Cause, Kind, Span};

/// To end gracefully.
#[derive(Mail)]
#[rtype(result = "()")]
pub(super) struct Stop;

/// To end at once.
#[derive(Mail)]
#[rtype(result = "()")]
pub(super) struct Abandon;

/// To hear a timer's tag.
#[derive(Mail)]
#[rtype(result = "()")]
pub(super) struct Wake(pub(super) u64);

/// To hear a message that came on a subscription that peers share.
#[derive(Mail)]
#[rtype(result = "()")]
pub(super) struct Heard(pub(super) Message);

/// How many messages on shared subscriptions may wait for one peer; more are lost.
const MAILBOX: usize = 1_024;

pub(super) struct PeerActor {
    name: String,
    peer: Box<dyn Peer>,
    port: Arc<dyn Port>,
    shared: Arc<Shared>,
    /// What it hears on subscriptions that are not its own.
    heard: Vec<Listening>,
    end: End,
    /// What is to be done yet, and on account of what.
    queue: VecDeque<(PeerEffect, Cause)>,
    /// Whether some of it is being done.
    busy: bool,
    /// Questions that are not answered yet.
    waiting: usize,
    stopping: bool,
}

/// What became of an effect that was begun.
enum Begun {
    Listening(Subscription),
    Sharing(Listening),
    Asked(BoxFuture<'static, PeerEvent>, Cause),
    Timed(BoxFuture<'static, PeerEvent>),
    Failed(PeerEvent),
}

impl PeerActor {
    pub(super) fn start_on(
        thread: &ArbiterHandle,
        name: String,
        peer: Box<dyn Peer>,
        port: Arc<dyn Port>,
        shared: Arc<Shared>,
        end: End,
    ) -> Addr<Self> {
        Self::start_in_arbiter(thread, move |_| Self {
            name,
            peer,
            port,
            shared,
            heard: Vec::new(),
            end,
            queue: VecDeque::new(),
            busy: false,
            waiting: 0,
            stopping: false,
        })
    }

    /// Lets the peer hear something, and begins what it says. `trace` is what that was caused by, unless it says so itself.
    fn hear(&mut self, event: PeerEvent, trace: Cause, ctx: &mut Context<Self>) {
        let now_unix_ms = self.port.now_unix_ms();
        let mut out = Outbox::default();
        let span = heeding(&event);
        let heard = catch_unwind(AssertUnwindSafe(|| self.peer.on(event, now_unix_ms, &mut out)));
        if let Err(panic) = heard {
            let said = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
            let said = said.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_default();
            error!(peer = self.name, panic = said, "a peer panicked and has ended");
            self.end.how = Ended::Panicked;
            ctx.stop();
            return;
        }
        let trace = span.map_or(trace, |span| span.traceparent());
        self.queue.extend(out.take().into_iter().map(|effect| (effect, trace.clone())));
        self.go_on(ctx);
    }

    /// Begins what is in the queue, in order, unless some of it is being begun already.
    fn go_on(&mut self, ctx: &mut Context<Self>) {
        if self.busy {
            return;
        }
        if self.queue.is_empty() {
            if self.stopping && self.waiting == 0 {
                self.end.how = Ended::Stopped;
                ctx.stop();
            }
            return;
        }
        self.busy = true;
        let effects = std::mem::take(&mut self.queue);
        if effects.iter().any(|(effect, _)| matches!(effect, PeerEffect::Stop)) {
            self.stopping = true;
        }
        let listener = Listener { shared: Arc::clone(&self.shared), number: self.end.number, peer: ctx.address() };
        let beginning = begin_all(Arc::clone(&self.port), listener, effects);
        ctx.spawn(beginning.into_actor(self).map(|begun, peer, ctx| {
            peer.busy = false;
            for begun in begun {
                peer.wait_for(begun, ctx);
            }
            peer.go_on(ctx);
        }));
    }

    fn wait_for(&mut self, begun: Begun, ctx: &mut Context<Self>) {
        match begun {
            Begun::Listening(subscription) => {
                ctx.add_stream(subscription);
            }
            Begun::Sharing(listening) => self.heard.push(listening),
            Begun::Asked(answer, trace) => {
                self.waiting = self.waiting.saturating_add(1);
                ctx.spawn(answer.into_actor(self).map(|event, peer, ctx| {
                    peer.waiting = peer.waiting.saturating_sub(1);
                    peer.hear(event, trace, ctx);
                }));
            }
            Begun::Timed(time) => {
                ctx.spawn(time.into_actor(self).map(|event, peer, ctx| {
                    if !peer.stopping {
                        peer.hear(event, None, ctx);
                    }
                }));
            }
            Begun::Failed(event) => self.hear(event, None, ctx),
        }
    }
}

/// The piece of work that a message is to whoever hears it, where it says what caused it.
fn heeding(event: &PeerEvent) -> Option<Span> {
    let PeerEvent::Message(message) = event else { return None };
    let cause = message.headers.get(header::TRACEPARENT).filter(|_| trace::is_recorded())?;
    let name = || format!("hear {}", message.headers.get(header::TYPE).unwrap_or("a message"));
    Some(Span::begin(Kind::Consumer, name, &message.subject, [cause]))
}

/// The peer as shared subscriptions know it.
struct Listener {
    shared: Arc<Shared>,
    number: usize,
    peer: Addr<PeerActor>,
}

/// Begins effects one after another: each is on its way before the next.
async fn begin_all(port: Arc<dyn Port>, me: Listener, effects: VecDeque<(PeerEffect, Cause)>) -> Vec<Begun> {
    let mut begun = Vec::new();
    for (effect, trace) in effects {
        match effect {
            PeerEffect::Publish(message) => {
                let subject = message.subject.clone();
                let message = match trace.filter(|_| message.headers.get(header::TRACEPARENT).is_none()) {
                    Some(trace) => message.with_header(header::TRACEPARENT, trace),
                    None => message,
                };
                if let Err(error) = port.publish(message).await {
                    begun.push(Begun::Failed(PeerEvent::Failed { subject, error }));
                }
            }
            PeerEffect::Subscribe(subject) => {
                begun.push(match me.shared.listen(&subject, me.number, &me.peer) {
                    Some(listening) => Begun::Sharing(listening),
                    None => match port.subscribe(&subject, None).await {
                        Ok(subscription) => Begun::Listening(subscription),
                        Err(error) => Begun::Failed(PeerEvent::Failed { subject, error }),
                    },
                });
            }
            PeerEffect::Request { tag, message, timeout_ms } => {
                let port = Arc::clone(&port);
                let cause = trace.clone();
                let asked = async move {
                    let result = trace::ask(port.as_ref(), message, timeout_ms, cause.as_deref()).await;
                    PeerEvent::Reply { tag, result }
                };
                begun.push(Begun::Asked(set_going(asked.boxed()).await, trace));
            }
            PeerEffect::Append { tag, stream, records } => {
                let port = Arc::clone(&port);
                let asked = async move { PeerEvent::Appended { tag, result: port.append(&stream, records).await } };
                begun.push(Begun::Asked(set_going(asked.boxed()).await, trace));
            }
            PeerEffect::Timer { tag, at_unix_ms } => {
                let port = Arc::clone(&port);
                let timed = async move {
                    port.sleep_until(at_unix_ms).await;
                    PeerEvent::Timer { tag }
                };
                begun.push(Begun::Timed(timed.boxed()));
            }
            PeerEffect::Stop => {}
        }
    }
    begun
}

/// Polls a future once, so that what it sends is sent now; its outcome is awaited later.
async fn set_going(mut future: BoxFuture<'static, PeerEvent>) -> BoxFuture<'static, PeerEvent> {
    match futures::poll!(&mut future) {
        std::task::Poll::Ready(event) => std::future::ready(event).boxed(),
        std::task::Poll::Pending => future,
    }
}

impl Actor for PeerActor {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Context<Self>) {
        ctx.set_mailbox_capacity(MAILBOX);
        self.hear(PeerEvent::Started, None, ctx);
    }

    fn stopped(&mut self, _: &mut Context<Self>) {
        debug!(peer = self.name, "ended");
    }
}

impl StreamHandler<Message> for PeerActor {
    fn handle(&mut self, message: Message, ctx: &mut Context<Self>) {
        self.hear(PeerEvent::Message(message), None, ctx);
    }

    /// One subscription's end is not the peer's.
    fn finished(&mut self, _: &mut Context<Self>) {}
}

impl Handler<Heard> for PeerActor {
    type Result = ();

    fn handle(&mut self, Heard(message): Heard, ctx: &mut Context<Self>) {
        self.hear(PeerEvent::Message(message), None, ctx);
    }
}

impl Handler<Stop> for PeerActor {
    type Result = ();

    fn handle(&mut self, _: Stop, ctx: &mut Context<Self>) {
        if !self.stopping {
            self.stopping = true;
            self.hear(PeerEvent::Stopping, None, ctx);
        }
    }
}

impl Handler<Abandon> for PeerActor {
    type Result = ();

    fn handle(&mut self, _: Abandon, ctx: &mut Context<Self>) {
        ctx.terminate();
    }
}

impl Handler<Wake> for PeerActor {
    type Result = ();

    fn handle(&mut self, Wake(tag): Wake, ctx: &mut Context<Self>) {
        if !self.stopping {
            self.hear(PeerEvent::Timer { tag }, None, ctx);
        }
    }
}
