//! The page for onlookers: `hms up --web`. A market's network live, and each deal's life, back and forth in time.
//!
//! | path | what |
//! |---|---|
//! | `/` and what it loads | the page, which stands in this binary |
//! | `/bus.json` | where the broker's websockets are, the key to them, and where the log ends |
//! | `/history?after=N` | what happened to deals behind a place of the log: a [`Digest`](schemas::digest::Digest) |
//! | `/offers?after=N` | the offers that stand, behind a place of *their* stream: a digest as well |
//! | `/markets` | the declarations of markets |
//! | `/deals/ID` | one deal, event by event, verified anew |
//!
//! # Live and past
//!
//! What happens comes over NATS, on websockets, as digests (`digest`). The page has a credential of its own that may
//! subscribe to what is for onlookers and may publish *nothing*, not even a request: in one account, whoever may ask
//! anything may name a stream's subject as the place for the answer, and so write there. Hence the past is not asked of
//! `$JS.API` but fetched here, over HTTP, where only reading is possible. Both say which part of the log they tell of, so
//! the page sees a gap, and fills it.
//!
//! Nobody who doesn't look pays: the log is followed only while a page has asked for `/bus.json` within
//! [`WATCHED_MS`], and once for all pages.
//!
//! # What it refuses
//!
//! A page of somebody else: no answer may be read by another origin, and where it is served on the loopback, only under
//! the loopback's names (a name that somebody points there would make their page ours). Scripts that are not in this
//! binary. Anything but GET.

mod assets;
mod digest;
mod door;
mod history;
mod life;

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
};

use futures::FutureExt;
use runtime::{
    http::{self, Asked, Page, Serving},
    port::Port,
};
use schemas::{stream, subject};
use serde_json::{Value, json};

pub use self::door::{Door, Keys};
use crate::exit::{Exit, OrExit, Outcome};

/// Where the page is served unless told otherwise.
pub const DEFAULT_ADDRESS: &str = "127.0.0.1:8280";

/// For so long after a page asked, it counts as watching, in milliseconds; it asks again in a third of that.
const WATCHED_MS: i64 = 60_000;

/// How long the broker may take for an answer, in milliseconds.
const ANSWER_MS: u64 = 15_000;

/// What is to be served.
#[derive(Clone, Debug)]
pub struct Spec {
    /// Where.
    pub address: SocketAddr,
    /// How the page gets onto the bus.
    pub door: Door,
}

/// What the answers are made from.
struct Web {
    port: Arc<dyn Port>,
    spec: Spec,
    /// Until when somebody watches, in Unix milliseconds.
    watched: Arc<AtomicI64>,
}

/// Serves the page for as long as the result lives.
///
/// # Errors
/// When nobody can listen there.
pub async fn serve(spec: Spec, port: &Arc<dyn Port>) -> Outcome<Serving> {
    let address = spec.address;
    let watched = Arc::new(AtomicI64::new(0));
    runtime::spawn(digest::tell(port.clone(), Arc::downgrade(&watched)));
    let web = Arc::new(Web { port: port.clone(), spec, watched });
    let pages: http::Pages = Arc::new(move |asked: Asked| {
        let web = web.clone();
        async move { web.answer(&asked).await }.boxed()
    });
    let serving = http::serve(&address.to_string(), pages).await;
    let serving = serving
        .or_exit(Exit::Bad)
        .map_err(|stop| stop.while_doing(format_args!("serving the page for onlookers at {address}")))?;
    tracing::info!(address = %serving.address(), "the page for onlookers is served");
    Ok(serving)
}

impl Spec {
    /// The name under which the page is asked for, without its port, if it may be.
    fn host<'a>(&self, asked: &'a Asked) -> Option<&'a str> {
        let host = match asked.host.rsplit_once(':') {
            Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => host,
            _ => asked.host.as_str(),
        };
        // It goes into a header that says what may be connected to.
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b':' | b'[' | b']');
        let is_name = !host.is_empty() && host.bytes().all(is_plain);
        let is_ours = !self.address.ip().is_loopback() || ["127.0.0.1", "localhost", "[::1]"].contains(&host);
        (is_name && is_ours).then_some(host)
    }

    /// The page with what a browser must know about it.
    fn guarded(&self, mut page: Page, host: &str) -> Page {
        let websocket = self.door.websocket.under(host);
        let policy = format!(
            "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self' {websocket}; \
             base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
        );
        page.headers.extend([
            ("content-security-policy", policy),
            ("cross-origin-resource-policy", "same-origin".to_owned()),
            ("x-content-type-options", "nosniff".to_owned()),
            ("referrer-policy", "no-referrer".to_owned()),
            ("cache-control", "no-store".to_owned()),
        ]);
        page
    }
}

