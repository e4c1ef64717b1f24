//! The port on a real NATS server.
//!
//! Every call has a time limit of its own: the client's `publish` waits without end once the server is gone and
//! its queue is full, and its `request` starts the clock only when the request was queued.

mod append;
mod archive;
mod backup;
mod checkup;
mod connect;
mod convert;
mod follow;
mod link;
mod office;
mod provision;
mod read;
mod work;

#[cfg(test)]
mod tests;

use std::{
    collections::HashMap,
    path::Path,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    task::Poll,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use async_nats::{Client, Request, Subscriber, jetstream};
use async_trait::async_trait;
use futures::{StreamExt, stream};
use tokio::sync::{Semaphore, watch};

pub(crate) use self::{
    append::check_batch,
    provision::{differences, spec_name},
};
use self::{archive::Archives, link::Counters};
pub use self::{
    checkup::{ClockReading, Lag, StoreUse},
    connect::{ConnectError, ConnectSpec, DEFAULT_URL, Login, OLDEST_SERVER, Tls, is_new_enough},
};
use crate::port::{
    AppendError, BackupError, Candidacy, Follow, Link, Message, OfficeSpec, Port, ProvisionError, Provisioned,
    PublishError, ReadError, Record, RequestError, ServerInfo, Start, Stopper, Stored, StreamState, Subscription, Work,
    WorkSpec, answered, wire,
};

/// How long a subscription that is being stopped waits for what is on its way.
const LAST_TRIP: Duration = Duration::from_secs(1);

/// A connection to a NATS server, made by [`ConnectSpec::connect`].
#[derive(Debug)]
pub struct Nats {
    client: Client,
    jetstream: jetstream::Context,
    counters: Arc<Counters>,
    url: String,
    timeout_ms: u64,
    batch_gates: Mutex<HashMap<String, Arc<Semaphore>>>,
    archives: Archives,
    there_and_back: Arc<ThereAndBack>,
}

impl Nats {
    fn new(
        client: Client,
        jetstream: jetstream::Context,
        counters: Arc<Counters>,
        url: String,
        timeout_ms: u64,
    ) -> Self {
        let archives = Archives::new(jetstream.clone(), Duration::from_millis(timeout_ms));
        Self {
            archives,
            client,
            jetstream,
            counters,
            url,
            timeout_ms,
            batch_gates: Mutex::default(),
            there_and_back: Arc::default(),
        }
    }

    fn timeout(&self) -> Duration {
        Duration::from_millis(self.timeout_ms)
    }

    fn connected(&self) -> bool {
        self.client.connection_state() == async_nats::connection::State::Connected
    }
}

#[async_trait]
impl Port for Nats {
    #[allow(clippy::disallowed_methods)] // This is the clock that is passed in everywhere else.
    fn now_unix_ms(&self) -> i64 {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
    }

    async fn publish(&self, message: Message) -> Result<(), PublishError> {
        wire::check(&message, self.client.max_payload())?;
        let headers = convert::headers_out(&message.headers)?;
        let Message { subject, reply, body, .. } = message;
        let sending = async {
            match (reply, headers) {
                (None, None) => self.client.publish(subject, body).await,
                (None, Some(headers)) => self.client.publish_with_headers(subject, headers, body).await,
                (Some(reply), None) => self.client.publish_with_reply(subject, reply, body).await,
                (Some(reply), Some(headers)) => {
                    self.client.publish_with_reply_and_headers(subject, reply, headers, body).await
                }
            }
        };
        let mut sending = std::pin::pin!(sending);
        // Nearly always there is room at once, and nothing to wait for.
        let sent = match futures::poll!(&mut sending) {
            Poll::Ready(sent) => Ok(sent),
            Poll::Pending => tokio::time::timeout(self.timeout(), sending).await,
        };
        match sent {
            Ok(Ok(())) => Ok(()),
            _ => Err(PublishError::Disconnected),
        }
    }

    async fn request(&self, message: Message, timeout_ms: u64) -> Result<Message, RequestError> {
        wire::check(&message, self.client.max_payload()).map_err(RequestError::NotSent)?;
        let mut request = Request::new().payload(message.body).timeout(None);
        if let Some(headers) = convert::headers_out(&message.headers).map_err(RequestError::NotSent)? {
            request = request.headers(headers);
        }
        let asking = self.client.send_request(message.subject.clone(), request);
        match tokio::time::timeout(Duration::from_millis(timeout_ms), asking).await {
            Ok(Ok(reply)) => answered(convert::message_in(reply)),
            Ok(Err(error)) if error.kind() == async_nats::RequestErrorKind::NoResponders => {
                Err(RequestError::NoResponders(message.subject))
            }
            Ok(Err(_)) => Err(RequestError::Disconnected),
            Err(_) if !self.connected() => Err(RequestError::Disconnected),
            Err(_) => Err(RequestError::TimedOut(timeout_ms)),
        }
    }

    async fn subscribe(&self, subject: &str, queue: Option<&str>) -> Result<Subscription, PublishError> {
        if !wire::is_subject(subject, true) {
            return Err(PublishError::BadSubject(subject.to_owned()));
        }
        let subscribing = async {
            match queue {
                Some(queue) => self.client.queue_subscribe(subject.to_owned(), queue.to_owned()).await,
                None => self.client.subscribe(subject.to_owned()).await,
            }
        };
        match tokio::time::timeout(self.timeout(), subscribing).await {
            Ok(Ok(subscriber)) => Ok(subscription(subscriber, self.client.clone(), Arc::clone(&self.there_and_back))),
            Ok(Err(error)) if error.kind() != async_nats::client::SubscribeErrorKind::Other => {
                Err(PublishError::BadSubject(subject.to_owned()))
            }
            _ => Err(PublishError::Disconnected),
        }
    }

    async fn flush(&self) -> Result<(), PublishError> {
        match tokio::time::timeout(self.timeout(), self.client.flush()).await {
            Ok(Ok(())) => {}
            _ => return Err(PublishError::Disconnected),
        }
        match self.there_and_back.take(&self.client, self.timeout()).await {
            true => Ok(()),
            false => Err(PublishError::Disconnected),
        }
    }

    async fn append(&self, stream: &str, records: Vec<Record>) -> Result<Vec<u64>, AppendError> {
        self.store_in_whole(stream, records).await
    }

    async fn read(&self, stream: &str, subject: &str, after_seq: u64) -> Result<Vec<Stored>, ReadError> {
        self.read_whole(stream, subject, after_seq).await
    }

    async fn last(&self, stream: &str, subject: &str) -> Result<Option<Stored>, ReadError> {
        self.last_of_whole(stream, subject).await
    }

    async fn newest(&self, stream: &str, subject: &str) -> Result<u64, ReadError> {
        self.newest_of_whole(stream, subject).await
    }

    async fn get(&self, stream: &str, sequence: u64) -> Result<Option<Stored>, ReadError> {
        self.at_of_whole(stream, sequence).await
    }

    async fn follow(&self, stream: &str, filters: &[String], start: Start) -> Result<Follow, ReadError> {
        self.begin_following(stream, filters, start).await
    }

    async fn work(&self, spec: &WorkSpec) -> Result<Work, ReadError> {
        self.begin_working(spec).await
    }

    async fn stand(&self, office: &OfficeSpec) -> Result<Candidacy, ReadError> {
        self.begin_standing(office).await
    }

    async fn leave(&self, office: &OfficeSpec) {
        self.leave_office(office).await;
    }

    async fn ensure_stream(&self, spec: &serde_json::Value) -> Result<Provisioned, ProvisionError> {
        self.provision(spec).await
    }

    async fn plan_stream(&self, spec: &serde_json::Value) -> Result<Provisioned, ProvisionError> {
        Ok(self.plan(spec).await?.0)
    }

    async fn save_stream(&self, stream: &str, folder: &Path) -> Result<StreamState, BackupError> {
        self.save(stream, folder).await
    }

    async fn load_stream(&self, folder: &Path, replicas: Option<u8>) -> Result<(String, StreamState), BackupError> {
        self.load(folder, replicas).await
    }

    async fn stream_state(&self, stream: &str) -> Result<StreamState, ReadError> {
        self.state(stream).await
    }

    fn unique_token(&self) -> String {
        let inbox = self.client.new_inbox();
        inbox.rsplit('.').next().unwrap_or_default().to_owned()
    }

    fn inbox(&self) -> String {
        self.client.new_inbox()
    }

    fn server(&self) -> ServerInfo {
        let info = self.client.server_info();
        ServerInfo {
            version: info.version,
            name: info.server_name,
            url: self.url.clone(),
            max_payload_bytes: info.max_payload,
        }
    }

    fn link(&self) -> Link {
        let statistics = self.client.statistics();
        Link {
            connected: self.connected(),
            connects: self.counters.connects(),
            disconnects: self.counters.disconnects(),
            slow_consumers: self.counters.slow_consumers(),
            messages_in: statistics.in_messages.load(Relaxed),
            messages_out: statistics.out_messages.load(Relaxed),
        }
    }
}

/// A round trip to the server: when it is back, the server has everything that was sent before, and everything
/// that the server had sent before has arrived. The client's own `flush` ends when its socket has the bytes.
///
/// The trip is a request to a subject of our own on which nobody listens; the server answers that itself. An
/// account that may not publish there is found out once, and then takes the flush for enough.
#[derive(Debug, Default)]
struct ThereAndBack {
    forbidden: AtomicBool,
}

impl ThereAndBack {
    async fn take(&self, client: &Client, timeout: Duration) -> bool {
        if self.forbidden.load(Relaxed) {
            return true;
        }
        let request = client.send_request(client.new_inbox(), Request::new().timeout(None));
        match tokio::time::timeout(timeout, request).await {
            Ok(Ok(_)) => true,
            Ok(Err(error)) => error.kind() == async_nats::RequestErrorKind::NoResponders,
            Err(_) if client.connection_state() == async_nats::connection::State::Connected => {
                self.forbidden.store(true, Relaxed);
                true
            }
            Err(_) => false,
        }
    }
}

/// The messages of one of the client's subscriptions.
///
/// When it is stopped, what the server had sent so far is awaited before the client is told to drain: the
/// client forgets a drained subscription as soon as it has written the request to unsubscribe, without waiting
/// for what is still on its way. A message routed in that instant is lost, as it would be in a crash.
fn subscription(subscriber: Subscriber, client: Client, there_and_back: Arc<ThereAndBack>) -> Subscription {
    struct State {
        subscriber: Subscriber,
        stop: Option<watch::Receiver<bool>>,
        client: Client,
        there_and_back: Arc<ThereAndBack>,
    }
    let (stopper, stop) = Stopper::new();
    // In a box: it is handed on with every message.
    let state = Box::new(State { subscriber, stop: Some(stop), client, there_and_back });
    let messages = stream::unfold(state, |mut state| async move {
        loop {
            let Some(stop) = state.stop.as_mut() else {
                // Draining: what has arrived is handed over, then the client ends the stream.
                return state.subscriber.next().await.map(|message| (convert::message_in(message), state));
            };
            // A look costs next to nothing, to wait for a stop a lock or two: only when there is nothing else to do.
            let stopped = if stop.has_changed().unwrap_or(true) {
                stop.wait_for(|stopped| *stopped).await.is_ok()
            } else {
                tokio::select! {
                    biased;
                    message = state.subscriber.next() => {
                        return message.map(|message| (convert::message_in(message), state));
                    }
                    stopped = async { stop.wait_for(|stopped| *stopped).await.is_ok() } => stopped,
                }
            };
            state.stop = None;
            if stopped {
                state.there_and_back.take(&state.client, LAST_TRIP).await;
                if state.subscriber.drain().await.is_err() {
                    return None;
                }
            }
        }
    });
    Subscription::new(messages.boxed(), stopper)
}
