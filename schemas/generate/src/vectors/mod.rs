//! The test vectors that every implementation of the contract runs: bodies good and bad, signatures,
//! names, ratios, subjects.
//!
//! A good body says what it decodes to and that encoding gives the same bytes again, or which others.
//! A bad one has exactly one fault. Where the fault sits follows from how the body was spoilt and is
//! not asked of the codec, so that the codec can fail its tests.

mod divisions;
mod evidence;
mod evolutions;
mod examples;
mod faults;
mod infix;
mod names;
mod negotiations;
mod proofs;
mod rng;
mod rules;
mod signatures;
mod structure;
mod tasks;
pub mod tree;

use schemas::{Hash, catalogue};
use serde_json::{Map, Value, json};

use crate::schema::Definitions;
use crate::{Files, Outcome};
use tree::{Node, hex};

/// A body and what must come of it.
pub struct Vector {
    name: String,
    kind: String,
    json: Option<Value>,
    bytes: Bytes,
    verdict: Verdict,
}

/// A body's bytes.
enum Bytes {
    /// As they are.
    Plain(Vec<u8>),
    /// Too many to write down: a start, a middle so many times, an end.
    Repeated { start: Vec<u8>, middle: Vec<u8>, times: usize, end: Vec<u8> },
}

enum Verdict {
    /// It is read, and written again as these bytes, or as it was.
    Good { rewritten: Option<Vec<u8>> },
    /// It is refused at this field for this reason; the JSON Schema sees it or cannot.
    Bad { field: String, reason: String, schema_sees: bool },
}

impl Vector {
    /// A bad body.
    fn bad(kind: &str, name: String, bytes: Vec<u8>, field: &str, reason: &str) -> Self {
        let verdict = Verdict::Bad { field: field.to_owned(), reason: reason.to_owned(), schema_sees: false };
        Self { name, kind: kind.to_owned(), json: None, bytes: Bytes::Plain(bytes), verdict }
    }

    /// A bad body that is still MessagePack.
    fn spoilt(kind: &str, name: String, node: &Node, field: &str, reason: &str, schema_sees: bool) -> Outcome<Self> {
        let mut vector = Self::bad(kind, name, node.write()?, field, reason);
        vector.json = node.to_json();
        vector.verdict = Verdict::Bad { field: field.to_owned(), reason: reason.to_owned(), schema_sees };
        Ok(vector)
    }

    fn content(&self) -> Vec<u8> {
        match &self.bytes {
            Bytes::Plain(bytes) => bytes.clone(),
            Bytes::Repeated { start, middle, times, end } => {
                [start.clone(), middle.repeat(*times), end.clone()].concat()
            }
        }
    }

    fn to_json(&self) -> Value {
        let mut members = Map::new();
        members.insert("name".into(), self.name.clone().into());
        members.insert("type".into(), self.kind.clone().into());
        members
            .insert("verdict".into(), if matches!(self.verdict, Verdict::Good { .. }) { "good" } else { "bad" }.into());
        if let Verdict::Bad { field, reason, schema_sees } = &self.verdict {
            members.insert("field".into(), field.clone().into());
            members.insert("reason".into(), reason.clone().into());
            members.insert("schema_sees".into(), (*schema_sees).into());
        }
        members.extend(self.json.clone().map(|json| ("json".to_owned(), json)));
        match &self.bytes {
            Bytes::Plain(bytes) => members.insert("msgpack_hex".into(), hex(bytes).into()),
            Bytes::Repeated { start, middle, times, end } => members.insert(
                "msgpack_repeated".into(),
                json!({ "start_hex": hex(start), "middle_hex": hex(middle), "times": times, "end_hex": hex(end) }),
            ),
        };
        members.insert("sha256".into(), Hash::of(&self.content()).to_string().into());
        if let Verdict::Good { rewritten: Some(bytes) } = &self.verdict {
            members.insert("rewritten_hex".into(), hex(bytes).into());
        }
        Value::Object(members)
    }
}

/// Adds the files.
pub fn files(definitions: &Definitions, files: &mut Files) -> Outcome<()> {
    let keys = signatures::TestKeys::new()?;
    let good = good(&keys)?;
    let mut vectors: Vec<Vector> = Vec::new();
    faults::spoil_everything(definitions, &good, &mut vectors)?;
    rules::break_everything(&good, &mut vectors)?;
    let structure = structure::vectors(&good)?;
    for entry in catalogue::ALL {
        let bad = vectors.iter().filter(|vector| vector.kind == entry.kind);
        let of_kind: Vec<Value> =
            good.iter().filter(|g| g.kind == entry.kind).map(Example::vector).chain(bad).map(|v| v.to_json()).collect();
        files.add(&format!("schemas/vectors/{}.json", entry.kind), lines(&of_kind)?)?;
    }
    files.add("schemas/vectors/structure.json", lines(&structure.iter().map(Vector::to_json).collect::<Vec<_>>())?)?;
    files.add("schemas/vectors/signatures.json", lines(&signatures::vectors(&keys)?)?)?;
    files.add("schemas/vectors/deal-ids.json", lines(&names::deal_ids()?)?)?;
    files.add("schemas/vectors/rationals.json", lines(&names::rationals()?)?)?;
    files.add("schemas/vectors/ratios.json", lines(&names::ratios()?)?)?;
    files.add("schemas/vectors/infix.json", lines(&infix::vectors()?)?)?;
    files.add("schemas/vectors/certificates.json", lines(&evidence::good()?)?)?;
    files.add("schemas/vectors/mutants.json", lines(&evidence::mutants()?)?)?;
    files.add("schemas/vectors/subjects.json", lines(&names::subjects()?)?)
}

/// A JSON array, one entry a line: short, and a change shows as a line.
fn lines(entries: &[Value]) -> Outcome<String> {
    let lines = entries.iter().map(serde_json::to_string).collect::<Result<Vec<_>, _>>()?;
    Ok(format!("[\n{}\n]\n", lines.join(",\n")))
}

/// A good message, and the tree of its bytes.
pub struct Example {
    name: &'static str,
    kind: String,
    node: Node,
    vector: Vector,
}

impl Example {
    fn vector(&self) -> &Vector {
        &self.vector
    }
}

fn good(keys: &signatures::TestKeys) -> Outcome<Vec<Example>> {
    let mut good = Vec::new();
    for (name, json) in examples::examples(keys.user.public(), keys.account.public())? {
        let kind = json.get("type").and_then(Value::as_str).unwrap_or_default().to_owned();
        let bytes = examples::written(&json)?;
        let node = Node::read(&bytes)?;
        let vector = Vector {
            name: name.to_owned(),
            kind: kind.clone(),
            json: Some(json),
            bytes: Bytes::Plain(bytes),
            verdict: Verdict::Good { rewritten: None },
        };
        good.push(Example { name, kind, node, vector });
    }
    match catalogue::ALL.iter().find(|entry| !good.iter().any(|example| example.kind == entry.kind)) {
        Some(entry) => Err(format!("no example of {}: add one to vectors/examples.rs", entry.kind).into()),
        None => Ok(good),
    }
}

/// The first example of a type, which has every optional field.
fn full<'a>(good: &'a [Example], kind: &str) -> Outcome<&'a Example> {
    good.iter().find(|example| example.kind == kind).ok_or_else(|| format!("no example of {kind}").into())
}
