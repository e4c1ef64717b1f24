//! The little HTTP that operators' tools speak: a page is fetched, and pages are served.
//!
//! It is for monitoring, in the clear and on networks that one trusts: the broker's monitoring port is fetched from,
//! traces are sent to a collector, and metrics, health and the page for onlookers are served. What it refuses: TLS, and
//! of others anything but GET, and bodies.

use std::{convert::Infallible, io, net::SocketAddr, sync::Arc, time::Duration};

use bytes::Bytes;
use futures::future::BoxFuture;
use http_body_util::{BodyExt, Full, Limited};
use hyper::{Method, Request, Response, StatusCode, body::Incoming, header, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::Semaphore,
    task::AbortHandle,
};
use tracing::debug;

/// The largest page that is fetched, in bytes.
const MAX_PAGE_BYTES: usize = 8 * 1024 * 1024;

/// Connections that are served at once; others wait.
const CONNECTIONS: usize = 32;
/// How long a connection may take to say what it wants, in milliseconds.
const ASKING_MS: u64 = 5_000;
/// How long a connection may take in all, in milliseconds: who doesn't read holds a place no longer.
const SERVED_MS: u64 = 60_000;

/// What is asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Asked {
    /// The path, as it was sent.
    pub path: String,
    /// What stands behind its question mark, as it was sent.
    pub query: String,
    /// The host that whoever asks believes to ask, with its port: what the header `Host` says.
    pub host: String,
}

impl Asked {
    /// The value of the query's parameter of this name, as it was sent.
    #[must_use]
    pub fn parameter(&self, name: &str) -> Option<&str> {
        let mut given = self.query.split('&').filter_map(|part| part.split_once('='));
        given.find(|(key, _)| *key == name).map(|(_, value)| value)
    }
}

/// A page that is served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// The HTTP status.
    pub status: u16,
    /// What it is made of, as `Content-Type` says it.
    pub content_type: &'static str,
    /// The page.
    pub body: Bytes,
    /// Further headers, by their lowercase names.
    pub headers: Vec<(&'static str, String)>,
}

impl Page {
    /// A page that is found.
    pub fn found(content_type: &'static str, body: impl Into<Bytes>) -> Self {
        Self { status: 200, content_type, body: body.into(), headers: Vec::new() }
    }

    /// Plain text.
    pub fn text(status: u16, body: impl Into<String>) -> Self {
        let body = Bytes::from(body.into());
        Self { status, ..Self::found("text/plain; charset=utf-8", body) }
    }
}

/// Finds the page that is asked for; `None` where there is none.
pub type Pages = Arc<dyn Fn(Asked) -> BoxFuture<'static, Option<Page>> + Send + Sync>;

/// Pages that are served until this is dropped.
#[derive(Debug)]
pub struct Serving {
    address: SocketAddr,
    work: AbortHandle,
}

impl Serving {
    /// Where.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        self.work.abort();
    }
}

/// Serves pages at an address such as `127.0.0.1:9090`; port 0 is any free one.
///
/// # Errors
/// When nobody can listen there.
pub async fn serve(address: &str, pages: Pages) -> io::Result<Serving> {
    let listener = TcpListener::bind(address).await?;
    let address = listener.local_addr()?;
    let work = tokio::spawn(accept(listener, pages, Duration::from_millis(SERVED_MS))).abort_handle();
    Ok(Serving { address, work })
}

async fn accept(listener: TcpListener, pages: Pages, served: Duration) {
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    while let Ok(place) = Arc::clone(&places).acquire_owned().await {
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            // No file handle is left, perhaps: there will be one.
            Err(error) => {
                debug!(%error, "a connection was not accepted");
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        let pages = Arc::clone(&pages);
        tokio::spawn(async move {
            let answer = service_fn(move |request| answer(request, Arc::clone(&pages)));
            let connection = hyper::server::conn::http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(Duration::from_millis(ASKING_MS))
                .keep_alive(false)
                .serve_connection(TokioIo::new(stream), answer);
            match tokio::time::timeout(served, connection).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => debug!(%error, "a connection for pages broke"),
                Err(_) => debug!("a connection for pages took too long"),
            }
            drop(place);
        });
    }
}

