//! The desk on the bus: `hms.v1.deal.<verb>.<party>.<deal>`, and the timers that wake it.

use std::sync::Arc;

use async_trait::async_trait;
use deal::{Ask, Desk};
use runtime::{
    NoSystem,
    journal::{DeciderHandle, DeciderHost, GroupCommit, Hosted, Keys},
    port::{Message, Port, ReadError},
    service::{Answer, Handler},
    sync::mpsc,
};
use schemas::{
    body::{Message as _, decode, encode},
    core::{Call, Logged},
    deal::{Move, Show, Shown},
    error::{Code, ErrorReply},
    kernel::Kernel,
    limit::MAX_BODY_BYTES,
    signature::Signer,
    stream, subject,
    subject::DealVerb,
};

use super::{
    answer, bad_subject,
    gate::Gate,
    timers::{self, Heeded},
};

/// Whoever decides as a desk does: the desk, or in a test one that lacks something.
pub trait Decides: Hosted<Move = Ask> {}
impl<D: Hosted<Move = Ask>> Decides for D {}

/// Answers moves, and looks at deals.
pub struct DeskService<D: Decides = Desk> {
    port: Arc<dyn Port>,
    keys: Keys,
    desk: DeciderHandle<D>,
}

impl<D: Decides> Clone for DeskService<D> {
    fn clone(&self) -> Self {
        Self { port: self.port.clone(), keys: self.keys.clone(), desk: self.desk.clone() }
    }
}

impl<D: Decides> DeskService<D> {
    /// Starts the desk's actor and the gate beside it; `signer` signs as `deal`, `kernel` decides on proofs.
    ///
    /// # Errors
    /// Outside of an actor system.
    pub fn start(
        desk: D,
        port: Arc<dyn Port>,
        keys: Keys,
        signer: Signer,
        kernel: Arc<dyn Kernel>,
    ) -> Result<Self, NoSystem> {
        let writer = GroupCommit::start(port.clone(), D::STREAM);
        let (errands, to_run) = mpsc::unbounded_channel();
        let desk = DeciderHost::start(desk, port.clone(), writer, signer, errands)?;
        runtime::spawn(Gate::new(port.clone(), kernel, desk.clone()).run(to_run));
        Ok(Self { port, keys, desk })
    }

    async fn moved(&self, message: Message, mut call: Call) -> schemas::core::Answer {
        let (verb, by, deal) = subject::parse_deal_move(&message.subject).map_err(bad_subject)?;
        if verb == DealVerb::Show {
            let show: Show = decode(&message.body, MAX_BODY_BYTES)?;
            let (sender, _) = self.keys.check(&message).await?;
            registry::is_own(&by, &sender, &call)?;
            if show.deal != deal {
                return Err(ErrorReply::new(Code::BadMessage, "names another deal than the subject").at_field("deal"));
            }
            return self.show(&by, &show).await;
        }
        let ask = Box::new(Move::decode(verb, &message.body)?);
        let (sender, signed) = self.keys.check(&message).await?;
        call.sender = Some(sender);
        self.desk.ask(subject::deal_log(&deal), Ask::Move { by, deal, ask, signed }, call).await
    }

    async fn show(&self, by: &schemas::AgentId, show: &Show) -> schemas::core::Answer {
        let log = subject::deal_log(&show.deal);
        let unreadable = |error: ReadError| ErrorReply::new(Code::Internal, error.to_string());
        let entries = self.port.read(stream::DEALS, &log, 0).await.map_err(unreadable)?;
        let deal = entries
            .iter()
            .filter_map(|stored| Desk::read(&stored.body).ok())
            .fold(None, |deal, entry| deal::Deal::apply(deal, &entry));
        match deal {
            Some(deal) if deal.is_party(by) || deal.opener == *by => Ok((Shown::TYPE, encode(&deal.show()))),
            // Whoever is not in it does not even learn whether it exists.
            _ => Err(ErrorReply::new(Code::Unknown, format!("{by} is in no deal {}", show.deal)).at_field("deal")),
        }
    }

    /// Heeds timers as they fire, until the port is gone.
    pub async fn heed_timers(&self) {
        let desk = self.clone();
        let heed = move |subject: String, due_unix_ms| {
            let desk = desk.clone();
            async move { desk.heed(&subject, due_unix_ms).await }
        };
        timers::heed(self.port.clone(), stream::TIMER_CONSUMER, subject::all_timers_due(), heed).await;
    }

    async fn heed(&self, fired: &str, due_unix_ms: i64) -> Heeded {
        let Ok(deal) = subject::parse_timer_due(fired) else { return Heeded::Stray };
        let call = Call { now_unix_ms: self.port.now_unix_ms(), ..Call::default() };
        match self.desk.ask(subject::deal_log(&deal), Ask::Due { deal, due_unix_ms }, call).await {
            Ok(_) => Heeded::Done,
            Err(_) => Heeded::Again,
        }
    }
}

#[async_trait]
impl<D: Decides> Handler for DeskService<D> {
    async fn answer(&self, message: Message, call: Call) -> Result<Answer, ErrorReply> {
        answer(self.moved(message, call).await)
    }
}
