//! Reads scanned MessagePack into types, and takes each field in the one form that the contract writes.
//!
//! General decoders are obliging: they take bytes for text, an array for a struct, a number for the
//! variant of an enum. Each such kindness is a second spelling of the same message, which another
//! language refuses or reads as something else. This reader has none of them. It reads what
//! [`scan`](crate::scan) has passed, so depth and lengths are bounded already.

use std::fmt;

use rmp::Marker;
use serde::de::value::BorrowedStrDeserializer;
use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Unexpected, Visitor};

/// What is wrong with a body, and where: it learns its place on its way out, so that what is right pays nothing for it.
#[derive(Debug)]
pub(crate) struct Error(Box<Fault>);

#[derive(Debug)]
struct Fault {
    reason: String,
    /// The steps to it, the innermost first.
    steps: Vec<Step>,
}

#[derive(Debug)]
enum Step {
    Key(String),
    Element(usize),
}

impl Error {
    /// The place as a dotted path, such as `a.b[0].c`; empty for the body as a whole.
    pub(crate) fn path(&self) -> String {
        let mut path = String::new();
        for step in self.0.steps.iter().rev() {
            match step {
                Step::Key(key) if path.is_empty() => path.push_str(key),
                Step::Key(key) => path.extend([".", key]),
                Step::Element(at) => path.push_str(&format!("[{at}]")),
            }
        }
        path
    }

    fn within(mut self, step: Step) -> Self {
        self.0.steps.push(step);
        self
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.reason)
    }
}

impl std::error::Error for Error {}

impl serde::de::Error for Error {
    fn custom<T: fmt::Display>(reason: T) -> Self {
        Self(Box::new(Fault { reason: reason.to_string(), steps: Vec::new() }))
    }
}

/// A reader at its place in a body.
pub(crate) struct Reader<'de> {
    rest: &'de [u8],
}

enum Token<'de> {
    Nil,
    Bool(bool),
    Unsigned(u64),
    Signed(i64),
    Float(f64),
    Text(&'de str),
    Bytes(&'de [u8]),
    Array(usize),
    Map(usize),
}

impl Token<'_> {
    fn unexpected(&self) -> Unexpected<'_> {
        match self {
            Self::Nil => Unexpected::Unit,
            Self::Bool(value) => Unexpected::Bool(*value),
            Self::Unsigned(value) => Unexpected::Unsigned(*value),
            Self::Signed(value) => Unexpected::Signed(*value),
            Self::Float(value) => Unexpected::Float(*value),
            Self::Text(value) => Unexpected::Str(value),
            Self::Bytes(value) => Unexpected::Bytes(value),
            Self::Array(_) => Unexpected::Seq,
            Self::Map(_) => Unexpected::Map,
        }
    }
}

impl<'de> Reader<'de> {
    /// A reader of a body that the scan has passed.
    pub(crate) fn new(body: &'de [u8]) -> Self {
        Self { rest: body }
    }

    fn take(&mut self, count: usize) -> Result<&'de [u8], Error> {
        let (taken, rest) =
            self.rest.split_at_checked(count).ok_or_else(|| Error::custom("the body ends inside a value"))?;
        self.rest = rest;
        Ok(taken)
    }

    fn fixed<const N: usize>(&mut self) -> Result<[u8; N], Error> {
        self.take(N)?.try_into().map_err(Error::custom)
    }

    fn length(&mut self, bytes: usize) -> Result<usize, Error> {
        Ok(self.take(bytes)?.iter().fold(0, |sum, byte| (sum << 8) | usize::from(*byte)))
    }

    fn text(&mut self, length: usize) -> Result<Token<'de>, Error> {
        std::str::from_utf8(self.take(length)?).map(Token::Text).map_err(Error::custom)
    }

    /// The next value, or the opening of it.
    fn token(&mut self) -> Result<Token<'de>, Error> {
        let [byte] = self.fixed()?;
        Ok(match Marker::from_u8(byte) {
            Marker::FixPos(value) => Token::Unsigned(value.into()),
            Marker::FixNeg(value) => Token::Signed(value.into()),
            Marker::Null => Token::Nil,
            Marker::True => Token::Bool(true),
            Marker::False => Token::Bool(false),
            Marker::U8 => Token::Unsigned(u8::from_be_bytes(self.fixed()?).into()),
            Marker::U16 => Token::Unsigned(u16::from_be_bytes(self.fixed()?).into()),
            Marker::U32 => Token::Unsigned(u32::from_be_bytes(self.fixed()?).into()),
            Marker::U64 => Token::Unsigned(u64::from_be_bytes(self.fixed()?)),
            Marker::I8 => Token::Signed(i8::from_be_bytes(self.fixed()?).into()),
            Marker::I16 => Token::Signed(i16::from_be_bytes(self.fixed()?).into()),
            Marker::I32 => Token::Signed(i32::from_be_bytes(self.fixed()?).into()),
            Marker::I64 => Token::Signed(i64::from_be_bytes(self.fixed()?)),
            Marker::F32 => Token::Float(f32::from_be_bytes(self.fixed()?).into()),
            Marker::F64 => Token::Float(f64::from_be_bytes(self.fixed()?)),
            Marker::FixStr(length) => self.text(length.into())?,
            Marker::Str8 => {
                let length = self.length(1)?;
                self.text(length)?
            }
            Marker::Str16 => {
                let length = self.length(2)?;
                self.text(length)?
            }
            Marker::Str32 => {
                let length = self.length(4)?;
                self.text(length)?
            }
            Marker::Bin8 => {
                let length = self.length(1)?;
                Token::Bytes(self.take(length)?)
            }
            Marker::Bin16 => {
                let length = self.length(2)?;
                Token::Bytes(self.take(length)?)
            }
            Marker::Bin32 => {
                let length = self.length(4)?;
                Token::Bytes(self.take(length)?)
            }
            Marker::FixArray(count) => Token::Array(count.into()),
            Marker::Array16 => Token::Array(self.length(2)?),
            Marker::Array32 => Token::Array(self.length(4)?),
            Marker::FixMap(count) => Token::Map(count.into()),
            Marker::Map16 => Token::Map(self.length(2)?),
            Marker::Map32 => Token::Map(self.length(4)?),
            _ => return Err(Error::custom("extension types and reserved bytes are refused")),
        })
    }

    fn visit<V: Visitor<'de>>(&mut self, token: Token<'de>, visitor: V) -> Result<V::Value, Error> {
        match token {
            Token::Nil => visitor.visit_unit(),
            Token::Bool(value) => visitor.visit_bool(value),
            Token::Unsigned(value) => visitor.visit_u64(value),
            Token::Signed(value) => visitor.visit_i64(value),
            Token::Float(value) => visitor.visit_f64(value),
            Token::Text(value) => visitor.visit_borrowed_str(value),
            Token::Bytes(value) => visitor.visit_borrowed_bytes(value),
            Token::Array(count) => visitor.visit_seq(Elements { reader: self, count, at: 0 }),
            Token::Map(left) => visitor.visit_map(Entries { reader: self, left, tag: None, key: "" }),
        }
    }
}

