//! The whitelist: what may follow a signature without touching what is shown.
//!
//! Further signature fields with their values, widgets and appearances; signing an empty signature field that was
//! there; validation data; and what describes the file without being shown (producer, date, metadata, version).

use std::collections::HashSet;

use super::super::{Dict, Object, ObjectId, Page};
use super::change::{Comparison, describe};
use super::field::fields;
use super::same::{changed_keys, is_ambiguous, same};
use super::text::{string, text};
use super::{ChangeKind, Result};

/// Levels of new fields in one another.
const MAX_LEVELS: usize = 8;

/// What a new signature field or its widget may hold. No actions, no optional content.
const FIELD_KEYS: &[&[u8]] = &[
    b"AP", b"AS", b"BS", b"Border", b"DA", b"F", b"FT", b"Ff", b"H", b"Kids", b"Lock", b"M", b"MK", b"NM",
    b"P", b"Parent", b"Q", b"Rect", b"SV", b"Subtype", b"T", b"TM", b"TU", b"Type", b"V",
];
/// What signing changes in a signature field that stood empty.
const SIGNING_KEYS: &[&[u8]] = &[b"AP", b"AS", b"F", b"M", b"NM", b"V"];
/// What one of its widgets may change.
const WIDGET_KEYS: &[&[u8]] = &[b"AP", b"AS", b"F", b"M", b"NM"];
/// What a writer says of itself in the information dictionary.
const WRITER_KEYS: &[&[u8]] = &[b"ModDate", b"Producer"];

