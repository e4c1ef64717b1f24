//! What the maker answers: what a market is, and why an agent got nothing.

use std::sync::{Arc, Mutex, PoisonError};

use runtime::service::{Limits, Service};
use schemas::MarketId;
use schemas::core::{Call, Core};
use schemas::error::{Code, ErrorReply};
use schemas::market::{Because, Market, ShowMarket, Why};

use super::SERVICE;
use super::books::Books;

/// The books, shared between the maker's work and its answers. Nothing awaits while it holds them.
#[derive(Clone)]
pub(super) struct Shared(Arc<Mutex<Books>>);

impl Shared {
    pub(super) fn new(books: Books) -> Self {
        Self(Arc::new(Mutex::new(books)))
    }

    /// Looks at the books. A panic elsewhere left them whole: each change is one call.
    pub(super) fn with<T>(&self, look: impl FnOnce(&mut Books) -> T) -> T {
        look(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

struct Explain(Shared);

impl Core for Explain {
    const SERVICE: &'static str = SERVICE;
    const VERB: &'static str = "why";
    type Request = Why;
    type Reply = Because;

    fn handle(&self, why: Why, _: &Call) -> Result<Because, ErrorReply> {
        self.0.with(|books| match books.find(&why.market).filter(|book| book.market().is_some()) {
            Some(book) => Ok(book.why(&why.agent)),
            None => Err(no_market(&why.market)),
        })
    }
}

struct Declaration(Shared);

impl Core for Declaration {
    const SERVICE: &'static str = SERVICE;
    const VERB: &'static str = "market";
    type Request = ShowMarket;
    type Reply = Market;

    fn handle(&self, show: ShowMarket, _: &Call) -> Result<Market, ErrorReply> {
        let market = self.0.with(|books| books.find(&show.market).and_then(|book| book.market().cloned()));
        market.ok_or_else(|| no_market(&show.market))
    }
}

fn no_market(market: &MarketId) -> ErrorReply {
    ErrorReply::new(Code::Unknown, format!("there is no market {market}")).at_field("market")
}

pub(super) fn service(books: &Shared) -> Service {
    let (explain, declaration) = (books.clone(), books.clone());
    Service::new(SERVICE, env!("CARGO_PKG_VERSION"))
        .described("The market maker: clears markets and proposes rings")
        .core(Limits::default(), move || Explain(explain.clone()))
        .core(Limits::default(), move || Declaration(declaration.clone()))
}
