//! The signature dictionary (ISO 32000-2, 12.8.1): its value, its two ranges, and the ways to fake either.

use std::ops::Range;

use super::super::{Dict, Entry, Object, Pdf, PdfString, syntax::all_hex};
use super::extent::encoded_length;
use super::field::Field;
use super::same::holds_ambiguity;
use super::text::{name, string};
use super::{ChangeKind, Coverage, DocMdp, Placed, Result, Trick, Widget};

/// Reads the signature of `field`; whatever is wrong with it becomes a trick.
pub(super) fn read(pdf: &Pdf<'_>, field: &Field) -> Result<Placed> {
    let view = pdf.latest();
    let mut tricks = Vec::new();
    let found = field.value.as_deref().map_or(Ok(Object::Null), |value| view.follow(value))?;
    let dict = match &found {
        Object::Dict(dict) => dict.clone(),
        _ => {
            tricks.push(Trick::failed("usf/value", "the value of the field is not a signature dictionary"));
            Dict::new()
        }
    };
    if holds_ambiguity(pdf.bytes(), &found) {
        tricks.push(Trick::failed(
            "swa/double-key",
            "the signature dictionary names a key twice, with two meanings",
        ));
    }
    if !field.is_listed {
        tricks.push(Trick::capped(
            "field/unlisted",
            "a page shows this signature, but the form does not list it",
        ));
    }
    if field.widgets.len() > 1 {
        tricks.push(Trick::capped("field/several-widgets", "this signature is shown in several places"));
    }
    let token = kept(token(pdf, field, &dict), &mut tricks);
    let value = token.as_ref().and_then(|token| kept(value(token), &mut tricks)).unwrap_or_default();
    let ranges = kept(ranges(&dict), &mut tricks);
    let signed = match (ranges, token) {
        (Some(ranges), Some(token)) => kept(around(pdf, ranges, token), &mut tricks),
        _ => None,
    };
    let certification = certification(pdf, &dict)?;
    Ok(Placed {
        field_name: field.name.clone(),
        filter: name(&dict, b"Filter"),
        sub_filter: name(&dict, b"SubFilter"),
        is_time_stamp: dict.is(b"Type", b"DocTimeStamp") || dict.is(b"SubFilter", b"ETSI.RFC3161"),
        value,
        signed,
        covers: Coverage::Part,
        uncovered: Vec::new(),
        widget: Widget::default(),
        appearance: None,
        changes_after: Vec::new(),
        tricks,
        certification,
        signing_time_text: string(&dict, b"M"),
        reason: string(&dict, b"Reason"),
        location: string(&dict, b"Location"),
        name: string(&dict, b"Name"),
    })
}

fn kept<T>(outcome: std::result::Result<T, Trick>, tricks: &mut Vec<Trick>) -> Option<T> {
    outcome.map_err(|trick| tricks.push(trick)).ok()
}

type Found<T> = std::result::Result<T, Trick>;

/// The string of `/Contents` and where its token lies.
fn token(pdf: &Pdf<'_>, field: &Field, dict: &Dict) -> Found<(PdfString, Range<usize>)> {
    let holder = field.value.as_deref().and_then(Object::as_reference).or(field.id);
    let compressed = holder.and_then(|id| pdf.latest().entry(id.number));
    if matches!(compressed, Some(Entry::InStream { .. })) {
        return Err(Trick::failed(
            "usf/compressed",
            "the signature dictionary lies in an object stream: its value has no place",
        ));
    }
    let string = match dict.find(b"Contents") {
        None => return Err(Trick::failed("usf/contents-missing", "the signature has no /Contents")),
        Some(Object::String(string)) => string,
        Some(Object::Reference(_)) => {
            return Err(Trick::failed("usf/contents-indirect", "/Contents leads to another object"));
        }
        Some(_) => return Err(Trick::failed("usf/contents", "/Contents is not a string")),
    };
    if string.bytes.is_empty() {
        return Err(Trick::failed("usf/contents-empty", "/Contents is empty"));
    }
    if string.bytes.iter().all(|octet| *octet == 0) {
        return Err(Trick::failed("usf/contents-zero", "/Contents is all zeros"));
    }
    let Some(span) = string.span.clone() else {
        return Err(Trick::failed(
            "usf/compressed",
            "the signature's value lies in an object stream: it has no place",
        ));
    };
    let digits = pdf.bytes().get(span.start + 1..span.end.saturating_sub(1)).unwrap_or_default();
    if !string.hex || !all_hex(digits) || digits.len() % 2 == 1 {
        let says = "/Contents is not plain hexadecimal digits between < and >, so that it may hide something";
        return Err(Trick::failed("swa/contents-token", says));
    }
    Ok((string.clone(), span))
}

/// The ASN.1 element in `/Contents`; everything after it must be zero.
fn value((string, _): &(PdfString, Range<usize>)) -> Found<Vec<u8>> {
    let Some(length) = encoded_length(&string.bytes) else {
        return Err(Trick::failed("usf/contents-not-asn1", "/Contents holds no whole ASN.1 element"));
    };
    let (value, padding) = string.bytes.split_at(length);
    if padding.iter().any(|octet| *octet != 0) {
        return Err(Trick::failed(
            "swa/padding",
            "something other than zeros stands after the value in /Contents",
        ));
    }
    Ok(value.to_vec())
}

