//! Every object of every revision, read once: what two readers could take differently, what lies hidden between the
//! objects, and which references lead nowhere until a later revision gives them something to lead to.

use std::collections::HashMap;
use std::ops::Range;

use super::super::history::History;
use super::super::syntax::{Indirect, Parser, is_space};
use super::super::{Entry, Limits, Object, ObjectId, Pdf, PdfError, Revision, View};
use super::same::{holds_ambiguity, references, same};
use super::{MAX_TRICKS, Result, Severity, Trick};

/// Objects outside every cross-reference section that are looked at.
const MAX_STRAYS: usize = 64;
/// Steps of the budget for what is noted of one object, beside reading it.
const OBJECT_STEPS: u64 = 2;
/// Oddities noted of each later revision.
const MAX_LATE_TRICKS: usize = 8;

/// What the survey found.
pub(super) struct Survey {
    /// Tricks of the file as a whole.
    tricks: Vec<Trick>,
    /// What is odd in a later revision, by its index. Harmless where every signature covers that revision: writers of
    /// hybrid files, for one, have a second section list what stands in the first.
    late: Vec<(usize, Trick)>,
    /// References that led nowhere when they were written, by what they would lead to.
    pub(super) dangling: HashMap<ObjectId, Dangling>,
}

impl Survey {
    /// The tricks that matter to a file whose first signature covers `first_signed` (an index), or all of it (`None`).
    pub(super) fn tricks(&self, first_signed: Option<usize>) -> Vec<Trick> {
        let late = self.late.iter().filter(|(index, _)| first_signed.is_some_and(|signed| *index > signed));
        let mut tricks: Vec<Trick> =
            self.tricks.iter().chain(late.map(|(_, trick)| trick)).cloned().collect();
        tricks.truncate(MAX_TRICKS);
        tricks
    }
}

/// The first reference to nothing.
#[derive(Debug, Clone, Copy)]
pub(super) struct Dangling {
    /// Object number of what holds it.
    pub(super) holder: u32,
    /// The revision that wrote the holder.
    pub(super) revision: usize,
}

/// Reads everything once.
///
/// # Errors
/// [`PdfError::TooLarge`] where objects overlap so much that reading each would take more than a few passes.
pub(super) fn survey(pdf: &Pdf<'_>, history: &History, limits: &Limits) -> Result<Survey> {
    let room = pdf.bytes().len().saturating_mul(2).saturating_add(1 << 20);
    let mut surveyor = Surveyor {
        pdf,
        history,
        limits,
        room,
        strays_left: MAX_STRAYS,
        tricks: Vec::new(),
        late: Vec::new(),
        dangling: HashMap::new(),
    };
    for oddity in pdf.oddities().iter().filter(|oddity| oddity.at != pdf.tail().start) {
        let says = format!("{} (octet {})", oddity.what, oddity.at);
        surveyor.trick(if oddity.what.contains("hybrid") {
            Trick::failed("structure/hybrid", says)
        } else {
            Trick::capped("structure/odd", says)
        });
    }
    for index in 0..pdf.revisions().len() {
        surveyor.revision(index)?;
    }
    Ok(Survey { tricks: surveyor.tricks, late: surveyor.late, dangling: surveyor.dangling })
}

struct Surveyor<'p> {
    pdf: &'p Pdf<'p>,
    history: &'p History,
    limits: &'p Limits,
    /// Octets of the file that may still be read; overlapping objects spend them several times.
    room: usize,
    strays_left: usize,
    tricks: Vec<Trick>,
    late: Vec<(usize, Trick)>,
    dangling: HashMap<ObjectId, Dangling>,
}

