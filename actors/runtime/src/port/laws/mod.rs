//! The laws of the port: one table of cases that every adapter passes.
//!
//! Each case has streams and subjects of its own, so all of them run side by side on one adapter. Waiting is
//! done on the port's own clock: on a real server the table takes seconds, in memory none.

mod buckets;
mod bus;
mod objects;
mod offices;
mod streams;
mod watching;

use std::{future::Future, pin::Pin, sync::Arc};

use futures::{StreamExt, future::join_all};
use serde_json::{Value, json};

use super::*;

type Port_ = Arc<dyn Port>;
type Case = (&'static str, fn(Port_) -> Pin<Box<dyn Future<Output = ()> + Send>>);

/// Names cases and boxes their futures.
macro_rules! cases {
    ($($case:path),* $(,)?) => { vec![$((stringify!($case), |port| Box::pin($case(port)))),*] };
}
use cases;

/// Holds an adapter to every law.
pub(crate) async fn hold(port: Port_) {
    let cases: Vec<Case> =
        [bus::cases(), streams::cases(), watching::cases(), buckets::cases(), objects::cases(), offices::cases()]
            .concat();
    let limit_ms = 60_000;
    let running = cases.into_iter().map(|(name, case)| {
        let port = Arc::clone(&port);
        let case = tokio::spawn(async move {
            let ended = within(&port, limit_ms, case(Arc::clone(&port))).await;
            assert!(ended.is_some(), "{name} did not end within {limit_ms} ms");
        });
        async move { case.await.is_err().then_some(name) }
    });
    let failed: Vec<&str> = join_all(running).await.into_iter().flatten().collect();
    assert!(failed.is_empty(), "broken: {failed:?}");
}

/// The outcome of a future, unless the port's clock runs on for `ms` first.
async fn within<T>(port: &Port_, ms: u64, future: impl Future<Output = T>) -> Option<T> {
    let limit = port.sleep_ms(ms);
    futures::pin_mut!(future, limit);
    match futures::future::select(future, limit).await {
        futures::future::Either::Left((outcome, _)) => Some(outcome),
        futures::future::Either::Right(_) => None,
    }
}

/// The next item; a stream that stays silent for five seconds fails the case.
async fn next<T>(port: &Port_, stream: &mut (impl futures::Stream<Item = T> + Unpin)) -> T {
    within(port, 5_000, stream.next()).await.expect("silence").expect("the end of the stream")
}

/// Whether a stream stays silent for `ms`.
async fn silent<T>(port: &Port_, ms: u64, stream: &mut (impl futures::Stream<Item = T> + Unpin)) -> bool {
    within(port, ms, stream.next()).await.is_none()
}

/// A stream's specification with what a case changes in it.
fn spec(name: &str, subjects: &[&str], changes: Value) -> Value {
    let mut spec = json!({
        "name": name, "subjects": subjects, "retention": "limits", "storage": "file", "discard": "old",
        "num_replicas": 1, "max_age": 0, "max_bytes": -1, "max_msgs": -1, "max_msgs_per_subject": -1,
        "max_msg_size": -1, "max_consumers": -1, "allow_direct": true, "allow_atomic": true,
    });
    for (setting, value) in changes.as_object().unwrap() {
        spec[setting] = value.clone();
    }
    spec
}

async fn stream(port: &Port_, name: &str, subjects: &[&str], changes: Value) {
    assert_eq!(port.ensure_stream(&spec(name, subjects, changes)).await, Ok(Provisioned::Created), "{name}");
}

/// The body as text.
pub(crate) fn text(body: &bytes::Bytes) -> &str {
    std::str::from_utf8(body).unwrap()
}

/// Subject, body and place of what was stored.
fn shown(stored: &[Stored]) -> Vec<(u64, &str, &str)> {
    stored.iter().map(|stored| (stored.sequence, stored.subject.as_str(), text(&stored.body))).collect()
}
