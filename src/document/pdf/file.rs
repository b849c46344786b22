//! A file as its revisions, and a view of it as each revision left it. Objects are parsed when asked for.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use super::filter;
use super::history::History;
use super::memory::Memory;
use super::object::{Dict, Object, ObjectId, Stream};
use super::page::{self, Page};
use super::syntax::{Indirect, Parser, is_space};
use super::{Limits, PdfError, xref};

/// References that may lead to one another before a value comes.
const MAX_HOPS: usize = 16;
/// Indirect lengths and object streams that one look-up may pass through.
const MAX_LOOKUPS: usize = 6;
/// Decoded octets of object streams kept for the next look-up.
const CACHE_BYTES: usize = 64 << 20;
/// Revisions that are gone through one by one for an object.
const FEW_REVISIONS: usize = 4;
/// Objects that are copied from memory in the time that one is read in.
const COPIES_A_READING: usize = 16;
/// Octets that are read or decoded in the time of one step of the budget.
pub(super) const OCTETS_A_STEP: u64 = 16;

type Result<T> = std::result::Result<T, PdfError>;

/// An opened file. Nothing is copied; what is decoded is bounded by the [`Limits`].
#[derive(Debug)]
pub struct Pdf<'a> {
    bytes: &'a [u8],
    limits: Limits,
    revisions: Vec<Revision>,
    oddities: Vec<Oddity>,
    cache: Mutex<Cache>,
    /// Where each object was; made when first asked for.
    history: OnceLock<History>,
    memory: Mutex<Memory>,
    decoded: AtomicUsize,
    parsed: AtomicUsize,
    values: AtomicUsize,
}

/// One revision: what one writing of the file added.
#[derive(Debug, Clone)]
pub struct Revision {
    /// Offset of its cross-reference section (the first-page one of a linearised file).
    pub start_xref: usize,
    /// Offset just after its `%%EOF` and line end.
    pub end: usize,
    /// The objects this revision names; older ones stay as they were.
    pub entries: HashMap<u32, Entry>,
    /// Its trailer, or the dictionary of its cross-reference stream.
    pub trailer: Dict,
    /// Its cross-reference section is a stream rather than a table (hybrid counts as table).
    pub has_stream: bool,
}

/// Where an object is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Entry {
    /// Nowhere: deleted, or never used.
    Free,
    /// In the file.
    At {
        /// Offset of its number.
        offset: usize,
        /// Its generation.
        generation: u16,
    },
    /// In an object stream.
    InStream {
        /// Object number of the stream.
        stream: u32,
        /// Place in the stream, from 0.
        index: u32,
    },
}

/// Something tolerated that a careful reader wants to know of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Oddity {
    /// What was found.
    pub what: &'static str,
    /// Offset in the file.
    pub at: usize,
}

/// The document as one revision left it.
#[derive(Debug, Clone, Copy)]
pub struct View<'p> {
    pdf: &'p Pdf<'p>,
    revision: usize,
}

#[derive(Debug, Default)]
struct Cache {
    streams: HashMap<usize, Arc<ObjectStream>>,
    bytes: usize,
}

/// A decoded object stream: numbers with the offset of each object.
#[derive(Debug)]
struct ObjectStream {
    octets: Vec<u8>,
    index: Vec<(u32, usize)>,
}

impl<'a> Pdf<'a> {
    pub(super) fn open(bytes: &'a [u8], limits: &Limits) -> Result<Self> {
        let limit = limits.max_bytes.min(super::HARD_MAX_BYTES);
        if bytes.is_empty() {
            return Err(PdfError::Empty);
        }
        if bytes.len() > limit {
            return Err(PdfError::TooLarge { what: "octets", limit });
        }
        let head = &bytes[..bytes.len().min(1024)];
        let header = head.windows(5).position(|window| window == b"%PDF-").ok_or(PdfError::NotPdf)?;
        let mut oddities = Vec::new();
        if header > 0 {
            oddities.push(Oddity { what: "octets stand before the header", at: 0 });
        }
        let revisions = xref::revisions(bytes, limits, &mut oddities)?;
        if revisions.iter().any(|revision| revision.trailer.find(b"Encrypt").is_some()) {
            return Err(PdfError::Encrypted);
        }
        let end = revisions.last().map_or(0, |newest| newest.end);
        if !bytes[end..].iter().all(|byte| is_space(*byte)) {
            oddities.push(Oddity { what: "octets stand after the last revision", at: end });
        }
        let limits = limits.clone();
        let (decoded, parsed, values) = Default::default();
        let (cache, history, memory) = Default::default();
        Ok(Self { bytes, limits, revisions, oddities, cache, history, memory, decoded, parsed, values })
    }

