//! What later revisions changed: the signed revision and the file of now, object by object.
//!
//! Every object whose place differs between the two is compared by meaning, so that nothing depends on which path a
//! reader takes to it. What [`super::allow`] cannot account for is a change of content.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use super::super::history::History;
use super::super::{Dict, Entry, Object, ObjectId, Page, Pdf, PdfError, View};
use super::same::{references, references_in, same};
use super::survey::Survey;
use super::text::name;
use super::{Change, ChangeKind, MAX_CHANGES, MAX_SIGNATURES, Result};

/// Comparisons of revisions with now, each made once.
pub(super) struct Comparisons<'p> {
    pdf: &'p Pdf<'p>,
    history: &'p History,
    survey: &'p Survey,
    pages: &'p [Page],
    done: HashMap<usize, Vec<Change>>,
    /// Objects that may still be looked at.
    room: usize,
}

/// Objects that all comparisons of one file together look at: many signatures before many changes would make each
/// compare all of them.
const MAX_COMPARED: usize = 1_000_000;

impl<'p> Comparisons<'p> {
    /// `pages` are those of now.
    pub(super) fn new(pdf: &'p Pdf<'p>, history: &'p History, survey: &'p Survey, pages: &'p [Page]) -> Self {
        Self { pdf, history, survey, pages, done: HashMap::new(), room: MAX_COMPARED }
    }

    /// What changed since revision `index`.
    pub(super) fn since(&mut self, index: usize) -> Result<Vec<Change>> {
        if let Some(changes) = self.done.get(&index) {
            return Ok(changes.clone());
        }
        let mut comparison = Comparison::new(self.pdf, index, self.history, self.pages);
        comparison.room = self.room;
        comparison.sort_objects()?;
        comparison.allow()?;
        comparison.wakened(self.survey);
        self.room = comparison.room;
        let changes = comparison.finish();
        self.done.insert(index, changes.clone());
        Ok(changes)
    }
}

/// One comparison under way.
pub(super) struct Comparison<'p> {
    pub(super) old: View<'p>,
    pub(super) new: View<'p>,
    history: &'p History,
    /// The pages of now.
    pub(super) pages: &'p [Page],
    /// Objects there then and now, with two meanings. What is accounted for is taken out.
    pub(super) changed: BTreeMap<ObjectId, (Object, Object)>,
    /// Objects that were not there.
    pub(super) created: HashSet<ObjectId>,
    /// Objects among `created` that something allowed accounts for.
    pub(super) owned: HashSet<ObjectId>,
    /// Widgets of signature fields that were added.
    pub(super) widgets: HashSet<ObjectId>,
    changes: Vec<Change>,
    unlisted_changes: usize,
    /// Objects that may still be looked at.
    room: usize,
    /// Once asked for; within, `None` for everything.
    shown: Option<Option<HashSet<ObjectId>>>,
}

impl<'p> Comparison<'p> {
    fn new(pdf: &'p Pdf<'p>, index: usize, history: &'p History, pages: &'p [Page]) -> Self {
        Self {
            old: pdf.at(index),
            new: pdf.latest(),
            history,
            pages,
            changed: BTreeMap::new(),
            created: HashSet::new(),
            owned: HashSet::new(),
            widgets: HashSet::new(),
            changes: Vec::new(),
            unlisted_changes: 0,
            room: 0,
            shown: None,
        }
    }

