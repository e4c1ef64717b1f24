//! Spoils each field of each message in each way that its type forbids.
//!
//! Every field of every message is taken away, made nil and given a wrong type. What else a type
//! forbids (a range, a pattern, a length) is tried at the first field of that type alone: the reader of
//! a type is the same wherever it stands.

use std::collections::BTreeSet;

use schemas::catalogue;
use serde_json::Value;

use super::tree::{Node, Step, dotted};
use super::{Example, Vector, full};
use crate::Outcome;
use crate::schema::{Definitions, reference};

/// Messages with a union inside, whose every example is spoilt.
const UNIONS: [&str; 2] = ["deal.event", "certificate"];

/// Messages of several shapes, no one of which may have every field: likewise.
const SHAPES: [&str; 1] = ["trade_balance.divide"];

/// Adds the vectors of every message.
pub fn spoil_everything(definitions: &Definitions, good: &[Example], vectors: &mut Vec<Vector>) -> Outcome<()> {
    let mut seen = BTreeSet::new();
    for entry in catalogue::ALL {
        for example in good.iter().filter(|example| example.kind == entry.kind) {
            // Examples of unions differ in their variants; of all others the first has every field.
            let several = UNIONS.iter().chain(&SHAPES).any(|kind| *kind == example.kind);
            if several || std::ptr::eq(example, full(good, entry.kind)?) {
                let mut spoiler = Spoiler { definitions, example, seen: &mut seen, vectors };
                spoiler.object(definitions.get(entry.kind)?, &mut Vec::new(), true)?;
            }
        }
    }
    Ok(())
}

struct Spoiler<'a> {
    definitions: &'a Definitions,
    example: &'a Example,
    /// Types whose own rules are tried already.
    seen: &'a mut BTreeSet<String>,
    vectors: &'a mut Vec<Vector>,
}

