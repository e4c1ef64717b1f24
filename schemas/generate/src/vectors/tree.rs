//! MessagePack as a tree that can be changed in one place: how bad vectors are made from good ones.

use std::fmt::Write;

use rmp::{Marker, encode};
use serde_json::Value;

use crate::Outcome;

/// A value of MessagePack.
#[derive(Debug, Clone, PartialEq)]
pub enum Node {
    /// Nil.
    Nil,
    /// True or false.
    Bool(bool),
    /// An integer of either sign, from `i64::MIN` to `u64::MAX`.
    Int(i128),
    /// A 64-bit float.
    Float(f64),
    /// A string.
    Text(String),
    /// A byte string.
    Bytes(Vec<u8>),
    /// An array.
    Array(Vec<Node>),
    /// A map with string keys.
    Map(Vec<(String, Node)>),
    /// Bytes as they are: what no writer would write.
    Raw(Vec<u8>),
}

/// One step into a tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// To the value of a key.
    Key(String),
    /// To an entry of an array.
    Index(usize),
}

/// A path as errors write it: `transfers[0].quantity`.
pub fn dotted(path: &[Step]) -> String {
    path.iter().fold(String::new(), |mut text, step| {
        match step {
            Step::Key(key) if text.is_empty() => text.push_str(key),
            Step::Key(key) => text.push_str(&format!(".{key}")),
            Step::Index(index) => text.push_str(&format!("[{index}]")),
        }
        text
    })
}

/// Reads `transfers[0].quantity`.
pub fn steps(dotted: &str) -> Vec<Step> {
    let mut steps = Vec::new();
    for part in dotted.split('.').filter(|part| !part.is_empty()) {
        let mut pieces = part.split('[');
        steps.extend(pieces.next().map(|key| Step::Key(key.to_owned())));
        steps.extend(pieces.filter_map(|index| index.trim_end_matches(']').parse().ok()).map(Step::Index));
    }
    steps
}

impl Node {
    /// Reads a value that is known to be whole.
    pub fn read(bytes: &[u8]) -> Outcome<Self> {
        let mut rest = bytes;
        let node = Self::next(&mut rest)?;
        if rest.is_empty() { Ok(node) } else { Err("bytes follow the value".into()) }
    }

    fn next(rest: &mut &[u8]) -> Outcome<Self> {
        let first = *rest.first().ok_or("the value ends early")?;
        Ok(match Marker::from_u8(first) {
            Marker::True | Marker::False => Self::Bool(rmp::decode::read_bool(rest).map_err(|e| e.to_string())?),
            Marker::FixStr(_) | Marker::Str8 | Marker::Str16 | Marker::Str32 => {
                let length = rmp::decode::read_str_len(rest).map_err(|e| e.to_string())?;
                Self::Text(String::from_utf8(split(rest, length)?)?)
            }
            Marker::Bin8 | Marker::Bin16 | Marker::Bin32 => {
                let length = rmp::decode::read_bin_len(rest).map_err(|e| e.to_string())?;
                Self::Bytes(split(rest, length)?)
            }
            Marker::FixArray(_) | Marker::Array16 | Marker::Array32 => {
                let count = rmp::decode::read_array_len(rest).map_err(|e| e.to_string())?;
                Self::Array((0..count).map(|_| Self::next(rest)).collect::<Outcome<_>>()?)
            }
            Marker::FixMap(_) | Marker::Map16 | Marker::Map32 => {
                let count = rmp::decode::read_map_len(rest).map_err(|e| e.to_string())?;
                let mut entries = Vec::new();
                for _ in 0..count {
                    let Self::Text(key) = Self::next(rest)? else { return Err("a key is no string".into()) };
                    entries.push((key, Self::next(rest)?));
                }
                Self::Map(entries)
            }
            Marker::U64 => Self::Int(rmp::decode::read_u64(rest).map_err(|e| e.to_string())?.into()),
            _ => Self::Int(i128::from(rmp::decode::read_int::<i64, _>(rest).map_err(|e| e.to_string())?)),
        })
    }

    /// From JSON without byte strings.
    pub fn from_json(value: &Value) -> Self {
        match value {
            Value::Null => Self::Nil,
            Value::Bool(value) => Self::Bool(*value),
            Value::Number(number) => {
                number.as_i128().map_or_else(|| Self::Float(number.as_f64().unwrap_or_default()), Self::Int)
            }
            Value::String(text) => Self::Text(text.clone()),
            Value::Array(items) => Self::Array(items.iter().map(Self::from_json).collect()),
            Value::Object(members) => {
                Self::Map(members.iter().map(|(key, value)| (key.clone(), Self::from_json(value))).collect())
            }
        }
    }

