//! Extension data of seals and stamps: nobody's list is complete, so nothing is refused for its meaning.

use super::{LIMIT_ENTRIES, Notes, SesError};
use crate::{
    der::{Reader, Tlv, tag},
    oid::Oid,
};

/// One ExtData (seal.md §1.1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExtData<'a> {
    /// extnID; some makers put text where an identifier belongs.
    pub id: Oid,
    /// Whether its maker wants verifiers to understand it.
    pub critical: bool,
    /// extnValue.
    pub value: &'a [u8],
}

/// Reads an ExtensionDatas element.
pub(super) fn read<'a>(element: &Tlv<'a>, notes: &mut Notes) -> Result<Vec<ExtData<'a>>, SesError> {
    let mut entries = element.reader();
    let mut found = Vec::new();
    while !entries.is_empty() {
        if found.len() == LIMIT_ENTRIES {
            return Err(SesError::TooMany { list: "extDatas" });
        }
        found.push(entry(&mut entries, notes)?);
    }
    Ok(found)
}

fn entry<'a>(entries: &mut Reader<'a>, notes: &mut Notes) -> Result<ExtData<'a>, SesError> {
    let at = SesError::at;
    let mut fields = entries.sequence().map_err(at("extData"))?;
    let id = fields.oid().map_err(at("extnID"))?;
    if id.to_string().starts_with("hex:") {
        notes.odd("lenient/odd-oid", "An extension is named by octets that are no object identifier.");
    }
    let critical = match fields.peek() {
        Some(tag::BOOLEAN) => Some(fields.boolean().map_err(at("critical"))?),
        _ => None,
    };
    match critical {
        Some(false) => {
            notes.odd("lenient/explicit-default", "An extension spells out the default critical = FALSE.");
        }
        Some(true) => {
            notes.odd("lenient/critical-extension", "An extension that is unknown here is marked critical.");
        }
        None => {}
    }
    let value = fields.octets().map_err(at("extnValue"))?;
    fields.finish().map_err(at("extData"))?;
    Ok(ExtData { id, critical: critical == Some(true), value })
}
