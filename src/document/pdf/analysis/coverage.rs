//! How far a signature's ranges reach, and what lies beyond the last revision.

use std::ops::Range;

use super::super::Pdf;
use super::super::syntax::is_space;
use super::{Coverage, Placed, Severity, Trick};

/// Sets what `placed` covers, from its ranges.
pub(super) fn judge(pdf: &Pdf<'_>, placed: &mut Placed) {
    let Some([_, second]) = &placed.signed else {
        placed.uncovered.push("the signature names no stretch of this file that it could cover".to_owned());
        return;
    };
    let (end, length) = (second.end, pdf.bytes().len());
    if end == length {
        placed.covers = Coverage::Whole;
        return;
    }
    let newest = pdf.revisions().len().saturating_sub(1);
    match pdf.revisions().iter().position(|revision| ends(pdf, revision.end).contains(&end)) {
        Some(index) if index < newest => placed.covers = Coverage::Revision(index),
        Some(_) => placed.uncovered.push(format!("octets {end} to {length}, after the last revision")),
        None => {
            placed.uncovered.push(format!("octets {end} to {length}"));
            let says = format!("the signed octets end at {end}, where no revision of the file ends");
            placed.tricks.push(Trick::failed("swa/inside-revision", says));
        }
    }
}

/// Where a range may end to cover the revision that closes at `end` (after `%%EOF` and its line end): before that line
/// end too, and after white space.
fn ends(pdf: &Pdf<'_>, end: usize) -> std::ops::RangeInclusive<usize> {
    let before = pdf.bytes().get(..end).unwrap_or_default();
    let line_end = before.iter().rev().take(2).take_while(|octet| matches!(octet, b'\r' | b'\n')).count();
    let after = pdf.bytes().get(end..).unwrap_or_default();
    let white = after.iter().take_while(|octet| is_space(**octet)).count();
    end - line_end..=end + white
}

/// Octets after the last revision. White space there counts only where no signature covers it.
pub(super) fn of_file(pdf: &Pdf<'_>, signatures: &[Placed]) -> Vec<Trick> {
    let tail = pdf.tail();
    let octets = pdf.bytes().get(tail.clone()).unwrap_or_default();
    let is_white = octets.iter().all(|octet| is_space(*octet));
    if octets.is_empty() || is_white && signatures.iter().any(|placed| placed.covers == Coverage::Whole) {
        return Vec::new();
    }
    let Range { start, end } = tail;
    let says = format!("octets {start} to {end} stand after the last revision");
    let words: [&[u8]; 4] = [b"obj", b"xref", b"trailer", b"/Root"];
    let has_structure = words.iter().any(|word| octets.windows(word.len()).any(|window| window == *word));
    // A reader that repairs takes such a tail for a newer revision; one that doesn't never sees it.
    let severity = if has_structure { Severity::Failed } else { Severity::Capped };
    vec![Trick { id: if has_structure { "isa/loose-structure" } else { "isa/tail" }, says, severity }]
}
