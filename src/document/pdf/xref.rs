//! The chain of cross-reference sections, read from the end of the file into revisions (ISO 32000-2, 7.5.4–7.5.8,
//! Annex F for linearised files). Nothing is repaired: what a strict reader cannot follow is refused.

use std::collections::HashMap;
use std::collections::hash_map;

use super::file::{Entry, OCTETS_A_STEP, Oddity, Revision};
use super::filter;
use super::object::{Dict, Object, Stream};
use super::syntax::{MAX_OBJECT_NUMBER, Parser};
use super::{Limits, PdfError};

/// How far from the end `startxref` is sought.
const TAIL_BYTES: usize = 2048;

type Result<T> = std::result::Result<T, PdfError>;

/// One cross-reference section: a table, a stream, or a table with its hidden stream.
struct Section {
    start: usize,
    /// After its trailer or stream; once [`Reader::close`]d, after `%%EOF` and its line end.
    end: usize,
    entries: HashMap<u32, Entry>,
    trailer: Dict,
    is_stream: bool,
    previous: Option<usize>,
}

/// Entries that a file may have beside one for each of its octets.
const SMALL_FILE_ENTRIES: usize = 1024;

/// Reads every revision, oldest first.
pub(super) fn revisions(bytes: &[u8], limits: &Limits, oddities: &mut Vec<Oddity>) -> Result<Vec<Revision>> {
    // Deflated rows cost nothing: a file names no more objects than it has octets.
    let entries_max = limits.max_objects.min(bytes.len().saturating_add(SMALL_FILE_ENTRIES));
    let (entries_left, decoded_left) = (entries_max, limits.max_total_decoded_bytes);
    let values_left = limits.max_values;
    let mut reader = Reader { bytes, limits, entries_max, entries_left, decoded_left, values_left, oddities };
    let mut sections = reader.chain()?;
    let linearised = reader.merge_linearised(&mut sections)?;
    sections.reverse();
    let mut revisions: Vec<Revision> = Vec::with_capacity(sections.len());
    for (index, mut section) in sections.into_iter().enumerate() {
        if index > 0 || !linearised {
            reader.close(&mut section)?;
        }
        let older_end = revisions.last().map_or(0, |older| older.end);
        if section.start < older_end {
            return Err(PdfError::malformed(
                "cross-reference sections are not in the order of their revisions",
                section.start,
            ));
        }
        if let Some(offset) = first_beyond(&section) {
            return Err(PdfError::malformed("a revision refers to octets that came after it", offset));
        }
        revisions.push(Revision {
            start_xref: section.start,
            end: section.end,
            entries: section.entries,
            trailer: section.trailer,
            has_stream: section.is_stream,
        });
    }
    Ok(revisions)
}

fn first_beyond(section: &Section) -> Option<usize> {
    section.entries.values().find_map(|entry| match entry {
        Entry::At { offset, .. } if *offset >= section.end => Some(*offset),
        _ => None,
    })
}

struct Reader<'a, 'o> {
    bytes: &'a [u8],
    limits: &'a Limits,
    entries_max: usize,
    entries_left: usize,
    decoded_left: usize,
    values_left: usize,
    oddities: &'o mut Vec<Oddity>,
}

impl Reader<'_, '_> {
    /// Sections from the newest to the oldest.
    fn chain(&mut self) -> Result<Vec<Section>> {
        let mut sections: Vec<Section> = Vec::new();
        let mut next = Some(self.last_start_xref()?);
        while let Some(offset) = next {
            if sections.iter().any(|section| section.start == offset) {
                return Err(PdfError::malformed("the cross-reference sections go round in a circle", offset));
            }
            // A linearised file spends two sections on its first revision.
            if sections.len() > self.limits.max_revisions {
                return Err(PdfError::TooLarge { what: "revisions", limit: self.limits.max_revisions });
            }
            let section = self.section(offset)?;
            next = section.previous;
            sections.push(section);
        }
        Ok(sections)
    }

    fn last_start_xref(&self) -> Result<usize> {
        let from = self.bytes.len().saturating_sub(TAIL_BYTES);
        let tail = &self.bytes[from..];
        let found = tail.windows(9).rposition(|window| window == b"startxref");
        let missing = "no startxref near the end: the file is cut short or something was appended";
        let at = from + found.ok_or(PdfError::malformed(missing, self.bytes.len()))?;
        Ok(self.closing(at)?.0)
    }

