//! Objects to octets, and the increment that carries new and changed objects behind an untouched file
//! (ISO 32000-2, 7.5.6).

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use sm3::{Digest as _, Sm3};

use super::PdfError;
use super::file::View;
use super::object::{Dict, Object, ObjectId, PdfString};
use super::syntax::{MAX_OBJECT_NUMBER, is_regular};

/// Keys of the last trailer that a new one must not repeat.
const OWN_TRAILER_KEYS: [&[u8]; 9] =
    [b"Size", b"Prev", b"XRefStm", b"Type", b"W", b"Index", b"Length", b"Filter", b"DecodeParms"];

type Result<T> = std::result::Result<T, PdfError>;

/// New and changed objects over one view.
pub(super) struct Increment<'p> {
    view: View<'p>,
    next_number: u32,
    objects: BTreeMap<u32, (u16, Body)>,
}

/// What an object of the increment is.
enum Body {
    Object(Object),
    Stream(Dict, Arc<[u8]>),
    Signature(Dict, usize),
}

/// A file with its increment, its signature value still empty.
#[derive(Debug)]
pub(super) struct Unsigned {
    pub(super) octets: Vec<u8>,
    /// The `<…>` of the signature's `/Contents`.
    pub(super) contents: Range<usize>,
}

impl<'p> Increment<'p> {
    pub(super) fn new(view: View<'p>) -> Result<Self> {
        let size =
            view.trailer().find(b"Size").and_then(Object::as_integer).and_then(|n| u32::try_from(n).ok());
        let size = size.ok_or(PdfError::malformed("the trailer has no Size", 0))?;
        let largest = view.pdf().revisions().iter().flat_map(|revision| revision.entries.keys()).max();
        let next_number = size.max(largest.map_or(1, |largest| largest + 1)).max(1);
        Ok(Self { view, next_number, objects: BTreeMap::new() })
    }

    /// The object as changed so far, or as the file has it.
    pub(super) fn resolve(&self, id: ObjectId) -> Result<Object> {
        match self.objects.get(&id.number) {
            Some((generation, Body::Object(object))) if *generation == id.generation => Ok(object.clone()),
            _ => self.view.resolve(id),
        }
    }

    /// A number nobody uses yet.
    pub(super) fn reserve(&mut self) -> Result<ObjectId> {
        let number = self.next_number;
        if number > MAX_OBJECT_NUMBER {
            return Err(PdfError::TooLarge { what: "object numbers", limit: MAX_OBJECT_NUMBER as usize });
        }
        self.next_number += 1;
        Ok(ObjectId { number, generation: 0 })
    }

    pub(super) fn replace(&mut self, id: ObjectId, object: Object) {
        self.objects.insert(id.number, (id.generation, Body::Object(object)));
    }

    pub(super) fn add(&mut self, object: Object) -> Result<ObjectId> {
        let id = self.reserve()?;
        self.replace(id, object);
        Ok(id)
    }

    pub(super) fn add_stream(&mut self, mut dict: Dict, octets: Arc<[u8]>) -> Result<ObjectId> {
        let id = self.reserve()?;
        dict.set(b"Length", Object::Integer(octets.len() as i64));
        self.objects.insert(id.number, (0, Body::Stream(dict, octets)));
        Ok(id)
    }

    /// Adds the one signature dictionary; `/ByteRange` and `/Contents` with `room_bytes` are written behind `dict`.
    pub(super) fn add_signature(&mut self, dict: Dict, room_bytes: usize) -> Result<ObjectId> {
        let id = self.reserve()?;
        self.objects.insert(id.number, (0, Body::Signature(dict, room_bytes)));
        Ok(id)
    }

    /// Writes the file and the increment behind it; `ByteRange` is filled in.
    pub(super) fn finish(mut self) -> Result<Unsigned> {
        let file = self.view.pdf().bytes();
        let mut writer = Writer { base: file.len(), out: Vec::new(), gap: None };
        if !file.ends_with(b"\n") {
            writer.out.push(b'\n');
        }
        let mut offsets: BTreeMap<u32, (u16, usize)> = BTreeMap::new();
        for (number, (generation, body)) in std::mem::take(&mut self.objects) {
            offsets.insert(number, (generation, writer.at()));
            writer.indirect(ObjectId { number, generation }, &body);
        }
        self.cross_reference(&mut writer, offsets)?;
        let Writer { out, gap, .. } = writer;
        let gap = gap.ok_or(PdfError::Unsupported { what: "an increment without a signature" })?;
        let mut octets = Vec::with_capacity(file.len() + out.len());
        octets.extend_from_slice(file);
        octets.extend_from_slice(&out);
        gap.fill_byte_range(&mut octets);
        Ok(Unsigned { octets, contents: gap.contents })
    }