impl Web {
    async fn answer(&self, asked: &Asked) -> Option<Page> {
        let Some(host) = self.spec.host(asked) else {
            return Some(Page::text(421, "this is not the host that you asked for\n"));
        };
        let page = match asked.path.as_str() {
            "/bus.json" => Some(self.bus().await),
            "/history" => Some(self.in_time(history::of_deals(&self.port, asked)).await),
            "/offers" => Some(self.in_time(history::of_offers(&self.port, asked)).await),
            "/markets" => Some(self.in_time(history::of_markets(&self.port)).await),
            path => match path.strip_prefix("/deals/") {
                Some(deal) => Some(self.in_time(life::of(&self.port, deal)).await),
                None => assets::find(path),
            },
        };
        page.map(|page| self.spec.guarded(page, host))
    }

    /// Where the bus is; whoever asks is taken to watch.
    async fn bus(&self) -> Page {
        self.watched.store(self.port.now_unix_ms().saturating_add(WATCHED_MS), Ordering::Relaxed);
        let server = self.port.server();
        let state = if self.port.link().connected { self.port.stream_state(stream::DEALS).await.ok() } else { None };
        let told = json!({
            "is_connected": state.is_some(),
            "head": state.map(|state| state.last_seq),
            "broker": { "url": server.url, "version": server.version },
            "version": env!("CARGO_PKG_VERSION"),
            "websocket": self.spec.door.websocket,
            "credential": self.spec.door.credential,
            "digest_subject": subject::digest_topic(),
            "ask_again_ms": WATCHED_MS / 3,
        });
        json_page(&told)
    }

    /// An answer, or that there is none: a broker that is away is not waited for without end.
    async fn in_time(&self, answer: impl Future<Output = Page> + Send) -> Page {
        if !self.port.link().connected {
            return Page::text(503, "the broker is not connected\n");
        }
        let late = std::pin::pin!(self.port.sleep_ms(ANSWER_MS));
        match futures::future::select(std::pin::pin!(answer), late).await {
            futures::future::Either::Left((page, _)) => page,
            futures::future::Either::Right(((), _)) => Page::text(504, "the broker does not answer\n"),
        }
    }
}

fn json_page(value: &Value) -> Page {
    Page::found("application/json", format!("{value}\n"))
}

#[cfg(test)]
mod tests {
    use super::{
        door::{Credential, Websocket},
        *,
    };

    fn spec(address: &str) -> Spec {
        let door = Door { websocket: Websocket::Port(9), credential: Credential::None };
        Spec { address: address.parse().unwrap(), door }
    }

    fn asked(host: &str) -> Asked {
        Asked { host: host.into(), ..Asked::default() }
    }

    #[test]
    fn on_the_loopback_only_its_own_names_are_answered() {
        let spec = spec("127.0.0.1:8280");
        for (host, name) in [
            ("127.0.0.1:8280", Some("127.0.0.1")),
            ("localhost:8280", Some("localhost")),
            ("localhost", Some("localhost")),
            ("[::1]:8280", Some("[::1]")),
            ("evil.example:8280", None),
            ("127.0.0.1.evil.example", None),
            ("", None),
        ] {
            assert_eq!(spec.host(&asked(host)), name, "{host}");
        }
    }

    #[test]
    fn elsewhere_any_name_is_but_nothing_that_changes_the_policy() {
        let spec = spec("0.0.0.0:8280");
        assert_eq!(spec.host(&asked("bus.example:8280")), Some("bus.example"));
        for host in ["a b", "x;script-src *", "x'", "a,b", "a/b"] {
            assert_eq!(spec.host(&asked(host)), None, "{host}");
        }
    }

    #[test]
    fn a_page_may_connect_to_the_broker_and_to_nothing_else() {
        let spec = spec("127.0.0.1:8280");
        let page = spec.guarded(Page::text(200, ""), "localhost");
        let policy = &page.headers.iter().find(|(name, _)| *name == "content-security-policy").unwrap().1;
        assert!(policy.contains("default-src 'none'") && !policy.contains("unsafe"), "{policy}");
        assert!(policy.contains("connect-src 'self' ws://localhost:9;"), "{policy}");
    }
}
