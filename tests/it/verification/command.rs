//! `yinxin verify` as people and scripts run it: exit codes, JSON, words, and wrong usage.

use super::{
    fixture, fixture_path, samples, schema,
    world::{JUDGED_AT, Plan, WORLD, stamped, token},
};
use serde_json::Value;
use std::{
    ffi::OsStr,
    fs::{self, File},
    io::Read as _,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

fn yinxin() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_yinxin"));
    command.arg("verify");
    command
}

fn run<S: AsRef<OsStr>>(arguments: impl IntoIterator<Item = S>) -> (i32, String, String) {
    let Output { status, stdout, stderr } = yinxin().args(arguments).output().unwrap();
    let text = |octets| String::from_utf8(octets).unwrap();
    (status.code().expect("no signal"), text(stdout), text(stderr))
}

/// Exit code and report.
fn json(arguments: &[&str]) -> (i32, Value) {
    let (code, out, err) = run(arguments.iter().chain(&["--json"]));
    assert_eq!(err, "", "{arguments:?}");
    let report: Value = serde_json::from_str(&out).unwrap();
    schema::check(&report);
    (code, report)
}

/// The outcomes of the first signature's checks: passed, failed, undecided, absent.
fn letters(report: &Value) -> String {
    let checks = report["signatures"][0]["checks"].as_array().unwrap();
    checks
        .iter()
        .map(|check| match check["verdict"].as_str().unwrap() {
            "passed" => 'p',
            "failed" => 'F',
            "undecided" => 'u',
            _ => '-',
        })
        .collect()
}

#[test]
fn the_samples_of_others_come_out_as_the_table_says() {
    let Some(folder) = samples() else { return };
    let path = |name: &str| folder.join(name).to_str().unwrap().to_owned();
    let (root, ca, crl) = (path("root.cer"), path("ca.cer"), path("ca.crl"));
    let trust = ["--trust", &root, "--cert", &ca, "--crl", &crl, "--at", JUDGED_AT];
    for (name, code, checks) in [
        ("seal-v1.esl", 0, "p--p----"),
        ("seal-v4.esl", 0, "p--p----"),
        ("seal-v5-ts.esl", 0, "p--p---p"),
        ("tst-sm3-of-abc.der", 0, "-p--p---"),
    ] {
        let file = path(name);
        let (found, report) = json(&[&[file.as_str()], &trust[..]].concat());
        assert_eq!((found, letters(&report).as_str()), (code, checks), "{name}: {report:#}");
    }
    for name in ["dss-hide.pdf", "dss-modified_after_signature.pdf", "pyhanko-tail-uncovered.pdf"] {
        let file = path(name);
        let (code, report) = json(&[&[file.as_str()], &trust[..]].concat());
        assert!([1, 2].contains(&code), "{name}: {report:#}");
        assert_eq!(report["signatures"].as_array().unwrap().len(), 1, "{name}");
    }
    let ofd = path("v4-valid.ofd");
    let (code, report) = json(&[&[ofd.as_str()], &trust[..]].concat());
    assert_eq!((code, report["problems"][0]["id"].as_str()), (3, Some("unsupported")));
    let scratch = tempfile::tempdir().unwrap();
    let (abc, token) = (write(&scratch, "abc", b"abc"), path("tst-sm3-of-abc.der"));
    let (code, report) = json(&[&[token.as_str(), "--data", &abc], &trust[..]].concat());
    assert_eq!((code, letters(&report).as_str()), (0, "-p--p-p-"));
}

fn write(folder: &tempfile::TempDir, name: &str, content: &[u8]) -> String {
    let path = folder.path().join(name);
    fs::write(&path, content).unwrap();
    path.to_str().unwrap().to_owned()
}

#[test]
fn a_stamped_file_is_told_in_words_and_as_json() {
    let scratch = tempfile::tempdir().unwrap();
    let plan = Plan { token_over: Some(<[u8]>::to_vec), ..Plan::default() };
    let file = write(&scratch, "stamped.pdf", &stamped(&fixture("one-page.pdf"), &plan));
    let trust = WORLD.trust(&[]);
    let root = write(&scratch, "root.pem", trust.anchors[0].to_pem().as_bytes());
    let both = [trust.intermediates[0].to_pem(), WORLD.other.cert.to_pem()].concat();
    let bundle = write(&scratch, "bundle.pem", both.as_bytes());
    let crl = write(&scratch, "ca.crl", trust.crls[0].der());
    let arguments = [&file, "--trust", &root, "--cert", &bundle, "--crl", &crl, "--at", JUDGED_AT];
    let (code, out, err) = run(arguments);
    assert_eq!((code, err.as_str()), (0, ""), "{out}");
    for words in ["✓ 通过 passed", "某市人民政府", "✓ 8 时间戳", "可信时间戳", "覆盖整个文件"]
    {
        assert!(out.contains(words), "{words} is not in {out}");
    }
    let strict =
        [&arguments[..], &["--profile", "strict", "--require-timestamp", "--require-revocation"]].concat();
    let (code, report) = json(&strict);
    assert_eq!(
        (code, letters(&report).as_str(), report["profile"].as_str()),
        (0, "pppppppp", Some("strict"))
    );
    assert_eq!(json(&[&arguments[..], &["--require-status"]].concat()).0, 2);
    // Neither --cert nor what the file carries is trusted by itself.
    let (code, report) = json(&[&file, "--cert", &bundle, "--cert", &root, "--at", JUDGED_AT]);
    assert_eq!((code, letters(&report).as_str()), (2, "pppuuppu"));
}

