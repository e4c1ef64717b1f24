//! Vectors of what the scan finds before any type is looked at, and of the liberties that a writer has.

use schemas::limit::{MAX_BODY_BYTES, MAX_DEPTH};
use serde_json::json;

use super::tree::{Node, Step, dotted, steps};
use super::{Bytes, Example, Vector, Verdict, full};
use crate::Outcome;

/// The vectors.
pub fn vectors(good: &[Example]) -> Outcome<Vec<Vector>> {
    let mut vectors = Vec::new();
    roots(good, &mut vectors)?;
    values(good, &mut vectors)?;
    lengths(good, &mut vectors)?;
    truncations(good, &mut vectors)?;
    each_type(good, &mut vectors)?;
    liberties(good, &mut vectors)?;
    Ok(vectors)
}

fn roots(good: &[Example], vectors: &mut Vec<Vector>) -> Outcome<()> {
    let show = full(good, "deal.show")?.node.write()?;
    let cases: [(&str, &[u8], &str); 14] = [
        ("nothing", b"", "the body ends inside a value"),
        ("nil", b"\xc0", "a body is a map"),
        ("true", b"\xc3", "a body is a map"),
        ("a number", b"\x07", "a body is a map"),
        ("a negative number", b"\xff", "a body is a map"),
        ("a float", b"\xcb\x3f\xf0\0\0\0\0\0\0", "a body is a map"),
        ("a string", b"\xa4done", "a body is a map"),
        ("a byte string", b"\xc4\x01\x00", "a body is a map"),
        ("an array", b"\x92\xa4type\xa4done", "a body is a map"),
        ("an extension", b"\xd4\x01\x00", "a body is a map"),
        ("a reserved byte", b"\xc1", "a body is a map"),
        ("JSON", b"{\"type\":\"done\"}", "a body is a map"),
        ("a long map without its length", b"\xde\x00", "the body ends inside a value"),
        ("a longer map without its length", b"\xdf\x00\x00\x00", "the body ends inside a value"),
    ];
    for (name, bytes, reason) in cases {
        vectors.push(Vector::bad("done", format!("root: {name}"), bytes.to_vec(), "", reason));
    }
    for (name, more) in
        [("a zero byte", &b"\0"[..]), ("a second body", show.as_slice()), ("nil", b"\xc0"), ("a line feed", b"\n")]
    {
        let bytes = [show.as_slice(), more].concat();
        vectors.push(Vector::bad("deal.show", format!("trailing: {name}"), bytes, "", "bytes follow the body"));
    }
    Ok(())
}

