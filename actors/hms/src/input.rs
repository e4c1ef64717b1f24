//! What comes in from files and standard input.
//!
//! JSON is read as strictly as the wire is: a key that stands twice is refused, since only one of the two could
//! hold.

use std::{fmt, fs, io, path::Path};

use serde::{
    Deserialize, Deserializer,
    de::{Error, MapAccess, SeqAccess, Visitor},
};
use serde_json::{Map, Number, Value};

use crate::exit::{Exit, OrExit, Outcome};

/// A file's text; `-` is standard input.
///
/// # Errors
/// Exit code 2, naming the file.
pub fn text(file: &Path) -> Outcome<String> {
    let read = if file.as_os_str() == "-" { io::read_to_string(io::stdin().lock()) } else { fs::read_to_string(file) };
    read.or_exit(Exit::Input).map_err(|stop| stop.while_doing(file.display()))
}

/// Reads one JSON value and nothing after it.
///
/// # Errors
/// The fault with its line and column.
pub fn json(text: &str) -> Result<Value, serde_json::Error> {
    serde_json::from_str::<Strict>(text).map(|Strict(value)| value)
}

struct Strict(Value);

impl<'de> Deserialize<'de> for Strict {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(View).map(Self)
    }
}

struct View;

impl<'de> Visitor<'de> for View {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_bool<E>(self, v: bool) -> Result<Value, E> {
        Ok(v.into())
    }

    fn visit_i64<E>(self, v: i64) -> Result<Value, E> {
        Ok(v.into())
    }

    fn visit_u64<E>(self, v: u64) -> Result<Value, E> {
        Ok(v.into())
    }

    fn visit_f64<E: Error>(self, v: f64) -> Result<Value, E> {
        Number::from_f64(v).map(Value::Number).ok_or_else(|| E::custom("not a number of JSON"))
    }

    fn visit_str<E>(self, v: &str) -> Result<Value, E> {
        Ok(v.into())
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        let mut items = Vec::new();
        while let Some(Strict(item)) = seq.next_element()? {
            items.push(item);
        }
        Ok(Value::Array(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut entries = Map::new();
        while let Some((key, Strict(value))) = map.next_entry::<String, Strict>()? {
            if entries.contains_key(&key) {
                return Err(A::Error::custom(format_args!("{key:?} stands twice")));
            }
            entries.insert(key, value);
        }
        Ok(Value::Object(entries))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_reads_what_serde_json_reads() {
        for text in [r#"{"b":[1,-2,3.5,true,null,"x"],"a":{}}"#, "18446744073709551615", "[]", "\"\""] {
            assert_eq!(json(text).unwrap(), serde_json::from_str::<Value>(text).unwrap());
        }
    }

    #[test]
    fn a_key_twice_or_something_after_the_end_is_refused() {
        let error = json("{\"a\": {\"b\": 1,\n \"b\": 2}}").unwrap_err();
        assert!(error.to_string().contains("\"b\" stands twice") && error.line() == 2, "{error}");
        assert!(json("{} {}").is_err() && json("").is_err());
    }
}
