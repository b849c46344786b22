//! The eight kinds of PDF object (ISO 32000-2, 7.3), with the spans a verifier needs.

use std::ops::Range;

/// The name of an indirect object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ObjectId {
    /// Object number, from 1.
    pub number: u32,
    /// Generation, nearly always 0.
    pub generation: u16,
}

/// A value as it stands in the file.
#[derive(Debug, Clone, PartialEq)]
pub enum Object {
    /// `null`, and whatever a reference to nothing gives.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A whole number.
    Integer(i64),
    /// A number with a fraction.
    Real(f64),
    /// A literal or hexadecimal string.
    String(PdfString),
    /// A name without its slash, `#xx` decoded.
    Name(Vec<u8>),
    /// An array.
    Array(Vec<Object>),
    /// A dictionary.
    Dict(Dict),
    /// A stream: its dictionary and where its octets lie.
    Stream(Stream),
    /// A reference to an indirect object.
    Reference(ObjectId),
}

/// A string, decoded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PdfString {
    /// What it says.
    pub bytes: Vec<u8>,
    /// Where its token lies in the file, delimiters included. `None` inside an object stream.
    pub span: Option<Range<usize>>,
    /// Written as `<…>`.
    pub hex: bool,
}

/// A stream's dictionary and the span of its raw octets in the file.
#[derive(Debug, Clone, PartialEq)]
pub struct Stream {
    /// The dictionary before the octets.
    pub dict: Dict,
    /// The octets as stored, before any filter.
    pub span: Range<usize>,
}

/// A dictionary in file order. Duplicate keys are kept: two readers may differ over them.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Dict {
    entries: Vec<(Vec<u8>, Object)>,
}

impl Object {
    /// The integer, or `None` for anything else.
    pub fn as_integer(&self) -> Option<i64> {
        match self {
            Self::Integer(n) => Some(*n),
            _ => None,
        }
    }

    /// An integer or real as a number.
    pub fn as_number(&self) -> Option<f64> {
        match self {
            Self::Integer(n) => Some(*n as f64),
            Self::Real(n) => Some(*n),
            _ => None,
        }
    }

    /// The name without its slash.
    pub fn as_name(&self) -> Option<&[u8]> {
        match self {
            Self::Name(name) => Some(name),
            _ => None,
        }
    }

    /// The string.
    pub fn as_string(&self) -> Option<&PdfString> {
        match self {
            Self::String(text) => Some(text),
            _ => None,
        }
    }

    /// The elements of an array.
    pub fn as_array(&self) -> Option<&[Object]> {
        match self {
            Self::Array(items) => Some(items),
            _ => None,
        }
    }

    /// The dictionary, also of a stream.
    pub fn as_dict(&self) -> Option<&Dict> {
        match self {
            Self::Dict(dict) => Some(dict),
            Self::Stream(stream) => Some(&stream.dict),
            _ => None,
        }
    }

    /// The stream.
    pub fn as_stream(&self) -> Option<&Stream> {
        match self {
            Self::Stream(stream) => Some(stream),
            _ => None,
        }
    }

    /// The object referred to.
    pub fn as_reference(&self) -> Option<ObjectId> {
        match self {
            Self::Reference(id) => Some(*id),
            _ => None,
        }
    }

    /// Whether this is `null`.
    pub fn is_null(&self) -> bool {
        matches!(self, Self::Null)
    }
}

impl Dict {
    /// An empty dictionary.
    pub fn new() -> Self {
        Self::default()
    }

    /// The value of `key`: the last one where the key stands twice (see [`Dict::has_duplicates`]), `None` where it is
    /// absent or `null`, which mean the same (ISO 32000-2, 7.3.7).
    pub fn find(&self, key: &[u8]) -> Option<&Object> {
        self.entries
            .iter()
            .rev()
            .find(|(name, _)| name == key)
            .map(|(_, value)| value)
            .filter(|v| !v.is_null())
    }

    /// Whether `key` has the name `value`.
    pub fn is(&self, key: &[u8], value: &[u8]) -> bool {
        self.find(key).and_then(Object::as_name) == Some(value)
    }

    /// The entries in file order, duplicates and nulls included.
    pub fn entries(&self) -> &[(Vec<u8>, Object)] {
        &self.entries
    }

    /// Whether some key stands twice in this dictionary (not in nested ones).
    pub fn has_duplicates(&self) -> bool {
        let mut keys: Vec<&[u8]> = self.entries.iter().map(|(key, _)| key.as_slice()).collect();
        keys.sort_unstable();
        keys.windows(2).any(|pair| pair[0] == pair[1])
    }

    /// Sets `key`, in place of whatever stood there.
    pub fn set(&mut self, key: &[u8], value: Object) {
        self.remove(key);
        self.entries.push((key.to_vec(), value));
    }

    /// Removes every entry of `key`.
    pub fn remove(&mut self, key: &[u8]) {
        self.entries.retain(|(name, _)| name != key);
    }

    pub(super) fn push(&mut self, key: Vec<u8>, value: Object) {
        self.entries.push((key, value));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_that_stands_twice_is_kept_and_reported() {
        let mut dict = Dict::new();
        dict.push(b"A".to_vec(), Object::Integer(1));
        assert!(!dict.has_duplicates());
        dict.push(b"A".to_vec(), Object::Integer(2));
        assert!(dict.has_duplicates());
        assert_eq!(dict.entries().len(), 2);
        assert_eq!(dict.find(b"A"), Some(&Object::Integer(2)));
    }

    #[test]
    fn a_null_value_is_no_value() {
        let mut dict = Dict::new();
        dict.push(b"Contents".to_vec(), Object::Null);
        assert_eq!(dict.find(b"Contents"), None);
    }
}
