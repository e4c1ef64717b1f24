//! The typed Python module: one `msgspec.Struct` for each message and part, in Rust's field order, so
//! that both languages write the same bytes.
//!
//! `omit_defaults` leaves out a field whose value *is* its default, or an empty list whose default is
//! made by `list`. What Rust always writes must therefore get its default from a factory that msgspec
//! does not compare: a lambda.

use std::collections::BTreeSet;
use std::fmt::Write;

use schemas::catalogue;
use serde_json::Value;

use crate::Outcome;
use crate::schema::{Definitions, collect_references, reference};

/// Widest line of generated Python, in characters: ruff's setting.
pub const LINE_CHARS: usize = 120;

/// Enums whose variants carry fields become unions of classes; the classes are named with this prefix.
const VARIANT_PREFIXES: [(&str, &str); 1] = [("Happening", "Deal")];

/// Words that are signs, and what Python calls them.
const SIGNS: [(&str, &str); 3] = [(">=", "AT_LEAST"), (">", "ABOVE"), ("=", "EQUAL")];

const OPENING: &str = r#""""The messages of the contract, one class each: generated from the crate `schemas`, do not edit.

Fields stand in the order in which they are encoded. A field that may be absent defaults to None or to an
empty list and is then left out; other defaults are written. What no type can say, `_check` checks.
"""

import enum
from fractions import Fraction
from typing import Annotated, ClassVar, TypeAlias

import msgspec
from msgspec import Meta

from hms_a2a._rational import Ratio

Int64: TypeAlias = Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)]
UInt8: TypeAlias = Annotated[int, Meta(ge=0, le=2**8 - 1)]
UInt16: TypeAlias = Annotated[int, Meta(ge=0, le=2**16 - 1)]
UInt32: TypeAlias = Annotated[int, Meta(ge=0, le=2**32 - 1)]
UInt64: TypeAlias = Annotated[int, Meta(ge=0)]


class Record(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A part of a message."""


class Message(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="type"):
    """A body of the contract."""

    TYPE: ClassVar[str]
"#;

/// The whole module.
pub fn module(definitions: &Definitions) -> Outcome<String> {
    let mut text = OPENING.to_owned();
    let mut after_class = true;
    let mut names = BTreeSet::new();
    for name in in_order(definitions)? {
        if !names.insert(class_name(name)) {
            return Err(format!("two classes are named {}", class_name(name)).into());
        }
        let mut block = String::new();
        define(&mut block, definitions, name)?;
        if block.is_empty() {
            continue;
        }
        let is_class = block.starts_with("class");
        text.push_str(if is_class || after_class { "\n\n" } else { "\n" });
        text.push_str(&block);
        after_class = is_class;
    }
    text.push_str("\n\nMESSAGES: tuple[type[Message], ...] = (\n");
    for entry in catalogue::ALL {
        writeln!(text, "    {},", (entry.name)())?;
    }
    text.push_str(")\n\"\"\"Every message.\"\"\"\n");
    match text.lines().find(|line| line.chars().count() > LINE_CHARS) {
        Some(long) => Err(format!("a line of Python is too long: {long}").into()),
        None => Ok(text),
    }
}

/// The definitions, each after those that it needs.
fn in_order(definitions: &Definitions) -> Outcome<Vec<&str>> {
    fn visit<'a>(
        definitions: &'a Definitions,
        name: &'a str,
        open: &mut BTreeSet<&'a str>,
        done: &mut Vec<&'a str>,
    ) -> Outcome<()> {
        if done.contains(&name) {
            return Ok(());
        }
        if !open.insert(name) {
            return Err(format!("{name} contains itself").into());
        }
        let mut needed = Vec::new();
        collect_references(definitions.get(name)?, &mut needed);
        for needed in needed {
            visit(definitions, needed, open, done)?;
        }
        done.push(name);
        Ok(())
    }
    let mut done = Vec::new();
    for (name, _) in definitions.iter() {
        visit(definitions, name, &mut BTreeSet::new(), &mut done)?;
    }
    Ok(done)
}

/// The Python name of a definition.
fn class_name(definition: &str) -> &str {
    catalogue::find(definition).map_or(definition, |entry| (entry.name)())
}

fn description(schema: &Value) -> &str {
    schema.get("description").and_then(Value::as_str).unwrap_or_default()
}

fn define(text: &mut String, definitions: &Definitions, name: &str) -> Outcome<()> {
    let schema = definitions.get(name)?;
    let variants = schema.get("oneOf").and_then(Value::as_array);
    let words = schema.get("enum").and_then(Value::as_array);
    let kind = schema.get("type").and_then(Value::as_str);
    match (variants, words, kind) {
        (Some(variants), _, _) if variants.iter().all(|v| v.get("const").is_some()) => {
            let words: Vec<_> =
                variants.iter().filter_map(|v| Some((v.get("const")?.as_str()?, description(v)))).collect();
            enumeration(text, name, description(schema), &words)
        }
        (_, Some(words), _) => {
            let words: Vec<_> = words.iter().filter_map(|word| Some((word.as_str()?, ""))).collect();
            enumeration(text, name, description(schema), &words)
        }
        (Some(variants), _, _) => union(text, name, description(schema), variants),
        (_, _, Some("object")) => {
            let tag = catalogue::find(name).map(|entry| entry.kind);
            class(text, class_name(name), if tag.is_some() { "Message" } else { "Record" }, tag, schema)
        }
        (_, _, Some("string" | "integer")) => alias(text, name, schema),
        _ => Err(format!("no Python for the definition {name}: {schema}").into()),
    }
}

