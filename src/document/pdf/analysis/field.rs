//! The signature fields of a document: from the form's tree, and from pages that show one the form doesn't know.

use std::collections::{HashMap, HashSet};
use std::rc::Rc;

use super::super::{Dict, Entry, Object, ObjectId, Pdf, PdfError, View};
use super::text::text;
use super::{MAX_TRICKS, Result, Trick};

/// Levels of fields in one another.
const MAX_LEVELS: usize = 32;

/// A field of the form, or of a page that shows a signature the form doesn't know.
#[derive(Debug, Clone)]
pub(super) struct Field {
    /// Its object; `None` for one written in place.
    pub(super) id: Option<ObjectId>,
    /// Full name.
    pub(super) name: String,
    /// `/V` as written, own or inherited; `None` for a field not yet signed.
    pub(super) value: Option<Rc<Object>>,
    /// The widgets it is shown by: the field itself, or its kids.
    pub(super) widgets: Vec<(Option<ObjectId>, Dict)>,
    /// Whether it is a signature field.
    pub(super) is_signature: bool,
    /// Whether the form lists it.
    pub(super) is_listed: bool,
}

/// Octets of all names together, each counted for every field that has it as a part of its own: a long name above many
/// fields would be written out for each.
const MAX_NAME_BYTES: usize = 16 << 20;

/// What a node hands down to its children.
#[derive(Clone, Default)]
struct Inherited {
    name: String,
    is_signature: bool,
    value: Option<Rc<Object>>,
    level: usize,
}

/// Every signature field that has a value, and what is odd about the names of signature fields.
pub(super) fn signed_fields(view: View<'_>) -> Result<(Vec<Field>, Vec<Trick>)> {
    let mut all = fields(view)?;
    let ids =
        |field: &Field| field.widgets.iter().filter_map(|(id, _)| *id).chain(field.id).collect::<Vec<_>>();
    let listed: HashSet<ObjectId> = all.iter().filter(|field| field.is_signature).flat_map(ids).collect();
    let tricks = double_names(&all);
    all.extend(unlisted(view, &listed)?);
    all.retain(|field| field.is_signature && field.value.is_some());
    Ok((all, tricks))
}

/// Readers treat fields of one name as one field.
fn double_names(fields: &[Field]) -> Vec<Trick> {
    let mut known: HashMap<&str, bool> = HashMap::new();
    let mut tricks = Vec::new();
    for field in fields.iter().filter(|field| !field.name.is_empty()) {
        let before = known.insert(&field.name, field.is_signature);
        if before.is_some_and(|is_signature| is_signature || field.is_signature) && tricks.len() < MAX_TRICKS
        {
            let says =
                format!("two fields have the name {}, and one of them is a signature field", field.name);
            tricks.push(Trick::capped("field/double-name", says));
        }
    }
    tricks
}

/// Every field at the end of its branch that the form lists.
pub(super) fn fields(view: View<'_>) -> Result<Vec<Field>> {
    let Object::Dict(form) = view.lookup_in(&view.catalog()?, b"AcroForm")? else { return Ok(Vec::new()) };
    let Object::Array(roots) = view.lookup_in(&form, b"Fields")? else { return Ok(Vec::new()) };
    let mut found = Vec::new();
    let mut seen = HashSet::new();
    let mut names_left = MAX_NAME_BYTES;
    let mut open: Vec<(Object, Inherited)> =
        roots.into_iter().rev().map(|root| (root, Inherited::default())).collect();
    while let Some((node, inherited)) = open.pop() {
        let id = node.as_reference();
        // A field named twice counts once; deeper circles end here too.
        if id.is_some_and(|id| !seen.insert(id)) || inherited.level > MAX_LEVELS {
            continue;
        }
        let Object::Dict(dict) = view.follow(&node)? else { continue };
        let inherited = inherited.with(view, &dict)?;
        let (kids, widgets) = kids_and_widgets(view, id, &dict)?;
        if kids.is_empty() {
            let Inherited { name, value, is_signature, .. } = inherited;
            found.push(Field { id, name, value, widgets, is_signature, is_listed: true });
        } else {
            let spent = kids.len().saturating_mul(inherited.name.len());
            let limit = MAX_NAME_BYTES;
            let exceeded = PdfError::TooLarge { what: "octets in names of fields", limit };
            names_left = names_left.checked_sub(spent).ok_or(exceeded)?;
            open.extend(kids.into_iter().rev().map(|kid| (kid, inherited.clone())));
        }
    }
    Ok(found)
}