    /// A table or a stream, as the last revision has it.
    fn cross_reference(
        &mut self,
        writer: &mut Writer,
        mut offsets: BTreeMap<u32, (u16, usize)>,
    ) -> Result<()> {
        let last = self.view.pdf().revisions().last();
        let has_stream = last.is_some_and(|last| last.has_stream);
        let previous = last.map_or(0, |last| last.start_xref);
        let stream_id = if has_stream { Some(self.reserve()?) } else { None };
        let start = writer.at();
        let trailer = self.trailer(previous, &writer.written());
        match stream_id {
            Some(id) => {
                offsets.insert(id.number, (0, start));
                writer.cross_reference_stream(id, trailer, &offsets);
            }
            None => writer.cross_reference_table(&trailer, &offsets),
        }
        writer.out.extend_from_slice(format!("startxref\n{start}\n%%EOF\n").as_bytes());
        Ok(())
    }

    fn trailer(&self, previous: usize, increment: &[&[u8]]) -> Dict {
        let mut trailer = Dict::new();
        trailer.set(b"Size", Object::Integer(i64::from(self.next_number)));
        for (key, value) in self.view.trailer().entries() {
            if !OWN_TRAILER_KEYS.contains(&key.as_slice()) {
                trailer.set(key, value.clone());
            }
        }
        // The first half of the identifier stays, the second names this version (14.4).
        if let Some([first @ Object::String(_), _]) = trailer.find(b"ID").and_then(Object::as_array) {
            let digest = increment.iter().fold(Sm3::new(), |digest, part| digest.chain_update(part));
            let bytes = digest.finalize()[..16].to_vec();
            let second = Object::String(PdfString { bytes, span: None, hex: true });
            let both = vec![first.clone(), second];
            trailer.set(b"ID", Object::Array(both));
        }
        trailer.set(b"Prev", Object::Integer(previous as i64));
        trailer
    }
}

/// Blanks kept for three offsets of at most ten digits in `/ByteRange`.
const BYTE_RANGE_ROOM: usize = 36;

struct Gap {
    /// Where the blanks of `/ByteRange` start.
    byte_range: usize,
    contents: Range<usize>,
}

impl Gap {
    fn fill_byte_range(&self, octets: &mut [u8]) {
        let Range { start, end } = self.contents;
        let range = format!("{start} {end} {}", octets.len() - end);
        octets[self.byte_range..self.byte_range + range.len()].copy_from_slice(range.as_bytes());
    }
}

/// Writes octets that will stand behind `base` others.
struct Writer {
    base: usize,
    out: Vec<u8>,
    gap: Option<Gap>,
}

impl Writer {
    fn at(&self) -> usize {
        self.base + self.out.len()
    }

    /// What was written so far, without the room of the value: nothing stands there yet, and it is most of a stamp.
    fn written(&self) -> Vec<&[u8]> {
        let Some(Gap { contents, .. }) = &self.gap else { return vec![&self.out] };
        let place = |at: usize| at.saturating_sub(self.base).min(self.out.len());
        vec![&self.out[..place(contents.start)], &self.out[place(contents.end)..]]
    }

    fn indirect(&mut self, id: ObjectId, body: &Body) {
        self.out.extend_from_slice(format!("{} {} obj\n", id.number, id.generation).as_bytes());
        match body {
            Body::Object(object) => object_to(&mut self.out, object),
            Body::Stream(dict, octets) => stream_to(&mut self.out, dict, octets),
            Body::Signature(dict, room_bytes) => self.signature(dict, *room_bytes),
        }
        self.out.extend_from_slice(b"\nendobj\n");
    }

    fn signature(&mut self, dict: &Dict, room_bytes: usize) {
        self.out.extend_from_slice(b"<<");
        entries_to(&mut self.out, dict);
        self.out.extend_from_slice(b"/ByteRange[0 ");
        let byte_range = self.at();
        self.out.resize(self.out.len() + BYTE_RANGE_ROOM, b' ');
        self.out.extend_from_slice(b"]/Contents");
        let start = self.at();
        self.out.push(b'<');
        self.out.resize(self.out.len() + 2 * room_bytes, b'0');
        self.out.push(b'>');
        self.gap = Some(Gap { byte_range, contents: start..self.at() });
        self.out.extend_from_slice(b">>");
    }

    fn cross_reference_table(&mut self, trailer: &Dict, offsets: &BTreeMap<u32, (u16, usize)>) {
        self.out.extend_from_slice(b"xref\n");
        for (first, count) in runs(offsets) {
            self.out.extend_from_slice(format!("{first} {count}\n").as_bytes());
            for (generation, offset) in offsets.range(first..).take(count).map(|(_, entry)| entry) {
                self.out.extend_from_slice(format!("{offset:010} {generation:05} n \n").as_bytes());
            }
        }
        self.out.extend_from_slice(b"trailer\n");
        dict_to(&mut self.out, trailer);
        self.out.push(b'\n');
    }

