//! Whether a stamp shows the picture of its seal. Mathematics cannot say that: a valid stamp with one seal may paint
//! another's picture, and people believe what they see.

use super::Limits;
use crate::document::{
    appearance::Appearance,
    pdf::analysis::Placed,
    png::{appearance, same_picture},
};
use yinxin_pki::{
    report::{SignatureReport, Verdict},
    ses::{Picture, Stamp},
};

const UM_PER_MM: u64 = 1000;

/// Compares what `placed` shows with the picture in the seal of the stamp that is its value.
pub(super) fn of_stamp(placed: &Placed, limits: &Limits, report: &mut SignatureReport) {
    if placed.widget.is_invisible {
        report.find("appearance/invisible", "The stamp is not shown on any page.");
        return;
    }
    // A stamp that cannot be read has failed check 1 already; what it shows is nobody's picture.
    let own = Stamp::parse(&placed.value).ok().and_then(|stamp| own(&stamp.seal.picture, limits));
    match (&placed.appearance, own) {
        (Some(shown), Some(own)) if same_picture(shown, &own) => {}
        (_, None) => {
            let says =
                "The picture in the seal is of a kind that cannot be compared with what the page shows.";
            report.cap(Verdict::Undecided, "appearance/not-comparable", says);
        }
        _ => {
            let says =
                "What the page shows in the place of the stamp is not the picture in its seal, at its size.";
            report.cap(Verdict::Undecided, "appearance/foreign", says);
        }
    }
}

/// A time stamp has no seal, and so nothing to show.
pub(super) fn of_token(placed: &Placed, report: &mut SignatureReport) {
    if !placed.widget.is_invisible {
        let says = "A time stamp shows a picture on a page, though no seal stands behind it.";
        report.cap(Verdict::Undecided, "appearance/foreign", says);
    }
}

/// The picture of a seal as it has to look on a page; `None` for kinds other than PNG and for broken ones.
fn own(picture: &Picture<'_>, limits: &Limits) -> Option<Appearance> {
    let [width, height] = [picture.width_mm, picture.height_mm]
        .map(|side| side.checked_mul(UM_PER_MM).and_then(|side| u32::try_from(side).ok()));
    appearance(picture.bytes, width?, height?, &limits.picture).ok()
}