impl Spoiler<'_> {
    fn add(&mut self, path: &[Step], what: &str, node: &Node, reason: &str, schema_sees: bool) -> Outcome<()> {
        let field = dotted(path);
        let name = format!("{}: {field} {what}", self.example.name);
        self.vectors.push(Vector::spoilt(&self.example.kind, name, node, &field, reason, schema_sees)?);
        Ok(())
    }

    fn replace(&mut self, path: &[Step], what: &str, by: Node, reason: &str, schema_sees: bool) -> Outcome<()> {
        let node = self.example.node.with(path, by)?;
        self.add(path, what, &node, reason, schema_sees)
    }

    fn object(&mut self, schema: &Value, path: &mut Vec<Step>, root: bool) -> Outcome<()> {
        let required: Vec<&str> =
            schema.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect();
        for (name, schema) in schema.get("properties").and_then(Value::as_object).into_iter().flatten() {
            path.push(Step::Key(name.clone()));
            if name == "type" {
                self.tag(path, root)?;
            } else if self.example.node.at(path).is_some() {
                self.field(name, schema, path, required.contains(&name.as_str()))?;
            } else if self.example.name == "full" && !matches!(path.iter().rev().nth(1), Some(Step::Index(_))) {
                return Err(format!("the full example of {} lacks {}", self.example.kind, dotted(path)).into());
            }
            path.pop();
        }
        Ok(())
    }

    /// Fields that the first entry of an array lacks and another has.
    fn other_entries(&mut self, schema: &Value, path: &mut Vec<Step>) -> Outcome<()> {
        for (name, schema) in schema.get("properties").and_then(Value::as_object).into_iter().flatten() {
            let place = |index: usize| [path.as_slice(), &[Step::Index(index), Step::Key(name.clone())]].concat();
            let has = |index: &usize| self.example.node.at(&place(*index)).is_some();
            if name != "type" && !has(&0) {
                match (1..3).find(has) {
                    Some(index) => self.field(name, schema, &mut place(index), false)?,
                    None => {
                        return Err(
                            format!("the full example of {} lacks {}", self.example.kind, dotted(&place(0))).into()
                        );
                    }
                }
            }
        }
        Ok(())
    }

    fn tag(&mut self, path: &[Step], root: bool) -> Outcome<()> {
        // A message inside another may leave its type out: where it stands says what it is.
        let union = !root && self.example.node.at(path).is_some() && UNIONS.contains(&self.example.kind.as_str());
        if root || union {
            let node = self.example.node.without(path)?;
            self.add(path, "missing", &node, "the type is not there", true)?;
        }
        self.replace(
            path,
            "unknown",
            Node::Text("no.such".into()),
            "no type of the contract, or not one that may stand here",
            true,
        )?;
        self.replace(path, "a number", Node::Int(1), "a type is a string", true)?;
        self.replace(path, "nil", Node::Nil, "nil", true)
    }

    fn field(&mut self, name: &str, schema: &Value, path: &mut Vec<Step>, required: bool) -> Outcome<()> {
        let spoilt_before =
            self.example.kind == "deal.event" && !dotted(path).starts_with("what") && self.example.name != "opened";
        if spoilt_before {
            return Ok(());
        }
        if required {
            let node = self.example.node.without(path)?;
            self.add(path, "missing", &node, &format!("the field {name} is not there"), true)?;
        }
        self.replace(path, "nil", Node::Nil, "nil is no value: an absent field is left out", true)?;
        self.value(schema, path)
    }

    fn value(&mut self, schema: &Value, path: &mut Vec<Step>) -> Outcome<()> {
        let definition = schema.get("$ref").and_then(reference);
        let resolved = match definition {
            Some(name) => self.definitions.get(name)?,
            None => schema,
        };
        let new = self.seen.insert(definition.map_or_else(|| bare(resolved), str::to_owned));
        let text = |key: &str| resolved.get(key).and_then(Value::as_str);
        let words = words(resolved);
        match (definition, text("type")) {
            (Some("Hash"), _) => {
                self.replace(path, "as text", Node::Text("ab".repeat(32)), "a hash is a byte string", false)?;
                if new {
                    self.replace(path, "31 bytes", Node::Bytes(vec![7; 31]), "a SHA-256 has 32 bytes", true)?;
                    self.replace(path, "33 bytes", Node::Bytes(vec![7; 33]), "a SHA-256 has 32 bytes", true)?;
                    self.replace(
                        path,
                        "as numbers",
                        Node::Array(vec![Node::Int(7); 32]),
                        "a hash is a byte string",
                        true,
                    )?;
                }
                Ok(())
            }
            (Some("Rational"), _) => self.rational(path, new, super::names::wide_rationals),
            (Some("Ratio"), _) => self.rational(path, new, super::names::wide_ratios),
            _ if !words.is_empty() => {
                self.replace(path, "a number", Node::Int(0), "a word, not its place in the list", true)?;
                if new {
                    self.replace(path, "unknown", Node::Text("unheard-of".into()), "no such word", true)?;
                    self.replace(path, "capitals", Node::Text(words.concat().to_uppercase()), "no such word", true)?;
                    let bytes = words.first().map(|word| word.as_bytes().to_vec()).unwrap_or_default();
                    self.replace(path, "as bytes", Node::Bytes(bytes), "a word is a string", true)?;
                    let map =
                        Node::Map(words.iter().take(1).map(|word| (word.clone(), Node::Array(Vec::new()))).collect());
                    self.replace(path, "a map", map, "a word is a string", true)?;
                }
                Ok(())
            }
            (_, None) => self.union(resolved, path),
            (_, Some("string")) if text("contentEncoding").is_some() => {
                self.replace(path, "as text", Node::Text("00ff".into()), "bytes are a byte string", false)?;
                if new {
                    self.replace(
                        path,
                        "as numbers",
                        Node::Array(vec![Node::Int(0), Node::Int(255)]),
                        "bytes are a byte string",
                        true,
                    )?;
                }
                Ok(())
            }
            (_, Some("string")) => self.text(path, text("pattern").is_some(), new),
            (_, Some("boolean")) => self.replace(path, "a number", Node::Int(1), "true or false", true),
            (_, Some("integer")) => self.integer(resolved, path, new),
            (_, Some("array")) => {
                self.replace(path, "a map", Node::Map(Vec::new()), "an array", true)?;
                path.push(Step::Index(0));
                if self.example.node.at(path).is_some() {
                    self.replace(path, "nil", Node::Nil, "nil", true)?;
                    let items = resolved.get("items").ok_or("an array of what?")?;
                    let definition = items.get("$ref").and_then(reference);
                    let new = definition.is_some_and(|name| !self.seen.contains(name));
                    self.value(items, path)?;
                    if let (true, Some(name)) = (new, definition) {
                        path.pop();
                        self.other_entries(self.definitions.get(name)?, path)?;
                        path.push(Step::Index(0));
                    }
                } else if self.example.name == "full" {
                    return Err(
                        format!("the full example of {} has nothing at {}", self.example.kind, dotted(path)).into()
                    );
                }
                path.pop();
                Ok(())
            }
            (_, Some("object")) => {
                self.replace(path, "an array", Node::Array(Vec::new()), "a map", true)?;
                if new || self.example.kind == "deal.event" && path.len() < 2 {
                    let positional = match self.example.node.at(path) {
                        Some(Node::Map(entries)) => Node::Array(entries.iter().map(|(_, node)| node.clone()).collect()),
                        _ => Node::Array(vec![Node::Int(1)]),
                    };
                    if positional != Node::Array(Vec::new()) {
                        self.replace(path, "by position", positional, "a map, never fields by position", true)?;
                    }
                    self.object(resolved, path, false)?;
                }
                Ok(())
            }
            (_, Some(other)) => Err(format!("nothing to spoil in {other}").into()),
        }
    }

    fn union(&mut self, schema: &Value, path: &mut Vec<Step>) -> Outcome<()> {
        let tag = [path.as_slice(), &[Step::Key("type".into())]].concat();
        let Some(Node::Text(kind)) = self.example.node.at(&tag).cloned() else {
            return Err("a union without a tag".into());
        };
        let variants = schema.get("oneOf").and_then(Value::as_array).into_iter().flatten();
        let variant =
            variants.into_iter().find(|v| v.pointer("/properties/type/const").and_then(Value::as_str) == Some(&kind));
        self.replace(path, "an array", Node::Array(Vec::new()), "a map", true)?;
        self.replace(path, "a word", Node::Text(kind), "a map", true)?;
        self.object(variant.ok_or("no such variant")?, path, false)
    }

    fn text(&mut self, path: &[Step], token: bool, new: bool) -> Outcome<()> {
        self.replace(path, "a number", Node::Int(7), "a string", true)?;
        if !new {
            return Ok(());
        }
        let same = match self.example.node.at(path) {
            Some(Node::Text(text)) => text.clone().into_bytes(),
            _ => Vec::new(),
        };
        self.replace(path, "as bytes", Node::Bytes(same), "a string, not a byte string", false)?;
        self.replace(path, "not UTF-8", Node::Raw(vec![0xa2, 0xc3, 0x28]), "a string is UTF-8", false)?;
        self.replace(path, "a surrogate", Node::Raw(vec![0xa3, 0xed, 0xa0, 0x80]), "a string is UTF-8", false)?;
        if token {
            let long = "a".repeat(65);
            let cases = [
                ("empty", "", true),
                ("a wildcard", "*", true),
                ("the rest", ">", true),
                ("two tokens", "a.b", true),
                ("a space", "a b", true),
                ("not ASCII", "kenyä", true),
                ("a slash", "a/b", true),
                ("a zero byte", "a\0", true),
                ("too long", &long, true),
                // Python's `$` matches before a last line feed.
                ("a line feed at the end", "aaaaaaaaaaaaaaaaaaaaaaaaaa\n", false),
            ];
            for (what, text, schema_sees) in cases {
                self.replace(path, what, Node::Text(text.into()), "not a name of this kind", schema_sees)?;
            }
        }
        Ok(())
    }

    fn integer(&mut self, schema: &Value, path: &[Step], new: bool) -> Outcome<()> {
        self.replace(path, "text", Node::Text("7".into()), "an integer", true)?;
        self.replace(path, "a float", Node::Float(1.0), "an integer, never a float", false)?;
        if !new {
            return Ok(());
        }
        self.replace(path, "true", Node::Bool(true), "an integer", true)?;
        self.replace(path, "bytes", Node::Bytes(vec![7]), "an integer", true)?;
        self.replace(path, "a fraction", Node::Float(1.5), "an integer, never a float", true)?;
        let low = schema.get("minimum").and_then(Value::as_i64).ok_or("an integer without bounds")?;
        let high = schema.get("maximum").and_then(Value::as_u64).ok_or("an integer without bounds")?;
        if let Some(below) = low.checked_sub(1) {
            self.replace(path, "too small", Node::Int(below.into()), &format!("at least {low}"), true)?;
        }
        if low >= 0 {
            self.replace(path, "the least integer", Node::Int(i64::MIN.into()), &format!("at least {low}"), true)?;
        }
        if let Some(above) = high.checked_add(1) {
            self.replace(path, "too large", Node::Int(above.into()), &format!("at most {high}"), true)?;
            self.replace(path, "the largest integer", Node::Int(u64::MAX.into()), &format!("at most {high}"), true)?;
        }
        Ok(())
    }

    fn rational(&mut self, path: &[Step], new: bool, wide: fn() -> [(String, &'static str, bool); 2]) -> Outcome<()> {
        self.replace(path, "a number", Node::Int(3), "a ratio is a string", true)?;
        self.replace(path, "a float", Node::Float(0.5), "a ratio is a string", true)?;
        if new {
            for (text, reason, schema_sees) in super::names::BAD_RATIONALS {
                self.replace(path, &format!("{text:?}"), Node::Text(text.into()), reason, schema_sees)?;
            }
            for (text, reason, schema_sees) in wide() {
                let short: String = text.chars().take(24).collect();
                self.replace(path, &format!("{short:?}"), Node::Text(text), reason, schema_sees)?;
            }
        }
        Ok(())
    }
}

/// What a schema without a name of its own is, for telling whether its rules are tried already.
fn bare(schema: &Value) -> String {
    let part = |key: &str| schema.get(key).map(Value::to_string).unwrap_or_default();
    format!("{} {} {} {}", part("type"), part("contentEncoding"), part("minimum"), part("maximum"))
}

/// The words of an enum without fields.
fn words(schema: &Value) -> Vec<String> {
    let listed = schema.get("enum").and_then(Value::as_array).into_iter().flatten();
    let constants = schema.get("oneOf").and_then(Value::as_array).into_iter().flatten().filter_map(|v| v.get("const"));
    listed.chain(constants).filter_map(Value::as_str).map(str::to_owned).collect()
}