impl Inherited {
    fn with(self, view: View<'_>, dict: &Dict) -> Result<Self> {
        let mut name = self.name;
        if let Some(part) = view.lookup_in(dict, b"T")?.as_string() {
            if !name.is_empty() {
                name.push('.');
            }
            name.push_str(&text(&part.bytes));
        }
        let is_signature = match view.lookup_in(dict, b"FT")? {
            Object::Name(kind) => kind == b"Sig",
            _ => self.is_signature,
        };
        let value = match dict.find(b"V") {
            // A reference to nothing is no value (7.3.10).
            Some(value) if !view.follow(value)?.is_null() => Some(Rc::new(value.clone())),
            _ => self.value,
        };
        Ok(Self { name, is_signature, value, level: self.level + 1 })
    }
}

type Widgets = Vec<(Option<ObjectId>, Dict)>;

/// Kids with a name of their own are fields; the others are widgets of this one (12.7.4.1).
fn kids_and_widgets(view: View<'_>, id: Option<ObjectId>, dict: &Dict) -> Result<(Vec<Object>, Widgets)> {
    let Object::Array(kids) = view.lookup_in(dict, b"Kids")? else {
        return Ok((Vec::new(), vec![(id, dict.clone())]));
    };
    let (mut fields, mut widgets) = (Vec::new(), Vec::new());
    for kid in kids {
        match view.follow(&kid)? {
            Object::Dict(dict) if dict.find(b"T").is_some() || dict.find(b"Kids").is_some() => {
                fields.push(kid)
            }
            Object::Dict(dict) => widgets.push((kid.as_reference(), dict)),
            _ => {}
        }
    }
    if widgets.is_empty() {
        widgets.push((id, dict.clone()));
    }
    Ok((fields, widgets))
}

/// Signature widgets that pages show and the form doesn't list.
fn unlisted(view: View<'_>, listed: &HashSet<ObjectId>) -> Result<Vec<Field>> {
    let mut found = Vec::new();
    let mut seen = HashSet::new();
    for page in view.pages()? {
        let Object::Array(annotations) = view.lookup_in(&page.dict, b"Annots")? else { continue };
        for annotation in annotations {
            let id = annotation.as_reference();
            if id.is_some_and(|id| listed.contains(&id) || !seen.insert(id)) {
                continue;
            }
            let Object::Dict(dict) = view.follow(&annotation)? else { continue };
            if !dict.is(b"FT", b"Sig") {
                continue;
            }
            let Inherited { name, value, .. } = Inherited::default().with(view, &dict)?;
            found.push(Field {
                id,
                name,
                value,
                widgets: vec![(id, dict)],
                is_signature: true,
                is_listed: false,
            });
        }
    }
    Ok(found)
}

/// Signatures that an earlier revision had and the latest has no more.
pub(super) fn removed(pdf: &Pdf<'_>, now: &[Field]) -> Result<Vec<Trick>> {
    let kept: HashSet<Seat> = now.iter().filter_map(|field| seat(pdf.latest(), field)).collect();
    let mut gone: HashSet<Seat> = HashSet::new();
    let mut tricks = Vec::new();
    for index in 0..pdf.revisions().len().saturating_sub(1) {
        let view = pdf.at(index);
        // An early revision that cannot be read holds no signature that anyone could have made in it.
        let fields = match fields(view) {
            Err(error @ (PdfError::TooLarge { .. } | PdfError::TooCostly)) => return Err(error),
            Err(_) => continue,
            Ok(fields) => fields,
        };
        for field in fields.iter().filter(|field| field.is_signature) {
            let Some(seat) = seat(view, field) else { continue };
            if !kept.contains(&seat) && gone.insert(seat) && tricks.len() < MAX_TRICKS {
                let says = format!(
                    "revision {} held a signature in field {} that is gone now",
                    index + 1,
                    field.name
                );
                tricks.push(Trick::capped("isa/signature-removed", says));
            }
        }
    }
    Ok(tricks)
}

/// What tells one signature from another: its value's object number, and its offset where it has one.
type Seat = (u32, usize);

fn seat(view: View<'_>, field: &Field) -> Option<Seat> {
    let id = field.value.as_ref()?.as_reference().or(field.id)?;
    match view.entry(id.number) {
        Some(Entry::At { offset, .. }) => Some((id.number, offset)),
        _ => Some((id.number, usize::MAX)),
    }
}

/// Fields that show one signature in several places.
pub(super) fn shared_values(fields: &[Field]) -> Vec<Trick> {
    let mut seen = HashSet::new();
    let values = fields.iter().filter_map(|field| Some((field, field.value.as_ref()?.as_reference()?)));
    let shared = values.filter(|(_, id)| !seen.insert(*id));
    shared
        .take(MAX_TRICKS)
        .map(|(field, _)| {
            let says = format!("field {} shows the signature of another field", field.name);
            Trick::capped("field/shared-value", says)
        })
        .collect()
}