/// Faults of single values, at the root, deeper, and in a field that nobody knows.
fn values(good: &[Example], vectors: &mut Vec<Vector>) -> Outcome<()> {
    let faults: [(&str, &[u8], &str); 15] = [
        ("nil", b"\xc0", "nil is no value"),
        ("a 32-bit float", b"\xca\x3f\x80\x00\x00", "32-bit floats are refused"),
        ("the reserved byte", b"\xc1", "reserved"),
        ("fixext 1", b"\xd4\x01\x00", "extension types are refused"),
        ("fixext 2", b"\xd5\x01\x00\x00", "extension types are refused"),
        ("fixext 4, a time", b"\xd6\xff\x00\x00\x00\x00", "extension types are refused"),
        ("fixext 8", b"\xd7\x01\x00\x00\x00\x00\x00\x00\x00\x00", "extension types are refused"),
        ("fixext 16", b"\xd8\x01\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", "extension types are refused"),
        ("ext 8", b"\xc7\x01\x05\x00", "extension types are refused"),
        ("ext 16", b"\xc8\x00\x01\x05\x00", "extension types are refused"),
        ("ext 32", b"\xc9\x00\x00\x00\x01\x05\x00", "extension types are refused"),
        ("a string that is not UTF-8", b"\xa1\xff", "a string is UTF-8"),
        ("an overlong slash", b"\xa2\xc0\xaf", "a string is UTF-8"),
        ("half a character", b"\xa2\xe4\xba", "a string is UTF-8"),
        ("beyond Unicode", b"\xa4\xf4\x90\x80\x80", "a string is UTF-8"),
    ];
    let places = [
        ("deal.show", "deal"),
        ("deal.show", "later_field"),
        ("terms", "transfers[1].intent"),
        ("terms", "transfers[0].later_field"),
        ("terms", "parties[1]"),
    ];
    for (kind, path) in places {
        for (name, raw, reason) in faults {
            let node = full(good, kind)?.node.with(&steps(path), Node::Raw(raw.to_vec()))?;
            vectors.push(Vector::bad(kind, format!("{path}: {name}"), node.write()?, path, reason));
        }
    }
    // Keys. A map with a bad key is written by hand behind a field that nobody knows.
    let keys: [(&str, &[u8], &str, &str); 12] = [
        ("a number as a key", b"\x81\x01\x02", "later_field", "a key is a string"),
        ("nil as a key", b"\x81\xc0\x02", "later_field", "a key is a string"),
        ("true as a key", b"\x81\xc3\x02", "later_field", "a key is a string"),
        ("bytes as a key", b"\x81\xc4\x01a\x02", "later_field", "a key is a string"),
        ("an array as a key", b"\x81\x90\x02", "later_field", "a key is a string"),
        ("a map as a key", b"\x81\x80\x02", "later_field", "a key is a string"),
        ("an extension as a key", b"\x81\xd4\x01\x00\x02", "later_field", "a key is a string"),
        ("a key that is not UTF-8", b"\x81\xa1\xff\x02", "later_field", "a string is UTF-8"),
        ("a key twice", b"\x82\xa1a\x01\xa1a\x01", "later_field.a", "this key stands twice"),
        ("a key twice, spelt in two ways", b"\x82\xa1a\x01\xd9\x01a\x02", "later_field.a", "this key stands twice"),
        ("the empty key twice", b"\x82\xa0\x01\xa0\x02", "later_field.", "this key stands twice"),
        (
            "a key twice in a map in an array",
            b"\x92\x01\x81\xa1b\x82\xa1a\x01\xa1a\x01",
            "later_field[1].b.a",
            "this key stands twice",
        ),
    ];
    for (name, raw, field, reason) in keys {
        let node = full(good, "deal.show")?.node.with(&steps("later_field"), Node::Raw(raw.to_vec()))?;
        vectors.push(Vector::bad("deal.show", format!("keys: {name}"), node.write()?, field, reason));
    }
    let many: Vec<(String, Node)> = (0..40).map(|at| (format!("k{}", at % 39), Node::Int(at))).collect();
    let node = full(good, "deal.show")?.node.with(&steps("later_field"), Node::Map(many))?;
    vectors.push(Vector::bad(
        "deal.show",
        "keys: the first of many twice".into(),
        node.write()?,
        "later_field.k0",
        "this key stands twice",
    ));
    Ok(())
}

/// Depth and lengths that promise more than is there.
fn lengths(good: &[Example], vectors: &mut Vec<Vector>) -> Outcome<()> {
    let show = &full(good, "deal.show")?.node;
    let later = steps("later_field");
    for (name, one, inner) in [("maps", &b"\x81\xa1a"[..], "a"), ("arrays", &b"\x91"[..], "[0]")] {
        for (levels, whole) in [
            (MAX_DEPTH, &b"\x01"[..]),
            (MAX_DEPTH - 1, b"\x80"),
            (MAX_DEPTH - 1, b"\x90"),
            (1000, b"\x01"),
            (100_000, b"\x01"),
        ] {
            // The root is depth 1, so the field holds levels 2 to MAX_DEPTH, and one more.
            let node = show.with(&later, Node::Raw([&one.repeat(levels), whole].concat()))?;
            let deepest = (0..MAX_DEPTH - 1).fold("later_field".to_owned(), |path, _| {
                if inner == "a" { format!("{path}.a") } else { format!("{path}[0]") }
            });
            if levels > 1000 {
                let (start, end) = (show.with(&later, Node::Raw(Vec::new()))?.write()?, whole.to_vec());
                let bytes = Bytes::Repeated { start, middle: one.to_vec(), times: levels, end };
                let verdict = Verdict::Bad { field: deepest, reason: "too deep".into(), schema_sees: false };
                vectors.push(Vector {
                    name: format!("depth: {levels} {name}"),
                    kind: "deal.show".into(),
                    json: None,
                    bytes,
                    verdict,
                });
            } else {
                let tail = if whole == b"\x01" { "a number" } else { "an empty one" };
                let name = format!(
                    "depth: {} {name} around {tail} ({:02x})",
                    levels + 1,
                    whole.first().copied().unwrap_or_default()
                );
                vectors.push(Vector::bad("deal.show", name, node.write()?, &deepest, "too deep"));
            }
        }
    }
    let bombs: [(&str, &[u8], &str); 12] = [
        ("an array of 4,294,967,295", b"\xdd\xff\xff\xff\xff", "too many entries"),
        ("a map of 4,294,967,295", b"\xdf\xff\xff\xff\xff", "too many entries"),
        ("an array of 1,000,001", b"\xdd\x00\x0f\x42\x41", "too many entries"),
        ("a map of 1,000,001", b"\xdf\x00\x0f\x42\x41", "too many entries"),
        ("an array of 1,000,000 that is not there", b"\xdd\x00\x0f\x42\x40", "the body ends inside a value"),
        ("an array of 65,535 that is not there", b"\xdc\xff\xff\x01", "the body ends inside a value"),
        ("a map of 65,535 that is not there", b"\xde\xff\xff\xa1a\x01", "the body ends inside a value"),
        ("a string of 4,294,967,295", b"\xdb\xff\xff\xff\xffabc", "the body ends inside a value"),
        ("a string of 65,535", b"\xda\xff\xffabc", "the body ends inside a value"),
        ("a string of 255", b"\xd9\xffabc", "the body ends inside a value"),
        ("bytes of 4,294,967,295", b"\xc6\xff\xff\xff\xffabc", "the body ends inside a value"),
        ("bytes of 65,535", b"\xc5\xff\xffabc", "the body ends inside a value"),
    ];
    for (name, raw, reason) in bombs {
        let node = show.with(&later, Node::Raw(raw.to_vec()))?;
        vectors.push(Vector::bad("deal.show", format!("length: {name}"), node.write()?, "later_field", reason));
    }
    // One byte more than is read, though all of it is there.
    let head = json!({ "type": "error", "code": 500, "retryable": false, "message": "" });
    let mut start = Node::from_json(&head).write()?;
    start.pop();
    let length = MAX_BODY_BYTES + 1 - start.len() - 5;
    start.push(0xdb);
    start.extend(u32::try_from(length)?.to_be_bytes());
    let bytes = Bytes::Repeated { start, middle: b"x".to_vec(), times: length, end: Vec::new() };
    let verdict =
        Verdict::Bad { field: String::new(), reason: "one byte more than is read".into(), schema_sees: false };
    vectors.push(Vector { name: "size: too large".into(), kind: "error".into(), json: None, bytes, verdict });
    Ok(())
}

