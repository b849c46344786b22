//! Reports for people: Chinese first, English second.

pub mod words;

use std::fmt::Write as _;
use words::Pair;
use yinxin_pki::{
    report::{Check, CheckId, Finding, Outcome, Profile, Report, SignatureReport, SigningTime, TimeSource},
    time::Timestamp,
};

/// Most lines of one list (changes, uncovered parts, findings) that are written out.
const LIST_MAX: usize = 20;

/// The report as plain text, with a line break at its end.
pub fn render(report: &Report) -> String {
    let mut text = String::new();
    // Writing to a string does not fail.
    let _ = write(report, &mut text);
    text
}

fn write(report: &Report, out: &mut String) -> std::fmt::Result {
    let [zh, en] = words::verdict(report.verdict);
    writeln!(out, "{} {zh} {en}", words::sign(words::outcome_of(report.verdict)))?;
    let [zh, en] = words::document(report.document.kind);
    writeln!(out, "文件 Document：{zh} {en}，{} 字节 bytes", report.document.bytes)?;
    if !report.document.sm3.is_empty() {
        writeln!(out, "SM3：{}", report.document.sm3)?;
    }
    let profile = match report.profile {
        Profile::Gm => "gm",
        Profile::Strict => "strict",
    };
    writeln!(out, "检验时间 Judged at：{}，profile {profile}", beijing(report.judged_at))?;
    for problem in &report.problems {
        finding(problem, "", out)?;
    }
    let count = report.signatures.len();
    for (at, signature) in report.signatures.iter().enumerate() {
        writeln!(out)?;
        self::signature(signature, at + 1, count, out)?;
    }
    Ok(())
}

fn signature(report: &SignatureReport, number: usize, count: usize, out: &mut String) -> std::fmt::Result {
    let ([zh, en], [kind_zh, kind_en]) = (words::verdict(report.verdict), words::signature(report.kind));
    let sign = words::sign(words::outcome_of(report.verdict));
    writeln!(out, "[{number}/{count}] {kind_zh} {kind_en}：{sign} {zh} {en}")?;
    if let Some(signer) = &report.signer {
        writeln!(out, "  签章者 Signer：{}", line(&signer.subject))?;
        writeln!(out, "  颁发者 Issuer：{}（序列号 serial {}）", line(&signer.issuer), signer.serial)?;
    }
    if let Some(seal) = &report.seal {
        writeln!(out, "  印章 Seal：{}（编号 number {}）", line(&seal.name), line(&seal.code))?;
        writeln!(out, "  有效期 Valid：{} – {}", beijing(seal.valid_from), beijing(seal.valid_to))?;
        writeln!(out, "  制章者 Maker：{}", line(&seal.maker))?;
    }
    if let Some(time) = &report.time {
        writeln!(out, "  时间 Time：{}", self::time(time))?;
    }
    for id in CheckId::ALL {
        check(id, report.checks.check(id), out)?;
    }
    if let Some(covers) = report.covers {
        let [zh, en] = words::coverage(covers);
        writeln!(out, "  {zh}。{en}.")?;
    }
    list("未覆盖 Not covered", &report.uncovered, out)?;
    list("其后的更改 Changed afterwards", &report.changes_after, out)?;
    if !report.findings.is_empty() {
        writeln!(out, "  其他 Findings：")?;
    }
    for found in report.findings.iter().take(LIST_MAX) {
        finding(found, "    ", out)?;
    }
    more(report.findings.len(), out)
}

fn check(id: CheckId, check: &Check, out: &mut String) -> std::fmt::Result {
    let ([zh, en], sign) = (words::check(id), words::sign(check.verdict));
    if check.verdict == Outcome::Absent && check.clause.is_empty() {
        let [na_zh, na_en] = words::outcome(Outcome::Absent);
        return writeln!(out, "  {sign} {} {zh} {en}：{na_zh} {na_en}", check.no);
    }
    let meaning = words::meaning(&check.reason).unwrap_or_default();
    writeln!(out, "  {sign} {} {zh} {en}：{meaning}", check.no)?;
    let clause = if check.clause.is_empty() { String::new() } else { format!(" [{}]", check.clause) };
    writeln!(out, "      {} ({}){clause}", line(&check.says), check.reason)
}

fn finding(found: &Finding, indent: &str, out: &mut String) -> std::fmt::Result {
    match words::meaning(&found.id) {
        Some(zh) => writeln!(out, "{indent}{zh}{} ({})", line(&found.says), found.id),
        None => writeln!(out, "{indent}{} ({})", line(&found.says), found.id),
    }
}

fn list(title: &str, lines: &[String], out: &mut String) -> std::fmt::Result {
    if !lines.is_empty() {
        writeln!(out, "  {title}：")?;
    }
    for each in lines.iter().take(LIST_MAX) {
        writeln!(out, "    {}", line(each))?;
    }
    more(lines.len(), out)
}

fn more(count: usize, out: &mut String) -> std::fmt::Result {
    match count.checked_sub(LIST_MAX) {
        Some(left @ 1..) => writeln!(out, "    另有 {left} 条 {left} more"),
        _ => Ok(()),
    }
}

/// The time of signing and who says so.
pub fn time(time: &SigningTime) -> String {
    let [zh, en] = source(time.source);
    format!("{}（{zh} {en}）", beijing(time.instant))
}

/// Who says when.
pub fn source(source: TimeSource) -> Pair {
    match source {
        TimeSource::Token => ["可信时间戳", "by a time stamp"],
        TimeSource::Claimed => ["签章者自述", "as the signer claims"],
    }
}

/// An instant as people here read it.
pub fn beijing(at: Timestamp) -> String {
    format!("北京时间 {}", at.beijing())
}

/// Text of a stranger's file on one line of a terminal: control characters and those that turn the direction of writing
/// could make it say something else than it does.
pub fn line(text: &str) -> String {
    const SHOWN_MAX: usize = 500;
    let plain = text.chars().map(|c| if is_safe(c) { c } else { '\u{fffd}' });
    let shown: String = plain.take(SHOWN_MAX).collect();
    if text.chars().nth(SHOWN_MAX).is_some() { shown + "…" } else { shown }
}

fn is_safe(c: char) -> bool {
    let turns =
        matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}');
    !c.is_control() && !turns
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verification::{Demand, Trust, judge};

    #[test]
    fn a_stranger_cannot_write_on_the_terminal() {
        assert_eq!(line("a\u{1b}[2Jb\nc\u{202e}d"), "a\u{fffd}[2Jb\u{fffd}c\u{fffd}d");
        assert_eq!(line(&"长".repeat(501)).chars().count(), 501);
    }

    #[test]
    fn a_report_is_readable_in_both_languages() {
        let trust = Trust::default();
        let demand = Demand::new(&trust, Timestamp::from_seconds(1_795_219_200));
        let text = render(&judge(include_bytes!("../../../fixtures/pdf/rsa-signed.pdf"), &demand));
        for part in [
            "？ 无法确定 undecided\n",
            "[1/1] 数字签名（RSA/ECDSA） Digital signature (RSA/ECDSA)：",
            "  ✓ 7 文件完整性 Integrity of the document：文件内容与签章时一致。\n",
            "  ？ 5 签章者证书 Signer's certificate：签章者证书未能追溯到受信任的根证书。\n",
            "  － 3 签章者与印章匹配",
            "覆盖整个文件。Covers the whole file.",
        ] {
            assert!(text.contains(part), "{part} is not in\n{text}");
        }
    }
}
