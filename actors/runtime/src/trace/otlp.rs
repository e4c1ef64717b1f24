//! Recording spans, and exporting them to a collector over HTTP as the environment says (OTLP, protobuf).
//!
//! The variables are OpenTelemetry's own, and its libraries read them; what is decided here is whether anything is
//! exported at all, and that is if a collector is named. A collector that doesn't answer costs spans and a line in the log.

use std::sync::{
    Arc, OnceLock,
    atomic::{AtomicBool, Ordering::Relaxed},
};

use async_trait::async_trait;
use bytes::Bytes;
use hyper::{Request, Response};
use opentelemetry::{
    Context, KeyValue, SpanId, TraceFlags, TraceId,
    trace::{
        Link, Span as _, SpanBuilder, SpanContext, SpanKind, Status, TraceContextExt, TraceState, TracerProvider as _,
    },
};
use opentelemetry_http::HttpClient;
use opentelemetry_otlp::{SpanExporter, WithHttpConfig};
use opentelemetry_sdk::{
    Resource,
    trace::{SdkTracer, SdkTracerProvider},
};
use tokio::{runtime::Handle, task::spawn_blocking};
use tracing::{info, warn};

use super::{Kind, TraceParent};
use crate::http;

/// How long a collector may take to answer, in milliseconds.
const ANSWER_MS: u64 = 5_000;
/// The only protocol that is spoken.
const PROTOCOL: &str = "http/protobuf";

static TRACER: OnceLock<SdkTracer> = OnceLock::new();

/// A span that is recorded; dropped, it ends.
#[derive(Debug)]
pub(super) struct Recorded(opentelemetry_sdk::trace::Span);

impl Recorded {
    pub(super) fn traceparent(&self) -> String {
        let context = self.0.span_context();
        format!("00-{}-{}-{:02x}", context.trace_id(), context.span_id(), context.trace_flags())
    }

    pub(super) fn fail(&mut self, why: String) {
        self.0.set_status(Status::error(why));
    }
}

pub(super) fn is_on() -> bool {
    TRACER.get().is_some()
}

pub(super) fn begin<'a>(
    kind: Kind,
    name: impl FnOnce() -> String,
    subject: &str,
    cause: Option<&str>,
    links: impl Iterator<Item = &'a str>,
) -> Option<Recorded> {
    let tracer = TRACER.get()?;
    let parent = Context::new();
    let parent = match cause.and_then(remote) {
        Some(context) => parent.with_remote_span_context(context),
        None => parent,
    };
    let kind = match kind {
        Kind::Server => SpanKind::Server,
        Kind::Client => SpanKind::Client,
        Kind::Consumer => SpanKind::Consumer,
        Kind::Internal => SpanKind::Internal,
    };
    let about =
        [KeyValue::new("messaging.system", "nats"), KeyValue::new("messaging.destination.name", subject.to_owned())];
    let span = SpanBuilder::from_name(name())
        .with_kind(kind)
        .with_attributes(about)
        .with_links(links.filter_map(remote).map(Link::with_context).collect())
        .start_with_context(tracer, &parent);
    // Once the recorder has ended, spans are nothing.
    span.span_context().is_valid().then_some(Recorded(span))
}

/// The span that a header names.
fn remote(header: &str) -> Option<SpanContext> {
    let said = TraceParent::parse(header)?;
    let (trace, span) = (TraceId::from_hex(said.trace).ok()?, SpanId::from_hex(said.parent).ok()?);
    let flags = TraceFlags::new(u8::from_str_radix(said.flags, 16).ok()?);
    Some(SpanContext::new(trace, span, flags, true, TraceState::NONE))
}

/// Records the spans of this process, and exports them.
#[derive(Debug)]
pub struct Recorder {
    provider: SdkTracerProvider,
}

impl Recorder {
    /// Starts one if the environment names a collector: `OTEL_EXPORTER_OTLP_ENDPOINT`, or the same for traces alone. Within
    /// [`run`](crate::run), once in a process. `service` is the process's name, unless `OTEL_SERVICE_NAME` says another.
    /// What can't be used is told to the log: nothing is recorded then.
    #[must_use]
    pub fn start(service: &'static str) -> Option<Self> {
        let says = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        let started =
            wanted(says).and_then(|is_wanted| if is_wanted { provider(service, says).map(Some) } else { Ok(None) });
        let provider = started.unwrap_or_else(|why| {
            warn!(why, "no traces are exported");
            None
        })?;
        TRACER.set(provider.tracer("hms")).ok()?;
        info!("traces are exported");
        Some(Self { provider })
    }

    /// Exports what is recorded, and ends.
    pub async fn end(self) {
        // The exporter's own thread waits for us, and we for it.
        let ended = spawn_blocking(move || self.provider.shutdown()).await;
        if let Ok(Err(error)) = ended {
            warn!(%error, "the last traces were not exported");
        }
    }
}