impl<'de> Deserializer<'de> for &mut Reader<'de> {
    type Error = Error;

    fn is_human_readable(&self) -> bool {
        false
    }

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        let token = self.token()?;
        self.visit(token, visitor)
    }

    /// Text only: serde's own visitors for strings take bytes too.
    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.token()? {
            Token::Text(value) => visitor.visit_borrowed_str(value),
            other => Err(Error::invalid_type(other.unexpected(), &visitor)),
        }
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_str(visitor)
    }

    fn deserialize_identifier<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_str(visitor)
    }

    /// There is no nil: what is there is the value.
    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_newtype_struct(self)
    }

    /// A map only. A message inside another says its own type: serde passes it as the name.
    fn deserialize_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        let tag = name.starts_with(|c: char| c.is_ascii_lowercase()).then_some(name);
        match self.token()? {
            Token::Map(left) => visitor.visit_map(Entries { reader: self, left, tag, key: "" }),
            other => Err(Error::invalid_type(other.unexpected(), &visitor)),
        }
    }

    /// The variant's name only: variants with fields are tagged, and read by hand.
    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        match self.token()? {
            Token::Text(value) => visitor.visit_enum(BorrowedStrDeserializer::<Error>::new(value)),
            other => Err(Error::invalid_type(other.unexpected(), &visitor)),
        }
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char bytes byte_buf unit unit_struct seq tuple
        tuple_struct map ignored_any
    }
}

/// An open array.
struct Elements<'a, 'de> {
    reader: &'a mut Reader<'de>,
    count: usize,
    /// The place of the next element, counted from 0.
    at: usize,
}

impl<'de> SeqAccess<'de> for Elements<'_, 'de> {
    type Error = Error;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Error> {
        if self.at == self.count {
            return Ok(None);
        }
        let at = self.at;
        self.at += 1;
        seed.deserialize(&mut *self.reader).map(Some).map_err(|error| error.within(Step::Element(at)))
    }
}

/// An open map.
struct Entries<'a, 'de> {
    reader: &'a mut Reader<'de>,
    left: usize,
    /// What the key `type` must say, if it is there.
    tag: Option<&'static str>,
    /// The key just read.
    key: &'de str,
}

impl<'de> Entries<'_, 'de> {
    fn here(&self) -> Step {
        Step::Key(self.key.to_owned())
    }
}

impl<'de> MapAccess<'de> for Entries<'_, 'de> {
    type Error = Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Error> {
        let Some(left) = self.left.checked_sub(1) else { return Ok(None) };
        self.left = left;
        let Token::Text(key) = self.reader.token()? else { return Err(Error::custom("a key must be a string")) };
        self.key = key;
        let key = seed.deserialize(BorrowedStrDeserializer::new(key));
        key.map(Some).map_err(|error: Error| error.within(self.here()))
    }

    fn next_value_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<T::Value, Error> {
        if let Some(tag) = self.tag.filter(|_| self.key == "type") {
            match Reader::new(self.reader.rest).token()? {
                Token::Text(got) if got == tag => {}
                other => return Err(Error::invalid_value(other.unexpected(), &tag).within(self.here())),
            }
        }
        seed.deserialize(&mut *self.reader).map_err(|error| error.within(self.here()))
    }
}