async fn answer(request: Request<Incoming>, pages: Pages) -> Result<Response<Full<Bytes>>, Infallible> {
    let page = match *request.method() {
        Method::GET | Method::HEAD => pages(asked(&request)).await,
        _ => Some(Page::text(405, "only GET\n")),
    };
    let Page { status, content_type, body, headers } = page.unwrap_or_else(|| Page::text(404, "no such page\n"));
    let mut answer = Response::new(Full::new(body));
    *answer.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    answer.headers_mut().insert(header::CONTENT_TYPE, header::HeaderValue::from_static(content_type));
    for (name, value) in headers {
        // Ours, so it is one that HTTP can carry; and a page without it would be another page.
        match header::HeaderValue::try_from(value) {
            Ok(value) => drop(answer.headers_mut().insert(name, value)),
            Err(_) => *answer.status_mut() = StatusCode::INTERNAL_SERVER_ERROR,
        }
    }
    Ok(answer)
}

fn asked(request: &Request<Incoming>) -> Asked {
    let host = request.headers().get(header::HOST).and_then(|host| host.to_str().ok());
    Asked {
        path: request.uri().path().to_owned(),
        query: request.uri().query().unwrap_or_default().to_owned(),
        host: host.unwrap_or_default().to_owned(),
    }
}

/// Why there is no page.
#[derive(Debug, thiserror::Error)]
pub enum HttpError {
    /// The URL is not one of plain HTTP.
    #[error("{0} is not the URL of a page: http://host:port/path")]
    BadUrl(String),
    /// Nobody answers there, or not in time.
    #[error("{url} does not answer: {reason}")]
    Unreachable {
        /// Where.
        url: String,
        /// The failure.
        reason: String,
    },
    /// It answers with something else than a page.
    #[error("{url} answers {status}")]
    Refused {
        /// Where.
        url: String,
        /// The status.
        status: u16,
    },
}

/// Fetches a page.
///
/// # Errors
/// [`HttpError`].
pub async fn get(url: &str, timeout_ms: u64) -> Result<Bytes, HttpError> {
    let request = Request::get(url).body(Bytes::new()).map_err(|_| HttpError::BadUrl(url.to_owned()))?;
    let answer = send(request, timeout_ms).await?;
    match answer.status() {
        StatusCode::OK => Ok(answer.into_body()),
        status => Err(HttpError::Refused { url: url.to_owned(), status: status.as_u16() }),
    }
}

/// Sends a request to the URL that it names, on a connection of its own; the answer, whatever its status.
///
/// # Errors
/// [`HttpError`].
pub(crate) async fn send(request: Request<Bytes>, timeout_ms: u64) -> Result<Response<Bytes>, HttpError> {
    let (mut head, body) = request.into_parts();
    let uri = std::mem::take(&mut head.uri);
    let url = uri.to_string();
    let bad = || HttpError::BadUrl(url.clone());
    let host = uri.host().filter(|_| uri.scheme_str() == Some("http")).ok_or_else(bad)?;
    let address = format!("{host}:{}", uri.port_u16().unwrap_or(80));
    head.uri = uri.path_and_query().map_or("/", |path| path.as_str()).parse().map_err(|_| bad())?;
    head.headers.insert(header::HOST, address.parse().map_err(|_| bad())?);
    head.headers.insert(header::CONNECTION, header::HeaderValue::from_static("close"));
    let request = Request::from_parts(head, Full::new(body));
    let unreachable = |reason: String| HttpError::Unreachable { url: url.clone(), reason };
    match tokio::time::timeout(Duration::from_millis(timeout_ms), exchange(&address, request)).await {
        Err(_) => Err(unreachable(format!("no answer within {timeout_ms} ms"))),
        Ok(Err(failure)) => Err(unreachable(failure.to_string())),
        Ok(Ok(answer)) => Ok(answer),
    }
}

type Failure = Box<dyn std::error::Error + Send + Sync>;