fn alias(text: &mut String, name: &str, schema: &Value) -> Outcome<()> {
    let target = match name {
        "Rational" => "Fraction".to_owned(),
        // A class of its own, in `_rational`.
        "Ratio" => return Ok(()),
        "Hash" => "Annotated[bytes, Meta(min_length=32, max_length=32)]".to_owned(),
        _ => kind_of(schema)?,
    };
    writeln!(text, "{name}: TypeAlias = {target}")?;
    docstring(text, "", &sentence(description(schema)))
}

fn enumeration(text: &mut String, name: &str, about: &str, words: &[(&str, &str)]) -> Outcome<()> {
    writeln!(text, "class {name}(enum.StrEnum):")?;
    docstring(text, "    ", about)?;
    text.push('\n');
    for (word, about) in words {
        let sign = SIGNS.iter().find(|(sign, _)| sign == word).map(|(_, name)| (*name).to_owned());
        let member = sign.unwrap_or_else(|| {
            word.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' }).collect()
        });
        writeln!(text, "    {member} = \"{word}\"")?;
        docstring(text, "    ", about)?;
    }
    Ok(())
}

fn union(text: &mut String, name: &str, about: &str, variants: &[Value]) -> Outcome<()> {
    let prefix = VARIANT_PREFIXES.iter().find(|(of, _)| *of == name).map_or(name, |(_, prefix)| prefix);
    let mut classes = Vec::new();
    for variant in variants {
        let tag = variant.pointer("/properties/type/const").and_then(Value::as_str).ok_or("a variant without a tag")?;
        let pascal: String = tag.split('_').map(capitalised).collect();
        let class_name = format!("{prefix}{pascal}");
        class(text, &class_name, "Record", Some(tag), variant)?;
        text.push_str("\n\n");
        classes.push(class_name);
    }
    let line = format!("{name}: TypeAlias = {}", classes.join(" | "));
    if line.len() <= LINE_CHARS {
        writeln!(text, "{line}")?;
    } else {
        write!(text, "{name}: TypeAlias = (\n    {}\n)\n", classes.join("\n    | "))?;
    }
    docstring(text, "", about)
}

fn capitalised(word: &str) -> String {
    let mut letters = word.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}

fn class(text: &mut String, name: &str, base: &str, tag: Option<&str>, schema: &Value) -> Outcome<()> {
    let tagging = match (base, tag) {
        ("Record", Some(tag)) => format!(", tag_field=\"type\", tag=\"{tag}\""),
        (_, Some(tag)) => format!(", tag=\"{tag}\""),
        _ => String::new(),
    };
    writeln!(text, "class {name}({base}, frozen=True, kw_only=True{tagging}):")?;
    docstring(text, "    ", description(schema))?;
    if let Some(tag) = tag {
        write!(text, "\n    TYPE: ClassVar[str] = \"{tag}\"\n")?;
    }
    let required: Vec<&str> =
        schema.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect();
    for (index, (field, schema)) in
        schema.get("properties").and_then(Value::as_object).into_iter().flatten().enumerate()
    {
        if field == "type" && tag.is_some() {
            continue;
        }
        if index == 0 {
            text.push('\n');
        }
        member(text, field, schema, required.contains(&field.as_str()))
            .map_err(|error| format!("{name}.{field}: {error}"))?;
    }
    Ok(())
}

fn member(text: &mut String, field: &str, schema: &Value, required: bool) -> Outcome<()> {
    const KEYWORDS: [&str; 6] = ["from", "in", "is", "as", "class", "global"];
    let kind = kind_of(schema)?;
    let renamed = KEYWORDS.contains(&field);
    let name = if renamed { format!("{field}_") } else { field.to_owned() };
    let rename = if renamed { format!("name=\"{field}\"") } else { String::new() };
    let default = match schema.get("default") {
        _ if required => None,
        Some(default) => Some(format!("default_factory=lambda: {}", literal(default, &kind)?)),
        None if kind.starts_with("list[") => Some("default_factory=list".to_owned()),
        None => Some("default=None".to_owned()),
    };
    let optional = if default.as_deref() == Some("default=None") { " | None" } else { "" };
    let value = match default.as_deref() {
        Some("default=None") if !renamed => " = None".to_owned(),
        None if !renamed => String::new(),
        Some(default) if renamed => format!(" = msgspec.field({rename}, {default})"),
        Some(default) => format!(" = msgspec.field({default})"),
        None => format!(" = msgspec.field({rename})"),
    };
    writeln!(text, "    {name}: {kind}{optional}{value}")?;
    docstring(text, "    ", description(schema))
}