impl Comparison<'_> {
    /// Accounts for everything that is on the whitelist, and notes the rest where it shows.
    pub(super) fn allow(&mut self) -> Result<()> {
        let [old_root, new_root] = [self.old, self.new].map(|view| view.trailer().find(b"Root").cloned());
        if old_root != new_root {
            self.refused("the trailer names another catalogue");
        }
        let old = self.old.catalog()?;
        let new = self.new.catalog()?;
        self.catalog(&old, &new);
        self.form(&old, &new)?;
        self.parents();
        self.empty_fields()?;
        self.pages()?;
        self.validation_data(&old, &new)?;
        self.metadata(&old, &new)?;
        self.description();
        if let Some(root) = new_root.as_ref().and_then(Object::as_reference) {
            self.changed.remove(&root);
        }
        Ok(())
    }

    fn catalog(&mut self, old: &Dict, new: &Dict) {
        if is_ambiguous(self.bytes(), new) {
            self.refused("the catalogue names a key twice");
        }
        for key in changed_keys(self.bytes(), old, new) {
            match key {
                b"AcroForm" | b"DSS" | b"Metadata" => {}
                b"Version" if new.find(key).is_some_and(|version| version.as_name().is_some()) => {
                    self.allowed(ChangeKind::Description, "the version of the format was changed");
                }
                b"Extensions" if new.find(key).is_some() => {
                    self.own(new.find(key).unwrap_or(&Object::Null));
                    self.allowed(ChangeKind::Description, "the extensions in use were changed");
                }
                key => self.refused(format!("{} of the catalogue was changed", text(key))),
            }
        }
    }

    fn form(&mut self, old: &Dict, new: &Dict) -> Result<()> {
        let [old_form, new_form] = self.pair(old, new, b"AcroForm")?;
        let was_there = !old_form.is_null();
        let [old_form, new_form] =
            [old_form, new_form].map(|form| form.as_dict().cloned().unwrap_or_default());
        for key in changed_keys(self.bytes(), &old_form, &new_form) {
            match key {
                b"Fields" => {}
                b"SigFlags" if flags(&new_form) & flags(&old_form) == flags(&old_form) => {}
                // In a form of nothing but signatures they touch nothing else.
                b"DR" | b"DA" if !was_there => self.own(new_form.find(key).unwrap_or(&Object::Null)),
                key => self.refused(format!("{} of the form was changed", text(key))),
            }
        }
        if is_ambiguous(self.bytes(), &new_form) {
            self.refused("the form names a key twice");
        }
        let [old_fields, new_fields] = self.pair(&old_form, &new_form, b"Fields")?;
        match added(self.bytes(), &old_fields, &new_fields) {
            Some(fields) => fields.into_iter().for_each(|field| self.field_added(field)),
            None => self.refused("fields of the form were removed or moved"),
        }
        Ok(())
    }

    /// A named group of fields may gain signature fields. Told from everything else that has kids by its shape.
    fn parents(&mut self) {
        let is_group = |dict: &Dict| {
            dict.find(b"T").is_some_and(|name| name.as_string().is_some())
                && dict.find(b"Kids").is_some_and(|kids| kids.as_array().is_some())
                && dict.find(b"Type").is_none()
        };
        let groups: Vec<(ObjectId, Object, Object)> = self
            .changed
            .iter()
            .filter_map(|(id, pair)| match pair {
                (Object::Dict(old), Object::Dict(new)) if is_group(old) => {
                    let is_grown = only(self.bytes(), old, new, &[b"Kids"]);
                    is_grown.then(|| (*id, old.find(b"Kids").cloned(), new.find(b"Kids").cloned()))
                }
                _ => None,
            })
            .filter_map(|(id, old, new)| Some((id, old?, new?)))
            .collect();
        for (id, old, new) in groups {
            let Some(fields) = added(self.bytes(), &old, &new) else { continue };
            self.changed.remove(&id);
            fields.into_iter().for_each(|field| self.field_added(field));
        }
    }

    fn field_added(&mut self, field: &Object) {
        let checked = match field.as_reference() {
            Some(id) => self.new_field(id, Above::default()),
            None => Err("it is no object of its own".to_owned()),
        };
        match checked {
            Ok(found) => {
                self.own(field);
                self.widgets.extend(&found.widgets);
                let kind = if found.is_time_stamp { ChangeKind::TimeStamp } else { ChangeKind::Signature };
                let sort = match (found.is_time_stamp, found.is_signed) {
                    (true, _) => "document time stamp",
                    (false, true) => "signature",
                    (false, false) => "empty signature field",
                };
                let what = format!("a {sort} was added in field {}", found.name);
                // A time stamp that shows something is as good as a signature for covering what others signed.
                match found.is_shown {
                    true => self.allowed_to_show(&found.name, format!("{what} with its own appearance")),
                    false => self.allowed(kind, what),
                }
            }
            Err(reason) => self.refused(format!("a form field was added: {reason}")),
        }
    }

    /// Checks that `id` is a new signature field, or a new parent of nothing else.
    fn new_field(&self, id: ObjectId, above: Above) -> std::result::Result<NewField, String> {
        if !self.created.contains(&id) || above.level > MAX_LEVELS {
            return Err(format!("object {} was there before", id.number));
        }
        let object = self.new.resolve(id).unwrap_or(Object::Null);
        let Object::Dict(dict) = &object else { return Err(format!("object {} is no field", id.number)) };
        if let Some((key, _)) = dict.entries().iter().find(|(key, _)| !FIELD_KEYS.contains(&key.as_slice())) {
            return Err(format!("{} has /{}", describe(id.number, &object), text(key)));
        }
        if is_ambiguous(self.bytes(), dict) {
            return Err(format!("object {} names a key twice", id.number));
        }
        let is_signature = match dict.find(b"FT").map(|kind| kind.as_name() == Some(b"Sig")) {
            Some(false) => return Err(format!("{} is no signature field", describe(id.number, &object))),
            Some(true) => true,
            None => above.is_signature,
        };
        let mut found = NewField { name: string(dict, b"T").unwrap_or_default(), ..NewField::default() };
        found.widgets.insert(id);
        self.value(dict, &mut found)?;
        found.is_shown = self.paints(dict)?;
        let here =
            Above { is_signature, is_signed: above.is_signed || found.is_signed, level: above.level + 1 };
        // Each for itself: the signature of one field of a group says nothing for the picture of another.
        if found.is_shown && !here.is_signed {
            return Err(format!("field {} shows a picture and holds no signature", found.name));
        }
        match dict.find(b"Kids") {
            None if !is_signature => {
                return Err(format!("{} is no signature field", describe(id.number, &object)));
            }
            None => {}
            Some(Object::Array(kids)) => {
                for kid in kids {
                    let kid = kid.as_reference().ok_or("a kid is no object of its own")?;
                    found.take_in(self.new_field(kid, here)?);
                }
            }
            Some(_) => return Err("its kids are no array in place".to_owned()),
        }
        Ok(found)
    }

    /// The value of a new field must be new too: a signature of its own.
    fn value(&self, field: &Dict, found: &mut NewField) -> std::result::Result<(), String> {
        let Some(value) = field.find(b"V") else { return Ok(()) };
        if value.as_reference().is_some_and(|id| !self.created.contains(&id)) {
            return Err("its value was there before".to_owned());
        }
        let value = self.new.follow(value).unwrap_or(Object::Null);
        match value {
            Object::Null => Ok(()),
            Object::Dict(value)
                if value.find(b"ByteRange").is_some() && value.find(b"Contents").is_some() =>
            {
                found.is_signed = true;
                found.is_time_stamp =
                    value.is(b"Type", b"DocTimeStamp") && value.is(b"SubFilter", b"ETSI.RFC3161");
                Ok(())
            }
            _ => Err("its value is no signature".to_owned()),
        }
    }

    /// Whether the widget `dict` paints anything: an appearance with content, or the borders of `/MK`.
    fn paints(&self, dict: &Dict) -> std::result::Result<bool, String> {
        let characteristics = self.new.lookup_in(dict, b"MK").unwrap_or(Object::Null);
        if characteristics.as_dict().is_some_and(|dict| !dict.entries().is_empty()) {
            return Ok(true);
        }
        let appearances = match self.new.lookup_in(dict, b"AP") {
            Ok(Object::Null) => return Ok(false),
            Ok(Object::Dict(appearances)) => appearances,
            _ => return Err("its appearance cannot be read".to_owned()),
        };
        let is_empty = appearances.entries().iter().all(|(_, state)| match self.new.follow(state) {
            Ok(Object::Stream(stream)) => stream.span.is_empty(),
            Ok(Object::Null) => true,
            _ => false,
        });
        Ok(!is_empty)
    }

    /// Signature fields that were there, and empty.
    fn empty_fields(&mut self) -> Result<()> {
        let is_field = |old: &Object| {
            old.as_dict().is_some_and(|dict| {
                dict.find(b"FT").is_some() || dict.find(b"Kids").is_some() || dict.find(b"T").is_some()
            })
        };
        if !self.changed.values().any(|(old, _)| is_field(old)) {
            return Ok(());
        }
        for field in fields(self.old)?.into_iter().filter(|field| field.is_signature) {
            let Some(id) = field.id.filter(|_| field.value.is_none()) else { continue };
            let Some((Object::Dict(old), Object::Dict(new))) = self.changed.get(&id).cloned() else {
                continue;
            };
            let mut signed = NewField::default();
            let is_signing =
                only(self.bytes(), &old, &new, SIGNING_KEYS) && self.value(&new, &mut signed).is_ok();
            if !is_signing || !signed.is_signed {
                continue;
            }
            self.sign(id, &new, SIGNING_KEYS);
            for widget in field.widgets.iter().filter_map(|(widget, _)| *widget) {
                if let Some((Object::Dict(old), Object::Dict(new))) = self.changed.get(&widget).cloned()
                    && only(self.bytes(), &old, &new, WIDGET_KEYS)
                {
                    self.sign(widget, &new, WIDGET_KEYS);
                }
            }
            let is_quiet = signed.is_time_stamp && self.paints(&new) == Ok(false);
            let kind = if is_quiet { ChangeKind::TimeStamp } else { ChangeKind::Signature };
            self.allowed(kind, format!("the empty field {} was signed", field.name));
        }
        Ok(())
    }

    fn sign(&mut self, id: ObjectId, new: &Dict, keys: &[&[u8]]) {
        self.changed.remove(&id);
        for key in keys {
            self.own(new.find(key).unwrap_or(&Object::Null));
        }
    }

    /// A page may gain widgets of new signature fields, and nothing else.
    fn pages(&mut self) -> Result<()> {
        let pages = self.pages;
        for (index, page) in pages.iter().enumerate() {
            if self.created.contains(&page.id) {
                self.refused(format!("page {} was added", index + 1));
            }
            let list = page.dict.find(b"Annots").and_then(Object::as_reference);
            let old = self.changed.remove(&page.id).map(|(old, _)| old);
            match old {
                Some(Object::Dict(old)) => self.page(index + 1, &old, page)?,
                Some(_) => self.refused(format!("page {} was something else", index + 1)),
                None if list.is_some_and(|list| self.changed.contains_key(&list)) => {
                    self.page(index + 1, &page.dict, page)?;
                }
                None => {}
            }
        }
        Ok(())
    }

    fn page(&mut self, number: usize, old: &Dict, page: &Page) -> Result<()> {
        for key in changed_keys(self.bytes(), old, &page.dict) {
            if key != b"Annots" {
                self.refused(format!("{} of page {number} was changed", text(key)));
            }
        }
        let [old_list, new_list] = self.pair(old, &page.dict, b"Annots")?;
        let Some(annotations) = added(self.bytes(), &old_list, &new_list) else {
            self.refused(format!("annotations of page {number} were removed or moved"));
            return Ok(());
        };
        for annotation in annotations {
            if annotation.as_reference().is_none_or(|id| !self.widgets.contains(&id)) {
                let shown = self.new.follow(annotation).unwrap_or(Object::Null);
                let id = annotation.as_reference().map_or(0, |id| id.number);
                self.own(annotation);
                self.refused(format!("{} was added to page {number}", describe(id, &shown)));
            }
        }
        Ok(())
    }

    /// The document security store: not shown, so that only what is also used elsewhere could matter.
    fn validation_data(&mut self, old: &Dict, new: &Dict) -> Result<()> {
        let mut open = vec![new.find(b"DSS").cloned().unwrap_or(Object::Null)];
        let mut is_touched = old.find(b"DSS") != new.find(b"DSS");
        let mut seen = HashSet::new();
        while let Some(part) = open.pop() {
            self.own(&part);
            for id in super::same::references(&part) {
                if !seen.insert(id) || self.created.contains(&id) && !self.owned.contains(&id) {
                    continue;
                }
                if self.changed.contains_key(&id) && !self.is_shown(id)? {
                    self.changed.remove(&id);
                    is_touched = true;
                }
                if self.owned.contains(&id) || !self.is_shown(id)? {
                    open.push(self.new.resolve(id).unwrap_or(Object::Null));
                }
            }
        }
        if new.find(b"DSS").is_none() && is_touched {
            self.refused("the validation data were removed");
        } else if is_touched {
            self.allowed(ChangeKind::ValidationData, "validation data were added (DSS)");
        }
        Ok(())
    }

    fn metadata(&mut self, old: &Dict, new: &Dict) -> Result<()> {
        let Some(metadata) = new.find(b"Metadata") else {
            if old.find(b"Metadata").is_some() {
                self.refused("the metadata were removed");
            }
            return Ok(());
        };
        let is_metadata =
            |object: &Object| object.as_stream().is_some_and(|s| s.dict.is(b"Type", b"Metadata"));
        let is_moved = old.find(b"Metadata") != Some(metadata);
        let Some(id) = metadata.as_reference() else {
            if is_moved {
                self.refused("the metadata lead to something else");
            }
            return Ok(());
        };
        if !is_moved && !self.changed.contains_key(&id) {
            return Ok(());
        }
        if !is_metadata(&self.new.follow(metadata)?)
            || is_moved && !self.created.contains(&id)
            || self.is_shown(id)?
        {
            self.refused("the metadata lead to something else");
            return Ok(());
        }
        self.changed.remove(&id);
        self.own(metadata);
        self.allowed(ChangeKind::Description, "the metadata were changed");
        Ok(())
    }

    /// The information dictionary: what the writer says of itself and when.
    fn description(&mut self) {
        let [old, new] =
            [self.old, self.new].map(|view| view.trailer().find(b"Info").cloned().unwrap_or(Object::Null));
        let [old_dict, new_dict] = [(self.old, &old), (self.new, &new)].map(|(view, reference)| {
            view.follow(reference).ok().and_then(|found| found.as_dict().cloned()).unwrap_or_default()
        });
        if !only(self.bytes(), &old_dict, &new_dict, WRITER_KEYS) {
            self.refused("title, author or the like in the document's information was changed");
        } else if !changed_keys(self.bytes(), &old_dict, &new_dict).is_empty() {
            self.allowed(
                ChangeKind::Description,
                "producer or date in the document's information was changed",
            );
        }
        if old == new {
            // Either noted above or allowed; a dictionary that gains a date is the same anywhere else.
            new.as_reference().and_then(|id| self.changed.remove(&id));
        }
        self.own(&new);
    }

    /// What `key` leads to, then and now. Where both name one object, its change is what the caller judges.
    fn pair(&mut self, old: &Dict, new: &Dict, key: &[u8]) -> Result<[Object; 2]> {
        let found = [self.old.lookup_in(old, key)?, self.new.lookup_in(new, key)?];
        if let Some(id) = new.find(key).and_then(Object::as_reference) {
            if old.find(key).and_then(Object::as_reference) == Some(id) {
                self.changed.remove(&id);
            } else if self.created.contains(&id) {
                self.owned.insert(id);
            }
        }
        Ok(found)
    }
}