async fn exchange(address: &str, request: Request<Full<Bytes>>) -> Result<Response<Bytes>, Failure> {
    let stream = TcpStream::connect(address).await?;
    let (mut asking, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    // The connection moves only while somebody polls it. Why it breaks is told by what is awaited of it.
    let moving = tokio::spawn(connection);
    let (head, body) = asking.send_request(request).await?.into_parts();
    let page = Limited::new(body, MAX_PAGE_BYTES).collect().await?.to_bytes();
    moving.abort();
    Ok(Response::from_parts(head, page))
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};

    use futures::FutureExt;

    use super::*;

    async fn served() -> Serving {
        let pages: Pages = Arc::new(|asked: Asked| {
            let page = match asked.path.as_str() {
                "/good" => Some(Page::text(200, "as it is")),
                "/asked" => {
                    let said = [asked.host.as_str(), asked.parameter("b").unwrap_or("none")].join(" ");
                    Some(Page { headers: vec![("x-frame-options", "DENY".into())], ..Page::text(200, said) })
                }
                "/ill" => Some(Page::text(503, "not well")),
                _ => None,
            };
            async move { page }.boxed()
        });
        serve("127.0.0.1:0", pages).await.unwrap()
    }

    #[tokio::test]
    async fn what_is_served_can_be_fetched() {
        let serving = served().await;
        let at = |path: &str| format!("http://{}{path}", serving.address());
        assert_eq!(get(&at("/good?config=true"), 5_000).await.unwrap(), "as it is");
        for (path, status) in [("/ill", 503), ("/none", 404)] {
            let refused = get(&at(path), 5_000).await;
            assert!(matches!(refused, Err(HttpError::Refused { status: got, .. }) if got == status), "{refused:?}");
        }
        let url = at("/good");
        drop(serving);
        tokio::task::yield_now().await;
        assert!(matches!(get(&url, 5_000).await, Err(HttpError::Unreachable { .. })));
    }

    #[tokio::test]
    async fn what_is_no_page_of_plain_http_is_refused_before_anything_is_sent() {
        for url in ["", "nats://127.0.0.1:1", "https://127.0.0.1/", "/path", "http://"] {
            assert!(matches!(get(url, 1_000).await, Err(HttpError::BadUrl(_))), "{url:?}");
        }
    }

    /// What is answered to the exact words.
    async fn said_to(serving: &Serving, words: &'static str) -> String {
        let address = serving.address();
        let said = tokio::task::spawn_blocking(move || {
            let mut stream = std::net::TcpStream::connect(address).unwrap();
            stream.write_all(words.as_bytes()).unwrap();
            let mut said = String::new();
            stream.read_to_string(&mut said).unwrap();
            said
        });
        said.await.unwrap()
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn those_who_do_not_read_their_page_keep_nobody_out_for_long() {
        let large = Bytes::from(vec![b'x'; 16 * 1024 * 1024]);
        let pages: Pages = Arc::new(move |asked: Asked| {
            let body = if asked.path == "/large" { large.clone() } else { Bytes::from_static(b"small") };
            async move { Some(Page::found("text/plain", body)) }.boxed()
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let accepting = tokio::spawn(accept(listener, pages, Duration::from_millis(200)));
        let deaf = (0..CONNECTIONS).map(|_| {
            let mut stream = std::net::TcpStream::connect(address).unwrap();
            stream.write_all(b"GET /large HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
            stream
        });
        let deaf: Vec<_> = deaf.collect();
        assert_eq!(get(&format!("http://{address}/small"), 30_000).await.unwrap(), "small");
        drop(deaf);
        accepting.abort();
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn only_get_is_answered() {
        let said = said_to(&served().await, "POST /good HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n").await;
        assert!(said.starts_with("HTTP/1.1 405"), "{said}");
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn whoever_serves_hears_host_and_query_and_may_say_more_in_headers() {
        let serving = served().await;
        for (query, found) in [("?a=1&b=2", "2"), ("?b=", ""), ("?bb=1&b", "none"), ("", "none")] {
            let words = format!("GET /asked{query} HTTP/1.1\r\nHost: here:1\r\nConnection: close\r\n\r\n");
            let said = said_to(&serving, words.leak()).await;
            assert!(said.contains("x-frame-options: DENY\r\n"), "{said}");
            assert!(said.ends_with(&format!("\r\n\r\nhere:1 {found}")), "{said}");
        }
    }
}
