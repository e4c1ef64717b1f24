//! Bringing a stream to its specification.
//!
//! The specification goes to the server as it is written, without passing through types that might not know a
//! new setting. Only what it mentions is compared, so that the server's own defaults are not differences.

use std::time::Duration;

use serde_json::{Value, json};

use super::{Nats, append::ApiError};
use crate::port::{Difference, ProvisionError, Provisioned};

impl Nats {
    pub(super) async fn provision(&self, spec: &Value) -> Result<Provisioned, ProvisionError> {
        let name = spec_name(spec)?;
        let (plan, is) = self.plan(spec).await?;
        match plan {
            Provisioned::Created => self.api(name, "CREATE", spec).await?,
            Provisioned::Unchanged => Value::Null,
            // What the specification leaves out stays as it is.
            Provisioned::Updated(_) => self.api(name, "UPDATE", &overlaid(&is, spec)).await?,
        };
        Ok(plan)
    }

    /// What there is to do, and the stream's configuration as it is.
    pub(super) async fn plan(&self, spec: &Value) -> Result<(Provisioned, Value), ProvisionError> {
        let info = match self.api(spec_name(spec)?, "INFO", &json!({})).await {
            Ok(info) => info,
            // No such stream.
            Err(ProvisionError::Refused { code: 10059, .. }) => return Ok((Provisioned::Created, Value::Null)),
            Err(error) => return Err(error),
        };
        let is = info.get("config").cloned().unwrap_or_default();
        let differences = differences(spec, &is);
        let plan = if differences.is_empty() { Provisioned::Unchanged } else { Provisioned::Updated(differences) };
        Ok((plan, is))
    }

    async fn api(&self, stream: &str, verb: &str, body: &Value) -> Result<Value, ProvisionError> {
        let asked = self.jetstream.request::<_, _, Value>(format!("STREAM.{verb}.{stream}"), body);
        let mut answer = tokio::time::timeout(Duration::from_millis(self.timeout_ms), asked)
            .await
            .ok()
            .and_then(Result::ok)
            .ok_or(ProvisionError::Unavailable)?;
        match answer.get_mut("error").map(Value::take) {
            None => Ok(answer),
            Some(error) => {
                let error: ApiError = serde_json::from_value(error).map_err(|_| ProvisionError::Unavailable)?;
                let code = if error.err_code == 0 { error.code } else { error.err_code };
                Err(ProvisionError::Refused { stream: stream.to_owned(), code, text: error.description })
            }
        }
    }
}

/// The stream's name in a specification.
pub(crate) fn spec_name(spec: &Value) -> Result<&str, ProvisionError> {
    let name = spec.get("name").and_then(Value::as_str).unwrap_or_default();
    if name.is_empty() || name.contains(|c: char| c.is_whitespace() || matches!(c, '.' | '*' | '>' | '/' | '\\')) {
        return Err(ProvisionError::BadSpec(format!("{name:?} is not a stream's name")));
    }
    Ok(name)
}

/// The settings that `spec` mentions and `is` has otherwise.
pub(crate) fn differences(spec: &Value, is: &Value) -> Vec<Difference> {
    let Some(spec) = spec.as_object() else { return Vec::new() };
    let mut differences = Vec::new();
    for (setting, wanted) in spec {
        let was = is.get(setting).unwrap_or(&Value::Null);
        if !agrees(wanted, was) {
            differences.push(Difference { setting: setting.clone(), was: was.clone(), is: wanted.clone() });
        }
    }
    differences
}

/// Whether a setting is as wanted. The server leaves out what is at its zero, and adds what was left out.
fn agrees(wanted: &Value, is: &Value) -> bool {
    match (wanted, is) {
        (Value::Object(wanted), Value::Object(is)) => {
            wanted.iter().all(|(key, value)| agrees(value, is.get(key).unwrap_or(&Value::Null)))
        }
        (Value::Array(wanted), Value::Array(is)) => {
            wanted.len() == is.len() && wanted.iter().zip(is).all(|(wanted, is)| agrees(wanted, is))
        }
        (wanted, Value::Null) => is_zero(wanted),
        (wanted, is) => wanted == is,
    }
}

fn is_zero(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Bool(yes) => !yes,
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(entries) => entries.values().all(is_zero),
    }
}

fn overlaid(is: &Value, spec: &Value) -> Value {
    let mut all = is.as_object().cloned().unwrap_or_default();
    for (setting, wanted) in spec.as_object().into_iter().flatten() {
        all.insert(setting.clone(), wanted.clone());
    }
    Value::Object(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_mentioned_and_differs_is_a_difference() {
        let is = json!({"name": "A", "subjects": ["a.>"], "max_age": 0, "storage": "file", "republish": {"src": ">", "dest": "x.>", "headers_only": false}});
        assert_eq!(
            differences(&json!({"name": "A", "republish": {"src": ">", "dest": "x.>"}, "sealed": false}), &is),
            []
        );
        let found = differences(&json!({"name": "A", "subjects": ["a.>", "b"], "deny_delete": true}), &is);
        let settings: Vec<&str> = found.iter().map(|difference| difference.setting.as_str()).collect();
        assert_eq!(settings, ["subjects", "deny_delete"]);
    }

    #[test]
    fn names_that_would_change_the_request_are_refused() {
        for name in ["", "A.B", "*", "A >", "A B", "A/B"] {
            assert!(spec_name(&json!({"name": name})).is_err(), "{name:?}");
        }
        assert_eq!(spec_name(&json!({"name": "HMS_DEALS"})), Ok("HMS_DEALS"));
        assert!(spec_name(&json!({})).is_err());
    }
}
