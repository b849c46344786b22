//! Judging our own products before they leave: the same judge as for anybody's document, profile `strict`.

use crate::{
    base::Timestamp,
    document::pdf::{self, analysis},
    seal::{Chain, ProductCheck},
};
use yinxin_pki::{
    judge::{self, Question},
    report::{Outcome, Profile, SignatureReport, Verdict},
    x509::path::Material,
};

/// The check that stands between signing and handing out.
#[derive(Debug, Clone, Copy)]
pub struct StrictCheck;

impl ProductCheck for StrictCheck {
    fn stamped_pdf(
        &self,
        product: &[u8],
        digest: &[u8; 32],
        chain: &Chain,
        at: Timestamp,
    ) -> Result<(), String> {
        let limits = pdf::Limits::default();
        let file = pdf::open(product, &limits).map_err(|error| error.to_string())?;
        let analysis = analysis::signatures(&file, &limits).map_err(|error| error.to_string())?;
        let newest = analysis.signatures.last().ok_or("the stamp is not found in its own file")?;
        if let Some(trick) = newest.tricks.first() {
            return Err(format!("{}: {}", trick.id, trick.says));
        }
        if newest.covers != analysis::Coverage::Whole || newest.appearance.is_none() {
            return Err("the stamp does not cover the whole file, or does not show its picture".into());
        }
        passed(judge::stamp(&newest.value, Some(*digest), &question(chain, at)))
    }

    fn seal(&self, esl: &[u8], chain: &Chain, at: Timestamp) -> Result<(), String> {
        passed(judge::seal(esl, &question(chain, at)))
    }
}

fn question(chain: &Chain, at: Timestamp) -> Question<'_> {
    let material = Material { anchors: &chain.anchors, intermediates: &chain.intermediates, crls: &[] };
    Question::new(material, at, Profile::Strict)
}

fn passed(report: SignatureReport) -> Result<(), String> {
    if report.checks.verdict().max(report.cap) == Verdict::Passed {
        return Ok(());
    }
    let bad =
        report.checks.iter().find(|check| matches!(check.verdict, Outcome::Failed | Outcome::Undecided));
    Err(bad.map_or_else(|| "capped by a finding".into(), |check| format!("{}: {}", check.reason, check.says)))
}
