//! One check on its way: everything that speaks against it, then one line in the report and the rest as findings.

use crate::report::{CheckId, Finding, Outcome, Profile, SignatureReport};

/// What was found so far for one check.
#[derive(Debug)]
pub(super) struct Trial {
    profile: Profile,
    lines: Vec<(Outcome, Finding)>,
    findings: Vec<Finding>,
}

impl Trial {
    pub(super) fn new(profile: Profile) -> Self {
        Self { profile, lines: Vec::new(), findings: Vec::new() }
    }

    /// It does not hold.
    pub(super) fn fail(&mut self, reason: impl Into<String>, says: impl Into<String>) {
        self.lines.push((Outcome::Failed, Finding::new(reason, says)));
    }

    /// It should be checked and cannot be.
    pub(super) fn undecided(&mut self, reason: impl Into<String>, says: impl Into<String>) {
        self.lines.push((Outcome::Undecided, Finding::new(reason, says)));
    }

    /// Something to know that decides nothing.
    pub(super) fn find(&mut self, id: impl Into<String>, says: impl Into<String>) {
        self.findings.push(Finding::new(id, says));
    }

    /// An oddity that changes no meaning: a finding, and in the strict profile a failure.
    pub(super) fn lenient(&mut self, oddity: &Finding) {
        match self.profile {
            Profile::Gm => self.findings.push(oddity.clone()),
            Profile::Strict => self.lines.push((Outcome::Failed, oddity.clone())),
        }
    }

    /// Several oddities.
    pub(super) fn all_lenient(&mut self, oddities: &[Finding]) {
        oddities.iter().for_each(|oddity| self.lenient(oddity));
    }

    /// Takes in what another trial found.
    pub(super) fn absorb(&mut self, other: Self) {
        self.lines.extend(other.lines);
        self.findings.extend(other.findings);
    }

    /// Whether nothing speaks against it.
    pub(super) fn holds(&self) -> bool {
        self.lines.is_empty()
    }

    /// Writes the check. Where nothing spoke against it, it passed with this reason; else the first of the worst lines
    /// is its reason, and every other line becomes a finding.
    pub(super) fn settle(
        mut self,
        report: &mut SignatureReport,
        id: CheckId,
        clause: &'static str,
        passed: (&str, &str),
    ) {
        let worst = self.lines.iter().map(|(outcome, _)| *outcome).max();
        let Some(at) = worst.and_then(|worst| self.lines.iter().position(|(outcome, _)| *outcome == worst))
        else {
            report.checks.record(id, Outcome::Passed, passed.0, passed.1, clause);
            self.tell(report);
            return;
        };
        let (outcome, line) = self.lines.remove(at);
        report.checks.record(id, outcome, line.id, line.says, clause);
        self.tell(report);
    }

    /// Writes what was found beside the line of the check, each only once.
    fn tell(self, report: &mut SignatureReport) {
        for finding in self.lines.into_iter().map(|(_, line)| line).chain(self.findings) {
            if !report.findings.contains(&finding) {
                report.findings.push(finding);
            }
        }
    }
}
