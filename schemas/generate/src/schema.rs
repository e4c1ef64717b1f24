//! The JSON Schemas: what schemars derives from the Rust types, made to say what the wire says.
//!
//! Three things differ. The tag `type` of a message is required and constant; an absent option is left
//! out and never null; an integer has the bounds of its width. Everything else that is generated for
//! people and for Python is read from these definitions, so that there is one source.

use schemars::generate::SchemaSettings;
use schemas::catalogue;
use schemas::profile::{Mover, Verb};
use serde_json::{Map, Value, json};

use crate::{Files, Outcome};

/// The definitions by name, in the order in which the types need each other. A message stands under
/// its `type`, any other type under its name in Rust.
pub struct Definitions(Map<String, Value>);

impl Definitions {
    /// Derives them all.
    pub fn derive() -> Outcome<Self> {
        let mut generator = SchemaSettings::draft2020_12().into_generator();
        for entry in catalogue::ALL {
            (entry.schema)(&mut generator);
        }
        generator.subschema_for::<Mover>();
        generator.subschema_for::<Verb>();
        let mut definitions = generator.take_definitions(true);
        for (name, schema) in &mut definitions {
            normalise(schema);
            if let Some(entry) = catalogue::find(name) {
                tag(schema, entry.kind)?;
            } else if name.ends_with(|c: char| c.is_ascii_digit()) {
                return Err(
                    format!("two types are named {}", name.trim_end_matches(|c: char| c.is_ascii_digit())).into()
                );
            }
        }
        Ok(Self(definitions))
    }

    /// Names and schemas.
    pub fn iter(&self) -> impl Iterator<Item = (&String, &Value)> {
        self.0.iter()
    }

    /// One of them.
    pub fn get(&self, name: &str) -> Outcome<&Value> {
        self.0.get(name).ok_or_else(|| format!("no definition of {name}").into())
    }

    /// One document for each message, with the definitions that it needs.
    pub fn documents(&self, files: &mut Files) -> Outcome<()> {
        for entry in catalogue::ALL {
            let mut needed = Vec::new();
            self.needs(entry.kind, &mut needed)?;
            let mut document = Map::new();
            document.insert("$schema".into(), "https://json-schema.org/draft/2020-12/schema".into());
            document.insert("$id".into(), format!("urn:hms-a2a:{}:{}", schemas::SCHEMA_VERSION, entry.kind).into());
            document.insert("title".into(), (entry.name)().into());
            document.extend(self.get(entry.kind)?.as_object().cloned().unwrap_or_default());
            if !needed.is_empty() {
                let needed =
                    self.0.iter().filter(|(name, _)| needed.contains(name)).map(|(n, s)| (n.clone(), s.clone()));
                document.insert("$defs".into(), Value::Object(needed.collect()));
            }
            files.add_json(&format!("schemas/json/{}.json", entry.kind), &Value::Object(document))?;
        }
        Ok(())
    }

    fn needs<'a>(&'a self, name: &str, found: &mut Vec<&'a String>) -> Outcome<()> {
        let mut references = Vec::new();
        collect_references(self.get(name)?, &mut references);
        for reference in references {
            let (key, _) = self.0.get_key_value(reference).ok_or_else(|| format!("no definition of {reference}"))?;
            if !found.contains(&key) {
                found.push(key);
                self.needs(reference, found)?;
            }
        }
        Ok(())
    }
}

/// The definitions that a schema refers to.
pub fn collect_references<'a>(schema: &'a Value, found: &mut Vec<&'a str>) {
    match schema {
        Value::Object(members) => {
            found.extend(members.get("$ref").and_then(reference));
            members.values().for_each(|member| collect_references(member, found));
        }
        Value::Array(items) => items.iter().for_each(|item| collect_references(item, found)),
        _ => {}
    }
}

/// The name in `#/$defs/name`.
pub fn reference(value: &Value) -> Option<&str> {
    value.as_str()?.strip_prefix("#/$defs/")
}

fn normalise(schema: &mut Value) {
    match schema {
        Value::Array(items) => items.iter_mut().for_each(normalise),
        Value::Object(members) => {
            without_null(members);
            bound(members);
            if let Some(Value::String(text)) = members.get_mut("description") {
                *text = prose(text);
            }
            members.values_mut().for_each(normalise);
        }
        _ => {}
    }
}

/// `anyOf: [x, null]` and `type: [x, "null"]` become x.
fn without_null(members: &mut Map<String, Value>) {
    if let Some(Value::Array(any_of)) = members.get_mut("anyOf") {
        any_of.retain(|schema| schema.get("type").is_none_or(|kind| kind != "null"));
        if let [Value::Object(only)] = any_of.as_slice() {
            let only = only.clone();
            let rest = std::mem::take(members).into_iter().filter(|(key, _)| key != "anyOf");
            *members = only.into_iter().chain(rest).collect();
        }
    }
    if let Some(Value::Array(kinds)) = members.get_mut("type") {
        kinds.retain(|kind| kind != "null");
        if let [only] = kinds.as_slice() {
            let only = only.clone();
            members.insert("type".into(), only);
        }
    }
}

/// Gives an integer the bounds of its width, where it has none narrower.
fn bound(members: &mut Map<String, Value>) {
    let (low, high): (Value, Value) = match members.get("format").and_then(Value::as_str) {
        Some("int64") => (i64::MIN.into(), i64::MAX.into()),
        Some("uint64") => (0.into(), u64::MAX.into()),
        Some("uint32") => (0.into(), u32::MAX.into()),
        Some("uint16") => (0.into(), u16::MAX.into()),
        Some("uint8") => (0.into(), u8::MAX.into()),
        _ => return,
    };
    members.entry("minimum").or_insert(low);
    members.entry("maximum").or_insert(high);
}

/// Rust's documentation as plain prose: lines of a paragraph joined, links unwrapped.
fn prose(text: &str) -> String {
    let paragraphs = text.split("\n\n").map(|paragraph| paragraph.split_whitespace().collect::<Vec<_>>().join(" "));
    let text = paragraphs.collect::<Vec<_>>().join("\n\n");
    text.replace("[`mod@", "`").replace("[`", "`").replace("`]", "`")
}

fn tag(schema: &mut Value, kind: &str) -> Outcome<()> {
    let members = schema.as_object_mut().ok_or("a message is an object")?;
    let mut properties = Map::new();
    properties.insert("type".into(), json!({ "type": "string", "const": kind }));
    if let Some(Value::Object(own)) = members.remove("properties") {
        properties.extend(own);
    }
    let mut required = vec![Value::from("type")];
    if let Some(Value::Array(own)) = members.remove("required") {
        required.extend(own);
    }
    let description = members.remove("description");
    members.insert("properties".into(), properties.into());
    members.insert("required".into(), required.into());
    members.extend(description.map(|text| ("description".to_owned(), text)));
    Ok(())
}
