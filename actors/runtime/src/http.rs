//! The little HTTP that operators' tools speak: a page is fetched, and pages are served.
//!
//! It is for monitoring, in the clear and on networks that one trusts: the broker's monitoring port is fetched from, and
//! metrics and health are served. What it refuses: anything but GET, bodies, and TLS.

use std::{convert::Infallible, io, net::SocketAddr, sync::Arc, time::Duration};

use bytes::Bytes;
use futures::future::BoxFuture;
use http_body_util::{BodyExt, Empty, Full, Limited};
use hyper::{Method, Request, Response, StatusCode, Uri, body::Incoming, header, service::service_fn};
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

/// A page that is served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// The HTTP status.
    pub status: u16,
    /// What it is made of, as `Content-Type` says it.
    pub content_type: &'static str,
    /// The page.
    pub body: String,
}

impl Page {
    /// Plain text.
    pub fn text(status: u16, body: impl Into<String>) -> Self {
        Self { status, content_type: "text/plain; charset=utf-8", body: body.into() }
    }
}

/// Finds the page of a path; `None` where there is none.
pub type Pages = Arc<dyn Fn(&str) -> BoxFuture<'static, Option<Page>> + Send + Sync>;

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
    let work = tokio::spawn(accept(listener, pages)).abort_handle();
    Ok(Serving { address, work })
}

async fn accept(listener: TcpListener, pages: Pages) {
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
            if let Err(error) = connection.await {
                debug!(%error, "a connection for pages broke");
            }
            drop(place);
        });
    }
}

async fn answer(request: Request<Incoming>, pages: Pages) -> Result<Response<Full<Bytes>>, Infallible> {
    let page = match *request.method() {
        Method::GET | Method::HEAD => pages(request.uri().path()).await,
        _ => Some(Page::text(405, "only GET\n")),
    };
    let Page { status, content_type, body } = page.unwrap_or_else(|| Page::text(404, "no such page\n"));
    let mut answer = Response::new(Full::new(Bytes::from(body)));
    *answer.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    answer.headers_mut().insert(header::CONTENT_TYPE, header::HeaderValue::from_static(content_type));
    Ok(answer)
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
    let bad = || HttpError::BadUrl(url.to_owned());
    let uri: Uri = url.parse().map_err(|_| bad())?;
    let host = uri.host().filter(|_| uri.scheme_str() == Some("http")).ok_or_else(bad)?;
    let address = format!("{host}:{}", uri.port_u16().unwrap_or(80));
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    let request = Request::get(path)
        .header(header::HOST, &address)
        .header(header::CONNECTION, "close")
        .body(Empty::<Bytes>::new())
        .map_err(|_| bad())?;
    let unreachable = |reason: String| HttpError::Unreachable { url: url.to_owned(), reason };
    match tokio::time::timeout(Duration::from_millis(timeout_ms), fetch(&address, request)).await {
        Err(_) => Err(unreachable(format!("no answer within {timeout_ms} ms"))),
        Ok(Err(failure)) => Err(unreachable(failure.to_string())),
        Ok(Ok((StatusCode::OK, page))) => Ok(page),
        Ok(Ok((status, _))) => Err(HttpError::Refused { url: url.to_owned(), status: status.as_u16() }),
    }
}

type Failure = Box<dyn std::error::Error + Send + Sync>;

async fn fetch(address: &str, request: Request<Empty<Bytes>>) -> Result<(StatusCode, Bytes), Failure> {
    let stream = TcpStream::connect(address).await?;
    let (mut asking, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    // The connection moves only while somebody polls it. Why it breaks is told by what is awaited of it.
    let moving = tokio::spawn(connection);
    let answer = asking.send_request(request).await?;
    let status = answer.status();
    let page = Limited::new(answer.into_body(), MAX_PAGE_BYTES).collect().await?.to_bytes();
    moving.abort();
    Ok((status, page))
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};

    use futures::FutureExt;

    use super::*;

    async fn served() -> Serving {
        let pages: Pages = Arc::new(|path: &str| {
            let page = match path {
                "/good" => Some(Page::text(200, "as it is")),
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

    #[tokio::test(flavor = "multi_thread")]
    async fn only_get_is_answered() {
        let serving = served().await;
        let address = serving.address();
        let said = tokio::task::spawn_blocking(move || {
            let mut stream = std::net::TcpStream::connect(address).unwrap();
            stream.write_all(b"POST /good HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n").unwrap();
            let mut said = String::new();
            stream.read_to_string(&mut said).unwrap();
            said
        });
        assert!(said.await.unwrap().starts_with("HTTP/1.1 405"));
    }
}
