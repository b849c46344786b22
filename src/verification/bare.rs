//! Seals, stamps, signatures and tokens that come without a document.

use super::{Demand, face};
use yinxin_pki::{
    cms::SignedData,
    judge::{self, Kind},
    report::{DocumentKind, Finding, Report},
    sm3,
};

/// Judges what `kind_of` took for `kind`.
pub(super) fn judge(bytes: &[u8], kind: Kind, demand: &Demand<'_>) -> Report {
    let question = demand.question();
    let document = match kind {
        Kind::Seal => DocumentKind::Seal,
        Kind::Token => DocumentKind::Token,
        Kind::Stamp | Kind::Cms => DocumentKind::Stamp,
        Kind::Unknown => DocumentKind::Unknown,
    };
    let document = face(document, sm3::digest(bytes), bytes);
    let mut report = Report::new(document, demand.judged_at, demand.profile);
    match kind {
        Kind::Seal => report.signatures.push(judge::seal(bytes, &question)),
        Kind::Stamp => report.signatures.push(judge::stamp(bytes, demand.signed.map(sm3::digest), &question)),
        Kind::Token => report.signatures.push(judge::token(bytes, demand.signed, &question)),
        Kind::Cms => match demand.signed.or_else(|| carried(bytes)) {
            Some(signed) => report.signatures.push(judge::cms(bytes, &[signed], &question)),
            None => report.problems.push(Finding::new(
                "no-content",
                "This signature does not carry what it signs: give that along with it.",
            )),
        },
        Kind::Unknown => {
            report
                .problems
                .push(Finding::new("malformed", "The structure is of no kind that is known here."));
        }
    }
    report.conclude()
}

/// The content inside signed data; empty where the structure cannot be read, which its judge will say.
fn carried(bytes: &[u8]) -> Option<&[u8]> {
    match SignedData::parse(bytes) {
        Ok(signed) => signed.content,
        Err(_) => Some(&[]),
    }
}