/// What a new field takes over from those above it.
#[derive(Clone, Copy, Default)]
struct Above {
    is_signature: bool,
    is_signed: bool,
    level: usize,
}

/// What a new field turned out to be.
#[derive(Default)]
struct NewField {
    name: String,
    widgets: HashSet<ObjectId>,
    is_signed: bool,
    is_time_stamp: bool,
    is_shown: bool,
}

impl NewField {
    fn take_in(&mut self, kid: NewField) {
        self.widgets.extend(kid.widgets);
        self.is_signed |= kid.is_signed;
        self.is_time_stamp |= kid.is_time_stamp;
        self.is_shown |= kid.is_shown;
        if !kid.name.is_empty() {
            self.name = if self.name.is_empty() { kid.name } else { format!("{}.{}", self.name, kid.name) };
        }
    }
}

/// Whether nothing but `keys` differs, and the new dictionary is unambiguous.
fn only(bytes: &[u8], old: &Dict, new: &Dict, keys: &[&[u8]]) -> bool {
    !is_ambiguous(bytes, new) && changed_keys(bytes, old, new).iter().all(|key| keys.contains(key))
}

/// The elements that `new` has beyond those of `old`, if those are all still there in their order.
fn added<'n>(bytes: &[u8], old: &Object, new: &'n Object) -> Option<Vec<&'n Object>> {
    let items = |object: &Object| object.as_array().is_some() || object.is_null();
    if !items(old) || !items(new) {
        return same(bytes, old, new).then(Vec::new);
    }
    let mut left = old.as_array().unwrap_or_default().iter().peekable();
    let mut added = Vec::new();
    for item in new.as_array().unwrap_or_default() {
        if left.peek().is_some_and(|expected| same(bytes, expected, item)) {
            left.next();
        } else {
            added.push(item);
        }
    }
    left.peek().is_none().then_some(added)
}

fn flags(form: &Dict) -> i64 {
    form.find(b"SigFlags").and_then(Object::as_integer).unwrap_or(0)
}
