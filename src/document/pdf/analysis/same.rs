//! Whether two objects mean the same, however they are written.

use std::collections::HashMap;

use super::super::{Dict, Object, ObjectId, Stream};

/// Whether `old` and `new` mean the same: order and repetition of keys, notation of strings and numbers aside.
/// References are compared by number, since what they lead to is compared for itself. `bytes` is the file.
pub(super) fn same(bytes: &[u8], old: &Object, new: &Object) -> bool {
    match (old, new) {
        (Object::String(old), Object::String(new)) => old.bytes == new.bytes,
        (Object::Array(old), Object::Array(new)) => {
            old.len() == new.len() && old.iter().zip(new).all(|(old, new)| same(bytes, old, new))
        }
        (Object::Dict(old), Object::Dict(new)) => same_dict(bytes, old, new),
        (Object::Stream(old), Object::Stream(new)) => {
            octets(bytes, old) == octets(bytes, new) && same_dict(bytes, &old.dict, &new.dict)
        }
        (Object::Integer(_) | Object::Real(_), Object::Integer(_) | Object::Real(_)) => {
            old.as_number() == new.as_number()
        }
        (old, new) => old == new,
    }
}

/// [`same`] for dictionaries. One that names a key twice with two meanings is the same as nothing.
pub(super) fn same_dict(bytes: &[u8], old: &Dict, new: &Dict) -> bool {
    !is_ambiguous(bytes, old) && !is_ambiguous(bytes, new) && changed_keys(bytes, old, new).is_empty()
}

/// The keys whose values differ, in order; `null` and absent are one.
pub(super) fn changed_keys<'d>(bytes: &[u8], old: &'d Dict, new: &'d Dict) -> Vec<&'d [u8]> {
    let [old, new] = [old, new].map(values);
    let mut keys: Vec<&[u8]> = old.keys().chain(new.keys()).copied().collect();
    keys.sort_unstable();
    keys.dedup();
    keys.retain(|key| match (old.get(key), new.get(key)) {
        (Some(old), Some(new)) => !same(bytes, old, new),
        _ => true,
    });
    keys
}

/// Key to value, the last where a key stands twice, without nulls. A map, since a hostile dictionary may be long.
fn values(dict: &Dict) -> HashMap<&[u8], &Object> {
    let mut values: HashMap<&[u8], &Object> =
        dict.entries().iter().map(|(key, value)| (key.as_slice(), value)).collect();
    values.retain(|_, value| !value.is_null());
    values
}

/// Whether a key stands twice in this dictionary (not in nested ones) with values that differ.
pub(super) fn is_ambiguous(bytes: &[u8], dict: &Dict) -> bool {
    let mut seen: HashMap<&[u8], &Object> = HashMap::with_capacity(dict.entries().len());
    dict.entries()
        .iter()
        .any(|(key, value)| seen.insert(key, value).is_some_and(|earlier| !same(bytes, earlier, value)))
}

/// Whether a key stands twice, with values that differ, in `object` or anything inside it.
pub(super) fn holds_ambiguity(bytes: &[u8], object: &Object) -> bool {
    let mut found = false;
    visit(object, &mut |inner| {
        if let Some(dict) = inner.as_dict() {
            found |= is_ambiguous(bytes, dict);
        }
    });
    found
}

/// Every reference in `object`.
pub(super) fn references(object: &Object) -> Vec<ObjectId> {
    let mut found = Vec::new();
    visit(object, &mut |inner| found.extend(inner.as_reference()));
    found
}

/// Every reference in `dict`.
pub(super) fn references_in(dict: &Dict) -> Vec<ObjectId> {
    dict.entries().iter().flat_map(|(_, value)| references(value)).collect()
}

/// Calls `act` on `object` and everything inside it, through no references.
fn visit(object: &Object, act: &mut impl FnMut(&Object)) {
    let mut open = vec![object];
    while let Some(object) = open.pop() {
        act(object);
        match object {
            Object::Array(items) => open.extend(items),
            Object::Dict(dict) => open.extend(dict.entries().iter().map(|(_, value)| value)),
            Object::Stream(stream) => open.extend(stream.dict.entries().iter().map(|(_, value)| value)),
            _ => {}
        }
    }
}

fn octets<'b>(bytes: &'b [u8], stream: &Stream) -> Option<&'b [u8]> {
    bytes.get(stream.span.clone())
}

#[cfg(test)]
mod tests {
    use super::super::super::Limits;
    use super::super::super::syntax::Parser;
    use super::*;

    fn read(text: &[u8]) -> Object {
        Parser::in_file(text, 0, &Limits::default()).object().unwrap()
    }

    #[test]
    fn notation_is_no_difference_and_meaning_is() {
        let table: &[(&[u8], &[u8], bool)] = &[
            (b"<</A 1/B(x)>>", b"<< /B <78> /A 1.0 /C null >>", true),
            (b"[1 2]", b"[2 1]", false),
            (b"<</A 1 0 R>>", b"<</A 2 0 R>>", false),
            (b"<</A 1>>", b"<</A 1/A 2>>", false),
            (b"<</A 2/A 2>>", b"<</A 2>>", true),
            (b"<</A 1/A 2>>", b"<</A 1/A 2>>", false),
            (b"/A", b"(A)", false),
        ];
        for (old, new, equal) in table {
            assert_eq!(same(b"", &read(old), &read(new)), *equal, "{}", String::from_utf8_lossy(new));
        }
    }

    #[test]
    fn an_ambiguous_key_is_found_at_any_depth() {
        assert!(holds_ambiguity(b"", &read(b"[<</A<</B 1/B 2>>>>]")));
        assert!(!holds_ambiguity(b"", &read(b"[<</A<</B 1/B 1>>>>]")));
        assert_eq!(references(&read(b"[1 0 R<</A 2 0 R>>]")).len(), 2);
    }
}