    /// The file.
    pub fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// Every revision, oldest first; never empty.
    pub fn revisions(&self) -> &[Revision] {
        &self.revisions
    }

    /// What was tolerated while opening.
    pub fn oddities(&self) -> &[Oddity] {
        &self.oddities
    }

    /// Octets after the last revision: none, or white space, in a sound file.
    pub fn tail(&self) -> Range<usize> {
        self.revisions.last().map_or(0, |newest| newest.end)..self.bytes.len()
    }

    /// The bounds this file was opened with.
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// The document as revision `index` (from 0, the oldest) left it; one past the newest is the newest.
    pub fn at(&self, index: usize) -> View<'_> {
        View { pdf: self, revision: index.min(self.revisions.len().saturating_sub(1)) }
    }

    /// The document as it is now.
    pub fn latest(&self) -> View<'_> {
        self.at(usize::MAX)
    }

    /// Where each object was in each revision.
    pub(super) fn history(&self) -> &History {
        self.history.get_or_init(|| History::new(&self.revisions))
    }

    /// Values read so far, over the life of this value.
    pub(super) fn values_read(&self) -> usize {
        self.values.load(Ordering::Relaxed)
    }

    /// Counts decoded octets, so that many small bombs end too.
    fn spend_decoded(&self, octets: usize) -> Result<()> {
        let limit = self.limits.max_total_decoded_bytes;
        self.limits.budget.spend(octets as u64 / OCTETS_A_STEP)?;
        spend(&self.decoded, octets, "decoded octets in all", limit)
    }

    /// An object that was read before. It is copied, which counts too: a sixteenth of reading it.
    fn recall(&self, id: ObjectId, offset: usize) -> Result<Option<Object>> {
        let Some(known) = self.memory(|memory| memory.find(id, offset)) else { return Ok(None) };
        self.values.fetch_add(known.values, Ordering::Relaxed);
        let octets = known.octets / COPIES_A_READING;
        self.limits.budget.spend(1 + octets as u64 / OCTETS_A_STEP)?;
        spend(&self.parsed, octets, "octets read as objects", self.limits.max_parsed_bytes)?;
        Ok(Some(known.object.clone()))
    }

    fn memory<T>(&self, act: impl FnOnce(&mut Memory) -> T) -> T {
        // Nothing in there can be half done: entries are replaced in one step.
        act(&mut self.memory.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Counts what `parser` read since `from`, less the octets of a stream that it stepped over.
    fn spend_parsed(&self, parser: &Parser<'_>, from: usize, stepped_over: usize) -> Result<()> {
        self.values.fetch_add(self.limits.max_values.saturating_sub(parser.values_left), Ordering::Relaxed);
        let octets = parser.at.saturating_sub(from).saturating_sub(stepped_over);
        // Values were counted as they were read; here strings, names and the space between.
        self.limits.budget.spend(octets as u64 / OCTETS_A_STEP)?;
        spend(&self.parsed, octets, "octets read as objects", self.limits.max_parsed_bytes)
    }
}

fn spend(counter: &AtomicUsize, octets: usize, what: &'static str, limit: usize) -> Result<()> {
    let before = counter.fetch_add(octets, Ordering::Relaxed);
    if before.saturating_add(octets) > limit { Err(PdfError::TooLarge { what, limit }) } else { Ok(()) }
}

impl<'p> View<'p> {
    /// The index of this view's revision.
    pub fn revision(&self) -> usize {
        self.revision
    }

    /// The file this is a view of.
    pub fn pdf(&self) -> &'p Pdf<'p> {
        self.pdf
    }

    /// The trailer of this revision.
    pub fn trailer(&self) -> &'p Dict {
        &self.pdf.revisions[self.revision].trailer
    }

    /// Where object `number` is, by the newest revision up to this one that names it.
    pub fn entry(&self, number: u32) -> Option<Entry> {
        if self.revision >= FEW_REVISIONS {
            return self.pdf.history().find(number, self.revision);
        }
        let revisions = &self.pdf.revisions[..=self.revision];
        revisions.iter().rev().find_map(|revision| revision.entries.get(&number).copied())
    }

    /// The object `id`; `Null` where there is none (7.3.10).
    ///
    /// # Errors
    /// [`PdfError::Malformed`] where the object isn't at its place or cannot be read; limits.
    pub fn resolve(&self, id: ObjectId) -> Result<Object> {
        self.lookup(id, 0)
    }

    /// `object`, or what it refers to, through at most 16 references.
    ///
    /// # Errors
    /// As [`View::resolve`], and [`PdfError::Malformed`] for references in a circle.
    pub fn follow(&self, object: &Object) -> Result<Object> {
        let Object::Reference(first) = object else { return Ok(object.clone()) };
        let mut id = *first;
        for _ in 0..MAX_HOPS {
            match self.resolve(id)? {
                Object::Reference(next) => id = next,
                found => return Ok(found),
            }
        }
        Err(PdfError::malformed("references go round in a circle", 0))
    }

    /// The value of `key` in `dict`, followed; `Null` where there is none.
    ///
    /// # Errors
    /// As [`View::follow`].
    pub fn lookup_in(&self, dict: &Dict, key: &[u8]) -> Result<Object> {
        dict.find(key).map_or(Ok(Object::Null), |value| self.follow(value))
    }

    /// The document catalogue.
    ///
    /// # Errors
    /// [`PdfError::Malformed`] where the trailer has no `/Root` or it is no dictionary.
    pub fn catalog(&self) -> Result<Dict> {
        let at = self.pdf.revisions[self.revision].start_xref;
        match self.lookup_in(self.trailer(), b"Root")? {
            Object::Dict(catalog) => Ok(catalog),
            _ => Err(PdfError::malformed("the trailer leads to no document catalogue", at)),
        }
    }

    /// Every page in order.
    ///
    /// # Errors
    /// [`PdfError::Malformed`] for a page tree with a circle or a node that is no dictionary; limits.
    pub fn pages(&self) -> Result<Vec<Page>> {
        page::pages(*self)
    }

    /// Page `number`, from 1; cheaper than [`View::pages`] in a long document.
    ///
    /// # Errors
    /// [`PdfError::MissingPage`], and those of [`View::pages`].
    pub fn page(&self, number: u32) -> Result<Page> {
        page::nth(*self, number)
    }

    /// Where `id` lies, from its number to the end of `endobj`; `None` where it is in an object stream or nowhere.
    pub fn object_span(&self, id: ObjectId) -> Option<Range<usize>> {
        match self.entry(id.number)? {
            Entry::At { offset, generation } if generation == id.generation => {
                self.indirect(id, offset, 0).ok().map(|indirect| indirect.span)
            }
            _ => None,
        }
    }

    /// The octets of `stream` after its filters.
    ///
    /// # Errors
    /// [`PdfError::Unsupported`] for picture filters and LZW; [`PdfError::TooLarge`]; [`PdfError::Malformed`].
    pub fn stream_bytes(&self, stream: &Stream) -> Result<Vec<u8>> {
        self.decode(stream, 0)
    }

    fn lookup(&self, id: ObjectId, depth: usize) -> Result<Object> {
        match self.entry(id.number) {
            Some(Entry::At { offset, generation }) if generation == id.generation => {
                match self.pdf.recall(id, offset)? {
                    Some(object) => Ok(object),
                    None => Ok(self.indirect(id, offset, depth)?.object),
                }
            }
            Some(Entry::InStream { stream, index }) if id.generation == 0 => {
                self.object_stream(stream, depth + 1)?.object(id.number, index, self.pdf)
            }
            _ => Ok(Object::Null),
        }
    }

    fn indirect(&self, id: ObjectId, offset: usize, depth: usize) -> Result<Indirect> {
        let length = |length: &Object| {
            let length = match length {
                Object::Reference(_) if depth >= MAX_LOOKUPS => {
                    return Err(PdfError::malformed("a stream's Length leads round in a circle", offset));
                }
                Object::Reference(length) => self.lookup(*length, depth + 1)?.as_integer(),
                direct => direct.as_integer(),
            };
            let length = length.and_then(|n| usize::try_from(n).ok());
            length.ok_or(PdfError::malformed("a stream has no Length", offset))
        };
        let mut parser = Parser::in_file(self.pdf.bytes, offset, &self.pdf.limits);
        let indirect = parser.indirect(&length);
        let stream = indirect.as_ref().ok().and_then(|indirect| indirect.object.as_stream());
        self.pdf.spend_parsed(&parser, offset, stream.map_or(0, |stream| stream.span.len()))?;
        let indirect = indirect?;
        if indirect.id != id {
            return Err(PdfError::malformed(
                "another object stands where the cross-reference points",
                offset,
            ));
        }
        let values = self.pdf.limits.max_values.saturating_sub(parser.values_left);
        self.pdf.memory(|memory| memory.read(offset, &indirect, values));
        Ok(indirect)
    }

    fn object_stream(&self, number: u32, depth: usize) -> Result<Arc<ObjectStream>> {
        let Some(Entry::At { offset, generation: 0 }) = self.entry(number) else {
            return Err(PdfError::malformed("an object is said to be in a stream that is not there", 0));
        };
        if depth > MAX_LOOKUPS {
            return Err(PdfError::malformed("object streams lead round in a circle", offset));
        }
        let cached = self.cache(|cache| cache.streams.get(&offset).cloned());
        if let Some(found) = cached {
            return Ok(found);
        }
        let id = ObjectId { number, generation: 0 };
        let object = self.indirect(id, offset, depth)?.object;
        let stream = object.as_stream().filter(|stream| stream.dict.is(b"Type", b"ObjStm"));
        let stream = stream.ok_or(PdfError::malformed("expected an object stream", offset))?;
        let octets = self.decode(stream, depth + 1)?;
        let found = Arc::new(ObjectStream::new(octets, &stream.dict, offset, &self.pdf.limits)?);
        self.cache(|cache| cache.keep(offset, &found));
        Ok(found)
    }

    fn decode(&self, stream: &Stream, depth: usize) -> Result<Vec<u8>> {
        let follow = |object: &Object| match object {
            Object::Reference(_) if depth >= MAX_LOOKUPS => {
                Err(PdfError::malformed("a stream's parameters lead round in a circle", stream.span.start))
            }
            Object::Reference(id) => self.lookup(*id, depth + 1),
            direct => Ok(direct.clone()),
        };
        let raw = self.pdf.bytes.get(stream.span.clone()).unwrap_or_default();
        let chain = filter::chain(&stream.dict, &follow).map_err(|error| placed(error, stream.span.start))?;
        let octets = filter::decode(raw, &chain, self.pdf.limits.max_decoded_bytes, &mut |octets| {
            self.pdf.spend_decoded(octets)
        });
        octets.map_err(|error| placed(error, stream.span.start))
    }

    fn cache<T>(&self, act: impl FnOnce(&mut Cache) -> T) -> T {
        // A panic elsewhere leaves the cache whole: entries are inserted in one step.
        act(&mut self.pdf.cache.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

fn placed(error: PdfError, at: usize) -> PdfError {
    match error {
        PdfError::Malformed { what, at: 0 } => PdfError::Malformed { what, at },
        other => other,
    }
}

impl Cache {
    fn keep(&mut self, offset: usize, stream: &Arc<ObjectStream>) {
        let size = stream.octets.len() + size_of_val(&stream.index[..]);
        if self.bytes.saturating_add(size) > CACHE_BYTES {
            *self = Self::default();
        }
        self.bytes += size;
        self.streams.insert(offset, Arc::clone(stream));
    }
}

impl ObjectStream {
    fn new(octets: Vec<u8>, dict: &Dict, at: usize, limits: &Limits) -> Result<Self> {
        let number =
            |key: &[u8]| dict.find(key).and_then(Object::as_integer).and_then(|n| usize::try_from(n).ok());
        let wrong = PdfError::malformed("the head of an object stream cannot be read", at);
        let (Some(count), Some(first)) = (number(b"N"), number(b"First")) else { return Err(wrong) };
        if count > limits.max_objects || first > octets.len() || count > first {
            return Err(wrong);
        }
        let mut head = Parser::in_object_stream(&octets[..first], 0, limits);
        let mut index = Vec::with_capacity(count);
        for _ in 0..count {
            head.skip_space();
            let number = head.unsigned().and_then(|n| u32::try_from(n).ok());
            head.skip_space();
            let offset =
                head.unsigned().and_then(|n| usize::try_from(n).ok()).and_then(|n| n.checked_add(first));
            match (number, offset) {
                (Some(number), Some(offset)) => index.push((number, offset)),
                _ => return Err(wrong),
            }
        }
        Ok(Self { octets, index })
    }

    fn object(&self, number: u32, index: u32, pdf: &Pdf<'_>) -> Result<Object> {
        match self.index.get(index as usize) {
            Some((found, offset)) if *found == number => {
                let mut parser = Parser::in_object_stream(&self.octets, *offset, &pdf.limits);
                let object = parser.object();
                pdf.spend_parsed(&parser, *offset, 0)?;
                object
            }
            _ => Err(PdfError::malformed("another object stands at a place in an object stream", 0)),
        }
    }
}
