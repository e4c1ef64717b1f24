//! The first look at bytes from outside: is this one well-formed, bounded MessagePack value?
//!
//! Libraries differ in what they let pass: trailing bytes, duplicate keys, a depth that overflows the
//! stack, a length that promises more than is there. A signature covers bytes, so two readers must
//! never see two things in them. This pass runs before any decoder, allocates nothing that a length
//! field asks for, and names the place where a body goes wrong.

use std::collections::HashSet;
use std::fmt;

use rmp::Marker;

use crate::limit::{MAX_DEPTH, MAX_ENTRIES};

/// What a scan lets pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Strictness {
    /// A body of the contract: a map with string keys throughout; no nil, no floats of 32 bits, no
    /// extensions.
    Contract,
    /// Any MessagePack with string keys, nil and floats included: what agents say on topics.
    Anything,
}

/// Why bytes were refused, and where in them.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct ScanError {
    /// The place, as a dotted path from the root; empty for the root.
    pub field: String,
    /// The fault.
    pub reason: Fault,
}

/// The faults that a scan finds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The bytes end inside a value.
    Truncated,
    /// Bytes follow the value.
    Trailing,
    /// Deeper than [`MAX_DEPTH`].
    TooDeep,
    /// A map or array of more than [`MAX_ENTRIES`] entries.
    TooMany,
    /// A key that is not a string.
    KeyNotText,
    /// A key twice in one map.
    DuplicateKey,
    /// A string that is not UTF-8.
    NotUtf8,
    /// Nil where the contract knows none: an absent option is left out.
    Nil,
    /// A 32-bit float, which corrupts values.
    Float32,
    /// An extension type or a reserved byte.
    Extension,
    /// The root is not a map.
    NotAMap,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Truncated => f.write_str("the body ends inside a value"),
            Self::Trailing => f.write_str("bytes follow the body"),
            Self::TooDeep => write!(f, "deeper than {MAX_DEPTH} levels"),
            Self::TooMany => write!(f, "more than {MAX_ENTRIES} entries in one map or array"),
            Self::KeyNotText => f.write_str("a key must be a string"),
            Self::DuplicateKey => f.write_str("this key stands twice"),
            Self::NotUtf8 => f.write_str("a string must be UTF-8"),
            Self::Nil => f.write_str("nil is no value here: leave an absent field out"),
            Self::Float32 => f.write_str("32-bit floats are refused"),
            Self::Extension => f.write_str("extension types and reserved bytes are refused"),
            Self::NotAMap => f.write_str("a body must be a map"),
        }
    }
}

/// Scans one body.
///
/// # Errors
/// The first fault, in the order of the bytes.
pub fn scan(body: &[u8], strictness: Strictness) -> Result<Scanned<'_>, ScanError> {
    let mut scanner = Scanner { rest: body, strictness, path: Vec::new(), kind: None };
    let outcome = scanner.root();
    match outcome {
        Ok(()) => Ok(Scanned { kind: scanner.kind }),
        Err(reason) => Err(ScanError { field: scanner.field(), reason }),
    }
}

/// What a scan saw on its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Scanned<'a> {
    /// The value of the root's key `type`, when it is a string.
    pub kind: Option<&'a str>,
}

struct Scanner<'a> {
    rest: &'a [u8],
    strictness: Strictness,
    path: Vec<Step<'a>>,
    kind: Option<&'a str>,
}

#[derive(Clone, Copy)]
enum Step<'a> {
    Key(&'a str),
    Index(usize),
}

impl<'a> Scanner<'a> {
    fn root(&mut self) -> Result<(), Fault> {
        if self.strictness == Strictness::Contract && !self.rest.first().is_some_and(|b| is_map(*b)) {
            return Err(if self.rest.is_empty() { Fault::Truncated } else { Fault::NotAMap });
        }
        self.value(1)?;
        if self.rest.is_empty() { Ok(()) } else { Err(Fault::Trailing) }
    }

