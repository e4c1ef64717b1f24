//! The actor around a peer.

use std::{
    collections::VecDeque,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};

use actix::{
    Actor, ActorContext, ActorFutureExt, ArbiterHandle, AsyncContext, Context, Handler, Message as Mail, StreamHandler,
    WrapFuture,
};
use futures::{FutureExt, future::BoxFuture};
use tracing::{debug, error};

use super::{End, Ended, Outbox, Peer, PeerEffect, PeerEvent};
use crate::port::{Message, Port, Subscription};

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

pub(super) struct PeerActor {
    name: String,
    peer: Box<dyn Peer>,
    port: Arc<dyn Port>,
    end: End,
    /// What is to be done yet.
    queue: VecDeque<PeerEffect>,
    /// Whether some of it is being done.
    busy: bool,
    /// Questions that are not answered yet.
    waiting: usize,
    stopping: bool,
}

/// What became of an effect that was begun.
enum Begun {
    Listening(Subscription),
    Asked(BoxFuture<'static, PeerEvent>),
    Timed(BoxFuture<'static, PeerEvent>),
    Failed(PeerEvent),
}

impl PeerActor {
    pub(super) fn start_on(
        thread: &ArbiterHandle,
        name: String,
        peer: Box<dyn Peer>,
        port: Arc<dyn Port>,
        end: End,
    ) -> actix::Addr<Self> {
        Self::start_in_arbiter(thread, move |_| Self {
            name,
            peer,
            port,
            end,
            queue: VecDeque::new(),
            busy: false,
            waiting: 0,
            stopping: false,
        })
    }

    /// Lets the peer hear something, and begins what it says.
    fn hear(&mut self, event: PeerEvent, ctx: &mut Context<Self>) {
        let now_unix_ms = self.port.now_unix_ms();
        let mut out = Outbox::default();
        let heard = catch_unwind(AssertUnwindSafe(|| self.peer.on(event, now_unix_ms, &mut out)));
        if let Err(panic) = heard {
            let said = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
            let said = said.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_default();
            error!(peer = self.name, panic = said, "a peer panicked and has ended");
            self.end.how = Ended::Panicked;
            ctx.stop();
            return;
        }
        self.queue.extend(out.take());
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
        if effects.iter().any(|effect| matches!(effect, PeerEffect::Stop)) {
            self.stopping = true;
        }
        let beginning = begin_all(Arc::clone(&self.port), effects);
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
            Begun::Asked(answer) => {
                self.waiting = self.waiting.saturating_add(1);
                ctx.spawn(answer.into_actor(self).map(|event, peer, ctx| {
                    peer.waiting = peer.waiting.saturating_sub(1);
                    peer.hear(event, ctx);
                }));
            }
            Begun::Timed(time) => {
                ctx.spawn(time.into_actor(self).map(|event, peer, ctx| {
                    if !peer.stopping {
                        peer.hear(event, ctx);
                    }
                }));
            }
            Begun::Failed(event) => self.hear(event, ctx),
        }
    }
}

/// Begins effects one after another: each is on its way before the next.
async fn begin_all(port: Arc<dyn Port>, effects: VecDeque<PeerEffect>) -> Vec<Begun> {
    let mut begun = Vec::new();
    for effect in effects {
        match effect {
            PeerEffect::Publish(message) => {
                let subject = message.subject.clone();
                if let Err(error) = port.publish(message).await {
                    begun.push(Begun::Failed(PeerEvent::Failed { subject, error }));
                }
            }
            PeerEffect::Subscribe(subject) => begun.push(match port.subscribe(&subject, None).await {
                Ok(subscription) => Begun::Listening(subscription),
                Err(error) => Begun::Failed(PeerEvent::Failed { subject, error }),
            }),
            PeerEffect::Request { tag, message, timeout_ms } => {
                let port = Arc::clone(&port);
                let asked = async move { PeerEvent::Reply { tag, result: port.request(message, timeout_ms).await } };
                begun.push(Begun::Asked(set_going(asked.boxed()).await));
            }
            PeerEffect::Append { tag, stream, records } => {
                let port = Arc::clone(&port);
                let asked = async move { PeerEvent::Appended { tag, result: port.append(&stream, records).await } };
                begun.push(Begun::Asked(set_going(asked.boxed()).await));
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
        self.hear(PeerEvent::Started, ctx);
    }

    fn stopped(&mut self, _: &mut Context<Self>) {
        debug!(peer = self.name, "ended");
    }
}

impl StreamHandler<Message> for PeerActor {
    fn handle(&mut self, message: Message, ctx: &mut Context<Self>) {
        self.hear(PeerEvent::Message(message), ctx);
    }

    /// One subscription's end is not the peer's.
    fn finished(&mut self, _: &mut Context<Self>) {}
}

impl Handler<Stop> for PeerActor {
    type Result = ();

    fn handle(&mut self, _: Stop, ctx: &mut Context<Self>) {
        if !self.stopping {
            self.stopping = true;
            self.hear(PeerEvent::Stopping, ctx);
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
            self.hear(PeerEvent::Timer { tag }, ctx);
        }
    }
}