    /// `startxref`, an offset, `%%EOF` and its line end, from `at` on: the offset, and where the next octet lies.
    fn closing(&self, at: usize) -> Result<(usize, usize)> {
        let mut parser = Parser::in_file(self.bytes, at, self.limits);
        parser.expect(b"startxref", "expected startxref after a cross-reference section")?;
        parser.skip_white();
        let offset = parser.unsigned().and_then(|n| usize::try_from(n).ok());
        let offset =
            offset.ok_or(PdfError::malformed("startxref is not followed by an offset", parser.at))?;
        parser.skip_white();
        if !parser.rest().starts_with(b"%%EOF") {
            return Err(PdfError::malformed("expected %%EOF after startxref", parser.at));
        }
        parser.at += 5;
        match parser.rest() {
            [b'\r', b'\n', ..] => parser.at += 2,
            [b'\r' | b'\n', ..] => parser.at += 1,
            _ => {}
        }
        Ok((offset, parser.at))
    }

    /// Moves the end of `section` behind the `%%EOF` that must follow it.
    fn close(&mut self, section: &mut Section) -> Result<()> {
        let (says, end) = self.closing(section.end)?;
        if says != section.start {
            self.note("a startxref names another section than the one before it", section.end);
        }
        section.end = end;
        Ok(())
    }

    fn section(&mut self, offset: usize) -> Result<Section> {
        if offset >= self.bytes.len() {
            return Err(PdfError::malformed(
                "a cross-reference section is said to lie past the end of the file",
                offset,
            ));
        }
        let mut parser = Parser::in_file(self.bytes, offset, self.limits);
        let is_table = parser.accept(b"xref");
        let mut section = if is_table { self.table(parser, offset)? } else { self.stream(offset)? };
        if section.trailer.has_duplicates() {
            return Err(PdfError::malformed("a trailer names a key twice", offset));
        }
        section.previous = previous(&section.trailer, offset)?;
        Ok(section)
    }

    fn table(&mut self, mut parser: Parser<'_>, start: usize) -> Result<Section> {
        let mut entries = HashMap::new();
        loop {
            if parser.accept(b"trailer") {
                break;
            }
            parser.skip_space();
            let at = parser.at;
            let wrong = || PdfError::malformed("expected a cross-reference subsection or the trailer", at);
            let first = parser.unsigned().ok_or_else(wrong)?;
            parser.skip_white();
            let count = parser.unsigned().ok_or_else(wrong)?;
            self.spend(count)?;
            let last = first.checked_add(count).filter(|last| *last <= u64::from(MAX_OBJECT_NUMBER) + 1);
            for number in first..last.ok_or_else(wrong)? {
                let entry = table_entry(&mut parser)?;
                insert(&mut entries, number as u32, entry, parser.at)?;
            }
        }
        parser.values_left = self.values_left;
        let trailer = parser.object()?;
        self.values_left = parser.values_left;
        let trailer = match trailer {
            Object::Dict(trailer) => trailer,
            _ => return Err(PdfError::malformed("a trailer is not a dictionary", parser.at)),
        };
        let end = parser.at;
        if let Some(hidden) = trailer.find(b"XRefStm") {
            self.hybrid(hidden, &mut entries, start)?;
        }
        Ok(Section { start, end, entries, trailer, is_stream: false, previous: None })
    }

    /// Adds what the stream of a hybrid file says about objects that its table calls free or leaves out (7.5.8.4).
    fn hybrid(&mut self, offset: &Object, entries: &mut HashMap<u32, Entry>, start: usize) -> Result<()> {
        let offset =
            offset.as_integer().and_then(|n| usize::try_from(n).ok()).filter(|n| *n < self.bytes.len());
        let offset = offset.ok_or(PdfError::malformed("XRefStm is not an offset in the file", start))?;
        for (number, entry) in self.stream(offset)?.entries {
            match entries.get(&number) {
                None | Some(Entry::Free) => {
                    entries.insert(number, entry);
                }
                Some(known) if *known != entry && entry != Entry::Free => {
                    self.note("the table and the stream of a hybrid section differ over an object", offset);
                }
                Some(_) => {}
            }
        }
        Ok(())
    }

