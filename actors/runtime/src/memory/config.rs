//! A stream's specification, read as the server reads it.

use serde::Deserialize;
use serde_json::{Value, json};

use super::transform::Transform;
use crate::{
    nats::spec_name,
    port::{ProvisionError, wire},
};

/// What a stream in memory goes by.
#[derive(Clone, Debug)]
pub(super) struct Config {
    pub(super) name: String,
    pub(super) subjects: Vec<String>,
    pub(super) discard_new: bool,
    pub(super) max_msgs: Option<usize>,
    pub(super) max_bytes: Option<usize>,
    pub(super) max_msgs_per_subject: Option<usize>,
    pub(super) max_msg_bytes: Option<usize>,
    pub(super) max_age_ms: Option<i64>,
    pub(super) duplicate_window_ms: i64,
    pub(super) allow_atomic: bool,
    pub(super) allow_ttl: bool,
    pub(super) allow_schedules: bool,
    pub(super) marker_ttl_ms: Option<i64>,
    pub(super) republish: Option<Transform>,
    pub(super) sources: Vec<Source>,
    /// The specification, with what it leaves out.
    pub(super) spec: Value,
}

/// Where a stream takes records from.
#[derive(Clone, Debug)]
pub(super) struct Source {
    pub(super) stream: String,
    pub(super) transforms: Vec<Transform>,
}

/// The settings that are read. Others describe storage, which memory has none of.
#[derive(Deserialize)]
#[serde(default)]
struct Spec {
    subjects: Vec<String>,
    retention: String,
    discard: String,
    max_msgs: i64,
    max_bytes: i64,
    max_msgs_per_subject: i64,
    max_msg_size: i64,
    max_age: i64,
    duplicate_window: i64,
    allow_atomic: bool,
    allow_msg_ttl: bool,
    allow_msg_schedules: bool,
    subject_delete_marker_ttl: i64,
    republish: Option<Mapping>,
    sources: Vec<SourceSpec>,
    mirror: Option<Value>,
    subject_transform: Option<Value>,
}

impl Default for Spec {
    fn default() -> Self {
        Self {
            subjects: Vec::new(),
            retention: "limits".to_owned(),
            discard: "old".to_owned(),
            max_msgs: -1,
            max_bytes: -1,
            max_msgs_per_subject: -1,
            max_msg_size: -1,
            max_age: 0,
            duplicate_window: 120_000_000_000,
            allow_atomic: false,
            allow_msg_ttl: false,
            allow_msg_schedules: false,
            subject_delete_marker_ttl: 0,
            republish: None,
            sources: Vec::new(),
            mirror: None,
            subject_transform: None,
        }
    }
}

#[derive(Deserialize)]
struct Mapping {
    #[serde(default)]
    src: String,
    dest: String,
}

#[derive(Deserialize)]
struct SourceSpec {
    name: String,
    #[serde(default)]
    filter_subject: String,
    #[serde(default)]
    subject_transforms: Vec<Mapping>,
}

impl Config {
    /// Reads a specification; what memory cannot carry out is refused, not overlooked.
    pub(super) fn read(given: &Value) -> Result<Self, ProvisionError> {
        let bad = |reason: String| ProvisionError::BadSpec(reason);
        let name = spec_name(given)?.to_owned();
        let spec: Spec = serde_json::from_value(given.clone()).map_err(|error| bad(error.to_string()))?;
        if spec.mirror.is_some() || spec.subject_transform.is_some() || spec.retention != "limits" {
            return Err(bad(
                "mirrors, ingest transforms and retention by interest are not carried out in memory".to_owned()
            ));
        }
        if let Some(subject) = spec.subjects.iter().find(|subject| !wire::is_subject(subject, true)) {
            return Err(bad(format!("{subject:?} is not a subject")));
        }
        let transform = |mapping: &Mapping| Transform::new(&mapping.src, &mapping.dest).map_err(bad);
        let source = |source: SourceSpec| {
            let transforms = match source.subject_transforms.as_slice() {
                [] if source.filter_subject.is_empty() => vec![Transform::new(">", ">").map_err(bad)?],
                [] => vec![identity(&source.filter_subject).map_err(bad)?],
                mappings => mappings.iter().map(transform).collect::<Result<_, _>>()?,
            };
            Ok(Source { stream: source.name, transforms })
        };
        let limit = |setting: i64| usize::try_from(setting).ok().filter(|limit| *limit > 0);
        let ms = |ns: i64| Some(ns / 1_000_000).filter(|ms| *ms > 0);
        Ok(Self {
            name,
            discard_new: spec.discard == "new",
            max_msgs: limit(spec.max_msgs),
            max_bytes: limit(spec.max_bytes),
            max_msgs_per_subject: limit(spec.max_msgs_per_subject),
            max_msg_bytes: limit(spec.max_msg_size),
            max_age_ms: ms(spec.max_age),
            duplicate_window_ms: ms(spec.duplicate_window).unwrap_or(0),
            allow_atomic: spec.allow_atomic,
            allow_ttl: spec.allow_msg_ttl,
            allow_schedules: spec.allow_msg_schedules,
            marker_ttl_ms: ms(spec.subject_delete_marker_ttl),
            republish: spec.republish.as_ref().map(transform).transpose()?,
            sources: spec.sources.into_iter().map(source).collect::<Result<_, _>>()?,
            subjects: spec.subjects,
            spec: completed(given),
        })
    }

    pub(super) fn captures(&self, subject: &str) -> bool {
        self.subjects.iter().any(|pattern| wire::matches(pattern, subject))
    }
}

/// A transform that changes nothing but only lets a pattern pass.
fn identity(pattern: &str) -> Result<Transform, String> {
    let mut stars = 0_usize;
    let to = pattern.split('.').map(|token| {
        if token == "*" {
            stars = stars.saturating_add(1);
            format!("${stars}")
        } else {
            token.to_owned()
        }
    });
    let to = to.collect::<Vec<_>>().join(".");
    Transform::new(pattern, &to)
}

/// The specification with the server's defaults for limits, so that spelling one out is not a difference.
fn completed(given: &Value) -> Value {
    let mut spec = json!({
        "retention": "limits", "discard": "old", "storage": "file", "num_replicas": 1, "max_msgs": -1, "max_bytes": -1,
        "max_msgs_per_subject": -1, "max_msg_size": -1, "max_consumers": -1,
    });
    if let (Some(spec), Some(given)) = (spec.as_object_mut(), given.as_object()) {
        spec.extend(given.clone());
    }
    spec
}