    /// As JSON, byte strings in hexadecimal; `None` where JSON has no such value.
    pub fn to_json(&self) -> Option<Value> {
        Some(match self {
            Self::Nil => Value::Null,
            Self::Bool(value) => (*value).into(),
            Self::Int(value) => match (i64::try_from(*value), u64::try_from(*value)) {
                (Ok(value), _) => value.into(),
                (_, Ok(value)) => value.into(),
                _ => return None,
            },
            Self::Float(value) => (*value).into(),
            Self::Text(text) => text.clone().into(),
            Self::Bytes(raw) => hex(raw).into(),
            Self::Array(items) => items.iter().map(Self::to_json).collect::<Option<_>>()?,
            Self::Map(entries) => Value::Object(
                entries.iter().map(|(key, node)| Some((key.clone(), node.to_json()?))).collect::<Option<_>>()?,
            ),
            Self::Raw(_) => return None,
        })
    }

    /// As bytes, each value in its shortest form.
    pub fn write(&self) -> Outcome<Vec<u8>> {
        let mut out = Vec::new();
        self.append(&mut out)?;
        Ok(out)
    }

    fn append(&self, out: &mut Vec<u8>) -> Outcome<()> {
        match self {
            Self::Nil => encode::write_nil(out)?,
            Self::Bool(value) => encode::write_bool(out, *value)?,
            Self::Int(value) => match u64::try_from(*value) {
                Ok(value) => drop(encode::write_uint(out, value)?),
                Err(_) => drop(encode::write_sint(out, i64::try_from(*value)?)?),
            },
            Self::Float(value) => encode::write_f64(out, *value)?,
            Self::Text(text) => encode::write_str(out, text)?,
            Self::Bytes(raw) => encode::write_bin(out, raw)?,
            Self::Array(items) => {
                encode::write_array_len(out, u32::try_from(items.len())?)?;
                items.iter().try_for_each(|item| item.append(out))?;
            }
            Self::Map(entries) => {
                encode::write_map_len(out, u32::try_from(entries.len())?)?;
                for (key, node) in entries {
                    encode::write_str(out, key)?;
                    node.append(out)?;
                }
            }
            Self::Raw(raw) => out.extend_from_slice(raw),
        }
        Ok(())
    }

    /// What stands at a path.
    pub fn at(&self, path: &[Step]) -> Option<&Self> {
        path.iter().try_fold(self, |node, step| match (node, step) {
            (Self::Map(entries), Step::Key(key)) => entries.iter().find(|(name, _)| name == key).map(|(_, node)| node),
            (Self::Array(items), Step::Index(index)) => items.get(*index),
            _ => None,
        })
    }

    fn at_mut(&mut self, path: &[Step]) -> Option<&mut Self> {
        path.iter().try_fold(self, |node, step| match (node, step) {
            (Self::Map(entries), Step::Key(key)) => {
                entries.iter_mut().find(|(name, _)| name == key).map(|(_, node)| node)
            }
            (Self::Array(items), Step::Index(index)) => items.get_mut(*index),
            _ => None,
        })
    }

    /// The same with another value at a path; a key that was not there is appended.
    pub fn with(&self, path: &[Step], value: Self) -> Outcome<Self> {
        let mut changed = self.clone();
        if let Some(there) = changed.at_mut(path) {
            *there = value;
            return Ok(changed);
        }
        match path.split_last() {
            Some((Step::Key(key), parent)) => match changed.at_mut(parent) {
                Some(Self::Map(entries)) => entries.push((key.clone(), value)),
                _ => return Err(format!("no map at {}", dotted(parent)).into()),
            },
            _ => return Err(format!("nothing at {}", dotted(path)).into()),
        }
        Ok(changed)
    }

    /// The same without the key at a path.
    pub fn without(&self, path: &[Step]) -> Outcome<Self> {
        let mut changed = self.clone();
        if let Some((Step::Key(key), parent)) = path.split_last()
            && let Some(Self::Map(entries)) = changed.at_mut(parent)
        {
            let before = entries.len();
            entries.retain(|(name, _)| name != key);
            if entries.len() + 1 == before {
                return Ok(changed);
            }
        }
        Err(format!("no key at {}", dotted(path)).into())
    }
}

fn split(rest: &mut &[u8], length: u32) -> Outcome<Vec<u8>> {
    let (taken, left) = rest.split_at_checked(usize::try_from(length)?).ok_or("the value ends early")?;
    *rest = left;
    Ok(taken.to_vec())
}

/// Lowercase hexadecimal.
pub fn hex(raw: &[u8]) -> String {
    raw.iter().fold(String::with_capacity(raw.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