    fn stream(&mut self, start: usize) -> Result<Section> {
        let mut parser = Parser::in_file(self.bytes, start, self.limits);
        let direct = |length: &Object| {
            let length = length.as_integer().and_then(|n| usize::try_from(n).ok());
            length.ok_or(PdfError::malformed(
                "the Length of a cross-reference stream is no direct number",
                start,
            ))
        };
        parser.values_left = self.values_left;
        let indirect = parser.indirect(&direct)?;
        self.values_left = parser.values_left;
        let Object::Stream(stream) = indirect.object else {
            return Err(PdfError::malformed("expected a cross-reference table or stream", start));
        };
        if !stream.dict.is(b"Type", b"XRef") {
            return Err(PdfError::malformed("expected a stream of Type XRef", start));
        }
        let octets = self.decoded(&stream, start)?;
        let entries = self.stream_entries(&stream.dict, &octets, start)?;
        let end = indirect.span.end;
        Ok(Section { start, end, entries, trailer: stream.dict, is_stream: true, previous: None })
    }

    /// A cross-reference stream is read before anything can be referred to: its filters are direct objects.
    fn decoded(&mut self, stream: &Stream, at: usize) -> Result<Vec<u8>> {
        let chain = filter::chain(&stream.dict, &|object| Ok(object.clone()))?;
        let limit = self.limits.max_total_decoded_bytes;
        let octets = &self.bytes[stream.span.clone()];
        let decoded = filter::decode(octets, &chain, self.limits.max_decoded_bytes, &mut |octets| {
            self.limits.budget.spend(octets as u64 / OCTETS_A_STEP)?;
            let left = self.decoded_left.checked_sub(octets);
            self.decoded_left = left.ok_or(PdfError::TooLarge { what: "decoded octets in all", limit })?;
            Ok(())
        });
        decoded.map_err(|error| match error {
            PdfError::Malformed { what, .. } => PdfError::Malformed { what, at },
            other => other,
        })
    }

    fn stream_entries(&mut self, dict: &Dict, octets: &[u8], at: usize) -> Result<HashMap<u32, Entry>> {
        let wrong =
            || PdfError::malformed("the W, Index or Size of a cross-reference stream cannot be read", at);
        let widths = whole_numbers(dict.find(b"W")).filter(|w| w.len() == 3 && w.iter().all(|n| *n <= 8));
        let [kind_width, second_width, third_width] = widths.ok_or_else(wrong)?[..] else {
            return Err(wrong());
        };
        let row = (kind_width + second_width + third_width) as usize;
        let size = dict.find(b"Size").and_then(Object::as_integer).and_then(|n| u64::try_from(n).ok());
        let size = size.ok_or_else(wrong)?;
        let index = match dict.find(b"Index") {
            None => vec![0, size],
            index => whole_numbers(index).filter(|index| index.len().is_multiple_of(2)).ok_or_else(wrong)?,
        };
        if row == 0 {
            return Err(wrong());
        }
        let mut rows = octets.chunks_exact(row);
        let mut entries = HashMap::new();
        for range in index.chunks_exact(2) {
            self.spend(range[1])?;
            let last =
                range[0].checked_add(range[1]).filter(|last| *last <= u64::from(MAX_OBJECT_NUMBER) + 1);
            for number in range[0]..last.ok_or_else(wrong)? {
                let short =
                    PdfError::malformed("a cross-reference stream is shorter than its Index says", at);
                let (kind, rest) = rows.next().ok_or(short)?.split_at(kind_width as usize);
                let (second, third) = rest.split_at(second_width as usize);
                let kind = if kind.is_empty() { 1 } else { big_endian(kind) };
                let entry = stream_entry(kind, big_endian(second), big_endian(third)).ok_or_else(wrong)?;
                insert(&mut entries, number as u32, entry, at)?;
            }
        }
        Ok(entries)
    }

