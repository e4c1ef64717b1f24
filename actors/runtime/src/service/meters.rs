//! The meters of the services of a process: how each endpoint fares, as Prometheus reads it.
//!
//! They show what `STATS` tells, from the same counts, so the two never differ. A service that has ended is shown no more.

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError, Weak},
};

use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeMetric, MetricEncoder},
    metrics::{MetricType, counter::ConstCounter, gauge::ConstGauge},
};

use super::{
    discovery::Identity,
    stats::{BUCKETS_US, EndpointStats},
};
use crate::port::Link;

/// The meters of the services that were started with them. Clones show the same.
#[derive(Clone, Debug, Default)]
pub struct Meters(Arc<Mutex<Vec<Weak<Identity>>>>);

/// An endpoint at one moment.
struct Reading {
    service: String,
    stats: EndpointStats,
}

type Labels<'a> = [(&'static str, &'a str); 2];

impl Reading {
    fn labels(&self) -> Labels<'_> {
        [("service", &self.service), ("endpoint", &self.stats.name)]
    }
}

impl Meters {
    pub(super) fn show(&self, service: &Arc<Identity>) {
        let mut shown = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        shown.retain(|known| known.strong_count() > 0);
        shown.push(Arc::downgrade(service));
    }

    fn running(&self) -> Vec<Arc<Identity>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).iter().filter_map(Weak::upgrade).collect()
    }

    fn readings(&self) -> Vec<Reading> {
        let running = self.running();
        let of = |service: &Arc<Identity>| {
            let name = service.name.clone();
            let read = move |stats| Reading { service: name.clone(), stats };
            service.endpoints.iter().map(|endpoint| endpoint.stats()).map(read).collect::<Vec<_>>()
        };
        running.iter().flat_map(of).collect()
    }
}

impl Collector for Meters {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let readings = self.readings();
        let mut family = encoder.encode_descriptor(
            "hms_requests",
            "Requests received, refused ones included",
            None,
            MetricType::Counter,
        )?;
        for reading in &readings {
            ConstCounter::new(reading.stats.num_requests).encode(family.encode_family(&reading.labels())?)?;
        }
        let mut family = encoder.encode_descriptor(
            "hms_request_errors",
            "Requests answered with an error, by its code",
            None,
            MetricType::Counter,
        )?;
        for reading in &readings {
            let [service, endpoint] = reading.labels();
            for (code, count) in &reading.stats.data.errors_by_code {
                let code = code.to_string();
                ConstCounter::new(*count).encode(family.encode_family(&[
                    service,
                    endpoint,
                    ("code", code.as_str()),
                ])?)?;
            }
        }
        let mut family = encoder.encode_descriptor(
            "hms_request_duration_seconds",
            "Time from the turn of a request to its answer",
            None,
            MetricType::Histogram,
        )?;
        for reading in &readings {
            durations(family.encode_family(&reading.labels())?, &reading.stats)?;
        }
        let mut family = encoder.encode_descriptor(
            "hms_panics",
            "How often what answers panicked, and was built anew",
            None,
            MetricType::Counter,
        )?;
        for reading in &readings {
            ConstCounter::new(reading.stats.data.panics).encode(family.encode_family(&reading.labels())?)?;
        }
        let mut gauge = |name: &str, help: &str, of: fn(&EndpointStats) -> usize| -> fmt::Result {
            let mut family = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
            for reading in &readings {
                let value = i64::try_from(of(&reading.stats)).unwrap_or(i64::MAX);
                ConstGauge::new(value).encode(family.encode_family(&reading.labels())?)?;
            }
            Ok(())
        };
        gauge(
            "hms_admission_limit",
            "Requests that are taken on at once, shared by the endpoints of a crew",
            |stats| stats.data.admission_limit,
        )?;
        gauge("hms_admitted", "Requests taken on now, of those", |stats| stats.data.admitted)
    }
}

fn durations(mut encoder: MetricEncoder<'_>, stats: &EndpointStats) -> fmt::Result {
    // A sum in seconds, of a whole number of nanoseconds: it only guides.
    let sum_s = stats.processing_time as f64 / 1e9;
    let ends_s = BUCKETS_US.iter().map(|end_us| *end_us as f64 / 1e6).chain([f64::MAX]);
    let buckets: Vec<(f64, u64)> = ends_s.zip(stats.data.durations.iter().copied()).collect();
    let count = stats.data.durations.iter().sum();
    encoder.encode_histogram::<Labels<'_>>(sum_s, count, &buckets, None)
}

/// How the connection to the broker fares, as Prometheus reads it.
///
/// # Errors
/// When it cannot be written.
pub fn encode_link(link: Link, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
    let connected =
        encoder.encode_descriptor("hms_bus_connected", "Whether the broker is connected", None, MetricType::Gauge)?;
    ConstGauge::new(i64::from(link.connected)).encode(connected)?;
    for (name, help, count) in [
        ("hms_bus_connects", "How often the broker was connected", link.connects),
        (
            "hms_bus_slow_consumers",
            "How often a subscriber fell so far behind that messages were lost",
            link.slow_consumers,
        ),
        ("hms_bus_messages_in", "Messages received", link.messages_in),
        ("hms_bus_messages_out", "Messages sent", link.messages_out),
    ] {
        let encoder = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
        ConstCounter::new(count).encode(encoder)?;
    }
    Ok(())
}
