//! Honest files are clean, attacked files are not: files × what must be found.

#[path = "../../../../fixtures/pdf/attacks/forge.rs"]
mod forge;

use std::path::{Path, PathBuf};

use super::super::{Limits, open};
use super::{Analysis, signatures};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/pdf")
}

fn load(name: &str) -> Vec<u8> {
    let path = folder().join("attacks").join(name).with_extension("pdf");
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn analyse(bytes: &[u8]) -> Result<Analysis, super::PdfError> {
    let limits = Limits::default();
    signatures(&open(bytes, &limits)?, &limits)
}

/// One line a finding: what a person would compare.
fn findings(bytes: &[u8]) -> Vec<String> {
    let analysis = match analyse(bytes) {
        Ok(analysis) => analysis,
        Err(error) => return vec![format!("refused {}: {error}", error.code())],
    };
    let mut lines: Vec<String> = analysis
        .tricks
        .iter()
        .map(|trick| format!("file {:?} {}: {}", trick.severity, trick.id, trick.says))
        .collect();
    for placed in &analysis.signatures {
        lines.push(format!("{} {:?} {:?}", placed.field_name, placed.covers, placed.widget.page));
        lines.extend(
            placed.tricks.iter().map(|trick| format!("  {:?} {}: {}", trick.severity, trick.id, trick.says)),
        );
        lines.extend(placed.uncovered.iter().map(|what| format!("  uncovered: {what}")));
        for change in &placed.changes_after {
            lines.push(format!(
                "  {} {:?}: {}",
                if change.allowed { "allowed" } else { "CHANGED" },
                change.kind,
                change.what
            ));
        }
    }
    lines
}

#[test]
fn scratch() {
    for folder in [
        folder(),
        folder().join("attacks"),
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/samples/seal"),
    ] {
        let mut files: Vec<_> = std::fs::read_dir(&folder)
            .unwrap()
            .map(|e| e.unwrap().path())
            .filter(|p| p.extension().is_some_and(|e| e == "pdf"))
            .collect();
        files.sort();
        for file in files {
            let lines = findings(&std::fs::read(&file).unwrap());
            println!("=== {}\n{}", file.file_name().unwrap().display(), lines.join("\n"));
        }
    }
    for attack in forge::attacks(&load) {
        let clean = analyse(&attack.bytes).is_ok_and(|a| a.is_clean());
        println!(
            "=== {}{}\n{}",
            attack.name,
            if clean { " !!!! CLEAN" } else { "" },
            findings(&attack.bytes).join("\n")
        );
    }
}