    /// The file.
    pub(super) fn bytes(&self) -> &'p [u8] {
        self.new.pdf().bytes()
    }

    /// Notes a change that is on the whitelist.
    pub(super) fn allowed(&mut self, kind: ChangeKind, what: impl Into<String>) {
        self.note(Change { what: what.into(), allowed: true, kind, shown_field: None });
    }

    /// Notes a signature field on the whitelist that was added and shows something.
    pub(super) fn allowed_to_show(&mut self, field: &str, what: String) {
        let (kind, shown_field) = (ChangeKind::Signature, Some(field.to_owned()));
        self.note(Change { what, allowed: true, kind, shown_field });
    }

    /// Notes a change that isn't.
    pub(super) fn refused(&mut self, what: impl Into<String>) {
        self.note(Change { what: what.into(), allowed: false, kind: ChangeKind::Content, shown_field: None });
    }

    fn note(&mut self, change: Change) {
        if self.changes.contains(&change) {
            return;
        }
        // What isn't allowed always finds a place, and so does what covers something; the list stays short.
        if self.changes.len() < MAX_CHANGES
            || change.shown_field.is_some() && self.changes.len() < MAX_CHANGES + MAX_SIGNATURES
            || !change.allowed && self.changes.iter().all(|known| known.allowed)
        {
            self.changes.push(change);
        } else {
            self.unlisted_changes += 1;
        }
    }

    /// Finds the objects whose place differs, and sorts them into changed, created and removed.
    fn sort_objects(&mut self) -> Result<()> {
        let touched = self.touched();
        self.spend(touched.len() + self.pages.len())?;
        for number in touched {
            let [old, new] = [self.old, self.new].map(|view| self.history.id(number, view.revision()));
            match (old, new) {
                (Some(old), Some(new)) if old == new => self.compare(old)?,
                (Some(old), Some(new)) => {
                    self.refused(format!(
                        "object {number} was replaced (generation {} by {})",
                        old.generation, new.generation
                    ));
                }
                (Some(old), None) => {
                    let object = self.old.resolve(old).unwrap_or(Object::Null);
                    if !is_structure(&object) || self.is_shown(old)? {
                        self.refused(format!("{} was removed", describe(number, &object)));
                    }
                }
                (None, Some(new)) if self.history.was_live(new, self.old.revision()) => {
                    self.refused(format!("object {number}, deleted before, was brought back"));
                }
                (None, Some(new)) => {
                    self.created.insert(new);
                }
                (None, None) => {}
            }
        }
        Ok(())
    }

    fn spend(&mut self, objects: usize) -> Result<()> {
        self.new.pdf().limits().budget.spend(objects as u64)?;
        let exceeded = PdfError::TooLarge { what: "objects compared after signatures", limit: MAX_COMPARED };
        self.room = self.room.checked_sub(objects).ok_or(exceeded)?;
        Ok(())
    }

    /// Numbers whose entry differs, and those in an object stream that differs.
    fn touched(&self) -> BTreeSet<u32> {
        let revisions = self.new.pdf().revisions();
        let (before, after) = revisions.split_at((self.old.revision() + 1).min(revisions.len()));
        let place = |view: View<'_>, number| self.history.entry(number, view.revision());
        let mut touched: BTreeSet<u32> = after
            .iter()
            .flat_map(|revision| revision.entries.keys().copied())
            .filter(|number| place(self.old, *number) != place(self.new, *number))
            .collect();
        let inside: Vec<u32> = before
            .iter()
            .flat_map(|revision| &revision.entries)
            .filter(|(_, entry)| matches!(entry, Entry::InStream { stream, .. } if touched.contains(stream)))
            .map(|(number, _)| *number)
            .collect();
        touched.extend(inside);
        touched
    }

    fn compare(&mut self, id: ObjectId) -> Result<()> {
        match (self.old.resolve(id), self.new.resolve(id)) {
            (Ok(old), Ok(new)) if same(self.bytes(), &old, &new) => {}
            // Anything can call itself a cross-reference stream, also what a page shows.
            (Ok(old), Ok(new)) if is_structure(&old) && is_structure(&new) && !self.is_shown(id)? => {}
            (Ok(old), Ok(new)) => {
                self.changed.insert(id, (old, new));
            }
            _ => self.refused(format!("object {} was written again and cannot be read", id.number)),
        }
        Ok(())
    }

    /// Whether the signed revision leads to `id` by any way but its validation data and metadata, so that changing it
    /// may change what is shown.
    pub(super) fn is_shown(&mut self, id: ObjectId) -> Result<bool> {
        if self.shown.is_none() {
            self.shown = Some(self.reachable()?);
        }
        Ok(self.shown.as_ref().is_none_or(|shown| shown.as_ref().is_none_or(|shown| shown.contains(&id))))
    }

    /// What the signed revision's catalogue leads to but for validation data and metadata; `None`: anything, since
    /// there is too much to read.
    fn reachable(&mut self) -> Result<Option<HashSet<ObjectId>>> {
        let mut catalog = self.old.catalog()?;
        catalog.remove(b"DSS");
        catalog.remove(b"Metadata");
        let root = self.old.trailer().find(b"Root").and_then(Object::as_reference);
        let mut seen: HashSet<ObjectId> = root.into_iter().collect();
        let mut open = [references_in(self.old.trailer()), references_in(&catalog)].concat();
        while let Some(id) = open.pop() {
            if !seen.insert(id) {
                continue;
            }
            self.spend(1)?;
            match self.old.resolve(id) {
                Ok(object) => open.extend(references(&object)),
                Err(PdfError::TooLarge { .. } | PdfError::TooCostly) => return Ok(None),
                Err(_) => {}
            }
        }
        Ok(Some(seen))
    }

    /// Accounts for every created object that `from` leads to through created objects.
    pub(super) fn own(&mut self, from: &Object) {
        let mut open = references(from);
        while let Some(id) = open.pop() {
            if self.created.contains(&id)
                && self.owned.insert(id)
                && let Ok(object) = self.new.resolve(id)
            {
                open.extend(references(&object));
            }
        }
    }

    /// References of the signed revision to nothing, that lead somewhere now.
    fn wakened(&mut self, survey: &Survey) {
        let signed = self.old.revision();
        let mut woken: Vec<(ObjectId, u32)> = self
            .created
            .iter()
            .filter_map(|id| {
                Some((*id, survey.dangling.get(id).filter(|dangling| dangling.revision <= signed)?))
            })
            .map(|(id, dangling)| (id, dangling.holder))
            .collect();
        woken.sort_unstable();
        for (id, holder) in woken {
            self.refused(format!(
                "object {}, to which the signed object {holder} refers, was not there when it was signed",
                id.number
            ));
        }
    }

    /// Objects that were added and that nothing allowed accounts for, in one line.
    fn unneeded(&mut self) {
        let mut rest: Vec<ObjectId> = self.created.difference(&self.owned).copied().collect();
        rest.sort_unstable();
        let describe = |id: ObjectId| {
            let object = self.new.resolve(id).unwrap_or(Object::Null);
            (!is_structure(&object)).then(|| describe(id.number, &object))
        };
        let rest: Vec<String> = rest.into_iter().filter_map(describe).collect();
        if let Some(first) = rest.first() {
            let more = if rest.len() > 1 {
                format!(" and {} more objects were", rest.len() - 1)
            } else {
                " was".to_owned()
            };
            self.refused(format!("{first}{more} added, which nothing allowed needs"));
        }
    }

    /// Everything not accounted for is a change of content.
    fn finish(mut self) -> Vec<Change> {
        if !self.changed.is_empty() {
            let contents = contents(self.pages);
            for (id, (old, _)) in std::mem::take(&mut self.changed) {
                self.refused(match contents.get(&id) {
                    Some(page) => format!("the content of page {page} was changed"),
                    None => format!("{} was changed", describe(id.number, &old)),
                });
            }
        }
        self.unneeded();
        if self.unlisted_changes > 0 {
            let what = format!("and {} more changes", self.unlisted_changes);
            let allowed = self.changes.iter().all(|change| change.allowed);
            self.changes.push(Change { what, allowed, kind: ChangeKind::Content, shown_field: None });
        }
        self.changes
    }
}

/// Cross-reference and object streams: the objects they hold are compared for themselves.
fn is_structure(object: &Object) -> bool {
    object
        .as_stream()
        .is_some_and(|stream| stream.dict.is(b"Type", b"XRef") || stream.dict.is(b"Type", b"ObjStm"))
}

/// The page (from 1) whose content each object is.
fn contents(pages: &[Page]) -> HashMap<ObjectId, usize> {
    let of = |(index, page): (usize, &Page)| {
        let contents = page.dict.find(b"Contents").map_or_else(Vec::new, references);
        contents.into_iter().map(move |id| (id, index + 1)).collect::<Vec<_>>()
    };
    pages.iter().enumerate().flat_map(of).collect()
}

/// An object by its number, and its type where it has one.
pub(super) fn describe(number: u32, object: &Object) -> String {
    let kinds = object.as_dict().map_or_else(Vec::new, |dict: &Dict| {
        [&b"Type"[..], b"Subtype", b"FT"].iter().filter_map(|key| name(dict, key)).collect::<Vec<_>>()
    });
    if kinds.is_empty() {
        format!("object {number}")
    } else {
        format!("object {number} ({})", kinds.join(", "))
    }
}