/// A message cut short at every byte.
fn truncations(good: &[Example], vectors: &mut Vec<Vector>) -> Outcome<()> {
    for kind in ["ledger.declare", "registry.page"] {
        let node = &full(good, kind)?.node;
        let whole = node.write()?;
        for cut in 1..whole.len() {
            let mut at = 0;
            let field = place_of_end(node, &mut Vec::new(), &mut at, cut)?.ok_or("the cut is in the message")?;
            let bytes = whole.iter().take(cut).copied().collect();
            vectors.push(Vector::bad(
                kind,
                format!("{kind} cut after {cut}"),
                bytes,
                &field,
                "the body ends inside a value",
            ));
        }
    }
    Ok(())
}

/// Where a reader that believes nothing notices that a body ends after `cut` bytes: where a value's
/// bytes are missing, or where fewer bytes are left than an array or map has entries at least.
fn place_of_end(node: &Node, path: &mut Vec<Step>, at: &mut usize, cut: usize) -> Outcome<Option<String>> {
    let children: Vec<(Option<&String>, &Node)> = match node {
        Node::Map(entries) => entries.iter().map(|(key, node)| (Some(key), node)).collect(),
        Node::Array(items) => items.iter().map(|node| (None, node)).collect(),
        leaf => {
            *at += leaf.write()?.len();
            return Ok((*at > cut).then(|| dotted(path)));
        }
    };
    // Short ones: the count stands in the first byte.
    *at += 1;
    let least = if matches!(node, Node::Map(_)) { 2 * children.len() } else { children.len() };
    if *at > cut || cut - *at < least {
        return Ok(Some(dotted(path)));
    }
    for (index, (key, child)) in children.into_iter().enumerate() {
        if let Some(key) = key {
            *at += Node::Text(key.clone()).write()?.len();
            if *at > cut {
                return Ok(Some(dotted(path)));
            }
        }
        path.push(key.map_or(Step::Index(index), |key| Step::Key(key.clone())));
        if let Some(place) = place_of_end(child, path, at, cut)? {
            return Ok(Some(place));
        }
        path.pop();
    }
    Ok(None)
}

