//! Judging our own products before they leave: the same judge as for anybody's document, profile `strict`.

use crate::{
    document::{
        pdf::{self, analysis},
        png,
    },
    seal::{Asked, ProductCheck},
};
use yinxin_pki::{
    judge::{self, Question},
    report::{Outcome, Profile, SignatureReport, Verdict},
    ses::Stamp,
    x509::path::Material,
};

/// The check that stands between signing and handing out.
#[derive(Debug, Clone, Copy)]
pub struct StrictCheck;

impl ProductCheck for StrictCheck {
    fn stamped_pdf(&self, product: &[u8], digest: &[u8; 32], asked: &Asked<'_>) -> Result<(), String> {
        let limits = pdf::Limits { budget: asked.budget.clone(), ..pdf::Limits::default() };
        let file = pdf::open(product, &limits).map_err(|error| error.to_string())?;
        let analysis = analysis::signatures(&file, &limits).map_err(|error| error.to_string())?;
        let newest = analysis.signatures.last().ok_or("the stamp is not found in its own file")?;
        if let Some(trick) = newest.tricks.first() {
            return Err(format!("{}: {}", trick.id, trick.says));
        }
        if newest.covers != analysis::Coverage::Whole {
            return Err("the stamp does not cover the whole file".into());
        }
        shows_its_seal(newest)?;
        passed(judge::stamp(&newest.value, Some(*digest), &question(asked)))
    }

    fn seal(&self, esl: &[u8], asked: &Asked<'_>) -> Result<(), String> {
        passed(judge::seal(esl, &question(asked)))
    }
}

/// What the page shows is the picture inside the SESeal, at its size, and nothing else.
fn shows_its_seal(stamp: &analysis::Placed) -> Result<(), String> {
    let data = Stamp::parse(&stamp.value).map_err(|error| error.to_string())?;
    let picture = &data.seal.picture;
    let um = |mm: u64| u32::try_from(mm.saturating_mul(1000)).unwrap_or(u32::MAX);
    let (width, height) = (um(picture.width_mm), um(picture.height_mm));
    let own = png::appearance(picture.bytes, width, height, &png::Limits::default())
        .map_err(|error| error.to_string())?;
    match &stamp.appearance {
        Some(shown) if png::same_picture(shown, &own) => Ok(()),
        _ => Err("the page does not show the seal's own picture".into()),
    }
}

fn question<'a>(asked: &Asked<'a>) -> Question<'a> {
    let Asked { chain, at, budget } = *asked;
    let material = Material { anchors: &chain.anchors, intermediates: &chain.intermediates, crls: &[] };
    Question { budget: Some(budget), ..Question::new(material, at, Profile::Strict) }
}

fn passed(report: SignatureReport) -> Result<(), String> {
    if report.checks.verdict().max(report.cap) == Verdict::Passed {
        return Ok(());
    }
    let bad =
        report.checks.iter().find(|check| matches!(check.verdict, Outcome::Failed | Outcome::Undecided));
    Err(bad.map_or_else(|| "capped by a finding".into(), |check| format!("{}: {}", check.reason, check.says)))
}