/// `/ByteRange`: two ranges, as (start, end).
fn ranges(dict: &Dict) -> Found<[Range<usize>; 2]> {
    let items = match dict.find(b"ByteRange") {
        None => return Err(Trick::failed("usf/byterange-missing", "the signature has no /ByteRange")),
        Some(Object::Array(items)) => items,
        Some(_) => return Err(Trick::failed("usf/byterange", "/ByteRange is not an array in place")),
    };
    if items.is_empty() {
        return Err(Trick::failed("usf/byterange-empty", "/ByteRange is empty"));
    }
    let numbers: Option<Vec<i64>> = items.iter().map(Object::as_integer).collect();
    let Some(numbers) = numbers else {
        return Err(Trick::failed(
            "usf/byterange",
            "/ByteRange holds something other than whole numbers in place",
        ));
    };
    if numbers.iter().any(|number| *number < 0) {
        return Err(Trick::failed("usf/byterange-negative", "/ByteRange holds a negative number"));
    }
    let numbers: Option<Vec<usize>> =
        numbers.into_iter().map(|number| usize::try_from(number).ok()).collect();
    let beyond = || Trick::failed("usf/byterange-past-end", "/ByteRange reaches past the end of the file");
    let [first, first_length, second, second_length] = numbers.ok_or_else(beyond)?[..] else {
        return Err(Trick::failed(
            "swa/not-two-ranges",
            format!("/ByteRange has {} numbers, not four", items.len()),
        ));
    };
    let first_end = first.checked_add(first_length).ok_or_else(beyond)?;
    let second_end = second.checked_add(second_length).ok_or_else(beyond)?;
    Ok([first..first_end, second..second_end])
}

/// The ranges, if they leave out nothing but the value's own token before they end.
fn around(
    pdf: &Pdf<'_>,
    ranges: [Range<usize>; 2],
    (_, token): (PdfString, Range<usize>),
) -> Found<[Range<usize>; 2]> {
    let [first, second] = &ranges;
    if second.end > pdf.bytes().len() {
        return Err(Trick::failed("usf/byterange-past-end", "/ByteRange reaches past the end of the file"));
    }
    if first.start != 0 {
        return Err(Trick::failed("swa/first-range", "the first range does not start at the first octet"));
    }
    if second.start < first.end {
        return Err(Trick::failed("usf/byterange-overlap", "the two ranges overlap"));
    }
    if (first.end..second.start) != token {
        let says = format!(
            "the ranges leave out octets {} to {}, but this signature's value lies at {} to {}",
            first.end, second.start, token.start, token.end
        );
        return Err(Trick::failed("swa/gap", says));
    }
    Ok(ranges)
}

/// The DocMDP transform among `/Reference`.
fn certification(pdf: &Pdf<'_>, dict: &Dict) -> Result<Option<DocMdp>> {
    let view = pdf.latest();
    let Object::Array(references) = view.lookup_in(dict, b"Reference")? else { return Ok(None) };
    for reference in references {
        let Object::Dict(reference) = view.follow(&reference)? else { continue };
        if !reference.is(b"TransformMethod", b"DocMDP") {
            continue;
        }
        let parameters = view.lookup_in(&reference, b"TransformParams")?;
        let permission = match parameters.as_dict() {
            Some(parameters) => view.lookup_in(parameters, b"P")?.as_integer(),
            None => None,
        };
        return Ok(Some(DocMdp { permission: permission.unwrap_or(2) }));
    }
    Ok(None)
}

/// Takes back what the whitelist allows and this signature's certification doesn't: under P 1 only validation data and
/// time stamps may follow. What P 2 and 3 allow beyond the whitelist stays not allowed: form values and annotations
/// are displayed (and that is what the evil annotation attack lives on).
pub(super) fn enforce_certification(placed: &mut Placed) {
    let Some(DocMdp { permission }) = placed.certification else { return };
    for change in &mut placed.changes_after {
        if permission == 1 && change.kind == ChangeKind::Signature && change.allowed {
            change.allowed = false;
            change.what.push_str(", though the author certified the document against any change");
        }
    }
    if placed.changes_after.iter().any(|change| !change.allowed) {
        let says = format!("the document was changed after its author certified it (DocMDP P {permission})");
        placed.tricks.push(Trick::capped("certification/changed", says));
    }
}

/// `/Perms /DocMDP` of the catalogue must name a signature that certifies, and no second one may.
pub(super) fn permissions(pdf: &Pdf<'_>, fields: &[Field]) -> Result<Vec<Trick>> {
    let view = pdf.latest();
    let mut certifying = Vec::new();
    for field in fields {
        let Some(value) = &field.value else { continue };
        if let Object::Dict(dict) = view.follow(value)?
            && certification(pdf, &dict)?.is_some()
        {
            certifying.push(value.as_reference());
        }
    }
    let mut tricks = Vec::new();
    if certifying.len() > 1 {
        tricks.push(Trick::capped("certification/twice", "more than one signature certifies the document"));
    }
    let Object::Dict(permissions) = view.lookup_in(&view.catalog()?, b"Perms")? else { return Ok(tricks) };
    if let Some(named) = permissions.find(b"DocMDP")
        && (named.as_reference().is_none() || !certifying.contains(&named.as_reference()))
    {
        let says = "the catalogue names a certification that no signature field holds";
        tricks.push(Trick::capped("certification/elsewhere", says));
    }
    Ok(tricks)
}
