//! A report as the page shows it: every sentence in both languages, the reader's first.

use super::super::text::{
    beijing, line, time,
    words::{self, Pair},
};
use crate::web::Locale;
use serde::Serialize;
use yinxin_pki::{
    report::{Check, CheckId, Coverage, DocumentKind, Finding, Outcome, Report, SignatureReport, Verdict},
    time::Timestamp,
};

/// Most entries of one list that are shown.
const LIST_MAX: usize = 50;

/// Something said in the reader's language, and in the other one.
#[derive(Debug, Clone, Default, Serialize)]
struct Said {
    main: String,
    other: String,
}

/// An outcome: how it looks, and the sign and words that say it without colour.
#[derive(Debug, Serialize)]
struct Mark {
    class: &'static str,
    sign: &'static str,
    word: Said,
}

#[derive(Debug, Serialize)]
pub(super) struct View {
    file: String,
    mark: Mark,
    headline: Said,
    kind: Said,
    bytes: u64,
    sm3: String,
    judged_at: String,
    problems: Vec<Line>,
    signatures: Vec<Signature>,
}

#[derive(Debug, Serialize)]
struct Signature {
    number: usize,
    count: usize,
    kind: Said,
    mark: Mark,
    signer: Option<String>,
    issuer: Option<String>,
    seal: Option<String>,
    seal_code: Option<String>,
    seal_valid: Option<String>,
    maker: Option<String>,
    time: Option<String>,
    checks: Vec<CheckView>,
    coverage: Option<(Said, &'static str)>,
    uncovered: Vec<String>,
    changes: Vec<String>,
    changes_allowed: bool,
    findings: Vec<Line>,
}

#[derive(Debug, Serialize)]
struct CheckView {
    no: u8,
    name: Said,
    mark: Mark,
    says: Said,
    code: String,
    clause: &'static str,
}

#[derive(Debug, Serialize)]
struct Line {
    says: Said,
    code: String,
}

/// The report on a file of this name.
pub(super) fn of(report: &Report, file: &str, locale: Locale) -> View {
    let say = Sayer(locale);
    View {
        file: line(file),
        mark: say.mark(words::outcome_of(report.verdict), words::verdict(report.verdict)),
        headline: say.pair(headline(report)),
        kind: say.pair(words::document(report.document.kind)),
        bytes: report.document.bytes,
        sm3: report.document.sm3.clone(),
        judged_at: say.instant(report.judged_at),
        problems: say.lines(&report.problems),
        signatures: report
            .signatures
            .iter()
            .enumerate()
            .map(|(at, signature)| say.signature(signature, at + 1, report.signatures.len()))
            .collect(),
    }
}

/// What the verdict means for the reader, in a sentence.
fn headline(report: &Report) -> Pair {
    match (report.verdict, report.signatures.is_empty()) {
        (Verdict::Passed, _) if report.document.kind == DocumentKind::Seal => {
            ["该印章真实有效。", "This seal is genuine and in force."]
        }
        (Verdict::Passed, _) if report.document.kind == DocumentKind::Token => {
            ["该时间戳真实有效。", "This time stamp is genuine and valid."]
        }
        (Verdict::Passed, _) => [
            "文件中的签章真实有效，签章后内容未被改动。",
            "The signatures in this file are genuine and valid, and nothing was altered after signing.",
        ],
        (Verdict::Failed, true) => ["文件无法检验。", "This file cannot be verified."],
        (Verdict::Failed, false) => [
            "请勿信任此文件：至少有一项检查不成立。",
            "Do not rely on this file: at least one check does not hold.",
        ],
        (Verdict::Undecided, true) => {
            ["文件中没有可检验的签章。", "There is no signature in this file to verify."]
        }
        (Verdict::Undecided, false) => [
            "尚不能确认此文件真实有效：请勿仅凭外观信任，原因见下列说明。",
            "It could not be confirmed that this file is genuine: do not rely on its looks; the notes say what is missing.",
        ],
    }
}

/// Says things in the reader's language first.
#[derive(Clone, Copy)]
struct Sayer(Locale);

impl Sayer {
    fn pair(self, [zh, en]: Pair) -> Said {
        self.order(zh.to_owned(), en.to_owned())
    }

    fn order(self, zh: String, en: String) -> Said {
        match self.0 {
            Locale::Chinese => Said { main: zh, other: en },
            Locale::English => Said { main: en, other: zh },
        }
    }

    fn mark(self, outcome: Outcome, word: Pair) -> Mark {
        Mark { class: words::outcome(outcome)[1], sign: words::sign(outcome), word: self.pair(word) }
    }

    fn instant(self, at: Timestamp) -> String {
        match self.0 {
            Locale::Chinese => beijing(at),
            Locale::English => format!("{} (Beijing time)", at.beijing()),
        }
    }

    /// A code in Chinese, and what the report says in English. A code without Chinese words says the same twice only once.
    fn code(self, code: &str, english: &str) -> Said {
        match words::meaning(code) {
            Some(zh) => self.order(zh.into_owned(), line(english)),
            None => Said { main: line(english), other: String::new() },
        }
    }

    fn lines(self, findings: &[Finding]) -> Vec<Line> {
        let line = |finding: &Finding| Line {
            says: self.code(&finding.id, &finding.says),
            code: finding.id.clone(),
        };
        findings.iter().take(LIST_MAX).map(line).collect()
    }

    fn check(self, id: CheckId, check: &Check) -> CheckView {
        CheckView {
            no: check.no,
            name: self.pair(words::check(id)),
            mark: self.mark(check.verdict, words::outcome(check.verdict)),
            says: self.code(&check.reason, &check.says),
            code: check.reason.clone(),
            clause: check.clause,
        }
    }

    fn signature(self, report: &SignatureReport, number: usize, count: usize) -> Signature {
        let seal = report.seal.as_ref();
        let signer = report.signer.as_ref();
        let texts = |lines: &[String]| lines.iter().take(LIST_MAX).map(|text| line(text)).collect();
        Signature {
            number,
            count,
            kind: self.pair(words::signature(report.kind)),
            mark: self.mark(words::outcome_of(report.verdict), words::verdict(report.verdict)),
            signer: signer.map(|signer| line(&signer.subject)),
            issuer: signer.map(|signer| line(&signer.issuer)),
            seal: seal.map(|seal| line(&seal.name)),
            seal_code: seal.map(|seal| line(&seal.code)),
            seal_valid: seal
                .map(|seal| format!("{} – {}", seal.valid_from.beijing(), seal.valid_to.beijing())),
            maker: seal.map(|seal| line(&seal.maker)),
            time: report.time.as_ref().map(|at| match self.0 {
                Locale::Chinese => time(at),
                Locale::English => {
                    format!("{}, {}", self.instant(at.instant), super::super::text::source(at.source)[1])
                }
            }),
            checks: CheckId::ALL.iter().map(|id| self.check(*id, report.checks.check(*id))).collect(),
            coverage: report
                .covers
                .map(|covers| (self.pair(words::coverage(covers)), coverage_class(covers))),
            uncovered: texts(&report.uncovered),
            changes: texts(&report.changes_after),
            changes_allowed: !report.findings.iter().any(|finding| finding.id == "change/not-allowed"),
            findings: self.lines(&report.findings),
        }
    }
}

fn coverage_class(covers: Coverage) -> &'static str {
    match covers {
        Coverage::Whole => "passed",
        Coverage::Revision => "absent",
        Coverage::Part => "undecided",
    }
}
