//! Any bytes as DER: what is read is canonical, so that writing it again gives the same octets.
#![no_main]

use libfuzzer_sys::fuzz_target;
use yinxin_pki::der::{self, Reader};

/// Elements in one another that the target follows; the reader itself does not recurse.
const DEPTH: usize = 32;

fuzz_target!(|bytes: &[u8]| walk(Reader::new(bytes), DEPTH));

fn walk(mut reader: Reader<'_>, depth: usize) {
    while !reader.is_empty() {
        typed(&reader);
        let before = reader.rest();
        let Ok(element) = reader.any() else { return };
        assert_eq!(der::element(element.tag, element.content), element.raw);
        assert!(before.starts_with(element.raw) && before.len() == element.raw.len() + reader.rest().len());
        if element.tag & 0x20 != 0 && depth > 0 {
            walk(element.reader(), depth - 1);
        }
    }
}

/// Every reader of a type, each from the same place; those with a writer beside them are held to it.
fn typed(reader: &Reader<'_>) {
    let raw = |reader: &Reader<'_>| reader.clone().any().map(|element| element.raw.to_vec()).unwrap();
    if let Ok(value) = reader.clone().boolean() {
        assert_eq!(der::boolean(value), raw(reader));
    }
    if let Ok(value) = reader.clone().small() {
        assert_eq!(der::small(value), raw(reader));
    }
    if let Ok(value) = reader.clone().oid() {
        assert_eq!(der::oid(&value), raw(reader));
        let _ = value.to_string();
    }
    if let Ok(value) = reader.clone().octets() {
        assert_eq!(der::octet_string(value), raw(reader));
    }
    if let Ok(value) = reader.clone().utf8() {
        assert_eq!(der::utf8_string(value), raw(reader));
    }
    if let Ok(value) = reader.clone().generalized_time() {
        let _ = value.to_string();
    }
    if let Ok(value) = reader.clone().utc_time() {
        let _ = value.to_string();
    }
    let _ =
        (reader.clone().integer(), reader.clone().bits(), reader.clone().ia5(), reader.clone().printable());
}