/// Whether traces are to be exported, by what the environment says under each name.
fn wanted(says: impl Fn(&str) -> Option<String>) -> Result<bool, String> {
    if says("OTEL_SDK_DISABLED").is_some_and(|disabled| disabled.eq_ignore_ascii_case("true")) {
        return Ok(false);
    }
    let names = |name: &str| {
        says(&format!("OTEL_EXPORTER_OTLP_TRACES_{name}")).or_else(|| says(&format!("OTEL_EXPORTER_OTLP_{name}")))
    };
    let is_wanted = match says("OTEL_TRACES_EXPORTER").as_deref() {
        None => names("ENDPOINT").is_some(),
        Some("otlp") => true,
        Some("none") => false,
        Some(other) => return Err(format!("OTEL_TRACES_EXPORTER is {other}; there are otlp and none")),
    };
    if is_wanted && let Some(other) = names("PROTOCOL").filter(|protocol| protocol != PROTOCOL) {
        return Err(format!("OTEL_EXPORTER_OTLP_PROTOCOL is {other}; what is spoken is {PROTOCOL}"));
    }
    if is_wanted && let Some(url) = names("ENDPOINT").filter(|url| !url.starts_with("http://")) {
        return Err(format!(
            "OTEL_EXPORTER_OTLP_ENDPOINT is {url}; a collector is spoken to in the clear: http://host:port"
        ));
    }
    Ok(is_wanted)
}

fn provider(service: &'static str, says: impl Fn(&str) -> Option<String>) -> Result<SdkTracerProvider, String> {
    let client = Client { runtime: Handle::current(), is_silent: Arc::default() };
    let exporter = SpanExporter::builder().with_http().with_http_client(client).build();
    let exporter = exporter.map_err(|error| error.to_string())?;
    let resource = Resource::builder();
    let is_named = says("OTEL_SERVICE_NAME").is_some()
        || says("OTEL_RESOURCE_ATTRIBUTES").is_some_and(|attributes| attributes.contains("service.name="));
    let resource = if is_named { resource } else { resource.with_service_name(service) };
    Ok(SdkTracerProvider::builder().with_batch_exporter(exporter).with_resource(resource.build()).build())
}

/// Posts to the collector. The exporter has a thread of its own, and sockets are the runtime's.
#[derive(Debug)]
struct Client {
    runtime: Handle,
    /// Whether the collector did not take what it was sent last.
    is_silent: Arc<AtomicBool>,
}

#[async_trait]
impl HttpClient for Client {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, opentelemetry_http::HttpError> {
        let collector = request.uri().to_string();
        let answer = self.runtime.spawn(http::send(request, ANSWER_MS)).await?;
        let trouble = match &answer {
            Ok(answer) if answer.status().is_success() => None,
            Ok(answer) => Some(format!("it answers {}", answer.status())),
            Err(error) => Some(error.to_string()),
        };
        let was_silent = self.is_silent.swap(trouble.is_some(), Relaxed);
        match trouble {
            Some(trouble) if !was_silent => warn!(collector, trouble, "the collector takes no traces"),
            None if was_silent => info!(collector, "the collector takes traces again"),
            _ => {}
        }
        Ok(answer?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn traces_are_exported_where_a_collector_is_named() {
        let at = "http://collector:4318";
        for (environment, expected) in [
            (vec![], Ok(false)),
            (vec![("ENDPOINT", at)], Ok(true)),
            (vec![("TRACES_ENDPOINT", at)], Ok(true)),
            (vec![("ENDPOINT", at), ("PROTOCOL", "http/protobuf")], Ok(true)),
            (vec![("ENDPOINT", at), ("PROTOCOL", "grpc")], Err("PROTOCOL")),
            (vec![("ENDPOINT", at), ("PROTOCOL", "grpc"), ("TRACES_PROTOCOL", "http/protobuf")], Ok(true)),
            (vec![("PROTOCOL", "grpc")], Ok(false)),
            (vec![("ENDPOINT", "https://collector")], Err("ENDPOINT")),
            (vec![("ENDPOINT", at), ("OTEL_TRACES_EXPORTER", "none")], Ok(false)),
            (vec![("ENDPOINT", at), ("OTEL_SDK_DISABLED", "true")], Ok(false)),
            (vec![("OTEL_TRACES_EXPORTER", "otlp")], Ok(true)),
            (vec![("OTEL_TRACES_EXPORTER", "console")], Err("OTEL_TRACES_EXPORTER")),
        ] {
            let says = |name: &str| {
                let short = name.strip_prefix("OTEL_EXPORTER_OTLP_").unwrap_or(name);
                environment.iter().find(|(known, _)| *known == short).map(|(_, value)| (*value).to_owned())
            };
            match (wanted(says), expected) {
                (Ok(is_wanted), Ok(expected)) => assert_eq!(is_wanted, expected, "{environment:?}"),
                (Err(why), Err(named)) => assert!(why.contains(named), "{environment:?}: {why}"),
                (got, _) => panic!("{environment:?}: {got:?}"),
            }
        }
    }

    #[test]
    fn what_a_header_names_is_somebody_elses_span() {
        let context = remote("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01").unwrap();
        assert_eq!(context.trace_id().to_string(), "0af7651916cd43dd8448eb211c80319c");
        assert_eq!(context.span_id().to_string(), "b7ad6b7169203331");
        assert!(context.is_remote() && context.is_sampled());
        assert!(remote("rubbish").is_none());
    }
}
