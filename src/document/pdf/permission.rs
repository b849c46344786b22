//! What the signatures already in a file allow: DocMDP and FieldMDP (ISO 32000-2, 12.8.2), and field locks (12.7.5.5).

use std::collections::HashSet;
use std::rc::Rc;

use super::PdfError;
use super::file::View;
use super::object::{Dict, Object};

/// Levels of the field tree.
const MAX_LEVELS: usize = 32;
/// Fields below the first level.
const MAX_FIELDS: usize = 200_000;
/// Fields that bear a signature.
const MAX_SIGNATURES: usize = 1000;
/// Octets of a full field name.
const MAX_NAME_BYTES: usize = 4096;
const TOO_MANY: PdfError = PdfError::TooLarge { what: "fields, or levels of fields", limit: MAX_FIELDS };
/// How the name of every stamp's field begins.
pub(super) const STAMP: &str = "Stamp";

type Result<T> = std::result::Result<T, PdfError>;

/// The fields of a form, as far as a new signature must know them.
#[derive(Debug, Default)]
pub(super) struct Fields {
    /// Full names of fields that begin like a stamp's.
    pub(super) stamps: HashSet<String>,
    /// Signature fields that bear a value, each value once.
    signed: Vec<Signed>,
}

#[derive(Debug)]
struct Signed {
    name: Rc<str>,
    lock: Object,
    value: Object,
}

/// A node yet to be read, with what it inherits.
struct Node {
    object: Object,
    parent: Rc<str>,
    is_signature: bool,
    level: usize,
}

impl Fields {
    /// Walks the fields of `form`, each once.
    pub(super) fn read(view: View<'_>, form: &Dict) -> Result<Self> {
        let mut fields = Self::default();
        let Object::Array(roots) = view.lookup_in(form, b"Fields")? else { return Ok(fields) };
        let (mut seen, mut values) = (HashSet::new(), HashSet::new());
        let root = |object| Node { object, parent: "".into(), is_signature: false, level: 0 };
        let mut open: Vec<Node> = roots.into_iter().map(root).collect();
        let mut left = MAX_FIELDS;
        while let Some(node) = open.pop() {
            if node.object.as_reference().is_some_and(|id| !seen.insert(id)) {
                continue;
            }
            let Object::Dict(field) = view.follow(&node.object)? else { continue };
            let name = full_name(view, &field, node.parent)?;
            let is_signature = match field.find(b"FT") {
                Some(kind) => view.follow(kind)?.as_name() == Some(b"Sig"),
                None => node.is_signature,
            };
            if let Object::Array(kids) = view.lookup_in(&field, b"Kids")? {
                left = left.checked_sub(kids.len()).filter(|_| node.level < MAX_LEVELS).ok_or(TOO_MANY)?;
                let kid =
                    |object| Node { object, parent: Rc::clone(&name), is_signature, level: node.level + 1 };
                open.extend(kids.into_iter().map(kid));
            }
            if name.starts_with(STAMP) {
                fields.stamps.insert(name.to_string());
            }
            let value = field.find(b"V").filter(|_| is_signature);
            let Some(value) = value.filter(|value| value.as_reference().is_none_or(|id| values.insert(id)))
            else {
                continue;
            };
            let lock = field.find(b"Lock").cloned().unwrap_or(Object::Null);
            fields.signed.push(Signed { name, lock, value: value.clone() });
            if fields.signed.len() > MAX_SIGNATURES {
                return Err(PdfError::TooLarge { what: "signatures", limit: MAX_SIGNATURES });
            }
        }
        Ok(fields)
    }