/// A default as Python.
fn literal(default: &Value, kind: &str) -> Outcome<String> {
    Ok(match default {
        Value::Number(number) => number.to_string(),
        Value::Bool(true) => "True".into(),
        Value::Bool(false) => "False".into(),
        Value::Array(items) if items.is_empty() => "[]".into(),
        Value::String(word) if kind != "str" => format!("{kind}.{}", word.to_ascii_uppercase()),
        Value::String(word) => format!("\"{word}\""),
        // Only the lists are required; the rest of a default struct is its own default.
        Value::Object(members) => {
            let lists: Vec<_> =
                members.iter().filter(|(_, v)| v.is_array()).map(|(name, _)| format!("{name}=[]")).collect();
            format!("{kind}({})", lists.join(", "))
        }
        other => return Err(format!("no Python for the default {other}").into()),
    })
}

/// A schema as a Python type.
fn kind_of(schema: &Value) -> Outcome<String> {
    if let Some(name) = schema.get("$ref").and_then(reference) {
        return Ok(class_name(name).to_owned());
    }
    Ok(match schema.get("type").and_then(Value::as_str) {
        Some("boolean") => "bool".to_owned(),
        Some("string") if schema.get("contentEncoding").is_some() => "bytes".to_owned(),
        Some("string") => match schema.get("pattern").and_then(Value::as_str) {
            Some(pattern) => format!("Annotated[str, Meta(pattern=r\"{}\")]", anchored(pattern)),
            None => "str".to_owned(),
        },
        Some("array") => {
            let list = format!("list[{}]", kind_of(schema.get("items").ok_or("an array of what?")?)?);
            let length = |key: &str| schema.get(key).and_then(Value::as_u64);
            match (length("minItems"), length("maxItems")) {
                (Some(least), Some(most)) => format!("Annotated[{list}, Meta(min_length={least}, max_length={most})]"),
                _ => list,
            }
        }
        Some("integer") => integer(schema)?,
        _ => return Err(format!("no Python for {schema}").into()),
    })
}

/// Python's `$` also matches before a last line feed.
pub fn anchored(pattern: &str) -> String {
    pattern.strip_suffix('$').map_or(pattern.to_owned(), |start| format!("{start}\\Z"))
}

fn integer(schema: &Value) -> Outcome<String> {
    let low = schema.get("minimum").and_then(Value::as_i64).ok_or("an integer without bounds")?;
    let high = schema.get("maximum").and_then(Value::as_u64).ok_or("an integer without bounds")?;
    let largest = i64::MAX.unsigned_abs();
    Ok(match (low, high) {
        (i64::MIN, h) if h == largest => "Int64".into(),
        (0, u64::MAX) => "UInt64".into(),
        (0, h) if h == u64::from(u32::MAX) => "UInt32".into(),
        (0, h) if h == u64::from(u16::MAX) => "UInt16".into(),
        (0, h) if h == u64::from(u8::MAX) => "UInt8".into(),
        (low, h) if h == largest => format!("Annotated[int, Meta(ge={low}, le=2**63 - 1)]"),
        (low, high) => format!("Annotated[int, Meta(ge={low}, le={high})]"),
    })
}

/// A phrase as a sentence.
fn sentence(text: &str) -> String {
    let mut text = capitalised(text);
    if !text.is_empty() && !text.ends_with('.') {
        text.push('.');
    }
    text
}

/// A docstring, wrapped as ruff leaves it.
pub fn docstring(text: &mut String, indent: &str, about: &str) -> Outcome<()> {
    if about.is_empty() {
        return Ok(());
    }
    if about.ends_with('"') || about.contains('\\') {
        return Err(format!("not a docstring: {about}").into());
    }
    let width = LINE_CHARS.saturating_sub(indent.len());
    if about.chars().count() + 6 <= width && !about.contains('\n') {
        writeln!(text, "{indent}\"\"\"{about}\"\"\"")?;
        return Ok(());
    }
    let mut lines = Vec::new();
    for paragraph in about.split('\n') {
        // Its last line has room for the quotes, which formatters would put there.
        lines.extend(wrapped(paragraph, width.saturating_sub(if about.contains('\n') { 3 } else { 6 })));
    }
    writeln!(
        text,
        "{indent}\"\"\"{}",
        lines.join("\n").replace('\n', &format!("\n{indent}")).replace(&format!("\n{indent}\n"), "\n\n")
    )?;
    writeln!(text, "{indent}\"\"\"")?;
    Ok(())
}

/// A paragraph in lines of at most `width` characters.
pub fn wrapped(paragraph: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in paragraph.split(' ') {
        let fits = lines
            .last()
            .is_some_and(|line| line.is_empty() || line.chars().count() + 1 + word.chars().count() <= width);
        match lines.last_mut() {
            Some(line) if fits => {
                if !line.is_empty() {
                    line.push(' ');
                }
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}
