//! The words of W3C trace context.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use crate::dice::{mix, number_of};

/// What a `traceparent` header says: `00-<trace>-<parent>-<flags>`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TraceParent<'a> {
    pub(crate) trace: &'a str,
    pub(crate) parent: &'a str,
    pub(crate) flags: &'a str,
}

impl<'a> TraceParent<'a> {
    /// Reads a header; anything the standard does not allow is no trace.
    pub(crate) fn parse(header: &'a str) -> Option<Self> {
        let hex =
            |text: &str, len: usize| text.len() == len && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        let mut parts = header.split('-');
        let (version, trace, parent, flags) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
        // Later versions may add parts; version 00 has none.
        let good = hex(version, 2)
            && version != "ff"
            && (version != "00" || parts.next().is_none())
            && hex(trace, 32)
            && trace.bytes().any(|b| b != b'0')
            && hex(parent, 16)
            && parent.bytes().any(|b| b != b'0')
            && hex(flags, 2);
        good.then_some(Self { trace, parent, flags })
    }

    /// The header for what this piece of work asks of others in turn.
    pub(crate) fn child(&self, span: &str) -> String {
        format!("00-{}-{span}-{}", self.trace, self.flags)
    }
}

/// Gives out span ids: numbers in an order that looks like none, never 0.
#[derive(Debug)]
pub(crate) struct Spans(AtomicU64);

impl Spans {
    pub(crate) fn seeded(seed: &str) -> Self {
        // Only has to differ between instances.
        Self(AtomicU64::new(number_of(seed)))
    }

    pub(crate) fn next(&self) -> String {
        // A bijection of the counter.
        format!("{:016x}", mix(self.0.fetch_add(1, Relaxed)).max(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_the_standard_allows_is_a_trace() {
        let header = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        let trace = TraceParent::parse(header).unwrap();
        assert_eq!((trace.trace, trace.parent), ("0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"));
        assert_eq!(trace.child("00f067aa0ba902b7"), "00-0af7651916cd43dd8448eb211c80319c-00f067aa0ba902b7-01");
        for bad in [
            "",
            "00",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331",
            "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01",
            "00-00000000000000000000000000000000-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-x",
        ] {
            assert_eq!(TraceParent::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn span_ids_differ() {
        let (one, two) = (Spans::seeded("a"), Spans::seeded("b"));
        let ids: std::collections::HashSet<String> = (0..1_000).flat_map(|_| [one.next(), two.next()]).collect();
        assert_eq!(ids.len(), 2_000);
        assert!(ids.iter().all(|id| id.len() == 16));
    }
}