impl Surveyor<'_> {
    fn revision(&mut self, index: usize) -> Result<()> {
        let Some(revision) = self.pdf.revisions().get(index) else { return Ok(()) };
        let start =
            index.checked_sub(1).and_then(|older| self.pdf.revisions().get(older)).map_or(0, |r| r.end);
        let view = self.pdf.at(index);
        let mut spans = Vec::new();
        for (number, entry) in in_order(revision) {
            self.limits.budget.spend(OBJECT_STEPS)?;
            if index > 0 && self.history.entry(number, index - 1) == entry {
                continue;
            }
            match entry {
                Entry::At { offset, generation } => {
                    if offset < start {
                        self.points_back(number, index);
                    }
                    spans.extend(self.in_file(view, ObjectId { number, generation }, offset)?);
                }
                Entry::InStream { .. } => self.in_stream(view, number)?,
                Entry::Free => {}
            }
        }
        spans.retain(|span| span.start >= start);
        self.gaps(view, start, revision, spans)
    }

    fn points_back(&mut self, number: u32, index: usize) {
        let says = format!("revision {} takes octets of an earlier revision for object {number}", index + 1);
        self.late(index, Trick::capped("shadow/woken", says));
    }

    /// Reads an object at its place; gives its span.
    fn in_file(&mut self, view: View<'_>, id: ObjectId, offset: usize) -> Result<Option<Range<usize>>> {
        match self.read(view, offset)? {
            Some(indirect) if indirect.id == id => {
                self.object(view, id.number, &indirect.object);
                Ok(Some(indirect.span))
            }
            _ => {
                self.unreadable(id.number);
                Ok(None)
            }
        }
    }

    /// What stands at `offset`, counted against the room left.
    fn read(&mut self, view: View<'_>, offset: usize) -> Result<Option<Indirect>> {
        let mut parser = Parser::in_file(self.pdf.bytes(), offset, self.limits);
        let length = |length: &Object| {
            let length = view.follow(length)?.as_integer().and_then(|n| usize::try_from(n).ok());
            length.ok_or(PdfError::Malformed { what: "a stream has no Length", at: offset })
        };
        let found = parser.indirect(&length);
        let spent = parser.at.saturating_sub(offset);
        let exceeded =
            PdfError::TooLarge { what: "octets in overlapping objects", limit: self.pdf.bytes().len() };
        self.room = self.room.checked_sub(spent).ok_or(exceeded)?;
        Ok(found.ok())
    }

    fn in_stream(&mut self, view: View<'_>, number: u32) -> Result<()> {
        match view.resolve(ObjectId { number, generation: 0 }) {
            Ok(object) => {
                self.object(view, number, &object);
                Ok(())
            }
            Err(error @ (PdfError::TooLarge { .. } | PdfError::TooCostly)) => Err(error),
            Err(_) => {
                let exceeded =
                    PdfError::TooLarge { what: "unreadable compressed objects", limit: MAX_STRAYS };
                self.strays_left = self.strays_left.checked_sub(1).ok_or(exceeded)?;
                self.unreadable(number);
                Ok(())
            }
        }
    }

    fn unreadable(&mut self, number: u32) {
        let says = format!("object {number} cannot be read as written; readers differ in how they mend it");
        self.trick(Trick::capped("structure/unreadable", says));
    }

    fn object(&mut self, view: View<'_>, number: u32, object: &Object) {
        if holds_ambiguity(self.pdf.bytes(), object) {
            let says = format!("object {number} names a key twice, with two meanings");
            self.trick(Trick::failed("structure/double-key", says));
        }
        let revision = view.revision();
        for target in references(object) {
            if !self.history.is_live(target, revision) {
                self.dangling.entry(target).or_insert(Dangling { holder: number, revision });
            }
        }
    }

    /// Looks between the objects of a revision, which starts at `start`.
    fn gaps(
        &mut self,
        view: View<'_>,
        start: usize,
        revision: &Revision,
        mut spans: Vec<Range<usize>>,
    ) -> Result<()> {
        let is_increment = view.revision() > 0;
        if is_increment {
            // The first revision of a linearised file has a section in its middle: there only objects are sought.
            // A section that is a stream is an object too.
            spans.retain(|span| span.start != revision.start_xref);
            spans.push(revision.start_xref..revision.end);
        }
        spans.push(revision.end..revision.end);
        spans.sort_by_key(|span| (span.start, span.end));
        let mut at = start;
        for span in spans {
            if span.start < at && span.end > span.start {
                let says = format!("what stands at octet {} overlaps the object before it", span.start);
                self.trick(Trick::capped("structure/overlap", says));
            }
            self.gap(view, at..span.start.max(at), is_increment)?;
            at = at.max(span.end);
        }
        Ok(())
    }

    /// Octets that belong to no object.
    fn gap(&mut self, view: View<'_>, gap: Range<usize>, is_increment: bool) -> Result<()> {
        let mut rest = gap.clone();
        while let Some(head) = object_head(self.pdf.bytes(), rest.clone()) {
            if self.strays_left == 0 {
                let says = format!("more than {MAX_STRAYS} objects stand outside the cross-reference");
                self.trick(Trick::capped("structure/strays", says));
                return Ok(());
            }
            self.strays_left -= 1;
            self.loose(view, rest.start..head.start, is_increment);
            let stray = self.read(view, head.start)?;
            rest.start = stray.as_ref().map_or(head.end, |stray| stray.span.end).min(rest.end);
            self.stray(view, head.start, stray);
        }
        self.loose(view, rest, is_increment);
        Ok(())
    }

    /// An object that no cross-reference section lists at its place.
    fn stray(&mut self, view: View<'_>, at: usize, stray: Option<Indirect>) {
        let Some(stray) = stray else {
            let says = format!("at octet {at} stands the start of an object that cannot be read");
            self.trick(Trick::capped("structure/unreadable", says));
            return;
        };
        let number = stray.id.number;
        if self.history.is_live(stray.id, view.revision()) {
            let listed = view.resolve(stray.id).unwrap_or(Object::Null);
            if same(self.pdf.bytes(), &listed, &stray.object) {
                return;
            }
            // A reader that mends a file by scanning takes the last definition: before the listed one it is asleep,
            // behind it that reader shows another document.
            let sleeps = matches!(self.history.entry(number, view.revision()), Entry::At { offset, .. } if at < offset);
            let says = format!("object {number} is defined twice in one revision, with two meanings");
            self.trick(match sleeps {
                true => Trick::capped("shadow/double-object", says),
                false => Trick::failed("structure/double-object", says),
            });
        } else if self.dangling.contains_key(&stray.id) {
            let says =
                format!("object {number} is used and defined, but not listed: a later table could wake it");
            self.trick(Trick::capped("shadow/sleeper", says));
        }
    }

    /// What remains between objects in an increment: white space and comments, in a sound file.
    fn loose(&mut self, view: View<'_>, gap: Range<usize>, is_increment: bool) {
        let octets = self.pdf.bytes().get(gap.clone()).unwrap_or_default();
        if !is_increment || is_blank(octets) {
            return;
        }
        let says = format!(
            "octets {} to {} of revision {} belong to no object",
            gap.start,
            gap.end,
            view.revision() + 1
        );
        self.late(view.revision(), Trick::capped("isa/loose-octets", says));
    }

    fn late(&mut self, revision: usize, trick: Trick) {
        // A share for each revision, so that an early one cannot use up what a later one has to say.
        let before = self.late.iter().rev().take_while(|(known, _)| *known == revision).count();
        if before < MAX_LATE_TRICKS {
            self.late.push((revision, trick));
        }
    }

    fn trick(&mut self, trick: Trick) {
        if self.tricks.contains(&trick) {
            return;
        }
        if self.tricks.len() < MAX_TRICKS {
            self.tricks.push(trick);
        } else if trick.severity == Severity::Failed
            && let Some(lesser) = self.tricks.iter_mut().find(|known| known.severity == Severity::Capped)
        {
            // A flood of lesser tricks must not push out a graver one.
            *lesser = trick;
        }
    }
}