    fn cross_reference_stream(
        &mut self,
        id: ObjectId,
        mut dict: Dict,
        offsets: &BTreeMap<u32, (u16, usize)>,
    ) {
        let mut rows = Vec::with_capacity(offsets.len() * 7);
        for (generation, offset) in offsets.values() {
            rows.push(1);
            // No file beyond 1 GiB is opened, so that four octets hold every offset.
            rows.extend_from_slice(&(*offset as u32).to_be_bytes());
            rows.extend_from_slice(&generation.to_be_bytes());
        }
        let whole = |n: usize| Object::Integer(n as i64);
        let index =
            runs(offsets).into_iter().flat_map(|(first, count)| [whole(first as usize), whole(count)]);
        dict.set(b"Type", Object::Name(b"XRef".to_vec()));
        dict.set(b"W", Object::Array([1, 4, 2].map(whole).to_vec()));
        dict.set(b"Index", Object::Array(index.collect()));
        dict.set(b"Length", whole(rows.len()));
        self.indirect(id, &Body::Stream(dict, rows.into()));
    }
}

/// Runs of consecutive numbers: the first of each, and how many.
fn runs(offsets: &BTreeMap<u32, (u16, usize)>) -> Vec<(u32, usize)> {
    let mut runs: Vec<(u32, usize)> = Vec::new();
    for number in offsets.keys() {
        match runs.last_mut() {
            Some((first, count)) if *first as usize + *count == *number as usize => *count += 1,
            _ => runs.push((*number, 1)),
        }
    }
    runs
}

fn object_to(out: &mut Vec<u8>, object: &Object) {
    match object {
        Object::Null => out.extend_from_slice(b"null"),
        Object::Bool(value) => out.extend_from_slice(if *value { b"true" } else { b"false" }),
        Object::Integer(value) => out.extend_from_slice(value.to_string().as_bytes()),
        Object::Real(value) => out.extend_from_slice(value.to_string().as_bytes()),
        Object::String(text) => string_to(out, text),
        Object::Name(name) => name_to(out, name),
        Object::Array(items) => {
            out.push(b'[');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    out.push(b' ');
                }
                object_to(out, item);
            }
            out.push(b']');
        }
        Object::Dict(dict) => dict_to(out, dict),
        // A changed object is a dictionary or an array by the time it comes here; streams go through `stream_to`.
        Object::Stream(stream) => dict_to(out, &stream.dict),
        Object::Reference(id) => {
            out.extend_from_slice(format!("{} {} R", id.number, id.generation).as_bytes())
        }
    }
}

fn dict_to(out: &mut Vec<u8>, dict: &Dict) {
    out.extend_from_slice(b"<<");
    entries_to(out, dict);
    out.extend_from_slice(b">>");
}

fn entries_to(out: &mut Vec<u8>, dict: &Dict) {
    for (key, value) in dict.entries() {
        name_to(out, key);
        if !matches!(value, Object::Name(_) | Object::Array(_) | Object::Dict(_) | Object::String(_)) {
            out.push(b' ');
        }
        object_to(out, value);
    }
}

fn stream_to(out: &mut Vec<u8>, dict: &Dict, octets: &[u8]) {
    dict_to(out, dict);
    out.extend_from_slice(b"\nstream\n");
    out.extend_from_slice(octets);
    out.extend_from_slice(b"\nendstream");
}

fn name_to(out: &mut Vec<u8>, name: &[u8]) {
    out.push(b'/');
    for byte in name {
        if is_regular(*byte) && byte.is_ascii_graphic() && *byte != b'#' {
            out.push(*byte);
        } else {
            out.extend_from_slice(format!("#{byte:02x}").as_bytes());
        }
    }
}

fn string_to(out: &mut Vec<u8>, text: &PdfString) {
    if text.hex {
        out.push(b'<');
        for byte in &text.bytes {
            out.extend_from_slice(&hex_pair(*byte));
        }
        out.push(b'>');
        return;
    }
    out.push(b'(');
    for byte in &text.bytes {
        match byte {
            b'(' | b')' | b'\\' => out.extend_from_slice(&[b'\\', *byte]),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\n' => out.extend_from_slice(b"\\n"),
            other => out.push(*other),
        }
    }
    out.push(b')');
}

/// Two lower-case hexadecimal digits.
pub(super) fn hex_pair(byte: u8) -> [u8; 2] {
    const DIGITS: [u8; 16] = *b"0123456789abcdef";
    [DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]]
}

#[cfg(test)]
mod tests {
    use super::super::syntax::Parser;
    use super::super::{Limits, PdfError};
    use super::*;

    #[test]
    fn what_is_written_reads_the_same() {
        let source = br"<</A#20b/C#23/D(a\(\\\r\n\)b)/E<00ff>/F[1 -2 0.5 true null 3 0 R<</G/H>>]/I 12>>";
        let limits = Limits::default();
        let read = |octets: &[u8]| -> std::result::Result<Object, PdfError> {
            Parser::in_object_stream(octets, 0, &limits).object()
        };
        let object = read(source).unwrap();
        let mut out = Vec::new();
        object_to(&mut out, &object);
        assert_eq!(read(&out).unwrap(), object, "{}", String::from_utf8_lossy(&out));
    }
}