#[test]
fn signatures_by_others_pass_with_their_root_and_not_without() {
    for kind in ["rsa", "ecdsa"] {
        let file = fixture_path(&format!("{kind}-signed.pdf")).to_str().unwrap().to_owned();
        let root = fixture_path(&format!("{kind}-root.pem")).to_str().unwrap().to_owned();
        let (code, report) = json(&[&file, "--trust", &root, "--at", JUDGED_AT]);
        assert_eq!((code, letters(&report).as_str()), (0, "-p--ppp-"), "{report:#}");
        assert_eq!(report["signatures"][0]["kind"], "cms");
        assert_eq!(json(&[&file]).0, 2);
    }
}

#[test]
fn bad_input_gets_its_code_and_clear_words() {
    let scratch = tempfile::tempdir().unwrap();
    let empty = write(&scratch, "empty.pdf", b"");
    let text = write(&scratch, "text.txt", b"just words");
    let fake = write(&scratch, "fake.pdf", b"%PDF-1.7 and nothing else");
    let huge = scratch.path().join("huge.pdf");
    File::create(&huge).unwrap().set_len((256 << 20) + 1).unwrap();
    let at = |name: &str| fixture_path(name).to_str().unwrap().to_owned();
    let table = [
        (empty, 3, "malformed"),
        (text, 3, "malformed"),
        (fake, 3, "malformed"),
        (huge.to_str().unwrap().to_owned(), 3, "too-large"),
        (at("truncated.pdf"), 3, "malformed"),
        (at("bomb.pdf"), 3, "too-large"),
        (at("xref-loop.pdf"), 3, "malformed"),
        (at("encrypted.pdf"), 3, "encrypted"),
        (at("one-page.pdf"), 2, "not-signed"),
    ];
    for (file, code, problem) in table {
        let (found, report) = json(&[&file]);
        assert_eq!(
            (found, report["problems"][0]["id"].as_str()),
            (code, Some(problem)),
            "{file}: {report:#}"
        );
        assert!(run([&file]).1.contains(problem), "{file}");
    }
}

#[test]
fn wrong_usage_is_64_and_says_what_is_wrong() {
    let scratch = tempfile::tempdir().unwrap();
    let signed = fixture_path("rsa-signed.pdf").to_str().unwrap().to_owned();
    let nowhere = scratch.path().join("nowhere").to_str().unwrap().to_owned();
    let folder = scratch.path().to_str().unwrap().to_owned();
    let words = write(&scratch, "words.pem", b"no certificate");
    let table: [(&[&str], &str); 10] = [
        (&[], "FILE"),
        (&[&signed, "--nonsense"], "--nonsense"),
        (&[&signed, "--profile", "lax"], "lax"),
        (&[&signed, "--at", "yesterday"], "--at yesterday"),
        (&[&nowhere], "nowhere"),
        (&[&folder], "cannot be read"),
        (&[&signed, "--trust", &nowhere], "nowhere"),
        (&[&signed, "--trust", &words], "words.pem"),
        (&[&signed, "--crl", &words], "words.pem"),
        (&[&signed, "--data", &nowhere], "nowhere"),
    ];
    for (arguments, words) in table {
        let (code, out, err) = run(arguments);
        assert_eq!((code, out.as_str()), (64, ""), "{arguments:?}: {err}");
        assert!(err.contains(words), "{arguments:?}: {err}");
    }
    let (code, out, _) = run(["--help"]);
    assert!(code == 0 && out.contains("64  wrong usage"), "{out}");
}

#[test]
fn a_reader_that_leaves_early_changes_no_exit_code() {
    let mut child = yinxin()
        .arg(fixture_path("rsa-signed.pdf"))
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    assert_eq!(child.wait().unwrap().code(), Some(2));
    let mut said = String::new();
    child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    assert_eq!(said, "");
}

#[test]
fn an_answer_that_cannot_be_written_is_no_verdict() {
    let full = Path::new("/dev/full");
    let Ok(full) = File::options().write(true).open(full) else {
        eprintln!("SKIPPED: there is no /dev/full");
        return;
    };
    let output = yinxin().arg(fixture_path("rsa-signed.pdf")).stdout(full).output().unwrap();
    assert_eq!(output.status.code(), Some(74));
    assert!(String::from_utf8_lossy(&output.stderr).contains("could not be written"));
}

#[test]
fn a_command_whose_reader_has_left_does_not_panic() {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let output =
        Command::new(env!("CARGO_BIN_EXE_yinxin")).args(["seal", "presets"]).stdout(writer).output().unwrap();
    assert_eq!((output.status.code(), &*String::from_utf8_lossy(&output.stderr)), (Some(0), ""));
}

#[test]
fn a_token_is_judged_from_a_pipe_too() {
    let scratch = tempfile::tempdir().unwrap();
    let file = write(&scratch, "token.der", &token(b"abc", super::world::time("2026-11-20T12:00:00Z")));
    let mut reader = Command::new(env!("CARGO_BIN_EXE_yinxin"));
    reader.args(["verify", "/dev/stdin", "--json"]).stdin(File::open(&file).unwrap());
    if !PathBuf::from("/dev/stdin").exists() {
        eprintln!("SKIPPED: there is no /dev/stdin");
        return;
    }
    let report: Value = serde_json::from_slice(&reader.output().unwrap().stdout).unwrap();
    assert_eq!(report["document"]["kind"], "token");
}