    /// Whether a new signature field `name` may be added.
    ///
    /// # Errors
    /// [`PdfError::Certified`] and [`PdfError::Locked`].
    pub(super) fn allow(&self, view: View<'_>, catalog: &Dict, name: &str) -> Result<()> {
        if let Object::Dict(permissions) = view.lookup_in(catalog, b"Perms")?
            && let Object::Dict(signature) = view.lookup_in(&permissions, b"DocMDP")?
        {
            certification(view, &signature)?;
        }
        for signed in &self.signed {
            let Object::Dict(value) = view.follow(&signed.value)? else { continue };
            certification(view, &value)?;
            let mut locks = transforms(view, &value, b"FieldMDP")?;
            if let Object::Dict(lock) = view.follow(&signed.lock)? {
                locks.push(lock);
            }
            for lock in locks {
                let forbids_all = view.lookup_in(&lock, b"P")?.as_integer() == Some(1);
                if forbids_all || locks_field(view, &lock, name)? {
                    return Err(PdfError::Locked { by: signed.name.to_string() });
                }
            }
        }
        Ok(())
    }
}

/// The names from the root down, joined by dots (12.7.4.2).
fn full_name(view: View<'_>, field: &Dict, parent: Rc<str>) -> Result<Rc<str>> {
    let Object::String(part) = view.lookup_in(field, b"T")? else { return Ok(parent) };
    let part = text(&part.bytes);
    let name = if parent.is_empty() { part } else { format!("{parent}.{part}") };
    if name.len() > MAX_NAME_BYTES {
        return Err(PdfError::TooLarge { what: "octets in the name of a field", limit: MAX_NAME_BYTES });
    }
    Ok(name.into())
}

/// `P` 1 allows no change; 2 (the default) and 3 allow signing (table 257).
fn certification(view: View<'_>, signature: &Dict) -> Result<()> {
    for parameters in transforms(view, signature, b"DocMDP")? {
        let permission = view.lookup_in(&parameters, b"P")?.as_integer().unwrap_or(2);
        if !matches!(permission, 2 | 3) {
            return Err(PdfError::Certified { permission });
        }
    }
    Ok(())
}

/// The parameters of each transform of this method that a signature refers to.
fn transforms(view: View<'_>, signature: &Dict, method: &[u8]) -> Result<Vec<Dict>> {
    let Object::Array(references) = view.lookup_in(signature, b"Reference")? else { return Ok(vec![]) };
    let mut found = Vec::new();
    for reference in references.iter().take(64) {
        let Object::Dict(reference) = view.follow(reference)? else { continue };
        if view.lookup_in(&reference, b"TransformMethod")?.as_name() != Some(method) {
            continue;
        }
        match view.lookup_in(&reference, b"TransformParams")? {
            Object::Dict(parameters) => found.push(parameters),
            _ => found.push(Dict::new()),
        }
    }
    Ok(found)
}

/// Whether `lock` (a lock dictionary or FieldMDP parameters, tables 236 and 259) covers the field `name`.
fn locks_field(view: View<'_>, lock: &Dict, name: &str) -> Result<bool> {
    let mut is_listed = false;
    if let Object::Array(fields) = view.lookup_in(lock, b"Fields")? {
        for field in &fields {
            let field = view.follow(field)?;
            is_listed |= field.as_string().is_some_and(|field| text(&field.bytes) == name);
        }
    }
    Ok(match view.lookup_in(lock, b"Action")?.as_name() {
        Some(b"All") => true,
        Some(b"Include") => is_listed,
        Some(b"Exclude") => !is_listed,
        _ => false,
    })
}

/// A text string (7.9.2.2): UTF-16 or UTF-8 by its mark, else one character an octet.
fn text(bytes: &[u8]) -> String {
    match bytes {
        [0xfe, 0xff, rest @ ..] => {
            let units: Vec<u16> =
                rest.chunks_exact(2).map(|pair| u16::from_be_bytes([pair[0], pair[1]])).collect();
            String::from_utf16_lossy(&units)
        }
        [0xef, 0xbb, 0xbf, rest @ ..] => String::from_utf8_lossy(rest).into_owned(),
        _ => bytes.iter().map(|byte| char::from(*byte)).collect(),
    }
}