/// For every type: its last byte gone, a byte too many, its first field twice.
fn each_type(good: &[Example], vectors: &mut Vec<Vector>) -> Outcome<()> {
    for entry in schemas::catalogue::ALL {
        let node = &full(good, entry.kind)?.node;
        let whole = node.write()?;
        let trailing = [whole.as_slice(), b"\x00"].concat();
        vectors.push(Vector::bad(
            entry.kind,
            format!("{}: a byte too many", entry.kind),
            trailing,
            "",
            "bytes follow the body",
        ));
        let Node::Map(entries) = node else { return Err("a message is a map".into()) };
        for (key, value) in entries.iter().take(2) {
            let twice = [entries.as_slice(), &[(key.clone(), value.clone())]].concat();
            let name = format!("{}: {key} twice", entry.kind);
            vectors.push(Vector::bad(entry.kind, name, Node::Map(twice).write()?, key, "this key stands twice"));
        }
    }
    Ok(())
}

/// What a writer may do and a reader must bear.
fn liberties(good: &[Example], vectors: &mut Vec<Vector>) -> Outcome<()> {
    let mut good_one = |example: &Example, name: &str, bytes: Vec<u8>, rewritten: &Node| -> Outcome<()> {
        let written = rewritten.write()?;
        let json = rewritten.to_json();
        let verdict = Verdict::Good { rewritten: (written != bytes).then_some(written) };
        vectors.push(Vector {
            name: format!("liberty: {name}"),
            kind: example.kind.clone(),
            json,
            bytes: Bytes::Plain(bytes),
            verdict,
        });
        Ok(())
    };
    let terms = full(good, "terms")?;
    let later = json!({ "a": [1, -1, 1.5, true, "ü", { "b": {} }], "big": u64::MAX, "small": i64::MIN });
    let with_later = terms.node.with(&steps("later_field"), Node::from_json(&later))?;
    good_one(terms, "a field of a later version", with_later.write()?, &terms.node)?;
    let deeper = terms.node.with(&steps("transfers[0].later_field"), Node::from_json(&later))?;
    good_one(terms, "a field of a later version, deeper", deeper.write()?, &terms.node)?;
    let deepest = Node::Raw([b"\x91".repeat(MAX_DEPTH - 1).as_slice(), b"\x01"].concat());
    good_one(terms, "as deep as may be", terms.node.with(&steps("later_field"), deepest)?.write()?, &terms.node)?;
    let Node::Map(mut entries) = terms.node.clone() else { return Err("terms are a map".into()) };
    entries.reverse();
    good_one(terms, "fields in another order", Node::Map(entries).write()?, &terms.node)?;
    for (name, path, raw) in [
        ("a quantity in 64 bits", "transfers[0].quantity", &b"\xd3\x00\x00\x00\x00\x00\x00\x00\x78"[..]),
        ("a quantity in 64 bits without sign", "transfers[0].quantity", b"\xcf\x00\x00\x00\x00\x00\x00\x00\x78"),
        ("a quantity in 16 bits", "transfers[0].quantity", b"\xd1\x00\x78"),
        ("a name with a long length", "book", b"\xdb\x00\x00\x00\x07african"),
        ("an array with a long length", "parties", b"\xdd\x00\x00\x00\x02\xa5egypt\xa5kenya"),
    ] {
        good_one(terms, name, terms.node.with(&steps(path), Node::Raw(raw.to_vec()))?.write()?, &terms.node)?;
    }
    let accept = good.iter().find(|example| example.name == "nothing stated").ok_or("no such example")?;
    good_one(accept, "what has a default left out", accept.node.without(&steps("valuation"))?.write()?, &accept.node)?;
    let shorter = accept.node.without(&steps("valuation.outlook"))?.without(&steps("valuation.margin_ppm"))?;
    good_one(accept, "what has a default left out, deeper", shorter.write()?, &accept.node)?;
    let open = full(good, "deal.open")?;
    let none = open.node.with(&steps("requires"), Node::Array(Vec::new()))?;
    good_one(open, "an empty list written out", none.write()?, &open.node.without(&steps("requires"))?)?;
    let shown = full(good, "deal.shown")?;
    good_one(
        shown,
        "a message inside another without its type",
        shown.node.without(&steps("terms.type"))?.write()?,
        &shown.node,
    )?;
    let event = good.iter().find(|example| example.kind == "deal.event").ok_or("no such example")?;
    let Some(Node::Map(mut what)) = event.node.at(&steps("what")).cloned() else {
        return Err("an event is a map".into());
    };
    what.reverse();
    good_one(
        event,
        "a tag that does not stand first",
        event.node.with(&steps("what"), Node::Map(what))?.write()?,
        &event.node,
    )?;
    let settled = good.iter().find(|example| example.name == "settled").ok_or("no such example")?;
    let more = settled.node.with(&steps("what.later_field"), Node::Int(1))?;
    good_one(settled, "a field of a later version in what happened", more.write()?, &settled.node)
}
