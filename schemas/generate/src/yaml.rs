//! JSON as YAML: block style, strings quoted as JSON quotes them, which YAML 1.2 reads alike.

use std::fmt::Write;

use serde_json::Value;

/// A document.
pub fn document(value: &Value) -> String {
    let mut text = String::new();
    append(&mut text, value, 0);
    text
}

fn append(text: &mut String, value: &Value, indent: usize) {
    let pad = "  ".repeat(indent);
    match value {
        Value::Object(members) if !members.is_empty() => {
            for (key, member) in members {
                let _ = write!(text, "{pad}{}:", scalar_key(key));
                nested(text, member, indent);
            }
        }
        Value::Array(items) if !items.is_empty() => {
            for item in items {
                let _ = write!(text, "{pad}-");
                nested(text, item, indent);
            }
        }
        other => {
            let _ = writeln!(text, "{pad}{other}");
        }
    }
}

fn nested(text: &mut String, value: &Value, indent: usize) {
    match value {
        Value::Object(members) if !members.is_empty() => {
            text.push('\n');
            append(text, value, indent + 1);
        }
        Value::Array(items) if !items.is_empty() => {
            text.push('\n');
            append(text, value, indent + 1);
        }
        scalar => {
            let _ = writeln!(text, " {scalar}");
        }
    }
}

/// A key as it is where YAML reads it as that string, else quoted.
fn scalar_key(key: &str) -> String {
    let plain = key.starts_with(|c: char| c.is_ascii_alphabetic() || c == '$')
        && key.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | '$'))
        && !["true", "false", "null", "yes", "no", "on", "off", "y", "n"].contains(&key.to_ascii_lowercase().as_str());
    if plain { key.to_owned() } else { Value::from(key).to_string() }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_yaml_would_read_otherwise_is_quoted() {
        let value = json!({ "on": true, "$ref": "#/a", "empty": {}, "none": null, "list": [1, "2", { "a.b": "x: y\n" }], "ü": [] });
        let text = "\"on\": true\n$ref: \"#/a\"\nempty: {}\nnone: null\nlist:\n  - 1\n  - \"2\"\n  -\n    a.b: \"x: y\\n\"\n\"ü\": []\n";
        assert_eq!(document(&value), text);
    }
}