    /// Joins the two sections of a linearised file (Annex F): the first-page section stands before the main one it
    /// names as previous, and both make up the oldest revision.
    fn merge_linearised(&self, sections: &mut Vec<Section>) -> Result<bool> {
        let [.., first_page, main] = &sections[..] else { return Ok(false) };
        if main.start <= first_page.start {
            return Ok(false);
        }
        if !self.is_linearised() {
            return Err(PdfError::malformed(
                "a cross-reference section names a later one as previous",
                first_page.start,
            ));
        }
        let Some(main) = sections.pop() else { return Ok(false) };
        let Some(first_page) = sections.last_mut() else { return Ok(false) };
        for (number, entry) in main.entries {
            first_page.entries.entry(number).or_insert(entry);
        }
        // The first-page section need not be closed: qpdf leaves blanks where another writer puts `startxref 0`.
        first_page.end = self.closing(main.end)?.1;
        Ok(true)
    }

    fn is_linearised(&self) -> bool {
        let head = &self.bytes[..self.bytes.len().min(1024)];
        let Some(header) = head.windows(5).position(|window| window == b"%PDF-") else { return false };
        let mut parser = Parser::in_file(self.bytes, header, self.limits);
        let no_stream = |_: &Object| Err(PdfError::malformed("no stream is expected here", header));
        let first = parser.indirect(&no_stream);
        first.is_ok_and(|first| first.object.as_dict().is_some_and(|dict| dict.find(b"Linearized").is_some()))
    }

    fn spend(&mut self, count: u64) -> Result<()> {
        let left = usize::try_from(count).ok().and_then(|count| self.entries_left.checked_sub(count));
        let limit = self.entries_max;
        self.entries_left = left.ok_or(PdfError::TooLarge { what: "cross-reference entries", limit })?;
        self.limits.budget.spend(count)?;
        Ok(())
    }

    fn note(&mut self, what: &'static str, at: usize) {
        if self.oddities.len() < 100 {
            self.oddities.push(Oddity { what, at });
        }
    }
}

fn previous(trailer: &Dict, at: usize) -> Result<Option<usize>> {
    let Some(previous) = trailer.find(b"Prev") else { return Ok(None) };
    // Some writers put a real number here; a reference is against 7.5.5.
    let offset = previous.as_integer().and_then(|n| usize::try_from(n).ok());
    offset.map(Some).ok_or(PdfError::malformed("Prev is not an offset", at))
}

fn insert(entries: &mut HashMap<u32, Entry>, number: u32, entry: Entry, at: usize) -> Result<()> {
    match entries.entry(number) {
        hash_map::Entry::Vacant(place) => {
            place.insert(entry);
            Ok(())
        }
        hash_map::Entry::Occupied(_) => {
            Err(PdfError::malformed("a cross-reference section names an object twice", at))
        }
    }
}

/// `0000000017 00000 n` and the line end; rows of 19 octets occur and do no harm.
fn table_entry(parser: &mut Parser<'_>) -> Result<Entry> {
    parser.skip_white();
    let wrong = PdfError::malformed("a row of a cross-reference table cannot be read", parser.at);
    let offset = parser.unsigned().and_then(|n| usize::try_from(n).ok());
    parser.skip_white();
    let generation = parser.unsigned();
    parser.skip_white();
    match (offset, generation, parser.next()) {
        // Nobody asks for the generation of what is free, and some writers make it 65536.
        (Some(_), Some(_), Some(b'f')) | (Some(0), Some(_), Some(b'n')) => Ok(Entry::Free),
        (Some(offset), Some(generation), Some(b'n')) => {
            Ok(Entry::At { offset, generation: u16::try_from(generation).map_err(|_| wrong)? })
        }
        _ => Err(wrong),
    }
}

/// `None` where a field is out of range. A type yet unknown means a reference to null (7.5.8.3).
fn stream_entry(kind: u64, second: u64, third: u64) -> Option<Entry> {
    match kind {
        1 => {
            Some(Entry::At { offset: usize::try_from(second).ok()?, generation: u16::try_from(third).ok()? })
        }
        2 => {
            let stream = u32::try_from(second).ok().filter(|n| *n <= MAX_OBJECT_NUMBER)?;
            Some(Entry::InStream { stream, index: u32::try_from(third).ok()? })
        }
        _ => Some(Entry::Free),
    }
}

fn big_endian(octets: &[u8]) -> u64 {
    octets.iter().fold(0, |value, octet| value << 8 | u64::from(*octet))
}

fn whole_numbers(object: Option<&Object>) -> Option<Vec<u64>> {
    object?.as_array()?.iter().map(|n| n.as_integer().and_then(|n| u64::try_from(n).ok())).collect()
}