    fn field(&self) -> String {
        let mut text = String::new();
        for step in &self.path {
            match step {
                Step::Key(key) => {
                    if !text.is_empty() {
                        text.push('.');
                    }
                    text.extend(key.chars().take(64));
                }
                Step::Index(index) => text.push_str(&format!("[{index}]")),
            }
        }
        text
    }

    fn take(&mut self, count: usize) -> Result<&'a [u8], Fault> {
        let (taken, rest) = self.rest.split_at_checked(count).ok_or(Fault::Truncated)?;
        self.rest = rest;
        Ok(taken)
    }

    fn marker(&mut self) -> Result<Marker, Fault> {
        let byte = *self.take(1)?.first().ok_or(Fault::Truncated)?;
        Ok(Marker::from_u8(byte))
    }

    fn length(&mut self, bytes: usize) -> Result<usize, Fault> {
        let raw = self.take(bytes)?;
        Ok(raw.iter().fold(0, |sum, byte| (sum << 8) | usize::from(*byte)))
    }

    fn text(&mut self, length: usize) -> Result<&'a str, Fault> {
        std::str::from_utf8(self.take(length)?).map_err(|_| Fault::NotUtf8)
    }

    fn text_length(&mut self, marker: Marker) -> Result<Option<usize>, Fault> {
        Ok(Some(match marker {
            Marker::FixStr(length) => usize::from(length),
            Marker::Str8 => self.length(1)?,
            Marker::Str16 => self.length(2)?,
            Marker::Str32 => self.length(4)?,
            _ => return Ok(None),
        }))
    }

    fn value(&mut self, depth: usize) -> Result<(), Fault> {
        let marker = self.marker()?;
        if let Some(length) = self.text_length(marker)? {
            let text = self.text(length)?;
            if let [Step::Key("type")] = self.path.as_slice() {
                self.kind = Some(text);
            }
            return Ok(());
        }
        let plain = match marker {
            Marker::FixPos(_) | Marker::FixNeg(_) | Marker::True | Marker::False => 0,
            Marker::U8 | Marker::I8 => 1,
            Marker::U16 | Marker::I16 => 2,
            Marker::U32 | Marker::I32 => 4,
            Marker::U64 | Marker::I64 | Marker::F64 => 8,
            Marker::F32 if self.strictness == Strictness::Anything => 4,
            Marker::F32 => return Err(Fault::Float32),
            Marker::Null if self.strictness == Strictness::Anything => 0,
            Marker::Null => return Err(Fault::Nil),
            Marker::Bin8 => self.length(1)?,
            Marker::Bin16 => self.length(2)?,
            Marker::Bin32 => self.length(4)?,
            Marker::FixArray(count) => return self.array(usize::from(count), depth),
            Marker::Array16 => {
                let count = self.length(2)?;
                return self.array(count, depth);
            }
            Marker::Array32 => {
                let count = self.length(4)?;
                return self.array(count, depth);
            }
            Marker::FixMap(count) => return self.map(usize::from(count), depth),
            Marker::Map16 => {
                let count = self.length(2)?;
                return self.map(count, depth);
            }
            Marker::Map32 => {
                let count = self.length(4)?;
                return self.map(count, depth);
            }
            _ => return Err(Fault::Extension),
        };
        self.take(plain).map(|_| ())
    }

    /// Room for this many entries of at least `bytes_each`, and not too deep.
    fn enter(&self, count: usize, bytes_each: usize, depth: usize) -> Result<(), Fault> {
        if depth > MAX_DEPTH {
            Err(Fault::TooDeep)
        } else if count > MAX_ENTRIES {
            Err(Fault::TooMany)
        } else if count.saturating_mul(bytes_each) > self.rest.len() {
            Err(Fault::Truncated)
        } else {
            Ok(())
        }
    }

    fn array(&mut self, count: usize, depth: usize) -> Result<(), Fault> {
        self.enter(count, 1, depth)?;
        for index in 0..count {
            self.path.push(Step::Index(index));
            self.value(depth + 1)?;
            self.path.pop();
        }
        Ok(())
    }

    fn map(&mut self, count: usize, depth: usize) -> Result<(), Fault> {
        self.enter(count, 2, depth)?;
        let mut seen = Keys::with_room(count);
        for _ in 0..count {
            let marker = self.marker()?;
            let length = self.text_length(marker)?.ok_or(Fault::KeyNotText)?;
            let key = self.text(length)?;
            self.path.push(Step::Key(key));
            if !seen.insert(key) {
                return Err(Fault::DuplicateKey);
            }
            self.value(depth + 1)?;
            self.path.pop();
        }
        Ok(())
    }
}

