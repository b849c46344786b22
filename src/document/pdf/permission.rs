//! What the signatures already in a file allow: DocMDP and FieldMDP (ISO 32000-2, 12.8.2), and field locks (12.7.5.5).

use std::collections::HashSet;

use super::PdfError;
use super::file::View;
use super::object::{Dict, Object};

/// Levels of the field tree.
const MAX_LEVELS: usize = 32;

type Result<T> = std::result::Result<T, PdfError>;

/// The fields of a form, as far as a new signature must know them.
#[derive(Debug, Default)]
pub(super) struct Fields {
    /// Full names of all fields, decoded.
    pub(super) names: HashSet<String>,
    /// Signature fields that bear a value.
    signed: Vec<Signed>,
}

#[derive(Debug)]
struct Signed {
    name: String,
    field: Dict,
    value: Dict,
}

impl Fields {
    /// Walks the fields of `form`, each once.
    pub(super) fn read(view: View<'_>, form: &Dict) -> Result<Self> {
        let mut fields = Self::default();
        let Object::Array(roots) = view.lookup_in(form, b"Fields")? else { return Ok(fields) };
        let mut seen = HashSet::new();
        let mut open: Vec<(Object, String, bool, usize)> =
            roots.into_iter().map(|root| (root, String::new(), false, 0)).collect();
        while let Some((node, parent, parent_is_signature, level)) = open.pop() {
            if let Some(id) = node.as_reference()
                && !seen.insert(id)
            {
                continue;
            }
            if level > MAX_LEVELS || seen.len() > view.pdf().limits().max_objects {
                return Err(PdfError::malformed("the field tree is too deep", 0));
            }
            let Object::Dict(field) = view.follow(&node)? else { continue };
            let name = match view.lookup_in(&field, b"T")?.as_string() {
                Some(part) if parent.is_empty() => text(&part.bytes),
                Some(part) => format!("{parent}.{}", text(&part.bytes)),
                None => parent,
            };
            let is_signature = match field.find(b"FT") {
                Some(kind) => view.follow(kind)?.as_name() == Some(b"Sig"),
                None => parent_is_signature,
            };
            if let Object::Array(kids) = view.lookup_in(&field, b"Kids")? {
                open.extend(kids.into_iter().map(|kid| (kid, name.clone(), is_signature, level + 1)));
            }
            if is_signature && let Object::Dict(value) = view.lookup_in(&field, b"V")? {
                fields.signed.push(Signed { name: name.clone(), field, value });
            }
            fields.names.insert(name);
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
            certification(view, &signed.value)?;
            let mut locks = transforms(view, &signed.value, b"FieldMDP")?;
            if let Object::Dict(lock) = view.lookup_in(&signed.field, b"Lock")? {
                locks.push(lock);
            }
            for lock in locks {
                let forbids_all = view.lookup_in(&lock, b"P")?.as_integer() == Some(1);
                if forbids_all || locks_field(view, &lock, name)? {
                    return Err(PdfError::Locked { by: signed.name.clone() });
                }
            }
        }
        Ok(())
    }
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