/// Entries by place, so that an object stream is decoded once.
fn in_order(revision: &Revision) -> Vec<(u32, Entry)> {
    let mut entries: Vec<(u32, Entry)> =
        revision.entries.iter().map(|(number, entry)| (*number, *entry)).collect();
    entries.sort_unstable_by_key(|(number, entry)| match entry {
        Entry::Free => (0, 0, *number),
        Entry::At { offset, .. } => (1, *offset, *number),
        Entry::InStream { stream, index } => (2, *stream as usize, *index),
    });
    entries
}

/// The next `12 0 obj` in `within`.
fn object_head(bytes: &[u8], within: Range<usize>) -> Option<Range<usize>> {
    let octets = bytes.get(within.clone())?;
    let mut from = 0;
    while let Some(found) = octets.get(from..)?.windows(3).position(|window| window == b"obj") {
        let keyword = from + found;
        if let Some(start) = head_start(&octets[..keyword]) {
            return Some(within.start + start..within.start + keyword + 3);
        }
        from = keyword + 3;
    }
    None
}

/// Where a number, white space, a number and white space start that close `before`.
fn head_start(before: &[u8]) -> Option<usize> {
    let mut at = before.len();
    for _ in 0..2 {
        let end = at;
        at -= before[..at].iter().rev().take_while(|octet| is_space(**octet)).count();
        // The keyword may follow the generation at once; numbers need white space between them.
        if at == end && end != before.len() {
            return None;
        }
        let end = at;
        at -= before[..at].iter().rev().take(10).take_while(|octet| octet.is_ascii_digit()).count();
        if at == end {
            return None;
        }
    }
    Some(at)
}

/// White space and comments that hold no keyword of the file's structure.
fn is_blank(octets: &[u8]) -> bool {
    octets.split(|octet| matches!(octet, b'\r' | b'\n')).all(|line| {
        let line = line.iter().position(|octet| !is_space(*octet)).map_or(&line[..0], |start| &line[start..]);
        line.is_empty() || line.starts_with(b"%") && !line.starts_with(b"%%EOF")
    })
}