fn is_map(byte: u8) -> bool {
    matches!(Marker::from_u8(byte), Marker::FixMap(_) | Marker::Map16 | Marker::Map32)
}

/// The keys of one map: a short list is searched, a long one hashed.
enum Keys<'a> {
    Few(Vec<&'a str>),
    Many(HashSet<&'a str>),
}

impl<'a> Keys<'a> {
    fn with_room(count: usize) -> Self {
        if count <= 16 { Self::Few(Vec::with_capacity(count)) } else { Self::Many(HashSet::with_capacity(count)) }
    }

    fn insert(&mut self, key: &'a str) -> bool {
        match self {
            Self::Few(keys) if keys.contains(&key) => false,
            Self::Few(keys) => {
                keys.push(key);
                true
            }
            Self::Many(keys) => keys.insert(key),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_fault_is_found_and_placed() {
        use Fault::*;
        let deep = [&b"\x81\xa1a".repeat(40)[..], b"\x01"].concat();
        let cases: &[(&[u8], Fault, &str)] = &[
            (b"", Truncated, ""),
            (b"\x01", NotAMap, ""),
            (b"\x81\xa1a\x01\x00", Trailing, ""),
            (b"\x82\xa1a\x01", Truncated, ""),
            (b"\xdf\xff\xff\xff\xff", TooMany, ""),
            (b"\x81\xa1a\xdd\xff\xff\xff\xff", TooMany, "a"),
            (b"\x81\xa1a\xdc\xff\xff", Truncated, "a"),
            (b"\x81\xa1a\xc6\xff\xff\xff\xff", Truncated, "a"),
            (b"\x82\xa1a\x01\xa1a\x02", DuplicateKey, "a"),
            (b"\x81\xa1a\x92\x01\x81\xa1b\xc0", Nil, "a[1].b"),
            (b"\x81\x01\x02", KeyNotText, ""),
            (b"\x81\xa1\xff\x01", NotUtf8, ""),
            (b"\x81\xa1a\xca\x00\x00\x00\x00", Float32, "a"),
            (b"\x81\xa1a\xc1", Extension, "a"),
            (b"\x81\xa1a\xc7\x04\x05abcd", Extension, "a"),
        ];
        for (body, reason, field) in cases {
            let error = scan(body, Strictness::Contract).unwrap_err();
            assert_eq!((error.reason, error.field.as_str()), (*reason, *field), "{body:02x?}");
        }
        assert_eq!(scan(&deep, Strictness::Contract).unwrap_err().reason, TooDeep);
    }

    #[test]
    fn the_root_is_depth_one() {
        let nested = |levels: usize| [&b"\x81\xa1a".repeat(levels)[..], b"\x01"].concat();
        assert!(scan(&nested(MAX_DEPTH), Strictness::Contract).is_ok());
        assert!(scan(&nested(MAX_DEPTH + 1), Strictness::Contract).is_err());
    }

    #[test]
    fn the_type_is_the_roots_own() {
        let body = b"\x82\xa1a\x81\xa4type\xa1x\xa4type\xa1y";
        assert_eq!(scan(body, Strictness::Contract).unwrap().kind, Some("y"));
    }
}
